"""Blocks of draws: cut, played over threads, replayed draw by draw where one of them fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sim.arrays import Float, Int
from sim.errors import NotFiniteError, PluginError
from sim.experiments.part import FAILED, OK, PART, Part, join

LONGEST_REASON = 300


class Played(Protocol):
    """What a player returns for a block; the block of `sim.simulation` is one."""

    @property
    def metrics(self) -> Mapping[str, Float]:
        """``float64[n_steps, n_draws]`` by metric."""

    @property
    def final(self) -> Mapping[str, Any]:
        """``[n_agents, n_draws]`` by column."""

    @property
    def agents(self) -> Sequence[str]:
        """Rows of `final`."""

    @property
    def status(self) -> Sequence[str]:
        """One a draw."""

    @property
    def reason(self) -> Sequence[str]:
        """One a draw."""


Player = Callable[[Any, Any, Int, int], Played]
"""``(scenario, system, draws int64[n_draws], seed) -> Played``."""


@dataclass(frozen=True)
class Task:
    """What every block of a run shares.

    Parameters
    ----------
    scenario, system : object
        Passed on to the player.
    seed : int
        Passed on to the player.
    play : callable
        See `Player`.
    metrics : tuple of str
        Names, in the order of the scenario.
    """

    scenario: Any
    system: Any
    seed: int
    play: Player
    metrics: tuple[str, ...]

    def part(self, first: int, draws: int) -> Part:
        """Play consecutive draws; one that fails is a row that says so and harms no other.

        Parameters
        ----------
        first : int
            First draw.
        draws : int
            How many.

        Returns
        -------
        Part
            All of them.
        """
        try:
            return self._played(first, draws)
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises belongs to its draw, not to the run
            if draws == 1:
                return self._failed(first, reason_of(error))
        return join([self.part(first + k, 1) for k in range(draws)])

    def _failed(self, first: int, reason: str) -> Part:
        return Part(first, {name: np.empty((1, 0)) for name in self.metrics}, (FAILED,), (reason,))

    def _played(self, first: int, draws: int) -> Part:
        numbers = np.arange(first, first + draws, dtype=np.int64)
        block = self.play(self.scenario, self.system, numbers, self.seed)
        metrics = {}
        for name in self.metrics:
            if name not in block.metrics:
                raise PluginError(
                    f"metric {name} was asked for, the player returned {', '.join(block.metrics) or 'none'}"
                )
            metrics[name] = _by_draw(name, block.metrics[name], draws)
        status = tuple(block.status) or (OK,) * draws
        reason = tuple(clean(text or "") for text in block.reason) or ("",) * draws
        for name, values in metrics.items():
            bad = ~np.isfinite(values).all(axis=1) & np.array([each != FAILED for each in status])
            if bad.any():
                lane = int(np.argmax(bad))
                value = float(values[lane][~np.isfinite(values[lane])][0])
                raise NotFiniteError(f"metric {name}", "the system", first + lane, value)
        for values in metrics.values():
            values[[each == FAILED for each in status]] = np.nan
        final = {name: _by_draw(name, values, draws) for name, values in block.final.items()}
        return Part(first, metrics, status, reason, final, tuple(block.agents) if final else ())


def _by_draw(name: str, values: Any, draws: int) -> Float:
    """Columns of lanes as rows of draws."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != draws:
        raise PluginError(f"{name}: the player returned shape {table.shape} for {draws} draws")
    return np.array(table.T, order="C")


def clean(text: str) -> str:
    """Return a message as a table may keep it: one line, no addresses, no place on this machine.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        At most 300 characters; the same on every machine.
    """
    line = "".join(char if char.isprintable() else " " for char in (text.splitlines() or [""])[0])
    line = re.sub(r"\b0x[0-9a-fA-F]{6,}", "0x...", line)
    for place in (str(Path.cwd()), str(Path.home())):
        if len(place) > 1:
            line = line.replace(place, ".")
    # what is left of absolute paths is cut to the name of the file
    line = re.sub(r"(?<![\w.])/(?:[^\s/'\"]+/)+(?=[^\s/'\"])", "", line)
    return line[:LONGEST_REASON]


def reason_of(error: BaseException) -> str:
    """Return why a draw failed.

    Parameters
    ----------
    error : BaseException
        What it raised.

    Returns
    -------
    str
        ``ErrorClass: message``.
    """
    return clean(f"{type(error).__name__}: {error}".rstrip(": "))


def cores() -> int:
    """Return how many cores this process may use.

    Returns
    -------
    int
        At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def blocks(have: Mapping[int, int], draws: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut the draws that are missing into blocks that never cross the bounds of a part.

    Parameters
    ----------
    have : mapping of int to int
        First draw of a part -> how many of its draws are there.
    draws : int
        Draws of the run.
    width : int
        Most draws in a block.

    Yields
    ------
    tuple of int
        First draw and number of draws.
    """
    for start in range(0, draws, PART):
        stop = min(start + PART, draws)
        for first in range(start + have.get(start, 0), stop, width):
            yield first, min(width, stop - first)


def play_all(task: Task, wanted: Iterator[tuple[int, int]], workers: int) -> Generator[Part]:
    """Play blocks over threads and yield them as they come.

    Parameters
    ----------
    task : Task
        What they share.
    wanted : iterator of tuple of int
        First draw and number of draws.
    workers : int
        Threads.

    Yields
    ------
    Part
        One block, in any order. Leaving early ends the threads after the blocks they are at.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="draws")
    running: set[Future[Part]] = set()
    try:
        # two blocks a thread: none waits for work, and little is lost when the run is stopped
        while running := running | {
            pool.submit(task.part, *each) for each in islice(wanted, 2 * workers - len(running))
        }:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
