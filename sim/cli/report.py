"""``sim report``: a result as one web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.errors import emit
from sim.cli.options import Debug, Folder
from sim.errors import UsageError


def report(
    folder: Folder = None,
    *,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="By default report.html in the folder.")
    ] = None,
    _debug: Debug = False,
) -> int:
    """Write a run or a sweep as one HTML file: figures, intervals, what was imputed, what failed, how to repeat it.

    The file needs no other file and makes no request. Of an interrupted run it shows the draws that are kept, of an
    interrupted sweep the runs, and says how many are missing.

    Parameters
    ----------
    folder, out : str
        As typed.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0; the file written is named on stdout.

    Raises
    ------
    UsageError
        If no folder is named.
    StoreError
        If there is no result, it is damaged, or the file cannot be written.
    """
    if folder is None:
        raise UsageError("report needs a result folder, such as: sim report results/outage -o report.html")
    from sim.experiments.reporting import report_folder

    path = report_folder(folder, Path(folder) / "report.html" if out is None else out)
    emit(str(path) if str(path).isprintable() else repr(str(path)))
    return 0
