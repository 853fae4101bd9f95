"""The laws that every plug-in is held to, ours and those of others; made to be called from a package's own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from sim.arrays import Float, Int
from sim.channels import CHANNELS
from sim.errors import PluginError, SimError, UnknownNameError
from sim.experiments.policy_laws import broken_laws as broken_by_policy
from sim.experiments.valuation_laws import broken_laws as broken_by_valuation
from sim.experiments.wall_laws import broken_laws as broken_by_wall
from sim.metrics import METRICS
from sim.networks.generators import GENERATORS
from sim.networks.laws import broken_laws as broken_by_generator
from sim.plugins import Registry
from sim.policies import POLICIES
from sim.scenario.schema import Scenario
from sim.shocks import SHOCKS
from sim.simulation import Block, Simulation
from sim.system import System
from sim.valuations import RULES
from sim.walls import WALLS

REGISTRIES: dict[str, Registry[Any]] = {
    "channels": CHANNELS,
    "shocks": SHOCKS,
    "metrics": METRICS,
    "networks": GENERATORS,
    "valuations": RULES,
    "walls": WALLS,
    "policies": POLICIES,
}
"""Sorts of plug-ins that this program reads."""

EVENTS: tuple[dict[str, Any], ...] = (
    {"kind": "asset_loss", "size": {"beta": {"a": 1.5, "b": 6.0, "scale": 0.6}}},
    {"kind": "price_fall", "falls": {"a0": {"beta": {"a": 2.0, "b": 8.0}}, "a1": 0.05}},
)
"""What strikes the banks while a channel or a metric is examined; every draw differs."""

COMPANY: dict[str, Any] = {
    "credit": {"valuation": "rogers-veraart", "alpha": 0.8, "beta": 0.9, "resolution_steps": 2},
    "market": {"leverage_limit": 14.0, "leverage_target": 12.0, "impact": "exponential"},
}
"""Channels that a plug-in must get along with."""

SEED, STEPS, FACTOR = 11, 5, 1024.0


@dataclass(frozen=True)
class Case:
    """One way to play a plug-in.

    Parameters
    ----------
    sort, name : str
        Which plug-in.
    parameters, currency : mapping and tuple of str
        As a scenario gives them, and which of them are money.
    mode : {"static", "dynamic"}
        How it is played.
    company : bool
        Whether credit and market act too.
    """

    sort: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    currency: tuple[str, ...] = ()
    mode: str = "dynamic"
    company: bool = False

    @property
    def told(self) -> str:
        """How messages name the case."""
        if self.sort == "metrics":
            return ""
        return f" ({self.mode}{', with credit and market' if self.company else ', alone'})"

    def scenario(self, system: System, scale: float = 1.0, **changes: Any) -> Scenario:
        """Return what is played.

        Parameters
        ----------
        system : System
            On what.
        scale : float
            Factor of all money, 1.
        **changes : object
            Other parts of the scenario.

        Returns
        -------
        Scenario
            With the plug-in in its place.
        """
        given = {key: value * scale if key in self.currency else value for key, value in self.parameters.items()}
        channels, shocks = dict(COMPANY) if self.company else {}, [dict(event) for event in EVENTS]
        metrics = ["system_loss", "first_round_loss", "defaults"]
        if self.sort == "channels":
            channels[self.name] = given
        elif self.sort == "shocks":
            shocks = [*shocks, {"kind": self.name, "at": 1, **given}]
        elif self.sort == "valuations":
            channels["credit"] = {"valuation": {self.name: given}}
        else:
            metrics.append(self.name)
        steps = {"steps": 1 if self.mode == "static" else STEPS}
        parts: dict[str, Any] = {"name": "laws", "mode": self.mode, "record": "agents", "horizon": steps}
        parts |= {"channels": channels, "shocks": shocks, "metrics": metrics}
        return Scenario(system=system, **(parts | changes))

    def play(self, system: System, draws: Int | None = None, scale: float = 1.0, **changes: Any) -> Block:
        """Play the case.

        Parameters
        ----------
        system : System
            On what.
        draws : int64[n_draws], optional
            Which draws.
        scale : float
            Factor of all money, 1.
        **changes : object
            Other parts of the scenario.

        Returns
        -------
        Block
            What came out.
        """
        given = np.arange(5) if draws is None else draws
        return Simulation(system, self.scenario(system, scale, **changes), given, SEED).play()


def stage(seed: int = 1, *, scale: float = 1.0, order: Int | None = None, isolated: bool = False) -> System:
    """Return a small system on which plug-ins are examined.

    Parameters
    ----------
    seed : int
        Of its numbers.
    scale : float
        Factor of all money, 1.
    order : int64[9], optional
        Order in which the banks are listed.
    isolated : bool
        Whether a tenth bank stands beside, without claims and securities.

    Returns
    -------
    System
        Nine banks ``B0`` to ``B8`` with claims on each other and holdings of ``a0`` and ``a1``; one bank lends to none,
        one holds no securities, one has next to no equity.
    """
    rng = np.random.default_rng(seed)
    n = 9
    claims = rng.exponential(5.0, (n, n)) * (rng.random((n, n)) < 0.45) * (1.0 - np.eye(n))
    held = rng.exponential(12.0, (n, 2))
    claims[2] = 0.0
    held[3] = 0.0
    loans = rng.uniform(40.0, 120.0, n) + claims.sum(axis=0)
    total = loans + claims.sum(axis=1) + held.sum(axis=1)
    share = rng.uniform(0.04, 0.12, n)
    share[4] = 1e-6
    deposits = total * 0.3
    names = [f"B{k}" for k in range(n)]
    banks = pd.DataFrame(
        {"id": names, "total_assets": total, "equity": total * share, "deposits_uninsured": deposits, "cash": loans / 8}
    )
    if isolated:
        alone = {"id": "B9", "total_assets": 50.0, "equity": 5.0, "deposits_uninsured": 10.0, "cash": 5.0}
        banks = pd.concat([banks, pd.DataFrame([alone])], ignore_index=True)
    money = ["total_assets", "equity", "deposits_uninsured", "cash"]
    banks[money] *= scale
    rows, columns = np.nonzero(claims)
    edges = pd.DataFrame({"creditor": rows, "debtor": columns, "amount": claims[rows, columns] * scale})
    edges[["creditor", "debtor"]] = edges[["creditor", "debtor"]].map(lambda k: names[k])
    holdings = pd.DataFrame(
        [{"agent": names[i], "asset": f"a{a}", "amount": held[i, a] * scale} for i in range(n) for a in range(2)]
    )
    markets = pd.DataFrame({"asset": ["a0", "a1"], "depth": rng.uniform(200.0, 500.0, 2) * scale})
    if order is not None:
        banks = banks.iloc[order].reset_index(drop=True)
    return System.from_frames(banks, edges, holdings, markets, fair_value_share=0.6)


def broken_laws(
    sort: str, name: str, parameters: Mapping[str, Any] | None = None, *, currency: tuple[str, ...] = ()
) -> list[str]:
    """Return the laws that a plug-in breaks.

    The laws: without an event nothing changes; money closes; every draw is the same bit for bit whatever others share
    its block, and when it is played again; a plug-in leaves the luck of others alone; relabelling agents relabels
    results; a power of two scales money and nothing else; an isolated agent changes nothing; no number that is not
    finite comes out; a channel that is switched off posts nothing. Those of network generators: `sim.networks.laws`; of
    valuations `sim.experiments.valuation_laws`, and all of these in the credit channel where a scenario takes them; of
    walls `sim.experiments.wall_laws`; of policies `sim.experiments.policy_laws`.

    Parameters
    ----------
    sort : {"channels", "shocks", "metrics", "networks", "valuations", "walls", "policies"}
        Sort of plug-in.
    name : str
        As a scenario names it.
    parameters : mapping, optional
        As a scenario gives them; the system examined has banks ``B0`` to ``B8`` and assets ``a0`` and ``a1``.
    currency : tuple of str
        Parameters that are money, scaled with the system.

    Returns
    -------
    list of str
        One line a law and way to play; empty when all hold.

    Raises
    ------
    UnknownNameError
        If there is no such sort or plug-in.
    PluginError
        If the plug-in cannot be loaded.

    Examples
    --------
    >>> broken_laws("metrics", "defaults")
    []
    """
    if sort not in REGISTRIES:
        raise UnknownNameError("sort of plug-in", sort, REGISTRIES)
    if sort == "networks":
        return broken_by_generator(name, parameters)
    if sort in ("walls", "policies"):
        return (broken_by_wall if sort == "walls" else broken_by_policy)(name, parameters)
    thing = REGISTRIES[sort][name]
    found = broken_by_valuation(name, parameters, currency=currency) if sort == "valuations" else []
    if sort == "valuations" and not thing.in_scenario:
        return found
    case = Case(sort, name, parameters or {}, currency)
    cases = [*([] if sort == "metrics" else [case]), replace(case, company=True)]
    if sort == "valuations" or getattr(thing, "isotone", False):
        cases.append(replace(case, mode="static"))
    for each in cases:
        for law in LAWS:
            try:
                found += [f"{text}{each.told}" for text in law(each)]
            except SimError as error:
                found.append(f"{(law.__doc__ or '').rstrip('.').lower()}: {error}{each.told}")
    return list(dict.fromkeys(found))


def hold_to_laws(
    sort: str, name: str, parameters: Mapping[str, Any] | None = None, *, currency: tuple[str, ...] = ()
) -> None:
    """Raise what `broken_laws` finds; the one line that the tests of a plug-in need.

    Parameters
    ----------
    sort, name : str
        As in `broken_laws`.
    parameters : mapping, optional
        As a scenario gives them.
    currency : tuple of str
        Parameters that are money.

    Raises
    ------
    PluginError
        Naming every law that is broken.

    Examples
    --------
    >>> hold_to_laws("shocks", "price_fall", {"falls": {"a0": 0.1}})
    """
    found = broken_laws(sort, name, parameters, currency=currency)
    if found:
        raise PluginError(f"{sort[:-1]} {name!r} breaks {len(found)} laws:\n" + "\n".join(found))


def _quiet(case: Case) -> Iterator[str]:
    """No event, no change."""
    system = stage()
    shocks = [{"kind": case.name, **case.parameters, "at": STEPS}] if case.sort == "shocks" else []
    simulation = Simulation(system, case.scenario(system, shocks=shocks), np.arange(2), SEED)
    state = simulation.state
    before = {name: values.copy() for name, values in (state.columns | {"units": state.units}).items()}
    before["price"] = state.price.copy()
    for _ in range(simulation.scenario.horizon.steps - (case.sort == "shocks")):
        simulation.step()
    for name, values in (state.columns | {"units": state.units, "price": state.price}).items():
        if not np.abs(values - before[name]).max(initial=0.0) <= 1e-12 * system.scale:
            yield f"without an event {name} changes"


def _lanes(case: Case) -> Iterator[str]:
    """Lanes are independent, and a draw played again is the same."""
    system = stage()
    together = case.play(system)
    if not _same(together, case.play(system)):
        yield "the same draws played twice differ: is luck drawn from anything but `draws`?"
        return
    if not _same(together, case.play(system, np.arange(5)[::-1].copy()), np.arange(5)[::-1]):
        yield "draws in another order differ"
    for draw in range(2):
        if not _same(together, case.play(system, np.array([draw])), np.array([draw])):
            yield f"draw {draw} alone differs from the same draw in a block of five"


def _luck(case: Case) -> Iterator[str]:
    """Draws are addressed: a channel leaves the luck of the events alone."""
    if case.sort == "channels":
        system = stage()
        without = case.play(system, channels={}).metrics["first_round_loss"]
        if not (case.play(system).metrics["first_round_loss"] == without).all():
            yield "the losses of the events themselves change with the channel"


def _relabelled(case: Case) -> Iterator[str]:
    """Relabelling agents relabels results."""
    order = np.random.default_rng(3).permutation(9)
    one, two = case.play(stage()), case.play(stage(order=order))
    scale = stage().scale
    for name, values in one.final.items():
        if not np.allclose(two.final[name], values[order], rtol=1e-9, atol=1e-9 * scale):
            yield f"{name} depends on the order in which agents are listed"
    if case.sort == "metrics" and not np.allclose(two.metrics[case.name], one.metrics[case.name], rtol=1e-9, atol=1e-9):
        yield "it depends on the order in which agents are listed"


def _scaled(case: Case) -> Iterator[str]:
    """A power of two scales money and nothing else."""
    small, large = case.play(stage()), case.play(stage(scale=FACTOR), scale=FACTOR)
    for name, values in small.final.items():
        factor = 1.0 if name == "is_defaulted" else FACTOR
        if not np.allclose(large.final[name], values * factor, rtol=1e-10, atol=1e-9):
            yield f"{name} does not scale with the currency"
    if case.sort == "metrics":
        factor = FACTOR if METRICS[case.name].unit == "currency" else 1.0
        if not np.allclose(large.metrics[case.name], small.metrics[case.name] * factor, rtol=1e-10, atol=1e-9):
            yield f"its unit is {METRICS[case.name].unit}, and it does not scale like that"


def _isolated(case: Case) -> Iterator[str]:
    """An isolated agent changes nothing."""
    if case.sort == "metrics":  # a share of all banks may count it
        return
    small, large = case.play(stage()), case.play(stage(isolated=True))
    for name, values in small.final.items():
        if not np.allclose(large.final[name][:9], values, rtol=1e-11, atol=1e-9):
            yield f"{name} of the others changes when an isolated bank is added"


def _finite(case: Case) -> Iterator[str]:
    """A NaN or an infinity never leaves."""
    for seed in (2, 3):
        block = case.play(stage(seed))
        for name, values in (block.final | block.metrics).items():
            if not np.isfinite(values).all():
                yield f"{name} is not finite"


def _off(case: Case) -> Iterator[str]:
    """A channel switched off posts nothing."""
    if case.sort != "channels":
        return
    system, draws = stage(), np.arange(4)
    switch = np.array([1.0, 0.0, 1.0, 0.0])
    simulation = Simulation(system, case.scenario(system), draws, SEED, switches={case.name: switch})
    mixed = simulation.play()
    posted = simulation.state.loss[simulation.state.sources.index(case.name)][:, [1, 3]]
    if np.any(posted != 0.0):
        yield "it posts in lanes where it is switched off"
    on = case.play(system, draws)
    without = Simulation(
        system, case.scenario(system).override({f"channels.{case.name}.enabled": False}), draws, SEED
    ).play()
    for name in ("equity", "is_defaulted"):
        if not (mixed.final[name][:, switch > 0.0] == on.final[name][:, switch > 0.0]).all():
            yield f"{name} where it is on depends on where it is off"
        if not (mixed.final[name][:, switch == 0.0] == without.final[name][:, switch == 0.0]).all():
            yield f"{name} where it is switched off is not that of a run without it"


LAWS: tuple[Callable[[Case], Iterator[str]], ...] = (
    *(_quiet, _lanes, _luck, _relabelled),
    *(_scaled, _isolated, _finite, _off),
)


def _same(one: Block, two: Block, lanes: Int | None = None) -> bool:
    """Return whether two blocks hold the same bits, the second those of some lanes of the first."""
    at = np.arange(one.draws.size) if lanes is None else lanes
    pairs: list[tuple[Float, Float]] = [(one.metrics[name], two.metrics[name]) for name in one.metrics]
    pairs += [(one.final[name], two.final[name]) for name in one.final]
    return all(np.array_equal(a[:, at], b) for a, b in pairs)
