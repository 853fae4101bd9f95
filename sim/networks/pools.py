"""Pools of loans that a platform originated, and funds together with banks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sim.arrays import Bool


class Pool(NamedTuple):
    """A pool of loans and who originated it.

    Parameters
    ----------
    asset : int
        Which asset it is: its holders fund it, the underserved borrowers owe it.
    platform : int
        Row of the platform.
    """

    asset: int
    platform: int


def find_pools(
    ids: Sequence[str], platforms: slice, assets: Sequence[str], traded: Bool, shares: Bool
) -> tuple[Pool, ...]:
    """Return the assets that are pools: no shares, without a market, with the name of a platform.

    Parameters
    ----------
    ids : sequence of str
        Agents in row order.
    platforms : slice
        Rows of the platforms.
    assets : sequence of str
        Names of the assets.
    traded, shares : bool[n_assets]
        Whether an asset has a market; whether it is a share in its issuers.

    Returns
    -------
    tuple of Pool
        In the order of the assets.
    """
    rows = {ids[row]: row for row in range(platforms.start, platforms.stop)}
    return tuple(Pool(k, rows[name]) for k, name in enumerate(assets) if name in rows and not (traded[k] or shares[k]))
