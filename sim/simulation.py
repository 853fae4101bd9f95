"""One block of draws, played: the order of a step, the two modes, the audit after every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from sim.agents.base import Rule
from sim.agents.rules import RULES
from sim.arrays import Bool, Float, Int
from sim.channels.base import PHASES, Channel, Step, TightView
from sim.contagion.certify import reach
from sim.contagion.solve import FixedPoint
from sim.errors import NotFiniteError
from sim.kernels.books import is_finite
from sim.ledger.audit import audit, take_stock
from sim.ledger.balance import net_worth
from sim.ledger.entries import Ledger
from sim.metrics import measure
from sim.policies import Policies
from sim.policies import rebuilt as under_policies
from sim.policies import retuned as bound_by
from sim.scenario.playable import refuse
from sim.scenario.schema import Scenario
from sim.state import Column
from sim.streams import Draws
from sim.system import System
from sim.walls import Walls, rebuilt, retuned, sources

LANES = 8
"""Blocks are padded to a multiple of this: kernels sum eight lanes at a time, and reductions never see a single one."""


@dataclass
class Block:
    """What came out of a block of draws.

    Parameters
    ----------
    draws : int64[n_draws]
        Which draws.
    metrics : dict of str to float64[n_steps, n_draws]
        In the order of the scenario.
    agents : tuple of str
        Rows of `final`.
    final : dict of str to float64[n_agents, n_draws]
        Columns after the last step; only with ``record: agents``.
    status, reason : list of str
        ``"ok"`` or ``"not-certified"``, and why.
    rounds : int64[n_draws]
        Rounds of all fixed points.
    residual : float64[n_draws]
        Largest residual of all fixed points, 1.
    gaps : dict of str to float
        Largest audit gaps as shares of all assets.
    """

    draws: Int
    metrics: dict[str, Float]
    agents: tuple[str, ...] = ()
    final: dict[str, Float] = field(default_factory=dict)
    status: list[str] = field(default_factory=list)
    reason: list[str] = field(default_factory=list)
    rounds: Int = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    residual: Float = field(default_factory=lambda: np.zeros(0))
    gaps: dict[str, float] = field(default_factory=dict)


class Simulation:
    """Plays a scenario on a system for a block of draws.

    Parameters
    ----------
    system : System
        Before the shock; shared and read-only.
    scenario : Scenario
        What to play.
    draws : int64[n_draws]
        Which draws; one lane each.
    seed : int
        Of all random numbers.
    rules : mapping of str to callable, optional
        Replaces the rules of the types of agents it names, such as ``{"banks": ...}``.
    switches : dict of str to float64[n_draws], optional
        Per channel and lane: 1 on, 0 off. A channel switched off posts nothing.
    """

    def __init__(
        self,
        system: System,
        scenario: Scenario,
        draws: Int,
        seed: int,
        rules: Mapping[str, Rule] | None = None,
        switches: Mapping[str, Float] | None = None,
    ) -> None:
        refuse(scenario, system)
        standing, enacted, before = scenario.standing, scenario.enacted, system
        self.scenario, self.wanted = scenario, np.asarray(draws, dtype=np.int64)
        system = under_policies(system, enacted, scenario.active) if enacted else system
        self.system = system = rebuilt(system, standing) if standing else system
        padded = np.concatenate([self.wanted, np.repeat(self.wanted[-1:], -self.wanted.size % LANES)])
        self.draws = Draws(seed, padded, scenario.monte_carlo.sampler)
        self.channels = retuned(scenario.active, standing) if standing else scenario.active
        self.channels = bound_by(self.channels, enacted) if enacted else self.channels
        self.state = system.state(
            padded.size, ("shock", *self.channels, *sources(standing)), columns_of(self.channels.values())
        )
        self.state.days = scenario.horizon.days
        people, view = self.state.people, TightView(self.state, self.state.worth, self.state.price)
        # the rules read equity as the view computes it, so a quiet step is quiet to the last bit
        self.state.equity0[people], self.state.solvency0[people] = view.equity[people], view.solvency[people]
        self.ledger = Ledger(self.state)
        self.rules = {**RULES, **(rules or {})}
        self.on = {name: np.ones(padded.size) for name in self.channels}
        for name, values in (switches or {}).items():
            self.on[name][: self.wanted.size] = values
            self.on[name][self.wanted.size :] = np.asarray(values)[-1:]
        self.walls = Walls(standing, system, self.state, self.draws, self.channels) if standing else None
        self.policies = Policies(enacted, before, system, self.state, self.channels) if enacted else None
        if self.policies is not None:
            self.rules = self.policies.ruled(self.rules)
        self.number, self.phase, self.cause = 0, "", ""
        self.rounds = np.zeros(padded.size, dtype=np.int64)
        self.residual = np.zeros(padded.size)
        self.certified: Bool = np.ones(padded.size, dtype=np.bool_)
        self.gaps: dict[str, float] = {}
        self.seconds = dict.fromkeys(PHASES, 0.0)
        for name, channel in self.channels.items():
            channel.begin(self._given(name))

    def play(self) -> Block:
        """Play all steps.

        Returns
        -------
        Block
            Metrics after every step.

        Raises
        ------
        AuditError
            If money was made or lost: a bug.
        NotFiniteError
            If a number stopped being finite.
        """
        names = list(self.scenario.metrics)
        n = self.wanted.size
        found = {name: np.empty((self.scenario.horizon.steps, n)) for name in names}
        for step in range(self.scenario.horizon.steps):
            self.step()
            for name, values in measure(names, self.system, self.state).items():
                found[name][step] = values[:n]
        return self.block(found)

    def block(self, metrics: dict[str, Float]) -> Block:
        """Return what came out, as it stands.

        Parameters
        ----------
        metrics : dict of str to float64[n_steps, n_draws]
            Measured after every step played.

        Returns
        -------
        Block
            Of the draws asked for, padding left out.

        Raises
        ------
        NotFiniteError
            If a metric is not finite.
        """
        n = self.wanted.size
        for name, values in metrics.items():
            self._finite(name, values, ("the system",) * len(values))
        status = ["ok" if good else "not-certified" for good in self.certified[:n]]
        reason = ["" if good else f"residual {self.residual[k]:.3g}" for k, good in enumerate(self.certified[:n])]
        return Block(
            self.wanted,
            metrics,
            self.system.banks,
            self._final() if self.scenario.record == "agents" else {},
            status,
            reason,
            self.rounds[:n],
            self.residual[:n],
            self.gaps,
        )

    def step(self) -> None:
        """Play one step: events, then every channel's phases in their order, then the audit."""
        self.number += 1
        self.state.time = self.number * self.state.days
        if self.walls is not None:
            self.walls.turn(self._given())
        if self.policies is not None:
            self.policies.turn(self._given())
        for phase in PHASES:
            began, self.phase = perf_counter(), phase
            if phase == "events":
                self._events()
            elif phase == "audit":
                self._audit()
            elif self.scenario.mode == "static":
                if phase == "credit":
                    self._static()
            else:
                self._phase(phase)
            self.seconds[phase] += perf_counter() - began

    def phases(self) -> list[tuple[str, str, str, float]]:
        """Return the order of a step as a table.

        Returns
        -------
        list of (str, str, str, float)
            Phase, what happens in it, the channels that act (by name, comma between), and the seconds spent so far.
        """
        acting = {phase: [name for name, each in self.channels.items() if phase in each.phases] for phase in PHASES}
        return [(phase, said, ", ".join(acting[phase]), self.seconds[phase]) for phase, said in PHASES.items()]

    def _events(self) -> None:
        for position, shock in enumerate(self.scenario.shocks):
            if shock.strikes(self.number):
                self.cause = f"shocks.{position}"
                shock.strike(self.system, self.state, self.ledger, self.draws, self.cause)
        self.cause = ""

    def _given(self, name: str = "") -> Step:
        return Step(
            self.system,
            self.state,
            self.ledger,
            self.number,
            self.on[name] if name else np.ones(self.draws.draws.size),
            self.rules,
            self.scenario.horizon.days,
            self.draws,
            self.channels,
            self.on,
            self.walls,
        )

    def _phase(self, phase: str) -> None:
        if self.walls is not None:
            self.walls.act("before", phase, self._given())
        for name, channel in self.channels.items():
            if phase in channel.phases:
                found = getattr(channel, channel.phases[phase])(self._given(name))
                if isinstance(found, FixedPoint):
                    self._note(found)
        if self.walls is not None:
            self.walls.act("after", phase, self._given())

    def _static(self) -> None:
        """Bring all isotone channels to their greatest common fixed point, then post it once."""
        if not self.channels:
            return
        for name, channel in self.channels.items():
            before = channel.prepare(self._given(name))
            if before is not None:
                self._note(before)
        state, n = self.state, self.state.n_agents
        top = np.concatenate([state.worth, state.price])
        tol = min(float(getattr(channel, "tol", 1e-10)) for channel in self.channels.values())
        most = max(int(getattr(channel, "max_rounds", 10_000)) for channel in self.channels.values())

        def onward(x: Float) -> Float:
            view, signals = self._tight(x[:n], x[n:])
            moved = np.concatenate([state.worth, state.price])
            for name, channel in self.channels.items():
                rows = slice(n, None) if channel.letter == "M" else slice(0, n)
                # channels of one letter share their values: the meet of isotone maps is isotone
                moved[rows] = np.minimum(moved[rows], channel.respond(self._given(name), view, signals[name]))
            return moved

        found = reach(onward, top, tol=tol, max_rounds=most)
        self._note(found)
        view, signals = self._tight(found.x[:n], found.x[n:])
        for name, channel in self.channels.items():
            channel.conclude(
                self._given(name), view, signals[name], found.x[n:] if channel.letter == "M" else found.x[:n]
            )

    def _tight(self, worth: Float, price: Float) -> tuple[TightView, dict[str, Float]]:
        view = TightView(self.state, worth, price)
        signals = {name: channel.signal(self._given(name), view) for name, channel in self.channels.items()}
        for name, channel in self.channels.items():
            channel.couple(view, signals[name])
        return view, signals

    def _note(self, found: FixedPoint) -> None:
        self.rounds += found.rounds
        self.residual = np.maximum(self.residual, np.maximum(found.residual, found.bound))
        self.certified &= found.certified

    def _audit(self) -> None:
        stock = take_stock(self.ledger)
        self._finite("equity", stock.worth, self.state.ids)
        for check, gap in audit(self.ledger, self.system.scale, stock).items():
            self.gaps[check] = max(gap, self.gaps.get(check, 0.0))

    def _finite(self, what: str, values: Float, agents: tuple[str, ...]) -> None:
        if not is_finite(np.ascontiguousarray(values)):
            row, lane = (int(k) for k in np.argwhere(~np.isfinite(values))[0])
            raise NotFiniteError(what, agents[row], int(self.draws.draws[lane]), float(values[row, lane]))

    def _final(self) -> dict[str, Float]:
        banks, n, state = self.state.banks, self.wanted.size, self.state
        final = {"equity": net_worth(state)[banks, :n], "equity0": state.equity0[banks, :n]}
        final["is_defaulted"] = state.is_defaulted[banks, :n]
        for position, source in enumerate(state.sources):
            final[f"loss_{source}"] = state.loss[position, banks, :n]
        return {name: np.ascontiguousarray(values) for name, values in final.items()}


def columns_of(channels: Iterable[Channel]) -> tuple[Column, ...]:
    """Return the columns that channels add to a state, each once.

    Parameters
    ----------
    channels : iterable of Channel
        Those that act.

    Returns
    -------
    tuple of Column
        In the order of the channels.
    """
    return tuple(dict.fromkeys(column for channel in channels for column in channel.columns))


def joined(blocks: Sequence[Block]) -> Block:
    """Return blocks as one.

    Parameters
    ----------
    blocks : sequence of Block
        Of the same scenario and system, at least one.

    Returns
    -------
    Block
        Draws in the order given.
    """
    first = blocks[0]

    def side_by_side(name: str) -> dict[str, Float]:
        return {
            key: np.concatenate([getattr(each, name)[key] for each in blocks], axis=1) for key in getattr(first, name)
        }

    return Block(
        np.concatenate([each.draws for each in blocks]),
        side_by_side("metrics"),
        first.agents,
        side_by_side("final"),
        [status for each in blocks for status in each.status],
        [reason for each in blocks for reason in each.reason],
        np.concatenate([each.rounds for each in blocks]),
        np.concatenate([each.residual for each in blocks]),
        {check: max(each.gaps[check] for each in blocks) for check in first.gaps},
    )


def play(scenario: Scenario, system: System, draws: Int, seed: int) -> Block:
    """Play one block of draws.

    Parameters
    ----------
    scenario : Scenario
        What to play.
    system : System
        Before the shock.
    draws : int64[n_draws]
        Which draws.
    seed : int
        Of all random numbers.

    Returns
    -------
    Block
        The same bits whatever other draws share the block.
    """
    return Simulation(system, scenario, draws, seed).play()
