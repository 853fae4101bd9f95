"""The ways in which distress travels, one a file; `base` is the contract."""

from sim.channels import credit, market
from sim.channels.base import CHANNELS, PHASES, Channel, Step, TightView

__all__ = ["CHANNELS", "PHASES", "Channel", "Step", "TightView", "credit", "market"]
