"""Shocks: sizes by their distributions, targets, what they post."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from sim.errors import InputError
from sim.shocks.sizes import Joint, Size, cholesky
from sim.simulation import Simulation, play
from sim.streams import Draws
from tests.systems import random_system, scenario_of, system_of

MANY = 4000


@pytest.mark.parametrize(
    ("size", "law"),
    [
        ({"uniform": {"low": 0.1, "high": 0.4}}, stats.uniform(0.1, 0.3)),
        ({"beta": {"a": 2.0, "b": 5.0, "scale": 0.5}}, stats.beta(2.0, 5.0, scale=0.5)),
        ({"lognormal": {"median": 0.05, "sigma": 0.5}}, stats.lognorm(0.5, scale=0.05)),
    ],
)
def test_sizes_follow_their_law(size, law):
    drawn = Size.model_validate(size).draw(Draws(3, np.arange(MANY)), "s", ["a", "b"], 1)
    assert drawn.shape == (2, MANY)
    assert stats.kstest(drawn[0], law.cdf).pvalue > 0.001
    assert abs(np.corrcoef(drawn)[0, 1]) < 0.06


def test_a_bare_number_is_a_fixed_size():
    assert (Size.model_validate(0.3).draw(Draws(1, np.arange(4)), "s", ["a"], 1) == 0.3).all()


def test_a_lognormal_size_never_exceeds_one():
    drawn = Size.model_validate({"lognormal": {"median": 0.9, "sigma": 2.0}}).draw(
        Draws(1, np.arange(200)), "s", ["a"], 1
    )
    assert drawn.max() == 1.0


JOINT = {"mean": {"a0": 0.05, "a1": 0.02}, "std": {"a0": 0.03, "a1": 0.01}, "correlation": [[1.0, 0.7], [0.7, 1.0]]}


@pytest.mark.parametrize("df", [None, 5.0])
def test_joint_falls_have_their_margins_and_correlation(df):
    drawn = Joint.model_validate(JOINT | {"df": df}).draw(Draws(3, np.arange(MANY)), "s", 1)
    law = stats.norm if df is None else stats.t(df)
    for name in ("a0", "a1"):
        standard = (drawn[name] - JOINT["mean"][name]) / JOINT["std"][name]
        assert stats.kstest(standard, law.cdf).pvalue > 0.001
    assert abs(stats.kendalltau(drawn["a0"], drawn["a1"])[0] - 2 / np.pi * np.arcsin(0.7)) < 0.03


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correlation": [[1.0, 1.2], [1.2, 1.0]]}, "not positive semi-definite"),
        ({"correlation": [[1.0, 0.2], [0.3, 1.0]]}, "symmetric"),
        ({"correlation": [[1.0]]}, "2 x 2"),
        ({"std": {"a0": 0.1}}, "same assets"),
        ({"std": {"a0": -0.1, "a1": 0.1}}, "at least 0"),
    ],
)
def test_impossible_joint_laws_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Joint.model_validate(JOINT | change)


def test_cholesky_rebuilds_the_matrix():
    matrix = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.9], [0.2, 0.9, 1.0]])
    factor = cholesky(matrix)
    assert_allclose(factor @ factor.T, matrix, atol=1e-15)
    assert_allclose(cholesky(np.ones((2, 2))), [[1.0, 0.0], [1.0, 0.0]])


def test_a_loss_can_be_common_or_each_its_own():
    system = random_system(1)
    size = {"uniform": {"low": 0.0, "high": 0.2}}
    for common, spread in ((True, 0.0), (False, 0.01)):
        shock = {"kind": "asset_loss", "size": size, "common": common}
        simulation = Simulation(system, scenario_of(system, shocks=[shock], channels={}), np.arange(3), 1)
        simulation.play()
        share = simulation.state.loss[0, :12] / system.start["loans"][:12, None]
        assert (share.std(axis=0) >= spread).all()
        assert share.std(axis=0).max() < (1e-12 if common else 1.0)


@pytest.mark.parametrize(
    ("target", "rows"),
    [("banks", [0, 1, 2]), ("B1", [1]), ("banks[largest]", [2]), ("banks[rank=2]", [0])],
)
def test_targets(target, rows):
    system = system_of(np.zeros((3, 3)), loans=[20, 10, 30], other=[10, 5, 15])
    named = system.target(target, np.arange(2))
    assert np.flatnonzero(named[:, 0]).tolist() == rows
    each = system.target("banks[each]", np.array([0, 1, 2, 3]))
    assert np.argmax(each, axis=0).tolist() == [0, 1, 2, 0]


def test_a_loss_above_what_there_is_is_refused():
    system = system_of([[0, 50], [0, 0]], loans=[1, 100], other=[2, 30])
    shock = {"kind": "asset_loss", "size": 0.5, "base": "total_assets"}
    with pytest.raises(InputError, match=r"loss of B0 \(25.5\) is above its loans \(1\)"):
        play(scenario_of(system, shocks=[shock]), system, np.arange(2), 1)


def test_price_falls_multiply_and_may_rise():
    system = random_system(2)
    shocks = [{"kind": "price_fall", "falls": {"a0": 0.1}}, {"kind": "price_fall", "falls": {"a0": 0.1}}]
    simulation = Simulation(system, scenario_of(system, shocks=shocks, channels={}), np.arange(2), 1)
    simulation.play()
    assert_allclose(simulation.state.price[0], 0.81)
    joint = {"mean": {"a0": -0.05}, "std": {"a0": 0.0}, "correlation": [[1.0]]}
    simulation = Simulation(
        system, scenario_of(system, shocks=[{"kind": "price_fall", "joint": joint}], channels={}), np.arange(2), 1
    )
    block = simulation.play()
    assert_allclose(simulation.state.price[0], np.exp(0.05))
    assert (block.metrics["system_loss"] < 0.0).all()


def test_an_unknown_asset_is_refused_with_the_nearest():
    system = random_system(2)
    with pytest.raises(InputError, match="unknown asset 'a9'"):
        play(scenario_of(system, shocks=[{"kind": "price_fall", "falls": {"a9": 0.1}}]), system, np.arange(2), 1)


def test_adding_a_shock_leaves_the_luck_of_the_others():
    system = random_system(2)
    first = {"kind": "asset_loss", "size": {"uniform": {"low": 0.0, "high": 0.1}}}
    second = {"kind": "price_fall", "falls": {"a0": {"uniform": {"low": 0.0, "high": 0.1}}}}
    lost = []
    for shocks in ([first], [first, second]):
        simulation = Simulation(system, scenario_of(system, shocks=shocks, channels={}), np.arange(3), 1)
        simulation.step()
        lost.append(simulation.system.start["loans"][:12, None] - simulation.state.loans[:12])
    assert (lost[0] == lost[1]).all()
