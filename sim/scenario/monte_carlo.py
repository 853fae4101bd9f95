"""How many draws a run has: a number, or as many as a mean takes; from which seed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from sim.scenario.sections import Section


class Until(Section):
    """When a run has enough draws: the interval of a mean is narrow enough. Looked at after every 1,000 draws."""

    metric: str
    """Whose mean after the last step; one of the scenario's metrics."""

    ci: float = Field(gt=0)
    """Half-width of the interval at which the run ends: a share of the mean, or in the unit of the metric."""

    scale: Literal["relative", "absolute"] = "relative"
    """Whether `ci` is a share of the mean or has the metric's unit."""

    level: float = Field(default=0.95, ge=0.5, le=0.9999)
    """Confidence of the interval, 1."""

    @model_validator(mode="after")
    def _share(self) -> Until:
        if self.scale == "relative" and self.ci >= 1.0:
            hint = f"is it a percentage ({self.ci / 100:g})? " if self.ci <= 100.0 else ""
            raise ValueError(
                f"ci = {self.ci:g} is a share of the mean and must be below 1; {hint}scale: absolute takes it"
            )
        return self


class MonteCarlo(Section):
    """How many draws, from which seed."""

    draws: int = Field(default=1000, ge=1, le=10**12)
    """Number of draws."""

    seed: int | None = Field(default=None, ge=0, le=2**128 - 1)
    """Seed of all random numbers; drawn and recorded when left out."""

    networks: int = Field(default=1, ge=1, le=10_000)
    """Networks that the draws are spread over: draw k plays on network k modulo this. More than 1 takes a random
    generator of a layer."""

    sampler: Literal["philox", "antithetic", "sobol"] = "philox"
    """How draws belong together: independent, in mirrored pairs, or spread evenly (scrambled Sobol)."""

    until: Until | None = None
    """Ends the run before its last draw, once a mean is known well enough; `draws` is the most then."""

    @model_validator(mode="after")
    def _known_error(self) -> MonteCarlo:
        if self.until is not None and self.sampler == "sobol":
            raise ValueError("until needs the error of a mean, which one run of sampler sobol does not tell")
        if self.until is not None and self.networks > 1:
            raise ValueError("until needs draws that are independent; those on one of several networks are alike")
        return self
