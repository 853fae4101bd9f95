"""The changing numbers of all agents: columns with unit, meaning, owners and counterparty; lanes last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sim.arrays import Bool, Csr, Float, empty, full, spread

BANKS = "banks"
SECTORS = ("households", "borrowers", "central_bank", "government", "outside", "estate", "deadweight")
"""Sector agents, one row each, after all other agents; `deadweight` is the sink of destroyed value."""


@dataclass(frozen=True)
class Column:
    """One number per agent and lane.

    Parameters
    ----------
    name : str
        Field name.
    unit : {"currency", "1"}
        Money, or a share or flag.
    meaning : str
        One line for tables and labels.
    owners : tuple of str
        Agent types for which it may differ from `start`.
    asset_on, liability_to : str
        For money: the sector on the other side; that side is the column's sum, derived and never stored.
    start : float
        Value where the system says nothing.
    """

    name: str
    unit: Literal["currency", "1"]
    meaning: str
    owners: tuple[str, ...]
    asset_on: str = ""
    liability_to: str = ""
    start: float = 0.0


HOLDERS = (BANKS, "households", "outside", "estate", "deadweight")
"""Who can own means of payment: banks, and every sector that pays or is paid."""

COLUMNS = (
    Column("cash", "currency", "Reserves and other means of payment", HOLDERS, asset_on="central_bank"),
    Column("loans", "currency", "Loans and other assets without a market", (BANKS, "outside"), asset_on="borrowers"),
    Column("deposits_insured", "currency", "Insured deposits", (BANKS,), liability_to="households"),
    Column("deposits_uninsured", "currency", "Uninsured deposits", (BANKS,), liability_to="households"),
    Column("deposits_wholesale", "currency", "Deposits of wholesale investors", (BANKS,), liability_to="outside"),
    Column("other_liabilities", "currency", "Term debt and all other liabilities", (BANKS,), liability_to="outside"),
    Column("estate_claims", "currency", "Claims on the estate of failed agents", HOLDERS, asset_on="estate"),
    Column("estate_due", "currency", "Owed by a failed agent to the estate", (BANKS,), liability_to="estate"),
    Column("participations", "currency", "A failed agent's interbank book, sold on", (BANKS,), liability_to="outside"),
    Column("advances", "currency", "Drawn by investors to buy assets", ("outside",), liability_to="central_bank"),
    Column("real_assets", "currency", "Assets that are nobody's liability", ("borrowers",)),
    Column("kept", "1", "Share of its initial lending an agent still has outstanding", (BANKS,), start=1.0),
    Column("drawn", "1", "Share of its initial borrowing an agent has not repaid", (BANKS,), start=1.0),
    Column("alive", "1", "1 until the agent's debts are cleared in default", (BANKS,), start=1.0),
    Column("worth", "1", "What one unit of claim on the agent is carried at", (BANKS,), start=1.0),
    Column("is_defaulted", "1", "1 once the agent has defaulted", (BANKS,)),
    Column("ordered_to_fail", "1", "1 where an event fails the agent whatever its equity", (BANKS,)),
)
MONEY = tuple(column for column in COLUMNS if column.unit == "currency")
DEBTS = tuple(c.name for c in MONEY if c.liability_to and c.name.startswith(("deposits_", "other_")))
"""Debts outside the interbank layer; they rank with it at default, and sales retire them from the last to the first."""


@dataclass
class State:
    """All agents' columns, prices and holdings over a block of draws.

    Parameters
    ----------
    ids : tuple of str
        Agents in row order.
    types : dict of str to slice
        Contiguous rows of each type.
    claims : Csr
        Interbank claims at the start, ``row = creditor``, currency.
    n_lanes : int
        Width of the block.

    Notes
    -----
    A claim of i on j is ``claims[i, j] * kept[i] * drawn[j] * alive[j]``, carried at `worth[j]`: claims scale, edges do
    not move, and both sides read the same number.
    """

    ids: tuple[str, ...]
    types: dict[str, slice]
    claims: Csr
    n_lanes: int
    columns: dict[str, Float] = field(default_factory=dict)
    units: Float = field(default_factory=lambda: empty(0, 0, 0))
    """float64[n_agents, n_assets, n_lanes], pieces whose price at the start is 1; issuers hold the negative."""
    price: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_assets, n_lanes], currency per piece, 1 at the start."""
    fair_value: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_assets], share of the holding that is marked to market; the rest stays at cost."""
    issuers: tuple[int, ...] = ()
    """Row of each asset's issuer."""
    loss: Float = field(default_factory=lambda: empty(0, 0, 0))
    """float64[n_sources, n_agents, n_lanes], currency; `sources` names the first axis."""
    sources: tuple[str, ...] = ("shock",)
    equity0: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_lanes], net worth before any event."""
    estate0: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_lanes], claims on the estate as they were at clearing: the base of its payments."""

    def __post_init__(self) -> None:
        self.claims_on = self.claims.transposed()

    def __getattr__(self, name: str) -> Float:
        try:
            return self.__dict__["columns"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"state has no column {name!r}") from None

    @property
    def n_agents(self) -> int:
        """Rows of every column."""
        return len(self.ids)

    @property
    def banks(self) -> slice:
        """Rows of the banks."""
        return self.types[BANKS]

    def row(self, sector: str) -> int:
        """Return the row of a sector agent.

        Parameters
        ----------
        sector : str
            One of `SECTORS`.

        Returns
        -------
        int
            Its row.
        """
        return int(self.types[sector].start)

    def owned(self, column: Column) -> Bool:
        """Return which rows may carry a column.

        Parameters
        ----------
        column : Column
            Any column.

        Returns
        -------
        bool[n_agents]
            True for rows of an owner type.
        """
        import numpy as np

        mask = np.zeros(self.n_agents, dtype=np.bool_)
        for kind in column.owners:
            mask[self.types[kind]] = True
        return mask


def allocate(state: State, start: dict[str, Float]) -> None:
    """Give a state its columns: what the system says, else each column's own start.

    Parameters
    ----------
    state : State
        Filled in place.
    start : dict of str to float64[n_agents]
        Values before any event.
    """
    for column in COLUMNS:
        values = start.get(column.name)
        if values is None:
            state.columns[column.name] = full(column.start, state.n_agents, state.n_lanes)
        else:
            state.columns[column.name] = spread(values, state.n_lanes)
