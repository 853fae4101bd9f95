"""From a scenario to the system before the shock: read the tables it names, complete and check them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem
from sim.networks.assemble import BETWEEN_BANKS, assemble
from sim.networks.columns import RULES
from sim.networks.generators import Generator, MaxEntropy, Networks
from sim.networks.links import CLAIMS
from sim.networks.markets import HOLDERS
from sim.networks.read import Table, read_agents, read_assets, read_exposures, read_holdings, read_table
from sim.networks.tables import TableGenerator, generate
from sim.scenario.paths import confine
from sim.scenario.playable import refuse
from sim.scenario.schema import Scenario
from sim.scenario.sections import SystemSource
from sim.scenario.sources import SOURCES
from sim.state import AGENTS, SECTORS
from sim.streams import Draws
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
    named = {}
    for part, section in (("agents.", source.agents), ("layers.", source.layers), ("", source)):
        for name in type(section).model_fields:
            file = getattr(getattr(section, name), "file", None)
            if file is not None:
                named[f"system.{part}{name}.file"] = file
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


def build(scenario: Scenario | str, seed: int | None = None, network: int = 0) -> System:
    """Build the system of a scenario: agents as columns, layers, markets; before any shock.

    Parameters
    ----------
    scenario : Scenario or str
        Loaded, or its name.
    seed : int, optional
        Of randomly generated parts; by default the scenario's, else 0. Systems read from tables have none.
    network : int
        Which draw of those parts, 0; network k is the same whatever the number of networks.

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
    return builder(scenario, seed)(network)


def builder(scenario: Scenario | str, seed: int | None = None) -> Callable[[int], System]:
    """Read the tables of a scenario once, and return what builds its system on one network after the other.

    Parameters
    ----------
    scenario : Scenario or str
        Loaded, or its name.
    seed : int, optional
        Of randomly generated parts; by default the scenario's, else 0.

    Returns
    -------
    callable
        Takes the number of a network and returns the `System`; it reads no file.

    Raises
    ------
    InputError
        All problems of the tables at once.
    """
    from sim.scenario.load import load

    scenario = load(scenario)
    given = scenario.origin.system
    if given is not None:
        refuse(scenario, given)
        return lambda _: given
    source, paths = scenario.system, paths_of(scenario)
    if source is None:
        raise InputError([Problem('missing block "system"', key="system")])
    if input_files(scenario) != scenario.origin.inputs:
        raise InputError([Problem("an input file changed since the scenario was loaded; load it again", key="system")])
    makers = _makers(source)
    tables, problems = _tables(paths, makers)
    if problems:
        raise InputError(problems)
    warnings = [warning for table in tables.values() for warning in table.warnings]
    fair = source.holdings.fair_value_share if source.holdings is not None else 1.0
    cells, where = _joined(tables)
    generators = _generators(scenario, tables.get("banks"))
    luck = (scenario.monte_carlo.seed or 0) if seed is None else seed

    def built(network: int) -> System:
        networks = Networks(generators, Draws(luck, [network]), usual=None)
        try:
            every, how = generate(makers, cells, networks.draws)
            parts = assemble(
                every, sectors=SECTORS, fair_value_share=fair, where=where, networks=networks, generated=how
            )
        except InputError as error:
            raise InputError([scenario.placed(problem) for problem in error.problems]) from error
        parts["warnings"] = (*warnings, *parts["warnings"])
        system = System(**parts, currency=source.currency)
        refuse(scenario, system)
        return system

    return built


def _makers(source: SystemSource) -> dict[str, TableGenerator]:
    """What makes the tables that no file holds."""
    found = {at[-1]: getattr(_part(source, at), "generator", None) for at in SOURCES}
    return {table: made for table, made in found.items() if isinstance(made, TableGenerator)}


def _part(source: SystemSource, at: tuple[str, ...]) -> Any:
    """What a scenario says of a part of the system."""
    here: Any = source
    for name in at:
        here = getattr(here, name)
    return here


def _generators(scenario: Scenario, banks: Table | None) -> dict[str, Generator | None]:
    """What makes the layers between banks that no file holds; each needs the banks' totals."""
    found, problems = dict[str, Generator | None](), list[Problem]()
    for name in BETWEEN_BANKS:
        source = getattr(scenario.system.layers, name) if scenario.system is not None else None
        if source is None or source.file is not None:
            continue
        found[name] = made = source.generator or MaxEntropy()
        if banks is not None and not banks.given(f"{name}_assets").any():
            key = f"system.layers.{name}"
            text = f"{key}: {made.name} needs each bank's total: a column {name}_assets in {banks.path}"
            problems.append(scenario.placed(Problem(text, key=key)))
    if problems:
        raise InputError(problems)
    return found


def _tables(paths: Mapping[str, Path], made: Collection[str]) -> tuple[dict[str, Table], list[Problem]]:
    """Read every table, by its key in the scenario; one bad table does not hide the next.

    References to agents and assets are looked at here where all of them stand in files that could be read, and when the
    system is put together where some of them are `made`.
    """
    found: dict[str, Table] = {}
    problems: list[Problem] = []

    def attempt(name: str, read: Any, *arguments: Any) -> None:
        try:
            found[name] = read(*arguments)
        except InputError as error:
            problems.extend(error.problems)

    agents = {kind: path for kind in AGENTS if (path := paths.get(f"system.agents.{kind}.file")) is not None}
    for kind, path in agents.items():
        attempt(kind, read_agents, path, kind)
    ids: Sequence[str] = [name for kind in agents if kind in found for name in found[kind].text("id")]
    could, some = len(found) == len(agents), not set(made).isdisjoint(AGENTS)
    if "system.assets.file" in paths:
        attempt("assets", read_assets, paths["system.assets.file"])
    read: set[Path] = set()
    for layer in CLAIMS:
        path = paths.get(f"system.layers.{layer}.file")
        if path is None or path in read or not could:
            continue
        read.add(path)
        if some:
            attempt(layer, read_table, path, RULES["exposures"])
        else:
            attempt(layer, read_exposures, path, ids, ", ".join(f"{kind}.csv" for kind in agents))
    for name in ("services", "payments", "distribution", "pools"):
        if (path := paths.get(f"system.layers.{name}.file")) is not None:
            attempt(name, read_table, path, RULES[name])
    if (path := paths.get("system.holdings.file")) is not None and could:
        if some or "assets" in made:
            attempt("holdings", read_table, path, RULES["holdings"])
        elif "assets" in found or "system.assets.file" not in paths:
            named = [*(found["assets"].text("asset") if "assets" in found else ()), *ids[found["banks"].n_rows :]]
            attempt("holdings", read_holdings, path, [*ids, *HOLDERS], named)
    return found, problems


def _joined(tables: Mapping[str, Table]) -> tuple[dict[str, dict[str, list[Any]]], dict[str, Any]]:
    """Return the cells of all tables, those of claims joined into one, and path and line of each row."""
    cells, where = dict[str, dict[str, list[Any]]](), dict[str, tuple[list[str], list[int]]]()
    for key, table in tables.items():
        name = "exposures" if key in CLAIMS else key
        rows, (paths, lines) = table.cells(), where.setdefault(name, ([], []))
        if key in CLAIMS:
            rows["layer"] = [layer or key for layer in rows.get("layer", [None] * table.n_rows)]
        whole = cells.setdefault(name, {})
        for column in dict.fromkeys((*whole, *rows)):
            before = whole.get(column, [None] * len(lines))
            whole[column] = [*before, *rows.get(column, [None] * table.n_rows)]
        paths += [table.path] * table.n_rows
        lines += table.lines
    return cells, where
