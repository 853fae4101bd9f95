"""The JSON Schema of a scenario file, for editors: made from the same records and field docs that check a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sim.channels import CHANNELS
from sim.errors import PluginError
from sim.metrics import names as metric_names
from sim.plugins import Registry
from sim.scenario.schema import VERSION, Scenario
from sim.shocks import SHOCKS

Node = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PACKAGED = "^[^:]+:[^:]+$"
"""``package:name`` chooses among packages that claim one name; what it takes is not known here."""

WRITTEN = ("version", "name", "system")
"""What a file says itself unless it has a base."""


def scenario_schema(*, plugins: bool = False) -> Node:
    """Return the JSON Schema of a scenario file.

    Parameters
    ----------
    plugins : bool
        Whether to load installed plug-ins for their parameters; without, any parameters are accepted under their names.

    Returns
    -------
    dict
        Draft 2020-12, with the meaning of every key. A file with a ``base`` may leave out what its base says.

    Raises
    ------
    PluginError
        If an installed plug-in cannot be loaded.

    Examples
    --------
    >>> from sim.scenario.json_schema import scenario_schema
    >>> scenario_schema()["properties"]["monte_carlo"]["description"]
    'Draws and seed.'
    """
    channels, shocks = (_classes(registry, plugins) for registry in (CHANNELS, SHOCKS))
    models: list[type[BaseModel]] = [Scenario, *filter(None, channels.values()), *filter(None, shocks.values())]
    told, shared = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    defs: dict[str, Node] = shared["$defs"]
    at = {model: told[(model, "validation")]["$ref"].rpartition("/")[2] for model in models}
    for node in defs.values():
        _tidy(node)
        _bare_numbers(node)
    for name, cls in shocks.items():
        if cls is not None:
            _kind(defs[at[cls]], name)
    root = defs.pop(at[Scenario])
    root["properties"]["shocks"]["items"] = {
        "anyOf": [
            {"$ref": f"#/$defs/{at[cls]}"} if cls is not None else _kind({"type": "object"}, name)
            for name, cls in shocks.items()
        ]
        + [{"type": "object", "properties": {"kind": {"type": "string", "pattern": PACKAGED}}, "required": ["kind"]}]
    }
    root["properties"]["channels"] |= {
        "properties": {
            name: {
                "anyOf": [{"$ref": f"#/$defs/{at[cls]}"} if cls is not None else {"type": "object"}, {"type": "null"}]
            }
            | ({"description": defs[at[cls]]["description"]} if cls is not None else {})
            for name, cls in channels.items()
        },
        "patternProperties": {PACKAGED: {"type": ["object", "null"]}},
        "additionalProperties": False,
    }
    root["properties"]["metrics"]["items"] = {
        "anyOf": [{"enum": metric_names()}, {"type": "string", "pattern": PACKAGED}]
    }
    root["properties"]["version"] = {"const": VERSION, "description": "Format of the file."}
    schema = {"$schema": DRAFT, "title": "A scenario of contagion-sim", "description": root["description"]}
    schema |= {key: value for key, value in root.items() if key not in {"title", "description", "required"}}
    # What a base says need not be said again, at any depth; so what is required is asked of files without one only.
    demands = {"required": list(WRITTEN), "properties": {"system": _demands(root["properties"]["system"], defs)}}
    for name in _below(root["properties"]["system"], defs):
        defs[name].pop("required", None)
    return schema | {"if": {"required": ["base"]}, "else": demands, "$defs": _reached(defs, schema)}


def plugin_schema(cls: type[BaseModel]) -> Node:
    """Return the JSON Schema of one record of parameters, such as a channel or a shock.

    Parameters
    ----------
    cls : type
        The record.

    Returns
    -------
    dict
        With its ``$defs``.

    Examples
    --------
    >>> from sim.channels import CHANNELS
    >>> plugin_schema(CHANNELS["credit"])["properties"]["alpha"]["maximum"]
    1
    """
    told, shared = models_json_schema([(cls, "validation")], ref_template="#/$defs/{model}")
    defs: dict[str, Node] = shared["$defs"]
    for node in defs.values():
        _tidy(node)
        _bare_numbers(node)
    return defs[told[(cls, "validation")]["$ref"].rpartition("/")[2]] | {"$defs": defs}


def _classes(registry: Registry[Any], plugins: bool) -> dict[str, type[BaseModel] | None]:
    """Records by name; None for those of other packages that are not to be loaded."""
    others = registry.others()
    found: dict[str, type[BaseModel] | None] = {}
    for name in registry.names():
        cls = registry[name] if plugins or name not in others else None
        if cls is not None and not issubclass(cls, BaseModel):
            raise PluginError(f"{registry.sort} {name!r} is no record of parameters")
        found[name] = cls
    return found


def _tidy(node: Node) -> None:
    """Keep what an editor should show: the first paragraph on a record, and no titles made of keys."""
    node["description"] = node.get("description", "").partition("\n\n")[0].replace("\n", " ")
    for each in node.get("properties", {}).values():
        each.pop("title", None)


def _bare_numbers(node: Node) -> None:
    """Let a size be a bare number, and name exactly one law otherwise."""
    if node.get("title") == "Size" and "fixed" in node.get("properties", {}):
        law = {key: node.pop(key) for key in ("additionalProperties", "properties", "type")}
        number = {"type": "number", "minimum": 0, "maximum": 1, "description": "The same in every draw."}
        node["anyOf"] = [number, law | {"minProperties": 1, "maxProperties": 1}]


def _kind(node: Node, name: str) -> Node:
    """Add the key that says which shock it is."""
    said = {"const": name, "description": "Which sort of event."}
    node["properties"] = {"kind": said, **node.get("properties", {})}
    node["required"] = ["kind", *node.get("required", [])]
    return node


def _demands(node: Node, defs: Mapping[str, Node]) -> Node:
    """What of a node is required, its own keys and those below."""
    for each in options(node, defs):
        below = {key: _demands(value, defs) for key, value in each.get("properties", {}).items()}
        found: Node = {"required": each["required"]} if "required" in each else {}
        found |= {"properties": kept} if (kept := {key: value for key, value in below.items() if value}) else {}
        if found:
            return found
    return {}


def options(node: Node, defs: Mapping[str, Node]) -> list[Node]:
    """Return what a node may be, references followed, null left out.

    Parameters
    ----------
    node : dict
        Part of a schema.
    defs : mapping
        Its ``$defs``.

    Returns
    -------
    list of dict
        At least one, each without a reference at its top.
    """
    if "$ref" in node:
        return options(defs[node["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in node:
        return [each for part in node["anyOf"] for each in options(part, defs) if each.get("type") != "null"]
    return [node]


def _names_in(node: Any) -> Iterable[str]:
    """Names of the definitions that a node refers to directly."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _names_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from _names_in(value)


def _below(node: Node, defs: Mapping[str, Node]) -> list[str]:
    """Names of all definitions that a node leads to."""
    found: list[str] = []
    waiting = list(_names_in(node))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += _names_in(defs[name])
    return found


def _reached(defs: Mapping[str, Node], schema: Node) -> dict[str, Node]:
    """Definitions that the schema leads to, sorted by name."""
    return {name: defs[name] for name in sorted(_below(schema, defs))}
