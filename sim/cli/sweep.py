"""``sim sweep``: play a scenario at many points of its keys and under several policies."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.control import (
    AllowUncertified,
    Block,
    CertificateError,
    Cluster,
    Quiet,
    Shown,
    TimeLimit,
    Workers,
    check_room,
    interruptible,
    progress_asked,
    seconds,
)
from sim.cli.errors import emit, note
from sim.cli.options import AllowPath, AsJson, Debug, whole
from sim.cli.progress import progress as bar
from sim.cli.run import RESULTS, parsed
from sim.cli.table import columns_of_text, number
from sim.errors import FailedDrawsError, InputError, UnknownNameError, UsageError, shown

if TYPE_CHECKING:
    from sim.experiments.swept import Sweep
    from sim.scenario.schema import Scenario

COLUMNS = ("mean", "se", "p95", "VaR99", "ES99")
HEADINGS = ("mean", "+- s.e.", "p95", "VaR 99 %", "ES 99 %")
MOST_ROWS = 60
"""Rows of the table on stdout; JSON and the folder have all."""

WHAT = ("over", "policies", "sample")
"""What makes two sweeps of one scenario and seed different."""

_RANGE = re.compile(r"([^:\[{]+):([^:]+):([0-9]{1,6})")


Source = Annotated[str | None, typer.Argument(metavar="SCENARIO", help="Scenario file, or the name of a shipped one.")]
Over = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=...", help="a,b,c or LO:HI:N or {uniform: {low: 0, high: 1}}; repeatable."),
]
Policies = Annotated[
    list[str] | None,
    typer.Option("--policy", metavar="NAME:KEY=VALUE", help="A named change, played at all points; NAME: for none."),
]
Sample = Annotated[str, typer.Option(metavar="HOW", help="grid, list, oat, sobol:N, halton:N, lhs:N or saltelli:N.")]
Metric = Annotated[str | None, typer.Option(metavar="NAME", help="Metric of the table and the figure.")]
Draws = Annotated[str | None, typer.Option(metavar="N", help="Draws at each point.")]
Seed = Annotated[str | None, typer.Option(metavar="S", help="Seed, the same at all points.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key at all points; repeatable.")
]
Out = Annotated[str | None, typer.Option(metavar="DIR", help="Folder; by default results/NAME-sweep-KEY.")]


def sweep(
    scenario: Source = None,
    *,
    over: Over = None,
    policies: Policies = None,
    sample: Sample = "grid",
    metric: Metric = None,
    draws: Draws = None,
    seed: Seed = None,
    settings: Settings = None,
    out: Out = None,
    workers: Workers = None,
    block: Block = None,
    cluster: Cluster = None,
    time_limit: TimeLimit = None,
    progress: Shown = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    allow_path: AllowPath = False,
    allow_uncertified: AllowUncertified = False,
    _debug: Debug = False,
) -> int:
    """Sweep over keys of a scenario: every combination, or a sample of them, each with the same luck.

    A second call goes on where the first one stopped; points that are there already are not played again.

    Parameters
    ----------
    scenario : str
        As typed.
    over, policies : list of str, optional
        ``KEY=...`` and ``NAME:KEY=VALUE`` each.
    sample, metric, draws, seed : str, optional
        As typed.
    settings : list of str, optional
        ``KEY=VALUE`` each.
    out, workers, block, cluster, time_limit, progress : str, optional
        As typed.
    as_json, quiet, allow_path, allow_uncertified, _debug : bool
        Switches.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    UsageError
        If the call is wrong.
    FailedDrawsError
        If points failed, or draws in them; the others are kept and shown.
    """
    if scenario is None:
        raise UsageError("sweep needs a scenario, such as: sim sweep ring_of_ten --over shocks.0.size=0.1:0.9:5")
    how = progress_asked(progress, quiet)
    asked: dict[str, Any] = {
        "over": axes_of(over or ()),
        "policies": policies_of(policies or ()) or None,
        "sample": sample,
        "draws": whole("--draws", draws, 1, 2**40 - 1),
        "workers": whole("--workers", workers, 1),
        "block": whole("--block", block, 2, 128),
        "cluster": cluster,
        "time_limit": seconds("--time-limit", time_limit),
        "allow_uncertified": allow_uncertified,
    }
    luck = whole("--seed", seed, 0, 2**128 - 1)
    base = _base(scenario, parsed(settings or ()), allow_path)
    if metric is not None and metric not in base.metrics:
        raise UsageError(f"--metric: {UnknownNameError('metric', metric, base.metrics)}")
    asked["seed"] = luck = _luck(base, luck)
    folder = Path(out) if out is not None else _folder(base, luck, [asked[name] for name in WHAT])
    check_room(folder, 0)
    found = _played(base, folder, asked, how)
    return _show(found, folder, metric, as_json=as_json, quiet=how == "none")


def _luck(base: Scenario, given: int | None) -> int:
    """The seed: given, the scenario's, or drawn."""
    seed = given if given is not None else base.monte_carlo.seed
    return secrets.randbits(63) if seed is None else seed


def _played(base: Scenario, folder: Path, asked: dict[str, Any], how: str) -> Sweep:
    from sim.experiments.sweep import sweep as play

    with interruptible(folder, _again(asked["seed"], folder)), bar(how) as tell:
        try:
            return play(base, out=folder, progress=tell, **asked)
        except InputError as error:
            raise _meant(error) from error


def axes_of(texts: Sequence[str]) -> dict[str, Any]:
    """Return what ``--over`` asks for.

    Parameters
    ----------
    texts : sequence of str
        ``KEY=a,b,c``, ``KEY=LO:HI:N`` (N values from LO to HI) or ``KEY={NAME: {...}}`` (a distribution).

    Returns
    -------
    dict
        Dotted key to values or distribution.

    Raises
    ------
    UsageError
        If one has no key, no values, or is given twice.
    """
    from sim.scenario.strict import read_value

    found: dict[str, Any] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not key or not equals or not values:
            raise UsageError(f"--over needs KEY=a,b,c or KEY=LO:HI:N, got {shown(text)}")
        if key in found:
            raise UsageError(f"--over gives {shown(key)} twice")
        match = _RANGE.fullmatch(values)
        if values.startswith("{"):
            found[key] = read_value(values, f"--over {key}")
        elif match:
            found[key] = _spread(key, *match.groups())
        else:
            found[key] = list(read_value(f"[{values}]", f"--over {key}"))  # type: ignore[call-overload]
    return found


def _spread(key: str, low: str, high: str, n: str) -> list[float]:
    """N values from one number to another."""
    import numpy as np

    try:
        ends = float(low), float(high)
    except ValueError as error:
        raise UsageError(f"--over {key}: {shown(f'{low}:{high}:{n}')} is not LO:HI:N") from error
    if not int(n) >= 2 or not all(np.isfinite(ends)):
        raise UsageError(
            f"--over {key}: LO:HI:N needs two finite ends and at least 2 values, got {shown(f'{low}:{high}:{n}')}"
        )
    # ten digits are enough for a person and make 0.30000000000000004 what was meant
    return [float(f"{value:.10g}") for value in np.linspace(*ends, int(n)).tolist()]


def policies_of(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what ``--policy`` asks for.

    Parameters
    ----------
    texts : sequence of str
        ``NAME:KEY=VALUE`` each; a name may come again with another key. ``NAME:`` changes nothing.

    Returns
    -------
    dict
        Name to dotted key to value.

    Raises
    ------
    UsageError
        If one has no name.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, colon, change = text.partition(":")
        if not name or not colon:
            raise UsageError(f"--policy needs NAME:KEY=VALUE, got {shown(text)}")
        found.setdefault(name, {}).update(parsed([change]) if change else {})
    return found


def _base(source: str, settings: dict[str, Any], allow_path: bool) -> Scenario:
    from sim.scenario.load import load

    base = load(source, allow_path=allow_path)
    try:
        return base.override(settings) if settings else base
    except InputError as error:
        raise _meant(error) from error


def _meant(error: InputError) -> InputError | UsageError:
    """Unknown keys are a fault of the call, not of a file."""
    if error.problems and all("unknown key" in problem.message for problem in error.problems):
        return UsageError("; ".join(problem.message for problem in error.problems))
    return error


def _folder(base: Scenario, seed: int, asked: Any) -> Path:
    """Return the folder that only this sweep uses by default."""
    from hashlib import sha256

    name = re.sub(r"[^\w-]+", "_", base.name)[:50].strip("_") or "run"
    said = json.dumps([base.digest, seed, asked], sort_keys=True, default=str)
    return Path(RESULTS) / f"{name}-sweep-{sha256(said.encode()).hexdigest()[:8]}"


def _again(seed: int, folder: Path) -> str:
    """The command that goes on: the same one, into the same folder."""
    return f"the same command with --seed {seed} --out {shlex.quote(str(folder))}"


def _show(found: Sweep, folder: Path, metric: str | None, *, as_json: bool, quiet: bool) -> int:
    """Print the table, draw the figure, end with the code for points that failed."""
    from sim.report.style import save

    wanted = metric or next(iter(found.info), "")
    table = found.summary(wanted)
    figures = [save(found.plot(wanted), folder / name) for name in ("sweep.png", "sweep.svg")]
    rows = [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]
    if as_json:
        said = {name: found.facts[name] for name in ("name", "sample", "seed", "keys", "policies", "answer_sha256")}
        said |= {"folder": str(folder), "summary": [_plain_row(row) for row in _all(found)]}
        said |= {"points": [dict(row) for row in found.facts["rows"]], "figures": [str(path) for path in figures]}
        emit(json.dumps(said, indent=2, allow_nan=False))
    else:
        places = [*(["policy"] if found.policies else []), *found.keys]
        cells = [
            [*(_text(row[place]) for place in places), *(number(row[name]) for name in COLUMNS)]
            for row in rows[:MOST_ROWS]
        ]
        emit(f"{wanted} [{found.info[wanted][0]}]")
        emit(columns_of_text([*places, *HEADINGS], cells, left=len(places)))
    if not quiet:
        note(
            f"and {len(rows) - MOST_ROWS} more rows"
            if len(rows) > MOST_ROWS and not as_json
            else f"figure: {figures[0]}"
        )
        note(f"answer_sha256: {found.answer_sha256}")
        note(f"folder: {folder}")
    return _refuse(found)


def _all(found: Sweep) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in found.summary().to_dict("records")]


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _refuse(found: Sweep) -> int:
    """End with the code for points or draws that failed or are not certified."""
    bad = found.points
    lost = bad[(bad["status"] == "failed") | (bad["failed"] > 0)]
    for run, row in lost.head(10).iterrows():
        note(f"run {run}: {row['reason'] or '{} of {} draws failed'.format(row['failed'], row['draws'])}")
    if len(lost):
        first = lost.iloc[0]
        what = str(first["reason"]) or f"{first['failed']} of {first['draws']} draws failed"
        raise LostPointsError(len(lost), len(bad), int(lost.index[0]), what)
    loose = bad[bad["status"] == "not-certified"]
    if len(loose):
        raise CertificateError(
            f"{len(loose)} of {len(bad)} runs are not certified; first: run {loose.index[0]}: "
            f"{loose.iloc[0]['reason']}; --allow-uncertified takes them"
        )
    return 0


class LostPointsError(FailedDrawsError):
    """Something did not come out at some points of a sweep; all else is kept.

    Parameters
    ----------
    lost, runs : int
        Runs concerned, and runs in all.
    first : int
        The first of them.
    reason : str
        What became of it.
    """

    def __init__(self, lost: int, runs: int, first: int, reason: str) -> None:
        super().__init__(lost, runs, first, reason)
        self.args = (f"{lost} of {runs} runs are incomplete; first: run {first}: {reason}",)
