"""The linear theory of small stress: Jacobian of the static map, its spectral radius, and who contributes to it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.arrays import Csr, Float, Int, aligned, csr
from sim.channels.base import Step, TightView
from sim.errors import ConvergenceError, UsageError
from sim.ledger.balance import reach, summed
from sim.policies import rebuilt
from sim.scenario.build import build
from sim.scenario.load import load
from sim.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

    from sim.scenario.schema import Scenario
    from sim.state import State

TOL = 1e-13
"""Relative width of the enclosure of the spectral radius."""

MAX_ROUNDS = 200_000


class Perron(NamedTuple):
    """The dominant eigenvalue of a matrix without negative entries, enclosed, with both vectors.

    Parameters
    ----------
    lower, upper : float
        Collatz-Wielandt bounds of the spectral radius.
    left, right : float64[n]
        Vectors of the part of the matrix that has it, 0 elsewhere; each adds up to 1. All 0 without cycles.
    """

    lower: float
    upper: float
    left: Float
    right: Float


@dataclass(frozen=True, eq=False, repr=False)
class CrossContagion:
    r"""How small stress grows through channels and between them.

    Parameters
    ----------
    name : str
        Of the scenario.
    jacobian : scipy.sparse.csr_array
        ``float64[n, n]``, 1: row = what is stressed, column = what the stress comes from.
    parts : mapping of str to slice
        Rows of each channel: of ``credit`` the share that a claim on each agent has lost, of ``market`` the relative
        price fall of each asset.
    names : tuple of str
        Agents, then assets.
    perron : Perron
        Spectral radius and its vectors.
    """

    name: str
    jacobian: Any
    parts: Mapping[str, slice]
    names: tuple[str, ...]
    perron: Perron

    @property
    def radius(self) -> float:
        """Spectral radius, 1: small stress dies out below 1 and grows, until something caps it, above."""
        return 0.5 * (self.perron.lower + self.perron.upper)

    @property
    def is_stable(self) -> bool:
        """Whether small stress dies out."""
        return self.perron.upper < 1.0

    @cached_property
    def elasticities(self) -> pd.DataFrame:
        r"""How much each pair of channels contributes to the spectral radius.

        .. math:: e_{ab} = \frac{u_a^\top J_{ab} v_b}{\rho \, u^\top v}
            = \frac{\partial \ln \rho}{\partial \ln \omega_{ab}}, \qquad \sum_{ab} e_{ab} = 1

        One row a pair: ``source`` (b), ``target`` (a), ``elasticity``: what a wall that lets through one per cent less
        of what goes from source to target takes off the radius, per cent. NaN where the radius is 0.
        """
        import pandas as pd

        dense, left, right = self.jacobian.tocoo(), self.perron.left, self.perron.right
        flow = left[dense.row] * dense.data * right[dense.col]
        whole = self.radius * float((left * right).sum())
        rows = []
        for source, columns in self.parts.items():
            for target, lines in self.parts.items():
                kept = _within(dense.row, lines) & _within(dense.col, columns)
                share = float(flow[kept].sum()) / whole if whole > 0.0 else np.nan
                rows.append({"source": source, "target": target, "elasticity": share})
        return pd.DataFrame(rows)

    @property
    def importance(self) -> pd.DataFrame:
        """What each agent and asset contributes to the radius, ``u_i v_i``: ``name, channel, share``, largest first."""
        import pandas as pd

        weight = self.perron.left * self.perron.right
        whole = float(weight.sum())
        channel = [name for name, rows in self.parts.items() for _ in range(rows.stop - rows.start)]
        share = weight / whole if whole > 0.0 else weight
        table = pd.DataFrame({"name": self.names, "channel": channel, "share": share})
        return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        return f"<CrossContagion of {self.name}: spectral radius {self.radius:.6g}>"

    def _repr_html_(self) -> str:
        table = self.elasticities.to_html(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")
        said = "small stress dies out" if self.is_stable else "small stress grows until something caps it"
        return f"<div><b>{html.escape(self.name)}</b><div>spectral radius {self.radius:.4g}: {said}</div>{table}</div>"


def cross_contagion(
    scenario: Scenario | str | Path,
    *,
    seed: int | None = None,
    network: int = 0,
    selling: str | None = None,
    recovery_rate: float | None = None,
) -> CrossContagion:
    r"""Return the Jacobian of the static map at the start, its spectral radius, and the elasticities of its blocks.

    With :math:`h_j` the share that a claim on j has lost and :math:`q_a` the relative price fall of asset a, one-sided
    derivatives towards stress are

    .. math::
        \frac{\partial h_j}{\partial h_k} = \frac{(1 - R) A_{jk}}{E_j}, \quad
        \frac{\partial h_j}{\partial q_a} = \frac{(1 - R) f_{ja} x_{ja}}{E_j}, \quad
        \frac{\partial q_a}{\partial h_k} = \frac{1}{D_a} \sum_i x_{ia} \Gamma'_i A_{ik}, \quad
        \frac{\partial q_a}{\partial q_b} = \frac{1}{D_a} \sum_i x_{ia} \Gamma'_i f_{ib} x_{ib}

    with claims A of all layers, holdings x, their share f at fair value, and :math:`\Gamma'_i = (\lambda_i - 1) / M_i`,
    the share of its marketable assets M that a bank sells for one unit of loss to keep its leverage
    :math:`\lambda_i`. Small stress is amplified by :math:`(I - J)^{-1}` if the spectral radius is below 1.

    Claims are valued by ``linear-debtrank`` whatever the scenario says: clearing and other rules with a threshold have
    derivative 0 before anybody fails. A market with ``rule: threshold`` sells nothing for a small loss, so its blocks
    are 0 unless `selling` says otherwise. Service is found before values and nothing leads back from values to it; the
    channels that act in time have no static map. They have no block. Structural walls between claims and markets count,
    for they change what is at stake from the start; others act on what happens later.

    Parameters
    ----------
    scenario : Scenario, str or Path
        Loaded, a path, or the name of a shipped one; its events and time do not matter.
    seed : int, optional
        Of the network; by default the scenario's, else 0.
    network : int
        Which draw of the network.
    selling : {"threshold", "leverage-targeting"}, optional
        Selling rule in place of the scenario's; ``"leverage-targeting"`` is the linear one.
    recovery_rate : float, optional
        R, in place of ``channels.credit.recovery_rate``, 1.

    Returns
    -------
    CrossContagion
        Radius enclosed to 1e-13.

    Raises
    ------
    UsageError
        If neither ``credit`` nor ``market`` acts.
    InputError
        If the scenario is wrong.
    ConvergenceError
        If the radius cannot be enclosed.

    References
    ----------
    Bardoscia et al. (2017), Nature Communications 8, 14416, for credit; Greenwood, Landier and Thesmar (2015) for
    sales; Wiersema, Kleinnijenhuis, Wetzer and Farmer (2023), Journal of Banking & Finance, for the eigenvalue of both
    together; Caswell (2001), Matrix Population Models, chapter 9, for elasticities that add up to 1.

    Examples
    --------
    >>> from sim.analysis.cross_contagion import cross_contagion
    >>> found = cross_contagion("ring_of_ten")
    >>> found.elasticities["elasticity"].sum().round(12)
    np.float64(1.0)
    """
    given = load(scenario) if isinstance(scenario, str | Path) else scenario
    chosen = _linear(given, selling, recovery_rate)
    luck = seed if seed is not None else chosen.monte_carlo.seed or 0
    # of policies, what they have made of the system counts: at the start there is nothing to decide
    system = rebuilt(build(chosen, seed=luck, network=network), given.enacted, given.active)
    played = Simulation(system, chosen, np.zeros(1, dtype=np.int64), luck)
    jacobian = _jacobian(played)
    parts, start = {}, 0
    for name, rows in (("credit", played.state.n_agents), ("market", played.state.price.shape[0])):
        if name in played.channels:
            parts[name] = slice(start, start + rows)
            start += rows
    names = (*(system.ids if "credit" in parts else ()), *(system.assets if "market" in parts else ()))
    return CrossContagion(chosen.name, jacobian, parts, tuple(names), perron(csr(jacobian)))


def perron(matrix: Csr) -> Perron:
    r"""Enclose the spectral radius of a matrix without negative entries and find both its vectors.

    Each strongly connected part is iterated by itself with :math:`x \leftarrow (J + s I) x` until the bounds
    :math:`\min_i (J x)_i / x_i \le \rho \le \max_i (J x)_i / x_i` close; the part with the largest radius counts.

    Parameters
    ----------
    matrix : Csr
        ``float64[n, n]``, 0 or more.

    Returns
    -------
    Perron
        Bounds 0 and vectors 0 where there is no cycle.

    Raises
    ------
    ConvergenceError
        If the bounds do not close.

    References
    ----------
    Collatz (1942); Wielandt (1950).
    """
    from scipy import sparse
    from scipy.sparse import csgraph

    whole = sparse.csr_array((matrix.weights, matrix.indices, matrix.indptr), shape=(matrix.n_rows, matrix.n_rows))
    count, labels = csgraph.connected_components(whole, directed=True, connection="strong")
    best = Perron(0.0, 0.0, np.zeros(matrix.n_rows), np.zeros(matrix.n_rows))
    for part in range(count):
        members = np.flatnonzero(labels == part)
        inside = csr(whole[members][:, members])
        if not inside.weights.size:
            continue
        low, high, right = _dominant(inside)
        if high > best.upper:
            left = _dominant(inside.transposed())[2]
            vectors = np.zeros((2, matrix.n_rows))
            vectors[0, members], vectors[1, members] = left, right
            best = Perron(low, high, vectors[0], vectors[1])
    return best


def _dominant(part: Csr) -> tuple[float, float, Float]:
    """Bounds and vector of an irreducible part."""
    x = aligned(np.full((part.n_rows, 1), 1.0 / part.n_rows))
    for _ in range(MAX_ROUNDS):
        image = reach(part, x)
        quotient = image / x
        low, high = float(quotient.min()), float(quotient.max())
        if high - low <= TOL * high:
            return low, high, x[:, 0]
        x = image + 0.5 * high * x  # the shift keeps a plain cycle from going round for ever
        x /= summed(x)
    raise ConvergenceError("cross_contagion", MAX_ROUNDS, high - low, TOL * high, x[:, 0])


def _linear(scenario: Scenario, selling: str | None, recovery_rate: float | None) -> Scenario:
    """The scenario with the channels that have a slope at the start, and with nothing that strikes."""
    acting = [name for name in ("credit", "market") if name in scenario.active]
    if not acting:
        raise UsageError("cross_contagion needs the channel credit or market; the scenario has neither")
    changes: dict[str, Any] = {f"channels.{name}.enabled": False for name in scenario.channels if name not in acting}
    changes |= {"shocks": [], "record": "metrics", "trace": None, "metrics": ["system_loss"], "policies": []}
    changes |= {"monte_carlo.until": None}
    if "credit" in acting:
        changes["channels.credit.valuation"] = "linear-debtrank"
        changes |= {} if recovery_rate is None else {"channels.credit.recovery_rate": recovery_rate}
    if "market" in acting and selling is not None:
        changes["channels.market.rule"] = selling
    return scenario.override(changes | _walls(scenario, {scenario.channels[name].letter for name in acting}))


def _walls(scenario: Scenario, letters: set[str]) -> dict[str, Any]:
    """The walls between channels that stay; the others stand where nothing passes any more."""
    data = scenario.plain()
    changes: dict[str, Any] = {}
    if cells := data.get("wall"):
        changes["wall"] = {pair: wall for pair, wall in cells.items() if set(pair.split("_")) <= letters}
    if walls := data.get("walls"):
        changes["walls"] = [wall for wall in walls if set(str(wall["between"]).split("_")) <= letters]
    return changes


def _jacobian(played: Simulation) -> Any:
    """The matrix of one-sided derivatives, credit before market."""
    from scipy import sparse

    state, channels = played.state, played.channels
    view = TightView(state, state.worth, state.price)
    steps = {name: _step(played, name) for name in channels}
    fair = _fair(state)
    blocks: list[list[Any]] = []
    claims = _claims(state)
    if "credit" in channels:
        slope = channels["credit"].slope(steps["credit"], view)[:, 0].copy()
        slope[state.debtors.stop :] = 0.0
        row = [sparse.csr_array(claims.multiply(slope[:, None]))]
        row += [sparse.csr_array(fair * slope[:, None])] if "market" in channels else []
        blocks.append(row)
    if "market" in channels:
        sold = _sold(state, view, channels["market"], steps["market"])
        row = [sparse.csr_array(_by_asset(sold, csr(claims)))] if "credit" in channels else []
        own = np.stack([summed(np.ascontiguousarray(sold * fair[:, [b]])) for b in range(fair.shape[1])], axis=1)
        blocks.append([*row, sparse.csr_array(own)])
    return sparse.csr_array(sparse.block_array(blocks))


def _step(played: Simulation, name: str) -> Step:
    return Step(
        played.system,
        played.state,
        played.ledger,
        1,
        played.on[name],
        played.rules,
        played.scenario.horizon.days,
        played.draws,
        played.channels,
        played.on,
    )


def _claims(state: State) -> Any:
    """Claims of all layers at the start, creditor by debtor, float64[n_agents, n_agents], currency."""
    from scipy import sparse

    shape = (state.n_agents, state.n_agents)
    found = sparse.csr_array(shape)
    for layer in state.layers.values():
        kept, drawn = layer.kept[:, 0], (layer.drawn * state.alive)[:, 0]
        rows = np.repeat(np.arange(shape[0]), np.diff(layer.rows.indptr))
        weights = layer.rows.weights * kept[rows] * drawn[layer.rows.indices]
        found = found + sparse.csr_array((weights, layer.rows.indices, layer.rows.indptr), shape=shape)
    return found


def _fair(state: State) -> Float:
    """What a price fall of one takes from each agent's solvency, float64[n_agents, n_assets], currency."""
    worth = state.units[:, :, 0] * state.fair_value * state.price[:, 0]
    # own shares are no debt: their price does not bear on their issuer's solvency
    return np.asarray(np.where((worth < 0.0) & state.shares[None, :], 0.0, worth))


def _sold(state: State, view: TightView, market: Any, step: Step) -> Float:
    """How far a loss of one of each agent brings the price of each asset down, float64[n_agents, n_assets]."""
    found = np.zeros((state.n_agents, state.price.shape[0]))
    banks = state.banks
    share = _keenness(view, market, step)
    fall = -market.slope(step, view)[:, 0] / state.price[:, 0]
    found[banks] = state.units[banks, :, 0] * state.price[:, 0] * share[:, None] * (fall * state.traded)
    return found


def _keenness(view: TightView, market: Any, step: Step) -> Float:
    """Share of its marketable assets that each bank sells for a first loss of one, float64[n_banks], 1 / currency."""
    banks = step.state.banks
    there = view.marketable[banks, 0]
    if market.rule != "leverage-targeting":
        return np.zeros_like(there)
    target = market.limits(step.system)[1][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(there > 0.0, (target - 1.0) / there, 0.0)


def _by_asset(sold: Float, claims: Csr) -> Float:
    """Sum over sellers of what each loses with a debtor times what it then sells, float64[n_assets, n_agents]."""
    return np.asarray(reach(claims.transposed(), aligned(sold)).T)


def _within(places: Int, rows: slice) -> Any:
    return (places >= rows.start) & (places < rows.stop)
