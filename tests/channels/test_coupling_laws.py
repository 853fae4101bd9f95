"""The paths between channels that are off by default, all open: by hand, and the laws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.simulation import Simulation
from tests.channels.test_resolution import reclassified
from tests.systems import mixed_system, relabelled, scaled, scenario_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)
OPEN = {
    "operational": {"outage_rate": 5.0, "breach_hazard": 5.0, "budget_effect": 3.0, "budget_lag": 5.0},
    "reputation": {"attrition": 0.2, "share_response": 5.0},
    "liquidity": {"depositors": {"uninsured": {"hazard": 1.0}}, "learning": {"run_weight": 10.0}},
    "market": {"leverage_limit": 20.0, "leverage_target": 18.0, "halt": 0.7},
    "credit": {
        "valuation": "eisenberg-noe",
        "borrowers": {"crunch": 0.05, "scoring_error": 2.0},
        "pledges": {"share": 0.3},
        "resolution": {"bail_in": "term", "target": 0.04, "line": 0.01, "cost": 0.001},
    },
    "compliance": {},
}
EVENTS = [
    {"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.16}}},
    {"kind": "price_fall", "falls": {"TECHEQ": {"uniform": {"low": 0.0, "high": 0.5}}, "CORP": 0.05}},
    {"kind": "outage", "target": ["T0", "P0"], "service": 0.2, "duration": {"fixed": 3.0}, "at": 2},
]
METRICS = [
    "system_loss",
    "credit_loss",
    "market_loss",
    "operational_loss",
    "bailed_in",
    "withdrawals",
    "deadweight_loss",
]


def system():
    return reclassified(mixed_system(), B0=15.0, B1=10.0, B2=15.0)


def simulation(draws, shocks=EVENTS, steps=6, of=None, channels=OPEN, **more):
    of = of or system()
    parts = {"mode": "dynamic", "horizon": {"steps": steps}, "shocks": shocks, "metrics": METRICS}
    return Simulation(of, scenario_of(of, channels=channels, **parts | more), np.asarray(draws), seed=5)


def stepped(play, steps):
    for _ in range(steps):
        play.step()
    return play


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_budgets_follow_the_shares_of_the_step_before_at_the_pace_of_the_lag():
    channels = {"operational": {"outage_rate": 1e-9, "budget_effect": 2.0, "budget_lag": 10.0}}
    shock = {"kind": "price_fall", "falls": {"TECHEQ": 0.4}}
    play = stepped(simulation([0, 1], [shock], 3, channels=channels), 3)
    assert_allclose(play.state.budget[[T0, P0], 0], 1.0 - 0.4 * (1.0 - math.exp(-0.3)), rtol=1e-12)
    assert (play.state.budget[:4] == 1.0).all()


@pytest.mark.parametrize(("effect", "rate"), [(0.0, 2.0), (2.0, 2.0 * math.exp(2.0 * 0.4))])
def test_outages_come_as_often_as_budgets_say(effect, rate):
    channels = {"operational": {"outage_rate": 2.0, "budget_effect": effect, "budget_lag": 1e-3}}
    channels["operational"]["outage_duration"] = {"fixed": 1.0}
    shock = {"kind": "price_fall", "falls": {"TECHEQ": 0.4}}
    play = stepped(simulation(np.arange(128), [shock], 30, channels=channels), 30)
    # a day a year of 250 days, with the rate above; a firm that is down can be struck again, and stays down for a day
    found = play.state.lost_service[[T0, T1]]
    expected = 30.0 * (1.0 - math.exp(-rate / 250.0))
    error = found.std() / math.sqrt(found.size)
    assert abs(found.mean() - expected) < 4.0 * error + 0.02 * expected


def test_a_run_is_the_news_of_the_next_day():
    quiet = {name: {"hazard": 0.0} for name in ("insured", "uninsured", "wholesale")}
    channels = {"liquidity": {"depositors": quiet, "learning": {"run_weight": 10.0, "drift": 0.0}}}
    play = simulation([0, 1], (), 2, channels=channels)
    play.step()
    # a tenth of the deposits of B1 are asked for, 44 of 440: one percentage point worse, learnt by a gain of 2/3
    play.state.asked_uninsured[B1] = 44.0
    before = play.state.belief[:4, 0].copy()
    play.step()
    moved = before - play.state.belief[:4, 0]
    # P falls to 1 / 5 by the first signal, and the gain of the second is 0.2 / (0.2 + 0.25)
    assert_allclose(moved, [0.0, 1.0 * 0.2 / 0.45, 0.0, 0.0], atol=1e-12)


def test_a_crunch_takes_its_part_of_a_year_from_all_lenders():
    channels = {"credit": {"borrowers": {"crunch": 0.1, "loss_given_default": 0.5}, "tol": 1e-14}}
    shock = {"kind": "agent_failure", "target": "B3", "size": 0.0}
    play = simulation([0, 1], [shock], 2, channels=channels)
    play.step()
    before = play.state.loans[:4, 0].copy()
    play.step()
    # B3 lent 110 of 1240, and is gone
    assert_allclose(before[:3] - play.state.loans[:3, 0], before[:3] * 0.5 * 0.1 * 110 / 1240 / 250, rtol=1e-9)


# -- laws ------------------------------------------------------------------------------------------------------------


def test_nothing_moves_without_an_event():
    channels = OPEN | {"operational": {"budget_effect": 3.0}}
    play = simulation([0, 1], (), channels=channels)
    start = {name: values.copy() for name, values in play.state.columns.items()}
    stepped(play, 60)
    assert not play.state.loss.any()
    assert (play.state.price == 1.0).all()
    for name, values in play.state.columns.items():
        assert_allclose(values, start[name], rtol=0.0, atol=1e-12 * play.system.scale, err_msg=name)


def test_draws_stand_alone_and_books_close():
    play = simulation(np.arange(40))
    block = play.play()
    assert max(block.gaps.values()) < 1e-12
    assert block.metrics["bailed_in"].any()
    for draw in (0, 17):
        alone = simulation([draw])
        single = alone.play()
        for name, values in single.metrics.items():
            assert (values[:, 0] == block.metrics[name][:, draw]).all(), name
        assert (alone.state.loss[..., 0] == play.state.loss[..., draw]).all()


def test_names_and_units_do_not_matter():
    made = system()
    plain = simulation(np.arange(8)).play()
    order = np.r_[[2, 0, 3, 1], [5, 4], np.arange(6, len(made.ids))]
    moved = simulation(np.arange(8), of=relabelled(made, order)).play()
    large = scaled(made, 1024.0)
    large = replace(large, start=large.start | {"subordinated": made.start["subordinated"] * 1024.0})
    larger = simulation(np.arange(8), of=large).play()
    for name in METRICS:
        assert_allclose(moved.metrics[name], plain.metrics[name], rtol=1e-8, atol=1e-8, err_msg=name)
        assert_allclose(larger.metrics[name], plain.metrics[name] * 1024.0, rtol=1e-8, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("off", ["credit", "market", "operational", "reputation", "liquidity"])
def test_a_channel_switched_off_in_a_lane_posts_nothing_there(off):
    made = system()
    scenario = simulation([0]).scenario
    play = Simulation(made, scenario, np.arange(3), 5, switches={off: np.array([1.0, 0.0, 1.0])})
    play.play()
    posted = play.state.loss[play.state.sources.index(off)]
    assert posted[:, 0].any()
    assert not posted[:, 1].any()
