"""Sums of floats whose bits depend on no interpreter."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from sim.arrays import added, empty, whole

SIM = Path(__file__).resolve().parent.parent / "sim"
PATH = ("agents", "channels", "kernels", "ledger", "metrics", "networks", "shocks", "valuations", "walls")
"""Folders whose sums end up in answers."""


def test_values_are_added_one_after_the_other() -> None:
    # 1 + 1e-16 rounds to 1, ten times; a compensated sum would say 1.000000000000001
    assert added([1.0, *[1e-16] * 10]) == 1.0
    assert added([]) == 0
    assert added(iter([np.array([1.0, 2.0]), np.array([0.5, 0.5])])).tolist() == [1.5, 2.5]
    values = np.random.default_rng(1).lognormal(size=200)
    assert added(values.tolist()) == np.cumsum(values)[-1]


@pytest.mark.parametrize("folder", PATH)
def test_no_answer_goes_through_the_built_in_sum(folder: str) -> None:
    # from Python 3.12 on it compensates rounding: other bits than on 3.11; sim.arrays.added has the same on all
    for path in sorted((SIM / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            used = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum"
            assert not used, f"{folder}/{path.name}:{node.lineno}: sum(), allowed: added() of sim.arrays"


def test_new_arrays_begin_at_a_cache_line():
    for shape in [(1,), (3, 5), (2, 7, 9), (0, 4)]:
        values = empty(*shape)
        assert values.shape == shape
        assert values.ctypes.data % 64 == 0 or not values.size
        assert values.flags.c_contiguous


def test_whole_values_are_at_their_full_size():
    values = np.ones((3, 8))
    assert whole(values, (3, 8)) is values
    assert whole(0.5, (3, 8)).tolist() == [[0.5] * 8] * 3
    assert whole(np.arange(3)[:, None], (3, 2)).tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    assert whole(np.ones((8, 3)).T, (3, 8)).flags.c_contiguous
    with pytest.raises(ValueError, match="broadcast"):
        whole(np.ones((3, 16)), (3, 8))
