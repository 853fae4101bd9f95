"""What a process of a cluster does: it builds the system once, plays chunks of draws and writes them itself."""

from __future__ import annotations

import faulthandler
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sim.errors import InputError, PluginError, Problem
from sim.experiments.blocks import Player, Task
from sim.experiments.disk import make_folder
from sim.experiments.ensemble import task_of
from sim.experiments.machine import keep_memory
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part, join
from sim.experiments.pieces import write_piece
from sim.experiments.store import PIECES, Store
from sim.experiments.width import Width, cells_of

OUT_OF_TIME = 86
"""Exit status of a process that ended itself because a block took too long."""

GRACE = 10.0
"""Seconds after which a process is ended from outside the interpreter, should its lock be held for ever."""


@dataclass(frozen=True)
class Setting:
    """What processes of a cluster need of a run; sent once to each, never with a chunk.

    Parameters
    ----------
    key : str
        Run key.
    folder : Path
        Result folder, absolute, on a disk that all processes see.
    scenario : str
        The scenario, frozen.
    tables : Path or None
        Where its tables lie, absolute.
    inputs : dict of str to str
        Digest of each table.
    allow_path : bool
        Whether tables may lie elsewhere.
    system : object
        A system given in Python; None is built from the tables.
    seed : int
        Of the run.
    play : callable or None
        Player; None is the rules of this package.
    width : int or None
        Draws played together; None has it timed.
    """

    key: str
    folder: Path
    scenario: str
    tables: Path | None
    inputs: dict[str, str]
    allow_path: bool
    system: Any
    seed: int
    play: Player | None
    width: int | None


@dataclass(frozen=True)
class Receipt:
    """What a chunk sends back: no numbers of the model, they are on the disk.

    Parameters
    ----------
    first, draws : int
        Which draws.
    failed, uncertified : int
        How many of them.
    digest : str or None
        Of the part, when the chunk was a whole one.
    seconds, longest : float
        Of the chunk; of its longest block.
    """

    first: int
    draws: int
    failed: int
    uncertified: int
    digest: str | None
    seconds: float
    longest: float


@dataclass(frozen=True)
class Chunk:
    """What a process is asked for.

    Parameters
    ----------
    key : str
        Run key; the `Setting` is known by it.
    first, draws : int
        Which draws of one network, within one part.
    whole : bool
        Whether they are the part.
    single : bool
        Whether each is played alone.
    limit : float
        Seconds a block may take.
    """

    key: str
    first: int
    draws: int
    whole: bool
    single: bool
    limit: float


class _Process:
    """What this process knows: one run at a time."""

    setting: Setting | None = None
    task: Task | None = None
    width: Width | None = None
    crumbs: dict[Path, IO[str]]

    def __init__(self) -> None:
        self.crumbs = {}
        self.lock = threading.Lock()


_process = _Process()


def settle(setting: Setting) -> None:
    """Take in what a run needs; the system is built when the first chunk comes.

    Parameters
    ----------
    setting : Setting
        Of the run.
    """
    keep_memory()
    with _process.lock:
        if _process.setting is None or _process.setting.key != setting.key or _process.setting != setting:
            _process.setting, _process.task, _process.width = setting, None, None


def play_chunk(chunk: Chunk, address: str = "") -> Receipt:
    """Play a chunk of draws and write them.

    Parameters
    ----------
    chunk : Chunk
        Which draws.
    address : str
        Of this process, under which it leaves word of the block it is at.

    Returns
    -------
    Receipt
        What was written.

    Raises
    ------
    InputError
        If the tables are not what they were when the run began.
    StoreError
        If the result folder takes nothing.
    """
    setting, task, width = _ready(chunk.key)
    far, began, parts, longest = task.networks, time.perf_counter(), list[Part](), 0.0
    store, done = Store(setting.folder, setting.key, networks=far), 0
    name = address or str(os.getpid())
    with _crumbs(setting, name) as leave:
        while done < chunk.draws:
            first, wide = chunk.first + done * far, 1 if chunk.single else min(width(), chunk.draws - done)
            leave(first, wide)
            with _watched(chunk.limit, setting.folder, name):
                at = time.perf_counter()
                parts.append(task.part(first, wide))
                seconds = time.perf_counter() - at
            longest = max(longest, seconds)
            width.tell(wide, seconds)
            done += wide
        leave(0, 0)
    part, found = join(parts), None
    if chunk.whole:
        found = store.write(part)
    else:
        write_piece(store, part)
    seconds = time.perf_counter() - began
    return Receipt(chunk.first, chunk.draws, part.count(FAILED), part.count(UNCERTIFIED), found, seconds, longest)


def _ready(key: str) -> tuple[Setting, Task, Width]:
    """The run with its system; built once in a process."""
    with _process.lock:
        setting = _process.setting
        if setting is None or setting.key != key:
            raise PluginError("this process was not told what to play; is another run using the same cluster?")
        if _process.task is None or _process.width is None:
            _process.task = _built(setting)
            _process.width = Width(setting.width, cells=cells_of(_process.task.system))
        return setting, _process.task, _process.width


def _built(setting: Setting) -> Task:
    from sim.scenario.build import input_files
    from sim.scenario.check import checked
    from sim.scenario.schema import Origin
    from sim.scenario.strict import read_text
    from sim.simulation import play

    scenario: Any = checked(dict(read_text(setting.scenario).data))
    if setting.system is None:
        scenario = scenario.from_origin(Origin(setting.tables, setting.allow_path, setting.inputs))
        if input_files(scenario) != setting.inputs:
            raise InputError([Problem("an input table changed since the run began; start a new run", key="system")])
    else:
        scenario = scenario.from_origin(Origin(system=setting.system))
    return task_of(scenario, setting.seed, setting.play or play)


def crumb_of(folder: Path, address: str) -> Path:
    """Return where a process leaves word of the block it is at; what it says when it crashes comes after that.

    Parameters
    ----------
    folder : Path
        Result folder.
    address : str
        Of the process.

    Returns
    -------
    Path
        A file that the run removes in the end.
    """
    return folder / PIECES / f"worker-{hashlib.sha256(address.encode()).hexdigest()[:16]}.txt"


@contextmanager
def _crumbs(setting: Setting, address: str) -> Iterator[Any]:
    """Leave word of every block before it is played: when the process dies, the others know at which draws."""
    path = crumb_of(setting.folder, address)
    make_folder(path.parent)
    with path.open("w", encoding="utf-8") as stream:
        faulthandler.enable(stream, all_threads=False)

        def leave(first: int, draws: int) -> None:
            stream.seek(0)
            stream.write(f"{first:>14} {draws:>4}\n")
            stream.flush()

        try:
            yield leave
        finally:
            faulthandler.disable()


@contextmanager
def _watched(limit: float, folder: Path, address: str) -> Iterator[None]:
    """End this process when a block takes too long; the time it was suspended does not count."""
    over = threading.Event()
    # should the interpreter's lock never be let go of, no thread of ours can act
    faulthandler.dump_traceback_later(limit + GRACE, exit=True)

    def watch() -> None:
        left, tick = limit, min(0.5, limit / 4.0)
        while left > 0.0:
            before = time.monotonic()
            if over.wait(tick):
                return
            left -= min(time.monotonic() - before, 2.0 * tick)
        with crumb_of(folder, address).open("a", encoding="utf-8") as stream:
            stream.write(f"ran longer than {limit:,.0f} s (--time-limit sets this)\n")
        os._exit(OUT_OF_TIME)

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        faulthandler.cancel_dump_traceback_later()


def last_words(folder: Path, address: str) -> tuple[int, int, str]:
    """Return what a process that died left behind.

    Parameters
    ----------
    folder : Path
        Result folder.
    address : str
        Of the process.

    Returns
    -------
    tuple
        First draw and number of draws of the block it was at, 0 and 0 if it was at none; and what it said.
    """
    try:
        lines = crumb_of(folder, address).read_text(encoding="utf-8", errors="replace").splitlines()
        first, draws = (int(word) for word in lines[0].split())
    except (OSError, ValueError, IndexError):
        return 0, 0, ""
    if not 0 <= draws <= PART:
        return 0, 0, ""
    return first, draws, "\n".join(line for line in lines[1:] if line.strip())
