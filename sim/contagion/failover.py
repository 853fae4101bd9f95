"""Backup providers: failover onto finite capacity, common causes, and how long outages last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, empty
from sim.contagion.inputs import Inputs
from sim.kernels.special import exp_of, log_of, normal_cdf_of
from sim.kernels.total import total


@dataclass(frozen=True, eq=False, kw_only=True)
class Failover:
    """What providers and their clients are left with.

    Parameters
    ----------
    service : float64[n] or float64[n, n_draws], 1
        Service of the part of each provider that is up; below 1 where it is overloaded.
    load : float64[n] or float64[n, n_draws], 1
        Load on the part that is up, in units of what it normally carries there.
    backup_service : float or float64[n_draws], 1
        Mean service of the providers that are up, which those who failed over get.
    client_service : float64[n] or float64[n, n_draws], 1
        Mean service of the clients each provider had before the failure, at home or at their backup.
    total_service : float or float64[n_draws], 1
        Mean service of all clients, weighted by market share.
    absorbable : float or float64[n_draws], 1
        Greatest part of the failed load that the others can take without any overload, at most 1.
    headroom_needed : float or float64[n_draws], 1
        Headroom at which the load that fails over overloads nobody; infinite where nobody is up.
    """

    service: Any
    load: Any
    backup_service: Any
    client_service: Any
    total_service: Any
    absorbable: Any
    headroom_needed: Any


def failover(
    shares: npt.ArrayLike,
    failure: npt.ArrayLike,
    *,
    backup: npt.ArrayLike = 0.5,
    headroom: npt.ArrayLike = 0.3,
    congestion: float = 1.0,
) -> Failover:
    r"""Move the load of failed providers to the others and see who is overloaded.

    A provider with market share :math:`w_k` of which the part :math:`d_k` has failed is left with
    :math:`u_k = w_k (1 - d_k)`, and with that part of its capacity, :math:`(1 + h_k) u_k`. The part :math:`b_k` of the
    load it lost fails over and is spread over all in proportion to what they are left with, so that everybody's load
    rises by the same factor,

    .. math::
        \ell = 1 + \frac{\sum_k b_k w_k d_k}{\sum_k u_k}, \qquad
        s_k = \min\Big(1, \Big(\frac{1 + h_k}{\ell}\Big)^\kappa\Big)

    Clients that failed over are served like the average of those who took them in,
    :math:`\bar s = \sum_k u_k s_k / \sum_k u_k`, the rest of the failed part not at all:

    .. math::
        c_k = (1 - d_k) s_k + d_k b_k \bar s, \qquad \text{total} = \sum_k w_k c_k / \sum_k w_k

    With :math:`\kappa = 1` an overloaded provider works at capacity; above 1 congestion destroys service. All is well
    for everybody taken in while :math:`\sum_k b_k w_k d_k / \sum_k u_k \le h`.

    Parameters
    ----------
    shares : float64[n] or float64[n, n_draws], any unit
        Market share or normal load of each provider.
    failure : float64[n] or float64[n, n_draws], 1
        Part of each provider that has failed.
    backup : float64[n] or float64[n, n_draws], 1
        Part of the clients of each provider who can fail over.
    headroom : float64[n] or float64[n, n_draws], 1
        Spare capacity in units of the normal load.
    congestion : float
        :math:`\kappa`, 0 or more.

    Returns
    -------
    Failover
        In the form of the inputs. A provider that has failed entirely carries no load and gives no service.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    Examples
    --------
    The largest of four clouds fails. With 30 % headroom, backup for everybody keeps more total service than backup
    for 45 %, but now all clients suffer.

    >>> from sim.contagion.failover import failover
    >>> clouds, dead = [39, 19, 15, 27], [1, 0, 0, 0]
    >>> some, all_ = (failover(clouds, dead, backup=b, headroom=0.3) for b in (0.45, 1.0))
    >>> some.client_service.round(3).tolist(), all_.client_service.round(3).tolist()
    ([0.45, 1.0, 1.0, 1.0], [0.793, 0.793, 0.793, 0.793])
    """
    inputs = Inputs()
    n = int(np.shape(shares)[0]) if np.ndim(shares) > 0 else 0
    if n == 0:
        inputs.refuse("shares", f"shares has shape {np.shape(shares)}; allowed: (n,) or (n, n_draws), one per provider")
    weight = inputs.numbers("shares", shares, n, low=0.0)
    down = inputs.numbers("failure", failure, n, low=0.0, high=1.0)
    spare = inputs.numbers("backup", backup, n, low=0.0, high=1.0)
    room = inputs.numbers("headroom", headroom, n, low=0.0)
    kappa = inputs.number("congestion", congestion, low=0.0)
    if n and not inputs.problems and not (weight.sum(axis=0) > 0.0).all():
        inputs.refuse("shares", "shares are all 0; allowed: at least one above 0")
    inputs.check()
    w, d, b, h = (inputs.block(values) for values in (weight, down, spare, room))
    up, failed = w * (1.0 - d), w * d
    left, moved, lost = _sum(up), _sum(b * failed), _sum(failed)
    alive = up > 0.0
    load = np.where(alive, 1.0 + _ratio(moved, left), 0.0)
    room_used = np.where(alive, (1.0 + h) / np.where(alive, load, 1.0), 0.0)
    service = np.minimum(1.0, _power(room_used, kappa) * alive)
    taken_in = _ratio(_sum(up * service), left)
    client = (1.0 - d) * service + d * b * taken_in
    least_room = np.where(alive, h, np.inf).min(axis=0)
    return Failover(
        service=inputs.give(service),
        load=inputs.give(load),
        backup_service=inputs.give(taken_in),
        client_service=inputs.give(client),
        total_service=inputs.give(_ratio(_sum(w * client), _sum(w))),
        absorbable=inputs.give(np.minimum(1.0, _absorbable(np.where(left > 0.0, least_room, 0.0), left, lost))),
        headroom_needed=inputs.give(np.where((moved > 0.0) & (left == 0.0), np.inf, _ratio(moved, left))),
    )


def dual_unavailability(unavailability: npt.ArrayLike, common_cause: npt.ArrayLike = 0.05) -> Any:
    r"""Return how often two like providers are down together.

    .. math::
        u_2 = \beta u + (1 - \beta)^2 u^2

    The part :math:`\beta` of all failures hits both at once; the rest are independent.

    Parameters
    ----------
    unavailability : float or float64[...], 1
        u, part of the time one provider is down.
    common_cause : float or float64[...], 1
        :math:`\beta`, the beta factor.

    Returns
    -------
    float or float64[...], 1
        Arrays must have equal shapes.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    References
    ----------
    Fleming (1975), the beta-factor model of common-cause failures.

    Examples
    --------
    >>> [f"{dual_unavailability(2e-3, b):.1e}" for b in (0.0, 0.05, 0.1)]
    ['4.0e-06', '1.0e-04', '2.0e-04']
    """
    inputs = Inputs()
    shape = next((np.shape(v) for v in (unavailability, common_cause) if np.ndim(v) > 0), ())
    u = inputs.numbers("unavailability", unavailability, shape, low=0.0, high=1.0, lanes=False)
    beta = inputs.numbers("common_cause", common_cause, shape, low=0.0, high=1.0, lanes=False)
    inputs.check()
    alone = (1.0 - beta) * u
    both = beta * u + alone * alone
    return both if shape else float(both)


def outage_exceedance(duration: npt.ArrayLike, median: float = 6.0, sigma: float = 1.2) -> Any:
    r"""Return the probability that an outage lasts longer than a given time, when durations are lognormal.

    .. math::
        P(T > t) = \Phi\Big( -\frac{\ln(t / m)}{\sigma} \Big)

    Parameters
    ----------
    duration : float or float64[...], hours
        Time t, 0 or more.
    median : float, hours
        m, above 0.
    sigma : float
        Standard deviation of the logarithm, above 0.

    Returns
    -------
    float or float64[...], 1
        One probability per duration.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    Examples
    --------
    >>> outage_exceedance([10, 24, 72, 144]).round(3).tolist()
    [0.335, 0.124, 0.019, 0.004]
    """
    inputs = Inputs()
    shape = np.shape(duration)
    time = inputs.numbers("duration", duration, shape, low=0.0, lanes=False)
    middle, spread = _lognormal(inputs, median, sigma)
    inputs.check()
    hours = np.atleast_1d(time).ravel()
    gone = _apply(log_of, np.where(hours > 0.0, hours, middle)) - _apply(log_of, np.array([middle]))
    chance = np.where(hours > 0.0, _apply(normal_cdf_of, -gone / spread), 1.0)
    return chance.reshape(shape) if shape else float(chance[0])


def mean_outage(median: float = 6.0, sigma: float = 1.2) -> float:
    r"""Return the mean of a lognormal duration, :math:`m e^{\sigma^2 / 2}`.

    Parameters
    ----------
    median : float, hours
        m, above 0.
    sigma : float
        Standard deviation of the logarithm, above 0.

    Returns
    -------
    float, hours
        Far above the median when the tail is long.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    Examples
    --------
    >>> round(mean_outage(6.0, 1.2), 1)
    12.3
    """
    inputs = Inputs()
    middle, spread = _lognormal(inputs, median, sigma)
    inputs.check()
    return middle * float(_apply(exp_of, np.array([0.5 * spread * spread]))[0])


def _lognormal(inputs: Inputs, median: Any, sigma: Any) -> tuple[float, float]:
    """Take in the two parameters of a lognormal law."""
    return (
        inputs.number("median", median, low=0.0, above=True),
        inputs.number("sigma", sigma, low=0.0, above=True),
    )


def _absorbable(room: Float, left: Float, lost: Float) -> Float:
    """Return how much of what was lost fits into the room of what is left; 1 where nothing was lost."""
    with np.errstate(over="ignore"):
        return np.divide(room * left, lost, out=np.ones(lost.shape), where=lost > 0.0)


def _ratio(part: Float, whole: Float) -> Float:
    """Return the ratio, and 0 where there is nothing to divide by."""
    with np.errstate(over="ignore"):
        return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0.0)


def _sum(values: Float) -> Float:
    """Sum over providers, in their order."""
    out = empty(values.shape[1])
    total(np.ascontiguousarray(values), out)
    return out


def _power(values: Float, exponent: float) -> Float:
    """Return values to a power; 1 leaves them as they are."""
    if exponent == 1.0:
        return values
    return _apply(exp_of, exponent * _apply(log_of, np.maximum(values, 5e-324).ravel())).reshape(values.shape)


def _apply(kernel: Callable[[Float, Float], None], values: Float) -> Float:
    """Return a scalar function of each element."""
    out = empty(values.size)
    kernel(np.ascontiguousarray(values), out)
    return out
