"""The contract of a policy: whom it binds, what it changes, what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from sim.agents.base import View
from sim.arrays import Bool, Float
from sim.channels.base import Channel, Step
from sim.errors import Problem, shown
from sim.plugins import Plugin, Registry
from sim.system import System
from sim.walls import Trigger

YEAR = 250.0
"""Business days."""


@dataclass
class Seat:
    """A policy in a run.

    Parameters
    ----------
    policy : Policy
        Its parameters.
    key : str
        Dotted key in the scenario.
    before, system : System
        Without policies, and as all of them leave it.
    channels : dict of str to Channel
        As all policies leave them.
    binds, also : bool[n_agents]
        Whom; whom another policy of the same kind binds that stands before it, so that the tighter one counts.
    fired : float64[n_lanes], 1
        1 in lanes where what its trigger starts stands now; 0 for one without a trigger.
    """

    policy: Policy
    key: str
    before: System
    system: System
    channels: dict[str, Channel]
    binds: Bool
    also: Bool
    fired: Float
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    """What has been worked out, by name."""

    def once(self, name: str, work_out: Callable[[], Any]) -> Any:
        """Return something that stays as it is in the run, worked out at its first use.

        Parameters
        ----------
        name : str
            What it is.
        work_out : callable
            Makes it.

        Returns
        -------
        object
            The same every time.
        """
        if name not in self.kept:
            self.kept[name] = work_out()
        return self.kept[name]


class Policy(Plugin):
    """What an authority demands."""

    usual: ClassVar[str] = ""
    """Type of agents that it binds unless it says whom; empty: everybody."""
    channel: ClassVar[str] = ""
    """Channel without which it would do nothing; empty: none."""
    changes_system: ClassVar[bool] = False
    """Whether agents, layers or traits are others under it, and not only what agents do."""
    static: ClassVar[bool] = False
    """Whether it is there from the start in full, so that static mode can have it."""

    among: str = Field(default="", max_length=200)
    """Agents that it binds, such as ``banks[largest]`` or an id; by default all of the type that it is about."""

    @property
    def published(self) -> int | None:
        """Step in which it comes as a rule; None for what has long been there."""
        return None

    @property
    def awaited(self) -> tuple[Trigger, float, float | None] | None:
        """Trigger, delay and duration, days, of what it does only when something has been seen; None: nothing."""
        return None

    def started(self, trigger: Trigger) -> Policy | None:
        """Return the policy that does its part only when something has been seen.

        Parameters
        ----------
        trigger : Trigger
            By which.

        Returns
        -------
        Policy or None
            None where it is there from the start and nothing can start it.
        """
        return None

    def binding(self, system: System) -> Bool:
        """Return whom it binds.

        Parameters
        ----------
        system : System
            Before the shock.

        Returns
        -------
        bool[n_agents]
            Sectors are bound by nothing.
        """
        if self.among:
            return np.asarray(system.target(self.among, np.zeros(1, dtype=np.int64))[:, 0])
        found = np.zeros(len(system.ids), dtype=np.bool_)
        if self.usual:
            found[system.types[self.usual]] = True
        else:
            found[: system.types["funds"].stop] = True
        return found

    def misfits(self, system: System, key: str) -> list[Problem]:
        """Return why it cannot bind whom it names: it is about one type of agents.

        Parameters
        ----------
        system : System
            What is played on.
        key : str
            Dotted key of the policy.

        Returns
        -------
        list of Problem
            Empty when all are of that type.
        """
        others = self.binding(system)
        others[system.types[self.usual]] = False
        if not others.any():
            return []
        who = system.ids[int(np.flatnonzero(others)[0])]
        text = f"{key}.among: {who} is none of the {self.usual}, which {self.name} is about"
        return [Problem(text, key=f"{key}.among")]

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this policy cannot be played in this scenario.

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
        return []

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system as it is when this policy has been there for long.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act.

        Returns
        -------
        System
            The same where `changes_system` is false.
        """
        return system

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels as this policy makes them behave.

        Parameters
        ----------
        channels : mapping of str to Channel
            Without it.

        Returns
        -------
        dict of str to Channel
            In the same order.
        """
        return dict(channels)

    def see(self, seat: Seat, view: View) -> View:
        """Return what agents see when they decide.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        view : View
            What they see without it.

        Returns
        -------
        View
            The same where the policy does not bear on it.
        """
        return view

    def turn(self, seat: Seat, step: Step) -> None:
        """Do what the authority does at the beginning of a step.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.
        """

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return what the policy costs in a step; a running expense, so it is reported and moves no balance sheet.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            Not negative.
        """
        return np.zeros(step.state.n_lanes)


def _broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a policy, as far as can be told without playing it."""
    if isinstance(cls, type) and issubclass(cls, Policy):
        return []
    return [f"is {shown(cls)}, no subclass of sim.policies.Policy"]


POLICIES: Registry[type[Policy]] = Registry("policy", "sim.policies", _broken)
