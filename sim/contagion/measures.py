"""Measures of paths along which a default can travel: criticality, susceptibility, fluidity, diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Csr, Float, aligned, csr, empty, full
from sim.contagion.inputs import Inputs
from sim.kernels.pull import pull
from sim.kernels.total import total

NEGLIGIBLE = 2.0**-54
"""A term this small beside its sum does not change it."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ImpactDiffusion:
    """How much an agent contributes to the paths of contagion.

    Parameters
    ----------
    start : float64[n], 1
        Paths that begin at the agent and are lost when it passes nothing on.
    intermediate : float64[n], 1
        Paths that only lead through it.
    total : float64[n], 1
        Both.
    """

    start: Float
    intermediate: Float
    total: Float


def criticality(exposures: Any, equity: npt.ArrayLike, *, binary: bool = False) -> Float:
    r"""Return how much equity of its direct creditors an agent's default destroys, each counted as one.

    .. math::
        \kappa_j = \sum_i M_{ji}, \qquad M_{ji} = \min\Big(1, \frac{A_{ij}}{E_i}\Big)

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: ``exposures[i, j]`` is the claim of creditor i on debtor j.
    equity : array_like
        A number or ``float64[n]``, currency, above 0: the buffer that absorbs losses.
    binary : bool
        Whether only creditors that would fail count, with 1.

    Returns
    -------
    float64[n], 1
        0 for an agent that owes nothing.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Silva, Souza and Tabak (2015), Central Bank of Brazil working papers 391 and 392.

    Examples
    --------
    >>> criticality([[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2])
    array([2. , 1.5, 0.6])
    """
    impact = _impacts(exposures, equity, binary)
    return _row_sums(impact)


def communicability(matrix: Any, *, terms: int | None = None) -> Float:
    r"""Return the exponential of a matrix of influences: all walks from i to j, a walk of length k divided by k!.

    .. math::
        G = e^M = \sum_{k \ge 0} \frac{M^k}{k!}

    All terms are positive, so the series is summed as it stands, without cancellation.

    Parameters
    ----------
    matrix : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, 1: weight of the step from i to j, 0 or more, no loops.
    terms : int, optional
        Longest walk counted. None: until nothing changes.

    Returns
    -------
    float64[n, n], 1
        Dense.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Estrada and Hatano (2008), Physical Review E 77, 036111.

    Examples
    --------
    >>> communicability([[0, 1, 1], [0, 0, 1], [0, 0, 0]])
    array([[1. , 1. , 1.5],
           [0. , 1. , 1. ],
           [0. , 0. , 1. ]])
    """
    inputs = Inputs()
    net = inputs.network("matrix", matrix)
    longest = None if terms is None else inputs.whole("terms", terms)
    inputs.check()
    return _walks(net, longest)


def impact_susceptibility(
    exposures: Any,
    equity: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    binary: bool = True,
    terms: int | None = None,
) -> Float:
    r"""Return how many walks of contagion reach an agent, for each one that reaches it directly.

    .. math::
        S_i = \frac{\sum_{j \ne i} (e^M)_{ji}}{\sum_j M_{ji}}

    Above 1 an agent is vulnerable to more than its own debtors.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        As in `criticality`.
    equity : array_like
        As in `criticality`.
    weights : array_like, optional
        A number or ``float64[n]``, any unit, 0 or more: what replaces the division, :math:`S_i = \omega_i \sum_{j \ne
        i} (e^M)_{ji}`.
    binary : bool
        Whether M holds 1 where the default of j alone makes i fail, and 0 elsewhere.
    terms : int, optional
        As in `communicability`.

    Returns
    -------
    float64[n], 1 or unit of `weights`
        0 for an agent that nobody reaches.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Silva, Souza and Tabak (2015), Central Bank of Brazil working paper 392.

    Examples
    --------
    The default of 0 makes 1 and 2 fail, that of 1 makes 2 fail: 2 is reached by 1 + 1 direct walks and half a long one.

    >>> impact_susceptibility([[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2])
    array([0.  , 1.  , 1.25])
    """
    impact = _impacts(exposures, equity, binary)
    walks = _elsewhere(impact, _terms(terms))
    reached = _column_sums(walks)
    if weights is not None:
        return reached * _weights(weights, impact.n_rows)
    direct = _row_sums(impact.transposed())
    return np.divide(reached, direct, out=np.zeros_like(reached), where=direct > 0.0)


def impact_fluidity(
    exposures: Any,
    equity: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    binary: bool = True,
    terms: int | None = None,
) -> float:
    r"""Return the mean of `impact_susceptibility` over all agents, :math:`F = \frac{1}{n} \sum_i S_i`.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        As in `criticality`.
    equity : array_like
        As in `criticality`.
    weights : array_like, optional
        As in `impact_susceptibility`.
    binary : bool
        As in `impact_susceptibility`.
    terms : int, optional
        As in `communicability`.

    Returns
    -------
    float, 1 or unit of `weights`
        0 for a network in which no default reaches anybody.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Silva, Souza and Tabak (2015), Central Bank of Brazil working paper 392.

    Examples
    --------
    >>> impact_fluidity([[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2])
    0.75
    """
    reached = impact_susceptibility(exposures, equity, weights=weights, binary=binary, terms=terms)
    return float(_column_sums(reached[:, None])[0]) / max(reached.size, 1)


def impact_diffusion(
    exposures: Any,
    equity: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    binary: bool = True,
    terms: int | None = None,
) -> ImpactDiffusion:
    r"""Return how many walks of contagion are cut when an agent passes nothing on.

    .. math::
        D^{(q)}_{ij} = (e^M)_{ij} - (e^{M \setminus q})_{ij} \ (i \ne j), \qquad
        \text{start}_q = \frac{\sum_j D^{(q)}_{qj}}{\sum_j M_{qj}}, \qquad
        \text{intermediate}_q = \frac{\sum_{i \ne q} \sum_j D^{(q)}_{ij}}{\sum_j M_{qj}}

    where :math:`M \setminus q` has row q emptied. One matrix exponential per agent that reaches anybody: meant for
    systems of some hundreds.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        As in `criticality`.
    equity : array_like
        As in `criticality`.
    weights : array_like, optional
        A number or ``float64[n]``, any unit, 0 or more: weight of the end of a walk; replaces the division.
    binary : bool
        As in `impact_susceptibility`.
    terms : int, optional
        As in `communicability`.

    Returns
    -------
    ImpactDiffusion
        All 0 for an agent that reaches nobody.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Silva, Souza and Tabak (2015), Central Bank of Brazil working paper 392.

    Examples
    --------
    >>> found = impact_diffusion([[0, 1, 0], [10, 0, 3], [3, 2, 0]], [2, 5, 2])
    >>> found.start, found.intermediate
    (array([1.25, 1.  , 0.  ]), array([0. , 0.5, 0. ]))
    """
    impact = _impacts(exposures, equity, binary)
    n, longest = impact.n_rows, _terms(terms)
    ends = None if weights is None else _weights(weights, n)
    whole = _elsewhere(impact, longest)
    direct = _row_sums(impact)
    start, between = np.zeros(n), np.zeros(n)
    rows = np.repeat(np.arange(n), np.diff(impact.indptr))
    for q in np.flatnonzero(direct > 0.0):
        mute = csr(_matrix(impact._replace(weights=np.where(rows == q, 0.0, impact.weights))))
        lost = np.maximum(whole - _elsewhere(mute, longest), 0.0)
        per_start = _column_sums(lost.T if ends is None else lost.T * ends[:, None])
        if ends is None:
            per_start = per_start / direct[q]
        start[q] = per_start[q]
        between[q] = _column_sums(np.delete(per_start, q)[:, None])[0]
    return ImpactDiffusion(start=start, intermediate=between, total=start + between)


def _impacts(exposures: Any, equity: npt.ArrayLike, binary: bool) -> Csr:
    """Return M: row who defaults, column who is hit, entry what part of its equity is lost."""
    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    if net.n_rows == 0:
        inputs.check()
    capital = inputs.numbers("equity", equity, net.n_rows, low=0.0, above=True, lanes=False)
    inputs.check()
    lenders = np.repeat(np.arange(net.n_rows), np.diff(net.indptr))
    share = np.minimum(net.weights / capital[lenders], 1.0)
    kept = np.where(share >= 1.0, 1.0, 0.0) if binary else share
    return csr(_matrix(net._replace(weights=kept))).transposed()


def _matrix(net: Csr) -> Any:
    """Return the same edges as a SciPy array."""
    from scipy import sparse

    return sparse.csr_array((net.weights, net.indices, net.indptr), shape=(net.n_rows, net.n_columns))


def _walks(net: Csr, longest: int | None) -> Float:
    """Sum the exponential series."""
    n = net.n_rows
    term, walks = aligned(np.eye(n)), aligned(np.eye(n))
    norm = _row_sums(net).max(initial=0.0)
    k = 0
    while longest is None or k < longest:
        k += 1
        following = empty(n, n)
        pull(net.indptr, net.indices, net.weights, term, following)
        following /= k
        walks += following
        term = following
        if k >= norm and (term <= NEGLIGIBLE * walks).all():
            break
    return walks


def _elsewhere(net: Csr, longest: int | None) -> Float:
    """Return all walks between different agents."""
    walks = _walks(net, longest)
    np.fill_diagonal(walks, 0.0)
    return walks


def _terms(terms: int | None) -> int | None:
    """Take in the longest walk."""
    inputs = Inputs()
    longest = None if terms is None else inputs.whole("terms", terms)
    inputs.check()
    return longest


def _weights(weights: npt.ArrayLike, n: int) -> Float:
    """Take in economic weights."""
    inputs = Inputs()
    made = inputs.numbers("weights", weights, n, low=0.0, lanes=False)
    inputs.check()
    return made


def _row_sums(net: Csr) -> Float:
    """Sum each row in CSR order."""
    out = empty(net.n_rows, 1)
    pull(net.indptr, net.indices, net.weights, full(1.0, net.n_columns, 1), out)
    return out[:, 0]


def _column_sums(values: Float) -> Float:
    """Sum each column in row order."""
    out = empty(values.shape[1])
    total(np.ascontiguousarray(values), out)
    return out
