"""Writing a result that is held in memory, or in one folder, into another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.experiments.cuts import starts, unwoven
from sim.experiments.disk import make_folder, only_writer
from sim.experiments.part import Part
from sim.experiments.store import Store
from sim.experiments.trace import TRACES, kept, name_of

if TYPE_CHECKING:
    from sim.experiments.result import Result


def save(result: Result, part: Part, place: Path) -> Path:
    """Write a result folder.

    Parameters
    ----------
    result : Result
        What it was, and the postings it keeps.
    part : Part
        All its draws.
    place : Path
        Need not exist.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StoreError
        If it holds another run or cannot be written.
    """
    with only_writer(place):
        store = Store.prepare(place, result.manifest["run_key"], result.networks)
        store.write_scenario(result.scenario_yaml)
        for first in starts(part.draws, result.networks):
            store.write(unwoven(part, first))
        for draw in map(int, result.manifest.get("traces") or ()):
            make_folder(place / TRACES)
            table = kept(result, draw)
            if table is not None and len(table["amount"]):
                store.write_table(place / TRACES / name_of(draw), part.cut(draw, draw + 1), table)
        store.write_manifest(dict(result.manifest))
        store.log(f"saved: answer {result.answer_sha256}")
    return place
