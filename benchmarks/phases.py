"""Where the time of a run goes: by phase of a step, by the number of draws played together, by the number of banks.

``python -m benchmarks.phases [SCENARIO ...] [--draws N ...] [--banks N ...] [--repeat N]`` plays blocks on one core and
prints processor time: the fastest of the repeats for each scenario and width, and the share of each phase in the widest
block. With ``--banks`` the system is built again with so many banks, each with as many others to deal with as before;
the time is also given per edge of all layers. A few minutes on an idle machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import NamedTuple

import numpy as np

import sim
from sim.simulation import Simulation

SCENARIOS = ("cn100", "cloud_outage", "combined_stress")
DEGREES = {"interbank": 15, "overnight": 15, "payments": 30}
"""Other banks that a bank deals with on each layer, where the number of banks is given."""


class Found(NamedTuple):
    """What one block took."""

    seconds: float
    steps: int
    draws: int
    metrics: float
    phases: dict[str, float]

    @property
    def line(self) -> str:
        """Milliseconds a step and draws a second."""
        each, rate = self.seconds / self.steps * 1e3, self.draws / self.seconds
        return f"{each:8.2f} ms a step {rate:8.1f} draws a second"


def sized(scenario: sim.Scenario, banks: int) -> sim.Scenario:
    """Return the scenario with so many banks, 6 and 12 % of them large and of middle size, and the same mean degree."""
    if not banks:
        return scenario
    large, middle = max(1, round(0.06 * banks)), round(0.12 * banks)
    classes = {"large": large, "joint_stock": middle, "city_rural": banks - large - middle}
    keys = {f"system.agents.banks.{name}": n for name, n in classes.items()}
    dense = {f"system.layers.{layer}.density": min(1.0, degree / banks) for layer, degree in DEGREES.items()}
    return scenario.override(keys | dense)


def block(scenario: sim.Scenario, system: sim.System, draws: int) -> Found:
    """Play one block."""
    played = Simulation(system, scenario, np.arange(draws), 7)
    played.seconds = dict.fromkeys(played.seconds, 0.0)
    began, clock = time.process_time(), time.perf_counter()
    played.play()
    used, passed = time.process_time() - began, time.perf_counter() - clock
    phases = {name: seconds / passed for name, seconds in played.seconds.items()}
    return Found(used, scenario.horizon.steps, draws, 1.0 - sum(phases.values()), phases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS)
    parser.add_argument("--draws", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--banks", type=int, nargs="+", default=[0], help="by default as many as the scenario has")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    for name in asked.scenarios:
        for banks in asked.banks:
            scenario = sized(sim.load(name), banks)
            system = sim.build(scenario)
            edges = sum(len(layer.csr.indices) for layer in system.layers.values())
            print(f"{name}: {len(system.banks):,} banks, {edges:,} edges, {scenario.horizon.steps} steps, one core")
            sys.stdout.flush()
            block(scenario, system, 8)  # compiles
            for draws in asked.draws:
                best = min((block(scenario, system, draws) for _ in range(asked.repeat)), key=lambda each: each.seconds)
                each = best.seconds / best.steps / draws / max(edges, 1)
                print(f"  {draws:4d} draws {best.line}   {each * 1e9:6.2f} ns an edge, draw and step")
            shares = {**best.phases, "metrics": best.metrics}
            print("  " + ", ".join(f"{phase} {share:.0%}" for phase, share in shares.items() if share >= 0.005))


if __name__ == "__main__":
    main()
