"""A commented scenario file to start from: what another one says, with the meaning and range of every key."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from sim.scenario.json_schema import plugin_schema, scenario_schema
from sim.scenario.keys import Key, key_of
from sim.scenario.schema import Scenario

WIDTH = 100
"""Characters a line of comment takes."""

LONGEST = 140
"""Characters a line of values takes before a mapping is written one key a line."""

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"})
"""Words that some reader of YAML takes for something else than text."""

OWN_SYSTEM = """\
# Your own banks: take the line "base:" away and the marks off "system:" and below; tables lie beside this file
# (CSV or Parquet), money in one unit. Shocks must then name banks and assets of yours.
# banks.csv       id,total_assets,equity[,cash,interbank_assets,interbank_liabilities,...]      required
# exposures.csv   creditor,debtor,amount        who has lent to whom; or reconstruct it from the banks' totals
# holdings.csv    agent,asset,amount            who holds which securities
# assets.csv      asset,depth                   sales that take the whole price, under linear impact
# system:
#   currency: EUR million
#   agents: {banks: {file: banks.csv}}
#   layers: {interbank: {file: exposures.csv}}
#   holdings: {file: holdings.csv, fair_value_share: 0.6}
#   assets: {file: assets.csv}
"""


def starter(name: str, base: str, scenario: Scenario) -> str:
    """Return a scenario file that says what another one does, ready to be changed.

    Parameters
    ----------
    name : str
        Of the new scenario.
    base : str
        How the new file names the one it builds on.
    scenario : Scenario
        What that one says, its own bases merged.

    Returns
    -------
    str
        YAML: keys at their default are commented out, all others active; it plays exactly what its base does.
    """
    schema = scenario_schema()
    defs = schema["$defs"]

    def told(key: str) -> Key:
        return key_of(key, schema["properties"][key], defs)

    plain = scenario.plain()
    lines = [
        f"# {name}: starts as a copy of {base}; change what you like, then: sim validate FILE; sim run FILE",
        "# Keys in comments stand at their default. sim describe KEY says more, such as: sim describe channels.credit",
        "# For completion in your editor: sim schema -o scenario.schema.json, and as the first line of this file",
        "# yaml-language-server: $schema=./scenario.schema.json",
        "",
        "version: 1",
        f"name: {value(name)}",
        f"title: {value(f'My variant of {scenario.name}')}",
        "",
        *_comment("The file this one builds on, shipped or beside it: what is not said here is said there."),
        f"base: {value(base)}",
        "",
        *OWN_SYSTEM.splitlines(),
        "",
        *_said(told("mode"), plain["mode"], active=True),
        "",
        "horizon:",
        *_section(scenario.horizon, "  ", always=("steps", "step")),
        "",
        *_ramp(scenario),
        *_comment("Events, struck in the order written. This list replaces that of the base as a whole."),
        *_shocks(scenario, plain["shocks"]),
        "",
        *_comment("Ways in which distress travels; enabled: false switches one off."),
        "channels:" + ("" if scenario.channels else " {}"),
    ]
    for each, channel in scenario.channels.items():
        lines += [*_comment(_summary(channel), "  "), f"  {value(each)}:", *_section(channel, "    ")]
    lines += _walls(plain)
    lines += _policies(plain)
    lines += ["", *_comment("What is reported (sim list metrics)."), "metrics:"]
    lines += [*(f"  - {value(name)}" for name in plain["metrics"]), ""]
    lines += [*_said(told("record"), plain["record"], active=plain["record"] != "metrics"), "", "monte_carlo:"]
    return "\n".join([*lines, *_section(scenario.monte_carlo, "  ", always=("draws", "seed"))]) + "\n"


def _shocks(scenario: Scenario, written: list[dict[str, Any]]) -> Iterator[str]:
    """The events with all they say, and the parameters each could have."""
    if not written:
        yield "shocks: []"
        return
    yield "shocks:"
    for shock, said in zip(scenario.shocks, written, strict=True):
        schema = plugin_schema(type(shock))
        yield from _comment(_summary(shock), "  ")
        yield f"  - kind: {value(said.pop('kind'))}"
        for key, node in schema["properties"].items():
            facts = key_of(key, node, schema["$defs"], required=key in schema.get("required", ()))
            yield from _said(facts, said.get(key), active=key in said, indent="    ")


def _ramp(scenario: Scenario) -> Iterator[str]:
    """What differs from quarter to quarter, where the scenario is a ramp."""
    if scenario.ramp is not None:
        yield from (*_comment("What differs from quarter to quarter."), "ramp:")
        yield from (*_section(scenario.ramp, "  ", always=("first", "last")), "")


def _walls(plain: dict[str, Any]) -> Iterator[str]:
    """The walls between channels, where the scenario has any."""
    for key in ("wall", "walls"):
        if written := plain.get(key):
            yield from ("", *_comment("What stands between channels (sim list walls)."), f"{key}:")
            for place, each in written.items() if isinstance(written, dict) else enumerate(written):
                kind = f"kind: {value(each.pop('kind'))}"
                yield from ((f"  {place}:", f"    {kind}") if key == "wall" else (f"  - {kind}",))
                yield from _mapping(each, "    ")


def _policies(plain: dict[str, Any]) -> Iterator[str]:
    """What authorities demand, where the scenario has any of it."""
    if written := plain.get("policies"):
        yield from ("", *_comment("What authorities demand (sim list policies)."), "policies:")
        for each in written:
            yield f"  - kind: {value(each.pop('kind'))}"
            yield from _mapping(each, "    ")


def _section(record: BaseModel, indent: str, always: tuple[str, ...] = ()) -> Iterator[str]:
    """The keys of a record, those at their default in comments but for some."""
    schema = plugin_schema(type(record))
    said = record.model_dump(mode="json")
    standard = {name: field.get_default(call_default_factory=True) for name, field in type(record).model_fields.items()}
    for key, node in schema["properties"].items():
        facts = key_of(key, node, schema["$defs"], required=key in schema.get("required", ()))
        active = key in always or getattr(record, key) != standard[key] or facts.default is ...
        yield from _said(facts, said[key], active=active, indent=indent)


def _said(key: Key, said: Any, *, active: bool, indent: str = "") -> Iterator[str]:
    """One key with its meaning above it."""
    kind = "" if key.kind in ("mapping", "text") or key.kind.startswith("text of") else f" [{key.kind}]"
    yield from _comment(key.meaning + kind, indent)
    if said is None or said == {}:
        yield f"{indent}# {key.name}:"
    elif active and isinstance(said, dict) and set(said) != {"fixed"}:
        yield f"{indent}{key.name}:"
        yield from _mapping(said, indent + "  ")
    else:
        mark = "" if active else "# "
        line = f"{indent}{mark}{key.name}: {value(said)}"
        if len(line) <= LONGEST or not isinstance(said, dict):
            yield line
        else:
            yield f"{indent}{mark}{key.name}:"
            yield from _mapping(said, f"{indent}{mark}  ")


def _mapping(said: dict[str, Any], indent: str) -> Iterator[str]:
    """A mapping, one key a line; rows of a matrix one below the other."""
    for key, each in said.items():
        if isinstance(each, list) and each and isinstance(each[0], list):
            yield f"{indent}{value(key)}:"
            yield from (f"{indent}  - {value(row)}" for row in each)
        elif isinstance(each, dict) and len(f"{indent}{key}: {value(each)}") > LONGEST:
            yield f"{indent}{value(key)}:"
            yield from _mapping(each, f"{indent}  ")
        elif each is not None:
            yield f"{indent}{value(key)}: {value(each)}"


def _comment(text: str, indent: str = "") -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)


def _summary(record: BaseModel) -> str:
    return " ".join((type(record).__doc__ or type(record).__name__).partition("\n\n")[0].split())


def value(said: Any) -> str:
    """Return plain data as YAML in one line.

    Parameters
    ----------
    said : object
        Text, number, boolean, None, list or dict of such.

    Returns
    -------
    str
        Text is quoted wherever any reader of YAML could take it for something else.
    """
    if isinstance(said, dict):
        if set(said) == {"fixed"}:  # a size that is the same in every draw
            return value(said["fixed"])
        return "{" + ", ".join(f"{value(key)}: {value(each)}" for key, each in said.items() if each is not None) + "}"
    if isinstance(said, list | tuple):
        return "[" + ", ".join(map(value, said)) + "]"
    if isinstance(said, str) and BARE.fullmatch(said) and said.lower() not in WORDS:
        return said
    if isinstance(said, str):
        return "".join(char if char.isprintable() else _escape(char) for char in json.dumps(said, ensure_ascii=False))
    return json.dumps(said)


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
