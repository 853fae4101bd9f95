"""From tables to the parts of a system: balance sheets completed, missing links reconstructed, all of it labelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.errors import InputError, Problem, nearest, shown
from sim.networks.layer import Layer
from sim.networks.reconstruct import max_entropy
from sim.state import AGENTS, BANKS

Rows = Mapping[str, Sequence[Any]]
DEPOSITS = ("deposits_insured", "deposits_uninsured", "deposits_wholesale")
OTHER_ASSETS_ISSUER = "borrowers"
CLOSES = 1e-6
"""Largest gap between two statements of one balance sheet, as a share of total assets."""
ROUNDING = 1e-9
"""A residual this far below zero, as a share of total assets, is rounding and is read as zero."""
CONCENTRATED = 0.999
"""Share of all assets in one bank above which units are probably mixed."""


@dataclass
class Parts:
    """What is being put together; `where` gives path and line of a table's row.

    Parameters
    ----------
    tables : dict of str to Rows
        ``banks`` and optionally ``exposures``, ``holdings``, ``assets``.
    where : dict of str to tuple of (str, list of int)
        Path and line numbers of each table that came from a file.
    """

    tables: Mapping[str, Rows]
    where: Mapping[str, tuple[str, Sequence[int]]]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    imputed: list[dict[str, str]] = field(default_factory=list)

    def say(self, table: str, row: int, message: str, *, warn: bool = False) -> None:
        """Note a problem, or a warning, of one row.

        Parameters
        ----------
        table : str
            Table.
        row : int
            Row in it.
        message : str
            What is wrong.
        warn : bool
            Whether it can still be used.
        """
        path, lines = self.where.get(table, ("", []))
        line = lines[row] if row < len(lines) else None
        (self.warnings if warn else self.problems).append(Problem(message, path, line, table))

    def amounts(self, table: str, column: str, n: int) -> tuple[Float, np.ndarray[Any, np.dtype[np.bool_]]]:
        """Return a numeric column and where it is given.

        Parameters
        ----------
        table, column : str
            Which.
        n : int
            Rows.

        Returns
        -------
        tuple of float64[n] and bool[n]
            Zero where nothing is given.
        """
        cells = self.tables[table].get(column, [None] * n)
        given = np.array([cell is not None for cell in cells], dtype=np.bool_)
        values = np.zeros(n)
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            try:
                values[row] = float(cell)
            except (TypeError, ValueError):
                self.say(table, row, f"{column} {shown(cell)} is not a number")
                continue
            if not math.isfinite(values[row]):
                self.say(table, row, f"{column} must be finite, got {values[row]}")
                values[row] = 0.0
        return values, given


def assemble(
    tables: Mapping[str, Rows],
    *,
    sectors: Sequence[str],
    fair_value_share: float = 1.0,
    where: Mapping[str, tuple[str, Sequence[int]]] | None = None,
    reconstruct: str = "max_entropy",
) -> dict[str, Any]:
    """Complete balance sheets and build layers from tables.

    Parameters
    ----------
    tables : mapping of str to mapping of str to sequence
        Columns by name; missing cells are None. ``banks`` is required.
    sectors : sequence of str
        Sector agents appended after the banks, one row each.
    fair_value_share : float
        Share marked to market where the holdings do not say, 1.
    where : mapping, optional
        Path and line numbers of each table, for messages.
    reconstruct : {"max_entropy", "none"}
        What to do when interbank totals are given without bilateral exposures.

    Returns
    -------
    dict
        Keyword arguments of `System`, without the currency.

    Raises
    ------
    InputError
        All problems at once.
    """
    parts = Parts(tables, where or {})
    ids = _ids(parts)
    if parts.problems:
        raise InputError(parts.problems)
    n_banks, agents = len(ids), (*ids, *sectors)
    types = {kind: slice(n_banks, n_banks) for kind in AGENTS} | {BANKS: slice(0, n_banks)}
    types |= {sector: slice(n_banks + k, n_banks + k + 1) for k, sector in enumerate(sectors)}
    sheet = _balance_sheets(parts, n_banks)
    market = _market(parts, ids, types, fair_value_share)
    if parts.problems:
        raise InputError(parts.problems)
    layer = _interbank(parts, agents, ids, sheet, reconstruct)
    start = _residuals(parts, ids, len(agents), sheet, market["holdings"], layer)
    if parts.problems:
        raise InputError(parts.problems)
    _named_as_imputed(parts)
    borrowers = types[OTHER_ASSETS_ISSUER].start
    issued = -market["holdings"][borrowers].sum()
    start["real_assets"] = np.zeros(len(agents))
    start["real_assets"][borrowers] = start["loans"].sum() + issued
    labels = {
        name: tuple("" if cell is None else str(cell) for cell in tables["banks"][name])
        for name in ("name", "country")
        if name in tables["banks"]
    }
    return {
        "ids": agents,
        "types": types,
        "start": start,
        "layers": {layer.name: layer},
        "labels": labels,
        "imputed": tuple(parts.imputed),
        "warnings": tuple(parts.warnings),
        **market,
    }


def _where(mask: Any) -> list[int]:
    return [int(row) for row in np.flatnonzero(mask)]


def _ids(parts: Parts) -> tuple[str, ...]:
    cells = parts.tables["banks"].get("id")
    if not cells:
        raise InputError([Problem("no banks: the table needs a column id and at least one row", key="banks")])
    seen: dict[str, int] = {}
    for row, cell in enumerate(cells):
        text = "" if cell is None else str(cell)
        if not text:
            parts.say("banks", row, "id is empty")
        elif text in seen:
            parts.say("banks", row, f"bank id {shown(text)} given twice (row {seen[text] + 1})")
        seen.setdefault(text, row)
    return tuple(seen)


def _balance_sheets(parts: Parts, n: int) -> dict[str, Float]:
    sheet: dict[str, Float] = {}
    for name in ("total_assets", "equity"):
        values, given = parts.amounts("banks", name, n)
        for row in _where(~given):
            parts.say("banks", row, f"{name} is missing; every bank needs total_assets and equity")
        sheet[name] = values
    optional = ("cash", *DEPOSITS, "loans", "other_liabilities", "interbank_assets", "interbank_liabilities")
    for name in optional:
        sheet[name], given = parts.amounts("banks", name, n)
        sheet[name + "?"] = given.astype(np.float64)
        for row in _where(sheet[name] < 0.0):
            parts.say("banks", row, f"{name} {sheet[name][row]:g} is negative")
    for row in range(n):
        total, equity = sheet["total_assets"][row], sheet["equity"][row]
        bank = parts.tables["banks"]["id"][row]
        if not total > 0.0:
            parts.say("banks", row, f"bank {bank}: total_assets must be positive, got {total:g}")
        elif equity > total:
            parts.say("banks", row, f"bank {bank}: equity {equity:g} is above total assets {total:g}")
        elif equity < 0.0:
            parts.say("banks", row, f"bank {bank} starts with negative equity: it fails at its first loss", warn=True)
    everything = sheet["total_assets"].sum()
    for row in _where(sheet["total_assets"] > CONCENTRATED * everything) if n > 1 else ():
        share = sheet["total_assets"][row] / everything
        text = f"bank {parts.tables['banks']['id'][row]} holds {share:.1%} of all assets; check the units"
        parts.say("banks", row, text, warn=True)
    return sheet


def _market(parts: Parts, ids: tuple[str, ...], types: dict[str, slice], share: float) -> dict[str, Any]:
    n_agents = max(rows.stop for rows in types.values())
    assets = tuple(str(cell) for cell in parts.tables.get("assets", {}).get("asset", ()))
    n = len(assets)
    for row, name in enumerate(assets):
        if name in assets[:row]:
            parts.say("assets", row, f"asset {shown(name)} given twice")
    depth = parts.amounts("assets", "depth", n)[0] if n else np.zeros(0)
    for row in _where(~(depth > 0.0)):
        parts.say("assets", row, f"depth of {assets[row]} must be positive, got {depth[row]:g}")
    floor = parts.amounts("assets", "price_floor", n)[0] if n else np.zeros(0)
    for row in _where(~((floor >= 0.0) & (floor < 1.0))):
        parts.say("assets", row, f"price_floor of {assets[row]} must be in [0, 1), got {floor[row]:g}")
    issuers = []
    for row, name in enumerate(parts.tables.get("assets", {}).get("issuer", [None] * n)):
        sector = str(name or OTHER_ASSETS_ISSUER)
        if sector not in ("government", "borrowers"):
            parts.say("assets", row, f"issuer {shown(sector)} must be government or borrowers")
            sector = OTHER_ASSETS_ISSUER
        issuers.append(types[sector].start)
    holdings, fair = _holdings(parts, ids, assets, n_agents, share)
    for position, issuer in enumerate(issuers):
        holdings[issuer, position] -= holdings[: len(ids), position].sum()
    return {
        "assets": assets,
        "holdings": holdings,
        "fair_value": fair,
        "depth": depth,
        "floor": floor,
        "issuers": tuple(issuers),
    }


def _holdings(
    parts: Parts, ids: tuple[str, ...], assets: tuple[str, ...], n_agents: int, share: float
) -> tuple[Float, Float]:
    n = len(assets)
    holdings, fair = np.zeros((n_agents, n)), np.ones((n_agents, n))
    fair[: len(ids)] = share
    table = parts.tables.get("holdings", {})
    count = len(table.get("agent", ()))
    amount = parts.amounts("holdings", "amount", count)[0] if count else np.zeros(0)
    shares, told = parts.amounts("holdings", "fair_value_share", count) if count else (np.zeros(0), np.zeros(0))
    taken: set[tuple[int, int]] = set()
    bank_row, asset_row = {b: k for k, b in enumerate(ids)}, {a: k for k, a in enumerate(assets)}
    for row in range(count):
        agent, asset = str(table["agent"][row]), str(table["asset"][row])
        if agent not in bank_row:
            parts.say("holdings", row, f"agent {shown(agent)} is not among the banks{nearest(agent, ids)}")
            continue
        if asset not in asset_row:
            parts.say("holdings", row, f"asset {shown(asset)} is not among the assets{nearest(asset, assets)}")
            continue
        if amount[row] < 0.0:
            parts.say("holdings", row, f"amount {amount[row]:g} is negative")
        cell = (bank_row[agent], asset_row[asset])
        if cell in taken:
            parts.say("holdings", row, f"{agent} and {asset} given twice")
        taken.add(cell)
        holdings[cell] = amount[row]
        if told[row]:
            if not 0.0 <= shares[row] <= 1.0:
                parts.say("holdings", row, f"fair_value_share = {shares[row]:g} must be in [0, 1]")
            fair[cell] = shares[row]
    return holdings, fair


def _interbank(
    parts: Parts, agents: tuple[str, ...], ids: tuple[str, ...], sheet: dict[str, Float], reconstruct: str
) -> Layer:
    if "exposures" in parts.tables:
        table = parts.tables["exposures"]
        layer = Layer.from_edges("interbank", agents, table["creditor"], table["debtor"], table["amount"])
        if not layer.weights.size:
            parts.warnings.append(Problem("no positive exposure: the interbank network is empty", key="exposures"))
        return layer
    lent, borrowed = sheet["interbank_assets"], sheet["interbank_liabilities"]
    if reconstruct == "none" or not lent.any():
        return Layer.from_edges("interbank", agents, [], [], [])
    if not sheet["interbank_liabilities?"].any():
        funding = sheet["total_assets"] - sheet["equity"]
        borrowed = lent.sum() * funding / funding.sum()
        how = "in proportion to funding other than equity, closed system"
        parts.imputed.append({"table": "banks", "row": "all", "cell": "interbank_liabilities", "how": how})
    matrix = max_entropy(lent, borrowed)
    how = "maximum entropy given both margins, zero diagonal"
    parts.imputed.append({"table": "exposures", "row": "all", "cell": "amount", "how": how})
    inner = np.zeros((len(agents), len(agents)))
    inner[: len(ids), : len(ids)] = matrix
    return Layer.from_matrix("interbank", agents, inner, imputed=True)


def _residuals(
    parts: Parts, ids: tuple[str, ...], n_agents: int, sheet: dict[str, Float], holdings: Float, layer: Layer
) -> dict[str, Float]:
    """Fill what is left of each side: loans and other liabilities, unless the table states them."""
    n = len(ids)
    matrix = layer.to_scipy()
    lent = np.asarray(matrix.sum(axis=1)).ravel()[:n]
    owed = np.asarray(matrix.sum(axis=0)).ravel()[:n]
    total = sheet["total_assets"]
    loans = total - sheet["cash"] - holdings[:n].sum(axis=1) - lent
    other = total - sheet["equity"] - owed - sum(sheet[name] for name in DEPOSITS)
    for name, residual, side in (("loans", loans, "assets"), ("other_liabilities", other, "liabilities and equity")):
        for row in range(n):
            slack = CLOSES * total[row]
            if sheet[name + "?"][row] and not abs(sheet[name][row] - residual[row]) <= slack:
                gap = (sheet[name][row] - residual[row]) / total[row]
                text = f"bank {ids[row]}: {side} differ from total_assets {total[row]:g} by {gap:+.2%} (tolerance 1e-6)"
                parts.say("banks", row, text)
            elif residual[row] < -ROUNDING * total[row]:
                text = (
                    f"bank {ids[row]}: the {side} given exceed total_assets {total[row]:g} by {-residual[row]:g}; "
                    f"nothing is left for {name}"
                )
                parts.say("banks", row, text)
    start = {}
    for name, values in (("loans", loans), ("other_liabilities", other), *((d, sheet[d]) for d in (*DEPOSITS, "cash"))):
        start[name] = np.zeros(n_agents)
        start[name][:n] = np.maximum(values, 0.0)
    return start


def _named_as_imputed(parts: Parts) -> None:
    """Collect the cells that the tables themselves call imputed."""
    for table, label in (("banks", "id"), ("assets", "asset"), ("holdings", "agent"), ("exposures", "creditor")):
        rows = parts.tables.get(table, {})
        for row, cells in enumerate(rows.get("imputed", ())):
            for cell in str(cells or "").split():
                key = str(rows[label][row]) + (f" {rows['asset'][row]}" if table == "holdings" else "")
                parts.imputed.append(
                    {"table": table, "row": key, "cell": cell, "how": "named as imputed in the table itself"}
                )
