"""What is set for the whole process while runs are under way, and put back after the last of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Meanwhile(Generic[T]):
    """A setting that runs share: the first of them makes it, the last of them puts back what was there before.

    Parameters
    ----------
    make : callable
        Makes the setting and returns what was there before.
    put_back : callable
        Takes what was there before.
    """

    def __init__(self, make: Callable[[], T], put_back: Callable[[T], None]) -> None:
        self._make, self._put_back = make, put_back
        self._lock, self._before = threading.Lock(), list[T]()
        self._runs = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the setting.

        Yields
        ------
        None
            While it is held.
        """
        with self._lock:
            if self._runs == 0:
                self._before.append(self._make())
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if self._runs == 0:
                    self._put_back(self._before.pop())
