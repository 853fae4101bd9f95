"""Regulatory ratios of banks: liquidity coverage, CET1, leverage; one by one and for all banks together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sim.arrays import Bool, Float, empty
from sim.kernels.runs import coverage_ratio
from sim.ledger.balance import layer_carried, layer_face, layer_owed, reach, summed, total_assets
from sim.metrics.losses import METRICS, Metric
from sim.state import State
from sim.system import System

MOST = 100.0
"""Largest coverage told: that of a bank without net outflows."""

RISK_WEIGHTS: Mapping[str, float] = {
    "GOV": 0.0, "PFB": 0.0, "NCD": 0.2, "CORP": 1.0, "EQ": 0.75, "TECHEQ": 0.75, "POOL": 0.75, "FUND": 1.0,
}  # fmt: skip
"""Risk weights of securities by class; 1 for all others."""
LOANS, CLAIMS, FIRMS, REAL = 0.4, 0.2, 1.0, 1.0
"""Risk weights of loans, of claims on banks, of loans to firms and platforms, of real assets."""


class CoverageRules(BaseModel):
    """How the liquidity coverage ratio is reckoned: what counts as liquid, what is taken to flow in 30 days."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    level_1: tuple[str, ...] = ("GOV",)
    """Classes of securities that count in full, beside reserves."""

    level_2: dict[str, float] = Field(default_factory=lambda: {"PFB": 0.15, "CORP": 0.5})
    """Classes of securities that count after a haircut: 0.15 for level 2A, 0.5 for 2B, 1."""

    level_2_cap: float = Field(default=0.4, ge=0, lt=1)
    """Most that level 2 may be of all liquid assets, 1."""

    run_off_insured: float = Field(default=0.05, ge=0, le=1)
    """Outflow of insured deposits, 1. Basel III: 3 to 5 %."""

    run_off_uninsured: float = Field(default=0.2, ge=0, le=1)
    """Outflow of uninsured deposits of households and companies, 1. Basel III: at least 10 %, 40 % for companies."""

    run_off_wholesale: float = Field(default=0.4, ge=0, le=1)
    """Outflow of wholesale deposits, and of the accounts of firms and platforms, 1. Basel III: 40 %."""

    run_off_financial: float = Field(default=1.0, ge=0, le=1)
    """Outflow of the accounts of funds and of overnight debt to banks, 1. Basel III: 100 %."""

    inflow_cap: float = Field(default=0.75, ge=0, le=1)
    """Most that inflows may be of outflows, 1. Basel III."""

    def __hash__(self) -> int:
        return hash(tuple(tuple(v.items()) if isinstance(v, dict) else v for v in self.__dict__.values()))


class Coverage(NamedTuple):
    """Liquid assets against net outflows.

    Parameters
    ----------
    liquid, net : float64[n_banks, n_lanes], currency
        High-quality liquid assets not pledged, and net outflows over 30 days.
    ratio : float64[n_banks, n_lanes], 1
        Of the two, at most 100.
    """

    liquid: Float
    net: Float
    ratio: Float


def classes_of(system: System) -> tuple[str, ...]:
    """Return the class of every asset.

    Parameters
    ----------
    system : System
        Before the shock.

    Returns
    -------
    tuple of str
        By its issuer where the system says none: ``GOV`` of the government, else ``CORP``.
    """
    if len(system.classes) == len(system.assets):
        return system.classes
    government = system.types["government"].start
    return tuple("GOV" if row == government else "CORP" for row in system.issuers)


def coverage(system: System, state: State, rules: CoverageRules | None = None) -> Coverage:
    r"""Return the liquidity coverage ratio of every bank.

    .. math::
        LCR_i = \frac{H_i}{\sum_s r_s D_{is} + O_i - \min(I_i, c \sum_s r_s D_{is} + c O_i)}

    with liquid assets :math:`H`, deposits :math:`D_s` by segment, what else may be called :math:`O` (accounts,
    overnight debt) and what is due to the bank :math:`I` (overnight claims).

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.
    rules : CoverageRules, optional
        Rates; Basel III's by default.

    Returns
    -------
    Coverage
        Securities that are pledged do not count; debt to the central bank and against pledged securities rolls over.

    References
    ----------
    Basel Committee on Banking Supervision (2013), Basel III: The Liquidity Coverage Ratio.
    """
    said, banks = rules or CoverageRules(), state.banks
    first, second, caps, rates = system.once(("coverage", said), lambda: _weights(system, said))
    n, lanes = banks.stop, state.n_lanes
    out, inflow = said.run_off_insured * state.deposits_insured[banks], np.zeros((n, lanes))
    out += said.run_off_uninsured * state.deposits_uninsured[banks]
    out += said.run_off_wholesale * state.deposits_wholesale[banks]
    accounts, overnight = state.layers.get("accounts"), state.layers.get("overnight")
    if accounts is not None:
        out += (accounts.drawn * state.alive * reach(accounts.columns, accounts.kept * rates))[banks]
    if overnight is not None:
        out += said.run_off_financial * layer_owed(state, overnight)[banks]
        inflow = layer_face(state, overnight)[banks]
    pledged = state.columns.get("pledged")
    none = np.zeros((n, lanes)) if pledged is None else pledged[banks]
    found = Coverage(empty(n, lanes), empty(n, lanes), empty(n, lanes))
    units = state.units[banks]
    coverage_ratio(state.cash[banks], units, state.price, none, first, second, caps, out, inflow, *found)
    return found


def _weights(system: System, rules: CoverageRules) -> tuple[Float, Float, Float, Float]:
    """Parts of each asset that count as level 1 and 2; caps; run-off of each depositor's accounts."""
    kinds = classes_of(system)
    first = np.array([float(kind in rules.level_1) for kind in kinds])
    second = np.array([1.0 - rules.level_2[kind] if kind in rules.level_2 else 0.0 for kind in kinds])
    rates = np.full((len(system.ids), 1), rules.run_off_wholesale)
    rates[system.types["funds"]] = rules.run_off_financial
    return first, second, np.array([rules.level_2_cap, rules.inflow_cap, MOST]), rates


def own_funds(system: System, state: State) -> tuple[Float, Float]:
    r"""Return CET1 capital and risk-weighted assets of every bank.

    .. math::
        C_i = C_i(0) + E_i - E_i(0), \qquad R_i = R_i(0) \frac{\sum_x w_x A_{ix}}{\sum_x w_x A_{ix}(0)}

    Parameters
    ----------
    system : System
        Before the shock; where its traits ``cet1`` and ``rwa`` say nothing, :math:`C(0)` is equity and :math:`R(0)`
        the weighted assets.
    state : State
        Now.

    Returns
    -------
    tuple of float64[n_banks, n_lanes], currency
        Equity is that before any event less all losses posted since.

    References
    ----------
    Basel III, standardised approach, rounded: loans 0.4, claims on banks 0.2, companies 1.
    """
    banks = state.banks
    equity = state.equity0[banks].copy()
    for source in range(state.loss.shape[0]):
        equity -= state.loss[source, banks]
    before: Float = system.once("weighted assets", lambda: _weighted(system, system.state(2, ("shock",)))[:, :1])
    weighted = _weighted(system, state)
    for name, start in (("cet1", state.equity0[banks]), ("rwa", before)):
        told = system.traits.get(name, np.zeros(state.n_agents))[banks][:, None]
        if name == "cet1":
            equity += np.where(told != 0.0, told - start, 0.0)
        else:
            scale = np.divide(told, start, out=np.ones_like(start), where=(told > 0.0) & (start > 0.0))
            weighted = weighted * scale
    return equity, weighted


def _weighted(system: System, state: State) -> Float:
    """Assets of every bank times their risk weights, float64[n_banks, n_lanes], currency."""
    banks = state.banks
    found = LOANS * state.loans[banks] + REAL * state.real_assets[banks]
    for asset, kind in enumerate(classes_of(system)):
        found += RISK_WEIGHTS.get(kind, 1.0) * np.maximum(state.units[banks, asset], 0.0) * state.price[asset]
    for name, claims in state.layers.items():
        if name not in ("guarantees", "accounts"):
            found += (FIRMS if name == "lending" else CLAIMS) * layer_carried(state, claims, state.worth)[banks]
    return np.asarray(found)


def cet1(system: System, state: State) -> Float:
    """Return the CET1 ratio of every bank.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_banks, n_lanes], 1
        0 for a bank without weighted assets.
    """
    capital, weighted = own_funds(system, state)
    return np.divide(capital, weighted, out=np.zeros_like(capital), where=weighted > 0.0)


def leverage(system: System, state: State) -> Float:
    """Return equity over assets of every bank.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_banks, n_lanes], 1
        0 for a bank without assets.
    """
    banks = state.banks
    equity = state.equity0[banks].copy()
    for source in range(state.loss.shape[0]):
        equity -= state.loss[source, banks]
    assets = total_assets(state)[banks]
    return np.divide(equity, assets, out=np.zeros_like(equity), where=assets > 0.0)


def _living(state: State) -> Bool:
    return np.asarray((state.alive[state.banks] > 0.0) & (state.is_defaulted[state.banks] <= 0.0))


def _ratio(top: Float, bottom: Float, state: State) -> Float:
    """Sum over living banks of the one over that of the other; 0 where nobody lives."""
    lives = _living(state)
    above, below = summed(top * lives), summed(bottom * lives)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0.0)


def lcr(system: System, state: State) -> Float:
    """Return the liquidity coverage ratio of all living banks together, by Basel III's rates.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        At most 100.
    """
    found = coverage(system, state)
    return np.asarray(np.minimum(MOST, _ratio(found.liquid, found.net, state)))


def lcr_min(system: System, state: State) -> Float:
    """Return the lowest liquidity coverage ratio of a living bank, by Basel III's rates.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        100 where no bank lives.
    """
    found = coverage(system, state).ratio
    return np.asarray(np.where(_living(state), found, MOST).min(axis=0))


def cet1_ratio(system: System, state: State) -> Float:
    """Return the CET1 ratio of all living banks together.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Of sums.
    """
    return _ratio(*own_funds(system, state), state)


def cet1_depletion(system: System, state: State) -> Float:
    """Return by how much the CET1 ratio of all banks together, failed ones included, has fallen.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Difference of two ratios, both on the weighted assets of the start.
    """
    capital, weighted = own_funds(system, system.once("before", lambda: system.state(2, ("shock",))))
    start, size = float(summed(capital)[0]), float(summed(weighted)[0])
    return (start - summed(own_funds(system, state)[0])) / size if size > 0.0 else np.zeros(state.n_lanes)


def leverage_ratio(system: System, state: State) -> Float:
    """Return equity over assets of all living banks together.

    Parameters
    ----------
    system : System
        Before the shock.
    state : State
        Now.

    Returns
    -------
    float64[n_lanes], 1
        Of sums.
    """
    assets = total_assets(state)[state.banks]
    return _ratio(leverage(system, state) * assets, assets, state)


METRICS.register("lcr")(Metric("1", "Liquidity coverage ratio of all living banks together", lcr))
METRICS.register("lcr_min")(Metric("1", "Lowest liquidity coverage ratio of a living bank", lcr_min))
METRICS.register("cet1_ratio")(Metric("1", "CET1 ratio of all living banks together", cet1_ratio))
METRICS.register("cet1_depletion")(Metric("1", "Fall of the CET1 ratio of all banks together", cet1_depletion))
METRICS.register("leverage_ratio")(Metric("1", "Equity over assets of all living banks together", leverage_ratio))
