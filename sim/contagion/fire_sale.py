"""Fire sales: agents above their leverage sell, prices fall, everyone who holds the same assets is marked down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Bool, Csr, Float, Int, empty, full
from sim.contagion.deleveraging import SLACK, across, holdings_of, refuse_above, refuse_above_assets
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import SLOPE_CAP
from sim.kernels.fire_sale import book_sales, move_prices, turn
from sim.kernels.impact import IMPACTS, price_fall
from sim.kernels.total import total

RULES = ("threshold", "leverage-targeting")
VOLUMES = ("value", "units")
SETTLE = {"old": 0.0, "mid": 0.5, "new": 1.0}
"""Weight of the new price in what sellers get."""

TARGET_SHARE = 0.95
"""Target over limit where only a limit is given."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FireSale(Outcome):
    """What a fire sale leaves behind.

    Every array gets a last axis ``[n_draws]`` when the call had one. Agents sell the same share of each asset, so agent
    i has sold ``sold_share[i] * holdings[i, a]`` of asset a, counted at its price before the shock.

    Parameters
    ----------
    rounds : int or int64[n_draws]
        Times the market cleared.
    residual : float or float64[n_draws], 1
        Largest share of its remaining holdings that an agent still wants to sell.
    status : str or ndarray of str
        ``"certified"`` when nobody wants to sell any more, else ``"not-certified"``. Agents only sell, so no state
        comes twice and there is no ``"cycle"``.
    price : float64[n_assets], 1
        Prices at the end; 1 before the shock.
    equity : float64[n_agents], currency
        Equity at the end.
    spillover_loss : float64[n_agents], currency
        Equity that the sales took, own price impact included: equity after the shock less `equity`.
    is_defaulted : bool[n_agents]
        Whether equity / assets fell below the minimum.
    wave : int64[n_agents]
        1 = defaulted by the shock itself, k + 1 = after the market had cleared k times, 0 = never.
    sold : float64[n_agents], currency
        What was sold, at prices before the shock.
    sold_share : float64[n_agents], 1
        The same as a share of the holdings.
    sold_by_asset : float64[n_assets], currency
        The same by asset, of all agents.
    proceeds : float64[n_agents], currency
        What the sellers were paid, and the buyers have paid.
    liabilities, cash : float64[n_agents], currency
        What is still owed; what has not been used to repay.
    price_path : float64[history + 1, n_assets], 1
        Prices when the market had cleared 0, 1, 2 ... times; a fire sale that has ended repeats its last row.
    sold_path : float64[history + 1], currency
        What all agents together had sold by then, as in `sold`.
    default_path : int64[history + 1]
        How many agents defaulted then, before the market cleared again.
    """

    price: Float
    equity: Float
    spillover_loss: Float
    is_defaulted: Bool
    wave: Int
    sold: Float
    sold_share: Float
    sold_by_asset: Float
    proceeds: Float
    liabilities: Float
    cash: Float
    price_path: Float
    sold_path: Any
    default_path: Any


def fire_sale(
    holdings: Any,
    equity: Any,
    liabilities: Any,
    *,
    shock: Any,
    depth: Any,
    rule: str = "threshold",
    impact: str = "linear",
    cash: Any = 0.0,
    repayable: Any = None,
    leverage_minimum: Any = None,
    leverage_limit: Any = 25.0,
    leverage_target: Any = None,
    settle: str = "mid",
    delay: int = 0,
    price_floor: Any = 0.0,
    volume: str = "value",
    illiquid_loss: Any = 0.0,
    default_at_zero: bool = False,
    insolvent_sell: bool = True,
    history: int = 0,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> FireSale:
    r"""Let agents with too much leverage sell until nobody wants to sell any more.

    All agents look at the same prices and decide together; then every asset clears at one price, and again.

    .. math::
        x_i = A_i - \lambda^*_i E_i \text{ if } A_i > \bar\lambda_i E_i, \qquad
        \Gamma_i = \min\left(1, \frac{\max(0, x_i - c_i)}{\sum_a q_{ia} p_a}\right), \qquad
        v_a = \sum_i \Gamma_i q_{ia} p_a, \qquad p'_a = p_a (1 - \Psi_a(v_a))

    The need x is met from cash c first, the rest by selling the share :math:`\Gamma` of every holding. Of the fall in
    value of what is sold, sellers bear the fraction w (`settle`). Fire sales are not monotone: a larger shock may leave
    fewer defaults. The rule is taken literally: an agent that starts above its limit sells without any shock. To let
    such agents be, give them room, for instance ``leverage_limit=np.maximum(limit, leverage0 / 0.95)``.

    Parameters
    ----------
    holdings : array_like or SciPy sparse, float64[n_agents, n_assets], currency
        What can be sold, at prices before the shock.
    equity, liabilities : float64[n_agents] or float64[n_agents, n_draws], currency
        Before the shock. Their sum is total assets; what is not in `holdings` or `cash` is illiquid.
    shock : float64[n_assets] or float64[n_assets, n_draws], 1
        Relative fall of prices to begin with, in [0, 1].
    depth : float64[n_assets] or float64[n_assets, n_draws], currency
        D of the impact law. A market where 5 % of the amount Q sold means a fall of pi has, in the exponential form,
        ``D = 0.05 Q / -ln(1 - pi)``; the square root law :math:`Y \sigma \sqrt{v / ADV}` has
        :math:`D = ADV / (Y \sigma)^2`. A huge number means no impact.
    rule : {"threshold", "leverage-targeting"}
        Who sells: those above `leverage_limit`, or everyone above `leverage_target`.
    impact : {"linear", "exponential", "sqrt", "cont-schaanning"}
        Relative fall :math:`\Psi`: :math:`v/D`, :math:`1 - e^{-v/D}` or :math:`\sqrt{v/D}`, each only down to the
        floor B, or :math:`(1 - B/p)(1 - e^{-v/\delta})` with :math:`\delta = (1 - B) D`.
    cash : float64[n_agents] or float64[n_agents, n_draws], currency
        Used first.
    repayable : float64[n_agents] or float64[n_agents, n_draws] or None, currency
        Part of the liabilities that can be repaid; None = all. Cash beyond it is kept.
    leverage_minimum : float, float64[n_agents] or None, 1
        Equity / assets below which an agent defaults at its turn; None = on negative equity only.
    leverage_limit : float or float64[n_agents], 1
        Assets / equity above which an agent sells; for the threshold rule only.
    leverage_target : float, float64[n_agents] or None, 1
        Assets / equity that it sells down to. None = 0.95 of the limit (threshold), or the agent's own leverage before
        the shock (leverage targeting; who has lost nothing then wants nothing).
    settle : {"mid", "new", "old"}
        What sellers get: the mean of the prices before and after the sale (w = 1/2), the one after, the one before.
    delay : {0, 1}
        0: proceeds retire debt at once. 1: they arrive as cash and are used at the seller's next turn; until then
        they count as assets.
    price_floor : float or float64[n_assets], 1
        B, where sales no longer move the price; in [0, 1], prices being 1 before the shock.
    volume : {"value", "units"}
        What is compared with `depth`: what the sold pieces are worth before the sale, or were before the shock.
    illiquid_loss : float64[n_agents] or float64[n_agents, n_draws], currency
        What the shock takes from illiquid assets.
    default_at_zero : bool
        Whether an agent that just reaches the minimum defaults.
    insolvent_sell : bool
        Whether a defaulted agent sells everything (and keeps the cash for its creditors), or nothing.
    history : int
        How many market clearings the ``..._path`` arrays cover.
    tol : float
        A draw ends when all that anyone still wants to sell, now and by the way it has been shrinking, is within `tol`
        of its holdings.
    max_rounds : int
        Times the market clears at most.
    allow_uncertified : bool
        Take the last state when `max_rounds` did not suffice.

    Returns
    -------
    FireSale
        Prices, losses, sales and defaults.

    Raises
    ------
    InputError
        For unusable input, all faults at once.
    ConvergenceError
        If somebody still wants to sell after `max_rounds`, unless `allow_uncertified`.

    References
    ----------
    Cont and Schaanning (2017); Greenwood, Landier and Thesmar (2015), eq. 1-3; Cifuentes, Ferrucci and Shin (2005).

    Examples
    --------
    The first bank has leverage 100 / 4.5 = 22.2 and at once sells 14.5 of its 60 to come down to 19; the price falls:

    >>> sale = fire_sale([[60], [60]], [4.5, 8], [95.5, 92], shock=[0], depth=[1000], leverage_limit=20, history=1)
    >>> sale.sold_path, sale.price_path.ravel()
    (array([ 0. , 14.5]), array([1.    , 0.9855]))
    >>> sale.sold.round(2), sale.price.round(3), sale.is_defaulted
    (array([43.07,  0.  ]), array([0.958]), array([False, False]))
    """
    inputs = Inputs()
    for name, value, known in zip(CHOICES, (rule, impact, settle, volume), CHOICES.values(), strict=True):
        inputs.choice(name, value, known)
    net = holdings_of(inputs, holdings)
    books = {"equity": equity, "liabilities": liabilities, "cash": cash, "repayable": repayable}
    lines = {"leverage_limit": leverage_limit, "leverage_target": leverage_target, "leverage_minimum": leverage_minimum}
    market = {"shock": shock, "depth": depth, "price_floor": price_floor}
    given = _taken(inputs, net.n_rows, books | lines | {"illiquid_loss": illiquid_loss})
    given |= _taken(inputs, net.n_columns, market)
    if inputs.whole("delay", delay) > 1:
        inputs.refuse("delay", f"delay is {delay}; allowed: 0 or 1")
    history, max_rounds = inputs.whole("history", history), inputs.whole("max_rounds", max_rounds, low=1)
    tol = inputs.number("tol", tol, low=0.0)
    inputs.check()
    sheet = {name: inputs.block(values) for name, values in given.items()}
    sheet.setdefault("repayable", sheet["liabilities"].copy())
    sheet.setdefault("leverage_minimum", np.zeros_like(sheet["equity"]))
    rules = {
        "impact": IMPACTS[impact],
        "in_units": volume == "units",
        "weight": SETTLE[settle],
        "retire": delay == 0,
        "own_target": rule == "leverage-targeting" and leverage_target is None,
        "default_at_zero": bool(default_at_zero),
        "insolvent_sell": bool(insolvent_sell),
    }
    play = _Play(net, sheet, rules, history)
    _set_target(sheet, rule)
    _check_sheet(inputs, sheet, play.whole)
    play.run(tol, max_rounds)
    return settled("fire_sale", play.outcome(inputs), tol, allow_uncertified)


CHOICES = {"rule": RULES, "impact": tuple(IMPACTS), "settle": tuple(SETTLE), "volume": VOLUMES}
"""What each named option may be."""

RANGES: dict[str, dict[str, Any]] = {
    "equity": {},
    **{name: {"low": 0.0} for name in ("liabilities", "cash", "illiquid_loss", "repayable")},
    **{name: {"low": 1.0} for name in ("leverage_limit", "leverage_target")},
    **{name: {"low": 0.0, "high": 1.0} for name in ("leverage_minimum", "shock", "price_floor")},
    "depth": {"low": 0.0, "above": True},
}
"""What each argument may be."""


def _taken(inputs: Inputs, n: int, values: dict[str, Any]) -> dict[str, Float]:
    """Take in the arguments of one length that were given."""
    return {name: inputs.numbers(name, value, n, **RANGES[name]) for name, value in values.items() if value is not None}


def _set_target(sheet: dict[str, Float], rule: str) -> None:
    """Fill in limit and target that the caller left to the rule."""
    if rule == "threshold":
        sheet.setdefault("leverage_target", np.maximum(1.0, TARGET_SHARE * sheet["leverage_limit"]))
        return
    equity = sheet["equity"]
    own = np.divide(equity + sheet["liabilities"], equity, out=np.ones_like(equity), where=equity > 0.0)
    sheet["leverage_limit"] = sheet.setdefault("leverage_target", own)


def _check_sheet(inputs: Inputs, sheet: dict[str, Float], whole: Float) -> None:
    """Hold the arguments against each other."""
    assets = sheet["equity"] + sheet["liabilities"]
    held = whole + sheet["cash"]
    refuse_above_assets(inputs, held, assets)
    illiquid = np.maximum(0.0, assets - held) + SLACK * np.abs(assets)
    refuse_above(inputs, "illiquid_loss", sheet["illiquid_loss"], "illiquid assets", illiquid)
    refuse_above(inputs, "repayable", sheet["repayable"], "liabilities", sheet["liabilities"])
    refuse_above(inputs, "leverage_target", sheet["leverage_target"], "leverage_limit", sheet["leverage_limit"])
    inputs.check()


class _Play:
    """The books of all agents and the market, lane by lane, from round to round."""

    def __init__(self, net: Csr, sheet: dict[str, Float], rules: dict[str, Any], history: int) -> None:
        self.net, self.holders, self.sheet, self.rules = net, net.transposed(), sheet, rules
        shape = sheet["equity"].shape
        self.lanes = shape[1]
        self.whole = across(net, full(1.0, net.n_columns, self.lanes))
        self.price = 1.0 - sheet["shock"]
        self.loss0 = across(net, sheet["shock"]) + sheet["illiquid_loss"]
        self.kept = full(1.0, *shape)
        self.spillover, self.proceeds, self.share = full(0.0, *shape), full(0.0, *shape), full(0.0, *shape)
        self.wave = np.zeros(shape, dtype=np.int64)
        self.active = np.ones(self.lanes, dtype=np.bool_)
        self.rounds = np.zeros(self.lanes, dtype=np.int64)
        self.residual = np.full(self.lanes, np.inf)
        self.price_path = empty(history + 1, *self.price.shape)
        self.sold_path = empty(history + 1, self.lanes)

    def run(self, tol: float, max_rounds: int) -> None:
        """Play rounds until every lane is at rest; one that is, is not touched again."""
        for cleared in range(max_rounds + 1):
            value = across(self.net, self.price)
            self.decide(cleared + 1, value)
            self.note(cleared)
            size = self.share.max(axis=0, initial=0.0)
            known = np.isfinite(self.residual) & (self.residual > 0.0)
            ratio = np.minimum(np.divide(size, self.residual, out=np.full(self.lanes, 0.5), where=known), SLOPE_CAP)
            self.residual = np.where(self.active, size, self.residual)
            self.active &= ~(size / (1.0 - ratio) <= tol)  # this round's sales and the tail of all later ones
            if cleared == max_rounds or not self.active.any():
                break
            self.sell(value)
            self.rounds += self.active
        for row in range(cleared + 1, len(self.price_path)):
            self.note(row)

    def decide(self, wave: int, value: Float) -> None:
        """Let all agents default, repay and decide what to sell."""
        sheet, rules = self.sheet, self.rules
        turn(
            self.active,
            wave,
            *(sheet["equity"], self.loss0, self.spillover, self.kept * value),
            *(sheet["leverage_limit"], sheet["leverage_target"], sheet["leverage_minimum"]),
            *(rules["own_target"], rules["default_at_zero"], rules["insolvent_sell"]),
            *(sheet["cash"], sheet["liabilities"], sheet["repayable"]),
            self.wave,
            self.share,
        )

    def sell(self, value: Float) -> None:
        """Clear the market and book the sales."""
        sheet, rules = self.sheet, self.rules
        sold = across(self.holders, self.kept * self.share)
        fall, drop = np.empty_like(sold), np.empty_like(sold)
        offered = sold if rules["in_units"] else sold * self.price
        price_fall(rules["impact"], offered, sheet["depth"], sheet["price_floor"], self.price, fall)
        move_prices(self.active, fall, sheet["price_floor"], self.price, drop)
        book_sales(
            *(self.active, rules["weight"], rules["retire"]),
            *(self.share, value, across(self.net, drop)),
            self.wave,
            *(self.kept, sheet["cash"], sheet["liabilities"], sheet["repayable"], self.spillover, self.proceeds),
        )

    def note(self, row: int) -> None:
        """Keep the prices and what has been sold."""
        if row < len(self.price_path):
            self.price_path[row] = self.price
            total((1.0 - self.kept) * self.whole, self.sold_path[row])

    def outcome(self, inputs: Inputs) -> FireSale:
        """Return the state in the form the call came in."""
        give, sheet, sold_share = inputs.give, self.sheet, 1.0 - self.kept
        waves = range(1, len(self.price_path) + 1)
        defaults = np.array([(self.wave == wave).sum(axis=0) for wave in waves], dtype=np.int64)
        return FireSale(
            rounds=give(self.rounds),
            residual=give(self.residual),
            status=give(statuses(~self.active)),
            price=give(self.price),
            equity=give(sheet["equity"] - (self.loss0 + self.spillover)),
            spillover_loss=give(self.spillover),
            is_defaulted=give(self.wave > 0),
            wave=give(self.wave),
            sold=give(sold_share * self.whole),
            sold_share=give(sold_share),
            sold_by_asset=give(across(self.holders, sold_share)),
            proceeds=give(self.proceeds),
            liabilities=give(sheet["liabilities"]),
            cash=give(sheet["cash"]),
            price_path=give(self.price_path),
            sold_path=give(self.sold_path),
            default_path=give(defaults),
        )
