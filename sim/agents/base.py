"""What agents see and decide: one rule a type, for all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from sim.arrays import Float


@dataclass(frozen=True)
class View:
    """What the rule of a type of agent may see, all agents of the type at once.

    Attributes
    ----------
    kind : str
        Type of agent that is asked, such as ``"banks"``.
    """

    kind: ClassVar[str] = ""


@dataclass(frozen=True)
class Decision:
    """What every agent of a type does; each field is a share from 0 to 1, ``float64[n_type, n_lanes]``."""

    def replace(self, **changes: Any) -> Self:
        """Return a decision that differs in the named parts.

        Parameters
        ----------
        **changes : float64[n_type, n_lanes]
            New values by field name.

        Returns
        -------
        Decision
            A copy.
        """
        return replace(self, **changes)


Rule = Callable[[Any], Any]
"""From a view to a decision of the same type of agent."""


def payable(claimed: Float, means: Float) -> Float:
    """Return the share of claims that can be paid.

    Parameters
    ----------
    claimed, means : float64[n, n_lanes], currency
        What is asked for, and what there is.

    Returns
    -------
    float64[n, n_lanes], 1
        ``min(1, means / claimed)``; 1 where nothing is claimed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum(means, 0.0) / claimed
    return np.where(claimed > 0.0, np.minimum(1.0, share), 1.0)
