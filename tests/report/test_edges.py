"""Sweeps, comparisons and the order of a step at their edges: nothing on top of anything else, nothing cropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.report.comparison import comparison_figure
from sim.report.phases import phases_figure
from sim.report.sweep import sweep_figure
from tests.report.test_new_figures import AWKWARD, clashes, contents

LABEL = ("Loss: mean", "EUR million")
LONG = "a very long name of a bank, a key or a policy " * 8
NAMES = {
    "plain": "leverage",
    "long": LONG,
    "greek": "Μόχλευση τραπεζών",
    "chinese": "杠杆率上限",
    "arabic": "الرافعة المالية",
    "markup": "$x_{1}$ <b>&\x00\u202e",
}


def points(keys: dict[str, list[object]], values: list[float], policy: list[str] | None = None) -> pd.DataFrame:
    """A table of a sweep, with intervals of ten per cent."""
    value = np.array(values)
    table = pd.DataFrame({"point": np.arange(value.size), **keys})
    if policy is not None:
        table["policy"] = policy
    return table.assign(value=value, low=0.9 * value, high=1.1 * value)


def swept(table: pd.DataFrame, keys: list[str], name: str = "Title") -> Figure:
    return sweep_figure(table, keys, title=name, subtitle=name, label=(f"{name}: mean", LABEL[1]))


def line(name: str, n: int = 6) -> Figure:
    return swept(points({name: list(np.linspace(0.0, 1.0, n))}, [1e5 * (k + 1) for k in range(n)]), [name], name)


def words(name: str) -> Figure:
    return swept(points({"key": [name, *AWKWARD[:4]]}, [1.0, 2.0, 3.0, 4.0, 5.0]), ["key"], name)


def chart(name: str, n: int = 4) -> Figure:
    first, second = [k for k in range(n) for _ in range(n)], list(range(n)) * n
    return swept(points({name: first, f"{name}.": second}, [float(k) for k in range(n * n)]), [name, f"{name}."], name)


def cloud(name: str, n: int = 300) -> Figure:
    rng = np.random.default_rng(1)
    keys = {f"{name}{k}": list(rng.random(n)) for k in range(3)}
    return swept(points(keys, list(rng.random(n))), list(keys), name)


def policies(name: str, n: int = 3) -> Figure:
    named = [f"{name} {k}" for k in range(n)]
    table = points({"a": [0.0, 1.0] * n}, [float(k) for k in range(2 * n)], [each for each in named for _ in range(2)])
    return swept(table, ["a"], name)


def compared(name: str, metrics: int = 3, runs: int = 2, nothing: bool = False) -> Figure:
    rows = [
        (f"{name} {r}", f"m{k}", ("EUR million", "1")[k % 2], 1e4 * (k - 1), 1e4 * (k - 2), 1e4 * k)
        for r in range(runs)
        for k in range(metrics)
    ]
    table = pd.DataFrame(rows, columns=["run", "metric", "unit", "difference", "low", "high"])
    if nothing:
        table[["difference", "low", "high"]] = np.nan
    return comparison_figure(table, {f"m{k}": f"{name} {k}" for k in range(metrics)}, name, name)


def ordered(name: str) -> Figure:
    phases = {f"phase{k}": f"{name} what happens" for k in range(12)}
    return phases_figure(name, phases, {f"{name[:12]}{k}": [f"phase{k}", f"phase{k + 3}"] for k in range(6)})


CASES: dict[str, Callable[[], Figure]] = {
    **{f"{draw.__name__}, {case}": lambda draw=draw, name=name: draw(name)  # type: ignore[misc]
       for draw in (line, words, chart, cloud, policies, compared, ordered) for case, name in NAMES.items()},
    "line of one point": lambda: line("a", 1),
    "line of 10,000 points": lambda: cloud("a", 10_000),
    "map of one cell": lambda: chart("a", 1),
    "map of 400 cells": lambda: chart("a", 20),
    "eight policies": lambda: policies("policy", 8),
    "no point at all": lambda: swept(points({"a": []}, []), ["a"]),
    "no run has a result": lambda: swept(points({"a": [1.0, 2.0]}, [np.nan, np.nan]), ["a"]),
    "a map without a result": lambda: swept(points({"a": [0, 0], "b": [0, 1]}, [np.nan, np.nan]), ["a", "b"]),
    "zeros": lambda: swept(points({"a": [1.0, 2.0]}, [0.0, 0.0]), ["a"]),
    "comparison of twenty metrics": lambda: compared("run", 20, 3),
    "comparison without a number": lambda: compared("run", nothing=True),
    "comparison of one": lambda: compared("run", 1, 1),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_case_is_drawn_without_overlap(case: str) -> None:
    figure = CASES[case]()
    assert clashes(figure) == []
    if not case.startswith(("ordered", "no point")):
        assert "EUR" in contents(figure)
