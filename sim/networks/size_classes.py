"""Banks by size classes: a few large ones, some of middle size, many small ones; one mix of the balance sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from sim.arrays import Float, added
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator, lognormal, uniforms
from sim.streams import Draws


@GENERATORS.register("size_classes")
class SizeClasses(TableGenerator):
    r"""Banks of three size classes whose shares of all assets are given.

    Within a class, assets are lognormal and then scaled to the share of the class. A bank's equity over assets is
    triangular between the lowest and the highest ratio with a given mean. Reserves and interbank assets are shares of
    total assets; deposits and interbank debt are shares of what is left of funding after equity; each share is
    multiplied by a lognormal number of mean 1 and the shares of a side are scaled back to their sum. Loans and other
    liabilities are what is left. Interbank debts are scaled so that they add to all interbank assets.

    References
    ----------
    National Financial Regulatory Administration, statistics of the fourth quarter of 2023: banking assets of 417.3 tn
    yuan, 42.4 % in large commercial banks, 17.0 % in joint-stock banks; core tier 1 ratio 10.50 % (first quarter of
    2023). The mix of the balance sheet and its dispersion are assumptions.
    """

    tables: ClassVar[tuple[str, ...]] = ("banks",)

    total_assets: float = Field(default=417_300.0, gt=0)
    """Assets of all banks together (NFRA, end of 2023, billion yuan), currency."""

    large: int = Field(default=6, ge=1, le=100_000)
    """Number of large banks."""

    joint_stock: int = Field(default=12, ge=0, le=100_000)
    """Number of banks of middle size."""

    city_rural: int = Field(default=82, ge=0, le=100_000)
    """Number of small banks."""

    large_share: float = Field(default=0.424, gt=0, le=1)
    """Share of large banks in all assets (NFRA, end of 2023), 1."""

    joint_stock_share: float = Field(default=0.17, ge=0, le=1)
    """Share of banks of middle size in all assets (NFRA, end of 2023); small banks have the rest, 1."""

    dispersion: float = Field(default=0.65, ge=0, le=3)
    """Standard deviation of log assets within a class; with the classes' means it gives 0.95 over all banks, as in the
    48 banks of the EBA stress test of 2018, 1."""

    equity_low: float = Field(default=0.05, gt=0, lt=1)
    """Lowest equity over assets, 1."""

    equity_mean: float = Field(default=0.075, gt=0, lt=1)
    """Mean equity over assets: a core tier 1 ratio of 10.5 % at risk weights of about 0.67, 1."""

    equity_high: float = Field(default=0.11, gt=0, lt=1)
    """Highest equity over assets, 1."""

    reserves: float = Field(default=0.07, ge=0, lt=1)
    """Reserves over assets, 1."""

    interbank: float = Field(default=0.08, ge=0, lt=1)
    """Claims on other banks over assets, overnight ones among them, 1."""

    overnight: float = Field(default=0.4, ge=0, le=1)
    """Share of claims between banks that falls due the next day, 1."""

    insured: float = Field(default=0.42, ge=0, le=1)
    """Insured deposits over assets less equity, 1."""

    uninsured: float = Field(default=0.30, ge=0, le=1)
    """Uninsured deposits over assets less equity, 1."""

    wholesale: float = Field(default=0.10, ge=0, le=1)
    """Deposits of wholesale investors over assets less equity, 1."""

    subordinated: float = Field(default=0.0, ge=0, le=0.1)
    """Subordinated debt over assets less equity, a part of what is left of funding; 0: none (assumed, 0 to 0.03), 1."""

    spread: float = Field(default=0.15, ge=0, le=1)
    """Standard deviation of the logarithm of each share of a balance sheet about its mean, 1."""

    risk_weight: float = Field(default=0.67, gt=0, le=2)
    """Risk-weighted assets over assets, 1."""

    cet1_ratio: float = Field(default=0.105, gt=0, le=1)
    """Core tier 1 ratio of all banks together (CBIRC, first quarter of 2023); as far as equity allows, 1."""

    revenue: float = Field(default=0.02, ge=0, le=1)
    """Income a year over assets, 1."""

    adoption: float = Field(default=0.5, ge=0, le=1)
    """Mean use of digital services; banks lie within half of the room on either side, 1."""

    @model_validator(mode="after")
    def _consistent(self) -> SizeClasses:
        if self.large_share + self.joint_stock_share > 1.0:
            raise ValueError("large_share + joint_stock_share must be at most 1")
        if not self.equity_low < self.equity_mean < self.equity_high:
            raise ValueError("equity_low, equity_mean and equity_high must ascend")
        mode = 3.0 * self.equity_mean - self.equity_low - self.equity_high
        if not self.equity_low <= mode <= self.equity_high:
            raise ValueError("equity_mean must be within the middle third between equity_low and equity_high")
        if self.reserves + self.interbank > 1.0 or self.insured + self.uninsured + self.wholesale > 1.0:
            raise ValueError("the shares of a side of the balance sheet must add to at most 1")
        for name, count, share in self._classes():
            if (count > 0) != (share > 0.0):
                raise ValueError(f"{name}: {count} banks cannot have {share:.3g} of all assets")
        return self

    @property
    def how(self) -> str:
        """How the banks were made."""
        n = self.large + self.joint_stock + self.city_rural
        return f"{n:,} banks of three size classes, lognormal within a class, a common mix of the balance sheet"

    def _classes(self) -> list[tuple[str, int, float]]:
        """Name, number of banks and share of assets of each class."""
        rest = max(0.0, 1.0 - self.large_share - self.joint_stock_share)
        rest = 0.0 if rest < 1e-12 else rest
        return [
            ("large", self.large, self.large_share),
            ("joint_stock", self.joint_stock, self.joint_stock_share),
            ("city_rural", self.city_rural, rest),
        ]

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the banks of one network.

        Parameters
        ----------
        table : str
            ``"banks"``.
        known : Known
            Not used.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``banks.csv``.
        """
        ids, kinds, assets = self._sizes(draws, stream)
        equity = assets * self._equity(uniforms(draws, f"{stream}/equity", ids))
        lent, reserves = self._mixed(
            draws, f"{stream}/assets", ids, {"interbank": self.interbank, "cash": self.reserves}
        )
        funding = {"insured": self.insured, "uninsured": self.uninsured, "wholesale": self.wholesale}
        funding["interbank"] = min(self.interbank, 1.0 - added(funding.values()))
        insured, uninsured, wholesale, owed = self._mixed(draws, f"{stream}/debts", ids, funding)
        lent, owed = lent * assets, owed * (assets - equity)
        owed *= lent.sum() / (owed.sum() or 1.0)
        room = 0.5 * min(self.adoption, 1.0 - self.adoption)
        return {
            "id": ids,
            "kind": kinds,
            "total_assets": assets,
            "equity": equity,
            "cash": reserves * assets,
            "deposits_insured": insured * (assets - equity),
            "deposits_uninsured": uninsured * (assets - equity),
            "deposits_wholesale": wholesale * (assets - equity),
            **({"subordinated": self.subordinated * (assets - equity)} if self.subordinated else {}),
            "interbank_assets": lent * (1.0 - self.overnight),
            "interbank_liabilities": owed * (1.0 - self.overnight),
            "overnight_assets": lent * self.overnight,
            "overnight_liabilities": owed * self.overnight,
            "rwa": self.risk_weight * assets,
            "cet1": min(1.0, self.cet1_ratio * self.risk_weight * assets.sum() / equity.sum()) * equity,
            "revenue": self.revenue * assets,
            "turnover": self.revenue * assets,
            "adoption": self.adoption + room * (2.0 * uniforms(draws, f"{stream}/adoption", ids) - 1.0),
        }

    def _sizes(self, draws: Draws, stream: str) -> tuple[list[str], list[str], Float]:
        """Ids, classes and total assets, the largest of each class first."""
        ids, kinds, sizes = list[str](), list[str](), list[Float]()
        for kind, count, share in self._classes():
            if not count:
                continue
            names = [f"{kind}_{k + 1:0{len(str(count))}d}" for k in range(count)]
            size = np.sort(lognormal(draws, f"{stream}/size", names, self.dispersion))[::-1]
            ids += names
            kinds += [kind] * count
            sizes.append(size * (share * self.total_assets / size.sum()))
        return ids, kinds, np.concatenate(sizes)

    def _equity(self, luck: Float) -> Float:
        """Quantiles of the triangular law of equity over assets."""
        low, high = self.equity_low, self.equity_high
        mode = 3.0 * self.equity_mean - low - high
        below = low + np.sqrt(luck * (high - low) * (mode - low))
        above = high - np.sqrt((1.0 - luck) * (high - low) * (high - mode))
        return np.asarray(np.where(luck * (high - low) < mode - low, below, above))

    def _mixed(self, draws: Draws, stream: str, ids: list[str], means: Mapping[str, float]) -> list[Float]:
        """Shares of a side about their means; together with the rest of the side they add to 1."""
        noisy = [mean * lognormal(draws, f"{stream}/{name}", ids, self.spread) for name, mean in means.items()]
        whole = (1.0 - added(means.values())) * lognormal(draws, f"{stream}/rest", ids, self.spread)
        for each in noisy:
            whole = whole + each
        return [each / whole for each in noisy]
