"""``sim validate``: every problem of a scenario and its tables, before anything is run."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sim.cli.complete import scenarios as complete
from sim.cli.errors import clean, emit, warn
from sim.cli.options import AllowPath, AsJson, Debug
from sim.errors import InputError, Problem, UsageError


def validate(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO...",
            help="Scenario files, or names of shipped scenarios.",
            autocompletion=complete,
        ),
    ] = None,
    as_json: AsJson = False,
    allow_path: AllowPath = False,
    _debug: Debug = False,
) -> int:
    """Check scenarios and the tables they name; all problems at once.

    Parameters
    ----------
    scenarios : list of str
        Paths or names.
    as_json : bool
        Whether to print the verdicts as JSON.
    allow_path : bool
        Whether input files may lie outside the scenario's folder.
    _debug : bool
        Whether an error shows its traceback; the entry point looks at it.

    Returns
    -------
    int
        0 when all are fine.

    Raises
    ------
    InputError
        With the problems of all scenarios.
    """
    if not scenarios:
        raise UsageError("validate needs a scenario file")
    verdicts = [_verdict(source, allow_path) for source in scenarios]
    if as_json:
        emit(json.dumps([verdict | {"problems": _facts(verdict["problems"])} for verdict in verdicts], indent=2))
    else:
        for verdict in verdicts:
            if verdict["valid"]:
                emit(f"{clean(verdict['scenario'])}: ok, {verdict['banks']:,} banks")
    problems = [problem for verdict in verdicts if not verdict["valid"] for problem in verdict["problems"]]
    if problems:
        raise InputError(problems)
    return 0


def _verdict(source: str, allow_path: bool) -> dict[str, Any]:
    """Load and build one scenario; the problems are warnings when it is valid."""
    from sim.scenario.build import build
    from sim.scenario.load import load

    try:
        scenario = load(source, allow_path=allow_path)
        system = build(scenario)
    except InputError as error:
        return {"scenario": source, "valid": False, "problems": error.problems}
    warnings = tuple(dict.fromkeys((*scenario.warnings, *system.warnings)))
    warn(warnings)
    return {"scenario": source, "valid": True, "banks": len(system.banks), "problems": warnings}


def _facts(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    return [{"path": p.path, "line": p.line, "key": p.key, "message": p.message} for p in problems]
