"""What a scenario file may say: frozen, closed, every field with its meaning, unit and range."""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, SerializeAsAny, ValidationError, model_validator

from sim.channels import PHASES, Channel
from sim.errors import InputError, Problem, UnknownNameError
from sim.metrics import METRICS
from sim.networks.base import Maker
from sim.plugins import origins
from sim.policies import Enacted, Policy
from sim.scenario.monte_carlo import MonteCarlo
from sim.scenario.policies import acting, told_policies
from sim.scenario.ramp import Quarters
from sim.scenario.sections import Section, SystemSource
from sim.scenario.walls import unconserved, written
from sim.shocks import Shock
from sim.system import System
from sim.walls import Named, Wall

VERSION = 1
"""Scenario format that this program understands."""

DEFAULT_METRICS = [
    "system_loss",
    "first_round_loss",
    "contagion_loss",
    "credit_loss",
    "market_loss",
    "defaults",
    "defaulted_assets",
    "sold",
    "price_decline",
]


@dataclass(frozen=True)
class Origin:
    """Where a scenario came from: a folder with files, or a system given in a notebook.

    Parameters
    ----------
    folder : Path or None
        Where its tables lie.
    allow_path : bool
        Whether tables may lie elsewhere.
    inputs : dict of str to str
        Dotted key -> SHA-256 of the file it names.
    places : dict of key path to (path, line)
        Where each key was written.
    system : System or None
        Given in a notebook.
    """

    folder: Path | None = None
    allow_path: bool = False
    inputs: dict[str, str] = field(default_factory=dict)
    places: dict[tuple[str | int, ...], tuple[str, int | None]] = field(default_factory=dict)
    system: System | None = None


class Horizon(Section):
    """How long the story runs."""

    steps: int = Field(default=1, ge=1, le=100_000)
    """Steps played, 1."""

    step: str = Field(default="1d", pattern=r"^\d{1,4}[dhwmq]$")
    """Length of a step: ``1d``, a business day, ``4h`` of 24, ``1w`` of 5 days, ``1m`` of 21, ``1q`` of 63."""

    @property
    def days(self) -> float:
        """Length of a step, business days."""
        return int(self.step[:-1]) * {"h": 1.0 / 24.0, "d": 1.0, "w": 5.0, "m": 21.0, "q": 63.0}[self.step[-1]]


class Scenario(Section):
    """What to play: a system, events, channels, and how often."""

    version: int = VERSION
    """Format of the file."""

    name: str = Field(min_length=1, max_length=200)
    """Name; for a shipped scenario also the name of its file."""

    title: str = Field(default="", max_length=300)
    """One line for headings."""

    description: str = Field(default="", max_length=5000)
    """What the scenario shows and where its numbers come from."""

    base: str | None = Field(default=None, max_length=200)
    """File this one builds on; already merged here."""

    system: SystemSource | None = None
    """The system, from files; None when a System was given in a notebook."""

    mode: Literal["static", "dynamic", "ramp"] = "dynamic"
    """One fixed point, steps in time, or quarters each with the same stress test in time (``sim ramp``)."""

    horizon: Horizon = Horizon()
    """Steps; a static scenario has one, a ramp those of its stress test."""

    ramp: Quarters | None = None
    """What differs from quarter to quarter; goes with ``mode: ramp``."""

    shocks: tuple[SerializeAsAny[Shock], ...] = ()
    """Events, struck in the order written."""

    channels: dict[str, SerializeAsAny[Channel]] = Field(default={})
    """Ways in which distress travels; what is not listed does not act."""

    wall: dict[str, SerializeAsAny[Wall]] = Field(default={})
    """The matrix of walls between channels: pair, source first, such as ``O_L`` -> permeability, or a wall. C credit,
    L liquidity, M market, O operational, K compliance, R reputation."""

    walls: tuple[SerializeAsAny[Wall], ...] = ()
    """Further walls, each with the pair that it stands between."""

    policies: tuple[SerializeAsAny[Policy], ...] = ()
    """What authorities demand of banks, funds, platforms and technology firms."""

    metrics: tuple[str, ...] = tuple(DEFAULT_METRICS)
    """What is reported."""

    record: Literal["metrics", "agents", "trace"] = "metrics"
    """What is kept: one row a draw and step, the final columns of agents too, or the postings of some draws."""

    trace: tuple[int, ...] | None = Field(default=None, min_length=1, max_length=1000)
    """Draws whose postings are kept with ``record: trace``; by default the first, 0."""

    monte_carlo: MonteCarlo = MonteCarlo()
    """Draws and seed."""

    _origin: Origin = PrivateAttr(default=Origin())

    def __init__(self, *, system: Any = None, **data: Any) -> None:
        from sim.scenario.check import networks_problems, records, told
        from sim.scenario.quarters import ramp_problems

        given = system if isinstance(system, System) else None
        data, problems = records(data | {"system": None if given is not None else system})
        try:
            super().__init__(**data)
            problems += networks_problems(self) + ramp_problems(self) + acting(self)[2]
        except ValidationError as error:
            problems += told(error, type(self))
        if problems:
            raise InputError(list(dict.fromkeys(problems)))
        if given is not None:
            self._origin = Origin(system=given)

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        for name in self.metrics:
            if name not in METRICS:
                raise UnknownNameError("metric", name, METRICS, "metrics: ")
            METRICS.known(name)  # loads a plug-in, so that a broken one is refused before any draw is played
        if (until := self.monte_carlo.until) is not None and until.metric not in self.metrics:
            raise UnknownNameError("metric", until.metric, self.metrics, "monte_carlo.until.metric: ")
        if any(unicodedata.category(char) == "Cc" for char in self.name + self.title):
            raise ValueError("name holds control characters")
        if self.trace is not None and (self.record != "trace" or min(self.trace) < 0):
            raise ValueError(f"trace = {list(self.trace)} names draws, from 0, and goes with record: trace")
        if self.mode == "static" and self.horizon.steps != 1:
            raise ValueError(f"a static scenario has one step, got horizon.steps = {self.horizon.steps}")
        for position, shock in enumerate(self.shocks):
            if shock.at > self.horizon.steps:
                text = f"shocks.{position}.at = {shock.at} is after the last step ({self.horizon.steps})"
                raise ValueError(text)
        return self

    @property
    def active(self) -> dict[str, Channel]:
        """Channels that act, in the order of their phases."""
        acting = [item for item in self.channels.items() if item[1].enabled]
        return dict(sorted(acting, key=lambda item: min((list(PHASES).index(p) for p in item[1].phases), default=0)))

    @property
    def generators(self) -> list[Maker]:
        """What makes agents, layers and markets that nobody observed, in the order of the scenario."""
        if self.system is None:
            return []
        parts = (*self.system.agents, *self.system.layers, *self.system)
        found = (getattr(source, "generator", None) for _, source in parts)
        return [each for each in found if each is not None]

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What a user should know before running."""
        found = [] if self.shocks else [Problem("no shock: the run shows the baseline only", key="shocks")]
        return tuple(self.placed(problem) for problem in (*found, *unconserved(self.standing)))

    @property
    def standing(self) -> tuple[Named, ...]:
        """Walls that stand for anything, with the keys where they are written."""
        return acting(self)[1]

    @property
    def enacted(self) -> tuple[Enacted, ...]:
        """Policies, with the keys where they are written."""
        return acting(self)[0]

    @property
    def origin(self) -> Origin:
        """Where the scenario came from."""
        return self._origin

    def from_origin(self, origin: Origin) -> Scenario:
        """Return the same scenario, known to come from somewhere.

        Parameters
        ----------
        origin : Origin
            Its folder, files and places, or its system.

        Returns
        -------
        Scenario
            A copy.
        """
        made = self.model_copy()
        made._origin = origin  # noqa: SLF001
        return made

    def placed(self, problem: Problem) -> Problem:
        """Return a problem with the file and line of its key.

        Parameters
        ----------
        problem : Problem
            With a dotted key.

        Returns
        -------
        Problem
            Unchanged where it has a path already or the key was never written.
        """
        from sim.scenario.check import placed

        return placed(problem, self._origin.places)

    def plain(self) -> dict[str, Any]:
        """Return the scenario as plain data, defaults included.

        Returns
        -------
        dict
            What a file would say; shocks carry their ``kind``.
        """
        data = self.model_dump(mode="json", exclude={"shocks", "channels", "wall", "walls", "policies", "base"})
        data["shocks"] = [
            {"kind": shock.name} | shock.model_dump(mode="json", exclude_none=True) for shock in self.shocks
        ]
        data["channels"] = {name: channel.model_dump(mode="json") for name, channel in self.channels.items()}
        data |= written(self.wall, self.walls)
        if self.policies:
            data["policies"] = told_policies(self.policies)
        plain: dict[str, Any] = _without_none(data)
        return plain

    def canonical(self) -> str:
        """Return the scenario as YAML: resolved, complete, without any path outside its folder.

        Returns
        -------
        str
            The text that a result folder keeps.
        """
        from ruamel.yaml import YAML

        writer = YAML(typ="safe", pure=True)
        writer.default_flow_style = False
        writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
        text = io.StringIO()
        writer.dump(self.plain(), text)
        return text.getvalue()

    @property
    def digest(self) -> str:
        """SHA-256 over what the scenario says and the bytes of every file it reads; draws and seed apart."""
        import json

        data = self.plain()
        for key in ("draws", "seed", "until"):
            data["monte_carlo"].pop(key, None)
        data.pop("trace", None)
        said = [data, sorted(self._origin.inputs.items())]
        measured = [METRICS.known(name).of for name in self.metrics]
        named = [*self.shocks, *self.channels.values(), *(each.wall for each in self.standing), *self.policies]
        if made := origins([*named, *measured, *self.generators]):
            said.append(made)  # a plug-in whose code has changed never continues an old run
        text = json.dumps(said, sort_keys=True, allow_nan=False)
        seen = hashlib.sha256(text.encode())
        system = self._origin.system
        if system is not None:
            for name, values in sorted(system.start.items()):
                seen.update(name.encode() + values.tobytes())
            seen.update(system.holdings.tobytes() + system.fair_value.tobytes() + system.depth.tobytes())
            for layer in system.layers.values():
                seen.update(layer.csr.indices.tobytes() + layer.csr.weights.tobytes())
            for name, values in sorted(system.traits.items()):
                seen.update(name.encode() + values.tobytes())
            if system.services is not None:
                for share in system.services.shares:
                    seen.update(share.indices.tobytes() + share.weights.tobytes())
                seen.update(system.services.criticality.tobytes() + system.services.backup.tobytes())
        return seen.hexdigest()

    def override(self, changes: Mapping[str, Any]) -> Scenario:
        """Return a new scenario that differs in the named keys, checked again.

        Parameters
        ----------
        changes : mapping of str to value
            Dotted keys, such as ``{"monte_carlo.draws": 500, "shocks.0.size": 0.1, "channels.market.enabled": False}``.

        Returns
        -------
        Scenario
            A new one; this one is unchanged.

        Raises
        ------
        InputError
            Naming the key and what would have been allowed.
        """
        from sim.scenario.override import override

        return override(self, changes)

    def quarter(self, name: str) -> Scenario:
        """Return the stress test of one quarter of a ramp, a scenario that can be run.

        Parameters
        ----------
        name : str
            Such as ``"2022Q1"``.

        Returns
        -------
        Scenario
            In time, with its keys as they are in that quarter.

        Raises
        ------
        UsageError
            If this is no ramp, or it has no such quarter.
        """
        from sim.scenario.quarters import quarter

        return quarter(self, name)

    def _repr_html_(self) -> str:
        from sim.scenario.card import card

        return card(self)


def _without_none(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [_without_none(value) for value in data]
    return data
