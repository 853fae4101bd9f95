"""Regulatory ratios by hand, and against what a system's tables state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.metrics import METRICS
from sim.metrics.ratios import CoverageRules, cet1, coverage, leverage, own_funds
from sim.simulation import Simulation
from tests.channels.liquidity import banks_of
from tests.systems import mixed_system, scenario_of

SHEET = {"cash": 70.0, "loans": 560.0, "gov": 120.0, "corp": 80.0, "deposits_insured": 420.0,
         "deposits_uninsured": 300.0, "deposits_wholesale": 100.0}  # fmt: skip


def started(system):
    return system.state(2, ("shock",))


def test_liquidity_coverage_by_hand():
    # A: level 1 is 70 + 120, level 2 half of 80 = 40 (below 2/3 of 190). Outflow 21 + 60 + 40 + 30 overnight owed is
    # 151, inflow 50 overnight lent
    system = banks_of({"A": SHEET, "B": SHEET}, [("A", "B", 50.0), ("B", "A", 30.0)])
    found = coverage(system, started(system))
    assert_allclose(found.liquid[0, 0], 230.0, rtol=1e-12)
    assert_allclose(found.net[0, 0], 101.0, rtol=1e-12)
    assert_allclose(found.ratio[:, 0], [230.0 / 101.0, 230.0 / (171.0 - 30.0)], rtol=1e-12)
    lanes = system.state(3, ("shock",))
    assert_allclose(METRICS["lcr"].of(system, lanes), 460.0 / 242.0, rtol=1e-12)
    assert_allclose(METRICS["lcr_min"].of(system, lanes), 230.0 / 141.0, rtol=1e-12)


def test_caps_of_level_two_and_of_inflows():
    # corporate bonds of 1000: level 2 is at most 2/3 of level 1; inflows of 400 count up to 75 % of outflows
    system = banks_of({"A": SHEET | {"gov": 0.0, "corp": 1000.0}, "B": SHEET | {"cash": 500.0}}, [("A", "B", 400.0)])
    found = coverage(system, started(system))
    assert_allclose(found.liquid[0, 0], 70.0 * (1 + 0.4 / 0.6), rtol=1e-12)
    assert_allclose(found.net[0, 0], 0.25 * 121.0, rtol=1e-12)
    free = coverage(system, started(system), CoverageRules(level_2={"CORP": 0.15}, level_2_cap=0.95, inflow_cap=1.0))
    assert_allclose(free.liquid[0, 0], 70.0 + 850.0, rtol=1e-12)
    assert free.net[0, 0] == pytest.approx(0.0)
    assert free.ratio[0, 0] == 100.0


def test_accounts_of_funds_run_faster_than_those_of_firms_and_pledged_bonds_do_not_count():
    system = mixed_system()
    state = started(system)
    net = coverage(system, state).net[:, 0]
    # B1: 0.05 * 240 + 0.2 * 150 + 0.4 * 50; firms have 5 + 25 there, the fund 20; owes 13 overnight, is owed 9
    assert_allclose(net[1], 12.0 + 30.0 + 20.0 + 0.4 * 30.0 + 20.0 + 13.0 - 9.0, rtol=1e-12)
    liquidity = Simulation(system, scenario_of(system, mode="dynamic", channels={"liquidity": {}}), np.arange(2), 1)
    liquid = coverage(system, liquidity.state).liquid[1, 0]
    liquidity.state.pledged[1] = 0.25
    assert_allclose(liquid - coverage(system, liquidity.state).liquid[1, 0], 0.25 * (60.0 + 20.0), rtol=1e-12)


def test_capital_ratios_by_hand():
    # weights: loans 0.4, corporate bonds 1, claims on banks 0.2; equity 1000 - 820 - 20 + 50 of A = 60 more or less
    system = banks_of({"A": SHEET, "B": SHEET}, [("A", "B", 50.0)])
    state = started(system)
    capital, weighted = own_funds(system, state)
    assert_allclose(weighted[:, 0], [0.4 * 560 + 80 + 0.2 * 50, 0.4 * 560 + 80], rtol=1e-12)
    assert_allclose(capital[:, 0], [60.0, -40.0], rtol=1e-9)
    assert_allclose(cet1(system, state)[0], 60.0 / 314.0, rtol=1e-9)
    assert_allclose(leverage(system, state)[0], 60.0 / 880.0, rtol=1e-9)


def test_what_the_tables_state_is_where_capital_ratios_start():
    system = banks_of({"A": SHEET | {"deposits_wholesale": 50.0}, "B": SHEET | {"deposits_wholesale": 30.0}})
    told = system.traits | {"cet1": np.zeros(len(system.ids)), "rwa": np.zeros(len(system.ids))}
    told["cet1"][0], told["rwa"][0] = 52.0, 600.0
    system = replace(system, traits=told)
    loss = [{"kind": "asset_loss", "target": "A", "size": 0.05}]
    names = ["cet1_ratio", "cet1_depletion", "leverage_ratio"]
    play = Simulation(system, scenario_of(system, mode="dynamic", shocks=loss, metrics=names), np.arange(2), 1)
    assert_allclose(cet1(system, play.state)[:, 0], [52.0 / 600.0, 80.0 / 304.0], rtol=1e-12)
    block = play.play()
    # 28 of loans are gone: 28 of capital, and 11.2 of 304 weighted
    after = 52.0 - 28.0, 600.0 * (304.0 - 11.2) / 304.0
    assert_allclose(cet1(system, play.state)[0], after[0] / after[1], rtol=1e-9)
    assert_allclose(block.metrics["cet1_ratio"][-1], (after[0] + 80.0) / (after[1] + 304.0), rtol=1e-9)
    assert_allclose(block.metrics["cet1_depletion"][-1], 28.0 / 904.0, rtol=1e-9)
    assert_allclose(block.metrics["leverage_ratio"][-1], (60.0 - 28.0 + 80.0) / (830.0 * 2 - 28.0), rtol=1e-9)


def test_failed_banks_are_left_out_of_ratios_but_not_of_depletion():
    system = banks_of({"A": SHEET | {"deposits_wholesale": 50.0}, "B": SHEET | {"deposits_wholesale": 30.0}})
    loss = [{"kind": "asset_loss", "target": "A", "size": 0.5}]
    names = ["cet1_ratio", "cet1_depletion", "leverage_ratio", "lcr", "lcr_min"]
    what = scenario_of(
        system, mode="dynamic", shocks=loss, metrics=names, channels={"credit": {"valuation": "eisenberg-noe"}}
    )
    block = Simulation(system, what, np.arange(2), 1).play()
    assert_allclose(block.metrics["cet1_ratio"][-1], 80.0 / 304.0, rtol=1e-9)
    assert_allclose(block.metrics["leverage_ratio"][-1], 80.0 / 830.0, rtol=1e-9)
    assert_allclose(block.metrics["cet1_depletion"][-1], 60.0 / 608.0, rtol=1e-9)
    assert_allclose(block.metrics["lcr"][-1], 230.0 / (21.0 + 60.0 + 12.0), rtol=1e-9)
    assert_allclose(block.metrics["lcr_min"][-1], 230.0 / 93.0, rtol=1e-9)


def test_metrics_of_runs_are_nothing_without_the_channel():
    system = mixed_system()
    names = ["withdrawals", "redemptions", "lolr_outstanding", "lolr_peak", "hoarding", "liquidity_loss"]
    what = scenario_of(system, mode="dynamic", metrics=[*names, "overnight_lending"], channels={})
    block = Simulation(system, what, np.arange(2), 1).play()
    for name in names:
        assert (block.metrics[name] == 0.0).all()
    assert (block.metrics["overnight_lending"] == 1.0).all()


def test_impossible_rates_are_refused():
    with pytest.raises(InputError, match="run_off_insured"):
        scenario_of(mixed_system(), mode="dynamic", channels={"liquidity": {"coverage": {"run_off_insured": 1.5}}})
