"""Stopping, going on, checking and exporting, as typed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.cli.app import main
from sim.cli.control import progress_asked, seconds
from sim.cli.progress import Lines, as_json
from sim.errors import UsageError
from sim.experiments.monte_carlo import Progress, run
from sim.experiments.opening import open_result

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = """\
version: 1
name: tiny
system:
  agents:
    banks: {file: banks.csv}
mode: static
shocks:
  - {kind: asset_loss, target: banks, size: {beta: {a: 2, b: 20}}}
channels:
  credit: {valuation: eisenberg-noe}
metrics: [system_loss, defaults]
record: agents
monte_carlo: {draws: 4, seed: 7}
"""
BANKS = 'id,total_assets,equity\n=1+1,100,4\n@b,80,6\n"-c,d",60,9\n'


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three banks with names that a spreadsheet would run; the working folder."""
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    (tmp_path / "banks.csv").write_text(BANKS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(args)
    said = capsys.readouterr()
    return code, said.out, said.err


def started(place: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sim", *args],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestStopping:
    """A signal pauses a run; the command it prints finishes it."""

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_a_signal_then_the_command_it_prints(
        self, tiny: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
    ) -> None:
        with started(tiny, "run", "eu48_sovereign", "--draws", "100000", "--out", "a b", "--progress", "json") as child:
            assert child.stderr is not None
            for line in child.stderr:  # until something is there to be kept
                if line.startswith("{") and json.loads(line)["done"] > 0:
                    break
            began = time.monotonic()
            child.send_signal(number)
            out, err = child.communicate(timeout=60)
        assert time.monotonic() - began < 5.0
        assert (child.returncode, out) == (code, "")
        assert err.splitlines()[-1].endswith("to go on: sim resume 'a b'")
        assert "Traceback" not in err
        assert "interrupted" in (tiny / "a b" / "run.log").read_text()
        # the same folder as a shorter run: what was played is not played again
        (tiny / "a b" / "manifest.json").unlink()
        text = (tiny / "a b" / "scenario.yaml").read_text()
        (tiny / "a b" / "scenario.yaml").write_text(text.replace("draws: 100000", "draws: 8"))
        code_, out, err = call(capsys, "resume", "a b", "--json", "--quiet")
        assert code_ == 0, err
        assert json.loads(out)["answer_sha256"] == run("eu48_sovereign", draws=8).answer_sha256

    def test_a_second_signal_stops_at_once(self, tiny: Path) -> None:
        code = (
            "import os, signal, sys, threading, time; from sim.cli.signals import stoppable\n"
            "with stoppable():\n"
            "    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
            "    threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
            "    try:\n"
            "        time.sleep(30)\n"
            "    finally:\n"
            "        time.sleep(30)\n"
        )
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, timeout=60
        )
        assert done.returncode == 130
        assert time.monotonic() - began < 20.0


def test_quiet_leaves_the_progress_that_was_asked_for(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args in (("run", "tiny.yaml", "--draws", "20", "--out", "r"), ("resume", "r")):
        (tiny / "r" / "manifest.json").unlink(missing_ok=True)
        for part in tiny.glob("r/parts/*"):
            part.unlink()
        code, _, err = call(capsys, *args, "--quiet", "--progress", "json")
        assert code == 0
        assert [json.loads(line)["done"] for line in err.splitlines()][-1] == 20


class TestLooking:
    """Checks of a result, and draws played again."""

    def test_verify(self, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
        made = run("tiny.yaml", draws=20, out="r")
        code, out, err = call(capsys, "verify", "r")
        assert (code, err) == (0, "")
        assert out == f"intact: 1 parts, 20 draws\nanswer_sha256: {made.answer_sha256}\n"
        code, out, _ = call(capsys, "verify", "r", "--json")
        assert json.loads(out)["intact"] is True
        path = tiny / "r" / "parts" / "draws-0000000000.parquet"
        path.write_bytes(path.read_bytes()[:-5])
        code, out, err = call(capsys, "verify", "r")
        assert (code, out) == (6, "")
        assert "parts/draws-0000000000.parquet" in err

    def test_repro(self, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
        run("tiny.yaml", draws=20, out="r")
        assert call(capsys, "repro", "r", "--draw", "3") == (0, "draw 3: all bits agree\n", "")
        code, out, _ = call(capsys, "repro", "r", "--draw", "3", "--json")
        assert (code, json.loads(out)["equal"]) == (0, True)
        assert call(capsys, "repro", "r", "--draw", "20")[0] == 2
        (tiny / "banks.csv").write_text(BANKS.replace("100,4", "100,5"))
        code, _, err = call(capsys, "repro", "r", "--draw", "3")
        assert code == 3
        assert "banks.csv: system.agents.banks.file: changed since the run began" in err

    def test_plan(self, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = call(capsys, "plan", "tiny.yaml", "--draws", "1000", "--json")
        assert code == 0
        assert json.loads(out)["refusals"] == []
        code, out, _ = call(capsys, "plan", "tiny.yaml")
        assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == [
            *("4", "memory", "disk", "time")
        ]

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["resume"], "resume needs a result folder"),
            (["verify"], "verify needs a result folder"),
            (["repro", "r"], "repro needs a result folder and --draw K"),
            (["export", "r"], "export needs a result folder and --to"),
            (["export", "r", "--to", "cvs"], "did you mean 'csv'?"),
            (["plan"], "plan needs a scenario file"),
            (["run", "tiny.yaml", "--time-limit", "0"], "is not a number of seconds above 0"),
            (["run", "tiny.yaml", "--progress", "loud"], "unknown way to show progress 'loud'"),
            (["run", "tiny.yaml", "--cluster", "nowhere"], "cluster must be local:N"),
        ],
    )
    def test_wrong_calls(self, tiny: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str) -> None:
        code, out, err = call(capsys, *args)
        assert (code, out) == (2, "")
        assert said in err

    def test_no_run(self, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for command in ("resume", "verify"):
            code, out, err = call(capsys, command, "nothere")
            assert (code, out) == (6, "")
            assert "nothere: no run found" in err


class TestExport:
    """Other programs' formats."""

    @pytest.fixture
    def made(self, tiny: Path) -> Any:
        return run("tiny.yaml", draws=1200, out="r")

    def test_csv_gives_the_bits_back_and_runs_nothing(
        self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, err = call(capsys, "export", "r", "--to", "csv", "-o", "x.csv")
        assert (code, out, err) == (0, "x.csv\nx-agents.csv\n", "")
        with Path("x.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert list(rows[0]) == ["draw", "step", "system_loss", "defaults", "status", "reason"]
        assert [int(row["draw"]) for row in rows] == list(range(1200))
        assert np.array([float(row["system_loss"]) for row in rows]).tobytes() == made.metrics["system_loss"].tobytes()
        with Path("x-agents.csv").open(newline="") as stream:
            agents = list(csv.DictReader(stream))
        assert [row["agent"] for row in agents[:3]] == ["'=1+1", "'@b", "'-c,d"]
        assert len(agents) == 3600

    def test_parquet(self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
        import duckdb

        assert call(capsys, "export", "r", "--to", "parquet")[0] == 0
        found = duckdb.sql("select count(*), max(draw) from 'r/draws.parquet'").fetchall()
        assert found == [(1200, 1199)]
        assert open_result("r").answer_sha256 == made.answer_sha256

    def test_netcdf(self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
        import xarray as xr

        assert call(capsys, "export", "r", "--to", "nc")[0] == 0
        with xr.open_dataset("r/draws.nc") as data:
            assert data["system_loss"].values.tobytes() == made.metrics["system_loss"].tobytes()
            assert data.attrs["answer_sha256"] == made.answer_sha256

    def test_zarr(self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("zarr", reason="the extra `export` is not installed")
        import xarray as xr

        for _ in range(2):  # the second takes the place of the first
            code, out, err = call(capsys, "export", "r", "--to", "zarr")
            assert (code, out, err) == (0, "r/draws.zarr\n", "")
        assert not Path("r/draws.zarr.tmp").exists()
        with xr.open_zarr("r/draws.zarr") as data:
            assert data["system_loss"].values.tobytes() == made.metrics["system_loss"].tobytes()
            assert data["equity"].values.tobytes() == np.ascontiguousarray(made.final["equity"]).tobytes()
            assert data["agent"].values.tolist() == ["=1+1", "@b", "-c,d"]
            assert data["system_loss"].attrs["units"] == made.info["system_loss"][0]
            assert data["status"].values.tolist() == ["ok"] * 1200
            assert data.attrs["answer_sha256"] == made.answer_sha256

    def test_zarr_takes_no_folder_of_others(self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("zarr", reason="the extra `export` is not installed")
        (tiny / "mine").mkdir()
        (tiny / "mine" / "precious.txt").write_text("keep")
        code, _, err = call(capsys, "export", "r", "--to", "zarr", "-o", "mine")
        assert code == 6
        assert "mine: exists and is no Zarr store; choose another place" in err
        assert (tiny / "mine" / "precious.txt").read_text() == "keep"

    def test_zarr_without_its_package(
        self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sim.experiments import export

        monkeypatch.setattr(export, "find_spec", lambda name: None)
        code, _, err = call(capsys, "export", "r", "--to", "zarr")
        assert code == 2
        assert "zarr needs a package that is not installed: pip install 'contagion-sim[export]'" in err

    def test_a_damaged_result_is_not_exported(self, tiny: Path, made: Any, capsys: pytest.CaptureFixture[str]) -> None:
        path = tiny / "r" / "parts" / "agents-0000001000.parquet"
        path.write_bytes(path.read_bytes()[:-5])
        assert call(capsys, "export", "r", "--to", "csv")[0] == 6
        assert not (tiny / "r" / "draws.csv").exists()


class TestProgress:
    """How far a run is, for programs."""

    AT = Progress(10, 40, 1, 5, 2.0, 2.5, 12.0)

    def test_one_object_a_line(self) -> None:
        said = json.loads(as_json(self.AT))
        assert said == {
            "event": "progress",
            "done": 10,
            "draws": 40,
            "failed": 1,
            "cached": 5,
            "seconds": 2.0,
            "rate": 2.5,
            "eta": 12.0,
        }
        assert json.loads(as_json(Progress(0, 4, 0, 0, 0.0, 0.0, float("nan"))))["eta"] is None

    def test_the_first_and_the_last_are_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = Lines(clock=lambda: 0.0, said=as_json, every=1.0)
        for done in (0, 10, 20, 40):
            lines(Progress(done, 40, 0, 0, 1.0, 1.0, 1.0))
        told = [json.loads(line)["done"] for line in capsys.readouterr().err.splitlines()]
        assert told == [0, 40]

    def test_options(self) -> None:
        assert progress_asked(None, True) == "none"
        assert progress_asked(None, False) == "auto"
        assert progress_asked("json", True) == "json"
        assert seconds("--x", "1.5") == 1.5
        assert seconds("--x", None) is None
        with pytest.raises(UsageError):
            seconds("--x", "1e3")
