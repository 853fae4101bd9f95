"""Layers from tables: claims between agents, payments, distribution, sponsors of funds, services."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.arrays import Float, Int, csr
from sim.errors import Problem, nearest, shown
from sim.networks.layer import Layer
from sim.networks.parts import CLOSES, Parts, where
from sim.networks.services import Services
from sim.networks.sheets import Sheet, given
from sim.state import AGENTS, BANKS, INTERBANK

FIRMS = ("tech_firms", "platforms")
CLAIMS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    INTERBANK: ((BANKS,), (BANKS,)),
    "overnight": ((BANKS,), (BANKS,)),
    "accounts": ((*FIRMS, "funds"), (BANKS,)),
    "lending": ((BANKS,), FIRMS),
}
"""Layers of claims that ``exposures.csv`` may hold: types of creditors and of debtors."""

TOTALS = {"accounts": "accounts", "lending": "borrowed"}
"""Column in which a firm states its total on a layer."""


def claims(parts: Parts, sheets: Mapping[str, Sheet], holdings: Float) -> dict[str, Layer]:
    """Build the layers of claims that the tables give, and those that follow from totals alone.

    Parameters
    ----------
    parts : Parts
        With its index.
    sheets : mapping of str to Sheet
        By type of agent.
    holdings : float64[n_agents, n_assets], currency
        What funds hold beside their accounts.

    Returns
    -------
    dict of str to Layer
        Claims between banks only where the table of exposures gives them.
    """
    found = _given(parts)
    for name in TOTALS:
        layer = _spread_totals(parts, sheets, name, found.get(name), holdings)
        if layer is not None:
            found[name] = layer
    return found


def _given(parts: Parts) -> dict[str, Layer]:
    """The layers in the table of exposures."""
    if "exposures" not in parts.tables:
        return {}
    amount, names = parts.amounts("exposures", "amount")[0], parts.texts("exposures", "layer")
    of = np.array([name or INTERBANK for name in names], dtype=object)
    for row in where([name not in CLAIMS for name in of]):
        said = f"layer {shown(of[row])} holds no claims between agents; allowed: {', '.join(CLAIMS)}"
        parts.say("exposures", row, f"{parts.who('exposures', row)}: {said}{nearest(of[row], CLAIMS)}")
    parts.once("exposures", parts.texts("exposures", "creditor"), parts.texts("exposures", "debtor"), of.tolist())
    found = {}
    for name, (creditors, debtors) in CLAIMS.items():
        rows = np.asarray(of == name)
        if rows.any() or (name == INTERBANK and not of.size):
            lenders = parts.agents("exposures", "creditor", creditors, rows)
            ends = lenders, parts.agents("exposures", "debtor", debtors, rows)
            for row in where((ends[0] == ends[1]) & (ends[0] >= 0) & (amount[rows] != 0.0)):
                said = f"creditor and debtor are both {shown(parts.ids[ends[0][row]])}"
                parts.say("exposures", where(rows)[row], said)
            found[name] = _layer(parts, name, "exposures", ends, amount[rows])
    if set(found) == {INTERBANK} and not found[INTERBANK].n_edges:
        parts.warnings.append(Problem("no positive exposure: the interbank network is empty", key="exposures"))
    return found


def _layer(parts: Parts, name: str, table: str, ends: tuple[Int, Int], weights: Float, unit: str = "currency") -> Layer:
    """A layer of edges; those that are a problem are left out, as the problem stops everything."""
    from scipy import sparse

    n, (rows, columns) = len(parts.ids), ends
    fine = (rows >= 0) & (columns >= 0) & (rows != columns) & (weights >= 0.0)
    matrix = sparse.coo_array((weights[fine], (rows[fine], columns[fine])), shape=(n, n))
    return Layer(name, parts.ids, csr(matrix), unit, imputed=not {name, table}.isdisjoint(parts.generated))


def _spread_totals(
    parts: Parts, sheets: Mapping[str, Sheet], name: str, layer: Layer | None, holdings: Float
) -> Layer | None:
    """Compare claims with the totals that firms state; where there are only totals, spread them over the banks."""
    n = len(parts.ids)
    by_row = np.zeros(n) if layer is None else layer.totals[0 if name == "accounts" else 1]
    wanted, told = np.zeros(n), np.zeros(n, dtype=np.bool_)
    for kind in CLAIMS[name][0] if name == "accounts" else CLAIMS[name][1]:
        rows, sheet = parts.types[kind], sheets[kind]
        wanted[rows], told[rows] = sheet[TOTALS[name]], given(sheet, TOTALS[name])
        if kind == "funds":
            rest = sheet["total_assets"] - sheet["cash"] - np.maximum(holdings[rows], 0.0).sum(axis=1)
            follows = given(sheet, "total_assets") & ~given(sheet, "accounts") & (by_row[rows] == 0.0)
            wanted[rows] = np.where(follows, np.maximum(rest, 0.0), wanted[rows])
            told[rows] |= follows
    for row in where(told & (by_row > 0.0) & (np.abs(by_row - wanted) > CLOSES * wanted)):
        kind = parts.kind_of(row)
        at = row - parts.types[kind].start
        said = f"{TOTALS[name]} {wanted[row]:g}, but its claims on layer {name} add to {by_row[row]:g}"
        parts.say(kind, at, f"{parts.who(kind, at)}: {said}")
    missing = where(told & (by_row == 0.0) & (wanted > 0.0))
    if not missing:
        return layer
    from scipy import sparse

    banks = parts.types[BANKS]
    share = sheets[BANKS]["total_assets"] / (sheets[BANKS]["total_assets"].sum() or 1.0)
    made = sparse.lil_array((n, n))
    for row in missing:
        made[row, banks] = (wanted[row] * share)[None, :]
        parts.impute(name, parts.ids[row], "amount", "spread over the banks in proportion to their total assets")
    matrix = made.tocsr() if name == "accounts" else made.T.tocsr()
    whole = matrix if layer is None else layer.to_scipy() + matrix
    return Layer.from_matrix(name, parts.ids, whole, imputed=True)


def other_layers(parts: Parts) -> dict[str, Layer]:
    """Build the layers that are no claims: payments, distribution, sponsors.

    Parameters
    ----------
    parts : Parts
        With its index.

    Returns
    -------
    dict of str to Layer
        ``payments`` (row = payee, column = payer, currency a day), ``distribution`` (row = bank, column = platform, 1)
        and ``ownership`` (row = sponsor, column = fund, 1), each where there is something.
    """
    found = {}
    if "payments" in parts.tables:
        ends = parts.agents("payments", "payee", AGENTS), parts.agents("payments", "payer", AGENTS)
        for row in where((ends[0] == ends[1]) & (ends[0] >= 0)):
            parts.say("payments", row, f"payer and payee are both {shown(parts.ids[ends[0][row]])}")
        parts.once("payments", ends[1].tolist(), ends[0].tolist())
        amount = parts.amounts("payments", "amount")[0]
        found["payments"] = _layer(parts, "payments", "payments", ends, amount, "currency/day")
    if "distribution" in parts.tables:
        ends = parts.agents("distribution", "bank", (BANKS,)), parts.agents("distribution", "platform", ("platforms",))
        parts.once("distribution", ends[0].tolist(), ends[1].tolist())
        share = parts.amounts("distribution", "share")[0]
        found["distribution"] = _layer(parts, "distribution", "distribution", ends, share, "1")
        _at_most_one(parts, "distribution", found["distribution"], "bank")
    sponsors = parts.texts("funds", "sponsor")
    if any(sponsors):
        of = np.array([bool(name) for name in sponsors])
        owners = parts.agents("funds", "sponsor", (BANKS, *FIRMS), of)
        funds = np.arange(parts.types["funds"].start, parts.types["funds"].stop)[of]
        found["ownership"] = _layer(parts, "ownership", "funds", (owners, funds), np.ones(funds.size), "1")
    return found


def _at_most_one(parts: Parts, table: str, layer: Layer, column: str) -> None:
    sums = layer.totals[0]
    for row in where(sums > 1.0 + CLOSES):
        at = parts.texts(table, column).index(parts.ids[row])
        parts.say(table, at, f"{column} {parts.ids[row]}: its shares add to {sums[row]:g}; allowed: at most 1")


def services(parts: Parts) -> Services | None:
    """Build who depends on whose service.

    Parameters
    ----------
    parts : Parts
        With its index.

    Returns
    -------
    Services or None
        None where no table says anything.
    """
    if not parts.count("services"):
        return None
    users, providers = parts.agents("services", "user", AGENTS), parts.agents("services", "provider", FIRMS)
    for row in where((users == providers) & (users >= 0)):
        parts.say("services", row, f"{shown(parts.ids[users[row]])} cannot be its own provider")
    names = parts.texts("services", "function")
    functions = tuple(sorted(set(names)))
    place = {name: k for k, name in enumerate(functions)}
    of = np.array([place[name] for name in names], dtype=np.int64)
    parts.once("services", users.tolist(), providers.tolist(), names)
    share = parts.amounts("services", "share")[0]
    layers = []
    for k, name in enumerate(functions):
        rows = of == k
        layer = _layer(parts, name, "services", (users[rows], providers[rows]), share[rows], "1")
        _users_at_most_one(parts, layer, rows, users)
        layers.append(layer.csr)
    told = {name: _by_user(parts, name, of, users, len(functions)) for name in ("criticality", "backup")}
    imputed = "services" in parts.generated
    return Services(functions, tuple(layers), told["criticality"], told["backup"], imputed=imputed)


def _users_at_most_one(parts: Parts, layer: Layer, rows: np.ndarray, users: Int) -> None:
    sums = layer.totals[0]
    for user in where(sums > 1.0 + CLOSES):
        at = where(rows & (users == user))[0]
        said = f"{parts.ids[user]}: its shares of function {layer.name} add to {sums[user]:g}"
        parts.say("services", at, f"{said}; allowed: at most 1, the rest is done in house")


def _by_user(parts: Parts, column: str, functions: Int, users: Int, n_functions: int) -> Float:
    """A number that belongs to user and function, and must be the same on all their rows."""
    values, told = parts.amounts("services", column)
    found = np.full((n_functions, len(parts.ids)), np.nan)
    for row in where((users >= 0) & told):
        cell = functions[row], users[row]
        if not (np.isnan(found[cell]) or found[cell] == values[row]):
            said = f"{column} {values[row]:g} differs from {found[cell]:g} on another row of the same user and function"
            parts.say("services", row, f"{parts.who('services', row)}: {said}")
        found[cell] = values[row]
    return np.where(np.isnan(found), 0.0, found)
