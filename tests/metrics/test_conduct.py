"""Metrics of fines, suspensions, withheld credit and news, on numbers that can be redone by hand."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from sim.metrics import measure
from tests.shocks.test_conduct import simulation


def test_metrics_of_fines_suspensions_and_news():
    shocks = [
        {"kind": "penalty", "target": "P0", "fine": 0.04, "suspension": 10.0},
        {"kind": "rumour", "target": "B1", "campaign": 2.0},
    ]
    play = simulation(*shocks, steps=3)
    for _ in range(3):
        play.step()
    state = play.state
    names = ["fines", "fines_owed", "suspended_share", "credit_withheld", "rumour_heard", "bad_news"]
    names += ["compliance_loss", "reputation_loss"]
    found = {name: values[0] for name, values in measure(names, play.system, state).items()}
    assert_allclose([found["fines"], found["fines_owed"]], [1.0, 0.0], atol=1e-12)
    # turnover 25 of 116 in all
    assert_allclose(found["suspended_share"], 25.0 / 116.0)
    assert_allclose(found["credit_withheld"], 100.0 * (1.0 - np.exp(-3.0 / 250.0)))
    assert_allclose(found["rumour_heard"], 0.6)
    size = play.system.leverage0 * state.equity0[:4, 0]
    assert_allclose(found["bad_news"], (state.news[:4, 0] * size).sum() / size.sum())
    assert found["bad_news"] > 0.01
    assert_allclose(found["compliance_loss"], 24.0 * 0.01)
    assert found["reputation_loss"] > 0.0


def test_without_the_channels_there_is_nothing_to_report():
    play = simulation({"kind": "penalty", "target": "P0"}, channels={"market": {}})
    play.step()
    names = ["fines", "fines_owed", "suspended_share", "credit_withheld", "rumour_heard", "bad_news", "compliance_loss"]
    for name, values in measure(names, play.system, play.state).items():
        assert (values == 0.0).all(), name
