"""The ledger: flows, and for each the laws that hold in it. A law is a function that yields assertions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import reference
from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker, NoAnswer

EPSILON = 2.0**-52
"""One rounding moves a double by at most half of this, relatively."""


@dataclass(frozen=True)
class Assertion:
    """One statement about numbers: its name, and what was wrong (nothing, if it holds)."""

    name: str
    wrong: str = ""


Check = Callable[[Asker], Iterator[Assertion]]


@dataclass(frozen=True)
class Law:
    """One law. sentence: what always holds. within: the tolerance and where it comes from. line: a piece of
    the line of microgpt.py that it speaks of.
    """

    flow: str
    name: str
    sentence: str
    within: str
    line: str
    check: Check

    @property
    def line_number(self) -> int:
        """Of microgpt.py. Raises StopIteration if the line is no longer there."""
        return next(number for number, line in enumerate(source(), start=1) if self.line in line)

    @property
    def code(self) -> str:
        return source()[self.line_number - 1].strip()


@dataclass(frozen=True)
class Outcome:
    """What judging one law came to. broken: the assertions that do not hold, the first ones in full."""

    law: Law
    held: int
    broken: tuple[Assertion, ...]


LAWS: list[Law] = []


def law(flow: str, sentence: str, line: str, within: str = "exact") -> Callable[[Check], Check]:
    """Enters a function of science/laws/flows/ into the ledger, under its name."""

    def enter(check: Check) -> Check:
        name = check.__name__.strip("_").replace("_", "-")
        LAWS.append(Law(flow, name, sentence, within, line, check))
        return check

    return enter


def judge(one: Law, asker: Asker, *, first: bool = False) -> Outcome:
    """Ask what the law asks. With `first`, its first broken assertion is enough."""
    held, broken = 0, []
    try:
        for assertion in one.check(asker):
            if not assertion.wrong:
                held += 1
                continue
            broken.append(assertion)
            if first:
                break
    except (NoAnswer, KeyError, IndexError, ValueError, ArithmeticError) as problem:
        broken.append(Assertion("it is answered", f"{type(problem).__name__}: {problem}"))
    return Outcome(one, held, tuple(broken))


@cache
def source() -> tuple[str, ...]:
    """The lines of microgpt.py."""
    [folder] = reference.__path__
    return tuple((Path(folder) / "microgpt.py").read_text(encoding="utf-8").splitlines())


def same(name: str, got: float, right: float) -> Assertion:
    """Equal as numbers, NaN with NaN."""
    if got == right or (math.isnan(got) and math.isnan(right)):
        return Assertion(name)
    return Assertion(name, f"{got!r} is not {right!r}")


def identical(name: str, got: float, right: float) -> Assertion:
    """Equal bit for bit, the sign of a zero included."""
    return true(name, hexadecimal(got) == hexadecimal(right), f"{got!r} is not {right!r}")


def near(name: str, got: float, right: float, within: float) -> Assertion:
    if abs(got - right) <= within:
        return Assertion(name)
    return Assertion(name, f"{got!r} is not within {within:.1e} of {right!r}")


def true(name: str, holds: bool, wrong: str = "it does not hold") -> Assertion:
    return Assertion(name, "" if holds else wrong)


def each_same(name: str, got: Iterable[float], right: Iterable[float]) -> Iterator[Assertion]:
    for index, (a, b) in enumerate(zip(got, right, strict=True)):
        yield same(f"{name}[{index}]", a, b)


def each_near(name: str, got: Iterable[float], right: Iterable[float], within: float) -> Iterator[Assertion]:
    for index, (a, b) in enumerate(zip(got, right, strict=True)):
        yield near(f"{name}[{index}]", a, b, within)
