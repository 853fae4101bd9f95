"""The market channel by hand: worked steps, impact laws, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels.market import Market
from sim.errors import InputError
from sim.kernels.impact import IMPACTS, price_fall
from sim.simulation import Simulation
from tests.systems import random_system, scenario_of, system_of


def two_banks(depth=1000.0, fair=1.0):
    # marketable 60, 60; illiquid 40, 40; capital 4.5, 8
    return system_of(
        np.zeros((2, 2)), loans=[40, 40], other=[95.5, 92], holdings=[[60.0], [60.0]], depth=depth, fair=fair
    )


def played(system, market, shocks=(), steps=1, mode="dynamic", **more):
    channels = {"market": {"grandfather": False, **market}}
    scenario = scenario_of(system, mode=mode, horizon={"steps": steps}, shocks=shocks, channels=channels, **more)
    play = Simulation(system, scenario, np.arange(2), seed=1)
    return play, play.play()


def test_one_step_of_cont_schaanning():
    # limit 20, target 19: bank 0 at 100 / 4.5 = 22.2 sells (100 - 19 * 4.5) / 60 = 0.2416667, 14.5 in all;
    # the price falls by 1 - exp(-14.5 / 1000) = 0.0143954; sellers lose half of it on what they sell:
    # 60 * 0.0143954 * (1 - 0.2416667 / 2) = 0.759356, bank 1: 60 * 0.0143954 = 0.863723
    market = {"leverage_limit": 20.0, "leverage_target": 19.0, "impact": "cont-schaanning"}
    play, _ = played(two_banks(), market)
    assert_allclose(play.state.price[0], 1.0 - 0.0143954, rtol=1e-6)
    assert_allclose(60.0 - play.state.units[:2, 0, 0], [14.5, 0.0], rtol=1e-12)
    assert_allclose(play.state.loss[1, :2, 0], [0.759356, 0.863723], atol=5e-7)
    # the proceeds, 14.5 at the mid, retired debt
    assert_allclose(play.state.other_liabilities[0, 0], 95.5 - 14.5 * (1.0 + np.exp(-0.0145)) / 2, rtol=1e-12)
    assert_allclose(play.state.cash[0, 0], 0.0, atol=1e-12)


def test_leverage_targeting_is_greenwood_landier_thesmar_in_one_round():
    # weights [.5 .5; .2 .8; .9 .1] of assets 100, 80, 60; equity 5, 6, 4; shock -2 % on the first asset;
    # impact 1e-3, 5e-4 per unit sold. Linear theory: spillover 1.5491, 0.835776, 1.332964, AV 0.247856.
    assets, equity = np.array([100.0, 80.0, 60.0]), np.array([5.0, 6.0, 4.0])
    weights = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    system = system_of(np.zeros((3, 3)), np.zeros(3), assets - equity, weights * assets[:, None], depth=[1e3, 2e3])
    scale = 1e-4  # the literature's form is the linear limit: a shock ten thousand times smaller, scaled back
    market = {"rule": "leverage-targeting", "impact": "linear", "settle": "new"}
    shocks = [{"kind": "price_fall", "falls": {"a0": 0.02 * scale}}]
    play, _ = played(system, market, shocks)
    spill = play.state.loss[1, :3, 0] / scale
    assert_allclose(spill, [1.5491, 0.835776, 1.332964], rtol=2e-4)
    assert_allclose(spill.sum() / equity.sum(), 0.247856, rtol=2e-4)


def test_what_stands_at_cost_is_not_marked_but_realises_its_loss_when_sold():
    # nothing at fair value: the fall of 4 % is invisible until bank 0 sells 14.5 pieces
    market = {"leverage_limit": 20.0, "leverage_target": 19.0, "impact": "linear", "settle": "new"}
    shocks = [{"kind": "price_fall", "falls": {"a0": 0.04}}]
    play, _ = played(two_banks(fair=0.0), market, shocks)
    assert_allclose(play.state.loss[0, :2, 0], [0.0, 0.0], atol=1e-12)
    # sells (100 - 19 * 4.5) / (60 * 0.96) of 60 pieces
    sold = 60.0 * 14.5 / 57.6
    price = 0.96 * (1.0 - sold * 0.96 / 1000.0)
    assert_allclose(play.state.loss[1, :2, 0], [sold * (1.0 - price), 0.0], rtol=1e-12)


def test_a_bank_without_equity_sells_everything_and_keeps_the_cash_for_its_creditors():
    system = two_banks()
    shocks = [{"kind": "asset_loss", "target": "B0", "size": 0.5}]
    play, _ = played(system, {"leverage_limit": 50.0, "leverage_target": 40.0}, shocks)
    assert_allclose(play.state.units[0, 0, 0], 0.0, atol=1e-12)
    assert_allclose(play.state.other_liabilities[0, 0], 95.5)
    assert play.state.cash[0, 0] > 58.0


def test_grandfathered_banks_that_lose_nothing_do_not_sell():
    system = two_banks()
    market = {"leverage_limit": 20.0, "leverage_target": 19.0, "grandfather": True}
    play, block = played(system, market, steps=5)
    assert block.metrics["sold"].max() == 0.0
    limit, target = play.channels["market"].limits(system)
    assert_allclose(limit[:, 0], [100 / 4.5 / 0.95, 20.0])
    assert_allclose(target[:, 0], [100 / 4.5, 19.0])


def test_the_static_price_is_the_greatest_and_consistent():
    system = random_system(9, fair=0.5)
    market = {"leverage_limit": 18.0, "leverage_target": 17.0, "settle": "new", "grandfather": True}
    shocks = [{"kind": "price_fall", "falls": {"a0": 0.05, "a1": 0.03, "a2": 0.02}}]
    scenario = scenario_of(system, shocks=shocks, channels={"market": market, "credit": {"valuation": "furfine"}})
    play = Simulation(system, scenario, np.arange(2), seed=1)
    block = play.play()
    assert block.status == ["ok", "ok"]
    assert 0.0 < block.metrics["sold"][0, 0] < 1.0
    before = np.array([0.95, 0.97, 0.98])
    sold = system.holdings[: len(system.banks)].sum(axis=0) - play.state.units[: len(system.banks), :, 0].sum(axis=0)
    # p = P(volume sold at the price before)
    assert_allclose(play.state.price[:, 0], before * (1.0 - np.minimum(1.0, sold * before / system.depth)), rtol=1e-9)


def test_slope_is_the_derivative_of_the_price_at_no_sale():
    system = random_system(2)
    for impact in ("linear", "exponential", "cont-schaanning"):
        market = Market(impact=impact)
        scenario = scenario_of(system, channels={"market": market.model_copy(update={"settle": "new"})})
        play = Simulation(system, scenario, np.arange(2), seed=1)
        slope = market.slope(play._given("market"), None)[:, 0]
        # sell so little of each asset that the price answers along its tangent
        volume, falls = np.full((len(system.depth), 1), 1e-5), np.empty((len(system.depth), 1))
        price = np.ones_like(volume)
        price_fall(IMPACTS[impact], volume, system.depth[:, None], system.floor[:, None], price, falls)
        assert_allclose(-falls[:, 0] / 1e-5, slope, rtol=1e-4)


@pytest.mark.parametrize(
    ("market", "mode", "text"),
    [
        ({"settle": "mid"}, "static", "static mode needs settle: new"),
        ({"settle": "new", "liquidate_insolvent": False}, "static", "static mode needs true"),
        ({"leverage_limit": 10.0, "leverage_target": 12.0}, "dynamic", "must not be above leverage_limit"),
    ],
)
def test_what_cannot_be_played_is_refused(market, mode, text):
    system = two_banks()
    with pytest.raises(InputError, match=text):
        played(system, market, mode=mode)


def test_a_market_whose_holders_are_down_is_less_deep():
    # B0 holds 100 of 250 in a0 and nothing in a1; with half of its service gone, and eta 0.5, a0 loses a tenth of depth
    system = system_of(
        np.zeros((2, 2)), [400.0, 400.0], [420.0, 600.0], [[100.0, 0.0], [150.0, 80.0]], depth=[1000.0, 500.0]
    )
    shocks = [{"kind": "outage", "target": "B0", "service": 0.5, "duration": {"fixed": 1.0}}]
    depths, steps = {}, {"mode": "dynamic", "horizon": {"steps": 2}, "shocks": shocks}
    for halt in (0.0, 0.5):
        scenario = scenario_of(system, channels={"operational": {}, "market": {"halt": halt}}, **steps)
        play = Simulation(system, scenario, np.arange(2), seed=1)
        play.step()
        depths[halt] = play.channels["market"].depth(play._given("market"))[:, 0]
        play.step()
        assert_allclose(play.channels["market"].depth(play._given("market"))[:, 0], [1000.0, 500.0])
    assert_allclose(depths[0.0], [1000.0, 500.0])
    assert_allclose(depths[0.5], [900.0, 500.0])
    # a sale of 50 then costs a0 50 / 900 of its price under linear impact
    step = play._given("market")
    step.state.service[0] = 0.5
    sell = np.array([[0.5], [0.0]]) * np.ones(step.state.n_lanes)
    assert_allclose(play.channels["market"].fall(step, sell)[:, 0], [50.0 / 900.0, 0.0])
