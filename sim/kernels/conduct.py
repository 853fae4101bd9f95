"""Compliance: how far each agent is below the standard, how likely it is found out, and what others like it feel."""

from __future__ import annotations

from sim.arrays import Float, Int
from sim.kernels.jit import kernel
from sim.kernels.special import exp


@kernel
def gaps(start: Float, standard: Float, maturity: Float, out: Float) -> None:
    r"""Measure how far below the standard each agent is: :math:`g_{ik} = (g_i(0) + \Delta s_{ik} - \Delta m_{ik})^+`.

    Parameters
    ----------
    start : float64[n], 1
        Gap before any event; negative where there is a margin.
    standard, maturity : float64[n, n_lanes], 1
        Rise since then of the standard, and of what the agent does about it.
    out : float64[n, n_lanes], 1
        Overwritten.
    """
    for i in range(standard.shape[0]):
        for lane in range(standard.shape[1]):
            out[i, lane] = max(0.0, start[i] + standard[i, lane] - maturity[i, lane])


@kernel
def detection_chance(
    gap: Float, start: Float, pressing: Float, base: float, slope: float, years: float, out: Float
) -> None:
    r"""Return the chance of a detection within a step: :math:`1 - e^{-h \tau}`.

    .. math::
        h_{ik} = 1\{g_{ik} > 0\} (d_0 + \sigma_{ik}) + d_1 \big(g_{ik} - g_i(0)^+\big)^+

    An agent at the standard has nothing to be found. In excess of the start: `base` is 0 unless detections that would
    have come anyway are played, and then the gap at the start counts as well.

    Parameters
    ----------
    gap : float64[n, n_lanes], 1
        From `gaps`, what a breach adds included.
    start : float64[n], 1
        What is deducted: the gap at the start, or zero where that counts as well.
    pressing : float64[n, n_lanes], 1 / year
        What scrutiny adds to the hazard.
    base, slope : float, 1 / year
        :math:`d_0` and :math:`d_1`.
    years : float, years
        Length of the step.
    out : float64[n, n_lanes], 1
        Overwritten.
    """
    for i in range(gap.shape[0]):
        usual = max(0.0, start[i])
        for lane in range(gap.shape[1]):
            hazard = slope * max(0.0, gap[i, lane] - usual)
            if gap[i, lane] > 0.0:
                hazard += base + pressing[i, lane]
            out[i, lane] = 1.0 - exp(-hazard * years) if hazard > 0.0 else 0.0


@kernel
def group_totals(groups: Int, values: Float, out: Float) -> None:
    r"""Sum over the members of each group, in row order: :math:`t_{gk} = \sum_{i \in g} x_{ik}`.

    Parameters
    ----------
    groups : int64[n]
        Group of each row; -1 for none.
    values : float64[n, n_lanes], any unit
        What is summed.
    out : float64[n_groups, n_lanes], unit of `values`
        Overwritten.
    """
    for g in range(out.shape[0]):
        for lane in range(out.shape[1]):
            out[g, lane] = 0.0
    for i in range(groups.size):
        if groups[i] >= 0:
            for lane in range(out.shape[1]):
                out[groups[i], lane] += values[i, lane]
