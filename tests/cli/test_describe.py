"""`sim describe`, `sim schema` and what the shell completes: complete, true to the records, did-you-mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.channels import CHANNELS
from sim.cli import complete
from sim.cli.app import main
from sim.cli.describe import SINGULAR, documented, plain
from sim.cli.list import KINDS
from sim.scenario.json_schema import scenario_schema
from sim.scenario.keys import keys, lookup
from sim.scenario.load import shipped_folder
from sim.scenario.strict import read_mapping
from sim.shocks import SHOCKS

Call = Callable[..., tuple[int, str, str]]
EVERYTHING = sorted({name for kind in SINGULAR for name in KINDS[kind]()})
SCHEMA = scenario_schema()
KEYS = [each.name for each in keys(SCHEMA, SCHEMA["$defs"])]


@pytest.fixture
def sim(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process."""

    def call(*args: str) -> tuple[int, str, str]:
        code = main(args)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.mark.parametrize("name", EVERYTHING)
def test_everything_that_is_listed_is_described(sim: Call, name: str) -> None:
    code, out, err = sim("describe", name)
    assert (code, err) == (0, "")
    assert out.startswith(f"{name} (")
    for mark in (":math:", "``", "\\", "References", ".. math"):
        assert mark not in out
    assert max(map(len, out.splitlines())) <= 100


def test_every_key_of_a_scenario_is_described(sim: Call) -> None:
    assert len(KEYS) > 40
    for name in KEYS:
        assert lookup(SCHEMA, name.split("."))
    for name in ("horizon", "horizon.step", "system.layers.interbank.reconstruct", "channels.market.tol", "metrics"):
        code, out, err = sim("describe", name)
        assert (code, err) == (0, ""), name
        assert out.startswith((f"{name} (key)", f"{name.rpartition('.')[2]} ("))


@pytest.mark.parametrize("cls", [*(CHANNELS[n] for n in CHANNELS.names()), *(SHOCKS[n] for n in SHOCKS.names())])
def test_every_parameter_is_told_with_its_meaning(sim: Call, cls: type) -> None:
    facts = json.loads(sim("describe", cls.name, "--json")[1])
    told = {row["key"]: row for row in facts["parameters"]}
    for name, field in cls.model_fields.items():
        assert " ".join(field.description.replace("``", "").split()).startswith(told[name]["meaning"].rstrip("."))
        assert told[name]["allowed"]


def test_a_parameter_has_unit_range_default_and_source(sim: Call) -> None:
    code, out, _ = sim("describe", "credit")
    assert code == 0
    assert "recovery_rate: number in [0, 1], unit 1; default 0" in out
    assert "Σ_j A_ij (1 - V_j)" in out
    assert "Eisenberg and Noe (2001)" in out
    assert "default eisenberg-noe" in out
    assert json.loads(sim("describe", "channels.credit.alpha", "--json")[1])["facts"] == {
        "allowed": "number in [0, 1]", "unit": "1", "default": "1",
    }  # fmt: skip


def test_a_valuation_has_its_equation(sim: Call) -> None:
    out = sim("describe", "linear-debtrank")[1]
    assert "V_j = 1 - (1 - ρ) min(1, max(0, 1 - E_j / E^0_j))" in out
    assert "channels: {credit: {valuation: linear-debtrank}}" in out
    out = sim("describe", "exante-merton")[1]  # not for scenarios
    assert "in a scenario" not in out
    assert 'sim.contagion.revalue(..., valuation="exante-merton")' in out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("crdit", "unknown name 'crdit'; did you mean 'credit'? (known: absorbing, "),
        ("monte_carlo.drws", "monte_carlo: unknown key 'drws'; did you mean 'draws'? (known: draws, "),
        ("channels.credit.alhpa", "channels.credit: unknown key 'alhpa'; did you mean 'alpha'? (known: alpha, "),
        (
            "channels.crdit",
            "channels: unknown key 'crdit'; did you mean 'credit'? (known: compliance, credit, liquidity, ",
        ),
        ("shocks.0.price_fal", "shocks: unknown key 'price_fal'; did you mean 'price_fall'? (known: "),
        ("\x1b[31m", "unknown name '\\x1b[31m' (known: "),
        ("../../etc/passwd", "unknown name '../../etc/passwd' (known: "),
    ],
)
def test_unknown_names_list_what_there_is(sim: Call, name: str, said: str) -> None:
    code, out, err = sim("describe", name)
    assert (code, out) == (3, "")
    assert said in err


def test_nothing_named_is_a_usage_error(sim: Call) -> None:
    code, out, err = sim("describe")
    assert (code, out) == (2, "")
    assert "sim describe credit" in err


def test_plain_formulas() -> None:
    assert plain(r":math:`\sum_j A_{ij} (1 - V_j)`") == "Σ_j A_ij (1 - V_j)"
    assert plain(r":math:`p' = p e^{-x}`") == "p' = p e^(-x)"
    assert plain(r":math:`\bar p_j \le \frac{a}{b}`") == "p̄_j ≤ (a)/(b)"
    assert plain("a ``name`` and `other`") == "a name and other"


def test_documented_takes_a_docstring_apart() -> None:
    text = "Do it.\n\nMore\nof it.\n\n.. math::\n    a = b\n\nParameters\n----------\nx : int\n\n"
    text += "References\n----------\nMe (1)."
    assert documented(text) == {"meaning": "Do it.", "text": "More of it.", "equation": "a = b", "source": "Me (1)."}
    assert documented("") == {"meaning": ""}


# --- the JSON Schema


def test_schema_is_printed_and_nothing_else(sim: Call, tmp_path: Path) -> None:
    code, out, err = sim("schema")
    assert (code, err) == (0, "")
    assert json.loads(out) == SCHEMA
    code, said, _ = sim("schema", "-o", str(tmp_path / "s.json"))
    assert (code, said) == (0, f"{tmp_path / 's.json'}\n")
    assert json.loads((tmp_path / "s.json").read_text()) == SCHEMA
    assert sim("schema", "-o", str(tmp_path / "no" / "s.json"))[0] == 6


def checker():
    jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_scenarios_are_valid(path: Path) -> None:
    assert list(checker().iter_errors(read_mapping(path).data)) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"version": 1, "name": "x"},
        {"version": 2, "name": "x", "base": "eu48"},
        {"base": "eu48", "chanels": {}},
        {"base": "eu48", "channels": {"credt": {}}},
        {"base": "eu48", "channels": {"credit": {"alpha": 1.5}}},
        {"base": "eu48", "shocks": [{"kind": "asset_loss"}]},
        {"base": "eu48", "shocks": [{"size": 0.1}]},
        {"base": "eu48", "shocks": [{"kind": "asset_loss", "size": 1.5}]},
        {"base": "eu48", "shocks": [{"kind": "asset_loss", "size": {"fixed": 0.1, "beta": {"a": 1, "b": 1}}}]},
        {"base": "eu48", "shocks": [{"kind": "price_fall", "size": 0.1}]},
        {"base": "eu48", "metrics": ["system_los"]},
        {"base": "eu48", "monte_carlo": {"draws": 0}},
        {"version": 1, "name": "x", "system": {"agents": {}}},
        {"version": 1, "name": "x", "system": {"agents": {"banks": {"file": "b.csv"}}, "holdings": {}}},
    ],
)
def test_schema_refuses_what_the_loader_refuses(bad: dict) -> None:
    assert list(checker().iter_errors(bad))


@pytest.mark.parametrize(
    "good",
    [
        {"base": "eu48"},
        {"base": "eu48", "channels": {"credit": None, "my-package:credit": {"any": 1}}},
        {"base": "eu48", "shocks": [{"kind": "my-package:flood", "depth": 2}], "metrics": ["my-package:wet", "sold"]},
        {"base": "eu48", "system": {"holdings": {"fair_value_share": 0.5}}},
        {"base": "eu48", "shocks": [{"kind": "asset_loss", "size": 0.1}]},
        {"base": "eu48", "shocks": [{"kind": "asset_loss", "size": {"beta": {"a": 1, "b": 2.5}}}]},
        {"version": 1, "name": "x", "system": {"agents": {"banks": {"file": "b.csv"}}}},
    ],
)
def test_schema_takes_what_the_loader_takes(good: dict) -> None:
    assert list(checker().iter_errors(good)) == []


def test_plug_ins_are_not_loaded_for_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    for registry in (CHANNELS, SHOCKS):
        monkeypatch.setattr(registry, "others", lambda: {"flood": "my-package 1.0"})
    jsonschema = pytest.importorskip("jsonschema", reason="the package jsonschema is not installed")
    lenient = jsonschema.Draft202012Validator(scenario_schema())
    told = {"base": "eu48", "channels": {"flood": {"depth": 2}}, "shocks": [{"kind": "flood", "where": "x"}]}
    assert list(lenient.iter_errors(told)) == []
    assert list(checker().iter_errors(told))


def test_shocks_name_their_sorts(sim: Call) -> None:
    assert "sorts    agent_failure, asset_loss, borrower_stress, cyber" in sim("describe", "shocks")[1]


# --- completion


def completed(words: str, folder: Path) -> list[str]:
    env = os.environ | {"_SIM_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    env |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-m", "sim"], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_completes_commands_and_names(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("")
    assert {"report", "repro", "resume"} <= set(completed("sim re", tmp_path))
    found = ["eu48_digital", "eu48_single_failures", "eu48_sovereign"]
    assert completed("sim new x --from eu48_", tmp_path) == found


def test_completers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "plain").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("")
    assert complete.scenarios("mi") == ["mine.yaml"]
    assert complete.scenarios("ring") == ["ring_of_ten"]
    assert complete.folders("") == ["run/", "plain/"]
    assert complete.folders("no/such/") == []
    assert complete.things("creditor") == ["creditor_loss"]
    assert complete.things("monte_carlo.d") == ["monte_carlo.draws"]
    assert dict(complete.kinds("f")).keys() == {"fan"}
