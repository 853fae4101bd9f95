"""Money columns as one block: net worth, totals, and the largest gap between books and stocks."""

from __future__ import annotations

import numpy as np

from sim.arrays import Float, Int
from sim.kernels.jit import brief, kernel

PIECE = 1024
"""Numbers that a loop over one column takes at a time: they stay in the nearest cache, and no loop is too short for
vector registers however few lanes there are."""


@brief
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
def is_finite(values: Float) -> bool:
    """Tell whether an array has numbers only, no infinity and no NaN.

    Parameters
    ----------
    values : float64[n_rows, n_lanes], any unit
        What is looked at.

    Returns
    -------
    bool
        True for an empty array.
    """
    for i in range(values.shape[0]):
        odd = 0
        for lane in range(values.shape[1]):
            odd += values[i, lane] - values[i, lane] != 0.0
        if odd:
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
def _widen(values: Float, expected: Float, gap: Float, wider_out: Float, odd: Float) -> None:
    """Widen gaps number by number, into another array: a maximum kept in place is a masked store, three times slower.

    Comparisons with a NaN are false: it is kept apart, so that the loop needs no branch.
    """
    for k in range(values.size):
        far = abs(values[k] - expected[k])
        wider_out[k] = max(far, gap[k])
        odd[k] += far - far
    wider_out[values.size :] = gap[values.size :]


@kernel
def _deepen(values: Float, depth: Float, deeper_out: Float, odd: Float) -> None:
    for k in range(values.size):
        deeper_out[k] = max(-values[k], depth[k])
        odd[k] += values[k] - values[k]
    deeper_out[values.size :] = depth[values.size :]


@kernel
def _scratch(size: int) -> tuple[Float, Float, Float, Float, Float]:
    return np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)


@kernel
def _by_lane(found: Float, odd: Float, out: Float) -> None:
    """Bring what was found in all places of a piece to its lanes; infinite where a number was none."""
    for k in range(found.size):
        lane = k % out.size
        out[lane] = np.inf if np.isnan(odd[k]) else max(out[lane], found[k])


@kernel
def examine(
    money: Float,
    expected: Float,
    signs: Float,
    sectors: Int,
    worth_out: Float,
    gap_out: Float,
    depth_out: Float,
    totals_out: Float,
) -> None:
    r"""Go through all money columns once: net worth, how far from the books, how far below zero, totals.

    .. math::
        g_k = \max(g_k, \max_{ci} |m_{cik} - b_{cik}|), \qquad d_k = \max(d_k, \max_{ci} -m_{cik}), \qquad
        t_{ck} = \sum_i m_{cik}

    Parameters
    ----------
    money, expected : float64[n_columns, n_agents, n_lanes], currency
        Stocks, and what the books say.
    signs, sectors : float64[n_columns], 1, and int64[n_columns]
        As in `add_money`.
    worth_out : float64[n_agents, n_lanes], currency
        Added to as by `add_money`; the sums that sectors are on the other side of come last.
    gap_out, depth_out : float64[n_lanes], currency
        Widened and deepened; infinite where a number is none.
    totals_out : float64[n_columns, n_lanes], currency
        Overwritten; summed in row order.
    """
    n_columns, n_agents, n_lanes = money.shape
    rows = max(1, PIECE // n_lanes)
    gap, wider, depth, deeper, odd = _scratch(rows * n_lanes)
    totals_out[:] = 0.0
    for column in range(n_columns):
        sign, sums = signs[column], totals_out[column]
        for first in range(0, n_agents, rows):
            stocks = money[column, first : first + rows]
            flat, books = stocks.reshape(-1), expected[column, first : first + rows].reshape(-1)
            worth = worth_out[first : first + rows].reshape(-1)
            for i in range(stocks.shape[0]):
                for lane in range(n_lanes):
                    sums[lane] += stocks[i, lane]
            for k in range(flat.size):
                worth[k] += sign * flat[k]
            _widen(flat, books, gap, wider, odd)
            _deepen(flat, depth, deeper, odd)
            gap, wider, depth, deeper = wider, gap, deeper, depth
        if sectors[column] >= 0:
            for lane in range(n_lanes):
                worth_out[sectors[column], lane] -= sign * totals_out[column, lane]
    _by_lane(gap, odd, gap_out)
    _by_lane(depth, odd, depth_out)


@kernel
def unexplained(before: Float, worth: Float, loss: Float, gap_out: Float) -> None:
    r"""Widen the largest part of a change that nothing explains: :math:`\max_i |W^0_i - W_i - \sum_s l_{si}|`.

    Parameters
    ----------
    before, worth : float64[n_rows, n_lanes], currency
        Net worth then and now.
    loss : float64[n_sources, n_rows, n_lanes], currency
        What was posted in between, taken off in its order.
    gap_out : float64[n_lanes], currency
        Not negative; infinite where a number is none.
    """
    n_sources, n_rows, n_lanes = loss.shape
    rows = max(1, PIECE // n_lanes)
    gap, wider, left, nothing, odd = _scratch(rows * n_lanes)
    for first in range(0, n_rows, rows):
        then, now = before[first : first + rows].reshape(-1), worth[first : first + rows].reshape(-1)
        for k in range(then.size):
            left[k] = then[k] - now[k]
        for source in range(n_sources):
            posted = loss[source, first : first + rows].reshape(-1)
            for k in range(posted.size):
                left[k] -= posted[k]
        _widen(left[: then.size], nothing, gap, wider, odd)
        gap, wider = wider, gap
    _by_lane(gap, odd, gap_out)


@kernel
def closure(worth: Float, provisions: Float, book: Float, market: Float, real: Float, out: Float) -> None:
    r"""Add up what must be zero: :math:`\sum_i W_i + \sum_i v_i - \sum_i (b_i - m_i) - \sum_i r_i`.

    Parameters
    ----------
    worth, provisions, book, market, real : float64[n_rows, n_lanes], currency
        Net worth, what creditors have marked down, securities in the books and at the market, real assets.
    out : float64[n_lanes], currency
        Overwritten; every sum is taken in row order.
    """
    n_rows, n_lanes = worth.shape
    marked, held, owned = np.zeros(n_lanes), np.zeros(n_lanes), np.zeros(n_lanes)
    out[:] = 0.0
    for i in range(n_rows):
        for lane in range(n_lanes):
            out[lane] += worth[i, lane]
            marked[lane] += provisions[i, lane]
        for lane in range(n_lanes):
            held[lane] += book[i, lane] - market[i, lane]
            owned[lane] += real[i, lane]
    for lane in range(n_lanes):
        out[lane] = out[lane] + marked[lane] - held[lane] - owned[lane]


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
    rows = max(1, PIECE // n_lanes)
    gap, wider, _, _, odd = _scratch(rows * n_lanes)
    for first in range(0, n_rows, rows):
        here = slice(first, first + rows)
        _widen(values[here].reshape(-1), expected[here].reshape(-1), gap, wider, odd)
        gap, wider = wider, gap
    _by_lane(gap, odd, gap_out)


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
    rows = max(1, PIECE // n_lanes)
    depth, deeper, _, _, odd = _scratch(rows * n_lanes)
    for first in range(0, n_rows, rows):
        _deepen(values[first : first + rows].reshape(-1), depth, deeper, odd)
        depth, deeper = deeper, depth
    _by_lane(depth, odd, depth_out)
