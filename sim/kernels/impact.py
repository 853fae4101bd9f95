"""How far the price of an asset falls when a volume of it is sold."""

from __future__ import annotations

import math

from sim.arrays import Float
from sim.kernels.jit import element, kernel
from sim.kernels.special import exp

LINEAR, EXPONENTIAL, SQRT, CONT_SCHAANNING = 0, 1, 2, 3
IMPACTS = {
    "linear": LINEAR,
    "exponential": EXPONENTIAL,
    "sqrt": SQRT,
    "cont-schaanning": CONT_SCHAANNING,
}

_SMALL = 0.125
_TERMS = 12
"""Terms of the series below `_SMALL`; the first one left out is 1e-20 of the sum."""


@element
def one_less_exp(x: float) -> float:
    r"""Return :math:`1 - e^{-x}`, also for small x to the last digits.

    Parameters
    ----------
    x : float
        Zero or more.

    Returns
    -------
    float
        From 0 to 1.
    """
    series = 1.0
    for n in range(_TERMS, 1, -1):
        series = 1.0 - x / n * series
    return x * series if x < _SMALL else 1.0 - exp(-x)


@kernel
def price_fall(kind: int, volume: Float, depth: Float, floor: Float, price: Float, fall_out: Float) -> None:
    r"""Return the relative price fall of every asset, in every lane.

    .. math::
        \Psi^{lin} = \min(v/D, r), \quad \Psi^{exp} = \min(1 - e^{-v/D}, r), \quad \Psi^{sqrt} = \min(\sqrt{v/D}, r),
        \quad \Psi^{CS} = r\, (1 - e^{-v/\delta})

    with the room above the floor :math:`r = \max(0, 1 - B/p)` and :math:`\delta = (1 - B) D`, prices being 1 before
    any shock.

    Parameters
    ----------
    kind : int
        Code of the impact law (`IMPACTS`).
    volume : float64[n_assets, n_lanes], currency
        Sold at once.
    depth : float64[n_assets, n_lanes], currency
        D; in the first, second and (at price 1) fourth form 1/D is the fall per unit of a small volume. The square root
        law :math:`Y \sigma \sqrt{v / ADV}` has :math:`D = ADV / (Y \sigma)^2`.
    floor, price : float64[n_assets, n_lanes], 1
        B, below which no sale pushes the price; price before the sale.
    fall_out : float64[n_assets, n_lanes], 1
        Overwritten: 0 for no sale, never more than what brings the price to its floor.

    References
    ----------
    Kyle (1985) and Greenwood, Landier and Thesmar (2015), eq. 2, for the linear form; Cifuentes, Ferrucci and Shin
    (2005) for the exponential one; Cont and Schaanning (2017) for the last.
    """
    for asset in range(volume.shape[0]):
        for lane in range(volume.shape[1]):
            sold, above = volume[asset, lane], price[asset, lane] > floor[asset, lane]
            fall_out[asset, lane] = 0.0
            if sold > 0.0 and above:
                room = 1.0 - floor[asset, lane] / price[asset, lane]
                if kind == 0:
                    fall = sold / depth[asset, lane]
                elif kind == 1:
                    fall = one_less_exp(sold / depth[asset, lane])
                elif kind == 2:
                    fall = math.sqrt(sold / depth[asset, lane])
                else:
                    fall = room * one_less_exp(sold / ((1.0 - floor[asset, lane]) * depth[asset, lane]))
                fall_out[asset, lane] = min(fall, room)
