"""What a plug-in of others is given: a state it cannot write to, and a ledger that checks what it posts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.arrays import Bool, Float
from sim.errors import PluginError, SimError, UnknownNameError, shown
from sim.ledger.entries import Ledger, Rows


class WatchedLedger(Ledger):
    """The same books, for a plug-in of others: every entry is checked before it is made.

    Parameters
    ----------
    ledger : Ledger
        Whose books are written.
    name : str
        How messages name the plug-in.
    source : str
        What its losses must be posted under.
    on : float64[n_lanes], optional
        Its switch in each lane; where it is 0 nothing may be posted.
    """

    def __init__(self, ledger: Ledger, name: str, source: str, on: Float | None = None) -> None:
        self.state, self.books, self.witness = ledger.state, ledger.books, ledger.witness
        self._name, self._source = name, source
        self._off: Bool = np.zeros(ledger.state.n_lanes, dtype=np.bool_) if on is None else np.asarray(on) == 0.0

    def _refuse(self, text: str) -> PluginError:
        return PluginError(f"{self._name}: {text}")

    def _sourced(self, entry: str, source: str) -> None:
        if source != self._source:
            raise self._refuse(f"{entry} is posted under {shown(source)}; allowed: {self._source!r}")

    def _money(self, entry: str, name: str) -> None:
        known = [column.name for column in self.state.money]
        if name not in known:
            raise self._refuse(str(UnknownNameError("money column", name, known, f"{entry}: ")))

    def _rows(self, rows: Rows) -> tuple[int, ...]:
        if isinstance(rows, slice):
            return (len(range(*rows.indices(self.state.n_agents))),)
        return ()

    def _checked(self, what: str, values: Any, shape: tuple[int, ...], rows: Rows = 0, top: float = np.inf) -> None:
        """Refuse amounts of the wrong shape or sign, or that are no numbers."""
        shape = (*shape, self.state.n_lanes)
        if not isinstance(values, np.ndarray) or values.shape != shape:
            raise self._refuse(f"{what} has shape {np.shape(values)}, expected {shape}")
        if values.dtype.kind not in "fb":
            raise self._refuse(f"{what} has dtype {values.dtype}, expected float64")
        good = (values >= 0.0) & (values <= min(top, np.finfo(np.float64).max))
        if not good.all():
            at = tuple(int(k) for k in np.argwhere(~good)[0])
            raise self._refuse(
                f"{what} {float(values[at]):g}{self._whose(at, shape, rows)} is outside "
                f"{'[0, 1]' if top == 1.0 else 'what is allowed: finite and 0 or more'}"
            )

    def _whose(self, at: tuple[int, ...], shape: tuple[int, ...], rows: Rows) -> str:
        if not isinstance(rows, slice):
            return f" for {self.state.ids[rows]!r}" if rows else ""
        row = range(*rows.indices(self.state.n_agents))[at[0]] if len(shape) > 1 else 0
        return f" for {self.state.ids[row]!r}"

    def _quiet(self, entry: str, moved: Any) -> None:
        if self._off.any() and np.any(np.asarray(moved)[..., self._off] != 0.0):
            raise self._refuse(f"{entry} posts in a lane where the channel is switched off; multiply by step.on")

    def create(self, name: str, rows: Rows, amount: Float, source: str, for_cash: bool = False) -> None:
        """Check, then create a claim.

        Parameters
        ----------
        name : str
            Money column.
        rows : int or slice
            Owners.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            Finite, not negative.
        source : str
            The plug-in's own name.
        for_cash : bool
            Whether the sector pays for it.
        """
        self._sourced("create", source)
        self._money("create", name)
        self._checked(f"create {name}: amount", amount, self._rows(rows), rows)
        self._quiet("create", amount)
        super().create(name, rows, amount, source, for_cash)

    def settle(self, name: str, rows: Rows, face: Float, paid: Float, source: str, via: str = "cash") -> None:
        """Check, then extinguish a claim.

        Parameters
        ----------
        name : str
            Money column.
        rows : int or slice
            Owners.
        face : float64[n_rows, n_lanes] or float64[n_lanes], currency
            What ends.
        paid : float64[n_rows, n_lanes] or float64[n_lanes], currency
            What is paid for it.
        source : str
            The plug-in's own name.
        via : str
            ``"cash"`` or ``"estate"``.
        """
        self._sourced("settle", source)
        self._money("settle", name)
        column = self.state.by_name[name]
        if not (column.asset_on or column.liability_to):
            raise self._refuse(f"settle: {name} is nobody's debt")
        if via not in ("cash", "estate"):
            raise self._refuse(f"settle: via = {shown(via)}; allowed: 'cash', 'estate'")
        self._checked(f"settle {name}: face", face, self._rows(rows), rows)
        self._checked(f"settle {name}: paid", paid, self._rows(rows), rows)
        self._quiet("settle", face)
        self._quiet("settle", paid)
        super().settle(name, rows, face, paid, source, via)

    def fund_investors(self, outlay: Float, source: str, sector: str = "outside") -> None:
        """Check, then let outside investors, or the deposit insurer, draw reserves.

        Parameters
        ----------
        outlay : float64[n_lanes], currency
            What they are about to pay.
        source : str
            The plug-in's own name.
        sector : str
            ``"outside"`` or ``"deposit_insurer"``.
        """
        self._sourced("fund_investors", source)
        if sector not in ("outside", "deposit_insurer"):
            raise self._refuse(f"fund_investors: sector = {shown(sector)}; allowed: 'outside', 'deposit_insurer'")
        self._checked("fund_investors: outlay", outlay, ())
        self._quiet("fund_investors", outlay)
        super().fund_investors(outlay, source, sector)

    def transfer(self, name: str, rows: slice, buyer: int, amount: Float, source: str) -> None:
        """Check, then sell an asset column.

        Parameters
        ----------
        name : str
            Money column.
        rows : int or slice
            Owners.
        buyer : int
            Row of the buying sector.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            Finite, not negative.
        source : str
            The plug-in's own name.
        """
        self._sourced("transfer", source)
        self._money("transfer", name)
        self._checked(f"transfer {name}: amount", amount, self._rows(rows), rows)
        self._quiet("transfer", amount)
        super().transfer(name, rows, buyer, amount, source)

    def transfer_units(self, rows: slice, buyer: int, sold: Float, price: Float, source: str) -> None:
        """Check, then sell pieces of securities.

        Parameters
        ----------
        rows : int or slice
            Owners.
        buyer : int
            Row of the buying sector.
        sold : float64[n_rows, n_assets, n_lanes], pieces
            Not negative.
        price : float64[n_assets, n_lanes], currency per piece
            Not negative.
        source : str
            The plug-in's own name.
        """
        self._sourced("transfer_units", source)
        n_assets = self.state.units.shape[1]
        self._checked("transfer_units: sold", sold, (*self._rows(rows), n_assets), rows)
        self._checked("transfer_units: price", price, (n_assets,))
        self._quiet("transfer_units", sold)
        super().transfer_units(rows, buyer, sold, price, source)

    def destroy(self, rows: Rows, amount: Float, source: str) -> None:
        """Check, then destroy real assets.

        Parameters
        ----------
        rows : int or slice
            Owners.
        amount : float64[n_rows, n_lanes] or float64[n_lanes], currency
            Finite, not negative.
        source : str
            The plug-in's own name.
        """
        self._sourced("destroy", source)
        self._checked("destroy: amount", amount, self._rows(rows), rows)
        self._quiet("destroy", amount)
        super().destroy(rows, amount, source)

    def revalue_price(self, price: Float, source: str) -> None:
        """Check, then set market prices.

        Parameters
        ----------
        price : float64[n_assets, n_lanes], currency per piece
            Not negative.
        source : str
            The plug-in's own name.
        """
        self._sourced("revalue_price", source)
        self._checked("revalue_price: price", price, (self.state.price.shape[0],))
        self._quiet("revalue_price", price - self.state.price)
        super().revalue_price(price, source)

    def revalue_worth(self, worth: Float, source: str) -> None:
        """Check, then set what claims are carried at.

        Parameters
        ----------
        worth : float64[n_agents, n_lanes], 1
            In [0, 1].
        source : str
            The plug-in's own name.
        """
        self._sourced("revalue_worth", source)
        self._checked("revalue_worth: recovery", worth, (self.state.n_agents,), slice(None), top=1.0)
        self._quiet("revalue_worth", worth - self.state.worth)
        super().revalue_worth(worth, source)

    def settle_claims(self, failing: Bool, recovery: Float, source: str) -> None:
        """Check, then extinguish all interbank debt of failing agents.

        Parameters
        ----------
        failing : bool[n_agents, n_lanes]
            Whose debts end.
        recovery : float64[n_agents, n_lanes], 1
            In [0, 1].
        source : str
            The plug-in's own name.
        """
        self._sourced("settle_claims", source)
        self._checked("settle_claims: failing", failing, (self.state.n_agents,), slice(None), top=1.0)
        self._checked("settle_claims: recovery", recovery, (self.state.n_agents,), slice(None), top=1.0)
        self._quiet("settle_claims", failing)
        super().settle_claims(failing, recovery, source)

    def roll(self, layer: str, kept: Float, drawn: Float, source: str, for_cash: bool = True) -> None:
        """Check, then bring the multipliers of a layer to new values.

        Parameters
        ----------
        layer : str
            Layer of claims.
        kept, drawn : float64[n_agents, n_lanes], 1
            New multipliers, not negative.
        source : str
            The plug-in's own name.
        for_cash : bool
            Whether cash moves the other way.
        """
        self._sourced("roll", source)
        if layer not in self.state.layers:
            raise self._refuse(str(UnknownNameError("layer", layer, self.state.layers, "roll: ")))
        claims = self.state.layers[layer]
        self._checked(f"roll {layer}: kept", kept, (self.state.n_agents,), slice(None))
        self._checked(f"roll {layer}: drawn", drawn, (self.state.n_agents,), slice(None))
        self._quiet("roll", kept - claims.kept)
        self._quiet("roll", drawn - claims.drawn)
        super().roll(layer, kept, drawn, source, for_cash)

    def pay(self, paid: Float, received: Float, source: str) -> None:
        """Check, then move cash between agents.

        Parameters
        ----------
        paid, received : float64[n_agents, n_lanes], currency
            By row, not negative, of one sum.
        source : str
            The plug-in's own name.
        """
        self._sourced("pay", source)
        self._checked("pay: paid", paid, (self.state.n_agents,), slice(None))
        self._checked("pay: received", received, (self.state.n_agents,), slice(None))
        self._quiet("pay", paid)
        self._quiet("pay", received)
        super().pay(paid, received, source)


def named(name: str, package: str = "") -> str:
    """Return how messages name a plug-in.

    Parameters
    ----------
    name : str
        As a scenario writes it.
    package : str
        ``package version``, or empty.

    Returns
    -------
    str
        ``plug-in 'x' (package y 1.0)``.
    """
    return f"plug-in {name!r}" + (f" (package {package})" if package else "")


def watched(name: str, method: str, call: Callable[[], Any]) -> Any:
    """Call a plug-in of others; whatever it does wrong is told as its own error.

    Parameters
    ----------
    name : str
        How to name the plug-in, from `named`.
    method : str
        What is called.
    call : callable
        Calls it.

    Returns
    -------
    object
        What the plug-in returned.

    Raises
    ------
    PluginError
        If it raises, writes to a read-only input or draws from a global random generator.
    """
    before = _luck()
    try:
        found = call()
    except (SimError, MemoryError):  # errors of this program say what they mean; memory is no fault of a plug-in
        raise
    except Exception as error:  # the plug-in's own errors get its name
        if isinstance(error, ValueError) and "read-only" in str(error):
            text = "wrote to a read-only input; money, claims and prices change only through the ledger"
            raise PluginError(f"{name}: {method} {text}") from error
        raise PluginError(f"{name}: {method} raised {type(error).__name__}: {error}") from error
    if _luck() != before:
        text = "used the global random generator: results would not be repeatable; draw from `draws`"
        raise PluginError(f"{name}: {method} {text}")
    return found


def _luck() -> tuple[object, ...]:
    """Return the state of the generators that everybody shares."""
    _, key, *rest = np.random.get_state()  # noqa: NPY002 - looked at, never drawn from
    return np.asarray(key).tobytes(), *rest, random.getstate()
