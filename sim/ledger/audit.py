"""Two audits after every step, per lane: the system closes, and every stock is what the entries say."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, empty
from sim.errors import AuditError
from sim.kernels.books import deepest, examine, widest_gap
from sim.ledger.balance import claims_stocks, net_worth, securities, summed
from sim.ledger.entries import Ledger
from sim.state import State

TOLERANCE = 1e-9
"""Largest gap allowed, as a share of all agents' assets before any event."""


def audit(ledger: Ledger, scale: float, worth: Float | None = None) -> dict[str, float]:
    """Check closure, books against stocks, losses against net worth, and signs.

    Parameters
    ----------
    ledger : Ledger
        After a step.
    scale : float
        All agents' assets before any event, currency.
    worth : float64[n_agents, n_lanes], optional
        Net worth now, where it is known; worked out by default.

    Returns
    -------
    dict of str to float
        The largest gap of each check as a share of `scale`.

    Raises
    ------
    AuditError
        Naming the check, the instrument, the agent and the lane with the largest gap.
    """
    state, allowed = ledger.state, TOLERANCE * scale
    worth, (book, market) = net_worth(state) if worth is None else worth, securities(state)
    gap, depth, sums = np.zeros(state.n_lanes), np.zeros(state.n_lanes), empty(len(state.money), state.n_lanes)
    examine(state.book, ledger.money, gap, depth, sums)
    stocks = claims_stocks(state) | {"securities": book}
    # of stocks outside the money columns, what each is and what the books say; ``name@`` is the other side
    pairs = {"money@": (sums, ledger.sums)} | {name: (stock, ledger.books[name]) for name, stock in stocks.items()}
    closing = summed(worth) + summed(pairs["provisions"][0]) - summed(book - market) - summed(state.real_assets)
    gaps = {"closure": _largest("closure", "sum of net worths", closing[None], ("the system",), allowed)}
    for stock, expected in pairs.values():
        widest_gap(stock, expected, gap)
    gaps["books"] = float(gap.max())
    if not gaps["books"] <= allowed:
        _name(ledger, pairs, allowed)
    explained = state.equity0 - worth
    for posted in state.loss:
        explained -= posted
    gaps["losses"] = _largest("losses", "net worth against posted losses", explained, state.ids, allowed)
    if not float(depth.max()) <= allowed:
        for column in state.money:
            below = np.minimum(state.columns[column.name], 0.0)
            _largest("sign", column.name, below, state.ids, allowed)
    depth[:] = 0.0
    deepest(state.units[state.banks].reshape(-1, state.n_lanes), depth)
    if not float(depth.max(initial=0.0)) <= allowed:
        below = np.minimum(state.units[state.banks].min(axis=1, initial=0.0), 0.0)
        _largest("sign", "securities", below, state.ids[state.banks], allowed)
    return {check: gap / scale for check, gap in gaps.items()}


def _name(ledger: Ledger, pairs: dict[str, tuple[Float, Float]], allowed: float) -> None:
    """Raise for the first instrument whose stock is not what the books say."""
    state = ledger.state
    for column in state.money:
        _largest("books", column.name, state.columns[column.name] - ledger.books[column.name], state.ids, allowed)
    for name, (stock, expected) in pairs.items():
        agents = tuple(_sector(state, place) for place in range(len(stock))) if name == "money@" else state.ids
        _largest("books", name, stock - expected, agents, allowed)


def _sector(state: State, place: int) -> str:
    """Who is on the other side of a money column."""
    column = state.money[place]
    return f"{column.asset_on or column.liability_to or 'all owners'} ({column.name})"


def _largest(check: str, what: str, gap: Float, agents: tuple[str, ...], allowed: float) -> float:
    size = np.abs(gap)
    if not size.size:
        return 0.0
    worst = int(np.argmax(np.where(np.isnan(size), np.inf, size)))
    row, lane = divmod(worst, size.shape[1])
    if not size[row, lane] <= allowed:
        raise AuditError(check, what, agents[row], lane, float(gap[row, lane]), allowed)
    return float(size[row, lane])
