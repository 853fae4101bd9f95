"""Tables of a sweep for its web page: the design, and what came out at every point with its intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.errors import UnknownNameError
from sim.experiments.card import scaled, told_number
from sim.experiments.page_parts import words
from sim.experiments.swept import DONE, Sweep
from sim.report.html import Block, Fold, Table, Text

MOST_ROWS = 200
"""Rows of a table before the rest is counted."""


def at(sweep: Sweep, run: int) -> str:
    """Return where a run stands in the design, in words.

    Parameters
    ----------
    sweep : Sweep
        Any.
    run : int
        Its number.

    Returns
    -------
    str
        Policy and keys.
    """
    row = sweep.facts["rows"][run]
    told = [row["policy"]] if sweep.policies else []
    return ", ".join([*told, *(f"{key} {_value(row['values'].get(key))}" for key in sweep.keys)])


def _value(value: Any) -> str:
    """A value of a key as a reader would say it."""
    from sim.scenario.starter import value as written_out

    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else written_out(value)


def _one_unit(rows: Sequence[Mapping[Any, Any]]) -> tuple[float, str]:
    """One unit for a whole column, chosen by its largest row: factor, and the unit after it."""
    largest = max(rows, key=lambda row: abs(float(row["mean"])) if row["mean"] == row["mean"] else -1.0)
    return scaled({str(key): value for key, value in largest.items()})


def design(sweep: Sweep) -> list[Block]:
    """Return what a page says of the design: the keys with their values, the policies with their changes.

    Parameters
    ----------
    sweep : Sweep
        Any.

    Returns
    -------
    list of block
        A sentence and up to two tables.
    """
    told = f"{sweep.told[:1].upper()}{sweep.told[1:]}. Every run has the same luck, draw by draw: "
    blocks: list[Block] = [Text([told + "runs differ by what is written here, and not by chance."])]
    said = _scenario(sweep)
    rows = []
    for key, axis in sweep.facts["axes"].items():
        told = ", ".join(dict.fromkeys(map(_value, axis))) if isinstance(axis, list) else _law(axis)
        rows.append([f"{key}\n{_meaning(key, said)}", told, _value(_own(said, key))])
    if rows:
        blocks.append(Table(["Key", "Values", "In the scenario"], rows, left=3, stacked=True))
    changes = [
        [name, ", ".join(f"{key}: {_value(value)}" for key, value in changed.items()) or "none: the scenario as it is"]
        for name, changed in sweep.facts["changes"].items()
    ]
    if changes:
        blocks.append(Table(["Policy", "Changes"], changes, left=2, stacked=True))
    return blocks


def _law(axis: Mapping[str, Mapping[str, Any]]) -> str:
    """A distribution as a reader would say it."""
    ((name, said),) = axis.items()
    return f"{name}, {', '.join(f'{key} {_value(each)}' for key, each in said.items())}"


def _scenario(sweep: Sweep) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(sweep.scenario_yaml) or {}


def _own(said: Any, key: str) -> Any:
    for part in key.split("."):
        if isinstance(said, list) and part.isdigit() and int(part) < len(said):
            said = said[int(part)]
        else:
            said = said.get(part) if isinstance(said, Mapping) else None
    return said


def _meaning(key: str, said: Any) -> str:
    """What a key is, as its field says."""
    from sim.scenario.json_schema import scenario_schema
    from sim.scenario.keys import key_of, lookup

    parts = key.split(".")
    kind = _own(said, f"shocks.{parts[1]}.kind") if parts[0] == "shocks" and len(parts) > 1 else None
    path = [parts[0], *([str(kind)] if kind else parts[1:2]), *parts[2:]]
    schema = scenario_schema()
    try:
        return key_of(key, lookup(schema, path), schema["$defs"]).meaning
    except UnknownNameError:
        return ""


def results(sweep: Sweep, main: str) -> list[Block]:
    """Return the tables of what came out: the first metric's, and one of each other on demand.

    Parameters
    ----------
    sweep : Sweep
        Any.
    main : str
        The first metric; empty where nothing came out.

    Returns
    -------
    list of block
        Values with their intervals, run by run.
    """
    if not main:
        return [Text(["Nothing came out of any run."])]
    others = [name for name in sweep.info if name != main]
    blocks = [*_metric(sweep, main)]
    return [*blocks, *(Fold(f"{words(name)}: {sweep.info[name][1]}", list(_metric(sweep, name))) for name in others)]


def _metric(sweep: Sweep, name: str) -> Iterator[Text | Table]:
    """Every run with what came out of it and how sure that is."""
    records = sweep.summary(name).to_dict("records")
    factor, unit = _one_unit(records)
    places = [*(["policy"] if sweep.policies else []), *sweep.keys]
    headings = [
        "Run",
        *(["Policy"] if sweep.policies else []),
        *sweep.keys,
        "Mean",
        "Median",
        "95 % quantile",
        "VaR 99 %",
        "ES 99 %",
    ]
    rows = []
    for k, row in enumerate(records):
        at = [_value(row[place]) for place in places]
        mean = _with(row["mean"] * factor, f"± {told_number(row['se'] * factor)} s.e.", row["se"])
        ends = [_ranged(row, column, factor) for column in ("p50", "p95", "VaR99", "ES99")]
        rows.append([f"run {k}", *at, *([mean, *ends] if row["status"] == DONE else ["–"] * 5)])
    told = f"{sweep.info[name][1] or words(name)}, {unit or 'a number'}. "
    told += (
        "Below a mean its standard error, below other values their 95 % interval where the draws are enough for one."
    )
    yield Text([told], quiet=True)
    yield cut(headings, rows, left=1 + len(places))
    if len(rows) > MOST_ROWS:
        yield Text([f"and {len(rows) - MOST_ROWS:,} more runs; sim show --json prints all"], quiet=True)


def cut(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Table:
    """Return a table of the first rows.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : sequence of sequence of str
        Any number.
    left : int
        How many leading columns are text.

    Returns
    -------
    Table
        At most `MOST_ROWS` rows, below each other on a narrow page.
    """
    return Table(headings, rows[:MOST_ROWS], left=left, stacked=True)


def _with(value: float, below: str, known: float) -> str:
    return told_number(value) + (f"\n{below}" if known == known else "")  # noqa: PLR0124 - NaN


def _ranged(row: Mapping[Any, Any], name: str, factor: float) -> str:
    low, high = (float(row.get(f"{name}_{end}", float("nan"))) for end in ("lo", "hi"))
    return _with(row[name] * factor, f"[{told_number(low * factor)}, {told_number(high * factor)}]", low + high)
