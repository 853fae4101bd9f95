"""Sums over agents in a fixed order, so that their bits depend on nothing but the values."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.kernels.jit import kernel


@kernel
def total_rows(values: Float, start: int, stop: int, out: Float) -> None:
    r"""Sum a range of rows in row order: :math:`t_k = \sum_{i=start}^{stop-1} x_{ik}`.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What is summed.
    start, stop : int
        First row, and the row after the last, with ``0 <= start <= stop <= n_rows``; an empty range gives zero.
    out : float64[n_lanes], unit of `values`
        Overwritten.
    """
    n_lanes = values.shape[1]
    for lane in range(n_lanes):
        out[lane] = 0.0
    for i in range(start, stop):
        for lane in range(n_lanes):
            out[lane] += values[i, lane]


@kernel
def total(values: Float, out: Float) -> None:
    r"""Sum all rows in row order: :math:`t_k = \sum_i x_{ik}`.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What is summed.
    out : float64[n_lanes], unit of `values`
        Overwritten.
    """
    total_rows(values, 0, values.shape[0], out)


@kernel
def total_positive(values: Float, start: int, stop: int, out: Float) -> None:
    r"""Sum what is above zero: :math:`t_k = \sum_i \max(0, x_{ik})`.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What is summed.
    start, stop : int
        As in `total_rows`.
    out : float64[n_lanes], unit of `values`
        Overwritten.
    """
    n_lanes = values.shape[1]
    for lane in range(n_lanes):
        out[lane] = 0.0
    for i in range(start, stop):
        for lane in range(n_lanes):
            out[lane] += max(0.0, values[i, lane])


@kernel
def total_weighted(values: Float, weights: Float, start: int, out: Float) -> None:
    r"""Sum weighted rows: :math:`t_k = \sum_i w_i x_{start + i, k}`.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What is summed.
    weights : float64[n_weights], any unit
        Of the rows from `start` on.
    start : int
        First row.
    out : float64[n_lanes], product of both units
        Overwritten.
    """
    n_lanes = values.shape[1]
    for lane in range(n_lanes):
        out[lane] = 0.0
    for k in range(weights.size):
        for lane in range(n_lanes):
            out[lane] += values[start + k, lane] * weights[k]


@kernel
def total_lost(loss: Float, sources: tuple[int, int], start: int, stop: int, equity0: Float, out: Float) -> None:
    r"""Sum what agents have lost, at most what they had: :math:`\sum_i \min(\sum_s l_{si}, \max(0, E^0_i))`.

    Parameters
    ----------
    loss : float64[n_sources, n_rows, n_lanes], currency
        Gains negative.
    sources : tuple of int
        First source, and the one after the last; added in their order.
    start, stop : int
        As in `total_rows`.
    equity0 : float64[n_rows, n_lanes], currency
        Net worth before any event.
    out : float64[n_lanes], currency
        Overwritten.
    """
    n_lanes = out.size
    lost = np.empty(n_lanes)
    for lane in range(n_lanes):
        out[lane] = 0.0
    for i in range(start, stop):
        for lane in range(n_lanes):
            lost[lane] = 0.0
        for source in range(sources[0], sources[1]):
            for lane in range(n_lanes):
                lost[lane] += loss[source, i, lane]
        for lane in range(n_lanes):
            out[lane] += min(lost[lane], max(0.0, equity0[i, lane]))


@kernel
def total_held(units: Float, out: Float) -> None:
    r"""Sum pieces of all assets: :math:`t_k = \sum_i (\sum_a q_{iak})`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        What is held.
    out : float64[n_lanes], pieces
        Overwritten; assets are added up row by row.
    """
    n_rows, n_assets, n_lanes = units.shape
    held = np.empty(n_lanes)
    for lane in range(n_lanes):
        out[lane] = 0.0
    for i in range(n_rows):
        for lane in range(n_lanes):
            held[lane] = 0.0
        for asset in range(n_assets):
            for lane in range(n_lanes):
                held[lane] += units[i, asset, lane]
        for lane in range(n_lanes):
            out[lane] += held[lane]
