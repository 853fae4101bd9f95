"""Failover onto finite capacity, common causes, lengths of outages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import lognorm

from sim.contagion.failover import dual_unavailability, failover, mean_outage, outage_exceedance
from sim.errors import InputError

CLOUDS = np.array([39.0, 19, 15, 27])
DEAD = np.array([1.0, 0, 0, 0])
FIELDS = ("service", "load", "client_service", "total_service", "absorbable", "headroom_needed")


# ------------------------------------------------------------------------------------------------------ numbered checks


def test_check_38_how_much_failed_load_fits():
    # load of the others: 1 + b .39 / .61; headroom .3 is used up at b = .3 x .61 / .39 = .4692
    base = failover(CLOUDS, DEAD, headroom=0.3)
    assert_allclose(base.absorbable, 0.3 * 61 / 39, rtol=1e-14)
    assert round(float(np.squeeze(base.absorbable)), 3) == 0.469
    for part, full in ((0.25, True), (0.469, True), (0.4693, False), (0.75, False), (1.0, False)):
        after = failover(CLOUDS, DEAD, backup=part, headroom=0.3)
        expected = 1.0 if full else 1.3 / (1 + part * 39 / 61)
        assert_allclose(after.service, [0, expected, expected, expected], rtol=1e-14)
        assert (after.service[1] == 1.0) == full
        assert_allclose(after.load, [0, *[1 + part * 39 / 61] * 3], rtol=1e-14)
        assert_allclose(after.client_service, [part * expected, expected, expected, expected], rtol=1e-14)


def test_check_38_full_failover_needs_63_9_percent_headroom():
    everybody = failover(CLOUDS, DEAD, backup=1.0, headroom=0.3)
    assert_allclose(everybody.headroom_needed, 39 / 61, rtol=1e-14)
    assert round(39 / 61, 3) == 0.639
    assert (failover(CLOUDS, DEAD, backup=1.0, headroom=0.6394).service[1:] == 1.0).all()
    assert (failover(CLOUDS, DEAD, backup=1.0, headroom=0.6393).service[1:] < 1.0).all()
    assert failover(CLOUDS, DEAD, backup=1.0, headroom=0.6394).absorbable == 1.0
    assert_allclose(failover(CLOUDS, DEAD, backup=0.5, headroom=0.3).headroom_needed, 0.5 * 39 / 61, rtol=1e-14)


def test_check_38_the_paradox_of_the_mandate():
    mandate = failover(CLOUDS, DEAD, backup=1.0, headroom=0.3)
    some = failover(CLOUDS, DEAD, backup=0.45, headroom=0.3)
    # 1.3 / 1.6393 = .793; .61 + .39 x .45 = .7855
    assert_allclose(mandate.total_service, 1.3 / (1 + 39 / 61), rtol=1e-14)
    assert_allclose(some.total_service, 0.7855, rtol=1e-14)
    assert mandate.total_service > some.total_service
    # clients below 95 %: everybody, or only the clients of the dead provider
    assert CLOUDS[mandate.client_service < 0.95].sum() == 100.0
    assert CLOUDS[some.client_service < 0.95].sum() == 39.0
    collapse = failover(CLOUDS, DEAD, backup=1.0, headroom=0.3, congestion=2.0)
    assert_allclose(collapse.total_service, (1.3 / (1 + 39 / 61)) ** 2, rtol=1e-14)
    assert round(float(np.squeeze(collapse.total_service)), 3) == 0.629
    assert collapse.total_service < failover(CLOUDS, DEAD, backup=0.45, congestion=2.0).total_service


def test_check_39_two_providers_with_a_common_cause():
    # 2e-3 x .05 + (.95 x 2e-3)^2 = 1.0361e-4
    assert_allclose(dual_unavailability(2e-3, [0.0, 0.05, 0.1]), [4e-6, 1.0361e-4, 2.0324e-4], rtol=1e-13)
    assert_allclose(dual_unavailability(2e-3), 1.0361e-4, rtol=1e-13)
    assert dual_unavailability(0.25, 1.0) == 0.25
    assert dual_unavailability(0.0, 0.5) == 0.0
    assert dual_unavailability([1.0, 0.5], 0.0).tolist() == [1.0, 0.25]


def test_check_39_how_long_outages_last():
    assert round(mean_outage(6.0, 1.2), 1) == 12.3
    assert_allclose(mean_outage(6.0, 1.2), 6 * np.exp(0.72), rtol=1e-15)
    tail = outage_exceedance([10.0, 24, 72, 144], 6.0, 1.2)
    assert tail.round(3).tolist() == [0.335, 0.124, 0.019, 0.004]
    times = np.array([1e-9, 0.5, 6.0, 10.0, 1e4])
    assert_allclose(outage_exceedance(times, 6.0, 1.2), lognorm.sf(times, 1.2, scale=6.0), rtol=1e-13)
    assert outage_exceedance(6.0, 6.0, 1.2) == 0.5
    assert outage_exceedance(0.0) == 1.0
    assert outage_exceedance([[0.0, 3.0]], 3.0, 0.5).tolist() == [[1.0, 0.5]]
    assert_allclose(mean_outage(3.0, 0.8), 3 * np.exp(0.32), rtol=1e-15)


# ------------------------------------------------------------------------------------------------------------- by hand


def test_different_headrooms_and_a_partial_failure():
    # shares 4, 2, 2; half of the first fails, three quarters of that fail over: 1.5 onto what is left, 2 + 2 + 2;
    # everybody's load is 1.25; headrooms 0, .5, .125 give services 1/1.25 = .8, 1, .9
    after = failover([4, 2, 2], [0.5, 0, 0], backup=0.75, headroom=[0, 0.5, 0.125])
    assert_allclose(after.load, 1.25, rtol=1e-15)
    assert_allclose(after.service, [0.8, 1.0, 0.9], rtol=1e-15)
    # taken in at (.8 + 1 + .9) / 3 = .9; clients of the first: .5 x .8 + .5 x .75 x .9 = .7375
    assert_allclose(after.client_service, [0.7375, 1.0, 0.9], rtol=1e-15)
    assert_allclose(after.total_service, (4 * 0.7375 + 2 + 1.8) / 8, rtol=1e-15)
    assert_allclose(after.headroom_needed, 0.25, rtol=1e-15)
    # the first has no room at all
    assert after.absorbable == 0.0
    roomy = failover([4, 2, 2], [0.5, 0, 0], backup=0.75, headroom=[0.25, 0.5, 0.125])
    assert_allclose(roomy.absorbable, 0.125 * 6 / 2, rtol=1e-15)


def test_the_taken_in_are_served_like_the_share_they_join():
    # of the failed 4, all fail over: 3/4 to the provider of 6 (full), 1/4 to that of 2 (1 / 1.5 = 2/3)
    after = failover([4, 6, 2], [1, 0, 0], backup=1.0, headroom=[0, 1, 0])
    assert_allclose(after.service, [0, 1, 2 / 3], rtol=1e-15)
    assert_allclose(after.client_service[0], 0.75 + 0.25 * 2 / 3, rtol=1e-15)


def test_backups_of_the_clients_of_each_provider():
    after = failover([1, 1, 2], [1, 1, 0], backup=[1, 0.5, 0], headroom=0.75)
    assert_allclose(after.load, [0, 0, 1.75], rtol=1e-15)
    assert after.client_service.tolist() == [1.0, 0.5, 1.0]
    assert after.absorbable == 0.75
    assert_allclose(failover([1, 1, 2], [1, 1, 0], headroom=0.25).absorbable, 0.25, rtol=1e-15)


def test_nobody_fails_or_everybody():
    calm = failover(CLOUDS, 0.0)
    assert (calm.service == 1.0).all()
    assert (calm.client_service == 1.0).all()
    assert (calm.load == 1.0).all()
    assert (calm.total_service, calm.absorbable, calm.headroom_needed) == (1.0, 1.0, 0.0)
    dark = failover(CLOUDS, 1.0)
    for name in ("service", "load", "client_service"):
        assert (getattr(dark, name) == 0.0).all()
    assert (dark.total_service, dark.absorbable, dark.headroom_needed) == (0.0, 0.0, np.inf)
    assert failover(CLOUDS, 1.0, backup=0.0).headroom_needed == 0.0


def test_congestion():
    ratio = 1.3 / (1 + 39 / 61)
    for kappa in (0.0, 0.5, 1.0, 2.5):
        after = failover(CLOUDS, DEAD, backup=1.0, congestion=kappa)
        assert_allclose(after.service[1:], ratio**kappa, rtol=1e-14)
        assert after.service[0] == 0.0
    assert (failover(CLOUDS, DEAD, backup=0.25, congestion=3.0).service[1:] == 1.0).all()


# --------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), kappa=st.sampled_from([0.5, 1.0, 2.0]))
def test_bounds_and_monotonicity(seed, kappa):
    rng = np.random.default_rng(seed)
    shares = rng.integers(0, 9, 5) / 8.0
    shares[0] = 1.0
    down = rng.choice([0.0, 0.25, 1.0], 5)
    spare, room = rng.random(5), rng.random(5)
    base = failover(shares, down, backup=spare, headroom=room, congestion=kappa)
    for name in ("service", "client_service", "total_service", "absorbable"):
        assert np.min(getattr(base, name)) >= 0.0
        assert np.max(getattr(base, name)) <= 1.0 + 1e-15
    roomier = failover(shares, down, backup=spare, headroom=room + 0.125, congestion=kappa)
    assert (roomier.service >= base.service).all()
    assert roomier.total_service >= base.total_service - 1e-15
    more = failover(shares, down, backup=spare + 0.25 * (1 - spare), headroom=room, congestion=kappa)
    assert (more.service <= base.service).all()
    if kappa == 1.0:  # a provider at capacity loses nothing by more load, so failover always helps in total
        assert more.total_service >= base.total_service - 1e-12
    order = rng.permutation(5)
    moved = failover(shares[order], down[order], backup=spare[order], headroom=room[order], congestion=kappa)
    assert_allclose(moved.client_service, base.client_service[order], rtol=1e-13)
    scaled = failover(np.ldexp(shares, 7), down, backup=spare, headroom=room, congestion=kappa)
    assert_array_equal(scaled.client_service, base.client_service)


@pytest.mark.parametrize("width", [1, 2, 6])
def test_a_block_is_its_columns(width):
    rng = np.random.default_rng(width)
    shares, down, spare, room = rng.random(5), rng.random((5, width)), rng.random((5, width)), rng.random(5)
    down[rng.random((5, width)) < 0.3] = 1.0
    block = failover(shares, down, backup=spare, headroom=room, congestion=1.5)
    for k in range(width):
        one = failover(shares, down[:, k], backup=spare[:, k], headroom=room, congestion=1.5)
        for name in FIELDS:
            assert_array_equal(getattr(block, name)[..., k], np.squeeze(getattr(one, name)), err_msg=name)


def test_inputs_are_not_touched():
    kept = CLOUDS.copy(), DEAD.copy()
    failover(CLOUDS, DEAD)
    assert_array_equal(CLOUDS, kept[0])
    assert_array_equal(DEAD, kept[1])
    assert_array_equal(
        failover(CLOUDS.astype(np.float32), DEAD.tolist(), headroom=0.5).service,
        failover(CLOUDS, DEAD, headroom=0.5).service,
    )


def test_bad_input():
    with pytest.raises(InputError) as caught:
        failover([1, -1], [0, 2], backup=[0.5, np.nan], headroom=-0.1, congestion=-1)
    text = str(caught.value)
    for part in (
        "shares[1] is -1; allowed: 0 or more",
        "failure[1] is 2; allowed: 0 to 1",
        "backup[1] is nan",
        "headroom is -0.1; allowed: 0 or more",
        "congestion is -1; allowed: 0 or more",
    ):
        assert part in text
    with pytest.raises(InputError, match="shares are all 0"):
        failover([0, 0], 1.0)
    with pytest.raises(InputError, match=r"shares has shape \(\)"):
        failover(1.0, 1.0)
    with pytest.raises(InputError, match=r"unavailability is 2; allowed: 0 to 1(.|\n)*common_cause\[1\] is -1"):
        dual_unavailability(2.0, [0, -1])
    with pytest.raises(InputError, match=r"duration\[0\] is -1(.|\n)*median is 0(.|\n)*sigma is 0"):
        outage_exceedance([-1.0], 0.0, 0.0)
    with pytest.raises(InputError, match=r"median is -2"):
        mean_outage(-2.0)
