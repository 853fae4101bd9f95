"""The policies of a scenario file as records, and what warnings make of them and of walls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.errors import Problem, shown
from sim.policies import POLICIES, Enacted, Policy, enacted, started
from sim.walls import Named, raised

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

Make = Callable[[Any, Any, dict[str, Any], tuple[str, str], list[Problem]], Any]


def take_policies(data: Any, make: Make, problems: list[Problem]) -> tuple[Policy, ...]:
    """Return the list of policies as records.

    Parameters
    ----------
    data : object
        What the file says under ``policies``.
    make : callable
        Makes one record, or notes why not.
    problems : list of Problem
        Takes in what is wrong.

    Returns
    -------
    tuple of Policy
        In the order written.
    """
    if data is None:
        return ()
    if not isinstance(data, Sequence) or isinstance(data, str):
        problems.append(Problem(f"policies must be a list, got {shown(data)}", key="policies"))
        return ()
    made = []
    for place, each in enumerate(data):
        key = f"policies.{place}"
        if isinstance(each, Policy):
            made.append(each)
            continue
        if not isinstance(each, Mapping) or "kind" not in each:
            known = ", ".join(POLICIES.names())
            problems.append(Problem(f"{key} must be a mapping with a kind ({known}), got {shown(each)}", key=key))
            continue
        rest = dict(each)
        found = make(POLICIES, rest.pop("kind"), rest, (f"{key}.kind", key), problems)
        if found is not None:
            made.append(found)
    return tuple(made)


def told_policies(policies: Sequence[Policy]) -> list[dict[str, Any]]:
    """Return policies as a file would say them.

    Parameters
    ----------
    policies : sequence of Policy
        Of a scenario.

    Returns
    -------
    list of dict
        With their kinds.
    """
    return [{"kind": policy.name} | policy.model_dump(mode="json") for policy in policies]


def acting(scenario: Scenario) -> tuple[tuple[Enacted, ...], tuple[Named, ...], list[Problem]]:
    """Return the policies and walls of a scenario, as its warnings start them.

    Parameters
    ----------
    scenario : Scenario
        Any.

    Returns
    -------
    tuple of (tuple of Enacted, tuple of Named, list of Problem)
        Problems where a warning names what cannot be started.
    """
    walls = raised(scenario.wall, scenario.walls) if scenario.wall or scenario.walls else ()
    if not scenario.policies:
        return (), walls, []
    written = [*(f"wall.{pair}" for pair in scenario.wall), *(f"walls.{k}" for k in range(len(scenario.walls)))]
    return started(enacted(scenario.policies), walls, written)
