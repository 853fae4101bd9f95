"""Exact linear systems of clearing: money that circulates among agents and leaks out of their circle."""

from __future__ import annotations

from sim.arrays import Float
from sim.kernels.jit import kernel


@kernel
def solve_leaky(off: Float, slack: Float, rhs: Float, free: Float, x_out: Float) -> int:
    r"""Solve a column diagonally dominant system without ever subtracting.

    .. math::
        \Big(s_k + \sum_{i \ne k} a_{ik}\Big) x_k - \sum_{j \ne k} a_{kj} x_j = b_k

    Elimination carries the slack :math:`s` of every column along, so that each pivot is a sum of what is left of its
    column. With a right-hand side of one sign every component has a relative error of a few rounding errors per
    agent, however close the spectral radius is to one and over how many decades the amounts are spread.

    Parameters
    ----------
    off : float64[m, m], currency
        Off-diagonal part :math:`a \ge 0`, row who is paid, column who pays; the diagonal is not read. Destroyed.
    slack : float64[m], currency
        What each column pays out of the circle, 0 or more. Destroyed.
    rhs : float64[m], currency
        What each row has of its own. Destroyed.
    free : float64[m], 1
        Value given to the last member of a closed circle (no slack), whose level the equations leave open.
    x_out : float64[m], 1
        Overwritten.

    Returns
    -------
    int
        How many closed circles were met; 0 when the solution is unique.

    References
    ----------
    Grassmann, Taksar and Heyman (1985), Operations Research 33(5); Alfa, Xue and Ye (2002), Mathematics of
    Computation 71(237), for the accuracy.
    """
    m = rhs.size
    closed = 0
    for k in range(m):
        pivot = slack[k]
        for i in range(k + 1, m):
            pivot += off[i, k]
        off[k, k] = pivot
        if pivot <= 0.0:
            closed += 1
            continue
        leak = slack[k] / pivot
        for j in range(k + 1, m):
            slack[j] += leak * off[k, j]
        for i in range(k + 1, m):
            share = off[i, k] / pivot
            if share > 0.0:
                rhs[i] += share * rhs[k]
                for j in range(k + 1, m):
                    off[i, j] += share * off[k, j]
    for k in range(m - 1, -1, -1):
        if off[k, k] <= 0.0:
            x_out[k] = free[k]
            continue
        paid = rhs[k]
        for j in range(k + 1, m):
            paid += off[k, j] * x_out[j]
        x_out[k] = paid / off[k, k]
    return closed
