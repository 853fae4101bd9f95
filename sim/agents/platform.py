"""What platforms do: honour the guarantees they gave to the banks that lent with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.agents.base import Decision, View, payable
from sim.arrays import Float


@dataclass(frozen=True)
class PlatformView(View):
    """What a platform sees when its guarantee is called.

    Parameters
    ----------
    called, means : float64[n_platforms, n_lanes], currency
        What is due to the banks, and what the platform could pay.
    equity : float64[n_platforms, n_lanes], currency
        Its net worth.
    """

    kind: ClassVar[str] = "platforms"

    called: Float
    means: Float
    equity: Float


@dataclass(frozen=True)
class PlatformDecision(Decision):
    """What every platform does this step.

    Parameters
    ----------
    honour : float64[n_platforms, n_lanes], 1
        Share of the call that it pays now; the rest stays due.
    """

    honour: Float


def decide(view: PlatformView) -> PlatformDecision:
    """Pay every call as far as there is money.

    Parameters
    ----------
    view : PlatformView
        What the platforms see.

    Returns
    -------
    PlatformDecision
        ``min(1, means / called)``; 1 where nothing is called.
    """
    return PlatformDecision(payable(view.called, view.means))
