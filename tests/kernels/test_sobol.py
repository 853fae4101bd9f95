"""Scrambled Sobol numbers against a slow version bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.philox import philox4x32
from sim.kernels.sobol import BITS, INDEX_BITS, shuffled, sobol


def coins(key: int, before: int) -> int:
    """Return the 64 coins of six levels."""
    words = [np.uint32(value & 0xFFFFFFFF) for value in (before, before >> 32, 0, 0, key, key >> 32)]
    out = philox4x32(*words)
    return int(out[0]) | int(out[1]) << 32


def scrambled(key: int, word: int, bits: int, deep: int) -> int:
    """Scramble digit by digit, as text of zeros and ones."""
    digits = f"{word:0{bits}b}"
    out = ""
    for level in range(deep):
        done = level - level % 6
        known = coins(key, int("1" + digits[:done], 2))
        node = int("1" + digits[done:level], 2)
        out += str(int(digits[level]) ^ (known >> node & 1))
    if deep < bits:
        rest = bits - deep
        mask = coins(key, int("1" + digits[:deep], 2)) & ((1 << rest) - 1)
        out += f"{int(digits[deep:], 2) ^ mask:0{rest}b}"
    return int(out, 2)


KEYS = [0, 1, 2**64 - 1, 0x123456789ABCDEF]


@pytest.mark.parametrize("key", KEYS)
def test_the_order_of_points(key: int) -> None:
    draws = np.array([0, 1, 2, 3, 63, 64, 999, 2**20 + 7, 2**40 - 1], dtype=np.int64)
    out = np.empty(draws.size, np.uint64)
    shuffled(np.uint64(key), draws, out)
    assert [int(value) for value in out] == [scrambled(key, int(k), INDEX_BITS, INDEX_BITS) for k in draws]


@pytest.mark.parametrize("bits", [1, 5, 9])
def test_aligned_blocks_stay_together(bits: int) -> None:
    out = np.empty(1 << bits, np.uint64)
    shuffled(np.uint64(99), np.arange(1 << bits, dtype=np.int64) + (7 << bits), out)
    assert np.unique(out >> np.uint64(bits)).size == 1
    assert np.unique(out).size == 1 << bits


def test_the_numbers() -> None:
    rng = np.random.default_rng(1)
    directions = rng.integers(0, 2**BITS, (3, INDEX_BITS), dtype=np.uint64)
    keys = np.array(KEYS[:3], dtype=np.uint64)
    index = np.array([0, 1, 6, 2**39 + 5, 2**40 - 1], dtype=np.uint64)
    out = np.empty((3, 5))
    sobol(keys, directions, index, out)
    for row in range(3):
        for lane in range(5):
            x = 0
            for bit in range(INDEX_BITS):
                if int(index[lane]) >> bit & 1:
                    x ^= int(directions[row, bit])
            assert out[row, lane] == (scrambled(int(keys[row]), x, BITS, 36) + 0.5) * 2.0**-52
