"""Whom an entry is with: how what it posts at one end is split over the agents at the other.

An entry names arrays that it has made anyway; nothing is computed unless somebody watches the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from sim.arrays import Csr, Float, Int
from sim.state import Claims

Rows = int | slice
Lines = tuple[Int, Int, Float]
"""Rows that lose, rows they lose to, amounts lost: one draw of a block."""


class Part(Protocol):
    """Some pairs of agents of one entry."""

    def lines(self, lane: int) -> Lines:
        """Return who loses what to whom.

        Parameters
        ----------
        lane : int
            Which draw of the block.

        Returns
        -------
        tuple of int64[n_lines], int64[n_lines] and float64[n_lines], currency
            Rows, others, amounts.
        """


Far = int | tuple[Part, ...] | None
"""Who is at the other end: a row; several, pair by pair; several that the entry does not tell apart, ``()``; nobody."""

Instrument = str | tuple[str, int]
"""A column or a layer; ``("securities", k)`` is asset k."""

Witness = Callable[[str, Instrument, Rows, Far, Float], None]
"""Told of every loss posted: ``(source, instrument, rows, far, amount)``."""


class Each(NamedTuple):
    """One row against each of several.

    Parameters
    ----------
    row : int
        Who loses.
    others : slice
        To whom.
    amounts : float64[n_others, n_lanes], currency
        Of each.
    sign : float
        1 for a loss of `row`, -1 for a gain.
    price : float64[n_lanes], optional
        By which the amounts are multiplied, where they are pieces.
    """

    row: int
    others: slice
    amounts: Float
    sign: float
    price: Float | None = None

    def lines(self, lane: int) -> Lines:
        """Return who loses what to whom.

        Parameters
        ----------
        lane : int
            Which draw of the block.

        Returns
        -------
        tuple of int64[n_lines], int64[n_lines] and float64[n_lines], currency
            One line for each of the others.
        """
        start = self.others.start or 0
        others = np.arange(start, start + len(self.amounts))
        worth = self.sign if self.price is None else self.sign * self.price[lane]
        return np.full(others.size, self.row), others, worth * self.amounts[:, lane]


def against(rows: Rows, other: Rows, amounts: Float, sign: float) -> Far:
    """Return the far end of an entry between a row and another, or each of several.

    Parameters
    ----------
    rows : int or slice
        Who loses.
    other : int or slice
        To whom; one of the two is a row.
    amounts : float64[n_others, n_lanes] or float64[n_lanes], currency
        Of each, where there are several others.
    sign : float
        1 for a loss of `rows`, -1 for a gain.

    Returns
    -------
    int or tuple of Part
        See `Far`.
    """
    if isinstance(other, int):
        return other
    return (Each(rows, other, amounts, sign),) if isinstance(rows, int) else ()


class Edges(NamedTuple):
    r"""Claims of a layer, :math:`\pm l_i \, w_{ij} \, r_j` with factors of both ends.

    Parameters
    ----------
    layer : Csr
        Rows lose, columns are whom they lose to.
    left : tuple of float64[n_rows, n_lanes]
        Factors of the rows.
    right : tuple of float64[n_columns, n_lanes]
        Factors of the columns.
    sign : float
        1 for a loss, -1 for a gain.
    """

    layer: Csr
    left: tuple[Float, ...]
    right: tuple[Float, ...]
    sign: float = 1.0

    def lines(self, lane: int) -> Lines:
        """Return who loses what to whom.

        Parameters
        ----------
        lane : int
            Which draw of the block.

        Returns
        -------
        tuple of int64[n_lines], int64[n_lines] and float64[n_lines], currency
            One line an edge, in the order of the layer.
        """
        rows, others = _ends(self.layer)
        left, right = (_product(each, lane) for each in (self.left, self.right))
        return rows, others, self.sign * left[rows] * self.layer.weights * right[others]


def _ends(layer: Csr) -> tuple[Int, Int]:
    """Row and column of every edge."""
    return np.repeat(np.arange(layer.n_rows), np.diff(layer.indptr)), layer.indices.astype(np.int64)


def _product(factors: tuple[Float, ...], lane: int) -> Float:
    found = np.ones(factors[0].shape[0])
    for each in factors:
        found = found * each[:, lane]
    return found


class Rolled(NamedTuple):
    """A layer whose multipliers have moved: both ends of every claim, or of the cash that moves the other way.

    Parameters
    ----------
    claims : Claims
        With its new multipliers.
    called, repaid : float64[n_agents, n_lanes], 1
        By how much those of creditors and of debtors have grown.
    alive : float64[n_agents, n_lanes], 1
        Debtors that are not cleared.
    worth : float64[n_agents, n_lanes], 1, or None
        What creditors carry claims at; None counts them at face, as cash does.
    sign : float
        -1 for the claims, whose growth is a creditor's gain; 1 for the cash.
    """

    claims: Claims
    called: Float
    repaid: Float
    alive: Float
    worth: Float | None
    sign: float = -1.0

    def lines(self, lane: int) -> Lines:
        """Return who loses what to whom.

        Parameters
        ----------
        lane : int
            Which draw of the block.

        Returns
        -------
        tuple of int64[n_lines], int64[n_lines] and float64[n_lines], currency
            Creditors against debtors, then debtors against creditors.
        """
        layer = self.claims.rows
        rows, others = _ends(layer)
        kept, drawn = self.claims.kept[rows, lane], self.claims.drawn[others, lane]
        before = (kept - self.called[rows, lane]) * (drawn - self.repaid[others, lane])
        grown = self.sign * layer.weights * self.alive[others, lane] * (kept * drawn - before)
        carried = grown if self.worth is None else grown * self.worth[others, lane]
        return np.concatenate([rows, others]), np.concatenate([others, rows]), np.concatenate([carried, -grown])


class Market(NamedTuple):
    """Securities of one kind that are marked: holders against their issuers, in proportion to what these have issued.

    Parameters
    ----------
    units : float64[n_agents, n_lanes], pieces
        Held; issuers hold the negative.
    fair_value : float64[n_agents], 1
        Share that is marked.
    rise : float64[n_lanes], currency per piece
        Of the price.
    """

    units: Float
    fair_value: Float
    rise: Float

    def lines(self, lane: int) -> Lines:
        """Return who loses what to whom.

        Parameters
        ----------
        lane : int
            Which draw of the block.

        Returns
        -------
        tuple of int64[n_lines], int64[n_lines] and float64[n_lines], currency
            Both ways: holders against issuers, issuers against holders.
        """
        units = self.units[:, lane]
        lost = -units * self.fair_value * self.rise[lane]
        holders, issuers = np.flatnonzero(units > 0.0), np.flatnonzero(units < 0.0)
        pairs = np.array([(i, j) for i in holders for j in issuers], dtype=np.int64).reshape(-1, 2)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        rows, others = pairs[:, 0], pairs[:, 1]
        opposite = np.where(units[others] > 0.0, units[holders].sum(), units[issuers].sum())
        return rows, others, lost[rows] * (units[others] / opposite)
