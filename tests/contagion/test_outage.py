"""Outages: inoperability by hand and by linear algebra, substitution, recovery, lanes, forms and faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sim.contagion.outage import outage, recover, recovery_rate
from sim.errors import ConvergenceError, InputError, UnknownNameError
from tests.contagion.matrix_forms import matrix_forms

DEPENDS = np.array([[0, 0.3, 0.1], [0.2, 0, 0.4], [0.1, 0.1, 0]])
HIT = np.array([0.1, 0, 0])
LEONTIEF = float("-inf")
FIELDS = ("service", "inoperability", "availability", "rounds", "residual", "status")
FORMS = [
    dict(form="linear"),
    dict(form="product"),
    dict(form="product", substitution=0.5),
    dict(form="product", substitution=0.0),
    dict(form="product", substitution=-2.0),
    dict(form="product", substitution=LEONTIEF),
]


def functions(rng: np.random.Generator, n: int, n_functions: int = 2) -> list[np.ndarray]:
    """Return dyadic shares; some users do part of a function in house."""
    made = []
    for _ in range(n_functions):
        shares = np.zeros((n, n))
        for i in range(n):
            providers = rng.permutation([k for k in range(n) if k != i])[: rng.integers(0, 4)]
            shares[i, providers] = rng.integers(1, 6, providers.size) / 16.0
        made.append(shares)
    return made


def slow(shares, crit, own, form, r, rounds=3000):
    """One agent at a time, from full service, plain powers."""
    n = len(own)
    q = np.zeros(n)
    for _ in range(rounds):
        new = np.zeros(n)
        for i in range(n):
            left, lost = 1.0, 0.0
            for a, c in zip(shares, crit, strict=True):
                used = [k for k in range(n) if a[i, k] > 0]
                s, w = 1.0 - q[used], a[i, used]
                rest = 1.0 - w.sum()
                if form == "linear" or r == 1.0:
                    there = 1.0 - (w * q[used]).sum()
                elif not used:
                    there = 1.0
                elif r == LEONTIEF or (r <= 0 and s.min() == 0.0):
                    there = s.min()
                elif r == 0.0:
                    there = np.prod(s**w)
                else:
                    there = (rest + (w * s**r).sum()) ** (1 / r)
                left *= 1.0 - c[i] * (1.0 - there)
                lost += c[i] * (1.0 - there)
            new[i] = min(1.0, own[i] + lost) if form == "linear" else 1.0 - (1.0 - own[i]) * left
        q = new
    return q


# ------------------------------------------------------------------------------------------------------ numbered checks


def test_check_36_inoperability_of_three_sectors():
    linear = outage(DEPENDS, HIT, tol=1e-13)
    assert linear.inoperability.round(6).tolist() == [0.109589, 0.027397, 0.013699]
    # (I - A*)^-1 c* in fractions: 8/73, 2/73, 1/73
    assert_allclose(linear.inoperability, np.array([8, 2, 1]) / 73, atol=1e-12)
    product = outage(DEPENDS, HIT, form="product", tol=1e-13)
    assert product.inoperability.round(6).tolist() == [0.108494, 0.026989, 0.013519]
    assert_allclose(product.service, 1.0 - product.inoperability, atol=0)
    assert linear.status == product.status == "certified"


def test_check_36_the_product_tends_to_the_linear_form_as_shocks_shrink():
    distance = []
    for scale in (1.0, 1e-1, 1e-2, 1e-4, 1e-6):
        linear = outage(DEPENDS, scale * HIT, tol=1e-18).inoperability
        product = outage(DEPENDS, scale * HIT, form="product", tol=1e-18).inoperability
        distance.append(np.abs(product / linear - 1.0).max())
    assert_allclose(distance[2], 1.518e-4, rtol=1e-3)  # at a hundredth of the shock
    assert distance[4] < 2e-8
    assert (np.diff(distance) < 0.0).all()


def test_check_36_every_provider_a_function_of_its_own():
    # the same three sectors written out: function k is provided by agent k alone and critical by A*_ik
    alone = [np.where(np.arange(3)[None, :] == k, 1.0, 0.0) * (1 - np.eye(3)) for k in range(3)]
    written = outage(alone, HIT, criticality=DEPENDS.T, form="product", tol=1e-13)
    assert_allclose(written.inoperability, outage(DEPENDS, HIT, form="product", tol=1e-13).inoperability, atol=1e-13)
    written = outage(alone, HIT, criticality=DEPENDS.T, tol=1e-13)
    assert_allclose(written.inoperability, outage(DEPENDS, HIT, tol=1e-13).inoperability, atol=1e-13)


def test_check_37_one_dead_critical_provider_stops_the_function():
    shares = [[0, 0.05, 0.95], [0, 0, 0], [0, 0, 0]]
    dead = [0, 1, 0]
    assert outage([shares], dead, form="product", substitution=LEONTIEF).service[0] == 0.0
    assert_allclose(outage([shares], dead, form="product").service[0], 0.95, rtol=1e-15)
    half = outage([shares], dead, criticality=0.5, form="product", substitution=LEONTIEF)
    assert half.service.tolist() == [0.5, 0.0, 1.0]
    assert half.availability.tolist() == [[0.0, 1.0, 1.0]]
    # the limit: a provider at .6 with 5 %: S = .6 (.05 + .95 x .6^-r)^(1/r) -> .6
    limit = [
        outage([shares], [0, 0.4, 0], form="product", substitution=r).service[0]
        for r in (1.0, 0.0, -1.0, -10.0, -100.0, -1e4, -1e7)
    ]
    assert (np.diff(limit) < 0.0).all()
    assert_allclose(limit[-1], 0.6, atol=1e-6)
    assert_allclose(limit[:3], [0.98, 0.6**0.05, 1 / (0.05 / 0.6 + 0.95)], rtol=1e-13)
    assert outage([shares], [0, 0.4, 0], form="product", substitution=LEONTIEF).service[0] == 0.6


# ------------------------------------------------------------------------------------------------------------- by hand


def test_two_functions_by_hand():
    # agent 0 loses .5 of payments (critical .5) and .25 x .5 of data (critical 1) from agent 1 at half service
    payments, data = [[0, 1.0], [0, 0]], [[0, 0.25], [0, 0]]
    crit = [[0.5, 1], [1, 1]]
    linear = outage([payments, data], [0.125, 0.5], criticality=crit)
    assert linear.inoperability.tolist() == [0.5, 0.5]  # .125 + .25 + .125
    assert linear.availability.tolist() == [[0.5, 1.0], [0.875, 1.0]]
    product = outage({"payments": payments, "data": data}, [0.125, 0.5], criticality=crit, form="product")
    assert product.service.tolist() == [0.875 * 0.75 * 0.875, 0.5]
    assert product.inoperability.tolist() == [1 - 0.875 * 0.75 * 0.875, 0.5]


def test_losses_add_up_to_at_most_everything():
    capped = outage([[0, 0.9], [0, 0]], [0.5, 0.9])
    assert capped.inoperability.tolist() == [1.0, 0.9]
    assert capped.service[0] == 0.0
    # a spiral, spectral radius above 1: full stop
    assert outage([[0, 1.5], [1.5, 0]], [0.01, 0]).inoperability.tolist() == [1.0, 1.0]


def test_stress_goes_from_providers_to_users_only():
    up = outage([[0, 0.5], [0, 0]], [1, 0])
    assert up.inoperability.tolist() == [1.0, 0.0]
    assert outage([[0, 0.5], [0, 0]], [0, 1]).inoperability.tolist() == [0.5, 1.0]


def test_a_worse_fixed_point_is_reported():
    # two agents wholly dependent on each other: all up, and all down, both feed themselves
    twins = [[0, 1], [1, 0]]
    both = outage([twins], [0, 0], form="product", substitution=LEONTIEF, bounds=True)
    assert both.service.tolist() == [1.0, 1.0]
    assert both.status == "multiple"
    assert both.gap == 1.0
    one = outage(DEPENDS, HIT, bounds=True, tol=1e-12)
    assert one.status == "certified"
    assert one.gap < 1e-11
    assert outage(DEPENDS, HIT).gap is None
    # three rounds are too few to come down from no service: what is left is a bound, and proves nothing
    short = outage(DEPENDS, 0.0, bounds=True, max_rounds=3)
    assert short.gap > 0.01
    assert short.status == "certified"


def test_a_slow_mode_is_not_called_certified():
    slope = 1.0 - 1e-6
    twins = [[0, slope], [slope, 0]]
    with pytest.raises(ConvergenceError) as caught:
        outage(twins, [1e-7, 0], max_rounds=2000)
    assert caught.value.state.status == "not-certified"
    last = outage(twins, [1e-7, 0], max_rounds=2000, allow_uncertified=True)
    assert last.rounds == 2000
    # q = c / (1 - slope^2), about .05, is still far
    assert last.inoperability[0] < 0.01


def test_a_tiny_shock_with_a_large_echo_is_not_stopped_at_its_first_round():
    # q = c / (1 - .99^2) = 50 c: the first round moves by less than tol, the answer is far above it
    twins = [[0, 0.99], [0.99, 0]]
    found = outage(twins, [5e-11, 0], tol=1e-10, max_rounds=100_000)
    assert_allclose(found.inoperability[0], 5e-11 / (1 - 0.99**2), atol=1e-10)
    assert found.inoperability[0] > 2e-9


# --------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6), which=st.sampled_from(FORMS))
def test_against_a_slow_implementation(seed, n, which):
    rng = np.random.default_rng(seed)
    shares = functions(rng, n)
    crit = rng.integers(0, 4, (2, n)) / 8.0
    own = np.where(rng.random(n) < 0.5, rng.random(n), np.where(rng.random(n) < 0.2, 1.0, 0.0))
    found = outage(shares, own, criticality=crit, tol=1e-13, **which)
    expected = slow(shares, crit, own, which["form"], which.get("substitution", 1.0), rounds=120)
    assert_allclose(found.inoperability, expected, atol=1e-10)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_the_linear_form_is_a_linear_solve(seed):
    rng = np.random.default_rng(seed)
    depends = rng.random((6, 6)) * (rng.random((6, 6)) < 0.5) * 0.25
    np.fill_diagonal(depends, 0.0)
    own = rng.random(6) * 0.05
    exact = np.linalg.solve(np.eye(6) - depends, own)
    if exact.max() <= 1.0 and np.abs(np.linalg.eigvals(depends)).max() < 0.95:
        assert_allclose(outage(depends, own, tol=1e-13).inoperability, exact, atol=1e-10)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), which=st.sampled_from(FORMS))
def test_monotone_in_shock_dependence_and_substitution(seed, which):
    rng = np.random.default_rng(seed)
    shares, crit, own = functions(rng, 6), rng.random((2, 6)) * 0.8, rng.random(6) * 0.6
    base = outage(shares, own, criticality=crit, **which).inoperability
    more = own.copy()
    more[rng.integers(6)] += 0.2
    assert (outage(shares, more, criticality=crit, **which).inoperability >= base - 1e-9).all()
    assert (outage(shares, own, criticality=crit * 0.5, **which).inoperability <= base + 1e-9).all()
    assert (base >= own).all()
    assert (base <= 1.0).all()
    if which["form"] == "product":
        linear = outage(shares, own, criticality=crit).inoperability
        assert (outage(shares, own, criticality=crit, form="product").inoperability <= linear + 1e-9).all()
        worst = outage(shares, own, criticality=crit, form="product", substitution=LEONTIEF).inoperability
        assert (base <= worst + 1e-9).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), which=st.sampled_from(FORMS))
def test_relabelling_and_an_isolated_agent(seed, which):
    rng = np.random.default_rng(seed)
    shares, crit, own = functions(rng, 6), rng.random((2, 6)) * 0.8, rng.random(6) * 0.6
    base = outage(shares, own, criticality=crit, **which).inoperability
    order = rng.permutation(6)
    moved = outage([a[np.ix_(order, order)] for a in shares], own[order], criticality=crit[:, order], **which)
    assert_allclose(moved.inoperability, base[order], atol=1e-9)
    more = outage(
        [np.pad(a, ((0, 1), (0, 1))) for a in shares], np.append(own, 0.25), criticality=np.pad(crit, ((0, 0), (0, 1))),
        **which,
    )  # fmt: skip
    assert_array_equal(more.inoperability[:6], base)
    assert more.inoperability[6] == 0.25


@pytest.mark.parametrize("which", FORMS)
def test_no_shock_no_loss(which):
    thirds = np.full((4, 4), 1 / 3)
    np.fill_diagonal(thirds, 0.0)
    calm = outage([thirds, functions(np.random.default_rng(1), 4)[0]], 0.0, **which)
    assert (calm.inoperability == 0.0).all()
    assert (calm.service == 1.0).all()
    assert (calm.availability == 1.0).all()


# --------------------------------------------------------------------------------------------------- lanes and forms


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("which", FORMS)
def test_a_block_is_its_columns(width, which):
    rng = np.random.default_rng(width)
    shares, crit = functions(rng, 7), rng.random((2, 7, width))
    own = rng.random((7, width)) * rng.choice([0.01, 1.0], width)
    block = outage(shares, own, criticality=crit, bounds=True, allow_uncertified=True, **which)
    assert block.availability.shape == (2, 7, width)
    for k in range(width):
        one = outage(shares, own[:, k], criticality=crit[..., k], bounds=True, allow_uncertified=True, **which)
        for name in (*FIELDS, "gap"):
            assert_array_equal(getattr(block, name)[..., k], np.squeeze(getattr(one, name)), err_msg=name)


@pytest.mark.parametrize("form", ["linear", "product"])
def test_input_forms_give_the_same_bits(form):
    dense = functions(np.random.default_rng(2), 6, 1)[0]
    kept = dense.copy()
    own = np.array([0.5, 0, 0.25, 0, 0, 1])
    single, listed = outage(dense, own, form=form), outage([dense], own, form=form)
    assert (form == "linear") == (single.inoperability == listed.inoperability).all()
    for name, made in matrix_forms(dense):
        assert_array_equal(outage(made, own, form=form).inoperability, single.inoperability, err_msg=name)
        assert_array_equal(outage([made], own, form=form).inoperability, listed.inoperability, err_msg=name)
        assert_array_equal(outage({"f": made}, own, form=form).inoperability, listed.inoperability, err_msg=name)
    assert_array_equal(outage(dense[None], own, form=form).inoperability, listed.inoperability)
    assert_array_equal(outage(dense, own.astype(np.float32), form=form).inoperability, single.inoperability)
    assert_array_equal(dense, kept)


# ----------------------------------------------------------------------------------------------------------- recovery


def test_recovery_by_hand():
    # q1: .5 halves each step; q0 = A* q1 of the step before, since K = 1
    back = recover([[0, 1], [0, 0]], [0, 0.5], rate=[1, 0.5], n_steps=3)
    assert back.inoperability.tolist() == [[0, 0.5], [0.5, 0.25], [0.25, 0.125], [0.125, 0.0625]]
    assert back.lost_service.tolist() == [0.75, 0.875]
    assert back.residual == 0.0625
    assert recover([[0.0]], 0.5, rate=0.5, n_steps=1).residual == 0.125
    still = recover([[0, 1], [0, 0]], [0.25, 0.5], rate=[0, 0.5], n_steps=2)
    assert still.inoperability[:, 0].tolist() == [0.25, 0.25, 0.25]
    assert recover([[0, 1], [0, 0]], [0.25, 0.5], rate=1, n_steps=0).inoperability.tolist() == [[0.25, 0.5]]


@pytest.mark.parametrize("which", FORMS)
def test_recovery_ends_where_the_outage_is_at_rest(which):
    rng = np.random.default_rng(4)
    shares, own = functions(rng, 5), rng.random(5) * 0.3
    rest = outage(shares, own, criticality=0.5, tol=1e-13, **which).inoperability
    for start in (0.0, own):
        way = recover(shares, start, rate=[0.9, 0.5, 0.7, 1, 0.3], n_steps=400, shock=own, criticality=0.5, **which)
        assert_allclose(way.inoperability[-1], rest, atol=1e-11)
        assert (np.diff(way.inoperability, axis=0) >= -1e-15).all()
        assert way.residual < 1e-11
    over = recover(shares, rest, rate=0.6, n_steps=300, criticality=0.5, **which)
    assert (over.inoperability[-1] < 1e-9).all()
    assert_allclose(over.lost_service, over.inoperability[:-1].sum(axis=0), rtol=1e-13)


def test_recovery_of_a_linear_system_is_a_matrix_power():
    # q(t+1) = q + K (A* q + c* - q)
    speed, q = np.array([0.5, 0.25, 0.8]), np.array([0.6, 0.2, 0.4])
    way = recover(DEPENDS, q, rate=speed, n_steps=6, shock=HIT)
    for step in range(7):
        assert_allclose(way.inoperability[step], q, atol=1e-14)
        q = q + speed * (DEPENDS @ q + HIT - q)


def test_recovery_lanes():
    rng = np.random.default_rng(6)
    shares, start, speed = functions(rng, 5), rng.random((5, 3)), rng.random((5, 3))
    block = recover(shares, start, rate=speed, n_steps=4, shock=0.125)
    assert block.inoperability.shape == (5, 5, 3)
    for k in range(3):
        one = recover(shares, start[:, k], rate=speed[:, k], n_steps=4, shock=0.125)
        assert_array_equal(block.inoperability[..., k], one.inoperability)
        assert_array_equal(block.lost_service[:, k], one.lost_service)
        assert_array_equal(block.residual[k], np.squeeze(one.residual))


def test_recovery_rates():
    # ln(100) / 10 = .4605: right in continuous time; whole steps need 1 - 100^(-1/10) = .369
    assert_allclose(recovery_rate(0.5, 0.005, 10), np.log(100) / 10, rtol=1e-14)
    stepwise = recovery_rate(0.5, 0.005, 10, per_step=True)
    assert_allclose(stepwise, 1 - 100**-0.1, rtol=1e-14)
    alone = recover(np.zeros((1, 1)), 0.5, rate=stepwise, n_steps=10)
    assert_allclose(alone.inoperability[-1], 0.005, rtol=1e-12)
    quick = recover(np.zeros((1, 1)), 0.5, rate=recovery_rate(0.5, 0.005, 10), n_steps=10)
    assert quick.inoperability[-1, 0] < 0.0011
    assert_allclose(recovery_rate([0.5, 0.4], [0.5, 0.1], 2), [0.0, np.log(2)], rtol=1e-14)
    assert_allclose(recovery_rate(0.5, [0.25, 0.125], [1, 3], per_step=True), [0.5, 1 - 4 ** (-1 / 3)], rtol=1e-14)


# --------------------------------------------------------------------------------------------------------- bad input


def test_all_faults_in_one_message():
    with pytest.raises(InputError) as caught:
        outage(
            {"cloud": [[0, -0.5], [0, 0]], "data": [[0, 1], [np.nan, 0.5]]},
            [0, 1.5],
            criticality=2.0,
            substitution=3.0,
            form="product",
            tol=-1.0,
            max_rounds=0.5,
        )
    text = str(caught.value)
    for part in (
        "services['cloud'][0, 1] is -0.5; allowed: 0 or more",
        "services['data'][1, 0] is nan",
        "services['data'][1, 1] is 0.5; allowed: 0 on the diagonal",
        "shock[1] is 1.5; allowed: 0 to 1",
        "criticality is 2; allowed: 0 to 1",
        "substitution is 3; allowed: 1 or less",
        "tol is -1; allowed: 0 or more",
        "max_rounds is 0.5",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("services", "options", "message"),
    [
        (
            [[[0, 0.75, 0.5], [0, 0, 0], [0, 0, 0]]],
            dict(form="product"),
            r"services\[0\]\[0\] adds up to 1.25; allowed",
        ),
        ([[0, 1.5, 0], [0, 0, 0], [0, 0, 0]], dict(form="product"), r"services\[0, 1\] is 1.5; allowed: at most 1"),
        (DEPENDS, dict(criticality=0.5), "criticality belongs to a list of functions"),
        (DEPENDS, dict(form="product", substitution=0.5), "substitution is 0.5 without a list or dict of functions"),
        ([DEPENDS], dict(substitution=LEONTIEF), 'substitution is -inf without form="product"; allowed: 1'),
        ([DEPENDS], dict(form="product", substitution=np.nan), "substitution is nan; allowed: finite numbers"),
        ([DEPENDS], dict(form="product", substitution=np.inf), "substitution is inf; allowed: finite numbers"),
        ([DEPENDS, np.zeros((2, 2))], {}, r"matrices of \[2, 3\] agents"),
        ([DEPENDS], dict(criticality=[1, 1]), r"criticality has shape \(2,\); allowed: a number or \(1, 3\)"),
        ([DEPENDS[:, :2]], {}, r"services\[0\] has shape 3 x 2; allowed: square"),
        ([], {}, "services holds no function"),
        ({}, {}, "services holds no function"),
        (np.array([[None, 1], [1, None]]), {}, "services has dtype object"),
    ],
)
def test_single_faults(services, options, message):
    with pytest.raises(InputError, match=message):
        outage(services, 0.0, **options)


def test_shares_that_miss_one_by_rounding_are_fine():
    parts = np.zeros((10, 10))
    parts[0, 1:] = 1 / 9
    assert sum(parts[0]) > 1.0
    assert (outage([parts], 0.0, form="product", substitution=-1.0).service == 1.0).all()


def test_unknown_form():
    with pytest.raises(UnknownNameError, match="did you mean 'product'"):
        outage(DEPENDS, HIT, form="prodct")


def test_bad_recoveries():
    with pytest.raises(InputError, match=r"rate is 1.5; allowed: 0 to 1"):
        recover(DEPENDS, HIT, rate=1.5, n_steps=2)
    with pytest.raises(InputError, match=r"start\[0\] is -1(.|\n)*n_steps is -1"):
        recover(DEPENDS, [-1, 0, 0], rate=1, n_steps=-1)
    with pytest.raises(InputError, match="target is above start"):
        recovery_rate(0.25, 0.5, 1)
    with pytest.raises(
        InputError, match=r"start is 0; allowed: above 0 to 1(.|\n)*duration is 0; allowed: more than 0"
    ):
        recovery_rate(0.0, 0.5, 0)
