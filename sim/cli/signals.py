"""Stopping a run in order: the first signal ends it after the parts under way, a second one at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sim.database import STOPS


class Stop(KeyboardInterrupt):
    """A signal asked for the end.

    Parameters
    ----------
    number : int
        Which one.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(f"signal {number}")


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn stop signals into `Stop` while the block runs; a second one leaves the process at once.

    Yields
    ------
    None
        Outside the main thread, where no handler may be set, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            os._exit(128 + number)  # parts are committed by rename, so nothing can be left half written
        raise Stop(number)

    before = {number: signal.getsignal(number) for number in STOPS}
    ours = [number for number in STOPS if before[number] is not signal.SIG_IGN]  # nohup and background jobs stay deaf
    for number in ours:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
