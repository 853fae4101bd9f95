"""What an interrupted run has kept, read without changing anything in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sim.errors import StoreError
from sim.experiments.cuts import size_of, start_of, starts
from sim.experiments.part import FAILED, UNCERTIFIED, Part, draw_numbers, join
from sim.experiments.pieces import pieces, read_piece
from sim.experiments.provenance import read_manifest
from sim.experiments.result import Result
from sim.experiments.store import SCENARIO, Store


@dataclass(frozen=True)
class Found:
    """The draws that an interrupted run has kept.

    Parameters
    ----------
    result : Result
        Of these draws, numbered from 0.
    numbers : tuple of int
        Which draws of the run they are.
    draws : int
        How many the run was asked for.
    folder : Path
        Where they lie.
    """

    result: Result
    numbers: tuple[int, ...]
    draws: int
    folder: Path


def found(folder: Path) -> Found | None:
    """Return what an interrupted run has kept.

    Parameters
    ----------
    folder : Path
        Result folder; it may be read-only.

    Returns
    -------
    Found or None
        None for a complete run.

    Raises
    ------
    StoreError
        If there is no run, it is damaged, or no draw of it is finished.
    """
    manifest = read_manifest(folder)
    if manifest["complete"]:
        return None
    store = Store.of(folder, manifest)
    stretches = list(_stretches(store, manifest["draws"], agents=manifest["record"] == "agents"))
    if not stretches:
        raise StoreError(f'{folder}: interrupted before any draw was kept; "resume" plays them')
    numbers = tuple(int(draw) for each in stretches for draw in draw_numbers(each))
    first, moved = 0, []
    for each in stretches:
        moved.append(replace(each, first=first, stride=1, networks=1))
        first += each.draws
    whole = join(moved)
    said = manifest | {"draws": len(numbers), "networks": 1, "answer_sha256": "", "complete": False}
    said |= {"failed": whole.count(FAILED), "uncertified": whole.count(UNCERTIFIED)}
    try:
        text = (folder / SCENARIO).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{folder}: {SCENARIO} cannot be read") from error
    return Found(Result(said, lambda: whole, text), numbers, int(manifest["draws"]), folder)


def _stretches(store: Store, draws: int, *, agents: bool) -> Iterator[Part]:
    """Draws of the run in order, each once: whole parts, else the pieces of parts; what is damaged is missing."""
    list(store.part_files())  # refuses what must never be read
    kept = list(pieces(store))
    far = store.networks
    for first in starts(draws, far):
        wanted = size_of(first, draws, far)
        part = _read(store, first, agents=agents)
        reached = 0
        if part is not None:
            yield part.head(wanted)
            reached = min(part.draws, wanted)
        for at, n in kept:
            if start_of(at, far) != first:
                continue
            place = (at - first) // far
            # pairs of mirrored draws stay together: pieces of an odd start or length are not counted on
            if reached <= place and place + n <= wanted and (far > 1 or (place % 2 == 0 and n % 2 == 0)):
                try:
                    yield read_piece(store, at, n, agents=agents)
                except StoreError:
                    continue
                reached = place + n


def _read(store: Store, first: int, *, agents: bool) -> Part | None:
    if not store.path_of("draws", first).is_file():
        return None
    try:
        return store.read(first, agents=agents)
    except StoreError:
        return None
