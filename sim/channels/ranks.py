"""What a failed agent brings, what it owes in which rank, and what each rank is paid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.arrays import Float
from sim.channels.base import TightView
from sim.state import State


@dataclass(frozen=True)
class Estate:
    """Means and debts of every agent, as they would be if it failed.

    Parameters
    ----------
    external, inside : float64[n_agents, n_lanes], currency
        What bears the cost of failure at the rate of external assets, and at that of claims; net of what is pledged.
    senior, ordinary, junior : float64[n_agents, n_lanes], currency
        Debt by rank, net of what is pledged.
    pledged : float64[n_agents, n_lanes], currency
        Reserve behind electronic money: its holders keep it, whatever else happens.
    """

    external: Float
    inside: Float
    senior: Float
    ordinary: Float
    junior: Float
    pledged: Float

    def recoveries(self, means: Float, ordinary: Float) -> dict[str, Float]:
        r"""Return what each rank is paid per unit of debt.

        .. math:: \pi^S = \min(1, v / S), \qquad \pi^J = \min(1, (v - S - U)^+ / J)

        Parameters
        ----------
        means : float64[n_agents, n_lanes], currency
            What the estate brings after costs, :math:`v`.
        ordinary : float64[n_agents, n_lanes], 1
            Recovery of ordinary debt, from the clearing.

        Returns
        -------
        dict of str to float64[n_agents, n_lanes], 1
            By rank; 1 where nothing is owed in it.
        """
        return {
            "senior": _paid(means, self.senior),
            "ordinary": ordinary,
            "junior": _paid(means - self.senior - self.ordinary, self.junior),
        }


def estate_of(state: State, view: TightView, by_rank: bool, discount: float, illiquid_only: bool) -> Estate:
    """Return what every agent would bring and owe if it failed.

    Parameters
    ----------
    state : State
        Now.
    view : TightView
        Balance sheets at trial values.
    by_rank : bool
        Whether ranks are kept apart; otherwise all debt is ordinary.
    discount : float
        Share of its real assets that is lost when they are sold, 1.
    illiquid_only : bool
        Whether only what has no market bears the cost of external assets; the rest then bears that of claims.

    Returns
    -------
    Estate
        By agent and lane.
    """
    pledged = np.minimum(state.cash, state.emoney)
    # shares that the agent has issued are owed to nobody in particular: they rank behind every debt
    external = view.external if view.issued is None else view.external + view.issued
    external = external - pledged
    inside = view.inside
    if discount > 0.0:
        external = external.copy()
        external[state.people] -= discount * state.real_assets[state.people]
    if illiquid_only:
        liquid = state.cash - pledged + view.marketable
        external, inside = external - liquid, inside + liquid
    senior, junior = (_of_rank(state, rank) if by_rank else np.zeros_like(pledged) for rank in ("senior", "junior"))
    return Estate(external, inside, senior, view.debt - pledged - senior - junior, junior, pledged)


def _of_rank(state: State, rank: str) -> Float:
    found = np.zeros((state.n_agents, state.n_lanes))
    for name in state.debts:
        if state.by_name[name].rank == rank:
            found += state.columns[name]
    return found


def _paid(means: Float, owed: Float) -> Float:
    share = np.ones_like(means)
    np.divide(means, owed, out=share, where=owed > 0.0)
    return np.asarray(np.minimum(1.0, np.maximum(0.0, share)))
