"""The contract of a shock, and where its random numbers come from."""

from __future__ import annotations

import functools
from typing import Any

from pydantic import Field

from sim.errors import Problem, shown
from sim.ledger.entries import Ledger
from sim.ledger.locked import read_only
from sim.ledger.watched import WatchedLedger, watched
from sim.plugins import Plugin, Registry, foreign, who
from sim.state import State
from sim.streams import Draws
from sim.system import System

SOURCE = "shock"
"""What losses of events are posted under, whatever channel they then travel through."""


class Shock(Plugin):
    """An event at a step; its luck is addressed by its position in the scenario, the draw and the agent."""

    at: int = Field(default=1, ge=1, le=100_000)
    """Step at which it strikes, counted from 1."""

    @classmethod
    def __pydantic_init_subclass__(cls, **words: Any) -> None:
        super().__pydantic_init_subclass__(**words)
        if foreign(cls) and "strike" in vars(cls):
            _guard(cls)

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

    def strikes(self, number: int) -> bool:
        """Return whether it strikes in a step.

        Parameters
        ----------
        number : int
            Step, counted from 1.

        Returns
        -------
        bool
            Once, at its time; an event that goes on says so itself.
        """
        return number == self.at

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


def _guard(cls: type[Shock]) -> None:
    """Let a shock of others see a state it cannot write to, and post through a ledger that checks."""
    strike = cls.strike

    @functools.wraps(strike)
    def call(self: Shock, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        name = who(self)
        books = ledger if isinstance(ledger, WatchedLedger) else WatchedLedger(ledger, name, SOURCE)
        watched(name, "strike", lambda: strike(self, system, read_only(state), books, draws, stream))

    cls.strike = call  # type: ignore[method-assign]


def _broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a shock, as far as can be told without playing it."""
    if not (isinstance(cls, type) and issubclass(cls, Shock)):
        return [f"is {shown(cls)}, no subclass of sim.Shock"]
    return ["lacks strike(system, state, ledger, draws, stream)"] if cls.strike is Shock.strike else []


SHOCKS: Registry[type[Shock]] = Registry("shock", "sim.shocks", _broken)
