"""The sparse pull along a layer: the one hot kernel of every channel."""

from __future__ import annotations

from sim.arrays import Float, Index, Int
from sim.kernels.jit import kernel


@kernel
def pull(indptr: Int, indices: Index, weights: Float, signal: Float, pressure_out: Float) -> None:
    r"""Sum what reaches each row: :math:`p_{ik} = \sum_j w_{ij} s_{jk}`.

    Parameters
    ----------
    indptr, indices : int64[n_rows + 1], int32[n_edges]
        CSR structure; row ``i`` holds whom agent ``i`` is exposed to, columns ascending.
    weights : float64[n_edges], unit of the layer
        One weight per edge.
    signal : float64[n_columns, n_lanes], 1
        What each column emits in each lane.
    pressure_out : float64[n_rows, n_lanes], unit of the layer
        Overwritten; must not be `signal`. Each row is summed in CSR order starting from zero, so the bits of a lane do
        not depend on the lanes beside it.
    """
    n_lanes = signal.shape[1]
    for i in range(indptr.size - 1):
        for lane in range(n_lanes):
            pressure_out[i, lane] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j, w = indices[k], weights[k]
            for lane in range(n_lanes):
                pressure_out[i, lane] += w * signal[j, lane]
