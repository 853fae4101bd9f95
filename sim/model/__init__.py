"""The model as mesa sees it: agents are views of rows, `step` plays one step; the only place that knows mesa."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sim.agents.base import Decision, Rule, View
from sim.agents.rules import RULES
from sim.arrays import Float, Int
from sim.errors import PluginError, UnknownNameError, UsageError, shown
from sim.experiments.blocks import Task
from sim.experiments.gather import single
from sim.experiments.result import Result
from sim.ledger.balance import net_worth, total_assets
from sim.metrics import measure
from sim.metrics.ratios import coverage
from sim.model.agents import LANE, Agent, Bank, Fund, Platform, TechFirm, mesa
from sim.scenario.build import build
from sim.scenario.load import load
from sim.scenario.quarters import refuse_ramp
from sim.scenario.schema import Scenario
from sim.simulation import Block, Simulation, joined
from sim.system import System

__all__ = ["LANE", "Agent", "Bank", "ContagionModel", "Fund", "Platform", "TechFirm", "mesa"]

AgentType = type[Agent] | Callable[[int], type[Agent]]
KINDS: Mapping[str, type[Agent]] = {"bank": Bank, "tech_firm": TechFirm, "platform": Platform, "fund": Fund}
"""Class of each type of agent where a model names no other."""


class ContagionModel(mesa.Model):  # type: ignore[misc]
    """One draw of a scenario as a mesa model.

    Parameters
    ----------
    scenario : Scenario, str or Path
        What to play; a name or a path is loaded.
    seed : int, optional
        By default the scenario's own.
    draw : int
        Which draw of that seed: the same numbers as row `draw` of `sim.run`.
    system : System, optional
        Before the shock; built from the scenario when not given.

    Attributes
    ----------
    system, simulation : System, Simulation
        What is played on, and what plays it.
    datacollector : mesa.DataCollector
        Collects the scenario's metrics after every step; replace it in a subclass to collect agents too.
    running : bool
        False once the horizon is reached.

    Raises
    ------
    UsageError
        If neither the call nor the scenario gives a seed.

    Examples
    --------
    >>> from sim.model import Bank, ContagionModel
    >>> class Cautious(Bank):
    ...     def decide(self):
    ...         decision = super().decide()
    ...         return decision.replace(sell=0.0) if self.leverage < 30 else decision
    >>> class Careful(ContagionModel):
    ...     agent_types = {"bank": Cautious}
    >>> model = Careful("ring_of_ten", seed=1)
    >>> model.step()
    >>> model.metric("system_loss"), sorted(bank.id for bank in model.agents.select(lambda bank: bank.is_defaulted))
    (20.0, ['B01', 'B10'])
    """

    agent_types: ClassVar[Mapping[str, AgentType]] = {}
    """By type (``bank``, ``tech_firm``, ``platform``, ``fund``): a class, or a function of the row that returns one."""

    running: bool

    def __init__(
        self,
        scenario: Scenario | str | Path = "eu48_sovereign",
        *,
        seed: int | None = None,
        draw: int = 0,
        system: System | None = None,
    ) -> None:
        # mesa keeps attributes named `scenario` and `time` for itself in later versions
        self.played = refuse_ramp(scenario if isinstance(scenario, Scenario) else load(scenario))
        seed = self.played.monte_carlo.seed if seed is None else seed
        if seed is None:
            raise UsageError("a model needs a seed: pass seed=, or set monte_carlo.seed in the scenario")
        self.draw, self.numbers_seed = int(draw), int(seed)
        super().__init__(rng=np.random.default_rng([self.numbers_seed % 2**64, self.numbers_seed >> 64, self.draw]))
        network = self.draw % self.played.monte_carlo.networks
        self.system = build(self.played, seed=seed, network=network) if system is None else system
        self.simulation = Simulation(self.system, self.played, np.array([draw]), seed, rules=self._rules())
        self._seen: View | None = None
        self._rule: Decision | None = None
        self._columns: dict[str, Float] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._people()
        self._metrics: list[dict[str, Float]] = []
        reporters = {name: partial(_metric, name=name) for name in self.played.metrics}
        self.datacollector = mesa.DataCollector(model_reporters=reporters)

    def _people(self) -> None:
        """Create one agent a row; those whose class decides for itself are asked in every decision."""
        for name in self.agent_types:
            if name not in KINDS:
                raise UnknownNameError("type of agent", name, KINDS, "agent_types: ")
        self._asked: dict[str, list[Agent]] = {}
        for name, usual in KINDS.items():
            chosen, rows = self.agent_types.get(name, usual), self.simulation.state.rows(usual.kind)
            for row in range(rows.start, rows.stop):
                kind: object = chosen if isinstance(chosen, type) else chosen(row)
                if not (isinstance(kind, type) and issubclass(kind, usual)):
                    text = f"agent_types[{name!r}] gives {shown(kind)} for row {row}"
                    raise UsageError(f"{text}; allowed: a subclass of {usual.__name__}")
                agent = kind(self, row)
                if kind.decide is not usual.decide:
                    self._asked.setdefault(usual.kind, []).append(agent)

    def _rules(self) -> dict[str, Rule]:
        """The rules, each followed by the answers of those who decide for themselves."""
        return {kind: partial(self._decide, kind) for kind in RULES}

    def step(self) -> None:
        """Play one step and collect.

        Raises
        ------
        UsageError
            If the horizon is already reached.
        """
        if not self.running:
            raise UsageError(f"the scenario has {self.played.horizon.steps} steps and all were played")
        self._columns = {}
        self.simulation.step()
        self._seen, self._rule, self._columns = None, None, {}
        found = measure(list(self.played.metrics), self.system, self.simulation.state)
        self._metrics.append({name: values[:1].copy() for name, values in found.items()})
        self.running = len(self._metrics) < self.played.horizon.steps
        self.datacollector.collect(self)

    def metric(self, name: str) -> float:
        """Return a metric of the scenario after the last step.

        Parameters
        ----------
        name : str
            Such as ``"system_loss"``.

        Returns
        -------
        float
            In the unit of the metric; NaN before the first step.

        Raises
        ------
        UsageError
            If the scenario does not record it.
        """
        if name not in self.played.metrics:
            raise UsageError(f"metric {shown(name)} is not recorded; the scenario has {', '.join(self.played.metrics)}")
        return float(self._metrics[-1][name][0]) if self._metrics else float("nan")

    def block(self) -> Block:
        """Return what was played so far, as the Monte Carlo runner takes it.

        Returns
        -------
        Block
            One draw, the steps played.
        """
        return self.simulation.block(
            {name: np.array([each[name] for each in self._metrics]) for name in self.played.metrics}
        )

    def result(self) -> Result:
        """Return what came out, in the form of `sim.run`.

        Returns
        -------
        Result
            One draw; with agents that follow the rule the very numbers that `sim.run` has for it.

        Raises
        ------
        UsageError
            Before the horizon is reached.
        """
        if self.running:
            steps = self.played.horizon.steps
            raise UsageError(f"{len(self._metrics)} of {steps} steps played; step() until running is False")
        owner = type(self) if self._asked else ContagionModel
        task = Task(self.played, self.system, self.numbers_seed, owner.play, tuple(self.played.metrics))
        return single(task, self.block())

    @classmethod
    def play(cls, scenario: Scenario, system: System, draws: Int, seed: int) -> Block:
        """Play draws with this class's agents, one model each.

        Parameters
        ----------
        scenario : Scenario
            What to play.
        system : System
            Before the shock; shared.
        draws : int64[n_draws]
            Which draws.
        seed : int
            Of all random numbers.

        Returns
        -------
        Block
            All of them.
        """
        blocks = []
        for draw in draws:
            model = cls(scenario, seed=seed, draw=int(draw), system=system)
            while model.running:
                model.step()
            blocks.append(model.block())
        return joined(blocks)

    # what agents see

    def column_names(self, kind: str) -> frozenset[str]:
        """Return the columns of the state that a type of agent has.

        Parameters
        ----------
        kind : str
            Such as ``"banks"``.

        Returns
        -------
        frozenset of str
            Names.
        """
        if kind not in self._names:
            described = self.simulation.state.described
            self._names[kind] = frozenset(column.name for column in described if kind in column.owners)
        return self._names[kind]

    def column(self, name: str) -> Float:
        """Return a column of the state as it stands, computed once until the state changes.

        Parameters
        ----------
        name : str
            A column, ``"equity"``, ``"assets"`` or ``"liquidity_coverage"`` (0 for who is no bank).

        Returns
        -------
        float64[n_agents]
            In the unit of the column.
        """
        if name not in self._columns:
            state = self.simulation.state
            if name in ("equity", "assets"):
                values = net_worth(state)[:, LANE] if name == "equity" else total_assets(state)[:, LANE]
                if self._seen is not None and hasattr(self._seen, name):
                    values = values.copy()
                    values[state.rows(self._seen.kind)] = getattr(self._seen, name)[:, LANE]
            elif name == "liquidity_coverage":
                rates = getattr(self.simulation.channels.get("liquidity"), "coverage", None)
                values = np.zeros(state.n_agents)
                values[state.banks] = coverage(self.system, state, rates).ratio[:, LANE]
            else:
                values = state.columns[name][:, LANE]
            self._columns[name] = values
        return self._columns[name]

    def ruled(self, agent: Agent) -> Any:
        """Return one agent's row of the vectorised rule.

        Parameters
        ----------
        agent : Agent
            Whose.

        Returns
        -------
        Decision
            One number a field.

        Raises
        ------
        UsageError
            When its type is not being asked.
        """
        if self._rule is None or self._seen is None or self._seen.kind != agent.kind:
            raise UsageError("decide() is asked by the model within a step; call model.step()")
        row = agent.row - self.simulation.state.rows(agent.kind).start
        return type(self._rule)(**{each.name: getattr(self._rule, each.name)[row, LANE] for each in fields(self._rule)})

    def _decide(self, kind: str, view: View) -> Decision:
        """The rule for all rows, then the answers of those who decide for themselves."""
        rule: Decision = RULES[kind](view)
        if kind not in self._asked:
            return rule
        self._seen, self._rule, self._columns = view, rule, {}
        start = self.simulation.state.rows(kind).start
        answers = {each.name: getattr(rule, each.name).copy() for each in fields(rule)}
        for agent in self._asked[kind]:
            answer = agent.decide()
            for name, values in answers.items():
                values[agent.row - start] = _share(agent, answer, type(rule), name)
        self._seen, self._rule, self._columns = None, None, {}
        return rule.replace(**answers)


def _share(agent: Agent, decision: object, kind: type[Decision], name: str) -> float:
    """What an agent answered, if it can be done."""
    if not isinstance(decision, kind):
        raise PluginError(f"{agent!r}: decide() returned {shown(decision)}; allowed: a {kind.__name__}")
    given = getattr(decision, name)
    value = np.asarray(given)
    if value.ndim != 0 or value.dtype.kind not in "buif" or not 0.0 <= float(value) <= 1.0:
        text = f"{agent!r}: decide() returned {name} = {shown(given)}"
        raise PluginError(f"{text}; allowed: a number from 0 to 1")
    return float(value)


def _metric(model: ContagionModel, name: str) -> float:
    return model.metric(name)
