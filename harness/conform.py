"""One port from folder to record: build, climb, trace the first divergence, write down what was found.

Everything that `conform run` and `make conform` do, without a command line and without a terminal.
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from harness import ladder, paths, record, tolerance
from harness.attempt import Attempt, attempt
from harness.compare import Compare, compare
from harness.errors import BuildFailed, ConformError, LimitExceeded
from harness.judge import CaseResult, LevelResult, climb, reached
from harness.limits import Limits
from harness.manifest import Manifest
from harness.mutants.diagnose import diagnose
from harness.runners import Prepared, Runner
from harness.session import Session
from harness.trace import Finding, trace


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
        *((tolerance.file_hash(),) if manifest.agreement == "tolerance" else ()),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@cache
def code_hash() -> str:
    """SHA-256 of all code that has a say in a verdict: not of what renders, fuzzes or schedules."""
    root = paths.root()
    files = [
        *(root / "harness").glob("*"),
        *(root / "harness" / "mutants").glob("*"),
        *(root / "harness" / "templates").glob("*"),
        *(root / "reference").glob("*"),
    ]
    digest = hashlib.sha256()
    for path in sorted(files):
        if path.suffix in (".py", ".json", ".j2"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _trace(
    session: Session, found: Sequence[LevelResult], on_start: Callable[[str], None], judge_by: Compare
) -> Finding | None:
    """Trace the run's first divergence, if it is in a training. A port that fails at that is not traced."""
    failures = (level.first_failure for level in found if level.verdict != "unsupported")
    first = next((failure for failure in failures if failure is not None), None)
    if first is None or first.difference is None or first.case.level.verb not in ("train", "run"):
        return None
    on_start(first.case.id)
    try:
        return trace(session, first.case.request, first.difference, judge_by)
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        return None
