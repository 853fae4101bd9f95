"""Sums over agents in a fixed order, so that their bits depend on nothing but the values."""

from __future__ import annotations

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
