"""The folder of a sweep: its manifest, checked and committed; its runs lie below it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.disk import commit
from sim.experiments.swept import Sweep

MANIFEST, SCENARIO, POINTS = "sweep.json", "scenario.yaml", "points"
FORMAT = 1
"""Of the folder; a reader refuses newer ones."""

PLACE = re.compile(r"(points/[0-9a-f]{16}(-[0-9]{1,13})?)?")
"""Where a run may lie; empty for a point that could not be played."""


def refuse_other(folder: Path, key: str) -> None:
    """Refuse a folder that holds something else.

    Parameters
    ----------
    folder : Path
        There or not.
    key : str
        Of the sweep to be written.

    Raises
    ------
    StoreError
        If it holds a run, or another sweep.
    """
    if (folder / "manifest.json").exists():
        raise StoreError(f"{folder}: holds a run; choose another folder for the sweep")
    if (folder / MANIFEST).exists() and read_sweep(folder)["sweep_key"] != key:
        raise StoreError(f"{folder}: holds another sweep; choose another folder")


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_sweep(folder: Path, facts: Mapping[str, Any]) -> None:
    """Commit the manifest of a sweep.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    facts : mapping
        Plain data.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    text = json.dumps({**facts, "manifest_sha256": _digest(facts)}, indent=1, allow_nan=False)
    write_text(folder, MANIFEST, text + "\n")


def write_text(folder: Path, name: str, text: str) -> None:
    """Commit a text.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    name : str
        Of the file.
    text : str
        Its content.

    Raises
    ------
    StoreError
        If the system refuses.
    """

    def write(path: Path) -> None:
        path.write_bytes(text.encode("utf-8"))

    commit(folder / name, write)


def read_sweep(folder: Path) -> dict[str, Any]:
    """Return the manifest of a sweep.

    Parameters
    ----------
    folder : Path
        Of the sweep.

    Returns
    -------
    dict
        Checked against its digest.

    Raises
    ------
    StoreError
        If there is none, or it is damaged or newer than this program.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise StoreError(f"{folder}: no sweep found (no {MANIFEST})")
    try:
        said = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: cannot read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not valid JSON") from error
    if not isinstance(said, dict) or said.get("kind") != "sweep" or type(said.get("format")) is not int:
        raise StoreError(f"{path}: not the manifest of a sweep")
    if said["format"] > FORMAT:
        raise StoreError(f"{path}: written by a newer version (format {said['format']}; this one reads {FORMAT})")
    stated = said.pop("manifest_sha256", None)
    if stated != _digest(said):
        raise StoreError(f"{path}: digest differs; the file was changed or damaged")
    if not all(PLACE.fullmatch(str(row.get("folder"))) for row in said["rows"]):
        raise StoreError(f"{path}: names a folder outside its own")
    return said


def open_sweep(folder: str | Path) -> Sweep:
    """Open the folder of a sweep.

    Parameters
    ----------
    folder : str or Path
        What `sweep` wrote.

    Returns
    -------
    Sweep
        Its runs are opened, and their digests checked, when they are looked at.

    Raises
    ------
    StoreError
        If there is no complete sweep, or its manifest is damaged.
    """
    place = Path(folder)
    facts = read_sweep(place)
    if not facts["complete"]:
        done = sum(1 for _ in (place / POINTS).glob("*/manifest.json")) if (place / POINTS).is_dir() else 0
        raise StoreError(
            f"{place}: interrupted, {done} of {len(facts['rows'])} runs begun; sweep into the folder again to finish it"
        )
    return Sweep(facts, place)
