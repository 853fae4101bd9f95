"""Philox4x32-10: a random number is a function of its address, so nobody's luck depends on who else draws.

References
----------
Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC'11, section 3.3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, Int
from sim.kernels.jit import element, kernel

Words = npt.NDArray[np.uint64]

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_EIGHT = np.uint64(8)
_TWELVE = np.uint64(12)
_SPACING = 2.0**-52
_ROUNDS = 10
_TOGETHER = 64


@element
def _round(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Do one round on 32-bit words held in 64 bits, where no product overflows."""
    product_0, product_1 = _MULTIPLIER_0 * (c0 & _LOW), _MULTIPLIER_1 * (c2 & _LOW)
    return (product_1 >> _HALF) ^ c1 ^ k0, product_1 & _LOW, (product_0 >> _HALF) ^ c3 ^ k1, product_0 & _LOW


@kernel
def philox4x32(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Turn a counter of 128 bits into 128 random bits under a key of 64 bits.

    Parameters
    ----------
    c0, c1, c2, c3 : uint32
        Counter, lowest word first.
    k0, k1 : uint32
        Key, lowest word first.

    Returns
    -------
    tuple of uint32
        Four random words.
    """
    w0, w1, w2, w3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    key_0, key_1 = np.uint64(k0), np.uint64(k1)
    for _ in range(_ROUNDS):
        w0, w1, w2, w3 = _round(w0, w1, w2, w3, key_0, key_1)
        key_0, key_1 = (key_0 + _WEYL_0) & _LOW, (key_1 + _WEYL_1) & _LOW
    return np.uint32(w0), np.uint32(w1), np.uint32(w2), np.uint32(w3)


@kernel
def _words(
    key: np.uint64, agent: np.uint64, draws: Int, step: int, w0_out: Words, w1_out: Words, w2_out: Words, w3_out: Words
) -> None:
    """Write the four random words of one agent in each lane, each in the low half of 64 bits.

    The lanes go through a round together, because this order runs in vector registers: 3 times as fast as draw by draw.
    """
    k0, k1 = key & _LOW, key >> _HALF
    late = np.uint64(step) << _EIGHT
    for lane in range(draws.size):
        draw = np.uint64(draws[lane])
        w0_out[lane], w1_out[lane] = agent & _LOW, agent >> _HALF
        w2_out[lane], w3_out[lane] = draw & _LOW, (draw >> _HALF) | late
    for _ in range(_ROUNDS):
        for lane in range(draws.size):
            w0_out[lane], w1_out[lane], w2_out[lane], w3_out[lane] = _round(
                w0_out[lane], w1_out[lane], w2_out[lane], w3_out[lane], k0, k1
            )
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW


@element
def _unit(low: np.uint64, high: np.uint64) -> float:
    """Return the midpoint of one of 2^52 equal cells of (0, 1): never 0, never 1, and 1 - u is a midpoint too."""
    return (float(np.int64(((high << _HALF) | low) >> _TWELVE)) + 0.5) * _SPACING


@kernel
def uniforms(key: np.uint64, agents: Words, draws: Int, step: int, out_a: Float, out_b: Float) -> None:
    r"""Draw two independent uniform numbers per agent and lane.

    .. math:: u = (\lfloor w / 2^{12} \rfloor + 1/2) \, 2^{-52}

    with `w` one half of ``Philox(counter = agent | draw << 64 | step << 104)``.

    Parameters
    ----------
    key : uint64
        Names seed and stream.
    agents : uint64[n_agents]
        Names the agents.
    draws : int64[n_lanes]
        Draw that each lane plays, below 2^40.
    step : int
        Below 2^24.
    out_a, out_b : float64[n_agents, n_lanes], 1
        Overwritten with numbers in the open interval (0, 1).
    """
    w0, w1 = np.empty(draws.size, np.uint64), np.empty(draws.size, np.uint64)
    w2, w3 = np.empty(draws.size, np.uint64), np.empty(draws.size, np.uint64)
    for i in range(agents.size):
        _words(key, agents[i], draws, step, w0, w1, w2, w3)
        for lane in range(draws.size):
            out_a[i, lane] = _unit(w0[lane], w1[lane])
            out_b[i, lane] = _unit(w2[lane], w3[lane])


@kernel
def uniforms_of_one(key: np.uint64, agents: Words, draw: int, step: int, out_a: Float, out_b: Float) -> None:
    """Draw the numbers of `uniforms` for a single draw: the same bits, agents side by side instead of lanes.

    Parameters
    ----------
    key : uint64
        Names seed and stream.
    agents : uint64[n_agents]
        Names the agents.
    draw : int
        Below 2^40.
    step : int
        Below 2^24.
    out_a, out_b : float64[n_agents, 1], 1
        Overwritten with numbers in the open interval (0, 1).
    """
    w0, w1 = np.empty(_TOGETHER, np.uint64), np.empty(_TOGETHER, np.uint64)
    w2, w3 = np.empty(_TOGETHER, np.uint64), np.empty(_TOGETHER, np.uint64)
    late = (np.uint64(draw) >> _HALF) | (np.uint64(step) << _EIGHT)
    for start in range(0, agents.size, _TOGETHER):
        n = min(_TOGETHER, agents.size - start)
        for i in range(n):
            w0[i], w1[i] = agents[start + i] & _LOW, agents[start + i] >> _HALF
            w2[i], w3[i] = np.uint64(draw) & _LOW, late
        k0, k1 = key & _LOW, key >> _HALF
        for _ in range(_ROUNDS):
            for i in range(n):
                w0[i], w1[i], w2[i], w3[i] = _round(w0[i], w1[i], w2[i], w3[i], k0, k1)
            k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
        for i in range(n):
            out_a[start + i, 0] = _unit(w0[i], w1[i])
            out_b[start + i, 0] = _unit(w2[i], w3[i])
