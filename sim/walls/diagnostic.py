"""W0: a cut without a destination, to ask what a channel contributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.arrays import Float
from sim.walls.absorbing import LOSSES, Absorbing
from sim.walls.base import WALLS, Path
from sim.walls.stand import Stand

if TYPE_CHECKING:
    from sim.channels.base import Step


@WALLS.register("diagnostic")
class Diagnostic(Absorbing):
    r"""What the source took is given back out of nothing, so money is not conserved: for attribution alone.

    Agents get real assets worth :math:`(1 - \omega) \ell_i` that nobody made. The books still balance, since value that
    nobody owes is the one thing without a counterparty, but the deadweight loss of the run is too low by that amount.
    """

    paths: ClassVar[tuple[Path, ...]] = (LOSSES,)
    conserves: ClassVar[bool] = False

    def _give(self, stand: Stand, step: Step, paid: Float, total: Float) -> None:
        step.ledger.destroy(step.state.debtors, -paid, stand.source)
