"""Borrowers fail: loans are written off and real assets are gone."""

from __future__ import annotations

from typing import Literal

import numpy as np

from sim.arrays import Bool, Float
from sim.errors import InputError, Problem
from sim.ledger.balance import net_worth, shares_issued
from sim.ledger.entries import Ledger
from sim.shocks.base import SHOCKS, SOURCE, Shock
from sim.shocks.sizes import Size
from sim.state import BANKS, State
from sim.streams import Draws
from sim.system import System


def write_off(state: State, ledger: Ledger, loss: Float) -> None:
    """Post loan losses: the lender loses, the borrower is restored, its real assets are gone.

    Parameters
    ----------
    state, ledger : State, Ledger
        Now.
    loss : float64[n_agents, n_lanes], currency
        By lender; not more than its loans.
    """
    banks, borrowers = state.banks, state.row("borrowers")
    ledger.settle("loans", banks, loss[banks], np.zeros_like(loss[banks]), SOURCE)
    gone = np.zeros(state.n_lanes)
    for row in range(banks.start, banks.stop):
        gone += loss[row]
    ledger.destroy(borrowers, gone, SOURCE)


def _within(state: State, column: str, what: str, loss: Float, key: str) -> None:
    """Refuse a loss that is larger than what it falls on."""
    there = state.columns[column]
    over = loss > there
    if over.any():
        row, lane = (int(k) for k in np.argwhere(over)[0])
        text = f"{key}: the loss of {state.ids[row]} ({loss[row, lane]:g}) is above its {what} ({there[row, lane]:g})"
        raise InputError([Problem(text, key=key)])


@SHOCKS.register("asset_loss")
class AssetLoss(Shock):
    """A share of an agent's loans, or of what it is measured by, is lost."""

    target: str = "banks"
    """Who: ``banks``, an id, ``banks[largest]``, ``banks[rank=3]`` or ``banks[each]``."""

    size: Size
    """Share lost: a number or a distribution, 1."""

    base: Literal["loans", "equity", "total_assets"] = "loans"
    """What the size is a share of; the loss itself always falls on loans."""

    common: bool = False
    """Whether all targets share one draw of the size instead of drawing each its own."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the target.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when the target exists.
        """
        return bank_problems(system, self.target, f"{key}.target")

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Write off the drawn share.

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
        named = system.target(self.target, draws.draws)
        agents = ["common"] if self.common else list(system.banks)
        size = self.size.draw(draws, stream, agents, self.at)
        share = np.zeros((state.n_agents, state.n_lanes))
        share[state.banks] = size
        base = {"loans": state.loans, "equity": np.maximum(0.0, net_worth(state)), "total_assets": None}[self.base]
        if base is None:
            from sim.ledger.balance import total_assets

            base = total_assets(state)
        loss = share * named * base
        _within(state, "loans", "loans", loss, stream)
        write_off(state, ledger, loss)


@SHOCKS.register("agent_failure")
class AgentFailure(Shock):
    """An agent fails: its equity is lost and it defaults whatever is left."""

    target: str
    """Who: an id, ``banks[largest]``, ``banks[rank=3]`` or ``banks[each]``."""

    size: Size = Size(fixed=1.0)
    """Share of its equity that is lost, 1: in loans of a bank, in real assets of a technology firm or platform (whose
    own shares are no debt)."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the target.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when the target exists.
        """
        return target_problems(system, self.target, key)

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Take the equity and mark the agent as failed.

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
        named: Bool = system.target(self.target, draws.draws)
        share = np.zeros((state.n_agents, state.n_lanes))
        share[state.banks] = self.size.draw(draws, stream, list(system.banks), self.at)
        loss = share * named * np.maximum(0.0, net_worth(state))
        _within(state, "loans", "loans", loss, stream)
        write_off(state, ledger, loss)
        firms = slice(state.banks.stop, state.debtors.stop)
        if named[firms].any():
            gone = np.zeros_like(share)
            gone[firms] = self.size.draw(draws, stream, list(system.ids[firms]), self.at)
            issued = shares_issued(state, state.price)
            gone *= named * np.maximum(0.0, net_worth(state) + (0.0 if issued is None else issued))
            _within(state, "real_assets", "real assets", gone, stream)
            ledger.destroy(firms, gone[firms], SOURCE)
        np.maximum(state.ordered_to_fail, named, out=state.ordered_to_fail)


def target_problems(system: System, target: str, key: str, field: str = "target") -> list[Problem]:
    """Return why a target cannot be found.

    Parameters
    ----------
    system : System
        Where to look.
    target : str
        What the scenario says.
    key : str
        Dotted key of the shock.
    field : str
        Which of its fields it is.

    Returns
    -------
    list of Problem
        Empty when it exists.
    """
    try:
        system.target(target, np.zeros(1, dtype=np.int64), f"{key}.{field}")
    except InputError as error:
        return list(error.problems)
    return []


def bank_problems(system: System, target: str, key: str) -> list[Problem]:
    """Return why no bank is named by a target.

    Parameters
    ----------
    system : System
        Where to look.
    target : str
        What the scenario says.
    key : str
        Dotted key of the target.

    Returns
    -------
    list of Problem
        Empty when it names a bank.
    """
    try:
        named = system.target(target, np.zeros(1, dtype=np.int64), key)
    except InputError as error:
        return list(error.problems)
    if named[system.types[BANKS]].any():
        return []
    return [Problem(f"{key}: {target!r} names no bank, and only banks have such loans", key=key)]
