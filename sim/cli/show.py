"""``sim show``: look at a result folder, of a run or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.answer import show_notes, show_summary
from sim.cli.control import Inputs
from sim.cli.errors import warn
from sim.cli.options import AllowPath, AsJson, Debug, Folder, whole
from sim.cli.swept import show_notes as swept_notes
from sim.cli.swept import show_table
from sim.cli.traced import LINES, show_trace
from sim.errors import UsageError


def show(
    folder: Folder = None,
    *,
    draw: Annotated[
        str | None, typer.Option(metavar="K", help="One draw instead: who lost what to whom, step by step.")
    ] = None,
    lines: Annotated[
        str | None, typer.Option(metavar="N", help=f"With --draw: agents shown of each channel and phase, {LINES}.")
    ] = None,
    inputs: Inputs = None,
    allow_path: AllowPath = False,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> int:
    """Check the digests of a result folder and print its summary, or one of its draws.

    Parameters
    ----------
    folder, draw, lines, inputs : str, optional
        As typed.
    allow_path, as_json : bool
        Switches.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0.

    Raises
    ------
    UsageError
        If the run has no such draw, or it cannot be played again here.
    StoreError
        If there is no result, or it is damaged.
    """
    if folder is None:
        raise UsageError("show needs a result folder")
    number, most = whole("--draw", draw, 0, 2**40 - 1), whole("--lines", lines, 1, 10**9)
    if number is None and (most is not None or inputs is not None):
        raise UsageError(f"--{'lines' if most is not None else 'inputs'} goes with --draw K")
    from sim.experiments.opening import open_result
    from sim.experiments.sweep_folder import holds_sweep, open_sweep

    if number is not None:
        show_trace(Path(folder), number, most=most or LINES, as_json=as_json, inputs=inputs, allow_path=allow_path)
        return 0
    if holds_sweep(Path(folder)):
        found = open_sweep(Path(folder))
        show_table(found, Path(folder), as_json=as_json)
        swept_notes(found, Path(folder))
        return 0
    result = open_result(Path(folder))
    show_summary(result, Path(folder), as_json=as_json)
    warn(tuple(result.warnings))
    show_notes(result, Path(folder))
    return 0
