"""The tables of a system folder, each checked in itself and against the others."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from sim.errors import SHOWN, InputError, Problem
from sim.networks.columns import ASSETS, BANKS, EXPOSURES, HOLDINGS, RULES
from sim.networks.files import meant, quoted
from sim.networks.table import MOST_PROBLEMS, ColumnRule, Table, in_order, read_table, scan_table

__all__ = [
    "ColumnRule",
    "Table",
    "read_agents",
    "read_assets",
    "read_banks",
    "read_exposures",
    "read_holdings",
    "read_table",
]


def read_banks(path: Path) -> Table:
    """Read the balance sheets.

    Parameters
    ----------
    path : Path
        ``banks.csv`` or ``banks.parquet``; columns as in `BANKS`.

    Returns
    -------
    Table
        One row a bank.

    Raises
    ------
    InputError
        Every problem found; also no banks, and ids that differ only in case or Unicode form.
    """
    table, problems = scan_table(path, BANKS)
    if not table.n_rows and not problems:
        problems.append(Problem("no banks", table.path))
    return _accepted(table, chain(problems, _lookalikes(table, "id")))


def read_agents(path: Path, kind: str) -> Table:
    """Read the agents of one type.

    Parameters
    ----------
    path : Path
        Such as ``tech_firms.csv`` or ``.parquet``; columns as in `sim.networks.columns`.
    kind : {"banks", "tech_firms", "platforms", "funds"}
        Which type.

    Returns
    -------
    Table
        One row an agent.

    Raises
    ------
    InputError
        Every problem found; also ids that differ only in case or Unicode form.
    """
    if kind == "banks":
        return read_banks(path)
    table, problems = scan_table(path, RULES[kind])
    return _accepted(table, chain(problems, _lookalikes(table, "id")))


def read_exposures(path: Path, ids: Sequence[str], ids_name: str = "banks.csv") -> Table:
    """Read who has a claim on whom.

    Parameters
    ----------
    path : Path
        ``exposures.csv`` or ``.parquet``; columns as in `EXPOSURES`.
    ids : sequence of str
        Known agents.
    ids_name : str
        Table the ids come from, for messages.

    Returns
    -------
    Table
        One row an edge; rows of amount 0 are left out.

    Raises
    ------
    InputError
        Every problem found; also unknown ids, self-exposures and edges given twice in one layer.
    """
    table, problems = scan_table(path, EXPOSURES)
    creditors, debtors = table.text("creditor"), table.text("debtor")
    own = (
        Problem(f"creditor and debtor are both {quoted(creditor)}", table.path, line, "debtor")
        for line, creditor, debtor in zip(table.lines, creditors, debtors, strict=True)
        if creditor and creditor == debtor
    )
    unknown = chain(_unknown(table, "creditor", ids, ids_name), _unknown(table, "debtor", ids, ids_name))
    repeated = _repeated(table, [creditors, debtors, table.text("layer")], " -> ")
    return _accepted(table, chain(problems, unknown, own, repeated), "no positive exposure")


def read_holdings(
    path: Path, ids: Sequence[str], assets: Sequence[str], ids_name: str = "banks.csv", assets_name: str = "assets.csv"
) -> Table:
    """Read who holds how much of which asset.

    Parameters
    ----------
    path : Path
        ``holdings.csv`` or ``.parquet``; columns as in `HOLDINGS`.
    ids, assets : sequence of str
        Known agents and assets.
    ids_name, assets_name : str
        Tables they come from, for messages.

    Returns
    -------
    Table
        One row a holding; rows of amount 0 are left out.

    Raises
    ------
    InputError
        Every problem found; also unknown agents or assets and holdings given twice.
    """
    table, problems = scan_table(path, HOLDINGS)
    unknown = chain(_unknown(table, "agent", ids, ids_name), _unknown(table, "asset", assets, assets_name))
    repeated = _repeated(table, [table.text("agent"), table.text("asset")], " holds ")
    return _accepted(table, chain(problems, unknown, repeated), "no positive holding")


def read_assets(path: Path) -> Table:
    """Read the markets.

    Parameters
    ----------
    path : Path
        ``assets.csv`` or ``.parquet``; columns as in `ASSETS`.

    Returns
    -------
    Table
        One row an asset.

    Raises
    ------
    InputError
        Every problem found; also a depth of 0.
    """
    table, problems = scan_table(path, ASSETS)
    # An amount may be 0, a depth may not.
    flat = table.given("depth") & ~(table.numbers("depth") > 0.0)
    for row in np.flatnonzero(flat).tolist():
        message = "depth 0 must be above 0: it is the sales that take the whole price"
        problems.append(Problem(message, table.path, table.lines[row], "depth"))
    return _accepted(table, chain(problems, _lookalikes(table, "asset")))


def _accepted(table: Table, problems: Iterable[Problem], nothing: str = "") -> Table:
    """Raise if there are problems; with `nothing`, leave rows of amount 0 out and warn when none is left."""
    if found := list(islice(problems, MOST_PROBLEMS)):
        raise InputError(in_order(found))
    if not nothing:
        return table
    kept = table.keep(table.numbers("amount") > 0.0)
    if table.n_rows and not kept.n_rows:
        kept.warnings.append(Problem(f"{nothing}: every amount is 0", table.path))
    return kept


def _unknown(table: Table, column: str, known: Sequence[str], known_name: str) -> Iterator[Problem]:
    """Find references to something that is not there."""
    names, hints = frozenset(known), dict[str, str]()
    for line, cell in zip(table.lines, table.text(column), strict=True):
        # Spaces around a name are reported as such already.
        if cell and cell not in names and cell == cell.strip():
            # Looking for the nearest name is slow, and only the first problems are shown.
            if cell not in hints and len(hints) < SHOWN:
                hints[cell] = meant(cell, names)
            message = f"{column} {quoted(cell)} is not in {known_name}{hints.get(cell, '')}"
            yield Problem(message, table.path, line, column)


def _repeated(table: Table, keys: Sequence[Sequence[str]], joint: str) -> Iterator[Problem]:
    """Find rows with the same key."""
    first: dict[tuple[str, ...], int] = {}
    for line, row in zip(table.lines, zip(*keys, strict=True), strict=True):
        if row[0] and row[1] and first.setdefault(row, line) != line:
            edge = f"{_plain(row[0])}{joint}{_plain(row[1])}"
            layer = f" in layer {quoted(row[2])}" if len(row) > 2 and row[2] else ""
            message = f"{edge} given twice{layer} (line {first[row]}); add the amounts up in one row"
            yield Problem(message, table.path, line)


def _plain(name: str) -> str:
    return quoted(name)[1:-1]


def _lookalikes(table: Table, column: str) -> Iterator[Problem]:
    """Find names that a reader would take for the same."""
    first: dict[str, tuple[str, int]] = {}
    for line, name in zip(table.lines, table.text(column), strict=True):
        composed = unicodedata.normalize("NFC", name)
        other, at = first.setdefault(composed.casefold(), (name, line))
        if other == name or not name:
            continue
        if unicodedata.normalize("NFC", other) == composed:
            message = f"{column}s differ only in Unicode normalisation: {other!a} (line {at}) and {name!a}"
        else:
            message = f"{column}s {quoted(other)} (line {at}) and {quoted(name)} differ only in case; rename one"
        yield Problem(message, table.path, line, column)
