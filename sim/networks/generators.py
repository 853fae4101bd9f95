"""The generators that a scenario can name for a layer; `sim.networks.base` is their contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sim.errors import InputError, Problem
from sim.networks import (
    core_periphery,
    firms,
    fitness,
    gravity,
    market_shares,
    portfolio,
    relationships,
    size_classes,
)
from sim.networks.base import GENERATORS, Generator, Margins, made
from sim.networks.layer import Layer
from sim.networks.reconstruct import max_entropy
from sim.streams import Draws

__all__ = [
    "GENERATORS",
    "Generator",
    "Margins",
    "MaxEntropy",
    "Networks",
    "core_periphery",
    "firms",
    "fitness",
    "gravity",
    "made",
    "market_shares",
    "portfolio",
    "relationships",
    "size_classes",
]


@GENERATORS.register("max_entropy")
class MaxEntropy(Generator):
    r"""The most even network that has every bank's totals; there is only one.

    It minimises :math:`\sum_{i \ne j} X_{ij} \log(X_{ij} / (a_i l_j))`, where bank i has lent :math:`a_i` to all others
    together and bank j has borrowed :math:`l_j`. Everybody who lends has a claim on everybody who borrows, so it is one
    end of what the true network can be, usually the one with the least contagion.

    References
    ----------
    Upper, C. and Worms, A. (2004), Estimating bilateral exposures in the German interbank market: Is there a danger of
    contagion?, European Economic Review 48(4), 827-849.
    """

    is_random: ClassVar[bool] = False

    @property
    def how(self) -> str:
        """How the claims were made."""
        return "maximum entropy given both margins, zero diagonal"

    def layer(self, name: str, margins: Margins, draws: Draws, stream: str) -> Layer:  # noqa: ARG002
        """Make the claims of the one network.

        Parameters
        ----------
        name : str
            Of the layer.
        margins : Margins
            Totals.
        draws : Draws
            Not used: nothing is drawn.
        stream : str
            Not used.

        Returns
        -------
        Layer
            Every total met.
        """
        claims = max_entropy(margins.assets, margins.liabilities)
        return Layer.from_matrix(name, margins.ids, claims, imputed=True)


@dataclass(frozen=True)
class Networks:
    """What makes the layers of which only totals are known.

    Parameters
    ----------
    generators : mapping of str to Generator or None
        By layer; None leaves a layer empty.
    draws : Draws
        One lane: the number of the network.
    usual : Generator or None
        Makes the layers that are not named.
    """

    generators: Mapping[str, Generator | None] = field(default_factory=dict)
    draws: Draws = field(default_factory=lambda: Draws(0, [0]))
    usual: Generator | None = field(default_factory=MaxEntropy)

    def of(self, name: str) -> Generator | None:
        """Return what makes a layer.

        Parameters
        ----------
        name : str
            Of the layer.

        Returns
        -------
        Generator or None
            None leaves it empty.
        """
        return self.generators.get(name, self.usual)

    def layer(self, name: str, margins: Margins) -> tuple[Layer, str]:
        """Make a layer.

        Parameters
        ----------
        name : str
            One that is made.
        margins : Margins
            Totals.

        Returns
        -------
        tuple of Layer and str
            Claims over the agents of `margins`, and how they were made.

        Raises
        ------
        InputError
            If the parameters do not fit these agents.
        """
        generator = self.of(name) or MaxEntropy()
        key = f"system.layers.{name}"
        if problems := generator.problems(margins):
            raise InputError([Problem(f"{key}: generator {generator.name}: {said}", key=key) for said in problems])
        layer = made(generator, name, margins, self.draws)
        network = f" in network {int(self.draws.draws[0])}" if generator.is_random else ""
        return layer, generator.how + (f"; {layer.note}{network}" if layer.note else "")
