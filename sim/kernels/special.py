"""Exponential, logarithm and the normal law from + - * / and square roots only.

The system's mathematical library gives other bits on other machines and inside vectors; these give the same everywhere,
compiled or not. Measured largest relative errors against 60-digit arithmetic stand in the docstrings.
"""

from __future__ import annotations

import math

import numpy as np

from sim.arrays import Float
from sim.kernels.jit import element, kernel

_LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # 32 bits, so that its product with any exponent is exact
_LN2_LOW = 1.9082149292705877e-10
_LOG2_E = 1.4426950408889634
_SQRT_HALF = 0.7071067811865476
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_ROUNDER = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits
_ROUNDER_BITS = 0x4338000000000000
_SMALLEST_NORMAL = 2.0**-1022

# Coefficients stand highest power first.
_EXP = tuple(1.0 / math.factorial(n) for n in range(13, -1, -1))
_ATANH = tuple(1.0 / (2 * n + 1) for n in range(10, 0, -1))
_ERF = (
    9.422759064650411e-11, -1.2290555301717928e-09, 1.4807192815879218e-08, -1.6365844691234924e-07,
    1.6462114365889248e-06, -1.492565035840625e-05, 0.00012055332981789664, -0.0008548327023450853,
    0.005223977625442188, -0.026866170645131252, 0.11283791670955126, -0.37612638903183754, 1.1283791670955126,
)  # fmt: skip
"""Taylor coefficients of erf(t) / t in t^2."""

_ERFCX = (
    4.2514714447963895e-10, 3.1114333809799254e-10, -5.1739902140113095e-09, -3.744210080962018e-09,
    3.8675334242222354e-08, 2.3263508708859124e-08, -2.5866850716155884e-07, -5.7218230603224086e-08,
    1.751637648849062e-06, -9.73559896736775e-07, -1.1444146237700524e-05, 2.238423915508223e-05,
    5.164909889268241e-05, -0.0002901540805408417, 0.0002937136655913448, 0.0017556258528952954,
    -0.009746579558029276, 0.028362277418956406, -0.05869339858963677, 0.09230432116037748,
    -0.10880393014174886, 0.0822767384901452, 0.0035854154854644293, -0.14024059858554697, 1.2375126308378275,
)  # fmt: skip
"""(1 + 2 t) exp(t^2) erfc(t) in y = (t - 3.75) / (t + 3.75): a Chebyshev interpolant of 64 nodes and 70 digits, cut
after degree 24 (the next coefficient is 2e-18) and written in powers of y."""

_ERFCX_EVEN, _ERFCX_ODD = _ERFCX[0::2], _ERFCX[1::2]

# Wichura (1988), algorithm AS 241, PPND16: centre, tail, far tail; numerators and denominators.
_CENTRE_TOP = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
_CENTRE_BOTTOM = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
_TAIL_TOP = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
    3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
_TAIL_BOTTOM = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
)  # fmt: skip
_FAR_TOP = (
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
    2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
)  # fmt: skip
_FAR_BOTTOM = (
    2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
    1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
)  # fmt: skip


@element
def _bits(x: float) -> int:
    """Return the 64 bits of a number as an integer."""
    return int(np.float64(x).view(np.int64))


@element
def _number(bits: int) -> float:
    """Return the number that has these 64 bits."""
    return float(np.int64(bits).view(np.float64))


@element
def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    """Evaluate by Horner's rule, highest power first."""
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


@element
def _chosen(
    is_centre: bool,
    is_near: bool,
    centre: tuple[float, ...],
    tail: tuple[float, ...],
    far: tuple[float, ...],
    x: float,
) -> float:
    """Evaluate one of three polynomials of degree 7 by Horner's rule, highest power first."""
    value = 0.0
    for k in range(8):
        value = value * x + (centre[k] if is_centre else tail[k] if is_near else far[k])
    return value


@element
def exp(x: float) -> float:
    r"""Return :math:`e^x`.

    :math:`e^x = 2^k e^r` with :math:`|r| \le \ln(2) / 2` and a Taylor polynomial of degree 13 for :math:`e^r`.

    Parameters
    ----------
    x : float
        Any number; above 709.78 gives infinity, below -745.13 gives 0.

    Returns
    -------
    float
        Measured relative error at most 1.7e-16.
    """
    x = float(x)
    within = 0.0 if math.isnan(x) else x
    within = min(max(within, -800.0), 800.0)
    rounded = within * _LOG2_E + _ROUNDER
    power = _bits(rounded) - _ROUNDER_BITS
    whole = rounded - _ROUNDER
    rest = (within - whole * _LN2_HIGH) - whole * _LN2_LOW
    half = power >> 1  # two factors, so that neither leaves the range before the product does
    scaled = _polynomial(_EXP, rest) * _number((half + 1023) << 52) * _number((power - half + 1023) << 52)
    return x if math.isnan(x) else scaled


@element
def log(x: float) -> float:
    r"""Return the natural logarithm.

    :math:`\ln x = k \ln 2 + 2 \,\mathrm{artanh}(s)` with :math:`s = (m - 1) / (m + 1)`, :math:`x = 2^k m` and
    :math:`m` between :math:`\sqrt{1/2}` and :math:`\sqrt{2}`; the series of artanh has eleven terms.

    Parameters
    ----------
    x : float
        Zero gives minus infinity, a negative number NaN.

    Returns
    -------
    float
        Measured relative error at most 3.2e-16.
    """
    x = float(x)
    is_tiny = x < _SMALLEST_NORMAL
    bits = _bits(x * 2.0**54 if is_tiny else x)
    power = (bits - _SQRT_HALF_BITS) >> 52
    reduced = _number(bits - (power << 52)) - 1.0
    whole = float(power - (54 if is_tiny else 0))
    ratio = reduced / (2.0 + reduced) if 0.0 < x < math.inf else 0.0
    square = ratio * ratio
    series = 2.0 * ratio * square * _polynomial(_ATANH, square)
    value = whole * _LN2_HIGH + (2.0 * ratio + (series + whole * _LN2_LOW))
    if 0.0 < x < math.inf:
        return value
    if x == 0.0:
        return -math.inf
    return x if x == math.inf else math.nan


@element
def _erfcx(t: float) -> float:
    """Return exp(t^2) erfc(t) for t >= 0."""
    y = (t - 3.75) / (t + 3.75)
    square = y * y
    return (_polynomial(_ERFCX_EVEN, square) + y * _polynomial(_ERFCX_ODD, square)) / (1.0 + 2.0 * t)


@element
def _exp_minus_square(x: float, factor: float) -> float:
    """Return exp(-factor x^2) for a factor of 1 or 1/2, without the rounding error of the square."""
    high = _number((_bits(x) >> 27) << 27)  # 26 significant bits: the square is exact
    low = -factor * ((x - high) * (x + high))
    return exp(-factor * (high * high)) * (1.0 + low * (1.0 + low * (0.5 + low * (1.0 / 6.0))))


@element
def erfc(x: float) -> float:
    r"""Return the complementary error function :math:`2 \pi^{-1/2} \int_x^\infty e^{-t^2} dt`.

    Parameters
    ----------
    x : float
        Any number.

    Returns
    -------
    float
        Measured relative error at most 7.5e-16, also far in the upper tail (down to the smallest normal number).
    """
    x = float(x)
    size = x if math.isnan(x) else min(abs(x), 40.0)
    tail = _exp_minus_square(size, 1.0) * _erfcx(size)
    return tail if x > 0.0 else 2.0 - tail


@element
def erf(x: float) -> float:
    r"""Return the error function :math:`2 \pi^{-1/2} \int_0^x e^{-t^2} dt`.

    Parameters
    ----------
    x : float
        Any number.

    Returns
    -------
    float
        Measured relative error at most 5.1e-16.
    """
    x = float(x)
    if abs(x) < 0.5:
        return x * _polynomial(_ERF, x * x)
    return 1.0 - erfc(x) if x > 0.0 else erfc(-x) - 1.0


@element
def normal_cdf(x: float) -> float:
    r"""Return the standard normal distribution function :math:`\Phi(x)`.

    Parameters
    ----------
    x : float
        Any number.

    Returns
    -------
    float
        Measured relative error at most 7e-16, also far in the lower tail (down to the smallest normal number).
    """
    x = float(x)
    size = x if math.isnan(x) else min(abs(x), 60.0)
    tail = 0.5 * (_exp_minus_square(size, 0.5) * _erfcx(size * _SQRT_HALF))
    return tail if x < 0.0 else 1.0 - tail


@element
def normal_quantile(u: float) -> float:
    r"""Return the standard normal quantile :math:`\Phi^{-1}(u)`.

    Parameters
    ----------
    u : float
        Probability; 0 and 1 give minus and plus infinity, a number outside [0, 1] gives NaN.

    Returns
    -------
    float
        Measured relative error at most 7.7e-16.

    References
    ----------
    Wichura (1988), "The percentage points of the normal distribution", Applied Statistics 37(3), algorithm AS 241.
    """
    # Coefficients are chosen, not branches: a loop over an array then runs in vector registers.
    u = float(u)
    centred = u - 0.5
    r = math.sqrt(-log(min(u, 1.0 - u)))
    is_centre, is_near = abs(centred) <= 0.425, r <= 5.0
    x = 0.180625 - centred * centred if is_centre else r - 1.6 if is_near else r - 5.0
    top = _chosen(is_centre, is_near, _CENTRE_TOP, _TAIL_TOP, _FAR_TOP, x)
    ratio = top / _chosen(is_centre, is_near, _CENTRE_BOTTOM, _TAIL_BOTTOM, _FAR_BOTTOM, x)
    size = ratio if r < math.inf else r
    return centred * ratio if is_centre else size if centred > 0.0 else -size


@kernel
def exp_of(x: Float, out: Float) -> None:
    """Write `exp` of each element.

    Parameters
    ----------
    x : float64[n]
        Flattened input.
    out : float64[n]
        Overwritten; may be `x`.
    """
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel
def log_of(x: Float, out: Float) -> None:
    """Write `log` of each element.

    Parameters
    ----------
    x : float64[n]
        Flattened input.
    out : float64[n]
        Overwritten; may be `x`.
    """
    for i in range(x.size):
        out[i] = log(x[i])


@kernel
def normal_cdf_of(x: Float, out: Float) -> None:
    """Write `normal_cdf` of each element.

    Parameters
    ----------
    x : float64[n]
        Flattened input.
    out : float64[n], 1
        Overwritten; may be `x`.
    """
    for i in range(x.size):
        out[i] = normal_cdf(x[i])


@kernel
def normal_quantile_of(u: Float, out: Float) -> None:
    """Write `normal_quantile` of each element.

    Parameters
    ----------
    u : float64[n], 1
        Flattened probabilities.
    out : float64[n]
        Overwritten; may be `u`.
    """
    for i in range(u.size):
        out[i] = normal_quantile(u[i])
