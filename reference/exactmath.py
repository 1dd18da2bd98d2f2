"""Correctly rounded exp, log, sin, cos and pow for IEEE binary64, in plain integer arithmetic.

What correct rounding is.  exp(1.0) is an irrational number; a double can only hold a neighbour of it. The *correctly
rounded* answer is the double nearest to the true value (ties go to the even one). There is exactly one such answer, so
it does not depend on a processor, a system library or a compiler. Libraries are usually right and sometimes off by one
unit in the last place; the functions below are never off. This module is not for speed: a call takes microseconds.

How the rounding is proved.  A function is first computed in fixed point: an integer n stands for n / 2**P, and every
step says how many units of 2**-P it may be wrong. The result is an interval that surely holds the true value.
Rounding is monotone, so if both ends of the interval round to the same double, the true value rounds to it too, and we
are done. If not, P is doubled and the work is done again (Ziv's rule, 1991). The loop ends because the true value is
never itself a double or half-way between two: where it is, which algebra tells, the interval has collapsed to one
exact number. For exp, log, sin and cos only exp(0), log(1), sin(0) and cos(0) are of that kind (theorem of Lindemann);
for pow see there.

Error budget, in units of 2**-P, for P >= 128.  All divisions and shifts round down, by less than 1 unit each.

* Constants and table entries come out of a computation with 64 more bits and are less than 1 unit too small.
* A series in b < 2**-8 gains more than 8 bits with a term, so it has at most P/8 + 1 terms. A term is wrong by what
  the term before passes on (under 1/256 of its error) and two roundings, together under 2.1; what is left out is under
  1. So the sum is wrong by less than 0.27 P + 4.
* exp: x = k ln 2 + i/256 + b. The error of ln 2 enters k times, and the table factor and 2**(r) are below 2:
  less than 2 |k| + 2 (0.27 P + 4) + 4 < 2 |k| + P.
* log: x = 2**k m with 3/4 <= m < 3/2, and m c/256 = 1 + z for a whole number c, 0 <= z < 1/128; then
  log x = k ln 2 - log(c/256) + 2 artanh(z/(2 + z)). The series gains 16 bits with a term and rounds three times:
  less than |k| + 1 + 2 (3 (P/16 + 1) + 1) < |k| + P.
* sin, cos: |x| = q pi/2 + i/256 + b, q < 6. Less than 6 + 2 (the table) + 0.27 P + 4 + 1 < P.
* pow: see `_integer_power`.
"""

import math
from collections.abc import Callable
from functools import cache
from math import inf, nan

__all__ = ["cos", "exp", "log", "pow", "sin"]

FIRST_PRECISION = 128
GUARD_BITS = 64
TABLE_BITS = 8
TRIGONOMETRIC_LIMIT = 8.0
EXPONENT_LIMIT = 4096

# The true value lies between the first two integers (included), times two to the third.
Interval = tuple[int, int, int]


def exp(x: float) -> float:
    """The double nearest to e**x."""
    if x != x:
        return nan
    if -(2.0**-54) <= x <= 2.0**-54:
        return 1.0  # nearer to 1 than the half-way points 1 - 2**-54 and 1 + 2**-53 are
    if x > 710.0:
        return inf
    if x < -746.0:
        return 0.0
    return _round(_exp, x)


def log(x: float) -> float:
    """The double nearest to the natural logarithm of x; NaN for x < 0, -inf for either zero."""
    if x > 0.0:
        if x == 1.0:
            return 0.0
        return _round(_log, x) if x < inf else inf
    return -inf if x == 0.0 else nan


def sin(x: float) -> float:
    """The double nearest to sin(x), for |x| <= 8 (radians) or NaN; ValueError otherwise."""
    if -(2.0**-26) <= x <= 2.0**-26:
        return x  # x**3 / 6 is less than half the distance to the next double
    if -TRIGONOMETRIC_LIMIT <= x <= TRIGONOMETRIC_LIMIT:
        return _round(_sin, x)
    return _outside_circle("sin", x)


def cos(x: float) -> float:
    """The double nearest to cos(x), for |x| <= 8 (radians) or NaN; ValueError otherwise."""
    if -(2.0**-27) <= x <= 2.0**-27:
        return 1.0  # x**2 / 2 is less than the 2**-54 to the half-way point below 1
    if -TRIGONOMETRIC_LIMIT <= x <= TRIGONOMETRIC_LIMIT:
        return _round(_cos, x)
    return _outside_circle("cos", x)


def pow(x: float, y: float) -> float:
    """The double nearest to x**y, for every x and every integer or half-integer y with |y| <= 4096.

    NaN for a negative x (other than -0.0 and -inf) and a half-integer y. ValueError for any other y.
    """
    twice = 2.0 * y
    if not (-EXPONENT_LIMIT <= y <= EXPONENT_LIMIT and twice == int(twice)):
        raise ValueError(
            f"pow({x!r}, {y!r}): the exponent must be an integer or a half-integer from "
            f"{-EXPONENT_LIMIT} to {EXPONENT_LIMIT}"
        )
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x:
        return nan
    # The four basic operations and the square root round correctly by themselves.
    if y == 1.0:
        return x
    if y == 2.0:
        return x * x
    if y == -1.0 and x:
        return 1.0 / x
    if y == 0.5 and x > 0.0:
        return math.sqrt(x)

    odd = y % 2.0 == 1.0
    if x == 0.0 or x in (inf, -inf):
        magnitude = 0.0 if (x == 0.0) == (y > 0.0) else inf
        return math.copysign(magnitude, x) if odd else magnitude
    if x < 0.0 and y % 1.0 == 0.5:
        return nan
    magnitude = _round(_pow, abs(x), int(twice))
    return -magnitude if odd and x < 0.0 else magnitude


def _outside_circle(name: str, x: float) -> float:
    if x != x:
        return nan
    raise ValueError(f"{name}({x!r}): the argument must lie from -8 to 8; larger angles are not defined here")


# --- Rounding -------------------------------------------------------------------------------------------------


def _round(approximate: Callable[..., Interval], *arguments: float) -> float:
    """Ziv's rule: raise the precision until both ends of the interval round to the same double."""
    precision = FIRST_PRECISION
    while True:
        low, high, exponent = approximate(precision, *arguments)
        result = _nearest(low, exponent)
        if low == high or result == _nearest(high, exponent):
            return result
        precision *= 2


def _nearest(n: int, exponent: int) -> float:
    """The double nearest to n * 2**exponent, ties to even, rounded once even where doubles are subnormal."""
    length = n.bit_length()
    cut = min(max(length - 53, -1074 - exponent), length + 2)  # what is cut off by length + 2 bits rounds to zero
    if cut > 0:
        n = (n + (1 << cut - 1) - 1 + (n >> cut & 1)) >> cut
        exponent += cut
    try:
        return math.ldexp(n, exponent)  # exact: n has at most 53 bits and its last one is 2**-1074 or more
    except OverflowError:
        return inf if n > 0 else -inf


def _integer_and_exponent(x: float) -> tuple[int, int]:
    """x as n * 2**e with 2**52 <= |n| < 2**53 (x must be finite and not zero)."""
    fraction, exponent = math.frexp(x)
    return int(fraction * 2.0**53), exponent - 53


def _fixed_point(x: float, precision: int) -> int:
    """x * 2**precision, exactly; callers see to it that x has no bits below 2**-precision."""
    n, exponent = _integer_and_exponent(x)
    return n << exponent + precision


# --- Constants and tables -------------------------------------------------------------------------------------


class _Tables:
    """What one precision P needs: ln 2, pi/2 and values at multiples of 1/256, as integers in units of 2**-P."""

    def __init__(self, precision: int) -> None:
        p = precision + GUARD_BITS
        self.ln2 = 2 * _inverse_series(3, p, 1) >> GUARD_BITS
        self.half_pi = 8 * _inverse_series(5, p, -1) - 2 * _inverse_series(239, p, -1) >> GUARD_BITS  # Machin, 1706

        step = 1 << p - TABLE_BITS
        e, (c, s) = _exp_series(step, p), _cos_sin_series(step, p)
        power, cosine, sine = 1 << p, 1 << p, 0
        self.exp: list[int] = []  # exp(i/256) for i/256 < ln 2
        self.cos_sin: list[tuple[int, int]] = []  # for i/256 < pi/2
        for i in range(403):
            if i < 178:
                self.exp.append(power >> GUARD_BITS)
                power = power * e >> p
            self.cos_sin.append((cosine >> GUARD_BITS, sine >> GUARD_BITS))
            cosine, sine = cosine * c - sine * s >> p, sine * c + cosine * s >> p

        total = -sum(2 * _inverse_series(2 * c + 1, p, 1) for c in range(171, 256))
        self.log: dict[int, int] = {}  # log(c/256) for 171 <= c <= 342
        for c in range(171, 343):
            self.log[c] = total >> GUARD_BITS
            total += 2 * _inverse_series(2 * c + 1, p, 1)


@cache
def _tables(precision: int) -> _Tables:
    return _Tables(precision)


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
    """cos(b) and sin(b) for 0 <= b < 2**-8: the terms of exp(b), dealt out in turn with signs + + - -."""
    sums = [0, 0, 0, 0]
    term, n = 1 << precision, 0
    while term:
        sums[n & 3] += term
        n += 1
        term = (term * b >> precision) // n
    return sums[0] - sums[2], sums[1] - sums[3]


# --- The functions in fixed point -----------------------------------------------------------------------------


def _exp(precision: int, x: float) -> Interval:
    tables = _tables(precision)
    k, r = divmod(_fixed_point(x, precision), tables.ln2)
    i = r >> precision - TABLE_BITS
    b = r - (i << precision - TABLE_BITS)
    n = _exp_series(b, precision) * tables.exp[i] >> precision
    error = 2 * abs(k) + precision
    return n - error, n + error, k - precision


def _log(precision: int, x: float) -> Interval:
    tables = _tables(precision)
    m, k = _integer_and_exponent(x)
    bits = 53 if m >= 3 << 51 else 52  # m / 2**bits lies from 3/4 to 3/2
    k += bits
    c = -(-(256 << bits) // m)
    z = c * m - (256 << bits)
    s = (z << precision) // (z + (512 << bits))
    square = s * s >> precision
    total, term, n = s, s, 1
    while term:
        term = term * square >> precision
        n += 2
        total += term // n
    total = k * tables.ln2 - tables.log[c] + 2 * total
    error = abs(k) + precision
    return total - error, total + error, -precision


def _cos(precision: int, x: float) -> Interval:
    return _quarter_turn(precision, abs(x), 1)


def _sin(precision: int, x: float) -> Interval:
    low, high, exponent = _quarter_turn(precision, abs(x), 0)
    return (low, high, exponent) if x > 0.0 else (-high, -low, exponent)


def _quarter_turn(precision: int, x: float, turns: int) -> Interval:
    """sin(x + turns * pi/2) for x > 0."""
    tables = _tables(precision)
    q, r = divmod(_fixed_point(x, precision), tables.half_pi)
    i = r >> precision - TABLE_BITS
    b = r - (i << precision - TABLE_BITS)
    c, s = _cos_sin_series(b, precision)
    cosine, sine = tables.cos_sin[i]
    quadrant = q + turns
    n = (cosine * c - sine * s if quadrant & 1 else sine * c + cosine * s) >> precision
    if quadrant & 2:
        n = -n
    return n - precision, n + precision, -precision


def _pow(precision: int, x: float, twice: int) -> Interval:
    """x**(twice/2) for x > 0.

    Write x = m * 2**k with m odd, or with k even for a half-integer exponent. An integer power of x is exact, or
    half-way between two doubles, only if m**|y| has at most 54 bits (then nothing was cut off and the interval is one
    number) and, for y < 0, if m = 1. The root of an odd power of x is rational only if m is a square; then it is an
    odd power of the rational number sqrt(x).
    """
    m, k = _integer_and_exponent(x)
    zeros = (m & -m).bit_length() - 1
    m, k = m >> zeros, k + zeros
    root = False
    if twice % 2 == 0:
        n = abs(twice) // 2
    else:
        n = abs(twice)
        if k % 2:
            m, k = 2 * m, k - 1
        r = math.isqrt(m)
        if r * r == m:
            m, k = r, k // 2
        else:
            root = True
    low, high, exponent = _integer_power(m, n, precision)
    exponent += k * n
    if twice < 0:
        if low == high == 1:
            return 1, 1, -exponent
        scale = low.bit_length() + 2 * precision
        low, high, exponent = (1 << scale) // high, (1 << scale) // low + 1, -exponent - scale
    if root:
        shift = max(0, 2 * precision - low.bit_length())
        shift += (exponent - shift) % 2
        low, high, exponent = low << shift, high << shift, exponent - shift
        return math.isqrt(low), math.isqrt(high) + 1, exponent // 2
    return low, high, exponent


def _integer_power(m: int, n: int, precision: int) -> Interval:
    """m**n by repeated squaring, n > 0, keeping the leading P bits.

    Cutting a number to P bits takes away less than one part in 2**(P-1). A square doubles the count of such losses and
    adds one, so m**n suffers at most n - 1 of them: fewer than n parts in 2**(P-1), or 2 n units of the last place.
    """
    result, exponent, error = m, 0, 0
    for bit in bin(n)[3:]:
        result *= result
        exponent *= 2
        if bit == "1":
            result *= m
        cut = result.bit_length() - precision
        if cut > 0:
            result >>= cut
            exponent += cut
            error = 2 * n
    return result, result + error, exponent
