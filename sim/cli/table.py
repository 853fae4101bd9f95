"""Numbers as text: the summary table and plain lists, fitted to the terminal they are shown in."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.cli.errors import clean

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


class _Column(NamedTuple):
    """A column of the summary: heading, what fills it, how soon it gives way (0: never, 1: first)."""

    heading: str
    fields: tuple[str, ...]
    gives_way: int


_COLUMNS = (
    _Column("unit", ("unit",), 0),
    _Column("mean", ("mean",), 0),
    _Column("+- s.e.", ("se",), 5),
    _Column("p50", ("p50",), 4),
    _Column("p95", ("p95",), 3),
    _Column("VaR 99 %", ("VaR99",), 0),
    _Column("[95 % interval]", ("VaR99_lo", "VaR99_hi"), 2),
    _Column("ES 99 %", ("ES99",), 0),
    _Column("[95 % interval]", ("ES99_lo", "ES99_hi"), 1),
)


def number(value: float | None) -> str:
    """Return a number as a person reads it: four digits, thousands separated, a dash when there is none.

    Parameters
    ----------
    value : float or None
        NaN counts as none.

    Returns
    -------
    str
        Text of at most 12 characters for magnitudes up to 10^9.
    """
    if value is None or math.isnan(value):
        return "-"
    if 1000.0 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def columns_of_text(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows as aligned columns.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : sequence of sequence of str
        Cells; control characters are escaped here.
    left : int
        How many leading columns are text, aligned to the left; the others are numbers.

    Returns
    -------
    str
        Lines without trailing spaces.
    """
    cells = [[clean(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headings))]
    lines = []
    for row in cells:
        padded = [
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def summary_rows(summary: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return a summary as plain values, without NaN.

    Parameters
    ----------
    summary : DataFrame
        As `Result.summary` gives it: one row a metric.

    Returns
    -------
    dict
        Metric to column to value; a number that is not finite is None.
    """
    return {str(metric): {str(name): _plain(cell) for name, cell in row.items()} for metric, row in summary.iterrows()}


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as plain values, without NaN.

    Parameters
    ----------
    table : DataFrame
        Any.

    Returns
    -------
    list of dict
        One a row: column to value; a number that is not finite is None.
    """
    return [{str(name): _plain(cell) for name, cell in row.items()} for row in table.to_dict("records")]


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as comma-separated values.

    Parameters
    ----------
    table : DataFrame
        Any.

    Returns
    -------
    str
        A heading and one line a row, numbers in full; empty where there is none.
    """
    return table.to_csv(index=False).rstrip("\n")


def summary_text(summary: Mapping[str, Row], width: int | None = None) -> str:
    """Return the summary table.

    Parameters
    ----------
    summary : mapping
        Metric to column to value, from `summary_rows`.
    width : int, optional
        Characters to fit into; the terminal's where stdout is one, else no limit.

    Returns
    -------
    str
        Intervals, then the median, give way first where there is little room; metrics never do.
    """
    limit = terminal_width() if width is None else width
    columns = list(_COLUMNS)
    text = _summary(summary, columns)
    while limit and max(map(len, text.splitlines())) > limit and any(column.gives_way for column in columns):
        columns.remove(min((column for column in columns if column.gives_way), key=lambda column: column.gives_way))
        text = _summary(summary, columns)
    return text


def networks_text(summary: Mapping[str, Row]) -> str:
    """Return how much of the spread of each metric lies within a network and how much between networks.

    Parameters
    ----------
    summary : mapping
        Metric to column to value, from `summary_rows`, of draws spread over several networks.

    Returns
    -------
    str
        Standard deviations, and the share of the variance between networks; empty where there is one network.
    """
    split = {metric: row for metric, row in summary.items() if row.get("networks")}
    if not split:
        return ""
    rows = []
    for metric, row in split.items():
        share = row.get("share_between")
        told = [_deviation(row.get("var_within")), _deviation(row.get("var_between"))]
        told.append("-" if share is None else f"{100.0 * share:.1f} %")
        rows.append([metric, str(row.get("unit") or ""), *told])
    headings = ["metric", "unit", "s.d. within networks", "s.d. between networks", "of variance between"]
    return columns_of_text(headings, rows, left=2)


def _deviation(variance: float | None) -> str:
    """A standard deviation from an estimate of its square, which may be below zero by chance."""
    return number(None if variance is None else math.sqrt(max(0.0, variance)))


def terminal_width() -> int:
    """Return the width of the terminal that stdout is, 0 where it is none.

    Returns
    -------
    int
        Characters.
    """
    if sys.stdout is None or not sys.stdout.isatty():
        return 0
    return shutil.get_terminal_size().columns


def _summary(summary: Mapping[str, Row], columns: Sequence[_Column]) -> str:
    rows = [[metric, *(_cell(row, column) for column in columns)] for metric, row in summary.items()]
    return columns_of_text(["metric", *(column.heading for column in columns)], rows, left=2)


def _cell(row: Row, column: _Column) -> str:
    if column.fields == ("unit",):
        return str(row.get("unit") or "")
    found = [number(row.get(field)) for field in column.fields]
    return found[0] if len(found) == 1 else "-" if "-" in found else f"[{', '.join(found)}]"


def _plain(cell: Any) -> Any:
    """Return a cell as JSON has it."""
    if hasattr(cell, "item"):  # a numpy scalar
        cell = cell.item()
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
