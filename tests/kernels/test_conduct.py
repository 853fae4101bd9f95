"""Kernels of compliance: gaps, chances of detection, sums over groups."""

from __future__ import annotations

import math

import numpy as np
from numpy.testing import assert_allclose

from sim.kernels.conduct import detection_chance, gaps, group_totals
from sim.kernels.least import least


def test_a_gap_is_what_maturity_lacks_of_the_standard():
    # start 0.2: standard up by 0.3, maturity by 0.1 -> 0.4; maturity by 0.6 -> met. A margin of 0.1 takes off as much.
    out = np.empty((2, 2))
    gaps(np.array([0.2, -0.1]), np.full((2, 2), 0.3), np.array([[0.1, 0.6], [0.0, 0.0]]), out)
    assert_allclose(out, [[0.4, 0.0], [0.2, 0.2]], atol=1e-15)


def test_the_chance_of_a_detection_is_in_excess_of_the_start():
    # per year: 2 for scrutiny where there is a gap, 10 for each unit of gap beyond that of the start
    gap = np.array([[0.5], [0.2], [0.0], [0.3]])
    start = np.array([0.2, 0.2, 0.0, -1.0])
    pressing = np.array([[2.0], [0.0], [2.0], [2.0]])
    out = np.empty((4, 1))
    detection_chance(gap, start, pressing, 0.0, 10.0, 0.1, out)
    assert_allclose(out[:, 0], [1 - math.exp(-0.5), 0.0, 0.0, 1 - math.exp(-0.5)], rtol=1e-14)
    assert out[1, 0] == 0.0
    detection_chance(gap, np.zeros(4), pressing, 1.0, 10.0, 0.1, out)
    assert_allclose(out[:, 0], [1 - math.exp(-0.8), 1 - math.exp(-0.3), 0.0, 1 - math.exp(-0.6)], rtol=1e-14)


def test_groups_are_summed_in_row_order():
    values = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0]])
    out = np.full((2, 2), np.nan)
    group_totals(np.array([1, 0, -1, 1]), values, out)
    assert (out == [[2.0, 20.0], [9.0, 90.0]]).all()


def test_the_least_of_a_row_counts_edges_above_zero_only():
    # row 0: columns 0 and 2, the latter with weight 0; row 1: none; row 2: columns 1 and 2
    indptr, indices = np.array([0, 2, 2, 4]), np.array([0, 2, 1, 2], dtype=np.int32)
    values = np.array([[0.7, 2.0], [0.5, 0.4], [0.1, 0.9]])
    out = np.empty((3, 2))
    least(indptr, indices, np.array([1.0, 0.0, 2.0, 1.0]), values, out)
    assert (out == [[0.7, 1.0], [1.0, 1.0], [0.1, 0.4]]).all()
