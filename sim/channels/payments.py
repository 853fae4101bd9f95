"""Customers' payments: who sends how much, what reserves allow, what queues up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from sim.arrays import Bool, Csr, Float, Int, csr, full
from sim.channels.base import Step
from sim.channels.lanes import both, chosen, columns, widened
from sim.contagion.payments import Day
from sim.contagion.solve import FixedPoint, fixed_point
from sim.errors import Problem
from sim.kernels.special import exp_of, log_of
from sim.ledger.balance import reach, summed
from sim.state import BANKS, State
from sim.system import System

LAYER = "payments"
"""Customers' payments of a normal day: row = payee's bank, column = payer's bank, currency a day."""

CARRIERS = (BANKS, "platforms")
"""Who keeps the money that customers pay with."""

MONEY = ("deposits_insured", "deposits_uninsured", "emoney")
"""What customers pay with, all of it owed to households."""

SOURCE = "operational"
"""What payments are posted under."""

POLISH = 100
"""Most rounds that bring a settled day from its tolerance to the last bit, so that nobody pays what it lacks."""


class Rules(NamedTuple):
    """How payments are made; the fields of the channel that bear on it.

    Parameters
    ----------
    volume : float
        Payments in units of a normal day.
    reserve_minimum, normal : float
        Reserves in units of those at the start: below which nothing is paid out, below which payments are held back.
    hoarding : float
        Part of its payments that a bank still sends when it holds back.
    tol, max_rounds : float, int
        Of the settlement.
    """

    volume: float
    reserve_minimum: float
    normal: float
    hoarding: float
    tol: float
    max_rounds: int


class Flows(NamedTuple):
    """The payments of a normal day.

    Parameters
    ----------
    rows : Csr
        Row payee, column payer, currency a day; everybody is paid as much as it pays.
    out : float64[n_agents, 1], currency a day
        What each pays.
    """

    rows: Csr
    out: Float


def flows(system: System) -> Flows | None:
    """Return the payments of a normal day, closed by outside investors.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    Flows or None
        None where the system has no payments.

    Notes
    -----
    Who receives more than it pays sends the difference on to outside investors, from where it comes back to those who
    pay more than they receive. On a normal day nobody's reserves move, whatever the table says.
    """
    layer = system.layers.get(LAYER)
    if layer is None or not layer.csr.weights.size:
        return None
    matrix, row = sparse.lil_array(layer.to_scipy()), system.types["outside"].start
    surplus = np.asarray(matrix.sum(axis=1)).ravel() - np.asarray(matrix.sum(axis=0)).ravel()
    surplus[row] = 0.0
    for agent in np.flatnonzero(surplus):
        if surplus[agent] > 0.0:
            matrix[row, agent] += surplus[agent]
        else:
            matrix[agent, row] -= surplus[agent]
    closed = csr(matrix)
    return Flows(closed, reach(closed.transposed(), np.ones((closed.n_rows, 1))))


def problems(system: System) -> list[Problem]:
    """Return which payments nobody could make.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    list of Problem
        Empty when all is well.
    """
    layer = system.layers.get(LAYER)
    if layer is None:
        return []
    pays = np.zeros(len(system.ids), dtype=np.bool_)
    pays[layer.csr.indices[layer.csr.weights > 0.0]] = True
    pays[np.flatnonzero(np.diff(layer.csr.indptr) > 0)] = True
    money = np.zeros(len(system.ids))
    for name in MONEY:
        money += system.start.get(name, 0.0)
    carries = np.zeros_like(pays)
    for kind in CARRIERS:
        carries[system.types[kind]] = True
    found = []
    for row in np.flatnonzero(pays & ~(carries & (money > 0.0))):
        why = "its customers have no deposits or e-money to pay with" if carries[row] else "it is no bank or platform"
        found.append(
            Problem(f"layers.payments: {system.ids[row]} takes part in payments, but {why}", key="channels.operational")
        )
    return found


def carriers(state: State) -> Bool:
    """Return who carries customers' payments now; a failed one's customers are served by others.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    bool[n_agents, n_lanes]
        Living banks and platforms.
    """
    found = np.zeros((state.n_agents, state.n_lanes), dtype=np.bool_)
    for kind in CARRIERS:
        rows = state.rows(kind)
        found[rows] = state.alive[rows] > 0.0
    return found


class Morning(NamedTuple):
    """Some lanes at the beginning of a step in which payments are not normal.

    Parameters
    ----------
    lanes : int64[n_chosen]
        Which.
    live : bool[n_agents, n_chosen]
        Who carries payments; all others pass on what they get.
    queue : float64[n_agents, n_chosen], currency
        Payments left over from earlier steps.
    usual : float
        Payments of the step without them, in days of normal payments.
    due, able : float64[n_agents, n_chosen], days of normal payments
        What is to be paid, what is sent.
    cash : float64[n_agents, n_chosen], currency
        What may be paid out of reserves and customers' money.
    """

    lanes: Int
    live: Bool
    queue: Float
    usual: float
    due: Float
    able: Float
    cash: Float


def settle(step: Step, rules: Rules) -> FixedPoint | None:
    r"""Play the payments of a step: who sends, what settles, what is left for tomorrow.

    Bank j sends the part :math:`\sigma_j` of the payments of the step, and in a day as much of its queue: in one day
    :math:`\sigma_j (v P_j + Q_j)`, with :math:`\sigma_j` its service, or less where it holds back. What it sends is
    settled as far as its reserves and its customers' money reach, incoming payments included, in the greatest solution,
    so that gridlock is resolved. Reserves and deposits move by what is more or less than on a normal day; both by the
    same amount, so equity stays.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rules
        How payments are made.

    Returns
    -------
    FixedPoint or None
        Certificate of the settlement; None on a normal day.
    """
    state = step.state
    normal = step.system.once("payments.flows", lambda: flows(step.system))
    if normal is None:
        return None
    morning = _morning(step, rules, normal)
    if morning is None:
        return None
    day = Day(normal.rows, morning.cash, morning.able, normal.out)
    found = _settled(day, rules)
    _move(step, morning, normal, found.x)
    _queue_up(state, morning, normal, found.x)
    return widened(found, morning.lanes, (state.n_agents, state.n_lanes))


def _morning(step: Step, rules: Rules, normal: Flows) -> Morning | None:
    """Where payments are not normal, and what is due, sent and at hand there; None on a normal day."""
    state, usual = step.state, rules.volume * step.days
    start, live = step.system.start["cash"][:, None], carriers(state)
    holds = live & (normal.out > 0.0) & (state.cash < rules.normal * start)
    troubled = (live & (state.service < 1.0)) | (state.backlog > 0.0) | holds
    lanes = np.flatnonzero(troubled.any(axis=0) & (step.on > 0.0))
    if not lanes.size:
        return None
    live, cash, money = np.take(live, lanes, axis=1), chosen(state.cash, lanes), chosen(_money(state), lanes)
    queue = np.where(live, chosen(state.backlog, lanes), 0.0)
    late = np.divide(queue, normal.out, out=np.zeros(queue.shape), where=normal.out > 0.0)
    sends = chosen(state.service, lanes) * np.where(np.take(holds, lanes, axis=1), rules.hoarding, 1.0)
    able = usual * sends + late * _in_time(sends, step.days)
    # who only passes on is paid at most the most that anybody sends
    able = np.where(live, able, np.where(live, able, 0.0).max(axis=0))
    free = np.minimum(cash - rules.reserve_minimum * start, money)
    return Morning(lanes, live, queue, usual, usual + late, able, np.where(live, np.maximum(0.0, free), 0.0))


def _in_time(share: Float, days: float) -> Float:
    r"""The part of a queue that is sent in some days when this share of it is sent in one: :math:`1 - (1 - s)^t`."""
    if days == 1.0:
        return share
    left = np.empty(share.size)
    log_of(np.ascontiguousarray(1.0 - share).ravel(), left)
    exp_of(days * left, left)
    return np.asarray(1.0 - left.reshape(share.shape))


def _money(state: State) -> Float:
    """What the customers of each agent can pay with, float64[n_agents, n_lanes]."""
    found = np.zeros((state.n_agents, state.n_lanes))
    for name in MONEY:
        found += state.columns[name]
    return found


def _settled(day: Day, rules: Rules) -> FixedPoint:
    """The greatest shares of what is sent that can be settled; only lanes in which somebody is short are solved."""
    everything = full(1.0, *day.sent.shape)
    short = np.flatnonzero((day.step(everything) < 1.0).any(axis=0))
    zeros, lanes = np.zeros(everything.shape[1]), everything.shape[1]
    found = FixedPoint(everything, np.ones(lanes, dtype=np.int64), zeros, zeros, np.ones(lanes, dtype=np.bool_))
    if not short.size:
        return found
    part = Day(day.dues, chosen(day.cash, short), chosen(day.able, short), day.due)
    least = part.settle(rules.tol, rules.max_rounds)
    last = fixed_point(part.step, least.x, tol=0.0, max_rounds=POLISH)
    shares = everything.copy()
    shares[:, short] = last.x
    return both(shares, found, widened(least, short, everything.shape))


def _move(step: Step, morning: Morning, normal: Flows, share: Float) -> None:
    """Post what is paid more or less than on a normal day: reserves, and the money that customers pay with."""
    state, ledger = step.state, step.ledger
    more = morning.able * share - morning.usual
    moved = np.where(morning.live, reach(normal.rows, more) - more * normal.out, 0.0)
    # what is left of the tolerance of the settlement is not taken from whom has nothing left
    moved = np.maximum(moved, -morning.cash)
    paid, received = (np.zeros((state.n_agents, state.n_lanes)) for _ in range(2))
    at = columns(morning.lanes, state.n_lanes)
    paid[:, at], received[:, at] = np.maximum(0.0, -moved), np.maximum(0.0, moved)
    held = _money(state)
    part = np.divide(paid, held, out=np.zeros(held.shape), where=held > 0.0)
    ledger.pay(paid, received, SOURCE)
    for kind, names, last in ((BANKS, MONEY[:2], MONEY[1]), ("platforms", MONEY[2:], MONEY[2])):
        rows = state.rows(kind)
        there = held[rows] > 0.0
        for name, column in [(name, state.columns[name][rows].copy()) for name in names]:
            mix = np.divide(column, held[rows], out=np.full(there.shape, float(name == last)), where=there)
            left = column * part[rows]
            ledger.settle(name, rows, left, np.zeros(left.shape), SOURCE)
            ledger.create(name, rows, received[rows] * mix, SOURCE)


def _queue_up(state: State, morning: Morning, normal: Flows, share: Float) -> None:
    """Note what was not paid, and what of it for want of cash."""
    at, live = columns(morning.lanes, state.n_lanes), morning.live
    left = np.where(live, np.maximum(0.0, morning.due - morning.able * share) * normal.out, 0.0)
    state.backlog[:, at] = left
    state.payment_shortfall[:, at] = np.where(live, morning.able * (1.0 - share) * normal.out, 0.0)
    state.forgone_payments[:, at] += np.maximum(0.0, left - morning.queue)
    operator = state.row("central_bank")
    state.peak_backlog[operator, at] = np.maximum(state.peak_backlog[operator, at], summed(left))
