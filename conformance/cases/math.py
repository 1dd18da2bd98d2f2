"""Level 3: exp, log, sin, cos and pow, each correctly rounded, on special, random and hard arguments."""

import math
from collections.abc import Iterator
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
from conformance.hard_inputs import HARD_INPUTS
from reference.protocol.wire import hexadecimal

HALF_PI = "1.5707963267948966192313216916397514420985846996875529104874722961539082"
TRAINING_POWERS = {
    "inverse": -1.0,
    "inverse-square": -2.0,
    "inverse-root": -0.5,
    "inverse-root-cubed": -1.5,
    "root": 0.5,
    "square": 2.0,
}


def cases() -> Iterator[Case]:
    yield Case(
        "example",
        "math",
        (
            "math exact",
            line("exp", 1.0),
            line("log", 10.0),
            line("sin", 0.5),
            line("cos", 0.5),
            line("pow", 2.0, -0.5),
        ),
    )
    for name in ("exp", "log", "sin", "cos"):
        special = [x for x in SPECIAL if name in ("exp", "log") or not abs(x) > 8.0]
        yield case(f"{name}-special", [(name, x) for x in special])
        yield case(f"{name}-hard", [(name, from_bits(bits)) for bits in HARD_INPUTS[name]])
    yield case("pow-hard", [("pow", from_bits(x), from_bits(y)) for x, y in HARD_INPUTS["pow"]])

    source = chance("math")
    yield case("exp-random", [("exp", source.uniform(-40.0, 40.0)) for _ in range(250)])
    yield case("exp-softmax", [("exp", -20.0 * source.random() * source.random()) for _ in range(250)])
    yield case("exp-extremes", [("exp", x) for x in exp_extremes(source)])
    yield case("exp-near-zero", [("exp", x) for x in near_zero(source)])
    yield case("log-random", [("log", any_positive(source)) for _ in range(250)])
    yield case("log-probabilities", [("log", source.random()) for _ in range(250)])
    yield case("log-near-one", [("log", x) for x in near_one(source)])
    yield case(
        "log-subnormal",
        [("log", LEAST * source.randrange(1, 1 << source.randrange(1, 52))) for _ in range(100)],
    )
    for name in ("sin", "cos"):
        yield case(f"{name}-random", [(name, source.uniform(-8.0, 8.0)) for _ in range(250)])
        yield case(f"{name}-near-multiples", [(name, x) for x in near_multiples_of_half_pi()])
        yield case(f"{name}-near-zero", [(name, x) for x in near_zero(source)])
    yield case("cos-schedule", [("cos", 3.141592653589793 * s / 500.0) for s in range(0, 500, 3)])
    for name, y in TRAINING_POWERS.items():
        yield case(f"pow-{name}", [("pow", x, y) for x in bases(source, y)])
    yield case("pow-special", [("pow", x, y) for x, y in product(SPECIAL, special_exponents())])
    yield case(
        "pow-betas", [("pow", beta, float(s)) for beta in (0.85, 0.9, 0.95, 0.99, 0.999) for s in steps()]
    )
    yield case("pow-random", [("pow", *random_power(source)) for _ in range(250)])
    yield case("pow-exact", [("pow", x, y) for x, y in exact_powers()])
    yield case("pow-half-way", [("pow", x, y) for x, y in half_way_powers(source)])
    yield case("pow-extremes", [("pow", x, y) for x, y in extreme_powers(source)])
    yield Case("signalling-nan", "math", ("math exact", *signalling_nans()))
    yield from bad(
        "math",
        {
            "no-lines": ["math exact"],
            "no-math": [line("exp", 1.0)],
            "math-kind": ["math fast", line("exp", 1.0)],
            "unknown-function": ["math exact", line("tan", 1.0)],
            "two-arguments": ["math exact", line("exp", 1.0, 1.0)],
            "missing-exponent": ["math exact", line("pow", 1.0)],
            "sin-outside": ["math exact", line("sin", 8.000000000000002)],
            "cos-infinite": ["math exact", line("cos", INF)],
            "pow-quarter": ["math exact", line("pow", 2.0, 0.25)],
            "pow-nan": ["math exact", line("pow", 1.0, NAN)],
            "native-wrong-line": ["math native", "exp 1.0"],
            "pow-outside": ["math exact", line("pow", 1.0, 4096.5)],
        },
    )


def case(name: str, calls: list[tuple[object, ...]]) -> Case:
    return Case(name, "math", ("math exact", *(line(*map(str, call[:1]), *call[1:]) for call in calls)))


def signalling_nans() -> Iterator[str]:
    """What a NaN may look like when it is read; to the power 0 each is 1."""
    for pattern in ("7ff0000000000001", "fff0000000000001", "7ff8000000000001", "ffffffffffffffff"):
        yield from (f"{key} {pattern}" for key in ("exp", "log", "sin", "cos"))
        yield from (f"pow {pattern} {hexadecimal(y)}" for y in (0.0, -0.0, 1.0, -1.0, 0.5, 2.0))


def any_positive(source: Random) -> float:
    return from_bits(source.randrange(1, 0x7FF << 52))


def near_zero(source: Random) -> Iterator[float]:
    """Small arguments, where exp and cos round to 1 or next to it, sin to x or next to it."""
    for exponent in (
        -1074,
        -1022,
        -600,
        -100,
        -60,
        -55,
        -54,
        -53,
        -52,
        -51,
        -40,
        -30,
        -28,
        -27,
        -26,
        -25,
        -20,
        -10,
    ):
        for scale in (1.0, 1.5, 1.0 + source.random()):
            yield math.ldexp(scale, exponent)
            yield -math.ldexp(scale, exponent)


def near_one(source: Random) -> Iterator[float]:
    yield from neighbours(1.0, 8)
    for exponent in range(-52, -1, 2):
        yield 1.0 + math.ldexp(1.0 + source.random(), exponent)
        yield 1.0 - math.ldexp(1.0 + source.random(), exponent) / 2.0


def exp_extremes(source: Random) -> Iterator[float]:
    """Around overflow (709.78), the subnormal results (-708.4 to -745.1), and what rounds to zero."""
    for edge in (709.782712893384, 708.3964185322641, 745.1332191019412, 744.4400719213812):
        for x in neighbours(edge, 3):
            yield from (x, -x)
    yield from (-source.uniform(708.0, 746.0) for _ in range(120))
    yield from (source.uniform(700.0, 710.5) for _ in range(20))
    yield from (1000.0, -1000.0, GREATEST, -GREATEST)


def near_multiples_of_half_pi() -> Iterator[float]:
    for multiple in range(1, 6):
        x = round_exactly(multiple * Fraction(HALF_PI))
        for y in neighbours(x, 3):
            if y <= 8.0:
                yield from (y, -y)
    for multiple in range(1, 21):
        x = round_exactly(multiple * Fraction(HALF_PI) / 4)
        if x <= 8.0:
            yield from (x, -x)
    yield from (8.0, -8.0)


def bases(source: Random, y: float) -> Iterator[float]:
    """Arguments for one exponent: what training meets, and any; below zero only if the exponent is whole."""
    for _ in range(80):
        yield source.random()
        yield any_positive(source)
    for k in range(-20, 21, 4):
        yield from neighbours(2.0**k, 1)
    if y == int(y):
        yield from (-source.random() for _ in range(20))
    yield from (3.0, 5.0, 9.0, 25.0, 1.0 / 3.0, 1e-5 + 0.0009, LEAST, LEAST_NORMAL, GREATEST, 1e-160, 1e160)


def special_exponents() -> tuple[float, ...]:
    return (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.0, -2.0, 3.0, -3.0, 2.5, -2.5, 4096.0, -4095.0)


def steps() -> list[int]:
    return [
        *range(1, 30),
        50,
        64,
        100,
        127,
        128,
        200,
        255,
        256,
        499,
        500,
        501,
        777,
        999,
        1000,
        2048,
        4095,
        4096,
    ]


def random_power(source: Random) -> tuple[float, float]:
    y = source.randrange(-80, 81) / 2.0
    return source.uniform(0.001, 30.0), y


def exact_powers() -> Iterator[tuple[float, float]]:
    for x in (2.0, 3.0, 5.0, 7.0, 10.0, 1.5, -3.0, 0.75):
        for y in (2.0, 3.0, 4.0, 5.0, 10.0, 13.0, 15.0, 20.0, 22.0, -3.0):
            yield x, y
    for root in (3.0, 5.0, 1.5, 1025.0, 94906265.0):
        for y in (0.5, 1.5, 2.5, -0.5, -1.5):
            yield root * root, y
    for k in (-1074, -1073, -1022, -1000, -3, 0, 3, 1000, 1022):
        for y in (0.5, -0.5, 1.5, -1.5, 2.0, -2.0, 3.0):
            yield math.ldexp(1.0, k), y


def half_way_powers(source: Random) -> Iterator[tuple[float, float]]:
    """Powers whose true value is a tie between two doubles: exactly 54 significant bits."""
    found = 0
    while found < 60:
        y = source.choice((2, 3, 4, 5))
        base = source.getrandbits(54 // y + 1) | 1
        if (base**y).bit_length() == 54:
            found += 1
            yield float(base), float(y)
            yield -float(base) * 2.0**-20, float(y)
    found = 0
    while found < 20:
        root = source.getrandbits(18) | 1
        if (root**3).bit_length() == 54:
            found += 1
            yield float(root * root), 1.5


def extreme_powers(source: Random) -> Iterator[tuple[float, float]]:
    """Results around overflow and in the subnormal range."""
    for _ in range(60):
        y = source.randrange(4, 400) / 2.0
        for exponent in (source.uniform(-1076.0, -1020.0), source.uniform(1022.0, 1024.3)):
            base = round_exactly(Fraction(2) ** int(exponent // y)) * (1.0 + source.random())
            yield base, y
            yield 1.0 / base, -y
    for x in neighbours(1.0, 3):
        for y in (4096.0, -4096.0, 1000.0, 0.5, -1.5):
            yield x, y
