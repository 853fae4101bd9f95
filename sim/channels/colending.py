"""Co-lending: who bears the loss of a platform's pool of loans, and the guarantee that the platform gave."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.agents.platform import PlatformView
from sim.arrays import Bool, Float, added
from sim.channels.base import Step, TightView
from sim.ledger.balance import layer_face, layer_owed, reach, summed
from sim.state import Column, State

LAYER, ACCOUNTS = "guarantees", "accounts"
COLUMNS = (
    Column("guarantee_called", "currency", "Called under its guarantee so far", ("platforms",), memo=True),
    Column("pool_lost", "currency", "Lost so far by those who fund its pool with it", ("platforms",), memo=True),
    Column("pool_mark", "1", "Price of its pool at which losses were last shared", ("platforms",), start=1.0),
)
"""What a run with co-lending carries."""


def share_losses(step: Step) -> None:
    r"""Call the guarantee for what the pools have lost since the last step.

    The platform bears :math:`\sigma_p X_p` as a holder of the pool, the others :math:`(1 - \sigma_p) X_p`, of which
    the platform owes them in all

    .. math:: \min\big( (1 - \sigma_p) X_p, \; \gamma_p (1 - \sigma_p) N_p \big)

    Parameters
    ----------
    step : Step
        Where we are.

    References
    ----------
    Co-lending with a first-loss guarantee, as in joint lending of internet platforms and banks.
    """
    state, system = step.state, step.system
    fallen = [pool for pool in system.pools if (state.price[pool.asset] < state.pool_mark[pool.platform]).any()]
    if not fallen:
        return
    called = np.zeros((state.n_agents, state.n_lanes))
    cover = system.traits.get("guarantee", np.zeros(state.n_agents))
    for asset, row in fallen:
        fall = np.maximum(0.0, state.pool_mark[row] - state.price[asset])
        nominal = np.maximum(0.0, system.holdings[:, asset]).tolist()
        held = np.maximum(0.0, state.units[:, asset])
        others = summed(held) - held[row]
        state.pool_lost[row] += others * fall
        state.pool_mark[row] = np.minimum(state.pool_mark[row], state.price[asset])
        most = cover[row] * (added(nominal) - nominal[row])
        due = np.minimum(state.pool_lost[row], most) - state.guarantee_called[row]
        called[row] = np.maximum(0.0, due) * (state.alive[row] > 0.0) * step.on
    if not called.any():
        return
    state.guarantee_called[...] += called
    claims = state.layers[LAYER]
    before = layer_face(state, claims)
    step.ledger.roll(LAYER, claims.kept, claims.drawn + called, "credit", for_cash=False)
    # the book of a bank that has failed has a claim more, and so has who bought it
    gained = (layer_face(state, claims) - before) * (state.alive <= 0.0)
    step.ledger.create("participations", slice(None), gained, "credit")


def honour(step: Step, fails: Callable[[State, Float], Bool] | None) -> None:
    """Let platforms pay what is due under their guarantees, out of free reserves and accounts at banks.

    Parameters
    ----------
    step : Step
        Where we are.
    fails : callable, optional
        ``(state, equity) -> bool[n_agents, n_lanes]``: who is about to be wound up. It pays nobody ahead of others.

    Notes
    -----
    A bank pays out no more than the reserves it has; what a platform cannot raise stays due.
    """
    state, ledger, rows = step.state, step.ledger, step.state.rows("platforms")
    if not state.layers[LAYER].drawn[rows].any():
        return
    due = layer_owed(state, state.layers[LAYER])
    due[rows] *= step.on
    if not due[rows].any():
        return
    view = TightView(state, state.worth, state.price)
    going = fails(state, view.solvency)[rows] if fails else False
    free = np.maximum(0.0, (state.cash - state.emoney)[rows])
    at_banks = _within_reach(state) if ACCOUNTS in state.layers else np.zeros_like(state.cash)
    means = np.where(going, 0.0, free + at_banks[rows])
    share = step.decide(PlatformView(due[rows], means, view.solvency[rows])).honour
    paid = np.zeros_like(due)
    paid[rows] = np.minimum(share * due[rows], means)
    if not paid.any():
        return
    drawn_from_banks = np.zeros_like(due)
    drawn_from_banks[rows] = np.maximum(0.0, paid[rows] - free)
    if drawn_from_banks.any():
        claims = state.layers[ACCOUNTS]
        held = layer_face(state, claims)
        left = np.ones_like(held)
        np.divide(held - drawn_from_banks, held, out=left, where=held > 0.0)
        ledger.roll(ACCOUNTS, claims.kept * np.maximum(0.0, left), claims.drawn, "credit")
    claims = state.layers[LAYER]
    left = np.ones_like(due)
    np.divide(due - paid, due, out=left, where=due > 0.0)
    ledger.roll(LAYER, claims.kept, claims.drawn * left, "credit")


def _within_reach(state: State) -> Float:
    """Return what each platform can withdraw if all withdraw at once: no bank pays more than its reserves."""
    rows, claims = state.rows("platforms"), state.layers[ACCOUNTS]
    wanted = np.zeros_like(claims.kept)
    wanted[rows] = claims.kept[rows]
    asked = claims.drawn * state.alive * reach(claims.columns, wanted)
    able = np.ones_like(asked)
    np.divide(state.cash, asked, out=able, where=asked > 0.0)
    able = np.minimum(1.0, able)
    found = layer_face(state, claims)
    for row in range(rows.start, rows.stop):
        banks = claims.rows.indices[claims.rows.indptr[row] : claims.rows.indptr[row + 1]]
        open_here = np.where(state.alive[banks] > 0.0, able[banks], 1.0)
        found[row] *= open_here.min(axis=0, initial=1.0)
    return found
