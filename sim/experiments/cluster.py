"""A run over the processes of a Dask cluster: chunks that write themselves, retried, and blamed draw by draw."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from sim.errors import StoreError, UsageError
from sim.experiments.blocks import How, Task, blocks, clean
from sim.experiments.connection import ClusterError, connected, revive
from sim.experiments.cuts import size_of, start_of, within
from sim.experiments.part import PART
from sim.experiments.shelf import Shelf, Stretch
from sim.experiments.threads import FIRST, PATIENCE, TIMES, UnfinishedError, named
from sim.experiments.worker import Chunk, Receipt, Setting, crumb_of, last_words, play_chunk

CHUNK_SECONDS = 2.0
"""Seconds a chunk should take: long against the time to send it, short against that to lose it."""

TRIES = 3
"""Times a chunk may lose its process, or the disk, before its draws are played one by one, or the run ends."""

SURE = 2
"""Times a draw that is played alone ends its process before it is given up."""

MOST_LOST = 16
"""Draws given up before the run ends: what ends every process is not a bad draw."""

TRACE = 12
"""Lines of what a process said when it crashed that the log keeps."""

REVIVE = 5.0
"""Seconds between two attempts to replace processes that are gone for good."""

ALONE = 60.0
"""Seconds without any process before the run ends."""


@dataclass
class _Order:
    """A chunk on its way."""

    first: int
    draws: int
    single: bool = False
    tries: int = 0


@dataclass
class _Desk:
    """What is known while chunks come and go."""

    folder: Path
    draws: int
    networks: int = 1
    waiting: list[_Order] = field(default_factory=list)
    running: dict[Any, _Order] = field(default_factory=dict)
    done: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    deaths: dict[int, int] = field(default_factory=dict)
    lost: dict[int, str] = field(default_factory=dict)
    longest: float = 0.0
    rate: float = 0.0

    def limit(self, given: float | None) -> float:
        """Seconds a block may take."""
        return given or (max(PATIENCE, TIMES * self.longest) if self.longest else FIRST)

    def size(self) -> int:
        """Draws in the next chunk, from the time of those before it."""
        if self.rate <= 0.0:
            return 32
        # a part that is written whole is not read again
        size = int(CHUNK_SECONDS / self.rate)
        return PART if 2 * size > PART else max(1, size)


def play_cluster(task: Task, how: How, shelf: Shelf, wanted: tuple[dict[int, int], list[int]]) -> Generator[Stretch]:
    """Play what is missing on a cluster.

    Parameters
    ----------
    task : Task
        Scenario, system, seed, player.
    how : How
        With the cluster's address.
    shelf : Shelf
        With its folder.
    wanted : tuple
        Stretches that are there, and draws to be played one by one in the end.

    Yields
    ------
    Stretch
        A chunk that is on the disk.

    Raises
    ------
    UnfinishedError
        If draws ended their process, or never ended; all others were played.
    ClusterError
        If there is no cluster, or none any more.
    """
    store = shelf.store
    if store is None or how.cluster is None:
        raise UsageError("a cluster's workers keep their draws in a result folder; give one (out)")
    there, singles = wanted
    desk = _Desk(store.folder.absolute(), shelf.draws, task.networks)
    cut = blocks(there, shelf.draws, desk.size, task.networks)
    last = [_Order(k, 1, single=True) for k in singles]
    setting = _setting(task, how, desk.folder, store.key)
    try:
        with connected(how.cluster, setting) as (client, said):
            office = _Office(client, desk, how, shelf, said)
            office.fill(cut, last)
            while desk.running or desk.waiting:
                yield from office.next()
                office.fill(cut, last)
    finally:
        _sweep(desk.folder)
    if desk.lost:
        raise UnfinishedError([(k, 1) for k in sorted(desk.lost)], _told(desk.lost))


def _setting(task: Task, how: How, folder: Path, key: str) -> Setting:
    origin = task.scenario.origin
    own = getattr(task.play, "__module__", "") == "sim.simulation"
    return Setting(
        key,
        folder,
        task.scenario.canonical(),
        None if origin.folder is None else origin.folder.resolve(),
        dict(origin.inputs),
        origin.allow_path,
        origin.system,
        task.seed,
        None if own else task.play,
        how.width,
    )


class _Office:
    """Hands chunks out and takes them back."""

    def __init__(self, client: Any, desk: _Desk, how: How, shelf: Shelf, said: list[str]) -> None:
        self.key = shelf.store.key if shelf.store is not None else ""
        self.client, self.desk, self.how, self.shelf, self.said = client, desk, how, shelf, said
        self.token = secrets.token_hex(4)
        self.number = 0
        self.seen = time.monotonic()
        self.workers = how.workers
        self.revived = time.monotonic()
        self.told: set[str] = set()

    def fill(self, cut: Iterator[tuple[int, int]], last: list[_Order]) -> None:
        """Keep two chunks a process on their way; none is cut before it is needed."""
        desk = self.desk
        while len(desk.running) < 2 * max(1, self.workers):
            if desk.waiting:
                order = desk.waiting.pop(0)
            elif (found := next(cut, None)) is not None:
                order = _Order(*found)
            elif last:
                order = last.pop(0)
            else:
                return
            self._send(order)

    def _send(self, order: _Order) -> None:
        desk = self.desk
        start = start_of(order.first, desk.networks)
        whole = order.first == start and order.draws == size_of(start, desk.draws, desk.networks)
        limit = desk.limit(self.how.time_limit)
        chunk = Chunk(
            self.shelf.store.key if self.shelf.store else "", order.first, order.draws, whole, order.single, limit
        )
        self.number += 1
        future = self.client.submit(
            _chunk, chunk, key=f"draws-{order.first}-{order.draws}-{self.token}-{self.number}", pure=False
        )
        desk.running[future.key] = order
        future.add_done_callback(desk.done.put)

    def next(self) -> Iterator[Stretch]:
        """Take one chunk back, if one comes soon."""
        try:
            future = self.desk.done.get(timeout=0.5)
        except Empty:
            self._look()
            return
        order = self.desk.running.get(future.key)
        if order is None:  # delivered twice
            return
        if future.status == "finished":
            try:
                receipt = future.result(timeout=10)
            except TimeoutError:
                self.desk.done.put(future)
                return
            except Exception as error:  # noqa: BLE001 - the receipt went down with its process and was asked for again
                del self.desk.running[future.key]
                self._failed(order, error)
                return
            del self.desk.running[future.key]
            yield self._taken(receipt, order)
            return
        del self.desk.running[future.key]
        # neither an error nor cancelled: the process that held the receipt died; what it wrote is written again
        self._failed(order, future.exception(timeout=10) if future.status == "error" else None)

    def _taken(self, receipt: Receipt, order: _Order) -> Stretch:
        desk = self.desk
        desk.longest = max(desk.longest, receipt.longest)
        if not order.single:
            rate = receipt.seconds / receipt.draws
            desk.rate = rate if desk.rate == 0.0 else min(desk.rate, rate)
        return Stretch(receipt.first, receipt.draws, receipt.failed, receipt.uncertified, None, receipt.digest)

    def _look(self) -> None:
        """End the run when there is nobody left to play it."""
        now = time.monotonic()
        if self.client.status not in {"running", "connecting"}:
            raise ClusterError("the connection to the cluster is lost; what was finished is kept")
        found = len(self.client.scheduler_info(n_workers=-1)["workers"])
        if found < self.workers and now - self.revived > REVIVE:
            self.revived = now
            revive(self.client)
        if found:
            self.seen, self.workers = now, found
        elif now - self.seen > ALONE:
            raise ClusterError(f"the cluster has had no worker for {ALONE:.0f} s; what was finished is kept")

    def _failed(self, order: _Order, error: BaseException | None) -> None:
        """Try again; whoever is to blame for a process that died is known by the word it left."""
        if error is None and self.client.status != "running":
            raise ClusterError("the connection to the cluster is lost; what was finished is kept")
        died = error is not None and type(error).__name__ == "KilledWorker"
        if error is not None and not died and not isinstance(error, StoreError | ConnectionError):
            raise error
        if not died:
            order.tries += 1
            if order.tries > TRIES:
                said = named([(order.first, order.draws)], self.desk.networks)
                raise error or ClusterError(f"{said} were lost {TRIES} times")
            self.desk.waiting.insert(0, order)
            return
        address = str(getattr(getattr(error, "last_worker", None), "address", ""))
        first, draws, words = last_words(self.desk.folder, address)
        inside = bool(draws) and within(first, order.first, order.draws, self.desk.networks)
        if not inside and draws:  # it only waited behind the one that is to blame
            self.desk.waiting.insert(0, order)
            return
        reason = self._reason(words)
        self._log(order, (first, draws) if inside else (order.first, order.draws), reason, words)
        self._again(order, (first, draws) if inside else (order.first, order.draws), reason)

    def _reason(self, words: str) -> str:
        """Why a process ended, from what it said itself or from what was seen of it."""
        if words:
            line = words.splitlines()[0]
            return line if line.startswith("ran longer") else f"ended its process: {clean(line)}"
        seen = self.said[-1] if self.said else ""
        signal = re.search(r"signal (\d+)", seen)
        if signal and signal[1] == "9":
            return "ended its process: signal 9, often memory; try fewer workers"
        found = re.search(r"(signal|status) -?\d+", seen)
        return f"ended its process: {found[0]}" if found else "ended its process"

    def _log(self, order: _Order, block: tuple[int, int], reason: str, words: str) -> None:
        far = self.desk.networks
        self.shelf.log(f"{named([block], far)} {reason}; of the chunk {named([(order.first, order.draws)], far)}")
        if reason not in self.told:  # where it broke is worth saying once
            self.told.add(reason)
            for line in words.splitlines()[:TRACE]:
                self.shelf.log(f"  {clean(line)}")

    def _again(self, order: _Order, block: tuple[int, int], reason: str) -> None:
        """Send a chunk again whole, then cut at the block that is to blame, then that one draw by draw."""
        desk, (first, draws) = self.desk, block
        desk.deaths[first] = desk.deaths.get(first, 0) + 1
        before = (first - order.first) // desk.networks
        beyond, after = first + draws * desk.networks, order.draws - before - draws
        if order.single and draws == 1:
            rest = [_Order(order.first, before, single=True), _Order(beyond, after, single=True)]
            if desk.deaths[first] >= SURE:
                desk.lost[first] = reason
                if len(desk.lost) >= MOST_LOST:
                    raise UnfinishedError([(k, 1) for k in sorted(desk.lost)], _told(desk.lost))
            else:
                rest.append(_Order(first, 1, single=True))
        elif desk.deaths[first] < SURE:
            rest = [order]
        else:
            desk.deaths.pop(first)
            rest = [_Order(order.first, before), _Order(first, draws, single=True), _Order(beyond, after)]
        desk.waiting[:0] = [each for each in rest if each.draws > 0]


def _told(lost: dict[int, str]) -> str:
    reasons = sorted(set(lost.values()))
    return reasons[0] if len(reasons) == 1 else "; ".join(reasons[:3])


def _chunk(chunk: Chunk) -> Receipt:
    """What is sent to a process."""
    worker: Any = import_module("distributed").get_worker()
    return play_chunk(chunk, str(worker.address))


def _sweep(folder: Path) -> None:
    """Remove the words that processes left."""
    place = crumb_of(folder, "").parent
    for path in place.glob("worker-*.txt"):
        with suppress(OSError):
            path.unlink()
    with suppress(OSError):
        place.rmdir()
