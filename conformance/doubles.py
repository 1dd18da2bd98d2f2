"""Doubles as they stand in requests and replies: 16 hex digits, their patterns, and the distance of two."""

from __future__ import annotations

import struct

NAN_BITS = 0x7FF8000000000000


def double_of(word: str) -> float:
    """The double that 16 hex digits spell."""
    number: float = struct.unpack(">d", bytes.fromhex(word))[0]
    return number


def bits_of(word: str) -> int:
    """The pattern of a double on the wire, with one pattern for all NaNs."""
    pattern = int(word, 16)
    return NAN_BITS if (pattern & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000 else pattern


def ulps_between(a: str, b: str) -> int | None:
    """How many doubles lie from one to the other (-0.0 and +0.0 are neighbours); None if just one is NaN."""
    x, y = bits_of(a), bits_of(b)
    if x == y:
        return 0
    if NAN_BITS in (x, y):
        return None
    return abs(_ordered(x) - _ordered(y))


def _ordered(pattern: int) -> int:
    """Patterns as integers that increase with the double: ..., -0.0 is -1, +0.0 is 0, ..."""
    return pattern if pattern < 1 << 63 else -(pattern - (1 << 63)) - 1
