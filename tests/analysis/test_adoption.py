"""Adoption and its benefits: the arithmetic by hand, and the path from adoption to a frontier."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from sim.analysis.adoption import Adoption, Benefits, Known, quarters_of, turned
from sim.analysis.frontier import frontier
from sim.errors import UsageError


def test_a_path_by_hand() -> None:
    # a quarter closes 0.8 * 0.25 = 0.2 of the gap to 1: 0.5, 0.6, 0.68
    assert Adoption(start=0.5, limit=1.0, speed=0.8).path(3) == pytest.approx([0.5, 0.6, 0.68], rel=1e-14)


def test_the_default_path_is_that_of_the_digital_ramp() -> None:
    path = Adoption().path(16)
    assert path[0] == 0.35
    assert path[-1] == pytest.approx(0.75, abs=0.001)
    assert (np.diff(path) > 0.0).all()


def test_uncertainty_slows_and_a_sandbox_speeds_up() -> None:
    assert Adoption(speed=0.4, uncertainty=math.log(2.0)).rate == pytest.approx(0.2, rel=1e-14)
    assert Adoption(speed=0.4, uncertainty=0.5, caution=0.0).rate == 0.4
    assert Adoption(speed=0.4, sandbox=0.5, sandbox_gain=0.2).rate == pytest.approx(0.44, rel=1e-14)
    falling = Adoption(start=0.9, limit=0.3).path(8)
    assert (np.diff(falling) < 0.0).all()


def test_benefits_by_hand() -> None:
    made = Benefits(coverage0=0.2, coverage1=0.7, saturation=math.log(2.0), demand=50.0, cost0=0.02, saving=0.5,
                    technology_cost=0.004, funding=0.03, margin=0.01, default_probability=0.04,
                    loss_given_default=0.5, screening=0.1, spread=0.2)  # fmt: skip
    found = made.at(np.array([0.0, 1.0]))
    # at full adoption: 0.2 + 0.5 / 2; 0.45 * 50; 0.02 / 2 + 0.004; 0.04 * (1 - 0.1 / 0.2) * 0.5 = 0.01 of losses
    assert found["coverage"] == pytest.approx([0.2, 0.45], rel=1e-14)
    assert found["sme_credit"] == pytest.approx([10.0, 22.5], rel=1e-14)
    assert found["cost_of_service"] == pytest.approx([0.02, 0.014], rel=1e-14)
    assert found["lending_rate"] == pytest.approx([0.03 + 0.02 + 0.02 + 0.01, 0.03 + 0.01 + 0.014 + 0.01], rel=1e-14)


def test_one_standard_deviation_of_technology_avoids_a_tenth_of_defaults() -> None:
    made = Benefits(cost0=0.0, technology_cost=0.0, funding=0.0, margin=0.0)
    rates = made.at(np.array([0.0, made.spread]))["lending_rate"]
    assert rates[1] / rates[0] == pytest.approx(0.9, rel=1e-12)


def test_quarters() -> None:
    names = quarters_of("2022Q1", 16)
    assert (names[0], names[4], names[-1], len(names)) == ("2022Q1", "2023Q1", "2025Q4", 16)


def test_dials_turn_with_adoption() -> None:
    found = turned(np.array([0.0, 0.25, 1.0]), {"a.b": (1.0, 3.0), "c": (0.8, 0.4)}, ("x", "y", "z"))
    assert found == {"x": {"a.b": 1.0, "c": 0.8}, "y": {"a.b": 1.5, "c": 0.7}, "z": {"a.b": 3.0, "c": 0.4}}


def test_a_ramp_is_a_frontier() -> None:
    path, names = Adoption().path(4), quarters_of("2022Q1", 4)
    policies = turned(path, {"shocks.0.size": (0.1, 0.6)}, names)
    coverage = dict(zip(names, Benefits().at(path)["coverage"].tolist(), strict=True))
    known = Known("Coverage of the underserved", "1", coverage)
    found = frontier("ring_of_ten", policies, benefit=known, statistic="mean", draws=2, seed=1)
    table = found.summary().set_index("policy")
    assert table["benefit"].to_dict() == pytest.approx(coverage)
    assert table["benefit_low"].to_dict() == pytest.approx(coverage)
    assert table["efficient"].all()
    assert found.plot().axes[0].get_xlabel() == "Coverage of the underserved, %"
    with pytest.raises(UsageError, match="benefit: has no value for 2022Q3, 2022Q4"):
        frontier("ring_of_ten", policies, benefit=known._replace(values={"2022Q1": 1.0, "2022Q2": 1.0}), draws=1)


def test_refusals() -> None:
    with pytest.raises(ValidationError) as told:
        Adoption(start=1.2, speed=-1.0)
    assert [each["loc"] for each in told.value.errors()] == [("start",), ("speed",)]
    with pytest.raises(ValidationError, match="demand"):
        Benefits(demand=math.nan)
    with pytest.raises(ValidationError, match="at least screening"):
        Benefits(screening=0.5, spread=0.2)
    with pytest.raises(UsageError, match="more than once a quarter"):
        Adoption(speed=5.0).path(2)
    with pytest.raises(UsageError, match="quarters must be at least 1"):
        Adoption().path(0)
    for text in ("2022", "2022Q5", "22Q1"):
        with pytest.raises(UsageError, match="a year and a quarter such as 2022Q1"):
            quarters_of(text, 2)
    with pytest.raises(UsageError, match="one name for each of 1 values"):
        turned(np.array([0.5]), {}, ("a",))
