"""The matrix of permeabilities as a user's dial: a cell without a kind becomes the walls that usually stand there."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from sim.walls.absorbing import Absorbing
from sim.walls.base import WALLS, Path, Wall
from sim.walls.informational import Informational
from sim.walls.structural import Structural
from sim.walls.substitution import Substitution
from sim.walls.temporal import Temporal

STANDARD: dict[str, tuple[tuple[type[Wall], str], ...]] = {
    "C_C": ((Structural, "interbank"), (Absorbing, "claims")),
    "C_L": ((Informational, "losses"), (Absorbing, "losses")),
    "C_M": ((Absorbing, "losses"),),
    "C_R": ((Informational, "losses"),),
    "L_C": ((Absorbing, "last_resort"),),
    "L_L": ((Temporal, "rollover"),),
    "L_M": ((Absorbing, "cash"),),
    "M_C": ((Structural, "holdings"),),
    "M_L": ((Temporal, "margin"),),
    "M_M": ((Temporal, "sales"),),
    "M_R": ((Informational, "losses"),),
    "O_C": ((Absorbing, "losses"),),
    "O_L": ((Substitution, "payments"),),
    "O_O": ((Substitution, "services"),),
    "O_R": ((Informational, "outages"),),
    "K_C": ((Temporal, "fines"),),
    "K_L": ((Informational, "cases"),),
    "K_O": ((Temporal, "suspension"),),
    "K_R": ((Informational, "cases"),),
    "R_C": ((Absorbing, "losses"),),
    "R_L": ((Informational, "beliefs"),),
    "R_R": ((Informational, "similarity"),),
}
"""Kinds and paths of a cell that says no kind."""

PLACE = {pair: place for place, pair in enumerate(STANDARD)}
"""Order in which the walls of the matrix claim what several of them stand before."""


@WALLS.register("standard")
class Standard(Wall):
    r"""The walls that usually stand in a cell of the matrix, together as permeable as it says.

    n walls in a cell of :math:`\omega` have the permeability :math:`\omega^{1/n}` each.
    """

    permeability: float = Field(default=1.0, ge=0, le=1)
    """Part of what comes that the cell lets through, omega, 1; 1: no wall."""

    paths: ClassVar[tuple[Path, ...]] = tuple(
        next(path for path in kind.paths if path.name == name) for walls in STANDARD.values() for kind, name in walls
    )

    def parts(self) -> tuple[Wall, ...]:
        """Return the walls of the cell.

        Returns
        -------
        tuple of Wall
            With this one's group, trigger and times where they take them.
        """
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        walls = [(kind, name) for kind, name in STANDARD.get(self.between, ()) if self.path in ("", name)]
        made = []
        for number, (kind, name) in enumerate(walls):
            said = given | {"permeability": self.permeability ** (1.0 / len(walls)), "path": name}
            said["cost"] = self.cost if number == 0 else 0.0
            if self.order is None:
                said["order"] = PLACE[self.between]
            if not kind.has_capacity:
                said.pop("capacity", None)
            made.append(kind.model_validate(said))
        return tuple(made)
