"""Arrays as the kernels want them: float64, C order, 64-byte aligned; sparse rows as CSR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
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
    size = math.prod(shape)
    raw = np.empty(size + ALIGNMENT // 8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT // 8
    return raw[start : start + size].reshape(shape)


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


def whole(values: npt.ArrayLike, shape: tuple[int, ...]) -> Float:
    """Return values at their full size, as a kernel reads them.

    Parameters
    ----------
    values : float64[...]
        Of any shape that broadcasts to `shape`; an error tells of others.
    shape : tuple of int
        The size wanted.

    Returns
    -------
    float64[shape]
        C order; the values themselves where they have that shape already.
    """
    source = np.asarray(values, dtype=np.float64)
    return np.ascontiguousarray(source if source.shape == shape else np.broadcast_to(source, shape))


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


class Stack(NamedTuple):
    """Several layers over the same agents, one after the other, for a kernel that walks through all of them."""

    indptr: Int
    """int64[n_layers, n_agents + 1], places in the arrays that follow."""
    indices: Index
    weights: Float


def stacked(layers: Sequence[Csr], n_rows: int) -> Stack:
    """Return layers as one stack.

    Parameters
    ----------
    layers : sequence of Csr
        All with `n_rows` rows; may be empty.
    n_rows : int
        Number of agents.

    Returns
    -------
    Stack
        Copies, in the order of the layers.
    """
    if not layers:
        return Stack(np.zeros((0, n_rows + 1), np.int64), np.zeros(0, np.int32), empty(0))
    starts = np.cumsum([0, *(layer.weights.size for layer in layers)])
    return Stack(
        np.stack([layer.indptr + start for layer, start in zip(layers, starts[:-1], strict=True)]),
        np.concatenate([layer.indices for layer in layers]),
        aligned(np.concatenate([layer.weights for layer in layers])),
    )


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


def added(values: Iterable[Any]) -> Any:
    """Add values one after the other, rounding after each, as the built-in `sum` did before Python 3.12.

    Parameters
    ----------
    values : iterable of float or float64[...]
        In the order in which they are added.

    Returns
    -------
    float or float64[...]
        0 of nothing. The built-in compensates rounding since 3.12, so its last bits depend on the interpreter: use this
        wherever a sum of floats ends up in an answer.
    """
    whole: Any = 0
    for value in values:
        whole = whole + value
    return whole
