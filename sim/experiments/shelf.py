"""Where the draws of a run are put as they come: memory or a result folder, part by part, each draw once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.cuts import size_of, start_of, starts
from sim.experiments.disk import commit_bytes, remove
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part, columns, digest, join
from sim.experiments.pieces import drop_pieces, pieces, read_piece, tidy_pieces, write_piece
from sim.experiments.store import Store
from sim.experiments.threads import named
from sim.experiments.until import Watch

SUSPECTS = "suspects.json"
FLUSH = 30.0
"""Seconds after which draws of parts that are not complete are written too."""


@dataclass(frozen=True)
class Stretch:
    """Draws of one part that follow each other.

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
    watch : Watch, optional
        Shown every complete part; may end the run.
    networks : int
        That the draws are spread over.
    """

    def __init__(
        self, draws: int, store: Store | None, *, agents: bool, watch: Watch | None = None, networks: int = 1
    ) -> None:
        self.draws, self.store, self.agents, self.watch, self.networks = draws, store, agents, watch, networks
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
            there.setdefault(start_of(first, self.networks), []).append((first, draws))
        for first in starts(self.draws, self.networks):
            wanted = size_of(first, self.draws, self.networks)
            part = self._read(lambda store, at=first: store.read(at, agents=self.agents), first)
            if part is not None and part.draws >= wanted:
                self.digests[first] = digest(columns(part.head(wanted)))
                drop_pieces(self.store, first)
                self._show(part.head(wanted))
                yield Stretch.of(part.head(wanted))
                if self.enough():
                    return
                continue
            if part is not None:
                self._held.setdefault(first, []).append(Stretch.of(part))
                yield Stretch.of(part)
            for at, n in there.get(first, ()):
                if (at - first) // self.networks + n <= wanted and not self._has(at, n):
                    piece = self._read(lambda store, at=at, n=n: read_piece(store, at, n, agents=self.agents), None)
                    if piece is not None:
                        stretch = Stretch(at, n, piece.count(FAILED), piece.count(UNCERTIFIED))
                        self.take(stretch)
                        yield stretch

    def _show(self, part: Part) -> None:
        if self.watch is not None:
            self.watch.take(part)

    def enough(self) -> bool:
        """Return whether the run may end before its last draw.

        Returns
        -------
        bool
            A run whose number of draws is fixed never does.
        """
        return self.watch is not None and self.watch.stop is not None

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
        start = start_of(first, self.networks)
        if start in self.digests:
            return True
        far = self.networks
        return any(
            each.first < first + draws * far and first < each.first + each.draws * far
            for each in self._held.get(start, ())
        )

    def have(self) -> dict[int, int]:
        """Return the stretches that are there.

        Returns
        -------
        dict of int to int
            First draw -> number of draws.
        """
        found = {each.first: each.draws for stretches in self._held.values() for each in stretches}
        return found | {first: size_of(first, self.draws, self.networks) for first in self.digests}

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
        start = start_of(stretch.first, self.networks)
        wanted = size_of(start, self.draws, self.networks)
        if stretch.digest is not None and stretch.draws == wanted:
            self.digests[start] = stretch.digest
            self.log(f"{named([(start, wanted)], self.networks)} written")
            if self.watch is not None and self.store is not None:
                self._show(self.store.read(start, agents=False).head(wanted))
            return stretch
        held = self._held.setdefault(start, [])
        held.append(stretch)
        if sum(each.draws for each in held) == wanted:
            whole = join([self._part(each) for each in sorted(held, key=lambda each: each.first)])
            self.digests[start] = self._keep(whole)
            del self._held[start]
            self._show(whole)
        return stretch

    def _part(self, stretch: Stretch) -> Part:
        if stretch.part is not None:
            return stretch.part
        if self.store is None:
            raise StoreError(f"{named([(stretch.first, stretch.draws)], self.networks)} are missing")
        return read_piece(self.store, stretch.first, stretch.draws, agents=self.agents)

    def _keep(self, part: Part) -> str:
        if self.store is None:
            # they come in any order and are joined in theirs
            self.parts = sorted([*self.parts, part], key=lambda each: each.first)
            return digest(columns(part))
        found = self.store.write(part)
        drop_pieces(self.store, part.first)
        self.log(f"{named([(part.first, part.draws)], self.networks)} written")
        return found

    def one(self, draw: int) -> Part:
        """Return one draw of a part that is complete.

        Parameters
        ----------
        draw : int
            Which.

        Returns
        -------
        Part
            Of that draw alone, without final columns.
        """
        first = start_of(draw, self.networks)
        if self.store is not None:
            return self.store.read(first, agents=False).one(draw)
        return next(each for each in self.parts if each.first == first).one(draw)

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
            for run in _runs([each for each in held if each.part is not None], self.networks):
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
            found = {int(first) + k * self.networks for first, n in said for k in range(min(int(n), PART))}
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


def _runs(stretches: list[Stretch], networks: int) -> Iterator[list[Stretch]]:
    """Stretches that follow each other without a gap, together."""
    run: list[Stretch] = []
    for each in sorted(stretches, key=lambda each: each.first):
        if run and run[-1].first + run[-1].draws * networks != each.first:
            yield run
            run = []
        run.append(each)
    if run:
        yield run
