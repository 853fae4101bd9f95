"""Loans against pledged shares: what a fall of the shares takes from lenders, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of

LOANS = np.array([600.0, 350.0, 180.0, 110.0])
PLEDGES = {"share": 0.3, "default_probability": 0.02, "recovery": 0.5}


def fall(size, at=1):
    return {"kind": "price_fall", "falls": {"TECHEQ": size}, "at": at}


def simulation(shocks, pledges=PLEDGES, system=None, **more):
    system = system or mixed_system()
    channels = {"credit": {"valuation": "eisenberg-noe", "pledges": pledges}} | more.pop("channels", {})
    parts = {"mode": "dynamic", "horizon": {"steps": 5}, "shocks": list(shocks), "channels": channels}
    return Simulation(system, scenario_of(system, **parts | more), np.arange(2), seed=1)


def lost(play):
    return play.state.loss[play.state.sources.index("credit"), :, 0]


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_lenders_lose_what_expected_defaults_recover_less(mode):
    # 0.3 of loans are secured; of these 2 % default, and the shares that were worth 0.5 of them are worth 35 % less
    play = simulation([fall(0.35)], mode=mode, **({"horizon": {"steps": 1}} if mode == "static" else {}))
    play.step()
    share = 0.3 * 0.5 * 0.02 * 0.35
    assert_allclose(lost(play)[:4], share * LOANS, rtol=1e-12)
    assert_allclose(lost(play)[play.state.row("borrowers")], -share * LOANS.sum(), rtol=1e-12)
    assert_allclose(play.state.loans[:4, 0], (1.0 - share) * LOANS, rtol=1e-12)
    assert max(play.gaps.values()) < 1e-12


def test_a_second_fall_counts_from_the_first_and_a_recovery_gives_nothing_back():
    play = simulation([fall(0.2), fall(0.25, 2)])
    written = []
    for step in range(4):
        if step == 2:
            price = play.state.price.copy()
            price[2] = 0.9
            play.ledger.revalue_price(price, "shock")
        play.step()
        written.append(play.state.collateral_loss[0, 0])
    share = 0.3 * 0.5 * 0.02
    assert_allclose(written, share * np.array([0.2, 0.4, 0.4, 0.4]), rtol=1e-12)


def test_borrowers_in_default_bring_less_whichever_comes_first():
    stress = {"kind": "borrower_stress", "loans": "banks", "pd_multiplier": 4.0, "loss_given_default": 0.45}
    orders = ([stress, fall(0.35, 2)], [fall(0.35), stress | {"at": 2}])
    for shocks in orders:
        play = simulation(shocks)
        play.step()
        play.step()
        # 1.6 % of loans were expected to default, 6.4 % do
        assert_allclose(play.state.loans_in_default[:4, 0], 0.048, rtol=1e-12)
        assert_allclose(play.state.collateral_loss[:4, 0], 0.3 * 0.5 * (0.02 + 0.048) * 0.35, rtol=1e-12)
    assert_allclose(play.gaps["closure"], 0.0, atol=1e-12)


def test_sales_of_others_reach_lenders_through_the_price():
    # nobody strikes the shares: banks above their leverage limit sell them with all else
    market = {"leverage_limit": 12.0, "leverage_target": 11.0}
    shock = {"kind": "asset_loss", "target": "B0", "size": 0.1}
    play = simulation([shock], channels={"market": market})
    play.step()
    price = play.state.price[2, 0]
    assert price < 1.0
    assert_allclose(play.state.collateral_loss[2, 0], 0.3 * 0.5 * 0.02 * (1.0 - price), rtol=1e-12)


def test_nothing_pledged_or_switched_off_is_nothing_lost():
    for pledges in ({}, PLEDGES | {"share": 0.0}, PLEDGES | {"recovery": 0.0}):
        play = simulation([fall(0.35)], pledges)
        play.step()
        assert not lost(play).any()
    system = mixed_system()
    made = simulation([fall(0.35)]).scenario
    play = Simulation(system, made, np.arange(2), 1, switches={"credit": np.array([1.0, 0.0])})
    play.step()
    posted = play.state.loss[play.state.sources.index("credit")]
    assert posted[:, 0].any()
    assert not posted[:, 1].any()


def test_what_cannot_be_pledged_is_refused():
    with pytest.raises(InputError, match=r"pledges\.against: no asset of class 'TECHQ'.*TECHEQ"):
        simulation([fall(0.1)], PLEDGES | {"against": "TECHQ"})
    plain = replace(mixed_system(), classes=())
    with pytest.raises(InputError, match=r"no asset of class 'TECHEQ' .*CORP, GOV"):
        simulation([], PLEDGES, plain)
    with pytest.raises((InputError, ValueError), match="share"):
        simulation([], {"share": 1.2})
