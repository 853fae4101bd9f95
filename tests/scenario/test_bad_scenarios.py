"""What users see when a scenario cannot be used: all problems at once, path and line, got, allowed, nearest fix."""

from __future__ import annotations

import pytest

from sim.errors import InputError
from sim.scenario.build import build
from sim.scenario.load import load

TEXT = """version: 1
name: base
title: A small scenario
system:
  currency: EUR million
  agents:
    banks: {file: banks.csv}
  layers:
    interbank: {file: exposures.csv}
mode: static
horizon: {steps: 1}
shocks:
  - kind: asset_loss
    target: banks
    size: 0.05
channels:
  credit:
    valuation: furfine
    recovery_rate: 0.4
    tol: 1.0e-10
    max_rounds: 1000
metrics: [system_loss, defaults]
monte_carlo:
  draws: 100
  seed: 12345
"""
BANKS = "id,total_assets,equity\nA,130,25\nB,120,35\nC,100,25\nD,60,15\n"
EXPOSURES = "creditor,debtor,amount\nA,B,10\nB,C,20\nC,A,30\nA,D,5\n"

# (what, text replaced, by what, message expected after the path)
CASES = [
    (
        "unknown key",
        "recovery_rate: 0.4",
        "recovry_rate: 0.4",
        ":19: unknown key \"channels.credit.recovry_rate\"; did you mean 'recovery_rate'?",
    ),
    ("unknown top key", "metrics:", "metricks:", ":22: unknown key \"metricks\"; did you mean 'metrics'?"),
    ("missing version", "version: 1\n", "", ': missing "version"'),
    ("missing name", "name: base\n", "", ': missing "name"'),
    ("future version", "version: 1", "version: 9", ":1: scenario version 9 is newer than this program understands (1)"),
    ("version as text", "version: 1", 'version: "one"', ":1: version must be an integer, got 'one'"),
    (
        "above one",
        "recovery_rate: 0.4",
        "recovery_rate: 1.4",
        ":19: channels.credit.recovery_rate = 1.4 must be in [0, 1]",
    ),
    (
        "negative",
        "recovery_rate: 0.4",
        "recovery_rate: -0.1",
        ":19: channels.credit.recovery_rate = -0.1 must be in [0, 1]",
    ),
    ("percent", "recovery_rate: 0.4", "recovery_rate: 40", "must be in [0, 1]; is it a percentage (0.4)?"),
    (
        "nan",
        "recovery_rate: 0.4",
        "recovery_rate: .nan",
        ":19: channels.credit.recovery_rate must be a finite number, got nan",
    ),
    ("infinite", "tol: 1.0e-10", "tol: .inf", ":20: channels.credit.tol must be a finite number, got inf"),
    ("zero tolerance", "tol: 1.0e-10", "tol: 0", ":20: channels.credit.tol = 0 must be in (0, 0.001]"),
    (
        "boolean for text",
        "valuation: furfine",
        "valuation: false",
        "channels.credit.valuation must be text, got the boolean false; quote it",
    ),
    ("unknown valuation", "furfine", "furfin", ":18: channels.credit.valuation: unknown valuation 'furfin'; did you"),
    ("zero rounds", "max_rounds: 1000", "max_rounds: 0", ":21: channels.credit.max_rounds = 0 must be at least 1"),
    (
        "rounds as float",
        "max_rounds: 1000",
        "max_rounds: 1000.5",
        ":21: channels.credit.max_rounds must be an integer, got 1000.5",
    ),
    ("negative seed", "seed: 12345", "seed: -1", ":25: monte_carlo.seed = -1 must be in [0,"),
    ("huge seed", "seed: 12345", "seed: " + "9" * 60, ":25: monte_carlo.seed"),
    ("zero draws", "draws: 100", "draws: 0", ":24: monte_carlo.draws = 0 must be in [1, 1e+12]"),
    ("too many draws", "draws: 100", "draws: 1" + "0" * 30, ":24: monte_carlo.draws"),
    ("unknown shock", "kind: asset_loss", "kind: meteor", ":13: shocks.0.kind: unknown shock 'meteor'"),
    ("shock without kind", "- kind: asset_loss\n    target", "- target", ':13: shocks.0: missing "kind"'),
    ("unknown bank", "target: banks", "target: ZZ", ":14: shocks.0.target: 'ZZ' names no bank and no selector"),
    ("rank too high", "target: banks", 'target: "banks[rank=9]"', "rank 9 must be in 1 to 4"),
    ("size above one", "size: 0.05", "size: 1.5", ":15: shocks.0.size.fixed = 1.5 must be in [0, 1]"),
    (
        "two distributions",
        "size: 0.05",
        "size: {uniform: {low: 0, high: 1}, beta: {a: 1, b: 1}}",
        "exactly one of uniform, beta, lognormal",
    ),
    (
        "low above high",
        "size: 0.05",
        "size: {uniform: {low: 0.5, high: 0.1}}",
        "low = 0.5 must not be above high = 0.1",
    ),
    (
        "shocks no list",
        "shocks:\n  - kind: asset_loss\n    target: banks\n    size: 0.05\n",
        "shocks: 3\n",
        ": shocks must be a list, got 3",
    ),
    (
        "unknown channel",
        "  credit:",
        "  credits:",
        ":17: channels.credits: unknown channel 'credits'; did you mean 'credit'?",
    ),
    ("path as channel", "  credit:", "  ./evil.py:", "plug-ins are named by installed entry point, not by path"),
    ("dotted path as channel", "  credit:", '  "os:system":', "unknown channel 'os:system'"),
    (
        "unknown metric",
        "[system_loss, defaults]",
        "[system_los]",
        "metrics: unknown metric 'system_los'; did you mean 'system_loss'?",
    ),
    (
        "static with steps",
        "horizon: {steps: 1}",
        "horizon: {steps: 5}",
        "a static scenario has one step, got horizon.steps = 5",
    ),
    (
        "shock after the end",
        "    size: 0.05",
        "    size: 0.05\n    at: 3",
        "shocks.0.at = 3 is after the last step (1)",
    ),
    ("outside the folder", "file: banks.csv", "file: ../../etc/passwd", ":7: system.agents.banks.file"),
    ("absolute path", "file: banks.csv", "file: /etc/passwd", ":7: system.agents.banks.file"),
    ("URL", "file: banks.csv", 'file: "http://127.0.0.1:9/x.csv"', "is a URL"),
    ("missing file", "file: banks.csv", "file: bank.csv", "did you mean"),
    ("no system", TEXT[TEXT.index("system:") : TEXT.index("mode:")], "", ': missing block "system"'),
    ("unknown base", "name: base\n", "name: base\nbase: eu4\n", ":3: base: no scenario 'eu4'"),
    ("control characters", "name: base", 'name: "a\\x1b[31mb"', "control characters"),
    ("long name", "name: base", "name: " + "x" * 100_000, "name is longer than 200 characters"),
    (
        "two of one kind",
        "interbank: {file: exposures.csv}",
        "interbank: {file: e.csv, reconstruct: max_entropy}",
        "system.layers.interbank: give one of file, reconstruct and generator",
    ),
    (
        "several networks",
        "draws: 100",
        "networks: 3",
        ":24: monte_carlo.networks = 3: there is only one network, as no layer has a random generator",
    ),
]


def written(folder, text=TEXT, banks=BANKS, exposures=EXPOSURES):
    (folder / "banks.csv").write_text(banks)
    (folder / "exposures.csv").write_text(exposures)
    path = folder / "scenario.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("what", "old", "new", "message"), CASES, ids=[case[0] for case in CASES])
def test_what_is_wrong_is_said_with_its_place(tmp_path, monkeypatch, what, old, new, message):
    monkeypatch.chdir(tmp_path)
    assert old in TEXT
    path = written(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        build(load(path))
    text = str(caught.value)
    assert message in text
    assert text.startswith("scenario.yaml:")
    assert all(len(line) < 600 for line in text.splitlines())


def test_all_problems_of_a_file_come_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bad = TEXT.replace("0.4", "40").replace("draws: 100", "draws: 0").replace("size: 0.05", "size: -1")
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, bad))
    assert [problem.line for problem in caught.value.problems] == [15, 19, 24]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tol: 1.0e-10", "tol: 1e-10"),
        ("seed: 12345\n", ""),
        ("name: base", 'name: "{{ 7*7 }}{__import__}"'),
        ("target: banks", "target: A"),
        ("version: 1", "# a comment\nversion: 1"),
    ],
)
def test_what_must_be_accepted(tmp_path, old, new):
    scenario = load(written(tmp_path, TEXT.replace(old, new, 1).replace("seed: 12345\n", "seed: 12345\n")))
    assert build(scenario).banks == ("A", "B", "C", "D")


def test_no_shock_is_a_warning(tmp_path):
    text = TEXT.replace("shocks:\n  - kind: asset_loss\n    target: banks\n    size: 0.05\n", "shocks: []\n")
    scenario = load(written(tmp_path, text))
    assert "no shock" in str(scenario.warnings[0])


def test_problems_of_all_tables_come_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, banks=BANKS.replace("130", "x"), exposures=EXPOSURES.replace("10", "-10"))
    with pytest.raises(InputError) as caught:
        build(load(path))
    assert {problem.path for problem in caught.value.problems} >= {"banks.csv"}


@pytest.mark.parametrize(
    ("banks", "message"),
    [
        (BANKS.replace("A,130,25", "A,130,500"), "banks.csv:2: bank A: equity 500 is above total assets 130"),
        (BANKS.replace("A,130,25", "A,10,5"), "exceed total_assets 10"),
        (BANKS.replace("D,60,15", "D,60,58"), "exceed total_assets 60"),
        (
            "id,total_assets,equity,loans\nA,130,25,100\nB,120,35,100\nC,100,25,70\nD,60,15,60\n",
            "differ from total_assets",
        ),
    ],
)
def test_balance_sheets_that_cannot_be(tmp_path, monkeypatch, banks, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="bank") as caught:
        build(load(written(tmp_path, banks=banks)))
    assert message in str(caught.value)


def test_negative_equity_at_the_start_is_a_warning(tmp_path):
    system = build(load(written(tmp_path, banks=BANKS.replace("A,130,25", "A,130,-5"))))
    assert "bank A starts with negative equity" in str(system.warnings[0])


def test_mixed_units_are_a_warning(tmp_path):
    system = build(load(written(tmp_path, banks=BANKS + "E,100000000,4000000\n")))
    assert "check the units" in str(system.warnings[-1])


def test_an_input_that_changed_since_loading_is_refused(tmp_path):
    scenario = load(written(tmp_path))
    (tmp_path / "banks.csv").write_text(BANKS.replace("130", "131"))
    with pytest.raises(InputError, match="changed since the scenario was loaded"):
        build(scenario)
