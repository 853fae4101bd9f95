"""W2: a fund that makes good what one channel took before another feels it, as long as its money lasts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.arrays import Float
from sim.errors import Problem
from sim.ledger.accounts import LAYER, pay_or_owe, put_back
from sim.ledger.balance import summed
from sim.walls.base import DOORS, WALLS, YEAR, Path, Wall
from sim.walls.stand import Stand, limited, note

if TYPE_CHECKING:
    from sim.channels.base import Channel, Step
    from sim.state import State
    from sim.system import System

CLAIMS = Path("claims", ("C_C",), "claims", "what creditors lose on the claims on others as these are cleared")
LOSSES = Path(
    "losses",
    ("C_C", "C_M", "C_L", "C_R", "M_C", "M_M", "M_R", "O_C", "K_C", "R_C"),
    "losses of {a}",
    "equity that agents have lost to the source since the receiving channel last acted",
    (("before", "{b}"),),
)
CASH = Path(
    "cash", ("L_M",), "cash wanted", "cash that banks would raise by selling securities", (("after", "liquidity"),)
)
LAST = Path(
    "last_resort", ("L_C",), "cash wanted", "cash that banks could not raise in any way", (("before", "credit"),)
)


def door(way: Path, pair: str) -> tuple[tuple[str, str], ...]:
    """Return the moments at which a wall acts.

    Parameters
    ----------
    way : Path
        Where it stands.
    pair : str
        Source first, such as ``C_M``.

    Returns
    -------
    tuple of (str, str)
        Side and phase.
    """
    return tuple((when, DOORS[pair[-1]] if phase == "{b}" else phase) for when, phase in way.at)


@WALLS.register("absorbing")
class Absorbing(Wall):
    r"""A guarantee fund, a deposit guarantee, a lender: it pays what was lost, until it has nothing left.

    .. math::
        x_i = (1 - \omega) \, \ell_i \min\Big(1, \frac{F}{(1 - \omega) \sum_k \ell_k}\Big), \qquad
        F \to F - \sum_i x_i

    with the loss :math:`\ell_i` that the source has posted to agent i since the receiving channel last acted. Agents
    get x in cash, and who bears the wall loses it. By a levy :math:`\lambda` those it shields refill the fund, by their
    assets :math:`A_k` before any event, from the step after it has paid until what it has paid (:math:`P`) is back:

    .. math::
        y = \min\Big(P, \frac{\lambda \, \Delta t}{250} \sum_{k \text{ alive}} A_k\Big), \qquad
        y_i = y \, \frac{A_i}{\sum_{k \text{ alive}} A_k}, \qquad F \to F + y, \qquad P \to P - y

    Members of a mutual fund pay all of P back in one step; outside investors lend it until then. Both take money from
    agents while the crisis lasts, so they are procyclical. Between liquidity and the market or credit the wall lends
    instead: cash for what a bank would have to raise by selling, owed to the central bank.

    References
    ----------
    Basel Committee on Banking Supervision (2014), Capital requirements for bank exposures to central counterparties,
    for default funds; European Union (2014), Regulation 806/2014, article 71, for contributions after the event.
    """

    borne_by: Literal["deposit_insurer", "outside", "central_bank", "members"] = "deposit_insurer"
    """Who loses what the fund pays: a public guarantee fund, outside investors, the central bank, or the banks, firms
    and platforms that it shields, by their assets, one step later (a mutual fund). What it lends is always the central
    bank's."""

    levy: float = Field(default=0.0, ge=0, le=1)
    """What those it shields pay to refill the fund after it has paid, share of their assets per year; 0: nobody
    refills it."""

    paths: ClassVar[tuple[Path, ...]] = (CLAIMS, LOSSES, CASH, LAST)
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
        found, odd = [], [("levy", self.levy > 0.0), ("borne_by", self.borne_by == "members")]
        if self.way in (CASH, LAST):
            said = "the wall lends here, and what it lends is owed back; leave it out"
            found += [Problem(f"{key}.{name}: {said}", key=f"{key}.{name}") for name, given in odd if given]
        elif all(given for _, given in odd):
            said = "members pay all of it back in one step, so there is nothing to refill; leave it out"
            text = f"{key}.levy: {said}"
            found.append(Problem(text, key=f"{key}.levy"))
        return found

    def turn(self, stand: Stand, step: Step) -> None:
        """Raise the levy, as long as the fund has paid more than has come back.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            The one that begins.
        """
        owed = stand.memory.get("owed")
        if owed is None or not owed.any():
            return
        base, rows = np.zeros_like(stand.assets), step.state.debtors
        base[rows] = stand.assets[rows] * (step.state.alive[rows] > 0.0)
        whole = summed(base)
        most = (
            np.where(whole > 0.0, np.inf, 0.0) if self.borne_by == "members" else self.levy / YEAR * step.days * whole
        )
        due = np.minimum(owed, most)
        owed -= due
        stand.left = stand.left + due
        self._collect(stand, step, due * np.divide(base, whole, out=np.zeros_like(base), where=whole > 0.0))

    @property
    def payer(self) -> str:
        """The sector whose money it pays out."""
        return "outside" if self.borne_by == "members" else self.borne_by

    def _collect(self, stand: Stand, step: Step, bill: Float) -> None:
        """Bring what members pay to whose money it was."""
        state, ledger = step.state, step.ledger
        received, row = np.zeros_like(bill), state.row(self.payer)
        received[row] = summed(bill)
        pay_or_owe(state, ledger, bill, received, stand.source)
        if self.borne_by == "central_bank":  # reserves that come home are no longer anybody's
            ledger.settle("cash", row, received[row], np.zeros(state.n_lanes), stand.source)
        note(state, "wall_levied", summed(bill[state.banks]))

    def act(self, stand: Stand, step: Step, when: str) -> None:
        """Make good losses, or lend, before the receiving channel acts.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        when : {"before", "after"}
            Side of the phase.
        """
        if stand.way is LOSSES:
            self._make_good(stand, step)
        else:
            self._lend(stand, step)

    def _make_good(self, stand: Stand, step: Step) -> None:
        state, rows = step.state, step.state.debtors
        if stand.origin not in state.sources or step.walls is None:
            return
        made_good = step.walls.made_good(stand.origin)
        net = state.loss[state.sources.index(stand.origin), rows] - made_good[rows]
        level = stand.remembered("level", net)
        new = np.maximum(0.0, net - level) * (state.alive[rows] > 0.0)
        claim = stand.closed()[rows] * new
        paid = self.pay(stand, step, claim)
        # a loss that came back is no loss: what follows counts from there
        np.minimum(level, net, out=level)
        np.maximum(level, net - paid, out=level)

    def pay(self, stand: Stand, step: Step, claim: Float) -> Float:
        """Pay what is claimed as far as there is enough, and note for whom.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        step : Step
            Where we are.
        claim : float64[n_debtors, n_lanes], currency
            What banks, firms and platforms are to get.

        Returns
        -------
        float64[n_debtors, n_lanes], currency
            What they got.
        """
        if not claim.any() or step.walls is None:
            return claim
        rows = step.state.debtors
        paid = limited(stand, claim, summed(claim))
        total = summed(paid)
        stand.left = np.maximum(0.0, stand.left - total)
        step.walls.made_good(stand.origin)[rows] += paid
        self._give(stand, step, paid, total)
        note(step.state, "wall_absorbed", total)
        if self.levy > 0.0 or self.borne_by == "members":
            stand.remembered("owed", total)[...] += total
        return paid

    def _give(self, stand: Stand, step: Step, paid: Float, total: Float) -> None:
        """Post it: cash of who bears the wall, into the accounts of those who keep no reserves."""
        state, ledger, rows = step.state, step.ledger, step.state.debtors
        received = np.zeros((state.n_agents, state.n_lanes))
        received[rows] = paid
        if self.borne_by == "central_bank":
            ledger.create("cash", rows, paid, stand.source)
        else:
            ledger.fund_investors(total, stand.source, self.payer)
            given = np.zeros_like(received)
            given[state.row(self.payer)] = total
            ledger.pay(given, received, stand.source)
        received[state.banks] = 0.0
        if LAYER in state.layers:
            put_back(state, ledger, received, stand.source)

    def _lend(self, stand: Stand, step: Step) -> None:
        """Lend banks what they would have to raise, against what they own."""
        state, banks = step.state, step.state.banks
        claim = stand.closed()[banks] * state.cash_wanted[banks] * (state.alive[banks] > 0.0)
        if not claim.any():
            return
        lent = limited(stand, claim, summed(claim))
        step.ledger.create("lolr", banks, lent, stand.source, for_cash=True)
        state.cash_wanted[banks] -= lent
        total = summed(lent)
        stand.left = np.maximum(0.0, stand.left - total)
        note(state, "wall_lent", total)

    def backing(self, stand: Stand, state: State, short: Float) -> Float:
        """Return what the fund adds to the claims of creditors.

        Parameters
        ----------
        stand : Stand
            The wall in this run.
        state : State
            At the start of the phase.
        short : float64[n_debtors, n_lanes], currency
            What their claims have lost.

        Returns
        -------
        float64[n_debtors, n_lanes], currency
            Grows by at most what a creditor's claims lose, so that clearing stays isotone.
        """
        rows = state.debtors
        claim = stand.closed()[rows] * short * (state.alive[rows] > 0.0)
        return limited(stand, claim, summed(claim))
