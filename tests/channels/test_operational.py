"""The operational channel by hand: service, failover, winding down, what it costs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.contagion.failover import dual_unavailability, failover
from sim.contagion.outage import outage, recover
from sim.errors import InputError
from sim.simulation import play
from tests.channels.operations import played, served, simulated
from tests.systems import mixed_system, scenario_of

HAIMES = np.array([[0, 0.3, 0.1], [0.2, 0, 0.4], [0.1, 0.1, 0]])
CLOUDS = np.array([39.0, 19.0, 15.0, 27.0])


def down(target, level=0.0, days=1.0, **more):
    return {"kind": "outage", "target": target, "service": level, "duration": days} | more


def clouds(backup, headroom=0.3):
    """Four banks, each wholly on a cloud of its own; their sizes are the market shares."""
    shares = np.zeros((8, 8))
    shares[np.arange(4), 4 + np.arange(4)] = 1.0
    return served(4, 4, [shares], size=CLOUDS, cash=0.0, deposits=0.0, backup=backup, headroom=headroom)


# -- Haimes, Leontief ------------------------------------------------------------------------------------------------


def test_the_linear_form_is_the_inoperability_model_of_haimes():
    system = served(3, shares=[HAIMES])
    state = played(system, [down("B0", 0.9)], operational={"form": "linear"}).state
    assert_allclose(1.0 - state.service[:3, 0], [0.109589, 0.027397, 0.013699], atol=5e-7)


def each_provider_a_function():
    return [np.where(np.arange(3) == k, HAIMES, 0.0) for k in range(3)]


def test_the_product_form_has_its_numbers_and_tends_to_the_linear_one():
    system = served(3, shares=each_provider_a_function())
    lost = {}
    for scale in (1.0, 1e-2, 1e-4):
        shock = [down("B0", 1.0 - 0.1 * scale)]
        forms = {
            form: played(system, shock, operational={"form": form, "tol": 1e-14}) for form in ("product", "linear")
        }
        lost[scale] = {form: 1.0 - done.state.service[:3, 0] for form, done in forms.items()}
    assert_allclose(lost[1.0]["product"], [0.108494, 0.026989, 0.013519], atol=5e-7)
    apart = {scale: np.abs(two["product"] / two["linear"] - 1.0).max() for scale, two in lost.items()}
    assert apart[1.0] > 1e-2
    assert_allclose([apart[1e-2], apart[1e-4]], [1.5e-4, 1.5e-6], rtol=0.1)


@pytest.mark.parametrize("substitution", [1.0, 0.5, 0.0, -2.0, "leontief"])
def test_service_is_what_the_algorithm_says_over_functions_and_providers_of_providers(substitution):
    # B0 and B1 use T0 and T1 in two functions, T0 runs on T2
    hosting, data = np.zeros((5, 5)), np.zeros((5, 5))
    hosting[0, [2, 3]], hosting[1, 3], hosting[2, 4] = (0.6, 0.3), 0.9, 0.5
    data[0, 3], data[1, [2, 4]] = 1.0, (0.2, 0.7)
    system = served(2, 3, [hosting, data], criticality=0.7)
    done = played(system, [down("T2", 0.3)], operational={"substitution": substitution, "tol": 1e-13})
    power = -np.inf if substitution == "leontief" else substitution
    own = np.array([0.0, 0.0, 0.0, 0.0, 0.7])
    hand = outage([hosting, data], own, criticality=0.7, form="product", substitution=power, tol=1e-13)
    assert_allclose(done.state.service[:5, 0], hand.service, atol=1e-12)
    assert done.certified.all()
    assert done.state.service[2, 0] < 1.0, "a provider feels its own provider"


def test_one_dead_critical_provider_stops_the_function_under_leontief():
    shares = np.zeros((3, 3))
    shares[0, [1, 2]] = 0.8, 0.2
    system = served(1, 2, [shares])
    for substitution, service in ((1.0, 0.8), ("leontief", 0.0), (-40.0, 0.0)):
        state = played(system, [down("T1")], operational={"substitution": substitution}).state
        assert_allclose(state.service[0, 0], service, atol=1e-12)


def test_recovery_is_the_dynamic_inoperability_model():
    system = served(3, shares=[HAIMES])
    simulation = simulated(
        system, [down("B0", 0.9)], steps=6, operational={"form": "linear", "recovery_time": 1.0 / np.log(2.0)}
    )
    simulation.step()
    struck = 1.0 - simulation.state.service[:3, 0]
    path = recover([HAIMES], struck, rate=np.full(3, 0.5), n_steps=5).inoperability
    for step in range(1, 6):
        simulation.step()
        assert_allclose(1.0 - simulation.state.service[:3, 0], path[step], rtol=1e-9)
    assert path[5].max() > 1e-3


# -- failover --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backup", "congestion", "total", "well"), [(1.0, 1.0, 0.793, 0), (0.45, 1.0, 0.7855, 3), (1.0, 2.0, 0.629, 0)]
)
def test_failover_of_the_largest_cloud(backup, congestion, total, well):
    done = played(clouds(backup), [down("T0")], operational={"congestion": congestion})
    service = done.state.service[:4, 0]
    assert_allclose((CLOUDS * service).sum() / 100.0, total, atol=5e-4)
    assert (service > 0.95).sum() == well
    hand = failover(CLOUDS, [1, 0, 0, 0], backup=backup, headroom=0.3, congestion=congestion)
    assert_allclose(service, hand.client_service, rtol=1e-12)
    assert_allclose(done.state.service[4:8, 0], [0.0, *hand.service[1:]], rtol=1e-12)


def test_the_others_are_well_up_to_the_load_they_can_absorb():
    # 0.3 * 61 = 18.3 of 39: 46.9 %
    for backup, well in ((0.469, True), (0.47, False)):
        service = played(clouds(backup), [down("T0")]).state.service[1:4, 0]
        assert (service == 1.0).all() == well


def test_headroom_and_backup_of_the_channel_replace_what_the_system_says():
    system = clouds(backup=0.0, headroom=0.0)
    state = played(system, [down("T0")], operational={"backup": 1.0, "headroom": 0.64}).state
    assert_allclose(state.service[:4, 0], 1.0)
    state = played(system, [down("T0")], operational={"criticality": 0.5}).state
    assert_allclose(state.service[0, 0], 0.5)
    state = played(clouds(1.0, headroom=None), [down("T0")]).state
    assert_allclose(state.service[1, 0], 0.793, atol=5e-4)


def test_a_part_of_a_provider_that_fails_moves_that_part():
    hand = failover(CLOUDS, [0.6, 0, 0.2, 0], backup=0.5, headroom=0.1)
    shocks = [down("T0", 0.4), down("T2", 0.8)]
    service = played(clouds(0.5, headroom=0.1), shocks).state.service[:4, 0]
    assert_allclose(service, hand.client_service, rtol=1e-12)
    assert hand.service.min() < 1.0


def test_nobody_takes_over_when_all_providers_are_down():
    state = played(clouds(1.0), [down("tech_firms")]).state
    assert (state.service[:4, 0] == 0.0).all()


def test_users_move_after_the_delay():
    # down for 12 hours of the day, moved after 4 of them: 0.5 * (4 + 8 * 0.4) / 12 is lost, then nothing
    system = clouds(backup=0.6, headroom=10.0)
    done = played(system, [down("T0", days=0.5)], operational={"failover_delay": 4.0})
    assert_allclose(1.0 - done.state.service[0, 0], 0.5 * (4.0 + 8.0 * 0.4) / 12.0, rtol=1e-12)
    simulation = simulated(system, [down("T0", days=3.0)], steps=3, operational={"failover_delay": 36.0})
    lost = []
    for _ in range(3):
        simulation.step()
        lost.append(1.0 - simulation.state.service[0, 0])
    assert_allclose(lost, [1.0, 0.5 + 0.5 * 0.4, 0.4], rtol=1e-12)


def test_after_a_first_outage_users_have_come_back_and_must_move_again():
    system = clouds(backup=0.6, headroom=10.0)
    shocks = [down("T0", days=0.5), down("T0", days=0.5, at=2)]
    simulation = simulated(system, shocks, steps=2, operational={"failover_delay": 4.0})
    lost = []
    for _ in range(2):
        simulation.step()
        lost.append(1.0 - simulation.state.service[0, 0])
    assert lost[0] == lost[1] > 0.25


@pytest.mark.parametrize("common_cause", [0.0, 0.05, 0.1])
def test_two_like_providers_fail_together_by_the_beta_factor(common_cause):
    # B0 on T0 with T1 to turn to; lanes: both up, T0 down, T1 down, both down
    shares = np.zeros((4, 4))
    shares[0, 2] = shares[1, 3] = 1.0
    system = served(2, 2, [shares], backup=1.0, headroom=10.0)
    simulation = simulated(system, lanes=4, operational={"common_cause": common_cause})
    state = simulation.state
    state.own_service[2, [1, 3]] = state.own_service[3, [2, 3]] = 0.0
    state.down_for[2:4] = 1.0
    simulation.step()
    u = 2e-3
    chance = np.array([(1 - u) ** 2, u * (1 - u), u * (1 - u), u * u])
    mean = (chance * (1.0 - state.service[0, :4])).sum()
    assert_allclose(mean, dual_unavailability(u, common_cause), rtol=3e-3)


def test_more_backup_never_leaves_less_service_while_capacity_suffices():
    system = mixed_system()
    service = [
        played(system, [down("T0")], operational={"backup": b, "headroom": 100.0}).state.service[:7, 0]
        for b in (0.0, 0.3, 0.8, 1.0)
    ]
    assert (np.diff(service, axis=0) >= 0.0).all()
    assert (service[-1][:4] > service[0][:4]).any()


# -- time ------------------------------------------------------------------------------------------------------------


def test_an_outage_takes_the_time_it_takes():
    shares = np.zeros((2, 2))
    shares[0, 1] = 1.0
    system = served(1, 1, [shares], criticality=0.5)
    simulation = simulated(system, [down("T0", days=2.25, at=2)], steps=5)
    path = []
    for _ in range(5):
        simulation.step()
        path.append(simulation.state.service[:2, 0].copy())
    assert_allclose(path, [[1, 1], [0.5, 0], [0.5, 0], [0.875, 0.75], [1, 1]])
    assert_allclose(simulation.state.lost_service[:2, 0], [1.125, 2.25])
    assert simulation.state.down_for[1, 0] == 0.0
    assert simulation.state.own_service[1, 0] == 1.0


def test_what_is_lost_does_not_depend_on_the_length_of_a_step():
    shares, fourth = np.zeros((4, 4)), np.zeros((4, 4))
    shares[0, [1, 2]], fourth[[1, 2], 3] = 0.5, 1.0
    system = served(1, 3, [shares, fourth], criticality=0.6, backup=0.5, revenue=[30, 10, 10, 20])
    shocks = [down("T2", days=0.7), down("T1", days=1.6)]
    lost, cost = [], []
    for step, steps in (("1d", 3), ("12h", 6), ("6h", 12), ("3h", 24), ("1h", 72)):
        done = played(system, shocks, horizon={"steps": steps, "step": step}, operational={"failover_delay": 4.0})
        lost.append(done.state.lost_service[0, 0])
        cost.append(done.state.loss[1, 0, 0])
    gaps = np.abs(np.array([lost, cost])[:, :-1] / np.array([lost, cost])[:, -1:] - 1.0)
    assert (gaps < 0.08).all()
    assert (gaps[:, 3] < 0.3 * gaps[:, 0]).all()


def test_a_failed_provider_winds_down_unless_it_is_taken_over():
    shares = np.zeros((2, 2))
    shares[0, 1] = 1.0
    system = served(1, 1, [shares], criticality=0.5)
    for part, path in ((0.0, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]), (0.6, [1.0, 0.75, 0.6, 0.6, 0.6, 0.6])):
        simulation = simulated(system, steps=6, operational={"exit_time": 4.0, "taken_over": part})
        firm, bank = [], []
        for step in range(6):
            simulation.state.is_defaulted[1, 0] = float(step > 0)
            simulation.step()
            firm.append(simulation.state.service[1, 0])
            bank.append(simulation.state.service[0, 0])
        assert_allclose(firm, path, atol=1e-12)
        assert_allclose(bank, 0.5 + 0.5 * np.array(path), atol=1e-12)
        assert (simulation.state.service[:, 1] == 1.0).all()


def test_time_stands_still_in_lanes_where_the_channel_is_off():
    shares = np.zeros((3, 3))
    shares[0, 1] = 1.0
    simulation = simulated(
        served(1, 2, [shares]), [down("T0", days=5.0)], lanes=3, switches={"operational": np.array([1.0, 0.0, 1.0])}
    )
    simulation.state.is_defaulted[2] = 1.0
    simulation.step()
    state = simulation.state
    assert state.down_for[1, :3].tolist() == [4.0, 5.0, 4.0]
    assert_allclose(state.service_left[2, :3], [0.95, 1.0, 0.95])
    assert state.impaired_for[1, :3].tolist() == [1.0, 0.0, 1.0]
    assert state.service[0, :3].tolist() == [0.0, 1.0, 0.0]


def test_an_outage_beside_a_provider_that_winds_down_takes_its_part_of_the_step():
    shares = np.zeros((3, 3))
    shares[0, [1, 2]] = 0.5
    simulation = simulated(served(1, 2, [shares]), [down("T0", days=0.5)])
    simulation.state.service_left[2] = 0.75
    simulation.step()
    assert_allclose(simulation.state.service[:3, 0], [0.625, 0.5, 0.75], rtol=1e-12)


# -- money -----------------------------------------------------------------------------------------------------------


def one_user(accounts=8.0, cash=20.0):
    """A bank with revenue 50 a year that relies on a firm with revenue 25, all of it paid by the bank."""
    shares = np.zeros((2, 2))
    shares[0, 1] = 1.0
    held = np.zeros((2, 2))
    held[1, 0] = accounts
    return served(1, 1, [shares], criticality=0.5, revenue=[50.0, 25.0], accounts=held, cash=cash, deposits=30.0)


def test_lost_service_costs_revenue_and_fees_are_returned():
    # a day: 50 / 250 * 0.5 at the bank, 25 / 250 at the firm; fees of 25 / 250 come back
    done = played(one_user(), [down("T0")])
    state = done.state
    sink = state.row("deadweight")
    assert_allclose(state.loss[1, :2, 0], [0.1 - 0.1, 0.1 + 0.1], atol=1e-12)
    assert_allclose(state.cash[sink, 0], 0.2, rtol=1e-12)
    assert_allclose(state.loss[1, sink, 0], -0.2, rtol=1e-12)
    # the firm drew 0.2 of its account: the bank paid it out, received its compensation, and paid its own cost
    accounts = state.layers["accounts"]
    assert_allclose(accounts.kept[1, 0], 1.0 - 0.2 / 8.0, rtol=1e-12)
    assert_allclose(state.cash[0, 0], 20.0 - 0.2 + 0.1 - 0.1, rtol=1e-12)
    assert max(done.gaps.values()) < 1e-14


def test_a_firm_puts_its_compensation_on_its_account():
    # T0 runs on T1, whose 250 a year all come from it: 1 for the day that T1 is down
    shares, held = np.zeros((3, 3)), np.zeros((3, 3))
    shares[1, 2], held[[1, 2], 0] = 1.0, 8.0
    system = served(1, 2, [shares], criticality=0.0, revenue=[0.0, 0.0, 250.0], accounts=held)
    state = played(system, [down("T1")], operational={"cost_of_outage": 0.0}).state
    assert_allclose(state.layers["accounts"].kept[1:3, 0], [9.0 / 8.0, 7.0 / 8.0], rtol=1e-12)
    assert_allclose(state.cash[:3, 0], [20.0, 0.0, 0.0], atol=1e-12)


def test_compensation_stops_at_its_cap():
    # cap 0.01 of a year's fees = 0.25: two and a half days of 0.1
    simulation = simulated(
        one_user(), [down("T0", days=5.0)], steps=5, operational={"cost_of_outage": 0.0, "compensation_cap": 0.01}
    )
    paid = []
    for _ in range(5):
        simulation.step()
        paid.append(-simulation.state.loss[1, 0, 0])
    assert_allclose(paid, [0.1, 0.2, 0.25, 0.25, 0.25], rtol=1e-12)


def test_a_firm_without_money_owes_what_it_lacks_and_fails_when_its_equity_is_gone():
    # cost 25 / 250 and compensation as much a day, on 0.1 of money: 0.1 is owed on the first day, equity 10.1 falls
    system = one_user(accounts=0.1)
    state = played(system, [down("T0")]).state
    assert_allclose(state.other_liabilities[1, 0], 0.1, rtol=1e-9)
    assert state.cash.min() >= 0.0
    operational = {"cost_of_outage": 40.0, "compensation_cap": 0.0}
    done = played(system, [down("T0", days=9)], steps=4, operational=operational, channels={"credit": {}})
    assert done.state.is_defaulted[1].all()
    assert not done.state.is_defaulted[0].any()
    # nothing is charged to a firm that is gone
    assert_allclose(done.state.loss[done.state.sources.index("operational"), 1, 0], 12.0, rtol=1e-9)


def test_a_bank_short_of_cash_pays_firms_what_it_has():
    # the account of 8 is at a bank with 0.05 of cash: the firm gets 0.05 and owes the rest, as the bank does
    done = played(one_user(cash=0.05), [down("T0")])
    state = done.state
    assert_allclose(state.cash[0, 0], 0.1, atol=1e-12)
    assert_allclose(state.other_liabilities[:2, 0], [0.1, 0.15], rtol=1e-9)
    assert state.cash.min() >= 0.0


def test_breaches_come_at_their_hazard_and_cost_once():
    system = one_user()
    system.traits["posture"] = np.zeros(len(system.ids))
    system.traits["posture"][1] = 0.5
    operational = {"breach_hazard": 2.0, "posture_effect": 3.0, "breach_cost": 0.1}
    done = played(system, lanes=800, steps=5, operational=operational, horizon={"steps": 5, "step": "1w"})
    breached = done.state.breach[:2, :800]
    # 25 days at 2 a year: 1 - e^-0.2, and at e^-1.5 of that hazard
    expected = np.array([1.0 - np.exp(-0.2), 1.0 - np.exp(-0.2 * np.exp(-1.5))])
    assert (np.abs(breached.mean(axis=1) - expected) < 3.5 * np.sqrt(expected / 800)).all()
    assert_allclose(done.state.loss[1, :2, :800], breached * np.array([[5.0], [2.5]]), atol=1e-12)


def test_outages_come_at_their_rate_and_length():
    shares = np.zeros((2, 2))
    shares[0, 1] = 1.0
    operational = {"outage_rate": 12.5, "outage_duration": 0.25}
    done = played(served(1, 1, [shares]), lanes=400, steps=20, operational=operational)
    # 20 days at 1 - e^-0.05 a day, each of a quarter of a day
    expected = 20.0 * (1.0 - np.exp(-0.05)) * 0.25
    assert_allclose(done.state.lost_service[1, :400].mean(), expected, rtol=0.15)
    assert (done.state.lost_service[0] == 0.0).any()


# -- static mode -----------------------------------------------------------------------------------------------------


def test_static_mode_finds_service_first_and_values_after():
    system = mixed_system()
    shocks = [down("T0"), {"kind": "asset_loss", "target": "B3", "size": 0.1}]
    credit = {"valuation": "eisenberg-noe", "tol": 1e-14}
    done = played(system, shocks, mode="static", channels={"credit": credit})
    moving = played(system, shocks, mode="dynamic", channels={"credit": credit | {"resolution_steps": 1}})
    assert_allclose(done.state.service, moving.state.service, rtol=1e-14)
    assert (done.state.service[0] < 1.0).all()
    rows = done.state.people
    assert_allclose(done.state.loss[1, rows], moving.state.loss[1, rows], atol=1e-12)
    assert (done.state.backlog == 0.0).all(), "payments move liquidity, of which static mode knows nothing"
    assert done.certified.all()
    assert (done.rounds > 0).all()
    assert max(done.gaps.values()) < 1e-12


def test_cost_of_an_outage_can_fail_a_bank_in_static_mode():
    shares = np.zeros((2, 2))
    shares[0, 1] = 1.0
    system = served(1, 1, [shares], size=50.0, cash=40.0, deposits=49.5, revenue=[250.0, 0.0])
    done = played(system, [down("T0")], mode="static", channels={"credit": {}})
    assert done.state.is_defaulted[0].all()


# -- metrics, refusals -----------------------------------------------------------------------------------------------


def test_metrics_by_hand():
    system = clouds(0.0)
    system.traits["revenue"] = np.where(np.arange(len(system.ids)) < 4, 25.0, 0.0)
    metrics = [
        "service_availability",
        "lost_service",
        "operational_loss",
        "backlog",
        "peak_backlog",
        "forgone_payments",
    ]
    done = simulated(system, [down("T0", days=1.5), down("T1", 0.5, days=1.0)], steps=3, metrics=metrics).play()
    assert_allclose(done.metrics["service_availability"][:, 0], [1 - 0.39 - 0.095, 1 - 0.195, 1.0])
    assert_allclose(done.metrics["lost_service"][:, 0], [0.485, 0.68, 0.68])
    assert_allclose(done.metrics["operational_loss"][:, 0], [0.15, 0.2, 0.2], rtol=1e-12)
    assert (done.metrics["backlog"] == 0.0).all()


def test_metrics_say_nothing_where_the_channel_does_not_act():
    system = mixed_system()
    metrics = [
        "service_availability",
        "lost_service",
        "operational_loss",
        "backlog",
        "peak_backlog",
        "forgone_payments",
    ]
    block = play(scenario_of(system, metrics=metrics), system, np.arange(2), 1)
    assert [float(block.metrics[name][0, 0]) for name in metrics] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("operational", "text"),
    [
        ({"form": "linear", "substitution": 0.5}, "substitution = 0.5 needs form: product"),
        ({"substitution": 1.5}, "substitution"),
        ({"backup": 1.2}, "backup"),
        ({"failover_delay": -1.0}, "failover_delay"),
    ],
)
def test_what_cannot_be_played_is_refused(operational, text):
    with pytest.raises(InputError, match=text):
        played(mixed_system(), operational=operational)
