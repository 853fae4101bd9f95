"""A sweep as an answer: the table or the JSON on stdout, the figure beside it, and the code it ends with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.control import CertificateError
from sim.cli.errors import emit, note
from sim.cli.table import columns_of_text, number
from sim.errors import FailedDrawsError

if TYPE_CHECKING:
    from sim.experiments.swept import Sweep

COLUMNS = ("mean", "se", "p95", "VaR99", "ES99")
HEADINGS = ("mean", "+- s.e.", "p95", "VaR 99 %", "ES 99 %")
MOST_ROWS = 60
"""Rows of the table on stdout; JSON and the folder have all."""


def finish(found: Sweep, folder: Path, metric: str | None = None, *, as_json: bool, quiet: bool) -> int:
    """Show what came out of a sweep, and draw its figure.

    Parameters
    ----------
    found : Sweep
        What came out.
    folder : Path
        Where it lies.
    metric : str, optional
        Of the table and the figure; by default the first.
    as_json, quiet : bool
        Switches.

    Returns
    -------
    int
        0.

    Raises
    ------
    LostPointsError
        If something did not come out at some points.
    CertificateError
        If runs are not certified and that was not allowed.
    """
    from sim.report.style import save

    figures = [save(found.plot(_wanted(found, metric)), folder / name) for name in ("sweep.png", "sweep.svg")]
    show_table(found, folder, metric, as_json=as_json, figures=figures)
    if not quiet:
        note(f"figure: {figures[0]}")
        show_notes(found, folder)
    return _refuse(found, folder)


def show_table(
    found: Sweep, folder: Path, metric: str | None = None, *, as_json: bool, figures: Iterable[Path] = ()
) -> None:
    """Print the table of a sweep to stdout.

    Parameters
    ----------
    found : Sweep
        What came out.
    folder : Path
        Where it lies.
    metric : str, optional
        Of the table; by default the first.
    as_json : bool
        Whether to print all of it as JSON instead.
    figures : iterable of Path
        Written beside it.
    """
    if as_json:
        said = {name: found.facts[name] for name in ("name", "sample", "seed", "keys", "policies", "answer_sha256")}
        rows = [{str(name): _plain(value) for name, value in row.items()} for row in found.summary().to_dict("records")]
        said |= {"folder": str(folder), "summary": rows}
        said |= {"points": [dict(row) for row in found.facts["rows"]], "figures": [str(path) for path in figures]}
        emit(json.dumps(said, indent=2, allow_nan=False))
        return
    wanted = _wanted(found, metric)
    table = found.summary(wanted)
    places = [*(["policy"] if found.policies else []), *found.keys]
    cells = [
        [*(_text(row[place]) for place in places), *(number(row[name]) for name in COLUMNS)]
        for row in table.head(MOST_ROWS).to_dict("records")
    ]
    emit(f"{wanted} [{found.info[wanted][0]}]")
    emit(columns_of_text([*places, *HEADINGS], cells, left=len(places)))
    if len(table) > MOST_ROWS:
        emit(f"and {len(table) - MOST_ROWS:,} more rows; --json prints all")


def show_notes(found: Sweep, folder: Path) -> None:
    """Say on stderr what is behind the numbers: what did not come out, the digest, the folder.

    Parameters
    ----------
    found : Sweep
        What came out.
    folder : Path
        Where it lies.
    """
    for status, count in found.points["status"].value_counts().items():
        if status != "ok":
            note(f"{status}: {count:,} of {len(found.points):,} runs")
    note(f"answer_sha256: {found.answer_sha256}")
    note(f"folder: {folder}")


def _wanted(found: Sweep, metric: str | None) -> str:
    return metric or next(iter(found.info), "")


def _plain(value: Any) -> Any:
    """A cell as JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _refuse(found: Sweep, folder: Path) -> int:
    """End with the code for points or draws that failed or are not certified."""
    bad = found.points
    # a reason may name a command, which must work from here
    bad["reason"] = [
        str(reason).replace(str(place), str(folder / str(place))) if place else reason
        for reason, place in zip(bad["reason"], bad["folder"], strict=True)
    ]
    lost = bad[(bad["status"] == "failed") | (bad["failed"] > 0)]
    for run, row in lost.head(10).iterrows():
        note(f"run {run}: {row['reason'] or '{} of {} draws failed'.format(row['failed'], row['draws'])}")
    if len(lost):
        first = lost.iloc[0]
        what = str(first["reason"]) or f"{first['failed']} of {first['draws']} draws failed"
        raise LostPointsError(len(lost), len(bad), int(lost.index[0]), what)
    loose = bad[bad["status"] == "not-certified"]
    if len(loose):
        raise CertificateError(
            f"{len(loose)} of {len(bad)} runs are not certified; first: run {loose.index[0]}: "
            f"{loose.iloc[0]['reason']}; --allow-uncertified takes them"
        )
    return 0


class LostPointsError(FailedDrawsError):
    """Something did not come out at some points of a sweep; all else is kept.

    Parameters
    ----------
    lost, runs : int
        Runs concerned, and runs in all.
    first : int
        The first of them.
    reason : str
        What became of it.
    """

    def __init__(self, lost: int, runs: int, first: int, reason: str) -> None:
        super().__init__(lost, runs, first, reason)
        self.args = (f"{lost} of {runs} runs are incomplete; first: run {first}: {reason}",)
