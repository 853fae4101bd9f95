"""Policies on small systems and on the shipped ones: what they change, by hand where it can be, what they cost."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from ruamel.yaml import YAML

import sim
from sim.agents.bank import FundingView
from sim.errors import InputError
from sim.ledger.balance import net_worth, total_assets
from sim.metrics.ratios import cet1
from sim.policies import POLICIES
from sim.policies.providers import _levelled
from sim.policies.redemption import RedemptionCap
from sim.simulation import Block, Simulation
from tests.systems import mixed_system, scenario_of, system_of

METRICS = ["system_loss", "sold", "defaults", "lost_service", "redemptions", "policy_cost", "warned"]
CRASH = {"observed": "price_decline", "above": 0.01}


@cache
def base() -> sim.System:
    return sim.build("cn100", seed=7)


@cache
def mixed() -> sim.System:
    return mixed_system()


def played(name: str, changes: dict[str, Any], draws: int = 4) -> tuple[Block, Simulation]:
    simulation = Simulation(base(), sim.load(name).override({"metrics": METRICS} | changes), np.arange(draws), 7)
    block = simulation.play()
    assert max(block.gaps.values()) < 1e-12  # closure, and every instrument against its entries, after every step
    return block, simulation


def on_mixed(
    policies: list[dict[str, Any]], steps: int = 1, shocks: Any = (), system: Any = None, **channels: Any
) -> Simulation:
    system = system or mixed()
    parts: dict[str, Any] = {"mode": "dynamic", "horizon": {"steps": steps}, "shocks": list(shocks)}
    scenario = scenario_of(system, **parts, channels=channels, policies=policies, metrics=METRICS)
    simulation = Simulation(system, scenario, np.arange(2), 7)
    assert max(simulation.play().gaps.values()) < 1e-12
    return simulation


def same(one: Block, other: Block) -> None:
    for metric in METRICS:
        if metric not in ("policy_cost", "warned"):
            assert_array_equal(one.metrics[metric], other.metrics[metric])


# -- off is absent, and nothing moves by itself ----------------------------------------------------------------------

STRESS: dict[str, Any] = {"horizon.steps": 5, "shocks.0.size": 0.03}

NEUTRAL: list[dict[str, Any]] = [
    {"kind": "capital_buffer", "minimum": 0.03, "buffer": 0.01, "build_up": False},  # leverage_limit: 25
    {"kind": "liquidity_buffer", "ratio": 1.05, "build_up": False},  # coverage_minimum + coverage_buffer
    {"kind": "early_warning", "trigger": CRASH},
    {"kind": "provider_diversification", "taken_over": 0.0},
    {"kind": "redemption_cap", "daily_limit": 0.0},
]


def test_no_policies_and_policies_that_say_what_is_so_already_change_nothing() -> None:
    bare, _ = played("combined_stress", STRESS)
    none, simulation = played("combined_stress", STRESS | {"policies": []})
    assert simulation.policies is None
    same(none, bare)
    neutral, _ = played("combined_stress", STRESS | {"policies": NEUTRAL})
    same(neutral, bare)
    assert (neutral.metrics["policy_cost"][-1] > 0.0).all()
    assert "policies" not in sim.load("combined_stress").plain()


def test_without_an_event_nothing_moves_under_all_rules_that_have_long_been_there() -> None:
    rules = [
        {"kind": "capital_buffer", "buffer": 0.04, "usability": 0.5},
        {"kind": "liquidity_buffer", "ratio": 2.0},
        {"kind": "early_warning", "trigger": CRASH, "starts": ["policies.0"]},
        {"kind": "provider_diversification", "largest_share": 0.6, "backup": 0.6, "exit_time": 40.0},
        {"kind": "redemption_cap", "risk_reserves": 0.004},
    ]
    changes = {"shocks": [], "horizon.steps": 20, "policies": rules}
    block, simulation = played("combined_stress", changes)
    for metric in METRICS[:5]:
        assert np.abs(block.metrics[metric]).max() < 1e-12 * base().scale
    start = net_worth(simulation.system.state(1, ("shock",)))
    assert np.abs(net_worth(simulation.state) - start).max() < 1e-12 * base().scale
    assert max(simulation.system.check().values()) < 1e-12


def test_a_lane_is_the_same_alone_and_in_a_block() -> None:
    rules = [
        {"kind": "early_warning", "trigger": CRASH | {"noise": 0.5}, "starts": ["policies.1", "wall.M_M"]},
        {"kind": "capital_buffer", "buffer": 0.02},
        {"kind": "redemption_cap", "risk_reserves": 0.004},
        {"kind": "co_lending_rules", "transition": 3.0},
    ]
    changes = STRESS | {"policies": rules, "metrics": METRICS, "wall.M_M.permeability": 0.5}
    scenario = sim.load("combined_stress").override(changes)
    block = Simulation(base(), scenario, np.arange(8), 7).play()
    alone = Simulation(base(), scenario, np.array([5]), 7).play()
    for metric in METRICS:
        assert_array_equal(alone.metrics[metric][:, 0], block.metrics[metric][:, 5])


# -- capital ---------------------------------------------------------------------------------------------------------


def seller(**policy: Any) -> tuple[Block, Simulation]:
    """A bank of 100 with equity 5 and securities of 40 loses 1: assets 99, equity 4, leverage 24.75."""
    system = system_of([[0.0]], [60], [95], [[40.0]], depth=[1e9])
    market = {"leverage_limit": 30.0, "leverage_target": 28.5, "grandfather": False}
    given: dict[str, Any] = {"mode": "dynamic", "horizon": {"steps": 1}, "channels": {"market": market}}
    given |= {"shocks": [{"kind": "asset_loss", "target": "B0", "size": 1 / 60}], "metrics": METRICS}
    rule = {"kind": "capital_buffer", "minimum": 0.03, "buffer": 0.02, "build_up": False} | policy
    simulation = Simulation(system, scenario_of(system, **given, policies=[rule]), np.arange(1), 0)
    return simulation.play(), simulation


def test_banks_sell_below_the_line_of_what_they_dare_to_use() -> None:
    # line 0.03 + 0.02: limit 20, target 19, so (99 - 19 * 4) / 40 is sold; line 0.03 + 0.01: limit 25, nothing is
    assert_allclose(seller(usability=0.0)[0].metrics["sold"][-1, 0], 23.0 / 40.0)
    assert seller(usability=0.5)[0].metrics["sold"][-1, 0] == 0.0
    assert_allclose(seller(usability=0.45)[0].metrics["sold"][-1, 0], (99.0 - 0.95 * 4.0 / 0.041) / 40.0)


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_buffers_the_tighter_one_counts(order: int) -> None:
    system = system_of([[0.0]], [60], [95], [[40.0]], depth=[1e9])
    market = {"leverage_limit": 30.0, "leverage_target": 28.5, "grandfather": False}
    given: dict[str, Any] = {"mode": "dynamic", "horizon": {"steps": 1}, "channels": {"market": market}}
    given |= {"shocks": [{"kind": "asset_loss", "target": "B0", "size": 1 / 60}], "metrics": METRICS}
    rule = {"kind": "capital_buffer", "build_up": False}
    rules = [rule | {"buffer": 0.02}, rule | {"buffer": 0.005, "among": "B0"}]
    block = Simulation(system, scenario_of(system, **given, policies=rules[::order]), np.arange(1), 0).play()
    assert_allclose(block.metrics["sold"][-1, 0], 23.0 / 40.0)


def test_a_buffer_that_is_built_up_is_debt_turned_into_equity() -> None:
    block, simulation = seller(build_up=True, buffer=0.04)
    made = simulation.system
    assert_allclose(made.equity0[0], 7.0)
    assert_allclose(made.start["other_liabilities"][0], 93.0)
    assert_allclose(total_assets(made.state(1, ("shock",)))[0, 0], 100.0)
    assert_allclose(block.metrics["sold"][-1, 0], (99.0 - 0.95 / 0.07 * 6.0) / 40.0)


def test_a_buffer_by_risk_weights_is_built_up_to_the_ratio() -> None:
    rule = {"kind": "capital_buffer", "basis": "cet1", "minimum": 0.045, "buffer": 0.07}
    _, simulation = played("cn100", {"horizon.steps": 1, "policies": [rule]})
    before, after = (cet1(each, each.state(2, ("shock",)))[:, 0] for each in (base(), simulation.system))
    assert before.min() < 0.11
    assert_allclose(after[before < 0.115], 0.115)
    assert_allclose(after[before >= 0.115], before[before >= 0.115])
    # and it sells below the line in the same measure: 0.045 of weighted assets is less than banks have lost
    used, _ = played("combined_stress", STRESS | {"policies": [rule | {"usability": 1.0}]})
    kept, _ = played("combined_stress", STRESS | {"policies": [rule | {"usability": 0.0}]})
    assert used.metrics["sold"][-1].max() < 0.1 * kept.metrics["sold"][-1].min()


def test_capital_helps_and_a_buffer_that_nobody_dares_to_use_harms() -> None:
    rule = {"kind": "capital_buffer", "buffer": 0.02}
    loss = {
        used: played("combined_stress", STRESS | {"policies": [rule | {"usability": used, "build_up": False}]})[0]
        .metrics["system_loss"][-1]
        for used in (0.0, 0.5, 1.0)
    }  # fmt: skip
    bare = played("combined_stress", STRESS)[0].metrics["system_loss"][-1]
    assert (loss[0.0] > bare).all()
    assert (loss[0.0] > loss[0.5]).all()
    assert (loss[0.5] > loss[1.0]).all()
    assert (bare > loss[1.0]).all()


def test_a_buffer_is_released_some_time_after_something_was_seen() -> None:
    rule = {"kind": "capital_buffer", "buffer": 0.02, "build_up": False}
    steps = STRESS | {"horizon.steps": 8}
    kept, _ = played("combined_stress", steps | {"policies": [rule]})
    release = {"release": {"observed": "sold", "above": 0.01, "lag": 2}, "delay": 1}
    freed, simulation = played("combined_stress", steps | {"policies": [rule | release]})
    first = int(np.argmax(kept.metrics["sold"][:, 0] > 0.01))
    sold = freed.metrics["sold"][:, 0]
    # seen two steps later, released after one more
    assert_array_equal(sold[: first + 3], kept.metrics["sold"][: first + 3, 0])
    assert sold[-1] < kept.metrics["sold"][-1, 0]
    assert (simulation.policies.seats[0].fired == 1.0).all()  # type: ignore[union-attr]
    cost, whole = (each.metrics["policy_cost"][:, 0] for each in (freed, kept))
    assert_allclose(cost[first + 2 :], whole[first + 2])  # what is released costs nothing more


def test_capital_costs_borrowers_a_spread() -> None:
    rule = {"kind": "capital_buffer", "basis": "cet1", "buffer": 0.025, "build_up": False, "among": "banks[largest]"}
    block, _ = played("cn100", {"horizon.steps": 10, "shocks": [], "policies": [rule]})
    largest = base().agents.loc[list(base().banks), "total_assets"].to_numpy().argmax()
    assert_allclose(block.metrics["policy_cost"][-1], 0.13 * 0.025 * base().start["loans"][largest] * 10 / 250)


# -- liquidity -------------------------------------------------------------------------------------------------------


def test_banks_hoard_below_the_part_of_the_coverage_that_they_do_not_use() -> None:
    rule = {"kind": "liquidity_buffer", "ratio": 1.2, "usability": 0.25, "build_up": False, "among": "B0"}
    simulation = on_mixed([rule], liquidity={})
    seat = simulation.policies.seats[0]  # type: ignore[union-attr]
    four = np.ones((4, 1))
    seen: Any = seat.policy.see(seat, FundingView(four, 0.5 * four, four, four))
    own = 0.95 * simulation.state.lcr[:4, 0]
    assert_allclose(seen.coverage_least[:, 0], [min(0.9, own[0]), 0.5, 0.5, 0.5])
    seat.fired = np.ones(2)
    assert seat.policy.see(seat, FundingView(four, four, four, four)).coverage_least[0].max() == 0.0  # type: ignore[attr-defined]


def test_banks_that_lack_liquid_assets_have_borrowed_them_for_long() -> None:
    simulation = on_mixed([{"kind": "liquidity_buffer", "ratio": 3.0, "carry": 0.02}], liquidity={})
    made, banks = simulation.system, mixed().types["banks"]
    assert simulation.state.lcr[banks].min() >= 3.0 - 1e-12
    more = made.start["cash"] - mixed().start["cash"]
    assert more[banks].max() > 0.0
    assert_allclose(made.start["other_liabilities"] - mixed().start["other_liabilities"], more)
    assert_allclose(made.equity0[:8], mixed().equity0[:8])
    # level 2 counts up to 40 % of the whole, so of a bank with little of it the reserves alone fill the gap
    assert_allclose(simulation.state.lcr[banks][more[banks] > 0.0, 0], 3.0)


def test_the_carry_is_that_of_what_must_be_held() -> None:
    block, _ = played("cn100", {"horizon.steps": 5, "shocks": [], "policies": [{"kind": "liquidity_buffer"}]})
    twice, _ = played(
        "cn100", {"horizon.steps": 5, "shocks": [], "policies": [{"kind": "liquidity_buffer", "ratio": 2.0}]}
    )
    assert_allclose(twice.metrics["policy_cost"][-1], 2.0 * block.metrics["policy_cost"][-1])


def test_lending_dries_up_less_where_liquid_assets_may_be_used() -> None:
    lent = {}
    for used in (0.0, 0.9):
        rule = {"kind": "liquidity_buffer", "ratio": 2.0, "usability": used, "build_up": False}
        changes = STRESS | {"metrics": [*METRICS, "overnight_lending"], "policies": [rule]}
        lent[used] = played("combined_stress", changes)[0].metrics["overnight_lending"][-1]
    assert (lent[0.9] > 1.2 * lent[0.0]).all()


# -- early warning ---------------------------------------------------------------------------------------------------


def test_a_warning_is_what_was_seen_a_day_ago() -> None:
    rule = {"kind": "early_warning", "trigger": CRASH | {"lag": 1}, "cost_share": 0.001}
    changes = {"horizon.steps": 6, "shocks.0.size": 0.05, "policies": [rule], "metrics": [*METRICS, "price_decline"]}
    block, _ = played("combined_stress", changes)
    seen = block.metrics["price_decline"] > 0.01
    assert seen.any()
    assert_array_equal(block.metrics["warned"][1:], seen[:-1])
    assert not block.metrics["warned"][0].any()
    banks = base().agents.loc[list(base().banks), "total_assets"].sum()
    assert_allclose(block.metrics["policy_cost"][-1], 0.001 * banks * 6 / 250)


def test_all_that_a_warning_starts_hears_the_same_one() -> None:
    rules = [
        {"kind": "early_warning", "trigger": CRASH | {"noise": 2.0}, "starts": ["wall.M_M", "policies.1", "walls.0"]},
        {"kind": "capital_buffer", "buffer": 0.02},
    ]
    walls = [{"kind": "temporal", "between": "R_L", "path": "withdrawals", "permeability": 0.5}]
    changes = {"policies": rules, "walls": walls, "wall.M_M.permeability": 0.2}
    changes |= {"horizon.steps": 12, "shocks.0.size": 0.05, "metrics": METRICS}
    simulation = Simulation(base(), sim.load("combined_stress").override(changes), np.arange(8), 7)
    heard = []
    for _ in range(10):
        simulation.step()
        one, other = (stand.holds for stand in simulation.walls.stands)  # type: ignore[union-attr]
        seat = simulation.policies.seats[1]  # type: ignore[union-attr]
        assert_array_equal(one, seat.fired)
        assert_array_equal(other, seat.fired)
        assert_array_equal(simulation.state.memory["warned"], seat.fired)
        heard.append(seat.fired.copy())
    assert 0.0 < np.mean(heard[3:]) < 1.0  # with such an error it is out in some draws and steps only


def test_a_warning_that_is_only_watched_starts_nothing() -> None:
    rule = {"kind": "early_warning", "trigger": CRASH, "starts": ["wall.M_M"]}
    changes: dict[str, Any] = STRESS | {"policies": [rule], "wall.M_M.permeability": 0.0}
    bare, _ = played("combined_stress", STRESS)
    watched, _ = played("combined_stress", changes | {"policies": [rule | {"acts": False}]})
    acting, _ = played("combined_stress", changes)
    for metric in METRICS[:4]:
        assert_array_equal(watched.metrics[metric], bare.metrics[metric])
    assert (watched.metrics["warned"][-1] == 1.0).all()
    assert (acting.metrics["sold"][-1] < bare.metrics["sold"][-1]).all()


# -- providers -------------------------------------------------------------------------------------------------------


def test_shares_above_the_cap_go_to_the_others_by_what_they_carry() -> None:
    own, weight = np.array([0.9, 0.1, 0.0, 0.0]), np.array([5.0, 1.0, 3.0, 0.0])
    assert_allclose(_levelled(own, weight, 0.5), [0.5, 0.2, 0.3, 0.0])
    # the third is full at 0.35, so the second takes what is left
    assert_allclose(_levelled(own, np.array([5.0, 1.0, 30.0, 0.0]), 0.35), [0.35, 0.3, 0.35, 0.0])


def test_banks_move_what_is_above_the_cap_and_pay_for_it() -> None:
    rule = {"kind": "provider_diversification", "largest_share": 0.6, "backup": 0.7, "opex": 0.01}
    rule |= {"exit_time": 40.0, "failover_delay": 2.0, "plan_cost": 0.001}
    simulation = on_mixed([rule | {"functions": ["hosting"]}], operational={})
    services = simulation.system.services
    assert services is not None
    assert services.shares[1] is mixed().services.shares[1]  # type: ignore[union-attr]
    hosting = np.zeros((8, 8))
    for user in range(8):
        edges = slice(*services.shares[0].indptr[user : user + 2])
        hosting[user, services.shares[0].indices[edges]] = services.shares[0].weights[edges]
    hosting = hosting[:, 4:6]
    assert_allclose(hosting[:4], [[0.6, 0.4], [0.5, 0.5], [0.4, 0.6], [0.6, 0.1]])
    assert hosting[6, 0] == 0.8  # a platform is no bank
    assert_allclose(services.backup[:, [0, 3, 6]], [[0.7, 0.7, 0.5], [0.5, 0.5, 0.5]])
    channel: Any = simulation.channels["operational"]
    assert (channel.exit_time, channel.failover_delay, channel.taken_over) == (40.0, 2.0, 0.0)
    revenue = np.array([30.0, 18.0, 9.0, 6.0])
    part = 0.01 * np.array([0.4 + 0.2, 0.2, 0.4 + 0.2, 0.1 + 0.2]) + 0.001  # what moved, and the backup
    assert_allclose(simulation.state.memory["policy_cost"], (part * revenue).sum() / 250)
    with pytest.raises(InputError, match="payments has 1 provider, so it cannot be spread that far; at least 1"):
        on_mixed([rule], operational={})


def test_fewer_banks_are_down_with_the_largest_cloud() -> None:
    changes = {"horizon.steps": 8}
    free, _ = played("cloud_outage", changes)
    rule = {"kind": "provider_diversification", "largest_share": 0.5, "backup": 0.7}
    ruled, _ = played("cloud_outage", changes | {"policies": [rule]})
    assert (ruled.metrics["lost_service"][-1] < free.metrics["lost_service"][-1]).all()
    assert ruled.metrics["lost_service"][-1].min() > 0.0


def test_a_plan_for_the_way_out_stretches_the_end_of_a_provider() -> None:
    dies = {"kind": "agent_failure", "target": "T0", "at": 1}
    left = {}
    for days in (None, 40.0):
        rule = [] if days is None else [{"kind": "provider_diversification", "exit_time": days}]
        channels: dict[str, Any] = {"operational": {"exit_time": 10.0}, "credit": {}}
        left[days] = on_mixed(rule, 5, [dies], **channels).state.service_left[4, 0]
    assert_allclose([1.0 - left[None], 1.0 - left[40.0]], [4 / 10, 4 / 40])


# -- funds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "spread"), [(10_000.0, 1.5), (2_874.0, 0.5), (500.0, 3.0)])
def test_the_share_that_holders_get_is_that_of_their_balances(limit: float, spread: float) -> None:
    # E[min(B, c)] / E[B], by quantiles of a lognormal balance with mean b
    rule = RedemptionCap(daily_limit=limit, dispersion=spread)
    u = (np.arange(40_000) + 0.5) / 40_000
    normal = np.array([NormalDist().inv_cdf(each) for each in u])
    balances = rule.balance * np.exp(spread * normal - 0.5 * spread**2)
    assert_allclose(rule.share_per_day, np.minimum(balances, limit).sum() / (40_000 * rule.balance), rtol=5e-3)
    assert RedemptionCap(daily_limit=0.0).share_per_day == 1.0


def test_redemptions_wait_and_waiting_costs() -> None:
    changes = {"horizon.steps": 6}
    free, _ = played("fund_run", changes)
    rule = {"kind": "redemption_cap", "daily_limit": 100.0, "waiting": 0.5}
    capped, simulation = played("fund_run", changes | {"policies": [rule]})
    cap = RedemptionCap(daily_limit=100.0).share_per_day
    channel: Any = simulation.channels["liquidity"]
    assert channel.funds.same_day_cap == cap < 0.15
    assert (capped.metrics["redemptions"][-1] < free.metrics["redemptions"][-1]).all()
    # booked at the beginning of each step on what waits from the step before
    funds, state = simulation.system.types["funds"], simulation.state
    before = simulation.state.memory["policy_cost"].copy()
    waiting = (state.redeeming[funds] * state.price[[base().assets.index(each) for each in base().ids[funds]]]).sum(0)
    assert (waiting > 0.0).all()
    simulation.step()
    assert_allclose(state.memory["policy_cost"] - before, 0.5 * waiting / 250)


def test_a_fund_without_the_reserves_is_smaller_and_households_have_what_it_held() -> None:
    simulation = on_mixed([{"kind": "redemption_cap", "risk_reserves": 0.004}], liquidity={})
    made, old = simulation.system, mixed()
    home, fund = old.types["households"].start, old.types["funds"].start
    assert_allclose(made.holdings[fund, 4], 0.8 * -92.0)
    assert_allclose(made.holdings[home, 4], 82.0 - 0.2 * 92.0)
    assert_allclose(made.holdings[home, :2], [4.0, 2.0])
    assert_allclose(made.layers["accounts"].csr.weights[-3:], [24.0, 16.0, 8.0])
    more = made.start["deposits_uninsured"] - old.start["deposits_uninsured"]
    assert_allclose(more[:4], [6.0, 4.0, 0.0, 2.0])
    worth = [net_worth(each.state(1, ("shock",)))[:, 0] for each in (made, old)]
    assert_allclose(worth[0], worth[1], atol=1e-12)
    assert max(made.check().values()) < 1e-12


def test_households_cannot_take_back_more_than_they_hold() -> None:
    with pytest.raises(InputError, match=r"risk_reserves: households hold too little of F0 to take back 0\.96 of it"):
        on_mixed([{"kind": "redemption_cap", "risk_reserves": 0.0002}], liquidity={})


# -- conduct ---------------------------------------------------------------------------------------------------------


def test_co_lending_rules_are_the_rule_change_of_the_same_numbers_and_cost_the_margin() -> None:
    caps = {"own_share": 0.5, "partner_cap": 0.25, "joint_cap": 0.5, "transition": 4.0}
    event = {"kind": "rule_change", "target": "platforms", "at": 2} | caps
    changes = {"horizon.steps": 6, "metrics": [*METRICS, "credit_withheld"]}
    struck, _ = played("cn100", changes | {"shocks": [event]})
    rule = {"kind": "co_lending_rules", "at": 2, "margin": 0.04} | caps
    ruled, _ = played("cn100", changes | {"policies": [rule]})
    withheld = ruled.metrics["credit_withheld"]
    assert (withheld[-1] > 0.0).all()
    assert_array_equal(withheld, struck.metrics["credit_withheld"])
    # booked at the beginning of each step on what was withheld until then
    assert_allclose(ruled.metrics["policy_cost"][-1], 0.04 * withheld[:-1].sum(axis=0) / 250)


def test_every_platform_and_bank_meets_the_caps_at_the_end() -> None:
    _, simulation = played("cn100", {"horizon.steps": 6, "policies": [{"kind": "co_lending_rules", "transition": 4.0,
        "own_share": 0.5}]})  # fmt: skip
    state, system = simulation.state, simulation.system
    equity, joint = net_worth(state)[state.banks], np.zeros((state.banks.stop, state.n_lanes))
    for asset, row in system.pools:
        held = np.maximum(0.0, state.units[:, asset]) * state.price[asset]
        assert (held[row] / (held[row] + held[state.banks].sum(axis=0)) >= 0.5 - 1e-9).all()
        assert (held[state.banks] <= 0.25 * equity * (1.0 + 1e-9)).all()
        joint += held[state.banks]
    assert (joint <= 0.5 * (joint + state.loans[state.banks]) * (1.0 + 1e-9)).all()


def test_data_that_are_kept_better_are_breached_less_often() -> None:
    channels: dict[str, Any] = {"operational": {"breach_hazard": 50.0, "posture_effect": 3.0}}
    free = on_mixed([], 20, **channels)
    rule = {"kind": "data_security", "posture": 0.9, "upkeep": 0.02, "among": "tech_firms"}
    kept = on_mixed([rule], 20, **channels)
    assert_allclose(kept.system.traits["posture"][4:7], [0.9, 0.9, 0.5])
    assert_allclose(kept.state.memory["policy_cost"], 0.02 * 0.4 * 28.0 * 20 / 250)
    assert (kept.state.breach <= free.state.breach).all()  # the same luck at a lower hazard
    assert kept.state.breach[4:6].sum() < free.state.breach[4:6].sum()
    assert_array_equal(kept.state.breach[:4], free.state.breach[:4])


def test_a_higher_standard_is_bought_in_the_run() -> None:
    rule = {"kind": "data_security", "posture": 0.0, "rise": 0.5, "at": 2, "notice": 4.0}
    channels: dict[str, Any] = {"compliance": {"published": 1.0, "cost_of_maturity": 0.1, "detection_slope": 0.0}}
    channels["compliance"]["scrutiny_of_news"] = 0.0
    bare, ruled = on_mixed([], 8, **channels), on_mixed([rule], 8, **channels)
    assert not bare.state.improved.any()
    assert_allclose(ruled.state.improved[:7], 0.5)
    more = ruled.state.real_assets - bare.state.real_assets
    turnover = mixed().traits["turnover"][:7]
    assert_allclose(more[:7, 0], 0.1 * 0.5 * turnover)


# -- the levers that walls are ---------------------------------------------------------------------------------------


def test_large_exposures_and_circuit_breakers_book_their_cost() -> None:
    walls = {
        "C_C": {"kind": "structural", "cap": 0.25, "cost": 0.0004},
        "M_M": {"kind": "temporal", "path": "sales", "trigger": {"observed": "price_decline", "above": 0.1},
                "duration": 1.0, "cost": 0.0001},
    }  # fmt: skip
    changes: dict[str, Any] = {"horizon.steps": 5, "shocks": [], "wall": walls, "metrics": [*METRICS, "wall_cost"]}
    block, simulation = played("combined_stress", changes)
    edges = simulation.system.layers["interbank"].csr
    creditor = np.repeat(np.arange(len(base().ids)), np.diff(edges.indptr))
    assert (edges.weights <= 0.25 * base().equity0[creditor] * (1.0 + 1e-12)).all()
    assert (base().layers["interbank"].csr.weights > 0.25 * base().equity0[creditor]).any()
    people = slice(0, base().types["funds"].stop)
    total = total_assets(base().state(1, ("shock",)))[people, 0].sum()
    assert_allclose(block.metrics["wall_cost"][-1], 0.0005 * total * 5 / 250)


# -- keys, sweeps, what users see ------------------------------------------------------------------------------------


def test_policies_are_swept_and_weighed_by_their_keys() -> None:
    rule = {"kind": "capital_buffer", "buffer": 0.02, "build_up": False}
    scenario = sim.load("eu48_sovereign").override({"policies": [rule], "horizon.steps": 2})
    named = {f"usable {used:g}": {"policies.0.usability": used} for used in (0.0, 1.0)}
    found = sim.frontier(scenario, named, benefit="sold", lower_is_better=True, statistic="mean", draws=8, seed=7)
    table = found.summary().set_index("policy")
    assert table.loc["usable 0", "benefit"] > table.loc["usable 1", "benefit"]
    assert table.loc["usable 0", "risk"] > table.loc["usable 1", "risk"]
    with pytest.raises(InputError, match="did you mean 'usability'"):
        scenario.override({"policies.0.usabilty": 0.5})


def test_what_policies_make_of_the_system_bears_on_the_spectral_radius() -> None:
    rules = [{"kind": "capital_buffer", "buffer": 0.05}, {"kind": "liquidity_buffer"}]
    bare = sim.load("eu48_sovereign").override({"channels.liquidity": {}})
    found = [
        sim.cross_contagion(each, selling="leverage-targeting", seed=7).radius
        for each in (bare, bare.override({"policies": rules}))
    ]
    assert found[1] < 0.9 * found[0]  # less leverage, fewer sales for a loss of one


def test_a_starter_file_and_the_schema_know_policies() -> None:
    from sim.scenario.json_schema import scenario_schema
    from sim.scenario.starter import starter

    rules = [{"kind": "early_warning", "trigger": CRASH, "starts": ["policies.1"]}, {"kind": "capital_buffer"}]
    scenario = sim.load("eu48_sovereign").override({"policies": rules})
    said = YAML(typ="safe").load(starter("mine", "eu48_sovereign", scenario))
    assert sim.load("eu48_sovereign").override({"policies": said["policies"]}).policies == scenario.policies
    jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
    check = jsonschema.Draft202012Validator(scenario_schema())
    assert list(check.iter_errors({"base": "eu48", "policies": said["policies"]})) == []
    for bad in ({"kind": "capital_bufer"}, {"kind": "capital_buffer", "usability": 2}, {"buffer": 0.1}):
        assert list(check.iter_errors({"base": "eu48", "policies": [bad]}))


def test_a_scenario_with_policies_survives_being_written_and_read() -> None:
    rules: list[dict[str, Any]] = [
        {"kind": "early_warning", "trigger": CRASH, "starts": ["policies.1"]},
        {"kind": "capital_buffer", "basis": "cet1", "minimum": 0.045, "buffer": 0.025},
        {"kind": "redemption_cap", "daily_limit": 0.0},
    ]
    scenario = sim.load("cn100").override({"policies": rules})
    again = sim.load("cn100").override({"policies": scenario.plain()["policies"]})
    assert again.policies == scenario.policies
    assert again.digest == scenario.digest != sim.load("cn100").digest


def test_wall_value_compares_with_no_wall_though_a_warning_starts_it() -> None:
    rules = [{"kind": "early_warning", "trigger": CRASH, "starts": ["walls.0"]}]
    walls = [{"kind": "temporal", "between": "M_M", "path": "sales"}]
    given = {"policies": rules, "walls": walls, "horizon.steps": 2}
    found = sim.wall_value(sim.load("eu48_sovereign").override(given), draws=4, seed=7)
    assert found.draws == 4


# -- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"kind": "capital_buffer"}, "policies must be a list"),
        ([{"buffer": 0.1}], "must be a mapping with a kind (capital_buffer, co_lending_rules"),
        ([{"kind": "capital_bufer"}], "did you mean 'capital_buffer'"),
        ([{"kind": "capital_buffer", "usability": 1.5}], "policies.0.usability = 1.5 must be in [0, 1]"),
        (
            [{"kind": "early_warning", "trigger": {"observed": "bad_news", "above": 1.0}}],
            "no authority sees it while it happens",
        ),
        ([{"kind": "early_warning", "trigger": {"observed": "sold"}}], "give one of above and below"),
        ([{"kind": "early_warning", "trigger": CRASH, "starts": ["policies.3"]}], "is no wall or policy of the"),
        (
            [{"kind": "early_warning", "trigger": CRASH, "starts": ["policies.1"]}, {"kind": "redemption_cap"}],
            "is there from the start, so nothing can start it; a warning puts up walls and releases buffers",
        ),
        (
            [{"kind": "early_warning", "trigger": CRASH, "starts": ["policies.1"]},
             {"kind": "capital_buffer", "release": CRASH}],
            "policies.1 has a trigger of its own",
        ),
        (
            [{"kind": "early_warning", "trigger": CRASH, "starts": ["wall.M_M", "wall.M_M"]}],
            "wall.M_M is started by policies.0 already",
        ),
        ([{"kind": "provider_diversification"}], "give largest_share, backup, or one of"),
    ],
)  # fmt: skip
def test_bad_policies_are_refused_with_the_reason(policies: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        sim.load("combined_stress").override({"policies": policies})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policies": [{"kind": "liquidity_buffer"}], "channels.liquidity.enabled": False}, "no channel liquidity"),
        (
            {"policies": [{"kind": "capital_buffer", "among": "platforms"}]},
            "is none of the banks, which capital_buffer is about",
        ),
        ({"policies": [{"kind": "capital_buffer", "among": "banks[biggest]"}]}, "names no agent"),
        ({"policies": [{"kind": "capital_buffer", "buffer": 0.6}]}, "more debt to investors into equity than it has"),
        (
            {"policies": [{"kind": "capital_buffer"}], "channels.market.rule": "leverage-targeting"},
            "no buffer bears on what they sell; use rule: threshold",
        ),
        (
            {"policies": [{"kind": "provider_diversification", "largest_share": 0.2}]},
            "so it cannot be spread that far; at least 0.5",
        ),
        (
            {"policies": [{"kind": "provider_diversification", "backup": 0.6, "functions": ["hostin"]}]},
            "unknown function 'hostin'; did you mean 'hosting'?",
        ),
        (
            {"policies": [{"kind": "provider_diversification", "backup": 0.6}], "channels.operational.backup": 0.5},
            "channels.operational.backup replaces every backup",
        ),
        (
            {"policies": [{"kind": "provider_diversification", "exit_time": 5.0, "among": "banks[largest]"}]},
            "winds down for all its users alike",
        ),
        (
            {"policies": [{"kind": "redemption_cap", "daily_limit": 0, "among": "banks"}]},
            "is none of the funds, which redemption_cap is about",
        ),
        (
            {"policies": [{"kind": "redemption_cap", "among": "funds[largest]"}]},
            "the cap on same-day redemption is one for all funds",
        ),
        (
            {"policies": [{"kind": "co_lending_rules", "among": "banks"}]},
            "is none of the platforms, which co_lending_rules",
        ),
        (
            {"policies": [{"kind": "co_lending_rules", "own_share": 0, "partner_cap": 0, "joint_cap": 0}]},
            "so nothing is ruled",
        ),
        (
            {"policies": [{"kind": "co_lending_rules"}, {"kind": "data_security", "rise": 0.1}]},
            "policies.1.at: policies.0 is published in step 1 as well",
        ),
        ({"policies": [{"kind": "data_security", "posture": 0.9}]}, "breaches come by events only"),
    ],
)
def test_policies_that_cannot_be_played_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Simulation(base(), sim.load("combined_stress").override(changes), np.arange(1), 7)
    assert said in str(caught.value)


def test_static_mode_takes_buffers_but_nothing_that_waits_for_something() -> None:
    system = system_of([[0, 0], [8, 0]], [20, 10], [8, 14.0], [[0.0], [10.0]], depth=[1000.0])
    market = {"settle": "new", "leverage_limit": 25.0, "leverage_target": 23.75}
    rule = {"kind": "capital_buffer", "minimum": 0.3, "buffer": 0.1, "build_up": False}
    given: dict[str, Any] = {"channels": {"market": market}, "metrics": METRICS}
    given["shocks"] = [{"kind": "asset_loss", "target": "B1", "size": 0.8}]
    sold = [
        Simulation(system, scenario_of(system, **given, policies=rules), np.arange(1), 0).play().metrics["sold"][0, 0]
        for rules in ([], [rule | {"usability": 0.0}])
    ]
    assert sold[0] == 0.0 < sold[1]
    with pytest.raises(InputError, match="acts in time here, and static mode has one fixed point"):
        Simulation(system, scenario_of(system, **given, policies=[rule | {"release": CRASH}]), np.arange(1), 0)


def test_every_policy_is_documented_field_by_field() -> None:
    for name in POLICIES.names():
        for field, facts in POLICIES[name].model_fields.items():
            assert facts.description, (name, field)


def test_what_the_page_shows_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    said: dict[str, Any] = {}
    for language, text in blocks:
        if language == "python":
            exec(compile(text.replace("draws=64", "draws=4, workers=1"), "policies.md", "exec"), said)
        else:
            changes = YAML(typ="safe").load(text)
            played("combined_stress", changes | {"horizon.steps": 3}, draws=2)
    named = {name for name in POLICIES.names() if f"| `{name}` |" in page}
    assert named == set(POLICIES.names())
