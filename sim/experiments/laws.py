"""Distributions that a key of a sweep may have, written as in a scenario and read by their quantile functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sim.arrays import Float
from sim.errors import InputError, Problem, UnknownNameError, shown
from sim.scenario.check import told


class Law(BaseModel):
    """A distribution of one number."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    name: ClassVar[str] = ""

    def quantile(self, u: Float) -> Any:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n] or int64[n]
            Unit of the key.
        """
        raise NotImplementedError(f"distribution {self.name!r} has no quantiles")

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            Its name there, and what stands in the place of bounds; the 0.1 and 99.9 % quantiles of a uniform one where
            SALib has none such.
        """
        return "unif", [float(value) for value in self.quantile(np.array([0.001, 0.999]))]

    def written(self) -> dict[str, Any]:
        """Return the distribution as a scenario writes it.

        Returns
        -------
        dict
            Name -> parameters.
        """
        return {self.name: self.model_dump()}


class Uniform(Law):
    """Uniform between two values."""

    name: ClassVar[str] = "uniform"

    low: float
    """Smallest value."""

    high: float
    """Largest value."""

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return self

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        return self.low + (self.high - self.low) * u

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            ``"unif"`` and the bounds.
        """
        return "unif", [self.low, self.high]


class Integers(Law):
    """Whole numbers between two, each as likely."""

    name: ClassVar[str] = "integers"

    low: int
    """Smallest."""

    high: int
    """Largest."""

    @model_validator(mode="after")
    def _ordered(self) -> Integers:
        if not self.low <= self.high:
            raise ValueError(f"low = {self.low} must not be above high = {self.high}")
        return self

    def quantile(self, u: Float) -> Any:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        int64[n]
            Unit of the key.
        """
        return self.low + np.floor(u * (self.high - self.low + 1)).astype(np.int64)


class Loguniform(Law):
    """Uniform in the logarithm."""

    name: ClassVar[str] = "loguniform"

    low: float = Field(gt=0)
    """Smallest value."""

    high: float = Field(gt=0)
    """Largest value."""

    @model_validator(mode="after")
    def _ordered(self) -> Loguniform:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return self

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        low, high = np.log(self.low), np.log(self.high)
        return np.asarray(np.clip(np.exp(low + (high - low) * u), self.low, self.high))

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            ``"logunif"`` and the bounds.
        """
        return "logunif", [self.low, self.high]


class Triangular(Law):
    """Triangular."""

    name: ClassVar[str] = "triangular"

    low: float
    """Smallest value."""

    mode: float
    """Most likely value."""

    high: float
    """Largest value."""

    @model_validator(mode="after")
    def _ordered(self) -> Triangular:
        if not (self.low <= self.mode <= self.high and self.low < self.high):
            raise ValueError(f"low <= mode <= high must hold, got {self.low:g}, {self.mode:g}, {self.high:g}")
        return self

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        width = self.high - self.low
        rising = self.low + np.sqrt(u * width * (self.mode - self.low))
        falling = self.high - np.sqrt((1.0 - u) * width * (self.high - self.mode))
        return np.where(u * width < self.mode - self.low, rising, falling)

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            ``"triang"``, lower bound, upper bound and the place of the mode between them.
        """
        return "triang", [self.low, self.high, (self.mode - self.low) / (self.high - self.low)]


class Normal(Law):
    """Normal."""

    name: ClassVar[str] = "normal"

    mean: float
    """Mean."""

    std: float = Field(gt=0)
    """Standard deviation."""

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        from scipy.special import ndtri

        return np.asarray(self.mean + self.std * ndtri(u))

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            ``"norm"``, mean and standard deviation.
        """
        return "norm", [self.mean, self.std]


class Lognormal(Law):
    """Lognormal; not capped."""

    name: ClassVar[str] = "lognormal"

    median: float = Field(gt=0)
    """Median."""

    sigma: float = Field(gt=0, le=10)
    """Standard deviation of the logarithm, 1."""

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        from scipy.special import ndtri

        return np.asarray(self.median * np.exp(self.sigma * ndtri(u)))

    def salib(self) -> tuple[str, list[float]]:
        """Return the distribution as SALib names it.

        Returns
        -------
        tuple of str and list of float
            ``"lognorm"``, mean and standard deviation of the logarithm.
        """
        return "lognorm", [float(np.log(self.median)), self.sigma]


class Beta(Law):
    """Beta distribution on [0, scale]."""

    name: ClassVar[str] = "beta"

    a: float = Field(gt=0)
    """First shape parameter, 1."""

    b: float = Field(gt=0)
    """Second shape parameter, 1."""

    scale: float = Field(default=1.0, gt=0)
    """Largest value."""

    def quantile(self, u: Float) -> Float:
        """Return values at uniforms.

        Parameters
        ----------
        u : float64[n]
            In (0, 1).

        Returns
        -------
        float64[n]
            Unit of the key.
        """
        from scipy.special import betaincinv

        return np.asarray(self.scale * betaincinv(self.a, self.b, u))


LAWS: dict[str, type[Law]] = {
    law.name: law for law in (Uniform, Integers, Loguniform, Triangular, Normal, Lognormal, Beta)
}


def law(key: str, given: Mapping[str, Any] | Law) -> Law:
    """Return the distribution that a key of a sweep was given.

    Parameters
    ----------
    key : str
        Dotted key, for the message.
    given : mapping or Law
        Such as ``{"uniform": {"low": 0, "high": 1}}``.

    Returns
    -------
    Law
        Checked.

    Raises
    ------
    InputError
        If it names no distribution, or its parameters are wrong.

    Examples
    --------
    >>> law("shocks.0.size", {"uniform": {"low": 0.1, "high": 0.3}}).high
    0.3
    """
    if isinstance(given, Law):
        return given
    if len(given) != 1:
        raise InputError(f"{key}: give exactly one distribution (known: {', '.join(LAWS)}), got {shown(dict(given))}")
    ((name, parameters),) = given.items()
    if name not in LAWS:
        raise UnknownNameError("distribution", str(name), LAWS, f"{key}: ")
    if not isinstance(parameters, Mapping):
        raise InputError([Problem(f"{key}.{name} must be a mapping, got {shown(parameters)}", key=f"{key}.{name}")])
    try:
        return LAWS[name].model_validate(dict(parameters))
    except ValidationError as error:
        raise InputError(told(error, LAWS[name], f"{key}.{name}")) from error
