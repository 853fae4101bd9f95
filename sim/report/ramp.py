"""The figure of a ramp: what technology brings, what a stress test costs, and whether small stress grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import style
from sim.report.labels import apart
from sim.report.page import Margins, page
from sim.report.sweep import COLOURS
from sim.report.text import scale, tick, width

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE, AROUND = (3.1, 2.4), Margins(below=0.5, gap=0.7)
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)))
SHORT = {"coverage": "coverage", "sme_credit": "credit", "cost_of_service": "cost", "lending_rate": "rate"}
SAME = 1e-9
"""Benefits whose paths differ by less than this, relative, are one line with both names."""


def ramp_figure(
    table: pd.DataFrame, words: Mapping[str, str], risk: tuple[str, str], title: str, subtitle: str
) -> Figure:
    """Draw benefits, risk and spectral radius over quarters.

    Parameters
    ----------
    table : DataFrame
        ``quarter``, one column a benefit, ``risk, risk_low, risk_high, radius``.
    words : mapping of str to str
        Benefit -> what it is.
    risk : (str, str)
        What the risk is, and its unit.
    title : str
        Of the figure.
    subtitle : str
        How it was made.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    has_radius = bool(table["radius"].notna().any())
    foot = "Benefits are known without a run. Shaded: interval of samples drawn again, the same in all quarters."
    figure, axes = page((title, subtitle), foot, SIZE, 2 + has_radius, AROUND)
    with style.language():
        style.dressed(axes[0], "What adoption brings", "", ("Change since the first quarter", "%"))
        _benefits(axes[0], table, words)
        shown = scale(risk[1], float(np.abs(table[["risk", "risk_high"]].to_numpy()).max()))
        style.dressed(axes[1], "What a stress test costs", "", (risk[0], shown.unit))
        place = np.arange(len(table))
        low, high = (table[name].to_numpy() * shown.factor for name in ("risk_low", "risk_high"))
        axes[1].fill_between(place, low, high, color=style.BODY, alpha=0.35, linewidth=0.0)
        axes[1].plot(place, table["risk"].to_numpy() * shown.factor, color=style.TAIL, linewidth=1.6)
        if has_radius:
            _radius(axes[2], table["radius"].to_numpy(dtype=np.float64))
        for k, ax in enumerate(axes):
            _quarters(ax, list(table["quarter"]), names=k == 0)
    return figure


def _benefits(ax: Axes, table: pd.DataFrame, words: Mapping[str, str]) -> None:
    """One line a benefit, each relative to its own start: they have different units and are never added."""
    paths: dict[str, Any] = {}
    for name in words:
        values = table[name].to_numpy(dtype=np.float64)
        change = 100.0 * (values / values[0] - 1.0)
        twin = next((said for said, path in paths.items() if np.abs(path - change).max() <= 100.0 * SAME), None)
        if twin is not None:
            paths[f"{twin}, {SHORT.get(name, name)}"] = paths.pop(twin)
        else:
            paths[SHORT.get(name, name)] = change
    for k, path in enumerate(paths.values()):
        ax.plot(np.arange(path.size), path, color=COLOURS[k], linewidth=1.6, linestyle=DASHES[k % len(DASHES)])
    (low, high), tall = ax.get_ylim(), style.extent(ax)[1]
    order = sorted(paths, key=lambda name: float(paths[name][-1]))
    natural = [(float(paths[name][-1]) - low) / (high - low) * tall for name in order]
    places = apart(natural, 1.25 * style.BASE, tall, 0.75 * style.BASE)
    for name, here, there in zip(order, natural, places, strict=True):
        ax.annotate(name, (len(table) - 1, float(paths[name][-1])), (5.0, there - here), textcoords="offset points",
                    va="center", color=COLOURS[list(paths).index(name)], fontweight="bold", annotation_clip=False,
                    bbox=style.PAPER)  # fmt: skip
    room, wide = max(width(name, style.BASE, "bold") for name in paths) + 8.0, style.extent(ax)[0]
    ax.set_xlim(0, (len(table) - 1) * wide / (wide - room))


def _radius(ax: Axes, radius: Any) -> None:
    """The radius and the line above which small stress grows."""
    style.dressed(ax, "Whether small stress grows", "", "Spectral radius")
    ax.plot(np.arange(radius.size), radius, color=style.TAIL, linewidth=1.6)
    ax.axhline(1.0, color=style.MARK, linewidth=1.0, linestyle=(0, (4, 3)))
    known = radius[~np.isnan(radius)]
    low, high = min(1.0, float(known.min())), max(1.0, float(known.max()))
    room = 0.25 * (high - low) or 0.1
    ax.set_ylim(max(0.0, low - room), high + room)
    ax.annotate("grows above 1", (0.0, 1.0), (3.0, 3.0), textcoords="offset points", ha="left", va="bottom",
                color=style.MARK, fontweight="bold", bbox=style.PAPER)  # fmt: skip


def _quarters(ax: Axes, quarters: list[str], *, names: bool) -> None:
    """Years where they begin; the vertical axis in numbers that read."""
    from matplotlib.ticker import MaxNLocator

    first = [k for k, quarter in enumerate(quarters) if quarter.endswith("Q1")] or [0]
    few = first[:: -(-len(first) // 6)]
    ax.set_xticks(few, [quarters[k].removesuffix("Q1") for k in few])
    if not names:
        ax.set_xlim(0, len(quarters) - 1)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))
