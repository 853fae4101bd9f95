"""Loading, bases, overrides, the canonical form and the digest."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from sim.errors import InputError
from sim.scenario.build import build
from sim.scenario.load import load, shipped, shipped_folder
from sim.scenario.schema import Scenario
from sim.simulation import play


def test_shipped_scenarios_have_the_name_of_their_file():
    for name in shipped():
        assert load(name).name == name


def test_a_base_gives_what_the_file_does_not_say():
    scenario = load("eu48_sovereign")
    assert scenario.system.agents.banks.file == "eu48/banks.csv"
    assert scenario.channels["market"].impact == "cont-schaanning"
    assert load("eu48_single_failures").channels["market"].enabled is False


def test_the_canonical_form_loads_to_the_same_digest(tmp_path):
    for name in shipped():
        scenario = load(name)
        path = shipped_folder() / f"copy_of_{name}.yaml"
        again = tmp_path / path.name
        again.write_text(scenario.canonical())
        for folder in ("eu48", "eu48_digital", "ring_of_ten"):
            if not (tmp_path / folder).exists():
                (tmp_path / folder).symlink_to(shipped_folder() / folder)
        assert load(again, allow_path=True).digest == scenario.digest


def test_the_digest_sees_parameters_and_inputs_but_not_draws_and_seed():
    scenario = load("eu48_sovereign")
    assert scenario.override({"monte_carlo.draws": 5, "monte_carlo.seed": 99}).digest == scenario.digest
    assert scenario.override({"shocks.0.joint.df": 5}).digest != scenario.digest
    assert scenario.override({"channels.market.enabled": False}).digest != scenario.digest


def test_an_override_returns_a_new_scenario_and_leaves_the_old():
    scenario = load("ring_of_ten")
    other = scenario.override({"shocks.0.size": 0.25})
    assert scenario.shocks[0].size.fixed == 0.5
    assert other.shocks[0].size.fixed == 0.25
    with pytest.raises(ValidationError):
        scenario.name = "else"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels.credit.recovry_rate": 0.1}, "did you mean 'recovery_rate'"),
        ({"monte_carlo.drws": 1}, "did you mean 'draws'"),
        ({"shocks.4.size": 0.1}, "there are 1 (0 to 0)"),
        ({"mode.static": 1}, "has no parts"),
        ({"monte_carlo.draws": "many"}, "monte_carlo.draws must be an integer"),
        ({"channels.credit.recovery_rate": "__import__('os')"}, "must be a number"),
    ],
)
def test_overrides_are_typed_and_checked(changes, message):
    with pytest.raises(InputError) as caught:
        load("ring_of_ten").override(changes)
    assert message in str(caught.value)


def test_a_scenario_made_in_a_notebook_says_what_is_wrong():
    with pytest.raises(InputError, match="unknown shock 'meteor'"):
        Scenario(name="x", shocks=[{"kind": "meteor"}])


def test_the_ring_of_ten_by_hand():
    # shortfall of B01: 20 - 5 = 15; its creditor B10 loses 60/95 of it, 9.4737, and is short of 4.4737;
    # B09 loses 2.8255 and lives. Depositors of the two bear 35/95 of both. Together: the 20 that are gone.
    scenario = load("ring_of_ten")
    system = build(scenario)
    block = play(scenario, system, np.arange(1), 1)
    share = 60 / 95
    second = 15 * share - 5
    equity = dict(zip(block.agents, block.final["equity"][:, 0], strict=True))
    assert_allclose(
        [equity["B01"], equity["B10"], equity["B09"], equity["B08"]], [0, 0, 5 - second * share, 5], atol=1e-9
    )
    assert_allclose(block.metrics["creditor_loss"], (15 + second) * 35 / 95, rtol=1e-9)
    assert_allclose(block.metrics["system_loss"], 20.0, rtol=1e-9)
    assert block.metrics["defaults"][0, 0] == 2.0


@pytest.mark.parametrize("name", ["eu48_single_failures", "eu48_sovereign"])
def test_contagion_is_more_than_a_twentieth_of_the_first_round(name):
    scenario = load(name)
    block = play(scenario, build(scenario), np.arange(48), 7)
    spread = block.metrics["contagion_loss"][-1].mean()
    assert spread >= 0.05 * block.metrics["first_round_loss"][-1].mean() > 0.0


def test_in_single_failures_every_bank_fails_once():
    scenario = load("eu48_single_failures")
    block = play(scenario, build(scenario), np.arange(48), 7)
    assert (np.diag(block.final["is_defaulted"]) == 1.0).all()
    assert_allclose(np.diag(block.final["loss_shock"]), block.final["equity0"][:, 0], rtol=1e-12)
