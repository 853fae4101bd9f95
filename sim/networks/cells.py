"""One cell of a table: what it may hold, and what to say when it does not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from sim.networks.files import quoted

Kind = Literal["id", "text", "amount", "number", "share", "names"]

# Longer than any double needs; bounds the work on one cell.
_LONGEST_NUMBER = 400
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_THOUSANDS = re.compile(
    r"[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+(?:\.[0-9]*)?|(?:\.[0-9]{3}){2,}|(?:[ '\u00a0\u202f][0-9]{3})+)"
)
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]*")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class ColumnRule:
    """What the cells of one column may hold.

    Parameters
    ----------
    kind : {"id", "text", "amount", "number", "share", "names"}
        ``id``: text that names something, without spaces around it; ``text``: any text; ``amount``: finite and at
        least 0; ``number``: finite; ``share``: in [0, 1]; ``names``: columns of this table, separated by spaces.
    required : bool
        Whether the column must be there and no cell of it empty.
    unique : bool
        Whether no two rows may hold the same text.
    hint : str
        Added to the message about a negative amount.
    """

    kind: Kind
    required: bool = False
    unique: bool = False
    hint: str = ""

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.kind in ("amount", "number", "share")


def number(cell: str, column: str, rule: ColumnRule) -> float | str:
    """Return the number in a cell that is not empty, or what is wrong with it.

    Parameters
    ----------
    cell : str
        Text of the cell.
    column : str
        Name of the column, for the message.
    rule : ColumnRule
        What the column may hold.

    Returns
    -------
    float or str
        The value, ``-0`` read as 0; or a message.
    """
    if len(cell) > _LONGEST_NUMBER or not _NUMBER.fullmatch(cell):
        return _no_number(cell, column)
    value = float(cell)
    # A number that is not zero but too small for a double would silently become zero.
    if math.isinf(value) or (value == 0.0 and any(digit in "123456789" for digit in re.split("[eE]", cell)[0])):
        return f"{column} {quoted(cell)[1:-1]} is out of range"
    if rule.kind == "amount" and value < 0.0:
        return f"{column} {quoted(cell)[1:-1]} is negative{rule.hint and '; ' + rule.hint}"
    if rule.kind == "share" and not 0.0 <= value <= 1.0:
        percent = f"; is it a percentage ({value / 100:g})?" if 1.0 < value <= 100.0 else ""
        return f"{column} = {quoted(cell)[1:-1]} must be in [0, 1]{percent}"
    return value + 0.0


def _no_number(cell: str, column: str) -> str:
    """Say why a cell is no number, and the nearest fix where there is one."""
    if len(cell) > _LONGEST_NUMBER:
        return f"{column} {quoted(cell)} is not a number (longer than {_LONGEST_NUMBER} characters)"
    if _NOT_FINITE.fullmatch(cell):
        return f"{column} must be finite, got {cell.lower()}"
    said = f"{column} {quoted(cell)} is not a number"
    if any(sign in cell for sign in "\u2212\u2013\u2014\ufe63\uff0d"):
        return f"{said} (Unicode minus sign); write -"
    if not cell.isascii() and any(letter.isdigit() and not letter.isascii() for letter in cell):
        return f"{column} is not written in ASCII digits: {quoted(cell)}"
    if _THOUSANDS.fullmatch(cell):
        return f"{said}; remove the thousands separator"
    if _COMMA.fullmatch(cell):
        return f"{said}; decimal comma? Write a point"
    if cell.endswith("%") and _NUMBER.fullmatch(cell[:-1].rstrip()):
        return f"{said}; write {float(cell[:-1]) / 100:g}"
    if cell.startswith("=") or "(" in cell or re.search(r"[0-9][-+*/][0-9]", cell):
        return f"{said} (cells are never evaluated)"
    return said


def identifier(cell: str, column: str) -> str:
    """Return what is wrong with a name that is not empty, or an empty text.

    Parameters
    ----------
    cell : str
        Text of the cell.
    column : str
        Name of the column, for the message.

    Returns
    -------
    str
        A message, or ``""``.
    """
    if cell != cell.strip():
        return f"{column} {quoted(cell)} has spaces around it"
    if _CONTROL.search(cell):
        return f"{column} {quoted(cell)} holds control characters"
    return ""
