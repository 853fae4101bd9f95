"""O: what an agent depends on fails, and so does the agent; payments stall, outages cost money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.arrays import Bool, Float
from sim.channels import payments
from sim.channels.base import CHANNELS, Channel, Step, TightView
from sim.channels.budgets import COLUMNS as BUDGETS
from sim.channels.budgets import strain
from sim.channels.costs import Terms, breach, charge
from sim.channels.lanes import chosen, columns, widened
from sim.channels.service import (
    HOURS,
    Dependence,
    Rules,
    blow,
    dependence,
    lost_service,
    pace_of,
    recovering,
    standing,
)
from sim.channels.standards import YEAR
from sim.contagion.solve import FixedPoint
from sim.errors import Problem
from sim.kernels.special import exp_of
from sim.shocks.durations import Duration, LognormalDays
from sim.shocks.outage import take_down
from sim.state import AGENTS, BANKS, Column
from sim.system import System

PAYERS = (BANKS, "platforms")

COLUMNS = (
    Column("impaired_for", "days", "Time for which its service has been below normal", AGENTS),
    Column("service_left", "1", "What is left of a failed provider's service", ("tech_firms", "platforms"), start=1.0),
    Column("lost_service", "days", "Days of full service lost so far", AGENTS),
    Column("backlog", "currency", "Customers' payments that are due and not yet made", PAYERS, memo=True),
    Column(
        "payment_shortfall", "currency", "Payments of the step sent and not settled for want of cash", PAYERS, memo=True
    ),
    Column(
        "forgone_payments", "currency", "Customers' payments not made when they were due, so far", PAYERS, memo=True
    ),
    Column("peak_backlog", "currency", "Largest backlog of all payers together so far", ("central_bank",), memo=True),
)


@CHANNELS.register("operational")
class Operational(Channel):
    r"""Outages spread from providers to users, over providers of providers; impaired banks hold payments back.

    Signal of k: :math:`1 - s_k`; layer: who uses k; response of i: its own service falls,

    .. math::
        s_i = o_i \prod_f \big(1 - c_{if} (1 - S_{if})\big), \qquad
        S_{if} = \Big( 1 - \sum_k a_{ifk} + \sum_k a_{ifk} s_k^r \Big)^{1/r}

    and it sends only the part :math:`s_i` of its payments. What a provider cannot do others take over for the part
    :math:`b_{if}` that the user can move, after a delay and as far as their capacity reaches. Service is the greatest
    fixed point of each step; payments settle by the greatest solution of clearing in cash.

    References
    ----------
    Santos and Haimes (2004); Lian and Haimes (2006); Eisenbach, Kovner and Lee (2022); Kotidis and Schreft (2025).
    """

    letter: ClassVar[str] = "O"
    phases: ClassVar[Mapping[str, str]] = {"service": "serve", "payments": "settle"}
    columns: ClassVar[tuple[Column, ...]] = (*COLUMNS, *BUDGETS)
    isotone: ClassVar[bool] = True

    form: Literal["product", "linear"] = "product"
    """How the losses of several functions combine: each takes its part of what is left, or they add up (Haimes)."""

    substitution: Annotated[float, Field(le=1, ge=-1000)] | Literal["leontief"] = 1.0
    """How providers of a function replace each other, r: 1 linear, 0 Cobb-Douglas, ``leontief`` by the weakest, 1."""

    criticality: float | None = Field(default=None, ge=0, le=1)
    """Part of its service that a user loses with a function, c_if, in place of what the system says, 1."""

    backup: float | None = Field(default=None, ge=0, le=1)
    """Part of a function that users can move, b_if, in place of what the system says (Kotidis and Schreft: 0.5), 1."""

    failover_delay: float = Field(default=4.0, ge=0, le=10_000)
    """Time until users have moved, tau (assumed, 0 to 48), hours."""

    common_cause: float = Field(default=0.05, ge=0, le=1)
    """Part of outages that takes the backup down as well, the beta factor of Fleming (assumed, 0 to 0.2), 1."""

    headroom: float | None = Field(default=None, ge=0, le=1000)
    """Spare capacity of providers over their normal load, in place of what the system says (else assumed, 0.3), 1."""

    congestion: float = Field(default=1.0, ge=0, le=100)
    """Exponent kappa of an overloaded provider: at 1 it works at capacity, above it congestion destroys service, 1."""

    recovery_time: float = Field(default=0.0, ge=0, le=10_000)
    """Time constant with which users come back once their providers have, 1 / K of Lian and Haimes; 0 at once, days."""

    exit_time: float = Field(default=20.0, gt=0, le=10_000)
    """Time over which the service of a failed provider winds down (assumed), days."""

    taken_over: float = Field(default=0.0, ge=0, le=1)
    """Part of a failed provider's service that a successor carries on, 1."""

    outage_rate: float = Field(default=0.0, ge=0, le=1000)
    """Outages of each technology firm that come by themselves; 0: events only (material ones 0.5 to 2), per year."""

    outage_duration: Duration = Duration(lognormal=LognormalDays(median=0.25, sigma=1.2))
    """How long those last: a number or a distribution, days."""

    cost_of_outage: float = Field(default=1.0, ge=0, le=100)
    """Cost of lost service, gone for everybody, in units of the revenue of the time, c_o (assumed), 1."""

    compensation: float = Field(default=1.0, ge=0, le=100)
    """What a provider returns to its users for lost service, in units of their fees of the time (assumed), 1."""

    compensation_cap: float = Field(default=0.08, ge=0, le=1)
    """Most that it returns, as a share of a year's fees (assumed: a month), 1."""

    breach_hazard: float = Field(default=0.0, ge=0, le=1000)
    """Hazard of a breach of data at the worst security posture, hb0; 0: events only, per year."""

    posture_effect: float = Field(default=3.0, ge=0, le=100)
    """How much the security posture psi lowers that hazard, kb: by the factor exp(-kb psi) (assumed), 1."""

    breach_cost: float = Field(default=0.02, ge=0, le=100)
    """Cost of a breach, gone for everybody, as a share of a year's revenue (assumed), 1."""

    budget_effect: float = Field(default=0.0, ge=0, le=100)
    """How much both hazards rise as budgets follow the fall of an agent's own shares, k_m: by the factor exp(k_m (1 -
    b)); 0: not at all (assumed, 0 to 5), 1."""

    budget_lag: float = Field(default=60.0, gt=0, le=10_000)
    """Time in which budgets follow all but 1/e of a fall (assumed), days."""

    volume: float = Field(default=1.0, gt=0, le=100)
    """Payments in units of a normal day; 1.5 at the end of a quarter, 1."""

    reserve_minimum: float = Field(default=0.0, ge=0, le=1)
    """Reserves below which a bank pays nothing out, in units of its reserves at the start, 1."""

    reserve_multiplier: float = Field(default=1.0, ge=0, le=10)
    """Factor on that minimum; 1.2 at the end of a quarter, 1."""

    reserve_deviation: float = Field(default=0.15, ge=0, le=0.5)
    """Usual deviation of reserves from the start; two of them below, payments are held back, sd (assumed), 1."""

    hoarding: float = Field(default=0.5, ge=0, le=1)
    """Part of its payments that a bank still sends while it holds back, eta_h (assumed), 1."""

    tol: float = Field(default=1e-10, gt=0, le=1e-3)
    """Tolerance of service and of settlement, on shares in [0, 1]."""

    max_rounds: int = Field(default=10_000, ge=1)
    """Rounds after which a fixed point is given back uncertified."""

    def problems(self, mode: str, system: System) -> list[Problem]:
        """Return why these parameters cannot be played.

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
        found = payments.problems(system)
        if self.form == "linear" and self.substitution != 1.0:
            text = f"channels.operational.substitution = {self.substitution} needs form: product"
            found.append(Problem(text, key="channels.operational.substitution"))
        return found

    def needs(self, system: System) -> Dependence | None:
        """Return who depends on whom.

        Parameters
        ----------
        system : System
            Before the shock.

        Returns
        -------
        Dependence or None
            Worked out once a system.
        """
        power = -np.inf if self.substitution == "leontief" else float(self.substitution)
        rules = Rules(self.form, power, self.criticality, self.backup, self.headroom)
        found: Dependence | None = system.once(("operational.needs", rules), lambda: dependence(system, rules))
        return found

    # -- the phases of a step ----------------------------------------------------------------------------------------

    def serve(self, step: Step) -> FixedPoint | None:
        """Play the service phase: who works how well in this step, and what that costs.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint or None
            Certificate of the service; None where nobody is impaired.
        """
        state = step.state
        self._happen(step)
        lanes = np.flatnonzero(self._struck(step))
        whole = np.zeros((state.n_agents, state.n_lanes))
        if not lanes.size:
            if (state.service < 1.0).any():
                self._count(step, whole)
            return None
        struck = blow(state, lanes, step.days, self.failover_delay / HOURS)
        struck = struck._replace(ready=(1.0 - self.common_cause) * struck.ready)
        needs, found = self.needs(step.system), None
        lost = struck.own
        if needs is not None:
            found = lost_service(needs, struck, self.congestion, self.tol, self.max_rounds)
            lost = found.x
        lost = lost * struck.lasts
        if needs is not None and self.recovery_time > 0.0:
            pace = pace_of(step.days, self.recovery_time)
            lost = recovering(needs, struck, 1.0 - chosen(state.service, lanes), lost, pace)
        whole[:, columns(lanes, state.n_lanes)] = lost
        charge(step, needs, whole, Terms(self.cost_of_outage, self.compensation, self.compensation_cap))
        self._count(step, whole)
        return None if found is None else widened(found, lanes, whole.shape)

    def settle(self, step: Step) -> FixedPoint | None:
        """Play the payments phase.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint or None
            Certificate of the settlement; None on a normal day.
        """
        rules = payments.Rules(
            self.volume,
            min(1.0, self.reserve_minimum * self.reserve_multiplier),
            1.0 - 2.0 * self.reserve_deviation,
            self.hoarding,
            self.tol,
            self.max_rounds,
        )
        return payments.settle(step, rules)

    def _happen(self, step: Step) -> None:
        """Let failed providers wind down, and let luck strike where there is a hazard."""
        state, firms = step.state, slice(step.state.banks.stop, step.state.debtors.stop)
        failed = (state.is_defaulted[firms] > 0.0) & (step.on > 0.0)
        if failed.any():
            left = np.maximum(self.taken_over, state.service_left[firms] - step.days / self.exit_time)
            np.copyto(state.service_left[firms], np.minimum(left, state.service_left[firms]), where=failed)
        if self.outage_rate > 0.0 or self.breach_hazard > 0.0:
            strained = strain(step, self.budget_effect, self.budget_lag)
        if self.outage_rate > 0.0:
            rows = state.rows("tech_firms")
            hit, ids = np.zeros((state.n_agents, state.n_lanes)), state.ids[rows]
            chance = np.empty_like(strained[rows])
            exp_of((-self.outage_rate * step.days / YEAR * strained[rows]).reshape(-1), chance.reshape(-1))
            chance = 1.0 - chance
            strikes = (step.uniform("channels.operational.outage", ids) < chance) & (step.on > 0.0)
            if strikes.any() and step.draws is not None:
                lasting = self.outage_duration.draw(step.draws, "channels.operational.duration", ids, step.number)
                hit[rows] = lasting * strikes
                take_down(state, np.zeros_like(hit), hit)
        if self.breach_hazard > 0.0:
            breach(step, self.breach_hazard * strained, self.posture_effect, self.breach_cost)

    def _struck(self, step: Step) -> Bool:
        """Lanes in which somebody is down, winds down or is suspended, or is on its way back."""
        state = step.state
        some: Bool = ((state.own_service < 1.0) & (state.down_for > 0.0)) | (standing(state) < 1.0)
        if self.recovery_time > 0.0:
            some |= state.service < 1.0
        return np.asarray(some.any(axis=0) & (step.on > 0.0))

    def _count(self, step: Step, lost: Float) -> None:
        """Note service and its loss, and let the time of outages pass, in lanes where the channel is on."""
        state, on = step.state, step.on > 0.0
        np.copyto(state.service, 1.0 - lost, where=on)
        state.columns["lost_service"] += lost * step.days
        left = np.where(on, np.maximum(0.0, state.down_for - step.days), state.down_for)
        state.down_for[...] = left
        np.copyto(state.own_service, 1.0, where=on & (left == 0.0))
        # users of who stays impaired have waited that much longer; who is back starts anew
        goes_on = ((left > 0.0) | (standing(state) < 1.0)).any(axis=0)
        age = np.where((lost > 0.0) & goes_on, state.impaired_for + step.days, 0.0)
        np.copyto(state.impaired_for, age, where=on)

    # -- static mode: service comes first, and the values of claims and prices do not bear on it ---------------------

    def prepare(self, step: Step) -> FixedPoint | None:
        """Find service and post what its loss costs, before values are looked for; no payments are played.

        Parameters
        ----------
        step : Step
            Where we are.

        Returns
        -------
        FixedPoint or None
            Certificate of the service.
        """
        return self.serve(step)

    def signal(self, step: Step, view: TightView) -> Float:
        """Return what each agent has lost of its service.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets, which do not bear on it.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            :math:`1 - s_k`.
        """
        return 1.0 - step.state.service

    def respond(self, step: Step, view: TightView, signal: Float) -> Float:
        """Return what claims are worth: lost service bears on them by its cost alone, which is posted.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.
        signal : float64[n_agents, n_lanes], 1
            From `signal`.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            As before.
        """
        return step.state.worth.copy()

    def slope(self, step: Step, view: TightView) -> Float:
        """Return the derivative of `respond`.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            0.
        """
        return np.zeros_like(step.state.worth)

    def conclude(self, step: Step, view: TightView, signal: Float, values: Float) -> None:
        """Post nothing more.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Balance sheets at the fixed point.
        signal, values : float64[n_agents, n_lanes], 1
            There.
        """
