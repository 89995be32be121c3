"""Elementary functions from `+ - * /` and exact bit moves alone, so that every processor gives the same last digit."""

from __future__ import annotations

from math import sqrt  # exact to the last digit by IEEE-754, unlike the rest of libm

_LN2_HIGH = 0.6931471803691238  # fdlibm's split of ln 2: the high part has trailing zeros
_LN2_LOW = 1.9082149292705877e-10
_SQRT_HALF = 0.7071067811865476


def exp(x: float) -> float:
    """Return e**x, within two units in the last place.

    Args:
        x: in [-700, 700].

    Source:
        Range reduction x = k ln 2 + r as in fdlibm `e_exp.c`, Taylor series on |r| <= 0.35.
    """
    if not -700.0 <= x <= 700.0:
        raise ValueError(f"exp of {x} is outside -700..700")
    k = int(x / 0.6931471805599453 + (0.5 if x >= 0 else -0.5))
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    total, term = 1.0, 1.0
    for n in range(1, 18):
        term = term * r / n
        total += term
    return _scale(total, k)


def log(x: float) -> float:
    """Return the natural logarithm of *x* > 0, within two units in the last place.

    Source:
        x = m 2**k with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh((m-1)/(m+1)) as a series.
    """
    if not x > 0.0:
        raise ValueError(f"log of {x}: must be above 0")
    m, k = _frexp(x)
    if m < _SQRT_HALF:
        m, k = m * 2.0, k - 1
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    total = 0.0
    for n in range(27, 0, -2):
        total = total * square + 1.0 / n
    return k * _LN2_HIGH + (k * _LN2_LOW + 2.0 * s * total)


def power(base: float, exponent: float) -> float:
    """Return *base* ** *exponent* for *base* > 0."""
    return exp(exponent * log(base))


def normal_quantile(p: float) -> float:
    """Return the standard normal variate below which a share *p* of draws falls.

    Args:
        p: in (0, 1).

    Source:
        P. J. Acklam's rational approximation (relative error below 1.15e-9), with `log` and `sqrt` of this module.
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"quantile of {p}: must be inside 0..1")
    if p < 0.02425:
        q = sqrt(-2.0 * log(p))
        return _ratio(_TAIL_NUM, q) / (_ratio(_TAIL_DEN, q) * q + 1.0)
    if p > 1.0 - 0.02425:
        return -normal_quantile(1.0 - p)
    q = p - 0.5
    r = q * q
    return _ratio(_MID_NUM, r) * q / (_ratio(_MID_DEN, r) * r + 1.0)


_MID_NUM = (
    -3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02,
    1.383577518672690e02, -3.066479806614716e01, 2.506628277459239e00,
)  # fmt: skip
_MID_DEN = (
    -5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02,
    6.680131188771972e01, -1.328068155288572e01,
)  # fmt: skip
_TAIL_NUM = (
    -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00,
    -2.549732539343734e00, 4.374664141464968e00, 2.938163982698783e00,
)  # fmt: skip
_TAIL_DEN = (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00)


def _ratio(coefficients: tuple[float, ...], x: float) -> float:
    total = 0.0
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


def _frexp(x: float) -> tuple[float, int]:
    numerator, denominator = x.as_integer_ratio()
    k = numerator.bit_length() - denominator.bit_length()
    m = _scale(x, -k)
    while m >= 1.0:
        m, k = m * 0.5, k + 1
    while m < 0.5:
        m, k = m * 2.0, k - 1
    return m, k


def _scale(x: float, k: int) -> float:
    while k > 1000:
        x, k = x * 2.0**1000, k - 1000
    while k < -1000:
        x, k = x * 2.0**-1000, k + 1000
    return x * (float(1 << k) if k >= 0 else 1.0 / float(1 << -k))
