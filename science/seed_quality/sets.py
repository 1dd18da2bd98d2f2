"""The sets that are sown: lines to train on, lines that are held out, the alphabet and the check."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from reference.app import garden
from reference.app.validity import Check

EXACT = ("hexcolors", "parens", "sums", "roman", "chords", "smiles", "emoji")
PATTERN = ("mime", "names", "variables")
NAMES = (*EXACT, *PATTERN)
MOST_LINES = 4000
"""Of a larger set every so-manieth line is taken, so that a training sees each line of every set once."""
FOREIGN = "roman"
"""The set whose lines are mixed into the others: no other check takes one of its lines."""
FOREIGN_TO_ITSELF = "parens"


@dataclass(frozen=True)
class Set:
    """A set of the garden. `alphabet`: the distinct characters of all its lines, by code point."""

    name: str
    lines: tuple[str, ...]
    held_out: tuple[str, ...]
    alphabet: tuple[str, ...]
    check: Check

    @property
    def block(self) -> int:
        """Positions that the longest line and its end need."""
        return max(map(len, (*self.lines, *self.held_out))) + 1

    @property
    def foreign(self) -> str:
        """The name of the set whose lines are mixed into this one."""
        return FOREIGN_TO_ITSELF if self.name == FOREIGN else FOREIGN


@cache
def load(name: str) -> Set:
    """Raises Refusal if the garden has no such set."""
    garden.card(name)
    lines = garden.lines_of(name)
    kept = [line for line in lines if not garden.is_held_out(line)]
    count = min(len(kept), MOST_LINES)
    return Set(
        name=name,
        lines=tuple(kept[i * len(kept) // count] for i in range(count)),
        held_out=tuple(filter(garden.is_held_out, lines)),
        alphabet=tuple(sorted({character for line in lines for character in line})),
        check=garden.checker(name),
    )
