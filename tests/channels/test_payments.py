"""Customers' payments by hand: who drains whom, what queues, gridlock, hoarding, money that never runs below zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.contagion.payments import settle_payments
from sim.errors import InputError
from sim.ledger.balance import net_worth
from tests.channels.operations import played, served, simulated
from tests.systems import mixed_system

RING = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
METRICS = ["backlog", "peak_backlog", "forgone_payments"]


def mute(bank="B0", days=1.0, level=0.0, at=1):
    return {"kind": "outage", "target": bank, "service": level, "duration": days, "at": at}


def money(state, rows):
    return (state.deposits_insured + state.deposits_uninsured)[rows, 0]


def star(n=5, each=2.0, cash=20.0, **more):
    return served(n, payments=each * (1.0 - np.eye(n)), cash=cash, **more)


def test_a_mute_bank_drains_all_others_alike_and_nobody_loses_equity():
    # each pays 2 to each other: 8 a day; the mute one sends nothing and receives 8
    done = played(star(), [mute()])
    state, banks = done.state, slice(0, 5)
    assert_allclose(state.cash[banks, 0], [28.0, 18.0, 18.0, 18.0, 18.0], rtol=1e-14)
    assert_allclose(money(state, banks), [58.0, 48.0, 48.0, 48.0, 48.0], rtol=1e-14)
    assert_allclose(state.cash[:, 0].sum(), 100.0, rtol=1e-14)
    assert_allclose(net_worth(state)[banks, 0], state.equity0[banks, 0], rtol=1e-13)
    assert_allclose(state.backlog[banks, 0], [8.0, 0.0, 0.0, 0.0, 0.0], rtol=1e-14)
    assert_allclose(net_worth(state)[state.row("households"), 0], 250.0, rtol=1e-14)
    assert (state.payment_shortfall == 0.0).all()


def test_the_queue_goes_out_when_the_bank_is_back_and_everything_is_as_before():
    simulation = simulated(star(), [mute(days=2)], steps=4, metrics=METRICS)
    block = simulation.play()
    assert_allclose(block.metrics["backlog"][:, 0], [8.0, 16.0, 0.0, 0.0], rtol=1e-14)
    assert_allclose(block.metrics["peak_backlog"][:, 0], [8.0, 16.0, 16.0, 16.0], rtol=1e-14)
    assert_allclose(block.metrics["forgone_payments"][:, 0], [8.0, 16.0, 16.0, 16.0], rtol=1e-14)
    assert_allclose(simulation.state.cash[:5, 0], 20.0, rtol=1e-14)
    assert_allclose(money(simulation.state, slice(0, 5)), 50.0, rtol=1e-14)


def test_an_impaired_bank_sends_its_part_and_of_its_queue():
    # 8 a day at 0.75: queues 2, (8 + 2) / 4 = 2.5, then all of it
    block = simulated(star(), [mute(level=0.75, days=2)], steps=3, metrics=METRICS).play()
    assert_allclose(block.metrics["backlog"][:, 0], [2.0, 2.5, 0.0], rtol=1e-14)
    assert_allclose(block.metrics["forgone_payments"][:, 0], [2.0, 2.5, 2.5], rtol=1e-14)


def test_a_queue_shrinks_alike_in_long_and_in_short_steps():
    # 40 in the queue at a service of 0.75: a day leaves a quarter of it, and a quarter of the 8 due
    left = {}
    for hours in (24, 12, 6, 3):
        per_day = 24 // hours
        system = star(cash=90.0, deposits=200.0)
        simulation = simulated(
            system, horizon={"steps": 4 * per_day, "step": f"{hours}h"}, operational={"hoarding": 1.0}
        )
        simulation.state.backlog[0] = 40.0
        simulation.state.own_service[0], simulation.state.down_for[0] = 0.75, 100.0
        simulation.play()
        left[hours] = simulation.state.backlog[0, 0]
    assert_allclose(left[24], 40.0 * 0.25**4 + 2.0 * (1 + 0.25 + 0.25**2 + 0.25**3), rtol=1e-12)
    # in continuous time Q' = 2 - Q ln 4; the distance to it halves with the step
    apart = np.array([left[hours] for hours in (24, 12, 6, 3)]) - (2.0 / np.log(4.0) + (40.0 - 2.0 / np.log(4.0)) / 256)
    assert_allclose(apart[1:] / apart[:-1], 0.5, atol=0.06)


def test_volume_scales_what_is_due_and_a_quiet_quarter_end_is_quiet():
    assert_allclose(played(star(), [mute()], operational={"volume": 1.5}).state.backlog[0, 0], 12.0, rtol=1e-14)
    lopsided = served(3, payments=[[0, 5, 1], [0, 0, 2], [3, 0, 0]])
    state = played(lopsided, steps=5, operational={"volume": 1.5}).state
    assert (state.cash[:3] == 20.0).all()


def test_what_the_table_leaves_open_goes_through_outside_investors():
    # B0 is paid 6 and pays 3, B1 is paid 2 and pays 5: 3 a day come back from B0 to B1 by way of the rest of the world
    lopsided = served(3, payments=[[0, 5, 1], [0, 0, 2], [3, 0, 0]])
    simulation = simulated(lopsided, [mute("B0")], steps=2)
    simulation.step()
    state = simulation.state
    # B0 keeps 6; B2 misses 3, and B1 the 3 that came round
    assert_allclose(state.cash[:3, 0], [26.0, 17.0, 17.0], rtol=1e-14)
    assert_allclose(state.backlog[:3, 0], [6.0, 0.0, 0.0], rtol=1e-14)
    assert state.cash[state.row("outside"), 0] == 0.0
    # on the next day twice as much goes round
    simulation.step()
    assert_allclose(state.cash[:3, 0], 20.0, rtol=1e-14)
    assert_allclose(state.backlog[:3, 0], 0.0, atol=1e-12)


# -- cash that binds -------------------------------------------------------------------------------------------------


def test_gridlock_of_a_ring_is_resolved_without_any_cash():
    # nobody has reserves; B0 is mute for a day, so nobody is paid and nobody pays: all queue 1
    simulation = simulated(served(3, payments=RING, cash=0.0), [mute()], steps=2)
    simulation.step()
    assert_allclose(simulation.state.backlog[:3, 0], [1.0, 1.0, 1.0], atol=1e-12)
    # the queue of the mute one is its service, that of the others is want of cash
    assert_allclose(simulation.state.payment_shortfall[:3, 0], [0.0, 1.0, 1.0], atol=1e-12)
    simulation.step()
    assert_allclose(simulation.state.backlog[:3, 0], 0.0, atol=1e-12)
    assert simulation.certified.all()


def test_one_unit_of_cash_anywhere_settles_the_ring():
    for owner in range(3):
        system = served(3, payments=RING, cash=np.eye(3)[owner])
        state = played(system, [mute()]).state
        # B0 pays nobody; the unit travels from its owner on to B0, where it stays
        stuck = {0: [1, 1, 1], 1: [1, 0, 0], 2: [1, 1, 0]}[owner]
        assert_allclose(state.backlog[:3, 0], stuck, atol=1e-12)
        assert_allclose(state.cash[:3, 0], [1.0, 0.0, 0.0], atol=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
def test_a_day_is_the_settlement_of_the_algorithm(seed, level):
    # Eisenbach, Kovner and Lee: payments alone; balanced dues, some banks with hardly any cash
    rng = np.random.default_rng(seed)
    n = 6
    dues = rng.exponential(1.0, (n, n)) * (rng.random((n, n)) < 0.6)
    dues = dues + dues.T
    np.fill_diagonal(dues, 0.0)
    cash = rng.exponential(0.4, n) * (rng.random(n) < 0.7)
    system = served(n, payments=dues, cash=cash, deposits=1e3)
    operational = {"hoarding": 1.0, "tol": 1e-12}
    done = played(system, [mute("B0", level=level)], operational=operational)
    hand = settle_payments(dues, cash, service=np.where(np.arange(n) == 0, level, 1.0), tol=1e-13)
    state, scale = done.state, dues.sum()
    assert_allclose(state.cash[:n, 0], hand.cash, atol=1e-9 * scale)
    assert_allclose(state.payment_shortfall[:n, 0], hand.shortfall, atol=1e-9 * scale)
    assert_allclose(state.backlog[:n, 0], hand.backlog + hand.shortfall, atol=1e-9 * scale)
    assert state.cash.min() >= 0.0
    assert done.certified.all()


def test_a_bank_pays_nothing_below_its_minimum_of_reserves():
    # 20 at the start, 18.4 must stay: the bank pays its 8 as far as the 6 that come in and 1.6 reach
    done = played(star(), [mute()], operational={"reserve_minimum": 0.8, "reserve_multiplier": 1.15, "hoarding": 1.0})
    assert_allclose(done.state.cash[1:5, 0], 18.4, rtol=1e-9)
    assert (done.state.payment_shortfall[1:5, 0] > 0.39).all()


def test_customers_cannot_pay_more_than_their_deposits():
    done = played(star(deposits=1.0), [mute()], operational={"hoarding": 1.0})
    state = done.state
    assert (state.deposits_insured >= 0.0).all()
    assert (state.deposits_uninsured >= 0.0).all()
    assert_allclose(money(state, slice(1, 5)).min(), 0.0, atol=1e-9)
    assert_allclose(money(state, slice(0, 5)).sum(), 5.0, rtol=1e-12)


def test_banks_hold_back_when_reserves_are_two_deviations_below_normal():
    # after a mute day the others have 18; normal 20, sd 0.04: the line is at 18.4, and they send a quarter of 8
    system, operational = star(), {"reserve_deviation": 0.04, "hoarding": 0.25}
    simulation = simulated(system, [mute(days=2)], steps=3, operational=operational)
    simulation.step()
    assert_allclose(simulation.state.backlog[1:5, 0], 0.0, atol=1e-12)
    simulation.step()
    assert_allclose(simulation.state.backlog[1:5, 0], 6.0, rtol=1e-12)
    assert_allclose(simulation.state.payment_shortfall[:5, 0], 0.0, atol=1e-12)
    # two deviations of 0.06 are a line at 17.6
    state = played(system, [mute(days=2)], steps=2, operational=operational | {"reserve_deviation": 0.06}).state
    assert_allclose(state.backlog[1:5, 0], 0.0, atol=1e-9)


def test_reserves_that_ran_out_elsewhere_hold_payments_back_too():
    simulation = simulated(star(), operational={"hoarding": 0.5})
    step = simulation._given("operational")
    lost = np.zeros_like(simulation.state.cash)
    lost[2] = 15.0
    received = np.zeros_like(lost)
    received[simulation.state.row("outside")] = 15.0
    step.ledger.pay(lost, received, "operational")
    simulation.step()
    assert_allclose(simulation.state.backlog[:5, 0], [0.0, 0.0, 4.0, 0.0, 0.0], rtol=1e-12)
    assert_allclose(simulation.state.cash[:5, 0], [19.0, 19.0, 9.0, 19.0, 19.0], rtol=1e-12)


# -- failed banks, who takes part ------------------------------------------------------------------------------------


def test_a_failed_bank_passes_payments_through_and_its_queue_lapses():
    simulation = simulated(star(), [mute("B1", days=3)], steps=3, operational={"hoarding": 1.0})
    simulation.step()
    simulation.state.alive[0] = 0.0
    simulation.state.backlog[0] = 3.0
    before = simulation.state.cash[:5, 0].copy()
    simulation.step()
    state = simulation.state
    assert_allclose(state.backlog[:5, 0], [0.0, 16.0, 0.0, 0.0, 0.0], rtol=1e-9)
    # what B0 gets, 2 from each of three, goes on in quarters: B1 gets 6 + 1.5, the others get 4 + 1.5 and pay 8
    assert_allclose(state.cash[:5, 0] - before, [0.0, 7.5, -2.5, -2.5, -2.5], atol=1e-9)
    assert_allclose(state.cash[:, 0].sum(), before.sum(), rtol=1e-12)


def test_platforms_take_part_with_their_electronic_money():
    system = mixed_system()
    from dataclasses import replace

    from sim.networks.layer import Layer

    flows = system.layers["payments"].to_scipy().toarray()
    flows[6, 0] = flows[0, 6] = 4.0
    layers = system.layers | {"payments": Layer.from_matrix("payments", system.ids, flows, unit="currency/day")}
    done = played(replace(system, layers=layers), [mute("B0")], operational={"cost_of_outage": 0.0})
    state = done.state
    assert_allclose(state.emoney[6, 0], 16.0, rtol=1e-12)
    assert_allclose(state.cash[6, 0], 18.0, rtol=1e-12)
    assert max(done.gaps.values()) < 1e-14


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"deposits": [50.0, 0.0, 50.0]}, "B1 takes part in payments, but its customers have no deposits"),
        (
            {"n_firms": 1, "payments": np.eye(4)[[1, 0, 3, 2]]},
            "T0 takes part in payments, but it is no bank or platform",
        ),
    ],
)
def test_payments_that_nobody_can_make_are_refused(change, text):
    with pytest.raises(InputError, match=text):
        simulated(served(3, **({"payments": RING} | change)))
