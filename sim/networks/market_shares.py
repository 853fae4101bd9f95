"""Who depends on whose service: providers drawn by their market shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator, power, uniforms
from sim.streams import Draws

Share = Annotated[float, Field(ge=0, le=1)]

FUNCTIONS = {"hosting": "cloud", "core_systems": "software", "models": "ai_data", "payments": "payment"}
"""Function -> kind of the firms that provide it."""

USERS = {
    "hosting": ("banks", "tech_firms", "platforms"),
    "core_systems": ("banks",),
    "models": ("banks", "platforms"),
    "payments": ("banks", "platforms"),
}
"""Types of agents that use each function; firms that host others are hosted by no one."""


@GENERATORS.register("market_shares")
class MarketShares(TableGenerator):
    r"""Each user places its contracts for a function with providers drawn by their market shares.

    A user has a number of contracts for a function; each goes to provider k with probability
    :math:`q_k \propto m_k^c`, where :math:`m_k` is the provider's share in the revenue of its kind. A provider's share
    of the function is its share of the contracts, times what is outsourced. One contract means a single provider, many
    mean that every user has the market in small. The exponent c is the knob of concentration: 1 keeps the market
    shares, 0 makes all providers alike, above 1 the large ones gain.

    References
    ----------
    More than 65 % of firms in the United Kingdom relied on the same four clouds in 2020 (HM Treasury and Bank of
    England). Continuity plans halve the effect of a long outage (Kotidis and Schreft 2025): the default backup.
    """

    tables: ClassVar[tuple[str, ...]] = ("services",)

    contracts: int = Field(default=2, ge=1, le=1000)
    """Contracts of a user for each function."""

    concentration: float = Field(default=1.0, ge=0, le=10)
    """Exponent of the market shares (c), 1."""

    outsourced: float = Field(default=0.65, ge=0, le=1)
    """Part of a bank's function that providers carry; firms and platforms have all of it carried, 1."""

    criticality: dict[str, Share] = Field(default={"hosting": 0.6, "core_systems": 0.6, "models": 0.2, "payments": 0.6})
    """Part of a user's service that is lost with the function; functions left out are not made, 1."""

    backup: float = Field(default=0.5, ge=0, le=1)
    """Part of a function that a user can move to its other providers, 1."""

    @property
    def how(self) -> str:
        """How the dependencies were made."""
        return f"{self.contracts} contracts a function, drawn by market shares to the power {self.concentration:g}"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the functions.

        Parameters
        ----------
        table : str
            ``"services"``.
        known : Known
            The firms.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        kinds = known.texts("tech_firms", "kind")
        found = []
        for function in self.criticality:
            if function not in FUNCTIONS:
                found.append(f"criticality.{function}: no such function; allowed: {', '.join(FUNCTIONS)}")
            elif FUNCTIONS[function] not in kinds:
                found.append(f"criticality.{function}: no technology firm is of kind {FUNCTIONS[function]}")
        return found

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the dependencies of one network.

        Parameters
        ----------
        table : str
            ``"services"``.
        known : Known
            All agents; market shares are those of revenue among firms of a kind.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``services.csv``.
        """
        found = [
            (user, provider, function, share, self.criticality[function], self.backup)
            for function in self.criticality
            for user, provider, share in self._placed(function, known, draws, f"{stream}/{function}")
        ]
        columns = ("user", "provider", "function", "share", "criticality", "backup")
        return {name: [row[place] for row in found] for place, name in enumerate(columns)}

    def _placed(self, function: str, known: Known, draws: Draws, stream: str) -> Iterator[tuple[str, str, float]]:
        """User, provider and share of each dependency on one function."""
        every, kinds = known.ids("tech_firms"), known.texts("tech_firms", "kind")
        of = sorted((row for row, kind in enumerate(kinds) if kind == FUNCTIONS[function]), key=lambda row: every[row])
        names, revenue = [every[row] for row in of], known.numbers("tech_firms", "revenue")[of]
        chances = power(np.maximum(revenue, np.finfo(np.float64).tiny) / revenue.max(), self.concentration)
        upto = np.cumsum(chances) / chances.sum()
        for kind in USERS[function]:
            users = [name for name in known.ids(kind) if name not in names]
            if not users:
                continue
            part = (self.outsourced if kind == "banks" else 1.0) / self.contracts
            placed = np.zeros((len(users), len(names)))
            for contract in range(self.contracts):
                luck = uniforms(draws, f"{stream}/{contract}", users)
                to = np.minimum(np.searchsorted(upto, luck, side="right"), len(names) - 1)
                placed[np.arange(len(users)), to] += part
            for row, user in enumerate(users):
                for place in np.flatnonzero(placed[row]).tolist():
                    yield user, names[place], float(placed[row, place])
