"""Summaries against hand calculations, known distributions and their own promises of coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.errors import InputError
from sim.experiments.statistics import (
    COLUMNS,
    expected_shortfall,
    fewest,
    moments,
    notes,
    paired_ranks,
    quantile,
    quantile_interval,
    quantile_ranks,
    rank_of,
    summarise,
)


def test_ranks_of_ten_thousand_draws() -> None:
    assert quantile_ranks(10_000, 0.99) == (9880, 9920)


@pytest.mark.parametrize("n", [72, 100, 368, 999, 1000, 25_000, 1_000_000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_ranks_hold_what_they_promise_and_no_narrower_pair_does(n: int, level: float) -> None:
    ranks = quantile_ranks(n, level)
    if ranks is None:
        assert stats.binom.cdf(n - 1, n, level) < 0.975 or stats.binom.cdf(0, n, level) > 0.025
        return
    low, high = ranks
    count = stats.binom(n, level)
    assert count.cdf(low - 1) <= 0.025 < count.cdf(low)
    assert count.sf(high - 1) <= 0.025 < count.sf(high - 2)


@pytest.mark.parametrize(("level", "n"), [(0.99, 368), (0.95, 72), (0.5, 6)])
def test_the_fewest_draws(level: float, n: int) -> None:
    # (1 - p) ** n <= 0.025 decides: 0.99 ** 368 = 0.0248, 0.99 ** 367 = 0.0250..
    assert fewest(level) == n
    assert quantile_ranks(n - 1, level) is None


@pytest.mark.parametrize(("n", "level", "rank"), [(100, 0.07, 7), (10_000, 0.99, 9900), (10, 0.99, 10), (1, 0.05, 1)])
def test_a_rank_is_not_pushed_up_by_rounding(n: int, level: float, rank: int) -> None:
    assert rank_of(n, level) == rank


def test_by_hand() -> None:
    # 1..200: VaR99 is the 198th value, 198; the worst 1 % are 199 and 200
    found = summarise(np.arange(200, 0, -1.0))
    assert found["VaR99"] == 198.0
    assert found["p99"] == 198.0
    assert found["ES99"] == pytest.approx(199.5, rel=1e-14)
    assert found["mean"] == 100.5
    # variance of 1..n is n (n + 1) / 12
    assert found["std"] == pytest.approx(math.sqrt(200 * 201 / 12), rel=1e-15)
    assert found["se"] == pytest.approx(found["std"] / math.sqrt(200), rel=1e-15)
    assert (found["p05"], found["p50"], found["p95"]) == (10.0, 100.0, 190.0)
    assert math.isnan(found["VaR99_lo"])
    assert math.isnan(found["ES99_hi"])
    assert tuple(found) == COLUMNS


def test_the_shortfall_is_the_mean_of_the_worst_draws() -> None:
    ordered = np.sort(np.random.default_rng(1).pareto(3.0, 10_000))
    assert expected_shortfall(ordered)[0] == pytest.approx(ordered[-100:].mean(), rel=1e-12)


def test_a_share_that_is_no_whole_number_of_draws() -> None:
    # 150 draws, 1 % is 1.5 draws: the largest and half of the second largest
    ordered = np.arange(1.0, 151.0)
    assert expected_shortfall(ordered)[0] == pytest.approx((150 + 0.5 * 149) / 1.5, rel=1e-13)


@pytest.mark.parametrize(
    ("law", "level"),
    [(stats.lognorm(1.0), 0.99), (stats.expon(), 0.95), (stats.norm(), 0.5)],
    ids=["tail", "p95", "median"],
)
def test_quantile_intervals_cover(law: stats.rv_continuous, level: float) -> None:
    truth, n = law.ppf(level), 1000
    held = 0
    for seed in range(1, 201):
        low, high = quantile_interval(np.sort(law.ppf(np.random.default_rng(seed).random(n))), level)
        held += low <= truth <= high
    assert 0.90 * 200 <= held <= 0.99 * 200 + 1


@pytest.mark.parametrize("name", ["expon", "norm", "lognorm"])
def test_shortfall_intervals_cover(name: str) -> None:
    z = stats.norm.ppf(0.99)
    law, truth = {
        "expon": (stats.expon(), 1.0 + math.log(100.0)),  # memoryless: VaR + 1
        "norm": (stats.norm(), stats.norm.pdf(z) / 0.01),
        "lognorm": (stats.lognorm(0.5), math.exp(0.125) * stats.norm.cdf(0.5 - z) / 0.01),
    }[name]
    held = 0
    for seed in range(1, 201):
        found = summarise(law.ppf(np.random.default_rng(seed).random(10_000)))
        held += found["ES99_lo"] <= truth <= found["ES99_hi"]
    assert 0.90 * 200 <= held <= 0.99 * 200 + 1


def test_few_equal_and_no_draws() -> None:
    assert math.isnan(summarise([])["mean"])
    one = summarise([3.0])
    assert (one["mean"], one["p50"], one["VaR99"], one["ES99"]) == (3.0, 3.0, 3.0, 3.0)
    assert math.isnan(one["std"])
    zero = summarise(np.zeros(1000))
    assert (zero["mean"], zero["std"], zero["VaR99_lo"], zero["ES99_hi"]) == (0.0, 0.0, 0.0, 0.0)


def test_notes_say_how_many_draws_it_takes() -> None:
    assert notes(100) == ("99 %: no 95 % interval from 100 draws; at least 368 are needed",)
    assert notes(368) == ()
    assert len(notes(1)) == 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_only_finite_numbers(bad: float) -> None:
    with pytest.raises(InputError, match=r"values\[1\]"):
        summarise([1.0, bad])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=60), st.randoms(use_true_random=False))
def test_order_changes_no_bit_and_powers_of_two_scale(values: list[float], luck: object) -> None:
    sample = np.array(values)
    mean, spread = moments(sample)
    assert moments(sample[::-1]) == (mean, spread)
    low, high = min(values), max(values)
    assert low - 1e-9 * abs(low) <= mean <= high + 1e-9 * abs(high)
    if np.abs(sample).max() < 1e150 and np.abs(sample[sample != 0.0]).min(initial=1.0) > 1e-150:
        assert moments(sample * 8.0) == (mean * 8.0, spread * 8.0)
    assert quantile(np.sort(sample), 0.5) in values


def test_ranks_of_pairs_hold_even_for_equal_pairs() -> None:
    # 10,000 draws that are 5,000 values twice: the ranks of 5,000 draws, doubled
    low, high = quantile_ranks(5000, 0.99) or (0, 0)
    assert paired_ranks(10_000, 0.99) == (2 * low - 1, 2 * high)
    assert paired_ranks(700, 0.99) is None
    assert notes(700, pairs=True) == ("99 %: no 95 % interval from 700 draws; at least 736 are needed",)


@pytest.mark.parametrize("kind", ["mirrored", "equal"])
def test_intervals_of_pairs_cover(kind: str) -> None:
    law = stats.lognorm(0.7)
    held = {"mean": 0, "p95": 0, "ES99": 0}
    truth = {"mean": law.mean(), "p95": law.ppf(0.95)}
    z = stats.norm.ppf(0.99)
    truth["ES99"] = math.exp(0.245) * stats.norm.cdf(0.7 - z) / 0.01
    errors, naive = [], []
    for seed in range(200):
        u = np.random.default_rng(seed).random(2000)
        sample = law.ppf(np.column_stack([u, 1.0 - u if kind == "mirrored" else u]).ravel())
        found = summarise(sample, pairs=True)
        held["mean"] += abs(found["mean"] - truth["mean"]) <= 1.96 * found["se"]
        held["p95"] += found["p95_lo"] <= truth["p95"] <= found["p95_hi"]
        held["ES99"] += found["ES99_lo"] <= truth["ES99"] <= found["ES99_hi"]
        errors.append(found["se"])
        naive.append(summarise(sample)["se"])
    assert 0.90 * 200 <= held["mean"] <= 0.99 * 200
    assert held["p95"] >= 0.90 * 200
    assert held["ES99"] >= 0.88 * 200
    ratio = float(np.mean(errors) / np.mean(naive))
    assert ratio == pytest.approx(math.sqrt(2.0), rel=0.01) if kind == "equal" else ratio < 0.8
