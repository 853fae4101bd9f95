"""The sandbox as a sequential test; the same record that an event and a ramp take."""

from __future__ import annotations

from sim.shocks.sandbox import Outcome, Sandbox, Screened, Trial

__all__ = ["Outcome", "Sandbox", "Screened", "Trial"]
