"""Draws of parts that are not complete yet: kept in pieces, so that little is played again after an interruption."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sim.errors import StoreError
from sim.experiments.cuts import start_of
from sim.experiments.disk import make_folder, remove, tidy
from sim.experiments.part import FAILED, Part, columns, final_columns, from_columns, with_final
from sim.experiments.store import PIECES, Store

PIECE_NAME = re.compile(r"(draws|agents)-(\d{10,13})-(\d{1,4})\.parquet")


def piece_of(store: Store, kind: str, first: int, draws: int) -> Path:
    """Return where a piece lies.

    Parameters
    ----------
    store : Store
        Of the run.
    kind : str
        ``"draws"`` or ``"agents"``.
    first, draws : int
        Which draws.

    Returns
    -------
    Path
        Whether or not it exists.
    """
    return store.folder / PIECES / f"{kind}-{first:010d}-{draws}.parquet"


def write_piece(store: Store, part: Part) -> None:
    """Commit some draws of a part.

    Parameters
    ----------
    store : Store
        Of the run.
    part : Part
        Draws of one part that follow each other.

    Raises
    ------
    StoreError
        Naming the file, if the system refuses.
    """
    make_folder(store.folder / PIECES)
    # agents first: the draws' file commits the piece
    if part.final:
        store.write_table(piece_of(store, "agents", part.first, part.draws), part, final_columns(part))
    store.write_table(piece_of(store, "draws", part.first, part.draws), part, columns(part))


def read_piece(store: Store, first: int, draws: int, *, agents: bool) -> Part:
    """Return a piece after checking its digest.

    Parameters
    ----------
    store : Store
        Of the run.
    first, draws : int
        Which draws.
    agents : bool
        Whether its final columns belong to it.

    Returns
    -------
    Part
        As written.

    Raises
    ------
    StoreError
        Naming the file, if it is missing, damaged or of another run.
    """
    part = store.checked(lambda table: from_columns(table, store.networks), piece_of(store, "draws", first, draws))
    if (part.first, part.draws) != (first, draws):
        path = piece_of(store, "draws", first, draws)
        raise StoreError(f"{store.folder}: {PIECES}/{path.name} does not hold the draws its name says")
    if agents and any(status != FAILED for status in part.status):
        part = store.checked(lambda table: with_final(part, table), piece_of(store, "agents", first, draws))
    return part


def pieces(store: Store) -> Iterator[tuple[int, int]]:
    """Yield the pieces that lie in a folder, in draw order and, of those that begin alike, the longest first.

    Parameters
    ----------
    store : Store
        Of the run.

    Yields
    ------
    tuple of int
        First draw and number of draws; nothing is read yet.
    """
    found = []
    for path in (store.folder / PIECES).glob("draws-*.parquet"):
        match = PIECE_NAME.fullmatch(path.name)
        if match:
            first, draws = int(match[2]), int(match[3])
            last = first + (draws - 1) * store.networks
            if draws > 0 and start_of(first, store.networks) == start_of(last, store.networks):
                found.append((first, draws))
    yield from sorted(found, key=lambda each: (each[0], -each[1]))


def drop_pieces(store: Store, first: int) -> None:
    """Remove the pieces of a part that was committed, and the folder when it is empty.

    Parameters
    ----------
    store : Store
        Of the run.
    first : int
        First draw of the part.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    folder = store.folder / PIECES
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        match = PIECE_NAME.fullmatch(path.name)
        if match and start_of(int(match[2]), store.networks) == first:
            remove(path)
    with suppress(OSError):  # not empty, or gone already
        folder.rmdir()


def tidy_pieces(store: Store) -> None:
    """Remove what interrupted writers of pieces left behind.

    Parameters
    ----------
    store : Store
        Of the run.

    Raises
    ------
    StoreError
        If a link lies in the place of the folder, or the system refuses.
    """
    folder = store.folder / PIECES
    if folder.is_symlink():
        raise StoreError(f"{folder}: is a link; nothing is written through it")
    if folder.is_dir():
        tidy(folder)
