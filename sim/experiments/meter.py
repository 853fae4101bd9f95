"""Progress of many runs as that of one."""

from __future__ import annotations

import time
from dataclasses import replace

from sim.experiments.progress import Progress, Tell


class Meter:
    """Adds the progress of runs up to that of the sweep.

    Parameters
    ----------
    tell : callable
        Told of the whole.
    draws : int
        Of all runs.
    """

    def __init__(self, tell: Tell, draws: int) -> None:
        self._tell, self._draws, self._began = tell, draws, time.monotonic()
        self._done = self._failed = self._cached = self._here = 0
        self._last: Progress | None = None

    def tell(self, at: Progress) -> None:
        """Pass on how far the run under way is, as part of the whole.

        Parameters
        ----------
        at : Progress
            Of that run.
        """
        self._last, self._here = at, at.cached
        done, cached = self._done + at.done, self._cached + at.cached
        seconds = time.monotonic() - self._began
        rate = (done - cached) / seconds if seconds > 0.0 else 0.0
        eta = (self._draws - done) / rate if rate > 0.0 else float("nan")
        whole = {"done": done, "draws": self._draws, "failed": self._failed + at.failed, "cached": cached}
        self._tell(replace(at, **whole, seconds=seconds, rate=rate, eta=eta))

    def finish(self, draws: int, failed: int, *, found: bool = False, spared: int = 0) -> None:
        """Count a run as finished.

        Parameters
        ----------
        draws, failed : int
            Of the run.
        found : bool
            Whether all of it was there already, so that nobody has been told of it.
        spared : int
            Draws it was given and did not take.
        """
        self._draws -= spared
        if found:
            self.tell(Progress(draws, draws, failed, draws, 0.0, 0.0, 0.0))
        self._done, self._failed = self._done + draws, self._failed + failed
        self._cached, self._here = self._cached + self._here, 0
        if spared and self._last is not None:
            self.tell(replace(self._last, done=0, failed=0, cached=0))
