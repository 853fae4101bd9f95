"""What a run reports: plain functions of the state, registered with unit and meaning."""

from sim.metrics.losses import METRICS, Metric, describe, measure, names

__all__ = ["METRICS", "Metric", "describe", "measure", "names"]
