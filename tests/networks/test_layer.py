"""Laws of a layer: what it refuses, what it keeps, what it pulls."""

from __future__ import annotations

import html

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sim.arrays import Csr, csr
from sim.errors import InputError, UsageError
from sim.networks.layer import Layer

IDS = ("A", "B", "C")
MATRIX = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 4.0], [0.5, 0.0, 0.0]])


def random_matrix(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = rng.random((n, n)) * (rng.random((n, n)) < 0.3)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def test_dense_sparse_and_edges_make_the_same_layer() -> None:
    dense = Layer.from_matrix("interbank", IDS, MATRIX)
    scattered = Layer.from_matrix("interbank", IDS, sparse.coo_matrix(MATRIX))
    rows, columns = np.nonzero(MATRIX)
    order = [3, 0, 2, 1]
    edges = Layer.from_edges(
        "interbank", IDS, [IDS[rows[e]] for e in order], [IDS[columns[e]] for e in order], MATRIX[rows, columns][order]
    )
    for layer in (dense, scattered, edges):
        np.testing.assert_array_equal(layer.to_scipy().toarray(), MATRIX)
        np.testing.assert_array_equal(layer.indptr, [0, 1, 3, 4])
        np.testing.assert_array_equal(layer.indices, [1, 0, 2, 0])
        np.testing.assert_array_equal(layer.weights, [2.0, 1.0, 4.0, 0.5])
        assert layer.n_edges == 4
        assert layer.unit == "currency"
        assert not layer.imputed


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 12), n_lanes=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_pull_is_the_matrix_product(n: int, n_lanes: int, seed: int) -> None:
    matrix = random_matrix(n, seed)
    layer = Layer.from_matrix("x", [f"a{row}" for row in range(n)], matrix)
    signal = np.random.default_rng(seed + 1).random((n, n_lanes))
    pressure = layer.pull(signal)
    np.testing.assert_allclose(pressure, matrix @ signal, rtol=1e-13, atol=1e-15)
    for lane in range(n_lanes):
        np.testing.assert_array_equal(layer.pull(signal[:, lane]), pressure[:, lane])


def test_pull_refuses_another_number_of_agents() -> None:
    layer = Layer.from_matrix("x", IDS, MATRIX)
    with pytest.raises(UsageError, match=r"signal has shape \(2,\); allowed: \(3,\) or \(3, n_lanes\)"):
        layer.pull([1.0, 2.0])
    with pytest.raises(UsageError, match="shape"):
        layer.pull(np.zeros((3, 2, 2)))


def test_transposed_is_cached_and_reads_from_the_debtor() -> None:
    layer = Layer.from_matrix("x", IDS, MATRIX)
    assert layer.transposed is layer.transposed
    turned = layer.transposed
    np.testing.assert_array_equal(
        sparse.csr_array((turned.weights, turned.indices, turned.indptr), shape=(3, 3)).toarray(), MATRIX.T
    )


def test_the_input_is_copied_and_exports_are_copies() -> None:
    matrix = MATRIX.copy()
    layer = Layer.from_matrix("x", IDS, matrix)
    matrix[0, 1] = 99.0
    layer.to_scipy().data[:] = 99.0
    np.testing.assert_array_equal(layer.to_scipy().toarray(), MATRIX)


def test_networkx_keeps_agents_without_claims_and_the_direction() -> None:
    networkx = pytest.importorskip("networkx", reason="networkx is not installed")
    graph = Layer.from_matrix("x", [*IDS, "alone"], np.pad(MATRIX, ((0, 1), (0, 1)))).to_networkx()
    assert isinstance(graph, networkx.DiGraph)
    assert list(graph.nodes) == [*IDS, "alone"]
    assert {(i, j): data["weight"] for i, j, data in graph.edges(data=True)} == {
        ("A", "B"): 2.0,
        ("B", "A"): 1.0,
        ("B", "C"): 4.0,
        ("C", "A"): 0.5,
    }


def test_all_faulty_cells_are_named_at_once() -> None:
    bad = np.array([[1.0, -2.0, 0.0], [np.nan, 0.0, np.inf], [0.0, 0.0, 0.0]])
    with pytest.raises(InputError) as caught:
        Layer.from_matrix("interbank", IDS, bad)
    text = str(caught.value)
    assert len(caught.value.problems) == 4
    assert "layer 'interbank': exposures[0, 0] is 1 ('A' on 'A'); allowed: 0 on the diagonal" in text
    assert "exposures[0, 1] is -2 ('A' on 'B'); allowed: finite and 0 or more" in text
    assert "exposures[1, 0] is nan" in text
    assert "exposures[1, 2] is inf" in text


def test_a_negative_zero_and_a_zero_diagonal_are_no_edges() -> None:
    assert Layer.from_matrix("x", ("A", "B"), [[0.0, -0.0], [0.0, 0.0]]).n_edges == 0


@pytest.mark.parametrize(
    ("ids", "matrix", "message"),
    [
        (IDS, np.zeros((3, 2)), r"shape \(3, 2\); allowed: \(3, 3\)"),
        (IDS, np.zeros(3), "1 axes; allowed: 2"),
        (IDS, np.zeros((2, 2)), r"shape \(2, 2\); allowed: \(3, 3\)"),
        (("A", "B", "A"), MATRIX, "agent 'A' occurs twice, at 0 and 2"),
        (("A", 2, "C"), MATRIX, "agent 1 is named 2; allowed: text"),
        (IDS, MATRIX + 0j, "dtype complex128; allowed: real numbers"),
        (IDS, [["a", "b", "c"]] * 3, "allowed: real numbers"),
        (IDS, [[0.0, 1.0], [1.0]], "rows of unequal length"),
        (IDS, sparse.csr_array(MATRIX + 0j), "dtype complex128"),
    ],
)
def test_what_is_no_square_matrix_of_the_agents_is_refused(ids: tuple, matrix: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layer.from_matrix("x", ids, matrix)


@pytest.mark.parametrize(
    ("indptr", "indices", "message"),
    [
        ([0, 2, 2], [1, 1], "columns of a row are not ascending, or one occurs twice"),
        ([0, 1, 2], [1, 5], "a column is outside 0 to 1"),
        ([0, 1, 2], [-1, 0], "a column is outside 0 to 1"),
        ([0, 3, 2], [1, 0], "indptr falls"),
        ([0, 1, 1], [1, 0], "do not belong together"),
    ],
)
def test_malformed_rows_are_refused(indptr: list[int], indices: list[int], message: str) -> None:
    edges = Csr(np.array(indptr, dtype=np.int64), np.array(indices, dtype=np.int32), np.ones(2), 2)
    with pytest.raises(InputError, match=message):
        Layer("x", ("A", "B"), edges)


def test_edges_name_unknown_agents_repeated_pairs_and_lengths() -> None:
    with pytest.raises(InputError, match="claim 1: debtor 'Bc' is no agent; did you mean 'B'"):
        Layer.from_edges("x", IDS, ["A", "A"], ["C", "Bc"], [1.0, 1.0])
    with pytest.raises(InputError, match="claims 0 and 2: 'A' on 'B' occurs twice"):
        Layer.from_edges("x", IDS, ["A", "B", "A"], ["B", "C", "B"], [1.0, 1.0, 2.0])
    with pytest.raises(InputError, match="1 creditors, 2 debtors and 2 amounts"):
        Layer.from_edges("x", IDS, ["A"], ["B", "C"], [1.0, 2.0])
    with pytest.raises(InputError, match=r"exposures\[0, 0\] is 1"):
        Layer.from_edges("x", IDS, ["A"], ["A"], [1.0])
    with pytest.raises(InputError, match="real numbers"):
        Layer.from_edges("x", IDS, ["A"], ["B"], ["1"])
    with pytest.raises(InputError, match="agent 'A' occurs twice"):
        Layer.from_edges("x", ("A", "A"), [], [], [])


def test_no_claims_and_no_agents_are_layers() -> None:
    empty = Layer.from_edges("x", IDS, [], [], [])
    np.testing.assert_array_equal(empty.pull(np.ones((3, 2))), np.zeros((3, 2)))
    nobody = Layer.from_matrix("x", (), np.zeros((0, 0)))
    assert nobody.pull(np.zeros((0, 2))).shape == (0, 2)
    assert "<table>" in nobody._repr_html_()
    assert "<table>" in empty._repr_html_()


def test_html_escapes_every_name() -> None:
    evil = "<script>alert(1)</script>"
    layer = Layer(f"{evil}&", (evil, "B"), csr([[0.0, 3.0], [0.0, 0.0]]), unit=evil, imputed=True)
    shown = layer._repr_html_()
    assert evil not in shown
    assert html.escape(evil) in shown
    assert "imputed" in shown
    assert "imputed" in repr(layer)


def test_frozen() -> None:
    layer = Layer.from_matrix("x", IDS, MATRIX)
    with pytest.raises(AttributeError):
        layer.name = "y"  # type: ignore[misc]
