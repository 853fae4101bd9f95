"""M: agents above their leverage limit sell, prices fall, everyone who holds the same assets is marked down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.agents.bank import BankView
from sim.arrays import Float, empty, spread, whole
from sim.channels.base import CHANNELS, Channel, Step, TightView
from sim.errors import Problem
from sim.kernels.books import is_zero
from sim.kernels.holdings import sell_units, sold_volume
from sim.kernels.impact import IMPACTS, price_fall
from sim.kernels.sheet import restrain, share_out
from sim.ledger.balance import summed
from sim.state import SUBORDINATED, State
from sim.system import System


@CHANNELS.register("market")
class Market(Channel):
    r"""Fire sales of commonly held securities.

    Signal of i: pieces sold; pressure on asset a: :math:`\sum_i \Gamma_i q_{ia}`; response: the price falls, and
    every holder's fair-value share with it. What stands at cost realises its loss when it is sold.

    References
    ----------
    Cont and Schaanning (2017); Greenwood, Landier and Thesmar (2015); Cifuentes, Ferrucci and Shin (2005).
    """

    letter: ClassVar[str] = "M"
    phases: ClassVar[Mapping[str, str]] = {"market": "step"}
    isotone: ClassVar[bool] = True

    rule: Literal["threshold", "leverage-targeting"] = "threshold"
    """Who sells: only who is above a limit, or everyone back to its own starting leverage."""

    leverage_limit: float = Field(default=25.0, gt=1)
    """Assets over equity above which a bank sells (threshold), 1."""

    leverage_target: float = Field(default=23.75, gt=1)
    """Assets over equity it sells down to (threshold), 1."""

    grandfather: bool = True
    """Whether a bank that starts near or above the limit is given room: limit at least its own start / 0.95."""

    impact: Literal["linear", "exponential", "cont-schaanning"] = "linear"
    """How the price answers to the amount sold."""

    settle: Literal["mid", "new"] = "mid"
    """Price that sellers get: between old and new price, or the new one (static mode allows only this)."""

    liquidate_insolvent: bool = True
    """Whether a bank without equity sells everything it can."""

    halt: float = Field(default=0.0, ge=0, lt=1)
    """Part of an asset's depth that is there only while its holders can trade, eta_m: depth times 1 - eta_m (1 - s), s
    their service weighted by what they held at the start; 0: outages leave markets alone (assumed, 0 to 0.9), 1."""

    tol: float = Field(default=1e-10, gt=0, le=1e-3)
    """Tolerance of the static price, on prices that start at 1."""

    max_rounds: int = Field(default=10_000, ge=1)
    """Rounds after which a static price is given back uncertified."""

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
        found = []
        if self.rule == "threshold" and not self.leverage_target <= self.leverage_limit:
            found.append(
                Problem(
                    f"channels.market.leverage_target = {self.leverage_target} must not be above leverage_limit = "
                    f"{self.leverage_limit}",
                    key="channels.market.leverage_target",
                )
            )
        if mode == "static" and self.settle != "new":
            found.append(
                Problem(
                    "channels.market.settle = 'mid' has no greatest fixed point (selling earlier at a better price is "
                    "not monotone); static mode needs settle: new",
                    key="channels.market.settle",
                )
            )
        if mode == "static" and not self.liquidate_insolvent:
            found.append(
                Problem(
                    "channels.market.liquidate_insolvent = false is not monotone (losing the last equity would stop a "
                    "sale); static mode needs true",
                    key="channels.market.liquidate_insolvent",
                )
            )
        return found

    def limits(self, system: System) -> tuple[Float, Float]:
        """Return each bank's leverage limit and target.

        Parameters
        ----------
        system : System
            Before the shock.

        Returns
        -------
        tuple of float64[n_banks, 1], 1
            Grandfathered: limit at least own start / 0.95, and then the target is 0.95 of the limit.
        """
        own = system.leverage0[:, None]
        if self.rule == "leverage-targeting":
            return own, own
        if not self.grandfather:
            return np.full_like(own, self.leverage_limit), np.full_like(own, self.leverage_target)
        room = own / 0.95
        above = room > self.leverage_limit
        return np.where(above, room, self.leverage_limit), np.where(above, own, self.leverage_target)

    def signal(self, step: Step, view: TightView) -> Float:
        """Return the share of its marketable assets that each agent sells; what is pledged is not for sale.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets before any sale.

        Returns
        -------
        float64[n_people, n_lanes], 1
            The banks' decision, or more where cash is wanted; 0 where the channel is off.
        """
        state, banks = step.state, step.state.banks
        asked = ("leverage", self.rule, self.leverage_limit, self.leverage_target, self.grandfather)
        limit, target = step.system.once(asked, lambda: self.limits(step.system))
        free = _unpledged(state)
        there = view.marketable if free is None else view.marketable * free
        seen = BankView(view.assets[banks], view.equity[banks], there[banks], limit, target, self.liquidate_insolvent)
        people, own, own0 = state.people, view.equity[banks], state.equity0[banks]
        decided, sell = whole(step.decide(seen).sell, own.shape), np.empty(own.shape)
        free_to_choose = free is None and people == banks and is_zero(state.cash_wanted)
        on = step.on if free_to_choose else np.ones(state.n_lanes)
        restrain(decided, own, own0, self.grandfather or self.rule == "leverage-targeting", on, sell)
        if free_to_choose:
            return sell
        sell = np.maximum(self._forced(state, there), _at(banks, sell, people))
        return np.asarray((sell if free is None else sell * free[people]) * step.on)

    def _forced(self, state: State, there: Float) -> Float:
        """The share of what it can sell that each agent sells for want of cash, float64[n_people, n_lanes]."""
        people = state.people
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.minimum(1.0, state.cash_wanted[people] / there[people])
        return np.asarray(np.where(there[people] > 0.0, share, 0.0))

    def depth(self, step: Step) -> Float:
        r"""Return the depth of each market, given who can trade.

        .. math::
            D_a = D_a(0) \Big( 1 - \eta_m \sum_i \frac{q_{ia}(0)}{\sum_j q_{ja}(0)} (1 - s_i) \Big)

        Parameters
        ----------
        step : Step
            Where we are; the sums go over banks, firms, platforms and funds.

        Returns
        -------
        float64[n_assets, n_lanes], currency
            As before any event where all holders are in service, or nobody of them holds the asset.
        """
        state, system = step.state, step.system
        usual = spread(system.depth, state.n_lanes)
        if self.halt == 0.0 or (state.service[state.people] == 1.0).all():
            return usual
        lost = 1.0 - state.service[state.people]
        held = np.maximum(0.0, system.holdings[state.people])
        whole = summed(held)
        part = np.divide(held, whole, out=np.zeros_like(held), where=whole > 0.0)
        gone = np.stack([summed(part[:, asset, None] * lost) for asset in range(len(whole))])
        return np.asarray(usual * (1.0 - self.halt * np.minimum(1.0, gone)))

    def fall(self, step: Step, sell: Float) -> Float:
        """Return the relative price fall that sales cause.

        Parameters
        ----------
        step : Step
            Where we are; prices and holdings are those before the sale.
        sell : float64[n_people, n_lanes], 1
            Share sold.

        Returns
        -------
        float64[n_assets, n_lanes], 1
            :math:`\\Psi_a` of the volume at the price before the sale, at most down to the asset's price floor; see
            `sim.kernels.impact.price_fall` for the laws.
        """
        state, system, lanes = step.state, step.system, sell.shape[1]
        volume, fall = empty(*state.price.shape), empty(*state.price.shape)
        issuing, sell = bool(state.shares.any()), np.ascontiguousarray(sell)
        sold_volume(state.units[state.people], sell, state.traded, issuing, state.price, volume)
        depth, floor = np.ascontiguousarray(self.depth(step)), spread(system.floor, lanes)
        price_fall(IMPACTS[self.impact], volume, depth, floor, state.price, fall)
        return fall

    def respond(self, step: Step, view: TightView, signal: Float) -> Float:
        """Return the prices that the trial sales leave.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.
        signal : float64[n_people, n_lanes], 1
            Shares sold.

        Returns
        -------
        float64[n_assets, n_lanes], currency per piece
            Isotone in equity and in the trial prices.
        """
        return step.state.price * (1.0 - self.fall(step, signal))

    def slope(self, step: Step, view: TightView) -> Float:
        """Return how prices move with the amount sold, at no sale.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Trial balance sheets.

        Returns
        -------
        float64[n_assets, n_lanes], 1 / currency of sales
            :math:`-p_a / D_a` (times the distance to the floor in the Cont-Schaanning form).
        """
        depth, floor = self.depth(step), step.system.floor[:, None]
        price = step.state.price
        room = (1.0 - floor / price) / (1.0 - floor) if self.impact == "cont-schaanning" else 1.0
        return np.asarray(-price * room / depth * step.on)

    def couple(self, view: TightView, signal: Float) -> None:
        """Charge sellers with the loss they realise.

        Parameters
        ----------
        view : TightView
            Trial balance sheets, changed in place.
        signal : float64[n_people, n_lanes], 1
            Shares sold.
        """
        view.realise(signal)

    def conclude(self, step: Step, view: TightView, signal: Float, values: Float) -> None:
        """Post sales and prices of a static run.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Balance sheets at the fixed point.
        signal : float64[n_people, n_lanes], 1
            Shares sold.
        values : float64[n_assets, n_lanes], currency per piece
            Prices.
        """
        self.post(step, view, signal, values)

    def step(self, step: Step) -> None:
        """Play the market phase: all banks decide on the state before it, one price per asset clears.

        Parameters
        ----------
        step : Step
            Where we are.
        """
        state, credit = step.state, step.channels.get("credit")
        if (rescue := getattr(credit, "rescue", None)) is not None:
            rescue(replace(step, on=step.switches["credit"]))
        view = TightView(state, state.worth, state.price)
        sell = step.passed("sales", self.signal(step, view))
        if sell.any():
            self.post(step, view, sell, self.respond(step, view, sell))

    def post(self, step: Step, view: TightView, sell: Float, price: Float) -> None:
        """Post sales, the new prices, and the debt that solvent sellers retire with the proceeds.

        Parameters
        ----------
        step : Step
            Where we are.
        view : TightView
            Balance sheets at which the decision was made.
        sell : float64[n_people, n_lanes], 1
            Share sold.
        price : float64[n_assets, n_lanes], currency per piece
            After the sale.
        """
        state, ledger, people = step.state, step.ledger, step.state.people
        at = 0.5 * (state.price + price) if self.settle == "mid" else price
        held, sell = state.units[people], np.ascontiguousarray(sell)
        sold, proceeds = np.empty(held.shape), np.empty(sell.shape)
        sell_units(held, sell, state.traded, bool(state.shares.any()), np.ascontiguousarray(at), sold, proceeds)
        ledger.fund_investors(summed(proceeds), "market")
        ledger.transfer_units(people, state.row("outside"), sold, at, "market")
        ledger.revalue_price(price, "market")
        left, banks = np.empty(proceeds.shape), (state.banks.start, state.banks.stop)
        share_out(proceeds, view.equity[people], banks, state.cash_wanted[people], left)
        for name in reversed([name for name in state.debts if name != SUBORDINATED.name]):
            if is_zero(left):
                break
            retired = np.minimum(left, state.columns[name][people])
            ledger.settle(name, people, retired, retired, "market")
            left -= retired


def _unpledged(state: State) -> Float | None:
    """The share of its securities that each agent has not pledged, float64[n_agents, n_lanes]; None: all of them."""
    pledged = state.columns.get("pledged")
    return None if pledged is None or is_zero(pledged) else 1.0 - pledged


def _at(rows: slice, values: Any, people: slice) -> Any:
    """Return the values of some rows among those of all agents, zero elsewhere."""
    if rows == people:
        return values
    found = np.zeros(
        (people.stop, *np.shape(values)[1:]) if np.ndim(values) else (people.stop, 1), dtype=np.asarray(values).dtype
    )
    found[rows] = values
    return found
