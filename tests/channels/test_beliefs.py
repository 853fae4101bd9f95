"""What the public believes: against a textbook Kalman filter, written out with dense matrices here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sim.channels import similarity as likeness
from sim.channels.base import Step
from sim.channels.beliefs import BELIEF_COLUMNS, Learning, deterioration, perceived_failure, reveal, update
from sim.channels.similarity import Similarity, assets0, directions, features
from sim.ledger.entries import Ledger
from sim.streams import Draws
from sim.system import System
from tests.systems import random_system, system_of


def played(system, *, learning=None, similarity=None, on=1.0, lanes=2, days=1.0, draws=None):
    """Return a function that plays one update after writing columns, and the state."""
    state = system.state(lanes, ("shock",), BELIEF_COLUMNS)
    ledger = Ledger(state)
    channels = {"liquidity": SimpleNamespace(learning=learning or Learning())}
    switches = {}
    if similarity is not None:
        channels["reputation"] = SimpleNamespace(similarity=similarity)
        switches["reputation"] = np.broadcast_to(np.asarray(on, float), (lanes,)).copy()

    def step(number):
        made = Step(
            system, state, ledger, number, np.ones(lanes), days=days, draws=draws, channels=channels, switches=switches
        )
        update(made)
        return made

    return state, step


def dense_filter(prior, precision, drift, m, signals, days=1.0):
    """The textbook filter: gain by a linear solve, covariance by its definition."""
    n = len(m)
    P, R = prior.copy(), np.eye(n) / (precision * days)
    for y in signals:
        G = np.linalg.solve((P + R).T, P.T).T
        m = m + G @ (y - m)
        P = (np.eye(n) - G) @ P
        last = P
        P = P + drift * days * prior
    return m, last


def health(system, loss, line=0.03):
    n = system.types["platforms"].stop
    return 100.0 * ((system.equity0[:n] - loss) / assets0(system)[:n] - line)


@pytest.mark.parametrize("days", [1.0, 0.25])
@pytest.mark.parametrize("weight", [0.0, 0.3, 0.8])
def test_belief_is_the_textbook_filter(weight, days):
    system = random_system(5, n=9)
    learning = Learning(deviation=1.3, drift=0.15, precision=2.5, information_sharing=0.5, sharing_gain=2.0)
    similarity = Similarity(weight=weight, length=1.7)
    state, step = played(system, learning=learning, similarity=similarity, days=days)
    rng = np.random.default_rng(1)
    losses = rng.uniform(0.0, 0.8, (40, 9)) * system.equity0[:9]
    rumours = -rng.uniform(0.0, 3.0, (40, 9))
    for number in range(1, 41):
        state.loss[0, :9, 0], state.rumour[:9, 0] = losses[number - 1], rumours[number - 1]
        made = step(number)
    told = features(system)
    square = ((told[:, None] - told[None]) ** 2).sum(axis=2)
    prior = 1.3**2 * ((1 - weight) * np.eye(9) + weight * np.exp(-square / (2 * 1.7**2)))
    signals = [health(system, loss) + rumour for loss, rumour in zip(losses, rumours, strict=True)]
    mean, left = dense_filter(prior, 2.5 * 2.0, 0.15, health(system, 0.0), signals, days)
    assert_allclose(state.belief[:9, 0], mean, rtol=0, atol=1e-12)
    # the other lane has seen nothing
    assert (state.belief[:9, 1] == state.belief0[:9, 1]).all()
    from scipy.stats import norm

    assert_allclose(perceived_failure(made)[:, 0], norm.cdf(-mean / np.sqrt(np.diag(left))), rtol=1e-10)


def test_similarity_of_one_and_no_weight_leave_news_alone():
    # far apart in every feature: S = I; and rho_s = 0: the same numbers as without reputation
    system = random_system(6, n=7)
    news = system.equity0[:7] * np.array([0.5, 0, 0, 0, 0, 0, 0])
    found = []
    for similarity in (None, Similarity(weight=0.0), Similarity(weight=0.8, length=1e-3)):
        state, step = played(system, similarity=similarity)
        state.loss[0, :7, 0] = news
        for number in (1, 2, 3):
            step(number)
        found.append(state.belief[:7, 0].copy())
        assert (state.belief[1:7, 0] == state.belief0[1:7, 0]).all() or similarity is not None
        assert_allclose(state.belief[1:7, 0], state.belief0[1:7, 0], rtol=0, atol=1e-12)
    assert_allclose(found[1], found[0], rtol=0, atol=1e-12)
    assert_allclose(found[2], found[0], rtol=0, atol=1e-12)
    # v = 1, R = 1/4: gains 0.8, then with P = 1/5 + 1/5: 0.4/0.65, then (0.4 * 0.25 / 0.65 + 0.2) / (... + 0.25)
    P = 0.4 * 0.25 / 0.65 + 0.2
    left = (1 - 0.8) * (1 - 0.4 / 0.65) * (1 - P / (P + 0.25))
    fall = 100.0 * news[0] / assets0(system)[0]
    assert_allclose(found[0][0], state.belief0[0, 0] - fall * (1 - left), rtol=1e-12)


def test_bad_news_spills_over_to_like_banks_only():
    # B0 and B1 are twins, B2 is another sort
    system = system_of(np.zeros((3, 3)), loans=[100, 100, 5000], other=[92, 92, 4500])
    state, step = played(system, similarity=Similarity(weight=0.5))
    state.loss[0, 0] = 4.0
    step(1)
    fallen = deterioration(state)[:3, 0]
    assert fallen[0] > fallen[1] > 5.0 * fallen[2] > 0.0
    # P0 = [[1, .5], [.5, 1]] on the twins: G = P (P + R)^-1 with R = 1/4
    told = features(system)
    square = ((told[:, None] - told[None]) ** 2).sum(axis=2)
    P = 0.5 * np.eye(3) + 0.5 * np.exp(-square / 2)
    assert_allclose(fallen, (P @ np.linalg.inv(P + np.eye(3) / 4))[:, 0] * 4.0, rtol=1e-12)


def test_lanes_without_reputation_keep_news_alone():
    system = random_system(8, n=6)
    state, step = played(system, similarity=Similarity(weight=0.6), on=[1.0, 0.0], lanes=2)
    state.loss[0, 0] = 3.0
    step(1)
    assert (deterioration(state)[1:6, 0] > 0.0).any()
    assert (deterioration(state)[1:6, 1] == 0.0).all()
    alone, other = played(system, lanes=2)
    alone.loss[0, 0] = 3.0
    other(1)
    assert (alone.belief[:, 1] == state.belief[:, 1]).all()


def test_the_landmark_form_is_an_exact_filter_of_its_own_covariance(monkeypatch):
    monkeypatch.setattr(likeness, "DENSE", 10)
    monkeypatch.setattr("sim.channels.beliefs.WHOLE", 10)
    system = random_system(9, n=40)
    similarity = Similarity(weight=0.6, length=2.0, rank=5)
    made = directions(system, similarity)
    assert made.vectors.shape == (40, 5)
    assert_allclose(made.vectors.T @ made.vectors, np.eye(5), atol=1e-12)
    assert made.rest >= 1 - 0.6
    # the total variance is that of the full matrix
    assert_allclose(made.values.sum() + 35 * made.rest, 40.0, rtol=1e-12)
    prior = made.rest * np.eye(40) + (made.vectors * (made.values - made.rest)) @ made.vectors.T
    state, step = played(system, similarity=similarity)
    rng = np.random.default_rng(2)
    losses = rng.uniform(0.0, 0.5, (6, 40)) * system.equity0[:40]
    for number in range(1, 7):
        state.loss[0, :40, 0] = losses[number - 1]
        step(number)
    mean, _ = dense_filter(prior, 4.0, 0.2, health(system, 0.0), [health(system, loss) for loss in losses])
    assert_allclose(state.belief[:40, 0], mean, rtol=0, atol=1e-12)
    # and close to what the full similarity says
    told = features(system)
    square = ((told[:, None] - told[None]) ** 2).sum(axis=2)
    full, _ = dense_filter(
        0.4 * np.eye(40) + 0.6 * np.exp(-square / 8), 4.0, 0.2, health(system, 0.0), [health(system, x) for x in losses]
    )
    assert np.abs(mean - full).max() < 0.1 * np.abs(full - health(system, 0.0)).max()


def test_gains_go_on_across_chunks_and_come_to_rest(monkeypatch):
    system = random_system(5, n=4)
    state, step = played(system)
    monkeypatch.setattr("sim.channels.beliefs.CHUNK", 3)
    other = random_system(5, n=4)
    short, hop = played(other)
    for number in range(1, 12):
        state.loss[0, 0] = short.loss[0, 0] = 0.1 * number
        hop(number)
    monkeypatch.undo()
    for number in range(1, 12):
        state.loss[0, 0] = 0.1 * number
        step(number)
    assert (state.belief == short.belief).all()


def test_outages_enforcement_and_rumours_are_bad_news():
    system = random_system(5, n=4)
    state, step = played(system)
    state.service[0], state.enforcement[1], state.rumour[2] = 0.5, 1.0, -2.0
    step(1)
    mean = 0.5 + 0.5 * np.exp(-1 / 1.5)
    assert_allclose(state.service_mean[:2, 0], [mean, 1.0])
    assert_allclose(deterioration(state)[:4, 0], 0.8 * np.array([4.0 * (1 - mean), 1.0, 2.0, 0.0]), atol=1e-12)
    # a refutation tells the truth about B2 alone
    named = np.zeros((len(system.ids), 2), dtype=bool)
    named[2] = True
    before = state.belief.copy()
    made = step(1)
    reveal(made, named, precision=1e9)
    assert_allclose(state.belief[2], state.belief0[2], atol=1e-6)
    assert (np.delete(state.belief, 2, axis=0) == np.delete(before, 2, axis=0)).all()


def test_noise_is_addressed_and_has_the_precision_it_says():
    system = random_system(5, n=4)
    learning = Learning(noise=True, precision=4.0)
    draws = np.arange(400)
    state, step = played(system, learning=learning, lanes=400, draws=Draws(3, draws))
    step(1)
    moved = (state.belief - state.belief0)[:4]
    assert_allclose(moved.std(), 0.8 / 2.0, rtol=0.05)
    alone, single = played(system, learning=learning, lanes=8, draws=Draws(3, draws[200:208]))
    single(1)
    assert (alone.belief[:4] == state.belief[:4, 200:208]).all()


def test_without_news_nothing_moves_and_an_update_is_done_once():
    system = random_system(5, n=4)
    state, step = played(system, similarity=Similarity())
    for number in range(1, 30):
        step(number)
    assert (state.belief == state.belief0).all()
    assert_allclose(state.belief[:4, 0], health(system, 0.0), atol=1e-12)
    state.loss[0, 0] = 1.0
    step(30)
    once = state.belief.copy()
    step(30)
    assert (state.belief == once).all()
    step(31)
    assert (state.belief != once).any()


def test_relabelled_banks_are_believed_the_same():
    loans, other = np.array([100.0, 130, 90, 250]), np.array([90.0, 121, 84, 230])
    order = [2, 0, 3, 1]
    one = system_of(np.zeros((4, 4)), loans, other, ids=list("abcd"))
    two = system_of(np.zeros((4, 4)), loans[order], other[order], ids=["c", "a", "d", "b"])
    found = []
    for system, rows in ((one, [0, 1, 2, 3]), (two, [1, 3, 0, 2])):
        state, step = played(system, similarity=Similarity(weight=0.5))
        state.loss[0, rows[1]] = 5.0
        step(1)
        found.append(state.belief[rows, 0])
    assert_allclose(found[0], found[1], rtol=1e-12)


def test_ten_thousand_banks_fit():
    n = 10_000
    rng = np.random.default_rng(0)
    size = rng.lognormal(3.0, 1.0, n)
    banks = pd.DataFrame(
        {"id": [f"B{k}" for k in range(n)], "total_assets": size, "equity": size * rng.uniform(0.05, 0.1, n),
         "deposits_uninsured": size * rng.uniform(0.1, 0.5, n)}
    )  # fmt: skip
    system = System.from_frames(banks)
    state, step = played(system, similarity=Similarity(), lanes=8)
    state.loss[0, 0] = 0.05 * size[0]
    step(1)
    assert directions(system, Similarity()).vectors.shape == (n, 16)
    assert deterioration(state)[0, 0] == deterioration(state).max()
    assert (deterioration(state)[1:n, 0] > 0.0).any()
