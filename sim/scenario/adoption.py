"""How technology is taken up, and what that brings."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from sim.arrays import Float
from sim.errors import UsageError
from sim.kernels.special import exp_of
from sim.scenario.sections import Section

QUARTER = 0.25
"""Years."""


class Adoption(Section):
    r"""How a technology is taken up.

    .. math::
        a_{t+1} = a_t + \nu \, (\bar a_t - a_t) \, \Delta t, \qquad
        \nu = \nu_0 \, e^{-k_u \sigma} \, (1 + k_s S), \qquad \bar a_t = a_0 + o_t (\bar a - a_0)

    with :math:`o_t` the share of the market that is open to it, 1 without a sandbox.

    References
    ----------
    Cornelli, Doerr, Gambacorta and Merrouche (2020), BIS Working Paper 901, for the sandbox.

    Examples
    --------
    >>> Adoption().path(16).round(2)[[0, -1]].tolist()
    [0.35, 0.75]
    """

    start: float = Field(default=0.35, ge=0, le=1)
    """Adoption in the first quarter, 1."""

    limit: float = Field(default=0.9, ge=0, le=1)
    """What it tends to, 1."""

    speed: float = Field(default=0.332, ge=0)
    """nu_0; the default takes adoption from 0.35 to 0.75 in 16 quarters. Assumed, per year."""

    uncertainty: float = Field(default=0.0, ge=0)
    """Regulatory uncertainty sigma; 0: none beyond what is in the speed, 1."""

    caution: float = Field(default=1.0, ge=0)
    """k_u, how much uncertainty slows adoption. Assumed, 1."""

    sandbox: float = Field(default=0.0, ge=0, le=1)
    """Share S of firms in a sandbox, 1."""

    sandbox_gain: float = Field(default=0.15, ge=0)
    """k_s, how much faster they are. Assumed; Cornelli et al. find 15 % more capital raised, 1."""

    @property
    def rate(self) -> float:
        """Speed with uncertainty and sandbox, 1 / year."""
        slowed = _exp(np.array([-self.caution * self.uncertainty]))[0]
        return float(self.speed * slowed * (1.0 + self.sandbox_gain * self.sandbox))

    def path(self, quarters: int, open_share: Float | None = None) -> Float:
        """Return adoption quarter by quarter.

        Parameters
        ----------
        quarters : int
            How many, at least 1.
        open_share : float64[quarters], optional
            Share of the market that is open to it during each quarter, 1; by default all of it.

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
            limit = self.limit
            if open_share is not None and open_share[t - 1] < 1.0:
                limit = self.start + float(open_share[t - 1]) * (self.limit - self.start)
            found[t] = found[t - 1] + step * (limit - found[t - 1])
        return found


class Benefits(Section):
    r"""What adoption brings, as a vector that is never added up.

    .. math::
        cov = c_0 + (c_1 - c_0) (1 - e^{-\eta a}), \quad N = cov \cdot demand, \quad
        cost = k_0 (1 - \chi a) + it \cdot a, \quad
        rate = funding + PD \, (1 - \gamma \, a / s) \, LGD + cost + margin

    References
    ----------
    Pierri and Timmer (2021) for screening: one standard deviation more technology, 10 % fewer bad loans in the crisis.
    """

    coverage0: float = Field(default=0.3, ge=0, le=1)
    """Share of underserved borrowers with credit without technology. Assumed, 1."""

    coverage1: float = Field(default=0.8, ge=0, le=1)
    """The same at most. Assumed, 1."""

    saturation: float = Field(default=1.5, ge=0)
    """eta, how soon coverage approaches that. Assumed, 1."""

    demand: float = Field(default=1.0, ge=0)
    """Credit that underserved borrowers would take, currency."""

    cost0: float = Field(default=0.016, ge=0)
    """k_0, cost of a unit of credit without technology. Assumed, per year."""

    saving: float = Field(default=0.5, ge=0, le=1)
    """chi, the share of that cost that full adoption saves. Assumed, 1."""

    technology_cost: float = Field(default=0.002, ge=0)
    """it, what technology itself costs a unit of credit at full adoption. Assumed, per year."""

    funding: float = Field(default=0.022, ge=0)
    """Cost of funds. Assumed, per year."""

    margin: float = Field(default=0.008, ge=0)
    """Margin of the lender. Assumed, per year."""

    default_probability: float = Field(default=0.032, ge=0, le=1)
    """PD of small firms, per year."""

    loss_given_default: float = Field(default=0.45, ge=0, le=1)
    """LGD of small firms, 1."""

    screening: float = Field(default=0.1, ge=0, le=1)
    """gamma, the part of defaults avoided for one standard deviation of adoption, 1."""

    spread: float = Field(default=0.25, gt=0)
    """s, that standard deviation. Assumed, 1."""

    @model_validator(mode="after")
    def _possible(self) -> Benefits:
        if self.screening > self.spread:
            text = f"spread = {self.spread:g} must be at least screening = {self.screening:g}"
            raise ValueError(f"{text}, or defaults would fall below 0")
        return self

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


def _exp(values: Float) -> Float:
    """The exponential, the same bits on every machine."""
    flat = np.ascontiguousarray(values, dtype=np.float64).reshape(-1)
    out = np.empty_like(flat)
    exp_of(flat, out)
    return out.reshape(np.shape(values))
