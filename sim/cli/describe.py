"""``sim describe``: one thing that a scenario can name, or one of its keys."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import things
from sim.cli.errors import clean, emit
from sim.cli.list import KINDS, WIDTH
from sim.cli.options import AsJson, Debug
from sim.cli.table import terminal_width
from sim.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from sim.plugins import Registry

SINGULAR = {
    "scenarios": "scenario",
    "channels": "channel",
    "shocks": "shock",
    "metrics": "metric",
    "valuations": "valuation",
    "networks": "network",
    "walls": "wall",
    "policies": "policy",
}
PLUGGED = ("channels", "shocks", "walls", "policies")
"""Sections of a scenario file that name plug-ins with parameters."""
HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
BLOCK = re.compile(r"^\.\. math::\n((?:\n|[ \t]+.*\n?)+)", re.MULTILINE)

SIGNS = {
    "sum": "Σ", "prod": "Π", "alpha": "α", "beta": "β", "gamma": "γ", "Gamma": "Γ", "delta": "δ", "Delta": "Δ",
    "epsilon": "ε", "lambda": "λ", "Lambda": "Λ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "Sigma": "Σ",
    "theta": "θ", "phi": "φ", "Phi": "Φ", "omega": "ω", "Omega": "Ω", "kappa": "κ", "tau": "τ", "cdot": "·", "pm": "±",
    "times": "×", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "infty": "∞", "in": "∈", "to": "→", "quad": "  ",
    "qquad": "    ", ",": " ", ";": " ", "lceil": "⌈", "rceil": "⌉", "lfloor": "⌊", "rfloor": "⌋", "partial": "∂",
    "approx": "≈", "neq": "≠", "ne": "≠", "sqrt": "√", "left": "", "right": "", "big": "", "Big": "", "mid": "|",
}  # fmt: skip


def describe(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="What `sim list` shows, or a key of a scenario.", autocompletion=things),
    ] = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> int:
    """Describe one thing: its parameters with unit, range and default, its equation and its source.

    NAME is what `sim list` shows (credit, price_fall, system_loss, furfine, eu48) or a dotted key of a scenario file
    (monte_carlo.draws, channels.credit.alpha, shocks.price_fall.joint).

    Parameters
    ----------
    name : str
        As typed.
    as_json : bool
        Whether to print JSON.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0.

    Raises
    ------
    UnknownNameError
        If there is no such thing; names what there is.
    UsageError
        If nothing is named.
    """
    if not name:
        raise UsageError("describe needs a name, such as: sim describe credit (sim list shows what there is)")
    found = [*_things(name), *_key(name)]
    if not found:
        raise _unknown(name)
    if as_json:
        emit(json.dumps(found if len(found) > 1 else found[0], indent=2, allow_nan=False))
    else:
        room = max(terminal_width() or WIDTH, 40)
        emit("\n\n".join(_text(facts, room) for facts in found))
    return 0


def _things(name: str) -> Iterator[dict[str, Any]]:
    """Everything of that name, one a sort; most names belong to one."""
    for kind, sort in SINGULAR.items():
        if name in KINDS[kind]():
            yield {"name": name, "sort": sort} | _FACTS[sort](name)


def _scenario(name: str) -> dict[str, Any]:
    from sim.scenario.load import load

    made = load(name)
    shocks = [f"{shock.name} at step {shock.at}" for shock in made.shocks]
    said = {
        "mode": f"{made.mode}, {made.horizon.steps} step{'s' * (made.horizon.steps != 1)} of {made.horizon.step}",
        "quarters": "" if made.ramp is None else f"{made.ramp.first} to {made.ramp.last}",
        "base": made.base or "",
        "shocks": ", ".join(shocks) or "none",
        "channels": ", ".join(made.active) or "none",
        "metrics": ", ".join(made.metrics),
        "draws": f"{made.monte_carlo.draws:,}, seed {made.monte_carlo.seed}",
        "run": f"sim {'run' if made.ramp is None else 'ramp'} {name}",
    }
    return {
        "meaning": made.title,
        "text": made.description,
        "facts": {key: value for key, value in said.items() if value},
    }


def _plugin(kind: str, name: str) -> dict[str, Any]:
    """A channel, a shock or a network generator: its record and the keys of it."""
    from sim.channels import CHANNELS
    from sim.networks.generators import GENERATORS
    from sim.networks.tables import dotted
    from sim.policies import POLICIES
    from sim.scenario.json_schema import plugin_schema
    from sim.shocks import SHOCKS
    from sim.walls import WALLS

    registries: dict[str, Registry[Any]] = {"channels": CHANNELS, "shocks": SHOCKS, "networks": GENERATORS}
    cls = (registries | {"walls": WALLS, "policies": POLICIES})[kind][name]
    told = documented(cls.__doc__ or "")
    facts = {"letter": str(getattr(cls, "letter", "")), "phases": ", ".join(getattr(cls, "phases", ()))}
    if kind == "channels":
        facts["static"] = "has a monotone form" if CHANNELS[name].isotone else "has no monotone form: mode dynamic only"
    if kind == "networks":
        tables = getattr(cls, "tables", ("interbank",))
        facts["in a scenario"] = "; ".join(_written(dotted(table).split("."), name) for table in tables)
        facts["networks"] = "one differs from the next" if GENERATORS[name].is_random else "there is only one"
    if kind == "walls":
        ways = [f"{path.name} ({', '.join(path.pairs)}): {path.said}" for path in getattr(cls, "paths", ())]
        facts["paths"] = "\n".join(dict.fromkeys(ways))
    schema = plugin_schema(cls)
    return told | {"facts": {key: value for key, value in facts.items() if value}, "parameters": _rows(schema, schema)}


def _written(path: list[str], name: str) -> str:
    """A generator as a scenario writes it, at a dotted key."""
    text = f"{path[-1]}: {{generator: {name}}}"
    for key in reversed(path[:-1]):
        text = f"{key}: {{{text}}}"
    return text


def _metric(name: str) -> dict[str, Any]:
    from sim.metrics import METRICS

    unit, meaning, of = METRICS[name]
    told = documented(of.__doc__ or "")
    facts = {"unit": {"1": "1 (a pure number)", "currency": "currency (the system's)"}.get(unit, unit)}
    return {"meaning": meaning, "text": _noun(told["meaning"]), "facts": facts} | {
        key: told[key] for key in ("equation", "source") if key in told
    }


def _valuation(name: str) -> dict[str, Any]:
    from sim.scenario.json_schema import plugin_schema
    from sim.valuations import RULES

    rule = RULES[name]
    facts = {"in a scenario": f"channels: {{credit: {{valuation: {name}}}}}"} if rule.in_scenario else {}
    facts["in Python"] = f'sim.contagion.revalue(..., valuation="{name}")'
    schema = plugin_schema(rule)
    return documented(rule.__doc__ or "") | {"facts": facts, "parameters": _rows(schema, schema)}


def _noun(text: str) -> str:
    """What a function returns, without the word."""
    text = re.sub(r"^Return (?:the )?", "", text)
    return text[:1].upper() + text[1:]


_FACTS: dict[str, Any] = {
    "scenario": _scenario,
    "channel": lambda name: _plugin("channels", name),
    "shock": lambda name: _plugin("shocks", name),
    "metric": _metric,
    "valuation": _valuation,
    "network": lambda name: _plugin("networks", name),
    "wall": lambda name: _plugin("walls", name),
    "policy": lambda name: _plugin("policies", name),
}


def _key(name: str) -> Iterator[dict[str, Any]]:
    """A key of a scenario file, where that is no other thing of the same name."""
    from sim.scenario.json_schema import scenario_schema
    from sim.scenario.keys import below_of, key_of, lookup

    path = [part for part in name.split(".") if not part.isdigit()]
    schema = scenario_schema()
    if not path or path[0] not in schema["properties"]:
        return
    if len(path) == 2 and path[0] in PLUGGED and path[1] in KINDS[path[0]]():
        yield from (facts for facts in _things(path[1]) if facts["sort"] == SINGULAR[path[0]])
        return
    inside = len(path) > 2 and path[0] in PLUGGED and path[1] in KINDS[path[0]]()
    if inside:
        schema = _of_plugin(path)
    node = lookup(schema, path[2:] if inside else path, ".".join(path[:2]) if inside else "")
    each = key_of(name, node, schema["$defs"])
    facts = {"allowed": each.kind, "unit": each.unit, "default": _default(each.default)}
    facts |= {"sorts": ", ".join(sorted(below_of(node, schema["$defs"])))} if node.get("type") == "array" else {}
    rows = _rows(node, schema)
    yield {"name": name, "sort": "key", "meaning": each.meaning, "parameters": rows} | {
        "facts": {key: value for key, value in facts.items() if value and not (rows and key == "default")}
    }


def _of_plugin(path: list[str]) -> dict[str, Any]:
    """The schema of one channel, shock, wall or policy, loaded because it is named."""
    from sim.channels import CHANNELS
    from sim.policies import POLICIES
    from sim.scenario.json_schema import plugin_schema
    from sim.shocks import SHOCKS
    from sim.walls import WALLS

    registries: dict[str, Registry[Any]] = {"channels": CHANNELS, "shocks": SHOCKS, "walls": WALLS}
    registries["policies"] = POLICIES
    return plugin_schema(registries[path[0]][path[1]])


def _rows(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, str]]:
    """The keys below a node, as text."""
    from sim.scenario.keys import keys

    return [
        {"key": each.name, "allowed": each.kind, "unit": each.unit, "default": _default(each.default)}
        | {"meaning": each.meaning}
        for each in keys(node, schema["$defs"])
    ]


def _default(value: Any) -> str:
    """A default as a file would say it."""
    if value is ...:
        return "must be given"
    if value is None:
        return ""
    return json.dumps(value).strip('"') if not isinstance(value, float) else f"{value:g}"


def documented(text: str) -> dict[str, str]:
    """Split a docstring into what a reader asks for.

    Parameters
    ----------
    text : str
        In numpydoc form, or plain.

    Returns
    -------
    dict of str to str
        ``meaning`` (its first paragraph) and, where there are such, ``text``, ``equation`` and ``source``.
    """
    text = inspect.cleandoc(text)
    ends = [(match.start(), match.end(), match[1]) for match in HEADING.finditer(text)]
    body = text[: ends[0][0]] if ends else text
    parts = {
        title: text[end : ends[at + 1][0] if at + 1 < len(ends) else None].strip()
        for at, (_, end, title) in enumerate(ends)
    }
    equations = [inspect.cleandoc(match[1]) for match in BLOCK.finditer(body + "\n")]
    summary, _, rest = BLOCK.sub("", body + "\n").strip().partition("\n\n")
    found = {"meaning": plain(" ".join(summary.split())), "text": plain("\n".join(_joined(rest)))}
    found["equation"] = "\n".join(
        plain(line).strip() for each in equations for line in each.splitlines() if line.strip()
    )
    found["source"] = plain(" ".join(parts.get("References", "").split()))
    return {key: value for key, value in found.items() if value or key == "meaning"}


def _joined(text: str) -> Iterable[str]:
    """Paragraphs, one a line."""
    return (" ".join(each.split()) for each in text.split("\n\n") if each.strip())


def plain(text: str) -> str:
    r"""Return text without the marks of its notation, formulas as a terminal can show them.

    Parameters
    ----------
    text : str
        With roles such as ``:math:`\alpha``` and formulas in LaTeX.

    Returns
    -------
    str
        ``α``, ``Σ_j A_ij (1 − V_j)`` and the like; what has no sign keeps its name.
    """
    text = re.sub(r":\w+:`([^`]*)`", r"\1", text).replace("``", "").replace("`", "")
    if not re.search(r"[\\{]", text):
        return text
    text = re.sub(r"\\(?:text|mathrm|mathbf|operatorname|mathit)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\(?:bar|overline)\s*(?:\{([^{}]*)\}|(\w))", lambda m: f"{m[2]}̄" if m[2] else f"mean({m[1]})", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1)/(\2)", text)
    text = re.sub(r"\\([A-Za-z]+|[,;])", lambda m: SIGNS.get(m[1], m[1]), text)
    return re.sub(
        r"([_^])\{([^{}]*)\}", lambda m: m[1] + (m[2] if m[2].isalnum() and len(m[2]) < 4 else f"({m[2]})"), text
    )


def _text(facts: dict[str, Any], room: int) -> str:
    """One thing as lines."""
    lines = [f"{clean(facts['name'])} ({facts['sort']})"]
    lines += [line for part in (facts["meaning"],) if part for line in textwrap.wrap(clean(part), room)]
    for paragraph in facts.get("text", "").splitlines():
        lines += ["", *textwrap.wrap(clean(paragraph), room)]
    said = facts.get("facts", {}) | {key: facts[key] for key in ("equation", "source") if key in facts}
    if said:
        lines.append("")
        start = max(map(len, said)) + 2
        for key, value in said.items():
            texts = [part for line in str(value).splitlines() for part in _lines(clean(line), room - start)]
            lines += [(key if at == 0 else "").ljust(start) + text for at, text in enumerate(texts or ["-"])]
    for row in facts.get("parameters", ()):
        unit = f", unit {row['unit']}" if row["unit"] else ""
        default = {"": "", "must be given": "; must be given"}.get(row["default"], f"; default {row['default']}")
        lines += ["", *_lines(f"{row['key']}: {row['allowed']}{unit}{default}", room, below="    ")]
        lines += textwrap.wrap(clean(row["meaning"]), room, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(line.rstrip() for line in lines)


def _lines(text: str, room: int, below: str = "") -> list[str]:
    """Text in lines; names with hyphens stay whole."""
    return textwrap.wrap(text, room, subsequent_indent=below, break_on_hyphens=False)


def _unknown(name: str) -> UnknownNameError:
    """The error for a name that is nothing, with all there is."""
    from sim.scenario.json_schema import scenario_schema
    from sim.scenario.keys import keys

    named = [each for kind in SINGULAR for each in KINDS[kind]()]
    schema = scenario_schema()
    dotted = [each.name for each in keys(schema, schema["$defs"])]
    # the nearest may be a key, but a list of all keys would be no help
    near = get_close_matches(name, [*named, *dotted], n=1)
    shown = {*named, *(key for key in dotted if "." not in key), *near}
    return UnknownNameError("name", name, shown)
