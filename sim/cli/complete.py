"""What the shell offers when a user presses the tabulator: cheap lists of names, nothing heavy imported for them."""

from __future__ import annotations

from pathlib import Path

FILES = (".yaml", ".yml", ".json")


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
    return sorted(found, key=lambda text: not (Path(text) / "manifest.json").is_file())


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
