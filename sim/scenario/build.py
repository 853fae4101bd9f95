"""From a scenario to the system before the shock: read the tables it names, complete and check them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem
from sim.networks.assemble import assemble
from sim.networks.read import Table, read_assets, read_banks, read_exposures, read_holdings
from sim.scenario.paths import confine
from sim.scenario.playable import refuse
from sim.scenario.schema import Scenario, SystemSource
from sim.state import SECTORS
from sim.system import System


def files_of(source: SystemSource) -> dict[str, str]:
    """Return the files a system is read from.

    Parameters
    ----------
    source : SystemSource
        The ``system`` block of a scenario.

    Returns
    -------
    dict of str to str
        Dotted key -> file as written.
    """
    named = {"system.agents.banks.file": source.agents.banks.file}
    if source.layers.interbank is not None and source.layers.interbank.file is not None:
        named["system.layers.interbank.file"] = source.layers.interbank.file
    if source.holdings is not None:
        named["system.holdings.file"] = source.holdings.file
    if source.assets is not None:
        named["system.assets.file"] = source.assets.file
    return named


def paths_of(scenario: Scenario) -> dict[str, Path]:
    """Return the files a scenario reads, confined to its folder.

    Parameters
    ----------
    scenario : Scenario
        Loaded from a file.

    Returns
    -------
    dict of str to Path
        Dotted key -> file.

    Raises
    ------
    InputError
        For every path that leaves the folder, does not exist or is no regular file.
    """
    if scenario.system is None or scenario.origin.folder is None:
        return {}
    found: dict[str, Path] = {}
    problems: list[Problem] = []
    for key, given in files_of(scenario.system).items():
        try:
            found[key] = confine(scenario.origin.folder, given, key, scenario.origin.allow_path)
        except InputError as error:
            problems.extend(scenario.placed(problem) for problem in error.problems)
    if problems:
        raise InputError(problems)
    return found


def input_files(scenario: Scenario) -> dict[str, str]:
    """Return the digest of every file a scenario reads.

    Parameters
    ----------
    scenario : Scenario
        Loaded from a file.

    Returns
    -------
    dict of str to str
        Dotted key -> SHA-256 of the bytes.

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    found = {}
    for key, path in paths_of(scenario).items():
        try:
            with path.open("rb") as stream:
                found[key] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InputError([Problem(f"{key}: cannot read {path.name}: {error.strerror}", key=key)]) from error
    return found


def build(scenario: Scenario | str, seed: int | None = None) -> System:  # noqa: ARG001
    """Build the system of a scenario: agents as columns, layers, markets; before any shock.

    Parameters
    ----------
    scenario : Scenario or str
        Loaded, or its name.
    seed : int, optional
        For randomly generated parts; systems read from tables have none.

    Returns
    -------
    System
        Checked, with what was imputed.

    Raises
    ------
    InputError
        All problems of the tables, targets and parameters at once.

    Examples
    --------
    >>> from sim.scenario.build import build
    >>> len(build("ring_of_ten").banks)
    10
    """
    from sim.scenario.load import load

    scenario = load(scenario)
    if scenario.origin.system is not None:
        refuse(scenario, scenario.origin.system)
        return scenario.origin.system
    source, paths = scenario.system, paths_of(scenario)
    if source is None:
        raise InputError([Problem('missing block "system"', key="system")])
    if input_files(scenario) != scenario.origin.inputs:
        raise InputError([Problem("an input file changed since the scenario was loaded; load it again", key="system")])
    tables, problems = _tables(paths)
    if problems:
        raise InputError(problems)
    warnings = [warning for table in tables.values() for warning in table.warnings]
    fair = source.holdings.fair_value_share if source.holdings is not None else 1.0
    lent = source.layers.interbank
    parts = assemble(
        {name: table.cells() for name, table in tables.items()},
        sectors=SECTORS,
        fair_value_share=fair,
        where={name: (table.path, table.lines) for name, table in tables.items()},
        reconstruct=(lent.reconstruct if lent is not None else None) or "none",
    )
    parts["warnings"] = (*warnings, *parts["warnings"])
    system = System(**parts, currency=source.currency)
    refuse(scenario, system)
    return system


def _tables(paths: Mapping[str, Path]) -> tuple[dict[str, Table], list[Problem]]:
    """Read every table; one bad table does not hide the next."""
    found: dict[str, Table] = {}
    problems: list[Problem] = []

    def attempt(name: str, read: Any, *arguments: Any) -> None:
        try:
            found[name] = read(*arguments)
        except InputError as error:
            problems.extend(error.problems)

    attempt("banks", read_banks, paths["system.agents.banks.file"])
    ids: Sequence[str] = list(found["banks"].columns["id"]) if "banks" in found else []
    if "system.assets.file" in paths:
        attempt("assets", read_assets, paths["system.assets.file"])
    if "system.layers.interbank.file" in paths and ids:
        attempt("exposures", read_exposures, paths["system.layers.interbank.file"], ids, "banks.csv")
    if "system.holdings.file" in paths and ids:
        assets = list(found["assets"].columns["asset"]) if "assets" in found else []
        if "assets" in found or not problems:
            attempt("holdings", read_holdings, paths["system.holdings.file"], ids, assets)
    return found, problems
