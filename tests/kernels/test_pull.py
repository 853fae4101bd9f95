"""The pull against hand arithmetic, SciPy and itself in other blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from sim.arrays import Csr, Float, csr, empty
from sim.kernels.pull import pull


def drawn(n_rows: int, n_columns: int, n_lanes: int, seed: int) -> tuple[Csr, Float]:
    random = np.random.default_rng(seed)
    matrix = sparse.random_array((n_rows, n_columns), density=0.3, rng=random, data_sampler=random.standard_normal)
    return csr(matrix), random.standard_normal((n_columns, n_lanes))


def pulled(layer: Csr, signal: Float) -> Float:
    out = empty(layer.n_rows, signal.shape[1])
    out.fill(np.nan)  # what was there before is overwritten
    pull(layer.indptr, layer.indices, layer.weights, signal, out)
    return out


def test_by_hand() -> None:
    # row 0 holds 2 of column 1 and 3 of column 2; row 1 nothing; row 2 holds 5 of column 0
    layer = csr([[0, 2, 3], [0, 0, 0], [5, 0, 0]])
    signal = np.array([[1.0, 0.5], [10.0, 0.0], [100.0, 1.0]])
    # lane 0: 2*10 + 3*100 = 320, 0, 5*1 = 5; lane 1: 2*0 + 3*1 = 3, 0, 5*0.5 = 2.5
    assert pulled(layer, signal).tolist() == [[320.0, 3.0], [0.0, 0.0], [5.0, 2.5]]


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 9), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_is_the_matrix_product(n_rows: int, n_columns: int, n_lanes: int, seed: int) -> None:
    layer, signal = drawn(n_rows, n_columns, n_lanes, seed)
    matrix: Any = sparse.csr_array((layer.weights, layer.indices, layer.indptr), shape=(n_rows, n_columns))
    assert_allclose(pulled(layer, signal), matrix @ signal, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n_lanes", [1, 2, 3, 7, 8, 9, 17, 32, 33, 40, 64, 87])
def test_bits_do_not_depend_on_the_block(n_lanes: int) -> None:
    layer, signal = drawn(80, 80, 100, seed=1)
    whole = pulled(layer, signal)
    part = pulled(layer, np.ascontiguousarray(signal[:, 13 : 13 + n_lanes]))
    assert (part == whole[:, 13 : 13 + n_lanes]).all()


def test_each_row_is_summed_in_column_order() -> None:
    layer, signal = drawn(40, 40, 3, seed=2)
    out = pulled(layer, signal)
    for i in range(layer.n_rows):
        for lane in range(3):
            expected = 0.0
            for k in range(int(layer.indptr[i]), int(layer.indptr[i + 1])):
                expected += float(layer.weights[k]) * float(signal[layer.indices[k], lane])
            assert out[i, lane] == expected
