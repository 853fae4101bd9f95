"""Fines, suspensions, the credit that they cost, and how far bad news has travelled."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import summed
from sim.metrics.losses import METRICS, Metric, channel_loss
from sim.state import State
from sim.system import System


def column(state: State, name: str) -> Float:
    """Return a column, or zeros where no channel of the run has it.

    Parameters
    ----------
    state : State
        Now.
    name : str
        Of the column.

    Returns
    -------
    float64[n_agents, n_lanes], unit of the column
        Not a copy.
    """
    found = state.columns.get(name)
    return np.zeros((state.n_agents, state.n_lanes)) if found is None else found


def fines(system: System, state: State) -> Float:
    """Return the fines imposed so far.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Paid or not.
    """
    return summed(column(state, "fined"))


def fines_owed(system: System, state: State) -> Float:
    """Return the fines imposed and not yet paid, those of failed agents left out.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Owed to the government.
    """
    return summed(column(state, "fines_due"))


def suspended_share(system: System, state: State) -> Float:
    """Return the part of the yearly turnover of all agents whose business is suspended.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Weighted by turnover, or by revenue where no turnover is given.
    """
    nothing = np.zeros(state.n_agents)
    revenue = system.traits.get("revenue", nothing)
    size = system.traits.get("turnover", nothing)
    size = np.where(size > 0.0, size, revenue)[state.people, None]
    return summed(column(state, "suspended")[state.people] * size) / float(size.sum() or 1.0)


def credit_withheld(system: System, state: State) -> Float:
    """Return what underserved borrowers repaid and were not lent again because of suspensions and caps.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Of all pools together.
    """
    return summed(column(state, "withheld"))


def rumour_heard(system: System, state: State) -> Float:
    """Return the share of the public that has heard the rumour which travelled furthest.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        The reach of the platforms included.
    """
    return np.asarray(column(state, "heard")[state.people].max(axis=0, initial=0.0))


def bad_news(system: System, state: State) -> Float:
    """Return how bad the news about banks is.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Mean over banks, weighted by assets before the shock.
    """
    size = (system.leverage0 * np.maximum(0.0, state.equity0[state.banks, 0]))[:, None]
    return summed(column(state, "news")[state.banks] * size) / float(size.sum() or 1.0)


for _name, _metric in {
    "fines": Metric("currency", "Fines imposed so far", fines),
    "fines_owed": Metric("currency", "Fines imposed and not yet paid", fines_owed),
    "suspended_share": Metric("1", "Share of all agents' turnover whose business is suspended", suspended_share),
    "credit_withheld": Metric("currency", "Repaid by underserved borrowers and not lent again", credit_withheld),
    "rumour_heard": Metric("1", "Share of the public that has heard the widest rumour", rumour_heard),
    "bad_news": Metric("1", "How bad the news about banks is, weighted by assets", bad_news),
    "compliance_loss": Metric(
        "currency", "Lost by banks through fines, caps and their costs", channel_loss("compliance")
    ),
    "reputation_loss": Metric("currency", "Lost by banks through customers and lenders", channel_loss("reputation")),
}.items():
    METRICS.register(_name)(_metric)
