"""Figures of attributions and frontiers: what is drawn, and that nothing breaks them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.report import style
from sim.report.attribution import attribution_figure
from sim.report.frontier import frontier_figure
from tests.report.test_sweep_figures import texts

NONE = pd.DataFrame(columns=["a", "b", "unit", "value", "se", "low", "high"])


def values(found: dict[str, float], start: float = 100.0) -> pd.DataFrame:
    inner = np.array(list(found.values()))
    told = np.array([start, *inner, start + inner.sum()])
    added = inner.sum()
    share = [np.nan, *(inner / added if added else np.full(inner.size, np.nan)), np.nan]
    names = ["events", *found, "total"]
    return pd.DataFrame({"channel": names, "value": told, "low": told - 1.0, "high": told + 1.0, "share": share})


def pairs(a: str, b: str, value: float, se: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"a": [a], "b": [b], "value": [value], "se": [se]})


def bars(figure: Any) -> list[tuple[float, float]]:
    return [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]


def test_bars_follow_each_other_and_end_at_the_sum(tmp_path: Path) -> None:
    table = values({"credit": 30.0, "market": -10.0, "liquidity": 5.0})
    both = pd.concat([pairs("credit", "market", 20.0), pairs("credit", "liquidity", -4.0, 0.0)])
    figure = attribution_figure(table, both, ("Equity lost", "EUR million"), "Title <b> 銀行", "how")
    assert bars(figure) == [(0.0, 30.0), (30.0, -10.0), (20.0, 5.0), (0.0, 25.0)]
    told = texts(figure)
    assert "events alone EUR 100 million, all channels on EUR 125 million" in told
    assert "\u221210.0  (\u221240 %)" in told
    assert "20.0 | ± 0.5" in told
    assert "Added to equity lost, EUR million" in told
    cells = {cell.get_xy(): cell.get_facecolor() for cell in figure.axes[1].patches}
    assert len(cells) == 2
    red, blue = cells[(0.0, -1.0)], cells[(0.0, -2.0)]
    assert red[0] > red[2]  # amplify: vermilion
    assert blue[2] > blue[0]  # replace: blue
    style.save(figure, tmp_path / "a.svg")


@pytest.mark.parametrize("found", [{"credit": 12.0, "market": 0.0}, {"credit": 0.0, "market": 0.0}])
def test_without_pairs_there_is_one_panel(found: dict[str, float], tmp_path: Path) -> None:
    figure = attribution_figure(values(found), NONE, ("Defaults", "1"), "T", "how")
    assert len(figure.axes) == 1
    assert len(bars(figure)) == 1 + sum(value != 0.0 for value in found.values())
    style.save(figure, tmp_path / "a.png")


def points(radius: list[float], names: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    k = np.arange(3.0)
    return pd.DataFrame(
        {
            "policy": names,
            "benefit": k + 1.0, "benefit_low": k + 0.9, "benefit_high": k + 1.1,
            "risk": 10.0 * k, "risk_low": 10.0 * k - 1.0, "risk_high": 10.0 * k + 1.0,
            "efficient": [True, True, False], "radius": radius,
        }
    )  # fmt: skip


def band(high: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"benefit": [1.0, 2.0, 3.0], "risk": [0.0, 10.0, 20.0], "low": [-1.0, 9.0, 19.0], "high": high})


NOWHERE = pd.DataFrame(columns=["below", "above", "benefit"])
LABELS = (("Coverage", "1"), ("ES99: Loss", "EUR million"))


def test_a_frontier_shows_policies_line_and_crossing(tmp_path: Path) -> None:
    crossing = pd.DataFrame({"below": ["a"], "above": ["b"], "benefit": [1.5]})
    figure = frontier_figure(points([0.5, 1.5, 1.6]), band([1.0, 11.0, np.inf]), crossing, LABELS, "T", "how")
    ax = figure.axes[0]
    line = next(line for line in ax.lines if line.get_drawstyle() == "steps-pre")
    assert line.get_xdata().tolist() == [100.0, 200.0, 300.0]  # a share is shown in per cent
    marks = [(line.get_marker(), line.get_markerfacecolor()) for line in ax.lines if line.get_marker() in ("o", "s")]
    assert marks == [("o", style.TAIL), ("s", style.MARK), ("s", "white")]
    assert any(line.get_xdata()[0] == 150.0 and line.get_linestyle() == "--" for line in ax.lines)
    assert "\u03c1 = 1" in texts(figure)
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert key[-2:] == ["small stress grows (\u03c1 \u2265 1)", "spectral radius crosses 1"]
    style.save(figure, tmp_path / "f.svg")


@pytest.mark.parametrize("high", [[1.0, 11.0, 21.0], [np.inf] * 3, [np.nan] * 3])
@pytest.mark.parametrize("radius", [[np.nan] * 3, [0.2, 0.3, 0.4]])
def test_a_frontier_without_crossing(high: list[float], radius: list[float], tmp_path: Path) -> None:
    names = ("a policy with a very long name that goes on and on", "<b>", "銀行")
    figure = frontier_figure(points(radius, names), band(high), NOWHERE, LABELS, "T", "how")
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert ("no policy beats it (\u03c1 < 1 for all)" in key) == (radius[0] == radius[0])
    style.save(figure, tmp_path / "f.png")


def test_policies_that_are_all_alike(tmp_path: Path) -> None:
    same = points([0.5] * 3).assign(
        benefit=1.0, benefit_low=1.0, benefit_high=1.0, risk=0.0, risk_low=0.0, risk_high=0.0
    )
    figure = frontier_figure(same, band([0.0] * 3).assign(benefit=1.0, risk=0.0, low=0.0), NOWHERE, LABELS, "T", "how")
    style.save(figure, tmp_path / "f.png")
