"""What a claim is worth before its debtor's maturity, when the debtor's external assets still fluctuate."""

from __future__ import annotations

from sim.arrays import Float
from sim.kernels.jit import element, kernel
from sim.kernels.special import log, normal_cdf

MERTON, BLACK_COX = 0, 1
EXANTE = {"exante-merton": MERTON, "exante-black-cox": BLACK_COX}


@element
def _merton(equity: float, external: float, debt: float, volatility: float, recovery: float) -> float:
    """Return the value under default at maturity only; volatile external assets, positive debt."""
    high = 1.0 - equity / external  # default where external assets end below this multiple of today's
    if high <= 0.0:
        return 1.0
    upper = log(high) / volatility
    pd = normal_cdf(upper + 0.5 * volatility)
    left = normal_cdf(upper - 0.5 * volatility)  # expected assets in default, per unit of today's
    low = 1.0 - (equity + debt) / external  # nothing is recovered below
    if low > 0.0:
        lower = log(low) / volatility
        left -= normal_cdf(lower - 0.5 * volatility)
        recovered = left - low * (pd - normal_cdf(lower + 0.5 * volatility))
    else:
        recovered = left - low * pd
    # Both parts are rounded: what is recovered lies between nothing and the whole claim.
    return 1.0 - pd + recovery * min(pd, max(0.0, recovered * external / debt))


@element
def _black_cox(equity: float, external: float, volatility: float, recovery: float) -> float:
    """Return the value under default at first passage; volatile external assets."""
    if equity <= 0.0:
        return recovery
    barrier = 1.0 - equity / external
    if barrier <= 0.0:
        return 1.0
    depth = log(barrier) / volatility
    pd = normal_cdf(depth + 0.5 * volatility) + normal_cdf(depth - 0.5 * volatility) / barrier
    return 1.0 - (1.0 - recovery) * min(1.0, pd)


@kernel
def exante_value(
    kind: int, equity: Float, external: Float, debt: Float, volatility: Float, recovery: float, value_out: Float
) -> None:
    r"""Value one unit of claim on each agent before maturity.

    External assets follow a geometric Brownian motion without drift, of volatility :math:`\sigma` up to the common
    maturity. With :math:`\Phi_\pm(u) = \Phi((\ln u \pm \sigma^2 / 2) / \sigma)` and :math:`u = 1 - E / e`:

    .. math::
        V^{BC} = 1 - (1 - \rho) \min\big(1, \Phi_+(u) + \Phi_-(u) / u\big) \text{ for } 0 < E < e,
        \quad \rho \text{ below}, \ 1 \text{ above};

        V^{M} = 1 - \Phi_+(u) + \rho \frac{e}{\bar p}
        \Big( \Phi_-(u) - \Phi_-(l) - l \, (\Phi_+(u) - \Phi_+(l)) \Big),
        \quad l = 1 - (E + \bar p) / e

    where :math:`\Phi_\pm` of a negative number is 0.

    Parameters
    ----------
    kind : int
        Code of the valuation (`EXANTE`).
    equity, external, debt : float64[n_agents, n_lanes], currency
        Net worth with claims at their present value, external assets, all debt.
    volatility : float64[n_agents, n_lanes], 1
        Of external assets over the time to maturity. Where it or the external assets are zero nothing fluctuates.
    recovery : float
        Share of what is left that reaches creditors (Merton), or of the claim (Black-Cox), 1.
    value_out : float64[n_agents, n_lanes], 1
        Overwritten; isotone in equity.

    References
    ----------
    Merton (1974); Black and Cox (1976); Barucca et al. (2020) eq. 15 and 18; Bardoscia et al. (2019) eq. 7 and 8.
    """
    for i in range(equity.shape[0]):
        for lane in range(equity.shape[1]):
            worth, outside, owed = equity[i, lane], external[i, lane], debt[i, lane]
            moves = volatility[i, lane] > 0.0 and outside > 0.0
            if kind == 1:
                if moves:
                    value = _black_cox(worth, outside, volatility[i, lane], recovery)
                else:
                    value = 1.0 if worth >= 0.0 else recovery
            elif owed <= 0.0:
                value = 1.0
            elif moves:
                value = _merton(worth, outside, owed, volatility[i, lane], recovery)
            else:
                value = 1.0 if worth >= 0.0 else recovery * min(1.0, max(0.0, (worth + owed) / owed))
            value_out[i, lane] = value
