"""Sweeps: the same luck at every point, nothing lost, finished where it stopped, told without surprises."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from sim.errors import FailedDrawsError, InputError, StoreError, UnknownNameError, UsageError
from sim.experiments.monte_carlo import Progress, run
from sim.experiments.sweep import open_sweep, sweep
from sim.experiments.swept import STATISTICS
from sim.scenario.load import load

SIZES = [0.1, 0.3, 0.5]
GRID = {"shocks.0.size": SIZES, "channels.credit.valuation": ["eisenberg-noe", "furfine"]}
POLICIES: dict[str, dict[str, Any]] = {"as it is": {}, "other bank": {"shocks.0.target": "B05"}}


@pytest.fixture(scope="module")
def ring() -> Any:
    """Ten banks of which one draws its loss."""
    return load("ring_of_ten").override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.6}}, "record": "metrics"})


def test_a_grid_by_hand() -> None:
    # scenarios/README.md: B01 loses size * 40 of loans; clearing moves every loss to equity or depositors
    found = sweep("ring_of_ten", GRID, draws=1)
    table = found.summary("system_loss")
    assert table.columns[:3].tolist() == ["point", "shocks.0.size", "channels.credit.valuation"]
    clearing = table[table["channels.credit.valuation"] == "eisenberg-noe"]
    np.testing.assert_allclose(clearing["mean"], [4.0, 12.0, 20.0], rtol=1e-9)
    assert found.points["status"].tolist() == ["ok"] * 6


def test_a_point_is_the_run_of_that_scenario(ring: Any, tmp_path: Path) -> None:
    found = sweep(ring, {"channels.credit.alpha": [0.5, 1.0]}, draws=20, seed=3, out=tmp_path / "s",
                  policies={"rv": {"channels.credit.valuation": "rogers-veraart"}})  # fmt: skip
    alone = run(
        ring.override({"channels.credit.alpha": 0.5, "channels.credit.valuation": "rogers-veraart"}), draws=20, seed=3
    )
    assert found.result(0).answer_sha256 == alone.answer_sha256
    assert found.points["answer_sha256"][0] == alone.answer_sha256
    assert found.summary("defaults").loc[0, list(STATISTICS)].tolist() == pytest.approx(
        alone.summary().loc["defaults", list(STATISTICS)].tolist(), nan_ok=True, rel=0, abs=0
    )


def test_draws_are_paired_across_points_and_policies(ring: Any) -> None:
    key = {"channels.credit.valuation": ["eisenberg-noe", "furfine", "linear-debtrank"]}
    found = sweep(ring, key, draws=200, seed=3, policies=POLICIES)
    losses = [found.result(k).metrics["first_round_loss"][:, -1] for k in range(6)]
    # what is changed acts after the event: the event itself is the same draw by draw
    assert (losses[0] == losses[2]).all()
    assert (losses[0] == losses[4]).all()
    assert (losses[1] == losses[3]).all()
    assert np.unique(losses[0]).size > 50
    # B05 draws its own luck
    assert (losses[0] != losses[1]).any()


def test_pairing_needs_fewer_draws(ring: Any) -> None:
    sizes = [{"uniform": {"low": 0.0, "high": high}} for high in (0.6, 0.55)]
    found = sweep(ring, {"shocks.0.size": sizes}, draws=300, seed=3)
    first, second = (found.result(k).metrics["system_loss"][:, -1] for k in range(2))
    # losses are 24 u and 22 u: the difference spreads 2, two independent runs sqrt(24^2 + 22^2) = 32.6
    alone = np.sqrt(first.var() + second.var())
    assert (second - first).std() == pytest.approx(alone * 2.0 / 32.558, rel=1e-3)


def test_a_second_call_plays_nothing(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    first = toy()
    before = sweep(ring, GRID | {"shocks.0.size": SIZES}, draws=30, seed=1, out=tmp_path, player=first)
    idle = toy()
    after = sweep(ring, GRID | {"shocks.0.size": SIZES}, draws=30, seed=1, out=tmp_path, player=idle)
    assert len(first.played) == 180
    assert not idle.played
    assert after.answer_sha256 == before.answer_sha256 == open_sweep(tmp_path).answer_sha256
    shutil.rmtree(sorted((tmp_path / "points").iterdir())[2])
    again = toy()
    assert sweep(ring, GRID, draws=30, seed=1, out=tmp_path, player=again).answer_sha256 == before.answer_sha256
    assert len(again.played) == 30


def test_an_interrupted_sweep_is_finished(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    whole = sweep(ring, GRID, draws=40, seed=1, player=toy())

    def stop(at: Progress) -> None:
        if at.done >= 130:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(ring, GRID, draws=40, seed=1, out=tmp_path, player=toy(), progress=stop)
    with pytest.raises(StoreError, match=r"interrupted, [34] of 6 runs begun; sim resume .* finishes it"):
        open_sweep(tmp_path)
    rest = toy()
    found = sweep(ring, GRID, draws=40, out=tmp_path, player=rest)  # the seed is remembered
    assert found.answer_sha256 == whole.answer_sha256
    assert len(rest.played) <= 120


def test_more_draws_go_on(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    sweep(ring, GRID, draws=10, seed=1, out=tmp_path, player=toy())
    more = toy()
    found = sweep(ring, GRID, draws=25, seed=1, out=tmp_path, player=more)
    assert len(more.played) == 6 * 15
    assert found.answer_sha256 == sweep(ring, GRID, draws=25, seed=1, player=toy()).answer_sha256


def test_another_sweep_is_refused(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    sweep(ring, GRID, draws=3, seed=1, out=tmp_path / "s", player=toy())
    with pytest.raises(StoreError, match="holds another sweep"):
        sweep(ring, GRID, draws=3, seed=2, out=tmp_path / "s", player=toy())
    with pytest.raises(StoreError, match="holds another sweep"):
        sweep(ring, GRID, draws=3, seed=1, out=tmp_path / "s", player=toy(), policies=POLICIES)
    run(ring, draws=3, seed=1, out=tmp_path / "r", player=toy())
    with pytest.raises(StoreError, match="holds a run"):
        sweep(ring, GRID, draws=3, seed=1, out=tmp_path / "r", player=toy())


class Picky:
    """A player that refuses one point altogether and some draws of another."""

    def __init__(self, toy: Any) -> None:
        self.toy = toy

    def __call__(self, scenario: Any, system: Any, draws: Any, seed: int) -> Any:
        size = scenario.shocks[0].size.fixed
        if size == 0.3:
            raise ValueError("this point cannot be")
        if size == 0.5 and (draws == 4).any():
            raise ArithmeticError("this draw cannot be")
        return self.toy(scenario, system, draws, seed)


def test_a_point_that_fails_is_a_row(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    found = sweep(ring, {"shocks.0.size": [*SIZES, 0.7]}, draws=10, seed=1, out=tmp_path, player=Picky(toy()))
    assert found.points["status"].tolist() == ["ok", "failed", "ok", "ok"]
    assert "this point cannot be" in found.points["reason"][1]
    assert found.points["failed"].tolist() == [0, 10, 1, 0]
    table = found.summary("defaults")
    assert np.isnan(table["mean"]).tolist() == [False, True, False, False]
    assert len(found.failed_points) == 2
    with pytest.raises(UsageError, match="nothing came out of run 1"):
        found.result(1)
    assert len(found.to_pandas()) == 30
    assert np.isnan(found.to_xarray()["defaults"].sel(statistic="mean").to_numpy()).sum() == 1
    assert isinstance(found.plot("defaults"), Figure)
    # draws that failed are results, too: they are not played again, and told in the same words
    idle = toy()
    again = sweep(ring, {"shocks.0.size": [*SIZES, 0.7]}, draws=10, seed=1, out=tmp_path, player=idle)
    assert not idle.played
    assert again.points.equals(found.points)
    assert again.answer_sha256 == found.answer_sha256


def test_when_nothing_comes_out(ring: Any, toy: Callable[..., Any]) -> None:
    with pytest.raises(FailedDrawsError, match="this point cannot be"):
        sweep(ring, {"shocks.0.size": [0.3]}, draws=3, player=Picky(toy()))


def test_draws_that_are_not_certified(ring: Any, toy: Callable[..., Any]) -> None:
    loose = toy(uncertified=frozenset({2}))
    found = sweep(ring, {"shocks.0.size": [0.1]}, draws=5, player=loose)
    assert found.points.loc[0, ["status", "reason"]].tolist() == ["not-certified", "1 of 5 draws are not certified"]
    assert np.isnan(found.summary("defaults")["mean"][0])
    taken = sweep(ring, {"shocks.0.size": [0.1]}, draws=5, player=loose, allow_uncertified=True)
    assert taken.points["status"].tolist() == ["ok"]


def test_sampled_values_that_are_not_allowed_fail_alone(ring: Any, toy: Callable[..., Any]) -> None:
    wide = {"shocks.0.size": {"normal": {"mean": 0.5, "std": 0.4}}}
    found = sweep(ring, wide, sample="sobol:16", draws=2, seed=1, player=toy())
    bad = found.points["status"] == "failed"
    assert 1 <= bad.sum() <= 7
    assert found.points["reason"][bad].str.contains(r"must be in \[0, 1\]").all()
    assert ((found.points["shocks.0.size"] < 0) | (found.points["shocks.0.size"] > 1)).tolist() == bad.tolist()


def test_written_values_are_checked_before_the_first_draw(ring: Any, toy: Callable[..., Any]) -> None:
    idle = toy()
    with pytest.raises(InputError) as caught:
        sweep(ring, {"shocks.0.size": [0.1, 1.5], "mode": ["static", "statik"], "channels.credt.alpha": [0.5]},
              draws=3, player=idle)  # fmt: skip
    text = str(caught.value)
    assert "did you mean 'credit'" in text
    assert not idle.played
    with pytest.raises(InputError) as caught:
        sweep(ring, {"shocks.0.size": [0.1, 1.5], "mode": ["static", "statik"]}, draws=3, player=idle)
    assert "shocks.0.size.fixed = 1.5 must be in [0, 1]" in str(caught.value)
    assert "did you mean 'static'" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a sweep needs keys to sweep over, or policies"),
        ({"over": GRID, "policies": {"p": {"shocks.0.size": 0.1}}}, "shocks.0.size: is swept over and set by a policy"),
        ({"over": GRID, "seed": -1}, "seed must be a whole number"),
        ({"over": GRID, "seed": 1.5}, "seed must be a whole number"),
        ({"over": GRID, "draws": 0}, "draws must be from 1"),
        ({"over": GRID, "workers": 0}, "workers must be from 1"),
        ({"over": GRID, "sample": "grd"}, "did you mean 'grid'"),
    ],
)
def test_wrong_calls(ring: Any, toy: Callable[..., Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sweep(ring, **options, player=toy())


def test_policies_must_be_mappings(ring: Any) -> None:
    with pytest.raises(InputError, match=r"policies\.p: must map dotted keys"):
        sweep(ring, policies={"p": 3})  # type: ignore[dict-item]


def test_policies_alone(ring: Any, toy: Callable[..., Any]) -> None:
    found = sweep(ring, policies=POLICIES, draws=3, player=toy())
    assert found.points["policy"].tolist() == ["as it is", "other bank"]
    assert found.keys == ()
    assert isinstance(found.plot("defaults"), Figure)
    assert found.to_xarray()["defaults"].dims == ("point", "policy", "statistic")


def test_the_same_point_twice_is_played_once(ring: Any, toy: Callable[..., Any]) -> None:
    once = toy()
    found = sweep(ring, {"shocks.0.size": [0.2, 0.2]}, draws=5, seed=1, player=once)
    assert len(once.played) == 5
    assert len(set(found.points["answer_sha256"])) == 1
    assert len(set(found.summary("defaults")["mean"])) == 1


def test_draws_and_seed_may_be_swept(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    found = sweep(ring, {"monte_carlo.draws": [3, 7], "monte_carlo.seed": [1, 2]}, out=tmp_path, player=toy())
    assert found.points["draws"].tolist() == [3, 3, 7, 7]
    assert [found.result(k).seed for k in range(4)] == [1, 2, 1, 2]
    assert [found.result(k).draws for k in range(4)] == [3, 3, 7, 7]


def test_labelled_axes(ring: Any, toy: Callable[..., Any]) -> None:
    found = sweep(ring, GRID, draws=4, seed=1, policies=POLICIES, player=toy())
    data = found.to_xarray()
    assert dict(data.sizes) == {
        "shocks.0.size": 3, "channels.credit.valuation": 2, "policy": 2, "statistic": len(STATISTICS),
    }  # fmt: skip
    where = {"shocks.0.size": 0.3, "channels.credit.valuation": "furfine", "policy": "other bank"}
    table = found.summary("defaults")
    row = table[(table["shocks.0.size"] == 0.3) & (table["channels.credit.valuation"] == "furfine")]
    expected = row[row["policy"] == "other bank"]["mean"].item()
    assert data["defaults"].sel(**where, statistic="mean").item() == expected
    assert data["system_loss"].attrs["units"] == "currency units"
    sampled = sweep(ring, GRID, sample="lhs:5", draws=4, seed=1, player=toy()).to_xarray()
    assert sampled["shocks.0.size"].dims == ("point",)


def test_the_long_table(ring: Any, toy: Callable[..., Any]) -> None:
    found = sweep(ring, GRID, draws=4, seed=1, policies=POLICIES, player=toy())
    table = found.to_pandas()
    assert table.columns[:5].tolist() == ["point", "policy", *GRID, "draw"]
    assert len(table) == 6 * 2 * 4 * found.result(0).steps
    assert pd.api.types.is_float_dtype(table["shocks.0.size"])


def test_salib_gets_what_it_asks_for(ring: Any) -> None:
    over = {"shocks.0.size": {"uniform": {"low": 0.1, "high": 0.6}}, "shocks.0.target": ["B01", "B02"]}
    found = sweep(ring, over, sample="saltelli:4", draws=1, seed=1, policies=POLICIES | {"other bank": {}})
    with pytest.raises(UsageError, match="to_salib takes one policy"):
        found.to_salib()
    with pytest.raises(UnknownNameError, match="did you mean 'as it is'"):
        found.to_salib(policy="as it si")
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        found.to_salib(statistic="meen", policy="as it is")
    with pytest.raises(UnknownNameError, match="did you mean 'defaults'"):
        found.to_salib("default", policy="as it is")
    given = found.to_salib("system_loss", policy="as it is")
    assert given.problem == {
        "num_vars": 2,
        "names": list(over),
        "bounds": [[0.1, 0.6], [0.0, 1.0]],
        "dists": ["unif", "unif"],
        "outputs": ["mean of system_loss"],
    }
    assert given.X.shape == (16, 2)
    # clearing: the loss is 40 times the size, whoever has it
    np.testing.assert_allclose(given.Y, 40.0 * given.X[:, 0], rtol=1e-6)


def test_progress_counts_the_whole(ring: Any, toy: Callable[..., Any]) -> None:
    seen: list[Progress] = []
    sweep(ring, GRID, draws=40, seed=1, player=toy(), progress=seen.append, block=10)
    assert seen[-1].done == seen[-1].draws == 240
    assert [at.done for at in seen] == sorted(at.done for at in seen)


def test_a_damaged_manifest_is_told(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    sweep(ring, GRID, draws=3, seed=1, out=tmp_path, player=toy())
    path = tmp_path / "sweep.json"
    text = path.read_text()
    path.write_text(text.replace('"seed": 1', '"seed": 2'))
    with pytest.raises(StoreError, match="digest differs"):
        open_sweep(tmp_path)
    path.write_text(text[: len(text) // 2])
    with pytest.raises(StoreError, match="not valid JSON"):
        open_sweep(tmp_path)
    path.unlink()
    with pytest.raises(StoreError, match="no sweep found"):
        open_sweep(tmp_path)


def test_a_manifest_cannot_point_elsewhere(ring: Any, tmp_path: Path, toy: Callable[..., Any]) -> None:
    from sim.experiments.sweep_folder import write_sweep

    sweep(ring, GRID, draws=3, seed=1, out=tmp_path, player=toy())
    said = json.loads((tmp_path / "sweep.json").read_text())
    said.pop("manifest_sha256")
    said["rows"][0]["folder"] = "../elsewhere"
    write_sweep(tmp_path, said)
    with pytest.raises(StoreError, match="names a folder outside its own"):
        open_sweep(tmp_path)


def test_a_card_escapes_markup(ring: Any, toy: Callable[..., Any]) -> None:
    marked = ring.override({"title": "<script>x</script>"})
    card = sweep(marked, {"shocks.0.target": ["B01", "B02"]}, draws=2, player=toy())._repr_html_()
    assert "<script>" not in card
    assert "&lt;script&gt;" in card


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "sweeps.md"
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        fewer = block.replace("sobol:32", "sobol:4").replace("saltelli:8", "saltelli:2")  # that they run is tested
        exec(compile(fewer, page.name, "exec"), names)
    assert {"found", "problem", "result"} <= set(names)
    assert (tmp_path / "grid.html").is_file()


def test_nothing_can_be_changed(ring: Any, toy: Callable[..., Any]) -> None:
    found = sweep(ring, {"shocks.0.size": [0.1]}, draws=2, seed=1, player=toy())
    with pytest.raises(TypeError):
        found.facts["seed"] = 2  # type: ignore[index]
    assert repr(found) == "<Sweep ring_of_ten: 1 point (grid), 2 draws each, seed 1>"
    with pytest.raises(UnknownNameError, match="did you mean 'system_loss'"):
        found.summary("system_los")
    with pytest.raises(UnknownNameError, match="did you mean 'ES99'"):
        found.plot(statistic="ES9")
    with pytest.raises(UsageError, match="there is no run 1"):
        found.result(1)


@pytest.mark.parametrize(
    ("over", "sample", "panels"),
    [
        ({"shocks.0.size": SIZES}, "grid", 1),
        ({"shocks.0.target": ["B01", "B02"]}, "grid", 1),
        ({**GRID, "shocks.0.size": [0.1, 0.3]}, "grid", 2),
        ({**GRID, "shocks.0.size": [0.1], "shocks.0.target": ["B01", "B02"]}, "grid", 3),
        ({"shocks.0.size": {"uniform": {"low": 0, "high": 1}}}, "lhs:6", 1),
    ],
)
def test_figures(ring: Any, toy: Callable[..., Any], over: Any, sample: str, panels: int) -> None:
    drawn: dict[str, dict[str, Any]] = {"as it is": {}, "one draw for all": {"shocks.0.common": True}}
    found = sweep(ring, over, sample=sample, draws=400, seed=1, policies=drawn, player=toy())
    for statistic in ("mean", "VaR99", "p05"):
        figure = found.plot("defaults", statistic)
        assert len(figure.axes) == panels
    assert "2 policies" in " ".join(text.get_text() for text in figure.texts)
