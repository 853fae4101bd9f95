"""Draws nested in networks: variances within and between, errors over networks, one answer however it is worked off."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import sim
from sim.analysis.paired import Alike, difference
from sim.cli.app import main
from sim.errors import InputError, UsageError
from sim.experiments import nested
from sim.experiments.blocks import How
from sim.experiments.cluster import _Desk, _Office, _Order
from sim.experiments.cuts import by_network, size_of, start_of, starts, unwoven, weave, within
from sim.experiments.ensemble import Ensemble, task_of
from sim.experiments.ensemble import warnings as ensemble_warnings
from sim.experiments.export import export
from sim.experiments.monte_carlo import resume, run
from sim.experiments.nested import error, ranks, split, summarise_nested
from sim.experiments.part import Part, columns, digest, from_columns
from sim.experiments.plan import plan
from sim.experiments.replayed import replay
from sim.experiments.repro import repro, verify
from sim.experiments.statistics import quantile_ranks, summarise_parts
from sim.experiments.streaming import Moments
from sim.experiments.summary import of_files, of_part
from sim.experiments.sweep import sweep
from sim.experiments.threads import named
from sim.experiments.unfinished import found
from sim.networks.generators import GENERATORS
from sim.scenario.load import load
from sim.simulation import play

TEXT = """version: 1
name: seven
system:
  agents: {banks: {file: banks.csv}}
  layers: {interbank: {generator: fitness, density: 0.4}}
mode: static
shocks:
  - {kind: asset_loss, target: banks, size: {beta: {a: 1, b: 4, scale: 0.3}}}
channels: {credit: {valuation: linear-debtrank, recovery_rate: 0.0}}
metrics: [system_loss, first_round_loss, defaults]
monte_carlo: {draws: 60, networks: 4, seed: 3}
"""
BANKS = "id,total_assets,equity,interbank_assets,interbank_liabilities\n" + "".join(
    f"B{k},{100 + 20 * k},{25 + 3 * k},{10 + 5 * k},{25 - (k - 3) * 2}\n" for k in range(7)
)


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    """Seven banks whose claims are drawn."""
    folder = tmp_path_factory.mktemp("seven")
    (folder / "banks.csv").write_text(BANKS)
    (folder / "seven.yaml").write_text(TEXT)
    return load(folder / "seven.yaml")


# -- the two variances -------------------------------------------------------------------------------------------------


def groups(*samples) -> list[Moments]:
    return [Moments.of(np.asarray(sample, float)) for sample in samples]


def test_variances_by_hand():
    # means 2, 6, 5; of all 27 / 6 = 4.5
    # within: (1 + 1) + (4 + 0 + 4) + 0 = 10, over 6 - 3: 10/3
    # between: 2 x 2.5^2 + 3 x 1.5^2 + 1 x 0.5^2 = 19.5, over 3 - 1: 9.75
    # n0 = (6 - (4 + 9 + 1) / 6) / 2 = 11/6; (9.75 - 10/3) / (11/6) = 3.5
    found = split(groups([1, 3], [4, 6, 8], [5], []))
    assert found.networks == 3
    assert found.within == pytest.approx(10 / 3, rel=1e-15)
    assert found.between == pytest.approx(3.5, rel=1e-15)
    assert found.share == pytest.approx(3.5 / (3.5 + 10 / 3))


def test_groups_that_differ_less_than_chance_give_a_negative_estimate_and_no_share():
    found = split(groups([0, 2], [0, 2], [0, 2]))
    assert found.within == 2.0
    assert found.between == -1.0
    assert found.share == 0.0


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_numbers_at_the_ends_of_the_range(scale):
    found = error(groups(*(np.array(each) * scale for each in ([1, 3], [4, 6, 8], [5]))))
    assert found == pytest.approx(scale * error(groups([1, 3], [4, 6, 8], [5])), rel=1e-12)


@pytest.mark.parametrize(
    ("samples", "networks"), [(([1, 2, 3],), 1), (([1], [2], [3]), 3), ((), 0)], ids=["one group", "one each", "none"]
)
def test_where_there_is_nothing_to_tell(samples, networks):
    found = split(groups(*samples))
    assert found.networks == networks
    assert np.isnan(found.between)
    assert np.isnan(found.share)


@pytest.mark.parametrize("sizes", [(5, 5, 5, 5, 5, 5), (1, 2, 3, 9, 4, 20)])
def test_both_estimates_are_unbiased_whatever_the_law_and_the_sizes(sizes):
    rng, repeats = np.random.default_rng(1), 4000
    between, within = np.empty(repeats), np.empty(repeats)
    for k in range(repeats):
        # skewed luck, two-point networks: variances 2 and 0.75
        samples = [rng.exponential(np.sqrt(2.0), size) + rng.choice([0.0, np.sqrt(3.0)]) for size in sizes]
        found = split(groups(*samples))
        between[k], within[k] = found.between, found.within
    for values, truth in ((within, 2.0), (between, 0.75)):
        assert abs(values.mean() - truth) < 3.5 * values.std() / np.sqrt(repeats)
    # the variance of the group means is no estimate of that between networks: luck adds to it
    assert between.mean() < 0.8


def test_the_error_over_networks_by_hand_and_against_the_truth():
    # two equal groups of means 1 and 3: the error of the mean of two independent numbers, sqrt(2) / sqrt(2)
    assert error(groups([0, 2], [2, 4])) == pytest.approx(1.0)
    rng, repeats, sizes = np.random.default_rng(2), 3000, (10, 10, 11, 11, 10, 10, 11, 10)
    means, told, naive = np.empty(repeats), np.empty(repeats), np.empty(repeats)
    for k in range(repeats):
        samples = [rng.normal(0, 1, size) + rng.normal(0, 1) for size in sizes]
        whole = np.concatenate(samples)
        means[k], told[k], naive[k] = whole.mean(), error(groups(*samples)), whole.std(ddof=1) / np.sqrt(whole.size)
    assert np.mean(told**2) == pytest.approx(means.var(), rel=0.08)
    assert np.mean(naive**2) < 0.4 * means.var()  # what independent draws would tell is far too small


def test_the_interval_of_a_quantile_covers_it():
    rng, repeats, networks, each = np.random.default_rng(3), 150, 60, 20
    truth, hits, given, plain = 1.6448536269514722 * np.sqrt(1.5), 0, 0, 0
    names = [""]
    for _ in range(repeats):
        table = rng.normal(0, 1, (networks, each)) + rng.normal(0, np.sqrt(0.5), (networks, 1))
        ordered = np.sort(table.ravel())

        def parts(table=table):
            for r in range(networks):
                yield r + networks * np.arange(each), {"": table[r]}

        def ranked(_name, wanted, ordered=ordered):
            return {rank: float(ordered[rank - 1]) for rank in wanted}

        row = summarise_nested(names, parts, ranked, networks)[""]
        given += np.isfinite(row["p95_lo"])
        hits += row["p95_lo"] <= truth <= row["p95_hi"]
        loose = summarise_parts(names, parts, ranked, pairs=False)[""]
        plain += loose["p95_lo"] <= truth <= loose["p95_hi"]
    assert given > 0.97 * repeats
    assert hits / given > 0.92
    assert plain / repeats < 0.85


def test_ranks_are_at_least_those_of_independent_draws_and_none_where_there_are_too_few():
    low, high = ranks(10_000, 0.95, 0.0, 20)
    alone = quantile_ranks(10_000, 0.95)
    assert low < alone[0] < 9500 < alone[1] < high
    wide = ranks(10_000, 0.95, 0.01, 20)
    assert wide[0] < low
    assert high < wide[1]
    assert ranks(50, 0.99, 0.0, 20) is None
    assert ranks(10_000, 0.99, 0.05, 20) is None  # worth fewer than 368 independent draws
    assert ranks(10_000, 0.95, 0.01, 1) is None


# -- which draw plays where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("draws", "networks"), [(7005, 3), (5, 9), (2500, 1), (12_000, 7)])
def test_every_draw_is_in_one_part_of_its_network(draws, networks):
    first = list(starts(draws, networks))
    assert first == sorted(first)
    assert sorted(by_network(draws, networks)) == first
    owner = np.full(draws, -1)
    for start in first:
        mine = start + networks * np.arange(size_of(start, draws, networks))
        assert len({draw % networks for draw in mine.tolist()}) == 1
        assert (owner[mine] == -1).all()
        owner[mine] = start
    assert (owner >= 0).all()
    assert all(start_of(draw, networks) == owner[draw] for draw in range(0, draws, 17))
    assert within(first[-1], first[-1], 1, networks)
    assert not within(first[-1] + 1, first[-1], 1000, max(2, networks))


def test_parts_are_woven_and_cut_again():
    networks, draws = 3, 10
    pieces = []
    for start in starts(draws, networks):
        n = size_of(start, draws, networks)
        values = {"m": (start + networks * np.arange(n, dtype=float))[:, None]}
        pieces.append(Part(start, values, ("ok",) * n, ("",) * n, stride=networks, networks=networks))
    whole = weave(pieces[::-1])
    assert whole.metrics["m"][:, 0].tolist() == list(range(draws))
    assert columns(whole)["network"].tolist() == [k % 3 for k in range(draws)]
    for piece in pieces:
        assert digest(columns(unwoven(whole, piece.first))) == digest(columns(piece))
        assert from_columns(columns(piece), networks).stride == networks
    with pytest.raises(ValueError, match="draws are missing"):
        weave(pieces[:-1])
    with pytest.raises(ValueError, match="not consecutive"):
        from_columns(columns(pieces[0]), 2)


# -- the run -----------------------------------------------------------------------------------------------------------


def test_one_answer_over_workers_blocks_and_executors(seven, tmp_path):
    answers = {
        run(seven, draws=150, workers=workers, block=block).answer_sha256 for workers in (1, 2) for block in (2, 8, 64)
    }
    assert len(answers) == 1
    assert verify(tmp_path / "r").parts == 4 if run(seven, draws=150, out=tmp_path / "r") else False
    assert sim.open(tmp_path / "r").answer_sha256 in answers


def test_draws_play_on_their_network_with_luck_of_their_own(seven):
    result = run(seven, draws=40)
    one = run(seven.override({"monte_carlo.networks": 1}), draws=40)
    assert result.networks == 4
    assert result.network.tolist() == [k % 4 for k in range(40)]
    # the luck of a draw is the same on whatever network; what follows from it is not
    np.testing.assert_allclose(result.metrics["first_round_loss"], one.metrics["first_round_loss"], rtol=1e-12)
    assert not np.allclose(result.metrics["system_loss"], one.metrics["system_loss"])
    on_first = np.arange(0, 40, 4)
    assert np.array_equal(result.metrics["system_loss"][on_first], one.metrics["system_loss"][on_first])
    # and network 3 is the same among 4 or 8
    more = run(seven.override({"monte_carlo.networks": 8}), draws=40)
    assert np.array_equal(more.metrics["system_loss"][3::8], result.metrics["system_loss"][3::8])
    alone = play(seven, sim.build(seven, seed=3, network=3), np.array([7]), 3)
    assert alone.metrics["system_loss"][0, 0] == result.metrics["system_loss"][7, 0]


def test_a_longer_run_goes_on_from_a_shorter_one(seven, tmp_path):
    played = []

    def watched(scenario, system, draws, seed):
        played.extend(draws.tolist())
        return play(scenario, system, draws, seed)

    short = run(seven, draws=30, out=tmp_path / "r", player=watched, block=8)
    long = run(seven, draws=100, out=tmp_path / "r", player=watched, block=8)
    assert sorted(played) == list(range(100))
    assert np.array_equal(long.metrics["system_loss"][:30], short.metrics["system_loss"])
    assert long.answer_sha256 == run(seven, draws=100).answer_sha256


def test_a_run_that_is_stopped_is_resumed_to_the_same_answer(seven, tmp_path):
    def stop(at):
        if at.done >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(seven, draws=120, out=tmp_path / "r", block=4, workers=1, progress=stop)
    kept = len(list((tmp_path / "r" / "parts").glob("draws-*")))
    assert 0 < kept < 4  # networks are finished one after the other
    assert "draws 0 to 116 in steps of 4 written" in (tmp_path / "r" / "run.log").read_text()
    there = found(tmp_path / "r")
    assert set(range(0, 120, 4)) <= set(there.numbers)
    assert there.result.draws == len(there.numbers) == len(set(there.numbers))
    assert there.result.summary().loc["system_loss", "draws"] == len(there.numbers)
    assert resume(tmp_path / "r", block=16).answer_sha256 == run(seven, draws=120).answer_sha256


def test_draws_that_are_left_out_or_end_a_process_are_counted_along_their_network(seven):
    result = run(seven, draws=30, without=[5, 14])
    assert result.failed_draws["draw"].tolist() == [5, 14]
    assert np.isfinite(result.metrics["system_loss"][[1, 9, 13, 6]]).all()
    # a chunk of draws 1, 4, ..., 28; the block of draws 13 and 16 ends its process twice
    desk = _Desk(Path(), 100, networks=3)
    office = _Office(None, desk, How(1), SimpleNamespace(store=None), [])
    for _ in range(2):
        desk.waiting.clear()
        office._again(_Order(1, 10), (13, 2), "ended its process")
    rest = [(each.first, each.draws, each.single) for each in desk.waiting]
    assert rest == [(1, 4, False), (13, 2, True), (19, 4, False)]
    assert named([(13, 2), (4, 1)], 3) == "draw 4, draws 13 to 16 in steps of 3"


def test_a_cluster_gives_the_same_answer(seven, tmp_path):
    pytest.importorskip("distributed")
    made = run(seven, draws=60, out=tmp_path / "r", cluster="local:1", workers=1)
    assert made.answer_sha256 == run(seven, draws=60).answer_sha256


def test_one_draw_again(seven, tmp_path):
    result = run(seven.override({"record": "agents"}), draws=30, out=tmp_path / "r")
    for draw in (0, 13, 29):
        assert repro(tmp_path / "r", draw).differences == ()
        assert repro(tmp_path / "r", draw).stored.first == draw
    played = replay(result, 13)
    assert np.array_equal(
        played.system.layer("interbank").weights, sim.build(seven, seed=3, network=1).layer("interbank").weights
    )
    model = sim.ContagionModel(seven, seed=3, draw=13)
    model.step()
    assert model.metric("system_loss") == result.metrics["system_loss"][13, 0]
    opened = sim.open(tmp_path / "r")
    assert np.array_equal(opened.final["equity"], result.final["equity"])
    opened.save(tmp_path / "copy")
    assert verify(tmp_path / "copy").manifest["answer_sha256"] == result.answer_sha256
    with pytest.raises(UsageError, match="draw must be from 0 to 29"):
        repro(tmp_path / "r", 30)


def test_tables_name_the_network(seven, tmp_path):
    result = run(seven, draws=21, out=tmp_path / "r")
    found = result.sql("select network, count(*) as n from draws group by network order by network")
    assert found["n"].tolist() == [6, 5, 5, 5]
    assert result.to_pandas()["network"].tolist() == [k % 4 for k in range(21)]
    assert result.to_xarray()["network"].to_numpy().tolist() == [k % 4 for k in range(21)]
    (path,) = export(tmp_path / "r", "csv", tmp_path / "e.csv")
    rows = [line.split(",")[:3] for line in path.read_text().splitlines()]
    assert rows[0] == ["draw", "step", "network"]
    assert [int(row[0]) for row in rows[1:]] == list(range(21))
    one = run(seven.override({"monte_carlo.networks": 1}), draws=3)
    assert "network" not in one.to_pandas()


def test_a_network_that_cannot_be_made_fails_its_draws_and_no_other(seven, monkeypatch):
    class Fragile(GENERATORS["fitness"]):
        name: ClassVar[str] = "fragile"

        def layer(self, name, margins, draws, stream):
            if draws.draws[0] == 2:
                raise ZeroDivisionError("no such network")
            return super().layer(name, margins, draws, stream)

    monkeypatch.setitem(GENERATORS._own, "fragile", Fragile)
    scenario = seven.override({"system.layers.interbank": {"generator": "fragile", "density": 0.4}})
    result = run(scenario, draws=20)
    bad = result.failed_draws
    assert bad["draw"].tolist() == [2, 6, 10, 14, 18]
    assert set(bad["reason"]) == {"ZeroDivisionError: no such network"}
    row = result.summary().loc["system_loss"]
    assert (row["draws"], row["networks"]) == (15, 3)


# -- what is said of it ------------------------------------------------------------------------------------------------


def test_the_summary_splits_the_variance(seven):
    result = run(seven, draws=80)
    last = result.metrics["system_loss"][:, -1]
    samples = [last[r::4] for r in range(4)]
    row, truth = result.summary().loc["system_loss"], split(groups(*samples))
    assert row["networks"] == 4
    assert row["var_within"] == pytest.approx(np.mean([each.var(ddof=1) for each in samples]))
    assert (row["var_within"], row["var_between"]) == pytest.approx((truth.within, truth.between))
    assert row["se"] == pytest.approx(np.std([each.mean() for each in samples], ddof=1) / 2)
    assert row["mean"] == pytest.approx(last.mean())
    assert any("4 networks tell little" in note for note in result.notes)
    assert "var_between" not in run(seven.override({"monte_carlo.networks": 1}), draws=4).summary()


def test_the_summary_of_files_is_that_of_memory_bit_for_bit(seven, tmp_path):
    draws, networks = 3400, 3
    result = run(seven.override({"monte_carlo.networks": networks}), draws=draws, out=tmp_path / "r")
    files = sorted((tmp_path / "r" / "parts").glob("draws-*"))
    assert len(files) == 6
    streamed = of_files(list(result.info), files, draws, pairs=False, networks=networks)
    whole = of_part(list(result.info), result._part, pairs=False)
    assert repr(streamed) == repr(whole)
    told = whole["system_loss"]
    assert np.isfinite([told[name] for name in ("mean", "se", "ES99_se", "var_within", "var_between")]).all()


def test_the_command_line_and_the_report_show_both_variances(seven, tmp_path, capsys, monkeypatch):
    run(seven, draws=48, out=tmp_path / "r")
    assert main(["show", str(tmp_path / "r")]) == 0
    said = capsys.readouterr().out
    assert "s.d. within networks  s.d. between networks  of variance between" in said
    assert main(["show", str(tmp_path / "r"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["networks"] == 4
    assert {"var_within", "var_between", "share_between"} <= set(told["summary"]["system_loss"])
    assert main(["report", str(tmp_path / "r"), "-o", str(tmp_path / "r.html")]) == 0
    assert "S.d. between networks" in (tmp_path / "r.html").read_text()
    assert "Within and between networks" in sim.open(tmp_path / "r")._repr_html_()
    run(seven.override({"monte_carlo.networks": 1}), draws=4, out=tmp_path / "one")
    capsys.readouterr()
    assert main(["show", str(tmp_path / "one")]) == 0
    assert "networks" not in capsys.readouterr().out


def test_differences_have_the_error_over_networks():
    rng = np.random.default_rng(1)
    draws = np.arange(400)
    effect = rng.normal(0, 1, 8)[draws % 8]
    a = rng.normal(0, 1, 400)
    b = a + 1.0 + effect
    over, plain = difference(a, b, paired=True, alike=Alike(draws, 8)), difference(a, b, paired=True)
    assert over.difference == plain.difference
    assert over.se == pytest.approx(np.std([effect[k] for k in range(8)], ddof=1) / np.sqrt(8), rel=0.05)
    assert over.se > 3 * plain.se


def test_comparisons_and_sweeps_take_networks(seven, tmp_path):
    made = sim.compare({"a": seven, "b": seven.override({"channels.credit.recovery_rate": 0.5})}, draws=40, seed=3)
    assert any("intervals are those over networks" in note for note in made.notes)
    found = sweep(seven, {"system.layers.interbank.density": [0.3, 0.5], "monte_carlo.networks": [1, 2]}, draws=20)
    assert found.points["status"].tolist() == ["ok"] * 4
    assert found.result(1).networks == 2
    table = found.summary("system_loss")
    assert table["networks"].fillna(1).tolist() == [1, 2, 1, 2]
    assert np.isfinite(table["var_between"].to_numpy(float)).tolist() == [False, True, False, True]
    loose = sim.compare({"a": found.result(0), "b": found.result(1)})
    assert any("too narrow" in note for note in loose.notes)


def test_events_that_go_round_the_banks_are_warned_of_where_networks_and_banks_share_a_divisor(seven):
    each = seven.override({"shocks.0.target": "banks[each]", "monte_carlo.networks": 14})
    system = sim.build(each, seed=1)
    (problem,) = ensemble_warnings(each, system)
    assert "on each network only 1 banks are struck" in problem.message
    assert "networks: 15 has no divisor in common with 7" in problem.message
    assert ensemble_warnings(each.override({"monte_carlo.networks": 4}), system) == []
    assert ensemble_warnings(seven.override({"monte_carlo.networks": 14}), system) == []
    assert any("banks[each]" in str(w) or "shocks.0.target" in str(w) for w in run(each, draws=14).warnings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system.layers.interbank": {"generator": "max_entropy"}}, "there is only one network"),
        ({"monte_carlo.sampler": "antithetic"}, "would play on different networks"),
        ({"monte_carlo.until": {"metric": "system_loss", "ci": 0.1}}, "until needs draws that are independent"),
        ({"monte_carlo.networks": 0}, "must be in [1, 10000]"),
    ],
)
def test_networks_that_make_no_sense_are_refused(seven, changes, message):
    with pytest.raises(InputError) as caught:
        seven.override(changes)
    assert message in str(caught.value)


def test_a_system_given_in_python_is_one_network(seven):
    with pytest.raises(InputError, match="there is only one network"):
        sim.Scenario(name="x", system=sim.build(seven), monte_carlo={"networks": 2})


def test_notes_of_few_draws():
    assert "one draw at most" in nested.notes(20, 20)[1]
    assert len(nested.notes(20, 400)) == 1


# -- systems -----------------------------------------------------------------------------------------------------------


def test_each_system_is_built_once_and_few_are_kept():
    built, lock = [], threading.Lock()

    def build(network):
        time.sleep(0.005)
        with lock:
            built.append(network)
        return object()

    systems = Ensemble(build, keep=3)
    seen = [[] for _ in range(4)]

    def ask(place):
        for network in range(6):
            seen[place].append(systems(network))

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(systems) == 3
    assert sorted(set(built)) == list(range(6))
    assert len(built) <= 8  # four threads, six networks: one that lags behind may ask for a network again
    assert systems(5) is systems(5)


def test_a_run_builds_each_network_once(seven, monkeypatch):
    task = task_of(seven.override({"monte_carlo.networks": 30}), 3, play, 2)
    asked = []
    inner = task.systems._build
    monkeypatch.setattr(task.systems, "_build", lambda network: (asked.append(network), inner(network))[1])
    for first in range(30):
        task.part(first, 2)
    assert asked == list(range(1, 30))  # network 0 was there
    assert len(task.systems) == 6


def test_a_plan_counts_the_systems(seven):
    found = plan(seven, draws=200, workers=1, block=8)
    assert found.parts["systems on other networks"] > 0
    assert "systems on other networks" not in plan(seven.override({"monte_carlo.networks": 1}), draws=50).parts
