"""The fan: how a quantity spreads over draws as steps pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report import style
from sim.report.labels import apart
from sim.report.text import scale, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BANDS = ((98, 0.22), (90, 0.45), (50, 1.0))
"""Shares of draws inside each band, per cent, and how strongly each is filled."""


def fan(
    ax: Axes,
    steps: npt.ArrayLike,
    values: npt.ArrayLike,
    unit: str,
    label: str,
    step_label: str = "Step (business days)",
) -> Axes:
    """Draw the median over draws at each step, within the bands that hold 50%, 90% and 98% of draws.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    steps : float64[n_steps] or int64[n_steps]
        Numbers of the steps, ascending.
    values : float64[n_draws, n_steps], `unit`
        One path a draw; what is not finite is left out of its step.
    unit : str
        Such as ``"EUR million"``.
    label : str
        What is shown, for the vertical axis.
    step_label : str
        For the horizontal axis.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        `values` does not have one column a step.
    """
    at = np.asarray(steps, dtype=np.float64).ravel()
    paths = np.asarray(values, dtype=np.float64)
    if paths.ndim != 2 or paths.shape[1] != at.size:
        raise InputError(f"values: got shape {paths.shape}, allowed: (n_draws, {at.size}), one column for each step")
    with style.language():
        usable = np.isfinite(paths).any(axis=0)
        if not usable.any():
            style.dressed(ax, "Over time", step_label, (label, unit))
            style.blank(ax, "no draws")
            return ax
        at, paths = at[usable], np.where(np.isfinite(paths), paths, np.nan)[:, usable]
        edges = _edges(paths)
        scaling = scale(unit, float(np.abs(edges).max()))
        edges = edges * scaling.factor
        style.dressed(ax, "Over time", step_label, (label, scaling.unit))
        middle = len(BANDS)
        for k, (_, strength) in enumerate(BANDS):
            ax.fill_between(at, edges[k], edges[-1 - k], color=style.BODY, alpha=strength, linewidth=0)
        ax.plot(at, edges[middle], color=style.TAIL, linewidth=1.8, marker="o" if at.size == 1 else "")
        _limits(ax, at, edges)
        _named_bands(ax, float(at[-1]), edges[:, -1])
    return ax


def _edges(paths: Float) -> Float:
    """Band edges from the lowest to the highest, the median between them: ``float64[2 n_bands + 1, n_steps]``."""
    half = [0.5 - share / 200.0 for share, _ in BANDS]
    probabilities = [*half, 0.5, *(1.0 - p for p in reversed(half))]
    return np.asarray(np.nanquantile(paths, probabilities, axis=0), dtype=np.float64)


def _limits(ax: Axes, at: Float, edges: Float) -> None:
    """Start at zero where nothing is negative, and leave room on the right for the names of the bands."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(0.0, float(edges.min())), max(0.0, float(edges.max()))
    ax.set_ylim(low * 1.06, high * 1.06 if high > 0.0 else (1.0 if low == 0.0 else 0.0))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))
    span = float(at[-1] - at[0]) or 1.0
    ax.set_xlim(at[0] - (0.0 if at.size > 1 else 0.5), at[-1] + 0.24 * span)
    style.whole_ticks(ax, float(at[0]), float(at[-1]))


def _named_bands(ax: Axes, last: float, ends: Float) -> None:
    """Name the median and the upper edges of the bands at the last step, moved apart where they would touch."""
    height = style.extent(ax)[1]
    low, high = ax.get_ylim()
    middle = len(BANDS)
    names = [("median", float(ends[middle]), "bold")]
    names += [(f"{share}%", float(ends[-1 - k]), "normal") for k, (share, _) in reversed(list(enumerate(BANDS)))]
    if (ends[-1] - ends[0]) / (high - low) * height < 2.0:
        # The bands have no width here: naming them would suggest that they had.
        names = [("all draws", float(ends[middle]), "bold")]
    natural = [(value - low) / (high - low) * height for _, value, _ in names]
    placed = apart(natural, 1.25 * style.BASE, height)
    for (name, value, weight), here, there in zip(names, natural, placed, strict=True):
        ax.annotate(name, (last, value), (5.0, there - here), textcoords="offset points", va="center", ha="left",
                    color=style.TAIL, fontsize=style.BASE, fontweight=weight, annotation_clip=False,
                    bbox=style.PAPER)  # fmt: skip
