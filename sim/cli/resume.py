"""``sim resume``: finish an interrupted run or sweep from its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.control import (
    AllowUncertified,
    Block,
    Cluster,
    Inputs,
    Quiet,
    Shown,
    TimeLimit,
    Workers,
    finish,
    interruptible,
    progress_asked,
    resuming,
    seconds,
)
from sim.cli.options import AllowPath, AsJson, Debug, Folder, whole
from sim.cli.progress import progress as bar
from sim.cli.swept import finish as finish_sweep
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.experiments.result import Result
    from sim.experiments.swept import Sweep


def resume(
    folder: Folder = None,
    *,
    without: Annotated[
        str | None, typer.Option(metavar="K,K,...", help="Draws to keep as failed instead of playing them.")
    ] = None,
    inputs: Inputs = None,
    workers: Workers = None,
    block: Block = None,
    cluster: Cluster = None,
    time_limit: TimeLimit = None,
    progress: Shown = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Finish an interrupted run or sweep; the answer is that of one that was never interrupted.

    What is missing or damaged is computed, all else is kept. A sweep goes on with its own design, policies and draws.

    Parameters
    ----------
    folder, without, inputs, workers, block, cluster, time_limit, progress : str, optional
        As typed.
    as_json, quiet, allow_path, allow_uncertified, _debug : bool
        Switches.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    UsageError
        If no folder is given, or an option is wrong.
    """
    if folder is None:
        raise UsageError("resume needs a result folder")
    how = progress_asked(progress, quiet)
    place = Path(folder)
    width, crew = whole("--block", block, 2, 256), whole("--workers", workers, 1)
    limit = seconds("--time-limit", time_limit)
    left_out = [whole("--without", text, 0, 2**40 - 1) or 0 for text in (without or "").split(",") if text]
    going_on: dict[str, object] = {
        "--workers": crew,
        "--block": width,
        "--cluster": cluster,
        "--time-limit": time_limit,
    }
    going_on |= {"--without": without, "--inputs": inputs, "--json": as_json, "--quiet": quiet}
    going_on |= {"--allow-path": allow_path, "--allow-uncertified": allow_uncertified}
    from sim.experiments.sweep_folder import holds_sweep

    is_sweep = holds_sweep(place)
    if is_sweep and left_out:
        raise UsageError("--without is for the folder of a run; those of a sweep lie in its folder points")
    with interruptible(place, resuming(place, going_on)), bar(how) as tell:
        options = {"workers": crew, "block": width, "cluster": cluster, "time_limit": limit, "progress": tell}
        options |= {"inputs": inputs, "allow_path": allow_path}
        found: Any = _sweep(place, options, allow_uncertified) if is_sweep else _run(place, options, left_out)
    quietly = quiet or how == "none"
    if is_sweep:
        return finish_sweep(found, place, as_json=as_json, quiet=quietly)
    return finish(found, place, as_json=as_json, quiet=quietly, allow_uncertified=allow_uncertified)


def _run(place: Path, options: dict[str, Any], without: list[int]) -> Result:
    from sim.experiments.monte_carlo import resume as go_on

    return go_on(place, allow_uncertified=True, without=without, **options)


def _sweep(place: Path, options: dict[str, Any], allow_uncertified: bool) -> Sweep:
    from sim.experiments.sweep_reopen import resume_sweep

    return resume_sweep(place, allow_uncertified=allow_uncertified, **options)
