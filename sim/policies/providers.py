"""Rules for those who depend on providers: no share too large, something to fall back on, a plan for the way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, model_validator
from scipy import sparse

from sim.arrays import Bool, Csr, Float, Int, added, csr
from sim.channels.base import Channel, Step
from sim.channels.standards import trait
from sim.errors import Problem, nearest, shown
from sim.ledger.balance import total_assets
from sim.networks.services import Services
from sim.policies.base import POLICIES, YEAR, Policy, Seat
from sim.system import System


@POLICIES.register("provider_diversification")
class ProviderDiversification(Policy):
    r"""A cap on what one provider may carry of a function, a mandatory backup, and a plan for the way out.

    A user with :math:`a_{ifk} > c` moves what is above to the other providers of the function, in proportion to what
    they carry for all users together, none above c:

    .. math::
        a'_{ifk} \le c, \qquad \sum_k a'_{ifk} = \sum_k a_{ifk}

    What it can move at need is at least the backup. A plan for the way out shortens the time to move, or stretches the
    winding-down of a provider that has failed, or lets a successor carry on a part. More users then lean on the smaller
    providers, which have room for as much as they had before, so an outage of one of these hurts more.

    References
    ----------
    European Union (2022), Regulation 2022/2554, articles 28 and 29, for exit strategies and concentration; Kotidis and
    Schreft (2025), Journal of Finance, for continuity plans.
    """

    usual: ClassVar[str] = "banks"
    channel: ClassVar[str] = "operational"
    changes_system: ClassVar[bool] = True
    static: ClassVar[bool] = True

    largest_share: float = Field(default=1.0, gt=0, le=1)
    """Most that one provider may carry of a user's function, c, 1; 1: no cap."""

    functions: tuple[str, ...] = ()
    """Functions that the cap and the backup are about, such as ``hosting``; by default all."""

    backup: float = Field(default=0.0, ge=0, le=1)
    """Least part of a function that a user can move to its other providers, 1. Kotidis and Schreft: 0.5."""

    failover_delay: float | None = Field(default=None, ge=0, le=10_000)
    """Time until users have moved, in place of that of ``channels.operational``, hours."""

    exit_time: float | None = Field(default=None, gt=0, le=10_000)
    """Time over which the service of a failed provider winds down, in place of that of ``channels.operational``,
    days."""

    taken_over: float | None = Field(default=None, ge=0, le=1)
    """Part of a failed provider's service that a successor carries on, in place of that of ``channels.operational``,
    1."""

    opex: float = Field(default=0.002, ge=0, le=1)
    """What it costs to move a function, or to be able to, share of the user's revenue, 1 per year. Assumed."""

    plan_cost: float = Field(default=0.0005, ge=0, le=1)
    """What a plan for the way out costs, share of the user's revenue, 1 per year. Assumed."""

    @model_validator(mode="after")
    def _something(self) -> ProviderDiversification:
        if self.largest_share >= 1.0 and self.backup <= 0.0 and not self.plans:
            raise ValueError("give largest_share, backup, or one of failover_delay, exit_time and taken_over")
        return self

    @property
    def plans(self) -> dict[str, float]:
        """What the plan for the way out changes in the operational channel."""
        said = {name: getattr(self, name) for name in ("failover_delay", "exit_time", "taken_over")}
        return {name: value for name, value in said.items() if value is not None}

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this rule cannot be played in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the policy.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        services = system.services
        if services is None:
            return [Problem(f"{key}: the system has no services", key=key)]
        found = []
        if self.backup > 0.0 and getattr(channels["operational"], "backup", None) is not None:
            text = f"{key}.backup: channels.operational.backup replaces every backup, so this would do nothing"
            found.append(Problem(f"{text}; leave one of them out", key=f"{key}.backup"))
        if self.among and self.plans:
            name = next(iter(self.plans))
            text = f"{key}.{name}: a failed provider winds down for all its users alike; leave out among"
            found.append(Problem(text, key=f"{key}.{name}"))
        bound = self.binding(system)
        for name in self.functions:
            if name not in services.functions:
                known = ", ".join(services.functions)
                text = f"{key}.functions: unknown function {shown(name)}{nearest(name, services.functions)} ({known})"
                found.append(Problem(text, key=f"{key}.functions"))
        for function, share in zip(services.functions, services.shares, strict=True):
            n = np.unique(share.indices).size
            above = self._about(function) and _above(share, bound, self.largest_share)
            if above and self.largest_share * n < 1.0:
                text = (
                    f"{key}.largest_share = {self.largest_share:g}: {function} has {n} provider{'s' * (n > 1)}, so it"
                )
                text += f" cannot be spread that far; at least {1.0 / n:.3g}, or name other functions"
                found.append(Problem(text, key=f"{key}.largest_share"))
        return found

    def _about(self, function: str) -> bool:
        return not self.functions or function in self.functions

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system with contracts under the rule.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act.

        Returns
        -------
        System
            Balance sheets the same.
        """
        services = system.services
        if services is None:
            return system
        bound, size = self.binding(system), np.maximum(0.0, total_assets(system.state(1, ("shock",)))[:, 0])
        named = zip(services.functions, services.shares, strict=True)
        shares = tuple(self._spread(share, bound, size) if self._about(name) else share for name, share in named)
        return replace(system, services=replace(services, shares=shares, backup=self._backup(services, bound)))

    def _spread(self, share: Csr, bound: Bool, size: Float) -> Csr:
        """The shares of one function under the cap."""
        if not _above(share, bound, self.largest_share):
            return share
        providers, carried = _block(share)
        user = np.repeat(np.arange(bound.size), np.diff(share.indptr))
        weight = np.bincount(share.indices, weights=size[user] * share.weights, minlength=bound.size)[providers]
        for row in np.flatnonzero(bound & (carried > self.largest_share).any(axis=1)):
            others = np.where(providers == row, 0.0, weight)
            carried[row] = _levelled(carried[row], others, self.largest_share)
        rows, places = np.nonzero(carried)
        shape = (bound.size, share.n_columns)
        return csr(sparse.coo_array((carried[rows, places], (rows, providers[places])), shape=shape))

    def _backup(self, services: Services, bound: Bool) -> Float:
        about = np.array([[self._about(name)] for name in services.functions])
        return np.where(bound & about, np.maximum(services.backup, self.backup), services.backup)

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels with the plan for the way out.

        Parameters
        ----------
        channels : mapping of str to Channel
            Without it.

        Returns
        -------
        dict of str to Channel
            In the same order.
        """
        made = dict(channels)
        if self.plans:
            made["operational"] = made["operational"].model_copy(update=self.plans)
        return made

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return what moved functions, backups and plans cost in a step.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            A function counts by the part that has moved and the rise of its backup.
        """
        yearly: float = seat.once("yearly", lambda: self._yearly(seat))
        return np.full(step.state.n_lanes, yearly * step.days / YEAR)

    def _yearly(self, seat: Seat) -> float:
        before: Services | None = seat.before.services
        if before is None:
            return 0.0
        bound = seat.binds
        more = self._backup(before, bound) - before.backup
        part = np.full(bound.size, self.plan_cost if self.plans else 0.0)
        for place, share in enumerate(before.shares):
            cap = self.largest_share if self._about(before.functions[place]) else 1.0
            kept = np.minimum(share.weights, cap)
            user = np.repeat(np.arange(bound.size), np.diff(share.indptr))
            moved = np.bincount(user, weights=share.weights - kept, minlength=bound.size)
            uses = np.diff(share.indptr) > 0
            part += self.opex * (moved + more[place] * uses)
        bill: Any = part * bound * trait(seat.before, "revenue")
        return float(added(bill.tolist()))


def _block(share: Csr) -> tuple[Int, Float]:
    """Who provides a function, and what each carries of every user's, float64[n_agents, n_providers], 1."""
    providers, places = np.unique(share.indices, return_inverse=True)
    user = np.repeat(np.arange(share.n_rows), np.diff(share.indptr))
    carried = np.zeros((share.n_rows, providers.size))
    carried[user, places] = share.weights
    return providers.astype(np.int64), carried


def _above(share: Csr, bound: Bool, cap: float) -> bool:
    """Whether one of the bound has more with one provider."""
    user = np.repeat(np.arange(bound.size), np.diff(share.indptr))
    return bool(((share.weights > cap) & bound[user]).any())


def _levelled(own: Float, weight: Float, cap: float) -> Float:
    """A user's shares, what is above the cap with others, in proportion to their weight and none above the cap."""
    made, total = np.minimum(own, cap), float(own.sum())
    for _ in range(own.size):  # in every round somebody else is full
        missing = total - float(made.sum())
        room = (made < cap) & (weight > 0.0)
        if missing <= 1e-12 or not room.any():
            break
        more = np.where(room, weight, 0.0)
        made = np.minimum(cap, made + missing * more / float(more.sum()))
    return made
