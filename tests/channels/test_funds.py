"""Money-market funds by hand: price, redemption, caps, gates, and where the money comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from sim.errors import InputError
from sim.ledger.balance import layer_face
from sim.state import State
from tests.channels.liquidity import CLEARING, QUIET_FUNDS, banks_of, run_of

STILL = {name: {"hazard": 0.0} for name in ("insured", "uninsured", "wholesale")} | {"to_funds": 0.0, "to_cash": 0.0}
HOARDS_NOT = {"coverage_minimum": 0.0, "coverage_buffer": 0.0, "reserve_minimum": 0.0}
BANK = {"cash": 200.0, "loans": 700.0, "deposits_insured": 500.0, "deposits_uninsured": 250.0}


def system(cash: float = 10.0, accounts=(60.0, 30.0), gov: float = 100.0, *, sponsor: str = "", banks=None):
    """Two banks, a platform and a fund F that owns 200: cash, accounts at both banks, government bonds."""
    exposures = pd.DataFrame(
        {"creditor": ["F", "F"], "debtor": ["A", "B"], "amount": list(accounts), "layer": ["accounts"] * 2}
    )
    platforms = pd.DataFrame({"id": ["P"], "total_assets": [100.0], "equity": [50.0]})
    return banks_of(
        banks or {"A": BANK, "B": BANK},
        exposures=exposures,
        platforms=platforms,
        funds=pd.DataFrame({"id": ["F"], "cash": [cash], "sponsor": [sponsor or None]}),
        fund_holdings=pd.DataFrame([{"agent": "F", "asset": "GOV", "amount": gov}]),
    )


def settings(**funds: object) -> dict[str, object]:
    """Return settings in which nobody but holders of the fund acts."""
    return {"depositors": STILL, "rollover": HOARDS_NOT, "funds": QUIET_FUNDS | funds}


def run(size: float = 0.15, days: float = 3.0, fall: float = 0.0) -> dict[str, object]:
    return {"kind": "redemption", "size": size, "days": days, "price_fall": fall}


def identity(state: State) -> float:
    """Return the largest gap between what shares are worth and what the fund owns, as a share of the latter."""
    f = state.rows("funds").start
    asset = int(np.flatnonzero(state.units[f, :, 0] < 0.0)[0])
    owns = state.cash[f] + layer_face(state, state.layers["accounts"])[f] + state.estate_claims[f]
    for other in range(state.price.shape[0]):
        if other != asset:
            owns = owns + state.units[f, other] * state.price[other]
    return float(np.abs(-state.units[f, asset] * state.price[asset] / owns - 1.0).max())


def test_shares_are_worth_what_the_fund_owns_at_all_times():
    shocks = [run(0.3, 4.0, 0.01), {"kind": "price_fall", "falls": {"GOV": 0.05}, "at": 2}]
    shocks += [{"kind": "agent_failure", "target": "B", "size": 0.9, "at": 3}]
    liquidity = settings(loss_hazard=0.05, gates=True, redemption_fee=0.02, gate_pays=0.5)
    play = run_of(system(), liquidity=liquidity, credit=CLEARING, market={}, shocks=shocks)
    state, f = play.state, play.state.rows("funds").start
    for _ in range(12):
        play.step()
        assert identity(state) < 1e-12
    assert state.gated[f, 0] == 1.0
    assert state.redeemed[f, 0] > 50.0
    assert state.price[-1, 0] < 0.99
    assert max(play.gaps.values()) < 1e-12


def test_redemptions_of_fifteen_percent_a_day_for_three_days():
    # shares of 200 lose 0.3 % (in bonds), then 15 % of those left are given back every day: cash, then accounts
    play = run_of(system(), 3, shocks=[run(0.15, 3.0, 0.003)], liquidity=settings())
    state, f = play.state, play.state.rows("funds").start
    assert_allclose(state.price[-1, 0], 0.997, rtol=1e-12)
    assert_allclose(state.redeemed[f, 0], 200.0 * 0.997 * (1.0 - 0.85**3), rtol=1e-12)
    assert_allclose(-state.units[f, -1, 0], 200.0 * 0.85**3, rtol=1e-12)
    assert_allclose(state.loss[0, f, 0], 0.6, rtol=1e-12)
    # of the 76.9 paid, 10 came from cash and the rest from the accounts, two thirds of it from A
    drawn = state.redeemed[f, 0] - 10.0
    assert_allclose(state.withdrawn[:2, 0], [drawn * 2 / 3, drawn / 3], rtol=1e-9)
    # the money comes back as deposits at the banks, by assets: half each
    assert_allclose(state.deposits_uninsured[:2, 0] - 250.0, state.redeemed[f, 0] / 2, rtol=1e-9)
    assert_allclose(state.cash[:2, 0].sum(), 400.0 + 10.0, rtol=1e-12)
    play.step()
    assert_allclose(state.redeemed[f, 0], 200.0 * 0.997 * (1.0 - 0.85**3), rtol=1e-12)


def test_part_of_what_is_redeemed_stays_in_cash_and_half_a_day_is_half_a_rate():
    liquidity = settings() | {"depositors": STILL | {"to_cash": 0.1}}
    play = run_of(system(), 1, shocks=[run(0.19, 0.5)], liquidity=liquidity)
    state, f = play.state, play.state.rows("funds").start
    # 1 - 0.81 ** 0.5 = 0.1
    assert_allclose(state.redeemed[f, 0], 20.0, rtol=1e-12)
    assert_allclose(state.deposits_uninsured[:2, 0] - 250.0, 9.0, rtol=1e-12)
    assert_allclose(state.cash[state.row("households"), 0], 2.0, rtol=1e-12)
    play.step()
    assert_allclose(state.redeemed[f, 0], 20.0, rtol=1e-12)


def test_new_money_is_not_put_into_a_closed_bank():
    depositors = STILL | {"uninsured": {"hazard": 0.2}, "to_funds": 0.5}
    shocks = [{"kind": "agent_failure", "target": "B", "size": 0.5}]
    play = run_of(system(), liquidity=settings() | {"depositors": depositors}, shocks=shocks)
    play.state.rumour[0] = -1000.0
    play.step()
    state, f = play.state, play.state.rows("funds").start
    gone = 250.0 * (1.0 - np.exp(-0.2))
    assert_allclose(-state.units[f, -1, 0], 200.0 + gone / 2, rtol=1e-12)
    assert_allclose(state.cash[f, 0], 10.0 + gone / 2, rtol=1e-12)
    assert_allclose(layer_face(state, state.layers["accounts"])[f, 0], 90.0, rtol=1e-12)


def test_a_cap_lets_holders_wait():
    play = run_of(system(), 1, shocks=[run(0.3, 1.0)], liquidity=settings(same_day_cap=0.1))
    state, f = play.state, play.state.rows("funds").start
    assert_allclose([state.redeemed[f, 0], state.redeeming[f, 0]], [20.0, 40.0], rtol=1e-12)
    play.step()
    # a tenth of the 180 shares left
    assert_allclose([state.redeemed[f, 0], state.redeeming[f, 0]], [38.0, 22.0], rtol=1e-12)


def test_what_cash_and_accounts_do_not_cover_is_sold_and_otherwise_waits():
    # 120 asked of 200: 10 cash, 90 in accounts; 20 of bonds are sold in the market, or wait without one
    for market, paid in (({"market": {}}, 120.0), ({}, 100.0)):
        play = run_of(system(), 1, shocks=[run(0.6, 1.0)], liquidity=settings(), **market)
        state, f = play.state, play.state.rows("funds").start
        # sold at hardly less than 1
        assert_allclose(state.redeemed[f, 0], paid, rtol=1e-4)
        assert_allclose(state.units[f, 0, 0], 100.0 - (paid - 100.0), rtol=1e-4, atol=1e-3)
        assert_allclose(state.redeeming[f, 0], 120.0 - paid, rtol=1e-4, atol=1e-3)


def test_a_gate_closes_when_liquid_assets_run_low_and_pays_a_part_less_a_fee():
    # 100 of 200 are liquid; after 35 % in a day 30 of 130 are left: the gate of 30 % closes on the next day
    liquidity = settings(gates=True, gate_pays=0.5, redemption_fee=0.02)
    play = run_of(system(), 1, shocks=[run(0.35, 2.0)], liquidity=liquidity)
    state, f = play.state, play.state.rows("funds").start
    assert state.gated[f, 0] == 0.0
    households = state.deposits_uninsured[:2, 0].sum()
    play.step()
    assert state.gated[f, 0] == 1.0
    asked = 130.0 * 0.35
    assert_allclose([state.redeemed[f, 0], state.redeeming[f, 0]], [70.0 + asked / 2, asked / 2], rtol=1e-12)
    got = state.deposits_uninsured[:2, 0].sum() - households
    assert_allclose(got, 0.98 * asked / 2, rtol=1e-12)
    # the fee makes the rest worth more
    left = 130.0 - asked / 2
    assert_allclose(state.price[-1, 0], (130.0 - got) / left, rtol=1e-12)


def outflow(anticipation: float, gates: bool) -> float:
    """Return what is redeemed within eight days after a loss that frightens holders; a closed gate pays nothing."""
    liquidity = settings(gates=gates, gate_anticipation=anticipation, loss_hazard=0.08, loss=0.002, loss_width=0.0005)
    fall = [{"kind": "price_fall", "falls": {"GOV": 0.01}}]
    play = run_of(system(), 8, shocks=fall, liquidity=liquidity, market={})
    return float(play.state.redeemed[play.state.rows("funds").start, 0])


def test_a_gate_can_reduce_outflow_or_bring_it_forward():
    # half of the fund is liquid. Without fear of it a gate at 30 % stops a run in the middle. A little fear brings the
    # gate forward by a day, and less has left by then; with more of it more leaves in the last day than would ever have
    none = outflow(0.0, gates=False)
    assert_allclose(none, 199.0 * (1.0 - np.exp(-0.08 * 8)), rtol=0.01)
    calm, little, much = (outflow(anticipation, gates=True) for anticipation in (0.0, 0.05, 0.5))
    assert little < 0.95 * calm < 0.7 * none
    assert much > 1.05 * none
    # before any event nobody fears a gate, whatever the hazard, and a fund that starts below its line has not closed it
    low = run_of(system(), 5, liquidity=settings(gates=True, gate_line=0.6))
    assert not low.state.gated.any()
    still = run_of(system(), 5, liquidity=settings(gates=True, gate_anticipation=0.6))
    assert not still.state.redeemed.any()


def test_the_hazard_of_a_loss_is_the_formula():
    # price 0.995: 0.2 * (Phi((0.005 - 0.003) / 0.001) - Phi(-3))
    fall = [{"kind": "price_fall", "falls": {"GOV": 0.01}}]
    play = run_of(system(), 1, shocks=fall, liquidity=settings(loss_hazard=0.2))
    hazard = 0.2 * (norm.cdf(2.0) - norm.cdf(-3.0))
    f = play.state.rows("funds").start
    assert_allclose(play.state.redeemed[f, 0], 200.0 * 0.995 * (1.0 - np.exp(-hazard)), rtol=1e-10)


def test_news_about_the_sponsor_makes_holders_leave():
    # P: zeta = 47; a rumour takes belief to 47 - 0.8 * 60 = -1: x = Phi(5 (1 + 1)) = 1
    for sponsor, rate in (("P", 0.05), ("", 0.0)):
        play = run_of(system(sponsor=sponsor), liquidity=settings(news_hazard=0.05))
        play.state.rumour[play.state.rows("platforms")] = -60.0
        play.step()
        f = play.state.rows("funds").start
        assert_allclose(play.state.redeemed[f, 0], 200.0 * (1.0 - np.exp(-rate)), rtol=1e-9)


def test_a_run_on_a_bank_takes_the_funds_account_too_and_the_fund_keeps_the_cash():
    depositors = STILL | {"wholesale": {"hazard": 0.15}}
    play = run_of(system(), liquidity=settings() | {"depositors": depositors})
    play.state.rumour[0] = -1000.0
    play.step()
    state, f = play.state, play.state.rows("funds").start
    gone = 60.0 * (1.0 - np.exp(-0.15))
    assert_allclose(state.withdrawn[:2, 0], [gone, 0.0], rtol=1e-12)
    assert_allclose(state.cash[f, 0], 10.0 + gone, rtol=1e-12)
    assert_allclose(state.cash[:2, 0], [200.0 - gone, 200.0], rtol=1e-12)
    assert state.price[-1, 0] == 1.0


def test_households_that_leave_a_bank_buy_shares_of_a_calm_fund():
    depositors = STILL | {"uninsured": {"hazard": 0.2}, "to_funds": 0.5}
    play = run_of(system(), liquidity=settings() | {"depositors": depositors})
    play.state.rumour[0] = -1000.0
    play.step()
    state, f = play.state, play.state.rows("funds").start
    gone = 250.0 * (1.0 - np.exp(-0.2))
    assert_allclose(-state.units[f, -1, 0], 200.0 + gone / 2, rtol=1e-12)
    assert_allclose(state.units[state.row("households"), -1, 0], 200.0 + gone / 2, rtol=1e-12)
    # the fund puts it into its accounts as they are spread: two thirds at A, which so gets a part back
    assert_allclose(layer_face(state, state.layers["accounts"])[f, 0], 90.0 + gone / 2, rtol=1e-12)
    assert_allclose(state.cash[:2, 0], [200.0 - gone + gone / 3, 200.0 + gone / 2 + gone / 6], rtol=1e-12)
    # but not of one that is left itself
    play = run_of(system(), liquidity=settings() | {"depositors": depositors}, shocks=[run(0.1, 2.0)])
    play.state.rumour[0] = -1000.0
    play.step()
    assert_allclose(-play.state.units[f, -1, 0], 180.0, rtol=1e-12)


def test_a_fund_with_money_at_a_closed_bank_draws_nothing_that_day():
    # B is closed on that day; the fund pays from cash and shares in B's estate with all others
    shocks = [run(0.3, 1.0), {"kind": "agent_failure", "target": "B", "size": 0.5}]
    play = run_of(system(), 1, shocks=shocks, liquidity=settings(), credit=CLEARING | {"resolution_steps": 1})
    state, f = play.state, play.state.rows("funds").start
    assert_allclose([state.redeemed[f, 0], state.redeeming[f, 0]], [10.0, 50.0], rtol=1e-9)
    assert_allclose(layer_face(state, state.layers["accounts"])[f, 0], 60.0, rtol=1e-9)
    play.step()
    assert_allclose(state.redeemed[f, 0], 60.0, rtol=1e-9)


def test_the_event_needs_a_fund_that_can_lose_so_much():
    with pytest.raises(InputError, match=r"price_fall = 0\.6 of F \(200\) is above its securities \(100\)"):
        run_of(system(), liquidity=settings(), shocks=[run(0.1, 1.0, 0.6)])
    with pytest.raises(InputError, match="'A' names others than funds"):
        run_of(system(), liquidity=settings(), shocks=[run() | {"target": "A"}])
    # without the channel holders stay, and the fund has lost all the same
    from sim.simulation import Simulation
    from tests.systems import scenario_of

    made = system()
    what = scenario_of(made, mode="dynamic", channels={"market": {}}, shocks=[run(0.1, 1.0, 0.01)])
    play = Simulation(made, what, np.arange(2), 1)
    play.step()
    assert_allclose(play.state.loss[0, play.state.rows("funds").start, 0], 2.0, rtol=1e-12)
