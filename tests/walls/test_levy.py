"""Who refills the fund of a wall: a levy on those it shields, members of a mutual fund; by hand, unit by unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sim
from sim.ledger.balance import net_worth
from sim.simulation import Simulation
from sim.state import State
from tests.systems import scenario_of, system_of

METRICS = ["contagion_loss", "insurer_loss", "wall_absorbed", "wall_levied"]


def waterfall_closes(state: State, system: sim.System) -> None:
    fallen = system.equity0[:, None] - net_worth(state)
    assert_allclose(state.loss.sum(axis=0), fallen, atol=1e-9 * system.scale)


def three_banks(steps: int, third: float, **wall: Any) -> Simulation:
    """Bank 0 fails and owes bank 1 a claim of 8, of which 16 / 3 are lost: the fund pays that to bank 1."""
    system = system_of([[0, 0, 0], [8, 0, 0], [0, 6, 0]], [14, 8, 10], [4, 5, 16.0 - third])
    given: dict[str, Any] = {"channels": {"credit": {}}, "metrics": METRICS, "mode": "dynamic"}
    given["shocks"] = [{"kind": "asset_loss", "target": "B0", "size": 10 / 14, "at": 1}]
    given["wall"] = {"C_C": {"kind": "absorbing"} | wall}
    return Simulation(system, scenario_of(system, **given, horizon={"steps": steps}), np.arange(1), 0)


@pytest.mark.parametrize("bearer", ["deposit_insurer", "outside", "central_bank"])
def test_a_levy_on_those_it_shields_refills_the_fund(bearer: str) -> None:
    # banks 1 and 2 have assets of 16 each, so a levy of 1 a year takes 16 / 250 from each on days 2, 3 and 4; they have
    # no cash, and owe it to outside investors; bank 0 has failed and pays nothing
    simulation = three_banks(4, 2.0, borne_by=bearer, levy=1.0, capacity=6.0)
    block, state = simulation.play(), simulation.state
    assert max(block.gaps.values()) < 1e-12
    due = 16.0 / 250.0
    assert_allclose(block.metrics["wall_levied"][:, 0], [0.0, 2 * due, 4 * due, 6 * due], rtol=1e-13)
    assert_allclose(net_worth(state)[1:3, 0], [5.0 - 3 * due, 2.0 - 3 * due])
    posted = state.loss[state.sources.index("wall_C_C_absorbing"), :, 0]
    assert_allclose(posted[state.row(bearer)], 16.0 / 3.0 - 6 * due)
    assert_allclose(posted[1:3], [3 * due - 16.0 / 3.0, 3 * due])
    assert posted.sum() == pytest.approx(0.0, abs=1e-12)
    assert simulation.walls is not None
    assert_allclose(simulation.walls.stands[0].left[0], 6.0 - 16.0 / 3.0 + 6 * due)
    waterfall_closes(state, simulation.system)


def test_a_levy_ends_when_all_that_was_paid_has_come_back() -> None:
    # 16 / 3 at 32 / 250 a day: 41 days in full, and the rest on the next
    simulation = three_banks(45, 4.0, levy=1.0)
    block, state = simulation.play(), simulation.state
    levied = block.metrics["wall_levied"][:, 0]
    assert_allclose(levied[41], 41 * 32.0 / 250.0)
    assert_allclose(levied[42:], 16.0 / 3.0)
    assert_allclose(net_worth(state)[1:3, 0], [5.0 - 8.0 / 3.0, 4.0 - 8.0 / 3.0])
    posted = state.loss[state.sources.index("wall_C_C_absorbing"), :, 0]
    assert posted[state.row("deposit_insurer")] == pytest.approx(0.0, abs=1e-12)


def test_members_of_a_mutual_fund_pay_one_step_later() -> None:
    # banks 1 and 2 have 16 of assets each and share the payment of 16 / 3 to bank 1; bank 0 has failed by then
    simulation = three_banks(3, 4.0, borne_by="members")
    block, state = simulation.play(), simulation.state
    assert max(block.gaps.values()) < 1e-12
    assert_allclose(block.metrics["wall_levied"][:, 0], [0.0, 16.0 / 3.0, 16.0 / 3.0])
    posted = state.loss[state.sources.index("wall_C_C_absorbing"), :, 0]
    assert_allclose(posted[1:3], [-8.0 / 3.0, 8.0 / 3.0])
    assert np.abs(np.delete(posted, [1, 2])).max() < 1e-12  # nobody else, in the end
    waterfall_closes(state, simulation.system)


def test_a_levy_weakens_whom_the_fund_has_saved() -> None:
    found = []
    for levy in (0.0, 1.0):
        changes = {"wall.C_C": {"kind": "absorbing", "levy": levy}, "metrics": METRICS, "horizon.steps": 5}
        system = sim.build("eu48", seed=7)
        found.append(Simulation(system, sim.load("guarantee_fund").override(changes), np.arange(8), 7).play().metrics)
    free, levied = found
    assert (levied["wall_absorbed"][0] == free["wall_absorbed"][0]).all()
    assert (levied["contagion_loss"][-1] > free["contagion_loss"][-1]).all()
    assert (levied["insurer_loss"][-1] < free["insurer_loss"][-1]).all()
