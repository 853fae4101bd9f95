"""The JSON Schema of a scenario file, for editors: made from the same records and field docs that check a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from sim.channels import CHANNELS
from sim.errors import PluginError, Problem
from sim.ledger.watched import named
from sim.metrics import names as metric_names
from sim.networks.generators import GENERATORS
from sim.plugins import Registry, foreign
from sim.policies import POLICIES
from sim.scenario.schema import VERSION, Scenario
from sim.scenario.sources import SOURCES, WAYS, takes
from sim.scenario.walls import PAIRS, USUAL
from sim.shocks import SHOCKS
from sim.valuations import RULES
from sim.walls import WALLS

Node = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PACKAGED = "^[^:]+:[^:]+$"
"""``package:name`` chooses among packages that claim one name; what it takes is not known here."""

WRITTEN = ("version", "name", "system")
"""What a file says itself unless it has a base."""


def scenario_schema(*, plugins: bool = False, unusable: list[Problem] | None = None) -> Node:
    """Return the JSON Schema of a scenario file.

    Parameters
    ----------
    plugins : bool
        Whether to load installed plug-ins for their parameters; without, any parameters are accepted under their names.
    unusable : list of Problem, optional
        Takes in what is wrong with plug-ins that cannot be loaded; they are left as those that are not loaded.

    Returns
    -------
    dict
        Draft 2020-12, with the meaning of every key. A file with a ``base`` may leave out what its base says.

    Raises
    ------
    PluginError
        If an installed plug-in cannot be loaded, and `unusable` is not given.

    Examples
    --------
    >>> from sim.scenario.json_schema import scenario_schema
    >>> scenario_schema()["properties"]["monte_carlo"]["description"]
    'Draws and seed.'
    """
    sorts = (CHANNELS, SHOCKS, GENERATORS, RULES, WALLS, POLICIES)
    found = [_classes(registry, plugins, unusable) for registry in sorts]
    channels, shocks, networks, rules, walls, policies = found
    plugged = [cls for classes in found for cls in classes.values() if cls is not None]
    models: list[type[BaseModel]] = [Scenario, *plugged]
    told, shared = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    defs: dict[str, Node] = shared["$defs"]
    at = {model: told[(model, "validation")]["$ref"].rpartition("/")[2] for model in models}
    for node in defs.values():
        _tidy(node)
        _bare_numbers(node)
    usual = dict(defs[at[usual_walls]]) if (usual_walls := walls.get(USUAL)) else {}
    for name, cls in (*shocks.items(), *walls.items(), *policies.items()):
        if cls is not None:
            _kind(defs[at[cls]], name)
    _sources(defs, networks, {cls: defs[name] for cls, name in at.items()})
    if credit := channels.get("credit"):
        _name_rules(defs[at[credit]], {name: defs[at[cls]] if cls is not None else None for name, cls in rules.items()})
    root = defs.pop(at[Scenario])
    said = root["properties"]
    for key, classes in (("shocks", shocks), ("walls", walls), ("policies", policies)):
        said[key]["items"] = _any_kind(classes, at)
    number = {"type": "number", "minimum": 0, "maximum": 1, "description": "Permeability of the usual walls."}
    said["wall"]["additionalProperties"] = {"anyOf": [usual, *said["walls"]["items"]["anyOf"], number]}
    said["wall"]["propertyNames"] = {"enum": list(PAIRS)}
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


def _any_kind(classes: Mapping[str, type[BaseModel] | None], at: Mapping[type[BaseModel], str]) -> Node:
    """One item of a list of events, walls or policies: any of them, by its kind."""
    known = [
        {"$ref": f"#/$defs/{at[cls]}"} if cls is not None else _kind({"type": "object"}, name)
        for name, cls in classes.items()
    ]
    packaged = {"type": "object", "properties": {"kind": {"type": "string", "pattern": PACKAGED}}, "required": ["kind"]}
    return {"anyOf": [*known, packaged]}


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
    if cls is CHANNELS["credit"]:
        _name_rules(defs[told[(cls, "validation")]["$ref"].rpartition("/")[2]], dict.fromkeys(RULES.others()))
    return defs[told[(cls, "validation")]["$ref"].rpartition("/")[2]] | {"$defs": defs}


def _classes(
    registry: Registry[Any], plugins: bool, unusable: list[Problem] | None
) -> dict[str, type[BaseModel] | None]:
    """Records by name; None for those of other packages that are not to be loaded, or cannot be."""
    others = registry.others()
    found: dict[str, type[BaseModel] | None] = {}
    for name in registry.names():
        try:
            found[name] = _class(registry, name) if plugins or name not in others else None
        except PluginError as error:
            if unusable is None:
                raise
            unusable.append(Problem(str(error)))
            found[name] = None
    return found


def _class(registry: Registry[Any], name: str) -> type[BaseModel]:
    """One record, of which a schema can be made."""
    cls = registry[name]
    if not issubclass(cls, BaseModel):
        raise PluginError(f"{registry.sort} {name!r} is no record of parameters")
    try:
        if foreign(cls):
            cls.model_json_schema()
    except Exception as error:
        first = str(error).partition("\n")[0]
        raise PluginError(
            f"{named(name, cls.package)} has parameters of which no schema can be made: {first}"
        ) from error
    found: type[BaseModel] = cls
    return found


def _name_rules(credit: Node, rules: Mapping[str, Node | None]) -> None:
    """Let the credit channel name valuations of other packages, alone or with their parameters."""
    others = {name: record or {"type": "object"} for name, record in rules.items() if name in RULES.others()}
    if not others:
        return
    field = credit["properties"]["valuation"]
    record: Node = {"type": "object", "properties": others, "patternProperties": {PACKAGED: {"type": "object"}}}
    record |= {"additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    named = {"type": field.pop("type"), "enum": [*field.pop("enum"), *others]}
    field["anyOf"] = [named, {"type": "string", "pattern": PACKAGED}, record]


def _tidy(node: Node) -> None:
    """Keep what an editor should show: the first paragraph on a record, and no titles made of keys."""
    node["description"] = node.get("description", "").partition("\n\n")[0].replace("\n", " ")
    for each in node.get("properties", {}).values():
        each.pop("title", None)


def _bare_numbers(node: Node) -> None:
    """Let a size, a duration or a factor be a bare number, and name exactly one law otherwise."""
    if node.get("title") in ("Size", "Duration", "Factor") and "fixed" in node.get("properties", {}):
        law = {key: node.pop(key) for key in ("additionalProperties", "properties", "type")}
        fixed = law["properties"]["fixed"]
        bounds = next((each for each in fixed.get("anyOf", ()) if each.get("type") == "number"), fixed)
        number = {key: bounds[key] for key in ("type", "minimum", "maximum") if key in bounds}
        number["description"] = "The same in every draw."
        node["anyOf"] = [number, law | {"minProperties": 1, "maxProperties": 1}]


def _kind(node: Node, name: str) -> Node:
    """Add the key that says which shock or wall it is."""
    said = {"const": name, "description": "Which sort of event or wall."}
    node["properties"] = {"kind": said, **node.get("properties", {})}
    node["required"] = ["kind", *node.get("required", [])]
    return node


def _sources(defs: dict[str, Node], networks: Mapping[str, Any], records: Mapping[Any, Node]) -> None:
    """Give each part of a system a definition of its own, with the generators that can make it."""
    plain = {cls.__name__: defs[cls.__name__] for cls in SOURCES.values()}
    for place, cls in SOURCES.items():
        fitting = {name: made for name, made in networks.items() if made is None or takes(place, made)}
        name = f"{cls.__name__}_{place[-1]}"
        defs[name] = _source(plain[cls.__name__], fitting, records)
        owner = defs[{"agents": "AgentSources", "layers": "LayerSources"}.get(place[0], "SystemSource")]
        _refer(owner["properties"][place[-1]], f"#/$defs/{name}")


def _refer(node: Node, ref: str) -> None:
    """Change what a node refers to."""
    for each in (node, *node.get("anyOf", ())):
        if "$ref" in each:
            each["$ref"] = ref


def _source(node: Node, networks: Mapping[str, type[BaseModel] | None], records: Mapping[Any, Node]) -> Node:
    """Where a part comes from: a file, a reconstruction, or a generator with its parameters beside its name."""
    said = node["properties"]
    own = {key: each for key, each in said.items() if key not in WAYS}
    meaning = {"description": said["generator"]["description"]}
    packaged: Node = {"type": "string", "pattern": PACKAGED}
    # nothing is required: a file that builds on another one may change a parameter alone
    ways: list[Node] = [node | {"properties": {key: said[key], **own}} for key in WAYS[:-1] if key in said]
    ways.append(node | {"properties": {"generator": {"anyOf": [{"enum": list(networks)}, packaged]} | meaning}})
    for name, cls in networks.items():
        record: Node = {"type": "object"} if cls is None else records[cls]
        parameters = {"generator": {"const": name} | meaning, **record.get("properties", {}), **own}
        ways.append(record | {"properties": parameters})
    ways.append({"type": "object", "properties": {"generator": packaged | meaning}, "required": ["generator"]})
    return {"description": node["description"], "anyOf": ways}


def _demands(node: Node, defs: Mapping[str, Node]) -> Node:
    """What of a node is required, its own keys and those below; of a part of the system, a way it comes about."""
    ways = options(node, defs)
    if len(ways) != 1:
        named = {key for each in ways for key in each.get("properties", {})}
        known = [key for key in WAYS if key in named]
        return {"anyOf": [{"required": [key]} for key in known]} if known else {}
    below = {key: _demands(value, defs) for key, value in ways[0].get("properties", {}).items()}
    found: Node = {"required": ways[0]["required"]} if "required" in ways[0] else {}
    return found | ({"properties": kept} if (kept := {key: value for key, value in below.items() if value}) else {})


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
