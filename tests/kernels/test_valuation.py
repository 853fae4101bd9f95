"""Valuations of one claim: by hand, against quadrature, their limits, and their slopes."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.kernels.exante import EXANTE, exante_value
from sim.kernels.valuation import (
    EISENBERG_NOE,
    FURFINE,
    LINEAR_DEBTRANK,
    ROGERS_VERAART,
    VALUATIONS,
    nonlinear_value,
    value,
    value_of,
    value_slope,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def column(*values):
    return np.array(values, dtype=float)[:, None].repeat(2, axis=1)


def valued(kind, equity, *, equity0=10.0, external=0.0, inside=0.0, debt=1.0, alpha=1.0, beta=1.0, rho=0.0, fails=None):
    """Value claims on agents that differ in equity (and whatever else is a list)."""
    n = len(equity)
    full = [column(*np.broadcast_to(v, n)) for v in (equity, equity0, external, inside, debt)]
    failed = (full[0] < 0.0) if fails is None else column(*np.broadcast_to(fails, n)) > 0
    out = np.full((n, 2), np.nan)
    value(kind, failed.astype(float), *full, alpha, beta, rho, out)
    assert (out[:, 0] == out[:, 1]).all()
    return out[:, 0].tolist()


def test_codes():
    assert list(VALUATIONS.values()) == [EISENBERG_NOE, ROGERS_VERAART, FURFINE, LINEAR_DEBTRANK] == [0, 1, 2, 3]


def test_clearing_valuations():
    # failed: (2 + 3) of 10; (2 / 2 + 3 / 4) of 10; capped at 0 and 1; nothing owed; not failed
    assert valued(0, [-5, 5], external=2, inside=3, debt=10) == [0.5, 1.0]
    assert valued(1, [-5, 5], external=2, inside=3, debt=10, alpha=0.5, beta=0.25) == [0.175, 1.0]
    assert valued(1, [-1, -1, -1, -1], external=[-9, 9, 9, -9], inside=[5, 5, 5, 9.5], debt=[10, 10, 0, 1]) == [
        0.0,
        1.0,
        1.0,
        0.5,
    ]
    # exogenous recovery plays no part
    assert valued(0, [-5], external=2, inside=3, debt=10, rho=0.9) == [0.5]


def test_furfine():
    assert valued(2, [-1e-300, 0.0, 3.0], rho=0.25) == [0.25, 1.0, 1.0]
    assert valued(2, [0.0, 3.0], rho=0.25, fails=[1, 1]) == [0.25, 0.25]


def test_linear_debtrank():
    # stress of 10 -> 10, 12, 7.5, 0, -3: 0, 0, 1/4, 1, 1
    assert valued(3, [10, 12, 7.5, 0, -3]) == [1, 1, 0.75, 0, 0]
    assert valued(3, [10, 12, 7.5, 0, -3], rho=0.5) == [1, 1, 0.875, 0.5, 0.5]
    # without equity to begin with only failure counts; who has failed is stressed whatever its equity
    assert valued(3, [-1, 1, 1], equity0=[-1, 0, -1], fails=[1, 0, 0]) == [0, 1, 1]
    assert valued(3, [9.0], fails=[1]) == [0]


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_the_slope_is_the_left_derivative(kind):
    # agents: fails inside the range, fails with nothing, survives, at the start, ruined, without equity to begin with
    external, inside = column(1, -9, 5, 6, -6, -4), column(4, 4, 4, 4, 4, 4)
    debt, equity0 = column(8, 8, 8, 1, 1, 4), column(6, 6, 6, 9, 9, 0)
    beta, rho, step = 0.5, 0.25, 2.0**-20
    states = []
    for moved in (inside, inside - step):
        equity = external + moved - debt
        out = np.empty_like(equity)
        fails = (external + inside - debt < 0.0).astype(float)
        value(kind, fails, equity, equity0, external, moved, debt, 1.0, beta, rho, out)
        states.append((equity, out, fails))
    (equity, worth, fails), (_, lower, _) = states
    slope = np.full_like(equity, np.nan)
    value_slope(kind, fails, equity, equity0, worth, debt, beta, rho, slope)
    assert_allclose(slope, (worth - lower) / step, atol=1e-9)
    if kind in (0, 1):
        assert slope[:, 0].tolist() == [0.0625, 0, 0, 0, 0, 0]
    if kind == 2:
        assert not slope.any()
    if kind == 3:
        assert_allclose(slope[:, 0], [0, 0, 0.125, 0.75 / 9, 0, 0])


def test_the_slope_ends_where_the_value_does():
    # at the starting equity linear DebtRank already falls, above it and at zero it does not
    slope = np.empty((4, 2))
    equity, worth = column(9, 9.5, 0, 4), column(1, 1, 0, 4 / 9)
    value_slope(3, np.zeros((4, 2)), equity, column(9, 9, 9, 9), worth, column(1, 1, 1, 1), 1.0, 0.0, slope)
    assert_allclose(slope[:, 0], [1 / 9, 0, 0, 1 / 9])


def nonlinear(equity, alpha, rho=0.0, equity0=10.0, fails=None):
    full = column(*equity)
    failed = full < 0.0 if fails is None else column(*fails) > 0
    out = np.empty_like(full)
    nonlinear_value(failed.astype(float), full, np.full_like(full, equity0), alpha, rho, out)
    return out[:, 0]


def test_nonlinear_debtrank():
    equity = [10, 12, 7.5, 5, 0, -3]
    assert nonlinear(equity, 0.0).tolist() == valued(3, equity)
    # h = 1/4 and 1/2: p = h exp(2 (h - 1))
    expected = [0, 0, 0.25 * math.exp(-1.5), 0.5 * math.exp(-1), 1, 1]
    assert_allclose(nonlinear(equity, 2.0), 1 - np.array(expected), rtol=1e-15)
    assert_allclose(nonlinear(equity, 2.0, rho=0.5), 1 - np.array(expected) / 2, rtol=1e-15)
    assert nonlinear(equity, 1e9).tolist() == [1, 1, 1, 1, 0, 0]
    assert nonlinear([1, -1, 0], 1.0, equity0=-1.0).tolist() == [1, 0, 1]
    assert nonlinear([9.0], 1.0, fails=[1]).tolist() == [0]


# ------------------------------------------------------------------------------------------------------------- ex ante


def exante(name, equity, external=10.0, debt=12.0, volatility=0.2, rho=0.6):
    n = len(equity)
    full = [column(*np.broadcast_to(v, n)) for v in (equity, external, debt, volatility)]
    out = np.full((n, 2), np.nan)
    exante_value(EXANTE[name], *full, rho, out)
    assert (out[:, 0] == out[:, 1]).all()
    return out[:, 0]


def phi(x):
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def test_black_cox_by_hand():
    # E = 1 of e = 10: u = 0.9
    d, s = math.log(0.9), 0.2
    pd = phi((d + s * s / 2) / s) + phi((d - s * s / 2) / s) / 0.9
    assert_allclose(exante("exante-black-cox", [1.0]), 1 - 0.4 * pd, rtol=1e-14)
    assert_allclose(exante("exante-black-cox", [0.0, -1.0, 10.0, 11.0]), [0.6, 0.6, 1, 1])
    # no jump: the chance of passage tends to one as equity vanishes and to zero as debt does
    assert_allclose(exante("exante-black-cox", [1e-12, 10 - 1e-9], rho=0.0), [0.0, 1.0], atol=1e-10)


def test_merton_by_hand():
    # E = 1, e = 10, debt 4: k1 = 0.9, k0 = 0.5
    d1, d0, s = math.log(0.9), math.log(0.5), 0.2
    pd, pd0 = phi((d1 + s * s / 2) / s), phi((d0 + s * s / 2) / s)
    left = phi((d1 - s * s / 2) / s) - phi((d0 - s * s / 2) / s)
    expected = 1 - pd + 0.6 * (10 / 4) * (left - 0.5 * (pd - pd0))
    assert_allclose(exante("exante-merton", [1.0], debt=4.0), expected, rtol=1e-14)
    # debt above assets: something is always recovered
    expected = 1 - pd + 0.6 * (10 / 12) * (phi((d1 - s * s / 2) / s) + 0.3 * pd)
    assert_allclose(exante("exante-merton", [1.0]), expected, rtol=1e-14)
    assert_allclose(exante("exante-merton", [10.0, 30.0, -1e6]), [1, 1, 0], atol=1e-15)


def test_without_volatility_only_the_present_counts():
    for calm in ({"volatility": 0.0}, {"external": 0.0}, {"external": -1.0}):
        assert exante("exante-black-cox", [0.0, 1.0, -1.0], **calm).tolist() == [1, 1, 0.6]
        assert_allclose(exante("exante-merton", [0.0, 1.0, -3.0, -13.0], **calm), [1, 1, 0.6 * 0.75, 0])
    assert exante("exante-merton", [-1.0], debt=0.0).tolist() == [1]
    assert_allclose(exante("exante-merton", [-3.0, 1.0], volatility=1e-6), [0.6 * 0.75, 1.0], rtol=1e-6)


def test_quadrature():
    if not (SHARED / "oracles.py").is_file():
        pytest.skip("no reference data: the optional folder 'shared' does not lie beside the repository")
    spec = importlib.util.spec_from_file_location("valuation_oracles", SHARED / "oracles.py")
    oracles = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracles)
    rng = np.random.default_rng(2)
    for _ in range(60):
        e, debt, sigma, rho = rng.uniform(1, 20), rng.uniform(0.5, 30), rng.uniform(0.01, 0.6), rng.random()
        equity = rng.uniform(-1.2 * debt, 1.1 * e, 5)
        both = {"external": e, "debt": debt, "volatility": sigma, "rho": rho}
        merton, cox = oracles.V_merton(e, debt, rho, sigma), oracles.V_blackcox(e, rho, sigma)
        assert_allclose(exante("exante-merton", equity, **both), [merton(v) for v in equity], atol=1e-11)
        assert_allclose(exante("exante-black-cox", equity, **both), [cox(v) for v in equity], atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(1e-3, 2.0), st.floats(0, 1), st.sampled_from(sorted(EXANTE))
)
def test_values_rise_with_equity_within_bounds(external, debt, volatility, rho, name):
    equity = np.linspace(-1.5 * debt, 1.2 * external, 101)
    found = exante(name, equity, external, debt, volatility, rho)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (np.diff(found) >= -1e-12 * max(1.0, external / debt)).all()
    assert (exante(name, equity, external, debt, volatility, min(1.0, rho + 0.1)) >= found).all()


# ----------------------------------------------------------------------------------------------------- users' functions


def by_leverage(equity, equity0, external_assets, debt, params):
    return params[0] * equity + 10 * equity0 + 100 * external_assets + 1000 * debt + params[1]


def test_a_function_sees_its_own_agent_and_lane():
    each = value_of(by_leverage)
    assert value_of(by_leverage) is each  # compiled once
    equity = np.array([[1.0, 2.0], [3.0, 4.0]])
    out = np.empty((2, 2))
    each(equity, column(1, 2), column(3, 4), column(5, 6), np.array([[1.0, 0.5], [2.0, 0.25]]), out)
    assert out.tolist() == [[5311.5, 5312.5], [6426.25, 6428.25]]
