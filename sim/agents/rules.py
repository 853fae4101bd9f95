"""The rule of every type of agent, until somebody replaces it."""

from __future__ import annotations

from collections.abc import Mapping

from sim.agents import bank, fund, platform, tech_firm
from sim.agents.base import Rule

RULES: Mapping[str, Rule] = {
    "banks": bank.decide,
    "tech_firms": tech_firm.decide,
    "platforms": platform.decide,
    "funds": fund.decide,
}
"""By type of agent, as in ``state.types``."""
