"""Bail-in: debt to investors is written down so that a failing bank stays open, where there is enough of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from sim.arrays import Bool, Float
from sim.channels.base import Step, TightView
from sim.errors import Problem
from sim.ledger.accounts import pay_or_owe
from sim.ledger.balance import summed
from sim.metrics.ratios import own_funds
from sim.shocks.sizes import Part
from sim.state import BANKS, SUBORDINATED, Column
from sim.system import System

COLUMNS = (Column("bailed_in", "currency", "Debt written down to recapitalise the bank so far", (BANKS,), memo=True),)


class Resolution(Part):
    """What is done with a bank at its failure line, before it is wound up."""

    bail_in: Literal["none", "subordinated", "term"] = "none"
    """Debt that is written down to keep a bank open: none; subordinated debt; or that and then term debt, which is all
    other debt to investors that is not secured."""

    measure: Literal["leverage", "cet1"] = "leverage"
    """What `line` and `target` are shares of: equity over assets, or core tier 1 capital over risk-weighted assets."""

    line: float = Field(default=0.0, ge=0, le=0.2)
    """Ratio below which a bank that has lost anything is recapitalised (0 to 0.045); 0: when it has nothing left, 1."""

    target: float = Field(default=0.03, gt=0, le=0.5)
    """Ratio up to which it is recapitalised; Basel III asks for 3 % of assets, and 4.5 % of weighted assets, 1."""

    cost: float = Field(default=0.0, ge=0, le=0.2)
    """What a resolution costs, gone for everybody, as a share of the bank's assets; written down as well (assumed, 0 to
    0.02), 1."""

    @model_validator(mode="after")
    def _upwards(self) -> Resolution:
        if not self.line <= self.target:
            raise ValueError(f"line = {self.line:g} must not be above target = {self.target:g}")
        return self


def problems(system: System, rules: Resolution, clears: bool) -> list[Problem]:
    """Return why banks cannot be resolved this way.

    Parameters
    ----------
    system : System
        What is played on.
    rules : Resolution
        As the scenario says.
    clears : bool
        Whether defaults are settled rather than provisioned.

    Returns
    -------
    list of Problem
        Empty without bail-in, or where there is such debt and defaults are cleared.
    """
    key, found = "channels.credit.resolution.bail_in", list[Problem]()
    if rules.bail_in != "none" and not clears:
        said = "needs defaults that are cleared: valuation eisenberg-noe or rogers-veraart"
        found.append(Problem(f"{key} = {rules.bail_in!r} {said}", key=key))
    if rules.bail_in == "subordinated" and not system.start.get(SUBORDINATED.name, np.zeros(1)).any():
        said = "no bank has subordinated debt; give the banks' table a column subordinated, or write down term debt"
        found.append(Problem(f"{key} = 'subordinated': {said}", key=key))
    return found


def needed(step: Step, rules: Resolution, view: TightView, failing: Bool) -> Float:
    r"""Return what must be written down of the debt of banks that can be recapitalised.

    .. math::
        w_i = \theta S_i - C_i + c A_i \quad \text{where } C_i < \lambda S_i \text{ or } i \text{ fails, and }
        w_i \le D_i

    with capital C and its measure S (assets A, or risk-weighted assets), line :math:`\lambda`, target :math:`\theta`,
    and the debt D that bears losses.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Resolution
        Of the regime.
    view : TightView
        Balance sheets at trial values.
    failing : bool[n_agents, n_lanes]
        Whose equity is gone at those values; who is ordered to fail is wound up in any case.

    Returns
    -------
    float64[n_agents, n_lanes], currency
        0 where nothing is done: higher values of claims never take a bank from open to failing.
    """
    state, banks = step.state, step.state.banks
    found = np.zeros((state.n_agents, state.n_lanes))
    equity, assets = view.equity[banks], view.assets[banks]
    capital, size = equity, assets
    if rules.measure == "cet1":
        now, size = own_funds(step.system, state)
        held = TightView(state, state.worth, state.price).equity[banks]
        capital = equity + (now - held)
    # as with defaults, a bank that starts below the line is dealt with at its first further loss
    below = (capital < rules.line * size) & (equity < state.equity0[banks])
    hit = (
        (failing[banks] | below) & (step.on > 0.0) & (state.alive[banks] > 0.0) & (state.ordered_to_fail[banks] <= 0.0)
    )
    want = np.maximum(0.0, rules.target * size - capital) + rules.cost * assets
    found[banks] = np.where(hit & (want <= bearing(step, rules)), want, 0.0)
    return found


def bearing(step: Step, rules: Resolution) -> Float:
    """Return the debt of each bank that bears losses.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Resolution
        Of the regime.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        Subordinated debt, and term debt where the regime writes it down.
    """
    state, banks = step.state, step.state.banks
    there = _subordinated(step)
    return there + state.other_liabilities[banks] if rules.bail_in == "term" else there


def write_down(step: Step, rules: Resolution, view: TightView, amount: Float) -> None:
    """Write debt down, subordinated first, and book what the resolution costs.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Resolution
        Of the regime.
    view : TightView
        Balance sheets at the values that are about to be posted.
    amount : float64[n_agents, n_lanes], currency
        From `needed` at them.

    Notes
    -----
    Outside investors lose what the bank gains. The shares that they get in return are not marked: a bank's own shares
    are nobody's asset here.
    """
    state, ledger, banks = step.state, step.ledger, step.state.banks
    if not amount.any():
        return
    whole, none = amount[banks], np.zeros_like(amount[banks])
    first = np.minimum(whole, _subordinated(step))
    if first.any():
        ledger.settle(SUBORDINATED.name, banks, first, none, "credit")
    ledger.settle("other_liabilities", banks, whole - first, none, "credit")
    state.bailed_in[banks] += whole
    if rules.cost > 0.0:
        bill, given = np.zeros_like(amount), np.zeros_like(amount)
        bill[banks] = rules.cost * view.assets[banks] * (whole > 0.0)
        given[state.row("deadweight")] = summed(bill)
        pay_or_owe(state, ledger, bill, given, "credit")


def _subordinated(step: Step) -> Float:
    """Subordinated debt of every bank, float64[n_banks, n_lanes], currency."""
    state, banks = step.state, step.state.banks
    found = state.columns.get(SUBORDINATED.name)
    return np.zeros((banks.stop, state.n_lanes)) if found is None else found[banks]
