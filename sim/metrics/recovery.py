"""How many failed, how much is still lent, and how long until all is well again."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import layer_face, net_worth, summed, total_assets
from sim.metrics.losses import METRICS, Metric
from sim.state import State
from sim.system import System

BUFFER = 0.04
"""Equity over assets below which a bank is under stress; 0.95 of its own start where that is lower."""
FULL_SERVICE, CALM = 0.95, 5.0
"""Service that counts as back; days that it must last, with no bank under stress."""


def tech_firm_defaults(system: System, state: State) -> Float:
    """Return how many technology firms are in default.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        A count.
    """
    return summed(state.is_defaulted[state.rows("tech_firms")])


def platform_defaults(system: System, state: State) -> Float:
    """Return how many platforms are in default.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        A count.
    """
    return summed(state.is_defaulted[state.rows("platforms")])


def defaulted_firm_assets(system: System, state: State) -> Float:
    """Return the share of the assets of technology firms and platforms that those in default had at the start.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Weighted by assets.
    """
    firms = slice(state.banks.stop, state.debtors.stop)
    size = _assets0(system)[firms]
    return summed(state.is_defaulted[firms] * size) / float(size.sum() or 1.0)


def sme_credit(system: System, state: State) -> Float:
    """Return the credit to underserved borrowers that banks and platforms alive have outstanding.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Pools at what they are worth; what the buyers of failed agents' books hold is not renewed.
    """
    found = np.zeros((state.debtors.stop, state.n_lanes))
    for pool in system.pools:
        found += np.maximum(0.0, state.units[state.debtors, pool.asset]) * state.price[pool.asset]
    return summed(found * state.alive[state.debtors])


def credit_supply(system: System, state: State) -> Float:
    """Return the credit to borrowers and firms that banks and platforms alive have outstanding.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Loans, lending to firms, and pools.
    """
    lent = state.loans[state.debtors]
    if "lending" in state.layers:
        lent = lent + layer_face(state, state.layers["lending"])[state.debtors]
    return summed(lent * state.alive[state.debtors]) + sme_credit(system, state)


def credit_supply_loss(system: System, state: State) -> Float:
    """Return by how much the supply of credit has fallen.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Relative to the start.
    """

    def at_start() -> float:
        return float(credit_supply(system, system.state(1, ("shock",)))[0])

    start: float = system.once("credit supply", at_start)
    return np.asarray(1.0 - credit_supply(system, state) / start) if start > 0.0 else np.zeros(state.n_lanes)


def stressed_banks(system: System, state: State) -> Float:
    r"""Return how many living banks are under stress: :math:`E_i / A_i < \min(0.04, 0.95 \, E^0_i / A^0_i)`.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        A count.
    """
    banks = state.banks
    assets, equity = total_assets(state)[banks], net_worth(state)[banks]
    own = 0.95 * state.equity0[banks] / np.maximum(_assets0(system)[banks], np.finfo(np.float64).tiny)
    below = (equity < np.minimum(BUFFER, own) * assets) & (state.alive[banks] > 0.0)
    return summed(below.astype(np.float64))


def time_to_recovery(system: System, state: State) -> Float:
    """Return the day since which all is well: service at 95 % or more and no bank under stress, for five days at least.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now; it keeps the day on which all was last not well.

    Returns
    -------
    float64[n_lanes], days
        0 where all has always been well; the time so far where it is not well, or for less than five days. Asked twice
        within a step it answers the same.
    """
    size = _assets0(system)[state.banks]
    service = 1.0 - summed((1.0 - state.service[state.banks]) * size) / float(size.sum() or 1.0)
    unwell = (service < FULL_SERVICE) | (stressed_banks(system, state) > 0.0)
    last = np.where(unwell, state.time, state.memory.get("unwell", np.zeros(state.n_lanes)))
    state.memory["unwell"] = last
    return np.where((last > 0.0) & (state.time - last < CALM), state.time, last)


def _assets0(system: System) -> Float:
    """Every agent's assets before the shock, float64[n_agents, 1], currency."""
    found: Float = system.once("assets at start", lambda: total_assets(system.state(1, ("shock",))))
    return found


for _name, _metric in {
    "tech_firm_defaults": Metric("1", "Technology firms in default", tech_firm_defaults),
    "platform_defaults": Metric("1", "Platforms in default", platform_defaults),
    "defaulted_firm_assets": Metric("1", "Share of firms' and platforms' assets in default", defaulted_firm_assets),
    "sme_credit": Metric("currency", "Credit to underserved borrowers outstanding with living lenders", sme_credit),
    "credit_supply": Metric("currency", "Credit outstanding with living banks and platforms", credit_supply),
    "credit_supply_loss": Metric("1", "Fall of the credit outstanding with living lenders", credit_supply_loss),
    "stressed_banks": Metric("1", "Living banks with equity below their buffer", stressed_banks),
    "time_to_recovery": Metric("days", "Day since which service is back and no bank is under stress", time_to_recovery),
}.items():
    METRICS.register(_name)(_metric)
