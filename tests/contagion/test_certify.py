"""Certificates: true ones for fast and slow maps, none where a slow mode hides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.arrays import csr
from sim.contagion.certify import certain, confirmed


def shrink(slope, floor=0.0):
    return lambda x: floor + slope * (x - floor)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("rising", [False, True])
def test_near_enough_is_confirmed_and_too_far_is_not(slope, rising):
    # the fixed point is 1/2; at a distance d the map moves by (1 - slope) d
    step, sign = shrink(slope, 0.5), -1.0 if rising else 1.0
    near, far = (np.full((3, 2), 0.5 + sign * d) for d in (0.4e-8, 1.01e-8))
    assert confirmed(step, near, 1e-8, rising=rising).all()
    assert not confirmed(step, far, 1e-8, rising=rising).any()


def test_what_moves_too_little_to_be_seen_is_not_confirmed():
    # 1e-8 away a map that loses 1e-7 of the distance moves by 1e-15; 1e-10 away by nothing in double precision
    slow = shrink(1 - 1e-7, 0.25)
    assert not confirmed(slow, np.full((1, 2), 0.25 + 1e-8), 1e-9).any()
    at = np.full((1, 2), 0.25 + 1e-10)
    assert (slow(at) == at).all()
    assert not confirmed(slow, at, 1e-11).any()
    assert not confirmed(slow, at, 1e-15).any()
    assert confirmed(shrink(0.9, 0.25), np.full((1, 2), 0.25), 1e-16).all()
    assert confirmed(lambda x: np.full_like(x, 0.5), np.full((2, 2), 0.5), 1e-10).all()


def test_coupled_agents_whose_single_rows_expand():
    # row sums 2 and 1/8, spectral radius 1/2: the weights have to be found
    matrix = np.array([[0.0, 2.0], [0.125, 0.0]])
    step = lambda x: 0.25 + matrix @ (x - 0.25)  # noqa: E731
    assert confirmed(step, np.full((2, 2), 0.25 + 1e-11), 1e-9).all()
    assert not confirmed(step, np.full((2, 2), 0.25 + 2e-9), 1e-9).any()
    grows = lambda x: 0.25 + 4.0 * matrix @ (x - 0.25)  # noqa: E731
    assert not confirmed(grows, np.full((2, 2), 0.25 + 1e-11), 1e-9).any()


def test_a_jump_just_below_is_not_confirmed_unless_nothing_moves():
    step = lambda x: np.where(x >= 0.5, 0.5 + 0.5 * (x - 0.5), 0.0)  # noqa: E731
    assert confirmed(step, np.full((1, 2), 0.5), 1e-9).all()
    assert not confirmed(step, np.full((1, 2), 0.5 + 1e-12), 1e-9).any()


def test_what_has_not_moved_at_all_may_be_unstable():
    # twice the loss of the other: at 1 there is none, a little below it would grow without end
    step = lambda x: np.maximum(0.0, 1.0 - 2.0 * (1.0 - x[::-1]))  # noqa: E731
    assert confirmed(step, np.ones((2, 2)), 1e-10).all()
    assert not confirmed(step, np.full((2, 2), 1.0 - 1e-13), 1e-10).any()
    up = lambda x: np.minimum(1.0, 2.0 * x[::-1])  # noqa: E731
    assert confirmed(up, np.zeros((2, 2)), 1e-10, rising=True).all()
    assert not confirmed(up, np.full((2, 2), 1e-13), 1e-10, rising=True).any()
    # an agent that has moved is judged beside one that has not
    mixed = lambda x: np.stack([1.0 - 2.0 * (1.0 - x[0]), 0.25 + 0.5 * (x[1] - 0.25)])  # noqa: E731
    assert confirmed(mixed, np.array([[1.0, 1.0], [0.25, 0.25]]), 1e-10).all()
    slow = lambda x: np.stack([1.0 - 2.0 * (1.0 - x[0]), 0.25 + (1 - 1e-9) * (x[1] - 0.25)])  # noqa: E731
    assert not confirmed(slow, np.array([[1.0, 1.0], [0.25 + 1e-9, 0.25 + 1e-9]]), 1e-10).any()


def test_lanes_are_judged_alone():
    slopes = np.array([0.1, 0.9999999, 0.5])
    step = lambda x: 0.25 + slopes * (x - 0.25)  # noqa: E731
    assert confirmed(step, 0.25 + np.array([[1e-12, 1e-9, 1e-12]] * 2), 1e-10).tolist() == [True, False, True]


def test_iteration_goes_on_until_confirmed():
    # 0.99 x from 1e-9: the first step is 1e-11, within a tolerance of 1e-10, and the way to go ten times that
    network = csr(np.array([[0.0, 0.99], [0.99, 0.0]]))
    start = np.full((2, 2), 1e-9)
    found = certain(network, lambda a: a.copy(), start, tol=1e-10, max_rounds=5000)
    assert found.certified.all()
    assert found.x.max() <= 1e-10
    assert (found.bound <= 1e-10).all()
    assert (start == 1e-9).all()
    early = certain(network, lambda a: a.copy(), start, tol=1e-10, max_rounds=50)
    assert not early.certified.any()
    assert_allclose(early.rounds, 50, atol=10)
    up = certain(network, lambda a: a + 0.01 * 0.5, np.zeros((2, 2)), tol=1e-10, max_rounds=5000, rising=True)
    assert up.certified.all()
    assert_allclose(up.x, 0.5, atol=1e-10)
