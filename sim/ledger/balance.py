"""Balance sheets read from columns, layer and holdings each time; nothing here is carried along."""

from __future__ import annotations

import numpy as np

from sim.arrays import Csr, Float, empty
from sim.kernels.holdings import value_holdings
from sim.kernels.pull import pull
from sim.kernels.total import total
from sim.state import DEBTS, MONEY, State


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
    out = empty(layer.n_rows, signal.shape[1])
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


def claims_face(state: State) -> Float:
    """Return each creditor's interbank claims at face value.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``kept[i] * sum_j A[i, j] drawn[j] alive[j]``.
    """
    return state.kept * reach(state.claims, state.drawn * state.alive)


def claims_carried(state: State, worth: Float | None = None) -> Float:
    """Return each creditor's interbank claims at what they are carried at.

    Parameters
    ----------
    state : State
        Any state.
    worth : float64[n_agents, n_lanes], optional
        Value of one unit of claim on each debtor; the state's own by default.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``kept[i] * sum_j A[i, j] drawn[j] alive[j] worth[j]``.
    """
    return state.kept * reach(state.claims, state.drawn * state.alive * (state.worth if worth is None else worth))


def claims_owed(state: State) -> Float:
    """Return each debtor's interbank debt at face value.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        ``drawn[j] alive[j] * sum_i A[i, j] kept[i]``.
    """
    return state.drawn * state.alive * reach(state.claims_on, state.kept)


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


def external_debt(state: State) -> Float:
    """Return what each agent owes outside the interbank layer and outside resolution.

    Parameters
    ----------
    state : State
        Any state.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Sum of the debts that rank with interbank debt.
    """
    out = np.zeros((state.n_agents, state.n_lanes))
    for name in DEBTS:
        out += state.columns[name]
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
    for column in MONEY:
        values = state.columns[column.name]
        sign = -1.0 if column.liability_to else 1.0
        worth += sign * values
        sector = column.asset_on or column.liability_to
        if sector:
            worth[state.row(sector)] -= sign * summed(values)
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
        Book value of what the agent owns.
    """
    assets = claims_carried(state) + securities(state)[0]
    for column in MONEY:
        if not column.liability_to:
            assets += state.columns[column.name]
    return assets
