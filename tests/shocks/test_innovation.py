"""New products as events: what they cost and whom, the sandbox that each goes through, and who pays for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import sim
from sim.errors import InputError
from sim.shocks.innovation import Innovation
from sim.shocks.sandbox import Sandbox
from sim.simulation import Simulation

SEED, DRAWS = 7, 64
TESTED = {"clients": 50, "allowed": 2, "exposure": 0.05}


@pytest.fixture(scope="module")
def system() -> sim.System:
    return sim.build("cn100", seed=SEED)


def struck(system: sim.System, draws: int = DRAWS, **parameters: object) -> Simulation:
    """Nothing but the event, in one step."""
    shock = {"kind": "innovation", "share": 0.5, **parameters}
    scenario = sim.load("cn100").override({"shocks": [shock], "horizon.steps": 1, "channels": {}})
    play = Simulation(system, scenario, np.arange(draws), SEED)
    play.step()
    return play


def pooled(system: sim.System) -> float:
    """All that pools are worth before."""
    return float(sum(np.maximum(0.0, system.holdings[:, pool.asset]).sum() for pool in system.pools))


def test_harm_of_a_known_rate_by_hand(system: sim.System) -> None:
    state = struck(system, 8, adverse_rate=0.1, loss_given_event=0.4).state
    lost = 0.5 * 0.4 * (1.0 - 0.9**3)
    for pool in system.pools:
        assert state.price[pool.asset] == pytest.approx(1.0 - lost, rel=1e-14)
    # the borrowers' real assets are gone; what they lose there they no longer owe
    gone = -(state.real_assets[state.row("underserved")] - system.start["real_assets"][state.row("underserved")])
    assert gone == pytest.approx(lost * pooled(system), rel=1e-12)
    assert state.loss[0].sum(axis=0) == pytest.approx(lost * pooled(system), rel=1e-9)
    assert (state.memory["innovations_open"] == 1.0).all()


def test_nobody_is_harmed_under_review_and_few_at_the_cap(system: sim.System) -> None:
    review = struck(system, 8, adverse_rate=0.1, sandbox=TESTED, months=2.0).state
    assert (review.price[[pool.asset for pool in system.pools]] == 1.0).all()
    cap = struck(system, 8, adverse_rate=0.1, sandbox=TESTED, months=6.0).state
    whole = struck(system, 8, adverse_rate=0.1).state
    for pool in system.pools:
        assert 1.0 - cap.price[pool.asset] == pytest.approx(0.05 * (1.0 - whole.price[pool.asset]), rel=1e-12)
    assert (review.memory["innovations_open"] == 0.0).all()
    assert (cap.memory["innovations_open"] == 0.0).all()


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05, 0.10])
def test_a_run_reproduces_the_operating_curve(system: sim.System, rate: float) -> None:
    state = struck(system, adverse_rate=rate, sandbox=TESTED, months=15.0, count=40).state
    passed = round(float(state.memory["innovations_open"].sum()) * 40)
    interval = stats.binomtest(passed, 40 * DRAWS).proportion_ci(0.999)
    assert interval.low < Sandbox().graduation(rate)[0] < interval.high


def test_the_bad_ones_are_kept_at_the_cap(system: sim.System) -> None:
    law = {"beta": {"a": 1, "b": 15}}
    tested = struck(system, adverse_rate=law, sandbox=TESTED, months=15.0).state
    free = struck(system, adverse_rate=law).state
    share = tested.memory["innovations_open"].mean()
    assert share == pytest.approx(Sandbox().screened(1.0, 15.0).share, abs=0.04)
    asset = system.pools[0].asset
    harm = (1.0 - tested.price[asset]).mean() / (1.0 - free.price[asset]).mean()
    assert harm < 0.8 * share  # far less than in proportion to what is open


def test_supervision_is_paid_by_the_central_bank_while_a_test_runs(system: sim.System) -> None:
    def paid(months: float) -> float:
        law = {"adverse_rate": 0.0, "sandbox": TESTED | {"supervision": 0.5}, "months": months}
        state = struck(system, 8, **law).state
        bill = state.loss[0, state.row("central_bank")]
        assert state.cash[state.row("deadweight")] == pytest.approx(bill)
        return float(bill[0])

    # review until month 3, test until month 13, a quarter at a time, 20 innovations
    assert [paid(m) for m in (0.0, 3.0, 6.0, 12.0, 15.0, 18.0)] == pytest.approx([0.0, 0.0, 30.0, 30.0, 10.0, 0.0])


def test_the_expected_share_that_graduates() -> None:
    def share(law: object) -> float:
        return Innovation(adverse_rate=law, sandbox=Sandbox()).graduating

    assert Innovation().graduating == 1.0
    assert share(0.05) == pytest.approx(0.5405, abs=1e-4)
    assert share({"beta": {"a": 1, "b": 15}}) == pytest.approx(Sandbox().screened(1.0, 15.0).share, abs=1e-4)


def test_a_draw_is_the_same_alone_and_in_a_block(system: sim.System) -> None:
    unknown = {"sandbox": TESTED, "months": 9.0, "adverse_rate": {"beta": {"a": 1.0, "b": 15.0}}}
    block = struck(system, 8, **unknown)
    shock = {"kind": "innovation", "share": 0.5, **unknown}
    scenario = sim.load("cn100").override({"shocks": [shock], "horizon.steps": 1, "channels": {}})
    alone = Simulation(system, scenario, np.array([5]), SEED)
    alone.step()
    assert (alone.state.price[:, 0] == block.state.price[:, 5]).all()
    assert (alone.state.loss[:, :, 0] == block.state.loss[:, :, 5]).all()
    assert np.unique(block.state.price[system.pools[0].asset, :8]).size > 1  # and draws differ


def test_a_platform_without_a_pool_is_refused() -> None:
    changes = {"shocks": [{"kind": "innovation", "pools": "platform_9"}]}
    with pytest.raises(InputError, match=r"shocks\.0\.pools.*platform_9"):
        sim.build(sim.load("cn100").override(changes))
    assert Sandbox(exposure=0.0).open(1e9, 1.0) == 0.0
    assert Sandbox(exposure=1.0).open(3.0, 0.2) == 1.0
