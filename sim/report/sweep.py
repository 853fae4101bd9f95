"""Figures of a sweep: a line over one key, a map of two, a panel for every key of more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float
from sim.report import style
from sim.report.text import Scale, printable, scale, tick, width, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (style.TAIL, style.MARK, style.DEEP, "#4d7c0f", "#0e7490", "#7f1d1d", style.QUIET, style.BODY)
MARKERS = "osD^v<>P"
"""One a policy: apart for the colour-blind, and in grey by marker."""

MOST_PANELS = 12
ACROSS = 3
"""Panels beside each other."""

WRITTEN = 120
"""Cells of a map whose values are written into them."""

FEW = 8
"""Columns of a map from which on it is never drawn narrow."""

LEFT, RIGHT, GAP_X, GAP_Y = 0.62, 0.3, 0.62, 0.95
"""Inches around and between panels."""

HANDLE = 40.0
"""Points that the mark of a legend's entry takes, with the space around it."""


def sweep_figure(
    table: pd.DataFrame, keys: Sequence[str], *, title: str, subtitle: str, label: tuple[str, str]
) -> Figure:
    """Draw one statistic of one metric over the points of a sweep.

    Parameters
    ----------
    table : DataFrame
        One row a run: ``point``, perhaps ``policy``, the keys, ``value``, ``low`` and ``high`` (ends of its 95 %
        interval, NaN where there is none); the value is NaN where nothing came out.
    keys : sequence of str
        Columns that were swept over.
    title : str
        Of the figure; empty for panels that stand alone, each with its own legend.
    subtitle : str
        How it was made.
    label : tuple of str
        What is shown, and its unit.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    good = table["value"].abs()
    # a number without a unit may be a count as well as a share, and stays what it is
    shown = Scale(1.0, "") if label[1] == "1" else scale(label[1], float(good.max()) if good.notna().any() else 1.0)
    table = table.assign(**{name: table[name] * shown.factor for name in ("value", "low", "high")})
    label = (label[0], shown.unit)
    policies = list(dict.fromkeys(table["policy"])) if "policy" in table else [""]
    chosen = [table[table["policy"] == name] if name else table for name in policies]
    with style.language():
        if len(keys) == 2 and all(_is_grid(each, keys) for each in chosen):
            return _maps(chosen, policies, keys, (title, subtitle), label)
        panels = list(keys)[:MOST_PANELS] or ["policy"]
        note = "Whiskers and bands: 95% confidence intervals. " if table["low"].notna().any() else ""
        lost = int(table["value"].isna().sum())
        note += f"{lost} runs without a result are left out. " if lost else ""
        note += f"{len(keys) - MOST_PANELS} further keys are not shown." if len(keys) > MOST_PANELS else ""
        # a panel that stands alone may be shown as narrow as a telephone: there small is large
        wide = 4.8 if len(panels) == 1 and title else 3.3
        figure, axes = _sheet(
            len(panels), (wide, 2.7), (title, subtitle), note, named=policies if len(policies) > 1 else ()
        )
        for ax, key in zip(axes, panels, strict=True):
            _panel(ax, chosen, policies if keys else [""], key, label, joined=len(keys) == 1)
        if len(policies) > 1 and keys:
            _legends(figure, policies, together=bool(title))
    return figure


def _is_grid(table: pd.DataFrame, keys: Sequence[str]) -> bool:
    """Whether every combination of the values of two keys occurs once."""
    first, second = (table[key].nunique() for key in keys)
    return bool(first > 1 and second > 1 and len(table) == first * second and not table.duplicated(list(keys)).any())


def _sheet(
    panels: int,
    size: tuple[float, float],
    heads: tuple[str, str],
    note: str,
    *,
    named: Sequence[str] = (),
    left: float = LEFT,
) -> tuple[Figure, list[Axes]]:
    """An empty figure with its texts and axes; it grows with what it holds."""
    from sim.report.shown import Shown

    across = min(ACROSS, panels)
    down = -(-panels // across)
    each, tall = size
    gap = max(GAP_X, left)
    wide = left + RIGHT + across * each + (across - 1) * gap
    room = (wide - 2 * RIGHT) * 72.0
    head, below = wrapped(heads[0], room, style.TITLE, "bold", lines=3), wrapped(heads[1], room, style.HEAD, lines=4)
    foot = wrapped(note, room, style.SMALL, lines=3)
    second = 0.22 + (1.35 * style.TITLE / 72.0 * (head.count("\n") + 1) if head else 0.0)
    top = second + 1.4 * style.HEAD / 72.0 * (below.count("\n") + 1) + 0.4 + above(named, room)
    bottom = 0.62 + (0.2 + 1.3 * style.SMALL / 72.0 * (foot.count("\n") + 1) if foot else 0.0)
    high = top + bottom + down * tall + (down - 1) * GAP_Y
    figure = Shown(figsize=(wide, high))
    figure.text(RIGHT / wide, 1 - 0.22 / high, head, ha="left", va="top", fontsize=style.TITLE, fontweight="bold")
    figure.text(RIGHT / wide, 1 - second / high, below, ha="left", va="top", fontsize=style.HEAD, color=style.QUIET)
    figure.text(RIGHT / wide, 0.12 / high, foot, ha="left", va="bottom", fontsize=style.SMALL, color=style.QUIET)
    axes = []
    for k in range(panels):
        start = left + (k % across) * (each + gap)
        low = high - top - (k // across) * (tall + GAP_Y) - tall
        axes.append(figure.add_axes((start / wide, low / high, each / wide, tall / high)))
    return figure, axes


def entries(names: Sequence[str], room: float) -> tuple[list[str], int]:
    """Return the names of a legend, cut to fit, and how many of them stand beside each other.

    Parameters
    ----------
    names : sequence of str
        Any text.
    room : float
        Width there is, points.

    Returns
    -------
    tuple of list of str and int
        All columns are as wide as the widest name with its mark; at least one.
    """
    cut = [wrapped(name, min(200.0, room - HANDLE), style.BASE, lines=1) for name in names]
    widest = max((width(name, style.BASE) for name in cut), default=0.0)
    return cut, max(1, min(6, len(cut), int(room // (widest + HANDLE))))


def above(names: Sequence[str], room: float) -> float:
    """Return the height of a legend.

    Parameters
    ----------
    names : sequence of str
        Any text; none makes no legend.
    room : float
        Width there is, points.

    Returns
    -------
    float
        Inches.
    """
    return 0.07 + 0.18 * -(-len(names) // entries(names, room)[1]) if names else 0.0


def _legends(figure: Figure, policies: Sequence[str], *, together: bool) -> None:
    """Name the policies in rows under the subtitle, or above each panel."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[k % 8], marker=MARKERS[k % 8], markersize=4.5, linewidth=1.4)
        for k in range(len(policies))
    ]
    look: dict[str, Any] = {"loc": "lower left", "frameon": False, "fontsize": style.BASE, "handlelength": 1.6}
    top = max(ax.get_position().y1 for ax in figure.axes)
    if together:
        place = (0.35 * LEFT / figure.get_figwidth(), top + 0.22 / figure.get_figheight())
        names, columns = entries(policies, (figure.get_figwidth() - 2 * RIGHT) * 72.0)
        figure.legend(handles, names, ncols=columns, bbox_to_anchor=place, **look)
        return
    for ax in figure.axes:
        names, columns = entries(policies, style.extent(ax)[0])
        # above the label of the vertical axis, which lies flat above it
        ax.legend(
            handles, names, ncols=min(2, columns), bbox_to_anchor=(-0.02, 1.0 + 18.0 / style.extent(ax)[1]), **look
        )


def _panel(
    ax: Axes,
    tables: Sequence[pd.DataFrame],
    policies: Sequence[str],
    key: str,
    label: tuple[str, str],
    *,
    joined: bool,
) -> None:
    """One key, or the policies themselves, against the value; `joined` where nothing else changes along the key."""
    style.dressed(ax, "", printable(key), label)
    values = [value for table in tables for value in table[key]]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    names = list(dict.fromkeys(map(_name, values)))
    pooled = len(policies) < len(tables)
    for k, table in enumerate(tables):
        at = np.array([float(v) if numeric else names.index(_name(v)) for v in table[key]], dtype=np.float64)
        shift = 0.0 if numeric or pooled else 0.12 * (k - (len(tables) - 1) / 2)
        good = table["value"].notna().to_numpy()
        _series(ax, (at + shift)[good], table[good], 0 if pooled else k, joined=numeric and joined and _is_function(at))
    if not numeric:
        room = min(90.0, style.extent(ax)[0] / max(1, len(names)) - 6.0)
        ax.set_xticks(range(len(names)), [wrapped(name, room, style.BASE, lines=2) for name in names])
        ax.set_xlim(-0.5, len(names) - 0.5)
    else:
        ax.margins(x=0.04)
        ax.xaxis.set_major_formatter(lambda value, _: tick(value))
        _few_ticks(ax.xaxis)
    high = ax.get_ylim()[1]
    seen = [float(each) for table in tables for each in table["value"].dropna()]
    if seen and min(seen) >= 0.0:
        ax.set_ylim(0.0, high if high > 0.0 else 1.0)
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))
    _few_ticks(ax.yaxis)
    if not seen:
        style.blank(ax, "no run has a result")


def _name(value: Any) -> str:
    """A value that is no number, as a scenario writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _few_ticks(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))


def _is_function(at: Float) -> bool:
    """Whether each place occurs once, so that points may be joined."""
    return bool(at.size > 1 and np.unique(at).size == at.size and at.size <= 60)


def _series(ax: Axes, at: Float, table: pd.DataFrame, k: int, *, joined: bool) -> None:
    """Points with their intervals: a line with a band, or dots with whiskers."""
    value, low, high = (table[name].to_numpy(dtype=np.float64) for name in ("value", "low", "high"))
    colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
    order = np.argsort(at, kind="stable")
    at, value, low, high = at[order], value[order], low[order], high[order]
    told: Bool = np.isfinite(low) & np.isfinite(high)
    if joined:
        ax.fill_between(at[told], low[told], high[told], color=colour, alpha=0.16, linewidth=0)
        ax.plot(at, value, color=colour, linewidth=1.5, marker=marker, markersize=4.0, clip_on=False, zorder=3)
        return
    crowded = at.size > 80
    if not crowded:
        ax.vlines(at[told], low[told], high[told], color=colour, linewidth=0.9, alpha=0.7)
    ax.scatter(at, value, s=9 if crowded else 18, color=colour, marker=marker, alpha=0.55 if crowded else 1.0,
               linewidths=0, zorder=3)  # fmt: skip


def _maps(
    tables: Sequence[pd.DataFrame],
    policies: Sequence[str],
    keys: Sequence[str],
    heads: tuple[str, str],
    label: tuple[str, str],
) -> Figure:
    """One map a policy, all in the same colours."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    shades = LinearSegmentedColormap.from_list("blues", ["#f4f7fb", style.BODY, style.TAIL, "#0b2440"])
    values = np.concatenate([table["value"].to_numpy(dtype=np.float64) for table in tables])
    good = values[np.isfinite(values)]
    low, high = (float(good.min()), float(good.max())) if good.size else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1.0)
    lost = "Crossed out: nothing came out of the run. " if good.size < values.size else ""
    widest = max(width(_short(value), style.BASE) for value in tables[0][keys[1]]) / 72.0
    cells = f"In the cells: {wrapped(label[0], 330.0, style.HEAD, lines=1, end=f', {label[1]}' if label[1] else '')}"
    what = f"{wrapped(heads[1], 600.0, style.HEAD, lines=1)}. {cells}" if heads[0] else ""
    size = (4.4, 3.1 if len(tables) == 1 else 2.6)
    if not heads[0] and tables[0][keys[0]].nunique() < FEW:
        size = (3.3, 2.6)
    figure, axes = _sheet(len(tables), size, (heads[0], what), f"{lost}Darker: larger.", left=max(LEFT, widest + 0.3))
    for ax, table, policy in zip(axes, tables, policies, strict=True):
        _map(ax, table, keys, (shades, norm))
        style.dressed(ax, policy, keys[0], keys[1], "" if heads[0] else cells)
        ax.grid(visible=False)
        ax.tick_params(length=0)
    return figure


def _map(ax: Axes, table: pd.DataFrame, keys: Sequence[str], colours: tuple[Any, Any]) -> None:
    """One map: cells with their values."""
    shades, norm = colours
    first, second = (_ordered(table[key].tolist()) for key in keys)
    cells = np.full((len(second), len(first)), np.nan)
    for row in table.itertuples(index=False):
        said = dict(zip(table.columns, row, strict=True))
        cells[second.index(said[keys[1]]), first.index(said[keys[0]])] = said["value"]
    ax.pcolormesh(np.arange(len(first) + 1), np.arange(len(second) + 1), np.ma.masked_invalid(cells), cmap=shades,
                  norm=norm, edgecolors="white", linewidth=0.8)  # fmt: skip
    for name, places, put in (("x", first, ax.set_xticks), ("y", second, ax.set_yticks)):
        step = -(-len(places) // (9 if name == "x" else 12))
        shown = range(0, len(places), step)
        put([k + 0.5 for k in shown], [_short(places[k]) for k in shown])
    written = cells.size <= WRITTEN and len(first) <= 12
    for (row_, column), value in np.ndenumerate(cells):
        if not np.isfinite(value):
            ax.plot([column + 0.2, column + 0.8], [row_ + 0.2, row_ + 0.8], color=style.MARK, linewidth=1.0)
            ax.plot([column + 0.2, column + 0.8], [row_ + 0.8, row_ + 0.2], color=style.MARK, linewidth=1.0)
        elif written:
            ink = "white" if norm(value) > 0.45 else style.INK
            ax.text(column + 0.5, row_ + 0.5, _short(float(value)), ha="center", va="center", color=ink,
                    fontsize=style.SMALL)  # fmt: skip


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Values that occur, numbers ascending, others as they come."""
    seen = list(dict.fromkeys(values))
    return sorted(seen) if all(isinstance(value, int | float) for value in seen) else seen


def _short(value: Any) -> str:
    """A number in few digits, a text in few letters."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return wrapped(_name(value), 110.0, style.BASE, lines=1)
