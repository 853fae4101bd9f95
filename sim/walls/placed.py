"""Whether walls can stand where a scenario puts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.errors import Problem, nearest
from sim.walls.base import LETTERS, WALLS, Wall, connected

if TYPE_CHECKING:
    from sim.channels.base import Channel
    from sim.system import System


class Named(NamedTuple):
    """A wall and where the scenario says it.

    Parameters
    ----------
    key : str
        Dotted key.
    wall : Wall
        One wall, no cell of the matrix without a kind.
    stream : str
        Whose luck the error of its trigger is, where it is not its own.
    """

    key: str
    wall: Wall
    stream: str = ""


def by_letter(channels: Mapping[str, Any]) -> dict[str, str]:
    """Return the channel of each letter.

    Parameters
    ----------
    channels : mapping of str to Channel
        Those that act.

    Returns
    -------
    dict of str to str
        The first of several.
    """
    return {channel.letter: name for name, channel in reversed(list(channels.items()))}


def problems(walls: Sequence[Named], channels: Mapping[str, Channel], mode: str, system: System) -> list[Problem]:
    """Return why walls cannot stand in a scenario.

    Parameters
    ----------
    walls : sequence of Named
        From `raised`.
    channels : mapping of str to Channel
        Those that act.
    mode : {"static", "dynamic"}
        How the scenario is played.
    system : System
        What it is played on.

    Returns
    -------
    list of Problem
        Empty when all is well.
    """
    found: list[Problem] = []
    for key, wall, _ in walls:
        if wall.way is None:
            continue  # told when the scenario was read
        there = by_letter(channels)
        missing = [LETTERS[letter] for letter in dict.fromkeys(wall.between.split("_")) if letter not in there]
        if missing:
            text = f"{key}: no code path connects the two, since the scenario has no channel {' and '.join(missing)}"
            found.append(Problem(text, key=key))
            continue
        if mode == "static" and not _from_the_start(wall):
            text = f"{key}: a wall of kind {wall.name} acts in time here, and static mode has one fixed point; "
            text += "use mode: dynamic"
            found.append(Problem(text, key=key))
        if wall.among:
            system.target(wall.among, np.zeros(1, dtype=np.int64), f"{key}.among")
        found += wall.problems(channels, system, key)
    return found + _claimed_twice(walls, system)


def _from_the_start(wall: Wall) -> bool:
    """Whether it changes the system or the channels and then has nothing to do."""
    return type(wall).rebuild is not Wall.rebuild and not (wall.way and wall.way.at)


def _claimed_twice(walls: Sequence[Named], system: System) -> list[Problem]:
    """Walls on one flow of the same agents, of which nobody says which comes first."""
    found, no_draw = [], np.zeros(1, dtype=np.int64)
    everyone = np.ones((len(system.ids), 1), dtype=np.bool_)
    seen: list[tuple[Named, str, Any]] = []
    for each in walls:
        if each.wall.way is None:
            continue
        flow = each.wall.way.flow.replace("{a}", LETTERS[each.wall.between[0]])
        shields = system.target(each.wall.among, no_draw, f"{each.key}.among") if each.wall.among else everyone
        for other, there, whom in seen:
            same = other.wall.order == each.wall.order or None in (other.wall.order, each.wall.order)
            if there == flow and same and (whom & shields).any():
                text = (
                    f"{other.key} and {each.key} both stand before {flow}; give each an order, such as order: 1 and 2"
                )
                found.append(Problem(text, key=each.key))
        seen.append((each, flow, shields))
    return found


def misplaced(key: str, wall: Wall) -> list[Problem]:
    """Return why a wall leads nowhere, whatever the system.

    Parameters
    ----------
    key : str
        Dotted key.
    wall : Wall
        As written.

    Returns
    -------
    list of Problem
        Empty when all is well.
    """
    kinds = [WALLS[name] for name in WALLS.names() if name not in WALLS.others()]
    if not wall.between:
        return [Problem(f'{key}: missing "between", the pair of channels, such as C_M', key=key)]
    if wall.way is None:
        fit = connected(wall.between, kinds)
        known = "; ".join(f"{name} ({', '.join(paths)})" for name, paths in fit.items() if name != "standard")
        what = f"{wall.name} on path {wall.path}" if wall.path else wall.name
        if not fit:
            pairs = sorted({pair for kind in kinds for path in kind.paths for pair in path.pairs})
            a, b = (LETTERS[letter] for letter in wall.between.split("_"))
            text = f"{key}: no code path on which a wall could stand connects {a} to {b}"
            text += f"{nearest(wall.between, pairs)} (pairs: {', '.join(pairs)})"
        else:
            a, b = wall.between.split("_")
            text = f"{key}: no wall of kind {what} can stand between {a} and {b}; allowed: {known}"
        return [Problem(text, key=key)]
    found = []
    if not wall.timed:
        odd = [name for name in ("trigger", "duration") if getattr(wall, name)]
        odd += ["delay"] * (wall.delay > 0.0) + ["credibility"] * (wall.credibility < 1.0)
        text = f"a wall of kind {wall.name} is there from the start; it takes no"
        found += [Problem(f"{key}.{name}: {text} {name}", key=f"{key}.{name}") for name in odd]
    if wall.capacity is not None and not wall.has_capacity and wall.name != "standard":
        text = f"{key}.capacity: a wall of kind {wall.name} takes on no money, so it cannot be full"
        found.append(Problem(text, key=f"{key}.capacity"))
    return found
