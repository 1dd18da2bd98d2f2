"""Numbers: arithmetic, the functions, and what becomes of zeros, infinities and NaN on the way."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker
from science.laws.ledger import EPSILON, Assertion, identical, law, near, same, true

LEAST = 2.0**-1074
ARITHMETIC: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
}


def pairs() -> list[tuple[float, float]]:
    """Numbers of all sizes: subnormal ones, and such as overflow."""
    draw = random.Random(1)
    sizes = ((0, 0), (-1060, 3), (-1060, -1062), (-540, -520), (-1000, 60), (1020, 1020), (1000, -1000))
    return [
        (math.ldexp(draw.uniform(-1, 1), a), math.ldexp(draw.uniform(-1, 1), b))
        for a, b in sizes
        for _ in range(6)
    ]


def nearest(exact: Fraction) -> float:
    """The double nearest to a fraction; an infinity beyond the greatest."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


@law(
    "backward",
    "Sum, difference, product and quotient are the doubles nearest to those of the fractions.",
    "return Value(self.data * other.data",
)
def arithmetic_is_that_of_fractions(ask: Asker) -> Iterator[Assertion]:
    for operation, exact in ARITHMETIC.items():
        found = ask.arithmetic(operation, pairs())
        for (x, y), value in zip(pairs(), found, strict=True):
            yield same(f"{operation} {x!r} {y!r}", value, nearest(exact(Fraction(x), Fraction(y))))


@law(
    "uniform to normal",
    "A root is the double nearest to the true one: its square is off by no more than half a unit allows. "
    "Of what is below zero there is none.",
    "radius = sqrt(",
)
def roots_are_nearest(ask: Asker) -> Iterator[Assertion]:
    numbers = [abs(x) for x, _ in pairs()]
    for x, root in zip(numbers, ask.arithmetic("sqrt", [(x,) for x in numbers]), strict=True):
        half = Fraction(math.ulp(root)) / 2
        holds = (Fraction(root) - half) ** 2 <= Fraction(x) <= (Fraction(root) + half) ** 2
        yield true(f"root of {x!r}", holds, f"{root!r}")
    below = (-LEAST, -2.0, -math.inf)
    for x, root in zip(below, ask.arithmetic("sqrt", [(x,) for x in below]), strict=True):
        yield same(f"root of {x!r}", root, math.nan)


@law(
    "Adam",
    "A quotient by zero is an infinity with the sign of both, and 0 / 0 is NaN.",
    "return copysign(inf, a) * copysign(1.0, b)",
)
def division_by_zero_is_infinite(ask: Asker) -> Iterator[Assertion]:
    for x in (0.0, LEAST, 1.0, 1e300, math.inf):
        for a in (x, -x):
            for b in (0.0, -0.0):
                right = math.copysign(math.inf, a) * math.copysign(1.0, b) if x else math.nan
                [found] = ask.arithmetic("div", [(a, b)])
                yield same(f"{a!r} / {b!r}", found, right)


@law(
    "backward",
    "Zeros keep their signs: -0 + -0, -0 - 0, -1 * 0, 0 / -1 and the root of -0 are -0.",
    "return Value(self.data + other.data",
)
def zeros_keep_their_signs(ask: Asker) -> Iterator[Assertion]:
    asked = {"add": (-0.0, -0.0), "sub": (-0.0, 0.0), "mul": (-1.0, 0.0), "div": (0.0, -1.0), "sqrt": (-0.0,)}
    for operation, arguments in asked.items():
        yield identical(operation, ask.arithmetic(operation, [arguments])[0], -0.0)
    for a in (0.0, -0.0):
        for b in (0.0, -0.0):
            both = math.copysign(0.0, math.copysign(1.0, a) * math.copysign(1.0, b))
            yield identical(f"{a} * {b}", ask.arithmetic("mul", [(a, b)])[0], both)
            yield identical(f"{a} + {b}", ask.arithmetic("add", [(a, b)])[0], a + b)


@law("backward", "A sum starts at +0, so none is -0.", "total = first + 0.0")
def no_sum_is_minus_zero(ask: Asker) -> Iterator[Assertion]:
    for count in range(1, 9):
        zeros = [-0.0] * count
        yield identical(f"sum of {count}", ask.arithmetic("sum", [zeros])[0], 0.0)
        yield identical(f"dot product of {count}", ask.arithmetic("dot", [[-0.0, 1.0] * count])[0], 0.0)
        values, _ = ask.graph([f"leaf {hexadecimal(-0.0)}", f"sum {' '.join('0' * count)}"], 1)
        yield identical(f"sum of {count} nodes", values[1], 0.0)


@law(
    "logits and softmax",
    "exp(x) is the square of exp(x / 2), from the least double to the greatest, and beyond.",
    "result = maths.exp(self.data)",
    "relatively 4 roundings, and 2 least doubles",
)
def exp_is_the_square_of_its_half(ask: Asker) -> Iterator[Assertion]:
    points = [*range(-760, 760, 20), -745.0, -740.25, -708.5, -708.25, 709.0, 709.25, 709.5, 709.75, 710.0]
    wholes = ask.function("exp", [(float(x),) for x in points])
    halves = ask.function("exp", [(x / 2.0,) for x in points])
    for x, whole, half in zip(points, wholes, halves, strict=True):
        right = half * half
        if math.isinf(right):
            yield same(f"exp {x}", whole, right)
        else:
            yield near(f"exp {x}", whole, right, 4 * EPSILON * right + 2 * LEAST)


@law(
    "loss",
    "log turns products into sums: log(x 2^k) = log x + k log 2, for subnormal numbers too. log 0 is -inf.",
    "return Value(maths.log(self.data)",
    "4 roundings for each log 2, and as many",
)
def log_turns_products_into_sums(ask: Asker) -> Iterator[Assertion]:
    [two] = ask.function("log", [(2.0,)])
    for x in (1.0, 1.25, 1.75):
        [one] = ask.function("log", [(x,)])
        for k in (-1072, -1060, -1030, -1022, -700, -50, -41, -1, 1, 10, 1000):
            [found] = ask.function("log", [(math.ldexp(x, k),)])
            yield near(f"log {x} 2^{k}", found, one + k * two, 4 * EPSILON * (abs(k) + 1))
    for zero in (0.0, -0.0):
        yield same(f"log {zero}", ask.function("log", [(zero,)])[0], -math.inf)
    for below in (-LEAST, -1.0, -math.inf):
        yield same(f"log {below}", ask.function("log", [(below,)])[0], math.nan)


@law(
    "uniform to normal",
    "sin is odd and cos even, bit for bit, and their squares add up to 1.",
    "self.gauss_next = maths.sin",
    "8 roundings",
)
def sin_is_odd_and_cos_even(ask: Asker) -> Iterator[Assertion]:
    points = [step / 8 for step in range(65)]
    found = {name: ask.function(name, [(x,) for x in points]) for name in ("sin", "cos")}
    turned = {name: ask.function(name, [(-x,) for x in points]) for name in ("sin", "cos")}
    for index, x in enumerate(points):
        sin, cos = found["sin"][index], found["cos"][index]
        yield identical(f"sin {-x}", turned["sin"][index], -sin)
        yield identical(f"cos {-x}", turned["cos"][index], cos)
        yield near(f"squares at {x}", sin * sin + cos * cos, 1.0, 8 * EPSILON)


BASES = (0.0, LEAST, 0.5, 1.0, 1.5, 3.0, 1e200, math.inf)


def powers(ask: Asker, x: float, y: float) -> float:
    [found] = ask.function("pow", [(x, y)])
    return found


@law(
    "Adam",
    "An even power loses the sign of its base and an odd one keeps it, of zeros and infinities too. "
    "Half-integer ones take -0 and -inf as 0 and inf.",
    "maths.pow(g, 2.0)",
)
def powers_know_odd_from_even(ask: Asker) -> Iterator[Assertion]:
    for x in BASES:
        for y in (-3.0, -2.0, -1.0, 1.0, 2.0, 3.0):
            right = powers(ask, x, y) * (-1.0 if y % 2.0 else 1.0)
            yield identical(f"pow {-x!r} {y}", powers(ask, -x, y), right)
        for y in (-1.5, -0.5, 0.5, 1.5):
            right = powers(ask, x, y) if x in (0.0, math.inf) else math.nan
            yield identical(f"pow {-x!r} {y}", powers(ask, -x, y), right)


@law(
    "rmsnorm",
    "A negative power is one over the positive one, and the power 0 of everything is 1, of NaN too.",
    "scale = (mean_square",
    "relatively 4 roundings",
)
def negative_powers_are_reciprocal(ask: Asker) -> Iterator[Assertion]:
    for x in (0.0, 1e-100, 0.5, 1.0, 1.5, 3.0, 1e100, math.inf):
        for y in (0.5, 1.0, 1.5, 2.0, 3.0):
            power, found = powers(ask, x, y), powers(ask, x, -y)
            right = 1.0 / power if power else math.inf
            if math.isinf(right):
                yield same(f"pow {x!r} {-y}", found, right)
            else:
                yield near(f"pow {x!r} {-y}", found, right, 4 * EPSILON * right)
    for x in (*BASES, *(-x for x in BASES), math.nan):
        yield same(f"pow {x!r} 0", powers(ask, x, 0.0), 1.0)


@law("feed-forward", "relu lets pass what is above 0 and makes +0 of all else, NaN and -0 too.", "def relu")
def relu_lets_pass_what_is_above_zero(ask: Asker) -> Iterator[Assertion]:
    for x in (LEAST, 0.5, 1e300, math.inf, 0.0, -0.0, -LEAST, -0.5, -math.inf, math.nan):
        values, gradients = ask.graph([f"leaf {hexadecimal(x)}", "relu 0"], 1)
        yield identical(f"relu {x!r}", values[1], x if x > 0.0 else 0.0)
        yield same(f"slope at {x!r}", gradients[0], 1.0 if x > 0.0 else 0.0)


@law("backward", "Nodes are themselves: powers of +0 and -0 in one graph are two powers.", "def __pow__")
def zeros_in_one_graph_are_two(ask: Asker) -> Iterator[Assertion]:
    for first in (0.0, -0.0):
        for power in (-3.0, -1.0, 1.0, 3.0):
            leaves = [f"leaf {hexadecimal(first)}", f"leaf {hexadecimal(-first)}"]
            both = [f"pow {place} {hexadecimal(power)}" for place in (0, 1)]
            values, _ = ask.graph([*leaves, *both], 3)
            yield identical(f"pow {first} {power}, then of {-first}", values[3], -values[2])


NUMBER_FIRST: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "number_sub": lambda c, a: (c - a, -1.0),
    "number_div": lambda c, a: (c / a, -c / (a * a)),
}


@law(
    "backward",
    "A number on the left stays on the left: c - a has the slope -1, c / a the slope -c / a^2.",
    "def __rtruediv__",
    "relatively 8 roundings",
)
def a_number_on_the_left_stays_there(ask: Asker) -> Iterator[Assertion]:
    for rule, right in NUMBER_FIRST.items():
        for c in (2.0, -0.75, 10.0):
            for a in (0.5, -1.25, 3.0):
                line = f"{rule} {hexadecimal(c)} 0"
                values, gradients = ask.graph([f"leaf {hexadecimal(a)}", line], 1)
                value, slope = right(c, a)
                name = f"{rule} {c} {a}"
                yield near(f"{name}: value", values[1], value, 8 * EPSILON * abs(value))
                yield near(f"{name}: slope", gradients[0], slope, 8 * EPSILON * abs(slope))
