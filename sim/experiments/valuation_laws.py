"""The laws that every valuation is held to as a function of balance sheets, ours and those of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.contagion.revalue import Valuation, revalue
from sim.errors import SimError
from sim.valuations import RULES, ValuationRule

AGENTS, LANES, FACTOR = 9, 5, 1024.0
CLOSE = 1e-9

TOLD: dict[str, Any] = {"alpha": 0.7, "beta": 0.6, "recovery_rate": 0.3, "volatility": 0.15}
"""What our own valuations take beside balance sheets."""


@dataclass(frozen=True)
class Sheets:
    """Balance sheets on which a valuation is asked.

    Parameters
    ----------
    claims : float64[n_agents, n_agents], currency
        Of the row on the column.
    assets, before, debt : float64[n_agents, n_lanes], float64[n_agents, 1], float64[n_agents], currency
        External assets in each lane and before any event, and debt to outsiders.
    """

    claims: Float
    assets: Float
    before: Float
    debt: Float

    def valued(self, rule: ValuationRule, **changes: Any) -> Valuation:
        """Value all claims.

        Parameters
        ----------
        rule : ValuationRule
            How.
        **changes : object
            Other options of `sim.contagion.revalue`.

        Returns
        -------
        Valuation
            In every lane.
        """
        before = np.broadcast_to(self.before, self.assets.shape)
        options = TOLD | {"external_assets0": before, "allow_uncertified": True} | changes
        return revalue(self.claims, self.assets, self.debt, valuation=rule, **options)


@dataclass(frozen=True)
class Asked:
    """One valuation, and how it is made again for another currency.

    Parameters
    ----------
    name : str
        As a scenario names it.
    parameters : mapping
        As a scenario gives them.
    currency : tuple of str
        Those that are money.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    currency: tuple[str, ...] = ()

    def rule(self, scale: float = 1.0) -> ValuationRule:
        """Return the record.

        Parameters
        ----------
        scale : float
            Factor of all money, 1.

        Returns
        -------
        ValuationRule
            With its parameters.
        """
        given = {key: value * scale if key in self.currency else value for key, value in self.parameters.items()}
        return RULES[self.name].model_validate(given)


def sheets(scale: float = 1.0) -> Sheets:
    """Return balance sheets of nine agents with thin and thick equity, hit harder from lane to lane.

    Parameters
    ----------
    scale : float
        Factor of all money, 1.

    Returns
    -------
    Sheets
        Nothing is lost in the first lane.
    """
    rng = np.random.default_rng(7)
    claims = rng.exponential(4.0, (AGENTS, AGENTS)) * (rng.random((AGENTS, AGENTS)) < 0.5) * (1.0 - np.eye(AGENTS))
    before = rng.uniform(40.0, 120.0, (AGENTS, 1))
    equity = (before[:, 0] + claims.sum(axis=1)) * rng.uniform(0.03, 0.12, AGENTS)
    debt = before[:, 0] + claims.sum(axis=1) - claims.sum(axis=0) - equity
    hit = rng.uniform(0.0, 1.0, (AGENTS, 1)) * np.linspace(0.0, 0.3, LANES)
    return Sheets(claims * scale, before * (1.0 - hit) * scale, before * scale, debt * scale)


def broken_laws(name: str, parameters: Mapping[str, Any] | None = None, *, currency: tuple[str, ...] = ()) -> list[str]:
    """Return the laws that a valuation breaks as a function of balance sheets.

    The laws: a claim is worth between nothing and its face; where nothing is lost it is worth its face (of those that a
    scenario takes); no claim is worth less where agents have more; the least solution is not above the greatest; every
    lane is the same bit for bit whatever others share its block, and when it is asked again; relabelling agents
    relabels values; a power of two scales money and leaves values alone; an isolated agent changes nothing.

    Parameters
    ----------
    name : str
        As a scenario names it.
    parameters : mapping, optional
        As a scenario gives them.
    currency : tuple of str
        Parameters that are money.

    Returns
    -------
    list of str
        One line a law; empty when all hold.

    Raises
    ------
    UnknownNameError
        If there is no such valuation.
    PluginError
        If it cannot be loaded.

    Examples
    --------
    >>> broken_laws("linear-debtrank")
    []
    """
    asked, found = Asked(name, parameters or {}, currency), list[str]()
    asked.rule()
    for law in LAWS:
        try:
            found += law(asked)
        except SimError as error:
            found.append(f"{(law.__doc__ or '').rstrip('.').lower()}: {error}")
    return list(dict.fromkeys(found))


def _bounded(asked: Asked) -> Iterator[str]:
    """Between nothing and face."""
    found = sheets().valued(asked.rule())
    if not ((found.value >= 0.0) & (found.value <= 1.0)).all() or not np.isfinite(found.equity).all():
        yield "a claim is worth less than nothing or more than its face"


def _baseline(asked: Asked) -> Iterator[str]:
    """Nothing lost, nothing written down."""
    if asked.rule().in_scenario and not (sheets().valued(asked.rule()).value[:, 0] == 1.0).all():
        yield "a claim is worth less than its face where nothing is lost"


def _isotone(asked: Asked) -> Iterator[str]:
    """More assets, no claim worth less."""
    given = sheets()
    more = Sheets(given.claims, given.assets * 1.03, given.before, given.debt)
    poor, rich = given.valued(asked.rule()), more.valued(asked.rule())
    if (rich.value < poor.value - CLOSE).any():
        yield "a claim is worth less where every agent has more"


def _least(asked: Asked) -> Iterator[str]:
    """The least solution below the greatest."""
    found = sheets().valued(asked.rule(), bounds=True)
    if (found.value_least > found.value + CLOSE).any():
        yield "the least solution is above the greatest"


def _lanes(asked: Asked) -> Iterator[str]:
    """Lanes are independent, and asked again the same."""
    given = sheets()
    whole = given.valued(asked.rule()).value
    if not np.array_equal(whole, given.valued(asked.rule()).value):
        yield "the same balance sheets asked twice differ: is luck drawn in it?"
        return
    for lane in (1, LANES - 1):
        one = Sheets(given.claims, given.assets[:, [lane]], given.before, given.debt).valued(asked.rule()).value
        if not np.array_equal(one[:, 0], whole[:, lane]):
            yield f"lane {lane} alone differs from the same lane in a block of {LANES}"


def _relabelled(asked: Asked) -> Iterator[str]:
    """Relabelling agents relabels values."""
    given, order = sheets(), np.random.default_rng(3).permutation(AGENTS)
    other = Sheets(given.claims[np.ix_(order, order)], given.assets[order], given.before[order], given.debt[order])
    values = given.valued(asked.rule()).value
    if not np.allclose(other.valued(asked.rule()).value, values[order], rtol=CLOSE, atol=CLOSE):
        yield "values depend on the order in which agents are listed"


def _scaled(asked: Asked) -> Iterator[str]:
    """A power of two scales money and nothing else."""
    small, large = sheets().valued(asked.rule()).value, sheets(FACTOR).valued(asked.rule(FACTOR)).value
    if not np.allclose(large, small, rtol=CLOSE, atol=CLOSE):
        yield "values depend on the currency"


def _isolated(asked: Asked) -> Iterator[str]:
    """An isolated agent changes nothing."""
    given = sheets()
    claims = np.zeros((AGENTS + 1, AGENTS + 1))
    claims[:AGENTS, :AGENTS] = given.claims
    assets, before = (np.vstack([each, np.full((1, each.shape[1]), 50.0)]) for each in (given.assets, given.before))
    larger = Sheets(claims, assets, before, np.append(given.debt, 45.0))
    values = given.valued(asked.rule()).value
    if not np.allclose(larger.valued(asked.rule()).value[:AGENTS], values, rtol=CLOSE, atol=CLOSE):
        yield "values of the others change when an isolated agent is added"


LAWS: tuple[Callable[[Asked], Iterator[str]], ...] = (
    _bounded,
    _baseline,
    _isotone,
    _least,
    _lanes,
    _relabelled,
    _scaled,
    _isolated,
)
