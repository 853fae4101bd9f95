"""Balance sheets read from columns, layer and holdings each time; nothing here is carried along."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.arrays import Csr, Float
from sim.kernels.books import add_columns, add_money
from sim.kernels.claims import layer_debts, value_claims, value_debts, value_layer, value_stocks
from sim.kernels.holdings import appraise, value_holdings, value_issued
from sim.kernels.pull import pull
from sim.kernels.total import total
from sim.state import Claims, State


def reach(layer: Csr, signal: Float) -> Float:
    """Return what reaches each row of a layer: ``p[i] = sum_j w[i, j] s[j]``.

    Parameters
    ----------
    layer : Csr
        Rows are the exposed.
    signal : float64[n_columns, n_lanes]
        What each column emits.

    Returns
    -------
    float64[n_rows, n_lanes]
        Summed in CSR order, so its bits do not depend on the block.
    """
    out = np.empty((layer.n_rows, signal.shape[1]))
    pull(layer.indptr, layer.indices, layer.weights, np.ascontiguousarray(signal), out)
    return out


def summed(values: Float) -> Float:
    """Return the sum over agents in row order.

    Parameters
    ----------
    values : float64[n_rows, n_lanes]
        Any column.

    Returns
    -------
    float64[n_lanes]
        Sum over the first axis.
    """
    out = np.empty(values.shape[1])
    total(np.ascontiguousarray(values), out)
    return out


def layer_face(state: State, claims: Claims) -> Float:
    """Return each creditor's claims on one layer at face value.

    Parameters
    ----------
    state : State
        Any state.
    claims : Claims
        One of its layers.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``kept[i] * sum_j A[i, j] drawn[j] alive[j]``.
    """
    return _held(state, claims, state.worth, carried=False)


def layer_carried(state: State, claims: Claims, worth: Float) -> Float:
    """Return each creditor's claims on one layer at what they are carried at.

    Parameters
    ----------
    state : State
        Any state.
    claims : Claims
        One of its layers.
    worth : float64[n_agents, n_lanes], 1
        Value of one unit of claim on each debtor.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``kept[i] * sum_j A[i, j] drawn[j] alive[j] worth[j]``.
    """
    return _held(state, claims, worth, carried=True)


def _held(state: State, claims: Claims, worth: Float, *, carried: bool) -> Float:
    kept, drawn = np.ascontiguousarray(claims.kept), np.ascontiguousarray(claims.drawn)
    out = np.empty(kept.shape)
    indptr, indices, weights, _ = claims.rows
    value_layer(indptr, indices, weights, kept, drawn, state.alive, np.ascontiguousarray(worth), carried, out)
    return out


def layer_owed(state: State, claims: Claims) -> Float:
    """Return each debtor's debt on one layer at face value.

    Parameters
    ----------
    state : State
        Any state.
    claims : Claims
        One of its layers.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``drawn[j] alive[j] * sum_i A[i, j] kept[i]``.
    """
    kept, drawn = np.ascontiguousarray(claims.kept), np.ascontiguousarray(claims.drawn)
    out = np.empty(kept.shape)
    indptr, indices, weights, _ = claims.columns
    layer_debts(indptr, indices, weights, kept, drawn, state.alive, out)
    return out


def _all_held(state: State, worth: Float, *, carried: bool) -> Float:
    out = np.empty((state.n_agents, state.n_lanes))
    value_claims(*state.edges.creditors, state.scales, state.alive, np.ascontiguousarray(worth), carried, out)
    return out


def claims_face(state: State) -> Float:
    """Return each creditor's claims on other agents at face value, all layers together.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Sum of `layer_face`.
    """
    return _all_held(state, state.worth, carried=False)


def claims_carried(state: State, worth: Float | None = None) -> Float:
    """Return each creditor's claims on other agents at what they are carried at, all layers together.

    Parameters
    ----------
    state : State
        Any state.
    worth : float64[n_agents, n_lanes], optional
        Value of one unit of claim on each debtor; the state's own by default.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Sum of `layer_carried`.
    """
    return _all_held(state, state.worth if worth is None else worth, carried=True)


def claims_owed(state: State) -> Float:
    """Return each debtor's debt to other agents at face value, all layers together.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Sum of `layer_owed`.
    """
    out = np.empty((state.n_agents, state.n_lanes))
    value_debts(*state.edges.debtors, state.scales, state.alive, out)
    return out


class Stocks(NamedTuple):
    """What the books keep apart from the money columns, and what comes with it.

    Parameters
    ----------
    names : tuple of str
        Of the planes: every layer, every layer with ``@``, ``"provisions"`` and ``"securities"``.
    planes : float64[n_names, n_agents, n_lanes], currency
        What creditors hold at face value, what debtors owe, what creditors have marked down, securities in the books.
    market : float64[n_agents, n_lanes], currency
        Securities at market prices.
    net : float64[n_agents, n_lanes], currency
        Claims at what they are carried at, less debts, over all layers.
    """

    names: tuple[str, ...]
    planes: Float
    market: Float
    net: Float


def stocks(state: State) -> Stocks:
    """Return what the books keep apart from the money columns.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    Stocks
        New arrays.
    """
    layers, shape = len(state.layers), (state.n_agents, state.n_lanes)
    planes, market, net = np.empty((2 * layers + 2, *shape)), np.empty(shape), np.empty(shape)
    face, owed, (provisions, book) = planes[:layers], planes[layers : 2 * layers], planes[-2:]
    (rows, debtors, lent), (columns, creditors, due) = state.edges.creditors, state.edges.debtors
    ends, moved = ((rows, debtors, lent), (columns, creditors, due)), (state.scales, state.alive, state.worth)
    value_stocks(*ends, *moved, face, owed, provisions, net)
    value_holdings(state.units, state.fair_value, state.price, book, market)
    names = (*state.layers, *(f"{layer}@" for layer in state.layers), "provisions", "securities")
    return Stocks(names, planes, market, net)


def securities(state: State, price: Float | None = None) -> tuple[Float, Float]:
    """Return what each agent's securities stand at in its books, and what they would bring at market prices.

    Parameters
    ----------
    state : State
        Any state.
    price : float64[n_assets, n_lanes], optional
        Other prices than the state's own.

    Returns
    -------
    tuple of float64[n_agents, n_lanes], currency
        Book value (the fair-value share at the price, the rest at cost, 1 a piece) and market value; issuers negative.
    """
    at = np.ascontiguousarray(state.price if price is None else price)
    book, market = (np.empty((state.n_agents, at.shape[1])) for _ in range(2))
    value_holdings(state.units, state.fair_value, at, book, market)
    return book, market


def appraised(state: State, price: Float) -> tuple[Float, Float, Float]:
    """Return what `securities` does, and what the securities of each agent that have a market would bring.

    Parameters
    ----------
    state : State
        Any state.
    price : float64[n_assets, n_lanes], currency per piece
        At which prices.

    Returns
    -------
    tuple of float64[n_agents, n_lanes], currency
        Book value, market value, and market value of what is for sale: what an agent has issued does not count.
    """
    at = np.ascontiguousarray(price)
    book, market, there = (np.empty((state.n_agents, at.shape[1])) for _ in range(3))
    appraise(state.units, state.fair_value, at, state.traded, book, market, there)
    return book, market, there


def shares_issued(state: State, price: Float) -> Float | None:
    """Return the value of the shares that agents have issued: a liability for closure, but no debt.

    Parameters
    ----------
    state : State
        Any state.
    price : float64[n_assets, n_lanes], currency per piece
        At which prices.

    Returns
    -------
    float64[n_agents, n_lanes], currency, or None
        None where no asset is a share.
    """
    if not state.shares.any():
        return None
    found = np.empty((state.n_agents, price.shape[1]))
    value_issued(state.units, state.shares, np.ascontiguousarray(price), state.people.stop, found)
    return found


def external_debt(state: State) -> Float:
    """Return what each agent owes to sectors, resolution apart.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Sum of the debts to sectors that are cleared in default.
    """
    out = np.zeros((state.n_agents, state.n_lanes))
    add_columns(state.book, state.places["debts"], out)
    return out


def net_worth(state: State) -> Float:
    """Return every agent's assets minus liabilities, sectors included.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Claims at what they are carried at; the sectors' sides are the columns' sums.
    """
    worth = claims_carried(state) - claims_owed(state) + securities(state)[0]
    add_money(state.book, *state.other_sides, worth)
    return worth


def total_assets(state: State) -> Float:
    """Return every agent's assets, without the sectors' derived sides.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Book value of what the agent owns; shares it has issued are no negative asset.
    """
    assets = claims_carried(state) + securities(state)[0]
    issued = shares_issued(state, state.price)
    if issued is not None:
        assets += issued
    add_columns(state.book, state.places["owned"], assets)
    return assets
