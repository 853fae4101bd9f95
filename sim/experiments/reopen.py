"""From a result folder back to the run that it holds: its scenario, its tables, its seed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError, Problem, StoreError
from sim.experiments.provenance import MANIFEST, SWEEP, Manifest, engine, key_of
from sim.experiments.store import SCENARIO, Store, read_manifest
from sim.experiments.until import is_of, most

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

INPUTS = "inputs.json"
SHIPPED = "shipped"
"""Stands for the folder of the scenarios that come with the program."""

CHANGED = "changed since the run began (digest differs); start a new run"


@dataclass(frozen=True)
class Kept:
    """What a result folder says about its run.

    Parameters
    ----------
    folder : Path
        The folder.
    scenario : Scenario
        Frozen, with the tables it was run on.
    seed, draws : int
        Of the run.
    key : str
        Run key.
    manifest : dict or None
        None where it is missing or damaged; it can be made again from the parts.
    """

    folder: Path
    scenario: Scenario
    seed: int
    draws: int
    key: str
    manifest: Manifest | None


def frozen(scenario: Any, draws: int, seed: int) -> str:
    """Return a scenario as a result folder keeps it: resolved, with the draws and the seed that were used.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    draws, seed : int
        Of the run.

    Returns
    -------
    str
        YAML.
    """
    counts = scenario.monte_carlo.model_copy(update={"draws": draws, "seed": seed})
    return str(scenario.model_copy(update={"monte_carlo": counts}).canonical())


def write_inputs(store: Store, scenario: Any) -> None:
    """Keep where the tables of a run lie and what they held, so that it can go on from its folder alone.

    Parameters
    ----------
    store : Store
        Of the run.
    scenario : Scenario
        What is played.

    Raises
    ------
    StoreError
        If the system refuses.
    """
    store.write_text(INPUTS, inputs_text(store.folder, scenario))


def inputs_text(folder: Path, scenario: Any) -> str:
    """Return what a folder keeps of the tables of a scenario.

    Parameters
    ----------
    folder : Path
        Of a run or a sweep; the tables are told relative to it.
    scenario : Scenario
        What is played.

    Returns
    -------
    str
        JSON.
    """
    origin = scenario.origin
    place = None if origin.folder is None else _told(folder, origin.folder)
    said = {"folder": place, "given": origin.system is not None, "sha256": dict(sorted(origin.inputs.items()))}
    return json.dumps(said, indent=1) + "\n"


def _told(folder: Path, tables: Path) -> str | None:
    """Where tables lie as seen from a result folder; None where that would tell a user's or a machine's name."""
    from sim.scenario.load import shipped_folder

    if tables.resolve() == shipped_folder().resolve():
        return SHIPPED
    try:
        way = os.path.relpath(tables.resolve(), folder.resolve())
    except ValueError:  # another drive
        return None
    root, here = Path(folder.resolve().anchor), folder.resolve()
    down = [part for part in Path(way).parts if part != ".."]
    above = here.parents[min(len(Path(way).parts) - len(down), len(here.parents)) - 1] if ".." in way else here
    # a way down from the root, or from the folder of all users, names what lies there
    return None if above in {root, Path.home().parent} and down else Path(way).as_posix()


def reopen(folder: Path, *, inputs: Path | None = None, allow_path: bool = False) -> Kept:
    """Return the run that a folder holds.

    Parameters
    ----------
    folder : Path
        Result folder, of a complete run or an interrupted one.
    inputs : Path, optional
        Where its tables lie now, if not where they did.
    allow_path : bool
        Whether tables may lie outside that folder.

    Returns
    -------
    Kept
        Checked: the tables hold what they did.

    Raises
    ------
    StoreError
        If there is no run, it is damaged beyond repair, or another engine made it.
    InputError
        If the tables are not there, or were changed.
    """
    manifest, trouble = None, ""
    if not folder.is_dir():
        raise StoreError(f"{folder}: no run found (no such folder)")
    try:
        manifest = read_manifest(folder)
    except StoreError as error:
        trouble = str(error)
        if not (folder / SCENARIO).is_file() or (folder / SWEEP).is_file():
            raise
        if "newer version" in trouble:
            raise
    if manifest is not None and manifest["engine"] != engine():
        raise StoreError(
            f"{folder}: was made by engine {manifest['engine']}, this one is {engine()}; its numbers would not be of "
            "one run; start a new one"
        )
    scenario = scenario_in(folder, inputs, allow_path)
    seed, draws = scenario.monte_carlo.seed, scenario.monte_carlo.draws
    if manifest is not None:
        seed, draws = manifest["seed"], most(manifest)
        if scenario.digest != manifest["scenario_sha256"] or not is_of(manifest, scenario, draws):
            raise StoreError(f"{folder}: {SCENARIO} is not that of the run; start a new one")
    if seed is None:
        raise StoreError(trouble or f"{folder}: {SCENARIO} names no seed")
    key = key_of(scenario.digest, seed, scenario.record) if manifest is None else manifest["run_key"]
    if manifest is None and any(Store(folder, key).key_in(path) != key for path in Store(folder, key).part_files()):
        raise StoreError(
            f"{folder}: the parts are not of this scenario and engine; without {MANIFEST} the run cannot be told"
        )
    return Kept(folder, scenario, int(seed), int(draws), key, manifest)


def refuse_player(kept: Kept, player: Any) -> None:
    """Refuse to go on with a run whose player is not at hand: nothing is imported because a folder names it.

    Parameters
    ----------
    kept : Kept
        What the folder says.
    player : callable or None
        What was given.

    Raises
    ------
    StoreError
        If the run had a player of its own and none is given.
    """
    named = kept.manifest.get("player") if kept.manifest is not None else None
    if named and player is None:
        raise StoreError(f"{kept.folder}: was played by {named}; call resume or repro in Python with player={named}")


def scenario_in(folder: Path, inputs: Path | None = None, allow_path: bool = False) -> Scenario:
    """Return the scenario that a folder keeps, with its tables found and unchanged.

    Parameters
    ----------
    folder : Path
        Of a run or a sweep.
    inputs : Path, optional
        Where its tables lie now, if not where they did.
    allow_path : bool
        Whether tables may lie outside that folder.

    Returns
    -------
    Scenario
        As it was played.

    Raises
    ------
    StoreError
        If it cannot be read, or was made on a system given in Python.
    InputError
        If the tables are not there, or were changed.
    """
    from sim.scenario.build import input_files
    from sim.scenario.check import checked
    from sim.scenario.schema import Origin
    from sim.scenario.strict import read_mapping

    path = folder / SCENARIO
    try:
        made = checked(dict(read_mapping(path).data))
    except InputError as error:
        raise StoreError(f"{path}: cannot be read: {error.problems[0].message}") from error
    said = _said(folder)
    if made.system is None:
        raise StoreError(f"{folder}: was made on a system given in Python; go on from there, with out= this folder")
    place = inputs if inputs is not None else _place(folder, said)
    scenario = made.from_origin(Origin(place, allow_path, said.get("sha256") or {}))
    found = input_files(scenario)
    changed = [key for key, digest in (said.get("sha256") or {}).items() if found.get(key) != digest]
    if changed:
        raise InputError([Problem(f"{key}: {CHANGED}", _file(scenario, key), None, key) for key in changed])
    return scenario.from_origin(Origin(place, allow_path, found))


def _file(scenario: Scenario, key: str) -> str:
    from sim.scenario.build import files_of

    return files_of(scenario.system)[key] if scenario.system is not None else ""


def _said(folder: Path) -> dict[str, Any]:
    """What the folder says about its tables; nothing where that is missing or damaged."""
    try:
        said = json.loads((folder / INPUTS).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(said, dict) or not isinstance(said.get("sha256"), dict):
        return {}
    return said


def _place(folder: Path, said: dict[str, Any]) -> Path:
    """Where the tables lie: only ever told relative to the result folder."""
    from sim.scenario.load import shipped_folder

    way = said.get("folder")
    if way == SHIPPED:
        return shipped_folder()
    if isinstance(way, str) and way and not Path(way).is_absolute() and (folder / way).is_dir():
        return (folder / way).resolve()
    raise InputError(
        [Problem(f"{folder}: the tables of the scenario are not where they were; name their folder with --inputs")]
    )
