"""Elimination without subtractions: exact to the last digits where ordinary elimination loses them all."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.kernels.linear import solve_leaky


def solved(off, slack, rhs, free=None):
    """Return solution and number of closed circles; the inputs are copied, as they are used up."""
    m = len(rhs)
    x = np.full(m, np.nan)
    off = np.array(off, dtype=float)
    np.fill_diagonal(off, np.nan)  # never read
    free = np.ones(m) if free is None else np.array(free, dtype=float)
    closed = solve_leaky(off, np.array(slack, dtype=float), np.array(rhs, dtype=float), free, x)
    return x, closed


def rational(off, slack, rhs):
    """Return the solution in exact arithmetic."""
    m = len(rhs)
    rows = []
    for i in range(m):
        diagonal = Fraction(float(slack[i])) + sum(Fraction(float(off[k][i])) for k in range(m) if k != i)
        rows.append([diagonal if i == j else -Fraction(float(off[i][j])) for j in range(m)] + [Fraction(float(rhs[i]))])
    for k in range(m):
        for i in range(m):
            if i != k and rows[i][k]:
                share = rows[i][k] / rows[k][k]
                rows[i] = [a - share * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [float(rows[k][m] / rows[k][k]) for k in range(m)]


def test_two_agents_by_hand():
    # 0 pays 3 to 1 and 1 outside, 1 pays 2 to 0 and 4 outside: 4 x0 = 5 + 2 x1, 6 x1 = 1 + 3 x0
    x, closed = solved([[0, 2], [3, 0]], [1, 4], [5, 1])
    assert_allclose(x, [32 / 18, 19 / 18], rtol=1e-15)
    assert closed == 0


def test_one_agent_and_none():
    assert solved([[0]], [4], [1])[0].tolist() == [0.25]
    assert solved(np.zeros((0, 0)), [], [])[0].size == 0


@pytest.mark.parametrize("leak", [1.0, 1e-6, 1e-12, 1e-300])
def test_a_ring_that_hardly_leaks(leak):
    # each passes 1 on and leaks, each has half its leak: (1 + leak) x = leak / 2 + x
    off = np.roll(np.eye(30), 1, axis=0)
    x, closed = solved(off, np.full(30, leak), np.full(30, leak / 2))
    assert_allclose(x, 0.5, rtol=1e-13)
    assert closed == 0


@pytest.mark.parametrize("decades", [0, 12, 60])
def test_every_component_is_accurate(decades):
    rng = np.random.default_rng(decades)
    for _ in range(20):
        m = int(rng.integers(2, 12))
        off = rng.random((m, m)) * (rng.random((m, m)) < 0.6) * 10.0 ** rng.uniform(-decades, 0, (m, m))
        np.fill_diagonal(off, 0.0)
        slack = rng.random(m) * 10.0 ** rng.uniform(-decades, 0, m)
        rhs = rng.random(m) * 10.0 ** rng.uniform(-decades, 0, m) * (rng.random(m) < 0.8)
        x, closed = solved(off, slack, rhs)
        assert_allclose(x, rational(off, slack, rhs), rtol=1e-14)
        assert closed == 0


def test_right_hand_sides_of_both_signs():
    rng = np.random.default_rng(1)
    off, slack, rhs = rng.random((8, 8)), rng.random(8), rng.standard_normal(8)
    np.fill_diagonal(off, 0.0)
    assert_allclose(solved(off, slack, rhs)[0], rational(off, slack, rhs), rtol=1e-12)


def test_closed_circles_take_the_level_they_are_given():
    # 0 and 1 owe each other 2 and 2, 2 and 3 owe 4 and 1 ... x3 is free, 4 x2 = 1 * x3 with amounts 4 and 1
    off = np.zeros((5, 5))
    off[1, 0] = off[0, 1] = 2.0
    off[3, 2], off[2, 3] = 4.0, 4.0
    x, closed = solved(off, [0, 0, 0, 0, 8], [0, 0, 0, 0, 2], [9, 0.5, 9, 0.75, 9])
    assert x.tolist() == [0.5, 0.5, 0.75, 0.75, 0.25]
    assert closed == 2


def test_sums_run_in_a_fixed_order():
    # the pivot of 0 is 1 + 2^-53 + 2^-53 in this order, which rounds to 1
    tiny = 2.0**-53
    off = np.zeros((3, 3))
    off[1, 0] = off[2, 0] = tiny
    assert solved(off, [1, 1, 1], [1, 0, 0])[0][0] == 1.0
