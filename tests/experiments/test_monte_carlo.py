"""The runner: the same answer however it is computed, failures as rows, progress, options."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import ConvergenceError, FailedDrawsError, UsageError
from sim.experiments.blocks import blocks, clean
from sim.experiments.monte_carlo import Progress, run
from sim.experiments.opening import open_result


def fails() -> None:
    raise ValueError("bad luck")


def stops() -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def expected(toy: Any, scenario: Any) -> str:
    """The digest of 2100 draws."""
    return run(scenario, draws=2100, player=toy(), workers=1, block=128).answer_sha256


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 7, 64, 128])
def test_neither_workers_nor_block_width_change_the_answer(
    toy: Any, scenario: Any, expected: str, workers: int, block: int
) -> None:
    assert run(scenario, draws=2100, player=toy(), workers=workers, block=block).answer_sha256 == expected


def test_a_folder_and_memory_give_the_same_answer(tmp_path: Path, toy: Any, scenario: Any, expected: str) -> None:
    kept = run(scenario, draws=2100, player=toy(), out=tmp_path)
    assert kept.answer_sha256 == expected
    names = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert names == [f"draws-{first:010d}.parquet" for first in (0, 1000, 2000)]
    memory = run(scenario, draws=2100, player=toy())
    for name, values in kept.metrics.items():
        assert values.tobytes() == memory.metrics[name].tobytes()


def test_what_is_kept_does_not_change_the_answer(toy: Any, scenario: Any, expected: str) -> None:
    assert run(scenario, draws=2100, player=toy(), record="agents").answer_sha256 == expected


def test_the_seed_does(toy: Any, scenario: Any, expected: str) -> None:
    assert run(scenario, draws=2100, seed=8, player=toy()).answer_sha256 != expected


def test_blocks_arrive_in_any_order(toy: Any, scenario: Any, expected: str) -> None:
    player, gate = toy(), threading.Event()

    def late(chosen: Any, system: Any, draws: Any, seed: int) -> Any:
        if draws[0] == 0:
            gate.wait(10.0)  # the first block comes last
        if draws[0] >= 500:
            gate.set()
        return player(chosen, system, draws, seed)

    assert run(scenario, draws=2100, player=late, workers=3, block=100).answer_sha256 == expected


def test_a_longer_run_goes_on_where_a_shorter_one_ended(tmp_path: Path, toy: Any, scenario: Any, expected: str) -> None:
    first = run(scenario, draws=1500, player=toy(), out=tmp_path, record="agents")
    more = toy()
    longer = run(scenario, draws=2100, player=more, out=tmp_path, record="agents", block=30)
    assert longer.answer_sha256 == expected
    assert sorted(more.played) == list(range(1500, 2100))
    for name, values in first.metrics.items():
        assert values.tobytes() == longer.metrics[name][:1500].tobytes()
    idle = toy()
    shorter = run(scenario, draws=1500, player=idle, out=tmp_path, record="agents")
    assert not idle.played
    assert shorter.answer_sha256 == first.answer_sha256
    assert open_result(tmp_path).draws == 1500
    assert run(scenario, draws=2100, player=idle, out=tmp_path, record="agents").answer_sha256 == expected
    assert not idle.played


def test_only_the_failing_draw_fails(tmp_path: Path, toy: Any, scenario: Any) -> None:
    clean_run = run(scenario, draws=100, player=toy())
    seen: list[Progress] = []
    result = run(scenario, draws=100, player=toy(breaks={40: fails, 99: fails}), out=tmp_path, progress=seen.append)
    bad = result.failed_draws
    assert bad["draw"].tolist() == [40, 99]
    assert set(bad["reason"]) == {"ValueError: bad luck"}
    assert bad["command"].iloc[0] == f"sim repro {tmp_path} --draw 40"
    kept = np.delete(np.arange(100), [40, 99])
    for name, values in result.metrics.items():
        assert values[kept].tobytes() == clean_run.metrics[name][kept].tobytes()
        assert np.isnan(values[[40, 99]]).all()
    assert result.summary()["draws"].tolist() == [98, 98]
    assert seen[-1].failed == 2
    table = result.to_pandas()
    assert len(table) == 98 * 3 + 2
    assert table.loc[table["status"] == "failed", "step"].tolist() == [-1, -1]
    assert open_result(tmp_path).failed_draws.equals(bad)
    one = run(scenario, draws=100, player=toy(breaks={40: fails, 99: fails}), block=1, workers=1)
    assert one.answer_sha256 == result.answer_sha256


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_fails_its_draw(toy: Any, scenario: Any, value: float) -> None:
    result = run(scenario, draws=10, player=toy(replaced={3: value}))
    assert result.failed_draws["draw"].tolist() == [3]
    assert f"metric system_loss of the system became {value} in draw 3" in result.failed_draws["reason"].iloc[0]


def test_a_player_that_returns_the_wrong_thing(toy: Any, scenario: Any) -> None:
    other = scenario.override({"metrics": ["defaults"]})

    def wrong(chosen: Any, system: Any, draws: Any, seed: int) -> Any:
        return toy()(other, system, draws, seed)

    with pytest.raises(FailedDrawsError, match="metric system_loss was asked for"):
        run(scenario, draws=3, player=wrong)


def test_all_draws_fail(tmp_path: Path, toy: Any, scenario: Any) -> None:
    with pytest.raises(FailedDrawsError, match="5 of 5 draws failed; first: draw 0: ValueError: bad luck") as caught:
        run(scenario, draws=5, player=toy(breaks=dict.fromkeys(range(5), fails)), out=tmp_path)
    assert caught.value.exit_code == 5
    assert open_result(tmp_path).summary()["draws"].tolist() == [0, 0]


def test_uncertified_draws_need_leave(toy: Any, scenario: Any) -> None:
    loose = toy(uncertified=frozenset({2}))
    with pytest.raises(ConvergenceError, match="1 of 5 draws are not certified; first: draw 2: residual") as caught:
        run(scenario, draws=5, player=loose)
    assert caught.value.exit_code == 4
    assert getattr(caught.value.state, "draws", None) == 5
    result = run(scenario, draws=5, player=loose, allow_uncertified=True)
    assert result.failed_draws["status"].tolist() == ["not-certified"]
    assert result.summary()["draws"].tolist() == [5, 5]
    assert "not certified" in str(result.warnings[-1])


def test_an_interrupted_run_keeps_its_parts(tmp_path: Path, toy: Any, scenario: Any, expected: str) -> None:
    def told(at: Progress) -> None:
        if at.done > 1500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(scenario, draws=2100, player=toy(), out=tmp_path, progress=told, workers=1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("draws")]
    assert "interrupted" in (tmp_path / "run.log").read_text()
    more = toy()
    assert run(scenario, draws=2100, player=more, out=tmp_path).answer_sha256 == expected
    assert min(more.played) > 1500  # draws of the part that was not complete were kept in pieces


def test_an_interrupt_inside_a_block_stops_the_run(toy: Any, scenario: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(scenario, draws=100, player=toy(breaks={50: stops}))


def test_progress_counts_what_was_there(tmp_path: Path, toy: Any, scenario: Any) -> None:
    run(scenario, draws=1000, player=toy(), out=tmp_path)
    seen: list[Progress] = []
    run(scenario, draws=1200, player=toy(), out=tmp_path, progress=seen.append)
    assert (seen[0].done, seen[0].cached, seen[0].draws) == (1000, 1000, 1200)
    assert [at.done for at in seen] == sorted(at.done for at in seen)
    assert (seen[-1].done, seen[-1].eta) == (1200, 0.0)
    assert seen[-1].rate > 0.0


def test_a_bar_on_stderr(toy: Any, scenario: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(scenario, draws=64, player=toy(), progress=True)
    shown = capsys.readouterr()
    assert "64/64" in shown.err
    assert not shown.out


def test_a_seed_is_drawn_stored_and_taken_up_again(tmp_path: Path, toy: Any, scenario: Any) -> None:
    free = scenario.override({"monte_carlo.seed": None})
    one, two = run(free, draws=3, player=toy()), run(free, draws=3, player=toy())
    assert one.seed != two.seed
    assert 0 <= one.seed < 2**63
    kept = run(free, draws=3, player=toy(), out=tmp_path)
    assert run(free, draws=6, player=toy(), out=tmp_path).seed == kept.seed
    assert run(free, draws=3, player=toy(), seed=one.seed).answer_sha256 == one.answer_sha256


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 0}, "draws must be from 1"),
        ({"draws": 2**40}, "draws must be from 1"),
        ({"draws": 1.5}, "draws must be a whole number"),
        ({"draws": True}, "draws must be"),
        ({"workers": 0}, "workers must be from 1"),
        ({"workers": 100_000}, "workers must be from 1"),
        ({"block": 0}, "block must be from 1 to 256"),
        ({"block": 257}, "block must be from 1 to 256"),
        ({"seed": -1}, "seed must be from 0"),
        ({"seed": 2**128}, "seed must be from 0"),
    ],
)
def test_options_out_of_range(toy: Any, scenario: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(scenario, player=toy(), **{"draws": 3, **options})


def test_a_generator_is_no_seed(toy: Any, scenario: Any) -> None:
    wrong: Any = np.random.default_rng(1)
    with pytest.raises(TypeError, match="pass an integer seed"):
        run(scenario, draws=3, seed=wrong, player=toy())
    whole: Any = np.int64(7)
    assert run(scenario, draws=3, seed=whole, player=toy()).seed == 7


def test_blocks_stay_within_parts_and_skip_what_is_there() -> None:
    assert list(blocks({}, 1010, 600)) == [(0, 600), (600, 400), (1000, 10)]
    assert list(blocks({0: 1000, 1000: 4}, 1010, 4)) == [(1004, 4), (1008, 2)]
    assert not list(blocks({0: 1000}, 500, 32))


def test_reasons_are_one_clean_line() -> None:
    assert clean("a\nb") == "a"
    assert clean("x \x1b[31m y") == "x  [31m y"
    assert clean("no /etc/secret/file.csv here") == "no file.csv here"
    assert clean("1/2 of a/b") == "1/2 of a/b"
    assert len(clean("x" * 1000)) == 300


@pytest.mark.parametrize("block", [2, 17])
def test_the_real_simulation(block: int) -> None:
    one = run("ring_of_ten", draws=40, seed=5, workers=1, block=block)
    two = run("ring_of_ten", draws=40, seed=5, workers=2, block=32)
    assert one.answer_sha256 == two.answer_sha256
    assert one.count("ok") == 40
