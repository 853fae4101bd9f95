"""Designs: which values the keys of a sweep take at each of its points."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, Problem, UsageError, nearest, shown
from sim.experiments.laws import Law, law

MOST_POINTS = 100_000
"""Points that one design may have."""

TAGGED = 0x64657369676E
"""Keeps the luck of a design apart from that of the draws."""

OAT_LEVELS = (0.05, 0.5, 0.95)
"""Quantiles that a distribution takes one at a time."""

FIXED = ("grid", "list", "oat")
RANDOM = ("sobol", "halton", "lhs", "saltelli")
_SAMPLE = re.compile(r"([a-z]+)(?::([0-9]{1,9}))?")

Axis = tuple[Any, ...] | Law
"""The values of a key, or the distribution it is drawn from."""

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Design:
    """Points of a sweep, in order.

    Parameters
    ----------
    sample : str
        How they were chosen, such as ``"grid"`` or ``"sobol:64"``.
    axes : dict of str to tuple or Law
        Dotted key -> values or distribution.
    points : tuple of dict
        Key -> value; one-at-a-time leaves out the keys that keep the scenario's value.
    """

    sample: str
    axes: Mapping[str, Axis]
    points: tuple[Point, ...] = field(repr=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """Dotted keys."""
        return tuple(self.axes)

    @property
    def is_random(self) -> bool:
        """Whether the points were drawn rather than written down."""
        return self.sample.partition(":")[0] in RANDOM


def design(over: Any, sample: str = "grid", seed: int = 0) -> Design:
    """Return the points of a sweep.

    Parameters
    ----------
    over : mapping, sequence of mapping or DataFrame
        Dotted key -> values, or a distribution written as in a scenario (``{"uniform": {"low": 0, "high": 1}}``); or
        the points themselves, one a row.
    sample : str
        ``"grid"`` (every combination, the last key fastest), ``"list"`` (first values, second values, ...), ``"oat"``
        (the scenario itself, then each value of each key alone), ``"sobol:N"``, ``"halton:N"``, ``"lhs:N"`` (Latin
        hypercube) or ``"saltelli:N"`` (N (keys + 2) points for Sobol indices).
    seed : int
        Of ``sobol``, ``halton``, ``lhs`` and ``saltelli``. Point i of the first two does not depend on N.

    Returns
    -------
    Design
        At most 100,000 points.

    Raises
    ------
    UsageError
        If there is no such sample, or it does not fit what is swept.
    InputError
        All problems of the values at once.

    Examples
    --------
    >>> [dict(point) for point in design({"a": [1, 2], "b": [3]}).points]
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    rows = _rows(over)
    if rows is not None:
        return _given(rows)
    kind, number = _kind(sample)
    axes = _axes(over)
    laws = [key for key, axis in axes.items() if isinstance(axis, Law)]
    if laws and kind in ("grid", "list"):
        raise UsageError(
            f"{laws[0]} has a distribution, which a {kind} cannot take; give values, or a sample such as sobol:64"
        )
    if number is not None and not axes:
        raise UsageError(f"sample {sample} needs keys to sweep over")
    made = MAKERS[kind](axes, number or 0, seed)
    return Design(sample, axes, tuple(made))


def _kind(sample: Any) -> tuple[str, int | None]:
    """Name and number of points of a sample."""
    match = _SAMPLE.fullmatch(sample) if isinstance(sample, str) else None
    name, number = match.groups() if match else (str(sample), None)
    if name not in MAKERS:
        raise UsageError(f"unknown sample {shown(sample)}{nearest(name, MAKERS)} (known: {', '.join(MAKERS)})")
    if name in FIXED and number is not None:
        raise UsageError(f"sample {name} takes no number of points, got {shown(sample)}")
    if name in RANDOM and not (number and 1 <= int(number) <= MOST_POINTS):
        raise UsageError(f"sample {name} needs 1 to {MOST_POINTS:,} points, such as {name}:64; got {shown(sample)}")
    return name, None if number is None else int(number)


def _rows(over: Any) -> list[dict[str, Any]] | None:
    """Points written out, or None where values or distributions are given by key."""
    if isinstance(over, Mapping):
        return None
    if hasattr(over, "to_dict") and hasattr(over, "columns"):
        over = over.to_dict("records")
    if not isinstance(over, Sequence) or isinstance(over, str) or not all(isinstance(row, Mapping) for row in over):
        raise UsageError(f"over must map keys to values, or be a list of points, got {shown(over)}")
    return [{str(key): plain(value) for key, value in row.items()} for row in over]


def _given(rows: Sequence[dict[str, Any]]) -> Design:
    if not rows:
        raise UsageError("over has no points")
    _few(len(rows))
    keys = list(dict.fromkeys(key for row in rows for key in row))
    gaps = [
        Problem(f"over.{number}: {key} is missing; every point gives every key")
        for number, row in enumerate(rows)
        for key in keys
        if key not in row
    ]
    if gaps:
        raise InputError(gaps)
    return Design("list", {key: tuple(row[key] for row in rows) for key in keys}, tuple(rows))


def _axes(over: Mapping[str, Any]) -> dict[str, Axis]:
    """Values and distributions, checked; all problems at once."""
    found: dict[str, Axis] = {}
    problems: list[Problem] = []
    for key, given in over.items():
        try:
            found[str(key)] = law(str(key), given) if isinstance(given, Mapping | Law) else _values(str(key), given)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _values(key: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise InputError(
            f"{key}: give a list of values or a distribution, got {shown(given)}; for one value write [{given!r}]"
        )
    values = tuple(plain(value) for value in given)
    if not values:
        raise InputError(f"{key}: the list of values is empty")
    for value in values:
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{key}: {shown(value)} is no value that a scenario can hold") from error
    return values


def plain(value: Any) -> Any:
    """Return a value as a scenario file would have it.

    Parameters
    ----------
    value : object
        Also of NumPy.

    Returns
    -------
    object
        Without NumPy types.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _few(points: int) -> None:
    if points > MOST_POINTS:
        raise UsageError(f"the design has {points:,} points; at most {MOST_POINTS:,} are taken")


def _grid(axes: Mapping[str, Any], _number: int, _seed: int) -> list[Point]:
    total = 1
    for values in axes.values():
        total *= len(values)
    _few(total)
    return [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]


def _list(axes: Mapping[str, Any], _number: int, _seed: int) -> list[Point]:
    lengths = {key: len(values) for key, values in axes.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise UsageError(f"sample list takes as many values for every key, got {told}")
    rows = zip(*axes.values(), strict=True)
    return [dict(zip(axes, row, strict=True)) for row in rows] if axes else [{}]


def _one_at_a_time(axes: Mapping[str, Axis], _number: int, _seed: int) -> list[Point]:
    levels = {
        key: tuple(axis.quantile(np.array(OAT_LEVELS)).tolist()) if isinstance(axis, Law) else axis
        for key, axis in axes.items()
    }
    points: list[Point] = [{}, *({key: value} for key, values in levels.items() for value in values)]
    _few(len(points))
    return points


def _sobol(axes: Mapping[str, Axis], number: int, seed: int) -> list[Point]:
    return _mapped(axes, _sequence(len(axes), number, seed))


def _sequence(dimensions: int, number: int, seed: int) -> Float:
    from scipy.stats import qmc

    if dimensions > qmc.Sobol.MAXDIM:
        raise UsageError(f"sobol takes at most {qmc.Sobol.MAXDIM} keys, got {dimensions}")
    # whole powers of two, of which any number is the beginning: point i does not depend on how many there are
    return np.asarray(qmc.Sobol(dimensions, seed=_luck(seed)).random_base2((number - 1).bit_length())[:number])


def _halton(axes: Mapping[str, Axis], number: int, seed: int) -> list[Point]:
    from scipy.stats import qmc

    return _mapped(axes, qmc.Halton(len(axes), seed=_luck(seed)).random(number))


def _latin(axes: Mapping[str, Axis], number: int, seed: int) -> list[Point]:
    from scipy.stats import qmc

    return _mapped(axes, qmc.LatinHypercube(len(axes), seed=_luck(seed)).random(number))


def _saltelli(axes: Mapping[str, Axis], number: int, seed: int) -> list[Point]:
    """Rows A, A with one column of B each, B, for every point; the order that SALib reads."""
    k = len(axes)
    _few(number * (k + 2))
    both = _sequence(2 * k, number, seed)
    first, second = both[:, :k], both[:, k:]
    rows = np.repeat(first[:, None, :], k + 2, axis=1)
    for column in range(k):
        rows[:, column + 1, column] = second[:, column]
    rows[:, -1] = second
    return _mapped(axes, rows.reshape(-1, k))


def _luck(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, TAGGED])


def _mapped(axes: Mapping[str, Axis], rows: Float) -> list[Point]:
    """Turn numbers in [0, 1) into values: quantiles of distributions, equal shares of lists."""
    inside = np.clip(rows, 2.0**-53, 1.0 - 2.0**-53)
    columns: list[Sequence[Any]] = []
    for column, axis in enumerate(axes.values()):
        u = inside[:, column]
        if isinstance(axis, Law):
            columns.append(axis.quantile(u).tolist())
        else:
            columns.append([axis[int(each * len(axis))] for each in u.tolist()])
    return [dict(zip(axes, row, strict=True)) for row in zip(*columns, strict=True)]


MAKERS: dict[str, Callable[[Mapping[str, Axis], int, int], list[Point]]] = {
    "grid": _grid,
    "list": _list,
    "oat": _one_at_a_time,
    "sobol": _sobol,
    "halton": _halton,
    "lhs": _latin,
    "saltelli": _saltelli,
}
