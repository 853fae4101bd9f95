"""The audits: quiet on honest books, loud on any dropped leg."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sim.errors import AuditError
from sim.ledger.entries import Ledger
from sim.simulation import Simulation
from tests.systems import mixed_system, random_system, scenario_of

LEGS = ("_write", "_address", "_lose")
BANKS_ONLY = [
    {"kind": "asset_loss", "size": {"uniform": {"low": 0.05, "high": 0.2}}},
    {"kind": "price_fall", "falls": {"a0": 0.1, "a1": 0.05}, "at": 2},
]
MARKET = {"leverage_limit": 12.0, "leverage_target": 10.0, "grandfather": False}
RANKS = {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.9, "resolution_steps": 2, "ranking": "by-rank"}
POOL_FALLS = {"kind": "borrower_stress", "pools": "platforms", "pd_multiplier": 4.0}
CASES = {
    "clearing": (
        BANKS_ONLY,
        {
            "market": MARKET,
            "credit": {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.9, "resolution_steps": 2},
        },
    ),
    "provisions": (BANKS_ONLY, {"market": MARKET, "credit": {"valuation": "linear-debtrank"}}),
    # B0 fails while its insured depositors wait; its accounts, loans and claims are wound up, then T0 fails too
    "insurance": (
        [
            {"kind": "asset_loss", "target": "B0", "size": 0.25},
            {"kind": "agent_failure", "target": "T0", "size": 0.9, "at": 2},
        ],
        {"credit": RANKS | {"deposit_insurance": True, "payout_delay": 1.0}},
    ),
    # the pool falls, the guarantee is called and paid from reserves and accounts; then the platform fails
    "guarantee": (
        [POOL_FALLS, POOL_FALLS | {"at": 2}, {"kind": "agent_failure", "target": "P0", "size": 0.5, "at": 3}],
        {"credit": RANKS},
    ),
    # depositors, lenders and holders of fund shares run; banks call, pledge, sell, and borrow from the central bank
    "run": (
        [
            {"kind": "asset_loss", "target": "B3", "size": 0.12},
            {"kind": "asset_loss", "target": "B1", "size": 0.1},
            {"kind": "asset_loss", "target": "B2", "size": 0.2},
            {"kind": "redemption", "size": 0.5, "days": 2.0, "price_fall": 0.003},
        ],
        {"liquidity": {"depositors": {"uninsured": {"hazard": 1.0}}}, "market": {}, "credit": RANKS},
    ),
    # pledged shares fall; B0 is recapitalised by subordinated and term debt, at a cost, and B3 cannot be
    "bail-in": (
        [
            {"kind": "price_fall", "falls": {"TECHEQ": 0.35}},
            {"kind": "asset_loss", "target": "B0", "size": 0.13},
            {"kind": "asset_loss", "target": "B3", "size": 0.4, "at": 2},
        ],
        {"credit": RANKS | {"pledges": {"share": 0.3}, "resolution": {"bail_in": "term", "cost": 0.01}}},
    ),
    # a failed bank is repaid, and its platform's guarantee called, after its book was sold
    "after failure": ([POOL_FALLS | {"at": 2}], {"credit": RANKS}),
}
"""Shocks and channels; those of banks alone on a random system, the others on the mixed one."""


@cache
def parts(case):
    """Return the system and the scenario of a case, made once."""
    shocks, channels = CASES[case]
    system = random_system(3, n=6, n_assets=2) if shocks is BANKS_ONLY else mixed_system()
    if case == "guarantee":
        start = system.start | {"cash": system.start["cash"].copy()}
        start["cash"][system.ids.index("P0")] = 20.5
        traits = system.traits | {"guarantee": system.traits["guarantee"] * 2.0}
        system = replace(system, start=start, traits=traits)
    if case == "bail-in":
        debt, rest = np.zeros(len(system.ids)), system.start["other_liabilities"].copy()
        debt[0], rest[0] = 20.0, rest[0] - 20.0
        system = replace(system, start=system.start | {"subordinated": debt, "other_liabilities": rest})
    return system, scenario_of(system, mode="dynamic", horizon={"steps": 3}, shocks=shocks, channels=channels)


def simulation(case):
    system, scenario = parts(case)
    play = Simulation(system, scenario, np.arange(2), seed=5)
    if case == "after failure":
        play.state.ordered_to_fail[system.ids.index("B2")] = 1.0
    return play


def played(case):
    """Return a simulation after its three steps."""
    play = simulation(case)
    for _ in range(3):
        play.step()
    return play


@pytest.mark.parametrize("case", CASES)
def test_honest_books_close(case):
    play = played(case)
    assert play.state.is_defaulted.any()
    assert max(play.gaps.values()) < 1e-12


def place():
    """Return by which lines of the program a leg is being written."""
    frame, found = sys._getframe(2), []
    while frame is not None and "tests" not in frame.f_code.co_filename:
        found.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return tuple(found)


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("case", CASES)
def test_every_dropped_leg_is_caught(case, leg, monkeypatch):
    honest = getattr(Ledger, leg)
    largest: dict[object, tuple[float, int]] = {}
    seen = -1

    def counted(self, *arguments):
        nonlocal seen
        seen += 1
        what = arguments[0] if isinstance(arguments[0], str) else ""
        size = float(np.abs(arguments[-1]).max(initial=0.0))
        largest[place(), what] = max(largest.get((place(), what), (0.0, -1)), (size, seen))
        honest(self, *arguments)

    monkeypatch.setattr(Ledger, leg, counted)
    played(case)
    # a leg of nothing cannot be missed; of legs by the same lines of one instrument the largest stands for all
    moved = [number for size, number in largest.values() if size > 1e-5]
    assert len(moved) > 10
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
            played(case)
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
