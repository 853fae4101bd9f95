"""The figure of a frontier: every policy, the line that none of them beats, its band, and where small stress grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.report import style
from sim.report.sweep import COLOURS
from sim.report.text import Scale, scale, tick, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, HIGH = 7.4, 4.3
"""Inches of the axes with what surrounds them, and of the axes alone."""

EDGE = 0.3
LEFT = 0.75

Labels = tuple[tuple[str, str], tuple[str, str]]


def frontier_figure(
    policies: pd.DataFrame, band: pd.DataFrame, crossings: pd.DataFrame, labels: Labels, title: str, subtitle: str
) -> Figure:
    """Draw benefit against risk.

    Parameters
    ----------
    policies : DataFrame
        ``policy, benefit, benefit_low, benefit_high, risk, risk_low, risk_high, efficient, radius``; with ``path``, the
        policies of one path are joined in the order of the table and named together.
    band : DataFrame
        ``benefit, risk, low, high``: the frontier as a line.
    crossings : DataFrame
        ``benefit`` where the spectral radius crosses 1 between ``below`` and ``above``.
    labels : ((str, str), (str, str))
        What the benefit is and its unit, and the same of the risk.
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

    across = scale(labels[0][1], float(np.abs(policies["benefit"]).max()))
    up = scale(labels[1][1], float(np.abs(policies["risk"]).max()))
    with style.language():
        room = (WIDE - 2 * EDGE) * 72.0
        head = wrapped(title, room, style.TITLE, "bold", lines=3)
        below = wrapped(subtitle, room, style.HEAD, lines=3)
        second = 0.22 + 1.35 * style.TITLE / 72.0 * (head.count("\n") + 1)
        top = second + 1.4 * style.HEAD / 72.0 * (below.count("\n") + 1) + 0.4
        tall = top + HIGH + 1.0
        figure = Shown(figsize=(WIDE, tall))
        figure.text(EDGE / WIDE, 1 - 0.22 / tall, head, ha="left", va="top", fontsize=style.TITLE, fontweight="bold")
        figure.text(EDGE / WIDE, 1 - second / tall, below, ha="left", va="top", fontsize=style.HEAD, color=style.QUIET)
        inner = (LEFT / WIDE, 1 - (top + HIGH) / tall, (WIDE - LEFT - EDGE) / WIDE, HIGH / tall)
        ax = figure.add_axes(inner)
        style.dressed(ax, "", (labels[0][0], across.unit), (labels[1][0], up.unit))
        _limits(ax, policies, (across, up))
        _crossings(ax, crossings, across)
        if "path" in policies:
            _paths(ax, policies, (across, up))
        else:
            _band(ax, band, (across, up))
            _policies(ax, policies, (across, up))
        _key(figure, policies, len(crossings) > 0, tall)
    return figure


def _limits(ax: Axes, table: pd.DataFrame, scales: tuple[Scale, Scale]) -> None:
    """Room for every whisker and for names above the points."""
    from matplotlib.ticker import MaxNLocator

    for name, shown, put in (("benefit", scales[0], ax.set_xlim), ("risk", scales[1], ax.set_ylim)):
        ends = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=np.float64) * shown.factor
        low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
        room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        put(low - room, high + 1.5 * room)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(lambda value, _: tick(value))
    ax.tick_params(axis="y", length=0)


def _band(ax: Axes, band: pd.DataFrame, scales: tuple[Scale, Scale]) -> None:
    """The line that no policy beats, in steps, and what samples drawn again make of it."""
    across, up = (each.factor for each in scales)
    place = band["benefit"].to_numpy() * across
    low, high = (band[name].to_numpy() * up for name in ("low", "high"))
    # too few samples offer as much as the best policy: there the band has no upper end
    kept = np.isfinite(low) & np.isfinite(high)
    if kept.any():
        low, high = np.where(kept, low, np.nan), np.where(kept, high, np.nan)
        ax.fill_between(place, low, high, step="pre", color=style.BODY, alpha=0.35, linewidth=0.0, zorder=1)
    ax.step(place, band["risk"].to_numpy() * up, where="pre", color=style.TAIL, linewidth=1.4, zorder=2)


def _crossings(ax: Axes, crossings: pd.DataFrame, across: Scale) -> None:
    for place in crossings["benefit"].to_numpy(dtype=np.float64) * across.factor:
        ax.axvline(place, color=style.MARK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate("\u03c1 = 1", (place, 1.0), (3.0, -3.0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="left", va="top", color=style.MARK, fontsize=style.BASE,
                    bbox=style.PAPER)  # fmt: skip


def _policies(ax: Axes, table: pd.DataFrame, scales: tuple[Scale, Scale]) -> None:
    """Points with their intervals and names; names of neighbours on the other side."""
    across, up = (each.factor for each in scales)
    order = np.argsort(table["benefit"].to_numpy(), kind="stable")
    for place, k in enumerate(order.tolist()):
        row = table.iloc[k]
        x, y = float(row["benefit"]) * across, float(row["risk"]) * up
        grows = row["radius"] >= 1.0
        line = style.MARK if grows else style.TAIL
        ax.plot([row["benefit_low"] * across, row["benefit_high"] * across], [y, y], color=style.QUIET, linewidth=0.8,
                zorder=3)  # fmt: skip
        ax.plot([x, x], [row["risk_low"] * up, row["risk_high"] * up], color=style.QUIET, linewidth=0.8, zorder=3)
        ax.plot([x], [y], marker="s" if grows else "o", markersize=6.0, markeredgecolor=line, markeredgewidth=1.3,
                markerfacecolor=line if row["efficient"] else "white", zorder=4, clip_on=False)  # fmt: skip
        above, left, right = place % 2 == 0, *ax.get_xlim()
        # names of points far to the right would leave the figure
        turns = x > left + 0.65 * (right - left)
        at = (-6.0 if turns else 6.0, 6.0 if above else -6.0)
        said = wrapped(str(row["policy"]), 0.4 * style.extent(ax)[0], style.SMALL)
        ax.annotate(said, (x, y), at, textcoords="offset points", ha="right" if turns else "left",
                    va="bottom" if above else "top", fontsize=style.SMALL, bbox=style.PAPER, zorder=5)  # fmt: skip


def _paths(ax: Axes, table: pd.DataFrame, scales: tuple[Scale, Scale]) -> None:
    """Points along each path, joined, in a band; the name of the path at its end, or of some points of a single one."""
    across, up = (each.factor for each in scales)
    many = len(set(table["path"])) > 1
    ends = []
    for k, (name, rows) in enumerate(table.groupby("path", sort=False)):
        x, y = rows["benefit"].to_numpy() * across, rows["risk"].to_numpy() * up
        line = COLOURS[k % len(COLOURS)]
        low, high = (rows[f"risk_{end}"].to_numpy() * up for end in ("low", "high"))
        ax.fill_between(x, low, high, color=line, alpha=0.14, linewidth=0.0, zorder=1)
        ax.plot(x, y, color=line, linewidth=1.0, zorder=3)
        for at, (_, row) in zip(zip(x, y, strict=True), rows.iterrows(), strict=True):
            ax.plot(*at, marker="s" if row["radius"] >= 1.0 else "o", markersize=4.5, markeredgecolor=line,
                    markeredgewidth=1.2, markerfacecolor=line if row["efficient"] else "white", zorder=4,
                    clip_on=False)  # fmt: skip
        if many:
            ends.append((str(name), float(x[-1]), float(y[-1]), line))
        else:
            ends += [(str(rows["policy"].iloc[j]), float(x[j]), float(y[j]), line) for j in (0, x.size // 2, -1)]
    left, right = ax.get_xlim()
    for name, a, b, line in ends:
        turns = a > left + 0.65 * (right - left)
        # paths rise to the right: names stand above their left side, or below their right one
        at, across_, up_ = ((-4.0, 6.0), "right", "bottom") if turns else ((4.0, -6.0), "left", "top")
        at, across_, up_ = (at, across_, up_) if many else ((0.0, 8.0), "center", "bottom")
        ax.annotate(name, (a, b), at, textcoords="offset points", ha=across_, va=up_, color=line, fontweight="bold",
                    fontsize=style.SMALL, zorder=5)  # fmt: skip


def _key(figure: Figure, table: pd.DataFrame, crosses: bool, tall: float) -> None:
    """What the marks say, under the axes."""
    from matplotlib.lines import Line2D

    def mark(line: str, shape: str, full: bool) -> Line2D:
        return Line2D([], [], linestyle="", marker=shape, markersize=6.0, markeredgecolor=line, markeredgewidth=1.3,
                      markerfacecolor=line if full else "white")  # fmt: skip

    known = ~np.isnan(table["radius"].to_numpy(dtype=np.float64))
    grows = bool((table["radius"] >= 1.0).any())
    handles = [mark(style.QUIET, "o", True), mark(style.QUIET, "o", False)]
    texts = ["no policy beats it", "beaten in both"]
    if grows:
        handles.append(mark(style.QUIET if "path" in table else style.MARK, "s", False))
        texts.append("small stress grows (\u03c1 \u2265 1)")
    if crosses:
        handles.append(Line2D([], [], color=style.MARK, linewidth=1.0, linestyle=(0, (4, 3))))
        texts.append("spectral radius crosses 1")
    elif known.any() and not grows:
        texts[0] += " (\u03c1 < 1 for all)" if known.all() else ""
    figure.legend(handles, texts, loc="lower left", ncols=4, frameon=False, fontsize=style.SMALL, handletextpad=0.4,
                  bbox_to_anchor=(EDGE / WIDE, 0.05 / tall), columnspacing=1.2)  # fmt: skip
