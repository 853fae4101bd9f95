"""Networks of many banks: links drawn row by row, weights on links alone, no matrix of all pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arrays import Float, Int
from sim.errors import ConvergenceError
from sim.networks.layer import Layer
from sim.networks.reconstruct import check_margins
from sim.streams import Draws

LARGE = 500
"""Banks above which no matrix of all pairs is made."""

RARE = 1e-9
"""Links of probability 0 are taken last, as if they had this one."""

ROUNDS, TOL = 5_000, 1e-12
"""Most scalings of rows and columns; relative gap of a total that counts as met."""

MARGIN, HUBS = 0.1, 0.05
"""Links must be able to carry this much more than the totals of all banks but the largest ones, and which share of the
banks those are: totals that links can only just carry take very many scalings."""

WHOLE = 1_500_000_000
"""All claims in the whole numbers of the flow that tells whether links can carry the totals."""

PASSES = 100


@dataclass
class Links:
    """Links between banks, one a place.

    Parameters
    ----------
    lenders, debtors : int64[n_links]
        Rows and columns.
    weights : float64[n_links]
        Any unit, above 0.
    """

    lenders: Int
    debtors: Int
    weights: Float

    def add(self, lenders: list[int], debtors: list[int], weights: Float) -> None:
        """Add links.

        Parameters
        ----------
        lenders, debtors : list of int
            Rows and columns.
        weights : float64[n]
            Any unit, above 0.
        """
        self.lenders = np.concatenate([self.lenders, np.array(lenders, dtype=np.int64)])
        self.debtors = np.concatenate([self.debtors, np.array(debtors, dtype=np.int64)])
        self.weights = np.concatenate([self.weights, weights])


def drawn_by_row(
    name: str,
    ids: tuple[str, ...],
    totals: tuple[Float, Float],
    chance: Callable[[int], Float],
    draws: Draws,
    stream: str,
) -> Layer:
    r"""Draw every link on its own, as `sim.networks.base.drawn_layer` does and with the same luck, and meet the totals.

    A bank that has no link gets the one nearest to being drawn. Where the links cannot carry the totals with some room,
    as the greatest flow along them tells, banks that fall short are linked to the largest bank on the other side.
    Weights start at :math:`a_i l_j / p_{ij}`; then rows and columns are scaled in turn. What is still missing after
    very many scalings is placed between the banks that lack it, the largest gaps first.

    Parameters
    ----------
    name : str
        Of the layer.
    ids : tuple of str
        Banks.
    totals : tuple of float64[n], currency
        What each has lent, and what each has borrowed.
    chance : callable
        Row -> float64[n], probabilities of its links.
    draws : Draws
        One lane: the number of the network.
    stream : str
        What streams begin with.

    Returns
    -------
    Layer
        With a note on links added.

    Raises
    ------
    ConvergenceError
        If a total is missed nevertheless; `state` holds the layer reached.
    """
    from scipy import sparse

    lent, owed = check_margins(*totals, TOL)
    total, n = float(lent.sum()), len(ids)
    if total == 0.0:
        return Layer.from_matrix(name, ids, sparse.coo_array((n, n)), imputed=True)
    rows, columns = lent / total, owed / float(owed.sum())
    links, drawn = _drawn(ids, (rows, columns), chance, draws, stream)
    _carry(links, rows, columns, ids)
    if not _scale(links, rows, columns) <= TOL:
        _place(links, rows, columns, ids)
    matrix = sparse.coo_array((links.weights * total, (links.lenders, links.debtors)), shape=(n, n))
    layer = Layer.from_matrix(name, ids, matrix, imputed=True)
    gap = (
        max(float(np.abs(found - wanted).max()) for found, wanted in zip(layer.totals, (lent, owed), strict=True))
        / total
    )
    if not gap <= 1e3 * TOL:
        raise ConvergenceError("network weights", ROUNDS, gap, TOL, layer)
    more = layer.n_edges - drawn
    note = f"{layer.n_edges:,} links"
    note += f", {more:,} of them added because the {drawn:,} drawn cannot carry the totals" if more > 0 else ""
    return Layer(name, ids, layer.csr, layer.unit, imputed=True, note=note)


def _drawn(
    ids: tuple[str, ...], totals: tuple[Float, Float], chance: Callable[[int], Float], draws: Draws, stream: str
) -> tuple[Links, int]:
    """Links drawn, and the nearest one for whoever has none; how many were drawn."""
    lent, owed = totals
    lenders, debtors, weights, count = list[Int](), list[Int](), list[Float](), 0
    nearest, by = np.full(owed.size, np.inf), np.full(owed.size, -1, dtype=np.int64)
    for row in np.flatnonzero(lent > 0.0).tolist():
        luck, chances = draws.uniform(f"{stream}/links/{ids[row]}", ids)[:, 0], chance(row)
        order = np.where(owed > 0.0, luck / np.maximum(chances, RARE), np.inf)
        order[row] = np.inf
        found = np.flatnonzero((luck < chances) & np.isfinite(order))
        count += found.size
        if not found.size:
            found = np.array([int(np.argmin(order))])
        closer = order < nearest
        nearest[closer], by[closer] = order[closer], row
        lenders.append(np.full(found.size, row, dtype=np.int64))
        debtors.append(found)
        weights.append(lent[row] * owed[found] / np.where(chances[found] > 0.0, chances[found], 1.0))
    links = Links(np.concatenate(lenders), np.concatenate(debtors), np.concatenate(weights))
    alone = np.flatnonzero((owed > 0.0) & (np.bincount(links.debtors, minlength=owed.size) == 0))
    links.add(by[alone].tolist(), alone.tolist(), lent[by[alone]] * owed[alone])
    return links, count


def _carry(links: Links, rows: Float, columns: Float, ids: tuple[str, ...]) -> None:
    """Add links until they can carry the totals with some room for all banks but the largest."""
    borrowers, lenders = _largest_first(columns, ids), _largest_first(rows, ids)
    there = set(zip(links.lenders.tolist(), links.debtors.tolist(), strict=True))
    for supply, demand in ((_roomier(rows), columns), (rows, _roomier(columns))):
        for _ in range(PASSES):
            short, wanting = _shortfall(links, supply, demand)
            if not short.size:
                break
            new = [_next(row, borrowers, there) for row in short.tolist()]
            new += [_next(row, lenders, there, turned=True) for row in wanting.tolist()]
            pairs = [pair for pair in dict.fromkeys(new) if pair is not None]
            links.add([i for i, _ in pairs], [j for _, j in pairs], np.array([rows[i] * columns[j] for i, j in pairs]))


def _next(
    bank: int, largest: list[int], there: set[tuple[int, int]], *, turned: bool = False
) -> tuple[int, int] | None:
    """The link of a bank to the largest one that it is not linked to yet; turned round, where it borrows."""
    for other in largest:
        pair = (other, bank) if turned else (bank, other)
        if other != bank and pair not in there:
            there.add(pair)
            return pair
    return None


def _roomier(totals: Float) -> Float:
    """Totals of which all but the largest banks have a tenth more, and the largest as much less."""
    large = totals >= np.sort(totals)[-max(1, round(HUBS * totals.size))]
    rest = float(totals[~large].sum())
    room = min(MARGIN, 0.5 * (1.0 - rest) / rest) if rest > 0.0 else 0.0
    return np.where(large, totals * ((1.0 - (1.0 + room) * rest) / (1.0 - rest)), (1.0 + room) * totals)


def _shortfall(links: Links, rows: Float, columns: Float) -> tuple[Int, Int]:
    """Rows and columns that the greatest flow along the links leaves short."""
    from scipy import sparse
    from scipy.sparse.csgraph import maximum_flow

    n = rows.size
    supply, demand, source, sink = _whole(rows), _whole(columns), 2 * n, 2 * n + 1
    at = np.concatenate([np.full(n, source), links.lenders, n + np.arange(n)])
    to = np.concatenate([np.arange(n), n + links.debtors, np.full(n, sink)])
    most = np.concatenate([supply, np.minimum(supply[links.lenders], demand[links.debtors]), demand])
    graph = sparse.csr_array((most, (at, to)), shape=(2 * n + 2, 2 * n + 2))
    graph.data = np.minimum(graph.data, WHOLE).astype(np.int32)
    flow = maximum_flow(graph, source, sink).flow
    sent = np.asarray(flow[[source]].toarray()).ravel()[:n]
    got = -np.asarray(flow[[sink]].toarray()).ravel()[n : 2 * n]
    return np.flatnonzero(sent < supply), np.flatnonzero(got < demand)


def _whole(totals: Float) -> Int:
    """Totals in whole numbers that add to the same for both sides; the largest takes what rounding leaves."""
    found = np.floor(totals * WHOLE).astype(np.int64)
    found[int(np.argmax(totals))] += WHOLE - int(found.sum())
    return found


def _scale(links: Links, rows: Float, columns: Float) -> float:
    """Scale rows and columns in turn until the totals are met; return the largest relative gap left."""
    i, j, w = links.lenders, links.debtors, links.weights
    u, v, gap = np.ones(rows.size), np.ones(columns.size), np.inf
    for _ in range(ROUNDS):
        u = _ratio(rows, _sums(i, w * v[j], rows.size))
        v = _ratio(columns, _sums(j, w * u[i], columns.size))
        found = u * _sums(i, w * v[j], rows.size)
        gap = float(_ratio(np.abs(found - rows), rows).max(initial=0.0))
        if gap <= TOL:
            break
    links.weights = w * u[i] * v[j]
    return gap


def _place(links: Links, rows: Float, columns: Float, ids: tuple[str, ...]) -> None:
    """Cut what is above a total and place what is missing between the banks that lack it, never with themselves."""
    i, j = links.lenders, links.debtors
    links.weights = links.weights * np.minimum(1.0, _ratio(rows, _sums(i, links.weights, rows.size)))[i]
    links.weights = links.weights * np.minimum(1.0, _ratio(columns, _sums(j, links.weights, rows.size)))[j]
    lacking = rows - _sums(i, links.weights, rows.size)
    wanting = columns - _sums(j, links.weights, rows.size)
    givers, takers = _largest_first(lacking, ids), _largest_first(wanting, ids)
    found: list[tuple[int, int, float]] = []
    while givers and takers:
        giver = givers[0]
        taker = takers[0] if takers[0] != giver or len(takers) == 1 else takers[1]
        amount = float(min(lacking[giver], wanting[taker]))
        if giver != taker:
            found.append((giver, taker, amount))
        elif (fit := np.flatnonzero((i != giver) & (j != giver) & (links.weights >= amount))).size:
            # one bank is left on both sides: it trades with both ends of another link, which gets smaller
            links.weights[fit[0]] -= amount
            found += [(giver, int(j[fit[0]]), amount), (int(i[fit[0]]), giver, amount)]
        lacking[giver] -= amount
        wanting[taker] -= amount
        if lacking[giver] <= 0.0:
            givers.remove(giver)
        if wanting[taker] <= 0.0:
            takers.remove(taker)
    links.add([at for at, _, _ in found], [to for _, to, _ in found], np.array([amount for *_, amount in found]))


def _largest_first(amounts: Float, ids: tuple[str, ...]) -> list[int]:
    """Banks with something, the largest first; of equal ones that whose id comes first."""
    return sorted(np.flatnonzero(amounts > 0.0).tolist(), key=lambda at: (-amounts[at], ids[at]))


def _sums(at: Int, amounts: Float, n: int) -> Float:
    return np.asarray(np.bincount(at, amounts, n), dtype=np.float64)


def _ratio(wanted: Float, found: Float) -> Float:
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=found > 0.0)
