"""Moments of a sample that comes part by part, merged in a fixed tree: a stream and an array give the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from typing import Generic, TypeVar

import numpy as np

from sim.arrays import Float, Int
from sim.experiments.part import PART

Leaf = TypeVar("Leaf")


class Tree(Generic[Leaf]):
    """Merges leaves two by two, neighbours first: the shape depends on the number of leaves alone.

    At most one node of each height is held, so memory grows with the logarithm of the number of leaves.

    Parameters
    ----------
    merge : callable
        Takes the earlier and the later node.
    """

    def __init__(self, merge: Callable[[Leaf, Leaf], Leaf]) -> None:
        self._merge = merge
        self._held: list[tuple[int, Leaf]] = []

    def add(self, leaf: Leaf) -> None:
        """Add the next leaf.

        Parameters
        ----------
        leaf : object
            In the order of the draws.
        """
        height = 0
        while self._held and self._held[-1][0] == height:
            leaf = self._merge(self._held.pop()[1], leaf)
            height += 1
        self._held.append((height, leaf))

    def total(self, empty: Leaf) -> Leaf:
        """Return all leaves merged.

        Parameters
        ----------
        empty : object
            What no leaves give.

        Returns
        -------
        object
            A node.
        """
        nodes = [node for _, node in reversed(self._held)]
        return reduce(lambda later, earlier: self._merge(earlier, later), nodes) if nodes else empty


@dataclass(frozen=True)
class Moments:
    r"""Number, mean and squared deviations of a sample, scaled by a power of two so that nothing overflows.

    Parameters
    ----------
    n : int
        Values.
    centre : float
        Mean, :math:`2^{power}`.
    square : float
        Sum of squared deviations from the mean, :math:`4^{power}`.
    power : int
        Of two.
    """

    n: int = 0
    centre: float = 0.0
    square: float = 0.0
    power: int = 0

    @classmethod
    def of(cls, values: Float) -> Moments:
        """Return the moments of one part; the order of its values changes no bit.

        Parameters
        ----------
        values : float64[n]
            Finite.

        Returns
        -------
        Moments
            Each sum rounded once.
        """
        if not values.size:
            return cls()
        # an exact power of two keeps squares inside the range; scaling the sample scales the result and nothing else
        power = int(np.frexp(np.abs(values).max())[1])
        scaled = np.ldexp(values, -power)
        if scaled.min() == scaled.max():  # a constant has no spread, not one of the size of a rounding error
            return cls(values.size, float(scaled[0]), 0.0, power)
        centre = math.fsum(scaled.tolist()) / values.size
        return cls(values.size, centre, math.fsum(np.square(scaled - centre).tolist()), power)

    def merged(self, later: Moments) -> Moments:
        r"""Return the moments of both samples together.

        .. math:: S = S_a + S_b + (m_b - m_a)^2 \, \frac{n_a n_b}{n_a + n_b}

        Parameters
        ----------
        later : Moments
            Of the draws that follow.

        Returns
        -------
        Moments
            Of all of them.

        References
        ----------
        Chan, Golub and LeVeque (1983), The American Statistician 37(3), 242-247, equation 2.1.
        """
        if not (self.n and later.n):
            return self if self.n else later
        power = max(self.power, later.power)
        before, after = self.at(power), later.at(power)
        n = before.n + after.n
        step = after.centre - before.centre
        square = before.square + after.square + step * step * (before.n * after.n / n)
        return Moments(n, before.centre + step * (after.n / n), square, power)

    def at(self, power: int) -> Moments:
        """Return the same numbers under another power of two.

        Parameters
        ----------
        power : int
            Of two.

        Returns
        -------
        Moments
            Exact, unless numbers leave the range.
        """
        less = self.power - power
        return Moments(self.n, math.ldexp(self.centre, less), math.ldexp(self.square, 2 * less), power)

    @property
    def mean(self) -> float:
        """Mean; NaN of nothing."""
        return math.ldexp(self.centre, self.power) if self.n else math.nan

    @property
    def std(self) -> float:
        """Standard deviation with n - 1 in the denominator; NaN below two values."""
        return math.ldexp(math.sqrt(self.square / (self.n - 1)), self.power) if self.n > 1 else math.nan


@dataclass(frozen=True)
class Shape:
    r"""Moments up to the third.

    Parameters
    ----------
    moments : Moments
        Up to the second.
    cube : float
        Sum of cubed deviations from the mean, :math:`8^{power}`.
    """

    moments: Moments = field(default_factory=Moments)
    cube: float = 0.0

    @classmethod
    def of(cls, values: Float) -> Shape:
        """Return the moments of one part; the order of its values changes no bit.

        Parameters
        ----------
        values : float64[n]
            Finite.

        Returns
        -------
        Shape
            Each sum rounded once.
        """
        found = Moments.of(values)
        off = np.ldexp(values, -found.power) - found.centre if found.square > 0.0 else np.zeros(0)
        return cls(found, math.fsum((off * off * off).tolist()))

    def merged(self, later: Shape) -> Shape:
        r"""Return the moments of both samples together.

        .. math:: C = C_a + C_b + d^3 \, \frac{n_a n_b (n_a - n_b)}{n^2} + 3 d \, \frac{n_a S_b - n_b S_a}{n},
            \quad d = m_b - m_a

        Parameters
        ----------
        later : Shape
            Of the draws that follow.

        Returns
        -------
        Shape
            Of all of them.

        References
        ----------
        Pébay (2008), Sandia Report SAND2008-6212.
        """
        whole = self.moments.merged(later.moments)
        if not (self.moments.n and later.moments.n):
            return self if self.moments.n else later
        a, b = self.moments.at(whole.power), later.moments.at(whole.power)
        cubes = [math.ldexp(each.cube, 3 * (each.moments.power - whole.power)) for each in (self, later)]
        d, n = b.centre - a.centre, whole.n
        apart = d * d * d * (a.n * (b.n / n) * ((a.n - b.n) / n))
        return Shape(whole, cubes[0] + cubes[1] + apart + 3.0 * d * ((a.n / n) * b.square - (b.n / n) * a.square))

    @property
    def skewness(self) -> float:
        r"""Skewness, :math:`(C / n) / (S / n)^{3/2}`; NaN without spread."""
        n, square = self.moments.n, self.moments.square
        return self.cube / n / (square / n) ** 1.5 if square > 0.0 else math.nan


def cut(values: Float) -> Iterator[Float]:
    """Cut a sample as a run cuts its draws.

    Parameters
    ----------
    values : float64[n]
        In draw order, none missing.

    Yields
    ------
    float64[n_part]
        Views, 1000 values each but the last.
    """
    for first in range(0, values.size, PART):
        yield values[first : first + PART]


def moments_of(parts: Iterable[Float]) -> Moments:
    """Return the moments of a sample that comes in parts.

    Parameters
    ----------
    parts : iterable of float64[n_part]
        In draw order; an empty part counts as one.

    Returns
    -------
    Moments
        A function of the parts alone: merged in a fixed tree.
    """
    tree = Tree(Moments.merged)
    for part in parts:
        tree.add(Moments.of(part))
    return tree.total(Moments())


def pair_squares(draws: Int, values: Float, mean: float) -> Moments:
    """Return the moments of sums over pairs of mirrored draws.

    Parameters
    ----------
    draws : int64[n_part]
        Ascending; draws 2k and 2k + 1 are a pair, of which one may be missing.
    values : float64[n_part]
        One a draw.
    mean : float
        Of the whole sample.

    Returns
    -------
    Moments
        Of the sum of ``value - mean`` over each pair.
    """
    if not draws.size:
        return Moments()
    starts = np.flatnonzero(np.r_[True, np.diff(draws // 2) != 0])
    off = np.r_[values - mean, 0.0]
    second = np.where(np.r_[starts[1:], draws.size] - starts == 2, starts + 1, draws.size)
    return Moments.of(off[starts] + off[second])


def pair_error(pairs: Moments, n: int) -> float:
    """Return the standard error of a mean from sums over pairs.

    Parameters
    ----------
    pairs : Moments
        Of `pair_squares` over all parts.
    n : int
        Draws.

    Returns
    -------
    float
        NaN below two pairs.
    """
    return pairs.std * math.sqrt(pairs.n) / n if pairs.n > 1 else math.nan
