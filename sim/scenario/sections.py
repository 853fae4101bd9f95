"""Parts of a scenario: closed records, and where a layer comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from sim.networks.generators import Generator
from sim.networks.tables import TableGenerator


class Section(BaseModel):
    """A frozen, closed part of a scenario."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class LayerSource(Section):
    """Where a layer comes from."""

    file: str | None = None
    """Exposures: ``creditor, debtor, amount``."""

    reconstruct: Literal["max_entropy"] | None = None
    """How to fill in bilateral exposures from each bank's totals."""

    generator: SerializeAsAny[Generator] | None = None
    """What draws them from each bank's totals; its parameters stand beside it (``sim list networks``)."""

    @model_validator(mode="after")
    def _one(self) -> LayerSource:
        if sum(each is not None for each in (self.file, self.reconstruct, self.generator)) != 1:
            raise ValueError("give one of file, reconstruct and generator")
        return self

    @model_serializer(mode="wrap")
    def _flat(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = plain(self)
        parameters = said.pop("generator", None)
        return said if self.generator is None else {"generator": self.generator.name, **parameters}


class TableSource(Section):
    """Where a table comes from."""

    file: str | None = None
    """Path relative to the scenario's folder, CSV or Parquet."""

    generator: SerializeAsAny[TableGenerator] | None = None
    """What makes the table where nobody observed it; its parameters stand beside it (``sim list networks``)."""

    @model_validator(mode="after")
    def _one(self) -> TableSource:
        if (self.file is None) == (self.generator is None):
            raise ValueError("give one of file and generator")
        return self

    @model_serializer(mode="wrap")
    def _flat(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = plain(self)
        parameters = said.pop("generator", None)
        return said if self.generator is None else {"generator": self.generator.name, **said, **parameters}


class HoldingsSource(TableSource):
    """Where holdings of securities come from."""

    fair_value_share: float = Field(default=1.0, ge=0, le=1)
    """Share marked to market where the table does not say; the rest realises its loss when sold, 1."""


class AgentSources(Section):
    """Where agents come from."""

    banks: TableSource
    """Balance sheets of the banks."""

    tech_firms: TableSource | None = None
    """Technology firms: providers of cloud, software, models, data and payment technology."""

    platforms: TableSource | None = None
    """Internet platforms: distribution, co-lending, payments and electronic money."""

    funds: TableSource | None = None
    """Funds, such as money-market funds that a platform sponsors."""


class LayerSources(Section):
    """Where layers come from."""

    interbank: LayerSource | None = None
    """Claims of banks on banks; row = creditor."""

    overnight: LayerSource | None = None
    """Claims of banks on banks that fall due every day."""

    accounts: TableSource | None = None
    """What firms, platforms and funds keep at banks; row = depositor."""

    lending: TableSource | None = None
    """Loans of banks to technology firms and platforms; row = bank."""

    services: TableSource | None = None
    """Who depends on whose service: ``user, provider, function, share, criticality, backup``."""

    payments: TableSource | None = None
    """Payments on a normal day: ``payer, payee, amount``."""

    distribution: TableSource | None = None
    """Part of a bank's deposits that a platform has brought: ``bank, platform, share``."""

    pools: TableSource | None = None
    """Who funds the loans that a platform has originated: ``platform, funder, share``."""


class SystemSource(Section):
    """The system before the shock."""

    currency: str = Field(default="", max_length=40)
    """Unit of all money, such as ``EUR million``."""

    agents: AgentSources
    """Who there is."""

    layers: LayerSources = LayerSources()
    """Who is exposed to whom."""

    holdings: HoldingsSource | None = None
    """Who holds which securities."""

    assets: TableSource | None = None
    """Markets: depth, issuer, lowest price."""
