"""W4: another provider, another rail: what fails is done elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sim.errors import Problem
from sim.walls.base import WALLS, Path, Wall
from sim.walls.stand import Stand

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.system import System

SERVICES = Path("services", ("O_O",), "services", "functions that a user cannot move to another provider")
PAYMENTS = Path(
    "payments",
    ("O_L",),
    "payments held back",
    "payments that an impaired bank cannot send",
    (("before", "payments"), ("after", "payments")),
)


@WALLS.register("substitution")
class Substitution(Wall):
    r"""A mandate of several clouds, a second payment rail: what fails is done elsewhere.

    On services the part of a function that a user can move becomes :math:`b' = 1 - \omega (1 - b)`; whether the
    others have room for it is another matter: load follows, and overloaded providers serve everybody worse. On payments
    an impaired bank sends :math:`1 - \omega (1 - s)` of what is due, once it has been impaired for `delay`.

    References
    ----------
    Kotidis and Schreft (2025), Journal of Finance, for continuity plans; European Union (2022), Regulation 2022/2554,
    for exit strategies.
    """

    paths: ClassVar[tuple[Path, ...]] = (SERVICES, PAYMENTS)

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this wall cannot stand in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the wall.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        if self.way is PAYMENTS:
            return [] if "payments" in system.layers else [Problem(f"{key}: the system has no payments", key=key)]
        found = [] if system.services is not None else [Problem(f"{key}: the system has no services", key=key)]
        if getattr(channels.get("operational"), "backup", None) is not None:
            text = (
                f"{key}: channels.operational.backup replaces every backup, so this wall would do nothing; leave it out"
            )
            found.append(Problem(text, key=key))
        odd = [name for name in ("trigger", "duration") if getattr(self, name)]
        odd += ["delay"] * (self.delay > 0.0) + ["credibility"] * (self.credibility < 1.0)
        said = "contracts with other providers are there from the start (channels.operational.failover_delay is their"
        return found + [Problem(f"{key}.{name}: {said} delay)", key=f"{key}.{name}") for name in odd]

    def rebuild(self, system: System) -> System:
        """Return the system with contracts that let users move.

        Parameters
        ----------
        system : System
            Without the wall.

        Returns
        -------
        System
            The same where the wall stands before payments.
        """
        if self.way is not SERVICES or system.services is None:
            return system
        shields = np.ones(len(system.ids), dtype=np.bool_)
        if self.among:
            shields = system.target(self.among, np.zeros(1, dtype=np.int64))[:, 0]
        before = system.services.backup
        moved = np.where(shields, 1.0 - self.permeability * (1.0 - before), before)
        return replace(system, services=replace(system.services, backup=moved))

    def act(self, stand: Stand, step: Step, when: str) -> None:
        """Let payments go over the second rail.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        when : {"before", "after"}
            Side of the phase.
        """
        state = step.state
        if when == "after":
            stand.look_again(state, "service")
            return
        ready = state.impaired_for >= self.delay
        stand.look_through(state, "service", 1.0 - (1.0 - state.service) * (1.0 - stand.closed() * ready))
