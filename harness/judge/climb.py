"""Climbs the ladder with a port: asks every case, compares every reply, and says how far it got.

Not for starting the port (`runners.py`), comparing values (`compare.py`) or showing anything (`report.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from conformance.ladder import Case, Level
from conformance.messages import Reply
from harness.errors import ConformError, ProtocolFault
from harness.judge.compare import Compare, Difference, Quantity, compare
from harness.run.session import Session

Verdict = Literal[
    "agrees",
    "disagrees",
    "unsupported",
    "protocol",
    "crashed",
    "limit",
    "not run",
    "known",  # a expected failure that fails as it must
    "fixed",  # a expected failure that does not fail any more
]

HARMLESS = ("agrees", "known", "not run")
FAULTS = ("protocol", "crashed", "limit")
FAULTS_PER_LEVEL = 3  # then the rest of the level is left out: a port that hangs would hang on
LONG_CASE_TIMEOUT_FACTOR = 30  # a long case trains 500 or 1,000 steps, others 100 at the most


@dataclass(frozen=True)
class CaseResult:
    """What one case came to. `fault` holds message, hint and log of a request that got no reply.

    reply, quantities: if it disagrees, what the port said, and all its checkpoints in the order of
    computation. digest: the SHA-256 of the reply, if there was one.
    """

    case: Case
    verdict: Verdict
    values: int = 0
    different: int = 0
    worst_ulps: int = 0
    worst_share: float = 0.0
    seconds: float = 0.0
    difference: Difference | None = None
    fault: ConformError | None = None
    quantities: tuple[Quantity, ...] = ()
    reply: Reply | None = None
    digest: str = ""


@dataclass(frozen=True)
class LevelResult:
    """What one level came to. `first_failure` is the first case that does not agree."""

    level: Level
    verdict: Verdict
    results: tuple[CaseResult, ...]

    @property
    def agreed(self) -> int:
        return sum(result.verdict == "agrees" for result in self.results)

    @property
    def values(self) -> int:
        return sum(result.values for result in self.results)

    @property
    def different(self) -> int:
        """How many values have other bits, allowed or not."""
        return sum(result.different for result in self.results)

    @property
    def worst_ulps(self) -> int:
        return max((result.worst_ulps for result in self.results), default=0)

    @property
    def worst_share(self) -> float:
        """The greatest share of its bound that an allowed difference takes."""
        return max((result.worst_share for result in self.results), default=0.0)

    @property
    def seconds(self) -> float:
        return sum(result.seconds for result in self.results)

    @property
    def first_failure(self) -> CaseResult | None:
        return next((result for result in self.results if result.verdict not in HARMLESS), None)


def judge_case(session: Session, case: Case, port_name: str | None, compare: Compare = compare) -> CaseResult:
    """Ask one case. Raises MachineFault; every fault of the port is in the result."""
    began = time.monotonic()
    timeout = session.limits.request * (LONG_CASE_TIMEOUT_FACTOR if case.long else 1)
    try:
        last = case.request.ends_input
        reply = session.ask_last(case.request) if last else session.ask(case.request, timeout)
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        return CaseResult(case, _verdict_of(fault), seconds=time.monotonic() - began, fault=fault)
    seconds = time.monotonic() - began
    digest = hashlib.sha256(reply.text().encode()).hexdigest()
    golden = case.golden_for(reply)
    if not reply.ok and reply.reason == "unsupported" and golden.ok:
        return CaseResult(case, "unsupported", seconds=seconds, digest=digest)
    found = compare(case.request, golden, reply, port_name)
    return CaseResult(
        case,
        "agrees" if found.agrees else "disagrees",
        values=found.values,
        different=found.different,
        worst_ulps=found.worst_ulps,
        worst_share=found.worst_share,
        seconds=seconds,
        difference=found.first,
        quantities=() if found.agrees else found.quantities,
        reply=None if found.agrees else reply,
        digest=digest,
    )


def _verdict_of(fault: ConformError) -> Verdict:
    [verdict] = [known for known in ("protocol", "crashed", "limit") if known == fault.outcome]
    return verdict


def judge_level(
    level: Level,
    cases: Sequence[Case],
    ask: Callable[[Case], CaseResult],
    on_case: Callable[[CaseResult], None],
    known: Collection[str],
) -> LevelResult:
    """Ask the cases of a level in order. A verb that the port does not have costs one request.

    `ask` judges one case. `known` names the cases that must fail.
    """
    results: list[CaseResult] = []
    for case in cases:
        faults = sum(result.verdict in FAULTS for result in results)
        given_up = faults >= FAULTS_PER_LEVEL or (level.number == 1 and faults > 0)
        missing = bool(results) and results[0].verdict == "unsupported"
        result = CaseResult(case, "not run")
        if not given_up and not missing:
            result = ask(case)
        if case.id in known and result.verdict != "not run":
            result = replace(result, verdict="fixed" if result.verdict == "agrees" else "known")
        results.append(result)
        on_case(result)
    failures = [result.verdict for result in results if result.verdict not in HARMLESS]
    shortcomings = [result.verdict for result in results if result.verdict == "known"]
    return LevelResult(level, [*failures, *shortcomings, "agrees"][0], tuple(results))


def climb(
    session: Session,
    levels: Iterable[tuple[Level, Sequence[Case]]],
    port_name: str | None,
    on_case: Callable[[CaseResult], None] = lambda result: None,
    known: Collection[str] = (),
    compare: Compare = compare,
) -> list[LevelResult]:
    """Judge level after level. A port that cannot say hello is not asked anything else.

    Levels are independent: a level that disagrees does not keep the next from being judged.
    """

    def ask(case: Case) -> CaseResult:
        return judge_case(session, case, port_name, compare)

    found: list[LevelResult] = []
    for level, cases in levels:
        if found and found[0].level.number == 1 and found[0].verdict in FAULTS:
            found.append(LevelResult(level, "not run", tuple(CaseResult(case, "not run") for case in cases)))
            continue
        found.append(judge_level(level, cases, ask, on_case, known))
    try:
        session.close()
    except ProtocolFault as fault:
        found[-1] = _with_late_fault(found[-1], fault)
    return found


def _with_late_fault(level: LevelResult, fault: ProtocolFault) -> LevelResult:
    """What a port says after its last reply counts against its last case."""
    *before, last = level.results
    broken = replace(last, verdict="protocol", fault=fault)
    verdict: Verdict = level.verdict if level.verdict not in HARMLESS else "protocol"
    return LevelResult(level.level, verdict, (*before, broken))


def reached(found: Sequence[LevelResult]) -> int:
    """The highest N such that the levels 1 to N all agree, expected failures apart; 0 without level 1."""
    height = 0
    for result in found:
        if (
            result.level.number != height + 1
            or result.verdict not in ("agrees", "known")
            or not result.agreed
        ):
            break
        height += 1
    return height
