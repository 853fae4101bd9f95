"""Comparisons: paired by luck, with intervals that hold what they promise."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats

import sim
from sim.analysis.compare import Comparison, compare
from sim.analysis.paired import difference, tail_difference
from sim.analysis.parts import pairing
from sim.errors import ConvergenceError, InputError, StoreError, UnknownNameError, UsageError
from sim.experiments.monte_carlo import run
from sim.scenario.load import load
from tests.systems import mixed_system


@pytest.fixture(scope="module")
def ring() -> Any:
    """Ten banks of which one draws its loss."""
    return load("ring_of_ten").override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.6}}, "record": "metrics"})


@pytest.fixture(scope="module")
def found(ring: Any) -> Comparison:
    milder = ring.override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.55}}})
    return compare({"base": ring, "milder": milder, "furfine": ring.override({"channels.credit.valuation": "furfine"})},
                   draws=500, seed=3)  # fmt: skip


def test_by_hand() -> None:
    # differences 1, 2, 3, 6: mean 3, variance 14 / 3, error sqrt(14 / 12), t(3) at 97.5 % 3.1824
    a = np.array([10.0, 20.0, 30.0, 40.0])
    made = difference(a, a + np.array([1.0, 2.0, 3.0, 6.0]), paired=True)
    assert (made.base, made.value, made.difference, made.draws) == (25.0, 28.0, 3.0, 4)
    assert made.se == pytest.approx(math.sqrt(14 / 12), rel=1e-14)
    assert made.high - made.difference == pytest.approx(3.182446305284263 * math.sqrt(14 / 12), rel=1e-12)
    assert made.low == pytest.approx(6.0 - made.high, rel=1e-12)


def test_unpaired_is_welch() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 30), rng.normal(1, 5, 80)
    made = difference(a, b, paired=False)
    expected = stats.ttest_ind(b, a, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert made.difference / made.se == pytest.approx(expected.statistic, rel=1e-12)
    assert (made.low, made.high) == pytest.approx((low, high), rel=1e-9)


def test_losses_are_paired(found: Comparison) -> None:
    table = found.summary().set_index(["run", "metric"])
    row = table.loc[("milder", "system_loss")]
    # losses are 24 u and 22 u: the error of the difference is that of 2 u
    u = found.results["base"].metrics["system_loss"][:, -1] / 24.0
    assert row["difference"] == pytest.approx(-2.0 * u.mean(), rel=1e-6)
    assert row["se"] == pytest.approx(2.0 * u.std(ddof=1) / math.sqrt(500), rel=1e-6)
    assert row["se"] < 0.07 * math.hypot(24.0, 22.0) * u.std(ddof=1) / math.sqrt(500)
    assert table.loc[("furfine", "first_round_loss"), ["difference", "se", "low", "high"]].tolist() == [0.0] * 4
    assert found.paired == {"milder": True, "furfine": True}
    assert found.base == "base"


def test_all_statistics(found: Comparison) -> None:
    table = found.summary(None)
    assert set(table["statistic"]) == {"mean", "p50", "p95", "VaR99", "ES99"}
    for name in ("base", "milder"):
        summary = found.results[name].summary().loc["system_loss"]
        rows = table[(table["metric"] == "system_loss") & (table["run"] == "milder")].set_index("statistic")
        column = "base" if name == "base" else "value"
        for statistic in ("mean", "p50", "p95", "VaR99", "ES99"):
            assert rows.loc[statistic, column] == pytest.approx(summary[statistic], rel=1e-13)
    rows = table[(table["metric"] == "system_loss") & (table["run"] == "milder")]
    assert (rows["low"] <= rows["difference"]).all()
    assert (rows["difference"] <= rows["high"]).all()
    assert (rows["high"] < 0.0).all()


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("which", ["mean", "p50", "p95", "ES99"])
def test_intervals_cover(which: str, paired: bool) -> None:
    first, second = stats.lognorm(0.6), stats.lognorm(0.75)
    z = stats.norm.ppf(0.99)

    def truth(law: Any, sigma: float) -> float:
        if which == "mean":
            return float(law.mean())
        if which == "ES99":
            return float(math.exp(sigma**2 / 2) * stats.norm.cdf(sigma - z) / 0.01)
        return float(law.ppf({"p50": 0.5, "p95": 0.95}[which]))

    right = truth(second, 0.75) - truth(first, 0.6)
    held, errors, points = 0, [], []
    for seed in range(200):
        rng = np.random.default_rng([seed, 7])
        x = rng.normal(size=3000)
        y = 0.98 * x + math.sqrt(1 - 0.98**2) * rng.normal(size=3000) if paired else rng.normal(size=2500)
        a, b = np.exp(0.6 * x), np.exp(0.75 * y)
        made = difference(a, b, paired=paired) if which == "mean" else tail_difference(a, b, which, paired=paired)
        held += made.low <= right <= made.high
        errors.append(made.se)
        points.append(made.difference)
    assert 0.90 * 200 <= held <= 0.995 * 200
    # the error that is told is the one that is made
    assert np.mean(errors) == pytest.approx(np.std(points), rel=0.25)


def test_too_few_draws_for_a_tail() -> None:
    made = tail_difference(np.arange(50.0), np.arange(50.0) + 1.0, "VaR99", paired=True)
    assert made.difference == 1.0
    assert math.isnan(made.se)
    assert math.isnan(made.low)
    one = difference(np.array([1.0]), np.array([3.0]), paired=True)
    assert one.difference == 2.0
    assert math.isnan(one.high)


def test_equal_samples_do_not_differ() -> None:
    a = np.random.default_rng(1).lognormal(size=1000)
    for which in ("p50", "p95", "VaR99", "ES99"):
        assert tail_difference(a, a.copy(), which, paired=True)[2:6] == (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(UnknownNameError, match="did you mean 'ES99'"):
        tail_difference(a, a, "ES9", paired=True)


def test_mirrored_draws_are_compared_by_pairs(ring: Any) -> None:
    mirrored = ring.override({"monte_carlo.sampler": "antithetic"})
    made = compare(
        {"a": mirrored, "b": mirrored.override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.3}}})},
        draws=400,
        seed=1,
    )
    row = made.summary().set_index("metric").loc["system_loss"]
    # both losses are linear in u and so is their difference: mirrored pairs have no error at all
    assert row["difference"] == pytest.approx(-6.0, abs=1e-6)
    assert abs(row["se"]) < 1e-6


def test_draws_that_failed_in_one_run_are_left_out_of_both(scenario: Any, toy: Callable[..., Any]) -> None:
    def fails() -> None:
        raise ValueError("no")

    a, b = (
        run(scenario, draws=60, player=toy(breaks={3: fails})),
        run(scenario, draws=50, player=toy(breaks={7: fails})),
    )
    made = compare({"a": a, "b": b})
    assert set(made.summary()["draws"]) == {48}
    assert (made.summary()["difference"] == 0.0).all()
    assert made.notes == ("b: the first 50 draws are compared", "b: draws that failed in either run are left out")


def test_other_luck_is_told(ring: Any) -> None:
    made = compare({"a": run(ring, draws=400, seed=1), "b": run(ring, draws=400, seed=2)})
    assert made.paired == {"b": False}
    assert "draws are not paired" in made.notes[0]
    assert "different luck" in repr(made)
    row = made.summary().set_index("metric").loc["system_loss"]
    assert row["low"] < 0.0 < row["high"]
    assert made.to_pandas().empty


def test_finished_runs_lend_their_seed_and_draws(ring: Any, tmp_path: Path) -> None:
    run(ring, draws=30, seed=11, out=tmp_path / "r")
    made = compare({"done": tmp_path / "r", "new": ring.override({"channels.credit.valuation": "furfine"})})
    assert made.paired == {"new": True}
    assert made.results["new"].draws == 30
    assert made.results["new"].seed == 11


def test_runs_may_be_kept(ring: Any, tmp_path: Path) -> None:
    made = compare({"a": ring, "b": "ring_of_ten"}, draws=5, seed=1, out=tmp_path)
    again = compare({"a": tmp_path / "a", "b": str(tmp_path / "b")})
    assert again.summary(None).equals(made.summary(None))
    with pytest.raises(UsageError, match="names become folders"):
        compare({"a": ring, "../b": ring}, draws=5, seed=1, out=tmp_path)


def test_metrics_of_another_unit_are_left_out(ring: Any) -> None:
    made = compare({"a": ring, "b": ring.override({"system.currency": "EUR"})}, draws=5, seed=1)
    assert made.metrics == ("defaults",)
    assert "in another unit: system_loss" in made.notes[0]


def test_by_channel(ring: Any) -> None:
    named = ring.override({"metrics": ["system_loss", "contagion_loss", "credit_loss", "market_loss"]})
    made = compare({"a": named, "b": named.override({"channels.credit.valuation": "furfine"})}, draws=20, seed=1)
    table = made.by_channel()
    assert table["metric"].tolist() == ["contagion_loss", "credit_loss", "market_loss"]
    assert table["share"][0] == 1.0
    assert table["difference"][2] == 0.0
    with pytest.raises(UnknownNameError, match="unknown metric 'contagion_los'; did you mean 'contagion_loss'"):
        made.by_channel("contagion_los")


def test_draw_by_draw(found: Comparison) -> None:
    table = found.to_pandas()
    assert table.columns.tolist() == ["run", "draw", *found.metrics]
    assert len(table) == 1000
    first, second = (found.results[name].metrics["defaults"][17, -1] for name in ("base", "furfine"))
    assert table[(table["run"] == "furfine") & (table["draw"] == 17)]["defaults"].item() == second - first


def test_figure_and_card(found: Comparison) -> None:
    assert isinstance(found.plot(), Figure)
    assert isinstance(found.plot("ES99"), Figure)
    renamed = compare({"<i>a</i>": found.results["base"], "b": found.results["milder"]})
    assert "<i>" not in renamed._repr_html_()
    with pytest.raises(UnknownNameError, match="did you mean 'p95'"):
        found.summary("p96")


@pytest.mark.parametrize(
    ("runs", "options", "error", "message"),
    [
        ({"a": "ring_of_ten"}, {}, UsageError, "compare needs at least two named runs"),
        (["ring_of_ten", "ring_of_ten"], {}, UsageError, "compare needs at least two named runs"),
        ({"a": "ring_of_ten", "b": "ring_of_tin"}, {}, InputError, "did you mean 'ring_of_ten'"),
        ({"a": "ring_of_ten", "b": "ring_of_ten"}, {"confidence": 1.0}, UsageError, "confidence must be"),
        ({"a": "ring_of_ten", "b": "ring_of_ten"}, {"draws": 0}, UsageError, "draws must be from 1"),
    ],
)
def test_wrong_calls(runs: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compare(runs, **options)


def test_an_error_names_its_run(scenario: Any, toy: Callable[..., Any]) -> None:
    with pytest.raises(ConvergenceError) as caught:
        compare({"a": scenario, "b": scenario}, draws=5, player=toy(uncertified=frozenset({2})))
    assert caught.value.__notes__ == ["in run 'a'"]


def test_a_damaged_folder(tmp_path: Path, ring: Any) -> None:
    run(ring, draws=3, seed=1, out=tmp_path / "r")
    (tmp_path / "r" / "manifest.json").write_text("{")
    with pytest.raises(StoreError):
        compare({"a": tmp_path / "r", "b": ring})


def test_it_is_public() -> None:
    assert sim.compare is compare


def test_who_bears_a_difference() -> None:
    metrics = ["financial_loss", "public_loss", "real_loss", "outside_loss", "deadweight_loss", "provisions"]
    base = sim.Scenario(
        system=mixed_system(),
        name="mixed",
        metrics=[*metrics, "unrealised_loss"],
        horizon={"steps": 2},
        shocks=[{"kind": "asset_loss", "target": "B1", "size": {"uniform": {"low": 0.1, "high": 0.2}}}],
        channels={"credit": {"valuation": "rogers-veraart", "alpha": 0.8}},
    )
    milder = base.override({"channels.credit.alpha": 1.0})
    found = compare({"base": base, "milder": milder}, draws=8, seed=2)
    table = found.by_bearer().set_index("metric")[["difference", "share"]]
    bearers = table.loc[["financial_loss", "public_loss", "real_loss", "outside_loss"]]
    # what bearers save is what is no longer destroyed, apart from what is only marked down
    saved = table.loc["deadweight_loss"] + table.loc["provisions"] - table.loc["unrealised_loss"]
    assert bearers["difference"].sum() == pytest.approx(saved["difference"], rel=1e-9)
    assert bearers["difference"].sum() < -1.0
    assert bearers["share"].sum() == pytest.approx(1.0, rel=1e-9)
    assert list(table.index) == [*metrics, "unrealised_loss"]


def test_bearers_must_be_reported(found: Comparison) -> None:
    with pytest.raises(UsageError, match="missing: financial_loss, public_loss, real_loss, outside_loss"):
        found.by_bearer()


def test_what_sharing_luck_is_worth(found: Comparison) -> None:
    table = found.pairing().set_index(["run", "metric"])
    row = table.loc[("milder", "system_loss")]
    # losses are 24 u and 22 u: the variance of 2 u over that of both, 4 / (576 + 484)
    assert row["variance_ratio"] == pytest.approx(4.0 / (24.0**2 + 22.0**2), rel=1e-6)
    assert row["draws_saved"] == pytest.approx(265.0, rel=1e-6)
    assert row["se"] == found.summary().set_index(["run", "metric"]).loc[("milder", "system_loss"), "se"]


def test_pairing_makes_a_comparison_many_times_sharper() -> None:
    base = load("eu48_sovereign")
    more = base.override({"channels.market.leverage_limit": 27.0})
    table = compare({"base": base, "more room": more}, draws=400, seed=7).pairing().set_index("metric")
    assert table.loc["system_loss", "variance_ratio"] < 0.06
    assert np.isnan(table.loc["first_round_loss", "draws_saved"])
    # first rounds are the same: nothing varies, and rounding is no variance
    assert table.loc["first_round_loss", "se"] == 0.0
    a = 1.0 + 1e-15 * np.arange(20.0)
    assert np.isnan(pairing({("x", "m"): (a, a[::-1])}).loc[0, "variance_ratio"])
