"""The database in this process: what a signal does to a query."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from sim.database import connect

ENDLESS = "select count(*) from range(1000000000000) as t(a) where a % 7 = 3"


class ByeError(Exception):
    """What the handler of these tests raises."""


@pytest.fixture
def handled() -> Iterator[None]:
    """SIGTERM raises, as a command line that ends in order has it."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise ByeError(number)

    before = signal.signal(signal.SIGTERM, leave)
    yield
    signal.signal(signal.SIGTERM, before)


def soon(number: int) -> None:
    """Send this process a signal while a query runs."""
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()


@pytest.mark.usefixtures("handled")
def test_a_signal_ends_a_query_and_stays_that_signal() -> None:
    connection = connect()
    ours = signal.getsignal(signal.SIGTERM)
    soon(signal.SIGTERM)
    with pytest.raises(ByeError, match="15"):
        connection.execute(ENDLESS).fetchall()
    assert signal.getsignal(signal.SIGTERM) is ours
    assert connection.execute("select 1").fetchall() == [(1,)]


def test_so_does_ctrl_c() -> None:
    connection = connect().cursor()
    soon(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        connection.execute(ENDLESS).fetchall()


def test_other_threads_leave_signals_alone() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(connect().execute("select 41 + 1").fetchone()))
    thread.start()
    thread.join()
    assert found == [(42,)]
