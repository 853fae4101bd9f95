"""Weights on drawn links: every total met, by scaling rows and columns and, where that is not enough, by more links."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Bool, Float, Int
from sim.errors import ConvergenceError
from sim.networks.reconstruct import check_margins

START, ROUNDS = 10, 1_000
"""Scalings of all rows and columns before what is left is carried along the links: to see whether they can carry the
totals, and for the weights."""

TOL = 1e-12
"""Relative gap of a total that counts as met."""

DUST = 1e-16
"""Share of all claims that is rounding."""


class Weighted(NamedTuple):
    """Claims on drawn links.

    Parameters
    ----------
    claims : float64[n, n], currency
        Row i has lent to column j; zero diagonal.
    drawn, added : int
        Links drawn between banks that have something to lend and to borrow; links added to them.
    """

    claims: Float
    drawn: int
    added: int

    @property
    def note(self) -> str:
        """What a reader should know of the links."""
        kept = int(np.count_nonzero(self.claims))
        idle = self.drawn + self.added - kept
        told = f"{kept:,} links"
        if self.added:
            told += f", {self.added:,} of them added because the {self.drawn:,} drawn cannot carry the totals"
        return told + (f"; {idle:,} drawn links carry nothing" if idle else "")


def weigh(prior: Float, drawn: Bool, order: Float, assets: Float, liabilities: Float) -> Weighted:
    r"""Return claims on drawn links whose row sums and column sums are given.

    They are the ones closest to `prior` in relative entropy, :math:`X_{ij} = u_i\, w_{ij}\, v_j` on the links (RAS,
    iterative proportional fitting). Where the links drawn cannot carry the totals, the next ones in `order` are added
    across the cut that is too narrow, and no others; the number of them is told. Totals that the links can carry but
    that scaling approaches slowly (some links then carry almost nothing) are completed by shifting the rest along the
    links.

    Parameters
    ----------
    prior : float64[n, n], any unit
        Weight of each link before scaling, above 0.
    drawn : bool[n, n]
        Links; those of a bank on itself, or where one side has a total of 0, count for nothing.
    order : float64[n, n]
        Links that are missing are added lowest first.
    assets, liabilities : float64[n], currency
        Row sums and column sums.

    Returns
    -------
    Weighted
        With every total met to rounding.

    Raises
    ------
    InputError
        If no network at all has these totals.
    ConvergenceError
        If a total is missed nevertheless; `state` holds the claims reached.

    References
    ----------
    Bacharach, M. (1965), Estimating nonnegative matrices from marginal data, International Economic Review 6(3),
    294-310. Gale, D. (1957), A theorem on flows in networks, Pacific Journal of Mathematics 7(2), 1073-1082: the totals
    can be carried unless a cut is too narrow.
    """
    lent, owed = check_margins(assets, liabilities, TOL)
    total = float(lent.sum())
    allowed = np.outer(lent > 0.0, owed > 0.0)
    np.fill_diagonal(allowed, val=False)
    links = drawn & allowed
    first = int(links.sum())
    if total == 0.0:
        return Weighted(np.zeros(links.shape), 0, 0)
    rows, columns = lent / total, owed * (total / float(owed.sum())) / total
    free = np.where(allowed, order, np.inf)
    _reach_everyone(links, free)
    # on links that cannot carry the totals scaling has no end: see first whether they can, and add what is lacking
    _complete(_scaled(prior, links, (rows, columns), START), links, free, rows, columns)
    claims = _scaled(prior, links, (rows, columns), ROUNDS)
    _complete(claims, links, free, rows, columns)
    claims *= total
    gap = missed(claims, lent, owed)
    if not gap <= 1e3 * TOL:
        raise ConvergenceError("network weights", ROUNDS, gap, TOL, claims)
    return Weighted(claims, first, int(links.sum()) - first)


def missed(claims: Any, assets: Float, liabilities: Float) -> float:
    """Return how far claims are from the totals they should have.

    Parameters
    ----------
    claims : float64[n, n] or SciPy sparse, currency
        Row i has lent to column j.
    assets, liabilities : float64[n], currency
        Row sums and column sums they should have.

    Returns
    -------
    float
        Largest gap of a row or column sum as a share of that total, or of a millionth of all claims if that is more.
    """
    wanted = np.concatenate([assets, liabilities])
    found = np.concatenate([claims.sum(axis=1), claims.sum(axis=0)])
    least = 1e-6 * float(np.sum(assets)) or 1.0
    return float(np.max(np.abs(found - wanted) / np.maximum(wanted, least), initial=0.0))


def _reach_everyone(links: Bool, free: Float) -> None:
    """Give every bank that lends, and every bank that borrows, at least one link."""
    for row in np.flatnonzero(np.isfinite(free).any(axis=1) & ~links.any(axis=1)).tolist():
        links[row, int(np.argmin(free[row]))] = True
    for column in np.flatnonzero(np.isfinite(free).any(axis=0) & ~links.any(axis=0)).tolist():
        links[int(np.argmin(free[:, column])), column] = True


def _scaled(prior: Float, links: Bool, totals: tuple[Float, Float], rounds: int) -> Float:
    """Scale rows and columns in turn, then cut what is above a total; what is missing is left to be completed."""
    rows, columns = totals
    i, j = np.nonzero(links)
    w = prior[i, j]
    v = np.ones(columns.size)
    u = np.ones(rows.size)
    for _ in range(rounds):
        u = _ratio(rows, _sums(i, w * v[j], rows.size))
        v = _ratio(columns, _sums(j, w * u[i], columns.size))
        found = u * _sums(i, w * v[j], rows.size)
        if (np.abs(found - rows) <= 0.5 * TOL * rows).all():
            break
    claims = np.zeros(links.shape)
    claims[i, j] = w * u[i] * v[j]
    claims *= np.minimum(1.0, _ratio(rows, claims.sum(axis=1)))[:, None]
    claims *= np.minimum(1.0, _ratio(columns, claims.sum(axis=0)))
    return claims


def _sums(at: Int, amounts: Float, n: int) -> Float:
    """Sums by row or column, added in the order of the links."""
    return np.asarray(np.bincount(at, amounts, n), dtype=np.float64)


def _ratio(wanted: Float, found: Float) -> Float:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0.0)


def _complete(claims: Float, links: Bool, free: Float, rows: Float, columns: Float) -> None:
    """Carry what is missing along the links, as a flow; where a cut is too narrow, add the next link across it."""
    while True:
        lacking, wanting = rows - claims.sum(axis=1), columns - claims.sum(axis=0)
        starts = lacking > np.maximum(TOL * rows, DUST)
        ends = wanting > np.maximum(TOL * columns, DUST)
        if not (starts.any() and ends.any()):
            return
        found = _way(claims, links, starts, ends)
        if isinstance(found, list):
            _shift(claims, found, min(lacking[found[0][0]], wanting[found[-1][1]]))
            continue
        from_rows, to_columns = np.flatnonzero(found[0]), np.flatnonzero(~found[1])
        across = free[np.ix_(from_rows, to_columns)]
        if not np.isfinite(across).any():  # only rounding is left
            return
        i, j = np.unravel_index(int(np.argmin(across)), across.shape)
        links[from_rows[i], to_columns[j]] = True


Way = list[tuple[int, int]]
"""Links passed through: forward, backward, forward, ..."""


def _way(claims: Float, links: Bool, starts: Bool, ends: Bool) -> Way | tuple[Bool, Bool]:
    """A shortest way from a row that lacks to a column that wants; without one, the rows and columns reached."""
    above, below = np.full(starts.size, -1), np.full(ends.size, -1)
    seen_rows, seen_columns = starts.copy(), np.zeros(ends.size, dtype=np.bool_)
    fresh = np.flatnonzero(starts)
    while fresh.size:
        reached = np.flatnonzero(links[fresh].any(axis=0) & ~seen_columns)
        below[reached] = fresh[np.argmax(links[np.ix_(fresh, reached)], axis=0)]
        seen_columns[reached] = True
        done = reached[ends[reached]]
        if done.size:
            return _traced(int(done[0]), above, below)
        if not reached.size:
            break
        held = claims[:, reached] > DUST
        fresh = np.flatnonzero(held.any(axis=1) & ~seen_rows)
        above[fresh] = reached[np.argmax(held[fresh], axis=1)]
        seen_rows[fresh] = True
    return seen_rows, seen_columns


def _traced(column: int, above: Int, below: Int) -> Way:
    """The links of a way, from its end back to its start, in the order of the way."""
    way: Way = []
    while column >= 0:
        row = int(below[column])
        way.append((row, column))
        column = int(above[row])
        if column >= 0:
            way.append((row, column))
    return way[::-1]


def _shift(claims: Float, way: Way, most: float) -> None:
    """Shift as much as the way takes: more on forward links, less on backward ones."""
    amount = min([most, *(claims[link] for link in way[1::2])])
    for place, link in enumerate(way):
        claims[link] += amount if place % 2 == 0 else -amount
