"""Who depends on whose services, and what a loss at the providers leaves the users with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Bool, Csr, Float, csr, empty, full
from sim.contagion.certify import confirmed, reach
from sim.contagion.inputs import Inputs
from sim.contagion.solve import FixedPoint
from sim.kernels.pull import pull
from sim.kernels.service import all_functions, backed_up, log_service, lost_to_each, lost_to_mix, lost_to_weakest

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
class Backup:
    r"""What users have moved from providers that are down to others that take over.

    A user sees a provider that has lost q with the loss :math:`q - t \min(q, d)` for the part of the function that it
    can move, and with q for the rest.

    Parameters
    ----------
    share : float64[n_functions, n, n_lanes or 1], 1
        Part of each function that a user can move.
    taken : float64[n_functions, n, n_lanes], 1
        t, part of a provider's loss that those who take over make good for who has moved.
    down : float64[n, n_lanes], 1
        d, loss of the provider that made its users move; what it loses beyond is not made good.
    """

    share: Float
    taken: Float
    down: Float

    def seen(self, function: int, inoperability: Float) -> Float:
        """Return what providers have lost for those who have moved.

        Parameters
        ----------
        function : int
            Which function.
        inoperability : float64[n, n_lanes], 1
            Of the providers.

        Returns
        -------
        float64[n, n_lanes], 1
            Isotone, not negative.
        """
        return np.asarray(inoperability - self.taken[function] * np.minimum(inoperability, self.down))


@dataclass(frozen=True)
class Answer:
    """The isotone map of an outage: what the agents lose when their providers have lost so much.

    Parameters
    ----------
    services : Services
        Who depends on whom.
    criticality : float64[n_functions, n, n_lanes or 1] or None, 1
        As in `Services`.
    own : float64[n, n_lanes], 1
        What each agent loses by itself.
    backup : Backup, optional
        Where users turn when a provider is down.
    """

    services: Services
    criticality: Float | None
    own: Float
    backup: Backup | None = None

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
        out = empty(len(self.services.functions), *inoperability.shape)
        logs = self._logs(inoperability)
        for f, made in enumerate(self.services.functions):
            self._lost(made, inoperability, logs, out[f])
            if self.backup is not None:
                seen = self.backup.seen(f, inoperability)
                moved = empty(*seen.shape)
                self._lost(made, seen, self._logs(seen), moved)
                backed_up(out[f], moved, self.backup.share[f], out[f])
        return out

    @property
    def _mixes(self) -> bool:
        """Whether the providers of a function replace each other."""
        return self.services.form == "product" and self.criticality is not None

    def _logs(self, inoperability: Float) -> Float:
        """Return the logarithms of the services where a mean is taken of their powers; else anything."""
        logs = empty(*inoperability.shape)
        if self._mixes and self.services.substitution not in (1.0, -np.inf):
            log_service(inoperability, logs)
        return logs

    def _lost(self, made: Csr, inoperability: Float, logs: Float, out: Float) -> None:
        """Write what users lose of one function."""
        power = self.services.substitution
        if not self._mixes and self.services.form == "product":
            lost_to_each(made.indptr, made.indices, made.weights, inoperability, out)
        elif not self._mixes or power == 1.0:
            pull(made.indptr, made.indices, made.weights, inoperability, out)
        elif power == -np.inf:
            lost_to_weakest(made.indptr, made.indices, inoperability, out)
        else:
            lost_to_mix(made.indptr, made.indices, made.weights, logs, power, out)

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
        lost, out = self.lost(inoperability), empty(*self.own.shape)
        weight = full(1.0, len(lost), self.services.n, 1) if self.criticality is None else self.criticality
        all_functions(lost, weight, self.own, self.services.form == "linear", out)
        return out


def longest_chain(functions: Sequence[Csr], most: int = 32) -> int | None:
    """Return how many steps it takes from a provider to the last of its users' users.

    Parameters
    ----------
    functions : sequence of Csr
        Row user, column provider.
    most : int
        Chains that are looked for; longer ones count as endless.

    Returns
    -------
    int or None
        0 where nobody depends on anybody; None where agents depend on each other in a circle.
    """
    users = np.concatenate([np.repeat(np.arange(f.n_rows), np.diff(f.indptr)) for f in functions])
    providers = np.concatenate([f.indices for f in functions])
    length = np.zeros(functions[0].n_rows, dtype=np.int64)
    for _ in range(most + 1):
        longer = length.copy()
        np.maximum.at(longer, users, length[providers] + 1)
        if (longer == length).all():
            return int(length.max(initial=0))
        length = longer
    return None


def unrolled(step: Callable[[Float], Float], start: Float, chain: int) -> FixedPoint:
    """Return where a map without circles comes to rest: every agent is right once its providers are.

    Parameters
    ----------
    step : callable
        ``float64[n, n_lanes] -> float64[n, n_lanes]``.
    start : float64[n, n_lanes], 1
        Anything; the fixed point is the only one.
    chain : int
        From `longest_chain`.

    Returns
    -------
    FixedPoint
        Exact, and certified where a further round changes nothing.
    """
    x = start
    for _ in range(chain + 1):
        x = step(x)
    residual = np.abs(step(x) - x).max(axis=0, initial=0.0)
    return FixedPoint(x, np.full(x.shape[1], chain + 1), residual, residual, residual == 0.0)


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
