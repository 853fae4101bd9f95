"""What banks do: sell when leverage is above its limit, hoard when they are short of liquid assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sim.agents.base import Decision, View
from sim.arrays import Float, whole
from sim.kernels.sheet import deleverage


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
class FundingView(View):
    """What the rule of a bank may see when its overnight lending falls due, all banks at once.

    Parameters
    ----------
    coverage, coverage_least : float64[n_banks, n_lanes], 1
        Liquidity coverage ratio, and below which a bank hoards.
    reserves, reserves_least : float64[n_banks, n_lanes], currency
        Reserves, and below which a bank hoards.
    """

    kind: ClassVar[str] = "banks"

    coverage: Float
    coverage_least: Float
    reserves: Float
    reserves_least: Float


@dataclass(frozen=True)
class BankDecision(Decision):
    """What every bank does: asked for `hoard` when overnight lending falls due, for `sell` when markets open.

    Parameters
    ----------
    sell : float64[n_banks, n_lanes], 1
        Share of its marketable assets sold, pro rata over assets.
    hoard : float64[n_banks, n_lanes], 1
        How far a bank keeps its liquidity to itself: 1 calls the share ``channels.liquidity.rollover.hoarding`` of its
        overnight lending, 0 renews all of it.
    """

    sell: Float | float = 0.0
    hoard: Float | float = 0.0


def decide(view: BankView | FundingView) -> BankDecision:
    r"""Sell the share of marketable assets that brings leverage back to target; hoard when short of liquid assets.

    .. math::
        \Gamma_i = \min(1, (A_i - \lambda^*_i E_i) / M_i) \quad \text{if } A_i / E_i > \bar\lambda_i, \qquad
        h_i = 1\{LCR_i < 1 + b_i \text{ or } R_i < \underline R_i\}

    Parameters
    ----------
    view : BankView or FundingView
        What the banks see: it says which of the two is asked, and the other is zero.

    Returns
    -------
    BankDecision
        `sell` is zero where leverage is at or below its limit, one where equity is gone (if `liquidate`).

    References
    ----------
    Cont and Schaanning (2017), eq. 4; Greenwood, Landier and Thesmar (2015), eq. 1, with limit = target; Gai, Haldane
    and Kapadia (2011), section 2, for hoarding.
    """
    if isinstance(view, FundingView):
        short = (view.coverage < view.coverage_least) | (view.reserves < view.reserves_least)
        return BankDecision(np.zeros(short.shape), short.astype(np.float64))
    shape = np.broadcast_shapes(view.assets.shape, view.equity.shape, view.marketable.shape)
    sell = np.empty(shape)
    assets, equity, marketable = (whole(each, shape) for each in (view.assets, view.equity, view.marketable))
    # one limit may stand for all lanes
    limit, target = (whole(each, (shape[0], np.shape(each)[-1])) for each in (view.limit, view.target))
    deleverage(assets, equity, marketable, limit, target, view.liquidate, sell)
    return BankDecision(sell, np.zeros(shape))
