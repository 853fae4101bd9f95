"""The waterfall: how a loss builds up from the first round to the total, and who bears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report import style
from sim.report.labels import LINE, apart
from sim.report.text import exact, number, scale, tick, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILLS = ((style.TAIL, ""), (style.BODY, ""), ("#ffffff", "////"), (style.MARK, ""), ("#e3e6ea", ""), ("#ffffff", ".."))
"""Colour and hatch of each bearer: apart for the colour-blind and in grey."""

NAMES = 0.22
"""Part of the width kept for the names of the bearers."""


def loss_waterfall(
    ax: Axes, losses: npt.ArrayLike, steps: Sequence[str], bearers: Sequence[str], *, unit: str, label: str
) -> Axes:
    """Draw one bar a source of loss, each beginning where the one before ended, and the total; stacked by bearer.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    losses : float64[n_steps, n_bearers], `unit`
        What each source adds to the loss of each bearer; relief is negative.
    steps : sequence of str
        Sources, from the first round on.
    bearers : sequence of str
        Who loses.
    unit : str
        Such as ``"EUR million"``.
    label : str
        What is lost, for the vertical axis.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        `losses` does not have one row a step and one column a bearer, or holds what is not finite.
    """
    amounts = np.asarray(losses, dtype=np.float64)
    if amounts.shape != (len(steps), len(bearers)):
        raise InputError(f"losses: got shape {amounts.shape}, allowed: {(len(steps), len(bearers))}, steps by bearers")
    if not np.isfinite(amounts).all():
        raise InputError("losses: got values that are not finite; allowed: finite amounts")
    with style.language():
        if amounts.size == 0:
            style.dressed(ax, "", "Source of loss", (label, unit))
            style.blank(ax, "no losses")
            return ax
        starts = np.concatenate([[0.0], np.cumsum(amounts.sum(axis=1))])
        shown = scale(unit, float(np.abs(starts).max()))
        amounts, starts = amounts * shown.factor, starts * shown.factor
        style.dressed(ax, "", "Source of loss", (label, shown.unit))
        tops = [_bar(ax, k, starts[k], amounts[k]) for k in range(len(steps))]
        tops.append(_bar(ax, len(steps), 0.0, amounts.sum(axis=0)))
        for k in range(len(steps)):
            ax.plot([k + 0.36, k + 0.64], [starts[k + 1]] * 2, color=style.QUIET, linewidth=0.8)
        _frame(ax, tops, [*steps, "total"])
        changes = [*amounts.sum(axis=1), starts[-1]]
        for k, (change, (_, top)) in enumerate(zip(changes, tops, strict=True)):
            said = exact(change) if k in (0, len(steps)) or change < 0.0 else f"+{exact(change)}"
            ax.annotate(said, (k, top), (0.0, 2.5), textcoords="offset points", ha="center", va="bottom",
                        fontweight="bold", color=style.INK, fontsize=style.BASE)  # fmt: skip
        _bearers(ax, amounts.sum(axis=0), bearers, len(steps))
    return ax


def _bar(ax: Axes, place: int, start: float, parts: Float) -> tuple[float, float]:
    """Stack what is lost upwards from the start, then relief downwards from there; return the ends."""
    at = start
    for sign in (1.0, -1.0):
        for k, part in enumerate(parts):
            if part * sign <= 0.0:
                continue
            colour, hatch = FILLS[k % len(FILLS)]
            is_relief = sign < 0.0
            ax.bar(place, part, 0.72, at, color="white" if is_relief else colour, hatch=hatch or None,
                   edgecolor=colour if is_relief and colour != "#ffffff" else style.QUIET if hatch else "white",
                   linewidth=1.0 if is_relief else 0.5, linestyle="--" if is_relief else "-", zorder=2)  # fmt: skip
            at += float(part)
    gains = float(parts[parts > 0.0].sum())
    return min(start, at), start + max(0.0, gains)


def _frame(ax: Axes, ends: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Limits with room for the amounts above the bars and the bearers on the right; names under the bars."""
    from matplotlib.ticker import MaxNLocator

    wide, high = style.extent(ax)
    low, top = min(0.0, *(each[0] for each in ends)), max(0.0, *(each[1] for each in ends))
    top = top if top > low else low + 1.0
    ax.set_ylim(low - (0.04 * (top - low) if low < 0.0 else 0.0), low + (top - low) / (1.0 - 16.0 / high))
    last = len(names) - 0.5
    ax.set_xlim(-0.5, last + (last + 0.5) * NAMES / (1.0 - NAMES))
    each = wide * (1.0 - NAMES) / len(names)
    ax.set_xticks(range(len(names)), [wrapped(name, each - 6.0, style.BASE, lines=3) for name in names])
    ax.tick_params(axis="x", length=0)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))
    if low < 0.0:
        ax.axhline(0.0, color=style.QUIET, linewidth=0.6)


def _bearers(ax: Axes, totals: Float, names: Sequence[str], place: int) -> None:
    """Name the parts of the total bar with their shares: of the loss, or of the gain where there is no loss."""
    wide, high = style.extent(ax)
    low, top = ax.get_ylim()
    whole = float(totals.sum())
    rows, at = [], 0.0
    for k in np.flatnonzero(totals > 0.0 if whole >= 0.0 else totals < 0.0).tolist():
        share = f": {number(100.0 * totals[k] / whole, 0)}%" if (totals * whole >= 0.0).all() else ""
        text = wrapped(names[k], wide * NAMES - 8.0, style.BASE, lines=3, end=share)
        middle = (at + 0.5 * float(totals[k]) - low) / (top - low) * high
        rows.append((k, text, middle))
        at += float(totals[k])
    rows.sort(key=lambda row: row[2])
    gaps = [LINE * style.BASE * (text.count("\n") + 1) + 2.0 for _, text, _ in rows]
    placed = apart([middle for _, _, middle in rows], gaps, high - 0.5 * gaps[-1] if gaps else high)
    for (k, text, _), up in zip(rows, placed, strict=True):
        colour = FILLS[k % len(FILLS)][0]
        value = low + up / high * (top - low)
        ax.annotate(text, (place + 0.36, value), (6.0, 0.0), textcoords="offset points", ha="left", va="center",
                    color=style.TAIL if colour == style.TAIL else style.INK, fontsize=style.BASE,
                    bbox=style.PAPER)  # fmt: skip
