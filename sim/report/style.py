"""The visual language of all figures: colours, type, numbers, text that always has glyphs, and saving."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError, StoreError
from sim.report.text import families, printable, tick, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1a1a1a"
QUIET = "#5f6670"
RULE = "#c9ced6"
BODY = "#8fb0d0"
TAIL = "#1f4e79"
MARK = "#c2410c"
DEEP = "#5b1a6b"
"""Blues for quantities, vermilion and plum for risk measures: apart for the colour-blind, and in grey by dash."""

PAPER: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
"""Box behind a text that stands on lines."""

SMALL = 7.5
BASE = 8.0
HEAD = 9.5
TITLE = 13.0
"""Type sizes, points."""

STYLE: dict[Any, Any] = {
    "font.size": BASE, "text.color": INK, "text.parse_math": False, "axes.labelcolor": QUIET, "axes.labelsize": BASE,
    "axes.edgecolor": QUIET, "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.axisbelow": True, "axes.unicode_minus": True, "xtick.color": QUIET,
    "ytick.color": QUIET, "xtick.labelsize": BASE, "ytick.labelsize": BASE, "xtick.major.width": 0.6,
    "xtick.major.size": 3.0, "ytick.major.size": 0.0, "figure.facecolor": "white", "savefig.facecolor": "white",
    "svg.hashsalt": "contagion-sim", "svg.fonttype": "path", "hatch.linewidth": 0.5,
}  # fmt: skip

Label = str | tuple[str, str]
"""What an axis shows, and its unit."""

FORMATS = (".png", ".svg", ".pdf")


@contextmanager
def language() -> Iterator[None]:
    """Draw in the style of this package, whatever the user's own matplotlib settings are; they come back afterwards.

    Yields
    ------
    None
        The settings hold inside the ``with`` block.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        # From the defaults on, so that a user's matplotlibrc can change neither the look nor the bytes.
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, "font.family": list(families())})
        yield


def extent(ax: Axes) -> tuple[float, float]:
    """Return the size of an axes.

    Parameters
    ----------
    ax : Axes
        Of a figure of any resolution.

    Returns
    -------
    tuple of float
        Width and height, points.
    """
    box = ax.get_window_extent()
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return float(box.width) * 72.0 / dpi, float(box.height) * 72.0 / dpi


def whole_ticks(ax: Axes, low: float, high: float) -> None:
    """Put ticks at round whole numbers, and at the first one.

    Parameters
    ----------
    ax : Axes
        Its horizontal axis is changed.
    low, high : float
        First and last value that may carry a tick, unit of the axis.
    """
    from matplotlib.ticker import MaxNLocator

    round_ones = MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]).tick_values(low, high)
    gap = 0.6 * (round_ones[1] - round_ones[0])
    ax.set_xticks([low, *(float(place) for place in round_ones if low + gap < place <= high)])
    ax.xaxis.set_major_formatter(lambda value, _: tick(value))


def dressed(ax: Axes, title: str, xlabel: Label, ylabel: Label, note: str = "") -> None:
    """Give an axes its title, its labels (the vertical one lies flat above the axis), and a quiet grid.

    Parameters
    ----------
    ax : Axes
        Changed in place.
    title : str
        Plain text; wrapped to the width of the axes, as the labels are.
    xlabel, ylabel : str or (str, str)
        What is shown, and its unit, which stays when the text before it is cut.
    note : str
        A line of its own under the horizontal label.
    """
    from matplotlib.transforms import ScaledTranslation

    room = extent(ax)[0]
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("axes belong to no figure; make them with Figure().subplots()")
    above = _label(ylabel, room, lines=1)
    ax.set_ylabel(above, rotation=0, ha="left", va="bottom")
    ax.yaxis.set_label_coords(0.0, 1.0, transform=ax.transAxes + ScaledTranslation(0.0, 5 / 72, figure.dpi_scale_trans))
    below = [part for part in (_label(xlabel, room, lines=2), wrapped(note, room, BASE, lines=1)) if part]
    ax.set_xlabel("\n".join(below), labelpad=4)
    pad = 9.0 + 1.25 * BASE
    ax.set_title(wrapped(title, room, HEAD, "bold"), loc="left", pad=pad, fontsize=HEAD, fontweight="bold")
    ax.grid(axis="y", color=RULE, linewidth=0.5)
    ax.tick_params(axis="y", pad=3)


def _label(label: Label, room: float, lines: int) -> str:
    """The text, a comma, and the unit."""
    text, unit = (label, "") if isinstance(label, str) else label
    text = text.strip().rstrip(".")
    return wrapped(text, room, BASE, lines=lines, end=f", {unit}" if text and unit else unit)


def blank(ax: Axes, text: str) -> None:
    """Say in the middle of an axes why there is nothing to see.

    Parameters
    ----------
    ax : Axes
        Changed in place: no ticks, no grid.
    text : str
        Such as ``"no draws"``.
    """
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, printable(text), transform=ax.transAxes, ha="center", va="center", color=QUIET, fontsize=HEAD)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure; the same figure gives the same bytes in every process.

    Parameters
    ----------
    figure : Figure
        Any figure of this package.
    path : str or Path
        Ends in ``.png`` (200 dots an inch), ``.svg`` or ``.pdf``.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    InputError
        The ending names another format.
    StoreError
        The file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in FORMATS:
        raise InputError(f"{target.name}: figures are written as {', '.join(FORMATS)}, got {kind or 'no ending'}")
    # A date in the file would make two runs of one seed differ.
    undated: dict[str, dict[str, str | None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
    buffer = io.BytesIO()
    with language():
        figure.savefig(buffer, format=kind[1:], dpi=200, metadata=undated[kind])
    try:
        target.write_bytes(buffer.getvalue())
    except OSError as error:
        raise StoreError(f"{target.name}: cannot write the figure: {error.strerror}") from error
    return target
