"""Many draws of one scenario: the run."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import ConvergenceError, FailedDrawsError, SimError, StoreError, UsageError
from sim.experiments.blocks import Player, Task, cores
from sim.experiments.gather import Progress, gather
from sim.experiments.part import FAILED, UNCERTIFIED
from sim.experiments.result import Result
from sim.experiments.store import read_manifest, run_key

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

__all__ = ["Progress", "UncertifiedDrawsError", "run"]

BLOCK = 32
"""Draws played together: four cache lines of each column."""

WIDEST = 128
MOST_DRAWS = 2**40 - 1
MOST_WORKERS_A_CORE = 4


class UncertifiedDrawsError(ConvergenceError):
    """Some draws stopped before their tolerance; `state` is the result, all draws included."""

    def __init__(self, result: Result, draws: int, first: int, reason: str) -> None:
        self.state, self.draws, self.first, self.reason = result, draws, first, reason
        SimError.__init__(
            self,
            f"{draws} of {result.draws} draws are not certified; first: draw {first}: {reason}; raise max_rounds, or "
            "pass allow_uncertified=True to take them",
        )


def run(
    scenario: Scenario | str | Path,
    *,
    draws: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    block: int | None = None,
    out: str | Path | None = None,
    progress: bool | Callable[[Progress], None] = False,
    record: str | None = None,
    allow_uncertified: bool = False,
    player: Player | None = None,
) -> Result:
    """Play a scenario many times.

    Seed and number of draws decide the answer, to the last bit; workers, block width and where the run was interrupted
    do not. The first 1000 draws of a longer run are those of a shorter one.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one.
    draws : int, optional
        By default the scenario's.
    seed : int, optional
        0 to 2^128 - 1; by default the scenario's, else that of the run `out` holds, else a random one, which the result
        states.
    workers : int, optional
        Threads; by default one a core, at most four a core.
    block : int, optional
        Draws played together, 1 to 128; 32.
    out : str or Path, optional
        Result folder. Draws of the same run that it holds are taken from there, missing ones are added. Without it the
        result is kept in memory.
    progress : bool or callable
        True shows a bar on stderr; a callable gets a `Progress` after every block.
    record : str, optional
        ``"metrics"``, or ``"agents"`` to keep the final columns of every agent; by default the scenario's.
    allow_uncertified : bool
        Whether to return draws whose solvers stopped before their tolerance.
    player : callable, optional
        Plays one block instead of `sim.simulation.play`, with the same arguments. Its own code is not part of the run
        key: give it its own result folder.

    Returns
    -------
    Result
        All draws; those that failed are rows that say why.

    Raises
    ------
    UsageError
        If an option is out of range.
    InputError
        If the scenario or its tables are wrong.
    FailedDrawsError
        If every draw failed.
    ConvergenceError
        If draws are not certified and that was not allowed; its `state` is the result.
    StoreError
        If the result folder holds another run or cannot be written.

    Examples
    --------
    >>> from sim.experiments.monte_carlo import run
    >>> result = run("ring_of_ten", draws=10, seed=1)
    >>> result.draws
    10
    """
    from sim.scenario.build import build
    from sim.scenario.load import load

    chosen = load(scenario) if isinstance(scenario, str | Path) else scenario
    if record is not None and record != chosen.record:
        chosen = chosen.override({"record": record})
    draws = _whole("draws", chosen.monte_carlo.draws if draws is None else draws, 1, MOST_DRAWS)
    workers = _whole("workers", cores() if workers is None else workers, 1, MOST_WORKERS_A_CORE * cores())
    width = _whole("block", BLOCK if block is None else block, 1, WIDEST)
    folder = None if out is None else Path(out)
    seed = _seed(chosen, seed, folder)
    task = Task(chosen, build(chosen, seed=seed), seed, _player() if player is None else player, tuple(chosen.metrics))
    result = gather(task, draws, workers=workers, width=width, folder=folder, progress=progress)
    return _accepted(result, allow_uncertified)


def _player() -> Player:
    from sim.simulation import play

    return play


def _whole(name: str, value: int, low: int, high: int) -> int:
    """An option checked: a whole number within its range."""
    try:
        number = index(value)
    except TypeError as error:
        raise UsageError(f"{name} must be a whole number, got {value!r}") from error
    if isinstance(value, bool) or not low <= number <= high:
        raise UsageError(f"{name} must be from {low} to {high}, got {value!r}")
    return number


def _seed(scenario: Scenario, given: int | None, folder: Path | None) -> int:
    """The seed: given, the scenario's, that of the run to go on with, or drawn."""
    if given is not None and not isinstance(given, bool) and not hasattr(given, "__index__"):
        raise TypeError("pass an integer seed; a generator cannot be split over workers")
    seed = scenario.monte_carlo.seed if given is None else given
    if seed is not None:
        return _whole("seed", seed, 0, 2**128 - 1)
    if folder is not None:
        try:
            held = read_manifest(folder)
        except StoreError:  # nothing to go on with; what is wrong with the folder is told when it is prepared
            return secrets.randbits(63)
        if run_key(scenario, held["seed"]) == held["run_key"]:
            return int(held["seed"])
    return secrets.randbits(63)


def _accepted(result: Result, allow_uncertified: bool) -> Result:
    """The result, unless there is nothing in it or something in it was not allowed."""
    failed, uncertified = result.manifest["failed"], result.manifest["uncertified"]
    if failed == result.draws or (uncertified and not allow_uncertified):
        bad = result.failed_draws
        first = bad[bad["status"] == (FAILED if failed == result.draws else UNCERTIFIED)].iloc[0]
        if failed == result.draws:
            raise FailedDrawsError(failed, result.draws, int(first["draw"]), str(first["reason"]))
        raise UncertifiedDrawsError(result, uncertified, int(first["draw"]), str(first["reason"]))
    return result
