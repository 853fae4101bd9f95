"""Balance sheets as two stacked bars, assets and liabilities: one sheet, or before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.errors import InputError
from sim.report import style
from sim.report.labels import LINE, apart
from sim.report.page import LOW, page
from sim.report.text import exact, scale, tick, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDES = ("assets", "liabilities")
EQUITY = "Equity"

ROOM = 2.3
"""Width kept for the labels of a bar; the bar's own is 1."""

SMALL = 0.012
"""Items below this share of the larger side are shown as one."""

ASSETS = (style.TAIL, "#3f719e", style.BODY, "#b7cde2", "#d9e4ef", "#eef3f8")
DEBTS = ("#7b828c", "#9aa1aa", "#b9bec6", "#d5d8dd", "#e9ebee", "#f4f5f6")
"""From the largest item on; equity stands out, a shortfall is hatched."""


class Item(NamedTuple):
    """A piece of a bar."""

    name: str
    amount: float
    colour: str
    hatch: str = ""


def balance_sheets(ax: Axes, sheets: Sequence[tuple[str, pd.DataFrame]], *, unit: str) -> Axes:
    """Draw each sheet as a bar of assets beside a bar of liabilities, every item named with its amount.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    sheets : sequence of (str, DataFrame)
        Heading and table with columns ``side`` (``"assets"`` or ``"liabilities"``), ``item``, ``amount``; as a rule
        one, or one before and one after. An item has one colour in all of them; a negative one, such as equity
        after large losses, stands hatched on the other side, so that both bars are as high.
    unit : str
        Of the amounts.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        A table names another side, or holds what is not finite.
    """
    tables = [(name, _checked(table)) for name, table in sheets]
    with style.language():
        peak = max([_height(table) for _, table in tables] or [0.0])
        shown = scale(unit, peak)
        label, sides = ("Book value", shown.unit), "Left bar: assets; right bar: liabilities and equity"
        style.dressed(ax, "", sides, label)
        if peak <= 0.0:
            style.blank(ax, "nothing on the balance sheet" if tables else "no balance sheet")
            return ax
        high = style.extent(ax)[1]
        ax.set_ylim(0.0, peak * shown.factor / (1.0 - 20.0 / high))
        span = 2.0 * ROOM + 2.08
        ax.set_xlim(0.0, span * len(tables))
        colours = _colours([table for _, table in tables])
        for k, (name, table) in enumerate(tables):
            _sheet(ax, k * span, name, _items(table, peak, colours, shown.factor), peak * shown.factor)
        ax.set_xticks([])
        _ticks(ax, peak * shown.factor)
    return ax


def balance_figure(
    heads: tuple[str, str], note: str, sheets: Sequence[tuple[str, pd.DataFrame]], *, unit: str
) -> Figure:
    """Draw balance sheets on a page of their own.

    Parameters
    ----------
    heads : tuple of str
        Title and subtitle.
    note : str
        At the foot.
    sheets : sequence of (str, DataFrame)
        As for `balance_sheets`.
    unit : str
        Of the amounts.

    Returns
    -------
    Figure
        Belongs to no window.
    """
    figure, (ax,) = page(heads, note, (6.4, 3.8) if len(sheets) < 2 else (4.9 * len(sheets), 3.9), margins=LOW)
    balance_sheets(ax, sheets, unit=unit)
    return figure


def _checked(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Amounts by side and item, items of one name added."""
    out: dict[str, dict[str, float]] = {side: {} for side in SIDES}
    for side, item, amount in zip(table["side"], table["item"], table["amount"], strict=True):
        if side not in out:
            raise InputError(f"side: got {side!r}, allowed: {' or '.join(SIDES)}")
        if not np.isfinite(amount):
            raise InputError(f"amount of {item}: got {amount}, allowed: a finite number")
        out[side][str(item)] = out[side].get(str(item), 0.0) + float(amount)
    return out


def _height(table: dict[str, dict[str, float]]) -> float:
    """Of the higher bar once negative items have changed sides."""
    heights = dict.fromkeys(SIDES, 0.0)
    for side, items in table.items():
        for amount in items.values():
            heights[side if amount >= 0.0 else SIDES[side == SIDES[0]]] += abs(amount)
    return max(heights.values())


def _colours(tables: Sequence[dict[str, dict[str, float]]]) -> dict[tuple[str, str], tuple[int, str]]:
    """Place and colour of every item: by its largest amount in any sheet, so that it is the same in all."""
    out: dict[tuple[str, str], tuple[int, str]] = {}
    for side, shades in zip(SIDES, (ASSETS, DEBTS), strict=True):
        names = list(dict.fromkeys(name for table in tables for name in table[side] if name != EQUITY))
        most = {name: max(abs(table[side].get(name, 0.0)) for table in tables) for name in names}
        for place, name in enumerate(sorted(names, key=lambda name: -most[name])):
            out[side, name] = (place, shades[min(place, len(shades) - 1)])
        out[side, EQUITY] = (len(names), style.MARK)
    return out


def _items(
    table: dict[str, dict[str, float]], peak: float, colours: dict[tuple[str, str], tuple[int, str]], factor: float
) -> dict[str, list[Item]]:
    """The pieces of both bars from the bottom up, small ones as one, equity on top."""
    bars: dict[str, list[Item]] = {}
    for side in SIDES:
        order = sorted(table[side], key=lambda name: colours[side, name][0])
        kept = [name for name in order if table[side][name] > 0.0]
        small = [name for name in kept if table[side][name] < SMALL * peak and name != EQUITY]
        small = small if len(small) > 1 else []
        bars[side] = [
            Item(name, table[side][name] * factor, colours[side, name][1]) for name in kept if name not in small
        ]
        if small:
            rest = Item(f"{len(small)} smaller items", sum(table[side][name] for name in small) * factor, "#f7f8f9")
            at = len(bars[side]) - (1 if bars[side] and bars[side][-1].name == EQUITY else 0)
            bars[side].insert(at, rest)
    for side, other in (SIDES, SIDES[::-1]):
        for name, amount in table[side].items():
            if amount < 0.0:
                said = "Shortfall of equity" if name == EQUITY else f"{name}, negative"
                bars[other].append(Item(said, -amount * factor, colours[side, name][1], "////"))
    return bars


def _sheet(ax: Axes, left: float, name: str, bars: dict[str, list[Item]], peak: float) -> None:
    """One sheet: heading, two bars, labels outside of them."""
    wide, high = style.extent(ax)
    one = wide / ax.get_xlim()[1]
    top = ax.get_ylim()[1]
    total = max(sum(item.amount for item in bars[side]) for side in SIDES)
    centre = left + ROOM + 1.04
    said = wrapped(name, (2.0 * ROOM + 2.0) * one, style.HEAD, "bold", lines=1, end=f": {exact(total)}")
    ax.annotate(said, (centre, 1.0), (0.0, -2.0), xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", va="top", fontsize=style.HEAD, fontweight="bold")  # fmt: skip
    if total <= 0.0:
        ax.annotate("nothing left", (centre, 0.5 * peak), ha="center", va="center", color=style.QUIET)
    for side, at in zip(SIDES, (left + ROOM, left + ROOM + 1.08), strict=True):
        low, rows = 0.0, []
        for item in bars[side]:
            is_hatched = bool(item.hatch)
            edging = item.colour if is_hatched else "#8a9099"
            ax.bar(at + 0.5, item.amount, 1.0, low, color="white" if is_hatched else item.colour,
                   hatch=item.hatch or None, edgecolor=edging, linewidth=0.5, zorder=2)  # fmt: skip
            text = wrapped(item.name, ROOM * one - 12.0, style.SMALL, lines=2, end=f": {exact(item.amount)}")
            rows.append((item, text, (low + 0.5 * item.amount) / top * high))
            low += item.amount
        gaps = [LINE * style.SMALL * (text.count("\n") + 1) + 1.0 for _, text, _ in rows]
        limit = high - 20.0 - (0.5 * gaps[-1] if gaps else 0.0)
        placed = apart([middle for *_, middle in rows], gaps, limit, 0.5 * gaps[0] if gaps else 0.0)
        side_of = -1.0 if side == SIDES[0] else 1.0
        edge = at if side_of < 0.0 else at + 1.0
        for (item, text, middle), up in zip(rows, placed, strict=True):
            points = [(edge, middle / high * top), (edge + side_of * 4.0 / one, middle / high * top),
                      (edge + side_of * 9.0 / one, up / high * top)]  # fmt: skip
            ax.plot(*zip(*points, strict=True), color=style.QUIET, linewidth=0.5, clip_on=False)
            is_own = item.name == EQUITY or item.hatch
            ax.annotate(text, (edge + side_of * 10.5 / one, up / high * top), ha="right" if side_of < 0.0 else "left",
                        va="center", color=style.MARK if is_own else style.INK, fontsize=style.SMALL,
                        fontweight="bold" if is_own else "normal", annotation_clip=False, bbox=style.PAPER)  # fmt: skip


def _ticks(ax: Axes, peak: float) -> None:
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(0.0, peak)
    ax.set_yticks([place for place in ticks if 0.0 <= place <= peak * 1.001])
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))
