"""What the shell offers at every place of every command where there is something to offer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.cli import complete
from sim.cli.app import COMMANDS, main

Complete = Callable[[str], list[str]]


@pytest.fixture
def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Complete:
    """Ask as bash does, in a folder with a scenario, a run, a sweep and other things."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("version: 1\nname: mine\nbase: ring_of_ten\nmetrics: [defaults]\n")
    (tmp_path / "notes.txt").write_text("")
    for name, inside in (("arun", "manifest.json"), ("asweep", "sweep.json"), ("aaa", "other.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / inside).write_text(json.dumps({"metrics": [{"name": "system_loss"}]}))

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_SIM_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        with pytest.raises(SystemExit):
            main([])
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.split()

    return ask


OURS = ["arun/", "asweep/", "aaa/"]  # those that hold a result first
PLACES = {
    "run": [("sim run ring", ["ring_of_ten"]), ("sim run mi", ["mine.yaml"]), ("sim run --out a", OURS)],
    "resume": [("sim resume a", OURS), ("sim resume --inputs aa", ["aaa/"])],
    "sweep": [("sim sweep ring", ["ring_of_ten"]), ("sim sweep ring_of_ten --sample s", ["sobol:", "saltelli:"]),
              ("sim sweep mine.yaml --metric d", ["defaults"])],
    "compare": [("sim compare aa", ["aaa/"]), ("sim compare arun ring", ["ring_of_ten"]),
                ("sim compare --statistic V", ["VaR99"])],
    "attribute": [("sim attribute ring", ["ring_of_ten"]), ("sim attribute mine.yaml --metric d", ["defaults"])],
    "frontier": [("sim frontier ring", ["ring_of_ten"]), ("sim frontier mine.yaml --benefit d", ["defaults"]),
                 ("sim frontier ring_of_ten --policy a:shocks.0.s", ["a:shocks.0.size.fixed"])],
    "ramp": [("sim ramp digital", ["digital_ramp"]), ("sim ramp digital_ramp --risk system_l", ["system_loss"]),
             ("sim ramp digital_ramp --set ramp.adoption.sp", ["ramp.adoption.speed"])],
    "validate": [("sim validate ring", ["ring_of_ten"]), ("sim validate ring_of_ten mi", ["mine.yaml"])],
    "list": [("sim list sc", ["scenarios"])],
    "describe": [("sim describe price_f", ["price_fall"])],
    "new": [("sim new x --from ring", ["ring_of_ten"])],
    "schema": [("sim schema --pl", ["--plugins"])],
    "show": [("sim show a", OURS)],
    "verify": [("sim verify a", OURS)],
    "repro": [("sim repro ar", ["arun/"])],
    "plot": [("sim plot a", OURS), ("sim plot arun --kind f", ["fan"]), ("sim plot arun --metric s", ["system_loss"])],
    "report": [("sim report a", OURS)],
    "export": [("sim export a", OURS), ("sim export arun --to n", ["nc"])],
    "plan": [("sim plan ring", ["ring_of_ten"])],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_completes(command: str, completed: Complete) -> None:
    # a command that is added says here what it completes
    for line, offered in PLACES[command]:
        assert completed(line) == offered, line


def test_keys_are_those_of_the_scenario_on_the_line(completed: Complete) -> None:
    assert completed("sim run ring_of_ten --set shocks.0.s") == ["shocks.0.size.fixed"]
    assert completed("sim sweep ring_of_ten --over channels.credit.al") == ["channels.credit.alpha"]
    assert completed("sim sweep ring_of_ten --policy mild:channels.credit.al") == ["mild:channels.credit.alpha"]
    assert "shocks.0.falls.S" not in completed("sim run ring_of_ten --set shocks.0")
    assert "metrics" in completed("sim run mine.yaml --set m")
    assert completed("sim run nosuch.yaml --set m") == []
    assert completed("sim run --set monte_carlo.se") == ["monte_carlo.seed"]  # the demo's


def test_ways_to_show_progress(completed: Complete) -> None:
    for command in ("run", "resume", "sweep", "compare", "attribute", "frontier", "ramp"):
        assert completed(f"sim {command} --progress l") == ["lines"]


def test_what_cannot_be_read_offers_nothing(tmp_path: Path, completed: Complete) -> None:
    (tmp_path / "arun" / "manifest.json").write_text("{")
    assert completed("sim plot arun --metric s") == []
    assert completed("sim plot aaa --metric s") == []
    (tmp_path / "bad.yaml").write_text("a: [")
    assert completed("sim run bad.yaml --set m") == []


def test_leaves_are_keys_that_take_a_value() -> None:
    said = {"a": 1, "b": {"c": None, "d": []}, "e": [{"f": 1}, {"f": {"g": 2}}], "h": [1, 2], "i": {}}
    assert list(complete._leaves(said)) == ["a", "b.c", "b.d", "e.0.f", "e.1.f.g", "h", "i"]
