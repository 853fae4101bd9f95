"""What stands around a channel of others: read-only inputs, a ledger that checks, answers of the right shape."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.contagion.solve import FixedPoint
from sim.errors import PluginError, shown
from sim.ledger.locked import locked, read_only
from sim.ledger.watched import WatchedLedger, watched
from sim.plugins import foreign, who

if TYPE_CHECKING:
    from sim.channels.base import Channel

TRIAL = ("signal", "respond", "slope")
"""Methods that answer with an array; all of them are asked for where a channel says it is isotone."""

GIVEN = ("begin", "prepare", *TRIAL, "couple", "conclude")


def guard(cls: type[Channel]) -> None:
    """Put the guard around what a class of others defines itself.

    Parameters
    ----------
    cls : type
        A channel; our own are left alone.
    """
    if not foreign(cls):
        return
    for method in dict.fromkeys((*GIVEN, *_phases(cls).values())):
        function = vars(cls).get(method)
        if callable(function):
            setattr(cls, method, _guarded(method, function))


def broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a channel, as far as can be told without playing it.

    Parameters
    ----------
    cls : object
        What an entry point led to.

    Returns
    -------
    list of str
        Clauses that go on after the name of the plug-in; empty when all is well.
    """
    from sim.channels.base import PHASES, Channel

    if not (isinstance(cls, type) and issubclass(cls, Channel)):
        return [f"is {shown(cls)}, no subclass of sim.Channel"]
    found = []
    phases = _phases(cls)
    if not phases and not cls.isotone:
        found.append("acts in no phase; give phases, such as {'funding': 'play'}")
    for phase, method in phases.items():
        if phase not in list(PHASES)[1:-1]:
            found.append(f"acts in an unknown phase {shown(phase)} (known: {', '.join(list(PHASES)[1:-1])})")
        if not callable(getattr(cls, str(method), None)):
            found.append(f"lacks {method}(step)")
    if cls.isotone:
        missing = [name for name in (*TRIAL, "conclude") if getattr(cls, name) is getattr(Channel, name)]
        found += [f"says it is isotone and lacks {name}()" for name in missing]
    return found


def _phases(cls: type[Channel]) -> dict[str, str]:
    try:
        return dict(cls.phases)
    except (TypeError, ValueError):
        return {}


def _guarded(method: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that can neither be handed what it may write to, nor hand back what it may not."""

    @functools.wraps(function)
    def call(self: Channel, *args: Any, **words: Any) -> Any:
        name = who(self)
        open_view = method == "couple"  # its one task is to change the view
        given = [_shielded(self, arg, open_view) for arg in args]
        named = {key: _shielded(self, arg, open_view) for key, arg in words.items()}
        found = watched(name, method, lambda: function(self, *given, **named))
        step = next((arg for arg in (*args, *words.values()) if hasattr(arg, "ledger")), None)
        if step is not None:
            _answer(self, method, found, step.state)
        return found

    return call


def _shielded(channel: Channel, arg: Any, open_view: bool) -> Any:
    """Return an argument as a channel of others may see it."""
    if isinstance(arg, np.ndarray):
        return locked(arg)
    if hasattr(arg, "ledger"):
        if isinstance(arg.ledger, WatchedLedger):
            return arg
        ledger = WatchedLedger(arg.ledger, who(channel), channel.name, arg.on)
        return replace(arg, state=read_only(arg.state), ledger=ledger, on=locked(arg.on))
    if hasattr(arg, "worth") and hasattr(arg, "realise") and not open_view:
        twin = copy.copy(arg)
        for name, value in vars(arg).items():
            setattr(twin, name, read_only(value) if name == "state" else locked(value))
        return twin
    return arg


def _answer(channel: Channel, method: str, found: Any, state: Any) -> None:
    """Refuse an answer of the wrong shape, or one that is not finite."""
    name = who(channel)
    if method not in TRIAL:
        if found is not None and not isinstance(found, FixedPoint):
            raise PluginError(f"{name}: {method} returned {shown(found)}; allowed: None or a FixedPoint")
        return
    lanes = state.n_lanes
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise PluginError(f"{name}: {method} returned {shown(found)}; allowed: an array of float64")
    rows = found.shape[0] if method == "signal" and found.ndim == 2 else state.n_agents
    if method != "signal" and channel.letter == "M":
        rows = state.price.shape[0]
    if found.shape != (rows, lanes):
        expected = f"(n_sources, {lanes})" if method == "signal" else str((rows, lanes))
        raise PluginError(f"{name}: {method} returned shape {found.shape}, expected {expected}")
    bad = ~np.isfinite(found)
    if bad.any():
        row, lane = (int(k) for k in np.argwhere(bad)[0])
        whose = f" for {state.ids[row]!r}" if rows == state.n_agents else f" in row {row}"
        raise PluginError(f"{name}: {method} returned {found[row, lane]:g}{whose}")
