"""The laws that every wall is held to; `sim.experiments.contract` runs them, ours and those of other packages alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from sim.arrays import Float, Int
from sim.errors import PluginError, SimError
from sim.ledger.ends import Far, Instrument, Rows
from sim.scenario.build import build
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.simulation import Block, Simulation
from sim.system import System
from sim.walls import WALLS, Wall

BANKS = {"generator": "size_classes", "large": 2, "joint_stock": 3, "city_rural": 7}
"""A smaller cn100: every layer is there, so that every wall finds what it stands before."""

EVENTS: tuple[dict[str, Any], ...] = (
    {"kind": "asset_loss", "target": "banks", "at": 1, "size": {"beta": {"a": 1.5, "b": 12.0, "scale": 0.6}}},
    {"kind": "price_fall", "at": 1, "falls": {"GOV": 0.05, "CORP": 0.1, "TECHEQ": 0.3}},
    {"kind": "outage", "target": "tech_firms[largest]", "at": 1, "service": 0.0, "duration": {"fixed": 2.0}},
    {"kind": "redemption", "target": "funds", "at": 1, "size": 0.15, "days": 3, "price_fall": 0.003},
    {"kind": "penalty", "target": "platforms[largest]", "at": 2},
    {"kind": "rumour", "target": "banks[rank=4]", "at": 2, "size": 8.0, "reach": 0.6},
)
"""What strikes while a wall is examined: all six channels act, and the first event differs from draw to draw."""

METRICS = ("system_loss", "deadweight_loss", "withdrawals", "redemptions", "sold", "lost_service", "peak_backlog")
SEED, STEPS, DRAWS, CLOSED = 11, 4, 8, 0.3
ALONE = 5
"""The draw that is played alone as well."""

NEARLY = 1.0 - 2.0**-52
"""Permeability of a wall that stands, and yet lets everything through but for rounding."""


@dataclass(frozen=True)
class Case:
    """One place at which a wall is examined.

    Parameters
    ----------
    name : str
        Kind of wall.
    parameters : mapping
        As a scenario gives them, the pair and the path among them.
    """

    name: str
    parameters: Mapping[str, Any]

    @property
    def told(self) -> str:
        """How messages name the case."""
        return f" ({self.parameters['between']}, path {self.parameters.get('path') or 'by default'})"

    @cached_property
    def played(self) -> tuple[Block, bool]:
        """What comes out as the scenario says it, and whether real assets were made."""
        block, _, made = self.play()
        return block, made

    def play(
        self, draws: Int | None = None, switches: Mapping[str, Float] | None = None, **changes: Any
    ) -> tuple[Block, Simulation, bool]:
        """Play the case.

        Parameters
        ----------
        draws : int64[n_draws], optional
            Which draws.
        switches : dict of str to float64[n_draws], optional
            Per channel and draw: 1 on, 0 off.
        **changes : object
            Other parameters of the wall; ``shocks`` replaces the events.

        Returns
        -------
        tuple of Block, Simulation and bool
            What came out, what was played, and whether the wall made real assets out of nothing.
        """
        shocks = changes.pop("shocks", EVENTS)
        wall = {"kind": self.name, "permeability": CLOSED} | dict(self.parameters) | changes
        scenario = story().override({"shocks": list(shocks), "walls": [wall]})
        given = np.arange(DRAWS) if draws is None else draws
        simulation = Simulation(stage(), scenario, given, SEED, switches=switches)
        made: list[bool] = []

        def witness(source: str, on: Instrument, _rows: Rows, _far: Far, amount: Float) -> None:
            made.append(source.startswith("wall_") and on == "real_assets" and bool((amount < 0.0).any()))

        simulation.ledger.witness = witness
        return simulation.play(), simulation, any(made)


@cache
def story() -> Scenario:
    """Return what is played while a wall or a policy is examined, without events.

    Returns
    -------
    Scenario
        All six channels act.
    """
    changes = {"system.agents.banks": BANKS, "horizon.steps": STEPS, "metrics": list(METRICS), "record": "agents"}
    return load("cn100").override(changes)


@cache
def stage() -> System:
    """Return the system on which walls are examined.

    Returns
    -------
    System
        Twelve banks, and everything else that cn100 has.
    """
    return build(story(), seed=SEED)


@cache
def _bare() -> Block:
    """The run without a wall."""
    return Simulation(stage(), story().override({"shocks": list(EVENTS)}), np.arange(DRAWS), SEED).play()


def broken_laws(name: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
    """Return the laws that a wall breaks at any place where it can stand.

    The laws: with permeability 1 it is bit for bit no wall, and just below 1 what is left of it is rounding; a wall
    that nobody believes in is no wall; without an event nothing changes; money closes, and what is blocked has a
    destination (no real assets come out of nothing, of walls that say they conserve); every draw is the same bit for
    bit whatever others share its block, and when it is played again; where one of its two channels is switched off it
    posts nothing; no number that is not finite comes out. That less comes through where it is less permeable is no law:
    walls backfire.

    Parameters
    ----------
    name : str
        As a scenario names it.
    parameters : mapping, optional
        As a scenario gives them; with ``between`` (and ``path``) only there, by default on each of its paths.

    Returns
    -------
    list of str
        One line a law and place; empty when all hold.

    Raises
    ------
    UnknownNameError
        If there is no such kind of wall.
    PluginError
        If it cannot be loaded.

    Examples
    --------
    >>> broken_laws("absorbing", {"between": "C_M"})
    []
    """
    kind, found = WALLS[name], list[str]()
    given = dict(parameters or {})
    cases = [Case(name, given)] if "between" in given else [Case(name, given | at) for at in places(kind, name)]
    for case in cases:
        for law in LAWS:
            try:
                found += [f"{text}{case.told}" for text in law(case)]
            except SimError as error:
                found.append(f"{(law.__doc__ or '').rstrip('.').lower()}: {error}{case.told}")
    return list(dict.fromkeys(found))


def places(kind: type[Wall], name: str) -> list[dict[str, str]]:
    """Return where a kind of wall is examined: on each path once, and where it stands for others once for each set.

    Parameters
    ----------
    kind : type
        Of the wall.
    name : str
        As a scenario names it.

    Returns
    -------
    list of dict
        Pair and, where the kind names it, path.

    Raises
    ------
    PluginError
        If it can stand nowhere.
    """
    found: dict[Any, dict[str, str]] = {}
    for path in kind.paths:
        for pair in path.pairs:
            whole = kind.parts is not Wall.parts
            at = {"between": pair} if whole else {"between": pair, "path": path.name}
            parts = kind.model_validate(at | {"permeability": CLOSED}).parts()
            key: Any = tuple(type(part).name for part in parts) if whole else path.name
            # one that stands for a single other one is examined as that
            if (len(parts) > 1 or (parts and not whole)) and key not in found:
                found[key] = at
    if not found:
        raise PluginError(f"wall {name!r} can stand nowhere: its paths name no pairs")
    return list(found.values())


def _open(case: Case) -> Iterator[str]:
    """Open is no wall."""
    if not same(_bare(), case.play(permeability=1.0)[0]):
        yield "with permeability 1 the run is not that without a wall"
    if not _close(_bare(), case.play(permeability=NEARLY)[0]):
        yield "just below permeability 1 more than rounding changes"


def _unbelieved(case: Case) -> Iterator[str]:
    """Nobody believes in it."""
    kind = WALLS[case.name]
    timed = all(part.timed and part.way is not None and part.way.at for part in _wall(case, kind).parts())
    if timed and not _close(_bare(), case.play(credibility=0.0)[0]):
        yield "with credibility 0 the run is not that without a wall"


def _quiet(case: Case) -> Iterator[str]:
    """No event, no change."""
    block, simulation, _ = case.play(shocks=())
    moved = np.abs(block.final["equity"] - block.final["equity0"]).max()
    moved = max(moved, *(np.abs(block.metrics[name]).max() for name in METRICS if name != "deadweight_loss"))
    if not moved <= 1e-12 * simulation.system.scale:
        yield "without an event something changes"


def _destination(case: Case) -> Iterator[str]:
    """What is blocked has a destination."""
    if case.played[1] and WALLS[case.name].conserves:
        yield "it gives out of nothing what nobody loses; say so with conserves: ClassVar[bool] = False"


def _lanes(case: Case) -> Iterator[str]:
    """Lanes are independent, and a draw played again is the same."""
    if not same(case.played[0], case.play(np.array([ALONE]))[0], np.array([ALONE])):
        yield f"draw {ALONE}, played again alone, differs from the same draw in a block of {DRAWS}"


def _off(case: Case) -> Iterator[str]:
    """A wall before a channel that is switched off posts nothing."""
    wall = _wall(case, WALLS[case.name])
    letters = {channel.letter: name for name, channel in story().active.items()}
    # the source is off in every other draw, the target in those between
    odd: Float = np.arange(DRAWS, dtype=np.float64) % 2.0
    source, target = (letters[letter] for letter in wall.between.split("_"))
    switches = {source: 0.0 * odd} if source == target else {source: odd, target: 1.0 - odd}
    state = case.play(switches=switches)[1].state
    own = [place for place, name in enumerate(state.sources) if name.startswith("wall_")]
    if np.any(state.loss[own] != 0.0):
        yield f"it posts where {' or '.join(switches)} is switched off"


def _wall(case: Case, kind: type[Wall]) -> Wall:
    return kind.model_validate({"permeability": CLOSED} | dict(case.parameters))


def same(one: Block, two: Block, lanes: Int | None = None) -> bool:
    """Return whether two blocks hold the same bits, the second those of some lanes of the first.

    Parameters
    ----------
    one, two : Block
        Of the same story.
    lanes : int64[n_lanes], optional
        Lanes of the first; all by default.

    Returns
    -------
    bool
        Metrics, equity and who has failed.
    """
    at = np.arange(one.draws.size) if lanes is None else lanes
    return all(np.array_equal(a[:, at], b) for a, b in _pairs(one, two))


def _close(one: Block, two: Block) -> bool:
    """Return whether two blocks differ by no more than rounding."""
    scale = stage().scale
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-9 + 1e-12 * scale) for a, b in _pairs(one, two))


def _pairs(one: Block, two: Block) -> list[tuple[Float, Float]]:
    pairs = [(one.metrics[name], two.metrics[name]) for name in METRICS]
    return [*pairs, *((one.final[name], two.final[name]) for name in ("equity", "is_defaulted"))]


LAWS: tuple[Callable[[Case], Iterator[str]], ...] = (_open, _unbelieved, _quiet, _destination, _lanes, _off)
