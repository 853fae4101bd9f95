"""A certificate for fixed points of isotone maps that no hidden slow mode can deceive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from sim.arrays import Bool, Csr, Float
from sim.contagion.solve import FixedPoint, fixed_point, through

TIGHTER = (1.0, 1e-2, 1e-4, 0.0)
"""Factors on the tolerance of successive attempts; with the last an iteration runs until nothing moves at all."""

PROBES = 200
"""Most evaluations spent on one certificate."""

PACE, LEAST_PACE = 1.1, 1e-6
"""By how much the even part of the weights shrinks from probe to probe, and to what."""

SETTLED = 1e-3
"""Relative change of the weights below which more probes will not help."""

JUMP = 1e5
"""A fall this much larger than the tolerance is a jump, not a slope."""

ROUNDING = 2.0**-52
"""Of one evaluation of a map on [0, 1]."""

FINEST = 1e-12
"""Least distance at which slopes can be told from rounding; where nothing moves any more, proofs are made at it."""


def confirmed(step: Callable[[Float], Float], x: Float, tol: float, *, rising: bool = False) -> Bool:
    r"""Prove that the fixed point aimed at is near, lane by lane.

    A small residual proves little: a slow mode of tiny amplitude moves by less than any tolerance in each round and
    yet goes far. For an isotone map however every :math:`y` with :math:`F(y) \ge y` lies below the greatest fixed
    point (Tarski). So a point :math:`y = x - tol \, w` with :math:`0 < w \le 1` and :math:`F(y) \ge y` shows that an
    iterate :math:`x` from above is within `tol`, with room for rounding. Any weights will do; they are found by
    :math:`w \leftarrow M w + \delta` with a shrinking :math:`\delta`, where :math:`M` is how far the map falls when its
    argument does. Where slow modes amplify rounding errors beyond `tol` there are none.

    At a point that the map returns bit for bit an agent may sit exactly on the edge of a jump: that it jumps a little
    below is then no objection. Nor is it that agents would be drawn in who have not moved at all, such as everybody
    where there is no shock.

    Parameters
    ----------
    step : callable
        The map, ``float64[n, n_lanes] -> float64[n, n_lanes]`` on [0, 1], lanes independent.
    x : float64[n, n_lanes], 1
        Reached monotonically from above (or, with `rising`, from below).
    tol : float
        Absolute.
    rising : bool
        Whether `x` comes from below.

    Returns
    -------
    bool[n_lanes]
        Whether the greatest (least) fixed point is proved to lie within `tol` of `x`.

    References
    ----------
    Tarski (1955), Pacific Journal of Mathematics 5(2), theorem 1.
    """
    image = step(x)
    still: Bool = (image == x).all(axis=0)
    size = np.where(still, max(tol, FINEST), tol)
    sure, searched = np.zeros_like(still), np.ones_like(still)
    unmoved = still & (x == (0.0 if rising else 1.0))
    weights, pace = np.where(unmoved, 0.0, 1.0), 1.0
    for _ in range(PROBES):
        y = np.minimum(1.0, x + size * weights) if rising else np.maximum(0.0, x - size * weights)
        found = step(y)
        found = np.where(still & (np.abs(image - found) > JUMP * size), image, found)
        room, end = (y - found, y == 1.0) if rising else (found - y, y == 0.0)
        holds = ((room >= ROUNDING) | end | unmoved).all(axis=0)
        sure |= searched & holds
        pace = max(pace / PACE, LEAST_PACE)
        longer = np.where(unmoved, 0.0, pace + np.abs(image - found) / size)
        longer /= longer.max(axis=0, initial=pace)
        settled = (np.abs(longer - weights) <= SETTLED * weights).all(axis=0)
        searched &= ~holds & ~settled
        weights = np.where(searched, longer, weights)
        if not searched.any():
            break
    return sure


def reach(
    step: Callable[[Float], Float],
    start: Float,
    *,
    tol: float,
    max_rounds: int,
    rising: bool = False,
    proved: Callable[[Float], Bool] | None = None,
) -> FixedPoint:
    """Iterate as `sim.contagion.solve.fixed_point` and certify only what is `confirmed`.

    Where the first attempt is not confirmed the iteration goes on with tighter tolerances, until it is, or nothing
    moves any more, or the rounds are used up.

    Parameters
    ----------
    step : callable
        ``float64[n, n_lanes] -> float64[n, n_lanes]`` on [0, 1], isotone, lanes independent.
    start : float64[n, n_lanes], 1
        The healthy (or, with `rising`, the worst) end. Not modified.
    tol : float
        Absolute.
    max_rounds : int
        Most rounds of one attempt; a lane that has used up as many in all makes no further one.
    rising : bool
        Whether `start` is the lower end.
    proved : callable, optional
        ``x float64[n, n_lanes] -> bool[n_lanes]``: whether the fixed point aimed at is within `tol` of x; by default
        `confirmed`.

    Returns
    -------
    FixedPoint
        Certified lanes are within `tol` of the greatest (least) fixed point.
    """
    lanes = start.shape[1]
    prove = proved or partial(confirmed, step, tol=tol, rising=rising)
    x = start.copy()
    rounds = np.zeros(lanes, dtype=np.int64)
    residual, bound = np.full(lanes, np.inf), np.full(lanes, np.inf)
    certified, pending = np.zeros(lanes, dtype=np.bool_), np.ones(lanes, dtype=np.bool_)
    for factor in TIGHTER:
        found = fixed_point(step, x, tol=tol * factor, max_rounds=max_rounds, rising=rising)
        x = np.where(pending, found.x, x)
        rounds = np.where(pending, rounds + found.rounds, rounds)
        residual, bound = np.where(pending, found.residual, residual), np.where(pending, found.bound, bound)
        certified |= pending & found.certified & prove(x)
        pending &= ~certified & found.certified & (rounds < max_rounds)
        if not pending.any():
            break
    return FixedPoint(x, rounds, residual, np.where(certified, np.minimum(bound, tol), bound), certified)


def certain(
    network: Csr, respond: Callable[[Float], Float], start: Float, *, tol: float, max_rounds: int, rising: bool = False
) -> FixedPoint:
    """Play signal, layer, pressure, response until it is sure where they come to rest.

    Parameters
    ----------
    network : Csr
        ``float64[n, n]``, row exposed to column.
    respond : callable
        ``pressure float64[n, n_lanes] -> signal float64[n, n_lanes]``, isotone, lanes independent.
    start : float64[n, n_lanes], 1
        As in `reach`.
    tol, max_rounds, rising : float, int, bool
        As in `reach`.

    Returns
    -------
    FixedPoint
        Certified lanes are within `tol` of the greatest (least) fixed point.
    """
    return reach(through(network, respond), start, tol=tol, max_rounds=max_rounds, rising=rising)
