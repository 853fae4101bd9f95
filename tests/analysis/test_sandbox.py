"""The sandbox as a sequential test: its operating curve in numbers and in draws, what it filters, and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import integrate, stats

from sim.analysis.sandbox import Sandbox
from sim.errors import UsageError

RATES = (0.01, 0.02, 0.05, 0.10)


def test_the_operating_curve() -> None:
    found = Sandbox(clients=50, allowed=2).graduation(RATES)
    assert found.round(3).tolist() == [0.986, 0.922, 0.541, 0.112]
    by_hand = [sum(math.comb(50, k) * t**k * (1 - t) ** (50 - k) for k in range(3)) for t in RATES]
    assert found == pytest.approx(by_hand, rel=1e-13)
    assert Sandbox().graduation([0.0, 1.0]).tolist() == [1.0, 0.0]
    assert Sandbox(clients=3, allowed=7).graduation(1.0).tolist() == [1.0]  # more allowed than can happen


@pytest.mark.parametrize("seed", [7, 11, 23])
def test_draws_reproduce_the_operating_curve_within_their_interval(seed: int) -> None:
    test, draws = Sandbox(), 4_000
    trial = test.trial(RATES, draws=draws, seed=seed)
    for rate, expected, length, row in zip(RATES, test.graduation(RATES), test.length(RATES), range(4), strict=True):
        seen = int(trial.graduated[row].sum())
        interval = stats.binomtest(seen, draws).proportion_ci(0.999)
        assert interval.low < expected < interval.high, rate
        mean, error = trial.length[row].mean(), trial.length[row].std() / math.sqrt(draws)
        assert abs(mean - length) < 3.3 * error, rate
    # luck is an innovation's own: a worse one fails wherever a better one does not for another reason
    again = test.trial(RATES[:2], draws=100, seed=seed)
    assert (again.graduated == trial.graduated[:2, :100]).all()
    assert (trial.graduated[0] != trial.graduated[1]).any()


def test_one_failure_too_many_ends_the_test() -> None:
    trial = Sandbox(clients=50, allowed=2).trial([0.3], draws=500, seed=1)
    failed = ~trial.graduated
    assert (trial.failures[failed] == 3).all()
    assert (trial.length[failed] <= 50).all()
    assert (trial.length[failed] < 50).any()
    assert (trial.length[trial.graduated] == 50).all()
    # allowed 0: a geometric time, cut off at n
    assert Sandbox(clients=4, allowed=0).length([0.5]) == pytest.approx([1 + 0.5 + 0.25 + 0.125], rel=1e-14)
    assert Sandbox().length([0.0]).tolist() == [50.0]


def test_innovations_of_unknown_rate_are_filtered() -> None:
    found, prior = Sandbox().screened(1.0, 15.0), stats.beta(1.0, 15.0)
    whole = [
        integrate.quad(lambda t, p=p: t**p * prior.pdf(t) * Sandbox().graduation(t)[0], 0.0, 1.0)[0] for p in (0, 1)
    ]
    assert found.share == pytest.approx(whole[0], rel=1e-9)
    assert found.rate_before == 1 / 16
    assert found.rate_after == pytest.approx(whole[1] / whole[0], rel=1e-9)
    assert found.rate_after < 0.5 * found.rate_before


def test_without_exposure_there_is_neither_risk_nor_benefit() -> None:
    closed = Sandbox(exposure=0.0).outcome(RATES, months=120.0)
    assert closed.served.tolist() == closed.harmed.tolist() == [0.0] * 4


def test_with_full_exposure_it_is_no_sandbox_and_a_delay() -> None:
    full = Sandbox(exposure=1.0, review=3.0, market=100.0)
    for months in (1.0, 3.0, 4.0, 48.0):
        found = full.outcome(RATES, months)
        later = max(0.0, months - 3.0)  # without a sandbox: everybody, all the time
        assert found.served.tolist() == [later] * 4
        assert found.harmed == pytest.approx([rate * 100.0 * later for rate in RATES], rel=1e-14)


def test_a_cap_trades_service_for_harm() -> None:
    test = Sandbox(clients=50, exposure=0.05, market=100.0, review=3.0)
    assert test.months == 10.0
    found = test.outcome(RATES, months=48.0)
    chance = test.graduation(RATES)
    assert found.served == pytest.approx(0.05 * 45.0 + 0.95 * chance * 35.0, rel=1e-14)
    assert found.harmed == pytest.approx(np.array(RATES) * 100.0 * found.served, rel=1e-14)
    # the worse the innovation, the more harm is kept from clients
    kept = 1.0 - found.harmed / (np.array(RATES) * 100.0 * 48.0)
    assert (np.diff(kept) > 0.0).all()


def test_refusals() -> None:
    with pytest.raises(ValidationError) as told:
        Sandbox(clients=0, allowed=-1, exposure=1.5, market=0.0, review=math.nan, relief=2.0, supervision=-1.0)
    wrong = [each["loc"][0] for each in told.value.errors()]
    assert wrong == ["clients", "allowed", "exposure", "market", "review", "relief", "supervision"]
    with pytest.raises(UsageError, match="rate: got"):
        Sandbox().graduation([0.1, 1.2])
    with pytest.raises(UsageError, match="rate: got"):
        Sandbox().trial([math.nan], draws=1, seed=1)
    with pytest.raises(UsageError, match="draws must be a whole number"):
        Sandbox().trial([0.1], draws=0, seed=1)
    with pytest.raises(UsageError, match="months must be 0 or more"):
        Sandbox().outcome([0.1], months=-1.0)
    with pytest.raises(UsageError, match="beta distribution"):
        Sandbox().screened(0.0, 1.0)
