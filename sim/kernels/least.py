"""The least of what reaches each row along a layer: what the weakest of several counterparties allows."""

from __future__ import annotations

from sim.arrays import Float, Index, Int
from sim.kernels.jit import kernel


@kernel
def least(indptr: Int, indices: Index, weights: Float, values: Float, out: Float) -> None:
    r"""Take the least value among those a row is connected to: :math:`m_{ik} = \min_{j : w_{ij} > 0} (1, v_{jk})`.

    Parameters
    ----------
    indptr, indices : int64[n_rows + 1], int32[n_edges]
        CSR structure.
    weights : float64[n_edges], unit of the layer
        Only edges above zero count.
    values : float64[n_columns, n_lanes], 1
        Of each column.
    out : float64[n_rows, n_lanes], 1
        Overwritten; 1 for a row without edges, and never above 1.
    """
    for i in range(indptr.size - 1):
        for lane in range(values.shape[1]):
            out[i, lane] = 1.0
        for k in range(indptr[i], indptr[i + 1]):
            if weights[k] > 0.0:
                for lane in range(values.shape[1]):
                    out[i, lane] = min(out[i, lane], values[indices[k], lane])
