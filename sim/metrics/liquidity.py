"""Who has left, who hoards, what the central bank has lent."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import layer_face, summed
from sim.metrics.conduct import column
from sim.metrics.losses import METRICS, Metric, channel_loss
from sim.state import State
from sim.system import System


def withdrawals(system: System, state: State) -> Float:
    """Return the deposits and accounts that have been withdrawn from banks so far.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Gross: what other banks have got of it is not taken off.
    """
    return summed(column(state, "withdrawn"))


def redemptions(system: System, state: State) -> Float:
    """Return the fund shares that have been redeemed so far.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        At their price.
    """
    return summed(column(state, "redeemed"))


def lolr_outstanding(system: System, state: State) -> Float:
    """Return what banks owe the lender of last resort.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Interest included.
    """
    return summed(column(state, "lolr"))


def lolr_peak(system: System, state: State) -> Float:
    """Return the most that all banks together have owed the lender of last resort.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        So far, at the end of a step.
    """
    return summed(column(state, "lolr_peak"))


def hoarding(system: System, state: State) -> Float:
    """Return the share of banks that lend less for want of liquid assets.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Of all banks, failed ones included.
    """
    banks = state.banks
    return summed(column(state, "hoarding")[banks]) / (banks.stop or 1)


def overnight_lending(system: System, state: State) -> Float:
    """Return overnight lending between banks, relative to the start.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        1 where there never was any.
    """
    claims = state.layers.get("overnight")
    start = float(system.layers["overnight"].csr.weights.sum()) if "overnight" in system.layers else 0.0
    if claims is None or start <= 0.0:
        return np.ones(state.n_lanes)
    return summed(layer_face(state, claims)) / start


_OURS = {
    "withdrawals": Metric("currency", "Deposits and accounts withdrawn from banks so far", withdrawals),
    "redemptions": Metric("currency", "Fund shares redeemed so far", redemptions),
    "lolr_outstanding": Metric("currency", "Owed to the lender of last resort", lolr_outstanding),
    "lolr_peak": Metric("currency", "Most owed to the lender of last resort so far", lolr_peak),
    "hoarding": Metric("1", "Share of banks that lend less for want of liquid assets", hoarding),
    "overnight_lending": Metric("1", "Overnight lending between banks, relative to the start", overnight_lending),
    "liquidity_loss": Metric("currency", "Lost by banks through runs and their defence", channel_loss("liquidity")),
}
for _name, _metric in _OURS.items():
    METRICS.register(_name)(_metric)
