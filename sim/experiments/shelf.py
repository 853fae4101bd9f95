"""Where the draws of a run are put as they come: memory or a result folder, part by part, each draw once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.disk import commit_bytes, remove
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part, columns, digest, join
from sim.experiments.pieces import drop_pieces, pieces, read_piece, tidy_pieces, write_piece
from sim.experiments.store import Store

SUSPECTS = "suspects.json"
FLUSH = 30.0
"""Seconds after which draws of parts that are not complete are written too."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive draws of one part.

    Parameters
    ----------
    first, draws : int
        Which.
    failed, uncertified : int
        How many of them.
    part : Part or None
        Their numbers; None when they lie in the folder.
    digest : str or None
        Set when they are a whole part that is committed.
    """

    first: int
    draws: int
    failed: int
    uncertified: int
    part: Part | None = None
    digest: str | None = None

    @classmethod
    def of(cls, part: Part) -> Stretch:
        """Return a part as a stretch.

        Parameters
        ----------
        part : Part
            Kept in memory.

        Returns
        -------
        Stretch
            With its counts.
        """
        return cls(part.first, part.draws, part.count(FAILED), part.count(UNCERTIFIED), part)


class Shelf:
    """The draws of a run as they come.

    Parameters
    ----------
    draws : int
        Of the run.
    store : Store or None
        Result folder; None keeps all in memory.
    agents : bool
        Whether final columns belong to the draws.
    """

    def __init__(self, draws: int, store: Store | None, *, agents: bool) -> None:
        self.draws, self.store, self.agents = draws, store, agents
        self.parts: list[Part] = []
        self.digests: dict[int, str] = {}
        self._held: dict[int, list[Stretch]] = {}
        self._flushed = time.monotonic()

    def find(self) -> Iterator[Stretch]:
        """Take in what the folder holds already; what is damaged is played again.

        Yields
        ------
        Stretch
            What was found.
        """
        if self.store is None:
            return
        tidy_pieces(self.store)
        there: dict[int, list[tuple[int, int]]] = {}
        for first, draws in pieces(self.store):
            there.setdefault(first - first % PART, []).append((first, draws))
        for first in range(0, self.draws, PART):
            wanted = min(PART, self.draws - first)
            part = self._read(lambda store, at=first: store.read(at, agents=self.agents), first)
            if part is not None and part.draws >= wanted:
                self.digests[first] = digest(columns(part.head(wanted)))
                drop_pieces(self.store, first)
                yield Stretch.of(part.head(wanted))
                continue
            if part is not None:
                self._held.setdefault(first, []).append(Stretch.of(part))
                yield Stretch.of(part)
            for at, n in there.get(first, ()):
                if at + n <= first + wanted and not self._has(at, n):
                    piece = self._read(lambda store, at=at, n=n: read_piece(store, at, n, agents=self.agents), None)
                    if piece is not None:
                        stretch = Stretch(at, n, piece.count(FAILED), piece.count(UNCERTIFIED))
                        self.take(stretch)
                        yield stretch

    def _read(self, read: Any, first: int | None) -> Part | None:
        """What a file holds; None when it is not there or damaged."""
        store = self.store
        if store is None or (first is not None and not store.path_of("draws", first).is_file()):
            return None
        try:
            part: Part = read(store)
        except StoreError as error:
            self.log(f"played again: {str(error).partition(': ')[2]}")
            return None
        return part

    def _has(self, first: int, draws: int) -> bool:
        """Whether any of these draws is there."""
        start = first - first % PART
        if start in self.digests:
            return True
        return any(each.first < first + draws and first < each.first + each.draws for each in self._held.get(start, ()))

    def have(self) -> dict[int, int]:
        """Return the stretches that are there.

        Returns
        -------
        dict of int to int
            First draw -> number of draws.
        """
        found = {each.first: each.draws for stretches in self._held.values() for each in stretches}
        return found | {first: min(PART, self.draws - first) for first in self.digests}

    def take(self, stretch: Stretch) -> Stretch | None:
        """Put draws where they belong; a part is committed when all its draws are there, whatever brought the last one.

        Parameters
        ----------
        stretch : Stretch
            In any order.

        Returns
        -------
        Stretch or None
            The same; None when some of its draws are there already, which then count once.

        Raises
        ------
        StoreError
            If the folder cannot be written, or a piece in it was damaged.
        """
        if self._has(stretch.first, stretch.draws):
            return None
        start = stretch.first - stretch.first % PART
        wanted = min(PART, self.draws - start)
        if stretch.digest is not None and stretch.draws == wanted:
            self.digests[start] = stretch.digest
            self.log(f"draws {start} to {start + wanted - 1} written")
            return stretch
        held = self._held.setdefault(start, [])
        held.append(stretch)
        if sum(each.draws for each in held) == wanted:
            whole = join([self._part(each) for each in sorted(held, key=lambda each: each.first)])
            self.digests[start] = self._keep(whole)
            del self._held[start]
        return stretch

    def _part(self, stretch: Stretch) -> Part:
        if stretch.part is not None:
            return stretch.part
        if self.store is None:
            raise StoreError(f"draws {stretch.first} to {stretch.first + stretch.draws - 1} are missing")
        return read_piece(self.store, stretch.first, stretch.draws, agents=self.agents)

    def _keep(self, part: Part) -> str:
        if self.store is None:
            # they come in any order and are joined in theirs
            self.parts = sorted([*self.parts, part], key=lambda each: each.first)
            return digest(columns(part))
        found = self.store.write(part)
        drop_pieces(self.store, part.first)
        self.log(f"draws {part.first} to {part.first + part.draws - 1} written")
        return found

    def flush(self, *, now: bool = True) -> None:
        """Write the draws of parts that are not complete.

        Parameters
        ----------
        now : bool
            False leaves it to the time since the last one.
        """
        if self.store is None or (not now and time.monotonic() - self._flushed < FLUSH):
            return
        self._flushed = time.monotonic()
        for start, held in self._held.items():
            kept: list[Stretch] = []
            for run in _runs([each for each in held if each.part is not None]):
                part = join([self._part(each) for each in run])
                if self.store.path_of("draws", start).is_file() and run[0].first == start and len(run) == 1:
                    kept += run  # it came from there
                    continue
                write_piece(self.store, part)
                kept.append(Stretch(part.first, part.draws, part.count(FAILED), part.count(UNCERTIFIED)))
            held[:] = [each for each in held if each.part is None] + kept

    def log(self, line: str) -> None:
        """Add a line to the log of the folder, if there is one.

        Parameters
        ----------
        line : str
            Without absolute paths.
        """
        if self.store is not None:
            self.store.log(line)

    def suspects(self) -> list[int]:
        """Return draws that an earlier run into this folder could not finish.

        Returns
        -------
        list of int
            To be played last and one by one.
        """
        if self.store is None:
            return []
        try:
            said = json.loads((self.store.folder / SUSPECTS).read_bytes())
            found = {k for first, n in said for k in range(int(first), int(first) + min(int(n), PART))}
        except (OSError, ValueError, TypeError, RecursionError):
            return []
        return sorted(k for k in found if 0 <= k < self.draws)

    def suspect(self, orders: Iterable[tuple[int, int]]) -> None:
        """Remember draws that could not be finished; none forgets those of before.

        Parameters
        ----------
        orders : iterable of tuple of int
            First draw and number of draws each.
        """
        if self.store is None:
            return
        path: Path = self.store.folder / SUSPECTS
        named = sorted(orders)
        if named:
            commit_bytes(path, json.dumps(named).encode())
        elif path.is_file():
            remove(path)


def _runs(stretches: list[Stretch]) -> Iterator[list[Stretch]]:
    """Stretches that follow each other without a gap, together."""
    run: list[Stretch] = []
    for each in sorted(stretches, key=lambda each: each.first):
        if run and run[-1].first + run[-1].draws != each.first:
            yield run
            run = []
        run.append(each)
    if run:
        yield run
