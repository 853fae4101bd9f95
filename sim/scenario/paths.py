"""Paths named by a scenario: plain local files under the scenario's folder, unless the user permits more."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PureWindowsPath

from sim.errors import InputError, Problem
from sim.networks.files import meant, quoted, trouble

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(//|\\\\)|(file|data|javascript|https?|ftp|s3|gs):", re.IGNORECASE)
_PERMIT = "pass --allow-path to permit it"


def confine(folder: Path, given: str, key: str, allow_outside: bool = False) -> Path:
    """Return the file a scenario names, after checking that it may be read.

    Parameters
    ----------
    folder : Path
        Folder of the scenario file.
    given : str
        Path as written in the scenario.
    key : str
        Dotted key it was written under, for the message.
    allow_outside : bool
        Whether the user permits absolute paths and files outside the folder.

    Returns
    -------
    Path
        The regular, readable file with all links resolved.

    Raises
    ------
    InputError
        One problem with `key` set; its path and line are left for the caller, who knows the scenario file.
    """
    message = _objection_to_text(given, allow_outside)
    if message:
        raise _refused(key, message)
    try:
        base = folder.resolve()
        real = (base / given).resolve()
        if not allow_outside:
            # normpath takes ".." away without following links, so it tells a path that climbs from a link that does.
            if not Path(os.path.normpath(base / given)).is_relative_to(base):
                raise _refused(key, f"leaves the scenario folder; {_PERMIT}")
            if not real.is_relative_to(base):
                raise _refused(key, f": link leaves the scenario folder; {_PERMIT}")
        message = _objection_to_file(real, given)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        message = _unreachable(folder, given, error)
    if message:
        raise _refused(key, message)
    return real


def _refused(key: str, message: str) -> InputError:
    joint = "" if message.startswith(":") else " "
    return InputError([Problem(f"{key}{joint}{message}", key=key)])


def _objection_to_text(given: str, allow_outside: bool) -> str:
    """Say what is wrong with a path before the file system is asked."""
    if not given.strip():
        return "is empty; give a file name"
    if not given.isprintable():
        return f"holds control characters: {quoted(given)}"
    if len(given) > 1000:
        return "is longer than 1,000 characters"
    if _URL.match(given):
        return "is a URL; only local files are read"
    absolute = Path(given).is_absolute() or bool(PureWindowsPath(given).drive) or given.startswith("\\\\")
    if absolute and not allow_outside:
        return f"is an absolute path; {_PERMIT}"
    return ""


def _objection_to_file(real: Path, given: str) -> str:
    """Say what is wrong with what the path leads to; raise OSError when it cannot be reached."""
    kind = real.stat().st_mode
    if stat.S_ISDIR(kind):
        return f"is a folder: {quoted(given)}; give a file"
    if not stat.S_ISREG(kind):
        return f"is not a regular file: {quoted(given)}"
    if not os.access(real, os.R_OK):
        return f": permission denied {quoted(given)}"
    return ""


def _unreachable(folder: Path, given: str, error: Exception) -> str:
    """Say why a path leads nowhere; name a similar file, but never one outside the folder."""
    if not isinstance(error, OSError):
        return f": {quoted(given)} is a loop of links"
    message = f": {trouble(error)} {quoted(given)}"
    if not isinstance(error, FileNotFoundError):
        return message
    try:
        place = (folder / given).parent.resolve()
        if not place.is_relative_to(folder.resolve()):
            return message
        known = [each.name for each in place.iterdir() if each.name.isprintable()]
    except (OSError, RuntimeError):
        return message
    return message + meant(Path(given).name, known)
