"""Laws of the random streams: addressed, independent, uniform, normal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim import streams
from sim.arrays import Float
from sim.errors import InputError, UnknownNameError
from sim.scenario.build import build
from sim.scenario.load import load
from sim.simulation import Simulation
from sim.streams import DIMENSIONS, SAMPLERS, Draws, agent_keys

IDS = ("AT01", "BE02", "DE03", "FR04", "IT05")


def test_adding_an_agent_leaves_the_others_luck() -> None:
    draws = Draws(7, np.arange(6))
    few, more = draws.uniform("shock", IDS), draws.uniform("shock", ("NEW", *IDS[:2], "X", *IDS[2:]))
    assert (more[[1, 2, 4, 5, 6]] == few).all()


@given(st.permutations(range(5)))
@settings(deadline=None, max_examples=20)
def test_the_order_of_agents_is_the_order_of_rows(order: list[int]) -> None:
    draws = Draws(7, np.arange(4))
    shuffled = draws.normal("shock", [IDS[i] for i in order])
    assert (shuffled == draws.normal("shock", IDS)[order]).all()


@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=70), st.integers(0, 2**128 - 1))
@settings(deadline=None, max_examples=40)
def test_draw_k_is_the_same_in_any_block(draws: list[int], seed: int) -> None:
    block = Draws(seed, draws).normal("shock", IDS, step=3)
    for lane in {0, len(draws) // 2, len(draws) - 1}:
        assert (Draws(seed, [draws[lane]]).normal("shock", IDS, step=3)[:, 0] == block[:, lane]).all()


def test_every_part_of_the_address_matters() -> None:
    base = Draws(7, np.arange(50)).uniform("shock", IDS)
    others = {
        "seed": Draws(8, np.arange(50)).uniform("shock", IDS),
        "high bits of the seed": Draws(7 + 2**127, np.arange(50)).uniform("shock", IDS),
        "stream": Draws(7, np.arange(50)).uniform("shock2", IDS),
        "draw": Draws(7, np.arange(50) + 2**32).uniform("shock", IDS),
        "step": Draws(7, np.arange(50)).uniform("shock", IDS, step=1),
        "id": Draws(7, np.arange(50)).uniform("shock", [name.lower() for name in IDS]),
    }
    for name, other in others.items():
        assert not np.isin(other, base).any(), name


def test_no_first_word_appears_twice() -> None:
    drawn = [
        Draws(seed, np.arange(1000)).uniform(stream, [f"bank {i}" for i in range(40)], step)
        for seed in (0, 1, 2, 2**64)
        for stream in ("a", "b")
        for step in (0, 1, 2)
    ]
    values = np.concatenate([values.ravel() for values in drawn])
    # 960,000 numbers of 52 bits: about 1e-4 pairs expected by chance
    assert np.unique(values).size == values.size == 960_000


def test_a_shifted_seed_is_no_shifted_draw() -> None:
    draws = np.arange(1, 1000)
    this, other = Draws(41, draws).uniform("s", IDS), Draws(42, draws - 1).uniform("s", IDS)
    assert not np.isin(this, other).any()


def test_the_numbers_are_the_promised_ones() -> None:
    # Changes only with the address or the generator, and with it every result.
    assert Draws(7, [0, 1]).uniform("shock", ["A", "B"], 2).tolist() == [
        [0.5868852744331959, 0.5339509294628352],
        [0.7864659685092855, 0.17944486091021317],
    ]


def test_uniforms_are_uniform() -> None:
    u = Draws(123, np.arange(4000)).uniform("law", [f"bank {i}" for i in range(50)])
    assert u.shape == (50, 4000)
    assert u.min() > 0.0
    assert u.max() < 1.0
    n = u.size
    # five standard errors: sd of a uniform sqrt(1/12), of its square sqrt(4/45)
    assert abs(u.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / n)
    assert abs((u**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / n)
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-4


def test_normals_are_normal() -> None:
    z = Draws(123, np.arange(4000)).normal("law", [f"bank {i}" for i in range(50)])
    n = z.size
    # five standard errors; variances of z, z^2, z^3, z^4 are 1, 2, 15, 96
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 5 * np.sqrt(variance / n)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4


def test_agents_draws_steps_and_halves_of_a_pair_are_uncorrelated() -> None:
    draws = Draws(5, np.arange(20_000))
    first, second = draws.pair("law", IDS)
    rows = np.vstack([first, second, draws.uniform("law", IDS, 1), draws.uniform("law", IDS, 2), np.roll(first, 1, 1)])
    correlation = np.corrcoef(rows) - np.eye(25)
    assert abs(correlation).max() < 5 / np.sqrt(20_000)


def test_a_pair_begins_with_the_uniform_numbers() -> None:
    draws = Draws(5, [4, 9])
    first, second = draws.pair("s", IDS, 3)
    assert (first == draws.uniform("s", IDS, 3)).all()
    assert (first != second).all()


def test_normal_is_the_quantile_of_uniform() -> None:
    draws = Draws(5, np.arange(100))
    expected = stats.norm.ppf(draws.uniform("s", IDS))
    np.testing.assert_allclose(draws.normal("s", IDS), expected, rtol=1e-13)


def test_nobody_and_no_draws() -> None:
    assert Draws(1, [0, 1]).uniform("s", []).shape == (0, 2)
    assert Draws(1, np.empty(0, np.int64)).normal("s", IDS).shape == (5, 0)


def test_the_callers_draws_are_copied() -> None:
    mine = np.arange(3)
    draws = Draws(1, mine)
    mine[0] = 99
    assert draws.draws.tolist() == [0, 1, 2]
    assert draws.n_lanes == 3
    with pytest.raises(ValueError, match="read-only"):
        draws.draws[0] = 5


@pytest.mark.parametrize("seed", [-1, 2**128])
def test_seed_out_of_range(seed: int) -> None:
    with pytest.raises(InputError, match=rf"^seed must be from 0 to 2\^128 - 1, got {seed}$"):
        Draws(seed, [0])


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        ([-1, 3], r"draws must be from 0 to 2\^40 - 1, got -1 to 3"),
        ([0, 2**40], r"draws must be from 0 to 2\^40 - 1, got 0 to 1099511627776"),
        ([0.0], r"draws must be integers along one axis, got float64 of shape \(1,\)"),
        ([[1]], r"draws must be integers along one axis, got int64 of shape \(1, 1\)"),
        ([True], r"draws must be integers along one axis, got bool of shape \(1,\)"),
    ],
)
def test_draws_out_of_range(draws: list[int], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}$"):
        Draws(1, draws)


@pytest.mark.parametrize("step", [-1, 2**24])
def test_step_out_of_range(step: int) -> None:
    with pytest.raises(InputError, match=rf"^step must be from 0 to 2\^24 - 1, got {step}$"):
        Draws(1, [0]).uniform("s", IDS, step)


def test_an_id_may_appear_only_once() -> None:
    with pytest.raises(InputError, match=r"^id 'B' appears more than once$"):
        agent_keys(["A", "B", "B", "C", "B"])


def test_colliding_ids_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_hash", lambda text, salt, person: len(text))
    with pytest.raises(InputError, match=r"^ids 'AA' and 'BB' share their 64 bits; rename one of them$"):
        agent_keys(["AA", "C", "BB"])


def test_keys_belong_to_ids_and_are_read_only() -> None:
    keys = agent_keys(["A", "\u00e9", "", "\ud800"])
    assert keys.dtype == np.uint64
    assert agent_keys(["\ud800", "A"]).tolist() == [keys[3], keys[0]]
    assert not keys.flags.writeable


def test_philox_is_the_default_and_what_it_was() -> None:
    block = Draws(7, [0, 1, 2, 999]).uniform("shock", IDS, 3)
    assert (Draws(7, [0, 1, 2, 999], "philox").uniform("shock", IDS, 3) == block).all()
    assert block[0, 0] == 0.48082494200856163


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=20), st.integers(0, 2**128 - 1))
@settings(deadline=None, max_examples=25)
def test_no_sampler_lets_a_draw_depend_on_its_block(sampler: str, draws: list[int], seed: int) -> None:
    block = Draws(seed, draws, sampler).normal("shock", IDS, step=3)
    for lane in {0, len(draws) // 2, len(draws) - 1}:
        assert (Draws(seed, [draws[lane]], sampler).normal("shock", IDS, step=3)[:, 0] == block[:, lane]).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_first_draws_of_many_are_those_of_few(sampler: str) -> None:
    many = Draws(7, np.arange(5000), sampler).uniform("shock", IDS)
    assert (many[:, :700] == Draws(7, np.arange(700), sampler).uniform("shock", IDS)).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_adding_an_agent_after_the_others_changes_nobodys_luck(sampler: str) -> None:
    few, more = (Draws(7, np.arange(64), sampler).uniform("s", ids) for ids in (IDS, (*IDS, "X")))
    assert (more[:5] == few).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_is_uniform_in_every_draw(sampler: str) -> None:
    # over seeds, draw 5 of each agent is uniform: means are unbiased, however the draws belong together
    u = np.array([Draws(seed, [5], sampler).uniform("s", IDS)[:, 0] for seed in range(1500)])
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert 0.0 < u.min() < u.max() < 1.0


def test_mirrored_draws_by_definition() -> None:
    plain, mirrored = (Draws(7, np.arange(100), name).pair("s", IDS, 2) for name in ("philox", "antithetic"))
    for before, after in zip(plain, mirrored, strict=True):
        assert (after[:, ::2] == before[:, ::2]).all()
        assert (after[:, 1::2] == 1.0 - after[:, ::2]).all()
    normal = Draws(7, np.arange(100), "antithetic").normal("s", IDS)
    assert (normal[:, 1::2] == -normal[:, ::2]).all()


@pytest.mark.parametrize("start", [0, 1024, 2**39])
def test_sobol_fills_aligned_blocks_evenly(start: int) -> None:
    u = Draws(7, np.arange(start, start + 1024), "sobol").uniform("s", [f"agent {k}" for k in range(6)])
    for row in u:  # one number in each of 1024 equal cells
        assert (np.sort((row * 1024).astype(int)) == np.arange(1024)).all()
    # the first two dimensions are a net: one point in each elementary box
    for across in (1, 4, 32, 256):
        boxes = (u[0] * across).astype(int) * (1024 // across) + (u[1] * (1024 // across)).astype(int)
        assert np.unique(boxes).size == 1024


def test_sobol_is_scipys_but_for_scrambling_and_order() -> None:
    # unscrambled numbers at 2^k are Gray-code neighbours of SciPy's; both sequences fill a block with the same points
    directions = streams._directions()
    points = []
    for index in range(256):
        x = np.zeros(8, dtype=np.uint64)
        for bit in range(8):
            if index >> bit & 1:
                x ^= directions[:8, bit]
        points.append(x.astype(float) / 2.0**52)
    expected = stats.qmc.Sobol(8, scramble=False, bits=52).random(256)
    assert {tuple(p) for p in points} == {tuple(p) for p in expected.tolist()}


def test_sobol_streams_steps_and_halves_are_independent() -> None:
    draws = Draws(5, np.arange(2**14), "sobol")
    first, second = draws.pair("law", IDS)
    rows = np.vstack([first, second, draws.uniform("law", IDS, 1), draws.uniform("other", IDS)])
    correlation = np.corrcoef(rows) - np.eye(20)
    assert abs(correlation).max() < 5 / np.sqrt(2**14)


def test_beyond_the_dimensions_of_sobol_draws_are_independent() -> None:
    ids = [f"agent {k}" for k in range(DIMENSIONS + 2)]
    spread, plain = (Draws(7, np.arange(16), name).uniform("s", ids) for name in ("sobol", "philox"))
    assert (spread[DIMENSIONS:] == plain[DIMENSIONS:]).all()
    assert (spread[:DIMENSIONS] != plain[:DIMENSIONS]).all()


def smooth(u: Float) -> Float:
    """Return a function of mean 1 that rises in every argument."""
    return np.asarray(np.prod(1.0 + 0.5 * (u - 0.5), axis=0))


def test_samplers_reduce_variance_without_bias() -> None:
    errors = {}
    for sampler in SAMPLERS:
        means = [smooth(Draws(seed, np.arange(512), sampler).uniform("s", IDS)).mean() - 1.0 for seed in range(300)]
        assert abs(np.mean(means)) < 4 * np.std(means) / np.sqrt(len(means)), sampler
        errors[sampler] = float(np.var(means))
    assert errors["antithetic"] < errors["philox"] / 4
    assert errors["sobol"] < errors["philox"] / 500


def test_an_unknown_sampler_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown sampler 'sobl'; did you mean 'sobol'\?"):
        Draws(1, [0], "sobl")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_engine_draws_as_the_scenario_says(sampler: str) -> None:
    scenario = load("ring_of_ten").override({"monte_carlo.sampler": sampler})
    played = Simulation(build(scenario), scenario, np.arange(4), 7)
    assert played.draws.sampler == sampler
