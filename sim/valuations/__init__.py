"""What a claim is worth given its debtor's net worth: the valuations, ours and those of other packages."""

from sim.valuations.base import RULES, Told, ValuationRule, worth
from sim.valuations.own import OwnRule

__all__ = ["RULES", "OwnRule", "Told", "ValuationRule", "worth"]
