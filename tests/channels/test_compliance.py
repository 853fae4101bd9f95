"""The compliance channel by hand: fines paid and owed, rules, cases, sweeps, run-downs, and the laws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.channels.peers import of_group
from sim.channels.standards import own_gap
from sim.errors import InputError
from sim.ledger.balance import layer_face, net_worth
from sim.metrics import measure
from sim.simulation import Simulation
from tests.systems import mixed_system, scenario_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)
CERTAIN = {"detection_slope": 100.0, "fine_cap": 0.05}
"""A gap of 1 is found out with a hazard of 100 a year."""


def simulation(shocks=(), steps=1, lanes=2, system=None, step="1d", others=None, **compliance):
    system = system or mixed_system()
    channels = {"compliance": compliance, **(others or {})}
    scenario = scenario_of(
        system, mode="dynamic", horizon={"steps": steps, "step": step}, shocks=list(shocks), channels=channels
    )
    return Simulation(system, scenario, np.arange(lanes), seed=1)


def played(*args, **words):
    made = simulation(*args, **words)
    for _ in range(made.scenario.horizon.steps):
        made.step()
    return made


def penalty(target="P0", fine=0.4, days=0.0, at=1):
    return {"kind": "penalty", "target": target, "fine": fine, "suspension": days, "at": at}


def with_turnover(amount, agent=P0):
    system = mixed_system()
    size = system.traits["turnover"].copy()
    size[agent] = amount
    return replace(system, traits=system.traits | {"turnover": size})


# -- worked cycles -------------------------------------------------------------------------------------------------


def test_a_fine_is_paid_from_cash_and_then_from_accounts():
    # 40 % of a turnover of 25 is 10. Of its cash of 22, 20 back electronic money; the other 8 come from its accounts
    # of 25 at B1 and 10 at B3, pro rata. The price of technology shares falls by 10 over 100 pieces: who holds them
    # loses 10 in all, who issued them owes so much less.
    play = simulation([penalty()], fine_cap=1.0)
    state, government = play.state, play.state.row("government")
    before, banks = net_worth(state), state.cash[:4].copy()
    play.step()
    assert_allclose(state.cash[[P0, government], 0], [20.0, 10.0], atol=1e-12)
    assert_allclose(banks[:, 0] - state.cash[:4, 0], [0.0, 8.0 * 25 / 35, 0.0, 8.0 * 10 / 35], atol=1e-12)
    assert_allclose(layer_face(state, state.layers["accounts"])[P0, 0], 27.0, atol=1e-12)
    assert_allclose(state.fines_due, 0.0, atol=1e-12)
    assert_allclose(state.price[:, 0], [1.0, 1.0, 0.9, 1.0, 1.0], atol=1e-12)
    rise = (net_worth(state) - before)[:, 0]
    expected = np.zeros(state.n_agents)
    expected[[B0, B1, B2]] = [-1.0, -0.8, -0.6]
    expected[[T0, T1, P0]] = [3.8, 1.7, 4.5 - 10.0]
    expected[[state.row("households"), state.row("outside"), government]] = [-3.6, -4.0, 10.0]
    assert_allclose(rise, expected, atol=1e-12)
    assert_allclose(state.loss[state.sources.index("compliance"), :, 0], -expected, atol=1e-12)


def test_a_fine_owed_by_a_platform_that_fails_ranks_behind_its_other_debts():
    # Half of a turnover of 100 is 50; it has 2 of free cash and 35 at banks, so 37 are paid and 13 stay owed. It then
    # owns cash 20, its pool 30, fund shares 10 and real assets 30, 90 in all, and owes 20 to its customers, 28 to
    # banks, 30 to investors and 13 in fines, 91: it fails. Customers keep their 20, ordinary creditors get their 58
    # of the other 70, and of 13 in fines 12 are paid, half in each of two steps.
    credit = {"valuation": "eisenberg-noe", "ranking": "by-rank", "real_asset_discount": 0.0, "resolution_steps": 2}
    play = simulation(
        [penalty(fine=0.5)], 4, 2, with_turnover(100.0), others={"credit": credit}, fine_cap=1.0, share_response=0.0
    )
    state, government = play.state, play.state.row("government")
    before = net_worth(state)
    play.step()
    assert_allclose([state.cash[government, 0], state.fines_due[P0, 0]], [37.0, 13.0], atol=1e-12)
    assert state.is_defaulted[P0, 0] == 0.0
    for owed, paid in [(6.0, 43.0), (0.0, 49.0), (0.0, 49.0)]:
        play.step()
        assert state.is_defaulted[P0, 0] == 1.0
        assert_allclose(state.fines_due[P0, 0], 0.0, atol=1e-12)
        assert_allclose([state.estate_claims[government, 0], state.cash[government, 0]], [owed, paid], atol=1e-9)
    rise = (net_worth(state) - before)[:, 0]
    assert_allclose(rise[[B1, B3, government]], [0.0, 0.0, 49.0], atol=1e-9)
    # 1 of the fine is written off; outside investors take over its shares, worth 45, which it no longer stands for
    assert_allclose(state.loss[state.sources.index("credit"), government, 0], 1.0, atol=1e-9)
    assert_allclose(rise[state.row("outside")], -45.0, atol=1e-9)


def test_a_bank_that_cannot_pay_owes_the_rest_until_it_has_cash():
    # a fine of 30 on a bank with reserves of 15: 15 are paid, and the other 15 as soon as there is cash
    play = simulation([penalty("B3", 1.0)], 3, 2, with_turnover(30.0, B3), fine_cap=1.0)
    state = play.state
    play.step()
    assert_allclose([state.cash[B3, 0], state.fines_due[B3, 0]], [0.0, 15.0], atol=1e-12)
    play.ledger.fund_investors(np.full(8, 4.0), "compliance")
    play.ledger.create("other_liabilities", slice(B3, B3 + 1), np.full((1, 8), 4.0), "compliance", for_cash=True)
    play.step()
    assert_allclose([state.cash[B3, 0], state.fines_due[B3, 0]], [0.0, 11.0], atol=1e-12)


# -- fines, detections, rules ----------------------------------------------------------------------------------------


def test_no_fine_is_above_its_cap_and_what_is_paid_is_what_the_government_gets():
    shocks = [{"kind": "data_breach", "target": ["banks", "tech_firms", "platforms"]}]
    shocks.append({"kind": "rule_change", "target": "tech_firms", "rise": 2.0})
    play = simulation(shocks, 40, 32, detection_slope=20.0, published=0.0, case_days=3.0, suspension_slope=0.0)
    state, government = play.state, play.state.row("government")
    size = play.system.traits["turnover"][:, None]
    fined = 0
    for _ in range(40):
        before = state.fined.copy()
        play.step()
        fines = state.fined - before
        assert (fines <= 0.05 * size * (1.0 + 1e-12)).all()
        fined += int((fines > 0.0).sum())
        assert_allclose(state.cash[government], (state.fined - state.fines_due).sum(axis=0), atol=1e-9)
    # gaps of 1 and more would cost 11 % and more without the cap; both kinds were found out
    assert fined > 100
    assert (state.fined[:4] > 0.0).any()
    assert (state.fined[T1] > 0.05 * 8 * 1.5).any()


def test_the_fine_grows_with_the_gap():
    # a breach adds 0.3 to the gap: B3 starts at 0.2, so f = 1 % + 10 % of 0.5 = 6 %, above the cap; T0 at 0: 4 %
    shocks = [{"kind": "data_breach", "target": ["B3", "T0"], "cost": 0.0}]
    play = simulation(shocks, 1, 64, detection_slope=100.0)
    play.step()
    found = play.state.fined > 0.0
    assert 0 < found[T0].sum() < 64
    assert_allclose(play.state.fined[T0][found[T0]], 0.04 * 20.0)
    assert_allclose(play.state.fined[B3][found[B3]], 0.05 * 6.0)
    # an answered breach is no breach
    assert (play.state.breach[T0] == ~found[T0]).all()


def test_detections_come_at_their_hazard():
    # d1 g = 100 * 0.3 a year: 1 - exp(-30 / 250) = 0.1131 a day
    shocks = [{"kind": "data_breach", "target": "T0", "cost": 0.0}]
    play = played(shocks, 1, 4096, detection_slope=100.0)
    share, expected = (play.state.fined[T0] > 0.0).mean(), 1.0 - math.exp(-30.0 / 250.0)
    assert abs(share - expected) < 3.0 * math.sqrt(expected * (1.0 - expected) / 4096)
    assert not play.state.fined[[T1, P0]].any()


def test_gaps_of_the_start_are_found_out_only_on_request():
    # P0 starts with a gap of 0.4, T0 with none
    quiet = played((), 5, 64, detection_slope=100.0)
    assert not quiet.state.fined.any()
    asked = played((), 5, 64, detection_slope=100.0, baseline=True, detection_rate=1.0)
    found = (asked.state.fined > 0.0).mean(axis=1)
    assert found[P0] > found[B3] > 0.0
    assert not asked.state.fined[[B0, T0]].any()
    # a fund has nobody to fine, whatever its gap
    system = mixed_system()
    gap = system.traits["gap"].copy()
    gap[F0] = 0.9
    odd = played((), 5, 64, replace(system, traits=system.traits | {"gap": gap}), detection_slope=100.0, baseline=True)
    assert not odd.state.enforcement[F0].any()
    assert (odd.state.fined == played((), 5, 64, detection_slope=100.0, baseline=True).state.fined).all()


@pytest.mark.parametrize("notice", [1, 3, 7, 10])
@pytest.mark.parametrize(("published", "surprise"), [(0.0, 0.5), (0.7, 0.15), (1.0, 0.0)])
def test_what_is_published_before_is_no_surprise(published, surprise, notice):
    # a rise of 0.5 with some days of notice; T0 had met the standard. A unit of maturity costs 2 % of its 20.
    shock = {"kind": "rule_change", "target": "T0", "rise": 0.5, "notice": float(notice)}
    play = simulation([shock], notice + 2, 64, published=published, **CERTAIN)
    state, before = play.state, net_worth(play.state)
    for day in range(notice):
        play.step()
        assert_allclose(state.prepared[T0], published * (day + 1) / notice, atol=1e-12)
        assert not state.fined.any()
    bought = 0.02 * 20.0 * 0.5 * published
    assert_allclose(state.real_assets[T0], 60.0 + bought)
    assert_allclose(net_worth(state), before, atol=1e-10)
    play.step()
    assert_allclose(own_gap(play._given("compliance"))[T0], surprise, atol=1e-12)
    play.step()
    if published == 1.0:
        # no surprise, no loss: nothing, not even rounding, is there to be found
        assert not own_gap(play._given("compliance"))[T0].any()
        assert not state.fined.any()
        assert_allclose(net_worth(state), before, atol=1e-10)
    else:
        assert (state.fined[T0] > 0.0).any()
        assert_allclose(state.fined[T0].max(), min(0.05, 0.01 + 0.1 * surprise) * 20.0, rtol=1e-6)


def test_a_surprise_is_closed_by_spending_and_equity_stays():
    # a surprise of 0.5 falls to 0.5 exp(-t / 100); what was closed cost 2 % of 20 a unit
    shock = {"kind": "rule_change", "target": "T0", "rise": 0.5}
    for step, steps in (("1d", 50), ("12h", 100)):
        play = simulation([shock], steps, 2, None, step, published=0.0, remedy_days=100.0, detection_slope=0.0)
        before = net_worth(play.state)
        play.play()
        # the first step closes what is there when the rule comes; from then on at the rate
        left = 0.5 * math.exp(-(50.0 - play.state.days) / 100.0)
        assert_allclose(own_gap(play._given("compliance"))[T0], left, rtol=1e-12)
        spent = 0.02 * 20.0 * (0.5 - left)
        assert_allclose(play.state.real_assets[T0] - 60.0, spent, rtol=1e-9)
        assert_allclose(25.0 - layer_face(play.state, play.state.layers["accounts"])[T0], spent, rtol=1e-9)
        assert_allclose(net_worth(play.state), before, atol=1e-10)


def test_nobody_closes_a_gap_that_it_cannot_pay_for():
    # all that T1 has is 8 on its account; half the rise would cost 2 % of 8,000 a unit
    shock = {"kind": "rule_change", "target": "T1", "rise": 0.5}
    play = played([shock], 1, 2, with_turnover(8000.0, T1), published=0.5, detection_slope=0.0)
    bought = 8.0 / (0.02 * 8000.0)
    assert_allclose(own_gap(play._given("compliance"))[T1], 0.1 + 0.5 - bought)
    assert_allclose(layer_face(play.state, play.state.layers["accounts"])[T1], 0.0, atol=1e-12)
    assert_allclose(play.state.real_assets[T1], 25.0 + 8.0)


def test_what_a_rule_makes_agents_do_protects_their_data_as_well():
    # posture 0.5 and a hazard of 200 exp(-3 psi) a year: 1 - exp(-0.8 exp(-1.5)) = 0.1635 a day. A rule of 0.4 met
    # in full on the day before makes it 1 - exp(-0.8 exp(-2.7)) = 0.0523.
    shock = {"kind": "rule_change", "target": "T0", "rise": 0.4}
    operational = {"breach_hazard": 200.0, "posture_effect": 3.0, "breach_cost": 0.0}
    for shocks, expected in (((), 0.8 * math.exp(-1.5)), ([shock], 0.8 * math.exp(-2.7))):
        play = simulation(shocks, 2, 2048, others={"operational": operational}, published=1.0)
        play.step()
        play.state.breach[...] = 0.0
        play.step()
        chance = 1.0 - math.exp(-expected)
        assert_allclose(play.state.improved[T0], 0.4 * len(shocks))
        assert abs((play.state.breach[T0]).mean() - chance) < 3.0 * math.sqrt(chance * (1.0 - chance) / 2048)


def test_a_second_rule_waits_for_the_first():
    shocks = [{"kind": "rule_change", "target": "platforms", "rise": 0.1, "notice": 5.0, "at": at} for at in (1, 3)]
    with pytest.raises(InputError, match=r"shocks\.1: a rule is published for 'P0' while another one is not yet in f"):
        played(shocks, 3)
    shocks[1]["at"] = 7
    played(shocks, 8)
    # where the channel is off no rule waits for its date, so that none stands in the way of the next
    scenario = scenario_of(
        mixed_system(), mode="dynamic", horizon={"steps": 8}, shocks=shocks, channels={"compliance": {}}
    )
    play = Simulation(mixed_system(), scenario, np.arange(2), 1, switches={"compliance": np.array([1.0, 0.0])})
    play.play()
    assert_allclose(play.state.standard[P0, :2], [0.05, 0.0])


def test_rules_come_by_luck_at_their_rate_and_for_all():
    play = played((), 1, 2048, rule_rate=50.0, rule_size=0.2, published=0.25, detection_slope=0.0)
    struck = play.state.standard > 0.0
    expected = 1.0 - math.exp(-50.0 / 250.0)
    assert abs(struck[T0].mean() - expected) < 3.0 * math.sqrt(expected * (1.0 - expected) / 2048)
    assert (struck[:F0] == struck[T0]).all()
    assert_allclose(play.state.standard[T0][struck[T0]], 0.15)


# -- others of the same kind -----------------------------------------------------------------------------------------


def test_a_detection_makes_its_like_looked_at_and_that_fades():
    play = simulation([penalty("T0")], 3, sweep=2.0, sweep_days=10.0)
    state = play.state
    play.step()
    expected = np.zeros(state.n_agents)
    expected[T1] = 2.0
    assert_allclose(state.scrutiny[:, 0], expected)
    play.step()
    assert_allclose(state.scrutiny[T1], 2.0 * math.exp(-0.1))
    # of another kind, nobody is alike
    system = replace(mixed_system(), labels={"kind": ("",) * 4 + ("cloud", "ai_model", "", "")})
    assert not played([penalty("T0")], 1, system=system, sweep=2.0).state.scrutiny.any()


def test_groups_are_types_and_kinds_and_sectors_have_none():
    system = mixed_system()
    values = np.arange(1.0, len(system.ids) + 1)[:, None].repeat(2, axis=1)
    assert of_group(system, values)[:, 0].tolist() == [10.0] * 4 + [11.0] * 2 + [7.0, 8.0] + [0.0] * 9


def test_scrutiny_finds_only_those_with_a_gap():
    # T1 starts with a gap of 0.1; T0, the peer of the second case, with none
    for target, other, found in (("T0", T1, True), ("T1", T0, False)):
        play = played([penalty(target)], 30, 64, sweep=100.0)
        assert bool((play.state.fined[other] > 0.0).any()) == found


def test_bad_news_raises_the_hazard_of_those_with_a_gap():
    shock = {"kind": "rumour", "target": ["B3", "B0"], "campaign": 60.0}
    play = played([shock], 20, 64, others={"reputation": {}}, scrutiny_of_news=100.0)
    assert (play.state.fined[B3] > 0.0).any()
    assert not play.state.fined[B0].any()


def test_a_bank_short_of_liquid_assets_is_looked_at():
    play = simulation((), 1, others={"liquidity": {}}, scrutiny_of_illiquidity=50.0)
    play.step()
    state, channel, step = play.state, play.channels["compliance"], play._given("compliance")
    assert not channel.chance(step, channel.gap(step)).any()
    # a ratio below one, and below what each started with; B0 is at the standard, and B2 has one above its minimum
    state.lcr[[B0, B3]], state.hoarding[[B0, B2, B3]] = 0.1, 1.0
    expected = np.zeros(state.n_agents)
    expected[B3] = 1.0 - math.exp(-50.0 / 250.0)
    assert_allclose(channel.chance(step, channel.gap(step))[:, 0], expected, rtol=1e-12)
    # without the liquidity channel nobody looks
    assert not played((), 1, scrutiny_of_illiquidity=50.0).state.fined.any()


# -- suspensions and run-downs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "steps"), [("1d", 80), ("12h", 160)])
def test_a_suspended_platform_lends_nothing_and_its_pool_runs_down(step, steps):
    # 60 days without new loans leave exp(-60 / 250) of a pool of 100, shared as before. Borrowers pay by selling
    # real assets to outside investors: the banks get cash for their share, and nobody loses.
    play = simulation([penalty(fine=0.0, days=60.0)], steps, 2, None, step, share_response=0.0)
    state, pool = play.state, 3
    before, cash = net_worth(state), state.cash.copy()
    play.step()
    assert (state.enforcement[P0] == 1.0).all()
    assert (state.allowed[[T0, P0]] == [[1.0], [0.5]]).all()
    for _ in range(steps - 1):
        play.step()
    left = math.exp(-60.0 / 250.0)
    assert_allclose(state.units[[B1, B2, B3, P0], pool, 0], np.array([30, 15, 25, 30]) * left, rtol=1e-12)
    assert_allclose((state.cash - cash)[[B1, B2, B3, P0], 0], np.array([30, 15, 25, 30]) * (1 - left), rtol=1e-9)
    assert_allclose(state.real_assets[state.row("underserved")], 100.0 * left)
    assert_allclose(state.real_assets[state.row("outside")], 100.0 * (1.0 - left))
    assert_allclose(state.withheld.sum(axis=0), 100.0 * (1.0 - left))
    assert_allclose(net_worth(state), before, atol=1e-10)
    assert not state.enforcement.any()
    assert not state.suspended.any()
    assert (state.allowed == 1.0).all()


def test_the_wider_the_gap_the_likelier_a_suspension():
    # found out for certain at a gap of 0.3 in T0 and, with the gap of its start, 0.4 in T1: half of that is the chance
    shocks = [{"kind": "data_breach", "target": "tech_firms", "cost": 0.0}]
    play = played(shocks, 1, 2048, detection_slope=100.0, baseline=True, detection_rate=10.0, suspension_slope=0.5)
    for row, chance in ((T0, 0.15), (T1, 0.2)):
        found = play.state.fined[row] > 0.0
        share = play.state.suspended[row][found].mean()
        assert abs(share - chance) < 3.0 * math.sqrt(chance * (1.0 - chance) / found.sum())
        suspended = play.state.suspended[row] > 0.0
        assert (play.state.case_for[row][suspended] == 60.0).all()
        assert (play.state.case_for[row][found & ~suspended] == 20.0).all()
        assert not suspended[~found].any()


def test_borrowers_repay_no_more_than_they_have():
    # a day without new loans asks for 100 (1 - exp(-1 / 250)) = 0.3992; they have 0.1 in cash and 0.2 in real assets
    base = mixed_system()
    row = base.ids.index("underserved")
    start = {name: values.copy() for name, values in base.start.items()}
    start["cash"][row], start["real_assets"][row] = 0.1, 0.2
    play = played([penalty(fine=0.0, days=9.0)], 3, 2, replace(base, start=start))
    state = play.state
    assert_allclose(state.units[[B1, B2, B3, P0], 3, 0], np.array([30, 15, 25, 30]) * (1.0 - 0.003), rtol=1e-12)
    assert_allclose([state.cash[row], state.real_assets[row]], 0.0, atol=1e-12)
    assert_allclose(state.withheld[P0], 0.3)


def test_a_suspension_cuts_the_service_of_those_who_depend():
    play = played([penalty("T0", 0.0, 3.0)], 6, others={"operational": {}})
    assert (play.state.service == 1.0).all()
    play = simulation([penalty("T0", 0.0, 3.0)], 6, others={"operational": {}})
    seen = []
    for _ in range(6):
        play.step()
        seen.append(play.state.service[[T0, T1, B0, B2], 0].copy())
    # the phase of services comes first: three days from the next one on
    for day, low in enumerate([False, True, True, True, False, False]):
        assert_allclose(seen[day][0], 0.5 if low else 1.0)
        assert (seen[day][2] < 1.0) == low
        assert (seen[day][[1, 3]] == 1.0).all()


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        # the platform funds 30: the others may fund 30 * (1 - 0.5) / 0.5 = 30 of their 70
        ({"own_share": 0.5}, [30 * 3 / 7, 15 * 3 / 7, 25 * 3 / 7, 30.0]),
        # equity 48, 28 and 17: at most half of it
        ({"partner_cap": 0.5}, [24.0, 14.0, 8.5, 30.0]),
        # at most 10 % of loans 350, 180, 110 and the pool: only B3 is above its 110 / 9
        ({"joint_cap": 0.1}, [30.0, 15.0, 110.0 / 9.0, 30.0]),
    ],
)
def test_what_exceeds_a_cap_is_gone_at_an_even_pace(rule, end):
    # a quarter in the four days of notice, the rest in the eight of the transition
    shock = {"kind": "rule_change", "target": "platforms", "notice": 4.0, "transition": 8.0, **rule}
    play = simulation([shock], 15, 2, published=0.25)
    state, rows = play.state, [B1, B2, B3, P0]
    start, end = state.units[rows, 3, 0].copy(), np.array(end)
    for day in range(1, 16):
        play.step()
        gone = 0.25 * min(day, 4) / 4 + 0.75 * min(8, max(0, day - 4)) / 8
        assert_allclose(state.units[rows, 3, 0], start - gone * (start - end), rtol=1e-12, err_msg=f"day {day}")
    assert_allclose(state.withheld[P0], (start - end).sum())


def test_of_a_platform_that_failed_nobody_asks_a_share():
    # a third is more than its 30 of 100; it fails in the third step, and the run-down of the others ends there
    rule = {"kind": "rule_change", "target": "platforms", "own_share": 1 / 3, "transition": 10.0}
    play = simulation([rule], 6, published=0.0, others={"credit": {"valuation": "eisenberg-noe"}})
    state = play.state
    for day in range(1, 7):
        state.ordered_to_fail[P0] = float(day >= 3)
        play.step()
        assert_allclose(state.units[[B1, B2, B3], 3, 0].sum(), 70.0 - min(day, 2), err_msg=f"day {day}")
    assert (state.alive[P0] == 0.0).all()


def test_a_bank_that_loses_equity_exceeds_its_cap_and_lets_loans_run_off():
    rule = {"kind": "rule_change", "target": "banks", "partner_cap": 1.0, "transition": 0.0}
    loss = {"kind": "asset_loss", "target": "B3", "base": "equity", "size": 0.5, "at": 2}
    play = simulation([rule, loss], 60, 2)
    state = play.state
    play.step()
    # 25 is above 17: without a transition the excess goes at the pace at which loans fall due
    assert_allclose(state.units[B3, 3], 25.0 * math.exp(-1.0 / 250.0))
    assert (state.units[B1, 3] == 30.0).all()
    for _ in range(59):
        play.step()
    assert_allclose(state.units[B3, 3], 25.0 * math.exp(-60.0 / 250.0))


# -- together with the other channels --------------------------------------------------------------------------------


def test_a_penalty_on_a_platform_costs_credit_and_is_news_about_its_like():
    # the event itself costs banks nothing; the fine is paid, sixty days of loans are not made, shares and belief fall
    system, everything = mixed_system(), {name: {} for name in ("credit", "market", "liquidity", "operational")}
    shocks = [{"kind": "data_breach", "target": "P0", "cost": 0.0}, penalty(fine=0.046, days=60.0, at=2)]
    play = simulation(shocks, 30, 2, system, others=everything | {"reputation": {}})
    play.play()
    names = ["first_round_loss", "system_loss", "credit_withheld", "fines", "suspended_share"]
    found = {name: values[0] for name, values in measure(names, system, play.state).items()}
    assert found["first_round_loss"] == 0.0
    assert found["system_loss"] > 0.0
    assert_allclose(found["fines"], 0.046 * 25.0)
    assert_allclose(found["credit_withheld"], 100.0 * (1.0 - math.exp(-29.0 / 250.0)))
    assert_allclose(found["suspended_share"], 25.0 / 116.0)
    assert (play.state.news[[T0, T1, P0, B1], 0] > 0.0).all()
    assert play.state.news[P0, 0] == play.state.news[:8, 0].max()


# -- laws --------------------------------------------------------------------------------------------------------------


def test_static_mode_refuses_it():
    system = mixed_system()
    with pytest.raises(InputError, match=r"channels\.compliance: has no monotone form"):
        Simulation(system, scenario_of(system, channels={"compliance": {}}), np.arange(2), seed=1)


def test_the_luck_of_detections_does_not_depend_on_other_channels():
    shocks = [{"kind": "data_breach", "target": "tech_firms"}]
    alone = played(shocks, 5, 64, detection_slope=100.0)
    beside = played(shocks, 5, 64, others={"market": {}}, detection_slope=100.0)
    assert ((alone.state.fined > 0.0) == (beside.state.fined > 0.0)).all()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"fine_cap": 1.5}, r"channels\.compliance\.fine_cap"),
        ({"published": -0.1}, r"channels\.compliance\.published"),
        ({"suspension_days": -1}, r"channels\.compliance\.suspension_days"),
        ({"sweep_days": 0}, r"channels\.compliance\.sweep_days"),
    ],
)
def test_parameters_outside_their_range_are_named(changes, text):
    with pytest.raises(InputError, match=text):
        scenario_of(mixed_system(), mode="dynamic", channels={"compliance": changes})
