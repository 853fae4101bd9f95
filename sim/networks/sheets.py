"""Balance sheets from tables: what each agent says of itself, and what is left of each side once all else is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.arrays import Bool, Float, added
from sim.errors import InputError, Problem, shown
from sim.networks.columns import LABELS, RULES, TRAITS
from sim.networks.layer import Layer
from sim.networks.parts import CLOSES, SINGULAR, Parts, where
from sim.state import AGENTS, BANKS, SUBORDINATED

Sheet = dict[str, Float]
"""Columns of one table of agents: ``float64[n]``; those called ``name?`` are 1 where the cell is given."""

DEPOSITS = ("deposits_insured", "deposits_uninsured", "deposits_wholesale")
DEBTS: Mapping[str, tuple[str, ...]] = {
    BANKS: (*DEPOSITS, SUBORDINATED.name),
    "tech_firms": (),
    "platforms": ("emoney",),
}
"""Debts to sectors that a table may state; what is left of the side is `other_liabilities`."""
LEFT: Mapping[str, str] = {BANKS: "loans", "tech_firms": "real_assets", "platforms": "real_assets"}
"""What is left of the assets of each type."""

ROUNDING = 1e-9
"""A residual this far below zero, as a share of total assets, is rounding and is read as zero."""
CONCENTRATED = 0.999
"""Share of all assets in one bank above which units are probably mixed."""


def index(parts: Parts, sectors: tuple[str, ...]) -> None:
    """Give every agent its row: banks, technology firms, platforms, funds, then one row a sector.

    Parameters
    ----------
    parts : Parts
        Its `ids`, `types` and `rows` are filled in.
    sectors : tuple of str
        Sector agents.

    Raises
    ------
    InputError
        If there are no banks, an id is missing or is given twice.
    """
    if not parts.tables.get(BANKS, {}).get("id"):
        raise InputError([Problem("no banks: the table needs a column id and at least one row", key=BANKS)])
    seen: dict[str, tuple[str, int]] = {}
    for kind in AGENTS:
        start = len(seen)
        for row, text in enumerate(parts.texts(kind, "id")):
            if not text:
                parts.say(kind, row, "id is empty")
            elif text in seen:
                other, at = seen[text]
                place = f"row {at + 1}" if other == kind else f"among the {other.replace('_', ' ')}"
                parts.say(kind, row, f"{SINGULAR[kind]} id {shown(text)} given twice ({place})")
            elif text in sectors:
                parts.say(kind, row, f"{SINGULAR[kind]} id {shown(text)} is the name of a sector; choose another")
            seen.setdefault(text, (kind, row))
        parts.types[kind] = slice(start, len(seen))
    if parts.problems:
        raise InputError(parts.problems)
    parts.rows = {name: row for row, name in enumerate(seen)}
    n = len(seen)
    parts.ids = (*seen, *sectors)
    parts.types |= {sector: slice(n + k, n + k + 1) for k, sector in enumerate(sectors)}


def read_sheets(parts: Parts) -> dict[str, Sheet]:
    """Read what each agent says of itself.

    Parameters
    ----------
    parts : Parts
        With its index.

    Returns
    -------
    dict of str to Sheet
        By type of agent.
    """
    return {kind: _sheet(parts, kind) for kind in AGENTS}


def _sheet(parts: Parts, kind: str) -> Sheet:
    sheet: Sheet = {}
    for name, rule in RULES[kind].items():
        if rule.is_numeric:
            sheet[name], given = parts.amounts(kind, name)
            sheet[name + "?"] = given.astype(np.float64)
    if kind == "platforms":
        _float_in_cash(parts, sheet)
    if kind != "funds":
        for name in ("total_assets", "equity"):
            for row in where(sheet[name + "?"] == 0.0):
                said = f"{name} is missing; every {SINGULAR[kind]} needs total_assets and equity"
                parts.say(kind, row, f"{parts.who(kind, row)}: {said}")
        _equity(parts, kind, sheet)
    everything = sheet["total_assets"].sum()
    concentrated = sheet["total_assets"] > CONCENTRATED * everything
    for row in where(concentrated) if kind == BANKS and concentrated.size > 1 else ():
        share = sheet["total_assets"][row] / everything
        parts.say(kind, row, f"{parts.who(kind, row)} holds {share:.1%} of all assets; check the units", warn=True)
    return sheet


def _float_in_cash(parts: Parts, sheet: Sheet) -> None:
    """Let electronic money stand in reserves where a platform does not say what backs it."""
    for row in where(given(sheet, "emoney") & ~given(sheet, "cash")):
        sheet["cash"][row] = sheet["emoney"][row]
        parts.impute("platforms", str(parts.tables["platforms"]["id"][row]), "cash", "all of its electronic money")


def _equity(parts: Parts, kind: str, sheet: Sheet) -> None:
    """Compare equity with total assets."""
    for row, (total, equity) in enumerate(zip(sheet["total_assets"], sheet["equity"], strict=True)):
        who = parts.who(kind, row)
        if not total > 0.0:
            parts.say(kind, row, f"{who}: total_assets must be positive, got {total:g}")
        elif equity > total:
            parts.say(kind, row, f"{who}: equity {equity:g} is above total assets {total:g}")
        elif equity < 0.0:
            parts.say(kind, row, f"{who} starts with negative equity: it fails at its first loss", warn=True)


def complete(
    parts: Parts, sheets: Mapping[str, Sheet], layers: Mapping[str, Layer], holdings: Float
) -> dict[str, Float]:
    """Fill what is left of each side, unless the tables state it.

    Parameters
    ----------
    parts : Parts
        With its index; what does not add up is a problem.
    sheets : mapping of str to Sheet
        By type of agent.
    layers : mapping of str to Layer
        Claims between agents.
    holdings : float64[n_agents, n_assets], currency
        Issuers negative.

    Returns
    -------
    dict of str to float64[n_agents]
        Money columns at the start, currency. A bank's loans, and another agent's real assets, are what is left of its
        assets; other liabilities are what is left of the other side.
    """
    n = len(parts.ids)
    lent, owed = np.zeros(n), np.zeros(n)
    for layer in layers.values():
        rows_of, columns_of = layer.totals
        lent += rows_of
        owed += columns_of
    names = ["loans", "other_liabilities", *DEPOSITS, "cash", "emoney", "real_assets"]
    if sheets[BANKS][SUBORDINATED.name].any():
        names.append(SUBORDINATED.name)
    start = {name: np.zeros(n) for name in names}
    held = np.maximum(holdings, 0.0)
    for kind, rest in LEFT.items():
        rows, sheet = parts.types[kind], sheets[kind]
        total = sheet["total_assets"]
        assets = total - sheet["cash"] - held[rows].sum(axis=1) - lent[rows]
        debts = total - sheet["equity"] - owed[rows] - added(sheet[name] for name in DEBTS[kind])
        if kind == BANKS:
            assets = assets - sheet["real_assets"]
            start["real_assets"][rows] = sheet["real_assets"]
        _fits(parts, kind, sheet, rest, assets)
        _fits(parts, kind, sheet, "other_liabilities", debts)
        given = {rest: assets, "other_liabilities": debts, "cash": sheet["cash"]}
        for name, values in (given | {name: sheet[name] for name in DEBTS[kind] if name in start}).items():
            start[name][rows] = np.maximum(values, 0.0)
    start["cash"][parts.types["funds"]] = sheets["funds"]["cash"]
    rows = parts.types["platforms"]
    backing = start["cash"][rows] + held[rows].sum(axis=1) + lent[rows]
    for row in where(start["emoney"][rows] > backing * (1.0 + CLOSES)):
        said = (
            f"emoney {sheets['platforms']['emoney'][row]:g} is above what backs it: cash, accounts and securities of "
        )
        parts.say("platforms", row, f"{parts.who('platforms', row)}: {said}{backing[row]:g}")
    return start


def _fits(parts: Parts, kind: str, sheet: Sheet, name: str, residual: Float) -> None:
    """Compare what is left of a side with what the table states, and with zero."""
    total = sheet["total_assets"]
    side = "liabilities and equity" if name == "other_liabilities" else "assets"
    for row in range(total.size):
        who, slack = parts.who(kind, row), CLOSES * total[row]
        if sheet[name + "?"][row] and not abs(sheet[name][row] - residual[row]) <= slack:
            gap = (sheet[name][row] - residual[row]) / total[row]
            said = f"{who}: {side} differ from total_assets {total[row]:g} by {gap:+.2%} (tolerance 1e-6)"
            parts.say(kind, row, said)
        elif residual[row] < -ROUNDING * total[row]:
            said = f"{who}: the {side} given exceed total_assets {total[row]:g} by {-residual[row]:g}; "
            parts.say(kind, row, said + f"nothing is left for {name}")


def described(parts: Parts, sheets: Mapping[str, Sheet]) -> tuple[dict[str, tuple[str, ...]], dict[str, Float]]:
    """Return what the tables say of agents beside their balance sheets.

    Parameters
    ----------
    parts : Parts
        With its index.
    sheets : mapping of str to Sheet
        By type of agent.

    Returns
    -------
    tuple of dict of str to tuple of str, and dict of str to float64[n_agents]
        Labels of all agents that are no sectors, empty where nothing is given; and traits, 0 where nothing is given.
    """
    labels = {
        name: tuple(text for kind in AGENTS for text in parts.texts(kind, name))
        for name in LABELS
        if any(name in parts.tables.get(kind, {}) for kind in AGENTS)
    }
    traits: dict[str, Float] = {}
    for name in TRAITS:
        for kind in AGENTS:
            if name in RULES[kind] and name in parts.tables.get(kind, {}):
                traits.setdefault(name, np.zeros(len(parts.ids)))[parts.types[kind]] = sheets[kind][name]
    return labels, traits


def given(sheet: Sheet, name: str) -> Bool:
    """Return where a table states an amount.

    Parameters
    ----------
    sheet : Sheet
        Of one type of agent.
    name : str
        Column.

    Returns
    -------
    bool[n]
        True where the cell is given.
    """
    return np.asarray(sheet[name + "?"] > 0.0)
