"""One clear error for every kind of bad input: all problems of a call at once, with argument, index and value."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sim.contagion.clear import clear
from sim.contagion.debtrank import debtrank
from sim.contagion.fire_sale import fire_sale
from sim.contagion.outage import outage
from sim.contagion.revalue import revalue
from sim.errors import InputError, UnknownNameError
from tests.contagion.public import ALGORITHMS, blocks, drawn

N = 6
VECTORS = [
    (name, key)
    for name, algorithm in ALGORITHMS.items()
    for key in (*algorithm.vectors, *algorithm.fixed)
    if name in {"clear", "cascade", "debtrank", "revalue, merton", "fire_sale", "funding_run", "outage"}
    or name in {"complex_contagion", "cross_holdings", "revalue, linear"}
]
PUBLIC = sorted({name for name, _ in VECTORS})
SIGNED = {
    ("clear", "external_assets"), ("revalue, merton", "external_assets"), ("revalue, linear", "external_assets"),
    ("revalue, linear", "equity0"), ("revalue, linear", "external_assets0"), ("cascade", "equity"),
    ("fire_sale", "equity"), ("funding_run", "liquid_assets"), ("funding_run", "shock"),
    ("cross_holdings", "assets"), ("cross_holdings", "failure_threshold"),
}  # fmt: skip
"""Vectors that may be negative."""
PARTS = {
    ("debtrank", "shock"), ("fire_sale", "shock"), ("outage", "shock"), ("funding_run", "haircut"),
    ("complex_contagion", "seeds"),
}  # fmt: skip
"""Vectors that may not exceed 1."""


def refused(name: str, *says: str, **changes: Any) -> InputError:
    """Return the error of a call, which has to say some things; nothing else may be raised or warned of."""
    algorithm = ALGORITHMS[name]
    with pytest.raises(InputError) as caught:
        algorithm.call({**drawn(name, 1, N), **changes})
    for text in says:
        assert text in str(caught.value), str(caught.value)
    return caught.value


def network(name: str, cell: tuple[int, int], value: Any) -> Any:
    """Return the network of an algorithm with one cell changed."""
    matrix = drawn(name, 1, N)[ALGORITHMS[name].network].copy()
    matrix[cell] = value
    return matrix


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (-2.5, "-2.5")])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix, sparse.lil_array])
def test_a_faulty_cell_of_a_network(name, value, shown, form):
    key = ALGORITHMS[name].network
    error = refused(name, f"{key}[3, 2] is {shown}; allowed: ", **{key: form(network(name, (3, 2), value))})
    assert {problem.key for problem in error.problems} == {key}


@pytest.mark.parametrize("name", [name for name in PUBLIC if ALGORITHMS[name].square])
def test_an_exposure_to_oneself(name):
    key = ALGORITHMS[name].network
    refused(name, f"{key}[4, 4] is 0.25; allowed: 0 on the diagonal", **{key: network(name, (4, 4), 0.25)})


@pytest.mark.parametrize("name", PUBLIC)
def test_networks_of_a_wrong_kind(name):
    key, square = ALGORITHMS[name].network, ALGORITHMS[name].square
    matrix = drawn(name, 1, N)[key]
    refused(name, f"{key} has dtype object", **{key: matrix.astype(object)})
    refused(name, f"{key} has dtype complex128", **{key: matrix.astype(complex)})
    refused(name, key, **{key: np.full(matrix.shape, "x")})
    refused(name, key, "axes", **{key: matrix[0]})
    if name != "outage":  # which takes one matrix per function
        refused(name, key, "axes", **{key: matrix[None]})
    if square:
        for wrong in (matrix[:, :-1], matrix[:-1], sparse.csr_array(matrix[:, :-1])):
            refused(name, key, f"shape {wrong.shape[0]} x {wrong.shape[1]}", **{key: wrong})


@pytest.mark.parametrize(("name", "key"), VECTORS)
@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_number_that_is_none(name, key, value, shown):
    values = drawn(name, 1, N)[key].copy()
    values[2] = value
    error = refused(name, f"{key}[2] is {shown}; allowed: ", **{key: values})
    assert {problem.key for problem in error.problems} == {key}


@pytest.mark.parametrize(("name", "key"), [(n, k) for n, k in VECTORS if k in ALGORITHMS[n].vectors])
def test_a_faulty_cell_of_a_block(name, key):
    block = blocks(name, 1, N, 4)[key].copy()
    block[1, 3] = np.nan
    refused(name, f"{key}[1, 3] is nan", **{key: block})


@pytest.mark.parametrize(("name", "key"), [pair for pair in VECTORS if pair not in SIGNED])
def test_a_negative_number(name, key):
    values = drawn(name, 1, N)[key].copy()
    values[1] = -0.5
    refused(name, f"{key}[1] is -0.5; allowed: ", **{key: values})


@pytest.mark.parametrize(("name", "key"), sorted(PARTS))
def test_a_part_above_one(name, key):
    values = drawn(name, 1, N)[key].copy()
    values[0] = 1.5
    refused(name, f"{key}[0] is 1.5; allowed: ", **{key: values})


@pytest.mark.parametrize(("name", "key"), VECTORS)
def test_vectors_of_a_wrong_shape_or_kind(name, key):
    values = drawn(name, 1, N)[key]
    for wrong in (values[:-1], np.append(values, 1.0), values[None, :-1], np.zeros((len(values), 2, 2))):
        shape = "(" + ", ".join(map(str, wrong.shape)) + ("," if wrong.ndim == 1 else "") + ")"
        refused(name, f"{key} has shape {shape}; allowed: ", **{key: wrong})
    refused(name, f"{key} has dtype object", **{key: values.astype(object)})
    refused(name, f"{key} has dtype complex128", **{key: values.astype(complex)})
    refused(name, key, **{key: ["a"] * len(values)})
    if key in ALGORITHMS[name].vectors:
        refused(name, f"{key} has 0 draws", **{key: np.zeros((len(values), 0))})


@pytest.mark.parametrize("name", [name for name in PUBLIC if len(ALGORITHMS[name].vectors) > 1])
def test_blocks_of_different_widths(name):
    first, second = ALGORITHMS[name].vectors[:2]
    narrow, wide = blocks(name, 1, N, 3), blocks(name, 1, N, 4)
    refused(name, "draws", "3", "4", **{first: narrow[first], second: wide[second]})


@pytest.mark.parametrize("name", PUBLIC)
def test_all_faults_of_a_call_in_one_error(name):
    algorithm = ALGORITHMS[name]
    changes: dict[str, Any] = {algorithm.network: network(name, (3, 2), np.nan)}
    for key in algorithm.vectors:
        changes[key] = drawn(name, 1, N)[key].copy()
        changes[key][2] = np.inf
    error = refused(name, f"{algorithm.network}[3, 2] is nan", **changes)
    for key in algorithm.vectors:
        assert f"{key}[2] is inf" in str(error)
    assert len(error.problems) == 1 + len(algorithm.vectors)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_network_full_of_faults_gives_a_short_message(name):
    key = ALGORITHMS[name].network
    error = refused(name, "more such values", **{key: np.full_like(drawn(name, 1, N)[key], np.nan)})
    assert len(str(error).splitlines()) <= 12


@pytest.mark.parametrize(
    ("function", "changes", "says"),
    [
        (clear, {"alpha": 1.5}, "alpha is 1.5; allowed: 0 to 1"),
        (clear, {"beta": -0.1}, "beta is -0.1; allowed: 0 to 1"),
        (clear, {"alpha": np.nan}, "alpha is nan"),
        (clear, {"alpha": "much"}, "alpha is 'much'"),
        (clear, {"tol": 0.0}, "tol is 0"),
        (clear, {"max_rounds": 0}, "max_rounds is 0"),
        (clear, {"max_rounds": 2.5}, "max_rounds is 2.5"),
        (clear, {"max_rounds": True}, "max_rounds is True"),
    ],
)
def test_numbers_of_clearing(function, changes, says):
    with pytest.raises(InputError, match=re.escape(says)):
        function(**drawn("clear", 1, N), **changes)


@pytest.mark.parametrize("name", ["cascade", "debtrank", "revalue, linear"])
@pytest.mark.parametrize(("rate", "says"), [(1.5, "is 1.5"), (-0.25, "is -0.25"), (np.nan, "is nan")])
def test_recovery_rates(name, rate, says):
    algorithm = ALGORITHMS[name]
    with pytest.raises(InputError, match=f"recovery_rate {says}; allowed: "):
        algorithm.call(drawn(name, 1, N), recovery_rate=rate)


@pytest.mark.parametrize(
    ("name", "key", "wrong", "meant"),
    [
        ("clear", "seniority", "external-sennior", "external-senior"),
        ("debtrank", "variant", "linaer", "linear"),
        ("debtrank", "variant", "singlehit", "single-hit"),
        ("revalue, linear", "valuation", "eisenberg-neo", "eisenberg-noe"),
        ("fire_sale", "rule", "treshold", "threshold"),
        ("fire_sale", "impact", "exponental", "exponential"),
        ("fire_sale", "settle", "midd", "mid"),
        ("outage", "form", "produkt", "product"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, key, wrong, meant):
    algorithm = ALGORITHMS[name]
    with pytest.raises(UnknownNameError, match=re.escape(f"did you mean '{meant}'?")) as caught:
        algorithm.call(drawn(name, 1, N), **{key: wrong})
    assert repr(wrong) in str(caught.value)
    assert meant in caught.value.known


@pytest.mark.parametrize(("function", "key"), [(clear, "seniority"), (debtrank, "variant"), (fire_sale, "rule")])
@pytest.mark.parametrize("wrong", [None, 3, ["linear"]])
def test_names_that_are_none(function, key, wrong):
    name = {clear: "clear", debtrank: "debtrank", fire_sale: "fire_sale"}[function]
    with pytest.raises(UnknownNameError):
        function(**drawn(name, 1, N), **{key: wrong})


def test_valuations_that_are_none():
    books = drawn("clear", 1, N)
    for wrong in (None, 3):
        with pytest.raises(InputError):
            revalue(**books, valuation=wrong)
    with pytest.raises(InputError, match="volatility"):
        revalue(**books, valuation="exante-merton")
    with pytest.raises(InputError, match="allowed: 0 to 1"):
        revalue(**books, valuation=lambda equity, equity0, assets, debt, params: 2.0)


def test_an_outage_of_a_provider_without_a_name():
    with pytest.raises(UnknownNameError):
        outage(**drawn("outage", 1, N), form="")
