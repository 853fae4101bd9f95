"""Deposit insurance: the insurer takes the depositors' claim on a failed bank, and pays them at face."""

from __future__ import annotations

import numpy as np

from sim.arrays import Bool
from sim.channels.base import Step
from sim.ledger.balance import summed
from sim.state import BANKS, Column

COLUMNS = (
    Column(
        "insurer_claims",
        "currency",
        "Insured deposits taken over by the insurer",
        (BANKS,),
        liability_to="deposit_insurer",
        rank="senior",
    ),
    Column(
        "insurance_due",
        "currency",
        "Owed by the deposit insurer to depositors of failed banks",
        ("deposit_insurer",),
        liability_to="households",
    ),
    Column("payout_due", "currency", "Insured deposits of the failed bank not paid out yet", (BANKS,), memo=True),
    Column("payout_in", "days", "Time until the insured depositors of the failed bank are paid", (BANKS,)),
)
"""What a run with deposit insurance carries."""

NOW = 1e-9
"""Days: less than this is no wait."""


def take_over(step: Step, failing: Bool, delay: float) -> None:
    """Let the insurer take the place of insured depositors, to whom it owes their deposits at face.

    Parameters
    ----------
    step : Step
        Where we are.
    failing : bool[n_agents, n_lanes]
        Banks that fail, before their debts are settled.
    delay : float
        Time until the depositors are paid, days.
    """
    state, ledger, everyone = step.state, step.ledger, slice(None)
    insured = state.deposits_insured * failing
    if not insured.any():
        return
    ledger.settle("deposits_insured", everyone, insured, np.zeros_like(insured), "credit")
    ledger.create("insurer_claims", everyone, insured, "credit")
    ledger.create("insurance_due", state.row("deposit_insurer"), summed(insured), "credit")
    state.payout_due[...] += insured
    np.copyto(state.payout_in, delay, where=insured > 0.0)


def pay_depositors(step: Step, at_once: bool) -> None:
    """Pay the depositors whose time has come: from the fund, then from the central bank, to accounts at other banks.

    Parameters
    ----------
    step : Step
        Where we are.
    at_once : bool
        Whether nobody waits.

    Notes
    -----
    The deposits go to living banks in proportion to the insured deposits they have, the reserves with them; where no
    bank has any, households keep means of payment.
    """
    state, ledger = step.state, step.ledger
    ready = state.payout_due * ((state.payout_in <= NOW) | at_once)
    if ready.any():
        insurer, amount = state.row("deposit_insurer"), summed(ready)
        ledger.fund_investors(amount, "credit", "deposit_insurer")
        ledger.settle("insurance_due", insurer, amount, amount, "credit")
        there = state.deposits_insured * (state.alive > 0.0)
        share = np.zeros_like(there)
        np.divide(there, summed(there), out=share, where=summed(there) > 0.0)
        ledger.create("deposits_insured", slice(None), share * amount, "credit", for_cash=True)
        state.payout_due[...] -= ready
    state.payout_in[...] = np.maximum(0.0, state.payout_in - step.days)


def repay_advances(step: Step) -> None:
    """Let the insurer repay the central bank out of what it has and does not owe to depositors.

    Parameters
    ----------
    step : Step
        Where we are.
    """
    state, insurer = step.state, step.state.row("deposit_insurer")
    spare = np.maximum(0.0, state.cash[insurer] - state.insurance_due[insurer])
    repaid = np.minimum(spare, state.advances[insurer])
    if repaid.any():
        step.ledger.settle("advances", insurer, repaid, repaid, "credit")
