"""Impact laws: values by hand, the last digits of small sales, floors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sim.kernels.impact import IMPACTS, one_less_exp, price_fall


def fall_of(law, volume, depth, floor=0.0, price=1.0):
    volume, depth, floor, price = np.broadcast_arrays(*(np.atleast_2d(x) for x in (volume, depth, floor, price)))
    out = np.full(volume.shape, np.nan)
    arrays = [np.array(x, dtype=np.float64) for x in (volume, depth, floor, price)]
    price_fall(IMPACTS[law], *arrays, out)
    return out


def test_the_codes_are_four():
    assert sorted(IMPACTS) == ["cont-schaanning", "exponential", "linear", "sqrt"]
    assert sorted(IMPACTS.values()) == [0, 1, 2, 3]


def test_one_less_exp_to_the_last_digits():
    x = np.concatenate([[0.0], np.logspace(-18, 2.5, 2001), [0.1249999, 0.125, 0.1250001, 0.9]])
    got = np.array([one_less_exp(v) for v in x])
    exact = np.array([-math.expm1(-v) for v in x])
    assert got[0] == 0.0
    assert_allclose(got[1:], exact[1:], rtol=6e-16)


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        ("linear", 0.2),  # 20 / 100
        ("exponential", 1.0 - math.exp(-0.2)),
        ("sqrt", math.sqrt(0.2)),
        # floor .3, price .8: room 1 - .3 / .8 = .625, scale (1 - .3) 100 = 70
        ("cont-schaanning", 0.625 * (1.0 - math.exp(-20 / 70))),
    ],
)
def test_each_law_by_hand(law, expected):
    assert_allclose(fall_of(law, 20.0, 100.0, 0.3, 0.8), expected, rtol=1e-15)


@pytest.mark.parametrize("law", IMPACTS)
def test_no_sale_no_fall_and_never_below_the_floor(law):
    volume = np.array([[0.0, 1e-9, 1.0, 30.0, 1e3, 1e9, 1e300]])
    fall = fall_of(law, volume, 100.0, 0.3, 0.8)
    assert fall[0, 0] == 0.0
    assert (np.diff(fall[0]) >= 0.0).all()
    assert fall[0, 1] > 0.0
    assert_allclose(fall[0, -1], 0.625, rtol=1e-15)  # 0.8 (1 - 0.625) = 0.3


@pytest.mark.parametrize("law", IMPACTS)
def test_at_and_below_the_floor_nothing_moves(law):
    assert_array_equal(fall_of(law, 50.0, 100.0, [0.5, 0.5, 0.0, 1.0], [0.5, 0.4, 0.0, 1.0]), 0.0)


@pytest.mark.parametrize("law", ["linear", "exponential", "cont-schaanning"])
def test_small_sales_fall_by_volume_over_depth(law):
    assert_allclose(fall_of(law, 1e-12, 80.0, 0.25, 1.0), 1e-12 / 80.0, rtol=1e-13)


def test_the_square_root_law_of_a_desk():
    # Y sigma sqrt(v / ADV) with Y = .8, sigma = 2 %, ADV = 500, v = 20: .016 * .2 = .0032; D = 500 / .016^2
    assert_allclose(fall_of("sqrt", 20.0, 500.0 / 0.016**2), 0.0032, rtol=1e-14)


def test_assets_and_lanes_are_cells_of_their_own():
    volume = np.array([[10.0, 0.0, 30.0], [5.0, 70.0, 0.0]])
    depth = np.array([[100.0, 50.0, 200.0], [40.0, 100.0, 1.0]])
    assert_array_equal(fall_of("linear", volume, depth), volume / depth)
