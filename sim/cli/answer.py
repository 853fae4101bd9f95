"""A result as an answer: the table or the JSON on stdout, and what a reader must know beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.errors import emit, note
from sim.cli.table import networks_text, summary_rows, summary_text
from sim.errors import Problem
from sim.experiments.provenance import imputed_columns

if TYPE_CHECKING:
    from sim.experiments.result import Result


def show_summary(result: Result, folder: Path, *, as_json: bool, figures: Iterable[Path] = ()) -> None:
    """Print the summary of a result to stdout.

    Parameters
    ----------
    result : Result
        What came out.
    folder : Path
        Where it lies.
    as_json : bool
        Whether to print all of it as JSON instead of the table.
    figures : iterable of Path
        Figures written beside it.
    """
    rows = summary_rows(result.summary())
    if not as_json:
        emit("\n\n".join(filter(None, (summary_text(rows), networks_text(rows)))))
        return
    answer = {
        **_plain(result.provenance),
        "folder": str(folder),
        "summary": rows,
        "failed": failed(result),
        "imputed": imputed_columns(result.imputed),
        "warnings": [_fact(warning) for warning in result.warnings],
        "figures": [str(path) for path in figures],
    }
    emit(json.dumps(answer, indent=2, allow_nan=False))  # ASCII only: nothing in it can act on a terminal


def show_notes(result: Result, folder: Path) -> None:
    """Say on stderr what is behind the numbers: what was imputed, what failed, the digest, the folder.

    Parameters
    ----------
    result : Result
        What came out.
    folder : Path
        Where it lies.
    """
    for entry in imputed_columns(result.imputed):
        rows = {"all": "all rows", "1": "1 row"}.get(str(entry["rows"]), f"{entry['rows']} rows")
        note(f"imputed: {entry['table']}.{entry['cell']}, {rows}: {entry['how']}")
    for status, count in failed(result).items():
        note(f"{status}: {count:,} draws")
    if result.ended and result.manifest["until"]["reached"]:  # otherwise it is a warning
        note(result.ended)
    note(f"answer_sha256: {result.provenance.get('answer_sha256')}")
    note(f"folder: {folder}")


def failed(result: Result) -> dict[str, int]:
    """Return how many draws ended in each status other than ok.

    Parameters
    ----------
    result : Result
        What came out.

    Returns
    -------
    dict
        Status to count; empty when all are fine.
    """
    return dict(Counter(str(status) for status in result.failed_draws["status"]))


def _fact(warning: object) -> dict[str, Any]:
    if isinstance(warning, Problem):
        return {"path": warning.path, "line": warning.line, "key": warning.key, "message": warning.message}
    return {"path": "", "line": None, "key": "", "message": str(warning)}


def _plain(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return provenance as JSON has it; what JSON has no form for becomes text."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(provenance), default=str))
    return plain
