"""Losses by source and bearer, defaults, sales: one number a draw and step."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim.arrays import Float
from sim.errors import UnknownNameError
from sim.ledger.balance import securities, summed
from sim.state import State
from sim.system import System


class Metric(NamedTuple):
    """A named function of the state.

    Parameters
    ----------
    unit : str
        ``"currency"`` or ``"1"``.
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
    """Return what households and investors lost as creditors of failed banks, costs of failure included.

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
    return np.asarray(row[state.row("households")] + row[state.row("outside")])


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
    return summed(bank_loss(state)) + creditor_loss(system, state)


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
    return summed(bank_loss(state, slice(0, 1)))


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


def _channel_loss(name: str) -> Callable[[System, State], Float]:
    def of(system: System, state: State) -> Float:
        if name not in state.sources:
            return np.zeros(state.n_lanes)
        return summed(np.maximum(0.0, state.loss[state.sources.index(name), state.banks]))

    return of


def _defaults(system: System, state: State) -> Float:
    return summed(state.is_defaulted[state.banks])


def _defaulted_assets(system: System, state: State) -> Float:
    size = (system.leverage0 * np.maximum(0.0, state.equity0[state.banks, 0]))[:, None]
    return summed(state.is_defaulted[state.banks] * size) / float(size.sum() or 1.0)


def _sold(system: System, state: State) -> Float:
    held = np.zeros((state.banks.stop - state.banks.start, state.n_lanes))
    for asset in range(state.units.shape[1]):
        held += state.units[state.banks, asset]
    start = float(system.holdings[state.banks].sum())
    return (start - summed(held)) / start if start > 0.0 else np.zeros(state.n_lanes)


def _price_decline(system: System, state: State) -> Float:
    start = system.holdings[state.banks].sum(axis=0)
    if not start.sum() > 0.0:
        return np.zeros(state.n_lanes)
    index = np.zeros(state.n_lanes)
    for asset in range(start.size):
        index += start[asset] * state.price[asset]
    return 1.0 - index / float(start.sum())


def _securities(system: System, state: State) -> Float:
    return summed(securities(state)[1][state.banks])


METRICS: dict[str, Metric] = {
    "system_loss": Metric("currency", "Equity lost by banks, plus losses of their outside creditors", system_loss),
    "first_round_loss": Metric("currency", "Equity lost to the shock itself", first_round_loss),
    "contagion_loss": Metric("currency", "System loss beyond the first round", contagion_loss),
    "credit_loss": Metric(
        "currency",
        "Lost by banks through claims on each other (relief by own default not counted)",
        _channel_loss("credit"),
    ),
    "market_loss": Metric("currency", "Lost by banks through fire sales", _channel_loss("market")),
    "creditor_loss": Metric("currency", "Losses of failed banks' outside creditors", creditor_loss),
    "defaults": Metric("1", "Banks in default", _defaults),
    "defaulted_assets": Metric("1", "Share of all bank assets held by banks in default", _defaulted_assets),
    "sold": Metric("1", "Share of the banks' securities sold", _sold),
    "price_decline": Metric("1", "Fall of the price of the banks' initial securities portfolio", _price_decline),
    "securities": Metric("currency", "Market value of the banks' securities", _securities),
}


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
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name].unit, METRICS[name].meaning


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
    return {name: METRICS[name].of(system, state) for name in wanted}
