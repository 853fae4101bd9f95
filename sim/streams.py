"""Random numbers addressed by seed, stream name, draw, agent id and step.

A number is a function of its address alone: adding an agent, a shock or a channel leaves the luck of others as it was,
draw k is the same in any block, and two scenarios with one seed share their luck agent by agent.

Two other samplers need fewer draws where the answer is smooth or monotone in the luck. ``antithetic`` mirrors: draw
2k + 1 has 1 - u where draw 2k has u. ``sobol`` spreads: in every aligned block of 2^m draws, the numbers of the agents
of one stream and step fill the unit cube evenly. Both remain functions of the address, are uniform draw by draw (so
means are unbiased), and no draw depends on how many there are.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, empty
from sim.errors import InputError, Problem, UnknownNameError, shown
from sim.kernels.philox import Words, uniforms, uniforms_of_one
from sim.kernels.sobol import BITS, INDEX_BITS, shuffled, sobol
from sim.kernels.special import normal_quantile_of

SEEDS = 2**128
"""Seeds are below this."""

DRAWS = 2**40
"""Draws are below this: they have 40 bits of the counter."""

STEPS = 2**24
"""Steps are below this: they have 24 bits of the counter."""

SAMPLERS = ("philox", "antithetic", "sobol")
"""How the numbers of different draws belong together: not at all, in mirrored pairs, spread evenly."""

DIMENSIONS = 1024
"""Agents of one stream and step that a Sobol sequence serves; those after them draw as with ``philox``."""


def _hash(text: str, salt: bytes, person: bytes) -> int:
    """Return 64 bits of BLAKE2b; `person` keeps names of streams and of agents apart."""
    # Ids read from JSON may hold a lone surrogate, which strict UTF-8 refuses.
    data = salt + text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8, person=person).digest(), "little")


@lru_cache(maxsize=64)
def _agent_keys(ids: tuple[str, ...]) -> Words:
    """Return the keys of a tuple of ids, kept because the same agents draw again in every step."""
    keys = np.fromiter((_hash(agent, b"", b"agent") for agent in ids), dtype=np.uint64, count=len(ids))
    holders: dict[int, str] = {}
    problems = []
    for key, agent in zip(keys.tolist(), ids, strict=True):
        other = holders.setdefault(key, agent)
        if other != agent:
            problems.append(Problem(f"ids {shown(other)} and {shown(agent)} share their 64 bits; rename one of them"))
    if len(holders) + len(problems) < len(ids):
        twice = sorted(agent for agent, count in Counter(ids).items() if count > 1)
        problems += [Problem(f"id {shown(agent)} appears more than once") for agent in twice]
    if problems:
        raise InputError(problems)
    keys.flags.writeable = False
    return keys


def agent_keys(ids: Sequence[str]) -> Words:
    """Return the 64 bits by which each agent is addressed.

    Parameters
    ----------
    ids : sequence of str
        Agents, each once.

    Returns
    -------
    uint64[n_agents]
        Read-only; a function of each id alone.

    Raises
    ------
    InputError
        An id appears twice, or two ids have the same 64 bits and would share their luck.
    """
    return _agent_keys(tuple(ids))


@lru_cache(maxsize=1)
def _directions() -> Words:
    """Return the direction numbers of Joe and Kuo (2008), ``uint64[DIMENSIONS, INDEX_BITS]``."""
    from scipy.stats import qmc

    # the only place that has them; SciPy makes no draw far down the sequence without those before it
    found = vars(qmc.Sobol(DIMENSIONS, scramble=False, bits=BITS))["_sv"]
    directions = np.ascontiguousarray(found[:, :INDEX_BITS], dtype=np.uint64)
    directions.flags.writeable = False
    return directions


class Draws:
    """The random numbers of a block of draws, one lane a draw.

    Parameters
    ----------
    seed : int
        From 0 to 2^128 - 1.
    draws : int64[n_lanes]
        Which draw each lane plays, from 0 to 2^40 - 1; copied.
    sampler : str
        ``"philox"``: draws are independent. ``"antithetic"``: draws 2k and 2k + 1 mirror each other. ``"sobol"``: draws
        are spread evenly, jointly over the first 1024 agents of a stream and step in the order given; an agent's luck
        then also depends on its place in that order, and from the 1025th on draws are independent.

    Raises
    ------
    InputError
        Seed or draws are out of range, or there is no such sampler.

    Examples
    --------
    >>> both = Draws(7, [0, 1]).uniform("shock", ["A", "B"])
    >>> bool((Draws(7, [1]).uniform("shock", ["B"]) == both[1:, 1:]).all())
    True
    """

    def __init__(self, seed: int, draws: npt.ArrayLike, sampler: str = "philox") -> None:
        if sampler not in SAMPLERS:
            raise UnknownNameError("sampler", sampler, SAMPLERS)
        self.sampler = sampler
        self.seed = operator.index(seed)
        if not 0 <= self.seed < SEEDS:
            raise InputError(f"seed must be from 0 to 2^128 - 1, got {self.seed}")
        given = np.asarray(draws)
        if given.ndim != 1 or given.dtype.kind not in "iu":
            raise InputError(f"draws must be integers along one axis, got {given.dtype} of shape {given.shape}")
        if given.size and not -1 < int(given.min()) <= int(given.max()) < DRAWS:
            raise InputError(f"draws must be from 0 to 2^40 - 1, got {int(given.min())} to {int(given.max())}")
        self.draws = given.astype(np.int64)
        self.draws.flags.writeable = False
        self._recent: tuple[tuple[str, ...] | None, Words] | None = None

    @property
    def n_lanes(self) -> int:
        """Number of lanes."""
        return self.draws.size

    def pair(self, stream: str, agents: Sequence[str], step: int = 0) -> tuple[Float, Float]:
        """Draw two independent uniform numbers per agent and lane.

        Parameters
        ----------
        stream : str
            What the numbers are for; each name has its own luck.
        agents : sequence of str
            Who draws, each once.
        step : int
            Step of the run, from 0 to 2^24 - 1.

        Returns
        -------
        tuple of float64[n_agents, n_lanes], 1
            In the open interval (0, 1), 52 bits; the first is what `uniform` returns.

        Raises
        ------
        InputError
            The step is out of range, or two agents cannot be told apart.
        """
        if not 0 <= step < STEPS:
            raise InputError(f"step must be from 0 to 2^24 - 1, got {step}")
        recent = self._recent
        if recent is None or recent[0] is not agents:
            # hashing thousands of ids takes longer than drawing for them; only what cannot change is remembered
            recent = (agents if isinstance(agents, tuple) else None, agent_keys(agents))
            self._recent = recent
        keys = recent[1]
        both = empty(keys.size, self.n_lanes), empty(keys.size, self.n_lanes)
        mirrored = self.draws % 2 == 1 if self.sampler == "antithetic" else np.zeros(0, dtype=np.bool_)
        # a draw that mirrors another one has its address
        draws = self.draws - mirrored if mirrored.size else self.draws
        if draws.size == 1:  # a network: one draw of many agents
            uniforms_of_one(self._key(stream, b"stream"), keys, int(draws[0]), step, *both)
        else:
            uniforms(self._key(stream, b"stream"), keys, draws, step, *both)
        for half, out in enumerate(both):
            if mirrored.any():
                np.subtract(1.0, out, out=out, where=mirrored)  # exact: the numbers are midpoints of equal cells
            if self.sampler == "sobol":
                self._spread(f"{half}/{step}/{stream}", keys[:DIMENSIONS], out[:DIMENSIONS])
        return both

    def _key(self, name: str, person: bytes) -> np.uint64:
        return np.uint64(_hash(name, self.seed.to_bytes(16, "little"), person))

    def _spread(self, name: str, keys: Words, out: Float) -> None:
        """Overwrite with Sobol numbers; each name has its own order of the points, so names are independent."""
        index = np.empty(self.n_lanes, np.uint64)
        shuffled(self._key(name, b"order"), self.draws, index)
        sobol(keys ^ self._key(name, b"scramble"), _directions()[: keys.size], index, out)

    def uniform(self, stream: str, agents: Sequence[str], step: int = 0) -> Float:
        """Draw one uniform number per agent and lane.

        Parameters
        ----------
        stream : str
            What the numbers are for; each name has its own luck.
        agents : sequence of str
            Who draws, each once.
        step : int
            Step of the run, from 0 to 2^24 - 1.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            In the open interval (0, 1), 52 bits.

        Raises
        ------
        InputError
            The step is out of range, or two agents cannot be told apart.
        """
        return self.pair(stream, agents, step)[0]

    def normal(self, stream: str, agents: Sequence[str], step: int = 0) -> Float:
        """Draw one standard normal number per agent and lane: the quantile of `uniform` at the same address.

        Parameters
        ----------
        stream : str
            What the numbers are for; each name has its own luck.
        agents : sequence of str
            Who draws, each once.
        step : int
            Step of the run, from 0 to 2^24 - 1.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            Between -8.3 and 8.3, the quantiles of the smallest and the largest uniform number.

        Raises
        ------
        InputError
            The step is out of range, or two agents cannot be told apart.
        """
        chances, out = self.pair(stream, agents, step)
        normal_quantile_of(chances.reshape(-1), out.reshape(-1))  # takes the place of the second numbers
        return out
