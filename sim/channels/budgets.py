"""Budgets follow the market, late: a firm whose shares have fallen spends less on what keeps it up and safe."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, empty
from sim.channels.base import Step
from sim.kernels.special import exp, exp_of
from sim.ledger.balance import summed
from sim.state import Column

FIRMS = ("tech_firms", "platforms")
COLUMNS = (Column("budget", "1", "Budget of the agent, as it follows the price of its shares", FIRMS, start=1.0),)


def strain(step: Step, effect: float, lag: float) -> Float:
    r"""Return the factor on the hazards of outages and breaches that cut budgets bring, and let budgets follow.

    .. math::
        e^{k_m (1 - b_i)}, \qquad b_i \leftarrow b_i + (p_i - b_i) (1 - e^{-\Delta t / T})

    Parameters
    ----------
    step : Step
        Where we are; the prices of shares are those of the step before.
    effect : float
        :math:`k_m`; at 0 budgets count for nothing, and are not followed.
    lag : float
        T, days.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        1 for agents without shares of their own, and while shares stand as at the start.
    """
    state = step.state
    out = np.ones((state.n_agents, state.n_lanes))
    if effect == 0.0:
        return out
    firms = slice(state.rows("tech_firms").start, state.rows("platforms").stop)
    issued = np.maximum(0.0, -step.system.holdings[firms]) * (state.shares & state.traded)
    whole = summed(np.ascontiguousarray(issued.T))
    worth = np.stack([summed(own[:, None] * state.price) for own in issued])
    price = np.divide(worth, whole[:, None], out=np.ones_like(worth), where=whole[:, None] > 0.0)
    moved = (price - state.budget[firms]) * (1.0 - exp(-step.days / lag)) * (step.on > 0.0)
    state.budget[firms] += moved
    hazard = empty(*moved.shape)
    exp_of((effect * (1.0 - state.budget[firms])).reshape(-1), hazard.reshape(-1))
    out[firms] = hazard
    return out
