"""Loans against pledged shares: when the shares fall, less is recovered from borrowers who default."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.channels.base import Step
from sim.errors import Problem, nearest, shown
from sim.ledger.balance import summed
from sim.metrics.ratios import classes_of
from sim.shocks.sizes import Part
from sim.state import BANKS, Column
from sim.system import System

COLUMNS = (
    Column("loans_in_default", "1", "Share of its loans that has defaulted beyond expectation", (BANKS,)),
    Column("collateral_loss", "1", "Share of its loans written off as pledged shares fell, so far", (BANKS,)),
)


class Pledges(Part):
    """Loans that borrowers have secured by shares, and what is recovered from them."""

    share: float = Field(default=0.0, ge=0, le=1)
    """Part of banks' loans that is secured by pledged shares; 0: none (assumed, 0 to 0.5), 1."""

    against: str = "TECHEQ"
    """Class of the shares that are pledged."""

    default_probability: float = Field(default=0.016, ge=0, le=1)
    """Probability that such a borrower defaults within a year, which loans are valued at; by default the share of
    non-performing loans of Chinese banks at the end of 2023, 1."""

    recovery: float = Field(default=0.55, ge=0, le=1)
    """What the shares bring of a loan in default at the prices of the start: one less a loss given default of 0.45
    (assumed, 0.3 to 0.7), 1."""


def problems(system: System, rules: Pledges) -> list[Problem]:
    """Return why these loans cannot be played.

    Parameters
    ----------
    system : System
        What is played on.
    rules : Pledges
        As the scenario says.

    Returns
    -------
    list of Problem
        Empty where nothing is pledged, or the system has such shares.
    """
    known = sorted(set(classes_of(system)))
    if rules.share == 0.0 or rules.against in known:
        return []
    key = "channels.credit.pledges.against"
    said = f"{key}: no asset of class {shown(rules.against)}{nearest(rules.against, known)}"
    return [Problem(f"{said} (classes here: {', '.join(known) or 'none'})", key=key)]


def value(step: Step, rules: Pledges) -> None:
    r"""Write off what pledged shares that have fallen will not bring of loans in default, expected or come.

    Of its loans a bank has written off in all the share

    .. math::
        \ell_i = \phi \, \varrho \, \min(1, PD + d_i) \, (1 - p)^+

    with the part :math:`\phi` that is secured, the recovery :math:`\varrho` at the prices of the start, the share
    :math:`d_i` of loans that has defaulted beyond expectation, and the price p of the shares, 1 at the start. It never
    falls: what is written off stays so when prices recover.

    Parameters
    ----------
    step : Step
        Where we are; in a static run the price is that after the events.
    rules : Pledges
        What is secured.

    Notes
    -----
    A transfer from banks to borrowers: the fall of the shares was their owners' loss, and default passes it on.
    """
    if rules.share == 0.0:
        return
    state, banks = step.state, step.state.banks
    fall = np.maximum(0.0, 1.0 - _price(step, rules.against))
    if not fall.any():
        return
    chance = np.minimum(1.0, rules.default_probability + state.loans_in_default[banks])
    whole = rules.share * rules.recovery * chance * fall
    acts = (step.on > 0.0) & (state.alive[banks] > 0.0)
    rise = np.where(acts, np.maximum(0.0, whole - state.collateral_loss[banks]), 0.0)
    lost = rise * state.loans[banks]
    step.ledger.settle("loans", banks, lost, np.zeros_like(lost), "credit")
    state.collateral_loss[banks] += rise


def _price(step: Step, kind: str) -> Float:
    """Price of all shares of a class by what of each there was at the start, float64[n_lanes], 1."""
    system, price = step.system, step.state.price
    held = summed(np.maximum(0.0, system.holdings))
    part = np.array([kind == each for each in classes_of(system)]) * held
    whole = float(summed(part[:, None])[0])
    return summed(part[:, None] * price) / whole if whole > 0.0 else np.ones(price.shape[1])
