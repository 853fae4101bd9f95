"""Lenders charge a bank for the weakness of those it has lent to."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from sim.channels import Channel, Step, TightView


class FundingCost(Channel):
    """Funding that is not insured costs more for a bank whose debtors are in trouble."""

    interface: ClassVar[int] = 1
    letter: ClassVar[str] = "F"
    phases: ClassVar[Mapping[str, str]] = {"funding": "reprice"}

    spread: float = Field(default=0.0001, ge=0, le=1)
    """Extra interest a step for a bank that has all its equity at stake, as a share of its funding, 1."""

    def reprice(self, step: Step) -> None:
        """Look through every bank to its debtors, and add the interest to what it owes."""
        state, banks = step.state, step.state.banks
        start, equity = state.equity0[banks], TightView(state, state.worth, state.price).equity[banks]

        # signal: the share of its equity that each bank has lost
        signal = np.zeros((state.n_agents, state.n_lanes))
        lost = np.clip(start - equity, 0.0, np.maximum(start, 0.0))
        signal[banks] = np.divide(lost, start, out=np.zeros_like(lost), where=start > 0.0)

        # pressure: what each creditor has at stake with them, on claims that are still outstanding
        layer = step.system.layer("interbank")
        stake = (state.kept * layer.pull(state.drawn * state.alive * signal))[banks]

        # response: lenders fear for the share of equity at stake, and a bank in default pays no interest
        fear = np.divide(stake, equity, out=np.ones_like(stake), where=equity > stake) * (stake > 0.0)
        funding = (state.deposits_uninsured + state.deposits_wholesale + state.other_liabilities)[banks]
        interest = self.spread * fear * funding * (1.0 - state.is_defaulted[banks]) * step.on
        step.ledger.create("other_liabilities", banks, interest, self.name)
