"""A figure that a notebook shows without being told how."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from sim.report.style import language

SCREEN = 110
"""Dots an inch in a notebook."""


class Shown(Figure):
    """A matplotlib figure that belongs to no window and is its own picture."""

    def _repr_png_(self) -> bytes:
        held = io.BytesIO()
        with language():
            self.savefig(held, format="png", dpi=SCREEN)
        return held.getvalue()
