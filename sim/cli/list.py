"""``sim list``: what a scenario can name."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import textwrap
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.complete import among
from sim.cli.errors import clean, emit, warn
from sim.cli.options import AsJson, Debug, chosen
from sim.cli.table import terminal_width

if TYPE_CHECKING:
    from sim.errors import Problem
    from sim.plugins import Registry

WIDTH = 100
"""Characters a line takes where stdout is no terminal."""

ALSO = {"generators": "networks"}
"""Other words for a kind."""


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="One of the kinds below; by default all.", autocompletion=among(lambda: KINDS)
        ),
    ] = None,
    as_json: AsJson = False,
    _debug: Debug = False,
) -> int:
    """List what a scenario can name (scenarios, channels, shocks, metrics, ...) and the phases of a step.

    Networks are what a layer can be made by (generator: NAME); "generators" is another word for them.

    Parameters
    ----------
    kind : str, optional
        One of the kinds.
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
    UsageError
        If there is no such kind.
    """
    wanted = tuple(KINDS) if kind is None else (chosen("kind", ALSO.get(kind, kind), tuple(KINDS)),)
    found = {name: KINDS[name]() for name in wanted}
    if not {"channels", "shocks", "metrics", "valuations", "networks", "walls", "policies"}.isdisjoint(wanted):
        warn(_unusable())
    if as_json:
        emit(json.dumps(found if kind is None else found[wanted[0]], indent=2))
    elif kind is None:
        emit("\n\n".join(f"{name}\n{listed(entries, indent='  ')}" for name, entries in found.items()))
    else:
        emit(listed(found[wanted[0]]))
    return 0


def listed(entries: Mapping[str, str], indent: str = "", width: int | None = None) -> str:
    """Return names and what they mean, one below the other.

    Parameters
    ----------
    entries : mapping
        Name to meaning.
    indent : str
        What each line begins with.
    width : int, optional
        Characters a line may take; by default the terminal's.

    Returns
    -------
    str
        Lines; long meanings go on below where they began.
    """
    if not entries:
        return f"{indent}(none)"
    room = max(width or terminal_width() or WIDTH, 40)
    start = len(indent) + max(map(len, entries)) + 2
    if start > room // 2:  # meanings go below the names where names are long
        start = len(indent) + 4
    lines: list[str] = []
    for name, meaning in sorted(entries.items()):
        head = (indent + clean(name)).ljust(start)
        texts = textwrap.wrap(clean(meaning), room - start) or [""]
        if len(head) > start:
            lines.append(head)
            head = " " * start
        lines.append((head + texts[0]).rstrip())
        lines += [" " * start + text for text in texts[1:]]
    return "\n".join(lines)


def _scenarios() -> dict[str, str]:
    from sim.scenario.load import shipped

    return dict(shipped())


def _channels() -> dict[str, str]:
    from sim.channels.base import CHANNELS

    return _registered(CHANNELS, "sim.channels")


def _phases() -> dict[str, str]:
    from sim.channels.base import PHASES

    return {f"{place:2d} {name}": said for place, (name, said) in enumerate(PHASES.items())}


def _shocks() -> dict[str, str]:
    from sim.shocks.base import SHOCKS

    return _registered(SHOCKS, "sim.shocks")


def _metrics() -> dict[str, str]:
    from sim.metrics import METRICS, describe, names

    others = METRICS.others()
    return {
        name: f"plug-in of package {others[name]}" if name in others else "{1} [{0}]".format(*describe(name))
        for name in names()
    }


def _valuations() -> dict[str, str]:
    from sim.valuations import RULES

    return _told(RULES)


def _networks() -> dict[str, str]:
    from sim.networks.generators import GENERATORS

    return _told(GENERATORS)


def _walls() -> dict[str, str]:
    from sim.walls import WALLS

    return _told(WALLS)


def _policies() -> dict[str, str]:
    from sim.policies import POLICIES

    return _told(POLICIES)


def _unusable() -> tuple[Problem, ...]:
    """Return which installed plug-ins a scenario could not name, as far as can be told without importing them."""
    from sim.channels.base import CHANNELS
    from sim.metrics import METRICS
    from sim.networks.generators import GENERATORS
    from sim.plugins import checkup
    from sim.policies import POLICIES
    from sim.shocks.base import SHOCKS
    from sim.valuations import RULES
    from sim.walls import WALLS

    return tuple(checkup(CHANNELS, SHOCKS, METRICS, GENERATORS, RULES, WALLS, POLICIES))


def _registered(registry: Registry[Any], package: str) -> dict[str, str]:
    """Return the plug-ins of a registry; those of others are named without being loaded."""
    folder = importlib.import_module(package)
    for module in pkgutil.iter_modules(folder.__path__, f"{package}."):
        importlib.import_module(module.name)  # a class is filed when its module is imported
    return _told(registry)


def _told(registry: Registry[Any]) -> dict[str, str]:
    """Return the names of a registry with the first paragraph of their docstrings."""
    others = {entry.name: entry.dist for entry in entry_points(group=registry.group)}
    known = {}
    for name in registry.names():
        if name in others:
            package_of = others[name]
            known[name] = f"plug-in of package {package_of.name if package_of is not None else 'unknown'}"
        else:
            known[name] = inspect.cleandoc(registry[name].__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return known


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "scenarios": _scenarios,
    "channels": _channels,
    "shocks": _shocks,
    "metrics": _metrics,
    "valuations": _valuations,
    "networks": _networks,
    "walls": _walls,
    "policies": _policies,
    "phases": _phases,
}
