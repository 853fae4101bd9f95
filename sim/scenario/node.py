"""What a strict loader returns, and the limits and complaints the YAML and the JSON loader share."""

from __future__ import annotations

import math
from typing import NamedTuple

from sim.errors import InputError, Problem
from sim.networks.files import quoted

#: Limits of a scenario file.
MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 100_000
#: Python refuses to convert longer integers, and no field of a scenario needs them.
MAX_DIGITS = 1_000

KeyPath = tuple[str | int, ...]


class Node(NamedTuple):
    """A mapping read from a file, and where each of its keys stands."""

    data: dict[str, object]
    """Plain dicts, lists, text, numbers, booleans and None."""

    lines: dict[KeyPath, int]
    """Line, counted from 1, of every key and list item; ``()`` is the mapping itself."""


def dotted(path: KeyPath) -> str:
    """Return a key path as it is written in messages and overrides.

    Parameters
    ----------
    path : tuple of str and int
        Keys and list positions from the top level down.

    Returns
    -------
    str
        For example ``"shocks.0.size"``.
    """
    return ".".join(str(part) for part in path)


def prefix(path: KeyPath, joint: str = " ") -> str:
    """Return how a message about a key begins; printable whatever the key holds.

    Parameters
    ----------
    path : tuple of str and int
        Full path of the key; empty for a value without a key.
    joint : str
        What stands between the key and the rest.

    Returns
    -------
    str
        For example ``"shocks.0.size "``.
    """
    return quoted(dotted(path))[1:-1] + joint if path else ""


class Draft:
    """A mapping while it is being read: problems and lines are gathered here, whatever the notation.

    Parameters
    ----------
    name : str
        How the file is called in messages; empty for text that is no file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.lines: dict[KeyPath, int] = {}
        self._nodes = 0

    def complain(self, message: str, line: int | None, path: KeyPath = ()) -> None:
        """Note one problem and go on.

        Parameters
        ----------
        message : str
            What is wrong.
        line : int or None
            Where.
        path : tuple of str and int
            Key concerned.
        """
        self.problems.append(Problem(message, self.name, line, dotted(path)))

    def stop(self, message: str, line: int | None) -> InputError:
        """Return the error to raise when reading cannot go on: all problems so far and this one.

        Parameters
        ----------
        message : str
            What is wrong.
        line : int or None
            Where.

        Returns
        -------
        InputError
            Every problem found, in the order of the file.
        """
        self.complain(message, line)
        return self.error()

    def error(self) -> InputError:
        """Return all problems found so far as one error.

        Returns
        -------
        InputError
            In the order of the file.
        """
        return InputError(sorted(self.problems, key=lambda problem: problem.line or 0))

    def enter(self, depth: int, line: int) -> None:
        """Count one more value and check the limits on number and depth.

        Parameters
        ----------
        depth : int
            How many lists and mappings the value lies in.
        line : int
            Where it starts.

        Raises
        ------
        InputError
            Over a limit.
        """
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise self.stop(f"nested deeper than {MAX_DEPTH} levels", line)
        if self._nodes > MAX_NODES:
            raise self.stop(f"more than {MAX_NODES:,} values; put tables into CSV files", line)

    def opened(self, into: dict[str, object], path: KeyPath, line: int) -> None:
        """Note where a key stands; a second time is a problem.

        Parameters
        ----------
        into : dict
            The mapping the key goes into.
        path : tuple of str and int
            Full path of the key.
        line : int
            Where it is written.
        """
        if path[-1] in into:
            first = self.lines.get(path)
            self.complain(f"key {quoted(dotted(path))} given twice (first at line {first})", line, path)
        else:
            self.lines[path] = line

    def text(self, value: str, path: KeyPath, line: int) -> str:
        """Check that text can be written again.

        Parameters
        ----------
        value : str
            Text as decoded.
        path : tuple of str and int
            Where it belongs.
        line : int
            Where it is written.

        Returns
        -------
        str
            The text.
        """
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            self.complain(f"{prefix(path)}holds half of a surrogate pair, which is no text", line, path)
        return value

    def integer(self, written: str, path: KeyPath, line: int, base: int = 10) -> int:
        """Return a whole number; a monstrous one is a problem.

        Parameters
        ----------
        written : str
            Sign and digits (with ``0x`` or ``0o`` for base 16 or 8).
        path : tuple of str and int
            Where it belongs.
        line : int
            Where it is written.
        base : int
            10, 16 or 8.

        Returns
        -------
        int
            The number, or 0 after a problem.
        """
        if len(written) > MAX_DIGITS:
            self.complain(f"{prefix(path, ': ')}number out of range: {quoted(written, 24)[1:-1]}", line, path)
            return 0
        return int(written, base)

    def real(self, written: str, path: KeyPath, line: int) -> float:
        """Return a decimal number; one that overflows is a problem.

        Parameters
        ----------
        written : str
            A number in decimal or scientific notation.
        path : tuple of str and int
            Where it belongs.
        line : int
            Where it is written.

        Returns
        -------
        float
            The nearest double, or 0 after a problem.
        """
        value = float(written) if len(written) <= MAX_DIGITS else math.inf
        if math.isinf(value):
            self.complain(f"{prefix(path, ': ')}number out of range: {quoted(written, 24)[1:-1]}", line, path)
            return 0.0
        return value
