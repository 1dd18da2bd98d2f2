"""What is said of a port's first failure: what it needs before it, where it leads, the smallest like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conformance import verbs
from conformance.messages import golden_of
from harness.errors import ConformError
from harness.explain import functions, search
from harness.explain.clues import clues
from harness.explain.leftover import by_chance, needed
from harness.explain.trace import Finding, trace
from harness.judge.climb import CaseResult, LevelResult
from harness.judge.compare import Compare
from harness.run.session import Session

SMALL = 2000  # bytes of a request with which the search for a smaller one begins as it is
Tell = Callable[[str], None]
"""Is told the name of the case that is looked at."""


def first_failure(found: Sequence[LevelResult]) -> CaseResult | None:
    failures = (level.first_failure for level in found if level.verdict != "unsupported")
    return next((failure for failure in failures if failure is not None), None)


def leftover(session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare) -> tuple[str, ...]:
    """The cases that the first failure needs before it; none if it fails alone."""
    first = first_failure(found)
    if first is None or first.verdict != "disagrees":
        return ()
    asked = [result.case for level in found for result in level.results if result.verdict != "not run"]
    before = asked[: asked.index(first.case)]
    return tuple(case.id for case in needed(session, before, first, name, judge_by))


def chance(session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare) -> tuple[str, ...]:
    """What is said of a first failure whose answer varies: nothing if it does not."""
    first = first_failure(found)
    if first is None or first.verdict != "disagrees":
        return ()
    said = by_chance(session, first, name, judge_by)
    return (said,) if said else ()


def traced(session: Session, found: Sequence[LevelResult], tell: Tell, judge_by: Compare) -> Finding | None:
    """Trace the run's first divergence, if it is in a training. A port that fails at that is not traced."""
    first = first_failure(found)
    if first is None or first.difference is None or not verbs.has(first.case.level.verb, "checksums"):
        return None
    tell(first.case.id)
    try:
        return trace(session, first.case.request, first.difference, judge_by)
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        return None


@dataclass(frozen=True)
class Told:
    """What asking smaller requests came to."""

    clues: tuple[str, ...] = ()
    smallest: search.Smallest | None = None


def smaller(
    session: Session,
    found: Sequence[LevelResult],
    finding: Finding | None,
    needs_others: bool,
    tell: Tell,
    judge_by: Compare,
) -> Told:
    """Clues to the first failure that no known mistake explains, and the smallest request that shows it."""
    first = first_failure(found)
    if first is None or first.difference is None or first.reply is None or first.case.request.verb == "hello":
        return Told()
    request = smallest_failure(found, first).case.request
    said = clues(first.case.request, first.case.golden, first.reply, first.difference)
    if finding is not None and finding.golden is not None and finding.reply is not None:
        request = finding.request
        said = clues(request, finding.golden, finding.reply, finding.difference)
    if needs_others or first.case.large:
        return Told(said)
    tell(first.case.id)
    session.kill()
    try:
        said = (*search.probes(session, request), *_of_function(session, found, first), *said)
        return Told(said, search.smallest(session, request, judge_by=judge_by))
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        return Told(said)
    finally:
        session.kill()


def _of_function(session: Session, found: Sequence[LevelResult], first: CaseResult) -> tuple[str, ...]:
    """Why a function of level 3 is wrong, if it can be told."""
    if first.case.level.verb != "math" or first.difference is None:
        return ()
    request = functions.approach(first.difference.checkpoint.partition("[")[0])
    near = functions.shortcut(request, golden_of(request), session.ask(request)) if request else ""
    said = near or functions.only_hard(found)
    return (said,) if said else ()


def smallest_failure(found: Sequence[LevelResult], first: CaseResult) -> CaseResult:
    """The smallest case of the first failure's level that fails at the same kind of quantity."""
    assert first.difference is not None
    if len(first.case.request.data()) < SMALL:
        return first
    alike = [
        result
        for level in found
        for result in level.results
        if result.case.level.number == first.case.level.number
        and result.difference is not None
        and result.reply is not None
        and not result.case.large
        and search.kind(result.difference) == search.kind(first.difference)
    ]
    return min(alike, key=lambda result: len(result.case.request.data()), default=first)
