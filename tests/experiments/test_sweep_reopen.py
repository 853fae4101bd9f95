"""A sweep finished from its folder alone, and its folder checked: the answer is that of a sweep never interrupted."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.errors import InputError, StoreError
from sim.experiments.monte_carlo import Progress, resume, run
from sim.experiments.repro import InterruptedRunError, repro
from sim.experiments.sweep import open_sweep, sweep
from sim.experiments.sweep_folder import read_sweep, write_sweep
from sim.experiments.sweep_reopen import found_sweep, resume_sweep, verify_sweep
from sim.scenario.load import load
from tests.experiments.test_faults import BANKS, EXPOSURES, SCENARIO

ROOT = Path(__file__).resolve().parents[2]
OVER: dict[str, Any] = {"shocks.0.size": [0.1, 0.3, 0.5]}
POLICIES: dict[str, dict[str, Any]] = {"as it is": {}, "other bank": {"shocks.0.target": "B05"}}
LAW = {"shocks.0.size": {"beta": {"a": 2, "b": 5}}, "channels.credit.alpha": [0.5, 1.0]}


def stop_at(draws: int) -> Callable[[Progress], None]:
    def told(at: Progress) -> None:
        if at.done >= draws:
            raise KeyboardInterrupt

    return told


def spoil(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A finished sweep of three points under two policies, four draws each."""
    sweep("ring_of_ten", OVER, draws=4, seed=1, policies=POLICIES, out=tmp_path / "s")
    return tmp_path / "s"


@pytest.mark.parametrize("sample", ["grid", "sobol:5", "lhs:4", "list", "oat"])
def test_the_folder_alone(tmp_path: Path, sample: str, monkeypatch: pytest.MonkeyPatch) -> None:
    over: Any = LAW if ":" in sample else {**OVER, "channels.credit.alpha": [0.5, 0.7, 1.0]}
    how: dict[str, Any] = {"sample": sample, "policies": POLICIES, "draws": 6, "record": "agents"}
    with pytest.raises(KeyboardInterrupt):
        sweep("ring_of_ten", over, out=tmp_path / "s", progress=stop_at(20), **how)
    seed = read_sweep(tmp_path / "s")["seed"]  # drawn, and kept
    whole = sweep("ring_of_ten", over, seed=seed, **how)
    monkeypatch.chdir(tmp_path)  # the working folder does not matter
    seen: list[Progress] = []
    made = resume_sweep("s", progress=seen.append, workers=1, block=2)
    assert made.answer_sha256 == whole.answer_sha256 == open_sweep("s").answer_sha256
    assert seen[-1].cached >= 18
    assert made.facts["rows"] == whole.facts["rows"]
    assert made.result(0).manifest["record"] == "agents"
    assert verify_sweep("s").runs == len(whole.points)


def test_settings_are_the_sweeps_own(tmp_path: Path, ring: Any, toy: Callable[..., Any]) -> None:
    loose = toy(uncertified=frozenset({2}))
    how: dict[str, Any] = {"draws": 5, "allow_uncertified": True}
    whole = sweep(ring, OVER, seed=3, player=loose, **how)
    with pytest.raises(KeyboardInterrupt):
        sweep(ring, OVER, seed=3, player=loose, out=tmp_path, progress=stop_at(7), **how)
    with pytest.raises(StoreError, match=r"was played by .*Toy; call resume_sweep in Python with player= or model="):
        resume_sweep(tmp_path)
    made = resume_sweep(tmp_path, player=loose)
    assert made.points["status"].tolist() == ["ok"] * 3
    assert made.answer_sha256 == whole.answer_sha256


@pytest.fixture(scope="module")
def ring() -> Any:
    return load("ring_of_ten").override({"record": "metrics"})


def test_draws_of_the_scenario_and_of_a_key(tmp_path: Path) -> None:
    over = {"monte_carlo.draws": [2, 5], "monte_carlo.seed": [1, 2]}
    whole = sweep("ring_of_ten", over)
    with pytest.raises(KeyboardInterrupt):
        sweep("ring_of_ten", over, out=tmp_path, progress=stop_at(6))
    assert resume_sweep(tmp_path).answer_sha256 == whole.answer_sha256
    assert whole.points["draws"].tolist() == [2, 2, 5, 5]


def test_runs_that_end_when_their_mean_is_known(tmp_path: Path, ring: Any, toy: Callable[..., Any]) -> None:
    enough = ring.override({"monte_carlo.until": {"metric": "defaults", "ci": 0.2}})
    whole = sweep(enough, OVER, draws=4000, seed=3, player=toy())
    assert set(whole.points["draws"]) == {1000}
    with pytest.raises(KeyboardInterrupt):
        sweep(enough, OVER, draws=4000, seed=3, player=toy(), out=tmp_path, progress=stop_at(1100))
    with pytest.raises(InterruptedRunError, match="1 of 3 runs are finished"):
        verify_sweep(tmp_path)
    assert found_sweep(tmp_path).points["draws"].tolist() == [1000, 4000, 4000]
    made = resume_sweep(tmp_path, player=toy())
    assert made.answer_sha256 == whole.answer_sha256
    assert verify_sweep(tmp_path).parts == 3


def test_a_finished_sweep_is_not_played_again(kept: Path) -> None:
    seen: list[Progress] = []
    before = {path: path.read_bytes() for path in kept.rglob("*.parquet")}
    assert resume_sweep(kept, progress=seen.append).answer_sha256 == open_sweep(kept).answer_sha256
    assert {(at.done - at.cached, at.draws) for at in seen} == {(0, 24)}
    assert {path: path.read_bytes() for path in kept.rglob("*.parquet")} == before


def test_verify_names_what_is_damaged_and_resume_mends_that_only(kept: Path) -> None:
    expected = open_sweep(kept).answer_sha256
    found = verify_sweep(kept)
    assert (found.runs, found.failed, found.parts) == (6, 0, 6)
    places = sorted((kept / "points").iterdir())
    spoil(places[1] / "parts" / "draws-0000000000.parquet")
    (places[4] / "parts" / "draws-0000000000.parquet").unlink()
    (places[2] / "manifest.json").write_text("{")
    with pytest.raises(StoreError) as caught:
        verify_sweep(kept)
    said = str(caught.value)
    assert caught.value.exit_code == 6
    assert said.endswith('"resume" computes them again')
    assert [place.name in said for place in places] == [False, True, True, False, True, False]
    seen: list[Progress] = []
    assert resume_sweep(kept, progress=seen.append).answer_sha256 == expected
    assert seen[-1].done - seen[-1].cached == 8  # two runs played, a manifest made again
    assert verify_sweep(kept).facts["answer_sha256"] == expected


def test_verify_sees_a_run_and_an_answer_that_are_not_the_sweeps(kept: Path) -> None:
    facts = read_sweep(kept)
    write_sweep(kept, facts | {"answer_sha256": "0" * 64})
    with pytest.raises(StoreError, match="do not give the answer_sha256 of the sweep"):
        verify_sweep(kept)
    write_sweep(kept, facts)
    first, second = (kept / facts["rows"][k]["folder"] for k in (0, 2))
    shutil.rmtree(first)
    shutil.copytree(second, first)  # intact, and another run
    with pytest.raises(StoreError, match=f"{first.name}: is not the run that the sweep tells of"):
        verify_sweep(kept)
    with pytest.raises(StoreError, match="no sweep found"):
        verify_sweep(kept / "points")


def test_an_interrupted_sweep_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweep("ring_of_ten", OVER, draws=10, seed=1, out=tmp_path, progress=stop_at(15))
    with pytest.raises(InterruptedRunError, match=r'1 of 3 runs are finished, all that is there is intact; "resume"'):
        verify_sweep(tmp_path)
    part = next(tmp_path.glob("points/*/parts/draws-0000000000.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(StoreError, match=rf"{part.parent.parent.name}: parts/draws-0000000000\.parquet"):
        verify_sweep(tmp_path)


def test_points_that_failed_are_no_damage_and_are_tried_again(tmp_path: Path, ring: Any, toy: Any) -> None:
    good = toy()

    def picky(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
        if scenario.shocks[0].size.fixed == 0.3:
            raise ValueError("this point cannot be")
        return good(scenario, system, draws, seed)

    law = {"shocks.0.size": {"normal": {"mean": 0.5, "std": 0.5}}}  # some are above 1: no folder at all
    sweep(ring, law, sample="sobol:8", draws=3, seed=1, out=tmp_path / "a", player=good)
    found = verify_sweep(tmp_path / "a")
    assert found.failed > 0
    assert found.runs + found.failed == 8
    sweep(ring, OVER, draws=3, seed=1, out=tmp_path / "b", player=picky)
    assert verify_sweep(tmp_path / "b").failed == 1
    bad = next(row for row in read_sweep(tmp_path / "b")["rows"] if row["status"] == "failed")
    assert "this point cannot be" in bad["reason"]
    assert str(tmp_path) not in (tmp_path / "b" / "sweep.json").read_text()


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A scenario of the user's own tables."""
    place = tmp_path / "work" / "scenario"
    place.mkdir(parents=True)
    for name, text in (("tiny.yaml", SCENARIO), ("banks.csv", BANKS), ("exposures.csv", EXPOSURES)):
        (place / name).write_text(text)
    return place


def test_tables_are_found_again_moved_or_changed(tables: Path) -> None:
    over = {"channels.credit.valuation": ["eisenberg-noe", "furfine"]}
    folder = tables.parent / "s"
    with pytest.raises(KeyboardInterrupt):
        sweep(tables / "tiny.yaml", over, draws=5, out=folder, progress=stop_at(6))
    expected = sweep(tables / "tiny.yaml", over, draws=5).answer_sha256
    moved = tables.parent / "deep" / "s"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    with pytest.raises(InputError, match="name their folder with --inputs"):
        resume_sweep(moved)
    assert resume_sweep(moved, inputs=tables).answer_sha256 == expected
    (tables / "banks.csv").write_text(BANKS.replace("100,4", "100,5"))
    with pytest.raises(InputError, match="changed since the run began") as caught:
        resume_sweep(moved, inputs=tables)
    assert caught.value.exit_code == 3


def test_what_cannot_go_on(kept: Path) -> None:
    facts = read_sweep(kept)
    write_sweep(kept, facts | {"engine": "0.0.9+abc"})
    with pytest.raises(StoreError, match=r"was made by engine 0\.0\.9\+abc"):
        resume_sweep(kept)
    write_sweep(kept, facts | {"rows": 3})
    with pytest.raises(StoreError, match="rows is missing or of the wrong type"):
        resume_sweep(kept)
    write_sweep(kept, facts | {"axes": {"shocks.0.size": [0.1, 0.3]}})  # not those of the key
    with pytest.raises(StoreError, match="holds another sweep, or a table, plug-in or library behind its points"):
        resume_sweep(kept)
    write_sweep(kept, facts)
    text = (kept / "scenario.yaml").read_text()
    (kept / "scenario.yaml").write_text(text.replace("eisenberg-noe", "furfine"))
    with pytest.raises(StoreError, match=r"scenario\.yaml is not that of the sweep"):
        resume_sweep(kept)
    (kept / "sweep.json").write_bytes((kept / "sweep.json").read_bytes()[:-30])
    with pytest.raises(StoreError, match="not valid JSON; remove it and sweep into the folder again"):
        resume_sweep(kept)


def test_a_sweep_is_no_run(kept: Path) -> None:
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    for deed in (lambda: run("ring_of_ten", draws=2, seed=1, out=kept), lambda: resume(kept), lambda: repro(kept, 0)):
        with pytest.raises(StoreError, match="holds a sweep"):
            deed()
    assert {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before


def test_left_over_temporary_files_are_removed(kept: Path) -> None:
    left = kept / "sweep.json.999-1.tmp"
    left.write_text("{")
    resume_sweep(kept)
    assert not left.exists()


# -- in processes of their own -----------------------------------------------------------------------------------------

CALL = ("sweep", "ring_of_ten", "--over", "shocks.0.size=0.04:0.52:13", "--draws", "10", "--seed", "5", "--out", "s")
ENV = os.environ | {"PYTHONPATH": str(ROOT)}


def started(place: Path) -> subprocess.Popen[str]:
    """A sweep under way, with some of its runs finished."""
    child = subprocess.Popen(
        [sys.executable, "-m", "sim", *CALL, "--workers", "1"],
        cwd=place,
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60.0
    while len(list(place.glob("s/points/*/parts/*.parquet"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    return child


@pytest.fixture(scope="module")
def whole() -> str:
    """The answer of that sweep, undisturbed."""
    sizes = [round(0.04 * (k + 1), 2) for k in range(13)]
    return sweep("ring_of_ten", {"shocks.0.size": sizes}, draws=10, seed=5).answer_sha256


def resumed(place: Path, words: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sim", *words], cwd=place, env=ENV, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "system_loss [currency units]" in done.stdout
    return str(read_sweep(place / "s")["answer_sha256"])


def test_killed_in_the_middle(tmp_path: Path, whole: str) -> None:
    with started(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
    facts = read_sweep(tmp_path / "s")
    assert child.returncode == -signal.SIGKILL
    assert not facts["complete"]
    assert len(list(tmp_path.glob("s/points/*"))) < 13
    assert resumed(tmp_path, ["resume", "s"]) == whole
    assert verify_sweep(tmp_path / "s").runs == 13
    assert not list(tmp_path.rglob("*.tmp"))


def test_ctrl_c_prints_the_command_that_goes_on(tmp_path: Path, whole: str) -> None:
    with started(tmp_path) as child:
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=30)[1]
        assert time.monotonic() - began < 5.0
    assert child.returncode == 130
    command = re.search(r"interrupted; finished draws are kept, to go on: (sim .*)", said)
    assert command, said
    words = shlex.split(command[1])
    assert words == ["sim", "resume", "--workers", "1", "s"]
    assert resumed(tmp_path, words[1:]) == whole


def test_one_cluster_for_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    from sim.experiments import connection

    starts: list[int] = []
    real = connection._started

    def counted(distributed: Any, workers: int) -> Any:
        starts.append(workers)
        return real(distributed, workers)

    monkeypatch.setattr(connection, "_started", counted)
    expected = sweep("ring_of_ten", OVER, draws=6, seed=1).answer_sha256
    with pytest.raises(KeyboardInterrupt):
        sweep("ring_of_ten", OVER, draws=6, seed=1, out=tmp_path, cluster="local:1", progress=stop_at(8))
    assert starts == [1]
    assert not connection._kept
    made = resume_sweep(tmp_path, cluster="local:2")
    assert starts == [1, 2]
    assert made.answer_sha256 == expected
    assert json.loads((tmp_path / "sweep.json").read_text())["complete"]
