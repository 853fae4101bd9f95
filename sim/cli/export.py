"""``sim export``: a result in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.complete import among
from sim.cli.errors import emit
from sim.cli.options import Debug, Run, chosen
from sim.errors import UsageError

FORMATS = ("nc", "zarr", "csv", "parquet")


def export(
    folder: Run = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(metavar="FORMAT", help="nc, zarr, csv or parquet.", autocompletion=among(lambda: FORMATS)),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="By default draws.FORMAT in the folder.")
    ] = None,
    _debug: Debug = False,
) -> int:
    """Write a result as NetCDF, Zarr, CSV or one Parquet file, after checking its digests.

    Parameters
    ----------
    folder, to, out : str
        As typed.
    _debug : bool
        Switch.

    Returns
    -------
    int
        0; the files written are named on stdout.

    Raises
    ------
    UsageError
        If the format is unknown, or needs a package that is not installed.
    """
    if folder is None or to is None:
        raise UsageError("export needs a result folder and --to nc|zarr|csv|parquet")
    from sim.experiments.export import export as exported

    for path in exported(Path(folder), chosen("format", to, FORMATS), out):
        emit(str(path) if str(path).isprintable() else repr(str(path)))
    return 0
