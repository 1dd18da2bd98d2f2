"""Strategies for doubles, as their 16 hex digits: near one, at the edges, and any bits at all.

Drawn as words, not as floats, so that a NaN keeps its pattern and shrinking ends at plain numbers.
"""

from __future__ import annotations

from functools import cache, partial
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reference.protocol.wire import double, hexadecimal

T = TypeVar("T")

PLAIN = (0.0, 1.0, -1.0, -0.0, 2.0, 0.5, -0.5, 3.0, 0.1, -0.1, 10.0, 1e-5, 1e-8)
EDGES = (
    *("8000000000000000", "7ff0000000000000", "fff0000000000000", "7ff8000000000000"),  # -0 inf -inf nan
    *("fff8000000000000", "7ff0000000000001", "ffffffffffffffff"),  # other NaNs
    *("0000000000000001", "8000000000000001", "000fffffffffffff", "0010000000000000"),  # about subnormal
    *("7fefffffffffffff", "ffefffffffffffff", "7fe0000000000000"),  # about the greatest
    *("3fefffffffffffff", "3ff0000000000001", "bfefffffffffffff", "bff0000000000001"),  # about one
    *("4340000000000000", "4330000000000001", "3ca0000000000000", "3c90000000000001"),  # 2^53, 2^-53
    *("1ff0000000000000", "5fe0000000000000", "40862e42fefa39ef", "c0874910d52d3051"),  # squares, exp
)


def mostly(usual: SearchStrategy[T], rare: SearchStrategy[T], one_in: int) -> SearchStrategy[T]:
    """`rare` once in so many times. (`usual | usual | rare` is even: one_of drops what is there twice.)"""
    return st.integers(1, one_in).flatmap(lambda drawn: rare if drawn == one_in else usual)


def word_of(pattern: int) -> str:
    return f"{pattern:016x}"


def number_of(word: str) -> float:
    return double("a number", word)


def neighbour(power: int, step: int, negative: bool) -> str:
    """A double a few places from a power of two."""
    return word_of((negative << 63) | max(0, (power << 52) + step))


plain = st.sampled_from(PLAIN).map(hexadecimal)
near_one = st.floats(-4.0, 4.0).map(hexadecimal)
edges = st.sampled_from(EDGES)
any_bits = st.integers(0, 2**64 - 1).map(word_of)
neighbours = st.builds(neighbour, st.integers(1, 2046), st.integers(-3, 3), st.booleans())

tame: SearchStrategy[str] = plain | near_one
wild: SearchStrategy[str] = plain | near_one | edges | neighbours | any_bits
positive = st.floats(0.01, 100.0).map(hexadecimal)


def exponents(limit: int) -> SearchStrategy[str]:
    """Integers and half-integers from -limit to limit, most of them small."""
    small = st.sampled_from([n / 2.0 for n in (2, 1, -1, -2, 4, 0, 3, -3, *range(-8, 9))])
    far = st.integers(-2 * limit, 2 * limit).map(lambda n: n / 2.0)
    return mostly(small, far, 6).map(hexadecimal)


SCALES = (0.3, 0.02, 0.08, 1.0, 5.0)
WILD_SCALES = (*SCALES, 40.0, 1e-6, 1e-160, 1e-310, 1e120, 1e300)
Filling = partial[list[str]]
"""Makes the words of n doubles."""


def _fill(constant: str | None, scale: float, seed: int, patches: list[tuple[int, str]], n: int) -> list[str]:
    """Uniform by plain arithmetic, the same on every machine; then single numbers replaced."""
    source = Random(seed)
    words = (
        [constant] * n
        if constant is not None
        else [hexadecimal(source.uniform(-1.0, 1.0) * scale) for _ in range(n)]
    )
    for place, word in patches:
        words[place % n] = word
    return words


@cache
def fillings(numbers: SearchStrategy[str]) -> SearchStrategy[Filling]:
    """Many doubles from few draws: a scale and a seed, or one number throughout, and single exceptions.

    To draw each number by itself would cost more than the reference takes to answer.
    """
    scales = SCALES if numbers is tame else WILD_SCALES
    patches = st.lists(st.tuples(st.integers(0, 9999), numbers), max_size=3)
    drawn = st.builds(
        partial, st.just(_fill), st.none(), st.sampled_from(scales), st.integers(0, 2**32), patches
    )
    constant = st.builds(partial, st.just(_fill), numbers, st.just(1.0), st.just(0), patches)
    return mostly(drawn, constant, 4)
