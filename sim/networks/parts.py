"""Tables on their way to a system: cells as numbers, whom a row is about, and everything that is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import SHOWN, Problem, nearest, shown
from sim.networks.columns import RULES
from sim.state import AGENTS

Rows = Mapping[str, Sequence[Any]]

CLOSES = 1e-6
"""Largest gap between two statements of one amount, as a share of it."""

SINGULAR = {"banks": "bank", "tech_firms": "tech firm", "platforms": "platform", "funds": "fund"}
"""How messages call an agent of each type."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "exposures": ("creditor", "->", "debtor"),
    "holdings": ("agent", "holds", "asset"),
    "services": ("user", "uses", "provider"),
    "pools": ("funder", "in the pool of", "platform"),
    "payments": ("payer", "->", "payee"),
    "distribution": ("bank", "through", "platform"),
    "assets": ("asset",),
}
"""How messages call a row: columns, and the word between them."""


@dataclass
class Parts:
    """What is being put together; `where` gives path and line of a table's row.

    Parameters
    ----------
    tables : dict of str to Rows
        ``banks``, and optionally the others of `sim.networks.columns.RULES`; missing cells are None.
    where : dict of str to tuple of (list of str, list of int)
        Path and line number of each row of a table that came from files.
    generated : dict of str to str
        Tables that nobody observed, and how they were made.
    """

    tables: Mapping[str, Rows]
    where: Mapping[str, tuple[Sequence[str], Sequence[int]]]
    generated: Mapping[str, str] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    """All agents in row order, sectors last."""
    types: dict[str, slice] = field(default_factory=dict)
    """Rows of each type."""
    rows: dict[str, int] = field(default_factory=dict)
    """Row of each agent that is no sector."""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    imputed: list[dict[str, str]] = field(default_factory=list)

    def say(self, table: str, row: int, message: str, *, warn: bool = False) -> None:
        """Note a problem, or a warning, of one row.

        Parameters
        ----------
        table : str
            Table.
        row : int
            Row in it.
        message : str
            What is wrong.
        warn : bool
            Whether it can still be used.
        """
        paths, lines = self.where.get(table, ([], []))
        path, line = (paths[row], lines[row]) if row < len(lines) else ("", None)
        (self.warnings if warn else self.problems).append(Problem(message, path, line, table))

    def impute(self, table: str, row: str, cell: str, how: str) -> None:
        """Note what was not observed.

        Parameters
        ----------
        table, row, cell : str
            What.
        how : str
            How it was filled in.
        """
        self.imputed.append({"table": table, "row": row, "cell": cell, "how": how})

    def count(self, table: str) -> int:
        """Return the number of rows of a table.

        Parameters
        ----------
        table : str
            Which; it may be missing.

        Returns
        -------
        int
            0 where there is no such table.
        """
        return max((len(cells) for cells in self.tables.get(table, {}).values()), default=0)

    def who(self, table: str, row: int) -> str:
        """Return how messages call what a row is about.

        Parameters
        ----------
        table : str
            Table.
        row : int
            Row in it.

        Returns
        -------
        str
            Such as ``"bank B01"``, ``"B01 -> B02"``.
        """
        cells = self.tables[table]
        if table in SINGULAR:
            return f"{SINGULAR[table]} {cells['id'][row]}"
        return " ".join(str(cells[word][row]) if word in cells else word for word in _WORDS[table])

    def texts(self, table: str, column: str) -> list[str]:
        """Return a column of names.

        Parameters
        ----------
        table, column : str
            Which.

        Returns
        -------
        list of str
            Empty text where nothing is given.
        """
        cells = self.tables.get(table, {}).get(column)
        return [""] * self.count(table) if cells is None else ["" if cell is None else str(cell) for cell in cells]

    def amounts(self, table: str, column: str) -> tuple[Float, Bool]:
        """Return a numeric column and where it is given.

        Parameters
        ----------
        table, column : str
            Which.

        Returns
        -------
        tuple of float64[n] and bool[n]
            Zero where nothing is given; what is no number, or out of the column's range, is a problem.
        """
        n = self.count(table)
        cells = self.tables.get(table, {}).get(column, [None] * n)
        given = np.array([cell is not None for cell in cells], dtype=np.bool_)
        values = np.zeros(n)
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            try:
                values[row] = float(cell)
            except (TypeError, ValueError):
                self.say(table, row, f"{self.who(table, row)}: {column} {shown(cell)} is not a number")
                continue
            if not math.isfinite(values[row]):
                self.say(table, row, f"{self.who(table, row)}: {column} must be finite, got {values[row]}")
                values[row] = 0.0
        rule = RULES[table][column]
        if rule.kind == "amount" and column != "total_assets":
            for row in where(values < 0.0):
                self.say(table, row, f"{self.who(table, row)}: {column} {values[row]:g} is negative")
        if rule.kind == "share":
            for row in where(~((values >= 0.0) & (values <= 1.0))):
                self.say(table, row, f"{self.who(table, row)}: {column} = {values[row]:g} must be in [0, 1]")
        return values, given

    def agents(self, table: str, column: str, kinds: Sequence[str], of: Bool | None = None) -> Int:
        """Return the rows of agents that a column names.

        Parameters
        ----------
        table, column : str
            Which.
        kinds : sequence of str
            Types of agents that may stand there.
        of : bool[n], optional
            Rows looked at; by default all.

        Returns
        -------
        int64[n]
            Row in the system; -1, and a problem, where there is no such agent or it is of another type. Only rows `of`.
        """
        allowed = [range(self.types[kind].start, self.types[kind].stop) for kind in kinds]
        names = self.texts(table, column)
        found = np.array([self.rows.get(name, -1) for name in names], dtype=np.int64)
        fits = np.zeros(found.size, dtype=np.bool_)
        for rows in allowed:
            fits |= (found >= rows.start) & (found < rows.stop)
        known = [self.ids[k] for rows in allowed for k in rows]
        words = " or ".join(_plural(kind) for kind in kinds if self.types[kind].stop > self.types[kind].start)
        if set(kinds) >= set(AGENTS):
            words = "agents" if len(self.rows) > self.types["banks"].stop else "banks"
        fits |= False if of is None else ~of
        for row in where(~fits):
            # looking for the nearest name is slow, and only the first problems are shown
            hint = nearest(names[row], known) if len(self.problems) < SHOWN else ""
            if found[row] >= 0:
                hint = f"; it is a {SINGULAR[self.kind_of(int(found[row]))]}"
            said = f"{column} {shown(names[row])} is not among the {words or _plural(kinds[0])}{hint}"
            self.say(table, row, said)
        found[~fits] = -1
        return found if of is None else found[of]

    def kind_of(self, row: int) -> str:
        """Return the type of an agent.

        Parameters
        ----------
        row : int
            In the system.

        Returns
        -------
        str
            One of the types of agents.
        """
        return next(kind for kind in AGENTS if self.types[kind].start <= row < self.types[kind].stop)

    def once(self, table: str, *keys: Sequence[Any]) -> None:
        """Note rows that have the same key as one before them.

        Parameters
        ----------
        table : str
            Which.
        *keys : sequence
            Columns that make up the key.
        """
        first: dict[tuple[Any, ...], int] = {}
        for row, key in enumerate(zip(*keys, strict=True)):
            if first.setdefault(key, row) != row:
                self.say(table, row, f"{self.who(table, row)} given twice (row {first[key] + 1})")


def where(mask: Any) -> list[int]:
    """Return the positions at which something holds.

    Parameters
    ----------
    mask : bool[n]
        Any condition.

    Returns
    -------
    list of int
        Ascending.
    """
    return [int(row) for row in np.flatnonzero(mask)]


def _plural(kind: str) -> str:
    return kind.replace("_", " ")
