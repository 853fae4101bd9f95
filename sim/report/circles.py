"""Agents as circles: their names, what the areas stand for, and how large they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arrays import Float
from sim.errors import InputError
from sim.report.text import amount

LARGEST = 9.0
SMALLEST = 1.6
"""Radii, points."""

CROWD = 60
"""Circles from which on all are drawn smaller."""


class Circles(NamedTuple):
    """Who is drawn, and what the area of the circles says.

    Parameters
    ----------
    ids : sequence of str
        Names of the agents.
    size : float64[n] or None
        Amounts, 0 or more; None for equal circles.
    label, unit : str
        What the amounts are, and what they are measured in.
    """

    ids: Sequence[str]
    size: npt.ArrayLike | None = None
    label: str = "total assets"
    unit: str = ""

    def areas(self) -> Float:
        """Return one amount an agent.

        Returns
        -------
        float64[n]
            Those given, or ones.

        Raises
        ------
        InputError
            If there is not one amount an agent, or one is negative or not finite.
        """
        if self.size is None:
            return np.ones(len(self.ids))
        found = np.asarray(self.size, dtype=np.float64).ravel()
        if found.size != len(self.ids):
            raise InputError(f"size: got {found.size} values, allowed: {len(self.ids)}, one for each agent")
        bad = np.flatnonzero(~(np.isfinite(found) & (found >= 0.0)))
        if bad.size:
            raise InputError(f"size[{bad[0]}] is {found[bad[0]]}; allowed: finite numbers of 0 or more")
        return found

    def told(self, areas: Float) -> str:
        """Return what the areas stand for, with the largest.

        Parameters
        ----------
        areas : float64[n_shown]
            Amounts that are shown.

        Returns
        -------
        str
            One line; empty for equal circles.
        """
        if self.size is None or not areas.size:
            return ""
        return f"Circle area: {self.label}, largest {amount(float(areas.max()), self.unit)}"


def radii(areas: Float, most: float = LARGEST) -> Float:
    """Return radii of circles whose areas are in proportion to amounts.

    Parameters
    ----------
    areas : float64[n]
        Any unit, 0 or more.
    most : float
        Radius of the largest where there are few, points.

    Returns
    -------
    float64[n]
        Points; circles too small to be seen are drawn as a dot.
    """
    peak = float(areas.max(initial=0.0))
    most = most * min(1.0, max(0.25, (CROWD / max(1, areas.size)) ** 0.5))
    ratio = areas / peak if peak > 0.0 else np.ones_like(areas)
    return np.asarray(np.maximum(min(SMALLEST, most), most * np.sqrt(ratio)), dtype=np.float64)
