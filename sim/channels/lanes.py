"""Some lanes of a block, taken out where something happens and put back: no lane is computed for nothing."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int
from sim.contagion.solve import FixedPoint


def chosen(values: Float, lanes: Int) -> Float:
    """Return some lanes, in the order of memory that kernels read.

    Parameters
    ----------
    values : float64[n, n_lanes], any unit
        All lanes.
    lanes : int64[n_chosen]
        Which.

    Returns
    -------
    float64[n, n_chosen], unit of the values
        C order; a plain index would give the transposed order, and `pull` other numbers. Where all are chosen the
        values themselves.
    """
    return values if lanes.size == values.shape[1] else np.ascontiguousarray(np.take(values, lanes, axis=1))


def columns(lanes: Int, n_lanes: int) -> Int | slice:
    """Return lanes as the quicker index where all are chosen.

    Parameters
    ----------
    lanes : int64[n_chosen]
        Which, ascending.
    n_lanes : int
        How many there are.

    Returns
    -------
    int64[n_chosen] or slice
        For the second axis.
    """
    return slice(None) if lanes.size == n_lanes else lanes


def widened(found: FixedPoint, lanes: Int, shape: tuple[int, ...]) -> FixedPoint:
    """Return the answer for some lanes as one for all: there is nothing to solve in the others.

    Parameters
    ----------
    found : FixedPoint
        Of the chosen lanes.
    lanes : int64[n_chosen]
        Which.
    shape : tuple of int
        ``(n, n_lanes)`` of all.

    Returns
    -------
    FixedPoint
        0 rounds, certified, in all other lanes.
    """
    x, rounds = np.zeros(shape), np.zeros(shape[1], dtype=np.int64)
    residual, bound, certified = np.zeros(shape[1]), np.zeros(shape[1]), np.ones(shape[1], dtype=np.bool_)
    x[:, lanes], rounds[lanes] = found.x, found.rounds
    residual[lanes], bound[lanes], certified[lanes] = found.residual, found.bound, found.certified
    return FixedPoint(x, rounds, residual, bound, certified)


def both(x: Float, one: FixedPoint, two: FixedPoint) -> FixedPoint:
    """Return an answer that rests on two fixed points.

    Parameters
    ----------
    x : float64[n, n_lanes], 1
        The answer.
    one, two : FixedPoint
        Of the same lanes.

    Returns
    -------
    FixedPoint
        With the rounds of both and the worse of their residuals.
    """
    return FixedPoint(
        x,
        one.rounds + two.rounds,
        np.maximum(one.residual, two.residual),
        np.maximum(one.bound, two.bound),
        one.certified & two.certified,
    )
