"""The run threshold of a bank: the global game of Rochet and Vives (2004) with private and public information."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Bool, Float, empty
from sim.contagion.inputs import Inputs
from sim.contagion.outcome import Outcome, settled, statuses
from sim.kernels.special import log_of, normal_cdf_of, normal_quantile_of

_STEPS = 1_100  # halvings after which any bracket of doubles holds two neighbours


@dataclass(frozen=True, eq=False, kw_only=True)
class RunThreshold(Outcome):
    """Below which return on its assets a bank is run down; numbers, or arrays of the shape of the inputs.

    Parameters
    ----------
    threshold : float or float64[...], 1
        :math:`R^*`, the return below which the bank fails, in the equilibrium with the fewest failures.
    worst_threshold : float or float64[...], 1
        The same in the equilibrium with the most failures; equal to `threshold` where the game has one equilibrium.
    illiquidity : float or float64[...], 1
        :math:`R^* - R_s`, the width of the region of solvent banks that fail for want of liquidity.
    withdrawn : float or float64[...], 1
        Share of funding that leaves at :math:`R = R^*`.
    """

    threshold: Any
    worst_threshold: Any
    illiquidity: Any
    withdrawn: Any


def run_threshold(
    liquidity_ratio: npt.ArrayLike,
    fire_sale_premium: npt.ArrayLike,
    withdrawal_threshold: npt.ArrayLike,
    *,
    solvency_threshold: npt.ArrayLike = 1.0,
    private_precision: npt.ArrayLike | None = None,
    public_precision: npt.ArrayLike = 0.0,
    prior_mean: npt.ArrayLike = 0.0,
    allow_uncertified: bool = False,
) -> RunThreshold:
    r"""Solve for the return below which a bank is run down.

    The bank's assets return :math:`R`, of which everybody knows that it is normal with mean :math:`\bar R` and
    precision :math:`\alpha`; each fund manager also sees :math:`s = R + e` with an own error of precision
    :math:`\beta`. A manager withdraws when the bank fails with a probability above :math:`\gamma`. The bank has cash
    for a share m of its runnable debt and sells assets at a discount for the rest, so that it fails when the share x
    withdraws and

    .. math::
        R < R_s \Big( 1 + \lambda \frac{(x - m)^+}{1 - m} \Big).

    Let managers withdraw below the signal :math:`t`, and let the bank fail below :math:`R^*`. Given :math:`s = t`, the
    return is normal with mean :math:`(\alpha \bar R + \beta t) / (\alpha + \beta)` and precision
    :math:`\alpha + \beta`, and the manager who sees :math:`t` is indifferent:

    .. math::
        \Phi\Big( \sqrt{\alpha + \beta} \Big( R^* - \frac{\alpha \bar R + \beta t}{\alpha + \beta} \Big) \Big) = \gamma

    At :math:`R^*` the share :math:`x = \Phi(\sqrt\beta (t - R^*))` withdraws. Without t,

    .. math::
        R^* = R_s \Big( 1 + \lambda \frac{(x(R^*) - m)^+}{1 - m} \Big), \qquad
        x(R) = \Phi\Big( \frac{\alpha}{\sqrt\beta} (R - \bar R)
        - \sqrt{1 + \frac{\alpha}{\beta}} \, \Phi^{-1}(\gamma) \Big)

    With exact private or no public information :math:`x = 1 - \gamma`, hence
    :math:`R^* / R_s = 1 + \lambda (1 - \gamma - m)^+ / (1 - m)`, and no solvent bank is run down when
    :math:`m \ge 1 - \gamma`. A more precise public signal lowers the threshold of a bank with a good prior and raises
    that of a bank with a bad one.

    The right-hand side less the left falls, rises at most once, and falls again; both turning points are known in
    closed form. Each falling piece is searched by bisection down to neighbouring doubles, the signs at both ends of
    the bracket being the certificate. Two equilibria (and a third between) exist only if
    :math:`R_s \lambda \alpha > (1 - m) \sqrt{2 \pi \beta}`.

    Parameters
    ----------
    liquidity_ratio : float or float64[...], 1
        m, cash per unit of runnable debt; from 0 to below 1.
    fire_sale_premium : float or float64[...], 1
        :math:`\lambda`, what a sale under pressure costs; 0 or more.
    withdrawal_threshold : float or float64[...], 1
        :math:`\gamma`, probability of failure above which a manager withdraws; between 0 and 1.
    solvency_threshold : float or float64[...], 1
        :math:`R_s`, the return below which the bank is insolvent without any run; above 0.
    private_precision : float or float64[...] or None, 1
        :math:`\beta`, above 0; None for the limit of exact private information.
    public_precision : float or float64[...], 1
        :math:`\alpha`; 0 for no public information.
    prior_mean : float or float64[...], 1
        :math:`\bar R`; without effect when `public_precision` is 0.
    allow_uncertified : bool
        Return what was reached where rounding left a bracket without a change of sign.

    Returns
    -------
    RunThreshold
        Numbers, or arrays of the common shape of the inputs (arrays must have equal shapes). The residual is the
        width of the bracket in units of :math:`R_s`, the rounds are its halvings; the status is ``"multiple"`` where
        a second equilibrium exists.

    Raises
    ------
    InputError
        Naming argument, index and value of everything that is wrong.
    ConvergenceError
        If a bracket has no change of sign and `allow_uncertified` is false.

    References
    ----------
    Rochet and Vives (2004), "Coordination failures and the lender of last resort", Journal of the European Economic
    Association 2(6), section 4. Vives (2014), "Strategic complementarity, fragility, and regulation", Review of
    Financial Studies 27(12).

    Examples
    --------
    >>> from sim.contagion.global_game import run_threshold
    >>> round(run_threshold(0.1, 0.5, 0.1).threshold, 4)
    1.4444
    >>> good = run_threshold(0.1, 0.5, 0.1, private_precision=400, public_precision=[0.1, 40], prior_mean=1.6)
    >>> good.threshold.round(3).tolist()
    [1.444, 1.406]
    """
    inputs = Inputs()
    given = (liquidity_ratio, fire_sale_premium, withdrawal_threshold, solvency_threshold, public_precision, prior_mean)
    beta: npt.ArrayLike = 1.0 if private_precision is None else private_precision
    shape = next((np.shape(v) for v in (*given, beta) if np.ndim(v) > 0), ())
    m = _below_one(inputs, "liquidity_ratio", liquidity_ratio, shape)
    premium = inputs.numbers("fire_sale_premium", fire_sale_premium, shape, low=0.0, lanes=False)
    gamma = _below_one(inputs, "withdrawal_threshold", withdrawal_threshold, shape, above=True)
    solvent = inputs.numbers("solvency_threshold", solvency_threshold, shape, low=0.0, above=True, lanes=False)
    private = inputs.numbers("private_precision", beta, shape, low=0.0, above=True, lanes=False)
    public = inputs.numbers("public_precision", public_precision, shape, low=0.0, lanes=False)
    prior = inputs.numbers("prior_mean", prior_mean, shape, lanes=False)
    inputs.check()
    flat = [np.atleast_1d(v).ravel() for v in (m, premium, gamma, solvent, private, public, prior)]
    if private_precision is None:  # exact private information leaves no room for public information
        flat[5] = np.zeros(flat[5].size)
    game = _Game(*flat)
    found = game.solve()

    def give(values: npt.NDArray[Any]) -> Any:
        return values.reshape(shape) if shape else values[0].item()

    result = RunThreshold(
        threshold=give(found.low),
        worst_threshold=give(found.high),
        illiquidity=give(found.low - game.solvent),
        withdrawn=give(game.withdrawn(found.low)),
        rounds=give(found.halvings),
        residual=give(found.width / game.solvent),
        status=give(statuses(np.isfinite(found.width), found.multiple)),
    )
    return settled("run_threshold", result, 0.0, allow_uncertified)


@dataclass(frozen=True)
class _Roots:
    """Least and greatest threshold, widths of their brackets, halvings, and whether the two are different."""

    low: Float
    high: Float
    width: Float
    halvings: npt.NDArray[np.int64]
    multiple: Bool


@dataclass(frozen=True)
class _Game:
    """The equation of one game per element."""

    m: Float
    premium: Float
    gamma: Float
    solvent: Float
    private: Float
    public: Float
    prior: Float

    def withdrawn(self, threshold: Float) -> Float:
        """Return the share that withdraws at the threshold; exactly 1 - gamma without public information."""
        slope, offset = self._line()
        share = _apply(normal_cdf_of, slope * (threshold - self.prior) - offset)
        return np.where(self.public > 0.0, share, 1.0 - self.gamma)

    def excess(self, threshold: Float) -> Float:
        """Return the return the bank needs if it is run below this threshold, less the threshold."""
        sold = np.maximum(self.withdrawn(threshold) - self.m, 0.0) / (1.0 - self.m)
        return self.solvent * (1.0 + self.premium * sold) - threshold

    def solve(self) -> _Roots:
        """Search the two falling pieces of `excess`."""
        bottom, top = self.solvent, self.solvent * (1.0 + self.premium)
        falls_to, rises_to = self._turns(bottom, top)
        # With no root on the first falling piece the only one lies beyond the rise, and the other way round.
        first = self.excess(falls_to) <= 0.0
        second = self.excess(rises_to) >= 0.0
        low, width, halvings = self._bisect(np.where(first, bottom, rises_to), np.where(first, falls_to, top))
        high, width_, halvings_ = self._bisect(np.where(second, rises_to, bottom), np.where(second, top, falls_to))
        both = first & second
        return _Roots(
            low,
            np.where(both, high, low),
            np.where(both, np.maximum(width, width_), width),
            np.where(both, np.maximum(halvings, halvings_), halvings),
            both & (high > low),
        )

    def _line(self) -> tuple[Float, Float]:
        """Return slope and offset of the argument of the share that withdraws, as a function of R - prior."""
        offset = np.sqrt(1.0 + self.public / self.private) * _apply(normal_quantile_of, self.gamma)
        return self.public / np.sqrt(self.private), offset

    def _turns(self, bottom: Float, top: Float) -> tuple[Float, Float]:
        """Return where `excess` stops falling and where it stops rising; both `top` where it only falls.

        Its slope is ``steep exp(-z^2 / 2) - 1`` with z the argument of the share, and -1 while cash suffices. There it
        falls from zero, so that nothing is missed by taking no notice of where cash ends.
        """
        slope, offset = self._line()
        steep = self.solvent * self.premium / (1.0 - self.m) * slope / math.sqrt(2.0 * math.pi)
        rises = steep > 1.0
        turn = np.sqrt(2.0 * _apply(log_of, np.where(rises, steep, 1.0)))
        divisor = np.where(rises, slope, 1.0)
        falls_to = np.where(rises, np.clip((offset - turn) / divisor + self.prior, bottom, top), top)
        return falls_to, np.where(rises, np.clip((offset + turn) / divisor + self.prior, bottom, top), top)

    def _bisect(self, low: Float, high: Float) -> tuple[Float, Float, npt.NDArray[np.int64]]:
        """Return a root, the width of its last bracket (infinite without a change of sign) and the halvings."""
        at_low, at_high = self.excess(low), self.excess(high)
        holds = (at_low >= 0.0) & (at_high <= 0.0)
        high = np.where(at_low == 0.0, low, high)
        low = np.where((at_high == 0.0) & (at_low != 0.0), high, low)
        halvings = np.zeros(low.size, dtype=np.int64)
        for _ in range(_STEPS):
            middle = low + 0.5 * (high - low)
            active = holds & (middle > low) & (middle < high)
            if not active.any():
                break
            value = self.excess(middle)
            low = np.where(active & (value >= 0.0), middle, low)
            high = np.where(active & (value <= 0.0), middle, high)
            halvings += active
        return low, np.where(holds, high - low, np.inf), halvings


def _below_one(inputs: Inputs, name: str, value: Any, shape: tuple[int, ...], *, above: bool = False) -> Float:
    """Take in numbers from 0 (or, with `above`, from just above 0) to just below 1."""
    made = inputs.numbers(name, value, shape, low=0.0, high=1.0, above=above, lanes=False)
    for where in np.argwhere(made == 1.0)[:1]:
        at = f"[{', '.join(map(str, where))}]" if np.ndim(value) else ""
        inputs.refuse(name, f"{name}{at} is 1; allowed: less than 1")
    return made


def _apply(kernel: Callable[[Float, Float], None], values: Float) -> Float:
    """Return a scalar function of each element."""
    out = empty(values.size)
    kernel(np.ascontiguousarray(values), out)
    return out
