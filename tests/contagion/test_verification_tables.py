"""The project's own verification tables: systems and answers that independent solutions gave, read from files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.contagion.cascade import cascade
from sim.contagion.clear import clear
from sim.contagion.cross_holdings import cross_holdings, dependency_matrix
from sim.contagion.debtrank import debtrank
from sim.contagion.deleveraging import deleveraging
from sim.contagion.fire_sale import fire_sale
from sim.contagion.revalue import revalue

FOLDER = Path(__file__).resolve().parents[1] / "data" / "verification"


@cache
def cases(name: str) -> list[dict[str, Any]]:
    """Return the cases of a table."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())["cases"]
    return found


def each(name: str, *keys: str) -> Any:
    """Return one test per case of a table that has some keys."""
    chosen = [case for case in cases(name) if all(key in case for key in keys)]
    names = [f"{case.get('family', name)}-{case['seed']}" for case in chosen]
    return pytest.mark.parametrize("case", chosen, ids=names)


def exposures(case: dict[str, Any]) -> Any:
    """Return the claims of a case as a matrix, row creditor, column debtor."""
    edges = case["exposures"]
    matrix = np.zeros((case["n"], case["n"]))
    matrix[edges["creditor"], edges["debtor"]] = edges["amount"]
    return matrix


def near(found: Any, wanted: Any, size: Any, part: float = 1e-9) -> None:
    """Hold amounts of money to a part of each agent's balance sheet."""
    error = np.abs(np.asarray(found) - np.asarray(wanted))
    assert (error <= part * np.asarray(size)).all(), error.max()


def sized(case: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    claims = exposures(case)
    assets, debts = np.array(case["external_assets"]), np.array(case["external_liabilities"])
    return claims, assets, debts, assets + claims.sum(axis=1) + claims.sum(axis=0) + debts


def test_the_tables_say_where_they_come_from():
    tables = sorted(FOLDER.glob("*.json"))
    assert len(tables) == 6
    assert sum(table.stat().st_size for table in tables) < 300_000
    for table in tables:
        head = json.loads(table.read_text())
        assert list(head) == ["title", "source", "conventions", "tolerance", "cases"]


@each("clearing")
def test_eisenberg_noe(case):
    claims, assets, debts, size = sized(case)
    wanted = case["eisenberg_noe"]
    got = clear(claims, assets, debts)
    near(got.payments, wanted["payments"], size)
    near(got.equity, wanted["equity"], size)
    assert got.wave.tolist() == wanted["wave"]
    assert got.is_defaulted.tolist() == [wave > 0 for wave in wanted["wave"]]


@each("clearing")
def test_rogers_veraart(case):
    claims, assets, debts, size = sized(case)
    wanted = case["rogers_veraart"]
    got = clear(claims, assets, debts, alpha=case["alpha"], beta=case["beta"])
    near(got.payments, wanted["payments"], size)
    near(got.equity, wanted["equity"], size)
    assert np.flatnonzero(got.is_defaulted).tolist() == wanted["defaulted"]


@each("clearing", "external_senior")
def test_outside_debt_first(case):
    claims, assets, debts, size = sized(case)
    wanted = case["external_senior"]
    got = clear(claims, assets, debts, seniority="external-senior")
    near(got.recovery * claims.sum(axis=0), wanted["interbank_payments"], size)
    short = np.flatnonzero(got.is_defaulted & (claims.sum(axis=0) > 0))
    assert short.tolist() == wanted["defaulted_or_short"]


@each("cascade")
@pytest.mark.parametrize("tie", ["below_zero", "at_zero"])
def test_cascades(case, tie):
    claims, wanted = exposures(case), case[tie]
    got = cascade(
        claims, case["equity"], case["shock"], recovery_rate=case["recovery_rate"], default_at_zero=tie == "at_zero"
    )
    assert got.wave.tolist() == wanted["wave"]
    largest = max(float(claims.max()), *np.abs(case["equity"]), *case["shock"])
    assert_allclose(got.equity, wanted["equity"], rtol=1e-12, atol=1e-12 * largest)
    assert_allclose(got.loss, np.subtract(case["equity"], wanted["equity"]), rtol=1e-12, atol=1e-12 * largest)


@each("debtrank")
@pytest.mark.parametrize("kind", ["linear", "single_hit", "nonlinear_1", "nonlinear_4"])
def test_debtranks(case, kind):
    variant, _, alpha = kind.replace("single_hit", "single-hit").partition("_")
    got = debtrank(
        exposures(case),
        case["equity"],
        case["shock"],
        variant=variant,
        alpha=float(alpha or 0.0),
        recovery_rate=case["recovery_rate"],
    )
    assert_allclose(got.stress, case[kind]["stress"], atol=1e-9)
    assert got.debtrank == pytest.approx(case[kind]["debtrank"], abs=1e-9)


@each("valuation")
@pytest.mark.parametrize("name", list(cases("valuation")[0]["equity"]))
def test_valuations(case, name):
    claims, assets, debts, size = sized(case)
    valuation, _, none = name.partition(", ")
    got = revalue(
        claims,
        assets,
        debts,
        valuation=valuation,
        alpha=case["alpha"],
        beta=case["beta"],
        recovery_rate=0.0 if none else case["recovery_rate"],
        volatility=case["volatility"],
        external_assets0=case["external_assets0"],
    )
    near(got.equity, case["equity"][name], size)


@each("fire_sale", "capital")
def test_fire_sales(case):
    holdings, illiquid = np.array(case["holdings"]), np.array(case["illiquid"])
    capital = np.array(case["capital"])
    got = fire_sale(
        holdings,
        capital,
        holdings.sum(axis=1) + illiquid.sum(axis=1) - capital,
        shock=0.0,
        depth=case["depth"],
        impact=case["impact"],
        leverage_limit=case["leverage_limit"],
        leverage_target=case["leverage_target"],
        illiquid_loss=illiquid @ case["illiquid_fall"],
        tol=1e-13,
    )
    assert_allclose(got.price, case["price_after"], atol=1e-9)
    assert_allclose(got.equity, case["capital_after"], rtol=1e-9, atol=1e-9 * holdings.sum())
    kept = (1.0 - got.sold_share)[:, None] * holdings * got.price
    assert_allclose(kept, case["holdings_after"], atol=1e-9 * holdings.sum())


@each("fire_sale", "weights")
def test_one_round_of_leverage_targeting(case):
    assets, debt = np.array(case["assets"]), np.array(case["debt"])
    got = deleveraging(
        np.array(case["weights"]) * assets[:, None],
        assets - debt,
        debt,
        shock=case["shock"],
        depth=1.0 / np.array(case["impact"]),
    )
    assert got.aggregate_vulnerability == pytest.approx(case["aggregate_vulnerability"], rel=1e-9)
    assert_allclose(got.systemicness, case["systemicness"], rtol=1e-9)
    assert_allclose(got.direct_vulnerability, case["direct"], rtol=1e-9)
    assert_allclose(got.indirect_vulnerability, case["indirect"], rtol=1e-9)
    assert_allclose(got.spillover_loss, case["loss"], rtol=1e-9)


@each("cross_holdings")
def test_cross_holdings(case):
    n, shares = len(case["assets"]), case["holdings"]
    holdings = np.zeros((n, n))
    holdings[shares["owner"], shares["owned"]] = shares["share"]
    got = cross_holdings(
        holdings,
        case["assets"],
        failure_threshold=case["failure_threshold"],
        failure_cost=case["failure_cost"],
    )
    assert got.wave.tolist() == case["wave"]
    assert_allclose(got.value, case["value"], rtol=1e-10, atol=1e-10)
    if case["dependency"] is not None:
        assert_allclose(dependency_matrix(holdings), case["dependency"], atol=1e-12)
