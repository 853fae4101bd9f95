"""Random financial systems by seed: sparse, dense, degenerate, tied, and spread over twelve orders of magnitude."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sim.arrays import Float
from tests.campaign.reference import clearing, furfine

LARGEST = 50
"""Most agents of a system."""


@dataclass(frozen=True)
class Drawn:
    """One system, one shock and the options to solve it under.

    `exposures[i, j]` is the claim of creditor i on debtor j; `shock` is taken from `assets` (external, before it).
    `dyadic` amounts are whole numbers times a power of two, so sums of them are exact in binary floating point;
    `decided` says that every number on the way to the answer is, hence ties have to fall on their own side.
    """

    family: str
    seed: int
    exposures: Float
    assets: Float
    liabilities: Float
    shock: Float
    alpha: float
    beta: float
    recovery: float
    default_at_zero: bool
    dyadic: bool = False
    decided: bool = False

    @property
    def n(self) -> int:
        """Number of agents."""
        return len(self.assets)

    @property
    def left(self) -> Float:
        """External assets after the shock."""
        return np.asarray(self.assets - self.shock)

    @property
    def equity(self) -> Float:
        """Book equity before the shock."""
        claims, owed = self.exposures.sum(axis=1), self.exposures.sum(axis=0)
        return np.asarray(self.assets + claims - owed - self.liabilities)

    @property
    def size(self) -> Float:
        """Balance-sheet size: all that an agent holds and owes, after the shock; the norm of errors in currency."""
        return np.asarray(self.left + self.exposures.sum(axis=1) + self.exposures.sum(axis=0) + self.liabilities)


Made = tuple[Float, Float, Float, Float]
"""Exposures, external assets, external liabilities, shock."""


def _graph(rng: np.random.Generator, n: int, density: float) -> Float:
    """Return who is exposed to whom as zeros and ones."""
    edges = (rng.random((n, n)) < density).astype(float)
    np.fill_diagonal(edges, 0.0)
    return np.asarray(edges)


def _balanced(rng: np.random.Generator, exposures: Float, low: float, high: float) -> Made:
    """Put outside money around claims so that equity is `low` to `high` of assets, and shock it."""
    claims, owed = exposures.sum(axis=1), exposures.sum(axis=0)
    n = len(claims)
    assets = np.maximum(claims, owed) * rng.uniform(0.2, 3.0, n) + (claims + owed == 0) * rng.uniform(0.1, 5.0, n)
    assets = np.maximum(assets, 1.02 * (owed - claims) + 0.05 * (claims + owed))
    equity = rng.uniform(low, high, n) * (assets + claims)
    liabilities = np.maximum(assets + claims - owed - equity, 0.0)
    hit = rng.random(n) < rng.choice([0.1, 0.4, 1.0])
    hit[rng.integers(n)] = True
    shock = assets * np.minimum(1.0, rng.exponential(rng.choice([0.05, 0.15, 0.5]), n)) * hit
    return exposures, assets, liabilities, shock


def _sparse(rng: np.random.Generator, n: int) -> Made:
    exposures = rng.lognormal(0.0, 1.0, (n, n)) * _graph(rng, n, min(1.0, 2.5 / n))
    return _balanced(rng, exposures, 0.01, 0.15)


def _dense(rng: np.random.Generator, n: int) -> Made:
    exposures = rng.lognormal(0.0, 1.5, (n, n)) * _graph(rng, n, rng.uniform(0.5, 1.0))
    return _balanced(rng, exposures, 0.005, 0.1)


def _core(rng: np.random.Generator, n: int) -> Made:
    """A core that deals with everybody, and a periphery that deals with the core."""
    core = np.arange(n) < max(1, n // 5)
    allowed = core[:, None] | core[None, :]
    exposures = rng.lognormal(0.0, 1.0, (n, n)) * _graph(rng, n, 0.6) * allowed * np.where(core, 8.0, 1.0)[None, :]
    return _balanced(rng, exposures, 0.01, 0.1)


def _zero_equity(rng: np.random.Generator, n: int) -> Made:
    """Some agents without equity, at whole amounts: they stand on the edge before anything happens."""
    exposures = rng.integers(1, 20, (n, n)) * _graph(rng, n, min(1.0, 4.0 / n))
    claims, owed = exposures.sum(axis=1), exposures.sum(axis=0)
    assets = np.maximum(owed - claims, 0) + rng.integers(1, 30, n).astype(float)
    room = assets + claims - owed
    equity = np.where(rng.random(n) < 0.4, 0.0, np.minimum(room, rng.integers(1, 8, n)))
    hit = rng.random(n) < 0.3
    shock = np.minimum(assets, rng.integers(1, 12, n)) * hit
    return exposures, assets, room - equity, shock


def _zero_debt(rng: np.random.Generator, n: int) -> Made:
    """Some agents that owe nothing at all, and some that owe only outside."""
    exposures = rng.lognormal(0.0, 1.0, (n, n)) * _graph(rng, n, 0.4)
    kind = rng.integers(0, 3, n)
    exposures[:, kind > 0] = 0.0
    exposures, assets, liabilities, shock = _balanced(rng, exposures, 0.01, 0.2)
    return exposures, assets, np.where(kind == 1, 0.0, liabilities), shock


def _isolated(rng: np.random.Generator, n: int) -> Made:
    """Agents without any link among others, some of them with no balance sheet at all."""
    exposures = rng.lognormal(0.0, 1.0, (n, n)) * _graph(rng, n, 0.4)
    alone = rng.random(n) < 0.4
    exposures[alone] = 0.0
    exposures[:, alone] = 0.0
    exposures, assets, liabilities, shock = _balanced(rng, exposures, 0.02, 0.2)
    empty = alone & (rng.random(n) < 0.3)
    return exposures, np.where(empty, 0.0, assets), np.where(empty, 0.0, liabilities), np.where(empty, 0.0, shock)


def _closed(rng: np.random.Generator, n: int) -> Made:
    """Rings of debt that nobody outside puts money into, beside a few ordinary agents."""
    exposures = np.zeros((n, n))
    order = rng.permutation(n)
    cut = int(rng.integers(2, n + 1))
    ring = order[:cut]
    amounts = rng.integers(1, 9, cut) if rng.random() < 0.5 else np.full(cut, rng.integers(1, 9))
    for k in range(cut):
        exposures[ring[(k + 1) % cut], ring[k]] = amounts[k]
    assets, liabilities, shock = np.zeros(n), np.zeros(n), np.zeros(n)
    for agent in order[cut:]:
        exposures[agent, rng.choice(ring)] = rng.integers(1, 5) * (rng.random() < 0.5)
        assets[agent] = rng.integers(2, 20)
        liabilities[agent] = rng.integers(0, int(assets[agent]) + 1)
        shock[agent] = rng.integers(0, int(assets[agent]) + 1) * (rng.random() < 0.5)
        # its claims on the ring make the ring owe more than comes in
        if rng.random() < 0.3:
            exposures[rng.choice(ring), agent] = rng.integers(1, 4)
    return exposures, assets, liabilities, shock


def _decades(rng: np.random.Generator, n: int) -> Made:
    """Amounts over twelve orders of magnitude, within rows and between them."""
    scale = 10.0 ** rng.uniform(-6.0, 6.0, n)
    pair = np.minimum(scale[:, None], scale[None, :]) if rng.random() < 0.5 else scale[None, :] * np.ones((n, 1))
    if rng.random() < 0.3:
        pair = 10.0 ** rng.uniform(-6.0, 6.0, (n, n))
    exposures = pair * rng.lognormal(0.0, 1.0, (n, n)) * _graph(rng, n, min(1.0, 5.0 / n))
    return _balanced(rng, exposures, 0.005, 0.2)


def _slow(rng: np.random.Generator, n: int) -> Made:
    """Rings with hardly any outside debt: one round of iteration gains almost nothing."""
    exposures = np.zeros((n, n))
    order = rng.permutation(n)
    for k in range(n):
        exposures[order[(k + 1) % n], order[k]] = 1.0
    exposures += _graph(rng, n, 1.0 / n) * rng.uniform(0.0, 0.2, (n, n))
    leak = 10.0 ** rng.uniform(-7.0, -2.0)
    claims, owed = exposures.sum(axis=1), exposures.sum(axis=0)
    liabilities = leak * rng.uniform(0.5, 1.5, n) + np.maximum(claims - owed, 0.0)
    assets = np.maximum(owed + liabilities - claims, 0.0) + leak * rng.uniform(0.0, 1.0, n)
    shock = np.where(rng.random(n) < 0.5, assets * rng.uniform(0.3, 1.0, n), 0.0)
    return exposures, assets, liabilities, shock


def _ties(rng: np.random.Generator, n: int) -> Made:
    """A chain of command without cycles, debts that are powers of two, many agents exactly at their debt.

    Agent j is exposed only to agents before it. With debts of a power of two and small whole amounts every recovery is
    exact in floating point, so an agent placed at an equity of zero is there to the last bit.
    """
    exposures = np.tril(rng.integers(1, 16, (n, n)) * _graph(rng, n, min(0.8, 3.0 / n)), -1).astype(float)
    # a recovery p / 2**k keeps few digits only along short chains: cut them into blocks of three
    block = np.arange(n) // 3
    exposures *= block[:, None] == block[None, :]
    claims, owed = exposures.sum(axis=1), exposures.sum(axis=0)
    debt = 2.0 ** np.ceil(np.log2(np.maximum(owed, 1.0)) + rng.integers(0, 2, n))
    liabilities = debt - owed
    assets, shock, paid = np.zeros(n), np.zeros(n), np.ones(n)
    for i in range(n):
        inside = float(exposures[i] @ paid)
        kind = rng.integers(0, 4)
        if kind <= 1:  # exactly on the edge once those before it have defaulted
            assets[i] = max(debt[i] - inside, 0.0)
        elif kind == 2:  # short of its debt
            assets[i] = float(np.floor(max(debt[i] - inside, 0.0) * rng.random()))
        else:
            assets[i] = debt[i] - inside + rng.integers(1, 8) if debt[i] > inside else float(rng.integers(0, 3))
        paid[i] = min(1.0, (assets[i] + inside) / debt[i])
        extra = float(rng.integers(0, 6)) + max(0.0, debt[i] - claims[i] - assets[i])
        shock[i] = np.ceil(extra)
        assets[i] += shock[i]
    scale = 2.0 ** rng.integers(-20, 21)
    return exposures * scale, assets * scale, liabilities * scale, shock * scale


def _ties_in_rings(rng: np.random.Generator, n: int) -> Made:
    """Cyclic claims whose answer is built first: chosen recoveries, and agents exactly on the edge.

    The answer is dyadic, the way to it is not: which side of the edge rounding takes is a knife-edge.
    """
    exposures = rng.integers(1, 16, (n, n)) * _graph(rng, n, min(1.0, 3.0 / n))
    owed = exposures.sum(axis=0)
    debt = 2.0 ** (np.ceil(np.log2(np.maximum(owed, 1.0))) + 1.0)
    paid = np.where(rng.random(n) < 0.4, rng.integers(4, 16, n) / 16.0, 1.0)
    inside = exposures @ paid
    on_edge = (paid == 1.0) & (rng.random(n) < 0.6)
    more = np.where((paid == 1.0) & ~on_edge, rng.integers(1, 6, n), 0)
    assets = np.maximum(paid * debt + more - inside, 0.0)
    claims = exposures.sum(axis=1)
    shock = np.maximum(debt - claims - assets, 0.0) + rng.integers(0, 3, n)
    return exposures.astype(float), assets + shock, debt - owed, shock


def _near_ties(rng: np.random.Generator, n: int) -> Made:
    """Ordinary amounts, and survivors moved to within 1e-9 to 0 of their size from the edge, on either side."""
    exposures, assets, liabilities, shock = (_sparse, _dense, _core)[rng.integers(3)](rng, n)
    shock = np.minimum(shock, assets)
    left = assets - shock
    if rng.random() < 0.5:
        equity = clearing(exposures, left, liabilities).equity
    else:
        first = assets + exposures.sum(axis=1) - exposures.sum(axis=0) - liabilities
        equity = furfine(exposures, first, shock).equity
    size = left + exposures.sum(axis=1) + exposures.sum(axis=0) + liabilities
    distance = size * rng.choice([0.0, 1e-14, 1e-13, 3e-12, 1e-11, 1e-10, 1e-9], n) * rng.choice([-1.0, 1.0], n)
    moved = (equity > 0.0) & (rng.random(n) < 0.5)
    return exposures, assets, np.where(moved, np.maximum(0.0, liabilities + equity - distance), liabilities), shock


FAMILIES: dict[str, Callable[[np.random.Generator, int], Made]] = {
    "sparse": _sparse,
    "dense": _dense,
    "core": _core,
    "zero-equity": _zero_equity,
    "zero-debt": _zero_debt,
    "isolated": _isolated,
    "closed rings": _closed,
    "twelve decades": _decades,
    "slow rings": _slow,
    "exact ties": _ties,
    "ties in rings": _ties_in_rings,
    "near ties": _near_ties,
}
DYADIC = ("zero-equity", "closed rings", "exact ties", "ties in rings")
DECIDED = ("exact ties",)
DYADIC_COSTS = (1.0, 0.5, 0.25, 0.75)


def draw(seed: int, family: str | None = None, n: int | None = None) -> Drawn:
    """Return the system of a seed; without a name the families take turns."""
    names = list(FAMILIES)
    name = names[seed % len(names)] if family is None else family
    rng = np.random.default_rng((seed, names.index(name)))
    agents = n if n is not None else int(rng.integers(2, 9) if rng.random() < 0.4 else rng.integers(2, LARGEST + 1))
    exposures, assets, liabilities, shock = (np.asarray(x, dtype=float) for x in FAMILIES[name](rng, agents))
    dyadic = name in DYADIC
    if dyadic:
        alpha, beta, recovery = (float(rng.choice(DYADIC_COSTS)) for _ in range(3))
    else:
        alpha, beta, recovery = float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.0, 1.0))
    recovery = recovery if rng.random() < 0.6 and recovery < 1.0 else 0.0
    return Drawn(
        name,
        seed,
        exposures,
        assets,
        liabilities,
        np.minimum(shock, assets),
        alpha,
        beta,
        recovery,
        bool(rng.random() < 0.5),
        dyadic,
        name in DECIDED,
    )


def relabelled(system: Drawn, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Drawn:
    """Return the system with its agents in another order."""
    return replace(
        system,
        exposures=system.exposures[np.ix_(order, order)],
        assets=system.assets[order],
        liabilities=system.liabilities[order],
        shock=system.shock[order],
    )


def scaled(system: Drawn, factor: float) -> Drawn:
    """Return the system with all amounts times a factor."""
    return replace(
        system,
        exposures=system.exposures * factor,
        assets=system.assets * factor,
        liabilities=system.liabilities * factor,
        shock=system.shock * factor,
    )
