"""Events: what hits the system from outside, one sort a file; `base` is the contract."""

from sim.shocks import asset_loss, borrower_stress, conduct, innovation, outage, price_fall, redemption, rumour
from sim.shocks.base import SHOCKS, Shock

__all__ = [
    "SHOCKS",
    "Shock",
    "asset_loss",
    "borrower_stress",
    "conduct",
    "innovation",
    "outage",
    "price_fall",
    "redemption",
    "rumour",
]
