"""What users hand to an algorithm: networks and per-agent numbers in any form, checked together, laid out as lanes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, Int, csr, empty
from sim.errors import InputError, Problem, UnknownNameError, shown

SHOWN_CELLS = 5
"""Faulty cells of one argument that are described one by one."""

Scalar = TypeVar("Scalar", bound=np.generic)


class Inputs:
    """The arguments of one call.

    Arguments are taken in one by one, every fault is kept, and `check` reports them all in one error. A vector
    ``float64[n]`` is one draw, a block ``float64[n, n_draws]`` one draw a column; all blocks of a call have the same
    number of columns and vectors stand for every column. Inputs are never modified.

    Attributes
    ----------
    problems : list of Problem
        What is wrong so far.
    lanes : int or None
        Columns of the blocks seen so far; None while only vectors and numbers were given.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.lanes: int | None = None
        self._lanes_from = ""

    @property
    def width(self) -> int:
        """Lanes the kernels work on: the columns given, and at least two, so that sums over agents keep their order."""
        return max(2, 1 if self.lanes is None else self.lanes)

    def refuse(self, name: str, message: str) -> None:
        """Keep one problem.

        Parameters
        ----------
        name : str
            Argument concerned.
        message : str
            What is wrong, got, allowed.
        """
        self.problems.append(Problem(message, key=name))

    def network(self, name: str, value: Any, *, n_columns: int | None = None, self_loops: bool = False) -> Csr:
        """Take in a matrix of exposures, row exposed to column.

        Parameters
        ----------
        name : str
            Name of the argument.
        value : array_like, SciPy sparse array or matrix, or `sim.Layer`
            ``float64[n_rows, n_columns]``, finite and not negative.
        n_columns : int or None
            Columns of a bipartite matrix; None asks for a square one.
        self_loops : bool
            Whether an agent may be exposed to itself.

        Returns
        -------
        Csr
            Canonical sparse rows; empty when the argument is unusable.
        """
        nothing = csr(np.zeros((0, 0 if n_columns is None else n_columns)))
        layer = getattr(value, "csr", None)
        if isinstance(layer, Csr):
            return layer
        source = value if hasattr(value, "tocsr") else np.asarray(value)
        if np.dtype(source.dtype).kind not in "buif":
            self.refuse(name, f"{name} has dtype {source.dtype}; allowed: real numbers")
            return nothing
        if len(source.shape) != 2:
            self.refuse(name, f"{name} has {len(source.shape)} axes; allowed: 2 (exposed, exposed to)")
            return nothing
        rows, columns = source.shape
        if n_columns is None and rows != columns:
            self.refuse(name, f"{name} has shape {rows} x {columns}; allowed: square, one row and one column per agent")
            return nothing
        if n_columns is not None and columns != n_columns:
            self.refuse(name, f"{name} has {columns} columns; allowed: {n_columns}")
            return nothing
        made = csr(source)
        self._cells(name, made, self_loops=self_loops or n_columns is not None)
        return made

    def _cells(self, name: str, made: Csr, *, self_loops: bool) -> None:
        """Look for edges no network may have."""
        rows = np.repeat(np.arange(made.n_rows), np.diff(made.indptr))
        finite = np.isfinite(made.weights)
        for faulty, allowed in (
            (~finite, "finite numbers"),
            (finite & (made.weights < 0.0), "0 or more"),
            (
                (rows == made.indices) & finite & (not self_loops),
                "0 on the diagonal (no exposure of an agent to itself)",
            ),
        ):
            self._list(name, faulty, allowed, lambda k: f"{name}[{rows[k]}, {made.indices[k]}] is {made.weights[k]:g}")

    def numbers(
        self,
        name: str,
        value: Any,
        n: int | tuple[int, ...],
        *,
        low: float = -np.inf,
        high: float = np.inf,
        above: bool = False,
        lanes: bool = True,
    ) -> Float:
        """Take in one number per agent (or one for all), possibly per draw.

        Parameters
        ----------
        name : str
            Name of the argument.
        value : array_like
            A number, ``float64[n]`` or, with `lanes`, ``float64[n, n_draws]``.
        n : int or tuple of int
            Shape without the axis of draws.
        low, high : float
            Allowed range, both ends included.
        above : bool
            Whether `low` itself is refused.
        lanes : bool
            Whether a trailing axis of draws is allowed.

        Returns
        -------
        float64[n] or float64[n, n_draws]
            A new array; zeros when the argument is unusable.
        """
        shape = (n,) if isinstance(n, int) else n
        source = np.asarray(value)
        if source.dtype.kind not in "buif":
            self.refuse(name, f"{name} has dtype {source.dtype}; allowed: real numbers")
            return np.zeros(shape)
        if source.ndim == 0:
            made = np.full(shape, float(source))
        elif source.shape == shape:
            made = np.array(source, dtype=np.float64, order="C")
        elif lanes and source.ndim == len(shape) + 1 and source.shape[:-1] == shape:
            made = np.array(source, dtype=np.float64, order="C")
            self._see_lanes(name, source.shape[-1])
        else:
            self.refuse(name, f"{name} has shape {_shape(source.shape)}; allowed: {_allowed(shape, lanes)}")
            return np.zeros(shape)
        self._range(name, made, low, high, above, number=source.ndim == 0)
        return made

    def number(
        self, name: str, value: Any, *, low: float = -np.inf, high: float = np.inf, above: bool = False
    ) -> float:
        """Take in a single number.

        Parameters
        ----------
        name : str
            Name of the argument.
        value : float
            What was given.
        low, high : float
            Allowed range, both ends included.
        above : bool
            Whether `low` itself is refused.

        Returns
        -------
        float
            The number; NaN when it is unusable.
        """
        source = np.asarray(value)
        if source.ndim != 0 or source.dtype.kind not in "buif":
            self.refuse(name, f"{name} is {shown(value)}; allowed: a number")
            return float("nan")
        self._range(name, source.astype(np.float64), low, high, above, number=True)
        return float(source)

    def whole(self, name: str, value: Any, *, low: int = 0) -> int:
        """Take in a whole number.

        Parameters
        ----------
        name : str
            Name of the argument.
        value : int
            What was given.
        low : int
            Least allowed.

        Returns
        -------
        int
            The number; `low` when it is unusable.
        """
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < low:
            self.refuse(name, f"{name} is {shown(value)}; allowed: a whole number of {low} or more")
            return low
        return int(value)

    def choice(self, name: str, value: Any, known: Iterable[str]) -> str:
        """Take in one of a few names.

        Parameters
        ----------
        name : str
            Name of the argument.
        value : str
            What was given.
        known : iterable of str
            What is allowed.

        Returns
        -------
        str
            The name.

        Raises
        ------
        UnknownNameError
            If it is none of `known`; lists them and the nearest.
        """
        allowed = list(known)
        if not isinstance(value, str) or value not in allowed:
            raise UnknownNameError(name, value if isinstance(value, str) else shown(value), allowed)
        return value

    def check(self) -> None:
        """Report everything that is wrong.

        Raises
        ------
        InputError
            Naming argument, index and value of every fault, as in ``equity[2] is nan``.
        """
        if self.problems:
            raise InputError(self.problems)

    def block(self, values: Float, n: int | tuple[int, ...] | None = None) -> Float:
        """Lay out an argument as lanes.

        Parameters
        ----------
        values : float64[n] or float64[n, n_draws]
            What `numbers` returned.
        n : int, tuple of int or None
            Shape without lanes, needed only where it is not the first axis alone.

        Returns
        -------
        float64[n, width]
            Aligned, C order; a single draw is repeated to fill `width`.
        """
        depth = 1 if n is None or isinstance(n, int) else len(n)
        laned = values.ndim > depth
        out = empty(*values.shape[:depth], self.width)
        if laned:
            out[...] = values[..., :1]
            out[..., : values.shape[-1]] = values
        else:
            out[...] = values[..., None]
        return out

    def give(self, values: npt.NDArray[Scalar]) -> Any:
        """Return a result in the form the call came in.

        Parameters
        ----------
        values : [..., width]
            Lanes as the kernels left them.

        Returns
        -------
        ndarray or scalar
            Without the axis of draws when the call had none, a plain number when nothing else remains.
        """
        if self.lanes is not None:
            return np.ascontiguousarray(values[..., : self.lanes])
        first = values[..., 0]
        return first.item() if np.ndim(first) == 0 else np.ascontiguousarray(first)

    def _see_lanes(self, name: str, lanes: int) -> None:
        if lanes == 0:
            self.refuse(name, f"{name} has 0 draws; allowed: at least one column")
        elif self.lanes is None:
            self.lanes, self._lanes_from = lanes, name
        elif lanes != self.lanes:
            self.refuse(
                name, f"{name} has {lanes} draws and {self._lanes_from} has {self.lanes}; allowed: the same number"
            )

    def _range(self, name: str, made: Float, low: float, high: float, above: bool, *, number: bool) -> None:
        finite = np.isfinite(made)
        outside = finite & ((made < low) | (made > high) | (above & (made == low)))
        allowed = _interval(low, high, above)
        flat = made.ravel()

        def place(k: int) -> str:
            where = ", ".join(str(i) for i in np.unravel_index(k, made.shape))
            return f"{name} is {flat[k]:g}" if number else f"{name}[{where}] is {flat[k]:g}"

        only_first = slice(0, 1) if number else slice(None)
        self._list(name, ~finite.ravel()[only_first], "finite numbers", place)
        self._list(name, outside.ravel()[only_first], allowed, place)

    def _list(self, name: str, faulty: Bool, allowed: str, place: Any) -> None:
        where: Int = np.flatnonzero(faulty)
        for k in where[:SHOWN_CELLS]:
            self.refuse(name, f"{place(int(k))}; allowed: {allowed}")
        if where.size > SHOWN_CELLS:
            self.refuse(name, f"{name} has {where.size - SHOWN_CELLS} more such values; allowed: {allowed}")


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def _allowed(shape: tuple[int, ...], lanes: bool) -> str:
    draws = f" or {_shape(shape)[:-1].rstrip(',')}, n_draws)" if lanes else ""
    return f"a number or {_shape(shape)}{draws}"


def _interval(low: float, high: float, above: bool) -> str:
    if low == -np.inf and high == np.inf:
        return "finite numbers"
    if high == np.inf:
        return f"more than {low:g}" if above else f"{low:g} or more"
    if low == -np.inf:
        return f"{high:g} or less"
    return f"{'above ' if above else ''}{low:g} to {high:g}"
