"""What technology firms do: answer claims for service they did not give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.agents.base import Decision, View, payable
from sim.arrays import Float


@dataclass(frozen=True)
class TechFirmView(View):
    """What a technology firm sees when its users claim compensation.

    Parameters
    ----------
    service : float64[n_firms, n_lanes], 1
        Its own service.
    claimed, means : float64[n_firms, n_lanes], currency
        What its users may claim under their contracts this step, and what it could pay.
    """

    kind: ClassVar[str] = "tech_firms"

    service: Float
    claimed: Float
    means: Float


@dataclass(frozen=True)
class TechFirmDecision(Decision):
    """What every technology firm does this step.

    Parameters
    ----------
    compensate : float64[n_firms, n_lanes], 1
        Share of the claims that it pays.
    """

    compensate: Float


def decide(view: TechFirmView) -> TechFirmDecision:
    """Pay every claim as far as there is money.

    Parameters
    ----------
    view : TechFirmView
        What the firms see.

    Returns
    -------
    TechFirmDecision
        ``min(1, means / claimed)``; 1 where nothing is claimed.
    """
    return TechFirmDecision(payable(view.claimed, view.means))
