"""A case that fails in the climb and passes alone: what an earlier request left behind, or chance.

Finds the requests before it that are needed, so that the failure can be repeated, and answers that vary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from conformance.ladder import Case
from harness.judge.climb import FAULTS, CaseResult, judge_case
from harness.judge.compare import Compare
from harness.run.session import Session

MOST_TRIES = 40
TIMES = 4  # a case is asked alone, to see whether its answer varies,
QUICK = 5.0  # if it took no more seconds than these


def needed(
    session: Session, before: Sequence[Case], failed: CaseResult, name: str, by: Compare
) -> list[Case]:
    """The cases of `before` after which the failed one still fails; none if it fails alone.

    `before` is what was asked earlier, in order. Raises what a session raises for the machine's faults.
    """
    tries = 0

    def fails(after: Sequence[Case]) -> bool:
        nonlocal tries
        tries += 1
        session.kill()
        for case in after:
            if judge_case(session, case, name, by).verdict in FAULTS:
                return False
        return judge_case(session, failed.case, name, by).verdict == failed.verdict

    if fails([]) or not fails(before):
        return []
    kept = list(before)
    size = len(kept)
    while size > 1 and tries < MOST_TRIES:
        size = (size + 1) // 2
        if fails(kept[-size:]):
            kept = kept[-size:]
        else:
            break
    kept = _without_idle(kept, fails, lambda: tries < MOST_TRIES)
    # What chance has a part in would have been taken for something left behind.
    return kept if all(fails(kept) and not fails([]) for _ in range(2)) else []


def by_chance(session: Session, failed: CaseResult, name: str, by: Compare) -> str:
    """A sentence if the failed case, asked alone of new processes, gets several answers; else ''."""
    if failed.seconds > QUICK:
        return ""
    answers = set()
    for _ in range(TIMES):
        session.kill()
        now = judge_case(session, failed.case, name, by)
        answers.add(now.digest or now.verdict)
    if len(answers) == 1:
        return ""
    return (
        f"chance has a part in it: asked alone {TIMES} times, it gives {len(answers)} different answers. "
        "Look for the order of a hash table, for threads, and for memory that is read before it is written"
    )


def _without_idle(
    kept: list[Case], fails: Callable[[Sequence[Case]], bool], may_try: Callable[[], bool]
) -> list[Case]:
    """Leave out pieces, large ones first, as long as the failure stays."""
    piece = max(1, len(kept) // 2)
    while may_try():
        start, found = 0, False
        while start < len(kept) and len(kept) > 1 and may_try():
            shorter = kept[:start] + kept[start + piece :]
            if shorter and fails(shorter):
                kept, found = shorter, True
            else:
                start += piece
        if piece == 1 and not found:
            break
        piece = max(1, piece // 2)
    return kept
