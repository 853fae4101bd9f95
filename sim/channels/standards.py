"""Standards rise by rules; agents meet a part before the date and buy the rest of their compliance afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Bool, Float, empty
from sim.channels.base import Step
from sim.channels.cases import DONE
from sim.kernels.conduct import gaps
from sim.kernels.special import exp
from sim.ledger.accounts import draw
from sim.ledger.balance import summed
from sim.system import System

if TYPE_CHECKING:
    from sim.channels.compliance import Compliance

YEAR = 250.0
"""Business days of a year."""


def trait(system: System, name: str) -> Float:
    """Return a trait of all agents.

    Parameters
    ----------
    system : System
        Before the shock.
    name : str
        Such as ``"gap"``.

    Returns
    -------
    float64[n_agents]
        0 where the system says nothing.
    """
    return system.traits.get(name, np.zeros(len(system.ids)))


def turnover(system: System) -> Float:
    """Return what fines and compliance costs are shares of.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    float64[n_agents], currency a year
        Turnover, and revenue where no turnover is given.
    """
    stated = trait(system, "turnover")
    return np.where(stated > 0.0, stated, trait(system, "revenue"))


def own_gap(step: Step) -> Float:
    """Return how far each agent is below the standard, breaches apart.

    Parameters
    ----------
    step : Step
        Where we are.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        Not negative.
    """
    state, out = step.state, empty(*step.state.standard.shape)
    gaps(trait(step.system, "gap"), state.standard, state.maturity, out)
    return out


def keep_up(channel: Compliance, step: Step) -> Float:
    r"""Bring rules nearer and into force, and let agents close what surprised them, as far as they can pay.

    Between publication and its date, the part :math:`\psi` of a rule is met at an even pace; on the date the standard
    rises by what is left, :math:`(1 - \psi) \Delta s`, and then closes as :math:`e^{-t/T}`. Maturity is bought:
    cash goes to borrowers against real assets, so equity stays as it is.

    Parameters
    ----------
    channel : Compliance
        Its parameters.
    step : Step
        Where we are.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        Part of what is left of each published rule that was met in this step: what exposures above a new cap fall by.
    """
    state = step.state
    _chance_rules(channel, step)
    state.pending[...] *= step.on > 0.0  # where the channel is off a rule is never in force, nor waits for it
    if not (state.pending.any() or state.standard.any()):
        return np.zeros_like(state.pending)
    pending = (state.pending > 0.0) & (step.on > 0.0)
    waiting = pending & (state.notice_for > DONE)
    with np.errstate(divide="ignore", invalid="ignore"):
        passed = np.where(waiting, np.minimum(1.0, step.days / state.notice_for), 1.0)
    early = np.where(pending, passed * np.maximum(0.0, channel.published - state.prepared), 0.0)
    surprise = own_gap(step) - np.maximum(0.0, trait(step.system, "gap"))[:, None]
    late = np.maximum(0.0, surprise) * (1.0 - exp(-step.days / channel.remedy_days)) * (step.on > 0.0)
    done = _buy(channel, step, state.announced * early + late)
    state.maturity[...] += late * done
    state.improved[...] += (state.announced * early + late) * done
    met = state.prepared + early * done
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(waiting & (state.prepared < 1.0), (met - state.prepared) / (1.0 - state.prepared), 0.0)
    state.prepared[...] = np.where(pending, met, state.prepared)
    state.notice_for[waiting] = np.maximum(0.0, state.notice_for - step.days)[waiting]
    _enter_into_force(step, pending & ~waiting)
    return np.asarray(part)


def _enter_into_force(step: Step, due: Bool) -> None:
    state = step.state
    state.standard[...] += np.where(due, state.announced * (1.0 - state.prepared), 0.0)
    for name in ("announced", "prepared", "pending", "notice_for"):
        state.columns[name][due] = 0.0


def _chance_rules(channel: Compliance, step: Step) -> None:
    """Let rules come up that no scenario wrote: one for all agents, in force at once or with the one pending."""
    if not channel.rule_rate > 0.0:
        return
    state, debtors = step.state, step.state.debtors
    chance = 1.0 - exp(-channel.rule_rate * step.days / YEAR)
    comes = (step.uniform("channels.compliance.rule", ("rule",))[0] < chance) & (step.on > 0.0)
    state.announced[debtors] += channel.rule_size * comes
    np.maximum(state.pending[debtors], comes, out=state.pending[debtors])


def _buy(channel: Compliance, step: Step, wanted: Float) -> Float:
    """Pay for maturity, and return the part of it that each agent could pay: float64[n_agents, n_lanes]."""
    state, ledger, people = step.state, step.ledger, step.state.people
    cost = channel.cost_of_maturity * turnover(step.system)[:, None] * wanted * (state.alive > 0.0)
    if not cost.any():
        return np.ones_like(wanted)
    sellers = state.row("borrowers")
    total = summed(cost)
    able = np.divide(
        state.real_assets[sellers], total, out=np.ones_like(total), where=total > state.real_assets[sellers]
    )
    paid = draw(state, ledger, cost * able, "compliance")
    # bought, not sold: the amount goes the other way
    ledger.transfer("real_assets", people, sellers, -paid[people], "compliance")
    return np.divide(paid, cost, out=np.ones_like(paid), where=cost > 0.0)
