"""``sim new``: a commented scenario file to start from."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.complete import scenarios
from sim.cli.errors import emit, note
from sim.cli.options import Debug
from sim.errors import StoreError, UsageError, shown

DEFAULT = "eu48_sovereign"
STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def new(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of the scenario; NAME.yaml is written.")] = None,
    *,
    base: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="SCENARIO", help=f"What to start from; by default {DEFAULT}.", autocompletion=scenarios
        ),
    ] = None,
    _debug: Debug = False,
) -> int:
    """Write a commented scenario file that plays what another one does, ready to be changed.

    NAME may begin with a folder (studies/mine). A file that is there is never overwritten.

    Parameters
    ----------
    name : str
        As typed.
    base : str, optional
        Shipped scenario, or a file that lies where the new one will.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0; the file written is named on stdout.

    Raises
    ------
    UsageError
        If the name cannot be used, the file is there already, or the base lies elsewhere.
    StoreError
        If the file cannot be written.
    """
    if name is None:
        raise UsageError("new needs a name, such as: sim new my_scenario")
    path = _place(name)
    from sim.scenario.load import load
    from sim.scenario.starter import starter

    source = base or DEFAULT
    made = load(source)
    text = starter(path.stem, _named(source, path), made)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path}: is there already; choose another name") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot write: {error.strerror}") from error
    try:
        load(path)
    except Exception:
        path.unlink()  # nothing that does not validate is left behind
        raise
    emit(str(path))
    command = "run" if made.ramp is None else "ramp"
    note(f"next: sim validate {shlex.quote(str(path))}; sim {command} {shlex.quote(str(path))} --draws 200")
    return 0


def _place(name: str) -> Path:
    """Where the new file goes."""
    from sim.scenario.load import shipped_folder

    folder, _, last = name.rpartition("/")
    stem = last.removesuffix(".yaml")
    if not STEM.fullmatch(stem) or not folder.isprintable():
        raise UsageError(
            f"{shown(name)}: a scenario's name has letters, digits, _ - and . only, 100 at most, and starts with a "
            "letter, a digit or _"
        )
    if (shipped_folder() / f"{stem}.yaml").is_file():
        raise UsageError(f"{stem}: a shipped scenario has this name; choose another one")
    place = Path(folder or ("/" if name.startswith("/") else "."))
    if not place.is_dir():
        raise UsageError(f"{place}: no such folder; make it first")
    path = place / f"{stem}.yaml"
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path}: is there already; choose another name")
    return path


def _named(source: str, path: Path) -> str:
    """How a file at `path` names its base: a file beside it by its name, a shipped scenario by its own."""
    from sim.scenario.load import shipped_folder

    given = Path(source)
    if given.is_file():
        if given.resolve().parent != path.resolve().parent:
            raise UsageError(
                f"--from {shown(source)}: a base lies beside the file that builds on it, or is shipped; name the new "
                f"one {given.parent / path.stem}"
            )
        return given.name
    if (path.parent / f"{source}.yaml").is_file() and (shipped_folder() / f"{source}.yaml").is_file():
        raise UsageError(f"--from {source}: a file of this name beside the new one hides the shipped scenario")
    return source
