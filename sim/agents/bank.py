"""What banks do: sell when leverage is above its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sim.agents.base import Decision, View
from sim.arrays import Float


@dataclass(frozen=True)
class BankView(View):
    """What the rule of a bank may see, all banks at once.

    Parameters
    ----------
    assets, equity, marketable : float64[n_banks, n_lanes], currency
        Book assets, net worth, market value of what can be sold.
    limit, target : float64[n_banks, n_lanes], 1
        Leverage (assets / equity) above which a bank sells, and where it wants to be.
    liquidate : bool
        Whether a bank without equity sells everything.
    """

    kind: ClassVar[str] = "banks"

    assets: Float
    equity: Float
    marketable: Float
    limit: Float
    target: Float
    liquidate: bool = True


@dataclass(frozen=True)
class BankDecision(Decision):
    """What every bank does this step.

    Parameters
    ----------
    sell : float64[n_banks, n_lanes], 1
        Share of its marketable assets sold, pro rata over assets.
    """

    sell: Float


def decide(view: BankView) -> BankDecision:
    r"""Sell the share of marketable assets that brings leverage back to target.

    .. math:: \Gamma_i = \min(1, (A_i - \lambda^*_i E_i) / M_i) \quad \text{if } A_i / E_i > \bar\lambda_i

    Parameters
    ----------
    view : BankView
        What the banks see.

    Returns
    -------
    BankDecision
        Zero where leverage is at or below its limit, one where equity is gone (if `liquidate`).

    References
    ----------
    Cont and Schaanning (2017), eq. 4; Greenwood, Landier and Thesmar (2015), eq. 1, with limit = target.
    """
    solvent = view.equity > 0.0
    above = view.assets > view.limit * view.equity
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (view.assets - view.target * view.equity) / view.marketable
    sell = np.where(above & solvent, np.minimum(1.0, np.maximum(0.0, share)), 0.0)
    if view.liquidate:
        sell = np.where(solvent, sell, 1.0)
    return BankDecision(np.where(view.marketable > 0.0, sell, 0.0))
