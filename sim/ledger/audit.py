"""Two audits after every step, per lane: the system closes, and every stock is what the entries say."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.errors import AuditError
from sim.ledger.balance import (
    claims_carried,
    claims_face,
    layer_carried,
    layer_face,
    layer_owed,
    net_worth,
    securities,
    summed,
)
from sim.ledger.entries import Ledger
from sim.state import State

TOLERANCE = 1e-9
"""Largest gap allowed, as a share of all agents' assets before any event."""


def stocks(state: State) -> dict[str, Float]:
    """Return every instrument's stock per agent, stored or derived, as the books name them.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    dict of str to float64[n_agents, n_lanes] or float64[1, n_lanes], currency
        ``name`` is the owners' side, ``name@`` the counterparty's.
    """
    found: dict[str, Float] = {}
    for column in state.money:
        found[column.name] = state.columns[column.name]
        if column.asset_on or column.liability_to:
            found[column.name + "@"] = summed(state.columns[column.name])[None]
    provisions = np.zeros((state.n_agents, state.n_lanes))
    for layer, claims in state.layers.items():
        face = layer_face(state, claims)
        found[layer], found[layer + "@"] = face, layer_owed(state, claims)
        provisions += face - layer_carried(state, claims, state.worth)
    found["provisions"] = provisions
    found["securities"] = securities(state)[0]
    return found


def audit(ledger: Ledger, scale: float) -> dict[str, float]:
    """Check closure, books against stocks, losses against net worth, and signs.

    Parameters
    ----------
    ledger : Ledger
        After a step.
    scale : float
        All agents' assets before any event, currency.

    Returns
    -------
    dict of str to float
        The largest gap of each check as a share of `scale`.

    Raises
    ------
    AuditError
        Naming the check, the instrument, the agent and the lane with the largest gap.
    """
    state = ledger.state
    allowed = TOLERANCE * scale
    gaps = {"closure": 0.0, "books": 0.0, "losses": 0.0}
    worth = net_worth(state)
    closing = summed(worth) + summed(claims_face(state) - claims_carried(state))
    book, market = securities(state)
    closing -= summed(book - market) + summed(state.real_assets)
    gaps["closure"] = _largest("closure", "sum of net worths", closing[None], ("the system",), allowed)
    for name, stock in stocks(state).items():
        agents = state.ids if stock.shape[0] == state.n_agents else (_sector(state, name),)
        gap = _largest("books", name, stock - ledger.books[name], agents, allowed)
        gaps["books"] = max(gaps["books"], gap)
    explained = state.equity0 - worth
    for source in range(state.loss.shape[0]):
        explained = explained - state.loss[source]
    gaps["losses"] = _largest("losses", "net worth against posted losses", explained, state.ids, allowed)
    for column in state.money:
        below = np.minimum(state.columns[column.name], 0.0)
        _largest("sign", column.name, below, state.ids, allowed)
    below = np.minimum(state.units[state.banks].min(axis=1, initial=0.0), 0.0)
    _largest("sign", "securities", below, state.ids[state.banks], allowed)
    return {check: gap / scale for check, gap in gaps.items()}


def _sector(state: State, name: str) -> str:
    column = state.by_name[name.rstrip("@")]
    return column.asset_on or column.liability_to


def _largest(check: str, what: str, gap: Float, agents: tuple[str, ...], allowed: float) -> float:
    size = np.abs(gap)
    if not size.size:
        return 0.0
    worst = int(np.argmax(np.where(np.isnan(size), np.inf, size)))
    row, lane = divmod(worst, size.shape[1])
    if not size[row, lane] <= allowed:
        raise AuditError(check, what, agents[row], lane, float(gap[row, lane]), allowed)
    return float(size[row, lane])
