"""What every solver says of its answer: rounds, residual, status, and the last state when it did not arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Float
from sim.errors import ConvergenceError

CERTIFIED, NOT_CERTIFIED, MULTIPLE, CYCLE = "certified", "not-certified", "multiple", "cycle"


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """How far a solver came, draw by draw; numbers for one draw, arrays ``[n_draws]`` for a block.

    Parameters
    ----------
    rounds : int or int64[n_draws]
        Synchronous rounds played.
    residual : float or float64[n_draws], 1
        Largest change that one more round would make.
    status : str or ndarray of str
        ``"certified"``, ``"not-certified"``, ``"multiple"`` (other fixed points exist below the one returned) or
        ``"cycle"`` (the dynamics repeat without coming to rest).
    """

    rounds: Any
    residual: Any
    status: Any


O = TypeVar("O", bound=Outcome)  # noqa: E741 (the type of an outcome)


def statuses(certified: Bool, multiple: Bool | None = None, cycle: Bool | None = None) -> npt.NDArray[np.str_]:
    """Name the status of every lane.

    Parameters
    ----------
    certified : bool[n_lanes]
        Arrived.
    multiple, cycle : bool[n_lanes] or None
        Has other fixed points; repeats.

    Returns
    -------
    str[n_lanes]
        One of the four names.
    """
    names = np.where(certified, CERTIFIED, NOT_CERTIFIED)
    if multiple is not None:
        names = np.where(certified & multiple, MULTIPLE, names)
    if cycle is not None:
        names = np.where(cycle, CYCLE, names)
    return names


def settled(solver: str, outcome: O, tol: float, allow_uncertified: bool) -> O:
    """Return an outcome, or refuse to pass off an unfinished one as an answer.

    Parameters
    ----------
    solver : str
        Name of the algorithm, for the message.
    outcome : Outcome
        What it reached.
    tol : float
        What was asked for, 1.
    allow_uncertified : bool
        Whether the caller takes the last state as it is.

    Returns
    -------
    Outcome
        The same object.

    Raises
    ------
    ConvergenceError
        If some draw is "not-certified" or in a "cycle" and `allow_uncertified` is false; `.state` is the outcome.
    """
    status = np.atleast_1d(outcome.status)
    unfinished = (status == NOT_CERTIFIED) | (status == CYCLE)
    if allow_uncertified or not unfinished.any():
        return outcome
    residual: Float = np.atleast_1d(outcome.residual)[unfinished]
    rounds = int(np.atleast_1d(outcome.rounds)[unfinished].max())
    raise ConvergenceError(solver, rounds, float(residual.max()), tol, outcome)
