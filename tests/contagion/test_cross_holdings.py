"""Cross-holdings: hand calculations, the published cases, an independent implementation, lanes, both solvers."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sim.contagion.cross_holdings import cross_holdings, dependency_matrix
from sim.errors import ConvergenceError, InputError
from sim.networks.layer import Layer

# the package offers the function under the name of its module
module = import_module("sim.contagion.cross_holdings")

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
HALVES = [[0.0, 0.5], [0.5, 0.0]]
THREE = np.array([[0.0, 0.3, 0.1], [0.2, 0.0, 0.3], [0.2, 0.1, 0.0]])
LIMITS = np.array([0.9124137931034483, 0.9682758620689657, 0.8193103448275861])
COSTS = np.array([0.506896551724138, 0.5379310344827587, 0.4551724137931034])
FORMATS = ["coo", "csc", "csr", "bsr", "dia", "lil", "dok"]


@pytest.fixture(scope="module")
def egj():
    if not SHARED.is_dir():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    spec = importlib.util.spec_from_file_location("oracles", SHARED / "oracles.py")
    oracles = importlib.util.module_from_spec(spec)
    sys.modules["oracles"] = oracles
    spec.loader.exec_module(oracles)
    return oracles.egj_values


def random_holdings(rng, n, fill=0.5, kept=0.2):
    shares = rng.random((n, n)) * (rng.random((n, n)) < fill)
    np.fill_diagonal(shares, 0.0)
    sums = shares.sum(axis=0)
    return shares / np.where(sums > 0, sums, 1.0) * (1.0 - kept) * rng.random(n)


def fields(found):
    return [found.value, found.book_value, found.is_failed, found.wave, found.rounds, found.residual, found.status]


# ------------------------------------------------------------------------------------------------------ by hand


def test_two_halves_by_hand():
    # V = (1 + V/2, 1 + V/2) = (2, 2), outsiders hold half of each: v = (1, 1), exactly
    found = cross_holdings(HALVES, [1.0, 1.0])
    assert found.book_value.tolist() == [2.0, 2.0]
    assert found.value.tolist() == [1.0, 1.0]
    assert found.is_failed.tolist() == [False, False]
    assert (found.rounds, found.residual, found.status, found.gap) == (1, 0.0, "certified", None)


def test_the_published_dependency_matrix():
    assert_allclose(dependency_matrix(HALVES), [[2 / 3, 1 / 3], [1 / 3, 2 / 3]], rtol=1e-15)


def test_the_owner_is_the_row():
    # 0 owns a quarter of 1 and nobody owns 0: V = (0 + 1/4 * 8, 8), v = (2, 6)
    found = cross_holdings([[0.0, 0.25], [0.0, 0.0]], [0.0, 8.0])
    assert found.value.tolist() == [2.0, 6.0]
    assert found.book_value.tolist() == [2.0, 8.0]


def test_waves_by_hand():
    # A = 1/3 [[2, 1], [1, 2]]. Assets (0.4, 1): v = (0.6, 0.8); 0 fails below 0.65. Cost 0.3: v = (0.4, 0.7); 1 fails
    # below 0.75. Cost 0.3: v = (0.3, 0.5).
    found = cross_holdings(HALVES, [0.4, 1.0], failure_threshold=[0.65, 0.75], failure_cost=0.3)
    assert found.wave.tolist() == [1, 2]
    assert found.is_failed.tolist() == [True, True]
    assert_allclose(found.value, [0.3, 0.5], rtol=1e-14)
    assert found.rounds == 3


def test_a_value_equal_to_the_threshold_survives():
    assert not cross_holdings(HALVES, [1.0, 1.0], failure_threshold=1.0, failure_cost=1.0).is_failed.any()
    above = np.nextafter(1.0, 2.0)
    assert cross_holdings(HALVES, [1.0, 1.0], failure_threshold=above, failure_cost=1.0).is_failed.all()


def test_prices_of_primitive_assets():
    # holdings of assets (2, 0), (1, 3) at prices (1/4, 1/2): assets (0.5, 1.75); no cross-holdings
    found = cross_holdings(np.zeros((2, 2)), [[2.0, 0.0], [1.0, 3.0]], prices=[0.25, 0.5])
    assert found.value.tolist() == [0.5, 1.75]
    block = cross_holdings(
        HALVES, [[2.0, 0.0], [1.0, 3.0]], prices=[0.25, 0.5], failure_threshold=np.full((2, 5), 0.6), failure_cost=0.1
    )
    same = cross_holdings(HALVES, [0.5, 1.75], failure_threshold=0.6, failure_cost=0.1)
    assert block.value.shape == (2, 5)
    for lane in range(5):
        assert_array_equal(block.value[:, lane], same.value)


def test_two_equilibria():
    # v = (1, 1) if none fails; all fail: assets (0.4, 0.4), v = (0.4, 0.4), below the threshold 0.9 as well
    asked = {"failure_threshold": 0.9, "failure_cost": 0.6}
    best = cross_holdings(HALVES, [1.0, 1.0], bounds=True, **asked)
    worst = cross_holdings(HALVES, [1.0, 1.0], least=True, bounds=True, **asked)
    assert (best.status, worst.status) == ("multiple", "multiple")
    assert best.value.tolist() == [1.0, 1.0]
    assert_allclose(worst.value, 0.4, rtol=1e-15)
    assert worst.wave.tolist() == [1, 1]
    assert_allclose([best.gap, worst.gap], 0.6, rtol=1e-14)
    # a cost of 0.05 leaves 0.95: from the worst case both recover, one equilibrium
    one = cross_holdings(HALVES, [1.0, 1.0], least=True, bounds=True, failure_threshold=0.9, failure_cost=0.05)
    assert (one.status, one.gap, one.wave.tolist()) == ("certified", 0.0, [0, 0])


def test_recovery_from_the_worst_case_takes_waves():
    # 0 owns half of 1. All failed: own assets (0.9, 0.5), V = (1.15, 0.5), v = (1.15, 0.25): 0 recovers, 1 does not
    found = cross_holdings(
        [[0.0, 0.5], [0.0, 0.0]], [1.0, 1.0], failure_threshold=[1.1, 0.4], failure_cost=[0.1, 0.5], least=True
    )
    assert found.is_failed.tolist() == [False, True]
    assert_allclose(found.value, [1.25, 0.25], rtol=1e-15)
    assert found.rounds == 2


# ----------------------------------------------------------------------------------------- published and oracle


def test_the_published_cascade_of_three():
    found = cross_holdings(THREE, [0.5, 1.0, 1.0], failure_threshold=LIMITS, failure_cost=COSTS)
    assert_allclose(found.value, [0.16556480380499405, 0.43129607609988113, 0.4031391200951248], atol=1e-8, rtol=1e-12)
    assert found.wave.tolist() == [1, 2, 2]
    before = cross_holdings(THREE, [1.0, 1.0, 1.0])
    assert_allclose(before.value, [1.013793103448276, 1.0758620689655174, 0.9103448275862068], rtol=1e-14)


def test_golden_cases():
    golden = SHARED / "golden" / "published.json"
    if not golden.is_file():
        pytest.skip("no golden vectors: the optional file shared/golden/published.json is absent")
    seen = 0
    for case in json.loads(golden.read_text())["cases"]:
        if case["name"].startswith("EGJ two"):
            assert_allclose(dependency_matrix(case["inputs"]["C"]), case["expected"], atol=1e-8)
            seen += 1
        elif case["name"].startswith("EGJ 3"):
            asked = case["inputs"]
            found = cross_holdings(
                asked["C"], np.eye(3), prices=asked["p"], failure_threshold=asked["threshold"],
                failure_cost=asked["beta"],
            )  # fmt: skip
            assert_allclose(found.value, case["expected"]["v"], atol=1e-8)
            waves = [np.flatnonzero(found.wave == k + 1).tolist() for k in range(found.wave.max())]
            assert waves == case["expected"]["waves"]
            seen += 1
    assert seen == 2


def test_random_systems_against_the_oracle(egj):
    rng = np.random.default_rng(5)
    cascades = 0
    for _ in range(300):
        n = int(rng.integers(2, 30))
        shares = random_holdings(rng, n, fill=rng.choice([0.1, 0.5, 1.0]), kept=rng.choice([0.5, 0.1, 1e-3]))
        worth = rng.lognormal(0.0, 1.5, n)
        before = cross_holdings(shares, worth).value
        limit = before * rng.uniform(0.8, 1.0, n)
        cost = before * rng.uniform(0.0, 1.0, n)
        hit = worth * np.where(rng.random(n) < 0.3, 0.5, 1.0)
        value, matrix, waves = egj(shares, np.eye(n), hit, threshold=limit, beta=cost, tol=0.0)
        found = cross_holdings(shares, hit, failure_threshold=limit, failure_cost=cost)
        assert_allclose(found.value, value, rtol=1e-9, atol=1e-9 * np.abs(value).max())
        assert [np.flatnonzero(found.wave == k + 1).tolist() for k in range(found.wave.max())] == waves
        assert found.rounds == len(waves) + 1
        assert_allclose(dependency_matrix(shares), matrix, atol=1e-10)
        cascades += len(waves) > 1
    assert cascades > 50


# -------------------------------------------------------------------------------------------------- both solvers


@pytest.fixture
def by_rounds(monkeypatch):
    monkeypatch.setattr(module, "DIRECT_LIMIT", 0)


def test_rounds_and_direct_solution_agree(by_rounds, monkeypatch):
    rng = np.random.default_rng(8)
    for _ in range(20):
        n = int(rng.integers(2, 25))
        shares = random_holdings(rng, n)
        worth = rng.lognormal(0.0, 1.0, (n, 3)) * np.array([1.0, 1e9, 1e-9])
        asked = {"failure_threshold": 0.9 * cross_holdings(shares, 1.2 * worth).value, "failure_cost": 0.7 * worth}
        iterated = cross_holdings(shares, worth, **asked)
        monkeypatch.setattr(module, "DIRECT_LIMIT", 100)
        direct = cross_holdings(shares, worth, **asked)
        monkeypatch.setattr(module, "DIRECT_LIMIT", 0)
        assert_array_equal(iterated.wave, direct.wave)
        assert (direct.wave > 0).any()
        assert_allclose(iterated.value, direct.value, rtol=1e-12, atol=1e-13 * worth.max())
        assert (iterated.status == "certified").all()


def test_rounds_take_debts_and_gains_apart(by_rounds):
    # own assets (-1, 1) after costs: V = (-1 + V1/2, 1 + V0/2) = (-2/3, 2/3)
    assert_allclose(cross_holdings(HALVES, [-1.0, 1.0]).book_value, [-2 / 3, 2 / 3], rtol=1e-14)


def test_a_tie_met_by_rounds_is_decided_directly(by_rounds):
    # V = 2 is approached from below; without the direct finish 1 - 1e-16 < 1 would fail
    found = cross_holdings(HALVES, [1.0, 1.0], failure_threshold=1.0, failure_cost=1.0)
    assert not found.is_failed.any()
    assert found.value.tolist() == [1.0, 1.0]


def test_slow_rounds_finish_directly_or_say_so(by_rounds, monkeypatch):
    # column sums 1 - 1e-6: V = 1 / 1e-6 each, v = 1
    slow = [[0.0, 1.0 - 1e-6], [1.0 - 1e-6, 0.0]]
    found = cross_holdings(slow, [1.0, 1.0], max_rounds=50)
    assert found.status == "certified"
    assert_allclose(found.value, 1.0, rtol=1e-12)
    monkeypatch.setattr(module, "EXACT_LIMIT", 0)
    with pytest.raises(ConvergenceError, match="cross_holdings"):
        cross_holdings(slow, [1.0, 1.0], max_rounds=50)
    left = cross_holdings(slow, [1.0, 1.0], max_rounds=50, allow_uncertified=True)
    assert left.status == "not-certified"
    assert left.value[0] < 0.01
    undecided = cross_holdings(HALVES, [1.0, 1.0], failure_threshold=1.0, failure_cost=1.0, allow_uncertified=True)
    assert undecided.status == "not-certified"
    # a value 1e-3 away from its threshold is decided, whatever the limit
    assert cross_holdings(HALVES, [1.0, 1.0], failure_threshold=0.999, failure_cost=1.0).status == "certified"


def test_digits_survive_next_to_singular():
    # 0 and 1 own 1 - d of each other, d = 2^-40: V = 1/d, v = 1; an ordinary elimination loses 12 digits
    d = 2.0**-40
    found = cross_holdings([[0.0, 1.0 - d], [1.0 - d, 0.0]], [1.0, 1.0])
    assert_allclose(found.book_value, 2.0**40, rtol=1e-15)
    assert_allclose(found.value, 1.0, rtol=1e-15)


def test_one_organisation_and_none():
    assert cross_holdings([[0.0]], [3.0]).value.tolist() == [3.0]
    assert cross_holdings(np.zeros((0, 0)), np.zeros(0)).value.shape == (0,)


# ---------------------------------------------------------------------------------------------------- properties

systems = st.builds(
    lambda seed, n: (np.random.default_rng(seed), n), st.integers(0, 2**32 - 1), st.integers(min_value=2, max_value=8)
)


def drawn(system):
    rng, n = system
    shares = random_holdings(rng, n)
    before = cross_holdings(shares, np.ones(n)).value
    return rng, n, shares, {"failure_threshold": 0.95 * before, "failure_cost": 0.5 * before}


@given(systems)
@settings(max_examples=40)
def test_less_assets_never_raise_a_value(system):
    rng, n, shares, asked = drawn(system)
    worth = 1.0 - 0.3 * rng.random(n)
    lower = worth - 0.2 * rng.random(n)
    one, two = cross_holdings(shares, worth, **asked), cross_holdings(shares, lower, **asked)
    assert (two.value <= one.value + 1e-12).all()
    assert (two.is_failed >= one.is_failed).all()
    harder = cross_holdings(shares, worth, failure_threshold=asked["failure_threshold"], failure_cost=0.7)
    assert (harder.is_failed >= one.is_failed).all()


@given(systems)
@settings(max_examples=40)
def test_worst_is_not_above_best(system):
    rng, n, shares, asked = drawn(system)
    worth = 1.0 - 0.3 * rng.random(n)
    best = cross_holdings(shares, worth, bounds=True, **asked)
    worst = cross_holdings(shares, worth, least=True, **asked)
    assert (worst.value <= best.value + 1e-12).all()
    assert (best.status == "multiple") == bool((worst.is_failed != best.is_failed).any())
    for found in (best, worst):  # both are equilibria: failed exactly where the value is below
        assert_array_equal(found.is_failed, found.value < asked["failure_threshold"])


@given(systems)
@settings(max_examples=40)
def test_units_names_and_money(system):
    rng, n, shares, asked = drawn(system)
    worth = 1.0 - 0.3 * rng.random(n)
    found = cross_holdings(shares, worth, **asked)
    scaled = cross_holdings(shares, 8.0 * worth, **{name: 8.0 * values for name, values in asked.items()})
    assert_array_equal(scaled.value, 8.0 * found.value)
    assert_array_equal(scaled.wave, found.wave)
    order = rng.permutation(n)
    moved = cross_holdings(
        shares[np.ix_(order, order)], worth[order], **{name: values[order] for name, values in asked.items()}
    )
    assert_allclose(moved.value, found.value[order], rtol=1e-12)
    assert_array_equal(moved.wave, found.wave[order])
    # outsiders own everything: market values are all assets less what failures destroy
    destroyed = asked["failure_cost"][found.is_failed].sum()
    assert_allclose(found.value.sum(), worth.sum() - destroyed, rtol=1e-12)
    assert (found.book_value >= found.value - 1e-12).all() or (found.book_value < 0).any()
    # somebody without holdings changes nothing
    alone = np.zeros((n + 1, n + 1))
    alone[:n, :n] = shares
    more = cross_holdings(
        alone,
        [*worth, 5.0],
        failure_threshold=[*asked["failure_threshold"], 1.0],
        failure_cost=[*asked["failure_cost"], 1.0],
    )
    assert_array_equal(more.value[:n], found.value)
    assert more.value[n] == 5.0


def test_no_shock_no_failure():
    rng = np.random.default_rng(3)
    shares = random_holdings(rng, 20)
    worth = rng.lognormal(0.0, 1.0, 20)
    before = cross_holdings(shares, worth).value
    after = cross_holdings(shares, worth, failure_threshold=before, failure_cost=1.0)
    assert_array_equal(after.value, before)
    assert after.wave.sum() == 0


# ------------------------------------------------------------------------------------------------ lanes and forms


@pytest.mark.parametrize("limit", [0, 512])
def test_lanes_are_single_calls(limit, monkeypatch):
    monkeypatch.setattr(module, "DIRECT_LIMIT", limit)
    rng = np.random.default_rng(2)
    shares = random_holdings(rng, 12)
    worth = 1.0 - rng.random((12, 7)) * np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.0, 0.5])
    asked = {"failure_threshold": 0.88 * cross_holdings(shares, np.ones(12)).value, "failure_cost": 0.2}
    for width in (1, 3, 7):
        block = fields(cross_holdings(shares, worth[:, :width], bounds=True, **asked))
        for lane in range(width):
            one = fields(cross_holdings(shares, worth[:, lane], bounds=True, **asked))
            for whole, single in zip(block, one, strict=True):
                assert_array_equal(whole[..., lane], single)
    assert len(set(block[4])) > 1  # lanes stop after different numbers of waves


def test_input_forms_give_the_same_bits():
    rng = np.random.default_rng(4)
    shares = random_holdings(rng, 9).astype(np.float32)
    worth = (1.0 - 0.5 * rng.random(9)).astype(np.float32)
    wanted = fields(cross_holdings(shares.astype(np.float64), worth, failure_threshold=0.6, failure_cost=0.2))
    wide = np.zeros((18, 18), np.float32)
    wide[::2, ::2] = shares
    forms = [shares, np.asfortranarray(shares), wide[::2, ::2]]
    forms += [sparse.coo_array(shares).asformat(name) for name in FORMATS]
    forms += [sparse.csr_matrix(shares).asformat(name) for name in FORMATS]
    forms.append(Layer.from_matrix("layer", [f"agent {k}" for k in range(len(shares))], shares))
    for form in forms:
        found = fields(cross_holdings(form, worth, failure_threshold=0.6, failure_cost=0.2))
        for got, want in zip(found, wanted, strict=True):
            assert_array_equal(got, want)


def test_inputs_are_not_modified():
    shares, worth, limit = np.array(HALVES), np.array([0.4, 1.0]), np.array([0.65, 0.75])
    kept = shares.copy(), worth.copy(), limit.copy()
    for values in (shares, worth, limit):
        values.flags.writeable = False
    cross_holdings(shares, worth, failure_threshold=limit, failure_cost=0.3, bounds=True)
    for values, before in zip((shares, worth, limit), kept, strict=True):
        assert_array_equal(values, before)


def test_bad_input_is_named_all_at_once():
    with pytest.raises(InputError) as caught:
        cross_holdings(
            [[0.0, 0.5, 0.4], [0.5, 0.0, 0.7], [0.5, 0.0, 0.0]], [1.0, np.nan, 1.0], failure_threshold=[1.0, 2.0],
            failure_cost=-1.0, tol=-1.0, max_rounds=0,
        )  # fmt: skip
    text = str(caught.value)
    for part in (
        "holdings[:, 0] sums to 1;",
        "holdings[:, 2] sums to 1.1; allowed: less than 1",
        "assets[1] is nan",
        "failure_threshold has shape (2,)",
        "failure_cost is -1; allowed: 0 or more",
        "tol is -1",
        "max_rounds is 0",
    ):
        assert part in text
    assert "holdings[:, 1]" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.5]], [1.0]), r"holdings\[0, 0\] is 0.5"),
        (([[0.0, -0.1], [0.0, 0.0]], [1.0, 1.0]), r"holdings\[0, 1\] is -0.1"),
        (([[0.0, np.inf], [0.0, 0.0]], [1.0, 1.0]), r"holdings\[0, 1\] is inf"),
        ((np.zeros((2, 3)), [1.0, 1.0]), "holdings has shape 2 x 3"),
        ((np.array([["a"]], dtype=object), [1.0]), "holdings has dtype object"),
        ((HALVES, [1.0, 1.0, 1.0]), r"assets has shape \(3,\)"),
    ],
)
def test_bad_holdings(arguments, message):
    with pytest.raises(InputError, match=message):
        cross_holdings(*arguments)


def test_bad_prices():
    with pytest.raises(InputError, match="assets has 3 columns; allowed: 2"):
        cross_holdings(HALVES, np.ones((2, 3)), prices=[1.0, 1.0])
    with pytest.raises(InputError, match="assets has 3 rows; allowed: 2"):
        cross_holdings(HALVES, np.ones((3, 2)), prices=[1.0, 1.0])


def test_a_dependency_matrix_too_large_for_memory(monkeypatch):
    monkeypatch.setattr(module, "EXACT_LIMIT", 1)
    with pytest.raises(InputError, match="holdings has 2 rows; allowed: 1"):
        dependency_matrix(HALVES)
