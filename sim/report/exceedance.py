"""Exceedance curves: how probable a larger loss is, after the first round alone and after contagion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.report import style
from sim.report.distribution import finite, padded, tail, window
from sim.report.text import number, scale, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def first_and_total(ax: Axes, first: npt.ArrayLike, total: npt.ArrayLike, *, unit: str, label: str) -> Axes:
    """Draw how probable it is to lose more than an amount, before and after contagion; between the two lies contagion.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    first : float64[n_draws], `unit`
        Loss of the first round alone; empty where it was not recorded.
    total : float64[n_draws], `unit`
        Loss after contagion; what is not finite is left out of either.
    unit : str
        Such as ``"EUR million"``.
    label : str
        What is lost, for the horizontal axis.

    Returns
    -------
    Axes
        `ax`.
    """
    before, after = finite(first)[0], finite(total)[0]
    title = "First round and total" if before.size else "Probability of a larger loss"
    with style.language():
        if after.size == 0:
            style.dressed(ax, title, (label, unit), "Probability of a larger loss, %")
            style.blank(ax, "no draws")
            return ax
        low, high = window(after, tail(after).es)
        scaling = scale(unit, max(abs(low), abs(high)))
        style.dressed(ax, title, (label, scaling.unit), "Probability of a larger loss, %")
        floor = 100.0 / max(after.size, 10)
        grid = np.geomspace(floor, 100.0, 400)
        after, before = after * scaling.factor, before * scaling.factor
        curve = _quantiles(after, grid)
        if before.size:
            start = _quantiles(before, grid)
            ax.fill_betweenx(grid, start, curve, color=style.BODY, alpha=0.35, linewidth=0)
            ax.plot(start, grid, color=style.TAIL, linewidth=1.2, linestyle=(0, (4, 1.5)))
        ax.plot(curve, grid, color=style.MARK, linewidth=1.6)
        ax.set_yscale("log")
        chance = max(floor, 1.0)
        # Both names stand at this chance, one of them below the curve.
        ax.set_ylim(min(floor, chance / 8.0), 130.0)
        ax.set_xlim(*padded(low * scaling.factor, high * scaling.factor))
        ax.yaxis.set_major_formatter(lambda value, _: tick(value))
        ax.xaxis.set_major_formatter(lambda value, _: tick(value))
        ax.minorticks_off()
        _named_points(ax, before, after, chance)
    return ax


def _quantiles(values: Float, exceedance: Float) -> Float:
    """Amounts that are exceeded with the given probabilities in per cent."""
    return np.asarray(np.quantile(values, 1.0 - exceedance / 100.0, method="inverted_cdf"), dtype=np.float64)


def _named_points(ax: Axes, before: Float, after: Float, chance: float) -> None:
    """Name both curves where they pass one chance, with the amounts there."""
    left, right = ax.get_xlim()
    at = np.array([chance])
    total = float(_quantiles(after, at)[0])
    ax.plot([total], [chance], "o", color=style.MARK, markersize=4)
    ax.annotate(f"total\n{number(total)}", (total, chance), (5.0, 3.0), textcoords="offset points", ha="left",
                va="bottom", color=style.MARK, fontsize=style.BASE, fontweight="bold")  # fmt: skip
    if not before.size:
        return
    start = float(_quantiles(before, at)[0])
    is_right = (start - left) / (right - left) < 0.25
    ax.plot([start], [chance], "o", color=style.TAIL, markersize=4)
    ax.annotate(f"first round\n{number(start)}", (start, chance), (5.0 if is_right else -5.0, -3.0),
                textcoords="offset points", ha="left" if is_right else "right", va="top", color=style.TAIL,
                fontsize=style.BASE, fontweight="bold")  # fmt: skip
