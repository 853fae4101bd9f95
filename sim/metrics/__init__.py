"""What a run reports: plain functions of the state, registered with unit and meaning."""

from sim.metrics import bearers, conduct, innovation, liquidity, operations, ratios, recovery, walls
from sim.metrics.losses import METRICS, Metric, describe, measure, names

__all__ = [
    "METRICS",
    "Metric",
    "bearers",
    "conduct",
    "describe",
    "innovation",
    "liquidity",
    "measure",
    "names",
    "operations",
    "ratios",
    "recovery",
    "walls",
]
