"""The figure of what walls are worth: every draw without and behind them, on the same luck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.report import style
from sim.report.page import Margins, page
from sim.report.text import number, scale, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, AROUND = (4.6, 3.4), Margins(above=0.4, below=0.5)
NOTE = "Above the line: a draw that loses more behind the walls. Circles: means."


def wall_figure(before: Float, behind: Float, loss: tuple[str, str], title: str, subtitle: str) -> Figure:
    """Draw one point a draw: its loss behind walls against its loss without.

    Parameters
    ----------
    before, behind : float64[n_draws], currency
        Loss of the same draws without walls, and behind them with what their funds paid.
    loss : (str, str)
        What the loss is, and its unit.
    title : str
        Of the figure.
    subtitle : str
        How it was made.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    figure, (ax,) = page((title, subtitle), NOTE, SIZE, 1, AROUND)
    with style.language():
        if not before.size:
            style.blank(ax, "no draws")
            return figure
        ends = np.concatenate([before, behind])
        shown = scale(loss[1], float(np.abs(ends).max()))
        style.dressed(ax, "", (f"{loss[0]}, without walls", shown.unit), (f"{loss[0]}, behind walls", shown.unit))
        low, high = float(ends.min()) * shown.factor, float(ends.max()) * shown.factor
        room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        _points(ax, before * shown.factor, behind * shown.factor, (low - room, high + room))
    return figure


def _points(ax: Axes, before: Float, behind: Float, ends: tuple[float, float]) -> None:
    """The draws, and the line on which walls change nothing."""
    from matplotlib.ticker import MaxNLocator

    worse = behind > before
    ax.plot(ends, ends, color=style.QUIET, linewidth=0.8)
    for which, colour, marker in ((~worse, style.TAIL, "o"), (worse, style.MARK, "^")):
        ax.plot(before[which], behind[which], marker, color=colour, markersize=3.6, markeredgewidth=0.0, alpha=0.65)
    middle = (float(before.mean()), float(behind.mean()))
    ax.plot(*middle, "o", markersize=8.0, markerfacecolor="none", markeredgecolor=style.INK, markeredgewidth=1.0)
    low, high = ends
    down = 0.5 * (middle[1] - low) / (high - low) < 0.25
    ax.annotate(
        f"means {number(middle[0])} and {number(middle[1])}",
        middle,
        (7.0, 7.0 if down else -7.0),
        textcoords="offset points",
        ha="left" if middle[0] < 0.5 * (low + high) else "right",
        va="bottom" if down else "top",
        fontweight="bold",
        bbox=style.PAPER,
    )
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.grid(axis="x", color=style.RULE, linewidth=0.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(lambda value, _: tick(value))
