"""The contract of a wall: where it stands, when it acts, how much it lets through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from sim.arrays import Float
from sim.errors import Problem, UnknownNameError, shown
from sim.plugins import Plugin, Registry
from sim.shocks.sizes import Part

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.system import System
    from sim.walls.stand import Stand

LETTERS = {
    "C": "credit",
    "L": "liquidity",
    "M": "market",
    "O": "operational",
    "K": "compliance",
    "R": "reputation",
}
"""Risks by their letter in a pair such as ``O_L``, from operational to liquidity."""

DOORS = {"C": "credit", "L": "beliefs", "M": "market", "R": "beliefs"}
"""Phase before which a loss of one channel is felt by the channel of a letter."""

YEAR = 250.0
"""Business days."""

OBSERVABLE = (
    "backlog",
    "defaults",
    "lcr",
    "lcr_min",
    "leverage_ratio",
    "lolr_outstanding",
    "overnight_lending",
    "price_decline",
    "redemptions",
    "service_availability",
    "sold",
    "stressed_banks",
    "withdrawals",
)
"""Metrics that an authority can see while the crisis lasts; what people believe, or would lose, is none of them."""


@dataclass(frozen=True)
class Path:
    """One place at which walls of a kind can stand: what crosses from one channel to another, and when.

    Parameters
    ----------
    name : str
        As scenarios write it.
    pairs : tuple of str
        Between which channels it leads, source first.
    flow : str
        What crosses; walls on one flow need an order. ``{a}`` is the source's channel.
    said : str
        The same for readers.
    at : tuple of (str, str)
        ``("before" or "after", phase)`` at which the wall acts; ``{b}`` is the phase of `DOORS`.
    """

    name: str
    pairs: tuple[str, ...]
    flow: str
    said: str
    at: tuple[tuple[str, str], ...] = ()


class Trigger(Part):
    """When a wall is put up or a buffer released: by what an authority has seen, some time later and not exactly."""

    observed: str
    """Metric that is watched, such as ``price_decline``; authorities see prices, sales, withdrawals,
    defaults, liquidity coverage, service and backlogs, never beliefs."""

    above: float | None = None
    """Value above which it goes off, in the unit of the metric."""

    below: float | None = None
    """Value below which it goes off, in the unit of the metric."""

    lag: float = Field(default=1.0, ge=0, le=10_000)
    """Age of what is seen, at least one step, days."""

    noise: float = Field(default=0.0, ge=0, le=10)
    """Standard deviation of the error of what is seen, as a share of it, 1."""

    @model_validator(mode="after")
    def _seen(self) -> Trigger:
        if self.observed not in OBSERVABLE:
            why = "no authority sees it while it happens"
            raise ValueError(f"{UnknownNameError('observable', self.observed, OBSERVABLE)}: {why}")
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of above and below")
        return self


class Wall(Plugin):
    """What stands between two channels."""

    between: str = Field(default="", pattern=r"^([CLMOKR]_[CLMOKR])?$")
    """Pair of channels, source first, such as ``O_L``; the key in the matrix ``wall``, needed in the list ``walls``."""

    path: str = Field(default="", max_length=40)
    """Which way between the two it closes, where there are several; by default the first."""

    among: str = Field(default="", max_length=200)
    """Agents that it shields, such as ``banks`` or ``banks[largest]``; by default all."""

    permeability: float = Field(default=0.0, ge=0, le=1)
    """Part of what comes that it lets through, 1; 1: as if there were no wall."""

    capacity: float | None = Field(default=None, ge=0)
    """Most that it takes on before everything passes, currency; by default without bound."""

    trigger: Trigger | None = None
    """What puts it up; by default it always stands."""

    delay: float = Field(default=0.0, ge=0, le=10_000)
    """Time from the trigger, or from the start, until it stands, days."""

    duration: float | None = Field(default=None, gt=0, le=10_000)
    """Time for which it then stands, days; by default as long as the trigger lasts."""

    credibility: float = Field(default=1.0, ge=0, le=1)
    """Probability that it holds when it is called on, 1."""

    cost: float = Field(default=0.0, ge=0, le=1)
    """What it costs to keep up, share of the assets of those it shields, per year. A running expense, so it is reported
    and moves no balance sheet."""

    order: int | None = Field(default=None, ge=0, le=1000)
    """Place among walls on the same flow, first things first."""

    paths: ClassVar[tuple[Path, ...]] = ()
    """Where walls of the kind can stand."""
    timed: ClassVar[bool] = True
    """Whether it acts in time, and so takes a trigger, a delay, a duration and credibility."""
    grouped: ClassVar[bool] = True
    """Whether it can shield some agents only."""
    has_capacity: ClassVar[bool] = False
    """Whether it can be full."""
    conserves: ClassVar[bool] = True
    """Whether what it blocks has a destination."""

    @property
    def is_open(self) -> bool:
        """Whether it lets everything through, as if there were none."""
        return self.permeability >= 1.0

    @property
    def way(self) -> Path | None:
        """Where it stands; None where no way of that name leads from the one to the other."""
        fit = [path for path in self.paths if self.between in path.pairs and self.path in ("", path.name)]
        return fit[0] if fit else None

    def parts(self) -> tuple[Wall, ...]:
        """Return the walls that this one stands for: itself, but for a cell of the matrix without a kind.

        Returns
        -------
        tuple of Wall
            Whose permeabilities multiply to this one's.
        """
        return (self,)

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
        return []

    def rebuild(self, system: System) -> System:
        """Return the system as it is when this wall was there from the start.

        Parameters
        ----------
        system : System
            Without it.

        Returns
        -------
        System
            The same for walls that act in time.
        """
        return system

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels as this wall makes them behave.

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

    def turn(self, stand: Stand, step: Step) -> None:
        """Do what the wall does at the beginning of every step, whether it stands or not.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            The one that begins.
        """

    def act(self, stand: Stand, step: Step, when: str) -> None:
        """Do what the wall does at one of the moments of its path.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        when : {"before", "after"}
            Side of the phase.
        """

    def passed(self, stand: Stand, step: Step, amount: Float) -> Float:
        """Return what the wall lets through of a flow that a channel offers it.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        amount : float64[n_rows, n_lanes]
            What comes.

        Returns
        -------
        float64[n_rows, n_lanes]
            Not more.
        """
        return amount

    @property
    def label(self) -> str:
        """What its postings go under."""
        return f"wall_{self.between}_{self.name}"


def _broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a wall, as far as can be told without playing it."""
    if not (isinstance(cls, type) and issubclass(cls, Wall)):
        return [f"is {shown(cls)}, no subclass of sim.walls.Wall"]
    return [] if cls.paths or cls.parts is not Wall.parts else ["names no paths"]


WALLS: Registry[type[Wall]] = Registry("wall", "sim.walls", _broken)


def connected(pair: str, kinds: Sequence[type[Wall]]) -> dict[str, list[str]]:
    """Return which walls can stand between two channels.

    Parameters
    ----------
    pair : str
        Source first, such as ``O_L``.
    kinds : sequence of type
        Kinds of walls.

    Returns
    -------
    dict of str to list of str
        Kind -> names of the paths.
    """
    found = {kind.name: [path.name for path in kind.paths if pair in path.pairs] for kind in kinds}
    return {name: paths for name, paths in found.items() if paths}
