"""Bilateral exposures from what each bank lends and borrows in total."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, empty
from sim.errors import ConvergenceError, InputError, Problem


def max_entropy(
    assets: npt.ArrayLike, liabilities: npt.ArrayLike, tol: float = 1e-12, max_rounds: int = 10_000
) -> Float:
    r"""Return the most even network that has given totals and no claim of a bank on itself.

    It minimises :math:`\sum_{i \ne j} X_{ij} \log(X_{ij} / (a_i l_j))` subject to row sums `assets` and column sums
    `liabilities`. The minimiser has the form :math:`X_{ij} = u_i v_j` off the diagonal, and u and v are found by
    scaling rows and columns in turn (RAS). It spreads claims as widely as the totals allow, so it is one end of what
    the true network can be and usually the one with the least contagion.

    Parameters
    ----------
    assets : float64[n]
        Interbank assets of each bank in currency; row sums.
    liabilities : float64[n]
        Interbank liabilities of each bank in the same currency; column sums.
    tol : float
        Largest relative gap left in any row sum or column sum, and between the two grand totals.
    max_rounds : int
        Most scalings of all rows and columns.

    Returns
    -------
    float64[n, n]
        Exposures in currency, row i exposed to column j; aligned, zero diagonal.

    Raises
    ------
    InputError
        If the totals are not vectors of one length with finite values of 0 or more, their grand totals differ, or one
        bank's assets exceed the liabilities of all others. All problems are listed.
    ConvergenceError
        If a gap above `tol` is left; `state` is the matrix reached. Totals that barely fit are slow to scale.

    References
    ----------
    Upper, C. and Worms, A. (2004), Estimating bilateral exposures in the German interbank market: Is there a danger of
    contagion?, European Economic Review 48(4), 827-849.
    """
    if not tol > 0 or max_rounds < 1:
        raise InputError(f"tol is {tol!r} and max_rounds is {max_rounds!r}; allowed: above 0, and 1 or more")
    lent, owed = check_margins(assets, liabilities, tol)
    total = float(lent.sum())
    if total == 0:
        exposures = empty(lent.size, lent.size)
        exposures.fill(0.0)
        return exposures
    # Sums that differ by rounding alone would leave a gap that no scaling can close.
    owed = owed * (total / float(owed.sum()))
    slack = total - owed - lent
    tight = int(np.argmin(slack))
    if slack[tight] <= tol * total:
        return _star(lent, owed, tight)
    rows, columns, rounds = _scale(lent / total, owed / total, tol, max_rounds)
    exposures = empty(lent.size, lent.size)
    np.multiply.outer(rows * total, columns, out=exposures)
    np.fill_diagonal(exposures, 0.0)
    gap = margin_gap(exposures, lent, owed)
    if not gap <= tol:
        raise ConvergenceError("max_entropy", rounds, gap, tol, exposures)
    return exposures


def check_margins(assets: npt.ArrayLike, liabilities: npt.ArrayLike, tol: float = 1e-12) -> tuple[Float, Float]:
    """Return totals as numbers, if any network has them.

    Parameters
    ----------
    assets, liabilities : float64[n]
        Row sums and column sums, in currency.
    tol : float
        Relative gap between the two grand totals that is taken for rounding.

    Returns
    -------
    tuple of float64[n]
        Copies.

    Raises
    ------
    InputError
        As for `max_entropy`.
    """
    lent, owed = _vector("assets", assets), _vector("liabilities", liabilities)
    problems = _margin_problems(lent, owed) or _fit_problems(lent, owed, tol)
    if problems:
        raise InputError([Problem(problem, key=key) for key, problem in problems])
    return lent, owed


def margin_gap(exposures: Float, assets: npt.ArrayLike, liabilities: npt.ArrayLike) -> float:
    """Return how far a network is from the totals it should have.

    Parameters
    ----------
    exposures : float64[n, n]
        Row i exposed to column j, in currency.
    assets, liabilities : float64[n]
        Row sums and column sums it should have, in currency.

    Returns
    -------
    float
        Largest relative gap of a row or column sum; a total of 0 counts its gap relative to the grand total.
    """
    wanted = np.concatenate([_vector("assets", assets), _vector("liabilities", liabilities)])
    if not wanted.any():
        return 0.0 if not exposures.any() else float("inf")
    found = np.concatenate([exposures.sum(axis=1), exposures.sum(axis=0)])
    scale = np.where(wanted > 0, wanted, wanted.sum() / 2)
    return float(np.max(np.abs(found - wanted) / scale))


def _scale(lent: Float, owed: Float, tol: float, max_rounds: int) -> tuple[Float, Float, int]:
    """Return row factors, column factors and rounds; the margins add to 1 each."""
    columns = owed.copy()
    rounds = 0
    while True:
        # A column step leaves column sums exact, so the gap is that of the row sums.
        rows = _ratio(lent, _others(columns))
        columns = _ratio(owed, _others(rows))
        rounds += 1
        gap = np.abs(rows * _others(columns) - lent)
        # Half the tolerance here: rounding in the finished matrix takes a part of the rest.
        if np.all(gap <= 0.5 * tol * lent) or rounds == max_rounds:
            return rows, columns, rounds


def _others(values: Float) -> Float:
    """Return for each cell the sum of all other cells, without the cancellation of total minus cell."""
    before = np.zeros_like(values)
    after = np.zeros_like(values)
    np.cumsum(values[:-1], out=before[1:])
    np.cumsum(values[:0:-1], out=after[-2::-1])
    return before + after


def _ratio(wanted: Float, found: Float) -> Float:
    """Return the factors that scale `found` to `wanted`; 0 where nothing is wanted."""
    return np.divide(wanted, found, out=np.zeros_like(wanted), where=wanted > 0)


def _star(lent: Float, owed: Float, centre: int) -> Float:
    """Return the only network there is when one bank's assets use up the others' liabilities: all claims touch it."""
    exposures = empty(lent.size, lent.size)
    exposures.fill(0.0)
    exposures[:, centre] = lent
    exposures[centre, :] = owed
    exposures[centre, centre] = 0.0
    return exposures


def _vector(name: str, values: npt.ArrayLike) -> Float:
    """Return `values` as numbers, or say that they are none."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError([Problem(f"{name} is not a vector of numbers", key=name)]) from error


def _margin_problems(lent: Float, owed: Float) -> list[tuple[str, str]]:
    """Return (key, message) of every total that cannot be one."""
    if lent.ndim != 1 or lent.shape != owed.shape:
        shapes = f"assets has shape {lent.shape}, liabilities {owed.shape}"
        return [("liabilities", f"{shapes}; allowed: two vectors of one length")]
    return [
        (name, f"{name}[{at}] is {values[at]:g}; allowed: finite and 0 or more")
        for name, values in (("assets", lent), ("liabilities", owed))
        for at in np.flatnonzero(~np.isfinite(values) | (values < 0))
    ]


def _fit_problems(lent: Float, owed: Float, tol: float) -> list[tuple[str, str]]:
    """Return (key, message) of every reason why no network has these totals."""
    total, other = float(lent.sum()), float(owed.sum())
    if abs(total - other) > tol * max(total, other):
        factor = f"; scale one side (liabilities x {total / other:.15g} would do)" if total and other else ""
        sums = f"assets add to {total:.15g} and liabilities to {other:.15g}"
        return [("liabilities", f"{sums}; allowed: equal sums, since every claim is somebody's debt{factor}")]
    room = _others(owed) if owed.size else owed
    why = "that all other banks owe, as no bank lends to itself"
    return [
        ("assets", f"assets[{at}] is {lent[at]:.15g}; allowed: at most the {room[at]:.15g} {why}")
        for at in np.flatnonzero(lent - room > tol * total)
    ]
