"""Likeness and its directions, against NumPy's dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sim.kernels.similarity import alike, landmarks, principal


def features(n, seed=0, width=4):
    return np.random.default_rng(seed).normal(size=(n, width))


def likeness(told, length):
    square = ((told[:, None] - told[None]) ** 2).sum(axis=2)
    return np.exp(-square / (2 * length**2))


def test_likeness_is_the_gaussian_of_the_distance():
    told, out = features(15), np.empty((15, 15))
    alike(told, 1.3, out)
    assert_allclose(out, likeness(told, 1.3), rtol=1e-14)
    assert (out == out.T).all()


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_directions_are_eigenvectors(n):
    matrix = 0.3 * np.eye(n) + 0.7 * likeness(features(n), 2.0)
    rows, values = matrix.copy(), np.empty(n)
    assert principal(rows, values) < 20
    assert_allclose((rows.T * values) @ rows, matrix, atol=1e-13)
    assert_allclose(rows @ rows.T, np.eye(n), atol=1e-13)
    assert_allclose(np.sort(values), np.linalg.eigvalsh(matrix), rtol=1e-12)


def test_equal_agents_share_a_direction():
    # eigenvalues of 0.5 I + 0.5 for three twins: 2, 0.5, 0.5
    rows, values = 0.5 * np.eye(3) + 0.5, np.empty(3)
    principal(rows, values)
    assert_allclose(np.sort(values), [0.5, 0.5, 2.0], rtol=1e-14)


def test_landmarks_leave_what_a_cholesky_factor_leaves():
    told = features(12)
    full = likeness(told, 1.5)
    for rank in (3, 12):
        factor, left = np.empty((12, rank)), np.empty(12)
        assert landmarks(told, 1.5, 1e-12, factor, left) == rank
        assert_allclose(np.diag(full - factor @ factor.T), left, atol=1e-13)
        assert np.linalg.eigvalsh(full - factor @ factor.T).min() > -1e-12
    assert_allclose(factor @ factor.T, full, atol=1e-12)


def test_no_more_landmarks_than_there_are_sorts_of_agents():
    told = np.repeat(features(3), 5, axis=0)
    factor, left = np.empty((15, 8)), np.empty(15)
    assert landmarks(told, 1.0, 1e-9, factor, left) == 3
    assert (factor[:, 3:] == 0.0).all()
    assert_allclose(factor @ factor.T, likeness(told, 1.0), atol=1e-12)
