"""The phases of a step, and who acts in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.report.style import BASE, INK, QUIET, RULE, SMALL, TAIL, TITLE, language
from sim.report.text import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, ROW = 7.2, 0.27
"""Inches of the figure, and of a row."""


def plot_phases(ax: Axes, phases: Mapping[str, str], acts: Mapping[str, Sequence[str]]) -> Axes:
    """Draw the order of a step: a row a phase, a column a channel, a mark where the channel acts.

    Parameters
    ----------
    ax : Axes
        To draw on.
    phases : mapping of str to str
        What happens, by phase, in their order.
    acts : mapping of str to sequence of str
        Phases in which each channel acts.

    Returns
    -------
    Axes
        The same.
    """
    rows, columns = list(phases), list(acts)
    ax.set_xlim(-0.7, len(columns) - 0.3)
    ax.set_ylim(len(rows) - 0.4, -1.9)
    ax.axis("off")
    for place, name in enumerate(columns):
        ax.text(
            place,
            -0.75,
            wrapped(name, 60.0, BASE, lines=1),
            rotation=40,
            ha="left",
            va="bottom",
            fontsize=BASE,
            color=INK,
        )
        where = [rows.index(phase) for phase in acts[name]]
        ax.plot([place, place], [min(where), max(where)], color=RULE, lw=1.2, zorder=1)
        ax.scatter([place] * len(where), where, s=46, color=TAIL, zorder=2)
    for row, phase in enumerate(rows):
        ax.plot(
            [-1.99, 1.0],
            [row + 0.5] * 2,
            color=RULE,
            lw=0.4,
            zorder=0,
            clip_on=False,
            transform=ax.get_yaxis_transform(),
        )
        heads: dict[str, Any] = {"fontsize": BASE, "va": "center", "transform": ax.get_yaxis_transform()}
        ax.text(-1.93, row, f"{row}", ha="right", color=QUIET, **heads)
        ax.text(
            -1.88, row, wrapped(phase, 60.0, BASE, "bold", lines=1), ha="left", color=INK, fontweight="bold", **heads
        )
        ax.text(
            -1.47,
            row,
            wrapped(phases[phase], 225.0, SMALL, lines=1),
            ha="left",
            color=QUIET,
            **(heads | {"fontsize": SMALL}),
        )
    return ax


def phases_figure(title: str, phases: Mapping[str, str], acts: Mapping[str, Sequence[str]]) -> Figure:
    """Draw the order of a step with a heading.

    Parameters
    ----------
    title : str
        Heading.
    phases : mapping of str to str
        What happens, by phase, in their order.
    acts : mapping of str to sequence of str
        Phases in which each channel acts.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    from matplotlib.figure import Figure as New

    with language():
        figure = New(figsize=(WIDE, ROW * (len(phases) + 4)))
        title = wrapped(title, (0.6 * WIDE - 0.2) * 72.0, TITLE, "bold", lines=1)
        figure.text(0.02, 0.97, title, fontsize=TITLE, fontweight="bold", va="top", color=INK)
        ax = figure.add_axes((0.62, 0.02, 0.30, 0.86))
        plot_phases(ax, phases, acts)
    return figure
