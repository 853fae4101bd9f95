"""One agent's balance sheet as items with amounts, at any time."""

from __future__ import annotations

from collections.abc import Sequence

from sim.ledger.balance import claims_carried, claims_owed, net_worth
from sim.state import State

SECURITIES = "Securities"
CLAIMS, DEBT, EQUITY = "Claims on other agents", "Owed to other agents", "Equity"


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
        ``side, item, amount``, currency; items of zero left out. Both sides add up to the same.
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
        items.append(("assets", f"{SECURITIES}: {asset}", book))
    items.append(("assets", CLAIMS, float(claims_carried(state)[row, lane])))
    items.append(("liabilities", DEBT, float(claims_owed(state)[row, lane])))
    items.append(("liabilities", EQUITY, float(net_worth(state)[row, lane])))
    return [item for item in items if item[2] != 0.0]
