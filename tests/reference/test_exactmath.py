"""Claims about reference/exactmath.py and nativemath.py, with mpmath as the witness."""

import math
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.check_math import FUNCTIONS, deciding_bits, real_value, to_double, truth
from conformance.hard_inputs import HARD_INPUTS
from conformance.math_inputs import Arguments, batch_of_calls, from_bits, is_ordinary, structured, to_bits
from reference import exactmath, nativemath

INF, NAN = math.inf, math.nan
LEAST, LEAST_NORMAL, GREATEST = 5e-324, 2.0**-1022, sys.float_info.max
unhurried = settings(deadline=None)
EXPONENTS = [y / 2.0 for y in range(-9, 10)] + [100.0, 101.0, -100.0, -101.0, 100.5, 4096.0, -4095.0, 4095.5]


def bits(x: float) -> str:
    """All NaNs alike, zeros apart."""
    return "nan" if x != x else struct.pack(">d", x).hex()


def exact(function: str, *arguments: float) -> float:
    compute: Callable[..., float] = getattr(exactmath, function)
    return compute(*arguments)


def native(function: str, *arguments: float) -> float:
    compute: Callable[..., float] = getattr(nativemath, function)
    return compute(*arguments)


def hard_calls(function: str) -> list[Arguments]:
    if function == "pow":
        return [(from_bits(x), from_bits(y)) for x, y in HARD_INPUTS["pow"]]
    return [(from_bits(x),) for x in HARD_INPUTS[function]]


# --- Agreement with mpmath --------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_random_arguments_round_as_mpmath_says(function: str) -> None:
    first = len(structured(function))
    for arguments in batch_of_calls(function, seed=1, first=first, size=4000):
        assert bits(exact(function, *arguments)) == bits(truth(function, arguments)), arguments


@pytest.mark.parametrize("function", FUNCTIONS)
def test_structured_arguments_round_as_mpmath_says(function: str) -> None:
    calls = structured(function)
    for arguments in calls if function != "pow" else random.Random(2).sample(calls, 4000):
        assert bits(exact(function, *arguments)) == bits(truth(function, arguments)), arguments


@pytest.mark.parametrize("function", FUNCTIONS)
def test_hardest_known_arguments_round_right(function: str) -> None:
    for arguments in hard_calls(function):
        assert bits(exact(function, *arguments)) == bits(truth(function, arguments)), arguments


@pytest.mark.parametrize("function", FUNCTIONS)
def test_listed_hardness_is_what_mpmath_measures(function: str) -> None:
    table = HARD_INPUTS[function]
    assert [deciding_bits(function, arguments) for arguments in hard_calls(function)] == list(table.values())
    assert max(table.values()) >= 57
    assert min(table.values()) >= 38


@unhurried
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_exp_of_any_double(x: float) -> None:
    assert bits(exactmath.exp(x)) == bits(truth("exp", (x,)))


@unhurried
@given(st.floats(min_value=LEAST, allow_infinity=False))
def test_log_of_any_positive_double(x: float) -> None:
    assert bits(exactmath.log(x)) == bits(truth("log", (x,)))


@unhurried
@given(st.floats(-8.0, 8.0))
def test_sin_and_cos_of_any_angle_within_8(x: float) -> None:
    assert bits(exactmath.cos(x)) == bits(truth("cos", (x,)))
    assert bits(exactmath.sin(x)) == bits(truth("sin", (x,)) if x else x)


@unhurried
@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-8192, 8192))
def test_pow_of_any_double(x: float, twice: int) -> None:
    y = twice / 2.0
    if is_ordinary("pow", (x, y)):
        assert bits(exactmath.pow(x, y)) == bits(truth("pow", (x, y)))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("precision", [128, 256, 512])
def test_the_interval_holds_the_true_value(function: str, precision: int) -> None:
    """The proof of the rounding rests on this: at each precision, also for the hardest arguments."""
    approximate = getattr(exactmath, f"_{function}")
    first = len(structured(function))
    for arguments in hard_calls(function) + batch_of_calls(function, seed=5, first=first, size=400):
        x = abs(arguments[0])
        if x < 2.0**-53 and function != "pow":
            continue  # answered without an interval
        if function == "pow":
            low, high, exponent = approximate(precision, x, int(2.0 * arguments[1]))
            m, e = real_value("pow", (x, arguments[1]), 1200)
        else:
            low, high, exponent = approximate(precision, *arguments)
            m, e = real_value(function, arguments, 1200)
        shift = min(exponent, e)
        assert low << exponent - shift <= m << e - shift <= high << exponent - shift, arguments
        width = (high - low).bit_length()
        assert width < 14 or high.bit_length() - width > precision - 17, "wider than its errors explain"


def test_some_arguments_need_more_than_the_first_precision() -> None:
    below_one = math.nextafter(1.0, 0.0)
    x = math.nextafter(below_one, 0.0)
    low, high, exponent = exactmath._log(exactmath.FIRST_PRECISION, x)
    assert exactmath._nearest(low, exponent) != exactmath._nearest(high, exponent)
    assert exactmath.log(x) == truth("log", (x,))


@unhurried
@given(st.integers(-(2**140), 2**140), st.integers(-1250, 1000))
def test_rounding_an_integer_agrees_with_division(n: int, exponent: int) -> None:
    assert exactmath._nearest(n, exponent) == to_double(n, exponent)


# --- The witness itself -----------------------------------------------------------------------------------


@unhurried
@given(st.integers(-(2**80), 2**80), st.integers(-1200, 1000))
def test_the_witness_rounds_to_the_nearest_double_and_ties_to_even(m: int, exponent: int) -> None:
    value, rounded = Fraction(m) * Fraction(2) ** exponent, to_double(m, exponent)
    if math.isinf(rounded):
        assert abs(value) >= 2**1024 - 2**970
        return
    distance = abs(Fraction(rounded) - value)
    for neighbour in (math.nextafter(rounded, INF), math.nextafter(rounded, -INF)):
        if math.isfinite(neighbour):
            gap = abs(Fraction(neighbour) - value)
            assert distance < gap or (distance == gap and to_bits(rounded) % 2 == 0)


def test_mpmath_agrees_with_known_digits() -> None:
    m, exponent = real_value("exp", (1.0,))
    digits = "2.71828182845904523536028747135266249775724709369995957496696762772407663035354759"
    assert abs(Fraction(m) * Fraction(2) ** exponent - Fraction(digits)) < Fraction(1, 10**78)


# --- Exact and half-way results ---------------------------------------------------------------------------


def test_exact_results() -> None:
    assert [exactmath.exp(0.0), exactmath.exp(-0.0), exactmath.cos(0.0), exactmath.cos(-0.0)] == [1.0] * 4
    assert bits(exactmath.log(1.0)) == bits(0.0)
    assert bits(exactmath.sin(0.0)) == bits(0.0)
    assert bits(exactmath.sin(-0.0)) == bits(-0.0)
    assert exactmath.pow(3.0, 33.0) == 3.0**33
    assert exactmath.pow(-3.0, 33.0) == -(3.0**33)
    assert exactmath.pow(9.0, 1.5) == 27.0
    assert exactmath.pow(6.25, 2.5) == 97.65625
    assert exactmath.pow(4.0, -0.5) == 0.5
    assert exactmath.pow(2.0**-1000, -0.5) == 2.0**500
    assert exactmath.pow(2.0**-1074, 0.5) == 2.0**-537
    assert exactmath.pow(2.0, -1074.0) == LEAST
    assert exactmath.pow(0.5, 1074.0) == LEAST
    assert exactmath.pow(2.0, 1023.0) == 2.0**1023
    assert exactmath.pow(-2.0, -1073.0) == -2.0 * LEAST


def integer_power(x: float, n: int) -> float:
    """x**n from exact fractions: nothing in common with the functions under test or with mpmath."""
    value = Fraction(x) ** n
    try:
        return value.numerator / value.denominator
    except OverflowError:
        return INF if value > 0 else -INF


@unhurried
@given(st.integers(1, 2**18), st.integers(-40, 40), st.integers(-24, 24))
def test_integer_powers_of_short_numbers_equal_exact_fractions(m: int, exponent: int, n: int) -> None:
    for x in (math.ldexp(m, exponent), -math.ldexp(m, exponent)):
        assert bits(exactmath.pow(x, float(n))) == bits(integer_power(x, n))


def test_half_way_powers_round_to_even() -> None:
    """Odd cubes of 54 bits lie half-way between two doubles."""
    cubes = [m for m in range(2**18 - 4001, 2**18, 2) if (m**3).bit_length() == 54]
    rounded = [exactmath.pow(float(m), 3.0) for m in cubes]
    assert len(cubes) > 1000
    assert all(abs(int(r) - m**3) == 1 and int(r) // 2 % 2 == 0 for m, r in zip(cubes, rounded, strict=True))
    halves = [exactmath.pow(float(m * m), 1.5) for m in cubes]  # the same numbers by way of the root
    assert halves == rounded


def test_half_way_powers_in_the_subnormal_range_round_to_even() -> None:
    for m in range(1, 400, 2):
        x = math.ldexp(m, -358)  # its cube has its last bit at 2**-1074
        assert exactmath.pow(x, 3.0) == m**3 * LEAST
        half = math.ldexp(m, -215)  # and its fifth power at 2**-1075, half-way
        assert exactmath.pow(half, 5.0) == round(Fraction(m**5, 2)) * LEAST
    for x, y in ((0.5, 1075.0), (2.0, -1075.0), (4.0, -537.5), (0.25, 537.5)):
        assert bits(exactmath.pow(x, y)) == bits(0.0)  # 2**-1075, half-way to the least double
    assert bits(exactmath.pow(-0.5, 1075.0)) == bits(-0.0)
    assert bits(exactmath.pow(-2.0, -1075.0)) == bits(-0.0)
    assert exactmath.pow(0.75, 2590.0) == truth("pow", (0.75, 2590.0)) == LEAST


# --- Ends of the range ------------------------------------------------------------------------------------


def test_exp_overflows_and_underflows_at_the_right_double() -> None:
    last = float.fromhex("0x1.62e42fefa39efp+9")
    assert exactmath.exp(last) == float.fromhex("0x1.fffffffffff2ap+1023")
    assert exactmath.exp(math.nextafter(last, INF)) == INF
    least = float.fromhex("-0x1.74910d52d3051p+9")
    assert exactmath.exp(least) == LEAST
    assert bits(exactmath.exp(math.nextafter(least, -INF))) == bits(0.0)


def test_subnormal_results_are_rounded_once() -> None:
    source, misrounded = random.Random(3), 0
    for _ in range(3000):
        x = -source.uniform(708.4, 745.2)
        m, exponent = real_value("exp", (x,))
        cut = m.bit_length() - 53
        first_to_53_bits = to_double(round(Fraction(m, 1 << cut)), exponent + cut)
        misrounded += first_to_53_bits != to_double(m, exponent)
        assert bits(exactmath.exp(x)) == bits(to_double(m, exponent))
    assert misrounded > 0, "no argument was chosen that shows the difference"


def test_results_next_to_one() -> None:
    assert exactmath.exp(2.0**-53) == 1.0 + 2.0**-52
    assert exactmath.exp(math.nextafter(2.0**-53, 0.0)) == 1.0
    assert exactmath.exp(-(2.0**-54)) == 1.0
    assert exactmath.exp(math.nextafter(-(2.0**-54), -1.0)) == math.nextafter(1.0, 0.0)
    assert exactmath.cos(2.0**-27) == 1.0
    assert exactmath.pow(math.nextafter(1.0, 0.0), 4096.0) == truth("pow", (math.nextafter(1.0, 0.0), 4096.0))


@pytest.mark.parametrize("edge", [2.0**-54, 2.0**-53, 2.0**-27, 2.0**-26, 2.0**-25, 0.75, 1.5])
def test_both_sides_of_every_shortcut_agree_with_mpmath(edge: float) -> None:
    for steps in range(-40, 41):
        x = from_bits(to_bits(edge) + steps)
        for argument in (x, -x):
            for function in ("exp", "sin", "cos", "log"):
                if is_ordinary(function, (argument,)):
                    assert bits(exact(function, argument)) == bits(truth(function, (argument,)))


# --- Special values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [exact, native])
def test_special_values_of_exp_log_sin_cos(function: Callable[..., float]) -> None:
    table = [
        *[("exp", INF, INF), ("exp", -INF, 0.0), ("exp", NAN, NAN)],
        *[("exp", 1e308, INF), ("exp", -1e308, 0.0)],
        *[("log", 0.0, -INF), ("log", -0.0, -INF), ("log", INF, INF), ("log", NAN, NAN)],
        *[("log", -LEAST, NAN), ("log", -1.0, NAN), ("log", -INF, NAN)],
        *[("sin", NAN, NAN), ("sin", -0.0, -0.0), ("sin", LEAST, LEAST)],
        *[("cos", NAN, NAN), ("cos", LEAST, 1.0)],
    ]
    for name, x, result in table:
        assert bits(function(name, x)) == bits(result), (name, x)


def ieee_pow(x: float, y: float) -> float | None:
    """The special cases of IEEE 754-2019, 9.2.1, in its words; None where there is an ordinary result."""
    odd = y % 2 == 1
    if y == 0 or x == 1:
        return 1.0
    if math.isnan(x):
        return NAN
    if x == 0 or math.isinf(x):
        small = (x == 0) == (y > 0)
        size = 0.0 if small else INF
        return math.copysign(size, x) if odd else size
    if x < 0 and y != int(y):
        return NAN
    return None


@pytest.mark.parametrize("function", [exact, native])
def test_special_values_of_pow(function: Callable[..., float]) -> None:
    named = [
        *[(-0.0, 0.5, 0.0), (-0.0, -0.5, INF), (-INF, 0.5, INF), (-INF, -0.5, 0.0), (-0.0, -1.0, -INF)],
        *[(-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-INF, 3.0, -INF), (-INF, -3.0, -0.0), (-INF, -2.0, 0.0)],
        *[(NAN, 0.0, 1.0), (NAN, -0.0, 1.0), (INF, 0.0, 1.0), (-NAN, 1.0, NAN), (NAN, 2.0, NAN)],
        *[(-1.0, 0.5, NAN), (-LEAST, 1.5, NAN), (-1.0, 4095.0, -1.0), (1.0, 4095.5, 1.0), (-4.0, -0.5, NAN)],
        *[(GREATEST, 2.0, INF), (-GREATEST, 3.0, -INF), (LEAST, -1.0, INF), (-LEAST, -1.0, -INF)],
        *[(LEAST, 4096.0, 0.0), (-LEAST, 4095.0, -0.0), (GREATEST, -4096.0, 0.0), (-LEAST, -4095.0, -INF)],
    ]
    for x, y, result in named:
        assert bits(function("pow", x, y)) == bits(result), (x, y)
    for x in (0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, -2.0, -0.5, -GREATEST, -LEAST):
        for y in EXPONENTS:
            expected = ieee_pow(x, y)
            if expected is not None:
                assert bits(function("pow", x, y)) == bits(expected), (x, y)


def test_nan_results_are_the_positive_quiet_nan() -> None:
    negative_nan = from_bits(0xFFF8000000000001)
    for x in (NAN, negative_nan):
        for name in ("exp", "log", "sin", "cos"):
            for answer in (exact(name, x), native(name, x)):
                assert struct.pack(">d", answer).hex() == "7ff8000000000000"
        for y in (1.0, 2.0, -1.0, 0.5, -0.5, 3.0):
            assert struct.pack(">d", exactmath.pow(x, y)).hex() == "7ff8000000000000"
    assert struct.pack(">d", exactmath.pow(-2.0, 0.5)).hex() == "7ff8000000000000"


@pytest.mark.parametrize("function", [exact, native])
def test_arguments_outside_the_contract_are_refused(function: Callable[..., float]) -> None:
    beyond = math.nextafter(8.0, INF)
    for name in ("sin", "cos"):
        for x in (beyond, -beyond, INF, -INF, 1e300):
            with pytest.raises(ValueError, match="from -8 to 8"):
                function(name, x)
    for y in (0.25, 1e-300, 4096.5, -4097.0, INF, -INF, NAN):
        for x in (2.0, 1.0, NAN, 0.0):
            with pytest.raises(ValueError, match="half-integer"):
                function("pow", x, y)


# --- Symmetries, native functions, other interpreters -----------------------------------------------------


@unhurried
@given(st.floats(-8.0, 8.0), st.floats(2.0**-1000, 2.0**1000), st.integers(-30, 30))
def test_symmetries_hold_bit_by_bit(angle: float, x: float, n: int) -> None:
    assert bits(exactmath.sin(-angle)) == bits(-exactmath.sin(angle))
    assert bits(exactmath.cos(-angle)) == bits(exactmath.cos(angle))
    assert exactmath.pow(-x, 2.0 * n) == exactmath.pow(x, 2.0 * n)
    assert exactmath.pow(-x, 2.0 * n + 1.0) == -exactmath.pow(x, 2.0 * n + 1.0)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_native_functions_are_within_one_ulp(function: str) -> None:
    for arguments in batch_of_calls(function, seed=4, first=len(structured(function)), size=3000):
        right, close = exact(function, *arguments), native(function, *arguments)
        assert close in (right, math.nextafter(right, INF), math.nextafter(right, -INF)), arguments


PROGRAM = """
import hashlib, random, struct
from reference.exactmath import (cos, exp, log, pow, sin)
source, digest = random.Random(6), hashlib.sha256()
for _ in range(500):
    values = (exp(source.uniform(-750, 712)), log(source.random()), sin(source.uniform(-8, 8)),
              cos(source.uniform(-8, 8)), pow(source.random() * 2, source.randrange(-300, 300) / 2))
    digest.update(struct.pack(">5d", *values))
print(digest.hexdigest())
"""


def test_results_depend_neither_on_the_hash_seed_nor_on_optimisation() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, *flags, "-c", PROGRAM],
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, flags in (("0", []), ("1", ["-O"]), ("2", ["-X", "dev"]))
    }
    assert len(outputs) == 1
