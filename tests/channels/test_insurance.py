"""Deposit insurance by hand: pay-out with a full and an empty fund, its delay, the insurer's claim on the estate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.ledger.balance import net_worth
from sim.metrics import measure
from sim.simulation import Simulation
from tests.systems import scenario_of, system_of


def insured_system(fund):
    """Two living banks and one that will fail: deposits insured 40, 20 and 30, a fund of the given size."""
    system = system_of(np.zeros((3, 3)), loans=[100, 100, 100], other=[90, 90, 85])
    start = {name: values.copy() for name, values in system.start.items()}
    start["deposits_insured"][:3] = [40.0, 20.0, 30.0]
    start["other_liabilities"][:3] -= [40.0, 20.0, 30.0]
    start["cash"][system.ids.index("deposit_insurer")] = fund
    return replace(system, start=start)


def play_of(fund, loss=0.8, mode="dynamic", **credit):
    """Return the simulation, its state and a reader of one row of a column."""
    system = insured_system(fund)
    parameters = {"deposit_insurance": True, "ranking": "by-rank", "resolution_steps": 2, "payout_delay": 0.0}
    scenario = scenario_of(
        system,
        mode=mode,
        horizon={"steps": 1 if mode == "static" else 9},
        shocks=[{"kind": "asset_loss", "target": "B2", "size": loss}],
        channels={"credit": parameters | credit},
    )
    play = Simulation(system, scenario, np.arange(2), seed=1)
    play.before = net_worth(play.state)

    def see(name, agent):
        return float(play.state.columns[name][system.ids.index(agent), 0])

    return play, play.state, see


def moved(play):
    """Return what everybody has lost, by agent."""
    change = (play.before - net_worth(play.state))[:, 0]
    return {name: round(float(change[k]), 9) for k, name in enumerate(play.system.ids) if abs(change[k]) > 1e-9}


@pytest.mark.parametrize(("fund", "drawn"), [(50.0, 0.0), (0.0, 30.0), (12.0, 18.0)])
def test_depositors_are_paid_at_face_whatever_is_in_the_fund(fund, drawn):
    # B2 keeps 20 of 100 loans against 30 insured and 55 other debt; equity 15. By rank the insurer gets 20 of 30 in two
    # payments of 10, investors nothing of 55. Depositors get 30, of which 20 go to B0 and 10 to B1, as 40 : 20.
    play, state, see = play_of(fund)
    play.step()
    assert [see("deposits_insured", bank) for bank in ("B0", "B1", "B2")] == [60.0, 30.0, 0.0]
    assert [see("cash", bank) for bank in ("B0", "B1", "B2")] == [20.0, 10.0, 0.0]
    # drawn on the central bank, less what the first payment of the estate of 10 repays
    assert_allclose(see("advances", "deposit_insurer"), max(0.0, drawn - 10.0), atol=1e-12)
    assert_allclose(see("cash", "deposit_insurer"), max(0.0, fund - 30.0 + 10.0) if not drawn else 0.0, atol=1e-12)
    assert_allclose(see("estate_claims", "deposit_insurer"), 10.0, atol=1e-12)
    assert see("cash", "households") == 0.0
    for name in ("insurer_claims", "insurance_due", "payout_due"):
        assert not state.columns[name].any()
    play.step()
    play.step()
    assert see("estate_claims", "deposit_insurer") == 0.0
    assert_allclose(see("cash", "deposit_insurer") - see("advances", "deposit_insurer"), fund - 10.0, atol=1e-12)
    # the loss of 80 in loans: 15 equity, 55 other creditors, 10 the insurer; depositors nothing. Borrowers owe 80 less,
    # and have as much less of real assets.
    assert moved(play) == {"B2": 15.0, "outside": 55.0, "deposit_insurer": 10.0}


def test_without_insurance_depositors_bear_it():
    play, _, see = play_of(50.0, deposit_insurance=False)
    for _ in range(3):
        play.step()
    assert see("cash", "households") == 20.0
    assert moved(play) == {"B2": 15.0, "outside": 55.0, "households": 10.0}


def test_pari_passu_the_insurer_shares_with_the_others():
    # 20 of 85
    play, _, _ = play_of(50.0, ranking="pari-passu")
    play.step()
    share = 20 / 85
    expected = {"B2": 15.0, "deposit_insurer": round(30 * (1 - share), 9), "outside": round(55 * (1 - share), 9)}
    assert moved(play) == expected


@pytest.mark.parametrize(("delay", "paid_in"), [(0.0, 1), (1.0, 2), (2.5, 4), (5.0, 6)])
def test_the_pay_out_waits_for_its_day(delay, paid_in):
    play, state, see = play_of(50.0, payout_delay=delay)
    for step in range(1, 8):
        play.step()
        waiting = step < paid_in
        assert see("insurance_due", "deposit_insurer") == (30.0 if waiting else 0.0)
        assert see("deposits_insured", "B0") == (40.0 if waiting else 60.0)
        assert_allclose(net_worth(state)[state.row("households"), 0], 90.0)  # owed by the insurer meanwhile


def test_where_no_bank_is_left_households_keep_the_money():
    play, state, see = play_of(50.0)
    for bank in range(2):
        state.ordered_to_fail[bank] = 1.0
    play.step()
    assert_allclose(see("cash", "households"), 90.0, rtol=1e-12)
    assert_allclose(see("advances", "deposit_insurer"), 0.0, atol=1e-9)  # all but 10 of the 40 drawn is repaid
    assert_allclose(see("cash", "deposit_insurer") + see("estate_claims", "deposit_insurer"), 40.0, rtol=1e-12)


def test_a_static_run_pays_everybody_at_once():
    play, _, see = play_of(12.0, mode="static", payout_delay=5.0)
    play.step()
    assert see("deposits_insured", "B0") == 60.0
    assert_allclose(see("cash", "deposit_insurer"), 2.0, atol=1e-12)
    assert moved(play) == {"B2": 15.0, "outside": 55.0, "deposit_insurer": 10.0}


def test_the_headline_loss_counts_the_insurer():
    play, _, _ = play_of(0.0)
    play.play()
    found = measure(["system_loss", "creditor_loss"], play.system, play.state)
    assert_allclose(found["system_loss"], 80.0)
    assert_allclose(found["creditor_loss"], 65.0)
