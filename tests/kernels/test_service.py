"""What users lose when providers are impaired: by hand, against powers in long arithmetic, and at the ends."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.arrays import csr
from sim.kernels.service import (
    all_functions,
    backed_up,
    expm1,
    log1p,
    log_service,
    lost_to_each,
    lost_to_mix,
    lost_to_weakest,
)

SHARES = csr([[0, 0.5, 0.25, 0.25], [0, 0, 0.5, 0.25], [0, 0, 0, 0], [0, 1.0, 0, 0]])
LOST = np.array([[0.1, 0.0, 0.9], [0.5, 0.0, 0.0], [0.2, 0.0, 0.25], [1.0, 0.0, 0.0]])


def play(kernel, *middle, lost=LOST, shares=SHARES, extra=()):
    out = np.full(lost.shape, np.nan)
    kernel(shares.indptr, shares.indices, *middle, lost, *extra, out)
    return out


def mix(power, lost=LOST, shares=SHARES):
    logs = np.full(lost.shape, np.nan)
    log_service(lost, logs)
    return play(lost_to_mix, shares.weights, lost=logs, shares=shares, extra=(power,))


def exact(shares, service, power):
    """One user, in 60 digits."""
    getcontext().prec = 60
    weights = [Decimal(w) for w in shares]
    parts = [(1 - sum(weights), Decimal(1))] + [(w, 1 - Decimal(q)) for w, q in zip(weights, service, strict=True)]
    if power == 0.0:
        return 1 - (sum(w * s.ln() for w, s in parts if w)).exp()
    r = Decimal(power)
    return 1 - (sum(w * s**r for w, s in parts if w)) ** (1 / r)


@pytest.mark.parametrize("x", [0.0, 1e-300, -1e-20, 3e-9, -0.01, 0.7, -0.999999, 5.0, -30.0, 300.0])
def test_differences_near_zero(x):
    assert_allclose(expm1(x), math.expm1(x), rtol=2e-15)
    if x > -1.0:
        assert_allclose(log1p(x), math.log1p(x), rtol=2e-15)


def test_the_ends_of_the_differences():
    assert expm1(-math.inf) == -1.0
    assert expm1(-1000.0) == -1.0
    assert expm1(math.inf) == math.inf
    assert log1p(-1.0) == -math.inf


def test_log_service():
    out = np.empty((1, 3))
    log_service(np.array([[0.0, 0.5, 1.0]]), out)
    assert out[0, 0] == 0.0
    assert_allclose(out[0, 1], -math.log(2), rtol=1e-15)
    assert out[0, 2] == -math.inf


def test_each_provider_on_its_own():
    # user 0: 1 - (1 - .5 x .5)(1 - .25 x .2)(1 - .25) = 1 - .75 x .95 x .75 = .465625; user 3: .5
    out = play(lost_to_each, SHARES.weights)
    assert_allclose(out[:, 0], [0.465625, 1 - 0.9 * 0.75, 0.0, 0.5], atol=1e-16)
    assert (out[:, 1] == 0.0).all()
    assert_allclose(out[:, 2], [0.0625, 0.125, 0.0, 0.0], atol=1e-16)


def test_the_weakest_provider():
    assert play(lost_to_weakest).tolist() == [[1.0, 0.0, 0.25], [1.0, 0.0, 0.25], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]


def test_mixes_by_hand():
    # r = -1, third lane, user 0: 1 / (.5 + .25 / .75 + .25) = 1 / (13/12): 1/13 lost;
    # user 1, of which a quarter is done in house: 1 / (.25 + .5 / .75 + .25) = 6/7
    out = mix(-1.0)
    assert_allclose(out[:, 2], [1 / 13, 1 / 7, 0.0, 0.0], rtol=1e-14)
    assert out[:, 0].tolist() == [1.0, 1.0, 0.0, 0.5]
    # r = 1/2: (.5 + .25 sqrt .75 + .25)^2
    assert_allclose(mix(0.5)[0, 2], 1 - (0.75 + 0.25 * math.sqrt(0.75)) ** 2, rtol=1e-14)
    # r = 1/2, first lane: a dead provider with a quarter: (.5 sqrt .5 + .25 sqrt .8)^2 is left
    assert_allclose(mix(0.5)[0, 0], 1 - (0.5 * math.sqrt(0.5) + 0.25 * math.sqrt(0.8)) ** 2, rtol=1e-14)
    # r = 0: .75^.25
    assert_allclose(mix(0.0)[0, 2], 1 - 0.75**0.25, rtol=1e-14)
    assert mix(0.0)[0, 0] == 1.0
    for power in (-50.0, -1.0, -1e-9, 0.0, 1e-9, 0.5, 1.0):
        assert (mix(power)[:, 1] == 0.0).all()


@pytest.mark.parametrize("power", [-400.0, -7.0, -1.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.3, 1.0])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-9])
def test_mixes_in_long_arithmetic(power, scale):
    rng = np.random.default_rng(7)
    for _ in range(20):
        shares = rng.dirichlet(np.ones(4))[:3] * rng.choice([0.25, 1.0])
        lost = rng.random(3) * scale
        matrix = csr(np.vstack([np.append(0.0, shares), np.zeros((3, 4))]))
        out = mix(power, np.append(0.0, lost)[:, None].repeat(2, 1), matrix)
        assert_allclose(out[0], float(exact(shares, lost, power)), rtol=2e-14 * max(1.0, abs(power)))


@pytest.mark.parametrize("power", [-3.0, 0.0, 0.5])
def test_with_all_providers_dead_only_what_is_done_in_house_is_left(power):
    # user 1 does a quarter in house: (.25)^(1/r) for r = 1/2
    out = mix(power, np.ones((4, 2)))
    assert_allclose(out[:, 0], [1.0, 1 - 0.0625 if power > 0.0 else 1.0, 0.0, 1.0], rtol=1e-14)


def test_a_very_negative_power_tends_to_the_weakest():
    lost = np.array([[0.0, 0.0], [0.5, 0.0], [0.2, 0.3], [0.9, 0.1]])
    assert_allclose(mix(-1e8, lost), play(lost_to_weakest, lost=lost), atol=1e-7)


def test_bits_do_not_depend_on_the_block():
    lost = np.random.default_rng(3).random((4, 9))
    for make in (lambda x: mix(-2.5, x), lambda x: mix(0.4, x), lambda x: play(lost_to_each, SHARES.weights, lost=x)):
        whole = make(lost)
        for width in (1, 2, 5):
            assert (make(lost[:, :width].copy()) == whole[:, :width]).all()


@pytest.mark.parametrize("lanes", [1, 5])
@pytest.mark.parametrize("linear", [True, False])
def test_functions_combine_as_they_are_written(lanes, linear):
    rng = np.random.default_rng(3)
    lost, own = rng.random((3, 6, 5)), rng.random((6, 5))
    criticality, out = rng.random((3, 6, lanes)), np.full((6, 5), np.nan)
    all_functions(lost, criticality, own, linear, out)
    parts = criticality * lost
    hand = np.minimum(1.0, parts.sum(axis=0) + own) if linear else 1.0 - (1.0 - own) * (1.0 - parts).prod(axis=0)
    assert_allclose(out, hand, rtol=1e-13)


@pytest.mark.parametrize("lanes", [1, 5])
def test_who_has_moved_loses_what_is_lost_there(lanes):
    rng = np.random.default_rng(3)
    lost, moved, share = rng.random((6, 5)), rng.random((6, 5)), rng.random((6, lanes))
    hand = (1.0 - share) * lost + share * moved
    backed_up(lost, moved, share, lost)
    assert_allclose(lost, hand, rtol=1e-13)
