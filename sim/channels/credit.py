"""C: claims on a weakened agent lose value; an agent without equity defaults and is cleared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float, empty
from sim.channels.base import CHANNELS, Channel, Step, TightView
from sim.contagion.certify import reach
from sim.contagion.solve import FixedPoint
from sim.kernels.valuation import CLEARING, VALUATIONS, value, value_slope
from sim.ledger.balance import claims_face, summed
from sim.state import State


@CHANNELS.register("credit")
class Credit(Channel):
    r"""Interbank claims revalued, defaults cleared.

    Signal of j: :math:`1 - V_j`; layer: who lent to j; response of i: its equity falls by
    :math:`\sum_j A_{ij} (1 - V_j)`, and with it :math:`V_i`.

    References
    ----------
    Eisenberg and Noe (2001); Rogers and Veraart (2013); Furfine (2003); Bardoscia et al. (2015); Barucca et al. (2020).
    """

    letter: ClassVar[str] = "C"
    phases: ClassVar[Mapping[str, str]] = {"credit": "step", "resolution": "resolve"}
    isotone: ClassVar[bool] = True

    valuation: Literal["eisenberg-noe", "rogers-veraart", "furfine", "linear-debtrank"] = "eisenberg-noe"
    """What a claim is worth given its debtor's equity; the first two clear and settle, the others provision."""

    alpha: float = Field(default=1.0, ge=0, le=1)
    """Share of external assets that survives default (rogers-veraart), 1."""

    beta: float = Field(default=1.0, ge=0, le=1)
    """Share of interbank assets that survives default (rogers-veraart), 1."""

    recovery_rate: float = Field(default=0.0, ge=0, le=1)
    """Exogenous recovery on a failed agent (furfine, linear-debtrank), 1."""

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
        line = np.minimum(0.0, state.solvency0)
        below = (equity <= line) & (equity < state.solvency0) if self.default_at_zero else equity < line
        failed: Bool = (below | (state.ordered_to_fail > 0.0)) & (state.alive > 0.0)
        failed[state.debtors.stop :] = False
        return failed

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
        state = step.state
        failing = self.fails(state, view.solvency) | (state.is_defaulted > 0.0)
        out = empty(state.n_agents, state.n_lanes)
        costs = self.valuation == "rogers-veraart"
        alpha, beta = (self.alpha, self.beta) if costs else (1.0, 1.0)
        value(
            VALUATIONS[self.valuation],
            failing.astype(np.float64),
            view.solvency,
            state.solvency0,
            view.external,
            view.inside,
            view.debt,
            alpha,
            beta,
            self.recovery_rate,
            out,
        )
        rows = np.zeros((state.n_agents, 1))
        rows[state.debtors] = 1.0
        acts = step.on * rows * (state.alive > 0.0)
        # a claim once written down is not written up within the channel: the lattice is walked downwards only
        return np.asarray(np.where(acts > 0.0, np.minimum(out, state.worth), state.worth))

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
        failing = (self.fails(state, view.solvency) | (state.is_defaulted > 0.0)).astype(np.float64)
        out = empty(state.n_agents, state.n_lanes)
        beta = self.beta if self.valuation == "rogers-veraart" else 1.0
        kind = VALUATIONS[self.valuation]
        value_slope(kind, failing, view.solvency, state.solvency0, view.worth, view.debt, beta, self.recovery_rate, out)
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
            return self.respond(step, view, self.signal(step, view))

        return reach(onward, state.worth, tol=self.tol, max_rounds=self.max_rounds)

    def step(self, step: Step) -> FixedPoint | None:
        """Play the credit phase: clear defaults to their fixed point, or revalue claims by one round.

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
        view = TightView(state, state.worth, state.price)
        if not self.clears:
            self.settle(step, self.respond(step, view, self.signal(step, view)), view)
            return None
        if not (self.fails(state, view.solvency) & (step.on > 0.0)).any():
            return None
        found = self.solve(step)
        self.settle(step, found.x, TightView(state, found.x, state.price))
        return found

    def settle(self, step: Step, worth: Float, view: TightView) -> None:
        """Post the values found: provisions, or defaults with everything that follows.

        Parameters
        ----------
        step : Step
            Where we are.
        worth : float64[n_agents, n_lanes], 1
            What claims are worth.
        view : TightView
            Balance sheets at those values.
        """
        state = step.state
        failing = self.fails(state, view.solvency) & (step.on > 0.0)
        if self.clears:
            if failing.any():
                self._clear(step, failing, np.where(failing, worth, 0.0), view)
        else:
            step.ledger.revalue_worth(worth, "credit")
        np.maximum(state.is_defaulted, failing, out=state.is_defaulted)

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
        self.settle(step, values, view)
        self.resolve(step, at_once=True)

    def _clear(self, step: Step, failing: Bool, recovery: Float, view: TightView) -> None:
        """Wind up failing agents: debts become claims on the estate, assets go to investors, costs to the sink."""
        state, ledger, everyone = step.state, step.ledger, slice(None)
        ledger.settle_claims(failing, recovery, "credit")
        for name in state.debts:
            face = state.columns[name] * failing
            ledger.settle(name, everyone, face, face * recovery, "credit", via="estate")
        inside = claims_face(state) * failing
        external = TightView(state, state.worth, state.price).external * failing
        if self.valuation == "rogers-veraart":
            # costs are shares of what the agent had when it failed, as in the valuation that fixed its recovery
            cost = ((1.0 - self.alpha) * view.external + (1.0 - self.beta) * view.inside) * failing
            ledger.create("estate_due", everyone, cost, "credit")
            ledger.create("estate_claims", state.row("deadweight"), summed(cost), "credit")
        ledger.fund_investors(summed(external - state.cash * failing + inside), "credit")
        self._sell_all(step, failing)
        ledger.create("participations", everyone, inside, "credit", for_cash=True)
        due = state.estate_due * failing
        ledger.settle("estate_due", everyone, due, due, "credit")
        unpaid = state.estate_claims - np.minimum(state.estate0, state.estate_claims)
        np.add(state.estate0, np.maximum(unpaid, 0.0), out=state.estate0)
        state.estate0[state.people] *= ~failing[state.people]

    def _sell_all(self, step: Step, failing: Bool) -> None:
        """Sell everything but claims on other agents to outside investors, who also take over shares that failed."""
        state, ledger, everyone, outside = step.state, step.ledger, slice(None), step.state.row("outside")
        for column in state.money:
            if (column.asset_on and column.name != "cash") or column.name == "real_assets":
                ledger.transfer(column.name, everyone, outside, state.columns[column.name] * failing, "credit")
        held = state.units * failing[:, None]
        ledger.transfer_units(everyone, outside, np.maximum(held, 0.0), state.price, "credit")
        if state.shares.any():
            # an index of shares has one price: what holders of the failed firm's shares lose, outside investors bear
            ledger.transfer_units(everyone, outside, np.minimum(held, 0.0), np.zeros_like(state.price), "credit")

    def resolve(self, step: Step, at_once: bool = False) -> None:
        """Pay out the estate, and pass what failed agents still lose on to who bought their book.

        Parameters
        ----------
        step : Step
            Where we are.
        at_once : bool
            Whether the estate pays everything now.
        """
        state, ledger, everyone = step.state, step.ledger, slice(None)
        gone = (state.alive <= 0.0).astype(np.float64)
        if not self.clears or not gone.any():
            return
        received = state.estate_claims * gone
        if received.any():
            outside = state.row("outside")
            ledger.fund_investors(summed(received), "credit")
            ledger.transfer("estate_claims", everyone, outside, received, "credit")
            state.estate0[outside] += summed(received)
            state.estate0[...] *= 1.0 - gone
        lapsed = (state.participations - claims_face(state) * gone) * gone
        if lapsed.any():
            ledger.settle("participations", everyone, lapsed, received, "credit")
        share = 1.0 if at_once else 1.0 / self.resolution_steps
        paid = np.minimum(state.estate_claims, state.estate0 * share)
        ledger.settle("estate_claims", everyone, paid, paid, "credit")
