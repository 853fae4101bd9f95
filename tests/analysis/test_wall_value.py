"""Effectiveness, net value and backfire rate of walls: by hand from the draws, and never alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import sim
from sim.analysis.walls import share, wall_value
from sim.errors import UsageError


def test_the_three_numbers_by_hand_from_the_draws() -> None:
    found = wall_value("guarantee_fund", draws=48, seed=7)
    tables: dict[str, Any] = {}
    for name, result in found.comparison.results.items():
        table = result.to_pandas()
        tables[name] = table[table["step"] == table["step"].max()].set_index("draw")
    before = tables["open"]["system_loss"]
    behind = tables["walled"]["system_loss"] + tables["walled"]["wall_absorbed"]
    assert_allclose(found.effectiveness.value, 1.0 - behind.mean() / before.mean())
    assert_allclose(found.net_value.value, (before - behind - tables["walled"]["wall_cost"]).mean())
    assert found.backfire_rate.value == (behind > before * (1 + 1e-9)).mean()
    assert found.draws == 48
    assert found.effectiveness.low < found.effectiveness.value < found.effectiveness.high
    assert found.net_value.low < found.net_value.value < found.net_value.high


def test_they_are_reported_together() -> None:
    found = wall_value("guarantee_fund", draws=4, seed=7)
    assert found.to_pandas()["measure"].tolist() == ["effectiveness", "net_value", "backfire_rate"]
    for text in (repr(found), found._repr_html_()):
        assert "effectiveness" in text
        assert "net" in text
        assert "backfire" in text


def test_a_fund_that_only_moves_a_loss_is_no_gain() -> None:
    # one step: the creditors' first loss is paid by the fund, and nothing has had time to spread
    scenario = sim.load("guarantee_fund").override({"horizon.steps": 1, "wall.C_C": {"kind": "absorbing"}})
    found = wall_value(scenario, draws=8, seed=7)
    assert_allclose(found.effectiveness.value, 0.0, atol=1e-9)
    assert_allclose(found.net_value.value, 0.0, atol=1e-3)
    assert found.backfire_rate.value == 0.0


def test_a_cost_comes_off_the_net_value_alone() -> None:
    free = wall_value("guarantee_fund", draws=8, seed=7)
    dear = wall_value(sim.load("guarantee_fund").override({"wall.C_C.cost": 0.001}), draws=8, seed=7)
    paid = 0.001 * sim.build("eu48", seed=7).scale * 10 / 250
    assert dear.effectiveness == free.effectiveness
    assert_allclose(free.net_value.value - dear.net_value.value, paid, rtol=1e-9)


def test_a_scenario_without_walls_has_no_value_of_walls() -> None:
    with pytest.raises(UsageError, match="no wall in the scenario"):
        wall_value("eu48_sovereign", draws=4)


def test_the_interval_of_a_rate_holds_at_its_ends() -> None:
    # Wilson at 0 of 10: upper end z^2 / (n + z^2) = 3.8415 / 13.8415
    none = share(0, 10, 0.95)
    assert none.low == 0.0
    assert_allclose(none.high, 3.841458820694124 / 13.841458820694124)
    half = share(5, 10, 0.95)
    assert_allclose([half.value, half.low + half.high], [0.5, 1.0])
    assert np.isnan(share(0, 0, 0.95).value)
