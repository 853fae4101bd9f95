"""Vulnerability to deleveraging: by hand, against an oracle, as the limit of fire sales."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from sim.contagion.deleveraging import deleveraging
from sim.contagion.fire_sale import fire_sale
from sim.errors import InputError

# assets 100, 80, 60; equity 5, 6, 4; impact 1e-3, 5e-4 per unit
ASSETS, EQUITY = np.array([100.0, 80.0, 60.0]), np.array([5.0, 6.0, 4.0])
HOLDINGS = np.array([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]) * ASSETS[:, None]
DEPTH = np.array([1e3, 2e3])
MONEY = ["spillover_loss", "sold", "sold_by_asset"]
SHARES = ["aggregate_vulnerability", "systemicness", "direct_vulnerability", "indirect_vulnerability", "price_fall"]
FIELDS = MONEY + SHARES


def three_banks(fall=0.02, **more):
    given = {"shock": [fall, 0.0], "depth": DEPTH, **more}
    return deleveraging(HOLDINGS, EQUITY, ASSETS - EQUITY, **given)


def drawn(seed, n=6, m=4, illiquid=0.3):
    random = np.random.default_rng(seed)
    holdings = random.random((n, m)) * (random.random((n, m)) < 0.7) * 50
    assets = holdings.sum(axis=1) * (1.0 + illiquid * random.random(n)) + 1.0
    equity = assets * random.uniform(0.03, 0.12, n)
    return holdings, equity, assets - equity, random.random(m) * 0.05, random.uniform(500, 5000, m)


def all_bits(result, other, lane=None):
    for name in FIELDS:
        got = np.asarray(getattr(result, name))
        assert_array_equal(got if lane is None else got[..., lane], np.squeeze(getattr(other, name)), err_msg=name)


@pytest.fixture(scope="module")
def oracle(shared):
    spec = importlib.util.spec_from_file_location("oracles", shared / "oracles.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.greenwood_one_round


def test_three_banks_by_hand():
    # direct losses 50, 16, 54 times 2 % = 1, .32, 1.08; leverage ratios 19, 74/6, 14
    # -> sales 19, 3.9466667, 15.12 -> by asset 9.5 + .7893333 + 13.608 = 23.8973333 and 9.5 + 3.1573333 + 1.512
    # -> falls .0238973333 and .0070846667
    # -> 50 * .0238973 + 50 * .0070847 = 1.5491, .835776, 1.332964; together 3.71784 of equity 15
    found = three_banks()
    assert_allclose(found.sold, [19.0, 0.32 * 74 / 6, 15.12], rtol=1e-14)
    assert_allclose(found.sold_by_asset, [23.897333333333332, 14.169333333333334], rtol=1e-14)
    assert_allclose(found.price_fall, [0.023897333333333332, 0.007084666666666667], rtol=1e-14)
    assert_allclose(found.spillover_loss, [1.5491, 0.835776, 1.332964], rtol=1e-12)
    assert_allclose(found.aggregate_vulnerability, 0.247856, rtol=1e-12)
    assert_allclose(found.direct_vulnerability, [0.2, 0.32 / 6, 0.27], rtol=1e-14)
    assert_allclose(found.indirect_vulnerability, np.array([1.5491, 0.835776, 1.332964]) / EQUITY, rtol=1e-12)
    # the first bank's 9.5 and 9.5 fall on 120 and 120 of all: 9.5 * .12 + 9.5 * .06 = 1.71 of 15
    assert_allclose(found.systemicness[0], 1.71 / 15, rtol=1e-14)
    assert_allclose(found.systemicness.sum(), found.aggregate_vulnerability, rtol=1e-14)


def test_the_published_example(shared):
    cases = json.loads((shared / "golden" / "published.json").read_text())["cases"]
    cases = {case["name"].rpartition(": ")[2]: case for case in cases if case["name"].startswith("Greenwood")}
    case = cases["DV"]["inputs"]
    assets = np.array(case["assets"], dtype=float)
    equity = assets - case["debt"]
    holdings = np.array(case["M"]) * assets[:, None]
    found = deleveraging(
        holdings, equity, case["debt"], shock=-np.array(case["shock"]), depth=1 / np.array(case["impact"])
    )
    assert_allclose(found.direct_vulnerability, cases["DV"]["expected"], rtol=1e-12)
    assert_allclose(-found.sold, cases["trade_by_bank"]["expected"], rtol=1e-12)
    assert_allclose(-found.price_fall, cases["f2"]["expected"], rtol=1e-12)
    assert_allclose(found.spillover_loss, cases["loss2"]["expected"], rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_against_the_oracle(oracle, seed):
    holdings, equity, liabilities, shock, depth = drawn(seed, illiquid=0.0)
    # what cannot be sold is, in the literature's form, an asset that is sold without impact
    holdings = np.column_stack([holdings, equity + liabilities - holdings.sum(axis=1)])
    shock, depth = np.append(shock, 0.0), np.append(depth, 1e300)
    assets = holdings.sum(axis=1)
    slow = oracle(holdings / assets[:, None], assets, assets - equity, 1 / depth, -shock)
    found = deleveraging(holdings, equity, liabilities, shock=shock, depth=depth)
    for name, key in (
        ("aggregate_vulnerability", "AV"),
        ("systemicness", "S"),
        ("direct_vulnerability", "DV"),
        ("indirect_vulnerability", "IV"),
        ("spillover_loss", "loss2"),
    ):
        assert_allclose(getattr(found, name), slow[key], rtol=1e-11, err_msg=name)
    assert_allclose(found.sold, -slow["trade_by_bank"], rtol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_fire_sales_converge_to_it_for_small_shocks(seed):
    holdings, equity, liabilities, shock, depth = drawn(seed)
    linear = deleveraging(holdings, equity, liabilities, shock=shock, depth=depth)
    gaps = []
    for scale in (1e-3, 1e-5, 1e-7):
        sale = fire_sale(
            holdings, equity, liabilities, shock=shock * scale, depth=depth, rule="leverage-targeting",
            impact="linear", settle="new", max_rounds=1, allow_uncertified=True,
        )  # fmt: skip
        gaps.append(np.abs(sale.spillover_loss / scale - linear.spillover_loss).max() / linear.spillover_loss.max())
        sold = sale.sold / scale
    assert gaps[0] < 1e-1
    assert gaps[1] < gaps[0] / 50
    assert gaps[2] < 2e-6
    assert_allclose(sold, linear.sold, rtol=1e-5, atol=1e-7)


def test_it_is_linear_in_the_shock_and_in_the_impact():
    one, two, deep = three_banks(), three_banks(0.04), three_banks(depth=2 * DEPTH)
    for name in FIELDS:
        assert_array_equal(getattr(two, name), 2 * np.asarray(getattr(one, name)), err_msg=name)
    assert_array_equal(deep.spillover_loss, one.spillover_loss / 2)
    assert_array_equal(deep.sold, one.sold)


def test_no_shock_no_loss():
    found = three_banks(0.0)
    for name in FIELDS:
        assert_array_equal(getattr(found, name), 0.0)


def test_nobody_at_all():
    found = deleveraging(np.zeros((0, 2)), [], [], shock=[0.1, 0.0], depth=1.0)
    assert found.aggregate_vulnerability == 0.0
    assert_array_equal(found.price_fall, 0.0)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(-20, 20))
def test_relabelling_scaling_and_a_bystander(seed, power):
    holdings, equity, liabilities, shock, depth = drawn(seed)
    found = deleveraging(holdings, equity, liabilities, shock=shock, depth=depth)
    order = np.random.default_rng(seed).permutation(len(equity))
    moved = deleveraging(holdings[order], equity[order], liabilities[order], shock=shock, depth=depth)
    assert_allclose(moved.systemicness, found.systemicness[order], rtol=1e-12)
    assert_allclose(moved.indirect_vulnerability, found.indirect_vulnerability[order], rtol=1e-12)
    unit = 2.0**power
    scaled = deleveraging(holdings * unit, equity * unit, liabilities * unit, shock=shock, depth=depth * unit)
    for name in FIELDS:
        money = unit if name in MONEY else 1.0
        assert_array_equal(getattr(scaled, name), money * np.asarray(getattr(found, name)), err_msg=name)
    bystander = deleveraging(
        np.vstack([holdings, np.zeros(4)]),
        np.append(equity, 3.0),
        np.append(liabilities, 50.0),
        shock=shock,
        depth=depth,
    )
    assert_array_equal(bystander.spillover_loss, np.append(found.spillover_loss, 0.0))
    assert bystander.systemicness[-1] == bystander.sold[-1] == 0.0
    assert_allclose(bystander.aggregate_vulnerability, found.spillover_loss.sum() / (equity.sum() + 3.0), rtol=1e-12)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_lanes_give_the_bits_of_single_calls(width):
    draws = [drawn(seed) for seed in range(width)]
    holdings = draws[0][0]
    equity, shock, depth = (np.column_stack([draw[k] for draw in draws]) for k in (1, 3, 4))
    liabilities = np.full(6, 1e4)
    block = deleveraging(holdings, equity, liabilities, shock=shock, depth=depth)
    assert block.systemicness.shape == (6, width)
    assert block.aggregate_vulnerability.shape == (width,)
    for lane in range(width):
        single = deleveraging(holdings, equity[:, lane], liabilities, shock=shock[:, lane], depth=depth[:, lane])
        all_bits(block, single, lane)


def test_forms_of_input():
    reference = three_banks()
    dense = np.asfortranarray(HOLDINGS)
    for form in [dense, HOLDINGS.tolist(), np.repeat(HOLDINGS, 2, axis=0)[::2]] + [
        getattr(sparse, f"{kind}_{what}")(HOLDINGS)
        for kind in ("coo", "csc", "csr", "bsr", "dia", "lil", "dok")
        for what in ("array", "matrix")
    ]:
        all_bits(deleveraging(form, EQUITY, ASSETS - EQUITY, shock=[0.02, 0.0], depth=DEPTH), reference)
    all_bits(
        deleveraging(HOLDINGS.astype(np.float32), EQUITY, ASSETS - EQUITY, shock=[0.02, 0.0], depth=DEPTH),
        deleveraging(
            HOLDINGS.astype(np.float32).astype(float), EQUITY, ASSETS - EQUITY, shock=[0.02, 0.0], depth=DEPTH
        ),
    )


def test_every_fault_is_named_in_one_error():
    with pytest.raises(InputError) as caught:
        deleveraging(HOLDINGS, [5, 0, np.nan], [95, -1, 56], shock=[2, 0], depth=[0, 1e3, 1e3])
    text = str(caught.value)
    for part in (
        "equity[1] is 0; allowed: more than 0",
        "equity[2] is nan; allowed: finite numbers",
        "liabilities[1] is -1",
        "shock[0] is 2; allowed: 0 to 1",
        "depth has shape (3,)",
    ):
        assert part in text
    with pytest.raises(InputError, match=r"holdings\[1, 0\] is -16"):
        deleveraging(HOLDINGS * [[1], [-1], [1]], EQUITY, ASSETS, shock=[0, 0], depth=DEPTH)
    with pytest.raises(
        InputError, match=r"holdings and cash\[0\] is 100; allowed: at most equity \+ liabilities, here 95"
    ):
        deleveraging(HOLDINGS, EQUITY, [90.0, 74.0, 56.0], shock=[0, 0], depth=DEPTH)
    with pytest.raises(InputError, match="1 axes"):
        deleveraging([1.0, 2.0], EQUITY, ASSETS, shock=[0, 0], depth=DEPTH)
