"""Policies: rules that bind agents from the start, and warnings; `base` is the contract, `standing` a run's."""

from sim.policies import buffers, conduct, providers, redemption, warning
from sim.policies.base import POLICIES, Policy
from sim.policies.standing import Enacted, Policies, enacted, problems, rebuilt, retuned
from sim.policies.warning import started

__all__ = [
    "POLICIES",
    "Enacted",
    "Policies",
    "Policy",
    "buffers",
    "conduct",
    "enacted",
    "problems",
    "providers",
    "rebuilt",
    "redemption",
    "retuned",
    "started",
    "warning",
]
