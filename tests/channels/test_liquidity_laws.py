"""The laws for the liquidity channel, on a system with every type of agent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.networks.layer import Layer
from sim.simulation import Simulation
from tests.channels.liquidity import CLEARING
from tests.systems import mixed_system, relabelled, scaled, scenario_of

EVENTS = [
    {"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.16}}},
    {"kind": "redemption", "size": {"uniform": {"low": 0.0, "high": 0.3}}, "days": 2.0, "price_fall": 0.003, "at": 2},
    {"kind": "haircut_rise", "size": {"uniform": {"low": 0.0, "high": 0.3}}, "at": 3},
]
LIQUIDITY = {
    "rollover": {"hoarding": 0.7},
    "funds": {"gates": True, "gate_anticipation": 0.1, "same_day_cap": 0.2, "redemption_fee": 0.01, "gate_pays": 0.3},
    "lender": {"test_error": 0.05, "haircut": 0.5, "stigma": 0.5},
    "learning": {"noise": True},
}
CHANNELS = {
    "liquidity": LIQUIDITY,
    "credit": CLEARING | {"resolution_steps": 2, "deposit_insurance": True, "payout_delay": 1.0},
    "market": {"leverage_limit": 20.0, "leverage_target": 18.0},
    "reputation": {"learning": {"noise": True}},
}
METRICS = ["system_loss", "defaults", "withdrawals", "lolr_peak", "lolr_outstanding", "hoarding", "overnight_lending"]
METRICS += ["lcr", "lcr_min", "cet1_ratio", "cet1_depletion", "leverage_ratio", "redemptions", "liquidity_loss"]
MONEY = ("system_loss", "withdrawals", "lolr_peak", "lolr_outstanding", "redemptions", "liquidity_loss")


def system():
    """Return the mixed system with the platform as sponsor of the fund."""
    made = mixed_system()
    n = len(made.ids)
    sponsor = np.zeros((n, n))
    sponsor[made.ids.index("P0"), made.ids.index("F0")] = 1.0
    return replace(made, layers=made.layers | {"ownership": Layer.from_matrix("ownership", made.ids, sponsor, "1")})


def scenario(of, **changes):
    parts = {"mode": "dynamic", "horizon": {"steps": 10}, "shocks": EVENTS, "metrics": METRICS, "channels": CHANNELS}
    return scenario_of(of, **(parts | changes))


def quiet():
    channels = CHANNELS | {"liquidity": LIQUIDITY | {"learning": {"noise": False}}}
    return scenario(system(), shocks=(), horizon={"steps": 250}, channels=channels)


def test_no_event_no_change_for_250_steps():
    made = system()
    play = Simulation(made, quiet(), np.arange(2), 1)
    start = {name: values.copy() for name, values in play.state.columns.items()}
    units, price = play.state.units.copy(), play.state.price.copy()
    play.play()
    for name, values in play.state.columns.items():
        assert (values == start[name]).all(), name
    assert (play.state.units == units).all()
    assert (play.state.price == price).all()
    assert (play.state.loss == 0.0).all()


def test_every_lane_is_the_single_run_bit_for_bit():
    made = system()
    together = Simulation(made, scenario(made), np.arange(13), 5)
    block = together.play()
    for name in ("withdrawals", "lolr_peak", "defaults", "hoarding", "redemptions"):
        assert block.metrics[name].max(axis=0).std() > 0.0, name
    for draw in (0, 4, 12):
        alone = Simulation(made, scenario(made), np.array([draw]), 5)
        single = alone.play()
        for name, values in single.metrics.items():
            assert (values[:, 0] == block.metrics[name][:, draw]).all(), name
        for name, values in alone.state.columns.items():
            assert (values[:, 0] == together.state.columns[name][:, draw]).all(), name
        assert (alone.state.loss[..., 0] == together.state.loss[..., draw]).all()


def test_switched_off_in_a_lane_it_posts_nothing_there():
    made = system()
    switch = {"liquidity": np.array([1.0, 0.0, 1.0])}
    play = Simulation(made, scenario(made), np.zeros(3, dtype=np.int64), 5, switches=switch)
    block = play.play()
    source = play.state.sources.index("liquidity")
    assert (play.state.loss[source][:, 1] == 0.0).all()
    assert np.abs(play.state.loss[source][:, 0]).max() > 0.0
    for name in ("repo", "lolr", "withdrawn", "redeemed", "called"):
        assert not play.state.columns[name][:, 1].any(), name
    whole = Simulation(made, scenario(made), np.zeros(1, dtype=np.int64), 5).play()
    without = {name: values for name, values in CHANNELS.items() if name != "liquidity"}
    none = Simulation(made, scenario(made, channels=without), np.zeros(1, dtype=np.int64), 5)
    rest = none.play()
    for name in METRICS:
        assert (block.metrics[name][:, 0] == whole.metrics[name][:, 0]).all(), name
        assert (block.metrics[name][:, 0] == block.metrics[name][:, 2]).all(), name
    for name in ("system_loss", "defaults"):
        assert_allclose(block.metrics[name][:, 1], rest.metrics[name][:, 0], rtol=1e-12, atol=1e-12, err_msg=name)


def test_relabelling_agents_relabels_results():
    made = system()
    order = np.r_[[2, 0, 3, 1], [5, 4], np.arange(6, len(made.ids))]
    one, two = (Simulation(each, scenario(each), np.arange(6), 5) for each in (made, relabelled(made, order)))
    first, second = one.play(), two.play()
    for name in METRICS:
        assert_allclose(second.metrics[name], first.metrics[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for name, values in one.state.columns.items():
        assert_allclose(two.state.columns[name], values[order], rtol=1e-8, atol=1e-8, err_msg=name)


def test_a_power_of_two_scales_money_and_nothing_else():
    made = system()
    one, two = (Simulation(each, scenario(each), np.arange(6), 5) for each in (made, scaled(made, 1024.0)))
    small, large = one.play(), two.play()
    for name in METRICS:
        factor = 1024.0 if name in MONEY else 1.0
        assert_allclose(large.metrics[name], small.metrics[name] * factor, rtol=1e-10, atol=1e-9, err_msg=name)


def test_books_close_over_many_draws_and_nothing_falls_below_zero():
    made = system()
    play = Simulation(made, scenario(made, horizon={"steps": 25}), np.arange(200), 5)
    block = play.play()
    assert max(block.gaps.values()) < 1e-12
    assert block.metrics["defaults"][-1].max() > 0.0
    for column in play.state.money:
        assert play.state.columns[column.name].min() >= -1e-9 * made.scale, column.name
    assert play.state.kept_overnight.min() >= 0.0
    assert play.state.pledged.max() <= 1.0


def test_off_in_a_lane_where_claims_are_provisioned_it_rolls_nothing():
    # in the other lane worth below 1 takes overnight funding away
    made = system()
    channels = CHANNELS | {"credit": {"valuation": "linear-debtrank"}}
    switch = {"liquidity": np.array([1.0, 0.0])}
    play = Simulation(made, scenario(made, channels=channels), np.zeros(2, dtype=np.int64), 5, switches=switch)
    play.play()
    assert (play.state.drawn_overnight[:4, 0] < 1.0).any()
    assert (play.state.drawn_overnight[:, 1] == 1.0).all()
    assert (play.state.loss[play.state.sources.index("liquidity")][:, 1] == 0.0).all()


def test_a_bank_in_default_pays_nobody_even_where_its_debts_are_only_provisioned():
    made = system()
    channels = {"liquidity": {"rollover": {"hoarding": 1.0}}, "credit": {"valuation": "furfine"}}
    loss = [{"kind": "asset_loss", "target": "B3", "size": 0.3}]
    play = Simulation(made, scenario(made, channels=channels, shocks=loss), np.arange(2), 5)
    play.step()
    assert play.state.is_defaulted[3, 0] == 1.0
    assert play.state.ordered_to_fail[3, 0] == 0.0
    before = play.state.withdrawn[3, 0], play.state.deposits_uninsured[3, 0]
    for _ in range(5):
        play.step()
    assert (play.state.withdrawn[3, 0], play.state.deposits_uninsured[3, 0]) == before


@pytest.mark.parametrize("off", ["credit", "market"])
def test_it_stands_alone(off):
    # where nothing clears a closed bank, or nothing sells, the books close all the same and what is closed stays closed
    made = system()
    channels = {name: values for name, values in CHANNELS.items() if name != off}
    play = Simulation(made, scenario(made, channels=channels, horizon={"steps": 20}), np.arange(16), 5)
    closed = np.zeros((4, 16), dtype=bool)
    for _ in range(20):
        before = play.state.withdrawn[:4, :16].copy()
        play.step()
        assert (play.state.withdrawn[:4, :16] == before)[closed].all()
        closed |= play.state.ordered_to_fail[:4, :16] > 0.0
    assert closed.any()
    assert max(play.gaps.values()) < 1e-12


def test_results_converge_with_the_length_of_a_step():
    # first order: halving the step halves the change
    made, found = system(), []
    slow = {"precision": 0.3, "drift": 0.05}  # so that a day is short against the time that learning takes
    rules = {"rollover": {"hoarding": 0.0}, "learning": slow, "defence": ["reserves", "lender-of-last-resort"]}
    loss = [{"kind": "asset_loss", "target": "B3", "size": 0.12}]
    for step, steps in (("1d", 8), ("12h", 16), ("6h", 32), ("3h", 64)):
        horizon = {"steps": steps, "step": step}
        what = scenario(made, channels={"liquidity": rules}, shocks=loss, horizon=horizon)
        found.append(Simulation(made, what, np.arange(2), 5).play().metrics["withdrawals"][-1, 0])
    change = np.diff(found)
    assert abs(change[0]) < 0.05 * found[0]
    assert_allclose(change[:-1] / change[1:], 2.0, rtol=0.07)


def test_the_run_whose_every_leg_is_dropped_moves_every_instrument():
    # tests/ledger/test_audit.py drops each leg of that run in turn
    from tests.ledger.test_audit import simulation

    play = simulation("run")
    play.play()
    state = play.state
    for name in ("lolr", "repo", "redeemed", "pledged", "withdrawn", "is_defaulted"):
        assert state.columns[name].any(), name
    start = play.system.state(1, ("shock",))
    for name in ("kept_overnight", "kept_accounts", "drawn_accounts", "deposits_insured", "deposits_wholesale"):
        assert (state.columns[name][:8] != start.columns[name][:8]).any(), name
