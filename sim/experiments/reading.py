"""The parts of a result folder, read in order and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.cuts import size_of, starts
from sim.experiments.part import Part, answer, columns, digest
from sim.experiments.store import PARTS, Store


def read_parts(store: Store, draws: int, *, agents: bool) -> Iterator[Part]:
    """Yield the parts of a run in the order of their first draws, cut to the draws asked for.

    Parameters
    ----------
    store : Store
        Of the run.
    draws : int
        How many draws.
    agents : bool
        Whether to read final columns.

    Yields
    ------
    Part
        Checked.

    Raises
    ------
    StoreError
        Naming the part that is missing or damaged.
    """
    for first in starts(draws, store.networks):
        wanted = size_of(first, draws, store.networks)
        part = store.read(first, agents=agents)
        if part.draws < wanted:
            name = f"{PARTS}/{store.path_of('draws', first).name}"
            raise StoreError(f"{store.folder}: {name} holds {part.draws} draws, expected {wanted}")
        yield part.head(wanted)


def answer_of(parts: Iterable[Part]) -> str:
    """Return the digest of an answer.

    Parameters
    ----------
    parts : iterable of Part
        In the order of their first draws.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    return answer(digest(columns(part)) for part in parts)


def paths_of(folder: Path, manifest: Mapping[str, Any], kind: str) -> list[Path]:
    """Return where the parts of a run lie.

    Parameters
    ----------
    folder : Path
        Result folder.
    manifest : mapping
        Of the run.
    kind : str
        ``"draws"`` or ``"agents"``.

    Returns
    -------
    list of Path
        In the order of their first draws, whether or not they exist.
    """
    store = Store.of(folder, manifest)
    return [store.path_of(kind, first) for first in starts(manifest["draws"], store.networks)]
