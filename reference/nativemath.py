"""exp, log, sin, cos and pow as this Python's own libm computes them, made total in the manner of IEEE 754.

The same five names and domains as `exactmath`, for measuring how far a system library is from the right
answer and for repeating runs of programs that use it. Not for golden traces: results differ between
libraries by a unit in the last place.
"""

import math
from math import inf, nan

__all__ = ["cos", "exp", "log", "pow", "sin"]

TRIGONOMETRIC_LIMIT = 8.0
EXPONENT_LIMIT = 4096


def exp(x: float) -> float:
    """e**x; inf where it overflows."""
    if x != x:
        return nan
    try:
        return math.exp(x)
    except OverflowError:
        return inf


def log(x: float) -> float:
    """The natural logarithm of x; NaN for x < 0, -inf for either zero."""
    if x > 0.0:
        return math.log(x)
    return -inf if x == 0.0 else nan


def sin(x: float) -> float:
    """sin(x) for |x| <= 8 (radians) or NaN; ValueError otherwise."""
    return math.sin(_angle("sin", x))


def cos(x: float) -> float:
    """cos(x) for |x| <= 8 (radians) or NaN; ValueError otherwise."""
    return math.cos(_angle("cos", x))


def pow(x: float, y: float) -> float:
    """x**y for every x and every integer or half-integer y with |y| <= 4096; ValueError for any other y."""
    if not (-EXPONENT_LIMIT <= y <= EXPONENT_LIMIT and 2.0 * y == int(2.0 * y)):
        raise ValueError(
            f"pow({x!r}, {y!r}): the exponent must be an integer or a half-integer from "
            f"{-EXPONENT_LIMIT} to {EXPONENT_LIMIT}"
        )
    if x != x and y != 0.0:
        return nan
    odd = y % 2.0 == 1.0
    if x == 0.0 and y < 0.0:
        return math.copysign(inf, x) if odd else inf
    if x < 0.0 and x != -inf and y % 1.0 == 0.5:
        return nan
    try:
        return math.pow(x, y)
    except OverflowError:
        return -inf if odd and x < 0.0 else inf


def _angle(name: str, x: float) -> float:
    if x != x:
        return nan
    if -TRIGONOMETRIC_LIMIT <= x <= TRIGONOMETRIC_LIMIT:
        return x
    raise ValueError(f"{name}({x!r}): the argument must lie from -8 to 8; larger angles are not defined here")
