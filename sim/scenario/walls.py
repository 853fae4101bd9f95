"""The walls of a scenario file: cells of the matrix and a list of further ones, as records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sim.errors import Problem, nearest, shown
from sim.walls import LETTERS, WALLS, Named, Wall, misplaced

Make = Callable[[Any, Any, dict[str, Any], tuple[str, str], list[Problem]], Any]

PAIRS = tuple(f"{a}_{b}" for a in LETTERS for b in LETTERS)
"""Cells of the matrix."""

USUAL = "standard"
"""Kind of a cell that says none."""


def take_matrix(data: Any, make: Make, problems: list[Problem]) -> dict[str, Wall]:
    """Return the matrix as records: a number is the permeability of the walls that usually stand in its cell.

    Parameters
    ----------
    data : object
        What the file says under ``wall``.
    make : callable
        Makes one record, or notes why not.
    problems : list of Problem
        Takes in what is wrong.

    Returns
    -------
    dict of str to Wall
        By pair.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        problems.append(Problem(f"wall must be a mapping of pairs such as O_L, got {shown(data)}", key="wall"))
        return {}
    made: dict[str, Wall] = {}
    for pair, said in data.items():
        key = f"wall.{pair}"
        if pair not in PAIRS:
            letters = ", ".join(f"{letter} {name}" for letter, name in LETTERS.items())
            text = f"{key}: {shown(pair)} is no pair of channels{nearest(str(pair), PAIRS)} (source_target; {letters})"
            problems.append(Problem(text, key=key))
            continue
        number = isinstance(said, int | float) and not isinstance(said, bool)
        cell = {"permeability": said} if number else said
        found = _one(key, cell, make, problems, {"between": pair})
        if found is not None and found.between != pair:
            text = f"{key}.between = {found.between} is another pair than its cell; leave it out"
            problems.append(Problem(text, key=f"{key}.between"))
        elif found is not None:
            made[str(pair)] = found
    return made


def take_list(data: Any, make: Make, problems: list[Problem]) -> tuple[Wall, ...]:
    """Return the list of further walls as records.

    Parameters
    ----------
    data : object
        What the file says under ``walls``.
    make : callable
        Makes one record, or notes why not.
    problems : list of Problem
        Takes in what is wrong.

    Returns
    -------
    tuple of Wall
        In the order written.
    """
    if data is None:
        return ()
    if not isinstance(data, Sequence) or isinstance(data, str):
        problems.append(Problem(f"walls must be a list, got {shown(data)}", key="walls"))
        return ()
    found = (_one(f"walls.{place}", each, make, problems, {}) for place, each in enumerate(data))
    return tuple(each for each in found if each is not None)


def _one(key: str, data: Any, make: Make, problems: list[Problem], given: dict[str, Any]) -> Wall | None:
    if not isinstance(data, Mapping | Wall):
        problems.append(Problem(f"{key} must be a mapping with a kind, or a permeability, got {shown(data)}", key=key))
        return None
    if isinstance(data, Wall):
        found: Wall | None = data
    else:
        rest = given | dict(data)
        found = make(WALLS, rest.pop("kind", USUAL), rest, (f"{key}.kind", key), problems)
    if found is None:
        return None
    wrong = misplaced(key, found)
    problems.extend(wrong)
    return None if wrong else found


def written(matrix: Mapping[str, Wall], walls: Sequence[Wall]) -> dict[str, Any]:
    """Return walls as a file would say them.

    Parameters
    ----------
    matrix : mapping of str to Wall
        By pair.
    walls : sequence of Wall
        Further ones.

    Returns
    -------
    dict
        Keys ``wall`` and ``walls``, those that say something.
    """
    cells = {pair: _plain(wall, {"between"}) for pair, wall in matrix.items()}
    found = {"wall": cells, "walls": [_plain(wall, set()) for wall in walls]}
    return {key: value for key, value in found.items() if value}


def _plain(wall: Wall, left_out: set[str]) -> dict[str, Any]:
    return {"kind": wall.name} | wall.model_dump(mode="json", exclude_none=True, exclude=left_out)


def unconserved(walls: Sequence[Named]) -> list[Problem]:
    """Return a warning for every wall that blocks without a destination.

    Parameters
    ----------
    walls : sequence of Named
        Those that stand.

    Returns
    -------
    list of Problem
        Empty when money is conserved.
    """
    text = "gives back losses out of nothing, so money is not conserved; it is for attribution, not for policy"
    odd = [each for each in walls if not each.wall.conserves]
    return [Problem(f"{key}: a wall of kind {wall.name} {text}", key=key) for key, wall, _ in odd]
