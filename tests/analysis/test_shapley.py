"""Shapley values and interaction indices: hand calculations and the axioms that define them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.analysis.shapley import interactions, lanes_of, players_of, shapley
from sim.errors import InputError, UsageError


@st.composite
def games(draw: st.DrawFn, most: int = 6) -> np.ndarray:
    n = draw(st.integers(1, most))
    return np.random.default_rng(draw(st.integers(0, 2**32))).normal(draw(st.floats(-1e6, 1e6)), 3.0, 1 << n)


def test_two_channels_by_hand() -> None:
    # v = 0, 1, 2, 5: (1 + (5 - 2)) / 2 = 2, (2 + (5 - 1)) / 2 = 3, and 5 - 1 - 2 + 0 = 2
    game = np.array([0.0, 1.0, 2.0, 5.0])
    assert shapley(game).tolist() == [2.0, 3.0]
    assert interactions(game).tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_three_channels_by_hand() -> None:
    # worth 6 only if 0 is there with 1 or 2 or both: 0 is pivotal unless first, in 4 of 6 orders; 1 and 2 in 1 each
    game = np.array([0, 0, 0, 6, 0, 6, 0, 6], dtype=float)
    assert shapley(game) == pytest.approx([4.0, 1.0, 1.0], rel=1e-15)
    # pair 0, 1: without 2 it adds 6, with 2 it adds 6 - 6 - 0 + 0 = 0, weights 1/2 each; pair 1, 2: 0 and -6
    assert interactions(game)[0] == pytest.approx([0.0, 3.0, 3.0], rel=1e-15)
    assert interactions(game)[1, 2] == pytest.approx(-3.0, rel=1e-15)


@settings(max_examples=50, deadline=None)
@given(games())
def test_the_values_add_up_to_what_all_add(game: np.ndarray) -> None:
    assert shapley(game).sum() == pytest.approx(game[-1] - game[0], rel=1e-10, abs=1e-10 * np.abs(game).max())


@settings(max_examples=15, deadline=None)
@given(games(most=5))
def test_values_are_means_over_all_orders(game: np.ndarray) -> None:
    n = players_of(game)
    found = np.zeros(n)
    orders = list(permutations(range(n)))
    for order in orders:
        before = 0
        for player in order:
            found[player] += (game[before | 1 << player] - game[before]) / len(orders)
            before |= 1 << player
    assert shapley(game) == pytest.approx(found, rel=1e-9, abs=1e-12 * np.abs(game).max())


@settings(max_examples=30, deadline=None)
@given(games(most=5), st.data())
def test_a_dummy_gets_nothing_and_changes_nobody(game: np.ndarray, data: st.DataObject) -> None:
    n = players_of(game)
    at = data.draw(st.integers(0, n))
    low = (1 << at) - 1
    wider = np.array([game[(k & low) | (k >> 1 & ~low)] for k in range(2 << n)])
    scale = np.abs(game).max()
    values, pairs = shapley(wider), interactions(wider)
    assert values[at] == 0.0
    assert (pairs[at] == 0.0).all()
    assert np.delete(values, at) == pytest.approx(shapley(game), rel=1e-10, abs=1e-12 * scale)
    rest = np.delete(np.delete(pairs, at, 0), at, 1)
    np.testing.assert_allclose(rest, interactions(game), rtol=1e-9, atol=1e-11 * scale)


@settings(max_examples=30, deadline=None)
@given(games(most=5), st.data())
def test_players_that_contribute_alike_get_alike(game: np.ndarray, data: st.DataObject) -> None:
    n = players_of(game)
    a, b = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))

    def swapped(k: int) -> int:
        one, other = k >> a & 1, k >> b & 1
        return k & ~(1 << a) & ~(1 << b) | one << b | other << a if a != b else k

    alike = np.array([0.5 * (game[k] + game[swapped(k)]) for k in range(1 << n)])
    values = shapley(alike)
    assert values[a] == pytest.approx(values[b], rel=1e-10, abs=1e-12 * np.abs(game).max())


@settings(max_examples=30, deadline=None)
@given(games(most=4), st.integers(2, 5))
def test_draws_are_games_of_their_own(game: np.ndarray, draws: int) -> None:
    many = np.multiply.outer(game, np.arange(1.0, draws + 1.0))
    for k in range(draws):
        assert np.array_equal(shapley(many)[:, k], shapley(np.ascontiguousarray(many[:, k])))
        assert np.array_equal(interactions(many)[..., k], interactions(np.ascontiguousarray(many[:, k])))


def test_an_additive_game_has_no_interactions() -> None:
    worth = np.array([3.0, -1.0, 4.0, 2.0])
    game = np.array([sum(w for k, w in enumerate(worth) if s >> k & 1) for s in range(16)])
    assert shapley(game) == pytest.approx(worth, rel=1e-14)
    assert np.abs(interactions(game)).max() == 0.0


def test_who_is_in_which_coalition() -> None:
    assert lanes_of(2, 10).tolist() == [[0, 1, 0, 1], [0, 0, 1, 1]]
    assert lanes_of(0, 10).shape == (0, 1)


def test_refusals() -> None:
    with pytest.raises(InputError, match="got 3 coalitions, allowed: a power of two"):
        shapley(np.zeros(3))
    with pytest.raises(UsageError, match="at most 10 may act, got 11"):
        lanes_of(11, 10)
