"""What strikes money-market funds and those who lend against securities: redemptions, higher haircuts."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Bool
from sim.errors import Problem, shown
from sim.kernels.special import log_of
from sim.ledger.entries import Ledger
from sim.shocks.asset_loss import target_problems
from sim.shocks.base import SHOCKS, SOURCE
from sim.shocks.conduct import Aimed
from sim.shocks.sizes import Size
from sim.state import State
from sim.streams import Draws
from sim.system import System


@SHOCKS.register("redemption")
class Redemption(Aimed):
    """Holders of fund shares want their money back for some days, and the funds have lost part of what they own.

    It acts through the liquidity channel; without it the holders stay.
    """

    target: str | tuple[str, ...] = "funds"
    """Which funds: ``funds``, an id, ``funds[largest]`` and the like, or a list of them."""

    size: Size
    """Share of the shares that is given back in a day, below 1: a number or a distribution, 1."""

    days: float = Field(default=1.0, gt=0, le=10_000)
    """For how long, days."""

    price_fall: float = Field(default=0.0, ge=0, lt=1)
    """Part of a fund's assets that is lost, in securities that pass to outside investors for nothing, 1."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the target, or with funds that cannot lose so much in securities.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        found = _only(system, self.targets, "funds", key)
        if found:
            return found
        for row in range(*system.types["funds"].indices(len(system.ids))):
            held = float(np.maximum(system.holdings[row], 0.0)[system.traded].sum())
            worth = float(np.maximum(-system.holdings[row], 0.0).sum())
            if self.price_fall * worth > held and any(_named(system, target)[row] for target in self.targets):
                text = (
                    f"{key}.price_fall = {self.price_fall:g} of {system.ids[row]} ({worth:g}) is above its securities"
                )
                found.append(Problem(f"{text} ({held:g})", key=f"{key}.price_fall"))
        return found

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Take the securities, and note how fast holders leave.

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
        funds = state.rows("funds")
        named = self.named(system, draws)[funds]
        size = self.size.draw(draws, stream, list(state.ids[funds]), self.at)
        if self.price_fall > 0.0:
            self._lose(state, ledger, named)
        if "redemption_rate" in state.columns:
            left = np.maximum(np.finfo(np.float64).tiny, 1.0 - size)
            log_of(left.reshape(-1), left.reshape(-1))
            np.copyto(state.redemption_rate[funds], -left, where=named)
            np.copyto(state.redemption_for[funds], self.days, where=named)

    def _lose(self, state: State, ledger: Ledger, named: Bool) -> None:
        """Pass securities of the funds to outside investors, in proportion to what they hold of each."""
        funds, traded = state.rows("funds"), state.traded[None, :, None]
        held = np.maximum(state.units[funds], 0.0) * traded
        worth, there = np.zeros(named.shape), np.zeros(named.shape)
        for asset in range(state.price.shape[0]):
            there += held[:, asset] * state.price[asset]
            worth += np.maximum(-state.units[funds, asset], 0.0) * state.price[asset]
        share = np.divide(self.price_fall * worth * named, there, out=np.zeros(named.shape), where=there > 0.0)
        given = held * np.minimum(1.0, share)[:, None]
        ledger.transfer_units(funds, state.row("outside"), given, np.zeros_like(state.price), SOURCE)


@SHOCKS.register("haircut_rise")
class HaircutRise(Aimed):
    """Those who lend against securities ask for more collateral; it acts through the liquidity channel."""

    target: str | tuple[str, ...] = "banks"
    """Whom: ``banks``, an id, ``banks[largest]`` and the like, or a list of them."""

    size: Size
    """What is added to every haircut for the rest of the run, 1: a number or a distribution."""

    common: bool = True
    """Whether all targets share one draw of the size instead of drawing each its own."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the targets.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when all are banks.
        """
        return _only(system, self.targets, "banks", key)

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Note what is added.

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
        if "haircut_rise" not in state.columns:
            return
        banks = state.banks
        named = self.named(system, draws)[banks]
        size = self.size.draw(draws, stream, ["common"] if self.common else list(system.banks), self.at)
        state.haircut_rise[banks] += named * size


def _named(system: System, target: str) -> Bool:
    """Whom a target names in any draw, bool[n_agents]."""
    return np.asarray(system.target(target, np.arange(len(system.ids), dtype=np.int64)).any(axis=1))


def _only(system: System, targets: tuple[str, ...], kind: str, key: str) -> list[Problem]:
    """What is wrong with targets that must all be of one type."""
    found = [problem for target in targets for problem in target_problems(system, target, key)]
    if found:
        return found
    others = np.ones(len(system.ids), dtype=np.bool_)
    others[system.types[kind]] = False
    return [
        Problem(f"{key}.target: {shown(target)} names others than {kind}", key=f"{key}.target")
        for target in targets
        if (_named(system, target) & others).any()
    ]
