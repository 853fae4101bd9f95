"""The fixed-point driver: from the healthy end down to the greatest fixed point, with a certificate per lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arrays import Bool, Csr, Float, Int, empty
from sim.kernels.pull import pull

SLOPE_CAP = 1.0 - 1e-9
"""A measured contraction above this gives no usable bound; an unknown one counts as this."""


@dataclass(frozen=True)
class FixedPoint:
    """Where an isotone map came to rest, lane by lane.

    Parameters
    ----------
    x : float64[n, n_lanes], 1
        The last iterate.
    rounds : int64[n_lanes]
        Synchronous rounds played.
    residual, bound : float64[n_lanes], 1
        Largest change in the last round, and the distance still to go that it implies.
    certified : bool[n_lanes]
        Monotone all the way and within `tol`.
    """

    x: Float
    rounds: Int
    residual: Float
    bound: Float
    certified: Bool


def fixed_point(
    step: Callable[[Float], Float], start: Float, *, tol: float, max_rounds: int, rising: bool = False
) -> FixedPoint:
    r"""Iterate an isotone map monotonically from one end of its lattice.

    From the top the iterates fall to the greatest fixed point, from the bottom (`rising`) they rise to the least; every
    fixed point lies between (Tarski). With residuals :math:`r_k` and measured contraction :math:`q = r_k / r_{k-1}` the
    way still to go is at most :math:`r_k q / (1 - q)` for a linear tail; a lane stops when that bound and the residual
    are both within `tol`. A lane that has stopped is never touched again, so no lane feels its neighbours.

    Parameters
    ----------
    step : callable
        ``float64[n, n_lanes] -> float64[n, n_lanes]``, lanes independent.
    start : float64[n, n_lanes], 1
        The healthy (or, with `rising`, the worst) end. Not modified.
    tol : float
        Absolute, on quantities in [0, 1].
    max_rounds : int
        Rounds after which a lane is given back uncertified.
    rising : bool
        Whether `start` is the lower end.

    Returns
    -------
    FixedPoint
        Lanes that did not arrive are marked, never passed off as solved.

    References
    ----------
    Tarski (1955); Eisenberg and Noe (2001), theorem 1; Barucca et al. (2020), section 4.
    """
    x = start.copy()
    lanes = x.shape[1]
    rounds = np.zeros(lanes, dtype=np.int64)
    residual, bound = np.full(lanes, np.inf), np.full(lanes, np.inf)
    monotone, active = np.ones(lanes, dtype=np.bool_), np.ones(lanes, dtype=np.bool_)
    for _ in range(max_rounds):
        moved = step(x) - x
        size = np.abs(moved).max(axis=0, initial=0.0)
        against = (-moved if rising else moved).max(axis=0, initial=0.0)
        monotone &= ~active | (against <= tol)
        known = np.isfinite(residual) & (residual > 0.0)
        ratio = np.minimum(np.divide(size, residual, out=np.full(lanes, SLOPE_CAP), where=known), SLOPE_CAP)
        x = np.where(active, x + moved, x)
        rounds += active
        residual = np.where(active, size, residual)
        bound = np.where(active, size * ratio / (1.0 - ratio), bound)
        active &= ~((residual <= tol) & (bound <= tol))
        if not active.any():
            break
    return FixedPoint(x, rounds, residual, bound, monotone & ~active)


def through(network: Csr, respond: Callable[[Float], Float]) -> Callable[[Float], Float]:
    """Return one round of the one idea as a map: signal, layer, pressure, response.

    Parameters
    ----------
    network : Csr
        ``float64[n, n]``, row exposed to column.
    respond : callable
        ``pressure float64[n, n_lanes] -> signal float64[n, n_lanes]``; may keep the array it is given.

    Returns
    -------
    callable
        ``signal float64[n, n_lanes] -> signal float64[n, n_lanes]``.
    """

    def step(signal: Float) -> Float:
        pressure = empty(network.n_rows, signal.shape[1])
        pull(network.indptr, network.indices, network.weights, signal, pressure)
        return respond(pressure)

    return step


def propagate(
    network: Csr, respond: Callable[[Float], Float], start: Float, *, tol: float, max_rounds: int, rising: bool = False
) -> FixedPoint:
    r"""Play signal, layer, pressure, response until nothing moves: :math:`s' = R(W s)`.

    The one driver of the credit family: a signal is the value of a claim on each debtor (or its stress), the network
    says who holds how much of it, and the valuation answers what the holder's own claims are then worth.

    Parameters
    ----------
    network : Csr
        ``float64[n, n]``, row exposed to column.
    respond : callable
        ``pressure float64[n, n_lanes] -> signal float64[n, n_lanes]``, isotone, lanes independent; may keep the
        array it is given.
    start : float64[n, n_lanes], 1
        As in `fixed_point`.
    tol, max_rounds, rising : float, int, bool
        As in `fixed_point`.

    Returns
    -------
    FixedPoint
        Of the signal.
    """
    return fixed_point(through(network, respond), start, tol=tol, max_rounds=max_rounds, rising=rising)
