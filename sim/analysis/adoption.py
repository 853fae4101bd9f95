"""The benefit side: how technology is taken up, what that brings, and which dials of a scenario it turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, Problem, UsageError
from sim.kernels.special import exp_of

QUARTER = 0.25
"""Years."""


class Known(NamedTuple):
    """A benefit that is known for every policy without a run.

    Parameters
    ----------
    meaning, unit : str
        What it is and what it is measured in.
    values : mapping of str to float
        By policy.
    """

    meaning: str
    unit: str
    values: Mapping[str, float]


def _checked(record: Any, shares: tuple[str, ...]) -> None:
    """Refuse numbers that mean nothing, all at once."""
    problems = []
    for each in fields(record):
        value, top = getattr(record, each.name), 1.0 if each.name in shares else np.inf
        if not 0.0 <= value <= top or not np.isfinite(value):
            allowed = "from 0 to 1" if top == 1.0 else "0 or more, finite"
            problems.append(Problem(f"{type(record).__name__}.{each.name}: got {value!r}, allowed: {allowed}"))
    if problems:
        raise InputError(problems)


@dataclass(frozen=True)
class Adoption:
    r"""How a technology is taken up.

    .. math::
        a_{t+1} = a_t + \nu \, (\bar a - a_t) \, \Delta t, \qquad
        \nu = \nu_0 \, e^{-k_u \sigma} \, (1 + k_s S)

    Parameters
    ----------
    start, limit : float, 1
        Adoption in the first quarter, and what it tends to.
    speed : float, 1 / year
        nu_0; the default takes adoption from 0.35 to 0.75 in 16 quarters (assumed).
    uncertainty : float, 1
        Regulatory uncertainty sigma; 0: none beyond what is in `speed`.
    caution : float, 1
        k_u, how much uncertainty slows adoption (assumed).
    sandbox : float, 1
        Share S of firms in a sandbox.
    sandbox_gain : float, 1
        k_s, how much faster they are (assumed; Cornelli et al. find 15 % more capital raised).

    References
    ----------
    Cornelli, Doerr, Gambacorta and Merrouche (2020), BIS Working Paper 901, for the sandbox.

    Examples
    --------
    >>> Adoption().path(16).round(2)[[0, -1]].tolist()
    [0.35, 0.75]
    """

    start: float = 0.35
    limit: float = 0.9
    speed: float = 0.332
    uncertainty: float = 0.0
    caution: float = 1.0
    sandbox: float = 0.0
    sandbox_gain: float = 0.15

    def __post_init__(self) -> None:
        _checked(self, ("start", "limit", "sandbox"))

    @property
    def rate(self) -> float:
        """Speed with uncertainty and sandbox, 1 / year."""
        slowed = _exp(np.array([-self.caution * self.uncertainty]))[0]
        return float(self.speed * slowed * (1.0 + self.sandbox_gain * self.sandbox))

    def path(self, quarters: int) -> Float:
        """Return adoption quarter by quarter.

        Parameters
        ----------
        quarters : int
            How many, at least 1.

        Returns
        -------
        float64[quarters], 1
            The first is `start`.

        Raises
        ------
        UsageError
            If there are no quarters, or adoption would overshoot its limit in one of them.
        """
        if quarters < 1:
            raise UsageError(f"quarters must be at least 1, got {quarters}")
        step = self.rate * QUARTER
        if step > 1.0:
            raise UsageError(
                f"speed {self.rate:.4g} a year closes the gap to the limit more than once a quarter; 4 at most"
            )
        found = np.empty(quarters)
        found[0] = self.start
        for t in range(1, quarters):
            found[t] = found[t - 1] + step * (self.limit - found[t - 1])
        return found


@dataclass(frozen=True)
class Benefits:
    r"""What adoption brings, as a vector that is never added up.

    .. math::
        cov = c_0 + (c_1 - c_0) (1 - e^{-\eta a}), \quad N = cov \cdot demand, \quad
        cost = k_0 (1 - \chi a) + it \cdot a, \quad
        rate = funding + PD \, (1 - \gamma \, a / s) \, LGD + cost + margin

    Parameters
    ----------
    coverage0, coverage1 : float, 1
        Share of underserved borrowers with credit without technology, and at most (assumed).
    saturation : float, 1
        eta, how soon coverage approaches that (assumed).
    demand : float, currency
        Credit that underserved borrowers would take.
    cost0, saving, technology_cost : float, 1
        Cost of a unit of credit without technology a year, the share chi of it that full adoption saves, and what
        technology itself costs a unit at full adoption (assumed).
    funding, margin : float, 1
        Cost of funds and margin a year (assumed).
    default_probability, loss_given_default : float, 1
        Of small firms.
    screening, spread : float, 1
        gamma, the part of defaults avoided for one standard deviation of adoption, and that deviation s (assumed).

    References
    ----------
    Pierri and Timmer (2021) for screening: one standard deviation more technology, 10 % fewer bad loans in the crisis.
    """

    coverage0: float = 0.3
    coverage1: float = 0.8
    saturation: float = 1.5
    demand: float = 1.0
    cost0: float = 0.016
    saving: float = 0.5
    technology_cost: float = 0.002
    funding: float = 0.022
    margin: float = 0.008
    default_probability: float = 0.032
    loss_given_default: float = 0.45
    screening: float = 0.1
    spread: float = 0.25

    def __post_init__(self) -> None:
        shares = ("coverage0", "coverage1", "saving", "default_probability", "loss_given_default", "screening")
        _checked(self, shares)
        if self.spread <= 0.0 or self.screening > self.spread:
            raise InputError("Benefits.spread: must be above 0 and at least screening, or defaults would fall below 0")

    def at(self, adoption: Float) -> dict[str, Float]:
        """Return the vector of benefits.

        Parameters
        ----------
        adoption : float64[n], 1
            In [0, 1].

        Returns
        -------
        dict of str to float64[n]
            ``coverage`` (1), ``sme_credit`` (currency), ``cost_of_service`` and ``lending_rate`` (1 a year); of the
            last two less is better.
        """
        a = np.asarray(adoption, dtype=np.float64)
        coverage = self.coverage0 + (self.coverage1 - self.coverage0) * (1.0 - _exp(-self.saturation * a))
        cost = self.cost0 * (1.0 - self.saving * a) + self.technology_cost * a
        expected = self.default_probability * (1.0 - self.screening * a / self.spread) * self.loss_given_default
        rate = self.funding + expected + cost + self.margin
        return {
            "coverage": coverage,
            "sme_credit": coverage * self.demand,
            "cost_of_service": cost,
            "lending_rate": rate,
        }


def quarters_of(first: str, quarters: int) -> tuple[str, ...]:
    """Return the names of quarters.

    Parameters
    ----------
    first : str
        Such as ``"2022Q1"``.
    quarters : int
        How many.

    Returns
    -------
    tuple of str
        Ascending.

    Raises
    ------
    UsageError
        If `first` is no quarter.

    Examples
    --------
    >>> quarters_of("2022Q4", 2)
    ('2022Q4', '2023Q1')
    """
    year, mark, quarter = first.partition("Q")
    if mark != "Q" or not (len(year) == 4 and year.isdigit()) or quarter not in ("1", "2", "3", "4"):
        raise UsageError(f"first: got {first!r}, allowed: a year and a quarter such as 2022Q1")
    start = 4 * int(year) + int(quarter) - 1
    return tuple(f"{k // 4}Q{k % 4 + 1}" for k in range(start, start + quarters))


def turned(
    adoption: Float, dials: Mapping[str, tuple[float, float]], names: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    r"""Return the policies that adoption stands for: each dial turned from its value at 0 to that at full adoption.

    .. math:: x_k(a) = x_k(0) + a \, [x_k(1) - x_k(0)]

    Parameters
    ----------
    adoption : float64[n], 1
        In [0, 1].
    dials : mapping of str to (float, float)
        Dotted key of a scenario -> value at adoption 0 and at adoption 1.
    names : tuple of str
        One a value of `adoption`.

    Returns
    -------
    dict of str to dict of str to float
        For `sim.frontier` or `sim.sweep`.

    Raises
    ------
    UsageError
        If there is not one name for each value, or no dial.

    Examples
    --------
    >>> turned(np.array([0.5]), {"shocks.0.size": (0.1, 0.3)}, ("half",))
    {'half': {'shocks.0.size': 0.2}}
    """
    if len(names) != len(adoption) or not dials:
        raise UsageError(f"turned needs a dial and one name for each of {len(adoption)} values, got {len(names)} names")
    return {
        # ten digits are enough for a person, and make 0.30000000000000004 what was meant
        name: {key: float(f"{low + a * (high - low):.10g}") for key, (low, high) in dials.items()}
        for name, a in zip(names, np.asarray(adoption).tolist(), strict=True)
    }


def _exp(values: Float) -> Float:
    """The exponential, the same bits on every machine."""
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    out = np.empty_like(flat)
    exp_of(flat, out)
    return out.reshape(np.shape(values))
