"""W3: flows that wait: gates, standstills, circuit breakers, fines in instalments, wind-down periods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.errors import Problem
from sim.ledger.balance import summed
from sim.walls.base import WALLS, Path, Wall
from sim.walls.stand import Stand, limited

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.system import System

ROLLOVER = Path(
    "rollover",
    ("L_L",),
    "overnight claims called",
    "overnight lending that hoarding banks call",
    (("after", "funding"),),
)
REDEMPTIONS = Path("redemptions", ("L_L", "M_L"), "redemptions of fund shares", "fund shares that holders give back")
WITHDRAWALS = Path(
    "withdrawals", ("R_L",), "deposits asked back", "deposits and accounts that are asked back", (("after", "funding"),)
)
MARGIN = Path("margin", ("M_L",), "margin calls", "repo that falls due as collateral falls", (("after", "funding"),))
SALES = Path("sales", ("M_M",), "sales of securities", "securities offered in the market")
FINES = Path("fines", ("K_C", "K_L"), "fines paid", "fines that are to be paid in cash")
SUSPENSION = Path(
    "suspension",
    ("K_O",),
    "service that authorities allow",
    "service that a suspended firm may not give",
    (("before", "service"), ("after", "service")),
)

ASKED = {f"asked_{name}": f"deposits_{name}" for name in ("insured", "uninsured", "wholesale")}
"""Deposits asked back, and those there are."""


@WALLS.register("temporal")
class Temporal(Wall):
    r"""A gate, a standstill, a circuit breaker: a part of the flow passes, the rest waits until the wall comes down.

    .. math::
        f' = \omega f, \qquad q' = q + (1 - \omega) f; \qquad f' = f + q, \; q' = 0 \text{ when it comes down}

    The money that waits stays where it is: a deposit on the books of its bank, an overnight claim on its debtor, a fine
    among the debts of the fined, a share in its fund. Those who see a gate coming leave before it.

    References
    ----------
    Cipriani, Martin, McCabe and Parigi (2014), Federal Reserve Bank of New York Staff Report 670; Li, Li, Macchiavelli
    and Zhou (2021), Review of Financial Studies 34(11).
    """

    anticipation: float = Field(default=0.0, ge=0, le=10)
    """Rate at which holders of fund shares leave when a gate is sure to come (redemptions), lamGate, per day."""

    line: float = Field(default=0.3, ge=0, le=1)
    """Cash and accounts of a fund as a share of its assets below which its gate closes (redemptions), 1. SEC rule
    2a-7 of 2014: 30 %."""

    paths: ClassVar[tuple[Path, ...]] = (ROLLOVER, MARGIN, WITHDRAWALS, SALES, FINES, SUSPENSION, REDEMPTIONS)
    has_capacity: ClassVar[bool] = True

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
        found = []
        if self.way is REDEMPTIONS:
            odd = [name for name in ("among", "trigger", "duration", "capacity") if getattr(self, name)]
            odd += ["delay"] * (self.delay > 0.0) + ["credibility"] * (self.credibility < 1.0)
            said = "a gate of funds closes for each fund when its liquid assets fall below `line`; it takes no"
            found += [Problem(f"{key}.{name}: {said} {name}", key=f"{key}.{name}") for name in odd]
        elif self.anticipation > 0.0:
            text = f"{key}.anticipation acts on path: redemptions only"
            found.append(Problem(text, key=f"{key}.anticipation"))
        if self.capacity is not None and self.way is not WITHDRAWALS:
            text = f"{key}.capacity: only withdrawals wait in a queue that can be full (path: withdrawals)"
            found.append(Problem(text, key=f"{key}.capacity"))
        return found

    def retune(self, channels: Mapping[str, Channel]) -> dict[str, Channel]:
        """Return the channels with the gates of funds in place.

        Parameters
        ----------
        channels : mapping of str to Channel
            Without the wall.

        Returns
        -------
        dict of str to Channel
            Changed where this wall closes the gates of funds.
        """
        made = dict(channels)
        if self.way is REDEMPTIONS:
            liquidity: Any = made["liquidity"]
            gates = {"gates": True, "gate_line": self.line, "gate_pays": self.permeability}
            gates["gate_anticipation"] = self.anticipation
            made["liquidity"] = liquidity.model_copy(update={"funds": liquidity.funds.model_copy(update=gates)})
        return made

    def act(self, stand: Stand, step: Step, when: str) -> None:
        """Let a part of what was asked for in the phase pass, or hide a suspension in part.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        when : {"before", "after"}
            Side of the phase.
        """
        state, banks = step.state, step.state.banks
        if stand.way is SUSPENSION:
            if when == "before":
                stand.look_through(state, "allowed", 1.0 - (1.0 - state.allowed) * (1.0 - stand.closed()))
            else:
                stand.look_again(state, "allowed")
        elif stand.way is MARGIN:
            state.margin_due[banks] *= 1.0 - stand.closed()[banks]
        elif stand.way is ROLLOVER:
            _shares_wait(stand, step, "called")
        else:
            for name, stock in ASKED.items():
                _money_waits(stand, step, name, stock)
            _shares_wait(stand, step, "run")

    def passed(self, stand: Stand, step: Step, amount: Float) -> Float:
        """Return the part of sales or of payments of fines that passes; the rest is offered again in the next step.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        amount : float64[n_rows, n_lanes]
            What comes, by the first rows of the agents.

        Returns
        -------
        float64[n_rows, n_lanes]
            Not more.
        """
        return np.asarray(amount * (1.0 - stand.closed()[: amount.shape[0]]))


def _money_waits(stand: Stand, step: Step, name: str, stock: str) -> None:
    """Hold back a part of deposits asked for; what has waited is asked for once the wall is down."""
    state, banks = step.state, step.state.banks
    asked, there = state.columns[name][banks], state.columns[stock][banks]
    queue = stand.remembered(name, asked)
    if not (asked.any() or queue.any()):
        return
    # those who wait do not ask twice
    fresh = asked * (1.0 - np.divide(np.minimum(queue, there), there, out=np.zeros_like(there), where=there > 0.0))
    back = stand.closed()[banks] * fresh
    back = limited(stand, back, summed(back))
    down = stand.holds <= 0.0
    released = np.where(down, queue, 0.0)
    stand.left = stand.left - summed(back) + summed(released)
    queue += back - released
    queue *= state.alive[banks] > 0.0
    np.minimum(queue, there, out=queue)
    asked[...] = np.minimum(there, fresh - back + released)


def _shares_wait(stand: Stand, step: Step, name: str) -> None:
    """The same for a share of claims that is called."""
    state, banks = step.state, step.state.banks
    asked = state.columns[name][banks]
    queue = stand.remembered(name, asked)
    if not (asked.any() or queue.any()):
        return
    back = stand.closed()[banks] * asked
    down = stand.holds <= 0.0
    passing = 1.0 - (1.0 - (asked - back)) * (1.0 - np.where(down, queue, 0.0))
    # what has been called since is no longer there to be called
    queue += back * (1.0 - queue)
    queue *= (state.alive[banks] > 0.0) & ~down
    asked[...] = np.where(down & (state.alive[banks] > 0.0), passing, asked - back)
