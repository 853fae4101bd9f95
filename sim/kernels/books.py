"""Money columns as one block: net worth, totals, and the largest gap between books and stocks."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int
from sim.kernels.jit import kernel


@kernel
def is_zero(values: Float) -> bool:
    """Tell whether all of an array is zero; it stops at the first row that is not.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        A NaN is not zero.

    Returns
    -------
    bool
        True for an empty array.
    """
    for i in range(values.shape[0]):
        found = 0
        for lane in range(values.shape[1]):
            found += values[i, lane] != 0.0
        if found:
            return False
    return True


@kernel
def add_money(money: Float, signs: Float, sectors: Int, worth_out: Float) -> None:
    r"""Add money columns to the net worth of owners and of the sectors on the other side.

    .. math:: W_i \mathrel{+}= \sum_c \sigma_c m_{ci}, \qquad W_{s(c)} \mathrel{-}= \sigma_c \sum_i m_{ci}

    Parameters
    ----------
    money : float64[n_columns, n_agents, n_lanes], currency
        Stocks.
    signs : float64[n_columns], 1
        1 for an asset of the owner, -1 for a debt.
    sectors : int64[n_columns]
        Row of the sector on the other side, -1 where there is none.
    worth_out : float64[n_agents, n_lanes], currency
        Added to, column by column in their order.
    """
    n_columns, n_agents, n_lanes = money.shape
    sums = np.empty(n_lanes)
    for column in range(n_columns):
        sign, sector = signs[column], sectors[column]
        sums[:] = 0.0
        for i in range(n_agents):
            for lane in range(n_lanes):
                worth_out[i, lane] += sign * money[column, i, lane]
                sums[lane] += money[column, i, lane]
        if sector >= 0:
            for lane in range(n_lanes):
                worth_out[sector, lane] -= sign * sums[lane]


@kernel
def add_columns(money: Float, places: Int, out: Float) -> None:
    r"""Add some money columns of every agent: :math:`x_i \mathrel{+}= \sum_{c \in P} m_{ci}`.

    Parameters
    ----------
    money : float64[n_columns, n_agents, n_lanes], currency
        Stocks.
    places : int64[n_places]
        Which columns, in the order of addition.
    out : float64[n_agents, n_lanes], currency
        Added to.
    """
    _, n_agents, n_lanes = money.shape
    for i in range(n_agents):
        for place in places:
            for lane in range(n_lanes):
                out[i, lane] += money[place, i, lane]


@kernel
def totals(money: Float, out: Float) -> None:
    r"""Sum every column over agents in row order: :math:`t_c = \sum_i m_{ci}`.

    Parameters
    ----------
    money : float64[n_columns, n_agents, n_lanes], currency
        Stocks.
    out : float64[n_columns, n_lanes], currency
        Overwritten.
    """
    n_columns, n_agents, n_lanes = money.shape
    for column in range(n_columns):
        for lane in range(n_lanes):
            out[column, lane] = 0.0
        for i in range(n_agents):
            for lane in range(n_lanes):
                out[column, lane] += money[column, i, lane]


@kernel
def examine(money: Float, expected: Float, gap_out: Float, depth_out: Float, totals_out: Float) -> None:
    r"""Go through all money columns once: how far from the books, how far below zero, what they sum to.

    .. math::
        g_k = \max(g_k, \max_{ci} |m_{cik} - b_{cik}|), \qquad d_k = \max(d_k, \max_{ci} -m_{cik}), \qquad
        t_{ck} = \sum_i m_{cik}

    Parameters
    ----------
    money, expected : float64[n_columns, n_agents, n_lanes], currency
        Stocks, and what the books say.
    gap_out, depth_out : float64[n_lanes], currency
        Widened and deepened; infinite where a number is none.
    totals_out : float64[n_columns, n_lanes], currency
        Overwritten; summed in row order.
    """
    n_columns, n_agents, n_lanes = money.shape
    odd = np.zeros(n_lanes)
    for column in range(n_columns):
        for lane in range(n_lanes):
            totals_out[column, lane] = 0.0
        for i in range(n_agents):
            for lane in range(n_lanes):
                value = money[column, i, lane]
                gap = abs(value - expected[column, i, lane])
                totals_out[column, lane] += value
                # comparisons with a NaN are false: it is kept apart, so that the loop needs no branch
                gap_out[lane] = max(gap_out[lane], gap)
                depth_out[lane] = max(depth_out[lane], -value)
                odd[lane] += gap - gap
    for lane in range(n_lanes):
        if np.isnan(odd[lane]):
            gap_out[lane] = depth_out[lane] = np.inf


@kernel
def widest_gap(values: Float, expected: Float, gap_out: Float) -> None:
    r"""Widen the largest gap of each lane: :math:`g_k = \max(g_k, \max_i |x_{ik} - y_{ik}|)`.

    Parameters
    ----------
    values, expected : float64[n_rows, n_lanes], any unit
        What is, and what should be.
    gap_out : float64[n_lanes], unit of `values`
        Not negative; infinite where a gap is no number.
    """
    n_rows, n_lanes = values.shape
    odd = np.zeros(n_lanes)
    for i in range(n_rows):
        for lane in range(n_lanes):
            gap = abs(values[i, lane] - expected[i, lane])
            gap_out[lane] = max(gap_out[lane], gap)
            odd[lane] += gap - gap
    for lane in range(n_lanes):
        if np.isnan(odd[lane]):
            gap_out[lane] = np.inf


@kernel
def deepest(values: Float, depth_out: Float) -> None:
    r"""Deepen how far each lane goes below zero: :math:`d_k = \max(d_k, \max_i -x_{ik})`.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What may not be negative.
    depth_out : float64[n_lanes], unit of `values`
        Not negative; infinite where a value is no number.
    """
    n_rows, n_lanes = values.shape
    odd = np.zeros(n_lanes)
    for i in range(n_rows):
        for lane in range(n_lanes):
            depth = -values[i, lane]
            depth_out[lane] = max(depth_out[lane], depth)
            odd[lane] += depth - depth
    for lane in range(n_lanes):
        if np.isnan(odd[lane]):
            depth_out[lane] = np.inf
