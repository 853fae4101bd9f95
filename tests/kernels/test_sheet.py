"""Balance sheets added up, sales decided, failures told: by hand, and against plain NumPy to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.books import PIECE
from sim.kernels.sheet import add_up, default, deleverage, fail, join, mark_down, restrain, share_out

SHAPES = [(5, 8), (5, PIECE), (3, PIECE + 8), (400, 24), (PIECE // 8 * 3, 8)]
"""Agents and lanes: less than a piece, one, more than one a row, several with a last one that is short."""


def planes(shape: tuple[int, int], n: int) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.normal(3.0, 9.0, shape) for _ in range(n)]


def test_a_sheet_by_hand() -> None:
    # cash 5 and loans 40, software 7, securities 20 in the books and 18 at the market, 11 lent; 30 and 9 owed to
    # sectors, 12 to others, 2 to the estate, 1 sold on
    money = np.array([5.0, 30.0, 40.0, 9.0])[:, None, None]
    held = tuple(np.array([[x]]) for x in (7.0, 20.0, 18.0, 11.0))
    owed = tuple(np.array([[x]]) for x in (12.0, 2.0, 1.0))
    external, debt, assets, equity = (np.full((1, 1), np.nan) for _ in range(4))
    add_up(money, (np.array([0, 2]), np.array([1, 3])), 1, held, owed, external, debt, assets, equity)
    assert [x.item() for x in (external, debt, assets, equity)] == [70.0, 51.0, 83.0, 29.0]
    # a sector's real assets are not counted
    add_up(money, (np.array([0, 2]), np.array([1, 3])), 0, held, owed, external, debt, assets, equity)
    assert [x.item() for x in (external, assets)] == [63.0, 76.0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("people", [0, 2, None])
def test_sheets_are_those_of_plain_arrays(shape: tuple[int, int], people: int | None) -> None:
    n_people = shape[0] if people is None else people
    money, rest = np.stack(planes(shape, 6)), planes(shape, 7)
    out = [np.full(shape, np.nan) for _ in range(4)]
    add_up(money, (np.array([4, 0, 1]), np.array([2, 5])), n_people, tuple(rest[:4]), tuple(rest[4:]), *out)
    plain = money[4] + money[0] + money[1]
    plain[:n_people] += rest[0][:n_people]
    debt = rest[4] + (money[2] + money[5])
    assets = plain + rest[1] + rest[3]
    for found, expected in zip(out, (plain + rest[2], debt, assets, assets - debt - rest[5] - rest[6]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_sales_by_hand() -> None:
    # leverage 25 allowed, 20 aimed at: 130 of assets on 5 sells 30 of 60; 125 is at the limit; nobody without equity
    # or markets divides by them
    assets = np.array([[130.0, 125.0, 130.0, 90.0, 130.0]])
    equity = np.array([[5.0, 5.0, 5.0, -1.0, 5.0]])
    there = np.array([[60.0, 60.0, 0.0, 60.0, 10.0]])
    sell, limit, target = np.full((1, 5), np.nan), np.array([[25.0]]), np.array([[20.0]])
    deleverage(assets, equity, there, limit, target, True, sell)
    assert sell.tolist() == [[0.5, 0.0, 0.0, 1.0, 1.0]]
    deleverage(assets, equity, there, np.full((1, 5), 25.0), np.full((1, 5), 20.0), False, sell)
    assert sell.tolist() == [[0.5, 0.0, 0.0, 0.0, 1.0]]


def test_sales_are_those_of_plain_arrays() -> None:
    assets, equity, there, high, aim = (np.abs(x) for x in planes((50, 24), 5))
    equity = planes((50, 24), 1)[0] * 0.2
    there[::7] = 0.0
    sell = np.empty(assets.shape)
    deleverage(assets, equity, there, high, aim, True, sell)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.minimum(1.0, np.maximum(0.0, (assets - aim * equity) / there))
    expected = np.where(equity > 0.0, np.where(assets > high * equity, share, 0.0), 1.0)
    np.testing.assert_array_equal(sell, np.where(there > 0.0, expected, 0.0))


@pytest.mark.parametrize("at_zero", [False, True])
def test_failures_by_hand(at_zero: bool) -> None:
    # healthy; at zero; below; below from the start, unchanged and lower; ordered; cleared already; a fund
    equity = np.array([3.0, 0.0, -1.0, -2.0, -3.0, 3.0, -1.0, -1.0])[:, None]
    start = np.array([5.0, 5.0, 5.0, -2.0, -2.0, 5.0, 5.0, 5.0])[:, None]
    ordered, alive = np.zeros((8, 1)), np.ones((8, 1))
    ordered[5], alive[6] = 1.0, 0.0
    failed = np.empty((8, 1), dtype=np.bool_)
    fail(equity, start, ordered, alive, 7, at_zero, failed)
    assert failed[:, 0].tolist() == [False, at_zero, True, False, True, True, False, False]


def test_values_are_marked_down_and_never_up() -> None:
    worth = np.array([[1.0, 0.6, 1.0], [0.8, 0.8, 0.8], [1.0, 1.0, 1.0]])
    value = np.array([[0.5, 0.9, 0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])
    alive = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    mark_down(worth, alive, np.array([1.0, 1.0, 0.0]), 2, value)
    assert value.tolist() == [[0.5, 0.6, 1.0], [0.8, 0.5, 0.8], [1.0, 1.0, 1.0]]


@pytest.mark.parametrize("baseline", [False, True])
def test_only_who_has_lost_something_sells(baseline: bool) -> None:
    # below, at and above where it began; the channel is off in the last lane
    equity, start = np.array([[4.0, 4.0]] * 3), np.array([[5.0, 5.0], [4.0, 4.0], [3.0, 3.0]])
    sell, out = np.full((3, 2), 0.25), np.full((3, 2), np.nan)
    restrain(sell, equity, start, baseline, np.array([1.0, 0.0]), out)
    others = 0.0 if baseline else 0.25
    assert out.tolist() == [[0.25, 0.0], [others, 0.0], [others, 0.0]]


def test_proceeds_go_where_cash_was_wanted_and_then_to_debt() -> None:
    # a bank that wanted 3 of 10; one that wanted 10 of 3; an insolvent one; a fund, which retires no debt
    proceeds, equity = np.array([[10.0], [3.0], [10.0], [10.0]]), np.array([[1.0], [1.0], [-1.0], [1.0]])
    wanted, left = np.array([[3.0], [10.0], [3.0], [3.0]]), np.full((4, 1), np.nan)
    share_out(proceeds, equity, (0, 3), wanted, left)
    assert left[:, 0].tolist() == [7.0, 0.0, 0.0, 0.0]
    assert wanted[:, 0].tolist() == [0.0, 7.0, 0.0, 0.0]
    share_out(proceeds, equity, (1, 4), wanted, left)
    assert left[:, 0].tolist() == [0.0, 0.0, 0.0, 10.0]


def test_groups_are_joined() -> None:
    out = np.zeros((1, 4), dtype=np.bool_)
    join(np.array([[True, True, False, False]]), np.array([[1.0, 0.0, 1.0, 0.0]]), out)
    assert out.tolist() == [[True, True, True, False]]


def test_who_fails_is_in_default_from_then_on_where_the_channel_acts() -> None:
    failing = np.array([[True, True], [False, False], [False, False]])
    defaulted = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    default(failing, np.array([1.0, 0.0]), defaulted)
    assert failing.tolist() == [[True, False], [False, False], [False, False]]
    assert defaulted.tolist() == [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
