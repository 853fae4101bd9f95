"""Systems and runs for the tests of the liquidity channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sim.simulation import Simulation
from sim.system import System
from tests.systems import scenario_of

COLUMNS = ("cash", "loans", "deposits_insured", "deposits_uninsured", "deposits_wholesale")
CLEARING = {"valuation": "eisenberg-noe", "tol": 1e-14, "real_asset_discount": 0.0}
QUIET_FUNDS = {"loss_hazard": 0.0, "news_hazard": 0.0}


def banks_of(rows: dict[str, dict[str, float]], overnight: Any = (), securities: Any = None, **tables: Any) -> System:
    """Build a system from balance sheets; `gov` and `corp` are securities, equity is what is left."""
    claims = pd.DataFrame(list(overnight), columns=["creditor", "debtor", "amount"])
    claims["layer"] = "overnight"
    frame, held = [], []
    for name, sheet in rows.items():
        lent = claims.loc[claims.creditor == name, "amount"].sum()
        owed = claims.loc[claims.debtor == name, "amount"].sum()
        accounts = tables.get("exposures")
        kept = 0.0 if accounts is None else accounts.loc[accounts.debtor == name, "amount"].sum()
        papers = {"GOV": sheet.get("gov", 0.0), "CORP": sheet.get("corp", 0.0)}
        held += [{"agent": name, "asset": asset, "amount": value} for asset, value in papers.items()]
        own = {column: sheet.get(column, 0.0) for column in COLUMNS}
        total = own["cash"] + own["loans"] + lent + sum(papers.values())
        debt = sum(value for column, value in own.items() if column.startswith("deposits"))
        equity = total - debt - owed - kept - sheet.get("other_liabilities", 0.0)
        frame.append({"id": name, "total_assets": total, "equity": equity, **own})
        frame[-1]["adoption"] = sheet.get("adoption", 0.0)
    markets = pd.DataFrame(
        {"asset": ["GOV", "CORP"], "depth": [1e6, 1e6], "issuer": ["government", "borrowers"], "class": ["GOV", "CORP"]}
    )
    exposures = pd.concat([claims, tables.pop("exposures")]) if "exposures" in tables else claims
    holdings = pd.DataFrame(held)
    if "fund_holdings" in tables:
        holdings = pd.concat([holdings, tables.pop("fund_holdings")])
    return System.from_frames(pd.DataFrame(frame), exposures, holdings, markets, **tables)


def run_of(system: System, steps: int = 0, *, shocks: Any = (), lanes: int = 2, **channels: Any) -> Simulation:
    """Play the liquidity channel, and what else is named, for some steps."""
    settings = {"liquidity": channels.pop("liquidity", {}), **channels}
    horizon = {"steps": max(steps, 1000)} | channels.pop("horizon", {}) if "horizon" in channels else {"steps": 1000}
    settings.pop("horizon", None)
    scenario = scenario_of(system, mode="dynamic", horizon=horizon, shocks=shocks, channels=settings)
    play = Simulation(system, scenario, np.arange(lanes), seed=1)
    for _ in range(steps):
        play.step()
    return play


def row(play: Simulation, name: str) -> int:
    """Return the row of an agent."""
    return play.system.ids.index(name)
