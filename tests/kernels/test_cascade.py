"""The event-driven cascade against synchronous rounds of whole pulls, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arrays import Csr, csr, empty
from sim.kernels.cascade import loss_on_failed, play_cascades
from sim.kernels.pull import pull


def play(net: Csr, remaining: np.ndarray, failing: np.ndarray, *, at_zero=False, max_rounds=10**6, capacity=None):
    """Run the kernel to the end and return, per draw, dense losses and waves, rounds and what is unfinished."""
    n, draws = net.n_rows, failing.size
    debtors = net.transposed()
    bad = remaining <= 0.0 if at_zero else remaining < 0.0
    row, first = np.nonzero(bad)
    first_ptr = np.searchsorted(row, np.arange(len(remaining) + 1))
    wave, stamp = np.zeros(n, np.int32), np.zeros(n, np.int32)
    lost, touched = np.zeros(n), np.zeros(n, np.bool_)
    scratch = [np.full(n, -7, np.int32) for _ in range(3)]
    room = n * draws if capacity is None else capacity
    agents, waves, losses = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room)
    ends, rounds, unfinished = np.zeros(draws, np.int64), np.zeros(draws, np.int64), np.zeros(draws, np.bool_)
    dense_loss, dense_wave = np.zeros((n, draws)), np.zeros((n, draws), np.int64)
    start, calls = 0, 0
    while start < draws:
        after = play_cascades(
            net.indptr, net.indices, net.weights, debtors.indptr, debtors.indices, debtors.weights, remaining,
            first_ptr, first, failing, at_zero, max_rounds, start, wave, stamp, lost, touched, *scratch,
            agents, waves, losses, ends, rounds, unfinished,
        )  # fmt: skip
        assert not any(scratched.any() for scratched in (wave, stamp, lost, touched))
        calls += 1
        before = 0
        for draw in range(start, after):
            part = slice(before, int(ends[draw]))
            assert (np.diff(agents[part]) > 0).all()
            dense_loss[agents[part], draw], dense_wave[agents[part], draw] = losses[part], waves[part]
            before = int(ends[draw])
        start = after
    return dense_loss, dense_wave, rounds, unfinished, calls


def pulled(net: Csr, remaining: np.ndarray, failing: np.ndarray, *, at_zero=False):
    """The same by whole pulls over everybody."""
    n, draws = net.n_rows, failing.size
    left = np.ascontiguousarray(np.broadcast_to(remaining.T, (n, draws)))
    waves = np.where(left <= 0.0 if at_zero else left < 0.0, 1, 0)
    for draw in np.flatnonzero(failing >= 0):
        waves[failing[draw], draw] = 1
    loss = empty(n, draws)
    for latest in range(1, n + 2):
        pull(net.indptr, net.indices, net.weights, np.where(waves > 0, 1.0, 0.0), loss)
        after = left - loss
        new = (waves == 0) & (after <= 0.0 if at_zero else after < 0.0)
        waves[new] = latest + 1
    return loss, waves


def test_the_loss_of_one_row_by_hand() -> None:
    net = csr([[0, 1, 2, 4], [0, 0, 0, 0], [8, 16, 0, 0], [0, 0, 0, 0]])
    wave = np.array([1, 2, 0, 3], np.int32)
    # row 0: debtor 1 (wave 2) 1, debtor 2 stands, debtor 3 (wave 3) 4
    assert [loss_on_failed(*net[:3], wave, latest, 0) for latest in (1, 2, 3)] == [0.0, 1.0, 5.0]
    assert [loss_on_failed(*net[:3], wave, latest, 2) for latest in (1, 2)] == [8.0, 24.0]


@given(st.integers(1, 25), st.integers(1, 6), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_bits_of_the_pull_engine_at_the_knife_edge(n: int, draws: int, at_zero: bool, seed: int) -> None:
    # tenths are no binary fractions: 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 differ, and so would the decisions
    random = np.random.default_rng(seed)
    exposures = random.integers(0, 4, (n, n)) / 10.0 * (random.random((n, n)) < 0.4)
    np.fill_diagonal(exposures, 0.0)
    net = csr(exposures)
    remaining = random.integers(0, 10, (draws, n)) / 10.0
    failing = random.integers(-1, n, draws)
    loss, wave, *_ = play(net, remaining, failing, at_zero=at_zero)
    expected_loss, expected_wave = pulled(net, remaining, failing, at_zero=at_zero)
    assert (wave == expected_wave).all()
    reached = (expected_loss > 0.0) | (expected_wave > 0)
    assert (loss[reached] == expected_loss[reached]).all()
    assert not loss[~reached].any()


def test_an_order_of_events_that_would_decide_otherwise() -> None:
    # Row 0 owns 0.1 + 0.2 + 0.3 = 0.6000000000000001 in CSR order; 0.3 + 0.2 + 0.1 = 0.6. Equity 0.6: default in CSR
    # order only. The events arrive as debtors 3, 2, 1 fail one after another.
    assert (0.1 + 0.2) + 0.3 > 0.6 >= (0.3 + 0.2) + 0.1
    exposures = np.zeros((4, 4))
    exposures[0, 1:] = 0.1, 0.2, 0.3
    exposures[2, 3] = exposures[1, 2] = 1.0
    remaining = np.array([[0.6, 0.5, 0.5, 5.0]])
    loss, wave, rounds, *_ = play(csr(exposures), remaining, np.array([3]))
    assert wave[:, 0].tolist() == [4, 3, 2, 1]
    assert loss[0, 0] == (0.1 + 0.2) + 0.3
    assert rounds.tolist() == [4]


def test_small_lists_are_filled_several_times() -> None:
    random = np.random.default_rng(3)
    net = csr(np.where(random.random((8, 8)) < 0.5, 1.0, 0.0) * (1 - np.eye(8)))
    remaining = random.integers(0, 4, (1, 8)).astype(float)
    failing = np.arange(8)
    whole = play(net, remaining, failing)
    parts = play(net, remaining, failing, capacity=8)
    assert whole[4] == 1
    assert parts[4] > 1
    for a, b in zip(whole[:4], parts[:4], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize(
    ("max_rounds", "failed", "unfinished"), [(1, 1, True), (2, 2, True), (3, 3, False), (4, 3, False)]
)
def test_a_chain_is_cut_after_so_many_waves(max_rounds: int, failed: int, unfinished: bool) -> None:
    net = csr([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    remaining = np.array([[2.0, 0.5, 0.5, 1.0]])
    _, wave, rounds, left, _ = play(net, remaining, np.array([3]), max_rounds=max_rounds)
    assert (wave > 0).sum() == failed
    assert left.tolist() == [unfinished]
    assert rounds.tolist() == [min(max_rounds, 3)]
