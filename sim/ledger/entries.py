"""Five kinds of entry: create, settle, transfer, destroy, revalue. Nothing else writes money.

Every entry addresses its two ends in the books (what each agent's stock of each instrument must now be), writes the
stocks, and posts the change of net worth of both ends to ``loss[source]``. The audit compares the books with the
stocks, so a leg that was forgotten, or written without being addressed, is found in the same step.
"""

from __future__ import annotations

from copy import copy

import numpy as np

from sim.arrays import Bool, Float, empty
from sim.kernels.books import is_zero, totals
from sim.kernels.claims import roll_layer
from sim.kernels.holdings import hand_over, mark
from sim.ledger.balance import layer_carried, layer_owed, reach, stocks, summed
from sim.ledger.ends import Each, Edges, Far, Instrument, Market, Rolled, Rows, Witness, against
from sim.state import Claims, State

__all__ = ["Ledger", "Rows"]


class Ledger:
    """The only writer of money columns, layer multipliers, holdings and prices.

    Parameters
    ----------
    state : State
        Written in place. Its books are opened at the stocks it has now.
    """

    witness: Witness | None = None
    """Told of every loss posted, while somebody watches."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.books: dict[str, Float] = {}
        self.money, self.sums = state.book.copy(), empty(len(state.money), state.n_lanes)
        totals(self.money, self.sums)
        for place, column in enumerate(state.money):
            self.books[column.name], self.books[column.name + "@"] = self.money[place], self.sums[place : place + 1]
        opened = stocks(state)
        self.planes = opened.planes
        self.books |= zip(opened.names, self.planes, strict=True)

    # -- what every entry is made of ---------------------------------------------------------------------------------

    def _address(self, instrument: str, rows: Rows, amount: Float) -> None:
        """Say what an end's stock of an instrument must change by."""
        self.books[instrument][rows] += amount

    def _write(self, stock: Float, rows: Rows, amount: Float) -> None:
        """Change a stored stock; one call is one leg."""
        stock[rows] += amount

    def _lose(self, source: str, on: Instrument, rows: Rows, far: Far, amount: Float) -> None:
        """Post a fall of net worth to whom it hit, under what caused it; `on` and `far` are for who watches."""
        self.state.loss[self.state.sources.index(source)][rows] += amount
        if self.witness is not None:
            self.witness(source, on, rows, far, amount)

    def _change(self, name: str, rows: Rows, amount: Float, whole: Float) -> None:
        """Address and write both sides of a money column; `whole` is the sum of the amounts over the rows."""
        self._address(name, rows, amount)
        self._address(name + "@", 0, whole)
        self._write(self.state.columns[name], rows, amount)

    def _worth(self, name: str, rows: Rows, amount: Float, whole: Float, source: str, far: Far = None) -> None:
        """Post what a change of a claim does to the net worth of owner and sector; `far` where it stands for others."""
        column = self.state.by_name[name]
        fall, lost = (amount, -whole) if column.liability_to else (-amount, whole)
        sector = column.asset_on or column.liability_to
        row = self.state.row(sector) if sector else None
        self._lose(source, name, rows, row if far is None else far, fall)
        if row is not None:
            self._lose(source, name, row, against(row, rows, fall, -1.0), lost)

    def _pay(self, payer: Rows, payee: Rows, amount: Float, source: str) -> None:
        """Move cash between an agent (or each of several) and a sector; the central bank's own side is derived."""
        central, whole = self.state.row("central_bank"), _whole(amount)
        for rows, other, receives in ((payer, payee, False), (payee, payer, True)):
            own = whole if isinstance(rows, int) else amount
            moved, lost = (own, -own) if receives else (-own, own)
            if rows != central:
                self._change("cash", rows, moved, whole if receives else -whole)
            self._lose(source, "cash", rows, against(rows, other, amount, -1.0 if receives else 1.0), lost)

    # -- the five entries --------------------------------------------------------------------------------------------

    def create(self, name: str, rows: Rows, amount: Float, source: str, for_cash: bool = False) -> None:
        """Create a claim: the owner's side of a money column and its sector's side grow.

        Parameters
        ----------
        name : str
            Money column.
        rows : int or slice
            Owners.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            Not negative.
        source : str
            Who caused it: ``"shock"`` or a channel.
        for_cash : bool
            Whether the sector pays the owner for the debt it takes on.
        """
        if _nothing(amount):
            return
        whole = _whole(amount)
        self._change(name, rows, amount, whole)
        self._worth(name, rows, amount, whole, source)
        if for_cash:
            self._pay(self.state.row(self.state.by_name[name].liability_to), rows, amount, source)

    def settle(self, name: str, rows: Rows, face: Float, paid: Float, source: str, via: str = "cash") -> None:
        """Extinguish a claim of a money column, wholly or partly paid; what is not paid is written off.

        Parameters
        ----------
        name : str
            Money column with a counterparty.
        rows : int or slice
            Owners of the column (creditors of an asset, debtors of a liability).
        face, paid : float64[n_rows, n_lanes] or float64[n_lanes], currency
            What ends, and what the debtor pays for it.
        source : str
            Who caused it.
        via : {"cash", "estate"}
            Payment in reserves, or in claims on the estate of failed agents.
        """
        if _nothing(face) and (paid is face or _nothing(paid)):
            return
        column, ended = self.state.by_name[name], -face
        sector, whole = self.state.row(column.asset_on or column.liability_to), _whole(ended)
        self._change(name, rows, ended, whole)
        self._worth(name, rows, ended, whole, source)
        if via == "estate":
            self._pass_on("estate_claims", sector, _whole(paid), source, against(sector, rows, paid, -1.0))
            self._pass_on("estate_due", rows, paid, source, sector)
        elif column.liability_to:
            self._pay(rows, sector, paid, source)
        else:
            self._pay(sector, rows, paid, source)

    def _pass_on(self, name: str, rows: Rows, amount: Float, source: str, far: Far) -> None:
        """Put the estate between a failed agent and its creditors, who remain each other's far end."""
        whole = _whole(amount)
        self._change(name, rows, amount, whole)
        self._worth(name, rows, amount, whole, source, far)

    def fund_investors(self, outlay: Float, source: str, sector: str = "outside") -> None:
        """Let outside investors, or the deposit insurer, draw reserves from the central bank beyond their own.

        Parameters
        ----------
        outlay : float64[n_lanes], currency
            What they are about to pay.
        source : str
            Who caused it.
        sector : {"outside", "deposit_insurer"}
            Who pays.
        """
        row = self.state.row(sector)
        short = np.maximum(0.0, outlay - self.state.cash[row])
        self.create("cash", row, short, source)
        self.create("advances", row, short, source)

    def transfer(self, name: str, rows: slice, buyer: int, amount: Float, source: str) -> None:
        """Sell an asset column at face value to a sector, against cash.

        Parameters
        ----------
        name : str
            Money column that is an asset.
        rows : slice
            Sellers.
        buyer : int
            Row of the buying sector.
        amount : float64[n_rows, n_lanes], currency
            Face value sold; negative amounts are bought from the sector instead.
        source : str
            Who caused it.
        """
        if _nothing(amount):
            return
        whole = summed(amount)
        self._change(name, rows, -amount, -whole)
        self._lose(source, name, rows, buyer, amount)
        self._change(name, buyer, whole, whole)
        self._lose(source, name, buyer, (Each(buyer, rows, amount, -1.0),), -whole)
        self._pay(buyer, rows, amount, source)

    def transfer_units(self, rows: slice, buyer: int, sold: Float, price: Float, source: str) -> None:
        """Sell pieces of securities to a sector at a price, against cash; the seller realises what stood at cost.

        Parameters
        ----------
        rows : slice
            Sellers.
        buyer : int
            Row of the buying sector, which marks everything to market.
        sold : float64[n_rows, n_assets, n_lanes], pieces
            Not more than is held.
        price : float64[n_assets, n_lanes], currency per piece
            Settlement price; it may differ from the market price.
        source : str
            Who caused it.
        """
        if _nothing(sold.reshape(-1, sold.shape[-1])):
            return
        state, books, lost = self.state, self.books["securities"], self.state.loss[self.state.sources.index(source)]
        sold, price, fair = np.ascontiguousarray(sold), np.ascontiguousarray(price), state.fair_value[rows]
        paid, bought = np.empty((sold.shape[0], sold.shape[2])), np.empty(price.shape)
        hand_over(sold, fair, state.price, price, state.units[rows], books[rows], lost[rows], paid, bought)
        for asset, (pieces, market) in enumerate(zip(bought, state.price, strict=True)):
            on, gone = ("securities", asset), sold[:, asset]
            if self.witness is not None and not _nothing(gone):
                share = fair[:, asset, None]
                self.witness(source, on, rows, buyer, gone * (share * market + (1.0 - share)))
            self._address("securities", buyer, pieces * market)
            self._lose(source, on, buyer, (Each(buyer, rows, gone, -1.0, market),), -pieces * market)
            self._write(state.units[:, asset], buyer, pieces)
        self._pay(buyer, rows, paid, source)

    def destroy(self, rows: Rows, amount: Float, source: str) -> None:
        """Destroy real assets: the one thing whose loss nobody gains.

        Parameters
        ----------
        rows : int or slice
            Owners.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            What is gone.
        source : str
            Who caused it.
        """
        if _nothing(amount):
            return
        self._change("real_assets", rows, -amount, -_whole(amount))
        self._lose(source, "real_assets", rows, None, amount)

    def revalue_price(self, price: Float, source: str) -> None:
        """Set market prices: holders and issuers are marked, what stands at cost is not.

        Parameters
        ----------
        price : float64[n_assets, n_lanes], currency per piece
            New prices.
        source : str
            Who caused it.
        """
        state, rise = self.state, np.ascontiguousarray(price - self.state.price)
        if _nothing(rise):
            return
        lost = state.loss[state.sources.index(source)]
        mark(state.units, state.fair_value, rise, self.books["securities"], lost)
        if self.witness is not None:
            for asset in [k for k, change in enumerate(rise) if not _nothing(change)]:
                market = Market(state.units[:, asset], state.fair_value[:, asset], rise[asset])
                gain = market.units * market.fair_value[:, None] * market.rise
                self.witness(source, ("securities", asset), slice(None), (market,), -gain)
        self._write(state.price, slice(None), rise)

    def revalue_worth(self, worth: Float, source: str) -> None:
        """Set what claims on each agent are carried at: creditors against their provisions.

        Parameters
        ----------
        worth : float64[n_agents, n_lanes], 1
            Value of one unit of claim on each agent.
        source : str
            Who caused it.
        """
        state, change = self.state, worth - self.state.worth
        if _nothing(change):
            return
        for name, claims in state.layers.items():
            fall = -layer_carried(state, claims, change)
            self._address("provisions", slice(None), fall)
            debts = Edges(claims.rows, (claims.kept,), (claims.drawn, state.alive, change), -1.0)
            self._lose(source, name, slice(None), (debts,), fall)
        self._write(state.worth, slice(None), change)

    def settle_claims(self, failing: Bool, recovery: Float, source: str) -> None:
        """Extinguish all debt of failing agents to other agents: paid in claims on the estate, the rest written off.

        Parameters
        ----------
        failing : bool[n_agents, n_lanes]
            Whose debts end. Their claims must be carried at face: provisions are released first.
        recovery : float64[n_agents, n_lanes], 1
            What the estate will pay per unit.
        source : str
            Who caused it.
        """
        state = self.state
        ended = [self._end(name, claims, failing, recovery, source) for name, claims in state.layers.items()]
        self._write(state.alive, slice(None), -(state.alive * failing))
        for paid, owed, debtors, creditors in ended:
            self._pass_on("estate_claims", slice(None), paid, source, (debtors,))
            self._pass_on("estate_due", slice(None), owed * recovery, source, (creditors,))

    def _end(
        self, name: str, claims: Claims, failing: Bool, recovery: Float, source: str
    ) -> tuple[Float, Float, Edges, Edges]:
        """Address the end of one layer's debts; return what the estate pays for them, what was owed, by and to whom."""
        state = self.state
        ending = claims.drawn * state.alive * failing
        face, paid = claims.kept * reach(claims.rows, ending), claims.kept * reach(claims.rows, ending * recovery)
        owed = layer_owed(state, claims) * failing
        self._address(name, slice(None), -face)
        self._lose(source, name, slice(None), (Edges(claims.rows, (claims.kept,), (ending,)),), face)
        self._address(name + "@", slice(None), -owed)
        self._lose(source, name, slice(None), (Edges(claims.columns, (ending,), (claims.kept,), -1.0),), -owed)
        debtors = Edges(claims.rows, (claims.kept,), (ending, recovery), -1.0)
        return paid, owed, debtors, Edges(claims.columns, (ending, recovery), (claims.kept,))

    def roll(self, layer: str, kept: Float, drawn: Float, source: str, for_cash: bool = True) -> None:
        """Bring a layer's multipliers to new values: what claims fall by is repaid in cash, what they grow by is lent.

        Parameters
        ----------
        layer : str
            Layer of claims.
        kept, drawn : float64[n_agents, n_lanes], 1
            New share of its claims that each creditor has not called, and of its debt that each debtor has not repaid.
        source : str
            Who caused it.
        for_cash : bool
            Whether cash moves the other way; a guarantee that is called grows without.

        Notes
        -----
        Repayment is at face value, so a creditor that had provided against the claim gains what it had provided.
        """
        state, claims, everyone = self.state, self.state.layers[layer], slice(None)
        called, repaid = kept - claims.kept, drawn - claims.drawn
        if _nothing(called) and _nothing(repaid):
            return
        # what the books expect follows from what was asked for, not from what is then written
        asked = copy(claims)
        asked.kept, asked.drawn = np.ascontiguousarray(kept), np.ascontiguousarray(drawn)
        lent, borrowed, worth = (np.empty(kept.shape) for _ in range(3))
        roll_layer(
            *(claims.rows[:3], claims.columns[:3]),
            *((claims.kept, claims.drawn), (asked.kept, asked.drawn)),
            *(state.alive, state.worth, lent, borrowed, worth),
        )
        self._write(claims.kept, everyone, called)
        self._write(claims.drawn, everyone, repaid)
        self._address(layer, everyone, lent)
        self._address(layer + "@", everyone, borrowed)
        self._address("provisions", everyone, lent - worth)
        edges = Rolled(asked, called, repaid, state.alive, state.worth)
        self._lose(source, layer, everyone, (edges,), borrowed - worth)
        if for_cash:
            self._move(lent, borrowed, source, (edges._replace(worth=None, sign=1.0),))

    def pay(self, paid: Float, received: Float, source: str) -> None:
        """Move cash between agents; both sides must have the same sum.

        Parameters
        ----------
        paid, received : float64[n_agents, n_lanes], currency
            By row; negative amounts go the other way.
        source : str
            Who caused it.
        """
        if not (_nothing(paid) and _nothing(received)):
            self._move(paid, received, source, ())

    def _move(self, paid: Float, received: Float, source: str, far: Far) -> None:
        everyone = slice(None)
        gained = received - paid
        self._change("cash", everyone, gained, summed(gained))
        self._lose(source, "cash", everyone, far, paid - received)


def _whole(amount: Float) -> Float:
    """Return the sum over rows, or the amount of a single row itself."""
    return amount if amount.ndim == 1 else summed(amount)


def _nothing(amount: Float) -> bool:
    """Return whether there is nothing to post: books and stocks would keep their bits."""
    return is_zero(amount if amount.ndim == 2 else amount[None])
