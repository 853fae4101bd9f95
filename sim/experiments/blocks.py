"""Blocks of draws: cut, played, replayed draw by draw where one of them fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sim.arrays import Float, Int
from sim.errors import NotFiniteError, PluginError, SimError
from sim.experiments.cuts import by_network, size_of, start_of
from sim.experiments.part import FAILED, OK, Part, join

LONGEST_REASON = 300


class OutOfMemoryError(SimError):
    """Memory ran out in a single draw; what was finished before is kept."""

    exit_code = 5


@dataclass(frozen=True)
class How:
    """How a run is worked off; no bit of the answer depends on it.

    Parameters
    ----------
    workers : int
        Threads, or processes of a cluster started here.
    width : int or None
        Draws played together; None has it timed.
    time_limit : float or None
        Seconds a block may take; None lets it follow from those before it.
    cluster : str or None
        ``local:N``, the address of a scheduler, or its file; None is threads of this process.
    without : frozenset of int
        Draws that are not played but kept as failed.
    """

    workers: int
    width: int | None = None
    time_limit: float | None = None
    cluster: str | None = None
    without: frozenset[int] = frozenset()


class Played(Protocol):
    """What a player returns for a block; the block of `sim.simulation` is one."""

    @property
    def draws(self) -> Int:
        """Which draws: ``int64[n_draws]``."""

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
    networks : int
        That the draws are spread over: draw k plays on network k modulo this.
    systems : callable, optional
        Gives the system of a network; without it there is one for all.
    """

    scenario: Any
    system: Any
    seed: int
    play: Player
    metrics: tuple[str, ...]
    networks: int = 1
    systems: Callable[[int], Any] | None = None

    def part(self, first: int, draws: int) -> Part:
        """Play draws that follow each other on one network; one that fails is a row that says so and harms no other.

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
        except MemoryError as error:  # says something about this machine, nothing about the draw
            if draws == 1:
                raise OutOfMemoryError(
                    f"draw {first}: memory ran out; try --workers 1, or a machine with more of it"
                ) from error
        except Exception as error:  # noqa: BLE001 - whatever a plug-in raises belongs to its draw, not to the run
            if draws == 1:
                return self.failed(first, reason_of(error))
        return join([self.part(first + k * self.networks, 1) for k in range(draws)])

    def failed(self, first: int, reason: str) -> Part:
        """Return one draw as a row that says why it failed.

        Parameters
        ----------
        first : int
            The draw.
        reason : str
            One line.

        Returns
        -------
        Part
            Of one draw.
        """
        empty = {name: np.empty((1, 0)) for name in self.metrics}
        return Part(first, empty, (FAILED,), (reason,), stride=self.networks, networks=self.networks)

    def _played(self, first: int, draws: int) -> Part:
        numbers = first + self.networks * np.arange(draws, dtype=np.int64)
        system = self.system if self.systems is None else self.systems(first % self.networks)
        block = self.play(self.scenario, system, numbers, self.seed)
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
                raise NotFiniteError(f"metric {name}", "the system", int(numbers[lane]), value)
        for values in metrics.values():
            values[[each == FAILED for each in status]] = np.nan
        final = {name: _by_draw(name, values, draws) for name, values in block.final.items()}
        agents = tuple(block.agents) if final else ()
        return Part(first, metrics, status, reason, final, agents, self.networks, self.networks)


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


def blocks(
    have: Mapping[int, int], draws: int, width: int | Callable[[], int], networks: int = 1
) -> Iterator[tuple[int, int]]:
    """Cut the draws that are missing into blocks that never cross the bounds of a part, one network after the other.

    Parameters
    ----------
    have : mapping of int to int
        First draw of a stretch that is there -> how many draws it has; within one part.
    draws : int
        Draws of the run.
    width : int or callable
        Most draws in a block; a callable is asked for every block.
    networks : int
        That the draws are spread over; a network is left when all its draws were yielded, so each is built once.

    Yields
    ------
    tuple of int
        First draw and number of draws.
    """
    held: dict[int, list[tuple[int, int]]] = {}
    for first, n in have.items():
        start = start_of(first, networks)
        held.setdefault(start, []).append(((first - start) // networks, n))
    for start in by_network(draws, networks):
        at = 0
        for begin, n in [*sorted(held.get(start, ())), (size_of(start, draws, networks), 0)]:
            while at < begin:
                wide = min(width() if callable(width) else width, begin - at)
                yield start + at * networks, wide
                at += wide
            at = max(at, begin + n)
