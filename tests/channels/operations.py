"""Small systems of banks and technology firms on which service and payments are played."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.arrays import csr
from sim.networks.layer import Layer
from sim.networks.services import Services
from sim.simulation import Simulation
from sim.state import SECTORS
from sim.system import System
from tests.systems import scenario_of


def served(
    n_banks: int,
    n_firms: int = 0,
    shares: Any = (),
    *,
    size: Any = 100.0,
    criticality: Any = 1.0,
    backup: Any = 0.0,
    cash: Any = 20.0,
    deposits: Any = 50.0,
    payments: Any = None,
    revenue: Any = 0.0,
    headroom: float | None = None,
    accounts: Any = None,
) -> System:
    """Build banks B0.. and firms T0..; `shares` lists a matrix per function, users and providers in that order."""
    people = n_banks + n_firms
    ids = (*(f"B{k}" for k in range(n_banks)), *(f"T{k}" for k in range(n_firms)), *SECTORS)
    n = len(ids)

    def whole(values: Any, rows: int = people) -> np.ndarray:
        found = np.zeros(n)
        found[:rows] = values
        return found

    def square(matrix: Any) -> np.ndarray:
        found = np.zeros((n, n))
        given = np.asarray(matrix, dtype=float)
        found[: given.shape[0], : given.shape[1]] = given
        return found

    money, owed = whole(cash, n_banks), whole(deposits, n_banks)
    start = {
        "cash": money,
        "loans": whole(size, n_banks) - money,
        "deposits_insured": 0.4 * owed,
        "deposits_uninsured": 0.6 * owed,
        "real_assets": whole(10.0) - whole(10.0, n_banks),
    }
    start["real_assets"][n - len(SECTORS) + 1] = start["loans"].sum()
    layers = {}
    if payments is not None:
        layers["payments"] = Layer.from_matrix("payments", ids, square(payments), unit="currency/day")
    if accounts is not None:
        layers["accounts"] = Layer.from_matrix("accounts", ids, square(accounts))
    kinds = {
        "banks": slice(0, n_banks),
        "tech_firms": slice(n_banks, people),
        "platforms": slice(people, people),
        "funds": slice(people, people),
    }
    functions = tuple(csr(square(share)) for share in shares)
    shape = (len(functions), n)
    return System(
        ids=ids,
        types=kinds | {sector: slice(people + k, people + k + 1) for k, sector in enumerate(SECTORS)},
        start=start,
        layers=layers,
        assets=(),
        holdings=np.zeros((n, 0)),
        fair_value=np.zeros((n, 0)),
        depth=np.zeros(0),
        floor=np.zeros(0),
        issuers=(),
        traits={"revenue": whole(revenue)} | ({} if headroom is None else {"headroom": whole(headroom)}),
        services=Services(
            tuple(f"f{k}" for k in range(len(functions))),
            functions,
            np.full(shape, criticality),
            np.full(shape, backup),
        )
        if functions
        else None,
    )


def simulated(system: System, shocks: Any = (), *, steps: int = 1, lanes: int = 2, **more: Any) -> Simulation:
    """Return a simulation of the operational channel, and of what `channels` adds, not yet played."""
    operational = {"common_cause": 0.0, "failover_delay": 0.0} | more.pop("operational", {})
    channels = {"operational": operational} | more.pop("channels", {})
    switches = more.pop("switches", None)
    parts: dict[str, Any] = {"mode": "dynamic", "horizon": {"steps": steps}, "shocks": shocks, "channels": channels}
    return Simulation(system, scenario_of(system, **(parts | more)), np.arange(lanes), seed=1, switches=switches)


def played(*args: Any, **more: Any) -> Simulation:
    """Return a simulation that was played to its end."""
    simulation = simulated(*args, **more)
    simulation.play()
    return simulation
