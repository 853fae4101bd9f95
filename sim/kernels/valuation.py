"""What one unit of claim on an agent is worth, given its equity: the valuations of the credit family."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numba

from sim.arrays import Bool, Float
from sim.kernels.jit import kernel
from sim.kernels.special import exp

EISENBERG_NOE, ROGERS_VERAART, FURFINE, LINEAR_DEBTRANK = 0, 1, 2, 3
VALUATIONS = {
    "eisenberg-noe": EISENBERG_NOE,
    "rogers-veraart": ROGERS_VERAART,
    "furfine": FURFINE,
    "linear-debtrank": LINEAR_DEBTRANK,
}
CLEARING = ("eisenberg-noe", "rogers-veraart")
"""Valuations that settle claims at default; the others only provision."""


@kernel
def value(
    kind: int,
    fails: Float | Bool,
    equity: Float,
    equity0: Float,
    external: Float,
    inside: Float,
    debt: Float,
    alpha: float,
    beta: float,
    recovery: float,
    value_out: Float,
) -> None:
    r"""Value one unit of claim on each agent.

    .. math::
        V^{EN,RV}_j = \min(1, (\alpha e_j + \beta a_j) / \bar p_j), \quad V^{F}_j = \rho
        \quad \text{if j fails, else } 1;

        V^{DR}_j = 1 - (1 - \rho) \min(1, \max(0, 1 - E_j / E^0_j))

    Parameters
    ----------
    kind : int
        Code of the valuation (`VALUATIONS`).
    fails : float64[n_agents, n_lanes] or bool[n_agents, n_lanes]
        Not zero where the agent is in default.
    equity, equity0 : float64[n_agents, n_lanes], currency
        Net worth now and before any event.
    external, inside, debt : float64[n_agents, n_lanes], currency
        What its external assets would bring, what its claims on others are worth, all it owes.
    alpha, beta, recovery : float
        Shares of external and of interbank assets that survive default; exogenous recovery, 1.
    value_out : float64[n_agents, n_lanes], 1
        Overwritten; isotone in equity, external and inside assets.

    References
    ----------
    Eisenberg and Noe (2001) eq. 7; Rogers and Veraart (2013) eq. 2; Furfine (2003); Bardoscia et al. (2015) eq. 7;
    Barucca et al. (2020) for the common form.
    """
    for i in range(equity.shape[0]):
        for lane in range(equity.shape[1]):
            if kind == 3:
                if equity0[i, lane] > 0.0:
                    stress = 1.0 - equity[i, lane] / equity0[i, lane]
                    stress = min(1.0, max(0.0, stress))
                else:
                    stress = 1.0 if fails[i, lane] != 0.0 else 0.0
                if fails[i, lane] != 0.0:
                    stress = 1.0
                value_out[i, lane] = 1.0 - (1.0 - recovery) * stress
            elif fails[i, lane] == 0.0:
                value_out[i, lane] = 1.0
            elif kind == 2:
                value_out[i, lane] = recovery
            elif debt[i, lane] > 0.0:
                bring = alpha * external[i, lane] + beta * inside[i, lane]
                value_out[i, lane] = min(1.0, max(0.0, bring / debt[i, lane]))
            else:
                value_out[i, lane] = 1.0


@kernel
def value_slope(
    kind: int,
    fails: Float,
    equity: Float,
    equity0: Float,
    worth: Float,
    debt: Float,
    beta: float,
    recovery: float,
    slope_out: Float,
) -> None:
    r"""Differentiate `value` by the value of an agent's claims on others, towards stress.

    Parameters
    ----------
    kind : int
        Code of the valuation.
    fails, equity, equity0, worth, debt : float64[n_agents, n_lanes]
        As in `value`; `worth` is its result.
    beta, recovery : float
        As in `value`.
    slope_out : float64[n_agents, n_lanes], 1 / currency
        Overwritten: :math:`\partial V_j / \partial a_j`, the left derivative (linear DebtRank falls at once, the
        defaults have no slope before they happen).
    """
    for i in range(equity.shape[0]):
        for lane in range(equity.shape[1]):
            slope_out[i, lane] = 0.0
            if kind == 3:
                inside_range = 0.0 < equity[i, lane] <= equity0[i, lane]
                if inside_range and fails[i, lane] == 0.0:
                    slope_out[i, lane] = (1.0 - recovery) / equity0[i, lane]
            elif kind != 2 and fails[i, lane] != 0.0 and 0.0 < worth[i, lane] < 1.0:
                slope_out[i, lane] = beta / debt[i, lane]


@kernel
def nonlinear_value(
    fails: Float, equity: Float, equity0: Float, alpha: float, recovery: float, value_out: Float
) -> None:
    r"""Value one unit of claim on each agent by non-linear DebtRank.

    .. math::
        V_j = 1 - (1 - \rho) \min(1, h_j e^{\alpha (h_j - 1)}), \quad h_j = \min(1, \max(0, 1 - E_j / E^0_j))

    Parameters
    ----------
    fails, equity, equity0 : float64[n_agents, n_lanes]
        As in `value`.
    alpha : float
        0 is linear DebtRank, infinity the default cascade.
    recovery : float
        Exogenous recovery, 1.
    value_out : float64[n_agents, n_lanes], 1
        Overwritten; isotone in equity.

    References
    ----------
    Bardoscia et al. (2016), PLoS ONE 11(10), eq. 4.
    """
    for i in range(equity.shape[0]):
        for lane in range(equity.shape[1]):
            if fails[i, lane] != 0.0:
                stress = 1.0
            elif equity0[i, lane] > 0.0:
                stress = min(1.0, max(0.0, 1.0 - equity[i, lane] / equity0[i, lane]))
            else:
                stress = 0.0
            probability = stress * exp(alpha * (stress - 1.0)) if stress > 0.0 else 0.0
            value_out[i, lane] = 1.0 - (1.0 - recovery) * min(1.0, probability)


@lru_cache(maxsize=64)
def value_of(function: Callable[..., float]) -> Callable[..., None]:
    """Compile a scalar valuation into a loop over agents and lanes.

    Parameters
    ----------
    function : callable
        ``V(equity, equity0, external_assets, debt, params) -> float``, numbers but for ``params: float64[n_params]``;
        a plain function or one already compiled by numba.

    Returns
    -------
    callable
        ``(equity, equity0, external, debt, params, value_out)`` over ``float64[n_agents, n_lanes]`` arrays, with
        ``params: float64[n_agents, n_params]``. Compiled at its first call, where numba reports what it cannot.
    """
    scalar = function if hasattr(function, "py_func") else numba.njit(error_model="numpy", nogil=True)(function)

    @numba.njit(error_model="numpy", nogil=True)
    def each(equity: Float, equity0: Float, external: Float, debt: Float, params: Float, value_out: Float) -> None:
        for i in range(equity.shape[0]):
            for lane in range(equity.shape[1]):
                value_out[i, lane] = scalar(
                    equity[i, lane], equity0[i, lane], external[i, lane], debt[i, lane], params[i]
                )

    return each
