"""A network as a whole: agents around a circle, their largest claims across it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Csr, Float, csr
from sim.errors import InputError
from sim.report import style
from sim.report.circles import LARGEST, Circles, radii
from sim.report.labels import LINE
from sim.report.page import LOW, page
from sim.report.text import amount, number, width, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST = 74.0
"""Width of a label, points."""


def plot_network(
    ax: Axes,
    exposures: Any,
    circles: Circles,
    *,
    most: int = 160,
) -> Axes:
    """Draw agents around a circle in the order given, and the largest claims between them.

    Parameters
    ----------
    ax : Axes
        Drawn on; the circle fills its height.
    exposures : Csr, array_like or SciPy sparse
        ``float64[n, n]``, `unit`: claim of creditor i (row) on debtor j (column).
    circles : Circles
        Names of the agents, clockwise from the top (where there are too many, the largest are named), and what the
        areas stand for; its unit is that of the claims.
    most : int
        Claims drawn, the largest.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        The arrays do not have one row an agent.
    """
    net = exposures if isinstance(exposures, Csr) else csr(exposures)
    ids, area = circles.ids, circles.areas()
    n = len(ids)
    if not n == net.n_rows == net.n_columns:
        raise InputError(f"ids: got {n}, allowed: as many as rows of exposures ({net.n_rows})")
    with style.language():
        if n == 0:
            style.dressed(ax, "", "Claims between agents", "")
            style.blank(ax, "no agents")
            return ax
        order = np.argsort(-net.weights, kind="stable")[:most]
        kept = order[net.weights[order] > 0.0]
        style.dressed(ax, "", _told(net, kept, circles.unit), "", circles.told(area))
        wide, high = style.extent(ax)
        ax.set_xlim(-0.5 * wide, 0.5 * wide)
        ax.set_ylim(-0.5 * high, 0.5 * high)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(visible=False)
        ax.spines["bottom"].set_visible(False)
        texts = [wrapped(name, LONGEST, style.SMALL, lines=1) for name in ids]
        reach = max(width(text, style.SMALL) for text in texts) if n else 0.0
        ring = max(20.0, 0.5 * high - reach - LARGEST - 6.0)
        angle = 0.5 * math.pi - 2.0 * math.pi * np.arange(n) / n
        points = ring * np.column_stack([np.cos(angle), np.sin(angle)])
        _claims(ax, net, kept, points)
        size = np.minimum(radii(area), max(1.0, 0.47 * 2.0 * math.pi * ring / n))
        ax.scatter(
            points[:, 0],
            points[:, 1],
            s=(2.0 * size) ** 2,
            color=style.TAIL,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
        _names(ax, texts, (angle, ring, size), np.argsort(-area, kind="stable"))
    return ax


def network_figure(heads: tuple[str, str], note: str, exposures: Any, circles: Circles) -> Figure:
    """Draw a network on a page of its own.

    Parameters
    ----------
    heads : tuple of str
        Title and subtitle.
    note : str
        At the foot.
    exposures : Csr, array_like or SciPy sparse
        As for `plot_network`.
    circles : Circles
        As for `plot_network`.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    figure, (ax,) = page(heads, note, (6.6, 6.0), margins=LOW)
    plot_network(ax, exposures, circles)
    return figure


def _told(net: Csr, kept: npt.NDArray[np.int64], unit: str) -> str:
    """What the lines are."""
    whole = float(net.weights.sum())
    if not kept.size:
        return "No claims"
    peak = float(net.weights[kept].max())
    share = (
        f"the {kept.size:,} largest of {net.weights.size:,}, {number(100 * float(net.weights[kept].sum()) / whole, 0)}"
    )
    which = f"{share}% of the amount" if kept.size < net.weights.size else f"all {kept.size:,}"
    return f"Lines: claims, {which}; widest {amount(peak, unit)}"


def _claims(ax: Axes, net: Csr, kept: npt.NDArray[np.int64], points: Float) -> None:
    """Curves bent towards the middle, the smallest first."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    rows = np.repeat(np.arange(net.n_rows), np.diff(net.indptr))
    peak = float(net.weights[kept].max(initial=0.0)) or 1.0
    reach = 2.0 * float(np.hypot(*points[0]))
    for edge in kept[::-1]:
        start, end = points[rows[edge]], points[net.indices[edge]]
        share = float(net.weights[edge]) / peak
        # neighbours are joined close to the circle; claims both ways bend apart
        chord = end - start
        far = float(np.hypot(*chord)) / reach
        bend = (0.9 - 0.6 * far) * 0.5 * (start + end) + 0.06 * np.array([-chord[1], chord[0]])
        path = Path([start, bend, end], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
        ax.add_patch(PathPatch(path, fill=False, edgecolor=style.TAIL, alpha=0.15 + 0.55 * share,
                               linewidth=0.4 + 2.2 * share, zorder=1))  # fmt: skip


def _names(ax: Axes, texts: Sequence[str], where: tuple[Float, float, Float], order: npt.NDArray[np.int64]) -> None:
    """Names outside the circle, turned to stand on it; the largest agents first, while neighbours leave room."""
    angle, ring, size = where
    least = LINE * style.SMALL / ring
    taken: list[float] = []
    for k in order:
        if any(abs((angle[k] - other + math.pi) % (2.0 * math.pi) - math.pi) < least for other in taken):
            continue
        taken.append(float(angle[k]))
        turn = math.degrees(float(angle[k])) % 360.0
        is_left = 90.0 < turn < 270.0
        out = ring + float(size[k]) + 3.0
        ax.text(out * math.cos(angle[k]), out * math.sin(angle[k]), texts[k],
                rotation=turn - 180.0 if is_left else turn, rotation_mode="anchor",
                ha="right" if is_left else "left", va="center", color=style.INK, fontsize=style.SMALL)  # fmt: skip
