"""What a bank does when it is asked for more than it wants to spend: it calls, pledges, sells, borrows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sim.arrays import Bool, Float
from sim.channels.base import Step
from sim.channels.collateral import Lender, Repo, collateral, lender_room, pledge, pledged_to_lender
from sim.channels.rollover import LAYER, Rollover, lines
from sim.ledger.balance import reach, summed
from sim.metrics.ratios import CoverageRules

Way = Literal["reserves", "overnight", "repo", "sale", "lender-of-last-resort"]
"""Where a bank finds cash."""


@dataclass(frozen=True)
class Rules:
    """What a bank's defence goes by.

    Parameters
    ----------
    order : tuple of str
        Where cash is looked for, first things first.
    repo, lender, rollover, coverage : Repo, Lender, Rollover, CoverageRules
        Terms of each.
    """

    order: tuple[Way, ...]
    repo: Repo
    lender: Lender
    rollover: Rollover
    coverage: CoverageRules

    def room(self, step: Step) -> Float:
        """Return what each bank may still borrow from the lender of last resort.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        float64[n_banks, n_lanes], currency
            Zero where the order does not name it.
        """
        if "lender-of-last-resort" in self.order:
            return lender_room(step, self.repo, self.lender)
        return np.zeros((step.state.banks.stop, step.state.n_lanes))


def minimum_reserves(step: Step, rules: Rules, deposits: Float) -> Float:
    """Return the reserves that each bank wants to keep.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rules
        Hold the share of deposits.
    deposits : float64[n_banks, n_lanes], currency
        Theirs.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        They are spent only after everything else.
    """
    return lines(step.system, rules.rollover, rules.coverage, rules.repo)[1] * deposits


def defend(step: Step, rules: Rules, due: Float, deposits: Float, closed: Bool) -> None:
    """Let every bank look for the cash it is going to need: ``called``, ``repo``, ``cash_wanted``.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rules
        Where it looks, and in which order.
    due : float64[n_banks, n_lanes], currency
        What it is to pay in the step beyond what it is paid, everybody paying in full.
    deposits : float64[n_banks, n_lanes], currency
        Its deposits then.
    closed : bool[n_agents, n_lanes]
        Banks that do nothing any more.
    """
    state, banks = step.state, step.state.banks
    open_ = (step.on > 0.0) & ~closed[banks]
    need = np.maximum(0.0, due) * open_
    spare = np.maximum(0.0, state.cash[banks] - minimum_reserves(step, rules, deposits)) * open_
    wanted = np.zeros_like(need)
    for way in rules.order:
        if not need.any():
            break
        if way == "reserves":
            used = np.minimum(need, spare)
            need, spare = need - used, spare - used
        elif way == "overnight":
            need, spare = _call(step, need, spare, closed)
        elif way == "repo":
            need = need - _borrow(step, rules, need)
        elif way == "sale":
            wanted, need = need, np.zeros_like(need)
        else:
            need = need - np.minimum(need, rules.room(step))
    np.copyto(state.cash_wanted[banks], wanted, where=step.on > 0.0)


def _call(step: Step, need: Float, spare: Float, closed: Bool) -> tuple[Float, Float]:
    """Renew less overnight lending, as far as needed; return what is then needed and spare, borrowers' dues in it."""
    state, banks = step.state, step.state.banks
    claims = state.layers.get(LAYER)
    if claims is None:
        return need, spare
    lives = state.alive * ~closed
    left = (claims.kept * (1.0 - state.called) * reach(claims.rows, claims.drawn * lives))[banks]
    share = np.divide(need, left, out=np.zeros_like(need), where=left > 0.0)
    share = np.minimum(1.0, share)
    more = np.zeros_like(state.called)
    more[banks] = (1.0 - state.called[banks]) * share
    asked = (claims.drawn * lives * reach(claims.columns, claims.kept * more))[banks]
    state.called[banks] += more[banks]
    need = need - share * left
    used = np.minimum(spare, asked)
    return np.maximum(0.0, need) + (asked - used), spare - used


def _borrow(step: Step, rules: Rules, need: Float) -> Float:
    """Borrow against securities that are not pledged yet; return how much."""
    state, ledger, banks = step.state, step.ledger, step.state.banks
    most = collateral(step, rules.repo) * (1.0 - pledged_to_lender(state, rules.lender))
    room = np.maximum(0.0, most - state.repo[banks])
    found = np.minimum(need, room)
    if found.any():
        ledger.fund_investors(summed(found), "liquidity")
        ledger.create("repo", banks, found, "liquidity", for_cash=True)
        pledge(step, rules.repo, rules.lender)
    return found
