"""The credit channel by hand: published examples, valuations, ties."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels.base import Step, TightView
from sim.ledger.balance import net_worth
from sim.simulation import Simulation
from tests.systems import random_system, scenario_of, system_of

CYCLE = [[0, 0.5, 0], [0, 0, 0.5], [0.5, 0, 0]]


def solved(system, valuation, shocks, **parameters):
    """Return equity and claim values at the greatest fixed point, before anything is posted."""
    credit = {"valuation": valuation, "tol": 1e-14, **parameters}
    play = Simulation(system, scenario_of(system, shocks=shocks, channels={"credit": credit}), np.arange(2), seed=1)
    play.number = 1
    play._events()
    channel = play.channels["credit"]
    found = channel.solve(Step(system, play.state, play.ledger, 1, play.on["credit"]))
    assert found.certified.all()
    n = len(system.banks)
    return TightView(play.state, found.x, play.state.price).equity[:n, 0], found.x[:n, 0]


def loss_of(agent, size):
    return [{"kind": "asset_loss", "target": agent, "base": "loans", "size": size}]


def three_banks():
    # liabilities 1->2: 4, 2->3: 3, 3->1: 2, so claims[2, 1] = 4, [3, 2] = 3, [1, 3] = 2
    exposures = [[0, 0, 2], [4, 0, 0], [0, 3, 0]]
    return system_of(exposures, loans=[20, 20, 10], other=[17, 18, 8])


def test_eisenberg_noe_three_banks_by_hand():
    # all lose 10 %: assets 18, 18, 9. Bank 1: 18 + 2 of 21 owed. It is the only one short: recovery 20/21.
    # Bank 2: 18 + 4 * 20/21 - 21 = 17/21 = 0.8095238; bank 3: 9 + 3 - 10 = 2.
    equity, worth = solved(three_banks(), "eisenberg-noe", [{"kind": "asset_loss", "size": 0.1}])
    assert_allclose(equity, [-1.0, 17 / 21, 2.0], rtol=1e-12)
    assert_allclose(worth, [20 / 21, 1.0, 1.0], rtol=1e-12)


@pytest.mark.parametrize("valuation", ["furfine", "linear-debtrank"])
def test_three_banks_without_recovery(valuation):
    # bank 1 fails, bank 2 loses 4 and fails at 1 - 4 = -3, bank 3 loses 3: 2 - 3 = -1, bank 1 loses 2: -1 - 2 = -3
    equity, _ = solved(three_banks(), valuation, [{"kind": "asset_loss", "size": 0.1}])
    assert_allclose(equity, [-3.0, -3.0, -1.0], rtol=1e-12)


def test_linear_debtrank_on_a_cycle_counts_every_walk():
    # h = (I - Lambda)^-1 (1/2, 0, 0) with Lambda_01 = Lambda_12 = Lambda_20 = 1/2: (4, 1, 2) / 7
    system = system_of(CYCLE, loans=[2, 2, 2], other=[1, 1, 1])
    equity, worth = solved(system, "linear-debtrank", loss_of("B0", 0.25))
    assert_allclose(1.0 - equity, [4 / 7, 1 / 7, 2 / 7], rtol=1e-12)
    assert_allclose(worth, [3 / 7, 6 / 7, 5 / 7], rtol=1e-12)


def test_linear_debtrank_beyond_default():
    # shock 0.9: the first bank's stress is capped at 1: E = (-0.025, 0.75, 0.5)
    system = system_of(CYCLE, loans=[2, 2, 2], other=[1, 1, 1])
    assert_allclose(solved(system, "linear-debtrank", loss_of("B0", 0.45))[0], [-0.025, 0.75, 0.5], rtol=1e-12)


def test_eisenberg_noe_on_the_cycle():
    # external assets 10 against 9 outside: shock 1.2 leaves 8.8 + 0.5 = 9.3 of 9.5 owed: recovery 0.978947
    system = system_of(CYCLE, loans=[10, 10, 10], other=[9, 9, 9])
    equity, _ = solved(system, "eisenberg-noe", loss_of("B0", 0.12))
    assert_allclose(equity, [-0.2, 1.0, 1.0 - 0.5 * 0.2 / 9.5], rtol=1e-12)


def test_rogers_veraart_by_hand():
    # B1 has 36 outside and 50 owed in and 40 out; alpha 0.5: recovery 0.5 * 36 / 90 = 0.2
    system = system_of([[0, 50], [0, 0]], loans=[100, 100], other=[90, 40])
    _, worth = solved(system, "rogers-veraart", loss_of("B1", 0.64), alpha=0.5)
    assert_allclose(worth, [1.0, 0.2], rtol=1e-12)


def test_recoveries_are_ordered():
    # Eisenberg-Noe pays at least what Rogers-Veraart pays, and that at least Furfine's nothing
    system = random_system(11)
    shock = [{"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.3}}}]
    full = solved(system, "eisenberg-noe", shock)[1]
    costly = solved(system, "rogers-veraart", shock, alpha=0.7, beta=0.9)[1]
    nothing = solved(system, "furfine", shock)[1]
    free = solved(system, "rogers-veraart", shock)[1]
    assert (full >= costly - 1e-12).all()
    assert (costly >= nothing - 1e-12).all()
    assert_allclose(full, free, atol=1e-12)
    assert (full < 1.0).any()


def test_an_agent_at_exactly_zero_defaults_only_where_asked():
    # equity 1, loss 1
    system = system_of([[0, 2], [0, 0]], loans=[10, 10], other=[9, 7])
    shock = loss_of("B1", 0.1)
    assert_allclose(solved(system, "furfine", shock)[1], [1.0, 1.0])
    assert_allclose(solved(system, "furfine", shock, default_at_zero=True)[1], [1.0, 0.0])


def test_an_agent_ordered_to_fail_defaults_with_equity_left():
    system = system_of([[0, 2], [0, 0]], loans=[10, 10], other=[9, 7])
    shock = [{"kind": "agent_failure", "target": "B1", "size": 0.5}]
    assert_allclose(solved(system, "furfine", shock, recovery_rate=0.25)[1], [1.0, 0.25])
    assert_allclose(solved(system, "linear-debtrank", shock)[1][1], 0.0)


def test_dynamic_debtrank_reaches_the_static_answer():
    system = system_of(CYCLE, loans=[2, 2, 2], other=[1, 1, 1])
    channels = {"credit": {"valuation": "linear-debtrank"}}
    scenario = scenario_of(system, mode="dynamic", horizon={"steps": 80}, shocks=loss_of("B0", 0.25), channels=channels)
    block = Simulation(system, scenario, np.arange(2), seed=1).play()
    assert_allclose(1.0 - block.final["equity"][:, 0], [4 / 7, 1 / 7, 2 / 7], rtol=1e-12)


@pytest.mark.parametrize("valuation", ["eisenberg-noe", "rogers-veraart", "linear-debtrank", "furfine"])
def test_the_slope_is_the_left_derivative_of_the_response(valuation):
    system = random_system(5)
    shock = [{"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.25}}}]
    credit = {"valuation": valuation, "beta": 0.9 if valuation == "rogers-veraart" else 1.0}
    play = Simulation(system, scenario_of(system, shocks=shock, channels={"credit": credit}), np.arange(4), seed=1)
    play.number = 1
    play._events()
    state, channel = play.state, play.channels["credit"]
    step = Step(system, state, play.ledger, 1, play.on["credit"])
    view = TightView(state, state.worth, state.price)
    base = channel.respond(step, view, channel.signal(step, view))
    view.worth = base
    slope = channel.slope(step, view)
    nudge = 1e-6
    view.inside, view.equity = view.inside - nudge, view.equity - nudge
    moved = channel.respond(step, view, channel.signal(step, view))
    # knife-edges, where the nudge itself makes somebody fail, have no slope to compare
    smooth = channel.fails(state, view.equity) == channel.fails(state, view.equity + nudge)
    n = state.banks.stop
    assert_allclose(((base - moved) / nudge)[:n][smooth[:n]], slope[:n][smooth[:n]], rtol=1e-4, atol=1e-7)


def test_switched_off_the_channel_posts_nothing_and_removes_exactly_its_part():
    system = random_system(7)
    shock = [{"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.3}}}]
    scenario = scenario_of(system, shocks=shock, channels={"credit": {"valuation": "linear-debtrank"}})
    switches = {"credit": np.array([1.0, 0.0])}
    # the same draw twice, once with the channel off
    play = Simulation(system, scenario, np.array([3, 3]), seed=1, switches=switches)
    block = play.play()
    assert (play.state.loss[1][:, 1] == 0.0).all()
    assert block.metrics["contagion_loss"][0, 1] == 0.0
    assert block.metrics["system_loss"][0, 1] == block.metrics["first_round_loss"][0, 0]
    total, first = block.metrics["system_loss"][0, 0], block.metrics["first_round_loss"][0, 0]
    assert total - first == block.metrics["contagion_loss"][0, 0] > 0.0
    difference = net_worth(play.state)[: len(system.banks)]
    assert_allclose(difference[:, 1] - difference[:, 0], play.state.loss[1][: len(system.banks), 0], atol=1e-9)
