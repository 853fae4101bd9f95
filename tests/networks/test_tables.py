"""Systems with all types of agents from tables: what is built, what is filled in, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sim.errors import InputError, UnknownNameError, UsageError
from sim.scenario.build import build
from sim.scenario.load import load
from sim.state import SECTORS
from sim.system import System
from tests.systems import PEOPLE, mixed_system

BANKS, FIRMS = PEOPLE[:4], PEOPLE[4:7]


def claims_of(system: System) -> pd.DataFrame:
    rows = []
    for name in ("interbank", "overnight", "accounts", "lending"):
        matrix = system.layer(name).to_scipy().tocoo()
        for i, j, amount in zip(*matrix.coords, matrix.data, strict=True):
            rows.append({"creditor": system.ids[i], "debtor": system.ids[j], "amount": amount, "layer": name})
    return pd.DataFrame(rows)


def tables_of_mixed() -> dict[str, pd.DataFrame]:
    """The mixed system of the tests, written as tables."""
    system, n = mixed_system(), len(PEOPLE)
    frame = system.agents
    worth = frame["equity"] - np.minimum(system.holdings[:n, 2], 0.0)  # own shares are part of a firm's equity
    every = frame.assign(equity=worth).reset_index()
    debts = ["deposits_insured", "deposits_uninsured", "deposits_wholesale"]
    traits = ["revenue", "turnover", "headroom", "adoption", "gap", "posture"]
    firms = ["id", "total_assets", "equity", "cash", "real_assets", "other_liabilities", *traits]
    banks = every.iloc[:4][[*firms, *debts, "loans"]]
    tech = every.iloc[4:6][firms]
    platforms = every.iloc[6:7][[*firms, "emoney", "reach", "guarantee"]].assign(pool=100.0)
    funds = pd.DataFrame({"id": ["F0"], "cash": [2.0], "sponsor": ["P0"], "posture": [0.5]})
    held = [
        {"agent": system.ids[i], "asset": asset, "amount": system.holdings[i, a],
         "fair_value_share": system.fair_value[i, a]}
        for a, asset in enumerate(system.assets)
        for i in np.flatnonzero(system.holdings[:, a] > 0.0)
        if asset == "TECHEQ" or (asset != "P0" and system.ids[i] != "households")
    ]  # fmt: skip
    used = [
        {"user": system.ids[i], "provider": system.ids[j], "function": name, "share": weight,
         "criticality": system.services.criticality[k, i], "backup": 0.5}
        for k, name in enumerate(system.services.functions)
        for i, j, weight in edges(system.services.shares[k])
    ]  # fmt: skip
    flows = [
        {"payer": system.ids[j], "payee": system.ids[i], "amount": weight}
        for i, j, weight in edges(system.layer("payments").csr)
    ]
    sourced = [
        {"bank": system.ids[i], "platform": system.ids[j], "share": weight}
        for i, j, weight in edges(system.layer("distribution").csr)
    ]
    pools = [
        {"platform": "P0", "funder": name, "share": share / 100.0}
        for name, share in {"B1": 30, "B2": 15, "B3": 25, "P0": 30}.items()
    ]
    assets = {
        "asset": ["GOV", "CORP", "TECHEQ"],
        "depth": [4000.0, 900.0, 400.0],
        "price_floor": [0.5, 0.3, 0.1],
        "issuer": ["government", "borrowers", "tech_firms"],
    }
    return {
        "banks": banks, "tech_firms": tech, "platforms": platforms, "funds": funds, "exposures": claims_of(system),
        "holdings": pd.DataFrame(held), "assets": pd.DataFrame(assets), "services": pd.DataFrame(used),
        "payments": pd.DataFrame(flows), "distribution": pd.DataFrame(sourced), "pools": pd.DataFrame(pools),
    }  # fmt: skip


def edges(layer: Any) -> list[tuple[int, int, float]]:
    rows = np.repeat(np.arange(layer.n_rows), np.diff(layer.indptr))
    return list(zip(rows.tolist(), layer.indices.tolist(), layer.weights.tolist(), strict=True))


def built(**changes: Any) -> System:
    return System.from_frames(**(tables_of_mixed() | changes))


def changed(table: str, row: int, column: str, value: Any) -> dict[str, pd.DataFrame]:
    frame = tables_of_mixed()[table].reset_index(drop=True).astype(object)
    frame.loc[row, column] = value
    return {table: frame}


def left_out(gone: str, row: int, column: str, value: Any) -> dict[str, pd.DataFrame]:
    return {"tech_firms": changed("tech_firms", row, column, value)["tech_firms"].drop(columns=gone)}


def test_tables_give_the_system_they_were_written_from():
    made, mixed = built(), mixed_system()
    assert made.ids == mixed.ids
    assert made.types == mixed.types
    assert made.assets == mixed.assets
    assert made.classes == ("GOV", "CORP", "TECHEQ", "POOL", "FUND")
    assert_array_equal(made.traded, mixed.traded)
    assert_array_equal(made.shares, mixed.shares)
    assert_allclose(made.fair_value[: len(PEOPLE), :3], mixed.fair_value[: len(PEOPLE), :3])
    for name, values in mixed.start.items():
        people = slice(0, len(PEOPLE))
        assert_allclose(made.start.get(name, np.zeros(len(mixed.ids)))[people], values[people], atol=1e-9, err_msg=name)
    for name, layer in mixed.layers.items():
        assert made.layer(name).unit == layer.unit, name
        assert not made.layer(name).imputed, name
        assert_allclose(made.layer(name).to_scipy().toarray(), layer.to_scipy().toarray(), atol=1e-12, err_msg=name)
    for name, values in mixed.traits.items():
        assert_array_equal(made.traits[name], values, err_msg=name)
    assert made.services.functions == mixed.services.functions
    for mine, theirs in zip(made.services.shares, mixed.services.shares, strict=True):
        assert_array_equal(mine.weights, theirs.weights)
        assert_array_equal(mine.indices, theirs.indices)
    users = mixed.services.criticality > 0.0
    assert_array_equal(made.services.criticality, mixed.services.criticality)
    assert_array_equal(made.services.backup[users], mixed.services.backup[users])


FOLDER = """version: 1
name: mixed
system:
  agents:
    banks: {file: banks.csv}
    tech_firms: {file: tech_firms.csv}
    platforms: {file: platforms.csv}
    funds: {file: funds.csv}
  layers:
    interbank: {file: exposures.csv}
    accounts: {file: accounts.csv}
    services: {file: services.csv}
    payments: {file: payments.csv}
    distribution: {file: distribution.csv}
    pools: {file: pools.csv}
  holdings: {file: holdings.csv}
  assets: {file: assets.csv}
"""


def folder_of(tables: dict[str, pd.DataFrame], folder: Path) -> Path:
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    # accounts in a file of their own, where they need not name their layer
    claims = tables["exposures"]
    own = claims["layer"] == "accounts"
    claims[own].drop(columns="layer").to_csv(folder / "accounts.csv", index=False)
    claims[~own].to_csv(folder / "exposures.csv", index=False)
    (folder / "mixed.yaml").write_text(FOLDER)
    return folder / "mixed.yaml"


def test_a_folder_gives_the_same_system(tmp_path):
    made, read = built(), build(load(folder_of(tables_of_mixed(), tmp_path)))
    assert read.ids == made.ids
    assert {name: layer.n_edges for name, layer in read.layers.items()} == {
        name: layer.n_edges for name, layer in made.layers.items()
    }
    assert_allclose(read.equity0, made.equity0, rtol=1e-12, atol=1e-9)
    assert_allclose(read.holdings, made.holdings, rtol=1e-12)


def test_a_folder_names_file_and_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = tables_of_mixed()
    tables |= changed("services", 3, "provider", "T9") | changed("exposures", 0, "debtor", "Q")
    scenario = load(folder_of(tables, tmp_path))
    with pytest.raises(InputError) as caught:
        build(scenario)
    assert 'exposures.csv:2: debtor "Q" is not in banks.csv, tech_firms.csv, platforms.csv, funds.csv' in str(
        caught.value
    )
    with pytest.raises(InputError) as caught:
        build(load(folder_of(tables_of_mixed() | changed("services", 3, "provider", "T9"), tmp_path)))
    assert "services.csv:5: provider 'T9' is not among the tech firms or platforms" in str(caught.value)


def test_shares_of_all_firms_of_a_type_are_spread_by_total_assets_and_said_so():
    made = built()
    issued = -made.holdings[[4, 5, 6], 2]
    sizes = made.agents["total_assets"].to_numpy()[4:6]
    assert_allclose(issued[:2], 100.0 * sizes / sizes.sum())
    assert issued[2] == 0.0
    assert {
        "table": "assets",
        "row": "TECHEQ",
        "cell": "issuer",
        "how": "spread over the tech firms by total assets",
    } in (made.imputed)


def test_every_sheet_closes_and_funds_have_no_equity():
    made = built()
    assert max(made.check().values()) < 1e-12
    for agent in PEOPLE:
        sheet = made.balance_sheet(agent)
        sides = sheet.groupby("side")["amount"].sum()
        assert_allclose(sides["assets"], sides["liabilities"], rtol=1e-12)
        assert_allclose(sides["assets"], made.agents.loc[agent, "total_assets"], rtol=1e-12)
    fund = made.balance_sheet("F0").set_index("item")["amount"]
    assert fund["Issued: F0"] == 92.0
    assert abs(fund.get("Equity", 0.0)) < 1e-12


def test_the_borrowers_own_what_they_owe():
    made = built()
    worth = dict(zip(made.ids, made.equity0, strict=True))
    assert worth["borrowers"] == pytest.approx(0.0, abs=1e-9)
    assert worth["underserved"] == pytest.approx(0.0, abs=1e-9)
    assert made.start["real_assets"][made.ids.index("underserved")] == 100.0


def test_the_table_of_agents_has_all_types():
    frame = built().agents
    assert list(frame.index) == list(PEOPLE)
    assert list(frame["type"]) == ["bank"] * 4 + ["tech_firm"] * 2 + ["platform", "fund"]
    assert frame.loc["T0", "accounts_assets"] == 25.0
    assert frame.loc["T0", "lending_liabilities"] == 40.0
    assert frame.loc["P0", "guarantee"] == 0.05
    assert not frame.isna().any(axis=None)


def test_figures_and_card_show_all_types():
    from matplotlib.figure import Figure

    made = built()
    assert isinstance(made.plot("balance", agent="P0"), Figure)
    for layer in ("interbank", "accounts", "payments"):
        assert isinstance(made.plot("network", layer=layer), Figure)
    assert "4 banks, 2 tech firms, 1 platform, 1 fund" in made._repr_html_()
    with pytest.raises(UnknownNameError, match="unknown agent 'P9'"):
        made.balance_sheet("P9")
    assert made.target("tech_firms[largest]", np.arange(1))[made.ids.index("T0"), 0]
    # its own shares are no negative asset of the platform, which is larger than the largest firm
    assert made.target("platforms[largest]", np.arange(1))[made.ids.index("P0"), 0]
    assert made.agents.loc["P0", "total_assets"] == mixed_system().agents.loc["P0", "total_assets"] == 127.0


def test_a_firm_that_states_totals_only_has_them_spread_over_the_banks():
    tables = tables_of_mixed()
    kept = tables["exposures"][~tables["exposures"]["layer"].isin(["accounts", "lending"])]
    tech = tables["tech_firms"].assign(accounts=[25.0, 8.0], borrowed=[40.0, 15.0])
    platforms = tables["platforms"].assign(accounts=[35.0], borrowed=[28.0])
    funds = tables["funds"].assign(total_assets=[92.0])
    banks = tables["banks"].drop(columns=["loans", "other_liabilities"])
    made = built(banks=banks, exposures=kept, tech_firms=tech, platforms=platforms, funds=funds)
    accounts = made.layer("accounts").to_scipy().toarray()
    sizes = made.agents["total_assets"].to_numpy()[:4]
    assert_allclose(accounts[4, :4], 25.0 * sizes / sizes.sum())
    assert_allclose(accounts[7, :4].sum(), 60.0)  # what is left of the fund's assets
    assert_allclose(made.layer("lending").to_scipy().toarray()[:4, 5], 15.0 * sizes / sizes.sum())
    assert made.layer("accounts").imputed
    assert {(cell["table"], cell["row"]) for cell in made.imputed} >= {("accounts", "F0"), ("lending", "T1")}
    assert max(made.check().values()) < 1e-12


def test_electronic_money_is_backed_by_reserves_where_nothing_else_is_said():
    tables = tables_of_mixed()
    platforms = tables["platforms"].drop(columns=["cash", "real_assets"])
    made = built(platforms=platforms)
    row = made.ids.index("P0")
    assert made.start["cash"][row] == made.start["emoney"][row] == 20.0
    assert any(cell["table"] == "platforms" and cell["cell"] == "cash" for cell in made.imputed)


def test_a_platform_is_exposed_to_the_fund_it_sponsors():
    made = built()
    matrix = made.layer("ownership").to_scipy().toarray()
    assert matrix[made.ids.index("P0"), made.ids.index("F0")] == 1.0
    assert matrix.sum() == 1.0


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("pool shares do not sum", changed("pools", 0, "share", 0.4), "platform P0: the shares of its pool add to 1.1"),
    ("service share above one", changed("services", 0, "share", 1.5), "B0 uses T0: share = 1.5 must be in [0, 1]"),
    ("services add to more than all", changed("services", 1, "share", 0.9), "B1: its shares of function hosting add"),
    ("unknown provider", changed("services", 0, "provider", "T9"), "provider 'T9' is not among the tech firms"),
    ("a bank as provider", changed("services", 0, "provider", "B1"), "provider 'B1' is not among the tech firms"),
    ("unknown user", changed("services", 0, "user", "B9"), "user 'B9' is not among the agents"),
    ("two criticalities", changed("services", 1, "criticality", 0.1), "criticality 0.5 differs from 0.1"),
    ("own provider", changed("services", 0, "user", "T0"), "'T0' cannot be its own provider"),
    ("negative stock of a firm", changed("tech_firms", 0, "cash", -1.0), "tech firm T0: cash -1 is negative"),
    ("negative deposits", changed("banks", 1, "deposits_insured", -5.0), "bank B1: deposits_insured -5 is negative"),
    ("negative emoney", changed("platforms", 0, "emoney", -1.0), "platform P0: emoney -1 is negative"),
    ("negative payment", changed("payments", 0, "amount", -2.0), "amount -2 is negative"),
    ("negative claim", changed("exposures", 0, "amount", -2.0), "amount -2 is negative"),
    ("negative holding", changed("holdings", 0, "amount", -2.0), "B0 holds GOV: amount -2 is negative"),
    ("fund that does not add up", {"funds": pd.DataFrame({"id": ["F0"], "cash": [2.0], "total_assets": [80.0]})},
     "fund F0: cash, accounts and securities add to 92, total_assets is 80"),
    ("unknown sponsor", changed("funds", 0, "sponsor", "P9"), "sponsor 'P9' is not among the banks or tech firms"),
    ("emoney without backing", changed("platforms", 0, "emoney", 200.0), "emoney 200 is above what backs it"),
    ("too many assets", left_out("real_assets", 0, "cash", 500.0), "tech firm T0: the assets given exceed"),
    ("too many debts", left_out("other_liabilities", 1, "equity", 32.0), "nothing is left for other_liabilities"),
    ("real assets that do not fit", changed("tech_firms", 0, "cash", 50.0), "T0: assets differ from total_assets 85"),
    ("equity above assets", changed("platforms", 0, "equity", 999.0), "platform P0: equity 999 is above total assets"),
    ("no equity", changed("tech_firms", 0, "equity", None), "tech firm T0: equity is missing"),
    ("twice in two tables", changed("tech_firms", 0, "id", "B0"), "tech firm id 'B0' given twice (among the banks)"),
    ("name of a sector", changed("funds", 0, "id", "outside"), "is the name of a sector"),
    ("unknown layer", changed("exposures", 0, "layer", "overnite"), "layer 'overnite' holds no claims between agents"),
    ("account at a firm", changed("exposures", -1, "layer", "accounts"), "creditor nan is not among"),
    ("pool without size", {"platforms": tables_of_mixed()["platforms"].drop(columns="pool")}, "pool 0; has no pool"),
    ("pool without funders", {"pools": None}, "pool 100; no shares in pools say who funds it"),
    ("funder is a firm", changed("pools", 0, "funder", "T0"), "not among the banks or platforms; it is a tech firm"),
    ("distribution above one", changed("distribution", 0, "share", 1.2), "share = 1.2 must be in [0, 1]"),
    ("a firm's total differs", {"tech_firms": tables_of_mixed()["tech_firms"].assign(accounts=[99.0, 8.0])},
     "tech firm T0: accounts 99, but its claims on layer accounts add to 25"),
    ("unknown issuer", changed("assets", 2, "issuer", "tech_firm"), "issuer 'tech_firm' must be one of government"),
    ("asset named as an agent", changed("assets", 0, "asset", "P0"), "asset 'P0' is the name of an agent"),
    ("share of a fund in a fund", {"holdings": pd.DataFrame({"agent": ["F0"], "asset": ["F0"], "amount": [1.0]})},
     "shares of a fund cannot be held by another fund"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changes", "message"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cannot_be_is_refused_with_agent_and_key(what, changes, message):
    if what == "account at a firm":
        row = {"creditor": "T0", "debtor": "P0", "amount": 1.0, "layer": "accounts"}
        frame = pd.concat([tables_of_mixed()["exposures"], pd.DataFrame([row])])
        changes, message = {"exposures": frame}, "debtor 'P0' is not among the banks; it is a platform"
    with pytest.raises(InputError) as caught:
        built(**changes)
    assert message in str(caught.value)


def test_a_fund_without_assets_is_refused():
    tables = tables_of_mixed()
    funds = pd.DataFrame({"id": ["F0", "F1"], "cash": [2.0, 0.0]})
    with pytest.raises(InputError, match="fund F1 has no assets: give it accounts at banks, securities or cash"):
        built(**(tables | {"funds": funds}))


def test_all_problems_of_all_tables_come_at_once():
    tables = (
        changed("tech_firms", 0, "cash", -1.0)
        | changed("services", 0, "provider", "T9")
        | changed("pools", 0, "share", 0.4)
    )
    with pytest.raises(InputError) as caught:
        built(**tables)
    assert len(caught.value.problems) == 3


def test_an_unknown_table_is_refused():
    with pytest.raises(UsageError, match="'firms' is no table of a system; allowed: banks, tech_firms"):
        built(firms=pd.DataFrame({"id": ["x"]}))


def test_a_system_of_banks_alone_is_as_before():
    banks = pd.DataFrame({"id": ["A", "B"], "total_assets": [100.0, 50.0], "equity": [8.0, 5.0]})
    made = System.from_frames(banks)
    assert made.ids == ("A", "B", *SECTORS)
    assert list(made.layers) == ["interbank"]
    assert made.assets == ()
    assert made.services is None
    assert made.traits == {}
