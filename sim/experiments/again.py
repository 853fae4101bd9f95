"""The command that plays a result or a sweep again: a shipped scenario by its name, changes as ``--set``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.experiments.result import Result
    from sim.experiments.swept import Sweep


COUNTS = ("monte_carlo.draws", "monte_carlo.seed", "monte_carlo.until")
"""Keys that are no part of a scenario's digest: how many draws, and their luck."""


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
    changes = _since_shipped(result.name, result.scenario_yaml, str(result.manifest["scenario_sha256"]))
    if changes is None:
        return None
    words = ["sim", "run", result.name, "--draws", str(draws), "--seed", str(result.seed)]
    return shlex.join([*words, *_settings(changes, leave=COUNTS), "--out", "again"])


def again_sweep(sweep: Sweep, file: str) -> tuple[str, bool]:
    """Return the command that plays a sweep again.

    Parameters
    ----------
    sweep : Sweep
        Any.
    file : str
        What to call the scenario where it is not a shipped one.

    Returns
    -------
    tuple of str and bool
        For a shell; and whether the scenario is a shipped one, with changes at most.
    """
    from sim.scenario.starter import value

    facts = sweep.facts
    changes = _since_shipped(sweep.name, sweep.scenario_yaml, str(facts["scenario_sha256"]))
    words = ["sim", "sweep", file if changes is None else sweep.name]
    for key, axis in facts["axes"].items():
        words += ["--over", f"{key}={','.join(map(value, axis)) if isinstance(axis, list) else value(axis)}"]
    words += ["--sample", facts["sample"]] if facts["sample"] != "grid" else []
    for name, changed in facts["changes"].items():
        told = [f"{name}:{key}={value(each)}" for key, each in changed.items()] or [f"{name}:"]
        words += [word for each in told for word in ("--policy", each)]
    words += [] if facts["draws"] is None else ["--draws", str(facts["draws"])]
    words += ["--seed", str(facts["seed"])]
    base = _read(sweep.scenario_yaml)
    more = dict(changes or {}) | ({"record": facts["record"]} if base.get("record") != facts["record"] else {})
    # without draws of its own a sweep has those of the scenario, which no digest knows
    words += _settings(more, leave=("monte_carlo.seed", *(["monte_carlo.draws"] if facts["draws"] else [])))
    words += ["--allow-uncertified"] if facts["allow_uncertified"] else []
    return shlex.join([*words, "--out", "again"]), changes is not None


def _read(text: str) -> dict[str, Any]:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text) or {}


def _since_shipped(name: str, text: str, digest: str) -> dict[str, Any] | None:
    """Keys in which a scenario differs from the shipped one of its name; None where it needs files of the user."""
    from sim.scenario.load import load, shipped

    if name not in shipped():
        return None
    base, said = load(name), _read(text)
    changes = dict(_changes(base.plain(), said))
    if base.digest == digest:  # at most draws and seed differ
        changes = {key: each for key, each in changes.items() if key in COUNTS}
    try:
        return changes if base.override(changes).digest == digest else None
    except InputError:
        return None


def _settings(changes: Mapping[str, Any], *, leave: Sequence[str]) -> list[str]:
    from sim.scenario.starter import value

    told = [f"{key}={value(each)}" for key, each in changes.items() if key not in leave]
    return [word for each in told for word in ("--set", each)]


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
