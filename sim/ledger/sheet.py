"""One agent's balance sheet as items with amounts, at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.ledger.balance import layer_carried, layer_owed, net_worth
from sim.state import State

SECURITIES, ISSUED, EQUITY = "Securities", "Issued", "Equity"
CLAIMS: Mapping[str, tuple[str, str]] = {
    "interbank": ("Claims on other banks", "Owed to other banks"),
    "overnight": ("Overnight claims on other banks", "Overnight debt to other banks"),
    "accounts": ("Accounts at banks", "Accounts of firms, platforms and funds"),
    "lending": ("Loans to firms and platforms", "Owed to banks"),
    "guarantees": ("Guarantees called", "Called from its guarantee"),
}
"""What creditors and debtors call their side of a layer."""


def sheet(state: State, row: int, lane: int, assets: Sequence[str]) -> list[tuple[str, str, float]]:
    """Return what an agent owns and owes.

    Parameters
    ----------
    state : State
        Now.
    row, lane : int
        Which agent, in which draw of the block.
    assets : sequence of str
        Names of the asset classes.

    Returns
    -------
    list of (str, str, float)
        ``side, item, amount``, currency; items of zero left out. Both sides add up to the same; shares that the agent
        has issued stand beside its debts, and equity is what is left.
    """
    items = [
        (
            "liabilities" if column.liability_to else "assets",
            column.meaning,
            float(state.columns[column.name][row, lane]),
        )
        for column in state.money
    ]
    for position, asset in enumerate(assets):
        share, price = float(state.fair_value[row, position]), float(state.price[position, lane])
        book = float(state.units[row, position, lane]) * (share * price + (1.0 - share))
        items.append(("assets", f"{SECURITIES}: {asset}", max(book, 0.0)))
        items.append(("liabilities", f"{ISSUED}: {asset}", max(-book, 0.0)))
    for layer, claims in state.layers.items():
        lent, owed = CLAIMS.get(layer, (f"Claims: {layer}", f"Owed: {layer}"))
        items.append(("assets", lent, float(layer_carried(state, claims, state.worth)[row, lane])))
        items.append(("liabilities", owed, float(layer_owed(state, claims)[row, lane])))
    items.append(("liabilities", EQUITY, float(net_worth(state)[row, lane])))
    return [item for item in items if item[2] != 0.0]
