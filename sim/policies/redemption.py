"""Caps on money-market funds: how much a holder gets back in a day, and how large a fund may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.channels.base import Channel, Step
from sim.channels.funds import funds_of
from sim.errors import Problem
from sim.kernels.special import log, normal_cdf
from sim.ledger.accounts import LAYER
from sim.ledger.balance import summed, total_assets
from sim.policies.base import POLICIES, YEAR, Policy, Seat
from sim.system import System


@POLICIES.register("redemption_cap")
class RedemptionCap(Policy):
    r"""Caps on same-day redemption and on the size of money-market funds.

    Every holder gets back at most c a day. Balances are lognormal with mean b and standard deviation s of their
    logarithm, so of a fund that all leave at once a day pays the share

    .. math::
        \frac{E[\min(B, c)]}{E[B]} = \Phi\Big(\frac{\ln(c/b)}{s} - \frac{s}{2}\Big)
        + \frac{c}{b} \Big(1 - \Phi\Big(\frac{\ln(c/b)}{s} + \frac{s}{2}\Big)\Big)

    The rest waits, a share in its fund. A fund may be at most `reserve_multiple` times the risk reserves of its
    manager: one that is larger has given the rest back to households before, in kind: they have the deposits and
    securities that it held for them.

    References
    ----------
    China Securities Regulatory Commission and People's Bank of China (2018): same-day redemption of at most 10 000 yuan
    a holder and day; China Securities Regulatory Commission (2017): 200 times the risk reserves. Yu'e Bao, first
    quarter of 2018: 1.69 trillion yuan of 588 million holders.
    """

    usual: ClassVar[str] = "funds"
    channel: ClassVar[str] = "liquidity"
    changes_system: ClassVar[bool] = True

    daily_limit: float = Field(default=10_000.0, ge=0)
    """Most that a holder gets back in a day, c, in the unit of `balance`; 0: no cap. China: 10 000 yuan."""

    balance: float = Field(default=2_874.0, gt=0)
    """Mean balance of a holder, b. Yu'e Bao: 1.69 trillion yuan over 588 million holders."""

    dispersion: float = Field(default=1.5, gt=0, le=10)
    """Standard deviation of the logarithm of balances, s, 1. Assumed."""

    risk_reserves: float | None = Field(default=None, gt=0, le=1)
    """Risk reserves of a fund's manager as a share of the fund, 1; by default enough for its size."""

    reserve_multiple: float = Field(default=200.0, gt=0)
    """Largest size of a fund in units of these reserves, 1. China: 200."""

    waiting: float = Field(default=0.02, ge=0, le=10)
    """What it costs holders to wait for their money, share of what they wait for, 1 per year. Assumed."""

    @property
    def share_per_day(self) -> float:
        """Share of a fund that all holders together get back in a day, 1."""
        if self.daily_limit <= 0.0:
            return 1.0
        ratio, s = self.daily_limit / self.balance, self.dispersion
        low, high = log(ratio) / s - 0.5 * s, log(ratio) / s + 0.5 * s
        return min(1.0, normal_cdf(low) + ratio * normal_cdf(-high))

    @property
    def kept(self) -> float:
        """Share of a fund that its manager's risk reserves allow, 1."""
        return 1.0 if self.risk_reserves is None else min(1.0, self.reserve_multiple * self.risk_reserves)

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this cap cannot be played in this scenario.

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
        if self.among and self.daily_limit > 0.0:
            text = f"{key}.among: the cap on same-day redemption is one for all funds; leave it out, or set"
            found.append(Problem(f"{text} daily_limit: 0", key=f"{key}.among"))
        if self.kept < 1.0:
            gone = self._gone(system)
            held = system.holdings[system.types["households"].start, funds_of(system).assets]
            for place in np.flatnonzero(gone > held):
                who = system.ids[system.types["funds"].start + int(place)]
                text = f"{key}.risk_reserves: households hold too little of {who} to take back {1.0 - self.kept:.3g}"
                found.append(Problem(f"{text} of it", key=f"{key}.risk_reserves"))
        return found

    def _gone(self, system: System) -> Float:
        """What households have taken back of each fund, float64[n_funds], currency."""
        funds = funds_of(system)
        issued = -system.holdings[np.arange(funds.rows.start, funds.rows.stop), funds.assets] * funds.has[:, 0]
        return np.asarray((1.0 - self.kept) * issued * self.binding(system)[funds.rows])

    def rebuild(self, system: System, channels: Mapping[str, Channel]) -> System:
        """Return the system with funds that their managers' reserves carry.

        Parameters
        ----------
        system : System
            Without it.
        channels : mapping of str to Channel
            Those that act.

        Returns
        -------
        System
            Households have deposits where the fund had accounts, and the securities that it held for them.
        """
        if self.kept >= 1.0:
            return system
        funds, home = funds_of(system), system.types["households"].start
        gone, held = self._gone(system), system.holdings.copy()
        start, layers = dict(system.start), dict(system.layers)
        owned = total_assets(system.state(1, ("shock",)))[:, 0]
        part = np.zeros(len(system.ids))
        np.divide(gone, owned[funds.rows], out=part[funds.rows], where=gone > 0.0)
        cash = start.get("cash", np.zeros(len(system.ids))).copy()
        for row, asset, back in zip(range(funds.rows.start, funds.rows.stop), funds.assets, gone, strict=True):
            mine = np.where(np.arange(held.shape[1]) == asset, 0.0, part[row] * held[row])
            held[row] -= mine
            held[home] += mine
            held[row, asset] += back
            held[home, asset] -= back
            cash[home] += part[row] * cash[row]
            cash[row] -= part[row] * cash[row]
        start["cash"] = cash
        if LAYER in layers:
            edges = layers[LAYER].csr
            cut = part[np.repeat(np.arange(len(system.ids)), np.diff(edges.indptr))] * edges.weights
            layers[LAYER] = replace(layers[LAYER], csr=edges._replace(weights=edges.weights - cut))
            moved = np.bincount(edges.indices, weights=cut, minlength=len(system.ids))
            start["deposits_uninsured"] = start.get("deposits_uninsured", np.zeros(len(system.ids))) + moved
        return replace(system, holdings=held, start=start, layers=layers)

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels with the cap on same-day redemption.

        Parameters
        ----------
        channels : mapping of str to Channel
            Without it.

        Returns
        -------
        dict of str to Channel
            The cap of the channel itself stays where it is tighter.
        """
        made = dict(channels)
        liquidity: Any = made["liquidity"]
        cap = min(self.share_per_day, liquidity.funds.same_day_cap)
        funds = liquidity.funds.model_copy(update={"same_day_cap": cap})
        made["liquidity"] = liquidity.model_copy(update={"funds": funds})
        return made

    def cost(self, seat: Seat, step: Step) -> Float:
        """Return what waiting for their money costs holders in a step.

        Parameters
        ----------
        seat : Seat
            The policy in this run.
        step : Step
            The one that begins.

        Returns
        -------
        float64[n_lanes], currency
            On what has been asked for and not been paid.
        """
        state, funds = step.state, funds_of(seat.system)
        asked = state.redeeming[funds.rows] * state.price[funds.assets]
        return np.asarray(self.waiting * summed(asked * seat.binds[funds.rows, None]) * step.days / YEAR)
