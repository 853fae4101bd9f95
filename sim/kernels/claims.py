"""Layers of claims valued in one pass: what creditors hold, what debtors owe, what a change of multipliers moves."""

from __future__ import annotations

import numpy as np

from sim.arrays import Bool, Float, Index, Int
from sim.kernels.jit import kernel
from sim.kernels.pull import pull


@kernel
def _named(indices: Index, start: int, stop: int, n_agents: int) -> Bool:
    """Tell whom the edges of a layer point at: most layers are between few agents, and the others need no work."""
    found = np.zeros(n_agents, dtype=np.bool_)
    for edge in range(start, stop):
        found[indices[edge]] = True
    return found


@kernel
def _held(
    indptr: Int,
    indices: Index,
    weights: Float,
    kept: Float,
    drawn: Float,
    alive: Float,
    worth: Float,
    carried: bool,
    first: bool,
    out: Float,
) -> None:
    n_agents, n_lanes = kept.shape
    signal, pressure = np.empty((n_agents, n_lanes)), np.empty((n_agents, n_lanes))
    debtors = _named(indices, int(indptr[0]), int(indptr[n_agents]), n_agents)
    for j in range(n_agents):
        if debtors[j]:
            for lane in range(n_lanes):
                signal[j, lane] = drawn[j, lane] * alive[j, lane]
            if carried:
                for lane in range(n_lanes):
                    signal[j, lane] *= worth[j, lane]
    pull(indptr, indices, weights, signal, pressure)
    for i in range(n_agents):
        if indptr[i + 1] > indptr[i]:
            if first:
                for lane in range(n_lanes):
                    out[i, lane] = kept[i, lane] * pressure[i, lane]
            else:
                for lane in range(n_lanes):
                    out[i, lane] += kept[i, lane] * pressure[i, lane]
        elif first:
            for lane in range(n_lanes):
                out[i, lane] = 0.0


@kernel
def _due(
    indptr: Int,
    indices: Index,
    weights: Float,
    kept: Float,
    drawn: Float,
    alive: Float,
    first: bool,
    out: Float,
) -> None:
    n_agents, n_lanes = kept.shape
    pressure = np.empty((n_agents, n_lanes))
    pull(indptr, indices, weights, kept, pressure)
    for j in range(n_agents):
        if indptr[j + 1] > indptr[j]:
            if first:
                for lane in range(n_lanes):
                    out[j, lane] = drawn[j, lane] * alive[j, lane] * pressure[j, lane]
            else:
                for lane in range(n_lanes):
                    out[j, lane] += drawn[j, lane] * alive[j, lane] * pressure[j, lane]
        elif first:
            for lane in range(n_lanes):
                out[j, lane] = 0.0


@kernel
def value_claims(
    indptr: Int,
    indices: Index,
    weights: Float,
    scales: Float,
    alive: Float,
    worth: Float,
    carried: bool,
    out: Float,
) -> None:
    r"""Value every creditor's claims over all layers: :math:`\sum_l k_{li} \sum_j A_{lij} d_{lj} a_j v_j`.

    Parameters
    ----------
    indptr : int64[n_layers, n_agents + 1]
        Rows of each layer, places in the arrays that follow; row = creditor.
    indices, weights : int32[n_edges], float64[n_edges], currency
        Edges of all layers, one layer after the other.
    scales : float64[n_layers, 2, n_agents, n_lanes], 1
        Share :math:`k` not called by creditors and :math:`d` not repaid by debtors.
    alive, worth : float64[n_agents, n_lanes], 1
        Whether a debtor's claims exist, and the value :math:`v` of one unit of claim on it.
    carried : bool
        Whether claims count at `worth`; else at face value, :math:`v = 1`.
    out : float64[n_agents, n_lanes], currency
        Overwritten; layers are added in their order.
    """
    if not scales.shape[0]:
        out[:] = 0.0
    for layer in range(scales.shape[0]):
        kept, drawn = scales[layer, 0], scales[layer, 1]
        _held(indptr[layer], indices, weights, kept, drawn, alive, worth, carried, layer == 0, out)


@kernel
def value_debts(indptr: Int, indices: Index, weights: Float, scales: Float, alive: Float, out: Float) -> None:
    r"""Add up every debtor's debts over all layers at face value: :math:`\sum_l d_{lj} a_j \sum_i A_{lij} k_{li}`.

    Parameters
    ----------
    indptr, indices, weights : as in `value_claims`, row = debtor
        Edges of all layers.
    scales : float64[n_layers, 2, n_agents, n_lanes], 1
        As in `value_claims`.
    alive : float64[n_agents, n_lanes], 1
        Whether a debtor's claims exist.
    out : float64[n_agents, n_lanes], currency
        Overwritten; layers are added in their order.
    """
    if not scales.shape[0]:
        out[:] = 0.0
    for layer in range(scales.shape[0]):
        _due(indptr[layer], indices, weights, scales[layer, 0], scales[layer, 1], alive, layer == 0, out)


@kernel
def value_layer(
    indptr: Int,
    indices: Index,
    weights: Float,
    kept: Float,
    drawn: Float,
    alive: Float,
    worth: Float,
    carried: bool,
    out: Float,
) -> None:
    """Value every creditor's claims on one layer, as `value_claims` does.

    Parameters
    ----------
    indptr, indices, weights : CSR structure, row = creditor
        The layer.
    kept, drawn, alive, worth : float64[n_agents, n_lanes], 1
        As in `value_claims`.
    carried : bool
        Whether claims count at `worth`.
    out : float64[n_agents, n_lanes], currency
        Overwritten.
    """
    _held(indptr, indices, weights, kept, drawn, alive, worth, carried, True, out)


@kernel
def layer_debts(
    indptr: Int, indices: Index, weights: Float, kept: Float, drawn: Float, alive: Float, out: Float
) -> None:
    """Add up every debtor's debt on one layer, as `value_debts` does.

    Parameters
    ----------
    indptr, indices, weights : CSR structure, row = debtor
        The layer.
    kept, drawn, alive : float64[n_agents, n_lanes], 1
        As in `value_debts`.
    out : float64[n_agents, n_lanes], currency
        Overwritten.
    """
    _due(indptr, indices, weights, kept, drawn, alive, True, out)


@kernel
def value_stocks(
    creditors: tuple[Int, Index, Float],
    debtors: tuple[Int, Index, Float],
    scales: Float,
    alive: Float,
    worth: Float,
    face_out: Float,
    owed_out: Float,
    provisions_out: Float,
    net_out: Float,
) -> None:
    """Take stock of the claims of all layers.

    Parameters
    ----------
    creditors, debtors : tuple of indptr, indices, weights
        As in `value_claims` and `value_debts`.
    scales, alive, worth : float64, 1
        As in `value_claims`.
    face_out, owed_out : float64[n_layers, n_agents, n_lanes], currency
        Overwritten with what creditors hold and debtors owe on each layer at face value.
    provisions_out : float64[n_agents, n_lanes], currency
        Overwritten with what creditors have marked down, over all layers.
    net_out : float64[n_agents, n_lanes], currency
        Overwritten with claims at what they are carried at less debts, over all layers.
    """
    n_layers, n_agents, n_lanes = face_out.shape
    carried, due = np.empty((n_agents, n_lanes)), np.empty((n_agents, n_lanes))
    provisions_out[:] = 0.0
    net_out[:] = 0.0
    due[:] = 0.0
    for layer in range(n_layers):
        kept, drawn, rows, columns = scales[layer, 0], scales[layer, 1], creditors[0][layer], debtors[0][layer]
        _held(rows, creditors[1], creditors[2], kept, drawn, alive, worth, False, True, face_out[layer])
        _held(rows, creditors[1], creditors[2], kept, drawn, alive, worth, True, True, carried)
        _due(columns, debtors[1], debtors[2], kept, drawn, alive, True, owed_out[layer])
        for i in range(n_agents):
            for lane in range(n_lanes):
                provisions_out[i, lane] += face_out[layer, i, lane] - carried[i, lane]
            for lane in range(n_lanes):
                net_out[i, lane] += carried[i, lane]
                due[i, lane] += owed_out[layer, i, lane]
    for i in range(n_agents):
        for lane in range(n_lanes):
            net_out[i, lane] -= due[i, lane]


@kernel
def _ones(worth: Float) -> bool:
    """Tell whether all claims are carried at face value, as in every lane before the first loss."""
    for row in worth:
        for value in row:
            if value != 1.0:
                return False
    return True


@kernel
def roll_layer(
    rows: tuple[Int, Index, Float],
    columns: tuple[Int, Index, Float],
    before: tuple[Float, Float],
    after: tuple[Float, Float],
    alive: Float,
    worth: Float,
    lent_out: Float,
    borrowed_out: Float,
    carried_out: Float,
) -> None:
    """Tell what moves when the multipliers of one layer change.

    Parameters
    ----------
    rows, columns : tuple of indptr, indices, weights
        The layer by creditor and by debtor.
    before, after : tuple of float64[n_agents, n_lanes], 1
        Multipliers `kept` and `drawn` as they are and as they will be.
    alive, worth : float64[n_agents, n_lanes], 1
        As in `value_claims`.
    lent_out, borrowed_out, carried_out : float64[n_agents, n_lanes], currency
        Overwritten with the change of creditors' claims at face value, of debtors' debts, and of claims at `worth`.
    """
    n_agents, n_lanes = lent_out.shape
    lent, carried, owed = np.empty(lent_out.shape), np.empty(lent_out.shape), np.empty(lent_out.shape)
    _held(rows[0], rows[1], rows[2], before[0], before[1], alive, worth, False, True, lent)
    _held(rows[0], rows[1], rows[2], after[0], after[1], alive, worth, False, True, lent_out)
    at_face = _ones(worth)
    if not at_face:
        _held(rows[0], rows[1], rows[2], before[0], before[1], alive, worth, True, True, carried)
        _held(rows[0], rows[1], rows[2], after[0], after[1], alive, worth, True, True, carried_out)
    _due(columns[0], columns[1], columns[2], before[0], before[1], alive, True, owed)
    _due(columns[0], columns[1], columns[2], after[0], after[1], alive, True, borrowed_out)
    for i in range(n_agents):
        for lane in range(n_lanes):
            lent_out[i, lane] -= lent[i, lane]
            borrowed_out[i, lane] -= owed[i, lane]
        for lane in range(n_lanes):
            carried_out[i, lane] = lent_out[i, lane] if at_face else carried_out[i, lane] - carried[i, lane]
