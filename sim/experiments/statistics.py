"""What a sample says about its distribution: moments, quantiles, expected shortfall, each with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, Int
from sim.errors import InputError
from sim.experiments.part import PART
from sim.experiments.streaming import Moments, Tree, cut, moments_of, pair_error, pair_squares

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


def paired_ranks(n: int, level: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Return the ranks that enclose a quantile when draws come in mirrored pairs, however the two depend on each other.

    Two equal draws are worth one: the ranks of half the sample, doubled. Where mirroring helps they are wider than need
    be.

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
        As `quantile_ranks`.
    """
    ranks = quantile_ranks(n // 2, level, confidence)
    return None if ranks is None else (2 * ranks[0] - 1, 2 * ranks[1])


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
    """Return mean and standard deviation: exact sums within each 1000 values, merged in a fixed tree.

    Parameters
    ----------
    values : float64[n]
        Finite, in draw order; up to 1000 values their order changes no bit.

    Returns
    -------
    tuple of float
        The deviation with n - 1 in the denominator, NaN below two values.
    """
    found = moments_of(cut(values))
    return found.mean, found.std


def summarise(values: npt.ArrayLike, *, pairs: bool = False) -> dict[str, float]:
    """Return the summary of one metric over draws.

    Parameters
    ----------
    values : float64[n_draws]
        One number a draw, in draw order; large is bad. Finite.
    pairs : bool
        Whether draws 2k and 2k + 1 mirror each other (sampler ``antithetic``) and are not independent.

    Returns
    -------
    dict of str to float
        The keys of `COLUMNS`. Intervals are NaN where the sample is too small for them; see `notes`.

    Raises
    ------
    InputError
        If a value is NaN or infinite.
    """
    sample = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(sample).all():
        raise InputError(f"values[{int(np.argmin(np.isfinite(sample)))}] is not finite")
    ordered = np.sort(sample)

    def parts() -> Iterator[tuple[Int, dict[str, Float]]]:
        for position, piece in enumerate(cut(sample)):
            yield np.arange(piece.size, dtype=np.int64) + position * PART, {"": piece}

    def ranked(_name: str, ranks: Sequence[int]) -> dict[int, float]:
        return {rank: float(ordered[rank - 1]) for rank in ranks}

    return summarise_parts([""], parts, ranked, pairs=pairs)[""]


Parts = Callable[[], Iterable[tuple[Int, Mapping[str, Float]]]]
"""Gives, each time it is called, the draws of every part and the values of each metric in them, in draw order."""

Ranked = Callable[[str, Sequence[int]], Mapping[int, float]]
"""Gives the order statistics of a metric at some ranks, counted from 1."""


def summarise_parts(names: Sequence[str], parts: Parts, ranked: Ranked, *, pairs: bool) -> dict[str, dict[str, float]]:
    """Return the summaries of metrics whose draws come part by part; all metrics of all draws are never held at once.

    Parameters
    ----------
    names : sequence of str
        Metrics.
    parts : callable
        Called twice: for the moments, and again once value-at-risk is known.
    ranked : callable
        Order statistics, exact.
    pairs : bool
        Whether draws 2k and 2k + 1 mirror each other.

    Returns
    -------
    dict of str to dict
        By metric what `summarise` returns for its values, bit for bit.
    """
    trees = {name: Tree(Moments.merged) for name in names}
    for _, values in parts():
        for name in names:
            trees[name].add(Moments.of(values[name]))
    total = {name: tree.total(Moments()) for name, tree in trees.items()}
    orders = {name: _orders(name, found.n, ranked, pairs) for name, found in total.items()}
    beyond = {name: Tree(Moments.merged) for name in names}
    sums = {(name, what): Tree(Moments.merged) for name in names for what in ("mean", "tail")}
    for draws, values in parts():
        for name in names:
            # the influence function of the shortfall, up to a constant
            excess = np.maximum(values[name] - orders[name]["p99"], 0.0) / (1.0 - LEVEL)
            beyond[name].add(Moments.of(excess))
            if pairs:
                sums[name, "mean"].add(pair_squares(draws, values[name], total[name].mean))
                sums[name, "tail"].add(pair_squares(draws, excess, 0.0))
    found = {}
    for name in names:
        n, tail = total[name].n, beyond[name].total(Moments())
        errors = [_error(total[name]), _error(tail)]
        if pairs:
            errors = [pair_error(sums[name, what].total(Moments()), n) for what in ("mean", "tail")]
        found[name] = _columns(total[name], orders[name], tail.mean, errors)
    return found


def _error(found: Moments) -> float:
    return found.std / math.sqrt(found.n) if found.n else math.nan


def _orders(name: str, n: int, ranked: Ranked, pairs: bool) -> dict[str, float]:
    """Quantiles and the ends of their intervals, NaN where there are none."""
    ranks = {f"p{round(100 * level):02d}": rank_of(n, level) for level in (0.05, 0.5, 0.95, LEVEL)} if n else {}
    for level in (0.95, LEVEL):
        ends = (paired_ranks if pairs else quantile_ranks)(n, level)
        if ends is not None:
            ranks |= {f"p{round(100 * level):02d}_lo": ends[0], f"p{round(100 * level):02d}_hi": ends[1]}
    values = ranked(name, sorted(set(ranks.values()))) if ranks else {}
    names = ("p05", "p50", "p95", "p99", "p95_lo", "p95_hi", "p99_lo", "p99_hi")
    return {key: values[ranks[key]] if key in ranks else math.nan for key in names}


def _columns(total: Moments, orders: Mapping[str, float], excess: float, errors: Sequence[float]) -> dict[str, float]:
    from scipy.special import ndtri

    shortfall, at = orders["p99"] + excess, orders["p99"]
    reach = float(ndtri(0.5 + CONFIDENCE / 2.0)) * errors[1] if math.isfinite(orders["p99_lo"]) else math.nan
    found = (
        *(float(total.n), total.mean, total.std, errors[0]),
        *(orders[key] for key in ("p05", "p50", "p95", "p99", "p95_lo", "p95_hi")),
        *(at, orders["p99_lo"], orders["p99_hi"]),
        *(shortfall, errors[1], shortfall - reach, shortfall + reach),
    )
    return dict(zip(COLUMNS, found, strict=True))


def notes(n: int, levels: Sequence[float] = (0.95, LEVEL), *, pairs: bool = False) -> tuple[str, ...]:
    """Return what a reader must know about the intervals of a sample of this size.

    Parameters
    ----------
    n : int
        Draws summarised.
    levels : sequence of float
        Quantile levels reported.
    pairs : bool
        Whether draws come in mirrored pairs.

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
        f"{100 * level:g} %: no 95 % interval from {n} draws; at least {(1 + pairs) * fewest(level)} are needed"
        for level in levels
        if quantile_ranks(n // (1 + pairs), level) is None
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
