"""Random numbers of different addresses come from different blocks of the generator."""

from __future__ import annotations

import numpy as np

from sim.streams import Draws

SEEDS = (0, 1, 2, 2**63, 2**128 - 1)
STREAMS = ("shocks.0", "shocks.1", "shock", "size", "")
DRAWS = (*range(32), *range(2**20, 2**20 + 4), *range(2**40 - 4, 2**40))
AGENTS = tuple(f"bank {k}" for k in range(100))
STEPS = (0, 1, 2, 3, 4, 5, 6, 7, 2**20, 2**24 - 1)


def test_a_million_addresses_share_nothing() -> None:
    # the two numbers of an address are 104 bits of one block of 128: equal blocks and keys would give equal pairs
    pairs = []
    for seed in SEEDS:
        draws = Draws(seed, np.array(DRAWS))
        for stream in STREAMS:
            for step in STEPS:
                first, second = draws.pair(stream, AGENTS, step)
                pairs.append(np.stack([first.ravel(), second.ravel()], axis=1))
    found = np.concatenate(pairs)
    assert found.shape[0] == len(SEEDS) * len(STREAMS) * len(STEPS) * len(DRAWS) * len(AGENTS) == 10**6
    words = found.view(np.uint64)
    order = np.lexsort((words[:, 1], words[:, 0]))
    same = (words[order][1:] == words[order][:-1]).all(axis=1)
    assert not same.any()


def test_neighbours_do_not_share() -> None:
    one, other = Draws(7, np.arange(50)), Draws(8, np.arange(50) - 1 + 1)
    first, second = one.uniform("shock", AGENTS), other.uniform("shock", AGENTS)
    assert not np.isin(first[:, 1:], second[:, :-1]).any()
    assert not np.isin(first, second).any()
