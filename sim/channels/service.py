"""Who still works, and how well: own outages, providers of providers, failover onto finite capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from sim.arrays import Csr, Float, Int, aligned, csr, full
from sim.channels.lanes import both, chosen, widened
from sim.contagion.dependency import Answer, Backup, Services, longest_chain, rest, unrolled
from sim.contagion.failover import failover
from sim.contagion.solve import FixedPoint
from sim.kernels.special import exp
from sim.ledger.balance import total_assets
from sim.state import State
from sim.system import System

HOURS = 24.0
"""In a day."""

DEFAULT_HEADROOM = 0.3
"""Spare capacity of providers where the system says nothing, 1."""


class Rules(NamedTuple):
    """How users and providers deal with an outage; the fields of the channel that bear on it.

    Parameters
    ----------
    form : {"product", "linear"}
        How the losses of several functions combine.
    substitution : float
        Power of the mean over the providers of a function; minus infinity is Leontief.
    criticality, backup, headroom : float or None, 1
        In place of what the system says.
    """

    form: Literal["product", "linear"]
    substitution: float
    criticality: float | None
    backup: float | None
    headroom: float | None


class Market(NamedTuple):
    """The providers of one function.

    Parameters
    ----------
    rows : int64[n_providers]
        Who.
    load, backup : float64[n_providers, 1]
        What each normally carries, in total assets of its users; the part of it that can be moved, 1.
    """

    rows: Int
    load: Float
    backup: Float


@dataclass(frozen=True, eq=False)
class Dependence:
    """Who depends on whom, as it stands for a whole run.

    Parameters
    ----------
    services : Services
        Functions, how they combine.
    criticality, backup : float64[n_functions, n_agents, 1], 1
        Part of a user's service that is lost with a function; part of the function that it can move.
    markets : tuple of Market
        By function; without providers where nobody uses it.
    headroom : float64[n_agents, 1], 1
        Spare capacity in units of the normal load.
    fees, fees_by_provider : Csr
        Row user, column provider: the user's part of the provider's revenue, 1; and the same by provider.
    chain : int or None
        Longest chain of providers of providers; None where there is a circle.
    """

    services: Services
    criticality: Float
    backup: Float
    markets: tuple[Market, ...]
    headroom: Float
    fees: Csr
    fees_by_provider: Csr
    chain: int | None


def dependence(system: System, rules: Rules) -> Dependence | None:
    """Return who depends on whom.

    Parameters
    ----------
    system : System
        Before the shock.
    rules : Rules
        How users and providers deal with an outage.

    Returns
    -------
    Dependence or None
        None where the system has no services.
    """
    found = system.services
    if found is None or not found.shares:
        return None
    size = np.maximum(0.0, total_assets(system.state(1, ("shock",)))[:, 0])
    shape = found.criticality.shape
    criticality = found.criticality if rules.criticality is None else np.full(shape, rules.criticality)
    backup = found.backup if rules.backup is None else np.full(shape, rules.backup)
    markets = tuple(_market(share, movable, size) for share, movable in zip(found.shares, backup, strict=True))
    own = system.traits.get("headroom")
    if rules.headroom is not None or own is None:
        own = np.full(size.size, DEFAULT_HEADROOM if rules.headroom is None else rules.headroom)
    fees = _fees(found.shares, size)
    return Dependence(
        Services(found.shares, found.criticality, rules.form, rules.substitution),
        criticality[:, :, None],
        backup[:, :, None],
        markets,
        own[:, None],
        fees,
        fees.transposed(),
        longest_chain(found.shares),
    )


def _market(share: Csr, backup: Float, size: Float) -> Market:
    """The loads of a function's providers, and which part of them can be moved."""
    users, n = _users(share), share.n_columns
    load = np.bincount(share.indices, weights=share.weights * size[users], minlength=n)
    moved = np.bincount(share.indices, weights=share.weights * size[users] * backup[users], minlength=n)
    rows = np.flatnonzero(load > 0.0)
    return Market(rows, aligned(load[rows, None]), np.minimum(1.0, moved[rows] / load[rows])[:, None])


def _fees(shares: Sequence[Csr], size: Float) -> Csr:
    """Who pays a provider: its users in proportion to what they have it carry, each by its total assets."""
    users = np.concatenate([_users(share) for share in shares])
    providers = np.concatenate([share.indices for share in shares])
    paid = np.concatenate([share.weights for share in shares]) * size[users]
    whole = np.bincount(providers, weights=paid, minlength=size.size)[providers]
    fine = whole > 0.0
    return csr(sparse.coo_array((paid[fine] / whole[fine], (users[fine], providers[fine])), shape=(size.size,) * 2))


def _users(share: Csr) -> Int:
    """The user of every edge."""
    return np.repeat(np.arange(share.n_rows), np.diff(share.indptr))


class Blow(NamedTuple):
    """What strikes in a step, while it lasts.

    Parameters
    ----------
    own : float64[n_agents, n_lanes], 1
        Service that agents lose by themselves.
    ready : float64[n_agents, n_lanes], 1
        Part of that time in which users of the agent have already moved.
    lasts : float64[n_lanes], 1
        Part of the step for which it lasts.
    """

    own: Float
    ready: Float
    lasts: Float


def standing(state: State) -> Float:
    """Return how much of its service an agent may and can give when nothing is down.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        Below 1 where a failed provider winds down or authorities have suspended an agent.
    """
    return np.asarray(state.service_left * state.allowed)


def blow(state: State, lanes: Int, days: float, delay: float) -> Blow:
    r"""Return what strikes in some lanes: outages by the time they take up, whatever the length of a step.

    The step is divided into the time :math:`T` of its longest outage and a quiet rest. An outage of :math:`d_i` days
    takes :math:`\min(1, d_i / T)` of it; users have moved once the agent was impaired for longer than the delay.

    Parameters
    ----------
    state : State
        Now; with the columns of the operational channel.
    lanes : int64[n_chosen]
        Which.
    days : float
        Length of the step, days.
    delay : float
        Until users have moved, days.

    Returns
    -------
    Blow
        For the chosen lanes.
    """
    service, age = chosen(state.own_service, lanes), chosen(state.impaired_for, lanes)
    left = chosen(standing(state), lanes)
    down = np.where(service < 1.0, chosen(state.down_for, lanes), 0.0)
    longest = np.minimum(days, down.max(axis=0, initial=0.0))
    time = np.where((left < 1.0).any(axis=0) | (longest == 0.0), days, longest)
    own = 1.0 - left * (1.0 - (1.0 - service) * np.minimum(1.0, down / time))
    mine = np.where(down > 0.0, np.minimum(down, time), time)
    ready = np.clip((age + mine - np.maximum(age, delay)) / mine, 0.0, 1.0)
    return Blow(own, ready, time / days)


def lost_service(needs: Dependence, struck: Blow, congestion: float, tol: float, max_rounds: int) -> FixedPoint:
    r"""Return what every agent has lost while the blow lasts: the greatest fixed point of service.

    First everybody relies on backups that work. The load that has moved then fills the capacity of those that are up,
    :math:`s_k \le ((1 + h_k) / \ell_k)^\kappa`; where it overfills it, service is solved for again with providers that
    are slower and backups that are worth as much as they give.

    Parameters
    ----------
    needs : Dependence
        Who depends on whom.
    struck : Blow
        What strikes.
    congestion : float
        kappa.
    tol : float
        Of the fixed points.
    max_rounds : int
        Of each of them.

    Returns
    -------
    FixedPoint
        Of the inoperability, float64[n_agents, n_lanes], 1.
    """
    shape = struck.own.shape
    taken = np.broadcast_to(struck.ready, (len(needs.markets), *shape))
    backup = Backup(needs.backup, taken, full(1.0, *shape))
    found = _solved(needs, struck.own, backup, tol, max_rounds)
    slow, given = _overload(needs, found.x, struck.ready, congestion)
    tight = np.flatnonzero((slow < 1.0).any(axis=0) | (given < 1.0).any(axis=0))
    if not tight.size:
        return found
    own = 1.0 - (1.0 - chosen(struck.own, tight)) * chosen(slow, tight)
    taken = chosen(struck.ready, tight)[None] * chosen(given, tight)[:, None]
    backup = Backup(needs.backup, taken, chosen(found.x, tight))
    again = widened(_solved(needs, own, backup, tol, max_rounds), tight, shape)
    lost = found.x.copy()
    lost[:, tight] = again.x[:, tight]
    return both(lost, found, again)


def _solved(needs: Dependence, own: Float, backup: Backup, tol: float, max_rounds: int) -> FixedPoint:
    answer, start = Answer(needs.services, needs.criticality, own, backup), full(0.0, *own.shape)
    if needs.chain is not None:
        return unrolled(answer.step, start, needs.chain)
    return rest(answer.step, start, tol, max_rounds, rising=True)


def _overload(needs: Dependence, down: Float, ready: Float, congestion: float) -> tuple[Float, Float]:
    """Return how well each provider works under its load, and by function what those who moved get."""
    slow, given = full(1.0, *down.shape), full(1.0, len(needs.markets), down.shape[1])
    for market, worth in zip(needs.markets, given, strict=True):
        rows = market.rows
        if not rows.size:
            continue
        lost = down[rows]
        found = failover(
            np.broadcast_to(market.load, lost.shape),
            lost,
            backup=market.backup * ready[rows],
            headroom=np.broadcast_to(needs.headroom[rows], lost.shape),
            congestion=congestion,
        )
        worth[:] = found.backup_service
        # a provider of several functions works as in the one that loads it most
        slow[rows] = np.minimum(slow[rows], np.where(lost < 1.0, found.service, 1.0))
    return slow, given


def recovering(needs: Dependence, struck: Blow, before: Float, lost: Float, pace: float) -> Float:
    r"""Return inoperability on the way back: :math:`q' = \max(q^*, q + K (F(q) - q))`, Lian and Haimes (2006).

    Parameters
    ----------
    needs : Dependence
        Who depends on whom.
    struck : Blow
        What strikes.
    before : float64[n_agents, n_lanes], 1
        Inoperability in the step before.
    lost : float64[n_agents, n_lanes], 1
        What agents lose in this step if they follow at once.
    pace : float
        K, part of the way that is gone in a step.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        A blow strikes at once, recovery takes its time.
    """
    answer = Answer(needs.services, needs.criticality, struck.own * struck.lasts)
    return np.maximum(lost, before + pace * (answer.step(before) - before))


def pace_of(days: float, time: float) -> float:
    r"""Return the part of a way that is gone in a step, :math:`1 - e^{-\Delta t / T}`.

    Parameters
    ----------
    days : float
        Length of the step.
    time : float
        Time constant; 0 is at once.

    Returns
    -------
    float, 1
        In (0, 1].
    """
    return 1.0 - exp(-days / time) if time > 0.0 else 1.0
