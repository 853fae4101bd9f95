"""Fire sales by hand, against slow implementations and published programs, and what must hold of any of them."""

from __future__ import annotations

import json
import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sim.contagion.fire_sale import FireSale, fire_sale
from sim.errors import ConvergenceError, InputError, UnknownNameError

NO_IMPACT = 1e300
IMPACTS = ("linear", "exponential", "sqrt", "cont-schaanning")
RULES = ("threshold", "leverage-targeting")
MONEY = {"equity", "spillover_loss", "sold", "sold_by_asset", "proceeds", "liabilities", "cash", "sold_path"}
FIELDS = [field.name for field in fields(FireSale)]


def one_bank(**more):
    """Marketable 60, cash 10, illiquid 30; equity 4, so leverage 25 against a limit of 20 and a target of 16."""
    given = {"holdings": [[60.0]], "equity": [4.0], "liabilities": [96.0], "cash": 10.0, "shock": [0.0]}
    given |= {"leverage_limit": 20.0, "leverage_target": 16.0, "depth": NO_IMPACT, **more}
    return fire_sale(**given)


def drawn(seed, n=6, m=3, n_draws=None):
    random = np.random.default_rng(seed)
    holdings = np.round(random.random((n, m)) * (random.random((n, m)) < 0.7) * 50, 3)
    assets = holdings.sum(axis=1) * (1.2 + random.random(n)) + 5.0
    equity = assets / random.uniform(12.0, 24.0, n)
    shape = (m,) if n_draws is None else (m, n_draws)
    return {
        "holdings": holdings,
        "equity": equity,
        "liabilities": assets - equity,
        "shock": random.uniform(0.0, 0.15, shape) * (random.random(shape) < 0.8),
        "depth": random.uniform(200, 4000, m),
        "cash": assets * 0.05 * random.random(n),
    }


def drawn_options(seed):
    random = np.random.default_rng(seed + 10**7)
    limit = random.uniform(15.0, 25.0)
    return {
        "rule": RULES[random.integers(2)],
        "impact": IMPACTS[random.integers(4)],
        "settle": ("mid", "new", "old")[random.integers(3)],
        "volume": ("value", "units")[random.integers(2)],
        "delay": int(random.integers(2)),
        "price_floor": (0.0, 0.6, 0.95)[random.integers(3)],
        "leverage_minimum": (None, 0.02, 0.035)[random.integers(3)],
        "leverage_limit": limit,
        "leverage_target": limit * random.uniform(0.7, 0.99),
        "insolvent_sell": bool(random.integers(2)),
    }


def slow(
    holdings, equity, liabilities, *, shock, depth, rule, impact, cash, settle, volume, delay, price_floor,
    leverage_minimum, leverage_limit, leverage_target, insolvent_sell, repayable, rounds,
):  # fmt: skip
    """Play the same rules on pieces and whole balance sheets, one agent after the other."""
    pieces, cash, debt = np.array(holdings, float), np.array(cash, float), np.array(liabilities, float)
    other = np.asarray(equity) + debt - pieces.sum(axis=1) - cash
    pay = np.array(repayable, float)
    price, least = 1.0 - np.asarray(shock), leverage_minimum or 0.0
    limit = leverage_target if rule == "leverage-targeting" else leverage_limit
    dead = np.zeros(len(cash), bool)
    for _ in range(rounds):
        offer = np.zeros_like(pieces)
        for i in range(len(cash)):
            if dead[i]:
                continue
            value = pieces[i] @ price
            assets = cash[i] + value + other[i]
            worth = assets - debt[i]
            if worth < least * assets:
                dead[i] = True
                offer[i] = pieces[i] * insolvent_sell
            elif assets / worth > limit:
                need = assets - leverage_target * worth
                from_cash = min(need, cash[i], pay[i])
                offer[i] = pieces[i] * (min(1.0, max(0.0, need - cash[i]) / value) if value > 0.0 else 0.0)
                cash[i] -= from_cash
                debt[i] -= from_cash
                pay[i] -= from_cash
        before = price.copy()
        for a in range(len(price)):
            sold = offer[:, a].sum() * (1.0 if volume == "units" else before[a])
            floor = min(price_floor, before[a])
            if impact == "linear":
                price[a] = max(floor, before[a] * (1.0 - sold / depth[a]))
            elif impact == "exponential":
                price[a] = max(floor, before[a] * math.exp(-sold / depth[a]))
            elif impact == "sqrt":
                price[a] = max(floor, before[a] * (1.0 - math.sqrt(sold / depth[a])))
            elif before[a] > price_floor:
                room = 1.0 - price_floor / before[a]
                price[a] = before[a] * (1.0 - room * (1.0 - math.exp(-sold / ((1.0 - price_floor) * depth[a]))))
        at = {"mid": 0.5 * (before + price), "new": price, "old": before}[settle]
        for i in range(len(cash)):
            got = offer[i] @ at
            retired = min(got, pay[i]) if delay == 0 and not dead[i] else 0.0
            cash[i] += got - retired
            debt[i] -= retired
            pay[i] -= retired
        pieces -= offer
    assets = cash + pieces @ price + other
    return {"price": price, "equity": assets - debt, "pieces": pieces, "liabilities": debt, "cash": cash, "dead": dead}


def same_bits(result, other, lane=None):
    for name in FIELDS:
        got, single = np.asarray(getattr(result, name)), np.asarray(getattr(other, name))
        got = got if lane is None else got[..., lane]
        assert_array_equal(got, single.reshape(got.shape), err_msg=name)


# ------------------------------------------------------------------------------------------------------------- by hand


def two_banks(**more):
    given = {"shock": [0.0], "depth": [1000.0], "leverage_limit": 20.0, "leverage_target": 19.0, **more}
    return fire_sale([[60.0], [60.0]], [4.5, 8.0], [95.5, 92.0], **given)


def test_one_step_of_cont_schaanning():
    # bank 0: leverage 100 / 4.5 = 22.2 > 20 sells (100 - 19 * 4.5) / 60 = .2416667 of 60 = 14.5; bank 1 at 12.5 nothing
    # price falls by 1 - exp(-14.5 / 1000) = .0143954; losses 60 * .0143954 * (1 - .2416667 / 2) = .759356 and .863723
    step = two_banks(impact="cont-schaanning", max_rounds=1, allow_uncertified=True)
    assert_allclose(step.sold_share, [0.2416667, 0.0], atol=5e-8)
    assert_allclose(step.sold, [14.5, 0.0], rtol=1e-13)
    assert_allclose(step.sold_by_asset, [14.5], rtol=1e-13)
    assert_allclose(1.0 - step.price, [0.0143954], atol=5e-8)
    assert_allclose(step.spillover_loss, [0.759356, 0.863723], atol=5e-7)
    assert_allclose(step.equity, [4.5 - 0.759356, 8.0 - 0.863723], atol=5e-7)
    assert_allclose(step.proceeds[0], 14.5 * (1.0 - 0.0143954 / 2), rtol=1e-7)
    assert_allclose(step.liabilities, [95.5 - 14.5 * (1.0 - 0.0143954 / 2), 92.0], rtol=1e-8)
    assert step.rounds == 1
    assert step.status == "not-certified"


def test_the_published_one_bank_cases(shared):
    # (197 - 30 * 5) / 100 = .47 sold; price falls .0047; capital 5 - (.53 + .235) * .47; then leverage 32.27 < 33: rest
    cases = json.loads((shared / "golden" / "published.json").read_text())["cases"]
    cases = {case["name"]: case for case in cases if case["name"].startswith("Cont-Schaanning")}
    given = {"shock": [0.0], "depth": 1e4, "illiquid_loss": 3.0, "leverage_limit": 33.0, "leverage_target": 30.0}
    expected = cases["Cont-Schaanning 1 bank: capital after round"]["expected"]
    found = fire_sale([[100.0]], [8.0], [192.0], **given)
    assert_allclose(found.equity, expected["capital"], rtol=1e-12)
    assert_allclose((1.0 - found.sold_share) * 100.0 * found.price, expected["holdings"], rtol=1e-12)
    assert found.rounds == expected["rounds"]
    assert found.status == "certified"
    found = fire_sale([[100.0]], [8.0], [192.0], impact="exponential", **given)
    assert_allclose(found.equity, cases["Cont-Schaanning 1 bank: exponential impact"]["expected"], rtol=1e-12)


def test_cash_first_then_sales_down_to_the_target():
    # needs 100 - 16 * 4 = 36: 10 from cash, 26 from sales; then assets 64, leverage 16
    found = one_bank()
    assert_allclose(found.sold, 26.0, rtol=1e-14)
    assert_allclose(found.proceeds, 26.0, rtol=1e-14)
    assert_allclose(found.liabilities, 60.0, rtol=1e-14)
    assert found.cash == found.spillover_loss == found.residual == 0.0
    assert found.equity == 4.0
    assert (found.rounds, found.status, found.wave) == (1, "certified", 0)


def test_cash_that_suffices_is_used_without_a_sale():
    found = one_bank(cash=40.0)
    assert (found.sold, found.cash, found.liabilities, found.rounds) == (0.0, 4.0, 60.0, 0)


@pytest.mark.parametrize(
    ("repayable", "liabilities", "cash"), [(20.0, 76.0, 16.0), (5.0, 91.0, 31.0), (0.0, 96.0, 36.0)]
)
def test_what_cannot_be_repaid_stays_as_cash(repayable, liabilities, cash):
    # 36 are needed and 26 sold in any case; only 20, 5 or 0 of the debt can be retired
    for delay in (0, 1):
        found = one_bank(repayable=repayable, delay=delay)
        assert_allclose(found.sold, 26.0, rtol=1e-14)
        assert_allclose(found.liabilities, liabilities, rtol=1e-14)
        assert_allclose(found.cash, cash, rtol=1e-13)
        assert (found.rounds, found.status) == (1, "certified")


@pytest.mark.parametrize(
    ("settle", "loss", "proceeds"),
    # 26 of 60 sold, the price falls by .026: 60 * .026 = 1.56 in all, .676 of it on the pieces sold
    [("new", 1.56, 26 * 0.974), ("mid", 1.56 - 0.338, 26 * 0.987), ("old", 1.56 - 0.676, 26.0)],
)
def test_who_bears_the_fall_of_what_is_sold(settle, loss, proceeds):
    found = one_bank(settle=settle, depth=1000.0, max_rounds=1, allow_uncertified=True)
    assert_allclose(found.price, 0.974, rtol=1e-14)
    assert_allclose(found.spillover_loss, loss, rtol=1e-13)
    assert_allclose(found.proceeds, proceeds, rtol=1e-14)
    assert_allclose(found.equity, 4.0 - loss, rtol=1e-13)


def test_delayed_proceeds_count_as_assets_at_the_next_turn():
    # after the sale equity is 4 - 1.222 = 2.778; with the proceeds retired 2.778 / 63.116 = .0440,
    # with the proceeds as cash 2.778 / 88.778 = .0313 < .04
    at_once, later = (
        one_bank(depth=1000.0, leverage_minimum=0.04, delay=delay, max_rounds=1, allow_uncertified=True)
        for delay in (0, 1)
    )
    assert_allclose(at_once.equity / (at_once.equity + at_once.liabilities), 2.778 / 63.116, rtol=1e-12)
    assert not at_once.is_defaulted
    assert at_once.wave == 0
    assert_allclose(later.liabilities, 86.0, rtol=1e-14)
    assert_allclose(later.cash, 26 * 0.987, rtol=1e-14)
    assert later.is_defaulted
    assert later.wave == 2


def test_a_bank_at_its_limit_does_not_sell():
    # 100 / 4 = 25
    assert one_bank(leverage_limit=25.0).sold == 0.0
    assert one_bank(leverage_limit=np.nextafter(25.0, 0.0)).sold > 0.0


@pytest.mark.parametrize(("minimum", "equity", "liabilities"), [(None, 0.0, 100.0), (0.0625, 6.25, 93.75)])
def test_default_at_the_minimum_is_an_option(minimum, equity, liabilities):
    given = {"leverage_minimum": minimum, "liabilities": [liabilities], "leverage_limit": 90.0, "leverage_target": 80.0}
    assert not one_bank(equity=[equity], **given).is_defaulted
    assert one_bank(equity=[equity], default_at_zero=True, **given).is_defaulted
    given["liabilities"] = [liabilities + 0.01]
    assert one_bank(equity=[equity - 0.01], **given).is_defaulted


def test_a_bank_with_nothing_left_but_not_in_default_sells_all():
    found = one_bank(equity=[0.0], liabilities=[100.0])
    assert_array_equal([found.sold, found.liabilities, found.cash], [[60.0], [30.0], [0.0]])


def test_a_defaulted_bank_sells_everything_and_keeps_the_cash():
    found = one_bank(equity=[-1.0], liabilities=[101.0])
    assert_array_equal([found.sold, found.cash, found.liabilities], [[60.0], [70.0], [101.0]])
    assert (found.wave, found.rounds, found.sold_share) == (1, 1, 1.0)
    kept = one_bank(equity=[-1.0], liabilities=[101.0], insolvent_sell=False)
    assert_array_equal([kept.sold, kept.cash, kept.liabilities], [[0.0], [10.0], [101.0]])
    assert (kept.wave, kept.rounds, kept.status) == (1, 0, "certified")


def test_a_default_by_prices_comes_a_wave_later():
    # bank 0 fails and sells 50: the price falls by half; bank 1 loses 20 of its 10 and fails in the second wave
    found = fire_sale(
        [[50.0], [40.0]], [-1.0, 10.0], [60.0, 90.0], shock=[0.0], depth=100.0, leverage_limit=50.0, history=4
    )
    assert_array_equal(found.wave, [1, 2])
    assert_array_equal(found.default_path, [1, 1, 0, 0, 0])
    # then 40 pieces at .5 = 20: another fall by 20 %
    assert_allclose(found.price_path[:, 0], [1.0, 0.5, 0.4, 0.4, 0.4], rtol=1e-15)
    assert_array_equal(found.sold_path, [0.0, 50.0, 90.0, 90.0, 90.0])
    # 40 * .5, then half of 40 * .1
    assert_allclose(found.spillover_loss, [12.5, 22.0], rtol=1e-15)
    assert found.rounds == 2


def test_volume_as_value_or_as_pieces():
    # price .5 after the shock; 60 pieces worth 30 are sold against a depth of 100
    given = {"equity": [29.0], "liabilities": [71.0], "shock": [0.5], "depth": 100.0}
    assert_allclose(one_bank(**given).price, 0.5 * (1 - 0.3), rtol=1e-15)
    assert_allclose(one_bank(volume="units", **given).price, 0.5 * (1 - 0.6), rtol=1e-15)


def test_five_percent_sold_at_five_percent_impact():
    # depth = .05 Q / -ln(1 - .05): the sale of 5 % of Q takes 5 % off the price; the bank holds 50 of Q = 1000
    given = {"shock": [0.0], "depth": 0.05 * 1000.0 / -math.log(0.95), "impact": "exponential"}
    found = fire_sale([[50.0]], [-1.0], [51.0], **given)
    assert_allclose(found.price, 0.95, rtol=1e-15)


@pytest.mark.parametrize("impact", IMPACTS)
def test_the_price_never_falls_below_its_floor(impact):
    given = {"equity": [-1.0], "liabilities": [101.0], "impact": impact, "depth": 1e-3, "price_floor": 0.7}
    assert_allclose(one_bank(**given).price, 0.7, rtol=1e-15)
    assert one_bank(**given).price >= 0.7
    # a shock that goes below leaves the price there
    assert one_bank(shock=[0.5], **given).price == 0.5


@pytest.mark.parametrize("impact", IMPACTS)
def test_not_by_one_bit_below_the_floor(impact):
    floor = np.linspace(0.0, 0.9, 500)
    shock = np.random.default_rng(1).uniform(0.0, 0.1, 500)
    found = fire_sale(np.ones((1, 500)), [-1.0], [501.0], shock=shock, depth=1e-3, price_floor=floor, impact=impact)
    assert (found.price >= floor).all()
    assert_allclose(found.price, floor, rtol=1e-14)


def test_the_floor_of_cont_schaanning_by_hand():
    # price .9, floor .6: room 1/3, scale .4 * 50 = 20, volume 60 * .9 = 54
    given = {"shock": [0.1], "equity": [5.0], "liabilities": [95.0], "depth": 50.0, "price_floor": 0.6}
    found = one_bank(impact="cont-schaanning", **given)
    assert_allclose(found.price, 0.9 * (1.0 - (1.0 - math.exp(-54 / 20)) / 3), rtol=1e-14)


def test_losses_of_the_shock_are_not_spillovers():
    # 60 * .02 + 1.1 = 2.3 of 4; nobody sells
    found = one_bank(shock=[0.02], illiquid_loss=1.1, leverage_limit=99.0)
    assert_allclose(found.equity, 1.7, rtol=1e-14)
    assert (found.spillover_loss, found.sold, found.rounds) == (0.0, 0.0, 0)


def test_default_limit_and_target():
    # limit 25, target 23.75: 100 - 23.75 * 3.9 = 7.375; at exactly 25 nothing
    found = fire_sale([[60.0], [60.0]], [3.9, 4.0], [96.1, 96.0], shock=[0.0], depth=NO_IMPACT)
    assert_allclose(found.sold, [7.375, 0.0], rtol=1e-13)
    # targeting: back to the own leverage 25: 98.8 - 25 * 2.8 = 28.8
    found = fire_sale([[60.0]], [4.0], [96.0], shock=[0.02], depth=NO_IMPACT, rule="leverage-targeting")
    assert_allclose(found.proceeds, 28.8, rtol=1e-13)


def test_a_limit_of_one_is_a_target_of_one():
    # nothing may be owed: 96 of 100 are sold
    found = fire_sale([[100.0]], [4.0], [96.0], shock=[0.0], depth=NO_IMPACT, leverage_limit=1.0)
    assert_allclose(found.sold, 96.0, rtol=1e-14)
    assert_allclose(found.liabilities, 0.0, atol=1e-13)


def test_no_equity_to_begin_with_and_nobody_at_all():
    found = fire_sale(
        [[10.0], [10.0], [10.0]], [0.0, -1.0, 1.0], [10.0, 11.0, 9.0], shock=[0.0], depth=NO_IMPACT,
        rule="leverage-targeting",
    )  # fmt: skip
    assert_array_equal(found.sold, [0.0, 10.0, 0.0])
    assert_array_equal(found.is_defaulted, [False, True, False])
    empty = fire_sale(np.zeros((0, 2)), [], [], shock=[0.1, 0.0], depth=1.0)
    assert_array_equal(empty.price, [0.9, 1.0])
    assert empty.status == "certified"


# -------------------------------------------------------------------------------------- slow and published programs


@pytest.mark.parametrize("seed", range(60))
def test_against_a_slow_implementation(seed):
    system, options = drawn(seed), drawn_options(seed)
    rounds = 1 + seed % 5
    repayable = system["liabilities"] * (1.0, 0.5, 0.02)[seed % 3]
    found = fire_sale(**system, **options, repayable=repayable, max_rounds=rounds, tol=0.0, allow_uncertified=True)
    expected = slow(**system, **options, repayable=repayable, rounds=rounds)
    scale = system["equity"] + system["liabilities"]
    assert_allclose(found.price, expected["price"], rtol=1e-11)
    for name in ("equity", "liabilities", "cash"):
        # the last look repays from cash, which the slow program does at the start of its next round
        if name == "equity" or (options["delay"] == 0 and found.status == "not-certified" and not found.cash.any()):
            assert_allclose(getattr(found, name) / scale, expected[name] / scale, atol=1e-12, err_msg=name)
    assert_allclose(system["holdings"] * (1.0 - found.sold_share)[:, None], expected["pieces"], atol=1e-9)
    assert_array_equal(expected["dead"] & ~found.is_defaulted, False)


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize(("impact", "name"), [("linear", "linear"), ("cont-schaanning", "exponential")])
def test_against_the_oracle_of_cont_schaanning(oracles, seed, impact, name):
    system = drawn(seed, n=8)
    system["shock"], system["cash"] = np.zeros(3), 0.0
    illiquid = system["equity"] + system["liabilities"] - system["holdings"].sum(axis=1)
    falls = np.random.default_rng(seed).uniform(0.0, 0.06, 8)
    given = {"leverage_limit": 22.0, "leverage_target": 20.0, "default_at_zero": True, "impact": impact}
    found = fire_sale(**system, **given, illiquid_loss=falls * illiquid)
    # the oracle has one class of illiquid assets for all; give it what is left
    slow = oracles.cont_schaanning(
        system["holdings"], (illiquid * (1.0 - falls))[:, None], system["equity"] - falls * illiquid, [0.0],
        system["depth"], 22.0, 20.0, impact=name, rounds=10_000,
    )  # fmt: skip
    assert found.status == "certified"
    assert found.rounds == slow["rounds"]
    assert_allclose(found.equity, slow["capital"], rtol=1e-9, atol=1e-10)
    assert_allclose(found.price, slow["prices"], rtol=1e-11)
    left = system["holdings"] * (1.0 - found.sold_share)[:, None] * found.price
    assert_allclose(left, slow["holdings"], atol=1e-9)


class Oxford:
    """The multi-round program on 48 European banks, as a configuration of `fire_sale`.

    5 % cash, corporate and government bonds, half of the debt repayable; banks sell above 25 down to 20 and fail
    below 3 %; the price answers to the pieces sold, exponentially; sellers get the mid, at the next step. That
    program's first step clears an empty market, hence one round less than its steps.
    """

    def __init__(self, golden):
        given = golden["inputs"]
        self.equity = np.array(given["CET1E"])
        assets = self.equity / (np.array(given["leverage_pct"]) / 100)
        government = np.array(given["gov_bonds"])
        self.holdings = np.column_stack([np.array(given["debt_securities"]) - government, government])
        self.all = self.holdings.sum(axis=0)
        self.debt, self.cash = assets - self.equity, 0.05 * assets

    def play(self, impact, shock, rule="threshold", steps=6):
        """Impact: fall when 5 % are sold; either argument may be a list of draws."""
        shock = np.stack([np.zeros_like(shock), np.asarray(shock)])
        beta = [-math.log1p(-x) / 0.05 if x > 0 else 1e-290 for x in np.atleast_1d(impact)]
        depth = self.all[:, None] / beta if np.ndim(impact) else self.all / beta[0]
        return fire_sale(
            self.holdings, self.equity, self.debt, shock=shock, depth=depth, rule=rule, impact="exponential",
            cash=self.cash, repayable=self.debt / 2, leverage_minimum=0.03, leverage_limit=25.0, leverage_target=20.0,
            settle="mid", delay=1, volume="units", max_rounds=steps - 1, history=steps - 1, allow_uncertified=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "firesale_stresstest.json").read_text())


@pytest.fixture(scope="module")
def oxford(golden):
    return Oxford(golden)


def test_all_runs_of_the_oxford_program(golden, oxford):
    assert len(golden["cases"]) == 63
    for case in golden["cases"]:
        rule, expected = case["mode"].replace("_", "-"), case["outputs"]
        found = oxford.play(case["price_impact_at_5pct_sold"], case["shock_gov_bonds"], rule, case["timesteps"])
        assert [0, *found.default_path] == expected["defaults_per_round"], case["name"]
        assert_array_equal(found.is_defaulted, ~np.array(expected["alive"]))
        assert_allclose(found.price_path, expected["prices_corp_gov_after_each_clearing"], rtol=1e-11)
        assert_allclose(found.price, found.price_path[-1])
        assert_allclose(found.sold_path / oxford.all.sum(), expected["cumulative_fraction_sold_per_round"], atol=1e-11)
        assert_allclose(found.equity / oxford.equity, np.array(expected["final_equity"]) / oxford.equity, atol=1e-10)
        leverage = found.equity / (found.equity + found.liabilities)
        assert_allclose(leverage, expected["final_leverage"], rtol=1e-10, atol=1e-12)


def systemic(found):
    """Return the share of failures, which that program counts as a systemic event, and reports, only above 5 %."""
    share = found.is_defaulted.mean(axis=0)
    return np.where(share > 0.05, share, 0.0)


def test_the_headline_curves_of_the_oxford_program(golden, oxford):
    curves = golden["headline"]
    one, two, three = (curves[name] for name in sorted(curves))
    for curve, found in (
        (one, oxford.play(one["x"], np.full(21, one["shock"]))),
        (two, oxford.play(two["price_impact"], two["x"])),
        (three, oxford.play(three["price_impact"], three["x"], "leverage-targeting")),
    ):
        assert_allclose(systemic(found), curve["eocs"], rtol=1e-14)
        assert_allclose(found.sold_path[-1] / oxford.all.sum(), curve["sold"], rtol=1e-10)


def test_failing_and_sold_shares_of_european_banks(oxford):
    failing = systemic(oxford.play([0.0, 0.01, 0.02, 0.03, 0.04, 0.05], np.full(6, 0.2)))
    assert_allclose(failing, [0.1458, 0.3750, 0.6667, 0.7917, 0.8958, 0.9167], atol=5e-5)
    shocks = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.2, 0.22, 0.3]
    found = oxford.play(0.01, shocks)
    failing = systemic(found)
    assert_array_equal(failing[:6], 0.0)
    assert_array_equal(found.is_defaulted.sum(axis=0)[:6], [0, 0, 0, 2, 2, 2])
    # more shock, fewer failures: 37.5 % at 20 %, 31.25 % at 22 %
    assert_allclose(failing[6:], [0.0625, 0.375, 0.3125, 0.5208], atol=5e-5)
    assert_allclose(found.sold_path[-1][3:6] / oxford.all.sum(), [0.158, 0.524, 0.818], atol=5e-4)


def test_a_threshold_has_a_critical_shock_and_a_target_has_none():
    # leverage 20, limit 25: (100 - 60 s) / (5 - 60 s) = 25 at s = 25 / 1440
    shocks = np.array([[1e-9, 1e-4, 0.0173, 0.0174]])
    given = {"shock": shocks, "depth": NO_IMPACT}
    sold = fire_sale([[60.0]], [5.0], [95.0], leverage_limit=25.0, **given).sold[0]
    assert_array_equal(sold > 0.0, [False, False, False, True])
    sold = fire_sale([[60.0]], [5.0], [95.0], rule="leverage-targeting", **given).sold[0]
    # 19 of debt per equity times 60 s
    assert_allclose(sold * (1.0 - shocks[0]), 19 * 60 * shocks[0], rtol=1e-6)


def test_small_and_large_spillovers_by_depth_alone():
    # trading book 6 times equity: a shock of 5 % takes 30 % of equity; at leverage 12 the sales take another
    # 1.3 % of it where markets are deep; where they are shallow, the sales after a shock of 1 % take 20 %
    random = np.random.default_rng(3)
    equity = random.uniform(3.0, 9.0, 20)
    holdings = random.dirichlet(np.full(4, 5.0), 20) * 6 * equity[:, None]
    depths = np.logspace(3, -1.5, 40) * holdings.sum(axis=0).sum()
    given = {"depth": np.tile(depths, (4, 1)), "rule": "leverage-targeting"}
    for shock, share in ((0.05, 0.013), (0.01, 0.20)):
        found = fire_sale(holdings, equity, 11 * equity, shock=np.full(4, shock), **given)
        assert_allclose((equity[:, None] - found.equity - found.spillover_loss).sum(axis=0) / equity.sum(), 6 * shock)
        added = found.spillover_loss.sum(axis=0) / equity.sum()
        assert added.min() < share < added.max()


# --------------------------------------------------------------------------------------------------- certificates


def test_an_unfinished_sale_is_an_error_that_carries_the_state():
    with pytest.raises(ConvergenceError, match=r"fire_sale: residual .* after 1 rounds") as caught:
        two_banks(max_rounds=1)
    same_bits(caught.value.state, two_banks(max_rounds=1, allow_uncertified=True))
    finished = two_banks()
    assert finished.status == "certified"
    assert finished.residual == 0.0
    same_bits(two_banks(max_rounds=np.asarray(finished.rounds).item()), finished)


def test_the_residual_is_the_share_still_wanted():
    # after one sale of 14.5 assets are 85.5 - .870 + .104.. and leverage 22.6: see the second round
    first, second = (two_banks(max_rounds=k, allow_uncertified=True) for k in (1, 2))
    wanted = (first.equity + first.liabilities - 19.0 * first.equity)[0]
    assert_allclose(first.residual, wanted / ((60.0 - first.sold[0]) * first.price), rtol=1e-12)
    assert_allclose(second.sold[0] - first.sold[0], first.residual * (60.0 - first.sold[0]), rtol=1e-12)


def test_a_first_wish_is_taken_as_half_of_what_is_to_come():
    # 26 of 60 = .4333 wanted
    resting, playing = one_bank(tol=0.8667), one_bank(tol=0.8666)
    assert (resting.rounds, resting.sold) == (0, 0.0)
    assert_allclose(resting.residual, 26 / 60, rtol=1e-14)
    assert playing.rounds == 1


def test_a_slow_tail_is_not_cut_off_before_what_is_left_is_small():
    # sales s cost 60 s / 1200, and 19 times as much must be sold: every round is 0.95 of the last, so that 20 times
    # the last sale is still to come
    given = {"shock": [1e-6], "depth": [1200.0], "rule": "leverage-targeting", "settle": "new"}
    rough, fine = (fire_sale([[60.0]], [5.0], [95.0], tol=tol, **given) for tol in (1e-7, 1e-11))
    assert rough.rounds > 20
    assert rough.residual < 5e-8
    assert abs(rough.sold_share - fine.sold_share) < 1e-7
    assert fine.rounds > rough.rounds


# ------------------------------------------------------------------------------------------------------ properties


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_no_shock_no_sale_no_loss(seed):
    system = drawn(seed)
    system["shock"] = 0.0 * system["shock"]
    own = (system["equity"] + system["liabilities"]) / system["equity"]
    for options in ({"leverage_limit": np.maximum(20.0, own / 0.95)}, {"rule": "leverage-targeting"}):
        found = fire_sale(**system, **options, impact="sqrt")
        assert_array_equal(found.equity, system["equity"])
        assert_array_equal(found.price, 1.0)
        assert found.sold.max() == found.spillover_loss.max() == found.residual == found.rounds == 0.0
        assert_array_equal(found.liabilities, system["liabilities"])


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(-30, 30))
def test_currency_is_a_power_of_two(seed, power):
    system, options, unit = drawn(seed), drawn_options(seed), 2.0**power
    found = fire_sale(**system, **options, history=3)
    scaled = {name: value * (1.0 if name == "shock" else unit) for name, value in system.items()}
    other = fire_sale(**scaled, **options, history=3)
    for name in FIELDS:
        factor = unit if name in MONEY else 1
        value = getattr(found, name)
        assert_array_equal(
            getattr(other, name), value if name == "status" else factor * np.asarray(value), err_msg=name
        )


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_order_of_agents_and_assets(seed):
    system, options = drawn(seed), drawn_options(seed)
    random = np.random.default_rng(seed)
    rows, columns = random.permutation(6), random.permutation(3)
    moved = {name: np.asarray(value)[columns if name in ("shock", "depth") else rows] for name, value in system.items()}
    moved["holdings"] = moved["holdings"][:, columns]
    found = fire_sale(**system, **options, max_rounds=6, allow_uncertified=True)
    other = fire_sale(**moved, **options, max_rounds=6, allow_uncertified=True)
    assert_allclose(other.equity, found.equity[rows], rtol=1e-9, atol=1e-10)
    assert_allclose(other.price, found.price[columns], rtol=1e-11)
    assert_array_equal(other.wave, found.wave[rows])


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_a_bystander_changes_nothing_and_suffers_nothing(seed):
    system, options = drawn(seed), drawn_options(seed)
    if seed % 2:  # then the target is the own leverage, which no bystander leaves
        options["rule"], options["leverage_target"] = "leverage-targeting", None
    wider = {name: np.append(system[name], added) for name, added in (("equity", 30.0), ("cash", 0.7))}
    wider |= {"liabilities": np.append(system["liabilities"], 300.0), "depth": np.append(system["depth"], 50.0)}
    wider["shock"] = np.append(system["shock"], 0.0)
    wider["holdings"] = np.zeros((7, 4))
    wider["holdings"][:6, :3] = system["holdings"]
    wider["holdings"][6, 3] = 11.1
    found, other = (fire_sale(**given, **options, repayable=None) for given in (system, wider))
    for name in ("equity", "sold", "wave", "price", "proceeds"):
        assert_array_equal(getattr(other, name)[:-1], getattr(found, name), err_msg=name)
    assert other.rounds == found.rounds
    assert (other.equity[-1], other.sold[-1], other.price[-1], other.cash[-1]) == (30.0, 0.0, 1.0, 0.7)


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_bounds_and_money(seed):
    system, options = drawn(seed), drawn_options(seed)
    found = fire_sale(**system, **options, history=30)
    start, holdings = 1.0 - system["shock"], system["holdings"]
    assert (found.price <= start).all()
    assert (found.price >= np.minimum(start, options["price_floor"])).all()
    assert (np.diff(found.price_path, axis=0) <= 0.0).all()
    assert (np.diff(found.sold_path) >= 0.0).all()
    assert (found.sold_share >= 0.0).all()
    assert (found.sold <= holdings.sum(axis=1)).all()
    assert (found.spillover_loss >= 0.0).all()
    assert (found.cash >= 0.0).all()
    assert (found.liabilities <= system["liabilities"]).all()
    # books: assets are equity and liabilities
    left = (holdings * (1.0 - found.sold_share)[:, None]) @ found.price
    assets = system["equity"] + system["liabilities"]
    illiquid = assets - holdings.sum(axis=1) - system["cash"]
    assert_allclose((found.cash + left + illiquid) / assets, (found.equity + found.liabilities) / assets, rtol=1e-12)
    # what the buyers paid is what the sellers have, as cash or as debt retired
    received = found.cash - system["cash"] + system["liabilities"] - found.liabilities
    assert_allclose(received / assets, found.proceeds / assets, atol=1e-13)
    # agents and buyers together lose the fall of all pieces and nothing else: sales are transfers
    buyers = found.sold_by_asset @ found.price - found.proceeds.sum()
    marked = holdings.sum(axis=0) @ (start - found.price)
    assert_allclose(found.spillover_loss.sum() - buyers, marked, atol=1e-11 * assets.sum())


def test_at_the_mid_sellers_lose_what_buyers_gain_on_the_price_before():
    system = drawn(5)
    found = fire_sale(**system, leverage_limit=15.0, max_rounds=1, allow_uncertified=True)
    start, sold = 1.0 - system["shock"], system["holdings"] * found.sold_share[:, None]
    held = system["holdings"] - sold
    on_sale = found.spillover_loss - held @ (start - found.price)
    assert found.sold.max() > 1.0
    assert_allclose(on_sale, sold @ start - found.proceeds, atol=1e-12)
    # and the other half of the fall is the buyers'
    assert_allclose(on_sale, found.proceeds - sold @ found.price, atol=1e-12)


# ------------------------------------------------------------------------------------------------- lanes and forms


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("seed", range(8))
def test_lanes_give_the_bits_of_single_calls(seed, width):
    system, options = drawn(seed, n_draws=width), drawn_options(seed)
    random = np.random.default_rng(seed)
    system["equity"] = system["equity"][:, None] * random.uniform(0.7, 1.3, (6, width))
    system["liabilities"] = system["liabilities"] * 1.4
    system["depth"] = system["depth"][:, None] * 10.0 ** random.uniform(-1, 3, (3, width))
    options["leverage_limit"] = np.full((6, width), options["leverage_limit"])
    block = fire_sale(**system, **options, history=4)
    assert block.equity.shape == (6, width)
    assert block.price_path.shape == (5, 3, width)
    assert block.rounds.shape == block.status.shape == (width,)
    for lane in range(width):
        laned = ("equity", "shock", "depth")
        single = {name: value[:, lane] if name in laned else value for name, value in system.items()}
        same_bits(
            block,
            fire_sale(**single, **options | {"leverage_limit": options["leverage_limit"][:, lane]}, history=4),
            lane,
        )


def test_forms_of_input():
    system = drawn(4)
    before = {name: np.array(value) for name, value in system.items()}
    reference = fire_sale(**system, leverage_limit=18.0)
    assert reference.sold.max() > 0.0
    holdings = system["holdings"]
    forms = [np.asfortranarray(holdings), holdings.tolist(), np.repeat(holdings, 2, axis=0)[::2]] + [
        getattr(sparse, f"{kind}_{what}")(holdings)
        for kind in ("coo", "csc", "csr", "bsr", "dia", "lil", "dok")
        for what in ("array", "matrix")
    ]
    for form in forms:
        same_bits(fire_sale(**system | {"holdings": form}, leverage_limit=18.0), reference)
    listed = {name: np.asarray(value).tolist() for name, value in system.items()}
    same_bits(fire_sale(**listed, leverage_limit=18), reference)
    single = holdings.astype(np.float32)
    same_bits(
        fire_sale(**system | {"holdings": single}, leverage_limit=18.0),
        fire_sale(**system | {"holdings": single.astype(np.float64)}, leverage_limit=18.0),
    )
    for name, value in before.items():
        assert_array_equal(system[name], value)


def test_every_fault_is_named_in_one_error():
    with pytest.raises(InputError) as caught:
        fire_sale(
            [[60.0, -1.0], [np.nan, 0.0]], [5.0, np.inf], [-95.0, 1.0], shock=[0.1, 1.5], depth=[0.0, 1.0, 2.0],
            cash=-1.0, leverage_limit=0.5, leverage_target=[3.0], leverage_minimum=2.0, price_floor=-0.1, delay=2,
            history=-1, max_rounds=0, tol="small", illiquid_loss=np.array(["a", "b"], dtype=object),
        )  # fmt: skip
    text = str(caught.value)
    for part in (
        "holdings[0, 1] is -1; allowed: 0 or more",
        "holdings[1, 0] is nan; allowed: finite numbers",
        "equity[1] is inf",
        "liabilities[0] is -95",
        "shock[1] is 1.5; allowed: 0 to 1",
        "depth has shape (3,)",
        "cash is -1",
        "leverage_limit is 0.5; allowed: 1 or more",
        "leverage_target has shape (1,)",
        "leverage_minimum is 2; allowed: 0 to 1",
        "price_floor is -0.1",
        "delay is 2; allowed: 0 or 1",
        "history is -1",
        "max_rounds is 0",
        "tol is 'small'",
        "illiquid_loss has dtype object",
    ):
        assert part in text, part
    with pytest.raises(InputError) as caught:
        one_bank(cash=50.0, illiquid_loss=1.0, repayable=97.0, leverage_target=21.0)
    text = str(caught.value)
    for part in (
        "holdings and cash[0] is 110; allowed: at most equity + liabilities, here 100",
        "illiquid_loss[0] is 1; allowed: at most illiquid assets, here 1e-07",
        "repayable[0] is 97; allowed: at most liabilities, here 96",
        "leverage_target[0] is 21; allowed: at most leverage_limit, here 20",
    ):
        assert part in text, part
    with pytest.raises(InputError, match=r"repayable\[0, 1\] is 97"):
        one_bank(repayable=[[96.0, 97.0]])
    with pytest.raises(InputError, match="has 2 draws and equity has 3"):
        one_bank(equity=[[4.0, 4.0, 4.0]], shock=[[0.0, 0.0]])
    for holdings, message in (([60.0], "1 axes"), ([["a"]], "dtype")):
        with pytest.raises(InputError, match=message):
            one_bank(holdings=holdings)


@pytest.mark.parametrize(
    ("option", "wrong", "hint"),
    [
        ("rule", "treshold", "threshold"),
        ("impact", "exp", None),
        ("settle", "middle", None),
        ("volume", "valu", "value"),
    ],
)
def test_unknown_names(option, wrong, hint):
    with pytest.raises(
        UnknownNameError, match=f"unknown {option} '{wrong}'" + (f".*did you mean '{hint}'" if hint else "")
    ):
        one_bank(**{option: wrong})


def test_more_faults_than_are_listed():
    with pytest.raises(InputError, match="repayable has 2 more such values; allowed: at most liabilities"):
        fire_sale(np.ones((7, 1)), np.ones(7), np.ones(7), shock=[0.0], depth=1.0, repayable=3.0)
