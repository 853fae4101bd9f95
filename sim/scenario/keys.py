"""The keys of a scenario file as facts: kind, unit, range, default and meaning, read off its JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sim.errors import UnknownNameError
from sim.scenario.json_schema import PACKAGED, Node, options

UNIT = re.compile(r",\s+(1|currency|currency per piece|1 / currency|steps|hours|days|per year)\.$")
"""How a field's text ends where it names a unit; 1 stands for a pure number."""

KINDS = {"number": "number", "integer": "whole number", "boolean": "true or false", "string": "text"}


class Key(NamedTuple):
    """One key of a scenario file.

    Parameters
    ----------
    name : str
        Below what it belongs to, dotted.
    kind : str
        Such as ``"number in [0, 1]"``, ``"one of static, dynamic"``.
    unit : str
        ``"1"`` for a pure number; empty where the text names none.
    default : object
        ``...`` where there is none and the key must be given; None where it may be left out.
    meaning : str
        One line.
    """

    name: str
    kind: str
    unit: str
    default: Any
    meaning: str


def key_of(name: str, node: Node, defs: Mapping[str, Node], *, required: bool = False) -> Key:
    """Return the facts of one key.

    Parameters
    ----------
    name : str
        Its dotted name.
    node : dict
        Its schema.
    defs : mapping
        The ``$defs`` of the schema.
    required : bool
        Whether it must be given.

    Returns
    -------
    Key
        With unit and meaning apart.
    """
    told = node.get("description") or options(node, defs)[0].get("description", "")
    text = " ".join(told.split())
    unit = UNIT.search(text)
    meaning = text[: unit.start()] + "." if unit else text
    default = ... if required else node.get("default")
    return Key(name, _kind(node, defs), unit[1] if unit else "", default, meaning.replace("``", ""))


def keys(node: Node, defs: Mapping[str, Node], prefix: str = "") -> list[Key]:
    """Return the keys of a record, those of records inside it below them.

    Parameters
    ----------
    node : dict
        Schema of the record.
    defs : mapping
        The ``$defs`` of the schema.
    prefix : str
        What their names begin with, its dot included.

    Returns
    -------
    list of Key
        In the order of the record; none for what is no record.
    """
    found: list[Key] = []
    for record in options(node, defs):
        if isinstance(record.get("additionalProperties"), dict):  # a mapping by names that a scenario chooses
            found += keys(record["additionalProperties"], defs, f"{prefix}NAME.")
        for name, below in record.get("properties", {}).items():
            # of several ways to write a record, the first that has a key tells what it means
            if "const" in below or any(key.name == prefix + name for key in found):
                continue
            found.append(key_of(prefix + name, below, defs, required=name in record.get("required", ())))
            found += keys(below, defs, f"{prefix}{name}.")
    return found


def lookup(schema: Node, path: Sequence[str], above: str = "") -> Node:
    """Return the schema of a dotted key.

    Parameters
    ----------
    schema : dict
        From `sim.scenario.json_schema.scenario_schema`.
    path : sequence of str
        Parts of the key; a shock by its kind.
    above : str
        Key of the schema itself, for the message.

    Returns
    -------
    dict
        The node, its description as written at the key.

    Raises
    ------
    UnknownNameError
        If there is no such key; names those there are.
    """
    defs, here = schema["$defs"], schema
    for depth, part in enumerate(path):
        below = below_of(here, defs)
        if part not in below:
            where = ".".join(filter(None, [above, *path[:depth]]))
            raise UnknownNameError("key", part, below, f"{where}: " if where else "")
        here = below[part]
    return here


def below_of(node: Node, defs: Mapping[str, Node]) -> dict[str, Node]:
    """Return what may follow a key in a dotted path.

    Parameters
    ----------
    node : dict
        Schema of the key.
    defs : mapping
        The ``$defs`` of the schema.

    Returns
    -------
    dict of str to dict
        Key to its schema; the sorts of a list's items by what they say they are.
    """
    found: dict[str, Node] = {}
    for record in options(node, defs):
        found |= {key: below for key, below in record.get("properties", {}).items() if key not in found}
        if isinstance(record.get("additionalProperties"), dict):  # a mapping by names that a scenario chooses
            names = record.get("propertyNames", {}).get("enum", [])
            found |= dict.fromkeys(["NAME", *names], record["additionalProperties"])
        if "items" in record:
            for item in options(record["items"], defs):
                said = item.get("properties", {})
                if "kind" not in said:
                    found |= said
                elif "const" in said["kind"]:
                    found[said["kind"]["const"]] = item
    return found


def _kind(node: Node, defs: Mapping[str, Node]) -> str:
    """What may be written, in words."""
    known = [each for each in options(node, defs) if each.get("pattern") != PACKAGED]
    return " or ".join(dict.fromkeys(_one(each, defs) for each in known))


def _one(node: Node, defs: Mapping[str, Node]) -> str:
    if "enum" in node or "const" in node:
        values = node.get("enum", [node.get("const")])
        return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])
    kind = str(node.get("type", ""))
    if kind == "array":
        return f"list, each {_kind(node['items'], defs)}" if "items" in node else "list"
    if kind == "object":
        named = node.get("additionalProperties")
        return f"mapping of names to {_kind(named, defs)}" if isinstance(named, dict) else "mapping"
    return f"{KINDS.get(kind, 'anything')} {_range(node)}".strip()


def _range(node: Node) -> str:
    """The range of a number, the shape of a text."""
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    start = f"[{_short(low)}" if low is not None else f"({_short(above)}" if above is not None else ""
    end = f"{_short(high)}]" if high is not None else f"{_short(below)})" if below is not None else ""
    if start and end:
        return f"in {start}, {end}"
    if start:
        return f"of at least {_short(low)}" if low is not None else f"above {_short(above)}"
    if end:
        return f"of at most {_short(high)}" if high is not None else f"below {_short(below)}"
    return f"of at most {node['maxLength']:,} characters" if "maxLength" in node else ""


def _short(value: Any) -> str:
    """A bound in few characters; whole powers of two and ten that are long as such."""
    if isinstance(value, int) and abs(value) >= 10**7:
        power = (value + 1).bit_length() - 1
        tens = len(str(value)) - 1
        return f"10^{tens}" if value == 10**tens else f"2^{power} - 1" if value + 1 == 1 << power else f"{value:.3g}"
    return f"{value:g}"
