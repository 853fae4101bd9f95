"""Securities as collateral: borrowing against them from investors, and from the central bank as a last resort."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from sim.arrays import Float, empty
from sim.channels.base import Step, TightView
from sim.channels.similarity import assets0
from sim.kernels.runs import pledgeable
from sim.metrics.ratios import classes_of
from sim.shocks.sizes import Part
from sim.state import BANKS, Column, State
from sim.system import System

COLUMNS = (
    Column("repo", "currency", "Borrowed against pledged securities", (BANKS,), liability_to="outside", rank="senior"),
    Column(
        "lolr",
        "currency",
        "Borrowed from the central bank as lender of last resort",
        (BANKS,),
        liability_to="central_bank",
        rank="senior",
    ),
    Column("pledged", "1", "Share of its securities that a bank has pledged", (BANKS,)),
    Column("haircut_rise", "1", "What an event adds to the haircuts that a bank faces", (BANKS,)),
    Column("margin_due", "currency", "Repo that the collateral no longer covers, due in the step", (BANKS,), memo=True),
    Column(
        "lolr_peak", "currency", "Most that the lender of last resort has lent so far", ("central_bank",), memo=True
    ),
)


class Repo(Part):
    """Borrowing against pledged securities; the lenders are outside investors."""

    haircuts: dict[str, float] = Field(default_factory=lambda: {"GOV": 0.02, "PFB": 0.03, "CORP": 0.04, "EQ": 0.15})
    """Haircut by class of securities before any event, 1; classes that are not named are not taken. Farmer et al.
    (2020), PFB assumed."""

    start: float = Field(default=0.0, ge=0, le=1)
    """Share of its other debt to investors that a bank has borrowed in repo before any event, as far as its collateral
    reaches, 1."""

    price_sensitivity: float = Field(default=0.2, ge=0, le=10)
    """What a fall of the price adds to the haircut, chi_a, per unit of the fall. Assumed."""

    borrower_sensitivity: float = Field(default=0.1, ge=0, le=10)
    """What a fall of the value of claims on the borrower adds to it, chi_c, per unit of the fall. Assumed."""

    def __hash__(self) -> int:
        return hash(tuple(tuple(v.items()) if isinstance(v, dict) else v for v in self.__dict__.values()))


class Lender(Part):
    """The lender of last resort."""

    available: bool = True
    """Whether the central bank lends to banks that are short of cash and seem solvent."""

    haircut: float = Field(default=0.2, ge=0, lt=1)
    """Haircut on loans and securities that it takes as collateral, 1. Assumed, 0.1 to 0.4."""

    penalty: float = Field(default=0.01, ge=0, le=1)
    """Interest above the market's, added to the debt, per year. Assumed."""

    test_error: float = Field(default=0.0, ge=0, le=1)
    """Standard deviation of the error of its test of solvency, as a share of the bank's assets, drawn once a run, 1."""

    stigma: float = Field(default=0.0, ge=0, le=100)
    """What is thought worse of a bank that owes it, percentage points of leverage. Assumed."""


def haircuts(system: System, repo: Repo) -> Float:
    """Return the haircut on each asset before any event.

    Parameters
    ----------
    system : System
        Before any event.
    repo : Repo
        Haircuts by class.

    Returns
    -------
    float64[n_assets], 1
        1 for what has no market or is not taken.
    """

    def work_out() -> Float:
        cuts = [repo.haircuts.get(kind, 1.0) for kind in classes_of(system)]
        return np.where(system.traded, np.array(cuts, dtype=np.float64), 1.0)

    found: Float = system.once(("haircuts", repo), work_out)
    return found


def borrowed0(system: System, repo: Repo) -> tuple[Float, Float]:
    """Return what each bank has borrowed in repo before any event, and the share of its securities pledged for it.

    Parameters
    ----------
    system : System
        Before any event.
    repo : Repo
        Holds the share of other debt that it is.

    Returns
    -------
    tuple of float64[n_banks, 1], currency and 1
        Zero where `start` is.
    """

    def work_out() -> tuple[Float, Float]:
        banks, none = system.types[BANKS], np.zeros((system.types[BANKS].stop, 1))
        units, most = np.ascontiguousarray(system.holdings[banks, :, None]), none.copy()
        pledgeable(units, np.ones((len(system.assets), 1)), haircuts(system, repo), 0.0, none, most)
        debt = system.start.get("other_liabilities", np.zeros(len(system.ids)))[banks, None]
        owed = np.minimum(repo.start * debt, most)
        return owed, np.divide(owed, most, out=none.copy(), where=most > 0.0)

    found: tuple[Float, Float] = system.once(("repo", repo), work_out)
    return found


def begin(step: Step, repo: Repo) -> None:
    """Turn a part of the banks' other debt to investors into repo; nobody gains or loses by it.

    Parameters
    ----------
    step : Step
        Before the first one.
    repo : Repo
        How much of it.
    """
    banks = step.state.banks
    owed, pledged = (values * step.on for values in borrowed0(step.system, repo))
    if owed.any():
        step.ledger.settle("other_liabilities", banks, owed, np.zeros_like(owed), "liquidity")
        step.ledger.create("repo", banks, owed, "liquidity")
        step.state.pledged[banks] = pledged
        # the same debt, added up in another order: a quiet step stays quiet to the last bit
        state, people = step.state, step.state.people
        view = TightView(state, state.worth, state.price)
        state.equity0[people], state.solvency0[people] = view.equity[people], view.solvency[people]
        state.played.pop("beliefs", None)


def collateral(step: Step, repo: Repo) -> Float:
    """Return what all securities of each bank would raise in repo, pledged or not.

    Parameters
    ----------
    step : Step
        Where we are.
    repo : Repo
        Haircuts.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        At market prices, after today's haircuts.
    """
    state, banks = step.state, step.state.banks
    extra = state.haircut_rise[banks] + repo.borrower_sensitivity * np.maximum(0.0, 1.0 - state.worth[banks])
    out = empty(banks.stop, state.n_lanes)
    cuts = haircuts(step.system, repo)
    pledgeable(state.units[banks], state.price, cuts, repo.price_sensitivity, extra, out)
    return out


def securities_value(state: State) -> Float:
    """Return the market value of every bank's securities with a market.

    Parameters
    ----------
    state : State
        Now.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        What it has issued does not count.
    """
    out, banks = empty(state.banks.stop, state.n_lanes), state.banks
    haircut = np.where(state.traded, 0.0, 1.0)
    pledgeable(state.units[banks], state.price, haircut, 0.0, np.zeros_like(out), out)
    return out


def pledged_to_lender(state: State, lender: Lender) -> Float:
    """Return which share of its securities each bank has pledged to the central bank, loans being pledged first.

    Parameters
    ----------
    state : State
        Now.
    lender : Lender
        Holds the haircut.

    Returns
    -------
    float64[n_banks, n_lanes], 1
        At most 1.
    """
    banks = state.banks
    if not state.lolr[banks].any():
        return np.zeros((banks.stop, state.n_lanes))
    whole = securities_value(state)
    uncovered = np.maximum(0.0, state.lolr[banks] / (1.0 - lender.haircut) - state.loans[banks])
    return np.minimum(1.0, np.divide(uncovered, whole, out=np.zeros_like(uncovered), where=whole > 0.0))


def pledged_in_repo(state: State, most: Float) -> Float:
    """Return which share of its securities each bank has pledged for repo.

    Parameters
    ----------
    state : State
        Now.
    most : float64[n_banks, n_lanes], currency
        From `collateral`.

    Returns
    -------
    float64[n_banks, n_lanes], 1
        At most 1: what its collateral does not cover is due.
    """
    owed = state.repo[state.banks]
    return np.minimum(1.0, np.divide(owed, most, out=np.where(owed > 0.0, 1.0, 0.0), where=most > 0.0))


def pledge(step: Step, repo: Repo, lender: Lender) -> None:
    """Bring the share of pledged securities in line with what is owed against them.

    Parameters
    ----------
    step : Step
        Where we are.
    repo, lender : Repo, Lender
        Haircuts.
    """
    state, banks = step.state, step.state.banks
    if state.repo.any() or state.lolr.any() or state.pledged.any():
        now = pledged_in_repo(state, collateral(step, repo)) + pledged_to_lender(state, lender)
        now = np.minimum(1.0, now)
        state.pledged[banks] = np.where(step.on > 0.0, now, state.pledged[banks])


def margin_calls(step: Step, repo: Repo, lender: Lender, open_: Float) -> None:
    r"""Note what of its repo each bank must pay back today: :math:`(R_i - K_i)^+`, what its collateral does not cover.

    Parameters
    ----------
    step : Step
        Where we are.
    repo, lender : Repo, Lender
        Haircuts.
    open_ : float64[n_banks, n_lanes], 1
        1 for banks that act.
    """
    state, banks = step.state, step.state.banks
    state.margin_due[banks] = 0.0
    if state.repo[banks].any():
        room = collateral(step, repo) * (1.0 - pledged_to_lender(state, lender))
        state.margin_due[banks] = np.maximum(0.0, state.repo[banks] - room) * open_


def lender_room(step: Step, repo: Repo, lender: Lender) -> Float:
    r"""Return what each bank may still borrow from the lender of last resort.

    .. math::
        (1 - h) (L_i + (1 - \pi_i) S_i) - B_i \quad \text{where } \hat E_i \ge 0

    with loans L, securities S, the share :math:`\pi` pledged for repo, what it owes already B, and its equity as the
    central bank sees it, :math:`\hat E_i = E_i + \sigma A_i(0) \epsilon_i`.

    Parameters
    ----------
    step : Step
        Where we are.
    repo, lender : Repo, Lender
        Whether it lends, and on what terms.

    Returns
    -------
    float64[n_banks, n_lanes], currency
        Not negative.
    """
    state, banks = step.state, step.state.banks
    if not lender.available:
        return np.zeros((banks.stop, state.n_lanes))
    free = 1.0 - pledged_in_repo(state, collateral(step, repo)) if state.repo.any() else 1.0
    room = (1.0 - lender.haircut) * (state.loans[banks] + free * securities_value(state)) - state.lolr[banks]
    seen = state.equity0[banks].copy()
    for source in range(state.loss.shape[0]):
        seen -= state.loss[source, banks]
    if lender.test_error > 0.0 and step.draws is not None:
        error = step.draws.normal("channels.liquidity.solvency_test", state.ids[banks])
        seen += lender.test_error * assets0(step.system)[banks, None] * error
    return np.asarray(np.where(seen >= 0.0, np.maximum(0.0, room), 0.0))
