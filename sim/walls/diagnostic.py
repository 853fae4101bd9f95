"""W0: a cut without a destination, to ask what a channel contributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sim.arrays import Float
from sim.errors import Problem
from sim.walls.absorbing import LOSSES, Absorbing
from sim.walls.base import WALLS, Path
from sim.walls.stand import Stand

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.system import System


@WALLS.register("diagnostic")
class Diagnostic(Absorbing):
    r"""What the source took is given back out of nothing, so money is not conserved: for attribution alone.

    Agents get real assets worth :math:`(1 - \omega) \ell_i` that nobody made. The books still balance, since value that
    nobody owes is the one thing without a counterparty, but the deadweight loss of the run is too low by that amount.
    """

    paths: ClassVar[tuple[Path, ...]] = (LOSSES,)
    conserves: ClassVar[bool] = False

    def problems(self, channels: Mapping[str, Channel], system: System, key: str) -> list[Problem]:
        """Return why this wall cannot stand in this scenario.

        Parameters
        ----------
        channels : mapping of str to Channel
            Those that act.
        system : System
            What is played on.
        key : str
            Dotted key of the wall.

        Returns
        -------
        list of Problem
            Empty when all is well.
        """
        said = "a diagnostic wall pays out of nothing, so nobody pays in; leave it out"
        odd = [("levy", self.levy > 0.0), ("borne_by", self.borne_by == "members")]
        return [Problem(f"{key}.{name}: {said}", key=f"{key}.{name}") for name, given in odd if given]

    def _give(self, stand: Stand, step: Step, paid: Float, total: Float) -> None:
        step.ledger.destroy(step.state.debtors, -paid, stand.source)
