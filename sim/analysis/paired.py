"""Differences between two samples that share their luck, or do not, with errors and intervals."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import UnknownNameError
from sim.experiments.nested import error
from sim.experiments.statistics import (
    LEVEL,
    moments,
    paired_ranks,
    quantile,
    quantile_ranks,
)
from sim.experiments.streaming import Moments, pair_error, pair_squares

LEVELS = {"p50": 0.5, "p95": 0.95, "VaR99": LEVEL}


class Alike(NamedTuple):
    """Draws of which some are alike: mirrored pairs, or those on one network.

    Parameters
    ----------
    draws : int64[n]
        Numbers of the draws, ascending.
    networks : int
        That they are spread over; 1 stands for pairs, draws 2k and 2k + 1 mirroring each other.
    """

    draws: Int
    networks: int = 1

    @property
    def labels(self) -> Int:
        """The same number for draws that are alike."""
        return self.draws % self.networks if self.networks > 1 else self.draws // 2


class Difference(NamedTuple):
    """One statistic of two samples.

    Parameters
    ----------
    base, value : float
        Of the first and the second sample.
    difference, se : float
        Second minus first, and its standard error.
    low, high : float
        Interval of the difference; NaN where there are too few draws.
    draws : int
        Draws of the smaller sample.
    """

    base: float
    value: float
    difference: float
    se: float
    low: float
    high: float
    draws: int


def difference(a: Float, b: Float, *, paired: bool, alike: Alike | None = None, confidence: float = 0.95) -> Difference:
    r"""Return the difference of two means with a t interval.

    .. math:: \bar b - \bar a \pm t_{n-1} \, \frac{\mathrm{std}(b - a)}{\sqrt n}

    or, unpaired, with the error :math:`\sqrt{s_a^2 / n_a + s_b^2 / n_b}` and the degrees of freedom of Welch.

    Parameters
    ----------
    a, b : float64[n]
        First and second sample; of one length and order if paired.
    paired : bool
        Whether value k of both has the same luck.
    alike : Alike, optional
        Which draws of paired samples are not independent.
    confidence : float
        In (0, 1).

    Returns
    -------
    Difference
        NaN error and interval below two draws.

    References
    ----------
    Welch (1947), Biometrika 34, 28-35; Law (2015), Simulation Modeling and Analysis, 5th ed., section 10.2.

    Examples
    --------
    >>> import numpy as np
    >>> difference(np.array([1.0, 2.0]), np.array([2.0, 3.5]), paired=True).difference
    1.25
    """
    base, value = moments(a)[0], moments(b)[0]
    n = min(a.size, b.size)
    if paired:
        by = b - a
        middle = moments(by)[0]
        se, freedom = _error(by, alike), float(_units(n, alike) - 1)
    else:
        middle = value - base
        va, vb = (moments(each)[1] ** 2 / max(1, each.size) for each in (a, b))
        se = math.sqrt(va + vb)
        parts = va**2 / max(1, a.size - 1) + vb**2 / max(1, b.size - 1)
        freedom = (va + vb) ** 2 / parts if parts > 0.0 else float(max(1, n - 1))
    return _within(base, value, middle, (se, freedom), n, confidence)


def _within(
    base: float, value: float, middle: float, error: tuple[float, float], n: int, confidence: float
) -> Difference:
    """A t interval around a difference; a normal one where no degrees of freedom are given."""
    from scipy.special import stdtrit

    se, freedom = error
    reach = float(stdtrit(freedom, 0.5 + confidence / 2.0)) * se if freedom > 0.0 else math.nan
    return Difference(base, value, middle, se, middle - reach, middle + reach, n)


def _units(n: int, alike: Alike | None) -> int:
    """Independent things among the draws: themselves, their pairs, or their networks."""
    return n if alike is None else int(np.unique(alike.labels).size)


def _error(values: Float, alike: Alike | None) -> float:
    """Standard error of a mean of draws, of mirrored pairs, or of draws nested in networks."""
    if values.size < 2:
        return math.nan
    if alike is None:
        return moments(values)[1] / math.sqrt(values.size)
    if alike.networks > 1:
        labels = alike.labels
        return error([Moments.of(values[labels == network]) for network in np.unique(labels)])
    return pair_error(pair_squares(alike.draws, values, moments(values)[0]), values.size)


def tail_difference(
    a: Float, b: Float, which: str, *, paired: bool, alike: Alike | None = None, confidence: float = 0.95
) -> Difference:
    r"""Return the difference of two quantiles or of two expected shortfalls.

    Expected shortfall: the standard error of the mean of the difference of both influence functions. Quantile: the
    influence function is :math:`(p - 1\{x \le q\}) / f(q)`; how often both samples exceed their quantiles together is
    counted, and :math:`1 / f` is read from the distribution-free interval of each.

    Parameters
    ----------
    a, b : float64[n]
        First and second sample.
    which : str
        ``"p50"``, ``"p95"``, ``"VaR99"`` or ``"ES99"``.
    paired : bool
        Whether value k of both has the same luck.
    alike : Alike, optional
        Which draws of paired samples are not independent.
    confidence : float
        In (0, 1).

    Returns
    -------
    Difference
        NaN error and interval where the samples are too small for the interval of the quantile.

    Raises
    ------
    UnknownNameError
        If there is no such statistic.

    References
    ----------
    Serfling (1980), Approximation Theorems of Mathematical Statistics, section 2.5; Chen (2008), J. Financial
    Econometrics 6(1), 87-107.
    """
    if which not in (*LEVELS, "ES99"):
        raise UnknownNameError("statistic", which, (*LEVELS, "ES99"))
    level = LEVELS.get(which, LEVEL)
    n = min(a.size, b.size)
    mirrored = alike is not None and alike.networks == 1
    told = (quantile_ranks(n // 2, level) if mirrored else quantile_ranks(n, level)) is not None
    effects = [_influence(each, which, level, mirrored=mirrored) for each in (a, b)]
    base, value = (each[0] for each in effects)
    if not told:
        return Difference(base, value, value - base, math.nan, math.nan, math.nan, n)
    if paired:
        se = _error(effects[1][1] - effects[0][1], alike)
    else:
        se = math.hypot(*(_error(each[1], None) for each in effects))
    freedom = float(_units(n, alike) - 1) if alike is not None and not mirrored else math.inf
    return _within(base, value, value - base, (se, freedom), n, confidence)


def _influence(values: Float, which: str, level: float, *, mirrored: bool) -> tuple[float, Float]:
    """A statistic of the tail and the influence of each draw on it, up to a constant."""
    ordered = np.sort(values)
    at = quantile(ordered, level)
    if which == "ES99":
        excess = np.maximum(values - at, 0.0) / (1.0 - level)
        return at + moments(excess)[0], excess
    beyond: Bool = values > at
    return at, np.where(beyond, _sparsity(ordered, level, mirrored=mirrored), 0.0)


def _sparsity(ordered: Float, level: float, *, mirrored: bool) -> float:
    """One over the density at a quantile: the width of an interval of order statistics over the share it holds."""
    ranks = (paired_ranks if mirrored else quantile_ranks)(ordered.size, level)
    if ranks is None:
        return math.nan
    low, high = ranks
    return float(ordered[high - 1] - ordered[low - 1]) * ordered.size / (high - low)
