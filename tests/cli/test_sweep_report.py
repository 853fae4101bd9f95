"""`sim report` of a sweep: one file with everything, of finished and interrupted ones; its command gives it again."""

from __future__ import annotations

import html
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.cli.app import main
from sim.experiments.monte_carlo import Progress
from sim.experiments.page_parts import file_of
from sim.experiments.sweep import Sweep, open_sweep, sweep
from sim.experiments.sweep_reopen import found_sweep
from sim.experiments.sweep_reporting import text_of
from sim.scenario.load import load
from tests.experiments.test_faults import BANKS, EXPOSURES, SCENARIO
from tests.report.browser import measured, needs_browser, visit
from tests.report.test_html import EVIL, read, self_contained

Call = Callable[..., tuple[int, str, str]]
RING = {
    "shocks.0.size": {"uniform": {"low": 0.0, "high": 0.6}},
    "metrics": ["system_loss", "defaults", "creditor_loss"],
}
FEW = {"metrics": ["system_loss"]}
COSTS = {"channels.credit.valuation": "rogers-veraart"}


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def shown(text: str) -> str:
    return " ".join(" ".join(read(text).text).split())


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of two keys under two policies, 120 draws each."""
    folder = tmp_path_factory.mktemp("kept") / "grid"
    over = {"channels.credit.alpha": [0.5, 1.0], "channels.credit.beta": [0.7, 0.9, 1.0]}
    policies = {"as it is": COSTS, "other bank": COSTS | {"shocks.0.target": "B05"}}
    sweep(load("ring_of_ten").override(RING), over, draws=120, seed=3, policies=policies, out=folder)
    return folder


def command_in(text: str) -> list[str]:
    """The command that a page says to play again."""
    (found,) = re.findall(r"<pre>(sim sweep [^<]*)</pre>", text)
    return shlex.split(html.unescape(found))[1:]


def test_report_holds_what_a_reader_needs(sim: Call, kept: Path) -> None:
    shutil.copytree(kept, "grid")
    code, out, err = sim("report", "grid", "-o", "report.html")
    assert (code, out, err) == (0, "report.html\n", "")
    text = Path("report.html").read_text()
    self_contained(text)
    said, found = shown(text), open_sweep(kept)
    for fact in (
        "Ten equal banks in a ring; one loses half its loans",
        "ring_of_ten: 6 points (grid), 2 policies, 120 draws each, seed 3",
        "channels.credit.alpha Share of ", "0.5, 1 1 ", "channels.credit.beta", "0.7, 0.9, 1",
        "other bank channels.credit.valuation: rogers-veraart, shocks.0.target: B05",
        "Nothing: every number of the system was given.", "No run and no draw failed",
        "sim verify grid", f"sim repro grid/{found.facts['rows'][0]['folder']} --draw 0",
        found.answer_sha256, found.facts["engine"], found.facts["sweep_key"], found.facts["rows"][11]["answer_sha256"],
        "numpy", "valuation: eisenberg-noe", "± ", "all gave a result", "1,440",
    ):  # fmt: skip
        assert fact in said, fact
    assert str(kept.parent) not in text
    # three statistics of the loss and the mean of two other metrics, one map a policy
    assert text.count("<svg") == (3 + 2) * 2
    table = found.summary("system_loss")
    assert f"run 11 other bank 1 1 {table['mean'][11]:.1f} ± {table['se'][11]:.3f} s.e." in said
    ends = ", ".join(f"{table[name][11]:.1f}" for name in ("p95_lo", "p95_hi"))
    assert f"{table['p95'][11]:.1f} [{ends}]" in said
    assert f"run {table['mean'].idxmax()}: " in said.partition("Runs 12")[0]
    assert len(text) < 1_500_000


def test_report_is_the_same_bytes_again_from_folder_and_from_memory(tmp_path: Path) -> None:
    call: Any = {"scenario": load("ring_of_ten").override(FEW), "over": {"shocks.0.size": [0.1, 0.2]}, "draws": 2}
    found = sweep(**call, seed=1, out=tmp_path / "s")
    assert text_of(found) == text_of(open_sweep(tmp_path / "s")) == found.report(tmp_path / "r.html").read_text()
    # of what is in memory no folder can be named; all else is the same
    kept = {row["folder"]: found.result(k) for k, row in enumerate(found.facts["rows"])}
    assert text_of(sweep(**call, seed=1)) == text_of(Sweep(found.facts, None, kept, found.scenario_yaml))


SWEEPS: dict[str, dict[str, Any]] = {
    "grid": {"over": {"shocks.0.size": [0.1, 0.25], "channels.credit.valuation": ["furfine", "eisenberg-noe"]}},
    "sobol": {"over": {"channels.credit.alpha": {"beta": {"a": 2, "b": 3}}, "shocks.0.target": ["B01", "B02"]},
              "sample": "sobol:3", "policies": {"costs": COSTS, "as it is, really": {}}},
    "mappings": {"over": {"shocks.0.size": [{"uniform": {"low": 0, "high": high}} for high in (0.5, 0.2)]}},
    "points": {"over": [{"shocks.0.size": 0.1, "shocks.0.common": True}, {"shocks.0.size": 0.4,
               "shocks.0.common": False}]},
    "only policies": {"policies": {"a": {}, "b": {"shocks.0.size": 0.1}}},
    "record and draws": {"over": {"shocks.0.size": [0.1]}, "record": "agents", "draws": None, "sample": "oat"},
    "certificates": {"over": {"shocks.0.size": [0.1, 0.3]}, "allow_uncertified": True, "seed": 2**100},
}  # fmt: skip


@pytest.mark.parametrize("name", SWEEPS)
def test_the_command_of_a_report_gives_the_same_sweep(sim: Call, name: str) -> None:
    base = load("ring_of_ten").override({"title": 'It\'s "mine"', "monte_carlo.draws": 3, **FEW})
    made = sweep(base, **({"draws": 4, "seed": 9} | SWEEPS[name]))
    text = text_of(made)
    self_contained(text)
    words = command_in(text)
    assert words[:2] == ["sweep", "ring_of_ten"]
    assert sim(*words, "--quiet")[0] == 0
    again = open_sweep("again")
    assert again.facts["sweep_key"] == made.facts["sweep_key"]
    assert again.answer_sha256 == made.answer_sha256


def test_the_command_of_a_report_on_tables_of_the_user(sim: Call) -> None:
    Path("work").mkdir()
    for name, text in (("tiny.yaml", SCENARIO), ("banks.csv", BANKS), ("exposures.csv", EXPOSURES)):
        Path("work", name).write_text(text)
    made = sweep("work/tiny.yaml", {"channels.credit.valuation": ["eisenberg-noe", "furfine"]}, draws=3)
    text = text_of(made)
    assert "keep the scenario below as tiny.yaml beside its tables, then" in shown(text)
    (kept,) = re.findall(r"complete with all defaults</summary><pre>([^<]*)</pre>", text)
    Path("work", "tiny.yaml").write_text(html.unescape(kept))
    words = command_in(text)
    assert words[1] == "tiny.yaml"
    assert sim("sweep", "work/tiny.yaml", *words[2:], "--quiet")[0] == 0
    assert open_sweep("again").answer_sha256 == made.answer_sha256


def test_report_of_an_interrupted_sweep_says_how_much_is_missing(sim: Call) -> None:
    def stop(at: Progress) -> None:
        if at.done >= 9:
            raise KeyboardInterrupt

    over = {"shocks.0.size": [0.1, 0.2, 0.3, 0.4]}
    with pytest.raises(KeyboardInterrupt):
        sweep("ring_of_ten", over, draws=4, seed=1, out="s", progress=stop)
    before = {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()}
    assert sim("report", "s", "-o", "report.html")[:2] == (0, "report.html\n")
    assert {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()} == before
    said = shown(Path("report.html").read_text())
    assert (
        "This sweep is not finished: 2 of 4 runs (50%) are missing. All numbers below are of the 2 runs there" in said
    )
    assert "sim resume s" in said
    assert "sim verify" not in said  # it would refuse
    assert "answer_sha256 must be" not in said
    assert "run 3 0.4 – – – – –" in said
    there = found_sweep("s")
    assert there.points["status"].tolist() == ["ok", "ok", "missing", "missing"]
    assert there.summary("system_loss")["mean"].tolist()[:2] == [4.0, 8.0]
    # a part that is damaged meanwhile is missing, too
    part = next(Path("s", there.facts["rows"][0]["folder"], "parts").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    assert found_sweep("s").points["status"].tolist() == ["missing", "ok", "missing", "missing"]
    part = next(Path("s", there.facts["rows"][1]["folder"], "parts").glob("*.parquet"))
    part.unlink()
    code, out, err = sim("report", "s")
    assert (code, out) == (6, "")
    assert 'interrupted before any run was finished; "resume" plays them' in err


def test_found_runs_end_as_the_sweep_would_have_noted(tmp_path: Path) -> None:
    from tests.experiments.conftest import Toy

    scenario = load("ring_of_ten").override({"record": "metrics"})

    def player(chosen: Any, system: Any, draws: Any, seed: int) -> Any:
        size = chosen.shocks[0].size.fixed
        if size == 0.1:
            raise ValueError("no")
        return Toy(uncertified=frozenset({1}) if size == 0.2 else frozenset())(chosen, system, draws, seed)

    over = {"shocks.0.size": [0.1, 0.2, 0.3, 0.4]}
    whole = sweep(scenario, over, draws=3, seed=1, out=tmp_path / "w", player=player)

    def stop(at: Progress) -> None:
        if at.done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(scenario, over, draws=3, seed=1, out=tmp_path / "s", player=player, progress=stop)
    there = found_sweep(tmp_path / "s")
    names = ["status", "failed", "uncertified", "answer_sha256"]
    for k in range(3):
        assert there.points.loc[k, names].tolist() == whole.points.loc[k, names].tolist()
    said = shown(text_of(there))
    assert "1 of 4 runs gave no result" in said
    assert "1 of 4 runs are not certified and left out" in said
    assert "which sim.sweep takes as player= or model=" in said


def test_report_says_what_failed(sim: Call) -> None:
    law = {"shocks.0.size": {"normal": {"mean": 0.5, "std": 0.5}}}
    made = sweep(load("ring_of_ten").override(FEW), law, sample="sobol:8", draws=2, seed=1)
    said = shown(text_of(made))
    bad = made.failed_points
    assert 0 < len(bad) < 8
    assert f'{len(bad)} of 8 runs gave no result; see "What failed" below.' in said
    for run, row in bad.iterrows():
        assert f"run {run} shocks.0.size {row['shocks.0.size']:.6g} failed" in said
    assert "normal, mean 0.5, std 0.5" in said
    assert "System loss: ES 99 %: the mean everywhere" in said  # two draws without any luck in them


def test_report_of_a_damaged_sweep(sim: Call, kept: Path) -> None:
    shutil.copytree(kept, "grid")
    part = next(Path("grid").glob("points/*/parts/*.parquet"))
    part.write_bytes(part.read_bytes()[:-7])
    code, out, _ = sim("report", "grid")
    assert (code, out) == (6, "")
    assert not Path("grid/report.html").exists()
    assert sim("report", "grid", "-o", "r.pdf")[0] == 3
    assert sim("report", "grid", "-o", "no/r.html")[0] == 6


def evil() -> Sweep:
    """A sweep whose every name is an attack."""
    base = load("ring_of_ten").override({"title": EVIL, "metrics": ["system_loss", "defaults"]})
    policies = {EVIL: {}, "=1+1": {"shocks.0.target": "B02"}, "../../etc/passwd": {"shocks.0.target": "B03"}}
    made = sweep(base, {"shocks.0.size": [0.1, 0.5]}, draws=2, seed=1, policies=policies)
    rows = [dict(row) for row in made.facts["rows"]]
    rows[0] |= {"status": "failed", "reason": EVIL, "values": {"shocks.0.size": EVIL}}
    metrics = [{**each, "description": EVIL} for each in made.facts["metrics"]]
    return Sweep(dict(made.facts) | {"rows": rows, "metrics": metrics}, None, made.held, made.scenario_yaml)


def test_markup_in_every_name_is_text() -> None:
    text = text_of(evil())
    self_contained(text)
    assert shown(text).count("<script>alert('x')</script>") >= 8


def test_a_long_sweep_is_cut_in_the_page_only() -> None:
    ring = load("ring_of_ten").override(FEW)
    made = sweep(ring, {"shocks.0.size": [0.001 * k for k in range(1, 4)]}, draws=1, seed=1)
    rows = [dict(made.facts["rows"][k % 3]) | {"point": k} for k in range(230)]
    said = shown(text_of(Sweep(dict(made.facts) | {"rows": rows}, None, made.held, made.scenario_yaml)))
    assert "run 199 " in said
    assert "run 200 " not in said
    assert "and 30 more runs" in said


def test_names_of_files_to_keep() -> None:
    assert file_of("mine") == "mine.yaml"
    assert file_of("../a b;c") == "abc.yaml"
    assert file_of("<>") == "scenario.yaml"


@needs_browser
def test_browser_opens_reports_without_a_request_or_a_complaint(tmp_path: Path, kept: Path) -> None:
    for name, made in (("grid", open_sweep(kept)), ("evil", evil())):
        text = text_of(made)
        seen = visit(text, tmp_path / name)
        assert (seen.requests, seen.console) == ([], [])
        for width in (400, 1400):
            laid = measured(text, width, tmp_path / f"{name}{width}")
            assert laid["width"] <= width
            assert laid["narrowest"] >= 300.0
            assert laid["type"] >= 12.0
