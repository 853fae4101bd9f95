"""Runs over the processes of a cluster: the bits of threads, faults contained, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.errors import InputError, UsageError
from sim.experiments import connection
from sim.experiments.blocks import How
from sim.experiments.cluster import TRIES, _Desk, _Office, _Order
from sim.experiments.connection import ClusterError, kept
from sim.experiments.gather import LostDrawsError
from sim.experiments.monte_carlo import Progress, resume, run
from sim.experiments.part import Part
from sim.experiments.repro import verify
from sim.experiments.shelf import Shelf, Stretch
from sim.experiments.threads import named
from sim.experiments.worker import Chunk, Setting, crumb_of, last_words, play_chunk, settle
from sim.scenario.load import load
from tests.campaign_runs import players

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

DRAWS = 40
SCENARIOS = {
    "ring_of_ten": {},
    "eu48_single_failures": {},
    "eu48_sovereign": {"horizon.steps": 2},
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two processes, started once."""
    with kept("local:2"):
        yield "local:2"


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """The answers of one thread."""
    return {
        name: run(load(name).override(changes), draws=DRAWS, seed=7, workers=1, block=64).answer_sha256
        for name, changes in SCENARIOS.items()
    }


def stop(at: Progress) -> None:
    if at.done >= 8:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_answer_whatever_workers_blocks_executors_and_interruptions(
    tmp_path: Path, cluster: str, expected: dict[str, str], name: str
) -> None:
    scenario = load(name).override(SCENARIOS[name])
    for workers in (1, 2):
        for block in (2, 8, 64) if name == "ring_of_ten" else (8,):
            assert run(scenario, draws=DRAWS, seed=7, workers=workers, block=block).answer_sha256 == expected[name]
    for block in (2, 64, None) if name == "ring_of_ten" else (None,):
        place = tmp_path / f"b{block}"
        made = run(scenario, draws=DRAWS, seed=7, workers=2, block=block, out=place, cluster=cluster)
        assert made.answer_sha256 == expected[name]
        assert verify(place).parts == 1
    # begun over threads, finished by the cluster
    with pytest.raises(KeyboardInterrupt):
        run(scenario, draws=DRAWS, seed=7, workers=2, block=4, out=tmp_path / "r", progress=stop)
    seen: list[Progress] = []
    assert resume(tmp_path / "r", cluster=cluster, progress=seen.append).answer_sha256 == expected[name]
    assert seen[0].cached >= 8
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        *("inputs.json", "manifest.json", "parts", "run.log", "scenario.yaml")
    ]


def test_bad_draws_are_named_and_the_rest_is_kept(tmp_path: Path, cluster: str, expected: dict[str, str]) -> None:
    with pytest.raises(LostDrawsError) as caught:
        run(
            "ring_of_ten",
            draws=DRAWS,
            seed=7,
            out=tmp_path,
            cluster=cluster,
            player=players.all_of_them,
            time_limit=2.0,
        )
    assert caught.value.exit_code == 5
    said = str(caught.value)
    assert said.startswith("draw 5, draw 21, draw 37: ")
    assert "sim repro" in said
    assert "--draw 5" in said
    assert "--without 5,21,37" in said
    log = (tmp_path / "run.log").read_text()
    assert "draw 37 ran longer than 2 s" in log
    assert "Segmentation fault" in log
    assert "status 137" in log
    assert str(Path.cwd()) not in log
    seen: list[Progress] = []
    made = resume(tmp_path, player=players.raises, without=[5, 21], progress=seen.append)
    assert seen[0].cached == DRAWS - 3
    assert made.failed_draws["draw"].tolist() == [5, 21, 37]
    assert made.failed_draws["reason"].iloc[2] == "ValueError: bad luck"
    good = run("ring_of_ten", draws=DRAWS, seed=7)
    rest = np.delete(np.arange(DRAWS), [5, 21, 37])
    for name, values in good.metrics.items():
        assert values[rest].tobytes() == made.metrics[name][rest].tobytes()
    assert good.answer_sha256 == expected["ring_of_ten"]


def test_processes_that_die_by_chance_cost_nothing_but_time(
    tmp_path: Path, cluster: str, expected: dict[str, str]
) -> None:
    mark = tmp_path / "marks"
    mark.mkdir()
    made = run(
        *("ring_of_ten",),
        draws=300,
        seed=7,
        out=tmp_path / "r",
        cluster=cluster,
        block=32,
        player=players.DiesOnce(mark),
    )
    assert len(list(mark.iterdir())) >= 4
    assert made.answer_sha256 == run("ring_of_ten", draws=300, seed=7).answer_sha256
    assert made.count("failed") == 0
    assert "signal 9" in (tmp_path / "r" / "run.log").read_text()


def test_what_is_sent_with_a_chunk_is_small(cluster: str) -> None:
    assert len(pickle.dumps((play_chunk, Chunk("k" * 64, 10**12, 1000, True, False, 600.0)))) < 1000
    client, _ = connection._kept[cluster]
    caps = client.run(lambda: os.environ["NUMBA_NUM_THREADS"])
    assert set(caps.values()) == {"1"}


def test_a_table_changed_before_a_process_reads_it(tmp_path: Path) -> None:
    from tests.experiments.test_faults import BANKS, EXPOSURES, SCENARIO

    for name, text in (("tiny.yaml", SCENARIO), ("banks.csv", BANKS), ("exposures.csv", EXPOSURES)):
        (tmp_path / name).write_text(text)
    scenario = load(tmp_path / "tiny.yaml")
    (tmp_path / "banks.csv").write_text(BANKS.replace("100,4", "100,5"))
    origin = scenario.origin
    settle(Setting("key", tmp_path, scenario.canonical(), origin.folder, origin.inputs, False, None, 7, None, None))
    with pytest.raises(InputError, match="changed since the run began") as caught:
        play_chunk(Chunk("key", 0, 4, True, False, 60.0), "tcp://x")
    assert caught.value.exit_code == 3


def test_words_of_a_process_that_died(tmp_path: Path) -> None:
    assert last_words(tmp_path, "tcp://a") == (0, 0, "")
    path = crumb_of(tmp_path, "tcp://a")
    path.parent.mkdir()
    path.write_text(f"{64:>14} {32:>4}\nFatal Python error\n\n  File x\n")
    assert last_words(tmp_path, "tcp://a") == (64, 32, "Fatal Python error\n  File x")
    path.write_text("what")
    assert last_words(tmp_path, "tcp://a") == (0, 0, "")


def test_a_chunk_delivered_twice_counts_once() -> None:
    shelf = Shelf(10, None, agents=False)
    part = Part(0, {"loss": np.ones((4, 1))}, ("ok",) * 4, ("",) * 4)
    assert shelf.take(Stretch.of(part)) is not None
    assert shelf.take(Stretch.of(part)) is None
    late = Part(2, {"loss": np.ones((8, 1))}, ("ok",) * 8, ("",) * 8)
    assert shelf.take(Stretch.of(late)) is None
    rest = Part(4, {"loss": np.ones((6, 1))}, ("ok",) * 6, ("",) * 6)
    assert shelf.take(Stretch.of(rest)) is not None
    assert shelf.take(Stretch.of(rest)) is None
    assert list(shelf.digests) == [0]


@pytest.mark.parametrize("status", ["lost", "pending", "cancelled"])
def test_a_receipt_that_went_down_with_its_process_is_asked_for_again(tmp_path: Path, status: str) -> None:
    def never(timeout: float) -> None:
        raise TimeoutError(f"nobody answers within {timeout} s")

    desk, order = _Desk(tmp_path, 100), _Order(0, 32)
    office = _Office(SimpleNamespace(status="running"), desk, How(2), Shelf(100, None, agents=False), [])
    future = SimpleNamespace(key="k", status=status, exception=never, result=never)
    for tries in range(1, TRIES + 1):
        desk.running["k"] = order
        desk.done.put(future)
        assert list(office.next()) == []
        assert (desk.waiting.pop(), order.tries, desk.running) == (order, tries, {})
    desk.running["k"] = order
    desk.done.put(future)
    with pytest.raises(ClusterError, match=f"draws 0 to 31 were lost {TRIES} times"):
        list(office.next())


def test_wrong_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="give one"):
        run("ring_of_ten", draws=4, cluster="local:2")
    for address in ("local:0", "local", "http://x", str(tmp_path / "nowhere.json")):
        with pytest.raises(UsageError, match="cluster must be local:N"):
            run("ring_of_ten", draws=4, cluster=address, out=tmp_path / "r")
    monkeypatch.setattr(connection, "ANSWER", 1.0)
    with pytest.raises(ClusterError, match=r"no cluster at tcp://127\.0\.0\.1:9") as caught:
        run("ring_of_ten", draws=4, cluster="tcp://127.0.0.1:9", out=tmp_path / "r")
    assert caught.value.exit_code == 5


def test_a_cluster_of_others(tmp_path: Path) -> None:
    distributed: Any = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0", worker_dashboard_address=None
    ) as others:
        file = tmp_path / "scheduler.json"
        file.write_text(__import__("json").dumps(others.scheduler.identity()))
        address = others.scheduler_address
        made = [
            run("ring_of_ten", draws=20, seed=7, out=tmp_path / str(k), cluster=each).answer_sha256
            for k, each in enumerate(a for a in (address, str(file)) if a.startswith("tcp") or a == str(file))
        ]
    assert set(made) == {run("ring_of_ten", draws=20, seed=7).answer_sha256}


def test_what_else_goes_on_in_this_machine_and_process_is_none_of_its_business(tmp_path: Path) -> None:
    before = {name: os.environ.get(name) for name in connection.INHERITED}
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # somebody is there already
            taken.bind(("127.0.0.1", 8787))  # where Dask listens unless told otherwise
            taken.listen()
        found = run("ring_of_ten", draws=4, seed=7, out=tmp_path / "r", cluster="local:1")  # warnings are errors here
    assert found.answer_sha256 == run("ring_of_ten", draws=4, seed=7).answer_sha256
    assert {name: os.environ.get(name) for name in before} == before  # what its processes inherit


def test_nothing_is_left_when_the_run_is_killed(tmp_path: Path) -> None:
    from tests.campaign_runs.kill import once

    whole = run("eu48_sovereign", draws=30, seed=7).answer_sha256
    began = time.monotonic()
    found = once(tmp_path, whole, draws=30, after=0.0, cluster="local:2", wait=True)
    assert found["good"], (found, time.monotonic() - began)


def test_draws_as_a_reader_says_them() -> None:
    assert named([(32, 32), (5, 1)]) == "draw 5, draws 32 to 63"
    assert named([(k, 1) for k in range(10)]).endswith("draw 7 and 2 more")
