"""``sim sweep`` and ``sim compare``: what they print, where, and with which exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.cli.app import main
from sim.cli.sweep import axes_of, policies_of
from sim.errors import InputError, UsageError

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_axes() -> None:
    found = axes_of(
        ["a=1,2.5,x", "b=0:1:5", "c={uniform: {low: 0, high: 1}}", "d=[1,2],[3]", "e=true,off", "f=0.1:0.7:4"]
    )
    assert found == {
        "a": [1, 2.5, "x"],
        "b": [0.0, 0.25, 0.5, 0.75, 1.0],
        "c": {"uniform": {"low": 0, "high": 1}},
        "d": [[1, 2], [3]],
        "e": [True, "off"],
        "f": [0.1, 0.3, 0.5, 0.7],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "--over needs KEY=a,b,c or KEY=LO:HI:N, got 'a'"),
        ("=1", "--over needs KEY"),
        ("a=", "--over needs KEY"),
        ("a=0:1:1", "at least 2 values"),
        ("a=x:1:3", "is not LO:HI:N"),
        ("a=0:inf:3", "two finite ends"),
    ],
)
def test_axes_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        axes_of([text])


def test_an_axis_given_twice() -> None:
    with pytest.raises(UsageError, match="--over gives 'a' twice"):
        axes_of(["a=1", "a=2"])
    with pytest.raises(InputError):
        axes_of(["a=[1"])


def test_policies() -> None:
    assert policies_of(["base:", "p:a.b=1", "p:c=x", "q:d=[1, 2]"]) == {
        "base": {},
        "p": {"a.b": 1, "c": "x"},
        "q": {"d": [1, 2]},
    }
    with pytest.raises(UsageError, match="--policy needs NAME:KEY=VALUE, got 'a=1'"):
        policies_of(["a=1"])


def test_a_sweep(sim: Call) -> None:
    code, out, err = sim("sweep", "ring_of_ten", "--over", "shocks.0.size=0.1:0.5:3", "--out", "s", "--quiet")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "system_loss [currency units]"
    assert lines[1].split()[:2] == ["shocks.0.size", "mean"]
    assert [line.split()[:2] for line in lines[2:]] == [["0.1", "4"], ["0.3", "12"], ["0.5", "20"]]
    assert Path("s/sweep.png").is_file()
    assert Path("s/sweep.svg").is_file()
    assert len(list(Path("s/points").iterdir())) == 3


def test_a_sweep_as_json(sim: Call) -> None:
    call = ("sweep", "ring_of_ten", "--over", "shocks.0.size=0.1,0.5", "--policy", "a:", "--policy",
            "b:shocks.0.target=B02", "--draws", "2", "--json")  # fmt: skip
    code, out, err = sim(*call)
    said = json.loads(out)
    assert code == 0
    assert said["policies"] == ["a", "b"]
    assert len(said["summary"]) == 2 * 2 * 5
    assert said["points"][0]["values"] == {"shocks.0.size": 0.1}
    assert said["folder"].startswith("results/ring_of_ten-sweep-")
    assert "answer_sha256: " + said["answer_sha256"] in err
    again = json.loads(sim(*call)[1])
    assert again["answer_sha256"] == said["answer_sha256"]
    assert again["folder"] == said["folder"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "sweep needs a scenario"),
        (("ring_of_tin",), 3, "did you mean 'ring_of_ten'"),
        (("ring_of_ten",), 2, "a sweep needs keys to sweep over"),
        (("ring_of_ten", "--over", "shocks.0.sise=1"), 2, "unknown key \"shocks.0.sise\"; did you mean 'size'?"),
        (("ring_of_ten", "--over", "shocks.0.size=0.1", "--set", "shoks.0.at=1"), 2, "did you mean 'shocks'"),
        (("ring_of_ten", "--over", "shocks.0.size=0.1", "--sample", "lhs"), 2, "sample lhs needs 1 to 100,000 points"),
        (("ring_of_ten", "--over", "shocks.0.size=0.1", "--sample", "latin:3"), 2, "unknown sample 'latin:3'"),
        (("ring_of_ten", "--over", "shocks.0.size=0.1", "--metric", "default"), 2, "did you mean 'defaults'"),
        (("ring_of_ten", "--over", "shocks.0.size=0.1", "--draws", "x"), 2, "--draws: 'x' is not an integer"),
        (("ring_of_ten", "--ovr", "shocks.0.size=0.1"), 2, "did you mean --over"),
        (("ring_of_ten", "--over", "shocks.0.size={normel: {mean: 1, std: 1}}", "--sample", "lhs:3"), 3, "'normal'"),
    ],
)  # fmt: skip
def test_sweeps_that_are_wrong(sim: Call, args: tuple[str, ...], code: int, message: str) -> None:
    found, out, err = sim("sweep", *args)
    assert (found, out) == (code, "")
    assert message in err
    assert not Path("results").exists()


def test_all_problems_at_once(sim: Call) -> None:
    code, out, err = sim("sweep", "ring_of_ten", "--over", "shocks.0.size=0.1,2", "--over", "mode=static,statik")
    assert (code, out) == (3, "")
    assert "shocks.0.size.fixed = 2 must be in [0, 1]" in err
    assert "did you mean 'static'" in err


def test_points_that_fail_end_with_their_code(sim: Call) -> None:
    code, out, err = sim(
        "sweep", "ring_of_ten", "--over", "shocks.0.size={normal: {mean: 0.5, std: 0.5}}", "--sample", "sobol:8",
        "--seed", "1", "--out", "s", "--quiet",
    )  # fmt: skip
    assert code == 5
    assert len(out.splitlines()) == 10
    assert "of 8 runs are incomplete; first: run " in err


def test_a_folder_that_holds_something_else(sim: Call) -> None:
    assert sim("sweep", "ring_of_ten", "--over", "shocks.0.size=0.1", "--out", "s")[0] == 0
    code, _, err = sim("sweep", "ring_of_ten", "--over", "shocks.0.size=0.2", "--out", "s")
    assert code == 6
    assert "holds another sweep" in err


def interrupted(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """Sweep, and stop after the second point as Ctrl-C does."""
    from sim.experiments import sweep as module

    real, played = module._one, []

    def stops(*given: object) -> object:
        if len(played) == 2:
            raise KeyboardInterrupt
        played.append(given)
        return real(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(module, "_one", stops)
        return main(("sweep", *args))


def test_resume_and_verify_of_a_sweep(sim: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ("ring_of_ten", "--over", "shocks.0.size=0.1:0.5:4", "--policy", "a:", "--draws", "3", "--quiet")
    whole = json.loads(sim("sweep", *call, "--out", "w", "--json")[1])
    assert interrupted(monkeypatch, *call, "--out", "s t", "--block", "2") == 130
    code, out, err = sim("verify", "s t")
    assert (code, out) == (6, "")
    assert "2 of 4 runs are finished" in err
    code, _, err = sim("repro", "s t", "--draw", "0")
    assert code == 6
    assert "no run found (no manifest.json); it holds a sweep" in err
    assert "sim resume 's t' finishes it" in sim("show", "s t")[2]
    code, out, err = sim("resume", "s t", "--quiet", "--workers", "1")
    assert (code, err) == (0, "")
    assert out.splitlines()[1].split()[:2] == ["policy", "shocks.0.size"]
    assert Path("s t/sweep.png").is_file()
    code, out, err = sim("verify", "s t")
    assert (code, err) == (0, "")
    assert out == f"intact: 4 runs, 4 parts\nanswer_sha256: {whole['answer_sha256']}\n"
    code, out, err = sim("show", "s t")
    assert code == 0
    assert len(out.splitlines()) == 2 + 4
    assert err == f"answer_sha256: {whole['answer_sha256']}\nfolder: s t\n"
    assert json.loads(sim("show", "s t", "--json")[1])["summary"] == whole["summary"]
    said = json.loads(sim("verify", "s t", "--json")[1])
    assert (said["runs"], said["failed"], said["parts"], said["intact"]) == (4, 0, 4, True)
    again = json.loads(sim("resume", "s t", "--json", "--quiet")[1])
    assert again["points"] == whole["points"]


def test_a_stopped_sweep_tells_how_to_go_on(
    sim: Call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("ring_of_ten", "--over", "shocks.0.size=0.1:0.5:4", "--out", "s t", "--block", "2", "--allow-path")
    assert interrupted(monkeypatch, *call) == 130
    assert "to go on: sim resume --block 2 --allow-path 's t'\n" in capsys.readouterr().err


def test_resume_of_a_sweep_takes_no_draws_to_leave_out(sim: Call) -> None:
    sim("sweep", "ring_of_ten", "--over", "shocks.0.size=0.1", "--out", "s")
    code, _, err = sim("resume", "s", "--without", "3")
    assert code == 2
    assert "--without is for the folder of a run; those of a sweep lie in its folder points" in err


def test_points_that_fail_are_told_again_by_resume(sim: Call) -> None:
    law = "shocks.0.size={normal: {mean: 0.5, std: 0.5}}"
    assert sim("sweep", "ring_of_ten", "--over", law, "--sample", "sobol:8", "--seed", "1", "--out", "s")[0] == 5
    code, _, err = sim("resume", "s")
    assert code == 5
    assert "of 8 runs are incomplete; first: run " in err
    code, _, err = sim("verify", "s")
    assert code == 0
    assert "points gave no result" in err


def test_compare_folders(sim: Call) -> None:
    for name, size in (("a", "0.1"), ("b", "0.5")):
        sim("run", "ring_of_ten", "--set", f"shocks.0.size={size}", "--draws", "3", "--out", name, "--quiet")
    code, out, err = sim("compare", "a", "b", "--figure", "c.svg")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "mean"
    assert lines[2].split() == ["b", "system_loss", "currency", "units", "4", "20", "16", "0", "[16,", "16]"]
    assert "figure: c.svg" in err
    assert Path("c.svg").is_file()
    said = json.loads(sim("compare", "a", "b", "--json")[1])
    assert said["base"] == "a"
    assert said["paired"] == {"b": True}
    assert len(said["differences"]) == 5 * 5


def test_compare_scenarios_and_the_same_name_twice(sim: Call) -> None:
    code, out, err = sim("compare", "ring_of_ten", "ring_of_ten", "--draws", "2", "--seed", "1", "--progress", "none")
    assert (code, err) == (0, "")
    assert "ring_of_ten (2)" in out


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "compare needs two result folders or scenarios"),
        (("ring_of_ten",), 2, "compare needs two result folders or scenarios"),
        (("ring_of_ten", "ring_of_tin"), 3, "did you mean 'ring_of_ten'"),
        (("ring_of_ten", "ring_of_ten", "--statistic", "VaR9"), 2, "did you mean 'VaR99'"),
        (("ring_of_ten", "ring_of_ten", "--figure", "c.bmp"), 3, "figures are written as .png, .svg, .pdf"),
    ],
)
def test_comparisons_that_are_wrong(sim: Call, args: tuple[str, ...], code: int, message: str) -> None:
    found, _, err = sim("compare", *args)
    assert found == code
    assert message in err
