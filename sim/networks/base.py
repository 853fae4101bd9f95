"""The contract of a network generator: from what agents lend and borrow in total to who has claims on whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from sim.arrays import Float
from sim.errors import PluginError, shown
from sim.networks.layer import Layer
from sim.networks.weights import missed, weigh
from sim.plugins import Plugin, Registry, who
from sim.streams import Draws

MET = 1e-6
"""Largest relative gap between a total given and the claims made of it."""

RARE = 1e-9
"""Links of probability 0 are added after all others, as if they had this one."""


@dataclass(frozen=True)
class Margins:
    """What a generator knows of the agents of a layer; columns, and no system.

    Parameters
    ----------
    ids : tuple of str
        Agents, in the order of the columns.
    assets, liabilities : float64[n_agents], currency
        What each has lent to, and borrowed from, all others of the layer together; both add to the same total.
    size : float64[n_agents], currency
        Total assets.
    """

    ids: tuple[str, ...]
    assets: Float
    liabilities: Float
    size: Float


class Maker(Plugin):
    """What makes a part of a system that nobody observed: claims from totals, or a table from other tables."""

    is_random: ClassVar[bool] = True
    """Whether one network differs from the next; if not, there is only one."""

    contract: ClassVar[str] = ""
    """What a generator must have beside its parameters."""

    @property
    def how(self) -> str:
        """How the part was made, for the list of what is imputed."""
        return f"network generator {who(self)}"


class Generator(Maker):
    """How the claims of a layer are made where only totals are known; a frozen record of parameters."""

    contract: ClassVar[str] = "layer(name, margins, draws, stream)"

    def problems(self, margins: Margins) -> list[str]:  # noqa: ARG002 - a contract
        """Return what is wrong with these parameters for these agents.

        Parameters
        ----------
        margins : Margins
            Totals.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        return []

    def layer(self, name: str, margins: Margins, draws: Draws, stream: str) -> Layer:
        """Make the claims of one network.

        Parameters
        ----------
        name : str
            Of the layer.
        margins : Margins
            Totals.
        draws : Draws
            Random numbers; its one lane is the number of the network, so no network depends on how many there are.
        stream : str
            Name that the streams used must begin with.

        Returns
        -------
        Layer
            Over the agents of `margins`, ``imputed``; row sums and column sums are the totals.
        """
        raise NotImplementedError(f"network generator {self.name!r} makes nothing")


def _broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a generator, as far as can be told without calling it."""
    if not (isinstance(cls, type) and issubclass(cls, Maker) and cls.contract):
        return [f"is {shown(cls)}, no subclass of sim.networks.base.Generator or sim.networks.tables.TableGenerator"]
    name = cls.contract.partition("(")[0]
    given = next(part for part in cls.__mro__ if name in vars(part))
    return [f"lacks {cls.contract}"] if "contract" in vars(given) else []


GENERATORS: Registry[type[Maker]] = Registry("network generator", "sim.networks", _broken)


def made(generator: Generator, name: str, margins: Margins, draws: Draws) -> Layer:
    """Return the layer that a generator makes, held to its contract.

    Parameters
    ----------
    generator : Generator
        With its parameters.
    name : str
        Of the layer.
    margins : Margins
        Totals.
    draws : Draws
        One lane: the number of the network.

    Returns
    -------
    Layer
        Over the agents of `margins`.

    Raises
    ------
    PluginError
        If it is no layer of these agents, is not labelled as imputed, or does not have their totals.
    """
    found: Any = generator.layer(name, margins, draws, f"networks.{name}")
    said = f"network generator {who(generator)}"
    if not isinstance(found, Layer):
        raise PluginError(f"{said} returned {shown(found)}; allowed: a Layer")
    if found.ids != margins.ids or found.name != name or not found.imputed:
        raise PluginError(f"{said} returned {found!r}; allowed: layer {name!r} of the agents given, imputed=True")
    gap = missed(found.to_scipy(), margins.assets, margins.liabilities)
    if not gap <= MET:
        raise PluginError(f"{said} misses a total by {gap:.2g} of it; allowed: {MET:g}")
    return found


def pair_uniforms(draws: Draws, stream: str, ids: tuple[str, ...]) -> Float:
    """Draw one uniform number for every ordered pair of agents.

    A pair's number is a function of both ids: other agents may come or go, or be listed in another order.

    Parameters
    ----------
    draws : Draws
        One lane: the number of the network.
    stream : str
        What the numbers are for.
    ids : tuple of str
        Agents.

    Returns
    -------
    float64[n_agents, n_agents], 1
        In (0, 1); row: creditor, column: debtor.
    """
    found = np.empty((len(ids), len(ids)))
    for row, creditor in enumerate(ids):
        found[row] = draws.uniform(f"{stream}/{creditor}", ids)[:, 0]
    return found


def drawn_layer(name: str, margins: Margins, chances: Float, draws: Draws, stream: str) -> Layer:
    r"""Draw every link on its own and give the links weights that meet the totals.

    Parameters
    ----------
    name : str
        Of the layer.
    margins : Margins
        Totals.
    chances : float64[n_agents, n_agents], 1
        Probability of each link.
    draws : Draws
        One lane: the number of the network.
    stream : str
        What streams begin with.

    Returns
    -------
    Layer
        With a note on links added. Weights before scaling are :math:`a_i l_j / p_{ij}`, so that the expected ones are
        those of the gravity model; a link that could not be drawn starts with :math:`a_i l_j`.
    """
    luck = pair_uniforms(draws, f"{stream}/links", margins.ids)
    gravity = np.outer(margins.assets, margins.liabilities)
    prior = np.divide(gravity, chances, out=gravity.copy(), where=chances > 0.0)
    # the smaller the number against the probability, the nearer a link is to being drawn
    order = luck / np.maximum(chances, RARE)
    found = weigh(prior, luck < chances, order, margins.assets, margins.liabilities)
    layer = Layer.from_matrix(name, margins.ids, found.claims, imputed=True)
    return replace(layer, note=found.note)
