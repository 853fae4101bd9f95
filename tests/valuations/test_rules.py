"""Valuations of other packages: named in scenarios and in calls, held to the laws, and told what they do wrong."""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.channels.credit import Credit
from sim.cli.app import main
from sim.contagion.revalue import revalue
from sim.errors import ConvergenceError, InputError, PluginError, UnknownNameError
from sim.experiments.contract import broken_laws, stage
from sim.experiments.valuation_laws import broken_laws as broken_alone
from sim.scenario.json_schema import scenario_schema
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.simulation import play
from sim.valuations import RULES, OwnRule, Told, ValuationRule, worth
from sim.valuations.own import own
from tests.test_plugins import SPOILED, plug, reports, run_of, scenario_file  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorials" / "write_a_valuation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
SOURCE = next(text for kind, text in BLOCKS if kind == "python" and "ValuationRule" in text)
POINTS = {"sim.valuations": {"prudent": "prudent:Prudent"}}

HEAD = """
from typing import ClassVar
import numpy as np
from sim.valuations import ValuationRule

class X(ValuationRule):
    '''A claim is worth what equity is left.'''
    interface: ClassVar[int] = 1
    share: float = 1.0
    '''How much of a loss counts, 1.'''
    @staticmethod
    def value(equity, equity0, external_assets, debt, params):
"""
GOOD = "        return min(1.0, max(0.0, 1.0 - params[0] * (1.0 - equity / equity0))) if equity0 > 0.0 else 0.0\n"
X = {"sim.valuations": {"x": "mod_y:X"}}


def body(text: str) -> str:
    return HEAD + "".join(f"        {line}\n" for line in text.splitlines())


@pytest.fixture
def prudent(plug):  # noqa: F811
    """The package of the page, installed."""
    return plug(SOURCE, package="prudent-claims", module="prudent", points=POINTS)


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_installed():
    import tomllib

    project = tomllib.loads(next(text for kind, text in BLOCKS if kind == "toml"))["project"]
    assert project["entry-points"] == POINTS
    assert project["name"] == "prudent-claims"


def test_the_examples_of_the_page(prudent):
    (session,) = [text for kind, text in BLOCKS if kind == "pycon"]
    test = doctest.DocTestParser().get_doctest(session, {}, "write_a_valuation.md", None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_the_law_test_of_the_page(prudent):
    (code,) = [text for kind, text in BLOCKS if kind == "python" and "hold_to_laws" in text]
    names: dict[str, object] = {}
    exec(code, names)
    names["test_prudent_keeps_the_laws"]()  # type: ignore[operator]


def test_the_scenario_of_the_page(prudent, tmp_path, capsys):
    path = tmp_path / "prudent_ring.yaml"
    path.write_text(next(text for kind, text in BLOCKS if kind == "yaml"))
    scenario = load(path)
    assert scenario.plain()["channels"]["credit"]["valuation"] == {"prudent": {"calm": 0.25, "floor": 0.2}}
    assert main(["run", str(path), "--draws", "2", "--out", str(tmp_path / "r"), "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    by_hand = load("ring_of_ten").override({"channels.credit.valuation": "linear-debtrank"})
    assert found["summary"]["system_loss"]["mean"] > 0.0
    # the folder alone is enough to go on and to check a draw
    assert main(["verify", str(tmp_path / "r")]) == 0
    assert main(["repro", str(tmp_path / "r"), "--draw", "1"]) == 0
    assert "all bits agree" in capsys.readouterr().out
    assert scenario.digest != by_hand.digest


def test_listed_described_and_in_the_schema(prudent, tmp_path, capsys):
    assert main(["list", "valuations"]) == 0
    assert "plug-in of package prudent-claims" in capsys.readouterr().out
    assert main(["describe", "prudent"]) == 0
    told = capsys.readouterr().out
    assert "channels: {credit: {valuation: prudent}}" in told
    assert "calm: number" in told
    assert "Share of equity that may be lost before anybody writes a claim down" in told
    assert "Barucca" in told
    assert main(["describe", "channels.credit.valuation"]) == 0
    assert "linear-debtrank, prudent" in capsys.readouterr().out
    said = {"version": 1, "name": "n", "base": "ring_of_ten"}
    for plugins, wrong in ((False, ()), (True, ({"prudent": {"flor": 0.2}}, {"prudent": {"floor": 2}}))):
        checks = jsonschema.Draft202012Validator(scenario_schema(plugins=plugins))
        for good in ("furfine", "prudent", {"prudent": {}}, {"prudent": {"floor": 0.2}}, "prudent-claims:prudent"):
            checks.validate(said | {"channels": {"credit": {"valuation": good}}})
        for bad in ("furfin", {"prudnt": {}}, {}, 3, *wrong):
            assert not checks.is_valid(said | {"channels": {"credit": {"valuation": bad}}}), bad


def test_parameters_are_keys_that_can_be_swept(prudent, tmp_path, capsys):
    from sim.experiments.sweep import sweep

    ring = load("ring_of_ten").override({"channels.credit.valuation": "prudent", "shocks.0.size": 0.08})
    found = sweep(ring, {"channels.credit.valuation.prudent.floor": [0.9, 0.95, 1.0]}, draws=1)
    loss = found.summary("system_loss")["mean"].tolist()
    assert loss[0] > loss[1] > loss[2] > 0.0
    for key, value, why in (
        ("valuation.prudent.flor", 1, "unknown key \"channels.credit.valuation.prudent.flor\"; did you mean 'floor'?"),
        ("valuation.prudent.floor", 2, "channels.credit.valuation.prudent.floor = 2 must be in [0, 1]"),
        ("valuation", {"prudent": {}, "furfine": {}}, "name one valuation, got 2"),
        ("valuation", "prudnt", "unknown valuation 'prudnt'; did you mean 'prudent'?"),
        ("valuation", "exante-merton", "is for sim.contagion.revalue only; allowed: eisenberg-noe, rogers-veraart"),
    ):
        with pytest.raises(InputError) as caught:
            ring.override({f"channels.credit.{key}": value})
        assert why in str(caught.value)


# -- what it does in the credit channel --------------------------------------------------------------------------------

TWIN = """
from typing import ClassVar
from sim.valuations import ValuationRule

class X(ValuationRule):
    interface: ClassVar[int] = 1
    rho: float = 0.25
    @staticmethod
    def value(equity, equity0, external_assets, debt, params):
        if equity0 <= 0.0:
            return 1.0 if equity >= equity0 else params[0]
        stress = min(1.0, max(0.0, 1.0 - equity / equity0))
        if equity < 0.0:
            stress = 1.0
        return 1.0 - (1.0 - params[0]) * stress
"""


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_a_twin_of_linear_debtrank_gives_its_bits(plug, mode):  # noqa: F811
    plug(TWIN, points=X)
    system = stage()
    said = {"system": system, "name": "s", "mode": mode, "horizon": {"steps": 1 if mode == "static" else 4},
            "shocks": [{"kind": "asset_loss", "size": {"beta": {"a": 1.5, "b": 6.0, "scale": 0.6}}},
                       {"kind": "agent_failure", "target": "B1"}], "record": "agents"}  # fmt: skip
    one = play(
        Scenario(channels={"credit": {"valuation": "x", "recovery_rate": 0.25}}, **said), system, np.arange(6), 3
    )
    two = play(
        Scenario(channels={"credit": {"valuation": "linear-debtrank", "recovery_rate": 0.25}}, **said),
        system, np.arange(6), 3,
    )  # fmt: skip
    for name, values in two.final.items():
        assert values.tobytes() == one.final[name].tobytes(), name
    assert two.metrics["contagion_loss"].max() > 0.0


def test_the_slope_is_that_of_the_twin(plug):  # noqa: F811
    plug(TWIN, points=X)
    system = stage()
    from sim.channels.base import Step, TightView
    from sim.ledger.entries import Ledger

    slopes = []
    for name in ("x", "linear-debtrank"):
        credit = Credit(valuation=name, recovery_rate=0.25)
        state = system.state(2, ("shock", "credit"))
        state.columns["loans"][state.banks] *= 0.98
        step = Step(system, state, Ledger(state), 1, np.ones(2))
        slopes.append(credit.slope(step, TightView(state, state.worth, state.price)))
    assert slopes[1].max() > 0.0
    np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-4, atol=1e-9)


def test_code_that_changes_is_another_run(plug):  # noqa: F811
    target = plug(body(GOOD.strip()), points=X)
    before = load("ring_of_ten").override({"channels.credit.valuation": "x"}).digest
    (target / "mod_y.py").write_text(body(GOOD.strip()) + "# mended\n")
    assert load("ring_of_ten").override({"channels.credit.valuation": "x"}).digest != before


def test_a_record_says_what_it_is(plug):  # noqa: F811
    plug(body(GOOD.strip()), points=X)
    rule = RULES["x"](share=0.5)
    credit = Credit(valuation=rule)
    assert credit.valuation is rule
    assert credit.uses == (rule,)
    assert not credit.clears
    assert credit.model_dump(mode="json")["valuation"] == {"x": {"share": 0.5}}
    assert Credit(valuation=RULES["furfine"]()).valuation == "furfine"
    assert Credit().uses == ()
    assert rule.params.tolist() == [0.5]


# -- the laws, over the registry ---------------------------------------------------------------------------------------


def test_the_registry_holds_ours():
    assert own() == ["eisenberg-noe", "rogers-veraart", "furfine", "linear-debtrank", "nonlinear-debtrank",
                     "exante-merton", "exante-black-cox"]  # fmt: skip
    assert own(in_scenario=True) == own()[:4]
    assert all(issubclass(RULES[name], OwnRule) for name in own())


@pytest.mark.parametrize("name", own())
def test_ours_keep_the_laws_alone(name):
    # in the channel they are held to the laws by tests/test_plugins.py
    assert broken_alone(name) == []


LIARS = {
    "is above 1": ("return 1.2", "outside what is allowed: 0 to 1"),
    "falls when equity rises": ("return 0.5 if equity > equity0 else 1.0", "less than at a lower equity"),
    "is below 1 with nothing lost": ("return 0.9", "with nothing lost; allowed: 1"),
    "draws luck": ("return min(1.0, max(0.0, equity / equity0)) * np.random.random()", "is luck drawn in it?"),
    "knows the currency": ("return 1.0 if equity > equity0 - 15.0 else 0.5", "values depend on the currency"),
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_valuation_that_breaks_a_law_is_caught(lie, plug):  # noqa: F811
    text, law = LIARS[lie]
    plug(body(text), points=X)
    found = broken_laws("valuations", "x")
    assert any(law in line for line in found), found


class Steep(ValuationRule):
    @staticmethod
    def value(equity, equity0, external_assets, debt, params):
        return min(1.0, max(0.0, equity / equity0))


@settings(deadline=None, max_examples=60)
@given(st.floats(-80, 80), st.floats(0.1, 60), st.floats(0, 300), st.floats(0, 200))
def test_values_are_bounded_for_any_balance_sheet(equity, equity0, external, debt):
    told = Told(*(np.array([[each]]) for each in (equity, equity0, external, debt)))
    found = worth(Steep(), told)
    assert found.shape == (1, 1)
    expected = 1.0 if debt == 0.0 else min(1.0, max(0.0, equity / equity0))
    assert found[0, 0] == expected


# -- P01 to P16: broken, clashing, slow and lying ----------------------------------------------------------------------

BROKEN = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "missing module": ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
    "lacks its class": ("", "has no attribute 'X'"),
    "no class": ("X = 3", "is 3, no subclass of sim.valuations.ValuationRule"),
    "lacks value": ("from sim.valuations import ValuationRule\nclass X(ValuationRule):\n    interface = 1",
                    "lacks value(equity, equity0, external_assets, debt, params)"),
    "no static method": (body(GOOD.strip()).replace("    @staticmethod\n", ""), "must have value as a static method"),
    "too few arguments": (body("return 1.0").replace(", params)", ")"), "must have value as a static method"),
    "a parameter that is text": (body(GOOD.strip()).replace("share: float = 1.0", "share: str = 'a'"),
                                 "has a parameter 'share' that is no number"),
    "no interface": (body(GOOD.strip()).replace("    interface: ClassVar[int] = 1\n", ""), "interface: ClassVar"),
    "another interface": (body(GOOD.strip()).replace("int] = 1", "int] = 2"), "needs plug-in interface 2"),
}  # fmt: skip


@pytest.mark.parametrize("how", BROKEN)
def test_p01_to_p07_a_broken_valuation(how, plug, scenario_file, tmp_path, capsys):  # noqa: F811
    source, why = BROKEN[how]
    plug(source, points=X)
    for words in (["list"], ["describe", "credit"], ["schema"], ["validate", "ring_of_ten"]):
        assert main(words) == 0, words
    reports(capsys)
    assert run_of(scenario_file("{credit: {valuation: x}}"), tmp_path) == 7
    told = reports(capsys)
    assert "channels.credit.valuation: plug-in 'x' (package y 1.0)" in told
    assert why in told
    assert "Traceback" not in told
    with pytest.raises(PluginError):
        revalue([[0, 1.0], [0, 0]], [3, 3], 1.0, valuation="x")


def test_p04_p05_names_that_clash(plug, scenario_file, tmp_path, capsys):  # noqa: F811
    plug(body(GOOD.strip()), points=X)
    plug(body(GOOD.strip()), package="z", points={"sim.valuations": {"x": "mod_z:X", "furfine": "mod_z:X"}})
    assert run_of(scenario_file("{credit: {valuation: x}}"), tmp_path) == 7
    assert "name 'x' is claimed by packages y 1.0 and z 1.0; remove one or write 'y:x'" in reports(capsys)
    assert run_of(scenario_file("{credit: {valuation: 'z:x'}}"), tmp_path) == 0
    assert run_of(scenario_file("{credit: {valuation: furfine}}"), tmp_path / "ours") == 7
    assert run_of(scenario_file("{credit: {valuation: eisenberg-noe}}"), tmp_path / "other") == 0
    reports(capsys)
    assert main(["list", "valuations"]) == 0
    assert "name 'furfine' is built in; package z 1.0 may not replace it" in reports(capsys)


MISDEEDS = {
    "P08 no number": ("return (1.0, 2.0)", "value cannot be compiled by numba"),
    "P08 text": ("return 'a'", "value cannot be compiled by numba"),
    "P09 nan": ("return np.nan", "value nan at equity"),
    "P10 negative": ("return -0.1", "value -0.1 at equity"),
    "P10 above 1": ("return 1.1", "outside what is allowed: 0 to 1"),
    "P11 params": ("params[0] = 0.0\nreturn 1.0", "value wrote to a read-only input"),
    "P12 luck": ("return min(1.0, max(0.0, equity / equity0)) * np.random.random()", "is luck drawn in it?"),
    "falls": ("return 1.0 if equity <= 0.0 else 0.5", "is less than at a lower equity; allowed: never falling"),
    "raises": ("if equity < 0.0:\n    raise ValueError('no')\nreturn 1.0", "value raised ValueError: no"),
    "files": ("open('/tmp/x', 'w')\nreturn 1.0", "value cannot be compiled by numba"),
}


@pytest.mark.parametrize("deed", MISDEEDS)
def test_p08_to_p12_a_valuation_that_misbehaves(deed, plug, scenario_file, tmp_path, capsys):  # noqa: F811
    text, why = MISDEEDS[deed]
    plug(body(text), points=X)
    assert run_of(scenario_file("{credit: {valuation: x}}"), tmp_path) == SPOILED
    told = reports(capsys)
    assert "first: draw 0: PluginError: plug-in 'x' (package y 1.0): " in told
    assert why in told
    assert "Traceback" not in told
    with pytest.raises(PluginError, match=re.escape(why)):
        revalue([[0, 1.0], [0, 0]], [3, 3], 1.0, valuation="x")


def test_p09_names_the_bank_and_harms_no_other_draw(plug, scenario_file, tmp_path, capsys):  # noqa: F811
    plug(body("return np.nan if 1.0 < equity < 1.1 else 1.0"), points=X)  # between the points of the examination
    shocks = "[{kind: asset_loss, target: B01, size: {uniform: {low: 0.05, high: 0.1}}}]"
    assert run_of(scenario_file("{credit: {valuation: x}}", shocks=shocks), tmp_path, "--draws", "64") == SPOILED
    told = reports(capsys)
    found = re.search(r"(\d+) of 64 draws failed; first: draw \d+: PluginError: plug-in 'x' \(package y 1.0\): "
                      r"value returned nan for 'B01' at equity 1.0", told)  # fmt: skip
    assert found, told
    assert 0 < int(found[1]) < 40


def test_p13_an_endless_loop_ends_the_run_and_names_the_draw(plug, scenario_file, tmp_path):  # noqa: F811
    target = plug(body("while equity == equity:\n    equity = equity * 1.0\nreturn 1.0"), points=X)
    words = ["run", str(scenario_file("{credit: {valuation: x}}")), "--out", "out", "--allow-path", "--time-limit", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "sim", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": f"{target}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert re.search(r"draws? 0", done.stderr)
    assert "did not end within 1 s (--time-limit sets this)" in done.stderr


@pytest.mark.parametrize(("name", "why"), [
    ("./evil.py", "plug-ins are named by installed entry point, not by path"),
    ("'os:system'", "unknown valuation 'os:system'"),
])  # fmt: skip
def test_p15_p16_a_path_is_no_valuation(name, why, scenario_file, tmp_path, capsys):  # noqa: F811
    assert run_of(scenario_file(f"{{credit: {{valuation: {name}}}}}"), tmp_path) == 3
    assert why in reports(capsys)


# -- in sim.contagion.revalue ------------------------------------------------------------------------------------------

TOY = 0.5 * np.roll(np.eye(3), 1, axis=1)


def test_revalue_by_name_record_and_numbers(plug):  # noqa: F811
    plug(body(GOOD.strip()), points=X)
    call = dict(exposures=TOY, external_assets=[9.5, 5, 3], external_liabilities=[9, 4, 2],
                external_assets0=[10, 5, 3], tol=1e-13)  # fmt: skip
    linear = revalue(**call, valuation="linear-debtrank").value
    np.testing.assert_array_equal(revalue(**call, valuation="x").value, linear)
    half = revalue(**call, valuation=RULES["x"](share=0.5)).value
    assert (half > linear).all()
    np.testing.assert_array_equal(revalue(**call, valuation="x", params=[0.5]).value, half)
    mixed = revalue(**call, valuation="x", params=[[1.0], [1.0], [0.0]]).value
    assert mixed[2] == 1.0
    assert mixed[0] < 1.0
    with pytest.raises(InputError, match="params has 2 numbers; x takes 1"):
        revalue(**call, valuation="x", params=[1.0, 2.0])
    with pytest.raises(UnknownNameError, match="unknown valuation 'y'"):
        revalue(**call, valuation="y")
    with pytest.raises(UnknownNameError, match="unknown valuation '3'"):
        revalue(**call, valuation=3)


def test_revalue_asks_for_parameters_without_a_default(plug):  # noqa: F811
    plug(body(GOOD.strip()).replace("share: float = 1.0", "share: float"), points=X)
    with pytest.raises(InputError, match="valuation x has parameters without a default: share; pass it as a record"):
        revalue(TOY, [10, 5, 3], [9, 4, 2], valuation="x")
    assert revalue(TOY, [10, 5, 3], [9, 4, 2], valuation=RULES["x"](share=1.0)).value.tolist() == [1.0] * 3


def test_a_jump_is_certified_or_refused(plug):  # noqa: F811
    plug(body("return 1.0 if equity >= 0.5 * equity0 else 0.0"), points=X)
    found = revalue(TOY, [9.3, 5, 3], [9, 4, 2], valuation="x", external_assets0=[10, 5, 3], bounds=True)
    assert set(np.atleast_1d(found.status)) <= {"certified", "multiple"}
    with pytest.raises(ConvergenceError):
        revalue(TOY, [9.3, 5, 3], [9, 4, 2], valuation="linear-debtrank", external_assets0=[10, 5, 3], max_rounds=1)


# -- sim schema --plugins ----------------------------------------------------------------------------------------------


def test_schema_skips_broken_plug_ins_with_a_warning(plug, capsys):  # noqa: F811
    plug("1 / 0", points={"sim.valuations": {"x": "mod_y:X"}, "sim.channels": {"c": "mod_y:C"},
                          "sim.shocks": {"s": "mod_y:S"}})  # fmt: skip
    plug(body(GOOD.strip()), package="z", points={"sim.valuations": {"fine": "mod_z:X"}})
    assert main(["schema", "--plugins"]) == 0
    said = capsys.readouterr()
    schema = json.loads(said.out)
    warned = said.err.splitlines()
    assert len(warned) == 3
    for name in ("x", "c", "s"):
        assert f"warning: plug-in '{name}' (package y 1.0) could not be loaded: ZeroDivisionError" in said.err
    record = next(way for way in schema["$defs"]["Credit"]["properties"]["valuation"]["anyOf"]
                  if way["type"] == "object")["properties"]  # fmt: skip
    assert record["x"] == {"type": "object"}
    assert record["fine"]["properties"]["share"]["description"] == "How much of a loss counts, 1."
    with pytest.raises(PluginError):
        scenario_schema(plugins=True)


def test_schema_skips_what_has_no_schema(plug, capsys):  # noqa: F811
    channel = """
from typing import ClassVar
from sim.channels import Channel
class Odd:
    pass
class X(Channel):
    interface: ClassVar[int] = 1
    phases: ClassVar[dict[str, str]] = {"funding": "play"}
    model_config = {"arbitrary_types_allowed": True}
    odd: Odd | None = None
    def play(self, step): pass
"""
    plug(channel, points={"sim.channels": {"x": "mod_y:X"}})
    assert main(["schema", "--plugins"]) == 0
    said = capsys.readouterr()
    assert "warning: plug-in 'x' (package y 1.0) has parameters of which no schema can be made" in said.err
    assert json.loads(said.out)["properties"]["channels"]["properties"]["x"]["anyOf"][0] == {"type": "object"}
