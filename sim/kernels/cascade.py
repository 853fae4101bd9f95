"""Default cascades as events: who fails, whom that hits, who fails next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Float, Index, Int
from sim.kernels.jit import kernel

Flags = npt.NDArray[np.int32]

UNIT = 2.0**-53
"""Largest relative error of one rounding."""


@kernel
def loss_on_failed(indptr: Int, indices: Index, weights: Float, wave: Flags, latest: int, i: int) -> float:
    r"""Sum what agent i loses on the debtors that have failed, in CSR order.

    .. math:: x_i = \sum_{j: 1 \le wave_j \le latest} w_{ij}

    Parameters
    ----------
    indptr, indices : int64[n_agents + 1], int32[n_edges]
        CSR structure; row ``i`` holds the debtors of creditor ``i``, ascending.
    weights : float64[n_edges], currency
        Loss given default.
    wave : int32[n_agents]
        Wave in which each agent failed, 0 while it stands.
    latest : int
        Later waves are not seen yet.
    i : int
        The creditor.

    Returns
    -------
    float
        Currency; the bits of a pull over the whole row, because what stands adds nothing.
    """
    lost = 0.0
    for e in range(indptr[i], indptr[i + 1]):
        if 0 < wave[indices[e]] <= latest:
            lost += weights[e]
    return lost


@kernel
def begin(first: Int, failing: int, wave: Flags, touched: Bool, queue: Index, hit: Index) -> int:
    """Put those who fail before contagion into the first wave.

    Parameters
    ----------
    first : int64[n_first]
        Agents below the threshold.
    failing : int
        One more that fails first, -1 for none.
    wave, touched : int32, bool, each [n_agents]
        Written for them.
    queue, hit : int32[n_agents]
        Overwritten from the front with them.

    Returns
    -------
    int
        How many.
    """
    tail = 0
    for agent in first:
        queue[tail], wave[agent] = agent, 1
        tail += 1
    if failing >= 0 and wave[failing] == 0:
        queue[tail], wave[failing] = failing, 1
        tail += 1
    for place in range(tail):
        hit[place], touched[queue[place]] = queue[place], True
    return tail


@kernel
def wipe(agents: Index, wave: Flags, stamp: Flags, lost: Float, touched: Bool) -> None:
    """Leave the scratch arrays as they were found.

    Parameters
    ----------
    agents : int32[n_reached]
        Whom a draw reached; nobody else was written to.
    wave, stamp, lost, touched : int32, int32, float64, bool, each [n_agents]
        Zero on return.
    """
    for agent in agents:
        wave[agent], stamp[agent] = 0, 0
        lost[agent], touched[agent] = 0.0, False


@kernel
def play_cascades(
    indptr: Int,
    indices: Index,
    weights: Float,
    debtor_ptr: Int,
    creditors: Index,
    debtor_weights: Float,
    remaining: Float,
    first_ptr: Int,
    first: Int,
    failing: Int,
    at_zero: bool,
    max_rounds: int,
    start: int,
    wave: Flags,
    stamp: Flags,
    lost: Float,
    touched: Bool,
    queue: Index,
    hit: Index,
    fresh: Index,
    agent_out: Index,
    wave_out: Flags,
    loss_out: Float,
    end_out: Int,
    rounds_out: Int,
    unfinished_out: Bool,
) -> int:
    r"""Play draws one after another while their outcomes fit into the lists.

    .. math::
        x_i^t = \sum_{j \in D^t} w_{ij}, \qquad D^{t+1} = D^t \cup \{ i : r_i - x_i^t < 0 \}

    Losses are pushed from the agents that failed in the last wave to their creditors, so agents that nothing reaches
    cost nothing. A pushed sum has its terms in the order of events; where it is too close to the threshold for its
    rounding error, the creditor's whole row is summed in CSR order, and that sum decides. The decisions and the losses
    given back are therefore those of synchronous rounds of whole pulls, bit for bit.

    Parameters
    ----------
    indptr, indices, weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        Creditors' rows: loss given default on each debtor, currency.
    debtor_ptr, creditors, debtor_weights : int64[n_agents + 1], int32[n_edges], float64[n_edges]
        The same edges read from the debtors.
    remaining : float64[1 or n_draws, n_agents], currency
        Equity before contagion; one row serves all draws.
    first_ptr, first : int64[n_rows + 1], int64[n_first]
        Agents that have failed before contagion, by row of `remaining`.
    failing : int64[n_draws]
        One more agent that fails first in each draw, -1 for none.
    at_zero : bool
        Whether an agent fails at zero already.
    max_rounds : int
        Waves after which a draw is cut off.
    start : int
        Draw to begin with.
    wave, stamp, lost, touched : int32, int32, float64, bool, each [n_agents]
        Scratch; zero on entry and on return.
    queue, hit, fresh : int32[n_agents]
        Scratch.
    agent_out, wave_out, loss_out : int32, int32, float64, each [capacity], capacity >= n_agents
        Overwritten from the front, draw by draw: whom the cascade reached (ascending), its wave, its loss in currency.
    end_out, rounds_out, unfinished_out : int64, int64, bool, each [n_draws]
        Where the entries of each draw end, its last wave, and whether more would have failed.

    Returns
    -------
    int
        The first draw not played.
    """
    n_agents, n_draws = indptr.size - 1, failing.size
    used = 0
    for draw in range(start, n_draws):
        if used + n_agents > agent_out.size:
            return draw
        row = draw if remaining.shape[0] > 1 else 0
        tail = begin(first[first_ptr[row] : first_ptr[row + 1]], failing[draw], wave, touched, queue, hit)
        n_hit = tail
        head, latest, unfinished = 0, 0, False
        while head < tail:
            latest += 1
            n_fresh = 0
            for place in range(head, tail):
                debtor = queue[place]
                for e in range(debtor_ptr[debtor], debtor_ptr[debtor + 1]):
                    creditor = creditors[e]
                    lost[creditor] += debtor_weights[e]
                    if not touched[creditor]:
                        touched[creditor] = True
                        hit[n_hit] = creditor
                        n_hit += 1
                    if wave[creditor] == 0 and stamp[creditor] != latest:
                        stamp[creditor] = latest
                        fresh[n_fresh] = creditor
                        n_fresh += 1
            head = tail
            for place in range(n_fresh):
                creditor = fresh[place]
                limit, x = remaining[row, creditor], lost[creditor]
                doubt = (4 + 2 * (indptr[creditor + 1] - indptr[creditor])) * UNIT * x
                if abs(x - limit) <= doubt:
                    x = loss_on_failed(indptr, indices, weights, wave, latest, creditor)
                if x > limit or (at_zero and x == limit):
                    if latest >= max_rounds:
                        unfinished = True
                    else:
                        wave[creditor] = latest + 1
                        queue[tail] = creditor
                        tail += 1
        reached = hit[:n_hit]
        reached.sort()
        for place in range(n_hit):
            agent_out[used + place] = reached[place]
            wave_out[used + place] = wave[reached[place]]
            loss_out[used + place] = loss_on_failed(indptr, indices, weights, wave, latest, reached[place])
        wipe(reached, wave, stamp, lost, touched)
        used += n_hit
        end_out[draw], rounds_out[draw], unfinished_out[draw] = used, latest, unfinished
    return n_draws
