"""The command line: what each call prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from sim.cli import control
from sim.cli.app import main
from sim.cli.control import check_room
from sim.cli.errors import ResourceError, StoppedError, clean, report
from sim.cli.list import KINDS, listed
from sim.cli.options import whole
from sim.cli.progress import Lines, sentence
from sim.cli.run import Request, again, parsed
from sim.cli.signals import Stop, stoppable
from sim.cli.table import columns_of_text, number, summary_text
from sim.errors import ConvergenceError, InputError, PluginError, Problem, StoreError, UsageError
from sim.experiments.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
WHERE = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])

SCENARIO = """\
version: 1
name: tiny
title: Three banks
system:
  currency: EUR m
  agents:
    banks: {file: banks.csv}
  layers:
    interbank: {file: exposures.csv}
mode: static
shocks:
  - {kind: asset_loss, target: banks, size: 0.05}
channels:
  credit: {valuation: eisenberg-noe}
monte_carlo: {draws: 4, seed: 7}
"""
BANKS = "id,total_assets,equity\na,100,4\nb,80,6\nc,60,9\n"
EXPOSURES = "creditor,debtor,amount\nb,a,20\nc,a,10\nc,b,15\n"

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three banks and a scenario; the working folder of the test."""
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    (tmp_path / "banks.csv").write_text(BANKS)
    (tmp_path / "exposures.csv").write_text(EXPOSURES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process."""

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def process(*args: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command line as a process of its own."""
    env = os.environ | {"PYTHONPATH": WHERE} | options.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-m", "sim", *args],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        **options,
    )


class TestCallsThatAreWrong:
    """Each ends with its code, one line on stderr, nothing on stdout and no traceback."""

    @pytest.mark.parametrize(
        ("args", "code", "said"),
        [
            (["rnu"], 2, "error: unknown command 'rnu'; did you mean 'run'?"),
            (["run", "--wrkers", "2"], 2, "error: unknown option --wrkers; did you mean --workers?"),
            (["--versoin"], 2, "error: unknown option --versoin; did you mean --version?"),
            (["run", "-rf"], 2, "error: unknown option -r"),
            (["run", "--workers", "0"], 2, "error: --workers must be at least 1, got 0"),
            (["run", "--workers", "many"], 2, "error: --workers: 'many' is not an integer"),
            (["run", "--block", "-1"], 2, "error: --block must be from 2 to 256, got -1"),
            (["run", "--block", "257"], 2, "error: --block must be from 2 to 256, got 257"),
            (["run", "--draws", "0"], 2, "error: --draws must be from 1 to"),
            (["run", "--draws", "1e3"], 2, "error: --draws: '1e3' is not an integer"),
            (["run", "--seed", "abc"], 2, "error: --seed: 'abc' is not an integer"),
            (["run", "--seed", "-1"], 2, "error: --seed must be from 0 to"),
            (["run", "--seed", "9" * 5000], 2, "is not an integer"),
            (["run", "--seed", "٣"], 2, "error: --seed: '٣' is not an integer"),
            (["run", "--seed"], 2, "error: Option '--seed' requires an argument"),
            (["run", "x.yaml", "y.yaml"], 2, "unexpected extra argument"),
            (["run", "x.yaml", "--set", "draws"], 2, "error: --set needs KEY=VALUE, got 'draws'"),
            (["run", "x.yaml", "--set", "draws="], 2, "error: --set needs KEY=VALUE"),
            (["run", "x.yaml", "--set", "=1"], 2, "error: --set needs KEY=VALUE"),
            (["run", "x.yaml", "--set", "a=1", "--set", "a=2"], 2, "error: --set gives 'a' twice"),
            (["validate"], 2, "error: validate needs a scenario file"),
            (["show"], 2, "error: show needs a result folder"),
            (["list", "chanels"], 2, "error: unknown kind 'chanels'; did you mean 'channels'?"),
            (["run", "nothere.yaml"], 3, "'nothere.yaml': no such file"),
            (["run", "a\nb.yaml"], 3, "'a\\nb.yaml': no such file"),
            (["run", "--", "-rf"], 3, "'-rf': no such file"),
            (["run", "."], 3, "'.' is a folder; give a scenario file"),
            (["run", "\x1b[31mred"], 3, "'\\x1b[31mred': no such file"),
            (["run", ""], 3, "give a scenario file"),
            (["show", "nothere"], 6, "nothere"),
        ],
    )
    def test_one_line_and_its_code(self, sim: Call, tiny: Path, args: list[str], code: int, said: str) -> None:
        got, out, err = sim(*args)
        assert (got, out) == (code, ""), err
        assert said in err
        assert len(err.splitlines()) == 1
        assert "Traceback" not in err

    def test_without_arguments_the_help_goes_to_stderr(self, sim: Call) -> None:
        code, out, err = sim()
        assert (code, out) == (2, "")
        assert err.startswith("Usage: sim")
        assert err.splitlines()[-1] == "error: a command is needed, such as: sim run"

    @pytest.mark.parametrize("text", ["\x1b[2Jx", "a\rb", "\u202etxt", "\x9b1m", "\udc80"])
    @pytest.mark.parametrize(
        "place", [["{}"], ["run", "--{}"], ["run", "--seed", "{}"], ["list", "{}"], ["show", "{}"]]
    )
    def test_no_control_character_reaches_the_terminal(self, sim: Call, place: list[str], text: str) -> None:
        code, out, err = sim(*(word.format(text) for word in place))
        assert code != 0
        assert out == ""
        assert all(line.isprintable() for line in err.splitlines())
        assert "\r" not in err

    def test_debug_shows_the_traceback(self, sim: Call, tiny: Path) -> None:
        code, _, err = sim("run", "nothere.yaml", "--debug")
        assert code == 3
        assert "Traceback" in err

    def test_an_unknown_key_is_a_fault_of_the_call(self, sim: Call, tiny: Path) -> None:
        code, out, err = sim("run", "tiny.yaml", "--set", "channels.credit.valuatoin=furfine", "--out", "r")
        assert (code, out) == (2, "")
        assert "--set: " in err
        assert "did you mean" in err
        assert not (tiny / "r").exists()

    def test_code_as_a_value_is_a_wrong_value(self, sim: Call, tiny: Path) -> None:
        code, out, err = sim("run", "tiny.yaml", "--set", "channels.credit.alpha=__import__('os')", "--out", "r")
        assert (code, out) == (3, "")
        assert "alpha" in err
        assert len(err.splitlines()) == 1

    def test_a_value_is_read_strictly(self, sim: Call, tiny: Path) -> None:
        code, _, err = sim("run", "tiny.yaml", "--set", "shocks.0.size=!!python/name:os.system")
        assert code == 3
        assert "--set shocks.0.size: tag" in err


class TestWhatErrorsSay:
    """Every class of error has its code; a problem with a place begins with it."""

    @pytest.mark.parametrize(
        ("error", "code", "said"),
        [
            (UsageError("no"), 2, "error: no"),
            (InputError("no"), 3, "error: no"),
            (InputError([Problem("no", "a.csv", 3)]), 3, "a.csv:3: no"),
            (ConvergenceError("clear", 9, 1e-3, 1e-10), 4, "error: clear: residual 0.001"),
            (ResourceError("no"), 5, "error: no"),
            (MemoryError(), 5, "error: memory ran out"),
            (OSError(28, "No space left on device", "r/x"), 5, "error: r/x: No space left on device"),
            (PermissionError(13, "Permission denied", "r"), 6, "error: r: Permission denied"),
            (StoreError("no"), 6, "error: no"),
            (PluginError("no"), 7, "error: no"),
            (StoppedError("stopped", 143), 143, "error: stopped"),
            (KeyboardInterrupt(), 130, "interrupted"),
            (ZeroDivisionError("1/0\nx"), 1, "error: unexpected ZeroDivisionError: 1/0\\nx (a bug"),
        ],
    )
    def test_code_and_line(
        self, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
    ) -> None:
        assert report(error) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(said)
        assert len(captured.err.splitlines()) == 1

    def test_twenty_problems_and_how_many_more(self, capsys: pytest.CaptureFixture[str]) -> None:
        report(InputError([Problem(f"no {n}", "a.csv", n) for n in range(25)]))
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 21
        assert lines[0] == "a.csv:0: no 0"
        assert lines[-1] == "and 5 more"

    def test_clean_keeps_letters_of_every_script(self) -> None:
        assert clean("Crédit 農業 Ωmega") == "Crédit 農業 Ωmega"
        assert clean("a\x1b[0m\n\u2028\x85") == "a\\x1b[0m\\n\\u2028\\x85"


class TestValuesOfOptions:
    """Text becomes a value or a complaint."""

    def test_whole(self) -> None:
        assert whole("--n", None, 1) is None
        assert whole("--n", "+12", 1) == 12
        assert whole("--seed", str(2**128 - 1), 0, 2**128 - 1) == 2**128 - 1

    def test_settings_are_yaml_values(self) -> None:
        settings = ["a.b=0.4", "c=[1, 2]", "d=no", "e=true", "f=x=y", "g=1e-10"]
        assert parsed(settings) == {"a.b": 0.4, "c": [1, 2], "d": "no", "e": True, "f": "x=y", "g": 1e-10}

    def test_the_command_that_goes_on_is_complete(self) -> None:
        request = Request("my file.yaml", 10, None, 2, None, None, settings=("a=[1, 2]",), as_json=True)
        assert again(request, Path("r x")) == "sim resume --workers 2 --json 'r x'"
        assert again(Request("x", None, None, None, None, None), Path("-r")) == "sim resume -- -r"


class TestRoom:
    """What cannot be written is found before anything is started."""

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(control.shutil, "disk_usage", lambda _: SimpleNamespace(total=9, free=0))
        with pytest.raises(ResourceError, match=r"0 bytes free, the run needs about 2.0 MB; nothing was started"):
            check_room(tmp_path / "r", 10)
        assert not (tmp_path / "r").exists()

    def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "r").write_text("x")
        with pytest.raises(StoreError, match="is not a folder"):
            check_room(tmp_path / "r", 10)

    def test_a_place_to_be_made(self, tmp_path: Path) -> None:
        check_room(tmp_path / "a" / "b", 10)
        assert not (tmp_path / "a").exists()


class TestTables:
    """Numbers for people: aligned, short, fitted to the terminal."""

    SUMMARY: ClassVar[dict[str, dict[str, Any]]] = {
        "system_loss": {"unit": "EUR m", "mean": 1234567.8, "se": 12.0, "p50": 0.0, "p95": 3.25e-5, "VaR99": 1e13}
        | {"VaR99_lo": 1.0, "VaR99_hi": 2.0, "ES99": None, "ES99_lo": None, "ES99_hi": None}
    }

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (0.0, "0"),
            (1234.5, "1,234"),
            (-98765.0, "-98,765"),
            (0.12345, "0.1235"),
            (1e15, "1e+15"),
            (999.96, "1000"),
            (None, "-"),
            (float("nan"), "-"),
            (float("inf"), "inf"),
        ],
    )
    def test_numbers(self, value: float | None, text: str) -> None:
        assert number(value) == text

    def test_summary_without_a_limit(self) -> None:
        heading, row = summary_text(self.SUMMARY, width=0).splitlines()
        assert heading.split()[0] == "metric"
        assert row.split() == [
            "system_loss",
            "EUR",
            "m",
            "1,234,568",
            "12",
            "0",
            "3.25e-05",
            "1e+13",
            "[1,",
            "2]",
            "-",
            "-",
        ]

    @pytest.mark.parametrize("width", [200, 100, 80, 60])
    def test_a_narrow_terminal_loses_columns_but_no_metric(self, width: int) -> None:
        text = summary_text(self.SUMMARY, width=width)
        assert max(map(len, text.splitlines())) <= width
        assert "system_loss" in text
        assert "ES 99 %" in text

    def test_the_narrowest_terminal_still_shows_the_essentials(self) -> None:
        assert summary_text(self.SUMMARY, width=20).splitlines()[0].split()[:3] == ["metric", "unit", "mean"]

    def test_ids_cannot_act_on_the_terminal(self) -> None:
        assert columns_of_text(["id"], [["a\x1b[31m"]]).splitlines() == ["id", "a\\x1b[31m"]

    def test_long_meanings_go_on_below_where_they_began(self) -> None:
        assert listed({"a": "one two three four five six seven eight nine"}, width=40).splitlines() == [
            "a  one two three four five six seven",
            "   eight nine",
        ]
        assert listed({}) == "(none)"


class TestProgress:
    """A line every few seconds where there is no terminal."""

    AT = Progress(done=1200, draws=10_000, failed=2, cached=1000, seconds=3.0, rate=512.3, eta=75.0)

    def test_the_sentence(self) -> None:
        assert sentence(self.AT) == (
            "1,200 of 10,000 draws, 512 draws/s, 1 min 15 s left, 2 failed, 1,000 already there"
        )

    @pytest.mark.parametrize("eta", [float("nan"), float("inf"), None])
    def test_no_rate_yet(self, eta: float | None) -> None:
        at = Progress(done=0, draws=10, failed=0, cached=0, seconds=0.0, rate=0.0, eta=eta)
        assert sentence(at) == "0 of 10 draws, 0 draws/s, ? s left"

    def test_lines_come_every_few_seconds(self, capsys: pytest.CaptureFixture[str]) -> None:
        now = [0.0]
        tell = Lines(clock=lambda: now[0])
        for second in range(13):
            now[0] = float(second)
            tell(self.AT)
        assert len(capsys.readouterr().err.splitlines()) == 2


class TestSignals:
    """The first asks for the end, handlers are put back."""

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_a_signal_becomes_an_exit_code(self, number: signal.Signals, code: int) -> None:
        inherited = signal.signal(number, signal.default_int_handler)
        try:
            with pytest.raises(Stop) as stop, stoppable():
                signal.raise_signal(number)
            assert stop.value.exit_code == code
            assert signal.getsignal(number) is signal.default_int_handler
        finally:
            signal.signal(number, inherited)

    def test_an_ignored_signal_stays_ignored(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with stoppable():
                signal.raise_signal(signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)


class TestList:
    """What a scenario can name."""

    def test_everything(self, sim: Call) -> None:
        code, out, err = sim("list")
        assert (code, err) == (0, "")
        assert [line for line in out.splitlines() if line in KINDS] == list(KINDS)

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            ("channels", "credit"),
            ("channels", "market"),
            ("shocks", "asset_loss"),
            ("metrics", "system_loss"),
            ("valuations", "linear-debtrank"),
            ("networks", "max_entropy"),
            ("scenarios", "eu48_sovereign"),
        ],
    )
    def test_a_kind_and_what_it_means(self, sim: Call, kind: str, name: str) -> None:
        code, out, _ = sim("list", kind, "--json")
        assert code == 0
        assert json.loads(out)[name]

    def test_every_valuation_is_explained(self) -> None:
        assert {"eisenberg-noe", "rogers-veraart", "furfine", "linear-debtrank"} <= set(KINDS["valuations"]())


class TestValidate:
    """All problems of all files, before anything is run."""

    def test_a_good_one(self, sim: Call, tiny: Path) -> None:
        assert sim("validate", "tiny.yaml") == (0, "tiny.yaml: ok, 3 banks\n", "")

    def test_problems_of_several_files_at_once(self, sim: Call, tiny: Path) -> None:
        (tiny / "typo.yaml").write_text(SCENARIO.replace("mode:", "mod:"))
        (tiny / "bad.yaml").write_text(SCENARIO.replace("banks.csv", "bad.csv"))
        (tiny / "bad.csv").write_text("id,total_assets,equity\na,x,4\nb,80,y\n")
        code, out, err = sim("validate", "tiny.yaml", "typo.yaml", "bad.yaml")
        assert code == 3
        assert out == "tiny.yaml: ok, 3 banks\n"
        lines = err.splitlines()
        assert any(line.startswith("typo.yaml:10: ") and "did you mean" in line for line in lines)
        assert any(line.startswith("bad.csv:2: ") for line in lines)
        assert any(line.startswith("bad.csv:3: ") for line in lines)

    def test_json(self, sim: Call, tiny: Path) -> None:
        (tiny / "typo.yaml").write_text(SCENARIO.replace("mode:", "mod:"))
        code, out, _ = sim("validate", "tiny.yaml", "typo.yaml", "--json")
        good, bad = json.loads(out)
        assert code == 3
        assert good["valid"]
        assert not bad["valid"]
        assert {"path": "typo.yaml", "line": 10}.items() <= bad["problems"][0].items()


class TestRun:
    """From a file to a folder, a table and a figure."""

    def test_table_folder_and_notes(self, sim: Call, tiny: Path) -> None:
        code, out, err = sim("run", "tiny.yaml", "--out", "r", "--workers", "1")
        assert code == 0, err
        assert out.splitlines()[0].split()[:3] == ["metric", "unit", "mean"]
        assert "system_loss" in out
        assert (tiny / "r" / "manifest.json").exists()
        assert (tiny / "r" / "figure.png").stat().st_size > 1000
        assert (tiny / "r" / "figure.svg").exists()
        for part in ("4 draws, seed 7", "figure: r/figure.png", "answer_sha256: ", "folder: r"):
            assert part in err

    def test_what_is_not_observed_is_said_by_column(self, sim: Call, tiny: Path) -> None:
        code, _, err = sim("run", "eu48_sovereign", "--draws", "2", "--out", "r")
        assert code == 0, err
        assert "imputed: banks.interbank_liabilities, all rows: in proportion to funding" in err
        assert "imputed: exposures.amount, all rows: maximum entropy" in err
        assert "imputed: holdings.amount, 218 rows: named as imputed in the table itself" in err
        assert "imputed: banks.interbank_assets, 1 row: " in err

    def test_uncertified_draws_show_the_table_and_end_with_4(self, sim: Call, tiny: Path) -> None:
        args = ("run", "tiny.yaml", "--out", "r", "--quiet", "--set", "channels.credit.max_rounds=1")
        code, out, err = sim(*args)
        assert code == 4
        assert "system_loss" in out
        assert err.splitlines()[-1].startswith("error: 4 of 4 draws are not certified; first: draw 0: ")
        code, again_out, err = sim(*args, "--allow-uncertified")
        assert (code, again_out) == (0, out)

    def test_json_and_show_agree(self, sim: Call, tiny: Path) -> None:
        code, out, _ = sim("run", "tiny.yaml", "--out", "r", "--json", "--quiet")
        ran = json.loads(out)
        assert code == 0
        code, out, _ = sim("show", "r", "--json")
        shown = json.loads(out)
        assert code == 0
        assert shown["answer_sha256"] == ran["answer_sha256"]
        assert shown["summary"] == ran["summary"]
        assert ran["seed"] == 7

    def test_show_prints_the_same_table(self, sim: Call, tiny: Path) -> None:
        _, ran, _ = sim("run", "tiny.yaml", "--out", "r", "--quiet")
        code, out, err = sim("show", "r")
        assert (code, out) == (0, ran)
        assert "answer_sha256: " in err

    def test_default_folder_and_settings(self, sim: Call, tiny: Path) -> None:
        args = ("run", "tiny.yaml", "--draws", "3", "--seed", "11", "--set", "shocks.0.size=0.1", "--json", "--quiet")
        code, out, err = sim(*args)
        assert (code, err) == (0, "")
        answer = json.loads(out)
        assert answer["seed"] == 11
        (folder,) = (tiny / "results").iterdir()
        assert folder.name.startswith("tiny-")
        assert len(folder.name) == len("tiny-") + 8
        assert answer["folder"] == f"results/{folder.name}"

    def test_a_name_cannot_choose_the_folder(self, sim: Call, tiny: Path) -> None:
        (tiny / "x.yaml").write_text(SCENARIO.replace("name: tiny", "name: ../../up"))
        code, _, err = sim("run", "x.yaml", "--quiet")
        assert code == 0, err
        (folder,) = (tiny / "results").iterdir()
        assert folder.name.startswith("up-")

    def test_another_run_in_the_folder(self, sim: Call, tiny: Path) -> None:
        assert sim("run", "tiny.yaml", "--out", "r", "--quiet")[0] == 0
        code, out, err = sim("run", "tiny.yaml", "--out", "r", "--seed", "8", "--quiet")
        assert (code, out) == (6, "")
        assert "holds another run" in err

    def test_the_same_run_again_is_the_same_answer(self, sim: Call, tiny: Path) -> None:
        first = sim("run", "tiny.yaml", "--out", "r", "--json", "--quiet")
        again_ = sim("run", "tiny.yaml", "--out", "r", "--json", "--quiet")
        assert json.loads(first[1])["answer_sha256"] == json.loads(again_[1])["answer_sha256"]

    def test_a_bad_table_writes_nothing(self, sim: Call, tiny: Path) -> None:
        (tiny / "banks.csv").write_text("id,total_assets,equity\na,x,4\n")
        code, out, err = sim("run", "tiny.yaml", "--out", "r")
        assert (code, out) == (3, "")
        assert "banks.csv:2: " in err
        assert not (tiny / "r").exists()

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc, a folder nobody can write to")
    def test_a_place_nobody_can_write_to(self, sim: Call, tiny: Path) -> None:
        code, out, err = sim("run", "tiny.yaml", "--out", "/proc/x", "--quiet")
        assert (code, out) == (6, "")
        assert "/proc/x" in err
        assert len(err.splitlines()) == 1

    def test_a_name_that_would_act_on_the_terminal_is_not_printed(self, sim: Call, tiny: Path) -> None:
        (tiny / "x.yaml").write_text(SCENARIO.replace("Three banks", '"a\\e[31mb"'))
        code, out, err = sim("run", "x.yaml", "--out", "r")
        assert "\x1b" not in out + err
        assert code in {0, 3}


class TestProcess:
    """What only shows in a process of its own."""

    def test_help_loads_little_beyond_typer(self) -> None:
        script = (
            "import sys, typer; before = set(sys.modules); sys.argv = ['sim', '--help'];"
            "from sim.cli.app import main; main(); more = set(sys.modules) - before;"
            "roots = {name.partition('.')[0] for name in more} - set(sys.stdlib_module_names);"
            "print(len(more), *sorted(roots), file=sys.stderr)"
        )
        env = os.environ | {"PYTHONPATH": WHERE}
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
        count, *roots = ran.stderr.split()
        assert set(roots) <= {"sim", "typer"}  # neither numpy nor anything else that takes its time
        assert int(count) < 150
        assert all(name in ran.stdout for name in ("run", "validate", "list", "show"))

    @pytest.mark.parametrize("args", [["--help"], ["list"], ["list", "--json"]])
    def test_a_reader_that_goes_away(self, args: list[str]) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        child = process(*args, stdout=writing)
        os.close(writing)
        _, err = child.communicate(timeout=60)
        assert child.returncode in {0, 141}
        assert err == ""

    def test_stdout_closed_from_the_start(self) -> None:
        command = f'"{sys.executable}" -m sim list valuations >&-'
        env = os.environ | {"PYTHONPATH": WHERE}
        ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, env=env, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
    def test_stdout_on_a_full_disk(self) -> None:
        with Path("/dev/full").open("w") as full:
            child = process("list", "valuations", stdout=full)
            _, err = child.communicate(timeout=60)
        assert child.returncode == 5
        assert err == "error: No space left on device\n"

    def test_an_encoding_that_lacks_a_character(self) -> None:
        child = process("list", "Ω", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
        _, err = child.communicate(timeout=60)
        assert child.returncode == 2
        assert "\\u03a9" in err

    def test_interrupted_then_gone_on_with(self, tiny: Path) -> None:
        args = ("run", "tiny.yaml", "--draws", "2000000", "--out", "r", "--workers", "1", "--quiet")
        with process(*args, cwd=tiny) as child:
            try:
                deadline = time.monotonic() + 120
                while not list((tiny / "r").glob("parts/*.parquet")) and time.monotonic() < deadline:
                    assert child.poll() is None, child.communicate()
                    time.sleep(0.05)
                child.send_signal(signal.SIGINT)
                out, err = child.communicate(timeout=60)
            finally:
                child.kill()
        assert (child.returncode, out) == (130, "")
        assert len(err.splitlines()) == 1
        assert "sim resume --workers 1 --quiet r" in err
        assert "Traceback" not in err
