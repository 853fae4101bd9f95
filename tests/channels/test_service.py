"""What the operational channel is made of: chains of providers, backups, lanes taken out and put back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sim.arrays import csr
from sim.channels.lanes import both, chosen, columns, widened
from sim.channels.service import Rules, dependence
from sim.contagion.dependency import Answer, Backup, Services, longest_chain, rest, unrolled
from sim.contagion.outage import outage
from sim.contagion.solve import FixedPoint
from tests.channels.operations import played, served, simulated

RULES = Rules("product", 1.0, None, None, None)


def matrix(n, edges):
    found = np.zeros((n, n))
    for user, provider, share in edges:
        found[user, provider] = share
    return found


def test_a_chain_is_as_long_as_its_longest_way():
    a = csr(matrix(5, [(0, 1, 0.5), (1, 2, 0.5), (0, 2, 0.3)]))
    b = csr(matrix(5, [(2, 3, 1.0)]))
    assert longest_chain([a]) == 2
    assert longest_chain([a, b]) == 3
    assert longest_chain([csr(np.zeros((4, 4)))]) == 0
    assert longest_chain([a, csr(matrix(5, [(2, 0, 0.1)]))]) is None
    long = csr(matrix(50, [(k, k + 1, 1.0) for k in range(49)]))
    assert longest_chain([long]) is None
    assert longest_chain([long], most=60) == 49


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 0.5, 0.0, -3.0, -np.inf]))
def test_an_unrolled_chain_is_where_the_iteration_comes_to_rest(seed, power):
    rng = np.random.default_rng(seed)
    n = 9
    shares = np.triu(rng.random((n, n)) * (rng.random((n, n)) < 0.4), 1)
    shares /= np.maximum(1.0, shares.sum(axis=1, keepdims=True))
    functions = (csr(shares), csr(shares[:, :] * np.triu(np.ones((n, n)), 3)))
    crit, own = rng.random((2, n, 1)), rng.random((n, 8)) * (rng.random((n, 8)) < 0.3)
    backup = Backup(rng.random((2, n, 1)), rng.random((2, n, 8)), rng.random((n, 8)))
    answer = Answer(Services(functions, crit, "product", power), crit, own, backup)
    found = rest(answer.step, np.zeros((n, 8)), 1e-12, 10_000, rising=True)
    exact = unrolled(answer.step, np.zeros((n, 8)), longest_chain(functions))
    assert_allclose(exact.x, found.x, atol=1e-12)
    assert exact.certified.all()
    assert (unrolled(answer.step, np.zeros((n, 8)), 0).certified == (exact.x == answer.step(own * 0)).all(axis=0)).all()


def test_a_backup_makes_good_what_moved_and_only_as_far_as_it_was_down():
    # two users of one provider that has lost 0.6 now, 0.4 when users moved; those who take over give half
    shares = csr(matrix(3, [(0, 2, 1.0), (1, 2, 0.5)]))
    crit, own = np.ones((1, 3, 1)), np.array([[0.0], [0.0], [0.6]])
    backup = Backup(np.array([[[1.0], [0.8], [0.0]]]), np.full((1, 3, 1), 0.5), np.full((3, 1), 0.4))
    lost = Answer(Services((shares,), crit, "product", 1.0), crit, own, backup).step(own)
    assert_allclose(lost[:, 0], [0.6 - 0.2, 0.5 * (0.6 - 0.8 * 0.2), 0.6], rtol=1e-15)


def test_circles_of_providers_are_certified_or_told():
    ring = matrix(3, [(0, 1, 0.9), (1, 2, 0.9), (2, 0, 0.9)])
    system = served(1, 2, [ring])
    assert dependence(system, RULES).chain is None
    shock = [{"kind": "outage", "target": "T0", "service": 0.7, "duration": 1.0}]
    done = played(system, shock)
    assert done.certified.all()
    hand = outage([ring], [0.0, 0.3, 0.0], form="product")
    assert_allclose(done.state.service[:3, 0], hand.service, atol=1e-9)
    block = simulated(system, shock, operational={"max_rounds": 3}).play()
    assert block.status == ["not-certified"] * 2


def test_loads_and_fees_follow_the_size_of_the_users():
    # B0 has 300 and takes 0.5 of T0 and 0.5 of T1; B1 has 100 and takes all of T1 in f0 and half of it in f1
    f0, f1 = matrix(4, [(0, 2, 0.5), (0, 3, 0.5), (1, 3, 1.0)]), matrix(4, [(1, 3, 0.5)])
    system = served(2, 2, [f0, f1], size=[300.0, 100.0], backup=[[0.2], [0.0]])
    needs = dependence(system, RULES)
    assert needs.markets[0].rows.tolist() == [2, 3]
    assert_allclose(needs.markets[0].load[:, 0], [150.0, 250.0])
    assert_allclose(needs.markets[0].backup[:, 0], [0.2, 0.2])
    assert needs.markets[1].rows.tolist() == [3]
    fees = np.zeros((4, 4))
    for user in range(2):
        for k in range(needs.fees.indptr[user], needs.fees.indptr[user + 1]):
            fees[user, needs.fees.indices[k]] = needs.fees.weights[k]
    assert_allclose(fees[:2, 2:], [[1.0, 0.5], [0.0, 0.5]])


def test_lanes_are_taken_out_as_kernels_read_them():
    values = np.arange(12.0).reshape(3, 4)
    some = chosen(values, np.array([1, 3]))
    assert some.flags.c_contiguous
    assert (some == values[:, [1, 3]]).all()
    assert chosen(values, np.arange(4)) is values
    assert columns(np.arange(4), 4) == slice(None)
    assert (columns(np.array([0, 2]), 4) == [0, 2]).all()


def test_an_answer_for_some_lanes_says_nothing_of_the_others():
    part = FixedPoint(np.ones((2, 1)), np.array([7]), np.array([0.1]), np.array([0.2]), np.array([False]))
    wide = widened(part, np.array([2]), (2, 3))
    assert wide.x.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert (wide.rounds.tolist(), wide.certified.tolist()) == ([0, 0, 7], [True, True, False])
    two = both(wide.x, wide, widened(part, np.array([0]), (2, 3)))
    assert (two.rounds.tolist(), two.certified.tolist()) == ([7, 0, 7], [False, True, False])
    assert two.residual.tolist() == [0.1, 0.0, 0.1]
    assert two.bound.tolist() == [0.2, 0.0, 0.2]


@pytest.mark.parametrize("backup", [0.0, 1.0])
def test_unused_functions_and_users_without_assets_are_no_trouble(backup):
    shares = matrix(3, [(1, 2, 1.0)])
    system = served(1, 2, [np.zeros((3, 3)), shares], size=20.0, cash=20.0, backup=backup)
    state = played(system, [{"kind": "outage", "target": "T1", "duration": 1.0}]).state
    assert_allclose(state.service[:3, 0], [1.0, 0.0, 0.0])
