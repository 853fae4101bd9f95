"""Small systems and scenarios that several tests play."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from sim.arrays import Csr, csr
from sim.networks.layer import Layer
from sim.networks.services import Services
from sim.scenario.schema import Scenario
from sim.state import COLUMNS, SECTORS
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


PEOPLE = ("B0", "B1", "B2", "B3", "T0", "T1", "P0", "F0")
"""Agents of the mixed system: four banks, two technology firms, a platform, and the fund that it sponsors."""

_CLAIMS: dict[str, dict[str, dict[str, float]]] = {
    "interbank": {"B0": {"B1": 30, "B3": 12}, "B1": {"B2": 20, "B3": 6}, "B2": {"B0": 15}, "B3": {"B0": 10}},
    "overnight": {"B0": {"B2": 10}, "B1": {"B0": 9}, "B2": {"B1": 8}, "B3": {"B1": 5}},
    "accounts": {
        "T0": {"B0": 20, "B1": 5},
        "T1": {"B2": 8},
        "P0": {"B1": 25, "B3": 10},
        "F0": {"B0": 30, "B1": 20, "B3": 10},
    },
    "lending": {"B0": {"T0": 30}, "B1": {"T0": 10, "P0": 20}, "B2": {"T1": 15}, "B3": {"P0": 8}},
    "guarantees": {"B1": {"P0": 30 / 70}, "B2": {"P0": 15 / 70}, "B3": {"P0": 25 / 70}},
}
"""Row creditor, column debtor; a guarantee is a share of what will be called."""

_COLUMNS: dict[str, dict[str, float]] = {
    "cash": {"B0": 70, "B1": 45, "B2": 20, "B3": 15, "P0": 22, "F0": 2, "deposit_insurer": 20},
    "loans": {"B0": 600, "B1": 350, "B2": 180, "B3": 110},
    "deposits_insured": {"B0": 400, "B1": 240, "B2": 120, "B3": 80},
    "deposits_uninsured": {"B0": 250, "B1": 150, "B2": 70, "B3": 50},
    "deposits_wholesale": {"B0": 80, "B1": 50, "B2": 25, "B3": 20},
    "emoney": {"P0": 20},
    "other_liabilities": {"B0": 45, "B1": 29, "B2": 39, "B3": 7, "T0": 5, "P0": 30},
    "real_assets": {
        "B0": 20, "B1": 12, "B2": 6, "B3": 4, "T0": 60, "T1": 25, "P0": 30, "borrowers": 1240 + 145, "underserved": 100
    },
}  # fmt: skip
"""Currency. Equity is what is left: 73, 48, 28 and 17 of the banks; 40, 18 and 49 of the firms, own shares apart."""

_HOLDINGS: dict[str, dict[str, float]] = {
    "GOV": {"B0": 100, "B1": 60, "B2": 30, "B3": 15, "F0": 20, "government": -225},
    "CORP": {"B0": 50, "B1": 40, "B2": 25, "B3": 20, "F0": 10, "borrowers": -145},
    "TECHEQ": {"B0": 10, "B1": 8, "B2": 6, "households": 36, "outside": 40, "T0": -38, "T1": -17, "P0": -45},
    "P0": {"B1": 30, "B2": 15, "B3": 25, "P0": 30, "underserved": -100},
    "F0": {"households": 82, "P0": 10, "F0": -92},
}
"""Government bonds, corporate bonds, technology shares, the platform's pool of loans, shares of the fund."""


def mixed_system() -> System:
    """Return four banks, two technology firms, a platform and its fund, with every sort of claim between them."""
    ids = (*PEOPLE, *SECTORS)
    row = {name: k for k, name in enumerate(ids)}
    kinds = {"banks": slice(0, 4), "tech_firms": slice(4, 6), "platforms": slice(6, 7), "funds": slice(7, 8)}
    types = kinds | {sector: slice(row[sector], row[sector] + 1) for sector in SECTORS}

    def matrix(cells: dict[str, dict[str, float]]) -> np.ndarray:
        found = np.zeros((len(ids), len(ids)))
        for i, others in cells.items():
            for j, amount in others.items():
                found[row[i], row[j]] = amount
        return found

    def column(cells: dict[str, float]) -> np.ndarray:
        found = np.zeros(len(ids))
        for i, amount in cells.items():
            found[row[i]] = amount
        return found

    layers = {name: Layer.from_matrix(name, ids, matrix(cells)) for name, cells in _CLAIMS.items()}
    flows = {"B0": {"B1": 9, "B2": 4, "B3": 2}, "B1": {"B0": 10, "B2": 3}, "B2": {"B0": 3, "B1": 4}, "B3": {"B0": 2}}
    layers["payments"] = Layer.from_matrix("payments", ids, matrix(flows), unit="currency/day")
    sourced = {"B1": {"P0": 0.1}, "B2": {"P0": 0.15}, "B3": {"P0": 0.3}}
    layers["distribution"] = Layer.from_matrix("distribution", ids, matrix(sourced), unit="1")
    hosting = {"B0": {"T0": 1.0}, "B1": {"T0": 0.5, "T1": 0.5}, "B2": {"T1": 1.0}, "B3": {"T0": 0.7}, "P0": {"T0": 0.8}}
    paying = {"B1": {"T1": 0.4}, "B3": {"T1": 1.0}, "P0": {"T1": 0.5}}
    criticality = np.zeros((2, len(ids)))
    criticality[0, :4], criticality[0, 6] = (0.6, 0.5, 0.4, 0.7), 0.8
    criticality[1, [1, 3, 6]] = 0.3
    fair = np.ones((len(ids), len(_HOLDINGS)))
    fair[:4, :2] = 0.6
    start = {name: column(cells) for name, cells in _COLUMNS.items()}
    return System(
        ids=ids,
        types=types,
        start=start | {"drawn_guarantees": np.zeros(len(ids))},
        layers=layers,
        assets=tuple(_HOLDINGS),
        classes=("GOV", "CORP", "TECHEQ", "POOL", "FUND"),
        holdings=np.stack([column(cells) for cells in _HOLDINGS.values()], axis=1),
        fair_value=fair,
        depth=np.array([4000.0, 900.0, 400.0, 1000.0, 1000.0]),
        floor=np.array([0.5, 0.3, 0.1, 0.0, 0.0]),
        issuers=tuple(row[name] for name in ("government", "borrowers", "T0", "underserved", "F0")),
        currency="CNY bn",
        traded=np.array([True, True, True, False, False]),
        shares=np.array([False, False, True, False, True]),
        traits={
            "revenue": column({"B0": 30, "B1": 18, "B2": 9, "B3": 6, "T0": 20, "T1": 8, "P0": 25}),
            "turnover": column({"B0": 30, "B1": 18, "B2": 9, "B3": 6, "T0": 20, "T1": 8, "P0": 25}),
            "headroom": column({"T0": 0.3, "T1": 0.3}),
            "adoption": column({"B0": 0.3, "B1": 0.5, "B2": 0.4, "B3": 0.8}),
            "reach": column({"P0": 0.6}),
            "gap": column({"B3": 0.2, "T1": 0.1, "P0": 0.4}),
            "posture": column(dict.fromkeys(PEOPLE, 0.5)),
            "guarantee": column({"P0": 0.05}),
        },
        services=Services(
            ("hosting", "payments"),
            (csr(matrix(hosting)), csr(matrix(paying))),
            criticality,
            np.full_like(criticality, 0.5),
        ),
    )


def scaled(system: System, factor: float) -> System:
    """Return the system in another unit of money: all stocks, flows and depths times a factor."""
    money = {column.name for column in COLUMNS if column.unit == "currency"}
    flows = {"revenue", "turnover", "rwa", "cet1", "tier1"}

    def larger(layer: Layer) -> Layer:
        if layer.name == "guarantees" or not layer.unit.startswith("currency"):
            return layer
        return replace(layer, csr=layer.csr._replace(weights=layer.csr.weights * factor))

    return replace(
        system,
        start={name: values * factor if name in money else values for name, values in system.start.items()},
        layers={name: larger(layer) for name, layer in system.layers.items()},
        holdings=system.holdings * factor,
        depth=system.depth * factor,
        traits={name: values * factor if name in flows else values for name, values in system.traits.items()},
    )


def relabelled(system: System, order: Any) -> System:
    """Return the same system with its agents on other rows: ``order[k]`` is the old row of the new row k."""
    order = np.asarray(order)
    old = np.argsort(order)

    def moved(layer: Csr) -> Csr:
        matrix = sparse.csr_array((layer.weights, layer.indices, layer.indptr), shape=(order.size, order.size))
        return csr(matrix[order][:, order])

    services = system.services and replace(
        system.services,
        shares=tuple(moved(share) for share in system.services.shares),
        criticality=system.services.criticality[:, order],
        backup=system.services.backup[:, order],
    )
    ids = tuple(system.ids[k] for k in order)
    return replace(
        system,
        ids=ids,
        start={name: values[order] for name, values in system.start.items()},
        layers={name: replace(layer, ids=ids, csr=moved(layer.csr)) for name, layer in system.layers.items()},
        holdings=system.holdings[order],
        fair_value=system.fair_value[order],
        issuers=tuple(int(old[k]) for k in system.issuers),
        traits={name: values[order] for name, values in system.traits.items()},
        services=services,
    )
