"""How a set is spoiled: one function a way, each from lines and an amount to lines. `WAYS` lists all.

A way draws from a stream of its own, which a set, a way and a seed begin, and an amount does not: so the
greater amount spoils what the smaller one does, and more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from science.seed_quality import sets
from science.seed_quality.sets import Set

COPIED = 10  # lines whose copies take the places of others
Lines = list[str]
Spoil = Callable[[Set, float, random.Random], Lines]


def clean(of: Set, amount: float, draw: random.Random) -> Lines:
    return list(of.lines)


def swapped(of: Set, amount: float, draw: random.Random) -> Lines:
    """Of all characters of the set, this share trade places: their counts and the lengths of lines stay."""
    characters = [list(line) for line in of.lines]
    places = [(i, j) for i, line in enumerate(characters) for j in range(len(line))]
    draw.shuffle(places)
    places = places[: round(amount * len(places))]
    taken = [characters[i][j] for i, j in places]
    for (i, j), character in zip(places, taken[1:] + taken[:1], strict=True):
        characters[i][j] = character
    return ["".join(line) for line in characters]


def copied(of: Set, amount: float, draw: random.Random) -> Lines:
    """This share of the lines make way for copies of ten of the others, each as often."""
    order = _order(of.lines, draw)
    gone = round(amount * len(order))
    again = order[gone : gone + COPIED]
    return _with(of.lines, order[:gone], [of.lines[again[i % len(again)]] for i in range(gone)])


def mixed(of: Set, amount: float, draw: random.Random) -> Lines:
    """This share of the lines make way for lines of another set."""
    order = _order(of.lines, draw)
    gone = round(amount * len(order))
    foreign = list(sets.load(of.foreign).lines)
    draw.shuffle(foreign)
    return _with(of.lines, order[:gone], [foreign[i % len(foreign)] for i in range(gone)])


def reduced(of: Set, amount: float, draw: random.Random) -> Lines:
    """Only this share of the lines, in their order."""
    order = _order(of.lines, draw)
    return [of.lines[i] for i in sorted(order[: max(1, round(amount * len(order)))])]


def in_order(of: Set, amount: float, draw: random.Random) -> Lines:
    """All lines by code point; training does not shuffle them."""
    return sorted(of.lines)


def _order(lines: Sequence[str], draw: random.Random) -> list[int]:
    order = list(range(len(lines)))
    draw.shuffle(order)
    return order


def _with(lines: Sequence[str], places: Sequence[int], others: Sequence[str]) -> Lines:
    result = list(lines)
    for place, other in zip(places, others, strict=True):
        result[place] = other
    return result


WAYS: dict[str, tuple[Spoil, tuple[float, ...]]] = {
    "clean": (clean, (0.0,)),
    "swapped": (swapped, (0.01, 0.05, 0.1, 0.2, 0.5)),
    "copied": (copied, (0.5, 0.9)),
    "mixed": (mixed, (0.1, 0.25, 0.5)),
    "reduced": (reduced, (0.5, 0.25, 0.0625)),
    "sorted": (in_order, (1.0,)),
}
"""Each way with its amounts: shares of the characters or lines, for `reduced` of the lines that are left."""


@dataclass(frozen=True)
class Spoiling:
    """One way and one amount of it."""

    way: str
    amount: float

    @property
    def shuffled(self) -> bool:
        return self.way != "sorted"

    def lines(self, of: Set, seed: int) -> Lines:
        draw = random.Random(f"{of.name} {self.way} {seed}")
        return WAYS[self.way][0](of, self.amount, draw)

    def alphabet(self, of: Set) -> tuple[str, ...]:
        """The set's own, so that every held-out line has tokens, and that of lines mixed in."""
        if self.way != "mixed":
            return of.alphabet
        return tuple(sorted({*of.alphabet, *sets.load(of.foreign).alphabet}))


def all_spoilings() -> Iterator[Spoiling]:
    for way, (_, amounts) in WAYS.items():
        yield from (Spoiling(way, amount) for amount in amounts)


CLEAN = Spoiling("clean", 0.0)
