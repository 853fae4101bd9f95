"""The ways in which distress travels, one a file; `base` is the contract."""

from sim.channels import compliance, credit, liquidity, market, operational, reputation
from sim.channels.base import CHANNELS, PHASES, Channel, Step, TightView

__all__ = [
    "CHANNELS",
    "PHASES",
    "Channel",
    "Step",
    "TightView",
    "compliance",
    "credit",
    "liquidity",
    "market",
    "operational",
    "reputation",
]
