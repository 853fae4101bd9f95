"""Agents stop serving for a while: an outage of one or several, a coordinated cyber attack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.ledger.entries import Ledger
from sim.shocks.base import SHOCKS
from sim.shocks.conduct import Aimed
from sim.shocks.durations import Duration, LognormalDays
from sim.state import State
from sim.streams import Draws
from sim.system import System

HOURS = 24.0
"""In a day."""


def take_down(state: State, level: Float, days: Float) -> None:
    """Lower the own service of agents for a time; what is down already stays down at least as far and as long.

    Parameters
    ----------
    state : State
        Now.
    level : float64[n_agents, n_lanes], 1
        Service that is left.
    days : float64[n_agents, n_lanes], days
        For how long; 0 where nothing happens.
    """
    hit = days > 0.0
    np.copyto(state.own_service, np.minimum(state.own_service, level), where=hit)
    np.copyto(state.down_for, np.maximum(state.down_for, days), where=hit)


@SHOCKS.register("outage")
class Outage(Aimed):
    """Agents lose their own service for a while; who depends on them feels it through the operational channel.

    References
    ----------
    Durations of published outages of cloud providers and payment systems run from two hours to several days; the
    default law has median 6 hours, mean 12.3 hours, and lasts over a day in 12 % of cases.
    """

    target: str | tuple[str, ...]
    """Who: ``tech_firms[largest]``, an id, ``banks[rank=3]`` and the like, or a list in the order of `spread`."""

    service: float = Field(default=0.0, ge=0, le=1)
    """Service that is left while it lasts, 1."""

    duration: Duration = Duration(lognormal=LognormalDays(median=0.25, sigma=1.2))
    """How long it lasts: a number or a distribution, days."""

    common: bool = False
    """Whether all targets share one draw of the duration instead of drawing each its own."""

    spread: float = Field(default=0.0, ge=0, le=10_000)
    """Time after which a common cause reaches the next target of a list, whose outage is so much shorter, hours."""

    def lasting(self, ids: Sequence[str], draws: Draws, stream: str) -> Float:
        """Return how long each agent would be down if it were named.

        Parameters
        ----------
        ids : sequence of str
            Agents.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.

        Returns
        -------
        float64[n_ids or 1, n_lanes], days
            One row where all share it.
        """
        return self.duration.draw(draws, stream, ["common"] if self.common else ids, self.at)

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Take the targets down.

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
        people = state.people
        days, lasting = np.zeros((state.n_agents, state.n_lanes)), self.lasting(state.ids[people], draws, stream)
        for position, target in enumerate(self.targets):
            named = system.target(target, draws.draws)[people]
            left = np.maximum(0.0, lasting - position * self.spread / HOURS)
            days[people] = np.where(named, np.maximum(days[people], left), days[people])
        take_down(state, np.full_like(days, self.service), days)


@SHOCKS.register("cyber")
class Cyber(Outage):
    r"""A coordinated attack: several agents work badly for days, and the sooner it is detected the shorter.

    .. math::
        T_i = \frac{\ell (1 - k_2 \iota)}{24} + D_i

    with the detection lag :math:`\ell` in hours, information sharing :math:`\iota` and repair :math:`D_i` in days.
    """

    target: str | tuple[str, ...] = ("tech_firms[largest]", "banks[largest]")
    """Who, in the order in which the attack reaches them: a list of targets."""

    service: float = Field(default=0.2, ge=0, le=1)
    """Service that is left while it lasts, 1."""

    duration: Duration = Duration(lognormal=LognormalDays(median=3.0, sigma=0.8))
    """How long repair takes once the attack is detected: a number or a distribution, days."""

    detection_lag: float = Field(default=12.0, ge=0, le=10_000)
    """Time until the attack is detected when nobody shares information, hours."""

    information_sharing: float = Field(default=0.0, ge=0, le=1)
    """How far the attacked share what they know, iota, 1."""

    sharing_effect: float = Field(default=0.5, ge=0, le=1)
    """Part of the detection lag that full information sharing saves, k2, 1."""

    def lasting(self, ids: Sequence[str], draws: Draws, stream: str) -> Float:
        """Return how long each agent would be down if it were named, detection included.

        Parameters
        ----------
        ids : sequence of str
            Agents.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.

        Returns
        -------
        float64[n_ids or 1, n_lanes], days
            One row where all share it.
        """
        lag = self.detection_lag * (1.0 - self.sharing_effect * self.information_sharing) / HOURS
        return lag + super().lasting(ids, draws, stream)
