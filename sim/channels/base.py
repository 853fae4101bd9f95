"""The contract of a channel: phases of the step, and for isotone maps signal, response and its slope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import model_validator

from sim.agents.base import Rule, View
from sim.agents.rules import RULES
from sim.arrays import Float
from sim.channels.guard import broken, guard
from sim.contagion.solve import FixedPoint
from sim.errors import PluginError, Problem, UsageError
from sim.kernels.sheet import add_up
from sim.ledger.balance import appraised, claims_carried, claims_owed, shares_issued
from sim.ledger.entries import Ledger
from sim.plugins import Plugin, Registry, foreign, who
from sim.state import Column, State
from sim.streams import Draws
from sim.system import System
from sim.walls import Walls

PHASES = {
    "events": "shocks strike",
    "service": "what agents can do, given those they depend on",
    "payments": "what banks send each other, and what stays behind",
    "beliefs": "what the public thinks of each agent",
    "funding": "depositors, lenders and fund holders leave or stay",
    "liquidity": "how those who are short find cash",
    "market": "sales, prices, mark to market",
    "credit": "losses of borrowers, claims revalued, defaults cleared",
    "compliance": "detection, fines, suspensions",
    "resolution": "estates pay out",
    "policy": "what authorities do",
    "audit": "the books are checked",
}
"""The order of a step, once. Everybody acts on the state at the start of a phase."""


@dataclass(frozen=True)
class Step:
    """What a channel or a shock is given when its phase comes.

    Parameters
    ----------
    system : System
        Agents, layers and markets before the shock.
    state, ledger : State, Ledger
        Now; the ledger is the only way to change money.
    number : int
        Step, counted from 1.
    on : float64[n_lanes], 1
        The channel's switch in each lane; 0 posts nothing.
    rules : mapping of str to callable
        The rule of each type of agent, or what replaces it.
    days : float
        Length of the step, days.
    draws : Draws or None
        Random numbers of the block.
    channels : mapping of str to Channel
        All channels that act, this one included.
    switches : mapping of str to float64[n_lanes], 1
        Their switches.
    walls : Walls or None
        What stands between channels; None where nothing does.
    """

    system: System
    state: State
    ledger: Ledger
    number: int
    on: Float
    rules: Mapping[str, Rule] = field(default_factory=lambda: RULES)
    days: float = 1.0
    draws: Draws | None = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    switches: Mapping[str, Float] = field(default_factory=dict)
    walls: Walls | None = None

    def passed(self, path: str, amount: Float) -> Float:
        """Return what of a flow passes the walls before it.

        Parameters
        ----------
        path : str
            Name of the path, such as ``"sales"``.
        amount : float64[n_rows, n_lanes]
            What comes, by the first rows of the agents.

        Returns
        -------
        float64[n_rows, n_lanes]
            `amount` itself where no wall stands there.
        """
        return amount if self.walls is None else self.walls.passed(self, path, amount)

    def decide(self, view: View) -> Any:
        """Ask all agents of a type what they do.

        Parameters
        ----------
        view : View
            What they see; it says which type is asked.

        Returns
        -------
        Decision
            Of that type.
        """
        return self.rules[view.kind](view)

    def uniform(self, stream: str, ids: Sequence[str]) -> Float:
        """Return random numbers of this step.

        Parameters
        ----------
        stream : str
            What they are for, such as ``"channels.compliance.detection"``.
        ids : sequence of str
            Agents; each has its own luck.

        Returns
        -------
        float64[n_ids, n_lanes], 1
            Uniform on (0, 1), addressed by seed, stream, draw, agent and step.

        Raises
        ------
        UsageError
            Outside a run, where there is no luck.
        """
        if self.draws is None:
            raise UsageError(f"{stream}: no random numbers outside a run")
        return self.draws.uniform(stream, ids, self.number)


class TightView:
    """Balance sheets at trial claim values and prices; nothing is posted.

    Parameters
    ----------
    state : State
        At the start of the phase.
    worth : float64[n_agents, n_lanes], 1
        Trial value of one unit of claim on each agent.
    price : float64[n_assets, n_lanes], currency per piece
        Trial prices.
    """

    def __init__(self, state: State, worth: Float, price: Float) -> None:
        self.state, self.worth, self.price = state, worth, price
        self.inside = claims_carried(state, worth)
        self.book, self.market, self.marketable = appraised(state, price)
        self.sell = np.zeros((0, state.n_lanes))
        self.external, self.debt, self.assets, self.equity = (np.empty(self.inside.shape) for _ in range(4))
        add_up(
            state.book,
            (state.places["assets"], state.places["debts"]),
            state.people.stop,
            (state.real_assets, self.book, self.market, self.inside),
            (claims_owed(state), state.estate_due, state.participations),
            *(self.external, self.debt, self.assets, self.equity),
        )
        self.issued = shares_issued(state, price)

    @property
    def solvency(self) -> Float:
        """Net worth with own shares not counted as debt: float64[n_agents, n_lanes], currency."""
        return self.equity if self.issued is None else self.equity + self.issued

    def realise(self, sell: Float) -> None:
        """Charge sellers with what stood at cost: isotone, since selling more never adds equity.

        Parameters
        ----------
        sell : float64[n_people, n_lanes], 1
            Share sold at the trial price.
        """
        self.sell = sell
        people = self.state.people
        self.equity[people] -= sell * np.maximum(0.0, (self.book - self.market)[people])


class Channel(Plugin):
    """One way in which distress travels: signal, layer, pressure, response."""

    enabled: bool = True
    """Whether the channel acts; switched off, it posts nothing."""

    letter: ClassVar[str] = ""
    phases: ClassVar[Mapping[str, str]] = {}
    """Phase of the step -> name of the method that plays it, called as ``method(step)``."""
    columns: ClassVar[tuple[Column, ...]] = ()
    """Columns of its own, carried in every run in which it acts; money among them is audited like ours."""
    isotone: ClassVar[bool] = False
    """Whether `signal`, `respond` and `slope` are given; static mode refuses a channel without."""

    @classmethod
    def __pydantic_init_subclass__(cls, **words: Any) -> None:
        super().__pydantic_init_subclass__(**words)
        guard(cls)

    @model_validator(mode="after")
    def _whole(self) -> Channel:
        if foreign(type(self)) and (problems := broken(type(self))):
            raise PluginError(f"{who(self)} {'; '.join(problems)}")
        return self

    def problems(self, mode: str, system: System) -> list[Problem]:
        """Return what is wrong with these parameters for this system and mode.

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
        return []

    def begin(self, step: Step) -> None:
        """Bring columns of its own to what they are before any event; nobody may gain or lose by it.

        Parameters
        ----------
        step : Step
            Before the first one; its number is 0.
        """

    def prepare(self, step: Step) -> FixedPoint | None:
        """Post what comes before the fixed point of a static run.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint or None
            Certificate of what had to be solved for it.
        """
        return None

    def signal(self, step: Step, view: TightView) -> Float:
        """Return what each source emits at the trial values.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_sources, n_lanes]
            0 when healthy.
        """
        raise NotImplementedError(f"channel {self.name!r} has no isotone form")

    def respond(self, step: Step, view: TightView, signal: Float) -> Float:
        """Return the channel's own trial values (claim values, prices) given the signal.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.
        signal : float64[n_sources, n_lanes]
            From `signal`.

        Returns
        -------
        float64[n_values, n_lanes]
            Isotone: healthier in, healthier out.
        """
        raise NotImplementedError(f"channel {self.name!r} has no isotone form")

    def slope(self, step: Step, view: TightView) -> Float:
        """Return the derivative of `respond` by the pressure, towards stress.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_values, n_lanes]
            One-sided.
        """
        raise NotImplementedError(f"channel {self.name!r} has no isotone form")

    def couple(self, view: TightView, signal: Float) -> None:
        """Let the other channels feel this one's signal within a round of the static map.

        Parameters
        ----------
        view : TightView
            Trial balance sheets, changed in place.
        signal : float64[n_sources, n_lanes]
            From `signal`.
        """

    def conclude(self, step: Step, view: TightView, signal: Float, values: Float) -> None:
        """Post the fixed point of a static run.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Balance sheets at the fixed point.
        signal : float64[n_sources, n_lanes]
            What is emitted there.
        values : float64[n_values, n_lanes]
            The channel's own values there.
        """
        raise NotImplementedError(f"channel {self.name!r} has no isotone form")


CHANNELS: Registry[type[Channel]] = Registry("channel", "sim.channels", broken, reserved=("shock",))
"""Losses of events are posted under `shock`, so no channel may have that name."""
