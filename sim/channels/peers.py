"""Who is alike: agents of one type, technology firms and platforms also of one kind."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int, empty
from sim.kernels.conduct import group_totals
from sim.state import AGENTS
from sim.system import System


def groups(system: System) -> tuple[Int, int]:
    """Return the group of each agent: its type and, where the table says one, its kind.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    tuple of int64[n_agents] and int
        Group by row, -1 for sectors, and how many groups there are. Numbered by type and kind, not by row.
    """

    def work_out() -> tuple[Int, int]:
        kinds = system.labels.get("kind", ())
        named = {
            row: (place, kinds[row] if row < len(kinds) else "")
            for place, kind in enumerate(AGENTS)
            for row in range(system.types[kind].start, system.types[kind].stop)
        }
        numbers = {name: number for number, name in enumerate(sorted(set(named.values())))}
        found = np.full(len(system.ids), -1, dtype=np.int64)
        for row, name in named.items():
            found[row] = numbers[name]
        return found, len(numbers)

    made: tuple[Int, int] = system.once("peers", work_out)
    return made


def of_group(system: System, values: Float) -> Float:
    """Return for each agent the sum over its group, itself included.

    Parameters
    ----------
    system : System
        Before the shock.
    values : float64[n_agents, n_lanes], any unit
        What is summed.

    Returns
    -------
    float64[n_agents, n_lanes], unit of `values`
        0 for sectors.
    """
    members, count = groups(system)
    sums = empty(count, values.shape[1])
    group_totals(members, np.ascontiguousarray(values), sums)
    found = sums[members]
    found[members < 0] = 0.0
    return found
