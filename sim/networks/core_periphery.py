"""Core and periphery: large banks lend to each other and to the small ones, small banks hardly to each other."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float
from sim.networks.base import GENERATORS, Generator, Margins, drawn_layer
from sim.networks.layer import Layer
from sim.streams import Draws


@GENERATORS.register("core_periphery")
class CorePeriphery(Generator):
    r"""A tiered market: the largest banks all lend to each other, the others lend and borrow through them.

    The core is the largest ``core`` share of the banks by total assets. Links are drawn independently, with probability
    ``within_core`` between two core banks, ``within_periphery`` between two others, and q between the two tiers in
    either direction, where q makes the expected number of links ``density`` times the number of ordered pairs. Weights
    start from the gravity model and are scaled until every total is met on the links drawn. Where they cannot carry the
    totals, the links nearest to being drawn are added, those of probability 0 last; the layer tells how many.

    References
    ----------
    Craig, B. and von Peter, G. (2014), Interbank tiering and money center banks, Journal of Financial Intermediation
    23(3), 322-347: the perfect tiering is within_core = 1, within_periphery = 0.
    """

    core: float = Field(default=0.25, gt=0, lt=1)
    """Share of the banks that form the core, the largest ones; at least one bank, 1."""

    density: float = Field(default=0.12, gt=0, le=1)
    """Share of the ordered pairs of banks that is linked, in expectation and before any link is added, 1."""

    within_core: float = Field(default=1.0, ge=0, le=1)
    """Probability of a link between two core banks, 1."""

    within_periphery: float = Field(default=0.0, ge=0, le=1)
    """Probability of a link between two banks outside the core, 1."""

    @property
    def how(self) -> str:
        """How the claims were made."""
        return f"core of {self.core:g} of the banks, expected density {self.density:g}, totals met on the links drawn"

    def problems(self, margins: Margins) -> list[str]:
        """Return why the density cannot be reached.

        Parameters
        ----------
        margins : Margins
            Totals.

        Returns
        -------
        list of str
            At most one, with the densities that can be.
        """
        fixed, between = self._links(margins)
        n = len(margins.ids)
        pairs = max(1, n * (n - 1))
        low = float(fixed.sum()) / pairs
        high = low + int(np.count_nonzero(between)) / pairs
        if low <= self.density <= high:
            return []
        count = int(self._core(margins).sum())
        return [f"density = {self.density:g}: with {count} of {n} banks in the core it is from {low:.3g} to {high:.3g}"]

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
        fixed, between = self._links(margins)
        n = len(margins.ids)
        left = self.density * n * (n - 1) - float(fixed.sum())
        share = min(1.0, max(0.0, left / max(1, int(np.count_nonzero(between)))))
        return drawn_layer(name, margins, np.where(between, share, fixed), draws, stream)

    def _core(self, margins: Margins) -> Bool:
        """The largest banks; of equal ones those whose id comes first."""
        n = len(margins.ids)
        order = sorted(range(n), key=lambda row: (-margins.size[row], margins.ids[row]))
        core = np.zeros(n, dtype=np.bool_)
        core[order[: max(1, round(self.core * n))]] = True
        return core

    def _links(self, margins: Margins) -> tuple[Float, Bool]:
        """Probabilities inside the tiers, 0 elsewhere; and the pairs between the tiers."""
        core = self._core(margins)
        possible = np.outer(margins.assets > 0.0, margins.liabilities > 0.0)
        np.fill_diagonal(possible, val=False)
        inside = np.where(np.outer(core, core), self.within_core, 0.0)
        inside = np.where(np.outer(~core, ~core), self.within_periphery, inside)
        return np.where(possible, inside, 0.0), possible & (core[:, None] != core)
