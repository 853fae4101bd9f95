"""How many innovations all clients may have."""

from __future__ import annotations

from sim.metrics.losses import METRICS, Metric
from sim.metrics.walls import of_walls

METRICS.register("innovations_open")(
    Metric("1", "Share of innovations that all clients may have", of_walls("innovations_open"))
)
