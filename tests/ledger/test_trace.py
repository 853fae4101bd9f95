"""What the recorder writes down is what the ledger posts: every line with both ends, adding up to the last bit."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from sim.errors import AuditError
from sim.ledger import ends
from sim.ledger.balance import net_worth
from sim.ledger.entries import Ledger
from sim.ledger.trace import Recorder
from sim.ledger.watched import WatchedLedger
from sim.scenario.build import build
from sim.scenario.load import load, shipped
from sim.simulation import Simulation
from tests.systems import mixed_system, random_system, scenario_of

LANE = 3
CHANNELS = {
    "clearing": {"credit": {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.9, "resolution_steps": 2}},
    "provisions": {"credit": {"valuation": "linear-debtrank"}},
}
MARKET = {"leverage_limit": 12.0, "leverage_target": 10.0, "grandfather": False}
EVENTS = [
    {"kind": "asset_loss", "size": {"uniform": {"low": 0.05, "high": 0.2}}},
    {"kind": "price_fall", "falls": {"a0": 0.1, "a1": 0.05}, "at": 2},
]


def dynamic(case: str) -> Simulation:
    """Six banks, three steps, failures and sales."""
    changes = {"mode": "dynamic", "horizon": {"steps": 3}, "shocks": EVENTS}
    scenario = scenario_of(random_system(3, n=6, n_assets=2), **changes, channels={"market": MARKET, **CHANNELS[case]})
    return Simulation(scenario.origin.system, scenario, np.arange(5), seed=5)


def shipped_one(name: str) -> Simulation:
    scenario = load(name)
    scenario = scenario if scenario.ramp is None else scenario.quarter(scenario.ramp.last)
    return Simulation(build(scenario, seed=7), scenario, np.arange(5), 7)


PLAYED = {case: (lambda case=case: dynamic(case)) for case in CHANNELS} | {
    name: (lambda name=name: shipped_one(name)) for name in shipped() if load(name).origin.system is None
}


def noted(simulation: Simulation, steps: int | None = None) -> tuple[dict[str, Any], Recorder]:
    """Play with a recorder on one lane."""
    recorder = Recorder(
        simulation.state.ids, LANE, lambda: (simulation.number, simulation.phase, simulation.cause), 1e-9 * 1e9
    )
    simulation.ledger.witness = recorder
    for _ in range(steps or min(4, simulation.scenario.horizon.steps)):
        simulation.step()
    return recorder.table(simulation.system.assets), recorder


@pytest.mark.parametrize("name", PLAYED)
def test_postings_add_up_to_the_losses_to_the_last_bit(name: str) -> None:
    simulation = PLAYED[name]()
    table, _ = noted(simulation)
    assert (table["amount"].size > 0) is bool((simulation.state.loss[..., LANE] != 0.0).any())
    legs: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for channel, agent, posting, amount in zip(
        table["channel"], table["agent"], table["posting"].tolist(), table["amount"].tolist(), strict=True
    ):
        legs[channel, agent, posting].append(amount)
    found: dict[tuple[str, str], float] = defaultdict(float)
    for (channel, agent, _), amounts in legs.items():
        found[channel, agent] += math.fsum(amounts)
    state = simulation.state
    for place, source in enumerate(state.sources):
        for row, agent in enumerate(state.ids):
            assert found[source, agent] == state.loss[place, row, LANE], (source, agent)


@pytest.mark.parametrize("name", PLAYED)
def test_every_line_names_both_ends_and_the_instrument(name: str) -> None:
    simulation = PLAYED[name]()
    table, _ = noted(simulation)
    assert set(table["agent"]) <= set(simulation.state.ids)
    assert set(table["counterparty"]) <= {*simulation.state.ids, "", "several"}
    # payments between many agents at once are pooled, nothing else is
    assert set(table["instrument"][table["counterparty"] == "several"]) <= {"cash"}
    # what nobody gains is what is destroyed
    destroyed = {str(on) for on, far in zip(table["instrument"], table["counterparty"], strict=True) if far == ""}
    assert destroyed <= {"real_assets"}
    known = {column.name for column in simulation.state.money} | set(simulation.state.layers)
    known |= {f"securities {asset}" for asset in simulation.system.assets}
    assert set(table["instrument"]) <= known
    assert not (table["agent"] == table["counterparty"]).any()


def test_watching_changes_no_bit() -> None:
    for case in CHANNELS:
        watched, alone = dynamic(case), dynamic(case)
        noted(watched, steps=3)
        for _ in range(3):
            alone.step()
        assert watched.state.loss.tobytes() == alone.state.loss.tobytes()
        assert watched.state.book.tobytes() == alone.state.book.tobytes()


def test_who_when_and_why() -> None:
    table, _ = noted(dynamic("clearing"))
    events = table["phase"] == "events"
    assert set(table["channel"][events]) == {"shock"}
    assert set(zip(table["step"][events].tolist(), table["cause"][events], strict=True)) == {
        (1, "shocks.0"),
        (2, "shocks.1"),
    }
    assert set(table["phase"][table["channel"] == "market"]) == {"market"}
    assert {"credit", "resolution"} >= set(table["phase"][table["channel"] == "credit"]) >= {"credit"}
    assert (np.diff(table["posting"]) >= 0).all()


def test_a_default_is_split_over_the_debtors_by_the_edges() -> None:
    simulation = dynamic("clearing")
    state, ledger = simulation.state, simulation.ledger
    ledger.witness = recorder = Recorder(state.ids, LANE, lambda: (1, "credit", ""), 1e-6)
    claims = np.zeros((state.n_agents, state.n_agents))
    layer = state.layers["interbank"].rows
    for i in range(layer.n_rows):
        for at in range(layer.indptr[i], layer.indptr[i + 1]):
            claims[i, layer.indices[at]] = layer.weights[at]
    failing = np.zeros((state.n_agents, state.n_lanes), dtype=bool)
    failing[[1, 4]] = True
    recovery = np.zeros_like(state.loss[0])
    recovery[1], recovery[4] = 0.3, 0.9
    ledger.settle_claims(failing, recovery, "credit")
    table = recorder.table(())
    net: dict[tuple[str, str], float] = defaultdict(float)
    for agent, other, amount in zip(table["agent"], table["counterparty"], table["amount"].tolist(), strict=True):
        net[agent, other] += amount
    ids = state.ids
    for i in range(6):
        for j in range(6):
            written_off = claims[i, j] * (1.0 - recovery[j, LANE]) * failing[j, LANE]
            relief = claims[j, i] * (1.0 - recovery[i, LANE]) * failing[i, LANE]
            assert net[ids[i], ids[j]] == pytest.approx(written_off - relief, rel=1e-12, abs=1e-9)


def test_a_write_down_is_split_over_the_debtors_by_the_edges() -> None:
    system = mixed_system()
    state = system.state(8, ("shock",))
    ledger = Ledger(state)
    ledger.witness = recorder = Recorder(state.ids, LANE, lambda: (1, "credit", ""), 1e-9)
    worth = np.ones_like(state.worth)
    row = state.ids.index
    worth[row("B1")], worth[row("P0")] = 0.5, 0.9
    ledger.revalue_worth(worth, "shock")
    table = recorder.table(system.assets)
    lines = {
        (agent, other, on): amount
        for agent, other, on, amount in zip(
            *(table[name] for name in ("agent", "counterparty", "instrument", "amount")), strict=True
        )
    }
    assert lines == pytest.approx(
        {
            ("B0", "B1", "interbank"): 15.0,
            ("B2", "B1", "overnight"): 4.0,
            ("B3", "B1", "overnight"): 2.5,
            ("T0", "B1", "accounts"): 2.5,
            ("P0", "B1", "accounts"): 12.5,
            ("F0", "B1", "accounts"): 10.0,
            ("B1", "P0", "lending"): 2.0,
            ("B3", "P0", "lending"): 0.8,
        }
    )


def entries(state: Any) -> dict[str, Any]:
    """Every entry of the ledger once, on the mixed system."""
    n, lanes, row, everyone = state.n_agents, state.n_lanes, state.ids.index, slice(None)
    rng = np.random.default_rng(2)
    some = rng.uniform(0.1, 1.0, (n, lanes)) * 0.2
    banks, failing, recovery = state.banks, np.zeros((n, lanes), dtype=bool), rng.uniform(0.2, 0.9, (n, lanes))
    failing[[row("B2"), row("P0")]] = True
    half = np.full((n, lanes), 0.5)
    price = state.price * rng.uniform(0.5, 1.1, state.price.shape)
    outlay = np.full(lanes, 500.0)
    sold = np.maximum(state.units[banks], 0.0) * 0.3
    outside, insurer = row("outside"), row("deposit_insurer")
    return {
        "create a loan": lambda book: book.create("loans", banks, some[banks], "shock"),
        "create a debt for cash": lambda book: book.create(
            "other_liabilities", banks, some[banks], "shock", for_cash=True
        ),
        "create one claim": lambda book: book.create("estate_claims", outside, some[0], "shock"),
        "settle an asset": lambda book: book.settle("loans", banks, some[banks], some[banks] * 0.4, "shock"),
        "settle a debt": lambda book: book.settle("deposits_insured", banks, some[banks], some[banks], "shock"),
        "settle through the estate": lambda book: book.settle(
            "deposits_uninsured", banks, some[banks], some[banks] * 0.6, "shock", via="estate"
        ),
        "fund investors": lambda book: book.fund_investors(outlay, "shock"),
        "fund the insurer": lambda book: book.fund_investors(outlay, "shock", "deposit_insurer"),
        "transfer": lambda book: book.transfer("loans", banks, outside, some[banks], "shock"),
        "transfer pieces": lambda book: book.transfer_units(banks, outside, sold, price, "shock"),
        "destroy": lambda book: book.destroy(banks, some[banks], "shock"),
        "destroy at one": lambda book: book.destroy(row("borrowers"), some[0], "shock"),
        "new prices": lambda book: book.revalue_price(price, "shock"),
        "new worth": lambda book: book.revalue_worth(recovery, "shock"),
        "settle claims": lambda book: book.settle_claims(failing, recovery, "shock"),
        "roll": lambda book: book.roll("accounts", half, half * 1.6, "shock"),
        "call a guarantee": lambda book: book.roll("guarantees", half * 2.0, half * 20.0, "shock", for_cash=False),
        "pay": lambda book: book.pay(some, some[::-1], "shock"),
        "pay the insurer": lambda book: book.settle("advances", insurer, some[0], some[0], "shock"),
        "nothing": lambda book: book.create("loans", everyone, some * 0.0, "shock"),
    }


ONE_SIDED = {"destroy", "destroy at one", "new worth", "pay", "new prices", "transfer pieces"}
"""What is destroyed, provided for, paid into a pool or marked for one side alone."""


@pytest.mark.parametrize("name", entries(mixed_system().state(8, ("shock",))))
@pytest.mark.parametrize("watched", [False, True])
def test_each_entry_is_written_down_in_full(name: str, watched: bool) -> None:
    system = mixed_system()
    state = system.state(8, ("shock",))
    state.drawn_guarantees[state.ids.index("P0")] = 3.0
    before = net_worth(state)
    plain = Ledger(state)
    plain.witness = recorder = Recorder(state.ids, LANE, lambda: (1, "events", ""), 1e-6)
    book = WatchedLedger(plain, "plug-in", "shock") if watched else plain
    entries(state)[name](book)
    table = recorder.table(system.assets)
    assert (table["amount"].size == 0) is (name == "nothing")
    legs: dict[tuple[str, int], list[float]] = defaultdict(list)
    for agent, posting, amount in zip(table["agent"], table["posting"].tolist(), table["amount"].tolist(), strict=True):
        legs[agent, posting].append(amount)
    sums: dict[str, float] = defaultdict(float)
    for (agent, _), amounts in legs.items():
        sums[agent] += math.fsum(amounts)
    for row, agent in enumerate(state.ids):
        assert sums[agent] == state.loss[0, row, LANE]
        # and the losses are the change of net worth, so nothing was left out of the ledger either
        assert sums[agent] == pytest.approx((before - net_worth(state))[row, LANE], abs=1e-9)
    pairs: dict[tuple[str, str], float] = defaultdict(float)
    for agent, other, amount in zip(table["agent"], table["counterparty"], table["amount"].tolist(), strict=True):
        pairs[agent, other] += amount
    assert ("several" in {other for _, other in pairs}) is (name == "pay")
    if name not in ONE_SIDED:
        # what one loses to the other, the other gains from the one; the estate passes on what it gets
        for (agent, other), amount in pairs.items():
            if "estate" not in (agent, other):
                assert amount == pytest.approx(-pairs[other, agent], abs=1e-9), (agent, other)


def test_a_layer_that_is_called_is_repaid_by_its_debtors() -> None:
    system = mixed_system()
    state = system.state(8, ("shock",))
    ledger = Ledger(state)
    ledger.witness = recorder = Recorder(state.ids, LANE, lambda: (1, "funding", ""), 1e-9)
    kept = np.ones_like(state.worth)
    kept[state.ids.index("B0")] = 0.5
    ledger.roll("overnight", kept, np.ones_like(kept), "shock")
    table = recorder.table(system.assets)
    lines = sorted(
        zip(*(table[name].tolist() for name in ("instrument", "agent", "counterparty", "amount")), strict=True)
    )
    assert lines == [
        ("cash", "B0", "B2", -5.0),
        ("cash", "B2", "B0", 5.0),
        ("overnight", "B0", "B2", 5.0),
        ("overnight", "B2", "B0", -5.0),
    ]


def test_holders_lose_to_issuers_in_proportion_to_what_these_have_issued() -> None:
    system = mixed_system()
    state = system.state(8, ("shock",))
    ledger = Ledger(state)
    ledger.witness = recorder = Recorder(state.ids, LANE, lambda: (1, "events", ""), 1e-9)
    price = state.price.copy()
    price[2] = 0.8
    ledger.revalue_price(price, "shock")
    table = recorder.table(system.assets)
    lines = dict(zip(zip(table["agent"], table["counterparty"], strict=True), table["amount"].tolist(), strict=True))
    assert lines["B0", "T0"] == pytest.approx(10 * 0.2 * 38 / 100)
    assert lines["B0", "T1"] == pytest.approx(10 * 0.2 * 17 / 100)
    assert lines["P0", "B0"] == pytest.approx(-45 * 0.2 * 10 / 100)
    assert set(table["instrument"]) == {"securities TECHEQ"}


def test_lines_that_do_not_add_up_are_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ends._product
    monkeypatch.setattr(ends, "_product", lambda factors, lane: honest(factors[:1], lane))
    with pytest.raises(AuditError, match=r"audit trace: .* is off by"):
        noted(dynamic("provisions"))


def test_sums_of_any_numbers_are_hit_exactly() -> None:
    from sim.ledger.trace import _adding_up

    rng = np.random.default_rng(4)
    for _ in range(300):
        amounts = rng.standard_normal(int(rng.integers(1, 40))) * 10.0 ** rng.integers(-8, 8, 1)
        wanted = float(np.sum(amounts[::-1])) * (1.0 + 1e-15 * rng.standard_normal())
        places, split = _adding_up(amounts, wanted)
        assert math.fsum(split.tolist()) == wanted
        assert np.bincount(places, split, amounts.size) == pytest.approx(
            amounts, rel=1e-12, abs=1e-13 * np.abs(amounts).max()
        )
