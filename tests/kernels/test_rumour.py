"""Kernels of word of mouth: Maki-Thompson, and contagion that takes several neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from sim.contagion.complex_contagion import rumour_final_share
from sim.kernels.rumour import spread_news, tell


def told(ignorant, telling, days, spread=0.5, stifle=0.5, stride=1 / 16):
    i, u, sums = np.full((1, 2), ignorant), np.full((1, 2), telling), np.empty((1, 2))
    tell(i, u, np.full((1, 2), days), spread, stifle, stride, sums)
    return i[0, 0], u[0, 0], sums[0, 0]


@pytest.mark.parametrize(("spread", "stifle"), [(0.5, 0.5), (2.0, 0.7), (0.3, 1.1)])
def test_a_rumour_follows_its_equations(spread, stifle):
    def flow(_, y):
        return [-spread * y[0] * y[1], spread * y[0] * y[1] - stifle * y[1] * (1.0 - y[0]), y[1]]

    found = solve_ivp(flow, (0.0, 9.0), [0.9, 0.1, 0.0], rtol=1e-12, atol=1e-14).y[:, -1]
    assert_allclose(told(0.9, 0.1, 9.0, spread, stifle, 1 / (32 * max(spread, stifle))), found, rtol=1e-8)


def test_the_final_share_and_the_order_of_the_method():
    exact, errors = rumour_final_share(), []
    for stride in (1.0, 0.5, 0.25):
        i, u, _ = told(1.0 - 1e-12, 1e-12, 400.0, stride=stride)
        assert u < 1e-20
        errors.append(abs(i - exact))
    assert_allclose(exact, 0.20319, atol=5e-6)
    assert errors[2] < 1e-8
    # halving the stride divides the error by 16
    assert 12.0 < errors[0] / errors[1] < 20.0
    assert 12.0 < errors[1] / errors[2] < 20.0


def test_cells_without_time_or_tellers_stay_as_they_are():
    i, u, sums = np.array([[0.9, 1.0]]), np.array([[0.1, 0.0]]), np.full((1, 2), np.nan)
    tell(i, u, np.array([[0.0, 5.0]]), 0.5, 0.5, 0.1, sums)
    assert (i == [[0.9, 1.0]]).all()
    assert (u == [[0.1, 0.0]]).all()
    assert (sums == 0.0).all()


def spread(news, pressure, days=1.0, threshold=0.3, width=0.1, fade=0.05, strength=1.0):
    made = np.array([[news, 0.0]])
    spread_news(np.array([[pressure, 0.0]]), np.array([strength]), threshold, width, fade, days, made)
    # without any news nothing moves
    assert made[0, 1] == 0.0
    return made[0, 0]


def test_news_follows_the_equation_in_a_step_of_a_day():
    # L = 1 / (1 + e^-1) - 1 / (1 + e^3) at a share of 0.4
    caught = 1.0 / (1.0 + math.exp(-1.0)) - 1.0 / (1.0 + math.exp(3.0))
    assert_allclose(spread(0.2, 0.4), 0.95 * 0.2 + 0.8 * caught, rtol=1e-14)
    assert_allclose(spread(0.2, 0.8, strength=2.0), 0.95 * 0.2 + 0.8 * caught, rtol=1e-14)
    assert spread(0.2, 0.4, strength=0.0) == pytest.approx(0.19, rel=1e-14)


def test_shorter_steps_converge():
    def after(steps):
        news = 0.2
        for _ in range(steps):
            news = spread(news, 0.4, 4.0 / steps)
        return news

    errors = [abs(after(n) - after(4096)) for n in (4, 8, 16, 32)]
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    assert ((ratios > 1.8) & (ratios < 2.3)).all()


def test_news_stays_between_nothing_and_the_worst():
    for days in (0.1, 1.0, 5.0, 100.0):
        for news in (0.0, 0.5, 1.0):
            for pressure in (0.0, 0.3, 1.0):
                for width in (0.0, 0.05):
                    for fade in (0.0, 0.5, 1.0):
                        assert 0.0 <= spread(news, pressure, days, width=width, fade=fade) <= 1.0


def test_a_width_of_zero_is_a_step_at_the_threshold():
    assert spread(0.0, 0.3, width=0.0) == 1.0
    assert spread(0.0, math.nextafter(0.3, 0.0), width=0.0) == 0.0
