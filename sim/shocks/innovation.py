"""New products that nobody knows well: some of their clients come to harm, fewer where a sandbox has looked at them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.errors import Problem
from sim.ledger.balance import summed
from sim.ledger.entries import Ledger
from sim.shocks.asset_loss import target_problems
from sim.shocks.base import SHOCKS, SOURCE, Shock
from sim.shocks.sandbox import Sandbox, innovations
from sim.shocks.sizes import Beta, Size
from sim.state import State
from sim.streams import Draws
from sim.system import System

PERIOD = 3
"""Months over which harm is counted and supervision paid: a quarter."""

OPEN = "innovations_open"
"""What the state remembers: the share of innovations that all clients may have."""

POINTS = 2_000
"""Quantiles at which a law of rates is read where its mean is wanted."""


@SHOCKS.register("innovation")
class Innovation(Shock):
    r"""A quarter's harm from new credit products of platforms, each with an adverse rate that nobody knew beforehand.

    .. math::
        L_p = s \, \frac{1}{n} \sum_k x_k \, \big( 1 - (1 - \theta_k)^3 \big) \, LGE \text{ of the pool}

    Product k has the share :math:`x_k` of its market: 1 without a sandbox or once it has graduated from it, the cap
    :math:`k_S` in the test and after a test it has failed, 0 under review.

    The clients harmed are borrowers who do not pay back: their real assets are gone, whoever funds the pool loses. All
    of it is booked, for nothing was known that a price could have held. In the sandbox every innovation has its own
    test in every draw. Supervision is an expense of the central bank, gone for everybody.

    References
    ----------
    Wald (1947), Sequential Analysis, for the test; Cornelli, Doerr, Gambacorta and Merrouche (2020), BIS Working Paper
    901, for sandboxes.
    """

    pools: str = "platforms"
    """Platforms whose pools hold the credit: ``platforms``, an id, ``platforms[largest]``."""

    count: int = Field(default=20, ge=1, le=10_000)
    """n, innovations."""

    adverse_rate: Size = Size(beta=Beta(a=1.0, b=15.0))
    """Chance that a client of an innovation is harmed within a month: assumed; a number or a distribution, 1."""

    share: float = Field(default=0.5, ge=0, le=1)
    """s, part of a pool that the innovations would carry if all clients had all of them; a ramp sets it, 1."""

    loss_given_event: float = Field(default=0.45, ge=0, le=1)
    """Share of its credit that is lost with a client who is harmed, 1."""

    months: float = Field(default=0.0, ge=0)
    """Since the innovations applied for admission; a ramp sets it, months."""

    sandbox: Sandbox | None = None
    """The test they go through; left out: all clients have them from the start. A ramp sets it."""

    def problems(self, system: System, key: str) -> list[Problem]:
        """Return what is wrong with the target.

        Parameters
        ----------
        system : System
            What it will strike.
        key : str
            Dotted key of the shock.

        Returns
        -------
        list of Problem
            Empty when it names a platform with a pool.
        """
        found = target_problems(system, self.pools, key, "pools")
        named = None if found else system.target(self.pools, np.zeros(1, dtype=np.int64))
        if named is not None and not any(named[pool.platform, 0] for pool in system.pools):
            found.append(Problem(f"{key}.pools: {self.pools!r} names no platform with a pool", key=f"{key}.pools"))
        return found

    @property
    def graduating(self) -> float:
        """Share of innovations that the sandbox lets out, expected; 1 without one."""
        if self.sandbox is None:
            return 1.0
        law = self.adverse_rate
        if law.fixed is not None:
            return float(self.sandbox.graduation(law.fixed)[0])
        given = law.uniform or law.beta or law.lognormal
        rates = [0.0] if given is None else given.quantile((np.arange(POINTS) + 0.5) / POINTS)
        return float(added(self.sandbox.graduation(rates).tolist())) / POINTS

    def strike(self, system: System, state: State, ledger: Ledger, draws: Draws, stream: str) -> None:
        """Mark down the pools, and pay for supervision in new reserves.

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
        rates = self.adverse_rate.draw(draws, f"{stream}/rate", innovations(self.count), self.at)
        reach = self._reach(rates, draws, stream)
        state.memory[OPEN] = summed((reach == 1.0).astype(np.float64)) / self.count
        unharmed = np.ones_like(rates)
        for _ in range(PERIOD):
            unharmed *= 1.0 - rates
        lost = self.share * self.loss_given_event * summed(reach * (1.0 - unharmed)) / self.count
        price, gone = state.price.copy(), np.zeros(state.n_lanes)
        named = system.target(self.pools, draws.draws)
        for pool in system.pools:
            fall = price[pool.asset] * lost * named[pool.platform]
            gone += summed(np.maximum(0.0, state.units[:, pool.asset])) * fall
            price[pool.asset] -= fall
        ledger.revalue_price(price, SOURCE)
        ledger.destroy(state.row("underserved"), gone, SOURCE)
        if self.sandbox is not None:
            cost = self.count * self.sandbox.supervision * self._tested()
            ledger.create("cash", state.row("deadweight"), np.full(state.n_lanes, cost), SOURCE)

    def _reach(self, rates: Float, draws: Draws, stream: str) -> Float:
        """Share of its market that each innovation has, float64[n_innovations, n_lanes]."""
        test = self.sandbox
        if test is None:
            return np.ones_like(rates)
        if self.months < test.review + test.months:
            return np.full_like(rates, test.open(self.months, 0.0))
        graduated = test.tested(rates, draws, f"{stream}/sandbox").graduated
        return np.where(graduated, 1.0, test.exposure)

    def _tested(self) -> float:
        """How much of the quarter before now each innovation spent in the test, months."""
        if self.sandbox is None:
            return 0.0
        start = self.sandbox.review
        return max(0.0, min(self.months, start + self.sandbox.months) - max(self.months - PERIOD, start))
