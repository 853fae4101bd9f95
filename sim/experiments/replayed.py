"""One draw of a result, played again for what the result does not keep: balance sheets, and who failed when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import InputError, SimError, StoreError, UsageError
from sim.experiments.cuts import start_of
from sim.experiments.part import FAILED, Part
from sim.experiments.reopen import reopen
from sim.experiments.store import Store
from sim.ledger.balance import net_worth
from sim.state import State
from sim.system import System

if TYPE_CHECKING:
    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario
    from sim.simulation import Simulation


@dataclass(frozen=True, eq=False)
class Replayed:
    """A draw after its last step.

    Parameters
    ----------
    system : System
        Before the shock.
    scenario : Scenario
        What was played.
    state : State
        After the last step, one draw (with the padding of its block; lane 0 counts).
    wave : int64[n_agents]
        When each agent failed, from 1; 0 is never. In a static run the round of losses on the way to the fixed point (1
        before anything spread), else the step.
    lost : float64[n_agents], 1
        Share of its equity that each agent lost, 0 to 1.
    """

    system: System
    scenario: Scenario
    state: State
    wave: Int
    lost: Float


def scenario_of(result: Result, scenario: Scenario | None = None) -> Scenario:
    """Return the scenario of a result, with its tables.

    Parameters
    ----------
    result : Result
        In memory or from a folder.
    scenario : Scenario, optional
        Needed where the result is only in memory and its tables are not the shipped ones.

    Returns
    -------
    Scenario
        The one that was played: its digest is that of the result.

    Raises
    ------
    UsageError
        If its tables cannot be found, or another scenario was given.
    """
    found = scenario
    if found is None:
        try:
            found = _shipped(result) if result.folder is None else reopen(result.folder).scenario
        except (InputError, StoreError) as error:
            said = str(error).splitlines()[0]
            raise UsageError(f"the tables of the scenario are not at hand ({said}); pass scenario=") from error
    if found.record != result.manifest["record"]:
        found = found.override({"record": result.manifest["record"]})
    if found.digest != result.manifest["scenario_sha256"]:
        what = "is not that of the result" if scenario is not None else "read tables that are not at hand; pass it as"
        raise UsageError(f"the scenario {result.name!r} {what}" + ("" if scenario is not None else " scenario="))
    return found


def _shipped(result: Result) -> Scenario:
    """The scenario as the result tells it, on the shipped tables."""
    from ruamel.yaml import YAML

    from sim.scenario.build import input_files
    from sim.scenario.check import checked
    from sim.scenario.load import shipped_folder
    from sim.scenario.schema import Origin

    made = checked(dict(YAML(typ="safe", pure=True).load(result.scenario_yaml) or {}))
    if made.system is None:
        raise UsageError("the run was made on a system given in Python; pass scenario=")
    placed = made.from_origin(Origin(shipped_folder(), False, {}))
    return placed.from_origin(Origin(shipped_folder(), False, input_files(placed)))


def replay(result: Result, draw: int, scenario: Scenario | None = None) -> Replayed:
    """Play one draw again, and see to it that it is the one of the result.

    Parameters
    ----------
    result : Result
        In memory or from a folder.
    draw : int
        Which draw.
    scenario : Scenario, optional
        As for `scenario_of`.

    Returns
    -------
    Replayed
        With the metrics of the result, bit for bit.

    Raises
    ------
    UsageError
        If there is no such draw, its tables are not at hand, it failed, or other rules than those of this package
        played it.
    """
    part = stored(result, draw)
    simulation = simulated(result, draw, scenario)
    system, chosen = simulation.system, simulation.scenario
    watch = _watched(simulation)
    wave = np.zeros(len(system.ids), dtype=np.int64)
    start = net_worth(simulation.state)[:, 0].copy()
    for step in steps(simulation, part):
        fresh = (simulation.state.is_defaulted[:, 0] > 0.0) & (wave == 0)
        wave[fresh] = watch.rounds(fresh) if watch is not None and chosen.mode == "static" else step + 1
    lost = np.clip(
        1.0 - np.divide(net_worth(simulation.state)[:, 0], start, out=np.ones_like(start), where=start > 0.0), 0.0, 1.0
    )
    return Replayed(system, chosen, simulation.state, wave, lost)


def stored(result: Result, draw: int) -> Part:
    """Return one draw of a result as it is kept; of a result folder nothing else is read.

    Parameters
    ----------
    result : Result
        In memory or from a folder.
    draw : int
        Which draw.

    Returns
    -------
    Part
        Of that draw alone.

    Raises
    ------
    UsageError
        If there is no such draw, or it failed.
    """
    if not 0 <= draw < result.draws:
        raise UsageError(f"draw must be from 0 to {result.draws - 1}, got {draw}")
    if result.folder is not None:
        store = Store.of(result.folder, result.manifest)
        part = store.read(start_of(draw, store.networks), agents=False).one(draw)
    else:
        metrics = {name: values[draw : draw + 1] for name, values in result.metrics.items()}
        part = Part(draw, metrics, result.status[draw : draw + 1], ("",))
    if part.status[0] == FAILED:
        raise UsageError(f"draw {draw} failed and cannot be shown; failed_draws says why")
    return part


def simulated(result: Result, draw: int, scenario: Scenario | None = None) -> Simulation:
    """Return what plays a draw of a result again, before its first step.

    Parameters
    ----------
    result : Result
        In memory or from a folder.
    draw : int
        Which draw.
    scenario : Scenario, optional
        As for `scenario_of`.

    Returns
    -------
    Simulation
        Of that draw alone, in lane 0.
    """
    from sim.scenario.build import build
    from sim.simulation import Simulation

    chosen = scenario_of(result, scenario)
    system = build(chosen, seed=result.seed, network=draw % chosen.monte_carlo.networks)
    return Simulation(system, chosen, np.array([draw], dtype=np.int64), result.seed)


def steps(simulation: Simulation, part: Part) -> Iterator[int]:
    """Play all steps of a draw, each of which must give the metrics that were stored, bit for bit.

    Parameters
    ----------
    simulation : Simulation
        From `simulated`.
    part : Part
        The draw as it was stored.

    Yields
    ------
    int
        Steps played so far, less one.

    Raises
    ------
    UsageError
        If the draw fails now, or gives other numbers.
    """
    from sim.metrics import measure

    scenario, draw = simulation.scenario, part.first
    for step in range(scenario.horizon.steps):
        try:
            simulation.step()
        except SimError as error:
            raise UsageError(f"draw {draw} failed and cannot be shown: {error}") from error
        now = measure(list(scenario.metrics), simulation.system, simulation.state)
        if any(now[name][0].tobytes() != values[0, step].tobytes() for name, values in part.metrics.items()):
            raise UsageError(f"draw {draw} was not played by the rules of this package; it cannot be played again here")
        yield step


class _Watch:
    """Stands before a channel and notes in which round it first sees each agent fail; changes nothing."""

    def __init__(self, channel: Any, n_agents: int) -> None:
        self._channel, self._round = channel, 0
        self._first = np.zeros(n_agents, dtype=np.int64)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def respond(self, step: Any, view: Any, signal: Float) -> Float:
        """Answer as the channel does."""
        self._round += 1
        failing = self._channel.fails(step.state, view.equity)[:, 0]
        self._first[failing & (self._first == 0)] = self._round
        return np.asarray(self._channel.respond(step, view, signal), dtype=np.float64)

    def rounds(self, failed: Bool) -> Int:
        """Rounds of those that failed; what no round saw comes last."""
        first = np.where(self._first > 0, self._first, self._round + 1)
        return np.asarray(first[failed], dtype=np.int64)


def _watched(simulation: Any) -> _Watch | None:
    """Watch the channel that fails agents, if the scenario has one."""
    for name, channel in simulation.channels.items():
        if hasattr(channel, "fails"):
            watch = _Watch(channel, simulation.state.n_agents)
            simulation.channels = {**simulation.channels, name: watch}
            return watch
    return None
