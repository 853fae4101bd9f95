"""K: who is below the standard may be found out, fined and suspended; others like it are looked at next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float, empty
from sim.channels.base import CHANNELS, Channel, Step
from sim.channels.cases import close_cases, open_cases
from sim.channels.peers import of_group
from sim.channels.rollover import Rollover, lines
from sim.channels.run_down import run_down
from sim.channels.shares import mark_down
from sim.channels.standards import YEAR, keep_up, own_gap, trait, turnover
from sim.kernels.books import is_zero
from sim.kernels.conduct import detection_chance
from sim.kernels.special import exp
from sim.ledger.accounts import draw
from sim.metrics.ratios import CoverageRules
from sim.state import AGENTS, BANKS, Column

SUPERVISED = (BANKS, "tech_firms", "platforms")
"""Types of agents that can be found out: funds have nobody to fine."""

COLUMNS = (
    Column("fines_due", "currency", "Fines imposed and not yet paid", SUPERVISED, "", "government", rank="junior"),
    Column("fined", "currency", "Fines imposed so far", SUPERVISED, memo=True),
    Column("standard", "1", "Rise of the standard in force that the agent had not prepared for", SUPERVISED),
    Column("maturity", "1", "Rise of the agent's compliance since a rule came into force", SUPERVISED),
    Column("improved", "1", "Rise of the agent's compliance since the start, before a date or after it", SUPERVISED),
    Column("announced", "1", "Rise of the standard that is published and not yet in force", SUPERVISED),
    Column("prepared", "1", "Share of a published rule that the agent meets before its date", SUPERVISED),
    Column("pending", "1", "1 while a published rule is not yet in force", SUPERVISED),
    Column("notice_for", "days", "Time until a published rule is in force", SUPERVISED),
    Column("scrutiny", "1/year", "What detections among its like add to an agent's detection hazard", SUPERVISED),
    Column("case_for", "days", "Time until the case against an agent is closed", SUPERVISED),
    Column("suspended", "1", "1 while an agent may do no new business", SUPERVISED),
    Column("charged", "1", "1 where an event brings a case whatever was found", SUPERVISED),
    Column("charged_fine", "1", "Fine of that case as a share of a year's turnover", SUPERVISED),
    Column("charged_days", "days", "Suspension of that case", SUPERVISED),
    Column("partner_cap", "1", "Most that a bank may fund of one platform's pool, of its equity; 0: none", (BANKS,)),
    Column("joint_cap", "1", "Most that a bank may fund of all pools, of its loans and pools; 0: none", (BANKS,)),
    Column("own_share", "1", "Least share of its own pool that a platform must fund; 0: none", ("platforms",)),
    Column("transition_for", "days", "Time until caps must be met", (BANKS,)),
    Column("withheld", "currency", "Repaid by borrowers and not lent again", AGENTS, memo=True),
)

STIRS = (
    *("breach", "charged", "pending", "standard", "case_for", "scrutiny", "news", "hoarding"),
    *("fines_due", "partner_cap", "joint_cap", "own_share"),
)
"""Columns of which one must differ from zero for anything to happen."""


def illiquid(step: Step) -> Float:
    """Return which banks have a liquidity coverage ratio below its minimum, as the liquidity channel last saw it.

    Parameters
    ----------
    step : Step
        Where we are.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        1 where it is below the rule, or below 0.95 of what the bank started with where that is less; 0 where the
        liquidity channel does not act.
    """
    state, found = step.state, np.zeros((step.state.n_agents, step.state.n_lanes))
    channel = step.channels.get("liquidity")
    rules, coverage = getattr(channel, "rollover", None), getattr(channel, "coverage", None)
    if isinstance(rules, Rollover) and isinstance(coverage, CoverageRules):
        banks = state.banks
        plain = rules.model_copy(update={"coverage_buffer": 0.0})
        found[banks] = (state.lcr[banks] < lines(step.system, plain, coverage)[0]) & (state.hoarding[banks] > 0.0)
    return found


@CHANNELS.register("compliance")
class Compliance(Channel):
    r"""Detections, fines, suspensions and forced run-downs, in excess of what would have come anyway.

    Signal of j: a detection; layer: agents of its type and kind; response of i: its detection hazard rises. The hazard
    is :math:`d_0 + d_1 g_i` a year with the gap :math:`g_i = (s - m_i)^+` of maturity below the standard, and a
    detection costs :math:`F_i = \min(f_{max}, f_0 + f_1 g_i)` of a year's turnover, owed to the government. Without
    an event the gaps of the start bring no detection.

    References
    ----------
    Personal Information Protection Law of China (2021), article 66: fines up to 5 % of turnover. Observed: Didi 4.6 %,
    Alibaba 4 %, Meituan 3 %.
    """

    letter: ClassVar[str] = "K"
    phases: ClassVar[Mapping[str, str]] = {"compliance": "step"}
    columns: ClassVar[tuple[Column, ...]] = COLUMNS

    detection_rate: float = Field(default=0.02, ge=0, le=10)
    """Hazard of a detection at a gap of zero, d0, per year; acts only with `baseline`. Assumed."""

    detection_slope: float = Field(default=0.1, ge=0, le=100)
    """What a gap of 1 adds to the hazard, d1, per year. Assumed."""

    baseline: bool = False
    """Whether detections that would have come without any event are played as well."""

    fine_floor: float = Field(default=0.01, ge=0, le=1)
    """Fine at a gap of zero, f0, share of a year's turnover. Assumed."""

    fine_slope: float = Field(default=0.1, ge=0, le=1)
    """What a gap of 1 adds to the fine, f1, share of a year's turnover. Assumed."""

    fine_cap: float = Field(default=0.05, ge=0, le=1)
    """Largest fine, that of a `penalty` included, share of a year's turnover. Personal Information Protection Law."""

    breach_gap: float = Field(default=0.3, ge=0, le=10)
    """What an unanswered breach of data adds to the gap, 1. Assumed."""

    suspension_days: float = Field(default=60.0, ge=0, le=10_000)
    """How long a suspension lasts, Ts, days. Assumed."""

    suspension_slope: float = Field(default=0.5, ge=0, le=100)
    """Chance of a suspension per unit of gap, given a detection, at most 1. Assumed."""

    suspension_cut: float = Field(default=0.5, ge=0, le=1)
    """Share of its own service that a suspended technology firm or platform may not give. Assumed."""

    case_days: float = Field(default=20.0, ge=0, le=10_000)
    """How long a case without suspension stays open, and in the news, days. Assumed."""

    sweep: float = Field(default=0.5, ge=0, le=100)
    """What a detection adds to the hazard of each agent of the same type and kind, per year. Assumed."""

    sweep_days: float = Field(default=60.0, gt=0, le=10_000)
    """Time in which that fades to 1/e, days. Assumed."""

    scrutiny_of_news: float = Field(default=0.2, ge=0, le=100)
    """What the worst news about an agent adds to its hazard, per year. Assumed."""

    scrutiny_of_illiquidity: float = Field(default=0.2, ge=0, le=100)
    """What a liquidity coverage ratio below its minimum adds to a bank's hazard, per year. Assumed."""

    published: float = Field(default=0.5, ge=0, le=1)
    """Part of a rule that agents meet before its date because it was published, psi_ante, 1. Assumed."""

    rule_rate: float = Field(default=0.0, ge=0, le=100)
    """Rate of rule changes beyond those of the scenario, lamR, per year."""

    rule_size: float = Field(default=0.1, ge=0, le=10)
    """Rise of the standard by one of them, 1. Assumed."""

    cost_of_maturity: float = Field(default=0.02, ge=0, le=10)
    """Price of a unit of maturity, ck, share of a year's turnover; buys real assets. Assumed."""

    remedy_days: float = Field(default=120.0, gt=0, le=10_000)
    """Time in which an agent closes all but 1/e of what a rule change surprised it with, days. Assumed."""

    pool_days: float = Field(default=250.0, gt=0, le=10_000)
    """Time in which borrowers repay all but 1/e of a pool into which nothing is lent anew, days. Assumed."""

    share_response: float = Field(default=1.0, ge=0, le=10)
    """What a fine takes off the market value of its payer's shares, share of the fine. Assumed."""

    def step(self, step: Step) -> None:
        """Play the compliance phase: rules, detections, fines, cases, run-downs, payment of fines.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        if not self._busy(step):
            return
        early = keep_up(self, step)
        close_cases(self, step)
        found, share = self._found(step)
        step.state.scrutiny[...] *= np.where(step.on > 0.0, exp(-step.days / self.sweep_days), 1.0)
        if found.any():
            self._fine(step, found, share)
        run_down(self, step, early)
        self._collect(step)

    def _busy(self, step: Step) -> bool:
        """Whether anything can happen: a step without is a step in which all of this comes to nothing."""
        state = step.state
        stirs = (state.columns[name] for name in STIRS if name in state.by_name)
        return self.baseline or self.rule_rate > 0.0 or not all(is_zero(column) for column in stirs)

    def gap(self, step: Step) -> Float:
        """Return how far each agent is below the standard, an unanswered breach included.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            Not negative; 0 for agents that nobody supervises.
        """
        found = own_gap(step) + self.breach_gap * step.state.breach
        found[step.state.debtors.stop :] = 0.0
        return found

    def chance(self, step: Step, gap: Float) -> Float:
        """Return the chance that each agent is found out within the step.

        Parameters
        ----------
        step : Step
            Where we are.
        gap : float64[n_agents, n_lanes], 1
            From `gap`.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            In excess of the start, unless `baseline`.
        """
        state, start = step.state, trait(step.system, "gap")
        pressing = state.scrutiny.copy()
        if "news" in state.by_name:
            pressing += self.scrutiny_of_news * state.news
        pressing += self.scrutiny_of_illiquidity * illiquid(step)
        out = empty(*gap.shape)
        base = self.detection_rate if self.baseline else 0.0
        usual = np.zeros_like(start) if self.baseline else start
        detection_chance(gap, usual, pressing, base, self.detection_slope, step.days / YEAR, out)
        return out

    def _found(self, step: Step) -> tuple[Bool, Float]:
        """Who is found out now, bool[n_agents, n_lanes], and its fine as a share of turnover."""
        state = step.state
        gap = self.gap(step)
        chance = self.chance(step, gap)
        free = (state.alive > 0.0) & (state.case_for <= 0.0) & (step.on > 0.0)
        charged = (state.charged > 0.0) & (state.alive > 0.0) & (step.on > 0.0)
        found = charged
        if chance.any():
            found = charged | ((step.uniform("channels.compliance.detection", state.ids) < chance) & free)
        if not found.any():
            return found, gap
        share = np.where(charged, state.charged_fine, self.fine_floor + self.fine_slope * gap)
        open_cases(self, step, found, charged, gap)
        for name in ("charged", "charged_fine", "charged_days"):
            state.columns[name][charged] = 0.0
        return found, np.minimum(self.fine_cap, share)

    def _fine(self, step: Step, found: Bool, share: Float) -> None:
        """Impose fines; the breach is answered, shareholders lose, and who is like the fined is looked at."""
        state, people = step.state, step.state.people
        fine = share * found * turnover(step.system)[:, None]
        step.ledger.create("fines_due", people, fine[people], "compliance")
        state.fined[...] += fine
        state.breach[found] = 0.0
        seen = found.astype(np.float64)
        state.scrutiny[...] += self.sweep * (of_group(step.system, seen) - seen)
        mark_down(step, self.share_response * fine, "compliance")

    def _collect(self, step: Step) -> None:
        """Let agents pay what they owe in fines as far as they have money; the rest stays owed."""
        state, people = step.state, step.state.people
        due = step.passed("fines", state.fines_due * (step.on > 0.0) * (state.alive > 0.0))
        if due.any():
            paid = draw(state, step.ledger, due, "compliance")[people]
            step.ledger.settle("fines_due", people, paid, paid, "compliance")
