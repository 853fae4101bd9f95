"""Impact against vulnerability: whose default hurts the others, and who is hurt by theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report import style
from sim.report.circles import Circles, radii
from sim.report.distribution import padded
from sim.report.labels import beside
from sim.report.text import tick, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LARGEST = 13.0
"""Radius of the largest circle, points."""

LEADER = {"arrowstyle": "-", "color": style.QUIET, "linewidth": 0.5}

LONGEST = 110.0
"""Width of a label, points."""


def impact_vulnerability(
    ax: Axes,
    impact: npt.ArrayLike,
    vulnerability: npt.ArrayLike,
    circles: Circles,
    *,
    labelled: int = 12,
) -> Axes:
    """Draw one circle an agent: how far its default hurts the others, against how far theirs hurt it.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    impact : float64[n], 1
        Share of the equity of all others that is lost when the agent defaults.
    vulnerability : float64[n], 1
        Share of its own equity that the agent loses when another defaults, on average; what is not finite is left out.
    circles : Circles
        Names of the agents, and what the areas stand for.
    labelled : int
        Most agents named; those furthest from the origin are, where there is room.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        The arrays do not have one value an agent.
    """
    x, y = (np.asarray(values, dtype=np.float64).ravel() * 100.0 for values in (vulnerability, impact))
    ids, area = circles.ids, circles.areas()
    if not len(ids) == x.size == y.size:
        raise InputError(f"ids: got {len(ids)}, allowed: as many as impact ({y.size}) and vulnerability ({x.size})")
    labels = (
        ("Vulnerability: own equity lost when another fails, mean", "%"),
        ("Impact: equity of all others lost when it fails", "%"),
    )
    with style.language():
        good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        if good.size == 0:
            style.dressed(ax, "", *labels)
            style.blank(ax, "no agents")
            return ax
        size = radii(area[good], LARGEST)
        note = circles.told(area[good])
        note += f"; left out: {len(ids) - good.size:,} not finite" if good.size < len(ids) else ""
        style.dressed(ax, "", *labels, note)
        ax.grid(axis="x", color=style.RULE, linewidth=0.5)
        x, y = x[good], y[good]
        _limits(ax, x, y)
        # the largest first, so that none hides a smaller one
        order = np.argsort(-size, kind="stable")
        ax.scatter(x[order], y[order], s=(2.0 * size[order]) ** 2, color=style.BODY, edgecolors=style.TAIL,
                   linewidths=0.5, alpha=0.75 if good.size <= 300 else 0.4, clip_on=False, zorder=2)  # fmt: skip
        _named(ax, (x, y), size, [ids[k] for k in good.tolist()], labelled)
    return ax


def _limits(ax: Axes, x: Float, y: Float) -> None:
    """Both axes from zero, with room for the circles at the ends."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlim(*_spaced(x))
    ax.set_ylim(*_spaced(y))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(lambda value, _: tick(value))


def _spaced(values: Float) -> tuple[float, float]:
    low, high = padded(min(0.0, float(values.min())), max(0.0, float(values.max())))
    return low, high + 0.06 * (high - low)


def _named(ax: Axes, places: tuple[Float, Float], size: Float, ids: Sequence[str], most: int) -> None:
    """Name the agents furthest out, relative to the largest value of each axis."""
    x, y = places
    scales = [float(values.max()) or 1.0 for values in (x, y)]
    order = np.argsort(-np.hypot(x / scales[0], y / scales[1]), kind="stable")
    chosen = min(max(0, most), order.size)
    wide, high = style.extent(ax)
    (left, right), (low, top) = ax.get_xlim(), ax.get_ylim()
    points = np.column_stack([(x - left) / (right - left) * wide, (y - low) / (top - low) * high])[order]
    texts = [wrapped(ids[k], LONGEST, style.SMALL, lines=1) for k in order[:chosen]]
    for k, box in enumerate(beside(points, size[order], texts, (wide, high), style.SMALL)):
        if box[2] > box[0]:
            at = (0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3]))
            _leader(ax, points[k], box, float(size[order][k]))
            ax.annotate(texts[k], at, xycoords="axes points", ha="center", va="center", color=style.INK,
                        fontsize=style.SMALL)  # fmt: skip


def _leader(ax: Axes, point: Float, box: tuple[float, ...], radius: float) -> None:
    """A thin line from a circle to its label where they are not close."""
    near = np.array([min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])])
    if float(np.hypot(*(near - point))) > radius + 6.0:
        start = point + (near - point) * radius / float(np.hypot(*(near - point)))
        ax.annotate("", tuple(near.tolist()), tuple(start.tolist()), xycoords="axes points",
                    textcoords="axes points", zorder=2.5, arrowprops=LEADER)  # fmt: skip
