"""Level 2: single operations on hard bit patterns, and the sums and products in which fused or extended
arithmetic shows.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from random import Random

from conformance.cases.case import (
    GREATEST,
    INF,
    LEAST,
    LEAST_NORMAL,
    NAN,
    SPECIAL,
    Case,
    bad,
    chance,
    from_bits,
    line,
    neighbours,
    round_exactly,
)

BINARY = ("add", "sub", "mul", "div")


def cases() -> Iterator[Case]:
    one = 1.0
    yield Case(
        "example",
        "arith",
        (
            line("add", 0.1, 0.2),
            line("sqrt", 2.0),
            line("muladd", 0.1, 10.0, -1.0),
            line("sum", 1e16, one, -1e16),
        ),
    )
    yield Case("hex-digits", "arith", tuple(line("add", x, -0.0) for x in every_digit_everywhere()))
    for key in BINARY:
        lines = tuple(line(key, x, y) for x, y in product(SPECIAL, repeat=2))
        yield Case(f"{key}-special", "arith", lines)
        source = chance(f"{key}-random")
        patterns = [
            (from_bits(source.getrandbits(64)), from_bits(source.getrandbits(64))) for _ in range(150)
        ]
        yield Case(f"{key}-random-bits", "arith", tuple(line(key, x, y) for x, y in patterns))
        close = [(ordinary(source), ordinary(source)) for _ in range(150)]
        yield Case(f"{key}-ordinary", "arith", tuple(line(key, x, y) for x, y in close))
    yield Case("add-half-way", "arith", tuple(half_way_sums()))
    yield Case("mul-subnormal", "arith", tuple(subnormal_products()))
    yield Case("div-subnormal", "arith", tuple(subnormal_quotients()))
    yield Case("mul-extended", "arith", tuple(twice_rounded("mul", lambda x, y: x * y)))
    yield Case("div-extended", "arith", tuple(twice_rounded("div", lambda x, y: x / y)))
    yield Case("add-extended", "arith", tuple(extended_sums()))
    yield Case("sqrt-special", "arith", tuple(line("sqrt", x) for x in SPECIAL))
    yield Case("sqrt-hard", "arith", tuple(line("sqrt", x) for x in hard_roots()))
    yield Case("muladd-fused", "arith", tuple(fused()))
    yield Case("sum-order", "arith", tuple(sums()))
    yield Case("dot-order", "arith", tuple(dots()))
    yield Case("nan-patterns", "arith", tuple(f"{key} {words}" for key, words in nan_patterns()))
    yield Case("decimals", "arith", tuple(line("decimals", x) for x in printed()))
    yield from bad(
        "arith",
        {
            "no-lines": [],
            "unknown-key": [
                "add 3ff0000000000000 3ff0000000000000",
                "modulo 3ff0000000000000 3ff0000000000000",
            ],
            "upper-case": ["add 3FF0000000000000 3ff0000000000000"],
            "short-double": ["sqrt 3ff000000000000"],
            "long-double": ["sqrt 3ff00000000000000"],
            "decimal-point": ["sqrt 1.00000000000000"],
            "sign": ["sqrt -3ff000000000000"],
            "missing-value": ["add 3ff0000000000000"],
            "too-many-values": ["mul 3ff0000000000000 3ff0000000000000 3ff0000000000000"],
            "empty-sum": ["sum"],
            "odd-dot": ["dot 3ff0000000000000 3ff0000000000000 3ff0000000000000"],
            "two-spaces": ["add  3ff0000000000000 3ff0000000000000"],
            "trailing-space": ["sqrt 3ff0000000000000 "],
            "tab": ["sqrt\t3ff0000000000000"],
            "empty-line": ["", "sqrt 3ff0000000000000"],
            "long-word": ["sqrt " + "3" * 5000],
            "long-key": ["square-root" * 500 + " 3ff0000000000000"],
            "decimals-too-large": [line("decimals", 2.0**53 + 2.0)],
            "decimals-too-small": [line("decimals", -1e300)],
            "decimals-of-two": [line("decimals", 1.0, 1.0)],
        },
    )


def ordinary(source: Random) -> float:
    """A double of either sign between 2^-20 and 2^20 with random bits."""
    return from_bits(
        source.getrandbits(1) << 63 | source.randrange(1003, 1043) << 52 | source.getrandbits(52)
    )


def every_digit_everywhere() -> Iterator[float]:
    """Finite doubles in which each hex digit stands at each of the last 13 places."""
    for digit in range(16):
        yield from_bits(0x3FF << 52 | int(f"{digit:x}" * 13, 16))
        yield from_bits(int("3fe" + "".join(f"{(digit + i) % 16:x}" for i in range(13)), 16))
    for exponent in range(0, 0x7FF, 73):
        yield from_bits(exponent << 52 | 0x123456789ABCD)
        yield from_bits(1 << 63 | exponent << 52 | 0xFEDCBA9876543)


def half_way_sums() -> Iterator[str]:
    for x in (1.0, 1.0 + 2.0**-52, 1.5, 2.0 - 2.0**-52, 2.0**60, 1.0 / 3.0):
        [a, b, c] = neighbours(x, 1)
        unit = c - b
        for part in (0.5, 0.25, 0.75, 0.5 + 2.0**-40, 0.5 - 2.0**-40, 1.5):
            for sign in (1.0, -1.0):
                yield line("add", x, sign * part * unit)
                yield line("sub", a, sign * part * unit)
    for x in (LEAST_NORMAL, LEAST_NORMAL - LEAST, LEAST_NORMAL + LEAST, 3 * LEAST):
        for y in (LEAST, -LEAST, LEAST_NORMAL, -LEAST_NORMAL):
            yield line("add", x, y)
    for y in (GREATEST, 2.0**970, 2.0**969, from_bits((1992 << 52) + 1), -GREATEST):
        yield line("add", GREATEST, y)


def subnormal_products() -> Iterator[str]:
    """Products below the least normal number: fewer bits, and still rounded once."""
    source = chance("mul-subnormal")
    for _ in range(150):
        x = from_bits((source.randrange(1, 600) << 52) | source.getrandbits(52))
        shift = source.randrange(-1074, -1018)
        y = round_exactly(Fraction(2) ** shift / Fraction(x) * (1 + source.randrange(2**20)) / 2**19)
        yield line("mul", x, -y if source.getrandbits(1) else y)
    for x, y in (
        (LEAST, 0.5),
        (LEAST, 0.75),
        (3 * LEAST, 0.5),
        (LEAST_NORMAL, 1.0 - 2.0**-53),
        (1.5 * 2.0**-538, 2.0**-537),
    ):
        yield line("mul", x, y)


def subnormal_quotients() -> Iterator[str]:
    source = chance("div-subnormal")
    for _ in range(100):
        x = from_bits((source.randrange(0, 200) << 52) | source.getrandbits(52))
        y = from_bits((source.randrange(1023, 1200) << 52) | source.getrandbits(52))
        yield line("div", x, y)
    for x, y in (
        (LEAST, 2.0),
        (LEAST, 3.0),
        (3 * LEAST, 2.0),
        (LEAST_NORMAL, 3.0),
        (1.0, GREATEST),
        (1.0, LEAST),
    ):
        yield line("div", x, y)


def rounded_to_64_bits(x: Fraction) -> Fraction:
    """x as the 64-bit extended format holds it (in its normal range), ties to even."""
    exponent = x.numerator.bit_length() - x.denominator.bit_length() - 64
    scaled = x / Fraction(2) ** exponent
    while scaled >= 2**64:
        scaled, exponent = scaled / 2, exponent + 1
    while scaled < 2**63:
        scaled, exponent = scaled * 2, exponent - 1
    return Fraction(round(scaled)) * Fraction(2) ** exponent


def twice_rounded(
    key: str, operation: Callable[[Fraction, Fraction], Fraction], count: int = 60
) -> Iterator[str]:
    """Operands whose result differs if it is rounded to 64 bits first and to 53 afterwards."""
    source = chance(f"{key}-extended")
    found = 0
    while found < count:
        x, y = (1.0 + source.getrandbits(52) * 2.0**-52 for _ in range(2))
        exact = operation(Fraction(x), Fraction(y))
        if round_exactly(rounded_to_64_bits(exact)) != round_exactly(exact):
            found += 1
            yield line(key, x, y)


def extended_sums() -> Iterator[str]:
    """Sums that end just above or below a tie, so that 64 bits make the tie of them."""
    source = chance("add-extended")
    for _ in range(60):
        x = 1.0 + source.getrandbits(52) * 2.0**-52
        yield line("add", x, 2.0**-53 + (1 + source.getrandbits(20)) * 2.0**-90)
        yield line("add", x, 2.0**-53 - (1 + source.getrandbits(20)) * 2.0**-95)


def hard_roots() -> Iterator[float]:
    yield from (
        2.0,
        3.0,
        0.25,
        LEAST,
        3 * LEAST,
        LEAST_NORMAL,
        GREATEST,
        1.0 - 2.0**-53,
        1.0 + 2.0**-52,
        4.0 - 2.0**-51,
    )
    source = chance("sqrt-hard")
    for _ in range(60):
        root = (source.getrandbits(52) | 1 << 52) * 2 + 1  # 54 bits: half-way between two doubles
        yield round_exactly(Fraction(root * root, 2**106))
        number = source.getrandbits(105) | 1 << 105
        yield round_exactly(Fraction(math.isqrt(number) ** 2, 2**104))
    for _ in range(60):
        yield from_bits(source.randrange(0x7FF << 52))


def fused() -> Iterator[str]:
    """x * y + z where one rounding instead of two gives other bits."""
    source = chance("muladd-fused")
    found = 0
    while found < 150:
        x, y = ordinary(source), ordinary(source)
        z = -x * y if found % 3 == 0 else ordinary(source)
        if x * y + z != round_exactly(Fraction(x) * Fraction(y) + Fraction(z)):
            found += 1
            yield line("muladd", x, y, z)
    yield line("muladd", INF, 0.0, 1.0)
    yield line("muladd", GREATEST, 2.0, -GREATEST)
    yield line("muladd", -0.0, 1.0, -0.0)
    yield line("muladd", -0.0, 1.0, 0.0)
    yield line("muladd", LEAST, 0.5, -0.0)


def sums() -> Iterator[str]:
    yield line("sum", -0.0)
    yield line("sum", -0.0, -0.0)
    yield line("sum", NAN, 1.0)
    yield line("sum", INF, -INF)
    yield line("sum", GREATEST, GREATEST, -GREATEST)
    yield line("sum", 1.0, 1e100, 1.0, -1e100)
    yield line("sum", *[0.1] * 10)
    yield line("sum", 1.0, *[2.0**-53] * 8)
    source = chance("sum-order")
    for count in (2, 3, 5, 8, 16, 17, 27, 64, 100, 300):
        for _ in range(4):
            yield line("sum", *(ordinary(source) for _ in range(count)))


def dots() -> Iterator[str]:
    yield line("dot", -0.0, 1.0)
    yield line("dot", INF, 0.0)
    source = chance("dot-order")
    for count in (1, 2, 4, 5, 16, 27, 64, 100):
        for _ in range(5):
            yield line("dot", *(ordinary(source) for _ in range(2 * count)))


def nan_patterns() -> Iterator[tuple[str, str]]:
    """Signalling, negative and full NaNs: every one is read as the quiet NaN."""
    for pattern in ("7ff0000000000001", "fff0000000000001", "7ff7ffffffffffff", "ffffffffffffffff"):
        for other in ("3ff0000000000000", "0000000000000000", pattern):
            yield from ((key, f"{pattern} {other}") for key in BINARY)
        yield "sqrt", pattern
        yield "sum", pattern
        yield "muladd", f"{pattern} {pattern} {pattern}"
        yield "decimals", pattern


def printed() -> Iterator[float]:
    """Ties of four decimals and what lies next to them, both ends, and what a float32 prints differently."""
    yield from (NAN, INF, -INF, 0.0, -0.0, LEAST, -LEAST, LEAST_NORMAL, 1e-5, -1e-5, 2.0**53, -(2.0**53))
    for tie in (0.03125, 0.09375, 0.15625, 2.40625, 1234.53125, 0.5 + 2.0**-5, 2.0**48 + 0.03125):
        for x in neighbours(tie, 1):
            yield from (x, -x)
    for decimal in (0.00005, 0.00015, 0.00025, 2.41265, 2.74145, 1.00005, 3.99995, 9.99995, 99999.99995):
        yield from neighbours(decimal, 1)
    source = chance("decimals")
    for _ in range(60):
        yield source.uniform(0.0, 4.0)
        yield math.ldexp(1.0 + source.random(), source.randrange(-20, 53))
    for _ in range(60):  # odd multiples of 2^-5: each is a tie
        yield (2 * source.randrange(2**30) + 1) / 32.0
