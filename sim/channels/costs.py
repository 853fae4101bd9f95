"""What an outage costs and who pays it; breaches of data that come by themselves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.agents.tech_firm import TechFirmView
from sim.arrays import Bool, Float
from sim.channels.base import Step
from sim.channels.service import Dependence
from sim.channels.standards import YEAR, trait
from sim.kernels.special import exp_of
from sim.ledger.accounts import pay_or_owe, put_back
from sim.ledger.balance import reach, summed

SOURCE = "operational"
"""What costs are posted under."""


class Terms(NamedTuple):
    """What lost service costs; the fields of the channel that bear on it.

    Parameters
    ----------
    cost : float
        In units of the revenue of the time, 1.
    compensation, cap : float
        What providers return, in units of the fees of the time, 1; and at most, as a share of a year's fees, 1.
    """

    cost: float
    compensation: float
    cap: float


def charge(step: Step, needs: Dependence | None, lost: Float, terms: Terms) -> None:
    r"""Post what lost service costs, and what providers return to their users.

    The cost is :math:`c_o \, rev_i (1 - s_i) \Delta t`, gone for everybody. A provider returns to its users, in
    proportion to their fees, what makes the sum so far :math:`\min(\bar m, \mu L_k) \, rev_k` with the service
    :math:`L_k` that it has lost in years, or the share of it that a technology firm decides on; the rest lapses. Agents
    pay from reserves and accounts; what these do not cover they owe outside investors, so that a firm without money
    lives on credit for as long as it has equity.

    Parameters
    ----------
    step : Step
        Where we are.
    needs : Dependence or None
        Who pays fees to whom.
    lost : float64[n_agents, n_lanes], 1
        Service lost in this step; 0 where the channel is off.
    terms : Terms
        What it costs.
    """
    state = step.state
    alive = (state.alive > 0.0).astype(np.float64)
    yearly = trait(step.system, "revenue")[:, None] * alive
    cost = terms.cost * yearly * lost * (step.days / YEAR)
    returned, received = np.zeros_like(cost), np.zeros_like(cost)
    if needs is not None and terms.compensation > 0.0:
        before, after = (
            np.minimum(terms.cap, terms.compensation * days / YEAR)
            for days in (state.lost_service, state.lost_service + lost * step.days)
        )
        returned, firms = (after - before) * yearly, state.rows("tech_firms")
        there = reach(needs.fees_by_provider, alive)
        if returned[firms].any():
            returned[firms] *= step.decide(TechFirmView(state.service[firms], (returned * there)[firms])).compensate
        received = alive * reach(needs.fees, returned)
        returned *= there
    if cost.any() or returned.any():
        _pay(step, cost, cost + returned, received)


def breach(step: Step, hazard: Float, effect: float, share: float) -> None:
    r"""Draw breaches of data, with the hazard :math:`h_0 e^{-k_b \psi}` of each agent's security posture.

    What an agent has improved since the start because of a rule adds to its posture.

    Parameters
    ----------
    step : Step
        Where we are.
    hazard : float64[n_agents, n_lanes], per year
        h0 of each agent.
    effect : float
        k_b, 1.
    share : float
        Cost of a breach, share of a year's revenue, 1.
    """
    state, people = step.state, step.state.people
    safe = np.repeat(trait(step.system, "posture")[people, None], state.n_lanes, axis=1)
    if "improved" in state.by_name:  # by the compliance channel: what rules made agents do protects data as well
        safe += state.improved[people]
    exp_of((-effect * safe).reshape(-1), safe.reshape(-1))
    exp_of((-hazard[people] * step.days / YEAR * safe).reshape(-1), safe.reshape(-1))
    luck = step.uniform("channels.operational.breach", state.ids[people])
    able = (state.alive[people] > 0.0) & (state.breach[people] == 0.0) & (step.on > 0.0)
    hit: Bool = (luck < 1.0 - safe) & able
    if hit.any():
        cost = np.zeros((state.n_agents, state.n_lanes))
        cost[people] = hit * (share * trait(step.system, "revenue")[people, None])
        _pay(step, cost, cost, np.zeros_like(cost))
        state.breach[people] = np.maximum(state.breach[people], hit)


def _pay(step: Step, cost: Float, bill: Float, received: Float) -> None:
    """Let agents pay: costs are gone for everybody, the rest goes to other agents, who put it on their accounts."""
    state, given = step.state, received.copy()
    given[state.row("deadweight")] += summed(cost)
    pay_or_owe(state, step.ledger, bill, given, SOURCE)
    put_back(state, step.ledger, received, SOURCE)
