"""A block of draws: padding, hooks, certificates, what may not enter or leave."""

from __future__ import annotations

import numpy as np
import pytest

from sim.agents.bank import BankDecision, decide
from sim.channels.base import PHASES
from sim.errors import InputError, NotFiniteError
from sim.simulation import Simulation, play
from tests.systems import random_system, scenario_of

SHOCKS = [{"kind": "asset_loss", "size": {"uniform": {"low": 0.02, "high": 0.1}}}]


def dynamic(system, **changes):
    market = {"leverage_limit": 14.0, "leverage_target": 12.0}
    parts = {"mode": "dynamic", "horizon": {"steps": 4}, "shocks": SHOCKS}
    parts["channels"] = {"market": market, "credit": {"valuation": "linear-debtrank"}}
    return scenario_of(system, **(parts | changes))


def test_channels_act_in_the_order_of_the_phases_however_they_are_written():
    system = random_system(1)
    one = dynamic(system)
    other = dynamic(system, channels=dict(reversed(one.channels.items())))
    assert list(other.active) == ["market", "credit"]
    order = list(PHASES)
    assert order.index("market") < order.index("credit") < order.index("resolution")
    first, second = (play(what, system, np.arange(3), 1) for what in (one, other))
    assert all((first.final[name] == second.final[name]).all() for name in first.final)


def test_an_override_that_repeats_the_rule_changes_no_bit():
    system = random_system(1)
    plain = Simulation(system, dynamic(system), np.arange(3), 1).play()
    hooked = Simulation(
        system, dynamic(system), np.arange(3), 1, rules={"banks": lambda view: decide(view).replace()}
    ).play()
    assert all((plain.metrics[name] == hooked.metrics[name]).all() for name in plain.metrics)


def test_a_rule_that_never_sells_changes_the_outcome():
    system = random_system(1)

    def stubborn(view):
        return BankDecision(np.zeros_like(view.equity))

    block = Simulation(system, dynamic(system), np.arange(3), 1, rules={"banks": stubborn}).play()
    assert (block.metrics["sold"] == 0.0).all()
    assert (play(dynamic(system), system, np.arange(3), 1).metrics["sold"][-1] > 0.0).all()


def test_what_stops_short_is_marked_and_never_called_ok():
    system = random_system(1)
    credit = {"valuation": "linear-debtrank", "max_rounds": 1, "tol": 1e-12}
    block = play(scenario_of(system, shocks=SHOCKS, channels={"credit": credit}), system, np.arange(3), 1)
    assert block.status == ["not-certified"] * 3
    assert all("residual" in reason for reason in block.reason)


def test_a_number_that_stops_being_finite_names_agent_and_draw():
    system = random_system(1)

    def broken(view):
        sell = decide(view).sell.copy()
        sell[2, 1] = np.nan
        return BankDecision(sell)

    with pytest.raises(NotFiniteError, match="in draw 8"):
        Simulation(system, dynamic(system), np.array([7, 8]), 1, rules={"banks": broken}).play()


def test_static_mode_refuses_a_channel_without_a_monotone_form(monkeypatch):
    from sim.channels.market import Market

    monkeypatch.setattr(Market, "isotone", False)
    system = random_system(1)
    with pytest.raises(InputError, match=r"channels\.market: has no monotone form"):
        play(scenario_of(system, channels={"market": {"settle": "new"}}), system, np.arange(2), 1)


def test_systems_are_not_changed_by_playing():
    system = random_system(1)
    before = {name: values.copy() for name, values in system.start.items()}
    held = system.holdings.copy()
    play(dynamic(system), system, np.arange(3), 1)
    assert all((system.start[name] == values).all() for name, values in before.items())
    assert (system.holdings == held).all()


def test_the_order_of_a_step_as_a_table() -> None:
    system = random_system(4)
    simulation = Simulation(system, dynamic(system), np.arange(2), 1)
    simulation.step()
    table = simulation.phases()
    assert [row[0] for row in table] == list(PHASES)
    assert {row[0]: row[2] for row in table if row[2]} == {
        "market": "market",
        "credit": "credit",
        "resolution": "credit",
    }
    assert all(row[3] >= 0.0 for row in table)
    assert sum(row[3] for row in table) > 0.0
