"""``sim frontier``: benefit against risk over policies that share their luck."""

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
from sim.cli.sweep import Policies, policies_of
from sim.cli.table import columns_of_text, csv_text, number, plain_rows
from sim.errors import UsageError

if TYPE_CHECKING:
    from sim.analysis.frontier import Frontier

EXAMPLE = "sim frontier colending_stress --benefit sme_credit --policy as_it_is: --policy mild:shocks.0.pd_multiplier=2"


def frontier(
    scenario: Source = None,
    *,
    policies: Policies = None,
    benefit: Annotated[
        str | None, typer.Option(metavar="NAME", help="Metric that is wanted; its mean.", autocompletion=metrics)
    ] = None,
    risk: Annotated[
        str, typer.Option(metavar="NAME", help="Metric that is feared.", autocompletion=metrics)
    ] = "system_loss",
    statistic: Annotated[
        str, typer.Option(metavar="NAME", help="Of the risk: mean, or VaR95, ES99 and so on.")
    ] = "ES99",
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="Less of the benefit is better, as with costs and rates.")
    ] = False,
    draws: Annotated[str | None, typer.Option(metavar="N", help="Draws of every policy.")] = None,
    seed: Annotated[str | None, typer.Option(metavar="S", help="Seed, the same for all policies.")] = None,
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
    """Weigh the benefit of policies against their risk: which of them no other beats, with bands.

    Parameters
    ----------
    scenario : str, optional
        As typed.
    policies : list of str, optional
        ``NAME:KEY=VALUE`` each.
    benefit, risk, statistic : str, optional
        As typed.
    lower_is_better : bool
        Switch.
    draws, seed, workers : str, optional
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
        If there is no scenario, an option is wrong, or a scenario that is no ramp has no benefit or fewer than two
        policies.
    """
    named = policies_of(policies or ()) or None
    if scenario is None:
        raise UsageError(f"frontier needs a scenario, --benefit and two policies, such as: {EXAMPLE}")
    if as_json and as_csv:
        raise UsageError("--json and --csv both write to stdout; give one")
    how = progress_asked(progress, quiet)
    asked: dict[str, Any] = {"benefit": benefit, "risk": risk, "statistic": statistic}
    asked |= {"lower_is_better": lower_is_better, "allow_uncertified": allow_uncertified}
    asked |= {"workers": whole("--workers", workers, 1), "draws": whole("--draws", draws, 1, 2**40 - 1)}
    asked["seed"] = whole("--seed", seed, 0, 2**128 - 1)
    from sim.analysis.frontier import frontier as play
    from sim.cli.run import parsed
    from sim.scenario.load import load

    chosen = load(scenario, allow_path=allow_path).override(parsed(settings or ()))
    if chosen.ramp is None and (benefit is None or len(named or ()) < 2):
        raise UsageError(f"frontier needs a scenario, --benefit and two policies, such as: {EXAMPLE}")
    with interruptible(Path(), "the same command"), bar(how) as tell:
        found = play(chosen, named, progress=tell, **asked)
    _show(found, as_json=as_json, as_csv=as_csv)
    if out is not None:
        from sim.report.style import save

        note(f"figure: {save(found.plot(), out)}")
    if how != "none":
        for told in (*found.notes, found.told):
            note(told)
    return 0


def _show(found: Frontier, *, as_json: bool, as_csv: bool) -> None:
    table = found.summary()
    if as_csv:
        emit(csv_text(table))
        return
    if as_json:
        said: dict[str, Any] = {"scenario": found.sweep.name, "benefit": found.wanted, "risk": found.risk}
        said |= {"statistic": found.statistic, "seed": found.sweep.seed, "draws": int(found.units.size)}
        said |= {"policies": plain_rows(table), "crossings": plain_rows(found.crossings())}
        emit(json.dumps(said | {"answer": found.sweep.answer_sha256, "notes": list(found.notes)}, indent=2))
        return
    cells = []
    for row in table.to_dict("records"):
        told = [number(row["benefit"]), _ends(row, "benefit"), number(row["risk"]), _ends(row, "risk")]
        beats = "yes" if row["efficient"] else "no"
        cells.append([row["policy"], *told, beats, number(100.0 * row["efficient_share"]), number(row["radius"])])
    band = f"[{100 * found.confidence:g} % band]"
    headings = ["policy", found.wanted, band, f"{found.statistic} {found.risk}", band]
    emit(columns_of_text([*headings, "unbeaten", "% of samples", "radius"], cells))
    for row in found.crossings().to_dict("records"):
        at = number(row["benefit"])
        emit(f"the spectral radius crosses 1 between {row['below']} and {row['above']}, at {found.wanted} {at}")


def _ends(row: dict[Any, Any], name: str) -> str:
    return f"[{number(row[f'{name}_low'])}, {number(row[f'{name}_high'])}]"
