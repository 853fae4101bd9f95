"""The figure of an attribution: from the loss of the events to the total, and what pairs of channels add together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.report import style
from sim.report.text import Scale, amount, digits, number, scale, tick, width, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.36
"""Inches a bar takes."""

CELL = 0.66
"""Inches a cell of the pairs is wide."""

PLOT = 4.4
NUMBERS = 1.75
EDGE = 0.3
NOTE = 2.2
"""Inches the line above the pairs takes."""


def attribution_figure(
    values: pd.DataFrame, pairs: pd.DataFrame, label: tuple[str, str], title: str, subtitle: str
) -> Figure:
    """Draw one bar a channel, each beginning where the one before ended, and the pairs of channels beside them.

    Parameters
    ----------
    values : DataFrame
        ``channel, value, low, high``; the first row is the events alone, the last the total.
    pairs : DataFrame
        ``a, b, value, se``: the interaction index of two channels; channels that are in none have no bar.
    label : (str, str)
        What was attributed, and its unit.
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

    kept = _kept(values, pairs)
    channels = kept["channel"].iloc[:-1].tolist()
    shown = scale(label[1], _reach(kept["value"].to_numpy(dtype=np.float64)))
    start, end = (float(values["value"].iloc[k]) for k in (0, -1))
    said = f"{subtitle}; events alone {amount(start, label[1])}, all channels on {amount(end, label[1])}"
    with style.language():
        left = EDGE + max(width(name, style.BASE) for name in kept["channel"]) / 72.0 + 0.15
        many = len(channels) - 1 if len(pairs) else 0
        beside = left + max(CELL * many, NOTE) if many > 0 else 0.0
        wide = left + PLOT + NUMBERS + beside + EDGE
        room = (wide - 2 * EDGE) * 72.0
        head = wrapped(title, room, style.TITLE, "bold", lines=3)
        below = wrapped(said, room, style.HEAD, lines=3)
        second = 0.22 + 1.35 * style.TITLE / 72.0 * (head.count("\n") + 1)
        top = second + 1.4 * style.HEAD / 72.0 * (below.count("\n") + 1) + 0.5
        high, down = ROW * (len(kept) + 0.4), 0.6 * CELL * max(0, many)
        tall = top + max(high, down) + 0.7
        figure = Shown(figsize=(wide, tall))
        figure.text(EDGE / wide, 1 - 0.22 / tall, head, ha="left", va="top", fontsize=style.TITLE, fontweight="bold")
        figure.text(EDGE / wide, 1 - second / tall, below, ha="left", va="top", fontsize=style.HEAD, color=style.QUIET)
        _bars(
            figure.add_axes((left / wide, 1 - (top + high) / tall, PLOT / wide, high / tall)), kept, (label[0], shown)
        )
        if beside:
            place = left + PLOT + NUMBERS + left - EDGE
            box = (place / wide, 1 - (top + down) / tall, CELL * many / wide, down / tall)
            _pairs(figure.add_axes(box), pairs, channels, shown)
    return figure


def _kept(values: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Channels that have a bar, and a last row with what they add together."""
    import pandas as pd

    inner = values.iloc[1:-1]
    inner = inner[inner["channel"].isin([*pairs["a"], *pairs["b"]]) | (inner["value"] != 0.0)]
    whole = float(values["value"].iloc[-1] - values["value"].iloc[0])
    last = {"channel": "all channels", "value": whole, "low": np.nan, "high": np.nan, "share": np.nan}
    names = ["channel", "value", "low", "high", "share"]
    rows = [*inner[names].to_dict("records"), last]
    return pd.DataFrame(rows, columns=names)


def _reach(values: Float) -> float:
    """Largest amount on the axis: the ends of the bars, one after the other."""
    return float(np.abs(np.concatenate([np.cumsum(values[:-1]), values])).max())


def _bars(ax: Axes, table: pd.DataFrame, label: tuple[str, Scale]) -> None:
    """The waterfall, lying: amounts along the horizontal axis, whiskers for their intervals."""
    shown = label[1]
    what = label[0][:1].lower() + label[0][1:] if label[0][1:2].islower() else label[0]
    style.dressed(ax, "", (f"Added to {what}", shown.unit), "")
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=style.RULE, linewidth=0.5)
    last, at = len(table) - 1, 0.0
    for k, row in enumerate(table.to_dict("records")):
        value, low, high = (float(row[name]) * shown.factor for name in ("value", "low", "high"))
        start, relief = (0.0, False) if k == last else (at, value < 0.0)
        colour = style.TAIL if k == last else "white" if relief else style.BODY
        ax.barh(-k, value, 0.66, start, color=colour, edgecolor=style.BODY if relief else colour,
                linestyle="--" if relief else "-", linewidth=1.0, zorder=2)  # fmt: skip
        if np.isfinite(low) and high > low:
            ax.plot([start + low, start + high], [-k, -k], color=style.MARK, linewidth=1.4, zorder=3)
        if k < last:
            at = start + value
            ax.plot([at, at], [-k - 0.33, -k - 0.67], color=style.QUIET, linewidth=0.8, zorder=1)
        sign = "+" if value > 0.0 and k < last else ""
        share = f"  ({number(100.0 * float(row['share']), 0)} %)" if np.isfinite(row["share"]) else ""
        ax.annotate(f"{sign}{number(value)}{share}", (1.0, -k), (8.0, 0.0), xycoords=("axes fraction", "data"),
                    textcoords="offset points", va="center", ha="left", fontsize=style.BASE,
                    fontweight="bold" if k == last else "normal", annotation_clip=False)  # fmt: skip
    ax.set_yticks([-k for k in range(len(table))], table["channel"].tolist())
    ax.set_ylim(-len(table) + 0.4, 0.6)
    ax.axvline(0.0, color=style.INK, linewidth=0.8, zorder=1)
    ax.use_sticky_edges = False
    ax.margins(x=0.03)
    ax.xaxis.set_major_formatter(lambda value, _: tick(value))


def _pairs(ax: Axes, pairs: pd.DataFrame, channels: list[str], shown: Scale) -> None:
    """Cells below the diagonal: vermilion where two channels amplify each other, blue where one replaces the other."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    peak = float(np.abs(pairs["value"]).max()) or 1.0
    places = digits(peak * shown.factor)
    for row in pairs.to_dict("records"):
        i, j = sorted((channels.index(row["a"]), channels.index(row["b"])), reverse=True)
        part = abs(float(row["value"])) / peak
        full = np.array(to_rgb(style.MARK if row["value"] > 0.0 else style.TAIL))
        ax.add_patch(Rectangle((j, -i), 1.0, 1.0, facecolor=1.0 - 0.85 * part * (1.0 - full), edgecolor="white"))
        middle, error = (float(row[name]) * shown.factor for name in ("value", "se"))
        ink = "white" if part > 0.6 else style.INK
        whole = np.isfinite(error) and round(error, places) > 0.0
        said = number(middle, places) if round(middle, places) else "0"
        ax.text(j + 0.5, 0.5 - i + (0.14 if whole else 0.0), said, ha="center", va="center", color=ink,
                fontsize=style.BASE, fontweight="bold")  # fmt: skip
        if whole:
            ax.text(j + 0.5, 0.22 - i, f"\u00b1 {number(error, places)}", ha="center", va="center", color=ink,
                    fontsize=style.SMALL - 1.0)  # fmt: skip
    many = len(channels) - 1
    ax.set_xlim(0.0, many)
    ax.set_ylim(-many, 0.0)
    ax.set_yticks([0.5 - i for i in range(1, many + 1)], channels[1:])
    ax.set_xticks([j + 0.5 for j in range(many)], [wrapped(name, 72 * CELL, style.SMALL) for name in channels[:-1]])
    ax.tick_params(axis="both", length=0)
    ax.tick_params(axis="x", labelsize=style.SMALL)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_title(f"Pairs, {shown.unit}" if shown.unit else "Pairs", loc="left", pad=14.0, fontsize=style.HEAD,
                 fontweight="bold")  # fmt: skip
    ax.text(0.0, 3.0 / 72 / (0.6 * CELL), "+ amplify each other, \u2212 replace each other", va="bottom",
            fontsize=style.SMALL, color=style.QUIET)  # fmt: skip
