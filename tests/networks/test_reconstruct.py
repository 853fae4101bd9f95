"""Maximum entropy: worked numbers, a published program's numbers, laws, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import ConvergenceError, InputError
from sim.networks.reconstruct import margin_gap, max_entropy

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"


def golden(name: str) -> dict:
    path = GOLDEN / name
    if not path.exists():
        pytest.skip(f"golden vectors are not here: {name}")
    return json.loads(path.read_text(encoding="utf-8"))


def entropy(matrix: np.ndarray) -> float:
    share = matrix[matrix > 0] / matrix.sum()
    return float(-(share * np.log(share)).sum())


def test_three_banks_as_worked_by_hand() -> None:
    # The margins leave one number free; maximum entropy fixes it: equal products round the two cycles.
    made = max_entropy([10, 20, 30], [20, 25, 15])
    expected = [[0, 5.9217, 4.0783], [9.0783, 0, 10.9217], [10.9217, 19.0783, 0]]
    np.testing.assert_allclose(made, expected, atol=5e-5)
    one_way, other_way = made[0, 1] * made[1, 2] * made[2, 0], made[0, 2] * made[2, 1] * made[1, 0]
    assert one_way == pytest.approx(other_way, rel=1e-11)


def test_seven_banks_against_a_published_program() -> None:
    case = golden("nrm_small.json")["anand"]
    made = max_entropy(case["inputs"]["assets_rowsums"], case["inputs"]["liabilities_colsums"])
    np.testing.assert_allclose(made, case["outputs"]["max_entropy_tight"], rtol=1e-8, atol=1e-10)


def test_125_banks_against_a_published_program() -> None:
    case = golden("nrm_simdata_maxentropy.json")
    made = max_entropy(case["inputs"]["assets"], case["inputs"]["liabilities"])
    wanted = case["max_entropy"]
    np.testing.assert_allclose(made[0], wanted["first_row"], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(made[-1], wanted["last_row"], rtol=1e-8, atol=1e-10)
    assert np.sqrt((made**2).sum()) == pytest.approx(wanted["frobenius"], rel=1e-9)
    assert made.max() == pytest.approx(wanted["max"], rel=1e-9)
    assert list(np.unravel_index(made.argmax(), made.shape)) == wanted["argmax0"]


@settings(max_examples=60, deadline=None)
@given(n=st.integers(3, 30), seed=st.integers(0, 10**6), scale=st.sampled_from([1e-6, 1.0, 1e9]))
def test_margins_diagonal_and_product_form(n: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    truth = scale * rng.lognormal(0.0, 1.0, (n, n)) + 1e-3 * scale
    np.fill_diagonal(truth, 0.0)
    assets, liabilities = truth.sum(axis=1), truth.sum(axis=0)
    made = max_entropy(assets, liabilities)
    assert margin_gap(made, assets, liabilities) <= 1e-12
    assert not made.diagonal().any()
    assert (made[~np.eye(n, dtype=bool)] > 0).all()
    assert entropy(made) >= entropy(truth) - 1e-12
    if n >= 4:
        # u_i v_j: 2 x 2 minors away from the diagonal vanish
        assert made[0, 2] * made[1, 3] == pytest.approx(made[0, 3] * made[1, 2], rel=1e-10)


def test_the_same_bits_each_time_and_in_other_units() -> None:
    rng = np.random.default_rng(3)
    assets = rng.random(50)
    liabilities = rng.permutation(assets)
    made = max_entropy(assets, liabilities)
    np.testing.assert_array_equal(made, max_entropy(assets, liabilities))
    np.testing.assert_array_equal(1024.0 * made, max_entropy(1024.0 * assets, 1024.0 * liabilities))
    np.testing.assert_allclose(made.T, max_entropy(liabilities, assets), rtol=1e-11)


def test_banks_without_assets_or_liabilities_have_empty_rows_and_columns() -> None:
    made = max_entropy([5, 0, 3, 4], [2, 6, 0, 4])
    assert not made[1].any()
    assert not made[:, 2].any()
    assert margin_gap(made, [5, 0, 3, 4], [2, 6, 0, 4]) <= 1e-12


def test_totals_that_leave_no_choice_give_the_only_network() -> None:
    np.testing.assert_array_equal(max_entropy([3, 4], [4, 3]), [[0, 3], [4, 0]])
    made = max_entropy([6, 1, 2], [3, 4, 2])
    np.testing.assert_array_equal(made, [[0, 4, 2], [1, 0, 0], [2, 0, 0]])


def test_nearly_no_choice_keeps_its_margins() -> None:
    assets, liabilities = np.array([6 - 1e-3, 1 + 1e-3, 2]), np.array([3.0, 4, 2])
    made = max_entropy(assets, liabilities, max_rounds=100_000)
    assert margin_gap(made, assets, liabilities) <= 1e-12


def test_nothing_lent_is_an_empty_network() -> None:
    np.testing.assert_array_equal(max_entropy([0, 0], [0, 0]), np.zeros((2, 2)))
    assert max_entropy([], []).shape == (0, 0)
    assert margin_gap(np.zeros((2, 2)), [0, 0], [0, 0]) == 0.0
    assert margin_gap(np.ones((2, 2)), [0, 0], [0, 0]) == np.inf


@pytest.mark.parametrize(
    ("assets", "liabilities", "message"),
    [
        ([1, 2], [1, 1], "assets add to 3 and liabilities to 2; allowed: equal sums.*liabilities x 1.5"),
        ([1, 2], [0, 0], "liabilities to 0"),
        ([8, 1, 0], [4, 3, 2], r"assets\[0\] is 8; allowed: at most the 5 that all other banks owe"),
        ([1], [1], r"assets\[0\] is 1; allowed: at most the 0 that all other banks owe"),
        ([1, -2, 4], [1, 1, 1], r"assets\[1\] is -2; allowed: finite and 0 or more"),
        ([1, 2, 0], [1, np.nan, 2], r"liabilities\[1\] is nan"),
        ([1, np.inf], [1, 1], r"assets\[1\] is inf"),
        ([1, 2], [3], r"shape \(2,\), liabilities \(1,\)"),
        ([[1, 2]], [[2, 1]], "allowed: two vectors"),
        (["a"], [1], "assets is not a vector of numbers"),
    ],
)
def test_totals_that_no_network_has_are_refused(assets: list, liabilities: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        max_entropy(assets, liabilities)


@pytest.mark.parametrize(("tol", "max_rounds"), [(0.0, 10), (float("nan"), 10), (1e-9, 0)])
def test_a_tolerance_or_a_limit_that_is_none_is_refused(tol: float, max_rounds: int) -> None:
    with pytest.raises(InputError, match="allowed: above 0, and 1 or more"):
        max_entropy([1, 1], [1, 1], tol=tol, max_rounds=max_rounds)


def test_too_few_rounds_say_so_and_hand_over_the_state() -> None:
    with pytest.raises(ConvergenceError) as caught:
        max_entropy([10, 20, 30], [20, 25, 15], max_rounds=2)
    assert caught.value.rounds == 2
    assert caught.value.residual > 1e-12
    assert margin_gap(caught.value.state, [10, 20, 30], [20, 25, 15]) == caught.value.residual


def test_the_input_is_not_touched() -> None:
    assets, liabilities = np.array([10.0, 20, 30]), np.array([20.0, 25, 15])
    max_entropy(assets, liabilities)
    np.testing.assert_array_equal(assets, [10, 20, 30])
    np.testing.assert_array_equal(liabilities, [20, 25, 15])


def test_a_thousand_banks() -> None:
    assets = np.random.default_rng(1).lognormal(0.0, 1.5, 1000)
    liabilities = np.random.default_rng(2).permutation(assets)
    assert margin_gap(max_entropy(assets, liabilities), assets, liabilities) <= 1e-12


def test_sums_that_differ_within_the_tolerance_are_met_on_the_asset_side() -> None:
    made = max_entropy([10, 20, 30], np.array([20, 25, 15]) * (1 + 9e-4), tol=1e-3)
    assert made.sum() == pytest.approx(60.0, rel=1e-12)
