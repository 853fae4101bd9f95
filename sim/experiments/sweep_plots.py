"""The figures of a sweep: one statistic of one metric over its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.errors import UnknownNameError
from sim.experiments.page_parts import words
from sim.experiments.statistics import COLUMNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiments.swept import Sweep

STATISTICS = tuple(name for name in COLUMNS if name != "draws")
INTERVALS = {"p95": ("p95_lo", "p95_hi"), "VaR99": ("VaR99_lo", "VaR99_hi"), "p99": ("VaR99_lo", "VaR99_hi")}
INTERVALS |= {"ES99": ("ES99_lo", "ES99_hi")}
REACH = 1.959963984540054
"""Standard errors on either side of a mean that hold it with 95 %."""


def plot(sweep: Sweep, metric: str, statistic: str = "mean", *, heads: bool = True) -> Figure:
    """Draw one statistic of one metric: a line over one key, a map of two, else a panel for every key.

    Parameters
    ----------
    sweep : Sweep
        Any.
    metric : str
        Name.
    statistic : str
        Column of `Sweep.summary`.
    heads : bool
        Whether title and subtitle stand above; without, every panel tells by itself what it shows.

    Returns
    -------
    Figure
        Belongs to no window.

    Raises
    ------
    UnknownNameError
        If there is no such metric or statistic.
    """
    from sim.report.sweep import sweep_figure

    if statistic not in STATISTICS:
        raise UnknownNameError("statistic", statistic, STATISTICS)
    table = sweep.summary(metric)
    low, high = INTERVALS.get(statistic, ("", ""))
    reach = REACH * table["se"] if statistic == "mean" else np.nan
    shown = table[["point", *(["policy"] if sweep.policies else []), *sweep.keys]].copy()
    shown["value"] = table[statistic]
    shown["low"] = table[low] if low else table["mean"] - reach
    shown["high"] = table[high] if high else table["mean"] + reach
    unit, description = sweep.info[metric]
    return sweep_figure(
        shown,
        sweep.keys,
        title=str(sweep.facts["title"]) if heads else "",
        subtitle=sweep.told if heads else "",
        label=(f"{description or metric}: {statistic}" if heads else words(metric), unit),
    )
