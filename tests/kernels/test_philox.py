"""Philox4x32-10 against its authors' known answers and against whole-number arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels.philox import philox4x32, uniforms, uniforms_of_one

# Counter, key, answer: the vectors that the authors of the Random123 library publish with it.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def reference(counter: int, key: int) -> int:
    """The definition in Python's own integers, 128 bits in and out."""
    c = [counter >> shift & 0xFFFFFFFF for shift in (0, 32, 64, 96)]
    k = [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return sum(word << shift for word, shift in zip(c, (0, 32, 64, 96), strict=True))


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: str, key: str, answer: str) -> None:
    c0, c1, c2, c3 = (np.uint32(word) for word in words(counter))
    k0, k1 = (np.uint32(word) for word in words(key))
    out = philox4x32(c0, c1, c2, c3, k0, k1)
    assert [int(word) for word in out] == words(answer)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_reference_of_these_tests_knows_them_too(counter: str, key: str, answer: str) -> None:
    def joined(text: str) -> int:
        return sum(word << 32 * place for place, word in enumerate(words(text)))

    assert reference(joined(counter), joined(key)) == joined(answer)


def test_uniforms_are_the_words_at_their_address() -> None:
    key, step = 0xFEDCBA9876543210, 2**24 - 1
    agents = [0, 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF]
    draws = [0, 1, 2**32 - 1, 2**32, 2**40 - 1]
    a, b = np.empty((5, 5)), np.empty((5, 5))
    uniforms(np.uint64(key), np.array(agents, np.uint64), np.array(draws), step, a, b)
    for i, agent in enumerate(agents):
        for lane, draw in enumerate(draws):
            bits = reference(agent | draw << 64 | step << 104, key)
            low, high = bits & (2**64 - 1), bits >> 64
            assert a[i, lane] == ((low >> 12) + 0.5) / 2**52
            assert b[i, lane] == ((high >> 12) + 0.5) / 2**52


@pytest.mark.parametrize("n_lanes", [0, 1, 2, 3, 7, 8, 31, 64])
def test_bits_do_not_depend_on_the_block(n_lanes: int) -> None:
    agents, draws = np.arange(5, dtype=np.uint64) << np.uint64(40), np.arange(100)
    whole, part = np.empty((2, 5, 100)), np.empty((2, 5, n_lanes))
    uniforms(np.uint64(9), agents, draws, 3, whole[0], whole[1])
    uniforms(np.uint64(9), agents, draws[17 : 17 + n_lanes], 3, part[0], part[1])
    assert (part == whole[:, :, 17 : 17 + n_lanes]).all()


@pytest.mark.parametrize("n", [1, 63, 64, 65, 200])
@pytest.mark.parametrize(("draw", "step"), [(0, 0), (7, 3), (2**40 - 1, 2**24 - 1)])
def test_one_draw_of_many_agents_has_the_same_bits(n: int, draw: int, step: int) -> None:
    agents = np.random.default_rng(n).integers(0, 2**64, n, dtype=np.uint64)
    key = np.uint64(0x9E3779B97F4A7C15)
    many, one = [np.empty((n, 2)) for _ in range(2)], [np.empty((n, 1)) for _ in range(2)]
    uniforms(key, agents, np.array([5, draw]), step, *many)
    uniforms_of_one(key, agents, draw, step, *one)
    for several, single in zip(many, one, strict=True):
        assert (several[:, 1] == single[:, 0]).all()
