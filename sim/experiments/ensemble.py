"""The systems of a run, one a network: built when first needed, a few kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.errors import Problem
from sim.experiments.blocks import Player, Task

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario
    from sim.system import System

KEPT = 4
"""Systems kept besides one for each worker: blocks come network by network, so few are needed at a time."""


@dataclass
class _Made:
    """A system on its way."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    system: Any = None


class Ensemble:
    """Gives the system of a network; safe to be called by several threads at once, each network built by one of them.

    Parameters
    ----------
    build : callable
        Takes the number of a network and returns its system.
    keep : int
        Systems held at a time; the one that was not asked for longest gives way.
    """

    def __init__(self, build: Callable[[int], Any], keep: int) -> None:
        self._build, self._keep = build, max(1, keep)
        self._made: OrderedDict[int, _Made] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, network: int) -> Any:
        """Return the system of a network.

        Parameters
        ----------
        network : int
            Its number.

        Returns
        -------
        System
            Read-only.
        """
        with self._lock:
            made = self._made.setdefault(network, _Made())
            self._made.move_to_end(network)
            while len(self._made) > self._keep:
                self._made.popitem(last=False)
        with made.lock:
            if made.system is None:
                made.system = self._build(network)
            return made.system

    def __len__(self) -> int:
        return len(self._made)


def task_of(scenario: Scenario, seed: int, play: Player, workers: int = 1) -> Task:
    """Return what every block of a run shares.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    seed : int
        Of all random numbers.
    play : callable
        Plays a block.
    workers : int
        Who play at the same time.

    Returns
    -------
    Task
        With the system of network 0; those of others are built when a block needs them.

    Raises
    ------
    InputError
        If the scenario or its tables are wrong.
    """
    from sim.scenario.build import builder

    networks, build = scenario.monte_carlo.networks, builder(scenario, seed)
    if networks == 1:
        return Task(scenario, build(0), seed, play, tuple(scenario.metrics))
    systems = Ensemble(build, kept(networks, workers))
    return Task(scenario, systems(0), seed, play, tuple(scenario.metrics), networks, systems)


def kept(networks: int, workers: int) -> int:
    """Return how many systems a run holds at a time.

    Parameters
    ----------
    networks : int
        Of the run.
    workers : int
        Who play at the same time.

    Returns
    -------
    int
        At most one a network.
    """
    return min(networks, workers + KEPT)


def warnings(scenario: Scenario, system: System) -> list[Problem]:
    """Return what a user should know of how draws and networks meet.

    Parameters
    ----------
    scenario : Scenario
        What is played.
    system : System
        On any of its networks.

    Returns
    -------
    list of Problem
        For events that go round all banks: which draws of a network strike which banks.
    """
    from math import gcd

    networks, banks = scenario.monte_carlo.networks, len(getattr(system, "banks", ()))
    shared = gcd(networks, banks) if banks else 1
    if networks == 1 or shared == 1:
        return []
    free = next(k for k in range(networks + 1, 2 * networks * banks) if gcd(k, banks) == 1)
    struck = (
        f"strikes bank k modulo {banks} with draw k, which plays on network k modulo {networks}: on each network only "
        f"{banks // shared} banks are struck, and the variance between networks is also one between banks; "
        f"networks: {free} has no divisor in common with {banks}"
    )
    return [
        Problem(f"shocks.{place}.target {struck}", key="monte_carlo.networks")
        for place, shock in enumerate(scenario.shocks)
        if "[each]" in str(getattr(shock, "target", ""))
    ]
