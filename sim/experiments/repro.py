"""Checks of a result folder: every digest recomputed, or one draw played again and compared bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.arrays import Float
from sim.errors import SimError, StoreError, UsageError
from sim.experiments.blocks import Player
from sim.experiments.cuts import size_of, start_of, starts, within
from sim.experiments.ensemble import task_of
from sim.experiments.part import FAILED, Part, answer, columns, digest
from sim.experiments.pieces import pieces, read_piece
from sim.experiments.provenance import Manifest
from sim.experiments.reopen import refuse_player, reopen
from sim.experiments.store import Store, read_manifest
from sim.experiments.trace import read_named

MOST_TOLD = 20
"""Differences and damages named before the rest is counted."""


class InterruptedRunError(StoreError):
    """A run that is not finished; what is there of it is intact."""


@dataclass(frozen=True)
class Verified:
    """What a check of a result folder found.

    Parameters
    ----------
    manifest : dict
        Of the run.
    parts : int
        Read and intact.
    beyond : int
        Parts after the last draw of the run, left by a longer one.
    """

    manifest: Manifest
    parts: int
    beyond: int


def verify(folder: str | Path) -> Verified:
    """Recompute the digest of every part, and the answer's, one part at a time.

    Parameters
    ----------
    folder : str or Path
        Result folder.

    Returns
    -------
    Verified
        When all is as it was written.

    Raises
    ------
    StoreError
        Naming every part that is missing or damaged; or that the parts are not those of the answer.
    """
    place = Path(folder)
    manifest = read_manifest(place)
    store = Store.of(place, manifest)
    agents, draws = manifest["record"] == "agents", manifest["draws"]
    there = list(store.part_files())  # refuses what must never be read
    troubles: list[str] = []
    digests: list[str] = []
    names = tuple(each["name"] for each in manifest["metrics"])
    failed = uncertified = 0
    for first in starts(draws, store.networks):
        wanted = size_of(first, draws, store.networks)
        if not manifest["complete"] and not store.path_of("draws", first).is_file():
            continue
        try:
            part = store.read(first, agents=agents).head(wanted)
        except StoreError as error:
            troubles.append(str(error))
            continue
        if part.draws < wanted and manifest["complete"]:
            troubles.append(f"{place}: parts/{store.path_of('draws', first).name} holds {part.draws} draws")
        elif tuple(part.metrics) != names:
            troubles.append(f"{place}: parts/{store.path_of('draws', first).name} holds other metrics")
        digests.append(digest(columns(part)))
        failed, uncertified = failed + part.count(FAILED), uncertified + part.count("not-certified")
    for draw, said in (manifest.get("traces") or {}).items():
        try:
            read_named(store, int(draw), said)
        except StoreError as error:
            troubles.append(str(error))
    if troubles:
        more = f"; and {len(troubles) - MOST_TOLD} more" if len(troubles) > MOST_TOLD else ""
        raise StoreError("; ".join(troubles[:MOST_TOLD]) + more + '; "resume" computes them again')
    if not manifest["complete"]:
        raise InterruptedRunError(
            f'{place}: interrupted; the {len(digests)} parts it has are intact; "resume" finishes it'
        )
    if answer(digests) != manifest["answer_sha256"]:
        raise StoreError(f"{place}: the parts do not give the answer_sha256 of the manifest; they are not of one run")
    if (failed, uncertified) != (manifest["failed"], manifest["uncertified"]):
        raise StoreError(f"{place}: the manifest counts failed or uncertified draws that the parts do not hold")
    beyond = sum(1 for path in there if path.name.startswith("draws-")) - len(digests)
    return Verified(manifest, len(digests), beyond)


@dataclass(frozen=True)
class Replay:
    """One draw, played again.

    Parameters
    ----------
    draw : int
        Which.
    stored, played : Part or None
        What the folder holds, None if it holds nothing of it; what came out now.
    differences : tuple of str
        Every number that differs, with its place; empty when all bits agree.
    """

    draw: int
    stored: Part | None
    played: Part
    differences: tuple[str, ...]


def repro(
    folder: str | Path,
    draw: int,
    *,
    inputs: str | Path | None = None,
    allow_path: bool = False,
    player: Player | None = None,
) -> Replay:
    """Play one draw of a result again, alone, and compare it bit for bit.

    Parameters
    ----------
    folder : str or Path
        Result folder, complete or not.
    draw : int
        Which draw.
    inputs : str or Path, optional
        Folder of the scenario's tables, if it is not where it was.
    allow_path : bool
        Whether tables may lie outside that folder.
    player : callable, optional
        Who played the run, if not the rules of this package.

    Returns
    -------
    Replay
        Both, and what differs.

    Raises
    ------
    UsageError
        If the run has no such draw.
    StoreError
        If there is no run, its part is damaged, or another engine made it.
    InputError
        If a table is missing or was changed since the run began.
    """
    from sim.simulation import play

    place = Path(folder)
    kept = reopen(place, inputs=None if inputs is None else Path(inputs), allow_path=allow_path)
    if not 0 <= draw < kept.draws:
        raise UsageError(f"draw must be from 0 to {kept.draws - 1}, got {draw}")
    refuse_player(kept, player)
    networks = kept.scenario.monte_carlo.networks
    stored = _stored(Store(place, kept.key, networks=networks), draw, agents=kept.scenario.record == "agents")
    played = task_of(kept.scenario, kept.seed, player or play).part(draw, 1)
    return Replay(draw, stored, played, () if stored is None else tuple(_differences(stored, played)))


def _stored(store: Store, draw: int, *, agents: bool) -> Part | None:
    """The draw as the folder holds it, in a part or in a piece of one that is not complete."""
    first = start_of(draw, store.networks)
    if store.path_of("draws", first).is_file():
        part = store.read(first, agents=agents)
        if within(draw, first, part.draws, store.networks):
            return part.one(draw)
    for start, draws in pieces(store):
        if within(draw, start, draws, store.networks):
            return read_piece(store, start, draws, agents=agents).one(draw)
    return None


def _differences(stored: Part, played: Part) -> list[str]:
    found = []
    for what, before, now in (("status", stored.status, played.status), ("reason", stored.reason, played.reason)):
        if before != now:
            found.append(f"{what}: stored {before[0]!r}, played {now[0]!r}")
    if FAILED not in {*stored.status, *played.status}:
        found += _unequal(stored.metrics, played.metrics, [f"step {k + 1}" for k in range(stored.steps)])
        found += _unequal(stored.final, played.final, list(stored.agents))
    return found


def _unequal(before: Mapping[str, Float], now: Mapping[str, Float], places: list[str]) -> list[str]:
    """Every number whose bits differ."""
    found = []
    if list(before) != list(now):
        found.append(f"columns: stored {', '.join(before) or 'none'}; played {', '.join(now) or 'none'}")
    for name in before:
        if name not in now:
            continue
        one, other = before[name][0], now[name][0]
        if one.shape != other.shape:
            found.append(f"{name}: stored {one.size} values, played {other.size}")
            continue
        bits = np.flatnonzero(one.view(np.uint64) != other.view(np.uint64))
        found += [f"{name}, {places[k]}: stored {one[k]!r}, played {other[k]!r}" for k in bits.tolist()]
    return found


class DifferentError(SimError):
    """A draw that was played again is not the one that was stored."""

    exit_code = 6
