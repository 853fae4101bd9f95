"""From a path or a bare name to a checked scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem, nearest, shown
from sim.scenario.check import Loc, Place, checked
from sim.scenario.schema import Origin, Scenario
from sim.scenario.sources import SOURCES, WAYS
from sim.scenario.strict import read_mapping

SUFFIXES = (".yaml", ".yml", ".json")
DEEPEST = 8
"""Longest chain of bases."""


def shipped_folder() -> Path:
    """Return where the shipped scenarios lie: inside an installed package, else beside its source.

    Returns
    -------
    Path
        A folder of YAML files.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "_scenarios"
    return inside if inside.is_dir() else package.parent / "scenarios"


def shipped() -> dict[str, str]:
    """Return the shipped scenarios.

    Returns
    -------
    dict of str to str
        Name -> title, sorted by name.
    """
    found = {}
    for path in sorted(shipped_folder().glob("*.yaml")):
        data = read_mapping(path).data
        found[path.stem] = str(data.get("title", ""))
    return found


def load(source: str | Path | Scenario, *, allow_path: bool = False) -> Scenario:
    """Load a scenario by path, or a shipped one by its bare name.

    Parameters
    ----------
    source : str or Path
        ``"my/scenario.yaml"`` or ``"eu48_sovereign"``.
    allow_path : bool
        Whether its tables may lie outside its folder.

    Returns
    -------
    Scenario
        Frozen and checked.

    Raises
    ------
    InputError
        All problems of the file at once, each as ``path:line: what, got, allowed, nearest fix``.

    Examples
    --------
    >>> from sim.scenario.load import load
    >>> load("ring_of_ten").mode
    'static'
    """
    if isinstance(source, Scenario):
        return source
    path = _find(str(source))
    data, places, folder = _merged(path, 0)
    scenario = checked(data, places)
    scenario = scenario.from_origin(Origin(folder, allow_path, {}, dict(places)))
    if scenario.system is None:
        place = places[()]
        raise InputError([Problem('missing block "system" (or a base that has one)', place[0], None, "system")])
    from sim.scenario.build import input_files

    return scenario.from_origin(Origin(folder, allow_path, input_files(scenario), dict(places)))


def _find(source: str) -> Path:
    path, known = Path(source), [p.stem for p in shipped_folder().glob("*.yaml")]
    if not source:
        raise InputError([Problem("the name is empty; give a scenario file or a shipped name")])
    try:
        is_file, is_folder, exists = path.is_file(), path.is_dir(), path.exists()
    except (OSError, ValueError):
        is_file = is_folder = exists = False
    # a folder of that name, such as the one with its tables, does not hide a shipped scenario
    if not is_file and source in known:
        return shipped_folder() / f"{source}.yaml"
    if is_folder:
        raise InputError([Problem(f"{shown(source)} is a folder; give a scenario file")])
    if not exists:
        names = f" and no shipped scenario of that name (shipped: {', '.join(sorted(known))})"
        raise InputError(
            [Problem(f"{shown(source)}: no such file{'' if path.suffix else names}{nearest(source, known)}")]
        )
    return path


def _merged(path: Path, depth: int) -> tuple[dict[str, Any], dict[Loc, Place], Path]:
    """Read a file and, below it, the base it names; return data, places and the folder its tables lie in."""
    node = read_mapping(path)
    name = _shown_path(path)
    places: dict[Loc, Place] = {tuple(key): (name, line) for key, line in node.lines.items()}
    places[()] = (name, None)
    base = node.data.get("base")
    if base is None:
        return dict(node.data), places, path.resolve().parent
    line = places.get(("base",), (name, None))[1]
    if not isinstance(base, str):
        raise InputError([Problem(f"base must be text, got {shown(base)}", name, line, "base")])
    if depth >= DEEPEST:
        raise InputError(
            [Problem(f"more than {DEEPEST} bases on top of each other; is there a circle?", name, line, "base")]
        )
    beside = [path.parent / f"{base}{suffix}" for suffix in ("", *SUFFIXES)]
    candidates = [p for p in beside if Path(base).name == base and p.is_file() and p.resolve() != path.resolve()]
    packaged = shipped_folder() / f"{base}.yaml"
    if not candidates and Path(base).name == base and packaged.is_file() and packaged.resolve() != path.resolve():
        candidates = [packaged]
    if not candidates:
        known = [p.stem for p in (*path.parent.glob("*.yaml"), *shipped_folder().glob("*.yaml"))]
        raise InputError([Problem(f"base: no scenario {shown(base)}{nearest(base, known)}", name, line, "base")])
    below, below_places, folder = _merged(candidates[0], depth + 1)
    # a list of shocks, walls or policies replaces the base's as a whole, so its places must not show through
    for whole in ("shocks", "walls", "policies"):
        if whole in node.data:
            below_places = {key: value for key, value in below_places.items() if key[:1] != (whole,)}
    _forget_sources(below, below_places, node.data)
    return (
        _over(below, node.data),
        below_places | places,
        path.resolve().parent if _at(node.data, ("system", "agents", "banks", "file")) is not None else folder,
    )


def _forget_sources(below: dict[str, Any], places: dict[Loc, Place], above: Mapping[str, Any]) -> None:
    """Let a part that names where it comes from replace that of the base as a whole; parameters alone change it."""
    for at in SOURCES:
        here, there = _at(above, ("system", *at)), _at(below, ("system", *at))
        if not isinstance(here, Mapping) or not isinstance(there, Mapping) or set(WAYS).isdisjoint(here):
            continue
        below.update(_without(below, ("system", *at)))
        for key in [key for key in places if key[: len(at) + 1] == ("system", *at) and len(key) > len(at) + 1]:
            del places[key]


def _at(data: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path; None where nothing does."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _without(data: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """A copy without what stands at a path."""
    first, *rest = path
    if not rest:
        return {key: value for key, value in data.items() if key != first}
    return {**data, first: _without(data[first], tuple(rest))}


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings key by key; anything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _over(merged[key], value)
        else:
            merged[key] = value
    return merged


def _shown_path(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path.name if path.is_relative_to(shipped_folder()) else str(path)
