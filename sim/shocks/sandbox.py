"""The sandbox as a sequential test: an innovation is tried on few clients before all may have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sim.arrays import Bool, Float, Int
from sim.errors import UsageError, shown
from sim.shocks.sizes import Part
from sim.streams import Draws

STREAM = "sandbox"
"""Name of the random numbers of a trial."""


class Trial(NamedTuple):
    """Innovations that went through a sandbox, draw by draw.

    Parameters
    ----------
    graduated : bool[n_innovations, n_draws]
        Whether it was let out.
    failures : int64[n_innovations, n_draws]
        Adverse events seen until the decision; never more than one above those allowed.
    length : int64[n_innovations, n_draws], client-months
        Until the decision: all for those that graduate, fewer for those that fail early.
    """

    graduated: Bool
    failures: Int
    length: Int


class Screened(NamedTuple):
    """What a sandbox makes of innovations of which only the distribution of adverse rates is known.

    Parameters
    ----------
    share : float, 1
        Of innovations that graduate.
    rate_before, rate_after : float, 1 / client-month
        Mean adverse rate of all, and of those that graduate.
    """

    share: float
    rate_before: float
    rate_after: float


class Outcome(NamedTuple):
    """What an innovation brings and costs within some months.

    Parameters
    ----------
    served : float64[n_rates], months
        Months of full service, the benefit; expected.
    harmed : float64[n_rates], clients
        Adverse events that clients suffer; expected.
    """

    served: Float
    harmed: Float


class Sandbox(Part):
    r"""A test of an innovation whose adverse rate is not known.

    It is admitted after a review at an exposure cap :math:`k_S` and observed for n client-months. As soon as it has had
    more than c adverse events the test ends and it stays at the cap; otherwise all clients may have it. With the
    adverse rate :math:`\theta` per client-month it graduates with chance

    .. math:: P(\theta) = \sum_{k=0}^{c} \binom{n}{k} \theta^k (1 - \theta)^{n-k}

    References
    ----------
    Wald (1947), Sequential Analysis, for tests that stop as soon as the answer is known; Cornelli, Doerr, Gambacorta
    and Merrouche (2020), BIS Working Paper 901, for what sandboxes bring to those who are in them.

    Examples
    --------
    >>> Sandbox().graduation([0.01, 0.02, 0.05, 0.10]).round(3).tolist()
    [0.986, 0.922, 0.541, 0.112]
    """

    clients: int = Field(default=50, ge=1, le=100_000)
    """n, client-months that are observed."""

    allowed: int = Field(default=2, ge=0, le=100_000)
    """c, adverse events of an innovation that graduates at most."""

    exposure: float = Field(default=0.05, ge=0, le=1)
    """kS, share of the market that may have the innovation during the test, 1."""

    market: float = Field(default=100.0, gt=0)
    """Clients who would have it without a cap; the test takes ``clients / (exposure * market)`` months.
    Assumed."""

    review: float = Field(default=3.0, ge=0)
    """From application to admission, months. Assumed."""

    relief: float = Field(default=0.5, ge=0, le=1)
    """Part of regulatory uncertainty that firms in the sandbox are spared, 1. Assumed."""

    supervision: float = Field(default=0.002, ge=0)
    """What the central bank spends on an innovation in the test a month. Assumed, currency."""

    @property
    def months(self) -> float:
        """How long the test takes, months; infinite where nobody may have the innovation: no client, no evidence."""
        return self.clients / (self.exposure * self.market) if self.exposure > 0.0 else np.inf

    def graduation(self, rate: npt.ArrayLike) -> Float:
        """Return the operating curve: the chance to graduate at true adverse rates.

        Parameters
        ----------
        rate : float or float64[n_rates], 1 / client-month
            In [0, 1].

        Returns
        -------
        float64[n_rates], 1
            Never rising in the rate.

        Raises
        ------
        UsageError
            If a rate is no chance.
        """
        *_, left = self._in_test(self._known(_rates(rate)))
        return np.asarray(left.sum(axis=0))

    def length(self, rate: npt.ArrayLike) -> Float:
        """Return how much of a test it takes to decide, since one failure too many ends it.

        Parameters
        ----------
        rate : float or float64[n_rates], 1 / client-month
            In [0, 1].

        Returns
        -------
        float64[n_rates], client-months
            Expected; at most `clients`.

        Raises
        ------
        UsageError
            If a rate is no chance.
        """
        *before, _ = self._in_test(self._known(_rates(rate)))
        return np.asarray(np.stack([left.sum(axis=0) for left in before]).sum(axis=0))

    def screened(self, a: float, b: float) -> Screened:
        r"""Return what the test makes of innovations with :math:`\theta \sim \mathrm{Beta}(a, b)`.

        Having seen k adverse events in j client-months, the chance of another is :math:`(a + k) / (a + b + j)`; those
        that graduate with k of them have that rate on average.

        Parameters
        ----------
        a, b : float
            Above 0; the mean rate is ``a / (a + b)``.

        Returns
        -------
        Screened
            Share that graduates, and mean rates before and after.

        Raises
        ------
        UsageError
            If a or b is not above 0.

        References
        ----------
        Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.4, for the beta-binomial.
        """
        if not (0.0 < a < np.inf and 0.0 < b < np.inf):
            raise UsageError(f"a and b of a beta distribution must be above 0 and finite, got {a!r} and {b!r}")
        seen = a + np.arange(self.allowed + 1.0)[:, None]
        *_, left = self._in_test(lambda month: seen / (a + b + month))
        share, bad = float(left.sum()), float((left * seen).sum()) / (a + b + self.clients)
        return Screened(share, a / (a + b), bad / share)

    def outcome(self, rate: npt.ArrayLike, months: float) -> Outcome:
        r"""Return what is served and who is harmed within some months of the application.

        .. math::
            x(\theta) = k_S \, (T - r)^+ + (1 - k_S) \, P(\theta) \, (T - r - D)^+, \qquad D = \frac{n}{k_S M}

        months of full service, and :math:`\theta M x` adverse events. Clients of the test keep what they have whatever
        the decision: it is about those above the cap. So a cap of 0 serves and harms nobody, and a cap of 1 is a
        roll-out to everybody, later by the review; without any sandbox x = T.

        Parameters
        ----------
        rate : float or float64[n_rates], 1 / client-month
            In [0, 1].
        months : float, months
            T, 0 or more.

        Returns
        -------
        Outcome
            Expected values.

        Raises
        ------
        UsageError
            If a rate is no chance, or time is negative.
        """
        theta = _rates(rate)
        if not 0.0 <= months < np.inf:
            raise UsageError(f"months must be 0 or more and finite, got {months!r}")
        admitted, decided = max(0.0, months - self.review), max(0.0, months - self.review - self.months)
        served = self.exposure * admitted + (1.0 - self.exposure) * self.graduation(theta) * decided
        return Outcome(served, theta * self.market * served)

    def trial(self, rate: npt.ArrayLike, *, draws: int, seed: int) -> Trial:
        """Let innovations go through the sandbox, on the random numbers that scenarios draw from.

        Parameters
        ----------
        rate : float or float64[n_innovations], 1 / client-month
            True adverse rate of each innovation, in [0, 1].
        draws : int
            How often, at least 1.
        seed : int
            0 to 2^128 - 1.

        Returns
        -------
        Trial
            Decision, failures and length of every innovation in every draw.

        Raises
        ------
        UsageError
            If a rate is no chance or there is no draw.

        Examples
        --------
        >>> Sandbox(clients=3, allowed=0).trial([0.0, 1.0], draws=2, seed=1).length.tolist()
        [[3, 3], [1, 1]]
        """
        theta = _rates(rate)
        if not _is_whole(draws) or draws < 1:
            raise UsageError(f"draws must be a whole number, at least 1, got {draws!r}")
        return self.tested(theta[:, None], Draws(seed, np.arange(draws)), STREAM)

    def tested(self, rates: Float, luck: Draws, stream: str) -> Trial:
        """Let innovations go through the sandbox in a block of draws.

        Parameters
        ----------
        rates : float64[n_innovations, n_lanes] or float64[n_innovations, 1], 1 / client-month
            True adverse rates, each a chance.
        luck : Draws
            Random numbers of the block.
        stream : str
            Name of those of the trial.

        Returns
        -------
        Trial
            Decision, failures and length of every innovation in every lane.
        """
        names = innovations(rates.shape[0])
        failures = np.zeros((len(names), luck.n_lanes), dtype=np.int64)
        length = np.zeros_like(failures)
        for month in range(self.clients):
            running = failures <= self.allowed
            failures += running & (luck.uniform(stream, names, month) < rates)
            length += running
        return Trial(failures <= self.allowed, failures, length)

    def open(self, months: float, graduating: float) -> float:
        """Return which share of the market innovations have on average some months after they applied.

        Parameters
        ----------
        months : float, months
            Since the application.
        graduating : float, 1
            Share of them that graduates.

        Returns
        -------
        float, 1
            0 during the review, the cap during the test, then the whole for those that graduate.
        """
        if months < self.review:
            return 0.0
        return self.exposure + (1.0 - self.exposure) * graduating * (months >= self.review + self.months)

    def _in_test(self, chance: Callable[[int], Float]) -> Iterator[Float]:
        """Yield which part is still in the test, by adverse events so far: before every client-month, and after all.

        `chance` of another event in a client-month: float64[n_events, n_rates], by adverse events so far.
        """
        left = np.zeros_like(chance(0))
        left[0] = 1.0
        for month in range(self.clients):
            yield left
            hit = left * chance(month)
            left = left - hit
            left[1:] += hit[:-1]
        yield left

    def _known(self, rates: Float) -> Callable[[int], Float]:
        """The chance of another event where the true rate is given: it does not learn."""
        chance = np.repeat(rates[None, :], self.allowed + 1, axis=0)
        return lambda _month: chance


def innovations(count: int) -> tuple[str, ...]:
    """Return the names by which the luck of innovations is addressed.

    Parameters
    ----------
    count : int
        How many.

    Returns
    -------
    tuple of str
        ``innovation_1`` and so on.
    """
    return tuple(f"innovation_{k + 1}" for k in range(count))


def _rates(given: npt.ArrayLike) -> Float:
    """Adverse rates as an array, each a chance."""
    rates = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if rates.ndim != 1 or not ((rates >= 0.0) & (rates <= 1.0)).all():
        raise UsageError(f"rate: got {shown(given)}, allowed: numbers from 0 to 1 along one axis")
    return rates


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
