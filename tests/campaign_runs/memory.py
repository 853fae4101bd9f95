"""How much memory a run takes: that of many draws against that of few.

``python -m tests.campaign_runs.memory [--few N] [--many N] [--scenario NAME]`` plays a shipped scenario (by default
eu48_sovereign, 10^5 and 10^6 draws: about 20 minutes on two idle cores) in two fresh processes and prints the peaks;
with ``--toy`` the draws cost nothing and only the keeping of them is measured (10^6 draws: about 3 minutes).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Block:
    """What the player returns."""

    metrics: dict[str, Any]
    final: dict[str, Any]
    agents: tuple[str, ...]
    status: tuple[str, ...]
    reason: tuple[str, ...]


def cheap(scenario: Any, system: Any, draws: Any, seed: int) -> Block:
    """Play draws that cost nothing: twenty steps of nine metrics."""
    steps = np.arange(1.0, 21.0)[:, None]
    return Block(dict.fromkeys(scenario.metrics, steps + 0.5 * draws), {}, (), (), ())


def peak() -> int:
    """Return the most memory this process ever held, bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def growth(folder: Path, few: int, many: int) -> int:
    """Return by how much more memory many draws take than few, in a process of its own."""
    done = _call("--inside", str(folder), "--few", str(few), "--many", str(many))
    first, second = (int(word) for word in done.split())
    return second - first


def _call(*args: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "tests.campaign_runs.memory", *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _inside(folder: Path, few: int, many: int) -> None:
    from sim.experiments.monte_carlo import run
    from sim.scenario.load import load

    scenario = load("eu48_sovereign").override({"record": "metrics"})
    for name, draws in (("few", few), ("many", many)):
        run(scenario, draws=draws, seed=1, out=folder / name, player=cheap, workers=2)
        print(peak())


def _alone(name: str, draws: int, toy: bool) -> None:
    import sim
    from sim.experiments.monte_carlo import run

    idle = peak()
    with tempfile.TemporaryDirectory() as place:
        result = run(sim.load(name), draws=draws, seed=7, out=Path(place) / "r", player=cheap if toy else None)
        result.summary()
        print(f"{draws:>9,} draws: peak {peak() / 1e6:,.0f} MB, idle import {idle / 1e6:,.0f} MB, {result!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=10**5)
    parser.add_argument("--many", type=int, default=10**6)
    parser.add_argument("--scenario", default="eu48_sovereign")
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--inside", type=Path)
    parser.add_argument("--alone", type=int)
    asked = parser.parse_args()
    if asked.inside:
        _inside(asked.inside, asked.few, asked.many)
    elif asked.alone:
        _alone(asked.scenario, asked.alone, asked.toy)
    else:
        for draws in (asked.few, asked.many):
            more = ["--toy"] if asked.toy else []
            print(_call("--alone", str(draws), "--scenario", asked.scenario, *more), end="")


if __name__ == "__main__":
    main()
