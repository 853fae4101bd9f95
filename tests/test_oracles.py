"""Equities against independent implementations, on real balance sheets, far beyond the first round."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sim.channels.base import Step, TightView
from sim.contagion.solve import fixed_point
from sim.ledger.balance import claims_owed, external_debt
from sim.simulation import Simulation
from sim.system import System
from tests.systems import scenario_of

SIZES = (0.03, 0.05, 0.06, 0.08)


@pytest.fixture(scope="module")
def eba(shared):
    folder = shared / "data" / "eba_2018_system"
    if not folder.is_dir():
        pytest.skip("needs the folder eba_2018_system of the shared data")
    table = pd.read_csv(folder / "banks.csv", keep_default_na=False)
    exposures = pd.read_csv(folder / "exposures_imputed_maxent.csv", keep_default_na=False)
    banks = pd.DataFrame({"id": table.code, "total_assets": table.total_assets, "equity": table.tier1})
    return System.from_frames(banks, exposures, currency="EUR million")


def sides(system):
    claims = system.layer("interbank").to_scipy().toarray()[:48, :48]
    equity = system.equity0[:48]
    total = system.agents["total_assets"].to_numpy()
    return claims, equity, total - claims.sum(axis=1), total - equity - claims.sum(axis=0)


def played(system, valuation, size):
    """Return the simulation after its shock, before the credit channel, and the channel."""
    channels = {"credit": {"valuation": valuation, "tol": 1e-14}}
    shocks = [{"kind": "asset_loss", "size": size}]
    play = Simulation(system, scenario_of(system, shocks=shocks, channels=channels), np.arange(2), seed=1)
    play.number = 1
    play._events()
    return play, play.channels["credit"]


def expected(oracles, system, valuation, size):
    claims, equity, outside, owed = sides(system)
    left = outside * (1.0 - size)
    if valuation == "eisenberg-noe":
        payments, _ = oracles.en_fictitious_default(claims.T, left, owed)
        debt = claims.sum(axis=0) + owed
        return left + claims @ (payments / debt) - debt
    if valuation == "furfine":
        return oracles.furfine_cascade(claims, equity - outside * size, 0.0, default_at_zero=False)[1]
    stress = oracles.debtrank_2015(claims / equity[:, None], outside * size / equity)
    return equity - outside * size - claims @ stress


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("valuation", ["eisenberg-noe", "furfine", "linear-debtrank"])
def test_equities_equal_the_oracle(oracles, eba, valuation, size):
    play, credit = played(eba, valuation, size)
    step = Step(eba, play.state, play.ledger, 1, play.on["credit"])
    found = credit.solve(step)
    assert found.certified.all()
    equity = TightView(play.state, found.x, play.state.price).equity[:48]
    want = expected(oracles, eba, valuation, size)
    assert_allclose(equity, np.repeat(want[:, None], play.state.n_lanes, axis=1), rtol=1e-9)
    first_round = sides(eba)[1] - sides(eba)[2] * size
    if valuation != "eisenberg-noe" and size >= 0.05:
        # far beyond the first round, so a pull that returns nothing cannot pass
        assert (equity[:, 0] < 0).sum() >= (first_round < 0).sum() + 1
        assert (first_round - equity[:, 0]).sum() > 0.05 * (sides(eba)[2] * size).sum()


@pytest.mark.parametrize("size", SIZES)
def test_clearing_from_above_and_below_agree_and_conserve_money(eba, size):
    play, credit = played(eba, "eisenberg-noe", size)
    step = Step(eba, play.state, play.ledger, 1, play.on["credit"])
    state = play.state

    def onward(recovery):
        view = TightView(state, recovery, state.price)
        # the plain map of Eisenberg and Noe: pay all that is there, at most what is owed
        paid = np.minimum(1.0, (view.external + view.inside)[:48] / view.debt[:48])
        return np.concatenate([paid, recovery[48:]])

    above = credit.solve(step).x
    start = np.ones((state.n_agents, state.n_lanes))
    start[:48] = 0.0
    below = fixed_point(onward, start, tol=1e-14, max_rounds=10_000, rising=True).x
    assert np.abs(above - below)[:48].max() <= 1e-12
    view = TightView(state, above, state.price)
    paid_outside = (above * external_debt(state))[:48].sum(axis=0)
    kept = np.maximum(view.equity[:48], 0.0).sum(axis=0)
    brought = view.external[:48].sum(axis=0)
    assert np.abs(paid_outside + kept - brought).max() <= 1e-12 * brought.max()
    assert claims_owed(state)[:48].sum() > 0.0


@pytest.mark.parametrize("valuation", ["eisenberg-noe", "furfine", "linear-debtrank"])
def test_the_posted_result_is_the_solved_one(eba, valuation):
    play, credit = played(eba, valuation, 0.06)
    step = Step(eba, play.state, play.ledger, 1, play.on["credit"])
    solved = TightView(play.state, credit.solve(step).x, play.state.price).equity[:48].copy()
    channels = {"credit": {"valuation": valuation, "tol": 1e-14}}
    shocks = [{"kind": "asset_loss", "size": 0.06}]
    block = Simulation(eba, scenario_of(eba, shocks=shocks, channels=channels), np.arange(2), seed=1).play()
    want = np.maximum(solved, 0.0) if valuation == "eisenberg-noe" else solved
    assert_allclose(block.final["equity"], want[:, :2], rtol=1e-9, atol=1e-9 * eba.scale * 1e-3)
