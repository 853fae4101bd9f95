"""Network valuation: what claims are worth when every agent's claims depend on every other's net worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from sim.arrays import Bool, Csr, Float, Int, empty, full
from sim.contagion.certify import certain
from sim.contagion.clear import opened, owed_inside
from sim.contagion.exact import vector
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import FixedPoint
from sim.errors import InputError, UnknownNameError, shown
from sim.kernels.exante import EXANTE, exante_value
from sim.kernels.pull import pull
from sim.kernels.valuation import CLEARING, VALUATIONS, nonlinear_value, value
from sim.valuations import RULES, OwnRule, Told, ValuationRule, worth
from sim.valuations.base import ROUNDING, compiled

NONLINEAR = "nonlinear-debtrank"


@dataclass(frozen=True, eq=False, kw_only=True)
class Valuation(Outcome):
    """Consistent values of all claims; arrays have a trailing axis of draws when a block was given.

    Parameters
    ----------
    equity : float64[n_agents], currency
        Net worth with claims on others at `value` and own debt at face.
    value : float64[n_agents], 1
        Of one unit of claim on each agent.
    is_defaulted : bool[n_agents]
        Whether net worth is negative (with `default_at_zero`: not positive).
    gap : float or float64[n_draws] or None, 1
        Largest distance between the greatest and the least values; None unless `bounds` was asked for.
    value_least : float64[n_agents] or None, 1
        Least values; None unless `bounds` was asked for.
    """

    equity: Any
    value: Any
    is_defaulted: Any
    gap: Any = None
    value_least: Any = None


@dataclass(frozen=True)
class _Sheets:
    """Balance sheets of one call as lanes, and what the valuations are told."""

    net: Csr
    columns: Csr
    assets: Float
    outside: Float
    debt: Float
    equity0: Float
    volatility: Float
    params: Float | None
    alpha: float
    beta: float
    recovery: float
    at_zero: bool

    def equity(self, inside: Float) -> Float:
        """Return net worth when claims bring `inside`."""
        worth: Float = self.assets + inside - self.debt
        return worth

    def failing(self, equity: Float) -> Bool:
        """Return who is in default."""
        failed: Bool = equity <= 0.0 if self.at_zero else equity < 0.0
        return failed

    def inside(self, worth: Float) -> Float:
        """Return what claims bring."""
        out = empty(*worth.shape)
        pull(self.net.indptr, self.net.indices, self.net.weights, worth, out)
        return out


def revalue(
    exposures: Any,
    external_assets: Any,
    external_liabilities: Any = 0.0,
    *,
    valuation: str | ValuationRule | Callable[..., float],
    alpha: float = 1.0,
    beta: float = 1.0,
    recovery_rate: float = 0.0,
    volatility: Any = None,
    equity0: Any = None,
    external_assets0: Any = None,
    params: Any = (),
    bounds: bool = False,
    default_at_zero: bool = False,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> Valuation:
    r"""Value all claims consistently (NEVA): the greatest solution of

    .. math::
        E_i = e_i - b_i + \sum_j A_{ij} V_j(E_j) - \sum_j A_{ji}

    with external assets :math:`e` and debt to outsiders :math:`b`. With :math:`\bar p_j = b_j + \sum_i A_{ij}` and
    stress :math:`h_j = \min(1, \max(0, 1 - E_j / E^0_j))` the valuations are

    =====================  ==============================================================================
    "eisenberg-noe"        1 if :math:`E_j \ge 0`, else :math:`((E_j + \bar p_j) / \bar p_j)^+`
    "rogers-veraart"       1 if :math:`E_j \ge 0`, else :math:`(\alpha e_j + \beta \sum_k A_{jk} V_k)^+ / \bar p_j`
    "furfine"              1 if :math:`E_j \ge 0`, else :math:`\rho`
    "linear-debtrank"      :math:`1 - (1 - \rho) h_j`
    "nonlinear-debtrank"   :math:`1 - (1 - \rho) \min(1, h_j e^{\alpha (h_j - 1)})`
    "exante-merton"        default at maturity only, `sim.kernels.exante.exante_value`
    "exante-black-cox"     default at first passage, idem
    a plug-in              by its name, or as a record with its parameters (`sim.valuations.ValuationRule`)
    a function             ``V(equity, equity0, external_assets, debt, params) -> float``
    =====================  ==============================================================================

    Arguments that a valuation does not use are ignored. The two clearing valuations are solved exactly, as by `clear`;
    all others are iterated from full value downwards, which is certified only while it is monotone: a function must
    not fall when equity rises.

    Parameters
    ----------
    exposures : float64[n_agents, n_agents], currency
        Claim of creditor i on debtor j; array, SciPy sparse or `sim.Layer`.
    external_assets : float64[n_agents] or float64[n_agents, n_draws], currency
        All other assets, after any shock.
    external_liabilities : float64[n_agents] or float64[n_agents, n_draws], currency
        Debt to outsiders.
    valuation : str, ValuationRule or callable
        A name, a record, or a function of numbers that numba can compile (compiled or not).
    alpha, beta : float
        Shares of external and of interbank assets that survive default, in [0, 1] ("rogers-veraart"); `alpha` is the
        exponent, 0 or more, of "nonlinear-debtrank".
    recovery_rate : float
        Exogenous recovery :math:`\rho` in [0, 1].
    volatility : float64[n_agents] or float64[n_agents, n_draws] or None, 1
        Of external assets up to maturity; the two ex-ante valuations need it.
    equity0 : float64[n_agents] or float64[n_agents, n_draws] or None, currency
        Net worth before any shock, for the DebtRanks and functions. By default net worth with all claims at face and
        external assets `external_assets0`.
    external_assets0 : float64[n_agents] or float64[n_agents, n_draws] or None, currency
        External assets before any shock; by default `external_assets`.
    params : array_like
        Handed to a function, or to a plug-in instead of its own: ``float64[n_params]`` for all agents, or
        ``float64[n_agents, n_params]``.
    bounds : bool
        Iterate from no value upwards, too, and report the `gap`; the status is "multiple" where it is wide.
    default_at_zero : bool
        Whether net worth of exactly zero is a default.
    tol : float
        Absolute, on values.
    max_rounds : int
        Most rounds.
    allow_uncertified : bool
        Return the last state where `tol` is not reached, instead of raising.

    Returns
    -------
    Valuation
        Net worth and values; rounds, residual and status.

    Raises
    ------
    InputError
        Naming argument, index and value of everything unusable, or what a function does that it may not.
    PluginError
        If a plug-in cannot be loaded, or does what it may not.
    ConvergenceError
        If some draw is not certified.

    References
    ----------
    Barucca et al. (2020), "Network valuation in financial systems", Mathematical Finance 30(4); Bardoscia et al.
    (2015), PLoS ONE 10(6), and (2016), PLoS ONE 11(10), for the DebtRanks.

    Examples
    --------
    Three banks of equity 1 lend 0.5 each in a circle; the first loses half its equity. Stress solves
    :math:`h = h^1 + h_{next} / 2`:

    >>> import numpy as np
    >>> exposures = 0.5 * np.roll(np.eye(3), 1, axis=1)
    >>> found = revalue(
    ...     exposures, [9.5, 5, 3], [9, 4, 2], valuation="linear-debtrank", external_assets0=[10, 5, 3], tol=1e-14
    ... )
    >>> (1 - found.equity).round(12).tolist()  # 4/7, 1/7, 2/7
    [0.571428571429, 0.142857142857, 0.285714285714]

    A valuation of one's own, here a claim that loses value as the debtor's leverage rises:

    >>> def careful(equity, equity0, external_assets, debt, params):
    ...     return min(1.0, max(0.0, equity / (params[0] * debt)))
    >>> revalue(exposures, [9.5, 5, 3], [9, 4, 2], valuation=careful, params=[0.05]).value.tolist()
    [1.0, 1.0, 1.0]
    """
    inputs, rule = Inputs(), _rule(valuation)
    sheets = _taken(
        inputs,
        (exposures, external_assets, external_liabilities, volatility, equity0, external_assets0, params),
        (rule, alpha, beta, recovery_rate, default_at_zero),
        (tol, max_rounds),
    )
    name = rule.name if isinstance(rule, OwnRule) else ""
    if name in CLEARING:
        top = _cleared(sheets, name, tol, max_rounds, least=False)
        low = _cleared(sheets, name, tol, max_rounds, least=True) if bounds else None
    else:
        respond = _response(sheets, rule)
        top = _iterated(sheets, respond, tol, max_rounds, rising=False)
        low = _iterated(sheets, respond, tol, max_rounds, rising=True) if bounds else None
    equity = sheets.equity(sheets.inside(top.x))
    rounds, residual, certified, gap = top.rounds, top.residual, top.certified, None
    if low is not None:
        gap = np.abs(top.x - low.x).max(axis=0, initial=0.0)
        rounds, residual = rounds + low.rounds, np.maximum(residual, low.residual)
        certified = certified & low.certified
    result = Valuation(
        equity=inputs.give(equity),
        value=inputs.give(top.x),
        is_defaulted=inputs.give(sheets.failing(equity)),
        gap=None if gap is None else inputs.give(gap),
        value_least=None if low is None else inputs.give(low.x),
        rounds=inputs.give(rounds),
        residual=inputs.give(residual),
        status=inputs.give(statuses(certified, None if gap is None else gap > 10.0 * tol)),
    )
    return settled("revalue", result, tol, allow_uncertified)


def _rule(valuation: Any) -> ValuationRule | Callable[..., float]:
    """What values claims: one of ours or a plug-in by its name, a record, or a function."""
    if isinstance(valuation, ValuationRule):
        return valuation
    if callable(valuation):
        function: Callable[..., float] = valuation
        return function
    if not isinstance(valuation, str):
        raise UnknownNameError("valuation", shown(valuation), RULES.names())
    try:
        return RULES[valuation]()
    except ValidationError as error:
        names = ", ".join(sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]}))
        raise InputError(
            f"valuation {valuation} has parameters without a default: {names}; pass it as a record with its parameters"
        ) from error


def _taken(inputs: Inputs, arrays: tuple[Any, ...], choices: tuple[Any, ...], limits: tuple[float, int]) -> _Sheets:
    """Take in the arguments of `revalue`, in its order."""
    exposures, external_assets, external_liabilities, volatility, equity0, external_assets0, params = arrays
    valuation, alpha, beta, recovery_rate, at_zero = choices
    net = inputs.network("exposures", exposures)
    n = net.n_rows
    assets = inputs.numbers("external_assets", external_assets, n)
    outside = inputs.numbers("external_liabilities", external_liabilities, n, low=0.0)
    before = assets if external_assets0 is None else inputs.numbers("external_assets0", external_assets0, n)
    given = None if equity0 is None else inputs.numbers("equity0", equity0, n)
    name = valuation.name if isinstance(valuation, OwnRule) else ""
    if volatility is None and name in EXANTE:
        inputs.refuse("volatility", f"volatility is missing; {name} needs that of external assets, a number or ({n})")
    sigma = inputs.numbers("volatility", 0.0 if volatility is None else volatility, n, low=0.0)
    alpha = inputs.number("alpha", alpha, low=0.0, high=np.inf if name == NONLINEAR else 1.0)
    beta = inputs.number("beta", beta, low=0.0, high=1.0)
    recovery = inputs.number("recovery_rate", recovery_rate, low=0.0, high=1.0)
    inputs.number("tol", limits[0], low=0.0, above=True)
    inputs.whole("max_rounds", limits[1], low=1)
    handed = None if isinstance(valuation, ValuationRule) and not np.size(params) else _params(inputs, params, n)
    wanted = valuation.params.size if isinstance(valuation, ValuationRule) and not name else None
    if handed is not None and wanted not in (None, handed.shape[1]):
        inputs.refuse("params", f"params has {handed.shape[1]} numbers; {valuation.name} takes {wanted}")
    inputs.check()
    columns = net.transposed()
    e, b = inputs.block(assets), inputs.block(outside)
    debt = owed_inside(columns, inputs.width) + b
    full_value = owed_inside(net, inputs.width)
    start = inputs.block(before) + full_value - debt if given is None else inputs.block(given)
    return _Sheets(net, columns, e, b, debt, start, inputs.block(sigma), handed, alpha, beta, recovery, bool(at_zero))


def _params(inputs: Inputs, params: Any, n: int) -> Float:
    """Return the parameters of a function, one row per agent."""
    source = np.asarray(params, dtype=np.float64) if np.size(params) == 0 else np.asarray(params)
    source = np.atleast_1d(source)
    if source.dtype.kind not in "buif" or not np.isfinite(source).all():
        inputs.refuse("params", "params holds something that is no finite number; allowed: finite numbers")
    elif source.ndim == 1:
        return np.tile(source.astype(np.float64), (n, 1))
    elif source.ndim == 2 and source.shape[0] == n:
        return np.array(source, dtype=np.float64, order="C")
    else:
        shape = " x ".join(map(str, source.shape))
        inputs.refuse("params", f"params has shape {shape}; allowed: (n_params,) or ({n}, n_params)")
    return np.zeros((n, 0))


def _cleared(sheets: _Sheets, valuation: str, tol: float, max_rounds: int, *, least: bool) -> FixedPoint:
    """Solve a clearing valuation exactly."""
    alpha, beta = (sheets.alpha, sheets.beta) if valuation == "rogers-veraart" else (1.0, 1.0)
    books = opened(
        sheets.net,
        sheets.assets,
        sheets.outside,
        alpha=alpha,
        beta=beta,
        at_zero=sheets.at_zero,
        columns=sheets.columns,
    )
    found = vector(books, tol=tol, max_rounds=max_rounds, least=least)
    return FixedPoint(found.x, found.rounds, found.residual, found.residual, found.certified)


def _iterated(
    sheets: _Sheets, respond: Callable[[Float], Float], tol: float, max_rounds: int, *, rising: bool
) -> FixedPoint:
    """Iterate from one end, and close with a round that rounds nothing."""
    start = full(0.0 if rising else 1.0, *sheets.assets.shape)
    found = certain(sheets.net, respond, start, tol=tol, max_rounds=max_rounds, rising=rising)
    x = respond(sheets.inside(found.x))
    residual = np.abs(respond(sheets.inside(x)) - x).max(axis=0, initial=0.0)
    rounds: Int = found.rounds + 1
    return FixedPoint(x, rounds, residual, found.bound, found.certified & (residual <= tol))


def _named(sheets: _Sheets, name: str) -> Callable[[Float], Float]:
    """Return the response of a valuation that does not settle."""

    def respond(inside: Float) -> Float:
        equity, out = sheets.equity(inside), empty(*inside.shape)
        failed = sheets.failing(equity).astype(np.float64)
        if name in EXANTE:
            exante_value(EXANTE[name], equity, sheets.assets, sheets.debt, sheets.volatility, sheets.recovery, out)
        elif name == NONLINEAR:
            nonlinear_value(failed, equity, sheets.equity0, sheets.alpha, sheets.recovery, out)
        else:
            code, rho = VALUATIONS[name], sheets.recovery
            value(code, failed, equity, sheets.equity0, sheets.assets, inside, sheets.debt, 1.0, 1.0, rho, out)
        return out

    return respond


def _response(sheets: _Sheets, rule: ValuationRule | Callable[..., float]) -> Callable[[Float], Float]:
    """Return the response of whatever does not settle."""
    if isinstance(rule, OwnRule):
        return _named(sheets, rule.name)
    if not isinstance(rule, ValuationRule):
        return _custom(sheets, rule)

    def respond(inside: Float) -> Float:
        return worth(rule, Told(sheets.equity(inside), sheets.equity0, sheets.assets, sheets.debt), sheets.params)

    return respond


def _custom(sheets: _Sheets, function: Callable[..., float]) -> Callable[[Float], Float]:
    """Return the response of a user's function, which is watched."""
    name = getattr(function, "__name__", type(function).__name__)
    params = np.zeros((len(sheets.assets), 0)) if sheets.params is None else sheets.params
    try:
        call = compiled(function, params)
    except ValueError as error:
        message = f"valuation {name} cannot be compiled by numba: {error}; allowed: a function of numbers"
        raise InputError(message) from error

    def respond(inside: Float) -> Float:
        equity, out = sheets.equity(inside), empty(*inside.shape)
        call(equity, sheets.equity0, sheets.assets, sheets.debt, params, out)
        bad = ~((out >= -ROUNDING) & (out <= 1.0 + ROUNDING))
        if bad.any():
            i, lane = (int(k) for k in np.argwhere(bad)[0])
            raise InputError(
                f"valuation {name} gives {out[i, lane]:g} for agent {i} at equity {equity[i, lane]:g}; allowed: 0 to 1"
            )
        return np.minimum(1.0, np.maximum(0.0, out))

    return respond
