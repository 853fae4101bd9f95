"""Banks and their firms: accounts and loans, who funds pools of loans, who brings deposits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float, added
from sim.networks.base import GENERATORS
from sim.networks.tables import Known, TableGenerator, favourites, lognormal, power
from sim.streams import Draws

KEEPERS = {"accounts": ("tech_firms", "platforms", "funds"), "lending": ("tech_firms", "platforms")}
"""Who has a relationship with banks, by layer."""

TOTALS = {"accounts": "accounts", "lending": "borrowed"}
"""Column in which a firm states its total."""


def _weights(known: Known, tilt: float) -> Float:
    """Total assets of the banks to a power, the largest bank 1."""
    size = known.numbers("banks", "total_assets")
    return power(size / size.max(), tilt)


@GENERATORS.register("relationships")
class Relationships(TableGenerator):
    r"""Each firm, platform and fund deals with a few banks, drawn the likelier the larger they are.

    Banks are drawn without replacement with weights :math:`A_i^\tau`; what the firm states in total is split over them
    in proportion to the weights times a lognormal number. What a bank cannot take within its limit is passed on to the
    other banks drawn, and then to the banks next in line.

    References
    ----------
    Assumed; with a tilt of 1 a bank's share is its share of all assets, in expectation.
    """

    tables: ClassVar[tuple[str, ...]] = ("accounts", "lending")

    banks: int = Field(default=5, ge=1, le=100_000)
    """Banks that each deals with."""

    tilt: float = Field(default=1.0, ge=-2, le=2)
    """Exponent of total assets in the weight of a bank (tau): 0 is blind to size, 1."""

    most: float = Field(default=0.04, gt=0, le=1)
    """Most that all firms together keep at a bank, or owe it, over its assets, 1."""

    spread: float = Field(default=0.3, ge=0, le=2)
    """Standard deviation of the logarithm of a bank's part about its weight, 1."""

    @property
    def how(self) -> str:
        """How the relationships were made."""
        return f"totals split over {self.banks} banks each, drawn by total assets to the power {self.tilt:g}"

    def problems(self, table: str, known: Known) -> list[str]:
        """Return why the totals cannot be placed.

        Parameters
        ----------
        table : {"accounts", "lending"}
            Which layer.
        known : Known
            The agents.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        wanted = added(float(known.numbers(kind, TOTALS[table]).sum()) for kind in KEEPERS[table])
        return _no_room(wanted, self.most, known, f"firms have {wanted:g} of {table}")

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:
        """Make the claims of one network.

        Parameters
        ----------
        table : {"accounts", "lending"}
            Which layer.
        known : Known
            The agents.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``exposures.csv``.
        """
        ids, weights = known.ids("banks"), _weights(known, self.tilt)
        room = self.most * known.numbers("banks", "total_assets")
        firms, banks, amounts = list[str](), list[str](), list[float]()
        totals = [
            (firm, float(total))
            for kind in KEEPERS[table]
            for firm, total in sorted(zip(known.ids(kind), known.numbers(kind, TOTALS[table]), strict=True))
        ]
        for firm, total in totals:
            if not total > 0.0:
                continue
            part = weights * lognormal(draws, f"{stream}/{firm}/part", ids, self.spread)
            taken = _filled(total, part, room, _groups(draws, f"{stream}/{firm}", ids, weights, self.banks))
            room = room - taken
            chosen = np.flatnonzero(taken).tolist()
            firms += [firm] * len(chosen)
            banks += [ids[row] for row in chosen]
            amounts += taken[chosen].tolist()
        creditors, debtors = (firms, banks) if table == "accounts" else (banks, firms)
        return {"creditor": creditors, "debtor": debtors, "amount": amounts}


@GENERATORS.register("co_lending")
class CoLending(TableGenerator):
    r"""Pools of jointly funded loans: the platform keeps its own share, small banks fund most of the rest.

    The table of platforms says how large each pool is and which share of it the platform funds itself. For each
    platform, banks are drawn without replacement with weights :math:`A_i^\tau`; parts are in proportion to the weights
    times a lognormal number, and no bank funds more of all pools than a share of its assets. What a bank cannot take is
    passed on to the other banks drawn, and then to the banks next in line.

    References
    ----------
    Own share of at least 30 % of each joint loan since 2022 (CBIRC 2021 No. 24); 2 % in the prospectus of Ant of 2020.
    """

    tables: ClassVar[tuple[str, ...]] = ("pools",)

    funders: int = Field(default=40, ge=1, le=100_000)
    """Banks drawn for each pool."""

    tilt: float = Field(default=0.4, ge=-2, le=2)
    """Exponent of total assets in the weight of a bank (tau); below 1, small banks fund more than their share, 1."""

    most: float = Field(default=0.03, gt=0, le=1)
    """Most that a bank funds of all pools, over its assets, 1."""

    spread: float = Field(default=0.3, ge=0, le=2)
    """Standard deviation of the logarithm of a bank's part about its weight, 1."""

    @property
    def how(self) -> str:
        """How the pools were made."""
        return f"what platforms do not fund themselves is funded by {self.funders} banks a pool, small ones first"

    def problems(self, table: str, known: Known) -> list[str]:  # noqa: ARG002
        """Return why the pools cannot be funded.

        Parameters
        ----------
        table : str
            ``"pools"``.
        known : Known
            The agents.

        Returns
        -------
        list of str
            Empty when all is well.
        """
        wanted = float((known.numbers("platforms", "pool") * (1.0 - known.numbers("platforms", "own_share"))).sum())
        return _no_room(wanted, self.most, known, f"banks would fund {wanted:g} of all pools")

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the pools of one network.

        Parameters
        ----------
        table : str
            ``"pools"``.
        known : Known
            Banks and platforms.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``pools.csv``.
        """
        ids, weights = known.ids("banks"), _weights(known, self.tilt)
        room = self.most * known.numbers("banks", "total_assets")
        platforms, funders, shares = list[str](), list[str](), list[float]()
        sizes, own = known.numbers("platforms", "pool"), known.numbers("platforms", "own_share")
        for platform, pool, kept in sorted(zip(known.ids("platforms"), sizes, own, strict=True)):
            if not pool > 0.0:
                continue
            part = weights * lognormal(draws, f"{stream}/{platform}/part", ids, self.spread)
            groups = _groups(draws, f"{stream}/{platform}", ids, weights, self.funders)
            taken = _filled((1.0 - kept) * pool, part, room, groups)
            room = room - taken
            found = [(platform, float(kept))] if kept > 0.0 else []
            found += [(ids[row], float(taken[row] / pool)) for row in np.flatnonzero(taken)]
            platforms += [platform] * len(found)
            funders += [name for name, _ in found]
            shares += [share for _, share in found]
        return {"platform": platforms, "funder": funders, "share": shares}


def _no_room(wanted: float, most: float, known: Known, what: str) -> list[str]:
    """Why a total cannot be placed with banks within their limits."""
    room = most * float(known.numbers("banks", "total_assets").sum())
    return [] if wanted <= room else [f"{what}, and with most = {most:g} banks can take {room:g}"]


def _groups(draws: Draws, stream: str, ids: tuple[str, ...], weights: Float, count: int) -> Iterator[list[int]]:
    """Larger and larger groups of banks: those drawn first, then those next in line."""
    while True:
        yield favourites(draws, stream, ids, weights, count)
        if count >= len(ids):
            return
        count *= 2


def _filled(total: float, part: Float, room: Float, groups: Iterator[list[int]]) -> Float:
    """Split a total in proportion to parts, within what each can take; a wider group where one cannot take it all."""
    taken = np.zeros(part.size)
    for group in groups:
        open_, left = list(group), total
        taken = np.zeros(part.size)
        while open_:
            asked = left * part[open_] / part[open_].sum()
            full = asked >= room[open_]
            if not full.any():
                taken[open_] = asked
                return taken
            for row, is_full in zip(list(open_), full, strict=True):
                if is_full:
                    taken[row] = room[row]
                    left -= room[row]
                    open_.remove(row)
    return taken


@GENERATORS.register("sourced_deposits")
class SourcedDeposits(TableGenerator):
    r"""Deposits that platforms have brought: small banks depend on them most.

    A bank works with a platform with a given probability; the share of its deposits that the platform has brought is
    the mean share times :math:`(A_i / \text{median})^{-\tau}` times a lognormal number, at most a highest share.

    References
    ----------
    Assumed.
    """

    tables: ClassVar[tuple[str, ...]] = ("distribution",)

    partners: float = Field(default=0.5, gt=0, le=1)
    """Probability that a bank works with a platform, 1."""

    share: float = Field(default=0.05, gt=0, le=1)
    """Mean share of a partner bank of median size, 1."""

    tilt: float = Field(default=0.3, ge=0, le=2)
    """How much faster the share falls with total assets (tau), 1."""

    most: float = Field(default=0.25, gt=0, le=1)
    """Highest share of one platform, 1."""

    spread: float = Field(default=0.5, ge=0, le=2)
    """Standard deviation of the logarithm of a share, 1."""

    kinds: tuple[str, ...] = ("distribution", "payments")
    """Kinds of platforms that bring deposits."""

    @property
    def how(self) -> str:
        """How the shares were made."""
        return f"partners with probability {self.partners:g}, mean share {self.share:g}, falling with total assets"

    def rows(self, table: str, known: Known, draws: Draws, stream: str) -> Mapping[str, Sequence[Any] | Float]:  # noqa: ARG002
        """Make the shares of one network.

        Parameters
        ----------
        table : str
            ``"distribution"``.
        known : Known
            Banks and platforms.
        draws : Draws
            One lane: the number of the network.
        stream : str
            What streams begin with.

        Returns
        -------
        mapping of str to sequence
            Columns of ``distribution.csv``.
        """
        ids, size = known.ids("banks"), known.numbers("banks", "total_assets")
        usual = power(size / float(np.median(size)), -self.tilt) * self.share
        platforms = [
            name
            for name, kind in zip(known.ids("platforms"), known.texts("platforms", "kind"), strict=True)
            if kind in self.kinds
        ]
        most = min(self.most, 1.0 / max(1, len(platforms)))
        banks, by, shares = list[str](), list[str](), list[float]()
        for platform in platforms:
            meets = draws.uniform(f"{stream}/{platform}", ids)[:, 0] < self.partners
            share = np.minimum(most, usual * lognormal(draws, f"{stream}/{platform}/share", ids, self.spread))
            rows = np.flatnonzero(meets).tolist()
            banks += [ids[row] for row in rows]
            by += [platform] * len(rows)
            shares += share[rows].tolist()
        return {"bank": banks, "platform": by, "share": shares}
