"""The frontier: who beats whom, by how much the draws leave it open, and where small stress begins to grow."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import sim
from sim.analysis.frontier import Frontier, frontier
from sim.analysis.pareto import efficient, hypervolume, least_risk, level_of, resampled, weighted
from sim.cli.app import main
from sim.errors import InputError, UsageError
from sim.scenario.load import load
from tests.systems import random_system

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9)
LEVELS = {"small": {"shocks.0.size.uniform.high": 0.3}, "as it is": {}, "large": {"shocks.0.size.uniform.high": 0.9}}


@pytest.fixture(scope="module")
def ring() -> sim.Scenario:
    return load("ring_of_ten").override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.6}}})


@pytest.fixture(scope="module")
def found(ring: sim.Scenario) -> Frontier:
    # what is wanted rises with the shock here, as what is feared does: every policy is on the frontier
    return frontier(
        ring, LEVELS, benefit="first_round_loss", statistic="ES90", draws=200, seed=5, samples=200, workers=1
    )


@given(POINTS)
def test_efficient_points_are_those_nobody_beats(points: list[tuple[int, int]]) -> None:
    benefit, risk = np.array(points, dtype=float).T
    expected = [not any((b2 >= b and r2 <= r) and (b2 > b or r2 < r) for b2, r2 in points) for b, r in points]
    assert efficient(benefit, risk).tolist() == expected
    # sets along further axes do not feel each other
    many = efficient(np.stack([benefit, -benefit], axis=1), np.stack([risk, risk], axis=1))
    assert many[:, 0].tolist() == expected


@given(POINTS, st.floats(-1, 7))
def test_least_risk_by_brute_force(points: list[tuple[int, int]], wanted: float) -> None:
    benefit, risk = np.array(points, dtype=float).T
    expected = min((r for b, r in points if b >= wanted), default=math.inf)
    assert least_risk(benefit, risk, np.array([wanted])).tolist() == [expected]


@given(POINTS)
def test_hypervolume_counts_cells(points: list[tuple[int, int]]) -> None:
    # points and reference are whole numbers: the area is that of the unit cells that some point covers
    benefit, risk = np.array(points, dtype=float).T
    cells = sum(any(b >= x + 1 and r <= y for b, r in points) for x in range(-1, 7) for y in range(8))
    assert hypervolume(benefit, risk, (-1.0, 8.0)) == cells


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60), st.sampled_from(["mean", "VaR90", "ES95", "ES99", "VaR50"]))
def test_statistics_of_counted_samples(seed: int, n: int, statistic: str) -> None:
    rng = np.random.default_rng(seed)
    values, counts = rng.normal(0, 3, n), rng.multinomial(n, np.full(n, 1 / n), 3).astype(float)
    for k, told in enumerate(weighted(values, counts, statistic)):
        spelled = np.repeat(values, counts[k].astype(int))
        assert told == pytest.approx(weighted(spelled, np.ones((1, n)), statistic)[0], rel=1e-9, abs=1e-12)
    assert weighted(values, counts, "mean")[0] == pytest.approx((values * counts[0]).sum() / n, rel=1e-9, abs=1e-12)


def test_statistics_are_those_of_a_summary(found: Frontier) -> None:
    for k, name in enumerate(found.policies):
        table = found.sweep.summary("system_loss").set_index("policy").loc[name]
        ones = np.ones((1, 200))
        assert weighted(found.losses[k], ones, "ES99")[0] == pytest.approx(table["ES99"], rel=1e-12)
        assert weighted(found.losses[k], ones, "VaR99")[0] == table["VaR99"]
        assert weighted(found.losses[k], ones, "mean")[0] == pytest.approx(table["mean"], rel=1e-12)


def test_samples_drawn_again() -> None:
    whole = np.concatenate(list(resampled(np.arange(50), 400, 3)))
    assert whole.shape == (400, 50)
    assert (whole.sum(axis=1) == 50).all()
    # each draw comes once on average, with the variance of a binomial
    assert whole.mean() == 1.0
    assert whole.var() == pytest.approx(49 / 50, rel=0.05)
    assert np.array_equal(whole, np.concatenate(list(resampled(np.arange(50), 400, 3))))
    pairs = np.concatenate(list(resampled(np.arange(50) // 2, 20, 3)))
    assert np.array_equal(pairs[:, ::2], pairs[:, 1::2])


def test_bands_are_those_of_theory() -> None:
    # the mean of 400 normal draws has a standard error of 0.05, and 90 % of it lie within 1.645 of these
    rng = np.random.default_rng(1)
    values = rng.normal(0.0, 1.0, 400)
    means = np.concatenate([weighted(values, counts, "mean") for counts in resampled(np.arange(400), 2000, 9)])
    assert means.std() == pytest.approx(values.std() / 20.0, rel=0.06)


def test_every_policy_is_played_on_the_same_luck(found: Frontier, ring: sim.Scenario) -> None:
    assert found.policies == ("small", "as it is", "large")
    run = sim.run(ring, draws=200, seed=5, workers=1)
    assert np.array_equal(found.losses[1], run.metrics["system_loss"][:, -1])
    assert np.array_equal(found.gains[1], run.metrics["first_round_loss"][:, -1])
    # a bank can lose no more than its equity, 5
    np.testing.assert_allclose(found.gains[2], np.minimum(5.0, 3.0 * found.gains[0]), rtol=1e-9)


def test_the_table(found: Frontier) -> None:
    table = found.summary()
    assert table["efficient"].all()
    assert (table["efficient_share"] == 1.0).all()
    assert (table["benefit_low"] < table["benefit"]).all()
    assert (table["benefit"] < table["benefit_high"]).all()
    assert (table["risk_low"] <= table["risk"]).all()
    assert (table["risk"] <= table["risk_high"]).all()
    assert np.diff(table["risk"]).min() > 0.0
    worse = frontier(load("ring_of_ten"), {"a": {}, "b": {"shocks.0.size": 0.1}}, benefit="defaults", draws=2, seed=1,
                     lower_is_better=True)  # fmt: skip
    assert worse.summary()["efficient"].tolist() == [False, True]
    assert worse.summary()["benefit"].min() >= 0.0


def test_the_band_holds_the_line(found: Frontier) -> None:
    band = found.band(41)
    assert np.diff(band["risk"]).min() >= 0.0
    inner = np.isfinite(band["high"])
    assert (band["low"] <= band["risk"])[inner].all()
    assert (band["risk"] <= band["high"])[inner].all()
    points = found.summary().set_index("policy")
    assert band["risk"].iloc[0] == points.loc["small", "risk"]
    assert band["risk"].iloc[-1] == points.loc["large", "risk"]


def test_where_the_radius_crosses_one(found: Frontier) -> None:
    made = replace(found, radius=np.array([0.5, 0.8, 1.2]))
    row = made.crossings().iloc[0]
    middle, large = (found.summary()["benefit"].iloc[k] for k in (1, 2))
    assert (row["below"], row["above"]) == ("as it is", "large")
    assert row["benefit"] == pytest.approx(0.5 * (middle + large), rel=1e-12)
    assert replace(found, radius=np.array([0.5, 0.8, 0.9])).crossings().empty
    assert replace(found, radius=np.array([0.5, np.nan, 1.5])).crossings()["above"].tolist() == ["large"]


def test_the_radius_is_that_of_each_policy() -> None:
    scenario = sim.Scenario(
        system=random_system(4),
        name="lending",
        shocks=[{"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.05}}}],
        channels={"credit": {"valuation": "linear-debtrank"}},
    )
    rates = {f"{rate:g}": {"channels.credit.recovery_rate": rate} for rate in (0.0, 0.5, 0.9)}
    made = frontier(scenario, rates, benefit="defaults", lower_is_better=True, statistic="mean", draws=20, seed=1)
    one = sim.cross_contagion(scenario).radius
    assert made.radius == pytest.approx([one, 0.5 * one, 0.1 * one], rel=1e-10)
    assert one > 1.0
    assert len(made.crossings()) == 1
    assert made.summary()["stable"].tolist() == [False, 0.5 * one < 1.0, True]


def test_what_it_shows(found: Frontier) -> None:
    figure = replace(found, radius=np.array([0.5, 0.8, 1.2])).plot()
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "as it is" in texts
    assert "\u03c1 = 1" in texts
    assert "as it is" in found._repr_html_()
    assert "200 draws" in found.told
    assert found.hypervolume(0.0, 1000.0) > 0.0
    assert any("ES99 rests on 2 of 200 draws" in text for text in replace(found, statistic="ES99").notes)


def test_refusals(ring: sim.Scenario) -> None:
    with pytest.raises(UsageError, match="at least two named policies"):
        frontier(ring, {"a": {}}, benefit="defaults")
    with pytest.raises(UsageError, match="statistic: got 'ES999', allowed: mean, or VaR or ES with a level"):
        frontier(ring, LEVELS, benefit="defaults", statistic="ES999")
    with pytest.raises(UsageError, match="samples must be from 100"):
        frontier(ring, LEVELS, benefit="defaults", samples=3)
    with pytest.raises(InputError, match="did you mean 'defaults'"):
        frontier(ring, LEVELS, benefit="default")
    with pytest.raises(InputError, match="unknown key"):
        frontier(ring, {"a": {}, "b": {"shock.0.size": 1}}, benefit="defaults", draws=1)
    assert level_of("VaR97.5") == ("VaR", 0.975)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["frontier", "ring_of_ten", "--benefit", "first_round_loss", "--policy", "all:", "--policy",
           "less:shocks.0.size=0.2", "--draws", "3", "--seed", "1", "--workers", "1", "--quiet"]  # fmt: skip
    assert main([*ask, "--out", str(tmp_path / "f.svg")]) == 0
    out = capsys.readouterr().out
    assert "unbeaten" in out
    assert (tmp_path / "f.svg").is_file()
    assert main([*ask, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [row["policy"] for row in told["policies"]] == ["all", "less"]
    assert main([*ask, "--csv"]) == 0
    assert capsys.readouterr().out.startswith("policy,benefit,benefit_low")
    assert main(["frontier", "ring_of_ten"]) == 2
    assert "two policies" in capsys.readouterr().err
