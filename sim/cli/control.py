"""What commands that play draws share: their options, stopping, room on the disk, the outcome shown."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.answer import show_notes, show_summary
from sim.cli.complete import among, folders
from sim.cli.errors import EXHAUSTED, ResourceError, StoppedError, note, warn
from sim.cli.options import chosen
from sim.cli.progress import WAYS
from sim.cli.signals import Stop, stoppable
from sim.errors import FailedDrawsError, SimError, StoreError, UsageError, shown

if TYPE_CHECKING:
    from sim.experiments.result import Result

ROOM = 2_000_000
"""Bytes a result folder takes whatever the run: manifest, log, figures, rounding of blocks."""

Workers = Annotated[str | None, typer.Option(metavar="W", help="Threads; by default one a core.")]
Block = Annotated[
    str | None, typer.Option(metavar="B", help="Draws computed together, 2 to 256; by default the fastest, timed.")
]
Cluster = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask cluster: local:N, tcp://HOST:PORT or a scheduler's file."),
]
TimeLimit = Annotated[
    str | None,
    typer.Option(metavar="SECONDS", help="Time a block of draws may take; by default 600 s, or 20 times the longest."),
]
Shown = Annotated[
    str | None,
    typer.Option(
        "--progress",
        metavar="HOW",
        help="auto, lines, json (one object a line) or none.",
        autocompletion=among(lambda: WAYS),
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        metavar="DIR", help="Folder of the scenario's tables, if it is not where it was.", autocompletion=folders
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only warnings and errors on stderr.")]
AllowUncertified = Annotated[
    bool, typer.Option("--allow-uncertified", help="Take draws that stopped before their tolerance.")
]

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class CertificateError(SimError):
    """Some draws stopped before their tolerance."""

    exit_code = 4


def seconds(option: str, text: str | None) -> float | None:
    """Return the seconds an option was given.

    Parameters
    ----------
    option : str
        As typed.
    text : str or None
        What was given.

    Returns
    -------
    float or None
        Above 0; None when it was not given.

    Raises
    ------
    UsageError
        If the text is no number above 0.
    """
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or float(text) <= 0.0:
        raise UsageError(f"{option}: {shown(text)} is not a number of seconds above 0")
    return float(text)


def progress_asked(how: str | None, quiet: bool) -> str:
    """Return how progress is to be told.

    Parameters
    ----------
    how : str or None
        As typed.
    quiet : bool
        Whether nothing is to be told.

    Returns
    -------
    str
        ``auto``, ``lines``, ``json`` or ``none``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if how is not None:
        return chosen("way to show progress", how, WAYS)
    return "none" if quiet else "auto"


def resuming(folder: Path, options: Mapping[str, object]) -> str:
    """Return the command that goes on with a run or a sweep.

    Parameters
    ----------
    folder : Path
        Result folder; it knows scenario, seed and draws.
    options : mapping
        Option as typed -> its value; a switch that is on -> True. What is None or False is left out.

    Returns
    -------
    str
        For a shell.
    """
    words = ["sim", "resume"]
    for option, value in options.items():
        if value is not None and value is not False:
            words += [option] if value is True else [option, str(value)]
    place = str(folder)
    return shlex.join([*words, "--", place] if place.startswith("-") else [*words, place])


@contextmanager
def interruptible(folder: Path, command: str) -> Iterator[None]:
    """Turn a stop signal, and a disk that refuses, into what to tell.

    Parameters
    ----------
    folder : Path
        Result folder.
    command : str
        What goes on with the run.

    Yields
    ------
    None
        While draws are played.

    Raises
    ------
    StoppedError
        If a signal ended the run.
    """
    try:
        with stoppable():
            yield
    except OSError as error:
        raise _unwritable(folder, error) from error
    except KeyboardInterrupt as stop:
        code = stop.exit_code if isinstance(stop, Stop) else 130
        raise StoppedError(f"interrupted; finished draws are kept, to go on: {command}", code) from stop


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


def finish(result: Result, folder: Path, *, as_json: bool, quiet: bool, allow_uncertified: bool) -> int:
    """Show what came out of a run.

    Parameters
    ----------
    result : Result
        All draws.
    folder : Path
        Result folder.
    as_json, quiet, allow_uncertified : bool
        Switches.

    Returns
    -------
    int
        0; draws that failed or are not certified end the command with their code.

    Raises
    ------
    FailedDrawsError
        If draws failed; the others are kept and shown.
    CertificateError
        If draws are not certified and that was not allowed.
    """
    figures = write_figures(result, folder)
    show_summary(result, folder, as_json=as_json, figures=figures)
    warn(tuple(result.warnings))
    if not quiet:
        note(f"figure: {figures[0]}")
        show_notes(result, folder)
    _refuse(result, allow_uncertified)
    return 0


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


def _refuse(result: Result, allow_uncertified: bool) -> None:
    """End with the code for failed or uncertified draws, where there are any."""
    bad = result.failed_draws
    lost = bad[bad["status"] == "failed"]
    if len(lost):
        raise FailedDrawsError(len(lost), result.draws, int(lost["draw"].iloc[0]), str(lost["reason"].iloc[0]))
    if len(bad) and not allow_uncertified:
        first = f"draw {int(bad['draw'].iloc[0])}: {bad['reason'].iloc[0]}"
        raise CertificateError(
            f"{len(bad)} of {result.draws} draws are not certified; first: {first}; --allow-uncertified takes them"
        )
