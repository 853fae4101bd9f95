"""`sim report` and `sim plot`: one file with everything, of complete and interrupted runs; bad input told."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.cli.app import main
from sim.experiments.again import again
from sim.experiments.monte_carlo import run
from sim.experiments.opening import open_result
from sim.experiments.page_parts import imputed_rows
from sim.experiments.part import FAILED, PART, UNCERTIFIED, Part, join
from sim.experiments.plots import KINDS
from sim.experiments.reporting import report, text_of
from sim.experiments.result import Result
from sim.experiments.store import Store, read_manifest
from sim.experiments.unfinished import found
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.system import System
from tests.report.browser import measured, needs_browser, visit
from tests.report.test_html import EVIL, read, self_contained

TITLE = "Ten banks; one loses between nothing and all of its loans"
COMMAND = (
    f"sim run ring_of_ten --draws 2400 --seed 1 --set 'title=\"{TITLE}\"' "
    "--set 'shocks.0.size={uniform: {low: 0.0, high: 1.0}}' --out again"
)

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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete run of 2,400 draws."""
    folder = tmp_path_factory.mktemp("kept") / "ring"
    scenario = load("ring_of_ten").override({"shocks.0.size": {"uniform": {"low": 0.0, "high": 1.0}}, "title": TITLE})
    run(scenario, draws=2400, seed=1, out=folder)
    return folder


@pytest.fixture
def ring(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(kept, tmp_path / "ring")
    return tmp_path / "ring"


def shown(text: str) -> str:
    return " ".join(" ".join(read(text).text).split())


def interrupted(folder: Path, *lost: int) -> None:
    """Make a run look as if it had been killed: no answer yet, some parts not written."""
    manifest = read_manifest(folder)
    store = Store.prepare(folder, manifest["run_key"])
    for first in lost:
        for kind in ("draws", "agents"):
            store.path_of(kind, first).unlink(missing_ok=True)
    store.write_manifest(manifest | {"complete": False, "answer_sha256": None, "failed": 0, "uncertified": 0})


def test_report_holds_what_a_reader_needs(sim: Call, ring: Path) -> None:
    code, out, err = sim("report", "ring", "-o", "report.html")
    assert (code, out, err) == (0, "report.html\n", "")
    text = Path("report.html").read_text()
    self_contained(text)
    said, result = shown(text), open_result(ring)
    for fact in (
        TITLE, "ring_of_ten, static, 2,400 draws, seed 1", "system_loss", "currency units",
        "Equity lost by banks, plus losses of their outside creditors", "What is imputed",
        "Nothing: every number of the system was given.", "No draw failed",
        COMMAND, "sim verify ring", "sim repro ring --draw 0",
        result.answer_sha256, result.manifest["engine"], result.manifest["scenario_sha256"],
        "numpy", "valuation: eisenberg-noe", "VaR 99 %", "± ",
    ):  # fmt: skip
        assert fact in said, fact
    assert str(ring.parent) not in text  # where it lies is nobody's business
    assert text.count("<svg") == 3 + 3
    mean = result.summary().loc["system_loss", "mean"]
    assert f"{mean:,.1f}" in said
    assert len(text) < 1_000_000


def test_the_command_of_a_report_gives_the_same_answer(sim: Call, ring: Path) -> None:
    assert sim(*shlex.split(COMMAND)[1:], "--quiet")[0] == 0
    assert open_result("again").answer_sha256 == open_result(ring).answer_sha256


def test_a_run_of_files_is_not_told_to_be_shipped(ring: Path) -> None:
    result = open_result(ring)
    assert again(result, 5) is not None
    assert (
        again(Result(dict(result.manifest) | {"scenario_sha256": "0" * 64}, result.read, result.scenario_yaml), 5)
        is None
    )
    assert again(Result(dict(result.manifest) | {"name": "mine"}, result.read, result.scenario_yaml), 5) is None


def test_report_is_the_same_bytes_again(ring: Path) -> None:
    assert text_of(open_result(ring)) == text_of(open_result(ring))


def test_report_of_an_interrupted_run_says_how_much_is_missing(sim: Call, ring: Path) -> None:
    whole = open_result(ring).metrics["system_loss"][:, -1]
    interrupted(ring, PART)
    before = {path: path.read_bytes() for path in ring.rglob("*") if path.is_file()}
    code, out, _ = sim("report", "ring", "-o", "report.html")
    assert (code, out) == (0, "report.html\n")
    said = shown(Path("report.html").read_text())
    assert "This run is not finished: 1,000 of 2,400 draws (42%) are missing." in said
    assert "All numbers below are of the 1,400 draws there are." in said
    assert "sim resume ring" in said
    assert COMMAND in said
    assert "answer_sha256 must be" not in said
    assert "sim verify" not in said  # it would refuse
    assert "cascade: shows one draw; finish the run first" in said
    there = found(ring)
    assert there is not None
    assert there.numbers == (*range(1000), *range(2000, 2400))
    np.testing.assert_array_equal(there.result.metrics["system_loss"][:, -1], whole[list(there.numbers)])
    assert {path: path.read_bytes() for path in ring.rglob("*") if path.is_file()} == before


def test_report_of_a_damaged_part_counts_it_as_missing(sim: Call, ring: Path) -> None:
    interrupted(ring)
    part = next((ring / "parts").glob("draws-*1000.parquet"))
    part.write_bytes(part.read_bytes()[:-7])
    assert sim("report", "ring", "-o", "report.html")[0] == 0
    assert "1,000 of 2,400 draws (42%) are missing" in Path("report.html").read_text()


def test_report_of_nothing(sim: Call, ring: Path) -> None:
    interrupted(ring, 0, PART, 2 * PART)
    for args, code, said in (
        (("ring",), 6, "interrupted before any draw was kept"),
        (("nosuch",), 6, "nosuch: no run found"),
        ((), 2, "report needs a result folder"),
    ):
        got, out, err = sim("report", *args)
        assert (got, out) == (code, "")
        assert said in err


def test_report_refuses_a_damaged_result(sim: Call, ring: Path) -> None:
    part = next((ring / "parts").glob("draws-*1000.parquet"))
    part.write_bytes(part.read_bytes()[:-7])
    code, out, _ = sim("report", "ring")
    assert (code, out) == (6, "")
    assert not (ring / "report.html").exists()


@pytest.mark.parametrize(("name", "code"), [("r.pdf", 3), ("r", 3), ("no/r.html", 6)])
def test_report_goes_into_an_html_file(sim: Call, ring: Path, name: str, code: int) -> None:
    got, out, err = sim("report", "ring", "-o", name)
    assert (got, out) == (code, "")
    assert Path(name).name in err


def evil(draws: int = 6) -> Result:
    """A run whose every name is an attack, with a failed draw and one that is not certified."""
    banks = pd.DataFrame(
        {"id": [EVIL, "=1+1", "../../etc/passwd"], "total_assets": [100.0, 80.0, 60.0], "equity": [4.0, 6.0, 9.0]}
    )
    system = System.from_frames(banks, currency=EVIL[:36])
    text = "<img src=x onerror=alert(1)>"
    shock = {"kind": "asset_loss", "target": EVIL, "size": 0.1}
    made = run(Scenario(system=system, name=EVIL, title=EVIL, shocks=[shock], channels={"credit": None}), draws=draws)
    part = join([made.read()])
    status = ("ok", FAILED, UNCERTIFIED, *part.status[3:])
    whole = Part(part.first, part.metrics, status, ("", text, EVIL, *part.reason[3:]), part.final, part.agents)
    facts = {"failed": 1, "uncertified": 1, "imputed": [{"table": EVIL, "row": "all", "cell": text, "how": EVIL}]}
    facts |= {"warnings": [{"message": EVIL, "path": EVIL, "line": 1, "key": EVIL}]}
    return Result(dict(made.manifest) | facts, lambda: whole, made.scenario_yaml)


def test_markup_in_every_name_is_text(tmp_path: Path) -> None:
    path = report(evil(), tmp_path / "r.html")
    text = path.read_text()
    self_contained(text)
    said = shown(text)
    assert said.count("<script>alert('x')</script>") >= 6
    assert "failed: 1 of 6 draws; not-certified: 1 of 6 draws" in said
    assert "1 of 6 draws failed" in said
    assert "<img src=x onerror=alert(1)>" in said


@needs_browser
def test_browser_opens_reports_without_a_request_or_a_complaint(tmp_path: Path, ring: Path) -> None:
    interrupted(ring, PART)
    there = found(ring)
    assert there is not None
    for name, text in (("evil", text_of(evil())), ("unfinished", text_of(there.result, there))):
        seen = visit(text, tmp_path / name)
        assert (seen.requests, seen.console) == ([], [])
        for width in (400, 1400):
            laid = measured(text, width, tmp_path / f"{name}{width}")
            assert laid["width"] <= width
            assert laid["narrowest"] >= 300.0
            assert laid["type"] >= 12.0


@pytest.mark.parametrize("draws", [1, 2])
def test_report_of_few_draws(draws: int) -> None:
    result = run("ring_of_ten", draws=draws, seed=1)
    text = text_of(result)
    self_contained(text)
    assert f"no 95 % interval from {draws} draw" in shown(text)


def test_report_when_every_draw_failed() -> None:
    result = run("ring_of_ten", draws=2, seed=1)
    part = result.read()
    lost = replace(
        part, status=(FAILED,) * 2, reason=("no",) * 2, metrics={k: v * np.nan for k, v in part.metrics.items()}
    )
    text = text_of(Result(dict(result.manifest) | {"failed": 2}, lambda: lost, result.scenario_yaml))
    self_contained(text)
    said = shown(text)
    assert "2 of 2 draws failed" in said
    assert "Figures that are not shown" in said


def test_imputed_columns_count_rows() -> None:
    cells = [{"table": "t", "row": row, "cell": "c", "how": "h"} for row in ("1", "2")]
    cells += [{"table": "t", "row": "all", "cell": "d", "how": "h"}]
    assert imputed_rows(cells) == [("t", "c", "2", "h"), ("t", "d", "all", "h")]


# --- sim plot


def test_plot_lists_figures(sim: Call) -> None:
    code, out, err = sim("plot", "--kind", "list")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines() if not line.startswith(" ")} == set(KINDS)


def test_plot_writes_where_it_says(sim: Call, ring: Path) -> None:
    assert sim("plot", "ring")[:2] == (0, "ring/figure.png\n")
    assert sim("plot", "ring", "--kind", "fan", "--metric", "defaults", "--out", "f.svg")[:2] == (0, "f.svg\n")
    assert Path("f.svg").read_text().startswith("<?xml")
    assert Path("ring/figure.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("plot",), 2, "plot needs a result folder"),
        (("plot", "ring", "--kind", "fam"), 2, "unknown figure 'fam'; did you mean 'fan'? (known: "),
        (("plot", "ring", "--kind", "fan", "--metric", "defalts"), 3, "did you mean 'defaults'? (known: "),
        (("plot", "ring", "--kind", "balance", "--agent", "B11"), 3, "unknown bank 'B11'; did you mean "),
        (("plot", "ring", "--kind", "fan", "--draw", "3"), 3, "unknown option of plot fan 'draw'"),
        (("plot", "ring", "--draw", "x"), 2, "--draw: 'x' is not an integer"),
        (("plot", "ring", "--out", "f.gif"), 3, "figures are written as .png, .svg, .pdf"),
        (("plot", "nosuch"), 6, "nosuch: no run found"),
    ],
)
def test_plot_tells_what_is_wrong(sim: Call, ring: Path, args: tuple[str, ...], code: int, said: str) -> None:
    got, out, err = sim(*args)
    assert (got, out) == (code, "")
    assert said in err


def test_report_has_no_absolute_path_when_figures_are_absent(ring: Path) -> None:
    (ring / "inputs.json").write_text(json.dumps({"folder": "gone", "given": False, "sha256": {}}))
    text = text_of(open_result(ring.resolve()))
    assert "Figures that are not shown" in text
    assert not re.search(re.escape(str(ring.parent)), text)
