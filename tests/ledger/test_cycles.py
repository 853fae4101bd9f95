"""Worked cycles of the ledger: every balance sheet before and after, both audits in every step."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.ledger.audit import audit
from sim.ledger.balance import net_worth
from sim.ledger.entries import Ledger
from sim.simulation import Simulation
from tests.systems import scenario_of, system_of

SHOCK = [{"kind": "asset_loss", "target": "B1", "size": 0.64}]


def row(simulation, name):
    return simulation.system.ids.index(name)


def test_interbank_default_with_recovery_and_payout_over_four_steps():
    # B0 lent 50 to B1. B1: loans 100, owes 50 to B0 and 40 outside, equity 10. It loses 64 of loans:
    # assets 36 against debts of 90, recovery 36 / 90 = 0.4. B0 gets 20 in claims on the estate and loses 30,
    # investors get 16 of 40. The estate pays a quarter of the original claims in each of four steps.
    system = system_of([[0, 50], [0, 0]], loans=[100, 100], other=[90, 40])
    scenario = scenario_of(
        system,
        mode="dynamic",
        horizon={"steps": 6},
        shocks=SHOCK,
        channels={"credit": {"valuation": "eisenberg-noe", "resolution_steps": 4}},
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    state, outside = play.state, play.state.row("outside")
    assert_allclose(net_worth(state)[:2, 0], [60.0, 10.0])
    for step, (cash, claims) in enumerate([(5, 15), (10, 10), (15, 5), (20, 0), (20, 0), (20, 0)]):
        play.step()
        assert_allclose(state.cash[0, 0], cash, atol=1e-12, err_msg=f"step {step}")
        assert_allclose(state.estate_claims[0, 0], claims, atol=1e-12)
        assert_allclose(net_worth(state)[:2, 0], [30.0, 0.0], atol=1e-12)
    assert_allclose(state.loans[:, 0][[0, 1, outside]], [100.0, 0.0, 36.0], atol=1e-12)
    # investors drew 36 to buy the loans and were paid 16 as creditors
    assert_allclose([state.advances[outside, 0], state.cash[outside, 0]], [36.0, 16.0], atol=1e-12)
    # what is gone is 64 of real assets: bank equity 30 + 10, creditors 24
    loss = state.loss.sum(axis=0)[:, 0]
    assert_allclose(loss[[0, 1, outside]], [30.0, 10.0, 24.0], atol=1e-12)
    assert_allclose(loss.sum(), 64.0, atol=1e-12)


def test_bankruptcy_costs_end_in_the_sink():
    # as above with a tenth of external assets lost in default: 0.9 * 36 / 90 = 0.36; the sink gets 3.6
    system = system_of([[0, 50], [0, 0]], loans=[100, 100], other=[90, 40])
    scenario = scenario_of(
        system, shocks=SHOCK, channels={"credit": {"valuation": "rogers-veraart", "alpha": 0.9, "tol": 1e-14}}
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    play.step()
    assert_allclose(net_worth(play.state)[:2, 0], [60.0 - 50.0 * 0.64, 0.0], atol=1e-12)
    assert_allclose(play.state.cash[play.state.row("deadweight"), 0], 3.6, atol=1e-12)


def test_a_failed_agents_book_passes_its_later_losses_to_investors():
    # B1 fails in step 1 and sells its claim of 20 on B2 to investors; B2 fails in step 2 with recovery 0.5:
    # B1 has nothing left to lose, investors bear the 10
    system = system_of([[0, 30, 0], [0, 0, 20], [0, 0, 0]], loans=[100, 60, 60], other=[120, 40, 30])
    shocks = [
        {"kind": "asset_loss", "target": "B1", "size": 0.5, "at": 1},
        {"kind": "asset_loss", "target": "B2", "size": 35 / 60, "at": 2},
    ]
    channels = {"credit": {"valuation": "eisenberg-noe", "resolution_steps": 1, "tol": 1e-14}}
    scenario = scenario_of(system, mode="dynamic", horizon={"steps": 3}, shocks=shocks, channels=channels)
    play = Simulation(system, scenario, np.arange(2), seed=1)
    play.step()
    # B1: 30 of loans and the claim of 20 against 70: recovery 5/7
    assert_allclose(net_worth(play.state)[:2, 0], [10.0 - 30.0 * 2 / 7, 0.0], atol=1e-12)
    assert_allclose(play.state.participations[1, 0], 20.0, atol=1e-12)
    play.step()
    play.step()
    assert_allclose(play.state.participations[1, 0], 0.0, atol=1e-12)
    assert_allclose(net_worth(play.state)[:3, 0], [10.0 - 30.0 * 2 / 7, 0.0, 0.0], atol=1e-12)
    outside = play.state.row("outside")
    credit = play.state.sources.index("credit")
    # as creditor of B1: 40 * 2/7, of B2: 30 * 0.5, as owner of B1's book: 20 * 0.5
    assert_allclose(play.state.loss[credit, outside, 0], 40 * 2 / 7 + 15.0 + 10.0, atol=1e-12)


def test_fire_sale_at_fair_value_and_at_cost():
    # 100 pieces, a quarter at fair value; price 1 -> 0.9: loss 0.25 * 10 = 2.5.
    # 40 pieces sold at 0.88: they stood at 0.25 * 0.9 + 0.75 = 0.975, so 40 * (0.975 - 0.88) = 3.8 is realised.
    # price 0.9 -> 0.86: the 60 left lose 60 * 0.25 * 0.04 = 0.6. Investors paid 35.2 for what is worth 34.4.
    system = system_of([[0.0]], loans=[10], other=[90], holdings=[[100.0]], depth=[1000.0], fair=0.25)
    state = system.state(2, ("shock", "market"))
    ledger = Ledger(state)
    outside = state.row("outside")
    ledger.revalue_price(np.full((1, 2), 0.9), "shock")
    ledger.fund_investors(np.full(2, 35.2), "market")
    ledger.transfer_units(state.banks, outside, np.full((1, 1, 2), 40.0), np.full((1, 2), 0.88), "market")
    ledger.revalue_price(np.full((1, 2), 0.86), "market")
    assert_allclose(state.loss[:, 0, 0], [2.5, 4.4], atol=1e-12)
    assert_allclose(state.loss[1, outside, 0], 0.8, atol=1e-12)
    assert_allclose([state.cash[0, 0], state.units[0, 0, 0], state.units[outside, 0, 0]], [35.2, 60.0, 40.0])
    # the issuer of what is held gains what holders at market lose; what stands at cost is not yet anybody's loss
    audit(ledger, system.scale)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_fire_sale_is_a_transfer(share):
    system = system_of([[0.0]], loans=[10], other=[90], holdings=[[100.0]], depth=[1000.0], fair=share)
    state = system.state(2, ("shock", "market"))
    ledger = Ledger(state)
    before = net_worth(state)
    ledger.fund_investors(np.full(2, 95.0), "market")
    ledger.transfer_units(state.banks, state.row("outside"), np.full((1, 1, 2), 100.0), np.full((1, 2), 0.95), "market")
    ledger.revalue_price(np.full((1, 2), 0.9), "market")
    assert_allclose((net_worth(state) - before).sum(axis=0), 0.0, atol=1e-12)
