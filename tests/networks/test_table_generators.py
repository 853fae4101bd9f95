"""Generators of tables: laws, shapes by hand, luck by address, what is refused, and how scenarios name them."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError, PluginError
from sim.networks.generators import GENERATORS
from sim.networks.gravity import scale_of
from sim.networks.laws import broken_laws
from sim.networks.relationships import _filled
from sim.networks.tables import Known, TableGenerator, favourites, generate, lognormal, power
from sim.scenario.build import build
from sim.scenario.json_schema import scenario_schema
from sim.scenario.load import load
from sim.streams import Draws

TABLES = [name for name in GENERATORS if issubclass(GENERATORS[name], TableGenerator)]


def known(**tables: dict[str, list[Any]]) -> Known:
    return Known(tables)


def rows(name: str, table: str, at: Known, network: int = 0, **parameters: Any) -> dict[str, Any]:
    made, _ = generate({table: GENERATORS[name](**parameters)}, at.tables, Draws(7, [network]))
    return made["exposures" if table in ("accounts", "lending") else table]


def banks(n: int = 40) -> dict[str, list[Any]]:
    return {"id": [f"b{k:02d}" for k in range(n)], "total_assets": [1000.0 / (k + 1) for k in range(n)]}


@pytest.mark.parametrize("name", TABLES)
def test_every_generator_of_tables_keeps_the_laws(name):
    assert broken_laws(name) == []


class Restless(TableGenerator):
    tables: ClassVar[tuple[str, ...]] = ("payments",)
    luck: ClassVar[np.random.Generator] = np.random.default_rng(1)

    def rows(self, table, known, draws, stream):
        return {"payer": ["large_1"], "payee": ["large_2"], "amount": [float(self.luck.random())]}


def test_luck_that_is_not_drawn_by_address_is_seen(monkeypatch):
    monkeypatch.setitem(GENERATORS._own, "restless", Restless)
    assert broken_laws("restless") == [
        "payments: the same network made twice differs: is luck drawn from anything but `draws`?"
    ]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([1], "returned [1]; allowed: columns by name"),
        ({"payer": ["a"], "payee": ["b"], "amout": [1.0]}, "made column 'amout' of payments"),
        ({"payer": ["a"], "amount": [1.0]}, "left out column 'payee' of payments"),
        ({"payer": ["a"], "payee": ["b"], "amount": [1.0, 2.0]}, "made columns of payments that differ in length"),
    ],
)
def test_what_is_no_table_is_refused(made, message):
    class Odd(TableGenerator):
        tables: ClassVar[tuple[str, ...]] = ("payments",)

        def rows(self, table, known, draws, stream):
            return made

    with pytest.raises(PluginError) as caught:
        generate({"payments": Odd()}, {}, Draws(0, [0]))
    assert message in str(caught.value)


# -- the pieces -------------------------------------------------------------------------------------------------------


def test_lognormal_numbers_have_mean_one():
    found = lognormal(Draws(3, [0]), "s", [str(k) for k in range(20_000)], 0.5)
    assert found.mean() == pytest.approx(1.0, abs=3 * np.sqrt(np.expm1(0.25) / 20_000))
    assert np.log(found).std() == pytest.approx(0.5, rel=0.02)


def test_powers():
    assert_allclose(power(np.array([0.25, 4.0, 9.0]), 0.5), [0.5, 2.0, 3.0], rtol=1e-15)


def test_favourites_are_drawn_in_proportion_to_their_weights():
    ids, weights = ("a", "b", "c", "d"), np.array([4.0, 2.0, 1.0, 0.0])
    first = Counter(favourites(Draws(5, [k]), "s", ids, weights, 1)[0] for k in range(3_000))
    for place, share in enumerate((4 / 7, 2 / 7, 1 / 7)):
        assert first[place] / 3_000 == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / 3_000))
    assert favourites(Draws(5, [0]), "s", ids, weights, 9) == [0, 1, 2]  # nobody without a weight


def test_what_a_bank_cannot_take_goes_to_the_others_and_then_to_those_next_in_line():
    part, room = np.array([3.0, 1.0, 1.0, 1.0]), np.array([3.0, 4.0, 4.0, 4.0])
    # 10 over the first three as 3 : 1 : 1 is 6, 2, 2; the first takes 3 only, so the other two share 7
    assert_allclose(_filled(10.0, part, room, iter([[0, 1, 2], [0, 1, 2, 3]])), [3.0, 3.5, 3.5, 0.0])
    # 13 is more than the 11 the first three can take: the fourth joins, and 10 are split over three equal parts
    assert_allclose(_filled(13.0, part, room, iter([[0, 1, 2], [0, 1, 2, 3]])), [3.0, 10 / 3, 10 / 3, 10 / 3])


@pytest.mark.parametrize("density", [0.05, 0.3, 0.9])
def test_the_scale_of_payments_gives_the_density(density):
    mass = np.array([1.0 / (k + 1) for k in range(60)])
    mass /= mass.sum()
    chances = np.minimum(1.0, scale_of(mass, density) * np.outer(mass, mass))
    assert chances[np.triu_indices(60, 1)].mean() == pytest.approx(density, rel=1e-9)


# -- one by one --------------------------------------------------------------------------------------------------------


def test_banks_keep_the_shares_of_their_classes_and_close():
    made = rows("size_classes", "banks", known(), total_assets=1000.0, large=2, joint_stock=3, city_rural=5)
    frame = {name: np.array(cells) for name, cells in made.items()}
    for kind, share in (("large", 0.424), ("joint_stock", 0.17), ("city_rural", 0.406)):
        assert frame["total_assets"][frame["kind"] == kind].sum() == pytest.approx(1000.0 * share, rel=1e-12)
    for layer in ("interbank", "overnight"):
        assert frame[f"{layer}_assets"].sum() == pytest.approx(frame[f"{layer}_liabilities"].sum(), rel=1e-12)
    assert frame["overnight_assets"].sum() == pytest.approx(0.4 / 0.6 * frame["interbank_assets"].sum(), rel=1e-12)
    debts = sum(frame[name] for name in frame if name.startswith("deposits") or name.endswith("liabilities"))
    assert (debts < frame["total_assets"] - frame["equity"]).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"large_share": 0.9, "joint_stock_share": 0.2}, "large_share + joint_stock_share must be at most 1"),
        ({"equity_mean": 0.2}, "must ascend"),
        ({"equity_mean": 0.051}, "equity_mean must be within the middle third"),
        ({"joint_stock": 0}, "joint_stock: 0 banks cannot have 0.17 of all assets"),
        ({"insured": 0.9}, "the shares of a side of the balance sheet must add to at most 1"),
    ],
)
def test_banks_that_cannot_be_are_refused(parameters, message):
    with pytest.raises(ValueError, match="Value error") as caught:
        GENERATORS["size_classes"](**parameters)
    assert message in str(caught.value)


def test_equity_is_triangular():
    generator = GENERATORS["size_classes"]()
    found = generator._equity((np.arange(100_000) + 0.5) / 100_000)
    assert (found.min(), found.max()) == (pytest.approx(0.05, abs=1e-4), pytest.approx(0.11, abs=2e-4))
    assert found.mean() == pytest.approx(0.075, abs=1e-6)
    # variance of the triangle (a, c, b) = (a^2 + b^2 + c^2 - ab - ac - bc) / 18 with mode c = 0.065
    assert found.var() == pytest.approx((0.05**2 + 0.11**2 + 0.065**2 - 0.0055 - 0.00325 - 0.00715) / 18, rel=1e-4)


def test_shares_of_securities_are_dirichlet():
    many = {"id": [f"b{k}" for k in range(20_000)], "total_assets": [1.0] * 20_000}
    made = rows("portfolio_mix", "holdings", known(banks=many), mix={"x": 0.7, "y": 0.3}, concentration=9.0, spread=0.0)
    amount, asset = np.array(made["amount"]), np.array(made["asset"])
    share = amount[asset == "x"] / (amount[asset == "x"] + amount[asset == "y"])
    assert_allclose(amount[asset == "x"] + amount[asset == "y"], 0.2)
    assert share.mean() == pytest.approx(0.7, abs=3 * np.sqrt(0.021 / 20_000))
    assert share.var() == pytest.approx(0.7 * 0.3 / 10.0, rel=0.05)


def test_depth_follows_from_the_price_impact():
    held = {"agent": ["b", "b"], "asset": ["GOV", "EQ"], "amount": [60.0, 12.0]}
    made = rows("standard_markets", "assets", known(holdings=held), price_impact=0.02, held=0.5)
    # markets of 120 and 24; 5 % of them, 6 and 1.2, move prices by 1 % and 4 %
    assert made["asset"] == ["GOV", "EQ"]
    assert_allclose(made["depth"], [6.0 / 0.01, 1.2 / 0.04])
    assert made["issuer"] == ["government", "borrowers"]


def test_accounts_keep_their_totals_and_favour_large_banks():
    firms = {"id": [f"t{k}" for k in range(400)], "accounts": [0.1] * 400}
    made = rows("relationships", "accounts", known(banks=banks(), tech_firms=firms), banks=3)
    by_firm = Counter(dict.fromkeys(made["creditor"], 0.0))
    for firm, amount in zip(made["creditor"], made["amount"], strict=True):
        by_firm[firm] += amount
    assert_allclose(list(by_firm.values()), 0.1)
    assert set(Counter(made["creditor"]).values()) == {3}
    used = Counter(made["debtor"])
    assert used["b00"] > 3 * used["b10"]
    assert set(made["layer"]) == {"accounts"}


def test_accounts_beyond_what_a_bank_takes_go_to_others():
    firms = {"id": ["t0", "t1"], "accounts": [60.0, 60.0]}
    made = rows("relationships", "accounts", known(banks=banks(), tech_firms=firms), banks=1, most=0.04)
    held = Counter(dict.fromkeys(made["debtor"], 0.0))
    for bank, amount in zip(made["debtor"], made["amount"], strict=True):
        held[bank] += amount
    size = dict(zip(banks()["id"], banks()["total_assets"], strict=True))
    assert sum(held.values()) == pytest.approx(120.0)
    assert all(amount <= 0.04 * size[bank] * (1 + 1e-12) for bank, amount in held.items())
    assert len(held) > 2


def test_a_small_bank_funds_more_of_a_pool_than_its_share_of_assets():
    platforms = {"id": ["p"], "pool": [20.0], "own_share": [0.25]}
    made = rows("co_lending", "pools", known(banks=banks(), platforms=platforms), funders=40, most=1.0, spread=0.0)
    share = dict(zip(made["funder"], made["share"], strict=True))
    assert share.pop("p") == 0.25
    assert sum(share.values()) == pytest.approx(0.75, rel=1e-12)
    # weights are A^0.4: the first bank is 40 times the last and funds 40^0.4 = 4.37 times as much
    assert share["b00"] / share["b39"] == pytest.approx(40**0.4, rel=1e-9)


def test_pools_that_banks_cannot_take_are_refused():
    platforms = {"id": ["p"], "pool": [4000.0], "own_share": [0.5]}
    with pytest.raises(
        InputError, match=r"system\.layers\.pools: generator co_lending: banks would fund 2000 of all pools"
    ):
        rows("co_lending", "pools", known(banks=banks(), platforms=platforms))


def test_providers_are_drawn_by_market_shares():
    users = {"id": [f"b{k}" for k in range(3_000)]}
    firms = {"id": ["x", "y", "z"], "kind": ["cloud"] * 3, "revenue": [6.0, 3.0, 1.0]}
    at = known(banks=users, tech_firms=firms)
    for concentration, chances in (
        (1.0, (0.6, 0.3, 0.1)),
        (0.0, (1 / 3, 1 / 3, 1 / 3)),
        (2.0, (36 / 46, 9 / 46, 1 / 46)),
    ):
        made = rows(
            "market_shares", "services", at, criticality={"hosting": 0.5}, contracts=1, concentration=concentration
        )
        drawn = Counter(made["provider"])
        for name, chance in zip("xyz", chances, strict=True):
            assert drawn[name] / 3_000 == pytest.approx(chance, abs=3.5 * np.sqrt(chance * (1 - chance) / 3_000))
    assert set(made["share"]) == {0.65}


def test_several_contracts_spread_a_function():
    at = known(banks=banks(), tech_firms={"id": ["x", "y"], "kind": ["cloud"] * 2, "revenue": [1.0, 1.0]})
    made = rows("market_shares", "services", at, criticality={"hosting": 0.5}, contracts=4, outsourced=0.8)
    of: Counter[str] = Counter()
    for user, share in zip(made["user"], made["share"], strict=True):
        of[user] += share
    assert_allclose(list(of.values()), 0.8)
    assert {round(share / 0.2) for share in made["share"]} <= {1, 2, 3, 4}


def test_luck_of_a_user_does_not_depend_on_the_others():
    firms = {"id": ["x", "y"], "kind": ["cloud"] * 2, "revenue": [1.0, 1.0]}
    fewer = rows("market_shares", "services", known(banks=banks(30), tech_firms=firms), criticality={"hosting": 0.5})
    more = rows("market_shares", "services", known(banks=banks(40), tech_firms=firms), criticality={"hosting": 0.5})
    lines = list(zip(*(more[name] for name in ("user", "provider", "share")), strict=True))
    assert set(zip(*(fewer[name] for name in ("user", "provider", "share")), strict=True)) <= set(lines)


def test_payments_come_in_as_they_go_out():
    made = rows("gravity", "payments", known(banks=banks()), turnover=0.1, density=0.5)
    paid, got = Counter(dict.fromkeys(made["payer"], 0.0)), Counter(dict.fromkeys(made["payer"], 0.0))
    for payer, payee, amount in zip(made["payer"], made["payee"], made["amount"], strict=True):
        paid[payer] += amount
        got[payee] += amount
    assert_allclose([paid[name] for name in paid], [got[name] for name in paid], rtol=1e-12)
    assert sum(made["amount"]) == pytest.approx(0.1 * sum(banks()["total_assets"]), rel=1e-12)


def test_banks_that_depend_on_platforms_do_so_within_the_limit():
    platforms = {"id": ["p", "q", "r"], "kind": ["distribution", "payments", "colending"]}
    made = rows("sourced_deposits", "distribution", known(banks=banks(), platforms=platforms), share=0.3, most=0.4)
    assert set(made["platform"]) == {"p", "q"}
    assert max(made["share"]) == 0.4
    assert 20 <= len(made["bank"]) <= 60  # half of 2 x 40


# -- in a scenario -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("system.agents.banks", {"generator": "gravity"},
         "system.agents.banks.generator: gravity does not make banks; allowed: size_classes"),
        ("system.layers.services", {"generator": "fitness"}, "fitness does not make services; allowed: market_shares"),
        ("system.layers.interbank", {"generator": "gravity"}, "gravity does not make interbank; allowed: "),
        ("system.agents.banks", {"generator": "size_class"}, "did you mean 'size_classes'"),
        ("system.agents.banks.larg", 3, 'unknown key "system.agents.banks.larg"; did you mean \'large\'?'),
        ("system.agents.banks", {"file": "b.csv", "generator": "size_classes"}, "give one of file and generator"),
        ("system.holdings", {"fair_value_share": 0.5}, "give one of file and generator"),
        ("system.assets.price_impact", 2.0, "system.assets.price_impact = 2.0 must be in (0, 1]"),
    ],
)  # fmt: skip
def test_what_a_scenario_may_not_say(key, value, message):
    with pytest.raises(InputError) as caught:
        load("cn100").override({key: value})
    assert message in str(caught.value)


def test_what_does_not_fit_the_tables_is_refused_with_its_key():
    scenario = load("cn100").override({"system.layers.services.criticality": {"hosting": 0.5, "quantum": 0.5}})
    with pytest.raises(
        InputError, match=r"cn100.yaml:\d+: system.layers.services: generator market_shares: criticality"
    ):
        build(scenario)


def test_parameters_stand_beside_the_name_and_survive_a_round():
    scenario = load("cn100").override({"system.holdings.concentration": 20.0})
    said = scenario.plain()["system"]["holdings"]
    assert (said["generator"], said["fair_value_share"], said["concentration"]) == ("portfolio_mix", 0.6, 20.0)
    assert load("cn100").override({}).digest == load("cn100").digest != scenario.digest


def test_a_file_that_builds_on_another_replaces_a_part_or_changes_its_parameters(tmp_path):
    def said(text: str) -> dict[str, Any]:
        (tmp_path / "mine.yaml").write_text("version: 1\nname: mine\nbase: cn100\nsystem:\n" + text)
        return load(tmp_path / "mine.yaml").plain()["system"]

    assert said("  layers: {services: {contracts: 5}}\n")["layers"]["services"]["contracts"] == 5
    own = said("  layers: {interbank: {generator: core_periphery, core: 0.1}}\n")["layers"]["interbank"]
    assert own == {
        "generator": "core_periphery",
        "core": 0.1,
        "density": 0.12,
        "within_core": 1.0,
        "within_periphery": 0.0,
    }
    assert said("  agents: {banks: {generator: size_classes, large: 8}}\n")["agents"]["banks"]["large"] == 8


def test_the_schema_offers_each_part_its_own_generators():
    defs = scenario_schema()["$defs"]
    named = {
        part: {
            way["properties"]["generator"].get("const")
            for way in defs[part]["anyOf"]
            if "generator" in way["properties"]
        }
        for part in ("TableSource_banks", "TableSource_services", "LayerSource_interbank", "HoldingsSource_holdings")
    }
    assert named["TableSource_banks"] - {None} == {"size_classes"}
    assert named["TableSource_services"] - {None} == {"market_shares"}
    assert named["LayerSource_interbank"] - {None} == {"core_periphery", "fitness", "max_entropy"}
    assert named["HoldingsSource_holdings"] - {None} == {"portfolio_mix"}
