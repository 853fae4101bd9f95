"""The policies of a run: whom they bind, what has been seen, what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.agents.base import Decision, Rule, View
from sim.errors import Problem
from sim.policies.base import Policy, Seat
from sim.walls.stand import note
from sim.walls.watch import Clock, Watch

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.state import State
    from sim.system import System


class Enacted(NamedTuple):
    """A policy and where the scenario says it.

    Parameters
    ----------
    key : str
        Dotted key.
    policy : Policy
        Its parameters.
    stream : str
        Whose luck the error of its trigger is, where it is not its own.
    """

    key: str
    policy: Policy
    stream: str = ""


def enacted(policies: Sequence[Policy]) -> tuple[Enacted, ...]:
    """Return policies with their keys.

    Parameters
    ----------
    policies : sequence of Policy
        Of a scenario.

    Returns
    -------
    tuple of Enacted
        In the order written.
    """
    return tuple(Enacted(f"policies.{place}", policy) for place, policy in enumerate(policies))


def problems(policies: Sequence[Enacted], channels: Mapping[str, Channel], mode: str, system: System) -> list[Problem]:
    """Return why policies cannot be played in a scenario.

    Parameters
    ----------
    policies : sequence of Enacted
        Of the scenario.
    channels : mapping of str to Channel
        Those that act.
    mode : str
        How the scenario is played.
    system : System
        What it is played on.

    Returns
    -------
    list of Problem
        Empty when all is well.
    """
    found, rules = list[Problem](), dict[int, str]()
    for key, policy, _ in policies:
        if policy.published is not None:
            first = rules.setdefault(policy.published, key)
            if first != key:
                text = (
                    f"{key}.at: {first} is published in step {policy.published} as well; let one come into force first"
                )
                found.append(Problem(text, key=f"{key}.at"))
        if policy.channel and policy.channel not in channels:
            text = f"{key}: {policy.name} does nothing, since the scenario has no channel {policy.channel}"
            found.append(Problem(text, key=key))
            continue
        if mode == "static" and (not policy.static or policy.awaited is not None):
            text = f"{key}: {policy.name} acts in time here, and static mode has one fixed point; use mode: dynamic"
            found.append(Problem(text, key=key))
        if policy.among:
            system.target(policy.among, np.zeros(1, dtype=np.int64), f"{key}.among")
        if not policy.binding(system).any():
            whom = policy.among or policy.usual
            found.append(Problem(f"{key}: binds nobody, since the system has no {whom or 'agents'}", key=key))
            continue
        found += policy.problems(channels, system, key)
    return found


def rebuilt(system: System, policies: Sequence[Enacted], channels: Mapping[str, Channel]) -> System:
    """Return the system with the policies that have been there for long, worked out once.

    Parameters
    ----------
    system : System
        Without them.
    policies : sequence of Enacted
        Of the scenario.
    channels : mapping of str to Channel
        Those that act.

    Returns
    -------
    System
        The same one where no policy changes it.
    """
    changing = tuple(each.policy for each in policies if each.policy.changes_system)
    if not changing:
        return system

    def work_out() -> System:
        made = system
        for policy in changing:
            made = policy.rebuild(made, channels)
        return made

    # of the channels, what is liquid and what is pledged bears on the system
    liquidity = channels.get("liquidity")
    rules = tuple(getattr(liquidity, name, None) for name in ("coverage", "repo"))
    found: System = system.once(("policies", changing, rules), work_out)
    return found


def retuned(channels: Mapping[str, Channel], policies: Sequence[Enacted]) -> dict[str, Channel]:
    """Return the channels as policies make them behave.

    Parameters
    ----------
    channels : mapping of str to Channel
        Those that act.
    policies : sequence of Enacted
        Of the scenario.

    Returns
    -------
    dict of str to Channel
        In the same order.
    """
    made = dict(channels)
    for each in policies:
        made = each.policy.retune(made)
    return made


class Policies:
    """The policies of one block of draws.

    Parameters
    ----------
    policies : sequence of Enacted
        Of the scenario.
    before, system : System
        Without policies, and as `rebuilt`.
    state : State
        Of the block.
    channels : mapping of str to Channel
        As `retuned`.
    """

    def __init__(
        self,
        policies: Sequence[Enacted],
        before: System,
        system: System,
        state: State,
        channels: Mapping[str, Channel],
    ) -> None:
        self.seats: list[Seat] = []
        self._watch = Watch()
        self._clocks: list[tuple[Clock, str] | None] = []
        for key, policy, stream in policies:
            also = np.zeros(state.n_agents, dtype=np.bool_)
            for other in self.seats:
                also |= other.binds & (type(other.policy) is type(policy))
            binds, fired = policy.binding(system), np.zeros(state.n_lanes)
            seat = Seat(policy, key, before, system, dict(channels), binds, also, fired)
            self.seats.append(seat)
            awaited = policy.awaited
            clock = None if awaited is None else Clock(state.n_lanes, awaited[1], awaited[2])
            self._clocks.append(None if clock is None else (clock, stream or f"{key}.noise"))

    def ruled(self, rules: Mapping[str, Rule]) -> dict[str, Rule]:
        """Return the rules of agents as policies let them see the world.

        Parameters
        ----------
        rules : mapping of str to callable
            By type of agent.

        Returns
        -------
        dict of str to callable
            The same ones where no policy bears on what agents see.
        """
        seeing = [seat for seat in self.seats if type(seat.policy).see is not Policy.see]
        return {kind: _bound(rule, seeing) for kind, rule in rules.items()} if seeing else dict(rules)

    def turn(self, step: Step) -> None:
        """Let authorities look and act at the beginning of a step, and book what it costs.

        Parameters
        ----------
        step : Step
            The one that begins.
        """
        awaited = [seat.policy.awaited for seat in self.seats]
        self._watch.look((each[0] for each in awaited if each is not None), step)
        for seat, each, clock in zip(self.seats, awaited, self._clocks, strict=True):
            if each is not None and clock is not None:
                seat.fired = clock[0].up(self._watch.fired(each[0], clock[1], step), step.days)
            seat.policy.turn(seat, step)
            note(step.state, "policy_cost", seat.policy.cost(seat, step))


def _bound(rule: Rule, seeing: Sequence[Seat]) -> Rule:
    """A rule of agents who see what policies let them see."""

    def decide(view: View) -> Decision:
        for seat in seeing:
            view = seat.policy.see(seat, view)
        decided: Decision = rule(view)
        return decided

    return decide
