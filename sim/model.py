"""The model as mesa sees it: agents are views of rows, `step` plays one step; the only place that knows mesa."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from sim.agents.bank import BankDecision, BankView
from sim.agents.bank import decide as bank_rule
from sim.arrays import Float, Int
from sim.errors import PluginError, UsageError, shown
from sim.experiments.blocks import Task
from sim.experiments.gather import single
from sim.experiments.result import Result
from sim.ledger.balance import net_worth, total_assets
from sim.metrics import measure
from sim.scenario.build import build
from sim.scenario.load import load
from sim.scenario.schema import Scenario
from sim.simulation import Block, Simulation, joined
from sim.state import BANKS
from sim.system import System

with warnings.catch_warnings():
    # mesa asks tqdm for a notebook's progress bar when it is imported, and tqdm complains where widgets are missing
    warnings.simplefilter("ignore")
    import mesa

LANE = 0
"""A model plays one draw; its numbers are this lane of the state."""


class Bank(mesa.Agent):  # type: ignore[misc]
    """A bank as mesa sees it: one row of the state and nothing of its own.

    Every column of the state that banks have is an attribute (`cash`, `loans`, `deposits_insured`, ...), as are the
    names below. While `decide` runs they show what the rule may see, after a step what was left.

    Parameters
    ----------
    model : ContagionModel
        The model it belongs to.
    row : int
        Its row in the state.

    Attributes
    ----------
    id : str
        Name in the scenario, such as ``"DE20"``.
    row : int
        Its row in the state.
    """

    model: ContagionModel

    def __init__(self, model: ContagionModel, row: int) -> None:
        super().__init__(model)
        self.row = row
        self.id = model.system.ids[row]

    def __getattr__(self, name: str) -> float:
        # only reached for names that are no attribute: the columns of the state
        model = self.__dict__.get("model")
        if model is None or name not in model.column_names:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return float(model.column(name)[self.row])

    @property
    def equity(self) -> float:
        """Net worth, currency."""
        return float(self.model.column("equity")[self.row])

    @property
    def assets(self) -> float:
        """Book assets, currency."""
        return float(self.model.column("assets")[self.row])

    @property
    def equity0(self) -> float:
        """Net worth before any event, currency."""
        return float(self.model.simulation.state.equity0[self.row, LANE])

    @property
    def leverage(self) -> float:
        """Assets over equity; infinite without equity."""
        equity = self.equity
        return self.assets / equity if equity > 0.0 else float("inf")

    @property
    def stress(self) -> float:
        """Share of the equity before any event that is gone, 0 to 1."""
        return min(1.0, max(0.0, 1.0 - self.equity / self.equity0)) if self.equity0 > 0.0 else 1.0

    @property
    def is_defaulted(self) -> bool:
        """Whether it has defaulted."""
        return bool(self.model.column("is_defaulted")[self.row])

    def decide(self) -> BankDecision:
        """Return what the bank does now: its row of the vectorised rule, unless a subclass knows better.

        Returns
        -------
        BankDecision
            One number a field; `replace` changes some of them.
        """
        return self.model.ruled(self.row)

    def step(self) -> None:
        """Do nothing: the model moves all agents at once, since nobody may act before another."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


AgentType = type[Bank] | Callable[[int], type[Bank]]


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

    agent_types: ClassVar[Mapping[str, AgentType]] = {"bank": Bank}
    """Class of each type of agent, or a function of the row that returns one."""

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
        self.played = scenario if isinstance(scenario, Scenario) else load(scenario)
        seed = self.played.monte_carlo.seed if seed is None else seed
        if seed is None:
            raise UsageError("a model needs a seed: pass seed=, or set monte_carlo.seed in the scenario")
        self.draw, self.numbers_seed = int(draw), int(seed)
        super().__init__(rng=np.random.default_rng([self.numbers_seed % 2**64, self.numbers_seed >> 64, self.draw]))
        self.system = build(self.played, seed=seed) if system is None else system
        self.simulation = Simulation(self.system, self.played, np.array([draw]), seed, decide=self._decide)
        self._seen: BankView | None = None
        self._rule: BankDecision | None = None
        self._columns: dict[str, Float] = {}
        rows = self.simulation.state.banks
        self._people(rows)
        self._metrics: list[dict[str, Float]] = []
        reporters = {name: partial(_metric, name=name) for name in self.played.metrics}
        self.datacollector = mesa.DataCollector(model_reporters=reporters)

    def _people(self, rows: slice) -> None:
        """Create one agent a row; those whose class decides for itself are asked in every decision."""
        unknown = set(self.agent_types) - {"bank"}
        if unknown:
            raise UsageError(f"agent_types names {shown(min(unknown))}; known: bank")
        chosen = self.agent_types.get("bank", Bank)
        self._asked: list[Bank] = []
        for row in range(rows.start, rows.stop):
            kind: object = chosen if isinstance(chosen, type) else chosen(row)
            if not (isinstance(kind, type) and issubclass(kind, Bank)):
                raise UsageError(f"agent_types['bank'] gives {shown(kind)} for row {row}; allowed: a subclass of Bank")
            agent = kind(self, row)
            if kind.decide is not Bank.decide:
                self._asked.append(agent)

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

    @cached_property
    def column_names(self) -> frozenset[str]:
        """Columns of the state that banks have."""
        return frozenset(column.name for column in self.simulation.state.described if BANKS in column.owners)

    def column(self, name: str) -> Float:
        """Return a column of the state as it stands, computed once until the state changes.

        Parameters
        ----------
        name : str
            A column, ``"equity"`` or ``"assets"``.

        Returns
        -------
        float64[n_agents]
            In the unit of the column.
        """
        if name not in self._columns:
            state = self.simulation.state
            if name in ("equity", "assets"):
                values = net_worth(state)[:, LANE] if name == "equity" else total_assets(state)[:, LANE]
                if self._seen is not None:
                    values = values.copy()
                    values[state.banks] = getattr(self._seen, name)[:, LANE]
            else:
                values = state.columns[name][:, LANE]
            self._columns[name] = values
        return self._columns[name]

    def ruled(self, row: int) -> BankDecision:
        """Return one row of the vectorised rule.

        Parameters
        ----------
        row : int
            Row of the agent.

        Returns
        -------
        BankDecision
            One number a field.

        Raises
        ------
        UsageError
            Outside a step, when nothing is to be decided.
        """
        if self._rule is None:
            raise UsageError("decide() is asked by the model within a step; call model.step()")
        return BankDecision(sell=self._rule.sell[row, LANE])

    def _decide(self, view: BankView) -> BankDecision:
        """The rule for all rows, then the answers of those who decide for themselves."""
        rule = bank_rule(view)
        if not self._asked:
            return rule
        self._seen, self._rule, self._columns = view, rule, {}
        sell = rule.sell.copy()
        for agent in self._asked:
            sell[agent.row] = _share(agent, agent.decide())
        self._seen, self._rule, self._columns = None, None, {}
        return rule.replace(sell=sell)


def _share(agent: Bank, decision: object) -> float:
    """What an agent answered, if it can be done."""
    if not isinstance(decision, BankDecision):
        raise PluginError(f"{agent!r}: decide() returned {shown(decision)}; allowed: a BankDecision")
    sell = np.asarray(decision.sell)
    if sell.ndim != 0 or sell.dtype.kind not in "buif" or not 0.0 <= float(sell) <= 1.0:
        raise PluginError(f"{agent!r}: decide() returned sell = {shown(decision.sell)}; allowed: a number from 0 to 1")
    return float(sell)


def _metric(model: ContagionModel, name: str) -> float:
    return model.metric(name)
