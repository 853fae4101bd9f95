"""The folder of a sweep: its manifest, checked and committed; its runs lie below it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.disk import commit_bytes
from sim.experiments.provenance import MANIFEST, SWEEP
from sim.experiments.swept import Sweep

SCENARIO, POINTS = "scenario.yaml", "points"
FORMAT = 1
"""Of the folder; a reader refuses newer ones."""

FIELDS: dict[str, type | tuple[type, ...]] = {
    "sweep_key": str,
    "name": str,
    "title": str,
    "scenario_sha256": str,
    "engine": str,
    "player": (str, type(None)),
    "seed": int,
    "sample": str,
    "draws": (int, type(None)),
    "keys": list,
    "axes": dict,
    "policies": list,
    "changes": dict,
    "record": str,
    "allow_uncertified": bool,
    "complete": bool,
    "answer_sha256": (str, type(None)),
    "metrics": list,
    "rows": list,
}
"""What the manifest of a sweep holds besides its format, its kind and its own digest."""

HOW_TO_GO_ON = "remove it and sweep into the folder again; the runs in it are kept"
"""What helps against a manifest that cannot be read."""

PLACE = re.compile(r"(points/[0-9a-f]{16}(-[0-9]{1,13})?)?")
"""Where a run may lie; empty for a point that could not be played."""


def holds_sweep(folder: Path) -> bool:
    """Return whether a folder is that of a sweep rather than of a run.

    Parameters
    ----------
    folder : Path
        There or not.

    Returns
    -------
    bool
        By the file that says what the sweep is.
    """
    return (folder / SWEEP).is_file()


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
    if (folder / MANIFEST).exists():
        raise StoreError(f"{folder}: holds a run; choose another folder for the sweep")
    if (folder / SWEEP).exists() and read_sweep(folder)["sweep_key"] != key:
        raise StoreError(
            f"{folder}: holds another sweep, or a table, plug-in or library behind its points has changed; "
            "choose another folder"
        )


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def answer(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the one number that identifies all answers of a sweep.

    Parameters
    ----------
    rows : iterable of mapping
        One a run, as the manifest has them.

    Returns
    -------
    str
        SHA-256 over the answers in order; a run without one counts as "-".
    """
    return hashlib.sha256("".join(row["answer_sha256"] or "-" for row in rows).encode()).hexdigest()


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
    write_text(folder, SWEEP, text + "\n")


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
    commit_bytes(folder / name, text.encode("utf-8"))


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
    path = folder / SWEEP
    if not path.is_file():
        raise StoreError(f"{folder}: no sweep found (no {SWEEP})")
    try:
        said = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise StoreError(f"{path}: cannot read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not valid JSON; {HOW_TO_GO_ON}") from error
    if not isinstance(said, dict) or said.get("kind") != "sweep" or type(said.get("format")) is not int:
        raise StoreError(f"{path}: not the manifest of a sweep")
    if said["format"] > FORMAT:
        raise StoreError(f"{path}: written by a newer version (format {said['format']}; this one reads {FORMAT})")
    stated = said.pop("manifest_sha256", None)
    if stated != _digest(said):
        raise StoreError(f"{path}: digest differs; the file was changed or damaged; {HOW_TO_GO_ON}")
    for name, kind in FIELDS.items():
        if not isinstance(said.get(name), kind):
            raise StoreError(f"{path}: {name} is missing or of the wrong type; {HOW_TO_GO_ON}")
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
        done = sum(1 for _ in (place / POINTS).glob(f"*/{MANIFEST}")) if (place / POINTS).is_dir() else 0
        raise StoreError(
            f"{place}: interrupted, {done} of {len(facts['rows'])} runs begun; "
            f"sim resume {shlex.quote(str(place))} finishes it"
        )
    return Sweep(facts, place, scenario_yaml=scenario_text(place))


def scenario_text(folder: Path) -> str:
    """Return the scenario that was swept, as its folder keeps it.

    Parameters
    ----------
    folder : Path
        Of the sweep.

    Returns
    -------
    str
        YAML.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    try:
        return (folder / SCENARIO).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{folder}: {SCENARIO} cannot be read") from error
