"""Losses by source and bearer, defaults, sales: one number a draw and step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sim.arrays import Float
from sim.errors import PluginError, shown
from sim.kernels.total import total_held, total_lost, total_positive, total_weighted
from sim.ledger.balance import securities, summed
from sim.ledger.locked import read_only
from sim.ledger.watched import named, watched
from sim.plugins import Registry, installed
from sim.state import State
from sim.system import System


class Metric(NamedTuple):
    """A named function of the state.

    Parameters
    ----------
    unit : str
        ``"currency"``, ``"1"``, or of time ``"days"``.
    meaning : str
        One line.
    of : callable
        ``(system, state) -> float64[n_lanes]``.
    """

    unit: str
    meaning: str
    of: Callable[[System, State], Float]


def bank_loss(state: State, sources: slice = slice(None)) -> Float:
    """Return what each bank's equity has lost to the given sources, at most its initial equity.

    Parameters
    ----------
    state : State
        Now.
    sources : slice
        Part of the first axis of ``state.loss``.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        Gains count against losses; never above the equity before the shock.
    """
    banks = state.banks
    lost = np.zeros((banks.stop - banks.start, state.n_lanes))
    for source in range(state.loss.shape[0])[sources]:
        lost += state.loss[source, banks]
    return np.asarray(np.minimum(lost, np.maximum(0.0, state.equity0[banks])))


def creditor_loss(system: System, state: State) -> Float:
    """Return what households, investors and the deposit insurer lost as creditors of failed banks, costs included.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Written off in clearing.
    """
    if "credit" not in state.sources:
        return np.zeros(state.n_lanes)
    row = state.loss[state.sources.index("credit")]
    return np.asarray(row[state.row("households")] + row[state.row("outside")] + row[state.row("deposit_insurer")])


def system_loss(system: System, state: State) -> Float:
    """Return equity lost by banks, at most what they had, plus what their outside creditors lost.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        The headline loss.
    """
    return _lost(state, len(state.sources)) + creditor_loss(system, state)


def first_round_loss(system: System, state: State) -> Float:
    """Return the equity that the events themselves took, at most what each bank had.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        Before anything spread.
    """
    return _lost(state, 1)


def _lost(state: State, sources: int) -> Float:
    """What banks have lost to the first sources, at most what each of them had: the sum of `bank_loss`."""
    out = np.empty(state.n_lanes)
    total_lost(state.loss, (0, sources), state.banks.start, state.banks.stop, state.equity0, out)
    return out


def contagion_loss(system: System, state: State) -> Float:
    """Return the part of the system loss that spread.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], currency
        System loss minus first-round loss.
    """
    return system_loss(system, state) - first_round_loss(system, state)


def channel_loss(name: str) -> Callable[[System, State], Float]:
    """Return the metric of what banks lose through one channel.

    Parameters
    ----------
    name : str
        Of the channel.

    Returns
    -------
    callable
        ``(system, state) -> float64[n_lanes]``, currency; 0 where the channel does not act.
    """

    def of(system: System, state: State) -> Float:
        if name not in state.sources:
            return np.zeros(state.n_lanes)
        out = np.empty(state.n_lanes)
        total_positive(state.loss[state.sources.index(name)], state.banks.start, state.banks.stop, out)
        return out

    return of


def _defaults(system: System, state: State) -> Float:
    return summed(state.is_defaulted[state.banks])


def _defaulted_assets(system: System, state: State) -> Float:
    size, out = system.leverage0 * np.maximum(0.0, state.equity0[state.banks, 0]), np.empty(state.n_lanes)
    total_weighted(state.is_defaulted, size, state.banks.start, out)
    return out / float(size.sum() or 1.0)


def _sold(system: System, state: State) -> Float:
    start: float = system.once("securities of banks", lambda: float(system.holdings[state.banks].sum()))
    held = np.empty(state.n_lanes)
    total_held(state.units[state.banks], held)
    return (start - held) / start if start > 0.0 else np.zeros(state.n_lanes)


def _price_decline(system: System, state: State) -> Float:
    held: Float = system.once("portfolio of banks", lambda: system.holdings[state.banks].sum(axis=0))
    start: float = system.once("size of portfolio", lambda: float(held.sum()))
    if not start > 0.0:
        return np.zeros(state.n_lanes)
    index = np.empty(state.n_lanes)
    total_weighted(state.price, held, 0, index)
    return 1.0 - index / start


def _securities(system: System, state: State) -> Float:
    return summed(securities(state)[1][state.banks])


def _broken(found: Any) -> list[str]:
    """Return how a thing breaks the contract of a metric, as far as can be told without measuring."""
    if not isinstance(found, Metric) or not callable(found.of):
        return [f"is {shown(found)}, no sim.metrics.Metric(unit, meaning, function)"]
    if found.unit not in ("currency", "1"):
        return [f"has the unit {shown(found.unit)}; allowed: 'currency', '1'"]
    return []


class Metrics(Registry[Metric]):
    """Our metrics, those of installed packages, and ``<channel>_loss`` of every installed channel."""

    def __getitem__(self, name: str) -> Metric:
        if name in self._of_channels() and name not in self._own and name not in self.others():
            channel = name.removesuffix("_loss")
            return Metric("currency", f"Lost by banks through {channel} (plug-in)", channel_loss(channel))
        found = super().__getitem__(name)
        return found if name in self._own else found._replace(of=_guarded(name, self.others().get(name, ""), found.of))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._of_channels()

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*super().__iter__(), *self._of_channels()))

    def names(self) -> list[str]:
        """Return every known name, sorted.

        Returns
        -------
        list of str
            Nothing is imported to find them.
        """
        return sorted({*super().names(), *self._of_channels()})

    def _of_channels(self) -> list[str]:
        return sorted({f"{entry.name}_loss" for entry in installed("sim.channels") if self._nameable(entry.name)})


def _guarded(name: str, package: str, of: Callable[[System, State], Float]) -> Callable[[System, State], Float]:
    """Return a metric of others that cannot write to the state, and answers with one finite number a lane."""
    told = named(name, package)

    @functools.wraps(of)
    def call(system: System, state: State) -> Float:
        found = watched(told, "the metric", lambda: of(system, read_only(state)))
        if not isinstance(found, np.ndarray) or found.shape != (state.n_lanes,):
            raise PluginError(f"{told}: returned shape {np.shape(found)}, expected ({state.n_lanes},)")
        if not np.isfinite(found).all():
            raise PluginError(f"{told}: returned {float(found[~np.isfinite(found)][0]):g}")
        return found.astype(np.float64)

    return call


METRICS = Metrics("metric", "sim.metrics", _broken)
_OURS: dict[str, Metric] = {
    "system_loss": Metric("currency", "Equity lost by banks, plus losses of their outside creditors", system_loss),
    "first_round_loss": Metric("currency", "Equity lost to the shock itself", first_round_loss),
    "contagion_loss": Metric("currency", "System loss beyond the first round", contagion_loss),
    "credit_loss": Metric(
        "currency",
        "Lost by banks through claims on each other (relief by own default not counted)",
        channel_loss("credit"),
    ),
    "market_loss": Metric("currency", "Lost by banks through fire sales", channel_loss("market")),
    "creditor_loss": Metric("currency", "Losses of failed banks' outside creditors", creditor_loss),
    "defaults": Metric("1", "Banks in default", _defaults),
    "defaulted_assets": Metric("1", "Share of all bank assets held by banks in default", _defaulted_assets),
    "sold": Metric("1", "Share of the banks' securities sold", _sold),
    "price_decline": Metric("1", "Fall of the price of the banks' initial securities portfolio", _price_decline),
    "securities": Metric("currency", "Market value of the banks' securities", _securities),
}
DIFFERENCES = {"contagion_loss": ("system_loss", "first_round_loss")}
"""Metrics that are the first less the second of two others, and need no work where these have been measured."""

for _name, _metric in _OURS.items():
    METRICS.register(_name)(_metric)


def names() -> list[str]:
    """Return every metric's name, in the order of the registry.

    Returns
    -------
    list of str
        Names.
    """
    return list(METRICS)


def describe(name: str) -> tuple[str, str]:
    """Return a metric's unit and meaning.

    Parameters
    ----------
    name : str
        Name.

    Returns
    -------
    tuple of str
        ``(unit, meaning)``.

    Raises
    ------
    UnknownNameError
        With the nearest name.
    """
    found = METRICS[name]
    return found.unit, found.meaning


def measure(wanted: list[str], system: System, state: State) -> dict[str, Float]:
    """Return the wanted metrics.

    Parameters
    ----------
    wanted : list of str
        Names.
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    dict of str to float64[n_lanes]
        One number a lane.
    """
    found: dict[str, Float] = {}
    for name in wanted:
        parts = DIFFERENCES.get(name, ())
        if parts and all(part in found for part in parts):
            found[name] = found[parts[0]] - found[parts[1]]
        else:
            found[name] = METRICS.known(name).of(system, state)
    return found
