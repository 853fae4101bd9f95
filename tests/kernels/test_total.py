"""Sums over rows: fixed order, any block."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.total import total, total_held, total_lost, total_positive, total_rows, total_weighted

VALUES = np.random.default_rng(3).standard_normal((200, 40)) * 10.0 ** np.arange(-20, 20)


def test_by_hand() -> None:
    out = np.full(2, np.nan)
    total(np.array([[1.0, 0.25], [2.0, 0.5], [4.0, -1.0]]), out)
    assert out.tolist() == [7.0, -0.25]


def test_rows_are_added_from_first_to_last() -> None:
    # (1e16 + 1) rounds to 1e16, so the order is visible: forward 0, backward 1
    out = np.empty(1)
    total(np.array([[1e16], [1.0], [-1e16]]), out)
    assert out[0] == 0.0
    total(np.array([[1e16], [-1e16], [1.0]]), out)
    assert out[0] == 1.0


def test_a_range_is_the_sum_of_its_rows() -> None:
    out, expected = np.empty(40), np.empty(40)
    total_rows(VALUES, 17, 90, out)
    total(VALUES[17:90].copy(), expected)
    assert (out == expected).all()


@pytest.mark.parametrize("at", [0, 5, 200])
def test_an_empty_range_is_zero(at: int) -> None:
    out = np.full(40, np.nan)
    total_rows(VALUES, at, at, out)
    assert (out == 0.0).all()


@pytest.mark.parametrize("n_lanes", [1, 2, 3, 8, 31])
def test_bits_do_not_depend_on_the_block(n_lanes: int) -> None:
    whole, part = np.empty(40), np.empty(n_lanes)
    total(VALUES, whole)
    total(VALUES[:, 5 : 5 + n_lanes].copy(), part)
    assert (part == whole[5 : 5 + n_lanes]).all()


def test_only_what_is_above_zero_is_added() -> None:
    out = np.full(2, np.nan)
    total_positive(np.array([[9.0, 9.0], [1.0, -1.0], [2.0, 0.5]]), 1, 3, out)
    assert out.tolist() == [3.0, 0.5]


def test_losses_count_up_to_what_there_was() -> None:
    # 3 + 4 of 5, 3 - 1 of 5, anything of a bank that had nothing; the last row is no bank
    loss = np.array([[3.0, 3.0, 1.0, 9.0], [4.0, -1.0, 1.0, 9.0]])[:, :, None]
    equity0, out = np.array([5.0, 5.0, -2.0, 9.0])[:, None], np.full(1, np.nan)
    total_lost(loss, (0, 2), 0, 3, equity0, out)
    assert out[0] == 5.0 + 2.0 + 0.0
    total_lost(loss, (0, 1), 0, 3, equity0, out)
    assert out[0] == 3.0 + 3.0 + 0.0


def test_pieces_are_added_by_row_and_then_over_rows() -> None:
    units = np.random.default_rng(4).lognormal(0.0, 9.0, (31, 3, 5))
    out, expected = np.empty(5), np.zeros(5)
    total_held(units, out)
    for row in units:
        expected += (row[0] + row[1]) + row[2]
    assert (out == expected).all()


def test_rows_are_weighted_before_they_are_added() -> None:
    values, out = np.array([[9.0, 9.0], [1.0, -1.0], [2.0, 0.5]]), np.full(2, np.nan)
    total_weighted(values, np.array([3.0, 10.0]), 1, out)
    assert out.tolist() == [3.0 + 20.0, -3.0 + 5.0]
    expected, found = np.zeros(40), np.empty(40)
    weights = np.random.default_rng(6).lognormal(0.0, 9.0, 150)
    for weight, row in zip(weights, VALUES[20:170], strict=True):
        expected += weight * row
    total_weighted(VALUES, weights, 20, found)
    assert (found == expected).all()
