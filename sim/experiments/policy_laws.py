"""The laws that every policy is held to, ours and those of other packages: `sim.experiments.contract` runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim.arrays import Int
from sim.errors import SimError, UnknownNameError
from sim.experiments.wall_laws import ALONE, DRAWS, EVENTS, METRICS, SEED, same, stage, story
from sim.policies import POLICIES
from sim.simulation import Block, Simulation


@dataclass(frozen=True)
class Case:
    """A policy that is examined.

    Parameters
    ----------
    name : str
        Kind of policy.
    parameters : mapping
        As a scenario gives them.
    """

    name: str
    parameters: Mapping[str, Any]

    @cached_property
    def played(self) -> Block:
        """What comes out under the events."""
        return self.play()[0]

    def play(self, draws: Int | None = None, shocks: tuple[dict[str, Any], ...] = EVENTS) -> tuple[Block, Simulation]:
        """Play the case.

        Parameters
        ----------
        draws : int64[n_draws], optional
            Which draws.
        shocks : tuple of dict
            Events.

        Returns
        -------
        tuple of Block and Simulation
            What came out, and what was played.
        """
        policies = [{"kind": self.name} | dict(self.parameters)]
        metrics = [*METRICS, "policy_cost"]
        scenario = story().override({"shocks": list(shocks), "policies": policies, "metrics": metrics})
        simulation = Simulation(stage(), scenario, np.arange(DRAWS) if draws is None else draws, SEED)
        return simulation.play(), simulation


def broken_laws(name: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
    """Return the laws that a policy breaks.

    The laws: without an event nothing changes, in the system as the policy leaves it; money closes; every draw is the
    same bit for bit whatever others share its block, and when it is played again; what it costs is never negative and
    never falls; no number that is not finite comes out. That less is lost under a policy is no law.

    Parameters
    ----------
    name : str
        As a scenario names it.
    parameters : mapping, optional
        As a scenario gives them.

    Returns
    -------
    list of str
        One line a law; empty when all hold.

    Raises
    ------
    UnknownNameError
        If there is no such kind of policy.
    PluginError
        If it cannot be loaded.

    Examples
    --------
    >>> broken_laws("liquidity_buffer", {"ratio": 1.2})
    []
    """
    if name not in POLICIES:
        raise UnknownNameError(POLICIES.sort, name, POLICIES.names())
    case, found = Case(name, dict(parameters or {})), list[str]()
    for law in LAWS:
        try:
            found += law(case)
        except SimError as error:
            found.append(f"{(law.__doc__ or '').rstrip('.').lower()}: {error}")
    return list(dict.fromkeys(found))


def _quiet(case: Case) -> Iterator[str]:
    """No event, no change."""
    block, simulation = case.play(shocks=())
    moved = np.abs(block.final["equity"] - block.final["equity0"]).max()
    moved = max(moved, *(np.abs(block.metrics[name]).max() for name in METRICS))
    if not moved <= 1e-12 * simulation.system.scale:
        yield "without an event something changes"


def _lanes(case: Case) -> Iterator[str]:
    """Lanes are independent, and a draw played again is the same."""
    if not same(case.played, case.play(np.array([ALONE]))[0], np.array([ALONE])):
        yield f"draw {ALONE}, played again alone, differs from the same draw in a block of {DRAWS}"


def _cost(case: Case) -> Iterator[str]:
    """What it costs adds up."""
    cost = case.played.metrics["policy_cost"]
    if not ((cost >= 0.0).all() and (np.diff(cost, axis=0) >= 0.0).all()):
        yield "what it has cost so far is negative, or falls"


LAWS: tuple[Callable[[Case], Iterator[str]], ...] = (_quiet, _lanes, _cost)
