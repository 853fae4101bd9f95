"""Prices of securities fall for reasons outside the system."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from sim.errors import Problem, nearest, shown
from sim.kernels.special import exp_of
from sim.ledger.entries import Ledger
from sim.shocks.base import SHOCKS, SOURCE, Shock
from sim.shocks.sizes import Joint, Size
from sim.state import State
from sim.streams import Draws
from sim.system import System


@SHOCKS.register("price_fall")
class PriceFall(Shock):
    r"""Asset prices change: each by its own size, or jointly with a correlation.

    Joint laws speak of the fall x of the log price: :math:`p' = p e^{-x}`. It may be negative, then the price rises; no
    draw is ever cut off.
    """

    falls: dict[str, Size] = Field(default_factory=dict)
    """Relative price fall by asset, independent between assets, 1."""

    joint: Joint | None = None
    """Joint law of the falls of log prices: ``mean``, ``std``, ``correlation`` and, for a t distribution, ``df``."""

    @model_validator(mode="after")
    def _one_of_two(self) -> PriceFall:
        if bool(self.falls) == (self.joint is not None):
            raise ValueError("give either falls or joint")
        return self

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return the assets named that the system does not have.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when all exist.
        """
        names = self.joint.mean if self.joint else self.falls
        part = "joint.mean" if self.joint else "falls"
        return [
            Problem(
                f"{key}.{part}: unknown asset {shown(name)}{nearest(name, system.assets)} "
                f"(known: {', '.join(system.assets) or 'none'})",
                key=f"{key}.{part}.{name}",
            )
            for name in names
            if name not in system.assets
        ]

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Set the new prices.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.
        """
        price = state.price.copy()
        if self.joint:
            for name, fall in self.joint.draw(draws, stream, self.at).items():
                factor = np.empty_like(fall)
                exp_of(-fall, factor)
                price[system.assets.index(name)] *= factor
        for name, size in self.falls.items():
            price[system.assets.index(name)] *= 1.0 - size.draw(draws, stream, [name], self.at)[0]
        ledger.revalue_price(price, SOURCE)
