"""The documentation: every public name is in it, what it shows works, and it builds without a warning."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.main import get_command

import sim
from sim.channels import CHANNELS
from sim.cli.app import COMMANDS, app
from sim.cli.list import KINDS
from sim.policies import POLICIES
from sim.shocks import SHOCKS
from sim.walls import WALLS
from tests.report.test_new_figures import clashes

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
HOW_TO = sorted((DOCS / "how_to").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *HOW_TO, *sorted((DOCS / "tutorials").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def generated():
    """The module that makes the pages of the reference."""
    spec = importlib.util.spec_from_file_location("generated", DOCS / "_ext" / "generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference(generated):
    text = generated.page_of_sim()
    for name in sim.__all__:
        assert name.startswith("__") or re.search(rf"^\.\. auto\w+:: sim\.{name}$", text, re.MULTILINE), name
    text = generated.page_of_contagion()
    for name in sim.contagion.__all__:
        assert re.search(rf"^\.\. auto\w+:: sim\.contagion\.{name}$", text, re.MULTILINE), name


@pytest.mark.parametrize("kind", ["channels", "shocks", "metrics", "valuations", "networks", "walls", "policies"])
def test_everything_a_scenario_can_name_is_in_the_reference(generated, kind):
    text = generated.page_of_kind(kind)
    for name in KINDS[kind]():
        assert f"\n{name}\n{'-' * len(name)}\n" in text
    registry = {"channels": CHANNELS, "shocks": SHOCKS, "walls": WALLS, "policies": POLICIES}.get(kind)
    for name in registry.names() if registry else ():
        for field in registry[name].model_fields:
            assert f"``{field}``" in text, (name, field)
    if kind == "metrics":
        assert text.count("- **unit**:") == len(KINDS[kind]())


def test_every_key_of_a_scenario_is_in_the_reference(generated):
    text = generated.page_of_keys()
    for name in sim.Scenario.model_fields:
        assert f"``{name}``" in text or f"\n{name}\n{'-' * len(name)}\n" in text, name


def test_every_command_is_in_the_reference(generated):
    text = generated.page_of_commands()
    assert all(f"\nsim {name}\n" in text for name in COMMANDS)


@pytest.mark.parametrize("path", HOW_TO, ids=lambda path: path.stem)
def test_the_python_on_a_page_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said: dict[str, object] = {}
    for language, text in BLOCK.findall(path.read_text("utf-8")):
        if language == "python":
            exec(compile(text, str(path), "exec"), said)


def test_the_scenario_files_on_the_pages_play(tmp_path):
    said: dict[str, object] = {}
    page = (DOCS / "how_to" / "balance_sheets.md").read_text("utf-8")
    exec(BLOCK.search(page)[2], said)
    for name in ("banks", "exposures", "holdings", "assets"):
        said[name].to_csv(tmp_path / f"{name}.csv", index=False)
    files = [text for path in HOW_TO for language, text in BLOCK.findall(path.read_text("utf-8")) if language == "yaml"]
    assert len(files) >= 2
    for number, text in enumerate(files):
        place = tmp_path / f"{number}.yaml"
        place.write_text(text, "utf-8")
        scenario = sim.load(place)
        scenario = scenario if scenario.ramp is None else scenario.quarter(scenario.ramp.last)
        assert sim.run(scenario, draws=2, seed=1).count("ok") == 2


def test_the_commands_on_the_pages_exist():
    program = get_command(app)
    found = 0
    for path in PAGES:
        for text in re.findall(r"^\$ (sim .*)$", path.read_text("utf-8"), re.MULTILINE):
            words = shlex.split(text, comments=True)[1:]
            assert words[0] in COMMANDS, f"{path.name}: {text}"
            known = {name for each in program.commands[words[0]].params for name in each.opts}
            assert {word.split("=")[0] for word in words if word.startswith("-")} <= known, f"{path.name}: {text}"
            found += 1
    assert found > 10


@pytest.fixture(scope="module")
def signatures():
    """The module that draws what the scenarios show."""
    sys.path.insert(0, str(DOCS))
    try:
        import signatures as module

        yield module
    finally:
        sys.path.remove(str(DOCS))


def test_every_scenario_on_cn100_is_shown_in_a_figure(signatures):
    page = (DOCS / "scenarios.md").read_text("utf-8")
    shipped = {
        name for name in KINDS["scenarios"]() if "base: cn100\n" in (ROOT / "scenarios" / f"{name}.yaml").read_text()
    }
    assert len(shipped) >= 10
    shipped |= {"digital_ramp", "sandbox"}  # ramps, on top of another scenario
    assert {draw.__name__ for draw in signatures.FIGURES} == shipped
    for name in shipped:
        assert (DOCS / "scenarios" / f"{name}.svg").stat().st_size < 150_000
        assert re.search(rf"^!\[.+\]\(scenarios/{name}\.svg\)$", page, re.MULTILINE), name
        assert f"\n| [{name}](#" in page


@pytest.mark.parametrize("name", ["rumour_run", "tech_equity_crash"])
def test_a_figure_of_a_scenario_is_drawn_without_overlap(signatures, monkeypatch, name):
    play = signatures.run
    monkeypatch.setattr(signatures, "run", lambda name, changes=None, **_: play(name, changes, draws=2))
    figure = getattr(signatures, name)()
    assert clashes(figure) == []
    assert all(ax.get_ylabel() for ax in figure.axes)


class Loads(HTMLParser):
    """Addresses that a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.found += [said[name] for name in ("src", "srcset", "poster", "data") if said.get(name)]
        if tag == "link" and said.get("rel") not in ("canonical", "author"):
            self.found.append(said.get("href") or "")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_pages_build_without_a_warning_and_load_nothing_from_elsewhere(tmp_path):
    for name in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        pytest.importorskip(name, reason="building the pages needs the extra docs")
    out = tmp_path / "html"
    # the notebooks are run by their own test
    options = ["-W", "--keep-going", "-q", "-b", "html", "-D", "nb_execution_mode=off", "-d", str(tmp_path / "trees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(out)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    pages = sorted(out.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        seen = Loads()
        seen.feed(page.read_text("utf-8"))
        assert not [each for each in seen.found if re.match(r"(https?:)?//", each)], page.name
    for sheet in out.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text("utf-8")), sheet.name
