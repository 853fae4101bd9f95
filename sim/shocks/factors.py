"""Common factors of borrowers' defaults, and the probability of default given them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.kernels.special import normal_cdf_of, normal_quantile, normal_quantile_of
from sim.shocks.sizes import Drawn, Part
from sim.streams import Draws


class Normal(Part):
    """Normal law, by default with mean 0 and standard deviation 1."""

    mean: float = Field(default=0.0, ge=-10, le=10)
    """Mean, standard deviations of the factor."""

    sd: float = Field(default=1.0, ge=0, le=10)
    """Standard deviation, those of the factor."""

    def quantile(self, u: Float) -> Float:
        """Return factors at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], 1
            Same shape.
        """
        out = np.empty(u.size)
        normal_quantile_of(np.ascontiguousarray(u).ravel(), out)
        return self.mean + self.sd * out.reshape(u.shape)


class Student(Part):
    r"""Student t law, scaled to standard deviation 1: :math:`T_\nu \sqrt{(\nu - 2) / \nu}`."""

    df: float = Field(default=4.0, gt=2, le=1000)
    """Degrees of freedom, 1."""

    def quantile(self, u: Float) -> Float:
        """Return factors at uniforms in (0, 1).

        Parameters
        ----------
        u : float64[...]
            In (0, 1).

        Returns
        -------
        float64[...], 1
            Same shape.
        """
        from scipy.special import stdtrit

        return np.asarray(stdtrit(self.df, u) * np.sqrt((self.df - 2.0) / self.df))


class Factor(Drawn):
    """A common factor, adverse when positive: a number of standard deviations, a quantile, or a law to draw from."""

    fixed: float | None = Field(default=None, ge=-10, le=10)
    """The same in every draw, standard deviations; a bare number means this."""

    quantile: float | None = Field(default=None, gt=0, lt=1)
    """The same in every draw: this quantile of the standard normal law, such as 0.99, 1."""

    normal: Normal | None = None
    """Drawn from a normal law, ``{}`` for the standard one."""

    student: Student | None = None
    """Drawn from a Student t law with ``df`` degrees of freedom and standard deviation 1."""

    def draw(self, draws: Draws, stream: str, agents: Sequence[str], step: int) -> Float:
        """Draw factors, addressed by agent.

        Parameters
        ----------
        draws : Draws
            Random numbers of the block.
        stream : str
            Stream name.
        agents : sequence of str
            Whose factor it is.
        step : int
            When.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            Standard deviations.
        """
        if self.quantile is not None:
            return np.full((len(agents), draws.draws.size), float(normal_quantile(self.quantile)))
        return super().draw(draws, stream, agents, step)


def default_given(probability: Float, factors: Sequence[tuple[float, Float]]) -> Float:
    r"""Return the probability of default given common factors; those not given are averaged over.

    .. math:: PD(f) = \Phi\Big( \frac{\Phi^{-1}(PD) + \sum_k \sqrt{\rho_k} f_k}{\sqrt{1 - \sum_k \rho_k}} \Big)

    Parameters
    ----------
    probability : float64[n, n_lanes], 1
        Over a year, whatever the factors.
    factors : sequence of (float, float64[n, n_lanes])
        Correlation :math:`\rho_k` that each brings, and its value, adverse when positive.

    Returns
    -------
    float64[n, n_lanes], 1
        Over a year, given the factors.

    References
    ----------
    Vasicek (2002), "The distribution of loan portfolio value", Risk 15(12), eq. 3.
    """
    if not factors:
        return probability
    barrier = np.empty(probability.size)
    normal_quantile_of(np.ascontiguousarray(probability).ravel(), barrier)
    top, rest = barrier.reshape(probability.shape), 1.0
    for correlation, value in factors:
        top = top + np.sqrt(correlation) * value
        rest -= correlation
    out = np.empty(probability.size)
    normal_cdf_of(np.ascontiguousarray(top / np.sqrt(rest)).ravel(), out)
    return out.reshape(probability.shape)
