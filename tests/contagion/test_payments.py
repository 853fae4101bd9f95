"""Payments of a day: gridlock, the mute bank, conservation of cash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sim.contagion.payments import settle_payments
from sim.errors import ConvergenceError, InputError
from tests.contagion.matrix_forms import matrix_forms

FIELDS = (
    "settled",
    "paid",
    "received",
    "cash",
    "shortfall",
    "backlog",
    "is_short",
    "rounds",
    "residual",
    "status",
)


def ring(n: int) -> np.ndarray:
    """Everybody owes 1 to the next: row payee, column payer."""
    return np.roll(np.eye(n), 1, axis=0)


def dyadic(rng: np.random.Generator, n: int) -> np.ndarray:
    dues = np.where(rng.random((n, n)) < 0.5, rng.integers(1, 32, (n, n)) / 4.0, 0.0)
    np.fill_diagonal(dues, 0.0)
    return dues


# ------------------------------------------------------------------------------------------------------ numbered checks


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize("mute", [0, 2])
def test_check_25_a_mute_bank_drains_the_others(n, mute):
    # everybody sends P = 6 a day in equal parts; the mute bank takes P and sends nothing
    flow = np.full((n, n), 6.0 / (n - 1))
    np.fill_diagonal(flow, 0.0)
    able = np.ones(n)
    able[mute] = 0.0
    day = settle_payments(flow, 50.0, service=able)
    others = np.arange(n) != mute
    assert_allclose(day.cash[others], 50.0 - 6.0 / (n - 1), rtol=1e-14)
    assert_allclose(day.cash[mute], 56.0, rtol=1e-14)
    assert_allclose(day.cash.sum(), 50.0 * n, rtol=1e-14)
    assert_allclose(day.backlog, np.where(others, 0.0, 6.0), rtol=1e-14)
    assert (day.shortfall == 0.0).all()
    # deposits move with the reserves: what a bank owes to depositors falls by what it pays out net
    deposits = 40.0 - day.paid + day.received
    assert_allclose(day.cash - deposits, 10.0, rtol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("least", [False, True])
def test_check_26_one_unit_of_cash_anywhere_settles_the_ring(n, least):
    for where in range(n):
        cash = np.zeros(n)
        cash[where] = 1.0
        day = settle_payments(ring(n), cash, least=least, bounds=True)
        assert (day.paid == 1.0).all()
        assert (day.received == 1.0).all()
        assert_array_equal(day.cash, cash)
        assert not day.is_short.any()
        assert day.gap == 0.0
        assert day.status == "certified"


@pytest.mark.parametrize("n", [2, 3, 7])
def test_check_26_gridlock_without_cash(n):
    together = settle_payments(ring(n), 0.0, bounds=True)
    assert (together.paid == 1.0).all()
    assert together.status == "multiple"
    assert together.gap == 1.0
    stuck = settle_payments(ring(n), 0.0, least=True, bounds=True)
    assert (stuck.paid == 0.0).all()
    assert (stuck.shortfall == 1.0).all()
    assert stuck.is_short.all()
    assert stuck.status == "multiple"
    assert settle_payments(ring(n), 0.0).gap is None
    assert settle_payments(ring(n), 0.0, bounds=True, tol=1e-3).status == "multiple"


@pytest.mark.parametrize("little", [0.5, 1e-12, 5e-324])
def test_any_cash_at_all_settles_a_ring(little):
    # payments are divisible: half a unit goes round twice
    day = settle_payments(ring(4), [0, little, 0, 0], least=True)
    assert (day.paid == 1.0).all()
    assert_array_equal(day.cash, [0, little, 0, 0])


def test_a_gridlocked_ring_beside_a_bank_that_is_short():
    # ring {0, 1, 2} without cash settles; 3 owes 1 to 4 and has .5
    dues = np.pad(ring(3), ((0, 2), (0, 2)))
    dues[4, 3] = 1.0
    day = settle_payments(dues, [0, 0, 0, 0.5, 0])
    assert day.settled.tolist() == [1.0, 1.0, 1.0, 0.5, 1.0]
    assert day.status == "certified"


def test_cash_reaches_only_whom_it_is_paid_to():
    # rings {0, 1}, {2, 3} and {4, 5}; 1 also pays 2, cash is at 0: the last ring is stuck, the first loses what leaves
    dues = np.zeros((7, 7))
    dues[1, 0] = dues[3, 2] = dues[2, 3] = dues[5, 4] = dues[4, 5] = 1.0
    dues[0, 1] = dues[2, 1] = 0.5
    day = settle_payments(dues, [0.25, 0, 0, 0, 0, 0, 0], least=True, tol=1e-13)
    # z0 = min(1, 1/4 + z1 / 2), z1 = z0: 1/2; what reaches 2 then goes round until all is settled
    assert_allclose(day.paid, [0.5, 0.5, 1, 1, 0, 0, 0], atol=1e-12)
    assert day.settled[6] == 1.0
    assert day.is_short.tolist() == [True, True, False, False, True, True, False]
    # a bank that is mute passes nothing on
    mute = settle_payments(dues, [0.25, 0, 0, 0, 0, 0, 0], service=[1, 0, 1, 1, 1, 1, 1], least=True)
    assert_allclose(mute.paid, [0.25, 0, 0, 0, 0, 0, 0], atol=1e-15)


# ------------------------------------------------------------------------------------------------------------- by hand


def test_a_chain_that_runs_dry():
    # 0 owes 4 to 1, who owes 6 to 2 and 2 to 3; cash 1, 3, 0, 0: 0 pays 1, 1 pays 4 of 8, pro rata 3 and 1
    dues = np.zeros((4, 4))
    dues[1, 0], dues[2, 1], dues[3, 1] = 4, 6, 2
    day = settle_payments(dues, [1, 3, 0, 0])
    assert day.paid.tolist() == [1.0, 4.0, 0.0, 0.0]
    assert day.received.tolist() == [0.0, 1.0, 3.0, 1.0]
    assert day.settled.tolist() == [0.25, 0.5, 1.0, 1.0]
    assert day.shortfall.tolist() == [3.0, 4.0, 0.0, 0.0]
    assert day.cash.tolist() == [0.0, 0.0, 3.0, 1.0]
    assert day.is_short.tolist() == [True, True, False, False]
    assert day.backlog.tolist() == [0.0] * 4
    # at half service bank 1 sends only 4, which it can pay
    half = settle_payments(dues, [1, 3, 0, 0], service=[1, 0.5, 1, 1])
    assert half.paid.tolist() == [1.0, 4.0, 0.0, 0.0]
    assert half.settled.tolist() == [0.25, 1.0, 1.0, 1.0]
    assert half.backlog.tolist() == [0.0, 4.0, 0.0, 0.0]
    assert half.shortfall.tolist() == [3.0, 0.0, 0.0, 0.0]
    assert half.received.tolist() == [0.0, 1.0, 3.0, 1.0]


def test_cash_that_multiplies():
    # 0 owes 2 to 1, 1 owes 4: 2 back to 0 and 2 to 2. Cash 1 at bank 0: z0 = min(2, 1 + z1 / 2), z1 = z0: z0 = 2
    dues = np.array([[0.0, 2, 0], [2, 0, 0], [0, 2, 0]])
    day = settle_payments(dues, [1, 0, 0])
    assert_allclose(day.paid, [2, 2, 0], atol=1e-9)
    # with cash .5: z0 = .5 + z0 / 2 = 1
    half = settle_payments(dues, [0.5, 0, 0], tol=1e-13)
    assert_allclose(half.paid, [1, 1, 0], atol=1e-12)
    assert_allclose(half.cash, [0, 0, 0.5], atol=1e-12)
    from_below = settle_payments(dues, [0.5, 0, 0], tol=1e-13, least=True)
    assert_allclose(from_below.paid, half.paid, atol=1e-12)
    assert settle_payments(dues, [1, 0, 0], least=True).is_short.tolist() == [False, True, False]


def test_a_slow_mode_is_not_called_certified():
    dues = np.array([[0.0, 1, 0], [1, 0, 0], [0, 1e-6, 0]])
    with pytest.raises(ConvergenceError) as caught:
        settle_payments(dues, 0.0, max_rounds=500)
    assert caught.value.state.status == "not-certified"
    last = settle_payments(dues, 0.0, max_rounds=500, allow_uncertified=True)
    assert last.rounds == 500
    assert last.settled[0] > 0.9


# --------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 7), least=st.booleans())
def test_it_solves_the_equation_and_keeps_cash(seed, n, least):
    rng = np.random.default_rng(seed)
    dues, cash = dyadic(rng, n), rng.integers(0, 24, n) / 4.0
    able = rng.choice([0.0, 0.5, 1.0], n)
    day = settle_payments(dues, cash, service=able, least=least, tol=1e-12)
    owed = dues.sum(axis=0)
    sent = able * owed
    into = np.divide(dues, owed, out=np.zeros((n, n)), where=owed > 0) @ day.paid
    assert_allclose(day.received, into, atol=1e-9)
    assert_allclose(day.paid, np.minimum(sent, cash + into), atol=1e-9)
    assert_allclose(day.backlog, owed - sent, atol=0)
    assert_allclose(day.shortfall, sent - day.paid, atol=0)
    assert_allclose(day.cash.sum(), cash.sum(), atol=1e-9)
    assert (day.cash >= -1e-9).all()
    assert (day.settled[sent == 0.0] == 1.0).all()
    other = settle_payments(dues, cash, service=able, least=not least, tol=1e-12)
    high, low = (other, day) if least else (day, other)
    assert (high.paid >= low.paid - 1e-9).all()
    rising = np.zeros(n)
    for _ in range(1000):
        rising = np.minimum(sent, cash + np.divide(dues, owed, out=np.zeros((n, n)), where=owed > 0) @ rising)
    assert_allclose(low.paid, rising, atol=1e-8)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), power=st.integers(-20, 20))
def test_monotone_relabelled_scaled_isolated(seed, power):
    rng = np.random.default_rng(seed)
    dues, cash = dyadic(rng, 6), rng.integers(0, 24, 6) / 4.0
    base = settle_payments(dues, cash)
    richer = cash.copy()
    richer[rng.integers(6)] += 1.0
    assert (settle_payments(dues, richer).paid >= base.paid - 1e-9).all()
    able = np.ones(6)
    able[rng.integers(6)] = 0.5
    assert (settle_payments(dues, cash, service=able).paid <= base.paid + 1e-9).all()
    order = rng.permutation(6)
    assert_allclose(settle_payments(dues[np.ix_(order, order)], cash[order]).paid, base.paid[order], atol=1e-8)
    scaled = settle_payments(np.ldexp(dues, power), np.ldexp(cash, power))
    assert_array_equal(scaled.paid, np.ldexp(base.paid, power))
    more = settle_payments(np.pad(dues, ((0, 1), (0, 1))), np.append(cash, 3.0))
    assert_array_equal(more.paid[:6], base.paid)
    assert (more.paid[6], more.cash[6], more.settled[6]) == (0.0, 3.0, 1.0)


# --------------------------------------------------------------------------------------------------- lanes and forms


@pytest.mark.parametrize("width", [1, 2, 6])
@pytest.mark.parametrize("least", [False, True])
def test_a_block_is_its_columns(width, least):
    rng = np.random.default_rng(width)
    dues, cash, able = dyadic(rng, 8), rng.random((8, width)) * 4, rng.random((8, width))
    block = settle_payments(dues, cash, service=able, least=least, bounds=True)
    for k in range(width):
        one = settle_payments(dues, cash[:, k], service=able[:, k], least=least, bounds=True)
        for name in (*FIELDS, "gap"):
            assert_array_equal(getattr(block, name)[..., k], np.squeeze(getattr(one, name)), err_msg=name)


def test_input_forms_give_the_same_bits():
    rng = np.random.default_rng(3)
    dues, cash = dyadic(rng, 7), rng.integers(0, 12, 7) / 4.0
    kept = dues.copy(), cash.copy()
    day = settle_payments(dues, cash)
    assert day.is_short.any()
    for name, form in matrix_forms(dues):
        assert_array_equal(settle_payments(form, cash).paid, day.paid, err_msg=name)
    assert_array_equal(settle_payments(dues, cash.astype(np.float32)).paid, day.paid)
    assert_array_equal(dues, kept[0])
    assert_array_equal(cash, kept[1])


def test_all_faults_in_one_message():
    with pytest.raises(InputError) as caught:
        settle_payments([[0, -1], [np.inf, 2]], [-1, 0], service=[0, 1.5], tol=-1.0, max_rounds=0)
    text = str(caught.value)
    for part in (
        "obligations[0, 1] is -1; allowed: 0 or more",
        "obligations[1, 0] is inf",
        "obligations[1, 1] is 2; allowed: 0 on the diagonal",
        "cash[0] is -1; allowed: 0 or more",
        "service[1] is 1.5; allowed: 0 to 1",
        "tol is -1",
        "max_rounds is 0",
    ):
        assert part in text
