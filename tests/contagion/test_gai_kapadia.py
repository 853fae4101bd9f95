"""Gai and Kapadia (2010): the contagion window, by simulation and from its analytic edges."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import sparse

from sim.contagion.cascade import cascade

N = 1000
NETWORKS, SEEDS = 40, 30
LARGE = 0.05


@cache
def outcomes(z: float) -> tuple[np.ndarray, np.ndarray]:
    """Failed shares, default below zero and at zero, over random networks and random first failures.

    Capital is 4 and interbank assets are 20, spread evenly over the j debtors of a bank: 20 / j each. Multiplied by
    j / 4 the row is 5 to each debtor against a capital of j: whole numbers, so that the tie at j = 5 is exact. A bank
    without debtors keeps its capital.
    """
    random = np.random.default_rng(round(1000 * z))
    strict, weak = np.empty((NETWORKS, SEEDS)), np.empty((NETWORKS, SEEDS))
    for k in range(NETWORKS):
        lends = random.random((N, N), dtype=np.float32) < z / (N - 1)
        np.fill_diagonal(lends, False)
        debtors = lends.sum(axis=1)
        capital = np.maximum(debtors, 1.0)
        exposures, failing = sparse.csr_array(5.0 * lends), random.integers(N, size=SEEDS)
        strict[k] = cascade(exposures, capital, failing=failing).n_defaulted / N
        weak[k] = cascade(exposures, capital, failing=failing, default_at_zero=True).n_defaulted / N
    return strict.ravel(), weak.ravel()


def frequency_and_extent(z: float, *, default_at_zero: bool) -> tuple[float, float]:
    shares = outcomes(z)[default_at_zero]
    large = shares > LARGE
    return float(large.mean()), float(shares[large].mean()) if large.any() else 0.0


def window(vulnerable: int) -> tuple[float, float]:
    """Edges of the window in which z P(Poisson(z) <= J - 1) > 1, J the most debtors of a vulnerable bank."""

    def excess(z: float) -> float:
        return z * math.exp(-z) * sum(z**m / math.factorial(m) for m in range(vulnerable)) - 1.0

    def edge(low: float, high: float) -> float:
        for _ in range(100):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if (excess(middle) > 0.0) == (excess(high) > 0.0) else (middle, high)
        return 0.5 * (low + high)

    return edge(0.5, 2.0), edge(2.0, 20.0)


def test_the_edges_of_the_window() -> None:
    # strict: 20 / j > 4 for j <= 4; with default at zero also for j = 5
    assert window(4) == pytest.approx((1.021, 5.765), abs=5e-4)
    assert window(5) == pytest.approx((1.004, 7.477), abs=5e-4)


@pytest.mark.parametrize("z", [0.5, 10.0, 12.0])
def test_no_contagion_outside_the_window(z: float) -> None:
    assert frequency_and_extent(z, default_at_zero=False)[0] == 0.0
    # With default at zero, a bank in thirty still has five debtors or fewer at z = 10: in a finite system one failure
    # in a thousand then happens to hit several of them.
    assert frequency_and_extent(z, default_at_zero=True)[0] < 0.005


def test_frequency_inside_the_window() -> None:
    assert frequency_and_extent(3.0, default_at_zero=False)[0] == pytest.approx(0.79, abs=0.07)
    assert frequency_and_extent(3.0, default_at_zero=True)[0] == pytest.approx(0.88, abs=0.07)


def test_contagion_is_nearly_complete_once_it_starts() -> None:
    frequency, extent = frequency_and_extent(5.0, default_at_zero=False)
    assert frequency > 0.1
    assert extent > 0.99


def test_robust_yet_fragile() -> None:
    # rare and total above the strict window, thanks to the exact tie at five debtors only
    frequency, extent = frequency_and_extent(8.0, default_at_zero=True)
    assert frequency == pytest.approx(0.11, abs=0.07)
    assert extent > 0.99
    assert frequency_and_extent(8.0, default_at_zero=False)[0] < 0.02


def test_five_debtors_are_an_exact_tie() -> None:
    # one bank with five debtors of 5 each and a capital of 5, as above; one debtor fails: 5 - 5 = 0
    exposures = np.zeros((6, 6))
    exposures[0, 1:] = 5.0
    equity = [5.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert not cascade(exposures, equity, failing=3).is_defaulted[0]
    assert cascade(exposures, equity, failing=3, default_at_zero=True).is_defaulted[0]
