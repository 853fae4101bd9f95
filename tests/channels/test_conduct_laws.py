"""The laws for compliance and reputation together, on a system with every type of agent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.errors import AuditError
from sim.ledger.entries import Ledger
from sim.simulation import Simulation
from tests.systems import mixed_system, relabelled, scaled, scenario_of

EVENTS = [
    {"kind": "data_breach", "target": ["P0", "T1"], "cost": {"uniform": {"low": 0.1, "high": 0.9}}},
    {"kind": "rule_change", "target": ["tech_firms", "banks"], "rise": 0.4, "notice": 2.0},
    {"kind": "rumour", "target": "B3", "tellers": 0.2, "refuted_after": 4.5},
    {"kind": "penalty", "target": ["P0", "B2"], "fine": {"uniform": {"low": 0.5, "high": 1.0}}, "at": 2},
    {"kind": "rumour", "target": "T0", "campaign": 3.0, "at": 2},
    {"kind": "rule_change", "target": "platforms", "own_share": 0.4, "notice": 1.0, "transition": 5.0, "at": 4},
]
CHANNELS = {
    "compliance": {"detection_slope": 40.0, "fine_cap": 1.0, "sweep": 40.0, "suspension_days": 3.0, "case_days": 2.0},
    "reputation": {"attrition": 0.5, "churn": 0.1, "spread": 0.5, "news_scale": 1.0},
}
OTHERS = {
    "credit": {"valuation": "eisenberg-noe", "ranking": "by-rank"},
    "operational": {},
    "liquidity": {},
    "market": {},
}
METRICS = ["fines", "fines_owed", "suspended_share", "credit_withheld", "rumour_heard", "bad_news", "system_loss"]
METRICS += ["compliance_loss", "reputation_loss"]
KERNELS = ["belief", "complex"]


def scenario(system, kernel="belief", channels=None, **changes):
    made = CHANNELS | {"reputation": CHANNELS["reputation"] | {"kernel": kernel}} | OTHERS
    parts = {"mode": "dynamic", "horizon": {"steps": 12}, "shocks": EVENTS, "metrics": METRICS}
    return scenario_of(system, channels=made if channels is None else channels, **(parts | changes))


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_event_no_change_for_250_steps(kernel):
    system = mixed_system()
    play = Simulation(system, scenario(system, kernel, shocks=(), horizon={"steps": 250}), np.arange(2), 1)
    start = {name: values.copy() for name, values in play.state.columns.items()}
    play.play()
    for name, values in play.state.columns.items():
        if name not in ("belief", "belief0"):  # what the public believes is written down in the first step
            assert np.abs(values - start[name]).max() <= 1e-12 * system.scale, name
    assert (play.state.belief == play.state.belief0).all()
    assert (play.state.loss == 0.0).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_lane_is_the_single_run_bit_for_bit(kernel):
    system = mixed_system()
    together = Simulation(system, scenario(system, kernel), np.arange(11), 5)
    block = together.play()
    assert (block.metrics["fines"][-1].std() > 0.0) & (block.metrics["bad_news"].max() > 0.0)
    for draw in (0, 3, 10):
        alone = Simulation(system, scenario(system, kernel), np.array([draw]), 5)
        single = alone.play()
        for name, values in single.metrics.items():
            assert (values[:, 0] == block.metrics[name][:, draw]).all(), name
        for name, values in alone.state.columns.items():
            assert (values[:, 0] == together.state.columns[name][:, draw]).all(), name
        assert (alone.state.loss[..., 0] == together.state.loss[..., draw]).all()


@pytest.mark.parametrize("off", ["compliance", "reputation"])
def test_a_channel_switched_off_in_a_lane_posts_nothing_there(off):
    system = mixed_system()
    switch = np.array([1.0, 0.0, 1.0])
    play = Simulation(system, scenario(system), np.zeros(3, dtype=np.int64), 5, switches={off: switch})
    block = play.play()
    source = play.state.sources.index(off)
    assert (play.state.loss[source][:, 1] == 0.0).all()
    assert np.abs(play.state.loss[source][:, 0]).max() > 0.0
    whole = Simulation(system, scenario(system), np.zeros(1, dtype=np.int64), 5).play()
    without = {name: values for name, values in scenario(system).channels.items() if name != off}
    none = Simulation(system, scenario(system, channels=without), np.zeros(1, dtype=np.int64), 5).play()
    for name in METRICS:
        assert (block.metrics[name][:, 0] == whole.metrics[name][:, 0]).all(), name
        assert (block.metrics[name][:, 0] == block.metrics[name][:, 2]).all(), name
        if name != "rumour_heard":
            assert_allclose(block.metrics[name][:, 1], none.metrics[name][:, 0], rtol=1e-12, atol=1e-12, err_msg=name)


def test_with_both_off_events_leave_only_their_own_cost():
    system = mixed_system()
    off = {name: np.zeros(2) for name in ("compliance", "reputation")}
    play = Simulation(system, scenario(system), np.arange(2), 5, switches=off)
    play.play()
    for name in CHANNELS:
        assert (play.state.loss[play.state.sources.index(name)] == 0.0).all()
    for name in ("fined", "rumour", "news", "scrutiny", "enforcement", "withheld", "standard", "maturity"):
        assert not play.state.columns[name].any(), name


@pytest.mark.parametrize("kernel", KERNELS)
def test_relabelling_agents_relabels_results(kernel):
    system = mixed_system()
    order = np.r_[[2, 0, 3, 1], [5, 4], np.arange(6, len(system.ids))]
    one, two = (
        Simulation(each, scenario(each, kernel), np.arange(4), 5) for each in (system, relabelled(system, order))
    )
    first, second = one.play(), two.play()
    for name in METRICS:
        assert_allclose(second.metrics[name], first.metrics[name], rtol=1e-9, atol=1e-9, err_msg=name)
    for name, values in one.state.columns.items():
        assert_allclose(two.state.columns[name], values[order], rtol=1e-8, atol=1e-8, err_msg=name)


def test_a_power_of_two_scales_money_and_nothing_else():
    system = mixed_system()
    one, two = (Simulation(each, scenario(each), np.arange(4), 5) for each in (system, scaled(system, 1024.0)))
    small, large = one.play(), two.play()
    for name in METRICS:
        factor = 1024.0 if name in ("fines", "fines_owed", "credit_withheld") or name.endswith("_loss") else 1.0
        assert_allclose(large.metrics[name], small.metrics[name] * factor, rtol=1e-10, atol=1e-9, err_msg=name)


def test_books_close_over_many_draws():
    system = mixed_system()
    block = Simulation(system, scenario(system, horizon={"steps": 30}), np.arange(200), 5).play()
    assert max(block.gaps.values()) < 1e-12
    assert (block.metrics["fines"][-1] > 0.0).all()


@pytest.mark.parametrize("leg", ["_write", "_address", "_lose"])
def test_every_dropped_leg_is_caught(leg, monkeypatch):
    system = mixed_system()
    quick = [
        EVENTS[0],
        EVENTS[1] | {"target": "tech_firms", "notice": 1.0},
        EVENTS[3] | {"at": 1},
        EVENTS[4] | {"at": 1},
        EVENTS[5] | {"at": 2, "notice": 0.0},
    ]
    short = scenario(system, horizon={"steps": 2}, channels=CHANNELS, shocks=quick)

    def play():
        Simulation(system, short, np.zeros(1, dtype=np.int64), 5).play()

    honest = getattr(Ledger, leg)
    sizes: list[float] = []

    def counted(self, *arguments):
        sizes.append(float(np.abs(arguments[-1]).max(initial=0.0)))
        honest(self, *arguments)

    monkeypatch.setattr(Ledger, leg, counted)
    play()
    moved = [k for k, size in enumerate(sizes) if size > 1e-4]
    assert len(moved) > 30
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
            play()
        except AuditError:
            continue
        missed.append(skipped)
    assert missed == []
