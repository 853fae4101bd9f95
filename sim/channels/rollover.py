"""Overnight lending between banks: it all falls due every day, and who is short of liquid assets does not renew it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field

from sim.agents.bank import FundingView
from sim.arrays import Bool, Float
from sim.channels.base import Step
from sim.channels.collateral import COLUMNS as COLLATERAL
from sim.channels.collateral import Repo, borrowed0
from sim.kernels.special import exp_of, log_of
from sim.ledger.balance import layer_face, layer_owed, reach
from sim.metrics.ratios import CoverageRules, coverage
from sim.shocks.sizes import Part
from sim.state import BANKS, Claims, Column, State
from sim.system import System

LAYER = "overnight"

COLUMNS = (
    Column("hoarding", "1", "How far a bank keeps its liquidity to itself, 1: fully", (BANKS,)),
    Column("called", "1", "Share of its overnight lending that a bank does not renew in the step", (BANKS,)),
    Column("lcr", "1", "Liquidity coverage ratio, at most 100", (BANKS,)),
)


class Rollover(Part):
    """When a bank hoards liquidity, and what it does then."""

    hoarding: float = Field(default=0.5, ge=0, le=1)
    """Share of its overnight lending that a bank that hoards does not renew, theta_h, per day. Assumed."""

    credit_sensitivity: float = Field(default=1.0, ge=0, le=10)
    """What a fall of the value of claims on the borrower takes off its funding, theta_c, 1 per day. Assumed."""

    coverage_minimum: float = Field(default=1.0, ge=0, le=10)
    """Least liquidity coverage ratio, 1. Basel III."""

    coverage_buffer: float = Field(default=0.05, ge=0, le=10)
    """What a bank wants to have above it, b, 1. Assumed."""

    reserve_minimum: float = Field(default=0.05, ge=0, le=1)
    """Least reserves, as a share of deposits, 1. Assumed."""


class Rolled(NamedTuple):
    """A layer of claims after a step.

    Parameters
    ----------
    kept, drawn : float64[n_agents, n_lanes], 1
        New multipliers of the layer.
    received, repaid : float64[n_agents, n_lanes], currency
        What creditors get and debtors pay.
    """

    kept: Float
    drawn: Float
    received: Float
    repaid: Float


def lines(
    system: System, rules: Rollover, coverage_rules: CoverageRules, repo: Repo | None = None
) -> tuple[Float, Float]:
    """Return below which coverage ratio and below which reserves, per unit of deposits, each bank hoards.

    Parameters
    ----------
    system : System
        Before any event.
    rules : Rollover
        The same for all.
    coverage_rules : CoverageRules
        How the ratio is reckoned.
    repo : Repo, optional
        Says what is pledged before any event.

    Returns
    -------
    tuple of float64[n_banks, 1], 1
        The rule, or 0.95 of what the bank starts with where that is less: who has lost nothing does not hoard.
    """

    def work_out() -> tuple[Float, Float]:
        state = system.state(2, ("shock",), COLLATERAL)
        banks = state.banks
        if repo is not None:
            state.pledged[banks] = borrowed0(system, repo)[1]
        least = 0.95 * coverage(system, state, coverage_rules).ratio[:, :1]
        deposits = deposits_of(state)[:, :1]
        held = np.divide(state.cash[banks, :1], deposits, out=np.zeros_like(deposits), where=deposits > 0.0)
        wanted = rules.coverage_minimum + rules.coverage_buffer
        return np.minimum(wanted, least), np.minimum(rules.reserve_minimum, 0.95 * held)

    found: tuple[Float, Float] = system.once(("liquidity lines", rules, coverage_rules, repo), work_out)
    return found


def deposits_of(state: State) -> Float:
    """Return the deposits of every bank, those of firms and funds left out.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        All segments.
    """
    banks = state.banks
    return np.asarray(state.deposits_insured[banks] + state.deposits_uninsured[banks] + state.deposits_wholesale[banks])


def look(step: Step, rules: Rollover, coverage_rules: CoverageRules, repo: Repo, open_: Float) -> None:
    r"""Let banks see how liquid they are, and who hoards decide what not to renew: ``hoarding``, ``called``, ``lcr``.

    .. math::
        h_j = 1\{LCR_j < 1 + b_j \text{ or } R_j < \underline R_j\}, \qquad c_j = 1 - (1 - \theta_h h_j)^{\Delta t}

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rollover
        Who hoards.
    coverage_rules : CoverageRules
        How the coverage ratio is reckoned.
    repo : Repo
        Says what is pledged before any event.
    open_ : float64[n_banks, n_lanes], 1
        1 for banks that act, in lanes where the channel does.
    """
    state, banks = step.state, step.state.banks
    least, reserves = lines(step.system, rules, coverage_rules, repo)
    state.lcr[banks] = coverage(step.system, state, coverage_rules).ratio
    seen = FundingView(state.lcr[banks], least, state.cash[banks], reserves * deposits_of(state))
    state.hoarding[banks] = step.decide(seen).hoard * open_
    state.called[banks] = compound(np.array([[rules.hoarding]]), step.days) * state.hoarding[banks]


def compound(share: Float, days: float) -> Float:
    r"""Return what a daily share comes to over a step: :math:`1 - (1 - s)^{\Delta t}`.

    Parameters
    ----------
    share : float64[...], 1
        Per day.
    days : float
        Length of the step.

    Returns
    -------
    float64[...], 1
        `share` itself over one day.
    """
    if days == 1.0:
        return share
    left = np.ascontiguousarray(1.0 - share)
    log_of(left.reshape(-1), left.reshape(-1))
    left *= days
    exp_of(left.reshape(-1), left.reshape(-1))
    return np.asarray(1.0 - left)


def withdrawn_credit(step: Step, rules: Rollover) -> Float:
    r"""Return the share of its overnight funding that each borrower loses as claims on it lose value.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rollover
        Holds :math:`\theta_c`.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        :math:`1 - (1 - \theta_c (1 - V_i)^+)^{\Delta t}`.
    """
    lost = np.minimum(1.0, rules.credit_sensitivity * np.maximum(0.0, 1.0 - step.state.worth))
    return compound(lost, step.days) if lost.any() else lost


def roll(step: Step, rules: Rollover, closed: Bool) -> Rolled | None:
    r"""Return what of overnight lending is renewed: :math:`\rho_{ji} = (1 - c_j) (1 - \theta_c (1 - V_i)^+)`.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Rollover
        How banks renew.
    closed : bool[n_agents, n_lanes]
        Banks that neither pay nor call.

    Returns
    -------
    Rolled or None
        None where everything is renewed.

    Notes
    -----
    Claims on a closed bank stay as they are, for its creditors share alike in what is there. A lender with such a claim
    cannot call by its own multiplier, which works on all its borrowers: what it calls from the others they repay by
    theirs, to all their lenders in proportion.
    """
    state = step.state
    claims = state.layers.get(LAYER)
    if claims is None:
        return None
    acts = (step.on > 0.0) & ~closed
    lost, called = withdrawn_credit(step, rules) * acts, state.called * acts
    if not (called.any() or lost.any()):
        return None
    stuck = called * (reach(claims.rows, claims.drawn * state.alive * closed) > 0.0)
    kept, drawn = claims.kept * (1.0 - (called - stuck)), claims.drawn * (1.0 - lost)
    if stuck.any():
        whole, asked = reach(claims.columns, kept), reach(claims.columns, kept * stuck)
        drawn = drawn * (1.0 - np.divide(asked, whole, out=np.zeros_like(whole), where=(whole > 0.0) & acts))
    return moved(state, claims, kept, drawn)


def moved(state: State, claims: Claims, kept: Float, drawn: Float) -> Rolled:
    """Return what creditors get and debtors pay when the multipliers of a layer change.

    Parameters
    ----------
    state : State
        Before the change.
    claims : Claims
        The layer.
    kept, drawn : float64[n_agents, n_lanes], 1
        New multipliers.

    Returns
    -------
    Rolled
        What `Ledger.roll` is going to post.
    """
    lent = kept * reach(claims.rows, drawn * state.alive)
    owed = drawn * state.alive * reach(claims.columns, kept)
    return Rolled(kept, drawn, layer_face(state, claims) - lent, layer_owed(state, claims) - owed)
