"""Slow, plain reference solutions, written from the papers and from nothing else.

Every algorithm here works in one of two number systems: `extended` (80-bit floating point, three digits more than the
package uses) and `exact` (rational numbers, `fractions.Fraction`; a double is a rational number, so nothing is rounded
at all). The clearing vectors and the linear DebtRank are found by solving for the set of agents in trouble, never by
iterating to a tolerance.

`lean` moves the edge of default by a part of the balance-sheet size of each agent, wave by wave: where ``lean(w)[i]``
is +1e-12 agent i needs an equity clearly below zero to default in wave w, where it is -1e-12 it defaults a hair before
zero. `margin` is the distance of the closest call: the least ``|equity| / size`` of any agent at any time its default
was decided.

References
----------
Eisenberg and Noe (2001), section 3.1; Rogers and Veraart (2013), eq. 2 and algorithm GA; Furfine (2003); Battiston et
al. (2012), eq. 2 to 4; Bardoscia et al. (2015), eq. 4 to 7; Bardoscia et al. (2016), eq. 3; Barucca et al. (2020),
eq. 8; Acemoglu, Ozdaglar and Tahbaz-Salehi (2015), eq. 1, for senior outside debt.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

Numbers = Any
"""An array of one of the two number systems."""
System = Callable[[Any], Numbers]
Lean = Callable[[int], Any]


def exact(values: Any) -> Numbers:
    """Return numbers as fractions, without rounding."""
    given = np.asarray(values, dtype=float)
    made = np.empty(given.shape, dtype=object)
    made.ravel()[:] = [Fraction(float(x)) for x in given.ravel()]
    return made


def extended(values: Any) -> Numbers:
    """Return numbers in extended precision."""
    return np.asarray(values, dtype=np.longdouble)


def plain(values: Numbers) -> Any:
    """Return numbers as doubles."""
    return np.asarray(values, dtype=float)


def solve(matrix: Numbers, right: Numbers) -> Numbers:
    """Return x with x = matrix x + right, for a matrix of parts that leaves something over (an M-matrix problem).

    Elimination without exchange of rows, which is stable for such matrices.
    """
    n = len(right)
    a = -matrix.copy()
    x = right.copy()
    for i in range(n):
        a[i, i] = 1 + a[i, i]
    for k in range(n):
        if not a[k, k] > 1e-17:
            raise ZeroDivisionError("the agents in trouble owe each other everything")
        for i in range(k + 1, n):
            if a[i, k] != 0:
                part = a[i, k] / a[k, k]
                a[i, k:] = a[i, k:] - part * a[k, k:]
                x[i] = x[i] - part * x[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            if a[k, j] != 0:
                x[k] = x[k] - a[k, j] * x[j]
        x[k] = x[k] / a[k, k]
    return x


@dataclass(frozen=True)
class Cleared:
    """Payments per unit of debt, and who did not pay in full for want of equity."""

    recovery: Any
    payments: Any
    equity: Any
    is_defaulted: Any
    wave: Any
    margin: float


def _fails(equity: Numbers, size: Numbers, lean: Lean | None, wave: int, default_at_zero: bool) -> Any:
    """Return who defaults in a wave."""
    kind = type(equity[0])
    tilt = np.zeros(len(equity)) if lean is None else lean(wave)
    edge = [-kind(float(part)) * size[i] for i, part in enumerate(tilt)]
    pairs = list(zip(equity, edge, strict=True))
    return np.array([now <= least if default_at_zero else now < least for now, least in pairs], dtype=bool)


def _closest(equity: Numbers, size: Numbers, undecided: Any) -> float:
    parts = [float(abs(equity[i]) / size[i]) for i in np.flatnonzero(undecided) if size[i] > 0]
    return min(parts, default=math.inf)


def clearing(
    exposures: Any,
    assets: Any,
    liabilities: Any,
    alpha: float = 1.0,
    beta: float = 1.0,
    *,
    default_at_zero: bool = False,
    lean: Lean | None = None,
    numbers: System = extended,
) -> Cleared:
    r"""Return the greatest clearing vector, all debt of equal rank, by fictitious default.

    Nobody is in default at first. For a given set D of agents in default the recoveries solve

    .. math:: r_i = (\alpha e_i + \beta \sum_j A_{ij} r_j) / \bar p_i \; (i \in D), \qquad r_i = 1 \; (i \notin D),

    and everyone whose worth at those recoveries, without costs of default, falls short of its debt joins D. The round
    an agent joins is its wave. One that defaults exactly at its debt and has no costs of default still pays in full.
    A closed ring can be singular up to rounding; then the whole is done again in fractions.
    """
    try:
        return _fictitious(exposures, assets, liabilities, alpha, beta, default_at_zero, lean, numbers)
    except ZeroDivisionError:
        if numbers is exact:
            raise
        return _fictitious(exposures, assets, liabilities, alpha, beta, default_at_zero, lean, exact)


def _fictitious(
    exposures: Any,
    assets: Any,
    liabilities: Any,
    alpha: float,
    beta: float,
    default_at_zero: bool,
    lean: Lean | None,
    numbers: System,
) -> Cleared:
    a, e, ext = numbers(exposures), numbers(assets), numbers(liabilities)
    al, be = numbers([alpha, beta])
    n = len(e)
    debt = a.sum(axis=0) + ext
    size = e + a.sum(axis=1) + debt
    recovery = numbers(np.ones(n))
    defaulted, wave = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    margin, rounds = math.inf, 0
    while True:
        equity = e + (a * recovery).sum(axis=1) - debt
        margin = min(margin, _closest(equity, size, ~defaulted))
        new = _fails(equity, size, lean, rounds + 1, default_at_zero) & ~defaulted
        if not new.any():
            return Cleared(plain(recovery), plain(recovery * debt), plain(equity), defaulted, wave, margin)
        rounds += 1
        wave[new] = rounds
        defaulted = defaulted | new
        recovery = _paid(a, al * e, be, debt, defaulted, recovery)


def _paid(a: Numbers, estate: Numbers, be: Any, debt: Numbers, defaulted: Any, recovery: Numbers) -> Numbers:
    """Return the greatest recoveries at or below those given, for a set of agents in default."""
    short = np.zeros(len(debt), dtype=bool)
    while True:
        worth = estate + be * (a * recovery).sum(axis=1)
        more = short | (defaulted & np.array([worth[i] < debt[i] for i in range(len(debt))], dtype=bool))
        if (more == short).all():
            return recovery
        short = more
        who, rest = np.flatnonzero(short), np.flatnonzero(~short)
        matrix = be * a[np.ix_(who, who)] / debt[who][:, None]
        outside = (estate[who] + be * (a[np.ix_(who, rest)] * recovery[rest]).sum(axis=1)) / debt[who]
        recovery = recovery.copy()
        recovery[who] = solve(matrix, outside)


def clearing_senior(
    exposures: Any, assets: Any, liabilities: Any, alpha: float = 1.0, beta: float = 1.0, rounds: int = 100_000
) -> Cleared:
    r"""Return the greatest clearing vector when outside debt is paid first.

    Iterated from full payment until nothing changes any more in extended precision, which needs outside money
    everywhere to come to an end.
    """
    a, e, ext = extended(exposures), extended(assets), extended(liabilities)
    n = len(e)
    owed = a.sum(axis=0)
    recovery = extended(np.ones(n))
    for _ in range(rounds):
        inside = (a * recovery).sum(axis=1)
        equity = e + inside - owed - ext
        estate = np.where(equity < 0, alpha * e + beta * inside, e + inside)
        paid = np.where(equity < 0, np.minimum(owed, np.maximum(0.0, estate - ext)), owed)
        onward = np.where(owed > 0, paid / np.where(owed > 0, owed, 1), 1.0)
        if np.abs(onward - recovery).max() <= 1e-18:
            break
        recovery = onward
    outside = np.where(equity < 0, np.minimum(ext, estate), ext)
    return Cleared(
        plain(recovery), plain(recovery * owed + outside), plain(equity), equity < 0, np.zeros(n), _margin(equity, a, e)
    )


def _margin(equity: Numbers, a: Numbers, e: Numbers) -> float:
    size = e + a.sum(axis=1) + a.sum(axis=0)
    return _closest(equity, size, np.ones(len(e), dtype=bool))


@dataclass(frozen=True)
class Fallen:
    """Outcome of a default cascade."""

    equity: Any
    is_defaulted: Any
    wave: Any
    margin: float


def furfine(
    exposures: Any,
    equity: Any,
    shock: Any,
    recovery: float = 0.0,
    *,
    default_at_zero: bool = False,
    lean: Lean | None = None,
    size: Any = None,
    numbers: System = extended,
) -> Fallen:
    """Return the cascade of sequential defaults: creditors lose ``1 - recovery`` of what a defaulted agent owes them.

    Rounds are synchronous; those whom the shock itself breaks are wave 1.
    """
    a, left, rho = numbers(exposures), numbers(equity) - numbers(shock), numbers([recovery])[0]
    n = len(left)
    scale = numbers(np.ones(n)) if size is None else numbers(size)
    defaulted, wave = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    margin, rounds = math.inf, 0
    while True:
        now = left - (1 - rho) * a[:, defaulted].sum(axis=1)
        margin = min(margin, _closest(now, scale, ~defaulted))
        new = _fails(now, scale, lean, rounds + 1, default_at_zero) & ~defaulted
        if not new.any():
            return Fallen(plain(now), defaulted, wave, margin)
        rounds += 1
        wave[new] = rounds
        defaulted = defaulted | new


def debtrank_linear(leverage: Any, shock: Any, *, numbers: System = extended) -> Any:
    r"""Return the stress of the linear DebtRank, :math:`h_i = \min(1, h^1_i + \sum_j \Lambda_{ij} h_j)`.

    Stress rises from zero to the least fixed point. Agents that no shock can reach keep zero. Among the others the map
    is concave and lies above zero somewhere on every path, so its positive fixed point is unique and is also the
    greatest; it is found from above as in the fictitious default algorithm: all are wiped out at first, and those who
    are not at the stress the others imply leave that set, each time with an exact solve.
    """
    lam, first = numbers(leverage), numbers(shock)
    n = len(first)
    one = numbers([1.0])[0]
    reached = np.array([x > 0 for x in first], dtype=bool)
    while True:
        more = reached | np.array([any(lam[i, j] > 0 for j in np.flatnonzero(reached)) for i in range(n)])
        if (more == reached).all():
            break
        reached = more
    stress = numbers(np.where(reached, 1.0, 0.0))
    free = np.zeros(n, dtype=bool)
    while True:
        onward = first + (lam * stress).sum(axis=1)
        new = reached & ~free & np.array([x < one for x in onward], dtype=bool)
        if not new.any():
            return plain(stress)
        free = free | new
        who = np.flatnonzero(free)
        right = first[who] + lam[np.ix_(who, np.flatnonzero(reached & ~free))].sum(axis=1)
        stress[who] = solve(lam[np.ix_(who, who)], right)


def debtrank_single_hit(leverage: Any, shock: Any) -> Any:
    """Return the stress of the first DebtRank: an agent passes on its stress once, the round after it is first hit."""
    lam, stress = extended(leverage), np.minimum(extended(shock), 1)
    n = len(stress)
    state = ["distressed" if x > 0 else "undistressed" for x in stress]
    while "distressed" in state:
        now = [k for k in range(n) if state[k] == "distressed"]
        # what one agent can do to another is at most to wipe it out
        stress = np.array([min(1, stress[i] + sum(min(1, lam[i, j]) * stress[j] for j in now)) for i in range(n)])
        state = ["inactive" if k in now else state[k] for k in range(n)]
        state = ["distressed" if state[k] == "undistressed" and stress[k] > 0 else state[k] for k in range(n)]
    return plain(stress)


def debtrank_nonlinear(leverage: Any, shock: Any, alpha: float, rounds: int = 200_000) -> Any:
    """Return the stress when default is as likely as ``h exp(alpha (h - 1))``, iterated from below to the end."""
    lam, first = extended(leverage), extended(shock)
    stress, passed = np.minimum(first, 1), 0 * first
    for _ in range(rounds):
        likely = np.minimum(1, stress * np.exp(extended(alpha) * (stress - 1)))
        onward = np.minimum(1, stress + lam @ (likely - passed))
        if np.abs(onward - stress).max(initial=0) <= 1e-19:
            break
        stress, passed = onward, likely
    return plain(stress)


def revalued(
    exposures: Any, assets: Any, liabilities: Any, value: Callable[[int, float], float], rounds: int = 200_000
) -> Any:
    r"""Return the greatest equities with :math:`E_i = e_i - l_i + \sum_j A_{ij} V_j(E_j) - \sum_j A_{ji}`, iterated."""
    a, e, ext = np.asarray(exposures, float), np.asarray(assets, float), np.asarray(liabilities, float)
    base = e - ext - a.sum(axis=0)
    size = e + ext + a.sum(axis=0) + a.sum(axis=1)
    equity = base + a.sum(axis=1)
    for _ in range(rounds):
        worth = np.array([value(j, float(equity[j])) for j in range(len(e))])
        onward = base + np.array([math.fsum(a[i] * worth) for i in range(len(e))])
        done = np.abs(onward - equity) <= 1e-15 * size
        equity = onward
        if done.all():
            break
    return equity


def normal(x: float) -> float:
    """Return the probability that a standard normal number is at most x."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def black_cox(equity: float, assets: float, recovery: float, volatility: float) -> float:
    """Return the value of a claim when default is the first time in a year that losses reach the equity."""
    if equity <= 0.0:
        return recovery
    if equity >= assets:
        return 1.0
    barrier = math.log1p(-equity / assets)
    half = 0.5 * volatility * volatility
    likely = normal((barrier + half) / volatility) + math.exp(-barrier) * normal((barrier - half) / volatility)
    return 1.0 - (1.0 - recovery) * likely


NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def merton(equity: float, assets: float, debt: float, recovery: float, volatility: float) -> float:
    """Return the value of a claim when default is losses above the equity after a year, by quadrature.

    Assets change by a factor S, lognormal with mean 1. Creditors get 1 where ``equity + assets (S - 1) >= 0``, else the
    part `recovery` of the assets per unit of debt, at least nothing; Gauss-Legendre between the two kinks.
    """

    def score(factor: float) -> float:
        return -math.inf if factor <= 0.0 else math.log(factor) / volatility + 0.5 * volatility

    high, low = score(1.0 - equity / assets), score(1.0 - (equity + debt) / assets)
    start, stop = max(low, min(high, 0.0) - 12.0), min(high, 12.0)
    paid = 1.0 - normal(high)
    edges = np.linspace(start, stop, 9) if stop > start else np.zeros(1)
    for left, right in pairwise(edges):
        z = 0.5 * (right - left) * NODES + 0.5 * (right + left)
        worth = (equity + assets * np.expm1(volatility * z - 0.5 * volatility * volatility) + debt) / debt
        density = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        paid += recovery * 0.5 * (right - left) * float((WEIGHTS * worth * density).sum())
    return paid
