"""``sim plot``: a figure of a result, or of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.complete import kinds, metrics
from sim.cli.errors import emit, warn
from sim.cli.options import Debug, Folder, whole
from sim.errors import UsageError, nearest, shown


def plot(
    folder: Folder = None,
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Which figure; --kind list shows all. Of a sweep there is one.", autocompletion=kinds
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What is shown, where a figure shows one.", autocompletion=metrics),
    ] = None,
    draw: Annotated[str | None, typer.Option(metavar="K", help="Which draw, where a figure shows one.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Which agent, where a figure shows one.")] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="png, svg or pdf; by default KIND.png in the folder."),
    ] = None,
    _debug: Debug = False,
) -> int:
    """Draw a figure of a result.

    Parameters
    ----------
    folder, kind, metric, draw, agent, out : str
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
        If there is no such figure, or it lacks what it needs.
    StoreError
        If there is no result, it is damaged, or the file cannot be written.
    """
    from sim.cli.list import listed
    from sim.experiments.plots import KINDS
    from sim.experiments.sweep_folder import holds_sweep

    if kind == "list":
        emit(listed(KINDS))
        return 0
    if folder is None:
        raise UsageError("plot needs a result folder, such as: sim plot results/outage --kind fan")
    place, number = Path(folder), whole("--draw", draw, 0, 2**40 - 1)
    asked = {"metric": metric, "draw": number, "agent": agent}
    given = {name: value for name, value in asked.items() if value is not None}
    figure = _of_sweep(place, kind, given) if holds_sweep(place) else _of_run(place, kind, given)
    from sim.report.style import save

    path = save(figure, place / f"{kind or 'figure'}.png" if out is None else out)
    emit(str(path) if str(path).isprintable() else repr(str(path)))
    return 0


def _of_run(place: Path, kind: str | None, given: dict[str, Any]) -> Any:
    from sim.experiments.opening import open_result
    from sim.experiments.plots import KINDS
    from sim.experiments.plots import plot as drawn

    chosen = kind or "standard"
    if chosen not in KINDS:
        raise UsageError(f"unknown figure {shown(chosen)}{nearest(chosen, KINDS)} (known: {', '.join(KINDS)})")
    result = open_result(place)
    warn(tuple(result.warnings))
    return drawn(result, chosen, **given)


def _of_sweep(place: Path, kind: str | None, given: dict[str, Any]) -> Any:
    from sim.experiments.sweep import open_sweep

    if kind is not None or set(given) - {"metric"}:
        raise UsageError(f"{place}: holds a sweep, which has one figure; only --metric chooses")
    return open_sweep(place).plot(**given)
