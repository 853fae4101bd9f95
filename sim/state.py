"""The changing numbers of all agents: columns with unit, meaning, owners and counterparty; lanes last."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from sim.arrays import Bool, Csr, Float, Int, Stack, empty, stacked

BANKS = "banks"
AGENTS = (BANKS, "tech_firms", "platforms", "funds")
"""Types of agents that stand on rows of their own, in row order."""
SECTORS = (
    "households",
    "borrowers",
    "underserved",
    "central_bank",
    "deposit_insurer",
    "government",
    "outside",
    "estate",
    "deadweight",
)
"""Sector agents, one row each, after all other agents; `deadweight` is the sink of destroyed value."""
INTERBANK = "interbank"


@dataclass(frozen=True)
class Column:
    """One number per agent and lane.

    Parameters
    ----------
    name : str
        Field name.
    unit : str
        ``"currency"``, ``"1"``, ``"days"`` and the like.
    meaning : str
        One line for tables and labels.
    owners : tuple of str
        Agent types for which it may differ from `start`.
    asset_on, liability_to : str
        For money: the sector on the other side; that side is the column's sum, derived and never stored.
    start : float
        Value where the system says nothing.
    rank : {"", "senior", "ordinary", "junior"}
        For a debt that is cleared in default: its place in the order of payment.
    memo : bool
        A number in units of currency that is no claim, such as a queue of payments: the ledger does not keep it.
    """

    name: str
    unit: str
    meaning: str
    owners: tuple[str, ...]
    asset_on: str = ""
    liability_to: str = ""
    start: float = 0.0
    rank: Literal["", "senior", "ordinary", "junior"] = ""
    memo: bool = False

    @property
    def is_money(self) -> bool:
        """Whether only the ledger may change it."""
        return self.unit == "currency" and not self.memo


HOLDERS = (*AGENTS, *(sector for sector in SECTORS if sector != "central_bank"))
"""Who can own means of payment: everybody but the central bank, whose debt they are."""

COLUMNS = (
    Column("cash", "currency", "Reserves and other means of payment", HOLDERS, asset_on="central_bank"),
    Column("loans", "currency", "Loans and other assets without a market", (BANKS, "outside"), asset_on="borrowers"),
    Column("deposits_insured", "currency", "Insured deposits", (BANKS,), liability_to="households", rank="senior"),
    Column(
        "deposits_uninsured", "currency", "Uninsured deposits", (BANKS,), liability_to="households", rank="ordinary"
    ),
    Column(
        "deposits_wholesale",
        "currency",
        "Deposits of wholesale investors",
        (BANKS,),
        liability_to="outside",
        rank="ordinary",
    ),
    Column("emoney", "currency", "Electronic money", ("platforms",), liability_to="households", rank="ordinary"),
    Column(
        "other_liabilities",
        "currency",
        "Term debt and all other liabilities",
        AGENTS,
        liability_to="outside",
        rank="ordinary",
    ),
    Column("estate_claims", "currency", "Claims on the estate of failed agents", HOLDERS, asset_on="estate"),
    Column("estate_due", "currency", "Owed by a failed agent to the estate", AGENTS, liability_to="estate"),
    Column("participations", "currency", "A failed agent's claims on others, sold on", AGENTS, liability_to="outside"),
    Column(
        "advances",
        "currency",
        "Drawn by investors to buy assets, and by the deposit insurer to pay out",
        ("outside", "deposit_insurer"),
        liability_to="central_bank",
    ),
    Column(
        "real_assets",
        "currency",
        "Assets that are nobody's liability",
        (*AGENTS, "borrowers", "underserved", "outside"),
    ),
    Column("kept", "1", "Share of its initial lending an agent still has outstanding", (BANKS,), start=1.0),
    Column("drawn", "1", "Share of its initial borrowing an agent has not repaid", (BANKS,), start=1.0),
    Column("alive", "1", "1 until the agent's debts are cleared in default", AGENTS, start=1.0),
    Column("worth", "1", "What one unit of claim on the agent is carried at", AGENTS, start=1.0),
    Column("own_service", "1", "Own ability to serve, before what it depends on", AGENTS, start=1.0),
    Column("down_for", "days", "Time until its own service is back", AGENTS),
    Column("allowed", "1", "Share of its own service that authorities let an agent give", AGENTS, start=1.0),
    Column("service", "1", "Service the agent gives, 1 is full", AGENTS, start=1.0),
    Column("rumour", "1", "Bias of the news about the agent, percentage points of leverage", AGENTS),
    Column("rumour_for", "days", "Time until the rumour is refuted", AGENTS),
    Column("breach", "1", "1 while a breach of data is undetected or unanswered", AGENTS),
    Column("enforcement", "1", "1 while an authority acts against the agent", AGENTS),
    Column("cash_wanted", "currency", "To be raised by selling securities", AGENTS, memo=True),
    Column("is_defaulted", "1", "1 once the agent has defaulted", AGENTS),
    Column("ordered_to_fail", "1", "1 where an event fails the agent whatever its equity", AGENTS),
)
"""What every run carries; a channel declares what it adds."""

SUBORDINATED = Column("subordinated", "currency", "Subordinated debt", (BANKS,), liability_to="outside", rank="junior")
"""Carried where a bank has some; neither called nor retired early."""


@dataclass
class Claims:
    """One layer of claims in a block of draws: edges stay, multipliers of both ends move.

    Parameters
    ----------
    rows : Csr
        Claims at the start, ``row = creditor``, currency.
    kept, drawn : float64[n_agents, n_lanes], 1
        What creditors have not called, what debtors have not repaid; columns of the state.

    Notes
    -----
    A claim of i on j is ``rows[i, j] * kept[i] * drawn[j] * alive[j]``, carried at `worth[j]`.
    """

    rows: Csr
    kept: Float
    drawn: Float
    columns: Csr
    """The same edges by debtor."""


@dataclass(frozen=True)
class Edges:
    """The edges of all layers of claims, which no run changes, read from both ends.

    Parameters
    ----------
    rows : dict of str to Csr
        Claims at the start by layer, ``row = creditor``, currency.
    n_agents : int
        Rows of each.
    """

    rows: dict[str, Csr]
    n_agents: int
    columns: dict[str, Csr] = field(init=False)
    """``row = debtor``."""
    creditors: Stack = field(init=False)
    """All layers, ``row = creditor``."""
    debtors: Stack = field(init=False)
    """All layers, ``row = debtor``."""

    def __post_init__(self) -> None:
        columns = {name: rows.transposed() for name, rows in self.rows.items()}
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "creditors", stacked(list(self.rows.values()), self.n_agents))
        object.__setattr__(self, "debtors", stacked(list(columns.values()), self.n_agents))


def multipliers(layer: str) -> tuple[str, str]:
    """Return the names of the two columns that scale a layer of claims.

    Parameters
    ----------
    layer : str
        Such as ``"interbank"``, whose columns have the short names.

    Returns
    -------
    tuple of str
        The creditor's and the debtor's.
    """
    return ("kept", "drawn") if layer == INTERBANK else (f"kept_{layer}", f"drawn_{layer}")


@dataclass
class State:
    """All agents' columns, prices and holdings over a block of draws.

    Parameters
    ----------
    ids : tuple of str
        Agents in row order.
    types : dict of str to slice
        Contiguous rows of each type.
    n_lanes : int
        Width of the block.

    Notes
    -----
    Claims scale, edges do not move, and both sides of a claim read the same number: see `Claims`.
    """

    ids: tuple[str, ...]
    types: dict[str, slice]
    n_lanes: int
    described: tuple[Column, ...] = COLUMNS
    """Every column of this run, those of its channels included."""
    columns: dict[str, Float] = field(default_factory=dict)
    book: Float = field(default_factory=lambda: empty(0, 0, 0))
    """float64[n_money, n_agents, n_lanes], currency: the money columns in one block, of which `columns` has views."""
    edges: Edges = field(default_factory=lambda: Edges({}, 0))
    """Claims between agents at the start."""
    scales: Float = field(default_factory=lambda: empty(0, 2, 0, 0))
    """float64[n_layers, 2, n_agents, n_lanes], 1: `kept` and `drawn` of all layers, of which `layers` has views."""
    layers: dict[str, Claims] = field(default_factory=dict)
    """Claims between agents, by layer."""
    units: Float = field(default_factory=lambda: empty(0, 0, 0))
    """float64[n_agents, n_assets, n_lanes], pieces whose price at the start is 1; issuers hold the negative."""
    price: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_assets, n_lanes], currency per piece, 1 at the start."""
    fair_value: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_assets], share of the holding that is marked to market; the rest stays at cost."""
    traded: Bool = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """bool[n_assets], whether an asset has a market; a loan pool has none."""
    shares: Bool = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """bool[n_assets], whether an asset is a share in its issuers: a liability of theirs, but no debt."""
    loss: Float = field(default_factory=lambda: empty(0, 0, 0))
    """float64[n_sources, n_agents, n_lanes], currency; `sources` names the first axis."""
    sources: tuple[str, ...] = ("shock",)
    equity0: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_lanes], net worth before any event."""
    solvency0: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_lanes], the same with own shares not counted as debt."""
    days: float = 1.0
    """Length of a step, days."""
    time: float = 0.0
    """Days since the start, at the end of the step that is played."""
    played: dict[str, int] = field(default_factory=dict)
    """Step in which something that several channels share was last done, by name."""
    memory: dict[str, Float] = field(default_factory=dict)
    """What a metric keeps from step to step, float64[n_lanes], by name."""
    estate0: Float = field(default_factory=lambda: empty(0, 0))
    """float64[n_agents, n_lanes], claims on the estate as they were at clearing: the base of its payments."""

    @cached_property
    def money(self) -> tuple[Column, ...]:
        """Columns that only the ledger may change."""
        return tuple(column for column in self.described if column.is_money)

    @cached_property
    def other_sides(self) -> tuple[Float, Int]:
        """Of every money column: 1 for an asset or -1 for a debt, and the row of the sector opposite, -1 for none."""
        signs = np.array([-1.0 if column.liability_to else 1.0 for column in self.money])
        opposite = [column.asset_on or column.liability_to for column in self.money]
        return signs, np.array([self.row(sector) if sector else -1 for sector in opposite], dtype=np.int64)

    @cached_property
    def debts(self) -> tuple[str, ...]:
        """Debts to sectors that are cleared in default; sales retire them from the last to the first."""
        return tuple(column.name for column in self.money if column.rank)

    @cached_property
    def places(self) -> dict[str, Int]:
        """Places in `book` of all that agents own, of what they own on sectors, and of the `debts`; in their order."""
        own = [(k, not column.liability_to, column.asset_on, column.rank) for k, column in enumerate(self.money)]
        names = ("owned", "assets", "debts")
        return {name: np.array([each[0] for each in own if each[n + 1]], np.int64) for n, name in enumerate(names)}

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Column of each name."""
        return {column.name: column for column in self.described}

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

    @cached_property
    def people(self) -> slice:
        """Rows of all agents that are no sectors: whose assets and debts make up the perimeter."""
        return slice(0, min(self.types[sector].start for sector in SECTORS))

    @cached_property
    def debtors(self) -> slice:
        """Rows of the agents that can default: banks, technology firms and platforms."""
        return slice(0, self.rows("platforms").stop)

    def rows(self, kind: str) -> slice:
        """Return the rows of a type of agent.

        Parameters
        ----------
        kind : str
            One of `AGENTS`.

        Returns
        -------
        slice
            Contiguous; empty where the system has none.
        """
        return self.types[kind]

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
        mask = np.zeros(self.n_agents, dtype=np.bool_)
        for kind in column.owners:
            mask[self.types.get(kind, slice(0, 0))] = True
        return mask


def allocate(state: State, start: dict[str, Float], edges: Edges) -> None:
    """Give a state its columns and layers: what the system says, else each column's own start.

    Parameters
    ----------
    state : State
        Filled in place.
    start : dict of str to float64[n_agents]
        Values before any event.
    edges : Edges
        Layers of claims.
    """
    scaling = [
        Column(name, "1", f"{what} on layer {layer}", AGENTS, start=1.0)
        for layer in edges.rows
        for name, what in zip(multipliers(layer), ("Share not called", "Share not repaid"), strict=True)
        if name not in state.by_name
    ]
    state.described = (*state.described, *scaling)
    state.__dict__.pop("by_name", None)
    shape = (state.n_agents, state.n_lanes)
    state.edges, state.book, state.scales = edges, empty(len(state.money), *shape), empty(len(edges.rows), 2, *shape)
    money, scaled = [column.name for column in state.money], [name for each in edges.rows for name in multipliers(each)]
    others = [column.name for column in state.described if column.name not in {*money, *scaled}]
    for names, block in ((money, state.book), (scaled, state.scales), (others, empty(len(others), *shape))):
        together = block.reshape(len(names), *shape)
        together[...] = np.array([state.by_name[name].start for name in names])[:, None, None]
        state.columns |= zip(names, together, strict=True)
    state.columns = {column.name: state.columns[column.name] for column in state.described}
    for name in start.keys() & state.columns.keys():
        state.columns[name][...] = start[name][:, None]
    for layer, rows in edges.rows.items():
        kept, drawn = (state.columns[name] for name in multipliers(layer))
        state.layers[layer] = Claims(rows, kept, drawn, edges.columns[layer])
