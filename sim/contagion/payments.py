"""Payments of a day: who can settle with the cash there is, and what an impaired bank holds back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, empty, full
from sim.contagion.dependency import rest
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.contagion.solve import FixedPoint
from sim.kernels.pull import pull


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement(Outcome):
    """What was paid, and what was not and why.

    Parameters
    ----------
    settled : float64[n] or float64[n, n_draws], 1
        Share of what each bank sends that is settled; 1 when it sends nothing.
    paid, received : float64[n] or float64[n, n_draws], currency
        Total outgoing and incoming payments.
    cash : float64[n] or float64[n, n_draws], currency
        What is there at the end; its sum is that of the beginning.
    shortfall : float64[n] or float64[n, n_draws], currency
        Payments sent but not settled for want of cash.
    backlog : float64[n] or float64[n, n_draws], currency
        Payments due but not sent, because the bank's service was impaired.
    is_short : bool[n] or bool[n, n_draws]
        Banks with a shortfall.
    gap : float or float64[n_draws] or None, 1
        With `bounds`, largest distance of `settled` between the greatest and the least solution; else None.
    """

    settled: Any
    paid: Any
    received: Any
    cash: Any
    shortfall: Any
    backlog: Any
    is_short: Any
    gap: Any = None


def settle_payments(
    obligations: Any,
    cash: npt.ArrayLike,
    *,
    service: npt.ArrayLike = 1.0,
    least: bool = False,
    bounds: bool = False,
    tol: float = 1e-10,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> Settlement:
    r"""Settle the payments due on a day out of cash and of what comes in.

    Bank j sends the part :math:`s_j` of what it owes; what it sends is settled as far as its cash reaches, pro rata:

    .. math::
        z_j = \min\Big( s_j d_j, \; c_j + \sum_k \zeta_{kj} z_k \Big), \qquad
        d_j = \sum_i D_{ij}, \qquad \zeta_{kj} = D_{jk} / d_k

    with :math:`D_{ij}` due from payer j to payee i. This is clearing in cash: no bank spends what it does not have, yet
    incoming payments are spent the moment they arrive. The greatest solution resolves gridlock, as a
    liquidity-saving mechanism does: a ring of equal dues settles without any cash. The least solution settles only what
    cash can set in motion; payments are divisible, so that any cash at all, going round, settles a ring. An impaired
    bank goes on receiving and so drains cash from the others, though nobody loses equity: deposits move with the
    reserves.

    Parameters
    ----------
    obligations : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: dues of the day, row payee, column payer.
    cash : float64[n] or float64[n, n_draws], currency
        Reserves at the beginning.
    service : float64[n] or float64[n, n_draws], 1
        Part of its dues each bank is able to send; 0 is a mute bank.
    least : bool
        Whether to return the least solution, in which only cash sets payments in motion, in place of the greatest.
    bounds : bool
        Whether to report the distance between the two.
    tol : float
        Absolute, on shares settled.
    max_rounds : int
        Rounds after which a draw is given up.
    allow_uncertified : bool
        Return what was reached when `max_rounds` did not suffice.

    Returns
    -------
    Settlement
        In the form of the inputs.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.
    ConvergenceError
        If `max_rounds` did not suffice and `allow_uncertified` is false.

    References
    ----------
    Eisenberg and Noe (2001), equation 7, in cash; Eisenbach, Kovner and Lee (2022), "Cyber risk and the U.S. financial
    system: a pre-mortem analysis", Journal of Financial Economics 145(3), for the impaired bank.

    Examples
    --------
    Three banks owe each other 1 in a ring; one unit of cash anywhere settles everything, and is where it was.

    >>> from sim.contagion.payments import settle_payments
    >>> ring = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    >>> day = settle_payments(ring, [0, 1, 0], least=True)
    >>> day.paid.tolist(), day.cash.tolist()
    ([1.0, 1.0, 1.0], [0.0, 1.0, 0.0])
    >>> settle_payments(ring, 0.0).paid.tolist(), settle_payments(ring, 0.0, least=True).paid.tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """
    inputs = Inputs()
    dues = inputs.network("obligations", obligations)
    n = dues.n_rows
    money = inputs.numbers("cash", cash, n, low=0.0)
    able = inputs.numbers("service", service, n, low=0.0, high=1.0)
    tol = inputs.number("tol", tol, low=0.0)
    max_rounds = inputs.whole("max_rounds", max_rounds, low=1)
    inputs.check()
    day = Day(dues, inputs.block(money), inputs.block(able))
    found = day.settle(tol, max_rounds, least=least)
    gap: Float | None = None
    multiple = None
    if bounds:
        other = day.settle(tol, max_rounds, least=not least)
        gap = np.abs(found.x - other.x).max(axis=0, initial=0.0)
        multiple = other.certified & (gap > 10.0 * tol)
    paid, received = found.x * day.sent, day.received(found.x)
    result = Settlement(
        settled=inputs.give(found.x),
        paid=inputs.give(paid),
        received=inputs.give(received),
        cash=inputs.give(day.cash + (received - paid)),
        shortfall=inputs.give(day.sent - paid),
        backlog=inputs.give(day.due - day.sent),
        is_short=inputs.give(found.x < 1.0),
        gap=None if gap is None else inputs.give(gap),
        rounds=inputs.give(found.rounds),
        residual=inputs.give(found.residual),
        status=inputs.give(statuses(found.certified, multiple)),
    )
    return settled("settle_payments", result, tol, allow_uncertified)


class Day:
    """The dues of a day, the cash there is, and how much of its dues each bank sends.

    Parameters
    ----------
    dues : Csr
        Row payee, column payer, currency.
    cash : float64[n, n_lanes], currency
        What each has at the beginning.
    able : float64[n, n_lanes], 1
        What each sends in units of its dues; above 1 where it makes up for earlier days.
    due : float64[n, n_lanes or 1], currency, optional
        Sum of the dues of each payer; worked out where it is not given.
    """

    def __init__(self, dues: Csr, cash: Float, able: Float, due: Float | None = None) -> None:
        self.dues, self.cash, self.able = dues, cash, able
        if due is None:
            by_payer, due = dues.transposed(), empty(*cash.shape)
            pull(by_payer.indptr, by_payer.indices, by_payer.weights, np.ones(cash.shape), due)
        self.due = due
        self.sent = able * self.due

    def received(self, share: Float) -> Float:
        """Return what comes in when these shares of what is sent are settled.

        Parameters
        ----------
        share : float64[n, n_lanes], 1
            By payer.

        Returns
        -------
        float64[n, n_lanes], currency
            By payee.
        """
        out = empty(*share.shape)
        pull(self.dues.indptr, self.dues.indices, self.dues.weights, self.able * share, out)
        return out

    def step(self, share: Float) -> Float:
        """Return what can be settled when others settle these shares: an isotone map.

        Parameters
        ----------
        share : float64[n, n_lanes], 1
            By payer.

        Returns
        -------
        float64[n, n_lanes], 1
            1 where nothing is sent.
        """
        have = np.minimum(self.cash + self.received(share), self.sent)
        return np.divide(have, self.sent, out=np.ones(self.sent.shape), where=self.sent > 0.0)

    def settle(self, tol: float, max_rounds: int, *, least: bool = False) -> FixedPoint:
        """Return the greatest or the least shares settled.

        Whom no cash reaches pays nothing in the least solution. On the others the solution is unique: two would differ
        on a set of banks that are short, pay only each other, and neither hold cash nor are paid from outside. So both
        solutions are the limit of falling iterates, which cannot stop short because the first payments are small.

        Parameters
        ----------
        tol : float
            Absolute, on the shares.
        max_rounds : int
            Most rounds of one attempt.
        least : bool
            Whether only cash sets payments in motion.

        Returns
        -------
        FixedPoint
            Certified lanes are within `tol`.
        """
        start = np.where((self.sent > 0.0) & ~self._reached(), 0.0, 1.0) if least else full(1.0, *self.cash.shape)
        return rest(self.step, start, tol, max_rounds, rising=False)

    def _reached(self) -> Bool:
        """Return whom cash reaches: who has some, and whoever is paid by a bank that is reached and sends."""
        sends = self.sent > 0.0
        reached: Bool = self.cash > 0.0
        flow = empty(*self.cash.shape)
        while True:
            active = np.where(reached & sends, 1.0, 0.0)
            pull(self.dues.indptr, self.dues.indices, self.dues.weights, active, flow)
            more = reached | (flow > 0.0)
            if (more == reached).all():
                return reached
            reached = more
