"""What funds do: pay redemptions, within the cap of the day and while the gate is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.agents.base import Decision, View, payable
from sim.arrays import Float


@dataclass(frozen=True)
class FundView(View):
    """What a fund sees when its holders redeem.

    Parameters
    ----------
    asked, allowed : float64[n_funds, n_lanes], currency
        Redemptions asked for this step, those waiting included, and the most the rules allow (cap, gate).
    """

    kind: ClassVar[str] = "funds"

    asked: Float
    allowed: Float


@dataclass(frozen=True)
class FundDecision(Decision):
    """What every fund does this step.

    Parameters
    ----------
    pay : float64[n_funds, n_lanes], 1
        Share of the redemptions asked for that it pays; the rest waits.
    """

    pay: Float


def decide(view: FundView) -> FundDecision:
    """Pay as much as is allowed.

    Parameters
    ----------
    view : FundView
        What the funds see.

    Returns
    -------
    FundDecision
        ``min(1, allowed / asked)``; 1 where nothing is asked for.
    """
    return FundDecision(payable(view.asked, view.allowed))
