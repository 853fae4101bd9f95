"""Figures of sweeps and comparisons: what is drawn, and that nothing breaks them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.report.comparison import comparison_figure
from sim.report.style import save
from sim.report.sweep import sweep_figure

LABEL = ("Loss: mean", "EUR million")


def table(keys: dict[str, Any], values: Any, policy: list[str] | None = None) -> pd.DataFrame:
    value = np.asarray(values, dtype=float)
    found = pd.DataFrame({"point": np.arange(value.size), **keys})
    if policy is not None:
        found["policy"] = policy
    return found.assign(value=value, low=value - 1.0, high=value + 1.0)


def drawn(data: pd.DataFrame, keys: list[str], label: tuple[str, str] = LABEL) -> Any:
    return sweep_figure(data, keys, title="Title <b> 銀行", subtitle="how", label=label)


def texts(figure: Any) -> str:
    found = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        found += [text.get_text() for text in ax.texts] + [ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left")]
    return " | ".join(found)


def test_one_key_is_a_line_through_the_points() -> None:
    figure = drawn(table({"a.b": [3.0, 1.0, 2.0]}, [30.0, 10.0, 20.0]), ["a.b"])
    (ax,) = figure.axes
    line = ax.lines[0]
    assert line.get_xdata().tolist() == [1.0, 2.0, 3.0]
    assert line.get_ydata().tolist() == [10.0, 20.0, 30.0]
    assert ax.get_ylim()[0] == 0.0
    assert ax.get_xlabel() == "a.b"


def test_two_keys_are_a_map_with_its_values() -> None:
    keys = {"a": [0, 0, 1, 1], "b": ["x", "y", "x", "y"]}
    figure = drawn(table(keys, [1.0, 2.0, np.nan, 4.0]), ["a", "b"])
    (ax,) = figure.axes
    cells = ax.collections[0].get_array().reshape(2, 2)
    assert cells[0, 0] == 1.0
    assert cells[1, 1] == 4.0
    assert np.ma.getmaskarray(cells)[0, 1]
    assert len(ax.lines) == 2  # the cross over what failed
    assert "Crossed out" in texts(figure)
    assert " 4 " in texts(figure)


def test_policies_have_their_own_maps_in_one_range_of_colours() -> None:
    keys = {"a": [0, 0, 1, 1] * 2, "b": [5, 6, 5, 6] * 2}
    figure = drawn(table(keys, np.arange(8.0), ["p"] * 4 + ["q"] * 4), ["a", "b"])
    assert [ax.get_title("left") for ax in figure.axes] == ["p", "q"]
    limits = {(ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) for ax in figure.axes}
    assert limits == {(0.0, 7.0)}


def test_a_count_is_not_turned_into_a_percentage() -> None:
    figure = drawn(table({"a": [1, 2]}, [0.5, 3.0]), ["a"], ("Banks in default: mean", "1"))
    assert "%," not in texts(figure)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.5, 3.0]


def test_large_money_is_scaled() -> None:
    figure = drawn(table({"a": [1, 2]}, [150_000.0, 300_000.0]), ["a"])
    assert figure.axes[0].lines[0].get_ydata().tolist() == [150.0, 300.0]
    assert "EUR bn" in texts(figure)


def test_many_points_are_a_cloud() -> None:
    rng = np.random.default_rng(1)
    keys = {name: rng.random(300) for name in ("a", "b", "c", "d")}
    figure = drawn(table(keys, rng.random(300) - 0.5, ["p", "q", "r"] * 100), list(keys))
    assert len(figure.axes) == 4
    assert figure.axes[0].get_ylim()[0] < 0.0
    assert len(figure.legends) == 1


@pytest.mark.parametrize("value", [np.nan, 0.0, -3.0, 1e15])
def test_odd_values(value: float, tmp_path: Any) -> None:
    for keys in ({"a": [1, 2]}, {"a": [True, False]}, {"a": [None, 1.0]}):
        save(drawn(table(keys, [value, value]), ["a"]), tmp_path / "f.png")
    save(drawn(table({"a": [0, 0, 1, 1], "b": [0, 1] * 2}, [value] * 4), ["a", "b"]), tmp_path / "f.png")


def test_names_that_are_long_or_odd(tmp_path: Any) -> None:
    keys = {"a" * 90: ["x" * 200, "$\\alpha$", "<b>\x1b[0m", "銀行"]}
    save(drawn(table(keys, [1.0, 2.0, 3.0, 4.0], ["$p$" * 40, "q", "r", "s"]), list(keys)), tmp_path / "f.png")


def comparison(ends: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["b", "b", "c", "c"],
            "metric": ["loss", "defaults"] * 2,
            "unit": ["EUR million", "1"] * 2,
            "difference": [-20_000.0, 1.0, 30_000.0, 0.0],
            "low": [-25_000.0, ends[0], 20_000.0, 0.0],
            "high": [-15_000.0, ends[1], 40_000.0, 0.0],
        }
    )


@pytest.mark.parametrize("ends", [[0.5, 1.5], [np.nan, np.nan]])
def test_a_comparison_has_a_panel_for_each_unit(ends: list[float], tmp_path: Any) -> None:
    figure = comparison_figure(comparison(ends), {"loss": "Loss"}, "a against <b>", "how")
    assert len(figure.axes) == 2
    assert "EUR bn" in texts(figure)
    assert "−20.0  [−25.0, −15.0]" in texts(figure)
    assert ("[0.500, 1.50]" in texts(figure)) == np.isfinite(ends[0])
    save(figure, tmp_path / "c.svg")
