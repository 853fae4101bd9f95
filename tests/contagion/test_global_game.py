"""The run threshold: limits in closed form, the two-equation game solved independently, several equilibria."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from sim.contagion.global_game import run_threshold
from sim.errors import InputError


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def needed(m, lam, gamma, private, public, prior, threshold, solvent=1.0):
    """Return what the bank must earn if it fails below `threshold`, through the signal t of the indifferent manager."""
    both = public + private

    def doubt(t):
        return normal(math.sqrt(both) * (threshold - (public * prior + private * t) / both)) - gamma

    wide = 50.0 / math.sqrt(private) + 50.0 * (1.0 + public / private) + abs(prior) * public / private
    t = brentq(doubt, threshold - wide, threshold + wide, xtol=1e-15, rtol=1e-15)
    x = normal(math.sqrt(private) * (t - threshold))
    return solvent * (1.0 + lam * max(x - m, 0.0) / (1.0 - m))


# ------------------------------------------------------------------------------------------------------ numbered checks


@pytest.mark.parametrize(
    ("m", "lam", "gamma", "expected"),
    [
        (0.1, 0.5, 0.1, 13 / 9),  # 1 + .5 x .8 / .9 = 1.4444
        (0.3, 0.5, 0.1, 10 / 7),  # 1 + .5 x .6 / .7 = 1.4286
        (0.1, 0.25, 0.1, 11 / 9),  # 1 + .25 x .8 / .9 = 1.2222
        (0.1, 0.5, 0.3, 4 / 3),  # 1 + .5 x .6 / .9 = 1.3333
    ],
)
def test_check_22_the_limit_of_exact_signals(m, lam, gamma, expected):
    game = run_threshold(m, lam, gamma)
    assert_allclose(game.threshold, expected, rtol=1e-15)
    assert_allclose(game.illiquidity, expected - 1.0, rtol=1e-14)
    assert_allclose(game.withdrawn, 1.0 - gamma, rtol=1e-15)
    assert game.worst_threshold == game.threshold
    assert game.status == "certified"
    # public information has no say when private information is exact; neither has the private when there is no public
    assert run_threshold(m, lam, gamma, public_precision=3.0, prior_mean=2.0).threshold == game.threshold
    assert run_threshold(m, lam, gamma, private_precision=2.0, prior_mean=2.0).threshold == game.threshold


@pytest.mark.parametrize("m", [0.9, 0.95, 0.99])
def test_check_22_no_run_on_a_solvent_bank_with_enough_cash(m):
    game = run_threshold(m, 0.5, 0.1)
    assert game.threshold == 1.0
    assert game.illiquidity == 0.0
    assert run_threshold(0.89, 0.5, 0.1).illiquidity > 0.0


def test_the_limit_is_approached_as_private_information_becomes_exact():
    # with one unit of public precision at a prior mean of 1.2
    game = run_threshold(0.1, 0.5, 0.1, private_precision=[1e2, 1e4, 1e6], public_precision=1.0, prior_mean=1.2)
    assert game.threshold[:2].round(4).tolist() == [1.4474, 1.4447]
    assert_allclose(game.threshold[2], 13 / 9, atol=3e-5)
    assert (np.diff(game.threshold) < 0.0).all()


def test_check_23_public_precision_cuts_both_ways():
    public = [0.1, 1.0, 10.0, 40.0]
    good = run_threshold(0.1, 0.5, 0.1, private_precision=400, public_precision=public, prior_mean=1.6).threshold
    bad = run_threshold(0.1, 0.5, 0.1, private_precision=400, public_precision=public, prior_mean=1.2).threshold
    assert good.round(3)[[0, 3]].tolist() == [1.444, 1.406]
    assert (np.diff(good) < 0.0).all()
    assert_allclose(bad[[0, 3]], [1.444579, 1.484519], atol=1e-6)
    assert (np.diff(bad) > 0.0).all()


# ------------------------------------------------------------------------------------------------------ independent


@settings(max_examples=60)
@given(
    m=st.floats(0, 0.95),
    lam=st.floats(0, 2),
    gamma=st.floats(0.01, 0.99),
    private=st.floats(0.5, 1e4),
    public=st.floats(0.01, 50),
    prior=st.floats(0, 3),
    solvent=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_thresholds_solve_the_game_of_two_equations(m, lam, gamma, private, public, prior, solvent):
    information = dict(private_precision=private, public_precision=public, prior_mean=prior, solvency_threshold=solvent)
    game = run_threshold(m, lam, gamma, **information)
    slope = 1.0 + solvent * lam / (1 - m) * public / math.sqrt(2 * math.pi * private)
    for threshold in {game.threshold, game.worst_threshold}:
        returned = needed(m, lam, gamma, private, public, prior, threshold, solvent)
        assert_allclose(returned, threshold, atol=1e-8 * slope)
    assert solvent <= game.threshold <= game.worst_threshold <= solvent * (1.0 + lam)
    assert_allclose(game.illiquidity, game.threshold - solvent, atol=1e-15)
    # nobody is left below the least threshold, nor above the greatest: signs on a grid outside
    for place in np.linspace(solvent, game.threshold, 7)[:-1]:
        assert needed(m, lam, gamma, private, public, prior, place, solvent) >= place - 1e-9
    for place in np.linspace(game.worst_threshold, solvent * (1.0 + lam), 7)[1:]:
        assert needed(m, lam, gamma, private, public, prior, place, solvent) <= place + 1e-9


def test_several_equilibria_are_flagged_and_both_ends_found():
    # coarse private, fine public information: all run or nearly nobody does
    settings_ = dict(private_precision=1.0, public_precision=20.0, prior_mean=1.15)
    game = run_threshold(0.0, 0.5, 0.5, **settings_)
    grid = np.linspace(1.0, 1.5, 2001)
    signs = np.array([needed(0.0, 0.5, 0.5, 1.0, 20.0, 1.15, r) - r for r in grid]) > 0.0
    crossings = grid[1:][signs[1:] != signs[:-1]]
    assert game.status == "multiple"
    assert crossings.size == 3
    assert_allclose(game.threshold, crossings[0], atol=3e-4)
    assert_allclose(game.worst_threshold, crossings[2], atol=3e-4)
    assert game.residual <= 2.3e-16


def test_a_bank_with_cash_for_all_who_run_beyond_the_turning_points_has_one_equilibrium():
    # at R = 1 the share that withdraws is Phi(1.4) = .919 < .95, and excess only falls from there on
    game = run_threshold(0.95, 0.25, 0.5, private_precision=1.0, public_precision=1.0, prior_mean=-0.4)
    assert (game.threshold, game.worst_threshold, game.status) == (1.0, 1.0, "certified")


@pytest.mark.parametrize("prior", np.linspace(0.4, 1.9, 16))
@pytest.mark.parametrize("m", [0.0, 0.3, 0.7])
def test_the_number_of_equilibria_agrees_with_a_scan(prior, m):
    args = (m, 0.6, 0.4, 1.0, 12.0, prior)
    grid = np.linspace(1.0, 1.6, 121)
    signs = [needed(*args, r) - r > 1e-13 for r in grid]
    crossings = int(np.sum(np.diff(np.array([True, *signs, False]).astype(int)) == -1))
    game = run_threshold(m, 0.6, 0.4, private_precision=1.0, public_precision=12.0, prior_mean=prior)
    falls = (game.worst_threshold > game.threshold) + 1
    assert falls == crossings
    assert (game.status == "multiple") == (falls == 2)


def test_turning_points_of_many_games_on_a_fine_grid():
    # games whose inflection lies near the diagonal, so that equilibria are about to appear or to vanish
    rng = np.random.default_rng(8)
    seen = set()
    for _ in range(300):
        m, lam, gamma = rng.choice([0.0, 0.2, 0.4, 0.95]), rng.uniform(0.2, 1.0), rng.uniform(0.1, 0.9)
        private = rng.uniform(0.5, 4.0)
        public = rng.uniform(0.8, 3.0) * (1 - m) * math.sqrt(2 * math.pi * private) / lam
        slope, offset = public / math.sqrt(private), math.sqrt(1 + public / private) * ndtri(gamma)
        prior = 1 + lam * max(0.5 - m, 0) / (1 - m) - offset / slope + rng.normal() * 0.1 * lam
        grid = np.linspace(1.0, 1.0 + lam, 20_001)
        share = ndtr(slope * (grid - prior) - offset)
        excess = 1 + lam * np.maximum(share - m, 0) / (1 - m) - grid
        falling = np.flatnonzero((excess[:-1] > 0) & (excess[1:] <= 0))
        low = grid[falling[0]] if excess[0] > 0 else 1.0
        high = grid[falling[-1]] if falling.size else 1.0
        game = run_threshold(m, lam, gamma, private_precision=private, public_precision=public, prior_mean=prior)
        step = lam / 20_000
        assert_allclose(game.threshold, low, atol=2 * step)
        assert_allclose(game.worst_threshold, high, atol=2 * step)
        assert (game.status == "multiple") == (falling.size + (excess[0] <= 0) > 1)
        seen.add((str(game.status), bool(excess[0] <= 0)))
    assert len(seen) == 4


# --------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=40)
@given(
    m=st.floats(0, 0.9), lam=st.floats(0, 1), gamma=st.floats(0.05, 0.95), prior=st.floats(0.5, 2), more=st.floats(0, 1)
)
def test_monotone_in_premium_patience_and_cash(m, lam, gamma, prior, more):
    assume(more > 0)
    information = dict(private_precision=50.0, public_precision=2.0, prior_mean=prior)
    base = run_threshold(m, lam, gamma, **information)
    assert run_threshold(m, lam + more, gamma, **information).threshold >= base.threshold - 1e-14
    assert run_threshold(m, lam, gamma + more * (0.99 - gamma), **information).threshold <= base.threshold + 1e-14
    assert run_threshold(m + more * (0.99 - m), lam, gamma, **information).threshold <= base.threshold + 1e-14


def test_no_premium_no_run():
    game = run_threshold(0.1, 0.0, 0.1, private_precision=3, public_precision=5, prior_mean=1)
    assert (game.threshold, game.worst_threshold, game.illiquidity) == (1.0, 1.0, 0.0)


def test_scaling_returns_by_a_power_of_two_is_exact():
    base = run_threshold(0.1, 0.5, 0.1, private_precision=400, public_precision=40, prior_mean=1.2)
    scaled = run_threshold(
        0.1, 0.5, 0.1, private_precision=25, public_precision=2.5, prior_mean=4.8, solvency_threshold=4.0
    )
    assert scaled.threshold == 4.0 * base.threshold
    assert scaled.rounds == base.rounds


def test_an_array_is_its_elements_bit_for_bit():
    rng = np.random.default_rng(1)
    m, lam, gamma, prior = rng.random((4, 3, 5)) * 0.9 + 0.05
    private, public = np.exp(rng.normal(1, 2, (2, 3, 5)))
    block = run_threshold(m, lam, gamma, private_precision=private, public_precision=public, prior_mean=prior)
    assert block.threshold.shape == (3, 5)
    for k in np.ndindex(3, 5):
        one = run_threshold(
            m[k], lam[k], gamma[k], private_precision=private[k], public_precision=public[k], prior_mean=prior[k]
        )
        for name in ("threshold", "worst_threshold", "illiquidity", "withdrawn", "rounds", "residual", "status"):
            assert getattr(one, name) == getattr(block, name)[k]
    float32 = run_threshold(np.float32(0.125), 0.5, np.array([0.25, 0.5], dtype=np.float32)[::-1])
    assert_array_equal(float32.threshold, run_threshold(0.125, 0.5, [0.5, 0.25]).threshold)


# --------------------------------------------------------------------------------------------------------- bad input


def test_all_faults_in_one_message():
    with pytest.raises(InputError) as caught:
        run_threshold(
            1.0,
            [-0.5, 0.1],
            [0.0, 1.0],
            solvency_threshold=0.0,
            private_precision=[0.0, 1.0, 2.0],
            public_precision=-1.0,
            prior_mean=np.nan,
        )
    text = str(caught.value)
    for part in (
        "liquidity_ratio is 1; allowed: less than 1",
        "fire_sale_premium[0] is -0.5; allowed: 0 or more",
        "withdrawal_threshold[0] is 0; allowed: above 0 to 1",
        "withdrawal_threshold[1] is 1; allowed: less than 1",
        "solvency_threshold is 0; allowed: more than 0",
        "private_precision has shape (3,); allowed: a number or (2,)",
        "public_precision is -1; allowed: 0 or more",
        "prior_mean is nan; allowed: finite numbers",
    ):
        assert part in text
