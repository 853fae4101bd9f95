"""Bail-in by hand: who is written down, how far, in which order, and when it is not enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.ledger.balance import net_worth
from sim.metrics import measure
from sim.metrics.ratios import cet1
from sim.networks.size_classes import SizeClasses
from sim.networks.tables import Known
from sim.simulation import Simulation
from sim.streams import Draws
from sim.system import System
from tests.systems import mixed_system, relabelled, scaled, scenario_of, system_of

B0, B1 = 0, 1
LOSS = {"kind": "asset_loss", "target": "B0", "size": 80 / 600}
"""80 of the 600 that B0 has lent; its equity is 73."""
ANY = {"kind": "asset_loss", "size": {"uniform": {"low": 0.05, "high": 0.25}}}


def with_debt(**amounts: float) -> System:
    """The mixed system in which a part of some banks' other debt is subordinated."""
    return reclassified(mixed_system(), **amounts)


def reclassified(system: System, **amounts: float) -> System:
    """Turn a part of some banks' other debt into subordinated debt."""
    debt, rest = np.zeros(len(system.ids)), system.start["other_liabilities"].copy()
    for name, amount in amounts.items():
        debt[system.ids.index(name)] = amount
    return replace(system, start=system.start | {"subordinated": debt, "other_liabilities": rest - debt})


def played(
    system: System,
    resolution: dict[str, Any] | None,
    shocks: Any = (LOSS,),
    *,
    steps: int = 1,
    draws: int = 2,
    mode: str = "dynamic",
    **more: Any,
) -> Simulation:
    """Play the credit channel with a regime, and what else is named."""
    credit = {"valuation": "eisenberg-noe", "tol": 1e-14, "real_asset_discount": 0.0} | more.pop("credit", {})
    if resolution is not None:
        credit["resolution"] = resolution
    channels = {"credit": credit} | more
    horizon = {"steps": steps}
    made = scenario_of(system, mode=mode, horizon=horizon, shocks=list(shocks), channels=channels)
    play = Simulation(system, made, np.arange(draws), seed=1)
    for _ in range(steps):
        play.step()
    assert max(play.gaps.values()) < 1e-12
    return play


def rise(play: Simulation) -> Any:
    """What the credit channel has made of net worths, first lane."""
    return -play.state.loss[play.state.sources.index("credit"), :, 0]


# -- worked cycles ---------------------------------------------------------------------------------------------------


def test_a_bank_is_written_up_to_its_target_by_subordinated_debt():
    # B0 owns 932 and loses 80 of loans: 852 are left, and 73 - 80 = -7 of equity. To have 2 % of 852, 17.04, and to
    # pay 0.1 % of 852 for the resolution, 17.04 + 7 + 0.852 = 24.892 of its 30 of subordinated debt are written down.
    play = played(with_debt(B0=30.0), {"bail_in": "subordinated", "target": 0.02, "cost": 0.001})
    state = play.state
    outside, sink = state.row("outside"), state.row("deadweight")
    assert_allclose(net_worth(state)[B0, 0], 17.04, atol=1e-9)
    assert_allclose(state.subordinated[B0, 0], 30.0 - 24.892, atol=1e-9)
    assert_allclose(state.other_liabilities[B0, 0], 15.0, atol=1e-12)
    assert_allclose(state.cash[[B0, sink], 0], [70.0 - 0.852, 0.852], atol=1e-9)
    assert_allclose(state.bailed_in[B0, 0], 24.892, atol=1e-9)
    expected = np.zeros(state.n_agents)
    expected[[B0, outside, sink]] = [24.892 - 0.852, -24.892, 0.852]
    assert_allclose(rise(play), expected, atol=1e-9)
    assert not state.is_defaulted.any()
    assert (state.alive[: state.debtors.stop] == 1.0).all()
    assert_allclose(measure(["outside_loss"], play.system, state)["outside_loss"][0], 24.892, atol=1e-9)


def test_term_debt_follows_once_subordinated_debt_is_gone():
    # without a cost 17.04 + 7 = 24.04 are needed: the 10 of subordinated debt, then 14.04 of the other 35
    play = played(with_debt(B0=10.0), {"bail_in": "term", "target": 0.02})
    state = play.state
    assert_allclose([state.subordinated[B0, 0], state.other_liabilities[B0, 0]], [0.0, 35.0 - 14.04], atol=1e-9)
    assert_allclose(net_worth(state)[B0, 0], 17.04, atol=1e-9)
    assert not state.is_defaulted.any()


def test_term_debt_alone_is_enough_where_nobody_has_subordinated_debt():
    play = played(mixed_system(), {"bail_in": "term", "target": 0.02})
    assert "subordinated" not in play.state.columns
    assert_allclose(play.state.other_liabilities[B0, 0], 45.0 - 24.04, atol=1e-9)


@pytest.mark.parametrize("debt", [24.03, 24.05])
def test_too_little_debt_is_left_alone_and_the_bank_fails_as_without_a_regime(debt):
    system = with_debt(B0=debt)
    with_it, without = (played(system, rules, steps=2) for rules in ({"bail_in": "subordinated", "target": 0.02}, None))
    assert with_it.state.is_defaulted[B0, 0] == (debt < 24.04)
    if debt < 24.04:
        assert not with_it.state.bailed_in.any()
        for name, values in without.state.columns.items():
            assert (with_it.state.columns[name] == values).all(), name
        assert (with_it.state.loss == without.state.loss).all()


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_what_a_failure_of_another_takes_is_made_good_in_the_same_clearing(mode):
    # B1 loses 30 of 60 and owes 55: it pays 30/55. B0 lent it 50 and has 60 + 27.2727 left against 100; for 3 % of
    # 87.2727 it needs 2.6182 + 12.7273 = 15.3455 of its 20 of subordinated debt. B2, to whom it owes nothing, has
    # nothing to do with it.
    system = system_of([[0, 50, 0], [0, 0, 0], [0, 0, 0]], [60, 60, 10], [100, 5, 5])
    shock = {"kind": "asset_loss", "target": "B1", "size": 0.5}
    play = played(reclassified(system, B0=20.0), {"bail_in": "subordinated"}, [shock], mode=mode)
    state = play.state
    assert list(state.is_defaulted[:3, 0]) == [0.0, 1.0, 0.0]
    assert_allclose(net_worth(state)[B0, 0], 0.03 * (60 + 50 * 30 / 55), rtol=1e-12)
    assert_allclose(state.bailed_in[B0, 0], 0.03 * (60 + 50 * 30 / 55) + 40 - 50 * 30 / 55, rtol=1e-12)
    assert_allclose(state.worth[B0, 0], 1.0)


def test_a_target_in_weighted_assets():
    system = with_debt(B0=30.0)
    play = played(system, {"bail_in": "subordinated", "measure": "cet1", "target": 0.045})
    assert_allclose(cet1(play.system, play.state)[B0, 0], 0.045, rtol=1e-12)
    assert 0.0 < play.state.bailed_in[B0, 0] < 30.0


def test_a_line_above_zero_acts_while_there_is_equity_left():
    # 60 of 73 lost: 13 of 872 are 1.5 %, below a line of 2 %
    shock = LOSS | {"size": 0.1}
    for line, capital in ((0.0, 13.0), (0.02, 0.03 * 872)):
        play = played(with_debt(B0=30.0), {"bail_in": "subordinated", "line": line, "target": 0.03}, [shock])
        assert_allclose(net_worth(play.state)[B0, 0], capital, atol=1e-9)


def test_who_stands_below_the_line_from_the_start_is_left_alone_until_it_loses():
    rules = {"bail_in": "subordinated", "line": 0.2, "target": 0.2}
    assert not played(with_debt(B0=40.0), rules, (), steps=3).state.bailed_in.any()


def test_a_recapitalised_bank_does_not_sell_what_it_has():
    market = {"leverage_limit": 1000.0, "leverage_target": 900.0}
    system = with_debt(B0=30.0)
    with_it, without = (
        played(system, {"bail_in": bail_in, "target": 0.02}, market=market) for bail_in in ("subordinated", "none")
    )
    assert (with_it.state.price == 1.0).all()
    assert (without.state.price[:2] < 1.0).all()


def test_what_failing_would_have_destroyed_is_not():
    credit = {"valuation": "rogers-veraart", "alpha": 0.8}
    with_it, without = (
        played(with_debt(B0=30.0), {"bail_in": bail_in, "target": 0.02}, credit=credit)
        for bail_in in ("subordinated", "none")
    )
    gone = [measure(["deadweight_loss"], play.system, play.state)["deadweight_loss"][0] for play in (with_it, without)]
    assert_allclose(gone[0], 80.0, atol=1e-9)  # the loans that the shock took
    assert gone[1] > 180.0


def test_who_is_ordered_to_fail_is_wound_up_whatever_it_owes():
    shock = {"kind": "agent_failure", "target": "B0", "size": 0.01}
    state = played(with_debt(B0=30.0), {"bail_in": "term"}, [shock]).state
    assert state.is_defaulted[B0, 0] == 1.0
    assert not state.bailed_in.any()


def test_subordinated_debt_ranks_behind_all_deposits_and_other_debt():
    # 80 lost with a regime of ranks and without bail-in: 7 are missing, and 30 of junior debt bear them
    play = played(with_debt(B0=30.0), None, credit={"ranking": "by-rank"})
    households, outside = play.state.row("households"), play.state.row("outside")
    assert_allclose(rise(play)[households], 0.0, atol=1e-9)
    # outside investors also stand in for the shares that B0 held at what they are worth, at no loss
    assert_allclose(rise(play)[outside], -7.0, atol=1e-9)


# -- laws ------------------------------------------------------------------------------------------------------------

REGIME = {"bail_in": "term", "target": 0.03, "cost": 0.002, "line": 0.01}
DEBTS = {"B0": 25.0, "B1": 20.0, "B2": 20.0}


def test_a_column_of_zeros_changes_no_bit():
    zeros, plain = (played(system, None, [ANY], draws=16) for system in (with_debt(), mixed_system()))
    for name, values in plain.state.columns.items():
        assert (zeros.state.columns[name] == values).all(), name
    assert (zeros.state.loss == plain.state.loss).all()


def test_draws_stand_alone_and_a_lane_without_the_channel_has_no_bail_in():
    system = with_debt(**DEBTS)
    together = played(system, REGIME, [ANY], draws=16, steps=2)
    assert (together.state.bailed_in[:4].sum(axis=0) > 0.0).sum() > 0
    for draw in (0, 7):
        scenario = together.scenario
        alone = Simulation(system, scenario, np.array([draw]), 1)
        for _ in range(2):
            alone.step()
        for name, values in alone.state.columns.items():
            assert (values[:, 0] == together.state.columns[name][:, draw]).all(), name
    off = Simulation(system, together.scenario, np.arange(2), 1, switches={"credit": np.array([1.0, 0.0])})
    off.play()
    assert not off.state.bailed_in[:, 1].any()


def test_names_and_units_do_not_matter():
    system = with_debt(**DEBTS)
    plain = played(system, REGIME, [ANY], draws=8, steps=2).state
    order = np.r_[[2, 0, 3, 1], np.arange(4, len(system.ids))]
    moved = played(relabelled(system, order), REGIME, [ANY], draws=8, steps=2).state
    assert_allclose(moved.bailed_in, plain.bailed_in[order], rtol=1e-9, atol=1e-9)
    large = scaled(system, 1024.0)
    large = replace(large, start=large.start | {"subordinated": system.start["subordinated"] * 1024.0})
    assert_allclose(
        played(large, REGIME, [ANY], draws=8, steps=2).state.bailed_in, plain.bailed_in * 1024.0, rtol=1e-12
    )


def test_nothing_moves_without_an_event():
    channels = {"market": {}, "liquidity": {}, "reputation": {}}
    state = played(with_debt(**DEBTS), REGIME | {"line": 0.0}, (), steps=30, **channels).state
    assert not state.loss.any()
    assert not state.bailed_in.any()


# -- tables and bad input ----------------------------------------------------------------------------------------------


def test_a_table_of_banks_may_state_it():
    banks = pd.DataFrame({"id": ["a", "b"], "total_assets": [100.0, 50.0], "equity": [8.0, 4.0]})
    system = System.from_frames(banks.assign(subordinated=[5.0, np.nan]))
    assert list(system.start["subordinated"][:2]) == [5.0, 0.0]
    assert list(system.start["other_liabilities"][:2]) == [87.0, 46.0]
    assert ("subordinated" in System.from_frames(banks).start) is False
    assert "Subordinated debt" in set(system.balance_sheet("a")["item"])


@pytest.mark.parametrize(
    ("value", "text"),
    [(-1.0, r"subordinated -1 is negative"), (95.0, r"the liabilities and equity given exceed total_assets 100 by 3")],
)
def test_tables_that_cannot_be_are_refused(value, text):
    banks = pd.DataFrame({"id": ["a", "b"], "total_assets": [100.0, 50.0], "equity": [8.0, 4.0]})
    with pytest.raises(InputError, match=text):
        System.from_frames(banks.assign(subordinated=[value, 0.0]))


def test_the_generator_of_size_classes_makes_it_on_request():
    luck = Draws(7, np.zeros(1, dtype=np.int64), "philox")
    plain, made = (SizeClasses(subordinated=share).rows("banks", Known({}), luck, "s") for share in (0.0, 0.02))
    assert "subordinated" not in plain
    assert_allclose(made["subordinated"], 0.02 * (made["total_assets"] - made["equity"]))
    for name, values in plain.items():
        assert list(made[name]) == list(values), name
    with pytest.raises(ValueError, match="subordinated"):
        SizeClasses(subordinated=0.2)


@pytest.mark.parametrize(
    ("system", "credit", "text"),
    [
        (
            mixed_system(),
            {"resolution": {"bail_in": "subordinated"}},
            r"no bank has subordinated debt; give the banks'",
        ),
        (
            mixed_system(),
            {"valuation": "furfine", "resolution": {"bail_in": "term"}},
            r"bail_in = 'term' needs defaults that are cleared: valuation eisenberg-noe or rogers-veraart",
        ),
        (mixed_system(), {"resolution": {"line": 0.05}}, r"line = 0.05 must not be above target = 0.03"),
        (mixed_system(), {"resolution": {"target": 0.0}}, r"target"),
        (mixed_system(), {"resolution": {"cost": 0.5}}, r"cost"),
        (mixed_system(), {"resolution": {"bail_in": "deposits"}}, r"bail_in"),
    ],
)
def test_regimes_that_cannot_be_played_are_refused(system, credit, text):
    with pytest.raises((InputError, ValueError), match=text):
        played(system, None, credit=credit)
