"""From plain data to a checked scenario: every problem of a file at once, each with its place and nearest fix."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sim.channels import CHANNELS, Channel
from sim.errors import InputError, PluginError, Problem, UnknownNameError, nearest, shown
from sim.networks.base import Maker
from sim.networks.generators import GENERATORS
from sim.scenario.policies import take_policies
from sim.scenario.schema import VERSION, Scenario
from sim.scenario.sources import SOURCES, takes
from sim.scenario.valuation import take_valuation
from sim.scenario.walls import take_list, take_matrix
from sim.shocks import SHOCKS, Shock

Place = tuple[str, int | None]
Loc = tuple[str | int, ...]


def checked(data: Mapping[str, Any], places: Mapping[Loc, Place] | None = None) -> Scenario:
    """Return a scenario made of plain data.

    Parameters
    ----------
    data : mapping
        What a file says, bases merged.
    places : mapping of key path to (path, line), optional
        Where each key was written.

    Returns
    -------
    Scenario
        Frozen.

    Raises
    ------
    InputError
        All problems at once.
    """
    where = places or {}
    version = data.get("version")
    problems = []
    if version is None:
        problems.append(Problem('missing "version"; this program reads version: 1'))
    elif isinstance(version, bool) or not isinstance(version, int):
        problems.append(Problem(f"version must be an integer, got {shown(version)}", key="version"))
    elif version > VERSION:
        text = f"scenario version {version} is newer than this program understands ({VERSION})"
        problems.append(Problem(text, key="version"))
    unnamed = {str(key): value for key, value in data.items()}
    try:
        scenario = Scenario(**({"name": "unnamed"} | unnamed if "name" not in unnamed else unnamed))
    except InputError as error:
        problems += [p for p in error.problems if p.key != "version"]
    if "name" not in data:
        problems.append(Problem('missing "name"'))
    if problems:
        found = [placed(problem, where) for problem in problems]
        raise InputError(sorted(found, key=lambda p: (p.path, p.line or 0)))
    return scenario


def records(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Turn the shocks, channels, walls, policies and network generators of plain data into plug-in records.

    Parameters
    ----------
    data : mapping
        Keyword arguments of `Scenario`.

    Returns
    -------
    tuple of dict and list of Problem
        The arguments with records in place, and what was wrong with them.
    """
    problems: list[Problem] = []
    made = dict(data)
    if "shocks" in made:
        made["shocks"] = _shocks(made["shocks"], problems)
    if "channels" in made:
        made["channels"] = _channels(made["channels"], problems)
    for key, take in (("wall", take_matrix), ("walls", take_list), ("policies", take_policies)):
        if key in made:
            made[key] = take(made[key], _record, problems)
    if isinstance(made.get("system"), Mapping):
        made["system"] = _system(made["system"], problems)
    return made, problems


def _shocks(data: Any, problems: list[Problem]) -> Any:
    if data is None:
        return ()
    if not isinstance(data, Sequence) or isinstance(data, str):
        problems.append(Problem(f"shocks must be a list, got {shown(data)}", key="shocks"))
        return ()
    made = []
    for position, item in enumerate(data):
        key = f"shocks.{position}"
        if isinstance(item, Shock):
            made.append(item)
            continue
        if not isinstance(item, Mapping):
            problems.append(Problem(f"{key} must be a mapping with a kind, got {shown(item)}", key=key))
            continue
        rest = dict(item)
        kind = rest.pop("kind", None)
        if kind is None:
            problems.append(Problem(f'{key}: missing "kind" (known: {", ".join(SHOCKS.names())})', key=key))
            continue
        found = _record(SHOCKS, kind, rest, (f"{key}.kind", key), problems)
        if found is not None:
            made.append(found)
    return tuple(made)


def _channels(data: Any, problems: list[Problem]) -> Any:
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        problems.append(Problem(f"channels must be a mapping, got {shown(data)}", key="channels"))
        return {}
    made = {}
    for name, item in data.items():
        key = f"channels.{name}"
        if isinstance(item, Channel):
            made[str(name)] = item
            continue
        if item is not None and not isinstance(item, Mapping):
            problems.append(Problem(f"{key} must be a mapping, got {shown(item)}", key=key))
            continue
        rest = dict(item or {})
        if name == "credit" and "valuation" in rest:
            take_valuation(key, rest, _record, problems)
        found = _record(CHANNELS, name, rest, (key, key), problems)
        if found is not None:
            made[str(name)] = found
    return made


def _system(data: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The system with the generators of its parts as records."""
    made = dict(data)
    for at in SOURCES:
        *above, name = at
        if above and isinstance(made.get(above[0]), Mapping):
            made[above[0]] = here = dict(made[above[0]])
        elif above:
            continue
        else:
            here = made
        if isinstance(here.get(name), Mapping):
            here[name] = _source(at, here[name], problems)
    return made


def _source(at: tuple[str, ...], data: Mapping[str, Any], problems: list[Problem]) -> Any:
    """Where a part comes from, its generator a record; parameters of a generator stand beside its name."""
    name = data.get("generator")
    if name is None or isinstance(name, Maker):
        return data
    key = ".".join(("system", *at))
    # a way too many, and what belongs to the part itself, is looked at by the schema
    own = {each: value for each, value in data.items() if each in SOURCES[at].model_fields and each != "generator"}
    rest = {each: value for each, value in data.items() if each not in own and each != "generator"}
    found = _record(GENERATORS, name, rest, (f"{key}.generator", key), problems)
    if found is not None and not takes(at, type(found)):
        fit = [each for each in GENERATORS if each in GENERATORS.others() or takes(at, GENERATORS[each])]
        text = f"{key}.generator: {name} does not make {at[-1]}; allowed: {', '.join(fit) or 'none'}"
        problems.append(Problem(text, key=f"{key}.generator"))
        found = None
    # what could not be made is told already: a stand-in keeps the schema from telling it again
    return {**own, "generator": found} if found is not None else {"file": "none"}


def _record(registry: Any, name: Any, data: dict[str, Any], keys: tuple[str, str], problems: list[Problem]) -> Any:
    """Make one plug-in record, or note why not; `keys` are those of its name and of its parameters."""
    name_at, parameters_at = keys
    if not isinstance(name, str) or "/" in name or name.endswith(".py"):
        text = f"{registry.sort} {shown(name)}: plug-ins are named by installed entry point, not by path"
        problems.append(Problem(text, key=name_at))
        return None
    try:
        cls = registry[name]
    except UnknownNameError as error:
        problems.append(Problem(f"{name_at}: {error}", key=name_at))
        return None
    except PluginError as error:
        raise PluginError(f"{name_at}: {error}") from error
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        problems += told(error, cls, parameters_at)
    return None


def networks_problems(scenario: Scenario) -> list[Problem]:
    """Return why several networks cannot be played.

    Parameters
    ----------
    scenario : Scenario
        Otherwise checked.

    Returns
    -------
    list of Problem
        Empty for one network.
    """
    key, networks = "monte_carlo.networks", scenario.monte_carlo.networks
    if networks == 1:
        return []
    if not any(each.is_random for each in scenario.generators):
        text = "there is only one network, as no layer has a random generator; allowed: 1, or a layer such as "
        text += "system: {layers: {interbank: {generator: fitness, density: 0.12}}}"
        return [Problem(f"{key} = {networks}: {text}", key=key)]
    if scenario.monte_carlo.sampler == "antithetic":
        text = "draws 2k and 2k + 1 mirror each other (sampler: antithetic) and would play on different networks"
        return [Problem(f"{key} = {networks}: {text}; allowed: 1, or sampler: philox or sobol", key=key)]
    return []


def told(error: ValidationError, model: type[BaseModel], key: str = "") -> list[Problem]:
    """Turn what the schema found into sentences a user can act on.

    Parameters
    ----------
    error : ValidationError
        From pydantic.
    model : type
        What was being made.
    key : str
        Dotted key under which it stands.

    Returns
    -------
    list of Problem
        With dotted keys.
    """
    prefix = location(key)
    return [problem for details in error.errors() for problem in _told(details, prefix, model)]


def location(key: str) -> Loc:
    """Return a dotted key as a path of keys and positions.

    Parameters
    ----------
    key : str
        Such as ``shocks.0.size``.

    Returns
    -------
    tuple of str or int
        Its parts.
    """
    return tuple(int(part) if part.isdigit() else part for part in key.split(".")) if key else ()


def dotted(loc: Loc) -> str:
    """Return a key path as users write it.

    Parameters
    ----------
    loc : tuple of str or int
        Keys and positions.

    Returns
    -------
    str
        Joined by dots.
    """
    return ".".join(str(part) for part in loc)


def _problem(loc: Loc, message: str, where: Mapping[Loc, Place]) -> Problem:
    """Return a problem placed at the nearest key that was written."""
    for length in range(len(loc), -1, -1):
        if loc[:length] in where:
            path, line = where[loc[:length]]
            return Problem(message, path, line if length else None, dotted(loc))
    return Problem(message, key=dotted(loc))


def placed(problem: Problem, where: Mapping[Loc, Place]) -> Problem:
    """Return a problem found while building with the file and line of its key.

    Parameters
    ----------
    problem : Problem
        With a dotted key.
    where : mapping
        Where each key was written.

    Returns
    -------
    Problem
        Unchanged where it already has a path.
    """
    if problem.path:
        return problem
    return _problem(location(problem.key), problem.message, where)


def _told(details: ErrorDetails, prefix: Loc, model: type[BaseModel]) -> list[Problem]:
    """Turn one finding of the schema into sentences a user can act on."""
    inner = tuple(details["loc"])
    loc = (*prefix, *inner)
    key, got, kind = dotted(loc), details.get("input"), details["type"]
    context = details.get("ctx", {})
    owner = _owner(model, inner)
    if kind == "extra_forbidden":
        known = list(owner.model_fields) if owner else []
        if not prefix and len(inner) == 1:
            known = [name for name in known if name]
        hint = nearest(str(inner[-1]), known)
        return [_at(key, f'unknown key "{key}"{hint} (known: {", ".join(known)})')]
    if kind == "missing":
        return [_at(key, f'missing "{key}"')]
    if kind == "value_error":
        return [_at(key, f"{key + ': ' if key else ''}{context.get('error', details['msg'])}")]
    if kind == "finite_number":
        return [_at(key, f"{key} must be a finite number, got {got}")]
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        allowed = _range(owner, inner)
        hint = ""
        if isinstance(got, int | float) and allowed.endswith("1]") and 1 < got <= 100:
            hint = f"; is it a percentage ({got / 100:g})?"
        return [_at(key, f"{key} = {shown(got)} must be {allowed or details['msg'].lower()}{hint}")]
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        options = [part.strip("' ") for part in expected.replace(" or ", ",").split(",")]
        if isinstance(got, bool):
            return [_at(key, f"{key} must be text, got the boolean {str(got).lower()}; quote it")]
        return [_at(key, f"{key}: {shown(got)} is not one of {', '.join(options)}{nearest(str(got), options)}")]
    wanted = {
        "int_type": "an integer", "int_parsing": "an integer", "int_from_float": "an integer",
        "float_type": "a number", "float_parsing": "a number", "bool_type": "true or false",
        "bool_parsing": "true or false", "string_type": "text",
        "model_type": "a mapping", "model_attributes_type": "a mapping", "dict_type": "a mapping",
        "list_type": "a list", "tuple_type": "a list",
    }  # fmt: skip
    if kind in wanted:
        return [_at(key, f"{key} must be {wanted[kind]}, got {shown(got)}")]
    if kind == "string_too_long":
        return [_at(key, f"{key} is longer than {context.get('max_length')} characters")]
    return [_at(key, f"{key}: {details['msg']}, got {shown(got)}")]


def _at(key: str, message: str) -> Problem:
    return Problem(message, key=key)


def _owner(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """Return the model that holds the last key of a path."""
    here: type[BaseModel] | None = model
    for part in loc[:-1]:
        if here is None or not isinstance(part, str) or part not in here.model_fields:
            return None
        here = _model_in(here.model_fields[part].annotation)
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        for part in typing.get_args(annotation):
            found = _model_in(part)
            if found is not None:
                return found
    return None


def _range(owner: type[BaseModel] | None, loc: Loc) -> str:
    """Return a field's allowed range, such as ``in [0, 1]``."""
    if owner is None or not loc or loc[-1] not in owner.model_fields:
        return ""
    ends: dict[str, Any] = {}
    for item in owner.model_fields[str(loc[-1])].metadata:
        for name in ("ge", "gt", "le", "lt"):
            if getattr(item, name, None) is not None:
                ends[name] = getattr(item, name)
    low = f"[{ends['ge']:g}" if "ge" in ends else f"({ends['gt']:g}" if "gt" in ends else ""
    high = f"{ends['le']:g}]" if "le" in ends else f"{ends['lt']:g})" if "lt" in ends else ""
    if low and high:
        return f"in {low}, {high}"
    if low:
        return f"at least {ends['ge']:g}" if "ge" in ends else f"above {ends['gt']:g}"
    return f"at most {ends['le']:g}" if "le" in ends else f"below {ends['lt']:g}" if "lt" in ends else ""
