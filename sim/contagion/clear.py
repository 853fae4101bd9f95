"""Clearing: who can pay how much when everybody pays out of what everybody else pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Csr, Float, empty, full
from sim.contagion.exact import Books, Cleared, vector
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.kernels.pull import pull

SENIORITIES = ("pari-passu", "external-senior")
"""How debt to outsiders ranks against interbank debt."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Clearing(Outcome):
    """A clearing vector; arrays have a trailing axis of draws when a block was given.

    Parameters
    ----------
    recovery, external_recovery : float64[n_agents], 1
        Paid per unit of interbank debt and per unit of debt to outsiders; 1 where none is owed.
    payments : float64[n_agents], currency
        Total paid, interbank and external.
    equity : float64[n_agents], currency
        Assets at recovery less all debt at face, before bankruptcy costs; negative is a shortfall.
    is_defaulted : bool[n_agents]
        Whether net worth is negative (with `default_at_zero`: not positive).
    wave : int64[n_agents]
        Round of the fictitious default algorithm in which the agent fails, 0 = never. In a least clearing vector, to
        which no such order belongs, 1 for every agent in default.
    bankruptcy_cost : float64[n_agents], currency
        Assets that default destroys.
    unmet : float64[n_agents], currency
        What negative external assets of a failed agent leave unpaid (see `clear`); 0 where they are 0 or more.
    gap : float or float64[n_draws] or None, 1
        Largest distance between the greatest and the least recoveries; None unless `bounds` was asked for.
    recovery_least : float64[n_agents] or None, 1
        Least recoveries; None unless `bounds` was asked for.
    """

    recovery: Any
    external_recovery: Any
    payments: Any
    equity: Any
    is_defaulted: Any
    wave: Any
    bankruptcy_cost: Any
    unmet: Any
    gap: Any = None
    recovery_least: Any = None


def clear(
    exposures: Any,
    external_assets: Any,
    external_liabilities: Any = 0.0,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    seniority: str = "pari-passu",
    least: bool = False,
    bounds: bool = False,
    default_at_zero: bool = False,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> Clearing:
    r"""Find the clearing vector of Eisenberg and Noe, or with bankruptcy costs of Rogers and Veraart.

    .. math::
        E_i = e_i + \sum_j A_{ij} x_j - \bar p_i, \qquad x_i = 1 \text{ if } E_i \ge 0, \text{ else }
        \min\Big(1, \frac{(\alpha e_i + \beta \sum_j A_{ij} x_j - s_i)^+}{d_i}\Big)

    with all debt :math:`\bar p_i`. Pari passu, every creditor is paid the same share: :math:`d_i = \bar p_i`,
    :math:`s_i = 0`. With ``seniority="external-senior"`` outsiders come first: :math:`s_i` is the debt to them and
    :math:`d_i` the interbank debt.

    The clearing vector returned is the greatest. It is found by the fictitious default algorithm, each settlement by
    an elimination without subtractions, so that long or closed cycles of debt cost no accuracy; a draw with very many
    failures is iterated from above instead. What cannot be brought to `tol` is refused.

    External assets below zero (a loss above what was there) are a net obligation that ranks before all debt:
    :math:`\alpha e_i` is then :math:`e_i` itself, since a debt does not shrink by bankruptcy. The agent pays
    :math:`(\cdot)^+`, the map stays isotone, and what is left of the obligation is reported as `unmet`, so that money
    adds up:

    .. math::
        \sum_i e_i = \sum_i \text{paid to outsiders}_i + \sum_i E_i^+ + \sum_i \text{cost}_i - \sum_i \text{unmet}_i

    Parameters
    ----------
    exposures : float64[n_agents, n_agents], currency
        Claim of creditor i on debtor j; array, SciPy sparse or `sim.Layer`.
    external_assets : float64[n_agents] or float64[n_agents, n_draws], currency
        All other assets, after any shock.
    external_liabilities : float64[n_agents] or float64[n_agents, n_draws], currency
        Debt to outsiders.
    alpha, beta : float
        Shares of external and of interbank assets that survive default, in [0, 1].
    seniority : str
        "pari-passu" or "external-senior".
    least : bool
        Return the least clearing vector instead.
    bounds : bool
        Find both and report the `gap`; the status is "multiple" where it is wide.
    default_at_zero : bool
        Whether net worth of exactly zero is a default.
    tol : float
        Absolute, on recoveries.
    max_rounds : int
        Most rounds of the algorithm, and of an iteration within it.
    allow_uncertified : bool
        Return the last state where `tol` is not reached, instead of raising.

    Returns
    -------
    Clearing
        Recoveries, payments, equity, who fails and when; rounds, residual and status.

    Raises
    ------
    InputError
        Naming argument, index and value of everything unusable.
    ConvergenceError
        If some draw is not certified.

    References
    ----------
    Eisenberg and Noe (2001), Management Science 47(2), eq. 7 and section 3.1; Rogers and Veraart (2013), Management
    Science 59(4), eq. 2 and definition 3.6; Acemoglu, Ozdaglar and Tahbaz-Salehi (2015), American Economic Review
    105(2), eq. 1 to 3, for senior outside debt.

    Examples
    --------
    Agent 0 owes 10 to agent 1, which owes 8 to agent 2; outside they own 4, 1 and 1. Agent 0 pays 4 of 10, agent 1
    then 5 of 8:

    >>> import numpy as np
    >>> exposures = np.array([[0, 0, 0], [10, 0, 0], [0, 8, 0]])
    >>> cleared = clear(exposures, [4, 1, 1])
    >>> cleared.recovery.tolist(), cleared.payments.tolist()
    ([0.4, 0.625, 1.0], [4.0, 5.0, 0.0])
    >>> cleared.wave.tolist(), cleared.equity.tolist(), cleared.status
    ([1, 2, 0], [-6.0, -3.0, 6.0], 'certified')

    If half of a failed agent's external assets are lost, agent 0 pays 2 and agent 1 pays 2.5:

    >>> clear(exposures, [4, 1, 1], alpha=0.5).payments.tolist()
    [2.0, 2.5, 0.0]
    """
    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    assets = inputs.numbers("external_assets", external_assets, net.n_rows)
    debt = inputs.numbers("external_liabilities", external_liabilities, net.n_rows, low=0.0)
    alpha = inputs.number("alpha", alpha, low=0.0, high=1.0)
    beta = inputs.number("beta", beta, low=0.0, high=1.0)
    tol = inputs.number("tol", tol, low=0.0, above=True)
    max_rounds = inputs.whole("max_rounds", max_rounds, low=1)
    inputs.choice("seniority", seniority, SENIORITIES)
    inputs.check()
    e, outside = inputs.block(assets), inputs.block(debt)
    senior = seniority == "external-senior"
    books = opened(net, e, outside, alpha=alpha, beta=beta, senior=senior, at_zero=default_at_zero)
    found = vector(books, tol=tol, max_rounds=max_rounds, least=least)
    other = vector(books, tol=tol, max_rounds=max_rounds, least=not least) if bounds else None
    result = _statement(inputs, books, outside, found, senior)
    return settled("clear", _bounded(inputs, result, found, other, least, tol), tol, allow_uncertified)


def opened(
    net: Csr,
    assets: Float,
    outside: Float,
    *,
    alpha: float,
    beta: float,
    senior: bool = False,
    at_zero: bool = False,
    columns: Csr | None = None,
) -> Books:
    """Open the books of a clearing.

    Parameters
    ----------
    net : Csr
        Exposures.
    assets, outside : float64[n, n_lanes], currency
        External assets and debt to outsiders.
    alpha, beta : float
        Shares of external and interbank assets that survive default.
    senior, at_zero : bool
        Whether outsiders are paid first; whether net worth of zero is a default.
    columns : Csr or None
        Exposures by debtor, where they are known already.

    Returns
    -------
    Books
        What the clearing algorithms need.
    """
    columns = net.transposed() if columns is None else columns
    inside = owed_inside(columns, assets.shape[1])
    own = alpha * np.maximum(assets, 0.0) + np.minimum(assets, 0.0)
    owed = inside + outside
    costly = alpha < 1.0 or beta < 1.0
    if senior:
        return Books(net, columns, assets, owed, own - outside, inside, full(0.0, *own.shape), beta, costly, at_zero)
    return Books(net, columns, assets, owed, own, owed, outside, beta, costly, at_zero)


def owed_inside(columns: Csr, n_lanes: int) -> Float:
    """Return what each agent owes to the others.

    Parameters
    ----------
    columns : Csr
        Exposures by debtor.
    n_lanes : int
        How many lanes to fill.

    Returns
    -------
    float64[n, n_lanes], currency
        Sums in the order of creditors.
    """
    out = empty(columns.n_rows, n_lanes)
    pull(columns.indptr, columns.indices, columns.weights, full(1.0, columns.n_columns, n_lanes), out)
    return out


def _statement(inputs: Inputs, books: Books, outside: Float, found: Cleared, senior: bool) -> Clearing:
    """Draw up the balance sheets at a clearing vector."""
    inside = books.inside(found.x)
    failing = books.failing(inside)
    means = books.own + books.beta * inside  # net of senior debt
    external = found.x
    if senior:
        means = means + outside
        paid = np.minimum(1.0, np.maximum(means, 0.0) / np.where(outside > 0.0, outside, 1.0))
        external = np.where(failing & (outside > 0.0), paid, 1.0)
    payments = found.x * (books.owed - outside) + external * outside
    return Clearing(
        recovery=inputs.give(found.x),
        external_recovery=inputs.give(external),
        payments=inputs.give(payments),
        equity=inputs.give(books.assets + inside - books.owed),
        is_defaulted=inputs.give(failing),
        wave=inputs.give(found.wave),
        bankruptcy_cost=inputs.give(np.where(failing, books.assets + inside - means, 0.0)),
        unmet=inputs.give(np.where(failing, np.maximum(-means, 0.0), 0.0)),
        rounds=inputs.give(found.rounds),
        residual=inputs.give(found.residual),
        status=inputs.give(statuses(found.certified)),
    )


def _bounded(
    inputs: Inputs, result: Clearing, found: Cleared, other: Cleared | None, least: bool, tol: float
) -> Clearing:
    """Add what the other end of the lattice says."""
    if other is None:
        return result
    gap = np.abs(found.x - other.x).max(axis=0, initial=0.0)
    facts = dict(vars(result))
    facts["gap"] = inputs.give(gap)
    facts["recovery_least"] = inputs.give(found.x if least else other.x)
    facts["rounds"] = inputs.give(found.rounds + other.rounds)
    facts["residual"] = inputs.give(np.maximum(found.residual, other.residual))
    facts["status"] = inputs.give(statuses(found.certified & other.certified, gap > 10.0 * tol))
    return Clearing(**facts)
