"""What the valuation of another package says of all agents that can default."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, full
from sim.channels.base import TightView
from sim.state import State
from sim.valuations import Told, ValuationRule, worth

NUDGE = 1e-6
"""Relative fall of solvency at which the slope of another package's valuation is measured."""


def asked(rule: ValuationRule, state: State, view: TightView, recovery: float, less: Float | float = 0.0) -> Float:
    """Return what one unit of claim on each agent is worth by a rule of another package.

    Parameters
    ----------
    rule : ValuationRule
        Which is asked.
    state : State
        Now.
    view : TightView
        Balance sheets at trial values.
    recovery : float
        Most that a claim on who is ordered to fail is worth, 1.
    less : float64[n_debtors, n_lanes] or float, currency
        How much lower solvency is than in the view.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        1 for funds and sectors.
    """
    out, to = full(1.0, state.n_agents, state.n_lanes), state.debtors
    solvency, before = view.solvency[to] - less, state.solvency0[to]
    told = Told(solvency, before, view.external[to], view.debt[to])
    # nothing lost, nothing written down: also on an agent that began without equity
    out[to] = np.where(solvency >= before, 1.0, worth(rule, told, ids=state.ids[to]))
    ordered = state.ordered_to_fail[to] > 0.0
    out[to] = np.where(ordered, np.minimum(out[to], recovery), out[to])
    return out
