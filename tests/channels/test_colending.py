"""The waterfall of a co-lending pool: own share, guarantee, banks; a platform that cannot pay, or fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.ledger.balance import layer_owed, net_worth
from sim.simulation import Simulation
from tests.systems import PEOPLE, mixed_system, scenario_of

PHI = {"B1": 30 / 70, "B2": 15 / 70, "B3": 25 / 70}


def platform_system(sigma=0.30, accounts=35.0, fund=10.0, guarantee=0.05, **columns):
    """Return the mixed system with other shares of its platform in the pool and the fund, and other columns of it."""
    base = mixed_system()
    row, fund_row = base.ids.index("P0"), base.ids.index("F0")
    holdings, start = base.holdings.copy(), {name: values.copy() for name, values in base.start.items()}
    for bank, share in PHI.items():
        holdings[base.ids.index(bank), 3] = 100.0 * (1.0 - sigma) * share
    holdings[row, 3] = 100.0 * sigma
    holdings[base.ids.index("households"), 4] += holdings[row, 4] - fund
    holdings[row, 4] = fund
    assert fund_row
    for name, value in columns.items():
        start[name][row] = value
    layer = base.layers["accounts"]
    weights = layer.csr.weights.copy()
    held = slice(layer.csr.indptr[row], layer.csr.indptr[row + 1])
    weights[held] *= accounts / 35.0
    layers = base.layers | {"accounts": replace(layer, csr=layer.csr._replace(weights=weights))}
    traits = base.traits | {"guarantee": np.where(np.arange(len(base.ids)) == row, guarantee, 0.0)}
    return replace(base, start=start, holdings=holdings, layers=layers, traits=traits)


def play_of(system, falls=(0.12,), mode="dynamic", steps=None, **credit):
    """Return a simulation in which the pool's price falls to 1 - sum(falls), one fall a step."""
    level, shocks = 1.0, []
    for k, fall in enumerate(falls):
        shocks.append({"kind": "price_fall", "falls": {"P0": fall / level}, "at": k + 1})
        level -= fall
    scenario = scenario_of(
        system,
        mode=mode,
        horizon={"steps": steps or max(1, len(falls))},
        shocks=shocks,
        channels={"credit": {"resolution_steps": 1} | credit},
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    play.before = net_worth(play.state)
    return play


def lost(play, *names):
    """Return what agents have lost in all."""
    change = (play.before - net_worth(play.state))[:, 0]
    return sum(float(change[play.system.ids.index(name)]) for name in names)


def due(play):
    """Return what the platform still owes under its guarantee."""
    return float(layer_owed(play.state, play.state.layers["guarantees"])[play.system.ids.index("P0"), 0])


def test_pools_are_found_by_the_name_of_their_platform():
    system = mixed_system()
    assert [(system.assets[pool.asset], system.ids[pool.platform]) for pool in system.pools] == [("P0", "P0")]


@pytest.mark.parametrize("mode", ["dynamic", "static"])
def test_own_share_guarantee_and_banks(mode):
    # N 100, loss 12, sigma .30, gamma .05: own 3.6, guarantee min(8.4, .05 * 70) = 3.5, banks 4.9
    play = play_of(platform_system(), mode=mode)
    play.step()
    assert_allclose(lost(play, "P0"), 3.6 + 3.5, rtol=1e-12)
    assert_allclose(lost(play, *PHI), 4.9, rtol=1e-12)
    for bank, share in PHI.items():
        assert_allclose(lost(play, bank), 4.9 * share, rtol=1e-12)
    assert_allclose(play.state.loss[0, :8, 0].sum(), 12.0, rtol=1e-12)  # the event; the guarantee only moves it
    # paid in the same phase: 2 of free reserves (22 less electronic money of 20), 1.5 from accounts of 35
    assert due(play) == 0.0
    assert_allclose(play.state.cash[play.system.ids.index("P0"), 0], 20.0, atol=1e-12)
    credit = play.state.loss[1, :, 0]
    assert_allclose(credit[:4].sum(), -3.5, rtol=1e-12)
    assert not credit[8:].any()


@pytest.mark.parametrize(
    ("falls", "called"),
    [((0.12,), 3.5), ((0.04, 0.08), 3.5), ((0.02, 0.02, 0.08), 3.5), ((0.03,), 2.1), ((0.01, 0.02), 2.1)],
)
def test_the_guarantee_is_a_first_loss_over_all_time(falls, called):
    # (1 - sigma) 3 = 2.1 is below the cover of 3.5; losses in parts are covered as one
    play = play_of(platform_system(), falls)
    play.play()
    assert_allclose(lost(play, *PHI), 70.0 * sum(falls) - called, rtol=1e-12)
    assert_allclose(play.state.guarantee_called[play.system.ids.index("P0"), 0], called, rtol=1e-12)


@pytest.mark.parametrize(("sigma", "guarantee"), [(0.02, 0.03), (0.3, 0.0), (0.3, 0.2), (0.5, 0.03)])
def test_bearers_add_up_to_the_loss_of_the_pool(sigma, guarantee):
    play = play_of(platform_system(sigma=sigma, guarantee=guarantee))
    play.step()
    covered = min((1 - sigma) * 12, guarantee * (1 - sigma) * 100)
    assert_allclose(lost(play, *PHI), (1 - sigma) * 12 - covered, rtol=1e-12)
    assert_allclose(lost(play, "P0", *PHI), 12.0, rtol=1e-12)


def test_a_platform_short_of_money_pays_half_and_owes_the_rest():
    # nothing in accounts, 1.75 of reserves beyond electronic money: 1.75 is paid, 1.75 stays due at face
    play = play_of(platform_system(accounts=0.0, cash=21.75), steps=3)
    play.step()
    assert_allclose(due(play), 1.75, rtol=1e-12)
    assert_allclose(lost(play, *PHI), 4.9, rtol=1e-12)
    cash = play.state.cash[[play.system.ids.index(bank) for bank in PHI], 0]
    assert_allclose(cash.sum() - (45 + 20 + 15), 1.75, rtol=1e-12)
    # more money later: the rest is paid as soon as it is there
    row = play.system.ids.index("P0")
    gift = np.zeros((play.state.n_agents, play.state.n_lanes))
    gift[row] = 5.0
    play.ledger.pay(np.roll(gift, -row, axis=0), gift, "shock")  # from B0
    play.step()
    assert due(play) == 0.0
    assert_allclose(play.state.cash[row, 0], 20.0 + 5.0 - 1.75, rtol=1e-12)


def test_a_platform_that_fails_on_its_guarantee_pays_half():
    # Half of everything: pool 26.4 after the loss, real assets of 20 that bring nothing, no electronic money, accounts
    # or fund shares; debts 28 to banks + 21.3 to investors + 3.5 called = 52.8. Equity 46.4 - 52.8 < 0: recovery 0.5.
    # Banks bear 4.9 + 1.75 = 6.65 of the pool, investors and lenders half of what they are owed.
    system = platform_system(
        accounts=0.0, fund=0.0, cash=0.0, emoney=0.0, real_assets=20.0, other_liabilities=49.3 - 28.0
    )
    play = play_of(system, real_asset_discount=1.0)
    play.step()
    assert play.state.alive[system.ids.index("P0"), 0] == 0.0
    assert_allclose(lost(play, *PHI), 6.65 + 14.0, rtol=1e-12)
    assert_allclose(lost(play, "B2"), 6.65 * PHI["B2"], rtol=1e-12)  # B2 has lent it nothing
    # the pool's 12 are its borrowers' gain here; the platform's real assets are gone
    assert_allclose(lost(play, "underserved"), -12.0, rtol=1e-12)
    assert_allclose(sum(lost(play, name) for name in system.ids), 20.0, rtol=1e-12)
    assert_allclose((system.start["real_assets"] - play.state.real_assets[:, 0]).sum(), 20.0, rtol=1e-12)


def test_a_bank_that_fails_takes_its_claim_on_the_guarantee_with_it():
    # B2 fails at once and its book goes to investors; the pool falls later: they bear B2's part, and its cover
    system = platform_system()
    play = play_of(system, (0.0, 0.12), steps=4)
    play.state.ordered_to_fail[system.ids.index("B2")] = 1.0
    play.step()
    outside = system.ids.index("outside")
    b2, before = net_worth(play.state)[system.ids.index("B2"), 0], net_worth(play.state)[outside, 0]
    play.step()
    assert_allclose(before - net_worth(play.state)[outside, 0], (8.4 - 3.5) * PHI["B2"], rtol=1e-9)
    assert_allclose(net_worth(play.state)[system.ids.index("B2"), 0], b2, atol=1e-9)
    assert_allclose(lost(play, "B1", "B3"), 4.9 * (PHI["B1"] + PHI["B3"]), rtol=1e-9)
    play.step()
    assert_allclose(net_worth(play.state)[system.ids.index("B2"), 0], b2, atol=1e-9)


def test_no_bank_pays_out_more_reserves_than_it_has():
    # B1 keeps 25 of the platform's 35 and has reserves of 1: the platform gets 1 / 25 of every account
    system = platform_system(guarantee=0.10)
    start = {name: values.copy() for name, values in system.start.items()}
    start["cash"][system.ids.index("B1")] = 1.0
    play = play_of(replace(system, start=start))
    play.step()
    # called 7, paid 2 of free reserves and 35 / 25 of accounts
    assert_allclose(due(play), 7.0 - 2.0 - 1.4, rtol=1e-9)
    assert (play.state.cash[:8] >= -1e-12).all()


def test_the_rule_of_a_platform_decides_what_it_pays_now():
    from sim.agents.platform import PlatformDecision

    seen = []

    def reluctant(view):
        seen.append(view)
        return PlatformDecision(np.full_like(view.called, 0.25))

    system = platform_system()
    play = play_of(system)
    play.rules = {**play.rules, "platforms": reluctant}
    play.step()
    assert_allclose(due(play), 3.5 * 0.75, rtol=1e-12)
    assert_allclose(seen[0].called[0, 0], 3.5)
    assert_allclose(seen[0].means[0, 0], 2.0 + 35.0)
    # own shares are no debt: 49 before, less 3.6 of the pool and 3.5 called
    assert_allclose(seen[0].equity[0, 0], 49.0 - 3.6 - 3.5)


def test_switched_off_nothing_is_called():
    system = platform_system()
    play = play_of(system)
    play = Simulation(system, play.scenario, np.arange(2), 1, switches={"credit": np.array([1.0, 0.0])})
    play.play()
    row = system.ids.index("P0")
    assert_allclose(play.state.guarantee_called[row, :2], [3.5, 0.0], rtol=1e-12)
    assert not play.state.loss[1, :, 1].any()
    assert len(PEOPLE) == 8
