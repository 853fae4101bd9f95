"""Two audits after every step, per lane: the system closes, and every stock is what the entries say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.arrays import Float, empty
from sim.errors import AuditError
from sim.kernels.books import closure, deepest, examine, unexplained, widest_gap
from sim.ledger.balance import Stocks, stocks
from sim.ledger.entries import Ledger
from sim.state import State

TOLERANCE = 1e-9
"""Largest gap allowed, as a share of all agents' assets before any event."""


class Stock(NamedTuple):
    """Everything there is after a step, and how far it is from the books.

    Parameters
    ----------
    worth : float64[n_agents, n_lanes], currency
        Net worth of every agent, sectors included.
    others : Stocks
        What there is apart from the money columns.
    totals : float64[n_money, n_lanes], currency
        Sums of the money columns: what the sectors owe and own.
    gap, depth : float64[n_lanes], currency
        How far the money columns are from the books, and how far below zero.
    """

    worth: Float
    others: Stocks
    totals: Float
    gap: Float
    depth: Float


def take_stock(ledger: Ledger) -> Stock:
    """Go through everything there is.

    Parameters
    ----------
    ledger : Ledger
        After a step.

    Returns
    -------
    Stock
        For `audit`; its net worth is that of `sim.ledger.balance.net_worth`, but for the last bits.
    """
    state = ledger.state
    others = stocks(state)
    worth = others.net + others.planes[-1]
    gap, depth, sums = np.zeros(state.n_lanes), np.zeros(state.n_lanes), empty(len(state.money), state.n_lanes)
    examine(state.book, ledger.money, *state.other_sides, worth, gap, depth, sums)
    return Stock(worth, others, sums, gap, depth)


def audit(ledger: Ledger, scale: float, stock: Stock | None = None) -> dict[str, float]:
    """Check closure, books against stocks, losses against net worth, and signs.

    Parameters
    ----------
    ledger : Ledger
        After a step.
    scale : float
        All agents' assets before any event, currency.
    stock : Stock, optional
        What there is, where it has been taken; taken by default.

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
    stock = take_stock(ledger) if stock is None else stock
    worth, gap, depth = stock.worth, stock.gap, stock.depth
    closing, planes = np.empty(state.n_lanes), stock.others.planes
    closure(worth, planes[-2], planes[-1], stock.others.market, state.real_assets, closing)
    gaps = {"closure": _largest("closure", "sum of net worths", closing[None], ("the system",), allowed)}
    widest_gap(stock.totals, ledger.sums, gap)
    widest_gap(planes.reshape(-1, state.n_lanes), ledger.planes.reshape(-1, state.n_lanes), gap)
    gaps["books"] = float(gap.max())
    if not gaps["books"] <= allowed:
        _name(ledger, stock, allowed)
    left = np.zeros(state.n_lanes)
    unexplained(state.equity0, worth, state.loss, left)
    gaps["losses"] = float(left.max())
    if not gaps["losses"] <= allowed:
        gap = state.equity0 - worth
        for posted in state.loss:
            gap = gap - posted
        _largest("losses", "net worth against posted losses", gap, state.ids, allowed)
    if not float(depth.max()) <= allowed:
        for column in state.money:
            below = np.minimum(state.columns[column.name], 0.0)
            _largest("sign", column.name, below, state.ids, allowed)
    depth = np.zeros(state.n_lanes)
    deepest(state.units[state.banks].reshape(-1, state.n_lanes), depth)
    if not float(depth.max(initial=0.0)) <= allowed:
        below = np.minimum(state.units[state.banks].min(axis=1, initial=0.0), 0.0)
        _largest("sign", "securities", below, state.ids[state.banks], allowed)
    return {check: gap / scale for check, gap in gaps.items()}


def _name(ledger: Ledger, stock: Stock, allowed: float) -> None:
    """Raise for the first instrument whose stock is not what the books say."""
    state = ledger.state
    for column in state.money:
        _largest("books", column.name, state.columns[column.name] - ledger.books[column.name], state.ids, allowed)
    sectors = tuple(_sector(state, place) for place in range(len(stock.totals)))
    _largest("books", "money@", stock.totals - ledger.sums, sectors, allowed)
    for name, found in zip(stock.others.names, stock.others.planes, strict=True):
        _largest("books", name, found - ledger.books[name], state.ids, allowed)


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
