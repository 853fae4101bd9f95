"""Borrowers default more than they are expected to: loans of banks, and pools that platforms originated."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from sim.arrays import Bool, Float, Int, added
from sim.errors import Problem
from sim.kernels.special import exp_of, log_of
from sim.ledger.balance import summed
from sim.ledger.entries import Ledger
from sim.networks.pools import Pool
from sim.shocks.asset_loss import bank_problems, target_problems, write_off
from sim.shocks.base import SHOCKS, SOURCE, Shock
from sim.shocks.factors import Factor, default_given
from sim.state import State
from sim.streams import Draws
from sim.system import System

YEAR = 250.0
"""Business days of the horizon of a probability of default."""


@SHOCKS.register("borrower_stress")
class BorrowerStress(Shock):
    r"""Defaults of borrowers given a common factor and, for pools, the error of their platform's scoring model.

    .. math::
        L = LGD \, \big( PD(Z, M_p) - PD \big)^+ \text{ of the exposure}, \qquad
        PD(Z, M_p) = \Phi\Big( \frac{\Phi^{-1}(m \, PD) + \sqrt{\rho} Z + \sqrt{\rho_m} M_p}{\sqrt{1 - \rho - \rho_m}}
        \Big)

    Only what exceeds the expected loss is booked: that one is in the price of the loan. A factor that is not given is
    averaged over. The borrowers' real assets are gone, the write-off restores the borrowers, the lenders lose.

    References
    ----------
    Vasicek (2002) for the factor; Keys et al. (2010), Quarterly Journal of Economics 125(1), for screening.
    """

    loans: str = ""
    """Banks whose loans to served borrowers are hit: ``banks``, an id, ``banks[largest]``, ``banks[each]``; empty for
    none."""

    pools: str = ""
    """Platforms whose pools are hit: ``platforms``, an id, ``platforms[largest]``; empty for none."""

    default_probability: float = Field(default=0.016, gt=0, lt=1)
    """Probability that a served borrower defaults within a year; by default the share of non-performing loans of
    Chinese banks at the end of 2023, 1."""

    pool_default_probability: float = Field(default=0.032, gt=0, lt=1)
    """Probability that a borrower of a pool defaults within a year if its platform screens with full effort; by default
    the share of non-performing loans to small firms in 2019, 1."""

    loss_given_default: float = Field(default=0.45, ge=0, le=1)
    """Share of a defaulted loan that is lost, usually 0.3 to 0.7, 1."""

    pd_multiplier: float = Field(default=1.0, ge=0, le=100)
    """Factor on all probabilities of default before the common factors act; the result is at most 1, 1."""

    factor: Factor | None = None
    """Systematic factor Z: a number of standard deviations, ``{quantile: 0.99}``, ``{normal: {}}`` or ``{student: {df:
    4}}``."""

    correlation: float = Field(default=0.15, ge=0, lt=1)
    """Asset correlation that the systematic factor brings, rho; 0.12 to 0.24 in the Basel rules, 1."""

    model_error: Factor | None = None
    """Error M_p of a platform's scoring model, common to all banks that lend by it, in standard deviations."""

    model_error_of: str = "platforms"
    """Platforms whose model errs: ``platforms``, an id, ``platforms[largest]``."""

    model_correlation: float = Field(default=0.05, ge=0, lt=1)
    """Correlation that the model error brings, rho_m, 1."""

    monoculture: bool = False
    """Whether all platforms share one model, and so one error."""

    screening_effect: float = Field(default=0.15, ge=0, le=1)
    """Rise of a pool's probability of default as the platform's own share falls to 0, eta_s; 0.10 to 0.25 were found
    for securitised loans, 1."""

    screening_share: float = Field(default=0.30, gt=0, le=1)
    """Own share of a platform from which on it screens with full effort; the least that rules in force allow, 1."""

    spread: bool = False
    """Whether the defaults of a year come day by day, 1 - (1 - PD)^(t / 250) of them by day t, and not all at once."""

    @model_validator(mode="after")
    def _possible(self) -> BorrowerStress:
        if not (self.loans or self.pools):
            raise ValueError("give loans (banks), pools (platforms) or both: nobody is hit")
        if not self.correlation + self.model_correlation < 1.0:
            raise ValueError(
                f"correlation + model_correlation = {self.correlation + self.model_correlation:g} must be below 1"
            )
        return self

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with targets, or missing in the system.

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
        found = bank_problems(system, self.loans, f"{key}.loans") if self.loans else []
        for field, target in (("pools", self.pools), ("model_error_of", self.model_error_of if self._errs else "")):
            if target:
                found += target_problems(system, target, key, field)
        if self.pools and not found and not self._hit(system, np.zeros(1, dtype=np.int64)):
            found.append(Problem(f"{key}.pools: {self.pools!r} names no platform with a pool", key=f"{key}.pools"))
        return found

    @property
    def _errs(self) -> bool:
        return bool(self.pools) and self.model_error is not None and self.model_correlation > 0.0

    def strikes(self, number: int) -> bool:
        """Return whether it strikes in a step: once, or on and on where defaults are spread.

        Parameters
        ----------
        number : int
            Step, counted from 1.

        Returns
        -------
        bool
            From its time on.
        """
        return number >= self.at if self.spread else number == self.at

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Write off the loans that default beyond expectation, and mark down the pools.

        Parameters
        ----------
        system : System
            Before the shock.
        state, ledger : State, Ledger
            Now.
        draws : Draws
            Random numbers of the block.
        stream : str
            Name of this shock's stream.
        """
        systematic = []
        if self.factor is not None:
            systematic = [(self.correlation, self.factor.draw(draws, f"{stream}/factor", ["common"], self.at))]
        if self.loans:
            expected = np.full((1, state.n_lanes), self.default_probability)
            share = self._lost(state, expected, systematic)
            named = system.target(self.loans, draws.draws)[state.banks]
            loss = np.zeros((state.n_agents, state.n_lanes))
            loss[state.banks] = share * named * state.loans[state.banks]
            write_off(state, ledger, loss)
            if "loans_in_default" in state.by_name and self.loss_given_default > 0.0:
                state.loans_in_default[state.banks] += share / self.loss_given_default * named[state.banks]
        if self.pools:
            self._mark_down(system, state, ledger, draws, stream, systematic)

    def _mark_down(
        self,
        system: System,
        state: State,
        ledger: Ledger,
        draws: Draws,
        stream: str,
        systematic: list[tuple[float, Float]],
    ) -> None:
        price, gone = state.price.copy(), np.zeros(state.n_lanes)
        named = system.target(self.pools, draws.draws)
        errs: Bool = system.target(self.model_error_of, draws.draws) if self._errs else np.zeros_like(named)
        for pool in self._hit(system, draws.draws):
            expected = self._expected(system, state, pool)
            share = self._lost(state, expected, systematic)
            if self.model_error is not None and errs[pool.platform].any():
                whose = "common" if self.monoculture else system.ids[pool.platform]
                error = (self.model_correlation, self.model_error.draw(draws, f"{stream}/model", [whose], self.at))
                share = np.where(errs[pool.platform], self._lost(state, expected, [*systematic, error]), share)
            fall = price[pool.asset] * share[0] * named[pool.platform]
            gone += summed(np.maximum(0.0, state.units[:, pool.asset])) * fall
            price[pool.asset] -= fall
        ledger.revalue_price(price, SOURCE)
        ledger.destroy(state.row("underserved"), gone, SOURCE)

    def _hit(self, system: System, draws: Int) -> list[Pool]:
        """Return the pools that are hit in some draw."""
        named = np.asarray(system.target(self.pools, draws).any(axis=1))
        return [pool for pool in system.pools if named[pool.platform] or "[each]" in self.pools]

    def _expected(self, system: System, state: State, pool: Pool) -> Float:
        r"""Return a pool's probability of default: :math:`PD_0 (1 + \eta_s (1 - \sigma_p / \sigma_{ref})^+)`."""
        held = np.maximum(0.0, system.holdings[:, pool.asset]).tolist()
        own = held[pool.platform] / added(held)
        effort = max(0.0, 1.0 - own / self.screening_share)
        chance = min(1.0 - 1e-12, self.pool_default_probability * (1.0 + self.screening_effect * effort))
        return np.full((1, state.n_lanes), chance)

    def _lost(self, state: State, expected: Float, factors: list[tuple[float, Float]]) -> Float:
        """Return the share of what is outstanding that is lost in this step beyond what was expected."""
        raised = np.minimum(1.0 - 1e-12, self.pd_multiplier * expected)
        given = default_given(raised, factors)
        if not self.spread:
            return self.loss_given_default * np.maximum(0.0, given - expected)
        elapsed = state.time - (self.at - 1) * state.days
        so_far, then = (self._by(min(YEAR, days), expected, given) for days in (elapsed - state.days, elapsed))
        return np.asarray(np.maximum(0.0, then - so_far) / (1.0 - so_far))

    def _by(self, days: float, expected: Float, given: Float) -> Float:
        """Return the share lost beyond expectation by a day of the year."""
        return self.loss_given_default * np.maximum(0.0, _survives(expected, days) - _survives(given, days))


def _survives(probability: Float, days: float) -> Float:
    r"""Return :math:`(1 - PD)^{t/250}`."""
    out = np.ascontiguousarray(1.0 - probability).ravel()
    log_of(out, out)
    exp_of(out * (days / YEAR), out)
    return out.reshape(probability.shape)
