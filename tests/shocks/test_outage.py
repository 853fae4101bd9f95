"""Outages and attacks: whom they reach, for how long, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError
from sim.shocks.durations import Duration
from sim.shocks.outage import Cyber, Outage
from sim.simulation import Simulation
from sim.streams import Draws
from tests.systems import mixed_system, scenario_of


def struck(*shocks, lanes=2):
    system = mixed_system()
    simulation = Simulation(system, scenario_of(system, mode="dynamic", shocks=shocks), np.arange(lanes), 1)
    simulation.step()
    return simulation.state


def test_the_default_duration_has_the_tail_of_published_outages():
    days = Outage(target="T0").duration.draw(Draws(3, np.arange(20_000)), "s", ["T0"], 1)[0]
    beyond = [(days * 24.0 > hours).mean() for hours in (10, 24, 72, 144)]
    assert_allclose(beyond, [0.335, 0.124, 0.019, 0.004], atol=0.011)
    assert_allclose(np.median(days), 0.25, rtol=0.03)
    # m e^(sigma^2 / 2) = 12.3 hours, with a heavy tail
    assert_allclose(days.mean() * 24.0, 12.3, rtol=0.05)


def test_an_attack_lasts_for_detection_and_repair():
    days = Cyber().lasting(["T0"], Draws(3, np.arange(20_000)), "s")[0]
    assert days.min() > 0.5
    assert_allclose(np.median(days), 3.5, rtol=0.03)
    shared = Cyber(information_sharing=1.0).lasting(["T0"], Draws(3, np.arange(20_000)), "s")[0]
    assert_allclose(days - shared, 0.25, atol=1e-12)


def test_an_outage_takes_its_targets_down_and_no_money_moves():
    state = struck({"kind": "outage", "target": ["T0", "B1"], "service": 0.3, "duration": 2.5})
    down = np.flatnonzero(state.down_for[:, 0])
    assert [state.ids[k] for k in down] == ["B1", "T0"]
    assert (state.own_service[down] == 0.3).all()
    assert (state.down_for[down] == 2.5).all()
    assert (np.delete(state.own_service, down, axis=0) == 1.0).all()
    assert (state.loss == 0.0).all()


def test_a_common_cause_reaches_one_target_after_the_other():
    hit = {"kind": "outage", "target": ["T1", "T0", "banks"], "duration": 1.0, "spread": 10.0}
    state = struck(hit)
    assert_allclose(state.down_for[:6, 0], [1.0 - 20 / 24] * 4 + [1.0 - 10 / 24, 1.0])
    assert (struck(hit | {"target": ["T0", "tech_firms"]}).down_for[4] == 1.0).all(), (
        "who is named twice is hit at first"
    )
    short = struck(hit | {"duration": 0.5})
    assert (short.down_for[:4] == 0.0).all(), "it is over before it gets there"
    assert (short.own_service[:4] == 1.0).all()


def test_targets_draw_their_own_durations_unless_they_share_one():
    law = {"lognormal": {"median": 1.0, "sigma": 1.0}}
    for common in (False, True):
        state = struck({"kind": "outage", "target": "banks", "duration": law, "common": common}, lanes=3)
        assert len(set(state.down_for[:4, 0])) == (1 if common else 4)
        assert len(set(state.down_for[0, :3])) == 3


def test_a_second_outage_never_makes_a_first_one_milder():
    long = {"kind": "outage", "target": "T0", "duration": 5.0, "service": 0.5}
    deep = {"kind": "outage", "target": "T0", "duration": 1.0, "service": 0.1}
    for order in ((long, deep), (deep, long)):
        state = struck(*order)
        assert (state.own_service[4] == 0.1).all()
        assert (state.down_for[4] == 5.0).all()


def test_adding_an_outage_leaves_the_luck_of_the_others():
    law = {"kind": "outage", "target": "T0", "duration": {"lognormal": {"median": 1.0, "sigma": 1.0}}}
    other = {"kind": "outage", "target": "T1", "duration": {"uniform": {"low": 1.0, "high": 2.0}}}
    assert (struck(law).down_for[4] == struck(law, other).down_for[4]).all()


def test_each_draw_may_name_another_target():
    state = struck({"kind": "outage", "target": "tech_firms[each]", "duration": 1.0}, lanes=4)
    assert (state.down_for[4:6, :4] == [[1, 0, 1, 0], [0, 1, 0, 1]]).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"target": ["T0", "T9"]}, "'T9' names no agent"),
        ({"target": []}, "names nobody"),
        ({"service": 1.5}, "service"),
        ({"duration": -1.0}, "duration"),
        ({"duration": {"lognormal": {"median": 0.0, "sigma": 1.0}}}, "median"),
        ({"duration": {"uniform": {"low": 3.0, "high": 1.0}}}, "low = 3.0 must not be above high = 1.0"),
        ({"spread": -1.0}, "spread"),
    ],
)
def test_what_makes_no_sense_is_refused(change, text):
    with pytest.raises(InputError, match=text):
        struck({"kind": "outage", "target": "T0", "duration": 1.0} | change)


def test_a_duration_is_a_number_or_one_law():
    assert (Duration.model_validate(2).draw(Draws(1, np.arange(3)), "s", ["a"], 1) == 2.0).all()
    with pytest.raises(ValueError, match="a number or exactly one of uniform, lognormal; got none"):
        Duration.model_validate({})
