"""DebtRank's kernels: the answer to a loss, the single hit, and the exact end of a slow linear case."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Index, Int
from sim.kernels.jit import element, kernel
from sim.kernels.special import exp

UNIT = 2.0**-53  # largest relative error of one rounding
SPLITTER = 134217729.0  # 2^27 + 1: splits a number into two halves of 26 bits, whose products are exact
REFINEMENTS = 30  # corrections after which a linear system counts as singular


@element
def _stressed(shock: float, loss: float, equity: float) -> float:
    """Return the relative loss of equity, at most 1; without equity any loss takes all of it."""
    if equity > 0.0:
        return min(1.0, shock + loss / equity)
    return 1.0 if shock > 0.0 or loss > 0.0 else 0.0


@kernel
def stress_of(pressure: Float, shock: Float, equity: Float, stress_out: Float) -> None:
    r"""Turn losses into stress: :math:`h_i = \min(1, h_i(1) + x_i / E_i)`.

    Parameters
    ----------
    pressure, shock, equity : float64[n_agents, n_lanes]
        Loss by contagion, currency; stress before contagion, 1; equity before any event, currency.
    stress_out : float64[n_agents, n_lanes], 1
        Overwritten; may be `pressure`.
    """
    for i in range(pressure.shape[0]):
        for lane in range(pressure.shape[1]):
            stress_out[i, lane] = _stressed(shock[i, lane], pressure[i, lane], equity[i, lane])


@kernel
def emit(stress: Float, alpha: float, floor: Float) -> None:
    r"""Turn stress into the probability of default: :math:`p(h) = \min(1, h e^{\alpha (h - 1)})`.

    Parameters
    ----------
    stress : float64[n_agents, n_lanes], 1
        Overwritten with what each agent emits.
    alpha : float
        0 gives the stress itself.
    floor : float64[n_agents, n_lanes], 1
        What was emitted before, raised in place: a rounding of the exponential cannot make a rising signal fall.
    """
    for i in range(stress.shape[0]):
        for lane in range(stress.shape[1]):
            h = stress[i, lane]
            p = h if alpha == 0.0 else min(1.0, h * exp(alpha * (h - 1.0)))
            floor[i, lane] = max(floor[i, lane], p)
            stress[i, lane] = floor[i, lane]


@kernel
def hit_once(
    debtor_ptr: Int,
    creditors: Index,
    weights: Float,
    equity: Float,
    shock: Float,
    capped: bool,
    max_rounds: int,
    stress_out: Float,
    loss_out: Float,
    rounds_out: Int,
    left_out: Float,
) -> None:
    r"""Play the DebtRank of 2012, in which every agent passes its stress on once.

    .. math::
        h_i(t) = \min\Bigl(1, h_i(t - 1) + \sum_{j: s_j(t-1) = D} W_{ij} h_j(t - 1)\Bigr)

    Parameters
    ----------
    debtor_ptr, creditors, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        Row ``j`` holds the creditors of debtor ``j``, ascending, and what each loses when j defaults, currency.
    equity, shock : float64[n_draws, n_agents]
        Equity before any event, currency; stress before contagion, 1.
    capped, max_rounds : bool, int
        Whether a debtor costs a creditor at most its equity, :math:`W = \min(1, A / E)`; rounds after which to stop.
    stress_out, loss_out : float64[n_draws, n_agents]
        Overwritten: stress, 1; loss by contagion in currency, not limited by equity.
    rounds_out, left_out : int64[n_draws], float64[n_draws]
        Overwritten: rounds played; largest stress not yet passed on, 0 at the end.
    """
    n_draws, n_agents = shock.shape
    was_distressed = np.zeros(n_agents, dtype=np.bool_)
    relative = np.zeros(n_agents)
    queue = np.empty(n_agents, dtype=np.int32)
    touched = np.empty(n_agents, dtype=np.int32)
    marked = np.zeros(n_agents, dtype=np.bool_)
    for draw in range(n_draws):
        tail = 0
        for i in range(n_agents):
            stress_out[draw, i] = _stressed(shock[draw, i], 0.0, equity[draw, i])
            loss_out[draw, i] = 0.0
            was_distressed[i] = shock[draw, i] > 0.0
            if was_distressed[i]:
                queue[tail] = i
                tail += 1
        head, played = 0, 0
        while head < tail and played < max_rounds:
            played += 1
            n_touched = 0
            for place in range(head, tail):
                j = queue[place]
                h = stress_out[draw, j]
                for e in range(debtor_ptr[j], debtor_ptr[j + 1]):
                    i, amount = creditors[e], weights[e]
                    own = equity[draw, i]
                    if amount == 0.0:
                        continue
                    if capped and own > 0.0:
                        amount = min(amount, own)
                    relative[i] += amount / own * h if own > 0.0 else 1.0
                    loss_out[draw, i] += amount * h
                    if not marked[i]:
                        marked[i] = True
                        touched[n_touched] = i
                        n_touched += 1
            head = tail
            for place in range(n_touched):
                i = touched[place]
                stress_out[draw, i] = min(1.0, stress_out[draw, i] + relative[i])
                relative[i], marked[i] = 0.0, False
                if not was_distressed[i] and stress_out[draw, i] > 0.0:
                    was_distressed[i] = True
                    queue[tail] = i
                    tail += 1
            queue[head:tail].sort()  # the next round adds up in the order of agents
        left = 0.0
        for place in range(head, tail):
            left = max(left, stress_out[draw, queue[place]])
        rounds_out[draw], left_out[draw] = played, left


@kernel
def exposed_to(debtor_ptr: Int, creditors: Index, weights: Float, shock: Float, agents_out: Index) -> int:
    """Find the agents that stress can reach, from debtor to creditor.

    Parameters
    ----------
    debtor_ptr, creditors, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        As in `hit_once`.
    shock, agents_out : float64[n_agents], int32[n_agents]
        Stress before contagion, 1; overwritten from the front: the shocked and all that depend on them, ascending.

    Returns
    -------
    int
        How many.
    """
    seen = np.zeros(shock.size, dtype=np.bool_)
    count = 0
    for i in range(shock.size):
        if shock[i] > 0.0:
            seen[i] = True
            agents_out[count] = i
            count += 1
    head = 0
    while head < count:
        j = agents_out[head]
        head += 1
        for e in range(debtor_ptr[j], debtor_ptr[j + 1]):
            i = creditors[e]
            if weights[e] > 0.0 and not seen[i]:
                seen[i] = True
                agents_out[count] = i
                count += 1
    agents_out[:count].sort()
    return count


@element
def _add_exactly(high: float, low: float, term: float) -> tuple[float, float]:
    """Add a number to a sum of two, keeping what rounds off (Knuth)."""
    total = high + term
    part = total - high
    return total, low + ((high - (total - part)) + (term - part))


@element
def _product_rest(a: float, b: float, product: float) -> float:
    """Return what rounds off in a product (Dekker)."""
    x, y = SPLITTER * a, SPLITTER * b
    a_high, b_high = x - (x - a), y - (y - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def shortfall(indptr: Int, indices: Index, weights: Float, shock: float, equity: float, stress: Float, i: int) -> float:
    r"""Return by how much an uncapped row misses its equation: :math:`h_i(1) + \sum_j A_{ij} h_j / E_i - h_i`.

    Parameters
    ----------
    indptr, indices, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        Creditors' rows, currency.
    shock, equity : float
        Stress before contagion, 1, and equity before any event, currency, of the agent.
    stress : float64[n_agents], 1
        Candidate.
    i : int
        The agent.

    Returns
    -------
    float
        1; summed in twice the working precision.
    """
    high, low = 0.0, 0.0
    for e in range(indptr[i], indptr[i + 1]):
        a, b = weights[e], stress[indices[e]]
        product = a * b
        high, low = _add_exactly(high, low, product)
        low += _product_rest(a, b, product)
    product = equity * shock
    high, low = _add_exactly(high, low, product)
    low += _product_rest(equity, shock, product)
    product = equity * stress[i]
    high, low = _add_exactly(high, low, -product)
    return (high + (low - _product_rest(equity, stress[i], product))) / equity


@kernel
def eliminate(matrix: Float) -> bool:
    r"""Factor an M-matrix in place: :math:`I - \Lambda = L U`, without pivoting.

    Every pivot of a nonsingular M-matrix is positive, all other entries only grow in one direction and never cancel,
    so small stresses come out as accurate as large ones.

    Parameters
    ----------
    matrix : float64[m, m], 1
        Overwritten with both factors.

    Returns
    -------
    bool
        Whether all pivots are positive.

    References
    ----------
    Berman and Plemmons (1994), "Nonnegative matrices in the mathematical sciences", chapter 6.
    """
    m = matrix.shape[0]
    for k in range(m):
        pivot = matrix[k, k]
        if not pivot > 0.0:
            return False
        for i in range(k + 1, m):
            if matrix[i, k] != 0.0:
                factor = matrix[i, k] / pivot
                matrix[i, k] = factor
                for j in range(k + 1, m):
                    matrix[i, j] -= factor * matrix[k, j]
    return True


@kernel
def substitute(factors: Float, values: Float) -> None:
    """Solve with the factors of `eliminate`.

    Parameters
    ----------
    factors, values : float64[m, m], float64[m], 1
        As `eliminate` left them; right-hand side, overwritten with the solution.
    """
    m = values.size
    for i in range(m):
        for j in range(i):
            values[i] -= factors[i, j] * values[j]
    for i in range(m - 1, -1, -1):
        for j in range(i + 1, m):
            values[i] -= factors[i, j] * values[j]
        values[i] /= factors[i, i]


@kernel
def solve_uncapped(
    indptr: Int, indices: Index, weights: Float, shock: Float, equity: Float, free: Index, stress: Float
) -> bool:
    r"""Solve :math:`h_U = h_U(1) + \Lambda_{UU} h_U + \Lambda_{UC} h_C` for the uncapped agents U.

    Parameters
    ----------
    indptr, indices, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        Creditors' rows, currency.
    shock, equity, free : float64[n_agents], float64[n_agents], int32[m]
        Stress before contagion, 1; equity before any event, currency; the uncapped agents.
    stress : float64[n_agents], 1
        1 for the capped, 0 for those that stress cannot reach; entries of `free` are overwritten.

    Returns
    -------
    bool
        Whether corrections from residuals in twice the working precision died out, that is, whether the solution is
        accurate to a few units in the last place however close the spectral radius is to 1.
    """
    m = free.size
    place = np.full(stress.size, -1, dtype=np.int32)
    for k in range(m):
        place[free[k]] = k
        stress[free[k]] = 0.0
    factors = np.zeros((m, m))
    for k in range(m):
        i = free[k]
        factors[k, k] = 1.0
        for e in range(indptr[i], indptr[i + 1]):
            if place[indices[e]] >= 0:
                factors[k, place[indices[e]]] -= weights[e] / equity[i]
    if not eliminate(factors):
        return False
    correction = np.empty(m)
    before = np.inf
    for _ in range(REFINEMENTS):
        for k in range(m):
            i = free[k]
            correction[k] = shortfall(indptr, indices, weights, shock[i], equity[i], stress, i)
        substitute(factors, correction)
        largest = 0.0
        for k in range(m):
            stress[free[k]] += correction[k]
            if not stress[free[k]] >= 0.0:
                return False
            if stress[free[k]] > 0.0:
                largest = max(largest, abs(correction[k]) / stress[free[k]])
        if largest <= 4.0 * UNIT:
            return True
        if not largest < before:
            return largest <= 64.0 * UNIT
        before = largest
    return False


@kernel
def settle_caps(
    indptr: Int, indices: Index, weights: Float, shock: Float, equity: Float, agents: Index, stress_out: Float
) -> tuple[int, bool]:
    r"""Find the fixed point of linear DebtRank by policy iteration from above.

    .. math:: h = \min(1, h(1) + \Lambda h)

    The map is isotone and concave, so among the agents that stress reaches it has one fixed point. From
    :math:`h = 1` the set of agents for whom the cap does not bind only grows, and each set costs one linear solve.

    Parameters
    ----------
    indptr, indices, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        Creditors' rows, currency.
    shock, equity, agents : float64[n_agents], float64[n_agents], int32[m]
        Stress before contagion, 1; equity before any event, currency; whom stress reaches (`exposed_to`).
    stress_out : float64[n_agents], 1
        Overwritten.

    Returns
    -------
    tuple of int and bool
        Linear solves, and whether all were accurate.

    References
    ----------
    Howard (1960), "Dynamic programming and Markov processes", chapter 4, for the iteration.
    """
    stress_out[:] = 0.0
    for i in agents:
        stress_out[i] = 1.0
    is_free = np.zeros(stress_out.size, dtype=np.bool_)
    free = np.empty(agents.size, dtype=np.int32)
    solves = 0
    while True:
        grew = False
        for i in agents:
            if not is_free[i] and equity[i] > 0.0:
                lost = 0.0
                for e in range(indptr[i], indptr[i + 1]):
                    lost += weights[e] * stress_out[indices[e]]
                if _stressed(shock[i], lost, equity[i]) < 1.0:
                    is_free[i], grew = True, True
        if not grew:
            return solves, True
        count = 0
        for i in agents:
            if is_free[i]:
                free[count] = i
                count += 1
        solves += 1
        if not solve_uncapped(indptr, indices, weights, shock, equity, free[:count], stress_out):
            return solves, False
        for k in range(count):
            stress_out[free[k]] = min(1.0, stress_out[free[k]])
