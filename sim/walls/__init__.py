"""Walls: what stands between channels, one kind a file; `base` is the contract, `standing` a run's."""

from sim.walls import absorbing, diagnostic, informational, matrix, structural, substitution, temporal
from sim.walls.base import LETTERS, WALLS, Trigger, Wall
from sim.walls.placed import Named, misplaced, problems
from sim.walls.standing import Walls, raised, rebuilt, retuned, sources

__all__ = [
    "LETTERS",
    "WALLS",
    "Named",
    "Trigger",
    "Wall",
    "Walls",
    "absorbing",
    "diagnostic",
    "informational",
    "matrix",
    "misplaced",
    "problems",
    "raised",
    "rebuilt",
    "retuned",
    "sources",
    "structural",
    "substitution",
    "temporal",
]
