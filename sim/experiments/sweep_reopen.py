"""From the folder of a sweep back to the sweep: finished where it stopped, or every digest of it recomputed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import StoreError
from sim.experiments.monte_carlo import Progress
from sim.experiments.provenance import MANIFEST, Manifest, engine
from sim.experiments.reopen import scenario_in
from sim.experiments.repro import MOST_TOLD, InterruptedRunError, Verified, verify
from sim.experiments.sweep import sweep
from sim.experiments.sweep_folder import SCENARIO, open_sweep, read_sweep, scenario_text
from sim.experiments.sweep_folder import answer as answer_of
from sim.experiments.swept import DONE, FAILED, LOOSE, MISSING, Sweep
from sim.experiments.until import most


def resume_sweep(
    folder: str | Path,
    *,
    progress: bool | Callable[[Progress], None] = False,
    inputs: str | Path | None = None,
    allow_path: bool = False,
    allow_uncertified: bool = False,
    **options: Any,
) -> Sweep:
    """Finish an interrupted sweep from its folder alone; the answer is that of a sweep that was never interrupted.

    Design, policies, draws, seed and what is kept are those of the sweep. Runs that are there and intact are not played
    again; what is missing or damaged is.

    Parameters
    ----------
    folder : str or Path
        Of the sweep.
    progress : bool or callable
        As in `sweep`.
    inputs : str or Path, optional
        Folder of the scenario's tables, if it is not where it was.
    allow_path : bool
        Whether tables may lie outside that folder.
    allow_uncertified : bool
        Whether to take runs with draws whose solvers stopped before their tolerance; taken anyway if the sweep did.
    **options : object
        Further options of `sim.run`: ``workers, block, cluster, time_limit``; and ``player`` or ``model`` where the
        sweep was played by something of one's own.

    Returns
    -------
    Sweep
        All runs.

    Raises
    ------
    StoreError
        If there is no sweep, it is damaged, another engine made it, or who played it is not given.
    InputError
        If a table is missing or was changed since the sweep began.

    Examples
    --------
    >>> import tempfile
    >>> from sim.experiments.sweep import sweep
    >>> with tempfile.TemporaryDirectory() as place:
    ...     first = sweep("ring_of_ten", {"shocks.0.size": [0.1, 0.5]}, draws=1, out=place)
    ...     resume_sweep(place).answer_sha256 == first.answer_sha256
    True
    """
    place = Path(folder)
    facts = read_sweep(place)
    if facts["engine"] != engine():
        raise StoreError(
            f"{place}: was made by engine {facts['engine']}, this one is {engine()}; its numbers would not be of one "
            "sweep; start a new one"
        )
    named = facts["player"]
    if named and options.get("player") is None and options.get("model") is None:
        raise StoreError(f"{place}: was played by {named}; call resume_sweep in Python with player= or model={named}")
    base = scenario_in(place, None if inputs is None else Path(inputs), allow_path)
    if base.digest != facts["scenario_sha256"]:
        raise StoreError(f"{place}: {SCENARIO} is not that of the sweep; start a new one")
    if facts["record"] != base.record:
        options["record"] = facts["record"]
    return sweep(
        base,
        facts["axes"],
        draws=facts["draws"],
        seed=facts["seed"],
        out=place,
        progress=progress,
        sample=facts["sample"],
        policies=facts["changes"] or None,
        allow_uncertified=allow_uncertified or facts["allow_uncertified"],
        **options,
    )


def found_sweep(folder: str | Path) -> Sweep:
    """Return a sweep, or what an interrupted one has finished; nothing in its folder is changed.

    Parameters
    ----------
    folder : str or Path
        Of the sweep; it may be read-only.

    Returns
    -------
    Sweep
        Runs that are not finished, or damaged, have the status ``"missing"``.

    Raises
    ------
    StoreError
        If there is no sweep, it is damaged, or no run of it is finished.
    """
    place = Path(folder)
    facts = read_sweep(place)
    if facts["complete"]:
        return open_sweep(place)
    seen = {row["folder"]: _finished(place, row) for row in facts["rows"] if row["status"] != FAILED}
    rows = [row | (_became(facts, seen[row["folder"]]) if row["folder"] in seen else {}) for row in facts["rows"]]
    done = [manifest for manifest in seen.values() if manifest is not None]
    if not done:
        raise StoreError(f'{place}: interrupted before any run was finished; "resume" plays them')
    return Sweep(facts | {"rows": rows, "metrics": done[0]["metrics"]}, place, scenario_yaml=scenario_text(place))


def _finished(place: Path, row: Mapping[str, Any]) -> Manifest | None:
    """Manifest of a run of a sweep that is whole and intact."""
    try:
        manifest = verify(place / row["folder"]).manifest
    except StoreError:
        return None
    return manifest if _is_of(manifest, row, complete=False) else None


def _is_of(manifest: Manifest, row: Mapping[str, Any], *, complete: bool) -> bool:
    """Whether a run is that of a row: of a complete sweep it tells the draws played, before that those asked for."""
    draws = manifest["draws"] if complete else most(manifest)
    return bool(manifest["run_key"] == row["run_key"] and draws == row["draws"])


def _became(facts: Mapping[str, Any], manifest: Manifest | None) -> dict[str, Any]:
    """What an interrupted sweep would have noted of a run."""
    if manifest is None:
        return {"status": MISSING}
    failed, loose = manifest["failed"], manifest["uncertified"]
    said = {"failed": failed, "uncertified": loose, "answer_sha256": manifest["answer_sha256"], "status": DONE}
    said |= {"draws": manifest["draws"]}
    if failed == manifest["draws"]:
        return said | {"status": FAILED, "answer_sha256": None, "reason": "every draw failed"}
    if loose and not facts["allow_uncertified"]:
        return said | {"status": LOOSE, "reason": f"{loose} of {manifest['draws']} draws are not certified"}
    return said


@dataclass(frozen=True)
class VerifiedSweep:
    """What a check of a sweep's folder found.

    Parameters
    ----------
    facts : dict
        Manifest of the sweep.
    runs : int
        Points and policies that gave a result, each intact; a run that stands for several counts for each.
    failed : int
        Points and policies that gave none.
    parts : int
        Read and intact.
    """

    facts: Mapping[str, Any]
    runs: int
    failed: int
    parts: int


def verify_sweep(folder: str | Path) -> VerifiedSweep:
    """Recompute the digest of every part of every run of a sweep, the answer of every run, and that of the sweep.

    Parameters
    ----------
    folder : str or Path
        Of the sweep.

    Returns
    -------
    VerifiedSweep
        When all is as it was written.

    Raises
    ------
    StoreError
        Naming what is missing or damaged, run by run; or how much of an interrupted sweep is there.
    """
    place = Path(folder)
    facts = read_sweep(place)
    rows, seen, troubles = facts["rows"], dict[str, Verified | None](), list[str]()
    for row in rows:
        where, stated = row["folder"], row["answer_sha256"]
        # a point that could not be played has no folder, and one that gave nothing may have none
        if where in seen or not where or (stated is None and not (place / where / MANIFEST).is_file()):
            continue
        seen[where] = None
        try:
            found = verify(place / where)
            if _is_of(found.manifest, row, complete=facts["complete"]):
                seen[where] = found
            if stated not in (None, found.manifest["answer_sha256"]):
                troubles.append(f"{place / where}: is not the run that the sweep tells of")
        except InterruptedRunError:
            if stated is not None:
                troubles.append(f"{place / where}: is not finished")
        except StoreError as error:
            troubles.append(str(error))
    if troubles:
        more = f"; and {len(troubles) - MOST_TOLD} more" if len(troubles) > MOST_TOLD else ""
        raise StoreError("; ".join(troubles[:MOST_TOLD]) + more + '; "resume" computes them again')
    if not facts["complete"]:
        done = sum(seen.get(row["folder"]) is not None for row in rows)
        raise InterruptedRunError(
            f'{place}: interrupted; {done} of {len(rows)} runs are finished, all that is there is intact; "resume" '
            "finishes it"
        )
    if answer_of(rows) != facts["answer_sha256"]:
        raise StoreError(f"{place}: the runs do not give the answer_sha256 of the sweep")
    lost = sum(row["answer_sha256"] is None for row in rows)
    return VerifiedSweep(facts, len(rows) - lost, lost, sum(found.parts for found in seen.values() if found))
