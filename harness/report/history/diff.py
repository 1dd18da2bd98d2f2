"""What changed between two records of a port, or between two folders of records.

Cases are compared by name, and only where both records asked them: a record of more cases is no regression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from conformance import verbs
from harness.judge.climb import FAULTS
from harness.report.record import Record
from harness.report.words import distance

Kind = Literal["worse", "better", "new", "changed"]
NAMED = 3
"""So many names are told; more are counted."""


@dataclass(frozen=True)
class Change:
    kind: Kind
    port: str
    sentence: str


def changes(old: Sequence[Record], new: Sequence[Record]) -> list[Change]:
    """Everything that changed, the worse first."""
    before = {record.port: record for record in old}
    after = {record.port: record for record in new}
    found: list[Change] = []
    for port in sorted(before.keys() | after.keys()):
        if port not in after:
            found.append(Change("worse", port, "its record is gone"))
        elif port not in before:
            found.append(Change("new", port, f"a new port: {_state(after[port])}"))
        else:
            pairs = _compare(before[port], after[port])
            found += [Change(kind, port, sentence) for kind, sentence in pairs]
    order = ("worse", "better", "new", "changed")
    return sorted(found, key=lambda change: order.index(change.kind))


def _state(record: Record) -> str:
    return f"{record.outcome}, level {record.reached_level} of {verbs.TOP}"


def _compare(old: Record, new: Record) -> Iterator[tuple[Kind, str]]:
    if (old.outcome == "conforms") != (new.outcome == "conforms"):
        kind: Kind = "better" if new.outcome == "conforms" else "worse"
        yield kind, f"{old.outcome} before, {new.outcome} now"
    elif old.outcome != new.outcome:
        yield "changed", f"{old.outcome} before, {new.outcome} now"
    yield from _step(old.claimed_level, new.claimed_level, "the level that it claims")
    if old.agreement != new.agreement:
        kind = "better" if new.agreement == "bit" else "worse"
        yield kind, f"it claimed {old.agreement} agreement and claims {new.agreement} agreement"
    if old.only_level is None and new.only_level is None:
        yield from _step(old.reached_level, new.reached_level, "the level that it reaches")
    for verb in verbs.NAMES:
        yield from _cases(verb, _verdicts(old, verb), _verdicts(new, verb))
        a, b = _worst_that_agrees(old, verb), _worst_that_agrees(new, verb)
        if a is not None and b is not None and a != b:
            yield "changed", f"{verb}: its worst value was off by {distance(a)}, and is off by {distance(b)}"
    if old.suite != new.suite:
        yield "changed", "the two were judged by different versions of the suite"
    if old.math != new.math:
        yield "changed", "one was judged with the exact functions, the other with the port's own"


def _step(old: int, new: int, what: str) -> Iterator[tuple[Kind, str]]:
    if old != new:
        yield ("better" if new > old else "worse"), f"{what} was {old} and is {new}"


Verdicts = dict[str, tuple[str, int]]
"""Of each case: its verdict, and how many ulps its worst value is off."""


def _verdicts(record: Record, verb: str) -> Verdicts:
    found: Verdicts = {}
    for level in record.levels:
        if level.verb != verb:
            continue
        for verdict, names in level.others.items():
            found |= {name: (verdict, 0) for name in names}
        for case in level.failures:
            found[case.case.partition("/")[2]] = (case.verdict, case.worst_ulps)
    return found


def _worst_that_agrees(record: Record, verb: str) -> int | None:
    """The ulps of a level that agrees, within a tolerance maybe; None if it does not or was not asked."""
    levels = [level for level in record.levels if level.verb == verb and level.verdict == "agrees"]
    return int(levels[0].worst_ulps) if levels else None


def _cases(verb: str, old: Verdicts, new: Verdicts) -> Iterator[tuple[Kind, str]]:
    both = [name for name in new if name in old]
    was = {name: _rank(old[name][0]) for name in both}
    now = {name: _rank(new[name][0]) for name in both}
    lost = [name for name in both if now[name] < was[name]]
    won = [name for name in both if now[name] > was[name]]
    if lost:
        yield "worse", f"{verb}: {_names(lost)} {_turned(old, new, lost)}"
    if won:
        yield "better", f"{verb}: {_names(won)} {_turned(old, new, won)}"
    for name in both:
        a, b = old[name][1], new[name][1]
        if old[name][0] == new[name][0] == "disagrees" and a != b:
            kind: Kind = "worse" if b > a else "better"
            yield kind, f"{verb}: {name} was off by {distance(a)}, and is off by {distance(b)}"
    fresh = [name for name in new if name not in old]
    if fresh and old:
        failing = [name for name in fresh if new[name][0] != "agrees"]
        listed = f"; not in agreement: {_names(failing)}" if failing else ""
        yield "new", f"{verb}: {len(fresh)} cases asked that were not asked before{listed}"


def _rank(verdict: str) -> int:
    """How good a verdict is. A port that does not answer yet is no worse than one that answers wrongly."""
    if verdict in ("agrees", "fixed"):
        return 2
    return 0 if verdict in FAULTS else 1


def _turned(old: Verdicts, new: Verdicts, names: Sequence[str]) -> str:
    before = sorted({old[name][0] for name in names})
    after = sorted({new[name][0] for name in names})
    return f"({', '.join(before)} before, {', '.join(after)} now)"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
