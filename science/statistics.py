"""What paired differences say: their mean, its interval, and whether anything may be claimed.

No random numbers are used, so every figure comes out the same again, to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import floor, sqrt


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def spread(values: Sequence[float]) -> float:
    """The standard deviation of a sample, 0 for a single value."""
    middle = mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / max(1, len(values) - 1))


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The middle 95 % of the means of every resample with replacement: for n values, n to the n of them."""
    means = sorted(mean(drawn) for drawn in product(differences, repeat=len(differences)))
    cut = floor(0.025 * len(means))
    return means[cut], means[-1 - cut]


def claim(low: float, high: float, above: int, count: int) -> str:
    """Lower or higher; no claim if the interval has zero in it or the differences do not agree in sign.

    A bootstrap over five values is too narrow, so that an interval alone would claim too much. `above`: how
    many of the `count` differences are above zero.
    """
    if low <= 0 <= high or 0 < above < count:
        return "no claim"
    return "lower" if high < 0 else "higher"


@dataclass(frozen=True)
class Paired:
    """Differences that belong together in pairs, one for each seed, and what may be claimed of them."""

    mean: float
    low: float
    high: float
    verdict: str

    @staticmethod
    def of(differences: Sequence[float]) -> Paired:
        low, high = interval(differences)
        above = sum(one > 0 for one in differences)
        return Paired(mean(differences), low, high, claim(low, high, above, len(differences)))
