"""One draw as a reader follows it: step by step, the biggest losses first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.errors import emit, note
from sim.cli.table import columns_of_text, number

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result

LINES = 8
"""Agents shown of those that lose in one phase through one channel; the rest is counted."""

NAMED = 3
"""Counterparties, and instruments, named in a line; the rest is counted."""

DUST = 1e-9
"""Share of what an agent moved in a phase below which its loss is rounding: what comes in goes out."""


def show_trace(
    folder: Path, draw: int, *, most: int = LINES, as_json: bool, inputs: str | None, allow_path: bool
) -> None:
    """Print who lost what in one draw of a result folder.

    Parameters
    ----------
    folder : Path
        Result folder.
    draw : int
        Which draw.
    most : int
        Agents shown of those that lose in one phase through one channel.
    as_json : bool
        Whether to print every line of the ledger as JSON instead.
    inputs : str or None
        Folder of the scenario's tables, if it is not where it was.
    allow_path : bool
        Whether tables may lie outside that folder.
    """
    from sim.experiments.opening import open_result
    from sim.experiments.reopen import reopen
    from sim.experiments.replayed import stored
    from sim.experiments.trace import net

    result = open_result(folder)
    scenario = None
    if inputs is not None or allow_path:
        scenario = reopen(folder, inputs=None if inputs is None else Path(inputs), allow_path=allow_path).scenario
    frame = result.trace(draw, scenario)
    metrics = {name: float(values[0, -1]) for name, values in stored(result, draw).metrics.items()}
    if as_json:
        said = {"name": result.name, "draw": draw, "unit": frame.attrs["unit"], "metrics": metrics}
        emit(json.dumps(said | {"lines": frame.to_dict("records")}, indent=1, allow_nan=False))
        return
    unit = frame.attrs["unit"] or "currency"
    emit(f"{result.title}: draw {draw}, seed {result.seed}; losses in {unit}")
    found = net(frame)
    told = [_told(group, most) for _, group in found.groupby(["step", "phase", "channel", "cause"], sort=False)]
    for text in filter(None, told) if any(told) else ["nobody lost anything"]:
        emit(f"\n{text}")
    emit("\nafter the last step")
    emit(_indented(columns_of_text(["metric", "value", "unit"], _rows(result, metrics))))
    note("what changes hands at its worth is left out; --json has every line of the ledger")


def _told(group: pd.DataFrame, most: int) -> str:
    """What one channel did in one phase: who lost on balance, the most first; empty where nobody did."""
    amount = group["amount"]
    by = group.assign(moved=amount.abs()).groupby("agent", sort=False)[["amount", "moved"]].sum()
    balance = by["amount"][by["amount"].abs() > DUST * by["moved"]].sort_values(ascending=False, kind="stable")
    losses, gains = balance[balance > 0.0], balance[balance < 0.0]
    if losses.empty:
        return ""
    row = group.iloc[0]
    cause = f" ({row['cause']})" if row["cause"] != row["channel"] else ""
    gained = f", {number(-float(gains.sum()))} gained by {_agents(len(gains))}" if len(gains) else ""
    head = f"step {row['step']}, {row['phase']}: {row['channel']}{cause}: {number(float(losses.sum()))} lost by "
    lines = [f"{head}{_agents(len(losses))}{gained}"]
    rows = [["agent", "lost", "to", "on"]]
    for agent, lost in losses.head(most).items():
        rows.append([str(agent), number(float(lost)), *_ends(group[group["agent"] == agent])])
    for place in (2, 3):  # text that follows numbers stays on the left
        widest = max(len(row[place]) for row in rows)
        rows = [[*row[:place], row[place].ljust(widest), *row[place + 1 :]] for row in rows]
    lines.append(_indented(columns_of_text(rows[0], rows[1:])))
    if len(losses) > most:
        rest = number(float(losses.iloc[most:].sum()))
        lines.append(f"  and {len(losses) - most:,} more, {rest} together")
    return "\n".join(lines)


def _ends(lines: pd.DataFrame) -> tuple[str, str]:
    """To whom an agent lost most and what it got back from others; on which instruments."""
    lost, back = lines[lines["amount"] > 0.0], lines[lines["amount"] < 0.0]
    to = _few([f"{each['counterparty'] or 'nobody'} {number(each['amount'])}" for each in lost.to_dict("records")])
    if len(back):
        whom = back["counterparty"].iloc[-1] if len(back) == 1 else f"{len(back):,} others"
        to += f", less {number(-float(back['amount'].sum()))} from {whom}"
    names = list(dict.fromkeys(", ".join(lost["instruments"]).split(", ")))
    kinds = [name for name in names if name.startswith("securities ")]
    if len(kinds) > 1:
        names = [f"securities ({len(kinds)} kinds)", *(name for name in names if name not in kinds)]
    return to, _few(names)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _agents(count: int) -> str:
    return f"{count:,} agent{'s' * (count != 1)}"


def _rows(result: Result, metrics: dict[str, float]) -> list[list[Any]]:
    return [[name, number(value), result.info[name][0]] for name, value in metrics.items()]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
