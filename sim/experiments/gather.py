"""All draws of a run gathered: those already kept, those played now; told while they come, committed part by part."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from sim.errors import SimError, StoreError, UsageError
from sim.experiments.blocks import How, Played, Task, blocks, clean
from sim.experiments.cuts import weave, within
from sim.experiments.disk import only_writer
from sim.experiments.ensemble import warnings
from sim.experiments.part import FAILED, UNCERTIFIED, answer, columns, digest
from sim.experiments.plan import check_memory, widest
from sim.experiments.progress import Progress, Tell, teller
from sim.experiments.provenance import Manifest, engine, key_of, told, versions
from sim.experiments.reading import read_parts
from sim.experiments.reopen import frozen, write_inputs
from sim.experiments.result import Result
from sim.experiments.shelf import Shelf, Stretch
from sim.experiments.store import Store
from sim.experiments.threads import UnfinishedError, named, play_threads
from sim.experiments.trace import missing, named_draws, record_named
from sim.experiments.until import Watch
from sim.experiments.width import Width, cells_of


class LostDrawsError(SimError):
    """Draws that ended or held up the process that played them; all others that were finished are kept.

    Parameters
    ----------
    orders : list of tuple of int
        First draw and number of draws each.
    reason : str
        What they did.
    folder : Path or None
        Result folder.
    networks : int
        Of the run: the distance between two draws of one order.
    """

    exit_code = 5

    def __init__(self, orders: list[tuple[int, int]], reason: str, folder: Path | None, networks: int = 1) -> None:
        self.orders, self.reason = orders, reason
        said = f"{named(orders, networks)}: {reason}"
        if folder is not None:
            place, first = shlex.quote(str(folder)), orders[0][0]
            said += f"; the others that were finished are kept; to look at one: sim repro {place} --draw {first}"
            if all(n == 1 for _, n in orders):
                without = ",".join(str(first) for first, _ in orders)
                said += f"; to go on without: sim resume {place} --without {without}"
            else:
                said += f"; to go on, these draws last and one by one: sim resume {place}"
        super().__init__(said)


def gather(task: Task, draws: int, how: How, *, folder: Path | None, progress: bool | Tell) -> Result:
    """Play all draws of a task and keep them.

    Parameters
    ----------
    task : Task
        Scenario, system, seed, player.
    draws : int
        How many.
    how : How
        Workers, width, limits.
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
    LostDrawsError
        If draws could not be finished and are no rows either.
    """
    manifest, text = _manifest(task, draws), frozen(task.scenario, draws, task.seed)
    agents, watch = task.scenario.record == "agents", Watch.of(task.scenario, draws)
    manifest |= {} if watch is None else {"until": watch.asked}
    traced = named_draws(task.scenario, manifest["player"])
    check_memory(task, draws, how, folder)
    with ExitStack() as held:
        store = None
        if folder is not None:
            held.enter_context(only_writer(folder))
            store = Store.prepare(folder, manifest["run_key"], task.networks)
            store.write_scenario(text)
            write_inputs(store, task.scenario)
            store.write_manifest(manifest)
        shelf = Shelf(draws, store, agents=agents, watch=watch, networks=task.networks)
        tell = held.enter_context(teller(progress))
        found = _played(task, how, shelf, tell, folder)
        manifest |= {"complete": True, **found.facts(shelf.digests)}
        draws = manifest["draws"]
        facts, traces = record_named(task, [k for k in traced if k < draws], shelf.one, store)
        manifest |= {"traces": facts} if traced else {}
        manifest["warnings"] += told(missing(traced, draws))
        if store is not None:
            shelf.suspect([])
            store.write_manifest(manifest)
            shelf.log(f"done: answer {manifest['answer_sha256']}, {manifest['failed']} failed")
            opened = store
            return Result(manifest, lambda: weave(read_parts(opened, draws, agents=agents)), text, folder)
    whole = weave(part for part in shelf.parts if part.first < draws)
    return Result(manifest, lambda: whole, text, traces=traces)


@dataclass
class _Tally:
    """What is known of a run while it goes on."""

    draws: int
    done: int = 0
    cached: int = 0
    failed: int = 0
    uncertified: int = 0
    began: float = field(default_factory=time.monotonic)
    watch: Watch | None = None

    def count(self, stretch: Stretch, *, cached: bool = False) -> None:
        """Count draws that are finished."""
        self.done += stretch.draws
        self.cached += stretch.draws * cached
        self.failed += stretch.failed
        self.uncertified += stretch.uncertified

    def progress(self) -> Progress:
        """How far the run is."""
        seconds, played = time.monotonic() - self.began, self.done - self.cached
        rate = played / seconds if seconds > 0.0 else 0.0
        watch, draws, expected = self.watch, self.draws, self.draws
        if watch is not None:
            draws, expected = watch.stop or draws, watch.expected
        missing = max(0, expected - self.done)
        left = missing / rate if rate > 0.0 else (0.0 if not missing else math.nan)
        widths = () if watch is None else (watch.width, watch.until.ci)
        return Progress(min(self.done, draws), draws, self.failed, self.cached, seconds, rate, left, *widths)

    def facts(self, digests: dict[int, str]) -> dict[str, Any]:
        """What the manifest says in the end; draws played beyond the end of a run belong to no answer."""
        watch = self.watch
        draws = self.draws if watch is None else watch.stop or self.draws
        said = {"draws": draws, "answer_sha256": answer(digests[first] for first in sorted(digests) if first < draws)}
        if watch is None:
            return said | {"failed": self.failed, "uncertified": self.uncertified}
        return said | {"failed": watch.failed, "uncertified": watch.uncertified, "until": watch.facts()}


def _played(task: Task, how: How, shelf: Shelf, tell: Tell, folder: Path | None) -> _Tally:
    """Play what is missing; whatever ends the run, the draws that were finished are kept."""
    try:
        return _play(task, how, shelf, tell)
    except UnfinishedError as error:
        shelf.flush()
        shelf.suspect(error.orders)
        shelf.log(str(error))
        raise LostDrawsError(error.orders, error.reason, folder, task.networks) from error
    except KeyboardInterrupt:
        shelf.flush()
        shelf.log('interrupted; "resume" goes on')
        raise
    except StoreError:  # the folder takes nothing more
        raise
    except Exception:
        shelf.flush()
        raise


def _play(task: Task, how: How, shelf: Shelf, tell: Tell) -> _Tally:
    """Play what is missing."""
    tally = _Tally(shelf.draws, watch=shelf.watch)
    for stretch in shelf.find():
        tally.count(stretch, cached=True)
    left_out = {k: 1 for k in how.without if k < shelf.draws}
    suspects = {k: 1 for k in shelf.suspects() if k not in left_out}
    width = Width(
        how.width,
        cells=cells_of(task.system),
        widest=widest(task, how),
        left=shelf.draws - tally.done,
        workers=how.workers,
    )
    shelf.log(
        f"{shelf.draws} draws, {tally.cached} of them there already, {how.workers} workers, "
        f"blocks of {how.width or 'a width that is timed'}"
    )
    for k in left_out:
        stretch = Stretch.of(task.failed(k, "left out of the run"))
        if shelf.take(stretch):
            tally.count(stretch)
    tell(tally.progress())
    there = shelf.have()
    if tally.done == shelf.draws or shelf.enough():
        return tally
    far = task.networks
    singles = [k for k in suspects if not any(within(k, first, n, far) for first, n in there.items())]
    with closing(_players(task, how, shelf, (there | left_out | dict.fromkeys(singles, 1), singles), width)) as played:
        for stretch in played:
            taken = shelf.take(stretch)
            if taken is not None:
                tally.count(taken)
                shelf.flush(now=False)
            tell(tally.progress())
            if shelf.enough():
                break
    return tally


def _players(
    task: Task, how: How, shelf: Shelf, wanted: tuple[dict[int, int], list[int]], width: Width
) -> Generator[Stretch]:
    """Play over threads of this process or over a cluster: first what nothing is known of, then the suspects."""
    there, singles = wanted
    if how.cluster is not None:
        if shelf.store is None:
            raise UsageError("a cluster's workers keep their draws in a result folder; give one (out)")
        from sim.experiments.cluster import play_cluster

        yield from play_cluster(task, how, shelf, wanted)
        return
    orders = chain(blocks(there, shelf.draws, width, task.networks), ((k, 1) for k in singles))
    with closing(play_threads(task, orders, how.workers, width=width, time_limit=how.time_limit)) as played:
        for part in played:
            yield Stretch.of(part)


def single(task: Task, block: Played) -> Result:
    """Return one draw that was played already as a result in memory.

    Parameters
    ----------
    task : Task
        Scenario, system, seed, and who played.
    block : Played
        The draw.

    Returns
    -------
    Result
        Of that draw alone.
    """
    part = replace(task, play=lambda *_: block).part(int(block.draws[0]), 1)
    manifest = _manifest(task, 1) | {"complete": True, "answer_sha256": answer([digest(columns(part))])}
    manifest |= {"failed": part.count(FAILED), "uncertified": part.count(UNCERTIFIED)}
    return Result(manifest, lambda: part, frozen(task.scenario, 1, task.seed))


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
        "run_key": key_of(scenario.digest, task.seed, scenario.record, model=model_name(task.play)),
        "name": scenario.name,
        "title": scenario.title or scenario.name,
        "mode": scenario.mode,
        "record": scenario.record,
        "scenario_sha256": scenario.digest,
        "engine": engine(),
        "player": player_name(task.play),
        "seed": task.seed,
        "draws": draws,
        "networks": task.networks,
        "complete": False,
        "answer_sha256": None,
        "failed": 0,
        "uncertified": 0,
        "versions": versions(),
        "metrics": metrics,
        "imputed": _plain(system.imputed),
        "warnings": told([*scenario.warnings, *system.warnings, *warnings(scenario, system)]),
    }


def player_name(play: Any) -> str | None:
    """Return who plays, if not the rules of this package.

    Parameters
    ----------
    play : callable
        Of a task.

    Returns
    -------
    str or None
        Module and name; None for our own rules.
    """
    owner = getattr(play, "__self__", None)
    play = owner if isinstance(owner, type) else play
    if getattr(play, "__module__", "") in ("sim.simulation", "sim.model"):
        return None
    return clean(f"{getattr(play, '__module__', '')}.{getattr(play, '__qualname__', type(play).__qualname__)}")


def model_name(play: Any) -> str | None:
    """Return whose agents play, if they decide for themselves.

    A player that is a function has no name here: it may be mended and gone on with.

    Parameters
    ----------
    play : callable
        Of a task.

    Returns
    -------
    str or None
        Module and name of the class; part of the run key.
    """
    return player_name(play) if isinstance(getattr(play, "__self__", None), type) else None


def _plain(cells: Sequence[Any]) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in dict(cell).items()} for cell in cells]
