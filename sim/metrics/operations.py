"""Operations: who still serves, what was lost of service, which payments wait."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import summed, total_assets
from sim.metrics.conduct import column
from sim.metrics.losses import METRICS, Metric, channel_loss
from sim.state import State
from sim.system import System


def _size(system: System) -> Float:
    """Each bank's part of all bank assets at the start, float64[n_banks, 1]."""

    def size() -> Float:
        assets = total_assets(system.state(1, ("shock",)))[system.types["banks"]]
        return np.asarray(assets / (float(summed(assets)[0]) or 1.0))

    found: Float = system.once("bank sizes", size)
    return found


def service_availability(system: System, state: State) -> Float:
    """Return the service that banks give, weighted by their assets at the start.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        1 is full service; the mean over the step.
    """
    return np.asarray(1.0 - summed(_size(system) * (1.0 - state.service[state.banks])))


def lost_service(system: System, state: State) -> Float:
    """Return the service that banks have lost so far, weighted by their assets at the start.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], days
        Of full service: the integral of what `service_availability` lacks.
    """
    return summed(_size(system) * column(state, "lost_service")[state.banks])


def backlog(system: System, state: State) -> Float:
    """Return the customers' payments that are due and not yet made.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Of all banks and platforms.
    """
    return summed(column(state, "backlog"))


def peak_backlog(system: System, state: State) -> Float:
    """Return the largest backlog so far.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Of all banks and platforms together.
    """
    return np.asarray(column(state, "peak_backlog")[state.row("central_bank")]).copy()


def forgone_payments(system: System, state: State) -> Float:
    """Return the customers' payments that were not made when they were due, whether or not they were made later.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Sum over the steps so far.
    """
    return summed(column(state, "forgone_payments"))


METRICS.register("service_availability")(
    Metric("1", "Service that banks give, weighted by their assets", service_availability)
)
METRICS.register("lost_service")(Metric("days", "Days of full service that banks have lost so far", lost_service))
METRICS.register("backlog")(Metric("currency", "Customers' payments due and not yet made", backlog))
METRICS.register("peak_backlog")(Metric("currency", "Largest backlog of payments so far", peak_backlog))
METRICS.register("forgone_payments")(
    Metric("currency", "Customers' payments not made when they were due, so far", forgone_payments)
)
METRICS.register("operational_loss")(
    Metric("currency", "Lost by banks through outages and breaches", channel_loss("operational"))
)
