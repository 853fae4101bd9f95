"""Default cascades: Furfine's sequential defaults and, without recovery, Gai and Kapadia's contagion."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, Int, aligned
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.kernels.cascade import play_cascades

CHUNK = 1 << 20
"""Entries of the lists that the kernel fills before they are put aside."""


class Reached(NamedTuple):
    """Whom the cascade of each draw reached: the agents that failed or lost something.

    Draw ``k`` owns the entries from ``ends[k - 1]`` (0 for the first) to ``ends[k]``, agents ascending.
    """

    ends: Int
    agent: npt.NDArray[np.int32]
    wave: npt.NDArray[np.int32]
    loss: Float


@dataclass(frozen=True, eq=False, kw_only=True)
class Cascade(Outcome):
    """Who failed, in which wave, and what everybody lost.

    Arrays are ``[n_agents]`` for one draw and ``[n_agents, n_draws]`` for a block. They are made when they are first
    asked for: a draw in which one agent fails costs only what its cascade touches.

    Parameters
    ----------
    reached : Reached
        The cascades as lists: agents that failed or lost something by contagion, wave, loss by contagion in currency.
    remaining : float64[1 or n_draws, n_agents], currency
        Equity before contagion, after the shock.
    shock : float64[1 or n_draws, n_agents] or None, currency
        Equity lost before contagion; None where agents failed by decree.
    is_block : bool
        Whether results carry an axis of draws.

    Attributes
    ----------
    equity : float64[n_agents] or float64[n_agents, n_draws], currency
        What is left after all losses; negative where creditors lose too.
    loss : float64[n_agents] or float64[n_agents, n_draws], currency
        Shock and loss by contagion together, not limited by equity.
    is_defaulted : bool[n_agents] or bool[n_agents, n_draws]
        Failed in some wave.
    wave : int64[n_agents] or int64[n_agents, n_draws]
        1 for those the shock itself (or the decree) fells, one more for each round of losses; 0 is never.
    n_defaulted : int or int64[n_draws]
        Agents that failed.
    total_loss : float or float64[n_draws], currency
        `loss` summed over agents in their order.
    """

    reached: Reached = field(repr=False)
    remaining: Float = field(repr=False)
    shock: Float | None = field(repr=False)
    is_block: bool = field(repr=False)

    @cached_property
    def equity(self) -> Float:
        """Equity after all losses, currency."""
        left = self._repeated(self.remaining)
        left[self.reached.agent, self._draw] -= self.reached.loss
        return self._given(left)

    @cached_property
    def loss(self) -> Float:
        """Shock and loss by contagion, currency."""
        lost = self._repeated(np.zeros((1, self.remaining.shape[1])) if self.shock is None else self.shock)
        lost[self.reached.agent, self._draw] += self.reached.loss
        return self._given(lost)

    @cached_property
    def wave(self) -> Int:
        """Wave of default, 0 for never."""
        waves = np.zeros((self.remaining.shape[1], self.reached.ends.size), dtype=np.int64)
        waves[self.reached.agent, self._draw] = self.reached.wave
        return self._given(waves)

    @cached_property
    def is_defaulted(self) -> Bool:
        """Whether the agent failed."""
        return self.wave > 0

    @cached_property
    def n_defaulted(self) -> Any:
        """Agents that failed."""
        counts = np.bincount(self._draw[self.reached.wave > 0], minlength=self.reached.ends.size)
        return counts.astype(np.int64) if self.is_block else int(counts[0])

    @cached_property
    def total_loss(self) -> Any:
        """Losses of all agents, currency."""
        draws = self.reached.ends.size
        if self.shock is None:
            sums = np.bincount(self._draw, weights=self.reached.loss, minlength=draws)
        else:
            lost = self.loss.reshape(-1, draws)
            sums = np.bincount(np.tile(np.arange(draws), lost.shape[0]), weights=lost.ravel(), minlength=draws)
        return sums if self.is_block else float(sums[0])

    @cached_property
    def _draw(self) -> Int:
        return np.repeat(np.arange(self.reached.ends.size), np.diff(self.reached.ends, prepend=0))

    def _repeated(self, rows: Float) -> Float:
        return np.array(np.broadcast_to(rows.T, (rows.shape[1], self.reached.ends.size)), order="C")

    def _given(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if self.is_block else np.ascontiguousarray(values[:, 0])


def cascade(
    exposures: Any,
    equity: Any,
    shock: Any = None,
    *,
    failing: Any = None,
    recovery_rate: Any = 0.0,
    default_at_zero: bool = False,
    max_rounds: int | None = None,
    allow_uncertified: bool = False,
) -> Cascade:
    r"""Let losses on defaulted debtors bring down their creditors, round by round (Furfine).

    .. math::
        D^1 = \{ i : E_i - s_i < 0 \}, \qquad
        x_i^t = \sum_{j \in D^t} A_{ij} (1 - R_j), \qquad
        D^{t+1} = D^t \cup \{ i : E_i - s_i - x_i^t < 0 \}

    Rounds are synchronous: everybody sees the defaults of the round before. The set of defaults only grows, so the
    cascade ends after at most n waves and the answer is exact; it is the smallest set that explains itself. Without
    recovery and with one failing agent this is the contagion of Gai and Kapadia.

    A row's losses are summed in CSR order, and its default is decided by that sum: amounts that are sums of powers of
    two meet the threshold exactly, in any order of the agents. Agents whose equity is below the threshold before
    anything happens belong to wave 1 of every draw.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n_agents, n_agents]``, currency: claim of creditor i (row) on debtor j (column).
    equity : array_like
        ``float64[n_agents]`` or ``float64[n_agents, n_draws]``, currency, before the shock.
    shock : array_like or None
        ``float64[n_agents]`` or ``float64[n_agents, n_draws]``, currency: equity lost before contagion, 0 or more.
    failing : int, array_like or None
        An agent, or ``int64[n_draws]``: agent ``failing[k]`` fails by decree in draw k, whatever its equity; its own
        equity shows only what contagion takes from it. The cost of a draw is that of the edges its cascade touches.
        Exactly one of `shock` and `failing` is given.
    recovery_rate : float or array_like
        A number or ``float64[n_agents]``, 1: what creditors get back of a claim on each debtor in default.
    default_at_zero : bool
        Whether an agent defaults when its equity is exactly zero; by default only below.
    max_rounds : int or None
        Waves after which to give up; None for as many as it takes.
    allow_uncertified : bool
        Whether to return a cascade that `max_rounds` cut off.

    Returns
    -------
    Cascade
        ``.equity``, ``.loss``, ``.is_defaulted``, ``.wave``, ``.n_defaulted``, ``.total_loss``; ``.rounds`` is the last
        wave (0 when nobody failed) and ``.residual`` 0, or 1 when some agent would still fail.

    Raises
    ------
    InputError
        If an argument cannot be used; names argument, index and value of every fault.
    ConvergenceError
        If `max_rounds` cuts a cascade off, unless `allow_uncertified`.

    References
    ----------
    Furfine (2003), "Interbank exposures: quantifying the risk of contagion", J. Money, Credit and Banking 35(1),
    section 3. Gai and Kapadia (2010), "Contagion in financial networks", Proceedings of the Royal Society A 466,
    section 2.

    Examples
    --------
    Bank 0 lent 4 to bank 1, which lent 3 to bank 2. Bank 2 loses 2 with an equity of 1 and fails; bank 1 loses its
    claim of 3 with an equity of 2 and fails; bank 0 loses 4 and survives with 1.

    >>> from sim.contagion.cascade import cascade
    >>> exposures = [[0, 4, 0], [0, 0, 3], [0, 0, 0]]
    >>> result = cascade(exposures, [5.0, 2.0, 1.0], [0.0, 0.0, 2.0])
    >>> result.equity.tolist(), result.wave.tolist()
    ([1.0, -1.0, -1.0], [0, 2, 1])

    Every single failure, one a draw:

    >>> cascade(exposures, [5.0, 2.0, 1.0], failing=[0, 1, 2]).n_defaulted.tolist()
    [1, 1, 2]
    """
    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    if net.n_rows == 0:
        inputs.check()  # without a network nobody knows how many agents the other arguments should have
    n = net.n_rows
    equity_ = inputs.numbers("equity", equity, n)
    if (shock is None) == (failing is None):
        inputs.refuse("shock", f"shock and failing are {'both' if failing is not None else 'not'} given; allowed: one")
    shock_ = None if shock is None else inputs.numbers("shock", shock, n, low=0.0)
    failing_ = None if failing is None else _agents(inputs, failing, n)
    recovery = inputs.numbers("recovery_rate", recovery_rate, n, low=0.0, high=1.0, lanes=False)
    limit = n + 1 if max_rounds is None else inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()

    draws = 1 if inputs.lanes is None else inputs.lanes
    remaining = _rows(equity_)
    if shock_ is not None:
        shock_ = _rows(shock_)
        remaining = remaining - shock_
    chosen = np.full(draws, -1, dtype=np.int64)
    if failing_ is not None:
        chosen[:] = failing_
    weights = aligned(net.weights * (1.0 - recovery)[net.indices])
    reached, rounds, unfinished = _play(net._replace(weights=weights), remaining, chosen, bool(default_at_zero), limit)
    result = Cascade(
        rounds=inputs.give(rounds),
        residual=inputs.give(unfinished.astype(np.float64)),
        status=inputs.give(statuses(~unfinished)),
        reached=reached,
        remaining=remaining,
        shock=shock_,
        is_block=inputs.lanes is not None,
    )
    return settled("cascade", result, 0.0, allow_uncertified)


def _agents(inputs: Inputs, failing: Any, n: int) -> Int:
    """Take in the agents that fail by decree."""
    source = np.asarray(failing)
    if source.dtype.kind not in "iu" or source.ndim > 1:
        what = f"dtype {source.dtype}" if source.dtype.kind not in "iu" else f"{source.ndim} axes"
        inputs.refuse("failing", f"failing has {what}; allowed: an agent's number, or one for each draw")
        return np.zeros((), dtype=np.int64)
    return inputs.numbers("failing", source, (), low=0, high=n - 1).astype(np.int64)


def _rows(values: Float) -> Float:
    """Lay out agents along rows, one row a draw."""
    return aligned(values[None] if values.ndim == 1 else values.T)


def _play(net: Csr, remaining: Float, failing: Int, at_zero: bool, max_rounds: int) -> tuple[Reached, Int, Bool]:
    """Play all draws and collect their lists."""
    n, draws = net.n_rows, failing.size
    debtors = net.transposed()
    row, first = np.nonzero(remaining <= 0.0 if at_zero else remaining < 0.0)
    first_ptr = np.searchsorted(row, np.arange(remaining.shape[0] + 1))
    wave, stamp = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    lost, touched = np.zeros(n), np.zeros(n, dtype=np.bool_)
    queue, hit, fresh = (np.empty(n, dtype=np.int32) for _ in range(3))
    room = min(max(n, CHUNK), n * draws)
    agents, waves, losses = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32), np.empty(room)
    ends, rounds = np.zeros(draws, dtype=np.int64), np.zeros(draws, dtype=np.int64)
    unfinished = np.zeros(draws, dtype=np.bool_)
    parts, start, before = [], 0, 0
    while start < draws:
        after = play_cascades(
            net.indptr, net.indices, net.weights, debtors.indptr, debtors.indices, debtors.weights,
            remaining, first_ptr, first, failing, at_zero, max_rounds, start,
            wave, stamp, lost, touched, queue, hit, fresh, agents, waves, losses, ends, rounds, unfinished,
        )  # fmt: skip
        used = int(ends[after - 1])
        parts.append((agents[:used].copy(), waves[:used].copy(), losses[:used].copy()))
        ends[start:after] += before
        start, before = after, before + used
    agent, reached_wave, loss = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Reached(ends, agent, reached_wave, loss), rounds, unfinished
