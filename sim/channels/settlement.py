"""The end of the day: what is asked for is paid, and a bank that cannot pay all of it pays none and is closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Bool, Float, empty
from sim.channels import funds as money_market
from sim.channels.base import Step
from sim.channels.collateral import borrowed0, pledge
from sim.channels.defence import minimum_reserves
from sim.channels.rollover import LAYER as OVERNIGHT
from sim.channels.rollover import Rolled, deposits_of, moved, roll
from sim.channels.similarity import assets0
from sim.channels.standards import YEAR
from sim.channels.withdrawals import SEGMENTS
from sim.kernels.books import is_zero
from sim.kernels.runs import flee
from sim.ledger.accounts import LAYER as ACCOUNTS
from sim.ledger.balance import reach, summed
from sim.state import State

if TYPE_CHECKING:
    from sim.channels.liquidity import Liquidity

SOURCE = "liquidity"
ROUNDING = 1e-12
"""Shortage, as a share of a bank's assets before any event, that is rounding."""


@dataclass(frozen=True)
class Flows:
    """What is paid in a step when these banks are closed.

    Parameters
    ----------
    leaving, entering : float64[n_segments, n_banks, n_lanes], currency
        Deposits withdrawn, and deposits that have found another bank.
    margin : float64[n_banks, n_lanes], currency
        Repo that must be paid back.
    overnight, accounts : Rolled or None
        Claims between banks, and of firms and funds on banks; None where nothing moves.
    redeemed, bought : float64[n_funds, n_lanes], currency
        Fund shares given back, at their price, and bought.
    cash : float64[n_banks, n_lanes], currency
        Reserves after all of it.
    """

    leaving: Float
    entering: Float
    margin: Float
    overnight: Rolled | None
    accounts: Rolled | None
    redeemed: Float
    bought: Float
    cash: Float


def closed_banks(state: State) -> Bool:
    """Return which banks neither pay nor call: failed, or about to be.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    bool[n_agents, n_lanes]
        False for all but banks.
    """
    banks = state.banks
    found = np.zeros((state.n_agents, state.n_lanes), dtype=np.bool_)
    found[banks] = (
        (state.alive[banks] <= 0.0) | (state.is_defaulted[banks] > 0.0) | (state.ordered_to_fail[banks] > 0.0)
    )
    return found


def is_busy(step: Step) -> bool:
    """Return whether anything can happen: a step without is a step in which all of this comes to nothing.

    Parameters
    ----------
    step : Step
        Where we are, after depositors, lenders and holders have asked.

    Returns
    -------
    bool
        In any lane.
    """
    state = step.state
    told = ("asked_insured", "asked_uninsured", "asked_wholesale", "run", "called", "margin_due", "redemption_due")
    owed = ("lolr", "repo")
    if not all(is_zero(state.columns[name]) for name in (*told, *owed)):
        return True
    banks = state.banks
    if (state.cash[banks] < -ROUNDING * assets0(step.system)[banks, None]).any():
        return True
    return OVERNIGHT in state.layers and bool((state.worth < 1.0).any())


def flows(channel: Liquidity, step: Step, closed: Bool) -> Flows:
    """Return what is paid when some banks are closed and all others pay in full.

    Parameters
    ----------
    channel : Liquidity
        Its parameters.
    step : Step
        Where we are.
    closed : bool[n_agents, n_lanes]
        Banks that neither pay nor call.

    Returns
    -------
    Flows
        Nothing is posted.
    """
    state, banks, n = step.state, step.state.banks, step.state.banks.stop
    opened = np.where(closed[banks], 0.0, 1.0) * (step.on > 0.0)
    margin = np.minimum(state.margin_due[banks], state.repo[banks]) * opened
    multipliers, paid = _drawn(channel, step, closed)
    cash, refuge = state.cash[banks] - margin, empty(n, state.n_lanes)
    leaving, pools = empty(len(SEGMENTS), n, state.n_lanes), empty(len(SEGMENTS), state.n_lanes)
    flee(
        tuple(state.columns[f"asked_{name}"][banks] for name in SEGMENTS),
        tuple(state.columns[f"deposits_{name}"][banks] for name in SEGMENTS),
        opened,
        assets0(step.system),
        state.belief,
        state.belief0,
        channel.depositors.shunned,
        cash,
        leaving,
        refuge,
        pools,
    )
    entering, bought = _destinations(channel, step, pools, summed(paid * charged(channel, step)))
    if bought.any():
        multipliers = _deposited(step, closed, multipliers, bought)
    accounts = None if multipliers is None else moved(state, state.layers[ACCOUNTS], *multipliers)
    came = refuge * entering[:, None]
    for segment in came:
        cash += segment
    overnight = roll(step, channel.rollover, closed)
    for part in (overnight, accounts):
        if part is not None:
            cash += part.received[banks]
            cash -= part.repaid[banks]
    return Flows(leaving, came, margin, overnight, accounts, paid, bought, cash)


def _destinations(channel: Liquidity, step: Step, pools: Float, redeemed: Float) -> tuple[Float, Float]:
    """Return what of each segment looks for another bank, and what households put into each fund, currency."""
    rules, target = channel.depositors, money_market.calm(step)
    sizes = summed(target)
    to_funds = np.where(sizes > 0.0, rules.to_funds, 0.0)
    found = pools * (1.0 - rules.to_cash)
    households = pools[0] + pools[1]
    found[:2] -= pools[:2] * to_funds
    found[1] += redeemed * (1.0 - rules.to_cash)
    bought = target * np.divide(households * to_funds, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    return found, bought


def charged(channel: Liquidity, step: Step) -> Float:
    """Return what holders get per unit of shares redeemed.

    Parameters
    ----------
    channel : Liquidity
        Holds the fee.
    step : Step
        Where we are.

    Returns
    -------
    float64[n_funds, n_lanes], 1
        1 where no gate is closed.
    """
    rows = step.state.rows("funds")
    return np.asarray(np.where(step.state.gated[rows] > 0.0, 1.0 - channel.funds.redemption_fee, 1.0))


def _drawn(channel: Liquidity, step: Step, closed: Bool) -> tuple[tuple[Float, Float] | None, Float]:
    """Return multipliers of accounts after runs and what funds draw, and redemptions paid at the price of shares."""
    state, rows = step.state, step.state.rows("funds")
    due = state.redemption_due[rows] * charged(channel, step)
    free = np.maximum(0.0, state.cash[rows])
    claims = state.layers.get(ACCOUNTS)
    if claims is None or not (state.run.any() or (due > free).any()):
        return None, np.minimum(due, free) / charged(channel, step)
    drawn, kept = claims.drawn * (1.0 - state.run * ~closed), claims.kept
    part = money_market.funds_of(step.system).accounts
    before, left = (kept[rows] * reach(part, each * state.alive) for each in (claims.drawn, drawn))
    free = free + (before - left)
    if (due > free).any():
        # a fund with money at a closed bank draws nothing that day: its claims there share alike with all others
        stuck = reach(part, claims.drawn * state.alive * closed) > 0.0
        drawing = np.where(stuck, 0.0, np.minimum(left, np.maximum(0.0, due - free)))
        share = np.zeros_like(kept)
        np.divide(drawing, left, out=share[rows], where=left > 0.0)
        kept = kept * (1.0 - share)
        free = free + drawing
    return (kept, drawn), np.minimum(due, free) / charged(channel, step)


def _deposited(
    step: Step, closed: Bool, before: tuple[Float, Float] | None, bought: Float
) -> tuple[Float, Float] | None:
    """Return the multipliers when funds put what was paid in into their accounts, as they are spread."""
    state, rows = step.state, step.state.rows("funds")
    claims = state.layers.get(ACCOUNTS)
    if claims is None:
        return before
    kept, drawn = (claims.kept, claims.drawn) if before is None else before
    part = money_market.funds_of(step.system).accounts
    whole, stuck = reach(part, drawn * state.alive), reach(part, drawn * state.alive * closed) > 0.0
    rise = np.zeros_like(kept)
    np.divide(bought, whole, out=rise[rows], where=(whole > 0.0) & ~stuck)
    return kept + rise, drawn


def settle(channel: Liquidity, step: Step) -> None:
    """Pay what is asked for; close who cannot, until all others can; let the lender of last resort fill gaps.

    Parameters
    ----------
    channel : Liquidity
        Its parameters.
    step : Step
        Where we are.

    Notes
    -----
    Starting from everybody paying, a bank whose reserves and whose room at the lender of last resort do not cover what
    it owes on balance is closed, and with it goes what others counted on from it; so to rest, after at most n rounds.
    """
    state, banks = step.state, step.state.banks
    closed, on = closed_banks(state), step.on > 0.0
    was, least = closed[banks].copy(), -ROUNDING * assets0(step.system)[banks, None]
    room: Float | None = None
    while True:
        made = flows(channel, step, closed)
        short = on & ~closed[banks] & (made.cash < least)
        if short.any() and room is None:
            room = channel.rules.room(step)
        if room is not None:
            short &= made.cash + room < least
        if not short.any():
            break
        closed[banks] |= short
    _post(channel, step, made)
    _borrow_or_repay(channel, step, np.where(on & ~closed[banks], made.cash, 0.0), least)
    np.maximum(state.ordered_to_fail[banks], closed[banks] & ~was, out=state.ordered_to_fail[banks])
    pledge(step, channel.repo, channel.lender)


def _post(channel: Liquidity, step: Step, made: Flows) -> None:
    """Post all payments of the day."""
    state, ledger, banks = step.state, step.ledger, step.state.banks
    for name, left in zip(SEGMENTS, made.leaving, strict=True):
        if left.any():
            ledger.settle(f"deposits_{name}", banks, left, left, SOURCE)
            state.withdrawn[banks] += left
    if made.overnight is not None:
        ledger.roll(OVERNIGHT, made.overnight.kept, made.overnight.drawn, SOURCE)
    if made.margin.any():
        ledger.settle("repo", banks, made.margin, made.margin, SOURCE)
    money_market.redeem(step, made.redeemed, channel.funds.redemption_fee)
    money_market.issue(step, made.bought)
    if made.accounts is not None:
        ledger.roll(ACCOUNTS, made.accounts.kept, made.accounts.drawn, SOURCE)
        state.withdrawn[banks] += np.maximum(0.0, made.accounts.repaid[banks])
    for name, came in zip(SEGMENTS, made.entering, strict=True):
        if came.any():
            ledger.create(f"deposits_{name}", banks, came, SOURCE, for_cash=True)


def _borrow_or_repay(channel: Liquidity, step: Step, cash: Float, least: Float) -> None:
    """Let banks below zero borrow from the central bank, and those with reserves to spare pay back."""
    state, ledger, banks = step.state, step.ledger, step.state.banks
    need = np.where(cash < least, -cash, 0.0)
    if state.lolr.any():
        interest = state.lolr[banks] * (channel.lender.penalty * step.days / YEAR)
        ledger.create("lolr", banks, interest, SOURCE)
    if need.any():
        ledger.create("lolr", banks, need, SOURCE, for_cash=True)
    spare = np.maximum(0.0, cash - minimum_reserves(step, channel.rules, deposits_of(state))) * (step.on > 0.0)
    for name, floor in (("lolr", 0.0), ("repo", borrowed0(step.system, channel.repo)[0])):
        owed = np.maximum(0.0, state.columns[name][banks] - floor)
        if owed.any():
            back = np.minimum(owed, spare)
            ledger.settle(name, banks, back, back, SOURCE)
            spare = spare - back
    top = state.row("central_bank")
    state.lolr_peak[top] = np.maximum(state.lolr_peak[top], summed(state.lolr[banks]))
