"""Depositors who leave a bank that they believe less in than before, and what a bank has against them."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float
from sim.kernels.impact import one_less_exp
from sim.kernels.jit import kernel
from sim.kernels.special import normal_cdf

SURE = 8.0
"""Standard deviations above the threshold from which on nobody runs."""


@kernel
def leaving(
    belief: Float, usual: Float, threshold: Float, root: float, hazard: Float, service: Float, out: Float
) -> None:
    r"""Write the share of its deposits that each bank is asked for in a step.

    .. math::
        s_i \big( 1 - e^{-\lambda_i (x_i - x_i(0))^+} \big), \qquad x_i = \Phi(\sqrt\beta (\kappa_i - m_i))

    Parameters
    ----------
    belief : float64[n_agents, n_lanes], percentage points of leverage
        m, what is believed now.
    usual : float64[n], 1
        :math:`x(0)`, the running fraction before any event.
    threshold : float64[n], percentage points of leverage
        :math:`\kappa`, belief at which half of the depositors run.
    root : float
        :math:`\sqrt\beta`, 1 / percentage points.
    hazard : float64[n]
        :math:`\lambda`, of those who run, over the step.
    service : float64[n_agents, n_lanes], 1
        What the bank can do: one that is down pays nobody.
    out : float64[n, n_lanes], 1
        Overwritten for the first n agents.

    Notes
    -----
    Nobody runs from a bank that stands eight standard deviations above the threshold (a fraction of 6e-16).
    """
    for i in range(out.shape[0]):
        for lane in range(out.shape[1]):
            out[i, lane] = 0.0
            at = root * (threshold[i] - belief[i, lane])
            if at > -SURE:
                excess = normal_cdf(at) - usual[i]
                if excess > 0.0:
                    out[i, lane] = one_less_exp(hazard[i] * excess) * service[i, lane]


@kernel
def flee(
    asked: tuple[Float, ...],
    deposits: tuple[Float, ...],
    opened: Float,
    weight: Float,
    belief: Float,
    belief0: Float,
    shunned: float,
    cash_out: Float,
    leaving_out: Float,
    refuge_out: Float,
    pools_out: Float,
) -> None:
    r"""Take what depositors ask for out of banks, and weigh the banks that others flee to.

    .. math::
        w_j = \frac{A_j(0) \, 1\{d_j < d\}}{\sum_k A_k(0) \, 1\{d_k < d\}}, \qquad d_j = m_j(0) - m_j

    Parameters
    ----------
    asked, deposits : tuple of float64[n, n_lanes], currency
        By segment; what is asked for beyond the deposits there are is not paid.
    opened : float64[n, n_lanes], 1
        1 for banks that pay and take.
    weight : float64[n], currency
        Assets before any event.
    belief, belief0 : float64[n_agents, n_lanes], percentage points of leverage
        Now, and before any event.
    shunned : float
        d, fall of belief from which on a bank gets nothing.
    cash_out : float64[n, n_lanes], currency
        Reserves, in and out.
    leaving_out : float64[n_segments, n, n_lanes], currency
        Overwritten with what is paid.
    refuge_out : float64[n, n_lanes], 1
        Overwritten with w; zero where there is no refuge.
    pools_out : float64[n_segments, n_lanes], currency
        Overwritten with the sums of what is paid, banks in their order.
    """
    n, n_lanes = cash_out.shape
    whole = np.zeros(n_lanes)
    for segment in range(len(asked)):
        for lane in range(n_lanes):
            pools_out[segment, lane] = 0.0
        for i in range(n):
            for lane in range(n_lanes):
                paid = min(asked[segment][i, lane], deposits[segment][i, lane]) * opened[i, lane]
                leaving_out[segment, i, lane] = paid
                pools_out[segment, lane] += paid
                cash_out[i, lane] -= paid
    for i in range(n):
        for lane in range(n_lanes):
            good = belief0[i, lane] - belief[i, lane] < shunned
            refuge_out[i, lane] = weight[i] * opened[i, lane] if good else 0.0
            whole[lane] += refuge_out[i, lane]
    for i in range(n):
        for lane in range(n_lanes):
            if whole[lane] > 0.0:
                refuge_out[i, lane] /= whole[lane]


@kernel
def coverage_ratio(
    cash: Float,
    units: Float,
    price: Float,
    pledged: Float,
    first: Float,
    second: Float,
    caps: Float,
    outflow: Float,
    inflow: Float,
    liquid_out: Float,
    net_out: Float,
    ratio_out: Float,
) -> None:
    r"""Write the liquidity coverage ratio: liquid assets over net outflows.

    .. math::
        H_i = L_1 + \min\Big(L_2, \frac{c}{1 - c} L_1\Big), \qquad N_i = O_i - \min(I_i, c' O_i), \qquad
        \min(H_i / N_i, m)

    Parameters
    ----------
    cash : float64[n, n_lanes], currency
        Reserves, of level 1.
    units : float64[n, n_assets, n_lanes], pieces
        Securities; what is issued does not count.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices.
    pledged : float64[n, n_lanes], 1
        Share of the securities that does not count.
    first, second : float64[n_assets], 1
        Part of the value that counts as level 1, and as level 2 after its haircut.
    caps : float64[3], 1
        c, most that level 2 may be of the whole (below 1); c', most that inflows may be of outflows; m, largest ratio.
    outflow, inflow : float64[n, n_lanes], currency
        Within 30 days.
    liquid_out, net_out : float64[n, n_lanes], currency
        Overwritten with H and N.
    ratio_out : float64[n, n_lanes], 1
        Overwritten; m where nothing flows out.
    """
    n, n_assets, n_lanes = units.shape
    room = caps[0] / (1.0 - caps[0])
    good = np.empty(n_lanes)
    for i in range(n):
        for lane in range(n_lanes):
            liquid_out[i, lane], good[lane] = cash[i, lane], 0.0
        for asset in range(n_assets):
            if first[asset] > 0.0 or second[asset] > 0.0:
                for lane in range(n_lanes):
                    held = max(units[i, asset, lane], 0.0) * price[asset, lane] * (1.0 - pledged[i, lane])
                    liquid_out[i, lane] += first[asset] * held
                    good[lane] += second[asset] * held
        for lane in range(n_lanes):
            liquid_out[i, lane] += min(good[lane], room * liquid_out[i, lane])
            net = outflow[i, lane] - min(inflow[i, lane], caps[1] * outflow[i, lane])
            net_out[i, lane] = net
            ratio_out[i, lane] = min(liquid_out[i, lane] / net, caps[2]) if net > 0.0 else caps[2]


@kernel
def pledgeable(units: Float, price: Float, haircut: Float, sensitivity: float, extra: Float, out: Float) -> None:
    r"""Write what securities would raise as collateral: :math:`\sum_a q_{ia} p_a (1 - h_{ia})`.

    .. math::
        h_{ia} = \min(1, h_a + \chi (1 - p_a)^+ + x_i)

    Parameters
    ----------
    units : float64[n, n_assets, n_lanes], pieces
        Securities; what is issued does not count.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices; 1 before any event.
    haircut : float64[n_assets], 1
        :math:`h_a` before any event; 1 where the asset is not taken.
    sensitivity : float
        :math:`\chi`, what a fall of the price adds to the haircut.
    extra : float64[n, n_lanes], 1
        :math:`x_i`, what the borrower adds.
    out : float64[n, n_lanes], currency
        Overwritten.
    """
    n, n_assets, n_lanes = units.shape
    for i in range(n):
        for lane in range(n_lanes):
            out[i, lane] = 0.0
        for asset in range(n_assets):
            if haircut[asset] < 1.0:
                for lane in range(n_lanes):
                    cut = haircut[asset] + sensitivity * max(0.0, 1.0 - price[asset, lane]) + extra[i, lane]
                    held = max(units[i, asset, lane], 0.0) * price[asset, lane]
                    out[i, lane] += held * max(0.0, 1.0 - cut)


@kernel
def gone(exponent: Float, out: Float) -> None:
    r"""Write the share that leaves at a constant hazard: :math:`1 - e^{-x}`.

    Parameters
    ----------
    exponent : float64[n], 1
        Hazard times duration, zero or more; flattened.
    out : float64[n], 1
        Overwritten; may be `exponent`.
    """
    for i in range(exponent.size):
        out[i] = one_less_exp(exponent[i])
