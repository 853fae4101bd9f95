"""``sim show``: look at a result folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.answer import show_notes, show_summary
from sim.cli.errors import warn
from sim.cli.options import AsJson, Debug
from sim.errors import UsageError


def show(
    folder: Annotated[str | None, typer.Argument(metavar="DIR", help="Result folder.")] = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> int:
    """Check the digests of a result folder and print its summary.

    Parameters
    ----------
    folder : str
        Result folder.
    as_json : bool
        Whether to print JSON.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0.

    Raises
    ------
    StoreError
        If there is no result, or it is damaged.
    """
    if folder is None:
        raise UsageError("show needs a result folder")
    from sim.experiments.opening import open_result

    result = open_result(Path(folder))
    show_summary(result, Path(folder), as_json=as_json)
    warn(tuple(result.warnings))
    show_notes(result, Path(folder))
    return 0
