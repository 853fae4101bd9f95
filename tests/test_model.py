"""The mesa model: views of rows, agents that decide for themselves, and the same bits as a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.agents.bank import BankDecision
from sim.errors import PluginError, UnknownNameError, UsageError
from sim.model import Bank, ContagionModel
from sim.simulation import play


@pytest.fixture(scope="module")
def scenario() -> sim.Scenario:
    """Three steps of the demo."""
    return sim.load("eu48_sovereign").override({"horizon.steps": 3})


def played(model: ContagionModel) -> ContagionModel:
    """Play to the horizon."""
    while model.running:
        model.step()
    return model


class Repeats(Bank):
    """Decides what the rule decides."""

    def decide(self) -> BankDecision:
        return super().decide()


class Stubborn(Bank):
    """Never sells."""

    def decide(self) -> BankDecision:
        return super().decide().replace(sell=0.0)


class Asked(ContagionModel):
    """Every bank is asked."""

    agent_types = {"bank": Repeats}


class Calm(ContagionModel):
    """No bank sells."""

    agent_types = {"bank": Stubborn}


class Half(ContagionModel):
    """Even rows never sell."""

    agent_types = {"bank": lambda row: Stubborn if row % 2 == 0 else Bank}


@pytest.mark.parametrize("draw", [0, 5])
@pytest.mark.parametrize("kind", [ContagionModel, Asked])
def test_a_model_is_that_draw_of_a_run(scenario: sim.Scenario, kind: type[ContagionModel], draw: int) -> None:
    model = played(kind(scenario, seed=7, draw=draw))
    system = sim.build(scenario, seed=7)
    block = play(scenario, system, np.arange(8), 7)
    mine = model.block()
    for name, values in block.metrics.items():
        assert np.array_equal(mine.metrics[name][:, 0], values[:, draw])
        assert model.metric(name) == values[-1, draw]


def test_who_never_sells_moves_no_price_by_selling(scenario: sim.Scenario) -> None:
    rule, calm, half = (played(kind(scenario, seed=7, draw=1)) for kind in (ContagionModel, Calm, Half))
    assert calm.metric("sold") == 0.0
    assert 0.0 < half.metric("sold") < rule.metric("sold")
    assert calm.metric("market_loss") == 0.0


def test_a_model_runs_in_monte_carlo(scenario: sim.Scenario) -> None:
    run = sim.run(scenario, draws=4, seed=7, model=Calm, workers=1)
    alone = played(Calm(scenario, seed=7, draw=3))
    assert run.metrics["system_loss"][3].tolist() == alone.block().metrics["system_loss"][:, 0].tolist()
    assert run.manifest["player"] == "tests.test_model.Calm"
    rule = sim.run(scenario, draws=4, seed=7)
    assert run.metrics["sold"].max() == 0.0 < rule.metrics["sold"].max()
    for kind in (ContagionModel, Asked):
        assert sim.run(scenario, draws=4, seed=7, model=kind).answer_sha256 == rule.answer_sha256
    with pytest.raises(UsageError, match="give one"):
        sim.run(scenario, draws=1, model=Calm, player=Calm.play)


def test_a_folder_of_one_model_is_not_gone_on_with_by_another(scenario: sim.Scenario, tmp_path: Path) -> None:
    sim.run(scenario, draws=2, seed=7, out=tmp_path / "r")
    with pytest.raises(sim.StoreError, match="another run"):
        sim.run(scenario, draws=2, seed=7, model=Calm, out=tmp_path / "r")


@pytest.mark.parametrize("kind", [ContagionModel, Calm])
def test_the_result_of_a_model_is_that_of_a_run(scenario: sim.Scenario, kind: type[ContagionModel]) -> None:
    model = kind(scenario, seed=7)
    model.step()
    with pytest.raises(UsageError, match="1 of 3 steps played"):
        model.result()
    mine = played(model).result()
    run = sim.run(scenario, draws=1, seed=7, model=kind)
    assert mine.answer_sha256 == run.answer_sha256
    assert mine.provenance == run.provenance
    assert mine.to_pandas().equals(run.to_pandas())
    other = played(kind(scenario, seed=7, draw=5)).result()
    assert other.to_pandas()["draw"].unique().tolist() == [5]


def test_agents_are_views(scenario: sim.Scenario) -> None:
    model = ContagionModel(scenario, seed=7)
    assert set(model.agents_by_type) == {Bank}
    before = model.agents.agg("equity", sum)
    assert before == pytest.approx(model.system.equity0[model.simulation.state.banks].sum(), rel=1e-12)
    first = next(iter(model.agents))
    assert (first.id, repr(first)) == (model.system.banks[0], f"Bank('{model.system.banks[0]}')")
    model.step()
    assert model.agents.agg("equity", sum) < before
    assert first.equity < first.equity0
    assert first.stress == pytest.approx(1.0 - first.equity / first.equity0)
    assert first.leverage == first.assets / first.equity
    assert first.cash == model.simulation.state.cash[0, 0]
    hurt = model.agents.select(lambda bank: bank.stress > 0.1)
    assert 0 < len(hurt) < len(model.agents)
    assert not any(bank.is_defaulted for bank in model.agents.select(lambda bank: bank.equity > 0.0))
    with pytest.raises(AttributeError, match="Bank has no attribute 'cahs'"):
        _ = first.cahs


def test_the_collector_holds_every_step(scenario: sim.Scenario) -> None:
    model = played(ContagionModel(scenario, seed=7))
    table = model.datacollector.get_model_vars_dataframe()
    assert list(table.columns) == list(scenario.metrics)
    assert table["system_loss"].tolist() == model.block().metrics["system_loss"][:, 0].tolist()
    with pytest.raises(UsageError, match="3 steps and all were played"):
        model.step()


class Odd(Bank):
    """Answers whatever the test wants."""

    answer: object = None

    def decide(self) -> BankDecision:
        return self.answer  # type: ignore[return-value]


class Strange(ContagionModel):
    """Every bank answers oddly."""

    agent_types = {"bank": Odd}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned None; allowed: a BankDecision"),
        (BankDecision(np.float64(1.5)), "sell = np.float64(1.5); allowed: a number from 0 to 1"),
        (BankDecision(np.float64("nan")), "allowed: a number from 0 to 1"),
        (BankDecision(np.zeros(2)), "allowed: a number from 0 to 1"),
    ],
)
def test_an_answer_that_cannot_be_done_names_the_agent(
    scenario: sim.Scenario, monkeypatch: pytest.MonkeyPatch, answer: object, said: str
) -> None:
    monkeypatch.setattr(Odd, "answer", answer)
    with pytest.raises(PluginError) as error:
        Strange(scenario, seed=7).step()
    assert str(error.value).startswith("Odd('AT01'): decide() ")
    assert said in str(error.value)


def test_calls_that_are_wrong(scenario: sim.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="needs a seed"):
        ContagionModel(scenario.override({"monte_carlo.seed": None}))
    model = ContagionModel(scenario, seed=7)
    with pytest.raises(UsageError, match="within a step"):
        next(iter(model.agents)).decide()
    with pytest.raises(UsageError, match="metric 'los' is not recorded"):
        model.metric("los")
    assert np.isnan(model.metric("system_loss"))
    for types, said in (
        ({"bnak": Bank}, "'bnak'; did you mean 'bank'"),
        ({"bank": int}, "allowed: a subclass of Bank"),
    ):
        monkeypatch.setattr(Strange, "agent_types", types)
        with pytest.raises((UsageError, UnknownNameError), match=said):
            Strange(scenario, seed=7)
