"""Many draws of one scenario: the run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sim.errors import ConvergenceError, FailedDrawsError, SimError, StoreError, UsageError
from sim.experiments.blocks import How, Player, cores
from sim.experiments.ensemble import task_of
from sim.experiments.gather import gather
from sim.experiments.part import FAILED, UNCERTIFIED
from sim.experiments.progress import Progress
from sim.experiments.provenance import key_of
from sim.experiments.result import Result
from sim.experiments.store import read_manifest

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

__all__ = ["Progress", "UncertifiedDrawsError", "resume", "run"]

WIDEST = 256
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
    cluster: str | None = None,
    time_limit: float | None = None,
    without: Iterable[int] = (),
    model: Model | None = None,
) -> Result:
    """Play a scenario many times.

    Seed and number of draws decide the answer, to the last bit; workers, block width and where the run was interrupted
    do not. The first 1000 draws of a longer run are those of a shorter one. With ``monte_carlo.networks`` K, draw k
    plays on network k modulo K; its other random numbers are the same whatever K.

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
        Draws played together, 1 to 256; by default the fastest width that the first blocks show.
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
        Plays one block instead of `sim.simulation.play`, with the same arguments. Neither its name nor its code is
        part of the run key: give it its own result folder.
    cluster : str, optional
        ``"local:4"`` for four processes here, the address of a Dask scheduler or the path of its file; needs `out`, on
        a disk that all workers see, and the package's extra ``cluster``. By default threads of this process.
    time_limit : float, optional
        Seconds a block of draws may take. By default ten minutes, or 20 times the longest block before it if that is
        more; the first blocks have an hour.
    without : iterable of int
        Draws that are not played but kept as failed, because they end the process that plays them or never end.
    model : type, optional
        A subclass of `sim.ContagionModel` whose agents decide for themselves; a draw is one model.

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
    LostDrawsError
        If draws ended their process or never ended; the others are kept in the folder.
    TooLargeError
        If the run needs more memory than there is; nothing was started.
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
    from sim.scenario.load import load
    from sim.scenario.quarters import refuse_ramp

    chosen = refuse_ramp(load(scenario) if isinstance(scenario, str | Path) else scenario)
    if record is not None and record != chosen.record:
        chosen = chosen.override({"record": record})
    draws = _whole("draws", chosen.monte_carlo.draws if draws is None else draws, 1, MOST_DRAWS)
    workers = _whole("workers", cores() if workers is None else workers, 1, MOST_WORKERS_A_CORE * cores())
    width = None if block is None else _whole("block", block, 1, WIDEST)
    if time_limit is not None and not 0.0 < time_limit < float("inf"):
        raise UsageError(f"time_limit must be a number of seconds above 0, got {time_limit!r}")
    if model is not None:
        if player is not None:
            raise UsageError("model and player both say who plays; give one")
        player = model.play
    how = How(workers, width, time_limit, cluster, frozenset(_whole("without", k, 0, MOST_DRAWS) for k in without))
    folder = None if out is None else Path(out)
    seed = _seed(chosen, seed, folder)
    task = task_of(chosen, seed, _player() if player is None else player, workers)
    return accepted(gather(task, draws, how, folder=folder, progress=progress), allow_uncertified)


def resume(
    folder: str | Path,
    *,
    workers: int | None = None,
    block: int | None = None,
    progress: bool | Callable[[Progress], None] = False,
    allow_uncertified: bool = False,
    cluster: str | None = None,
    time_limit: float | None = None,
    without: Iterable[int] = (),
    inputs: str | Path | None = None,
    allow_path: bool = False,
    player: Player | None = None,
) -> Result:
    """Finish an interrupted run from its folder alone; the answer is that of a run that was never interrupted.

    Parameters
    ----------
    folder : str or Path
        Result folder. What is missing or damaged in it is played, a damaged manifest is made again from the parts.
    workers, block, progress, allow_uncertified, cluster, time_limit, without : optional
        As in `run`.
    inputs : str or Path, optional
        Folder of the scenario's tables, if it is not where it was.
    allow_path : bool
        Whether tables may lie outside that folder.
    player : callable, optional
        Who plays the run, if not the rules of this package.

    Returns
    -------
    Result
        All draws.

    Raises
    ------
    StoreError
        If there is no run, or another engine made it.
    InputError
        If a table is missing or was changed since the run began.
    """
    from sim.experiments.reopen import refuse_player, reopen

    kept = reopen(Path(folder), inputs=None if inputs is None else Path(inputs), allow_path=allow_path)
    refuse_player(kept, player)
    return run(
        kept.scenario,
        draws=kept.draws,
        seed=kept.seed,
        workers=workers,
        block=block,
        out=folder,
        progress=progress,
        allow_uncertified=allow_uncertified,
        cluster=cluster,
        time_limit=time_limit,
        without=without,
        player=player,
    )


class Model(Protocol):
    """A class that plays draws with agents of its own, such as a subclass of `sim.ContagionModel`."""

    @property
    def play(self) -> Player:
        """Play one block of draws."""


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
        models = (None, held.get("player"))
        if held["run_key"] in {key_of(scenario.digest, held["seed"], scenario.record, model=name) for name in models}:
            return int(held["seed"])
    return secrets.randbits(63)


def accepted(result: Result, allow_uncertified: bool) -> Result:
    """Return a result, unless there is nothing in it or something in it was not allowed.

    Parameters
    ----------
    result : Result
        All draws.
    allow_uncertified : bool
        Whether draws whose solvers stopped before their tolerance are taken.

    Returns
    -------
    Result
        The same.

    Raises
    ------
    FailedDrawsError
        If every draw failed.
    UncertifiedDrawsError
        If draws are not certified and that was not allowed.
    """
    failed, uncertified = result.manifest["failed"], result.manifest["uncertified"]
    if failed == result.draws or (uncertified and not allow_uncertified):
        bad = result.failed_draws
        first = bad[bad["status"] == (FAILED if failed == result.draws else UNCERTIFIED)].iloc[0]
        if failed == result.draws:
            raise FailedDrawsError(failed, result.draws, int(first["draw"]), str(first["reason"]))
        raise UncertifiedDrawsError(result, uncertified, int(first["draw"]), str(first["reason"]))
    return result
