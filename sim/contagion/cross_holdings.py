"""Cross-holdings between organisations and the cascades of failures they carry (Elliott, Golub and Jackson 2014)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, Int, aligned, empty, full
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import propagate
from sim.kernels.eigen import factor, solve
from sim.kernels.pull import pull
from sim.kernels.total import total

DIRECT_LIMIT = 512
"""Organisations up to which book values are solved directly; above, by Neumann rounds."""

EXACT_LIMIT = 4096
"""Organisations up to which a slow or undecided draw is finished directly."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossHoldings(Outcome):
    """Values of organisations that own shares of one another.

    Parameters
    ----------
    value : float64[n] or float64[n, n_draws], currency
        Market value: what outside owners hold, after failure costs.
    book_value : float64[n] or float64[n, n_draws], currency
        Own assets and holdings in others, before the holdings of others are taken off.
    is_failed : bool[n] or bool[n, n_draws]
        Market value below the threshold.
    wave : int64[n] or int64[n, n_draws]
        Wave of failure, 1 for those whom the assets alone bring below their threshold, 0 for never. In the least
        equilibrium, which is not reached by waves, 1 for every failed organisation.
    gap : float or float64[n_draws] or None, currency
        Largest distance between the greatest and the least equilibrium value; None unless `bounds` was asked for.
    rounds : int or int64[n_draws]
        Linear systems solved, one per wave and one without a change.
    residual : float or float64[n_draws], 1
        Of the last linear system, in the 1-norm, relative to all book value; times all book value it bounds the errors
        of all market values together.
    status : str or ndarray of str
        As in `Outcome`; ``"multiple"`` only where `bounds` were asked for.
    """

    value: Any
    book_value: Any
    is_failed: Any
    wave: Any
    gap: Any = None


def cross_holdings(
    holdings: Any,
    assets: npt.ArrayLike,
    *,
    prices: npt.ArrayLike | None = None,
    failure_threshold: npt.ArrayLike | None = None,
    failure_cost: npt.ArrayLike = 0.0,
    least: bool = False,
    bounds: bool = False,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> CrossHoldings:
    r"""Value organisations that own shares of one another, with the failures this leads to.

    .. math::
        V = C V + D p - b(v), \qquad v = \hat C V = \hat C (I - C)^{-1} (D p - b(v)), \qquad
        \hat C = \mathrm{diag}\Big(1 - \sum_i C_{ij}\Big)

    with :math:`b_i = \beta_i` where :math:`v_i < \underline v_i` and 0 elsewhere. The best-case equilibrium is reached
    from no failure: each wave adds the organisations whose value is below their threshold. Discontinuous costs allow
    several equilibria; this one has the greatest values and the fewest failures.

    Parameters
    ----------
    holdings : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, shares: ``holdings[i, j]`` is the share of organisation j that i owns. Columns sum to less
        than 1 (somebody outside owns the rest), the diagonal is 0.
    assets : array_like
        ``float64[n]`` or ``float64[n, n_draws]``, currency: value of each organisation's own primitive assets. With
        `prices`, ``float64[n, n_assets]``: how much of each primitive asset it holds, 0 or more.
    prices : array_like, optional
        ``float64[n_assets]`` or ``float64[n_assets, n_draws]``, currency per unit of the primitive assets.
    failure_threshold : array_like, optional
        A number, ``float64[n]`` or ``float64[n, n_draws]``, currency: an organisation fails when its market value is
        below it; a value equal to it survives. None: nobody fails.
    failure_cost : array_like
        A number, ``float64[n]`` or ``float64[n, n_draws]``, currency, 0 or more: what failing destroys of the
        organisation's own assets. Values may become negative where it exceeds them.
    least : bool
        Return the worst-case equilibrium (least values, most failures) instead.
    bounds : bool
        Compute both and report their distance; the status is ``"multiple"`` where they differ.
    tol : float
        Largest residual of a certified answer, relative to all book value.
    max_rounds : int
        Neumann rounds per linear system, for systems too large to be solved directly.
    allow_uncertified : bool
        Whether an answer beyond `tol` is returned instead of raised.

    Returns
    -------
    CrossHoldings
        Values, failures and waves.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used, a column of `holdings` that sums to 1 or more
        among them.
    ConvergenceError
        If some draw does not reach `tol` and `allow_uncertified` is false.

    References
    ----------
    Elliott, Golub and Jackson (2014), American Economic Review 104(10), 3115-3153: section I for book and market values
    and failure costs, and their algorithm for the best-case equilibrium by waves; for values without failures,
    Brioschi, Buzzacchi and Colombo (1989).

    Examples
    --------
    Each of two organisations owns half of the other. The first asset falls to 0.4: the first organisation is worth
    (2/3) 0.4 + 1/3 = 0.6 and fails, which costs 0.3 and takes the second from 0.8 to 0.7.

    >>> found = cross_holdings([[0, 0.5], [0.5, 0]], [0.4, 1.0], failure_threshold=[0.65, 0.75], failure_cost=0.3)
    >>> found.wave
    array([1, 2])
    >>> found.value.round(12)
    array([0.3, 0.5])
    """
    inputs = Inputs()
    net = inputs.network("holdings", holdings)
    n = net.n_rows
    if n == 0:
        inputs.check()
    worth, held = _assets(inputs, assets, prices, n)
    limit = None if failure_threshold is None else inputs.numbers("failure_threshold", failure_threshold, n)
    cost = inputs.numbers("failure_cost", failure_cost, n, low=0.0)
    inputs.number("tol", tol, low=0.0)
    inputs.whole("max_rounds", max_rounds, low=1)
    kept = _kept(inputs, net)
    inputs.check()
    threshold = full(-np.inf, n, inputs.width) if limit is None else inputs.block(limit)
    system = _System(net, kept, max_rounds, tol)
    worths = inputs.block(worth)
    if held is not None:
        price, worths = worths, empty(n, inputs.width)
        pull(held.indptr, held.indices, held.weights, price, worths)
    best = _equilibrium(system, worths, threshold, inputs.block(cost), falling=not least)
    gap, multiple = None, None
    if bounds:
        other = _equilibrium(system, worths, threshold, inputs.block(cost), falling=least)
        gap = inputs.give(np.abs(best.value - other.value).max(axis=0, initial=0.0))
        multiple = (best.is_failed != other.is_failed).any(axis=0)
        best.certified &= other.certified
    result = CrossHoldings(
        value=inputs.give(best.value),
        book_value=inputs.give(best.book_value),
        is_failed=inputs.give(best.is_failed),
        wave=inputs.give(best.wave),
        gap=gap,
        rounds=inputs.give(best.rounds),
        residual=inputs.give(best.residual),
        status=inputs.give(statuses(best.certified, multiple)),
    )
    return settled("cross_holdings", result, tol, allow_uncertified)


def dependency_matrix(holdings: Any) -> Float:
    r"""Return who ultimately owns whose assets, :math:`A = \hat C (I - C)^{-1}`.

    Parameters
    ----------
    holdings : array_like, SciPy sparse array or matrix, or `sim.Layer`
        As in `cross_holdings`.

    Returns
    -------
    float64[n, n], 1
        ``A[i, j]`` is the share of j's primitive assets that reaches the outside owners of i. Columns sum to 1.

    Raises
    ------
    InputError
        As in `cross_holdings`.

    References
    ----------
    Elliott, Golub and Jackson (2014), section I.

    Examples
    --------
    >>> dependency_matrix([[0, 0.5], [0.5, 0]]).round(4)
    array([[0.6667, 0.3333],
           [0.3333, 0.6667]])
    """
    inputs = Inputs()
    net = inputs.network("holdings", holdings)
    kept = _kept(inputs, net)
    if net.n_rows > EXACT_LIMIT:
        inputs.refuse("holdings", f"holdings has {net.n_rows} rows; allowed: {EXACT_LIMIT}, since the result is dense")
    inputs.check()
    out = aligned(np.eye(net.n_rows))
    solve(*_factored(net, kept), out)
    return out * kept[:, None]


@dataclass
class _System:
    """One set of holdings, factored when first needed."""

    net: Csr
    kept: Float
    max_rounds: int
    tol: float
    triangles: list[tuple[Float, Float]] = field(default_factory=list)

    def book(self, own: Float, direct: bool) -> tuple[Float, Float, Bool]:
        """Return book values, their residual in the 1-norm, and whether they are as good as they can be."""
        if direct:
            if not self.triangles:
                self.triangles.append(_factored(self.net, self.kept))
            values = aligned(own)
            solve(*self.triangles[0], values)
            arrived = np.ones(own.shape[1], dtype=np.bool_)
        else:
            values, arrived = self._neumann(own)
        back = empty(*own.shape)
        pull(self.net.indptr, self.net.indices, self.net.weights, values, back)
        return values, _sum(np.abs(own - (values - back))), arrived

    def _neumann(self, own: Float) -> tuple[Float, Bool]:
        """Sum own assets over all chains of holdings: V = own + C own + C C own + ..., gains and debts apart."""
        size = np.abs(own).max(axis=0, initial=0.0)
        unit = np.ldexp(1.0, np.frexp(size)[1])  # a power of two, so that the scaling is exact
        signed = aligned(np.concatenate([np.maximum(own, 0.0), np.maximum(-own, 0.0)], axis=1) / np.tile(unit, 2))
        tol = min(self.tol, 1e-15)
        start = full(0.0, *signed.shape)
        found = propagate(
            self.net, lambda inflow: signed + inflow, start, tol=tol, max_rounds=self.max_rounds, rising=True
        )
        lanes = own.shape[1]
        values = (found.x[:, :lanes] - found.x[:, lanes:]) * unit
        return aligned(values), found.certified[:lanes] & found.certified[lanes:]


@dataclass
class _Equilibrium:
    """One equilibrium, all lanes."""

    value: Float
    book_value: Float
    is_failed: Bool
    wave: Int
    rounds: Int
    residual: Float
    certified: Bool


def _equilibrium(system: _System, worths: Float, threshold: Float, cost: Float, *, falling: bool) -> _Equilibrium:
    """Let organisations fail wave by wave from none, or recover from all, until nobody changes."""
    n, lanes = worths.shape
    start = np.zeros((n, lanes), dtype=np.bool_) if falling else threshold > -np.inf
    state = _Equilibrium(
        value=np.zeros((n, lanes)),
        book_value=np.zeros((n, lanes)),
        is_failed=start,
        wave=np.zeros((n, lanes), dtype=np.int64),
        rounds=np.zeros(lanes, dtype=np.int64),
        residual=np.zeros(lanes),
        certified=np.ones(lanes, dtype=np.bool_),
    )
    active = np.arange(lanes)
    while active.size:
        failed = state.is_failed[:, active]
        own = worths[:, active] - cost[:, active] * failed
        value, book, residual, certified = _values(system, own, threshold[:, active])
        state.value[:, active], state.book_value[:, active] = value, book
        state.residual[active] = residual
        state.certified[active] &= certified
        state.rounds[active] += 1
        below = value < threshold[:, active]
        # Failing lowers every value, so the failed only grow in number (or, from the worst case, only shrink).
        after = failed | below if falling else failed & below
        changed = after != failed
        if falling:
            state.wave[:, active] = np.where(changed, state.rounds[active], state.wave[:, active])
        state.is_failed[:, active] = after
        active = active[changed.any(axis=0)]
    if not falling:
        state.wave = state.is_failed.astype(np.int64)
    return state


def _values(system: _System, own: Float, threshold: Float) -> tuple[Float, Float, Float, Bool]:
    """Return market and book values, relative residuals and certificates; finish directly where rounds do not do."""
    n = own.shape[0]
    direct = n <= DIRECT_LIMIT
    book, residual, arrived = system.book(own, direct)
    kept = system.kept[:, None]
    if not direct:
        # Market values err by at most the residual (1-norm): a value that close to its threshold is undecided.
        undecided = (np.abs(kept * book - threshold) <= residual).any(axis=0)
        again = np.flatnonzero(~arrived | undecided)
        arrived &= ~undecided
        if again.size and n <= EXACT_LIMIT:
            book[:, again], residual[again], arrived[again] = system.book(own[:, again], True)
    size = _sum(np.abs(book))
    relative = np.divide(residual, size, out=np.zeros_like(residual), where=size > 0.0)
    return kept * book, book, relative, arrived & (relative <= system.tol)


def _assets(inputs: Inputs, assets: Any, prices: npt.ArrayLike | None, n: int) -> tuple[Float, Csr | None]:
    """Take in primitive values, or prices of primitive assets and who holds how much of them."""
    if prices is None:
        return inputs.numbers("assets", assets, n), None
    shape = np.shape(prices)
    price = inputs.numbers("prices", prices, shape[0] if shape else 1)
    held = inputs.network("assets", assets, n_columns=price.shape[0])
    if held.n_rows != n:
        inputs.refuse("assets", f"assets has {held.n_rows} rows; allowed: {n}, one per organisation")
    return price, held


def _kept(inputs: Inputs, net: Csr) -> Float:
    """Return what outside owners hold of each organisation, one minus its column sum."""
    sums = full(0.0, net.n_columns, 1)
    owners = net.transposed()
    pull(owners.indptr, owners.indices, owners.weights, full(1.0, net.n_rows, 1), sums)
    for j in np.flatnonzero(sums[:, 0] >= 1.0)[:5]:
        inputs.refuse("holdings", f"holdings[:, {j}] sums to {sums[j, 0]:g}; allowed: less than 1")
    return 1.0 - sums[:, 0]


def _factored(net: Csr, kept: Float) -> tuple[Float, Float]:
    """Return the triangles of I - C."""
    n = net.n_rows
    dense, pivot = full(0.0, n, n), empty(n)
    dense[np.repeat(np.arange(n), np.diff(net.indptr)), net.indices] = net.weights
    factor(dense, aligned(kept), pivot)
    return dense, pivot


def _sum(values: Float) -> Float:
    """Sum over agents in agent order."""
    out = empty(values.shape[1])
    total(np.ascontiguousarray(values), out)
    return out
