"""Results: tables with labels and units, nothing that can be changed, the same after a round trip."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sim.errors import StoreError
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.result import Result
from sim.experiments.statistics import COLUMNS, summarise


@pytest.fixture
def result(toy: Any, scenario: Any) -> Result:
    return run(scenario, draws=1200, player=toy(), record="agents")


def test_the_summary_is_of_the_last_step(result: Result) -> None:
    table = result.summary()
    assert table.index.tolist() == ["system_loss", "defaults"]
    assert table.columns.tolist() == ["unit", *COLUMNS]
    expected = summarise(result.metrics["system_loss"][:, -1])
    assert {name: table.loc["system_loss", name] for name in COLUMNS} == expected
    assert table.attrs["notes"] == []
    assert table.loc["defaults", "unit"] == "1"


def test_too_few_draws_are_noted(toy: Any, scenario: Any) -> None:
    few = run(scenario, draws=50, player=toy())
    assert np.isnan(few.summary()["VaR99_lo"]).all()
    assert few.summary().attrs["notes"] == list(few.notes)
    assert len(few.notes) == 2


def test_the_long_table(result: Result) -> None:
    table = result.to_pandas()
    assert table.columns.tolist() == ["draw", "step", "system_loss", "defaults", "status", "reason"]
    assert len(table) == 3600
    assert table["step"].unique().tolist() == [1, 2, 3]
    row = table[(table["draw"] == 1100) & (table["step"] == 2)].iloc[0]
    assert row["system_loss"] == result.metrics["system_loss"][1100, 1]


def test_the_labelled_one(result: Result) -> None:
    data = result.to_xarray()
    assert dict(data.sizes) == {"draw": 1200, "step": 3, "agent": 3}
    assert data["equity"].sel(draw=7, agent="銀行").item() == 9.0
    assert data["system_loss"].attrs["units"]
    assert data["system_loss"].attrs["long_name"]
    assert data.attrs["answer_sha256"] == result.answer_sha256
    assert isinstance(data, xr.Dataset)


def test_nothing_can_be_changed(result: Result) -> None:
    with pytest.raises(ValueError, match="read-only"):
        result.metrics["system_loss"][0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.folder = Path()  # type: ignore[misc]
    result.provenance["versions"]["numpy"] = "0"
    assert result.provenance["versions"]["numpy"] != "0"
    table = result.to_pandas()
    table.loc[0, "system_loss"] = -1.0
    assert result.metrics["system_loss"][0, 0] != -1.0


def test_a_round_trip(tmp_path: Path, result: Result, scenario: Any, toy: Any) -> None:
    folder = result.save(tmp_path / "r")
    opened = open_result(folder)
    assert opened.provenance == result.provenance
    used = {"record": "agents", "monte_carlo.draws": 1200, "monte_carlo.seed": 7}
    assert opened.scenario_yaml == scenario.override(used).canonical()
    assert opened.to_pandas().equals(result.to_pandas())
    assert opened.to_xarray().identical(result.to_xarray())
    assert opened.summary().equals(result.summary())
    idle = toy()
    assert run(scenario, draws=1200, player=idle, record="agents", out=folder).answer_sha256 == result.answer_sha256
    assert not idle.played
    other = run(scenario, draws=3, seed=1, player=toy())
    with pytest.raises(StoreError, match="holds another run"):
        other.save(folder)


def test_a_moved_folder_opens(tmp_path: Path, result: Result) -> None:
    result.save(tmp_path / "r").rename(tmp_path / "elsewhere")
    assert open_result(tmp_path / "elsewhere").answer_sha256 == result.answer_sha256


def test_provenance_says_what_it_takes_to_repeat(result: Result, scenario: Any) -> None:
    said = result.provenance
    assert said["seed"] == 7
    assert said["draws"] == 1200
    assert said["scenario_sha256"] == scenario.override({"record": "agents"}).digest
    assert len(said["answer_sha256"]) == 64
    assert {"python", "numpy", "numba", "contagion-sim"} <= set(said["versions"])


def test_markup_in_a_title_is_escaped(toy: Any, scenario: Any) -> None:
    marked = scenario.override({"title": "<script>alert(1)</script>"})
    card = run(marked, draws=3, player=toy())._repr_html_()
    assert "<script>" not in card
    assert "&lt;script&gt;" in card


def test_the_figure_leaves_failed_draws_out(toy: Any, scenario: Any) -> None:
    def fails() -> None:
        raise ValueError("no")

    figure = run(scenario, draws=20, player=toy(breaks={3: fails})).plot()
    texts = " ".join(text.get_text() for text in figure.texts)
    assert "19 draws, seed 7, 1 failed" in texts


def test_a_result_that_nobody_looks_at_reads_nothing(tmp_path: Path, toy: Any, scenario: Any) -> None:
    made = run(scenario, draws=3, player=toy(), out=tmp_path)
    assert "_part" not in vars(made)
    assert made.steps == 3
    assert "_part" in vars(made)
    assert repr(made).startswith("<Result ring_of_ten: 3 draws, seed 7")


def test_failed_draws_are_empty_when_none_failed(result: Result) -> None:
    assert result.failed_draws.empty
    assert result.failed_draws.columns.tolist() == ["draw", "status", "reason", "command"]
    assert result.count("ok") == 1200


@pytest.mark.parametrize("sampler", ["philox", "antithetic", "sobol"])
def test_the_summary_knows_how_draws_belong_together(toy: Any, scenario: Any, sampler: str) -> None:
    found = run(scenario.override({"monte_carlo.sampler": sampler}), draws=1500, player=toy())
    assert found.sampler == sampler
    values = found.metrics["system_loss"][:, -1]
    expected = summarise(values, pairs=sampler == "antithetic")
    assert found.summary().loc["system_loss", list(COLUMNS)].to_dict() == expected
    assert any(sampler in note for note in found.notes) == (sampler != "philox")
