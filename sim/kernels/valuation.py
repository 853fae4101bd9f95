"""What one unit of claim on an agent is worth, given its equity: the valuations of the credit family."""

from __future__ import annotations

from sim.arrays import Float
from sim.kernels.jit import kernel

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
    fails: Float,
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
    fails, equity, equity0 : float64[n_agents, n_lanes]
        1 where the agent is in default; net worth now and before any event, currency.
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
