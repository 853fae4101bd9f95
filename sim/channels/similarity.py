"""Which agents the public thinks of together: a similarity of features, as the few directions that a filter needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sim.arrays import Csr, Float, empty
from sim.kernels.similarity import alike, landmarks, principal
from sim.kernels.special import log_of
from sim.ledger.balance import total_assets
from sim.state import AGENTS
from sim.system import System

DENSE = 1000
"""Agents up to which all directions are kept; with more, those of a few landmarks."""
SMALL = 1e-9
"""Least share of the whole that a direction, or an unexplained agent, must have to count."""


ROUNDING = 1e-12
"""Spread of a feature, as a share of its size, that is none."""


class Similarity(BaseModel):
    r"""How much news about one agent says about those like it: prior covariance
    :math:`P_0 = v^2 [(1 - \rho_s) I + \rho_s S]`, :math:`S_{ij} = e^{-|f_i - f_j|^2 / 2 \ell^2}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    weight: float = Field(default=0.3, ge=0, le=0.8)
    """Part of what is uncertain that like agents share, rho_s, 1; 0: no spill-over. Assumed."""

    length: float = Field(default=1.0, gt=0, le=100)
    """Distance of features at which similarity has fallen to 0.61, ell, 1. Assumed."""

    rank: int = Field(default=16, ge=1, le=16)
    """Directions kept where there are more than 1,000 banks, firms and platforms."""


@dataclass(frozen=True, eq=False)
class Directions:
    r"""The matrix :math:`(1 - \rho_s) I + \rho_s S`, diagonalised: :math:`c_0 I + U \mathrm{diag}(c - c_0) U^\top`.

    Parameters
    ----------
    vectors : float64[n, rank], 1
        Orthonormal columns U; all of them in a system of at most 1,000 banks, firms and platforms.
    values : float64[rank], 1
        c, positive.
    rest : float
        :math:`c_0`, of every direction that is not among them, 1.
    """

    vectors: Float
    values: Float
    rest: float


def directions(system: System, similarity: Similarity) -> Directions:
    r"""Return the covariance of what the public does not know, as directions.

    Parameters
    ----------
    system : System
        Before any event.
    similarity : Similarity
        How like agents hang together.

    Returns
    -------
    Directions
        Of banks, technology firms and platforms; worked out once per system.

    Notes
    -----
    With more than 1,000 of them, S is replaced by :math:`r I + U \Lambda U^\top` with the directions of `rank`
    landmarks (an incomplete Cholesky factor) and the mean r of what these leave unexplained. That is a covariance with
    the same total variance, and all later covariances of the filter keep its form, so the filter is exact for it.
    """
    key = ("similarity", similarity)
    found: Directions = system.once(key, lambda: _directions(features(system), similarity))
    return found


def _directions(told: Float, similarity: Similarity) -> Directions:
    n, weight = told.shape[0], similarity.weight
    if n <= DENSE:
        matrix, values = empty(n, n), empty(n)
        alike(told, similarity.length, matrix)
        matrix *= weight
        matrix[np.arange(n), np.arange(n)] = 1.0
        principal(matrix, values)
        return Directions(np.ascontiguousarray(matrix.T), values, 1.0)
    factor, left = empty(n, similarity.rank), empty(n)
    rank = landmarks(told, similarity.length, SMALL, factor, left)
    inner, values = np.zeros((rank, rank)), empty(rank)
    for i in range(rank):
        for j in range(rank):
            inner[i, j] = _sum(factor[:, i] * factor[:, j])
    inner[np.arange(rank), np.arange(rank)] += 1.0
    principal(inner, values)
    values -= 1.0
    kept = values > SMALL * values.max(initial=0.0)
    vectors = np.zeros((n, int(kept.sum())))
    for place, k in enumerate(np.flatnonzero(kept)):
        for j in range(rank):
            vectors[:, place] += factor[:, j] * inner[k, j]
        vectors[:, place] /= np.sqrt(values[k])
    rest = 1.0 - weight + weight * _sum(left) / n
    return Directions(vectors, rest + weight * values[kept], rest)


def features(system: System) -> Float:
    """Return what the public compares banks, technology firms and platforms by.

    Parameters
    ----------
    system : System
        Before any event.

    Returns
    -------
    float64[n_debtors, n_features], 1
        Uninsured and co-lending share of assets and the logarithm of assets, each in standard deviations; type and
        country (distance 1 to any other); shares of service providers, over all functions; shares of platforms in
        deposits. What a system does not have is left out.
    """
    rows = slice(0, system.types["platforms"].stop)
    size = assets0(system)[rows]
    logs = empty(size.size)
    log_of(np.ascontiguousarray(size), logs)
    pools = [k for k, kind in enumerate(system.classes) if kind == "POOL"]
    lent = np.zeros(size.size)
    for asset in pools:
        lent += np.maximum(0.0, system.holdings[rows, asset])
    uninsured = system.start.get("deposits_uninsured", np.zeros(len(system.ids)))[rows]
    columns = [_standard(values) for values in (uninsured / size, lent / size, logs)]
    kinds = [kind for kind in AGENTS for _ in range(*system.types[kind].indices(rows.stop))]
    columns += _marks(kinds)
    columns += _marks([*system.labels.get("country", ())[: rows.stop]])
    if system.services is not None:
        each = 1.0 / np.sqrt(len(system.services.functions) or 1)
        for shares in system.services.shares:
            columns += [column * each for column in _columns(shares, rows.stop)]
    if "distribution" in system.layers:
        columns += _columns(system.layers["distribution"].csr, rows.stop)
    return np.ascontiguousarray(np.stack(columns, axis=1))


def assets0(system: System) -> Float:
    """Return every agent's assets before any event, what it owns of its own shares left out.

    Parameters
    ----------
    system : System
        Before any event.

    Returns
    -------
    float64[n_agents], currency
        At least a tiny number, so that it can be divided by; worked out once per system.
    """
    found: Float = system.once(
        "assets0",
        lambda: np.maximum(total_assets(system.state(2, ("shock",)))[:, 0], np.finfo(np.float64).tiny),
    )
    return found


def _sum(values: Float) -> float:
    """Sum in agent order."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total


def _standard(values: Float) -> Float:
    """Values in standard deviations from their mean; zero where all are alike but for rounding."""
    mean = _sum(values) / values.size
    spread = np.sqrt(_sum((values - mean) ** 2) / values.size)
    alike = spread <= ROUNDING * float(np.abs(values).max(initial=0.0))
    return np.zeros_like(values) if alike else np.asarray((values - mean) / spread)


def _marks(names: Sequence[str]) -> list[Float]:
    """One column a name, so that two agents with different names are a distance of 1 apart; unnamed ones are alike."""
    known = sorted({name for name in names if name})
    if len(known) < 2:
        return []
    return [np.sqrt(0.5) * np.array([name == own for own in names], dtype=np.float64) for name in known]


def _columns(shares: Csr, n: int) -> list[Float]:
    """The columns in use of the first rows of a sparse matrix."""
    stop = int(shares.indptr[n])
    rows = np.repeat(np.arange(n), np.diff(shares.indptr[: n + 1]))
    used, place = np.unique(shares.indices[:stop], return_inverse=True)
    dense = np.zeros((used.size, n))
    dense[place, rows] = shares.weights[:stop]
    return list(dense)
