"""Whose default hurts the others, who is hurt, and by how much contagion multiplies losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, Int, empty
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome
from sim.kernels.total import total

CHUNK = 256
"""Defaults played side by side."""

ROUNDED_ONE = 1.0 - 1e-12
"""A stress from here on is a default: rounding may keep a sum of losses just below all equity."""

NO_FIRST_ROUND = 1e-9
"""First-round losses below this share of assets leave the amplification undefined."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Importance(Outcome):
    """What each agent's default does to the others, and what the others' defaults do to it.

    Parameters
    ----------
    impact : float64[n], 1
        Weighted stress of all others when the agent defaults, as a share of all weight.
    vulnerability : float64[n], 1
        Mean stress of the agent over the defaults of all others, one at a time; 0 for a single agent.
    defaults : int64[n]
        Others that default as well when the agent does.
    rounds : int64[n]
        As in `Outcome`, for each initial default.
    residual : float64[n], 1
        As in `Outcome`, for each initial default.
    status : ndarray of str
        As in `Outcome`, for each initial default.
    """

    impact: Any
    vulnerability: Any
    defaults: Any


def single_defaults(
    exposures: Any,
    equity: npt.ArrayLike,
    *,
    method: str = "debtrank",
    weights: npt.ArrayLike | None = None,
    recovery_rate: npt.ArrayLike = 0.0,
    allow_uncertified: bool = False,
    **options: Any,
) -> Importance:
    r"""Let every agent default in turn and measure what happens to the others.

    .. math::
        \text{impact}_i = \frac{\sum_{j \ne i} \omega_j h_j^{(i)}}{\sum_j \omega_j}, \qquad
        \text{vulnerability}_j = \frac{1}{n - 1} \sum_{i \ne j} h_j^{(i)}

    with :math:`h_j^{(i)}` the relative equity loss of j, at most 1, when i defaults.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: ``exposures[i, j]`` is the claim of creditor i on debtor j.
    equity : array_like
        A number or ``float64[n]``, currency, 0 or more.
    method : str
        ``"debtrank"`` (losses are passed on before default) or ``"cascade"`` (only at default).
    weights : array_like, optional
        A number or ``float64[n]``, any unit, 0 or more: :math:`\omega`. None: equity.
    recovery_rate : float or array_like
        What creditors get back of a claim on a debtor in default, 1.
    allow_uncertified : bool
        Whether unfinished draws are returned instead of raised.
    **options
        Passed on to `sim.contagion.debtrank.debtrank` (``variant``, ``alpha``, ``tol``, ``max_rounds``) or
        `sim.contagion.cascade.cascade` (``default_at_zero``, ``max_rounds``).

    Returns
    -------
    Importance
        Impact, vulnerability and number of further defaults of every agent.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.
    UnknownNameError
        If there is no such method.
    ConvergenceError
        As the method raises it.

    References
    ----------
    Furfine (2003); Battiston, Puliga, Kaushik, Tasca and Caldarelli (2012); Bardoscia et al. (2015).

    Examples
    --------
    Bank 0 lent 4 to bank 1, which lent 3 to bank 2. The default of 2 takes 3 of the 2 that bank 1 has and so 4 of the 5
    of bank 0: 2 + 4 of 8.

    >>> found = single_defaults([[0, 4, 0], [0, 0, 3], [0, 0, 0]], [5, 2, 1], method="cascade")
    >>> found.impact.tolist(), found.defaults.tolist()
    ([0.0, 0.5, 0.75], [0, 0, 1])
    >>> importance_ranking(found.impact).tolist()
    [2, 1, 0]
    """
    inputs = Inputs()
    inputs.choice("method", method, ("cascade", "debtrank"))
    net = inputs.network("exposures", exposures)
    n = net.n_rows
    if n == 0:
        inputs.check()
    capital = inputs.numbers("equity", equity, n, low=0.0, lanes=False)
    worth = capital if weights is None else inputs.numbers("weights", weights, n, low=0.0, lanes=False)
    inputs.check()
    impact, defaults, hurt = np.zeros(n), np.zeros(n, dtype=np.int64), np.zeros(n)
    ends: list[tuple[Any, Any, Any]] = []
    for start in range(0, n, CHUNK):
        failing = np.arange(start, min(n, start + CHUNK))
        stress, failed, outcome = _play(
            net,
            capital,
            failing,
            method,
            {"recovery_rate": recovery_rate, "allow_uncertified": allow_uncertified} | options,
        )
        itself = (failing, np.arange(failing.size))
        stress[itself], failed[itself] = 0.0, False
        impact[failing] = _sum(stress * worth[:, None])
        hurt += _sum(stress.T)
        defaults[failing] = failed.sum(axis=0)
        ends.append((outcome.rounds, outcome.residual, outcome.status))
    scale = _sum(worth[:, None])[0]
    return Importance(
        impact=np.divide(impact, scale, out=np.zeros(n), where=scale > 0.0),
        vulnerability=hurt / max(n - 1, 1),
        defaults=defaults,
        rounds=np.concatenate([rounds for rounds, _, _ in ends]) if ends else np.zeros(0, dtype=np.int64),
        residual=np.concatenate([residual for _, residual, _ in ends]) if ends else np.zeros(0),
        status=np.concatenate([status for _, _, status in ends]) if ends else np.zeros(0, dtype=np.str_),
    )


def importance_ranking(scores: npt.ArrayLike, *, digits: int = 12) -> Int:
    """Rank agents by a score such as their impact, most important first.

    Scores that agree to `digits` digits of the largest are ties, and ties keep the order of the agents: symmetric
    agents do not change places because a sum was rounded differently.

    Parameters
    ----------
    scores : array_like
        ``float64[n]``, any unit; NaN ranks last.
    digits : int
        Decimal digits, relative to the largest score in size, that count.

    Returns
    -------
    int64[n]
        Agents, most important first.

    Raises
    ------
    InputError
        If `scores` is no vector of numbers.

    Examples
    --------
    >>> importance_ranking([0.1, 0.3, 0.1 + 1e-16, 0.2]).tolist()
    [1, 3, 0, 2]
    """
    inputs = Inputs()
    values = np.asarray(scores)
    if values.dtype.kind not in "buif" or values.ndim != 1:
        inputs.refuse("scores", f"scores has dtype {values.dtype} and {values.ndim} axes; allowed: one axis of numbers")
    places = inputs.whole("digits", digits)
    inputs.check()
    values = values.astype(np.float64)
    largest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    relative = values / largest if largest > 0.0 else values
    return np.argsort(-np.round(relative, places), kind="stable").astype(np.int64)


def amplification(total_loss: npt.ArrayLike, first_round_loss: npt.ArrayLike, assets: float) -> Any:
    r"""Return by how much contagion multiplies what the shock itself takes.

    .. math::
        \text{amplification} = \frac{\text{total loss}}{\text{first-round loss}}

    Parameters
    ----------
    total_loss, first_round_loss : float or array_like
        A number or ``float64[n_draws]``, currency, 0 or more: all losses, and those before any contagion.
    assets : float
        Total assets of the agents, currency, above 0.

    Returns
    -------
    float or float64[n_draws], 1
        NaN where the first-round loss is below 1e-9 of `assets`: a rumour without a first-round loss has no ratio, and
        a tiny denominator would make an enormous one. Report the absolute loss there.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    Examples
    --------
    >>> amplification([30.0, 12.0, 5.0], [10.0, 12.0, 0.0], assets=1000.0)
    array([ 3.,  1., nan])
    """
    inputs = Inputs()
    everything = inputs.numbers("total_loss", total_loss, (), low=0.0)
    first = inputs.numbers("first_round_loss", first_round_loss, (), low=0.0)
    size = inputs.number("assets", assets, low=0.0, above=True)
    inputs.check()
    below, above = inputs.block(first, ()), inputs.block(everything, ())
    ratio = np.full(inputs.width, np.nan)
    np.divide(above, below, out=ratio, where=below / size >= NO_FIRST_ROUND)
    return inputs.give(ratio)


def contagion_index(
    exposures: Any,
    equity: npt.ArrayLike,
    stress_loss: npt.ArrayLike,
    *,
    recovery_rate: npt.ArrayLike = 0.0,
    default_at_zero: bool = False,
) -> Float:
    r"""Return what contagion is expected to cost the others when an agent defaults under common stress.

    .. math::
        CI_i = E\big[\, DI(E - \epsilon) \,\big|\, E_i - \epsilon_i < 0 \big], \qquad
        DI = \sum_j \big[ (E_j - \epsilon_j)^+ - (E_j - \epsilon_j - x_j)^+ \big]

    with :math:`x_j` the loss of j in the default cascade that starts from all agents whom the stress itself brings
    down. The capital of those is gone before contagion, so the index counts what is lost by the others. A default in a
    quiet market and one in a crisis are different things: the expectation is over the draws in which i defaults.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: ``exposures[i, j]`` is the claim of creditor i on debtor j.
    equity : array_like
        A number or ``float64[n]``, currency.
    stress_loss : array_like
        ``float64[n, n_draws]``, currency, 0 or more: draws of :math:`\epsilon`, what the common stress takes from each.
    recovery_rate : float or array_like
        A number or ``float64[n]``, 1: what creditors get back of a claim on each debtor in default.
    default_at_zero : bool
        Whether an agent defaults when its equity is exactly zero.

    Returns
    -------
    float64[n], currency
        NaN for agents that default in no draw.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used.

    References
    ----------
    Cont, Moussa and Santos (2013), "Network structure and systemic risk in banking systems", Handbook on Systemic Risk,
    definitions of Default Impact and Contagion Index.

    Examples
    --------
    Bank 1 has 2, bank 0 has 5 and a claim of 4 on it. It fails in the last two of three draws; in the third the stress
    has left bank 0 only 1 to lose: (4 + 1) / 2.

    >>> contagion_index([[0, 4], [0, 0]], [5, 2], [[0, 0, 4], [0, 3, 3]])
    array([nan, 2.5])
    """
    from sim.contagion.cascade import cascade

    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    n = net.n_rows
    if n == 0:
        inputs.check()
    capital = inputs.numbers("equity", equity, n, lanes=False)
    losses = inputs.numbers("stress_loss", stress_loss, n, low=0.0)
    if inputs.lanes is None:
        inputs.refuse("stress_loss", "stress_loss has no axis of draws; allowed: (n_agents, n_draws)")
    inputs.check()
    found = cascade(exposures, capital, losses, recovery_rate=recovery_rate, default_at_zero=default_at_zero)
    left = capital[:, None] - losses
    failed = left <= 0.0 if default_at_zero else left < 0.0
    damage = _sum(np.maximum(left, 0.0) - np.maximum(found.equity, 0.0))
    times = failed.sum(axis=1)
    index = np.full(n, np.nan)
    np.divide(_sum(failed.T * damage[:, None]), times, out=index, where=times > 0)
    return index


def _play(net: Csr, equity: Float, failing: Int, method: str, options: dict[str, Any]) -> tuple[Float, Bool, Outcome]:
    """Return stress ``[n, n_failing]``, who failed, and the outcome, one column per initial default."""
    exposures = _layer(net)
    if method == "cascade":
        from sim.contagion.cascade import cascade

        found = cascade(exposures, equity, failing=failing, **options)
        failed = np.array(found.is_defaulted)
        share = np.divide(found.loss, equity[:, None], out=failed.astype(np.float64), where=equity[:, None] > 0.0)
        return np.minimum(share, 1.0), failed, found
    from sim.contagion.debtrank import debtrank

    shock = np.zeros((net.n_rows, failing.size))
    shock[failing, np.arange(failing.size)] = 1.0
    ranked = debtrank(exposures, equity, shock, **options)
    stress = np.array(ranked.stress)
    return stress, stress >= ROUNDED_ONE, ranked


def _layer(net: Csr) -> Any:
    """Return a checked network in a form that every algorithm takes."""
    from scipy import sparse

    return sparse.csr_array((net.weights, net.indices, net.indptr), shape=(net.n_rows, net.n_columns))


def _sum(values: Any) -> Float:
    """Sum over rows in their order."""
    rows = np.ascontiguousarray(values, dtype=np.float64)
    out = empty(rows.shape[1])
    total(rows, out)
    return out
