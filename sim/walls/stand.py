"""A wall in a run: where it is, whom it shields, what it has taken on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sim.arrays import Bool, Float
from sim.state import State
from sim.walls.base import Path, Wall


@dataclass
class Stand:
    """A wall in a run: where it is, whom it shields, what it has taken on.

    Parameters
    ----------
    wall : Wall
        Its parameters.
    way : Path
        Where it stands.
    source : str
        What its postings go under.
    origin : str
        The channel that what it blocks comes from.
    shields : bool[n_agents, n_lanes]
        Whom.
    holds : float64[n_lanes], 1
        1 in lanes where it stands now.
    left : float64[n_lanes], currency
        What it can still take on.
    assets : float64[n_agents, n_lanes], currency
        Of those it shields, before any event; 0 for others.
    """

    wall: Wall
    way: Path
    source: str
    origin: str
    shields: Bool
    holds: Float
    left: Float
    assets: Float
    memory: dict[str, Float] = field(default_factory=dict)
    """What it keeps from step to step, float64[n_rows, n_lanes], by name."""
    kept: dict[str, Any] = field(default_factory=dict, repr=False)
    """What it has put aside for the length of a phase."""

    def closed(self) -> Float:
        """Return the part of what comes that is blocked, by agent and lane.

        Returns
        -------
        float64[n_agents, n_lanes], 1
            0 for those it does not shield and where it does not stand.
        """
        return (1.0 - self.wall.permeability) * self.holds * self.shields

    def remembered(self, name: str, like: Float) -> Float:
        """Return what is kept under a name, zero at first.

        Parameters
        ----------
        name : str
            Of the stand's own.
        like : float64[n_rows, n_lanes]
            Of the same shape.

        Returns
        -------
        float64[n_rows, n_lanes]
            Changed in place by who asked.
        """
        if name not in self.memory:
            self.memory[name] = like * 0.0
        return self.memory[name]

    def look_through(self, state: State, name: str, seen: Float) -> None:
        """Let those who act in the phase that comes see a column as the wall lets it through.

        Parameters
        ----------
        state : State
            Whose column is replaced until `look_again`.
        name : str
            Column, which nobody writes in that phase.
        seen : float64[n_agents, n_lanes]
            What is seen of it.
        """
        self.kept[name] = state.columns[name]
        state.columns[name] = seen

    def look_again(self, state: State, name: str) -> None:
        """Show a column as it is.

        Parameters
        ----------
        state : State
            Whose column was replaced.
        name : str
            Column.
        """
        state.columns[name] = self.kept.pop(name)


def note(state: State, name: str, amount: Float) -> None:
    """Add to what walls report of a run.

    Parameters
    ----------
    state : State
        Holds it in its memory.
    name : str
        ``wall_cost``, ``wall_absorbed``, ``wall_levied`` or ``wall_lent``.
    amount : float64[n_lanes], currency
        What is added.
    """
    state.memory[name] = state.memory[name] + amount if name in state.memory else amount


def limited(stand: Stand, claim: Float, total: Float) -> Float:
    """Return what a wall takes on of a claim, alike for all where it is exhausted.

    Parameters
    ----------
    stand : Stand
        The wall; what it can still take on is not changed.
    claim : float64[n_rows, n_lanes], currency
        What is asked of it.
    total : float64[n_lanes], currency
        Its sum.

    Returns
    -------
    float64[n_rows, n_lanes], currency
        The claim itself as long as there is enough.
    """
    enough = total <= stand.left
    if enough.all():
        return claim
    share = stand.left.copy()
    share[enough] = 1.0
    share[~enough] /= total[~enough]
    return claim * share
