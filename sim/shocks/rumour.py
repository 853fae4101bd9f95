"""A false rumour about an agent starts on a platform."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.errors import Problem
from sim.ledger.entries import Ledger
from sim.shocks.base import SHOCKS
from sim.shocks.conduct import Aimed
from sim.shocks.durations import LONGEST
from sim.state import State
from sim.streams import Draws
from sim.system import System

NEVER = 1e9
"""Days after which a rumour is refuted that nobody refutes: longer than any run."""


@SHOCKS.register("rumour")
class Rumour(Aimed):
    r"""Some of those whom platforms reach tell a false story; the reputation channel lets it spread.

    While the share u tells it, the news about the agent is biased by :math:`-b_{max} \chi u` percentage points of
    leverage, with the reach :math:`\chi`.
    """

    size: float = Field(default=8.0, gt=0, le=100)
    """Bias of the news if everybody told it, bmax, percentage points of leverage. Assumed."""

    reach: float | None = Field(default=None, gt=0, le=1)
    """Share of the public that it reaches, chi, 1; left out: whom the platforms reach."""

    tellers: float = Field(default=0.01, gt=0, le=1)
    """Share of those reached who tell it at the start, 1. Assumed."""

    campaign: float = Field(default=0.0, ge=0, le=LONGEST)
    """Time for which it is pressed on everybody reached instead of spreading by itself, days."""

    refuted_after: float | None = Field(default=None, ge=0, le=LONGEST)
    """Time after which the truth is published when nobody shares information, days; left out: never."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the targets and the reach.

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
        found = super().problems(system, key)
        platforms = system.types["platforms"]
        if self.reach is None and not system.traits.get("reach", np.zeros(len(system.ids)))[platforms].any():
            text = f"{key}.reach is left out, and no platform has a reach; give a number in (0, 1]"
            found.append(Problem(text, key=f"{key}.reach"))
        return found

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Start the rumour, in place of an older one about the same agent.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now; no money moves.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.
        """
        if "telling" not in state.by_name:
            return
        named = self.named(system, draws)
        told = {
            "telling": self.tellers,
            "ignorant": 1.0 - self.tellers,
            "rumour_size": self.size,
            "rumour_reach": self.reach or 0.0,
            "campaign_for": self.campaign,
            "rumour_for": NEVER if self.refuted_after is None else self.refuted_after,
        }
        for name, value in told.items():
            state.columns[name][named] = value
