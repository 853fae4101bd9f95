"""Dense M-matrices factored without a subtraction, and the quotients that enclose a spectral radius."""

from __future__ import annotations

import math

from sim.arrays import Float, Index, Int
from sim.kernels.jit import kernel


@kernel
def factor(off: Float, excess: Float, pivot_out: Float) -> None:
    r"""Factor a column diagonally dominant M-matrix into triangles, adding positive numbers only.

    The matrix is given by what is exact about it: :math:`P_{ij} = -p_{ij}` off the diagonal and the column sums
    :math:`u_j = \sum_i P_{ij} \ge 0`. Step k takes

    .. math::
        d_k = u_k + \sum_{i>k} p_{ik}, \quad p_{ij} \leftarrow p_{ij} + p_{ik} p_{kj} / d_k, \quad
        u_j \leftarrow u_j + p_{kj} u_k / d_k

    so that no digit is ever cancelled and the solution has small relative error in every component, however close the
    matrix is to a singular one.

    Parameters
    ----------
    off : float64[n, n], any unit
        ``off[i, j]`` is :math:`p_{ij} \ge 0`, in; the multipliers :math:`p_{ik} / d_k` below the diagonal and the upper
        triangle above it, out. The diagonal is ignored.
    excess : float64[n], unit of `off`
        Column sums :math:`u_j`; overwritten.
    pivot_out : float64[n], unit of `off`
        Overwritten with :math:`d_k`; 0 where the matrix is singular.

    References
    ----------
    Grassmann, Taksar and Heyman (1985); Alfa, Xue and Ye (2002), algorithm 1.
    """
    n = excess.size
    for k in range(n):
        pivot = excess[k]
        for i in range(k + 1, n):
            pivot += off[i, k]
        pivot_out[k] = pivot
        for i in range(k + 1, n):
            if off[i, k] > 0.0:
                share = off[i, k] / pivot
                off[i, k] = share
                for j in range(k + 1, n):
                    off[i, j] += share * off[k, j]
        keep = excess[k] / pivot
        for j in range(k + 1, n):
            excess[j] += off[k, j] * keep


@kernel
def solve(off: Float, pivot: Float, values: Float) -> None:
    r"""Solve :math:`P x = b` with the triangles of `factor`.

    Parameters
    ----------
    off : float64[n, n]
        As `factor` left it.
    pivot : float64[n]
        As `factor` left it.
    values : float64[n, n_lanes]
        Right-hand sides in, solutions out; lanes do not feel each other.
    """
    n, n_lanes = values.shape
    for i in range(n):
        for k in range(i):
            w = off[i, k]
            if w > 0.0:
                for lane in range(n_lanes):
                    values[i, lane] += w * values[k, lane]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            w = off[i, k]
            if w > 0.0:
                for lane in range(n_lanes):
                    values[i, lane] += w * values[k, lane]
        for lane in range(n_lanes):
            values[i, lane] /= pivot[i]


@kernel
def solve_transposed(off: Float, pivot: Float, values: Float) -> None:
    r"""Solve :math:`P^\top x = b` with the triangles of `factor`.

    Parameters
    ----------
    off : float64[n, n]
        As `factor` left it.
    pivot : float64[n]
        As `factor` left it.
    values : float64[n]
        Right-hand side in, solution out.
    """
    n = values.size
    for i in range(n):
        for k in range(i):
            values[i] += off[k, i] * values[k]
        values[i] /= pivot[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            values[i] += off[k, i] * values[k]


@kernel
def quotients(
    indptr: Int,
    indices: Index,
    weights: Float,
    scale: Float,
    x: Float,
    image_out: Float,
    low_out: Float,
    high_out: Float,
) -> None:
    r"""Multiply by :math:`B = \mathrm{diag}(s) W` and take the least and the largest :math:`(B x)_i / x_i`.

    Parameters
    ----------
    indptr, indices : int64[n + 1], int32[n_edges]
        Rows of W.
    weights : float64[n_edges]
        0 or more.
    scale : float64[n, n_lanes]
        Row factors, 0 or more.
    x : float64[n, n_lanes]
        Positive.
    image_out : float64[n, n_lanes]
        Overwritten with B x.
    low_out, high_out : float64[n_lanes]
        Overwritten; for irreducible B they enclose the spectral radius.

    References
    ----------
    Collatz (1942); Wielandt (1950).
    """
    n, n_lanes = x.shape
    for lane in range(n_lanes):
        low_out[lane], high_out[lane] = math.inf, 0.0
    for i in range(n):
        for lane in range(n_lanes):
            image_out[i, lane] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j, w = indices[k], weights[k]
            for lane in range(n_lanes):
                image_out[i, lane] += w * x[j, lane]
        for lane in range(n_lanes):
            image_out[i, lane] *= scale[i, lane]
            quotient = image_out[i, lane] / x[i, lane]
            low_out[lane] = min(low_out[lane], quotient)
            high_out[lane] = max(high_out[lane], quotient)
