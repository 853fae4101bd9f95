"""What a run will cost in memory, disk and time; refused before it starts when the machine cannot bear it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import SimError
from sim.experiments.blocks import How, Task, blocks, cores
from sim.experiments.cuts import size_of
from sim.experiments.ensemble import kept, task_of
from sim.experiments.machine import available_memory, resident
from sim.experiments.parquet import write_table
from sim.experiments.part import PART, columns, final_columns, join
from sim.experiments.threads import play_threads
from sim.experiments.width import LEVELS, Width, cells_of

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

SHARE = 0.8
"""Of the available memory that a run may take."""

LIBRARIES = {"numba": 120e6, "duckdb": 60e6}
"""Bytes that libraries take when the first block, or the first part, has them loaded."""

AN_EDGE, A_STATE, A_BLOCK = 40.0, 2.5, 0.5e6
"""Bytes a block takes: per edge, per byte of its state, and besides. Measured at 17 to 2,000 agents."""

A_SYSTEM, AN_ENTRY = 0.1e6, 12.0
"""Bytes a system takes besides its arrays, and per edge and way to read it."""

COPIES = 4.0
"""A part while it is written: as blocks, joined, as a table, in the database."""

FINAL_COLUMNS = 8
ROOM = 2e6
"""Bytes of a folder besides its parts: manifest, log, figures."""

PILOT_SECONDS = 3.0


class TooLargeError(SimError):
    """The machine has too little memory or disk for a run; nothing was started."""

    exit_code = 5


@dataclass(frozen=True)
class Plan:
    """What a run will cost.

    Parameters
    ----------
    draws, workers, width : int
        Of the run; the width is that of its widest blocks.
    memory, disk : float
        Peak and result folder, bytes.
    seconds : float
        From a timed pilot; NaN without one.
    available, free : float
        Memory this process may still take besides what it has, all of it counted; room on the disk; bytes.
    parts : dict of str to float
        What the memory is for, bytes.
    """

    draws: int
    workers: int
    width: int
    memory: float
    disk: float
    seconds: float
    available: float
    free: float
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the run would not be started, each with the option that lowers it."""
        found = []
        if self.memory > SHARE * self.available:
            most = max(self.parts, key=lambda name: self.parts[name])
            found.append(
                f"the run needs about {size(self.memory)} of memory, {SHARE:.0%} of what is available is "
                f"{size(SHARE * self.available)}; {size(self.parts[most])} are for {most}; {LOWER[most]}"
            )
        if self.free and self.disk + ROOM > self.free:
            found.append(
                f"the result needs about {size(self.disk + ROOM)} on the disk, {size(self.free)} are free; "
                "fewer --draws, --out on another disk, or record: metrics lower it"
            )
        return tuple(found)


LOWER = {
    "systems on other networks": "--workers 1, or fewer networks, lowers it",
    "the program and the system": "a machine with more memory is needed, or a smaller system",
    "blocks under way": "--workers 1 or a smaller --block lowers it",
    "parts being written": "record: metrics, or fewer steps, lowers it",
    "the result": "a result folder (--out) keeps it on disk",
}


def size(count: float) -> str:
    """Return bytes as a reader would say them.

    Parameters
    ----------
    count : float
        Bytes.

    Returns
    -------
    str
        In GB or MB.
    """
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def block_bytes(task: Task, width: int) -> float:
    """Return what a block takes while it is played.

    Parameters
    ----------
    task : Task
        With its system.
    width : int
        Draws in the block.

    Returns
    -------
    float
        Bytes.
    """
    system = task.system
    try:
        state = system.state(2, ("shock", *task.scenario.active))
        lane = sum((_bytes(values) for values in vars(state).values()), 0.0) / 2.0
    except (AttributeError, TypeError):  # a system of another kind
        lane = 8.0 * cells_of(system)
    edges = float(sum(layer.csr.indices.size for layer in getattr(system, "layers", {}).values()))
    return A_BLOCK + AN_EDGE * edges + A_STATE * lane * max(2, width)


def _bytes(values: Any) -> float:
    if isinstance(values, dict):
        return sum(_bytes(each) for each in values.values())
    shape = getattr(values, "shape", ())
    return float(values.nbytes) if len(shape) > 1 else 0.0


def widest(task: Task, how: How) -> int:
    """Return the widest block of which each worker may hold one in half of the memory that may be used.

    Parameters
    ----------
    task : Task
        With its system.
    how : How
        With the number of workers.

    Returns
    -------
    int
        2 to 256.
    """
    room = SHARE * available_memory() / 2.0
    fitting = [level for level in LEVELS if how.workers * block_bytes(task, level) <= room]
    return max(fitting, default=LEVELS[0])


def system_bytes(system: Any) -> float:
    """Return what a system takes: its layers read both ways, its columns and holdings.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    float
        Bytes.
    """
    edges = sum(layer.csr.indices.size for layer in getattr(system, "layers", {}).values())
    columns_ = float(sum(values.nbytes for values in getattr(system, "start", {}).values()))
    held = sum(_bytes(values) for values in vars(system).values())
    return A_SYSTEM + 2.0 * AN_ENTRY * float(edges) + columns_ + held


def estimate(task: Task, draws: int, how: How, folder: Path | None, seconds: float = float("nan")) -> Plan:
    """Return what a run will cost, from counts alone.

    Parameters
    ----------
    task : Task
        With its system.
    draws : int
        How many.
    how : How
        Workers and width.
    folder : Path or None
        Result folder, there or not.
    seconds : float
        What a pilot found.

    Returns
    -------
    Plan
        Nothing is played.
    """
    scenario, system = task.scenario, task.system
    width = how.width or widest(task, how)
    row = 8.0 * (len(task.metrics) + 1)
    agents = 8.0 * FINAL_COLUMNS * len(getattr(system, "banks", ())) if scenario.record == "agents" else 0.0
    draw = scenario.horizon.steps * row + agents
    loading = sum(room for name, room in LIBRARIES.items() if name not in sys.modules)
    systems = kept(task.networks, how.workers) * system_bytes(system) if task.networks > 1 else 0.0
    parts = {
        "the program and the system": resident() + loading,
        "blocks under way": how.workers * block_bytes(task, min(width, draws)),
        "parts being written": COPIES * min(PART, draws) * draw,
        "the result": 0.0 if folder is not None else 2.0 * draws * draw,
    }
    parts |= {"systems on other networks": systems} if systems else {}
    # the parts of other processes of a cluster are like those of this one
    free = 0.0
    if folder is not None:
        place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        free = float(shutil.disk_usage(place).free)
    memory = sum(parts.values())
    return Plan(draws, how.workers, width, memory, draws * draw, seconds, available_memory() + resident(), free, parts)


def check_memory(task: Task, draws: int, how: How, folder: Path | None) -> None:
    """Refuse a run that the machine cannot bear; nothing was started.

    Parameters
    ----------
    task : Task
        With its system.
    draws : int
        How many.
    how : How
        Workers and width.
    folder : Path or None
        Result folder.

    Raises
    ------
    TooLargeError
        With the number and the option that lowers it.
    """
    refusals = estimate(task, draws, how, folder).refusals
    memory = [said for said in refusals if "of memory" in said]
    if memory:
        raise TooLargeError(f"{memory[0]}; nothing was started")


def plan(
    scenario: Scenario | str | Path,
    *,
    draws: int | None = None,
    workers: int | None = None,
    block: int | None = None,
    out: str | Path | None = None,
) -> Plan:
    """Say what a run will cost, after playing a few seconds of it.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one.
    draws : int, optional
        By default the scenario's.
    workers : int, optional
        Threads; by default one a core.
    block : int, optional
        Draws played together; by default what the pilot finds fastest.
    out : str or Path, optional
        Result folder; by default the working folder's disk is looked at.

    Returns
    -------
    Plan
        Memory, disk and time.

    Examples
    --------
    >>> from sim.experiments.plan import plan
    >>> plan("ring_of_ten", draws=1000, workers=1).refusals
    ()
    """
    from sim.scenario.load import load
    from sim.scenario.quarters import refuse_ramp
    from sim.simulation import play

    chosen = refuse_ramp(load(scenario))
    how = How(workers or cores(), block)
    task = task_of(chosen, chosen.monte_carlo.seed or 0, play, how.workers)
    draws = draws or chosen.monte_carlo.draws
    folder = Path(out) if out is not None else Path.cwd() / "results"
    first = estimate(task, draws, how, folder)
    if first.refusals:  # a pilot of what is refused would only take long
        return first
    seconds, room = _pilot(task, draws, how)
    found = estimate(task, draws, how, folder, seconds * draws + _building(task, draws, how))
    return Plan(**{**vars(found), "disk": room * draws})


def _building(task: Task, draws: int, how: How) -> float:
    """Seconds that the systems on all networks take, from building one of them."""
    if task.systems is None:
        return 0.0
    began = time.perf_counter()
    task.systems(1)
    return (time.perf_counter() - began) * min(task.networks, draws) / how.workers


def _pilot(task: Task, draws: int, how: How) -> tuple[float, float]:
    """Seconds and bytes on disk that a draw takes when all workers play."""
    width = Width(how.width, cells=cells_of(task.system), widest=widest(task, how), workers=how.workers)
    warm = list(play_threads(task, iter([(0, min(2, size_of(0, draws, task.networks)))]), 1))
    played, began = list[Any](), time.perf_counter()

    def orders() -> Iterator[tuple[int, int]]:
        for first, wide in blocks({}, size_of(0, draws, task.networks), width):  # the first part
            if time.perf_counter() - began > PILOT_SECONDS:
                return
            yield first * task.networks, wide

    with closing(play_threads(task, orders(), how.workers, width=width)) as found:
        played.extend(found)
    seconds = time.perf_counter() - began
    parts = sorted(played, key=lambda part: part.first) or warm
    whole = join(parts)
    with tempfile.TemporaryDirectory() as place:
        path, written = Path(place) / "pilot.parquet", 0
        for table in (columns(whole), final_columns(whole) if whole.final else None):
            if table is not None and len(next(iter(table.values()))):
                write_table(path, table, {})
                written += path.stat().st_size
    return seconds / whole.draws, written / whole.draws
