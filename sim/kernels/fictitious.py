"""The fictitious default algorithm, one draw after the other: exact clearing of circles of failed agents."""

from __future__ import annotations

import numpy as np

from sim.arrays import Bool, Float, Index, Int
from sim.kernels.jit import kernel
from sim.kernels.linear import solve_leaky

DONE, OUT_OF_ROUNDS, TOO_LARGE = 0, 1, 2
"""How a draw ended: solved, more rounds needed, or more failed agents than the elimination may take."""


@kernel
def gather(indptr: Int, indices: Index, weights: Float, x: Float, inside_out: Float) -> None:
    r"""Sum what the claims of each agent bring in one draw: :math:`a_i = \sum_j A_{ij} x_j`, as `sim.kernels.pull`.

    Parameters
    ----------
    indptr, indices, weights : int64[n + 1], int32[n_edges], float64[n_edges]
        CSR structure, row exposed to column.
    x : float64[n], 1
        Recovery of each debtor.
    inside_out : float64[n], unit of the weights
        Overwritten.
    """
    for i in range(indptr.size - 1):
        inside = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            inside += weights[k] * x[indices[k]]
        inside_out[i] = inside


@kernel
def _eliminated(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    slack0: Float,
    beta: float,
    own: Float,
    members: Int,
    place: Int,
    x: Float,
) -> None:
    """Solve for members whose recovery is positive; `place` is the position of an agent among them, or -1."""
    indptr, indices, weights = rows
    t_indptr, t_indices, t_weights = columns
    m = members.size
    off, slack, rhs = np.zeros((m, m)), np.empty(m), np.empty(m)
    free, found = np.empty(m), np.empty(m)
    for k in range(m):
        i = members[k]
        rhs[k], free[k] = own[i], x[i]
        for edge in range(indptr[i], indptr[i + 1]):
            if place[indices[edge]] >= 0:
                off[k, place[indices[edge]]] = beta * weights[edge]
        outside = slack0[i]
        for edge in range(t_indptr[i], t_indptr[i + 1]):
            kept = beta if place[t_indices[edge]] >= 0 else 0.0
            outside += (1.0 - kept) * t_weights[edge]
        slack[k] = outside
    solve_leaky(off, slack, rhs, free, found)
    for k in range(m):
        # Values only fall on the way down; the bound also keeps rounding errors out of the next test for default.
        x[members[k]] = min(x[members[k]], max(0.0, found[k]))


@kernel
def settle_failed(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    own: Float,
    slack0: Float,
    beta: float,
    failed: Bool,
    x: Float,
) -> None:
    r"""Find what a given set of failed agents pays: :math:`\bar p_i x_i = \max(0, w_i + \beta \sum_j A_{ij} x_j)`.

    Who pays nothing is found from below (Newton's method on a convex map): first all whose own means, with what
    survivors pay them, are negative; then those leave the set whom other failed agents lift above zero.

    Parameters
    ----------
    rows, columns : tuple of int64[n + 1], int32[n_edges], float64[n_edges]
        Exposures by creditor and by debtor.
    own, slack0 : float64[n], currency
        Means that do not come from claims, net of what ranks before; debt of this rank to outsiders.
    beta : float
        Share of interbank assets that survives default, 1.
    failed : bool[n]
        Who is paid from what it has; all others keep their `x`.
    x : float64[n], 1
        Recoveries, changed in place; never raised.
    """
    indptr, indices, weights = rows
    n = failed.size
    means, zero = np.zeros(n), np.zeros(n, dtype=np.bool_)
    place = np.full(n, -1)
    for i in range(n):
        if failed[i]:
            sure = 0.0
            for edge in range(indptr[i], indptr[i + 1]):
                if not failed[indices[edge]]:
                    sure += weights[edge] * x[indices[edge]]
            means[i] = own[i] + beta * sure
            zero[i] = means[i] < 0.0
    start = x.copy()
    while True:
        m = 0
        for i in range(n):
            place[i] = -1
            if failed[i]:
                x[i] = 0.0 if zero[i] else start[i]
                if not zero[i]:
                    place[i] = m
                    m += 1
        members = np.empty(m, dtype=np.int64)
        for i in range(n):
            if place[i] >= 0:
                members[place[i]] = i
        _eliminated(rows, columns, slack0, beta, means, members, place, x)
        lifted = False
        for i in range(n):
            if zero[i]:
                more = 0.0
                for edge in range(indptr[i], indptr[i + 1]):
                    if failed[indices[edge]]:
                        more += weights[edge] * x[indices[edge]]
                if means[i] + beta * more > 0.0:
                    zero[i] = False
                    lifted = True
        if not lifted:
            return


@kernel
def _down(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    own: Float,
    debt: Float,
    slack0: Float,
    beta: float,
    defaulted: Bool,
    paying: Bool,
    limit: int,
    x: Float,
    inside: Float,
) -> int:
    """Let defaulted agents that cannot pay in full pay what they have, until no further one of them falls short."""
    n = x.size
    while True:
        grew = False
        count = 0
        for i in range(n):
            if defaulted[i] and not paying[i] and debt[i] > 0.0 and own[i] + beta * inside[i] < debt[i]:
                paying[i] = True
                grew = True
            count += paying[i]
        if not grew:
            return DONE
        if count > limit:
            return TOO_LARGE
        settle_failed(rows, columns, own, slack0, beta, paying, x)
        gather(rows[0], rows[1], rows[2], x, inside)


@kernel
def _drain(columns: tuple[Int, Index, Float], own: Float, defaulted: Bool, x: Float) -> None:
    """Set recoveries to zero where agents pay each other money that nobody has put in."""
    n = x.size
    reached, queue = np.zeros(n, dtype=np.bool_), np.empty(n, dtype=np.int64)
    last = 0
    for i in range(n):
        if x[i] > 0.0 and (not defaulted[i] or own[i] > 0.0):
            reached[i] = True
            queue[last] = i
            last += 1
    first = 0
    while first < last:
        j = queue[first]
        first += 1
        for edge in range(columns[0][j], columns[0][j + 1]):
            i = columns[1][edge]
            if not reached[i] and x[i] > 0.0:
                reached[i] = True
                queue[last] = i
                last += 1
    for i in range(n):
        if not reached[i]:
            x[i] = 0.0


@kernel
def settle_lane(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    assets: Float,
    owed: Float,
    own: Float,
    debt: Float,
    slack0: Float,
    beta: float,
    at_zero: bool,
    rising: bool,
    limit: int,
    max_rounds: int,
    x: Float,
    wave: Int,
) -> tuple[int, int]:
    r"""Play the fictitious default algorithm for one draw, from above or from below.

    From above nobody has failed at first; in each round the agents fail whose net worth
    :math:`e_i + \sum_j A_{ij} x_j - \bar p_i` is negative although all failures known before are settled exactly. From
    below all have failed that would if nobody paid anything, and in each round those are saved whose net worth is not
    negative at the least payments of all others. It ends when nothing changes.

    Parameters
    ----------
    rows, columns : tuple of int64[n + 1], int32[n_edges], float64[n_edges]
        Exposures by creditor and by debtor.
    assets, owed : float64[n], currency
        External assets and all debt, for the test of default.
    own, debt : float64[n], currency
        Means that do not come from claims, net of what ranks before; debt that ranks with interbank debt, included.
    slack0 : float64[n], currency
        The part of `debt` owed to outsiders.
    beta : float
        Share of interbank assets that survives default, 1.
    at_zero : bool
        Whether a net worth of exactly zero is a default.
    rising : bool
        Whether the least clearing vector is wanted rather than the greatest.
    limit, max_rounds : int
        Most agents in one elimination; most rounds.
    x, wave : float64[n], int64[n]
        Overwritten: recoveries, and the round in which an agent fails (0 = never; from below all do so in the first).

    Returns
    -------
    tuple of int
        Rounds played, and how it ended.

    References
    ----------
    Eisenberg and Noe (2001), section 3.1; Rogers and Veraart (2013), section 3 with definition 3.6.
    """
    n = x.size
    inside, below = np.zeros(n), np.zeros(n)
    defaulted, paying = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    x[:] = 1.0
    wave[:] = 0
    if not rising:
        gather(rows[0], rows[1], rows[2], x, inside)
    for level in range(1, max_rounds + 1):
        changed = False
        for i in range(n):
            worth = assets[i] + inside[i] - owed[i]
            fails = worth < 0.0 or (at_zero and worth == 0.0)
            if fails and not defaulted[i] and (level == 1 or not rising):
                defaulted[i] = True
                wave[i] = level
                changed = True
            elif rising and defaulted[i] and not fails:
                defaulted[i] = False
                wave[i] = 0
                changed = True
        if not changed and (level > 1 or not rising):
            return level, DONE
        if rising:
            paying[:] = False
            x[:] = 1.0
            gather(rows[0], rows[1], rows[2], x, inside)
        if _down(rows, columns, own, debt, slack0, beta, defaulted, paying, limit, x, inside) != DONE:
            return level, TOO_LARGE
        if rising:
            _drain(columns, own, defaulted, x)
            for i in range(n):
                # Values only rise from one round to the next; see `_eliminated` for why this is enforced.
                x[i] = max(x[i], below[i]) if debt[i] > 0.0 else 1.0
                below[i] = x[i]
            gather(rows[0], rows[1], rows[2], x, inside)
    return max_rounds, OUT_OF_ROUNDS


@kernel
def settle_lanes(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    assets: Float,
    owed: Float,
    own: Float,
    debt: Float,
    slack0: Float,
    beta: float,
    at_zero: bool,
    rising: bool,
    limit: int,
    max_rounds: int,
    lanes: Int,
    x_out: Float,
    wave_out: Int,
    rounds_out: Int,
    end_out: Int,
) -> None:
    """Settle some draws of a block, each on its own.

    Parameters
    ----------
    rows, columns : tuple of int64[n + 1], int32[n_edges], float64[n_edges]
        Exposures by creditor and by debtor.
    assets, owed, own, debt, slack0 : float64[n, n_lanes], currency
        As in `settle_lane`, for every draw.
    beta : float
        Share of interbank assets that survives default, 1.
    at_zero, rising : bool
        Whether a net worth of zero is a default; whether the least vector is wanted rather than the greatest.
    limit, max_rounds : int
        Most agents in one elimination; most rounds.
    lanes : int64[n_wanted]
        Which draws.
    x_out, wave_out : float64[n, n_lanes], int64[n, n_lanes]
        Overwritten in these draws.
    rounds_out, end_out : int64[n_lanes]
        Overwritten in these draws: rounds played, and how they ended.
    """
    n = x_out.shape[0]
    x, wave = np.empty(n), np.empty(n, dtype=np.int64)
    for lane in lanes:
        e, p, w = assets[:, lane].copy(), owed[:, lane].copy(), own[:, lane].copy()
        d, s = debt[:, lane].copy(), slack0[:, lane].copy()
        rounds, end = settle_lane(rows, columns, e, p, w, d, s, beta, at_zero, rising, limit, max_rounds, x, wave)
        rounds_out[lane], end_out[lane] = rounds, end
        for i in range(n):
            x_out[i, lane] = x[i]
            wave_out[i, lane] = wave[i]
