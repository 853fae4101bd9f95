"""Worked cycles of the ledger: every balance sheet before and after, both audits in every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.ledger.audit import audit
from sim.ledger.balance import layer_face, layer_owed, net_worth
from sim.ledger.entries import Ledger
from sim.networks.layer import Layer
from sim.simulation import Simulation
from sim.state import SECTORS
from sim.system import System
from tests.systems import mixed_system, scenario_of, system_of

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


def test_investors_draw_reserves_for_a_failed_agents_claims_on_an_estate():
    # nobody outside is paid by the estate of B1, so investors have nothing when its claim of 20 on B2 brings 10
    system = system_of([[0, 30, 0], [0, 0, 20], [0, 0, 0]], loans=[100, 30, 60], other=[110, 0, 30])
    shocks = [
        {"kind": "asset_loss", "target": "B1", "size": 1.0, "at": 1},
        {"kind": "asset_loss", "target": "B2", "size": 35 / 60, "at": 2},
    ]
    channels = {"credit": {"valuation": "eisenberg-noe", "resolution_steps": 1, "tol": 1e-14}}
    scenario = scenario_of(system, mode="dynamic", horizon={"steps": 2}, shocks=shocks, channels=channels)
    play = Simulation(system, scenario, np.arange(2), seed=1)
    state, outside = play.state, play.state.row("outside")
    play.step()
    assert_allclose((state.advances[outside, 0], state.cash[outside, 0]), (20.0, 0.0), atol=1e-12)
    play.step()
    # 25 for the loans of B2 and 10 for B1's claim on its estate; the estate pays 15 to other creditors and 10 for that
    # claim, and B1 passes on the 10 it got, since its book is theirs
    assert_allclose((state.advances[outside, 0], state.cash[outside, 0]), (55.0, 35.0), atol=1e-12)


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


def money(state):
    """Return every amount on every balance sheet, by agent and column."""
    found = {(state.ids[row], name): float(state.columns[name][row, 0])
             for name in (column.name for column in state.money) for row in range(state.n_agents)}  # fmt: skip
    for name, claims in state.layers.items():
        face, owed = layer_face(state, claims)[:, 0], layer_owed(state, claims)[:, 0]
        found |= {(agent, name): float(face[row]) for row, agent in enumerate(state.ids)}
        found |= {(agent, f"{name} owed"): float(owed[row]) for row, agent in enumerate(state.ids)}
    return found


def changes(before, state):
    """Return what has changed on any balance sheet, to nine digits."""
    now = money(state)
    return {key: round(now[key] - before[key], 9) for key in now if abs(now[key] - before[key]) > 1e-9}


@pytest.mark.parametrize(("fund", "cash", "drawn", "repaid"), [(50.0, -20.0, 0.0, 0.0), (0.0, 0.0, 20.0, 10.0)])
def test_insured_deposits_paid_out_with_a_full_and_an_empty_fund(fund, cash, drawn, repaid):
    # B1 has loans 100, insured deposits 30, other debt 55, equity 15; it loses 80 of loans. By rank the insurer, who
    # takes the place of the depositors, gets the 20 that investors pay for the other loans, half now, half next step.
    # It owes depositors 30 at once, who put them into B0. With an empty fund it has the first 10 of the estate and
    # draws 20, of which the second 10 repay half.
    base = system_of(np.zeros((2, 2)), loans=[100, 100], other=[90, 85])
    start = {name: values.copy() for name, values in base.start.items()}
    for bank, insured in enumerate((40.0, 30.0)):
        start["deposits_insured"][bank], start["other_liabilities"][bank] = insured, (90.0, 85.0)[bank] - insured
    start["cash"][base.ids.index("deposit_insurer")] = fund
    system = replace(base, start=start)
    credit = {"ranking": "by-rank", "deposit_insurance": True, "payout_delay": 0.0, "resolution_steps": 2}
    shocks = [{"kind": "asset_loss", "target": "B1", "size": 0.8}]
    scenario = scenario_of(
        system, mode="dynamic", horizon={"steps": 3}, shocks=shocks, channels={"credit": credit | {"tol": 1e-14}}
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    before = money(play.state)
    play.step()
    expected = {
        ("B1", "loans"): -100.0,
        ("borrowers", "real_assets"): -80.0,
        ("outside", "loans"): 20.0,
        ("outside", "advances"): 20.0,
        ("B1", "deposits_insured"): -30.0,
        ("B1", "other_liabilities"): -55.0,
        ("B0", "deposits_insured"): 30.0,
        ("B0", "cash"): 30.0,
        ("estate", "cash"): 10.0,
        ("deposit_insurer", "estate_claims"): 10.0,
        ("deposit_insurer", "cash"): cash,
        ("deposit_insurer", "advances"): drawn,
    }
    assert changes(before, play.state) == {key: value for key, value in expected.items() if value}
    before = money(play.state)
    play.step()
    expected = {
        ("estate", "cash"): -10.0,
        ("deposit_insurer", "estate_claims"): -10.0,
        ("deposit_insurer", "cash"): 10.0 - repaid,
        ("deposit_insurer", "advances"): -repaid,
    }
    assert changes(before, play.state) == {key: value for key, value in expected.items() if value}
    lost = play.state.loss.sum(axis=0)[:, 0]
    assert_allclose(lost[[0, 1, row(play, "households")]], [0.0, 15.0, 0.0], atol=1e-12)
    assert_allclose(lost[[row(play, "deposit_insurer"), row(play, "outside")]], [10.0, 55.0], atol=1e-12)


def pool_system():
    """Two banks that fund 42 and 28 of a pool of 100, whose platform keeps 30, has 1.75 of cash and owes 21.05."""
    ids = ("B0", "B1", "P0", *SECTORS)
    n, at = len(ids), {name: k for k, name in enumerate(ids)}
    types = {"banks": slice(0, 2), "tech_firms": slice(2, 2), "platforms": slice(2, 3), "funds": slice(3, 3)}
    types |= {sector: slice(at[sector], at[sector] + 1) for sector in SECTORS}

    def column(**cells):
        return np.array([cells.get(name, 0.0) for name in ids])

    shares = np.zeros((n, n))
    shares[:2, 2] = (0.6, 0.4)
    return System(
        ids=ids,
        types=types,
        start={
            "cash": column(P0=1.75),
            "loans": column(B0=100.0, B1=100.0),
            "other_liabilities": column(B0=100.0, B1=90.0, P0=21.05),
            "real_assets": column(borrowers=200.0, underserved=100.0),
            "drawn_guarantees": np.zeros(n),
        },
        layers={"guarantees": Layer.from_matrix("guarantees", ids, shares)},
        assets=("P0",),
        holdings=column(B0=42.0, B1=28.0, P0=30.0, underserved=-100.0)[:, None],
        fair_value=np.ones((n, 1)),
        depth=np.array([1.0]),
        floor=np.zeros(1),
        issuers=(at["underserved"],),
        traded=np.array([False]),
        traits={"guarantee": column(P0=0.05)},
    )


def test_a_guarantee_called_from_a_platform_that_can_pay_half():
    # The pool loses 12: P0 3.6, the banks 8.4, of which P0 owes them min(8.4, 5 % of 70) = 3.5. It pays its cash of
    # 1.75, to B0 and B1 as 60 : 40, and owes 1.75. Then the pool loses 50 more, 15 of them P0's, who has 11.4 left
    # against 21.05 + 1.75 = 22.8: it fails, and pays half.
    system = pool_system()
    pools = [{"kind": "borrower_stress", "pools": "P0", "loss_given_default": 1.0, "screening_effect": 0.0}]
    chance, again = 0.032, 0.5 / 0.88
    shocks = [
        pools[0] | {"pd_multiplier": (chance + 0.12) / chance},
        pools[0] | {"pd_multiplier": (chance + again) / chance, "at": 2},
    ]
    scenario = scenario_of(
        system,
        mode="dynamic",
        horizon={"steps": 3},
        shocks=shocks,
        channels={"credit": {"resolution_steps": 1, "tol": 1e-14}},
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    before = money(play.state)
    play.step()
    assert changes(before, play.state) == {
        ("underserved", "real_assets"): -12.0,
        ("P0", "cash"): -1.75,
        ("B0", "cash"): 1.05,
        ("B1", "cash"): 0.70,
        ("P0", "guarantees owed"): 1.75,
        ("B0", "guarantees"): 1.05,
        ("B1", "guarantees"): 0.70,
    }
    # the pool's loss of 12 by bearer: 3.6 and 3.5 the platform, 4.9 the banks
    assert_allclose(play.state.loss.sum(axis=0)[:3, 0], [4.9 * 0.6, 4.9 * 0.4, 7.1], rtol=1e-12)
    before, lost = money(play.state), play.state.loss.sum(axis=0)[:, 0]
    play.step()
    assert changes(before, play.state) == {
        ("underserved", "real_assets"): -50.0,
        ("P0", "other_liabilities"): -21.05,
        ("P0", "guarantees owed"): -1.75,
        ("B0", "guarantees"): -1.05,
        ("B1", "guarantees"): -0.70,
        ("outside", "advances"): 11.4,  # drawn to buy the pool share
        ("outside", "cash"): 10.525,  # half of 21.05
        ("B0", "cash"): 0.525,
        ("B1", "cash"): 0.35,
    }
    lost = play.state.loss.sum(axis=0)[:, 0] - lost
    # banks: 35 of the pool and 0.875 of the guarantee, so 4.9 + 0.875 of the first loss; investors half of 21.05
    assert_allclose(lost[:2], [0.6 * 35.875, 0.4 * 35.875], rtol=1e-12)
    assert_allclose(lost[row(play, "outside")], 10.525, rtol=1e-12)
    assert_allclose(lost[:3].sum() + lost[row(play, "outside")], 50.0, rtol=1e-12)
    assert_allclose(net_worth(play.state)[2, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize(("fair", "lost_at_once", "lost_in_sale"), [(1.0, 10.0, 2.4), (0.0, 0.0, 4.8)])
def test_a_fire_sale_to_investors_of_holdings_at_fair_value_and_at_cost(fair, lost_at_once, lost_in_sale):
    # 100 pieces; the price falls to 0.9. 40 are sold at 0.88, then it is 0.86. At fair value: 10 at once, 40 * 0.02 in
    # the sale, 60 * 0.04 = 2.4 after it less nothing. At cost: nothing, then 40 * 0.12 = 4.8; 60 stay at 1 a piece.
    system = system_of([[0.0]], loans=[10], other=[90], holdings=[[100.0]], depth=[1000.0], fair=fair)
    state = system.state(2, ("shock", "market"))
    ledger = Ledger(state)
    outside, issuer = state.row("outside"), state.row("borrowers")
    before = money(state)
    ledger.revalue_price(np.full((1, 2), 0.9), "shock")
    audit(ledger, system.scale)
    assert_allclose(state.loss[0, [0, issuer], 0], [lost_at_once, -10.0], atol=1e-12)
    ledger.fund_investors(np.full(2, 35.2), "market")
    ledger.transfer_units(state.banks, outside, np.full((1, 1, 2), 40.0), np.full((1, 2), 0.88), "market")
    audit(ledger, system.scale)
    ledger.revalue_price(np.full((1, 2), 0.86), "market")
    audit(ledger, system.scale)
    assert changes(before, state) == {("B0", "cash"): 35.2, ("outside", "advances"): 35.2}
    assert_allclose(state.units[[0, outside, issuer], 0, 0], [60.0, 40.0, -100.0])
    # investors paid 35.2 for what is worth 34.4; the issuer of 100 pieces gains what it owes less
    sale = 40 * 0.02 if fair else lost_in_sale
    after = lost_in_sale if fair else 0.0
    assert_allclose(state.loss[1, [0, outside, issuer], 0], [sale + after, 0.8, -4.0], atol=1e-12)


def test_what_a_failed_agent_is_repaid_goes_to_who_bought_its_book():
    # B0 is ordered to fail; investors buy its book, an overnight claim of 10 on B2 among it. B2 repays: B0's equity
    # stays what it was, investors have 10 more cash and 10 less of B0's book.
    system = mixed_system()
    scenario = scenario_of(
        system, mode="dynamic", horizon={"steps": 3}, shocks=(), channels={"credit": {"resolution_steps": 1}}
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    state, b2, outside = play.state, row(play, "B2"), row(play, "outside")
    state.ordered_to_fail[0] = 1.0
    play.step()
    owners, book = net_worth(state)[0, 0], state.participations[0, 0]
    assert_allclose(book, 30 + 12 + 10 + 30)  # interbank, overnight, a loan to T0
    before = money(state)
    claims = state.layers["overnight"]
    drawn = claims.drawn.copy()
    drawn[b2] = 0.0
    play.ledger.roll("overnight", claims.kept, drawn, "credit")
    play.step()
    moved = changes(before, state)
    assert moved == {
        ("B2", "cash"): -10.0,
        ("B2", "overnight owed"): -10.0,
        ("B0", "overnight"): -10.0,
        ("B0", "participations"): -10.0,
        ("outside", "cash"): 10.0,
    }
    assert_allclose(net_worth(state)[0, 0], owners, rtol=1e-12)
    assert state.cash[outside, 0] > 0.0
