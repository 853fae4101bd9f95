"""What two threads bring, and what keeping the draws costs, on a system of 1,000 banks.

``python -m benchmarks.scaling [--agents N] [--draws N] [--repeat N] [--block N]`` plays the same draws in five ways,
turn about, and prints medians: the blocks alone; half of them in each of two processes, which share nothing but the
machine; a run with one thread, in memory; with a result folder, summary and progress; and that with two threads. Runs
choose their block by timing, as a user's do, unless one is given. Answers are compared before any is timed, and ratios
are taken within a turn. A few minutes on an idle machine with two cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

import sim
from sim.simulation import Simulation

WIDTH = 64
"""Draws of a block of the blocks alone, where none is given."""


def system_of(n: int, debtors: int = 15, assets: int = 8, seed: int = 1) -> sim.System:
    """Return banks with random claims on each other and common holdings."""
    random = np.random.default_rng(seed)
    creditor, debtor = random.integers(0, n, (2, n * debtors))
    edges = pd.DataFrame({"creditor": creditor, "debtor": debtor}).query("creditor != debtor").drop_duplicates()
    edges["amount"] = random.exponential(2.0, len(edges))
    lent = edges.groupby("creditor")["amount"].sum().reindex(range(n), fill_value=0.0).to_numpy()
    owed = edges.groupby("debtor")["amount"].sum().reindex(range(n), fill_value=0.0).to_numpy()
    held = random.exponential(4.0, (n, assets))
    total = np.maximum(lent, owed) + held.sum(axis=1) + random.uniform(150.0, 300.0, n)
    ids = [f"B{k:05d}" for k in range(n)]
    banks = pd.DataFrame({"id": ids, "total_assets": total, "equity": total * random.uniform(0.04, 0.08, n)})
    edges["creditor"], edges["debtor"] = [ids[k] for k in edges["creditor"]], [ids[k] for k in edges["debtor"]]
    names = [f"a{k}" for k in range(assets)]
    rows, columns = np.indices(held.shape)
    holdings = pd.DataFrame(
        {
            "agent": [ids[k] for k in rows.ravel()],
            "asset": [names[k] for k in columns.ravel()],
            "amount": held.ravel(),
        }
    )
    markets = pd.DataFrame({"asset": names, "depth": 40.0 * held.sum(axis=0), "price_floor": 0.3})
    return sim.System.from_frames(banks, edges, holdings, markets)


def scenario_of(system: sim.System) -> sim.Scenario:
    """Return twenty steps of losses, sales and revaluation."""
    return sim.Scenario(
        name="scaling",
        system=system,
        horizon={"steps": 20},
        shocks=[{"kind": "asset_loss", "size": {"beta": {"a": 1.2, "b": 60.0}}}],
        channels={
            "market": {"leverage_limit": 26.0, "leverage_target": 22.0, "impact": "exponential"},
            "credit": {"valuation": "linear-debtrank", "recovery_rate": 0.4},
        },
        monte_carlo={"draws": 1, "seed": 7},
    )


def alone(scenario: sim.Scenario, system: sim.System, draws: int, width: int, first: int = 0) -> np.ndarray:
    """Play the blocks from a draw on and keep nothing but one metric."""
    found = [
        Simulation(system, scenario, np.arange(at, min(at + width, draws)), 7).play().metrics["system_loss"][-1]
        for at in range(first, draws, width)
    ]
    return np.concatenate(found)


_made: dict[int, tuple[sim.Scenario, sim.System]] = {}
"""What a process of `apart` has built."""


def _half(agents: int, first: int, draws: int, width: int) -> np.ndarray:
    if agents not in _made:
        system = system_of(agents)
        _made[agents] = scenario_of(system), system
    return alone(*_made[agents], draws, width, first)


def apart(pool: Executor, agents: int, draws: int, width: int) -> np.ndarray:
    """Play half of the blocks in each of two processes."""
    middle = draws // width // 2 * width
    halves = [pool.submit(_half, agents, *each, width) for each in ((0, middle), (middle, draws))]
    return np.concatenate([half.result() for half in halves])


def kept(scenario: sim.Scenario, draws: int, workers: int, block: int | None, *, folder: bool) -> np.ndarray:
    """Run, with or without a result folder, and summarise."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "r" if folder else None
        tell = (lambda _at: None) if folder else False
        result = sim.run(scenario, draws=draws, seed=7, workers=workers, block=block, out=out, progress=tell)
        if folder:
            result.summary()
        losses: np.ndarray = result.metrics["system_loss"][:, -1]
        return losses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--draws", type=int, default=1_024)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--block", type=int, help="draws played together (by default what the run finds fastest)")
    asked = parser.parse_args()
    system = system_of(asked.agents)
    scenario, draws, block = scenario_of(system), asked.draws, asked.block
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        ways: dict[str, Callable[[], np.ndarray]] = {
            "blocks alone": lambda: alone(scenario, system, draws, block or WIDTH),
            "blocks alone, in two processes": lambda: apart(pool, asked.agents, draws, block or WIDTH),
            "1 thread, in memory": lambda: kept(scenario, draws, 1, block, folder=False),
            "1 thread, folder, summary, progress": lambda: kept(scenario, draws, 1, block, folder=True),
            "2 threads, folder, summary, progress": lambda: kept(scenario, draws, 2, block, folder=True),
        }
        expected = ways["blocks alone"]()
        for name, way in ways.items():
            if not np.array_equal(way(), expected):
                raise SystemExit(f"{name}: other losses than the blocks alone")
        wall: dict[str, list[float]] = {name: [] for name in ways}
        busy: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(asked.repeat):
            # there and back, so that a machine that slows down is nobody's gain
            for name in list(ways)[:: -1 if turn % 2 else 1]:
                began, before = time.perf_counter(), time.process_time()
                ways[name]()
                wall[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - before)
    print(f"{asked.agents:,} banks, {draws:,} draws, {asked.repeat} turns, medians; losses are equal")
    plain, two_processes, _, one, two = ways
    for name in ways:
        used = "" if name == two_processes else f"   {statistics.median(busy[name]):7.2f} s of CPU"
        print(f"{name:38s} {statistics.median(wall[name]):7.2f} s{used}")
    for what, (single, double) in {"2 threads": (one, two), "2 processes": (plain, two_processes)}.items():
        gains = sorted(first / second for first, second in zip(wall[single], wall[double], strict=True))
        print(f"speed-up of {what} {statistics.median(gains):.2f}, from {gains[0]:.2f} to {gains[-1]:.2f} in a turn")
    costs = [first / second - 1.0 for first, second in zip(busy[one], busy[plain], strict=True)]
    print(f"store, summary and progress {statistics.median(costs):+.1%} of CPU time")


if __name__ == "__main__":
    main()
