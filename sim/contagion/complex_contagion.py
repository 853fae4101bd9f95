"""Contagion that needs several neighbours (Watts 2002), its window on random graphs, and the rumour's final size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, empty, full
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import propagate
from sim.kernels.pull import pull
from sim.kernels.special import exp, log
from sim.kernels.thresholds import activate
from sim.kernels.total import total


@dataclass(frozen=True, eq=False, kw_only=True)
class ComplexContagion(Outcome):
    """Who has become active, and when.

    Parameters
    ----------
    is_active : bool[n] or bool[n, n_draws]
        Seeds and all whom enough active neighbours reached.
    wave : int64[n] or int64[n, n_draws]
        1 for seeds, 2 for those whom the seeds activate, and so on; 0 for never.
    share : float64[n] or float64[n, n_draws], 1
        Weighted share of an agent's neighbours that is active in the end (their weight itself with
        ``normalize=False``); 0 for an agent without neighbours.
    size : float or float64[n_draws], 1
        Active agents divided by all.
    rounds : int or int64[n_draws]
        As in `Outcome`, the last one without a change included; never more than n + 1.
    residual : float or float64[n_draws], 1
        1 when somebody would still be activated, else 0.
    status : str or ndarray of str
        As in `Outcome`; activity only grows, so that an answer at rest is certified.
    """

    is_active: Any
    wave: Any
    share: Any
    size: Any


def complex_contagion(
    network: Any,
    seeds: npt.ArrayLike,
    threshold: npt.ArrayLike,
    *,
    normalize: bool = True,
    strict: bool = False,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> ComplexContagion:
    r"""Activate agents once a large enough share of their neighbours is active, in synchronous waves.

    .. math::
        x_i(t+1) = 1 \ \text{ if } x_i(t) = 1 \ \text{ or } \ \frac{\sum_j w_{ij} x_j(t)}{\sum_j w_{ij}} \ge \theta_i

    The state only grows; the answer is the least fixed point above the seeds, and no order of updates leads elsewhere.

    Parameters
    ----------
    network : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, any unit: row i is influenced by column j with weight ``network[i, j]``, 0 or more; the
        diagonal is 0. A symmetric matrix of ones is Watts' undirected graph.
    seeds : array_like
        ``bool[n]`` or ``bool[n, n_draws]`` (or 0 and 1): active from the start.
    threshold : array_like
        A number, ``float64[n]`` or ``float64[n, n_draws]``, 1: share at which an agent follows. Above 0, since an
        agent that needs nobody is a seed; above 1 makes an agent immune.
    normalize : bool
        Whether the active weight is divided by the agent's total weight. Without, `threshold` has the unit of the
        network (a number of neighbours, in a graph of ones).
    strict : bool
        Tie rule. Watts: a share equal to the threshold suffices; with `strict` it must be larger, and a threshold of
        0 is allowed (one neighbour suffices: simple contagion).
    max_rounds : int
        Rounds after which a draw is given back uncertified.
    allow_uncertified : bool
        Whether an unfinished answer is returned instead of raised.

    Returns
    -------
    ComplexContagion
        Who is active, and since which wave.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.
    ConvergenceError
        If some draw still moves after `max_rounds` and `allow_uncertified` is false.

    References
    ----------
    Watts (2002), PNAS 99(9), 5766-5771; Granovetter (1978); Centola and Macy (2007).

    Examples
    --------
    A path of four. An end has one neighbour, the others two; one of two is a share of one half.

    >>> path = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    >>> complex_contagion(path, [1, 0, 0, 0], 0.5).wave
    array([1, 2, 3, 4])
    >>> complex_contagion(path, [1, 0, 0, 0], 0.6).wave
    array([1, 0, 0, 0])
    """
    inputs = Inputs()
    net = inputs.network("network", network)
    n = net.n_rows
    if n == 0:
        inputs.check()
    first = inputs.numbers("seeds", seeds, n, low=0.0, high=1.0)
    if not inputs.problems:
        for where in np.argwhere((first != 0.0) & (first != 1.0))[:5]:
            index = ", ".join(str(i) for i in where)
            inputs.refuse("seeds", f"seeds[{index}] is {first[tuple(where)]:g}; allowed: 0 or 1 (False or True)")
    needed = inputs.numbers("threshold", threshold, n, low=0.0, above=not strict)
    inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()
    active, needed = inputs.block(first), inputs.block(needed)
    wave = active.astype(np.int64)
    strength = full(1.0, n, 1)
    if normalize:
        pull(net.indptr, net.indices, net.weights, full(1.0, n, 1), strength)
    turn = 1

    def respond(pressure: Float) -> Float:
        nonlocal turn
        turn += 1
        activate(pressure, strength[:, 0], needed, strict, turn, active, wave)
        return active.copy()

    found = propagate(net, respond, active, tol=0.0, max_rounds=max_rounds, rising=True)
    share, size = empty(n, inputs.width), empty(inputs.width)
    pull(net.indptr, net.indices, net.weights, found.x, share)
    share = np.divide(share, strength, out=np.zeros_like(share), where=strength > 0.0)
    total(found.x, size)
    result = ComplexContagion(
        is_active=inputs.give(found.x > 0.0),
        wave=inputs.give(wave),
        share=inputs.give(share),
        size=inputs.give(size / max(n, 1)),
        rounds=inputs.give(found.rounds),
        residual=inputs.give(found.residual),
        status=inputs.give(statuses(found.certified)),
    )
    return settled("complex_contagion", result, 0.0, allow_uncertified)


def watts_window(threshold: float) -> tuple[float, float]:
    r"""Return between which average degrees one seed can set off a global cascade on a random graph.

    An agent of degree k is vulnerable (one active neighbour suffices) when :math:`k \le K = \lfloor 1/\theta \rfloor`.
    Vulnerable agents form a giant cluster when

    .. math::
        \sum_k k (k-1) \rho_k p_k > z, \quad \text{for Poisson degrees} \quad
        z\, P(\mathrm{Poisson}(z) \le K - 2) > 1

    Parameters
    ----------
    threshold : float, 1
        Share at which every agent follows, 0.002 to 1; a share equal to it suffices.

    Returns
    -------
    low, high : float
        Ends of the window of average degrees, to 1e-12; both NaN where no degree allows a global cascade.

    Raises
    ------
    InputError
        If `threshold` is no number in range.

    References
    ----------
    Watts (2002), equation 5 and figure 1; the same condition for directed graphs, Gai and Kapadia (2010).

    Examples
    --------
    >>> low, high = watts_window(0.18)
    >>> round(low, 3), round(high, 3)
    (1.021, 5.765)
    """
    inputs = Inputs()
    inputs.number("threshold", threshold, low=0.002, high=1.0)
    inputs.check()
    largest = 1
    while 1.0 / (largest + 1) >= threshold:  # the share itself is compared, as a cascade compares it
        largest += 1
    peak = _peak(largest)
    if peak == 0.0:
        return math.nan, math.nan
    return _crossing(largest, 0.0, peak), _crossing(largest, peak + 2.0 * largest + 50.0, peak)


def rumour_final_share(*, spread: float = 1.0, stifle: float = 1.0) -> float:
    r"""Return the share that never hears a rumour once it has died out.

    Spreaders u meet ignorants i at rate `spread` and tell them; they meet those who know (u and r) at rate `stifle` and
    fall silent:

    .. math::
        i' = -\lambda i u, \qquad u' = \lambda i u - \sigma u (1 - i)

    Dividing the two, :math:`du/di = -(1 + \kappa) + \kappa / i` with :math:`\kappa = \sigma/\lambda`, hence
    :math:`u = (1 + \kappa)(1 - i) + \kappa \ln i` from :math:`i = 1, u = 0`; the rumour ends at the other zero. Equal
    rates give :math:`i = e^{-2(1-i)}`.

    Parameters
    ----------
    spread : float, 1 / time
        Rate at which a spreader tells an ignorant, above 0.
    stifle : float, 1 / time
        Rate at which a spreader who meets somebody informed falls silent, above 0.

    Returns
    -------
    float, 1
        Final share of ignorants, to rounding.

    Raises
    ------
    InputError
        If a rate is no positive number.

    References
    ----------
    Maki and Thompson (1973); Daley and Kendall (1965).

    Examples
    --------
    >>> round(rumour_final_share(), 5)
    0.20319
    """
    inputs = Inputs()
    told = inputs.number("spread", spread, low=0.0, above=True)
    silenced = inputs.number("stifle", stifle, low=0.0, above=True)
    inputs.check()
    kappa = silenced / told
    # The share of spreaders rises from minus infinity at 0 to its peak at kappa / (1 + kappa), then falls to 0 at 1.
    low, high = 0.0, kappa / (1.0 + kappa)
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if (1.0 + kappa) * (1.0 - middle) + kappa * log(middle) < 0.0:
            low = middle
        else:
            high = middle


def _branching(z: float, largest: int) -> float:
    """Return z P(Poisson(z) <= largest - 2), the mean number of vulnerable agents that one of them reaches."""
    term, mass = exp(-z), 0.0
    for k in range(largest - 1):
        mass += term
        term *= z / (k + 1)
    return z * mass


def _peak(largest: int) -> float:
    """Return the average degree with most vulnerable successors, 0 when there is not more than one of them."""
    low, high = 0.0, largest + 50.0  # z times an incomplete gamma function is log-concave: one peak
    while high - low > 1e-9 * high:
        left, right = low + (high - low) / 3.0, high - (high - low) / 3.0
        if _branching(left, largest) < _branching(right, largest):
            low = left
        else:
            high = right
    return low if _branching(low, largest) > 1.0 else 0.0


def _crossing(largest: int, outside: float, inside: float) -> float:
    """Bisect for the average degree with exactly one vulnerable successor."""
    while abs(inside - outside) > 1e-13 * inside:
        middle = 0.5 * (inside + outside)
        if middle in (inside, outside):
            break
        if _branching(middle, largest) > 1.0:
            inside = middle
        else:
            outside = middle
    return inside
