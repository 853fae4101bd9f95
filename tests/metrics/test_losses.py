"""Losses of banks: metrics that follow from others are the same however they are found."""

from __future__ import annotations

import numpy as np
import pytest

import sim
from sim.metrics.losses import DIFFERENCES, METRICS, measure
from sim.simulation import Simulation


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_the_same_measured_alone_and_after_its_parts(name: str) -> None:
    scenario = sim.load("ring_of_ten")
    played = Simulation(sim.build(scenario), scenario, np.arange(16), 7)
    for _ in range(5):
        played.step()
    given, parts = (played.system, played.state), list(DIFFERENCES[name])
    alone, before, after = (measure(wanted, *given)[name] for wanted in ([name], [name, *parts], [*parts, name]))
    assert alone.any()
    assert (alone == METRICS[name].of(*given)).all()
    assert (alone == before).all()
    assert (alone == after).all()
