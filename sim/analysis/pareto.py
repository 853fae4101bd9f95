"""Sets that nothing beats in two respects, and statistics of samples that are drawn again."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import UsageError, shown
from sim.experiments.statistics import rank_of
from sim.streams import Draws

_TAIL = re.compile(r"(ES|VaR)([5-9][0-9](?:\.[0-9]+)?)")

CHUNK = 2_000_000
"""Numbers held at a time while samples are drawn again."""


def efficient(benefit: Float, risk: Float) -> Bool:
    """Return which points no other point beats: more benefit at no more risk, or less risk at no less benefit.

    Parameters
    ----------
    benefit, risk : float64[n_points, ...]
        The more the better, and the less the better; further axes are sets of their own.

    Returns
    -------
    bool[n_points, ...]
        Equal points are all kept.

    Examples
    --------
    >>> efficient(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [True, True, False]
    """
    kept = np.ones(np.shape(benefit), dtype=np.bool_)
    for one in range(len(benefit)):
        no_worse = (benefit[one] >= benefit) & (risk[one] <= risk)
        kept &= ~(no_worse & ((benefit[one] > benefit) | (risk[one] < risk)))
    return kept


def least_risk(benefit: Float, risk: Float, wanted: Float) -> Float:
    """Return the least risk at which each benefit can be had.

    Parameters
    ----------
    benefit, risk : float64[n_points]
        As in `efficient`.
    wanted : float64[n_wanted]
        Benefits.

    Returns
    -------
    float64[n_wanted]
        Steps upwards; infinite where no point has as much.
    """
    found = np.full(np.shape(wanted), math.inf)
    for b, r in zip(benefit.tolist(), risk.tolist(), strict=True):
        found = np.where(wanted <= b, np.minimum(found, r), found)
    return found


def hypervolume(benefit: Float, risk: Float, reference: tuple[float, float]) -> float:
    """Return the area between the points that nothing beats and a point that is worse than all of them.

    Parameters
    ----------
    benefit, risk : float64[n_points]
        As in `efficient`.
    reference : (float, float)
        Benefit and risk of the worse point.

    Returns
    -------
    float
        Product of both units; the larger, the better the set. Points that are worse than the reference add nothing.

    References
    ----------
    Zitzler and Thiele (1999), IEEE Transactions on Evolutionary Computation 3, 257-271.

    Examples
    --------
    >>> hypervolume(np.array([1.0, 2.0]), np.array([1.0, 2.0]), (0.0, 3.0))
    3.0
    """
    order = np.argsort(-benefit, kind="stable")
    area, best = 0.0, reference[1]
    for k in order.tolist():
        if benefit[k] > reference[0] and risk[k] < best:
            area += (float(benefit[k]) - reference[0]) * (best - float(risk[k]))
            best = float(risk[k])
    return area


def level_of(statistic: str) -> tuple[str, float]:
    """Return what a statistic is and at which level.

    Parameters
    ----------
    statistic : str
        ``"mean"``, or ``"VaR"`` or ``"ES"`` with a level from 50 to below 100, such as ``"ES99"``.

    Returns
    -------
    tuple of str and float
        ``"mean"``, ``"VaR"`` or ``"ES"``; the level in (0, 1).

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if statistic == "mean":
        return "mean", 0.5
    found = _TAIL.fullmatch(statistic)
    if found is None:
        raise UsageError(f"statistic: got {shown(statistic)}, allowed: mean, or VaR or ES with a level, such as ES99")
    return found[1], float(found[2]) / 100.0


def weighted(values: Float, counts: Float, statistic: str) -> Float:
    r"""Return a statistic of samples in which each value comes several times.

    .. math:: ES_p = q_p + \frac{1}{(1 - p) \, n} \sum_k c_k \, (x_k - q_p)^+

    Parameters
    ----------
    values : float64[n_draws]
        The sample.
    counts : float64[n_samples, n_draws], 1
        How often each value comes; whole numbers.
    statistic : str
        See `level_of`.

    Returns
    -------
    float64[n_samples]
        With counts of one, what `Result.summary` says.
    """
    kind, level = level_of(statistic)
    order = np.argsort(values, kind="stable")
    ordered, often = values[order], counts[:, order]
    size = often.sum(axis=1)
    if kind == "mean":
        return np.asarray((often * ordered).sum(axis=1) / size)
    rank = np.array([rank_of(int(n), level) for n in size], dtype=np.float64)
    place = (np.cumsum(often, axis=1) < rank[:, None]).sum(axis=1)
    at = ordered[place]
    if kind == "VaR":
        return np.asarray(at)
    excess = np.maximum(ordered[None, :] - at[:, None], 0.0)
    return np.asarray(at + (often * excess).sum(axis=1) / (size * (1.0 - level)))


def resampled(units: Int, times: int, seed: int) -> Iterator[Float]:
    """Draw again, with replacement, from draws of which some belong together.

    Parameters
    ----------
    units : int64[n_draws]
        The same number for draws that are drawn together: all of a network, or a mirrored pair.
    times : int
        Samples.
    seed : int
        Of the luck; the same for all who ask, so that samples of several policies are of the same draws.

    Yields
    ------
    float64[n_samples, n_draws], 1
        How often each draw comes, some samples at a time.

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapters 6 and 8.
    """
    labels, unit_of = np.unique(units, return_inverse=True)
    ids = [f"unit{label}" for label in labels.tolist()]
    step = max(1, CHUNK // max(1, unit_of.size))
    for first in range(0, times, step):
        lanes = np.arange(first, min(times, first + step), dtype=np.int64)
        chosen = (Draws(seed, lanes).uniform("analysis.frontier", ids, 1) * labels.size).astype(np.int64)
        counts = np.zeros((lanes.size, labels.size))
        for row, drawn in enumerate(chosen.T):
            counts[row] = np.bincount(np.minimum(drawn, labels.size - 1), minlength=labels.size)
        yield counts[:, unit_of]
