"""Designs: the points that were asked for, the same ones every time, with the distributions they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sim.errors import InputError, UnknownNameError, UsageError
from sim.experiments.designs import design
from sim.experiments.laws import LAWS, law

TWO = {"a": {"uniform": {"low": 0.0, "high": 10.0}}, "b": {"normal": {"mean": 1.0, "std": 2.0}}}


def test_a_grid_is_every_combination_the_last_key_fastest() -> None:
    found = design({"a": [1, 2], "b": ["x", "y", "z"]})
    assert [tuple(point.values()) for point in found.points] == [
        (1, "x"), (1, "y"), (1, "z"), (2, "x"), (2, "y"), (2, "z"),
    ]  # fmt: skip
    assert found.keys == ("a", "b")
    assert not found.is_random


def test_a_list_takes_first_with_first() -> None:
    assert [dict(point) for point in design({"a": [1, 2], "b": [3, 4]}, "list").points] == [
        {"a": 1, "b": 3},
        {"a": 2, "b": 4},
    ]
    with pytest.raises(UsageError, match=r"as many values for every key, got a 2, b 3"):
        design({"a": [1, 2], "b": [3, 4, 5]}, "list")


def test_one_at_a_time_begins_with_the_scenario_itself() -> None:
    found = design({"a": [1, 2], "b": {"uniform": {"low": 0, "high": 1}}}, "oat").points
    assert [dict(point) for point in found] == [{}, {"a": 1}, {"a": 2}, {"b": 0.05}, {"b": 0.5}, {"b": 0.95}]


def test_points_may_be_written_out() -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert [dict(point) for point in design(rows).points] == rows
    assert [dict(point) for point in design(pd.DataFrame(rows)).points] == rows
    with pytest.raises(InputError, match=r"over\.1: b is missing"):
        design([{"a": 1, "b": 2}, {"a": 1}])


def test_numpy_values_become_plain_ones() -> None:
    (point,) = design({"a": np.array([0.5]), "b": [np.int64(3)], "c": [np.array([1.0, 2.0])]}).points
    assert point == {"a": 0.5, "b": 3, "c": [1.0, 2.0]}
    assert [type(value) for value in point.values()] == [float, int, list]


@pytest.mark.parametrize("kind", ["sobol", "halton"])
def test_point_i_does_not_depend_on_how_many_there_are(kind: str) -> None:
    assert design(TWO, f"{kind}:13", 7).points == design(TWO, f"{kind}:64", 7).points[:13]


@pytest.mark.parametrize("kind", ["sobol", "halton", "lhs", "saltelli"])
def test_samples_are_seeded(kind: str) -> None:
    first = design(TWO, f"{kind}:16", 7)
    assert first.points == design(TWO, f"{kind}:16", 7).points
    assert first.points != design(TWO, f"{kind}:16", 8).points
    assert first.points != design(TWO, f"{kind}:16", 7 + 2**100).points
    assert first.is_random


@pytest.mark.parametrize(("kind", "cells"), [("sobol", 64), ("lhs", 50)])
def test_each_key_is_spread_evenly(kind: str, cells: int) -> None:
    points = design(TWO, f"{kind}:{cells}", 3).points
    a = np.array([point["a"] for point in points]) / 10.0
    b = stats.norm(1.0, 2.0).cdf([point["b"] for point in points])
    for u in (a, b):  # one point in each of as many equal cells
        assert sorted((u * cells).astype(int).tolist()) == list(range(cells))


def test_halton_is_more_even_than_chance() -> None:
    points = design(TWO, "halton:256", 3).points
    u = np.array([point["a"] for point in points]) / 10.0
    assert stats.kstest(u, "uniform").statistic < 0.03  # chance: about 0.05


def test_a_list_of_values_is_taken_in_equal_shares() -> None:
    found = [point["m"] for point in design({"m": ["x", "y", "z", "w"]}, "sobol:64", 1).points]
    assert {name: found.count(name) for name in "xyzw"} == dict.fromkeys("xyzw", 16)


def test_saltelli_is_what_first_order_indices_need() -> None:
    # f = a + 2 c: variance 1/12 and 4/12, so S_a = 0.2, S_c = 0.8 and the idle key has none
    unit = {"uniform": {"low": 0, "high": 1}}
    points = design({"a": unit, "idle": unit, "c": unit}, "saltelli:256", 5).points
    assert len(points) == 256 * 5
    f = np.array([point["a"] + 2 * point["c"] for point in points]).reshape(256, 5)
    whole, mixed, other = f[:, 0], f[:, 1:4], f[:, 4]
    spread = np.r_[whole, other].var()
    first = (other[:, None] * (mixed - whole[:, None])).mean(axis=0) / spread
    np.testing.assert_allclose(first, [0.2, 0.0, 0.8], atol=0.02)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"uniform": {"low": -1, "high": 3}}, stats.uniform(-1, 4)),
        ({"loguniform": {"low": 0.1, "high": 10}}, stats.loguniform(0.1, 10)),
        ({"triangular": {"low": 1, "mode": 2, "high": 5}}, stats.triang(0.25, 1, 4)),
        ({"normal": {"mean": 3, "std": 2}}, stats.norm(3, 2)),
        ({"lognormal": {"median": 2, "sigma": 0.5}}, stats.lognorm(0.5, scale=2)),
        ({"beta": {"a": 2, "b": 5, "scale": 4}}, stats.beta(2, 5, scale=4)),
        ({"integers": {"low": 2, "high": 6}}, stats.randint(2, 7)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_quantiles(written: dict[str, Any], expected: Any) -> None:
    u = np.array([0.001, 0.05, 0.3, 0.5, 0.77, 0.95, 0.999])
    found = law("key", written)
    np.testing.assert_allclose(found.quantile(u), expected.ppf(u), rtol=1e-10)
    assert found.written() == {next(iter(written)): LAWS[found.name].model_validate(found.model_dump()).model_dump()}
    name, bounds = found.salib()
    assert name in {"unif", "logunif", "triang", "norm", "lognorm"}
    assert all(np.isfinite(bounds))


def test_all_problems_at_once_with_the_nearest_name() -> None:
    over = {
        "a": {"uniform": {"low": 1, "hgh": 2}},
        "b": [],
        "c": 3,
        "d": {"normel": {"mean": 0, "std": 1}},
        "e": {"uniform": {"low": 2, "high": 1}},
        "f": [float("nan")],
        "g": {"normal": {"mean": 0, "std": 1}, "beta": {"a": 1, "b": 1}},
        "h": {"normal": 3},
    }
    with pytest.raises(InputError) as caught:
        design(over)
    text = str(caught.value)
    for part in (
        "unknown key \"a.uniform.hgh\"; did you mean 'high'?",
        "b: the list of values is empty",
        "c: give a list of values or a distribution, got 3; for one value write [3]",
        "d: unknown distribution 'normel'; did you mean 'normal'?",
        "low = 2 must be below high = 1",
        "f: nan is no value that a scenario can hold",
        "g: give exactly one distribution",
        "h.normal must be a mapping, got 3",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("over", "sample", "message"),
    [
        ({"a": [1]}, "sobl:4", r"unknown sample 'sobl:4'; did you mean 'sobol'\?"),
        ({"a": [1]}, "sobol", r"sample sobol needs 1 to 100,000 points, such as sobol:64"),
        ({"a": [1]}, "lhs:0", r"needs 1 to 100,000 points"),
        ({"a": [1]}, "grid:4", r"sample grid takes no number of points"),
        ({"a": [1]}, 4, r"unknown sample 4"),
        ({}, "lhs:4", r"sample lhs:4 needs keys"),
        (TWO, "grid", r"a has a distribution, which a grid cannot take"),
        ({"a": range(1000), "b": range(1000)}, "grid", r"the design has 1,000,000 points; at most 100,000"),
        ("a=1", "grid", r"over must map keys to values"),
        ([], "grid", r"over has no points"),
    ],
)
def test_wrong_calls(over: Any, sample: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        design(over, sample)


def test_an_unknown_distribution_is_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'beta'"):
        law("a", {"bet": {}})
