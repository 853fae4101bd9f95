"""Options that several commands share, and the checks that turn their text into values."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from sim.cli.complete import folders, scenarios, settings
from sim.errors import UsageError, nearest, shown

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Folder = Annotated[
    str | None, typer.Argument(metavar="DIR", help="Result folder, of a run or a sweep.", autocompletion=folders)
]
Run = Annotated[str | None, typer.Argument(metavar="DIR", help="Result folder.", autocompletion=folders)]
Source = Annotated[
    str | None,
    typer.Argument(metavar="SCENARIO", help="Scenario file, or the name of a shipped one.", autocompletion=scenarios),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the scenario; repeatable.", autocompletion=settings
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values to stdout.")]
Figure = Annotated[
    str | None, typer.Option("--out", "-o", metavar="FILE", help="Write the figure: .png, .svg or .pdf.")
]
AllowPath = Annotated[
    bool, typer.Option("--allow-path", help="Let the scenario name input files outside its own folder.")
]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")


def whole(option: str, text: str | None, low: int, high: int | None = None) -> int | None:
    """Return the integer an option was given.

    Parameters
    ----------
    option : str
        The option as typed, for the message.
    text : str or None
        What was given; None when it was not.
    low, high : int
        Range allowed, both ends included; no upper end when `high` is None.

    Returns
    -------
    int or None
        None when the option was not given.

    Raises
    ------
    UsageError
        If the text is no integer of that range.
    """
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        raise UsageError(f"{option}: {shown(text)} is not an integer")
    value = int(text)
    if high is not None and not low <= value <= high:
        raise UsageError(f"{option} must be from {low} to {high}, got {value}")
    if value < low:
        raise UsageError(f"{option} must be at least {low}, got {value}")
    return value


def chosen(what: str, name: str, known: tuple[str, ...]) -> str:
    """Return `name` if it is one of the known.

    Parameters
    ----------
    what : str
        What is chosen, for the message.
    name : str
        What was given.
    known : tuple of str
        What may be given.

    Returns
    -------
    str
        The name.

    Raises
    ------
    UsageError
        If it is not known.
    """
    if name not in known:
        raise UsageError(f"unknown {what} {shown(name)}{nearest(name, known)} (known: {', '.join(known)})")
    return name
