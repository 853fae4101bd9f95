"""What technology firms do: answer claims for service they did not give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sim.agents.base import Decision, View
from sim.arrays import Float


@dataclass(frozen=True)
class TechFirmView(View):
    """What a technology firm sees when its users claim compensation.

    Parameters
    ----------
    service : float64[n_firms, n_lanes], 1
        Its own service.
    claimed : float64[n_firms, n_lanes], currency
        What its users may claim under their contracts this step.
    """

    kind: ClassVar[str] = "tech_firms"

    service: Float
    claimed: Float


@dataclass(frozen=True)
class TechFirmDecision(Decision):
    """What every technology firm does this step.

    Parameters
    ----------
    compensate : float64[n_firms, n_lanes], 1
        Share of the claims that it pays; the rest lapses.
    """

    compensate: Float


def decide(view: TechFirmView) -> TechFirmDecision:
    """Pay every claim; what its money does not cover a firm owes outside investors.

    Parameters
    ----------
    view : TechFirmView
        What the firms see.

    Returns
    -------
    TechFirmDecision
        1 for all.
    """
    return TechFirmDecision(np.ones(view.claimed.shape))
