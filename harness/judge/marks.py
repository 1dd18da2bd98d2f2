"""The marks beside the levels: robust (bad requests), fresh (unseen requests) and contracted (another build).

Each asks a port something and counts; none of them changes what a level came to. `steady.py` and
`command_line.py` have the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from conformance.ladder import Case, Level
from conformance.messages import Reply, Request
from harness.errors import ConformError
from harness.judge.climb import FAULTS, CaseResult, LevelResult, Verdict, judge_case
from harness.judge.compare import Compare, compare
from harness.run.session import Session

FAULTS_PER_MARK = 3  # then the rest is not asked: a port that hangs would hang on


@dataclass(frozen=True)
class Tally:
    """What a mark came to: so many asked, so many right, and the results that are not."""

    asked: int
    agreed: int
    failures: tuple[CaseResult, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.asked + other.asked, self.agreed + other.agreed, (*self.failures, *other.failures))


def robust(session: Session, cases: Sequence[Case], verbs: Collection[str], name: str) -> Tally:
    """Ask the bad requests. Those of a verb that the port does not have yet are left out."""
    asked = [case for case in cases if case.request.verb in (*verbs, "-") or case.level.verb == "hello"]
    return tally(asked, (judge_case(session, case, name) for case in asked))


def fresh(session: Session, questions: Iterable[tuple[Level, Request, Reply]], name: str) -> Tally:
    """Ask requests that nobody has seen before; the golden reply of each has just been computed."""
    asked = list(questions)
    return tally(asked, (_one_fresh(session, *question, name) for question in asked))


def _one_fresh(session: Session, level: Level, request: Request, golden: Reply, name: str) -> CaseResult:
    case = Case(level, request.id, level.folder / f"{request.id}.request")
    try:
        reply = session.ask(request)
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        return CaseResult(case, "crashed", fault=fault)
    seen = compare(request, golden, reply, name)
    verdict: Verdict = "agrees" if seen.agrees else "disagrees"
    return CaseResult(
        case, verdict, seen.values, seen.different, seen.worst_ulps, difference=seen.first, reply=reply
    )


def contracted(session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare) -> Tally:
    """Ask the port's other build, for processors that fuse x*y + z, what this one has answered rightly."""
    asked = [
        result.case
        for level in found
        for result in level.results
        if result.verdict == "agrees" and not result.case.long and not result.case.request.ends_input
    ]
    return tally(asked, (judge_case(session, case, name, judge_by) for case in asked))


def tally(asked: Sequence[object], results: Iterable[CaseResult]) -> Tally:
    """Count results as they come, until there are too many faults."""
    agreed, failures = 0, []
    for result in results:
        if result.verdict == "agrees":
            agreed += 1
            continue
        failures.append(result)
        if sum(failure.fault is not None for failure in failures) >= FAULTS_PER_MARK:
            break
    return Tally(len(asked), agreed, tuple(failures))
