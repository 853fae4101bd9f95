"""Text and numbers as figures show them: always drawable, wrapped by measured width, in readable units."""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from typing import NamedTuple

#: The first is part of matplotlib, so every machine has it; the others are taken where installed, for other scripts.
FAMILIES = (
    "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans Devanagari",
    "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil", "WenQuanYi Zen Hei", "Arial Unicode MS",
)  # fmt: skip

PREFIXES = ("thousand", "million", "bn", "tn")
SPELLINGS = {
    spelling: level
    for level, spellings in enumerate(
        ("k thousand thousands", "m mn mln million millions", "b bn billion billions", "tn trn trillion trillions")
    )
    for spelling in spellings.split()
}


class Scale(NamedTuple):
    """How values are shown: multiply by `factor`, and write `unit` on the axis."""

    factor: float
    unit: str


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Return the font families that text is drawn with, in the order they are tried.

    Returns
    -------
    tuple of str
        Those of `FAMILIES` this machine has; never empty.
    """
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return tuple(name for name in FAMILIES if name in installed) or FAMILIES[:1]


@lru_cache(maxsize=1)
def _covered() -> frozenset[int]:
    """Code points that some family has in both weights used."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    points: set[int] = set()
    for family in families():
        weights = [
            set(get_font(findfont(FontProperties(family=[family], weight=weight))).get_charmap())
            for weight in ("normal", "bold")
        ]
        points |= weights[0] & weights[1]
    return frozenset(points)


def printable(text: str) -> str:
    r"""Return text that can be drawn: what no installed font has, and what is invisible, becomes ``\uXXXX``.

    Parameters
    ----------
    text : str
        Anything, such as a name that came from a file.

    Returns
    -------
    str
        One line in Unicode form NFC; line breaks and tabs become spaces.
    """
    out = []
    for char in unicodedata.normalize("NFC", text):
        code = ord(char)
        if char.isspace():
            out.append(" ")
        elif unicodedata.category(char)[0] == "C" or code not in _covered():
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        else:
            out.append(char)
    return "".join(out)


def width(text: str, size: float, weight: str = "normal") -> float:
    """Return how wide one printable line is.

    Parameters
    ----------
    text : str
        From `printable`.
    size : float
        Type size, points.
    weight : str
        ``"normal"`` or ``"bold"``.

    Returns
    -------
    float
        Points.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=list(families()), size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def wrapped(text: str, points: float, size: float, weight: str = "normal", lines: int = 2, end: str = "") -> str:
    """Return printable text broken into lines that fit; what exceeds the last line is cut with an ellipsis.

    Parameters
    ----------
    text : str
        Anything.
    points : float
        Width there is, points.
    size : float
        Type size, points.
    weight : str
        ``"normal"`` or ``"bold"``.
    lines : int
        Most lines returned.
    end : str
        What follows the text and stays when it is cut, such as its unit; at most 40 signs.

    Returns
    -------
    str
        Lines separated by newlines.
    """
    end = printable(end)[:40]
    rest = " ".join(printable(text).split()) + end
    out: list[str] = []
    while rest and len(out) < lines:
        last = len(out) == lines - 1
        if width(rest, size, weight) <= points:
            out.append(rest)
            break
        tail = f"…{end}" if last else ""
        fits = _fitting(rest, points, size, weight, tail)
        cut = rest[:fits].rfind(" ") if rest[fits : fits + 1] != " " else fits
        # Scripts without spaces, and very long words, break anywhere.
        cut = cut if cut > fits // 2 else max(fits, 1)
        out.append(rest[:cut].rstrip() + tail)
        rest = rest[cut:].lstrip()
    return "\n".join(out)


def _fitting(text: str, points: float, size: float, weight: str, tail: str) -> int:
    """Length of the longest start of `text` that fits together with `tail`, by bisection."""
    low, high = 0, min(len(text), max(1, int(4 * points / size)))
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle] + tail, size, weight) <= points:
            low = middle
        else:
            high = middle - 1
    return low


def scale(unit: str, peak: float) -> Scale:
    """Choose a readable unit: ``EUR million`` becomes ``EUR bn`` for large amounts, a fraction becomes per cent.

    Parameters
    ----------
    unit : str
        Of the values as given, such as ``"EUR million"``, ``"currency"``, ``"1"``.
    peak : float
        Largest absolute value that will be shown, in `unit`.

    Returns
    -------
    Scale
        Factor 1 and the unit as given where no better one is known.
    """
    if unit.strip() in ("1", ""):
        return Scale(100.0, "%") if unit.strip() else Scale(1.0, "")
    head, _, word = unit.strip().rpartition(" ")
    given = SPELLINGS.get(word.lower(), -1) if head else -1
    is_money = given >= 0 or unit == "currency" or (len(unit) == 3 and unit.isupper())
    if not is_money or not math.isfinite(peak):
        return Scale(1.0, unit)
    level, shown = given, abs(peak)
    while shown >= 1e4 and level < len(PREFIXES) - 1:
        level, shown = level + 1, shown / 1e3
    while 0.0 < shown < 1.0 and level >= 0:
        level, shown = level - 1, shown * 1e3
    if level == given:
        return Scale(1.0, unit)
    if unit == "currency":
        # No name to put the prefix behind: whoever knows the currency passes it.
        return Scale(1000.0 ** (given - level), f"{PREFIXES[level]} currency units")
    name = head if given >= 0 else unit
    return Scale(1000.0 ** (given - level), f"{name} {PREFIXES[level]}" if level >= 0 else name)


def digits(value: float) -> int:
    """Return how many decimals show three significant digits.

    Parameters
    ----------
    value : float
        Any finite number.

    Returns
    -------
    int
        From 0 to 6.
    """
    return 0 if value == 0.0 else min(6, max(0, 2 - math.floor(math.log10(abs(value)))))


def number(value: float, decimals: int | None = None) -> str:
    """Return a number with thousands separators and a true minus sign.

    Parameters
    ----------
    value : float
        Any finite number.
    decimals : int or None
        None: three significant digits.

    Returns
    -------
    str
        Such as ``"1,310"``, ``"0.042"``.
    """
    text = f"{value:,.{digits(value) if decimals is None else decimals}f}"
    return text.replace("-", "\u2212")


def exact(value: float) -> str:
    """Return a number as `number` does, whole ones without idle decimals.

    Parameters
    ----------
    value : float
        Any finite number.

    Returns
    -------
    str
        Such as ``"60"``, ``"7.17"``.
    """
    return number(value, 0 if float(value).is_integer() else None)


def amount(value: float, unit: str) -> str:
    """Return an amount in a readable unit.

    Parameters
    ----------
    value : float
        In `unit`.
    unit : str
        Such as ``"EUR million"``.

    Returns
    -------
    str
        Such as ``"EUR 2,010 bn"``, ``"60 currency units"``.
    """
    shown = scale(unit, value)
    said = exact(value * shown.factor)
    head, _, word = shown.unit.partition(" ")
    is_money = len(head) == 3 and head.isupper()
    return f"{head} {said} {word}".rstrip() if is_money else f"{said} {shown.unit}".rstrip()


def tick(value: float) -> str:
    """Return the label of an axis tick: thousands separators, no idle decimals.

    Parameters
    ----------
    value : float
        A round number.

    Returns
    -------
    str
        Such as ``"2,500"``, ``"0.5"``.
    """
    return f"{value:,.6g}".replace("-", "\u2212") if abs(value) < 1e6 else number(value, 0)
