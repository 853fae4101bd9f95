"""How large a shock is: a number, or a distribution read by its quantile function at an addressed uniform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.arrays import Float, added
from sim.kernels.special import exp_of, normal_quantile_of
from sim.streams import Draws


class Part(BaseModel):
    """A frozen, closed record inside a shock."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Uniform(Part):
    """Uniform between two sizes."""

    low: float = Field(ge=0, le=1)
    """Smallest size, 1."""

    high: float = Field(ge=0, le=1)
    """Largest size, 1."""

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if not self.low <= self.high:
            raise ValueError(f"low = {self.low} must not be above high = {self.high}")
        return self

    def quantile(self, u: Float) -> Float:
        """Return sizes at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], 1
            Same shape.
        """
        return self.low + (self.high - self.low) * u


class Beta(Part):
    """Beta distribution on [0, scale]."""

    a: float = Field(gt=0)
    """First shape parameter, 1."""

    b: float = Field(gt=0)
    """Second shape parameter, 1."""

    scale: float = Field(default=1.0, gt=0, le=1)
    """Largest size, 1."""

    def quantile(self, u: Float) -> Float:
        """Return sizes at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], 1
            Same shape.
        """
        from scipy.special import betaincinv

        return np.asarray(self.scale * betaincinv(self.a, self.b, u))


class Lognormal(Part):
    """Lognormal size, capped at 1: nothing loses more than its value."""

    median: float = Field(gt=0, le=1)
    """Median size, 1."""

    sigma: float = Field(ge=0, le=10)
    """Standard deviation of the logarithm, 1."""

    def quantile(self, u: Float) -> Float:
        """Return sizes at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], 1
            Same shape, at most 1.
        """
        return np.minimum(1.0, lognormal(self.median, self.sigma, u))


def lognormal(median: float, sigma: float, u: Float) -> Float:
    r"""Return the quantile of a lognormal law, :math:`m e^{\sigma \Phi^{-1}(u)}`.

    Parameters
    ----------
    median : float, any unit
        m.
    sigma : float
        Standard deviation of the logarithm, 1.
    u : float64[...]
        In (0, 1).

    Returns
    -------
    float64[...], unit of the median
        Same shape.
    """
    out = np.empty(u.size)
    normal_quantile_of(np.ascontiguousarray(u).ravel(), out)
    exp_of(sigma * out, out)
    return np.asarray((median * out).reshape(u.shape))


class Drawn(Part):
    """A fixed number or exactly one law; a bare number is a fixed one."""

    @model_validator(mode="before")
    @classmethod
    def _bare_number(cls, data: Any) -> Any:
        if isinstance(data, int | float) and not isinstance(data, bool):
            return {"fixed": data}
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len(self._given) != 1:
            laws = ", ".join(name for name in type(self).model_fields if name != "fixed")
            raise ValueError(f"give a number or exactly one of {laws}; got {', '.join(self._given) or 'none'}")
        return self

    @property
    def _given(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) is not None]

    def draw(self, draws: Draws, stream: str, agents: Sequence[str], step: int) -> Float:
        """Draw numbers, addressed by agent.

        Parameters
        ----------
        draws : Draws
            Random numbers of the block.
        stream : str
            Stream name.
        agents : sequence of str
            Whose luck it is.
        step : int
            When.

        Returns
        -------
        float64[n_agents, n_lanes], unit of the law
            Within its range.
        """
        law = getattr(self, self._given[0])
        if isinstance(law, float):
            return np.full((len(agents), draws.draws.size), law)
        return np.asarray(law.quantile(draws.uniform(stream, agents, step)))


class Size(Drawn):
    """A fixed size or exactly one distribution; a bare number is a fixed size."""

    fixed: float | None = Field(default=None, ge=0, le=1)
    """The same in every draw, 1."""

    uniform: Uniform | None = None
    """Uniform between ``low`` and ``high``."""

    beta: Beta | None = None
    """Beta with shapes ``a`` and ``b``."""

    lognormal: Lognormal | None = None
    """Lognormal with ``median`` and ``sigma``, capped at 1."""


class Joint(Part):
    """Joint law of log-price falls over asset classes: normal, or Student t with few degrees of freedom."""

    mean: dict[str, float]
    """Expected fall of the log price by asset, 1."""

    std: dict[str, float]
    """Standard deviation (for t: scale) of the fall of the log price by asset, 1."""

    correlation: list[list[float]]
    """Correlation matrix, rows and columns in the order of ``mean``."""

    df: float | None = Field(default=None, gt=2, le=1000)
    """Degrees of freedom of the t distribution; left out: normal."""

    @model_validator(mode="after")
    def _consistent(self) -> Joint:
        names = list(self.mean)
        if set(self.std) != set(names):
            raise ValueError(f"std must name the same assets as mean ({', '.join(names)})")
        if any(not value >= 0.0 for value in self.std.values()):
            raise ValueError("every std must be at least 0")
        matrix = np.array(self.correlation, dtype=np.float64) if _square(self.correlation, len(names)) else None
        if matrix is None:
            raise ValueError(f"correlation must be {len(names)} x {len(names)}, as many rows as mean has assets")
        if not (np.array_equal(matrix, matrix.T) and (np.diag(matrix) == 1.0).all()):
            raise ValueError("correlation must be symmetric with ones on the diagonal")
        cholesky(matrix)
        return self

    def draw(self, draws: Draws, stream: str, step: int) -> dict[str, Float]:
        """Draw falls of the log price.

        Parameters
        ----------
        draws : Draws
            Random numbers of the block.
        stream : str
            Stream name.
        step : int
            When.

        Returns
        -------
        dict of str to float64[n_lanes], 1
            By asset; negative where the price rises.
        """
        names = list(self.mean)
        normal = draws.normal(stream, names, step)
        factor = cholesky(np.array(self.correlation, dtype=np.float64))
        mixing = np.ones(normal.shape[1])
        if self.df is not None:
            from scipy.special import gammaincinv

            uniform = draws.uniform(stream + "/mixing", ["chi-square"], step)[0]
            mixing = np.sqrt(self.df / (2.0 * gammaincinv(self.df / 2.0, uniform)))
        falls = {}
        for row, name in enumerate(names):
            common = np.zeros(normal.shape[1])
            for column in range(row + 1):
                common += factor[row, column] * normal[column]
            falls[name] = self.mean[name] + self.std[name] * mixing * common
        return falls


def cholesky(matrix: Float) -> Float:
    """Return the lower triangular factor of a correlation matrix, without BLAS so that its bits are everywhere alike.

    Parameters
    ----------
    matrix : float64[n, n]
        Symmetric.

    Returns
    -------
    float64[n, n]
        Lower triangular.

    Raises
    ------
    ValueError
        If the matrix is not positive semi-definite.
    """
    n = matrix.shape[0]
    factor = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            left = matrix[i, j] - added(factor[i, k] * factor[j, k] for k in range(j))
            if i == j:
                if left < -1e-12:
                    raise ValueError(
                        "correlation is not positive semi-definite: these correlations cannot hold together"
                    )
                factor[i, i] = np.sqrt(max(left, 0.0))
            elif factor[j, j] > 0.0:
                factor[i, j] = left / factor[j, j]
            elif abs(left) > 1e-9:
                raise ValueError("correlation is not positive semi-definite: these correlations cannot hold together")
    return factor


def _square(rows: list[list[float]], n: int) -> bool:
    return len(rows) == n and all(len(row) == n for row in rows)
