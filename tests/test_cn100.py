"""The generated bases against the aggregates that they are calibrated to; everything labelled, nothing moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sim.metrics.ratios import CoverageRules, coverage
from sim.networks.fitness import Fitness
from sim.scenario.build import build, builder
from sim.scenario.load import load
from sim.simulation import Simulation
from sim.state import BANKS
from sim.system import System

ROOT = Path(__file__).parents[1]
NETWORKS = 12


@pytest.fixture(scope="module")
def systems() -> list[System]:
    made = builder("cn100")
    return [made(network) for network in range(NETWORKS)]


@pytest.fixture(scope="module")
def banks(systems: list[System]) -> list[pd.DataFrame]:
    return [system.agents[lambda frame: frame["type"] == "bank"] for system in systems]


def test_size_classes(banks: list[pd.DataFrame]) -> None:
    for frame in banks:
        by_class = frame.groupby("kind")["total_assets"].agg(["sum", "count"])
        assert dict(by_class["count"]) == {"large": 6, "joint_stock": 12, "city_rural": 82}
        shares = by_class["sum"] / 417_300.0
        assert_allclose(shares[["large", "joint_stock", "city_rural"]], [0.424, 0.17, 0.406], rtol=1e-12)
    spread = [np.log(frame["total_assets"]).std() for frame in banks]
    assert np.mean(spread) == pytest.approx(0.95, abs=0.05)


def test_balance_sheet_mix(banks: list[pd.DataFrame]) -> None:
    for frame in banks:
        ratio = frame["equity"] / frame["total_assets"]
        assert ratio.between(0.05, 0.11).all()
        assert ratio.mean() == pytest.approx(0.075, abs=4 * 0.0125 / 10)
        # core tier 1 capital is part of equity, which draws of the largest banks may leave too small
        assert frame["cet1"].sum() / frame["rwa"].sum() == pytest.approx(0.105, abs=0.005)
        assert (frame["cet1"] <= frame["equity"] * (1.0 + 1e-12)).all()
    whole = pd.concat(banks)
    size, funding = whole["total_assets"], whole["total_assets"] - whole["equity"]
    securities = whole[["GOV", "PFB", "NCD", "CORP", "EQ", "TECHEQ"]].sum(axis=1)
    lent = whole["interbank_assets"] + whole["overnight_assets"]
    for items, base, wanted in (
        (whole["cash"], size, 0.07),
        (lent, size, 0.08),
        (securities, size, 0.20),
        (whole["deposits_insured"], funding, 0.42),
        (whole["deposits_uninsured"], funding, 0.30),
        (whole["deposits_wholesale"], funding, 0.10),
    ):
        assert (items / base).mean() == pytest.approx(wanted, rel=0.03)
    pools = whole[["platform_2", "platform_3"]].sum(axis=1) / size
    assert pools.max() <= 0.03 + 1e-12


def test_liquidity_coverage_is_that_of_the_aggregate(systems: list[System]) -> None:
    # 150.86 % in the second quarter of 2023, where a third of uninsured deposits runs at 10 % and the rest at 40 %
    rules = CoverageRules(run_off_uninsured=0.3)
    ratios = []
    for system in systems:
        found = coverage(system, system.state(1, ("shock",)), rules)
        ratios.append(found.liquid.sum() / found.net.sum())
    assert np.mean(ratios) == pytest.approx(1.5086, abs=0.1)


@pytest.mark.parametrize("layer", ["interbank", "overnight"])
def test_density_of_claims(systems: list[System], layer: str) -> None:
    # links drawn, not added: a sum of independent draws of mean 0.12, so its variance is below that of a binomial
    drawn = [system.layer(layer).n_edges - added(system, layer) for system in systems]
    pairs = 100 * 99
    assert np.mean(drawn) / pairs == pytest.approx(0.12, abs=3 * np.sqrt(0.12 * 0.88 / pairs / NETWORKS))
    for system in systems:
        frame, rows = system.agents, system.types[BANKS]
        lent, owed = system.layer(layer).totals
        assert_allclose(lent[rows].sum(), frame[f"{layer}_assets"].sum())
        assert_allclose(lent.sum(), owed.sum())


def added(system: System, layer: str) -> int:
    note = system.layer(layer).note
    return int(note.split(" links, ")[1].split(" of them added")[0].replace(",", "")) if "added" in note else 0


def test_cloud_shares(systems: list[System]) -> None:
    carried, users = np.zeros(4), 0.0
    for system in systems:
        services = system.services
        hosting = services.shares[services.functions.index("hosting")]
        clouds = [system.ids.index(f"cloud_{k}") for k in (1, 2, 3, 4)]
        carried += [hosting.weights[hosting.indices == row].sum() for row in clouds]
        users += hosting.weights.sum()
        assert {system.ids[row] for row in np.unique(hosting.indices)} == {f"cloud_{k}" for k in (1, 2, 3, 4)}
    wanted = np.array([0.39, 0.19, 0.15, 0.27])
    contracts = NETWORKS * 2 * 110  # two contracts of 100 banks, 3 platforms and 7 firms
    assert_allclose(carried / users, wanted, atol=3 * np.sqrt(0.25 / contracts))
    revenue = systems[0].agents["revenue"]
    clouds = revenue[[f"cloud_{k}" for k in (1, 2, 3, 4)]]
    assert_allclose(clouds / clouds.sum(), wanted)


def test_pools_and_guarantees(systems: list[System], banks: list[pd.DataFrame]) -> None:
    small = []
    for system, frame in zip(systems, banks, strict=True):
        for name in ("platform_2", "platform_3"):
            held = system.holdings[:, system.assets.index(name)]
            platform = held[system.ids.index(name)]
            issued = -held[system.ids.index("underserved")]
            assert platform / issued == pytest.approx(0.3, rel=1e-12)
            guaranteed = system.layer("guarantees").totals[1][system.ids.index(name)]
            assert guaranteed == pytest.approx(1.0, rel=1e-12)
        pools = frame[["platform_2", "platform_3"]].sum(axis=1)
        assert pools.sum() == pytest.approx(0.7 * 0.005 * 417_300, rel=1e-9)
        small.append(pools[frame["kind"] == "city_rural"].sum() / pools.sum())
    assert np.mean(small) > 0.5  # against 0.406 of assets


def test_payments_and_funds(systems: list[System]) -> None:
    pairs = 100 * 99
    drawn = np.mean([system.layer("payments").n_edges for system in systems]) / pairs
    assert drawn == pytest.approx(0.3, abs=3 * np.sqrt(0.3 * 0.7 / (pairs / 2) / NETWORKS))
    for system in systems:
        got, paid = system.layer("payments").totals
        assert_allclose(got, paid, rtol=1e-12)
        assert got.sum() == pytest.approx(0.08 * 417_300, rel=1e-12)
        frame = system.agents
        funds = frame[frame["type"] == "fund"]
        assert funds["total_assets"].sum() == pytest.approx(0.007 * 417_300, rel=1e-12)
        assert_allclose(funds["accounts_assets"], 0.6 * funds["total_assets"])
        sponsors = system.layer("ownership").to_scipy().toarray()
        assert_array_equal(sponsors.sum(axis=0)[[system.ids.index(name) for name in funds.index]], 1.0)


def test_balance_sheets_close_and_everything_is_labelled(systems: list[System]) -> None:
    made = {"banks", "tech_firms", "platforms", "funds", "holdings", "assets", "accounts", "lending", "pools"}
    made |= {"distribution", "services", "payments"}
    for system in systems:
        assert max(system.check().values()) < 1e-12
        assert {cell["table"] for cell in system.imputed if cell["row"] == "all"} >= made | {"exposures"}
        assert all(layer.imputed for layer in system.layers.values())
        assert system.services.imputed
        assert (system.equity0[system.types[BANKS]] > 0.0).all()
        assert all((values >= 0.0).all() for name, values in system.start.items() if name != "real_assets")


def same(one: System, two: System) -> bool:
    alike = one.ids == two.ids and all(np.array_equal(one.start[name], two.start[name]) for name in one.start)
    alike &= np.array_equal(one.holdings, two.holdings) and np.array_equal(one.depth, two.depth)
    alike &= all(np.array_equal(one.traits[name], two.traits[name]) for name in one.traits)
    for name, layer in one.layers.items():
        other = two.layers[name].csr
        alike &= np.array_equal(layer.csr.weights, other.weights) and np.array_equal(layer.csr.indices, other.indices)
    for mine, theirs in zip(one.services.shares, two.services.shares, strict=True):
        alike &= np.array_equal(mine.weights, theirs.weights) and np.array_equal(mine.indices, theirs.indices)
    return alike


def test_a_network_is_a_function_of_seed_and_number(systems: list[System]) -> None:
    assert same(systems[3], build("cn100", seed=7, network=3))
    assert not same(systems[3], systems[4])
    assert not same(systems[3], build("cn100", seed=8, network=3))
    assert same(systems[3], build(load("cn100").override({"monte_carlo.networks": 50}), network=3))


def test_nothing_moves_without_an_event(systems: list[System]) -> None:
    channels = {
        "market": {"leverage_limit": 25.0, "leverage_target": 20.0},
        "credit": {"valuation": "linear-debtrank", "recovery_rate": 0.4},
    }
    scenario = load("cn100").override({"channels": channels, "horizon.steps": 25})
    play = Simulation(systems[0], scenario, np.arange(2), 7)
    before = {name: values.copy() for name, values in play.state.columns.items()}
    units, price = play.state.units.copy(), play.state.price.copy()
    play.play()
    for name, values in play.state.columns.items():
        assert np.abs(values - before[name]).max() <= 1e-12 * systems[0].scale, name
    assert (play.state.units == units).all()
    assert (play.state.price == price).all()


# -- eu48 with generated technology -----------------------------------------------------------------------------------


def test_the_digital_table_is_that_of_eu48_with_imputed_columns() -> None:
    plain = pd.read_csv(ROOT / "scenarios/eu48/banks.csv", keep_default_na=False)
    digital = pd.read_csv(ROOT / "scenarios/eu48_digital/banks.csv", keep_default_na=False)
    for column in ("id", "name", "country", "total_assets", "equity", "rwa", "cet1"):
        assert (plain[column] == digital[column]).all(), column
    total, funding = digital["total_assets"], digital["total_assets"] - digital["equity"]
    assert_allclose(digital["interbank_assets"] + digital["overnight_assets"], plain["interbank_assets"], atol=0.11)
    formulas = {
        "cash": 0.08 * total,
        "deposits_insured": 0.30 * funding,
        "deposits_uninsured": 0.25 * funding,
        "deposits_wholesale": 0.15 * funding,
        "overnight_assets": 0.25 * plain["interbank_assets"],
        "revenue": 0.02 * total,
        "turnover": 0.02 * total,
    }
    for column, values in formulas.items():
        assert np.abs(digital[column] - values).max() <= 0.0501, column
    named = {*formulas, "adoption", "interbank_assets"}
    assert all(set(cell.split()) == named for cell in digital["imputed"])


def test_the_digital_base_adds_technology_to_the_real_table() -> None:
    plain, digital = build("eu48"), build("eu48_digital")
    assert digital.banks == plain.banks
    assert_allclose(digital.equity0[:48], plain.equity0[:48], rtol=1e-12)
    assert_allclose(digital.holdings[:48, :8], plain.holdings[:48])
    assert max(digital.check().values()) < 1e-12
    assert digital.services.imputed
    assert {"accounts", "lending", "payments", "distribution", "guarantees"} <= set(digital.layers)
    made = {cell["table"] for cell in digital.imputed if cell["cell"] == "all"}
    assert made == {
        "tech_firms", "platforms", "funds", "accounts", "lending", "pools", "distribution", "services", "payments"
    }  # fmt: skip


def test_the_density_is_the_one_of_the_scenario() -> None:
    assert load("cn100").system.layers.interbank.generator == Fitness(density=0.12)
