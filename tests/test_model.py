"""The mesa model: views of rows, agents that decide for themselves, and the same bits as a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.agents.bank import BankDecision
from sim.errors import PluginError, UnknownNameError, UsageError
from sim.ledger.balance import layer_owed
from sim.model import Agent, Bank, ContagionModel, Fund, Platform, TechFirm
from sim.simulation import Block, play


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


# technology firms, platforms and funds, and banks that hoard

KINDS = {"bank": Bank, "tech_firm": TechFirm, "platform": Platform, "fund": Fund}
SHOCKS = [
    {"kind": "outage", "target": "tech_firms[largest]", "at": 1, "service": 0.0, "duration": {"fixed": 2.0}},
    {"kind": "redemption", "target": "funds", "at": 1, "size": 0.15, "days": 3, "price_fall": 0.003},
    {"kind": "borrower_stress", "at": 1, "pools": "platforms", "pd_multiplier": 4.0, "factor": {"fixed": 0.0}},
]


@pytest.fixture(scope="module")
def mixed() -> sim.Scenario:
    """Four steps in which agents of every type have something to decide."""
    return sim.load("cn100").override({"horizon.steps": 4, "shocks": SHOCKS, "record": "agents"})


@pytest.fixture(scope="module")
def system(mixed: sim.Scenario) -> sim.System:
    return sim.build(mixed, seed=7)


@pytest.fixture(scope="module")
def usual(mixed: sim.Scenario, system: sim.System) -> Block:
    return play(mixed, system, np.arange(4), 7)


def asked(kind: str, asked: list[str], **changes: float) -> type[ContagionModel]:
    """A model whose agents of a type note that they were asked, and answer with the rule but for some changes."""
    base: type[Agent] = KINDS[kind]

    class Own(base):  # type: ignore[misc, valid-type]
        def decide(self) -> object:
            asked.append(self.id)
            return super().decide().replace(**changes)

    return type("Owned", (ContagionModel,), {"agent_types": {kind: Own}})


@pytest.mark.parametrize("kind", KINDS)
def test_agents_of_every_type_that_repeat_the_rule_change_no_bit(
    mixed: sim.Scenario, system: sim.System, usual: Block, kind: str
) -> None:
    said: list[str] = []
    model = played(asked(kind, said)(mixed, seed=7, draw=2, system=system))
    rows = model.simulation.state.rows(KINDS[kind].kind)
    assert set(said) == set(system.ids[rows])
    block = model.block()
    for here, there in ((block.metrics, usual.metrics), (block.final, usual.final)):
        assert all(np.array_equal(values[:, 0], there[name][:, 2]) for name, values in here.items())


def test_what_every_type_decides_is_done(mixed: sim.Scenario, system: sim.System) -> None:
    def end(kind: str, **changes: float) -> ContagionModel:
        return played(asked(kind, [], **changes)(mixed, seed=7, system=system))

    rule = end("bank")
    state, funds, platforms = rule.simulation.state, rule.simulation.state.rows("funds"), system.types["platforms"]
    assert state.hoarding.max() == 0.0 < state.redeemed[funds, 0].min()
    miser = end("bank", hoard=1.0).simulation.state
    assert (miser.hoarding[miser.banks] == 1.0).all()
    assert (miser.called[miser.banks] >= mixed.channels["liquidity"].rollover.hoarding).all()
    assert layer_owed(miser, miser.layers["overnight"]).sum() < 0.1 * layer_owed(state, state.layers["overnight"]).sum()
    half = end("bank", hoard=0.5).simulation.state
    assert np.median(half.called[half.banks]) == 0.5 * mixed.channels["liquidity"].rollover.hoarding
    assert end("fund", pay=0.0).simulation.state.redeemed[funds, 0].max() == 0.0
    assert end("tech_firm", compensate=0.0).metric("operational_loss") > rule.metric("operational_loss")
    debtor = end("platform", honour=0.0).simulation.state
    due = layer_owed(debtor, debtor.layers["guarantees"])[platforms, 0]
    assert due.max() > 0.0 == layer_owed(state, state.layers["guarantees"])[platforms, 0].max()


class Cautious(Bank):
    """Keeps its liquidity to itself early."""

    def decide(self) -> BankDecision:
        decision = super().decide()
        return decision.replace(hoard=1.0) if self.liquidity_coverage < 1.5 else decision


class Careful(ContagionModel):
    """All banks are cautious."""

    agent_types = {"bank": Cautious}


def test_a_bank_sees_its_liquidity_coverage(mixed: sim.Scenario, system: sim.System) -> None:
    model, rule = Careful(mixed, seed=7, system=system), ContagionModel(mixed, seed=7, system=system)
    ratios = np.array(model.agents_by_type[Cautious].get("liquidity_coverage"))
    assert np.array_equal(ratios, model.simulation.state.lcr[system.types["banks"], 0])
    for each in (model, rule):
        each.step()
    state, banks = model.simulation.state, system.types["banks"]
    # what banks saw when they decided is what the channel noted down
    early = state.lcr[banks, 0] < 1.5
    assert 0 < early.sum() < early.size
    assert np.array_equal(state.hoarding[banks, 0], early | (rule.simulation.state.hoarding[banks, 0] > 0.0))
    without = Careful("ring_of_ten", seed=1)  # no channel of liquidity: the ratio is there, hoarding changes nothing
    assert {bank.liquidity_coverage for bank in without.agents} == {0.0}
    assert np.array_equal(
        played(without).block().metrics["system_loss"],
        played(ContagionModel("ring_of_ten", seed=1)).block().metrics["system_loss"],
    )
