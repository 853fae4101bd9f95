"""Who depends on whose services, and what a loss at the providers leaves the users with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Bool, Csr, Float, csr, empty
from sim.contagion.certify import confirmed, reach
from sim.contagion.inputs import Inputs
from sim.contagion.solve import FixedPoint
from sim.kernels.pull import pull
from sim.kernels.service import log_service, lost_to_each, lost_to_mix, lost_to_weakest

FORMS = ("linear", "product")
"""How the losses of several functions combine for a user."""

_ROUNDING = 1e-12  # how far shares that add up to 1 may miss it


@dataclass(frozen=True)
class Services:
    """The functions of all users.

    Parameters
    ----------
    functions : tuple of Csr
        One matrix per function, row user, column provider: shares; or a single interdependency matrix.
    criticality : float64[n_functions, n] or float64[n_functions, n, n_draws] or None, 1
        What a user loses with a function; None for an interdependency matrix, which holds it.
    form : str
        One of `FORMS`.
    substitution : float
        Power r of the mean over the providers of a function, at most 1.
    """

    functions: tuple[Csr, ...]
    criticality: Float | None
    form: str
    substitution: float

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.functions[0].n_rows

    @classmethod
    def take_in(cls, inputs: Inputs, services: Any, criticality: Any, form: str, substitution: Any) -> Services:
        """Read the arguments that describe who depends on whom.

        Parameters
        ----------
        inputs : Inputs
            Keeps every fault.
        services, criticality : array_like
            As in `sim.contagion.outage.outage`.
        form, substitution : str, float
            As in `sim.contagion.outage.outage`.

        Returns
        -------
        Services
            Usable once `inputs.check()` has passed.

        Raises
        ------
        UnknownNameError
            If `form` is not known.
        """
        inputs.choice("form", form, FORMS)
        named, is_matrix = _functions(services)
        functions = tuple(inputs.network(name, matrix) for name, matrix in named)
        if not functions:
            inputs.refuse("services", "services holds no function; allowed: a matrix, or one matrix per function")
            functions = (csr(np.zeros((0, 0))),)
        sizes = sorted({made.n_rows for made in functions})
        if len(sizes) > 1 and not inputs.problems:
            inputs.refuse("services", f"services has matrices of {sizes} agents; allowed: all of one size")
        if form == "product":
            for (name, _), made in zip(named, functions, strict=False):
                _check_shares(inputs, name, made, is_matrix)
        power = _power(inputs, substitution, form, is_matrix)
        crit = inputs.numbers("criticality", criticality, (len(functions), functions[0].n_rows), low=0.0, high=1.0)
        if is_matrix and not (np.ndim(criticality) == 0 and criticality == 1.0):
            inputs.refuse("criticality", "criticality belongs to a list of functions; services is a single matrix")
        return cls(functions, None if is_matrix else crit, form, power)

    def answer(self, inputs: Inputs, own: Float) -> Answer:
        """Lay the arguments out as lanes.

        Parameters
        ----------
        inputs : Inputs
            After `check`.
        own : float64[n] or float64[n, n_draws], 1
            What each agent loses by itself.

        Returns
        -------
        Answer
            The map from inoperability to inoperability.
        """
        crit = None if self.criticality is None else inputs.block(self.criticality, (len(self.functions), self.n))
        return Answer(self, crit, inputs.block(own))


@dataclass(frozen=True)
class Answer:
    """The isotone map of an outage: what the agents lose when their providers have lost so much.

    Parameters
    ----------
    services : Services
        Who depends on whom.
    criticality : float64[n_functions, n, n_lanes] or None, 1
        As in `Services`.
    own : float64[n, n_lanes], 1
        What each agent loses by itself.
    """

    services: Services
    criticality: Float | None
    own: Float

    def lost(self, inoperability: Float) -> Float:
        """Return what is lost of each function.

        Parameters
        ----------
        inoperability : float64[n, n_lanes], 1
            Of the providers.

        Returns
        -------
        float64[n_functions, n, n_lanes], 1
            0 is a function that is fully there.
        """
        power = self.services.substitution
        out = empty(len(self.services.functions), *inoperability.shape)
        logs = empty(*inoperability.shape)
        mixes = self.services.form == "product" and self.criticality is not None
        if mixes and power not in (1.0, -np.inf):
            log_service(inoperability, logs)
        for made, function in zip(self.services.functions, out, strict=True):
            if not mixes and self.services.form == "product":
                lost_to_each(made.indptr, made.indices, made.weights, inoperability, function)
            elif not mixes or power == 1.0:
                pull(made.indptr, made.indices, made.weights, inoperability, function)
            elif power == -np.inf:
                lost_to_weakest(made.indptr, made.indices, inoperability, function)
            else:
                lost_to_mix(made.indptr, made.indices, made.weights, logs, power, function)
        return out

    def step(self, inoperability: Float) -> Float:
        """Return what the agents lose in all, at most everything.

        Parameters
        ----------
        inoperability : float64[n, n_lanes], 1
            Of the providers.

        Returns
        -------
        float64[n, n_lanes], 1
            A new array.
        """
        lost = self.lost(inoperability)
        if self.criticality is not None:
            lost = self.criticality * lost
        total = np.zeros(self.own.shape)
        for function in lost:
            total = total + (function if self.services.form == "linear" else (1.0 - total) * function)
        if self.services.form == "linear":
            return np.minimum(1.0, total + self.own)
        return np.minimum(1.0, total + (1.0 - total) * self.own)


def rest(step: Callable[[Float], Float], start: Float, tol: float, max_rounds: int, *, rising: bool) -> FixedPoint:
    """Return where an isotone map comes to rest, going on with tighter tolerances until that is proved.

    Parameters
    ----------
    step : callable
        ``float64[n, n_lanes] -> float64[n, n_lanes]`` on [0, 1], lanes independent.
    start : float64[n, n_lanes], 1
        The end of the lattice to begin with. Not modified.
    tol : float
        Absolute.
    max_rounds : int
        Most rounds of one attempt; a lane that has used up as many in all makes no further one.
    rising : bool
        Whether `start` is the lower end.

    Returns
    -------
    FixedPoint
        Certified lanes are within `tol` of the least (or, falling, the greatest) fixed point.
    """

    def proved(x: Float) -> Bool:
        return _proved(step, x, start, tol, rising)

    return reach(step, start, tol=tol, max_rounds=max_rounds, rising=rising, proved=proved)


def _proved(step: Callable[[Float], Float], x: Float, start: Float, tol: float, rising: bool) -> Bool:
    """Prove that a fixed point is near, leaving out the agents that never moved and cannot be moved by the others.

    A group that feeds itself exactly, as a ring of equal payments does, has no slack in which `confirmed` could find
    its proof, and needs none: it is where it began, at the end of the lattice.
    """
    pinned = x == start
    while True:
        y = np.minimum(1.0, x + tol) if rising else np.maximum(0.0, x - tol)
        kept = pinned & (step(np.where(pinned, start, y)) == start)
        if (kept == pinned).all():
            break
        pinned = kept
    aside = 1.0 if rising else 0.0

    def others(y: Float) -> Float:
        return np.where(pinned, aside, step(np.where(pinned, start, y)))

    return confirmed(others, np.where(pinned, aside, x), tol, rising=rising)


def _functions(services: Any) -> tuple[list[tuple[str, Any]], bool]:
    """Return the named matrices, and whether there was just one that was not in a list or dict."""
    if isinstance(services, Mapping) and not hasattr(services, "tocsr"):  # SciPy's dok_matrix is a dict as well
        return [(f"services[{name!r}]", matrix) for name, matrix in services.items()], False
    if isinstance(services, np.ndarray):
        several = services.ndim == 3
    else:
        several = isinstance(services, list | tuple) and (len(services) == 0 or _is_matrix(services[0]))
    if several:
        return [(f"services[{f}]", matrix) for f, matrix in enumerate(services)], False
    return [("services", services)], True


def _is_matrix(value: Any) -> bool:
    """Tell a matrix in any form from a row of numbers."""
    if hasattr(value, "tocsr") or isinstance(getattr(value, "csr", None), Csr):
        return True
    if isinstance(value, np.ndarray):
        return value.ndim == 2
    return isinstance(value, list | tuple) and len(value) > 0 and isinstance(value[0], list | tuple | np.ndarray)


def _check_shares(inputs: Inputs, name: str, made: Csr, is_matrix: bool) -> None:
    """Refuse users who would lose more than all."""
    rows = np.repeat(np.arange(made.n_rows), np.diff(made.indptr))
    if is_matrix:
        for k in np.flatnonzero(made.weights > 1.0)[:1]:
            cell = f"{name}[{rows[k]}, {made.indices[k]}] is {made.weights[k]:g}"
            inputs.refuse(name, f"{cell}; allowed: at most 1 in the product form")
        return
    sums = np.bincount(rows, weights=made.weights, minlength=made.n_rows)
    for i in np.flatnonzero(sums > 1.0 + _ROUNDING)[:1]:
        inputs.refuse(name, f"{name}[{i}] adds up to {sums[i]:g}; allowed: shares of at most 1 together")


def _power(inputs: Inputs, substitution: Any, form: str, is_matrix: bool) -> float:
    """Take in the power of the mean: a number up to 1, or minus infinity."""
    source = np.asarray(substitution)
    if source.ndim == 0 and source.dtype.kind == "f" and source == -np.inf:
        power = -np.inf
    else:
        power = inputs.number("substitution", substitution, high=1.0)
    if power != 1.0 and not np.isnan(power) and (form != "product" or is_matrix):
        needs = "a list or dict of functions" if is_matrix else 'form="product"'
        inputs.refuse("substitution", f"substitution is {power:g} without {needs}; allowed: 1")
    return float(power)
