"""Tables of a comparison: its parts by channel or bearer, and what sharing luck was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.analysis.paired import difference
from sim.arrays import Float

if TYPE_CHECKING:
    import pandas as pd

NOTHING = 1e-9
"""Parts that cancel to less than this share of their size leave no whole to take shares of."""


def split(table: pd.DataFrame, wanted: Sequence[str], whole: Sequence[str]) -> pd.DataFrame:
    """Return the differences of some metrics, each with its share of the difference of those that make up the whole.

    Parameters
    ----------
    table : DataFrame
        ``run, metric, difference`` and more, one row a run and metric.
    wanted : sequence of str
        Metrics, in the order of the result; those that were not reported are left out.
    whole : sequence of str
        Metrics whose differences add up to the whole.

    Returns
    -------
    DataFrame
        With ``share``; NaN where the parts cancel.
    """
    found = table[table["metric"].isin(wanted)].copy()
    made = found[found["metric"].isin(whole)]
    total = made.groupby("run", sort=False)["difference"].sum()
    size = made.assign(size=made["difference"].abs()).groupby("run", sort=False)["size"].sum()
    found["share"] = found["difference"] / found["run"].map(total.where(total.abs() > NOTHING * size, np.nan))
    order = {name: k for k, name in enumerate(wanted)}
    return found.sort_values("metric", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def pairing(samples: Mapping[tuple[str, str], tuple[Float, Float]]) -> pd.DataFrame:
    """Return the errors of differences with and without shared luck.

    Parameters
    ----------
    samples : mapping of (str, str) to (float64[n], float64[n])
        Run and metric -> values of the base and of the run, in the same draws.

    Returns
    -------
    DataFrame
        ``run, metric, se, se_unpaired, variance_ratio, draws_saved``; NaN where nothing varies.

    References
    ----------
    Law (2015), Simulation Modeling and Analysis, 5th ed., section 11.2, common random numbers.
    """
    import pandas as pd

    rows = []
    for (run, metric), (a, b) in samples.items():
        se, unpaired = (difference(a, b, paired=each).se for each in (True, False))
        # what differs by rounding alone does not vary
        varies = unpaired * np.sqrt(a.size) > NOTHING * float(np.abs(np.concatenate([a, b])).max(initial=0.0))
        ratio = (se / unpaired) ** 2 if varies else np.nan
        row = {"run": run, "metric": metric, "se": se, "se_unpaired": unpaired, "variance_ratio": ratio}
        rows.append(row | {"draws_saved": 1.0 / ratio if ratio > 0.0 else np.nan})
    return pd.DataFrame(rows, columns=["run", "metric", "se", "se_unpaired", "variance_ratio", "draws_saved"])
