"""What authorities see of a run, late and not exactly, and how long what they then do goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Bool, Float
from sim.metrics import METRICS

if TYPE_CHECKING:
    from sim.channels.base import Step
    from sim.walls.base import Trigger

NEVER = -1.0
"""Time since a trigger that has not gone off."""


class Watch:
    """What is seen of one block of draws, from step to step."""

    def __init__(self) -> None:
        self._history: dict[str, list[Float]] = {}

    def look(self, triggers: Iterable[Trigger | None], step: Step) -> None:
        """Note what is there to be seen at the beginning of a step.

        Parameters
        ----------
        triggers : iterable of Trigger or None
            Whose metrics are watched.
        step : Step
            The one that begins.
        """
        for name in sorted({trigger.observed for trigger in triggers if trigger is not None}):
            self._history.setdefault(name, []).append(METRICS.known(name).of(step.system, step.state).copy())

    def fired(self, trigger: Trigger, stream: str, step: Step) -> Bool:
        """Return whether what is seen, late and with an error, has gone too far.

        Parameters
        ----------
        trigger : Trigger
            What is watched.
        stream : str
            Whose luck the error is.
        step : Step
            The one that begins.

        Returns
        -------
        bool[n_lanes]
            False as long as nothing old enough has been seen.
        """
        history = self._history[trigger.observed]
        age = max(1, round(trigger.lag / step.days))
        if len(history) < age:
            return np.zeros(step.state.n_lanes, dtype=np.bool_)
        seen = history[-age]
        if trigger.noise > 0.0 and step.draws is not None:
            error = step.draws.normal(stream, ("authority",), step.number)[0]
            seen = seen * (1.0 + trigger.noise * error)
        return seen > trigger.above if trigger.above is not None else seen < (trigger.below or 0.0)


class Clock:
    """How long ago a trigger went off, by lane.

    Parameters
    ----------
    lanes : int
        Draws of the block.
    delay : float, days
        From the trigger until what it starts stands.
    duration : float or None, days
        For which it then stands; None: as long as the trigger lasts.
    """

    def __init__(self, lanes: int, delay: float, duration: float | None) -> None:
        self._since = np.full(lanes, NEVER)
        self._delay = delay
        self._last = np.inf if duration is None else delay + duration
        self._lasts = duration is None

    def up(self, fired: Bool, days: float) -> Float:
        """Let a step begin, and return where what was started stands in it.

        Parameters
        ----------
        fired : bool[n_lanes]
            Whether the trigger is off now.
        days : float
            Length of the step.

        Returns
        -------
        float64[n_lanes], 1
            1 where it stands.
        """
        since = self._since
        # once its time is over it is put up again only when what was seen has been well in between
        over = ~fired if self._lasts else ~fired & (since >= self._last)
        since[over] = NEVER
        since[(since == NEVER) & fired] = 0.0
        up = ((since >= self._delay) & (since < self._last)).astype(np.float64)
        since[since != NEVER] += days
        return up
