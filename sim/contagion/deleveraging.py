"""Who makes the system vulnerable to deleveraging, and who suffers from it: one linear round of fire sales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arrays import Csr, Float, empty
from sim.contagion.inputs import SHOWN_CELLS, Inputs
from sim.kernels.pull import pull
from sim.kernels.total import total

SLACK = 1e-9
"""Rounding allowed between holdings plus cash and total assets, relative."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Deleveraging:
    """Vulnerability of a system to deleveraging, and everybody's part in it; losses are positive.

    Every array gets a last axis ``[n_draws]`` when the call had one.

    Parameters
    ----------
    aggregate_vulnerability : float, 1
        Equity of the whole system that the sales take, as a share of all its equity (the direct loss not counted).
    systemicness : float64[n_agents], 1
        What each agent's sales alone contribute; adds up to `aggregate_vulnerability`.
    direct_vulnerability : float64[n_agents], 1
        Share of its equity that the shock takes from each agent.
    indirect_vulnerability : float64[n_agents], 1
        Share of its equity that everybody's sales take from it.
    spillover_loss : float64[n_agents], currency
        The same in money.
    sold : float64[n_agents], currency
        What each agent sells to return to its leverage.
    sold_by_asset : float64[n_assets], currency
        The same by asset, of all agents.
    price_fall : float64[n_assets], 1
        Relative fall that the sales cause.
    """

    aggregate_vulnerability: Any
    systemicness: Float
    direct_vulnerability: Float
    indirect_vulnerability: Float
    spillover_loss: Float
    sold: Float
    sold_by_asset: Float
    price_fall: Float


def deleveraging(holdings: Any, equity: Any, liabilities: Any, *, shock: Any, depth: Any) -> Deleveraging:
    r"""Measure the losses of one round in which every agent sells back to its leverage, at linear impact.

    With holdings :math:`q`, equity e, leverage ratio :math:`b_i = \text{debt}_i / e_i`, shock f and depth D,

    .. math::
        t_i = b_i \sum_a q_{ia} f_a, \qquad s_{ia} = t_i \frac{q_{ia}}{\sum_{a'} q_{ia'}}, \qquad
        \Psi_a = \frac{\sum_i s_{ia}}{D_a}, \qquad
        AV = \frac{\sum_{ia} q_{ia} \Psi_a}{\sum_i e_i}, \qquad
        S_i = \frac{\sum_a s_{ia} \sum_j q_{ja} / D_a}{\sum_j e_j}, \qquad
        IV_i = \frac{\sum_a q_{ia} \Psi_a}{e_i}

    where :math:`AV = \sum_i S_i`: the vulnerability of the system is the sum of what each agent's sales do to all. This
    is the limit of `fire_sale` for small shocks with leverage targeting, linear impact, ``settle="new"`` and one round;
    being linear it knows no bounds: large shocks may mean sales above holdings and falls above 1. Agents sell what
    `holdings` lists; an asset without market impact, as cash, belongs there too, with a huge depth.

    Parameters
    ----------
    holdings : array_like or SciPy sparse, float64[n_agents, n_assets], currency
        What is sold pro rata.
    equity, liabilities : float64[n_agents] or float64[n_agents, n_draws], currency
        Before the shock; equity above 0. Their sum is total assets, of which `holdings` may be a part.
    shock : float64[n_assets] or float64[n_assets, n_draws], 1
        Relative fall of prices, in [0, 1].
    depth : float64[n_assets] or float64[n_assets, n_draws], currency
        Inverse of the price impact: a sale of this much would, in linear theory, bring the price to 0.

    Returns
    -------
    Deleveraging
        Vulnerabilities and sales.

    Raises
    ------
    InputError
        For unusable input, all faults at once.

    References
    ----------
    Greenwood, Landier and Thesmar (2015), "Vulnerable banks", Journal of Financial Economics 115(3): eq. 1 (sales),
    2 (prices), 3 (aggregate vulnerability), 4 (systemicness), 6 (direct and indirect vulnerability).

    Examples
    --------
    Two banks with leverage ratios 9 and 4; the first holds only asset 0, which falls by 10 %:

    >>> measured = deleveraging([[100, 0], [50, 50]], [10, 20], [90, 80], shock=[0.1, 0], depth=[1000, 1000])
    >>> measured.sold, measured.spillover_loss, measured.indirect_vulnerability
    (array([90., 20.]), array([10. ,  5.5]), array([1.   , 0.275]))
    """
    inputs = Inputs()
    net = holdings_of(inputs, holdings)
    equity_ = inputs.numbers("equity", equity, net.n_rows, low=0.0, above=True)
    debt_ = inputs.numbers("liabilities", liabilities, net.n_rows, low=0.0)
    shock_ = inputs.numbers("shock", shock, net.n_columns, low=0.0, high=1.0)
    depth_ = inputs.numbers("depth", depth, net.n_columns, low=0.0, above=True)
    inputs.check()
    own, debt, falls, deep = (inputs.block(values) for values in (equity_, debt_, shock_, depth_))
    whole = across(net, np.ones_like(falls))
    refuse_above_assets(inputs, whole, own + debt)
    inputs.check()

    holders = net.transposed()
    direct = across(net, falls)
    sold = debt / own * direct
    share = np.divide(sold, whole, out=np.zeros_like(sold), where=whole > 0.0)
    by_asset = across(holders, share)
    fall = by_asset / deep
    spillover = across(net, fall)
    sensitivity = across(holders, np.ones_like(own)) / deep
    all_equity, of_all = _sum(own), np.zeros(own.shape[1])
    np.divide(_sum(spillover), all_equity, out=of_all, where=all_equity > 0.0)
    give = inputs.give
    return Deleveraging(
        aggregate_vulnerability=give(of_all),
        systemicness=give(share * across(net, sensitivity) / all_equity),
        direct_vulnerability=give(direct / own),
        indirect_vulnerability=give(spillover / own),
        spillover_loss=give(spillover),
        sold=give(sold),
        sold_by_asset=give(by_asset),
        price_fall=give(fall),
    )


def across(matrix: Csr, signal: Float) -> Float:
    """Return what a signal of the columns amounts to in each row.

    Parameters
    ----------
    matrix : Csr
        Holdings by agent, or by asset.
    signal : float64[n_columns, n_lanes]
        One number per column.

    Returns
    -------
    float64[n_rows, n_lanes]
        Summed in the order of the columns.
    """
    out = empty(matrix.n_rows, signal.shape[1])
    pull(matrix.indptr, matrix.indices, matrix.weights, signal, out)
    return out


def holdings_of(inputs: Inputs, holdings: Any) -> Csr:
    """Take in holdings; their shape says how many agents and assets there are.

    Parameters
    ----------
    inputs : Inputs
        Of the call.
    holdings : array_like or SciPy sparse
        ``float64[n_agents, n_assets]``, currency.

    Returns
    -------
    Csr
        Sparse rows; without any, the call ends here, since nothing else can be held against it.
    """
    layer = getattr(holdings, "csr", None)
    shape = (0, layer.n_columns) if isinstance(layer, Csr) else np.shape(holdings)
    net = inputs.network("holdings", holdings, n_columns=shape[1] if len(shape) == 2 else 0)
    if net.n_rows == 0:
        inputs.check()
    return net


def refuse_above_assets(inputs: Inputs, held: Float, assets: Float) -> None:
    """Refuse holdings and cash above total assets.

    Parameters
    ----------
    inputs : Inputs
        Of the call.
    held, assets : float64[n_agents, n_lanes], currency
        Holdings plus cash; equity plus liabilities.
    """
    refuse_above(inputs, "holdings and cash", held, "equity + liabilities", assets + SLACK * np.abs(assets))


def refuse_above(inputs: Inputs, name: str, given: Float, high: str, bound: Float) -> None:
    """Refuse what is above a bound that differs between agents.

    Parameters
    ----------
    inputs : Inputs
        Of the call.
    name : str
        What is held against the bound.
    given : float64[n_agents, n_lanes]
        Values.
    high : str
        What the bound is.
    bound : float64[n_agents, n_lanes]
        Bounds.
    """
    values, most = inputs.give(given), inputs.give(bound)
    faulty = np.argwhere(values > most)
    for where in faulty[:SHOWN_CELLS]:
        cell, at = tuple(where), ", ".join(str(k) for k in where)
        inputs.refuse(name, f"{name}[{at}] is {values[cell]:g}; allowed: at most {high}, here {most[cell]:g}")
    if len(faulty) > SHOWN_CELLS:
        inputs.refuse(name, f"{name} has {len(faulty) - SHOWN_CELLS} more such values; allowed: at most {high}")


def _sum(values: Float) -> Float:
    """Return the sum over agents, in their order."""
    out = empty(values.shape[1])
    total(values, out)
    return out
