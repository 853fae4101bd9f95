"""The fitness model: who lends much and who borrows much are likely to meet; the density is given."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.kernels.fitness import expected_links
from sim.networks.base import GENERATORS, Generator, Margins, drawn_layer
from sim.networks.large import LARGE, drawn_by_row
from sim.networks.layer import Layer
from sim.streams import Draws

MOST_STEPS = 1_000


@GENERATORS.register("fitness")
class Fitness(Generator):
    r"""Links drawn one by one, the likelier the more both sides trade; then every bank's totals are met.

    Bank i has lent :math:`a_i` to all others together, bank j has borrowed :math:`l_j`. A link is drawn with
    probability

    .. math::
        p_{ij} = \frac{z\, a_i l_j}{1 + z\, a_i l_j}, \qquad \sum_{i \ne j} p_{ij} = \text{density} \cdot n (n - 1)

    independently of all others; the second equation fixes z. A link that is drawn starts with the weight
    :math:`a_i l_j / (W p_{ij})`, W the total, so that the expected weight is that of the gravity model. Rows and
    columns are then scaled until every total is met on the links drawn. Where they cannot carry the totals, the links
    that were nearest to being drawn are added; the layer tells how many.

    References
    ----------
    Musmeci, N., Battiston, S., Caldarelli, G., Puliga, M. and Gabrielli, A. (2013), Bootstrapping topological
    properties and systemic risk of complex networks using the fitness model, Journal of Statistical Physics 151,
    720-734. Cimini, G., Squartini, T., Garlaschelli, D. and Gabrielli, A. (2015), Systemic risk analysis on
    reconstructed economic and financial networks, Scientific Reports 5, 15758.
    """

    density: float = Field(default=0.12, gt=0, le=1)
    """Share of the ordered pairs of banks that is linked, in expectation and before any link is added, 1."""

    @property
    def how(self) -> str:
        """How the claims were made."""
        return f"fitness model of expected density {self.density:g}, totals met on the links drawn"

    def problems(self, margins: Margins) -> list[str]:
        """Return why the density cannot be reached.

        Parameters
        ----------
        margins : Margins
            Totals.

        Returns
        -------
        list of str
            At most one.
        """
        n = len(margins.ids)
        lends, owes = margins.assets > 0.0, margins.liabilities > 0.0
        pairs = int(lends.sum()) * int(owes.sum()) - int((lends & owes).sum())
        if self.density * n * (n - 1) <= pairs:
            return []
        most = pairs / (n * (n - 1))
        return [f"density = {self.density:g}: only {most:.3g} of all pairs have something to lend and to borrow"]

    def layer(self, name: str, margins: Margins, draws: Draws, stream: str) -> Layer:
        """Make the claims of one network.

        Parameters
        ----------
        name : str
            Of the layer.
        margins : Margins
            Totals.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        Layer
            Every total met.
        """
        if len(margins.ids) > LARGE:
            return self._large(name, margins, draws, stream)
        return drawn_layer(name, margins, probabilities(products(margins), self.density), draws, stream)

    def _large(self, name: str, margins: Margins, draws: Draws, stream: str) -> Layer:
        """Make the claims of a network that is too large for a matrix of all pairs."""
        total = float(margins.assets.sum()) or 1.0
        lent, owed = margins.assets / total, margins.liabilities / total
        z = parameter(lent, owed, self.density)

        def chance(row: int) -> Float:
            odds = z * lent[row] * owed
            odds[row] = 0.0
            return np.asarray(odds / (1.0 + odds))

        return drawn_by_row(name, margins.ids, (margins.assets, margins.liabilities), chance, draws, stream)


def parameter(lent: Float, owed: Float, density: float) -> float:
    r"""Return z for which the link probabilities add to a given number of links, without a matrix of all pairs.

    Parameters
    ----------
    lent, owed : float64[n], 1
        Shares in all claims of each bank as creditor and as debtor.
    density : float
        In (0, 1]: share of all n (n - 1) ordered pairs.

    Returns
    -------
    float
        By Newton's steps from the left; very large where all possible pairs are to be linked.
    """
    wanted, sums = density * lent.size * (lent.size - 1), np.zeros(2)
    z = 0.0
    for _ in range(MOST_STEPS):
        expected_links(lent, owed, z, sums)
        step = (wanted - sums[0]) / sums[1]
        if not step > 1e-12 * z:
            break
        z += step
    return z


def products(margins: Margins) -> Float:
    """Return the product of what both sides of a link trade, as shares of all claims.

    Parameters
    ----------
    margins : Margins
        Totals.

    Returns
    -------
    float64[n_agents, n_agents], 1
        0 on the diagonal.
    """
    total = float(margins.assets.sum()) or 1.0
    found = np.outer(margins.assets / total, margins.liabilities / total)
    np.fill_diagonal(found, 0.0)
    return found


def probabilities(products: Float, density: float) -> Float:
    r"""Return link probabilities that add to a given number of links.

    The sum is concave in z, so Newton's steps from the left never pass the solution.

    Parameters
    ----------
    products : float64[n, n]
        Fitness of one side times that of the other; 0 where there can be no link.
    density : float
        In (0, 1]: share of all n (n - 1) ordered pairs.

    Returns
    -------
    float64[n, n], 1
        :math:`z x / (1 + z x)`.
    """
    n = products.shape[0]
    wanted, possible = density * n * (n - 1), np.count_nonzero(products)
    if wanted >= possible:
        return np.where(products > 0.0, 1.0, 0.0)
    z = wanted / float(products.sum())
    for _ in range(MOST_STEPS):
        odds = 1.0 + z * products
        short = wanted - float((z * products / odds).sum())
        step = short / float((products / (odds * odds)).sum())
        if not step > 1e-15 * z:
            break
        z += step
    found: Float = z * products / (1.0 + z * products)
    return found
