"""The command that plays a result again: named by its scenario where that is shipped, changes as ``--set``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.experiments.result import Result


def again(result: Result, draws: int) -> str | None:
    """Return the command that plays a result again.

    Parameters
    ----------
    result : Result
        Of any run.
    draws : int
        How many it was asked for.

    Returns
    -------
    str or None
        For a shell; checked to play the same scenario. None where it needs files of the user.
    """
    from ruamel.yaml import YAML

    from sim.scenario.load import load, shipped
    from sim.scenario.starter import value

    if result.name not in shipped():
        return None
    base, wanted = load(result.name), result.manifest["scenario_sha256"]
    said = YAML(typ="safe", pure=True).load(result.scenario_yaml) or {}
    changes = {} if base.digest == wanted else dict(_changes(base.plain(), said))
    for key in ("monte_carlo.draws", "monte_carlo.seed"):
        changes.pop(key, None)
    try:
        if base.override(changes).digest != wanted:
            return None
    except InputError:
        return None
    words = ["sim", "run", result.name, "--draws", str(draws), "--seed", str(result.seed)]
    for key, each in changes.items():
        words += ["--set", f"{key}={value(each)}"]
    return shlex.join([*words, "--out", "again"])


def _changes(there: Any, here: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys that differ, each with its value here; mappings and lists of them leaf by leaf."""
    if isinstance(there, dict) and isinstance(here, dict) and set(there) <= set(here):
        for name, each in here.items():
            yield from _changes(there.get(name), each, f"{key}.{name}" if key else str(name))
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here) and _nested(here):
        for at, (before, after) in enumerate(zip(there, here, strict=True)):
            yield from _changes(before, after, f"{key}.{at}")
    elif there != here and key:
        yield key, here


def _nested(said: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in said)
