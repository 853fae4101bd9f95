"""Sums over all pairs of agents without a matrix of them."""

from __future__ import annotations

from sim.arrays import Float
from sim.kernels.jit import kernel


@kernel
def expected_links(lent: Float, owed: Float, z: float, out: Float) -> None:
    r"""Sum the link probabilities of the fitness model over all ordered pairs, and their slope.

    .. math::
        L(z) = \sum_{i \ne j} \frac{z x_{ij}}{1 + z x_{ij}}, \quad
        L'(z) = \sum_{i \ne j} \frac{x_{ij}}{(1 + z x_{ij})^2}, \quad x_{ij} = a_i l_j

    Parameters
    ----------
    lent, owed : float64[n], 1
        Fitness of each agent as creditor and as debtor.
    z : float
        Parameter of the model, 0 or more.
    out : float64[2]
        Overwritten with the two sums, added row by row.

    References
    ----------
    Cimini, G., Squartini, T., Garlaschelli, D. and Gabrielli, A. (2015), Scientific Reports 5, 15758, equation 2.
    """
    links = 0.0
    slope = 0.0
    for i in range(lent.size):
        row_links = 0.0
        row_slope = 0.0
        for j in range(owed.size):
            if i != j:
                x = lent[i] * owed[j]
                odds = 1.0 + z * x
                row_links += z * x / odds
                row_slope += x / (odds * odds)
        links += row_links
        slope += row_slope
    out[0] = links
    out[1] = slope
