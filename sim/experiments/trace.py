"""One draw, posting by posting: who lost what, in which step and phase, through which channel, to whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool
from sim.errors import Problem, StoreError, UsageError
from sim.experiments.blocks import Task
from sim.experiments.disk import make_folder, tidy
from sim.experiments.part import FAILED, Columns, Part, digest
from sim.experiments.replayed import simulated, steps, stored
from sim.experiments.store import Store
from sim.ledger.audit import TOLERANCE
from sim.ledger.trace import Recorder

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiments.result import Result
    from sim.scenario.schema import Scenario
    from sim.simulation import Simulation

TRACES = "traces"
"""Folder, beside the parts, of the draws whose postings a run keeps."""

DUST = 1e-12
"""Share of what was moved between two agents below which the net of it is rounding."""


def trace(result: Result, draw: int, scenario: Scenario | None = None) -> pd.DataFrame:
    """Return all postings of one draw: kept by the run (``record: trace``), else from playing the draw again.

    Parameters
    ----------
    result : Result
        In memory or from a folder.
    draw : int
        Which draw.
    scenario : Scenario, optional
        Needed where the result is only in memory and its tables are not the shipped ones.

    Returns
    -------
    DataFrame
        One row a line: ``posting`` (number of the entry's leg), ``step``, ``phase``, ``channel`` (``shock`` for
        events), ``cause`` (the event's key in the scenario, else the channel), ``agent`` who lost, ``counterparty`` to
        whom (empty where nobody gains: destroyed or provided for), ``instrument`` and ``amount``, currency; a negative
        amount is a gain. ``attrs`` hold the unit and the draw.

    Raises
    ------
    UsageError
        If there is no such draw, it failed, its tables are not at hand, or other rules than those of this package
        played it.
    StoreError
        If the run kept it and its file is damaged.

    Notes
    -----
    The amounts of an agent in one posting add up to what the ledger posted (`math.fsum`, to the last bit), and so all
    of its postings under a channel, in their order, to its loss through that channel.
    """
    import pandas as pd

    table = kept(result, draw)
    if table is None:
        part = stored(result, draw)
        table = record(simulated(result, draw, scenario), part)
    currency = next((unit for name, (unit, _) in result.info.items() if name.endswith("_loss")), "")
    frame = pd.DataFrame({name: values.copy() for name, values in table.items()})
    frame.attrs |= {"draw": draw, "unit": currency}
    return frame


def record(simulation: Simulation, part: Part) -> Columns:
    """Play one draw and note every posting.

    Parameters
    ----------
    simulation : Simulation
        Of that draw, before its first step.
    part : Part
        The draw as it was stored; what is played must be this, bit for bit.

    Returns
    -------
    dict of str to array
        As `sim.ledger.trace.Recorder.table`.

    Raises
    ------
    UsageError
        If other metrics come out.
    """
    static = simulation.scenario.mode == "static"

    def now() -> tuple[int, str, str]:
        # a static run posts its one fixed point at once; what of it belongs to which phase cannot be told
        phase = "fixed point" if static and simulation.phase != "events" else simulation.phase
        return simulation.number, phase, simulation.cause

    noted = Recorder(simulation.state.ids, 0, now, TOLERANCE * simulation.system.scale)
    simulation.ledger.witness = noted
    for _ in steps(simulation, part):
        pass
    return noted.table(simulation.system.assets)


def record_named(
    task: Task, draws: Sequence[int], part_of: Callable[[int], Part], store: Store | None
) -> tuple[dict[str, Any], dict[int, Columns]]:
    """Keep the postings of named draws; what the folder holds of them is kept.

    Parameters
    ----------
    task : Task
        What was played.
    draws : sequence of int
        Which draws, of those that were played.
    part_of : callable
        Returns one draw as it was stored.
    store : Store or None
        Result folder.

    Returns
    -------
    tuple
        What the manifest says (digest and number of lines by draw), and the tables where there is no folder. A draw
        that failed has none.
    """
    from sim.simulation import Simulation

    facts: dict[str, Any] = {}
    tables: dict[int, Columns] = {}
    if store is not None and draws:
        make_folder(store.folder / TRACES)
        tidy(store.folder / TRACES)
    for draw in draws:
        part = part_of(draw)
        if part.status[0] == FAILED:
            continue
        try:
            table = None if store is None else _read(store, draw)
        except StoreError:
            table = None
        if table is None:
            number = np.array([draw], dtype=np.int64)
            system = task.system if task.systems is None else task.systems(draw % task.networks)
            table = record(Simulation(system, task.scenario, number, task.seed), part)
            if store is not None and len(table["amount"]):
                store.write_table(store.folder / TRACES / name_of(draw), part, table)
        facts[str(draw)] = {"sha256": digest(table), "lines": len(table["amount"])}
        if store is None:
            tables[draw] = table
    return facts, tables


def name_of(draw: int) -> str:
    """Return the name of the file that keeps a draw's postings.

    Parameters
    ----------
    draw : int
        Which draw.

    Returns
    -------
    str
        In the folder `TRACES`.
    """
    return f"draw-{draw:010d}.parquet"


def _read(store: Store, draw: int) -> Columns | None:
    """What the folder keeps of a draw; None where there is no file."""
    path = store.folder / TRACES / name_of(draw)
    return store.checked(lambda table: table, path) if path.is_file() else None


def read_named(store: Store, draw: int, said: Mapping[str, Any]) -> Columns:
    """Return the postings of a draw that a run has kept, checked against its manifest.

    Parameters
    ----------
    store : Store
        Of the run.
    draw : int
        Which draw.
    said : mapping
        What the manifest says of it.

    Returns
    -------
    dict of str to array
        As they were recorded.

    Raises
    ------
    StoreError
        If the file is missing, damaged or another one.
    """
    table = _read(store, draw) if said["lines"] else Recorder((), 0, lambda: (0, "", "")).table(())
    if table is None or digest(table) != said["sha256"]:
        what = "is missing" if table is None else "is not the one that the manifest names"
        raise StoreError(f'{store.folder}: {TRACES}/{name_of(draw)} {what}; "resume" records it again')
    return table


def kept(result: Result, draw: int) -> Columns | None:
    """Return the postings that a run has kept of a draw.

    Parameters
    ----------
    result : Result
        Of the run.
    draw : int
        Which draw.

    Returns
    -------
    dict of str to array, or None
        None where it has kept none.
    """
    said = (result.manifest.get("traces") or {}).get(str(draw))
    if said is None:
        return None
    if result.folder is None:
        return result.traces.get(draw)
    return read_named(Store(result.folder, result.manifest["run_key"]), draw, said)


def net(frame: pd.DataFrame) -> pd.DataFrame:
    """Return who lost what to whom, instruments netted: what changes hands at its worth is no loss.

    Parameters
    ----------
    frame : DataFrame
        From `trace`.

    Returns
    -------
    DataFrame
        ``step, phase, channel, cause, agent, counterparty, instruments, amount``; per step, phase, channel and cause
        the largest losses first, gains last; what nets to zero is left out.
    """
    keys = ["step", "phase", "channel", "cause"]
    who = [*keys, "agent", "counterparty"]
    order = frame.groupby(keys, sort=False)["posting"].min().rename("first").reset_index()
    grouped = frame.assign(moved=frame["amount"].abs()).groupby(who, sort=False)
    found = grouped.agg(
        instruments=("instrument", lambda names: ", ".join(dict.fromkeys(names))),
        amount=("amount", "sum"),
        moved=("moved", "sum"),
    ).reset_index()
    left: Bool = np.asarray(found["amount"].abs() > DUST * found["moved"])
    found = found[left].merge(order, on=keys)
    found = found.sort_values(["first", "amount"], ascending=[True, False], kind="stable")
    return found[[*who, "instruments", "amount"]].reset_index(drop=True)


def named_draws(scenario: Scenario, player: str | None) -> tuple[int, ...]:
    """Return the draws whose postings a run is to keep.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    player : str or None
        Who plays, None for the rules of this package.

    Returns
    -------
    tuple of int
        In order; none without ``record: trace``.

    Raises
    ------
    UsageError
        If somebody else plays.
    """
    if scenario.record != "trace":
        return ()
    if player is not None:
        raise UsageError(f"record: trace keeps what this package's own rules post; {player} plays this run")
    return tuple(sorted(set(scenario.trace or (0,))))


def missing(named: Sequence[int], draws: int) -> list[Problem]:
    """Return what to tell of named draws that a run does not have.

    Parameters
    ----------
    named : sequence of int
        From `named_draws`.
    draws : int
        Of the run.

    Returns
    -------
    list of Problem
        Empty when it has all.
    """
    beyond = ", ".join(str(draw) for draw in named if draw >= draws)
    said = f"trace names draws that the run does not have: {beyond}; it has 0 to {draws - 1}"
    return [Problem(said, key="trace")] if beyond else []
