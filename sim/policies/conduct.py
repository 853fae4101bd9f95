"""Rules on conduct: who may lend together, and how well data are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.channels.base import Channel, Step
from sim.channels.standards import trait, turnover
from sim.errors import Problem
from sim.ledger.balance import summed
from sim.policies.base import POLICIES, YEAR, Policy, Seat
from sim.shocks.conduct import RuleChange
from sim.system import System


class Rule(Policy):
    """A rule that is published in the run and comes into force."""

    channel: ClassVar[str] = "compliance"

    at: int = Field(default=1, ge=1, le=100_000)
    """Step in which the rule is published, counted from 1."""

    notice: float = Field(default=0.0, ge=0, le=10_000)
    """Time from publication until the rule is in force, days."""

    @property
    def published(self) -> int | None:
        """Step in which it comes as a rule."""
        return self.at

    def change(self, seat: Seat) -> RuleChange | None:
        """Return the rule as an event.

        Parameters
        ----------
        seat : Seat
            The policy in this run.

        Returns
        -------
        RuleChange or None
            None where nothing is to be published.
        """
        return None

    def turn(self, seat: Seat, step: Step) -> None:
        """Publish the rule in its step; how much of it is met before it is in force says the compliance channel.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.
        """
        rule = self.change(seat) if step.number == self.at else None
        if rule is not None and step.draws is not None:
            rule.strike(step.system, step.state, step.ledger, step.draws, seat.key)


@POLICIES.register("co_lending_rules")
class CoLendingRules(Rule):
    """Caps on loans that banks and platforms make together.

    The platform must fund its part of every pool, a bank may fund one platform's pool up to a share of its equity, and
    all pools up to a share of its loans. What exceeds a cap is repaid and not lent anew, at an even pace until the end
    of the transition: fewer losses on pools, and less credit to those who have no other.

    References
    ----------
    China Banking and Insurance Regulatory Commission (2021), No. 24: a partner funds at least 30 % of each joint loan,
    loans with one partner are at most 25 % of net tier 1 capital, all joint loans at most 50 % of total loans.
    """

    usual: ClassVar[str] = "platforms"

    own_share: float = Field(default=0.3, ge=0, le=1)
    """Least share of its own pool that a platform must fund, 1; 0: no such rule."""

    partner_cap: float = Field(default=0.25, ge=0, le=100)
    """Most that a bank may fund of one platform's pool, share of its equity, 1; 0: no such rule."""

    joint_cap: float = Field(default=0.5, ge=0, le=1)
    """Most that a bank may fund of all pools together, share of its loans and pools, 1; 0: no such rule."""

    transition: float = Field(default=220.0, ge=0, le=10_000)
    """Time from its date until what exceeds a cap must be gone, days."""

    margin: float = Field(default=0.03, ge=0, le=1)
    """What lenders earn on these loans after all costs, and forgo on what they do not lend again, 1 per year.
    Assumed."""

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why these rules cannot be played in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the policy.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        found = [] if system.pools else [Problem(f"{key}: the system has no pools of joint loans", key=key)]
        if self._caps == {}:
            found.append(
                Problem(f"{key}: own_share, partner_cap and joint_cap are all 0, so nothing is ruled", key=key)
            )
        found += self.misfits(system, key)
        return found

    @property
    def _caps(self) -> dict[str, float]:
        said = {"own_share": self.own_share, "partner_cap": self.partner_cap, "joint_cap": self.joint_cap}
        return {name: value for name, value in said.items() if value > 0.0}

    def change(self, seat: Seat) -> RuleChange:
        """Return the rule as an event.

        Parameters
        ----------
        seat : Seat
            The policy in this run.

        Returns
        -------
        RuleChange
            For the platforms that it names and all banks that fund them.
        """
        given: dict[str, Any] = {"at": self.at, "notice": self.notice, "transition": self.transition}
        return RuleChange(target=self.among or self.usual, **given, **self._caps)

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return the margin forgone in a step on what was repaid and not lent again.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            Counted from the step in which the rule is published.
        """
        state = step.state
        if step.number < self.at:
            return np.zeros(state.n_lanes)
        withheld = state.withheld[seat.system.types["platforms"]]
        before = seat.once("before the rule", withheld.copy)
        return np.asarray(self.margin * summed(withheld - before) * step.days / YEAR)


@POLICIES.register("data_security")
class DataSecurity(Rule):
    r"""Standards for the security of data: fewer breaches, and a bill for compliance.

    Everybody bound has a security posture of at least :math:`\bar\psi` from the start, so breaches come at the hazard

    .. math::
        h_b e^{-k_b \max(\psi, \bar\psi)}

    and the standard that authorities hold them to rises by `rise`, as with a rule that is published: what is not met
    before its date is a gap, until it is bought at `cost_of_maturity` of ``channels.compliance``. Who has a gap may be
    found out and fined.

    References
    ----------
    Gordon and Loeb (2002), ACM Transactions on Information and System Security 5(4), for investment against breaches;
    Data Security Law of China (2021).
    """

    channel: ClassVar[str] = ""
    changes_system: ClassVar[bool] = True

    posture: float = Field(default=0.8, ge=0, le=1)
    """Least security posture, 1 is best practice; 0: no such standard. Assumed."""

    rise: float = Field(default=0.0, ge=0, le=10)
    """Rise of the standard of compliance, 1; 0: none."""

    upkeep: float = Field(default=0.01, ge=0, le=1)
    """What it costs to keep a posture higher by 1, share of a year's turnover, 1 per year. Assumed."""

    @property
    def published(self) -> int | None:
        """Step in which the standard rises, if it does."""
        return self.at if self.rise > 0.0 else None

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this standard cannot be played in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the policy.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        found = []
        if not self.posture > 0.0 and not self.rise > 0.0:
            found.append(Problem(f"{key}: posture and rise are both 0, so nothing is demanded", key=key))
        if self.rise > 0.0 and "compliance" not in channels:
            text = f"{key}.rise: nobody enforces a standard, since the scenario has no channel compliance"
            found.append(Problem(text, key=f"{key}.rise"))
        if (
            self.posture > 0.0
            and not self.rise > 0.0
            and not getattr(channels.get("operational"), "breach_hazard", 0.0)
        ):
            text = (
                f"{key}.posture: breaches come by events only (channels.operational.breach_hazard is 0 or there is no"
            )
            found.append(Problem(f"{text} such channel), so a posture does nothing", key=f"{key}.posture"))
        return found

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system with data kept better.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act.

        Returns
        -------
        System
            Balance sheets the same.
        """
        return replace(system, traits={**system.traits, "posture": self._raised(system)})

    def _raised(self, system: System) -> Float:
        """Security posture of all agents under the standard, float64[n_agents], 1."""
        before = trait(system, "posture")
        return np.where(self.binding(system), np.maximum(before, self.posture), before)

    def change(self, seat: Seat) -> RuleChange | None:
        """Return the rise of the standard of compliance as an event.

        Parameters
        ----------
        seat : Seat
            The policy in this run.

        Returns
        -------
        RuleChange or None
            None where the standard does not rise.
        """
        if not self.rise > 0.0:
            return None
        supervised = ("banks", "tech_firms", "platforms")
        there = tuple(kind for kind in supervised if seat.system.types[kind].stop > seat.system.types[kind].start)
        return RuleChange(target=self.among or there, at=self.at, notice=self.notice, rise=self.rise)

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return the upkeep of higher postures in a step.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            What the rise of the standard costs is bought in the run and is not in here.
        """

        def work_out() -> float:
            more = self._raised(seat.before) - trait(seat.before, "posture")
            return self.upkeep * float(added((more * turnover(seat.before)).tolist()))

        yearly: float = seat.once("yearly", work_out)
        return np.full(step.state.n_lanes, yearly * step.days / YEAR)
