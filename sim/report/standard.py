"""The standard figure of a run: loss distribution, default counts, loss over steps (or first round and total)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report import style
from sim.report.distribution import Tail, default_counts, loss_distribution
from sim.report.exceedance import first_and_total
from sim.report.fan import fan
from sim.report.page import Margins, page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE = 12.0
PANEL = 2.45
"""Inches: width of the figure, height of one panel."""

MARGINS = Margins(right=0.32)

#: Names tried for each role, in this order, before any name that contains the last of them.
ROLES = {
    "loss": ("system_loss", "total_loss", "loss"),
    "defaults": ("defaults", "default_count", "defaults"),
    "first": ("first_round_loss", "initial_loss", "direct_loss", "first_round"),
}

NOTE = (
    "Brackets and shaded strips: 95% confidence intervals (VaR: binomial order statistics; ES: influence function). "
    "Darker bars: draws beyond VaR. "
)
NOTES = {
    "fan": "Bands: 50%, 90% and 98% of draws at each step.",
    "pair": "Shaded area: what contagion adds to the first round.",
    "total": "",
}


def standard_figure(
    metrics: Mapping[str, npt.ArrayLike],
    info: Mapping[str, tuple[str, str]],
    title: str,
    subtitle: str,
    *,
    tails: Tail | None = None,
    roles: Mapping[str, str] | None = None,
) -> Figure:
    """Draw one run in three panels: losses, defaults, and the course of the loss.

    Parameters
    ----------
    metrics : dict of str to float64[n_draws, n_steps]
        Values by metric name, unit as in `info`; a run of one step shows first round against total instead of a fan.
    info : dict of str to (unit, description)
        Metrics that are not named here have no unit and their name as description.
    title : str
        Any text; wrapped, and escaped where no font has a sign for it.
    subtitle : str
        What was run, how many draws, what was imputed.
    tails : Tail or None
        VaR and ES at 99% of the loss at the last step, unit of `info`; None estimates them here.
    roles : dict of str to str or None
        Which metric is ``"loss"``, ``"defaults"``, ``"first"``; roles that are not given are found by name.

    Returns
    -------
    Figure
        12 inches wide; belongs to no window and to no global state.

    Raises
    ------
    InputError
        A metric is no table of draws and steps, or a role names a metric that is not there.
    """
    tables = {name: _table(name, values) for name, values in metrics.items()}
    chosen = _chosen(tables, roles or {})
    loss = chosen.get("loss")
    unit, description = _described(loss, info)
    losses = tables[loss] if loss is not None else np.empty((0, 1))
    with style.language():
        last = "fan" if losses.shape[1] > 1 else "pair" if "first" in chosen else "total"
        each = (WIDE - MARGINS.left - MARGINS.right - 2 * MARGINS.gap) / 3
        figure, axes = page((title, subtitle), NOTE + NOTES[last], (each, PANEL), 3, MARGINS)
        loss_distribution(axes[0], losses[:, -1:], unit=unit, label=description, interval=tails)
        if "defaults" in chosen:
            counts = tables[chosen["defaults"]]
            default_counts(axes[1], counts[:, -1:], label=_described(chosen["defaults"], info)[1])
        else:
            style.dressed(axes[1], "Number of defaults", "", "")
            style.blank(axes[1], "not recorded")
        if last == "fan":
            fan(axes[2], np.arange(1, losses.shape[1] + 1), losses, unit, description)
        else:
            first = tables[chosen["first"]][:, -1:] if last == "pair" else np.empty(0)
            first_and_total(axes[2], first, losses, unit=unit, label=description)
    return figure


def _table(name: str, values: npt.ArrayLike) -> Float:
    """The values of one metric as draws by steps; an empty result may come in any shape."""
    table = np.asarray(values, dtype=np.float64)
    if table.size == 0:
        return np.empty((0, table.shape[1] if table.ndim == 2 and table.shape[1] else 1))
    if table.ndim != 2:
        raise InputError(f"metric {name}: got shape {table.shape}, allowed: (n_draws, n_steps)")
    return table


def _chosen(names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """Which metric plays which role; a role nobody can play is absent."""
    known = sorted(names)
    chosen: dict[str, str] = {}
    for role, candidates in ROLES.items():
        if role in given:
            if given[role] not in known:
                raise InputError(f"role {role}: no metric {given[role]!r} (known: {', '.join(known) or 'none'})")
            chosen[role] = given[role]
            continue
        free = [name for name in known if name not in chosen.values() and name not in ROLES["first"][:-1]]
        pool = known if role == "first" else free
        found = [name for name in candidates if name in pool] + [name for name in pool if candidates[-1] in name]
        if found:
            chosen[role] = found[0]
    return chosen


def _described(name: str | None, info: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Unit and description of a metric; its name in words where it has none."""
    if name is None:
        return "", "Loss"
    unit, description = info.get(name, ("", ""))
    return unit, description or name.replace("_", " ").capitalize()
