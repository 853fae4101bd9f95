"""What leaves the program as text: errors on stderr, answers on stdout, nothing that acts on a terminal."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

from sim.errors import SHOWN, InputError, Problem, SimError, nearest, shown

#: What the system says when it has run out of something; the command ends with the code for resources.
EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM)

REINSTALL = "install it again: pip install --force-reinstall contagion-sim"
WITHOUT = "NUMBA_DISABLE_JIT=1 runs without it, slowly and with the same bits"

RESOURCES, RESULT_FOLDER, USAGE, UNEXPECTED, INTERRUPTED = 5, 6, 2, 1, 130


class ResourceError(SimError):
    """The machine has too little room for what was asked; nothing was started."""

    exit_code = RESOURCES


class StoppedError(SimError):
    """The run was interrupted; what it had finished is kept.

    Parameters
    ----------
    message : str
        What is kept and how to go on.
    exit_code : int
        128 + the number of the signal that stopped it.
    """

    def __init__(self, message: str, exit_code: int = INTERRUPTED) -> None:
        self.exit_code = exit_code
        super().__init__(message)


def clean(text: str) -> str:
    """Return text in which every character that could act on a terminal is written as an escape.

    Parameters
    ----------
    text : str
        Anything, also from a stranger's file or from the command line.

    Returns
    -------
    str
        One line of printable characters.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def emit(text: str) -> None:
    """Write an answer to stdout; a reader who has gone away is no error.

    Parameters
    ----------
    text : str
        Lines to write, cleaned by the caller.
    """
    _write(sys.stdout, text)


def note(text: str) -> None:
    """Write one line to stderr.

    Parameters
    ----------
    text : str
        What to say; control characters are escaped.
    """
    _write(sys.stderr, clean(text))


def warn(problems: tuple[Problem, ...]) -> None:
    """Write warnings to stderr, one line each.

    Parameters
    ----------
    problems : tuple of Problem
        What is odd but was accepted.
    """
    for problem in problems[:SHOWN]:
        note(f"warning: {problem}")
    if len(problems) > SHOWN:
        note(f"warning: and {len(problems) - SHOWN} more")


def report(error: BaseException, *, debug: bool = False) -> int:
    """Say on stderr what went wrong and return the exit code.

    Parameters
    ----------
    error : BaseException
        What ended the command.
    debug : bool
        Whether to show the traceback as well.

    Returns
    -------
    int
        Exit code of the command line.
    """
    if debug:
        for line in "".join(traceback.format_exception(error)).splitlines():
            note(line)
    lines, code = _told(error)
    for line in lines:
        note(line)
    return code


def _told(error: BaseException) -> tuple[list[str], int]:
    """Return the lines to show for an error and its exit code."""
    if isinstance(error, InputError):
        return [_placed(problem) for problem in error.problems[:SHOWN]] + _more(error), error.exit_code
    if isinstance(error, SimError):
        return [f"error: {error}"], error.exit_code
    if isinstance(error, typer.TyperException):
        return [f"error: {_usage(error)}"], USAGE
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return ["interrupted"], INTERRUPTED
    if isinstance(error, MemoryError):
        return ["error: memory ran out; try a smaller --block or --workers 1"], RESOURCES
    if isinstance(error, ImportError):
        return [f"error: a part of the installation cannot be loaded: {error}; {REINSTALL}"], RESOURCES
    if isinstance(error, RuntimeError) and "LLVM" in str(error):
        return [f"error: the compiler of the kernels failed: {error}; {WITHOUT}"], RESOURCES
    if isinstance(error, OSError):
        what = error.strerror or str(error)
        said = f"error: {error.filename}: {what}" if error.filename else f"error: {what}"
        return [said], RESOURCES if error.errno in EXHAUSTED else RESULT_FOLDER
    return [f"error: unexpected {type(error).__name__}: {error} (a bug; --debug shows where)"], UNEXPECTED


def _placed(problem: Problem) -> str:
    """Return a problem as ``path:line: what`` when it has a place, else as ``error: what``."""
    return str(problem) if problem.path else f"error: {problem}"


def _more(error: InputError) -> list[str]:
    hidden = len(error.problems) - SHOWN
    return [f"and {hidden} more"] if hidden > 0 else []


def _usage(error: typer.TyperException) -> str:
    """Return what is wrong with a call, in our words where the parser's are longer than needed."""
    context = getattr(error, "ctx", None)
    if hasattr(error, "possibilities"):  # only the error about an unknown option carries this
        option = str(getattr(error, "option_name", ""))
        known = [name for param in context.command.params for name in param.opts] if context is not None else []
        # its message cuts a value off; the option itself goes through shown() only when it would act on a terminal
        return f"unknown option {option if option.isprintable() else shown(option)}{_meant(option, known)}"
    return error.format_message().rstrip(".")


def _meant(option: str, known: list[str]) -> str:
    """Return the did-you-mean clause with the option unquoted, as it would be typed."""
    return nearest(option, known).replace("'", "")


@contextmanager
def told_warnings() -> Iterator[None]:
    """Show warnings of libraries, and of our kernels, as one line each without a path.

    Yields
    ------
    None
        While a command runs.
    """

    def show(message: Warning | str, *_: object, **__: object) -> None:
        note(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def tolerant_streams() -> None:
    """Let stdout and stderr write an escape where their encoding has no such character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence(stream: TextIO | None) -> None:
    """Point a broken stream at the null device, so that nothing later, at exit included, trips over it.

    Parameters
    ----------
    stream : text stream or None
        ``sys.stdout`` or ``sys.stderr``.
    """
    fileno: Callable[[], int] | None = getattr(stream, "fileno", None)
    if fileno is None:
        return
    try:
        number = fileno()
        null = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):  # an in-memory stream has no descriptor, a closed one none any more
        return
    os.dup2(null, number)
    os.close(null)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # started with the descriptor closed
        return
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        silence(stream)
    except OSError:
        silence(stream)
        raise
