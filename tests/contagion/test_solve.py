"""The fixed-point driver: exact answers by hand, honest certificates, lanes that do not feel each other."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from sim.contagion.solve import fixed_point


def test_a_linear_map_by_hand():
    # x = 0.5 + 0.4 x from above: x* = 5/6
    found = fixed_point(lambda x: 0.5 + 0.4 * x, np.ones((1, 2)), tol=1e-13, max_rounds=1000)
    assert found.certified.all()
    assert_allclose(found.x, 5 / 6, atol=1e-13)


def test_several_fixed_points_from_above_and_below():
    # below 0.5 the map falls to 0.2, from 0.5 on it stays at 0.8: greatest 0.8, least 0.2
    step = lambda x: np.where(x >= 0.5, 0.8, 0.2)  # noqa: E731
    assert fixed_point(step, np.ones((1, 2)), tol=1e-12, max_rounds=9).x[0, 0] == 0.8
    assert fixed_point(step, np.zeros((1, 2)), tol=1e-12, max_rounds=9, rising=True).x[0, 0] == 0.2


def test_a_slow_mode_is_not_called_certified():
    slope = 1.0 - 1e-6
    found = fixed_point(lambda x: slope * x, np.ones((1, 2)), tol=1e-10, max_rounds=5000)
    assert not found.certified.any()
    assert (found.bound > 1e-10).all()


def test_a_small_residual_far_from_home_does_not_stop_the_lane():
    # residual falls below tol at x = 1e-4, a thousand residuals from the fixed point 0
    found = fixed_point(lambda x: 0.999 * x, np.ones((1, 2)), tol=1e-7, max_rounds=100_000)
    assert found.certified.all()
    assert found.x.max() < 2e-7


def test_a_map_that_is_not_monotone_is_not_certified():
    found = fixed_point(lambda x: 0.5 - 0.5 * (x - 0.5), np.ones((1, 2)), tol=1e-12, max_rounds=1000)
    assert not found.certified.any()


def test_lanes_stop_on_their_own():
    slopes = np.array([0.1, 0.5, 0.9, 0.0])
    alone = [fixed_point(lambda x, s=s: s * x, np.ones((3, 1)), tol=1e-12, max_rounds=999) for s in slopes]
    together = fixed_point(lambda x: slopes * x, np.ones((3, 4)), tol=1e-12, max_rounds=999)
    for lane, one in enumerate(alone):
        assert (together.x[:, lane] == one.x[:, 0]).all()
        assert together.rounds[lane] == one.rounds[0]


def test_the_start_is_not_touched():
    start = np.ones((2, 2))
    fixed_point(lambda x: 0.0 * x, start, tol=1e-9, max_rounds=5)
    assert (start == 1.0).all()
