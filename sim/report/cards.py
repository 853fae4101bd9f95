"""Cards that notebooks show: one look for every noun, in the colours of the notebook, everything escaped."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping, Sequence

LINE = "rgba(127,127,127,.38)"
QUIET = "opacity:.68"
"""Both read on light and on dark pages; notebooks strip style sheets, so each element carries its own."""

BOX = (
    f"border:1px solid {LINE};border-left:4px solid #4a7fb0;border-radius:5px;padding:9px 14px 10px;margin:4px 0;"
    "max-width:62em;display:inline-block;min-width:22em;line-height:1.45"
)
CELL = "border:0;background:none;padding:1px 14px 1px 0;vertical-align:top;font-variant-numeric:tabular-nums"
NUMBER = ";white-space:nowrap"
MOST_NOTES = 8


def text(said: object) -> str:
    r"""Return anything as text that a notebook shows as it is; what is invisible becomes ``\uXXXX``.

    Parameters
    ----------
    said : object
        Such as a name from a stranger's file.

    Returns
    -------
    str
        Escaped for HTML.
    """
    seen = str(said)
    if not seen.isprintable():
        seen = "".join(
            " " if char in "\n\t" else char.encode("unicode_escape").decode()
            if unicodedata.category(char)[0] == "C" else char
            for char in seen
        )  # fmt: skip
    # a $ would be taken for a formula by notebooks
    return html.escape(seen).replace("$", "&#36;")


def card(
    kind: str,
    title: str,
    subtitle: str = "",
    facts: Mapping[str, str] | None = None,
    tables: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """Return a card.

    Parameters
    ----------
    kind : str
        What it is of, such as ``"Scenario"``.
    title, subtitle : str
        Its name, and a line below it.
    facts : mapping of str to str, optional
        Label and value, one a line.
    tables : sequence of str
        From `table`.
    notes : sequence of str
        What a reader must know.

    Returns
    -------
    str
        HTML without scripts and without anything from outside.

    Examples
    --------
    >>> "&lt;b&gt;" in card("System", "<b>")
    True
    """
    parts = [f'<div><span style="{QUIET}">{text(kind)}</span> <b><bdi>{text(title)}</bdi></b></div>']
    parts += [f"<div>{text(subtitle)}</div>"] if subtitle else []
    if facts:
        lines = "".join(
            f'<tr style="background:none"><th style="{CELL};{QUIET};text-align:left;font-weight:400">{text(name)}</th>'
            f'<td style="{CELL};text-align:left"><bdi>{text(value)}</bdi></td></tr>'
            for name, value in facts.items()
        )
        parts.append(f"<div><table>{lines}</table></div>")
    parts += tables
    parts += [f'<div style="margin-top:3px"><small>{text(note)}</small></div>' for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        parts.append(f'<div><small style="{QUIET}">and {len(notes) - MOST_NOTES:,} more</small></div>')
    return f'<div style="{BOX}">{"".join(parts)}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, caption: str = "") -> str:
    """Return a table for a card.

    Parameters
    ----------
    headings : sequence of str
        One a column.
    rows : sequence of sequence of str
        Cells.
    left : int
        How many leading columns are text; the others are numbers.
    caption : str
        A line above it.

    Returns
    -------
    str
        HTML, everything escaped.
    """
    sides = ["left" if at < left else "right" for at in range(len(headings))]
    head = "".join(
        f'<th style="{CELL};{QUIET};text-align:{side};font-weight:400;border-bottom:1px solid {LINE}">{text(name)}</th>'
        for name, side in zip(headings, sides, strict=True)
    )
    body = "".join(
        '<tr style="background:none">'
        + "".join(
            f'<td style="{CELL};text-align:{side}{NUMBER * (side == "right")}"><bdi>{text(cell)}</bdi></td>'
            for cell, side in zip(row, sides, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    above = f'<div style="{QUIET}">{text(caption)}</div>' if caption else ""
    return f'<div style="overflow-x:auto;margin-top:6px">{above}<table><tr>{head}</tr>{body}</table></div>'
