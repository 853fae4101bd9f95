"""`sim ramp`: the table, its JSON and figure, the folder it goes on in, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.cli.app import main

Call = Callable[..., tuple[int, str, str]]
RAMP = """\
version: 1
name: mine
base: ring_of_ten
mode: ramp
ramp:
  last: 2022Q3
  dials: {shocks.0.size: [0.1, 0.6]}
"""


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line in this process, in a folder with a small ramp."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(RAMP)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def written(folder: Path) -> dict[Path, int]:
    """When each part of the runs was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("draws-*.parquet")}


def test_a_table_a_figure_and_a_folder_to_go_on_in(sim: Call) -> None:
    code, out, err = sim("ramp", "mine.yaml", "--draws", "2", "--seed", "7", "-o", "mine.svg")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["quarter", "2022Q1", "2022Q2", "2022Q3"]
    assert "mean system_loss" in out
    assert "figure: mine.svg" in err
    assert Path("mine.svg").read_text().startswith("<?xml")
    (folder,) = Path("results").iterdir()
    assert folder.name.startswith("mine-ramp-")
    parts = written(folder)
    assert len(parts) == 3
    again = sim("ramp", "mine.yaml", "--draws", "2", "--seed", "7", "--quiet")
    assert again[:2] == (0, out)
    assert written(folder) == parts  # nothing is played again


def test_json_and_csv(sim: Call) -> None:
    code, out, err = sim("ramp", "mine.yaml", "--draws", "2", "--seed", "7", "--json", "--quiet", "--runs", "here")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert (said["scenario"], said["statistic"], said["draws"], said["folder"]) == ("mine", "ES99", 2, "here")
    rows = said["quarters"]
    assert [row["quarter"] for row in rows] == ["2022Q1", "2022Q2", "2022Q3"]
    for row in rows:
        assert row["mean_low"] <= row["mean"] <= row["mean_high"]
        assert row["risk_low"] <= row["risk"] <= row["risk_high"]
    assert rows[0]["coverage"] < rows[2]["coverage"]
    code, out, _ = sim("ramp", "mine.yaml", "--draws", "2", "--seed", "7", "--csv", "--quiet", "--runs", "here")
    assert code == 0
    assert out.startswith("quarter,adoption,coverage,")
    assert sim("ramp", "mine.yaml", "--draws", "2", "--seed", "8", "--quiet", "--runs", "here")[0] == 6


def test_keys_are_set_as_in_a_run(sim: Call) -> None:
    asked = ("--draws", "1", "--seed", "7", "--csv", "--quiet", "--set", "ramp.last=2022Q2")
    slow = sim("ramp", "mine.yaml", *asked, "--set", "ramp.adoption.speed=0.1")[1]
    fast = sim("ramp", "mine.yaml", *asked, "--set", "ramp.adoption.speed=3")[1]
    assert slow.splitlines()[1] == fast.splitlines()[1]
    assert slow.splitlines()[2] != fast.splitlines()[2]
    assert len(slow.splitlines()) == 3


def test_a_frontier_of_a_ramp_needs_nothing_else(sim: Call) -> None:
    code, out, _ = sim("frontier", "mine.yaml", "--statistic", "mean", "--draws", "2", "--json", "--quiet")
    assert code == 0
    said = json.loads(out)
    assert said["benefit"] == "Coverage of the underserved"
    assert [row["policy"] for row in said["policies"]] == ["2022Q1", "2022Q2", "2022Q3"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((), 2, "ramp needs a scenario"),
        (("ring_of_ten",), 2, "ring_of_ten is no ramp (mode: static)"),
        (("mine.yaml", "--json", "--csv"), 2, "give one"),
        (("mine.yaml", "--draws", "0"), 2, "--draws must be from 1"),
        (("mine.yaml", "--statistic", "ES200", "--draws", "1"), 2, "ES200"),
        (("mine.yaml", "--set", "ramp.adoption.speed=-1"), 3, "ramp.adoption.speed = -1 must be"),
    ],
)
def test_refusals(sim: Call, args: tuple[str, ...], code: int, said: str) -> None:
    found, out, err = sim("ramp", *args)
    assert (found, out) == (code, "")
    assert said in err


def test_a_run_of_a_ramp_names_the_command_that_plays_it(sim: Call) -> None:
    code, out, err = sim("run", "mine.yaml")
    assert (code, out) == (3, "")
    assert err == (
        "mine.yaml:4: mode: ramp is a run in every quarter: `sim ramp`, or sim.ramp in Python, plays mine; one quarter "
        "of it is scenario.quarter('2022Q1')\n"
    )
    assert not Path("results").exists()
    assert sim("validate", "mine.yaml")[0] == 0
    assert "quarters  2022Q1 to 2025Q4" in sim("describe", "digital_ramp")[1]
