"""The draws of a result that failed or are not certified, each with the command that plays it again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.experiments.sql import Tables, odd_draws, opened

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result


def odd(result: Result, tables: Callable[[], Tables]) -> pd.DataFrame:
    """Return the draws that failed or are not certified.

    Parameters
    ----------
    result : Result
        Whose.
    tables : callable
        Gives its tables; called only where there is such a draw.

    Returns
    -------
    DataFrame
        ``draw, status, reason, command``, in draw order.
    """
    import pandas as pd

    bad: Mapping[str, Any] = {"draw": np.empty(0, dtype=np.int64), "status": [], "reason": []}
    if result.manifest["failed"] or result.manifest["uncertified"]:
        with opened({"draws": tables()["draws"]}, result.draws) as connection:
            bad = odd_draws(connection)
    table = {name: pd.Series(bad[name], dtype=object) for name in ("status", "reason")}
    again = f"sim run {result.name} --seed {result.seed} --draws {{}}"
    where = None if result.folder is None else f"sim repro {shlex.quote(str(result.folder))} --draw {{}}"
    commands = [where.format(k) if where else again.format(k + 1) for k in bad["draw"].tolist()]
    return pd.DataFrame({"draw": bad["draw"], **table, "command": pd.Series(commands, dtype=object)})
