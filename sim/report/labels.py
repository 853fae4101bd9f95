"""Labels that do not touch: moved apart along a line, or placed around points of a plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sim.arrays import Float
from sim.report.text import width

Box = tuple[float, float, float, float]
"""Left, bottom, right, top; points."""

LINE = 1.25
"""Height of a line of text as a multiple of its size."""


def apart(places: Sequence[float], gap: float | Sequence[float], top: float, bottom: float = -np.inf) -> list[float]:
    """Return ascending places moved as little as a greedy pass can until they are a gap apart.

    Parameters
    ----------
    places : sequence of float
        Ascending.
    gap : float or sequence of float
        Least distance between neighbours, or the height of each label, of which two neighbours share half each.
    top, bottom : float
        Where the last and the first may be at most and at least; `bottom` yields when there is no room for all.

    Returns
    -------
    list of float
        In the same order and unit.
    """
    tall = [float(gap)] * len(places) if isinstance(gap, int | float) else list(gap)
    out: list[float] = []
    for k, place in enumerate(places):
        least = out[-1] + 0.5 * (tall[k - 1] + tall[k]) if out else bottom
        out.append(max(place, least))
    ceiling = top
    for k in reversed(range(len(out))):
        out[k] = min(out[k], ceiling)
        ceiling = out[k] - (0.5 * (tall[k] + tall[k - 1]) if k else 0.0)
    return out


def beside(points: Float, radii: Float, texts: Sequence[str], room: tuple[float, float], size: float) -> list[Box]:
    """Return where labels can stand beside their points without touching one another, a point, or the edge.

    Parameters
    ----------
    points : float64[n_points, 2]
        All points that are drawn, points from the lower left corner; the first ``len(texts)`` get a label.
    radii : float64[n_points]
        Of their circles, points.
    texts : sequence of str
        Printable single lines, the most important first.
    room : tuple of float
        Width and height there is, points.
    size : float
        Type size, points.

    Returns
    -------
    list of Box
        One a text; an empty box (four zeros) where there is no room.
    """
    circles = np.column_stack([points - radii[:, None], points + radii[:, None]]) if len(points) else np.empty((0, 4))
    placed: list[Box] = []
    for k, text in enumerate(texts):
        wide, tall = width(text, size) + 2.0, LINE * size
        found: Box = (0.0, 0.0, 0.0, 0.0)
        for box in _around(points[k], float(radii[k]), wide, tall):
            inside = box[0] >= 0.0 and box[1] >= 0.0 and box[2] <= room[0] and box[3] <= room[1]
            others = np.array([other for other in placed if other[2] > other[0]]).reshape(-1, 4)
            free = inside and not _meets(box, others) and not _meets(box, circles)
            if free and not _crosses(points[k], box, others):
                found = box
                break
        placed.append(found)
    return placed


def _around(point: Float, radius: float, wide: float, tall: float) -> Iterator[Box]:
    """Candidate places, nearest and most usual first."""
    x, y = float(point[0]), float(point[1])
    for distance in (2.5, 8.0, 15.0, 24.0):
        reach = radius + distance
        slant = 0.7 * reach
        for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            along = reach if not (right and up) else slant
            left = x + right * along - (0.5 * wide if not right else wide if right < 0 else 0.0)
            low = y + up * along - (0.5 * tall if not up else tall if up < 0 else 0.0)
            yield (left, low, left + wide, low + tall)


def _crosses(point: Float, box: Box, others: Float) -> bool:
    """Whether the way from a point to its label leads through another label."""
    near = np.array([min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])])
    way = [point + (near - point) * share for share in np.linspace(0.0, 1.0, 12)]
    return any(_meets((float(x), float(y), float(x), float(y)), others) for x, y in way)


def _meets(box: Box, others: Float) -> bool:
    """Whether a box overlaps any of others."""
    across = (others[:, 0] < box[2]) & (others[:, 2] > box[0])
    return bool((across & (others[:, 1] < box[3]) & (others[:, 3] > box[1])).any())
