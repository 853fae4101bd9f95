"""Summaries of all metrics of a run: from the arrays of its draws, or from files without ever holding all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float, Int
from sim.experiments import nested
from sim.experiments.cuts import size_of, starts
from sim.experiments.nested import summarise_nested
from sim.experiments.part import FAILED, Part
from sim.experiments.sql import MEMORY, Last, opened
from sim.experiments.statistics import COLUMNS, summarise_parts

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result

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

    if part.networks > 1:
        return summarise_nested(names, lambda: last_step(part), ranked, part.networks)
    return summarise_parts(names, lambda: last_step(part), ranked, pairs=pairs)


def last_step(part: Part) -> Iterator[tuple[Int, dict[str, Float]]]:
    """Yield valid draws and their metrics after the last step, one part of the run at a time.

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
    for first in starts(part.draws, part.networks):
        which = first + part.networks * np.arange(size_of(first, part.draws, part.networks))
        which = which[kept[which]]
        values = {name: table[which] for name, table in part.metrics.items()}
        yield which, {name: table[:, -1] if table.shape[1] else np.empty(0) for name, table in values.items()}


def of_files(names: Sequence[str], files: Sequence[Path], draws: int, *, pairs: bool, networks: int = 1) -> Summaries:
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
    networks : int
        That the draws are spread over.

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
        last = Last(connection, names, draws, networks)
        if networks > 1:
            return summarise_nested(names, last.parts, last.ranked, networks)
        return summarise_parts(names, last.parts, last.ranked, pairs=pairs)


def frame(result: Result, source: list[Path] | Part) -> pd.DataFrame:
    """Return the summary of a result as a table.

    Parameters
    ----------
    result : Result
        Whose.
    source : list of Path or Part
        Its draws: the files of its parts, or all of them in memory.

    Returns
    -------
    DataFrame
        One row a metric.
    """
    import pandas as pd

    names, pairs, networks = list(result.info), result.sampler == "antithetic", result.networks
    if isinstance(source, Part):
        found = of_part(names, source, pairs=pairs)
    else:
        found = of_files(names, source, result.draws, pairs=pairs, networks=networks)
    rows = {name: {"unit": result.info[name][0], **each, "draws": int(each["draws"])} for name, each in found.items()}
    columns = ["unit", *COLUMNS, *(nested.COLUMNS if networks > 1 else ())]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis(index="metric")
    table.attrs["notes"] = list(result.notes)
    return table
