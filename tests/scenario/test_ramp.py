"""Mode ramp: the block of a scenario, its quarters as scenarios, what is refused and where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.errors import InputError, UsageError
from sim.scenario.adoption import Adoption
from sim.scenario.quarters import stress_test
from sim.scenario.ramp import DIALS, Quarters
from sim.shocks.innovation import Innovation
from sim.shocks.sandbox import Sandbox

LINES = """\
version: 1
name: mine
base: ring_of_ten
mode: ramp
ramp:
  first: 2022Q3
  last: 2023Q2
  adoption: {start: 0.2, limit: 1.0, speed: 1.0}
  dials:
    shocks.0.size: [0.1, 0.6]
"""


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    """The file with some of its text changed."""
    text = LINES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_a_quarter_is_the_stress_test_with_its_keys(tmp_path: Path) -> None:
    scenario = sim.load(written(tmp_path))
    assert scenario.ramp.names == ("2022Q3", "2022Q4", "2023Q1", "2023Q2")
    path = Adoption(start=0.2, limit=1.0, speed=1.0).path(4)
    for name, a in zip(scenario.ramp.names, path.tolist(), strict=True):
        one = scenario.quarter(name)
        assert (one.mode, one.ramp) == ("dynamic", None)
        assert one.shocks[0].size.fixed == pytest.approx(0.1 + 0.5 * a, rel=1e-9)
    assert stress_test(scenario).shocks == scenario.shocks
    assert sim.load("ring_of_ten").digest == stress_test(sim.load("ring_of_ten")).digest
    assert scenario.digest != scenario.override({"ramp.adoption.speed": 0.5}).digest
    with pytest.raises(UsageError, match=r"no quarter '2024Q1'.*2022Q3 to 2023Q2"):
        scenario.quarter("2024Q1")
    with pytest.raises(UsageError, match="ring_of_ten is no ramp"):
        sim.load("ring_of_ten").quarter("2022Q3")


def test_the_block_and_the_arguments_are_one_ramp(tmp_path: Path) -> None:
    scenario = sim.load(written(tmp_path))
    asked = {"statistic": "mean", "draws": 1, "seed": 1}
    block = sim.ramp(scenario, **asked)
    given = sim.ramp("ring_of_ten", {"shocks.0.size": (0.1, 0.6)}, adoption=scenario.ramp.adoption, first="2022Q3",
                     quarters=4, **asked)  # fmt: skip
    assert block.quarters == given.quarters == scenario.ramp.names
    assert block.summary()["adoption"].tolist() == given.summary()["adoption"].tolist()
    # the ring is static where it is no ramp: same losses, to rounding
    assert block.summary()["risk"].tolist() == pytest.approx(given.summary()["risk"].tolist(), rel=1e-9)
    shorter = sim.ramp(scenario, quarters=2, adoption=Adoption(start=0.5), **asked)
    assert shorter.quarters == ("2022Q3", "2022Q4")
    assert shorter.adoption[0] == 0.5
    assert block.frontier.paths == ("mine",) * 4
    assert block.summary()["mean"].tolist() == pytest.approx(block.summary()["risk"].tolist(), rel=1e-14)


def test_a_frontier_of_a_ramp_has_a_point_a_quarter_and_policy(tmp_path: Path) -> None:
    scenario = sim.load(written(tmp_path)).override({"ramp.last": "2022Q4"})
    asked = {"statistic": "mean", "draws": 1, "seed": 1}
    alone = sim.frontier(scenario, **asked)
    assert alone.policies == ("2022Q3", "2022Q4")
    assert alone.wanted == "Coverage of the underserved"
    quick = {"as it is": {}, "quick": {"ramp.adoption.speed": 3.0}, "mild": {"shocks.0.base": "equity"}}
    both = sim.frontier(scenario, quick, **asked)
    assert both.policies == tuple(f"{name} {quarter}" for name in quick for quarter in scenario.ramp.names)
    table = both.summary().set_index("policy")
    assert table["risk"].iloc[:2].tolist() == alone.summary()["risk"].tolist()
    assert table["benefit"].iloc[:2].tolist() == alone.summary()["benefit"].tolist()
    assert table["benefit"]["quick 2022Q4"] > table["benefit"]["as it is 2022Q4"]
    assert table["risk"]["quick 2022Q4"] > table["risk"]["as it is 2022Q4"]
    assert table["risk"]["mild 2022Q3"] < table["risk"]["as it is 2022Q3"]  # what is no key of the ramp is changed, too
    assert "6 quarters" in both.told
    with pytest.raises(UsageError, match="takes the quarters of the ramp away"):
        sim.frontier(scenario, {"x": {"mode": "dynamic", "ramp": None}}, **asked)
    with pytest.raises(UsageError, match="needs a benefit"):
        sim.frontier("ring_of_ten", {"a": {}, "b": {"shocks.0.size": 0.2}}, draws=1)


def test_crossings_are_sought_along_each_path(tmp_path: Path) -> None:
    from dataclasses import replace

    scenario = sim.load(written(tmp_path)).override({"ramp.last": "2022Q4"})
    both = sim.frontier(scenario, {"a": {}, "b": {"ramp.adoption.speed": 3.0}}, statistic="mean", draws=1, seed=1)
    apart = replace(both, radius=np.array([0.9, 0.9, 1.1, 1.1]))  # a below 1, b above: neither crosses
    assert len(apart.crossings()) == 0
    one = replace(both, radius=np.array([0.9, 1.1, 1.1, 1.1])).crossings()
    assert one[["below", "above"]].to_numpy().tolist() == [["a 2022Q3", "a 2022Q4"]]


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ((("mode: ramp", "mode: dynamic"),), 5, "ramp: goes with mode: ramp, got mode: dynamic"),
        ((("speed: 1.0", "sped: 1.0"),), 8, "unknown key \"ramp.adoption.sped\"; did you mean 'speed'?"),
        ((("start: 0.2", "start: 20"),), 8, "ramp.adoption.start = 20 must be in [0, 1]"),
        ((("speed: 1.0", "speed: 9"),), 8, "more than once a quarter; 4 at most"),
        ((("first: 2022Q3", "first: 2022"),), 6, "ramp.first"),
        ((("first: 2022Q3", "first: 2022Q5"),), 6, "allowed: a year and a quarter such as 2022Q1"),
        ((("last: 2023Q2", "last: 2022Q3"),), 7, "ramp.last: 2022Q3 to 2022Q3 are 1 quarters; allowed: 2 to 100"),
        ((("shocks.0.size", "shocks.0.sizes"),), 9, "ramp.dials, in 2022Q3: unknown key"),
        ((("shocks.0.size", "shocks.7.size"),), 9, "ramp.dials, in 2022Q3: shocks.7: no item"),
        ((("[0.1, 0.6]", "[0.1, 1.6]"),), 9, "ramp.dials, in 2023Q2: shocks.0.size"),
        ((("  last", "  sandbox: {}\n  last"),), 7, "ramp.sandbox: nothing goes through it"),
        ((("  last", "  lats: 1\n  last"),), 7, 'unknown key "ramp.lats"'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[tuple[str, str], ...], line: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as told:
        sim.load(written(tmp_path, *changes))
    found = [problem for problem in told.value.problems if said in problem.message]
    assert len(found) == 1, str(told.value)
    assert (found[0].path, found[0].line) == ("mine.yaml", line)


def test_a_ramp_without_its_block_is_refused() -> None:
    with pytest.raises(InputError, match='mode: ramp needs a block "ramp"'):
        sim.load("cn100").override({"mode": "ramp"})
    with pytest.raises(InputError, match="adoption turns nothing"):
        sim.load("digital_ramp").override({"ramp.dials": {}})


def test_what_plays_one_run_refuses_a_ramp(tmp_path: Path) -> None:
    from sim.experiments.plan import plan

    scenario = sim.load(written(tmp_path))
    for play in (
        lambda: sim.run(scenario, draws=1),
        lambda: sim.sweep(scenario, {"shocks.0.size": [0.1]}, draws=1),
        lambda: sim.attribute(scenario, draws=1),
        lambda: sim.ContagionModel(scenario, seed=1),
        lambda: plan(scenario),
    ):
        with pytest.raises(InputError, match=r"mine\.yaml:4: mode: ramp is a run in every quarter: `sim ramp`"):
            play()
    assert len(sim.build(scenario).banks) == 10
    assert sim.run(scenario.quarter("2022Q3"), draws=1, seed=1).draws == 1


def test_a_sandbox_opens_late_and_to_fewer() -> None:
    shocks = (Innovation(),)
    free, tested = Quarters(), Quarters(sandbox=Sandbox(exposure=0.1))  # a test of five months after three of review
    passed = Innovation(sandbox=Sandbox()).graduating
    ends = 0.35 + np.array([0.0, 0.1, 0.1, 0.1 + 0.9 * passed]) * (0.9 - 0.35)
    path, step = tested.path(shocks), 0.332 * 1.15 * 0.25
    expected = [0.35]
    for end in ends:
        expected.append(expected[-1] + step * (end - expected[-1]))
    assert path[:5] == pytest.approx(expected, rel=1e-12)
    assert (path[1:] < free.path(shocks)[1:]).all()
    # everything open at the cap of 1: what is left is the review, and the raised capital
    whole = Quarters(sandbox=Sandbox(exposure=1.0), adoption=Adoption(sandbox_gain=0.0)).path(shocks)
    assert whole[1:] == pytest.approx(free.path(shocks)[:-1], rel=1e-12)
    assert (Quarters(sandbox=Sandbox(exposure=0.0)).path(shocks) == 0.35).all()


def test_a_sandbox_takes_uncertainty_from_those_in_it() -> None:
    unsure, shocks = Adoption(uncertainty=1.0, sandbox_gain=0.0), (Innovation(),)
    test = Sandbox(exposure=1.0, review=0.0, relief=0.25)
    path = Quarters(adoption=unsure, sandbox=test).path(shocks)
    assert path.tolist() == Adoption(uncertainty=0.75, sandbox_gain=0.0).path(16).tolist()


def test_new_products_carry_what_adoption_has_gained() -> None:
    shocks = sim.load("sandbox").shocks
    for block in (sim.load("sandbox").ramp, Quarters()):
        path, test = block.path(shocks), block.sandbox
        passed = 1.0 if test is None else shocks[4].model_copy(update={"sandbox": test}).graduating
        for quarter, keys in enumerate(block.policies(shocks).values()):
            opened = 1.0 if test is None else test.open(3.0 * quarter, passed)
            carried = keys["shocks.4.share"] * opened
            assert carried == pytest.approx(1.0 - path[0] / path[quarter], rel=1e-8, abs=1e-12)
            assert keys["shocks.4.months"] == 3.0 * quarter
            assert (keys["shocks.4.sandbox"] is None) == (test is None)


def test_the_shipped_ramp_is_what_it_was_without_a_block() -> None:
    scenario = sim.load("digital_ramp")
    assert scenario.ramp == Quarters()
    assert scenario.ramp.dials == dict(DIALS)
