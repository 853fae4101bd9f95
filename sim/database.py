"""DuckDB in this process: one thread, nothing fetched, and a signal that comes during a query stays that signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that ask a process to stop, where the system has them."""


class Connection:
    """A connection of DuckDB whose calls a signal can end.

    Python runs its signal handlers inside a query of the main thread, and DuckDB makes a ``RuntimeError`` of whatever
    they raise. Here the handlers wait: the query is told to stop, and then the first signal goes to its handler.

    Parameters
    ----------
    raw : duckdb.DuckDBPyConnection
        What is called. The methods are those of DuckDB.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._raw, name)
        return self._stoppable(found) if callable(found) else found

    def _stoppable(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def called(*args: Any, **options: Any) -> Any:
            with stops(self._raw.interrupt):
                answer = call(*args, **options)
            if answer is self._raw:
                return self
            return Connection(answer) if isinstance(answer, type(self._raw)) else answer

        return called


@contextmanager
def stops(interrupt: Callable[[], None]) -> Iterator[None]:
    """Hold stop signals back while the block runs; then give the first to its handler.

    Parameters
    ----------
    interrupt : callable
        Called at every signal, to make the block end soon.

    Yields
    ------
    None
        Outside the main thread, which alone gets signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        interrupt()

    before = {number: signal.getsignal(number) for number in STOPS}
    handlers = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if seen:
            handlers[signal.Signals(seen[0])](seen[0], None)


def connect(**settings: Any) -> Connection:
    """Open an empty database in memory.

    Parameters
    ----------
    **settings
        Further settings of DuckDB.

    Returns
    -------
    Connection
        One thread, so that sums have one order; it never fetches extensions.
    """
    import duckdb

    common = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
    return Connection(duckdb.connect(":memory:", config=common | settings))
