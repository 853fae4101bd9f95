"""``sim resume``: finish an interrupted run from its folder alone."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

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
    seconds,
)
from sim.cli.options import AllowPath, AsJson, Debug, whole
from sim.cli.progress import progress as bar
from sim.errors import UsageError


def resume(
    folder: Annotated[str | None, typer.Argument(metavar="DIR", help="Result folder.")] = None,
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
    """Finish an interrupted run; the answer is that of a run that was never interrupted.

    What is missing or damaged is computed, all else is kept.

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
    width, crew = whole("--block", block, 2, 128), whole("--workers", workers, 1)
    limit = seconds("--time-limit", time_limit)
    left_out = [whole("--without", text, 0, 2**40 - 1) or 0 for text in (without or "").split(",") if text]
    from sim.experiments.monte_carlo import resume as monte_carlo

    with interruptible(place, f"sim resume {shlex.quote(folder)}"), bar(how) as tell:
        result = monte_carlo(
            place,
            workers=crew,
            block=width,
            progress=tell,
            allow_uncertified=True,
            cluster=cluster,
            time_limit=limit,
            without=left_out,
            inputs=inputs,
            allow_path=allow_path,
        )
    return finish(result, place, as_json=as_json, quiet=how == "none", allow_uncertified=allow_uncertified)
