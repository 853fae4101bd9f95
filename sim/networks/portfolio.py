"""Securities: who holds which, and how deep their markets are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator, lognormal, uniforms
from sim.streams import Draws

Share = Annotated[float, Field(ge=0, le=1)]

ISSUERS = {
    "GOV": "government",
    "PFB": "government",
    "NCD": "outside",
    "CORP": "borrowers",
    "EQ": "borrowers",
    "TECHEQ": "tech_firms platforms",
}
"""Government and policy-bank bonds, certificates of deposit, corporate bonds, shares, shares of technology firms."""

IMPACT = {"GOV": 0.5, "PFB": 0.5, "NCD": 1.0, "CORP": 1.0, "EQ": 2.0, "TECHEQ": 2.0}
"""Price impact of each class over the base one."""


@GENERATORS.register("portfolio_mix")
class PortfolioMix(TableGenerator):
    r"""Securities of banks and funds: a common mix with Dirichlet noise.

    A bank's securities are a share of its assets, times a lognormal number of mean 1; their split is a draw from a
    Dirichlet law with mean `mix` and `concentration`, so that a share of mean m has variance
    :math:`m (1 - m) / (c + 1)`. What a fund does not keep at banks it holds in the mix of funds.

    References
    ----------
    Securities of 20 % of assets are the mix of balance sheets assumed for Chinese banks; the split is assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("holdings",)

    securities: float = Field(default=0.2, gt=0, lt=1)
    """Securities over assets of a bank, 1."""

    mix: dict[str, Share] = Field(
        default={"GOV": 0.52, "PFB": 0.2, "NCD": 0.1, "CORP": 0.155, "EQ": 0.02, "TECHEQ": 0.005}
    )
    """Split of a bank's securities, 1."""

    fund_mix: dict[str, Share] = Field(default={"GOV": 0.375, "NCD": 0.625})
    """Split of a fund's securities, 1."""

    concentration: float = Field(default=50.0, gt=0)
    """How close banks are to the common mix: the larger, the closer (c), 1."""

    spread: float = Field(default=0.15, ge=0, le=1)
    """Standard deviation of the logarithm of securities over assets, 1."""

    @property
    def how(self) -> str:
        """How the holdings were made."""
        return f"a common mix with Dirichlet noise of concentration {self.concentration:g}"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the mixes.

        Parameters
        ----------
        table : str
            ``"holdings"``.
        known : Known
            The tables at hand.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        found = []
        for name in ("mix", "fund_mix"):
            total = added(getattr(self, name).values())
            if not abs(total - 1.0) <= 1e-9:
                found.append(f"{name}: its shares add to {total:g}; allowed: 1")
        return found

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the holdings of one network.

        Parameters
        ----------
        table : str
            ``"holdings"``.
        known : Known
            Banks and funds.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``holdings.csv``.
        """
        from scipy.special import gammaincinv

        banks, funds = known.ids("banks"), known.ids("funds")
        total = (
            self.securities
            * known.numbers("banks", "total_assets")
            * lognormal(draws, f"{stream}/total", banks, self.spread)
        )
        # gamma numbers over their sum are a Dirichlet draw
        parts = {
            asset: np.asarray(gammaincinv(self.concentration * mean, uniforms(draws, f"{stream}/{asset}", banks)))
            for asset, mean in self.mix.items()
            if mean > 0.0
        }
        whole = np.zeros(len(banks))
        for part in parts.values():
            whole = whole + part
        agents, assets, amounts = list[str](), list[str](), list[Float]()
        rest = (
            known.numbers("funds", "total_assets") - known.numbers("funds", "cash") - known.numbers("funds", "accounts")
        )
        held = [(banks, asset, total * part / whole) for asset, part in parts.items()]
        held += [(funds, asset, np.maximum(rest, 0.0) * share) for asset, share in self.fund_mix.items()]
        for names, asset, amount in held:
            agents += names
            assets += [asset] * len(names)
            amounts.append(amount)
        return {"agent": agents, "asset": assets, "amount": np.concatenate(amounts)}


@GENERATORS.register("standard_markets")
class StandardMarkets(TableGenerator):
    r"""Markets of the standard classes, as deep as a given price impact says.

    A class's price falls by :math:`\pi_a` when 5 % of its market is sold, so the depth under linear impact is
    :math:`D_a = 0.05\, m_a / \pi_a`. Its market :math:`m_a` is what banks and funds hold, over the share of the market
    that they hold. Impacts are in the ratio 1 : 2 : 4 for public bonds, corporate bonds and certificates, and shares.

    References
    ----------
    Ratios of impacts: fire-sale code of the University of Oxford (ox-inet-resilience). The share held is assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("assets",)
    is_random: ClassVar[bool] = False

    price_impact: float = Field(default=0.01, gt=0, le=1)
    """Fall of the price of a corporate bond when 5 % of its market is sold (pi), 1."""

    held: float = Field(default=0.6, gt=0, le=1)
    """Share of each market that banks and funds hold together, 1."""

    price_floor: float = Field(default=0.5, ge=0, lt=1)
    """Lowest price that sales can lead to (B), 1."""

    @property
    def how(self) -> str:
        """How the markets were made."""
        return f"depth from holdings: the price falls by {self.price_impact:g} x class when 5 % of the market is sold"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return which assets are held that no standard class is there for.

        Parameters
        ----------
        table : str
            ``"assets"``.
        known : Known
            The holdings.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        strange = sorted(set(known.texts("holdings", "asset")) - set(ISSUERS) - set(known.ids("funds")))
        return [f"asset {name} is held and no standard class; allowed: {', '.join(ISSUERS)}" for name in strange]

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the markets.

        Parameters
        ----------
        table : str
            ``"assets"``.
        known : Known
            The holdings, and whether there are firms.
        draws : Draws
            Not used: nothing is drawn.
        stream : str
            Not used.

        Returns
        -------
        mapping of str to sequence
            Columns of ``assets.csv``.
        """
        named, amount = np.array(known.texts("holdings", "asset")), known.numbers("holdings", "amount")
        classes = [name for name in ISSUERS if (named == name).any()]
        market = np.array([amount[named == name].sum() / self.held for name in classes])
        impact = np.array([self.price_impact * IMPACT[name] for name in classes])
        firms = [kind for kind in ("tech_firms", "platforms") if known.ids(kind)]
        issuers = [(" ".join(firms) or "borrowers") if name == "TECHEQ" else ISSUERS[name] for name in classes]
        return {
            "asset": classes,
            "class": classes,
            "depth": 0.05 * market / impact,
            "issuer": issuers,
            "price_floor": [self.price_floor] * len(classes),
        }
