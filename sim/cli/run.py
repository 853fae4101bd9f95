"""``sim run``: play a scenario and write its result folder."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import folders, scenarios
from sim.cli.control import (
    AllowUncertified,
    Block,
    Cluster,
    Quiet,
    Shown,
    TimeLimit,
    Workers,
    check_room,
    finish,
    interruptible,
    progress_asked,
    resuming,
    seconds,
)
from sim.cli.errors import note
from sim.cli.options import AllowPath, AsJson, Debug, Settings, whole
from sim.cli.progress import progress as bar
from sim.errors import InputError, UsageError, shown

if TYPE_CHECKING:
    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario

DEMO = "eu48_sovereign"
RESULTS = "results"


@dataclass(frozen=True)
class Request:
    """What the command line asked for, checked.

    Parameters
    ----------
    source : str
        Path or name of the scenario.
    draws, seed, workers, block : int or None
        As given; None leaves it to the scenario or the machine.
    out : str or None
        Result folder.
    settings : tuple of str
        ``KEY=VALUE`` each.
    as_json, quiet, allow_path, allow_uncertified : bool
        Switches.
    progress : str
        ``auto``, ``lines``, ``json`` or ``none``.
    cluster : str or None
        Of a run that is not over threads.
    time_limit : float or None
        Seconds a block may take.
    """

    source: str
    draws: int | None
    seed: int | None
    workers: int | None
    block: int | None
    out: str | None
    settings: tuple[str, ...] = ()
    as_json: bool = False
    allow_path: bool = False
    allow_uncertified: bool = False
    progress: str = "auto"
    cluster: str | None = None
    time_limit: float | None = None
    quiet: bool = False


def run(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO",
            help=f"Scenario file, or the name of a shipped one ({DEMO}).",
            autocompletion=scenarios,
        ),
    ] = None,
    *,
    draws: Annotated[str | None, typer.Option(metavar="N", help="How many draws; by default the scenario's.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed; by default the scenario's, else drawn.")] = None,
    workers: Workers = None,
    block: Block = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Result folder; by default results/NAME-KEY.", autocompletion=folders),
    ] = None,
    settings: Settings = None,
    cluster: Cluster = None,
    time_limit: TimeLimit = None,
    progress: Shown = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Run a scenario: progress on stderr, the summary on stdout, all else in the result folder.

    The seed and the number of draws decide the answer; workers and block width only how long it takes.

    Parameters
    ----------
    scenario, draws, seed, workers, block, out : str, optional
        As typed.
    settings : list of str, optional
        ``KEY=VALUE`` each.
    cluster, time_limit, progress : str, optional
        As typed.
    as_json, quiet, allow_path, allow_uncertified, _debug : bool
        Switches.

    Returns
    -------
    int
        Exit code.
    """
    return execute(
        Request(
            source=DEMO if scenario is None else scenario,
            draws=whole("--draws", draws, 1, 2**40 - 1),
            seed=whole("--seed", seed, 0, 2**128 - 1),
            workers=whole("--workers", workers, 1),
            block=whole("--block", block, 2, 256),
            out=out,
            settings=tuple(settings or ()),
            as_json=as_json,
            allow_path=allow_path,
            allow_uncertified=allow_uncertified,
            progress=progress_asked(progress, quiet),
            cluster=cluster,
            time_limit=seconds("--time-limit", time_limit),
            quiet=quiet or progress == "none",
        )
    )


def parsed(settings: Sequence[str]) -> dict[str, Any]:
    """Return what ``--set`` asks for.

    Parameters
    ----------
    settings : sequence of str
        ``KEY=VALUE`` each; the value is read as strictly as a scenario file.

    Returns
    -------
    dict
        Dotted key to value.

    Raises
    ------
    UsageError
        If one has no key, no value, or is given twice.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not key or not equals or not text:
            raise UsageError(f"--set needs KEY=VALUE, got {shown(setting)}")
        if key in values:
            raise UsageError(f"--set gives {shown(key)} twice")
        values[key] = _value(key, text)
    return values


def _value(key: str, text: str) -> object:
    from sim.scenario.strict import read_value

    return read_value(text, f"--set {key}")


def execute(request: Request) -> int:
    """Run what was asked for and show it.

    Parameters
    ----------
    request : Request
        Checked.

    Returns
    -------
    int
        0; every other outcome is an error.

    Raises
    ------
    InputError
        If the scenario or its tables are wrong.
    FailedDrawsError
        If draws failed; the others are kept and shown.
    CertificateError
        If draws are not certified and that was not allowed.
    StoreError, ResourceError
        If the result folder cannot be used, or the disk has no room.
    StoppedError
        If a signal ended the run.
    """
    from sim.scenario.quarters import refuse_ramp

    scenario = refuse_ramp(_scenario(request))
    seed = request.seed if request.seed is not None else scenario.monte_carlo.seed
    seed = secrets.randbits(63) if seed is None else seed
    draws = scenario.monte_carlo.draws if request.draws is None else request.draws
    folder = Path(request.out) if request.out is not None else _folder(scenario, seed)
    check_room(folder, draws * scenario.horizon.steps * (len(scenario.metrics) + 2) * 8)
    if not request.quiet:
        most = "" if scenario.monte_carlo.until is None else "at most "
        note(f"{scenario.title or scenario.name}: {most}{draws:,} draws, seed {seed}, into {folder}")
    result = _played(request, scenario, draws, seed, folder)
    return finish(
        result,
        folder,
        as_json=request.as_json,
        quiet=request.quiet,
        allow_uncertified=request.allow_uncertified,
    )


def _scenario(request: Request) -> Scenario:
    """Load the scenario and apply the settings; an unknown key among those is a fault of the call."""
    settings = parsed(request.settings)
    from sim.scenario.load import load

    scenario = load(request.source, allow_path=request.allow_path)
    if not settings:
        return scenario
    try:
        return scenario.override(settings)
    except InputError as error:
        if all("unknown key" in problem.message for problem in error.problems):
            raise UsageError("--set: " + "; ".join(problem.message for problem in error.problems)) from error
        raise


def _folder(scenario: Scenario, seed: int) -> Path:
    """Return the folder that only this run uses by default."""
    from sim.experiments.store import run_key

    # a scenario's name is free text and must not choose where files go
    name = re.sub(r"[^\w-]+", "_", scenario.name)[:50].strip("_") or "run"
    return Path(RESULTS) / f"{name}-{run_key(scenario, seed)[:8]}"


def _played(request: Request, scenario: Scenario, draws: int, seed: int, folder: Path) -> Result:
    from sim.experiments.monte_carlo import run as monte_carlo

    with interruptible(folder, again(request, folder)), bar(request.progress) as tell:
        return monte_carlo(
            scenario,
            draws=draws,
            seed=seed,
            workers=request.workers,
            block=request.block,
            out=folder,
            progress=tell,
            allow_uncertified=True,  # the table is shown whatever the draws reached; `finish` has the last word
            cluster=request.cluster,
            time_limit=request.time_limit,
        )


def again(request: Request, folder: Path) -> str:
    """Return the command that goes on with a run.

    Parameters
    ----------
    request : Request
        What was asked for.
    folder : Path
        Result folder; it knows scenario, seed and draws.

    Returns
    -------
    str
        For a shell.
    """
    return resuming(
        folder,
        {
            "--workers": request.workers,
            "--block": request.block,
            "--cluster": request.cluster,
            "--time-limit": request.time_limit,
            "--json": request.as_json,
            "--quiet": request.quiet,
            "--allow-path": request.allow_path,
            "--allow-uncertified": request.allow_uncertified,
        },
    )
