"""Money columns as one block."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.books import add_money, closure, deepest, is_finite, is_zero, totals, unexplained, widest_gap


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


def test_what_losses_do_not_explain() -> None:
    # the first agent fell by 5, of which 3 and 1.5 are posted; the second rose by 2, which is a negative loss
    before, now = np.array([[10.0, 1.0], [4.0, 1.0]]), np.array([[5.0, 1.0], [6.0, np.nan]])
    loss, gap = np.array([[[3.0, 0.0], [-2.0, 0.0]], [[1.5, 0.0], [0.0, 0.0]]]), np.zeros(2)
    unexplained(before, now, loss, gap)
    np.testing.assert_array_equal(gap, [0.5, np.inf])


@pytest.mark.parametrize("shape", [(300, 11), (2, 1500)])
def test_what_losses_do_not_explain_is_that_of_plain_arrays(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(2)
    before, now = random.normal(size=(2, *shape))
    loss, gap = random.normal(size=(3, *shape)), np.zeros(shape[1])
    unexplained(before, now, loss, gap)
    np.testing.assert_array_equal(gap, np.abs(before - now - loss[0] - loss[1] - loss[2]).max(axis=0))


def test_closure_by_hand() -> None:
    # net worths of 30, 4 marked down, securities 2 above the market in the books, real assets of 32
    worth, provisions = np.array([[20.0], [10.0]]), np.array([[4.0], [0.0]])
    book, market, real = np.array([[9.0], [1.0]]), np.array([[6.0], [2.0]]), np.array([[30.0], [2.0]])
    out = np.full(1, np.nan)
    closure(worth, provisions, book, market, real, out)
    assert out[0] == 0.0


def test_how_far_below_zero() -> None:
    depth = np.zeros(4)
    deepest(np.array([[1.0, -2.0, 0.0, np.nan], [3.0, -1.0, -0.0, 1.0]]), depth)
    np.testing.assert_array_equal(depth, [0.0, 2.0, 0.0, np.inf])


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_found_wherever_it_is(odd: float) -> None:
    assert is_finite(np.zeros((0, 8)))
    for place in ((0, 0), (2, 7), (4, 3)):
        values = np.full((5, 8), 1e308)
        assert is_finite(values)
        values[place] = odd
        assert not is_finite(values)


def test_nothing_is_zero_but_zero() -> None:
    assert is_zero(np.zeros((0, 8)))
    for other in (5e-324, -1.0, np.nan, np.inf):
        values = np.zeros((5, 8))
        values[1, 2] = -0.0
        assert is_zero(values)
        values[4, 7] = other
        assert not is_zero(values)
