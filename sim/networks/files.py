"""Opening and decoding files that came from outside, and quoting what they hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from sim.errors import InputError, Problem

#: Longest name, and most names, that are compared to find what was meant; the comparison is quadratic.
_COMPARED_LENGTH = 100
_COMPARED_NAMES = 2_000


def quoted(value: str, limit: int = 60) -> str:
    """Return text from outside in double quotes, escaped and cut, so that it cannot act on a terminal.

    Parameters
    ----------
    value : str
        Anything that came from a file.
    limit : int
        Longest text returned.

    Returns
    -------
    str
        Printable text.
    """
    # Cut first: the repr of a megabyte is work for nothing.
    body = repr(value[: limit + 1])[1:-1]
    return f'"{body}"' if len(body) <= limit - 2 else f'"{body[: limit - 5]}..."'


def meant(name: str, known: Collection[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the closest known name, or an empty text.

    Parameters
    ----------
    name : str
        What was written.
    known : collection of str
        What could have been meant. Very long lists and names are not compared.

    Returns
    -------
    str
        A clause to append to a message.
    """
    if len(name) > _COMPARED_LENGTH or len(known) > _COMPARED_NAMES:
        return ""
    close = get_close_matches(name, sorted(each for each in known if len(each) <= _COMPARED_LENGTH), n=1)
    return f"; did you mean {quoted(close[0])}?" if close else ""


def size_text(size: float) -> str:
    """Return a number of bytes in the unit a reader expects.

    Parameters
    ----------
    size : float
        Bytes.

    Returns
    -------
    str
        For example ``"200 MB"``; decimal units.
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def label(path: Path) -> str:
    """Return how a file is called in messages: relative to the working folder when it lies inside it.

    Parameters
    ----------
    path : Path
        Any path.

    Returns
    -------
    str
        Printable text.
    """
    try:
        text = str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        text = str(path)
    return text if text.isprintable() else repr(text)[1:-1]


def trouble(error: OSError) -> str:
    """Return why the system would not open a file, as a message.

    Parameters
    ----------
    error : OSError
        What the system said.

    Returns
    -------
    str
        For example ``"permission denied"``.
    """
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    return f"cannot be read: {error.strerror or type(error).__name__}"


def read_bytes(path: Path, limit: int, what: str = "file") -> bytes:
    """Return the content of a regular file; never blocks on a pipe, never reads more than `limit`.

    Parameters
    ----------
    path : Path
        What to read. Links are followed: confine the path first when it came from a file.
    limit : int
        Most bytes read.
    what : str
        What the limit belongs to, for the message.

    Returns
    -------
    bytes
        The whole content.

    Raises
    ------
    InputError
        No such file, a folder, not a regular file, permission denied, too large.
    """
    name = label(path)
    try:
        data, size = _opened(path, limit)
    except InputError as error:
        raise InputError([problem.at(name) for problem in error.problems]) from error
    except OSError as error:
        raise InputError([Problem(trouble(error), name)]) from error
    except ValueError as error:  # a NUL in the path
        raise InputError([Problem("no such file", name)]) from error
    if size > limit:
        message = f"{size_text(size)} is over the limit of {size_text(limit)} for a {what}"
        raise InputError([Problem(message, name)])
    return data


def _opened(path: Path, limit: int) -> tuple[bytes, int]:
    """Return at most `limit` bytes and the size; nothing is read of a file that is larger."""
    # Asked before opening, because opening a device can have effects; and asked again of what was opened, because
    # the name may point elsewhere by then.
    _check_kind(path.stat().st_mode)
    # Opening a pipe that nobody writes to would otherwise wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        _check_kind(found.st_mode)
        data = b"" if found.st_size > limit else file.read(limit + 1)
    return data, max(found.st_size, len(data))


def _check_kind(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise InputError("is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise InputError("not a regular file")


def line_at(data: bytes, offset: int) -> int:
    """Return the line, counted from 1, on which a byte lies.

    Parameters
    ----------
    data : bytes
        Content of a file; lines end with LF, CR LF or CR.
    offset : int
        Position of the byte.

    Returns
    -------
    int
        Line.
    """
    carriage = data.count(b"\r", 0, offset) - data.count(b"\r\n", 0, offset + 1)
    return 1 + data.count(b"\n", 0, offset) + carriage


def decoded(data: bytes, name: str) -> str:
    """Return a file's text; UTF-8 only, a byte-order mark is dropped.

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
        UTF-16 or UTF-32; a byte that is not UTF-8, with its line.
    """
    if looks_wide(data):
        raise InputError([Problem("not UTF-8 (looks like UTF-16); save as UTF-8", name)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from behind the mark.
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        message = f"byte 0x{data[start]:02x} is not UTF-8; is the file Latin-1? Save it as UTF-8"
        raise InputError([Problem(message, name, line_at(data, start))]) from error


def looks_wide(data: bytes) -> bool:
    """Tell UTF-16 and UTF-32 by their mark, or by zeros in every second byte.

    Parameters
    ----------
    data : bytes
        Content of a file.

    Returns
    -------
    bool
        Whether the text was saved with two or four bytes a letter.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        return True
    head = data[:4096]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    return half >= 2 and ((odd > 0.6 * half and even < 0.1 * half) or (even > 0.6 * half and odd < 0.1 * half))
