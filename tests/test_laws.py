"""The laws of the engine on generated systems."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.channels import CHANNELS
from sim.scenario.build import build
from sim.scenario.load import load, shipped
from sim.simulation import Simulation, play
from sim.system import System
from tests.systems import random_system, scenario_of

VALUATIONS = ("eisenberg-noe", "rogers-veraart", "furfine", "linear-debtrank")
SHOCKS = [
    {"kind": "asset_loss", "size": {"beta": {"a": 1.5, "b": 6.0, "scale": 0.5}}},
    {"kind": "price_fall", "joint": {
        "mean": {"a0": 0.05, "a1": 0.04, "a2": 0.03}, "std": {"a0": 0.04, "a1": 0.03, "a2": 0.02},
        "correlation": [[1.0, 0.5, 0.2], [0.5, 1.0, 0.3], [0.2, 0.3, 1.0]], "df": 4}},
]  # fmt: skip


def scenario(system, mode, valuation, **changes):
    market = {
        "leverage_limit": 14.0,
        "leverage_target": 12.0,
        "impact": "cont-schaanning",
        "settle": "new" if mode == "static" else "mid",
    }
    credit = {"valuation": valuation, "resolution_steps": 3}
    if valuation == "rogers-veraart":
        credit |= {"alpha": 0.8, "beta": 0.9}
    steps = {"steps": 1 if mode == "static" else 6}
    parts = {"mode": mode, "horizon": steps, "shocks": SHOCKS, "channels": {"market": market, "credit": credit}}
    return scenario_of(system, **(parts | changes))


MODES = [(mode, valuation) for mode in ("static", "dynamic") for valuation in VALUATIONS]


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_every_lane_is_the_single_run_bit_for_bit(mode, valuation):
    system = random_system(1)
    what = scenario(system, mode, valuation)
    together = play(what, system, np.arange(7), 5)
    assert together.metrics["defaults"][-1].max() > 0
    for draw in range(7):
        alone = play(what, system, np.array([draw]), 5)
        for name, values in alone.metrics.items():
            assert (values[:, 0] == together.metrics[name][:, draw]).all(), name
        for name, values in alone.final.items():
            assert (values[:, 0] == together.final[name][:, draw]).all(), name


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_relabelling_agents_relabels_results(mode, valuation):
    system = random_system(2)
    order = np.random.default_rng(1).permutation(len(system.banks))
    names = [system.banks[k] for k in order]
    frame = system.agents.loc[names]
    banks = frame[["total_assets", "equity"]].reset_index()
    matrix = system.layer("interbank").to_scipy().toarray()
    rows = [
        {"creditor": a, "debtor": b, "amount": matrix[system.ids.index(a), system.ids.index(b)]}
        for a in names
        for b in names
    ]
    held = [{"agent": a, "asset": asset, "amount": frame.loc[a, asset]} for a in names for asset in system.assets]
    markets = pd.DataFrame({"asset": system.assets, "depth": system.depth, "price_floor": system.floor})
    other = System.from_frames(
        banks, pd.DataFrame(rows), pd.DataFrame(held), markets, fair_value_share=system.fair_value[0, 0]
    )
    one = play(scenario(system, mode, valuation), system, np.arange(3), 5)
    two = play(scenario(other, mode, valuation), other, np.arange(3), 5)
    for name, values in one.final.items():
        assert_allclose(two.final[name], values[order], rtol=1e-9, atol=1e-9 * system.scale, err_msg=name)


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_a_power_of_two_scales_money_and_nothing_else(mode, valuation):
    from tests.systems import system_of

    base = random_system(4)
    n = len(base.banks)
    claims = base.layer("interbank").to_scipy().toarray()[:n, :n]
    made = [
        system_of(
            claims * k,
            base.start["loans"][:n] * k,
            base.start["other_liabilities"][:n] * k,
            base.holdings[:n] * k,
            depth=base.depth * k,
            fair=0.6,
            floor=0.3,
        )
        for k in (1.0, 1024.0)
    ]
    small, large = (play(scenario(s, mode, valuation), s, np.arange(3), 5) for s in made)
    for name in ("defaults", "sold", "defaulted_assets", "price_decline"):
        assert_allclose(large.metrics[name], small.metrics[name], rtol=1e-13)
    for name in ("system_loss", "first_round_loss", "credit_loss", "market_loss"):
        assert_allclose(large.metrics[name], small.metrics[name] * 1024.0, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize(("mode", "valuation"), MODES)
def test_no_event_no_change_for_250_steps(mode, valuation):
    system = random_system(6)
    steps = {"steps": 1 if mode == "static" else 250}
    simulation = Simulation(system, scenario(system, mode, valuation, shocks=(), horizon=steps), np.arange(2), 1)
    start = {name: values.copy() for name, values in simulation.state.columns.items()}
    units, price = simulation.state.units.copy(), simulation.state.price.copy()
    simulation.play()
    for name, values in simulation.state.columns.items():
        assert np.abs(values - start[name]).max() <= 1e-12 * system.scale, name
    assert (simulation.state.units == units).all()
    assert (simulation.state.price == price).all()
    assert (simulation.state.loss == 0.0).all()


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_scenario_is_still_without_events_and_closes_with_them(name):
    what = load(name)
    what = what if what.ramp is None else what.quarter(what.ramp.last)
    system = build(what)
    steps = {"steps": 1 if what.mode == "static" else 250}
    quiet = what.override({"shocks": [], "horizon": steps})
    simulation = Simulation(system, quiet, np.arange(2), 1)
    start = {column: values.copy() for column, values in simulation.state.columns.items()}
    simulation.play()
    for column, values in simulation.state.columns.items():
        assert np.abs(values - start[column]).max() <= 1e-12 * system.scale, column
    block = play(what, system, np.arange(min(48, what.monte_carlo.draws)), 7)
    assert max(block.gaps.values()) <= 1e-9
    assert set(block.status) == {"ok"}


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0), st.sampled_from(VALUATIONS))
def test_a_smaller_shock_never_hurts_more_in_static_mode(seed, share, valuation):
    system = random_system(seed)
    sizes = [0.25 * share, 0.25]
    blocks = [
        play(scenario(system, "static", valuation, shocks=[{"kind": "asset_loss", "size": s}]), system, np.arange(2), 1)
        for s in sizes
    ]
    less, more = (block.final["equity"] for block in blocks)
    if valuation in ("furfine", "linear-debtrank"):
        assert (less >= more - 1e-8 * system.scale).all()
    assert blocks[0].metrics["system_loss"][0, 0] <= blocks[1].metrics["system_loss"][0, 0] + 1e-8 * system.scale


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from(MODES))
def test_money_closes_on_random_systems(seed, how):
    mode, valuation = how
    system = random_system(seed, n=8)
    block = play(scenario(system, mode, valuation), system, np.arange(4), seed)
    assert max(block.gaps.values()) < 1e-11


def test_an_isolated_agent_changes_nothing():
    from tests.systems import system_of

    base = random_system(8)
    n = len(base.banks)
    claims = np.zeros((n + 1, n + 1))
    claims[:n, :n] = base.layer("interbank").to_scipy().toarray()[:n, :n]
    loans = np.append(base.start["loans"][:n], 50.0)
    other = np.append(base.start["other_liabilities"][:n], 45.0)
    held = np.vstack([base.holdings[:n], np.zeros(3)])
    wider = system_of(claims, loans, other, held, depth=base.depth, fair=0.6, floor=0.3)
    for mode, valuation in MODES:
        small = play(scenario(base, mode, valuation), base, np.arange(3), 5)
        large = play(scenario(wider, mode, valuation), wider, np.arange(3), 5)
        for name, values in small.final.items():
            assert_allclose(large.final[name][:n], values, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("name", CHANNELS.names())
def test_every_registered_channel_keeps_the_contract(name):
    channel = CHANNELS[name]()
    assert channel.phases
    for method in channel.phases.values():
        assert callable(getattr(channel, method))
    system = random_system(3, n=5)
    settings_of = {"market": {"settle": "new"}}.get(name, {})
    mode = "static" if channel.isotone else "dynamic"
    simulation = Simulation(system, scenario_of(system, mode=mode, channels={name: settings_of}), np.arange(2), 1)
    simulation.play()
    assert (simulation.state.loss == 0.0).all()


@pytest.mark.parametrize("name", CHANNELS.names())
def test_a_channel_switched_off_posts_nothing(name):
    system = random_system(3)
    plain = scenario(system, "dynamic", "linear-debtrank")
    what = scenario(system, "dynamic", "linear-debtrank", channels={name: {}} | dict(plain.channels))
    off = {name: np.array([0.0, 0.0, 0.0])}
    simulation = Simulation(system, what, np.arange(3), 5, switches=off)
    simulation.play()
    assert (simulation.state.loss[simulation.state.sources.index(name)] == 0.0).all()
    # no switch at all is the same as leaving the channel out
    without = play(what.override({f"channels.{name}.enabled": False}), system, np.arange(3), 5)
    again = Simulation(system, what, np.arange(3), 5, switches=off).play()
    assert (without.metrics["system_loss"] == again.metrics["system_loss"]).all()
