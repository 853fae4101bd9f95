"""Where a loss arises and who bears it, from what a result keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Bool

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result

TOTAL, FIRST = "system_loss", "first_round_loss"
DIRECT, OUTSIDE = "first round", "creditors of failed banks"
TITLES = {"shock": DIRECT, "credit": "claims on each other", "market": "fire sales"}
"""Sources of loss as figures call them; others by their name."""


def losses_by_bearer(result: Result, chosen: Bool) -> pd.DataFrame:
    """Return where the loss arises and who bears it: means over some draws, after the last step.

    Parameters
    ----------
    result : Result
        With ``record: agents`` bank by bank and exact; else as far as the metrics go.
    chosen : bool[n_draws]
        Which draws; none that failed.

    Returns
    -------
    DataFrame
        Rows in the order of causation, columns by bearer, unit of ``system_loss``; all cells add up to its mean.
        With ``record: agents`` a channel is given what it adds to a bank's loss up to its equity, after the sources
        before it; what a loss takes beyond a bank's equity is borne by its creditors.
    """
    import pandas as pd

    if not chosen.any():
        return pd.DataFrame()
    mean = {name: float(values[chosen, -1].mean()) for name, values in result.metrics.items()}
    rows: dict[str, dict[str, float]] = {}
    if result.agents:
        final = {name: values[chosen] for name, values in result.final.items()}
        buffer = np.maximum(0.0, final["equity0"])
        failed = final["is_defaulted"] > 0.0
        before, carried = np.zeros_like(buffer), np.zeros_like(buffer)
        for name in (each for each in final if each.startswith("loss_")):
            carried = carried + final[name]
            now = np.minimum(carried, buffer)
            added, before = now - before, now
            split = {"banks that fail": failed, "banks that survive": ~failed}
            title = TITLES.get(name.removeprefix("loss_"), name.removeprefix("loss_"))
            rows[title] = {who: float((added * mask).sum(axis=1).mean()) for who, mask in split.items()}
        rows[OUTSIDE] = {OUTSIDE: mean[TOTAL] - sum(sum(row.values()) for row in rows.values())}
    else:
        rows[DIRECT] = {"banks": mean.get(FIRST, 0.0)}
        for name in ("market", "credit"):
            if f"{name}_loss" in mean:
                rows[TITLES[name]] = {"banks": mean[f"{name}_loss"]}
        if "creditor_loss" in mean:
            rows[OUTSIDE] = {OUTSIDE: mean["creditor_loss"]}
        rest = mean[TOTAL] - sum(sum(row.values()) for row in rows.values())
        rows["overlap and loss beyond equity" if rest < 0.0 else "other"] = {"banks": rest}
    table = pd.DataFrame.from_dict(rows, orient="index").fillna(0.0)
    small = 1e-9 * max(abs(mean[TOTAL]), 1e-300)
    table = table.where(table.abs() > small, 0.0)
    kept = table.loc[(table != 0.0).any(axis=1) | (np.arange(len(table)) == 0), (table != 0.0).any(axis=0)]
    return kept if kept.size else table.iloc[:1, :1]
