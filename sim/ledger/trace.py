"""What the ledger posts in one draw, line by line: who lost what, under which source, to whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, Int
from sim.errors import AuditError
from sim.ledger.ends import Far, Instrument, Lines, Rows

NOBODY, SEVERAL = -1, -2
"""Rows that stand for nobody (what is destroyed or provided for), and for several that an entry does not tell apart."""

FEW, TRIES = 4, 12

SAID = {NOBODY: "", SEVERAL: "several"}


class Recorder:
    """Notes every loss posted in one draw of a block; a ledger whose `witness` it is calls it.

    The lines of an agent in one posting add up to what was posted, each sum rounded once (`math.fsum`). So the postings
    of an agent under a source, added in their order, are its entry in ``state.loss`` to the last bit.

    Parameters
    ----------
    ids : sequence of str
        Agents in row order.
    lane : int
        Which draw of the block.
    now : callable
        Returns step, phase and cause.
    allowed : float
        By how much the lines of a posting may miss it before rounding is put right, currency; more is a bug.
    """

    def __init__(
        self, ids: Sequence[str], lane: int, now: Callable[[], tuple[int, str, str]], allowed: float = 0.0
    ) -> None:
        self._ids, self._lane, self._now, self._allowed = tuple(ids), lane, now, allowed
        self._postings = 0
        self._said: list[tuple[int, int, str, str, str, Instrument]] = []
        self._lines: list[Lines] = []

    def __call__(self, source: str, on: Instrument, rows: Rows, far: Far, amount: Float) -> None:
        """Take a posting down.

        Parameters
        ----------
        source : str
            Event or channel.
        on : str or tuple
            Instrument.
        rows : int or slice
            Who loses.
        far : int, tuple of Part or None
            Who is at the other end.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            What; negative is a gain.
        """
        index = np.arange(len(self._ids))[rows] if isinstance(rows, slice) else np.array([rows])
        posted = np.atleast_1d(amount[..., self._lane]).astype(np.float64)
        if far is None or isinstance(far, int):
            lines = index, np.full(index.size, NOBODY if far is None else far), posted
        else:
            lines = self._closed(index, posted, [part.lines(self._lane) for part in far], on)
        kept = lines[2] != 0.0
        self._postings += 1
        if kept.any():
            step, phase, cause = self._now()
            self._said.append((self._postings, step, phase, source, cause or source, on))
            self._lines.append((lines[0][kept], lines[1][kept], lines[2][kept]))

    def _closed(self, index: Int, posted: Float, parts: Sequence[Lines], on: Instrument) -> Lines:
        """Lines that add up to what was posted; an agent without any faces several."""
        rows, others, amounts = _together(parts)
        order = np.argsort(rows, kind="stable")
        bounds = np.searchsorted(rows[order], index)
        ends = np.searchsorted(rows[order], index, side="right")
        found: list[Lines] = []
        for row, wanted, first, last in zip(*(each.tolist() for each in (index, posted, bounds, ends)), strict=True):
            mine = order[first:last]
            mine = mine[amounts[mine] != 0.0]
            if not mine.size:
                found.append((np.array([row]), np.array([SEVERAL]), np.array([wanted])))
                continue
            off = wanted - math.fsum(amounts[mine].tolist())
            if not abs(off) <= self._allowed:
                raise AuditError("trace", str(on), self._ids[row], self._lane, off, self._allowed)
            places, split = _adding_up(amounts[mine], wanted)
            found.append((np.full(split.size, row), others[mine][places], split))
        return _together(found)

    def table(self, assets: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Return the lines.

        Parameters
        ----------
        assets : sequence of str
            Names of the securities.

        Returns
        -------
        dict of str to array
            ``posting`` and ``step`` whole numbers; ``phase, channel, cause, agent, counterparty, instrument`` text;
            ``amount`` float64, currency. In the order of posting.
        """
        sizes = [each[0].size for each in self._lines]
        rows, others, amounts = _together(self._lines)
        postings, steps, *texts, instruments = zip(*self._said, strict=True) if self._said else ((),) * 6
        names = np.array([*self._ids, *(SAID[row] for row in (SEVERAL, NOBODY))], dtype=object)
        on = [each if isinstance(each, str) else f"{each[0]} {assets[each[1]]}" for each in instruments]
        told = dict(zip(("phase", "channel", "cause", "instrument"), (*texts, on), strict=True))
        columns = {name: np.repeat(np.array(values, dtype=object), sizes) for name, values in told.items()}
        return {
            "posting": np.repeat(np.array(postings, dtype=np.int64), sizes),
            "step": np.repeat(np.array(steps, dtype=np.int32), sizes),
            **{name: columns[name] for name in ("phase", "channel", "cause")},
            "agent": names[rows],
            "counterparty": names[others],  # -1 and -2 count from the end
            "instrument": columns["instrument"],
            "amount": amounts,
        }


def _together(parts: Sequence[Lines]) -> Lines:
    empty = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    rows, others, amounts = (np.concatenate(each) for each in zip(empty, *parts, strict=True))
    return rows, others, amounts


def _adding_up(amounts: Float, wanted: float) -> tuple[Int, Float]:
    """Amounts whose sum, rounded once, is what is wanted: rounding goes to the largest, or beside it as one more."""
    places, split = np.arange(amounts.size), amounts.copy()
    largest, share = int(np.argmax(np.abs(split))), 1.0
    for tried in range(TRIES):
        off = wanted - math.fsum(split.tolist())
        if off == 0.0:
            break
        if tried < FEW:
            split[largest] += share * off
        else:  # lines that cancel are too coarse for their sum
            places, split = np.append(places, largest), np.append(split, share * off)
        share = 0.75  # a tie is rounded away from what is wanted, both ways
    return places, split
