"""``sim sweep``: play a scenario at many points of its keys and under several policies."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import among, folders, metrics
from sim.cli.complete import settings as complete_settings
from sim.cli.control import (
    AllowUncertified,
    Block,
    Cluster,
    Quiet,
    Shown,
    TimeLimit,
    Workers,
    check_room,
    interruptible,
    progress_asked,
    resuming,
    seconds,
)
from sim.cli.options import AllowPath, AsJson, Debug, Settings, Source, whole
from sim.cli.progress import progress as bar
from sim.cli.run import RESULTS, parsed
from sim.cli.swept import finish as finish_sweep
from sim.errors import InputError, UnknownNameError, UsageError, shown

if TYPE_CHECKING:
    from sim.experiments.swept import Sweep
    from sim.scenario.schema import Scenario

WHAT = ("over", "policies", "sample")
"""What makes two sweeps of one scenario and seed different."""

_RANGE = re.compile(r"([^:\[{]+):([^:]+):([0-9]{1,6})")


Over = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=...",
        help="a,b,c or LO:HI:N or {uniform: {low: 0, high: 1}}; repeatable.",
        autocompletion=complete_settings,
    ),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        metavar="NAME:KEY=VALUE",
        help="A named change, played at all points; NAME: for none.",
        autocompletion=complete_settings,
    ),
]
Sample = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="grid, list, oat, sobol:N, halton:N, lhs:N or saltelli:N.",
        autocompletion=among(lambda: ("grid", "list", "oat", "sobol:", "halton:", "lhs:", "saltelli:")),
    ),
]
Metric = Annotated[
    str | None, typer.Option(metavar="NAME", help="Metric of the table and the figure.", autocompletion=metrics)
]
Draws = Annotated[str | None, typer.Option(metavar="N", help="Draws at each point.")]
Seed = Annotated[str | None, typer.Option(metavar="S", help="Seed, the same at all points.")]
Out = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Folder; by default results/NAME-sweep-KEY.", autocompletion=folders),
]


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
        "block": whole("--block", block, 2, 256),
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
    going_on: dict[str, object] = {
        "--workers": workers,
        "--block": block,
        "--cluster": cluster,
        "--time-limit": time_limit,
    }
    going_on |= {"--json": as_json, "--quiet": quiet, "--allow-path": allow_path}
    found = _played(base, folder, asked, how, resuming(folder, going_on))
    return finish_sweep(found, folder, metric, as_json=as_json, quiet=quiet or how == "none")


def _luck(base: Scenario, given: int | None) -> int:
    """The seed: given, the scenario's, or drawn."""
    seed = given if given is not None else base.monte_carlo.seed
    return secrets.randbits(63) if seed is None else seed


def _played(base: Scenario, folder: Path, asked: dict[str, Any], how: str, going_on: str) -> Sweep:
    from sim.experiments.sweep import sweep as play

    with interruptible(folder, going_on), bar(how) as tell:
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
        if match:
            found[key] = _spread(key, *match.groups())
            continue
        given = list(read_value(f"[{values}]", f"--over {key}"))  # type: ignore[call-overload]
        # one mapping is a distribution, several are values
        found[key] = given[0] if len(given) == 1 and isinstance(given[0], dict) else given
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
