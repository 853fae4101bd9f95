"""Money columns as one block."""

from __future__ import annotations

import numpy as np

from sim.kernels.books import add_money, deepest, totals, widest_gap


def test_net_worth_by_hand() -> None:
    # two agents and one sector (row 2): an asset of 3 and 4 on the sector, a debt of 1 and 2 without another side
    money = np.array([[[3.0], [4.0], [0.0]], [[1.0], [2.0], [0.0]]])
    worth = np.zeros((3, 1))
    add_money(money, np.array([1.0, -1.0]), np.array([2, -1]), worth)
    np.testing.assert_array_equal(worth[:, 0], [2.0, 2.0, -7.0])


def test_totals_are_sums_in_row_order() -> None:
    money = np.random.default_rng(1).lognormal(0.0, 9.0, (4, 31, 3))
    found = np.empty((4, 3))
    totals(money, found)
    expected = np.zeros((4, 3))
    for row in range(31):
        expected += money[:, row]
    np.testing.assert_array_equal(found, expected)


def test_the_widest_gap_of_each_lane() -> None:
    gap = np.array([0.0, 5.0, 0.0])
    widest_gap(np.array([[1.0, 1.0, 1.0], [2.0, 2.0, np.nan]]), np.array([[1.0, 0.0, 1.0], [4.0, 2.0, 2.0]]), gap)
    np.testing.assert_array_equal(gap, [2.0, 5.0, np.inf])


def test_how_far_below_zero() -> None:
    depth = np.zeros(4)
    deepest(np.array([[1.0, -2.0, 0.0, np.nan], [3.0, -1.0, -0.0, 1.0]]), depth)
    np.testing.assert_array_equal(depth, [0.0, 2.0, 0.0, np.inf])
