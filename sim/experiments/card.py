"""A result as a notebook shows it, and its summary as text that people read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sim.report.cards import card as drawn
from sim.report.cards import table
from sim.report.text import number, scale

if TYPE_CHECKING:
    from sim.experiments.result import Result

SPLIT = ("Metric", "Unit", "S.d. within networks", "S.d. between networks", "Of variance between")
"""Headings of `networks_rows`."""

Row = Mapping[str, Any]
"""The summary of one metric: its unit and its numbers."""


def rows_of(result: Result) -> dict[str, dict[str, Any]]:
    """Return the summary of a result as plain rows.

    Parameters
    ----------
    result : Result
        Any.

    Returns
    -------
    dict of str to dict
        By metric.
    """
    table = result.summary()
    return {str(name): {str(key): row[key] for key in table.columns} for name, row in table.iterrows()}


def scaled(row: Row) -> tuple[float, str]:
    """Return how a row's numbers are shown: in a unit that can be read; counts and shares stay as they are.

    Parameters
    ----------
    row : mapping
        Of a summary.

    Returns
    -------
    tuple of float and str
        Factor, and the unit after it; empty for a pure number.
    """
    unit = str(row["unit"])
    if unit in ("1", ""):
        return 1.0, ""
    sizes = [abs(float(row[name])) for name in ("mean", "p50", "VaR99", "ES99")]
    found = scale(unit, max(filter(math.isfinite, sizes), default=0.0))
    return found.factor, found.unit


def told_number(value: float) -> str:
    """Return a number as text: three digits, whole ones without decimals, a dash where there is none.

    Parameters
    ----------
    value : float
        Any.

    Returns
    -------
    str
        Such as ``"1,310"``, ``"0.042"``, ``"6"``.
    """
    if not math.isfinite(value):
        return "–"
    return number(value, 0) if value == round(value) else number(value)


def networks_rows(rows: Mapping[str, Row]) -> list[list[str]]:
    """Return how much of the spread of each metric lies within a network and how much between networks.

    Parameters
    ----------
    rows : mapping of str to Row
        By metric, of draws spread over several networks.

    Returns
    -------
    list of list of str
        Rows under `SPLIT`; none where there is one network.
    """
    found = []
    for name, row in rows.items():
        if "networks" in row:
            factor, unit = scaled(row)
            deviations = [math.sqrt(max(0.0, float(row[key]))) * factor for key in ("var_within", "var_between")]
            share = told_number(round(100.0 * float(row["share_between"]), 1))
            found.append([name, unit or "1", *map(told_number, deviations), f"{share} %"])
    return found


def card(result: Result) -> str:
    """Return a result as a notebook shows it.

    Parameters
    ----------
    result : Result
        Any.

    Returns
    -------
    str
        HTML, everything escaped.
    """
    rows, summary = [], rows_of(result)
    for name, row in summary.items():
        factor, unit = scaled(row)
        shown = (float(row[each]) * factor for each in ("mean", "se", "p50", "p95", "VaR99", "ES99"))
        rows.append([name, unit or "1", *map(told_number, shown)])
    headings = ["metric", "unit", "mean", "± s.e.", "median", "95 %", "VaR 99 %", "ES 99 %"]
    bad = {status: n for status in ("failed", "not-certified") if (n := result.count(status))}
    facts = {"draws": f"{result.draws:,}" + "".join(f", {n:,} {status}" for status, n in bad.items())}
    facts |= {"seed": str(result.seed), "answer": result.answer_sha256[:12]}
    facts |= {"folder": result.folder.name} if result.folder is not None else {}
    tables = [table(headings, rows, left=2)]
    if split := networks_rows(summary):
        facts["networks"] = f"{result.networks:,}"
        tables.append(table([each.lower() for each in SPLIT], split, left=2, caption="Within and between networks"))
    return drawn("Result", result.name, result.title, facts, tables, list(_notes(result)))


def _notes(result: Result) -> Iterator[str]:
    yield from map(str, result.warnings)
    yield from result.notes
    if result.imputed:
        yield f"{len(result.imputed):,} input cells were not observed but imputed"
