"""A cascade on the network: who failed in which wave, and on whom they had claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Csr, Float, Int, csr
from sim.errors import InputError
from sim.report import style
from sim.report.circles import LARGEST, Circles, radii
from sim.report.labels import LINE
from sim.report.text import amount, number, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLUMNS = 9
"""Columns of failed agents; more waves than that share columns."""

MOST_HURT = 14
"""Survivors shown, those who lost most."""

SWAY = (-0.55, 0.75, -1.0, 0.3, -0.2, 1.0, -0.75)
"""How far from the middle short columns lie, in turn."""

LINKS = 3
"""Claims shown of each named agent; one of every other, where that is not too much."""

MOST_LINKS = 400

GRID = 0.36
"""Most of the height that agents without a name take."""


@dataclass
class Place:
    """A circle: whose, where it is in points from the lower left, and its name where there is room for it."""

    row: int
    column: int
    x: float
    y: float
    radius: float
    text: str = ""
    is_dot: bool = False
    """One of a block of agents without a name; the text of the first stands above the block."""


@dataclass
class Column:
    """Agents of one wave, or of a few: heading, rows of those named, rows of the others."""

    heading: str
    named: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)


def plot_cascade(
    ax: Axes,
    exposures: Any,
    wave: npt.ArrayLike,
    circles: Circles,
    *,
    lost: npt.ArrayLike | None = None,
    label: tuple[str, str] = ("Wave of failure, 1: by the shock itself", "rounds"),
) -> Axes:
    """Draw a cascade from left to right: one column a wave, lines from those who failed to those with claims on them.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    exposures : Csr, array_like or SciPy sparse
        ``float64[n, n]``, `unit`: claim of creditor i (row) on debtor j (column).
    wave : int64[n]
        Wave in which each agent failed, from 1; 0 is never.
    circles : Circles
        Names of the agents, and what the areas stand for; its unit is that of the claims.
    lost : float64[n], optional
        Share of its equity that each agent lost, 1; with it, the survivors who lost most stand in a last column.
    label : tuple of str
        What the waves are, and their unit.

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
    when = np.asarray(wave, dtype=np.int64).ravel()
    share = np.zeros(n) if lost is None else np.asarray(lost, dtype=np.float64).ravel()
    if not n == when.size == share.size == net.n_rows == net.n_columns:
        raise InputError(f"ids: got {n}, allowed: as many as rows of exposures ({net.n_rows}), waves and shares lost")
    with style.language():
        columns = _columns(when, area, share, style.extent(ax)[1])
        if not columns:
            style.dressed(ax, "", label, "")
            style.blank(ax, "no agent failed or lost anything" if n else "no agents")
            return ax
        places = _places(ax, columns, net, (when, area, share), ids)
        links = _links(net, places, when)
        areas = [circles.told(area[[each.row for each in places]])]
        claims = [f"line width: claim, widest {amount(max(link[2] for link in links), circles.unit)}"] if links else []
        said = "; ".join(filter(None, areas + claims))
        style.dressed(ax, "", label, said[:1].upper() + said[1:])
        _frame(ax, columns)
        _draw(ax, places, links, when)
    return ax


def _columns(when: Int, area: Float, share: Float, high: float) -> list[Column]:
    """Who stands where; waves share columns where there are many."""
    waves = [int(each) for each in np.unique(when[when > 0])]
    each = math.ceil(len(waves) / MOST_COLUMNS)
    columns = []
    for first in range(0, len(waves), max(1, each)):
        chosen = waves[first : first + each]
        rows = [int(k) for k in np.flatnonzero(np.isin(when, chosen))]
        rows.sort(key=lambda k: (-area[k], k))
        heading = str(chosen[0]) if len(chosen) == 1 else f"{chosen[0]}\u2013{chosen[-1]}"
        columns.append(_column(heading, rows, high))
    hurt = [int(k) for k in np.flatnonzero((when == 0) & (share > 0.0))]
    hurt.sort(key=lambda k: (-share[k], k))
    if hurt:
        heading = "survive" if len(hurt) <= MOST_HURT else f"survive: {MOST_HURT} most hurt of {len(hurt):,}"
        columns.append(Column(heading, hurt[: min(MOST_HURT, _rows(high))]))
    return columns


def _rows(high: float) -> int:
    """Names that fit below one another."""
    return max(1, int(high / (LINE * style.SMALL + 2.5)))


def _column(heading: str, rows: list[int], high: float) -> Column:
    """The largest get a name, the others stand together at the foot of the column."""
    if len(rows) <= _rows(high):
        return Column(heading, rows)
    fit = max(1, int(_rows(high) * (1.0 - GRID)) - 1)
    return Column(heading, rows[:fit], rows[fit:])


def _places(
    ax: Axes, columns: Sequence[Column], net: Csr, facts: tuple[Int, Float, Float], ids: Sequence[str]
) -> list[Place]:
    """Where every circle is: within a column ordered by where their debtors are, so that lines cross little."""
    when, area, share = facts
    wide, high = style.extent(ax)
    each = wide / len(columns)
    shown = [row for column in columns for row in (*column.named, *column.others)]
    radius = dict(zip(shown, radii(area[shown], min(LARGEST, 0.16 * each)).tolist(), strict=True))
    heights: dict[int, float] = {}
    places: list[Place] = []
    for c, column in enumerate(columns):
        foot = GRID * high if column.others else 0.0
        # waves that share a column stand below one another
        named = sorted(column.named, key=lambda row: (when[row], -_pulled(net, row, heights, high), -area[row], row))
        step = (high - foot) / len(named)
        gap = min(step, 46.0)
        # short columns lie above and below the middle by turns, so that lines pass beside them
        spare = 0.5 * (high - foot - gap * len(named))
        sway = SWAY[c % len(SWAY)] * min(spare, 0.2 * high) if 2 < len(columns) > c + 1 else 0.0
        top = foot + 0.5 * (high - foot) + 0.5 * gap * (len(named) - 1) + sway
        x = (c + 0.5) * each if len(columns) == 1 else c * each + LARGEST + 2.0
        for k, row in enumerate(named):
            least = min(radius[row], 0.48 * gap)
            place = Place(row, c, x, top - k * gap, least)
            said = f" \u2212{number(100.0 * share[row], 0)}%" if when[row] == 0 else ""
            place.text = wrapped(ids[row], each - least - LARGEST - 8.0, style.SMALL, lines=1, end=said)
            heights[row] = place.y
            places.append(place)
        places += _grid(column.others, c, (x, each), foot, heights)
    return places


def _pulled(net: Csr, row: int, heights: dict[int, float], high: float) -> float:
    """Mean height of the debtors placed so far, by claim; the middle without any."""
    span = slice(int(net.indptr[row]), int(net.indptr[row + 1]))
    known = [
        (heights[j], w) for j, w in zip(net.indices[span].tolist(), net.weights[span], strict=True) if j in heights
    ]
    whole = sum(weight for _, weight in known)
    return float(sum(y * weight for y, weight in known) / whole) if whole > 0.0 else 0.5 * high


def _grid(
    rows: Sequence[int], column: int, where: tuple[float, float], foot: float, heights: dict[int, float]
) -> list[Place]:
    """Agents without a name as a block of dots."""
    if not rows:
        return []
    x, each = where
    block, room = 0.8 * each, foot - 2.2 * LINE * style.SMALL
    pitch = min(5.0, math.sqrt(block * room / len(rows)))
    while pitch > 0.1 and math.ceil(len(rows) / max(1, int(block / pitch))) * pitch > room:
        pitch *= 0.97
    across = max(1, int(block / pitch))
    places = []
    for k, row in enumerate(rows):
        place = Place(
            row, column, x + (k % across) * pitch - 3.0, room - (k // across) * pitch, 0.36 * pitch, is_dot=True
        )
        heights[row] = place.y
        places.append(place)
    places[0].text = f"and {len(rows):,} smaller"
    return places


def _links(net: Csr, places: Sequence[Place], when: Int) -> list[tuple[Place, Place, float]]:
    """Largest claims of each agent on those that failed in an earlier column: debtor, creditor, amount."""
    at = {place.row: place for place in places}
    links = []
    for place in places:
        span = slice(int(net.indptr[place.row]), int(net.indptr[place.row + 1]))
        claims = [
            (float(weight), j)
            for j, weight in zip(net.indices[span].tolist(), net.weights[span], strict=True)
            if weight > 0.0 and j in at and _is_before(at[j], place, when)
        ]
        claims.sort(key=lambda each: (-each[0], each[1]))
        for claim, j in claims[: 1 if place.is_dot else LINKS]:
            links.append((at[j], place, claim))
    if len(links) > MOST_LINKS:
        links = [link for link in links if not link[1].is_dot]
    return links


def _is_before(debtor: Place, creditor: Place, when: Int) -> bool:
    """Whether a debtor failed before its creditor did, or did not."""
    return bool(when[debtor.row] > 0 and (when[creditor.row] == 0 or when[debtor.row] < when[creditor.row]))


def _frame(ax: Axes, columns: Sequence[Column]) -> None:
    """One unit is one point; headings under the columns."""
    wide, high = style.extent(ax)
    each = wide / len(columns)
    ax.set_xlim(0.0, wide)
    ax.set_ylim(0.0, high)
    ax.grid(visible=False)
    ax.set_yticks([])
    middle = [(c + 0.5) * each if len(columns) == 1 else c * each + LARGEST + 2.0 for c in range(len(columns))]
    texts = [wrapped(column.heading, each - 8.0, style.BASE, lines=2) for column in columns]
    ax.set_xticks(middle, texts, ha="left" if len(columns) > 1 else "center")
    ax.tick_params(axis="x", length=0)


def _curve(debtor: Place, creditor: Place) -> list[tuple[float, float]]:
    """From the right of a circle to the left of a later one; within a column, from left to left."""
    if debtor.column == creditor.column:
        out = min(16.0, 4.0 + 0.15 * abs(debtor.y - creditor.y))
        start, end = (debtor.x - debtor.radius, debtor.y), (creditor.x - creditor.radius, creditor.y)
        return [start, (start[0] - out, start[1]), (end[0] - out, end[1]), end]
    start, end = (debtor.x + debtor.radius, debtor.y), (creditor.x - creditor.radius, creditor.y)
    bend = 0.5 * (end[0] - start[0])
    return [start, (start[0] + bend, start[1]), (end[0] - bend, end[1]), end]


def _draw(ax: Axes, places: Sequence[Place], links: Sequence[tuple[Place, Place, float]], when: Int) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    peak = max((link[2] for link in links), default=1.0)
    faint = 0.55 if len(links) <= 150 else 0.25
    for debtor, creditor, claim in sorted(links, key=lambda link: link[2]):
        path = Path(_curve(debtor, creditor), [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        colour = style.TAIL if when[creditor.row] > 0 else style.QUIET
        ax.add_patch(PathPatch(path, fill=False, clip_on=False, edgecolor=colour, alpha=faint, zorder=1,
                               linewidth=0.4 + 2.6 * claim / peak))  # fmt: skip
    first = int(when[when > 0].min(initial=1 << 60))
    for place in places:
        fell = when[place.row] > 0
        colour = "white" if not fell else style.MARK if when[place.row] == first else style.TAIL
        ax.plot([place.x], [place.y], "o", markersize=2.0 * place.radius, color=colour, zorder=3, clip_on=False,
                markeredgecolor="white" if fell else style.QUIET, markeredgewidth=0.3 if fell else 0.9)  # fmt: skip
        if place.is_dot and place.text:
            ax.annotate(place.text, (place.x, place.y), (-3.0, 8.0), textcoords="offset points", ha="left", va="bottom",
                        color=style.QUIET, fontsize=style.SMALL)  # fmt: skip
        elif place.text:
            ax.annotate(place.text, (place.x + place.radius, place.y), (2.0, 0.0), textcoords="offset points",
                        ha="left", va="center", color=style.INK, fontsize=style.SMALL, annotation_clip=False, zorder=4,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.82})  # fmt: skip
