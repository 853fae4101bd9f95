"""What users lose when the providers of a function are impaired: one by one, mixed (CES), or by the weakest."""

from __future__ import annotations

import math

from sim.arrays import Float, Index, Int
from sim.kernels.jit import element, kernel
from sim.kernels.special import exp, log


@element
def expm1(y: float) -> float:
    r"""Return :math:`e^y - 1` without the cancellation near zero.

    Parameters
    ----------
    y : float
        Any number.

    Returns
    -------
    float
        A few units in the last place from the truth.
    """
    power = exp(y)
    if power == 1.0:
        return y
    return (power - 1.0) * (y / log(power)) if 0.0 < power < math.inf else power - 1.0


@element
def log1p(x: float) -> float:
    r"""Return :math:`\ln(1 + x)` without the cancellation near zero.

    Parameters
    ----------
    x : float
        At least -1, where the logarithm is minus infinity.

    Returns
    -------
    float
        A few units in the last place from the truth.
    """
    whole = 1.0 + x
    if whole == 1.0:
        return x
    return log(whole) * (x / (whole - 1.0)) if whole > 0.0 else log(whole)


@kernel
def log_service(lost: Float, out: Float) -> None:
    r"""Take the logarithm of what is left of each service: :math:`\ln(1 - q)`.

    Parameters
    ----------
    lost : float64[n, n_lanes], 1
        Inoperability of each provider.
    out : float64[n, n_lanes], 1
        Overwritten; minus infinity for a dead provider.
    """
    for i in range(lost.shape[0]):
        for lane in range(lost.shape[1]):
            out[i, lane] = log1p(-lost[i, lane])


@kernel
def lost_to_each(indptr: Int, indices: Index, weights: Float, lost: Float, out: Float) -> None:
    r"""Lose to every provider on its own: :math:`1 - \prod_k (1 - a_{ik} q_k)`.

    Parameters
    ----------
    indptr, indices : int64[n + 1], int32[n_edges]
        CSR structure, row user, column provider.
    weights : float64[n_edges], 1
        What a user loses when the provider is dead, at most 1.
    lost : float64[n, n_lanes], 1
        Inoperability of each provider.
    out : float64[n, n_lanes], 1
        Overwritten with the part of each user's service that is lost.
    """
    for i in range(indptr.size - 1):
        for lane in range(lost.shape[1]):
            out[i, lane] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j, w = indices[k], weights[k]
            for lane in range(lost.shape[1]):
                out[i, lane] += (1.0 - out[i, lane]) * (w * lost[j, lane])


@kernel
def lost_to_weakest(indptr: Int, indices: Index, lost: Float, out: Float) -> None:
    r"""Lose what the weakest provider has lost: :math:`1 - \min_k s_k`, the Leontief function.

    Parameters
    ----------
    indptr, indices : int64[n + 1], int32[n_edges]
        CSR structure, row user, column provider.
    lost : float64[n, n_lanes], 1
        Inoperability of each provider.
    out : float64[n, n_lanes], 1
        Overwritten; zero for a user without provider.
    """
    for i in range(indptr.size - 1):
        for lane in range(lost.shape[1]):
            out[i, lane] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            j = indices[k]
            for lane in range(lost.shape[1]):
                out[i, lane] = max(out[i, lane], lost[j, lane])


@kernel
def lost_to_mix(indptr: Int, indices: Index, weights: Float, logs: Float, power: float, out: Float) -> None:
    r"""Lose under constant elasticity of substitution.

    .. math::
        1 - S_i, \quad S_i = \Big( 1 - \sum_k a_{ik} + \sum_k a_{ik} s_k^r \Big)^{1/r},
        \quad S_i = \prod_k s_k^{a_{ik}} \text{ for } r = 0

    What the shares leave over is provided in house and always up. For a negative power the weakest provider is taken
    out of the bracket, so that no power overflows, and all sums run over differences to full service, so that full
    service gives exactly zero.

    Parameters
    ----------
    indptr, indices : int64[n + 1], int32[n_edges]
        CSR structure, row user, column provider.
    weights : float64[n_edges], 1
        Shares of the providers in the user's function; a row sums to at most 1.
    logs : float64[n, n_lanes], 1
        Logarithms of the services, at most 0.
    power : float
        r, finite, at most 1.
    out : float64[n, n_lanes], 1
        Overwritten.
    """
    for i in range(indptr.size - 1):
        start, stop = indptr[i], indptr[i + 1]
        in_house = 1.0
        for k in range(start, stop):
            in_house -= weights[k]
        in_house = max(in_house, 0.0)
        for lane in range(logs.shape[1]):
            weakest, its_share = 0.0, in_house
            if power < 0.0:
                for k in range(start, stop):
                    if logs[indices[k], lane] < weakest:
                        weakest, its_share = logs[indices[k], lane], weights[k]
            if weakest == -math.inf:
                out[i, lane] = 1.0
                continue
            bracket = in_house * expm1(-power * weakest) if power < 0.0 else 0.0
            for k in range(start, stop):
                distance = logs[indices[k], lane] - weakest
                bracket += weights[k] * (distance if power == 0.0 else expm1(power * distance))
            if power == 0.0:
                out[i, lane] = -expm1(bracket)
            else:
                # By rounding alone the bracket may fall below the share of the weakest provider, its exact bound.
                bracket = max(bracket, its_share - 1.0 if power < 0.0 else -1.0)
                out[i, lane] = min(1.0, max(0.0, -expm1(weakest + log1p(bracket) / power)))
