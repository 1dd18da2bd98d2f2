"""What is shown of a divergence: two doubles bit by bit, and checkpoints in the order of computation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from conformance.doubles import double_of
from harness.explain.causes import likely_cause
from harness.judge.compare import Difference, Quantity
from harness.report import record
from harness.report.words import distance

FIELDS = (("sign", 0, 1), ("exponent", 1, 12), ("fraction", 12, 64))
"""The parts of a double: name, first bit and the bit after the last, counted from the left."""


@dataclass(frozen=True)
class Run:
    """Neighbouring bits that all differ from the other double's, or all do not."""

    bits: str
    differs: bool


Digit = tuple[Run, ...]
"""The bits of one hex digit, or of the part of it that belongs to the field."""


@dataclass(frozen=True)
class Bits:
    """One double. `fields` are sign, exponent and fraction, each digit by digit."""

    word: str
    decimal: str
    fields: tuple[tuple[str, tuple[Digit, ...]], ...]


@dataclass(frozen=True)
class Pair:
    """Two doubles beside each other, and what is to be said about them."""

    expected: Bits
    got: Bits
    distance: str
    sentence: str


def pair(difference: Difference) -> Pair:
    """The two doubles of a difference of kind 'value'."""
    expected, got = difference.expected, difference.got
    a, b = f"{int(expected, 16):064b}", f"{int(got, 16):064b}"
    counts = {
        name: sum(x != y for x, y in zip(a[start:end], b[start:end], strict=True))
        for name, start, end in FIELDS
    }
    said = [f"{count} of the {name}" for name, count in counts.items() if count]
    total = sum(counts.values())
    return Pair(
        _bits(expected, a, b),
        _bits(got, b, a),
        distance(difference.ulps),
        f"{total} of 64 bits {'differs' if total == 1 else 'differ'}: {' and '.join(said)}",
    )


def _bits(word: str, own: str, other: str) -> Bits:
    fields = tuple((name, tuple(_digits(own, other, start, end))) for name, start, end in FIELDS)
    return Bits(word, repr(double_of(word)), fields)


def _digits(own: str, other: str, start: int, end: int) -> Iterator[Digit]:
    for left in range(start - start % 4, end, 4):
        places = range(max(start, left), min(end, left + 4))
        runs = groupby(places, key=lambda place: own[place] != other[place])
        yield tuple(Run("".join(own[place] for place in run), differs) for differs, run in runs)


_GROUP = re.compile(r"(pos\d+|step \d+|sample \d+)(?:\.|: )(.+)")


@dataclass(frozen=True)
class Cell:
    """One checkpoint. `words` says it in full, `short` in few letters."""

    differs: bool
    short: str
    words: str
    first: bool = False


@dataclass(frozen=True)
class Trail:
    """Checkpoints as a table: a row for each quantity, a column for each position, step or sample.

    Reading the columns from top to bottom, one after the other, is the order of computation.
    """

    case: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    agree: int
    differ: int
    omitted: int
    quantities: tuple[Quantity, ...]


def trail(found: record.Trail) -> Trail:
    """The table of a record's trail."""
    columns: dict[str, None] = {}
    rows: dict[str, dict[str, Cell]] = {}
    seen = False
    for quantity in found.quantities:
        match = _GROUP.fullmatch(quantity.name)
        column, row = (match[1], match[2]) if match else ("", quantity.name)
        columns.setdefault(column)
        cell = _cell(quantity, not seen)
        seen = seen or cell.differs
        rows.setdefault(row, {})[column] = cell
    differ = sum(quantity.different > 0 for quantity in found.quantities)
    return Trail(
        case=found.case,
        columns=tuple(columns),
        rows=tuple((name, tuple(cells.get(column) for column in columns)) for name, cells in rows.items()),
        agree=len(found.quantities) - differ,
        differ=differ,
        omitted=found.omitted,
        quantities=tuple(found.quantities),
    )


def _cell(quantity: Quantity, may_be_first: bool) -> Cell:
    values, different = quantity.values, quantity.different
    if not different or quantity.first is None:
        return Cell(False, "✓", f"{values:,} of {values:,} values agree")
    kind = quantity.first.kind
    short = short_distance(quantity.worst_ulps) if kind == "value" else kind
    words = f"{different:,} of {values:,} values differ, {distance(quantity.worst_ulps)} at most"
    return Cell(True, short, words, first=may_be_first)


def short_distance(ulps: int) -> str:
    """A distance in at most five letters."""
    if ulps == 0:
        return "NaN"
    return f"{ulps:,}" if ulps < 10_000 else f"{ulps:.0e}".replace("e+0", "e").replace("e+", "e")


def likely_words(made: record.Record) -> Sequence[tuple[str, str]]:
    """(heading, sentence) pairs: what most likely is behind the record's first divergence."""
    said = [("Diagnosis", entry.sentence[:1].upper() + entry.sentence[1:]) for entry in made.diagnosis]
    failure = made.first_failure
    if failure is None or failure[1].difference is None:
        return said
    shown, verb = failure[1].difference, failure[0].verb
    if made.finding:
        shown, verb = made.finding.difference, made.finding.verb
    cause = likely_cause(verb, shown)
    if cause and not said:
        said.append(("Likely cause", f"{cause.sentence} (SPEC.md, section {cause.section})"))
    return [*said, *(("Clue", clue) for clue in made.clues)]
