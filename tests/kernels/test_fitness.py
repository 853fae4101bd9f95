"""Sums over pairs against the matrix of all pairs."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from sim.kernels.fitness import expected_links


def test_three_banks_by_hand() -> None:
    # x = 0.5 x 0.4 = 0.2, 0.5 x 0.6 = 0.3, 0.3 x 0.4 = 0.12 and so on; z = 10
    lent, owed, out = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.4, 0.6]), np.zeros(2)
    expected_links(lent, owed, 10.0, out)
    # pairs (0,1) x .2, (0,2) x .3, (1,2) x .18, (2,1) x .08; those with bank 0 as debtor count nothing
    chances = [2 / 3, 3 / 4, 1.8 / 2.8, 0.8 / 1.8]
    assert_allclose(out[0], sum(chances), rtol=1e-14)
    assert_allclose(out[1], 0.2 / 9 + 0.3 / 16 + 0.18 / 2.8**2 + 0.08 / 1.8**2, rtol=1e-14)


def test_sums_are_those_of_the_matrix() -> None:
    rng = np.random.default_rng(2)
    lent, owed, out = rng.random(40), rng.random(40), np.zeros(2)
    expected_links(lent, owed, 3.0, out)
    x = np.outer(lent, owed)
    np.fill_diagonal(x, 0.0)
    assert_allclose(out, [(3 * x / (1 + 3 * x)).sum(), (x / (1 + 3 * x) ** 2).sum()], rtol=1e-13)
