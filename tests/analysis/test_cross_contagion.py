"""The linear theory: the Jacobian is the slope of the static map, elasticities are slopes of its spectral radius."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sim
from sim.analysis.cross_contagion import CrossContagion, cross_contagion, perron
from sim.arrays import Float, csr
from sim.errors import UsageError
from sim.simulation import Simulation
from tests.systems import mixed_system, random_system, scenario_of, system_of

CHANNELS = {
    "credit": {"valuation": "linear-debtrank", "recovery_rate": 0.3},
    "market": {"rule": "leverage-targeting", "settle": "new"},
}


def mapped(scenario: Any, stress: Float) -> Float:
    """What the static map makes of small stress: rows claims on agents, then assets; one lane a stress."""
    lanes = stress.shape[1]
    played = Simulation(scenario.origin.system, scenario, np.zeros(lanes, dtype=np.int64), 1)
    n, wide = played.state.n_agents, played.state.n_lanes
    given = np.zeros((stress.shape[0], wide))
    given[:, :lanes] = stress
    view, signals = played._tight(1.0 - given[:n], 1.0 - given[n:])
    credit = played.channels["credit"].respond(played._given("credit"), view, signals["credit"])
    market = played.channels["market"].respond(played._given("market"), view, signals["market"])
    return 1.0 - np.concatenate([credit, market])[:, :lanes]


@pytest.mark.parametrize("system", [random_system(1), random_system(2, n=9, n_assets=2), mixed_system()])
def test_the_jacobian_is_the_slope_of_the_static_map(system: sim.System) -> None:
    scenario = scenario_of(system, channels=CHANNELS)
    found = cross_contagion(scenario)
    n = found.jacobian.shape[0]
    assert n == len(system.ids) + len(system.assets)
    eps = 2.0**-16
    # differences on the side of stress, extrapolated: the map bends where prices and sales meet
    whole, half = mapped(scenario, eps * np.eye(n)) / eps, mapped(scenario, 0.5 * eps * np.eye(n)) / (0.5 * eps)
    numeric = 2.0 * half - whole
    dense = found.jacobian.toarray()
    traded = np.concatenate([np.ones(len(system.ids)), system.traded]) > 0
    np.testing.assert_allclose(dense[traded], numeric[traded], rtol=1e-6, atol=1e-8)
    # the test would say nothing about a block that is empty
    for target in found.parts.values():
        for source in found.parts.values():
            assert (dense[target, source] > 0.0).any()


def test_elasticities_are_slopes_of_the_radius() -> None:
    found = cross_contagion(scenario_of(random_system(3), channels=CHANNELS))
    dense = found.jacobian.toarray()
    table = found.elasticities.set_index(["source", "target"])["elasticity"]
    assert table.sum() == pytest.approx(1.0, abs=1e-12)
    step = 1e-5
    for source, columns in found.parts.items():
        for target, rows in found.parts.items():
            logs = []
            for sign in (1.0, -1.0):
                changed = dense.copy()
                changed[rows, columns] *= np.exp(sign * step)
                logs.append(np.log(np.abs(np.linalg.eigvals(changed)).max()))
            assert table[source, target] == pytest.approx((logs[0] - logs[1]) / (2.0 * step), abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_the_radius_is_the_largest_eigenvalue(seed: int) -> None:
    found = cross_contagion(scenario_of(random_system(seed), channels=CHANNELS))
    assert found.radius == pytest.approx(np.abs(np.linalg.eigvals(found.jacobian.toarray())).max(), rel=1e-10)
    assert found.perron.lower <= found.perron.upper


def test_two_banks_by_hand() -> None:
    # 30 and 20 lent to each other on equities of 10 and 15: sqrt(30 / 10 * 20 / 15) = 2; with recovery 0.75 a quarter
    system = system_of([[0, 30], [20, 0]], [60, 100], [60, 75])
    scenario = scenario_of(system)
    found = cross_contagion(scenario)
    assert found.radius == pytest.approx(2.0, rel=1e-12)
    assert not found.is_stable
    assert cross_contagion(scenario, recovery_rate=0.75).radius == pytest.approx(0.5, rel=1e-12)
    assert cross_contagion(scenario, recovery_rate=0.75).is_stable
    assert found.importance["share"].tolist()[:2] == pytest.approx([0.5, 0.5], rel=1e-10)


def test_one_bank_that_sells_by_hand() -> None:
    # 100 of assets, 60 of them securities, equity 5: leverage 20; a loss of 1 makes it sell 19 / 60 of them, 19 in all;
    # in a market of depth 400 the price falls by 19 / 400, which costs 60 * 19 / 400 = 2.85 for each unit lost
    system = system_of([[0.0]], [40], [95], [[60]], depth=[400.0])
    scenario = scenario_of(system, channels={"market": {"rule": "leverage-targeting", "settle": "new"}})
    found = cross_contagion(scenario)
    assert found.radius == pytest.approx(2.85, rel=1e-12)
    assert found.elasticities["elasticity"].tolist() == [1.0]
    assert cross_contagion(scenario, selling="threshold").radius == 0.0
    assert cross_contagion(scenario, selling="threshold").elasticities["elasticity"].isna().all()


def test_small_stress_dies_out_below_one_and_not_above() -> None:
    for recovery, dies in ((0.97, True), (0.0, False)):
        scenario = scenario_of(random_system(5), channels={"credit": {**CHANNELS["credit"], "recovery_rate": recovery},
                                                           "market": CHANNELS["market"]})  # fmt: skip
        found = cross_contagion(scenario, selling="threshold")
        assert found.is_stable == dies
        x = np.full(found.jacobian.shape[0], 1e-9)
        for _ in range(400):
            x = found.jacobian @ x
        assert (x.max() < 1e-9) == dies


def test_parts_that_do_not_feed_back_have_no_radius() -> None:
    chain = perron(csr(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])))
    assert (chain.lower, chain.upper) == (0.0, 0.0)
    # a cycle of two with a passenger; the power method alone would go round for ever
    cycle = perron(csr(np.array([[0.0, 4.0, 0.0], [1.0, 0.0, 0.0], [7.0, 0.0, 0.0]])))
    assert 0.5 * (cycle.lower + cycle.upper) == pytest.approx(2.0, rel=1e-12)
    assert cycle.right[2] == cycle.left[2] == 0.0
    assert cycle.right[0] / cycle.right[1] == pytest.approx(2.0, rel=1e-10)


def test_what_it_shows_and_refuses() -> None:
    found = cross_contagion("eu48_sovereign", selling="leverage-targeting")
    assert isinstance(found, CrossContagion)
    assert "spectral radius" in found._repr_html_()
    assert set(found.importance["channel"]) == {"credit", "market"}
    scenario = scenario_of(random_system(1), channels={})
    with pytest.raises(UsageError, match="needs the channel credit or market"):
        cross_contagion(scenario)


def test_walls_count_where_they_change_what_is_at_stake() -> None:
    channels = {"credit": {"valuation": "rogers-veraart"}, "liquidity": {}, "market": {}}
    open_ = cross_contagion(sim.Scenario(system=mixed_system(), name="open", channels=channels))
    half = {"C_C": {"kind": "structural", "permeability": 0.5}}
    ring_fenced = cross_contagion(sim.Scenario(system=mixed_system(), name="fence", channels=channels, wall=half))
    assert 0.0 < ring_fenced.radius < 0.95 * open_.radius
    # a wall between channels that have no static map stands where nothing passes
    late = {"L_M": {"kind": "absorbing", "permeability": 0.2, "capacity": 10.0}}
    other = cross_contagion(sim.Scenario(system=mixed_system(), name="late", channels=channels, wall=late))
    assert other.radius == open_.radius
