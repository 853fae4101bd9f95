"""One round of a fire sale: every agent's turn, one price per asset, settlement."""

from __future__ import annotations

from sim.arrays import Bool, Float, Int
from sim.kernels.jit import kernel


@kernel
def turn(
    active: Bool,
    wave: int,
    equity0: Float,
    loss0: Float,
    spillover: Float,
    marketable: Float,
    limit: Float,
    target: Float,
    minimum: Float,
    own_target: bool,
    default_at_zero: bool,
    insolvent_sell: bool,
    cash: Float,
    debt: Float,
    repayable: Float,
    wave_of_default: Int,
    share_out: Float,
) -> None:
    r"""Let every agent look at its balance sheet: default, or repay from cash and decide what to sell.

    .. math::
        x_i = A_i - \lambda^*_i E_i \text{ if } A_i > \bar\lambda_i E_i, \quad
        \text{paid}_i = \min(x_i, c_i, d_i), \quad \Gamma_i = \min(1, \max(0, x_i - c_i) / M_i)

    Parameters
    ----------
    active : bool[n_lanes]
        Lanes still in play; the others are not touched.
    wave : int
        What is noted of agents that default in this turn.
    equity0, loss0, spillover : float64[n_agents, n_lanes], currency
        Equity before the shock, what the shock took, what sales have taken since.
    marketable : float64[n_agents, n_lanes], currency
        M, value of what is left to sell.
    limit, target : float64[n_agents, n_lanes], 1
        Leverage (assets / equity) above which an agent sells, and where it wants to be; the target is never above.
    minimum : float64[n_agents, n_lanes], 1
        Equity / assets below which an agent defaults.
    own_target : bool
        Whether `target` is the agent's own leverage before the shock: then who has lost nothing wants nothing.
    default_at_zero, insolvent_sell : bool
        Whether reaching the minimum is a default; whether a defaulted agent sells everything.
    cash, debt, repayable : float64[n_agents, n_lanes], currency
        Changed in place: cash c repays the part d of the debt that can be repaid.
    wave_of_default : int64[n_agents, n_lanes]
        Changed in place; 0 = has not defaulted.
    share_out : float64[n_agents, n_lanes], 1
        Overwritten: share of what is left that goes on sale; 0 in lanes out of play.

    References
    ----------
    Cont and Schaanning (2017), eq. 4; Greenwood, Landier and Thesmar (2015), eq. 1.
    """
    for i in range(equity0.shape[0]):
        for lane in range(equity0.shape[1]):
            share_out[i, lane] = 0.0
            if not active[lane] or wave_of_default[i, lane] > 0:
                continue
            loss = loss0[i, lane] + spillover[i, lane]
            equity = equity0[i, lane] - loss
            assets = equity + debt[i, lane]
            least = minimum[i, lane] * assets
            if equity < least or (default_at_zero and equity <= least):
                wave_of_default[i, lane] = wave
                if insolvent_sell and marketable[i, lane] > 0.0:
                    share_out[i, lane] = 1.0
                continue
            if assets <= limit[i, lane] * equity or (own_target and loss <= 0.0):
                continue
            wanted = assets - target[i, lane] * equity
            missing = wanted - cash[i, lane]
            paid = min(wanted, cash[i, lane], repayable[i, lane])
            cash[i, lane] -= paid
            debt[i, lane] -= paid
            repayable[i, lane] -= paid
            if missing > 0.0 and marketable[i, lane] > 0.0:
                share_out[i, lane] = min(1.0, missing / marketable[i, lane])


@kernel
def move_prices(active: Bool, fall: Float, floor: Float, price: Float, drop_out: Float) -> None:
    r"""Take the fall off every price: :math:`p' = \max(p (1 - \Psi), \min(p, B))`.

    Parameters
    ----------
    active : bool[n_lanes]
        Lanes still in play; the prices of the others are not touched.
    fall, floor : float64[n_assets, n_lanes], 1
        Relative fall; floor B.
    price : float64[n_assets, n_lanes], 1
        Changed in place.
    drop_out : float64[n_assets, n_lanes], 1
        Overwritten: price before less price after; 0 in lanes out of play.
    """
    for asset in range(price.shape[0]):
        for lane in range(price.shape[1]):
            drop_out[asset, lane] = 0.0
            if active[lane]:
                before = price[asset, lane]
                after = max(before * (1.0 - fall[asset, lane]), min(before, floor[asset, lane]))
                price[asset, lane] = after
                drop_out[asset, lane] = before - after


@kernel
def book_sales(
    active: Bool,
    weight: float,
    retire: bool,
    share: Float,
    value: Float,
    drop: Float,
    wave_of_default: Int,
    kept: Float,
    cash: Float,
    debt: Float,
    repayable: Float,
    spillover: Float,
    proceeds: Float,
) -> None:
    r"""Book the sales: mark-downs, proceeds, debt retired.

    .. math::
        \Delta L_i = \left(1 - (1 - w) \Gamma_i\right) \sum_a q_{ia} (p_a - p'_a), \quad
        \Delta R_i = \Gamma_i \sum_a q_{ia} \left(p_a - w (p_a - p'_a)\right)

    Parameters
    ----------
    active : bool[n_lanes]
        Lanes still in play; the others are not touched.
    weight : float
        w: 0 sells at the price before, 1/2 at the mid, 1 at the price after.
    retire : bool
        Whether proceeds retire debt at once; otherwise they wait as cash for the seller's next turn.
    share : float64[n_agents, n_lanes], 1
        Sold of what was left.
    value, drop : float64[n_agents, n_lanes], currency
        What the holdings before any sale are worth at the price before, and how much they lose with this one.
    wave_of_default : int64[n_agents, n_lanes]
        A defaulted agent keeps its cash for all its creditors.
    kept : float64[n_agents, n_lanes], 1
        Changed in place: what is left of the holdings.
    cash, debt, repayable, spillover, proceeds : float64[n_agents, n_lanes], currency
        Changed in place.

    References
    ----------
    Cont and Schaanning (2017), for the implementation shortfall w = 1/2.
    """
    for i in range(share.shape[0]):
        for lane in range(share.shape[1]):
            if not active[lane]:
                continue
            sold, left = share[i, lane], kept[i, lane]
            received = left * sold * (value[i, lane] - weight * drop[i, lane])
            spillover[i, lane] += left * (1.0 - (1.0 - weight) * sold) * drop[i, lane]
            proceeds[i, lane] += received
            kept[i, lane] = left * (1.0 - sold)
            paid = 0.0
            if retire and wave_of_default[i, lane] == 0:
                paid = min(received, repayable[i, lane])
            debt[i, lane] -= paid
            repayable[i, lane] -= paid
            cash[i, lane] += received - paid
