"""What the shell offers when a user presses the tabulator: cheap lists of names, nothing heavy imported for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from sim.errors import SimError

FILES = (".yaml", ".yml", ".json")
HOLDS = ("manifest.json", "sweep.json")
"""What shows that a folder is that of a run or of a sweep."""


def scenarios(incomplete: str) -> list[str]:
    """Return shipped scenarios and scenario files that begin as typed.

    Parameters
    ----------
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of str
        Names, then files and folders below the place typed.
    """
    package = Path(__file__).resolve().parent.parent
    inside = package / "_scenarios"
    folder = inside if inside.is_dir() else package.parent / "scenarios"
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    return [name for name in names if name.startswith(incomplete)] + _files(incomplete, FILES)


def folders(incomplete: str) -> list[str]:
    """Return folders that begin as typed, results first.

    Parameters
    ----------
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of str
        With a slash where something lies below.
    """
    found = _files(incomplete, ())
    return sorted(found, key=lambda text: not any((Path(text) / name).is_file() for name in HOLDS))


def comparable(incomplete: str) -> list[str]:
    """Return what `sim compare` takes and begins as typed: result folders, then scenarios.

    Parameters
    ----------
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of str
        Each once.
    """
    return list(dict.fromkeys([*folders(incomplete), *scenarios(incomplete)]))


def settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the dotted keys of the scenario named on the line, list items by number, that begin as typed.

    Parameters
    ----------
    ctx : typer.Context
        Where the parser stands.
    incomplete : str
        What is typed so far; of ``NAME:KEY`` what follows the colon.

    Returns
    -------
    list of str
        Of the demo where no scenario is named; nothing where it cannot be read.
    """
    head, colon, typed = incomplete.rpartition(":")
    return [f"{head}{colon}{key}" for key in _leaves(_scenario(ctx)) if key.startswith(typed)]


def metrics(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the metrics of the folder, or of the scenario, named on the line that begin as typed.

    Parameters
    ----------
    ctx : typer.Context
        Where the parser stands.
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of str
        Nothing where neither can be read.
    """
    if "folder" not in ctx.params:
        names = _scenario(ctx).get("metrics", [])
    else:
        folder = Path(_first(ctx, "folder") or ".")
        place = next((path for name in HOLDS if (path := folder / name).is_file()), None)
        try:
            names = [each["name"] for each in json.loads(place.read_bytes())["metrics"]] if place is not None else []
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            names = []
    return [str(name) for name in names if str(name).startswith(incomplete) and str(name).isprintable()]


def among(names: Callable[[], Any]) -> Callable[[str], list[str]]:
    """Return what completes one of some fixed words.

    Parameters
    ----------
    names : callable
        Gives them; called only when the shell asks.

    Returns
    -------
    callable
        For a typer option or argument.
    """

    def fixed(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return fixed


def _first(ctx: typer.Context, name: str) -> str | None:
    """The first argument on the line; the parser leaves it aside where an option still lacks its value."""
    given = ctx.params.get(name) or next(iter(ctx.args), None)
    return None if given is None else str(given)


def _scenario(ctx: typer.Context) -> dict[str, Any]:
    """The scenario named on the line as plain data; what cannot be read is no reason to disturb who is typing."""
    from sim.cli.run import DEMO
    from sim.scenario.load import load

    try:
        return dict(load(_first(ctx, "scenario") or DEMO, allow_path=True).plain())
    except (SimError, OSError):
        return {}


def _leaves(said: Any, key: str = "") -> Iterator[str]:
    """Dotted keys of all that is no mapping and no list of mappings."""
    items: list[tuple[Any, Any]] = []
    if isinstance(said, dict):
        items = list(said.items())
    elif isinstance(said, list) and any(isinstance(each, dict) for each in said):
        items = list(enumerate(said))
    if not items and key:
        yield key
    for name, each in items:
        yield from _leaves(each, f"{key}.{name}" if key else str(name))


def things(incomplete: str) -> list[str]:
    """Return what `sim describe` knows and begins as typed.

    Parameters
    ----------
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of str
        Names of every sort; keys of a scenario file once a dot or a section is typed.
    """
    from sim.cli.list import KINDS
    from sim.scenario.json_schema import scenario_schema
    from sim.scenario.keys import keys

    names = sorted({name for known in KINDS.values() for name in known()})
    schema = scenario_schema()
    dotted = [each.name for each in keys(schema, schema["$defs"])]
    shown = dotted if "." in incomplete else [key for key in dotted if "." not in key]
    return [name for name in [*names, *shown] if name.startswith(incomplete)]


def _files(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    """Folders, and files with one of the suffixes, that begin as typed."""
    place, slash, start = incomplete.rpartition("/")
    try:
        entries = sorted(Path(place + slash or ".").iterdir())
    except OSError:
        return []
    kept = [path for path in entries if path.name.startswith(start) and not (path.name.startswith(".") and not start)]
    return [
        place + slash + path.name + ("/" if path.is_dir() else "")
        for path in kept
        if path.name.isprintable() and (path.is_dir() or path.suffix in suffixes)
    ]


def kinds(incomplete: str) -> list[tuple[str, str]]:
    """Return the figures of a result that begin as typed.

    Parameters
    ----------
    incomplete : str
        What is typed so far.

    Returns
    -------
    list of (str, str)
        Name and meaning.
    """
    from sim.experiments.plots import KINDS

    # shells show the meaning beside the name, in one line
    return [(name, text.partition(" (")[0]) for name, text in KINDS.items() if name.startswith(incomplete)]
