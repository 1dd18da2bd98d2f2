"""Correctly rounded exp, log, sin, cos and pow for IEEE binary64, in integer arithmetic and nothing else.

What correct rounding is.  e is irrational, so exp(1.0) is no double; the *correctly rounded* answer is the
double nearest to it, ties going to the even one. There is exactly one such answer for every call, and it
does not depend on a processor, a system library or a compiler. Libraries mostly give it and are sometimes
one unit in the last place off. The functions here always give it. They take microseconds: they are for
being right.

How that is proved.  Numbers are computed in fixed point, where an integer n stands for n / 2**P, and each
step is known to be wrong by at most so many units of 2**-P. The outcome is an interval that is sure to hold
the true value. Rounding is monotone: if both ends of the interval round to the same double, then so does
the true value, and that double is the answer. If they do not, P is doubled and the work is done again (Ziv,
1991). This comes to an end because a true value that is not itself a double, nor half-way between two, is
some distance away from the nearest place where the rounding changes. Where it can be one of those, algebra
says so beforehand: for exp, log, sin and cos only at exp(0) = cos(0) = 1 and log(1) = sin(0) = 0
(Lindemann's theorem), which are answered at once; for pow, see `_pow`: there the interval shrinks to the
one exact number.

What the errors are, in units of 2**-P, P >= 128.  Every shift and every division rounds down, by less than
1.

* Constants and table entries are computed with 64 bits more and then cut: they are off by 1.
* The series for exp(b), cos(b) and sin(b) have b < 2**-8. A term is below 2**-8 of the one before, so that
  there are at most P/8 + 1 of them until they vanish. Each inherits less than 1/256 of the error of the one
  before and is rounded twice: it is off by less than 2. What is left out is below 2. The sum is off by P/4
  + 4 at the most.
* exp: x = k ln 2 + i/256 + b. The error of ln 2 counts k times, and what it spoils, exp(i/256 + b), is
  below 2: 2 |k| + 2 (P/4 + 4) + 4, less than 2 |k| + P.
* log: x = 2**k m with 3/4 <= m < 3/2. Take the least integer c with m c/256 = 1 + z, z >= 0; then z < 2**-7
  and log x = k ln 2 - log(c/256) + 2 artanh(z/(2 + z)). That series gains 16 bits a term and rounds three
  times: |k| + 1 + 2 (3 (P/16 + 1) + 2), less than |k| + P.
* sin, cos: |x| = q pi/2 + i/256 + b with q < 6, then the addition theorem: 5 + 2 + (P/4 + 4) + 1, less than
  P.
* pow: see `_integer_power`.
"""

import math
from collections.abc import Callable
from functools import cache
from math import inf, nan

__all__ = ["cos", "exp", "log", "pow", "sin"]

FIRST_PRECISION = 128
GUARD_BITS = 64
LARGEST_ANGLE = 8.0
LARGEST_EXPONENT = 4096.0

# (low, high, e): the true value is from low * 2**e to high * 2**e; where low == high it is exactly that.
Interval = tuple[int, int, int]


def exp(x: float) -> float:
    """The double nearest to e**x."""
    if -(2.0**-54) <= x <= 2.0**-54:
        return 1.0  # the half-way points around 1 are at 1 - 2**-54 and 1 + 2**-53, and exp(x) > 1 + x
    if -746.0 <= x <= 710.0:
        return _round(_exp, x)
    if x != x:
        return nan
    return inf if x > 0.0 else 0.0


def log(x: float) -> float:
    """The double nearest to the natural logarithm of x; -inf for both zeros, NaN below them."""
    if 0.0 < x < inf:
        return 0.0 if x == 1.0 else _round(_log, x)
    if x == 0.0:
        return -inf
    return inf if x > 0.0 else nan


def sin(x: float) -> float:
    """The double nearest to sin(x), x in radians, for |x| <= 8 and NaN. ValueError for other x."""
    if -(2.0**-26) <= x <= 2.0**-26:
        return x  # the way to sin(x), less than |x|**3 / 6, is less than half the way to the next double
    _check_angle("sin", x)
    return _round(_sin, x) if x == x else nan


def cos(x: float) -> float:
    """The double nearest to cos(x), x in radians, for |x| <= 8 and NaN. ValueError for other x."""
    if -(2.0**-27) <= x <= 2.0**-27:
        return 1.0  # x**2 / 2 <= 2**-55, and it is 2**-54 down to the half-way point below 1
    _check_angle("cos", x)
    return _round(_cos, x) if x == x else nan


def pow(x: float, y: float) -> float:
    """The double nearest to x**y for every x and every integer or half-integer y with |y| <= 4096.

    Special values follow IEEE 754-2019, 9.2.1: pow(x, 0) is 1 even for NaN; a finite x < 0 with a
    half-integer y gives NaN. ValueError for other y.
    """
    if not (-LARGEST_EXPONENT <= y <= LARGEST_EXPONENT and 2.0 * y == int(2.0 * y)):
        raise ValueError(
            f"pow({x!r}, {y!r}): the exponent must be an integer or a half-integer from -4096 to 4096"
        )
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x:
        return nan
    # IEEE arithmetic rounds these correctly by itself.
    if y == 1.0:
        return x
    if y == 2.0:
        return x * x
    if y == -1.0 and x != 0.0:
        return 1.0 / x
    if y == 0.5 and x > 0.0:
        return math.sqrt(x)

    odd = y % 2.0 == 1.0
    if x == 0.0 or x == inf or x == -inf:
        magnitude = 0.0 if (x == 0.0) == (y > 0.0) else inf
    elif x < 0.0 and y % 1.0 == 0.5:
        return nan
    else:
        magnitude = _round(_pow, abs(x), int(2.0 * y))
    return math.copysign(magnitude, x) if odd else magnitude


def interval(function: str, *arguments: float) -> Interval:
    """Two numbers, 2**-180 of the result or less apart, between which the true result of a call lies.

    For measuring how far others are from the truth. The call's result must be no zero, infinity or NaN, its
    arguments no smaller than 2**-60, and the x of pow positive.
    """
    if function == "pow":
        return _pow(2 * FIRST_PRECISION, arguments[0], int(2.0 * arguments[1]))
    approximate = {"exp": _exp, "log": _log, "sin": _sin, "cos": _cos}[function]
    return approximate(2 * FIRST_PRECISION, arguments[0])


def _check_angle(function: str, x: float) -> None:
    if x < -LARGEST_ANGLE or x > LARGEST_ANGLE:
        raise ValueError(f"{function}({x!r}): the angle must be from -8 to 8 radians; reduce it beforehand")


# --- Rounding ---------------------------------------------------------------------------------------------


def _round(approximate: Callable[..., Interval], *arguments: float) -> float:
    """Ziv's rule: raise the precision until both ends of the interval round to the same double."""
    precision = FIRST_PRECISION
    while True:
        low, high, exponent = approximate(precision, *arguments)
        result = _nearest(low, exponent)
        if result == _nearest(high, exponent):
            return result
        precision *= 2


def _nearest(n: int, exponent: int) -> float:
    """The double nearest to n * 2**exponent, ties to even, rounded only once among subnormal doubles too."""
    length = n.bit_length()
    surplus = min(max(length - 53, -1074 - exponent), length + 2)  # more than length + 1 makes a zero anyway
    if surplus > 0:
        tie_breaker = n >> surplus & 1
        n = n + (1 << surplus - 1) - 1 + tie_breaker >> surplus
        exponent += surplus
    try:
        return math.ldexp(n, exponent)  # exact: at most 53 bits, none of them below 2**-1074
    except OverflowError:
        return inf if n > 0 else -inf


def _significand(x: float) -> tuple[int, int]:
    """(n, e) with x = n * 2**e and 2**52 <= n < 2**53, for a finite x > 0."""
    fraction, exponent = math.frexp(x)
    return int(fraction * 2.0**53), exponent - 53


def _fixed_point(x: float, precision: int) -> int:
    """x in units of 2**-precision. Exact, since callers have settled every x below 2**-54 before."""
    fraction, exponent = math.frexp(x)
    return int(fraction * 2.0**53) << precision + exponent - 53


# --- Constants and tables, in units of 2**-precision ------------------------------------------------------


class _Tables:
    """ln 2, pi/2, and the functions at multiples of 1/256."""

    def __init__(self, precision: int) -> None:
        p = precision + GUARD_BITS
        self.ln2 = 2 * _inverse_series(3, p, 1) >> GUARD_BITS
        # Machin, 1706: pi/4 = 4 arctan(1/5) - arctan(1/239)
        self.half_pi = 8 * _inverse_series(5, p, -1) - 2 * _inverse_series(239, p, -1) >> GUARD_BITS

        step = 1 << p - 8
        growth, (c, s) = _exp_series(step, p), _cos_sin_series(step, p)
        power, cosine, sine = 1 << p, 1 << p, 0
        self.exp: list[int] = []  # exp(i/256), i/256 < ln 2
        self.cos_sin: list[tuple[int, int]] = []  # cos(i/256) and sin(i/256), i/256 < pi/2
        for _ in range(178):
            self.exp.append(power >> GUARD_BITS)
            power = power * growth >> p
        for _ in range(403):
            self.cos_sin.append((cosine >> GUARD_BITS, sine >> GUARD_BITS))
            cosine, sine = cosine * c - sine * s >> p, sine * c + cosine * s >> p

        self.log: dict[int, int] = {}  # log(c/256), 2/3 < c/256 < 4/3 + 1/256
        ratio = {c: 2 * _inverse_series(2 * c + 1, p, 1) for c in range(171, 343)}  # log((c + 1)/c)
        total = -sum(ratio[c] for c in range(171, 256))
        for c in ratio:
            self.log[c] = total >> GUARD_BITS
            total += ratio[c]


def _inverse_series(q: int, precision: int, sign: int) -> int:
    """artanh(1/q) for sign = 1, arctan(1/q) for sign = -1."""
    power = (1 << precision) // q
    total, n, factor = 0, 1, 1
    while power:
        total += factor * (power // n)
        power //= q * q
        n += 2
        factor *= sign
    return total


def _exp_series(b: int, precision: int) -> int:
    """exp(b) for 0 <= b < 2**-8."""
    total = term = 1 << precision
    n = 0
    while term:
        n += 1
        term = (term * b >> precision) // n
        total += term
    return total


def _cos_sin_series(b: int, precision: int) -> tuple[int, int]:
    """cos(b) and sin(b) for 0 <= b < 2**-8: the terms of exp(b) dealt out in turn, with signs + + - -."""
    sums = [0, 0, 0, 0]
    term, n = 1 << precision, 0
    while term:
        sums[n & 3] += term
        n += 1
        term = (term * b >> precision) // n
    return sums[0] - sums[2], sums[1] - sums[3]


@cache
def _tables(precision: int) -> _Tables:
    return _Tables(precision)


# Made when the module is loaded, so that no call waits for them. No input is known that needs more than 256.
_tables(FIRST_PRECISION)
_tables(2 * FIRST_PRECISION)


# --- The functions in fixed point -------------------------------------------------------------------------


def _exp(precision: int, x: float) -> Interval:
    tables = _tables(precision)
    k, r = divmod(_fixed_point(x, precision), tables.ln2)
    i = r >> precision - 8
    b = r - (i << precision - 8)
    n = tables.exp[i] * _exp_series(b, precision) >> precision
    error = 2 * abs(k) + precision
    return n - error, n + error, k - precision


def _log(precision: int, x: float) -> Interval:
    tables = _tables(precision)
    m, k = _significand(x)
    bits = 53 if m >= 3 << 51 else 52  # m / 2**bits is from 3/4 to 3/2
    k += bits
    one = 256 << bits
    c = -(-one // m)
    z = c * m - one
    s = (z << precision) // (2 * one + z)
    square = s * s >> precision
    total = term = s
    n = 1
    while term:
        n += 2
        term = term * square >> precision
        total += term // n
    n = k * tables.ln2 - tables.log[c] + 2 * total
    error = abs(k) + precision
    return n - error, n + error, -precision


def _sin(precision: int, x: float) -> Interval:
    n = _sin_quarters(precision, abs(x), 0)
    n = n if x > 0.0 else -n
    return n - precision, n + precision, -precision


def _cos(precision: int, x: float) -> Interval:
    n = _sin_quarters(precision, abs(x), 1)
    return n - precision, n + precision, -precision


def _sin_quarters(precision: int, x: float, quarters: int) -> int:
    """sin(x + quarters * pi/2) for x > 0."""
    tables = _tables(precision)
    q, r = divmod(_fixed_point(x, precision), tables.half_pi)
    i = r >> precision - 8
    b = r - (i << precision - 8)
    c, s = _cos_sin_series(b, precision)
    cosine, sine = tables.cos_sin[i]
    quadrant = q + quarters
    n = (cosine * c - sine * s if quadrant & 1 else sine * c + cosine * s) >> precision
    return -n if quadrant & 2 else n


def _pow(precision: int, x: float, twice_y: int) -> Interval:
    """x**(twice_y / 2) for x > 0.

    Write x = m * 2**k, m odd. For an integer y the power of two is exact and all depends on m**|y|, which
    is odd. An odd number of more than 54 bits is neither a double nor half-way; one of 54 bits or fewer is
    never cut by `_integer_power`, so that its interval is one number. 1 / m**|y| is a finite binary
    fraction only for m = 1. For a half-integer y make k even (m may take a factor 2). If m is a square,
    sqrt(x) is rational and x**y an odd power of it; if not, x**y is irrational.
    """
    m, k = _significand(x)
    zeros = (m & -m).bit_length() - 1
    m, k = m >> zeros, k + zeros
    n = abs(twice_y)
    irrational = False
    if n % 2 == 0:
        n //= 2
    else:
        if k % 2:
            m, k = 2 * m, k - 1
        root = math.isqrt(m)
        irrational = root * root != m
        if not irrational:
            m, k = root, k // 2

    low, high, exponent = _integer_power(m, n, precision)
    exponent += k * n
    if twice_y < 0:
        if m == 1:
            return 1, 1, -exponent
        scale = low.bit_length() + 2 * precision
        low, high, exponent = (1 << scale) // high, (1 << scale) // low + 1, -exponent - scale
    if irrational:
        shift = max(0, 2 * precision - low.bit_length())
        shift += (exponent - shift) % 2
        low, high, exponent = low << shift, high << shift, exponent - shift
        low, high, exponent = math.isqrt(low), math.isqrt(high) + 1, exponent // 2
    return low, high, exponent


def _integer_power(m: int, n: int, precision: int) -> Interval:
    """m**n for n > 0 by repeated squaring, of which P bits are kept.

    A cut to P bits takes away less than one part in 2**(P-1). Squaring doubles the number of cuts that a
    result has suffered, and then there is one more; so m**n has suffered fewer than n. Together they have
    taken away less than n parts in 2**(P-1), that is, less than 2 n units of the last bit kept.
    """
    result, exponent, error = m, 0, 0
    for digit in bin(n)[3:]:
        result *= result
        exponent *= 2
        if digit == "1":
            result *= m
        surplus = result.bit_length() - precision
        if surplus > 0:
            result >>= surplus
            exponent += surplus
            error = 2 * n
    return result, result + error, exponent
