"""A system before any event as users see it: the table of its agents, its identities, its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.arrays import Float
from sim.errors import Problem
from sim.ledger.balance import (
    claims_owed,
    external_debt,
    net_worth,
    securities,
    shares_issued,
    summed,
    total_assets,
)
from sim.networks.layer import Layer
from sim.state import AGENTS, BANKS, State

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"banks": "bank", "tech_firms": "tech_firm", "platforms": "platform", "funds": "fund"}
"""What the column ``type`` says."""

LARGEST = 5
"""Largest agents shown in a notebook."""


def table(
    state: State,
    assets: Sequence[str],
    layers: Mapping[str, Layer],
    labels: Mapping[str, Sequence[str]],
    traits: Mapping[str, Float],
) -> pd.DataFrame:
    """Return one row an agent, sectors left out.

    Parameters
    ----------
    state : State
        At the start.
    assets : sequence of str
        Asset classes.
    layers : mapping of str to Layer
        All layers; those in currency give what each agent has lent and owes.
    labels : mapping of str to sequence of str
        Texts by agent.
    traits : mapping of str to float64[n_agents]
        Numbers that do not change.

    Returns
    -------
    DataFrame
        Type, labels, balance-sheet items in currency, traits.
    """
    import pandas as pd

    people = state.people
    kinds = [KINDS[kind] for kind in AGENTS for _ in state.ids[state.types[kind]]]
    columns: dict[str, Sequence[object] | Float] = {"type": kinds}
    columns |= {name: list(values) for name, values in labels.items()}
    columns |= {"total_assets": total_assets(state)[people, 0], "equity": net_worth(state)[people, 0]}
    for column in state.money:
        values = state.columns[column.name][people, 0]
        if values.any():
            columns[column.name] = values
    columns |= {asset: state.units[people, position, 0] for position, asset in enumerate(assets)}
    for name, layer in layers.items():
        if layer.unit == "currency" and name != "guarantees":
            lent, owed = layer.totals
            columns |= {f"{name}_assets": lent[people], f"{name}_liabilities": owed[people]}
    columns |= {name: values[people] for name, values in traits.items()}
    return pd.DataFrame(columns, index=pd.Index(state.ids[people], name="id"))


def identities(state: State, scale: float) -> dict[str, float]:
    """Return by how much the accounting identities are missed.

    Parameters
    ----------
    state : State
        At the start.
    scale : float
        All agents' assets, currency.

    Returns
    -------
    dict of str to float
        ``closure``: all net worths against real assets, as a share of `scale`; ``balance``: the largest difference
        between an agent's assets and its debts, issued shares and equity, as a share of its assets; ``supply``: the
        largest sum over holders and issuers of an asset, as a share of `scale`; ``funds``: the largest net worth of a
        fund as a share of its assets.
    """
    people, worth = state.people, net_worth(state)
    book, market = securities(state)
    closure = summed(worth) - summed(book - market) - summed(state.real_assets)
    own = total_assets(state)[people, 0]
    owed = claims_owed(state) + external_debt(state)
    issued = shares_issued(state, state.price)
    if issued is not None:
        owed = owed + issued
    gap = np.abs(own - owed[people, 0] - worth[people, 0]) / np.maximum(own, np.finfo(np.float64).tiny)
    supply = np.abs(state.units[:, :, 0].sum(axis=0)).max(initial=0.0)
    funds = state.rows("funds")
    return {
        "closure": float(abs(closure[0])) / scale,
        "balance": float(gap.max(initial=0.0)),
        "supply": float(supply) / scale,
        "funds": float((np.abs(worth[funds, 0]) / np.maximum(own[funds], np.finfo(np.float64).tiny)).max(initial=0.0)),
    }


def counted(state: State, kinds: Sequence[str] = AGENTS) -> str:
    """Return how many agents of each type there are, in words.

    Parameters
    ----------
    state : State
        Any state.
    kinds : sequence of str
        Which types; by default all.

    Returns
    -------
    str
        Such as ``"100 banks, 11 tech firms"``.
    """
    words = []
    for kind in kinds:
        n = state.types[kind].stop - state.types[kind].start
        if n or kind == BANKS:
            words.append(f"{n:,} {(kind if n != 1 else kind[:-1]).replace('_', ' ')}")
    return ", ".join(words)


def card(
    state: State,
    currency: str,
    assets: Sequence[str],
    layers: Mapping[str, Layer],
    notes: tuple[int, Sequence[Problem]],
) -> str:
    """Return a system as a card.

    Parameters
    ----------
    state : State
        At the start.
    currency : str
        Unit of all money.
    assets : sequence of str
        Asset classes.
    layers : mapping of str to Layer
        All layers.
    notes : tuple of int and sequence of Problem
        Number of cells and tables that were not observed; warnings.

    Returns
    -------
    str
        HTML, everything escaped.
    """
    from sim.report.cards import card as drawn
    from sim.report.cards import table as tabled
    from sim.report.text import number, scale

    people = state.people
    size, equity = total_assets(state)[people, 0], net_worth(state)[people, 0]
    shown = scale(currency or "currency", float(np.abs(size).max(initial=0.0)))
    facts = {
        "total assets": f"{number(float(size.sum()) * shown.factor)} {shown.unit}",
        "equity": f"{number(float(equity.sum()) * shown.factor)} {shown.unit}",
        "securities": ", ".join(assets) or "none",
        "layers": ", ".join(
            f"{name} ({layer.n_edges:,} edges, {'imputed' if layer.imputed else 'observed'})"
            for name, layer in layers.items()
        )
        or "none",
    }
    rows = [
        [state.ids[k], number(float(size[k]) * shown.factor), number(float(equity[k]) * shown.factor)]
        for k in np.argsort(-size, kind="stable")[:LARGEST]
    ]
    headings = ["bank" if people == state.banks else "agent", f"total assets, {shown.unit}", "equity"]
    told = [f"{notes[0]:,} cells or tables imputed, not observed; see .imputed"] if notes[0] else []
    told += map(str, notes[1])
    return drawn("System", counted(state), "", facts, [tabled(headings, rows, caption="Largest")], told)
