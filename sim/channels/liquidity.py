"""L: depositors, lenders and fund holders leave whom they believe in less; who is asked for cash looks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import model_validator

from sim.channels import collateral, defence, rollover, withdrawals
from sim.channels import funds as money_market
from sim.channels.base import CHANNELS, Channel, Step
from sim.channels.beliefs import BELIEF_COLUMNS, Learning, begin, update
from sim.channels.collateral import Lender, Repo
from sim.channels.defence import Rules, Way
from sim.channels.funds import FundRules
from sim.channels.rollover import Rollover
from sim.channels.settlement import closed_banks, flows, is_busy, settle
from sim.channels.withdrawals import Depositors
from sim.errors import Problem, nearest, shown
from sim.metrics.ratios import RISK_WEIGHTS, CoverageRules, classes_of, coverage
from sim.state import Column
from sim.system import System


@CHANNELS.register("liquidity")
class Liquidity(Channel):
    r"""Runs of depositors, lenders and fund holders, and what banks do against them.

    Signal of j: what it withdraws; layers: overnight claims and accounts, read from lender to borrower, and deposits;
    response of i: it pays from reserves, calls its own overnight claims, pledges securities, sells them, and borrows
    from the central bank; what it cannot pay closes it.

    Depositors leave at the hazard :math:`\lambda_s \phi_i x^+_{is}` where belief has fallen; banks short of liquid
    assets do not renew overnight lending; holders of fund shares leave a fund that lost, whose sponsor is in the news,
    or whose gate is near. All is excess over what it is before any event.

    References
    ----------
    Rochet and Vives (2004); Gai, Haldane and Kapadia (2011); Cipriani, Martin, McCabe and Parigi (2014); Basel
    Committee on Banking Supervision (2013); Bagehot (1873).
    """

    letter: ClassVar[str] = "L"
    phases: ClassVar[Mapping[str, str]] = {
        "beliefs": "learn",
        "funding": "ask",
        "liquidity": "defend",
        "credit": "pay",
        "policy": "mark",
    }
    columns: ClassVar[tuple[Column, ...]] = (
        *BELIEF_COLUMNS,
        *withdrawals.COLUMNS,
        *rollover.COLUMNS,
        *money_market.COLUMNS,
        *collateral.COLUMNS,
    )

    learning: Learning = Learning()
    """What the public knows, and how fast it learns."""

    depositors: Depositors = Depositors()
    """Who leaves a bank, and where to."""

    rollover: Rollover = Rollover()
    """When banks hoard, and what they do not renew then."""

    coverage: CoverageRules = CoverageRules()
    """How the liquidity coverage ratio is reckoned."""

    repo: Repo = Repo()
    """Borrowing against securities."""

    funds: FundRules = FundRules()
    """Who redeems fund shares, and what funds pay."""

    lender: Lender = Lender()
    """The lender of last resort."""

    defence: tuple[Way, ...] = ("reserves", "overnight", "repo", "sale", "lender-of-last-resort")
    """Where a bank looks for cash, first things first; reserves are those above the bank's minimum, the rest of which
    it spends before it borrows from the central bank."""

    @model_validator(mode="after")
    def _once_each(self) -> Liquidity:
        if len(set(self.defence)) < len(self.defence):
            raise ValueError(f"defence names a way twice: {', '.join(self.defence)}")
        if self.depositors.to_funds + self.depositors.to_cash > 1.0:
            raise ValueError(
                f"depositors.to_funds = {self.depositors.to_funds:g} and depositors.to_cash = "
                f"{self.depositors.to_cash:g} add to more than 1"
            )
        return self

    @property
    def rules(self) -> Rules:
        """What a bank's defence goes by."""
        return Rules(self.defence, self.repo, self.lender, self.rollover, self.coverage)

    def problems(self, mode: str, system: System) -> list[Problem]:
        """Return which classes of securities these parameters name that nobody knows.

        Parameters
        ----------
        mode : {"static", "dynamic"}
            How the scenario is played.
        system : System
            What it is played on.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        known = sorted({*RISK_WEIGHTS, *classes_of(system)})
        named = (
            ("coverage.level_1", self.coverage.level_1),
            ("coverage.level_2", tuple(self.coverage.level_2)),
            ("repo.haircuts", tuple(self.repo.haircuts)),
        )
        return [
            Problem(
                f"channels.liquidity.{key}: unknown class {shown(name)}{nearest(name, known)} "
                f"(known: {', '.join(known)})",
                key=f"channels.liquidity.{key}",
            )
            for key, names in named
            for name in names
            if name not in known
        ]

    def begin(self, step: Step) -> None:
        """Let the public know the truth and banks their liquidity coverage; turn a part of their debt into repo.

        Parameters
        ----------
        step : Step
            Before the first one.
        """
        collateral.begin(step, self.repo)
        begin(step)
        step.state.lcr[step.state.banks] = coverage(step.system, step.state, self.coverage).ratio

    def learn(self, step: Step) -> None:
        """Let the public learn.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        update(step)

    def ask(self, step: Step) -> None:
        """Let depositors, lenders and holders of fund shares ask for their money, and repo lenders for margin.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        open_ = np.where(closed_banks(step.state)[step.state.banks], 0.0, 1.0) * (step.on > 0.0)
        money_market.mark(step)
        withdrawals.ask(step, self.depositors, open_)
        rollover.look(step, self.rollover, self.coverage, self.repo, open_)
        money_market.ask(step, self.funds, self.depositors)
        collateral.margin_calls(step, self.repo, self.lender, open_)

    def defend(self, step: Step) -> None:
        """Let banks and funds look for the cash that they are going to need.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        state, rows = step.state, step.state.rows("funds")
        if not is_busy(step):
            for kind in (state.banks, rows):
                if state.cash_wanted[kind].any():
                    state.cash_wanted[kind] = np.where(step.on > 0.0, 0.0, state.cash_wanted[kind])
            return
        closed = closed_banks(state)
        made = flows(self, step, closed)
        deposits = rollover.deposits_of(state)
        for left, came in zip(made.leaving, made.entering, strict=True):
            deposits = deposits - left + came
        defence.defend(step, self.rules, state.cash[state.banks] - made.cash, deposits, closed)
        short = np.maximum(0.0, state.redemption_due[rows] - made.redeemed)
        np.copyto(state.cash_wanted[rows], short, where=step.on > 0.0)

    def pay(self, step: Step) -> None:
        """Pay what is asked for, before losses are cleared; close banks that cannot.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        if is_busy(step):
            settle(self, step)

    def mark(self, step: Step) -> None:
        """Set the price of fund shares to what the funds own.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        money_market.mark(step)
