"""``sim verify`` and ``sim repro``: check a result folder, or one draw of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.control import Inputs
from sim.cli.errors import emit, note
from sim.cli.options import AllowPath, AsJson, Debug, Folder, Run, whole
from sim.errors import FailedDrawsError, UsageError


def verify(folder: Folder = None, as_json: AsJson = False, _debug: Debug = False) -> int:
    """Recompute the digest of every part of a result and of its answer; names what is damaged.

    Of a sweep all runs are checked, and that together they give its answer.

    Parameters
    ----------
    folder : str
        Result folder.
    as_json, _debug : bool
        Switches.

    Returns
    -------
    int
        0.

    Raises
    ------
    StoreError
        If anything is missing or damaged.
    """
    if folder is None:
        raise UsageError("verify needs a result folder")
    from sim.experiments.repro import verify as checked
    from sim.experiments.sweep_folder import holds_sweep

    if holds_sweep(Path(folder)):
        return _verify_sweep(Path(folder), as_json=as_json)
    found = checked(Path(folder))
    facts = {key: found.manifest[key] for key in ("name", "draws", "seed", "failed", "uncertified", "answer_sha256")}
    if as_json:
        emit(json.dumps(facts | {"parts": found.parts, "intact": True}, indent=2))
    else:
        emit(f"intact: {found.parts:,} parts, {found.manifest['draws']:,} draws")
        emit(f"answer_sha256: {found.manifest['answer_sha256']}")
    if found.beyond:
        note(f"{found.beyond} more parts lie beyond the last draw of this run")
    return 0


def _verify_sweep(folder: Path, *, as_json: bool) -> int:
    from sim.experiments.sweep_reopen import verify_sweep

    found = verify_sweep(folder)
    facts = {key: found.facts[key] for key in ("name", "sample", "seed", "answer_sha256")}
    if as_json:
        counts = {"runs": found.runs, "failed": found.failed, "parts": found.parts}
        emit(json.dumps(facts | counts | {"intact": True}, indent=2))
        return 0
    emit(f"intact: {found.runs:,} runs, {found.parts:,} parts")
    emit(f"answer_sha256: {found.facts['answer_sha256']}")
    if found.failed:
        note(f"{found.failed:,} points gave no result")
    return 0


def repro(
    folder: Run = None,
    *,
    draw: Annotated[str | None, typer.Option(metavar="K", help="Which draw.")] = None,
    inputs: Inputs = None,
    allow_path: AllowPath = False,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> int:
    """Play one draw of a result again, alone, and compare it bit for bit.

    Parameters
    ----------
    folder, draw, inputs : str
        As typed.
    allow_path, as_json, _debug : bool
        Switches.

    Returns
    -------
    int
        0 when all bits agree, or the folder holds nothing of the draw and it can be played.

    Raises
    ------
    FailedDrawsError
        If the draw fails.
    DifferentError
        Naming what differs.
    """
    number = whole("--draw", draw, 0, 2**40 - 1)
    if folder is None or number is None:
        raise UsageError("repro needs a result folder and --draw K")
    from sim.experiments.part import FAILED
    from sim.experiments.repro import MOST_TOLD, DifferentError
    from sim.experiments.repro import repro as replayed

    found = replayed(Path(folder), number, inputs=inputs, allow_path=allow_path)
    status, reason = found.played.status[0], found.played.reason[0]
    if as_json:
        facts = {"draw": number, "stored": found.stored is not None, "status": status, "reason": reason}
        emit(json.dumps(facts | {"equal": not found.differences, "differences": list(found.differences)}, indent=2))
    if found.differences:
        told = "; ".join(found.differences[:MOST_TOLD])
        more = len(found.differences) - MOST_TOLD
        raise DifferentError(f"draw {number} differs: {told}{f'; and {more} more' if more > 0 else ''}")
    if status == FAILED:
        raise FailedDrawsError(1, 1, number, reason)
    if not as_json:
        emit(
            f"draw {number}: "
            + ("all bits agree" if found.stored is not None else "played; the folder has nothing of it")
        )
    return 0
