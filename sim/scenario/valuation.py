"""What a scenario names as valuation of claims: one of ours, or another package's with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sim.errors import Problem
from sim.valuations import RULES
from sim.valuations.chosen import choices
from sim.valuations.own import own


def take_valuation(key: str, said: dict[str, Any], record: Callable[..., Any], problems: list[Problem]) -> None:
    """Put a valuation of another package in its place as a record.

    Parameters
    ----------
    key : str
        Of the channel.
    said : dict
        What the scenario says of the channel, a valuation among it; changed in place. One that cannot be is taken out,
        so that what else is wrong is told all the same.
    record : callable
        ``(registry, name, parameters, keys, problems)`` makes the record, or notes why not.
    problems : list of Problem
        Takes in what is wrong.
    """
    before, chosen = len(problems), _chosen(f"{key}.valuation", said.pop("valuation"), record, problems)
    if len(problems) == before:
        said["valuation"] = chosen


def _chosen(key: str, data: Any, record: Callable[..., Any], problems: list[Problem]) -> Any:
    """The record, or the name of one of ours; anything else is left to the schema of the channel."""
    if isinstance(data, Mapping):
        if len(data) != 1:
            problems.append(Problem(f"{key}: name one valuation, got {len(data)}", key=key))
            return None
        ((name, parameters),) = data.items()
    else:
        name, parameters = data, None
    if not isinstance(name, str) or (name in own(in_scenario=True) and not parameters):
        return name
    rule = record(RULES, name, dict(parameters or {}), (key, f"{key}.{name}"), problems)
    if rule is not None and not rule.in_scenario:
        text = f"{key}: {name} is for sim.contagion.revalue only; allowed: {', '.join(choices())}"
        problems.append(Problem(text, key=key))
    return rule
