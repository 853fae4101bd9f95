"""Funding runs: hoarding by hand, its limits, lanes, forms and faults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sim.contagion.funding_run import funding_run, outflow
from sim.errors import ConvergenceError, InputError
from tests.contagion.matrix_forms import matrix_forms

CHAIN = np.array([[0.0, 6, 0], [0, 0, 4], [0, 0, 0]])  # 0 lends 6 to 1, 1 lends 4 to 2
FIELDS = ("is_hoarding", "wave", "liquidity", "withdrawn", "lenders_hoarding", "rounds", "residual", "status")


def dyadic(rng: np.random.Generator, n: int, density: float = 0.4) -> np.ndarray:
    claims = np.where(rng.random((n, n)) < density, rng.integers(1, 64, (n, n)) / 8.0, 0.0)
    np.fill_diagonal(claims, 0.0)
    return claims


def slow(claims, before, share, *, at_zero=False):
    """Synchronous rounds in plain Python, bank by bank."""
    n = len(before)
    hoards, wave, number = [False] * n, [0] * n, 0
    while True:
        number += 1
        new = []
        for i in range(n):
            left = before[i] - sum(claims[j][i] * share[j] for j in range(n) if hoards[j])
            if not hoards[i] and (left < 0 or (at_zero and left == 0)):
                new.append(i)
        if not new:
            return np.array(hoards), np.array(wave), number
        for i in new:
            hoards[i], wave[i] = True, number


# ------------------------------------------------------------------------------------------------------------- by hand


def test_a_chain_runs_from_lender_to_borrower():
    # bank 0: 1 - 2 < 0; bank 1 then loses 6 of its 5: -1; bank 2 loses 4 of its 4.5: 0.5 left
    run = funding_run(CHAIN, [1, 5, 4.5], shock=[2, 0, 0])
    assert run.is_hoarding.tolist() == [True, True, False]
    assert run.wave.tolist() == [1, 2, 0]
    assert run.liquidity.tolist() == [-1.0, -1.0, 0.5]
    assert run.withdrawn.tolist() == [0.0, 6.0, 4.0]
    assert run.lenders_hoarding.tolist() == [0.0, 1.0, 1.0]
    assert run.rounds == 3
    assert run.residual == 0.0
    assert run.status == "certified"
    assert run.gap is None


def test_a_borrower_in_trouble_does_not_hurt_its_lenders():
    run = funding_run(CHAIN, [1, 5, 4.5], shock=[0, 0, 100])
    assert run.is_hoarding.tolist() == [False, False, True]
    assert run.liquidity.tolist() == [1.0, 5.0, -95.5]


def test_every_term_of_the_condition():
    # h .2, h_i .1: raises .7 of 10 = 7 on collateral, .7 / .8 of 8 = 7 on reverse repo;
    # 3 + 7 + 7 + 2 new - 12 repo - 1.5 outflow = 5.5, less .25 x 6 withdrawn by the lender = 4
    run = funding_run(
        [[0, 6], [0, 0]],
        [-1, 3],
        collateral=[0, 10],
        reverse_repo=[0, 8],
        new_funding=[0, 2],
        repo=[0, 12],
        haircut=0.2,
        own_haircut=[0, 0.1],
        hoarded_share=[0.25, 1],
        shock=[0, 1.5],
    )
    assert_allclose(run.liquidity, [-1.0, 4.0], atol=1e-14)
    assert_allclose(run.withdrawn, [0.0, 1.5], atol=0)


def test_a_haircut_alone_starts_a_run():
    # 4 + .9 x 10 - 12 = 1; with an own haircut of .2 more: 4 + .7 x 10 - 12 = -1
    calm = funding_run(CHAIN, 4, collateral=10, repo=12, haircut=0.1, hoarded_share=0.1)
    assert not calm.is_hoarding.any()
    assert_allclose(calm.liquidity, 1.0, atol=1e-12)
    hit = funding_run(CHAIN, 4, collateral=10, repo=12, haircut=0.1, own_haircut=[0.2, 0, 0], hoarded_share=0.1)
    assert hit.wave.tolist() == [1, 0, 0]
    assert_allclose(hit.liquidity, [-1, 0.4, 1], atol=1e-12)


def test_ties():
    # what is withdrawn, 6, is exactly what there is
    assert not funding_run(CHAIN, [-1, 6, 0]).is_hoarding[1]
    assert funding_run(CHAIN, [-1, 6, 0], hoards_at_zero=True).wave.tolist() == [1, 2, 1]
    assert funding_run(CHAIN, [-1, 6, 0]).wave.tolist() == [1, 0, 0]


def test_the_share_of_lenders_counts_amounts():
    # bank 2 borrows 3 from bank 0, which hoards, and 1 from bank 1, which does not
    run = funding_run([[0, 0, 3], [0, 0, 1], [0, 0, 0]], [-1, 0, 9], hoarded_share=0.5)
    assert run.lenders_hoarding.tolist() == [0.0, 0.0, 0.75]
    assert run.withdrawn.tolist() == [0.0, 0.0, 1.5]


def test_a_second_equilibrium_is_reported():
    # two banks that fund each other: nobody hoards, or both do
    mutual = funding_run([[0, 2], [2, 0]], [1, 1], bounds=True)
    assert not mutual.is_hoarding.any()
    assert mutual.status == "multiple"
    assert mutual.gap == 1.0
    alone = funding_run([[0, 2], [2, 0]], [3, 1], bounds=True)
    assert alone.status == "certified"
    assert alone.gap == 0.0
    # one round is not enough to fall from everybody hoarding in a chain of three
    deep = funding_run(CHAIN, [0, 5, 3], bounds=True)
    assert deep.gap == 0.0
    # everybody but the first stops hoarding, one a round: three rounds, and a fourth to see that it is over
    calm = [funding_run(CHAIN, [1, 5, 3], bounds=True, max_rounds=k) for k in (2, 3, 4)]
    assert [float(np.squeeze(run.gap)) for run in calm] == [1.0, 0.0, 0.0]
    assert {str(np.squeeze(run.status)) for run in calm} == {"certified"}


def test_the_direct_hit_is_all_in_wave_one():
    run = funding_run(np.zeros((4, 4)), [-1, 0, 1, -2])
    assert run.wave.tolist() == [1, 0, 0, 1]
    assert run.rounds == 2


def test_too_few_rounds_are_not_an_answer():
    with pytest.raises(ConvergenceError) as caught:
        funding_run(CHAIN, [-1, 5, 3], max_rounds=2)
    assert caught.value.state.status == "not-certified"
    last = funding_run(CHAIN, [-1, 5, 3], max_rounds=2, allow_uncertified=True)
    assert last.wave.tolist() == [1, 2, 0]
    assert last.residual == 1.0
    assert last.liquidity.tolist() == [-1.0, -1.0, -1.0]
    assert funding_run(CHAIN, [-1, 5, 3], max_rounds=4).wave.tolist() == [1, 2, 3]


# ------------------------------------------------------------------------------------------------------ numbered checks


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_check_27_a_bank_that_could_lose_all_it_may_lose_never_hoards(share):
    rng = np.random.default_rng(27)
    for _ in range(50):
        claims = dyadic(rng, 8)
        cash = rng.integers(-8, 64, 8) / 8.0
        safe = cash >= share * claims.sum(axis=0)
        run = funding_run(claims, cash, hoarded_share=share)
        assert not (run.is_hoarding & safe).any()


@pytest.mark.parametrize(("cash", "hoards"), [(2.9375, True), (3.0, False), (3.0625, False)])
def test_check_27_a_bank_with_one_lender_hoards_below_lambda_times_its_funding(cash, hoards):
    # lambda L^IB = .5 x 6 = 3
    run = funding_run([[0, 6], [0, 0]], [-1, cash], hoarded_share=0.5)
    assert run.is_hoarding.tolist() == [True, hoards]


def test_check_24_a_quarter_leaves_in_a_day():
    assert_allclose(outflow(1.0, 0.2877), 0.25, atol=2e-5)
    assert_allclose(outflow(80.0, -np.log(0.75)), 20.0, rtol=1e-15)


# ------------------------------------------------------------------------------------------------------------ outflow


def test_outflow():
    assert outflow(3.0, 0.0) == 0.0
    assert outflow(3.0, 5.0, duration=0.0) == 0.0
    assert_allclose(outflow([1.0, 2.0], [0.1, 40.0], duration=2.0), [1 - np.exp(-0.2), 2.0], rtol=1e-15)
    assert_allclose(outflow(np.ones((2, 2)), 1.0), np.full((2, 2), -np.expm1(-1.0)), rtol=1e-15)
    rates = 10.0 ** np.arange(-12.0, 1.5, 0.125)
    assert_allclose(outflow(1.0, rates), -np.expm1(-rates), rtol=3e-13)
    assert_allclose(outflow(1.0, rates[rates < 2.0**-10]), -np.expm1(-rates[rates < 2.0**-10]), rtol=4e-16)


def test_outflow_refuses():
    with pytest.raises(InputError, match=r"hazard\[1\] is -0.1; allowed: 0 or more"):
        outflow(1.0, [0.1, -0.1])
    with pytest.raises(InputError, match="balance is nan"):
        outflow(np.nan, 0.1)


# --------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 9), at_zero=st.booleans())
def test_against_a_slow_implementation(seed, n, at_zero):
    rng = np.random.default_rng(seed)
    claims, cash = dyadic(rng, n), rng.integers(-16, 48, n) / 8.0
    share = rng.integers(0, 5, n) / 4.0
    run = funding_run(claims, cash, hoarded_share=share, hoards_at_zero=at_zero)
    hoards, wave, rounds = slow(claims.tolist(), cash.tolist(), share.tolist(), at_zero=at_zero)
    assert_array_equal(run.is_hoarding, hoards)
    assert_array_equal(run.wave, wave)
    assert run.rounds == rounds
    assert_array_equal(run.withdrawn, (share * hoards) @ claims)
    assert_array_equal(run.liquidity, cash - (share * hoards) @ claims)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_monotone_in_shock_buffers_and_the_share_hoarded(seed):
    rng = np.random.default_rng(seed)
    claims, cash = dyadic(rng, 7), rng.integers(-8, 48, 7) / 8.0
    base = dict(shock=rng.integers(0, 8, 7) / 8.0, hoarded_share=0.5, collateral=1.0, repo=1.0)
    run = funding_run(claims, cash, **base)
    k = rng.integers(7)
    bump = np.zeros(7)
    bump[k] = 0.5
    assert (funding_run(claims, cash, **{**base, "shock": base["shock"] + bump}).is_hoarding >= run.is_hoarding).all()
    assert (funding_run(claims, cash, **{**base, "hoarded_share": 0.75}).is_hoarding >= run.is_hoarding).all()
    assert (funding_run(claims, cash, **{**base, "own_haircut": bump}).is_hoarding >= run.is_hoarding).all()
    assert (funding_run(claims, cash, **{**base, "repo": 1.0 + bump}).is_hoarding >= run.is_hoarding).all()
    assert (funding_run(claims, cash + bump, **base).is_hoarding <= run.is_hoarding).all()
    assert (funding_run(claims, cash, **{**base, "new_funding": bump}).is_hoarding <= run.is_hoarding).all()
    assert (funding_run(claims, cash, **{**base, "reverse_repo": bump}).is_hoarding <= run.is_hoarding).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), power=st.integers(-20, 20))
def test_relabelling_scaling_and_an_isolated_bank(seed, power):
    rng = np.random.default_rng(seed)
    claims, cash = dyadic(rng, 6), rng.integers(-8, 48, 6) / 8.0
    run = funding_run(claims, cash)
    order = rng.permutation(6)
    moved = funding_run(claims[np.ix_(order, order)], cash[order])
    assert_array_equal(moved.wave, run.wave[order])
    assert_array_equal(moved.liquidity, run.liquidity[order])
    scaled = funding_run(np.ldexp(claims, power), np.ldexp(cash, power))
    assert_array_equal(scaled.wave, run.wave)
    assert_array_equal(scaled.liquidity, np.ldexp(run.liquidity, power))
    more = funding_run(np.pad(claims, ((0, 1), (0, 1))), np.append(cash, 1.0))
    assert_array_equal(more.wave[:6], run.wave)
    assert more.wave[6] == 0


def test_no_shock_no_loss():
    claims = dyadic(np.random.default_rng(0), 6)
    run = funding_run(claims, 0.0, bounds=False)
    assert not run.is_hoarding.any()
    assert (run.liquidity == 0.0).all()
    assert (run.withdrawn == 0.0).all()
    assert run.rounds == 1


# --------------------------------------------------------------------------------------------------- lanes and forms


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_a_block_is_its_columns(width):
    rng = np.random.default_rng(width)
    claims = dyadic(rng, 12)
    shock = rng.random((12, width)) * 6 - 1
    cash = rng.random(12) * 4
    cut = rng.random((12, width)) * 0.4
    block = funding_run(claims, cash, shock=shock, haircut=cut, collateral=3, repo=1, hoarded_share=0.7, bounds=True)
    assert block.liquidity.shape == (12, width)
    assert block.rounds.shape == (width,)
    for k in range(width):
        one = funding_run(
            claims, cash, shock=shock[:, k], haircut=cut[:, k], collateral=3, repo=1, hoarded_share=0.7, bounds=True
        )
        for name in (*FIELDS, "gap"):
            assert_array_equal(getattr(block, name)[..., k], np.squeeze(getattr(one, name)), err_msg=name)


def test_forms_of_the_matrix_and_of_numbers_give_the_same_bits():
    rng = np.random.default_rng(5)
    claims, cash = dyadic(rng, 9), rng.integers(-8, 48, 9) / 8.0
    kept = claims.copy(), cash.copy()
    run = funding_run(claims, cash)
    assert run.is_hoarding.any()
    for name, form in matrix_forms(claims):
        assert_array_equal(funding_run(form, cash).liquidity, run.liquidity, err_msg=name)
    assert_array_equal(funding_run(claims, cash.astype(np.float32)).liquidity, run.liquidity)
    assert_array_equal(funding_run(claims, cash.tolist()).liquidity, run.liquidity)
    assert_array_equal(claims, kept[0])
    assert_array_equal(cash, kept[1])


# --------------------------------------------------------------------------------------------------------- bad input


def test_all_faults_in_one_message():
    with pytest.raises(InputError) as caught:
        funding_run(
            [[0, -1], [np.nan, 3]],
            [1, np.inf],
            collateral=[-1, 0],
            hoarded_share=1.5,
            shock=[1, 2, 3],
            repo="much",
            max_rounds=0,
        )
    text = str(caught.value)
    for part in (
        "exposures[0, 1] is -1; allowed: 0 or more",
        "exposures[1, 0] is nan; allowed: finite numbers",
        "exposures[1, 1] is 3; allowed: 0 on the diagonal",
        "liquid_assets[1] is inf",
        "collateral[0] is -1; allowed: 0 or more",
        "hoarded_share is 1.5; allowed: 0 to 1",
        "shock has shape (3,)",
        "repo has dtype",
        "max_rounds is 0",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"haircut": 1.0}, "haircut.* is 1; allowed: less than 1"),
        ({"haircut": [0.5, 0], "own_haircut": 0.625}, r"haircut\[0\] \+ own_haircut\[0\] is 1.125; allowed: at most 1"),
        ({"haircut": 0.5, "own_haircut": [[0, 0], [0, 0.75]]}, r"own_haircut\[1, 1\] is 1.25"),
        ({"new_funding": -1}, "new_funding is -1"),
        ({"reverse_repo": [0, -2]}, r"reverse_repo\[1\] is -2"),
        ({"repo": -3}, "repo is -3"),
        ({"own_haircut": -0.5}, "own_haircut is -0.5"),
    ],
)
def test_single_faults(change, message):
    with pytest.raises(InputError, match=message):
        funding_run([[0, 1], [0, 0]], [1, 1], **change)


def test_a_haircut_that_takes_everything_is_allowed():
    assert funding_run([[0, 1], [0, 0]], [1, 1], collateral=5, haircut=0.5, own_haircut=0.5).liquidity.tolist() == [
        1,
        1,
    ]


def test_exposures_that_are_no_matrix():
    with pytest.raises(InputError, match="square"):
        funding_run(np.zeros((2, 3)), [1, 1])
    with pytest.raises(InputError, match="object"):
        funding_run(np.array([[None, 1], [1, None]]), [1, 1])
