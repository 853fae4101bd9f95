"""W1: exposures that were never taken on, since a limit or a ring-fence stood there from the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float
from sim.errors import Problem
from sim.walls.base import WALLS, Path, Wall

if TYPE_CHECKING:
    from sim.channels.base import Channel
    from sim.system import System

INTERBANK = Path("interbank", ("C_C",), "claims of layer interbank", "term claims of banks on banks")
OVERNIGHT = Path("overnight", ("L_L", "C_C"), "claims of layer overnight", "overnight claims of banks on banks")
LENDING = Path("lending", ("C_C",), "claims of layer lending", "loans of banks to firms and platforms")
HOLDINGS = Path("holdings", ("M_C", "M_M"), "holdings", "securities that banks hold in common")


@WALLS.register("structural")
class Structural(Wall):
    r"""A ring-fence or an exposure limit that was there from the start.

    .. math::
        L'_{ij} = \min(\omega L_{ij}, c E_i)

    What a creditor no longer lends it keeps as reserves at the central bank; the debtor has borrowed that much more
    from outside investors. Securities no longer held are held by outside investors, and the bank has reserves instead.
    So every balance sheet keeps its size and its equity, and the cost is the margin forgone. A system with fewer links
    may lose more: small losses are no longer shared.

    References
    ----------
    Acemoglu, Ozdaglar and Tahbaz-Salehi (2015), American Economic Review 105(2), for risk sharing; Basel Committee on
    Banking Supervision (2014), Supervisory framework for measuring and controlling large exposures, for the limit.
    """

    permeability: float = Field(default=1.0, ge=0, le=1)
    """Part of every exposure that remains, omega, 1; 1: only the cap acts."""

    cap: float | None = Field(default=None, ge=0)
    """Largest claim on one debtor, c, as a share of the creditor's equity, 1; large exposure rules: 0.25."""

    paths: ClassVar[tuple[Path, ...]] = (INTERBANK, HOLDINGS, OVERNIGHT, LENDING)
    timed: ClassVar[bool] = False

    @property
    def is_open(self) -> bool:
        """Whether it lets everything through, as if there were none."""
        return self.permeability >= 1.0 and self.cap is None

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this wall cannot stand in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the wall.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        way = self.way
        if way is HOLDINGS and self.cap is not None:
            return [Problem(f"{key}.cap: holdings have no single debtor; give a permeability", key=f"{key}.cap")]
        there = system.assets if way is HOLDINGS else [name for name in system.layers if way and name == way.name]
        return [] if there else [Problem(f"{key}: the system has no {way.name if way else ''}", key=key)]

    def rebuild(self, system: System) -> System:
        """Return the system with smaller exposures, every balance sheet of the same size.

        Parameters
        ----------
        system : System
            Without the wall.

        Returns
        -------
        System
            A new one.
        """
        shields = np.ones(len(system.ids), dtype=np.bool_)
        if self.among:
            shields = system.target(self.among, np.zeros(1, dtype=np.int64))[:, 0]
        return self._held(system, shields) if self.way is HOLDINGS else self._lent(system, shields)

    def _lent(self, system: System, shields: Bool) -> System:
        layer = system.layers[self.way.name if self.way else ""]
        edges, n = layer.csr, len(system.ids)
        creditor = np.repeat(np.arange(n), np.diff(edges.indptr))
        weights = np.where(shields[creditor], self.permeability * edges.weights, edges.weights)
        if self.cap is not None:
            most = self.cap * np.maximum(0.0, system.equity0)[creditor]
            weights = np.where(shields[creditor], np.minimum(weights, most), weights)
        cut = edges.weights - weights
        start = _grown(system, "cash", np.bincount(creditor, weights=cut, minlength=n))
        start |= _grown(system, "other_liabilities", np.bincount(edges.indices, weights=cut, minlength=n))
        made = replace(layer, csr=edges._replace(weights=weights))
        return replace(system, start={**system.start, **start}, layers={**system.layers, layer.name: made})

    def _held(self, system: System, shields: Bool) -> System:
        banks, outside = system.types["banks"], system.types["outside"].start
        held = system.holdings.copy()
        mine = np.where(system.traded & ~system.shares, np.maximum(0.0, held[banks]), 0.0)
        sold = (1.0 - self.permeability) * mine * shields[banks, None]
        held[banks] -= sold
        held[outside] += sold.sum(axis=0)
        cash = np.zeros(len(system.ids))
        cash[banks] = sold.sum(axis=1)
        return replace(system, holdings=held, start={**system.start, **_grown(system, "cash", cash)})


def _grown(system: System, name: str, by: Any) -> dict[str, Float]:
    """A column of the start that is larger."""
    return {name: np.asarray(system.start.get(name, np.zeros(len(system.ids))) + by)}
