"""Spectral radius and Glasserman-Young bounds: by hand, against LAPACK and against clearing itself."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sim.contagion import stability as module
from sim.contagion.bounds import glasserman_young
from sim.contagion.clear import clear
from sim.contagion.stability import spectral_radius, stability_margin
from sim.errors import ConvergenceError, InputError
from sim.networks.layer import Layer

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FORMATS = ["coo", "csc", "csr", "bsr", "dia", "lil", "dok"]
STAR = [[0.0, 0.0, 0.0], [20.0, 0.0, 0.0], [40.0, 0.0, 0.0]]


@pytest.fixture(scope="module")
def fictitious_default():
    if not SHARED.is_dir():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    spec = importlib.util.spec_from_file_location("oracles", SHARED / "oracles.py")
    oracles = importlib.util.module_from_spec(spec)
    sys.modules["oracles"] = oracles
    spec.loader.exec_module(oracles)
    return oracles.en_fictitious_default


def ring(weights):
    n = len(weights)
    exposures = np.zeros((n, n))
    exposures[np.arange(n), (np.arange(n) + 1) % n] = weights
    return exposures


def lapack(exposures, equity):
    return np.abs(np.linalg.eigvals(exposures / np.asarray(equity)[:, None])).max()


# ------------------------------------------------------------------------------------------------ spectral radius


def test_two_by_hand():
    # (30/10) (20/15) = 4
    found = spectral_radius([[0, 30], [20, 0]], [10, 15])
    assert found.radius == pytest.approx(2.0, rel=1e-12)
    assert found.lower <= 2.0 * (1 + 1e-15)
    assert found.upper >= 2.0 * (1 - 1e-15)
    assert found.status == "certified"
    # recovery 3/4 leaves a quarter of each exposure
    assert spectral_radius([[0, 30], [20, 0]], [10, 15], 0.75).radius == pytest.approx(0.5, rel=1e-12)
    # what the debtor 1 leaves shrinks column 1 only: 3/4 * 3 * 4/3 = 3
    assert spectral_radius([[0, 30], [20, 0]], [10, 15], [0.0, 0.25]).radius == pytest.approx(3**0.5, rel=1e-12)


def test_equal_row_sums():
    # complete network, each bank exposed with lambda of its equity: radius lambda, and linear DebtRank amplifies by
    # 1 / (1 - lambda)
    for size, answer in ((0.2, 1.25), (0.5, 2.0), (0.8, 5.0)):
        exposures = np.full((5, 5), size / 4)
        np.fill_diagonal(exposures, 0.0)
        assert stability_margin(exposures, 1.0) == pytest.approx(1 / answer, rel=1e-14)


@pytest.mark.parametrize("rounds", [200, 1])
def test_a_ring_is_a_geometric_mean(rounds, monkeypatch):
    monkeypatch.setattr(module, "POWER_ROUNDS", rounds)
    weights = np.random.default_rng(0).lognormal(0.0, 2.0, 60)
    found = spectral_radius(ring(weights), 1.0)
    assert found.radius == pytest.approx(np.exp(np.log(weights).mean()), rel=1e-11)
    assert found.rounds > rounds  # power rounds are too slow on a cycle
    assert found.rounds <= rounds + 40
    assert found.status == "certified"


def test_no_cycle_no_amplification():
    chain = np.triu(np.random.default_rng(1).random((8, 8)), 1)
    found = spectral_radius(chain, 0.01)
    assert (found.radius, found.lower, found.upper, found.rounds) == (0.0, 0.0, 0.0, 0)
    assert found.status == "certified"
    assert stability_margin(chain, 0.01) == 1.0
    assert spectral_radius(np.zeros((0, 0)), np.zeros(0)).radius == 0.0


def test_the_strongest_part_decides():
    # parts {0, 1} with 0.5 and {2, 3, 4} with 3; an edge between them and a chain on top change nothing
    exposures = np.zeros((7, 7))
    exposures[0, 1] = exposures[1, 0] = 0.5
    exposures[2, 3] = exposures[3, 4] = exposures[4, 2] = 3.0
    exposures[0, 2] = exposures[5, 0] = exposures[6, 5] = 1e6
    order = [4, 6, 1, 0, 5, 3, 2]
    for network in (exposures, exposures[np.ix_(order, order)]):
        assert spectral_radius(network, 1.0).radius == pytest.approx(3.0, rel=1e-12)


def test_full_recovery_cuts_the_cycle():
    exposures = ring([1.0, 2.0, 4.0])
    assert spectral_radius(exposures, 1.0).radius == pytest.approx(2.0, rel=1e-12)
    assert spectral_radius(exposures, 1.0, [0.0, 1.0, 0.0]).radius == 0.0
    assert spectral_radius(exposures, 1.0, 1.0).radius == 0.0


def test_random_networks_against_lapack():
    rng = np.random.default_rng(2)
    cyclic = 0
    for _ in range(300):
        n = int(rng.integers(2, 30))
        exposures = rng.lognormal(0.0, rng.choice([1.0, 4.0]), (n, n)) * (
            rng.random((n, n)) < rng.choice([0.1, 0.3, 1])
        )
        np.fill_diagonal(exposures, 0.0)
        equity = rng.lognormal(0.0, 1.0, n)
        found = spectral_radius(exposures, equity)
        assert found.status == "certified"
        assert found.upper - found.lower <= 1e-12 * found.upper
        assert found.residual == found.upper - found.lower
        if found.radius > 0.0:
            cyclic += 1
            assert_allclose(found.radius, lapack(exposures, equity), rtol=1e-10)
    assert cyclic > 200


def test_weakly_coupled_parts_close_by_inverse_rounds():
    # two rings of radius 1 and 0.999999, coupled by 1e-9: power rounds need millions
    exposures = np.zeros((8, 8))
    exposures[:4, :4], exposures[4:, 4:] = ring(np.ones(4)), ring(np.full(4, 0.999999))
    exposures[0, 4] = exposures[4, 0] = 1e-9
    found = spectral_radius(exposures, 1.0)
    assert found.status == "certified"
    assert found.rounds < 250
    assert_allclose(found.radius, lapack(exposures, np.ones(8)), rtol=1e-12)


def test_bounds_too_wide_are_not_an_answer(monkeypatch):
    exposures = ring([1.0, 2.0, 8.0])
    with pytest.raises(ConvergenceError, match="spectral_radius"):
        spectral_radius(exposures, 1.0, max_rounds=3)
    left = spectral_radius(exposures, 1.0, max_rounds=3, allow_uncertified=True)
    assert left.status == "not-certified"
    assert left.rounds == 3
    assert left.lower < 16 ** (1 / 3) < left.upper
    monkeypatch.setattr(module, "INVERSE_LIMIT", 2)  # power rounds alone get there as well
    assert spectral_radius(exposures, 1.0).radius == pytest.approx(16 ** (1 / 3), rel=1e-11)


@given(st.integers(0, 2**32 - 1), st.integers(2, 8))
@settings(max_examples=40)
def test_monotone_scaled_relabelled(seed, n):
    rng = np.random.default_rng(seed)
    exposures = rng.random((n, n)) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(exposures, 0.0)
    equity = rng.uniform(0.5, 2.0, n)
    found = spectral_radius(exposures, equity).radius
    more = exposures + rng.random((n, n)) * (1 - np.eye(n))
    assert spectral_radius(more, equity).radius >= found * (1 - 1e-11)
    assert spectral_radius(exposures, equity * 1.5).radius == pytest.approx(found / 1.5, rel=1e-11)
    assert spectral_radius(exposures * 4.0, equity * 4.0).radius == found
    assert spectral_radius(exposures, equity, 0.5).radius == 0.5 * found
    assert spectral_radius(exposures.T, 1.0).radius == pytest.approx(
        spectral_radius(exposures, 1.0).radius, rel=1e-11, abs=1e-14
    )
    order = rng.permutation(n)
    moved = spectral_radius(exposures[np.ix_(order, order)], equity[order]).radius
    assert moved == pytest.approx(found, rel=1e-11)


def test_lanes_are_single_calls():
    rng = np.random.default_rng(4)
    exposures = np.zeros((12, 12))
    exposures[:7, :7], exposures[7:, 7:] = ring(rng.random(7)), rng.random((5, 5))
    np.fill_diagonal(exposures, 0.0)
    equity = rng.lognormal(0.0, 1.5, (12, 5))
    equity[:, 2] = exposures.sum(axis=1)  # all row sums 1: closed in the first round
    names = ("radius", "lower", "upper", "rounds", "residual", "status")
    for width in (1, 2, 5):
        block = spectral_radius(exposures, equity[:, :width])
        for lane in range(width):
            one = spectral_radius(exposures, equity[:, lane])
            for name in names:
                assert_array_equal(getattr(block, name)[lane], getattr(one, name))
    assert len(set(block.rounds.tolist())) > 2
    assert stability_margin(exposures, equity).shape == (5,)


def test_input_forms_give_the_same_bits():
    rng = np.random.default_rng(6)
    exposures = (rng.random((9, 9)) * (1 - np.eye(9))).astype(np.float32)
    wanted = spectral_radius(exposures.astype(float), 1.0)
    forms = [exposures, np.asfortranarray(exposures)]
    forms += [sparse.coo_array(exposures).asformat(name) for name in FORMATS]
    forms += [sparse.csr_matrix(exposures).asformat(name) for name in FORMATS]
    forms.append(Layer.from_matrix("layer", [f"agent {k}" for k in range(len(exposures))], exposures))
    for form in forms:
        found = spectral_radius(form, np.ones(9, np.float32))
        assert (found.radius, found.lower, found.upper) == (wanted.radius, wanted.lower, wanted.upper)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 1], [1, 0]], [1.0, 0.0]), r"equity\[1\] is 0; allowed: more than 0"),
        (([[0, 1], [1, 0]], [1.0, np.nan]), r"equity\[1\] is nan"),
        (([[0, 1], [1, 0]], 1.0, 1.5), "recovery_rate is 1.5; allowed: 0 to 1"),
        (([[0, -1], [1, 0]], 1.0), r"exposures\[0, 1\] is -1"),
        (([[2, 1], [1, 0]], 1.0), r"exposures\[0, 0\] is 2"),
        ((np.ones((2, 3)), 1.0), "exposures has shape 2 x 3"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        spectral_radius(*arguments)


# ------------------------------------------------------------------------------------------------ Glasserman-Young


def star(loss=0.0):
    return clear(STAR, np.array([100.0 - loss, 10.0, 10.0]), [30.0, 25.0, 40.0])


def test_the_star_by_hand():
    # bank 0: c 100, owes 60 inside and 30 outside, w 10, beta 2/3, reach 2/3 * 90 = 60; w of the others
    # 10 + 20 - 25 = 5 and 10 + 40 - 40 = 10, both owe nothing inside
    found = glasserman_young(STAR, [100.0, 10.0, 10.0], [30.0, 25.0, 40.0], default_probability=[0.01, 0.03, 0.02])
    assert found.net_worth.tolist() == [10.0, 5.0, 10.0]
    assert_allclose(found.connectivity, [2 / 3, 0.0, 0.0], rtol=1e-15)
    assert_allclose(found.reach, [60.0, 0.0, 0.0], rtol=1e-15)
    assert found.most_defaults.tolist() == [2, 0, 0]
    # (0.01 * 100 + 0.03 * 10 + 0.02 * 10) / (1/3 * 120) = 1.5 / 40
    assert found.bound == pytest.approx(1.0375, rel=1e-14)
    assert found.shock_needed(0, [1, 2]) == pytest.approx(32.5, rel=1e-15)
    assert found.shock_needed(0, [1]) == pytest.approx(17.5, rel=1e-15)
    assert found.shock_needed(0, (2, 2)) == pytest.approx(25.0, rel=1e-15)
    assert found.shock_needed(1, [0]) == np.inf
    assert found.is_impossible(0, [1, 2]) is False
    assert found.is_impossible(1, [2]) is True
    wide = glasserman_young(STAR, [100.0, 66.0, 10.0], [30.0, 25.0, 40.0])
    assert wide.net_worth.tolist() == [10.0, 61.0, 10.0]
    assert wide.is_impossible(0, [1]) is True
    assert wide.is_impossible(0, [2]) is False
    assert wide.most_defaults.tolist() == [1, 0, 0]


def test_the_bound_is_reached_by_the_star():
    for loss, fails in ((10.0, []), (10.01, [0]), (20.0, [0]), (32.4, [0]), (32.6, [0, 1, 2]), (60.0, [0, 1, 2])):
        assert np.flatnonzero(star(loss).is_defaulted).tolist() == fails


def test_golden_star():
    golden = SHARED / "golden" / "published.json"
    if not golden.is_file():
        pytest.skip("no golden vectors: the optional file shared/golden/published.json is absent")
    case = next(c for c in json.loads(golden.read_text())["cases"] if c["name"] == "Glasserman-Young bound, tight star")
    asked = case["inputs"]
    exposures = np.array(asked["L"]).T
    found = glasserman_young(exposures, asked["e"], asked["ext"])
    assert_allclose(found.shock_needed(0, [1, 2]), case["expected"]["threshold"], atol=1e-8)
    for line in case["expected"]["defaults_by_X"]:
        assets = np.array(asked["e"], float)
        assets[0] -= line["X"]
        assert np.flatnonzero(clear(exposures, assets, asked["ext"]).is_defaulted).tolist() == line["defaults"]


def random_banks(rng, n):
    """Draw solvent banks that all owe something outside."""
    exposures = rng.lognormal(0.0, 1.0, (n, n)) * (rng.random((n, n)) < 0.5)
    np.fill_diagonal(exposures, 0.0)
    outside = rng.lognormal(1.0, 0.7, n)
    claims, inside = exposures.sum(axis=1), exposures.sum(axis=0)
    owed = np.maximum((outside + claims - inside) * rng.uniform(0.7, 0.99, n), 0.2 * inside + 0.01)
    return exposures, np.maximum(outside, 1.01 * (owed + inside) - claims), owed


def test_no_contagion_below_the_bound():
    # 150 networks, every single shock of one bank: the others that fail satisfy X >= w + sum w / beta
    rng = np.random.default_rng(17)
    contagious = 0
    for _ in range(150):
        n = int(rng.integers(2, 9))
        exposures, outside, owed = random_banks(rng, n)
        found = glasserman_young(exposures, outside, owed)
        for source in range(n):
            losses = outside[source] * np.array([0.3, 0.6, 0.9, 1.0])
            assets = np.repeat(outside[:, None], losses.size, axis=1)
            assets[source] -= losses
            defaulted = clear(exposures, assets, owed).is_defaulted
            for lane, loss in enumerate(losses):
                others = [int(j) for j in np.flatnonzero(defaulted[:, lane]) if j != source]
                assert len(others) <= found.most_defaults[source]
                if others:
                    contagious += 1
                    assert loss >= found.shock_needed(source, others) * (1 - 1e-12)
                    assert not found.is_impossible(source, others)
    assert contagious > 100


def test_expected_losses_stay_below_the_bound():
    # shocks c min(1, Z) with Z exponential of mean 0.15: increasing failure rate, homogeneous in assets;
    # independent, then the same Z for all. delta = exp(-w / (0.15 c)).
    rng = np.random.default_rng(23)
    tightest = 0.0
    for k in range(11):
        exposures, outside, owed = random_banks(rng, int(rng.integers(4, 12)))
        worth = outside + exposures.sum(axis=1) - exposures.sum(axis=0) - owed
        chance = np.where(worth < outside, np.exp(-worth / (0.15 * outside)), 0.0)
        found = glasserman_young(exposures, outside, owed, default_probability=chance)
        draws = rng.exponential(0.15, (1 if k % 2 else outside.size, 2000))
        shock = outside[:, None] * np.minimum(1.0, draws)
        debt = exposures.sum(axis=0) + owed
        paid = clear(exposures, outside[:, None] - shock, owed).payments
        shortfall = (debt[:, None] - paid).sum(axis=0)
        # path by path: all shortfalls are at most the first ones over the leak
        first = np.maximum(shock - worth[:, None], 0.0).sum(axis=0)
        assert (shortfall <= first / (1 - found.connectivity.max()) + 1e-9).all()
        ratio = 1.0 + shortfall.mean() / shock.sum(axis=0).mean()
        assert ratio <= found.bound
        tightest = max(tightest, (ratio - 1.0) / (found.bound - 1.0))
    assert 0.0 < tightest < 1.0


def test_clearing_itself_agrees(fictitious_default):
    # the tool the bounds are checked with, against an independent implementation, on the same kind of banks
    rng = np.random.default_rng(3)
    for _ in range(30):
        exposures, outside, owed = random_banks(rng, 6)
        assets = outside * rng.uniform(0.0, 1.0, 6)
        assert_allclose(
            clear(exposures, assets, owed).payments, fictitious_default(exposures.T, assets, owed)[0], rtol=1e-9
        )


def test_degenerate_balance_sheets():
    empty = glasserman_young(np.zeros((2, 2)), 0.0)
    assert (empty.bound, empty.reach.tolist(), empty.connectivity.tolist()) == (1.0, [0.0, 0.0], [0.0, 0.0])
    # a ring owes nothing outside: beta 1, no finite bound, unless no default is possible
    closed = glasserman_young([[0, 5], [5, 0]], [1.0, 1.0], default_probability=0.1)
    assert closed.bound == np.inf
    assert glasserman_young([[0, 5], [5, 0]], [1.0, 1.0], default_probability=0.0).bound == 1.0


def test_bounds_in_lanes():
    rng = np.random.default_rng(9)
    exposures, outside, owed = random_banks(rng, 6)
    assets = outside[:, None] * np.array([1.0, 1.1, 1.5])
    block = glasserman_young(exposures, assets, owed, default_probability=0.02)
    for lane in range(3):
        one = glasserman_young(exposures, assets[:, lane], owed, default_probability=0.02)
        for name in ("net_worth", "connectivity", "reach", "most_defaults", "bound"):
            assert_array_equal(getattr(block, name)[..., lane], getattr(one, name))
        assert block.shock_needed(0, [1, 2])[lane] == one.shock_needed(0, [1, 2])
        assert block.is_impossible(0, [1, 2])[lane] == one.is_impossible(0, [1, 2])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((STAR, [100.0, 10.0, -1.0], 0.0), {}, r"external_assets\[2\] is -1"),
        ((STAR, [100.0, 10.0, 10.0], [30.0, 25.0, 60.0]), {}, r"net worth\[2\] is -10; allowed: 0 or more"),
        ((STAR, np.full((3, 2), 10.0), 0.0), {}, r"net worth\[0, 1\] is -50"),
        ((STAR, 100.0, 0.0), {"default_probability": 1.2}, "default_probability is 1.2; allowed: 0 to 1"),
    ],
)
def test_bad_balance_sheets(arguments, options, message):
    with pytest.raises(InputError, match=message):
        glasserman_young(*arguments, **options)


@pytest.mark.parametrize(
    ("source", "into", "message"),
    [
        (0, [0, 1], "holds the source 0"),
        (0, [], "into is empty"),
        (3, [1], "source holds 3"),
        (0, [-1], "into holds -1"),
    ],
)
def test_bad_sets(source, into, message):
    found = glasserman_young(STAR, [100.0, 10.0, 10.0], [30.0, 25.0, 40.0])
    with pytest.raises(InputError, match=message):
        found.shock_needed(source, into)
