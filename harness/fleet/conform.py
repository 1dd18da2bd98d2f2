"""One port from folder to record: build, climb, trace the first divergence, write down what was found.

Everything that `conform run` and `make conform` do, without a command line and without a terminal.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from conformance import bounds, ladder, verbs
from harness.build.manifest import Manifest
from harness.build.runners import Prepared, Runner
from harness.errors import BuildFailed, ConformError, LimitExceeded
from harness.explain.mutants.diagnose import diagnose
from harness.explain.trace import Finding, trace
from harness.fleet.key import code_hash
from harness.judge import tolerance
from harness.judge.attempt import Attempt, attempt
from harness.judge.climb import CaseResult, LevelResult, climb, reached
from harness.judge.compare import Compare, compare
from harness.report import record
from harness.run.limits import Limits
from harness.run.session import Session


@dataclass(frozen=True)
class Choice:
    """Which cases to ask: all but the long ones by default. native: ask for the port's own functions."""

    runner: str = "docker"
    level: int | None = None
    case: str | None = None
    long: bool = False
    native: bool = False

    def cases(self) -> list[tuple[ladder.Level, Sequence[ladder.Case]]]:
        """The chosen cases by level. Raises ManifestError for a case that does not exist."""
        if self.case is not None:
            case = ladder.find_case(self.case)
            return [(case.level, [case])]
        return [
            (level, [case for case in level.cases if self.long or not case.long])
            for level in ladder.levels()
            if self.level in (None, level.number)
        ]

    def count(self) -> int:
        return sum(len(cases) for _, cases in self.cases())

    @property
    def only_level(self) -> int | None:
        """The level, if the choice is less than the ladder."""
        return self.cases()[0][0].number if self.case is not None else self.level


class Listener:
    """Is told what happens while a port is judged. This one does nothing; the terminal's shows progress."""

    def building(self, line: str) -> None:
        """A line of the build's output."""

    def built(self, prepared: Prepared) -> None:
        """The port is ready to start."""

    def judged(self, result: CaseResult) -> None:
        """One case is done."""

    def tracing(self, case: str) -> None:
        """The first divergence is being traced."""

    def diagnosing(self) -> None:
        """The wrong replies are compared with those of known mistakes."""

    def finished(self) -> None:
        """There is nothing more to do for this port."""


def conform(
    manifest: Manifest, runner: Runner, limits: Limits, choice: Choice, listener: Listener
) -> record.Record:
    """Judge a port. Raises MachineFault and ManifestError; every other fault is in the record."""
    began = time.monotonic()
    if choice.native:
        manifest = replace(manifest, agreement="tolerance")
    within = manifest.agreement == "tolerance"
    judge_by: Compare = tolerance.compare_within if within else compare
    chosen = choice.cases()
    if within:  # no bounds are measured for large cases
        chosen = [(level, [case for case in cases if not case.large]) for level, cases in chosen]
    known = {ladder.find_case(entry.case).id for entry in manifest.known}
    suite_hash = ladder.content_hash(ladder.levels())
    try:
        prepared = runner.prepare(manifest, listener.building)
    except (BuildFailed, LimitExceeded) as fault:
        return record.build_failure(
            manifest, fault, runner=choice.runner, suite_hash=suite_hash, seconds=time.monotonic() - began
        )
    listener.built(prepared)
    key = result_key(manifest, prepared.content_hash, choice)
    session = Session(runner.launch, limits)
    try:
        native = within and tolerance.wants_native(session, manifest.name, choice.native)
        if native:
            session.translate = tolerance.in_native
        found = climb(session, chosen, manifest.name, listener.judged, known, judge_by)
        finding = _trace(session, found, listener.tracing, judge_by)
        next_step = _next_step(session, found, manifest.name, judge_by)
    finally:
        session.kill()
    # No known mistake gives the bits of a library's functions.
    can_diagnose = not within
    if can_diagnose and any(level.verdict == "disagrees" for level in found):
        listener.diagnosing()
    return record.build_record(
        manifest,
        prepared,
        found,
        key=key,
        suite_hash=suite_hash,
        timing=session.timing,
        seconds=time.monotonic() - began,
        finding=finding,
        next_step=next_step,
        notes=session.notes,
        diagnosis=[record.diagnosis_json(known) for known in diagnose(found)] if can_diagnose else [],
        chosen=choice.only_level,
        long=choice.long,
        native=native,
    )


def _next_step(
    session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare
) -> Attempt | None:
    """For a port that has climbed a part of the ladder: the first case that it must learn next."""
    height = reached(found)
    if not 0 < height < len(found) or found[height].verdict == "not run":
        return None
    failure = found[height].first_failure
    return attempt(session, failure.case, name, judge_by) if failure is not None else None


def result_key(manifest: Manifest, content_hash: str, choice: Choice) -> str:
    """Names all that a result depends on. Two runs with the same key come to the same result."""
    parts = (
        *(content_hash, ladder.content_hash(ladder.levels()), code_hash()),
        *(repr(choice), platform.machine()),
        *(manifest.agreement, str(manifest.level), repr(manifest.known)),
        *((bounds.file_hash(),) if manifest.agreement == "tolerance" else ()),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _trace(
    session: Session, found: Sequence[LevelResult], on_start: Callable[[str], None], judge_by: Compare
) -> Finding | None:
    """Trace the run's first divergence, if it is in a training. A port that fails at that is not traced."""
    failures = (level.first_failure for level in found if level.verdict != "unsupported")
    first = next((failure for failure in failures if failure is not None), None)
    if first is None or first.difference is None or not verbs.has(first.case.level.verb, "checksums"):
        return None
    on_start(first.case.id)
    try:
        return trace(session, first.case.request, first.difference, judge_by)
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        return None
