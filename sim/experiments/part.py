"""A part: up to 1000 draws of a run on one network, as arrays, as the columns of a table, and as a digest.

Draw k plays on network k modulo the number of networks K, and a part holds draws of one network: ``first``,
``first + K``, ``first + 2 K``, and so on. With one network these are consecutive draws.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, Int

PART = 1000
"""Draws in a part, whatever the block width and the number of workers."""

OK, UNCERTIFIED, FAILED = "ok", "not-certified", "failed"
NO_STEP = -1
"""Step of the single row of a failed draw."""

OWN_COLUMNS = ("draw", "step", "network", "status", "reason")
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """Draws of a run at equal distances.

    Parameters
    ----------
    first : int
        First draw.
    metrics : dict of str to float64[n_draws, n_steps]
        In the order of the scenario; NaN in the rows of failed draws, finite elsewhere.
    status : tuple of str
        ``"ok"``, ``"not-certified"`` or ``"failed"``, one a draw.
    reason : tuple of str
        Empty where there is nothing to say.
    final : dict of str to float64[n_draws, n_agents]
        Columns after the last step; only with ``record: agents``.
    agents : tuple of str
        Columns of the arrays in `final`.
    stride : int
        Distance between two draws, 1.
    networks : int
        Networks that the draws of the run are spread over; more than 1 are a column of the table.
    """

    first: int
    metrics: Mapping[str, Float]
    status: tuple[str, ...]
    reason: tuple[str, ...]
    final: Mapping[str, Float] = field(default_factory=dict)
    agents: tuple[str, ...] = ()
    stride: int = 1
    networks: int = 1

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.status)

    @property
    def steps(self) -> int:
        """Number of steps; 0 when every draw failed."""
        return next((values.shape[1] for values in self.metrics.values()), 0)

    def count(self, status: str) -> int:
        """Return how many draws ended in a status.

        Parameters
        ----------
        status : str
            Such as ``"failed"``.

        Returns
        -------
        int
            Number of draws.
        """
        return self.status.count(status)

    def head(self, draws: int) -> Part:
        """Return the first draws of this part.

        Parameters
        ----------
        draws : int
            How many; all of them when there are no more.

        Returns
        -------
        Part
            A view.
        """
        return self if draws >= self.draws else self.cut(0, draws)

    def one(self, draw: int) -> Part:
        """Return one draw.

        Parameters
        ----------
        draw : int
            Its number in the run, one of this part.

        Returns
        -------
        Part
            A view.
        """
        place = (draw - self.first) // self.stride
        return self.cut(place, place + 1)

    def cut(self, start: int, stop: int) -> Part:
        """Return some of the draws.

        Parameters
        ----------
        start, stop : int
            Places in this part, the last one not included.

        Returns
        -------
        Part
            A view.
        """
        metrics = {name: values[start:stop] for name, values in self.metrics.items()}
        final = {name: values[start:stop] for name, values in self.final.items()}
        which, first = slice(start, stop), self.first + start * self.stride
        told = (self.status[which], self.reason[which])
        return Part(first, metrics, *told, final, self.agents, self.stride, self.networks)


def join(parts: Iterable[Part]) -> Part:
    """Return parts that follow each other as one.

    Parameters
    ----------
    parts : iterable of Part
        Of one network, in draw order, without gaps; at least one.

    Returns
    -------
    Part
        All their draws.

    Raises
    ------
    ValueError
        If draws are missing, or the parts differ in metrics, steps or agents.
    """
    pieces = list(parts)
    for before, after in pairwise(pieces):
        if before.first + before.draws * before.stride != after.first or before.stride != after.stride:
            raise ValueError(f"draws {before.first + before.draws * before.stride} to {after.first - 1} are missing")
    status = tuple(value for piece in pieces for value in piece.status)
    reason = tuple(value for piece in pieces for value in piece.reason)
    metrics = _stacked([piece.metrics for piece in pieces], [piece.draws for piece in pieces])
    final = _stacked([piece.final for piece in pieces], [piece.draws for piece in pieces])
    named = {piece.agents for piece in pieces if piece.agents}
    if len(named) > 1:
        raise ValueError("parts have different agents")
    agents = named.pop() if named else ()
    return replace(pieces[0], metrics=metrics, status=status, reason=reason, final=final, agents=agents)


def _stacked(tables: Sequence[Mapping[str, Float]], draws: Sequence[int]) -> dict[str, Float]:
    """Stack draws; where all draws of a piece failed, its width is unknown and taken from the others."""
    names = next((tuple(table) for table in tables if any(v.shape[1] for v in table.values())), tuple(tables[0]))
    widths = {values.shape[1] for table in tables for values in table.values()} - {0}
    if len(widths) > 1:
        raise ValueError(f"parts have different widths: {sorted(widths)}")
    width = widths.pop() if widths else 0
    stacked = {}
    for name in names:
        rows = [
            table[name] if table and table[name].shape[1] == width else np.full((n, width), np.nan)
            for table, n in zip(tables, draws, strict=True)
        ]
        stacked[name] = np.concatenate(rows) if len(rows) > 1 else rows[0]
    return stacked


def columns(part: Part) -> Columns:
    """Return a part as a long table: one row a draw and step, one row for a failed draw.

    Parameters
    ----------
    part : Part
        Any draws.

    Returns
    -------
    dict of str to array
        ``draw`` int64, ``step`` int32 from 1 (-1 for a failed draw), ``network`` int32 where there are several, metrics
        float64 (NaN for a failed draw), ``status`` and ``reason`` text, the latter empty where there is none.
    """
    lost = np.array([status == FAILED for status in part.status], dtype=np.bool_)
    rows = np.where(lost, 1, part.steps)
    owner = np.repeat(np.arange(part.draws), rows)
    start = np.repeat(np.cumsum(rows) - rows, rows)
    position = np.arange(owner.size) - start
    table: Columns = {"draw": draw_numbers(part)[owner]}
    table["step"] = np.where(lost[owner], NO_STEP, position + 1).astype(np.int32)
    if part.networks > 1:
        table["network"] = (table["draw"] % part.networks).astype(np.int32)
    for name, values in part.metrics.items():
        table[name] = np.full(owner.size, np.nan)
        kept = ~lost[owner]
        table[name][kept] = values[owner[kept], position[kept]]
    table["status"] = np.array(part.status, dtype=object)[owner]
    table["reason"] = np.array(part.reason, dtype=object)[owner]
    return table


def from_columns(table: Mapping[str, npt.NDArray[Any]], networks: int = 1) -> Part:
    """Return the part that `columns` made a table of.

    Parameters
    ----------
    table : mapping of str to array
        As `columns` returns it.
    networks : int
        That the run is spread over; the part holds draws of one.

    Returns
    -------
    Part
        Without final columns.

    Raises
    ------
    ValueError
        If the rows are not those of draws that follow each other on one network, with equal steps.
    """
    draw, step = table["draw"], table["step"]
    if not draw.size:
        raise ValueError("no rows")
    drawn, where = np.unique(draw, return_index=True)
    first = int(drawn[0])
    if not np.array_equal(drawn, first + networks * np.arange(drawn.size)) or (np.diff(draw) < 0).any():
        raise ValueError("draws are not consecutive")
    if networks > 1 and not np.array_equal(table["network"], draw % networks):
        raise ValueError("draws are not on the networks they belong to")
    kept = step > 0
    n_steps = int(step.max()) if kept.any() else 0
    if not np.array_equal(step[kept], np.tile(np.arange(1, n_steps + 1), int(kept.sum()) // max(1, n_steps))):
        raise ValueError("draws differ in their steps")
    rows = ((draw[kept] - first) // networks)[:: max(1, n_steps)]
    metrics = {}
    for name in table:
        if name not in OWN_COLUMNS:
            metrics[name] = np.full((drawn.size, n_steps), np.nan)
            metrics[name][rows] = table[name][kept].reshape(rows.size, n_steps)
    status, reason = tuple(table["status"][where].tolist()), tuple(table["reason"][where].tolist())
    return Part(first, metrics, status, reason, stride=networks, networks=networks)


def final_columns(part: Part) -> Columns:
    """Return the final columns of all agents as a long table: one row a draw and agent, failed draws left out.

    Parameters
    ----------
    part : Part
        With `final`.

    Returns
    -------
    dict of str to array
        ``draw`` int64, ``agent`` text, then float64 columns.
    """
    kept = np.flatnonzero([status != FAILED for status in part.status])
    table: Columns = {"draw": np.repeat(draw_numbers(part)[kept], len(part.agents))}
    table["agent"] = np.tile(np.array(part.agents, dtype=object), kept.size)
    return table | {name: np.ascontiguousarray(values[kept]).ravel() for name, values in part.final.items()}


def with_final(part: Part, table: Mapping[str, npt.NDArray[Any]]) -> Part:
    """Return a part with the final columns that `final_columns` made a table of.

    Parameters
    ----------
    part : Part
        The same draws.
    table : mapping of str to array
        As `final_columns` returns it.

    Returns
    -------
    Part
        With `final` and `agents`.

    Raises
    ------
    ValueError
        If the table does not belong to these draws.
    """
    kept = np.flatnonzero([status != FAILED for status in part.status])
    # a longer part may have been on its way when the run was cut off; its first draws are the same
    within = table["draw"] < part.first + part.draws * part.stride
    table = {name: values[within] for name, values in table.items()}
    n_agents = table["draw"].size // max(1, kept.size)
    if not np.array_equal(table["draw"], np.repeat(draw_numbers(part)[kept], n_agents)):
        raise ValueError("the agents' draws are not those of the metrics")
    final = {}
    for name in table:
        if name not in {"draw", "agent"}:
            final[name] = np.full((part.draws, n_agents), np.nan)
            final[name][kept] = table[name].reshape(kept.size, n_agents)
    return replace(part, final=final, agents=tuple(table["agent"][:n_agents].tolist()))


def digest(table: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of a table: the little-endian bytes of its columns, one after the other.

    Parameters
    ----------
    table : mapping of str to array
        Integers, floats (every NaN counts as the same one) and text.

    Returns
    -------
    str
        64 hexadecimal digits; the same for the same numbers, whatever file they lie in.
    """
    seen = hashlib.sha256()
    for name, values in table.items():
        if values.dtype == object:
            data = "\0".join(values.tolist()).encode("utf-8", "surrogatepass")
        elif values.dtype == np.float64:
            data = np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()
        else:
            data = values.astype(values.dtype.newbyteorder("<")).tobytes()
        head = f"{name}\0{values.dtype.kind}{values.dtype.itemsize}\0{values.size}\0{len(data)}\0"
        seen.update(head.encode("utf-8", "surrogatepass"))
        seen.update(data)
    return seen.hexdigest()


def answer(digests: Iterable[str]) -> str:
    """Return the one number that identifies what a run found.

    Parameters
    ----------
    digests : iterable of str
        Digests of the metrics of all parts, in the order of their first draws.

    Returns
    -------
    str
        SHA-256 over them in draw order, 64 hexadecimal digits.
    """
    seen = hashlib.sha256()
    for each in digests:
        seen.update(bytes.fromhex(each))
    return seen.hexdigest()


def draw_numbers(part: Part) -> Int:
    """Return the numbers of a part's draws.

    Parameters
    ----------
    part : Part
        Any draws.

    Returns
    -------
    int64[n_draws]
        Ascending.
    """
    return part.first + part.stride * np.arange(part.draws, dtype=np.int64)
