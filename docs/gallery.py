"""Draws the four figures of the README into docs/gallery; run as ``python docs/gallery.py``, same bytes every time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

import sim
from sim.experiments.plots import plot
from sim.report.style import save

FOLDER = Path(__file__).parent / "gallery"
DRAWS, SEED = 1_000, 7


def figures() -> Iterator[tuple[str, Figure]]:
    """Yield name and figure."""
    bonds = sim.run("eu48_sovereign", draws=DRAWS, seed=SEED, record="agents")
    yield "losses", plot(bonds, "standard")
    yield "waterfall", plot(bonds, "waterfall", worst=0.05)
    failures = sim.run("eu48_single_failures", draws=48, seed=SEED)
    yield "cascade", plot(failures, "cascade")
    yield "impact", plot(failures, "impact")


def main() -> None:
    """Write every figure as SVG."""
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures():
        path = save(figure, FOLDER / f"{name}.svg")
        sys.stdout.write(f"docs/gallery/{path.name}\n")


if __name__ == "__main__":
    main()
