"""A verdict's words and signs, for every report: the one place where they stand."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.verbs import TOP
from harness.report.record import LevelRecord, Mark, Record

GREEN, YELLOW, RED, DIM = "green", "yellow", "red", "dim"


@dataclass(frozen=True)
class Look:
    """How a verdict is shown. sign: one character. style: a colour of the terminal. kind: a class of the
    site: ok, part, todo or bad.
    """

    sign: str
    style: str
    kind: str
    words: str


LOOKS = {
    "agrees": Look("✓", GREEN, "ok", "bit-exact"),
    "tolerance": Look("≈", GREEN, "part", "within tolerance"),
    "known": Look("k", YELLOW, "part", "expected failure"),
    "fixed": Look("!", RED, "part", "unexpected pass"),
    "unsupported": Look("·", YELLOW, "todo", "not there yet"),
    "not run": Look("·", DIM, "todo", "not asked"),
    "disagrees": Look("✗", RED, "bad", "disagrees"),
    "protocol": Look("✗", RED, "bad", "breaks the protocol"),
    "crashed": Look("✗", RED, "bad", "crashed"),
    "limit": Look("✗", RED, "bad", "exceeded a limit"),
    "conforms": Look("✓", GREEN, "ok", "conforms"),
    "build failed": Look("✗", RED, "bad", "could not be built"),
    "nothing checked": Look("✗", RED, "bad", "nothing checked"),
    "not robust": Look("✗", RED, "bad", "not robust, as it claims"),
    "wrong on the command line": Look("✗", RED, "bad", "wrong on the command line"),
    "fails fresh questions": Look("✗", RED, "bad", "fails fresh questions"),
    "disagrees with itself": Look("✗", RED, "bad", "disagrees with itself"),
}
LEGEND = (
    "✓ bit-exact, ≈ within the measured tolerance, ✗ does not agree, "
    "k expected failure, declared in port.yaml, · not there yet"
)


def of_level(level: LevelRecord) -> Look:
    """A level that agrees does so in every bit, or, if some differ, within the tolerance."""
    is_within = level.verdict == "agrees" and level.different > 0
    return LOOKS["tolerance" if is_within else level.verdict]


def of_record(record: Record) -> Look:
    is_within = record.conforms and record.agreement == "tolerance"
    return LOOKS["tolerance" if is_within else record.outcome]


def robust(mark: Mark | None) -> str:
    """The mark beside the levels in a few words: nothing if it was not asked."""
    if mark is None:
        return ""
    return "robust" if mark.full else f"robust {mark.agreed}/{mark.asked}"


def verdict(record: Record) -> str:
    """The whole of a record in a few words: "bit-exact 12/12 · robust"."""
    reached = record.reached_level
    if not record.conforms:
        return of_record(record).words
    if record.known:
        words = f"level {reached}/{TOP}, {len(record.known)} expected to fail"
    elif reached < TOP:
        words = f"level {reached}/{TOP}"
    elif record.agreement == "tolerance":
        words = f"tolerance {reached}/{TOP}"
    else:
        words = f"bit-exact {reached}/{TOP}"
    mark = record.marks.robust
    return f"{words} · robust" if mark is not None and mark.full else words


def distance(ulps: int | None) -> str:
    """A distance of two doubles."""
    if ulps is None:
        return "one of them is NaN"
    if ulps >= 2**52:
        return "of another size or sign"
    if ulps >= 10**9:
        return f"{ulps:.1e} ulps"
    return "1 ulp" if ulps == 1 else f"{ulps:,} ulps"
