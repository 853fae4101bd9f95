"""Special functions against 60-digit arithmetic written here from their series."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest
from scipy import special as scipy_special

from sim.arrays import Float
from sim.kernels import special

DIGITS = 60
RANDOM = np.random.default_rng(20240229)


@cache
def pi() -> Decimal:
    """Machin's formula."""

    def arctan_inverse(n: int) -> Decimal:
        term = total = Decimal(1) / n
        k = 1
        while abs(term) > Decimal(10) ** -(DIGITS + 5):
            term /= -n * n
            k += 2
            total += term / k
        return total

    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239))


def exact_erfc(t: Decimal) -> Decimal:
    """Series below 4, continued fraction above, reflection below zero."""
    if t < 0:
        return 2 - exact_erfc(-t)
    if t < 4:
        term = total = t
        n = 0
        while abs(term) > Decimal(10) ** -(DIGITS + 5):
            n += 1
            term *= 2 * t * t / (2 * n + 1)
            total += term
        return 1 - 2 / pi().sqrt() * (-t * t).exp() * total
    below = Decimal(0)
    for n in range(int(6000 / (t * t)) + 400, 0, -1):
        below = (Decimal(n) / 2) / (t + below)
    return (-t * t).exp() / (pi().sqrt() * (t + below))


def exact_erf(t: Decimal) -> Decimal:
    return 1 - exact_erfc(t)


def exact_cdf(x: Decimal) -> Decimal:
    return exact_erfc(-x / Decimal(2).sqrt()) / 2


def worst(kernel: Callable[[float], float], exact: Callable[[Decimal], Decimal], points: Iterable[float]) -> float:
    """Largest relative error over the points."""
    with localcontext() as context:
        context.prec = DIGITS
        return max(abs(float(Decimal(kernel(float(x))) / exact(Decimal(float(x))) - 1)) for x in points)


def quantile_error(u: float) -> float:
    """Relative error of the quantile from one Newton step, exact to second order in the error itself."""
    with localcontext() as context:
        context.prec = DIGITS
        z = Decimal(special.normal_quantile(u))
        # The smaller of the two tails, so that no digits cancel.
        gap = exact_cdf(z) - Decimal(u) if u < 0.5 else (1 - Decimal(u)) - exact_cdf(-z)
        density = (-z * z / 2).exp() / (2 * pi()).sqrt()
        return abs(float(gap / density / z))


def signed(low: float, high: float, size: int) -> Float:
    """Points of both signs spread evenly in size's logarithm."""
    size_of: Float = np.exp(RANDOM.uniform(math.log(low), math.log(high), size))
    signs: Float = RANDOM.choice([-1.0, 1.0], size)
    return np.multiply(size_of, signs)


def test_exp_is_exact_to_the_last_bits() -> None:
    points = np.concatenate([RANDOM.uniform(-708, 709.7, 1000), signed(1e-300, 1, 500), [709.782712893384, 1.0]])
    assert worst(special.exp, Decimal.exp, points) < 3e-16


def test_log_is_exact_to_the_last_bits() -> None:
    points = np.concatenate(
        [np.exp(RANDOM.uniform(-700, 700, 500)), 1.0 + signed(1e-15, 0.5, 1000), [5e-324, 1e-310, 1.7e308, 2.0, 0.5]]
    )
    assert worst(special.log, Decimal.ln, points) < 4e-16


def test_normal_cdf_keeps_its_digits_far_in_the_tail() -> None:
    points = np.concatenate([RANDOM.uniform(-37.5, 8, 200), signed(1e-12, 3, 200), [0.0, -37.5, -0.5]])
    assert worst(special.normal_cdf, exact_cdf, points) < 1e-15


def test_erfc_keeps_its_digits_far_in_the_tail() -> None:
    points = np.concatenate([RANDOM.uniform(-6, 26.5, 200), signed(1e-12, 3, 200), [0.0, 26.5]])
    assert worst(special.erfc, exact_erfc, points) < 1e-15


def test_erf_keeps_its_digits_near_zero() -> None:
    points = np.concatenate([signed(1e-3, 6, 300), [0.5, -0.5, 0.49999999999999994]])
    assert worst(special.erf, exact_erf, points) < 1e-15
    assert special.erf(1e-200) == pytest.approx(2e-200 / math.sqrt(math.pi), rel=1e-15)
    assert special.erf(0.0) == 0.0


def test_normal_quantile_is_exact_to_the_last_bits() -> None:
    tails = 10.0 ** RANDOM.uniform(-300, -1, 150)
    upper = 1.0 - 10.0 ** RANDOM.uniform(-15.9, -1, 100)
    edges = [0.075, 0.925, 0.0749999, 0.9250001, math.exp(-25), 1.3e-11, 1.4e-11, 5e-324, 2.0**-53, 1 - 2.0**-53]
    middle = 0.5 + signed(1e-15, 0.42, 150)
    points = np.concatenate([tails, upper, RANDOM.random(200), edges, middle])
    assert max(quantile_error(float(u)) for u in points) < 1e-15


@pytest.mark.parametrize(
    ("kernel", "x", "value"),
    [
        (special.exp, -math.inf, 0.0),
        (special.exp, math.inf, math.inf),
        (special.exp, 710.0, math.inf),
        (special.exp, 1e300, math.inf),
        (special.exp, -746.0, 0.0),
        (special.exp, -745.0, 5e-324),
        (special.exp, 0.0, 1.0),
        (special.exp, -0.0, 1.0),
        (special.log, 0.0, -math.inf),
        (special.log, -0.0, -math.inf),
        (special.log, 1.0, 0.0),
        (special.log, math.inf, math.inf),
        (special.log, -1.0, math.nan),
        (special.log, -math.inf, math.nan),
        (special.normal_cdf, -math.inf, 0.0),
        (special.normal_cdf, math.inf, 1.0),
        (special.normal_cdf, 0.0, 0.5),
        (special.normal_cdf, 1e308, 1.0),
        (special.erf, math.inf, 1.0),
        (special.erf, -math.inf, -1.0),
        (special.erfc, math.inf, 0.0),
        (special.erfc, -math.inf, 2.0),
        (special.erfc, 0.0, 1.0),
        (special.normal_quantile, 0.0, -math.inf),
        (special.normal_quantile, 1.0, math.inf),
        (special.normal_quantile, 0.5, 0.0),
        (special.normal_quantile, -1e-300, math.nan),
        (special.normal_quantile, 1.0000000000000002, math.nan),
        (special.normal_quantile, math.inf, math.nan),
        (special.normal_quantile, -math.inf, math.nan),
    ],
)
def test_ends_of_the_range(kernel: Callable[[float], float], x: float, value: float) -> None:
    assert kernel(x) == value or (math.isnan(value) and math.isnan(kernel(x)))


SCALARS = (special.exp, special.log, special.erf, special.erfc, special.normal_cdf, special.normal_quantile)


@pytest.mark.parametrize("kernel", SCALARS, ids=lambda kernel: str(kernel.__name__))
def test_nan_stays_nan(kernel: Callable[[float], float]) -> None:
    assert math.isnan(kernel(math.nan))


def test_subnormal_results_are_rounded_once() -> None:
    # e^-744 = 9.88e-324 = 2.0000 * 2^-1074
    assert special.exp(-744.0) == math.exp(-744.0)
    assert special.exp(-720.0) == pytest.approx(math.exp(-720.0), rel=1e-11)


ARRAYS = (
    (special.exp_of, special.exp, np.exp, (-30.0, 30.0)),
    (special.log_of, special.log, np.log, (0.0, 9.0)),
    (special.normal_cdf_of, special.normal_cdf, scipy_special.ndtr, (-9.0, 9.0)),
    (special.normal_quantile_of, special.normal_quantile, scipy_special.ndtri, (0.0, 1.0)),
)


@pytest.mark.parametrize(("array", "scalar", "peer", "bounds"), ARRAYS, ids=lambda part: getattr(part, "__name__", ""))
def test_array_forms_are_the_scalar_kernels(
    array: Callable[[Float, Float], None],
    scalar: Callable[[float], float],
    peer: Callable[[Float], Float],
    bounds: tuple[float, float],
) -> None:
    x = RANDOM.uniform(*bounds, 1003)
    out = np.empty_like(x)
    array(x, out)
    assert [float(value) for value in out] == [scalar(float(value)) for value in x]
    np.testing.assert_allclose(out, peer(x), rtol=1e-13)
    # Bits depend neither on the length of the array nor on where it starts, nor on writing in place.
    for start, stop in ((0, 1), (1, 4), (3, 22), (5, 1003)):
        part = x[start:stop].copy()
        array(part, part)
        assert (part == out[start:stop]).all()


def test_symmetry() -> None:
    x = RANDOM.uniform(0, 9, 500)
    assert all(special.erf(-float(v)) == -special.erf(float(v)) for v in x)
    u = RANDOM.integers(1, 2**52, 500) * 2.0**-53
    assert all(special.normal_quantile(1.0 - float(v)) == -special.normal_quantile(float(v)) for v in u)


def test_normal_quantile_is_monotone_across_its_seams() -> None:
    for seam in (0.075, 0.925, math.exp(-25.0)):
        u: Float = np.multiply(seam, 1.0 + np.arange(-2000, 2000) * 2.0**-52, dtype=np.float64)
        z: Float = np.empty_like(u)
        special.normal_quantile_of(u, z)
        # Neighbouring numbers may be rounded either way, not more.
        assert (np.diff(z) > -4e-15 * abs(z[:-1])).all()
