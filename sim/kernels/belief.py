"""What the public sees of an agent's health, and how far it moves what the public believes."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int
from sim.kernels.jit import kernel


@kernel
def surprise(
    equity0: Float,
    loss: Float,
    units: Float,
    price: Float,
    shares: Int,
    assets0: Float,
    weights: Float,
    service_mean: Float,
    enforcement: Float,
    rumour: Float,
    belief: Float,
    out: Float,
) -> None:
    r"""Write what today's news differs from what was believed: :math:`y_i - m_i`.

    .. math::
        y_i = \frac{E_i / A_i(0) - l}{0.01} - k_O (1 - \bar s_i) - k_K e_i + b_i, \qquad
        E_i = E_i(0) - \sum_a L_{ai} + Q_i

    Parameters
    ----------
    equity0 : float64[n_agents, n_lanes], currency
        Net worth before any event.
    loss : float64[n_sources, n_agents, n_lanes], currency
        What each source has taken since.
    units : float64[n_agents, n_assets, n_lanes], pieces
        Securities; issuers hold the negative.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices.
    shares : int64[n_shares]
        Assets that are shares in their issuers, whose value Q is no debt of theirs.
    assets0 : float64[n_agents], currency
        Before any event: paying out deposits is no good news.
    weights : float64[3]
        Failure line l (1), weight of lost service and weight of an enforcement (percentage points of leverage).
    service_mean, enforcement, rumour : float64[n_agents, n_lanes]
        Recent service (1), 1 while an authority acts, bias of the news (percentage points).
    belief : float64[n_agents, n_lanes], percentage points
        Mean of the public's belief.
    out : float64[n, n_lanes], percentage points
        Overwritten for the first n agents.
    """
    line, outage, authority = weights[0], weights[1], weights[2]
    n, n_lanes = out.shape
    equity = np.empty(n_lanes)
    for i in range(n):
        for lane in range(n_lanes):
            equity[lane] = equity0[i, lane]
        for asset in shares:
            for lane in range(n_lanes):
                equity[lane] -= min(units[i, asset, lane], 0.0) * price[asset, lane]
        for source in range(loss.shape[0]):
            for lane in range(n_lanes):
                equity[lane] -= loss[source, i, lane]
        for lane in range(n_lanes):
            seen = (equity[lane] / assets0[i] - line) * 100.0
            seen -= outage * (1.0 - service_mean[i, lane])
            seen -= authority * enforcement[i, lane]
            out[i, lane] = seen + rumour[i, lane] - belief[i, lane]


@kernel
def learn_alone(gain: float, news: Float, on: Float, belief: Float) -> None:
    r"""Move beliefs where news about one agent says nothing about others: :math:`m_i \mathrel{+}= g (y_i - m_i)`.

    Parameters
    ----------
    gain : float
        g, 1.
    news : float64[n, n_lanes], percentage points
        :math:`y - m`.
    on : float64[n_lanes], 1
        1 where news spills over: these lanes are left alone.
    belief : float64[n_agents, n_lanes], percentage points
        In and out; the first n agents.
    """
    for i in range(news.shape[0]):
        for lane in range(news.shape[1]):
            if on[lane] == 0.0:
                belief[i, lane] += gain * news[i, lane]
