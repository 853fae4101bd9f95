"""Blocks played over threads of this process, and watched: one that never ends does not hold up the rest."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from queue import Empty, SimpleQueue

from sim.errors import SimError
from sim.experiments.blocks import Task
from sim.experiments.machine import keep_memory
from sim.experiments.meanwhile import Meanwhile
from sim.experiments.part import Part
from sim.experiments.width import Width

Order = tuple[int, int]
"""First draw and number of draws."""

TICK = 0.5
"""Seconds between two looks at the blocks under way."""

LEAVE = 3.0
"""Seconds that blocks under way get to end when a run stops."""

PATIENCE, TIMES = 600.0, 20.0
"""A block may take this many seconds, or this many times as long as the longest before it, whichever is more."""

FIRST = 3600.0
"""Seconds for the first blocks, of which nothing is known."""

HANDOVER = 0.0001
"""Seconds after which a thread lets another have the interpreter's lock; with Python's 0.005, two threads spend a fifth
of their time waiting for it between array operations that take microseconds, and shorter than this they only swap."""


class UnfinishedError(SimError):
    """Draws that ended the process that played them, or never ended; all others that were finished are kept.

    Parameters
    ----------
    orders : list of tuple of int
        First draw and number of draws of each block.
    reason : str
        What they did.
    networks : int
        Of the run: the distance between two draws of a block.
    """

    exit_code = 5

    def __init__(self, orders: list[Order], reason: str, networks: int = 1) -> None:
        self.orders, self.reason = orders, reason
        super().__init__(f"{named(orders, networks)}: {reason}")


def named(orders: list[Order], networks: int = 1) -> str:
    """Return draws as a reader would say them.

    Parameters
    ----------
    orders : list of tuple of int
        First draw and number of draws each.
    networks : int
        Of the run: the distance between two draws of a block.

    Returns
    -------
    str
        Such as ``draws 32 to 63, draw 99``.
    """
    far = f" in steps of {networks}" if networks > 1 else ""
    said = [
        f"draw {first}" if n == 1 else f"draws {first} to {first + (n - 1) * networks}{far}"
        for first, n in sorted(orders)
    ]
    return ", ".join(said[:8]) + (f" and {len(said) - 8} more" if len(said) > 8 else "")


def _endless(limit: float) -> str:
    return f"did not end within {limit:,.0f} s (--time-limit sets this)"


class _Crew:
    """Threads that take orders; daemons, so that a block without end cannot keep the process from ending."""

    def __init__(self, play: Callable[[int, int], Part]) -> None:
        self.play = play
        self.orders: SimpleQueue[Order | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[Order, Part | BaseException, float]] = SimpleQueue()
        self.running: dict[Order, float] = {}
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []

    def hire(self) -> None:
        """Start one more thread."""
        thread = threading.Thread(target=self._work, name=f"draws-{len(self.threads)}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (order := self.orders.get()) is not None and not self.stopped.is_set():
            with self.lock:
                self.running[order] = 0.0
            began = time.perf_counter()
            answer: Part | BaseException
            try:
                answer = self.play(*order)
            except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
                answer = error
            with self.lock:
                self.running.pop(order, None)
            self.answers.put((order, answer, time.perf_counter() - began))

    def __enter__(self) -> None:
        """Threads are hired one by one."""

    def __exit__(self, *_why: object) -> None:
        """Let the threads end after the blocks they are at; those that take long are left behind."""
        self.stopped.set()
        for _ in self.threads:
            self.orders.put(None)
        until = time.monotonic() + LEAVE
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))


def _hand_over() -> float:
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(HANDOVER, before))
    return before


_handing_over = Meanwhile(_hand_over, sys.setswitchinterval)
"""Threads wait less for the interpreter's lock."""


def play_threads(
    task: Task, wanted: Iterator[Order], workers: int, *, width: Width | None = None, time_limit: float | None = None
) -> Generator[Part]:
    """Play blocks over threads and yield them as they come.

    Parameters
    ----------
    task : Task
        What they share.
    wanted : iterator of tuple of int
        First draw and number of draws.
    workers : int
        Threads.
    width : Width, optional
        Told how long blocks take.
    time_limit : float, optional
        Seconds a block may take; by default what `PATIENCE`, `TIMES` and `FIRST` say.

    Yields
    ------
    Part
        One block, in any order. Leaving early ends the threads after the blocks they are at, or leaves them.

    Raises
    ------
    UnfinishedError
        If a block of several draws took too long. A single draw that does is left behind, the others are played, and
        the error comes in the end.
    """
    crew, open_orders, longest = _Crew(task.part), 0, 0.0
    lost: list[Order] = []
    limit = time_limit or FIRST
    keep_memory()
    with _handing_over() if workers > 1 else nullcontext(), crew:
        for _ in range(workers):
            crew.hire()
        more = True
        while True:
            # two blocks a thread: none waits for work, and little is lost when the run is stopped
            while more and open_orders < 2 * workers:
                order = next(wanted, None)
                more = order is not None
                if order is not None:
                    crew.orders.put(order)
                    open_orders += 1
            if open_orders == 0:
                break
            found, late = _awaited(crew, limit)
            for order in late:
                lost.append(order)
                open_orders -= 1
                if order[1] > 1 or len(lost) > workers + 2:
                    raise UnfinishedError(lost, _endless(limit), task.networks)
                crew.hire()
            if found is None:
                continue
            order, answer, seconds = found
            if order in lost:  # it came in the end
                continue
            open_orders -= 1
            if isinstance(answer, BaseException):
                raise answer
            longest = max(longest, seconds)
            limit = time_limit or max(PATIENCE, TIMES * longest)
            if width is not None:
                width.tell(order[1], seconds)
            yield answer
        if lost:
            raise UnfinishedError(lost, _endless(limit), task.networks)


def _awaited(crew: _Crew, limit: float) -> tuple[tuple[Order, Part | BaseException, float] | None, list[Order]]:
    """The next block that ends, or after a while none; and the blocks that have just run out of time."""
    before = time.monotonic()
    found: tuple[Order, Part | BaseException, float] | None
    try:
        found = crew.answers.get(timeout=TICK)
    except Empty:
        found = None
    # the time this process was suspended is not the block's
    passed = min(time.monotonic() - before, 2.0 * TICK)
    late = []
    with crew.lock:
        for order, age in crew.running.items():
            if age <= limit < age + passed:
                late.append(order)
            crew.running[order] = age + passed
    return found, late
