"""The ramp: what each quarter is played with, intervals of its steps, crossings, refusals, and the figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sim
from sim.analysis.adoption import Adoption, Benefits, turned
from sim.analysis.ramp import DIALS, Ramp
from sim.errors import InputError, UsageError
from sim.simulation import Simulation
from tests.report.test_new_figures import clashes

LOSS = {"shocks.0.size": (0.1, 0.6)}


@pytest.fixture(scope="module")
def digital() -> Ramp:
    """Six quarters of the shipped ramp."""
    return sim.ramp(quarters=6, first="2022Q3", risk="contagion_loss", statistic="ES90", draws=8, seed=7)


def test_both_sides_follow_adoption() -> None:
    slow = Adoption(speed=0.2)
    found = sim.ramp("ring_of_ten", LOSS, adoption=slow, quarters=3, statistic="mean", draws=1, seed=1)
    table = found.summary()
    path = slow.path(3)
    assert table["quarter"].tolist() == ["2022Q1", "2022Q2", "2022Q3"]
    assert table["adoption"].tolist() == path.tolist()
    for name, values in Benefits().at(path).items():
        assert table[name].tolist() == values.tolist()
    # each quarter is the scenario with its keys turned, on the same luck
    for k, a in enumerate(path.tolist()):
        one = sim.run(sim.load("ring_of_ten").override({"shocks.0.size": 0.1 + 0.5 * a}), draws=1, seed=1)
        assert table["risk"][k] == pytest.approx(one.metrics["system_loss"][0, -1], rel=1e-9)


def test_the_default_dials_are_the_system_as_shipped_at_half_adoption() -> None:
    shipped = sim.load("cn100")
    half = turned(np.array([0.5]), DIALS, ("half",))["half"]
    assert shipped.override(half).digest == shipped.digest


def test_benefits_and_losses_grow_with_adoption(digital: Ramp) -> None:
    table = digital.summary()
    assert table["coverage"].is_monotonic_increasing
    assert table["sme_credit"].is_monotonic_increasing
    assert table["cost_of_service"].is_monotonic_decreasing
    assert table["lending_rate"].is_monotonic_decreasing
    assert table["risk"].is_monotonic_increasing
    assert ((table["risk_low"] <= table["risk"]) & (table["risk"] <= table["risk_high"])).all()
    # as found: no crossing and no kink
    assert digital.crossings == ()
    assert digital.radius == pytest.approx([1.109184] * 6, rel=1e-5)
    assert any("spectral radius is at least 1 in all quarters" in note for note in digital.notes)


def test_steps_are_paired(digital: Ramp) -> None:
    table = digital.summary()
    assert np.isnan(table["step"][0])
    assert table["step"][1:].to_numpy() == pytest.approx(np.diff(table["risk"]), rel=1e-12)
    assert (table["step_low"][1:] <= table["step"][1:]).all()
    assert (table["step"][1:] <= table["step_high"][1:]).all()
    # the interval of a difference is far narrower than that of either side
    assert (table["step_high"] - table["step_low"])[1:].max() < 0.2 * (table["risk_high"] - table["risk_low"]).min()


def test_crossings_are_quarters(digital: Ramp) -> None:
    crosses = replace(digital, frontier=replace(digital.frontier, radius=np.array([0.8, 0.9, 1.0, 1.2, 0.9, np.nan])))
    assert crosses.crossings == (digital.quarters[2], digital.quarters[4])
    assert not any("spectral radius" in note for note in crosses.notes)


def test_the_figure_has_no_overlap(digital: Ramp) -> None:
    figure = digital.plot()
    assert len(figure.axes) == 3
    assert clashes(figure) == []
    bare = replace(digital, frontier=replace(digital.frontier, radius=np.full(6, np.nan)))
    assert len(bare.plot().axes) == 2
    assert "<table" in digital._repr_html_()
    assert "2022Q3 to 2023Q4, 6 quarters, 8 draws" in repr(digital)


def test_the_quarters_as_a_frontier_are_joined_and_marked(digital: Ramp) -> None:
    tests = replace(digital.frontier, radius=np.array([0.8, 0.9, 0.95, 1.1, 1.2, 1.3]))
    figure = tests.plot()
    (ax,) = figure.axes
    names = [text.get_text() for text in ax.texts]
    assert {"2022Q3", "2023Q2", "2023Q4", "\u03c1 = 1"} == set(names)
    shapes = [line.get_marker() for line in ax.lines if line.get_marker() in ("o", "s")]
    assert shapes == ["o"] * 3 + ["s"] * 3
    assert clashes(figure) == []
    apart = replace(tests, paths=("one",) * 3 + ("two",) * 3)
    assert {"one", "two"} <= {text.get_text() for text in apart.plot().axes[0].texts}


def test_contagion_is_negative_where_platforms_honour_their_guarantees() -> None:
    scenario = sim.load("digital_ramp").override({"ramp.adoption.start": 0.5}).quarter("2022Q1")
    play = Simulation(sim.build(scenario, seed=7), scenario.override({"horizon.steps": 3}), np.array([8, 10]), 7)
    block, state = play.play(), play.state
    credit = state.loss[state.sources.index("credit")]
    paid = credit[state.rows("platforms")].sum(axis=0)
    assert (paid[:2] > 1.0).tolist() == [True, False]  # borrowers do badly in draw 8, well in draw 10
    assert credit[state.banks].sum(axis=0) == pytest.approx(-paid, rel=1e-9)  # what banks gain is what platforms pay
    contagion = block.metrics["contagion_loss"][-1]
    assert contagion[0] < 0.0 < contagion[1]
    assert contagion[0] + paid[0] == pytest.approx(contagion[1], rel=0.2)  # all else is as in any other draw


def test_refusals() -> None:
    for wrong in (1, 2.5, True):
        with pytest.raises(UsageError, match="quarters must be a whole number, at least 2"):
            sim.ramp("ring_of_ten", LOSS, quarters=wrong, draws=1)
    with pytest.raises(InputError, match="unknown key"):
        sim.ramp("ring_of_ten", {"shocks.0.sizes": (0.1, 0.6)}, quarters=2, draws=1)
    with pytest.raises(UsageError, match="turned needs a dial"):
        sim.ramp("ring_of_ten", {}, quarters=2, draws=1)
