"""One port from folder to record: build, climb, trace the first divergence, write down what was found.

Everything that `conform run` and `make conform` do, without a command line and without a terminal.
"""

from __future__ import annotations

import hashlib
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from conformance import bounds, ladder, sums
from conformance.cases import command_line as command_lines
from harness import paths
from harness.build.architecture import SLOWER
from harness.build.manifest import Manifest
from harness.build.runners import Runner
from harness.errors import BuildFailed, LimitExceeded, ManifestError
from harness.explain import failure
from harness.explain.mutants.diagnose import diagnose
from harness.fleet.choice import Choice
from harness.fleet.key import code_hash
from harness.fleet.listener import Listener
from harness.fleet.marking import Marking
from harness.judge import tolerance
from harness.judge.attempt import Attempt, attempt
from harness.judge.climb import LevelResult, climb, reached
from harness.judge.compare import Compare, compare
from harness.report.making import Circumstances, Climb, build_failure, make
from harness.report.record import Marks, Record
from harness.run.limits import Limits
from harness.run.machine import is_x86_64_v3
from harness.run.session import Session


def conform(manifest: Manifest, runner: Runner, limits: Limits, choice: Choice, listener: Listener) -> Record:
    """Judge a port. Every other fault than these is in the record.

    Raises MachineFault, ManifestError and, if a file of the suite is damaged, BrokenSuite.
    """
    began = time.monotonic()
    sums.verify()
    if choice.native:
        manifest = replace(manifest, agreement="tolerance")
    suite = ladder.content_hash(ladder.levels())
    _check_known(manifest)
    try:
        prepared = runner.prepare(manifest, listener.building)
        contracted = _contracted(manifest, runner, choice, listener)
    except (BuildFailed, LimitExceeded) as fault:
        ran = Circumstances(
            "", suite, code_hash(), time.monotonic() - began, Session(runner.launch, limits).timing
        )
        return _on(choice, build_failure(manifest, fault, choice.runner, ran))
    listener.built(prepared)
    if choice.architecture:
        limits = limits.slower(SLOWER)
    session = Session(runner.launch, limits)
    if not prepared.reused:
        session.notes += build_warnings(manifest.name)
    if contracted is None and manifest.contracted is not None and choice.is_whole and not choice.architecture:
        session.notes.append("the line 'contracted' was not tried: this machine does not run x86-64-v3")
    try:
        found = _asked(session, runner, contracted, manifest, choice, listener)
    finally:
        session.kill()
    key = result_key(manifest, prepared.content_hash, choice)
    ran = Circumstances(key, suite, code_hash(), time.monotonic() - began, session.timing, session.notes)
    return _on(choice, make(manifest, prepared, found, ran))


def _on(choice: Choice, record: Record) -> Record:
    """The record with the architecture that was asked for."""
    if choice.architecture is None:
        return record
    machine = msgspec.structs.replace(record.machine, architecture=choice.architecture.machine, emulated=True)
    return msgspec.structs.replace(record, machine=machine)


def _contracted(manifest: Manifest, runner: Runner, choice: Choice, listener: Listener) -> Runner | None:
    """The port's other build; None without one, for a part of the ladder, or where it would not run.

    Raises what Runner.prepare raises.
    """
    if manifest.contracted is None or not choice.is_whole or choice.architecture or not is_x86_64_v3():
        return None
    other = runner.another()
    other.prepare(manifest.as_contracted(), listener.building)
    return other


def build_warnings(port: str) -> list[str]:
    """How many warnings the build gave, as a remark; none if it gave none. Debian's own about manuals, which
    slim images leave out, are not the port's.
    """
    log = paths.logs_dir() / f"{port}-build.log"
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    text = re.sub(r"(?m)^update-alternatives: .*$", "", text)
    number = len(re.findall(r"\bwarning(?::|\[|s? generated)", text, re.IGNORECASE))
    listed = "1 warning" if number == 1 else f"{number} warnings"
    return [f"the build gave {listed}: {paths.shown(log)}"] if number else []


def _check_known(manifest: Manifest) -> None:
    for known in manifest.known:
        try:
            ladder.find_case(known.case)
        except ladder.UnknownCase as problem:
            raise ManifestError(f"port.yaml of {manifest.name}, key 'known': {problem}") from None


def _asked(
    session: Session,
    runner: Runner,
    contracted: Runner | None,
    manifest: Manifest,
    choice: Choice,
    listener: Listener,
) -> Climb:
    """Everything that a port is asked, and what that comes to."""
    within = manifest.agreement == "tolerance"
    judge_by: Compare = tolerance.compare_within if within else compare
    known = {entry.case for entry in manifest.known}
    native = within and tolerance.wants_native(session, manifest.name, choice.native)
    if native:
        session.translate = tolerance.in_native
    for name in choice.after:
        session.ask(ladder.find_case(name).request)
    found = climb(session, choice.cases(manifest.slow), manifest.name, listener.judged, known, judge_by)
    finding = failure.traced(session, found, listener.tracing, judge_by)
    repeat = () if choice.after else failure.leftover(session, found, manifest.name, judge_by)
    chance = failure.chance(session, found, manifest.name, judge_by)
    next_step = _next_step(session, found, manifest.name, judge_by)
    marked = Marks()
    if choice.is_whole and reached(found):
        marking = Marking(manifest, choice, runner, contracted, session, found, judge_by)
        marked = marking.marks(listener.marking)
    # No known mistake gives the bits of a library's functions.
    is_wrong = not within and any(level.verdict == "disagrees" for level in found)
    if is_wrong:
        listener.diagnosing()
    diagnosis = diagnose(_spoken(found), choice.patience) if is_wrong else []
    told = failure.Told()
    if not any(known.reproduced == known.tried for known in diagnosis):
        told = failure.smaller(session, found, finding, bool(repeat), listener.searching, judge_by)
    return Climb(
        levels=found,
        marks=marked,
        finding=finding,
        next_step=next_step,
        diagnosis=diagnosis,
        clues=(*chance, *told.clues),
        smallest=told.smallest,
        repeat=repeat,
        chosen=choice.only_level,
        long=choice.long,
        native=native,
    )


def _spoken(found: Sequence[LevelResult]) -> Sequence[LevelResult]:
    """The levels for whose failures a mistake is looked for: none if already the port's name is wrong."""
    return () if found[0].level.verb == "hello" and found[0].verdict == "disagrees" else found


def _next_step(
    session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare
) -> Attempt | None:
    """For a port that has climbed a part of the ladder: the first case that it must learn next."""
    height = reached(found)
    if not 0 < height < len(found) or found[height].verdict == "not run":
        return None
    stopped = found[height].first_failure
    return attempt(session, stopped.case, name, judge_by) if stopped is not None else None


def result_key(manifest: Manifest, content_hash: str, choice: Choice) -> str:
    """Names all that a result depends on. Two runs with the same key come to the same result."""
    asked = replace(choice, fresh_seed=None)
    parts = (
        *(content_hash, ladder.content_hash(ladder.levels()), code_hash()),
        *(repr(asked), platform.machine()),
        *(manifest.agreement, str(manifest.level), repr(manifest.known), str(manifest.robust)),
        repr(manifest.contracted),
        *(str(manifest.command_line), command_lines.content_hash()),
        *((bounds.file_hash(),) if manifest.agreement == "tolerance" else ()),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
