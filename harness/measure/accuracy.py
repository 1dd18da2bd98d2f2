"""Measures how far a port's own exp, log, sin, cos and pow are from the truth, on inputs common to all.

The unit is the ulp of the right double: the distance to its next neighbour. The error is that of the answer
to the *true* value, not to the right double, so a correctly rounded answer has an error of 0.5 at the most,
and an answer of 0.51 is wrong. Nothing here is a verdict: a library's answer is not wrong for the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from conformance.doubles import double_of, ulps_between
from conformance.math_inputs import Arguments, batch_of_calls, structured
from conformance.messages import Request
from harness.errors import ProtocolFault
from harness.run.session import Session
from reference import exactmath, nativemath
from reference.protocol.wire import hexadecimal

FUNCTIONS = ("exp", "log", "sin", "cos", "pow")
SEED = 42
INPUTS = 20_000  # of each function
BATCH = 1_000  # lines of one request
UPPER_ENDS = (0, 1, 2, 4, 8, 16, 32, 64, 1024)  # of the histogram's bins; one more holds all above

Ask = Callable[[str, Sequence[Arguments]], list[float]]
"""A function's name and calls of it; their results."""


@dataclass(frozen=True)
class Truth:
    """A call's right double and its true value, n * 2**exponent, known to 180 bits."""

    nearest: float
    n: int
    exponent: int

    def error(self, got: float) -> float | None:
        """The distance from the true value in ulps of the right double; None if it is not finite."""
        if not math.isfinite(got) or not math.isfinite(self.nearest):
            return 0.0 if hexadecimal(got) == hexadecimal(self.nearest) else None
        fraction, exponent = math.frexp(got)
        m, e = int(fraction * 2.0**53), exponent - 53
        least = min(e, self.exponent)
        distance = abs((m << e - least) - (self.n << self.exponent - least))
        surplus = max(0, distance.bit_length() - 64)
        return math.ldexp(distance >> surplus, least + surplus - _exponent_of_ulp(self.nearest))


def _exponent_of_ulp(x: float) -> int:
    return math.frexp(math.ulp(x))[1] - 1


@cache
def calls(function: str, inputs: int = INPUTS, seed: int = SEED) -> tuple[Arguments, ...]:
    """The common calls of a function: random ones, no structured ones, with an ordinary result."""
    return tuple(batch_of_calls(function, seed, len(structured(function)), inputs))


@cache
def truths(function: str, inputs: int = INPUTS, seed: int = SEED) -> tuple[Truth, ...]:
    return tuple(truth(function, arguments) for arguments in calls(function, inputs, seed))


def truth(function: str, arguments: Arguments) -> Truth:
    nearest: float = getattr(exactmath, function)(*arguments)
    x, *rest = arguments
    low, high, exponent = exactmath.interval(function, abs(x) if function == "pow" else x, *rest)
    middle = low + high
    return Truth(nearest, -middle if (nearest < 0.0) != (middle < 0) else middle, exponent - 1)


@dataclass(frozen=True)
class Bin:
    """How many answers are at least `least` and at most `most` doubles away (no upper end if None)."""

    least: int
    most: int | None
    count: int


@dataclass(frozen=True)
class Accuracy:
    """One function of one port. `max_ulps` and `mean_ulps` leave out the `broken` answers.

    wrong: how many answers are not the right double. broken: how many of these are a NaN or an infinity
    where a number is right, or the other way round. worst: the call with the greatest error.
    """

    inputs: int
    max_ulps: float
    mean_ulps: float
    wrong: int
    broken: int
    worst: Worst
    histogram: tuple[Bin, ...]


@dataclass(frozen=True)
class Worst:
    """A call, its right double and the answer, as bits; `call` is for people."""

    arguments: tuple[str, ...]
    call: str
    expected: str
    got: str


def measure(ask: Ask, inputs: int = INPUTS, seed: int = SEED) -> dict[str, Accuracy]:
    """Ask for every function's results, and compare them with the truth."""
    return {
        function: accuracy_of(
            function, calls(function, inputs, seed), ask(function, calls(function, inputs, seed)), seed
        )
        for function in FUNCTIONS
    }


def accuracy_of(
    function: str, asked: Sequence[Arguments], results: Sequence[float], seed: int = SEED
) -> Accuracy:
    known = truths(function, len(asked), seed)
    errors = [true.error(got) for true, got in zip(known, results, strict=True)]
    finite = [error for error in errors if error is not None]
    distances = [
        ulps_between(hexadecimal(true.nearest), hexadecimal(got))
        for true, got in zip(known, results, strict=True)
    ]
    sizes = [math.inf if error is None else error for error in errors]
    at = sizes.index(max(sizes))
    return Accuracy(
        inputs=len(errors),
        max_ulps=round(max(finite, default=0.0), 4),
        mean_ulps=round(math.fsum(finite) / max(1, len(finite)), 4),
        wrong=sum(distance != 0 for distance in distances),
        broken=len(errors) - len(finite),
        worst=Worst(
            tuple(map(hexadecimal, asked[at])),
            f"{function}({', '.join(map(repr, asked[at]))})",
            hexadecimal(known[at].nearest),
            hexadecimal(results[at]),
        ),
        histogram=_histogram(distances),
    )


def _histogram(distances: Sequence[int | None]) -> tuple[Bin, ...]:
    """Distances from the right double, counted in doubles; a NaN is further than anything."""
    bins: list[Bin] = []
    least = 0
    for most in (*UPPER_ENDS, None):
        count = sum(
            most is None if d is None else d >= least and (most is None or d <= most) for d in distances
        )
        bins.append(Bin(least, most, count))
        least = (most or 0) + 1
    return tuple(bins)


def of_session(session: Session, kind: str = "native") -> Ask:
    """Asks a port for its own functions (`math native`) or its exact ones, in requests of BATCH lines."""

    def ask(function: str, asked: Sequence[Arguments]) -> list[float]:
        results: list[float] = []
        for first in range(0, len(asked), BATCH):
            batch = asked[first : first + BATCH]
            lines = [" ".join((function, *map(hexadecimal, arguments))) for arguments in batch]
            reply = session.ask(Request("math", f"accuracy-{function}-{first}", (f"math {kind}", *lines)))
            results += _results(function, reply.lines if reply.ok else (), len(batch), reply.reason)
        return results

    return ask


def _results(function: str, lines: Sequence[str], count: int, reason: str) -> list[float]:
    """The doubles of a reply. Raises ProtocolFault for any other form."""
    if reason:
        raise ProtocolFault(f"the port answered a request for {function} with an error: {reason}")
    words = [line.split(" ") for line in lines]
    if len(words) != count or any(len(w) != 2 or w[0] != function for w in words):
        raise ProtocolFault(f"the reply to {count} calls of {function} is not {count} lines '{function} ...'")
    try:
        return [double_of(word) for _, word in words]
    except (ValueError, OverflowError) as error:
        raise ProtocolFault(
            f"the reply to calls of {function} has a word that is no double: {error}"
        ) from None


def of_this_python(function: str, asked: Sequence[Arguments]) -> list[float]:
    """The C library of the Python that runs this, through Python's `math`."""
    chosen: Callable[..., float] = getattr(nativemath, function)
    return [chosen(*arguments) for arguments in asked]
