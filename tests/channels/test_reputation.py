"""Reputation by hand: rumours, spill-over by belief and by thresholds, and what bad news costs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels.custom import competitors
from sim.channels.similarity import features
from sim.channels.word_of_mouth import platform_reach
from sim.contagion.complex_contagion import complex_contagion, rumour_final_share
from sim.errors import InputError
from sim.ledger.balance import layer_face, net_worth, reach
from sim.networks.layer import Layer
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of, system_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)


def simulation(shocks=(), steps=1, lanes=2, system=None, step="1d", others=None, **reputation):
    system = system or mixed_system()
    channels = {"reputation": reputation, **(others or {})}
    horizon = {"steps": steps, "step": step}
    scenario = scenario_of(system, mode="dynamic", horizon=horizon, shocks=list(shocks), channels=channels)
    return Simulation(system, scenario, np.arange(lanes), seed=1)


def played(*args, **words):
    made = simulation(*args, **words)
    for _ in range(made.scenario.horizon.steps):
        made.step()
    return made


CALM = {"attrition": 0.0, "churn": 0.0, "spread": 0.0}
"""Nobody reacts to the news."""


def rumour(target="B2", **changes):
    return {"kind": "rumour", "target": target, **changes}


def without_news(play, **columns):
    """A simulation after its first step, with columns of one's own."""
    play.step()
    for name, cells in columns.items():
        for row, value in cells.items():
            play.state.columns[name][row] = value
    return play


# -- rumours -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "steps"), [("1d", 120), ("1w", 24)])
def test_a_rumour_leaves_a_fifth_ignorant(step, steps):
    # from one teller in 100,000: i = exp(-2 (1 - i)) = 0.20319
    play = played([rumour(tellers=1e-5)], steps, step=step, **CALM)
    assert_allclose(play.state.ignorant[B2], 0.20319, atol=1e-5)
    assert_allclose(play.state.heard[B2], 0.6 * (1.0 - play.state.ignorant[B2]), rtol=1e-12)
    assert (play.state.telling[B2] < 1e-9).all()


def test_other_rates_leave_the_share_of_the_closed_form():
    play = played([rumour(tellers=1e-7)], 60, telling_rate=2.0, stifling_rate=1.0)
    assert_allclose(play.state.ignorant[B2], rumour_final_share(spread=2.0, stifle=1.0), atol=1e-6)


def test_the_length_of_a_step_does_not_change_a_rumour():
    # u = 2 (1 - i) + ln i plus a constant, whatever the step; and the mean bias adds up to ln(i0 / i) / br
    ends, told = [], []
    for step, steps in (("1d", 6), ("4h", 36), ("1h", 144)):
        play = simulation([rumour(tellers=0.1)], steps, step=step, **CALM)
        total = 0.0
        for _ in range(steps):
            play.step()
            total += -play.state.rumour[B2, 0] / (8.0 * 0.6) * play.state.days
        i, u = play.state.ignorant[B2, 0], play.state.telling[B2, 0]
        assert_allclose(u, 0.1 + 2.0 * (0.9 - i) + math.log(i / 0.9), atol=1e-9)
        assert_allclose(total, math.log(0.9 / i) / 0.5, rtol=1e-8)
        ends.append(i)
        told.append(total)
    assert_allclose(ends, ends[0], rtol=1e-9)
    assert_allclose(told, told[0], rtol=1e-9)


def test_a_campaign_presses_its_bias_on_everybody_reached():
    # -8 points at a reach of 0.6, and of 0.25 where the event says so
    for share, bias in ((None, -4.8), (0.25, -2.0)):
        shock = rumour(campaign=5.0, at=2) | ({} if share is None else {"reach": share})
        play = simulation([shock], 9, **CALM)
        seen = []
        for _ in range(9):
            play.step()
            seen.append(play.state.rumour[B2, 0])
        assert_allclose(seen, [0.0, *[bias] * 5, 0.0, 0.0, 0.0], atol=1e-12)
        assert not play.state.rumour[[B0, B1, B3, T0]].any()


def test_a_rumour_refuted_at_once_moves_nothing():
    play = played([rumour(campaign=5.0, refuted_after=0.0)], 5)
    assert (play.state.belief == play.state.belief0).all()
    assert not any(play.state.columns[name].any() for name in ("rumour", "news", "heard"))
    assert (play.state.loss == 0.0).all()


def test_the_sooner_a_rumour_is_refuted_the_less_is_believed():
    worst = []
    for days in (0.0, 4 / 24, 1.0, 3.0, None):
        shock = rumour(campaign=5.0) | ({} if days is None else {"refuted_after": days})
        play = simulation([shock], 8)
        fall = []
        for _ in range(8):
            play.step()
            fall.append((play.state.belief0 - play.state.belief)[B2, 0])
        worst.append(sum(fall))
        if days == 4 / 24:
            # told for a sixth of the first day: its mean bias is a sixth
            assert not play.state.rumour[B2].any()
    assert worst[0] == 0.0
    assert (np.diff(worst) > 0.0).all()


def test_four_hours_of_a_day_are_a_sixth_of_its_bias():
    play = played([rumour(campaign=5.0, refuted_after=4 / 24)], 1)
    assert_allclose(play.state.rumour[B2], -4.8 / 6.0)
    assert (play.state.refuted[B2] == 1.0).all()
    # a day's signal of precision 4 against a variance of 1 moves belief by 0.8 of it and leaves a variance of 0.2; the
    # truth, told with a precision of 100, then undoes 0.2 / 0.21 of that
    assert_allclose((play.state.belief0 - play.state.belief)[B2], 0.8 * 0.8 / 21.0, rtol=0.2)
    alone = played([rumour(campaign=5.0, refuted_after=4 / 24)], 1, similarity={"weight": 0.0})
    assert_allclose((alone.state.belief0 - alone.state.belief)[B2], 0.8 * 0.8 / 21.0, rtol=1e-12)


def test_shared_information_brings_the_truth_earlier():
    # 4 days become 2 when full sharing saves half
    shock = rumour(campaign=9.0, refuted_after=4.0)
    for sharing, last in ((0.0, 4), (1.0, 2)):
        play = simulation([shock], 6, learning={"information_sharing": sharing}, sharing_saves=0.5)
        seen = []
        for _ in range(6):
            play.step()
            seen.append(bool(play.state.rumour[B2].any()))
        assert seen == [day < last for day in range(6)]


def test_platforms_reach_those_who_use_one_of_them():
    # two platforms with reach 0.6 and 0.5, one of which has lost a fifth of its users: 1 - (1 - 0.48) (1 - 0.5)
    system = mixed_system()
    reached = system.traits["reach"].copy()
    reached[T1] = 0.5
    types = system.types | {"tech_firms": slice(4, 5), "platforms": slice(5, 7)}
    play = simulation(system=replace(system, traits=system.traits | {"reach": reached}, types=types))
    play.state.users[P0] = 0.8
    assert_allclose(platform_reach(play._given("reputation")), 0.74)
    play.state.alive[T1] = 0.0
    assert_allclose(platform_reach(play._given("reputation")), 0.48)


def test_a_rumour_that_reaches_nobody_is_refused():
    system = system_of(np.zeros((2, 2)), [10.0, 10.0], [9.0, 9.0])
    with pytest.raises(InputError, match=r"shocks\.0\.reach is left out, and no platform has a reach; give a number"):
        simulation([rumour("B0")], system=system)
    simulation([rumour("B0", reach=0.5)], system=system)


# -- spill-over --------------------------------------------------------------------------------------------------------


def test_news_spills_over_to_those_who_are_alike_and_to_nobody_else():
    spilt = {}
    for name, similarity in (("wide", {}), ("none", {"weight": 0.0}), ("identity", {"length": 1e-3})):
        play = played([rumour(campaign=3.0)], 3, similarity=similarity, **CALM)
        spilt[name] = (play.state.belief0 - play.state.belief)[:, 0]
    others = [B0, B1, B3, T0, T1, P0]
    assert (spilt["none"][others] == 0.0).all()
    assert (spilt["identity"][others] == 0.0).all()
    # with rho_s = 0, or with S = I, it is the textbook filter of one agent
    assert_allclose(spilt["none"][B2], spilt["identity"][B2], rtol=1e-12)
    assert (spilt["wide"][[B0, B1, B3]] > 1e-3).all()
    assert spilt["wide"][B1] > spilt["wide"][P0]


def test_without_the_channel_in_a_lane_news_stays_alone():
    # the channel that tells the rumour is off, so B2 loses equity instead
    system = mixed_system()
    loss = {"kind": "asset_loss", "target": "B2", "size": 0.05}
    compliance = {"compliance": {}}
    scenario = scenario_of(
        system, mode="dynamic", horizon={"steps": 3}, shocks=[loss], channels={"reputation": {}} | compliance
    )
    play = Simulation(system, scenario, np.zeros(2, dtype=np.int64), 1, switches={"reputation": np.array([1.0, 0.0])})
    for _ in range(3):
        play.step()
    assert (play.state.news[B1] > 0.0).tolist()[:2] == [True, False]
    assert not play.state.news[:, 1].any()


def test_fines_and_enforcement_are_news_through_health_alone():
    # no bias is added to the signal for what the public sees in equity and in the authority's action anyway
    shocks = [{"kind": "penalty", "target": "P0", "suspension": 5.0}]
    play = played(shocks, 4, others={"compliance": {}})
    assert not play.state.rumour.any()
    assert play.state.news[P0, 0] > 0.0
    assert_allclose(play.state.news, np.minimum(1.0, np.maximum(0.0, play.state.belief0 - play.state.belief) / 4.0))


def graph(seed, n=30, degree=4.0):
    """An undirected graph of ones and the banks that it joins; bank k has nothing but a name."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < degree / n, 1)
    joined = (upper | upper.T).astype(float)
    system = system_of(np.zeros((n, n)), np.full(n, 10.0), np.full(n, 9.0))
    whole = np.zeros((len(system.ids),) * 2)
    whole[:n, :n] = joined
    layer = Layer.from_matrix("similarity", system.ids, whole, unit="1")
    return joined, replace(system, layers=system.layers | {"similarity": layer})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sharp_threshold_without_fading_is_watts(seed):
    joined, system = graph(seed)
    n, seeds = len(joined), np.zeros(len(joined))
    seeds[:3] = 1.0
    expected = complex_contagion(joined, seeds, 0.3)
    play = simulation(system=system, kernel="complex", threshold=0.3, width=0.0, fade=0.0, news_bias=0.0)
    # what the seeds gave cause for, and nobody forgets
    play.state.news[:3] = play.state.own_news[:3] = 1.0
    wave = np.where(seeds > 0.0, 1, 0)
    for turn in range(2, 32):
        play.step()
        news = play.state.news[:n, 0]
        assert set(np.unique(news)) <= {0.0, 1.0}
        wave[(news > 0.0) & (wave == 0)] = turn
    assert wave.tolist() == expected.wave.tolist()
    assert (wave > 0).sum() > 3


def test_the_complex_kernel_by_hand():
    # a path 0 - 1 - 2 with weights 1 and 3: of bank 1's like, a quarter has news of 0.8, so the share is 0.2.
    # L = 1 / (1 + e^((0.3 - 0.2) / 0.1)) - 1 / (1 + e^3) = 0.268941 - 0.047426; r1 = 0.95 * 0 + 1 * L
    system = system_of(np.zeros((3, 3)), np.full(3, 10.0), np.full(3, 9.0))
    whole = np.zeros((len(system.ids),) * 2)
    whole[0, 1] = whole[1, 0] = 1.0
    whole[1, 2] = whole[2, 1] = 3.0
    layer = Layer.from_matrix("similarity", system.ids, whole, unit="1")
    system = replace(system, layers=system.layers | {"similarity": layer})
    play = simulation(system=system, steps=2, kernel="complex", threshold=0.3, width=0.1, fade=0.05, news_bias=1.0)
    play.state.news[0] = play.state.own_news[0] = 0.8
    play.step()
    caught = 1.0 / (1.0 + math.exp(1.0)) - 1.0 / (1.0 + math.exp(3.0))
    assert_allclose(play.state.news[:3, 0], [0.95 * 0.8, caught, 0.0], rtol=1e-12)
    # bank 1 gave no cause: the next day's signal about it is so much worse than the truth
    play.step()
    assert_allclose(play.state.rumour[1], -caught, rtol=1e-12)
    assert (play.state.belief[1] < play.state.belief0[1]).all()


def test_likeness_of_features_carries_news_where_the_system_says_nothing():
    # B1 has all the bad news; what reaches each is its likeness to B1 over its likeness to all others
    system = mixed_system()
    play = simulation(system=system, kernel="complex", width=0.0, threshold=1e-9, fade=0.0, news_bias=0.0, **CALM)
    told = features(system)
    near = np.exp(-0.5 * ((told[:, None] - told[None]) ** 2).sum(axis=2))
    np.fill_diagonal(near, 0.0)
    network, strength = play.channels["reputation"]._network(system)
    assert_allclose(strength[: len(told)], near.sum(axis=1), rtol=1e-12)
    news = np.zeros((len(system.ids), 8))
    news[B1] = 1.0
    assert_allclose(reach(network, news)[: len(told), 0], near[:, B1], rtol=1e-12)
    assert (strength[len(told) :] == 0.0).all()
    play.state.news[B1] = play.state.own_news[B1] = 1.0
    play.step()
    assert_allclose(play.state.news[:, 0], np.arange(len(system.ids)) < len(told))


def test_what_an_agent_gave_cause_for_is_no_bias():
    # a campaign about B1: its own news is what the public was told of it, the others' is what they caught
    play = played([rumour("B1", campaign=4.0)], 4, kernel="complex", threshold=0.01, width=0.01, **CALM)
    state = play.state
    assert_allclose(state.own_news[B1], state.news[B1])
    assert (state.news[B0] > state.own_news[B0]).all()
    assert not state.own_news[B0].any()
    play.step()
    assert_allclose(state.rumour[B1], 0.0, atol=1e-12)
    assert (state.rumour[B0] < 0.0).all()


def test_the_public_knows_the_truth_before_the_first_step():
    play = simulation()
    assert (play.state.belief0[:7] != 0.0).all()
    assert (play.state.belief == play.state.belief0).all()


def test_two_kernels_at_once_are_refused():
    said = {"kernel": "complex", "similarity": {"weight": 0.2}}
    with pytest.raises(
        InputError, match=r"weight = 0.2 spills news by Bayes' rule; kernel: complex does it by a thres"
    ):
        simulation(**said)
    assert simulation(kernel="complex", similarity={"length": 2.0}).channels["reputation"].similarity.weight == 0.0


# -- what bad news costs -----------------------------------------------------------------------------------------------


def test_income_goes_to_competitors_and_interest_to_lenders():
    # news of 1 about B0 (revenue 30) and of 0.5 about T0 (20) and P0 (25), half of the income at the worst news:
    # 15, 5 and 6.25 a year. B1, B2, B3 have revenues of 18, 9, 6; T1 is the only other firm, and P0 is alone.
    play = simulation(steps=1, attrition=0.5, churn=0.01, spread=0.1)
    play = without_news(play, news={B0: 1.0, T0: 0.5, P0: 0.5})
    state, before = play.state, net_worth(play.state)
    play.channels["reputation"].react(play._given("reputation"))
    rise = (net_worth(state) - before)[:, 0] * 250.0
    households, outside = state.row("households"), state.row("outside")
    assert_allclose(rise[[B1, B2, B3]], np.array([18, 9, 6]) / 33 * 15.0, rtol=1e-9)
    assert_allclose(rise[[T1, households]], [5.0, 6.25], rtol=1e-9)
    # interest of 10 % at the worst news, on term debt and wholesale deposits: 45 + 80, 5 and 30
    interest = np.array([0.1 * 125.0, 0.05 * 5.0, 0.05 * 30.0])
    assert_allclose(rise[[B0, T0, P0]], -np.array([15.0, 5.0, 6.25]) - interest, rtol=1e-9)
    assert_allclose(rise[outside], interest.sum(), rtol=1e-9)
    assert_allclose(state.loss[state.sources.index("reputation")].sum(axis=0), 0.0, atol=1e-12)
    # firms keep what they get on their accounts, and half the worst news drives 0.5 % of the users away in a day
    assert_allclose(state.cash[[T0, T1]], 0.0, atol=1e-12)
    assert_allclose(layer_face(state, state.layers["accounts"])[T1, 0], 8.0 + 5.0 / 250.0, rtol=1e-12)
    assert_allclose(state.users[P0], math.exp(-0.005))


def test_users_that_left_take_their_fees_along():
    play = without_news(simulation(attrition=0.0, churn=0.0, spread=0.0), users={P0: 0.6})
    state, before = play.state, net_worth(play.state)
    play.channels["reputation"].react(play._given("reputation"))
    assert_allclose((before - net_worth(state))[P0], 0.4 * 25.0 / 250.0)


def test_what_cannot_be_paid_is_owed_to_investors():
    # a firm that loses 50 a day has 25 on its account
    system = mixed_system()
    revenue = system.traits["revenue"].copy()
    revenue[T0] = 250.0 * 50.0
    system = replace(system, traits=system.traits | {"revenue": revenue})
    play = without_news(simulation(system=system, attrition=1.0, spread=0.0), news={T0: 1.0})
    state = play.state
    play.channels["reputation"].react(play._given("reputation"))
    assert_allclose(state.other_liabilities[T0], 5.0 + 25.0)
    assert_allclose(layer_face(state, state.layers["accounts"])[[T0, T1], 0], [0.0, 58.0], atol=1e-9)
    play._audit()


def test_what_some_lose_others_get():
    play = simulation(lanes=8)
    rng = np.random.default_rng(4)
    revenue = np.zeros((play.state.n_agents, 8))
    revenue[:7] = rng.uniform(1.0, 20.0, (7, 8))
    revenue[B2] = 0.0
    lost = revenue * rng.uniform(0.0, 1.0, revenue.shape)
    got = competitors(play._given("reputation"), lost, revenue)
    assert_allclose(got.sum(axis=0), lost.sum(axis=0), rtol=1e-12)
    # by hand for B0: its share of the others' market, for each of those who lose
    expected = sum(lost[j] * revenue[B0] / (revenue[[B0, B1, B3]].sum(axis=0) - revenue[j]) for j in (B1, B3))
    assert_allclose(got[B0], expected, rtol=1e-12)
    assert (got[[B2, F0]] == 0.0).all()
    assert_allclose(got[play.state.row("households")], lost[P0], rtol=1e-12)


def test_the_later_a_rumour_is_refuted_the_more_depositors_leave():
    others, left = {"liquidity": {}}, []
    for days in (0.0, 4 / 24, 3.0, None):
        shock = rumour(campaign=5.0) | ({} if days is None else {"refuted_after": days})
        play = played([shock], 12, others=others)
        left.append(play.state.withdrawn[:, 0].copy())
        assert (play.state.loss[0] == 0.0).all()
    # refuted at once, nobody leaves; told for four hours, next to nobody
    assert not left[0].any()
    assert left[1][B2] < 1e-3 < left[2][B2] * 10 < left[3][B2]
    assert left[3].argmax() == B2


def test_a_rumour_costs_nothing_in_the_first_round_and_something_in_all():
    play = simulation([rumour("B1", campaign=5.0)], 10)
    block = play.play()
    assert (block.metrics["first_round_loss"] == 0.0).all()
    assert (play.state.loss[play.state.sources.index("reputation")][B1] > 0.0).all()
