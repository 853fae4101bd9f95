"""How the draws of a run are cut into parts: those of one network together, up to 1000 of them.

With K networks, the parts begin with draws 0, 1, ..., K - 1, then with 1000 K, 1000 K + 1, ..., and so on. The cut
depends on nothing but K, so a longer run has the parts of a shorter one and goes on from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from sim.experiments.part import PART, Part, draw_numbers, join


def starts(draws: int, networks: int = 1) -> Iterator[int]:
    """Yield the first draw of every part of a run, ascending.

    Parameters
    ----------
    draws : int
        Of the run.
    networks : int
        That they are spread over.

    Yields
    ------
    int
        With one network 0, 1000, 2000, and so on.
    """
    for base in range(0, draws, PART * networks):
        yield from range(base, min(base + networks, draws))


def by_network(draws: int, networks: int = 1) -> Iterator[int]:
    """Yield the first draw of every part of a run, one network after the other.

    Parameters
    ----------
    draws : int
        Of the run.
    networks : int
        That they are spread over.

    Yields
    ------
    int
        The draws that `starts` yields.
    """
    for network in range(min(networks, draws)):
        yield from range(network, draws, PART * networks)


def start_of(draw: int, networks: int = 1) -> int:
    """Return the first draw of the part that holds a draw.

    Parameters
    ----------
    draw : int
        Any.
    networks : int
        Of the run.

    Returns
    -------
    int
        On the same network.
    """
    return draw - draw // networks % PART * networks


def size_of(start: int, draws: int, networks: int = 1) -> int:
    """Return how many draws of a run a part holds.

    Parameters
    ----------
    start : int
        First draw of the part.
    draws, networks : int
        Of the run.

    Returns
    -------
    int
        At most 1000.
    """
    return min(PART, -(-(draws - start) // networks))


def within(draw: int, first: int, draws: int, networks: int = 1) -> bool:
    """Return whether a draw is among some that follow each other on one network.

    Parameters
    ----------
    draw : int
        Any.
    first, draws : int
        First of them, and how many.
    networks : int
        Of the run.

    Returns
    -------
    bool
        False for draws of another network.

    Examples
    --------
    >>> within(7, 1, 3, networks=3), within(8, 1, 3, networks=3)
    (True, False)
    """
    place, other = divmod(draw - first, networks)
    return other == 0 and 0 <= place < draws


def weave(parts: Iterable[Part]) -> Part:
    """Return all draws of a run from the parts of its networks.

    Parameters
    ----------
    parts : iterable of Part
        In any order, none missing; at least one.

    Returns
    -------
    Part
        Every draw, one after the other.

    Raises
    ------
    ValueError
        If draws are missing, or the parts differ in metrics, steps or agents.
    """
    pieces = sorted(parts, key=lambda each: each.first)
    if pieces[0].networks == 1:
        return join(pieces)
    numbers = np.concatenate([draw_numbers(each) for each in pieces])
    order, place, moved = np.argsort(numbers), 0, list[Part]()
    for each in pieces:
        moved.append(replace(each, first=place, stride=1))
        place += each.draws
    if not np.array_equal(numbers[order], numbers.min() + np.arange(numbers.size)):
        raise ValueError("draws are missing")
    whole = join(moved)
    return replace(
        whole,
        first=int(numbers.min()),
        metrics={name: np.ascontiguousarray(values[order]) for name, values in whole.metrics.items()},
        status=tuple(whole.status[k] for k in order),
        reason=tuple(whole.reason[k] for k in order),
        final={name: np.ascontiguousarray(values[order]) for name, values in whole.final.items()},
    )


def unwoven(part: Part, start: int) -> Part:
    """Return one part of a run from all its draws.

    Parameters
    ----------
    part : Part
        From `weave`, beginning with draw 0.
    start : int
        First draw of the part.

    Returns
    -------
    Part
        As it was played.
    """
    far = part.networks
    which = slice(start, start + size_of(start, part.draws, far) * far, far)
    return replace(
        part,
        first=start,
        metrics={name: np.ascontiguousarray(values[which]) for name, values in part.metrics.items()},
        status=part.status[which],
        reason=part.reason[which],
        final={name: np.ascontiguousarray(values[which]) for name, values in part.final.items()},
        stride=far,
    )
