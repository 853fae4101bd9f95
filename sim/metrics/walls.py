"""What walls have done: what their funds paid and lent, and what it cost to keep them up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.arrays import Float
from sim.metrics.losses import METRICS, Metric
from sim.state import State
from sim.system import System


def of_walls(name: str) -> Callable[[System, State], Float]:
    """Return a metric of what walls have noted so far.

    Parameters
    ----------
    name : str
        What they note.

    Returns
    -------
    callable
        ``(system, state) -> float64[n_lanes]``, currency; 0 where no wall stands.
    """

    def so_far(system: System, state: State) -> Float:
        return state.memory[name].copy() if name in state.memory else np.zeros(state.n_lanes)

    return so_far


for _name, _meaning in (
    ("wall_absorbed", "Paid by walls to make good losses, so far"),
    ("wall_levied", "Paid into walls' funds by the banks that they shield, so far"),
    ("wall_lent", "Lent by walls in place of sales and failures, so far"),
    ("wall_cost", "Running cost of keeping walls up, so far"),
):
    METRICS.register(_name)(Metric("currency", _meaning, of_walls(_name)))


METRICS.register("policy_cost")(Metric("currency", "Running cost of policies, so far", of_walls("policy_cost")))
METRICS.register("warned")(Metric("1", "1 while an early warning is out", of_walls("warned")))
