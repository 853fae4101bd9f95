"""DebtRank: how distress short of default spreads from debtors to their creditors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Bool, Csr, Float, Int, aligned, empty
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import SLOPE_CAP, propagate
from sim.kernels.pull import pull
from sim.kernels.stress import emit, exposed_to, hit_once, settle_caps, stress_of
from sim.kernels.total import total

VARIANTS = ("linear", "single-hit", "nonlinear")

EXACT_AFTER = 200
"""Rounds that a linear draw gets before it may be solved exactly; fewer `max_rounds` ask for rounds only."""

EXACT_SMALL = 128
"""Agents reached up to which every linear draw that is still moving after `EXACT_AFTER` rounds is solved exactly."""

EXACT_LIMIT = 1024
"""Agents reached up to which there is an exact solution at all: dense elimination costs m^3 / 3 operations."""

ROUNDS_TO_REST = 30.0
"""Rounds, in units of 1 / (1 - slope), from a slow mode of ordinary size to numbers that no longer move."""

TINY = 1e-300
"""Keeps a division of zero by zero away."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DebtRank(Outcome):
    """How stressed everybody is after contagion.

    Parameters
    ----------
    stress : float64[n_agents] or float64[n_agents, n_draws], 1
        Relative loss of equity, in [0, 1].
    debtrank : float or float64[n_draws], 1
        Weighted stress that contagion added to the shock.
    loss : float64[n_agents] or float64[n_agents, n_draws], currency
        Shock and loss by contagion together, not limited by equity; ``loss / equity`` is the uncapped stress.
    """

    stress: Float
    debtrank: Any
    loss: Float


def debtrank(
    exposures: Any,
    equity: Any,
    shock: Any,
    *,
    variant: str = "linear",
    alpha: float = 0.0,
    recovery_rate: Any = 0.0,
    weights: Any = None,
    cap_impact: bool = True,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> DebtRank:
    r"""Spread relative losses of equity from debtors to creditors.

    With :math:`\Lambda_{ij} = (1 - R_j) A_{ij} / E_i`, the smallest solution of

    .. math::
        h_i = \min\Bigl(1, h_i(1) + \sum_j \Lambda_{ij} p(h_j)\Bigr), \qquad
        p(h) = h \;\text{("linear")}, \quad p(h) = \min(1, h e^{\alpha (h - 1)}) \;\text{("nonlinear")},

    which is where the rounds of the papers end. Large :math:`\alpha` is the default cascade of `cascade`. In the
    "single-hit" variant an agent passes its stress on once only, in the round after it was first reached:

    .. math::
        h_i(t) = \min\Bigl(1, h_i(t - 1) + \sum_{j \in D(t - 1)} W_{ij} h_j(t - 1)\Bigr), \qquad
        W_{ij} = \min(1, \Lambda_{ij}), \qquad
        R = \frac{\sum_i w_i (h_i - h_i(1))}{\sum_i w_i}.

    Linear and nonlinear rounds go on until no number moves, so stresses of every order of magnitude are accurate. A
    linear draw that is too slow for that (spectral radius of :math:`\Lambda` near 1) is solved exactly where stress
    reaches no more than 1024 agents, and is not certified otherwise.

    An agent without equity has stress 1 as soon as any loss reaches it, 0 otherwise.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n_agents, n_agents]``, currency: claim of creditor i (row) on debtor j (column).
    equity : array_like
        ``float64[n_agents]`` or ``float64[n_agents, n_draws]``, currency, before any event, 0 or more.
    shock : array_like
        ``float64[n_agents]`` or ``float64[n_agents, n_draws]``, 1: relative loss of equity before contagion. The
        identity matrix is every single default, one a draw.
    variant : str
        "linear" (2015), "single-hit" (2012) or "nonlinear" (2016).
    alpha : float
        Of the nonlinear variant only; 0 is the linear one.
    recovery_rate : float or array_like
        A number or ``float64[n_agents]``, 1: share of a claim on each debtor that its default would leave.
    weights : array_like or None
        ``float64[n_agents]`` or ``float64[n_agents, n_draws]``, any unit: economic value of each agent in `debtrank`;
        None for the initial equity.
    cap_impact : bool
        Whether, in the single-hit variant, one debtor cannot cost a creditor more than its equity.
    tol : float
        Absolute, on stress.
    max_rounds : int
        Rounds after which a draw is solved exactly or not certified.
    allow_uncertified : bool
        Whether to return a state that has not come to rest.

    Returns
    -------
    DebtRank
        ``.stress``, ``.debtrank``, ``.loss``; ``.debtrank`` is 0 where nobody has weight. ``.residual`` is the largest
        change that one more round would make; where a draw was cut off, the way it still had to go if that is more.

    Raises
    ------
    InputError
        If an argument cannot be used; names argument, index and value of every fault.
    UnknownNameError
        If there is no such variant.
    ConvergenceError
        If a draw has not come to rest, unless `allow_uncertified`.

    References
    ----------
    Battiston, Puliga, Kaushik, Tasca and Caldarelli (2012), "DebtRank", Scientific Reports 2:541, equations 1 to 3.
    Bardoscia, Battiston, Caccioli and Caldarelli (2015), "DebtRank: a microscopic foundation for shock propagation",
    PLoS ONE 10(6), equation 7. Bardoscia, Caccioli, Perotti, Vivaldo and Caldarelli (2016), "Distress propagation in
    complex networks: the case of non-linear DebtRank", PLoS ONE 11(10), equation 5.

    Examples
    --------
    Bank 0 lent half its equity to bank 1, and bank 1 0.4 of its equity to bank 0, which loses 30 %:
    :math:`h = (0.3, 0.12) / (1 - 0.5 \cdot 0.4)`.

    >>> from sim.contagion.debtrank import debtrank
    >>> result = debtrank([[0, 0.5], [0.4, 0]], [1.0, 1.0], [0.3, 0.0])
    >>> [round(float(h), 12) for h in result.stress], round(result.debtrank, 12)
    ([0.375, 0.15], 0.1125)
    """
    inputs = Inputs()
    inputs.choice("variant", variant, VARIANTS)
    net = inputs.network("exposures", exposures)
    if net.n_rows == 0:
        inputs.check()  # without a network nobody knows how many agents the other arguments should have
    n = net.n_rows
    equity_ = inputs.numbers("equity", equity, n, low=0.0)
    shock_ = inputs.numbers("shock", shock, n, low=0.0, high=1.0)
    alpha_ = inputs.number("alpha", alpha, low=0.0)
    if alpha_ > 0.0 and variant != "nonlinear":
        inputs.refuse("alpha", f"alpha is {alpha_:g}; allowed: 0 unless variant is 'nonlinear'")
    recovery = inputs.numbers("recovery_rate", recovery_rate, n, low=0.0, high=1.0, lanes=False)
    weights_ = equity_ if weights is None else inputs.numbers("weights", weights, n, low=0.0)
    if weights is not None and not inputs.problems and not (weights_.sum(axis=0) > 0.0).all():
        inputs.refuse("weights", "weights are all 0; allowed: at least one above 0 in every draw")
    tol_ = inputs.number("tol", tol, low=0.0, above=True)
    limit = inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()

    net = net._replace(weights=aligned(net.weights * (1.0 - recovery)[net.indices]))
    e, h1 = inputs.block(equity_), inputs.block(shock_)
    if variant == "single-hit":
        stress, lost, rounds, residual, certified = _single_hit(net, e, h1, bool(cap_impact), limit)
    else:
        stress, lost, rounds, residual, certified = _spread(net, e, h1, alpha_, tol_, limit)
    result = DebtRank(
        stress=inputs.give(stress),
        debtrank=inputs.give(_added(stress, h1, inputs.block(weights_))),
        loss=inputs.give(e * h1 + lost),
        rounds=inputs.give(rounds),
        residual=inputs.give(residual),
        status=inputs.give(statuses(certified)),
    )
    return settled("debtrank", result, tol_, allow_uncertified)


def _added(stress: Float, shock: Float, weights: Float) -> Float:
    """Return the weighted stress that contagion added, summed in the order of agents."""
    added, whole = np.empty(stress.shape[1]), np.empty(stress.shape[1])
    total(weights * (stress - shock), added)
    total(weights, whole)
    return np.divide(added, whole, out=np.zeros_like(added), where=whole > 0.0)


def _single_hit(
    net: Csr, equity: Float, shock: Float, capped: bool, max_rounds: int
) -> tuple[Float, Float, Int, Float, Bool]:
    """Play the variant of 2012 draw by draw."""
    debtors = net.transposed()
    lanes = shock.shape[1]
    stress, lost = empty(lanes, net.n_rows), empty(lanes, net.n_rows)
    rounds, left = np.zeros(lanes, dtype=np.int64), np.zeros(lanes)
    hit_once(
        debtors.indptr, debtors.indices, debtors.weights, aligned(equity.T), aligned(shock.T), capped, max_rounds,
        stress, lost, rounds, left,
    )  # fmt: skip
    return aligned(stress.T), aligned(lost.T), rounds, left, left == 0.0


class _Rounds:
    """Rounds of 2015 and 2016, lane by lane, and the exact end of linear ones."""

    def __init__(self, net: Csr, equity: Float, shock: Float, alpha: float) -> None:
        lanes = shock.shape[1]
        self.net, self.equity, self.shock, self.alpha = net, equity, shock, alpha
        self.debtors: Csr | None = None
        self.rounds, self.residual = np.zeros(lanes, dtype=np.int64), np.full(lanes, np.inf)
        self.slope = np.zeros(lanes)
        self.rested, self.solved = np.zeros(lanes, dtype=np.bool_), np.zeros(lanes, dtype=np.bool_)
        self.signal = empty(*shock.shape)
        stress_of(np.zeros(shock.shape), shock, equity, self.signal)
        emit(self.signal, alpha, np.zeros(shock.shape))

    @property
    def open(self) -> Int:
        """Lanes that have neither come to rest nor been solved."""
        return np.flatnonzero(~self.rested & ~self.solved)

    def play(self, lanes: Int, max_rounds: int) -> None:
        """Go on with some lanes for at most `max_rounds`."""
        if lanes.size == 0 or max_rounds <= 0:
            return
        equity, shock, start = (aligned(values[:, lanes]) for values in (self.equity, self.shock, self.signal))
        floor = start.copy()

        def respond(pressure: Float) -> Float:
            stress_of(pressure, shock, equity, pressure)
            emit(pressure, self.alpha, floor)
            return pressure

        # A tolerance of zero: rising rounds in floating point come to rest exactly.
        found = propagate(self.net, respond, start, tol=0.0, max_rounds=max_rounds, rising=True)
        self.signal[:, lanes] = found.x
        self.rounds[lanes] += found.rounds
        self.residual[lanes] = found.residual
        self.slope[lanes] = found.bound / (found.residual + found.bound + TINY)
        self.rested[lanes] = found.certified

    def too_slow(self, rounds: int) -> Int:
        """Return the open lanes that so many more rounds will not bring to rest, going by their last contraction."""
        lanes = self.open
        return lanes[(1.0 - self.slope[lanes]) * rounds < ROUNDS_TO_REST]

    def finish(self, lanes: Int, largest: int) -> None:
        """Solve linear lanes exactly where stress reaches no more than `largest` agents."""
        if lanes.size == 0:
            return
        net = self.net
        self.debtors = debtors = net.transposed() if self.debtors is None else self.debtors
        for lane in lanes:
            equity, shock = aligned(self.equity[:, lane]), aligned(self.shock[:, lane])
            agents, stress = np.empty(net.n_rows, dtype=np.int32), empty(net.n_rows)
            count = exposed_to(debtors.indptr, debtors.indices, debtors.weights, shock, agents)
            if count > largest:
                continue
            solves, solved = settle_caps(net.indptr, net.indices, net.weights, shock, equity, agents[:count], stress)
            if solved:
                self.signal[:, lane] = stress
                self.rounds[lane] += solves
                self.solved[lane] = True

    def look(self, lanes: Int, signal: Float) -> tuple[Float, Float]:
        """Return the losses by contagion that a signal of some lanes causes, and the stress."""
        pressure, stress = empty(*signal.shape), empty(*signal.shape)
        pull(self.net.indptr, self.net.indices, self.net.weights, signal, pressure)
        stress_of(pressure, aligned(self.shock[:, lanes]), aligned(self.equity[:, lanes]), stress)
        return pressure, stress

    def still_to_go(self, lanes: Int) -> Float:
        """Estimate how far from rest lanes are that were cut off, from each agent's own slope in two more rounds."""
        states = [aligned(self.signal[:, lanes])]
        for _ in range(2):
            _, after = self.look(lanes, states[-1])
            emit(after, self.alpha, states[-1].copy())
            states.append(after)
        first, second = states[1] - states[0], states[2] - states[1]
        slope = np.divide(second, first, out=np.ones_like(first), where=first > 0.0)
        way = np.where(second > 0.0, first + second / (1.0 - np.minimum(slope, SLOPE_CAP)), first)
        estimate: Float = way.max(axis=0, initial=0.0)
        return estimate


def _spread(
    net: Csr, equity: Float, shock: Float, alpha: float, tol: float, max_rounds: int
) -> tuple[Float, Float, Int, Float, Bool]:
    """Play rounds until nothing moves, or end them exactly."""
    run = _Rounds(net, equity, shock, alpha)
    run.play(run.open, min(max_rounds, EXACT_AFTER))
    if alpha == 0.0 and max_rounds >= EXACT_AFTER:
        run.finish(run.open, EXACT_SMALL)
        run.finish(run.too_slow(max_rounds - EXACT_AFTER), EXACT_LIMIT)
    run.play(run.open, max_rounds - EXACT_AFTER)
    if alpha == 0.0 and max_rounds >= EXACT_AFTER:
        run.finish(run.open, EXACT_LIMIT)
    pressure, stress = run.look(np.arange(shock.shape[1]), run.signal)
    gap = np.abs(stress - run.signal).max(axis=0, initial=0.0)
    residual = np.where(run.solved, gap, run.residual)
    certified = run.rested | (run.solved & (gap <= tol))
    cut = run.open
    if cut.size:
        residual[cut] = run.still_to_go(cut)
        certified[cut] = residual[cut] <= tol
    return stress, pressure, run.rounds, residual, certified
