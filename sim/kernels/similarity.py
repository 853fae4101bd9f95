"""How alike agents are, and the principal directions of that likeness."""

from __future__ import annotations

import math

from sim.arrays import Float
from sim.kernels.jit import kernel
from sim.kernels.special import exp

CLOSE = 2.0**-50
"""Cosine, per root of the dimension, below which two directions count as orthogonal: what rounding leaves."""

SWEEPS = 60
"""Most passes over all pairs; convergence is quadratic, ten are usual."""


@kernel
def alike(features: Float, length: float, out: Float) -> None:
    r"""Write the similarity of all pairs: :math:`S_{ij} = e^{-|f_i - f_j|^2 / 2 \ell^2}`.

    Parameters
    ----------
    features : float64[n_agents, n_features], 1
        What agents are compared by.
    length : float
        Distance :math:`\ell` at which similarity is 0.61.
    out : float64[n_agents, n_agents], 1
        Overwritten; symmetric, 1 on the diagonal, positive semidefinite.
    """
    n, n_features = features.shape
    for i in range(n):
        out[i, i] = 1.0
        for j in range(i):
            square = 0.0
            for f in range(n_features):
                gap = (features[i, f] - features[j, f]) / length
                square += gap * gap
            out[i, j] = exp(-0.5 * square)
            out[j, i] = out[i, j]


@kernel
def landmarks(features: Float, length: float, least: float, factor_out: Float, left_out: Float) -> int:
    r"""Factor the similarity as :math:`S \approx F F^\top + \mathrm{diag}(r)` from a few agents, chosen one by one.

    The next landmark is the agent that is explained worst, the first of several; the matrix itself is never stored.

    Parameters
    ----------
    features : float64[n_agents, n_features], 1
        What agents are compared by.
    length : float
        As in `alike`.
    least : float
        Stop when nobody has more than this unexplained, 1.
    factor_out : float64[n_agents, rank]
        Overwritten with F; columns that were not needed are zero.
    left_out : float64[n_agents], 1
        Overwritten with r, what is left unexplained of each agent.

    Returns
    -------
    int
        Columns of F in use.

    References
    ----------
    Bach and Jordan (2002), Journal of Machine Learning Research 3, section 4 (incomplete Cholesky factors).
    """
    n, n_features = features.shape
    factor_out[:] = 0.0
    left_out[:] = 1.0
    for k in range(factor_out.shape[1]):
        chosen = 0
        for i in range(n):
            if left_out[i] > left_out[chosen]:
                chosen = i
        if left_out[chosen] <= least:
            return k
        pivot = math.sqrt(left_out[chosen])
        for i in range(n):
            square = 0.0
            for f in range(n_features):
                gap = (features[i, f] - features[chosen, f]) / length
                square += gap * gap
            value = exp(-0.5 * square)
            for column in range(k):
                value -= factor_out[i, column] * factor_out[chosen, column]
            factor_out[i, k] = value / pivot
        for i in range(n):
            left_out[i] = max(0.0, left_out[i] - factor_out[i, k] * factor_out[i, k])
        left_out[chosen] = 0.0
    return int(factor_out.shape[1])


@kernel
def principal(matrix: Float, values_out: Float) -> int:
    r"""Find eigenvalues and eigenvectors of a positive definite matrix by rotating its rows until they are orthogonal.

    With :math:`C = V \Lambda V^\top`, rotations that make the rows of :math:`V^\top C` orthogonal leave
    :math:`\lambda_k v_k` in row k.

    Parameters
    ----------
    matrix : float64[n, n], any unit
        Symmetric and positive definite, in; row k is the unit eigenvector :math:`v_k`, out.
    values_out : float64[n], unit of `matrix`
        Overwritten with the eigenvalues, in no order.

    Returns
    -------
    int
        Passes over all pairs.

    References
    ----------
    Hestenes (1958), Journal of the SIAM 6(1); Demmel and Veselic (1992), SIAM Journal on Matrix Analysis 13(4), for
    the accuracy.
    """
    n = matrix.shape[0]
    sweeps, turning, close = 0, True, CLOSE * math.sqrt(n)
    while turning and sweeps < SWEEPS:
        turning = False
        sweeps += 1
        for p in range(n - 1):
            for q in range(p + 1, n):
                alpha, beta, gamma = 0.0, 0.0, 0.0
                for k in range(n):
                    alpha += matrix[p, k] * matrix[p, k]
                    beta += matrix[q, k] * matrix[q, k]
                    gamma += matrix[p, k] * matrix[q, k]
                if abs(gamma) > close * math.sqrt(alpha) * math.sqrt(beta):
                    turning = True
                    twist = (beta - alpha) / (2.0 * gamma)
                    tangent = 1.0 / (abs(twist) + math.sqrt(1.0 + twist * twist))
                    tangent = tangent if twist >= 0.0 else -tangent
                    cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
                    sine = cosine * tangent
                    for k in range(n):
                        first, second = matrix[p, k], matrix[q, k]
                        matrix[p, k] = cosine * first - sine * second
                        matrix[q, k] = sine * first + cosine * second
    for p in range(n):
        square = 0.0
        for k in range(n):
            square += matrix[p, k] * matrix[p, k]
        values_out[p] = math.sqrt(square)
        for k in range(n):
            matrix[p, k] /= values_out[p]
    return sweeps
