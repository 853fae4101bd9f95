"""Events at funds and at lenders against securities: whom they name, what they write."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of


def struck(shock, lanes=6, channels=None):
    """Return a state in which the events of the first step have struck."""
    system = mixed_system()
    made = {"liquidity": {}} if channels is None else channels
    what = scenario_of(system, mode="dynamic", horizon={"steps": 5}, shocks=[shock], channels=made)
    play = Simulation(system, what, np.arange(lanes), 3)
    play.number = 1
    play._events()
    return play.state


def test_a_share_a_day_becomes_the_rate_that_takes_it():
    state = struck({"kind": "redemption", "size": 0.15, "days": 3.0})
    assert_allclose(state.redemption_rate[7, 0], -np.log(0.85), rtol=1e-14)
    assert (state.redemption_for[7] == 3.0).all()
    assert (np.delete(state.redemption_rate, 7, axis=0) == 0.0).all()
    assert (state.loss == 0.0).all()


def test_sizes_are_drawn_by_fund_and_draw():
    state = struck({"kind": "redemption", "size": {"uniform": {"low": 0.1, "high": 0.4}}, "target": ["F0"]})
    share = 1.0 - np.exp(-state.redemption_rate[7, :6])
    assert np.unique(share.round(12)).size == 6
    assert ((share > 0.1) & (share < 0.4)).all()


def test_everything_in_a_day_is_a_very_high_rate():
    state = struck({"kind": "redemption", "size": 1.0})
    assert np.isfinite(state.redemption_rate[7]).all()
    assert (1.0 - np.exp(-state.redemption_rate[7]) == 1.0).all()


def test_a_fall_of_the_price_passes_securities_on_for_nothing():
    # assets of 92: 0.92 of 20 + 10 in securities, two thirds of it government bonds
    state = struck({"kind": "redemption", "size": 0.1, "price_fall": 0.01})
    assert_allclose([20.0, 10.0] - state.units[7, :2, 0], [0.92 * 2 / 3, 0.92 / 3], rtol=1e-12)
    outside = state.row("outside")
    assert_allclose(state.loss[0, [7, outside], 0], [0.92, -0.92], rtol=1e-12)


def test_haircuts_rise_for_those_named_and_add_up():
    state = struck({"kind": "haircut_rise", "size": 0.1, "target": ["B0", "B2"]})
    assert_allclose(state.haircut_rise[:8, 0], [0.1, 0, 0.1, 0, 0, 0, 0, 0])
    apart = struck({"kind": "haircut_rise", "size": {"uniform": {"low": 0.0, "high": 0.2}}, "common": False})
    assert np.unique(apart.haircut_rise[:4, 0].round(12)).size == 4
    alike = struck({"kind": "haircut_rise", "size": {"uniform": {"low": 0.0, "high": 0.2}}})
    assert np.unique(alike.haircut_rise[:4, 0]).size == 1


def test_without_the_liquidity_channel_nobody_asks():
    for shock in ({"kind": "redemption", "size": 0.1}, {"kind": "haircut_rise", "size": 0.1}):
        state = struck(shock, channels={"market": {}})
        assert (state.loss == 0.0).all()


def test_targets_must_be_of_the_right_type():
    with pytest.raises(InputError, match="'banks' names others than funds"):
        struck({"kind": "redemption", "size": 0.1, "target": ["F0", "banks"]})
    with pytest.raises(InputError, match="'P0' names others than banks"):
        struck({"kind": "haircut_rise", "size": 0.1, "target": "P0"})
    with pytest.raises(InputError, match="'F1' names no agent"):
        struck({"kind": "redemption", "size": 0.1, "target": "F1"})
