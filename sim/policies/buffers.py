"""Buffers of capital and of liquidity: how much banks must hold, and how much of it they dare to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from sim.agents.bank import BankView, FundingView
from sim.agents.base import View
from sim.arrays import Bool, Float, added
from sim.channels.base import Channel, Step
from sim.channels.collateral import COLUMNS as PLEDGES
from sim.channels.collateral import Repo, borrowed0
from sim.channels.rollover import Rollover, lines
from sim.errors import Problem
from sim.ledger.balance import total_assets
from sim.metrics.ratios import CoverageRules, coverage, own_funds
from sim.policies.base import POLICIES, YEAR, Policy, Seat
from sim.state import State
from sim.system import System
from sim.walls import Trigger

ROUNDING = 1e-12
"""What may be missing of a requirement, as a share of assets."""


class Buffer(Policy):
    """What banks must hold, and how much of it they dare to use."""

    usual: ClassVar[str] = "banks"
    changes_system: ClassVar[bool] = True
    static: ClassVar[bool] = True

    usability: float = Field(default=0.0, ge=0, le=1)
    """Part of the buffer that a bank uses before it defends itself, u_b, 1; 0: none of it, as if it were a minimum."""

    release: Trigger | None = None
    """What lets the authority release the buffer, so that banks use all of it; by default it is never released."""

    delay: float = Field(default=0.0, ge=0, le=10_000)
    """Time from the trigger until the buffer is released, days."""

    duration: float | None = Field(default=None, gt=0, le=10_000)
    """Time for which it then stays released, days; by default as long as the trigger lasts."""

    build_up: bool = True
    """Whether banks that start with less have built it up before, outside investors taking the other side."""

    @property
    def awaited(self) -> tuple[Trigger, float, float | None] | None:
        """Trigger, delay and duration, days, of the release."""
        return None if self.release is None else (self.release, self.delay, self.duration)

    def started(self, trigger: Trigger) -> Self:
        """Return the buffer as it is released by something that has been seen.

        Parameters
        ----------
        trigger : Trigger
            By which.

        Returns
        -------
        Buffer
            Of the same kind.
        """
        return self.model_copy(update={"release": trigger})


@POLICIES.register("capital_buffer")
class CapitalBuffer(Buffer):
    r"""Capital above the minimum: conservation and countercyclical buffer, surcharge of large banks.

    A bank must hold :math:`m + b`, of equity over assets or of CET1 over risk-weighted assets. It starts to shrink, and
    so to sell, below the line

    .. math::
        m + (1 - u_b) b

    which takes the place of ``channels.market.leverage_limit``; it shrinks until it is as far above as
    ``leverage_target`` is from the limit. With `channels.market.grandfather`, who starts near the line is given the
    same room as without. The part of the buffer that is not usable is a second minimum: it makes banks sell earlier.
    The line is drawn in equity over assets, at the weights and deductions of the start. Of several buffers that bind
    a bank the tightest counts.

    References
    ----------
    Farmer, Kleinnijenhuis, Nahai-Williamson and Wetzer (2020), Bank of England Staff Working Paper 861, for usability;
    Basel Committee on Banking Supervision (2010), An assessment of the long-term economic impact of stronger capital
    and liquidity requirements, for the lending spread.
    """

    basis: Literal["leverage", "cet1"] = "leverage"
    """What is measured: equity over assets, or CET1 over risk-weighted assets."""

    minimum: float = Field(default=0.03, gt=0, lt=1)
    """Minimum m, which no bank uses up, 1. Basel III: 0.03 of assets, 0.045 of risk-weighted assets."""

    buffer: float = Field(default=0.01, ge=0, lt=1)
    """Buffer b above it, 1. Basel III, of risk-weighted assets: conservation 0.025, countercyclical 0 to 0.025,
    surcharge of large banks 0.01 to 0.035."""

    spread: float = Field(default=0.13, ge=0, le=10)
    """What a buffer of 1 of risk-weighted assets adds to the rate on loans, 1 per year. Basel Committee (2010): 13
    basis points a percentage point."""

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this buffer cannot be played in this scenario.

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
        found = self.misfits(system, key)
        if self.minimum + self.buffer >= 1.0:
            text = f"{key}: minimum + buffer = {self.minimum + self.buffer:g} must be below 1"
            found.append(Problem(text, key=f"{key}.buffer"))
        if getattr(channels.get("market"), "rule", "threshold") != "threshold":
            text = f"{key}: banks hold to the leverage they started with (channels.market.rule: leverage-targeting), so"
            found.append(Problem(f"{text} no buffer bears on what they sell; use rule: threshold", key=key))
        if self.build_up and not found:
            short = self._missing(system) - system.start.get("other_liabilities", np.zeros(len(system.ids)))
            who = np.flatnonzero(short > ROUNDING * system.scale)
            if who.size:
                text = f"{key}: {system.ids[who[0]]} would have to turn more debt to investors into equity than it has"
                text += f" ({who.size} banks in all); lower the buffer, or set build_up: false"
                found.append(Problem(text, key=f"{key}.buffer"))
        return found

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system with what banks have built up: debt to outside investors turned into equity.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act.

        Returns
        -------
        System
            Every bank at or above its requirement, its assets the same.
        """
        if not self.build_up:
            return system
        lacks = self._missing(system)
        owed = system.start.get("other_liabilities", np.zeros(len(system.ids))) - lacks
        told = system.traits.get("cet1")
        traits = system.traits if told is None else {**system.traits, "cet1": told + lacks * (told != 0.0)}
        return replace(system, start={**system.start, "other_liabilities": owed}, traits=traits)

    def _missing(self, system: System) -> Float:
        """What each agent lacks of minimum and buffer, float64[n_agents], currency."""
        banks, state = system.types["banks"], _before(system)
        found = np.zeros(len(system.ids))
        need = self._line(system, self.minimum + self.buffer) * total_assets(state)[banks, 0]
        lacks = np.maximum(0.0, need - system.equity0[banks])
        found[banks] = np.where(self.binding(system)[banks], lacks, 0.0)
        return found

    def _line(self, system: System, ratio: float) -> Float:
        """Equity over assets at which each bank just has a ratio, float64[n_banks], 1."""
        banks, state = system.types["banks"], _before(system)
        if self.basis == "leverage":
            return np.full(banks.stop - banks.start, ratio)
        capital, weighted = (each[:, 0] for each in own_funds(system, state))
        assets = total_assets(state)[banks, 0]
        need = ratio * weighted + system.equity0[banks] - capital
        return np.asarray(np.divide(need, assets, out=np.zeros_like(need), where=assets > 0.0))

    def see(self, seat: Seat, view: View) -> View:
        """Return what banks see when markets open, with the line of the buffer in place of the leverage limit.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        view : View
            What they see without it.

        Returns
        -------
        View
            The same for everything but sales.
        """
        if not isinstance(view, BankView):
            return view
        (limit, target), (loose, far) = seat.once("limits", lambda: self._limits(seat))
        released = seat.fired > 0.0
        most, wanted = np.where(released, loose, limit), np.where(released, far, target)
        counts = _counts(seat, most < view.limit)
        return replace(view, limit=np.where(counts, most, view.limit), target=np.where(counts, wanted, view.target))

    def _limits(self, seat: Seat) -> list[tuple[Float, Float]]:
        """Leverage limits and targets of all banks, with the buffer and once it is released, float64[n_banks, 1]."""
        market: Any = seat.channels["market"]
        ratio, own = market.leverage_target / market.leverage_limit, seat.system.leverage0
        found = []
        for used in (self.usability, 1.0):
            line = self._line(seat.system, self.minimum + (1.0 - used) * self.buffer)
            limit = np.divide(1.0, line, out=np.full_like(line, np.finfo(np.float64).max), where=line > 0.0)
            target = ratio * limit
            if market.grandfather:
                room = own / 0.95
                target = np.where(room > limit, own, target)
                limit = np.maximum(limit, room)
            found.append((limit[:, None], target[:, None]))
        return found

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return what borrowers pay more in a step, since banks earn the cost of their buffers on loans.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            On the loans of the start; nothing while the buffer is released.
        """
        yearly = seat.once("yearly", lambda: self._yearly(seat))
        return np.asarray(yearly * step.days / YEAR * (1.0 - seat.fired))

    def _yearly(self, seat: Seat) -> float:
        """The lending spread on the loans of the bound, currency a year."""
        banks, state = seat.system.types["banks"], _before(seat.system)
        bound = seat.binds[banks]
        share = np.full(bound.size, self.buffer)
        if self.basis == "leverage":
            assets, weighted = total_assets(state)[banks, 0], own_funds(seat.system, state)[1][:, 0]
            share = np.divide(self.buffer * assets, weighted, out=np.zeros_like(assets), where=weighted > 0.0)
        return float(added((self.spread * share * state.loans[banks, 0] * bound).tolist()))


@POLICIES.register("liquidity_buffer")
class LiquidityBuffer(Buffer):
    r"""A liquidity coverage ratio that banks must hold, and how far below it they dare to go.

    A bank hoards, and does not renew overnight lending, below the coverage ratio

    .. math::
        (1 - u_b) r

    which takes the place of ``coverage_minimum`` and ``coverage_buffer`` of ``channels.liquidity.rollover``, or below
    0.95 of what it starts with where that is less. Hoarding for want of reserves stays as it is.

    References
    ----------
    Basel Committee on Banking Supervision (2013), Basel III: The Liquidity Coverage Ratio, paragraph 17, for usability.
    """

    channel: ClassVar[str] = "liquidity"

    ratio: float = Field(default=1.0, gt=0, le=10)
    """Liquidity coverage ratio that banks must hold, r, 1. Basel III: 1."""

    carry: float = Field(default=0.01, ge=0, le=1)
    """What liquid assets yield less than what they are funded with costs, 1 per year. Assumed."""

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this buffer cannot be played in this scenario.

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
        return self.misfits(system, key)

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system with what banks have built up: reserves, borrowed from outside investors for long.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act; they say what counts as liquid.

        Returns
        -------
        System
            Every bank at or above its ratio, its equity the same.
        """
        if not self.build_up:
            return system
        rules, repo = _of(channels)
        found = coverage(system, _pledged(system, repo), rules)
        banks, lacks = system.types["banks"], np.zeros(len(system.ids))
        short = np.maximum(0.0, self.ratio * found.net - found.liquid)[:, 0]
        lacks[banks] = np.where(self.binding(system)[banks], short, 0.0)
        nothing = np.zeros(len(system.ids))
        more = {name: system.start.get(name, nothing) + lacks for name in ("cash", "other_liabilities")}
        return replace(system, start={**system.start, **more})

    def see(self, seat: Seat, view: View) -> View:
        """Return what banks see when overnight lending falls due, with the line of the buffer in place of theirs.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        view : View
            What they see without it.

        Returns
        -------
        View
            The same for everything but overnight lending.
        """
        if not isinstance(view, FundingView):
            return view
        rules, repo = _of(seat.channels)
        line = Rollover(coverage_minimum=(1.0 - self.usability) * self.ratio, coverage_buffer=0.0)
        least = seat.once("least", lambda: lines(seat.system, line, rules, repo)[0])
        least = least * (1.0 - seat.fired)
        counts = _counts(seat, least > view.coverage_least)
        return replace(view, coverage_least=np.where(counts, least, view.coverage_least))

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return the carry of the liquid assets that banks must hold.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            On the net outflows of the start; released or not, the assets stay.
        """
        held = seat.once("held", lambda: self._held(seat))
        return np.full(step.state.n_lanes, self.carry * held * step.days / YEAR)

    def _held(self, seat: Seat) -> float:
        """Liquid assets that the bound must hold at the start, currency."""
        rules, repo = _of(seat.channels)
        banks = seat.system.types["banks"]
        net = coverage(seat.system, _pledged(seat.system, repo), rules).net[:, 0]
        return self.ratio * float(added(np.where(seat.binds[banks], net, 0.0).tolist()))


def _counts(seat: Seat, tighter: Bool) -> Bool:
    """For which banks a buffer's line counts: those it binds, of several the tightest, bool[n_banks, n_lanes]."""
    banks = seat.system.types["banks"]
    return np.asarray(seat.binds[banks][:, None] & (tighter | ~seat.also[banks][:, None]))


def _of(channels: Mapping[str, Channel]) -> tuple[CoverageRules, Repo]:
    """How the liquidity channel reckons coverage."""
    liquidity: Any = channels["liquidity"]
    return liquidity.coverage, liquidity.repo


def _before(system: System) -> State:
    """The system before any event, in two lanes."""
    found: State = system.once("before", lambda: system.state(2, ("shock",)))
    return found


def _pledged(system: System, repo: Repo) -> State:
    """The same with what is pledged then."""
    state = system.state(2, ("shock",), PLEDGES)
    state.pledged[state.banks] = borrowed0(system, repo)[1]
    return state
