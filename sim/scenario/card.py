"""A scenario as a notebook shows it, with what it changes in what it builds on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.report.cards import card as drawn
from sim.report.cards import table
from sim.scenario.load import SUFFIXES, load, shipped_folder
from sim.scenario.schema import Scenario

MOST = 14
"""Changes shown before the rest is counted."""

APART = ("version", "name", "title", "description")
"""Keys that say nothing about what is played."""


def card(scenario: Scenario) -> str:
    """Return a scenario as a card.

    Parameters
    ----------
    scenario : Scenario
        Any.

    Returns
    -------
    str
        HTML, everything escaped.
    """
    counts = scenario.monte_carlo
    steps = scenario.horizon.steps
    shocks = [f"{shock.name} at step {shock.at}" for shock in scenario.shocks]
    seed = "a seed drawn at the run" if counts.seed is None else f"seed {counts.seed}"
    facts = {
        "plays": f"{scenario.mode}, {steps:,} step{'s' * (steps != 1)} of {scenario.horizon.step}",
        "shocks": ", ".join(shocks) or "none",
        "channels": ", ".join(scenario.active) or "none",
        "system": _system(scenario),
        "metrics": ", ".join(scenario.metrics),
        "draws": f"{counts.draws:,}, {seed}, sampler {counts.sampler}",
    }
    base, changes = differences(scenario)
    tables = []
    if base:
        facts["base"] = base + ("" if changes else ", unchanged")
    if changes:
        tables.append(table(["key", base, "here"], changes[:MOST], left=3, caption=f"What differs from {base}"))
    more = [f"and {len(changes) - MOST:,} more differences"] if len(changes) > MOST else []
    return drawn("Scenario", scenario.name, scenario.title, facts, tables, [*more, *map(str, scenario.warnings)])


def differences(scenario: Scenario) -> tuple[str, list[tuple[str, str, str]]]:
    """Return what a scenario changes in its base; one that was overridden, in the file it was loaded from.

    Parameters
    ----------
    scenario : Scenario
        Loaded from a file, or made from such a one.

    Returns
    -------
    tuple of str and list of tuple of str
        Name of the base, empty where there is none at hand; by key, the value there and here.
    """
    path = _below(scenario)
    if path is None:
        return "", []
    try:
        other = load(path, allow_path=True)
    except InputError:  # a card is no place to complain about a file that has changed
        return "", []
    there, here = dict(_flat(other.plain())), dict(_flat(scenario.plain()))
    found = [
        (key, there.get(key, "–"), here.get(key, "–"))
        for key in dict.fromkeys([*here, *there])
        if here.get(key) != there.get(key) and key.partition(".")[0] not in APART
    ]
    return path.stem, found


def _below(scenario: Scenario) -> Path | None:
    """The file of the base; of a scenario without one, the file it was loaded from."""
    written = scenario.origin.places.get((), ("", None))[0]
    if scenario.origin.folder is None or not written:
        return None
    names = [Path(written).name]
    if scenario.base is not None:
        names = [scenario.base + suffix for suffix in ("", *SUFFIXES)]
    folders = dict.fromkeys([Path(written).parent, scenario.origin.folder, shipped_folder()])
    return next((place / name for place in folders for name in names if (place / name).is_file()), None)


def _flat(said: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Plain data as dotted keys and texts; lists of numbers and names stay whole."""
    if isinstance(said, dict):
        for name, value in said.items():
            yield from _flat(value, f"{key}.{name}" if key else str(name))
    elif isinstance(said, list) and any(isinstance(each, dict) for each in said):
        for at, value in enumerate(said):
            yield from _flat(value, f"{key}.{at}")
    elif said != []:
        text = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
        text = text.lower() if isinstance(said, bool) else text
        yield key, text if len(text) <= 60 else text[:59] + "…"


def _system(scenario: Scenario) -> str:
    given, source = scenario.origin.system, scenario.system
    if given is not None:
        return f"{len(given.banks):,} banks, given in Python"
    if source is None:
        return "none"
    banks = source.agents.banks
    origin = f"{banks.generator.name} (generated)" if banks.generator is not None else f"{banks.file}"
    return origin + (f", {source.currency}" if source.currency else "")
