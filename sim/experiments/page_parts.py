"""What the web pages of runs and of sweeps share: how they are written, and the blocks that say the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError, StoreError
from sim.experiments.provenance import imputed_columns
from sim.report.html import Block, Table, Text

VERSIONS = "versions"


def written(path: str | Path, text: Callable[[], str]) -> Path:
    """Write a page.

    Parameters
    ----------
    path : str or Path
        Ends in ``.html`` or ``.htm``; a file of that name is replaced.
    text : callable
        Gives the page; called only when the place is one.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    InputError
        If the ending is another one.
    StoreError
        If the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{target.name}: a report is written as .html, got {target.suffix or 'no ending'}")
    if not target.parent.is_dir():
        raise StoreError(f"{target}: cannot write the report: no such folder")
    data = text().encode()
    try:
        target.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{target}: cannot write the report: {error.strerror}") from error
    return target


def words(name: str) -> str:
    """Return the name of a metric as a heading.

    Parameters
    ----------
    name : str
        Such as ``"system_loss"``.

    Returns
    -------
    str
        Such as ``"System loss"``.
    """
    return name.replace("_", " ").capitalize()


def imputed_rows(cells: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return what is not observed as rows of a table.

    Parameters
    ----------
    cells : iterable of mapping
        As `sim.experiments.provenance.imputed_columns` takes them.

    Returns
    -------
    list of tuple of str
        Table, column, how many rows, and how it was made.
    """
    return [
        (each["table"], each["cell"], "all" if each["rows"] == "all" else f"{each['rows']:,}", each["how"])
        for each in imputed_columns(cells)
    ]


def imputed(cells: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Return what a page says about numbers that were not observed.

    Parameters
    ----------
    cells : iterable of mapping
        As in a manifest.

    Returns
    -------
    list of block
        A sentence, and a table where there are any.
    """
    rows = imputed_rows(cells)
    if not rows:
        return [Text(["Nothing: every number of the system was given."])]
    told = "These entries of the input were not observed; another way of filling them in gives other losses."
    return [Text([told]), Table(["Table", "Column", "Rows", "How it was made"], rows, left=4, stacked=True)]


def file_of(name: str) -> str:
    """Return how a reader may call the file in which they keep a scenario.

    Parameters
    ----------
    name : str
        Of the scenario; any text.

    Returns
    -------
    str
        A word for a shell that ends in ``.yaml``.
    """
    kept = "".join(char for char in name if char.isalnum() or char in "_-")
    return quoted(f"{kept or 'scenario'}.yaml")


def quoted(text: str) -> str:
    """Return a word that a shell takes as it is, and no command takes for an option.

    Parameters
    ----------
    text : str
        Any; what cannot be printed becomes a question mark.

    Returns
    -------
    str
        In quotes where it needs them.
    """
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return shlex.quote(f"./{shown}" if shown.startswith("-") else shown)


def footer(versions: Mapping[str, str]) -> str:
    """Return the last line of a page.

    Parameters
    ----------
    versions : mapping
        Of a manifest.

    Returns
    -------
    str
        What made it, and what it does not say.
    """
    told = f"contagion-sim {versions.get('contagion-sim', '')}; the numbers say nothing about any bank today "
    return told + "unless the tables behind them do."
