"""Every public algorithm with one way to call it on a random system, for the laws that all of them obey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from sim.arrays import Float
from sim.contagion.cascade import cascade
from sim.contagion.clear import clear
from sim.contagion.complex_contagion import complex_contagion
from sim.contagion.cross_holdings import cross_holdings
from sim.contagion.debtrank import debtrank
from sim.contagion.fire_sale import fire_sale
from sim.contagion.funding_run import funding_run
from sim.contagion.outage import outage
from sim.contagion.revalue import revalue
from tests.campaign.systems import draw

FAMILIES = ("sparse", "dense", "core")
"""Ordinary systems: no agent stands on the edge of anything."""


@dataclass(frozen=True)
class Algorithm:
    """One public function, how to call it, and what its arguments and results are.

    `vectors` may carry an axis of draws, `fixed` are numbers per agent that may not; `money` scales with the currency.
    `agents` and `totals` are results per agent and per draw. `hurts` are the vectors that make things worse, `helps`
    those that make them better; `health` the results that then rise.
    """

    function: Callable[..., Any]
    network: str
    made: Callable[[int, int], dict[str, Any]]
    vectors: tuple[str, ...]
    agents: tuple[str, ...]
    money: tuple[str, ...] = ()
    totals: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    hurts: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    nothing: Mapping[str, Any] = field(default_factory=dict)
    unharmed: Mapping[str, float] = field(default_factory=dict)
    square: bool = True

    def call(self, given: Mapping[str, Any], **changes: Any) -> Any:
        """Return the result for some arguments."""
        return self.function(**{**given, **self.options, **changes})


def single(values: Any) -> Float:
    """Return numbers that a float32 holds exactly."""
    return np.asarray(np.asarray(values, dtype=np.float32), dtype=np.float64)


def _drawn(seed: int, n: int) -> Any:
    return draw(seed, FAMILIES[seed % len(FAMILIES)], n)


def _clearing(seed: int, n: int) -> dict[str, Any]:
    x = _drawn(seed, n)
    return {
        "exposures": single(x.exposures),
        "external_assets": single(x.left),
        "external_liabilities": single(x.liabilities),
    }


def _valuing(seed: int, n: int) -> dict[str, Any]:
    x = _drawn(seed, n)
    return _clearing(seed, n) | {"external_assets0": single(x.assets), "equity0": single(x.equity)}


def _exante(seed: int, n: int) -> dict[str, Any]:
    x = _drawn(seed, n)
    made = _clearing(seed, n)
    made["external_assets"] = single(x.left + 0.05 * x.size)
    return made | {"volatility": single(0.02 + 0.2 * (np.arange(n) % 3))}


def _losing(seed: int, n: int) -> dict[str, Any]:
    x = _drawn(seed, n)
    return {"exposures": single(x.exposures), "equity": single(x.equity), "shock": single(x.shock)}


def _stressing(seed: int, n: int) -> dict[str, Any]:
    made = _losing(seed, n)
    made["equity"] = single(3.0 * made["equity"] + 0.2 * made["exposures"].sum(axis=1))
    made["shock"] = single(np.minimum(1.0, made["shock"] / made["equity"]))
    return made


def _selling(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng((seed, n, 7))
    holdings = single(rng.lognormal(2.0, 0.8, (n, 3)) * (rng.random((n, 3)) < 0.8))
    other = rng.uniform(20.0, 80.0, n)
    cash = single(rng.uniform(0.0, 3.0, n))
    total = holdings.sum(axis=1) + other + cash
    equity = single(total * rng.uniform(0.045, 0.12, n))
    return {
        "holdings": holdings,
        "equity": equity,
        "liabilities": single(total - equity),
        "shock": single(rng.uniform(0.0, 0.12, 3)),
        "depth": single(rng.uniform(100.0, 600.0, 3) * n / 4.0),
        "cash": single(0.9 * cash),
    }


def _running(seed: int, n: int) -> dict[str, Any]:
    x = _drawn(seed, n)
    rng = np.random.default_rng((seed, n, 8))
    lost = x.exposures.sum(axis=0)
    return {
        "exposures": single(x.exposures),
        "liquid_assets": single(0.45 * lost * rng.random(n)),
        "collateral": single(rng.uniform(0.0, 1.0, n)),
        "repo": single(rng.uniform(0.0, 0.3, n)),
        "haircut": single(rng.uniform(0.0, 0.3, n)),
        "shock": single(rng.exponential(2.0, n) * (rng.random(n) < 0.4)),
    }


def _serving(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng((seed, n, 9))
    shares = rng.dirichlet(np.ones(n), n) * (rng.random((n, n)) < 0.6)
    np.fill_diagonal(shares, 0.0)
    shock = np.where(rng.random(n) < 0.4, rng.uniform(0.1, 1.0, n), 0.0)
    return {"services": single(0.9 * shares), "shock": single(shock)}


def _spreading(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng((seed, n, 10))
    links = (rng.random((n, n)) < 3.0 / n) * rng.integers(1, 5, (n, n))
    np.fill_diagonal(links, 0)
    seeds = (rng.random(n) < 0.2).astype(float)
    return {"network": single(links), "seeds": seeds, "threshold": single(rng.uniform(0.15, 0.8, n))}


def _owning(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng((seed, n, 11))
    shares = (rng.random((n, n)) < 0.5) * rng.random((n, n))
    np.fill_diagonal(shares, 0.0)
    shares = 0.7 * shares / np.maximum(shares.sum(axis=0), 1.0)
    assets = rng.uniform(0.3, 2.0, n)
    kept = 1.0 - shares.sum(axis=0)
    value = kept * np.linalg.solve(np.eye(n) - shares, assets)
    return {
        "holdings": single(shares),
        "assets": single(assets),
        "failure_threshold": single(value * rng.uniform(0.8, 1.03, n)),
        "failure_cost": single(value * rng.random(n)),
    }


def careful(equity: float, equity0: float, external_assets: float, debt: float, params: Any) -> float:
    """Value a claim by the debtor's leverage: a valuation of one's own."""
    return min(1.0, max(0.0, 0.3 + equity / (params[0] * (debt + external_assets + abs(equity0)))))


_CLEARED = ("recovery", "external_recovery", "payments", "equity", "is_defaulted", "wave", "bankruptcy_cost")
_CLEARING = dict(
    function=clear,
    network="exposures",
    made=_clearing,
    vectors=("external_assets", "external_liabilities"),
    agents=_CLEARED,
    money=("external_assets", "external_liabilities", "payments", "equity", "bankruptcy_cost"),
    helps=("external_assets",),
    health=("recovery", "equity"),
)
_VALUING = dict(
    function=revalue,
    network="exposures",
    made=_valuing,
    vectors=("external_assets", "external_liabilities", "equity0", "external_assets0"),
    agents=("equity", "value", "is_defaulted"),
    money=("external_assets", "external_liabilities", "equity0", "external_assets0", "equity"),
    helps=("external_assets",),
    health=("value", "equity"),
)
_EXANTE = _VALUING | dict(
    made=_exante,
    vectors=("external_assets", "external_liabilities", "volatility"),
    money=("external_assets", "external_liabilities", "equity"),
    helps=(),
)
_STRESSING = dict(
    function=debtrank,
    network="exposures",
    made=_stressing,
    vectors=("equity", "shock"),
    agents=("stress",),
    totals=("debtrank",),
    money=("equity",),
    hurts=("shock",),
    health=("stress",),
    nothing={"shock": 0.0},
    unharmed={"stress": 0.0, "debtrank": 0.0},
)
_SOLD = ("equity", "spillover_loss", "is_defaulted", "wave", "sold", "sold_share", "proceeds", "liabilities", "cash")
_SELLING = dict(
    function=fire_sale,
    network="holdings",
    made=_selling,
    vectors=("equity", "liabilities", "shock", "cash"),
    fixed=("depth",),
    agents=_SOLD,
    totals=("price", "sold_by_asset"),
    money=(
        "equity", "liabilities", "cash", "depth", "spillover_loss", "sold", "proceeds", "sold_by_asset",
    ),
    nothing={"shock": 0.0, "leverage_limit": 1e6},
    unharmed={"spillover_loss": 0.0, "price": 1.0, "sold": 0.0},
    square=False,
)  # fmt: skip
_SERVING = dict(
    function=outage,
    network="services",
    made=_serving,
    vectors=("shock",),
    agents=("service", "inoperability"),
    hurts=("shock",),
    health=("service",),
    nothing={"shock": 0.0},
    unharmed={"service": 1.0, "inoperability": 0.0},
)

ALGORITHMS: dict[str, Algorithm] = {
    "clear": Algorithm(**_CLEARING),
    "clear, costs": Algorithm(**_CLEARING, options={"alpha": 0.75, "beta": 0.5}),
    "clear, senior": Algorithm(**_CLEARING, options={"alpha": 0.9, "beta": 0.75, "seniority": "external-senior"}),
    "clear, least": Algorithm(**_CLEARING, options={"alpha": 0.75, "beta": 0.5, "least": True}),
    "cascade": Algorithm(
        function=cascade,
        network="exposures",
        made=_losing,
        vectors=("equity", "shock"),
        agents=("equity", "loss", "is_defaulted", "wave"),
        totals=("n_defaulted", "total_loss"),
        money=("equity", "shock", "loss", "total_loss"),
        options={"recovery_rate": 0.25},
        hurts=("shock",),
        helps=("equity",),
        health=("equity",),
        nothing={"shock": 0.0},
        unharmed={"loss": 0.0, "wave": 0.0},
    ),
    "debtrank": Algorithm(**_STRESSING, options={"recovery_rate": 0.25}),
    "debtrank, single hit": Algorithm(**_STRESSING, options={"variant": "single-hit"}),
    "debtrank, nonlinear": Algorithm(**_STRESSING, options={"variant": "nonlinear", "alpha": 1.5}),
    "revalue, rogers-veraart": Algorithm(
        **_VALUING, options={"valuation": "rogers-veraart", "alpha": 0.75, "beta": 0.5}
    ),
    "revalue, furfine": Algorithm(**_VALUING, options={"valuation": "furfine", "recovery_rate": 0.25}),
    "revalue, linear": Algorithm(**_VALUING, options={"valuation": "linear-debtrank", "recovery_rate": 0.5}),
    "revalue, nonlinear": Algorithm(
        **_VALUING, options={"valuation": "nonlinear-debtrank", "alpha": 2.0, "recovery_rate": 0.25}
    ),
    "revalue, merton": Algorithm(**_EXANTE, options={"valuation": "exante-merton", "recovery_rate": 0.5}),
    "revalue, black-cox": Algorithm(**_EXANTE, options={"valuation": "exante-black-cox", "recovery_rate": 0.5}),
    "revalue, own": Algorithm(**_VALUING, options={"valuation": careful, "params": [0.2]}),
    "fire_sale": Algorithm(**_SELLING, options={"leverage_limit": 16.0}),
    "fire_sale, targeting": Algorithm(
        **_SELLING, options={"rule": "leverage-targeting", "impact": "exponential", "max_rounds": 100_000, "tol": 1e-8}
    ),
    "fire_sale, delayed": Algorithm(
        **_SELLING,
        options={"leverage_limit": 16.0, "impact": "cont-schaanning", "delay": 1, "price_floor": 0.4, "settle": "new"},
    ),
    "funding_run": Algorithm(
        function=funding_run,
        network="exposures",
        made=_running,
        vectors=("liquid_assets", "collateral", "repo", "haircut", "shock"),
        agents=("is_hoarding", "wave", "liquidity", "withdrawn", "lenders_hoarding"),
        money=("liquid_assets", "collateral", "repo", "shock", "liquidity", "withdrawn"),
        options={"hoarded_share": 0.5},
        hurts=("shock", "repo", "haircut"),
        helps=("liquid_assets", "collateral"),
        health=("liquidity",),
        nothing={"liquid_assets": 1e9},
        unharmed={"withdrawn": 0.0, "wave": 0.0},
    ),
    "outage": Algorithm(**_SERVING),
    "outage, product": Algorithm(**_SERVING, options={"form": "product"}),
    "complex_contagion": Algorithm(
        function=complex_contagion,
        network="network",
        made=_spreading,
        vectors=("seeds", "threshold"),
        agents=("is_active", "wave", "share"),
        totals=("size",),
        hurts=("seeds",),
        nothing={"seeds": 0.0},
        unharmed={"wave": 0.0, "share": 0.0, "size": 0.0},
    ),
    "cross_holdings": Algorithm(
        function=cross_holdings,
        network="holdings",
        made=_owning,
        vectors=("assets", "failure_threshold", "failure_cost"),
        agents=("value", "book_value", "is_failed", "wave"),
        money=("assets", "failure_threshold", "failure_cost", "value", "book_value"),
        hurts=("failure_threshold", "failure_cost"),
        helps=("assets",),
        health=("value", "book_value"),
    ),
}
"""By name; the names say which variant."""


@cache
def drawn(name: str, seed: int, n: int) -> dict[str, Any]:
    """Return arguments for one draw; they are read-only, so whoever writes into them fails."""
    given = ALGORITHMS[name].made(seed, n)
    for values in given.values():
        values.setflags(write=False)
    return given


def blocks(name: str, seed: int, n: int, lanes: int) -> dict[str, Any]:
    """Return arguments with an axis of draws: every draw is another system on the same network."""
    algorithm, given = ALGORITHMS[name], drawn(name, seed, n)
    rng = np.random.default_rng((seed, n, lanes))
    made = dict(given)
    for key in algorithm.vectors:
        values = given[key]
        if key == "seeds":
            block = (rng.random((*values.shape, lanes)) < 0.25).astype(float)
        else:
            low = 0.3 if key in ("shock", "external_assets", "liquid_assets", "assets") else 0.9
            block = values[..., None] * rng.uniform(low, 1.0, (*values.shape, lanes))
        made[key] = single(block)
        made[key].setflags(write=False)
    return made


def results(name: str, outcome: Any) -> dict[str, Any]:
    """Return what an algorithm found, with its certificate."""
    algorithm = ALGORITHMS[name]
    certificate = ("rounds", "residual", "status")
    return {key: getattr(outcome, key) for key in (*algorithm.agents, *algorithm.totals, *certificate)}
