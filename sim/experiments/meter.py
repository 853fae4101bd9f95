"""Progress of many runs as that of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.experiments.gather import Progress

    Tell = Callable[[Progress], None]


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

    def tell(self, at: Progress) -> None:
        """Pass on how far the run under way is, as part of the whole.

        Parameters
        ----------
        at : Progress
            Of that run.
        """
        self._here = at.cached
        done, cached = self._done + at.done, self._cached + at.cached
        seconds = time.monotonic() - self._began
        rate = (done - cached) / seconds if seconds > 0.0 else 0.0
        eta = (self._draws - done) / rate if rate > 0.0 else float("nan")
        whole = {"done": done, "draws": self._draws, "failed": self._failed + at.failed, "cached": cached}
        self._tell(replace(at, **whole, seconds=seconds, rate=rate, eta=eta))

    def finish(self, draws: int, failed: int) -> None:
        """Count a run as finished.

        Parameters
        ----------
        draws, failed : int
            Of the run.
        """
        self._done, self._failed = self._done + draws, self._failed + failed
        self._cached, self._here = self._cached + self._here, 0


@contextmanager
def teller(progress: bool | Tell) -> Iterator[Tell]:
    """Give what is called after every block.

    Parameters
    ----------
    progress : bool or callable
        True shows a bar on stderr.

    Yields
    ------
    callable
        Takes a `Progress`.
    """
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _at: None
    else:
        with import_module("tqdm.auto").tqdm(unit="draw") as bar:

            def tell(at: Progress) -> None:
                bar.total = at.draws
                bar.set_postfix({"failed": at.failed, "cached": at.cached} if at.failed or at.cached else {})
                bar.update(at.done - bar.n)

            yield tell
