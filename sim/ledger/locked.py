"""A state that shows the same numbers and cannot be written to."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from sim.state import State

FLAGS = ("is_defaulted", "ordered_to_fail")
"""Columns that are no money and may be set directly."""


def locked(array: Any) -> Any:
    """Return a view of an array that cannot be written to.

    Parameters
    ----------
    array : array
        Any; what is no array is returned as it is.

    Returns
    -------
    array
        The same memory.
    """
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def read_only(state: State) -> State:
    """Return a state that shows the same numbers and cannot be written to, flags apart.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    State
        It follows every later entry.
    """
    twin = copy.copy(state)
    for name, value in vars(state).items():
        setattr(twin, name, locked(value))
    twin.columns = {name: values if name in FLAGS else locked(values) for name, values in state.columns.items()}
    twin.layers = {name: copy.copy(claims) for name, claims in state.layers.items()}
    for claims in twin.layers.values():
        claims.kept, claims.drawn = locked(claims.kept), locked(claims.drawn)
    return twin
