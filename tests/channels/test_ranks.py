"""Creditors of a failed agent by rank: hand calculations, a dense oracle, what one rank reduces to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels.base import Step, TightView
from sim.channels.credit import Credit
from sim.ledger.audit import audit
from sim.ledger.balance import net_worth
from sim.ledger.entries import Ledger
from sim.shocks.asset_loss import write_off
from sim.simulation import Simulation
from sim.state import AGENTS, Column
from tests.systems import mixed_system, random_system, scenario_of, system_of

FINES = Column("fines_of_a_test", "currency", "Fines", AGENTS, liability_to="government", rank="junior")


def played(system, lost, fines=0.0, steps=1, **credit):
    """Return the step after a credit phase in which banks first lost loans and were fined; audited."""
    channel = Credit(tol=1e-14, **credit)
    state = system.state(2, ("shock", "credit"), (*Credit.columns, FINES))
    view = TightView(state, state.worth, state.price)
    state.equity0[state.people], state.solvency0[state.people] = view.equity[state.people], view.solvency[state.people]
    ledger = Ledger(state)
    n = state.banks.stop
    for into, amounts in (("loss", lost), ("fines", fines)):
        values = np.zeros((state.n_agents, 2))
        values[:n] = np.broadcast_to(np.asarray(amounts, float), n)[:, None]
        if into == "loss":
            write_off(state, ledger, values)
        else:
            ledger.create(FINES.name, slice(None), values, "shock")
    step = Step(system, state, ledger, 1, np.ones(2))
    for _ in range(steps):
        found = channel.step(step)
        assert found is None or found.certified.all()
        channel.resolve(step)
        audit(ledger, system.scale)
    return step


def with_insured(system, amounts):
    """Return the system with part of the banks' other liabilities being insured deposits."""
    start = {name: values.copy() for name, values in system.start.items()}
    n = len(system.banks)
    start["deposits_insured"][:n] = amounts
    start["other_liabilities"][:n] -= amounts
    return replace(system, start=start)


def two_banks():
    # B1: loans 100; owes 50 to B0, 20 to insured depositors, 15 to investors; equity 15
    return with_insured(system_of([[0, 50], [0, 0]], loans=[100, 100], other=[90, 35]), [0.0, 20.0])


@pytest.mark.parametrize(
    ("lost", "households", "banks", "government"),
    [
        # 85 left: 20 senior, 65 ordinary in full, nothing of 5 for the fine, which alone made the bank fail
        (15.0, 20.0, 1.0, 0.0),
        # 88 left: 3 of 5 for the fine
        (12.0, 20.0, 1.0, 3.0),
        # 46 left: 20 senior, 26 of 65
        (54.0, 20.0, 0.4, 0.0),
        # 12 left: 12 of 20 senior, nothing for anybody else
        (88.0, 12.0, 0.0, 0.0),
    ],
)
def test_senior_before_ordinary_before_junior(lost, households, banks, government):
    step = played(two_banks(), [0.0, lost], [0.0, 5.0], ranking="by-rank", resolution_steps=1)
    state = step.state
    assert state.alive[1, 0] == 0.0
    got = [state.cash[state.row(sector), 0] for sector in ("households", "government", "outside")]
    # investors drew 100 - lost from the central bank to buy the loans, and were paid as creditors of 15
    assert_allclose(got, [households, government, 15.0 * banks], atol=1e-12)
    assert_allclose(state.cash[0, 0], 50.0 * banks, atol=1e-12)
    assert_allclose(net_worth(state)[1, 0], 0.0, atol=1e-12)


def test_pari_passu_pays_every_rank_the_same():
    # 46 left of 90 owed, the fine of 5 among them
    state = played(two_banks(), [0.0, 54.0], [0.0, 5.0], resolution_steps=1).state
    share = 46 / 90
    got = [state.cash[state.row(sector), 0] for sector in ("households", "government", "outside")]
    assert_allclose(got, [20 * share, 5 * share, 15 * share], rtol=1e-12)
    assert_allclose(state.cash[0, 0], 50 * share, rtol=1e-12)


def oracle(claims, external, senior, outside, junior, alpha, beta):
    """Return recoveries by policy iteration: who fails and how far down the money goes, then one linear solve."""
    n = external.size
    owed = claims.sum(axis=0) + outside
    short, empty = np.zeros(n, bool), np.zeros(n, bool)
    while True:
        partial = short & ~empty
        share = np.divide(1.0, owed, out=np.zeros(n), where=owed > 0.0)
        matrix = np.eye(n) - np.where(partial, beta * share, 0.0)[:, None] * claims
        base = np.where(partial, share * (alpha * external - senior), np.where(empty, 0.0, 1.0))
        x = np.linalg.solve(matrix, base)
        means = alpha * external + beta * (claims @ x)
        failing = external + claims @ x < senior + owed + junior
        now_short, now_empty = failing & (means < senior + owed), failing & (means <= senior)
        if (now_short <= short).all() and (now_empty <= empty).all():
            return x, means, failing
        short, empty = short | now_short, empty | now_empty


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.8, 0.9)])
@pytest.mark.parametrize("seed", range(12))
def test_recoveries_are_those_of_a_dense_oracle(seed, alpha, beta):
    rng = np.random.default_rng(seed)
    system = random_system(seed, n_assets=1)
    n = len(system.banks)
    debts = system.start["other_liabilities"][:n]
    system = with_insured(system, rng.uniform(0.2, 0.7, n) * debts)
    lost = rng.uniform(0.0, 0.6, n) ** 2 * system.start["loans"][:n]
    fines = rng.uniform(0.0, 2.0, n)
    claims = system.layer("interbank").to_scipy().toarray()[:n, :n]
    external = system.start["loans"][:n] + system.holdings[:n, 0] - lost
    senior, outside = system.start["deposits_insured"][:n], system.start["other_liabilities"][:n]
    x, means, failing = oracle(claims, external, senior, outside, fines, alpha, beta)
    terms = {"valuation": "rogers-veraart", "alpha": alpha, "beta": beta}
    state = played(system, lost, fines, ranking="by-rank", resolution_steps=1, **terms).state
    assert (state.alive[:n, 0] == ~failing).all()
    assert failing.sum() > 1
    where = means[failing]
    senior_paid = np.minimum(where, senior[failing]).sum()
    junior_paid = np.clip(where - (senior + outside + claims.sum(axis=0))[failing], 0.0, fines[failing]).sum()
    assert_allclose(state.cash[state.row("households"), 0], senior_paid, rtol=1e-9)
    assert_allclose(state.cash[state.row("government"), 0], junior_paid, rtol=1e-9, atol=1e-9)
    cost = ((1 - alpha) * external + (1 - beta) * (claims @ x))[failing].sum()
    assert_allclose(state.cash[state.row("deadweight"), 0], cost, rtol=1e-9, atol=1e-9)
    # a living bank has lost what its debtors do not pay
    alive = ~failing
    assert_allclose(
        net_worth(state)[:n, 0][alive],
        (external + claims @ x - senior - outside - fines - claims.sum(axis=0))[alive],
        rtol=1e-9,
    )


@pytest.mark.parametrize("valuation", ["eisenberg-noe", "rogers-veraart"])
@pytest.mark.parametrize("seed", range(3))
def test_one_rank_is_pari_passu_bit_for_bit(seed, valuation):
    system = random_system(seed)  # interbank claims and other liabilities only
    lost = np.random.default_rng(seed).uniform(0.0, 0.3, 12) * system.start["loans"][:12]
    one, two = (
        played(system, lost, valuation=valuation, alpha=0.8, beta=0.9, ranking=ranking, steps=3).state
        for ranking in ("pari-passu", "by-rank")
    )
    assert (one.alive == 0.0).any()
    for name, values in one.columns.items():
        assert (values == two.columns[name]).all(), name


def test_more_money_never_pays_any_rank_less():
    system = with_insured(random_system(5), random_system(5).start["other_liabilities"][:12] * 0.5)
    lost = np.random.default_rng(5).uniform(0.1, 0.9, 12) * system.start["loans"][:12]
    paid = []
    for share in np.linspace(0.0, 1.0, 6):
        state = played(system, lost * share, 1.0, ranking="by-rank", resolution_steps=1).state
        paid.append([-state.loss[1, state.row(s), 0] for s in ("households", "outside", "government")])
    assert (np.diff(np.array(paid), axis=0) <= 1e-9).all()
    assert (np.array(paid)[-1] < -1.0).all()


def test_costs_on_what_has_no_market_only():
    # B0: loans 60, securities 30 at market, cash none; owes 100. alpha .5, beta .9 and a loss of 20 in loans:
    # external: 0.5 * (40 + 30) = 35; illiquid: 0.5 * 40 + 0.9 * 30 = 47
    system = system_of([[0.0]], [60.0], [85.0], [[30.0]], depth=[1000.0])
    for costs, brings in (("external", 35.0), ("illiquid", 47.0)):
        terms = {"valuation": "rogers-veraart", "alpha": 0.5, "beta": 0.9, "costs": costs, "resolution_steps": 1}
        state = played(system, [20.0], **terms).state
        assert_allclose(-state.loss[1, state.row("outside"), 0], brings - 85.0, rtol=1e-12)
        assert_allclose(state.cash[state.row("deadweight"), 0], 70.0 - brings, rtol=1e-12)


@pytest.mark.parametrize(("cash", "holders"), [(10.0, 10.0), (4.0, 4.0 + 6.0 * 0.25)])
def test_holders_of_electronic_money_keep_its_reserve(cash, holders):
    # The platform of the mixed system fails with electronic money of 10, real assets that bring half, and debts that
    # its other assets cover for a quarter: see the sums below.
    base = mixed_system()
    row = base.ids.index("P0")
    start = {name: values.copy() for name, values in base.start.items()}
    start["cash"][row], start["emoney"][row] = cash, 10.0
    start["real_assets"][row] = 30.0
    holdings = base.holdings.copy()
    for asset in (3, 4):
        holdings[base.ids.index("outside"), asset] += holdings[row, asset]
        holdings[row, asset] = 0.0
    # it has accounts of 35 and half of 30 for: loans of 28, other debts, and electronic money beyond the reserve
    start["other_liabilities"][row] = 4.0 * 50.0 - 28.0 - (10.0 - cash)
    system = replace(base, start=start, holdings=holdings)
    state = system.state(2, ("shock", "credit"), Credit.columns)
    ledger = Ledger(state)
    view = TightView(state, state.worth, state.price)
    state.solvency0[state.people] = view.solvency[state.people]
    state.ordered_to_fail[row] = 1.0
    channel = Credit(tol=1e-14, resolution_steps=1)
    step = Step(system, state, ledger, 1, np.ones(2))
    before = net_worth(state)
    channel.step(step)
    channel.resolve(step)
    audit(ledger, system.scale)
    assert_allclose(state.cash[state.row("households"), 0], holders, rtol=1e-12)
    # 15 of real assets are gone for good; banks are paid a quarter of 28
    assert_allclose((before - net_worth(state))[:, 0].sum(), 15.0, rtol=1e-12)
    assert_allclose((before - net_worth(state))[:4, 0].sum(), 21.0, rtol=1e-12)


def test_a_firm_that_fails_takes_its_shares_its_accounts_and_its_debts_with_it():
    # T0: accounts 20 at B0 and 5 at B1, real assets 60 that bring 30; owes 30 to B0, 10 to B1, 5 to investors.
    # Ordered to fail: 55 against 45, all are paid, 10 is left to its owners, whose shares of 38 it no longer owes.
    system = mixed_system()
    shock = [{"kind": "agent_failure", "target": "T0", "size": 0.0}]
    channels = {"credit": {"resolution_steps": 2, "ranking": "by-rank"}}
    scenario = scenario_of(system, mode="dynamic", horizon={"steps": 3}, shocks=shock, channels=channels)
    play = Simulation(system, scenario, np.arange(2), seed=1)
    before = net_worth(play.state)
    state, row = play.state, system.ids.index("T0")
    for _ in range(3):
        play.step()
    assert_allclose(net_worth(state)[row, 0], 10.0, atol=1e-12)
    assert_allclose(state.cash[row, 0], 10.0, atol=1e-12)
    assert_allclose(net_worth(state)[:4, 0], before[:4, 0], atol=1e-12)
    # its accounts now belong to who bought its book; outside investors owe its shares to their holders
    assert_allclose(state.participations[row, 0], 25.0, atol=1e-12)
    assert_allclose(state.units[state.row("outside"), 2, 0], 40.0 - 38.0, atol=1e-12)
    assert_allclose((before - net_worth(state))[state.row("outside"), 0], 38.0, atol=1e-12)
    # and when B0 fails, its buyers lose on the account of 20
    state.ordered_to_fail[0] = 1.0
    amount = np.zeros((state.n_agents, state.n_lanes))
    amount[0] = 300.0
    write_off(state, play.ledger, amount)
    lost = state.loss[:, state.row("outside"), 0].sum()
    play.step()
    assert state.participations[row, 0] < 6.0
    assert state.loss[:, state.row("outside"), 0].sum() > lost
    assert_allclose(net_worth(state)[row, 0], 10.0, atol=1e-9)
