"""News that travels by word of mouth: a rumour among those it reaches, and contagion that needs several neighbours."""

from __future__ import annotations

import math

from sim.arrays import Float
from sim.kernels.jit import element, kernel
from sim.kernels.special import exp, log


@element
def _speed(ignorant: float, telling: float, spread: float, stifle: float) -> float:
    """How fast the share of tellers grows: told by meeting the ignorant, silenced by meeting the informed."""
    return spread * ignorant * telling - stifle * telling * (1.0 - ignorant)


@kernel
def tell(
    ignorant: Float, telling: Float, live: Float, spread: float, stifle: float, stride: float, told: Float
) -> None:
    r"""Let rumours spread for a while (Maki and Thompson), and add up how long they were told.

    .. math::
        i' = -\lambda i u, \qquad u' = \lambda i u - \sigma u (1 - i)

    by the classical Runge-Kutta method in strides that do not depend on the length of the step, so that a finer step
    changes nothing but rounding.

    Parameters
    ----------
    ignorant, telling : float64[n, n_lanes], 1
        Shares of those a rumour reaches who have not heard it, and who tell it; brought forward in place. Who heard it
        and tells it no more is the rest.
    live : float64[n, n_lanes], days
        For how long; 0 leaves a cell as it is.
    spread, stifle : float, 1 / day
        Rate at which a teller tells an ignorant whom it meets, and at which one who meets the informed falls silent.
    stride : float, days
        Longest stride.
    told : float64[n, n_lanes], days
        Overwritten with :math:`\int u \, dt`.
    """
    for i in range(ignorant.shape[0]):
        for lane in range(ignorant.shape[1]):
            told[i, lane] = 0.0
            x, u = ignorant[i, lane], telling[i, lane]
            if not (live[i, lane] > 0.0 and u > 0.0):
                continue
            strides = math.ceil(live[i, lane] / stride)
            h = live[i, lane] / strides
            for _ in range(strides):
                u1, x1 = _speed(x, u, spread, stifle), -spread * x * u
                xa, ua = x + 0.5 * h * x1, u + 0.5 * h * u1
                u2, x2 = _speed(xa, ua, spread, stifle), -spread * xa * ua
                xb, ub = x + 0.5 * h * x2, u + 0.5 * h * u2
                u3, x3 = _speed(xb, ub, spread, stifle), -spread * xb * ub
                xc, uc = x + h * x3, u + h * u3
                u4, x4 = _speed(xc, uc, spread, stifle), -spread * xc * uc
                told[i, lane] += h / 6.0 * (u + 2.0 * ua + 2.0 * ub + uc)
                x += h / 6.0 * (x1 + 2.0 * x2 + 2.0 * x3 + x4)
                u += h / 6.0 * (u1 + 2.0 * u2 + 2.0 * u3 + u4)
            ignorant[i, lane], telling[i, lane] = x, u


@element
def _follows(share: float, threshold: float, width: float) -> float:
    """Readiness to follow in excess of that without any news: logistic, or a step where `width` is zero."""
    if width <= 0.0:
        return 1.0 if share >= threshold and share > 0.0 else 0.0
    calm = 1.0 / (1.0 + exp(threshold / width))
    return max(0.0, 1.0 / (1.0 + exp((threshold - share) / width)) - calm)


@kernel
def spread_news(
    pressure: Float, strength: Float, threshold: float, width: float, fade: float, days: float, news: Float
) -> None:
    r"""Bring the news about each agent forward by a step: who is like many with bad news is thought bad, too.

    .. math::
        r_i(t + \tau) = (1 - \delta)^\tau r_i + (1 - r_i) \big(1 - (1 - L_i)^\tau\big), \qquad
        L_i = \Lambda\Big(\frac{\bar r_i - \theta}{w}\Big) - \Lambda\Big(\frac{-\theta}{w}\Big)

    with :math:`\bar r_i` the weighted mean of the others' news and :math:`\Lambda` the logistic function; for a step of
    one day this is :math:`(1 - \delta) r_i + (1 - r_i) L_i`. Without news nothing moves. A width of zero is Watts'
    threshold: :math:`L_i = 1` from :math:`\bar r_i \ge \theta` on.

    Parameters
    ----------
    pressure : float64[n, n_lanes], 1
        Weighted sum of the others' news.
    strength : float64[n], 1
        What it is divided by; 0 for an agent that is like nobody.
    threshold, width : float, 1
        :math:`\theta` and :math:`w`.
    fade : float, 1 / day
        Part of the news that is forgotten in a day, :math:`\delta`.
    days : float, days
        Length of the step.
    news : float64[n, n_lanes], 1
        In [0, 1], brought forward in place.
    """
    kept = exp(days * log(1.0 - fade)) if fade < 1.0 else 0.0
    for i in range(news.shape[0]):
        for lane in range(news.shape[1]):
            share = pressure[i, lane] / strength[i] if strength[i] > 0.0 else 0.0
            follows = _follows(share, threshold, width)
            caught = 1.0 - exp(days * log(1.0 - follows)) if follows < 1.0 else 1.0
            news[i, lane] = kept * news[i, lane] + (1.0 - news[i, lane]) * caught
