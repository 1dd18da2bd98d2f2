"""A port under test in a campaign, and a request that it fails at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from conformance import ladder
from conformance.messages import Reply, Request
from conformance.verbs import NAMES
from harness.errors import ConformError
from harness.judge.climb import FAULTS, CaseResult, Verdict
from harness.judge.compare import Comparison, compare
from harness.run.session import Session

VERDICTS: dict[str, Verdict] = {"protocol": "protocol", "crashed": "crashed", "limit": "limit"}
REMEMBERED = 200  # requests of a conversation, for what shows only after others


@dataclass
class Target:
    """A port under test: the verbs that it claims, and the conversation with it."""

    name: str
    session: Session
    verbs: Sequence[str] = NAMES
    recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def ask(self, request: Request) -> Reply:
        self.recent.append(request.data())
        return self.session.ask_last(request) if request.ends_input else self.session.ask(request)

    def afresh(self) -> None:
        """The next request gets a fresh process."""
        self.session.kill()
        self.recent.clear()


@dataclass(frozen=True)
class Failing:
    """A request that a port does not answer as the reference does."""

    target: Target
    request: Request
    fault: ConformError | None = None
    comparison: Comparison | None = None

    def result(self, case: ladder.Case) -> CaseResult:
        if self.fault is not None:
            return CaseResult(case, VERDICTS[self.fault.outcome], fault=self.fault)
        assert self.comparison is not None
        seen = self.comparison
        numbers = (seen.values, seen.different, seen.worst_ulps)
        return CaseResult(case, "disagrees", *numbers, difference=seen.first)


def failing_of(target: Target, request: Request, golden: Reply) -> Failing | None:
    """Ask, and compare. Raises MachineFault."""
    try:
        reply = target.ask(request)
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        return Failing(target, request, fault=fault)
    comparison = compare(request, golden, reply, target.name)
    return None if comparison.agrees else Failing(target, request, comparison=comparison)
