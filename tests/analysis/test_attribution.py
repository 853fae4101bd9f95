"""Attribution to channels: coalitions are the runs they stand for, and the values are exact."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import sim
from sim.analysis.attribution import CHANNELS, Attribution, attribute
from sim.cli.app import main
from sim.errors import InputError, UsageError
from sim.scenario.load import load
from tests.systems import mixed_system

SIX = {
    "name": "six",
    "horizon": {"steps": 4},
    "shocks": [
        {"kind": "asset_loss", "target": "B1", "size": {"uniform": {"low": 0.02, "high": 0.12}}},
        {"kind": "outage", "target": "T0", "duration": {"fixed": 2.0}},
        {"kind": "price_fall", "falls": {"CORP": 0.1, "TECHEQ": 0.2}},
        {"kind": "penalty", "target": ["P0", "B2"], "fine": 0.8, "at": 2},
    ],
    "channels": {
        "credit": {"alpha": 0.9},
        "liquidity": {},
        "market": {"leverage_limit": 14.0, "leverage_target": 13.0},
        "operational": {},
        "compliance": {},
        "reputation": {},
    },
}


@pytest.fixture(scope="module")
def mixed() -> sim.Scenario:
    return sim.Scenario(system=mixed_system(), **SIX)


@pytest.fixture(scope="module")
def found(mixed: sim.Scenario) -> Attribution:
    return attribute(mixed, draws=5, seed=3, workers=1)


@pytest.fixture(scope="module")
def euro() -> Attribution:
    return attribute("eu48_sovereign", draws=60, seed=1, workers=1)


def test_all_six_channels_are_64_coalitions(found: Attribution) -> None:
    assert found.acting == CHANNELS
    assert found.coalitions.shape == (5, 64)
    assert "64 coalitions" in found.told
    # the test would say nothing if the channels did nothing
    assert (np.abs(found.by_draw).max(axis=1) > 0.0).sum() >= 4


def test_efficiency(found: Attribution, euro: Attribution) -> None:
    for each in (found, euro):
        added = each.coalitions[:, -1] - each.coalitions[:, 0]
        np.testing.assert_allclose(each.by_draw.sum(axis=0), added, rtol=1e-10)
        assert each.gap < 1e-10
        table = each.summary().set_index("channel")
        inner = table.loc[list(CHANNELS), "value"].sum()
        assert inner == pytest.approx(table.loc["total", "value"] - table.loc["events", "value"], rel=1e-10)
        assert table["share"].sum() == pytest.approx(1.0, rel=1e-10)


def test_the_coalition_of_all_is_the_run(mixed: sim.Scenario, found: Attribution) -> None:
    run = sim.run(mixed, draws=5, seed=3, workers=1)
    assert np.array_equal(found.coalitions[:, -1], run.metrics["system_loss"][:, -1])
    assert np.array_equal(found.result.metrics["system_loss"], run.metrics["system_loss"])


@pytest.mark.parametrize("coalition", [0, 1, 2])
def test_a_coalition_is_the_run_without_the_others(euro: Attribution, coalition: int) -> None:
    assert euro.acting == ("credit", "market")
    off = {f"channels.{name}.enabled": False for k, name in enumerate(euro.acting) if not coalition >> k & 1}
    run = sim.run(load("eu48_sovereign").override(off), draws=60, seed=1, workers=1)
    assert np.array_equal(euro.coalitions[:, coalition], run.metrics["system_loss"][:, -1])


def test_two_channels_by_their_four_runs(euro: Attribution) -> None:
    none, credit, market, both = euro.coalitions.T
    rows = euro.summary().set_index("channel")
    assert rows.loc["credit", "value"] == pytest.approx(0.5 * (credit - none + both - market).mean(), rel=1e-12)
    assert rows.loc["market", "value"] == pytest.approx(0.5 * (market - none + both - credit).mean(), rel=1e-12)
    assert rows.loc["credit", "alone"] == pytest.approx((credit - none).mean(), rel=1e-12)
    assert rows.loc["credit", "last"] == pytest.approx((both - market).mean(), rel=1e-12)
    pair = euro.interactions().iloc[0]
    each = both - credit - market + none
    assert (pair["a"], pair["b"]) == ("credit", "market")
    assert pair["value"] == pytest.approx(each.mean(), rel=1e-12)
    assert pair["se"] == pytest.approx(each.std(ddof=1) / math.sqrt(60), rel=1e-12)
    # t(59) at 97.5 %
    assert pair["high"] - pair["value"] == pytest.approx(2.0009953780882674 * pair["se"], rel=1e-9)
    # credit and fire sales amplify each other here
    assert pair["low"] > 0.0


def test_channels_that_are_absent_are_dummies(euro: Attribution) -> None:
    rows = euro.summary().set_index("channel")
    for name in ("liquidity", "operational", "compliance", "reputation"):
        assert rows.loc[name, ["value", "se", "low", "high", "alone", "last"]].tolist() == [0.0] * 6
    assert "liquidity, operational, compliance, reputation" in euro.notes[0]


def test_a_channel_without_effect_is_a_dummy(found: Attribution, mixed: sim.Scenario) -> None:
    # no impact on prices: the market channel sells, and nobody loses by it
    deep = load("eu48_sovereign").override({"channels.market.enabled": False})
    without = attribute(deep, draws=20, seed=1, workers=1)
    still = attribute(load("eu48_sovereign").override({"shocks": []}), draws=2, seed=1, workers=1)
    assert without.summary().set_index("channel").loc["market", "value"] == 0.0
    assert np.abs(still.by_draw).max() == 0.0
    assert still.summary()["share"].isna().all()


def test_workers_and_width_change_no_bit(mixed: sim.Scenario, found: Attribution) -> None:
    again = attribute(mixed, draws=3, seed=3, workers=2)
    assert np.array_equal(again.coalitions, found.coalitions[:3])


def test_errors_over_networks_and_metrics(euro: Attribution) -> None:
    other = attribute("eu48_sovereign", draws=4, seed=1, metric="defaults", workers=1)
    assert other.unit == "1"
    rows = other.summary().set_index("channel")["value"]
    run = sim.run("eu48_sovereign", draws=4, seed=1, workers=1)
    assert rows["total"] == run.metrics["defaults"][:, -1].mean()


def test_what_it_shows(euro: Attribution) -> None:
    assert isinstance(euro.plot(), Figure)
    told = euro._repr_html_()
    assert "credit" in told
    assert "60 draws of 4 coalitions" in told
    table = euro.to_pandas()
    assert list(table.columns) == ["none", "credit", "market", "credit+market"]
    assert len(table) == 60


def test_refusals() -> None:
    with pytest.raises(InputError, match="did you mean 'system_loss'"):
        attribute("ring_of_ten", metric="system_los")
    with pytest.raises(UsageError, match="attribute does not take out"):
        attribute("ring_of_ten", out="x")
    with pytest.raises(UsageError, match="confidence must be at least"):
        attribute("ring_of_ten", confidence=1.0)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], euro: Attribution) -> None:
    ask = ["attribute", "eu48_sovereign", "--draws", "60", "--seed", "1", "--workers", "1", "--quiet"]
    assert main([*ask, "--out", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr()
    assert "credit" in said.out
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert main([*ask, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    values = {row["channel"]: row["value"] for row in told["values"]}
    assert values["credit"] == float(euro.summary().set_index("channel").loc["credit", "value"])
    assert told["interactions"][0]["value"] == float(euro.interactions().loc[0, "value"])
    assert main([*ask, "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "channel,unit,value,se,low,high,share,alone,last"
    assert len(lines) == 9
    assert main(["attribute"]) == 2
    assert "attribute needs a scenario" in capsys.readouterr().err
    assert main([*ask, "--json", "--csv"]) == 2
