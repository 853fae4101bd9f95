"""Runs that end when a mean is known well enough: where they end, why they say so, and how often the interval holds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sim.analysis.compare import compare
from sim.errors import InputError, UsageError
from sim.experiments import until as module
from sim.experiments.monte_carlo import resume, run
from sim.experiments.opening import open_result
from sim.experiments.part import Part
from sim.experiments.progress import Progress
from sim.experiments.provenance import read_manifest
from sim.experiments.repro import verify
from sim.experiments.streaming import Shape, Tree, cut
from sim.experiments.sweep import sweep
from sim.experiments.sweep_reopen import resume_sweep
from sim.experiments.until import Watch, enough, half_width, told
from sim.scenario.load import load
from sim.scenario.monte_carlo import Until

METRIC = {"metric": "system_loss", "ci": 0.05}
"""The toy's losses are lognormal with sigma 1: about 2,600 draws give their mean to 5 %."""


@pytest.fixture(scope="module")
def asked(scenario: Any) -> Any:
    return scenario.override({"monte_carlo.until": METRIC, "monte_carlo.draws": 6000})


@pytest.fixture(scope="module")
def expected(toy: Any, asked: Any) -> Any:
    return run(asked, player=toy(), workers=1, block=128)


# -- how often the interval holds --------------------------------------------------------------------------------------


def normal(rng: Any, samples: int) -> Any:
    return 1.0 + rng.standard_normal((samples, 1000))


def lognormal(sigma: float) -> Any:
    # mean one
    return lambda rng, samples: np.exp(sigma * rng.standard_normal((samples, 1000)) - sigma * sigma / 2.0)


def rare(sigma: float, share: float = 0.01) -> Any:
    """One draw in a hundred, or so, loses something."""

    def draws(rng: Any, samples: int) -> Any:
        hits, made = rng.random((samples, 1000)) < share, np.zeros((samples, 1000))
        made[hits] = np.exp(sigma * rng.standard_normal(int(hits.sum())) - sigma * sigma / 2.0) / share
        return made

    return draws


def coverage(draws: Any, asked: Until, samples: int, most: int) -> tuple[float, float, float]:
    """How often the interval holds a mean of one, how often the run ended itself, and its mean number of draws."""
    rng = np.random.default_rng(17)
    powers = np.zeros((3, samples))
    ended, held, taken = np.zeros(samples, bool), np.zeros(samples, bool), np.full(samples, 1000.0 * most)
    for part in range(1, most + 1):
        left = np.flatnonzero(~ended)
        values = draws(rng, left.size)
        powers[:, left] += [np.sum(values**k, axis=1) for k in (1, 2, 3)]
        n = 1000.0 * part
        mean, square, cube = powers[:, left] / n
        variance = square - mean**2
        spread = np.where(variance > 1e-12, variance, 0.0)
        std = np.sqrt(spread * n / (n - 1.0))
        with np.errstate(invalid="ignore", divide="ignore"):
            skewness = (cube - 3.0 * mean * spread - mean**3) / spread**1.5
        good = enough(n, mean, std, skewness, asked)
        here = left[good]
        held[here] = (np.abs(mean - 1.0) <= half_width(n, std, asked.level))[good]
        ended[here], taken[here] = True, n
        if ended.all():
            break
    return float(held[ended].mean()), float(ended.mean()), float(taken.mean())


COVERED = [
    # draws, ci, scale, lowest and highest share that may hold the mean: 0.95 +- 0.02, or as poor as measured
    ("normal", normal, 0.025, "relative", (0.93, 0.97)),
    ("normal, first look", normal, 0.05, "relative", (0.93, 0.97)),
    ("lognormal 1", lognormal(1.0), 0.035, "relative", (0.93, 0.97)),
    ("rare, equal", rare(0.0), 0.30, "relative", (0.93, 0.97)),
    ("rare, equal, absolute", rare(0.0), 0.40, "absolute", (0.93, 0.97)),
    ("rare, lognormal 1", rare(1.0), 0.30, "relative", (0.90, 0.95)),
    ("rare, lognormal 1, absolute", rare(1.0), 0.30, "absolute", (0.89, 0.95)),
]


@pytest.mark.parametrize(("draws", "ci", "scale", "allowed"), [row[1:] for row in COVERED], ids=[r[0] for r in COVERED])
def test_the_interval_holds_the_mean_as_often_as_it_says(
    draws: Any, ci: float, scale: Any, allowed: tuple[float, float]
) -> None:
    held, ended, _ = coverage(draws, Until(metric="m", ci=ci, scale=scale), samples=1000, most=40)
    assert ended > 0.8
    assert allowed[0] <= held <= allowed[1]


def test_few_losses_do_not_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    # with an absolute width a run ends early just when it has seen few of the rare losses, and then holds too little
    asked = Until(metric="m", ci=0.5, scale="absolute")
    monkeypatch.setattr(module, "SKEWED", 0.0)
    assert coverage(rare(0.0, 0.001), asked, samples=500, most=60)[0] < 0.87
    monkeypatch.setattr(module, "SKEWED", 25.0)
    assert coverage(rare(0.0, 0.001), asked, samples=500, most=60)[0] > 0.93


def test_where_it_is_poor() -> None:
    # a tail that no sample of this size has seen: docs/how_to/enough_draws.md says so
    held, _, _ = coverage(lognormal(2.0), Until(metric="m", ci=0.15), samples=500, most=30)
    assert 0.75 < held < 0.92


def test_a_sample_without_spread_is_never_enough() -> None:
    assert not enough(1e9, 1.0, 0.0, math.nan, Until(metric="m", ci=0.5))
    # 24 equal losses among zeros are too few, 25 are enough, whatever the number of zeros
    for hits, n in ((24, 10_000), (25, 10_000), (24, 10**6), (25, 10**6)):
        values = np.r_[np.ones(hits), np.zeros(n - hits)]
        good = enough(n, values.mean(), values.std(ddof=1), stats.skew(values), Until(metric="m", ci=0.9))
        assert bool(good) is (hits == 25)


# -- the moments behind it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.0, 1e-150, 1e150])
def test_shapes_merge_to_that_of_the_whole(factor: float) -> None:
    values = np.random.default_rng(3).lognormal(1.0, 1.0, 4321)
    tree: Tree[Shape] = Tree(Shape.merged)
    for part in cut(values * factor):
        tree.add(Shape.of(part))
    found = tree.total(Shape())
    assert found.skewness == pytest.approx(stats.skew(values), rel=1e-12)
    assert found.moments.mean == pytest.approx(values.mean() * factor, rel=1e-13)
    assert Shape().merged(found) is found
    assert found.merged(Shape()) is found


# -- where a run ends --------------------------------------------------------------------------------------------------


def test_it_ends_at_the_first_part_that_is_enough(toy: Any, scenario: Any, expected: Any) -> None:
    assert 1000 < expected.draws < 6000
    whole = run(scenario, draws=6000, player=toy())
    values = whole.metrics["system_loss"][:, -1]
    wanted = Until(**METRIC)
    for n in range(1000, 6001, 1000):
        part = values[:n]
        if enough(n, part.mean(), part.std(ddof=1), stats.skew(part), wanted):
            break
    assert n == expected.draws
    # it is the run of so many draws, to the last bit
    assert run(scenario, draws=n, player=toy()).answer_sha256 == expected.answer_sha256
    facts, row = expected.manifest["until"], expected.summary().loc["system_loss"]
    assert facts["mean"] == row["mean"]
    assert facts["half_width"] == pytest.approx(stats.norm.ppf(0.975) * row["se"], rel=1e-14)
    assert facts["half_width"] <= 0.05 * facts["mean"]


@pytest.mark.parametrize(("workers", "block"), [(1, 2), (2, 8), (3, 64), (2, 128)])
def test_workers_and_blocks_do_not_move_the_end(
    tmp_path: Path, toy: Any, asked: Any, expected: Any, workers: int, block: int
) -> None:
    for place in (None, tmp_path):
        found = run(asked, player=toy(), workers=workers, block=block, out=place)
        assert (found.draws, found.answer_sha256) == (expected.draws, expected.answer_sha256)
        assert found.manifest["until"] == expected.manifest["until"]
    assert verify(tmp_path).manifest["draws"] == expected.draws
    assert open_result(tmp_path).summary().equals(expected.summary())


def test_an_interruption_does_not_either(tmp_path: Path, toy: Any, asked: Any, expected: Any) -> None:
    def stop(at: Progress) -> None:
        if at.done >= 1500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, player=toy(), out=tmp_path, progress=stop, block=50)
    assert read_manifest(tmp_path)["until"]["most"] == 6000
    seen: list[Progress] = []
    found = resume(tmp_path, player=toy(), progress=seen.append)
    assert seen[0].cached >= 1500
    assert (found.draws, found.answer_sha256) == (expected.draws, expected.answer_sha256)
    idle = toy()  # complete: nothing is played again, and the end stays where it is
    assert resume(tmp_path, player=idle).draws == expected.draws
    assert not idle.played


def test_parts_that_come_late_are_waited_for(asked: Any, toy: Any, expected: Any) -> None:
    until = asked.monte_carlo.until
    player = toy()

    def part(first: int) -> Part:
        block = player(asked, None, np.arange(first, first + 1000), 7)
        metrics = {name: np.ascontiguousarray(values.T) for name, values in block.metrics.items()}
        return Part(first, metrics, ("ok",) * 1000, ("",) * 1000)

    watch = Watch(until, 6000, pairs=False)
    for first in (5000, 2000, 4000, 1000, 3000):
        watch.take(part(first))
        assert watch.stop is None
    watch.take(part(0))
    assert watch.stop == expected.draws
    assert watch.facts() == expected.manifest["until"]


def test_what_is_there_is_looked_at_first(tmp_path: Path, toy: Any, scenario: Any, asked: Any, expected: Any) -> None:
    fixed = run(scenario, draws=6000, player=toy(), out=tmp_path)
    assert fixed.ended == ""
    idle = toy()
    found = run(asked, player=idle, out=tmp_path)  # the same run: only where it ends was asked differently
    assert not idle.played
    assert (found.draws, found.answer_sha256) == (expected.draws, expected.answer_sha256)
    closer = run(asked.override({"monte_carlo.until.ci": 0.03}), player=idle, out=tmp_path)
    assert closer.draws > found.draws
    assert not idle.played
    again = run(scenario, draws=6000, player=idle, out=tmp_path)
    assert again.answer_sha256 == fixed.answer_sha256
    assert "until" not in again.manifest


def test_how_a_run_ends_is_no_part_of_what_it_is(scenario: Any, asked: Any) -> None:
    assert asked.digest == scenario.digest
    assert "until" in asked.canonical()


def test_failed_draws_are_left_out(toy: Any, asked: Any) -> None:
    def fails() -> None:
        raise ValueError("bad luck")

    found = run(asked, player=toy(breaks=dict.fromkeys((5, 700, 5999), fails)), block=100)
    assert found.manifest["failed"] == 2  # draw 5999 lies beyond the end
    row = found.summary().loc["system_loss"]
    assert found.manifest["until"]["mean"] == row["mean"]
    assert row["draws"] == found.draws - 2


def test_mirrored_pairs_count_as_one(toy: Any, asked: Any) -> None:
    found = run(asked.override({"monte_carlo.sampler": "antithetic"}), player=toy())
    error = found.summary().loc["system_loss", "se"]
    assert found.manifest["until"]["half_width"] == pytest.approx(stats.norm.ppf(0.975) * error, rel=1e-12)
    part = Part(2, {"m": np.array([[1.0], [3.0], [np.nan], [8.0]])}, ("ok", "ok", "failed", "ok"), ("",) * 4)
    assert module.independent(part, "m", pairs=True).tolist() == [2.0, 8.0]
    assert module.independent(part, "m", pairs=False).tolist() == [1.0, 3.0, 8.0]


# -- what it says ------------------------------------------------------------------------------------------------------


def test_it_says_why_it_ended(expected: Any) -> None:
    width = 100 * expected.manifest["until"]["half_width"] / expected.manifest["until"]["mean"]
    said = (
        f"stopped at {expected.draws:,} of at most 6,000 draws: the 95 % interval of the mean system_loss is "
        f"+-{width:.3g} % (+-5 % asked)"
    )
    assert expected.ended == said
    assert expected.summary().attrs["notes"][0] == said
    assert expected.provenance["until"]["reached"] is True
    assert not expected.warnings


@pytest.mark.parametrize(
    ("changes", "replaced", "said"),
    [
        ({"ci": 0.01}, {}, r"not stopped before the most draws \(2,000\): the 95 % interval .* still \+-\d.* %"),
        ({"ci": 1e-9, "scale": "absolute"}, {}, r"is still \+-0\.\d+ .*\(\+-1e-09 .*asked\)"),
        ({}, dict.fromkeys(range(2000), 3.0), "system_loss is the same in all of them"),
        ({}, dict.fromkeys(range(2000), 0.0), "system_loss is the same in all of them"),
        ({"ci": 0.9}, dict.fromkeys(range(20, 2000), 0.0), "too few of them carry the mean system_loss"),
    ],
)
def test_an_end_that_was_not_reached_is_a_warning(
    tmp_path: Path, toy: Any, scenario: Any, changes: dict[str, Any], replaced: dict[int, float], said: str
) -> None:
    chosen = scenario.override({"monte_carlo.until": METRIC | changes})
    found = run(chosen, draws=2000, player=toy(replaced=replaced), out=tmp_path)
    assert found.draws == 2000
    assert found.manifest["until"]["reached"] is False
    (warning,) = open_result(tmp_path).warnings
    assert warning.key == "monte_carlo.until"
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(warning.message)


def test_a_mean_of_zero_has_no_relative_width() -> None:
    facts = {**METRIC, "scale": "relative", "level": 0.95, "most": 10, "reached": False, "skewness": 1.0}
    assert "no width to compare with +-5 %" in told(facts | {"mean": 0.0, "half_width": 2.0}, 10)
    assert "no width" in told(facts | {"mean": None, "half_width": None}, 10)


def test_progress_tells_the_width(toy: Any, asked: Any, expected: Any) -> None:
    seen: list[Progress] = []
    run(asked, player=toy(), progress=seen.append, workers=1, block=100)
    assert math.isnan(seen[0].width)
    assert {each.wanted for each in seen} == {0.05}
    widths = [each.width for each in seen if not math.isnan(each.width)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] <= 0.05 < widths[0]
    assert (seen[-1].done, seen[-1].draws, seen[-1].eta) == (expected.draws, expected.draws, 0.0)
    # the time left is that to the draw at which the width is expected to be reached, not to the most draws
    middle = next(each for each in seen if each.done == 2000)
    assert middle.eta < 3000 / middle.rate


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (
            {"metric": "system_los", "ci": 0.1},
            "monte_carlo.until.metric: unknown metric .system_los.; did you mean .system_loss.",
        ),
        ({"metric": "sold", "ci": 0.1}, "monte_carlo.until.metric: unknown metric .sold."),
        ({"metric": "system_loss"}, 'missing "monte_carlo.until.ci"'),
        ({"metric": "system_loss", "ci": 0}, "monte_carlo.until.ci = 0 must be above 0"),
        ({"metric": "system_loss", "ci": 5}, r"is it a percentage \(0.05\)"),
        ({"metric": "system_loss", "ci": 0.1, "level": 95}, "monte_carlo.until.level = 95"),
        ({"metric": "system_loss", "ci": 0.1, "scale": "rel"}, "not one of relative, absolute"),
    ],
)
def test_what_cannot_be_asked(scenario: Any, until: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        scenario.override({"monte_carlo.until": until})


def test_sobol_draws_do_not_tell_their_error(asked: Any) -> None:
    with pytest.raises(InputError, match=r"until needs the error of a mean.*sobol"):
        asked.override({"monte_carlo.sampler": "sobol"})


def test_draws_on_few_networks_are_not_independent(asked: Any) -> None:
    with pytest.raises(InputError, match=r"until needs draws that are independent"):
        asked.override({"monte_carlo.networks": 2})


def test_a_comparison_takes_the_same_draws_of_all(asked: Any, scenario: Any) -> None:
    with pytest.raises(UsageError, match=r"run 'b': monte_carlo.until ends each run on its own"):
        compare({"a": scenario, "b": asked}, draws=10)
    assert asked.override({"monte_carlo.until": None}).monte_carlo.until is None


def test_another_end_in_the_folder_is_seen(tmp_path: Path, toy: Any, asked: Any) -> None:
    run(asked, player=toy(), out=tmp_path)
    path = tmp_path / "scenario.yaml"
    path.write_text(path.read_text("utf-8").replace("ci: 0.05", "ci: 0.04"), "utf-8")
    with pytest.raises(Exception, match=r"scenario\.yaml is not that of the run"):
        resume(tmp_path, player=toy())


# -- in sweeps and on the command line ---------------------------------------------------------------------------------


def test_each_run_of_a_sweep_ends_on_its_own(tmp_path: Path, toy: Any, asked: Any) -> None:
    seen: list[Progress] = []
    over = {"shocks.0.size": [0.1, 0.2]}

    def scaled(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
        block = toy()(scenario, system, draws, seed)
        factor = 1.0 if scenario.shocks[0].size.fixed == 0.1 else 0.0
        return replace(block, metrics={name: values + factor for name, values in block.metrics.items()})

    found = sweep(asked, over, out=tmp_path, player=scaled, progress=seen.append)
    draws = found.points["draws"].tolist()
    assert draws[0] < draws[1] < 6000
    assert [found.result(k).draws for k in (0, 1)] == draws
    assert (seen[-1].done, seen[-1].draws) == (sum(draws), draws[0] + draws[1])

    def never(*_: Any) -> Any:
        raise AssertionError("played again")

    again = resume_sweep(tmp_path, player=never)
    assert again.answer_sha256 == found.answer_sha256
    with pytest.raises(UsageError, match=r"monte_carlo.until.ci: says when a run ends"):
        sweep(asked, {"monte_carlo.until.ci": [0.1, 0.2]})
    with pytest.raises(UsageError, match=r"monte_carlo.until: says when a run ends"):
        sweep(asked, over, policies={"a": {"monte_carlo.until": None}})


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    from sim.cli.app import main

    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_command_line(command: Call) -> None:
    wanted = "monte_carlo.until={metric: system_loss, ci: 0.1}"
    asked = ["run", "ring_of_ten", "--seed", "1", "--set", "shocks.0.size={uniform: {low: 0.0, high: 0.6}}"]
    code, out, err = command(*asked, "--draws", "5000", "--set", wanted, "--out", "r", "--json", "--progress", "json")
    assert code == 0
    assert json.loads(out)["until"]["reached"] is True
    assert "at most 5,000 draws" in err
    assert "stopped at 1,000 of at most 5,000 draws" in err
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert lines[-1]["wanted"] == 0.1
    assert lines[-1]["width"] < 0.1
    code, out, err = command("show", "r")
    assert "stopped at 1,000" in err
    code, out, err = command(*asked, "--draws", "40", "--set", wanted, "--out", "s")
    assert code == 0
    assert "warning: " in err
    assert "not stopped before the most draws (40)" in err


@pytest.mark.slow
def test_a_cluster_ends_at_the_same_draw(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    changes = {"shocks.0.size": {"uniform": {"low": 0.0, "high": 0.6}}, "monte_carlo.draws": 9000}
    chosen = load("ring_of_ten").override(changes | {"monte_carlo.until": {"metric": "system_loss", "ci": 0.025}})
    here = run(chosen, seed=3)
    assert 1000 < here.draws < 9000
    there = run(chosen, seed=3, cluster="local:2", out=tmp_path)
    assert (there.draws, there.answer_sha256) == (here.draws, here.answer_sha256)
    assert there.manifest["until"] == here.manifest["until"]
    assert verify(tmp_path).manifest["answer_sha256"] == here.answer_sha256
