"""Small systems and scenarios that several tests play."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sim.scenario.schema import Scenario
from sim.system import System


def system_of(
    exposures: Any,
    loans: Any,
    other: Any,
    holdings: Any = None,
    *,
    depth: Any = None,
    fair: float = 1.0,
    floor: float = 0.0,
    ids: list[str] | None = None,
) -> System:
    """Build a system from matrices: equity is what is left."""
    exposures, loans, other = np.asarray(exposures, float), np.asarray(loans, float), np.asarray(other, float)
    n = loans.size
    held = np.zeros((n, 0)) if holdings is None else np.asarray(holdings, float)
    names = ids or [f"B{k}" for k in range(n)]
    assets = loans + held.sum(axis=1) + exposures.sum(axis=1)
    banks = pd.DataFrame({"id": names, "total_assets": assets, "equity": assets - other - exposures.sum(axis=0)})
    rows, columns = np.nonzero(exposures)
    edges = pd.DataFrame(
        {
            "creditor": [names[k] for k in rows],
            "debtor": [names[k] for k in columns],
            "amount": exposures[rows, columns],
        }
    )
    if holdings is None:
        return System.from_frames(banks, edges)
    classes = [f"a{k}" for k in range(held.shape[1])]
    table = pd.DataFrame(
        [
            {"agent": names[i], "asset": classes[a], "amount": held[i, a], "fair_value_share": fair}
            for i in range(n)
            for a in range(held.shape[1])
        ]
    )
    markets = pd.DataFrame({"asset": classes, "depth": depth, "price_floor": floor})
    return System.from_frames(banks, edges, table, markets)


def scenario_of(system: System, **changes: Any) -> Scenario:
    """Return a static clearing scenario that differs in the named parts."""
    parts: dict[str, Any] = {
        "name": "test",
        "mode": "static",
        "record": "agents",
        "channels": {"credit": {"valuation": "eisenberg-noe", "tol": 1e-14}},
    }
    return Scenario(system=system, **(parts | changes))


def random_system(seed: int, n: int = 12, n_assets: int = 3, fair: float = 0.6) -> System:
    """Return a random system with interbank claims and holdings; equity is 4 to 12 % of assets."""
    rng = np.random.default_rng(seed)
    exposures = rng.exponential(4.0, (n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(exposures, 0.0)
    holdings = rng.exponential(10.0, (n, n_assets))
    inside = exposures.sum(axis=1) + holdings.sum(axis=1)
    loans = rng.uniform(40.0, 120.0, n) + exposures.sum(axis=0)
    total = loans + inside
    other = total * (1.0 - rng.uniform(0.04, 0.12, n)) - exposures.sum(axis=0)
    return system_of(exposures, loans, other, holdings, depth=rng.uniform(200.0, 600.0, n_assets), fair=fair, floor=0.3)
