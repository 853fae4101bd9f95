"""Every error a user can meet; each builds its message from facts and keeps the facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

#: How many problems of one file are shown before "and N more".
SHOWN = 20


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty text.

    Parameters
    ----------
    name : str
        What was written.
    known : iterable of str
        What could have been meant.

    Returns
    -------
    str
        A clause to append to a message.
    """
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object, limit: int = 60) -> str:
    """Return a value as it may appear in a message: its ``repr``, cut, without control characters.

    Parameters
    ----------
    value : object
        Anything that came from outside.
    limit : int
        Longest text returned.

    Returns
    -------
    str
        Text that cannot act on a terminal.
    """
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input, and where.

    Parameters
    ----------
    message : str
        What is wrong, got, allowed, nearest fix.
    path : str
        File, relative where possible; empty for input that is no file.
    line : int or None
        Line in the file, counted from 1.
    key : str
        Dotted key or column concerned, empty when there is none.
    """

    message: str
    path: str = ""
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        where = self.path + (f":{self.line}" if self.line is not None else "")
        return f"{where}: {self.message}" if where else self.message

    def at(self, path: str) -> Problem:
        """Return the same problem, found in `path`.

        Parameters
        ----------
        path : str
            File the problem was found in.

        Returns
        -------
        Problem
            A copy that names the file.
        """
        return replace(self, path=path)


class SimError(Exception):
    """Base of all errors of this package; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(SimError):
    """The call itself is wrong: an option, an argument, a combination."""

    exit_code = 2


class InputError(SimError, ValueError):
    """A file, a table or an array holds something that cannot be used; carries every problem found."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem(problems),) if isinstance(problems, str) else tuple(problems)
        lines = [str(problem) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))


class UnknownNameError(InputError):
    """A scenario or a call names something that nobody has registered."""

    def __init__(self, what: str, name: str, known: Iterable[str], where: str = "") -> None:
        self.what, self.name, self.known = what, name, sorted(known)
        more = len(self.known) - SHOWN
        listed = ", ".join(self.known[:SHOWN]) + (f" and {more} more" if more > 0 else "") or "none"
        hint = nearest(name, self.known)
        super().__init__(f"{where}unknown {what} {shown(name)}{hint} (known: {listed})")


class ConvergenceError(SimError):
    """A solver did not reach its tolerance; `state` is where it stopped."""

    exit_code = 4

    def __init__(self, solver: str, rounds: int, residual: float, tol: float, state: object = None) -> None:
        self.solver, self.rounds, self.residual, self.tol, self.state = solver, rounds, residual, tol, state
        super().__init__(
            f"{solver}: residual {residual:.3g} after {rounds} rounds is above tol {tol:.3g}; "
            "raise max_rounds, or pass allow_uncertified=True to take the last state"
        )


class AuditError(SimError):
    """The ledger does not close: a bug in a channel or a plug-in, never a property of the input."""

    exit_code = 1

    def __init__(self, check: str, what: str, agent: str, lane: int, gap: float, allowed: float) -> None:
        self.check, self.what, self.agent, self.lane, self.gap, self.allowed = check, what, agent, lane, gap, allowed
        super().__init__(
            f"audit {check}: {what} of {agent} in lane {lane} is off by {gap:.6g} (allowed {allowed:.3g}); "
            "this is a bug in the model or in a plug-in"
        )


class NotFiniteError(SimError):
    """A NaN or an infinity appeared in a draw."""

    exit_code = 5

    def __init__(self, what: str, agent: str, draw: int, value: float) -> None:
        self.what, self.agent, self.draw, self.value = what, agent, draw, value
        super().__init__(f"{what} of {agent} became {value} in draw {draw}")


class FailedDrawsError(SimError):
    """Some draws did not finish; the others are kept."""

    exit_code = 5

    def __init__(self, failed: int, draws: int, first: int, reason: str) -> None:
        self.failed, self.draws, self.first, self.reason = failed, draws, first, reason
        if reason.startswith(f"{PluginError.__name__}: "):
            self.exit_code = PluginError.exit_code
        super().__init__(f"{failed} of {draws} draws failed; first: draw {first}: {reason}")


class StoreError(SimError):
    """A result folder cannot be read, written or continued."""

    exit_code = 6


class PluginError(SimError):
    """A plug-in could not be loaded or broke its contract."""

    exit_code = 7
