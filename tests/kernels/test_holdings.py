"""Holdings valued, and sold, against plain NumPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.holdings import hand_over, mark, sell_units, sold_volume, value_holdings


def test_a_holding_by_hand() -> None:
    # 10 pieces of which 60 % are marked to market, at a price of 0.5: 10 * (0.6 * 0.5 + 0.4) in the books, 5 to sell
    units, price = np.full((1, 1, 1), 10.0), np.full((1, 1), 0.5)
    book, market = np.empty((1, 1)), np.empty((1, 1))
    value_holdings(units, np.array([[0.6]]), price, book, market)
    assert book[0, 0] == pytest.approx(7.0, rel=1e-15)
    assert market[0, 0] == 5.0


def test_a_sale_by_hand() -> None:
    # half of 8 pieces at 0.9 and none of what has no market; the issuer of the first asset sells none of its own
    units = np.array([[[8.0], [4.0]], [[-8.0], [2.0]]])
    share, price = np.array([[0.5], [1.0]]), np.array([[0.9], [1.0]])
    sold, proceeds = np.full(units.shape, np.nan), np.full(share.shape, np.nan)
    sell_units(units, share, np.array([True, False]), True, price, sold, proceeds)
    np.testing.assert_array_equal(sold[:, :, 0], [[4.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(proceeds[:, 0], [4.0 * 0.9, 0.0])


@pytest.mark.parametrize("issuing", [False, True])
def test_sales_are_those_of_plain_arrays_to_the_last_bit(issuing: bool) -> None:
    random = np.random.default_rng(3)
    units = random.normal(5.0, 4.0, (7, 4, 24))
    share, price = random.uniform(0.0, 1.0, (7, 24)), random.uniform(0.3, 1.2, (4, 24))
    traded = np.array([True, False, True, True])
    offered = np.maximum(units, 0.0) if issuing else units
    expected = offered * share[:, None] * traded[None, :, None]
    sold, proceeds = np.empty(units.shape), np.empty(share.shape)
    sell_units(units, share, traded, issuing, price, sold, proceeds)
    np.testing.assert_array_equal(sold, expected)
    by_hand = np.zeros(share.shape)
    for asset in range(4):
        by_hand += expected[:, asset] * price[asset]
    np.testing.assert_array_equal(proceeds, by_hand)
    volume, column = np.empty(price.shape), np.zeros(price.shape)
    sold_volume(units, share, traded, issuing, price, volume)
    for row in expected:
        column += row
    np.testing.assert_array_equal(volume, column * price)


def test_pieces_handed_over_by_hand() -> None:
    # 4 of 10 pieces, half of them marked at 0.8 and half at cost, are sold at 0.7: 4 * 0.9 leave the books, 2.8 is paid
    units, books, loss = np.full((1, 1, 1), 10.0), np.full((1, 1), 9.0), np.full((1, 1), 1.0)
    paid, bought = np.full((1, 1), np.nan), np.full((1, 1), np.nan)
    sold, fair, market, price = np.full((1, 1, 1), 4.0), np.array([[0.5]]), np.array([[0.8]]), np.array([[0.7]])
    hand_over(sold, fair, market, price, units, books, loss, paid, bought)
    assert [x.item() for x in (units, bought)] == [6.0, 4.0]
    assert [x.item() for x in (books, loss, paid)] == pytest.approx([5.4, 4.6, 2.8], rel=1e-15)


def test_pieces_handed_over_and_marked_are_those_of_plain_arrays_to_the_last_bit() -> None:
    random = np.random.default_rng(6)
    units, sold = random.normal(5.0, 4.0, (2, 9, 3, 16))
    fair, market, price = random.uniform(size=(9, 3)), *random.uniform(0.3, 1.2, (2, 3, 16))
    books, loss = random.normal(size=(2, 9, 16))
    paid, bought = np.empty((9, 16)), np.empty((3, 16))
    expected = [x.copy() for x in (units - sold, books, loss, np.zeros((9, 16)), np.zeros((3, 16)))]
    for asset in range(3):
        share = fair[:, asset, None]
        stood = sold[:, asset] * (share * market[asset] + (1.0 - share))
        expected[1], expected[2] = expected[1] + -stood, expected[2] + stood
        expected[3] += sold[:, asset] * price[asset]
        for row in sold[:, asset]:
            expected[4][asset] += row
    hand_over(sold, fair, market, price, units, books, loss, paid, bought)
    for found, value in zip((units, books, loss, paid, bought), expected, strict=True):
        np.testing.assert_array_equal(found, value)
    for asset in range(3):
        gain = units[:, asset] * fair[:, asset, None] * price[asset]
        expected[1], expected[2] = expected[1] + gain, expected[2] + -gain
    mark(units, fair, price, books, loss)
    np.testing.assert_array_equal(books, expected[1])
    np.testing.assert_array_equal(loss, expected[2])
