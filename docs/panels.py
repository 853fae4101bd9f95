"""Panels of the figures of docs/scenarios: lines over days, bars by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.arrays import Float
from sim.report import style
from sim.report.labels import apart
from sim.report.page import Margins, page
from sim.report.sweep import COLOURS
from sim.report.text import number, scale, tick, width

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 1.5, 1, 1.5)))
HATCHES = ("", "///", "xxx")
SIZE, AROUND = (3.5, 2.2), Margins(below=0.5, gap=0.8)


def sheet(name: str, title: str, note: str, *, draws: int, seeds: str) -> tuple[Figure, list[Axes]]:
    """Return a page with two panels."""
    return page((title, f"{name}: {draws:,} draws, seed {seeds}"), note, SIZE, 2, AROUND)


def lines(
    ax: Axes, title: str, paths: Mapping[str, Float], label: tuple[str, str], *, zero: bool = True, over: str = "Day"
) -> None:
    """Draw the mean over draws of each quantity, float64[n_draws, n_steps], in a band, with its name at the end."""
    with style.language():
        scaling = scale(label[1], max(float(np.abs(each).max()) for each in paths.values()))
        style.dressed(ax, title, over, (label[0], scaling.unit))
        steps = len(next(iter(paths.values()))[0])
        days = np.arange(1, steps + 1)
        for k, values in enumerate(paths.values()):
            shown = values * scaling.factor
            ax.fill_between(days, *np.quantile(shown, (0.05, 0.95), axis=0), color=COLOURS[k], alpha=0.2, linewidth=0)
            ax.plot(days, shown.mean(axis=0), color=COLOURS[k], linewidth=1.6, linestyle=DASHES[k])
        low, high = ax.get_ylim()
        ax.set_ylim(*((0.0, high) if zero else (low, high)))
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))
        room = max(width(name, style.BASE, "bold") for name in paths) + 8.0
        wide = style.extent(ax)[0]
        ax.set_xlim(1, 1 + (steps - 1) * wide / (wide - room))
        style.whole_ticks(ax, 1, steps)
        _ends(ax, steps, {name: float(each[:, -1].mean()) * scaling.factor for name, each in paths.items()})


def _ends(ax: Axes, steps: int, ends: Mapping[str, float]) -> None:
    """Name every line beside its end, moved apart where names would touch."""
    (low, high), tall = ax.get_ylim(), style.extent(ax)[1]
    order = sorted(ends, key=lambda name: ends[name])
    natural = [(ends[name] - low) / (high - low) * tall for name in order]
    names = list(ends)
    for name, here, there in zip(
        order, natural, apart(natural, 1.25 * style.BASE, tall, 0.75 * style.BASE), strict=True
    ):
        ax.annotate(
            name,
            (steps, ends[name]),
            (5.0, there - here),
            textcoords="offset points",
            va="center",
            color=COLOURS[names.index(name)],
            fontweight="bold",
            annotation_clip=False,
            bbox=style.PAPER,
        )


def bars(
    ax: Axes, title: str, heights: Mapping[str, Sequence[float]], groups: Sequence[str], label: tuple[str, str]
) -> None:
    """Draw one bar a series and group, with its height; series are named above the panel."""
    with style.language():
        scaling = scale(label[1], max(float(np.abs(each).max()) for each in map(np.asarray, heights.values())))
        style.dressed(ax, title, "", (label[0], scaling.unit))
        each = 0.8 / len(heights)
        for k, (name, values) in enumerate(heights.items()):
            at = np.arange(len(groups)) + (k - 0.5 * (len(heights) - 1)) * each
            shown = np.asarray(values) * scaling.factor
            ax.bar(
                at, shown, 0.9 * each, color=COLOURS[k], hatch=HATCHES[k], edgecolor="white", linewidth=0, label=name
            )
            for x, y in zip(at, shown, strict=True):
                ax.annotate(
                    number(float(y)),
                    (x, y),
                    (0.0, 2.0 if y >= 0.0 else -2.0),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if y >= 0.0 else "top",
                    fontsize=style.SMALL,
                )
        ax.axhline(0.0, color=style.QUIET, linewidth=0.6)
        ax.margins(y=0.16 + 0.12 * len(heights) * (len(heights) > 1))
        if ax.get_ylim()[0] > 0.0 or min(min(values) for values in heights.values()) >= 0.0:
            ax.set_ylim(bottom=0.0)
        ax.set_xticks(range(len(groups)), groups)
        ax.tick_params(axis="x", length=0)
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))
        if len(heights) > 1:
            ax.legend(frameon=False, fontsize=style.SMALL, loc="upper right", ncols=1)
