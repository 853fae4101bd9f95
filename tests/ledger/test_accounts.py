"""Money of agents without reserves: drawn, paid, put back, and never more than their banks have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.ledger.accounts import draw, free_cash, means, pay_or_owe, put_back
from sim.ledger.audit import audit
from sim.ledger.balance import layer_face, net_worth
from sim.ledger.entries import Ledger
from tests.systems import mixed_system, system_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)


def opened(system=None, lanes=8):
    system = system or mixed_system()
    state = system.state(lanes, ("shock", "test"))
    return system, state, Ledger(state)


def amounts(state, **cells):
    found = np.zeros((state.n_agents, state.n_lanes))
    for row, value in cells.items():
        found[int(row[1:])] = value
    return found


def test_what_backs_electronic_money_is_not_free():
    _, state, _ = opened()
    assert_allclose(free_cash(state)[[B0, T0, P0], 0], [70.0, 0.0, 2.0])
    assert_allclose(means(state)[[B0, T0, T1, P0, F0], 0], [70.0, 25.0, 8.0, 37.0, 62.0])


def test_an_account_is_drawn_for_what_cash_does_not_cover():
    system, state, ledger = opened()
    # P0 wants 16 and has 2: 14 of its 35, so 0.4 of 25 at B1 and of 10 at B3
    found = draw(state, ledger, amounts(state, r6=16.0, r0=5.0), "test")
    assert_allclose(found[[P0, B0], 0], [16.0, 5.0], rtol=1e-15)
    assert (found[P0] == 16.0).all()
    assert_allclose(state.cash[[B0, B1, B3, P0], 0], [70.0, 35.0, 11.0, 36.0], rtol=1e-12)
    assert_allclose(layer_face(state, state.layers["accounts"])[P0, 0], 21.0)
    audit(ledger, system.scale)


def test_banks_that_are_short_serve_all_who_draw_alike():
    # B1 has 10 for 5 of T0 and 25 of P0: a third. T0 draws a third everywhere, 25 / 3; F0 draws half of its 20 there,
    # which makes 40 in all: a quarter
    base = mixed_system()
    cash = base.start["cash"].copy()
    cash[B1] = 10.0
    system, state, ledger = opened(replace(base, start=base.start | {"cash": cash}))
    found = draw(state, ledger, amounts(state, r4=25.0, r6=37.0, r7=32.0), "test")
    assert_allclose(state.cash[B1, 0], 0.0, atol=1e-12)
    # called: 5 + 25 + 10; each gets a quarter of what it asked for everywhere
    assert_allclose(found[[T0, P0, F0], 0], [25 / 4, 2 + 35 / 4, 2 + 30 / 4])
    audit(ledger, system.scale)


def test_a_failed_bank_holds_nobody_up():
    system, state, ledger = opened()
    failing = np.zeros((state.n_agents, state.n_lanes), dtype=bool)
    failing[B1] = True
    ledger.settle_claims(failing, np.zeros(failing.shape), "test")
    cash = amounts(state, r1=45.0)
    ledger.pay(cash, amounts(state, r0=45.0), "test")
    assert_allclose(draw(state, ledger, amounts(state, r4=25.0), "test")[T0], 20.0)
    audit(ledger, system.scale)


def test_cash_goes_back_where_it_came_from():
    system, state, ledger = opened()
    start = layer_face(state, state.layers["accounts"])[T0].copy()
    draw(state, ledger, amounts(state, r4=25.0), "test")
    put_back(state, ledger, amounts(state, r4=25.0), "test")
    assert_allclose(layer_face(state, state.layers["accounts"])[T0], start, rtol=1e-13)
    assert_allclose(state.cash[[B0, B1, T0], 0], [70.0, 45.0, 0.0], atol=1e-12)
    # a bank keeps its cash
    put_back(state, ledger, amounts(state, r0=5.0), "test")
    assert_allclose(state.cash[B0], 70.0)
    audit(ledger, system.scale)


def test_what_is_not_covered_is_owed_to_investors():
    system, state, ledger = opened()
    before = net_worth(state)
    pay_or_owe(state, ledger, amounts(state, r4=40.0), amounts(state, r1=40.0), "test")
    assert_allclose(state.other_liabilities[T0], 5.0 + 15.0)
    assert_allclose(state.advances[state.row("outside")], 15.0)
    rise = (net_worth(state) - before)[:, 0]
    assert_allclose(rise[[T0, B1]], [-40.0, 40.0], atol=1e-12)
    assert_allclose(np.abs(rise).sum(), 80.0)
    audit(ledger, system.scale)


def test_without_accounts_there_is_only_cash():
    system = system_of(np.zeros((2, 2)), [10.0, 10.0], [9.0, 9.0])
    _, state, ledger = opened(system)
    assert_allclose(means(state), free_cash(state))
    assert not draw(state, ledger, amounts(state, r0=3.0), "test").any()
    put_back(state, ledger, amounts(state, r0=0.0), "test")
    assert (state.cash == 0.0).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 60.0), min_size=8, max_size=8), st.lists(st.floats(0.0, 30.0), min_size=4, max_size=4))
def test_nobody_ends_below_zero_and_nobody_gets_more_than_it_wants(wanted, reserves):
    base = mixed_system()
    cash = base.start["cash"].copy()
    cash[:4] = reserves
    system, state, ledger = opened(replace(base, start=base.start | {"cash": cash}))
    asked = amounts(state, **{f"r{row}": value for row, value in enumerate(wanted)})
    found = draw(state, ledger, asked, "test")
    assert (found <= asked).all()
    assert (found <= free_cash(state)).all()
    assert (state.cash >= -1e-12).all()
    assert (state.layers["accounts"].kept >= 0.0).all()
    audit(ledger, system.scale)


@pytest.mark.parametrize("want", [1e-6, 0.3, 7.7, 24.999])
def test_rounding_leaves_nothing_unpaid(want):
    _, state, ledger = opened()
    assert (draw(state, ledger, amounts(state, r4=want), "test")[T0] == want).all()
