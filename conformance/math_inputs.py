"""Calls of exp, log, sin, cos and pow for checking them: structured ones, and random ones from a seed.

Only calls within the contract's domains that have an ordinary result: NaN, infinities, zeros and what
follows from them are the business of level 3.
"""

import math
import random
import struct
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice

from conformance.hard_inputs import HARD_INPUTS

BETAS = (0.85, 0.9, 0.95, 0.99, 0.999)
TRAINING_EXPONENTS = (-0.5, -1.5, -1.0, -2.0, 0.5, 2.0)

Arguments = tuple[float, ...]


def from_bits(bits: int) -> float:
    number: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return number


def to_bits(x: float) -> int:
    return int.from_bytes(struct.pack(">d", x), "big")


def batch_of_calls(function: str, seed: int, first: int, size: int) -> list[Arguments]:
    """Calls number `first` to `first + size - 1`: all structured ones come before the random ones.

    A batch does not depend on other batches, so that they can be made in any order.
    """
    calls = structured(function)[first : first + size]
    source = random.Random(f"{seed} {function} {first}")
    draw = SAMPLES[function]
    randoms = (c for c in iter(lambda: draw(source), None) if is_ordinary(function, c))
    return calls + list(islice(randoms, size - len(calls)))


def is_ordinary(function: str, arguments: Arguments) -> bool:
    x = arguments[0]
    if not math.isfinite(x):
        return False
    if function == "log":
        return x > 0.0 and x != 1.0
    if function in ("sin", "cos"):
        return x != 0.0 and abs(x) <= 8.0
    return function == "exp" or x > 0.0 or (x < 0.0 and arguments[1] % 1.0 == 0.0)


# --- Structured -------------------------------------------------------------------------------------------


@cache
def structured(function: str) -> list[Arguments]:
    """The hardest known arguments, and the neighbourhoods of places where implementations go wrong."""
    hard = HARD_INPUTS[function]
    calls: list[Arguments]
    if function == "pow":
        scales = (1.0, 4.0, 2.0**-200)
        calls = [(from_bits(x) * scale, from_bits(y)) for x, y in hard for scale in scales]
        calls += structured_powers()
    else:
        calls = [(x,) for bits in hard for x in around(from_bits(bits), 1)]
        calls += [(x,) for place in places() for x in around(place, 3)]
    return [c for c in calls if is_ordinary(function, c)]


def places() -> list[float]:
    """Powers of two, the approach to 1, the ends of exp's range, and multiples of pi/4."""
    return [
        *(2.0**k for k in range(-1074, 1024, 7)),
        *(2.0**k for k in range(-60, 12)),
        *(1.0 + 2.0**-k for k in range(1, 53)),
        *(1.0 - 2.0**-k for k in range(1, 54)),
        *(709.782712893384, 708.3964185322641, 745.1332191019412, 744.4400719213812),
        *(k * math.pi / 4.0 for k in range(1, 11)),
        *(math.log(2.0), math.e, 5e-324, 2.0**-1022, sys.float_info.max),
    ]


def structured_powers() -> list[Arguments]:
    """Around 1 and the ends of the range, small integers and their squares, and what Adam asks for."""
    exponents = [y / 2.0 for y in range(-12, 13)]
    exponents += [100.0, -100.5, 1023.0, -1074.0, 2047.5, 4096.0, -4096.0]
    near = [x for place in (1.0, 2.0, 0.5, 5e-324, 2.0**-1022, sys.float_info.max) for x in around(place, 2)]
    near += [x for k in range(1, 54) for x in (1.0 + 2.0**-k, 1.0 - 2.0**-k)]
    near += [x * scale for x in (3.0, 5.0, 9.0, 25.0, 49.0) for scale in (1.0, 0.25, 2.0**-600)]
    calls: list[Arguments] = [(x, y) for x in near for y in exponents]
    return calls + [(beta, float(step)) for beta in BETAS for step in range(1, 1001)]


def around(x: float, steps: int) -> Iterator[float]:
    """x and the doubles next to it, with both signs."""
    bits = to_bits(abs(x))
    for near in range(max(bits - steps, 0), bits + steps + 1):
        yield from (from_bits(near), -from_bits(near))


# --- Random -----------------------------------------------------------------------------------------------


def magnitude(source: random.Random, low: int, high: int) -> float:
    """A positive double from 2**low to 2**high, every exponent as likely as another."""
    return math.ldexp(1.0 + source.random(), source.randrange(low, high))


def any_positive(source: random.Random) -> float:
    return from_bits(source.randrange(1, 0x7FF << 52))


def sign(source: random.Random) -> float:
    return source.choice((1.0, -1.0))


def sample_exp(source: random.Random) -> Arguments:
    """All magnitudes, subnormal results, a softmax, around 0, and the whole range."""
    match source.randrange(5):
        case 0:
            return (sign(source) * magnitude(source, -60, 10),)
        case 1:
            return (-source.uniform(707.0, 746.0),)
        case 2:
            return (-source.uniform(0.0, 20.0),)
        case 3:
            return (source.uniform(-1.0, 1.0),)
        case _:
            return (source.uniform(-746.0, 710.0),)


def sample_log(source: random.Random) -> Arguments:
    """Probabilities, the approach to 1 from both sides, and any double."""
    match source.randrange(4):
        case 0:
            return (source.random(),)
        case 1:
            return (1.0 + source.choice((1.0, -0.5)) * magnitude(source, -52, 0),)
        case _:
            return (any_positive(source),)


def sample_angle(source: random.Random) -> Arguments:
    """All magnitudes, near multiples of pi/2, Box and Muller's angles, a cosine schedule's, and any."""
    match source.randrange(5):
        case 0:
            return (sign(source) * magnitude(source, -60, 3),)
        case 1:
            place = source.randrange(1, 6) * (math.pi / 2.0)
            return (place + place * sign(source) * magnitude(source, -53, -8),)
        case 2:
            return (source.random() * (2.0 * math.pi),)
        case 3:
            steps = source.randrange(1, 4097)
            return ((math.pi * source.randrange(steps)) / steps,)
        case _:
            return (source.uniform(-8.0, 8.0),)


def sample_pow(source: random.Random) -> Arguments:
    """The exponents of training with any base and with usual ones, betas, any result, and few bits."""
    match source.randrange(5):
        case 0:
            return any_positive(source), source.choice(TRAINING_EXPONENTS)
        case 1:
            return magnitude(source, -40, 20), source.choice((*TRAINING_EXPONENTS, 1.5, -2.5, 3.0, -3.0))
        case 2:
            return source.choice((*BETAS, source.uniform(0.5, 1.0))), float(source.randrange(1, 4097))
        case kind:
            y = source.choice((source.randrange(-8192, 8193), source.randrange(-60, 61))) / 2.0 or 3.5
            if kind == 3:
                x = 2.0 ** max(-1074.0, min(1023.9, source.uniform(-1080.0, 1025.0) / y))
            else:
                x = math.ldexp(source.randrange(1, 1 << source.randrange(1, 28)), source.randrange(-30, 30))
            return (-x if y % 1.0 == 0.0 and source.random() < 0.3 else x), y


SAMPLES = {
    "exp": sample_exp,
    "log": sample_log,
    "sin": sample_angle,
    "cos": sample_angle,
    "pow": sample_pow,
}
