"""The page a figure stands on: title, subtitle and footnote around panels; it grows with its texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sim.report import style
from sim.report.text import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EDGE = 0.3
"""Inches between the texts and the edge of the page."""


class Margins(NamedTuple):
    """Inches around and between panels; above a panel stand its title and label, below it ticks and label."""

    left: float = 0.62
    right: float = EDGE
    above: float = 0.62
    below: float = 0.66
    gap: float = 0.72


UNTITLED = Margins(above=0.4, below=0.56)
"""Of a single panel without a title of its own."""

LOW = Margins(above=0.36, below=0.36)
"""The same without ticks below it."""


def page(
    heads: tuple[str, str], note: str, size: tuple[float, float], panels: int = 1, margins: Margins | None = None
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure with its texts and its panels side by side.

    Parameters
    ----------
    heads : tuple of str
        Title and subtitle; any text, wrapped to the page.
    note : str
        At the foot: how to read the figure.
    size : tuple of float
        Width and height of one panel, inches.
    panels : int
        How many.
    margins : Margins, optional
        Around and between them.

    Returns
    -------
    tuple of Figure and list of Axes
        The figure belongs to no window and to no global state.
    """
    from sim.report.shown import Shown

    around = margins or Margins()
    each, high = size
    with style.language():
        wide = around.left + panels * each + (panels - 1) * around.gap + around.right
        room = (wide - 2 * EDGE) * 72.0
        head = wrapped(heads[0], room, style.TITLE, "bold", lines=3)
        below = wrapped(heads[1], room, style.HEAD, lines=5)
        foot = wrapped(note, room, style.SMALL, lines=3)
        first = 0.22
        second = first + 1.35 * style.TITLE / 72.0 * (head.count("\n") + 1)
        top = second + 1.4 * style.HEAD / 72.0 * (below.count("\n") + 1) + around.above
        bottom = around.below + (0.29 + 1.3 * style.SMALL / 72.0 * foot.count("\n") if foot else 0.1)
        tall = top + high + bottom
        figure = Shown(figsize=(wide, tall))
        place = EDGE / wide
        figure.text(place, 1 - first / tall, head, ha="left", va="top", fontsize=style.TITLE, fontweight="bold")
        figure.text(place, 1 - second / tall, below, ha="left", va="top", fontsize=style.HEAD, color=style.QUIET)
        figure.text(place, 0.12 / tall, foot, ha="left", va="bottom", fontsize=style.SMALL, color=style.QUIET)
        axes = [
            figure.add_axes(((around.left + k * (each + around.gap)) / wide, bottom / tall, each / wide, high / tall))
            for k in range(panels)
        ]
    return figure, axes
