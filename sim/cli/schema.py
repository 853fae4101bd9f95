"""``sim schema``: what editors need to complete and check scenario files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.errors import emit, warn
from sim.cli.options import Debug
from sim.errors import Problem, StoreError


def schema(
    out: Annotated[
        str | None, typer.Option("--out", "-o", metavar="FILE", help="Write it here instead of to stdout.")
    ] = None,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="Load installed plug-ins too, for their parameters.")
    ] = False,
    _debug: Debug = False,
) -> int:
    """Print the JSON Schema of scenario files.

    Kept as scenario.schema.json beside your files, this first line of a scenario makes editors complete and check it:
    # yaml-language-server: $schema=./scenario.schema.json

    Parameters
    ----------
    out : str, optional
        Where to write.
    plugins : bool
        Whether to import the plug-ins of other packages; without, any parameters are accepted for them. One that cannot
        be loaded is named in a warning, and left as those that are not imported.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    from sim.scenario.json_schema import scenario_schema

    unusable: list[Problem] = []
    text = json.dumps(scenario_schema(plugins=plugins, unusable=unusable), indent=2)
    warn(tuple(unusable))
    if out is None:
        emit(text)
        return 0
    try:
        Path(out).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out}: cannot write the schema: {error.strerror}") from error
    emit(out if out.isprintable() else repr(out))
    return 0
