"""Rumours: how far they have travelled today, what bias they give the news, when they are refuted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float, empty
from sim.channels.base import Step
from sim.channels.beliefs import learning_of
from sim.channels.cases import DONE
from sim.kernels.rumour import tell

if TYPE_CHECKING:
    from sim.channels.reputation import Reputation

STRIDES = 32.0
"""Strides of the integration in the time in which a rumour doubles, or so; the error is then below 1e-10."""


def tell_rumours(channel: Reputation, step: Step) -> None:
    r"""Write the bias of today's news, :math:`b_i = -b_{max} \chi \bar u`, the mean of u over the step.

    A rumour is told until it is refuted, so that a refutation at once leaves no bias, and half a step is half of it.

    Parameters
    ----------
    channel : Reputation
        Its parameters.
    step : Step
        Where we are.
    """
    state, on = step.state, step.on > 0.0
    if not (state.telling.any() or state.rumour.any() or state.refuted.any()):
        return
    active = (state.telling > 0.0) & on
    # shared information brings the refutation nearer: the clock runs faster
    haste = 1.0 - channel.sharing_saves * learning_of(step).information_sharing
    left = state.rumour_for * haste
    live = np.where(active, np.minimum(step.days, left), 0.0)
    pressed = active & (state.campaign_for > 0.0)
    told, ignorant, telling = empty(*live.shape), state.ignorant.copy(), state.telling.copy()
    stride = 1.0 / (STRIDES * max(channel.telling_rate, channel.stifling_rate))
    alone = np.where(pressed, 0.0, live)
    tell(ignorant, telling, alone, channel.telling_rate, channel.stifling_rate, stride, told)
    told = np.where(pressed, np.minimum(live, state.campaign_for), told)
    chi = np.where(state.rumour_reach > 0.0, state.rumour_reach, platform_reach(step))
    state.rumour[...] = np.where(on, -state.rumour_size * chi * told / step.days, state.rumour)
    heard = chi * np.where(pressed, 1.0, 1.0 - ignorant) * (live > 0.0)
    np.maximum(state.heard, heard, out=state.heard)
    state.ignorant[...] = np.where(active, ignorant, state.ignorant)
    ended = pressed & (state.campaign_for - step.days <= DONE)
    over = active & (left - step.days <= DONE)
    state.campaign_for[...] = np.where(pressed, np.maximum(0.0, state.campaign_for - step.days), state.campaign_for)
    with np.errstate(divide="ignore"):
        later = state.rumour_for - (step.days / haste if haste > 0.0 else np.inf)
    state.rumour_for[...] = np.where(active, np.maximum(0.0, later), state.rumour_for)
    state.telling[...] = np.where(ended | over, 0.0, np.where(active, telling, state.telling))
    state.refuted[...] = np.where(on, over, state.refuted)


def platform_reach(step: Step) -> Float:
    r"""Return the share of the public that platforms reach: :math:`1 - \prod_p (1 - \chi_p n_p)`.

    Parameters
    ----------
    step : Step
        Where we are.

    Returns
    -------
    float64[n_lanes], 1
        With the users :math:`n_p` that each platform that works has kept, as if users chose independently.
    """
    state, missed = step.state, np.ones(step.state.n_lanes)
    reached = step.system.traits.get("reach", np.zeros(state.n_agents))
    for row in range(state.rows("platforms").start, state.rows("platforms").stop):
        missed *= 1.0 - reached[row] * state.users[row] * state.alive[row]
    return 1.0 - missed
