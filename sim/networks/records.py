"""From the bytes of a CSV file to records of fields, with the line each record starts on; linear in the size."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator

from sim.errors import SHOWN, InputError, Problem
from sim.networks.files import decoded, line_at, size_text

#: Limits of a table; each message names the limit.
MAX_BYTES = 1_000_000_000
MAX_FIELD = 1_000_000
MAX_COLUMNS = 1_000
#: A compressed table may grow this many times, and always to a megabyte.
MAX_RATIO = 100
_ALWAYS_ALLOWED = 1_000_000

_ZIP, _GZIP, _PARQUET = b"PK\x03\x04", b"\x1f\x8b", b"PAR1"


def text_of(data: bytes, name: str) -> str:
    """Return the text of a table, unpacked if it is compressed with gzip.

    Parameters
    ----------
    data : bytes
        Content of the file.
    name : str
        How the file is called in messages.

    Returns
    -------
    str
        The text, line ends untouched.

    Raises
    ------
    InputError
        A gzip bomb, a damaged archive, UTF-16, bytes that are not UTF-8, NUL bytes.
    """
    if data.startswith(_GZIP):
        data = _unpacked(data, name)
    if data.startswith(_ZIP):
        raise InputError([Problem("not a CSV file (looks like a spreadsheet or an archive); export it as CSV", name)])
    if data.startswith(_PARQUET):
        raise InputError([Problem("not a CSV file (looks like Parquet); name it .parquet", name)])
    text = decoded(data, name)
    if "\0" in text:
        raise InputError([Problem("NUL byte in the file", name, line) for line in _lines_with_nul(data)])
    return text


def _lines_with_nul(data: bytes) -> list[int]:
    """Return the first lines that hold a NUL byte."""
    lines: list[int] = []
    start = data.find(0)
    while start >= 0 and len(lines) < SHOWN:
        lines.append(line_at(data, start))
        ends = [end for end in (data.find(b"\n", start), data.find(b"\r", start)) if end >= 0]
        start = data.find(0, min(ends)) if ends else -1
    return lines


def _unpacked(data: bytes, name: str) -> bytes:
    """Return what a gzip file holds, never more than the limit."""
    limit = min(MAX_BYTES, max(MAX_RATIO * len(data), _ALWAYS_ALLOWED))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            out = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError([Problem("damaged gzip file (it may be cut off)", name)]) from error
    if len(out) > limit:
        message = f"expands to more than {MAX_RATIO} x its size or {size_text(MAX_BYTES)}; unpack it, or use Parquet"
        raise InputError([Problem(message, name)])
    return out


class Records:
    """Iterator over the records of a CSV text; commas, double quotes, any line ends.

    Parameters
    ----------
    text : str
        The whole text.
    name : str
        How the file is called in messages.
    problems : list of Problem
        Where problems are added; reading goes on where it can.
    """

    def __init__(self, text: str, name: str, problems: list[Problem]) -> None:
        self.name, self.problems = name, problems
        self.ends_with_newline = text.endswith(("\n", "\r"))
        self._lines = enumerate(io.StringIO(text, newline=None), 1)
        self._broken = False
        self._long = len(text) > MAX_FIELD

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for number, raw in self._lines:
            line = raw.removesuffix("\n")
            if not line or line.isspace():
                continue
            fields = line.split(",") if '"' not in line else self._quoted(number, line)
            if self._broken:
                return
            if self._long and len(line) > MAX_FIELD and any(len(field) > MAX_FIELD for field in fields):
                self._complain(f"field longer than {size_text(MAX_FIELD)}", number)
                continue
            yield number, fields

    def _complain(self, message: str, line: int) -> None:
        self.problems.append(Problem(message, self.name, line))

    def _quoted(self, number: int, line: str) -> list[str]:
        """Split a line that holds quotes; a quoted field may go on over the next lines."""
        fields: list[str] = []
        at = 0
        while True:
            if not line.startswith('"', at):
                end = line.find(",", at)
                fields.append(line[at:] if end < 0 else line[at:end])
            else:
                field, number, line, end = self._quoted_field(number, line, at + 1)
                fields.append(field)
            if end < 0:
                return fields
            at = end + 1

    def _quoted_field(self, number: int, line: str, at: int) -> tuple[str, int, str, int]:
        """Return the field, the line it ends on (number and text) and the place of the next comma or -1."""
        opened, parts, size = number, list[str](), 0
        while True:
            end = line.find('"', at)
            if end < 0:
                parts.append(line[at:])
                size += len(line) - at + 1
                number, raw = next(self._lines, (0, ""))
                if not number or size > MAX_FIELD:
                    too_long = f"field longer than {size_text(MAX_FIELD)}; is its quote never closed?"
                    self._complain(too_long if number else "quote opened here is never closed", opened)
                    # Where the next record starts is not known.
                    self._broken = True
                    return "", opened, line, -1
                parts.append("\n")
                line, at = raw.removesuffix("\n"), 0
            elif line.startswith('"', end + 1):
                parts.append(line[at : end + 1])
                at = end + 2
            else:
                parts.append(line[at:end])
                break
        rest = line.find(",", end + 1)
        if line[end + 1 : None if rest < 0 else rest]:
            self._complain(f"text follows a closing quote (opened at line {opened})", number)
        return "".join(parts), number, line, rest
