"""Technology firms, platforms and their funds, sized against the banks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator, uniforms
from sim.streams import Draws

Share = Annotated[float, Field(ge=0, le=1)]
Weights = dict[str, Share]


def _size(known: Known) -> float:
    """Assets of all banks."""
    return float(known.numbers("banks", "total_assets").sum())


def _falling(count: int) -> list[float]:
    """Market shares that fall as one over the rank."""
    weights = [1.0 / (rank + 1) for rank in range(count)]
    return [weight / added(weights) for weight in weights]


@GENERATORS.register("technology_sector")
class TechnologySector(TableGenerator):
    """Technology firms: clouds of given market shares, core software, artificial intelligence and data, payments.

    The revenue of a sector is a share of all assets of the banks; within a sector the clouds have the shares given, all
    others shares that fall as one over the rank. Balance sheets are proportional to revenue.

    References
    ----------
    Clouds in mainland China, third quarter of 2023: 9.2 bn US dollars, shares 39, 19, 15 % and the rest (Canalys). All
    else is assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("tech_firms",)

    clouds: tuple[Share, ...] = Field(default=(0.39, 0.19, 0.15, 0.27), min_length=1, max_length=100)
    """Market shares of the clouds; they are scaled to add to 1, 1."""

    software: int = Field(default=2, ge=0, le=100)
    """Number of firms for core banking software."""

    ai_data: int = Field(default=3, ge=0, le=100)
    """Number of firms for models and data."""

    payment: int = Field(default=2, ge=0, le=100)
    """Number of firms for payment technology."""

    cloud_revenue: float = Field(default=0.0006, gt=0, le=0.1)
    """Revenue a year of all clouds over assets of all banks (four times 9.2 bn dollars over 417.3 tn yuan), 1."""

    other_revenue: float = Field(default=0.0002, gt=0, le=0.1)
    """Revenue a year of each other sector over assets of all banks, 1."""

    assets: float = Field(default=1.5, gt=0, le=100)
    """Total assets over revenue a year, 1."""

    equity: float = Field(default=0.5, gt=0, lt=1)
    """Equity, own shares included, over assets, 1."""

    accounts: float = Field(default=0.25, ge=0, le=1)
    """Accounts at banks over assets, 1."""

    borrowed: float = Field(default=0.15, ge=0, le=1)
    """Loans of banks over assets, 1."""

    headroom: float = Field(default=0.3, ge=0, le=10)
    """Spare capacity as a share of the normal load, 1."""

    @property
    def how(self) -> str:
        """How the firms were made."""
        return "technology firms sized against the banks, cloud market shares as given"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the balance sheets.

        Parameters
        ----------
        table : str
            ``"tech_firms"``.
        known : Known
            The tables at hand.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        found = [] if added(self.clouds) > 0.0 else ["clouds: at least one share must be above 0"]
        if self.equity + self.borrowed > 1.0:
            found.append(f"equity + borrowed = {self.equity + self.borrowed:g} must be at most 1")
        return found

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the firms of one network.

        Parameters
        ----------
        table : str
            ``"tech_firms"``.
        known : Known
            The banks.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``tech_firms.csv``.
        """
        clouds = [share / added(self.clouds) for share in self.clouds]
        sectors = {
            "cloud": [self.cloud_revenue * share for share in clouds],
            "software": [self.other_revenue * share for share in _falling(self.software)],
            "ai_data": [self.other_revenue * share for share in _falling(self.ai_data)],
            "payment": [self.other_revenue * share for share in _falling(self.payment)],
        }
        ids = [f"{kind}_{k + 1}" for kind, shares in sectors.items() for k in range(len(shares))]
        revenue = _size(known) * np.array([share for shares in sectors.values() for share in shares])
        assets = self.assets * revenue
        return {
            "id": ids,
            "kind": [kind for kind, shares in sectors.items() for _ in shares],
            "total_assets": assets,
            "equity": self.equity * assets,
            "accounts": self.accounts * assets,
            "borrowed": self.borrowed * assets,
            "revenue": revenue,
            "turnover": revenue,
            "headroom": np.full(len(ids), self.headroom),
            **compliance(draws, stream, ids),
        }


@GENERATORS.register("platform_sector")
class PlatformSector(TableGenerator):
    """Three internet platforms: one distributes banks' products, one lends together with banks, one moves payments.

    Revenue, electronic money and the loans originated are shares of all assets of the banks. Electronic money is fully
    backed by reserves, as in China since 2019.

    References
    ----------
    Loans of banks through Ant in mid-2020: 2.1 tn yuan, half a percent of today's banking assets; own share of each
    joint loan at least 30 % since 2022 (CBIRC 2021 No. 24). All else is assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("platforms",)

    pools: Weights = Field(default={"colending": 0.7, "payments": 0.3})
    """How the stock of jointly funded loans is split over platforms, 1."""

    floats: Weights = Field(default={"payments": 0.6, "distribution": 0.4})
    """How electronic money is split over platforms, 1."""

    revenues: Weights = Field(default={"distribution": 0.4, "colending": 0.2, "payments": 0.4})
    """How revenue is split over platforms, 1."""

    reach: Weights = Field(default={"distribution": 0.6, "colending": 0.2, "payments": 0.5})
    """Share of the public that news on each platform reaches, 1."""

    pool: float = Field(default=0.005, ge=0, le=0.1)
    """Jointly funded loans over assets of all banks, 1."""

    own_share: float = Field(default=0.3, ge=0, le=1)
    """What a platform funds of its pool itself (sigma), 1."""

    emoney: float = Field(default=0.005, ge=0, le=0.1)
    """Electronic money over assets of all banks: reserves of customers were 1.3 tn yuan in 2019, about 2.5 tn in 2025
    (People's Bank of China, through the press), 1."""

    revenue: float = Field(default=0.0015, gt=0, le=0.1)
    """Revenue a year over assets of all banks, 1."""

    assets: float = Field(default=1.2, gt=0, le=100)
    """Assets beside the pool and the reserves of customers, over revenue a year, 1."""

    equity: float = Field(default=0.5, gt=0, lt=1)
    """Equity, own shares included, over assets beside reserves of customers, 1."""

    accounts: float = Field(default=0.3, ge=0, le=1)
    """Accounts at banks over assets beside the pool and the reserves of customers, 1."""

    borrowed: float = Field(default=0.2, ge=0, le=1)
    """Loans of banks over assets beside reserves of customers, 1."""

    guarantee: float = Field(default=0.03, ge=0, le=1)
    """First-loss guarantee over what others fund (gamma), 1."""

    support: float = Field(default=0.5, ge=0, le=1)
    """Readiness to support a sponsored fund, 1."""

    @property
    def how(self) -> str:
        """How the platforms were made."""
        return "three platforms sized against the banks"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return what is wrong with the balance sheets.

        Parameters
        ----------
        table : str
            ``"platforms"``.
        known : Known
            The tables at hand.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        found = []
        if self.equity + self.borrowed > 1.0:
            found.append(f"equity + borrowed = {self.equity + self.borrowed:g} must be at most 1")
        named = [(name, kind) for name in ("pools", "floats", "revenues", "reach") for kind in getattr(self, name)]
        kinds = ", ".join(PLATFORMS)
        found += [f"{name}.{kind}: no such platform; allowed: {kinds}" for name, kind in named if kind not in PLATFORMS]
        return found

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the platforms of one network.

        Parameters
        ----------
        table : str
            ``"platforms"``.
        known : Known
            The banks.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``platforms.csv``.
        """
        size = _size(known)

        def split(weights: Weights, total: float) -> Float:
            whole = added(weights.values()) or 1.0
            return np.array([total * size * weights.get(kind, 0.0) / whole for kind in PLATFORMS])

        pool, emoney, revenue = (
            split(self.pools, self.pool),
            split(self.floats, self.emoney),
            split(self.revenues, self.revenue),
        )
        own = self.assets * revenue
        risky = own + self.own_share * pool
        return {
            "id": list(PLATFORMS.values()),
            "kind": list(PLATFORMS),
            "total_assets": risky + emoney,
            "equity": self.equity * risky,
            "cash": emoney,
            "emoney": emoney,
            "pool": pool,
            "own_share": [self.own_share] * len(PLATFORMS),
            "accounts": self.accounts * own,
            "borrowed": self.borrowed * risky,
            "revenue": revenue,
            "turnover": revenue,
            "reach": [self.reach.get(kind, 0.0) for kind in PLATFORMS],
            "guarantee": [self.guarantee] * len(PLATFORMS),
            "support": [self.support] * len(PLATFORMS),
            **compliance(draws, stream, list(PLATFORMS.values())),
        }


PLATFORMS = {"distribution": "platform_1", "colending": "platform_2", "payments": "platform_3"}
"""Kind -> id."""


@GENERATORS.register("money_market_funds")
class MoneyMarketFunds(TableGenerator):
    """Money-market funds, one sponsored by each platform: deposits at banks, and securities.

    References
    ----------
    Yu'e Bao held 1.69 tn yuan in the first quarter of 2018 (Caixin). The sizes of the others and the mix are assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("funds",)
    is_random: ClassVar[bool] = False

    total_assets: float = Field(default=0.007, gt=0, le=1)
    """Assets of all funds over assets of all banks, 1."""

    sizes: tuple[Share, ...] = Field(default=(0.55, 0.3, 0.15), min_length=1, max_length=100)
    """How they are split; fund k is sponsored by the platform of the k-th name, where there is one, 1."""

    accounts: float = Field(default=0.6, gt=0, le=1)
    """Deposits at banks over assets; securities are the rest (see `portfolio_mix`), 1."""

    @property
    def how(self) -> str:
        """How the funds were made."""
        return "money-market funds sized against the banks, one a platform"

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the funds of one network.

        Parameters
        ----------
        table : str
            ``"funds"``.
        known : Known
            Banks and platforms.
        draws : Draws
            Not used: sizes are given.
        stream : str
            Not used.

        Returns
        -------
        mapping of str to sequence
            Columns of ``funds.csv``.
        """
        sponsors = sorted(known.ids("platforms"))
        shares = [share / (added(self.sizes) or 1.0) for share in self.sizes]
        assets = self.total_assets * _size(known) * np.array(shares)
        n = len(shares)
        return {
            "id": [f"fund_{k + 1}" for k in range(n)],
            "kind": ["money_market"] * n,
            "total_assets": assets,
            "accounts": self.accounts * assets,
            "sponsor": [sponsors[k] if k < len(sponsors) else None for k in range(n)],
        }


def compliance(draws: Draws, stream: str, ids: Sequence[str]) -> dict[str, Float]:
    """Draw how well firms comply and guard themselves.

    Parameters
    ----------
    draws : Draws
        One lane: the number of the network.
    stream : str
        What streams begin with.
    ids : sequence of str
        Firms.

    Returns
    -------
    dict of str to float64[n], 1
        ``gap``, uniform from 0 to 0.2, and ``posture``, uniform from 0.5 to 0.9: assumptions.
    """
    gap, posture = (uniforms(draws, f"{stream}/{name}", ids) for name in ("gap", "posture"))
    return {"gap": 0.2 * gap, "posture": 0.5 + 0.4 * posture}
