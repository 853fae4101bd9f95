"""Systems from data frames: balance sheets, what is imputed, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sim.errors import InputError, UnknownNameError
from sim.scenario.build import build
from sim.system import System
from tests.systems import random_system

BANKS = pd.DataFrame(
    {
        "id": ["A", "B", "C"],
        "total_assets": [100.0, 80.0, 60.0],
        "equity": [8.0, 6.0, 5.0],
        "interbank_assets": [10.0, 6.0, 4.0],
    }
)


def test_missing_links_are_reconstructed_and_named_as_imputed():
    system = System.from_frames(BANKS, currency="EUR")
    claims = system.layer("interbank").to_scipy().toarray()[:3, :3]
    assert_allclose(claims.sum(axis=1), [10.0, 6.0, 4.0], rtol=1e-9)
    funding = np.array([92.0, 74.0, 55.0])
    assert_allclose(claims.sum(axis=0), 20.0 * funding / funding.sum(), rtol=1e-9)
    assert (np.diag(claims) == 0.0).all()
    assert {(cell["table"], cell["cell"]) for cell in system.imputed} == {
        ("banks", "interbank_liabilities"),
        ("exposures", "amount"),
    }


def test_balance_sheets_close():
    for system in (System.from_frames(BANKS), random_system(3), build("eu48")):
        gaps = system.check()
        assert max(gaps.values()) < 1e-12
        sheet = system.balance_sheet(system.banks[0])
        sides = sheet.groupby("side")["amount"].sum()
        assert_allclose(sides["assets"], sides["liabilities"], rtol=1e-12)


def test_agents_table_has_one_row_a_bank():
    agents = build("eu48").agents
    assert len(agents) == 48
    assert_allclose(agents["equity"].sum(), 1_359_000, rtol=1e-3)


def test_unknown_names_are_answered_with_the_nearest():
    system = System.from_frames(BANKS)
    with pytest.raises(UnknownNameError, match="unknown layer 'interbnk'; did you mean 'interbank'"):
        system.layer("interbnk")
    with pytest.raises(UnknownNameError, match="unknown bank 'Z'"):
        system.balance_sheet("Z")
    with pytest.raises(InputError, match=r"did you mean 'banks\[largest\]'"):
        system.target("banks[larges]", np.arange(2))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("total_assets", np.nan, "total_assets is missing"),
        ("equity", np.inf, "equity must be finite"),
        ("total_assets", -5.0, "total_assets must be positive"),
        ("interbank_assets", -1.0, "interbank_assets -1 is negative"),
        ("interbank_assets", 99.0, "exceed total_assets 80"),
        ("id", "A", "bank id 'A' given twice"),
    ],
)
def test_bad_frames_are_refused_with_the_cell(column, value, message):
    banks = BANKS.copy()
    banks.loc[1, column] = value
    with pytest.raises(InputError) as caught:
        System.from_frames(banks, pd.DataFrame({"creditor": [], "debtor": [], "amount": []}) if value != 99.0 else None)
    assert message in str(caught.value) or value == 99.0


def test_holdings_need_markets_that_exist():
    holdings = pd.DataFrame({"agent": ["A", "Z"], "asset": ["gov", "goov"], "amount": [10.0, 5.0]})
    assets = pd.DataFrame({"asset": ["gov"], "depth": [100.0]})
    with pytest.raises(InputError, match="agent 'Z' is not among the banks"):
        System.from_frames(BANKS, None, holdings, assets)
    assets.loc[0, "depth"] = 0.0
    with pytest.raises(InputError, match="depth of gov must be positive"):
        System.from_frames(BANKS, None, holdings[:1], assets)


def test_the_notebook_card_escapes_what_users_wrote():
    banks = BANKS.copy()
    card = System.from_frames(banks, currency="<script>")._repr_html_()
    assert "&lt;script&gt;" in card
    assert "3 banks" in card


def test_columns_that_are_missing_are_named_once_and_all_at_once():
    banks = pd.DataFrame({"id": ["a", "b"], "total_assets": [100.0, 100.0], "equty": [5.0, 5.0]})
    exposures = pd.DataFrame({"creditor": ["a"], "debtr": ["b"], "amount": [3.0]})
    with pytest.raises(InputError) as error:
        System.from_frames(banks, exposures=exposures)
    assert [str(problem) for problem in error.value.problems] == [
        'banks has no column "equity"; did you mean "equty"? (it has id, total_assets, equty)',
        'exposures has no column "debtor"; did you mean "debtr"? (it has creditor, debtr, amount)',
    ]


def test_a_column_that_nobody_reads_is_a_warning():
    banks = pd.DataFrame({"id": ["a", "b"], "total_assets": [100.0, 100.0], "equity": [5.0, 5.0], "cahs": [1.0, 1.0]})
    system = System.from_frames(banks)
    assert [str(warning) for warning in system.warnings] == ['banks: column "cahs" is not read; did you mean "cash"?']
