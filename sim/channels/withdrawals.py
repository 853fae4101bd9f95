"""Depositors: who asks a bank for its money, how much of it, and where the money goes."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from sim.arrays import Float, empty
from sim.channels.base import Step
from sim.channels.beliefs import Learning, learning_of
from sim.contagion.global_game import run_threshold
from sim.kernels.runs import leaving
from sim.kernels.special import normal_cdf_of
from sim.shocks.sizes import Part
from sim.state import BANKS, Column
from sim.system import System

SEGMENTS = ("insured", "uninsured", "wholesale")
"""Deposits by how fast they run; the accounts of firms and funds run with the last."""

COLUMNS = (
    Column("asked_insured", "currency", "Insured deposits asked back in the step", (BANKS,), memo=True),
    Column("asked_uninsured", "currency", "Uninsured deposits asked back in the step", (BANKS,), memo=True),
    Column("asked_wholesale", "currency", "Wholesale deposits asked back in the step", (BANKS,), memo=True),
    Column("run", "1", "Share of the accounts of firms and funds asked back in the step", (BANKS,)),
    Column("withdrawn", "currency", "Deposits and accounts withdrawn so far", (BANKS,), memo=True),
)


class Segment(Part):
    """How one sort of depositors runs."""

    hazard: float = Field(ge=0, le=10)
    """Rate at which those who run have their money out, lamMax, per day."""

    threshold: float = Field(ge=-100, le=100)
    """Belief at which half of them run, kappa, percentage points of leverage above the failure line."""


class Insured(Segment):
    """Insured deposits; WaMu in 2008 lost 0.9 % of all its deposits a day."""

    hazard: float = Field(default=0.004, ge=0, le=10)
    """Rate at which those who run have their money out, lamMax, per day."""

    threshold: float = Field(default=-1.0, ge=-100, le=100)
    """Belief at which half of them run, kappa, percentage points of leverage above the failure line."""


class Uninsured(Segment):
    """Uninsured deposits of households and companies."""

    hazard: float = Field(default=0.05, ge=0, le=10)
    """Rate at which those who run have their money out, lamMax, per day."""

    threshold: float = Field(default=0.5, ge=-100, le=100)
    """Belief at which half of them run, kappa, percentage points of leverage above the failure line."""


class Wholesale(Segment):
    """Wholesale deposits, and the accounts of firms, platforms and funds; SVB 2023 lost a quarter of all in a day."""

    hazard: float = Field(default=0.15, ge=0, le=10)
    """Rate at which those who run have their money out, lamMax, per day."""

    threshold: float = Field(default=1.0, ge=-100, le=100)
    """Belief at which half of them run, kappa, percentage points of leverage above the failure line."""


class Depositors(Part):
    """Who leaves a bank that is believed in less than before, how fast, and where to."""

    insured: Insured = Insured()
    """Insured deposits."""

    uninsured: Uninsured = Uninsured()
    """Uninsured deposits of households and companies."""

    wholesale: Wholesale = Wholesale()
    """Wholesale deposits, and the accounts of firms, platforms and funds."""

    thresholds: Literal["given", "global-game"] = "given"
    """Whether the thresholds of uninsured and wholesale deposits are those above, or solve the global game."""

    private_precision: float = Field(default=25.0, gt=0, le=1e6)
    """Precision of what each depositor knows, beta, 1 / squared percentage points. Assumed."""

    fire_sale_premium: float = Field(default=0.02, ge=0, le=10)
    """What a sale under pressure costs (global-game), lambda, 1. Assumed."""

    withdrawal_threshold: float = Field(default=0.1, gt=0, lt=1)
    """Probability of failure above which a manager withdraws (global-game), gamma, 1. Assumed."""

    digital_speed: float = Field(default=5.0, ge=1, le=20)
    """How much faster depositors leave a bank whose services are all digital, phi1, 1. Assumed, 1 to 8."""

    insurance_credibility: float = Field(default=1.0, ge=0, le=1)
    """How far insured depositors trust the insurance; without it they run like uninsured ones, 1."""

    most: float = Field(default=1.0, ge=0, le=1)
    """Share of a segment that a bank pays out in a day at most, 1; 1: no gate."""

    to_funds: float = Field(default=0.2, ge=0, le=1)
    """Part of what households withdraw that buys shares of funds that nobody leaves, 1. Assumed."""

    to_cash: float = Field(default=0.1, ge=0, le=1)
    """Part of what is withdrawn that stays out of banks, as claims on the central bank, 1. Assumed."""

    shunned: float = Field(default=0.5, ge=0, le=100)
    """Fall of belief from which on a bank gets nothing of what others lose, percentage points of leverage. Assumed."""

    def segment(self, name: str) -> Segment:
        """Return how a segment runs.

        Parameters
        ----------
        name : {"insured", "uninsured", "wholesale"}
            Which.

        Returns
        -------
        Segment
            For insured deposits, the mixture that the credibility of the insurance makes.
        """
        if name != "insured":
            return self.uninsured if name == "uninsured" else self.wholesale
        trust = self.insurance_credibility
        return Segment(
            hazard=trust * self.insured.hazard + (1.0 - trust) * self.uninsured.hazard,
            threshold=trust * self.insured.threshold + (1.0 - trust) * self.uninsured.threshold,
        )


def thresholds(system: System, rules: Depositors, learning: Learning) -> dict[str, Float]:
    r"""Return the belief at which half of the depositors of each bank run, by segment.

    In the global game a bank fails below the return :math:`R^* = R_s f`, where :math:`R_s` is the return at which its
    leverage is at the failure line l; at :math:`R^*` its leverage is :math:`1 - (1 - l) / f`, hence

    .. math::
        \kappa = \frac{(1 - l) (1 - 1 / f)}{0.01}, \qquad f = 1 + \lambda \frac{(1 - \gamma - m)^+}{1 - m}

    with m its reserves per unit of debt that may run.

    Parameters
    ----------
    system : System
        Before any event.
    rules : Depositors
        How they run.
    learning : Learning
        Holds the failure line.

    Returns
    -------
    dict of str to float64[n_banks], percentage points of leverage
        By segment.
    """
    banks = system.types[BANKS]
    n = banks.stop
    found = {name: np.full(n, rules.segment(name).threshold) for name in SEGMENTS}
    if rules.thresholds == "global-game":
        zero = np.zeros(len(system.ids))
        may_run = (system.start.get("deposits_uninsured", zero) + system.start.get("deposits_wholesale", zero))[banks]
        cash = system.start.get("cash", zero)[banks]
        liquid = np.divide(cash, may_run, out=np.zeros(n), where=may_run > 0.0)
        covered = liquid >= 1.0 - rules.withdrawal_threshold  # no solvent bank is run down
        ratio = run_threshold(
            np.where(covered, 0.0, liquid),
            np.full(n, rules.fire_sale_premium),
            np.full(n, rules.withdrawal_threshold),
        ).threshold
        ratio = np.where(covered, 1.0, ratio)
        solved = 100.0 * (1.0 - learning.failure_line) * (1.0 - 1.0 / ratio)
        found["uninsured"], found["wholesale"] = solved, solved
    return found


def ask(step: Step, rules: Depositors, open_: Float) -> None:
    r"""Let depositors ask for their money: :math:`W_{is} = D_{is} (1 - e^{-\lambda_s \phi_i x^+_{is} \Delta t})`.

    Parameters
    ----------
    step : Step
        Where we are.
    rules : Depositors
        How they run.
    open_ : float64[n_banks, n_lanes], 1
        1 for banks that pay at all, in lanes where the channel acts.

    References
    ----------
    Rochet and Vives (2004), Journal of the European Economic Association 2(6), for the threshold.
    """
    state, n = step.state, open_.shape[0]
    if not (state.belief[:n] < state.belief0[:n]).any():
        for name in SEGMENTS:
            state.columns[f"asked_{name}"][:n] = 0.0
        state.run[:n] = 0.0
        return
    root, share = math.sqrt(rules.private_precision), empty(n, state.n_lanes)
    lines, usual, speed = _terms(step, rules)
    for name in SEGMENTS:
        hazard = rules.segment(name).hazard * step.days * speed
        leaving(state.belief, usual[name], lines[name], root, hazard, state.service, share)
        asked = np.minimum(share, rules.most * step.days) * open_ if rules.most < 1.0 else share * open_
        np.multiply(state.columns[f"deposits_{name}"][:n], asked, out=state.columns[f"asked_{name}"][:n])
    state.run[:n] = asked


def _terms(step: Step, rules: Depositors) -> tuple[dict[str, Float], dict[str, Float], Float]:
    """Thresholds and running fractions before any event by segment, and how much faster each bank's depositors are."""
    system, learning = step.system, learning_of(step)

    def work_out() -> tuple[dict[str, Float], dict[str, Float], Float]:
        n = system.types[BANKS].stop
        lines, usual, before = thresholds(system, rules, learning), {}, step.state.belief0[:n, 0]
        for name in SEGMENTS:
            usual[name] = np.ascontiguousarray(math.sqrt(rules.private_precision) * (lines[name] - before))
            normal_cdf_of(usual[name], usual[name])
        adoption = system.traits.get("adoption", np.zeros(len(system.ids)))[:n]
        return lines, usual, 1.0 + adoption * (rules.digital_speed - 1.0)

    found: tuple[dict[str, Float], dict[str, Float], Float] = system.once(("runs", rules, learning), work_out)
    return found
