"""The contract of a valuation, and how those of other packages are asked: compiled, examined, watched."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba.core.errors import NumbaError, NumbaWarning

from sim.arrays import Float
from sim.errors import PluginError, shown
from sim.kernels.valuation import value_of
from sim.plugins import Plugin, Registry, who

CALL = "value(equity, equity0, external_assets, debt, params)"
GIVEN = len(CALL.partition("(")[2].split(","))

ROUNDING = 1e-12
"""How far a value may leave [0, 1], or fall as equity rises, before it is refused."""

START, OWED, OWN = (0.5, 4.0, 100.0), (1.0, 50.0, 200.0), (0.0, 10.0, 300.0)
"""Equity before any event, debt and external assets at which a rule is examined, currency."""

LOST = np.concatenate([np.linspace(-1.5, 0.0, 25), np.linspace(0.04, 1.0, 25), [1.25, 2.0]])
"""Equity at which it is examined, in units of the equity before any event; below 0 of the debt."""


class ValuationRule(Plugin):
    """What one unit of claim on an agent is worth, given its net worth; a frozen record of numbers.

    A rule of another package gives ``value``, a static method of numbers that numba can compile; `params` are its own
    parameters in the order in which they are written.
    """

    in_scenario: ClassVar[bool] = True
    """Whether ``channels.credit.valuation`` takes it: then a claim on an agent that has lost nothing is worth 1."""

    @staticmethod
    def value(equity: float, equity0: float, external_assets: float, debt: float, params: Float) -> float:
        """Return what one unit of claim on an agent is worth.

        Parameters
        ----------
        equity, equity0 : float
            Net worth now, own debt at face, and before any event, currency.
        external_assets, debt : float
            What it has outside the network, and all it owes, currency.
        params : float64[n_params]
            Parameters of the rule.

        Returns
        -------
        float
            In [0, 1]; it must not fall when equity rises.
        """
        raise NotImplementedError

    @property
    def params(self) -> Float:
        """Parameters in the order in which they are written, float64[n_params]."""
        return np.array([float(getattr(self, name)) for name in type(self).model_fields])


def _broken(cls: Any) -> list[str]:
    """Return how a class breaks the contract of a valuation, as far as can be told without asking it."""
    if not (isinstance(cls, type) and issubclass(cls, ValuationRule)):
        return [f"is {shown(cls)}, no subclass of sim.valuations.ValuationRule"]
    found = []
    if cls.value is ValuationRule.value:
        found.append(f"lacks {CALL}")
    else:
        call = inspect.getattr_static(cls, "value")
        function = getattr(cls.value, "py_func", cls.value)
        if not isinstance(call, staticmethod) or len(inspect.signature(function).parameters) != GIVEN:
            found.append(f"must have value as a static method: @staticmethod def {CALL}")
    found += [
        f"has a parameter {name!r} that is no number; allowed: float, int, bool"
        for name, each in cls.model_fields.items()
        if each.annotation not in (float, int, bool)
    ]
    return found


RULES: Registry[type[ValuationRule]] = Registry("valuation", "sim.valuations", _broken)


class Told(NamedTuple):
    """What a valuation is told of the agents: float64[n_agents, n_lanes] each, currency."""

    equity: Float
    equity0: Float
    external: Float
    debt: Float


def worth(rule: ValuationRule, told: Told, params: Float | None = None, ids: Sequence[str] = ()) -> Float:
    """Return what a rule of another package says that claims are worth.

    Parameters
    ----------
    rule : ValuationRule
        With its parameters.
    told : Told
        Net worth now and before any event, external assets, and all that is owed.
    params : float64[n_agents, n_params], optional
        Parameters that differ from agent to agent; by default the rule's own for all.
    ids : sequence of str
        Names of the agents, for messages.

    Returns
    -------
    float64[n_agents, n_lanes], 1
        1 on agents that owe nothing.

    Raises
    ------
    PluginError
        If the rule cannot be compiled, is examined and fails, or gives a value outside [0, 1].
    """
    own = rule.params
    _examined(rule, own.tobytes())
    given = np.tile(own, (len(told.equity), 1)) if params is None else np.array(params, dtype=np.float64, order="C")
    out = _asked(rule, told, given)
    owes = told.debt > 0.0
    bad = owes & ~((out >= -ROUNDING) & (out <= 1.0 + ROUNDING))
    if bad.any():
        i, lane = (int(k) for k in np.argwhere(bad)[0])
        whose = repr(ids[i]) if len(ids) else f"agent {i}"
        at = f"at equity {told.equity[i, lane]:g}"
        raise PluginError(f"{who(rule)}: value returned {out[i, lane]:g} for {whose} {at}; allowed: 0 to 1")
    return np.asarray(np.where(owes, np.minimum(1.0, np.maximum(0.0, out)), 1.0))


def compiled(function: Callable[..., float], params: Float) -> Callable[..., None]:
    """Return a function of numbers as a loop over agents and lanes, compiled for read-only parameters.

    Parameters
    ----------
    function : callable
        As `ValuationRule.value`.
    params : float64[n_agents, n_params]
        Locked here: nobody else's numbers are changed.

    Returns
    -------
    callable
        As `sim.kernels.valuation.value_of` returns it.

    Raises
    ------
    ValueError
        With the first line of what numba says of it.
    """
    params.setflags(write=False)
    none = np.empty((0, 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", NumbaWarning)  # a result that is no number is only warned of
            found = value_of(function)
            found(none, none, none, none, params, none)
    except (NumbaError, NumbaWarning, TypeError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        told = next((line.strip() for line in lines if "readonly" in line), lines[0])
        raise ValueError(told) from error
    return found


def _asked(rule: ValuationRule, told: Told, params: Float) -> Float:
    """What the rule answers, whatever it does."""
    out = np.empty_like(told.equity)
    try:
        call = compiled(type(rule).value, params)
    except ValueError as error:
        if "readonly" in str(error):
            raise PluginError(f"{who(rule)}: value wrote to a read-only input") from error
        raise PluginError(f"{who(rule)}: value cannot be compiled by numba: {error}") from error
    try:
        call(*told, params, out)
    except Exception as error:
        raise PluginError(f"{who(rule)}: value raised {type(error).__name__}: {error}") from error
    return out


@lru_cache(maxsize=64)
def _examined(rule: ValuationRule, _params: bytes) -> None:
    """Refuse a rule that breaks its contract on a grid of balance sheets; asked once a process."""
    start, owed, own = (each.ravel() for each in np.meshgrid(START, OWED, OWN, indexing="ij"))
    shape = (start.size, LOST.size)
    equity0, debt, external = (
        np.ascontiguousarray(np.broadcast_to(each[:, None], shape)) for each in (start, owed, own)
    )
    equity = np.where(LOST < 0.0, LOST * debt, LOST * equity0)
    told, params = Told(equity, equity0, external, debt), np.tile(rule.params, (start.size, 1))
    first, again = _asked(rule, told, params), _asked(rule, told, params.copy())
    if not np.array_equal(first, again, equal_nan=True):
        raise PluginError(f"{who(rule)}: value is another one for the same arguments: is luck drawn in it?")
    for bad, text in (
        (~((first >= -ROUNDING) & (first <= 1.0 + ROUNDING)), "is outside what is allowed: 0 to 1"),
        (np.diff(first, axis=1, prepend=0.0) < -ROUNDING, "is less than at a lower equity; allowed: never falling"),
        (rule.in_scenario & (LOST == 1.0) & (first < 1.0 - ROUNDING), "with nothing lost; allowed: 1"),
    ):
        if bad.any():
            i, k = (int(each) for each in np.argwhere(bad)[0])
            raise PluginError(
                f"{who(rule)}: value {first[i, k]:g} at equity {equity[i, k]:g} (before any event {equity0[i, k]:g}, "
                f"debt {debt[i, k]:g}, external assets {external[i, k]:g}) {text}"
            )
