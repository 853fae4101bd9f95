"""Pools of loans that are repaid and not lent anew: by a suspension, or because a cap is exceeded.

Borrowers repay from their money and, beyond it, by selling what the loans had bought to outside investors: real assets
change hands, nothing is destroyed, and the credit that they do without is counted in `withheld`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.channels.base import Step
from sim.channels.cases import DONE
from sim.kernels.special import exp
from sim.ledger.balance import net_worth, summed
from sim.networks.pools import Pool
from sim.state import State

if TYPE_CHECKING:
    from sim.channels.compliance import Compliance


def run_down(channel: Compliance, step: Step, early: Float) -> None:
    """Let borrowers repay what may not be lent again.

    Parameters
    ----------
    channel : Compliance
        Its parameters.
    step : Step
        Where we are.
    early : float64[n_agents, n_lanes], 1
        Part of what exceeds a cap that is repaid before the cap is in force.
    """
    state, found = step.state, step.system.pools
    capped = state.partner_cap.any() or state.joint_cap.any() or state.own_share.any()
    if not found or not (capped or state.suspended.any()):
        return
    natural = 1.0 - exp(-step.days / channel.pool_days)
    parts = [np.maximum(state.suspended, state.suspended[row]) * natural for _, row in found]
    if capped:
        for part, above in zip(parts, _above_caps(step, found), strict=True):
            np.maximum(part, _pace(step, above, early, natural), out=part)
    _repay(step, found, [part * (step.on > 0.0) for part in parts])
    counted = (step.on > 0.0) & (state.pending <= 0.0)
    state.transition_for[...] = np.maximum(0.0, state.transition_for - step.days * counted)


def _pace(step: Step, above: Float, early: Float, natural: float) -> Float:
    """Part of a holding that is repaid now, given the part above its cap: float64[n_agents, n_lanes].

    Before the date what was prepared for; in the transition an even pace, so that it ends at the cap; afterwards, where
    losses of equity have lowered the cap, as loans fall due.
    """
    state = step.state
    with np.errstate(divide="ignore", invalid="ignore"):
        even = np.where(state.transition_for > DONE, np.minimum(1.0, step.days / state.transition_for), 0.0)
    later = np.where(state.transition_for > DONE, above * even, np.minimum(above, natural))
    return np.where(state.pending > 0.0, above * early, later)


def _above_caps(step: Step, found: tuple[Pool, ...]) -> list[Float]:
    """Part of each agent's holding of each pool that is above a cap, float64[n_agents, n_lanes] by pool."""
    state, banks = step.state, step.state.banks
    held = [np.maximum(0.0, state.units[banks, asset]) * state.price[asset] for asset, _ in found]
    joint = np.zeros_like(held[0])
    for value in held:
        joint += value
    equity = np.maximum(0.0, net_worth(state)[banks])
    partner, share = state.partner_cap[banks], state.joint_cap[banks]
    with np.errstate(divide="ignore", invalid="ignore"):
        most = np.where(share < 1.0, share * state.loans[banks] / (1.0 - share), np.inf)
        above_joint = np.where((share > 0.0) & (joint > most), 1.0 - most / joint, 0.0)
    parts = []
    for (asset, row), value in zip(found, held, strict=True):
        # of a platform that has failed nobody asks a share, and investors hold what it held
        floor, others = state.own_share[row] * state.alive[row], summed(value)
        own = np.maximum(0.0, state.units[row, asset]) * state.price[asset]
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(floor > 0.0, own * (1.0 - floor) / floor, np.inf)
            above = np.where(others > room, 1.0 - room / others, 0.0) * (value > 0.0)
            most = partner * equity
            above = np.maximum(above, np.where((partner > 0.0) & (value > most), 1.0 - most / value, 0.0))
        part = np.zeros((state.n_agents, state.n_lanes))
        part[banks] = np.maximum(above, above_joint * (value > 0.0))
        parts.append(part)
    return parts


def _repay(step: Step, found: tuple[Pool, ...], parts: list[Float]) -> None:
    """Let borrowers buy their debt back, at what it is carried at."""
    state, ledger, people = step.state, step.ledger, step.state.people
    payer, outside = state.row("underserved"), state.row("outside")
    sold = np.zeros((people.stop, state.units.shape[1], state.n_lanes))
    for (asset, _), part in zip(found, parts, strict=True):
        sold[:, asset] = np.maximum(0.0, state.units[people, asset]) * part[people]
    bill = _bills(state, sold, found)
    total = summed(bill)
    if not total.any():
        return
    # borrowers without anything left repay nothing: what they owe is lost by credit, not here
    able = state.cash[payer] + state.real_assets[payer]
    scale = np.divide(able, total, out=np.ones_like(total), where=total > able)
    sold *= scale
    bill *= scale
    short = np.maximum(0.0, summed(bill) - state.cash[payer])
    ledger.fund_investors(short, "compliance")
    ledger.transfer("real_assets", slice(payer, payer + 1), outside, short[None], "compliance")
    ledger.transfer_units(people, payer, sold, state.price, "compliance")
    for (_, row), repaid in zip(found, bill, strict=True):
        state.withheld[row] += repaid


def _bills(state: State, sold: Float, found: tuple[Pool, ...]) -> Float:
    """What is repaid of each pool, float64[n_pools, n_lanes], currency."""
    return np.stack([summed(sold[:, asset]) * state.price[asset] for asset, _ in found])
