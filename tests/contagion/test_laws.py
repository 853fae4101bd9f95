"""The laws that hold for every public algorithm, or for all that clear, fail or lose value in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.contagion.cascade import cascade
from sim.contagion.clear import clear
from sim.contagion.cross_holdings import cross_holdings
from sim.contagion.debtrank import debtrank
from sim.contagion.fire_sale import fire_sale
from sim.contagion.outage import outage
from sim.contagion.revalue import revalue
from tests.campaign.systems import draw
from tests.contagion.public import ALGORITHMS, FAMILIES, Algorithm, drawn, results

EXAMPLES = 12
"""Examples of each law for each algorithm."""
NEAR = 1e-9
PER_ASSET = ("shock", "depth")
"""Vectors of a fire sale that belong to assets and keep their order."""
seeds = st.integers(0, 10_000)
sizes = st.integers(2, 12)
parts = st.floats(0.0, 1.0)


def square(algorithm: Algorithm, network: Any, order: Any) -> Any:
    return network[np.ix_(order, order)] if algorithm.square else network[order]


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes)
def test_relabelling_agents_relabels_results(name, seed, n):
    algorithm, arguments = ALGORITHMS[name], drawn(name, seed, n)
    order = np.random.default_rng(seed).permutation(n)
    changed = {
        key: square(algorithm, values, order)
        if key == algorithm.network
        else (values if key in PER_ASSET and not algorithm.square else values[order])
        for key, values in arguments.items()
    }
    one, two = results(name, algorithm.call(arguments)), results(name, algorithm.call(changed))
    size = max(float(np.abs(values).max(initial=0.0)) for values in arguments.values())
    for key in algorithm.agents:
        expected = np.asarray(one[key])[order]
        unit = n * size if key in algorithm.money else 1.0
        assert_allclose(two[key], expected, rtol=NEAR, atol=NEAR * unit, err_msg=key)
    for key in algorithm.totals:
        unit = n * size if key in algorithm.money else 1.0
        assert_allclose(two[key], one[key], rtol=NEAR, atol=NEAR * unit, err_msg=key)


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.money])
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes, power=st.sampled_from([-30, -3, 1, 20]))
def test_a_power_of_two_changes_the_currency_and_no_bit_else(name, seed, n, power):
    algorithm, arguments = ALGORITHMS[name], drawn(name, seed, n)
    factor = 2.0**power
    scaled = dict(arguments)
    for key in algorithm.money:
        if key in arguments:
            scaled[key] = arguments[key] * factor
    if algorithm.function is not cross_holdings:  # its network holds shares
        scaled[algorithm.network] = arguments[algorithm.network] * factor
    one, two = results(name, algorithm.call(arguments)), results(name, algorithm.call(scaled))
    for key, values in one.items():
        expected = np.asarray(values) * factor if key in algorithm.money else np.asarray(values)
        assert (np.asarray(two[key]) == expected).all(), key


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.square])
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes, place=parts)
def test_an_isolated_agent_changes_nothing(name, seed, n, place):
    algorithm, arguments = ALGORITHMS[name], drawn(name, seed, n)
    at = int(place * n)
    changed = {}
    for key, values in arguments.items():
        if key == algorithm.network:
            changed[key] = np.insert(np.insert(values, at, 0.0, axis=0), at, 0.0, axis=1)
        else:
            zero = ("shock", "seeds", "failure_threshold", "haircut")
            changed[key] = np.insert(values, at, 0.0 if key in zero else 1.0)
    one, two = results(name, algorithm.call(arguments)), results(name, algorithm.call(changed))
    for key in algorithm.agents:
        assert_allclose(np.delete(np.asarray(two[key]), at), one[key], rtol=1e-12, atol=1e-12, err_msg=key)


SPREADS = {
    "clear": lambda one: one["wave"].max() >= 2,
    "cascade": lambda one: one["wave"].max() >= 2,
    "debtrank": lambda one: one["debtrank"] > 0.01,
    "revalue": lambda one: (one["value"] < 1.0).sum() >= 2,
    "fire_sale": lambda one: one["rounds"] >= 2 and one["spillover_loss"].max() > 0.1,
    "funding_run": lambda one: one["wave"].max() >= 2,
    "outage": lambda one: one["rounds"] >= 3,
    "complex_contagion": lambda one: one["wave"].max() >= 2,
    "cross_holdings": lambda one: one["wave"].max() >= 2,
}


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "clear, least"])
def test_the_systems_of_these_laws_are_eventful(name):
    # a law that holds because nothing happens says nothing
    algorithm = ALGORITHMS[name]
    spreads = SPREADS[name.split(",")[0]]
    found = [results(name, algorithm.call(drawn(name, seed, 10))) for seed in range(12)]
    assert sum(bool(spreads(one)) for one in found) >= 4


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.nothing])
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes)
def test_no_shock_no_loss_exactly(name, seed, n):
    algorithm, arguments = ALGORITHMS[name], dict(drawn(name, seed, n))
    if "equity" in arguments:
        arguments["equity"] = np.abs(arguments["equity"]) + 0.01
    calm = {
        key: np.full_like(arguments[key], value) if key in arguments else value
        for key, value in algorithm.nothing.items()
    }
    outcome = results(name, algorithm.call(arguments, **calm))
    for key, value in algorithm.unharmed.items():
        assert (np.asarray(outcome[key]) == value).all(), key
    assert outcome["status"] == "certified"


@settings(max_examples=30)
@given(seed=seeds, n=sizes)
def test_a_solvent_system_is_paid_in_full_exactly(seed, n):
    x = draw(seed, FAMILIES[seed % 3], n)
    assets = x.assets + np.maximum(0.0, -x.equity)
    book = assets + x.exposures.sum(axis=1) - x.exposures.sum(axis=0) - x.liabilities
    for options in ({}, {"alpha": 0.5, "beta": 0.5}, {"seniority": "external-senior"}):
        got = clear(x.exposures, assets, x.liabilities, **options)
        assert (got.recovery == 1.0).all()
        assert (got.external_recovery == 1.0).all()
        assert (got.bankruptcy_cost == 0.0).all()
        assert not got.is_defaulted.any()
        assert_allclose(got.equity, book, atol=1e-12 * x.size.max())
    for valuation in ("eisenberg-noe", "furfine", "linear-debtrank", "nonlinear-debtrank"):
        got = revalue(x.exposures, assets, x.liabilities, valuation=valuation)
        assert (got.value == 1.0).all()


def worse(found: Any, base: Any, algorithm: Algorithm, size: float) -> None:
    """Hold a harmed system against the same system unharmed."""
    for key in algorithm.health:
        less, more = np.asarray(getattr(found, key)), np.asarray(getattr(base, key))
        if key == "stress":
            less, more = -less, -more
        unit = size if key in algorithm.money else 1.0
        assert (less <= more + 1e-9 * unit).all(), key
    for key in ("is_defaulted", "is_failed", "is_hoarding", "is_active"):
        if key in algorithm.agents:
            assert (getattr(found, key) >= getattr(base, key)).all(), key


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.hurts])
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes, part=parts)
def test_a_larger_shock_never_helps(name, seed, n, part):
    algorithm, arguments = ALGORITHMS[name], drawn(name, seed, n)
    size = n * max(float(np.abs(values).max(initial=0.0)) for values in arguments.values())
    base = algorithm.call(arguments)
    rng = np.random.default_rng(seed)
    for key in algorithm.hurts:
        # every component by itself may be smaller
        lower = arguments[key] * np.where(rng.random(n) < 0.5, part, 1.0)
        if key == "seeds":
            lower = np.where(rng.random(n) < part, arguments[key], 0.0)
        worse(base, algorithm.call(arguments | {key: lower}), algorithm, size)


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.helps])
@settings(max_examples=EXAMPLES)
@given(seed=seeds, n=sizes, part=parts)
def test_a_larger_buffer_never_hurts(name, seed, n, part):
    algorithm, arguments = ALGORITHMS[name], drawn(name, seed, n)
    size = n * max(float(np.abs(values).max(initial=0.0)) for values in arguments.values())
    base = algorithm.call(arguments)
    rng = np.random.default_rng(seed)
    for key in algorithm.helps:
        values = arguments[key]
        more = values + np.abs(values) * np.where(rng.random(n) < 0.5, part, 0.0)
        worse(base, algorithm.call(arguments | {key: more}), algorithm, size)


@settings(max_examples=40)
@given(seed=seeds, n=sizes, low=parts, high=parts)
def test_more_recovery_never_hurts(seed, n, low, high):
    low, high = sorted((low, high))
    x = draw(seed, FAMILIES[seed % 3], n)
    slack = 1e-9 * x.size.max() * n
    few, many = (cascade(x.exposures, x.equity, x.shock, recovery_rate=r) for r in (low, high))
    assert (few.equity <= many.equity + slack).all()
    assert (few.is_defaulted >= many.is_defaulted).all()
    equity = np.abs(x.equity) + 0.1 * x.size + 1e-3
    shock = np.minimum(1.0, x.shock / equity)
    few, many = (debtrank(x.exposures, equity, shock, recovery_rate=r) for r in (low, high))
    assert (few.stress >= many.stress - 1e-9).all()
    few, many = (revalue(x.exposures, x.left, x.liabilities, valuation="furfine", recovery_rate=r) for r in (low, high))
    assert (few.value <= many.value).all()
    for costs in (dict(alpha=low, beta=0.8), dict(alpha=0.8, beta=low), dict(alpha=low, beta=low)):
        few = clear(x.exposures, x.left, x.liabilities, **costs)
        many = clear(x.exposures, x.left, x.liabilities, **{key: max(v, high) for key, v in costs.items()})
        assert (few.recovery <= many.recovery + 1e-9).all()
        assert (few.equity <= many.equity + slack).all()


@settings(max_examples=60)
@given(seed=seeds, n=sizes)
def test_eisenberg_noe_rogers_veraart_furfine_in_this_order(seed, n):
    x = draw(seed, FAMILIES[seed % 3], n)
    books = (x.exposures, x.left, x.liabilities)
    en, rv = clear(*books), clear(*books, alpha=x.alpha, beta=x.beta)
    none = revalue(*books, valuation="furfine")
    free = clear(*books, alpha=1.0, beta=1.0)
    assert free.recovery.tobytes() == en.recovery.tobytes()
    assert (en.recovery >= rv.recovery - 1e-12).all()
    assert (rv.recovery >= none.value - 1e-12).all()
    assert (en.is_defaulted <= rv.is_defaulted).all()
    assert (rv.is_defaulted <= none.is_defaulted).all()
    zero = clear(*books, alpha=0.0, beta=0.0)
    owing = x.exposures.sum(axis=0) > 0
    assert (zero.recovery == none.value)[owing].all()


@settings(max_examples=60)
@given(seed=seeds, n=sizes, senior=st.booleans(), costly=st.booleans())
def test_clearing_keeps_its_bounds_and_its_money(seed, n, senior, costly):
    x = draw(seed, FAMILIES[seed % 3], n)
    costs = {"alpha": x.alpha, "beta": x.beta} if costly else {}
    seniority = "external-senior" if senior else "pari-passu"
    got = clear(x.exposures, x.left, x.liabilities, seniority=seniority, default_at_zero=bool(seed % 2), **costs)
    owed = x.exposures.sum(axis=0)
    for share in (got.recovery, got.external_recovery):
        assert (share >= 0.0).all()
        assert (share <= 1.0).all()
    if senior:
        assert (got.recovery[owed > 0] <= got.external_recovery[owed > 0]).all()
    assert_allclose(got.payments, got.recovery * owed + got.external_recovery * x.liabilities, rtol=1e-12)
    # every agent: what it has is what it pays, what default destroys, and what is left for its owners
    have = x.left + x.exposures @ got.recovery
    kept = np.maximum(got.equity, 0.0)
    assert_allclose(have, got.payments + got.bankruptcy_cost + kept, atol=1e-12 * x.size.max(), rtol=1e-12)
    assert (got.bankruptcy_cost >= -1e-12 * x.size).all()
    if not costly:
        assert_allclose(got.bankruptcy_cost, 0.0, atol=1e-12 * x.size.max())
    # the system: outside money goes outside, to owners, or is destroyed
    outside = (got.external_recovery * x.liabilities).sum()
    assert_allclose(x.left.sum(), outside + kept.sum() + got.bankruptcy_cost.sum(), rtol=1e-12)
    # limited liability and absolute priority: owners get something only where creditors are paid in full
    assert (got.recovery[kept > 0] == 1.0).all()
    assert ((got.wave > 0) == got.is_defaulted).all()
    assert ((got.recovery < 1.0) <= got.is_defaulted).all()


@settings(max_examples=40)
@given(seed=seeds, n=sizes)
def test_the_greatest_lies_above_the_least(seed, n):
    x = draw(seed, FAMILIES[seed % 3], n)
    books, costs = (x.exposures, x.left, x.liabilities), {"alpha": 0.6, "beta": 0.4}
    for options in ({}, costs, costs | {"seniority": "external-senior"}):
        top, low = clear(*books, **options), clear(*books, least=True, **options)
        both = clear(*books, bounds=True, **options)
        assert (top.recovery >= low.recovery - 1e-12).all()
        assert both.recovery.tobytes() == top.recovery.tobytes()
        assert_allclose(both.recovery_least, low.recovery, atol=1e-12)
        assert both.gap == np.abs(both.recovery - both.recovery_least).max()
        assert both.status == ("multiple" if both.gap > 1e-9 else "certified")
    for valuation in ("rogers-veraart", "furfine", "linear-debtrank", "nonlinear-debtrank"):
        both = revalue(*books, valuation=valuation, alpha=0.6, beta=0.4, bounds=True, external_assets0=x.assets)
        assert (both.value >= both.value_least - 1e-12).all()
        assert both.gap == np.abs(both.value - both.value_least).max()
    arguments = drawn("cross_holdings", seed, n)
    top, low = cross_holdings(**arguments), cross_holdings(**arguments, least=True)
    assert (top.value >= low.value - 1e-12).all()
    assert (top.is_failed <= low.is_failed).all()


def test_two_banks_that_only_trust_alone_cannot_fail():
    # each owes the other 1 and owns 1/2 outside, debt outside 1/2: paid in full both live; if default destroys half
    # of everything, x = (1/4 + x/2) / (3/2) also holds: x = 1/4
    claims = np.array([[0.0, 1.0], [1.0, 0.0]])
    both = clear(claims, [0.5, 0.5], 0.5, alpha=0.5, beta=0.5, bounds=True)
    assert both.recovery.tolist() == [1.0, 1.0]
    assert_allclose(both.recovery_least, [0.25, 0.25], rtol=1e-15)
    assert both.gap == pytest.approx(0.75)
    assert both.status == "multiple"


@settings(max_examples=40)
@given(seed=seeds, n=sizes)
def test_cascade_sums_losses_once(seed, n):
    x = draw(seed, FAMILIES[seed % 3], n)
    got = cascade(x.exposures, x.equity, x.shock, recovery_rate=x.recovery)
    contagion = (1.0 - x.recovery) * x.exposures @ got.is_defaulted
    assert_allclose(got.loss, x.shock + contagion, rtol=1e-12, atol=1e-12 * x.size.max())
    assert_allclose(got.equity, x.equity - got.loss, atol=1e-12 * x.size.max())
    assert (got.is_defaulted == (got.equity < 0.0)).all()
    assert got.rounds == got.wave.max()
    # every wave after the first was felled by the one before it
    for level in range(1, got.rounds + 1):
        known = (got.wave > 0) & (got.wave < level)
        left = x.equity - x.shock - (1.0 - x.recovery) * x.exposures @ known
        assert (((left < 0.0) & ~known) == (got.wave == level)).all()


@settings(max_examples=40)
@given(seed=seeds, n=sizes)
def test_debtrank_stays_between_shock_and_ruin(seed, n):
    arguments = drawn("debtrank", seed, n)
    weights = np.arange(1.0, n + 1.0)
    stress = {}
    for variant in ("single-hit", "linear", "nonlinear"):
        got = debtrank(**arguments, variant=variant, alpha=2.0 * (variant == "nonlinear"), weights=weights)
        stress[variant] = got.stress
        assert (got.stress >= arguments["shock"]).all()
        assert (got.stress <= 1.0).all()
        expected = (got.stress - arguments["shock"]) @ weights / weights.sum()
        assert got.debtrank == pytest.approx(expected, rel=1e-12, abs=1e-15)
    # each agent passing on its stress once, or default less likely than stress, can only spread less
    assert (stress["single-hit"] <= stress["linear"] + 1e-9).all()
    assert (stress["nonlinear"] <= stress["linear"] + 1e-9).all()
    flat = debtrank(**arguments, variant="nonlinear", alpha=0.0)
    assert_allclose(flat.stress, stress["linear"], atol=1e-9)
    default = debtrank(**arguments)
    own = debtrank(**arguments, weights=arguments["equity"])
    assert default.debtrank == own.debtrank


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name.startswith("fire_sale")])
@settings(max_examples=20)
@given(seed=seeds, n=sizes)
def test_a_fire_sale_keeps_its_bounds_and_its_books(name, seed, n):
    algorithm, x = ALGORITHMS[name], drawn(name, seed, n)
    floor = algorithm.options.get("price_floor", 0.0)
    got = algorithm.call(x)
    first = 1.0 - x["shock"]
    assert (got.price <= first).all()
    assert (got.price >= np.minimum(floor, first)).all()
    assert (got.sold_share >= 0.0).all()
    assert (got.sold_share <= 1.0).all()
    held = x["holdings"].sum(axis=1)
    assert_allclose(got.sold, got.sold_share * held, rtol=1e-9, atol=1e-9)
    assert_allclose(got.sold_by_asset, got.sold_share @ x["holdings"], rtol=1e-9, atol=1e-9)
    # assets that are left, less debts that are left, is equity; illiquid assets have not moved
    illiquid = x["equity"] + x["liabilities"] - held - x["cash"]
    kept = (1.0 - got.sold_share) * (x["holdings"] @ got.price)
    assert_allclose(got.equity, kept + got.cash + illiquid - got.liabilities, rtol=1e-9, atol=1e-9)
    # what was paid is in cash or has retired debt
    assert_allclose(got.proceeds, got.cash - x["cash"] + x["liabilities"] - got.liabilities, rtol=1e-9, atol=1e-9)
    assert_allclose(got.spillover_loss, x["equity"] - x["holdings"] @ x["shock"] - got.equity, rtol=1e-9, atol=1e-9)
    assert (got.spillover_loss >= -1e-9).all()


def test_deeper_markets_fall_less():
    x = drawn("fire_sale", 5, 10)
    falls = [fire_sale(**x | {"depth": x["depth"] * k}, leverage_limit=16.0).price for k in (1.0, 4.0, 1e6)]
    assert (falls[0] < falls[1]).any()
    assert_allclose(falls[2], 1.0 - x["shock"], rtol=1e-4)


@settings(max_examples=30)
@given(seed=seeds, n=sizes)
def test_outages_stay_between_the_shock_and_standstill(seed, n):
    x = drawn("outage", seed, n)
    linear, product = outage(**x), outage(**x, form="product")
    for got in (linear, product):
        assert (got.inoperability >= x["shock"] - 1e-12).all()
        assert (got.inoperability <= 1.0).all()
        assert_allclose(got.service, 1.0 - got.inoperability, atol=1e-15)
    # failures that overlap count once in the product form
    assert (product.inoperability <= linear.inoperability + 1e-9).all()
