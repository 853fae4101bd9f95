"""``sim ramp``: the same stress test in every quarter of a digital transition, beside what that brings."""

from __future__ import annotations

import json
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import folders, metrics
from sim.cli.control import AllowUncertified, Quiet, Shown, Workers, check_room, interruptible, progress_asked
from sim.cli.errors import emit, note
from sim.cli.options import AllowPath, AsCsv, AsJson, Debug, Figure, Settings, Source, whole
from sim.cli.progress import progress as bar
from sim.cli.run import RESULTS, parsed
from sim.cli.table import columns_of_text, csv_text, number, plain_rows
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.analysis.ramp import Ramp
    from sim.scenario.schema import Scenario

EXAMPLE = "sim ramp digital_ramp --draws 100"
SHORT = {"coverage": "coverage", "sme_credit": "credit", "cost_of_service": "cost", "lending_rate": "rate"}
"""Headings of the benefits."""


def ramp(
    scenario: Source = None,
    *,
    risk: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that is feared.", autocompletion=metrics)
    ] = "system_loss",
    statistic: Annotated[
        str, typer.Option(metavar="NAME", help="Of the risk, beside its mean: VaR95, ES99 and so on.")
    ] = "ES99",
    draws: Annotated[str | None, typer.Option(metavar="N", help="Draws of every quarter.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed, the same in all quarters.")] = None,
    workers: Workers = None,
    settings: Settings = None,
    runs: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Folder of the runs; by default results/NAME-ramp-KEY.", autocompletion=folders
        ),
    ] = None,
    out: Figure = None,
    progress: Shown = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Play the stress test of every quarter of a ramp: what adoption brings, what the stress costs, with bands.

    A second call goes on where the first one stopped; quarters that are there already are not played again.

    Parameters
    ----------
    scenario, risk, statistic, draws, seed, workers : str, optional
        As typed.
    settings : list of str, optional
        ``KEY=VALUE`` each.
    runs, out, progress : str, optional
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
        If there is no scenario, it is no ramp, or an option is wrong.
    """
    if scenario is None:
        raise UsageError(f"ramp needs a scenario, such as: {EXAMPLE}")
    if as_json and as_csv:
        raise UsageError("--json and --csv both write to stdout; give one")
    how = progress_asked(progress, quiet)
    asked: dict[str, Any] = {"risk": risk, "statistic": statistic, "allow_uncertified": allow_uncertified}
    asked |= {"workers": whole("--workers", workers, 1), "draws": whole("--draws", draws, 1, 2**40 - 1)}
    luck = whole("--seed", seed, 0, 2**128 - 1)
    from sim.analysis.ramp import ramp as play
    from sim.scenario.load import load

    chosen = load(scenario, allow_path=allow_path).override(parsed(settings or ()))
    if chosen.ramp is None:
        raise UsageError(f"{chosen.name} is no ramp (mode: {chosen.mode}); one is: {EXAMPLE}")
    luck = chosen.monte_carlo.seed if luck is None else luck
    asked["seed"] = secrets.randbits(63) if luck is None else luck
    folder = Path(runs) if runs is not None else _folder(chosen, asked["seed"], risk)
    check_room(folder, 0)
    with interruptible(folder, "the same command"), bar(how) as tell:
        found = play(chosen, out=folder, progress=tell, **asked)
    _show(found, folder, as_json=as_json, as_csv=as_csv)
    if out is not None:
        from sim.report.style import save

        note(f"figure: {save(found.plot(), out)}")
    if how != "none":
        for told in (*found.notes, found.told, f"folder: {folder}"):
            note(told)
    return 0


def _folder(scenario: Scenario, seed: int, risk: str) -> Path:
    """Return the folder that only this ramp uses by default."""
    name = re.sub(r"[^\w-]+", "_", scenario.name)[:50].strip("_") or "run"
    said = json.dumps([scenario.digest, seed, risk])
    return Path(RESULTS) / f"{name}-ramp-{sha256(said.encode()).hexdigest()[:8]}"


def _show(found: Ramp, folder: Path, *, as_json: bool, as_csv: bool) -> None:
    table, tests = found.summary(), found.frontier
    if as_csv:
        emit(csv_text(table))
        return
    if as_json:
        said: dict[str, Any] = {"scenario": tests.sweep.name, "risk": tests.risk, "statistic": tests.statistic}
        said |= {"seed": tests.sweep.seed, "draws": int(tests.units.size), "folder": str(folder)}
        said |= {"quarters": plain_rows(table), "crossings": list(found.crossings)}
        emit(json.dumps(said | {"answer": tests.sweep.answer_sha256, "notes": list(found.notes)}, indent=2))
        return
    band = f"[{100 * tests.confidence:g} % band]"
    headings = ["quarter", "adoption", *SHORT.values(), f"mean {tests.risk}", band, tests.statistic, band, "radius"]
    cells = []
    for row in table.to_dict("records"):
        brings = [number(row[name]) for name in ("adoption", *SHORT)]
        costs = [text for name in ("mean", "risk") for text in (number(row[name]), _ends(row, name))]
        cells.append([row["quarter"], *brings, *costs, number(row["radius"])])
    emit(columns_of_text(headings, cells))
    for quarter in found.crossings:
        emit(f"the spectral radius crosses 1 in {quarter}")


def _ends(row: dict[Any, Any], name: str) -> str:
    return f"[{number(row[f'{name}_low'])}, {number(row[f'{name}_high'])}]"
