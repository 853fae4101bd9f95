"""Balance sheets of all agents added up in one pass, and what their holders decide and lose by them."""

from __future__ import annotations

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.kernels.books import PIECE
from sim.kernels.jit import element, kernel


@element
def _flat(values: Float) -> Float:
    """Return a plane as one row: what is done cell by cell need not be done row by row."""
    return values.reshape(-1)


@kernel
def _add(values: Float, out: Float) -> None:
    for k in range(values.size):
        out[k] += values[k]


@kernel
def add_up(
    money: Float,
    places: tuple[Int, Int],
    n_people: int,
    held: tuple[Float, Float, Float, Float],
    owed: tuple[Float, Float, Float],
    external_out: Float,
    debt_out: Float,
    assets_out: Float,
    equity_out: Float,
) -> None:
    r"""Add up assets and debts.

    .. math::
        e_i = o_i + m_i, \quad A_i = o_i + b_i + a_i, \quad \bar p_i = c_i + d_i, \quad
        E_i = A_i - \bar p_i - u_i - q_i

    Parameters
    ----------
    money : float64[n_columns, n_agents, n_lanes], currency
        Stocks.
    places : tuple of int64[n_places]
        Columns that make up what is owned apart from securities and claims, o, and the debts to sectors, d.
    n_people : int
        Rows before this one are agents, whose real assets belong to o.
    held : tuple of float64[n_agents, n_lanes], currency
        Real assets, securities in the books b and at the market m, claims on other agents a.
    owed : tuple of float64[n_agents, n_lanes], currency
        To other agents c, to the estate u, for participations q.
    external_out, debt_out, assets_out, equity_out : float64[n_agents, n_lanes], currency
        Overwritten with e, p, A and E; columns are added in the order of their places.
    """
    _, n_agents, n_lanes = money.shape
    rows = max(1, PIECE // n_lanes)
    for first in range(0, n_agents, rows):
        last = min(n_agents, first + rows)
        here = slice(first, last)
        external, debt, assets = _flat(external_out[here]), _flat(debt_out[here]), _flat(assets_out[here])
        assets[:] = 0.0
        debt[:] = 0.0
        for place in places[0]:
            _add(_flat(money[place, here]), assets)
        if first < n_people:
            _add(_flat(held[0][first : min(last, n_people)]), assets)
        for place in places[1]:
            _add(_flat(money[place, here]), debt)
        book, market, inside = _flat(held[1][here]), _flat(held[2][here]), _flat(held[3][here])
        for k in range(assets.size):
            external[k] = assets[k] + market[k]
        for k in range(assets.size):
            assets[k] = assets[k] + book[k] + inside[k]
        claims, due, sold_on = _flat(owed[0][here]), _flat(owed[1][here]), _flat(owed[2][here])
        for k in range(debt.size):
            debt[k] = claims[k] + debt[k]
        equity = _flat(equity_out[here])
        for k in range(debt.size):
            equity[k] = assets[k] - debt[k] - due[k] - sold_on[k]


@kernel
def deleverage(
    assets: Float, equity: Float, marketable: Float, limit: Float, target: Float, liquidate: bool, sell_out: Float
) -> None:
    r"""Decide what share of its marketable assets each agent sells.

    .. math::
        \Gamma_i = \min(1, \max(0, (A_i - \lambda^*_i E_i) / M_i)) \quad \text{if } A_i > \bar\lambda_i E_i

    Parameters
    ----------
    assets, equity, marketable : float64[n_agents, n_lanes], currency
        A, E and M.
    limit, target : float64[n_agents, 1] or float64[n_agents, n_lanes], 1
        Leverage above which an agent sells, and where it wants to be.
    liquidate : bool
        Whether an agent without equity sells everything.
    sell_out : float64[n_agents, n_lanes], 1
        Overwritten; 0 where there is nothing to sell.

    References
    ----------
    Cont and Schaanning (2017), eq. 4.
    """
    n_agents, n_lanes = assets.shape
    high, aim = np.empty(n_lanes), np.empty(n_lanes)
    for i in range(n_agents):
        for lane in range(n_lanes):
            high[lane] = limit[i, lane if limit.shape[1] > 1 else 0]
            aim[lane] = target[i, lane if target.shape[1] > 1 else 0]
        # no branch: what is not wanted is worked out and left, so that the loop runs in vector registers
        for lane in range(n_lanes):
            own, there = equity[i, lane], marketable[i, lane]
            share = min(1.0, max(0.0, (assets[i, lane] - aim[lane] * own) / there))
            share = share if assets[i, lane] > high[lane] * own else 0.0
            share = share if own > 0.0 else (1.0 if liquidate else 0.0)
            sell_out[i, lane] = share if there > 0.0 else 0.0


@kernel
def restrain(sell: Float, equity: Float, start: Float, baseline: bool, on: Float, out: Float) -> None:
    r"""Let only those sell who have lost something: :math:`\Gamma_i 1\{E_i < E^0_i\} \omega`.

    Parameters
    ----------
    sell : float64[n_agents, n_lanes], 1
        Share of its marketable assets that each agent decided to sell.
    equity, start : float64[n_agents, n_lanes], currency
        E, and E0 before any event.
    baseline : bool
        Whether it takes a loss to sell; else everybody's decision stands.
    on : float64[n_lanes], 1
        The channel's switch.
    out : float64[n_agents, n_lanes], 1
        Overwritten.
    """
    n_agents, n_lanes = sell.shape
    for i in range(n_agents):
        if baseline:
            for lane in range(n_lanes):
                out[i, lane] = (sell[i, lane] if equity[i, lane] < start[i, lane] else 0.0) * on[lane]
        else:
            for lane in range(n_lanes):
                out[i, lane] = sell[i, lane] * on[lane]


@kernel
def share_out(proceeds: Float, equity: Float, banks: tuple[int, int], wanted: Float, left_out: Float) -> None:
    r"""Share out what sales brought: first what was wanted for cash, then what retires debt, :math:`(p_i - w_i)^+`.

    Parameters
    ----------
    proceeds, equity : float64[n_agents, n_lanes], currency
        What sellers got, and their net worth: one that is insolvent keeps its cash for all its creditors.
    banks : tuple of int
        First row of those that retire debt, and the row after the last.
    wanted : float64[n_agents, n_lanes], currency
        Cash that was to be raised; less what has been.
    left_out : float64[n_agents, n_lanes], currency
        Overwritten with what retires debt.
    """
    n_agents, n_lanes = proceeds.shape
    for i in range(n_agents):
        retires = banks[0] <= i < banks[1]
        for lane in range(n_lanes):
            free = max(0.0, proceeds[i, lane] - wanted[i, lane])
            left_out[i, lane] = free if retires and equity[i, lane] > 0.0 else 0.0
        for lane in range(n_lanes):
            wanted[i, lane] -= min(proceeds[i, lane], wanted[i, lane])


@kernel
def join(one: Bool, other: Float, out: Bool) -> None:
    """Tell who is in either of two groups.

    Parameters
    ----------
    one : bool[n_agents, n_lanes]
        The first.
    other : float64[n_agents, n_lanes], 1
        Above 0 who is in the second.
    out : bool[n_agents, n_lanes]
        Overwritten.
    """
    a, found = one.reshape(-1), out.reshape(-1)
    b = _flat(other)
    for k in range(found.size):
        found[k] = a[k] | (b[k] > 0.0)


@kernel
def fail(
    equity: Float, start: Float, ordered: Float, alive: Float, n_debtors: int, at_zero: bool, failed_out: Bool
) -> None:
    r"""Tell who fails: :math:`E_i < \min(0, E^0_i)`, or who is ordered to.

    Parameters
    ----------
    equity, start : float64[n_agents, n_lanes], currency
        E, and E0 before any event.
    ordered : float64[n_agents, n_lanes], 1
        Above 0 where an event fails the agent whatever its equity.
    alive : float64[n_agents, n_lanes], 1
        0 where the agent's debts have been cleared; it cannot fail again.
    n_debtors : int
        Rows from here on cannot fail.
    at_zero : bool
        Whether equity of exactly the line is a failure, once something has been lost.
    failed_out : bool[n_agents, n_lanes]
        Overwritten.
    """
    own, before, failed = _flat(equity[:n_debtors]), _flat(start[:n_debtors]), failed_out[:n_debtors].reshape(-1)
    orders, there = _flat(ordered[:n_debtors]), _flat(alive[:n_debtors])
    for k in range(own.size):
        below = own[k] < min(0.0, before[k])
        if at_zero:
            below = (own[k] <= min(0.0, before[k])) & (own[k] < before[k])
        failed[k] = (below | (orders[k] > 0.0)) & (there[k] > 0.0)
    failed_out[n_debtors:] = False


@kernel
def default(failing: Bool, on: Float, defaulted: Float) -> None:
    """Note who defaults.

    Parameters
    ----------
    failing : bool[n_agents, n_lanes]
        Who fails, changed in place: nobody where the channel is off.
    on : float64[n_lanes], 1
        Above 0 where the channel acts.
    defaulted : float64[n_agents, n_lanes], 1
        1 from now on for who fails.
    """
    n_agents, n_lanes = failing.shape
    for i in range(n_agents):
        for lane in range(n_lanes):
            failing[i, lane] = failing[i, lane] & (on[lane] > 0.0)
        for lane in range(n_lanes):
            defaulted[i, lane] = 1.0 if failing[i, lane] else defaulted[i, lane]


@kernel
def mark_down(worth: Float, alive: Float, on: Float, n_debtors: int, value: Float) -> None:
    r"""Hold back values of claims that may not change.

    .. math:: V_j \leftarrow \min(V_j, v_j) \quad \text{where claims are revalued, else } v_j

    Parameters
    ----------
    worth : float64[n_agents, n_lanes], 1
        v, what claims are carried at.
    alive : float64[n_agents, n_lanes], 1
        0 where there are no claims left.
    on : float64[n_lanes], 1
        Above 0 where claims are revalued.
    n_debtors : int
        Rows from here on are never revalued.
    value : float64[n_agents, n_lanes], 1
        V, changed in place: a claim once written down is not written up.
    """
    n_agents, n_lanes = worth.shape
    for i in range(n_agents):
        if i >= n_debtors:
            for lane in range(n_lanes):
                value[i, lane] = worth[i, lane]
            continue
        for lane in range(n_lanes):
            acts = on[lane] * alive[i, lane] > 0.0
            value[i, lane] = min(value[i, lane], worth[i, lane]) if acts else worth[i, lane]
