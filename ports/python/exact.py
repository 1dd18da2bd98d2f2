"""exp, log, sin, cos and pow: the double nearest to the true value, found with integers alone.

A number in fixed point is an integer that stands for itself / 2**bits. What rounds is the division of two
integers: in Python it is correct, ties to even, among subnormal numbers too.
"""

from functools import cache
from math import copysign, floor, frexp, inf, isqrt, nan, sqrt

SLACK = 1 << 24  # units of the last place by which a value below may be off; 2**17 is a generous count


def rounded(n, e):
    """n * 2**e, rounded once."""
    try:
        return n / (1 << -e) if e < 0 else float(n << e)
    except OverflowError:
        return inf


def nearest(value, x):
    """Rounds n * 2**e, where value(x, bits) is (n, e), with bits enough that both of its bounds agree."""
    bits = 192
    while True:
        n, e = value(x, bits)
        low, high = rounded(n - SLACK, e), rounded(n + SLACK, e)
        if low == high:
            return low
        bits *= 2


def fixed(x, bits):
    n, d = x.as_integer_ratio()
    return (n << bits) // d


def inverse_arc(sign, n, bits):
    """artanh(1/n) for the sign 1, arctan(1/n) for -1."""
    total, power, k, factor = 0, (1 << bits) // n, 1, 1
    while power:
        total += factor * (power // k)
        power, k, factor = power // (n * n), k + 2, factor * sign
    return total


@cache
def ln2(bits):
    return 2 * inverse_arc(1, 3, bits + 16) >> 16


@cache
def half_pi(bits):
    return 8 * inverse_arc(-1, 5, bits + 16) - 2 * inverse_arc(-1, 239, bits + 16) >> 16


def exp_value(x, bits):
    k, r = divmod(fixed(x, bits), ln2(bits))
    r >>= 12
    total = term = 1 << bits
    n = 1
    while term:
        term = (term * r >> bits) // n
        total += term
        n += 1
    for _ in range(12):
        total = total * total >> bits
    return total, k - bits


def log_value(x, bits):
    m, e = frexp(x)
    if m < 0.75:
        m, e = 2.0 * m, e - 1
    m, one = fixed(m, bits), 1 << bits
    z = (abs(m - one) << bits) // (m + one)
    square = z * z >> bits
    total, n = 0, 1
    while z:
        total += z // n
        z = z * square >> bits
        n += 2
    return e * ln2(bits) + (2 * total if m > one else -2 * total), -bits


def sin_value(x, bits, quarters=0):
    """sin(x + quarters * pi/2) for x >= 0."""
    q, r = divmod(fixed(x, bits), half_pi(bits))
    quadrant = q + quarters
    term, n = (1 << bits, 0) if quadrant & 1 else (r, 1)
    square = r * r >> bits
    total = 0
    while term:
        total += -term if n & 2 else term
        term = (term * square >> bits) // ((n + 1) * (n + 2))
        n += 2
    return -total if quadrant & 2 else total, -bits


def cos_value(x, bits):
    return sin_value(x, bits, quarters=1)


def exp(x):
    if x != x:
        return nan
    if abs(x) > 746.0:
        return inf if x > 0.0 else 0.0
    return 1.0 if abs(x) < 2**-54 else nearest(exp_value, x)


def log(x):
    if 0.0 < x < inf:
        return 0.0 if x == 1.0 else nearest(log_value, x)
    if x == 0.0:
        return -inf
    return inf if x > 0.0 else nan


def sin(x):
    if x != x or abs(x) < 2**-26:
        return x
    return copysign(1.0, x) * nearest(sin_value, abs(x))


def cos(x):
    if x != x:
        return x
    return 1.0 if abs(x) < 2**-27 else nearest(cos_value, abs(x))


def power(x, y):
    """x**y for a finite x > 0: integers, their quotient or root, and a sticky bit for what is left over."""
    n, d = x.as_integer_ratio()
    zeros = (n & -n).bit_length() - 1
    m, q = n >> zeros, zeros - d.bit_length() + 1
    is_root = y != floor(y)
    t = int(2.0 * y) if is_root else int(y)
    n, e = m ** abs(t), q * t
    shift = max(0, 132 - n.bit_length()) if t > 0 else 132 + n.bit_length()
    if is_root:
        shift += (e - shift) % 2
    value, rest = (n << shift, 0) if t > 0 else divmod(1 << shift, n)
    e -= shift
    if is_root:
        root = isqrt(value)
        value, rest, e = root, rest or value - root * root, e // 2
    return rounded(2 * value + (rest > 0), e - 1)


def pow(x, y):
    """x**y for an integer or half-integer y."""
    whole = y == floor(y)
    odd = y % 2.0 == 1.0
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x:
        return nan
    if y == 1.0:
        return x
    if y == 2.0:
        return x * x
    if x == 0.0 or abs(x) == inf:
        size = 0.0 if (x == 0.0) == (y > 0.0) else inf
    elif x < 0.0 and not whole:
        return nan
    elif y == -1.0:
        return 1.0 / x
    elif y == 0.5:
        return sqrt(x)
    else:
        size = power(abs(x), y)
    return copysign(size, x) if odd else size
