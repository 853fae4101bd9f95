"""Plug-ins of others: found, held to the laws, and told what they do wrong; broken ones harm nobody else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from sim.channels import CHANNELS, Channel, Step
from sim.cli.app import main
from sim.errors import FailedDrawsError, InputError, PluginError, UnknownNameError
from sim.experiments.contract import COMPANY, REGISTRIES, broken_laws, hold_to_laws, stage
from sim.ledger.entries import Ledger
from sim.ledger.watched import WatchedLedger
from sim.metrics import METRICS, Metric
from sim.plugins import INTERFACE, SORTS, Registry, checkup, installed, origins
from sim.policies import POLICIES
from sim.scenario.schema import Scenario
from sim.shocks import SHOCKS
from sim.simulation import Simulation, play
from tests.packages import FOLDER, metadata, pip_install

ROOT = Path(__file__).resolve().parent.parent
TUTORIAL = FOLDER / "funding_cost"
SPOILED = FailedDrawsError(1, 1, 0, "PluginError: plug-in 'x': ...").exit_code
"""What a run ends with when a plug-in breaks its contract while draws are played."""

HEAD = """
from typing import ClassVar
import numpy as np
import sim
from sim.channels import Channel

class X(Channel):
    '''A channel.'''
    interface: ClassVar[int] = 1
    phases: ClassVar[dict[str, str]] = {"funding": "play"}
"""


def method(body: str, head: str = HEAD) -> str:
    """Return the source of a channel whose `play` has this body."""
    return head + "    def play(self, step):\n" + textwrap.indent(textwrap.dedent(body).strip(), " " * 8) + "\n"


@pytest.fixture
def plug(tmp_path, monkeypatch):
    """Install packages made of sources into a folder that Python imports from, for one test."""
    target = tmp_path / "site"
    target.mkdir()
    monkeypatch.syspath_prepend(str(target))
    before = set(sys.modules)

    def install(source="", *, package="y", version="1.0", module=None, points=None):
        module = module or f"mod_{package}"
        points = points or {"sim.channels": {"x": f"{module}:X"}}
        (target / f"{module}.py").write_text(source, encoding="utf-8")
        info = target / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        for name, text in metadata(package, version, points).items():
            (info / name).write_text(text, encoding="utf-8")
        return target

    yield install
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    for registry in REGISTRIES.values():
        registry._loaded.clear()
        registry._known.clear()


@pytest.fixture
def scenario_file(tmp_path):
    """Write a small dynamic scenario on the ring of ten that names channels, shocks or metrics."""

    def write(channels="{x: {}}", metrics="[system_loss]", shocks="[{kind: asset_loss, target: B01, size: 0.5}]"):
        path = tmp_path / "s.yaml"
        path.write_text(
            f"version: 1\nname: s\nbase: ring_of_ten\nmode: dynamic\n"
            f"horizon: {{steps: 3}}\nchannels: {channels}\nmetrics: {metrics}\nshocks: {shocks}\n"
            "record: metrics\nmonte_carlo: {draws: 2, seed: 1}\n"
        )
        return path

    return write


def run_of(path, tmp_path, *more):
    return main(["run", str(path), "--out", str(tmp_path / "out"), "--allow-path", *more])


def reports(capsys) -> str:
    return capsys.readouterr().err


# -- the tutorial: a package of its own, installed by pip, named in a scenario, run, held to the laws ------------------


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory):
    """Install the tutorial's package with pip, offline, into a folder of its own."""
    target = tmp_path_factory.mktemp("tutorial") / "site"
    pip_install(TUTORIAL, target)
    return target


@pytest.fixture
def with_tutorial(tutorial, monkeypatch):
    monkeypatch.syspath_prepend(str(tutorial))
    yield
    sys.modules.pop("funding_cost", None)
    CHANNELS._loaded.clear()


def code_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_tutorial_is_thirty_lines():
    lines = [line.strip() for line in code_of(TUTORIAL / "funding_cost.py").splitlines()]
    code = [line for line in lines if line and not line.startswith(("#", '"""'))]
    assert len(code) <= 30, len(code)


def test_the_page_quotes_the_package():
    page = (ROOT / "docs" / "tutorials" / "write_a_channel.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert ("python", code_of(TUTORIAL / "funding_cost.py")) in blocks
    assert ("toml", code_of(TUTORIAL / "pyproject.toml")) in blocks
    assert ("yaml", code_of(TUTORIAL / "dear_funding.yaml")) in blocks


def test_the_package_is_installed_listed_and_run_from_another_process(tutorial, tmp_path):
    environment = os.environ | {"PYTHONPATH": f"{tutorial}{os.pathsep}{ROOT}"}

    def sim(*words):
        done = subprocess.run(
            [sys.executable, "-m", "sim", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    page = code_of(ROOT / "docs" / "tutorials" / "write_a_channel.md")
    assert f"$ sim list channels\n{sim('list', 'channels')}$ " in page
    told = sim("describe", "funding_cost")
    assert "Extra interest a step" in told
    assert "in [0, 1]" in told or "0 to 1" in told
    (tmp_path / "dear_funding.yaml").write_text(code_of(TUTORIAL / "dear_funding.yaml"))
    found = json.loads(sim("run", "dear_funding.yaml", "--out", "out", "--draws", "64", "--json"))
    assert found["summary"]["funding_cost_loss"]["mean"] > 0.0


def test_the_tutorial_by_hand(with_tutorial):
    # A has lent 30 to B. B loses 4 of its 10 of equity: signal 0.4, so A has 30 * 0.4 = 12 at stake, more than its
    # equity of 10; with equity 24 half of it is at stake. Funding of A is 76, so the
    # interest is 0.02 * 0.5 * 76 = 0.76.
    from tests.systems import system_of

    exposures = np.array([[0.0, 30.0], [0.0, 0.0]])
    system = system_of(exposures, loans=[70.0, 100.0], other=[76.0, 60.0])
    what = Scenario(
        system=system, name="hand", record="agents",
        shocks=[{"kind": "asset_loss", "target": "B1", "size": 0.04}],
        channels={"funding_cost": {"spread": 0.02}},
        metrics=["funding_cost_loss", "system_loss"],
    )  # fmt: skip
    block = play(what, system, np.arange(1), 1)
    assert block.final["loss_shock"][:, 0].tolist() == [0.0, 4.0]
    assert block.final["loss_funding_cost"][:, 0] == pytest.approx([0.76, 0.0], rel=1e-14)
    assert block.metrics["funding_cost_loss"][-1, 0] == pytest.approx(0.76)
    assert block.metrics["system_loss"][-1, 0] == pytest.approx(4.76)


def test_the_tutorial_keeps_the_laws(with_tutorial):
    # what the page tells its readers to test, word for word
    page = (ROOT / "docs" / "tutorials" / "write_a_channel.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n([^`]*hold_to_laws[^`]*)^```", page, flags=re.MULTILINE)
    names: dict[str, object] = {}
    exec(code, names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test()


# -- the laws over the registries --------------------------------------------------------------------------------------

PARAMETERS = {
    "market": {"settle": "new"},
    "asset_loss": {"size": 0.2},
    "agent_failure": {"target": "B1"},
    "price_fall": {"falls": {"a0": 0.1}},
    "borrower_stress": {"loans": "banks", "factor": {"normal": {}}},
    "cyber": {"target": "B1"},
    "outage": {"target": "B1"},
    "data_breach": {"target": "B1"},
    "penalty": {"target": "B1"},
    "haircut_rise": {"size": 0.1},
    "rule_change": {"target": "banks", "rise": 0.1},
    "rumour": {"target": "B1", "reach": 0.5},
    "data_security": {"posture": 0.0, "rise": 0.1},
    "provider_diversification": {"largest_share": 0.6, "backup": 0.6},
    "early_warning": {"trigger": {"observed": "price_decline", "above": 0.01}},
}
HELD_ELSEWHERE = {
    "redemption": "strikes funds, which the system of the laws lacks; tests/channels/test_funds.py holds it to them",
    "innovation": "strikes pools, which the system of the laws lacks; tests/shocks/test_innovation.py holds it to them",
}
EVERY = [(sort, name) for sort, registry in REGISTRIES.items() for name in registry.names()]


@pytest.mark.parametrize(("sort", "name"), EVERY, ids=lambda value: value)
def test_every_registered_plug_in_keeps_the_laws(sort, name):
    if name in HELD_ELSEWHERE:
        pytest.skip(HELD_ELSEWHERE[name])
    broken = broken_laws(sort, name, PARAMETERS.get(name, {}))
    if name == "reputation":  # news reaches every bank that is like another, with or without claims: none is isolated
        broken = [each for each in broken if "isolated" not in each]
    assert broken == []


def test_a_policy_that_breaks_a_law_is_caught(monkeypatch):
    monkeypatch.setattr(POLICIES["liquidity_buffer"], "cost", lambda self, seat, step: -np.ones(step.state.n_lanes))
    assert broken_laws("policies", "liquidity_buffer", {"ratio": 1.2}) == [
        "what it has cost so far is negative, or falls"
    ]


HIT = "np.maximum(0.0, step.state.loss[0, step.state.banks])"
LIARS = {
    "takes without an event": ("n = step.system.leverage0.size", "step.on * np.ones((n, 1))", "without an event"),
    "draws from the clock": (f"luck = np.random.default_rng().random({HIT}.shape)", "step.on * luck", "played twice"),
    "looks at other lanes": (
        f"lost = {HIT} + {HIT}.sum(axis=1, keepdims=True)",
        "lost * 1e-3 * step.on",
        "alone differs",
    ),
    "looks at the order of agents": (f"lost = {HIT}; lost[1:] = 0.0", "lost * step.on", "order in which agents"),
    "knows the currency": (f"hit = {HIT} > 1.0", "hit * step.on", "does not scale"),
    "counts the agents": ("n = step.system.leverage0.size", f"{HIT} / n * step.on", "isolated bank"),
    "ignores its switch": ("", HIT, "switched off"),
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_channel_that_breaks_a_law_is_caught(lie, plug):
    before, amount, law = LIARS[lie]
    plug(method(f"{before}\nstep.ledger.create('other_liabilities', step.state.banks, {amount}, 'x')"))
    found = broken_laws("channels", "x")
    assert any(law in line for line in found), found
    with pytest.raises(PluginError, match=r"channel 'x' breaks \d+ laws"):
        hold_to_laws("channels", "x")


def test_parameters_in_currency_are_scaled_with_it(plug):
    body = """
    hit = step.state.loss[0, step.state.banks] > self.limit
    step.ledger.create("other_liabilities", step.state.banks, np.where(hit, self.limit, 0.0) * step.on, "x")
    """
    plug(method(body, HEAD + "    limit: float = 1.0\n    '''Loss that is noticed, currency.'''\n"))
    assert any("does not scale" in line for line in broken_laws("channels", "x"))
    assert broken_laws("channels", "x", {"limit": 1.0}, currency=("limit",)) == []


def test_an_unknown_sort_or_name_says_what_there_is():
    with pytest.raises(UnknownNameError, match="did you mean 'channels'"):
        broken_laws("chanels", "credit")
    with pytest.raises(UnknownNameError, match="did you mean 'credit'"):
        broken_laws("channels", "credits")


# -- P01, P02, F65: a broken plug-in is installed; everything else works -----------------------------------------------

BROKEN = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "missing module": ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
    "syntax": ("def (", "SyntaxError"),
    "exits": ("import sys; sys.exit(0)", "SystemExit"),
    "lacks its class": ("", "has no attribute 'X'"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_p01_p02_other_commands_work_with_a_broken_plug_in(how, plug, tmp_path, capsys):
    source, _ = BROKEN[how]
    points = {"sim.channels": {"x": "mod_y:X"}, "sim.shocks": {"s": "mod_y:S"}, "sim.metrics": {"m": "mod_y:M"}}
    plug(f"open({str(tmp_path / 'imported')!r}, 'w').close()\n{source}", points=points)
    for words in (["list"], ["describe", "credit"], ["schema"], ["validate", "ring_of_ten"], ["plan", "ring_of_ten"]):
        assert main(words) == 0, words
    assert main(["run", "ring_of_ten", "--out", str(tmp_path / "out")]) == 0
    assert main(["show", str(tmp_path / "out")]) == 0
    assert "plug-in of package y" in (main(["list", "channels"]), capsys.readouterr().out)[1]
    # none of it has imported the plug-in
    if how != "syntax":
        assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("how", BROKEN)
def test_p01_p02_the_check_up_names_the_package(how, plug):
    source, why = BROKEN[how]
    plug(source)
    (problem,) = CHANNELS.checkup(load=True)
    assert str(problem).startswith("plug-in 'x' (package y 1.0) could not be loaded: ")
    assert why in str(problem)
    assert CHANNELS.checkup() == []  # only an import could tell


def test_the_check_up_without_import_tells_what_the_metadata_show(plug, tmp_path):
    touched = f"open({str(tmp_path / 'imported')!r}, 'w').close()"
    plug(touched, points={"sim.channels": {"credit": "mod_y:X", "lost": "no_such_top:X", "odd": "mod_y",
                                           "shock": "mod_y:X", "a.b": "mod_y:X"}})  # fmt: skip
    plug(touched, package="z", points={"sim.agents": {"w": "mod_z:W"}, "sim.chanels": {"c": "mod_z:C"}})
    plug(touched, package="p", points={"sim.shocks": {"hit": "mod_p:H"}})
    plug(touched, package="q", points={"sim.shocks": {"hit": "mod_q:H"}})
    found = "\n".join(map(str, checkup(*REGISTRIES.values())))
    for line in (
        "name 'credit' is built in; package y 1.0 may not replace it",
        "plug-in 'lost' (package y 1.0): no module named 'no_such_top'",
        "plug-in 'odd' (package y 1.0): 'mod_y' is no module:name",
        "plug-in 'shock' (package y 1.0): the name is not allowed",
        "plug-in 'a.b' (package y 1.0): the name is not allowed",
        "plug-in 'w' (package z 1.0) is filed under 'sim.agents', and this program has no such plug-ins yet",
        "filed under 'sim.chanels', and this program has no such group; did you mean 'sim.channels'?",
        "name 'hit' is claimed by packages p 1.0 and q 1.0; remove one or write 'p:hit'",
    ):
        assert line in found, found
    assert len(found.splitlines()) == 8
    assert not (tmp_path / "imported").exists()


def test_list_warns_and_names_the_package(plug, capsys):
    plug("", points={"sim.channels": {"lost": "no_such_top:X"}, "sim.metrics": {"m": "no_such_top:M"}})
    assert main(["list"]) == 0
    said = capsys.readouterr()
    assert "warning: plug-in 'lost' (package y 1.0): no module named 'no_such_top'" in said.err
    assert "warning: plug-in 'm' (package y 1.0): no module named 'no_such_top'" in said.err
    assert "plug-in of package y 1.0" in said.out


def test_no_plug_in_no_warning():
    assert [p for p in checkup(*REGISTRIES.values()) if "contagion" in str(p)] == []


def test_a_slow_plug_in_is_imported_only_when_named(plug, tmp_path, scenario_file, capsys):
    plug(f"import time; time.sleep(0.2); print('hello'); open({str(tmp_path / 'imported')!r}, 'w').close()\n"
         + method("pass"))  # fmt: skip
    assert main(["list"]) == 0
    assert main(["validate", "ring_of_ten"]) == 0
    assert not (tmp_path / "imported").exists()
    capsys.readouterr()
    assert main(["validate", str(scenario_file()), "--allow-path", "--json"]) == 0
    assert (tmp_path / "imported").exists()
    json.loads(capsys.readouterr().out)  # what it printed when it was imported is not in the answer


# -- P03 to P07: refused when a scenario names it ----------------------------------------------------------------------


@pytest.mark.parametrize("how", BROKEN)
def test_p03_a_broken_plug_in_that_is_named(how, plug, scenario_file, tmp_path, capsys):
    source, why = BROKEN[how]
    plug(source)
    assert run_of(scenario_file(), tmp_path) == 7
    told = reports(capsys)
    assert "plug-in 'x' (package y 1.0) could not be loaded: " in told
    assert why in told
    assert "Traceback" not in told


def test_p04_two_packages_claim_one_name(plug, scenario_file, tmp_path, capsys):
    plug(method("pass"))
    plug(method("step.ledger.create('other_liabilities', step.state.banks, step.state.loss[0, step.state.banks] * 0, "
                "self.name)"), package="z")  # fmt: skip
    assert run_of(scenario_file(), tmp_path) == 7
    assert "name 'x' is claimed by packages y 1.0 and z 1.0; remove one or write 'y:x'" in reports(capsys)
    assert "y:x" in CHANNELS
    assert "w:x" not in CHANNELS
    assert CHANNELS["z:x"].name == "z:x"
    assert CHANNELS["y:x"].package == "y 1.0"
    assert run_of(scenario_file("{'y:x': {}, 'z:x': {}}"), tmp_path) == 0
    assert run_of(scenario_file("{'w:x': {}}"), tmp_path) == 3
    assert "unknown channel 'w:x'" in reports(capsys)


@pytest.mark.parametrize(("group", "name", "channels", "metrics"), [
    ("sim.channels", "credit", "{credit: {}}", "[system_loss]"),
    ("sim.shocks", "asset_loss", "{}", "[system_loss]"),
])  # fmt: skip
def test_p05_a_plug_in_shadows_a_built_in(group, name, channels, metrics, plug, scenario_file, tmp_path, capsys):
    plug(method("pass"), points={group: {name: "mod_y:X"}})
    assert run_of(scenario_file(channels, metrics), tmp_path) == 7
    assert f"name {name!r} is built in; package y 1.0 may not replace it" in reports(capsys)
    # what does not name it goes on
    assert main(["list"]) == 0


def test_p05_a_metric_shadows_a_built_in(plug):
    plug("", points={"sim.metrics": {"defaults": "mod_y:M"}})
    with pytest.raises(PluginError, match=r"name 'defaults' is built in; package y 1\.0 may not replace it"):
        METRICS["defaults"]


def test_p06_wrong_interface_version(plug, scenario_file, tmp_path, capsys):
    plug(method("pass").replace("interface: ClassVar[int] = 1", "interface: ClassVar[int] = 2"))
    assert run_of(scenario_file(), tmp_path) == 7
    assert f"plug-in 'x' (package y 1.0) needs plug-in interface 2, this program has {INTERFACE}" in reports(capsys)


def test_p06_no_interface_version(plug, scenario_file, tmp_path, capsys):
    plug(method("pass").replace("    interface: ClassVar[int] = 1\n", ""))
    assert run_of(scenario_file(), tmp_path) == 7
    assert "does not say which plug-in interface it was written for" in reports(capsys)


CONTRACTS = {
    "missing method": (HEAD, "lacks play(step)"),
    "unknown phase": (method("pass").replace('"funding"', '"fundng"'), "unknown phase 'fundng'"),
    "no phase": (HEAD.replace('{"funding": "play"}', "{}"), "acts in no phase"),
    "no channel": ("class X: pass", "no subclass of sim.Channel"),
    "a number": ("X = 3", "is 3, no subclass of sim.Channel"),
    "not isotone": (method("pass") + "    isotone: ClassVar[bool] = True\n", "says it is isotone and lacks respond()"),
}


@pytest.mark.parametrize("how", CONTRACTS)
def test_p07_a_plug_in_that_is_incomplete(how, plug, scenario_file, tmp_path, capsys):
    source, why = CONTRACTS[how]
    plug(source)
    assert run_of(scenario_file(), tmp_path) == 7
    told = reports(capsys)
    assert "plug-in 'x' (package y 1.0)" in told
    assert why in told


def test_p07_a_shock_and_a_metric_that_are_incomplete(plug):
    plug("import sim\nM, N = 3, sim.metrics.Metric('EUR', '', len)\nclass S(sim.Shock):\n    interface = 1",
         points={"sim.shocks": {"s": "mod_y:S"}, "sim.metrics": {"m": "mod_y:M", "n": "mod_y:N"}})  # fmt: skip
    for registry, name, why in ((SHOCKS, "s", "lacks strike"), (METRICS, "m", "is 3"), (METRICS, "n", "unit 'EUR'")):
        with pytest.raises(PluginError, match=f"plug-in '{name}' .*{why}"):
            registry[name]


def test_p07_a_channel_of_a_notebook_is_held_to_the_same():
    class Hollow(Channel):
        phases: ClassVar[dict[str, str]] = {"funding": "play"}

    with pytest.raises(PluginError, match=r"plug-in 'Hollow' lacks play\(step\)"):
        Hollow()


# -- P08 to P12: what a plug-in does while it is played ----------------------------------------------------------------

POST = "step.ledger.create('other_liabilities', step.state.banks, {}, 'x')"
MISDEEDS = {
    "P08 shape": (POST.format("np.zeros(step.state.n_lanes)"), "amount has shape (8,), expected (10, 8)"),
    "P08 a number": (POST.format("1.0"), "amount has shape (), expected (10, 8)"),
    "P08 answer": ("return np.zeros(5)", "allowed: None or a FixedPoint"),
    "P09 nan": ("a = np.zeros((10, 8)); a[1] = np.nan\n" + POST.format("a"), "amount nan for 'B02'"),
    "P09 inf": ("a = np.zeros((10, 8)); a[1] = np.inf\n" + POST.format("a"), "amount inf for 'B02'"),
    "P10 recovery": ("w = step.state.worth.copy(); w[1] = -0.1\nstep.ledger.revalue_worth(w, 'x')",
                     "recovery -0.1 for 'B02' is outside [0, 1]"),
    "P10 negative": ("a = np.zeros((10, 8)); a[1] = -2\n" + POST.format("a"), "amount -2 for 'B02' is outside"),
    "P11 state": ("step.state.cash[0] += 1.0", "play wrote to a read-only input"),
    "P11 loss": ("step.state.loss[0] = 0.0", "play wrote to a read-only input"),
    "P11 price": ("step.state.units[...] = 0.0", "play wrote to a read-only input"),
    "P11 switch": ("step.on[...] = 0.0", "play wrote to a read-only input"),
    "P12 numpy": ("np.random.random()", "play used the global random generator"),
    "P12 python": ("import random; random.random()", "play used the global random generator"),
    "source": (POST.format("np.zeros((10, 8))").replace("'x'", "'credit'"), "is posted under 'credit'; allowed: 'x'"),
    "column": (POST.format("np.zeros((10, 8))").replace("other_liab", "othr_liab"), "did you mean 'other_liabilities'"),
    "raises": ("{}['a']", "play raised KeyError: 'a'"),
}  # fmt: skip


@pytest.mark.parametrize("deed", MISDEEDS)
def test_p08_to_p12_a_plug_in_that_misbehaves(deed, plug, scenario_file, tmp_path, capsys):
    body, why = MISDEEDS[deed]
    plug(method(body))
    assert run_of(scenario_file(), tmp_path) == SPOILED
    told = reports(capsys)
    assert "first: draw 0: PluginError: plug-in 'x' (package y 1.0): " in told
    assert why in told
    assert "Traceback" not in told


def test_p09_other_draws_are_unharmed(plug, scenario_file, tmp_path, capsys):
    body = """
    lost = step.state.loss[0, step.state.banks]
    step.ledger.create("other_liabilities", step.state.banks, np.where(lost > 20.0, np.nan, 0.0 * lost), "x")
    """
    plug(method(body))
    shocks = "[{kind: asset_loss, target: B01, size: {beta: {a: 1, b: 1}}}]"
    assert run_of(scenario_file(shocks=shocks), tmp_path, "--draws", "16") == SPOILED
    found = re.search(r"(\d+) of 16 draws failed", reports(capsys))
    assert found
    assert 0 < int(found[1]) < 16


def test_money_written_behind_the_ledger_is_found_by_the_audit(plug, scenario_file, tmp_path, capsys):
    plug(method("step.ledger.state.columns['cash'][0] += 1.0"))
    assert run_of(scenario_file(), tmp_path) != 0
    assert "this is a bug in the model or in a plug-in" in reports(capsys)


ISOTONE = """
from typing import ClassVar
import numpy as np
from sim.channels import Channel

class X(Channel):
    interface: ClassVar[int] = 1
    isotone: ClassVar[bool] = True
    phases: ClassVar[dict[str, str]] = {"credit": "play"}
    def play(self, step): pass
    def signal(self, step, view): return SIGNAL
    def respond(self, step, view, signal): return RESPOND
    def slope(self, step, view): return step.state.worth * 0.0
    def conclude(self, step, view, signal, values): pass
"""
TRIALS = {
    "signal is no array": ("None", "step.state.worth.copy()", "signal returned None"),
    "signal is nan": ("view.worth * np.nan", "step.state.worth.copy()", "signal returned nan for 'B0'"),
    "respond has another shape": ("1.0 - view.worth", "np.ones(5)", "respond returned shape (5,), expected (18, 8)"),
    "respond writes to its input": ("1.0 - view.worth", "view.worth.__imul__(0.5)", "respond wrote to a read-only"),
    "respond writes to the signal": ("1.0 - view.worth", "signal.__imul__(0.5)", "respond wrote to a read-only"),
}


@pytest.mark.parametrize("trial", TRIALS)
def test_p08_p09_p11_of_a_static_channel(trial, plug):
    signal, respond, why = TRIALS[trial]
    plug(ISOTONE.replace("SIGNAL", signal).replace("RESPOND", respond))
    system = stage()
    what = Scenario(system=system, name="s", mode="static", channels={"x": {}})
    with pytest.raises(PluginError) as error:
        play(what, system, np.arange(3), 1)
    assert why in str(error.value)


def test_an_honest_static_channel_is_left_in_peace(plug):
    plug(ISOTONE.replace("SIGNAL", "1.0 - view.worth").replace("RESPOND", "step.state.worth.copy()"))
    assert broken_laws("channels", "x") == []


def test_p08_to_p12_of_a_shock(plug):
    plug("""
import numpy as np
import sim

class S(sim.Shock):
    '''Loans are written off.'''
    interface = 1
    how: str = ""

    def strike(self, system, state, ledger, draws, stream):
        n = len(system.banks)
        share = draws.uniform(stream, system.banks, self.at)
        loss = state.loans[state.banks] * share * 0.1
        if self.how == "nan": loss = loss * np.nan
        if self.how == "shape": loss = loss[0]
        if self.how == "write": state.loans[...] = 0.0
        if self.how == "luck": loss = loss * np.random.random()
        ledger.settle("loans", state.banks, loss, loss * 0.0, "credit" if self.how == "source" else "shock")
        ledger.destroy(state.row("borrowers"), loss.sum(axis=0), "shock") if self.how == "destroy" else None
""", points={"sim.shocks": {"s": "mod_y:S"}})  # fmt: skip
    assert broken_laws("shocks", "s") == []
    system = stage()
    for how, why in (
        ("nan", "settle loans: face nan for 'B0'"),
        ("shape", r"face has shape \(8,\), expected \(9, 8\)"),
        ("write", "strike wrote to a read-only input"),
        ("luck", "strike used the global random generator"),
        ("source", "posted under 'credit'; allowed: 'shock'"),
    ):
        what = Scenario(system=system, name="s", shocks=[{"kind": "s", "how": how}])
        with pytest.raises(PluginError, match=rf"plug-in 's' \(package y 1.0\): .*{why}"):
            play(what, system, np.arange(2), 1)


def test_p08_to_p12_of_a_metric(plug):
    plug(
        """
import numpy as np
from sim.metrics import Metric
good = Metric("currency", "Cash of all banks", lambda system, state: state.cash[state.banks].sum(axis=0))
shape = Metric("1", "", lambda system, state: np.zeros(3))
nan = Metric("1", "", lambda system, state: np.full(state.n_lanes, np.nan))
write = Metric("1", "", lambda system, state: state.cash.__imul__(2.0)[0])
luck = Metric("1", "", lambda system, state: np.random.random(state.n_lanes))
unit = Metric("1", "", good.of)
""",
        points={"sim.metrics": {name: f"mod_y:{name}" for name in ("good", "shape", "nan", "write", "luck", "unit")}},
    )
    assert broken_laws("metrics", "good") == []
    assert "good" in METRICS
    assert METRICS["good"].meaning == "Cash of all banks"
    assert any("its unit is 1" in line for line in broken_laws("metrics", "unit"))
    system = stage()
    for name, why in (
        ("shape", r"returned shape \(3,\), expected \(8,\)"),
        ("nan", "returned nan"),
        ("write", "the metric wrote to a read-only input"),
        ("luck", "the metric used the global random generator"),
    ):
        what = Scenario(system=system, name="s", metrics=["good", name])
        with pytest.raises(PluginError, match=rf"plug-in '{name}' \(package y 1.0\): .*{why}"):
            play(what, system, np.arange(2), 1)


def test_the_watched_ledger_checks_every_entry():
    system = stage()
    state = system.state(2, ("shock", "x"))
    ledger = WatchedLedger(Ledger(state), "plug-in 'x'", "x", np.array([1.0, 0.0]))
    n, banks, bad = state.n_agents, state.banks, np.full(2, np.nan)
    one, everywhere = np.ones((9, 2)), np.ones((n, 2))
    calls = [
        lambda: ledger.create("kept", banks, one, "x"),
        lambda: ledger.create("cash", banks, one, "x"),
        lambda: ledger.settle("real_assets", banks, one, one, "x"),
        lambda: ledger.settle("loans", banks, one, one, "x", via="gold"),
        lambda: ledger.settle("loans", banks, one, one * np.nan, "x"),
        lambda: ledger.fund_investors(bad, "x"),
        lambda: ledger.transfer("loans", banks, state.row("outside"), -one, "x"),
        lambda: ledger.transfer_units(banks, state.row("outside"), one, state.price, "x"),
        lambda: ledger.transfer_units(banks, state.row("outside"), np.ones((9, 2, 2)), -state.price, "x"),
        lambda: ledger.destroy(state.row("borrowers"), np.ones(2), "x"),
        lambda: ledger.revalue_price(state.price * 0.9, "x"),
        lambda: ledger.revalue_price(-state.price, "x"),
        lambda: ledger.revalue_worth(everywhere * 1.1, "x"),
        lambda: ledger.settle_claims(everywhere > 0.0, everywhere, "x"),
        lambda: ledger.settle_claims(everywhere > 0.0, everywhere * 2.0, "x"),
        lambda: ledger.create("cash", banks, one.astype(np.int64), "x"),
    ]  # fmt: skip
    before = {name: values.copy() for name, values in state.columns.items()}
    for call in calls:
        with pytest.raises(PluginError, match="plug-in 'x': "):
            call()
    for name, values in state.columns.items():
        assert (values == before[name]).all(), name
    ledger.create("other_liabilities", banks, one * [1.0, 0.0], "x")
    assert state.loss[1, banks].sum() == 9.0


def test_flags_may_be_set_and_entries_are_seen(plug):
    plug(method("""
    before = step.state.other_liabilities[step.state.banks].copy()
    step.ledger.create("other_liabilities", step.state.banks, np.ones_like(before), "x")
    if not (step.state.other_liabilities[step.state.banks] == before + 1.0).all(): raise ValueError("not seen")
    step.state.is_defaulted[0] = 1.0
    """))  # fmt: skip
    system = stage()
    block = play(Scenario(system=system, name="s", channels={"x": {}}, metrics=["defaults"]), system, np.arange(2), 1)
    assert block.metrics["defaults"].tolist() == [[1.0, 1.0]]


# -- P13 to P16 --------------------------------------------------------------------------------------------------------


def test_p13_an_endless_loop_ends_the_run_and_names_the_draw(plug, scenario_file, tmp_path):
    target = plug(method("while True: pass"))
    words = ["run", str(scenario_file()), "--out", "out", "--allow-path", "--time-limit", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "sim", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"PYTHONPATH": f"{target}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert re.search(r"draws? 0", done.stderr)
    assert "did not end within 1 s (--time-limit sets this)" in done.stderr


def test_p14_a_plug_in_that_kills_its_process_leaves_a_folder_that_is_not_complete(plug, scenario_file, tmp_path):
    target = plug(method("import os; os._exit(137)"))
    environment = os.environ | {"PYTHONPATH": f"{target}{os.pathsep}{ROOT}"}
    words = ["run", str(scenario_file()), "--out", "out", "--allow-path"]
    done = subprocess.run(
        [sys.executable, "-m", "sim", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 137
    manifest = tmp_path / "out" / "manifest.json"
    assert not manifest.exists() or not json.loads(manifest.read_text())["complete"]


@pytest.mark.parametrize(("name", "why"), [
    ("./evil.py", "plug-ins are named by installed entry point, not by path"),
    ("'os:system'", "unknown channel 'os:system'"),
    ("os.system", "unknown channel 'os.system'"),
])  # fmt: skip
def test_p15_p16_a_path_is_no_plug_in(name, why, scenario_file, tmp_path, capsys):
    assert run_of(scenario_file(f"{{{name}: {{}}}}"), tmp_path) == 3
    assert why in reports(capsys)


# -- the registry ------------------------------------------------------------------------------------------------------


def test_every_group_is_named_as_its_folder():
    assert [registry.group for registry in REGISTRIES.values()] == [f"sim.{sort}" for sort in REGISTRIES]
    assert set(REGISTRIES) <= set(SORTS)
    for sort, registry in REGISTRIES.items():
        assert find_spec(f"sim.{sort}") is not None
        assert len(registry) == len(registry.names()) == len(set(registry))


def test_a_name_is_registered_once():
    registry: Registry[type] = Registry("thing", "sim.things")
    registry.register("a")(int.__class__("A", (), {}))
    with pytest.raises(PluginError, match="thing 'a' is registered twice"):
        registry.register("a")(int.__class__("B", (), {}))
    assert 3 not in registry


def test_what_is_installed_is_read_again_when_a_package_comes_and_goes(plug, monkeypatch):
    assert "x" not in CHANNELS
    target = plug(method("pass"))
    assert "x" in CHANNELS
    assert "x_loss" in METRICS
    assert "x_loss" in METRICS.names()
    assert METRICS["x_loss"].unit == "currency"
    assert [entry.name for entry in installed("sim.channels") if entry.name == "x"] == ["x"]
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(target)])
    assert "x" not in CHANNELS


def test_origins_change_with_the_code(plug):
    target = plug(method("pass"))
    first = origins([CHANNELS["x"](), CHANNELS["credit"]()])
    assert list(first) == ["mod_y:X"]
    assert first["mod_y:X"].startswith("y 1.0+")
    (target / "mod_y.py").write_text(method("return None"))
    assert origins([CHANNELS["x"]()]) != first


def test_origins_of_metrics(plug):
    plug("from sim.metrics import Metric\ndef f(system, state): return state.price[0]\nM = Metric('1', '', f)",
         points={"sim.metrics": {"m": "mod_y:M"}})  # fmt: skip
    assert list(origins([METRICS[name].of for name in ("m", "defaults", "credit_loss")])) == ["mod_y:f"]


def test_a_parameter_of_a_plug_in_is_checked_and_described(plug, scenario_file, tmp_path, capsys):
    plug(method("pass", HEAD + "    spread: float = 0.1\n    '''How much, 1.'''\n"))
    assert run_of(scenario_file("{x: {spraed: 1}}"), tmp_path) == 3
    assert "channels.x.spraed" in reports(capsys)
    assert main(["describe", "x"]) == 0
    assert "How much" in capsys.readouterr().out


def test_a_channel_that_is_not_isotone_is_refused_in_static_mode(plug):
    plug(method("pass"))
    system = stage()
    with pytest.raises(InputError, match="has no monotone form"):
        Simulation(system, Scenario(system=system, name="s", mode="static", channels={"x": {}}), np.arange(1), 1)


def test_a_channel_written_in_a_notebook_plays():
    class Mine(Channel):
        name: ClassVar[str] = "mine"
        phases: ClassVar[dict[str, str]] = {"funding": "play"}

        def play(self, step: Step) -> None:
            lost = np.maximum(0.0, step.state.loss[0, step.state.banks])
            step.ledger.create("other_liabilities", step.state.banks, 0.1 * lost * step.on, self.name)

    system = stage()
    channels = COMPANY | {"mine": Mine()}
    what = Scenario(system=system, name="s", shocks=[{"kind": "asset_loss", "size": 0.1}], channels=channels)
    assert play(what, system, np.arange(2), 1).metrics["contagion_loss"].min() > 0.0
    assert isinstance(Metric("1", "", len), Metric)
