"""Borrowers who default beyond expectation because credit dries up, or because they were scored without a model."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from sim.channels.base import Step
from sim.kernels.special import normal_cdf_of, normal_quantile_of
from sim.ledger.balance import summed
from sim.shocks.sizes import Part

YEAR = 250.0
"""Business days in which a pool is lent anew, and of the horizon of a probability of default."""


class Borrowers(Part):
    """What a credit crunch and an outage of scoring do to those who borrow."""

    crunch: float = Field(default=0.0, ge=0, le=1)
    """Rise of the probability that a borrower defaults within a year if all banks kept their liquidity to themselves or
    had failed; 0: none (assumed, 0 to 0.05), 1."""

    scoring_error: float = Field(default=0.0, ge=0, le=10)
    """Error M_p with which a platform lends while its service is all down; 0: it lends as ever (assumed, 0 to 3),
    standard deviations of its scoring model."""

    default_probability: float = Field(default=0.032, gt=0, lt=1)
    """Probability that a borrower of a pool defaults within a year; by default the share of non-performing loans to
    small firms in 2019, 1."""

    model_correlation: float = Field(default=0.05, ge=0, lt=1)
    """Correlation that the model's error brings, rho_m, 1."""

    loss_given_default: float = Field(default=0.45, ge=0, le=1)
    """Share of a defaulted loan that is lost, usually 0.3 to 0.7, 1."""


def default(step: Step, rules: Borrowers) -> None:
    r"""Write off what borrowers default on beyond expectation in the step.

    Of its loans a bank loses the share

    .. math:: LGD \; \kappa \, h \, \Delta t, \qquad h = \sum_i L_i \max(h_i, 1 - a_i) / \sum_i L_i

    with the rise :math:`\kappa` at a full crunch, hoarding :math:`h_i`, and 1 less :math:`a_i` of banks that failed,
    by loans at the start; a pool, of which the part :math:`\Delta t` is lent anew,

    .. math:: LGD \, \big[ \Phi\big( \Phi^{-1}(PD) + \sqrt{\rho_m} M (1 - s_p) \big) - PD \big] \Delta t .

    Parameters
    ----------
    step : Step
        Where we are; time in years.
    rules : Borrowers
        How borrowers react.

    Notes
    -----
    As with all defaults of borrowers, their real assets are gone, the write-off restores them, and lenders lose.
    """
    if rules.crunch > 0.0:
        _crunch(step, rules)
    if rules.scoring_error > 0.0:
        _unscored(step, rules)


def _crunch(step: Step, rules: Borrowers) -> None:
    state, ledger, banks = step.state, step.ledger, step.state.banks
    lent = step.system.start.get("loans", np.zeros(state.n_agents))[banks, None]
    shut = 1.0 - state.alive[banks]
    if "hoarding" in state.by_name:
        shut = np.maximum(shut, state.hoarding[banks])
    if not shut.any() or not lent.any():
        return
    part = rules.loss_given_default * rules.crunch * step.days / YEAR * summed(lent * shut) / summed(lent)
    lost = np.minimum(1.0, part) * state.loans[banks] * (step.on > 0.0)
    ledger.settle("loans", banks, lost, np.zeros_like(lost), "credit")
    ledger.destroy(state.row("borrowers"), summed(lost), "credit")


def _unscored(step: Step, rules: Borrowers) -> None:
    state, ledger = step.state, step.ledger
    price, gone = state.price.copy(), np.zeros(state.n_lanes)
    for asset, row in step.system.pools:
        error = rules.scoring_error * (1.0 - state.service[row]) * (step.on > 0.0) * state.alive[row]
        if not error.any():
            continue
        barrier, raised = np.empty(1), np.empty(state.n_lanes)
        normal_quantile_of(np.array([rules.default_probability]), barrier)
        normal_cdf_of(barrier[0] + math.sqrt(rules.model_correlation) * error, raised)
        more = np.where(error > 0.0, np.maximum(0.0, raised - rules.default_probability), 0.0)
        fall = price[asset] * rules.loss_given_default * more * np.minimum(1.0, step.days / YEAR)
        gone += summed(np.maximum(0.0, state.units[:, asset])) * fall
        price[asset] -= fall
    ledger.revalue_price(price, "credit")
    ledger.destroy(state.row("underserved"), gone, "credit")
