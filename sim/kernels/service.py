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
def backed_up(lost: Float, moved: Float, share: Float, out: Float) -> None:
    r"""Mix what is lost where it is and where users have moved: :math:`l - b (l - m)`.

    Parameters
    ----------
    lost, moved : float64[n, n_lanes], 1
        Loss of a function for who stays, and for who has moved.
    share : float64[n, n_lanes or 1], 1
        Part of the function that each user can move.
    out : float64[n, n_lanes], 1
        Overwritten; may be `lost`.
    """
    wide = share.shape[1] > 1
    for i in range(lost.shape[0]):
        for lane in range(lost.shape[1]):
            stays = lost[i, lane]
            out[i, lane] = stays - share[i, lane if wide else 0] * (stays - moved[i, lane])


@kernel
def all_functions(lost: Float, criticality: Float, own: Float, linear: bool, out: Float) -> None:
    r"""Combine the losses of all functions with an agent's own.

    .. math::
        q_i = \min\Big(1, \sum_f c_{if} l_{if} + o_i\Big) \quad \text{or} \quad
        1 - q_i = (1 - o_i) \prod_f (1 - c_{if} l_{if})

    Parameters
    ----------
    lost : float64[n_functions, n, n_lanes], 1
        Loss of each function for each user.
    criticality : float64[n_functions, n, n_lanes or 1], 1
        Part of the user's service that is lost with the function.
    own : float64[n, n_lanes], 1
        What each agent loses by itself.
    linear : bool
        Whether losses add up.
    out : float64[n, n_lanes], 1
        Overwritten; sums and products over functions in their order.
    """
    wide = criticality.shape[2] > 1
    for i in range(own.shape[0]):
        for lane in range(own.shape[1]):
            out[i, lane] = 0.0
        for f in range(lost.shape[0]):
            for lane in range(own.shape[1]):
                part = criticality[f, i, lane if wide else 0] * lost[f, i, lane]
                out[i, lane] += part if linear else (1.0 - out[i, lane]) * part
        for lane in range(own.shape[1]):
            part = own[i, lane] if linear else (1.0 - out[i, lane]) * own[i, lane]
            out[i, lane] = min(1.0, out[i, lane] + part)


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
