"""From tables to the parts of a system: balance sheets completed, missing links reconstructed, all of it labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.errors import InputError
from sim.networks.columns import RULES
from sim.networks.generators import Margins, Networks
from sim.networks.layer import Layer
from sim.networks.links import claims, other_layers, services
from sim.networks.markets import fund_shares, market, pools
from sim.networks.parts import Parts, Rows
from sim.networks.sheets import Sheet, complete, described, index, read_sheets
from sim.state import BANKS, INTERBANK, multipliers

__all__ = ["Parts", "Rows", "assemble"]

BETWEEN_BANKS = (INTERBANK, "overnight")
"""Layers whose totals the banks state as ``<layer>_assets`` and ``<layer>_liabilities``."""


def assemble(
    tables: Mapping[str, Rows],
    *,
    sectors: Sequence[str],
    fair_value_share: float = 1.0,
    where: Mapping[str, tuple[Sequence[str], Sequence[int]]] | None = None,
    networks: Networks | None = None,
    generated: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Complete balance sheets and build layers from tables.

    Parameters
    ----------
    tables : mapping of str to mapping of str to sequence
        Columns by name; missing cells are None. ``banks`` is required.
    sectors : sequence of str
        Sector agents appended after all others, one row each.
    fair_value_share : float
        Share marked to market where the holdings do not say, 1.
    where : mapping, optional
        Path and line number of each row of a table, for messages.
    networks : Networks, optional
        Makes a layer where banks' totals on it are given without bilateral exposures; by default maximum entropy.
    generated : mapping of str to str, optional
        Tables that nobody observed, and how they were made.

    Returns
    -------
    dict
        Keyword arguments of `System`, without the currency.

    Raises
    ------
    InputError
        All problems at once.
    """
    parts = Parts(tables, where or {}, generated or {})
    index(parts, tuple(sectors))
    sheets = read_sheets(parts)
    securities = market(parts, sheets, fair_value_share)
    layers = claims(parts, sheets, securities.holdings)
    guarantees = pools(parts, sheets, securities)
    others, used = other_layers(parts), services(parts)
    _refuse(parts)
    for name in BETWEEN_BANKS:
        if name not in layers:
            made = _between_banks(parts, name, sheets[BANKS], networks or Networks())
            if made.n_edges or name == INTERBANK:
                layers[name] = made
    layers = {name: layers[name] for name in (*BETWEEN_BANKS, *layers) if name in layers}
    fund_shares(parts, sheets, securities, layers.get("accounts"))
    start = complete(parts, sheets, layers, securities.holdings)
    _refuse(parts)
    _named_as_imputed(parts)
    _back(parts, start, securities.holdings)
    if guarantees is not None:
        layers["guarantees"] = guarantees
        start[multipliers("guarantees")[1]] = np.zeros(len(parts.ids))  # nothing has been called yet
    labels, traits = described(parts, sheets)
    return {
        "ids": parts.ids,
        "types": parts.types,
        "start": start,
        "layers": layers | others,
        "labels": labels,
        "traits": traits,
        "services": used,
        "imputed": tuple(parts.imputed),
        "warnings": tuple(parts.warnings),
        **securities.parts(),
    }


def _refuse(parts: Parts) -> None:
    """Raise everything that is wrong so far."""
    if parts.problems:
        raise InputError(list(dict.fromkeys(parts.problems)))


def _between_banks(parts: Parts, name: str, sheet: Sheet, networks: Networks) -> Layer:
    """Claims between banks where only their totals are known."""
    lent, borrowed = sheet[f"{name}_assets"], sheet[f"{name}_liabilities"]
    if networks.of(name) is None or not lent.any():
        return Layer.from_edges(name, parts.ids, [], [], [])
    if not sheet[f"{name}_liabilities?"].any():
        funding = sheet["total_assets"] - sheet["equity"]
        borrowed = lent.sum() * funding / funding.sum()
        how = "in proportion to funding other than equity, closed system"
        parts.impute(BANKS, "all", f"{name}_liabilities", how)
    margins = Margins(parts.ids[: lent.size], lent, borrowed, sheet["total_assets"])
    layer, how = networks.layer(name, margins)
    parts.impute("exposures", "all" if name == INTERBANK else f"layer {name}", "amount", how)
    return layer.among(parts.ids)


def _back(parts: Parts, start: dict[str, Float], holdings: Float) -> None:
    """Give the borrowers real assets for what they owe: loans, and securities and pools they have issued."""
    borrowers, underserved = (parts.types[name].start for name in ("borrowers", "underserved"))
    start["real_assets"][borrowers] = start["loans"].sum() - holdings[borrowers].sum()
    start["real_assets"][underserved] = -holdings[underserved].sum()


def _named_as_imputed(parts: Parts) -> None:
    """Collect the cells that the tables themselves call imputed, and the tables that were made as a whole."""
    for table, how in parts.generated.items():
        parts.impute(table, "all", "all", how)
    for table in dict.fromkeys((BANKS, "assets", "holdings", "exposures", *RULES)):
        if table in parts.generated:
            continue
        label, rows = next(iter(RULES[table])), parts.tables.get(table, {})
        for row, cells in enumerate(rows.get("imputed", ())):
            for cell in str(cells or "").split():
                key = str(rows[label][row]) + (f" {rows['asset'][row]}" if table == "holdings" else "")
                parts.impute(table, key, cell, "named as imputed in the table itself")
