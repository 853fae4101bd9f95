"""Who bears a loss in the end: the waterfall over all agents, and what is gone for everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from sim.arrays import Float
from sim.ledger.balance import claims_carried, claims_face, securities, summed
from sim.metrics.losses import METRICS, Metric
from sim.state import AGENTS, State
from sim.system import System

BEARERS: Mapping[str, tuple[str, ...]] = {
    "financial": AGENTS,
    "public": ("central_bank", "deposit_insurer", "government"),
    "real": ("households", "borrowers", "underserved"),
    "outside": ("outside", "estate"),
}
"""Types and sectors by bearer; the sink of destroyed value is no bearer."""


def waterfall(state: State) -> dict[str, dict[str, Float]]:
    """Return what every bearer has lost, by what caused it.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    dict of str to dict of str to float64[n_lanes], currency
        By source of loss and bearer; gains are negative. Over all of them they add up to `deadweight_loss`, plus what
        has been provided for and not yet lost, less what holders at cost have lost and not yet realised.
    """
    return {
        source: {bearer: _of(state.loss[place], state, kinds) for bearer, kinds in BEARERS.items()}
        for place, source in enumerate(state.sources)
    }


def _of(posted: Float, state: State, kinds: Iterable[str]) -> Float:
    found = np.zeros(state.n_lanes)
    for kind in kinds:
        rows = state.types[kind]
        for row in range(rows.start, rows.stop):
            found += posted[row]
    return found


def lost_by(*kinds: str) -> Callable[[System, State], Float]:
    """Return the metric of what some agents have lost to all causes.

    Parameters
    ----------
    *kinds : str
        Types of agents or sectors.

    Returns
    -------
    callable
        ``(system, state) -> float64[n_lanes]``, currency; gains count against losses.
    """

    def of(system: System, state: State) -> Float:
        found = np.zeros(state.n_lanes)
        for posted in state.loss:
            found += _of(posted, state, kinds)
        return found

    return of


def deadweight_loss(system: System, state: State) -> Float:
    r"""Return what is gone for everybody: :math:`DW = E_\Omega + \sum K(0) - \sum K(t)`.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Costs that ended in the sink, and real assets destroyed.
    """
    start = system.start.get("real_assets", np.zeros(state.n_agents))
    gone = summed(start[:, None] - state.real_assets)
    return np.asarray(gone - lost_by("deadweight")(system, state))


def provisions(system: System, state: State) -> Float:
    """Return what creditors have marked down on claims that their debtors still owe in full.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Of all agents together.
    """
    return summed(claims_face(state) - claims_carried(state))


def unrealised_loss(system: System, state: State) -> Float:
    """Return what securities carried at cost have lost at market prices: nobody's loss yet.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Of all agents together, issuers included; negative where prices have risen.
    """
    book, market = securities(state)
    return summed(book - market)


def borrowers_loss(system: System, state: State) -> Float:
    """Return the real assets that borrowers have lost with their defaults.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Served and underserved.
    """
    found = np.zeros(state.n_lanes)
    for sector in ("borrowers", "underserved"):
        row = state.row(sector)
        found += system.start["real_assets"][row] - state.real_assets[row]
    return found


def bailed_in(system: System, state: State) -> Float:
    """Return the debt that was written down to keep banks open.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        So far; outside investors have lost it.
    """
    found = state.columns.get("bailed_in")
    return np.zeros(state.n_lanes) if found is None else summed(found[state.banks])


for _name, _meaning, _of_state in (
    ("financial_loss", "Equity lost by banks, technology firms, platforms and funds", lost_by(*BEARERS["financial"])),
    ("public_loss", "Lost by central bank, deposit insurer and government", lost_by(*BEARERS["public"])),
    ("real_loss", "Lost by households and borrowers", lost_by(*BEARERS["real"])),
    ("outside_loss", "Lost by outside investors", lost_by(*BEARERS["outside"])),
    ("household_loss", "Lost by households", lost_by("households")),
    ("insurer_loss", "Lost by the deposit insurer", lost_by("deposit_insurer")),
    ("borrowers_loss", "Real assets that borrowers lost with their defaults", borrowers_loss),
    ("bailed_in", "Debt to investors written down to keep banks open so far", bailed_in),
    ("deadweight_loss", "Value destroyed: a loss of one that is nobody's gain", deadweight_loss),
    ("provisions", "Marked down on claims that are still owed in full", provisions),
    ("unrealised_loss", "Lost at market prices on securities carried at cost", unrealised_loss),
):
    METRICS.register(_name)(Metric("currency", _meaning, _of_state))
