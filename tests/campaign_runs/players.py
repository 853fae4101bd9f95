"""Players that break in the ways a plug-in can; importable by every process of a cluster."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from sim.simulation import play

BAD = 37
"""The draw at which they break."""


def poison(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    if BAD in draws:
        os._exit(137)
    return play(scenario, system, draws, seed)


def segfault(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    if BAD in draws:
        ctypes.string_at(0)
    return play(scenario, system, draws, seed)


def endless(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    while BAD in draws:
        time.sleep(0.001)
    return play(scenario, system, draws, seed)


def all_of_them(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    if 5 in draws:
        os._exit(137)
    if 21 in draws:
        ctypes.string_at(0)
    while BAD in draws:
        time.sleep(0.001)
    return play(scenario, system, draws, seed)


def raises(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    if BAD in draws:
        raise ValueError("bad luck")
    return play(scenario, system, draws, seed)


def slow(scenario: Any, system: Any, draws: Any, seed: int) -> Any:
    time.sleep(0.01 * len(draws))
    return play(scenario, system, draws, seed)


class DiesOnce:
    """Ends its process the first time it comes to a draw; leaves a mark in a file that it did."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, scenario: Any, system: Any, draws: Any, seed: int) -> Any:
        mark = self.place / f"died-{draws[0]}"
        if draws[0] % 64 == 0 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return play(scenario, system, draws, seed)
