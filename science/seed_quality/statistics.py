"""Means, and differences with their intervals: what may be claimed, and what may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

STUDENT = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
    2.1448, 2.1314,
)  # fmt: skip
"""The 97.5 % quantiles of Student's t with 1, 2, 3 ... degrees of freedom."""


@dataclass(frozen=True)
class Interval:
    """The mean of paired differences with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def claim(self) -> str:
        """What may be said: nothing if zero lies in the interval or on its edge."""
        if self.low <= 0.0 <= self.high:
            return "no claim"
        return "higher" if self.low > 0.0 else "lower"


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def spread(values: Sequence[float]) -> float:
    """The standard deviation of a sample of two or more."""
    middle = mean(values)
    return sqrt(sum((value - middle) ** 2 for value in values) / (len(values) - 1))


def interval(differences: Sequence[float], grain: float = 0.0) -> Interval:
    """Student's: right for as few as two differences, if they are about normal.

    `grain` is the step of a share that is counted, and the least spread that is believed: three seeds that
    all differ by one sample prove nothing.
    """
    middle = mean(differences)
    reach = STUDENT[len(differences) - 2] * max(grain, spread(differences)) / sqrt(len(differences))
    return Interval(middle, middle - reach, middle + reach)


def paired(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(values, others, strict=True)]
