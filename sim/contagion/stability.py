"""Whether losses die out or grow on their way through a network: spectral radius and stability margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Csr, Float, Int, aligned, csr, empty, full
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.kernels.eigen import factor, quotients, solve_transposed

POWER_ROUNDS = 200
"""Power rounds before a component that is small enough goes over to inverse rounds."""

INVERSE_LIMIT = 2000
"""Agents of a component up to which inverse rounds, each a dense factorisation, are affordable."""

INVERSE_ROUNDS = 40
"""They converge quadratically; more than a few mean that rounding has taken over."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralRadius(Outcome):
    """The spectral radius of the leverage matrix, enclosed.

    Parameters
    ----------
    radius : float or float64[n_draws], 1
        Middle of the enclosure.
    lower, upper : float or float64[n_draws], 1
        Collatz-Wielandt bounds: the spectral radius lies between them (up to rounding). Both 0 without cycles.
    rounds : int or int64[n_draws]
        Power and inverse rounds of all components together.
    residual : float or float64[n_draws], 1
        ``upper - lower``.
    status : str or ndarray of str
        Certified when the residual is at most ``tol * upper``.
    """

    radius: Any
    lower: Any
    upper: Any


def spectral_radius(
    exposures: Any,
    equity: npt.ArrayLike,
    recovery_rate: npt.ArrayLike = 0.0,
    *,
    tol: float = 1e-12,
    max_rounds: int = 100_000,
    allow_uncertified: bool = False,
) -> SpectralRadius:
    r"""Enclose the spectral radius of the matrix of relative exposures.

    .. math::
        \Lambda_{ij} = \frac{(1 - R_j) A_{ij}}{E_i}, \qquad
        \min_i \frac{(\Lambda x)_i}{x_i} \le \rho(\Lambda) \le \max_i \frac{(\Lambda x)_i}{x_i} \quad (x > 0)

    A small loss of equity dies out while :math:`\rho < 1` and grows, until caps stop it, when :math:`\rho > 1`. Only
    cycles of exposures count: the radius is the largest over the strongly connected parts of the network and 0 when
    there is none. Each part is iterated by itself, where the bounds close: power rounds with a shift (a cycle alone is
    periodic), then, if those are slow, inverse rounds with the upper bound as shift, which converge quadratically and
    are factored without cancellation.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: ``exposures[i, j]`` is the claim of creditor i on debtor j.
    equity : array_like
        A number, ``float64[n]`` or ``float64[n, n_draws]``, currency, above 0.
    recovery_rate : float or array_like
        A number or ``float64[n]``, 1: what creditors get back of a claim on each debtor in default.
    tol : float
        Largest relative width of a certified enclosure.
    max_rounds : int
        Rounds per component after which a draw is given back uncertified.
    allow_uncertified : bool
        Whether a wider enclosure is returned instead of raised.

    Returns
    -------
    SpectralRadius
        Radius and bounds.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.
    ConvergenceError
        If some draw is not enclosed to `tol` and `allow_uncertified` is false.

    References
    ----------
    Bardoscia, Battiston, Caccioli and Caldarelli (2015, 2017) for the stability of DebtRank; Collatz (1942), Wielandt
    (1950) for the bounds; Noda (1971) for the inverse rounds.

    Examples
    --------
    Two banks that lend 30 and 20 to each other on equities of 10 and 15: the square root of (30/10) (20/15) is 2.

    >>> found = spectral_radius([[0, 30], [20, 0]], [10, 15])
    >>> round(found.radius, 12), found.status
    (2.0, 'certified')
    >>> round(stability_margin([[0, 30], [20, 0]], [10, 15], recovery_rate=0.75), 12)
    0.5
    """
    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    if net.n_rows == 0:
        inputs.check()
    capital = inputs.numbers("equity", equity, net.n_rows, low=0.0, above=True)
    recovery = inputs.numbers("recovery_rate", recovery_rate, net.n_rows, low=0.0, high=1.0, lanes=False)
    inputs.number("tol", tol, low=0.0)
    inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()
    net = csr(_matrix(net._replace(weights=net.weights * (1.0 - recovery)[net.indices])))  # drops what is recovered
    scale = 1.0 / inputs.block(capital)
    lower, upper = np.zeros(inputs.width), np.zeros(inputs.width)
    rounds = np.zeros(inputs.width, dtype=np.int64)
    for members in _cyclic_parts(net):
        part = _part(net, members)
        low, high, played = _enclose(part, aligned(scale[members]), tol, max_rounds)
        lower, upper, rounds = np.maximum(lower, low), np.maximum(upper, high), rounds + played
    result = SpectralRadius(
        radius=inputs.give(lower + 0.5 * (upper - lower)),
        lower=inputs.give(lower),
        upper=inputs.give(upper),
        rounds=inputs.give(rounds),
        residual=inputs.give(upper - lower),
        status=inputs.give(statuses(upper - lower <= tol * upper)),
    )
    return settled("spectral_radius", result, tol, allow_uncertified)


def stability_margin(exposures: Any, equity: npt.ArrayLike, recovery_rate: npt.ArrayLike = 0.0) -> Any:
    r"""Return how far a network is from amplifying small losses without bound, :math:`1 - \rho(\Lambda)`.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        As in `spectral_radius`.
    equity : array_like
        As in `spectral_radius`.
    recovery_rate : float or array_like
        As in `spectral_radius`.

    Returns
    -------
    float or float64[n_draws], 1
        1 without cycles of exposures; 0 on the edge; negative when small losses grow.

    Raises
    ------
    InputError, ConvergenceError
        As in `spectral_radius`.

    References
    ----------
    Bardoscia et al. (2017), Nature Communications 8, 14416.

    Examples
    --------
    >>> stability_margin([[0, 5], [5, 0]], [10, 10])
    0.5
    """
    return 1.0 - spectral_radius(exposures, equity, recovery_rate).radius


def _matrix(net: Csr) -> Any:
    """Return the same edges as a SciPy array."""
    from scipy import sparse

    return sparse.csr_array((net.weights, net.indices, net.indptr), shape=(net.n_rows, net.n_rows))


def _cyclic_parts(net: Csr) -> list[Int]:
    """Return the members of every strongly connected component of two agents or more."""
    from scipy.sparse import csgraph

    _, labels = csgraph.connected_components(_matrix(net), directed=True, connection="strong")
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=1))
    parts = np.split(order, ends[:-1])
    return [part.astype(np.int64) for part in parts if part.size > 1]


def _part(net: Csr, members: Int) -> Csr:
    """Return the edges among some agents."""
    return csr(_matrix(net)[members][:, members])


def _enclose(part: Csr, scale: Float, tol: float, max_rounds: int) -> tuple[Float, Float, Int]:
    """Return bounds and rounds of one strongly connected component, lane by lane."""
    n, lanes = scale.shape
    x, image = full(1.0, n, lanes), empty(n, lanes)
    low, high = np.zeros(lanes), np.full(lanes, np.inf)
    least, most = empty(lanes), empty(lanes)
    rounds, active = np.zeros(lanes, dtype=np.int64), np.ones(lanes, dtype=np.bool_)
    power_rounds = min(max_rounds, POWER_ROUNDS) if n <= INVERSE_LIMIT else max_rounds
    for _ in range(power_rounds):
        quotients(part.indptr, part.indices, part.weights, scale, x, image, least, most)
        rounds += active
        low = np.where(active, np.maximum(low, least), low)
        high = np.where(active, np.minimum(high, most), high)
        active &= ~(high - low <= tol * high)
        if not active.any():
            return low, high, rounds
        following = image + 0.5 * most * x
        following /= following.max(axis=0)
        # A component that has shrunk to nothing bounds nothing: such a lane keeps what it has.
        active &= (following > 0.0).all(axis=0)
        x[:, active] = following[:, active]
    for lane in np.flatnonzero(active) if n <= INVERSE_LIMIT and rounds.max() < max_rounds else []:
        one = aligned(scale[:, lane : lane + 1])
        limit = min(INVERSE_ROUNDS, max_rounds - int(rounds[lane]))
        low[lane], high[lane], played = _inverse(part, one, aligned(x[:, lane : lane + 1]), tol, limit)
        rounds[lane] += played
    return low, high, rounds


def _inverse(part: Csr, scale: Float, x: Float, tol: float, limit: int) -> tuple[float, float, int]:
    """Close the bounds of one lane: x <- (upper I - B)^-1 x, in the scaling that makes row sums explicit."""
    n = part.n_rows
    rows = np.repeat(np.arange(n), np.diff(part.indptr))
    image, least, most = empty(n, 1), empty(1), empty(1)
    low, high, played = 0.0, np.inf, 0
    while played < limit:
        played += 1
        quotients(part.indptr, part.indices, part.weights, scale, x, image, least, most)
        low, high = max(low, float(least[0])), min(high, float(most[0]))
        if high - low <= tol * high:
            break
        # X^-1 (upper I - B) X has off-diagonal -b_ij x_j / x_i and row sums upper - (B x)_i / x_i, none negative.
        off, pivot, grown = full(0.0, n, n), empty(n), full(1.0, n)
        off[part.indices, rows] = scale[rows, 0] * part.weights * x[part.indices, 0] / x[rows, 0]
        factor(off, aligned(most[0] - image[:, 0] / x[:, 0]), pivot)
        solve_transposed(off, pivot, grown)
        following = x[:, 0] * (grown / grown.max())
        if not _usable(following):
            break
        x[:, 0] = following
    return low, high, played


def _usable(x: Float) -> bool:
    """Tell whether every entry is positive and finite."""
    return bool((np.isfinite(x) & (x > 0.0)).all())
