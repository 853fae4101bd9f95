"""Typed overrides by dotted key: a new scenario, checked like a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.errors import InputError, Problem, nearest, shown
from sim.scenario.check import checked
from sim.scenario.schema import Scenario


def override(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return a scenario that differs in the named keys.

    Parameters
    ----------
    scenario : Scenario
        Not changed.
    changes : mapping of str to value
        Dotted keys; list items by position.

    Returns
    -------
    Scenario
        Checked; it reads the same files.

    Raises
    ------
    InputError
        All problems at once.
    """
    data = scenario.plain()
    problems = [problem for key, value in changes.items() if (problem := put(data, key, value))]
    if problems:
        raise InputError(problems)
    made = checked(data).from_origin(scenario.origin)
    if made.system == scenario.system:
        return made
    from sim.scenario.build import input_files

    # another file may be named now: the digest must see it
    return made.from_origin(replace(made.origin, inputs=input_files(made)))


def put(data: Any, key: str, value: Any) -> Problem | None:
    """Write one value into plain data.

    Parameters
    ----------
    data : dict
        What a scenario says; changed.
    key : str
        Dotted.
    value : object
        Plain.

    Returns
    -------
    Problem or None
        Why the key cannot be.
    """
    parts = key.split(".")
    here = data
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        so_far = ".".join(parts[: depth + 1])
        if isinstance(here, list):
            if not part.isdigit() or int(part) >= len(here):
                return Problem(
                    f"{so_far}: no item {shown(part)}; there are {len(here)} (0 to {len(here) - 1})", key=key
                )
            if last:
                here[int(part)] = value
            else:
                here = here[int(part)]
        elif isinstance(here, dict):
            if last:
                here[part] = value
            elif part not in here and parts[0] == "wall" and depth < 2:
                here[part] = {}  # a cell of the matrix that nobody has written is open
                here = here[part]
            elif part not in here:
                return Problem(f'unknown key "{key}"{nearest(part, here)} (known: {", ".join(here)})', key=key)
            else:
                here = here[part]
        else:
            return Problem(f"{so_far}: {'.'.join(parts[:depth])} is {shown(here)} and has no parts", key=key)
    return None
