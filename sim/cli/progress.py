"""Progress on stderr: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.cli.errors import note

if TYPE_CHECKING:
    from sim.experiments.monte_carlo import Progress

#: Seconds between two lines where there is no terminal.
EVERY = 5.0


@contextmanager
def progress(quiet: bool) -> Iterator[Callable[[Progress], None] | bool]:
    """Give what a run calls to tell how far it is.

    Parameters
    ----------
    quiet : bool
        Whether to show nothing.

    Yields
    ------
    callable or bool
        Takes a `Progress`; False when nothing is to be shown.
    """
    if quiet or sys.stderr is None:
        yield False
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bar() as tell:
            yield tell
    else:
        yield Lines()


class Lines:
    """Tell progress as lines, for logs.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def __call__(self, at: Progress) -> None:
        """Write a line if the last one is long enough ago."""
        now = self._clock()
        if now - self._last >= EVERY:
            self._last = now
            note(sentence(at))


def sentence(at: Progress) -> str:
    """Return one line that says how far a run is.

    Parameters
    ----------
    at : Progress
        Draws done, failed and taken from the result folder; draws a second; seconds left.

    Returns
    -------
    str
        For stderr or a log.
    """
    return f"{at.done:,} of {at.draws:,} draws, {_pace(at)}"


def _pace(at: Progress) -> str:
    parts = [f"{at.rate:,.0f} draws/s", f"{_duration(at.eta)} left"]
    parts += [f"{count:,} {what}" for count, what in ((at.failed, "failed"), (at.cached, "already there")) if count]
    return ", ".join(parts)


def _duration(seconds: float | None) -> str:
    """Return seconds as text with one unit or two."""
    if seconds is None or not 0.0 <= seconds < 1e9:  # also nan, before the first draw is done
        return "? s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("draws"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("draws", total=None, pace="starting")

        def tell(at: Progress) -> None:
            bar.update(task, total=at.draws, completed=at.done, pace=_pace(at))

        yield tell
