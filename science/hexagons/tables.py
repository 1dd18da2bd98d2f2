"""Attention tables: for each position of a block the positions that it attends to, itself last.

Two are hexagonal lattices. Most of the others have as many keys at *every* position as the hexagonal rows
have there, so that they cost exactly the same: a rule names the keys that it would like, in order of
preference, and what it cannot have (a position before the first, or one named already) goes to the nearest
positions that are still free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import isqrt

from conformance.cases import case
from reference.microgpt import Generator, causal

Table = tuple[tuple[int, ...], ...]
Place = tuple[float, float]
ROW_HEIGHT = 0.75**0.5  # of a lattice whose neighbours are 1 apart
TURNS = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
"""The six steps on a hexagonal lattice, each 60 degrees from the one before, in axial coordinates."""


def width(block: int) -> int:
    """Of the rows of a lattice: the root of the block, rounded down."""
    return isqrt(block)


def spiral(block: int) -> list[tuple[int, int]]:
    """The places of a spiral on the hexagonal lattice, in axial coordinates: each adjoins the one before."""
    places = [(0, 0)]
    ring = 0
    while len(places) < block:
        ring += 1
        for turn, steps in enumerate((1, ring - 1, *[ring] * 4, ring)):
            across, down = TURNS[turn % 6]
            for _ in range(steps):
                places.append((places[-1][0] + across, places[-1][1] + down))
    return places[:block]


def places(name: str, block: int) -> list[Place]:
    """Where each position of a lattice stands in the plane, in units of the distance of two neighbours."""
    if name == "hexagonal spiral":
        return [(across + down / 2, down * ROW_HEIGHT) for across, down in spiral(block)]
    rows = [divmod(position, width(block)) for position in range(block)]
    if name == "square":
        return [(float(column), float(row)) for row, column in rows]
    return [(column + row % 2 / 2, row * ROW_HEIGHT) for row, column in rows]


def hexagonal_rows(block: int, seed: int = 0) -> Table:
    return tuple(map(tuple, case.hexagonal(block, width(block))))


def hexagonal_spiral(block: int, seed: int = 0) -> Table:
    at = {place: position for position, place in enumerate(spiral(block))}

    def near(across: int, down: int) -> Iterator[int]:
        for right, below in ((0, 0), *TURNS):
            if (found := at.get((across + right, down + below))) is not None:
                yield found

    return tuple(tuple(sorted(s for s in near(*place) if s <= position)) for place, position in at.items())


def square(block: int, seed: int = 0) -> Table:
    """Left and above."""
    w = width(block)
    return tuple((*((t - w,) if t >= w else ()), *((t - 1,) if t % w else ()), t) for t in range(block))


def full(block: int, seed: int = 0) -> Table:
    return causal(block)


def itself(block: int, seed: int = 0) -> Table:
    return tuple((position,) for position in range(block))


Rule = Callable[[int, int, Generator], Iterable[int]]
"""The wishes of a position, from the position, the lattice's width and a source of chance."""


def _shuffled(t: int, chance: Generator) -> list[int]:
    earlier = list(range(t))
    chance.shuffle(earlier)
    return earlier


def matched(rule: Rule) -> Callable[[int, int], Table]:
    """The table of a rule, with as many keys at every position as the hexagonal rows have."""

    def table(block: int, seed: int = 0) -> Table:
        chance, w = Generator(seed), width(block)
        rows = []
        for t, model in enumerate(hexagonal_rows(block)):
            wishes = chain(rule(t, w, chance), range(t - 1, -1, -1))
            kept = list(dict.fromkeys(s for s in wishes if 0 <= s < t))[: len(model) - 1]
            rows.append((*sorted(kept), t))
        return tuple(rows)

    return table


@dataclass(frozen=True)
class Kind:
    """A way to attend. `is_matched`: as many keys as the hexagonal rows, so equal steps are equal work."""

    name: str
    sentence: str
    table: Callable[[int, int], Table]
    is_lattice: bool = False
    is_matched: bool = False
    by_chance: bool = False


def _matched(name: str, sentence: str, rule: Rule, by_chance: bool = False) -> Kind:
    return Kind(name, sentence, matched(rule), is_matched=True, by_chance=by_chance)


BASE = "hexagonal rows"
FLOOR = "itself"
KINDS = (
    Kind(
        BASE,
        "rows as wide as the block's root, every other one shifted by half a place; a position attends to "
        "those of its six neighbours that came before: left, above left and above right",
        hexagonal_rows,
        is_lattice=True,
        is_matched=True,
    ),
    Kind(
        "hexagonal spiral",
        "positions wound around the first; a position attends to the one before and to its neighbours one "
        "turn further in",
        hexagonal_spiral,
        is_lattice=True,
    ),
    Kind("square", "rows as before, unshifted: left and above", square, is_lattice=True),
    Kind("full", "all earlier positions", full),
    _matched("window", "the nearest positions", lambda t, w, chance: ()),
    _matched("dilated", "every other position, going back", lambda t, w, chance: range(t - 2, -1, -2)),
    _matched(
        "strided",
        "the position before, then back by the width of the hexagonal rows, again and again",
        lambda t, w, chance: (t - 1, *range(t - w, -1, -w)),
    ),
    _matched(
        "BigBird-like",
        "the position before, the first of all, then others drawn by lot",
        lambda t, w, chance: (t - 1, 0, *_shuffled(t, chance)),
        by_chance=True,
    ),
    _matched(
        "random",
        "drawn by lot, a table of its own for every seed",
        lambda t, w, chance: _shuffled(t, chance),
        by_chance=True,
    ),
    Kind(FLOOR, "nothing but the position itself: the floor from which gains are counted", itself),
)
NAMED = {kind.name: kind for kind in KINDS}


# ---------------------------------------------------------------- reach


def hops(table: Table) -> list[list[int | None]]:
    """Through how many layers each position sees each earlier one: [t][s], None if it never does."""
    rows: list[list[int | None]] = []
    for t, attended in enumerate(table):
        best: list[int | None] = [None] * t + [0]
        for through in attended[:-1]:
            for s, count in enumerate(rows[through]):
                known = best[s]
                if count is not None and (known is None or count + 1 < known):
                    best[s] = count + 1
        rows.append(best)
    return rows


@dataclass(frozen=True)
class Reach:
    """Over all pairs of a position and an earlier one: hops where there is a way, and how many have one.

    within: the share of pairs that are at most as many hops apart, from one hop on, up to the greatest.
    """

    mean: float
    greatest: int
    reached: float
    within: tuple[float, ...]


def reach(table: Table) -> Reach:
    pairs = len(table) * (len(table) - 1) // 2
    found = [count for row in hops(table) for count in row[:-1] if count is not None]
    greatest = max(found, default=0)
    within = tuple(sum(count <= most for count in found) / pairs for most in range(1, greatest + 1))
    return Reach(sum(found) / max(1, len(found)), greatest, len(found) / pairs, within)


def pairs_attended(table: Table, positions: int) -> int:
    """By the first so many positions, in one layer and one head."""
    return sum(map(len, table[:positions]))
