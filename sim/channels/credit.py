"""C: claims on a weakened agent lose value; an agent without equity defaults and is cleared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float, empty
from sim.channels import borrowers, colending, insurance, pledges, resolution
from sim.channels.asked import NUDGE, asked
from sim.channels.base import CHANNELS, Channel, Step, TightView
from sim.channels.borrowers import Borrowers
from sim.channels.pledges import Pledges
from sim.channels.ranks import Estate, estate_of
from sim.channels.resolution import Resolution
from sim.channels.winding_up import LEFT_OVER, Terms, pay_out, wind_up
from sim.contagion.certify import reach
from sim.contagion.solve import FixedPoint
from sim.errors import Problem
from sim.kernels.sheet import default, fail, join, mark_down
from sim.kernels.valuation import CLEARING, VALUATIONS, value, value_slope
from sim.state import Column, State
from sim.system import System
from sim.valuations import ValuationRule
from sim.valuations.chosen import Chosen


@CHANNELS.register("credit")
class Credit(Channel):
    r"""Claims between agents revalued, guarantees called, defaults cleared.

    Signal of j: :math:`1 - V_j`; layers: who lent to j, keeps an account there or has its guarantee; response of i:
    its equity falls by :math:`\sum_j A_{ij} (1 - V_j)`, and with it :math:`V_i`.

    Notes
    -----
    A claim has one value whatever its layer: provisions of furfine and linear-debtrank fall on accounts and loans to
    firms as on interbank claims (DebtRank on several layers).

    References
    ----------
    Eisenberg and Noe (2001); Rogers and Veraart (2013); Furfine (2003); Bardoscia et al. (2015); Barucca et al. (2020);
    Poledna et al. (2015) for several layers.
    """

    letter: ClassVar[str] = "C"
    phases: ClassVar[Mapping[str, str]] = {"credit": "step", "resolution": "resolve"}
    isotone: ClassVar[bool] = True
    columns: ClassVar[tuple[Column, ...]] = (
        *(LEFT_OVER, *colending.COLUMNS, *insurance.COLUMNS, *pledges.COLUMNS, *resolution.COLUMNS),
    )

    valuation: Chosen = "eisenberg-noe"
    """What a claim is worth given its debtor's equity; the first two clear and settle, the others provision. That of
    another package by its name, or as ``{NAME: {its parameters}}`` (``sim list valuations``)."""

    alpha: float = Field(default=1.0, ge=0, le=1)
    """Share of external assets that survives default (rogers-veraart), 1."""

    beta: float = Field(default=1.0, ge=0, le=1)
    """Share of interbank assets that survives default (rogers-veraart), 1."""

    costs: Literal["external", "illiquid"] = "external"
    """What alpha is a share of: all external assets (Rogers and Veraart), or only those without a market; then reserves
    and securities bear the cost of beta."""

    ranking: Literal["pari-passu", "by-rank"] = "pari-passu"
    """Whether all creditors of a failed agent are paid the same share, or senior debt (insured deposits and the
    insurer's claim, central bank lending) before ordinary debt, and that before junior debt such as fines."""

    real_asset_discount: float = Field(default=0.5, ge=0, le=1)
    """Share of a failed agent's own real assets, such as software and equipment, that is lost in their sale where
    defaults are cleared; an assumption, 1."""

    deposit_insurance: bool = False
    """Whether the insurer takes over the insured deposits of a failed bank and pays them out at face, from its fund and
    then from the central bank."""

    payout_delay: float = Field(default=5.0, ge=0, le=250)
    """Time until insured depositors of a failed bank have their money at other banks; rules in force ask for a week,
    days."""

    borrowers: Borrowers = Borrowers()
    """What a credit crunch and an outage of scoring do to those who borrow."""

    pledges: Pledges = Pledges()
    """Loans secured by shares, of which less is recovered when the shares fall."""

    resolution: Resolution = Resolution()
    """Debt that is written down to keep failing banks open."""

    recovery_rate: float = Field(default=0.0, ge=0, le=1)
    """Exogenous recovery on a failed agent (furfine, linear-debtrank; with a plug-in on one that is ordered to fail),
    1."""

    default_at_zero: bool = False
    """Whether an agent with equity of exactly zero defaults."""

    resolution_steps: int = Field(default=5, ge=1, le=1000)
    """Steps over which the estate pays out; a static run pays at once."""

    tol: float = Field(default=1e-10, gt=0, le=1e-3)
    """Tolerance of the clearing fixed point, on values in [0, 1]."""

    max_rounds: int = Field(default=10_000, ge=1)
    """Rounds after which a fixed point is given back uncertified."""

    @property
    def clears(self) -> bool:
        """Whether defaults are settled rather than provisioned."""
        return self.valuation in CLEARING

    @property
    def uses(self) -> tuple[ValuationRule, ...]:
        """The valuation of another package, where one is named; its code counts as this channel's own."""
        return (self.valuation,) if isinstance(self.valuation, ValuationRule) else ()

    @property
    def survives(self) -> tuple[float, float]:
        """Shares of external assets and of claims that survive default, 1."""
        return (self.alpha, self.beta) if self.valuation == "rogers-veraart" else (1.0, 1.0)

    def problems(self, mode: str, system: System) -> list[Problem]:
        """Return what these parameters need and the system does not have.

        Parameters
        ----------
        mode : {"static", "dynamic"}
            How the scenario is played.
        system : System
            What it is played on.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        return pledges.problems(system, self.pledges) + resolution.problems(system, self.resolution, self.clears)

    def _estate(self, state: State, view: TightView) -> Estate:
        """What every agent would bring and owe if it failed."""
        return estate_of(state, view, self.ranking == "by-rank", self.real_asset_discount, self.costs == "illiquid")

    def fails(self, state: State, equity: Float) -> Bool:
        """Return who defaults at a given equity.

        Parameters
        ----------
        state : State
            Now.
        equity : float64[n_agents, n_lanes], currency
            Net worth to judge by, own shares not counted as debt.

        Returns
        -------
        bool[n_agents, n_lanes]
            Equity below zero (an agent that starts below fails at its first further loss), or ordered to fail. Funds
            have no equity to lose: their shares lose value.
        """
        failed = np.empty(equity.shape, dtype=np.bool_)
        own, orders = np.ascontiguousarray(equity), (state.ordered_to_fail, state.alive)
        fail(own, state.solvency0, *orders, state.debtors.stop, self.default_at_zero, failed)
        return failed

    def _failing(self, step: Step, view: TightView) -> tuple[Bool, Float]:
        """Who fails at trial values, bool[n_agents, n_lanes], and what is written down of the debt of who does not."""
        failed = self.fails(step.state, view.solvency)
        if self.resolution.bail_in == "none":
            return failed, np.zeros((0, 1))
        rescued = resolution.needed(step, self.resolution, view, failed)
        return failed & (rescued == 0.0), rescued

    def rescue(self, step: Step) -> None:
        """Recapitalise banks that can be; the market asks for it before it opens, so that they need not sell all.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        if self.resolution.bail_in != "none":
            view = TightView(step.state, step.state.worth, step.state.price)
            resolution.write_down(step, self.resolution, view, self._failing(step, view)[1])

    def signal(self, step: Step, view: TightView) -> Float:
        """Return the share of its face value that a claim on each agent has lost.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            :math:`1 - V_j`, the trial values before the response.
        """
        return 1.0 - view.worth

    def respond(self, step: Step, view: TightView, signal: Float) -> Float:
        """Return what claims are worth given the equity that the signal leaves.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets; their interbank assets are the pulled signal.
        signal : float64[n_agents, n_lanes], 1
            From `signal` (already in the view).

        Returns
        -------
        float64[n_agents, n_lanes], 1
            Value of one unit of claim on each agent; 1 where the channel is off or the debtor is gone.
        """
        return self._revalued(step, view, None)

    def _revalued(self, step: Step, view: TightView, failing: Bool | None) -> Float:
        """What claims are worth after the response, given who fails, where that is known."""
        state, out = step.state, np.ascontiguousarray(self._values(step, view, failing))
        # a claim once written down is not written up within the channel: the lattice is walked downwards only
        mark_down(state.worth, state.alive, np.ascontiguousarray(step.on), state.debtors.stop, out)
        return out

    def _values(self, step: Step, view: TightView, failing: Bool | None = None) -> Float:
        """What one unit of claim on each agent is worth, whoever acts."""
        state = step.state
        if isinstance(self.valuation, ValuationRule):
            return asked(self.valuation, state, view, self.recovery_rate)
        failing = self._failing(step, view)[0] if failing is None else failing
        out, lost = empty(state.n_agents, state.n_lanes), np.empty(failing.shape, dtype=np.bool_)
        join(failing, state.is_defaulted, lost)
        own, inside, debt, beta = view.external, view.inside, view.debt, 1.0
        if self.clears:
            estate, (alpha, beta) = self._estate(state, view), self.survives
            own, inside, debt = alpha * estate.external - estate.senior, estate.inside, estate.ordinary
        seen = (view.solvency, state.solvency0, own, inside, debt)
        value(VALUATIONS[self.valuation], lost, *seen, 1.0, beta, self.recovery_rate, out)
        return out

    def slope(self, step: Step, view: TightView) -> Float:
        """Return how the value of a claim moves with its debtor's own claims, towards stress.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_agents, n_lanes], 1 / currency
            Derivative of `respond` by the pulled pressure.
        """
        state = step.state
        if isinstance(self.valuation, ValuationRule):
            less = NUDGE * np.maximum(1.0, np.abs(view.solvency[state.debtors]))
            out = self._values(step, view) - asked(self.valuation, state, view, self.recovery_rate, less)
            out[state.debtors] /= less
            return out * step.on
        failing = (self._failing(step, view)[0] | (state.is_defaulted > 0.0)).astype(np.float64)
        out = empty(state.n_agents, state.n_lanes)
        beta, kind = self.survives[1], VALUATIONS[self.valuation]
        debt = self._estate(state, view).ordinary if self.clears else view.debt
        value_slope(kind, failing, view.solvency, state.solvency0, view.worth, debt, beta, self.recovery_rate, out)
        return out * step.on

    def solve(self, step: Step) -> FixedPoint:
        """Find the greatest claim values consistent with today's prices.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint
            `x` is ``float64[n_agents, n_lanes]``.
        """
        state = step.state

        def onward(worth: Float) -> Float:
            view = TightView(state, worth, state.price)
            if step.walls is not None:
                view = step.walls.back(step, view, liquid=self.costs == "illiquid")
            return self.respond(step, view, self.signal(step, view))

        return reach(onward, state.worth, tol=self.tol, max_rounds=self.max_rounds)

    def prepare(self, step: Step) -> None:
        """Let borrowers default, call guarantees for what pools have lost, and let platforms pay what is due.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        borrowers.default(step, self.borrowers)
        pledges.value(step, self.pledges)
        if colending.LAYER in step.state.layers:
            colending.share_losses(step)
            colending.honour(step, self.fails if self.clears else None)

    def step(self, step: Step) -> FixedPoint | None:
        """Play the credit phase: call guarantees, then clear defaults to their fixed point, or revalue claims once.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint or None
            The certificate of a clearing; None where nothing was solved.
        """
        state = step.state
        self.prepare(step)
        view = TightView(state, state.worth, state.price)
        failing, rescued = self._failing(step, view)
        if not self.clears:
            worth = self._revalued(step, view, failing)
            if step.walls is not None:
                step.walls.pay(step, worth)
            self._settle(step, worth, view, (failing, rescued) if step.walls is None else None)
            return None
        if not (failing & (step.on > 0.0)).any():
            resolution.write_down(step, self.resolution, view, rescued)
            return None
        found = self.solve(step)
        if step.walls is not None:
            step.walls.pay(step, found.x)
        self._settle(step, found.x, TightView(state, found.x, state.price))
        return found

    def _settle(self, step: Step, worth: Float, view: TightView, told: tuple[Bool, Float] | None = None) -> None:
        """Post the values found: provisions, or debt written down, and defaults with everything that follows."""
        state, (failing, rescued) = step.state, told or self._failing(step, view)
        default(failing, np.ascontiguousarray(step.on), state.is_defaulted)
        if self.clears:
            resolution.write_down(step, self.resolution, view, rescued)
            if failing.any():
                self._clear(step, failing, np.where(failing, worth, 0.0), view)
        else:
            step.ledger.revalue_worth(worth, "credit")

    def conclude(self, step: Step, view: TightView, signal: Float, values: Float) -> None:
        """Post claim values of a static run, settle defaults, and let the estate pay at once.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Balance sheets at the fixed point.
        signal : float64[n_agents, n_lanes], 1
            Share lost per unit of claim.
        values : float64[n_agents, n_lanes], 1
            What claims are worth.
        """
        self._settle(step, values, view)
        self.resolve(step, at_once=True)

    def _clear(self, step: Step, failing: Bool, recovery: Float, view: TightView) -> None:
        """Let the insurer take over, then wind up failing agents on the terms that the clearing found."""
        estate, (alpha, beta) = self._estate(step.state, view), self.survives
        paid = dict.fromkeys(("senior", "ordinary", "junior"), recovery)
        if self.ranking == "by-rank":
            paid = estate.recoveries(alpha * estate.external + beta * estate.inside, recovery)
        cost = (1.0 - alpha) * estate.external + (1.0 - beta) * estate.inside
        if self.deposit_insurance:
            insurance.take_over(step, failing, self.payout_delay)
        wind_up(step, failing, Terms(estate, paid, cost, self.real_asset_discount))

    def resolve(self, step: Step, at_once: bool = False) -> None:
        """Pay insured depositors and creditors of failed agents what is theirs in this step.

        Parameters
        ----------
        step : Step
            Where we are.
        at_once : bool
            Whether the estate, and the insurer, pay everything now.
        """
        if not self.clears or (step.state.alive > 0.0).all():
            return
        pay_out(step, 1.0 if at_once else 1.0 / self.resolution_steps)
        if self.deposit_insurance:
            insurance.pay_depositors(step, at_once)
            insurance.repay_advances(step)
