"""The forms in which a user may hand over one and the same matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from sim.networks.layer import Layer


def matrix_forms(dense: np.ndarray) -> Iterator[tuple[str, Any]]:
    """Name and give every form; the entries must be float32 numbers for all to be the same matrix."""
    n = dense.shape[0]
    padded = np.zeros((2 * n, 2 * n))
    padded[::2, ::2] = dense
    yield "Fortran order", np.asfortranarray(dense)
    yield "float32", dense.astype(np.float32)
    yield "view", padded[::2, ::2]
    yield "list", dense.tolist()
    yield "Layer", Layer.from_matrix("layer", [f"a{k}" for k in range(n)], dense)
    for kind in ("coo", "csc", "csr", "bsr", "dia", "lil", "dok"):
        yield f"{kind}_array", getattr(sparse, f"{kind}_array")(dense)
        yield f"{kind}_matrix", getattr(sparse, f"{kind}_matrix")(dense)
