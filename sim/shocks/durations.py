"""How long something lasts: a number of days, or a distribution."""

from __future__ import annotations

from pydantic import Field, model_validator

from sim.arrays import Float
from sim.shocks.sizes import Drawn, Part, lognormal

LONGEST = 100_000.0
"""Days that a number or a median may be."""


class UniformDays(Part):
    """Uniform between two durations."""

    low: float = Field(ge=0, le=LONGEST)
    """Shortest, days."""

    high: float = Field(ge=0, le=LONGEST)
    """Longest, days."""

    @model_validator(mode="after")
    def _ordered(self) -> UniformDays:
        if not self.low <= self.high:
            raise ValueError(f"low = {self.low} must not be above high = {self.high}")
        return self

    def quantile(self, u: Float) -> Float:
        """Return durations at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], days
            Same shape.
        """
        return self.low + (self.high - self.low) * u


class LognormalDays(Part):
    """Lognormal duration: outages have a long tail."""

    median: float = Field(gt=0, le=LONGEST)
    """Median, days."""

    sigma: float = Field(ge=0, le=5)
    """Standard deviation of the logarithm, 1."""

    def quantile(self, u: Float) -> Float:
        """Return durations at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], days
            Same shape.
        """
        return lognormal(self.median, self.sigma, u)


class Duration(Drawn):
    """A fixed number of days or exactly one distribution; a bare number is a fixed one."""

    fixed: float | None = Field(default=None, ge=0, le=LONGEST)
    """The same in every draw, days."""

    uniform: UniformDays | None = None
    """Uniform between ``low`` and ``high``."""

    lognormal: LognormalDays | None = None
    """Lognormal with ``median`` and ``sigma``."""
