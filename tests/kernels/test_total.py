"""Sums over rows: fixed order, any block."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.total import total, total_rows

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
