"""Every cell of the coupling matrix: a small system played twice, with the path open and with it shut.

A case fails where its path is cut: the two runs differ in nothing but the cause, or the parameter on which it hangs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.simulation import Simulation
from sim.system import System
from tests.systems import mixed_system, scenario_of

B0, B1, B2, B3, T0, T1, P0, F0 = range(8)
MATRIX = {"C": "CLMOKR", "L": "CLMOKR", "M": "CLMOR", "O": "CLMOKR", "K": "CLMOKR", "R": "CLMKR"}
"""Cells that are not empty by design, target risks by source risk."""
CLEAR = {"credit": {"valuation": "eisenberg-noe", "real_asset_discount": 0.0}}
PROVIDE = {"credit": {"valuation": "linear-debtrank"}}
RUNNING = {"uninsured": {"hazard": 5.0}, "wholesale": {"hazard": 5.0}}


def loss(target: str = "B1", size: float = 0.05) -> dict[str, Any]:
    """A bank loses a share of its loans."""
    return {"kind": "asset_loss", "target": target, "size": size}


def outage(target: str, days: float = 3.0) -> dict[str, Any]:
    """Somebody is down."""
    return {"kind": "outage", "target": target, "service": 0.0, "duration": {"fixed": days}}


def penalty(target: str, fine: float = 0.04, days: float = 0.0) -> dict[str, Any]:
    """Somebody is fined, and perhaps suspended."""
    return {"kind": "penalty", "target": target, "fine": fine, "suspension": days}


UNSCORED = NormalDist().cdf(NormalDist().inv_cdf(0.032) + 2.0 * 0.05**0.5) - 0.032
"""Rise of the probability of default of those to whom a platform lends with an error of two standard deviations."""
FALL = {"kind": "price_fall", "falls": {"CORP": 0.2, "TECHEQ": 0.35}}
RUMOUR = {"kind": "rumour", "target": "B1", "size": 8.0, "reach": 1.0, "campaign": 5.0}


def system_of(**changes: dict[int, float]) -> System:
    """The mixed system with other amounts in some columns; equity is what is left."""
    made = mixed_system()
    start = {name: values.copy() for name, values in made.start.items()}
    traits = {name: values.copy() for name, values in made.traits.items()}
    for name, cells in changes.items():
        for row, amount in cells.items():
            (start if name in start else traits)[name][row] = amount
    return replace(made, start=start, traits=traits)


@dataclass(frozen=True)
class Case:
    """One path: what is played, what opens and shuts it, what is looked at.

    `on` and `off` are merged into the channels; `cause` says how many of the shocks are played with the path shut too.
    """

    seen: Callable[[Simulation], float]
    shocks: tuple[dict[str, Any], ...] = ()
    channels: dict[str, dict[str, Any]] | None = None
    on: dict[str, dict[str, Any]] | None = None
    off: dict[str, dict[str, Any]] | None = None
    steps: int = 1
    lanes: int = 2
    cause: int = 10
    sign: int = 1
    system: dict[str, dict[int, float]] | None = None
    is_number: float | None = None

    def play(self, path: bool) -> float:
        """Play it with the path open or shut and look."""
        channels: dict[str, Any] = {name: dict(said) for name, said in (self.channels or {}).items()}
        for name, said in ((self.on if path else self.off) or {}).items():
            channels[name] = merged(channels.get(name, {}), said)
        shocks = self.shocks if path else self.shocks[: self.cause]
        system = system_of(**(self.system or {}))
        horizon = {"steps": self.steps}
        scenario = scenario_of(system, mode="dynamic", horizon=horizon, shocks=list(shocks), channels=channels)
        made = Simulation(system, scenario, np.arange(self.lanes), seed=1)
        for _ in range(self.steps):
            made.step()
        assert max(made.gaps.values()) < 1e-12
        return self.seen(made)


def merged(first: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """Two settings as one, the second over the first."""
    found = dict(first)
    for name, said in then.items():
        found[name] = (
            merged(found[name], said) if isinstance(said, dict) and isinstance(found.get(name), dict) else said
        )
    return found


def column(name: str, *rows: int) -> Callable[[Simulation], float]:
    """Look at the sum of a column over agents, first lane."""
    return lambda play: float(play.state.columns[name][list(rows) or slice(None), 0].sum())


def lost(source: str, *rows: int) -> Callable[[Simulation], float]:
    """Look at what agents have lost under a channel's name, first lane."""
    return lambda play: float(play.state.loss[play.state.sources.index(source), list(rows), 0].sum())


def price(asset: str) -> Callable[[Simulation], float]:
    """Look at a price, first lane."""
    return lambda play: float(play.state.price[play.system.assets.index(asset), 0])


def overnight(play: Simulation) -> float:
    """Look at the share of overnight lending that is left of all lenders and borrowers."""
    claims = play.state.layers["overnight"]
    return float((claims.kept[:4, 0] * claims.drawn[:4, 0]).sum())


def chance(row: int) -> Callable[[Simulation], float]:
    """Look at the chance that an agent is found out in the next step."""

    def of(play: Simulation) -> float:
        channel, step = play.channels["compliance"], play._given("compliance")
        return float(channel.chance(step, channel.gap(step))[row, 0])

    return of


def hazard(play: Simulation) -> float:
    """Look at how many outages came by themselves, in days of service lost over all draws."""
    return float(play.state.lost_service[[T0, T1]].sum())


KNOWS = {"liquidity": {"depositors": RUNNING}}
NOTED = {"reputation": {}}
CASES: dict[str, Case] = {
    # -- credit
    "C_C claims": Case(lost("credit", B0, B1), (loss("B2", 0.3),), CLEAR, cause=0),
    "C_L belief": Case(column("withdrawn", B1), (loss(size=0.09),), {"liquidity": {}}, cause=0),
    "C_L rollover": Case(
        overnight,
        (loss(size=0.1),),
        PROVIDE | {"liquidity": {"depositors": {"uninsured": {"hazard": 0.0}, "wholesale": {"hazard": 0.0}}}},
        {"liquidity": {"rollover": {"credit_sensitivity": 1.0, "hoarding": 0.0}}},
        {"liquidity": {"rollover": {"credit_sensitivity": 0.0, "hoarding": 0.0}}},
        steps=2,
        sign=-1,
    ),
    "C_M leverage": Case(
        price("CORP"),
        (loss(size=0.09),),
        {"market": {}},
        {"market": {"leverage_limit": 12.0, "leverage_target": 11.0}},
        {"market": {"leverage_limit": 1000.0, "leverage_target": 900.0}},
        sign=-1,
    ),
    "C_O vendor": Case(
        column("service", B0),
        ({"kind": "agent_failure", "target": "T0", "size": 0.9},),
        CLEAR,
        {"operational": {"taken_over": 0.0}},
        {"operational": {"taken_over": 1.0}},
        steps=3,
        sign=-1,
    ),
    "C_K caps": Case(
        column("withheld", P0),
        ({"kind": "rule_change", "target": "banks", "partner_cap": 0.7, "transition": 0.0}, loss(size=0.06)),
        {"compliance": {}},
        steps=3,
        cause=1,
    ),
    "C_R signal": Case(column("news", B1), (loss(),), NOTED, cause=0),
    # -- liquidity
    "L_C illiquid": Case(
        lost("credit", B0),
        (RUMOUR,),
        NOTED | {"credit": {"valuation": "rogers-veraart", "alpha": 0.8}, "liquidity": {"depositors": RUNNING}},
        {"liquidity": {"defence": ("reserves",)}},
        {"liquidity": {"defence": ("reserves", "lender-of-last-resort")}},
        steps=3,
    ),
    "L_C crunch": Case(
        lost("credit", B0),
        (RUMOUR,),
        NOTED | KNOWS | CLEAR,
        {"credit": {"borrowers": {"crunch": 0.05}}},
        {"credit": {"borrowers": {"crunch": 0.0}}},
        steps=4,
    ),
    "L_L hoarding": Case(
        overnight,
        (RUMOUR,),
        NOTED | {"liquidity": {"depositors": RUNNING, "defence": ("reserves", "lender-of-last-resort")}},
        {"liquidity": {"rollover": {"hoarding": 1.0}}},
        {"liquidity": {"rollover": {"hoarding": 0.0}}},
        steps=4,
        sign=-1,
    ),
    "L_M sales": Case(
        price("CORP"),
        (RUMOUR,),
        NOTED | KNOWS | {"market": {"leverage_limit": 1000.0, "leverage_target": 900.0}},
        {"liquidity": {"defence": ("reserves", "sale")}},
        {"liquidity": {"defence": ("reserves", "lender-of-last-resort")}},
        steps=3,
        sign=-1,
    ),
    "L_O backlog": Case(
        column("backlog"),
        (RUMOUR,),
        NOTED | {"operational": {}},
        {"liquidity": {"depositors": RUNNING}},
        {"liquidity": {"depositors": {name: {"hazard": 0.0} for name in ("insured", "uninsured", "wholesale")}}},
        steps=5,
    ),
    "L_K coverage": Case(
        chance(B3),
        (RUMOUR | {"target": "B3"},),
        NOTED | KNOWS,
        {"compliance": {"scrutiny_of_illiquidity": 5.0}},
        {"compliance": {"scrutiny_of_illiquidity": 0.0}},
        steps=3,
    ),
    "L_R run": Case(
        column("news", B0),
        (loss("B1", 0.08),),
        NOTED,
        {"liquidity": {"depositors": RUNNING, "learning": {"run_weight": 20.0}}},
        {"liquidity": {"depositors": RUNNING, "learning": {"run_weight": 0.0}}},
        steps=3,
    ),
    # -- market
    "M_C equity": Case(
        lost("credit", B1),
        ({"kind": "price_fall", "falls": {"GOV": 0.5, "CORP": 0.9, "TECHEQ": 0.99}},),
        CLEAR,
        cause=0,
    ),
    "M_C pledges": Case(
        lost("credit", B0, B1, B2, B3),
        (FALL,),
        CLEAR,
        {"credit": {"pledges": {"share": 0.3}}},
        {"credit": {"pledges": {"share": 0.0}}},
        is_number=0.3 * 0.55 * 0.016 * 0.35 * (600 + 350 + 180 + 110),
    ),
    "M_L margin": Case(
        column("margin_due", B2),
        (FALL,),
        {},
        {"liquidity": {"repo": {"start": 1.0, "price_sensitivity": 5.0}}},
        {"liquidity": {"repo": {"start": 1.0, "price_sensitivity": 0.0}}},
    ),
    "M_L fund price": Case(
        column("redemption_due", F0),
        (FALL,),
        {},
        {"liquidity": {"funds": {"loss_hazard": 1.0}}},
        {"liquidity": {"funds": {"loss_hazard": 0.0}}},
    ),
    "M_M overlap": Case(
        lost("market", B1),
        (loss("B0", 0.1),),
        {"market": {"leverage_limit": 12.0, "leverage_target": 11.0}},
        cause=0,
    ),
    "M_O budgets": Case(
        hazard,
        ({"kind": "price_fall", "falls": {"TECHEQ": 0.6}},),
        {"operational": {"outage_rate": 20.0, "budget_lag": 5.0}},
        {"operational": {"budget_effect": 5.0}},
        {"operational": {"budget_effect": 0.0}},
        steps=20,
        lanes=32,
    ),
    "M_R signal": Case(column("news", B1), (FALL,), NOTED, cause=0),
    # -- operations
    "O_C income": Case(
        lost("credit", B2),
        (outage("T1"),),
        CLEAR,
        {"operational": {"cost_of_outage": 100.0}},
        {"operational": {"cost_of_outage": 0.0}},
        steps=2,
        system={"revenue": {T1: 30.0}},
    ),
    "O_C scoring": Case(
        lost("credit", B1, B2, B3, P0),
        (outage("P0"),),
        CLEAR | {"operational": {"cost_of_outage": 0.0}},
        {"credit": {"borrowers": {"scoring_error": 2.0}}},
        {"credit": {"borrowers": {"scoring_error": 0.0}}},
        is_number=100.0 * 0.45 * UNSCORED / 250.0,
    ),
    "O_L payments": Case(column("cash", B1), (outage("B0", 1.0),), {"operational": {}}, cause=0, sign=-1),
    "O_L surge": Case(
        column("withdrawn", B1),
        (RUMOUR, outage("B1", 3.0)),
        NOTED | KNOWS | {"operational": {}},
        off={"operational": {"enabled": False}},
        steps=2,
        sign=-1,
    ),
    "O_M halt": Case(
        price("CORP"),
        (loss("B0", 0.1), outage("T0")),
        {"operational": {}, "market": {"leverage_limit": 12.0, "leverage_target": 11.0}},
        {"market": {"halt": 0.9}},
        {"market": {"halt": 0.0}},
        sign=-1,
    ),
    "O_O providers": Case(column("service", B0, B1), (outage("T0"),), {"operational": {}}, cause=0, sign=-1),
    "O_K breach": Case(
        chance(P0),
        ({"kind": "data_breach", "target": "P0"},),
        {},
        {"compliance": {"breach_gap": 0.3}},
        {"compliance": {"breach_gap": 0.0}},
    ),
    "O_R outage": Case(
        column("news", B0),
        (outage("B0"),),
        {"operational": {}},
        {"reputation": {"learning": {"outage_weight": 4.0}}},
        {"reputation": {"learning": {"outage_weight": 0.0}}},
        steps=2,
    ),
    # -- compliance
    "K_C fine": Case(
        lost("credit", B1),
        (penalty("P0", 0.9),),
        CLEAR,
        {"compliance": {"fine_cap": 1.0}},
        {"compliance": {"fine_cap": 0.05}},
        steps=2,
        system={"turnover": {P0: 120.0}},
    ),
    "K_C de-risking": Case(
        column("withheld", P0),
        (penalty("P0", 0.01, 60.0),),
        CLEAR,
        {"compliance": {"pool_days": 20.0}},
        {"compliance": {"pool_days": 10_000.0}},
        steps=3,
    ),
    "K_L enforcement": Case(
        column("withdrawn", B3),
        (penalty("B3", 0.01, 60.0),),
        {"compliance": {}},
        {"liquidity": {"depositors": RUNNING, "learning": {"enforcement_weight": 20.0}}},
        {"liquidity": {"depositors": RUNNING, "learning": {"enforcement_weight": 0.0}}},
        steps=3,
    ),
    "K_M shares": Case(
        price("TECHEQ"),
        (penalty("P0", 0.04),),
        {},
        {"compliance": {"share_response": 1.0}},
        {"compliance": {"share_response": 0.0}},
        is_number=-0.04 * 25 / 100,
    ),
    "K_O suspension": Case(
        column("service", B0),
        (penalty("T0", 0.01, 60.0),),
        {"operational": {}},
        {"compliance": {"suspension_cut": 0.5}},
        {"compliance": {"suspension_cut": 0.0}},
        steps=3,
        sign=-1,
    ),
    "K_K sweep": Case(
        chance(T1), (penalty("T0"),), {}, {"compliance": {"sweep": 5.0}}, {"compliance": {"sweep": 0.0}}, steps=2
    ),
    "K_R case": Case(
        column("news", P0),
        (penalty("P0"),),
        {"compliance": {}},
        {"reputation": {"learning": {"enforcement_weight": 2.0}}},
        {"reputation": {"learning": {"enforcement_weight": 0.0}}},
        steps=3,
    ),
    # -- reputation
    "R_C income": Case(
        lost("reputation", B1), (RUMOUR,), {}, {"reputation": {"attrition": 0.5}}, {"reputation": {"attrition": 0.0}}
    ),
    "R_L run": Case(column("withdrawn", B1), (RUMOUR,), NOTED | KNOWS, steps=3, cause=0),
    "R_M shares": Case(
        price("TECHEQ"),
        (RUMOUR | {"target": "P0"},),
        {},
        {"reputation": {"attrition": 0.5, "share_response": 20.0}},
        {"reputation": {"attrition": 0.5, "share_response": 0.0}},
        steps=2,
        sign=-1,
    ),
    "R_M spreads": Case(
        column("other_liabilities", B1), (RUMOUR,), {}, {"reputation": {"spread": 0.1}}, {"reputation": {"spread": 0.0}}
    ),
    "R_K scrutiny": Case(
        chance(B3),
        (RUMOUR | {"target": "B3"},),
        NOTED,
        {"compliance": {"scrutiny_of_news": 5.0}},
        {"compliance": {"scrutiny_of_news": 0.0}},
    ),
    "R_R similarity": Case(
        column("news", B0),
        (RUMOUR,),
        {},
        {"reputation": {"similarity": {"weight": 0.8}}},
        {"reputation": {"similarity": {"weight": 0.0}}},
    ),
}
"""Paths by cell and name."""


def test_every_cell_of_the_matrix_has_a_case() -> None:
    cells = {f"{source}_{target}" for source, targets in MATRIX.items() for target in targets}
    assert cells == {name.split()[0] for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_the_path_carries_what_it_should(name: str) -> None:
    case = CASES[name]
    with_path, without = case.play(path=True), case.play(path=False)
    if case.is_number is None:
        assert case.sign * (with_path - without) > 1e-6 * max(1.0, abs(without))
    else:
        assert_allclose(with_path - without, case.is_number, rtol=1e-9)
