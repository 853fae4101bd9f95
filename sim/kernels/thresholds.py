"""Who crosses a threshold in a synchronous round: activation by neighbours."""

from __future__ import annotations

from sim.arrays import Float, Int
from sim.kernels.jit import kernel


@kernel
def activate(
    pressure: Float,
    strength: Float,
    threshold: Float,
    strict: bool,
    turn: int,
    active_out: Float,
    wave_out: Int,
) -> None:
    r"""Activate whom enough neighbours reach: :math:`p_{ik} / s_i \ge \theta_{ik}`, strictly above with `strict`.

    Parameters
    ----------
    pressure : float64[n_agents, n_lanes], unit of the layer
        Weight of each agent's active neighbours.
    strength : float64[n_agents]
        What the weight is divided by; 0 for an agent that nobody influences, which is then never activated.
    threshold : float64[n_agents, n_lanes], 1
        Share at which an agent follows. A share of whole-number weights is one rounded division, so that 7 of 100
        meets a threshold written 0.07.
    strict : bool
        Whether a share equal to the threshold is not enough.
    turn : int
        Wave that is entered for the newly active.
    active_out : float64[n_agents, n_lanes]
        1 where active, in and out; nobody is ever deactivated.
    wave_out : int64[n_agents, n_lanes]
        Wave of activation, in and out.
    """
    for i in range(pressure.shape[0]):
        if strength[i] > 0.0:
            for lane in range(pressure.shape[1]):
                share = pressure[i, lane] / strength[i]
                crossed = share > threshold[i, lane] or (share == threshold[i, lane] and not strict)
                if crossed and active_out[i, lane] == 0.0:
                    active_out[i, lane] = 1.0
                    wave_out[i, lane] = turn
