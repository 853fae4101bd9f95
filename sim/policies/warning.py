"""Early warning: a rule on what can be seen, late and with errors, that puts walls up and releases buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.errors import Problem, nearest, shown
from sim.ledger.balance import total_assets
from sim.policies.base import POLICIES, YEAR, Policy, Seat
from sim.policies.standing import Enacted
from sim.walls import Named, Trigger

if TYPE_CHECKING:
    from sim.channels.base import Step

ANY = Trigger(observed="defaults", above=0.0)
"""A trigger, to ask whether something can be started by one."""


@POLICIES.register("early_warning")
class EarlyWarning(Policy):
    r"""A warning by what an authority sees, late and with an error, that puts up walls and releases buffers.

    It is out while the metric goes too far, some time ago and with an error:

    .. math::
        I_{t - \ell} (1 + \sigma \epsilon_t) > \bar I

    The walls and buffers that it `starts`
    all hear the same warning: each then waits for its own delay. `sim.early_warning` tells how often a warning is
    false, how often there is none, and how early it comes.

    References
    ----------
    Kaminsky, Lizondo and Reinhart (1998), IMF Staff Papers 45(1), for the errors of a signal.
    """

    static: ClassVar[bool] = False

    trigger: Trigger
    """What is watched, and from where on it is a warning."""

    starts: tuple[str, ...] = ()
    """Keys of the walls that it puts up and of the buffers that it releases, such as ``wall.M_M``, ``walls.0`` or
    ``policies.1``."""

    acts: bool = True
    """Whether what it starts is started; false: the rule is only watched, and what it would start never happens."""

    cost_share: float = Field(default=0.0, ge=0, le=1)
    """What it costs to keep watch, share of the assets of all banks, 1 per year."""

    @property
    def awaited(self) -> tuple[Trigger, float, float | None] | None:
        """Its trigger, at once and as long as it lasts."""
        return self.trigger, 0.0, None

    def turn(self, seat: Seat, step: Step) -> None:
        """Say in how many draws a warning is out now.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.
        """
        first = seat.once("first", lambda: "warned" not in step.state.memory)
        said = seat.fired.copy()
        step.state.memory["warned"] = said if first else np.maximum(said, step.state.memory["warned"])

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return what keeping watch costs in a step.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            On the assets of the start.
        """
        banks = seat.system.types["banks"]
        size = seat.once("size", lambda: added(total_assets(seat.system.state(2, ("shock",)))[banks, 0].tolist()))
        return np.full(step.state.n_lanes, self.cost_share * float(size) * step.days / YEAR)


def started(
    policies: Sequence[Enacted], walls: Sequence[Named], written: Sequence[str]
) -> tuple[tuple[Enacted, ...], tuple[Named, ...], list[Problem]]:
    """Return policies and walls as warnings start them.

    Parameters
    ----------
    policies : sequence of Enacted
        As written.
    walls : sequence of Named
        Those that stand for anything.
    written : sequence of str
        Keys of all walls of the scenario, open ones included.

    Returns
    -------
    tuple of (tuple of Enacted, tuple of Named, list of Problem)
        What a warning starts waits for its trigger; what a warning that does not act would start is left out. Problems
        where it names what is not there or cannot be started.
    """
    made, standing, found = list(policies), list(walls), list[Problem]()
    by: dict[str, str] = {}
    for key, policy, _ in policies:
        if not isinstance(policy, EarlyWarning):
            continue
        stream = f"{key}.noise"
        for place, what in enumerate(policy.starts):
            at = f"{key}.starts.{place}"
            why = (
                _unfit(what, policies, walls, written) if what not in by else f"{what} is started by {by[what]} already"
            )
            if why:
                found.append(Problem(f"{at}: {why}", key=at))
                continue
            by[what] = key
            standing = [
                Named(each.key, each.wall.model_copy(update={"trigger": policy.trigger}), stream)
                if each.key == what
                else each
                for each in standing
                if each.key != what or policy.acts
            ]
            for number, each in enumerate(made):
                later = each.policy.started(policy.trigger) if each.key == what and policy.acts else None
                if later is not None:
                    made[number] = Enacted(each.key, later, stream)
    return tuple(made), tuple(standing), found


def _unfit(what: str, policies: Sequence[Enacted], walls: Sequence[Named], written: Sequence[str]) -> str:
    """Why a warning cannot start something; empty where it can."""
    from_the_start = "is there from the start, so nothing can start it"
    for key, policy, _ in policies:
        if key == what and policy.started(ANY) is None:
            return f"{what} ({policy.name}) {from_the_start}; a warning puts up walls and releases buffers"
        if key == what:
            return f"{what} has a trigger of its own" if policy.awaited is not None else ""
    for each in walls:
        if each.key == what and not each.wall.timed:
            return f"{what} ({each.wall.name}) {from_the_start}"
        if each.key == what and each.wall.trigger is not None:
            return f"{what} has a trigger of its own"
    if what in written or what.startswith("wall."):
        return ""  # open, as a cell of the matrix that nobody has written: there is nothing to start
    known = [*(each.key for each in policies), *written]
    return f"{shown(what)} is no wall or policy of the scenario{nearest(what, known)} (there: {', '.join(known)})"
