"""What a sample says about its distribution: moments, quantiles, expected shortfall, each with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError

LEVEL = 0.99
"""Level of value-at-risk and expected shortfall."""

CONFIDENCE = 0.95
"""Of every interval."""

COLUMNS = (
    "draws",
    "mean",
    "std",
    "se",
    "p05",
    "p50",
    "p95",
    "p99",
    "p95_lo",
    "p95_hi",
    "VaR99",
    "VaR99_lo",
    "VaR99_hi",
    "ES99",
    "ES99_se",
    "ES99_lo",
    "ES99_hi",
)
"""What `summarise` returns, in this order."""


def rank_of(n: int, level: float) -> int:
    """Return the rank of the order statistic that estimates a quantile.

    Parameters
    ----------
    n : int
        Sample size, at least 1.
    level : float
        In (0, 1).

    Returns
    -------
    int
        Smallest rank k, counted from 1, with k / n >= level.
    """
    # 0.07 * 100 is 7.000000000000001: the product is cleaned before it is rounded up
    return min(n, max(1, math.ceil(round(n * level, 9))))


def quantile_ranks(n: int, level: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    r"""Return the ranks of the order statistics that enclose a quantile, whatever the distribution.

    The number of values at or below the quantile is binomial, so
    :math:`P(X_{(l)} \le q < X_{(u)}) \ge P(l \le B < u)` with :math:`B \sim Bin(n, level)`; each tail gets half of what
    `confidence` leaves.

    Parameters
    ----------
    n : int
        Sample size.
    level : float
        In (0, 1).
    confidence : float
        In (0, 1), 0.95.

    Returns
    -------
    tuple of int or None
        Lower and upper rank, counted from 1; None when the sample is too small for such an interval.

    References
    ----------
    David and Nagaraja (2003), Order Statistics, 3rd ed., section 7.1.

    Examples
    --------
    >>> quantile_ranks(10_000, 0.99)
    (9880, 9920)
    """
    if n < 1:
        return None
    tail = (1.0 - confidence) / 2.0
    low, high = _binomial_quantile(n, level, tail), _binomial_quantile(n, level, 1.0 - tail) + 1
    return (low, high) if low >= 1 and high <= n else None


def _binomial_quantile(n: int, level: float, probability: float) -> int:
    """Smallest k with P(Bin(n, level) <= k) >= probability, found by halving."""
    from scipy.special import bdtr

    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if float(bdtr(middle, n, level)) >= probability:
            high = middle
        else:
            low = middle + 1
    return low


def quantile(ordered: Float, level: float) -> float:
    """Return the empirical quantile: the smallest value with at least the share `level` at or below it.

    Parameters
    ----------
    ordered : float64[n]
        Ascending.
    level : float
        In (0, 1).

    Returns
    -------
    float
        A value of the sample; NaN when there is none.
    """
    return float(ordered[rank_of(ordered.size, level) - 1]) if ordered.size else math.nan


def quantile_interval(ordered: Float, level: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the distribution-free interval of a quantile.

    Parameters
    ----------
    ordered : float64[n]
        Ascending.
    level : float
        In (0, 1).
    confidence : float
        In (0, 1), 0.95.

    Returns
    -------
    tuple of float
        Two values of the sample; NaN when it is too small (see `quantile_ranks`).
    """
    ranks = quantile_ranks(ordered.size, level, confidence)
    return (math.nan, math.nan) if ranks is None else (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))


def expected_shortfall(ordered: Float, level: float = LEVEL) -> tuple[float, float]:
    r"""Return the mean of the worst share ``1 - level`` of a sample, and its standard error.

    :math:`ES = q + E[(X - q)^+] / (1 - level)` with the empirical quantile q. The standard error is that of the mean of
    the influence function, :math:`q + (x - q)^+ / (1 - level) - ES`.

    Parameters
    ----------
    ordered : float64[n]
        Ascending; large is bad.
    level : float
        In (0, 1), 0.99.

    Returns
    -------
    tuple of float
        Estimate and standard error, unit of the sample; the error is NaN below two values.

    References
    ----------
    Rockafellar and Uryasev (2002), J. Banking and Finance 26(7), 1443-1471; Chen (2008), J. Financial Econometrics
    6(1), 87-107.
    """
    if not ordered.size:
        return math.nan, math.nan
    at = quantile(ordered, level)
    excess = np.maximum(ordered - at, 0.0) / (1.0 - level)
    mean, spread = moments(excess)
    return at + mean, spread / math.sqrt(ordered.size)


def moments(values: Float) -> tuple[float, float]:
    """Return mean and standard deviation, each rounded once: the order of the values changes no bit.

    Parameters
    ----------
    values : float64[n]
        Finite.

    Returns
    -------
    tuple of float
        The deviation with n - 1 in the denominator, NaN below two values.
    """
    if not values.size:
        return math.nan, math.nan
    # an exact power of two keeps squares inside the range, and scaling the sample scales the result and nothing else
    power = int(np.frexp(np.abs(values).max())[1])
    scaled = np.ldexp(values, -power)
    mean = math.fsum(scaled.tolist()) / values.size
    if values.size == 1:
        return math.ldexp(mean, power), math.nan
    variance = math.fsum(np.square(scaled - mean).tolist()) / (values.size - 1)
    return math.ldexp(mean, power), math.ldexp(math.sqrt(variance), power)


def summarise(values: npt.ArrayLike) -> dict[str, float]:
    """Return the summary of one metric over draws.

    Parameters
    ----------
    values : float64[n_draws]
        One number a draw; large is bad. Finite.

    Returns
    -------
    dict of str to float
        The keys of `COLUMNS`. Intervals are NaN where the sample is too small for them; see `notes`.

    Raises
    ------
    InputError
        If a value is NaN or infinite.
    """
    from scipy.special import ndtri

    sample = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(sample).all():
        raise InputError(f"values[{int(np.argmin(np.isfinite(sample)))}] is not finite")
    ordered = np.sort(sample)
    n = ordered.size
    mean, spread = moments(ordered)
    low, high = quantile_interval(ordered, LEVEL)
    low95, high95 = quantile_interval(ordered, 0.95)
    shortfall, error = expected_shortfall(ordered)
    reach = float(ndtri(0.5 + CONFIDENCE / 2.0)) * error if math.isfinite(low) else math.nan
    at = quantile(ordered, LEVEL)
    found = (
        *(float(n), mean, spread, spread / math.sqrt(n) if n else math.nan),
        *(quantile(ordered, 0.05), quantile(ordered, 0.5), quantile(ordered, 0.95), at),
        *(low95, high95, at, low, high),
        *(shortfall, error, shortfall - reach, shortfall + reach),
    )
    return dict(zip(COLUMNS, found, strict=True))


def notes(n: int, levels: Sequence[float] = (0.95, LEVEL)) -> tuple[str, ...]:
    """Return what a reader must know about the intervals of a sample of this size.

    Parameters
    ----------
    n : int
        Draws summarised.
    levels : sequence of float
        Quantile levels reported.

    Returns
    -------
    tuple of str
        One line a level without interval; empty when all have one.

    Examples
    --------
    >>> notes(100)
    ('99 %: no 95 % interval from 100 draws; at least 368 are needed',)
    """
    return tuple(
        f"{100 * level:g} %: no 95 % interval from {n} draws; at least {fewest(level)} are needed"
        for level in levels
        if quantile_ranks(n, level) is None
    )


def fewest(level: float, confidence: float = CONFIDENCE) -> int:
    """Return the smallest sample that gives a quantile an interval.

    Parameters
    ----------
    level : float
        In (0, 1).
    confidence : float
        In (0, 1), 0.95.

    Returns
    -------
    int
        Sample size.
    """
    n = 1
    while quantile_ranks(n, level, confidence) is None:
        n *= 2
    low = n // 2
    while n - low > 1:
        middle = (low + n) // 2
        low, n = (low, middle) if quantile_ranks(middle, level, confidence) is not None else (middle, n)
    return n
