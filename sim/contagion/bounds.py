"""What balance sheets alone say about contagion, whatever the network (Glasserman and Young 2015)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Float, Int, empty, full
from sim.contagion.inputs import Inputs
from sim.errors import InputError
from sim.kernels.pull import pull
from sim.kernels.total import total


@dataclass(frozen=True, eq=False, kw_only=True)
class GlassermanYoung:
    r"""Bounds on contagion by clearing (Eisenberg-Noe, no bankruptcy costs).

    Parameters
    ----------
    net_worth : float64[n] or float64[n, n_draws], currency
        :math:`w_i`, assets less all debt, before any shock.
    connectivity : float64[n] or float64[n, n_draws], 1
        :math:`\beta_i`, the part of an agent's debt that it owes inside the network; 0 for an agent without debt.
    reach : float64[n] or float64[n, n_draws], currency
        :math:`\beta_i (c_i - w_i)^+`: no shock to i's own assets can bring down others whose net worths sum to more.
    most_defaults : int64[n] or int64[n, n_draws]
        How many others at most a shock to i alone can bring down: as many of the smallest as fit into `reach`.
    bound : float or float64[n_draws], 1
        Largest ratio of expected losses with and without the network (see `glasserman_young`); infinite when some
        agent owes nothing outside.
    """

    net_worth: Any
    connectivity: Any
    reach: Any
    most_defaults: Any
    bound: Any

    def shock_needed(self, source: int, into: Iterable[int]) -> Any:
        r"""Return the least shock to one agent's assets that can make a set of others default.

        Parameters
        ----------
        source : int
            Agent i whose outside assets are hit.
        into : iterable of int
            The others, D.

        Returns
        -------
        float or float64[n_draws], currency
            :math:`w_i + \sum_{j \in D} w_j / \beta_i`: necessary, whatever the network; infinite when i owes nothing
            inside it.

        Raises
        ------
        InputError
            If an agent does not exist or `source` is among the others.
        """
        worth = self._sum(source, into)
        share = self.connectivity[source]
        spread = np.divide(worth, share, out=np.full_like(np.asarray(worth), np.inf), where=np.asarray(share) > 0.0)
        needed = self.net_worth[source] + spread
        return float(needed) if np.ndim(needed) == 0 else needed

    def is_impossible(self, source: int, into: Iterable[int]) -> Any:
        r"""Tell whether no shock to one agent's own assets can make all of a set of others default.

        Parameters
        ----------
        source : int
            Agent i whose outside assets are hit.
        into : iterable of int
            The others, D.

        Returns
        -------
        bool or bool[n_draws]
            :math:`\sum_{j \in D} w_j > \beta_i (c_i - w_i)`, or i owes nothing inside the network. False does not mean
            that contagion happens.

        Raises
        ------
        InputError
            As in `shock_needed`.
        """
        blocked = (self._sum(source, into) > self.reach[source]) | (np.asarray(self.connectivity[source]) == 0.0)
        return bool(blocked) if np.ndim(blocked) == 0 else blocked

    def _sum(self, source: int, into: Iterable[int]) -> Any:
        """Add up the net worth of a set of agents, each once, in agent order."""
        members = sorted(set(into))
        n = self.net_worth.shape[0]
        for name, agent in (("source", source), *(("into", agent) for agent in members)):
            if not 0 <= agent < n:
                raise InputError(f"{name} holds {agent}; allowed: agents 0 to {n - 1}")
        if source in members or not members:
            what = f"holds the source {source}" if members else "is empty"
            raise InputError(f"into {what}; allowed: one agent or more, without the source")
        worth = np.zeros(self.net_worth.shape[1:])
        for agent in members:
            worth = worth + self.net_worth[agent]
        return worth


def glasserman_young(
    exposures: Any,
    external_assets: npt.ArrayLike,
    external_liabilities: npt.ArrayLike = 0.0,
    *,
    default_probability: npt.ArrayLike = 1.0,
) -> GlassermanYoung:
    r"""Bound contagion from balance sheets, without following a single path through the network.

    Write :math:`c_i` for outside assets, :math:`b_i` for outside debt, :math:`\bar p_i = b_i + \sum_j A_{ji}` for all
    debt, :math:`w_i = c_i + \sum_j A_{ij} - \bar p_i \ge 0` for net worth and
    :math:`\beta_i = \sum_j A_{ji} / \bar p_i`; a shock takes :math:`X_i \in [0, c_i]`.

    *One agent.* If only i is shocked, all of D default only if

    .. math::
        X_i \ge w_i + \frac{1}{\beta_i} \sum_{j \in D} w_j, \qquad
        \text{so it is impossible if } \sum_{j \in D} w_j > \beta_i (c_i - w_i)

    *All agents.* Let the shock distribution be homogeneous in assets (:math:`E X_i / c_i` the same for all) with
    marginals of increasing failure rate, :math:`\delta_i = P(X_i \ge w_i)` and :math:`\beta^+ = \max_i \beta_i < 1`.
    Losses are the direct ones and the shortfalls of payments, :math:`\sum_i X_i + \sum_i s_i`. Then

    .. math::
        \frac{E[\text{losses in the network}]}{E[\text{losses of isolated agents}]} \le
        1 + \frac{\sum_i \delta_i c_i}{(1 - \beta^+) \sum_i c_i}

    Proof. Shortfalls obey :math:`s_i \le (X_i - w_i)^+ + \sum_j (A_{ij}/\bar p_j) s_j`; summed over i the last term is
    :math:`\sum_j \beta_j s_j`, hence :math:`\sum_i s_i \le \sum_i (X_i - w_i)^+ / (1 - \beta^+)`. With an increasing
    failure rate the mean excess over any level is at most the mean, :math:`E(X_i - w_i)^+ \le \delta_i E X_i`, and
    :math:`E X_i` is proportional to :math:`c_i`; isolated agents lose at least :math:`\sum_i E X_i`. No independence
    of shocks is needed.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: ``exposures[i, j]`` is the claim of creditor i on debtor j.
    external_assets, external_liabilities : array_like
        A number, ``float64[n]`` or ``float64[n, n_draws]``, currency, 0 or more: :math:`c` and :math:`b`.
    default_probability : array_like
        A number, ``float64[n]`` or ``float64[n, n_draws]``, 1: :math:`\delta_i`, the probability that a shock to i's
        own assets exhausts its net worth. The default 1 is always valid.

    Returns
    -------
    GlassermanYoung
        Net worths, connectivities, reach and the bound.

    Raises
    ------
    InputError
        Naming every argument, index and value that cannot be used; an agent of negative net worth is in default
        before any shock, which the statements exclude.

    References
    ----------
    Glasserman and Young (2015), "How likely is contagion in financial networks?", Journal of Banking and Finance 50,
    383-399: the bound on contagion from one agent and the bound on expected losses under increasing failure rates. The
    proof above is self-contained.

    Examples
    --------
    A bank owes 60 of its 90 to two others of net worth 5 and 10. Its own net worth is 10: a loss of 10 + 15 / (2/3) =
    32.5 is needed to bring both down.

    >>> exposures = [[0, 0, 0], [20, 0, 0], [40, 0, 0]]
    >>> found = glasserman_young(exposures, [100, 10, 10], [30, 25, 40], default_probability=0.01)
    >>> found.net_worth, found.reach.round(12)
    (array([10.,  5., 10.]), array([60.,  0.,  0.]))
    >>> found.shock_needed(0, [1, 2]), found.is_impossible(0, [1, 2]), round(found.bound, 12)
    (32.5, False, 1.03)
    """
    inputs = Inputs()
    net = inputs.network("exposures", exposures)
    n = net.n_rows
    if n == 0:
        inputs.check()
    assets = inputs.numbers("external_assets", external_assets, n, low=0.0)
    debts = inputs.numbers("external_liabilities", external_liabilities, n, low=0.0)
    chance = inputs.numbers("default_probability", default_probability, n, low=0.0, high=1.0)
    inputs.check()
    outside, owed = inputs.block(assets), inputs.block(debts)
    claims, inside = empty(n, 1), empty(n, 1)
    debtors = net.transposed()
    pull(net.indptr, net.indices, net.weights, full(1.0, n, 1), claims)
    pull(debtors.indptr, debtors.indices, debtors.weights, full(1.0, n, 1), inside)
    debt = inside + owed
    worth = (outside + claims) - debt
    _solvent(inputs, worth)
    share = np.divide(inside, debt, out=np.zeros_like(debt), where=debt > 0.0)
    reach = share * np.maximum(outside - worth, 0.0)
    hit, base = empty(inputs.width), empty(inputs.width)
    total(inputs.block(chance) * outside, hit)
    total(outside, base)
    leak = 1.0 - share.max(axis=0, initial=0.0)
    bound = np.full(inputs.width, np.inf)
    np.divide(hit, leak * base, out=bound, where=(leak > 0.0) & (base > 0.0))
    bound[hit == 0.0] = 0.0
    return GlassermanYoung(
        net_worth=inputs.give(worth),
        connectivity=inputs.give(share),
        reach=inputs.give(reach),
        most_defaults=inputs.give(_most(worth, share, reach)),
        bound=inputs.give(1.0 + bound),
    )


def _solvent(inputs: Inputs, worth: Float) -> None:
    """Refuse agents that are in default before any shock."""
    lanes = 1 if inputs.lanes is None else inputs.lanes
    for i, lane in np.argwhere(worth[:, :lanes] < 0.0)[:5]:
        where = f"{i}" if inputs.lanes is None else f"{i}, {lane}"
        inputs.refuse("external_assets", f"net worth[{where}] is {worth[i, lane]:g}; allowed: 0 or more")
    inputs.check()


def _most(worth: Float, share: Float, reach: Float) -> Int:
    """Count how many of the smallest others fit into what each agent can pass on."""
    n, lanes = worth.shape
    most = np.zeros((n, lanes), dtype=np.int64)
    for lane in range(lanes):
        for i in np.flatnonzero(share[:, lane] > 0.0):
            others = np.sort(np.delete(worth[:, lane], i))
            most[i, lane] = np.searchsorted(np.cumsum(others), reach[i, lane], side="right")
    return most
