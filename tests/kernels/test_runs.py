"""Kernels of runs, coverage and collateral, against the formulas written out."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose
from scipy.stats import norm

from sim.kernels.runs import coverage_ratio, flee, gone, leaving, pledgeable

RNG = np.random.default_rng(3)


def test_who_leaves():
    n, lanes = 5, 9
    belief0 = RNG.uniform(0.0, 3.0, n)
    belief = np.ascontiguousarray(belief0[:, None] - RNG.uniform(-1.0, 6.0, (n, lanes)))
    line, hazard, service = RNG.uniform(-1.0, 1.0, n), RNG.uniform(0.0, 1.0, n), RNG.uniform(0.0, 1.0, (n, lanes))
    out = np.empty((n, lanes))
    leaving(belief, norm.cdf(5.0 * (line - belief0)), line, 5.0, hazard, service, out)
    runs = norm.cdf(5.0 * (line[:, None] - belief)) - norm.cdf(5.0 * (line - belief0))[:, None]
    expected = service * (1.0 - np.exp(-hazard[:, None] * np.maximum(0.0, runs)))
    assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    assert (out == 0.0).any()
    assert (out > 0.1).any()


def test_where_they_go():
    n, lanes = 4, 8
    asked = tuple(RNG.uniform(0.0, 2.0, (n, lanes)) for _ in range(3))
    held = tuple(RNG.uniform(1.0, 2.0, (n, lanes)) for _ in range(3))
    opened, weight = np.ones((n, lanes)), np.array([1.0, 2.0, 3.0, 4.0])
    opened[1, 3] = 0.0
    belief, belief0 = np.zeros((n, lanes)), np.zeros((n, lanes))
    belief0[2], belief0[3, :2], belief0[:, 7] = 0.4, 0.5, 9.0
    cash, paid, refuge, pools = RNG.uniform(5.0, 9.0, (n, lanes)), np.empty((3, n, lanes)), np.empty((n, lanes)), None
    pools, before = np.empty((3, lanes)), cash.copy()
    flee(asked, held, opened, weight, belief, belief0, 0.5, cash, paid, refuge, pools)
    for segment in range(3):
        assert_allclose(paid[segment], np.minimum(asked[segment], held[segment]) * opened)
    assert_allclose(before - cash, paid.sum(axis=0), rtol=1e-12)
    assert_allclose(pools, paid.sum(axis=1), rtol=1e-12)
    assert_allclose(refuge[:, 0], np.array([1.0, 2.0, 3.0, 0.0]) / 6.0)
    assert_allclose(refuge[:, 3], np.array([1.0, 0.0, 3.0, 4.0]) / 8.0)
    assert (refuge[:, 7] == 0.0).all()


def test_coverage_and_collateral():
    n, assets, lanes = 3, 4, 8
    units, price = RNG.uniform(-1.0, 5.0, (n, assets, lanes)), RNG.uniform(0.5, 1.2, (assets, lanes))
    cash, pledged = RNG.uniform(0.0, 2.0, (n, lanes)), RNG.uniform(0.0, 1.0, (n, lanes))
    first, second = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.85, 0.5, 0.0])
    out, coming = RNG.uniform(0.0, 4.0, (n, lanes)), RNG.uniform(0.0, 6.0, (n, lanes))
    out[0, 0] = 0.0
    liquid, net, ratio = (np.empty((n, lanes)) for _ in range(3))
    caps = np.array([0.4, 0.75, 100.0])
    coverage_ratio(cash, units, price, pledged, first, second, caps, out, coming, liquid, net, ratio)
    held = np.maximum(units, 0.0) * price * (1.0 - pledged)[:, None]
    best, good = cash + held[:, 0], 0.85 * held[:, 1] + 0.5 * held[:, 2]
    assert_allclose(liquid, best + np.minimum(good, 2.0 / 3.0 * best), rtol=1e-12)
    assert_allclose(net, out - np.minimum(coming, 0.75 * out), rtol=1e-12)
    assert ratio[0, 0] == 100.0
    told = np.divide(liquid, net, out=np.full((n, lanes), 100.0), where=net > 0.0)
    assert_allclose(ratio, np.minimum(100.0, told), rtol=1e-12)
    haircut, extra, raised = np.array([0.02, 0.5, 1.0, 0.9]), RNG.uniform(0.0, 0.3, (n, lanes)), np.empty((n, lanes))
    pledgeable(units, price, haircut, 0.2, extra, raised)
    cut = haircut[None, :, None] + 0.2 * np.maximum(0.0, 1.0 - price)[None] + extra[:, None]
    keeps = np.where(haircut[None, :, None] < 1.0, np.maximum(0.0, 1.0 - cut), 0.0)
    assert_allclose(raised, (np.maximum(units, 0.0) * price * keeps).sum(axis=1), rtol=1e-12)


def test_what_is_gone():
    x = np.array([0.0, 1e-12, 0.1, 3.0])
    gone(x, x)
    assert_allclose(x, -np.expm1(-np.array([0.0, 1e-12, 0.1, 3.0])), rtol=1e-14)
