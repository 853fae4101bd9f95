"""What the shipped scenarios with walls must show, at their defaults, on three networks."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import sim
from sim.simulation import Block, Simulation

SEEDS = (7, 11, 23)
DRAWS = 4
OPEN: dict[str, Any] = {"wall": {}, "walls": []}

pytestmark = pytest.mark.parametrize("seed", SEEDS)


load = cache(sim.load)


@cache
def system(name: str, seed: int) -> sim.System:
    return sim.build(name, seed=seed)


def played(name: str, seed: int, on: str, changes: dict[str, Any] | None = None) -> Block:
    """Play a scenario that differs in some keys, on the system of another one that is built once."""
    simulation = Simulation(system(on, seed), load(name).override(changes or {}), np.arange(DRAWS), seed)
    block = simulation.play()
    assert max(block.gaps.values()) < 1e-12
    return block


def last(block: Block, metric: str) -> float:
    return float(block.metrics[metric][-1].mean())


def test_a_gate_that_is_seen_coming_advances_the_run(seed: int) -> None:
    free = played("announced_gate", seed, "cn100", OPEN | {"horizon.steps": 6})
    surprise = played("announced_gate", seed, "cn100", {"horizon.steps": 6, "wall.L_L.anticipation": 0.0})
    seen = played("announced_gate", seed, "cn100", {"horizon.steps": 6})
    closes = 3  # the fourth day is the last on which anything is paid
    before = {name: float(block.metrics["redemptions"][closes].mean()) for name, block in
              (("free", free), ("surprise", surprise), ("seen", seen))}  # fmt: skip
    assert before["seen"] > 1.05 * before["free"]
    assert before["seen"] > 1.05 * before["surprise"]
    assert last(seen, "redemptions") == before["seen"]  # and the gate is closed from then on
    assert last(free, "redemptions") > before["free"]


def test_a_mandate_of_several_clouds_helps_where_providers_work_at_capacity(seed: int) -> None:
    without = played("multi_cloud", seed, "multi_cloud", OPEN | {"horizon.steps": 5})
    with_mandate = played("multi_cloud", seed, "multi_cloud", {"horizon.steps": 5})
    assert last(with_mandate, "lost_service") < 0.85 * last(without, "lost_service")


def test_the_same_mandate_harms_where_overload_destroys_service(seed: int) -> None:
    without = played("multi_cloud_congestion", seed, "multi_cloud", OPEN | {"horizon.steps": 5})
    with_mandate = played("multi_cloud_congestion", seed, "multi_cloud", {"horizon.steps": 5})
    assert last(with_mandate, "lost_service") > 1.05 * last(without, "lost_service")
    assert last(with_mandate, "system_loss") > last(without, "system_loss")


def test_the_preset_of_walls_costs_more_than_it_saves_in_a_mild_stress_and_saves_in_a_severe_one(seed: int) -> None:
    net = []
    for size in (0.015, 0.05):
        changes = {"horizon.steps": 12, "shocks.0.size": size}
        free, walled = (played(name, seed, "cn100", changes) for name in ("risk_wall_open", "risk_wall"))
        lost = last(walled, "system_loss") + last(walled, "wall_absorbed")
        assert lost < last(free, "system_loss")
        net.append(last(free, "system_loss") - lost - last(walled, "wall_cost"))
    assert net[0] < 0.0 < net[1]


def test_the_preset_costs_a_twentieth_of_a_percent_of_assets_a_year(seed: int) -> None:
    block = played("risk_wall", seed, "cn100", {"horizon.steps": 5})
    assets = system("cn100", seed).scale
    assert last(block, "wall_cost") == pytest.approx(0.0005 * assets * 5 / 250, rel=1e-3)
