"""Operational outages: inoperability that spreads from providers to users, at rest and on the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, empty, full
from sim.contagion.dependency import Services, rest
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import FixedPoint
from sim.kernels.special import exp_of, log_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Outage(Outcome):
    """Who still works, and how well.

    Parameters
    ----------
    service : float64[n] or float64[n, n_draws], 1
        Service of every agent, 1 is full.
    inoperability : float64[n] or float64[n, n_draws], 1
        What is lost of it, :math:`q = 1 - s`; exact also where it is tiny.
    availability : float64[n_functions, n] or float64[n_functions, n, n_draws], 1
        How far each function is there for each user; one function when `services` was a single matrix.
    gap : float or float64[n_draws] or None, 1
        With `bounds`, largest distance to the fixed point with the least service; else None.
    """

    service: Any
    inoperability: Any
    availability: Any
    gap: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Recovery:
    """The way back from an outage, step by step.

    Parameters
    ----------
    inoperability : float64[n_steps + 1, n] or float64[n_steps + 1, n, n_draws], 1
        From the start to the last step.
    lost_service : float64[n] or float64[n, n_draws], steps
        Sum of the inoperability over the steps played, each counted with its value at the beginning.
    residual : float or float64[n_draws], 1
        Largest change that one more step would make.
    """

    inoperability: Any
    lost_service: Any
    residual: Any


def outage(
    services: Any,
    shock: npt.ArrayLike,
    *,
    criticality: npt.ArrayLike = 1.0,
    form: str = "linear",
    substitution: float = 1.0,
    bounds: bool = False,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> Outage:
    r"""Spread a loss of service from providers to their users.

    In the linear form, the inoperability input-output model of Haimes and Santos with :math:`q_i \le 1`,

    .. math::
        q = \min(1, A^* q + c^*), \qquad A^*_{ik} = \sum_f c_{if} a_{ifk}

    with :math:`a_{ifk}` the share of provider k in function f of user i, :math:`c_{if}` how critical the function is
    for the user, and :math:`c^*` what each agent loses by itself. In the product form functions fail independently,

    .. math::
        s_i = (1 - c^*_i) \prod_f \big(1 - c_{if} (1 - S_{if})\big), \qquad
        S_{if} = \Big( 1 - \sum_k a_{ifk} + \sum_k a_{ifk} s_k^r \Big)^{1/r}, \qquad q = 1 - s

    where the part of a function that no provider has is done in house and always up. The providers of a function
    replace each other the better the greater r: 1 is linear, 0 Cobb-Douglas, and in the limit of minus infinity
    (Leontief) :math:`S_{if} = \min_k s_k`; for r of 0 or less one dead provider stops the function. A single matrix is
    :math:`A^*` itself: each provider is then a function of its own, and the product runs over providers,
    :math:`s_i = (1 - c^*_i) \prod_k (1 - A^*_{ik} q_k)`. For small shocks the product form is the linear one to first
    order. The answer is the greatest fixed point, reached from full service.

    Parameters
    ----------
    services : array_like, SciPy sparse array or matrix, `sim.Layer`, or a list or dict of them
        ``float64[n, n]``, 1, row user, column provider: one interdependency matrix :math:`A^*`, or one matrix of
        shares per function. In the product form entries of :math:`A^*`, and the shares of one user in one function
        together, are at most 1.
    shock : float64[n] or float64[n, n_draws], 1
        Own loss of service :math:`c^*`, before any propagation.
    criticality : float, float64[n_functions, n] or float64[n_functions, n, n_draws], 1
        :math:`c_{if}`, part of the user's service that is lost when the function is; functions in the order of
        `services`. Only with a list or dict, since a single matrix already holds it.
    form : {"linear", "product"}
        How the losses of functions combine.
    substitution : float
        r, at most 1; ``-inf`` is the Leontief function. Only with a list or dict, and only in the product form.
    bounds : bool
        Whether to look for the fixed point with the least service as well, from no service upwards.
    tol : float
        Absolute, on the inoperability.
    max_rounds : int
        Rounds after which a draw is given up.
    allow_uncertified : bool
        Return what was reached when `max_rounds` did not suffice.

    Returns
    -------
    Outage
        In the form of the inputs.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.
    UnknownNameError
        If `form` is none of the two.
    ConvergenceError
        If `max_rounds` did not suffice and `allow_uncertified` is false.

    References
    ----------
    Santos and Haimes (2004), "Modeling the demand reduction input-output (I-O) inoperability due to terrorism of
    interconnected infrastructures", Risk Analysis 24(6), equation 9. Arrow, Chenery, Minhas and Solow (1961) for the
    constant elasticity of substitution, :math:`1 / (1 - r)`.

    Examples
    --------
    >>> from sim.contagion.outage import outage
    >>> depends = [[0, 0.3, 0.1], [0.2, 0, 0.4], [0.1, 0.1, 0]]
    >>> outage(depends, [0.1, 0, 0]).inoperability.round(6).tolist()
    [0.109589, 0.027397, 0.013699]
    >>> outage(depends, [0.1, 0, 0], form="product").inoperability.round(6).tolist()
    [0.108494, 0.026989, 0.013519]

    Bank 0 settles on providers 1 (60 %) and 2 (40 %), which cannot replace each other:

    >>> settlement = [[0, 0.6, 0.4], [0, 0, 0], [0, 0, 0]]
    >>> outage([settlement], [0, 0, 1], form="product", substitution=float("-inf")).service.tolist()
    [0.0, 1.0, 0.0]
    """
    inputs = Inputs()
    system = Services.take_in(inputs, services, criticality, form, substitution)
    own = inputs.numbers("shock", shock, system.n, low=0.0, high=1.0)
    tol = inputs.number("tol", tol, low=0.0)
    max_rounds = inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()
    answer = system.answer(inputs, own)
    found = rest(answer.step, full(0.0, system.n, inputs.width), tol, max_rounds, rising=True)
    gap: Float | None = None
    multiple = None
    if bounds:
        worst = rest(answer.step, full(1.0, system.n, inputs.width), tol, max_rounds, rising=False)
        gap, multiple = _gap(found, worst, tol)
    result = Outage(
        service=inputs.give(1.0 - found.x),
        inoperability=inputs.give(found.x),
        availability=inputs.give(1.0 - answer.lost(found.x)),
        gap=None if gap is None else inputs.give(gap),
        rounds=inputs.give(found.rounds),
        residual=inputs.give(found.residual),
        status=inputs.give(statuses(found.certified, multiple)),
    )
    return settled("outage", result, tol, allow_uncertified)


def recover(
    services: Any,
    start: npt.ArrayLike,
    *,
    rate: npt.ArrayLike,
    n_steps: int,
    shock: npt.ArrayLike = 0.0,
    criticality: npt.ArrayLike = 1.0,
    form: str = "linear",
    substitution: float = 1.0,
) -> Recovery:
    r"""Play the dynamic inoperability model: the way from an outage to the fixed point of `outage`.

    .. math::
        q(t + 1) = q(t) + K \big( F(q(t)) - q(t) \big), \qquad F(q) = \min(1, A^* q + c^*) \text{ in the linear form}

    with :math:`K_i` between 0 (never reacts) and 1 (jumps to what its providers allow). :math:`F` is the map whose
    fixed point `outage` returns.

    Parameters
    ----------
    services : array_like, SciPy sparse array or matrix, `sim.Layer`, or a list or dict of them
        As in `outage`.
    start : float64[n] or float64[n, n_draws], 1
        Inoperability at the beginning.
    rate : float64[n] or float64[n, n_draws], per step
        :math:`K`, see `recovery_rate`.
    n_steps : int
        Steps to play.
    shock : float64[n] or float64[n, n_draws], 1
        Own loss that lasts for all steps, :math:`c^*`; 0 when the cause is over.
    criticality : float, float64[n_functions, n] or float64[n_functions, n, n_draws], 1
        As in `outage`.
    form : {"linear", "product"}
        As in `outage`.
    substitution : float
        As in `outage`.

    Returns
    -------
    Recovery
        In the form of the inputs.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    References
    ----------
    Lian and Haimes (2006), "Managing the risk of terrorism to interdependent infrastructure systems through the
    dynamic inoperability input-output model", Systems Engineering 9(3).

    Examples
    --------
    A provider at half service recovers by half a step; its user, fully dependent on it, follows.

    >>> from sim.contagion.outage import recover
    >>> recover([[0, 1], [0, 0]], [0, 0.5], rate=[1, 0.5], n_steps=3).inoperability.tolist()
    [[0.0, 0.5], [0.5, 0.25], [0.25, 0.125], [0.125, 0.0625]]
    """
    inputs = Inputs()
    system = Services.take_in(inputs, services, criticality, form, substitution)
    first = inputs.numbers("start", start, system.n, low=0.0, high=1.0)
    speed = inputs.numbers("rate", rate, system.n, low=0.0, high=1.0)
    own = inputs.numbers("shock", shock, system.n, low=0.0, high=1.0)
    n_steps = inputs.whole("n_steps", n_steps)
    inputs.check()
    answer = system.answer(inputs, own)
    pace = inputs.block(speed)
    path = empty(n_steps + 1, system.n, inputs.width)
    path[0] = inputs.block(first)
    lost = full(0.0, system.n, inputs.width)
    for step in range(n_steps):
        lost = lost + path[step]
        path[step + 1] = path[step] + pace * (answer.step(path[step]) - path[step])
    change = pace * np.abs(answer.step(path[n_steps]) - path[n_steps])
    return Recovery(
        inoperability=inputs.give(path),
        lost_service=inputs.give(lost),
        residual=inputs.give(change.max(axis=0, initial=0.0)),
    )


def recovery_rate(
    start: npt.ArrayLike, target: npt.ArrayLike, duration: npt.ArrayLike, *, per_step: bool = False
) -> Any:
    r"""Return how fast an isolated agent recovers that goes from one inoperability to another in a given time.

    .. math::
        K = \frac{\ln(q_0 / q_T)}{T}, \qquad \text{with `per_step`: } K = 1 - (q_T / q_0)^{1/T}

    The first is the published resilience coefficient, which meets the target in continuous time,
    :math:`q(T) = e^{-K T} q_0`; played in whole steps it overshoots, :math:`(1 - K)^T < e^{-K T}`. The second meets
    the target after T steps of `recover`.

    Parameters
    ----------
    start, target : float or float64[...], 1
        Inoperability at the beginning and at the end; the target is above 0 and not above the start.
    duration : float or float64[...], steps
        Time :math:`T` between them; above 0.
    per_step : bool
        Whether the rate is for whole steps.

    Returns
    -------
    float or float64[...], per step
        Arrays must have equal shapes.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    References
    ----------
    Lian and Haimes (2006), section 3, for an agent without dependence on itself.

    Examples
    --------
    >>> round(recovery_rate(0.5, 0.005, 10), 4), round(recovery_rate(0.5, 0.005, 10, per_step=True), 4)
    (0.4605, 0.369)
    """
    inputs = Inputs()
    shape = next((np.shape(v) for v in (start, target, duration) if np.ndim(v) > 0), ())
    first = inputs.numbers("start", start, shape, low=0.0, high=1.0, above=True, lanes=False)
    last = inputs.numbers("target", target, shape, low=0.0, high=1.0, above=True, lanes=False)
    steps = inputs.numbers("duration", duration, shape, low=0.0, above=True, lanes=False)
    if not inputs.problems and (last > first).any():
        inputs.refuse("target", "target is above start; allowed: a recovery, at most start")
    inputs.check()
    ratio = np.atleast_1d(first / last).ravel()
    rate = empty(ratio.size)
    log_of(ratio, rate)
    rate = rate / np.broadcast_to(np.atleast_1d(steps).ravel(), rate.shape)
    if per_step:
        left = empty(rate.size)
        exp_of(-rate, left)
        rate = 1.0 - left
    return rate.reshape(shape) if shape else float(rate[0])


def _gap(found: FixedPoint, worst: FixedPoint, tol: float) -> tuple[Float, npt.NDArray[np.bool_]]:
    """Return the distance between the two ends, and where it proves that there are several fixed points."""
    gap = (worst.x - found.x).max(axis=0, initial=0.0)
    return gap, worst.certified & (gap > 10.0 * tol)
