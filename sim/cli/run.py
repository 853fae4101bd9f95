"""``sim run``: play a scenario and write its result folder."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.answer import show_notes, show_summary
from sim.cli.errors import EXHAUSTED, ResourceError, StoppedError, note, warn
from sim.cli.options import AllowPath, AsJson, Debug, whole
from sim.cli.progress import progress
from sim.cli.signals import Stop, stoppable
from sim.errors import FailedDrawsError, InputError, SimError, StoreError, UsageError, shown

if TYPE_CHECKING:
    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario

DEMO = "eu48_sovereign"
RESULTS = "results"
ROOM = 2_000_000
"""Bytes a result folder takes whatever the run: manifest, log, figures, rounding of blocks."""


class UncertifiedDrawsError(SimError):
    """Some draws stopped before their tolerance."""

    exit_code = 4


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
    """

    source: str
    draws: int | None
    seed: int | None
    workers: int | None
    block: int | None
    out: str | None
    settings: tuple[str, ...] = ()
    as_json: bool = False
    quiet: bool = False
    allow_path: bool = False
    allow_uncertified: bool = False


def run(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help=f"Scenario file, or the name of a shipped one ({DEMO}).")
    ] = None,
    *,
    draws: Annotated[str | None, typer.Option(metavar="N", help="How many draws; by default the scenario's.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed; by default the scenario's, else drawn.")] = None,
    workers: Annotated[str | None, typer.Option(metavar="W", help="Threads; by default one a core.")] = None,
    block: Annotated[str | None, typer.Option(metavar="B", help="Draws computed together, 2 to 128.")] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Result folder; by default results/NAME-KEY.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the scenario; repeatable.")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only warnings and errors on stderr.")] = False,
    allow_path: AllowPath = False,
    allow_uncertified: Annotated[
        bool, typer.Option("--allow-uncertified", help="Take draws that stopped before their tolerance.")
    ] = False,
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
            block=whole("--block", block, 2, 128),
            out=out,
            settings=tuple(settings or ()),
            as_json=as_json,
            quiet=quiet,
            allow_path=allow_path,
            allow_uncertified=allow_uncertified,
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
    UncertifiedDrawsError
        If draws are not certified and that was not allowed.
    StoreError, ResourceError
        If the result folder cannot be used, or the disk has no room.
    StoppedError
        If a signal ended the run.
    """
    scenario = _scenario(request)
    seed = request.seed if request.seed is not None else scenario.monte_carlo.seed
    seed = secrets.randbits(63) if seed is None else seed
    draws = scenario.monte_carlo.draws if request.draws is None else request.draws
    folder = Path(request.out) if request.out is not None else _folder(scenario, seed)
    check_room(folder, draws * scenario.horizon.steps * (len(scenario.metrics) + 2) * 8)
    if not request.quiet:
        note(f"{scenario.title or scenario.name}: {draws:,} draws, seed {seed}, into {folder}")
    result = _played(request, scenario, draws, seed, folder)
    figures = write_figures(result, folder)
    show_summary(result, folder, as_json=request.as_json, figures=figures)
    warn(tuple(result.warnings))
    if not request.quiet:
        note(f"figure: {figures[0]}")
        show_notes(result, folder)
    _refuse(result, draws, request.allow_uncertified)
    return 0


def check_room(folder: Path, size: int) -> None:
    """Refuse a place that is no folder, or a disk that cannot hold the run; nothing is written.

    Parameters
    ----------
    folder : Path
        Result folder, there or not.
    size : int
        Bytes the draws take at most.

    Raises
    ------
    StoreError
        If something else has the folder's name.
    ResourceError
        If the disk has too little room.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder}: is not a folder; choose another place with --out")
        place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        disk = shutil.disk_usage(place)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if disk.total and disk.free < size + ROOM:  # a virtual file system counts no bytes
        raise ResourceError(
            f"{folder}: {disk.free:,} bytes free, the run needs about "
            f"{(size + ROOM) / 1e6:,.1f} MB; nothing was started"
        )


def _unwritable(folder: Path, error: OSError) -> SimError:
    """Return what to tell about a result folder that the system refuses."""
    kind = ResourceError if error.errno in EXHAUSTED else StoreError
    return kind(f"{folder}: cannot write the result: {error.strerror or error}")


def write_figures(result: Result, folder: Path) -> list[Path]:
    """Draw the standard figure into the result folder.

    Parameters
    ----------
    result : Result
        What came out.
    folder : Path
        Result folder.

    Returns
    -------
    list of Path
        The files written.
    """
    from sim.report.style import save

    figure = result.plot()
    return [save(figure, folder / name) for name in ("figure.png", "figure.svg")]


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

    try:
        with stoppable(), progress(request.quiet) as tell:
            return monte_carlo(
                scenario,
                draws=draws,
                seed=seed,
                workers=request.workers,
                block=request.block,
                out=folder,
                progress=tell,
                allow_uncertified=True,  # the table is shown whatever the draws reached; `_refuse` has the last word
            )
    except OSError as error:
        raise _unwritable(folder, error) from error
    except KeyboardInterrupt as stop:
        code = stop.exit_code if isinstance(stop, Stop) else 130
        raise StoppedError(
            f"interrupted; finished parts are kept, to go on: {again(request, seed, folder)}", code
        ) from stop


def again(request: Request, seed: int, folder: Path) -> str:
    """Return the command that goes on with a run.

    Parameters
    ----------
    request : Request
        What was asked for.
    seed : int
        The seed used, drawn ones included.
    folder : Path
        Result folder.

    Returns
    -------
    str
        For a shell.
    """
    words = ["sim", "run", "--seed", str(seed), "--out", str(folder)]
    for option, value in (("--draws", request.draws), ("--workers", request.workers), ("--block", request.block)):
        words += [option, str(value)] if value is not None else []
    for setting in request.settings:
        words += ["--set", setting]
    words += [option for option, on in _switches(request) if on]
    return shlex.join([*words, "--", request.source] if request.source.startswith("-") else [*words, request.source])


def _switches(request: Request) -> tuple[tuple[str, bool], ...]:
    return (
        ("--json", request.as_json),
        ("--quiet", request.quiet),
        ("--allow-path", request.allow_path),
        ("--allow-uncertified", request.allow_uncertified),
    )


def _refuse(result: Result, draws: int, allow_uncertified: bool) -> None:
    """End with the code for failed or uncertified draws, where there are any."""
    bad = result.failed_draws
    lost = bad[bad["status"] == "failed"]
    if len(lost):
        raise FailedDrawsError(len(lost), draws, int(lost["draw"].iloc[0]), str(lost["reason"].iloc[0]))
    if len(bad) and not allow_uncertified:
        first = f"draw {int(bad['draw'].iloc[0])}: {bad['reason'].iloc[0]}"
        raise UncertifiedDrawsError(
            f"{len(bad)} of {draws} draws are not certified; first: {first}; --allow-uncertified takes them"
        )
