"""Progress on stderr: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import json
import math
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


WAYS = ("auto", "lines", "json", "none")
"""How progress can be told; auto is a bar on a terminal, else lines."""


@contextmanager
def progress(how: str) -> Iterator[Callable[[Progress], None] | bool]:
    """Give what a run calls to tell how far it is.

    Parameters
    ----------
    how : str
        One of `WAYS`.

    Yields
    ------
    callable or bool
        Takes a `Progress`; False when nothing is to be shown.
    """
    if how == "none" or sys.stderr is None:
        yield False
    elif how == "json":
        yield Lines(said=as_json, every=1.0)
    elif how == "auto" and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
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
    said : callable, optional
        Makes a line of a `Progress`; by default `sentence`.
    every : float
        Seconds between two lines.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        said: Callable[[Progress], str] | None = None,
        every: float = EVERY,
    ) -> None:
        self._clock, self._said, self._every = clock, said or sentence, every
        # a line for a reader comes after a while; a program hears at once that the run began
        self._last = clock() - (0.0 if said is None else every)

    def __call__(self, at: Progress) -> None:
        """Write a line if the last one is long enough ago, or the run is done."""
        now = self._clock()
        if now - self._last >= self._every or (self._said is not sentence and at.done == at.draws):
            self._last = now
            note(self._said(at))


def as_json(at: Progress) -> str:
    """Return one object that says how far a run is.

    Parameters
    ----------
    at : Progress
        What a run tells.

    Returns
    -------
    str
        JSON on one line; ``eta`` is null before the first draw is done.
    """
    left = None if math.isnan(at.eta) else round(at.eta, 3)
    said: dict[str, object] = {
        "event": "progress",
        "done": at.done,
        "draws": at.draws,
        "failed": at.failed,
        "cached": at.cached,
    }
    said |= {"seconds": round(at.seconds, 3), "rate": round(at.rate, 3), "eta": left}
    if not math.isnan(at.wanted):
        said |= {"width": None if math.isnan(at.width) else at.width, "wanted": at.wanted}
    return json.dumps(said)


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
    if not math.isnan(at.wanted):
        known = "not known yet" if math.isnan(at.width) else f"{at.width:.3g}"
        parts.append(f"interval +-{known} (+-{at.wanted:g} asked)")
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
