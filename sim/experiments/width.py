"""How many draws to play together: found by timing the first blocks of the run itself."""

from __future__ import annotations

from typing import Any

from sim.experiments.part import PART

LEVELS = (2, 8, 16, 32, 64, 128, 256)
USUAL = 64
"""Draws played together where nothing is known: eight cache lines of each column. Half as many are as fast in one
thread, but two of them then wait for the interpreter more often."""

LAST = 32
"""Draws in the last blocks; still narrower ones cost more than ending together saves."""

LONGEST = 2.0
"""Seconds a block should take at most: progress is told, and a pause comes, after every block."""

TRIES = 2
GAIN = 1.05
"""A width is left for another that is faster by this factor; less is noise."""


class Width:
    """The number of draws in the next block.

    Parameters
    ----------
    given : int or None
        Fixed by the user; None has it timed.
    cells : int
        Numbers that one draw keeps, for the first guess.
    widest : int
        Most that memory allows.
    left : int
        Draws to play.
    workers : int
        Who play them at the same time.
    """

    def __init__(
        self, given: int | None, *, cells: int = 0, widest: int = 256, left: int = 0, workers: int = 1
    ) -> None:
        self._given, self._widest, self._left, self._workers = given, max(2, widest), left, workers
        self._first = USUAL if cells <= 10**5 else 8 if cells <= 10**6 else 2
        self._times: dict[int, float] = {}
        self._tries: dict[int, int] = {}

    def __call__(self) -> int:
        """Return the width of the next block; the last ones are narrower, so that all workers end together."""
        if self._given is not None:
            return self._given
        level = min(self._level(), self._widest)
        self._tries[level] = self._tries.get(level, 0) + 1
        wide = min(level, max(LAST, -(-self._left // (2 * self._workers)))) if self._left else level
        self._left = max(0, self._left - wide)
        return wide

    def _level(self) -> int:
        """The usual width first; then uphill from the fastest that is known, as far as blocks are short enough."""
        if not self._times:
            return self._first
        fastest = min(self._times.values())
        short = [level for level in LEVELS if level * fastest <= LONGEST and level <= self._widest] or [LEVELS[0]]
        worth = [level for level in short if level >= LEVELS[2]] or short[-1:]
        usual = min(worth, key=lambda level: abs(LEVELS.index(level) - LEVELS.index(USUAL)))
        best = min(worth, key=lambda level: (self._times.get(level, float("inf")), level != usual))
        at, enough = worth.index(best), GAIN * self._times.get(best, float("inf"))
        # a run of a few blocks must not spend them all on widths that cannot be the fastest: a neighbour is tried once,
        # and again where it was nearly as fast
        for level in (best, *worth[at + 1 : at + 2], *worth[max(0, at - 1) : at]):
            tries, seconds = self._tries.get(level, 0), self._times.get(level, float("inf"))
            if tries == 0 or (tries < TRIES and seconds <= enough):
                return level
        return usual if self._times.get(usual, float("inf")) <= enough else best

    def tell(self, draws: int, seconds: float) -> None:
        """Take in how long a block took.

        Parameters
        ----------
        draws : int
            How many it had.
        seconds : float
            From its beginning to its end.
        """
        level = max((level for level in LEVELS if level <= draws), default=LEVELS[0])
        self._times[level] = min(seconds / draws, self._times.get(level, float("inf")))

    @property
    def seconds(self) -> float:
        """Fastest time of a draw so far; 0 before the first."""
        return min(self._times.values(), default=0.0)


def cells_of(system: Any) -> int:
    """Return how many numbers one draw keeps, roughly.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    int
        Agents times columns and assets; 0 where that cannot be told.
    """
    agents = len(getattr(system, "ids", ()) or getattr(system, "banks", ()))
    return agents * (PART // 40 + len(getattr(system, "assets", ())))
