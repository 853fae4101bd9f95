"""Figures of walls: the draws that are shown, and those of the pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.analysis.walls import wall_value
from sim.report import style
from sim.report.walls import wall_figure
from tests.report.test_figures import clashes
from tests.report.test_sweep_figures import texts

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def points(figure: Any) -> list[tuple[str, list[tuple[float, float]]]]:
    return [(str(line.get_marker()), list(zip(*line.get_data(), strict=True))) for line in figure.axes[0].lines[1:]]


def test_draws_that_lose_more_behind_the_walls_have_their_own_marker(tmp_path: Path) -> None:
    before, behind = np.array([1000.0, 3000.0, 2000.0]), np.array([400.0, 3500.0, 2000.0])
    figure = wall_figure(before, behind, ("Lost", "EUR million"), "Title", "Effectiveness 0.1")
    (_, same), (_, worse), (_, mean) = points(figure)
    assert same == [(1000.0, 400.0), (2000.0, 2000.0)]
    assert worse == [(3000.0, 3500.0)]
    assert_allclose(mean[0], (2000.0, 5900.0 / 3))
    assert "Lost, without walls, EUR million" in texts(figure)
    assert clashes(figure) == []
    style.save(figure, tmp_path / "a.svg")


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [-1e9, 1e12]])
def test_nothing_breaks_the_figure(values: list[float], tmp_path: Path) -> None:
    found = np.array(values)
    figure = wall_figure(found, found, ("Lost", "currency"), "Title <b>", "how " * 40)
    assert clashes(figure) == []
    style.save(figure, tmp_path / "a.png")


def test_the_value_of_walls_shows_its_draws_and_all_three_numbers() -> None:
    value = wall_value("guarantee_fund", draws=8, seed=7)
    figure = value.plot()
    drawn = sorted(point for _, each in points(figure)[:2] for point in each)
    losses = value.losses
    assert_allclose(drawn, sorted(zip(losses["open"] / 1e3, losses["walled"] / 1e3, strict=True)))
    table = value.comparison.results["walled"].to_pandas()
    last = table[table["step"] == table["step"].max()]
    assert_allclose(losses["walled"], last["system_loss"] + last["wall_absorbed"])
    told = texts(figure).replace("\n", " ")
    for name in ("Effectiveness", "net value", "backfire rate"):
        assert name in told


@pytest.fixture(scope="module")
def drawn() -> Iterator[Any]:
    """The module that draws what walls do."""
    sys.path.insert(0, str(DOCS))
    try:
        import wall_figures as module  # type: ignore[import-not-found]

        yield module
    finally:
        sys.path.remove(str(DOCS))


def test_every_figure_of_walls_is_on_their_page(drawn: Any) -> None:
    page = (DOCS / "walls.md").read_text("utf-8")
    for name in [*(draw.__name__ for draw in drawn.FIGURES), "value"]:
        assert (DOCS / "walls" / f"{name}.svg").stat().st_size < 150_000
        assert re.search(rf"^!\[.+\]\(walls/{name}\.svg\)$", page, re.MULTILINE), name
    assert "<!--" not in page


def test_bands_are_of_paired_differences(drawn: Any) -> None:
    base = np.array([10.0, 20.0, 60.0])
    middle, low, high = drawn.against(base, [base, base + np.array([1.0, 2.0, 3.0])], 30.0)
    assert_allclose(middle, [30.0, 32.0])
    assert low[0] == high[0] == 30.0
    half = 4.302652729749464 / np.sqrt(3.0)  # t, two degrees of freedom; the standard deviation is 1
    assert_allclose([low[1], high[1]], [32.0 - half, 32.0 + half])


@pytest.mark.parametrize("name", ["absorbing", "temporal"])
def test_a_figure_of_a_wall_is_drawn_without_overlap(drawn: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(drawn, "NETWORKS", 2)
    figure = getattr(drawn, name)()
    assert clashes(figure) == []
    assert all(ax.get_ylabel() for ax in figure.axes)
