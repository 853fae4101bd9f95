"""Pages made from the code at build: the reference of every public name, of what scenarios can name, of their keys."""

from __future__ import annotations

import inspect
import io
import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click import Context
from typer.main import get_command

import sim
import sim.contagion
from sim.channels import CHANNELS
from sim.cli import describe
from sim.cli.app import COMMANDS, app
from sim.cli.list import KINDS
from sim.metrics import METRICS
from sim.networks.generators import GENERATORS
from sim.policies import POLICIES
from sim.scenario.json_schema import scenario_schema
from sim.shocks import SHOCKS
from sim.valuations import RULES
from sim.walls import WALLS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent.parent
REFERENCE = DOCS / "reference"
NOTEBOOKS = DOCS.parent / "notebooks"

VERBS, MESA, RESULTS = "What you call", "Agents and models", "What you get and what you write"
ERRORS = "Errors"
LABELS = {
    "channels": "Channels",
    "shocks": "Shocks",
    "metrics": "Metrics",
    "valuations": "Valuations",
    "networks": "Networks",
    "walls": "Walls",
    "policies": "Policies",
}


def kind_of(name: str) -> str:
    """Return the section of the reference that a public name of `sim` stands in."""
    thing = getattr(sim, name)
    if not inspect.isclass(thing):
        return VERBS
    if issubclass(thing, Exception) or name == "Problem":
        return ERRORS
    return MESA if name in ("Bank", "ContagionModel", "Fund", "Platform", "TechFirm") else RESULTS


def directive(module: str, name: str) -> str:
    """Return the lines that document one name."""
    thing = getattr(__import__(module, fromlist=[name]), name)
    if not inspect.isclass(thing):
        return f".. autofunction:: {module}.{name}\n"
    sort = "autoexception" if issubclass(thing, Exception) else "autoclass"
    # what a frozen record of pydantic or a model of mesa inherits is theirs to explain
    return f".. {sort}:: {module}.{name}\n   :members:\n   :exclude-members: model_config, model_post_init\n"


def heading(text: str, mark: str) -> str:
    """Return a heading."""
    return f"{text}\n{mark * len(text)}\n"


def page_of_sim() -> str:
    """Return the page of the package's own names."""
    names = [name for name in sim.__all__ if not name.startswith("__")]
    lines = [heading("sim", "="), "Everything below is an attribute of `sim` after ``import sim``.\n"]
    for kind in (VERBS, RESULTS, MESA, ERRORS):
        chosen = [name for name in names if kind_of(name) == kind]
        lines += [heading(kind, "-"), *(directive("sim", name) for name in chosen)]
    return "\n".join(lines)


def page_of_contagion() -> str:
    """Return the page of the algorithms: functions, then the records they return."""
    module = "sim.contagion"
    functions = [name for name in sim.contagion.__all__ if not inspect.isclass(getattr(sim.contagion, name))]
    records = [name for name in sim.contagion.__all__ if name not in functions]
    lines = [heading(module, "="), f"{inspect.getdoc(sim.contagion)}\n"]
    lines += ["Which call is which paper, and what proves it: :doc:`../algorithms`.\n"]
    lines += [heading("Functions", "-"), *(directive(module, name) for name in functions)]
    lines += [heading("What they return", "-"), *(directive(module, name) for name in records)]
    return "\n".join(lines)


def page_of_channel() -> str:
    """Return the page of the contract that plug-ins are written against."""
    names = {
        "sim.channels.base": ("Step", "TightView"),
        "sim.plugins": ("Plugin", "Registry"),
        "sim.agents.bank": ("BankView", "FundingView", "BankDecision", "decide"),
        "sim.agents.fund": ("FundView", "FundDecision"),
        "sim.agents.platform": ("PlatformView", "PlatformDecision"),
        "sim.agents.tech_firm": ("TechFirmView", "TechFirmDecision"),
        "sim.ledger.entries": ("Ledger",),
        "sim.state": ("Column", "State"),
    }
    lines = [heading("For writers of channels", "="), "What a channel, a shock or an agent is given.\n"]
    for module, chosen in names.items():
        lines += [directive(module, name) for name in chosen]
    return "\n".join(lines)


def cell(text: str) -> str:
    """Return text that the page takes literally."""
    return "".join(f"\\{char}" if char in "\\|*_`<>" else char for char in " ".join(text.split()))


def literal(text: str) -> str:
    """Return text in the type of code, nothing for nothing."""
    return f"``{text}``" if text else ""


def table(parameters: Iterable[dict[str, str]]) -> Iterator[str]:
    """Yield a table of parameters."""
    yield ".. list-table::\n   :header-rows: 1\n   :class: keys\n   :widths: 22 20 6 12 40\n"
    for row in (("key", "allowed", "unit", "default", "meaning"), *map(cells, parameters)):
        yield "".join(f"   {'*' if at == 0 else ' '} - {text}\n" for at, text in enumerate(row)).rstrip()
    yield ""


def cells(each: dict[str, str]) -> tuple[str, ...]:
    """Return a row of the table."""
    default = each["default"] if each["default"] == "must be given" else literal(each["default"])
    meaning = cell(each["meaning"])
    if len(default) > 28:  # a list would make its column wider than all others
        default, meaning = "", f"{meaning} Default: {cell(each['default'])}"
    return literal(each["key"]), cell(each["allowed"]), each["unit"], default, meaning


def prose(thing: object) -> str:
    """Return a docstring up to its first section: the meaning and the equation, as they stand in the code."""
    text = inspect.cleandoc(getattr(thing, "__doc__", "") or "")
    found = describe.HEADING.search(text)
    return (text[: found.start()] if found else text).strip() + "\n"


def facts_of(name: str, sort: str) -> dict[str, Any]:
    """Return what ``sim describe NAME`` says of a name."""
    said = io.StringIO()
    with redirect_stdout(said):
        describe.describe(name, as_json=True)
    found = json.loads(said.getvalue())
    return next(each for each in (found if isinstance(found, list) else [found]) if each["sort"] == sort)


def behind(kind: str, name: str) -> object:
    """Return what carries the docstring of a name."""
    if kind == "channels":
        return CHANNELS[name]
    if kind == "shocks":
        return SHOCKS[name]
    if kind == "walls":
        return WALLS[name]
    if kind == "policies":
        return POLICIES[name]
    if kind == "metrics":
        return METRICS[name].of
    return RULES[name] if kind == "valuations" else GENERATORS[name]


def page_of_kind(kind: str) -> str:
    """Return the page of one sort of thing that a scenario can name."""
    lines = [
        heading(LABELS[kind], "="),
        f"The same as ``sim describe NAME`` prints; ``sim list {kind}`` shows the names.\n",
    ]
    for name in sorted(KINDS[kind]()):
        facts = facts_of(name, describe.SINGULAR[kind])
        lines += [heading(name, "-"), f"{cell(facts['meaning']).rstrip('.')}.\n"]
        text = prose(behind(kind, name))
        rest = text.partition("\n\n")[2]
        lines.append(text if kind == "metrics" else rest)
        lines += [f"- **{key}**: {cell(value)}" for key, value in facts.get("facts", {}).items()]
        lines += [f"- **source**: {cell(facts['source'])}"] if facts.get("source") else []
        lines.append("")
        lines += table(facts["parameters"]) if facts.get("parameters") else []
    return "\n".join(lines)


def page_of_keys() -> str:
    """Return the page of the keys of a scenario file."""
    lines = [heading("Keys of a scenario file", "="), "The same as ``sim describe KEY`` prints.\n"]
    plain = []
    for key in scenario_schema()["properties"]:
        facts = facts_of(key, "key")
        if facts.get("parameters"):
            lines += [heading(key, "-"), f"{cell(facts['meaning'])}\n", *table(facts["parameters"])]
        else:
            said = facts.get("facts", {})
            row = {
                "key": key,
                "unit": said.get("unit", ""),
                "default": said.get("default", ""),
                "meaning": facts["meaning"],
            }
            plain.append(row | {"allowed": said.get("allowed", "")})
    return "\n".join([*lines[:2], *table(plain), *lines[2:]])


def page_of_commands() -> str:
    """Return the page of the command line: what ``sim COMMAND --help`` prints."""
    program = get_command(app)
    above = Context(program, info_name="sim", terminal_width=88)
    said = [("sim", program.get_help(above))]
    for name in COMMANDS:
        inner = Context(program.commands[name], info_name=name, parent=above, terminal_width=88)
        said.append((f"sim {name}", program.commands[name].get_help(inner)))
    lines = [heading("The command line", "=")]
    for name, text in said:
        lines += [heading(name, "-"), ".. code-block:: text\n", textwrap.indent(text, "   "), ""]
    return "\n".join(lines)


PAGES = {
    "sim.rst": page_of_sim,
    "contagion.rst": page_of_contagion,
    "writers.rst": page_of_channel,
    **{f"{kind}.rst": (lambda kind=kind: page_of_kind(kind)) for kind in LABELS},
    "keys.rst": page_of_keys,
    "command_line.rst": page_of_commands,
}


def write(place: Path, text: str) -> None:
    """Write a page if it is new, so that an unchanged one is not read again."""
    if not place.is_file() or place.read_text("utf-8") != text:
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, "utf-8")


def generate() -> None:
    """Write the reference and bring the notebooks where the build finds them."""
    for name, page in PAGES.items():
        write(REFERENCE / name, page())
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        place = DOCS / "tutorials" / notebook.name
        if not place.is_file() or place.read_bytes() != notebook.read_bytes():
            shutil.copyfile(notebook, place)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", lambda _: generate())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
