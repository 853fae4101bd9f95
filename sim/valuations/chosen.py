"""How a record of parameters names a valuation: one of ours by its name, another package's as a record."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from sim.valuations.base import RULES, ValuationRule
from sim.valuations.own import OwnRule, own


def choices() -> list[str]:
    """Return the names that a scenario may use.

    Returns
    -------
    list of str
        Ours, then those of other packages, none of which is loaded for it.
    """
    return [*own(in_scenario=True), *RULES.others()]


def _taken(value: Any) -> str | ValuationRule:
    """One of ours as its name, a plug-in as a record; anything else is no valuation."""
    if isinstance(value, str) and value not in own() and value in RULES:
        value = RULES[value]()
    if isinstance(value, ValuationRule) and not value.in_scenario:
        value = value.name
    if isinstance(value, ValuationRule):
        return value.name if isinstance(value, OwnRule) else value
    if not isinstance(value, str) or value not in own(in_scenario=True):
        raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, choices()))})
    return value


def _written(value: str | ValuationRule) -> str | dict[str, Any]:
    """The name, or the name with its parameters."""
    if isinstance(value, str):
        return value
    parameters = value.model_dump(mode="json")
    return {value.name: parameters} if parameters else value.name


Chosen = Annotated[
    str | ValuationRule,
    PlainValidator(_taken),
    PlainSerializer(_written),
    WithJsonSchema({"enum": own(in_scenario=True), "type": "string"}),
]
"""A field of a channel that names a valuation."""
