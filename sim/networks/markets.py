"""Securities from tables: markets, who holds what, who has issued it; loan pools; shares of funds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.arrays import Float
from sim.errors import nearest, shown
from sim.networks.layer import Layer
from sim.networks.links import FIRMS
from sim.networks.parts import CLOSES, Parts, where
from sim.networks.sheets import Sheet
from sim.state import AGENTS, BANKS

SECTOR_ISSUERS = ("government", "borrowers", "underserved", "outside")
"""Sectors that may have issued a security: the last three are the real economy and all other investors."""
CLASSES = {"government": "GOV", "borrowers": "CORP", "underserved": "CORP", "outside": "NCD"}
"""Class of a security whose table gives none, by its issuer; shares of firms are ``TECHEQ``."""
HOLDERS = ("households", "outside")
"""Sectors that may hold securities."""
POOL, SHARES = "POOL", "FUND"
"""Classes of loan pools and of shares of funds; these assets bear the name of their platform or fund."""


@dataclass
class Market:
    """Securities, being put together.

    Parameters
    ----------
    assets, classes : list of str
        Names; classes such as ``GOV``.
    issuers : list of tuple of int
        Rows of each asset's issuers.
    depth, floor : list of float
        Currency; share of the price at the start.
    traded, shares : list of bool
        Whether it has a market; whether it is a share in its issuers.
    holdings, fair_value : float64[n_agents, n_assets]
        Currency; issuers are filled in last.
    """

    assets: list[str]
    classes: list[str]
    issuers: list[tuple[int, ...]]
    depth: list[float]
    floor: list[float]
    traded: list[bool]
    shares: list[bool]
    holdings: Float
    fair_value: Float

    def add(self, name: str, kind: str, issuer: int, held: Float, *, shares: bool) -> None:
        """Add an asset without a market, marked to its value by everybody.

        Parameters
        ----------
        name, kind : str
            Its name and class.
        issuer : int
            Row.
        held : float64[n_agents], currency
            By holder; the issuer holds the negative of the rest.
        shares : bool
            Whether it is a share in its issuer.
        """
        column = held.copy()
        column[issuer] -= held.sum()
        self.assets.append(name)
        self.classes.append(kind)
        self.issuers.append((issuer,))
        self.depth.append(float(held.sum()) or 1.0)
        self.floor.append(0.0)
        self.traded.append(False)
        self.shares.append(shares)
        self.holdings = np.column_stack([self.holdings, column])
        self.fair_value = np.column_stack([self.fair_value, np.ones(held.size)])

    def parts(self) -> dict[str, object]:
        """Return keyword arguments of `System`.

        Returns
        -------
        dict
            Read-only from now on.
        """
        return {
            "assets": tuple(self.assets),
            "classes": tuple(self.classes),
            "issuers": tuple(of[0] for of in self.issuers),
            "depth": np.array(self.depth, dtype=np.float64),
            "floor": np.array(self.floor, dtype=np.float64),
            "traded": np.array(self.traded, dtype=np.bool_),
            "shares": np.array(self.shares, dtype=np.bool_),
            "holdings": np.ascontiguousarray(self.holdings),
            "fair_value": np.ascontiguousarray(self.fair_value),
        }


def market(parts: Parts, sheets: Mapping[str, Sheet], share: float) -> Market:
    """Read markets, who holds what and who has issued it.

    Parameters
    ----------
    parts : Parts
        With its index.
    sheets : mapping of str to Sheet
        By type of agent; what several firms have issued is spread over them by total assets.
    share : float
        Share marked to market where the holdings do not say, 1.

    Returns
    -------
    Market
        Without pools and shares of funds, but for holdings of these that the table gives.
    """
    names = parts.texts("assets", "asset")
    parts.once("assets", names)
    for row in where([name in parts.rows for name in names]):
        parts.say("assets", row, f"asset {shown(names[row])} is the name of an agent; choose another")
    depth, floor = parts.amounts("assets", "depth")[0], parts.amounts("assets", "price_floor")[0]
    for row in where(depth == 0.0):
        parts.say("assets", row, f"depth of {names[row]} must be positive, got 0")
    for row in where(floor == 1.0):
        parts.say("assets", row, f"price_floor of {names[row]} must be in [0, 1), got 1")
    issuers = [_issuers(parts, row, text) for row, text in enumerate(parts.texts("assets", "issuer"))]
    classes = [
        kind or CLASSES.get(parts.ids[of[0]], "TECHEQ")
        for kind, of in zip(parts.texts("assets", "class") or [""] * len(names), issuers, strict=True)
    ]
    of_firms = [of[0] < len(parts.rows) for of in issuers]
    holdings, fair = _holdings(parts, names, share)
    found = Market(
        names, classes, issuers, depth.tolist(), floor.tolist(), [True] * len(names), of_firms, holdings, fair
    )
    for position, of in enumerate(issuers):
        _issue(parts, sheets, found, position, of)
    return found


def _issuers(parts: Parts, row: int, text: str) -> tuple[int, ...]:
    """Rows of the issuers that a cell names: a sector, one or more types of firms, or one firm."""
    if text in SECTOR_ISSUERS or not text:
        return (parts.types[text or "borrowers"].start,)
    kinds = text.split()
    if all(kind in FIRMS and parts.count(kind) for kind in kinds):
        return tuple(row for kind in kinds for row in range(parts.types[kind].start, parts.types[kind].stop))
    firms = [name for name, at in parts.rows.items() if parts.kind_of(at) in FIRMS] if len(parts.rows) else []
    if text in firms:
        return (parts.rows[text],)
    known = [*SECTOR_ISSUERS, *(kind for kind in FIRMS if parts.count(kind))]
    said = f"issuer {shown(text)} must be one of {', '.join(known)}"
    parts.say(
        "assets", row, said + (" or a technology firm or platform" if firms else "") + nearest(text, known + firms)
    )
    return (parts.types["borrowers"].start,)


def _issue(parts: Parts, sheets: Mapping[str, Sheet], found: Market, position: int, of: tuple[int, ...]) -> None:
    """Let the issuers owe what all others hold."""
    column = found.holdings[:, position]
    for row in of:
        if column[row] > 0.0:
            parts.say(
                "assets", position, f"{parts.ids[row]} holds {found.assets[position]}, which it has issued itself"
            )
    total = column.sum()
    if len(of) == 1:
        column[of[0]] -= total
        return
    kinds = list(dict.fromkeys(parts.kind_of(row) for row in of))
    size = np.concatenate([sheets[kind]["total_assets"] for kind in kinds])
    column[list(of)] -= total * (size / (size.sum() or 1.0))
    words = " and ".join(kind.replace("_", " ") for kind in kinds)
    parts.impute("assets", found.assets[position], "issuer", f"spread over the {words} by total assets")


def _holdings(parts: Parts, assets: list[str], share: float) -> tuple[Float, Float]:
    """Who holds what, and how much of it is marked to market."""
    n, people = len(parts.ids), len(parts.rows)
    holdings, fair = np.zeros((n, len(assets))), np.ones((n, len(assets)))
    fair[:people] = share
    if "holdings" not in parts.tables:
        return holdings, fair
    agents, named = parts.texts("holdings", "agent"), parts.texts("holdings", "asset")
    amount, (told, given) = parts.amounts("holdings", "amount")[0], parts.amounts("holdings", "fair_value_share")
    place = {name: k for k, name in enumerate(assets)}
    parts.once("holdings", agents, named)
    sector = np.array([name in HOLDERS for name in agents], dtype=np.bool_)
    rows = np.array([parts.types[name].start if name in HOLDERS else -1 for name in agents], dtype=np.int64)
    rows[~sector] = parts.agents("holdings", "agent", AGENTS, ~sector)
    funds = set(parts.texts("funds", "id"))
    for row, asset in enumerate(named):
        if asset in funds:
            continue
        if asset not in place:
            known = [*assets, *funds]
            said = f"asset {shown(asset)} is not among the assets{nearest(asset, known)}"
            parts.say("holdings", row, said)
        elif rows[row] >= 0:
            holdings[rows[row], place[asset]] = amount[row]
            if given[row]:
                fair[rows[row], place[asset]] = told[row]
    return holdings, fair


def pools(parts: Parts, sheets: Mapping[str, Sheet], found: Market) -> Layer | None:
    """Add a loan pool per platform that has one, held by banks and the platform itself.

    Parameters
    ----------
    parts : Parts
        With its index.
    sheets : mapping of str to Sheet
        By type of agent.
    found : Market
        Assets of class ``POOL``, named as the platform, are added, issued by the underserved borrowers.

    Returns
    -------
    Layer or None
        ``guarantees``: row = bank, column = platform, each bank's part of what the platform guarantees, 1 in all.
    """
    platforms, funders = parts.texts("pools", "platform"), parts.texts("pools", "funder")
    share = parts.amounts("pools", "share")[0]
    at, by = parts.agents("pools", "platform", ("platforms",)), parts.agents("pools", "funder", (BANKS, "platforms"))
    parts.once("pools", platforms, funders)
    rows, n = parts.types["platforms"], len(parts.ids)
    weights = np.zeros((n, rows.stop - rows.start))
    for k, size in enumerate(sheets["platforms"]["pool"]):
        platform, own = rows.start + k, at == rows.start + k
        name = parts.ids[platform]
        if (size > 0.0) != bool(own.any()):
            said = (
                "has no pool in platforms, but shares of one in pools"
                if own.any()
                else "no shares in pools say who funds"
            )
            parts.say("platforms", k, f"platform {name}: pool {size:g}; {said}{'' if own.any() else ' it'}")
            continue
        if not own.any():
            continue
        total = float(share[own].sum())
        if not abs(total - 1.0) <= CLOSES:
            parts.say("pools", where(own)[0], f"platform {name}: the shares of its pool add to {total:g}; allowed: 1")
        stated, kept = sheets["platforms"]["own_share"][k], float(share[own & (by == platform)].sum())
        if sheets["platforms"]["own_share?"][k] and not abs(stated - kept) <= CLOSES:
            said = f"own_share {stated:g}, but it has {kept:g} of its pool in pools"
            parts.say("platforms", k, f"platform {name}: {said}")
        others = own & (by != platform) & (by >= 0)
        for row in where(others & (by >= rows.start)):
            parts.say(
                "pools", row, f"funder {funders[row]} is a platform; a pool is funded by banks and its own platform"
            )
        held = np.zeros(n)
        held[by[own & (by >= 0)]] = size * share[own & (by >= 0)]
        found.add(name, POOL, parts.types["underserved"].start, held, shares=False)
        banks = share[others]
        weights[by[others], k] = banks / (banks.sum() or 1.0)
    return _guarantees(parts, weights) if weights.any() else None


def _guarantees(parts: Parts, weights: Float) -> Layer:
    from scipy import sparse

    rows = parts.types["platforms"]
    i, k = np.nonzero(weights)
    n = len(parts.ids)
    matrix = sparse.coo_array((weights[i, k], (i, k + rows.start)), shape=(n, n))
    return Layer.from_matrix("guarantees", parts.ids, matrix, imputed="pools" in parts.generated)


def fund_shares(parts: Parts, sheets: Mapping[str, Sheet], found: Market, accounts: Layer | None) -> None:
    """Add the shares of every fund: worth what it owns, held by households unless the table of holdings says.

    Parameters
    ----------
    parts : Parts
        With its index; a fund without assets, or whose parts do not add up, is a problem.
    sheets : mapping of str to Sheet
        By type of agent.
    found : Market
        Assets of class ``FUND``, named as the fund, are added.
    accounts : Layer or None
        Accounts at banks.
    """
    rows, sheet = parts.types["funds"], sheets["funds"]
    kept = np.zeros(len(parts.ids)) if accounts is None else accounts.totals[0]
    owns = sheet["cash"] + kept[rows] + np.maximum(found.holdings[rows], 0.0).sum(axis=1)
    named, households = parts.texts("holdings", "asset"), parts.types["households"].start
    amount = parts.amounts("holdings", "amount")[0] if named else np.zeros(0)
    for k, total in enumerate(owns):
        who, name = parts.who("funds", k), parts.ids[rows.start + k]
        if not total > 0.0:
            parts.say("funds", k, f"{who} has no assets: give it accounts at banks, securities or cash")
            continue
        stated = sheet["total_assets"][k]
        if sheet["total_assets?"][k] and not abs(total - stated) <= CLOSES * stated:
            said = f"cash, accounts and securities add to {total:g}, total_assets is {stated:g}"
            parts.say("funds", k, f"{who}: {said}")
        held = np.zeros(len(parts.ids))
        for row in where([asset == name for asset in named]):
            _hold(parts, row, held, amount[row])
        rest = total - held.sum()
        if rest < -CLOSES * total:
            parts.say("funds", k, f"{who}: its shares held add to {held.sum():g}, it owns {total:g}")
        held[households] += max(rest, 0.0)
        found.add(name, SHARES, rows.start + k, held, shares=True)


def _hold(parts: Parts, row: int, held: Float, amount: float) -> None:
    """Let an agent hold shares of a fund."""
    name = parts.texts("holdings", "agent")[row]
    if name in HOLDERS:
        held[parts.types[name].start] += amount
    elif name in parts.rows and parts.kind_of(parts.rows[name]) in (BANKS, *FIRMS):
        held[parts.rows[name]] += amount
    else:
        parts.say("holdings", row, f"{parts.who('holdings', row)}: shares of a fund cannot be held by another fund")
