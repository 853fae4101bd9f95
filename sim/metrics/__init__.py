"""What a run reports: plain functions of the state, registered with unit and meaning."""

from sim.metrics.losses import METRICS, describe, measure, names

__all__ = ["METRICS", "describe", "measure", "names"]
