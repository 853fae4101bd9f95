"""The campaign of closure: what it measures is there, what is too large is reported, what is done is not done again."""

from __future__ import annotations

import json
import sys

import pytest

from sim.errors import AuditError
from sim.walls.absorbing import Absorbing
from tests.campaign_runs import closure


def test_a_block_has_every_check_and_closes() -> None:
    found = closure.block("guarantee_fund", 40, 8)
    assert set(closure.CHECKS) <= set(found)
    assert 0.0 < max(found.values()) < 1e-12


def test_money_past_the_ledger_ends_a_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    pay = Absorbing.pay

    def twice(self, stand, step, claim):  # type: ignore[no-untyped-def]
        paid = pay(self, stand, step, claim)
        step.state.cash[step.state.debtors] += paid
        return paid

    monkeypatch.setattr(Absorbing, "pay", twice)
    with pytest.raises(AuditError, match="cash"):
        closure.block("guarantee_fund", 0, 8)


def test_what_is_done_is_not_played_again(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(closure, "engine", lambda: "this")
    out = tmp_path / "closure.json"
    kept = dict.fromkeys(closure.CHECKS, 1e-16) | {"draws": 8, "seed": closure.SEED, "seconds": 1.0, "engine": "this"}
    out.write_text(
        json.dumps({"cn100": kept, "eu48": kept | {"engine": "another"}, "fund_run": kept | {"books": 1e-3}})
    )
    played = []

    def campaign(names, draws, workers):  # type: ignore[no-untyped-def]
        for name in names:
            played.append(name)
            yield name, kept | {"closure": 1e-3 if name == "eu48" else 0.0}

    monkeypatch.setattr(closure, "campaign", campaign)
    monkeypatch.setattr(
        sys, "argv", ["closure", "--draws", "8", "--out", str(out), "--only", "cn100", "eu48", "fund_run"]
    )
    with pytest.raises(SystemExit) as ended:
        closure.main()
    assert played == ["eu48", "fund_run"]
    assert ended.value.code == 1
    assert capsys.readouterr().out.strip().endswith("above 1e-09: eu48")
    assert json.loads(out.read_text())["fund_run"]["books"] == 1e-16
