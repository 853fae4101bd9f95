"""Cases of authorities against agents: opened by a detection, with or without a suspension, closed by time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Bool, Float
from sim.channels.base import Step

if TYPE_CHECKING:
    from sim.channels.compliance import Compliance

DONE = 1e-9
"""Days below which a time is over: what rounding leaves of a sum of steps."""


def open_cases(channel: Compliance, step: Step, found: Bool, charged: Bool, gap: Float) -> None:
    """Open a case against everybody found out, and suspend whom an event or luck suspends.

    Parameters
    ----------
    channel : Compliance
        Its parameters.
    step : Step
        Where we are.
    found, charged : bool[n_agents, n_lanes]
        Who was found out, and where an event brought the case.
    gap : float64[n_agents, n_lanes], 1
        How far below the standard each was.
    """
    state = step.state
    chance = np.minimum(1.0, channel.suspension_slope * gap)
    lucky = found & ~charged
    suspended = charged & (state.charged_days > 0.0)
    if channel.suspension_days > 0.0 and (lucky & (chance > 0.0)).any():
        suspended |= lucky & (step.uniform("channels.compliance.suspension", state.ids) < chance)
    days = np.where(charged, state.charged_days, channel.suspension_days)
    days = np.where(suspended, days, channel.case_days)
    state.case_for[found] = np.maximum(days, state.case_for)[found]
    state.suspended[suspended] = 1.0
    _mark(channel, step, found)


def close_cases(channel: Compliance, step: Step) -> None:
    """Let time pass for open cases, and end those whose time is over.

    Parameters
    ----------
    channel : Compliance
        Its parameters.
    step : Step
        Where we are.
    """
    state = step.state
    was = state.case_for > 0.0
    if not was.any():
        return
    left = state.case_for - step.days
    state.case_for[...] = np.where(was & (left > DONE), left, 0.0)
    closed = was & (state.case_for <= 0.0)
    state.suspended[closed] = 0.0
    _mark(channel, step, closed)


def _mark(channel: Compliance, step: Step, changed: Bool) -> None:
    """Write what others see of the cases that were opened or closed."""
    state = step.state
    state.enforcement[changed] = (state.case_for > 0.0)[changed]
    firms = slice(state.banks.stop, state.debtors.stop)
    allowed = 1.0 - channel.suspension_cut * state.suspended[firms]
    state.allowed[firms] = np.where(changed[firms], allowed, state.allowed[firms])
