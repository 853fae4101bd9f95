"""Whom a target of a shock or a rule names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import InputError, Problem, nearest, shown
from sim.state import AGENTS


def chosen(
    text: str, ids: Sequence[str], types: Mapping[str, slice], size: Float, draws: Int, key: str = "target"
) -> Bool:
    """Return whom a target names, draw by draw.

    Parameters
    ----------
    text : str
        An id, a type such as ``banks``, or ``banks[largest]``, ``banks[rank=3]``, ``banks[each]`` (draw k names bank k
        modulo their number).
    ids : sequence of str
        Agents in row order.
    types : mapping of str to slice
        Rows of each type.
    size : float64[n_agents], currency
        What ranks go by; ties by id.
    draws : int64[n_lanes]
        Draws of the block.
    key : str
        Dotted key, for messages.

    Returns
    -------
    bool[n_agents, n_lanes]
        True for named agents.

    Raises
    ------
    InputError
        With the nearest id or the selectors there are.
    """
    named = np.zeros((len(ids), draws.size), dtype=np.bool_)
    kinds = [kind for kind in AGENTS if types[kind].stop > types[kind].start]
    people = ids[: max(types[kind].stop for kind in AGENTS)]
    if text in people:
        named[people.index(text)] = True
        return named
    match = re.fullmatch(r"(\w+)(?:\[(largest|each|rank=(\d{1,9}))\])?", text)
    if not match or match[1] not in kinds:
        known = (*people, *(f"{kind}{way}" for kind in kinds for way in ("", "[largest]", "[each]")))
        what = "bank" if kinds == ["banks"] else "agent"
        raise InputError(
            [Problem(f"{key}: {shown(text)} names no {what} and no selector{nearest(text, known)}", key=key)]
        )
    rows = types[match[1]]
    count = rows.stop - rows.start
    if match[2] is None:
        named[rows] = True
    elif match[2] == "each":
        named[rows.start + draws % count, np.arange(draws.size)] = True
    else:
        rank = 1 if match[2] == "largest" else int(match[3])
        if not 1 <= rank <= count:
            raise InputError([Problem(f"{key}: rank {rank} must be in 1 to {count}", key=key)])
        order = sorted(range(rows.start, rows.stop), key=lambda row: (-size[row], ids[row]))
        named[order[rank - 1]] = True
    return named
