"""The shipped table of 48 banks against what is published about them, and against its own rules."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.networks.reconstruct import margin_gap, max_entropy

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "scenarios" / "eu48"
SOURCE = ROOT.parent / "shared" / "data" / "eba_2018_system"
GROUPS = ["gov_de", "gov_fr", "gov_it", "gov_es", "gov_gb", "gov_us", "gov_other"]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[])


@pytest.fixture(scope="module")
def banks() -> pd.DataFrame:
    return read(TABLE / "banks.csv").set_index("id")


@pytest.fixture(scope="module")
def holdings() -> pd.DataFrame:
    return read(TABLE / "holdings.csv")


@pytest.fixture(scope="module")
def assets() -> pd.DataFrame:
    return read(TABLE / "assets.csv").set_index("asset")


@pytest.fixture(scope="module")
def source() -> pd.DataFrame:
    if not SOURCE.exists():
        pytest.skip("the reference data of the EBA 2018 stress test are not here")
    return read(SOURCE / "banks.csv").set_index("code")


def interbank_liabilities(banks: pd.DataFrame) -> np.ndarray:
    funding = (banks.total_assets - banks.equity).to_numpy()
    return funding / funding.sum() * banks.interbank_assets.sum()


def test_48_banks_with_their_columns(banks: pd.DataFrame) -> None:
    assert len(banks) == 48
    assert banks.index.is_unique
    assert banks.name.is_unique
    amounts = ["total_assets", "equity", "interbank_assets", "rwa", "cet1"]
    assert list(banks.columns) == ["name", "country", *amounts, "imputed"]
    assert banks.country.str.fullmatch("[A-Z]{2}").all()
    assert np.isfinite(banks[amounts].to_numpy()).all()
    assert (banks[amounts] > 0).all(axis=None)
    assert (banks.cet1 <= banks.equity).all()


def test_leverage_as_published(banks: pd.DataFrame) -> None:
    leverage = 100 * banks.equity / banks.total_assets
    assert round(leverage.mean(), 2) == 5.88
    assert round(leverage.min(), 2) == 3.41
    assert round(leverage.max(), 2) == 11.94
    assert np.abs(leverage - leverage.round(2)).max() < 2e-5


def test_sums_as_published(banks: pd.DataFrame, holdings: pd.DataFrame) -> None:
    assert banks.cet1.sum() == pytest.approx(1.223e6, rel=1e-3)
    assert banks.equity.sum() == 1_358_769
    assert 100 * banks.cet1.sum() / banks.rwa.sum() == pytest.approx(14.51, abs=5e-3)
    assert banks.interbank_assets.sum() == pytest.approx(1.0984e6, rel=1e-4)
    assert banks.total_assets.sum() == pytest.approx(25.40e6, rel=1e-3)
    assert banks.total_assets.nlargest(5).sum() / banks.total_assets.sum() == pytest.approx(0.325, abs=2e-3)
    assert np.log(banks.total_assets).std() == pytest.approx(0.99, abs=5e-3)
    # The quoted exposure of 22.8 tn puts CET1 over a ratio whose numerator is tier 1; its shares go with it.
    quoted = (banks.cet1 * banks.total_assets / banks.equity).sum()
    bonds = holdings[holdings.asset != "corporate"].amount.sum()
    assert quoted == pytest.approx(22.8e6, rel=1e-3)
    assert bonds / quoted == pytest.approx(0.070, abs=5e-4)
    assert holdings.amount.sum() / quoted == pytest.approx(0.100, abs=5e-4)


def test_imputed_cells_are_named(banks: pd.DataFrame, holdings: pd.DataFrame, assets: pd.DataFrame) -> None:
    named = banks.imputed[banks.imputed != ""]
    assert named.to_dict() == {"AT01": "interbank_assets"}
    for table in (banks, holdings, assets):
        for cell in table.imputed:
            assert set(cell.split()) <= set(table.columns)
    split = holdings.asset.isin(GROUPS)
    assert (holdings.imputed[split] == "amount").all()
    assert (holdings.imputed[~split] == "").all()
    assert (assets.imputed == "depth price_floor").all()


def test_holdings_name_banks_and_assets_once(banks: pd.DataFrame, holdings: pd.DataFrame, assets: pd.DataFrame) -> None:
    assert list(assets.index) == [*GROUPS, "corporate"]
    assert set(holdings.agent) <= set(banks.index)
    assert set(holdings.asset) == set(assets.index)
    assert not holdings.duplicated(["agent", "asset"]).any()
    assert (holdings.amount > 0).all()
    bonds = holdings[holdings.asset.isin(GROUPS)].groupby("agent").amount.sum()
    assert np.abs(bonds - bonds.round()).max() < 1e-6
    assert sorted(set(banks.index) - set(bonds.index)) == ["DK07"]


def test_amounts_have_one_decimal() -> None:
    for name in ("banks.csv", "holdings.csv", "assets.csv"):
        text = (TABLE / name).read_text(encoding="utf-8")
        assert text.isascii()
        assert "\r" not in text
        assert all(re.fullmatch(r"\d+\.\d", cell) for cell in re.findall(r"(?<=,)\d[\d.e+-]*(?=[,\n])", text))


def test_every_balance_sheet_has_room_for_its_parts(banks: pd.DataFrame, holdings: pd.DataFrame) -> None:
    bonds = holdings.groupby("agent").amount.sum().reindex(banks.index, fill_value=0.0)
    assert (banks.total_assets - bonds - banks.interbank_assets > 0.4 * banks.total_assets).all()
    assert (banks.total_assets - banks.equity - interbank_liabilities(banks) > 0).all()


def test_the_network_can_be_reconstructed(banks: pd.DataFrame) -> None:
    lent, owed = banks.interbank_assets.to_numpy(), interbank_liabilities(banks)
    exposures = max_entropy(lent, owed)
    assert margin_gap(exposures, lent, owed) <= 1e-12
    assert (exposures[~np.eye(48, dtype=bool)] > 0).all()


def test_depth_is_the_formula_of_the_page(assets: pd.DataFrame) -> None:
    page = (ROOT / "scenarios" / "README.md").read_text(encoding="utf-8")
    row = r"^\| (gov_\w\w|gov_other|corporate) \| ([\d,]+) \|.*?\| ([\d.]+) % \| ([\d,]+) \|$"
    rows = re.findall(row, page, re.MULTILINE)
    assert [cells[0] for cells in rows] == list(assets.index)
    for asset, turnover, sigma, depth in rows:
        formula = 0.4 * float(turnover.replace(",", "")) / (float(sigma) / 100) * math.sqrt(20)
        assert assets.depth[asset] == round(formula / 1000) * 1000
        assert assets.depth[asset] == 1000 * float(depth.replace(",", ""))
    assert (assets.price_floor == 0.4).all()
    assert set(assets.issuer[GROUPS]) == {"government"}
    assert assets.issuer["corporate"] == "borrowers"


def test_banks_equal_the_reference_data(banks: pd.DataFrame, source: pd.DataFrame) -> None:
    assert list(banks.index) == list(source.index)
    assert (banks.name == source.name).all()
    assert (banks.country == source.country).all()
    pairs = {"total_assets": "leverage_exposure", "equity": "tier1", "rwa": "rwa", "cet1": "cet1"}
    for own, theirs in {**pairs, "interbank_assets": "interbank_assets"}.items():
        assert np.abs(banks[own] - source[theirs]).max() <= 0.0501
    assert list(source.index[source.interbank_assets_src != "observed"]) == ["AT01"]


def test_holdings_equal_the_reference_data(banks: pd.DataFrame, holdings: pd.DataFrame, source: pd.DataFrame) -> None:
    wide = holdings.pivot_table("amount", "agent", "asset", "sum", fill_value=0.0).reindex(banks.index, fill_value=0.0)
    assert np.abs(wide[GROUPS].sum(axis=1) - source.gov_bonds).max() < 0.05
    assert np.abs(wide.corporate - source.other_debt).max() < 0.05
    parts = read(SOURCE / "holdings.csv")
    parts = parts[parts.asset_class == "gov_bond"]
    group = "gov_" + parts.issuer_country.str.lower()
    parts = parts.assign(group=group.where(group.isin(GROUPS), "gov_other"))
    split = parts.pivot_table("amount", "code", "group", "sum", fill_value=0.0).reindex(banks.index, fill_value=0.0)
    assert np.abs(wide[GROUPS] - split[GROUPS]).max().max() <= 0.1001
    assert parts.source.str.startswith("imputed").all()


def test_turnover_equals_the_reference_data(assets: pd.DataFrame, source: pd.DataFrame) -> None:
    published = read(SOURCE / "market_depth.csv").set_index("issuer_country").adv_eur_m_per_day
    sigma = {"DE": 0.003, "FR": 0.003, "IT": 0.005, "ES": 0.004, "GB": 0.004, "US": 0.0035, "ROW": 0.005}
    for country, volatility in sigma.items():
        asset = "gov_other" if country == "ROW" else f"gov_{country.lower()}"
        assert assets.depth[asset] == pytest.approx(0.4 * published[country] / volatility * math.sqrt(20), rel=5e-4)
