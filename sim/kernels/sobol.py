"""Scrambled Sobol numbers as a function of their index: any draw, in any order, without the ones before it.

References
----------
Sobol' (1967), USSR Comput. Math. Math. Phys. 7(4), 86-112; Owen (1995), "Randomly permuted (t, m, s)-nets and (t, s)-
sequences", LNS 106, 299-317; Burley (2020), "Practical hash-based Owen scrambling", JCGT 10(4), section 4 (shuffled
indices).
"""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int
from sim.kernels.jit import element, kernel
from sim.kernels.philox import Words, philox4x32

BITS = 52
"""Of a number."""

INDEX_BITS = 40
"""Of a draw."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_NONE = np.uint32(0)
_SPACING = 2.0**-BITS
_LEVELS = 6
_TREE = 36
"""Leading bits of a number that are scrambled one by one; two draws differ in them or there are more than 2^36."""


@element
def _coins(key: np.uint64, before: np.uint64) -> np.uint64:
    """Return 64 random bits that belong to the bits already seen."""
    c0, c1, k0, k1 = (
        np.uint32(before & _LOW),
        np.uint32(before >> _HALF),
        np.uint32(key & _LOW),
        np.uint32(key >> _HALF),
    )
    w0, w1, _, _ = philox4x32(c0, c1, _NONE, _NONE, k0, k1)
    return np.uint64(w0) | (np.uint64(w1) << _HALF)


@element
def _scrambled(key: np.uint64, word: np.uint64, bits: int, deep: int) -> np.uint64:
    """Flip each of the first `deep` bits by a coin that belongs to the bits before it, and the rest at random.

    The coins of six levels, 1 + 2 + ... + 32 of them, come together, addressed by the bits before those levels.
    """
    out = np.uint64(0)
    for done in range(0, deep, _LEVELS):
        # the leading one tells the levels apart
        coins = _coins(key, (word >> np.uint64(bits - done)) | (_ONE << np.uint64(done)))
        node = _ONE
        for level in range(done, min(done + _LEVELS, deep)):
            bit = (word >> np.uint64(bits - level - 1)) & _ONE
            out = (out << _ONE) | (bit ^ ((coins >> node) & _ONE))
            node = (node << _ONE) | bit
    if deep < bits:
        rest = np.uint64(bits - deep)
        coins = _coins(key, (word >> rest) | (_ONE << np.uint64(deep)))
        out = (out << rest) | ((word ^ coins) & ((_ONE << rest) - _ONE))
    return out


@kernel
def shuffled(key: np.uint64, draws: Int, out: Words) -> None:
    """Permute draws so that each aligned block of 2^m of them stays an aligned block.

    Parameters
    ----------
    key : uint64
        Names the permutation.
    draws : int64[n_lanes]
        From 0 to 2^40 - 1.
    out : uint64[n_lanes]
        Overwritten with numbers of the same range.
    """
    for lane in range(draws.size):
        out[lane] = _scrambled(key, np.uint64(draws[lane]), INDEX_BITS, INDEX_BITS)


@kernel
def sobol(keys: Words, directions: Words, index: Words, out: Float) -> None:
    r"""Write one scrambled Sobol number per row and lane.

    .. math:: x = \bigoplus_k i_k v_k, \qquad u = (\mathrm{scrambled}(x) + 1/2) \, 2^{-52}

    Parameters
    ----------
    keys : uint64[n_rows]
        Names the scrambling of each row.
    directions : uint64[n_rows, 40]
        Direction numbers of each row's dimension, 52 bits.
    index : uint64[n_lanes]
        Point of the sequence that each lane takes, below 2^40.
    out : float64[n_rows, n_lanes], 1
        Overwritten with numbers in the open interval (0, 1).
    """
    for row in range(keys.size):
        for lane in range(index.size):
            left, x, k = index[lane], np.uint64(0), 0
            while left:
                if left & _ONE:
                    x ^= directions[row, k]
                left >>= _ONE
                k += 1
            out[row, lane] = (float(np.int64(_scrambled(keys[row], x, BITS, _TREE))) + 0.5) * _SPACING
