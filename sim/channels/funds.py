"""Money-market funds: holders redeem, gates close, and the price of a share follows what the fund owns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field

from sim.agents.fund import FundView
from sim.arrays import Bool, Csr, Float, Int
from sim.channels.base import Step
from sim.channels.similarity import assets0
from sim.channels.withdrawals import Depositors
from sim.kernels.holdings import value_holdings
from sim.kernels.runs import gone
from sim.kernels.special import normal_cdf_of
from sim.ledger.accounts import LAYER
from sim.ledger.balance import reach
from sim.shocks.sizes import Part
from sim.state import Column, State
from sim.system import System

COLUMNS = (
    Column("redeeming", "currency", "Shares given back and not paid for, at the start's price", ("funds",), memo=True),
    Column("redemption_due", "currency", "Redemptions that the fund is to pay in the step", ("funds",), memo=True),
    Column("redemption_rate", "1/day", "Rate at which an event makes holders redeem", ("funds",)),
    Column("redemption_for", "days", "Time until that event is over", ("funds",)),
    Column("gated", "1", "1 while a fund has closed its gate", ("funds",)),
    Column("redeemed", "currency", "Redemptions paid so far", ("funds",), memo=True),
)  # fmt: skip
STILL = 1e-14
"""Change of a fund's net worth, as a share of its assets before any event, that is rounding."""


class FundRules(Part):
    """Who redeems, and what a fund pays."""

    loss_hazard: float = Field(default=0.1, ge=0, le=10)
    """Rate of redemption when the price has fallen far, lamRun, per day. Assumed."""

    loss: float = Field(default=0.003, ge=0, le=1)
    """Fall of the price at which half of that rate is reached, th_f, 1. Assumed."""

    loss_width: float = Field(default=0.001, gt=0, le=1)
    """Width of that threshold, w_f, 1. Assumed."""

    news_hazard: float = Field(default=0.05, ge=0, le=10)
    """Rate of redemption when everybody runs from the fund's sponsor, lamPlat, per day. Assumed."""

    gates: bool = False
    """Whether a fund closes its gate when its liquid assets run low."""

    gate_anticipation: float = Field(default=0.0, ge=0, le=10)
    """Rate of redemption when a gate is sure to come, lamGate, per day; acts only with `gates`."""

    gate_line: float = Field(default=0.3, ge=0, le=1)
    """Cash and accounts as a share of assets below which the gate closes, 1. SEC rule 2a-7 of 2014: 30 %."""

    gate_sight: float = Field(default=0.05, ge=0, le=1)
    """How far above that line half of those who fear a gate leave, 1. Assumed."""

    gate_width: float = Field(default=0.05, gt=0, le=1)
    """Width of that fear, w_g, 1. Assumed."""

    gate_pays: float = Field(default=0.0, ge=0, le=1)
    """Part of what is asked for that a fund pays while its gate is closed, 1."""

    same_day_cap: float = Field(default=1.0, ge=0, le=1)
    """Share of a fund that can be redeemed in a day, 1; 1: no cap. China caps T+0 redemption since 2018."""

    redemption_fee: float = Field(default=0.0, ge=0, lt=1)
    """Fee that stays in the fund, share of what is redeemed while the gate is closed, 1."""


class Funds(NamedTuple):
    """The funds of a system.

    Parameters
    ----------
    rows : slice
        Their rows.
    assets : int64[n_funds]
        The asset that is each fund's share.
    has : bool[n_funds, 1]
        Whether it has issued any.
    sponsors : int64[n_funds]
        Row of its sponsor; its own row, of which nobody believes anything, where it has none.
    accounts : Csr
        Their rows of the layer of accounts.
    """

    rows: slice
    assets: Int
    has: Bool
    sponsors: Int
    accounts: Csr


def funds_of(system: System) -> Funds:
    """Return the funds, their shares and their sponsors.

    Parameters
    ----------
    system : System
        Before any event.

    Returns
    -------
    Funds
        Worked out once per system.
    """

    def work_out() -> Funds:
        rows = system.types["funds"]
        own = np.asarray((system.holdings[rows] < 0.0) & system.shares & ~system.traded)
        sponsors = np.arange(rows.start, rows.stop)
        if "ownership" in system.layers:
            above = system.layers["ownership"].csr.transposed()
            for row in range(rows.start, rows.stop):
                if above.indptr[row] < above.indptr[row + 1]:
                    sponsors[row - rows.start] = above.indices[above.indptr[row]]
        empty_rows = Csr(np.zeros(len(system.ids) + 1, np.int64), np.zeros(0, np.int32), np.zeros(0), len(system.ids))
        layer = system.layers[LAYER].csr if LAYER in system.layers else empty_rows
        accounts = layer._replace(indptr=layer.indptr[rows.start : rows.stop + 1])
        assets = np.argmax(own, axis=1) if own.size else np.zeros(own.shape[0], np.int64)
        return Funds(rows, assets, np.asarray(own.any(axis=1, keepdims=True)), sponsors, accounts)

    found: Funds = system.once("funds", work_out)
    return found


def own_shares(state: State, funds: Funds) -> Float:
    """Return the shares that each fund has issued.

    Parameters
    ----------
    state : State
        Now.
    funds : Funds
        Of the system.

    Returns
    -------
    float64[n_funds, n_lanes], pieces
        Not negative.
    """
    return np.asarray(np.where(funds.has, -state.units[funds.rows][np.arange(funds.assets.size), funds.assets], 0.0))


def liquid(state: State, funds: Funds) -> Float:
    """Return what each fund has in accounts at banks.

    Parameters
    ----------
    state : State
        Now.
    funds : Funds
        Of the system.

    Returns
    -------
    float64[n_funds, n_lanes], currency
        At face value.
    """
    claims = state.layers.get(LAYER)
    if claims is None:
        return np.zeros((funds.assets.size, state.n_lanes))
    return np.asarray(claims.kept[funds.rows] * reach(funds.accounts, claims.drawn * state.alive))


def worth(state: State, funds: Funds) -> Float:
    """Return the net worth of each fund, its shares counted as debt.

    Parameters
    ----------
    state : State
        Now.
    funds : Funds
        Of the system.

    Returns
    -------
    float64[n_funds, n_lanes], currency
        0 but for rounding, before any event and after `mark`.
    """
    rows = funds.rows
    found = np.zeros((funds.assets.size, state.n_lanes))
    claims = state.layers.get(LAYER)
    if claims is not None:
        found += claims.kept[rows] * reach(funds.accounts, claims.drawn * state.alive * state.worth)
    for column in state.money:
        if "funds" in column.owners:
            found += (-1.0 if column.liability_to else 1.0) * state.columns[column.name][rows]
    book, market = np.empty_like(found), np.empty_like(found)
    value_holdings(state.units[rows], state.fair_value[rows], state.price, book, market)
    return np.asarray(found + book)


def mark(step: Step) -> None:
    r"""Set the price of every fund's shares so that they are worth what the fund owns: :math:`NAV_f N_f = A_f`.

    Parameters
    ----------
    step : Step
        Where we are.
    """
    state, funds = step.state, funds_of(step.system)
    if not funds.assets.size:
        return
    start: Float = step.system.once("fund worth", lambda: worth(step.system.state(2, ("shock",)), funds)[:, :1])
    gap, shares = worth(state, funds) - start, own_shares(state, funds)
    off = (np.abs(gap) > STILL * assets0(step.system)[funds.rows, None]) & (shares > 0.0) & (step.on > 0.0)
    if off.any():
        price = state.price.copy()
        price[funds.assets] += np.divide(gap, shares, out=np.zeros_like(gap), where=off)
        step.ledger.revalue_price(price, "liquidity")


def ask(step: Step, rules: FundRules, depositors: Depositors) -> None:
    r"""Let holders redeem, and funds decide what they pay of it.

    .. math::
        \lambda_f = \lambda_r \Phi\Big(\frac{1 - NAV_f - \theta}{w}\Big) + \lambda_p x_p
        + \lambda_g \Phi\Big(\frac{\ell + s - L_f}{w_g}\Big)

    in excess of what it is before any event, with the running fraction :math:`x_p` of the sponsor and the liquid part
    :math:`L_f` of the fund.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : FundRules
        Who redeems, and what funds pay.
    depositors : Depositors
        Whose threshold and precision say how far people run from a sponsor.

    References
    ----------
    Cipriani, Martin, McCabe and Parigi (2014), Federal Reserve Bank of New York Staff Report 670, and Li, Li,
    Macchiavelli and Zhou (2021), Review of Financial Studies 34(11), for runs before a gate.
    """
    state, funds = step.state, funds_of(step.system)
    rows, n = funds.rows, funds.assets.size
    if not n:
        return
    shares, price = own_shares(state, funds), state.price[funds.assets]
    part = _part_liquid(step, funds, shares * price)
    state.gated[rows] = (part < rules.gate_line) & (part < _start(step)) & rules.gates & (step.on > 0.0)
    sponsors = state.belief[funds.sponsors], state.belief0[funds.sponsors]
    still = (price == 1.0) & (sponsors[0] >= sponsors[1]) & (part >= _start(step))
    if still.all() and not (state.redemption_for[rows].any() or state.redeeming[rows].any()):
        state.redemption_due[rows] = 0.0
        return
    hazard = hazards(rules, depositors, price, sponsors[0], part)
    hazard -= hazards(rules, depositors, np.ones_like(price), sponsors[1], _start(step) + np.zeros_like(part))
    leaving = np.maximum(0.0, hazard) * step.days
    leaving += state.redemption_rate[rows] * np.minimum(step.days, state.redemption_for[rows])
    state.redemption_for[rows] = np.maximum(0.0, state.redemption_for[rows] - step.days)
    gone(leaving.reshape(-1), leaving.reshape(-1))
    held = np.where(funds.has, state.units[state.row("households"), funds.assets], 0.0)
    state.redeeming[rows] += leaving * (held - state.redeeming[rows]) * (step.on > 0.0)
    asked = state.redeeming[rows] * price
    allowed = asked if rules.same_day_cap >= 1.0 else np.minimum(asked, rules.same_day_cap * step.days * shares * price)
    allowed = np.where(state.gated[rows] > 0.0, rules.gate_pays * allowed, allowed)
    state.redemption_due[rows] = asked * step.decide(FundView(asked, allowed)).pay * (step.on > 0.0)


def hazards(rules: FundRules, depositors: Depositors, price: Float, belief: Float, part: Float) -> Float:
    """Return the rate at which holders of each fund would redeem.

    Parameters
    ----------
    rules : FundRules
        Who redeems.
    depositors : Depositors
        How far people run from a sponsor.
    price : float64[n_funds, n_lanes], currency per piece
        Of the shares; 1 before any event.
    belief : float64[n_funds, n_lanes], percentage points of leverage
        In the sponsor.
    part : float64[n_funds, n_lanes], 1
        Cash and accounts as a share of assets.

    Returns
    -------
    float64[n_funds, n_lanes], 1 / day
        Before what it is at the start is taken off.
    """
    root = np.sqrt(depositors.private_precision)
    gate = rules.gate_anticipation if rules.gates else 0.0
    terms = (
        (rules.loss_hazard, (1.0 - price - rules.loss) / rules.loss_width),
        (rules.news_hazard, root * (depositors.wholesale.threshold - belief)),
        (gate, (rules.gate_line + rules.gate_sight - part) / rules.gate_width),
    )
    found = np.zeros_like(price)
    for rate, at in terms:
        chance = np.ascontiguousarray(at)
        normal_cdf_of(chance.reshape(-1), chance.reshape(-1))
        found += rate * chance
    return found


def calm(step: Step) -> Float:
    """Return what each fund that nobody leaves is worth: where money goes that looks for one.

    Parameters
    ----------
    step : Step
        Where we are, after `ask`.

    Returns
    -------
    float64[n_funds, n_lanes], currency
        0 for funds with waiting holders or a gate.
    """
    state, funds = step.state, funds_of(step.system)
    rows = funds.rows
    left = (state.redeeming[rows] > 0.0) | (state.redemption_for[rows] > 0.0) | (state.gated[rows] > 0.0)
    return own_shares(state, funds) * state.price[funds.assets] * ~left


def redeem(step: Step, paid: Float, fee: float) -> None:
    """Post redemptions: households give shares back, the fund pays from its cash.

    Parameters
    ----------
    step : Step
        Where we are.
    paid : float64[n_funds, n_lanes], currency
        At the price of the shares, before a fee.
    fee : float
        Share of it that stays in a fund whose gate is closed, 1.
    """
    state, funds = step.state, funds_of(step.system)
    rows, holders = funds.rows, state.types["households"]
    price = state.price[funds.assets]
    pieces = np.divide(paid, price, out=np.zeros_like(paid), where=price > 0.0)
    charged = np.where(state.gated[rows] > 0.0, 1.0 - fee, 1.0)
    for k in range(funds.assets.size):
        if pieces[k].any():
            sold, at = np.zeros((1, state.units.shape[1], state.n_lanes)), state.price.copy()
            sold[0, funds.assets[k]] = pieces[k]
            at[funds.assets[k]] *= charged[k]
            step.ledger.transfer_units(holders, rows.start + k, sold, at, "liquidity")
    state.redeeming[rows] = np.maximum(0.0, state.redeeming[rows] - pieces)
    state.redeemed[rows] += paid


def issue(step: Step, bought: Float) -> None:
    """Post purchases of new shares by households, for cash at the price of the shares.

    Parameters
    ----------
    step : Step
        Where we are.
    bought : float64[n_funds, n_lanes], currency
        By fund.
    """
    state, funds = step.state, funds_of(step.system)
    for k in range(funds.assets.size):
        if bought[k].any():
            row, asset = funds.rows.start + k, int(funds.assets[k])
            sold = np.zeros((1, state.units.shape[1], state.n_lanes))
            np.divide(bought[k], state.price[asset], out=sold[0, asset], where=state.price[asset] > 0.0)
            step.ledger.transfer_units(slice(row, row + 1), state.row("households"), sold, state.price, "liquidity")


def _part_liquid(step: Step, funds: Funds, value: Float) -> Float:
    """Cash and accounts of each fund as a share of what its shares are worth, float64[n_funds, n_lanes]."""
    held = step.state.cash[funds.rows] + liquid(step.state, funds)
    return np.asarray(np.divide(held, value, out=np.ones_like(value), where=value > 0.0))


def _start(step: Step) -> Float:
    """The same before any event, float64[n_funds, 1]."""

    def work_out() -> Float:
        funds, state = funds_of(step.system), step.system.state(2, ("shock",))
        held = state.cash[funds.rows] + liquid(state, funds)
        value = own_shares(state, funds) * state.price[funds.assets]
        return np.asarray(np.divide(held, value, out=np.ones_like(value), where=value > 0.0)[:, :1])

    found: Float = step.system.once("fund liquidity", work_out)
    return found
