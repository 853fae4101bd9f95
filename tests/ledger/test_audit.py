"""The audits: quiet on honest books, loud on any dropped leg."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import AuditError
from sim.ledger.entries import Ledger
from sim.simulation import Simulation
from tests.systems import random_system, scenario_of

LEGS = ("_write", "_address", "_lose")
CASES = {
    "clearing": {"credit": {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.9, "resolution_steps": 2}},
    "provisions": {"credit": {"valuation": "linear-debtrank"}},
}


def simulation(case):
    system = random_system(3, n=6, n_assets=2)
    market = {"leverage_limit": 12.0, "leverage_target": 10.0, "grandfather": False}
    scenario = scenario_of(
        system,
        mode="dynamic",
        horizon={"steps": 3},
        shocks=[
            {"kind": "asset_loss", "size": {"uniform": {"low": 0.05, "high": 0.2}}},
            {"kind": "price_fall", "falls": {"a0": 0.1, "a1": 0.05}, "at": 2},
        ],
        channels={"market": market, **CASES[case]},
    )
    return Simulation(system, scenario, np.arange(2), seed=5)


@pytest.mark.parametrize("case", CASES)
def test_honest_books_close(case):
    play = simulation(case)
    block = play.play()
    assert block.metrics["defaults"][-1].max() > 0
    assert max(block.gaps.values()) < 1e-12


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("case", CASES)
def test_every_dropped_leg_is_caught(case, leg, monkeypatch):
    honest = getattr(Ledger, leg)
    sizes: list[float] = []

    def counted(self, *arguments):
        sizes.append(float(np.abs(arguments[-1]).max(initial=0.0)))
        honest(self, *arguments)

    monkeypatch.setattr(Ledger, leg, counted)
    simulation(case).play()
    # a leg of nothing cannot be missed
    moved = [k for k, size in enumerate(sizes) if size > 1e-5]
    assert len(moved) > 15
    missed = []
    for skipped in moved:
        seen = -1

        def forgetful(self, *arguments, skipped=skipped):
            nonlocal seen
            seen += 1
            if seen != skipped:
                honest(self, *arguments)

        monkeypatch.setattr(Ledger, leg, forgetful)
        try:
            simulation(case).play()
        except AuditError:
            continue
        missed.append(skipped)
    assert missed == []


def test_the_message_names_check_instrument_agent_and_lane():
    play = simulation("clearing")
    play.state.cash[2, 1] += 1.0
    with pytest.raises(AuditError, match=r"audit (books|closure): .* is off by .*; this is a bug in the model"):
        play.step()


def test_a_stock_below_zero_is_a_bug_and_never_clipped():
    play = simulation("provisions")
    everyone = slice(None)
    amount = play.state.loans * 0.0
    amount[1] = play.state.loans[1] + 1.0
    play.ledger.settle("loans", everyone, amount, amount, "shock")
    with pytest.raises(AuditError, match=r"audit sign: (loans|cash) of"):
        play._audit()
