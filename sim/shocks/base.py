"""The contract of a shock, and where its random numbers come from."""

from __future__ import annotations

from pydantic import Field

from sim.errors import Problem
from sim.ledger.entries import Ledger
from sim.plugins import Plugin, Registry
from sim.state import State
from sim.streams import Draws
from sim.system import System

SOURCE = "shock"
"""What losses of events are posted under, whatever channel they then travel through."""


class Shock(Plugin):
    """An event at a step; its luck is addressed by its position in the scenario, the draw and the agent."""

    at: int = Field(default=1, ge=1, le=100_000)
    """Step at which it strikes, counted from 1."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with this shock for this system.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock in the scenario.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        return []

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Post what the event does, in every lane.

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
        raise NotImplementedError(f"shock {self.name!r} does nothing")


SHOCKS: Registry[type[Shock]] = Registry("shock", "sim.shocks")
