"""Closure and the waterfall of losses over 1,000 draws of every shipped scenario, walls included.

``python -m tests.campaign_runs.closure [--draws N] [--workers W] [--only NAME ...] [--out FILE]`` plays every draw in
blocks and keeps, for each scenario, the largest residual of each audit over all steps and draws, as a share of the
assets of all agents: that the system closes (I1), that every agent's loss is a sum of postings, that stocks are what
the entries say; and of the waterfall over bearers, that what all of them lost is what was destroyed or provided for. A
scenario that FILE already holds, for as many draws, the same seed and the same engine, is not played again. An audit
that fails ends its scenario and is reported; in the end the status is 1 where anything is above `ALLOWED`. About five
minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import sim
from sim.errors import SimError
from sim.experiments.provenance import engine
from sim.scenario.load import shipped
from sim.simulation import Simulation
from sim.system import System

ALLOWED = 1e-9
"""Largest residual, share of all assets: the tolerance of the audit in every run."""

LOST = ("financial_loss", "public_loss", "real_loss", "outside_loss")
GONE = ("deadweight_loss", "provisions", "unrealised_loss")
CHECKS = ("closure", "losses", "books", "waterfall")
SEED, BLOCK = 7, 64
FILE = Path("results") / "closure.json"

_BUILT: dict[str, System] = {}


def block(name: str, first: int, draws: int) -> dict[str, float]:
    """Return the largest residual of each check over the steps of some draws; a worker builds each system once."""
    scenario = sim.load(name).override({"metrics": [*LOST, *GONE]})
    if name not in _BUILT:
        _BUILT.clear()
        _BUILT[name] = sim.build(name, seed=SEED)
    played = Simulation(_BUILT[name], scenario, np.arange(first, first + draws), SEED)
    found = played.play()
    values, scale = found.metrics, played.system.scale
    rest = sum(values[metric] for metric in LOST) - values["deadweight_loss"]
    rest = rest - values["provisions"] + values["unrealised_loss"]
    return dict(found.gaps) | {"waterfall": float(np.abs(rest).max()) / scale}


def campaign(names: list[str], draws: int, workers: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the figures of one scenario after the other."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for name in names:
            began = time.perf_counter()
            firsts = range(0, draws, BLOCK)
            sizes = [min(BLOCK, draws - first) for first in firsts]
            found: dict[str, Any] = dict.fromkeys(CHECKS, 0.0)
            try:
                for gaps in pool.map(block, [name] * len(sizes), firsts, sizes):
                    found |= {check: max(gaps[check], found.get(check, 0.0)) for check in gaps}
            except SimError as error:
                found["failed"] = str(error)
            yield name, found | {"draws": draws, "seed": SEED, "seconds": time.perf_counter() - began}


def line(name: str, found: dict[str, Any]) -> str:
    """Return one line of the report."""
    figures = "".join(f"{found[check]:12.1e}" for check in CHECKS)
    return f"{name:24s}{figures}{found['draws']:8,d}{found['seconds']:8.1f} s  {found.get('failed', '')}".rstrip()


def bad(found: dict[str, Any]) -> bool:
    """Return whether a scenario failed, or left more than is allowed."""
    return "failed" in found or max(found[check] for check in CHECKS) > ALLOWED


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=sorted(shipped()), choices=sorted(shipped()), metavar="NAME")
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()
    made_by = engine()
    kept: dict[str, Any] = json.loads(asked.out.read_text("utf-8")) if asked.out.is_file() else {}
    wanted = {"engine": made_by, "draws": asked.draws, "seed": SEED}
    done = {name for name, found in kept.items() if wanted.items() <= found.items() and not bad(found)}
    print(f"{'largest, of all assets':24s}{''.join(f'{check:>12s}' for check in CHECKS)}{'draws':>8s}{'time':>10s}")
    for name in asked.only:
        if name in done:
            print(line(name, kept[name]), flush=True)
    for name, found in campaign([each for each in asked.only if each not in done], asked.draws, asked.workers):
        kept[name] = found | {"engine": made_by}
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
        print(line(name, found), flush=True)
    wrong = [name for name in asked.only if bad(kept[name])]
    print(f"above {ALLOWED:g}: {', '.join(wrong)}" if wrong else f"none above {ALLOWED:g}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
