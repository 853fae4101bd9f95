"""Arrays as the kernels want them: float64, C order, 64-byte aligned; sparse rows as CSR."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Index = npt.NDArray[np.int32]

ALIGNMENT = 64
"""Bytes; one cache line and one AVX-512 register."""


def empty(*shape: int) -> Float:
    """Return an uninitialised 64-byte aligned array.

    Parameters
    ----------
    *shape : int
        Lengths of the axes.

    Returns
    -------
    float64[shape]
        C order; the address is a multiple of 64.
    """
    size = math.prod(shape) * 8
    raw = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT
    return raw[start : start + size].view(np.float64).reshape(shape)


def full(value: float, *shape: int) -> Float:
    """Return an aligned array filled with one value.

    Parameters
    ----------
    value : float
        What every cell holds.
    *shape : int
        Lengths of the axes.

    Returns
    -------
    float64[shape]
        As `empty`.
    """
    out = empty(*shape)
    out.fill(value)
    return out


def aligned(values: npt.ArrayLike) -> Float:
    """Return an aligned float64 copy of any array.

    Parameters
    ----------
    values : array_like
        Numbers of any dtype and layout.

    Returns
    -------
    float64[...]
        A copy in C order; the input is not touched.
    """
    source = np.asarray(values, dtype=np.float64)
    out = empty(*source.shape)
    out[...] = source
    return out


def spread(values: npt.ArrayLike, n_lanes: int) -> Float:
    """Return per-agent values repeated over lanes.

    Parameters
    ----------
    values : float64[..., ]
        One value per agent (and asset).
    n_lanes : int
        How many lanes.

    Returns
    -------
    float64[..., n_lanes]
        Aligned, C order.
    """
    source = np.asarray(values, dtype=np.float64)
    out = empty(*source.shape, n_lanes)
    out[...] = source[..., None]
    return out


class Csr(NamedTuple):
    """Sparse rows: row i holds whom agent i is exposed to, columns ascending."""

    indptr: Int
    indices: Index
    weights: Float
    n_columns: int

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.indptr.size - 1)

    def transposed(self) -> Csr:
        """Return the same edges read from the other end.

        Returns
        -------
        Csr
            Row j holds who is exposed to j; columns ascending.
        """
        rows = np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.indptr))
        order = np.argsort(self.indices, kind="stable")
        indptr = np.zeros(self.n_columns + 1, dtype=np.int64)
        np.cumsum(np.bincount(self.indices, minlength=self.n_columns), out=indptr[1:])
        return Csr(indptr, rows[order], aligned(self.weights[order]), self.n_rows)


def csr(matrix: Any) -> Csr:
    """Return any dense or SciPy sparse matrix as canonical CSR.

    Parameters
    ----------
    matrix : array_like or scipy sparse
        ``float64[n_rows, n_columns]``; not modified.

    Returns
    -------
    Csr
        Columns ascending, duplicates summed, explicit zeros dropped.
    """
    from scipy import sparse

    made = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    made.sum_duplicates()
    made.eliminate_zeros()
    made.sort_indices()
    return Csr(made.indptr.astype(np.int64), made.indices.astype(np.int32), aligned(made.data), int(made.shape[1]))
