"""Read a CSV or Parquet table strictly: every problem at once, with its line; nothing is guessed or repaired."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sim.arrays import Bool, Float
from sim.errors import InputError, Problem
from sim.networks.cells import ColumnRule, identifier, number
from sim.networks.files import label, meant, quoted, read_bytes
from sim.networks.records import MAX_BYTES, MAX_COLUMNS, Records, text_of

__all__ = ["ColumnRule", "Table", "read_table", "scan_table"]

#: Collecting stops here; whoever has repaired so many runs the check again.
MOST_PROBLEMS = 10_000
_MOST_ROWS = 50_000_000


@dataclass(frozen=True)
class Table:
    """A table as read: columns by name, in the order of its rows.

    Parameters
    ----------
    path : str
        How the file is called in messages.
    columns : dict of str to list of str or float64[n_rows]
        The columns found in the file; a missing number is 0 and a missing text is empty.
    present : dict of str to bool[n_rows]
        For every numeric column, which cells are given.
    lines : list of int
        Line of the file each row starts on (in Parquet: the row, counted from 1).
    warnings : list of Problem
        What was accepted but may not be meant.
    digest : str
        SHA-256 of the file, hexadecimal.
    """

    path: str
    columns: dict[str, list[str] | Float]
    present: dict[str, Bool] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    digest: str = ""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def text(self, name: str) -> list[str]:
        """Return a text column.

        Parameters
        ----------
        name : str
            Column.

        Returns
        -------
        list of str
            One a row; empty texts when the file has no such column.
        """
        cells = self.columns.get(name, [])
        return cells if isinstance(cells, list) and cells else [""] * self.n_rows

    def numbers(self, name: str) -> Float:
        """Return a numeric column.

        Parameters
        ----------
        name : str
            Column.

        Returns
        -------
        float64[n_rows]
            Zero where nothing is given.
        """
        cells = self.columns.get(name)
        return cells if isinstance(cells, np.ndarray) else np.zeros(self.n_rows)

    def given(self, name: str) -> Bool:
        """Return where a numeric column has a value.

        Parameters
        ----------
        name : str
            Column.

        Returns
        -------
        bool[n_rows]
            False everywhere when the file has no such column.
        """
        return self.present.get(name, np.zeros(self.n_rows, dtype=np.bool_))

    def cells(self) -> dict[str, list[object]]:
        """Return all columns as plain Python values.

        Returns
        -------
        dict of str to list
            Text and floats; None where a cell is empty.
        """
        out: dict[str, list[object]] = {}
        for name, column in self.columns.items():
            if isinstance(column, list):
                out[name] = [cell or None for cell in column]
            else:
                given = self.present[name].tolist()
                out[name] = [cell if told else None for cell, told in zip(column.tolist(), given, strict=True)]
        return out

    def keep(self, rows: Bool) -> Table:
        """Return the table with some rows only.

        Parameters
        ----------
        rows : bool[n_rows]
            Which rows to keep.

        Returns
        -------
        Table
            A copy.
        """
        kept = np.flatnonzero(rows).tolist()
        columns: dict[str, list[str] | Float] = {
            name: [column[row] for row in kept] if isinstance(column, list) else column[kept]
            for name, column in self.columns.items()
        }
        present = {name: mask[kept] for name, mask in self.present.items()}
        return Table(self.path, columns, present, [self.lines[row] for row in kept], self.warnings, self.digest)


def read_table(path: Path, columns: Mapping[str, ColumnRule]) -> Table:
    """Read a table and refuse it if anything is wrong.

    Parameters
    ----------
    path : Path
        A CSV file (``.gz`` allowed), or a Parquet file when its name ends in ``.parquet``.
    columns : mapping of str to ColumnRule
        What the columns may hold. Other columns are ignored with a warning.

    Returns
    -------
    Table
        The columns of the file that have a rule.

    Raises
    ------
    InputError
        Every problem found, as ``path:line: what, got, allowed, nearest fix``.
    """
    table, problems = scan_table(path, columns)
    if problems:
        raise InputError(in_order(problems))
    return table


def scan_table(path: Path, columns: Mapping[str, ColumnRule]) -> tuple[Table, list[Problem]]:
    """Read a table as far as it can be read.

    Parameters
    ----------
    path : Path
        As in `read_table`.
    columns : mapping of str to ColumnRule
        As in `read_table`.

    Returns
    -------
    tuple of Table and list of Problem
        Rows with the right number of fields, bad cells empty; and every problem found.

    Raises
    ------
    InputError
        The file cannot be read as a table at all.
    """
    name = label(path)
    data = read_bytes(path, MAX_BYTES, "table")
    problems: list[Problem] = []
    ends_well = True
    if path.suffix.lower() == ".parquet":
        from sim.networks.parquet import parquet_records

        rows: Iterable[tuple[int, list[str]]] = parquet_records(path, name)
    else:
        rows = Records(text_of(data, name), name, problems)
        ends_well = rows.ends_with_newline
    digest = hashlib.sha256(data).hexdigest()
    del data
    found = iter(rows)
    line, header = next(found, (0, []))
    if header and problems:
        raise InputError(in_order(problems))
    if not header:
        expected = ",".join(each for each, rule in columns.items() if rule.required)
        raise InputError([*problems, Problem(f"file is empty; expected a header {expected}", name)])
    table = Table(name, {}, digest=digest)
    check = _Check(table, columns, problems)
    picks = check.header(header, line or None)
    texts = check.rows(found, picks, len(header), ends_well)
    for column, cells in texts.items():
        check.column(column, cells)
    return table, problems


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Return problems in the order of the file.

    Parameters
    ----------
    problems : sequence of Problem
        All of one file.

    Returns
    -------
    list of Problem
        By line; those of the whole file first.
    """
    return sorted(problems, key=lambda problem: problem.line or 0)


class _Check:
    """The checks of one table; fills `table` and `problems`."""

    def __init__(self, table: Table, rules: Mapping[str, ColumnRule], problems: list[Problem]) -> None:
        self.table, self.rules, self.problems = table, rules, problems

    def complain(self, message: str, line: int | None, key: str = "") -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(message, self.table.path, line, key))

    def header(self, header: list[str], line: int | None) -> dict[str, int]:
        """Check the names of the columns; return where the known ones are."""
        if len(header) > MAX_COLUMNS:
            raise InputError([Problem(_too_many(len(header)), self.table.path, line)])
        if len(header) == 1:
            self._check_separator(header[0], line)
        picks: dict[str, int] = {}
        seen: set[str] = set()
        for position, name in enumerate(header):
            if not name.strip():
                self.complain(f"column {position + 1} has no name", line)
            elif name in seen:
                self.complain(f"column {quoted(name)} appears twice", line, name)
            elif name in self.rules:
                picks[name] = position
            else:
                free = [each for each in self.rules if each not in header]
                message = f"column {quoted(name)} is ignored{meant(name.strip().lower(), free)}"
                self.table.warnings.append(Problem(message, self.table.path, line, name))
            seen.add(name)
        unknown = {name.strip().lower(): name for name in header if name not in self.rules}
        for name, rule in self.rules.items():
            if rule.required and name not in seen:
                written = f"; rename {quoted(unknown[name])}" if name in unknown else meant(name, list(unknown))
                self.complain(f"missing column {quoted(name)}{written}", line, name)
        return picks

    def _check_separator(self, name: str, line: int | None) -> None:
        for mark, called in ((";", '";"'), ("\t", "a tab"), ("|", '"|"')):
            if mark in name:
                message = f"one column {quoted(name)}; the separator looks like {called} (save it with commas)"
                raise InputError([*self.problems, Problem(message, self.table.path, line)])

    def rows(
        self, found: Iterator[tuple[int, list[str]]], picks: Mapping[str, int], width: int, ends_well: bool
    ) -> dict[str, list[str]]:
        """Take the fields of the known columns; a row of another width is a problem and is left out."""
        texts: dict[str, list[str]] = {name: [] for name in picks}
        takers = [(texts[name].append, position, self.rules[name].is_numeric) for name, position in picks.items()]
        # One object a distinct text: ids repeat in every edge.
        once: dict[str, str] = {}
        short: Problem | None = None
        for line, fields in found:
            short = None
            if len(fields) != width:
                self.complain(f"{len(fields)} field{'s' * (len(fields) != 1)}, expected {width}", line)
                short = self.problems[-1]
                continue
            self.table.lines.append(line)
            for take, position, is_numeric in takers:
                cell = fields[position]
                take(cell if is_numeric else once.setdefault(cell, cell))
            if len(self.table.lines) > _MOST_ROWS:
                raise InputError([Problem(f"more than {_MOST_ROWS:,} rows", self.table.path, line)])
        if short is not None and not ends_well and self.problems[-1] is short:
            self.problems[-1] = Problem(f"{short.message} (the file may be cut off)", short.path, short.line)
        return texts

    def column(self, name: str, cells: list[str]) -> None:
        """Check and convert one column."""
        rule = self.rules[name]
        if rule.is_numeric:
            self._numeric(name, cells, rule)
            return
        self.table.columns[name] = cells
        fine: set[str] = set()
        for cell, line in zip(cells, self.table.lines, strict=True):
            if cell in fine:
                continue
            if not cell:
                message = f"{name} is empty" if rule.required else ""
            elif rule.kind == "id":
                message = identifier(cell, name)
            elif rule.kind == "names":
                message = self._unknown_columns(cell, name)
            else:
                message = ""
            if message:
                self.complain(message, line, name)
            else:
                fine.add(cell)
        if rule.unique:
            self._unique(name, cells)

    def _unknown_columns(self, cell: str, name: str) -> str:
        """Return what is wrong with a cell that names columns, or an empty text."""
        unknown = [word for word in cell.split() if word not in self.rules]
        if not unknown:
            return ""
        message = f"{name} names {quoted(unknown[0])}, which is no column of this table"
        return message + meant(unknown[0], list(self.rules))

    def _numeric(self, name: str, cells: list[str], rule: ColumnRule) -> None:
        values, present = np.zeros(len(cells)), np.zeros(len(cells), dtype=np.bool_)
        self.table.columns[name], self.table.present[name] = values, present
        for row, cell in enumerate(cells):
            written = cell.strip(" ")
            if written:
                value = number(written, name, rule)
                if isinstance(value, float):
                    values[row], present[row] = value, True
                else:
                    self.complain(value, self.table.lines[row], name)
            elif rule.required:
                self.complain(f"{name} is empty", self.table.lines[row], name)

    def _unique(self, name: str, cells: list[str]) -> None:
        first: dict[str, int] = {}
        for cell, line in zip(cells, self.table.lines, strict=True):
            if cell and first.setdefault(cell, line) != line:
                self.complain(f"{name} {quoted(cell)} given twice (line {first[cell]})", line, name)


def _too_many(count: int) -> str:
    return f"{count:,} columns is over the limit of {MAX_COLUMNS:,}"
