"""The system before the shock: agents, layers and markets; who a target names."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float, Int, csr
from sim.errors import Problem, UnknownNameError
from sim.ledger.balance import net_worth, shares_issued, total_assets
from sim.ledger.sheet import sheet
from sim.networks.choose import chosen
from sim.networks.layer import Layer
from sim.networks.overview import card, counted, identities, table
from sim.networks.pools import Pool, find_pools
from sim.networks.services import Services
from sim.state import AGENTS, BANKS, COLUMNS, INTERBANK, SECTORS, SUBORDINATED, Column, Edges, State, allocate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KINDS: dict[str, str] = {
    "network": "one layer between agents, its largest edges as lines (layer=)",
    "balance": "the balance sheet of one agent (agent=)",
}
"""Figures of a system; `System.plot` draws them."""


@dataclass(frozen=True)
class System:
    """Agents (columns), layers (sparse matrices) and markets before any event; read-only.

    Parameters
    ----------
    ids : tuple of str
        Banks, technology firms, platforms, funds, then one agent per sector.
    types : dict of str to slice
        Rows of each type.
    start : dict of str to float64[n_agents]
        Columns, currency.
    layers : dict of str to Layer
        ``row = exposed``; the interbank layer is ``"interbank"``.
    assets : tuple of str
        Asset classes.
    holdings, fair_value : float64[n_agents, n_assets]
        Currency (issuers negative); share marked to market.
    depth, floor : float64[n_assets]
        Sales that take the whole price under linear impact, currency; lowest price (Cont-Schaanning).
    issuers : tuple of int
        Row of each asset's issuer; of several, the first.
    currency : str
        Unit of all money.
    traded, shares : bool[n_assets]
        Whether an asset has a market; whether it is a share in its issuers, which is no debt of theirs.
    traits : dict of str to float64[n_agents]
        What does not change during a run, such as ``revenue`` (currency a year) or ``headroom`` (1).
    services : Services or None
        Who depends on whose service.
    classes : tuple of str
        Class of each asset, such as ``"GOV"``; a loan pool is ``"POOL"`` and bears the name of its platform, shares of
        a fund are ``"FUND"`` and bear the name of the fund.
    labels : dict of str to tuple of str
        Descriptive columns of all agents but sectors, such as name, country and kind.
    imputed : tuple of dict
        What was not observed: ``table, row, cell, how``.
    warnings : tuple of Problem
        What a user should know.
    """

    ids: tuple[str, ...]
    types: dict[str, slice]
    start: dict[str, Float]
    layers: dict[str, Layer]
    assets: tuple[str, ...]
    holdings: Float
    fair_value: Float
    depth: Float
    floor: Float
    issuers: tuple[int, ...]
    currency: str = ""
    traded: Bool = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    shares: Bool = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    traits: dict[str, Float] = field(default_factory=dict)
    services: Services | None = None
    classes: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    imputed: tuple[dict[str, str], ...] = ()
    warnings: tuple[Problem, ...] = ()
    leverage0: Float = field(init=False)
    scale: float = field(init=False)
    _worked_out: dict[Hashable, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("traded", True), ("shares", False)):
            if getattr(self, name).size != len(self.assets):
                object.__setattr__(self, name, np.full(len(self.assets), value))
        state = self._before
        banks, owned = self.types[BANKS], total_assets(state)[state.people, 0]
        assets, equity = owned[banks], net_worth(state)[banks, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            leverage = np.where(equity > 0.0, assets / equity, 1.0)
        object.__setattr__(self, "leverage0", leverage)
        object.__setattr__(self, "scale", float(np.abs(owned).sum()) or 1.0)

    @classmethod
    def from_frames(
        cls,
        banks: pd.DataFrame,
        exposures: pd.DataFrame | None = None,
        holdings: pd.DataFrame | None = None,
        assets: pd.DataFrame | None = None,
        *,
        currency: str = "",
        fair_value_share: float = 1.0,
        **tables: pd.DataFrame | None,
    ) -> System:
        """Build a system from tables, no file needed.

        Parameters
        ----------
        banks : DataFrame
            ``id, total_assets, equity`` and optionally ``cash, real_assets, deposits_*, subordinated,
            other_liabilities, loans, interbank_assets, interbank_liabilities, name, country, kind, imputed`` and traits
            such as ``rwa, cet1, revenue, adoption``; currency.
        exposures : DataFrame, optional
            ``creditor, debtor, amount[, layer]``; layers are ``interbank`` (where none is said), ``overnight``,
            ``accounts`` (of firms, platforms and funds at banks) and ``lending`` (of banks to firms and platforms).
            Where only totals are given (``interbank_assets``, a firm's ``accounts`` and ``borrowed``), the claims are
            reconstructed and labelled as imputed.
        holdings : DataFrame, optional
            ``agent, asset, amount[, fair_value_share]``.
        assets : DataFrame, optional
            ``asset, depth[, issuer, price_floor, class]``; required with `holdings`. The issuer is a sector, a firm, or
            all firms of a type (``tech_firms``), over which the asset is then spread by total assets.
        currency : str
            Unit of all money, such as ``"EUR million"``.
        fair_value_share : float
            Share marked to market where `holdings` does not say, 1.
        **tables : DataFrame, optional
            ``tech_firms`` and ``platforms`` (``id, total_assets, equity``), ``funds`` (``id[, accounts, sponsor]``),
            ``services`` (``user, provider, function, share, criticality, backup``), ``pools`` (``platform, funder,
            share``), ``payments`` (``payer, payee, amount`` a day), ``distribution`` (``bank, platform, share``). All
            columns: `sim.networks.columns`.

        Returns
        -------
        System
            Checked.

        Raises
        ------
        InputError
            All problems at once.
        UsageError
            If there is no such table.
        """
        from sim.networks.assemble import assemble
        from sim.networks.frames import tables_of

        frames = {"banks": banks, "exposures": exposures, "holdings": holdings, "assets": assets}
        found, told = tables_of(frames | tables)
        parts = assemble(found, sectors=SECTORS, fair_value_share=fair_value_share)
        return cls(**parts | {"warnings": (*parts["warnings"], *told)}, currency=currency)

    def state(self, n_lanes: int, sources: Sequence[str], columns: Sequence[Column] = ()) -> State:
        """Return a fresh state of a block of draws.

        Parameters
        ----------
        n_lanes : int
            Width of the block.
        sources : sequence of str
            What losses are posted under: ``"shock"`` and the channels.
        columns : sequence of Column
            What the channels add.

        Returns
        -------
        State
            At the start, before any event.
        """
        n = len(self.ids)
        own = (*COLUMNS, SUBORDINATED) if SUBORDINATED.name in self.start else COLUMNS
        state = State(self.ids, self.types, n_lanes, (*own, *columns))
        allocate(state, self.start, self.once("edges", self._edges))
        state.units = np.ascontiguousarray(np.broadcast_to(self.holdings[:, :, None], (*self.holdings.shape, n_lanes)))
        state.price = np.ones((len(self.assets), n_lanes))
        state.fair_value, state.traded, state.shares = self.fair_value, self.traded, self.shares
        state.sources = tuple(sources)
        state.loss = np.zeros((len(state.sources), n, n_lanes))
        state.estate0 = np.zeros((n, n_lanes))
        state.equity0 = net_worth(state)
        issued = shares_issued(state, state.price)
        state.solvency0 = state.equity0.copy() if issued is None else state.equity0 + issued
        return state

    def _edges(self) -> Edges:
        """Return the layers of claims; an empty one between banks where there is none."""
        n = len(self.ids)
        claims = {name: layer.csr for name, layer in self.layers.items() if layer.unit == "currency"}
        return Edges(claims or {INTERBANK: csr(np.zeros((n, n)))}, n)

    def once(self, key: Hashable, work_out: Callable[[], Any]) -> Any:
        """Return something that depends on the system alone, worked out at its first use.

        Parameters
        ----------
        key : hashable
            What it is, with every parameter it depends on.
        work_out : callable
            Makes it; may be called twice when two threads ask at once, and must then give the same.

        Returns
        -------
        object
            Shared and read-only.
        """
        if key not in self._worked_out:
            self._worked_out[key] = work_out()
        return self._worked_out[key]

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Pools of loans that platforms originated, in the order of the assets."""
        parts = (self.ids, self.types["platforms"], self.assets, self.traded, self.shares)
        found: tuple[Pool, ...] = self.once("pools", lambda: find_pools(*parts))
        return found

    @property
    def banks(self) -> tuple[str, ...]:
        """Ids of the banks."""
        return self.ids[self.types[BANKS]]

    @property
    def _before(self) -> State:
        """A state of one lane, to look at."""
        return self.state(1, ("shock",))

    @property
    def equity0(self) -> Float:
        """Net worth before any event, sectors included: float64[n_agents], currency."""
        return np.ascontiguousarray(net_worth(self._before)[:, 0])

    def layer(self, name: str) -> Layer:
        """Return a layer by name.

        Parameters
        ----------
        name : str
            Such as ``"interbank"``.

        Returns
        -------
        Layer
            Read-only.

        Raises
        ------
        UnknownNameError
            Naming the layers there are.
        """
        if name not in self.layers:
            raise UnknownNameError("layer", name, self.layers)
        return self.layers[name]

    @property
    def agents(self) -> pd.DataFrame:
        """One row an agent, sectors left out: type, labels, balance-sheet items in currency, traits."""
        return table(self._before, self.assets, self.layers, self.labels, self.traits)

    def balance_sheet(self, agent: str) -> pd.DataFrame:
        """Return one agent's balance sheet.

        Parameters
        ----------
        agent : str
            Id of a bank, technology firm, platform or fund.

        Returns
        -------
        DataFrame
            Columns ``side, item, amount``; both sides sum to total assets.

        Raises
        ------
        UnknownNameError
            With the nearest id.
        """
        import pandas as pd

        state = self._before
        people = state.ids[state.people]
        if agent not in people:
            raise UnknownNameError("bank" if people == self.banks else "agent", agent, people)
        items = sheet(state, self.ids.index(agent), 0, self.assets)
        return pd.DataFrame(items, columns=["side", "item", "amount"])

    def plot(self, kind: str | None = None, *, agent: str | None = None, layer: str = "interbank") -> Figure:
        """Draw a figure of the system before any event.

        Parameters
        ----------
        kind : str, optional
            ``"network"`` or ``"balance"``; by default the latter where an agent is named. Impact against vulnerability
            takes contagion, of which a system knows nothing: see `sim.experiments.plots.impact_figure`.
        agent : str, optional
            For the balance sheet: an agent's id; by default the largest bank.
        layer : str
            For the network: name of the layer.

        Returns
        -------
        Figure
            Belongs to no window.

        Raises
        ------
        UnknownNameError
            If there is no such kind, agent or layer; with the nearest.
        """
        from sim.report.balance import balance_figure
        from sim.report.circles import Circles
        from sim.report.ring import network_figure

        kind = kind or ("network" if agent is None else "balance")
        if kind not in KINDS:
            raise UnknownNameError("plot", kind, KINDS)
        banks, state = self.types[BANKS], self._before
        size = total_assets(state)[:, 0]
        if kind == "balance":
            agent = agent if agent is not None or not self.banks else self.banks[int(np.argmax(size[banks]))]
            sheets = [(agent or "", self.balance_sheet(agent or ""))]
            names = self.labels.get("name", ())
            name = names[self.ids.index(agent or "")] if names else ""
            return balance_figure(
                (f"Balance sheet of {name or agent}", "Before any event"), "", sheets, unit=self.currency
            )
        found = self.layer(layer)
        note = "Imputed: the claims were reconstructed, not observed." if found.imputed else ""
        kinds, rows = ((BANKS,), banks) if layer == INTERBANK else (AGENTS, state.people)
        what, matrix = ("Claims" if found.unit == "currency" else "Links"), found.to_scipy()
        heads = (f"{what} between {counted(state, kinds)}", f"Layer {layer}, before any event")
        circles = Circles(self.ids[rows], size[rows], unit=self.currency)
        return network_figure(heads, note, matrix[rows, rows], circles)

    def check(self) -> dict[str, float]:
        """Check the accounting identities before any event.

        Returns
        -------
        dict of str to float
            Gaps as shares of assets: ``closure`` (all net worths against real assets), ``balance`` (largest difference
            between an agent's assets and its liabilities plus equity), ``supply`` (holders of an asset against its
            issuers), ``funds`` (largest net worth of a fund, which should have none).
        """
        return identities(self._before, self.scale)

    def target(self, text: str, draws: Int, key: str = "target") -> Bool:
        """Return whom a target names, draw by draw.

        Parameters
        ----------
        text : str
            ``banks``, an id, ``banks[largest]``, ``banks[rank=3]``, or ``banks[each]`` (draw k names bank k modulo
            their number); so for every type of agent.
        draws : int64[n_lanes]
            Draws of the block.
        key : str
            Dotted key, for messages.

        Returns
        -------
        bool[n_agents, n_lanes]
            True for named agents.

        Raises
        ------
        InputError
            With the nearest id or the selectors there are.
        """
        return chosen(text, self.ids, self.types, total_assets(self._before)[:, 0], draws, key)

    def _repr_html_(self) -> str:
        return card(self._before, self.currency, self.assets, self.layers, (len(self.imputed), self.warnings))
