"""The pull beside the plain SciPy and NumPy lines: results are checked equal, then all are timed in one run.

Read ratios, not times: ``make bench`` prints each line relative to the fastest of its group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from sim.arrays import aligned, csr, empty
from sim.kernels.pull import pull

SIZES = [(48, 47, 32), (1_000, 15, 8), (1_000, 15, 32), (1_000, 15, 64), (10_000, 15, 32)]
"""Agents, mean number of debtors, lanes."""


def lines(n: int, degree: int, n_lanes: int) -> dict[str, Callable[[], Any]]:
    """Return the same product written three ways."""
    random = np.random.default_rng(1)
    matrix = sparse.random_array((n, n), density=min(1.0, degree / n), rng=random, format="csr")
    layer, signal, out = csr(matrix), aligned(random.random((n, n_lanes))), empty(n, n_lanes)

    def ours() -> Any:
        pull(layer.indptr, layer.indices, layer.weights, signal, out)
        return out

    found = {"pull": ours, "scipy": lambda: matrix @ signal}
    if n <= 1_000:
        dense = matrix.toarray()
        found["numpy dense"] = lambda: dense @ signal
    return found


@pytest.mark.parametrize("line", ["pull", "scipy", "numpy dense"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}x{size[2]}")
def bench_pull(benchmark: Any, size: tuple[int, int, int], line: str) -> None:
    written = lines(*size)
    if line not in written:
        pytest.skip("a dense matrix of that size is no candidate")
    np.testing.assert_allclose(written[line](), written["scipy"](), rtol=1e-12)
    benchmark.group = f"{size[0]:,} agents, {size[1]} debtors each, {size[2]} lanes"
    benchmark(written[line])
