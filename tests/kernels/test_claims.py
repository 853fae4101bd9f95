"""Claims valued over all layers: by hand, against plain NumPy to the bit, and what a change of multipliers moves."""

from __future__ import annotations

import numpy as np
import pytest

from sim.arrays import Csr, csr, stacked
from sim.kernels.books import add_columns, add_money, deepest, examine, is_zero, widest_gap
from sim.kernels.claims import layer_debts, roll_layer, value_claims, value_debts, value_layer, value_stocks
from sim.kernels.holdings import appraise, value_issued
from sim.kernels.pull import pull

N, LANES, LAYERS = 7, 11, 3


def pulled(layer: Csr, signal: np.ndarray) -> np.ndarray:
    out = np.empty((layer.n_rows, signal.shape[1]))
    pull(layer.indptr, layer.indices, layer.weights, np.ascontiguousarray(signal), out)
    return out


@pytest.fixture
def book():
    rng = np.random.default_rng(4)
    rows = [csr(np.where(rng.random((N, N)) < 0.4, rng.random((N, N)), 0.0)) for _ in range(LAYERS)]
    scales = rng.random((LAYERS, 2, N, LANES))
    alive = (rng.random((N, LANES)) < 0.8).astype(np.float64)
    return rows, [layer.transposed() for layer in rows], scales, alive, rng.random((N, LANES))


def test_two_banks_by_hand():
    # 0 holds 10 of 1 on one layer and 4 on another; half of the first is repaid, claims on 1 are carried at 0.8
    first, second = csr(np.array([[0.0, 10.0], [0.0, 0.0]])), csr(np.array([[0.0, 4.0], [0.0, 0.0]]))
    scales = np.ones((2, 2, 2, 1))
    scales[0, 1, 1] = 0.5
    alive, worth, out = np.ones((2, 1)), np.array([[1.0], [0.8]]), np.empty((2, 1))
    value_claims(*stacked([first, second], 2), scales, alive, worth, False, out)
    assert out.tolist() == [[9.0], [0.0]]
    value_claims(*stacked([first, second], 2), scales, alive, worth, True, out)
    assert out[:, 0] == pytest.approx([7.2, 0.0])
    value_debts(*stacked([first.transposed(), second.transposed()], 2), scales, alive, out)
    assert out.tolist() == [[0.0], [9.0]]


@pytest.mark.parametrize("carried", [False, True])
def test_all_layers_are_their_sum_to_the_bit(book, carried):
    rows, _, scales, alive, worth = book
    found = np.empty((N, LANES))
    value_claims(*stacked(rows, N), scales, alive, worth, carried, found)
    parts = [
        kept * pulled(layer, drawn * alive * worth if carried else drawn * alive)
        for layer, (kept, drawn) in zip(rows, scales, strict=True)
    ]
    assert (found == parts[0] + parts[1] + parts[2]).all()
    single = np.empty((N, LANES))
    value_layer(*rows[1][:3], scales[1, 0], scales[1, 1], alive, worth, carried, single)
    assert (single == parts[1]).all()


def test_debts_are_the_other_side(book):
    _, columns, scales, alive, _ = book
    found, single = np.empty((N, LANES)), np.empty((N, LANES))
    value_debts(*stacked(columns, N), scales, alive, found)
    parts = [drawn * alive * pulled(layer, kept) for layer, (kept, drawn) in zip(columns, scales, strict=True)]
    assert (found == parts[0] + parts[1] + parts[2]).all()
    layer_debts(*columns[2][:3], scales[2, 0], scales[2, 1], alive, single)
    assert (single == parts[2]).all()


def test_without_layers_nobody_holds_or_owes():
    out = np.full((N, LANES), np.nan)
    value_claims(*stacked([], N), np.empty((0, 2, N, LANES)), np.ones((N, LANES)), np.ones((N, LANES)), True, out)
    assert (out == 0.0).all()
    out[:] = np.nan
    value_debts(*stacked([], N), np.empty((0, 2, N, LANES)), np.ones((N, LANES)), out)
    assert (out == 0.0).all()


@pytest.mark.parametrize("at_face", [False, True])
def test_a_change_of_multipliers_moves_the_difference(book, at_face):
    rows, columns, scales, alive, worth = book
    worth = np.ones((N, LANES)) if at_face else worth
    before, after = tuple(scales[0]), tuple(scales[1])
    lent, borrowed, carried = (np.empty((N, LANES)) for _ in range(3))
    roll_layer(rows[0][:3], columns[0][:3], before, after, alive, worth, lent, borrowed, carried)
    for found, value in ((lent, 1.0), (carried, worth)):
        held = [kept * pulled(rows[0], drawn * alive * value) for kept, drawn in (before, after)]
        assert (found == held[1] - held[0]).all()
    owed = [drawn * alive * pulled(columns[0], kept) for kept, drawn in (before, after)]
    assert (borrowed == owed[1] - owed[0]).all()
    assert lent.sum(axis=0) == pytest.approx(borrowed.sum(axis=0))


def test_stock_is_taken_of_all_layers_to_the_bit(book):
    rows, columns, scales, alive, worth = book
    face, owed, provisions, net = (np.full(shape, np.nan) for shape in ((LAYERS, N, LANES),) * 2 + ((N, LANES),) * 2)
    value_stocks(tuple(stacked(rows, N)), tuple(stacked(columns, N)), scales, alive, worth, face, owed, provisions, net)
    written_down, carried, due = (np.zeros((N, LANES)) for _ in range(3))
    for layer, (kept, drawn) in enumerate(scales):
        held = kept * pulled(rows[layer], drawn * alive)
        assert (face[layer] == held).all()
        assert (owed[layer] == drawn * alive * pulled(columns[layer], kept)).all()
        at_worth = kept * pulled(rows[layer], drawn * alive * worth)
        written_down, carried, due = written_down + (held - at_worth), carried + at_worth, due + owed[layer]
    assert (provisions == written_down).all()
    assert (net == carried - due).all()
    none = np.empty((0, N, LANES))
    value_stocks(
        *(tuple(stacked([], N)), tuple(stacked([], N)), scales[:0], alive, worth),
        *(none, none, provisions, net),
    )
    assert not provisions.any()
    assert not net.any()


def test_zero_is_told_from_everything_else():
    values = np.zeros((3, 9))
    assert is_zero(values)
    assert is_zero(values[:, ::2])
    assert is_zero(np.zeros((0, 4)))
    for odd in (np.nan, np.inf, -1e-320):
        values[2, 8] = odd
        assert not is_zero(values)


def test_some_columns_are_added_in_their_order():
    money = np.random.default_rng(1).random((4, N, LANES))
    out = np.full((N, LANES), 0.1)
    add_columns(money, np.array([3, 0, 2]), out)
    assert (out == ((0.1 + money[3]) + money[0]) + money[2]).all()


def test_what_has_a_market_and_what_is_issued():
    # asset 0 has no market, asset 2 is a share that agent 1 has issued; agent 2 is a sector
    units = np.array([[5.0, 2.0, 1.0], [0.0, 3.0, -4.0], [1.0, 1.0, -9.0]])[:, :, None]
    price, fair, out = np.array([[1.0], [0.5], [2.0]]), np.full((3, 3), 0.5), np.empty((3, 1))
    book, market = np.empty((2, 3, 1))
    appraise(units, fair, price, np.array([False, True, True]), book, market, out)
    assert out[:, 0].tolist() == [3.0, 1.5, 0.5]
    assert market[:, 0].tolist() == [8.0, -6.5, -16.5]
    assert book[:, 0].tolist() == [8.0, -3.75, -11.75]
    value_issued(units, np.array([False, False, True]), price, 2, out)
    assert out[:, 0].tolist() == [0.0, 8.0, 0.0]


@pytest.mark.parametrize("n", [N, 300])
def test_books_are_examined_in_one_pass(n):
    # 300 agents in 11 lanes are more than three pieces, the last of them short
    rng = np.random.default_rng(2)
    money = rng.normal(size=(4, n, LANES))
    books = money + rng.normal(size=money.shape)
    gap, depth, sums = np.zeros(LANES), np.zeros(LANES), np.empty((4, LANES))
    signs, sectors, worth = np.array([1.0, -1.0, 1.0, -1.0]), np.array([n - 1, -1, 0, n - 1]), money[0].copy()
    examine(money, books, signs, sectors, worth, gap, depth, sums)
    alone = money[0].copy()
    add_money(money, signs, sectors, alone)
    assert worth == pytest.approx(alone, rel=1e-14, abs=1e-14)
    assert (gap == np.abs(money - books).max(axis=(0, 1))).all()
    assert (depth == -money.min(axis=(0, 1))).all()
    assert sums == pytest.approx(money.sum(axis=1))
    rows, one, two = money.reshape(-1, LANES), np.zeros(LANES), np.zeros(LANES)
    widest_gap(rows, books.reshape(rows.shape), one)
    deepest(rows, two)
    assert (one == gap).all()
    assert (two == depth).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 3), (3, 299)])
def test_what_is_no_number_is_an_infinite_gap_in_its_lane(odd, place):
    money = np.ones((4, 300, LANES))
    money[(*place, 5)] = odd
    gap, depth, sums = np.zeros(LANES), np.zeros(LANES), np.empty((4, LANES))
    signs, sectors = np.ones(4), np.full(4, -1)
    examine(money, np.ones(money.shape), signs, sectors, np.zeros((300, LANES)), gap, depth, sums)
    assert np.isinf(gap[5])
    assert np.isinf(depth[5])
    assert np.delete(gap, 5).tolist() == np.delete(depth, 5).tolist() == [0.0] * (LANES - 1)
    one, two, rows = np.zeros(LANES), np.zeros(LANES), money.reshape(-1, LANES)
    widest_gap(rows, np.ones(rows.shape), one)
    deepest(rows, two)
    assert np.isinf([one[5], two[5]]).all()
