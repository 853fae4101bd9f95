"""Streams of parts give the bits of the whole, in memory that does not grow with the draws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import StoreError, UsageError
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.part import Part
from sim.experiments.sql import Last, opened
from sim.experiments.statistics import moments, summarise, summarise_parts
from sim.experiments.streaming import Moments, Tree, cut, moments_of, pair_error, pair_squares
from sim.experiments.summary import of_files, of_part


def test_the_tree_depends_on_the_number_of_leaves_alone() -> None:
    def shape(n: int) -> str:
        tree: Tree[str] = Tree(lambda a, b: f"({a}{b})")
        for leaf in "abcdefgh"[:n]:
            tree.add(leaf)
        return tree.total("-")

    assert [shape(n) for n in (0, 1, 2, 3, 4, 7)] == ["-", "a", "(ab)", "((ab)c)", "((ab)(cd))", "(((ab)(cd))((ef)g))"]


def test_the_tree_holds_few_nodes() -> None:
    tree: Tree[int] = Tree(lambda a, b: a + b)
    for _ in range(10_000):
        tree.add(1)
    assert len(tree._held) <= 14
    assert tree.total(0) == 10_000


def test_moments_by_hand() -> None:
    # 1, 2, 3 and 10, 20: mean 36 / 5 = 7.2; deviations -6.2, -5.2, -4.2, 2.8, 12.8 squared add up to 254.8
    both = Moments.of(np.array([1.0, 2.0, 3.0])).merged(Moments.of(np.array([10.0, 20.0])))
    assert both.n == 5
    assert both.mean == pytest.approx(7.2, rel=1e-15)
    assert both.std == pytest.approx(math.sqrt(254.8 / 4), rel=1e-15)
    assert math.isnan(Moments().mean)
    assert math.isnan(Moments.of(np.array([3.0])).std)


def test_a_constant_has_no_spread() -> None:
    assert moments(np.full(4321, 0.1)) == (0.1, 0.0)


def test_moments_are_as_exact_as_one_pass_over_all() -> None:
    values = np.random.default_rng(5).lognormal(3.0, 2.0, 123_456) + 1e6
    mean, spread = moments(values)
    exact = math.fsum(values.tolist()) / values.size
    assert mean == pytest.approx(exact, rel=1e-15)
    assert spread == pytest.approx(
        math.sqrt(math.fsum(((values - exact) ** 2).tolist()) / (values.size - 1)), rel=1e-12
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6000), st.integers(0, 2**32 - 1))
def test_scaling_by_a_power_of_two_is_exact_across_parts(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=n) * 10.0 ** np.random.default_rng(seed).integers(-30, 30, n)
    mean, spread = moments(values)
    scaled = moments(values * 2.0**20)
    assert scaled[0] == mean * 2.0**20
    assert scaled[1] == spread * 2.0**20 or (n == 1 and math.isnan(scaled[1]))


def test_nothing_overflows() -> None:
    mean, spread = moments(np.r_[np.full(1000, 1e300), np.full(1000, 3e300)])
    assert mean == pytest.approx(2e300, rel=1e-15)
    assert spread == pytest.approx(1e300 * math.sqrt(2000 / 1999), rel=1e-14)


def test_parts_that_come_empty_keep_their_place() -> None:
    values = np.random.default_rng(2).normal(size=5000)
    pieces = [*cut(values)]
    pieces.insert(2, np.empty(0))
    assert moments_of(pieces).n == 5000


def test_the_error_of_mirrored_pairs_by_hand() -> None:
    # pairs (1, 3), (2, 6) and a 5 whose partner failed; mean 17 / 5 = 3.4; sums of deviations -2.8, 1.2, 1.6
    draws, values = np.array([0, 1, 2, 3, 4]), np.array([1.0, 3.0, 2.0, 6.0, 5.0])
    pairs = pair_squares(draws, values, 3.4)
    assert pairs.n == 3
    assert pairs.mean == pytest.approx(0.0, abs=1e-15)
    # their squares add up to 11.84; std = sqrt(11.84 / 2); the sum of three of them over 5 draws
    assert pair_error(pairs, 5) == pytest.approx(math.sqrt(11.84 / 2) * math.sqrt(3) / 5, rel=1e-14)
    assert math.isnan(pair_error(pair_squares(draws[:1], values[:1], 1.0), 1))


def fails() -> None:
    raise ValueError("no")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, toy: Any, scenario: Any) -> Path:
    """A run of 3,333 draws of which some failed, one whole part among them."""
    place = tmp_path_factory.mktemp("stream") / "r"
    broken = dict.fromkeys((3, 17, 2500, *range(1000, 2000)), fails)
    run(scenario, draws=3333, player=toy(breaks=broken), out=place, block=100)
    return place


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / "parts").glob("draws-*.parquet"))


@pytest.mark.parametrize("pairs", [False, True])
def test_files_and_memory_give_the_same_bits(folder: Path, pairs: bool) -> None:
    result = open_result(folder)
    names = list(result.info)
    held = Part(0, result.metrics, result.status, ("",) * result.draws)
    streamed = of_files(names, files_of(folder), result.draws, pairs=pairs)
    whole = of_part(names, held, pairs=pairs)
    assert repr(streamed) == repr(whole)
    assert streamed[names[0]]["draws"] == 3333 - 1003


def test_without_failures_a_stream_is_the_batch(tmp_path: Path, toy: Any, scenario: Any) -> None:
    result = run(scenario, draws=2600, player=toy(), out=tmp_path / "r", block=100)
    streamed = of_files(list(result.info), files_of(tmp_path / "r"), 2600, pairs=False)
    for name, values in result.metrics.items():
        assert repr(streamed[name]) == repr(summarise(values[:, -1]))


def test_fewer_draws_than_the_folder_holds(folder: Path) -> None:
    result = open_result(folder)
    names = list(result.info)
    streamed = of_files(names, files_of(folder)[:1], 700, pairs=False)
    assert repr(streamed[names[0]]) == repr(
        summarise(result.metrics[names[0]][[k not in (3, 17) for k in range(700)] + [False] * 2633, -1])
    )


def test_order_statistics_spill_and_stay_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random(300_000)
    table = {"draw": np.arange(values.size), "step": np.ones(values.size, dtype=np.int32), "m": values}
    table["status"] = np.array(["ok"] * values.size, dtype=object)
    with opened({"draws": table}, values.size, "32MB") as connection:
        ranks = [1, 2, 40_960, 40_961, 150_000, 299_999, 300_000]
        last = Last(connection, ["m"], values.size)
        found = last.ranked("m", ranks)
        with pytest.raises(StoreError, match="300000 values where 300001 were counted"):
            last.ranked("m", [300_001])
    ordered = np.sort(values)
    assert found == {rank: float(ordered[rank - 1]) for rank in ranks}


def test_a_long_run_is_summarised_from_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.experiments.result.PLOTTED", 1000)
    result, other = open_result(folder), open_result(folder)
    assert result.summary().equals(other.summary())
    assert "_part" not in vars(result)
    assert len(result.failed_draws) == 1003
    assert result.count("ok") == 2330
    assert "_part" not in vars(result)
    texts = " ".join(text.get_text() for text in result.plot().texts)
    assert "the first 1,000 shown" in texts
    assert "_part" not in vars(result)


def test_memory_is_flat(tmp_path: Path) -> None:
    # the values of a metric of all draws at once would be 8 bytes a draw; a part of them is held at a time
    seen: list[int] = []

    def parts() -> Any:
        for first in range(0, 50_000, 1000):
            values = np.sin(np.arange(first, first + 1000, dtype=np.float64))
            seen.append(values.size)
            yield np.arange(first, first + 1000), {"m": values}

    whole = np.sin(np.arange(50_000, dtype=np.float64))
    ordered = np.sort(whole)

    def ranked(_: str, ranks: Any) -> dict[int, float]:
        return {rank: float(ordered[rank - 1]) for rank in ranks}

    found = summarise_parts(["m"], parts, ranked, pairs=False)["m"]
    assert seen == [1000] * 100
    assert repr(found) == repr(summarise(whole))


class TestSql:
    """Queries over the draws, read where they lie."""

    @pytest.fixture(autouse=True)
    def long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sim.experiments.result.PLOTTED", 4)

    def test_reads_the_draws(self, folder: Path) -> None:
        result = open_result(folder)
        found = result.sql("select count(distinct draw) n, sum(step = 3) last, sum(status = 'failed') bad from draws")
        assert found.iloc[0].tolist() == [3333, 2330, 1003]
        tail = result.sql("select max(system_loss) m from draws where step = 3")["m"].item()
        assert tail == np.nanmax(result.metrics["system_loss"][:, -1])

    def test_memory_and_files_answer_alike(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        held = run(scenario, draws=50, player=toy(), record="agents")
        query = "select draw, step, system_loss, status, reason from draws order by draw, step"
        agents = "select agent, sum(equity) s from agents group by agent order by agent"
        opened_ = open_result(held.save(tmp_path / "r"))
        assert opened_.sql(query).equals(held.sql(query))
        assert opened_.sql(agents).equals(held.sql(agents))
        assert "_part" not in vars(opened_)
        assert held.sql(agents)["s"].tolist() == [1275.0, 1225.0, 1325.0]  # <b>, a, 銀行

    @pytest.mark.parametrize(
        "query",
        [
            "copy draws to '{here}/stolen.parquet'",
            "copy (select 1) to '{part}'",
            "create table t as select 1",
            "drop view draws",
            "insert into draws select * from draws",
            "attach '{here}/x.db'",
            "install httpfs",
            "load httpfs",
            "set enable_external_access = true",
            "pragma database_list",
            "export database '{here}/db'",
            "select 1; select 2",
            "",
            "explain select 1",
            "call pragma_version()",
        ],
    )
    def test_only_one_select(self, folder: Path, tmp_path: Path, query: str) -> None:
        part = files_of(folder)[0]
        before = part.read_bytes()
        with pytest.raises(UsageError, match=r"^sql: "):
            open_result(folder).sql(query.format(here=tmp_path, part=part))
        assert part.read_bytes() == before
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        "query",
        [
            "select * from read_csv('{file}')",
            "select * from read_text('{file}')",
            "select * from read_blob('{file}')",
            "select * from '{file}'",
            "select * from glob('{here}/*')",
            "select * from read_parquet('{here}/other.parquet')",
            "select * from query('copy draws to ''{here}/q.csv''')",
            "select getenv('HOME')",
            "select * from secret",
        ],
    )
    def test_no_file_and_no_variable_is_read(self, folder: Path, tmp_path: Path, query: str) -> None:
        secret = tmp_path / "secret.csv"
        secret.write_text("a\n1\n")
        with pytest.raises(UsageError, match=r"^sql: "):
            open_result(folder).sql(query.format(file=secret, here=tmp_path))

    def test_what_is_missing_is_named(self, folder: Path) -> None:
        with pytest.raises(UsageError, match=r"system_los.*tables: draws"):
            open_result(folder).sql("select system_los from draws")

    def test_any_name_of_a_folder(self, tmp_path: Path, toy: Any, scenario: Any) -> None:
        place = tmp_path / "it's [odd]* ü"
        result = run(scenario, draws=5, player=toy(), out=place)
        assert result.sql("select count(*) c from draws")["c"].item() == 15
        assert open_result(place).sql("select count(*) c from draws where step = 1")["c"].item() == 5
