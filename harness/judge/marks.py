"""The marks beside the levels: robust (bad requests), steady (the same cases again), fresh (unseen requests).

Each asks a port something and counts; none of them changes what a level came to. `command_line.py`
has the one that speaks no protocol.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from conformance.ladder import Case, Level
from conformance.messages import Reply, Request
from harness.errors import ConformError
from harness.judge.climb import FAULTS, CaseResult, LevelResult, Verdict, judge_case
from harness.judge.compare import Compare, Difference, compare
from harness.run.session import Session

STEADY_SECONDS = 20.0  # of a port's own time: what is asked again; a slow port is asked the quick cases alone
FAULTS_PER_MARK = 3  # then the rest is not asked: a port that hangs would hang on


@dataclass(frozen=True)
class Tally:
    """What a mark came to: so many asked, so many right, and the results that are not."""

    asked: int
    agreed: int
    failures: tuple[CaseResult, ...] = ()


def robust(
    session: Session, cases: Sequence[Case], verbs: Collection[str], name: str, on_case: Callable[[], None]
) -> Tally:
    """Ask the bad requests. Those of a verb that the port does not have yet are left out."""
    asked = [case for case in cases if case.request.verb in (*verbs, "-") or case.level.verb == "hello"]
    return tally(asked, (_then(on_case, judge_case(session, case, name)) for case in asked))


def steady(session: Session, found: Sequence[LevelResult], name: str, seed: int, judge_by: Compare) -> Tally:
    """Ask what was asked before again: another process, another order. Its answers must be the same."""
    before = [
        result
        for level in found
        for result in level.results
        if result.digest and not result.case.request.ends_input
    ]
    before.sort(key=lambda result: result.seconds)
    chosen: list[CaseResult] = []
    seconds = 0.0
    for result in before:
        seconds += result.seconds
        if seconds > STEADY_SECONDS:
            break
        chosen.append(result)
    random.Random(seed).shuffle(chosen)
    return tally(chosen, (_again(session, result, name, judge_by) for result in chosen))


def _again(session: Session, before: CaseResult, name: str, judge_by: Compare) -> CaseResult:
    now = judge_case(session, before.case, name, judge_by)
    if now.fault is not None:
        return now
    if now.digest == before.digest:  # the same reply, be it right, wrong or unsupported
        return replace(now, verdict="agrees", different=0, difference=None)
    first = before.difference or now.difference
    changed = Difference(
        "text",
        first.checkpoint if first else "the reply",
        before.difference.got if before.difference else "the right reply, when it was asked first",
        now.difference.got if now.difference else "the right reply, when it was asked again",
        line=first.line if first else 1,
    )
    return CaseResult(before.case, "disagrees", now.values, max(1, now.different), difference=changed)


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


def _then(step: Callable[[], None], result: CaseResult) -> CaseResult:
    step()
    return result
