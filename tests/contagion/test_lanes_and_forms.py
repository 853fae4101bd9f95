"""Bits: lanes of any width, every form of input, inputs left alone; for every public algorithm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sim.networks.layer import Layer
from tests.contagion.public import ALGORITHMS, blocks, drawn, results

N = 9
WIDEST = 33
FORMATS = ("coo", "csc", "csr", "bsr", "dia", "lil", "dok")


def same(one: Any, other: Any) -> bool:
    """Return whether two results are equal to the last bit (and in the same places no numbers)."""
    left, right = np.asarray(one), np.asarray(other)
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return False
    return left.tobytes() == right.tobytes() if left.dtype.kind == "f" else bool((left == right).all())


def lane(values: Any, k: int) -> Any:
    """Return one draw of a result."""
    return np.asarray(values)[..., k]


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("seed", [0, 4])
def test_every_lane_of_every_width_is_the_single_call(name, seed):
    algorithm = ALGORITHMS[name]
    given = blocks(name, seed, N, WIDEST)

    def part(columns: slice | int) -> dict[str, Any]:
        return {key: v[..., columns] if key in algorithm.vectors else v for key, v in given.items()}

    alone = [results(name, algorithm.call(part(k))) for k in range(WIDEST)]
    facts = ["".join(np.asarray(one[key]).tobytes().hex() for key in algorithm.agents) for one in alone]
    assert len(set(facts)) > WIDEST // 2  # draws differ, or a lane could stand for its neighbour
    for width in (1, 2, 3, 7, WIDEST):
        start = 0 if width == WIDEST else 5
        together = results(name, algorithm.call(part(slice(start, start + width))))
        for key, values in together.items():
            if values is None:
                continue
            assert np.shape(values)[-1] == width, key
            for k in range(width):
                assert same(lane(values, k), alone[start + k][key]), f"{key}, lane {k} of {width}"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_vector_beside_a_block_stands_for_every_draw(name):
    algorithm, given = ALGORITHMS[name], drawn(name, 1, N)
    first = algorithm.vectors[0]
    block = given | {first: np.stack([given[first]] * 3, axis=-1)}
    expected = results(name, algorithm.call(given))
    for key, values in results(name, algorithm.call(block)).items():
        for k in range(3):
            assert same(lane(values, k), expected[key]), key


def forms(matrix: Any, square: bool) -> dict[str, Any]:
    """Return one matrix in every form that is accepted."""
    wide = np.zeros((2 * matrix.shape[0], 3 * matrix.shape[1]))
    wide[::2, ::3] = matrix
    made: dict[str, Any] = {
        "float32": matrix.astype(np.float32),
        "big-endian": matrix.astype(">f8"),
        "Fortran order": np.asfortranarray(matrix),
        "view": wide[::2, ::3],
        "reversed view": matrix[::-1, ::-1].copy()[::-1, ::-1],
        "list": matrix.tolist(),
    }
    for form in FORMATS:
        made[f"{form} array"] = getattr(sparse, f"{form}_array")(sparse.coo_array(matrix))
        made[f"{form} matrix"] = getattr(sparse, f"{form}_matrix")(sparse.coo_matrix(matrix))
    made["csr float32"] = sparse.csr_array(matrix.astype(np.float32))
    rows, columns = np.nonzero(matrix)
    order = np.argsort(-columns, kind="stable")
    parts = (
        np.concatenate([matrix[rows, columns][order], [0.0]]),
        (np.append(rows[order], 1), np.append(columns[order], 0)),
    )
    made["unsorted with a stored zero"] = sparse.coo_array(parts, shape=matrix.shape)
    halves = np.concatenate([0.5 * matrix[rows, columns]] * 2)
    made["duplicates"] = sparse.coo_array((halves, (np.tile(rows, 2), np.tile(columns, 2))), shape=matrix.shape)
    if square:
        made["layer"] = Layer.from_matrix("links", [f"B{k}" for k in range(len(matrix))], matrix)
    return made


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_form_of_a_network_gives_the_same_bits(name):
    algorithm, given = ALGORITHMS[name], drawn(name, 2, N)
    expected = results(name, algorithm.call(given))
    for form, network in forms(given[algorithm.network], algorithm.square).items():
        before = network.copy() if hasattr(network, "copy") and form != "layer" else network
        for key, values in results(name, algorithm.call(given | {algorithm.network: network})).items():
            assert same(values, expected[key]), f"{form}: {key}"
        if sparse.issparse(network):
            assert network.format == before.format
            assert (abs(network - before)).sum() == 0.0
            assert network.nnz == before.nnz
        elif form != "layer":
            assert np.array_equal(network, before)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_form_of_a_vector_gives_the_same_bits(name):
    algorithm, given = ALGORITHMS[name], drawn(name, 3, N)
    expected = results(name, algorithm.call(given))
    shapes: dict[str, Any] = {
        "float32": lambda v: v.astype(np.float32),
        "reversed view": lambda v: v[::-1].copy()[::-1],
        "strided view": lambda v: np.repeat(v, 3)[::3],
        "list": lambda v: v.tolist(),
        "big-endian": lambda v: v.astype(">f8"),
    }
    for form, shape in shapes.items():
        changed = {key: shape(values) for key, values in given.items() if key != algorithm.network}
        for key, values in results(name, algorithm.call(given | changed)).items():
            assert same(values, expected[key]), f"{form}: {key}"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_form_of_a_block_gives_the_same_bits(name):
    algorithm, given = ALGORITHMS[name], blocks(name, 1, N, 5)
    expected = results(name, algorithm.call(given))
    shapes: dict[str, Any] = {
        "float32": lambda v: v.astype(np.float32),
        "Fortran order": np.asfortranarray,
        "strided view": lambda v: np.repeat(v, 2, axis=-1)[..., ::2],
    }
    for form, shape in shapes.items():
        changed = {key: shape(given[key]) for key in algorithm.vectors}
        for key, values in results(name, algorithm.call(given | changed)).items():
            assert same(values, expected[key]), f"{form}: {key}"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_inputs_are_never_modified(name):
    algorithm = ALGORITHMS[name]
    given = {key: values.copy() for key, values in blocks(name, 2, N, 4).items()}  # these could be written to
    before = {key: values.copy() for key, values in given.items()}
    outcome = algorithm.call(given)
    for key, values in given.items():
        assert values.tobytes() == before[key].tobytes(), key
    for key in algorithm.agents:
        values = np.asarray(getattr(outcome, key))
        assert not any(np.shares_memory(values, argument) for argument in given.values()), key


def test_networks_of_whole_numbers_and_of_truths():
    # claims of 1 are the same as integers, as truths and as floats
    ring = np.roll(np.eye(4), 1, axis=1)
    algorithm = ALGORITHMS["clear"]
    expected = algorithm.function(ring, [0.2, 1, 1, 1], 0.5)
    assert expected.is_defaulted.any()
    for kind in (np.int64, np.int8, np.uint16, np.bool_):
        got = algorithm.function(ring.astype(kind), [0.2, 1, 1, 1], 0.5)
        assert got.recovery.tobytes() == expected.recovery.tobytes()
