"""Distributions over draws: losses with VaR and expected shortfall, and default counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report import style
from sim.report.text import digits, number, scale, tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARE = "Share of draws, %"
ROW = 25.0
"""Height kept for the two-line label of one mark, points."""


class Tail(NamedTuple):
    """Value-at-risk and expected shortfall with 95% intervals, in the unit of the losses; NaN where there is none."""

    var: float
    var_lo: float
    var_hi: float
    es: float
    es_lo: float
    es_hi: float


class Mark(NamedTuple):
    """A vertical line with a label: where, what it says in bold and below, how it looks, and its interval."""

    at: float
    head: str
    note: str
    colour: str
    dash: str
    low: float = math.nan
    high: float = math.nan


def tail(losses: npt.ArrayLike, level: float = 0.99) -> Tail:
    r"""Estimate VaR and expected shortfall of a sample, each with a 95% interval.

    VaR is the order statistic of rank :math:`\lceil np \rceil`, its interval the order statistics between which a
    binomial count falls. ES is :math:`VaR + \overline{(x - VaR)^+} / (1 - p)`, its standard error that of the
    influence function.

    Parameters
    ----------
    losses : float64[n_draws]
        Any unit; finite.
    level : float
        Probability p, in (0, 1).

    Returns
    -------
    Tail
        Unit of `losses`; intervals are NaN where the sample is too small for that of VaR; all NaN when it is empty.

    References
    ----------
    Acerbi and Tasche (2002), J. Banking & Finance 26(7): ES of a discrete sample. David and Nagaraja (2003), Order
    Statistics, section 7.1.
    """
    from scipy import stats

    ordered = np.sort(np.asarray(losses, dtype=np.float64).ravel())
    n = ordered.size
    if n == 0:
        return Tail(*(math.nan,) * 6)
    # The guard keeps n p = 9900.000000000001 from becoming rank 9901.
    var = float(ordered[min(n, max(1, math.ceil(n * level - 1e-9))) - 1])
    beyond = np.maximum(ordered - var, 0.0) / (1.0 - level)
    es = var + float(beyond.mean())
    low, high = int(stats.binom.ppf(0.025, n, level)), int(stats.binom.ppf(0.975, n, level)) + 1
    if low < 1 or high > n:
        return Tail(var, math.nan, math.nan, es, math.nan, math.nan)
    half = 1.959963984540054 * float(beyond.std(ddof=1)) / math.sqrt(n)
    return Tail(var, float(ordered[low - 1]), float(ordered[high - 1]), es, es - half, es + half)


def loss_distribution(
    ax: Axes, losses: npt.ArrayLike, *, unit: str, label: str, var_level: float = 0.99, interval: Tail | None = None
) -> Axes:
    """Draw the histogram of losses over draws, with VaR and expected shortfall marked and labelled.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    losses : float64[n_draws], `unit`
        One value a draw; what is not finite is left out and counted in the figure.
    unit : str
        Such as ``"EUR million"``; shown in bn where that is readable.
    label : str
        What is lost, for the horizontal axis.
    var_level : float
        Level of VaR and ES, 1.
    interval : Tail or None
        Estimates to show instead of those of `tail`.

    Returns
    -------
    Axes
        `ax`.

    Raises
    ------
    InputError
        `var_level` is not inside (0, 1).
    """
    if not 0.0 < var_level < 1.0:
        raise InputError(f"var_level: got {var_level!r}, allowed: a number above 0 and below 1")
    values, left_out = finite(losses)
    with style.language():
        if values.size == 0:
            style.dressed(ax, "Distribution of losses", (label, unit), SHARE)
            style.blank(ax, "no draws")
            return ax
        risk = interval if interval is not None else tail(values, var_level)
        low, high = window(values, risk.es)
        scaling = scale(unit, max(abs(low), abs(high)))
        risk = Tail(*(value * scaling.factor for value in risk))
        values, low, high = values * scaling.factor, low * scaling.factor, high * scaling.factor
        note = _beyond(values, high, left_out)
        style.dressed(ax, "Distribution of losses", (label, scaling.unit), SHARE, note)
        peak = _bars(ax, values, (low, high), risk.var)
        _headroom(ax, peak)
        name = f"{100.0 * var_level:g}%"
        decimals = _decimals(risk)
        _marks(
            ax,
            Mark(risk.var, f"VaR {name}: {number(risk.var, decimals)}",
                 _interval(risk.var_lo, risk.var_hi, decimals), style.MARK, "-", risk.var_lo, risk.var_hi),
            Mark(risk.es, f"ES {name}: {number(risk.es, decimals)}",
                 _interval(risk.es_lo, risk.es_hi, decimals), style.DEEP, "--", risk.es_lo, risk.es_hi),
        )  # fmt: skip
    return ax


def default_counts(ax: Axes, counts: npt.ArrayLike, *, label: str = "Defaulted agents in a draw") -> Axes:
    """Draw how often each number of defaults occurs, with the mean and the 99th percentile marked.

    Parameters
    ----------
    ax : Axes
        Drawn on.
    counts : float64[n_draws] or int64[n_draws], agents
        One count a draw; what is not finite is left out and counted in the figure.
    label : str
        For the horizontal axis.

    Returns
    -------
    Axes
        `ax`.
    """
    values, left_out = finite(counts)
    with style.language():
        if values.size == 0:
            style.dressed(ax, "Number of defaults", label, SHARE)
            style.blank(ax, "no draws")
            return ax
        whole = np.rint(values).astype(np.int64)
        most = float(np.quantile(whole, 0.99, method="inverted_cdf"))
        # As for losses: a few draws far out are counted in words, so that the others can be seen.
        span = max(5, min(int(whole.max()), max(12, math.ceil(1.6 * most))))
        style.dressed(ax, "Number of defaults", label, SHARE, _beyond(values, span, left_out))
        step = max(1, math.ceil((span + 1) / 60))
        shares = 100.0 * np.bincount(whole[whole <= span] // step) / whole.size
        none = 100.0 * float(np.mean(whole == 0))
        others = float(shares[1:].max(initial=0.0))
        # One tall bar of draws without any default would hide the rest: it is cut, and its height is written.
        is_cut = step == 1 and none > 3.0 * others > 0.0
        peak = 1.5 * others if is_cut else float(shares.max())
        starts = np.arange(shares.size) * step
        ax.bar(starts - 0.5, np.minimum(shares, peak), width=step, align="edge", color=style.BODY,
               edgecolor="white", linewidth=0.4)  # fmt: skip
        ax.set_xlim(-0.5 - 0.02 * span, span + 0.5 + 0.02 * span)
        style.whole_ticks(ax, 0, span)
        _headroom(ax, peak)
        if is_cut:
            _cut(ax, peak)
        mean = float(whole.mean())
        _marks(
            ax,
            Mark(mean, f"mean: {number(mean)}", f"no default: {_percent(none)}", style.INK, ":"),
            Mark(most, "99% of draws:", f"at most {number(most, 0)}", style.MARK, "-"),
        )
    return ax


def window(values: Float, shortfall: float) -> tuple[float, float]:
    """Return the range to show: all of it, unless a few draws lie far beyond expected shortfall.

    Parameters
    ----------
    values : float64[n_draws]
        Finite, at least one.
    shortfall : float
        Expected shortfall of the same sample; NaN counts as none.

    Returns
    -------
    tuple of float
        From zero where nothing is negative; unit of `values`.
    """
    low, high = min(0.0, float(values.min())), float(values.max())
    if math.isfinite(shortfall) and shortfall > 0.0:
        high = min(high, 1.35 * shortfall)
    return low, max(high, low)


def finite(values: npt.ArrayLike) -> tuple[Float, int]:
    """Return what can be drawn.

    Parameters
    ----------
    values : float64[...]
        Any shape.

    Returns
    -------
    tuple of float64[n] and int
        The finite values, flat, and how many others were left out.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    kept = flat[np.isfinite(flat)]
    return kept, int(flat.size - kept.size)


def _bars(ax: Axes, values: Float, limits: tuple[float, float], var: float) -> float:
    """Draw the histogram in per cent of all draws; return the height of the tallest bar."""
    low, high = limits
    if values.min() == values.max():
        # All draws agree: one bar around their value, of a width that can be seen.
        low, high = padded(low if low < 0.0 else high, high)
        edges, shares = np.array([values[0] - 0.02 * (high - low), values[0] + 0.02 * (high - low)]), np.array([100.0])
    else:
        bins = int(np.clip(2.0 * values.size ** (1.0 / 3.0), 12, 48))
        heights, edges = np.histogram(values, bins=np.linspace(low, high, bins + 1))
        shares = 100.0 * heights / values.size
    colours = [style.TAIL if edge >= var else style.BODY for edge in edges[:-1]]
    ax.bar(edges[:-1], shares, width=np.diff(edges), align="edge", color=colours, edgecolor="white", linewidth=0.4)
    ax.set_xlim(*padded(low, high))
    ax.locator_params(axis="x", nbins=7)
    ax.xaxis.set_major_formatter(lambda value, _: tick(value))
    return float(shares.max(initial=0.0)) or 1.0


def padded(low: float, high: float) -> tuple[float, float]:
    """Return a range with a little air, and with some width even where all values agree.

    Parameters
    ----------
    low, high : float
        Range of the values.

    Returns
    -------
    tuple of float
        Limits of the axis.
    """
    span = high - low
    if span <= 1e-9 * max(abs(low), abs(high)):
        return (-0.1, 1.0) if high == 0.0 else (min(0.0, 1.5 * low), max(0.0, 1.5 * high))
    return low - 0.02 * span, high + 0.04 * span


def _headroom(ax: Axes, peak: float) -> None:
    """Leave room for the labels of two marks above the tallest bar."""
    height = style.extent(ax)[1]
    ax.set_ylim(0.0, peak / max(0.3, 1.0 - (2.0 * ROW + 8.0) / height))
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(0.0, peak)
    ax.set_yticks([tick for tick in ticks if 0.0 <= tick <= peak * 1.001])
    ax.yaxis.set_major_formatter(lambda value, _: tick(value))


def _marks(ax: Axes, lower: Mark, upper: Mark) -> None:
    """Draw two marks and their labels, on the sides and in the rows where nothing can cross.

    A label takes less than a third of the width. Its line ends at its row, so only the line that goes to the top row
    can meet a label of the second row; the strips of the intervals end below both.
    """
    if upper.at < lower.at:
        lower, upper = upper, lower
    left, right = ax.get_xlim()
    places = [(mark.at - left) / (right - left) for mark in (lower, upper)]
    if places[0] >= 0.33:
        plan = ((lower, 1, "right"), (upper, 0, "right"))
    elif places[1] <= 0.67:
        plan = ((lower, 0, "left"), (upper, 1, "left"))
    else:
        plan = ((lower, 0, "left"), (upper, 1, "right"))
    height = style.extent(ax)[1]
    below = 1.0 - (2.0 * ROW + 3.0) / height
    for mark, row, side in plan:
        top = 1.0 - row * ROW / height
        if math.isfinite(mark.low) and math.isfinite(mark.high):
            ax.axvspan(mark.low, mark.high, ymax=below, color=mark.colour, alpha=0.16, linewidth=0, zorder=0.5)
        ax.axvline(mark.at, ymax=top, color=mark.colour, linestyle=mark.dash, linewidth=1.3)
        shift = 4.0 if side == "left" else -4.0
        for text, down, weight in ((mark.head, 0.0, "bold"), (mark.note, 11.0, "normal")):
            ax.annotate(text, (mark.at, top), (shift, -down), xycoords=ax.get_xaxis_transform(),
                        textcoords="offset points", ha=side, va="top", color=mark.colour, fontsize=style.BASE,
                        fontweight=weight)  # fmt: skip


def _interval(low: float, high: float, decimals: int) -> str:
    """The 95% interval in brackets, or why there is none."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "too few draws"
    return f"[{number(low, decimals)}, {number(high, decimals)}]"


def _percent(share: float) -> str:
    """A share of draws, without claiming that a rare event never happens."""
    if 0.0 < share < 0.05:
        return "<0.1%"
    return f"{share:.0f}%" if share in (0.0, 100.0) else f"{share:.1f}%"


def _decimals(risk: Tail) -> int:
    """Decimals that show three digits of VaR, and more where the interval is narrower than that."""
    spread = risk.var_hi - risk.var_lo
    finer = -math.floor(math.log10(spread)) if math.isfinite(spread) and spread > 0.0 else 0
    return min(6, max(digits(risk.var), finer))


def _beyond(values: Float, high: float, left_out: int) -> str:
    """What a histogram does not show, in words: draws beyond its right edge, and values that are no numbers."""
    parts = []
    outside = int(np.count_nonzero(values > high))
    if outside:
        largest = number(values.max(), 0 if float(values.max()).is_integer() else None)
        many = f"{outside:,} draws, up to {largest}" if outside > 1 else f"1 draw at {largest}"
        parts.append(f"not shown: {many}")
    if left_out:
        parts.append(f"left out: {left_out:,} not finite")
    return "; ".join(parts)


def _cut(ax: Axes, peak: float) -> None:
    """Show that the bar at zero is cut."""
    for height in (0.86 * peak, 0.90 * peak):
        ax.plot([-0.5, 0.5], [height - 0.02 * peak, height + 0.02 * peak], color="white", linewidth=1.6)
