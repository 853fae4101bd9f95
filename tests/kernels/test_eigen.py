"""Triangles of M-matrices and Collatz quotients: by hand, against exact fractions, next to singular."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from sim.arrays import csr
from sim.kernels.eigen import factor, quotients, solve, solve_transposed


def dense(off, excess):
    """Return the matrix itself: column sums `excess`, minus `off` elsewhere."""
    matrix = -np.array(off)
    np.fill_diagonal(matrix, 0.0)
    return matrix + np.diag(excess - matrix.sum(axis=0))


def exact(matrix, right):
    """Solve in rational numbers by Gauss-Jordan."""
    n = len(right)
    rows = [[Fraction(float(x)) for x in row] + [Fraction(float(b))] for row, b in zip(matrix, right, strict=True)]
    for k in range(n):
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[n] for row in rows]


def test_three_by_hand():
    # P = [[2, -1, 0], [-1, 4, -1], [0, -1, 3]], column sums (1, 2, 2)
    # d0 = 1 + 1 = 2; l10 = 1/2; u1 = 2 + 1 * 1/2 = 5/2; d1 = 5/2 + 1 = 7/2; l21 = 2/7; u2 = 2 + 1 * (5/2)/(7/2) = 19/7
    off = np.array([[9.0, 1.0, 0.0], [1.0, 9.0, 1.0], [0.0, 1.0, 9.0]])
    excess, pivot = np.array([1.0, 2.0, 2.0]), np.empty(3)
    factor(off, excess, pivot)
    assert_allclose(pivot, [2.0, 3.5, 19 / 7], rtol=1e-15)
    assert_allclose(off[[1, 2, 2], [0, 0, 1]], [0.5, 0.0, 2 / 7], rtol=1e-15)
    assert_allclose(off[[0, 0, 1], [1, 2, 2]], [1.0, 0.0, 1.0], rtol=1e-15)


def test_random_systems_in_every_component():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 6, 11):
        off = rng.integers(0, 9, (n, n)) / 8.0
        excess = rng.integers(1, 9, n) / 2.0 ** rng.integers(0, 30)  # down to next to singular
        np.fill_diagonal(off, 0.0)
        columns = off.sum(axis=0) + excess
        matrix = np.diag(columns) - off
        right = rng.integers(0, 5, (n, 3)) * 1.0
        right[0] = 1.0
        triangles, pivot = off.copy(), np.empty(n)
        factor(triangles, excess.copy(), pivot)
        got, turned = right.copy(), right[:, 0].copy()
        solve(triangles, pivot, got)
        solve_transposed(triangles, pivot, turned)
        for lane in range(3):
            assert_allclose(got[:, lane], [float(x) for x in exact(matrix, right[:, lane])], rtol=1e-13)
        assert_allclose(turned, [float(x) for x in exact(matrix.T, right[:, 0])], rtol=1e-13)


def test_quotients_by_hand():
    # B = diag(2, 1/2) [[0, 3], [4, 0]], x = (1, 2): B x = (12, 2), quotients 12 and 1; second lane all scaled
    net = csr([[0.0, 3.0], [4.0, 0.0]])
    scale = np.array([[2.0, 1.0], [0.5, 1.0]])
    x = np.array([[1.0, 1.0], [2.0, 1.0]])
    image, low, high = np.empty((2, 2)), np.empty(2), np.empty(2)
    quotients(net.indptr, net.indices, net.weights, scale, x, image, low, high)
    assert_array_equal(image, [[12.0, 3.0], [2.0, 4.0]])
    assert low.tolist() == [1.0, 3.0]
    assert high.tolist() == [12.0, 4.0]
