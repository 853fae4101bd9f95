"""Clearing vectors: exact elimination where few agents fail, monotone iteration where many do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sim.arrays import Bool, Csr, Float, Int, empty, full
from sim.contagion.certify import certain
from sim.kernels.fictitious import DONE, TOO_LARGE, settle_lanes
from sim.kernels.pull import pull
from sim.kernels.valuation import ROGERS_VERAART, value

EXACT_ALWAYS = 256
"""Failed agents up to which a draw is settled by elimination from the start."""

EXACT_WHEN_SLOW = 2000
"""Failed agents up to which elimination takes over a draw whose iteration is slow."""

PATIENCE = 200
"""Rounds after which an iteration counts as slow where elimination is possible."""


@dataclass(frozen=True)
class Books:
    """Balance sheets of one call, laid out as lanes.

    Parameters
    ----------
    network : Csr
        Exposures, row creditor, column debtor.
    columns : Csr
        The same edges by debtor.
    assets, owed : float64[n, n_lanes], currency
        External assets and all debt at face.
    own, debt : float64[n, n_lanes], currency
        What a failed agent has besides its claims, net of what ranks before the debt that is settled here; that debt.
    slack : float64[n, n_lanes], currency
        The part of `debt` owed to outsiders.
    beta : float
        Share of interbank assets that survives default, 1.
    costly : bool
        Whether default destroys value, so that recoveries jump.
    at_zero : bool
        Whether a net worth of exactly zero is a default.
    """

    network: Csr
    columns: Csr
    assets: Float
    owed: Float
    own: Float
    debt: Float
    slack: Float
    beta: float
    costly: bool
    at_zero: bool

    def inside(self, x: Float) -> Float:
        """Return what claims bring.

        Parameters
        ----------
        x : float64[n, n_lanes], 1
            Recoveries.

        Returns
        -------
        float64[n, n_lanes], currency
            Interbank assets at these recoveries.
        """
        out = empty(*x.shape)
        pull(self.network.indptr, self.network.indices, self.network.weights, x, out)
        return out

    def failing(self, inside: Float) -> Bool:
        """Return who defaults.

        Parameters
        ----------
        inside : float64[n, n_lanes], currency
            What claims bring.

        Returns
        -------
        bool[n, n_lanes]
            Net worth below zero (or at zero, where that is a default).
        """
        worth = self.assets + inside - self.owed
        failed: Bool = worth <= 0.0 if self.at_zero else worth < 0.0
        return failed

    def pays(self, failing: Bool, inside: Float) -> Float:
        """Return recoveries of a given set of failed agents.

        Parameters
        ----------
        failing : bool[n, n_lanes]
            Who has failed.
        inside : float64[n, n_lanes], currency
            What claims bring.

        Returns
        -------
        float64[n, n_lanes], 1
            1 for everybody else.
        """
        out = empty(*inside.shape)
        failed = failing.astype(np.float64)
        own, debt = self.own, self.debt
        value(ROGERS_VERAART, failed, own, own, own, inside, debt, 1.0, self.beta, 0.0, out)
        return out

    def lane(self, k: int) -> Books:
        """Return one draw on its own.

        Parameters
        ----------
        k : int
            Which.

        Returns
        -------
        Books
            Of two equal lanes, as everywhere.
        """

        def pick(values: Float) -> Float:
            out = empty(values.shape[0], 2)
            out[...] = values[:, k : k + 1]
            return out

        return replace(
            self,
            assets=pick(self.assets),
            owed=pick(self.owed),
            own=pick(self.own),
            debt=pick(self.debt),
            slack=pick(self.slack),
        )


@dataclass(frozen=True)
class Cleared:
    """A clearing vector of every draw.

    Parameters
    ----------
    x : float64[n, n_lanes], 1
        Recoveries of the debt settled.
    wave : int64[n, n_lanes]
        Round of the fictitious default algorithm in which an agent fails, 0 = never.
    rounds : int64[n_lanes]
        Rounds played.
    residual : float64[n_lanes], 1
        Largest change that one more application of the clearing map makes.
    certified : bool[n_lanes]
        Reached monotonically, and the residual is within the tolerance.
    """

    x: Float
    wave: Int
    rounds: Int
    residual: Float
    certified: Bool


def vector(books: Books, *, tol: float, max_rounds: int, least: bool = False) -> Cleared:
    r"""Find the greatest (or least) clearing vector.

    Every draw is settled by the fictitious default algorithm: in each round the failures known so far are settled,
    :math:`\bar p_i x_i = \max(0, w_i + \beta \sum_j A_{ij} x_j)`, and those fail next whose net worth is then
    negative. Up to `EXACT_ALWAYS` failures a settlement is an exact elimination, beyond that an iteration from above;
    if that is slow and failures are at most `EXACT_WHEN_SLOW`, elimination takes over. The choice depends on nothing
    but the draw's own numbers.

    Parameters
    ----------
    books : Books
        Balance sheets.
    tol : float
        Absolute, on recoveries.
    max_rounds : int
        Most rounds of the algorithm, and most rounds of one iteration.
    least : bool
        Whether the least vector is wanted.

    Returns
    -------
    Cleared
        Draws that did not arrive are marked.

    References
    ----------
    Eisenberg and Noe (2001), section 3.1; Rogers and Veraart (2013), section 3.
    """
    n, lanes = books.assets.shape
    x, wave = empty(n, lanes), np.zeros((n, lanes), dtype=np.int64)
    rounds, end = np.zeros(lanes, dtype=np.int64), np.zeros(lanes, dtype=np.int64)
    _eliminate(books, least, EXACT_ALWAYS, max_rounds, np.arange(lanes), (x, wave, rounds, end))
    for k in np.flatnonzero(end == TOO_LARGE):
        one = books.lane(int(k))
        x[:, k], wave[:, k], rounds[k], end[k] = (_rising if least else _falling)(one, tol, max_rounds)
    slow = np.flatnonzero(end == TOO_LARGE)
    if slow.size:
        kept = x[:, slow], wave[:, slow], rounds[slow]
        _eliminate(books, least, EXACT_WHEN_SLOW, max_rounds, slow, (x, wave, rounds, end))
        for at, k in enumerate(slow):
            if end[k] == TOO_LARGE:
                x[:, k], wave[:, k], rounds[k] = kept[0][:, at], kept[1][:, at], kept[2][at]
    inside = books.inside(x)
    residual = np.abs(books.pays(books.failing(inside), inside) - x).max(axis=0, initial=0.0)
    return Cleared(x, wave, rounds, residual, (end == DONE) & (residual <= tol))


def _eliminate(
    books: Books, least: bool, limit: int, max_rounds: int, lanes: Int, out: tuple[Float, Int, Int, Int]
) -> None:
    """Settle draws by elimination."""
    here, there = books.network, books.columns
    rows = (here.indptr, here.indices, here.weights)
    columns = (there.indptr, there.indices, there.weights)
    sheets = (books.assets, books.owed, books.own, books.debt, books.slack)
    settle_lanes(rows, columns, *sheets, books.beta, books.at_zero, least, limit, max_rounds, lanes, *out)


def _falling(books: Books, tol: float, max_rounds: int) -> tuple[Float, Int, int, int]:
    """Settle one draw with many failures from above, wave by wave; TOO_LARGE asks for elimination."""
    n = books.assets.shape[0]
    x, wave = full(1.0, n, 2), np.zeros(n, dtype=np.int64)
    failed = np.zeros((n, 2), dtype=np.bool_)
    rounds, level = 0, 0
    while True:
        inside = books.inside(x)
        now = failed | books.failing(inside)
        fresh = now[:, 0] & ~failed[:, 0]
        if not fresh.any():
            return x[:, 0], wave, rounds, DONE
        level += 1
        failed, wave[fresh] = now, level
        patience = min(max_rounds, PATIENCE if np.count_nonzero(now[:, 0]) <= EXACT_WHEN_SLOW else max_rounds)
        respond = partial(books.pays, now)
        found = certain(books.network, respond, x, tol=tol, max_rounds=patience)
        rounds += int(found.rounds[0])
        x = respond(books.inside(found.x))
        # Where recoveries jump, a net worth within the error of the iteration decides nothing.
        error = tol if books.costly else 0.0
        near = books.failing(books.inside(np.maximum(x - error, 0.0))) & ~books.failing(books.inside(x))
        if not found.certified[0] or (near & ~failed).any() or level >= max_rounds:
            return x[:, 0], wave, rounds, TOO_LARGE


def _rising(books: Books, tol: float, max_rounds: int) -> tuple[Float, Int, int, int]:
    """Settle one draw with many failures from below; TOO_LARGE asks for elimination."""

    def respond(inside: Float) -> Float:
        return books.pays(books.failing(inside), inside)

    n = books.assets.shape[0]
    patience = min(max_rounds, max(PATIENCE, max_rounds if n > EXACT_WHEN_SLOW else PATIENCE))
    found = certain(books.network, respond, full(0.0, n, 2), tol=tol, max_rounds=patience, rising=True)
    x = respond(books.inside(found.x))
    inside = books.inside(x)
    wave = books.failing(inside)[:, 0].astype(np.int64)
    error = tol if books.costly else 0.0
    near = books.failing(inside) & ~books.failing(books.inside(np.minimum(x + error, 1.0)))
    end = DONE if found.certified[0] and not near.any() else TOO_LARGE
    return x[:, 0], wave, int(found.rounds[0]), end
