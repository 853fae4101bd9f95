"""Breaches, penalties, rules and rumours as events: whom they name, what they cost, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.ledger.balance import layer_face, net_worth
from sim.metrics import measure
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)


def simulation(*shocks, channels=None, steps=1, lanes=2, seed=1):
    system = mixed_system()
    acting = {"compliance": {}, "reputation": {}} if channels is None else channels
    scenario = scenario_of(system, mode="dynamic", horizon={"steps": steps}, shocks=list(shocks), channels=acting)
    return Simulation(system, scenario, np.arange(lanes), seed)


def test_clearing_up_after_a_breach_is_paid_into_the_sink():
    # half a year's revenue of T0 and P0: 10 from the account of T0, 12.5 from 2 of free cash and 10.5 at banks
    play = simulation({"kind": "data_breach", "target": ["T0", "P0"], "cost": 0.5}, channels={"compliance": {}})
    state, before = play.state, net_worth(play.state)
    play.step()
    rise = (net_worth(state) - before)[:, 0]
    assert_allclose(rise[[T0, P0, state.row("deadweight")]], [-10.0, -12.5, 22.5], atol=1e-12)
    assert_allclose(state.cash[state.row("deadweight")], 22.5)
    assert_allclose(layer_face(state, state.layers["accounts"])[[T0, P0], 0], [15.0, 24.5])
    assert_allclose(state.loss[0, :, 0].sum(), 0.0, atol=1e-12)
    assert (state.breach[:8, 0] == np.isin(np.arange(8), [T0, P0])).all()


def test_without_a_channel_that_listens_only_the_cost_is_there():
    shocks = [
        {"kind": "data_breach", "target": "P0"},
        {"kind": "penalty", "target": "P0"},
        {"kind": "rule_change", "target": "P0", "rise": 0.1},
        {"kind": "rumour", "target": "B0"},
    ]
    play = simulation(*shocks, channels={"market": {}}, steps=3)
    for _ in range(3):
        play.step()
    assert_allclose(play.state.loss[0, P0], 0.02 * 25.0)
    assert (play.state.loss[1:] == 0.0).all()
    assert measure(["fines", "rumour_heard"], play.system, play.state)["fines"].tolist() == [0.0] * 8


def test_sizes_and_days_have_luck_of_their_own():
    law = {"uniform": {"low": 0.01, "high": 0.04}}
    shock = {"kind": "penalty", "target": ["P0", "T0"], "fine": law, "suspension": {"uniform": {"low": 5, "high": 9}}}
    play = simulation(shock, lanes=64)
    play.step()
    share = play.state.fined / np.maximum(play.system.traits["turnover"], 1e-9)[:, None]
    for row in (P0, T0):
        assert (share[row].min() >= 0.01) & (share[row].max() <= 0.04)
        assert share[row].std() > 0.005
    days = play.state.case_for[P0]
    assert (days.min() >= 5.0) & (days.max() <= 9.0)
    assert abs(np.corrcoef(share[P0], share[T0])[0, 1]) < 0.4
    assert abs(np.corrcoef(share[P0], days)[0, 1]) < 0.4


def test_a_tighter_cap_replaces_a_looser_one_and_never_the_other_way():
    rules = [
        {"kind": "rule_change", "target": "platforms", "partner_cap": cap, "own_share": own, "at": at}
        for at, cap, own in ((1, 0.5, 0.4), (2, 0.3, 0.3), (3, 0.4, 0.5))
    ]
    play = simulation(*rules, steps=3)
    seen = []
    for _ in range(3):
        play.step()
        seen.append((play.state.partner_cap[B1, 0], play.state.own_share[P0, 0]))
    assert seen == [(0.5, 0.4), (0.3, 0.4), (0.3, 0.5)]
    # a cap binds those who fund the pool and raises nobody's standard
    assert not play.state.standard.any()
    assert not play.state.partner_cap[T0].any()


def test_a_rumour_starts_with_its_tellers_and_may_start_again():
    shock = {"kind": "rumour", "target": "B1", "size": 5.0, "tellers": 0.25, "reach": 0.5}
    play = simulation(shock, shock | {"at": 3, "tellers": 0.5}, steps=3)
    play.step()
    # in the first day the ignorant fall from 0.75, and the mean bias is 5 * 0.5 * ln(0.75 / i) / 0.5
    left = play.state.ignorant[B1, 0]
    assert 0.6 < left < 0.75
    assert_allclose(play.state.rumour[B1], -5.0 * 0.5 * np.log(0.75 / left) / 0.5, rtol=1e-9)
    play.step()
    play.step()
    again = play.state.ignorant[B1, 0]
    assert 0.3 < again < 0.5
    assert_allclose(play.state.rumour[B1], -5.0 * 0.5 * np.log(0.5 / again) / 0.5, rtol=1e-9)
    assert_allclose(play.state.heard[B1], 0.5 * (1.0 - again))


@pytest.mark.parametrize(
    ("shock", "text"),
    [
        ({"kind": "penalty", "target": "P9"}, r"shocks\.0\.target: 'P9' names no agent and no selector"),
        ({"kind": "penalty", "target": ["P0", "F0"]}, r"shocks\.0\.target: 'F0' names funds.*name the platform"),
        ({"kind": "rumour", "target": "funds"}, r"shocks\.0\.target: 'funds' names funds"),
        ({"kind": "data_breach", "target": []}, r"target names nobody"),
        ({"kind": "rule_change", "target": "banks"}, r"give rise, or one of partner_cap, joint_cap, own_share"),
        ({"kind": "rule_change", "target": "banks", "partner_cap": 0.0}, r"shocks\.0\.partner_cap"),
        ({"kind": "rumour", "target": "banks", "tellers": 0.0}, r"shocks\.0\.tellers"),
        ({"kind": "rumour", "target": "banks", "size": -1.0}, r"shocks\.0\.size"),
        ({"kind": "penalty", "target": "P0", "fine": 1.2}, r"shocks\.0\.fine"),
    ],
)
def test_what_cannot_happen_is_refused_by_name(shock, text):
    with pytest.raises(InputError, match=text):
        simulation(shock)
