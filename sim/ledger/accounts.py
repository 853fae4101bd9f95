"""Money of agents without reserves: what they keep at banks, how they draw it to pay, how they put it back."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, empty
from sim.kernels.least import least
from sim.ledger.balance import layer_face, reach, summed
from sim.ledger.entries import Ledger
from sim.state import Claims, State

LAYER = "accounts"
"""Layer of deposits that technology firms, platforms and funds keep: row = depositor, column = bank."""
HAIR = 2.0**-48
"""Part of an account that is drawn beyond what is short, so that rounding leaves nothing unpaid."""


def free_cash(state: State) -> Float:
    """Return the cash that each agent may spend: what backs its electronic money is its customers'.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Not negative.
    """
    return np.asarray(np.maximum(0.0, state.cash - state.emoney))


def means(state: State) -> Float:
    """Return what each agent could pay today: its free cash, and what its banks can hand out of its deposits.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        For each agent as if no other drew on the same banks in full; see `draw`.
    """
    found = free_cash(state)
    claims = state.layers.get(LAYER)
    if claims is not None:
        found += layer_face(state, claims)
    return found


def draw(state: State, ledger: Ledger, wanted: Float, source: str) -> Float:
    r"""Draw deposits so that free cash is what an agent wants to pay, as far as its deposits and its banks' cash go.

    .. math::
        x_i = \min\Big(1, \frac{(w_i - c_i)^+}{D_i}\Big) \cdot \min_{j} \min\Big(1, \frac{C_j}{\sum_l x_l D_{lj}}\Big)

    Parameters
    ----------
    state, ledger : State, Ledger
        Now.
    wanted : float64[n_agents, n_lanes], currency
        What each agent wants to pay.
    source : str
        Who caused it.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        What each can pay of it now.

    Notes
    -----
    A bank without the cash for all who draw serves them alike, and a depositor draws the same share everywhere: the
    share that its weakest bank can pay. What is left over stays on the account.
    """
    free, claims = free_cash(state), state.layers.get(LAYER)
    if claims is None:
        return np.asarray(np.minimum(wanted, free))
    held = layer_face(state, claims)
    short = np.where(held > 0.0, np.maximum(0.0, wanted - free), 0.0)
    if short.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(short > 0.0, np.minimum(1.0, short / held + HAIR), 0.0)
        share *= _allowed(state, claims, share)
        ledger.roll(LAYER, claims.kept * (1.0 - share), claims.drawn.copy(), source)
        free = free_cash(state)
    return np.asarray(np.minimum(wanted, free))


def _allowed(state: State, claims: Claims, share: Float) -> Float:
    """The part of what is asked for that the weakest bank of each depositor can pay, float64[n_agents, n_lanes]."""
    called = claims.drawn * state.alive * reach(claims.columns, claims.kept * share)
    with np.errstate(divide="ignore", invalid="ignore"):
        able = np.where(called > 0.0, np.minimum(1.0, state.cash / called), 1.0)
    # a failed bank owes nothing more on this layer, so it does not hold anybody up
    able = np.where(state.alive > 0.0, able, 1.0)
    rows, out = claims.rows, empty(*share.shape)
    least(rows.indptr, rows.indices, rows.weights, np.ascontiguousarray(able), out)
    return out


def put_back(state: State, ledger: Ledger, amount: Float, source: str) -> None:
    """Let agents that keep accounts put cash into them, spread as at the start; all others keep it.

    Parameters
    ----------
    state, ledger : State, Ledger
        Now.
    amount : float64[n_agents, n_lanes], currency
        Not more than each one's cash.
    source : str
        Who caused it.
    """
    claims = state.layers.get(LAYER)
    if claims is None or not amount.any():
        return
    whole = reach(claims.rows, claims.drawn * state.alive)
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(whole > 0.0, amount / whole, 0.0)
    ledger.roll(LAYER, claims.kept + rise, claims.drawn.copy(), source)


def pay_or_owe(state: State, ledger: Ledger, bill: Float, received: Float, source: str) -> None:
    """Let agents pay bills from their money, and owe outside investors what it does not cover.

    Parameters
    ----------
    state, ledger : State, Ledger
        Now.
    bill, received : float64[n_agents, n_lanes], currency
        What each agent pays and gets; both have the same sum. Only agents with ``other_liabilities`` have bills.
    source : str
        Who caused it.
    """
    owed = bill - draw(state, ledger, bill, source)
    if owed.any():
        people = state.people
        ledger.fund_investors(summed(owed), source)
        ledger.create("other_liabilities", people, owed[people], source, for_cash=True)
    ledger.pay(bill, received, source)
