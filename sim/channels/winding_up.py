"""The end of an agent: its debts become claims on the estate, its assets go to investors, the estate pays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.arrays import Bool, Float
from sim.channels.base import Step, TightView
from sim.channels.ranks import Estate
from sim.ledger.balance import claims_face, summed
from sim.state import AGENTS, Column

LEFT_OVER = Column("left_over", "currency", "Left to the owners of a failed agent", AGENTS, memo=True)


@dataclass(frozen=True)
class Terms:
    """On what terms agents are wound up.

    Parameters
    ----------
    estate : Estate
        Means and debts at the clearing values.
    recovery : dict of str to float64[n_agents, n_lanes], 1
        Paid per unit of debt, by rank.
    cost : float64[n_agents, n_lanes], currency
        What failing costs, to the sink.
    discount : float
        Share of real assets that is lost in their sale, 1.
    """

    estate: Estate
    recovery: dict[str, Float]
    cost: Float
    discount: float


def wind_up(step: Step, failing: Bool, terms: Terms) -> None:
    """Settle all debts of failing agents in claims on the estate, and sell all they have but claims on others.

    Parameters
    ----------
    step : Step
        Where we are.
    failing : bool[n_agents, n_lanes]
        Who is wound up.
    terms : Terms
        What their creditors get.
    """
    state, ledger, everyone = step.state, step.ledger, slice(None)
    ledger.settle_claims(failing, terms.recovery["ordinary"] * failing, "credit")
    for name in state.debts:
        face, recovery = state.columns[name] * failing, terms.recovery[state.by_name[name].rank] * failing
        if name == "emoney":
            kept = terms.estate.pledged * failing
            ledger.settle(name, everyone, face, kept + (face - kept) * recovery, "credit", via="estate")
        else:
            ledger.settle(name, everyone, face, face * recovery, "credit", via="estate")
    inside = claims_face(state) * failing
    if terms.cost.any():
        # costs are shares of what the agent had when it failed, as in the valuation that fixed its recovery
        cost = terms.cost * failing
        ledger.create("estate_due", everyone, cost, "credit")
        ledger.create("estate_claims", state.row("deadweight"), summed(cost), "credit")
    if terms.discount > 0.0:
        people = state.people
        ledger.destroy(people, terms.discount * state.real_assets[people] * failing[people], "credit")
    _sell_all(step, failing, inside)
    ledger.create("participations", everyone, inside, "credit", for_cash=True)
    due = state.estate_due * failing
    ledger.settle("estate_due", everyone, due, due, "credit")
    np.copyto(state.left_over, state.cash, where=failing)
    unpaid = state.estate_claims - np.minimum(state.estate0, state.estate_claims)
    np.add(state.estate0, np.maximum(unpaid, 0.0), out=state.estate0)
    state.estate0[state.people] *= ~failing[state.people]


def _sell_all(step: Step, failing: Bool, inside: Float) -> None:
    """Sell everything but claims on other agents to outside investors, who also take over shares that failed."""
    state, ledger, everyone, outside = step.state, step.ledger, slice(None), step.state.row("outside")
    view = TightView(state, state.worth, state.price)
    external = (view.external if view.issued is None else view.external + view.issued) * failing
    ledger.fund_investors(summed(external - state.cash * failing + inside), "credit")
    for column in state.money:
        if (column.asset_on and column.name != "cash") or column.name == "real_assets":
            ledger.transfer(column.name, everyone, outside, state.columns[column.name] * failing, "credit")
    held = state.units * failing[:, None]
    ledger.transfer_units(everyone, outside, np.maximum(held, 0.0), state.price, "credit")
    if state.shares.any():
        # an index of shares has one price: what holders of the failed firm's shares lose, outside investors bear
        ledger.transfer_units(everyone, outside, np.minimum(held, 0.0), np.zeros_like(state.price), "credit")


def pay_out(step: Step, share: float) -> None:
    """Let the estate pay, and pass on what failed agents are still paid, or lose, to who bought their book.

    Parameters
    ----------
    step : Step
        Where we are.
    share : float
        Part of the original claims that is paid now, 1.
    """
    state, ledger, everyone = step.state, step.ledger, slice(None)
    gone = (state.alive <= 0.0).astype(np.float64)
    received = state.estate_claims * gone
    repaid = np.maximum(0.0, state.cash - state.left_over) * gone
    if received.any():
        outside = state.row("outside")
        ledger.fund_investors(summed(received), "credit")
        ledger.transfer("estate_claims", everyone, outside, received, "credit")
        state.estate0[outside] += summed(received)
        state.estate0[...] *= 1.0 - gone
    lapsed = (state.participations - claims_face(state) * gone) * gone
    if lapsed.any():
        ledger.settle("participations", everyone, lapsed, received + np.minimum(repaid, lapsed), "credit")
    paid = np.minimum(state.estate_claims, state.estate0 * share)
    ledger.settle("estate_claims", everyone, paid, paid, "credit")
