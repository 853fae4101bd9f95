"""What bad news costs: fee income that goes to competitors, users that leave, interest that lenders ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.channels.base import Step
from sim.channels.peers import of_group
from sim.channels.shares import mark_down
from sim.channels.standards import YEAR, trait
from sim.kernels.special import exp_of
from sim.ledger.accounts import pay_or_owe, put_back
from sim.ledger.balance import summed

if TYPE_CHECKING:
    from sim.channels.reputation import Reputation


def lose_business(channel: Reputation, step: Step) -> None:
    r"""Post lost income and dearer funding, and let users leave.

    .. math::
        \Delta I_i = \min(1, \mu_r r_i + 1 - n_i) \, R_i \, \tau, \qquad \Delta F_i = \kappa r_i D_i \tau, \qquad
        n_i(t + \tau) = n_i e^{-\nu r_i \tau}

    with the news :math:`r_i`, revenue :math:`R_i`, users :math:`n_i` kept, and term and wholesale debt :math:`D_i`.
    Income goes to agents of the same type and kind by their revenue, to households where there is none; what an
    agent cannot pay from its money it owes outside investors. Interest is added to the debt.

    Parameters
    ----------
    channel : Reputation
        Its parameters.
    step : Step
        Where we are.
    """
    state, platforms = step.state, step.state.rows("platforms")
    news = state.news * (step.on > 0.0) * (state.alive > 0.0)
    gone = (1.0 - state.users) * (step.on > 0.0) * (state.alive > 0.0)
    if not (news.any() or gone.any()):
        return
    years = step.days / YEAR
    revenue = trait(step.system, "revenue")[:, None] * (state.alive > 0.0)
    lost = np.minimum(1.0, channel.attrition * news + gone) * revenue * years
    if lost.any():
        received = competitors(step, lost, revenue)
        pay_or_owe(state, step.ledger, lost, received, "reputation")
        put_back(state, step.ledger, received, "reputation")
        mark_down(step, channel.share_response * lost, "reputation")
    people = state.people
    dearer = channel.spread * years * news * (state.other_liabilities + state.deposits_wholesale)
    step.ledger.create("other_liabilities", people, dearer[people], "reputation")
    leaving = -channel.churn * step.days * news[platforms]
    exp_of(leaving.reshape(-1), leaving.reshape(-1))
    state.users[platforms] *= leaving


def competitors(step: Step, lost: Float, revenue: Float) -> Float:
    r"""Return who gets the income that others lose: :math:`x_j = R_j \sum_{i \ne j} \ell_i / (R - R_i)`.

    Parameters
    ----------
    step : Step
        Where we are.
    lost : float64[n_agents, n_lanes], currency
        Income lost.
    revenue : float64[n_agents, n_lanes], currency a year
        Of agents that work.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        Of the same sum; households keep what no competitor is there to get.
    """
    others = of_group(step.system, revenue) - revenue
    # a sum less itself leaves rounding where nobody else is
    others = np.where(others > 1e-12 * revenue, others, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(others > 0.0, lost / others, 0.0)
    found = revenue * (of_group(step.system, rate) - rate)
    found = np.where(found > 0.0, found, 0.0)
    found[step.state.row("households")] += summed(np.where(others > 0.0, 0.0, lost))
    return found
