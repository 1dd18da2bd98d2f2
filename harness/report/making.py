"""Makes a record of what a run found."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from harness.build.manifest import Manifest
from harness.build.runners import Prepared
from harness.build.sources import source_hash
from harness.errors import ConformError
from harness.explain.mutants.diagnose import Diagnosis
from harness.explain.search import Smallest, in_words
from harness.explain.trace import Finding
from harness.judge.attempt import Attempt
from harness.judge.climb import HARMLESS, CaseResult, LevelResult, reached
from harness.judge.compare import Difference
from harness.report.record import (
    Build,
    CaseRecord,
    DiagnosisRecord,
    Fault,
    FindingRecord,
    LevelRecord,
    Machine,
    Marks,
    Outcome,
    Record,
    Seconds,
    Size,
    SmallestRecord,
    Trail,
)
from harness.run.machine import processor
from harness.run.session import Timing

TRAIL_LENGTH = 600  # checkpoints; the first wrong one is among the first of nearly every reply
TEXT_LENGTH = 1000  # characters of one text that a port wrote
LOG_LINES = 20


@dataclass(frozen=True)
class Climb:
    """All that asking a port came to. `chosen` is the only level that was asked, None for the ladder."""

    levels: Sequence[LevelResult]
    marks: Marks = Marks()
    finding: Finding | None = None
    next_step: Attempt | None = None
    diagnosis: Sequence[Diagnosis] = ()
    clues: Sequence[str] = ()
    smallest: Smallest | None = None
    repeat: Sequence[str] = ()
    chosen: int | None = None
    long: bool = False
    native: bool = False


@dataclass(frozen=True)
class Circumstances:
    """What a record says of the run itself: its key, hashes of suite and judging code, seconds, remarks."""

    key: str
    suite: str
    code: str
    seconds: float
    timing: Timing
    notes: Sequence[str] = ()


def cut(text: str) -> str:
    """A text from a port, as long as a report can bear."""
    return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}... ({len(text):,} characters)"


def fault_of(fault: ConformError) -> Fault:
    log = tuple(cut(line) for line in fault.log[-LOG_LINES:])
    return Fault(fault.code, cut(fault.message), cut(fault.hint), log)


def difference_of(difference: Difference) -> Difference:
    return replace(
        difference, expected=cut(difference.expected), got=cut(difference.got), asked=cut(difference.asked)
    )


def case_of(result: CaseResult) -> CaseRecord:
    """A case that does not agree."""
    return CaseRecord(
        case=result.case.id,
        verdict=result.verdict,
        values=result.values,
        different=result.different,
        worst_ulps=result.worst_ulps,
        difference=difference_of(result.difference) if result.difference else None,
        fault=fault_of(result.fault) if result.fault else None,
    )


def level_of(result: LevelResult) -> LevelRecord:
    return LevelRecord(
        level=result.level.number,
        verb=result.level.verb,
        verdict=result.verdict,
        cases=len(result.results),
        agreed=result.agreed,
        values=result.values,
        different=result.different,
        worst_ulps=result.worst_ulps,
        worst_share=round(result.worst_share, 6),
        seconds=round(result.seconds, 3),
        failures=tuple(case_of(case) for case in result.results if case.verdict not in HARMLESS),
        others={
            verdict: tuple(case.case.name for case in result.results if case.verdict == verdict)
            for verdict in HARMLESS
        },
    )


def outcome(climb: Climb, manifest: Manifest) -> Outcome:
    """One word for the whole run: the first fault that counts, "conforms", or "nothing checked"."""
    asked = [r for r in climb.levels if climb.chosen is not None or r.level.number <= manifest.level]
    for result in asked:
        if result.verdict not in HARMLESS:
            return result.verdict
    if not any(result.agreed for result in asked):
        return "nothing checked"
    marks = climb.marks
    if marks.fresh is not None and not marks.fresh.full:
        return "fails fresh questions"
    if marks.steady is not None and not marks.steady.full:
        return "disagrees with itself"
    if manifest.robust and marks.robust is not None and not marks.robust.full:
        return "not robust"
    if manifest.command_line and marks.command_line is not None and not marks.command_line.full:
        return "wrong on the command line"
    return "conforms"


def make(manifest: Manifest, prepared: Prepared, climb: Climb, ran: Circumstances) -> Record:
    """The record of a finished climb."""
    return Record(
        **_head(manifest, prepared.runner, prepared.image_bytes),
        reached_level=reached(climb.levels),
        outcome=outcome(climb, manifest),
        only_level=climb.chosen,
        long_cases=climb.long,
        math="native" if climb.native else "exact",
        build=Build(
            hash=prepared.content_hash,
            image=prepared.image or "",
            base=prepared.base_id or "",
            reused=prepared.reused,
            toolchain=cut(prepared.toolchain or ""),
        ),
        key=ran.key,
        suite=ran.suite,
        code=ran.code,
        seconds=Seconds(
            total=round(ran.seconds, 3),
            port=round(ran.timing.waiting, 3),
            start=round(ran.timing.starting, 3),
            build=round(prepared.seconds, 3),
        ),
        requests=ran.timing.requests,
        notes=tuple(cut(note) for note in ran.notes),
        finding=finding_of(climb.finding) if climb.finding else None,
        next_step=climb.next_step,
        diagnosis=tuple(diagnosis_of(known) for known in climb.diagnosis),
        clues=tuple(cut(clue) for clue in climb.clues),
        smallest=smallest_of(climb.smallest) if climb.smallest else None,
        trail=trail_of(climb.levels, climb.finding),
        levels=tuple(level_of(result) for result in climb.levels),
        marks=climb.marks,
        repeat=tuple(climb.repeat),
    )


def build_failure(manifest: Manifest, fault: ConformError, runner: str, ran: Circumstances) -> Record:
    """The record of a port that could not be built."""
    seconds = round(ran.seconds, 3)
    return Record(
        **_head(manifest, runner),
        reached_level=0,
        outcome="build failed",
        build=Build(),
        key="",
        suite=ran.suite,
        code=ran.code,
        seconds=Seconds(total=seconds, port=0.0, start=0.0, build=seconds),
        fault=fault_of(fault),
    )


def _head(manifest: Manifest, runner: str, image_bytes: int | None = None) -> dict[str, Any]:
    """What every record says about the port, the machine and the day."""
    lines, files = source_size(manifest)
    return {
        "port": manifest.name,
        "source": source_hash(manifest),
        "language": manifest.language,
        "family": manifest.family,
        "engine": manifest.engine,
        "agreement": manifest.agreement,
        "claimed_level": manifest.level,
        "claims_robust": manifest.robust,
        "known": manifest.known,
        "size": Size(lines, files, image_bytes),
        "runner": runner,
        "machine": Machine(platform.system(), platform.machine(), processor(), platform.python_version()),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def diagnosis_of(diagnosis: Diagnosis) -> DiagnosisRecord:
    variants = tuple(" + ".join(names) for names in diagnosis.variants)
    return DiagnosisRecord(diagnosis.case, variants, diagnosis.sentence)


def smallest_of(found: Smallest) -> SmallestRecord:
    request = found.request
    return SmallestRecord(
        verb=request.verb,
        words=in_words(request),
        request=request.text(),
        difference=difference_of(found.difference),
        clues=tuple(cut(clue) for clue in found.clues),
    )


def finding_of(finding: Finding) -> FindingRecord:
    request = finding.request
    return FindingRecord(request.verb, request.id, finding.sentence, difference_of(finding.difference))


def trail_of(found: Sequence[LevelResult], finding: Finding | None) -> Trail | None:
    """The trail of the reply that the divergence was traced to, else of the first case that disagrees."""
    if finding is not None and finding.quantities:
        name, quantities = f"{finding.request.verb}/{finding.request.id}", finding.quantities
    else:
        cases = (case for level in found for case in level.results if case.verdict == "disagrees")
        case = next(cases, None)
        if case is None or not case.quantities:
            return None
        name, quantities = case.case.id, case.quantities
    shown = tuple(
        replace(quantity, first=difference_of(quantity.first)) if quantity.first else quantity
        for quantity in quantities[:TRAIL_LENGTH]
    )
    return Trail(name, len(quantities) - len(shown), shown)


def source_size(manifest: Manifest) -> tuple[int, int]:
    """Lines that are not blank, and files, of a port's source."""
    contents = [manifest.read(path) for path in manifest.files()]
    lines = sum(1 for data in contents if b"\0" not in data for line in data.splitlines() if line.strip())
    return lines, len(contents)
