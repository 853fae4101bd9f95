"""The system before the shock: agents, layers and markets; who a target names."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.arrays import Bool, Float, Int, csr
from sim.errors import Problem, UnknownNameError
from sim.ledger.balance import net_worth, shares_issued, total_assets
from sim.networks.choose import chosen
from sim.networks.layer import Layer
from sim.networks.services import Services
from sim.state import BANKS, COLUMNS, INTERBANK, SECTORS, Column, State, allocate

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

KINDS: dict[str, str] = {
    "network": "claims between banks, the largest of them as lines (layer=)",
    "balance": "the balance sheet of one bank (agent=)",
}
"""Figures of a system; `System.plot` draws them."""

#: Largest banks shown in a notebook.
LARGEST = 5


@dataclass(frozen=True)
class System:
    """Agents (columns), layers (sparse matrices) and markets before any event; read-only.

    Parameters
    ----------
    ids : tuple of str
        Banks, then one agent per sector.
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
        Row of each asset's issuer.
    currency : str
        Unit of all money.
    traded, shares : bool[n_assets]
        Whether an asset has a market; whether it is a share in its issuers, which is no debt of theirs.
    traits : dict of str to float64[n_agents]
        What does not change during a run, such as ``revenue`` (currency a year) or ``headroom`` (1).
    services : Services or None
        Who depends on whose service.
    labels : dict of str to tuple of str
        Descriptive columns of the banks, such as name and country.
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
        state = self.state(1, ("shock",))
        banks = self.types[BANKS]
        assets, equity = total_assets(state)[banks, 0], net_worth(state)[banks, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            leverage = np.where(equity > 0.0, assets / equity, 1.0)
        object.__setattr__(self, "leverage0", leverage)
        object.__setattr__(self, "scale", float(np.abs(assets).sum()) or 1.0)

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
    ) -> System:
        """Build a system from tables, no file needed.

        Parameters
        ----------
        banks : DataFrame
            ``id, total_assets, equity`` and optionally ``cash, deposits_*, other_liabilities, loans, interbank_assets,
            interbank_liabilities, name, country, imputed``; currency.
        exposures : DataFrame, optional
            ``creditor, debtor, amount``. Without it, and with ``interbank_assets`` in `banks`, the network is
            reconstructed by maximum entropy and labelled as imputed.
        holdings : DataFrame, optional
            ``agent, asset, amount[, fair_value_share]``.
        assets : DataFrame, optional
            ``asset, depth[, issuer, price_floor]``; required with `holdings`.
        currency : str
            Unit of all money, such as ``"EUR million"``.
        fair_value_share : float
            Share marked to market where `holdings` does not say, 1.

        Returns
        -------
        System
            Checked.

        Raises
        ------
        InputError
            All problems at once.
        """
        from sim.networks.assemble import assemble
        from sim.networks.frames import tables_of

        tables, told = tables_of({"banks": banks, "exposures": exposures, "holdings": holdings, "assets": assets})
        parts = assemble(tables, sectors=SECTORS, fair_value_share=fair_value_share)
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
        state = State(self.ids, self.types, n_lanes, (*COLUMNS, *columns))
        claims = {name: layer.csr for name, layer in self.layers.items() if layer.unit == "currency"}
        allocate(state, self.start, claims or {INTERBANK: csr(np.zeros((n, n)))})
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
    def banks(self) -> tuple[str, ...]:
        """Ids of the banks."""
        return self.ids[self.types[BANKS]]

    @property
    def equity0(self) -> Float:
        """Net worth before any event, sectors included: float64[n_agents], currency."""
        return np.ascontiguousarray(net_worth(self.state(1, ("shock",)))[:, 0])

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
        """One row a bank: labels and balance-sheet items, currency."""
        import pandas as pd

        banks = self.types[BANKS]
        state = self.state(1, ("shock",))
        frame = pd.DataFrame({"type": ["bank"] * len(self.banks)}, index=pd.Index(self.banks, name="id"))
        for name, values in self.labels.items():
            frame[name] = list(values)
        frame["total_assets"] = total_assets(state)[banks, 0]
        frame["equity"] = net_worth(state)[banks, 0]
        for column in state.money:
            if BANKS in column.owners and np.any(self.start.get(column.name, np.zeros(1))):
                frame[column.name] = self.start[column.name][banks]
        for position, asset in enumerate(self.assets):
            frame[asset] = self.holdings[banks, position]
        if "interbank" in self.layers:
            matrix = self.layers["interbank"].to_scipy()
            frame["interbank_assets"] = np.asarray(matrix.sum(axis=1)).ravel()[banks]
            frame["interbank_liabilities"] = np.asarray(matrix.sum(axis=0)).ravel()[banks]
        return frame

    def balance_sheet(self, agent: str) -> pd.DataFrame:
        """Return one agent's balance sheet.

        Parameters
        ----------
        agent : str
            A bank's id.

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

        if agent not in self.banks:
            raise UnknownNameError("bank", agent, self.banks)
        row: dict[str, Any] = {str(name): value for name, value in self.agents.loc[agent].items()}
        items = [
            ("liabilities" if column.liability_to else "assets", column.meaning, float(row[column.name]))
            for column in COLUMNS
            if column.is_money and column.name in row
        ]
        items += [("assets", f"Securities: {asset}", float(row[asset])) for asset in self.assets]
        if "interbank_assets" in row:
            items.append(("assets", "Claims on other banks", float(row["interbank_assets"])))
            items.append(("liabilities", "Owed to other banks", float(row["interbank_liabilities"])))
        items.append(("liabilities", "Equity", float(row["equity"])))
        return pd.DataFrame([item for item in items if item[2]], columns=["side", "item", "amount"])

    def plot(self, kind: str | None = None, *, agent: str | None = None, layer: str = "interbank") -> Figure:
        """Draw a figure of the system before any event.

        Parameters
        ----------
        kind : str, optional
            ``"network"`` or ``"balance"``; by default the latter where an agent is named. Impact against vulnerability
            takes contagion, of which a system knows nothing: see `sim.experiments.plots.impact_figure`.
        agent : str, optional
            For the balance sheet: a bank's id; by default the largest.
        layer : str
            For the network: name of the layer.

        Returns
        -------
        Figure
            Belongs to no window.

        Raises
        ------
        UnknownNameError
            If there is no such kind, bank or layer; with the nearest.
        """
        from sim.report.balance import balance_figure
        from sim.report.circles import Circles
        from sim.report.ring import network_figure

        kind = kind or ("network" if agent is None else "balance")
        if kind not in KINDS:
            raise UnknownNameError("plot", kind, KINDS)
        banks = self.types[BANKS]
        size = total_assets(self.state(1, ("shock",)))[banks, 0]
        if kind == "balance":
            agent = agent if agent is not None or not self.banks else self.banks[int(np.argmax(size))]
            table = self.balance_sheet(agent or "")
            name = self.labels.get("name", ("",) * len(self.banks))[self.banks.index(agent or "")]
            heads = (f"Balance sheet of {name or agent}", "Before any event")
            return balance_figure(heads, "", [(agent or "", table)], unit=self.currency)
        found = self.layer(layer)
        note = "Imputed: the claims were reconstructed, not observed." if found.imputed else ""
        heads = (f"Claims between {len(self.banks)} banks", f"Layer {layer}, before any event")
        return network_figure(
            heads, note, found.to_scipy()[banks, banks], Circles(self.banks, size, unit=self.currency)
        )

    def check(self) -> dict[str, float]:
        """Check the accounting identities before any event.

        Returns
        -------
        dict of str to float
            Gaps as shares of total assets: ``closure`` (all net worths against real assets), ``balance`` (largest
            difference between a bank's assets and its liabilities plus equity).
        """
        state = self.state(1, ("shock",))
        worth = net_worth(state)
        closure = float(worth.sum() - state.real_assets.sum()) / self.scale
        frame = self.agents
        gaps = []
        for agent in self.banks:
            sheet = self.balance_sheet(agent).groupby("side")["amount"].sum()
            gaps.append(
                abs(sheet.get("assets", 0.0) - sheet.get("liabilities", 0.0)) / frame.loc[agent, "total_assets"]
            )
        return {"closure": abs(closure), "balance": float(max(gaps))}

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
        return chosen(text, self.ids, self.types, total_assets(self.state(1, ("shock",)))[:, 0], draws, key)

    def _repr_html_(self) -> str:
        from sim.report.cards import card, table
        from sim.report.text import number, scale

        banks = self.types[BANKS]
        state = self.state(1, ("shock",))
        size, equity = total_assets(state)[banks, 0], net_worth(state)[banks, 0]
        shown = scale(self.currency or "currency", float(np.abs(size).max(initial=0.0)))
        facts = {
            "total assets": f"{number(float(size.sum()) * shown.factor)} {shown.unit}",
            "equity": f"{number(float(equity.sum()) * shown.factor)} {shown.unit}",
            "securities": ", ".join(self.assets) or "none",
            "layers": ", ".join(
                f"{name} ({layer.n_edges:,} edges, {'imputed' if layer.imputed else 'observed'})"
                for name, layer in self.layers.items()
            )
            or "none",
        }
        rows = [
            [self.banks[k], number(float(size[k]) * shown.factor), number(float(equity[k]) * shown.factor)]
            for k in np.argsort(-size, kind="stable")[:LARGEST]
        ]
        headings = ["bank", f"total assets, {shown.unit}", "equity"]
        notes = [f"{len(self.imputed):,} cells or tables imputed, not observed; see .imputed"] if self.imputed else []
        notes += map(str, self.warnings)
        return card(
            "System", f"{len(self.banks):,} banks", "", facts, [table(headings, rows, caption="Largest")], notes
        )
