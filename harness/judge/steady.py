"""The mark `steady`: the same cases again, which must get the same answers.

Asked in another order and of other processes, in circumstances that must not matter (locale, time zone, a
small stack), several requests in one write. An answer that changes is asked for twice more, to say why.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from conformance.messages import Reply
from harness.errors import ConformError
from harness.judge.climb import FAULTS, CaseResult, LevelResult, Verdict, judge_case
from harness.judge.compare import Compare, Difference
from harness.judge.marks import Tally, tally
from harness.run import together
from harness.run.circumstances import OTHERS, USUAL, Circumstances
from harness.run.limits import KIB
from harness.run.process import Process
from harness.run.session import Session
from harness.threads import side_by_side

STEADY_SECONDS = 20.0  # of a port's own time: what is asked again; a slow port is asked the quick cases alone
PER_PROCESS = 256  # requests: a container takes a third of a second to start
AT_ONCE, AT_ONCE_BYTES = 16, 60 * KIB  # requests in one write: what a pipe takes
PATIENCE = 10  # times what the same requests took before
Launch = Callable[[Sequence[str], Circumstances], Process]


@dataclass(frozen=True)
class Asker:
    """How to ask again. `usual` is the session that asked first; its limits and translation hold here."""

    launch: Launch
    usual: Session
    name: str
    judge_by: Compare

    def alone(self, before: CaseResult, surrounding: Circumstances) -> CaseResult:
        """One case, of a process that is asked nothing else."""
        session = Session(lambda: self.launch((), surrounding), self.usual.limits)
        session.translate = self.usual.translate
        try:
            return judge_case(session, before.case, self.name, self.judge_by)
        finally:
            session.kill()


def steady(asker: Asker, found: Sequence[LevelResult], seed: int) -> Tally:
    """Ask what was asked before again."""
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
    half = (len(chosen) + 1) // 2
    halves = (chosen[:half], chosen[half:])
    with side_by_side(len(halves)) as pool:  # starting a container is mostly waiting
        first, second = pool.map(lambda other, some: tally(some, _again(asker, other, some)), OTHERS, halves)
    return first + second


def _again(asker: Asker, other: Circumstances, chosen: Sequence[CaseResult]) -> Iterator[CaseResult]:
    per_process = PER_PROCESS
    while chosen:
        some, chosen = chosen[:per_process], chosen[per_process:]
        writes = [[asker.usual.translate(before.case.request) for before in group] for group in _groups(some)]
        wait = asker.usual.limits.start + PATIENCE * sum(before.seconds for before in some)
        with closing(together.ask(asker.launch((), other), writes, asker.usual.limits, wait)) as replies:
            for index, before in enumerate(some, start=1):
                try:
                    reply = next(replies)
                except ConformError as fault:
                    if fault.outcome not in FAULTS:
                        raise
                    yield _changed(asker, other, before)
                    # Those behind it are asked one by one: nobody waits for the same fault again and again.
                    chosen, per_process = [*some[index:], *chosen], 1
                    break
                yield _same(before) if _digest(reply) == before.digest else _changed(asker, other, before)


def _groups(chosen: Sequence[CaseResult]) -> Iterator[Sequence[CaseResult]]:
    """What is sent in one write: some requests, or a large one."""
    begin = size = 0
    for end, before in enumerate(chosen):
        size += len(before.case.request.data())
        if end > begin and (end - begin == AT_ONCE or size > AT_ONCE_BYTES):
            yield chosen[begin:end]
            begin, size = end, len(before.case.request.data())
    yield chosen[begin:]


def _digest(reply: Reply) -> str:
    return hashlib.sha256(reply.text().encode()).hexdigest()


def _same(before: CaseResult) -> CaseResult:
    return replace(before, verdict="agrees", difference=None, quantities=(), reply=None)


def _changed(asker: Asker, other: Circumstances, before: CaseResult) -> CaseResult:
    """What a changed answer hangs on: ask alone in the other circumstances, then alone in the usual ones."""
    several = "several requests at once"
    there = asker.alone(before, other)
    here = asker.alone(before, USUAL)
    if here.digest != before.digest:
        return _difference(before, here, "asked alone, in a process of its own")
    if there.digest != before.digest:
        return _difference(before, there, f"in other circumstances: {other.words()}")
    return _difference(before, there, f"in other circumstances: {several}")


def _difference(before: CaseResult, now: CaseResult, where: str) -> CaseResult:
    if now.fault is not None:
        now.fault.message = f"{now.fault.message} ({where})"
        return now
    first = before.difference or now.difference
    changed = Difference(
        "text",
        first.checkpoint if first else "the reply",
        before.difference.got if before.difference else "the right reply, when it was asked first",
        now.difference.got if now.difference else "another reply",
        line=first.line if first else 1,
        asked=where,
    )
    verdict: Verdict = "disagrees"
    return CaseResult(before.case, verdict, now.values, max(1, now.different), difference=changed)
