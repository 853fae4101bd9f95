"""The figure of a comparison: every metric's difference from the base, with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.report import style
from sim.report.sweep import COLOURS, MARKERS, above, entries
from sim.report.text import Scale, number, scale, width, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.34
"""Inches a line of a panel takes."""

PLOT = 4.6
NUMBERS = 2.1
EDGE = 0.3


def comparison_figure(table: pd.DataFrame, labels: Mapping[str, str], title: str, subtitle: str) -> Figure:
    """Draw differences as points with whiskers, metrics of one unit in one panel, the numbers beside them.

    Parameters
    ----------
    table : DataFrame
        ``run, metric, unit, difference, low, high``; one row a run and metric.
    labels : mapping of str to str
        Description of each metric.
    title : str
        Of the figure.
    subtitle : str
        How it was made.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    from sim.report.shown import Shown

    runs, units = list(dict.fromkeys(table["run"])), list(dict.fromkeys(table["unit"]))
    panels = [table[table["unit"] == unit] for unit in units]
    with style.language():
        names = [_name(metric, labels) for metric in dict.fromkeys(table["metric"])]
        left = EDGE + max(width(line, style.BASE) for name in names for line in name.split("\n")) / 72.0 + 0.2
        wide = left + PLOT + NUMBERS + EDGE
        room = (wide - 2 * EDGE) * 72.0
        head = wrapped(title, room, style.TITLE, "bold", lines=3)
        below = wrapped(subtitle, room, style.HEAD, lines=3)
        second = 0.22 + 1.35 * style.TITLE / 72.0 * (head.count("\n") + 1)
        top = second + 1.4 * style.HEAD / 72.0 * (below.count("\n") + 1) + 0.3
        top += above(runs, room) if len(runs) > 1 else 0.0
        each = [ROW * (max(1, len(runs) * 0.8) * panel["metric"].nunique() + 0.4) for panel in panels]
        tall = top + sum(each) + 0.75 * len(panels)
        figure = Shown(figsize=(wide, tall))
        figure.text(EDGE / wide, 1 - 0.22 / tall, head, ha="left", va="top", fontsize=style.TITLE, fontweight="bold")
        figure.text(EDGE / wide, 1 - second / tall, below, ha="left", va="top", fontsize=style.HEAD, color=style.QUIET)
        at = tall - top
        for panel, high in zip(panels, each, strict=True):
            ax = figure.add_axes((left / wide, (at - high) / tall, PLOT / wide, high / tall))
            _panel(ax, panel, runs, labels)
            at -= high + 0.75
        if len(runs) > 1:
            _legend(figure, runs, (top - 0.25) / tall)
    return figure


def _name(metric: str, labels: Mapping[str, str]) -> str:
    return wrapped(labels.get(metric) or metric, 150.0, style.BASE, lines=2)


def _panel(ax: Axes, table: pd.DataFrame, runs: Sequence[str], labels: Mapping[str, str]) -> None:
    """Metrics of one unit, one below the other."""
    unit = str(table["unit"].iloc[0])
    ends = np.abs(table[["difference", "low", "high"]].to_numpy(dtype=np.float64))
    peak = float(np.nanmax(ends)) if np.isfinite(ends).any() else 1.0
    shown = Scale(1.0, "") if unit == "1" else scale(unit, peak)
    metrics = list(dict.fromkeys(table["metric"]))
    style.dressed(ax, "", ("Difference", shown.unit), "")
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=style.RULE, linewidth=0.5)
    ax.axvline(0.0, color=style.INK, linewidth=0.8, zorder=1)
    for row in table.to_dict("records"):
        k = runs.index(row["run"])
        place = -metrics.index(row["metric"]) - (0.0 if len(runs) == 1 else 0.7 * ((k + 0.5) / len(runs) - 0.5))
        middle, low, high = (float(row[name]) * shown.factor for name in ("difference", "low", "high"))
        colour = COLOURS[k % len(COLOURS)]
        if np.isfinite(low):
            ax.plot([low, high], [place, place], color=colour, linewidth=1.4, solid_capstyle="butt", zorder=2)
        if np.isfinite(middle):
            ax.plot([middle], [place], color=colour, marker=MARKERS[k % len(MARKERS)], markersize=4.5, zorder=3)
        said = number(middle) if np.isfinite(middle) else "no result"
        said += f"  [{number(low)}, {number(high)}]" if np.isfinite(low) else ""
        ax.annotate(said, (1.0, place), (8.0, 0.0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    va="center", ha="left", fontsize=style.SMALL, color=colour, annotation_clip=False)  # fmt: skip
    ax.set_yticks([-k for k in range(len(metrics))], [_name(metric, labels) for metric in metrics])
    ax.set_ylim(-len(metrics) + 0.5 - 0.2, 0.7)
    ax.margins(x=0.06)


def _legend(figure: Figure, runs: Sequence[str], down: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], markersize=4.5)
        for k in range(len(runs))
    ]
    names, columns = entries(runs, (figure.get_figwidth() - 2 * EDGE) * 72.0)
    figure.legend(handles, names, loc="lower left", ncols=columns, frameon=False, fontsize=style.BASE,
                  bbox_to_anchor=(0.2 / figure.get_figwidth(), 1 - down))  # fmt: skip
