"""``sim plan``: what a run will cost."""

from __future__ import annotations

import json
import math
from typing import Annotated

import typer

from sim.cli.control import Block, Workers
from sim.cli.errors import ResourceError, emit
from sim.cli.options import AllowPath, AsJson, Debug, Source, whole
from sim.errors import UsageError


def plan(
    scenario: Source = None,
    *,
    draws: Annotated[str | None, typer.Option(metavar="N", help="How many draws; by default the scenario's.")] = None,
    workers: Workers = None,
    block: Block = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Result folder; its disk is looked at.")] = None,
    as_json: AsJson = False,
    allow_path: AllowPath = False,
    _debug: Debug = False,
) -> int:
    """Say what a run will cost in memory, disk and time, after playing a few seconds of it.

    Parameters
    ----------
    scenario, draws, workers, block, out : str
        As typed.
    as_json, allow_path, _debug : bool
        Switches.

    Returns
    -------
    int
        0 when the machine can bear it.

    Raises
    ------
    ResourceError
        If it cannot; with the option that lowers it.
    """
    if scenario is None:
        raise UsageError("plan needs a scenario file, or the name of a shipped one")
    count, crew = whole("--draws", draws, 1, 2**40 - 1), whole("--workers", workers, 1)
    width = whole("--block", block, 2, 256)
    from sim.experiments.plan import plan as planned
    from sim.experiments.plan import size
    from sim.scenario.load import load

    found = planned(load(scenario, allow_path=allow_path), draws=count, workers=crew, block=width, out=out)
    if as_json:
        facts = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(found).items()
        }
        emit(json.dumps(facts | {"refusals": list(found.refusals)}, indent=2))
    else:
        emit(f"{found.draws:,} draws, {found.workers} workers, blocks of up to {found.width}")
        emit(f"memory  {size(found.memory)} of {size(found.available)} available")
        for what, count_ in found.parts.items():
            emit(f"        {size(count_)} {what}")
        emit(f"disk    {size(found.disk)} of {size(found.free)} free")
        if not math.isnan(found.seconds):
            emit(f"time    {_duration(found.seconds)} ({found.draws / max(found.seconds, 1e-9):,.0f} draws/s)")
    if found.refusals:
        raise ResourceError("; ".join(found.refusals))
    return 0


def _duration(seconds: float) -> str:
    if seconds < 90.0:
        return f"{seconds:.1f} s"
    if seconds < 5400.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:,.1f} h"
