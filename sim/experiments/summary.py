"""Summaries of all metrics of a run: from the arrays of its draws, or from files without ever holding all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sim.arrays import Float, Int
from sim.experiments.part import FAILED, PART, Part
from sim.experiments.sql import MEMORY, Last, opened
from sim.experiments.statistics import summarise_parts

Summaries = dict[str, dict[str, float]]


def of_part(names: Sequence[str], part: Part, *, pairs: bool) -> Summaries:
    """Return the summaries of draws held in memory.

    Parameters
    ----------
    names : sequence of str
        Metrics.
    part : Part
        All draws of a run.
    pairs : bool
        Whether draws 2k and 2k + 1 mirror each other.

    Returns
    -------
    dict of str to dict
        By metric; failed draws left out, after the last step.
    """

    def ranked(name: str, ranks: Sequence[int]) -> dict[int, float]:
        ordered = np.sort(np.concatenate([values[name] for _, values in last_step(part)]))
        return {rank: float(ordered[rank - 1]) for rank in ranks}

    return summarise_parts(names, lambda: last_step(part), ranked, pairs=pairs)


def last_step(part: Part) -> Iterator[tuple[Int, dict[str, Float]]]:
    """Yield valid draws and their metrics after the last step, 1000 draws of the run at a time.

    Parameters
    ----------
    part : Part
        All draws of a run.

    Yields
    ------
    tuple of int64[n_part] and dict of str to float64[n_part]
        Draws, and the values of each metric.
    """
    kept = np.array([status != FAILED for status in part.status], dtype=np.bool_)
    for first in range(0, part.draws, PART):
        which = np.flatnonzero(kept[first : first + PART]) + first
        values = {name: table[which] for name, table in part.metrics.items()}
        yield which, {name: table[:, -1] if table.shape[1] else np.empty(0) for name, table in values.items()}


def of_files(names: Sequence[str], files: Sequence[Path], draws: int, *, pairs: bool) -> Summaries:
    """Return the summaries of draws that lie in the parts of a result folder.

    Parameters
    ----------
    names : sequence of str
        Metrics.
    files : sequence of Path
        Parts, in draw order, none missing.
    draws : int
        How many draws belong to the result.
    pairs : bool
        Whether draws 2k and 2k + 1 mirror each other.

    Returns
    -------
    dict of str to dict
        What `of_part` returns, bit for bit.

    Raises
    ------
    StoreError
        If a part cannot be read.
    """
    with opened({"draws": files}, draws, MEMORY) as connection:
        last = Last(connection, names, draws)
        return summarise_parts(names, last.parts, last.ranked, pairs=pairs)
