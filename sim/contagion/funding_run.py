"""Funding runs: banks short of cash hoard, and their borrowers lose funding (Gai, Haldane and Kapadia 2011)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Csr, Float, Int, empty
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.kernels.pull import pull
from sim.kernels.special import exp_of


@dataclass(frozen=True, eq=False, kw_only=True)
class FundingRun(Outcome):
    """Who hoards, in which wave, and what it does to everybody's liquidity.

    Parameters
    ----------
    is_hoarding : bool[n] or bool[n, n_draws]
        Banks short of liquidity, which withdraw funding from their borrowers.
    wave : int64[n] or int64[n, n_draws]
        Round in which a bank began to hoard; 1 is the direct hit, 0 never.
    liquidity : float64[n] or float64[n, n_draws], currency
        What is left after all withdrawals; negative for a bank that hoards.
    withdrawn : float64[n] or float64[n, n_draws], currency
        Interbank funding each bank has lost.
    lenders_hoarding : float64[n] or float64[n, n_draws], 1
        Share of its interbank funding that comes from lenders that hoard (:math:`\\mu_i`), 0 without such funding.
    gap : float or float64[n_draws] or None, 1
        With `bounds`, 0 where no equilibrium has more hoarding, 1 where one has (or where `max_rounds` were too few to
        rule it out, and the status is not ``"multiple"``); else None.
    """

    is_hoarding: Any
    wave: Any
    liquidity: Any
    withdrawn: Any
    lenders_hoarding: Any
    gap: Any = None


def funding_run(
    exposures: Any,
    liquid_assets: npt.ArrayLike,
    *,
    collateral: npt.ArrayLike = 0.0,
    reverse_repo: npt.ArrayLike = 0.0,
    repo: npt.ArrayLike = 0.0,
    new_funding: npt.ArrayLike = 0.0,
    haircut: npt.ArrayLike = 0.0,
    own_haircut: npt.ArrayLike = 0.0,
    hoarded_share: npt.ArrayLike = 1.0,
    shock: npt.ArrayLike = 0.0,
    hoards_at_zero: bool = False,
    bounds: bool = False,
    max_rounds: int = 10_000,
    allow_uncertified: bool = False,
) -> FundingRun:
    r"""Spread a shortage of liquidity from lenders to borrowers.

    A bank that cannot meet its outflows from what it has and what its collateral raises hoards: it withdraws the share
    :math:`\lambda` of its interbank lending. Bank i hoards when

    .. math::
        A^L_i + (1 - h - h_i) A^C_i + \frac{1 - h - h_i}{1 - h} A^{RR}_i + L^N_i - L^R_i - \varepsilon_i
        - \lambda \mu_i L^{IB}_i < 0,
        \qquad \mu_i L^{IB}_i = \sum_j X_{ji} 1\{j \text{ hoards}\}

    with :math:`X_{ji}` the claim of lender j on borrower i and :math:`L^{IB}_i = \sum_j X_{ji}`. Rounds are synchronous
    and start with nobody hoarding; hoarding never ends, so they stop after at most n + 1 rounds, exactly, at the
    equilibrium with the least hoarding. Funding stress runs against the claims: a borrower is hit by its lenders.

    Parameters
    ----------
    exposures : array_like, SciPy sparse array or matrix, or `sim.Layer`
        ``float64[n, n]``, currency: unsecured interbank claims, row lender, column borrower.
    liquid_assets : float64[n] or float64[n, n_draws], currency
        Cash and fully liquid assets :math:`A^L`; negative for a bank already short.
    collateral, reverse_repo : float64[n] or float64[n, n_draws], currency
        Collateral that can be pledged :math:`A^C`; cash lent against collateral that can be pledged again
        :math:`A^{RR}`.
    repo : float64[n] or float64[n, n_draws], currency
        Repo funding :math:`L^R` to be rolled against that collateral.
    new_funding : float64[n] or float64[n, n_draws], currency
        New unsecured funding that can be raised, :math:`L^N`.
    haircut, own_haircut : float64[n] or float64[n, n_draws], 1
        Aggregate haircut :math:`h`, below 1, and what is added for this bank, :math:`h_i`; together at most 1.
    hoarded_share : float64[n] or float64[n, n_draws], 1
        :math:`\lambda`: share of its interbank lending a bank withdraws when it hoards.
    shock : float64[n] or float64[n, n_draws], currency
        Idiosyncratic outflow :math:`\varepsilon_i`; negative for an inflow.
    hoards_at_zero : bool
        Whether liquidity of exactly zero already makes a bank hoard.
    bounds : bool
        Whether to look for an equilibrium with more hoarding, from everybody hoarding downwards.
    max_rounds : int
        Rounds after which a draw is given up.
    allow_uncertified : bool
        Return what was reached when `max_rounds` did not suffice.

    Returns
    -------
    FundingRun
        In the form of the inputs; its residual is 0 where the rounds came to rest.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.
    ConvergenceError
        If `max_rounds` did not suffice and `allow_uncertified` is false.

    References
    ----------
    Gai, Haldane and Kapadia (2011), "Complexity, concentration and contagion", Journal of Monetary Economics 58,
    section 3.

    Examples
    --------
    Bank 0 lends 6 to bank 1, which lends 4 to bank 2; an outflow of 2 at bank 0 takes the funding of both.

    >>> from sim.contagion.funding_run import funding_run
    >>> run = funding_run([[0, 6, 0], [0, 0, 4], [0, 0, 0]], [1, 5, 4.5], shock=[2, 0, 0])
    >>> run.wave.tolist(), run.liquidity.tolist()
    ([1, 2, 0], [-1.0, -1.0, 0.5])
    >>> funding_run([[0, 6, 0], [0, 0, 4], [0, 0, 0]], [1, 5, 4.5], shock=[2, 0, 0], hoarded_share=0.5).wave.tolist()
    [1, 0, 0]
    """
    inputs = Inputs()
    claims = inputs.network("exposures", exposures)
    n = claims.n_rows
    cash = inputs.numbers("liquid_assets", liquid_assets, n)
    pledged = inputs.numbers("collateral", collateral, n, low=0.0)
    lent = inputs.numbers("reverse_repo", reverse_repo, n, low=0.0)
    owed = inputs.numbers("repo", repo, n, low=0.0)
    raised = inputs.numbers("new_funding", new_funding, n, low=0.0)
    cut = inputs.numbers("haircut", haircut, n, low=0.0, high=1.0)
    own = inputs.numbers("own_haircut", own_haircut, n, low=0.0, high=1.0)
    share = inputs.block(inputs.numbers("hoarded_share", hoarded_share, n, low=0.0, high=1.0))
    outflow_ = inputs.numbers("shock", shock, n)
    max_rounds = inputs.whole("max_rounds", max_rounds, low=1)
    _check_haircuts(inputs, cut, own)
    inputs.check()
    raises = (1.0 - inputs.block(cut)) - inputs.block(own)
    before = inputs.block(cash) + raises * inputs.block(pledged)
    before = before + (raises / (1.0 - inputs.block(cut))) * inputs.block(lent)
    before = ((before + inputs.block(raised)) - inputs.block(owed)) - inputs.block(outflow_)
    funding = claims.transposed()
    state = _Rounds(funding, before, share, hoards_at_zero)
    hoards, wave, rounds, resting = state.play(max_rounds)
    lost = state.withdrawn(hoards)
    gap: Float | None = None
    multiple: Bool | None = None
    if bounds:
        gap, final = state.gap(hoards, max_rounds)
        multiple = final & (gap > 0.0)
    result = FundingRun(
        is_hoarding=inputs.give(hoards),
        wave=inputs.give(wave),
        liquidity=inputs.give(before - lost),
        withdrawn=inputs.give(lost),
        lenders_hoarding=inputs.give(_hoarding_funding(funding, hoards)),
        gap=None if gap is None else inputs.give(gap),
        rounds=inputs.give(rounds),
        residual=inputs.give(np.where(resting, 0.0, 1.0)),
        status=inputs.give(statuses(resting, multiple)),
    )
    return settled("funding_run", result, 0.0, allow_uncertified)


@dataclass(frozen=True)
class _Rounds:
    """Synchronous rounds of hoarding: funding (row borrower, column lender), liquidity before them, share, tie."""

    funding: Csr
    before: Float
    share: Float
    hoards_at_zero: bool

    def withdrawn(self, hoards: Bool) -> Float:
        """Return what the lenders that hoard take from each bank."""
        out = empty(*hoards.shape)
        pull(self.funding.indptr, self.funding.indices, self.funding.weights, self.share * hoards, out)
        return out

    def short(self, hoards: Bool) -> Bool:
        """Return who is short of liquidity when these banks hoard."""
        liquidity = self.before - self.withdrawn(hoards)
        return liquidity <= 0.0 if self.hoards_at_zero else liquidity < 0.0

    def play(self, max_rounds: int) -> tuple[Bool, Int, Int, Bool]:
        """Return who hoards, since which round, rounds played and which lanes came to rest, from nobody hoarding."""
        n, lanes = self.before.shape
        hoards, wave = np.zeros((n, lanes), dtype=np.bool_), np.zeros((n, lanes), dtype=np.int64)
        rounds = np.zeros(lanes, dtype=np.int64)
        active: Bool = np.ones(lanes, dtype=np.bool_)
        for number in range(1, max_rounds + 1):
            new = self.short(hoards) & ~hoards
            wave[new] = number
            hoards |= new
            rounds += active
            active = np.asarray(new.any(axis=0))
            if not active.any():
                break
        return hoards, wave, rounds, ~active

    def gap(self, hoards: Bool, max_rounds: int) -> tuple[Float, Bool]:
        """Return 1 for lanes in which, from everybody hoarding downwards, more banks hoard, and where that is final."""
        worst = np.ones_like(hoards)
        for _ in range(max_rounds):
            short = self.short(worst)
            resting: Bool = np.asarray((short == worst).all(axis=0))
            worst = short
            if resting.all():
                break
        return np.where((worst != hoards).any(axis=0), 1.0, 0.0), resting


def _hoarding_funding(funding: Csr, hoards: Bool) -> Float:
    """Return the share of each bank's interbank funding that comes from lenders that hoard."""
    part, whole = empty(*hoards.shape), empty(*hoards.shape)
    pull(funding.indptr, funding.indices, funding.weights, hoards.astype(np.float64), part)
    pull(funding.indptr, funding.indices, funding.weights, np.ones(hoards.shape), whole)
    return np.divide(part, whole, out=np.zeros(hoards.shape), where=whole > 0.0)


def _check_haircuts(inputs: Inputs, cut: Float, own: Float) -> None:
    """Refuse haircuts that leave collateral worth less than nothing, or nothing to divide by."""
    if inputs.problems:
        return
    if (cut >= 1.0).any():
        where = tuple(int(k) for k in np.argwhere(cut >= 1.0)[0])
        inputs.refuse("haircut", f"haircut[{', '.join(map(str, where))}] is 1; allowed: less than 1")
    both = inputs.block(cut) + inputs.block(own)
    if (both > 1.0).any():
        bank, draw = (int(k) for k in np.argwhere(both > 1.0)[0])
        where_ = f"[{bank}]" if inputs.lanes is None else f"[{bank}, {draw}]"
        total = both[bank, draw]
        inputs.refuse("own_haircut", f"haircut{where_} + own_haircut{where_} is {total:g}; allowed: at most 1")


def outflow(balance: npt.ArrayLike, hazard: npt.ArrayLike, *, duration: npt.ArrayLike = 1.0) -> Any:
    r"""Return what leaves in a time when every unit leaves at a constant hazard.

    .. math::
        W = D \, (1 - e^{-\lambda t})

    Parameters
    ----------
    balance : float or float64[...], currency
        Deposits :math:`D` that may leave.
    hazard : float or float64[...], per day
        Rate :math:`\lambda` at which they leave; 0 or more.
    duration : float or float64[...], days
        How long, :math:`t`; 0 or more.

    Returns
    -------
    float or float64[...], currency
        Arrays must have equal shapes.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.

    Examples
    --------
    A hazard of 0.2877 a day takes a quarter of the deposits in a day, a rate seen at Silicon Valley Bank in 2023.

    >>> round(outflow(100.0, 0.2877), 2)
    25.0
    """
    inputs = Inputs()
    shape = next((np.shape(v) for v in (balance, hazard, duration) if np.ndim(v) > 0), ())
    held = inputs.numbers("balance", balance, shape, low=0.0, lanes=False)
    rate = inputs.numbers("hazard", hazard, shape, low=0.0, lanes=False)
    days = inputs.numbers("duration", duration, shape, low=0.0, lanes=False)
    inputs.check()
    exponent = np.atleast_1d(rate * days)
    left = empty(*exponent.shape)
    exp_of(-exponent.ravel(), left.ravel())
    # 1 - exp(-x) cancels for small x, where five terms of its series are exact to rounding.
    small = exponent * (1.0 - exponent / 2.0 * (1.0 - exponent / 3.0 * (1.0 - exponent / 4.0 * (1.0 - exponent / 5.0))))
    gone = np.where(exponent < 2.0**-10, small, 1.0 - left)
    out = held * gone.reshape(shape)
    return float(out) if out.ndim == 0 else out
