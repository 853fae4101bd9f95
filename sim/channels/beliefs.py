r"""What the public believes of every bank, firm and platform: one Gaussian state, updated once a step.

For a channel that acts on beliefs: add `BELIEF_COLUMNS` to its `columns`, call `begin` in its `begin` and `update` in
its phase "beliefs", and read ``state.belief`` (mean :math:`m_i`, percentage points of leverage above the failure line),
``state.belief0`` (before any event) and `deterioration` :math:`d_i = (m_i(0) - m_i)^+`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sim.arrays import Bool, Csr, Float, csr, empty
from sim.channels.base import Step
from sim.channels.similarity import Directions, Similarity, assets0, directions
from sim.kernels.belief import learn_alone, surprise
from sim.kernels.special import exp, normal_cdf_of
from sim.ledger.balance import reach
from sim.state import AGENTS, Column, State
from sim.system import System

BELIEF_COLUMNS: Final = (
    Column("belief", "1", "What the public believes, percentage points of leverage above failure", AGENTS),
    Column("belief0", "1", "The same before any event", AGENTS),
    Column("service_mean", "1", "Service of the last days, 1 is full", AGENTS, start=1.0),
)
"""Columns of every channel that acts on beliefs. Funds believe nothing of themselves: their shares have a price."""

CHUNK = 64
"""Steps whose gains are worked out together."""
WHOLE = 256
"""Agents up to which the gain is kept as one matrix per step, instead of its directions."""
STILL = 2.0**-50
"""Relative change from step to step below which a gain has come to rest."""


class Learning(BaseModel):
    """What the public knows, and how fast it learns."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    deviation: float = Field(default=1.0, gt=0, le=100)
    """Standard deviation of what the public believes before any event, v, percentage points of leverage. Assumed."""

    drift: float = Field(default=0.2, ge=0, le=10)
    """Share of that variance by which health becomes uncertain anew, per day. Assumed."""

    precision: float = Field(default=4.0, gt=0, le=10_000)
    """Precision of a day's public signal, alpha_0, 1 / squared percentage points. Assumed."""

    information_sharing: float = Field(default=0.0, ge=0, le=1)
    """How far supervisors and firms share what they know, iota, 1. It makes signals precise, not good."""

    sharing_gain: float = Field(default=3.0, ge=0, le=100)
    """What full sharing adds to the precision, as a multiple of it, k1. Assumed."""

    failure_line: float = Field(default=0.03, ge=0, lt=1)
    """Equity over assets below which an agent counts as failed, 1. Basel III leverage ratio."""

    outage_weight: float = Field(default=4.0, ge=0, le=100)
    """What a day without any service tells about health, kO (2 to 6), percentage points of leverage. Assumed."""

    enforcement_weight: float = Field(default=1.0, ge=0, le=100)
    """What an authority that acts tells about health, kK (0.5 to 2), percentage points of leverage. Assumed."""

    run_weight: float = Field(default=0.0, ge=0, le=1000)
    """What is thought worse of a bank whose depositors ask for all they have in a day; 0: runs are no news (assumed, 0
    to 20), percentage points of leverage."""

    service_days: float = Field(default=1.5, gt=0, le=100)
    """Mean age of the service that counts, days: 1.5 is that of a window of three days. Assumed."""

    noise: bool = False
    """Whether signals err by what their precision says; off, precision acts through the weight of news alone."""


def learning_of(step: Step) -> Learning:
    """Return how the public learns: as the liquidity channel says, else the reputation channel.

    Parameters
    ----------
    step : Step
        Where we are.

    Returns
    -------
    Learning
        The field `learning` of the channel; the defaults where neither has one.
    """
    for name in ("liquidity", "reputation"):
        found = getattr(step.channels.get(name), "learning", None)
        if isinstance(found, Learning):
            return found
    return Learning()


def similarity_of(step: Step) -> Similarity:
    """Return how news spills over: as the field `similarity` of the reputation channel says.

    Parameters
    ----------
    step : Step
        Where we are.

    Returns
    -------
    Similarity
        The defaults where the channel has no such field; in lanes where it does not act, news stays alone.
    """
    found = getattr(step.channels.get("reputation"), "similarity", None)
    return found if isinstance(found, Similarity) else Similarity()


def update(step: Step) -> None:
    r"""Let the public learn from the day's signals; done once a step, whoever asks first.

    .. math::
        m \leftarrow m + G (y - m), \qquad G = P (P + R)^{-1}, \qquad P \leftarrow (I - G) P + Q

    with :math:`R = I / (\alpha \Delta t)`, :math:`\alpha = \alpha_0 (1 + \iota k_1)`, :math:`P_0 = v^2 C` and
    :math:`Q = q P_0 \Delta t`; C is the identity in lanes where the reputation channel does not act.

    Parameters
    ----------
    step : Step
        Where we are; ``belief``, ``belief0`` and ``service_mean`` are written.

    References
    ----------
    Kalman (1960), Journal of Basic Engineering 82(1); Anderson and Moore (1979), Optimal Filtering, chapter 3.
    """
    state = step.state
    if state.played.get("beliefs") == step.number:
        return
    learning, news = learning_of(step), empty(state.debtors.stop, state.n_lanes)
    begin(step)
    state.played["beliefs"] = step.number
    if (state.service != state.service_mean).any():
        fading = exp(-step.days / learning.service_days)
        state.service_mean[...] = state.service + (state.service_mean - state.service) * fading
    _see(step, learning, _bias(step), news)
    if learning.noise and step.draws is not None:
        error = step.draws.normal("channels.beliefs.noise", state.ids[: news.shape[0]], step.number)
        news += error / math.sqrt(learning.precision * _times(learning) * step.days)
    if not news.any():
        return
    on = step.switches.get("reputation", np.zeros(state.n_lanes))
    learn_alone(_alone(step, learning), news, on, state.belief)
    if on.any():
        moved = _together(step, learning, news)
        state.belief[: news.shape[0]] += np.where(on > 0.0, moved, 0.0)


def begin(step: Step) -> None:
    """Let the public know the truth before any event; done once a run, whoever asks first.

    Parameters
    ----------
    step : Step
        Before the first one.
    """
    state, learning = step.state, learning_of(step)
    if "beliefs" in state.played:
        return
    state.played["beliefs"] = 0
    debtors, nothing = state.debtors, np.zeros((state.n_agents, state.n_lanes))
    start, no_loss = empty(debtors.stop, state.n_lanes), np.zeros((0, state.n_agents, state.n_lanes))
    units = np.ascontiguousarray(np.broadcast_to(step.system.holdings[:, :, None], state.units.shape))
    price, shares = np.ones_like(state.price), np.flatnonzero(state.shares)
    surprise(
        state.equity0,
        no_loss,
        units,
        price,
        shares,
        assets0(step.system),
        _weights(learning),
        nothing + 1.0,
        nothing,
        nothing,
        nothing,
        start,
    )
    state.belief[...] = 0.0
    state.belief[debtors], state.belief0[debtors] = start, start


def deterioration(state: State) -> Float:
    """Return how far belief has fallen below its start.

    Parameters
    ----------
    state : State
        After `update`.

    Returns
    -------
    float64[n_agents, n_lanes], percentage points of leverage
        Not negative; 0 for funds and sectors.
    """
    return np.asarray(np.maximum(0.0, state.belief0 - state.belief))


def perceived_failure(step: Step) -> Float:
    r"""Return the probability of failure that the public sees: :math:`\Phi(-m_i / \sqrt{P_{ii}})`.

    Parameters
    ----------
    step : Step
        Where we are, after `update`.

    Returns
    -------
    float64[n_debtors, n_lanes], 1
        Of banks, firms and platforms.
    """
    state, learning = step.state, learning_of(step)
    n, lanes = state.debtors.stop, state.n_lanes
    on = step.switches.get("reputation", np.zeros(lanes))
    spread = np.full((n, 1), math.sqrt(_variances(step, learning, None)[0]))
    if on.any():
        made = directions(step.system, similarity_of(step))
        own, values = np.zeros((n, 1)), _variances(step, learning, made)
        for k in range(made.values.size):
            own[:, 0] += made.vectors[:, k] ** 2 * (values[k] - values[-1])
        spread = np.where(on > 0.0, np.sqrt(own + values[-1]), spread)
    out = np.ascontiguousarray(-state.belief[:n] / spread)
    normal_cdf_of(out.reshape(-1), out.reshape(-1))
    return out


def reveal(step: Step, named: Bool, precision: float) -> None:
    """Let the public learn the truth about some agents from one further signal, such as a refutation.

    Parameters
    ----------
    step : Step
        Where we are, after `update`.
    named : bool[n_agents, n_lanes]
        About whom; it says nothing about others, and the weight of later news stays as it was.
    precision : float
        Of the signal, 1 / squared percentage points.
    """
    state, learning = step.state, learning_of(step)
    news = empty(state.debtors.stop, state.n_lanes)
    _see(step, learning, np.zeros_like(state.rumour), news)
    variance = float(_variances(step, learning, None)[0])
    told = variance / (variance + 1.0 / precision) * news
    state.belief[: news.shape[0]] += np.where(named[: news.shape[0]], told, 0.0)


def _see(step: Step, learning: Learning, rumour: Float, out: Float) -> None:
    """Write how far today's signals, given this bias, are from what is believed."""
    state = step.state
    surprise(
        state.equity0,
        state.loss,
        state.units,
        state.price,
        np.flatnonzero(state.shares),
        assets0(step.system),
        _weights(learning),
        state.service_mean,
        state.enforcement,
        rumour,
        state.belief,
        out,
    )


def _bias(step: Step) -> Float:
    """What biases today's news: rumours, stigma of the lender of last resort, the runs of the day before."""
    size = float(getattr(getattr(step.channels.get("liquidity"), "lender", None), "stigma", 0.0))
    state, weight, found = step.state, learning_of(step).run_weight, step.state.rumour
    if size > 0.0:
        found = found - size * (state.lolr > 0.0)
    if weight > 0.0 and "asked_insured" in state.by_name:
        banks, names = state.banks, [f"_{name}" for name in ("insured", "uninsured", "wholesale")]
        zero = np.zeros(state.n_agents)
        there, asked = np.zeros((banks.stop, 1)), np.zeros((banks.stop, state.n_lanes))
        for name in names:
            there += step.system.start.get("deposits" + name, zero)[banks, None]
            asked += state.columns["asked" + name][banks]
        run = np.divide(asked, there, out=np.zeros_like(asked), where=there > 0.0) / step.days
        found = found.copy()
        found[banks] -= weight * run
    return found


def _weights(learning: Learning) -> Float:
    return np.array([learning.failure_line, learning.outage_weight, learning.enforcement_weight])


def _times(learning: Learning) -> float:
    """What information sharing multiplies precision by."""
    return 1.0 + learning.information_sharing * learning.sharing_gain


def _alone(step: Step, learning: Learning) -> float:
    """Gain of an agent whose news says nothing about others."""
    return float(_gains(step, learning, None)[0])


def _together(step: Step, learning: Learning, news: Float) -> Float:
    """What all news moves each belief by, float64[n, n_lanes]."""
    made = directions(step.system, similarity_of(step))
    gains = _gains(step, learning, made)
    if news.shape[0] <= WHOLE:
        return reach(_matrix(step, made, gains), news)
    along = (gains[:-1] - gains[-1])[:, None] * reach(_transposed(step, made), news)
    return np.asarray(gains[-1] * news + reach(_plain(step, made), along))


def _matrix(step: Step, made: Directions, gains: Float) -> Csr:
    """The gain of a step as one matrix, row who is thought of, column whom the news is about."""

    def work_out() -> Csr:
        found = np.zeros((made.vectors.shape[0],) * 2)
        for k in range(made.values.size):
            found += np.multiply.outer((gains[k] - gains[-1]) * made.vectors[:, k], made.vectors[:, k])
        found[np.diag_indices_from(found)] += gains[-1]
        return csr(found)

    # gains that have come to rest are the same numbers in every later step
    key = ("gain", similarity_of(step), gains.tobytes())
    found: Csr = step.system.once(key, work_out)
    return found


def _plain(step: Step, made: Directions) -> Csr:
    found: Csr = step.system.once(("directions", similarity_of(step)), lambda: csr(made.vectors))
    return found


def _transposed(step: Step, made: Directions) -> Csr:
    found: Csr = step.system.once(("directions by columns", similarity_of(step)), lambda: csr(made.vectors.T))
    return found


def _gains(step: Step, learning: Learning, made: Directions | None) -> Float:
    """Gain along each direction in this step, and last that of all others; without directions, just that."""
    return _filter(step, learning, made)[0]


def _variances(step: Step, learning: Learning, made: Directions | None) -> Float:
    """Variance along each direction after this step's signal, and last that of all others."""
    return _filter(step, learning, made)[1]


def _filter(step: Step, learning: Learning, made: Directions | None) -> tuple[Float, Float]:
    """Gains and variances of this step, float64[rank + 1] each."""
    values = np.ones(1) if made is None else np.append(made.values, made.rest)
    name = None if made is None else similarity_of(step)
    found = _chunk(step.system, (learning, step.days, name), values, (step.number - 1) // CHUNK)
    at = min((step.number - 1) % CHUNK, found[0].shape[0] - 1)
    return found[0][at], found[1][at]


def _chunk(
    system: System, key: tuple[Learning, float, Similarity | None], values: Float, number: int
) -> tuple[Float, Float, Float]:
    """Gains and variances of 64 steps, float64[n, rank + 1] each with the last one repeated, and what comes next."""

    def work_out() -> tuple[Float, Float, Float]:
        learning, days, _ = key
        error = 1.0 / (learning.precision * _times(learning) * days)
        prior = learning.deviation**2 * values
        variance = prior if number == 0 else _chunk(system, key, values, number - 1)[2]
        gains: list[Float] = []
        left: list[Float] = []
        for _ in range(CHUNK):
            gain = variance / (variance + error)
            if gains and (np.abs(gain - gains[-1]) <= STILL * gain).all():
                break
            gains.append(gain)
            left.append((1.0 - gain) * variance)
            variance = left[-1] + learning.drift * days * prior
        return np.array(gains), np.array(left), variance

    found: tuple[Float, Float, Float] = system.once(("filter", key, number), work_out)
    return found
