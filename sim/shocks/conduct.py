"""What authorities act on: a breach of data, a case against an agent, a new rule."""

from __future__ import annotations

import numpy as np
from pydantic import Field, field_validator, model_validator

from sim.arrays import Bool
from sim.errors import InputError, Problem, shown
from sim.ledger.accounts import pay_or_owe
from sim.ledger.balance import summed
from sim.ledger.entries import Ledger
from sim.shocks.asset_loss import target_problems
from sim.shocks.base import SHOCKS, SOURCE, Shock
from sim.shocks.durations import LONGEST, Duration
from sim.shocks.sizes import Size
from sim.state import State
from sim.streams import Draws
from sim.system import System


class Aimed(Shock):
    """An event that happens to some banks, technology firms or platforms."""

    target: str | tuple[str, ...]
    """Who: ``platforms[largest]``, an id, ``tech_firms`` and the like, or a list of them."""

    @field_validator("target")
    @classmethod
    def _somebody(cls, target: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not target:
            raise ValueError("target names nobody")
        return target

    @property
    def targets(self) -> tuple[str, ...]:
        """All targets."""
        return (self.target,) if isinstance(self.target, str) else self.target

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the targets.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when all exist.
        """
        found = [problem for target in self.targets for problem in target_problems(system, target, key)]
        if found:
            return found
        funds, first = system.types["funds"], np.zeros(1, dtype=np.int64)
        named = [target for target in self.targets if system.target(target, first)[funds].any()]
        text = "{0}.target: {1} names funds, which have no business of their own; name the platform that sponsors them"
        return [Problem(text.format(key, shown(target)), key=f"{key}.target") for target in named]

    def named(self, system: System, draws: Draws) -> Bool:
        """Return whom it strikes.

        Parameters
        ----------
        system : System
            Before the shock.
        draws : Draws
            Random numbers of the block.

        Returns
        -------
        bool[n_agents, n_lanes]
            True for all that some target names.
        """
        found: Bool = np.zeros((len(system.ids), draws.draws.size), dtype=np.bool_)
        for target in self.targets:
            found |= system.target(target, draws.draws)
        return found


@SHOCKS.register("data_breach")
class DataBreach(Aimed):
    """Data of an agent are out: clearing up costs it, and until it is found out its compliance gap is wider."""

    cost: Size = Size(fixed=0.02)
    """Cost of clearing up, gone for everybody, share of a year's revenue: a number or a distribution, 1. Assumed."""

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Post the cost, as far as need be on credit of outside investors, and note the breach.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.
        """
        named = self.named(system, draws) & (state.alive > 0.0)
        people, bill = state.people, np.zeros((state.n_agents, state.n_lanes))
        revenue = system.traits.get("revenue", np.zeros(state.n_agents))
        bill[people] = self.cost.draw(draws, stream, system.ids[people], self.at) * revenue[people, None]
        bill *= named
        received = np.zeros_like(bill)
        received[state.row("deadweight")] = summed(bill)
        pay_or_owe(state, ledger, bill, received, SOURCE)
        state.breach[named] = 1.0


@SHOCKS.register("penalty")
class Penalty(Aimed):
    """An authority finds against an agent whatever its gap: a fine and, if it lasts any time, a suspension.

    It takes the compliance channel, whose `fine_cap` is the most that a fine can be.

    References
    ----------
    Didi, July 2022: 8.026 bn yuan, 4.6 % of the revenue of 2021.
    """

    fine: Size = Size(fixed=0.046)
    """Fine as a share of a year's turnover: a number or a distribution, 1."""

    suspension: Duration = Duration(fixed=60.0)
    """How long no new business may be done; 0 for none: a number or a distribution, days."""

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Bring the case; it is decided in the compliance phase of the same step.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now; no money moves.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.
        """
        if "charged" not in state.by_name:
            return
        people = state.people
        named, ids = self.named(system, draws)[people], system.ids[people]
        fine = self.fine.draw(draws, stream, ids, self.at)
        days = self.suspension.draw(draws, f"{stream}/suspension", ids, self.at)
        state.charged[people][named] = 1.0
        np.copyto(state.charged_fine[people], fine, where=named)
        np.copyto(state.charged_days[people], days, where=named)


@SHOCKS.register("rule_change")
class RuleChange(Aimed):
    """A rule is published and some time later in force: a higher standard, or a cap on the funding of pools.

    It takes the compliance channel, which says how much of it is met before its date.

    References
    ----------
    Caps: China Banking and Insurance Regulatory Commission (2021), No. 24: a partner funds at least 30 % of each joint
    loan, loans with one partner are at most 25 % of net tier 1 capital, all joint loans at most 50 % of total loans.
    """

    rise: float = Field(default=0.0, ge=0, le=10)
    """Rise of the standard, 1."""

    notice: float = Field(default=0.0, ge=0, le=LONGEST)
    """Time from publication, the step at which this strikes, until the rule is in force, days."""

    partner_cap: float | None = Field(default=None, gt=0, le=100)
    """Most that a bank may fund of one platform's pool, share of its equity, 1."""

    joint_cap: float | None = Field(default=None, gt=0, le=1)
    """Most that a bank may fund of all pools together, share of its loans and pools, 1."""

    own_share: float | None = Field(default=None, gt=0, le=1)
    """Least share of its own pool that a platform must fund, 1."""

    transition: float = Field(default=220.0, ge=0, le=LONGEST)
    """Time from its date until what exceeds a cap must be gone, days."""

    @model_validator(mode="after")
    def _something(self) -> RuleChange:
        if not self.rise > 0.0 and self._caps == {}:
            raise ValueError("give rise, or one of partner_cap, joint_cap, own_share")
        return self

    @property
    def _caps(self) -> dict[str, float]:
        told = {"partner_cap": self.partner_cap, "joint_cap": self.joint_cap, "own_share": self.own_share}
        return {name: value for name, value in told.items() if value is not None}

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Publish the rule.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now; no money moves.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.

        Raises
        ------
        InputError
            If another rule for one of the targets is published and not yet in force.
        """
        if "pending" not in state.by_name:
            return
        named = self.named(system, draws)
        bound = named.copy()
        if self._caps:
            bound[state.banks] = True  # a cap on a platform's pool binds those who fund it
        self._refuse_second(state, bound & (state.pending > 0.0), stream)
        state.announced[named] = self.rise
        state.pending[bound], state.notice_for[bound] = 1.0, self.notice
        for name, value in self._caps.items():
            cap, rows = state.columns[name], state.owned(state.by_name[name])[:, None] & bound
            tighter = (
                np.maximum(cap, value) if name == "own_share" else np.where(cap > 0.0, np.minimum(cap, value), value)
            )
            np.copyto(cap, tighter, where=rows)
            state.transition_for[state.banks] = self.transition

    def _refuse_second(self, state: State, twice: Bool, key: str) -> None:
        if twice.any():
            row = int(np.argwhere(twice)[0][0])
            text = (
                f"{key}: a rule is published for {state.ids[row]!r} while another one is not yet in force; "
                f"let the first come into force (at + notice), or write both as one"
            )
            raise InputError([Problem(text, key=key)])
