"""Bearers of losses, credit outstanding, firms in default and the time to recovery, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.metrics import measure
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of

SYSTEM = mixed_system()


def play_of(shocks=(), steps=12, days="1d", **credit):
    """Return a simulation that has not been played."""
    what = scenario_of(
        SYSTEM,
        mode="dynamic",
        horizon={"steps": steps, "step": days},
        shocks=shocks,
        channels={"credit": {"resolution_steps": 1} | credit},
    )
    return Simulation(SYSTEM, what, np.arange(2), seed=1)


def value(play, name):
    """Return a metric in the first lane."""
    return float(measure([name], SYSTEM, play.state)[name][0])


def test_credit_outstanding_and_its_fall():
    play = play_of([{"kind": "agent_failure", "target": "B2", "size": 0.0}])
    # loans 1240, lending 30 + 10 + 15 + 20 + 8, pool 100
    assert_allclose([value(play, "credit_supply"), value(play, "sme_credit")], [1240 + 83 + 100, 100.0])
    assert value(play, "credit_supply_loss") == 0.0
    play.step()
    # B2 fails: its loans of 180, its lending of 15 and its 15 of the pool are with investors now
    assert_allclose([value(play, "credit_supply"), value(play, "sme_credit")], [1423 - 210, 85.0])
    assert_allclose(value(play, "credit_supply_loss"), 210 / 1423)


def test_firms_and_platforms_in_default():
    play = play_of([{"kind": "agent_failure", "target": name, "size": 0.0} for name in ("T1", "P0")])
    assert value(play, "tech_firm_defaults") == value(play, "platform_defaults") == 0.0
    play.step()
    assert value(play, "tech_firm_defaults") == value(play, "platform_defaults") == 1.0
    # assets: T0 85, T1 33, P0 127
    assert_allclose(value(play, "defaulted_firm_assets"), (33 + 127) / (85 + 33 + 127))
    assert value(play, "defaults") == 0.0


def test_who_bears_a_bank_failure():
    # B3 keeps 20 of 110 of loans. It also has reserves of 15, claims of 15 on banks and 8 on the platform, securities
    # of 35, 25 of the pool, and real assets of 4 that bring 2. Insured deposits of 80 come first; then depositors and
    # investors with 50, 20 and 7, banks with 12 and 6, accounts of the platform and the fund with 10 each.
    shocks = [{"kind": "asset_loss", "target": "B3", "size": 90 / 110}]
    play = play_of(shocks, deposit_insurance=True, payout_delay=0.0, ranking="by-rank")
    play.step()
    ordinary = 50 + 20 + 7 + (12 + 6) + (10 + 10)
    recovery = (20 + 15 + 15 + 8 + 35 + 25 + 2 - 80) / ordinary
    short = 1.0 - recovery
    assert value(play, "insurer_loss") == pytest.approx(0.0, abs=1e-9)  # senior, and covered
    assert_allclose(value(play, "household_loss"), 50 * short, rtol=1e-9)
    assert_allclose(value(play, "outside_loss"), 27 * short, rtol=1e-9)
    # the equity of 17 and what banks, the platform and the fund are not paid
    assert_allclose(value(play, "financial_loss"), 17 + 38 * short, rtol=1e-9)
    assert_allclose(value(play, "public_loss"), 0.0, atol=1e-9)
    assert_allclose(value(play, "real_loss"), 50 * short, rtol=1e-9)
    assert_allclose(value(play, "borrowers_loss"), 90.0, rtol=1e-12)
    assert_allclose(value(play, "deadweight_loss"), 92.0, rtol=1e-12)  # and 2 of the bank's real assets
    assert value(play, "provisions") == 0.0


def test_time_to_recovery_is_the_day_since_which_all_is_well():
    # service is down on days 3 to 5, then back: recovered since day 5, known five days later
    play = play_of()
    seen = []
    for day in range(1, 13):
        play.state.service[0] = 0.5 if 3 <= day <= 5 else 1.0
        play.step()
        seen.append(value(play, "time_to_recovery"))
        assert value(play, "time_to_recovery") == seen[-1]  # asked twice, the same
    assert seen == [0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 5.0, 5.0, 5.0]


def test_time_to_recovery_counts_days_not_steps():
    play = play_of(days="1w", steps=4)
    seen = []
    for week in range(1, 5):
        play.state.service[0] = 0.5 if week == 2 else 1.0
        play.step()
        seen.append(value(play, "time_to_recovery"))
    assert seen == [0.0, 10.0, 10.0, 10.0]


def test_a_bank_below_its_buffer_is_under_stress_until_it_fails_or_the_end():
    # B0: equity 73 of 932; losing 45 leaves 28 of 887, below 4 %; losing 10 leaves 63, above
    for share, stressed in ((45 / 600, 1.0), (10 / 600, 0.0), (80 / 600, 0.0)):
        play = play_of([{"kind": "asset_loss", "target": "B0", "size": share}])
        play.step()
        play.step()
        assert value(play, "stressed_banks") == stressed, share
        assert value(play, "time_to_recovery") == (2.0 if stressed else 0.0), share


def test_a_bank_that_starts_below_the_buffer_is_under_stress_only_once_it_has_lost():
    play = play_of()
    play.state.equity0[:4] *= 0.3  # as if they had started with as little as they now have
    assert value(play, "stressed_banks") == 0.0
