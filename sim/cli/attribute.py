"""``sim attribute``: what each channel of a scenario adds to a loss, whatever the order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import metrics
from sim.cli.control import AllowUncertified, Quiet, Shown, Workers, interruptible, progress_asked
from sim.cli.errors import emit, note
from sim.cli.options import AllowPath, AsCsv, AsJson, Debug, Figure, Settings, Source, whole
from sim.cli.progress import progress as bar
from sim.cli.table import columns_of_text, csv_text, number, plain_rows
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.analysis.attribution import Attribution


def attribute(
    scenario: Source = None,
    *,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="What is attributed, after the last step.", autocompletion=metrics)
    ] = "system_loss",
    draws: Annotated[str | None, typer.Option(metavar="N", help="How many draws; by default the scenario's.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed; by default the scenario's, else drawn.")] = None,
    workers: Workers = None,
    settings: Settings = None,
    out: Figure = None,
    progress: Shown = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Attribute a loss to channels: exact Shapley values over every set of them, and what pairs add together.

    Every draw is played once for each set of channels, 64 times where six act, always with the same luck.

    Parameters
    ----------
    scenario, metric, draws, seed, workers : str, optional
        As typed.
    settings : list of str, optional
        ``KEY=VALUE`` each.
    out, progress : str, optional
        As typed.
    as_json, as_csv, quiet, allow_path, allow_uncertified, _debug : bool
        Switches.

    Returns
    -------
    int
        0.

    Raises
    ------
    UsageError
        If no scenario is named, or an option is wrong.
    """
    if scenario is None:
        raise UsageError("attribute needs a scenario, such as: sim attribute combined_stress --draws 100")
    if as_json and as_csv:
        raise UsageError("--json and --csv both write to stdout; give one")
    how, crew = progress_asked(progress, quiet), whole("--workers", workers, 1)
    number_of, luck = whole("--draws", draws, 1, 2**40 - 1), whole("--seed", seed, 0, 2**128 - 1)
    from sim.analysis.attribution import attribute as play
    from sim.cli.run import parsed
    from sim.scenario.load import load

    chosen = load(scenario, allow_path=allow_path).override(parsed(settings or ()))
    with interruptible(Path(), "the same command"), bar(how) as tell:
        found = play(
            chosen,
            draws=number_of,
            seed=luck,
            metric=metric,
            workers=crew,
            progress=tell,
            allow_uncertified=allow_uncertified,
        )
    _show(found, as_json=as_json, as_csv=as_csv)
    if out is not None:
        from sim.report.style import save

        note(f"figure: {save(found.plot(), out)}")
    if how != "none":
        for told in (*found.notes, found.told):
            note(told)
    return 0


def _show(found: Attribution, *, as_json: bool, as_csv: bool) -> None:
    values, pairs = found.summary(), found.interactions()
    if as_csv:
        emit(csv_text(values))
        return
    if as_json:
        said: dict[str, Any] = {"scenario": found.result.name, "metric": found.metric, "seed": found.result.seed}
        said |= {"draws": int(found.draws.size), "confidence": found.confidence, "gap": found.gap}
        said |= {"values": plain_rows(values), "interactions": plain_rows(pairs)}
        emit(json.dumps(said | {"answer": found.result.answer_sha256, "notes": list(found.notes)}, indent=2))
        return
    unit, rows = found.unit, values.to_dict("records")
    ends = [f"[{number(row['low'])}, {number(row['high'])}]" if row["low"] == row["low"] else "-" for row in rows]
    cells = [
        [row["channel"], *(number(row[name]) for name in ("value", "se")), end, number(100.0 * row["share"])]
        + [number(row[name]) for name in ("alone", "last")]
        for row, end in zip(rows, ends, strict=True)
    ]
    headings = ["channel", unit, "+- s.e.", f"[{100 * found.confidence:g} % interval]", "% of added", "alone", "last"]
    emit(f"{found.metric}: what each channel adds")
    emit(columns_of_text(headings, cells))
    if len(pairs):
        emit("\nwhat pairs add together (+ amplify each other, - replace each other)")
        told = [[row["a"], row["b"], number(row["value"]), number(row["se"])] for row in pairs.to_dict("records")]
        emit(columns_of_text(["a", "b", unit, "+- s.e."], told, left=2))
