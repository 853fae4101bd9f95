"""All draws of a run gathered: those already kept, those played now; told while they come, committed part by part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.blocks import Task, blocks, play_all
from sim.experiments.disk import only_writer
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part, answer, columns, digest, join
from sim.experiments.provenance import Manifest, engine, key_of, told, versions
from sim.experiments.result import Result
from sim.experiments.store import Store, read_parts


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Parameters
    ----------
    done, draws : int
        Draws finished, those found in the result folder included; draws in all.
    failed, cached : int
        Draws that failed; draws found in the result folder.
    seconds : float
        Since the first block began.
    rate : float
        Draws a second, those found not counted.
    eta : float
        Seconds left; NaN before the first draw is done.
    """

    done: int
    draws: int
    failed: int
    cached: int
    seconds: float
    rate: float
    eta: float


def gather(
    task: Task,
    draws: int,
    *,
    workers: int,
    width: int,
    folder: Path | None,
    progress: bool | Callable[[Progress], None],
) -> Result:
    """Play all draws of a task and keep them.

    Parameters
    ----------
    task : Task
        Scenario, system, seed, player.
    draws : int
        How many.
    workers, width : int
        Threads; draws in a block.
    folder : Path or None
        Result folder, or memory.
    progress : bool or callable
        As in `run`.

    Returns
    -------
    Result
        Whatever became of the draws.

    Raises
    ------
    StoreError
        If the result folder holds another run or cannot be written.
    """
    manifest = _manifest(task, draws)
    with ExitStack() as held:
        kept: _Memory | _Folder = _Memory()
        if folder is not None:
            held.enter_context(only_writer(folder))
            store = Store.prepare(folder, manifest["run_key"])
            kept = _Folder(store, task.scenario.record == "agents")
            store.write_scenario(task.scenario.canonical())
            store.write_manifest(manifest)
        tell = held.enter_context(_teller(progress))
        try:
            found = _play(task, draws, (workers, width), kept, tell)
        except KeyboardInterrupt:
            kept.log("interrupted; run into the folder again to go on")
            raise
        manifest |= {"complete": True, **found.facts()}
        if isinstance(kept, _Folder):
            kept.store.write_manifest(manifest)
            kept.log(f"done: answer {manifest['answer_sha256']}, {manifest['failed']} failed")
            opened, agents = kept.store, kept.agents
            return Result(
                manifest, lambda: join(read_parts(opened, draws, agents=agents)), task.scenario.canonical(), folder
            )
    whole = join(kept.parts)
    return Result(manifest, lambda: whole, task.scenario.canonical())


@dataclass
class _Memory:
    """Keeps parts in memory."""

    parts: list[Part] = field(default_factory=list)

    def find(self, _first: int) -> Part | None:
        """Nothing is there before a run."""
        return None

    def add(self, part: Part) -> str:
        """Keep a part; they come in any order and are joined in theirs."""
        self.parts = sorted([*self.parts, part], key=lambda each: each.first)
        return digest(columns(part))

    def log(self, line: str) -> None:
        """Memory has no log."""


@dataclass
class _Folder:
    """Keeps parts in a result folder."""

    store: Store
    agents: bool

    def find(self, first: int) -> Part | None:
        """The part that is there already, unless it is damaged; that one is played again."""
        if not self.store.path_of("draws", first).is_file():
            return None
        try:
            return self.store.read(first, agents=self.agents)
        except StoreError as error:
            self.log(f"played again: {str(error).partition(': ')[2]}")
            return None

    def add(self, part: Part) -> str:
        """Commit a part."""
        found = self.store.write(part)
        self.log(f"draws {part.first} to {part.first + part.draws - 1} written")
        return found

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.store.log(line)


@dataclass
class _Tally:
    """What is known of a run while it goes on."""

    draws: int
    digests: dict[int, str] = field(default_factory=dict)
    done: int = 0
    cached: int = 0
    failed: int = 0
    uncertified: int = 0
    began: float = field(default_factory=time.monotonic)

    def count(self, part: Part, *, cached: bool = False) -> None:
        """Count draws that are finished."""
        self.done += part.draws
        self.cached += part.draws * cached
        self.failed += part.count(FAILED)
        self.uncertified += part.count(UNCERTIFIED)

    def progress(self) -> Progress:
        """How far the run is."""
        seconds, played = time.monotonic() - self.began, self.done - self.cached
        rate = played / seconds if seconds > 0.0 else 0.0
        left = (self.draws - self.done) / rate if rate > 0.0 else (0.0 if self.done == self.draws else float("nan"))
        return Progress(self.done, self.draws, self.failed, self.cached, seconds, rate, left)

    def facts(self) -> dict[str, Any]:
        """What the manifest says in the end."""
        found = answer(self.digests[first] for first in sorted(self.digests))
        return {"answer_sha256": found, "failed": self.failed, "uncertified": self.uncertified}


def _play(
    task: Task, draws: int, how: tuple[int, int], kept: _Memory | _Folder, tell: Callable[[Progress], None]
) -> _Tally:
    """Play what is missing; keep each part when all its draws are there, whatever block brought the last one."""
    workers, width = how
    tally, pieces = _Tally(draws), dict[int, list[Part]]()
    for first in range(0, draws, PART):
        wanted, found = min(PART, draws - first), kept.find(first)
        if found is None:
            continue
        tally.count(found.head(wanted), cached=True)
        if found.draws >= wanted:
            tally.digests[first] = digest(columns(found.head(wanted)))
            pieces[first] = []
        else:
            pieces[first] = [found]
    have = {first: PART if first in tally.digests else sum(p.draws for p in held) for first, held in pieces.items()}
    kept.log(f"{draws} draws, {tally.cached} of them there already, {workers} workers, blocks of {width}")
    tell(tally.progress())
    with closing(play_all(task, blocks(have, draws, width), workers)) as played:
        for part in played:
            first = part.first - part.first % PART
            held = pieces.setdefault(first, [])
            held.append(part)
            tally.count(part)
            if sum(piece.draws for piece in held) == min(PART, draws - first):
                tally.digests[first] = kept.add(join(sorted(held, key=lambda piece: piece.first)))
                del pieces[first]
            tell(tally.progress())
    return tally


def _manifest(task: Task, draws: int) -> Manifest:
    """What is known before the first draw."""
    from sim.metrics import describe

    scenario, system = task.scenario, task.system
    currency = str(getattr(system, "currency", ""))
    metrics = []
    for name in task.metrics:
        unit, meaning = describe(name)
        metrics.append({"name": name, "unit": currency or unit if unit == "currency" else unit, "description": meaning})
    return {
        "run_key": key_of(scenario.digest, task.seed, scenario.record),
        "name": scenario.name,
        "title": scenario.title or scenario.name,
        "mode": scenario.mode,
        "record": scenario.record,
        "scenario_sha256": scenario.digest,
        "engine": engine(),
        "seed": task.seed,
        "draws": draws,
        "complete": False,
        "answer_sha256": None,
        "failed": 0,
        "uncertified": 0,
        "versions": versions(),
        "metrics": metrics,
        "imputed": _plain(system.imputed),
        "warnings": told([*scenario.warnings, *system.warnings]),
    }


def _plain(cells: Sequence[Any]) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in dict(cell).items()} for cell in cells]


@contextmanager
def _teller(progress: bool | Callable[[Progress], None]) -> Iterator[Callable[[Progress], None]]:
    """What is called after every block."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _at: None
    else:
        with import_module("tqdm.auto").tqdm(unit="draw") as bar:

            def tell(at: Progress) -> None:
                bar.total = at.draws
                bar.set_postfix({"failed": at.failed, "cached": at.cached} if at.failed or at.cached else {})
                bar.update(at.done - bar.n)

            yield tell
