"""The benefit side: how technology is taken up, what that brings, and which dials of a scenario it turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sim.scenario.adoption import Adoption, Benefits
from sim.scenario.ramp import quarters_of, turned

__all__ = ["WORDS", "Adoption", "Benefits", "Known", "quarters_of", "turned"]

WORDS = {
    "coverage": "Coverage of the underserved",
    "sme_credit": "Credit to underserved borrowers",
    "cost_of_service": "Cost of service",
    "lending_rate": "Lending rate",
}
"""What the benefits are."""


class Known(NamedTuple):
    """A benefit that is known for every policy without a run.

    Parameters
    ----------
    meaning, unit : str
        What it is and what it is measured in.
    values : mapping of str to float
        By policy.
    """

    meaning: str
    unit: str
    values: Mapping[str, float]
