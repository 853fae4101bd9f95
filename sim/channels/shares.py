"""What an agent is to lose, its shareholders lose at once: the price of shares follows."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.channels.base import Step
from sim.ledger.balance import summed


def mark_down(step: Step, lost: Float, source: str) -> None:
    r"""Let the price of shares fall by what their issuers lose: :math:`\Delta p_a = -\sum_i w_{ia} x_i / N_a`.

    Parameters
    ----------
    step : Step
        Where we are.
    lost : float64[n_agents, n_lanes], currency
        Market value that each agent's shares lose, over what it has issued by value; as far as the price floor allows.
    source : str
        Channel that caused it.
    """
    state, listed = step.state, np.flatnonzero(step.state.shares & step.state.traded)
    if not listed.size or not lost.any():
        return
    issued = [np.maximum(0.0, -state.units[:, asset]) for asset in listed]
    value = np.zeros_like(lost)
    for asset, units in zip(listed, issued, strict=True):
        value += units * state.price[asset]
    price = state.price.copy()
    for asset, units in zip(listed, issued, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(value > 0.0, lost * (units * state.price[asset]) / value, 0.0)
        fallen, pieces = summed(part), summed(units)
        fall = np.divide(fallen, pieces, out=np.zeros_like(fallen), where=pieces > 0.0)
        # a price that stands below its floor already is not lifted to it
        lowest = np.minimum(state.price[asset], step.system.floor[asset])
        price[asset] = np.maximum(lowest, state.price[asset] - fall)
    step.ledger.revalue_price(price, source)
